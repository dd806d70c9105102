#!/bin/sh
# The C package: library, header, pkg-config and CMake files, command line, manual pages and completions; and the Debian packages of it.
#
# Usage: scripts/package.sh setup|build|trial|install|uninstall|deb|root|test
#   install     takes PREFIX (/usr/local), DESTDIR and LIBDIR (lib) from the environment and builds what is missing
#   uninstall   removes what `install` has put below the same DESTDIR and PREFIX, and nothing else
#   deb         leaves the Debian packages in target/deb
#   root        FOLDER [PACKAGE...]: a clean Debian to try them in
set -eu
. "$(dirname "$0")/lib.sh"

prefix=${PREFIX:-/usr/local}
libdir=${LIBDIR:-lib}
# What has been installed, one path below the prefix a line.
list=share/imagxp/installed.txt

# command, pkg-config module or file that shows that a package is there : Debian package
tools="dh:debhelper fakeroot:fakeroot lintian:lintian abidiff:abigail-tools man:man-db mandoc:mandoc mmdebstrap:mmdebstrap readelf:binutils systemd-analyze:systemd
libevent:libevent-dev libcurl:libcurl4-openssl-dev"

setup() {
    scripts/setup.sh tools rust crates python
    scripts/nginx.sh setup
    missing=
    for tool in $tools; do
        have "${tool%%:*}" || pkg-config --exists "${tool%%:*}" || missing="$missing ${tool#*:}"
    done
    # shellcheck disable=SC2086 # a list of words
    apt_install $missing
}

# Two calls: cargo unites the features of what it builds together, and the library must not grow by what the command line needs.
build() {
    offline_when_fetched
    cargo build --quiet --locked --release -p imagxp-ffi
    cargo build --quiet --locked --release -p imagxp-cli
}

# What the tests pack: the library as it ships, and the command line without optimisation, which is there anyway. Optimising that takes minutes and
# changes nothing about packages.
trial() {
    offline_when_fetched
    cargo build --quiet --locked --release -p imagxp-ffi
    debug_build imagxp-cli
    rm -rf "$target/package"
    mkdir -p "$target/package"
    ln -f "$target/release/libimagxp.so" "$target/release/libimagxp.a" "$target/package/"
    strip -o "$target/package/imagxp" "$target/debug/imagxp"
    notices "$target/package"
}

# notices FOLDER: what goes with every copy. The command line links whatever the library links, and more.
notices() {
    packaging/third_party.py imagxp-ffi imagxp-cli >"$1/third-party.txt"
    for crate in imagxp-ffi imagxp-cli; do packaging/sbom.py "$crate" >"$1/$crate.cdx.json"; done
}

# The whole tree below a prefix: stage FOLDER. IMAGXP_BUILT names the folder of libimagxp.so, libimagxp.a and imagxp, and of their notices where
# those have been written already.
stage() {
    below=$1$prefix
    built=${IMAGXP_BUILT:-$target/release}
    DESTDIR=$1 LIBDIR=$libdir ffi/install.sh "$prefix" "$built"
    mkdir -p "$below/bin" "$below/share/man/man1" "$below/share/bash-completion/completions" "$below/share/zsh/site-functions" \
        "$below/share/fish/vendor_completions.d"
    cp "$built/imagxp" "$below/bin/imagxp"
    chmod 755 "$below/bin/imagxp"
    "$built/imagxp" man "$below/share/man/man1"
    "$built/imagxp" completions bash >"$below/share/bash-completion/completions/imagxp"
    "$built/imagxp" completions zsh >"$below/share/zsh/site-functions/_imagxp"
    "$built/imagxp" completions fish >"$below/share/fish/vendor_completions.d/imagxp.fish"
    mkdir -p "$below/share/doc/imagxp"
    cp LICENSE NOTICE "$below/share/doc/imagxp/"
    mkdir -p "$below/share/doc/imagxp/examples"
    cp packaging/systemd/imagxp.conf "$below/share/doc/imagxp/examples/"
    sed "s|/usr/bin/imagxp|$prefix/bin/imagxp|" packaging/systemd/imagxp.service >"$below/share/doc/imagxp/examples/imagxp.service"
    if [ -f "$built/third-party.txt" ]; then
        cp "$built/third-party.txt" "$built"/*.cdx.json "$below/share/doc/imagxp/"
    else
        notices "$below/share/doc/imagxp"
    fi
}

install() {
    case $prefix in /*) ;; *) die "PREFIX is an absolute path: $prefix" ;; esac
    [ -n "${IMAGXP_BUILT:-}" ] || {
        scripts/setup.sh rust crates
        build
    }
    tree=${DESTDIR:-}$prefix
    staged=$(mktemp -d)
    trap 'rm -rf "$staged"' EXIT
    stage "$staged/root"
    mkdir -p "$staged/root$prefix/${list%/*}" "$tree"
    installed >"$staged/old"
    # Files, and with a slash behind them the folders that are not there yet or were made by an earlier installation.
    {
        (cd "$staged/root$prefix" && find . ! -type d | sed 's|^\./||')
        echo "$list"
        (cd "$staged/root$prefix" && find . -mindepth 1 -type d | sed 's|^\./||; s|$|/|') | while IFS= read -r folder; do
            if [ ! -d "$tree/$folder" ] || grep -qxF "$folder" "$staged/old"; then echo "$folder"; fi
        done
    } | LC_ALL=C sort >"$staged/new"
    cp "$staged/new" "$staged/root$prefix/$list"
    # Removed first, not written over: a program that runs keeps the file it was started from.
    cp -R --remove-destination --no-preserve=ownership "$staged/root$prefix/." "$tree/"
    # What an older version had and this one has not.
    { grep -vxFf "$staged/new" "$staged/old" || true; } | remove
    say "installed below $tree"
}

# The paths that the list names; a list that names anything outside of the prefix is not followed.
installed() {
    [ -f "$tree/$list" ] || return 0
    if grep -Eqn '^/|^$|(^|/)\.\.(/|$)' "$tree/$list"; then die "$tree/$list is damaged"; fi
    cat "$tree/$list"
}

# Removes the paths on standard input, folders (from the inside out) only when nothing else lies in them.
remove() {
    LC_ALL=C sort -r | while IFS= read -r path; do
        case $path in
        */) rmdir "$tree/$path" 2>/dev/null || true ;;
        *) rm -f "$tree/$path" ;;
        esac
    done
}

