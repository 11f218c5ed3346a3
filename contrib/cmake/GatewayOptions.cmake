# The one place for compiler and linker flags.  Every target of ours links the
# interface target gw_options; nothing else in the tree sets a flag.

include(CheckCCompilerFlag)
include(CheckCSourceCompiles)
include(CheckIPOSupported)
include(CheckPIESupported)

option(GW_WERROR "Turn warnings into errors" OFF)
option(GW_LTO "Link-time optimisation" OFF)
option(GW_LIBFUZZER "Build fuzz targets with libFuzzer (clang)" OFF)
option(GW_COVERAGE "Instrument for line coverage" OFF)
set(GW_SANITIZE "" CACHE STRING "address,undefined | thread | empty")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Debug | RelWithDebInfo | Release" FORCE)
endif()

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)

# The executable is position independent, and so is every library it is made of.
check_pie_supported(LANGUAGES C)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

foreach(type RELEASE RELWITHDEBINFO MINSIZEREL)          # assertions stay on
  string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_${type} "${CMAKE_C_FLAGS_${type}}")
endforeach()

add_library(gw_options INTERFACE)
target_include_directories(gw_options INTERFACE "${PROJECT_SOURCE_DIR}")   # includes = paths on disk
target_compile_definitions(gw_options INTERFACE _GNU_SOURCE GW_VERSION="${PROJECT_VERSION}")
target_compile_options(gw_options INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef
  -Wpointer-arith -Wcast-qual -Wwrite-strings -Wswitch-enum -Wimplicit-fallthrough
  $<$<BOOL:${GW_WERROR}>:-Werror>
  -fno-common -fstack-protector-strong "-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=")
target_link_options(gw_options INTERFACE
  -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed)

# Hardening that depends on the processor or the compiler's age.
foreach(flag -fstack-clash-protection -fcf-protection)
  string(MAKE_C_IDENTIFIER "GW_HAS${flag}" has)
  check_c_compiler_flag(${flag} ${has})
  if(${has})
    target_compile_options(gw_options INTERFACE ${flag})
  endif()
endforeach()

# Checked string functions need an optimiser, and hide errors from the sanitizers.
if(NOT GW_SANITIZE)
  set(CMAKE_REQUIRED_FLAGS "-O2 -Werror -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3")
  check_c_source_compiles("#include <string.h>\nint main(void) { return 0; }" GW_HAS_FORTIFY_3)
  unset(CMAKE_REQUIRED_FLAGS)
  target_compile_options(gw_options INTERFACE
    "$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=$<IF:$<BOOL:${GW_HAS_FORTIFY_3}>,3,2>>")
endif()

if(GW_SANITIZE)
  target_compile_options(gw_options INTERFACE -fsanitize=${GW_SANITIZE}
                         -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(gw_options INTERFACE -fsanitize=${GW_SANITIZE})
endif()
if(GW_LIBFUZZER)
  target_compile_options(gw_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(GW_COVERAGE)
  target_compile_options(gw_options INTERFACE --coverage)
  target_link_options(gw_options INTERFACE --coverage)
endif()

if(GW_LTO)
  check_ipo_supported(RESULT GW_LTO_WORKS LANGUAGES C)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ${GW_LTO_WORKS})
endif()

add_feature_info(sanitizers GW_SANITIZE "runtime checks: ${GW_SANITIZE}")
add_feature_info(werror GW_WERROR "warnings are errors")
add_feature_info(lto GW_LTO_WORKS "link-time optimisation")
add_feature_info(libfuzzer GW_LIBFUZZER "fuzz targets search instead of replaying")
add_feature_info(coverage GW_COVERAGE "line coverage")
add_feature_info(tests BUILD_TESTING "unit tests, lints, fuzz replay")
