# shellcheck shell=bash disable=SC2034
# Debian packages that Gatehouse needs, and how to get them.  Sourced by contrib/quickstart
# and contrib/test (bash); prints what it does, installs only what is missing.

build_packages=(
    gcc libc6-dev cmake ninja-build pkgconf ca-certificates
    libssl-dev libcurl4-openssl-dev libjansson-dev libmicrohttpd-dev libsqlite3-dev
    libc-ares-dev libidn2-dev libnghttp2-dev libpsl-dev
)
unit_packages=(libcmocka-dev python3 mandoc)
scenario_packages=(
    python3-pytest python3-aiosmtpd python3-grpcio python3-h2 nghttp2-client nghttp2-server nginx libnginx-mod-stream
    haproxy h2o caddy chromium pebble curl openssl
)
# The formatter of other versions differs in details, and only Debian 12 has this one.
grep -qs '^VERSION_CODENAME=bookworm$' /etc/os-release &&
    unit_packages+=(clang-format-14)

say() { printf '\n== %s\n' "$*"; }

die() {
    printf '\n%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# The names among "$@" that are not installed, one a line.
missing_packages() {
    local installed
    # "install ok installed": known names that are not installed have other words here.
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
    local name
    for name in "$@"; do
        grep -qxF "installed $name" <<<"$installed" || printf '%s\n' "$name"
    done
}

# Sets as_root to the words that run a command as root: none for root itself.
find_root() {
    as_root=()
    [ "$(id -u)" -ne 0 ] || return 0
    as_root=(sudo)
    [ -t 0 ] || as_root=(sudo -n)       # nobody is there to type a password
    if ! command -v sudo >/dev/null || ! "${as_root[@]}" true; then
        die "packages are missing, and sudo does not work here.
As root, run this once, then start again:
    apt-get update && apt-get install --no-install-recommends $*"
    fi
}

# Runs as root with the names as arguments.  A package may start a server when it is
# installed (nginx and HAProxy do): Debian asks policy-rc.d first, and we answer no unless the machine
# has an answer of its own.  Nor shall it start at the next boot: it would take port 80.
# shellcheck disable=SC2016  # expanded by the shell that root runs
install_script='
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap "rm -f $policy" EXIT
        printf "#!/bin/sh\nexit 101\n" >"$policy" && chmod 755 "$policy" || exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update || echo "Some package lists could not be read; going on with what is there."
    apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends "$@" </dev/null || exit 1
    for name; do
        case $name in
            nginx | haproxy | caddy | h2o) systemctl disable --now "$name" 2>/dev/null || true ;;
        esac
    done
'

# Makes sure that the packages named are installed.
need_packages() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        die "this script installs packages with apt, and there is no apt here.
Gatehouse builds on any Linux with GCC 12 or clang 14, CMake 3.25, Ninja, pkg-config, and the
headers of OpenSSL 3.0, libcurl 7.88, jansson 2.14, libmicrohttpd 0.9.75, SQLite 3.40,
c-ares 1.18, libidn2 2.3 and libpsl 0.21; its tests need cmocka 1.1.5, Python 3 with pytest, nginx with
its stream module, HAProxy, pebble and curl.  With these installed:
    cmake --preset release && cmake --build --preset release"
    fi
    local missing
    mapfile -t missing < <(missing_packages "$@")
    if [ "${#missing[@]}" -eq 0 ]; then
        say "All $# Debian packages needed are installed."
        return
    fi
    local as_root
    find_root "${missing[@]}"
    say "Installing with apt${as_root[0]:+ (through sudo)}: ${missing[*]}"
    "${as_root[@]}" sh -c "$install_script" sh "${missing[@]}" ||
        die "apt could not install them; its words are above.  Gatehouse is built on Debian 12 and 13."
}

# build_preset NAME [TARGET]: configures and builds; quiet about what went well.
build_preset() {
    local preset=$1 target=${2:-all} words
    say "Building preset $preset in build/$preset"
    words=$(cmake --preset "$preset" 2>&1 </dev/null) || { printf '%s\n' "$words"; return 1; }
    cmake --build --preset "$preset" --parallel "$(nproc)" --target "$target" </dev/null
}
