# gw_embed(TARGET PREFIX FILES a.sql ui/b.css ...)
#
# Compiles files into TARGET as   const struct embedded_file PREFIX[];
# in the order given, with a row of zeros at the end (gateway/base/embedded.h).
function(gw_embed target prefix)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "FILES")
  set(out "${CMAKE_CURRENT_BINARY_DIR}/${prefix}.c")
  set(script "${PROJECT_SOURCE_DIR}/contrib/cmake/embed.cmake")
  list(TRANSFORM arg_FILES PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/" OUTPUT_VARIABLE inputs)
  string(REPLACE ";" "|" packed "${arg_FILES}")
  add_custom_command(OUTPUT "${out}"
    COMMAND "${CMAKE_COMMAND}" "-DOUT=${out}" "-DPREFIX=${prefix}"
            "-DDIR=${CMAKE_CURRENT_SOURCE_DIR}" "-DFILES=${packed}" -P "${script}"
    DEPENDS ${inputs} "${script}"
    COMMENT "Embedding ${prefix}" VERBATIM)
  target_sources(${target} PRIVATE "${out}")
endfunction()
