"""What an error suggests is what works."""
import numpy as np
import pytest
import xarray as xr
from conftest import ROOT, write_raster
from rasterio.transform import from_origin

SST, OCEAN = "test/data/small/sst_20180101.tif", "test/data/small/ocean.zarr"
SLICE = "geo_slice({xmin: 0, ymin: 0, xmax: 60, ymax: 60}, 20, 'OGC:CRS84')"
BOX = "{xmin: 0, ymin: 0, xmax: 60, ymax: 60}"


def said(con, sql):
    with pytest.raises(Exception) as caught:
        con.execute(sql).fetchall()
    return str(caught.value)


@pytest.mark.parametrize("sql,words", [
    (f"SELECT read_slice('{SST}', {SLICE}, {{resample: 'nearest'}})", 'Did you mean "resampling"'),
    (f"SELECT read_array('{OCEAN}', 'temp', {{resample: 'bilinear'}})", 'Did you mean "resampling"'),
    (f"SELECT read_array('{OCEAN}', 'temp', {{tim: '2020-02'}})", 'Did you mean "time"'),
    (f"SELECT read_slice('{SST}', {BOX})", "geo_slice({xmin: ..., ymin: ..., xmax: ..., ymax: ...}, resolution, 'EPSG:...')"),
    (f"SELECT read_series(['{SST}'], [TIMESTAMP '2018-01-01'], {BOX})", "geo_slice({xmin: ..."),
    (f"SELECT geo_rasterize('test/data/small/regions.geojson', {BOX})", "geo_slice({xmin: ..."),
    (f"SELECT read_slice('{SST}', 'POINT (0 0)'::GEOMETRY)", "geo_slice(geometry, resolution, 'EPSG:...')"),
    (f"SELECT read_slice('{SST}', {{bbox: {BOX}, crs: 'EPSG:4326', width: 3, hight: 3}})", "a slice, as geo_slice makes it"),
    (f"SELECT read_slice('{SST}', {{bbox: {BOX}, crs: 'EPSG:4326', width: 3.5, height: 3}})", "a slice, as geo_slice makes it"),
    (f"SELECT read_patch('{OCEAN}', {{row_off: 0, col_off: 0, height: 1, width: 1}})", f"read_array('{OCEAN}', variable)"),
    (f"FROM read_patch('{OCEAN}')", f"read_array('{OCEAN}', variable)"),
    (f"SELECT read_slice('{OCEAN}', {SLICE})", f"read_array('{OCEAN}', variable)"),
    (f"SELECT read_series(['{OCEAN}'], [TIMESTAMP '2018-01-01'], {SLICE})", f"read_array('{OCEAN}', variable)"),
    (f"SELECT geo_zonal_stats('{OCEAN}', 'POLYGON ((0 0, 1 0, 1 1, 0 0))')", f"read_array('{OCEAN}', variable)"),
    (f"SELECT st_land_fraction({BOX}, '{OCEAN}')", f"read_array('{OCEAN}', variable)"),
    ("FROM read_patch('test/data/small/')", '"test/data/small/**/*.tif"'),
    ("FROM geo_catalog_build('test/data/small//')", '"test/data/small/**/*.tif"'),
    (f"FROM read_array('{OCEAN}', 'temp', dtype := 'int64')", "One of: float32, float64"),
    (f"FROM read_array([{{path: '{OCEAN}'}}], 'temp', dtype := 'int64')", "One of: float32, float64"),
    (f"FROM read_patch('{SST}', size := 6, dtype := 'int64')", "One of: float32, float64"),
    ("FROM read_patch('test/data/small/land.tif', size := 6, dtype := 'int64')", "One of: uint8, float32, float64"),
    (f"SELECT read_patch('{SST}', {{row: 0, col_off: 0, height: 1, width: 1}})", "{row_off, col_off, height, width}"),
    (f"SELECT read_patch('{SST}', {{row_off: 0, col_off: 0, height: 1.5, width: 1}})", "{row_off, col_off, height, width} of whole numbers"),
    ("FROM geoquilt.catalog_query('files', slice := " + SLICE + ", crs := 'EPSG:4326')", "Leave bbox, geometry and crs out"),
    ("FROM geoquilt.catalog_query('files', slice := " + SLICE + ", bbox := [0, 0, 1, 1])", "Leave bbox, geometry and crs out"),
])
def test_an_error_leads_to_what_was_meant(con, monkeypatch, sql, words):
    monkeypatch.chdir(ROOT)
    con.execute("CREATE TABLE files AS FROM geo_catalog_build('test/data/small/sst*.tif')")
    text = said(con, sql)
    assert words in text and "float32, float32" not in text, text