uninstall() {
    tree=${DESTDIR:-}$prefix
    [ -f "$tree/$list" ] || {
        say "nothing to remove: there is no $tree/$list"
        return 0
    }
    # Read before it is removed: the list names itself.
    paths=$(installed)
    echo "$paths" | remove
    say "removed from $tree"
}

deb() {
    build
    scripts/nginx.sh build
    packaging/debian.sh "$@"
}

# unpack_debian [PACKAGE...]: into $cached, which is there when it is whole.
unpack_debian() {
    say "setup: unpacking a clean Debian $suite into $cached"
    rm -rf "$cached.new"
    # A mirror may be a snapshot whose index has run out; its signature is checked all the same.
    mmdebstrap --quiet --mode=root --variant=essential --aptopt='Acquire::Check-Valid-Until "false"' \
        ${1:+"--include=$*"} "$suite" "$cached.new" "deb $mirror $suite main" >"$target/debian.log" 2>&1 || return 1
    mv "$cached.new" "$cached"
}

# root FOLDER [PACKAGE...]: a copy of a Debian of this machine's release that has its essential packages, and those named, and nothing
# else. Made once, in $IMAGXP_CACHE; only that needs the network. Ends with 3 where it cannot be had.
clean_root() {
    into=$1
    shift
    unobtainable() {
        say "$*" >&2
        exit 3
    }
    suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    cached=$cache/debian-$suite-essential$(printf '%s' "$*" | sed 's/^./-&/; s/ /-/g')
    if [ ! -x "$cached/usr/bin/dpkg" ]; then
        [ "$(id -u)" = 0 ] || unobtainable "a clean Debian can only be made, and entered, by root"
        have mmdebstrap || unobtainable "there is no mmdebstrap"
        mirror=$(debian_mirror)
        [ -n "$mirror" ] || unobtainable "this machine is no Debian"
        mkdir -p "$cache"
        # Two checkouts may want it at once.
        exec 9>"$cached.lock"
        flock 9
        [ -x "$cached/usr/bin/dpkg" ] || unpack_debian "$@" || {
            tail -n 5 "$target/debian.log" >&2
            unobtainable "a clean Debian could not be fetched"
        }
        exec 9>&-
    fi
    cp -a "$cached" "$into"
}

run_tests() {
    setup
    trial
    scripts/nginx.sh build
    "$venv/bin/python" -m pytest --quiet -rs -p no:cacheprovider tests/package
}

case ${1:-} in
setup | build | trial | install | uninstall | deb) "$@" ;;
root)
    shift
    clean_root "$@"
    ;;
test) run_tests ;;
*) die "usage: scripts/package.sh setup|build|trial|install|uninstall|deb|root|test" ;;
esac
