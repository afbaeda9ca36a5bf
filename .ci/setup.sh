#!/bin/sh
# Installs what a build needs and is not here: as root by itself, otherwise it prints the one command.
set -eu
packages=''
need() { command -v "$1" >/dev/null 2>&1 || packages="$packages $2"; }
need cmake cmake
need c++ g++
need make make
need sqlite3 sqlite3
need strip binutils
need npm npm
need python3 python3
# zarrs' ZFP codec reads its C header with libclang.
ls /usr/lib/llvm-*/lib/libclang.so* /usr/lib/llvm-*/lib/libclang-[0-9]*.so* /usr/lib/*/libclang-[0-9]*.so* 2>/dev/null | grep -q . || packages="$packages libclang-dev"
python3 -c 'import venv, ensurepip' 2>/dev/null || packages="$packages python3-venv"
if [ -n "$packages" ]; then
    install="apt-get install -y --no-install-recommends$packages"
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "geoquilt needs:$packages. Install them, for example with" >&2
        echo "    sudo $install" >&2
        exit 1
    fi
    echo "installing$packages"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $install >/dev/null
fi
if ! command -v cargo >/dev/null 2>&1; then
    echo "geoquilt needs Rust 1.95 or later. Install it with" >&2
    echo "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y && . ~/.cargo/env" >&2
    exit 1
fi
