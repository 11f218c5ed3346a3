# What a part's CMakeLists.txt may say: a library, a test, a fuzz target.

# gw_library(NAME SOURCES a.c ... LINK gw_base ... PRIVATE_LINK dep::openssl ...)
#
# LINK lists the parts whose headers this part's headers may show: the arrows of
# the architecture.  PRIVATE_LINK lists what only its source files see.
function(gw_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK;PRIVATE_LINK")
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC gw_options ${arg_LINK} PRIVATE ${arg_PRIVATE_LINK})
endfunction()

# gw_test(store/test_pmap LINK gw_store [SUPPORT fake_clock] [THREADED])
#
# Called in tests/unit: the path is the source file's without ".c", the program
# lands beside its namesakes in the build tree, and the test is named by the path.
# SUPPORT adds sources of tests/support.  THREADED tests run again under the
# thread sanitizer; the target threaded_tests builds just these.
function(gw_test path)
  cmake_parse_arguments(PARSE_ARGV 1 arg "THREADED" "" "LINK;SUPPORT")
  string(REPLACE "/" "_" target "${path}")
  get_filename_component(name "${path}" NAME)
  get_filename_component(dir "${path}" DIRECTORY)
  list(TRANSFORM arg_SUPPORT REPLACE "(.+)" "${PROJECT_SOURCE_DIR}/tests/support/\\1.c")

  add_executable(${target} ${path}.c ${arg_SUPPORT})
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME ${name}
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/${dir}")
  target_link_libraries(${target} PRIVATE gw_options ${arg_LINK} dep::cmocka)

  add_test(NAME ${path} COMMAND ${target})
  set(labels unit)
  if(arg_THREADED)
    list(APPEND labels threaded)
    add_dependencies(threaded_tests ${target})
  endif()
  set_tests_properties(${path} PROPERTIES LABELS "${labels}" TIMEOUT 120
                       ENVIRONMENT "UBSAN_OPTIONS=print_stacktrace=1")
endfunction()

# gw_fuzzer(h1_parser LINK gw_core): fuzz_<name>.c and corpora/<name>/
#
# With libFuzzer the program searches; without it the same target is linked with
# replay.c and replays its corpus, so that each crash once found stays a test.
function(gw_fuzzer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LINK")
  add_executable(fuzz_${name} fuzz_${name}.c)
  target_link_libraries(fuzz_${name} PRIVATE gw_options ${arg_LINK})
  if(GW_LIBFUZZER)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    set(args -runs=0)
  else()
    target_sources(fuzz_${name} PRIVATE replay.c)
  endif()
  add_test(NAME fuzz/${name}
           COMMAND fuzz_${name} ${args} "${CMAKE_CURRENT_SOURCE_DIR}/corpora/${name}")
  set_tests_properties(fuzz/${name} PROPERTIES LABELS fuzz TIMEOUT 60)
endfunction()
