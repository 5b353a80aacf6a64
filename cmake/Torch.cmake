# tandem::torch: Debian's libtorch, or a torch 2.x wheel in TANDEM_TORCH_ROOT.
add_library(tandem_torch INTERFACE)
add_library(tandem::torch ALIAS tandem_torch)
find_package(OpenMP REQUIRED)

if(TANDEM_WITH_CUDA AND NOT TANDEM_TORCH_ROOT)
  message(FATAL_ERROR "TANDEM_WITH_CUDA=ON wants a torch wheel for cards: "
          "-DTANDEM_TORCH_ROOT=.../site-packages/torch. Debian's libtorch computes on a CPU alone.")
endif()

if(TANDEM_TORCH_ROOT)
  if(NOT EXISTS ${TANDEM_TORCH_ROOT}/lib/libtorch_cpu.so)
    message(FATAL_ERROR "TANDEM_TORCH_ROOT=${TANDEM_TORCH_ROOT} has no lib/libtorch_cpu.so")
  endif()
  # The wheel's include folder also holds a protobuf that would hide ours:
  # show the compiler only torch's own headers.
  set(torch_include ${CMAKE_BINARY_DIR}/torch_include)
  file(MAKE_DIRECTORY ${torch_include})
  foreach(folder ATen c10 caffe2 torch)
    if(EXISTS ${TANDEM_TORCH_ROOT}/include/${folder})
      file(CREATE_LINK ${TANDEM_TORCH_ROOT}/include/${folder}
           ${torch_include}/${folder} SYMBOLIC)
    endif()
  endforeach()
  set(torch_libraries)
  foreach(name torch torch_cpu c10)
    list(APPEND torch_libraries ${TANDEM_TORCH_ROOT}/lib/lib${name}.so)
  endforeach()
  if(TANDEM_WITH_CUDA)
    # One runtime in the process: torch's, which is shared.
    find_package(CUDAToolkit REQUIRED)
    # No symbol of theirs is named; what they register is what is wanted.
    list(APPEND torch_libraries -Wl,--no-as-needed
         ${TANDEM_TORCH_ROOT}/lib/libtorch_cuda.so
         ${TANDEM_TORCH_ROOT}/lib/libc10_cuda.so -Wl,--as-needed)
  endif()
  set(torch_abi_files ${TANDEM_TORCH_ROOT}/share/cmake/Torch/TorchConfig.cmake)
  if(EXISTS ${torch_abi_files})
    file(READ ${torch_abi_files} torch_config)
    if(torch_config MATCHES "_GLIBCXX_USE_CXX11_ABI=0")
      message(FATAL_ERROR "This torch was built with _GLIBCXX_USE_CXX11_ABI=0; "
              "gRPC and Abseil of this system use 1. Take a wheel of torch 2.7 or later.")
    endif()
  endif()
  # What a wheel needs beyond itself lies beside it where the program runs.
  target_link_options(tandem_torch INTERFACE
    -Wl,--unresolved-symbols=ignore-in-shared-libs -Wl,--disable-new-dtags)
  set(CMAKE_BUILD_RPATH ${TANDEM_TORCH_ROOT}/lib)
else()
  find_library(TORCH_LIBRARY torch REQUIRED)
  find_library(TORCH_CPU_LIBRARY torch_cpu REQUIRED)
  find_library(C10_LIBRARY c10 REQUIRED)
  find_path(torch_include ATen/core/Tensor.h REQUIRED)
  set(torch_libraries ${TORCH_LIBRARY} ${TORCH_CPU_LIBRARY} ${C10_LIBRARY})
endif()

target_include_directories(tandem_torch SYSTEM INTERFACE ${torch_include})
target_link_libraries(tandem_torch INTERFACE ${torch_libraries} OpenMP::OpenMP_CXX)

# Two copies of protobuf in one process would fight over one descriptor pool.
list(GET torch_libraries 1 torch_cpu_library)
execute_process(COMMAND sh -c "nm -DC --defined-only '${torch_cpu_library}' | grep -c ' T google::protobuf::'"
                OUTPUT_VARIABLE torch_protobuf_symbols ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
if(torch_protobuf_symbols GREATER 0)
  message(FATAL_ERROR "${torch_cpu_library} exports ${torch_protobuf_symbols} functions of "
          "google::protobuf; they would clash with the protobuf that gRPC uses.")
endif()
