"""Makes the catalogs of earlier schema versions that tests migrate: python test/data/make_catalogs.py EXTENSION.

EXTENSION is one that still wrote schema version 1: build it from commit 8bd61bb. Run in the repository's root. Version 1 is
catalog_1.parquet, built as it stands from the files of make_small.py, with a row of an error; version 0, which told no version and
held rasters only, is catalog_0.parquet: the same build without the columns that version 1 brought.
"""
import sys

import duckdb

SMALL = "test/data/small"
SINCE_1 = "variables, time_var, n_times, t_step, layers, schema_version"
REGEX = r"filename_regex := '(?P<name>[a-z]+)(_(?P<date>\d{8}))?'"


def main(extension):
    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    con.execute(f"LOAD '{extension}'")
    rasters = [f"{SMALL}/{name}.tif" for name in ("land", "sst_20180101", "sst_20180102", "sst_20190101")]
    files = [*rasters, f"{SMALL}/sst.nc", f"{SMALL}/ocean.zarr", f"{SMALL}/regions.geojson", "test/data/make_small.py"]
    build = f"geo_catalog_build({files!r}, {REGEX}, on_error := 'report')"
    versions = con.execute(f"SELECT DISTINCT schema_version FROM {build}").fetchall()
    assert versions == [(1,)], f"this extension writes schema version {versions}, and must write 1"
    con.execute(f"COPY (FROM {build}) TO '{SMALL}/catalog_1.parquet' (FORMAT parquet, GEOPARQUET_VERSION 'BOTH')")
    rows = f"SELECT * EXCLUDE ({SINCE_1}) FROM geo_catalog_build({rasters!r}, {REGEX})"
    con.execute(f"COPY ({rows}) TO '{SMALL}/catalog_0.parquet' (FORMAT parquet, GEOPARQUET_VERSION 'BOTH')")


if __name__ == "__main__":
    main(*sys.argv[1:])
