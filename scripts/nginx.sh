#!/bin/sh
# The nginx module: set-up, build, tests.
#
# Usage: scripts/nginx.sh setup|build|test|bench|soak [pytest arguments | seconds]
#   setup   installs nginx, nginx-dev and what the tests need; the system's nginx is neither started nor stopped
#   build   ngx_http_imagxp_module.so for Debian's nginx, in target/nginx; `build asan` also one with AddressSanitizer
#   test    the black-box suite, with valgrind and once more under ASan, and the golden vectors, on private instances of nginx
#   bench   requests per second, what the module adds, and what others feel while manifests stall
#   soak    ten minutes of load and 200 slow clients
set -eu
. "$(dirname "$0")/lib.sh"

module=$root/bindings/nginx
out=$target/nginx
packages="nginx:nginx nginx-dev:/usr/share/nginx/src/configure valgrind:valgrind wrk:wrk openssl:openssl curl:curl"

setup() {
    missing=
    for package in $packages; do
        shows=${package#*:}
        { have "$shows" || [ -x "/usr/sbin/$shows" ] || [ -e "$shows" ]; } || missing="$missing ${package%%:*}"
    done
    # shellcheck disable=SC2086 # a list of words
    apt_install $missing
}

# configure VARIANT CFLAGS LDFLAGS: as dh_nginx does it, with the flags that Debian's nginx was configured with: they are part of the signature
# by which nginx knows a module.
configure() {
    folder=$out/$1
    rm -rf "$folder"
    mkdir -p "$folder"
    IMAGXP_LIBRARY="$target/release" IMAGXP_INCLUDE="$root/include" CFLAGS_="$2" LDFLAGS_="$3" MODULE_="$module" FOLDER_="$folder" \
        bash -euc 'cd /usr/share/nginx/src
            . ./conf_flags
            ./configure --with-cc-opt="$CFLAGS_" --with-ld-opt="$LDFLAGS_" "${NGX_CONF_FLAGS[@]}" \
                --add-dynamic-module="$MODULE_" --builddir="$FOLDER_"
            make -f "$FOLDER_/Makefile" modules' >"$folder.log" 2>&1 || {
        tail -n 60 "$folder.log" >&2
        return 1
    }
    mkdir -p "$out/modules-$1"
    cp "$folder/ngx_http_imagxp_module.so" "$out/modules-$1/"
}

warnings="-Wall -Wextra -Werror -Wno-unused-parameter -Wshadow"

build() {
    cargo build --quiet --locked --release -p imagxp-ffi
    mkdir -p "$out"
    (
        # Two lanes of `make test` may want it at once.
        flock 9
        modules "$@"
    ) 9>"$out/lock"
}

modules() {
    hash=$(hash_of "$module/src" "$module/config" "$target/release/libimagxp.a" include/imagxp.h)$(nginx_version)
    if ! done_before nginx-module "$hash" || [ ! -f "$out/modules-release/ngx_http_imagxp_module.so" ]; then
        say "nginx: building the module"
        configure release "-g -O2 -fstack-protector-strong -Wformat -Werror=format-security -fPIC -D_FORTIFY_SOURCE=2 $warnings" "-Wl,-z,relro -Wl,-z,now" || die "the module does not build"
        mark_done nginx-module "$hash"
    fi
    if [ "${1:-}" = asan ] && { ! done_before nginx-asan "$hash" || [ ! -f "$out/modules-asan/ngx_http_imagxp_module.so" ]; }; then
        say "nginx: building the module with AddressSanitizer"
        configure asan "-g -O1 -fPIC -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize=alignment $warnings" \
            "-fsanitize=address,undefined" || die "the module does not build with ASan"
        mark_done nginx-asan "$hash"
    fi
}

nginx_version() { nginx -v 2>&1 || /usr/sbin/nginx -v 2>&1; }

case "${1:-}" in
setup) setup ;;
build)
    shift
    build "$@"
    ;;
test)
    shift
    build asan
    export IMAGXP_NGINX_MODULES="$out"
    pytest="$venv/bin/python -m pytest --quiet -p no:cacheprovider"
    # shellcheck disable=SC2086 # a list of words
    $pytest "${@:-bindings/nginx/tests}"
    say "nginx: once more under AddressSanitizer and UndefinedBehaviorSanitizer"
    # shellcheck disable=SC2086
    IMAGXP_NGINX_ASAN=1 $pytest --ignore=bindings/nginx/tests/test_memory.py --ignore=bindings/nginx/tests/test_docs.py "${@:-bindings/nginx/tests}"
    "$venv/bin/python" tests/conformance/check.py nginx imagxp
    ;;
bench)
    # A peer; without it, its row is SKIPPED.
    if [ ! -e /usr/lib/nginx/modules/ngx_http_lua_module.so ] && [ "$(id -u)" = 0 ] && have apt-get; then
        apt_install libnginx-mod-http-lua
    fi
    build
    IMAGXP_NGINX_MODULES="$out" "$venv/bin/python" bindings/nginx/bench/bench.py
    IMAGXP_NGINX_MODULES="$out" "$venv/bin/python" bindings/nginx/bench/stall.py
    ;;
soak)
    build
    shift
    IMAGXP_NGINX_MODULES="$out" "$venv/bin/python" bindings/nginx/bench/soak.py "${@:-600}"
    ;;
*) die "usage: scripts/nginx.sh setup|build|test|bench|soak" ;;
esac
