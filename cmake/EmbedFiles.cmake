# Files into a C++ source, run at build time:
#
#   cmake -DFOLDER=... -DFILES="a.html;b.css" -DOUTPUT=playground_files.cc -P this
#
# Defines PlaygroundFiles() of gateway/playground.h: each file as it is and packed
# by gzip. The same files make the same source.

set(type_html "text/html; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_svg "image/svg+xml")

# Sets `literal` to the bytes of a hex string as a C++ string literal.
macro(hex_to_literal hex)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" literal "${hex}")
  # One line of at most 16 KiB, which every compiler takes.
  string(REGEX REPLACE "(................................................................................................................................)" "\\1\"\n    \"" literal "${literal}")
endmacro()

set(entries)
foreach(file IN LISTS FILES)
  string(REGEX REPLACE ".*\\." "" extension ${file})
  set(packed ${OUTPUT}.gz)
  file(ARCHIVE_CREATE OUTPUT ${packed} PATHS ${FOLDER}/${file} FORMAT raw
       COMPRESSION GZip COMPRESSION_LEVEL 9)
  file(READ ${FOLDER}/${file} plain_hex HEX)
  file(READ ${packed} packed_hex HEX)
  # Bytes 4 to 7 are the time, which is nobody's business.
  string(SUBSTRING "${packed_hex}" 0 8 head)
  string(SUBSTRING "${packed_hex}" 16 -1 tail)
  set(packed_hex "${head}00000000${tail}")
  file(SIZE ${FOLDER}/${file} plain_size)
  file(SIZE ${packed} packed_size)
  file(REMOVE ${packed})
  hex_to_literal("${plain_hex}")
  set(plain "${literal}")
  hex_to_literal("${packed_hex}")
  string(APPEND entries
         "  {\"${file}\", \"${type_${extension}}\",\n"
         "   {\"${plain}\", ${plain_size}},\n"
         "   {\"${literal}\", ${packed_size}}},\n")
endforeach()
list(LENGTH FILES count)
file(WRITE ${OUTPUT}
     "#include \"gateway/playground.h\"\n\n"
     "namespace tandem {\n"
     "namespace {\n"
     "constexpr PlaygroundFile kFiles[${count}] = {\n${entries}};\n"
     "}  // namespace\n\n"
     "absl::Span<const PlaygroundFile> PlaygroundFiles() { return kFiles; }\n\n"
     "}  // namespace tandem\n")
