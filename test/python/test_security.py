"""What a database forbids is not read, and a text that names a CRS opens no file."""
import duckdb
import numpy as np
import pytest

from conftest import ROOT, connect, write_raster

WIN = "{row_off: 0, col_off: 0, height: 2, width: 2}"
READS = [
    "SELECT read_patch('{folder}/a.tif', " + WIN + ")", "FROM read_patch('{folder}/a.tif', size := 2)", "FROM read_blocks('{folder}/a.tif')",
    "FROM geo_catalog_build('{folder}/*.tif')", "FROM geo_patch_grid('{folder}/a.tif', size := 2)",
    "FROM read_features('{root}/test/data/small/regions.geojson')",
    "FROM read_variables('{root}/test/data/small/ocean.zarr')", "SELECT read_array('{root}/test/data/small/ocean.zarr', 'temp')",
]


@pytest.fixture
def folder(tmp_path):
    write_raster(tmp_path / "a.tif", np.arange(16, dtype="float32").reshape(4, 4))
    return tmp_path


@pytest.mark.parametrize("sql", READS)
def test_without_external_access_nothing_is_read(folder, sql):
    sql = sql.replace("{folder}", str(folder)).replace("{root}", str(ROOT))
    con = connect()
    assert con.execute(sql).fetchall()
    con.execute("SET enable_external_access = false")
    with pytest.raises(duckdb.Error):
        con.execute(sql).fetchall()


def test_allowed_directories_are_read_and_others_are_not(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    write_raster(other / "a.tif", np.ones((4, 4), "float32"))
    con = connect()
    con.execute(f"SET allowed_directories = ['{folder}']; SET enable_external_access = false")
    assert con.execute(READS[0].replace("{folder}", str(folder))).fetchone() == ([0, 1, 4, 5],)
    with pytest.raises(duckdb.Error):
        con.execute(READS[0].replace("{folder}", str(other))).fetchall()


@pytest.mark.parametrize("text", ["EPSG:32632x", "EPSG:3263 2", "EPSG:4326.5", "EPSG:5773", "EPSG:4978", "{folder}/crs.wkt"])
def test_a_crs_is_a_name_and_no_file(con, folder, text):
    """A vertical CRS, a geocentric one, codes with more behind them, and a file that holds a sound definition."""
    from pyproj import CRS
    (folder / "crs.wkt").write_text(CRS.from_epsg(32632).to_wkt())
    project = "SELECT geo_project(geo_box({xmin: 500000, ymin: 5000000, xmax: 500100, ymax: 5000100}), '%s', 'OGC:CRS84')"
    assert con.execute(project % "EPSG:32632").fetchone()
    with pytest.raises(duckdb.Error, match="coordinate reference system"):
        con.execute(project % text.format(folder=folder)).fetchone()
