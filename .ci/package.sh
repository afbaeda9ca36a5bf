#!/bin/sh
# Strips a shared library of its symbols and appends DuckDB's 534-byte footer: package.sh LIBRARY OUTPUT VERSION.
# Layout (DuckDB, scripts/append_extension_metadata.py): a WebAssembly custom section header, eight fields of
# 32 bytes in reverse order, 256 bytes of signature, which an unsigned extension leaves zero.
set -eu
library=$1 output=$2 version=$3
case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) platform=linux_amd64 ;;
    Linux-aarch64) platform=linux_arm64 ;;
    Darwin-arm64) platform=osx_arm64 ;;
    Darwin-x86_64) platform=osx_amd64 ;;
    *) echo "geoquilt does not know DuckDB's name for $(uname -s) on $(uname -m)" >&2; exit 1 ;;
esac

zeros() { head -c "$1" /dev/zero; }
field() { printf '%s' "$1"; zeros $((32 - ${#1})); }

temporary="$output.part"
strip --strip-all -o "$output.stripped" "$library"
{
    cat "$output.stripped"
    printf '\000\223\004\020duckdb_signature\200\004'
    field ''; field ''; field ''
    field C_STRUCT      # the stable C API
    field "$version"    # of geoquilt
    field v1.5.6        # the C API's version
    field "$platform"
    field 4             # the footer's own version
    zeros 256
} > "$temporary"
rm "$output.stripped"
mv "$temporary" "$output"
