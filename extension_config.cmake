# For DuckDB's extension tooling, which reads the name and the place of an extension here. The build itself
# is the Makefile's: cargo compiles, .ci/package.sh appends the footer.
duckdb_extension_load(geoquilt
    SOURCE_DIR ${CMAKE_CURRENT_LIST_DIR}
    LOAD_TESTS
)
