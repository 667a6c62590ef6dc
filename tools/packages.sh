#!/bin/sh
# The one list of Debian packages that attnd needs, by purpose, and what installs those that are missing.
# Used by ./run, ./test and the Dockerfile: tools/packages.sh <purpose>…
set -eu

# build:     to compile the program        runtime:   what the program itself needs, without headers
# run:       what ./run needs beside that
# test:      what ./test needs beside that  container: what the container proofs of ./test --full need
# browser:   what the browser test needs beside that
# fuzz:      what the preset fuzz needs beside test
# bench:     what bench/run needs beside that
# peers:     what tests/peers/environment.sh needs beside test
# A name with a command after it (npm:npm) counts as there when the command is, whoever installed it.
packages_of() {
    case $1 in
    build) echo gcc:gcc cmake:cmake make:make pkg-config:pkg-config \
        libmicrohttpd-dev libjansson-dev libopenblas-pthread-dev ;;
    runtime) echo "libmicrohttpd12$t64" libjansson4 libopenblas0-pthread ;;
    run) echo curl:curl ;;
    test) echo libcriterion-dev g++:g++ clang:clang $format universal-ctags:ctags binutils:nm \
        python3:python3 python3-numpy git:git curl:curl nginx-light:nginx haproxy:haproxy ;;
    browser) echo chromium:chromium nodejs:node npm:npm ca-certificates ;;
    bench) echo wrk:wrk python3-venv g++:g++ libfast-float-dev libsimdjson-dev ;;
    peers) echo python3-venv python3-torch python3-numpy ;;
    container) echo docker.io:dockerd $client docker-compose:docker-compose debootstrap:debootstrap iptables:iptables \
        iproute2:ip util-linux:unshare ;;
    fuzz) echo clang:clang libclang-rt-dev ;;
    *)
        echo "$0: no such purpose: $1 (build, runtime, run, test, browser, bench, peers, container, fuzz)" >&2
        return 2
        ;;
    esac
}

# Debian 13 named some libraries anew, for 64-bit time, has docker's client in a package of its own, and has no
# clang-format 14: the test of the format is skipped.
format= t64=t64 client=docker-cli:docker
if grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release; then
    format=clang-format-14:clang-format-14 t64= client=
fi

packages_is_there() {
    case $1 in
    *:*) command -v "${1#*:}" >/dev/null 2>&1 && return 0 ;;
    esac
    [ "$(dpkg-query -W -f='${db:Status-Status}' "${1%%:*}" 2>/dev/null)" = installed ]
}

missing=
for purpose in "$@"; do
    names=$(packages_of "$purpose")
    for entry in $names; do
        packages_is_there "$entry" || missing="$missing ${entry%%:*}"
    done
done
[ -n "$missing" ] || exit 0

root=
if ! command -v apt-get >/dev/null 2>&1; then
    echo "attnd looks for Debian's packages, and there is no apt-get here. Install what your system has instead of:$missing" >&2
    echo "Then build by hand: README.md, \"Build and install by hand\"." >&2
    exit 1
elif [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "attnd needs these Debian packages, and only root can install them:$missing" >&2
        exit 1
    }
    root=sudo
fi
echo "Installing with apt-get:$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # one word per package is meant
if ! { $root apt-get update -qq && $root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends $missing; } >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