@pytest.mark.parametrize("number", ["{}::TINYINT", "{}::INTEGER", "{}::BIGINT", "{}::UBIGINT", "{}::HUGEINT", "{}::DOUBLE", "{}.0::DECIMAL(20, 2)"])
def test_windows_and_slices_count_in_any_whole_number(con, monkeypatch, number):
    monkeypatch.chdir(ROOT)
    n = number.format
    win = f"{{width: {n(3)}, row_off: {n(2)}, HEIGHT: {n(2)}, col_off: {n(5)}}}"
    want = con.execute(f"SELECT read_patch('{SST}', {{row_off: 2, col_off: 5, height: 2, width: 3}})").fetchone()
    assert con.execute(f"SELECT read_patch('{SST}', {win})").fetchone() == want
    assert con.execute(f"SELECT read_patch('{SST}', ({n(2)}, {n(5)}, {n(2)}, {n(3)}))").fetchone() == want
    assert con.execute(f"SELECT geo_windows_overlap([{win}, {win}])").fetchone() == (True,)
    assert con.execute(f"SELECT geo_patch_stats('{SST}', {win})[1].n").fetchone() == (len([x for x in want[0] if x is not None]),)
    box = "{xmin: 0.0, ymin: 0.0, xmax: 60.0, ymax: 60.0}"
    made = f"{{bbox: {box}, crs: 'OGC:CRS84', t_min: NULL, t_max: NULL, width: {n(3)}, height: {n(3)}}}"
    assert con.execute(f"SELECT read_slice('{SST}', {made}) = read_slice('{SST}', {SLICE})").fetchone() == (True,)


