# tandem::flags: what every target of ours is compiled and linked with.
add_library(tandem_flags INTERFACE)
add_library(tandem::flags ALIAS tandem_flags)
target_include_directories(tandem_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(tandem_flags INTERFACE
  -Wall -Wextra -Wnon-virtual-dtor -Wvla -fno-math-errno
  $<$<BOOL:${TANDEM_WERROR}>:-Werror>
  -fstack-protector-strong)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  target_compile_options(tandem_flags INTERFACE -fcf-protection)
endif()
target_link_options(tandem_flags INTERFACE -Wl,-z,relro,-z,now)
if(TANDEM_SANITIZE)
  target_compile_options(tandem_flags INTERFACE
    -fsanitize=${TANDEM_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(tandem_flags INTERFACE -fsanitize=${TANDEM_SANITIZE})
  if(TANDEM_SANITIZE MATCHES thread)
    # g++ warns of fences, which this sanitizer does not see: Boost.Asio has some
    # beside its mutexes. Protobuf's headers give a class another member under
    # it, which the library of the system does not have: they must not know, and
    # our sources ask for TANDEM_THREAD_SANITIZER.
    target_compile_options(tandem_flags INTERFACE -Wno-tsan -U__SANITIZE_THREAD__)
    target_compile_definitions(tandem_flags INTERFACE TANDEM_THREAD_SANITIZER)
  endif()
else()
  target_compile_options(tandem_flags INTERFACE
    $<$<CONFIG:Release>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>)
endif()
# RelWithDebInfo and Release of g++ say -O2 and -O3; one level everywhere.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")

find_program(MOLD mold)
if(MOLD AND NOT TANDEM_SANITIZE)
  add_link_options(-fuse-ld=mold)
endif()
