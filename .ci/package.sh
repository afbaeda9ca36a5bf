#!/bin/sh
# Appends DuckDB's 534-byte footer to a shared library: package.sh LIBRARY OUTPUT VERSION PLATFORM.
# Layout (DuckDB, scripts/append_extension_metadata.py): a WebAssembly custom section header, eight fields of
# 32 bytes in reverse order, 256 bytes of signature, which an unsigned extension leaves zero.
set -eu
library=$1 output=$2 version=$3 platform=$4

zeros() { head -c "$1" /dev/zero; }
field() { printf '%s' "$1"; zeros $((32 - ${#1})); }

temporary="$output.part"
{
    cat "$library"
    printf '\000\223\004\020duckdb_signature\200\004'
    field ''; field ''; field ''
    field C_STRUCT      # the stable C API
    field "$version"    # of geoquilt
    field v1.5.6        # the C API's version
    field "$platform"
    field 4             # the footer's own version
    zeros 256
} > "$temporary"
mv "$temporary" "$output"
