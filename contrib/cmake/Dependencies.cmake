# Libraries of the system, found by pkg-config, as targets dep::<name>.
#
# All that is missing is said at once, with the Debian package that has it.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
set(gw_missing "")

macro(gw_dependency name module debian purpose)
  pkg_check_modules(${name} QUIET IMPORTED_TARGET "${module}")
  if(${name}_FOUND)
    add_library(dep::${name} ALIAS PkgConfig::${name})
    add_feature_info(${name} ${name}_FOUND "${purpose} (${${name}_VERSION})")
  else()
    string(APPEND gw_missing "  ${module}   (Debian: ${debian})\n")
  endif()
endmacro()

gw_dependency(openssl      "openssl>=3.0"           libssl-dev           "TLS, certificates, sealing of keys")
gw_dependency(curl         "libcurl>=7.88"          libcurl4-openssl-dev "ACME transport, command-line client")
gw_dependency(jansson      "jansson>=2.14"          libjansson-dev       "JSON")
gw_dependency(microhttpd   "libmicrohttpd>=0.9.75"  libmicrohttpd-dev    "admin interface")
gw_dependency(sqlite       "sqlite3>=3.40"          libsqlite3-dev       "configuration store")
gw_dependency(cares        "libcares>=1.18"         libc-ares-dev        "names of targets, pre-checks of certificates")
gw_dependency(nghttp2      "libnghttp2>=1.52"       libnghttp2-dev       "HTTP/2 frames, HPACK")
gw_dependency(psl          "libpsl>=0.21"           libpsl-dev           "registered domains")
gw_dependency(idn2         "libidn2>=2.3"           libidn2-dev          "international host names")
if(BUILD_TESTING)
  gw_dependency(cmocka     "cmocka>=1.1.5"          libcmocka-dev        "unit tests")
endif()

if(gw_missing)
  message(FATAL_ERROR "Libraries are missing:\n${gw_missing}"
    "On Debian and its derivatives, contrib/quickstart and contrib/test install them.")
endif()