def test_stored_windows_and_slices_of_integers_stay_valid(con, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    win = "{row_off: 2::BIGINT, col_off: 5::BIGINT, height: 2::INTEGER, width: 3::INTEGER}"
    con.execute(f"CREATE TABLE old AS SELECT '{SST}' AS path, 0 AS patch_id, {win} AS win, {{xmin: 0.0, ymin: 0.0, xmax: 1.0, ymax: 1.0}} AS bbox")
    con.execute(f"COPY old TO '{tmp_path}/old.parquet'")
    assert con.execute("SELECT read_patch(path, win) FROM old").fetchall() == con.execute(f"SELECT data FROM read_patch('{tmp_path}/old.parquet')").fetchall()
    con.execute(f"CREATE TABLE slices AS SELECT {SLICE}::STRUCT(bbox STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE), crs VARCHAR, t_min TIMESTAMP, t_max TIMESTAMP, width INTEGER, height INTEGER) AS s")
    assert con.execute(f"SELECT read_slice('{SST}', s) = read_slice('{SST}', {SLICE}) FROM slices").fetchone() == (True,)
    assert con.execute(f"SELECT typeof({SLICE}.width), typeof((SELECT win.height FROM geo_patch_grid('{SST}', size := 6) LIMIT 1))").fetchone() == ("BIGINT", "BIGINT")


def test_a_macro_without_its_schema_says_where_it_is(con):
    macros = con.execute("SELECT name, signature, len(list_filter(parameters, lambda p: p.given = 'required')) FROM geoquilt_functions() WHERE name LIKE 'geoquilt.%' AND name <> 'geoquilt.stats'").fetchall()
    assert len(macros) > 20
    for name, signature, required in macros:
        bare = name.removeprefix("geoquilt.")
        given = ", ".join(["1"] * required)
        sql = f"FROM {bare}({given})" if con.execute("SELECT kind FROM geoquilt_functions() WHERE name = ?", [name]).fetchone()[0] == "table macro" else f"SELECT {bare}({given})"
        text = said(con, sql)
        assert f"called with its schema, geoquilt\n{signature}" in text, (sql, text)


def need(text):
    """The setting that the error names."""
    return int(text.rsplit("SET geoquilt_max_chunk_mb = ", 1)[1].split()[0])


def test_the_need_of_a_chunk_is_told_whole_the_first_time(con, tmp_path):
    path = write_raster(tmp_path / "r.tif", np.ones((64, 64), "uint8"), crs="EPSG:32629", transform=from_origin(0, 640, 10, 10))
    xr.Dataset({"v": (("y", "x"), np.ones((512, 512), "float32"))}).to_netcdf(tmp_path / "a.nc")
    fine = "geo_slice({xmin: 0, ymin: 0, xmax: 640, ymax: 640}, 1.25, 'EPSG:32629')"
    rows = "FROM range(1, 9) t(i)"
    for sql, streams in [(f"SELECT read_array('{tmp_path}/a.nc', 'v', {{isel: {{x: {{stop: 512 - i}}}}}}) {rows}", "FROM read_array(...)"),
                         (f"SELECT read_slice('{path}', {fine}) {rows}", "FROM read_slice('jobs.parquet', ...)"),
                         (f"SELECT read_series(['{path}'], [TIMESTAMP '2020-01-01'], {fine}) {rows}", "FROM read_series('jobs.parquet', ...)"),
                         (f"SELECT geo_rasterize(['POLYGON ((0 0, 9 0, 9 9, 0 0))'::GEOMETRY], {fine}, {{crs: 'EPSG:32629'}}) {rows}", "fewer rows")]:
        con.execute("SET geoquilt_max_chunk_mb = 2")
        text = said(con, sql)
        assert streams in text, text
        assert need(text) == 8, text
        con.execute(f"SET geoquilt_max_chunk_mb = {need(text)}")
        assert len(con.execute(sql).fetchall()) == 8
    con.execute("SET geoquilt_max_chunk_mb = 1")
    big = "geo_slice({xmin: 0, ymin: 0, xmax: 640, ymax: 640}, 1, 'EPSG:32629')"
    text = said(con, f"SELECT read_slice('{path}', {big})")
    assert "Cut it into smaller slices, or SET geoquilt_max_chunk_mb = 2" in text


def test_jpeg_2000_is_named(con, tmp_path):
    for name, head in [("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n"), ("b.j2k", b"\xff\x4f\xff\x51\0\x2f")]:
        (tmp_path / name).write_bytes(head + bytes(200))
        for sql in (f"SELECT read_patch('{tmp_path / name}', {{row_off: 0, col_off: 0, height: 1, width: 1}})", f"FROM geo_catalog_build('{tmp_path / name}')"):
            assert "JPEG 2000" in said(con, sql)


def test_the_rows_of_an_array_are_counted_while_they_stream(con, tmp_path):
    xr.Dataset({"v": (("t", "y", "x"), np.ones((20000, 32, 32), "float32"))}).to_netcdf(tmp_path / "a.nc")
    batches = con.sql(f"SELECT data FROM read_array('{tmp_path}/a.nc', 'v')").to_arrow_reader(64)
    next(iter(batches))
    function, done, total = con.cursor().execute("SELECT \"function\", done, total FROM geoquilt_progress()").fetchone()
    assert function == "read_array" and 0 < done < total == 20000


def test_arrays_are_written_as_lists_are(con, tmp_path):
    con.execute(f"COPY (SELECT array_value(1.5::FLOAT, NULL, 3, 4), array_value(1, 2, 2), array_value(0.0::DOUBLE, 1, 0, 2, 0, -1), 'EPSG:32629') TO '{tmp_path}/a.tif'")
    assert con.execute(f"SELECT data, shape, transform FROM read_patch('{tmp_path}/a.tif', size := 2)").fetchone() == ([1.5, None, 3.0, 4.0], [1, 2, 2], [0.0, 1.0, 0.0, 2.0, 0.0, -1.0])
    con.execute(f"""COPY (SELECT array_value(i::DOUBLE, i + 1, i + 2, i + 3) AS data, {{row_off: 0, col_off: 2 * i, height: 2, width: 2}} AS win FROM range(3) t(i))
        TO '{tmp_path}/b.tif' (CANVAS [2, 6])""")
    assert con.execute(f"SELECT data FROM read_patch('{tmp_path}/b.tif', size := [2, 6])").fetchone()[0] == [0, 1, 1, 2, 2, 3, 2, 3, 3, 4, 4, 5]
