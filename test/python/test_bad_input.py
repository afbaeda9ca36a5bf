"""Every line of "Bad input": a clear error that names function, value and remedy, or a row under on_error := 'report'."""
import re

import numpy as np
import pytest
import rasterio
from conftest import OPEN_EXTENSION, connect, run_python, write_raster
from rasterio.transform import from_origin

W = "{row_off: 0, col_off: 0, height: 2, width: 2}"
BOX = "{xmin: 0, ymin: 0, xmax: 8, ymax: 8}"


def refused(con, sql, *words, parameters=None):
    """The message of a query that must fail; every word stands in it, none of the ones that a user should not read does."""
    with pytest.raises(Exception) as caught:
        con.execute(sql, parameters).fetchall()
    message = str(caught.value)
    assert not re.search(r"panick|unwrap|INTERNAL|RUST|src/|\.rs\b|Err\(|Os \{|Some\(|Utf8Error|Bug\b", message), message
    for word in words:
        assert re.search(word, message, re.S | re.I), f"{word!r} is not in: {message}"
    assert con.execute("SELECT count(*) FROM geo_patch_grid({xmin: 0, ymin: 0, xmax: 8, ymax: 8}, resolution := 1, size := 4)").fetchone() == (4,)
    return message


def readers(path):
    """Each way to open one file, with the function that the message should name."""
    return [("read_patch", f"SELECT read_patch('{path}', {W})"), ("read_patch", f"FROM read_patch('{path}', size := 2)"),
            ("read_patch", f"FROM read_patch([{{path: '{path}', win: {W}}}])"), ("geo_catalog_build", f"FROM geo_catalog_build('{path}')"),
            ("geo_patch_grid", f"FROM geo_patch_grid('{path}', size := 2, max_land_fraction := 0.5)"), ("st_land_fraction", f"SELECT st_land_fraction({BOX}, '{path}')")]


ALL = range(6)


@pytest.fixture
def good(raster):
    return raster("good.tif", np.arange(400, dtype="uint16").reshape(20, 20), crs="EPSG:4326", transform=from_origin(0, 20, 1, 1), descriptions=["red"])


@pytest.mark.parametrize("which", ALL)
def test_an_absent_file(con, tmp_path, which):
    name, sql = readers(tmp_path / "absent.tif")[which]
    refused(con, sql, name, r"absent\.tif", "no such file|does not exist|not found|absent")


@pytest.mark.parametrize("which", [1, 3])
def test_a_glob_that_matches_nothing(con, tmp_path, which):
    name, sql = readers(tmp_path / "*.tif")[which]
    refused(con, sql, name, r"\*\.tif", "no file|match")


@pytest.mark.parametrize("sql,name", [("FROM geo_catalog_build([]::VARCHAR[])", "geo_catalog_build"), ("FROM read_patch([]::VARCHAR[])", "read_patch"), ("FROM geo_catalog_build(['a.tif', NULL])", "geo_catalog_build"),
                                      ("FROM geo_catalog_build(NULL)", "geo_catalog_build"), ("FROM read_patch(NULL)", "read_patch"), ("FROM geo_patch_grid(NULL)", "geo_patch_grid"),
                                      ("FROM geo_catalog_build('')", "geo_catalog_build"), ("FROM read_patch('')", "read_patch"), ("FROM geo_patch_grid('')", "geo_patch_grid"), ("SELECT read_patch('', " + W + ")", "read_patch"),
                                      ("SELECT st_land_fraction(" + BOX + ", '')", "st_land_fraction")])
def test_empty_lists_nulls_and_empty_texts(con, sql, name):
    refused(con, sql, name)


@pytest.mark.parametrize("which", ALL)
def test_a_text_file_named_tif(con, tmp_path, which):
    (tmp_path / "text.tif").write_text("this is not a raster\n" * 50)
    name, sql = readers(tmp_path / "text.tif")[which]
    refused(con, sql, name, r"text\.tif")


@pytest.mark.parametrize("which", ALL)
@pytest.mark.parametrize("size", [0, 1, 8, 30])
def test_a_tiff_whose_header_is_cut(con, good, tmp_path, which, size):
    (tmp_path / "cut.tif").write_bytes(open(good, "rb").read()[:size])
    name, sql = readers(tmp_path / "cut.tif")[which]
    refused(con, sql, name, r"cut\.tif")


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("compress", [None, "deflate", "lzw"])
def test_a_tiff_whose_data_is_cut(con, raster, tmp_path, which, compress):
    """The header is whole, so a catalog takes it; pixels beyond the cut are an error with band and window, never zeros."""
    whole = raster("whole.tif", np.random.default_rng(0).integers(1, 9, (300, 300)).astype("uint16"), crs="EPSG:4326", transform=from_origin(0, 80, 0.1, 0.1), tiled=True, blockxsize=64, blockysize=64, compress=compress)
    raw = open(whole, "rb").read()
    (tmp_path / "cut.tif").write_bytes(raw[:len(raw) // 2])
    path = tmp_path / "cut.tif"
    window = "{row_off: 290, col_off: 290, height: 2, width: 2}"
    sql = [f"SELECT read_patch('{path}', {window})", f"SELECT data FROM read_patch('{path}', size := 16)", f"SELECT data FROM read_patch([{{path: '{path}', win: {window}}}])"][which]
    refused(con, sql, "read_patch", r"cut\.tif", "band 1", "window")
    assert con.execute(f"SELECT read_patch('{path}', {W})").fetchone()[0] == rasterio.open(whole).read(1)[:2, :2].ravel().tolist()
    assert con.execute(f"SELECT count(*) FROM geo_catalog_build('{path}')").fetchone() == (1,)


@pytest.mark.parametrize("which", ALL)
def test_a_directory(con, tmp_path, which):
    (tmp_path / "folder.tif").mkdir()
    name, sql = readers(tmp_path / "folder.tif")[which]
    refused(con, sql, name, r"folder\.tif", "directory|folder")


def bare(path, **more):
    with rasterio.open(path, "w", driver="GTiff", width=20, height=20, count=1, dtype="uint8", **more) as file:
        file.write(np.ones((1, 20, 20), "uint8"))
    return path


@pytest.mark.parametrize("which", [3, 4, 5])
def test_a_raster_without_crs(con, tmp_path, which):
    path = bare(tmp_path / "nocrs.tif", transform=from_origin(0, 20, 1, 1))
    name, sql = readers(path)[which]
    refused(con, sql, name, r"nocrs\.tif", "crs")
    assert con.execute(f"SELECT read_patch('{path}', {W})").fetchone()[0] == [1] * 4
    assert con.execute(f"SELECT DISTINCT crs FROM read_patch('{path}', size := 10)").fetchall() == [(None,)]


@pytest.mark.parametrize("which", [3, 4, 5])
def test_a_raster_without_a_place(con, tmp_path, which):
    path = bare(tmp_path / "noplace.tif", crs="EPSG:4326")
    name, sql = readers(path)[which]
    refused(con, sql, name, r"noplace\.tif", "geotransform|transform")


@pytest.mark.parametrize("which", [3, 4, 5])
def test_a_rotated_raster(con, tmp_path, which):
    path = bare(tmp_path / "rotated.tif", crs="EPSG:4326", transform=rasterio.Affine(1, 0.2, 0, 0.1, -1, 20))
    name, sql = readers(path)[which]
    refused(con, sql, name, r"rotated\.tif", "rotat")
    assert con.execute(f"SELECT read_patch('{path}', {W})").fetchone()[0] == [1] * 4


@pytest.mark.parametrize("which", ALL)
def test_a_raster_of_zero_bands(con, tmp_path, which):
    path = tmp_path / "empty.vrt"
    path.write_text('<VRTDataset rasterXSize="20" rasterYSize="20"><SRS>EPSG:4326</SRS><GeoTransform>0, 1, 0, 20, 0, -1</GeoTransform></VRTDataset>')
    name, sql = readers(path)[which]
    refused(con, sql, name, r"empty\.vrt", "band")


@pytest.mark.parametrize("which", ALL)
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_pixels(con, raster, which, dtype):
    path = raster("complex.tif", np.zeros((20, 20), dtype), crs="EPSG:4326", transform=from_origin(0, 20, 1, 1))
    name, sql = readers(path)[which]
    refused(con, sql, name, r"complex\.tif", "complex|CFloat")


def test_regexes_that_are_wrong(con, good, raster):
    catalog = f"FROM geo_catalog_build('{good}', filename_regex := '{{}}'{{}})"
    refused(con, catalog.format("(?P<date>", ""), r"geo_catalog_build\(filename_regex\)", r"\(\?P<date>")
    refused(con, catalog.format("[", ""), r"geo_catalog_build\(filename_regex\)")
    refused(con, catalog.format(r"(?P<date>\d{8})", ""), "geo_catalog_build", r"good\.tif", "match")
    for day in ["20180230", "20181301", "20190229", "00000000", "20180132"]:
        path = raster(f"a_{day}.tif", np.zeros((4, 4), "uint8"), crs="EPSG:4326", transform=from_origin(0, 4, 1, 1))
        refused(con, f"FROM geo_catalog_build('{path}', filename_regex := '(?P<date>\\d{{8}})')", "geo_catalog_build", day, "date")
        row = con.execute(f"SELECT error, t_min FROM geo_catalog_build('{path}', filename_regex := '(?P<date>\\d{{8}})', on_error := 'report')").fetchone()
        assert day in row[0] and row[1] is None
    path = raster("a_20180105_20180101.tif", np.zeros((4, 4), "uint8"), crs="EPSG:4326", transform=from_origin(0, 4, 1, 1))
    refused(con, f"FROM geo_catalog_build('{path}', filename_regex := '(?P<start>\\d{{8}})_(?P<stop>\\d{{8}})')", "geo_catalog_build", "20180105|2018-01-05")
    for regex in [r"_(?P<stop>\d{8})", r"_(?P<date>\d{8})_(?P<start>\d{8})"]:
        refused(con, f"FROM geo_catalog_build('{path}', filename_regex := '{regex}')", r"geo_catalog_build\(filename_regex\)", "start")
    refused(con, f"FROM geo_catalog_build('{path}', filename_regex := '(?P<date>\\d{{8}})', date_format := '%Q')", "geo_catalog_build", "%Q|date_format")
    refused(con, f"FROM geo_catalog_build('{path}', filename_regex := '(?P<date>\\d{{8}})', date_format := '')", "geo_catalog_build", "date_format|20180105")


NOT_SIZES = ["0", "-1", "NULL", "'nan'::DOUBLE", "1e300", "9223372036854775807", "[0, 4]", "[4]", "[4, 4, 4]", "[]", "[4, NULL]", "2147483648", "'four'"]


@pytest.mark.parametrize("value", NOT_SIZES)
@pytest.mark.parametrize("parameter", ["size", "stride"])
def test_sizes_and_strides_that_are_none(con, good, parameter, value):
    other = "" if parameter == "size" else ", size := 4"
    if parameter == "stride" and value in ("9223372036854775807", "2147483648"):
        # A stride beyond the axis is one window (and the last one moved inward): an answer or a message, no crash.
        try:
            assert len(con.execute(f"FROM geo_patch_grid({BOX}, resolution := 1, size := 4, edge := 'drop', stride := {value})").fetchall()) == 1
        except Exception as error:
            assert "geo_patch_grid" in str(error)
        return
    for edge in ("snap", "overflow", "center", "pad", "drop"):
        refused(con, f"FROM geo_patch_grid({BOX}, resolution := 1{other}, {parameter} := {value}, edge := '{edge}')", r"geo_patch_grid|Conversion|Binder")
        refused(con, f"FROM read_patch('{good}'{other}, {parameter} := {value}, edge := '{edge}')", r"read_patch|Conversion|Binder")


@pytest.mark.parametrize("more,words", [
    ("size := 0", ["geo_patch_grid", "size", "0"]), ("size := -3", ["geo_patch_grid", "size", "-3"]), ("size := 4, stride := 0", ["geo_patch_grid", "stride", "0"]), ("size := 9", ["geo_patch_grid", "9", "8"]),
    ("edge := 'snapp', size := 4", [r"geo_patch_grid\(edge\)", "snapp", "Did you mean \"snap\"", "overflow"]), ("edge := '', size := 4", [r"geo_patch_grid\(edge\)", "drop, snap"]), ("edge := NULL, size := 4", [r"geo_patch_grid\(edge\)", "NULL"]),
    ("size := 4, max_land_fraction := 1.5", [r"geo_patch_grid\(max_land_fraction\)", "1.5"]), ("size := 4, max_land_fraction := 'nan'", [r"geo_patch_grid\(max_land_fraction\)", "nan"]),
    ("size := 4, max_land_fraction := -0.1", [r"geo_patch_grid\(max_land_fraction\)"]), ("sizes := 4", ["sizes", "size"]), ("size := 4, crs := 'EPSG:0'", [r"geo_patch_grid\(crs\)", "EPSG:0"]),
    ("size := 4, crs := ''", [r"geo_patch_grid\(crs\)"]), ("size := 4, mask := ''", [r"geo_patch_grid\(mask\)"]), ("size := 4, max_land_fraction := 0.3", ["geo_patch_grid", "mask"]),
])
def test_grid_options_that_are_wrong(con, more, words):
    refused(con, f"FROM geo_patch_grid({BOX}, resolution := 1, {more})", *words)


@pytest.mark.parametrize("resolution", ["0", "-1", "'nan'", "'inf'", "NULL", "100", "1e-300", "1e-12"])
def test_resolutions_that_are_none(con, resolution):
    refused(con, f"FROM geo_patch_grid({BOX}, resolution := {resolution}, size := 1)", "geo_patch_grid", "resolution|pixels|cells|large")


@pytest.mark.parametrize("box", ["{xmin: 8, ymin: 0, xmax: 0, ymax: 8}", "{xmin: 0, ymin: 8, xmax: 8, ymax: 0}", "{xmin: 'nan'::DOUBLE, ymin: 0, xmax: 8, ymax: 8}", "{xmin: 'inf'::DOUBLE, ymin: 0, xmax: 8, ymax: 8}",
                                 "{xmin: NULL, ymin: 0, xmax: 8, ymax: 8}", "{xmin: 0, ymin: 0, xmax: 8}", "{a: 1}", "42", "{xmin: 0, ymin: 0, xmax: 0, ymax: 0}", "{xmin: -1e308, ymin: 0, xmax: 1e308, ymax: 8}"])
def test_boxes_that_are_none(con, box):
    refused(con, f"FROM geo_patch_grid({box}, resolution := 1, size := 4)", "geo_patch_grid")


def test_a_box_needs_a_resolution_and_a_raster_takes_none(con, good):
    refused(con, f"FROM geo_patch_grid({BOX}, size := 4)", "geo_patch_grid", "resolution")
    refused(con, f"FROM geo_patch_grid('{good}', size := 4, resolution := 1)", "geo_patch_grid", "resolution")


@pytest.mark.parametrize("region", ["[{name: 'a', xmin: 0}]", "[{name: 'a', xmin: 0, ymin: 5, xmax: 1, ymax: 1, max_land_fraction: 1}]", "[{name: 'a', xmin: 0, ymin: 0, xmax: 1, ymax: 1, max_land_fraction: 2}]",
                                    "[{name: 'a', xmin: 'nan'::DOUBLE, ymin: 0, xmax: 1, ymax: 1}]", "[1, 2]", "NULL", "{name: 'a'}", "[{name: 'a', xmin: 0, ymin: 0, xmax: 1, ymax: 1, max_land: 0.3}]", "[NULL]"])
def test_regions_that_are_none(con, good, region):
    refused(con, f"FROM geo_patch_grid('{good}', size := 4, max_land_fraction := 0.3, force_include := {region})", "geo_patch_grid|max_land_fraction DOUBLE")


@pytest.mark.parametrize("window", ["{row_off: 0, col_off: 0, height: 0, width: 2}", "{row_off: 0, col_off: 0, height: -1, width: 2}", "{row_off: 0, col_off: 0, height: 2, width: 0}", "{row_off: 20, col_off: 0, height: 2, width: 2}",
                                    "{row_off: -2, col_off: 0, height: 2, width: 2}", "{row_off: 9223372036854775807, col_off: 0, height: 2, width: 2}", "{row_off: -9223372036854775808, col_off: -9223372036854775808, height: 2147483647, width: 2}"])
def test_windows_outside_or_empty(con, good, window):
    refused(con, f"SELECT read_patch('{good}', {window})", "read_patch", r"window \(row|geoquilt_max_chunk_mb")
    refused(con, f"SELECT data FROM read_patch([{{path: '{good}', win: {window}}}])", "read_patch", r"window \(row|geoquilt_max_chunk_mb")


@pytest.mark.parametrize("window", ["{row_off: 0}", "42", "'a'", "{row_off: 'x', col_off: 0, height: 2, width: 2}"])
def test_windows_of_another_shape(con, good, window):
    refused(con, f"SELECT read_patch('{good}', {window})")
    refused(con, f"FROM read_patch([{{path: '{good}', win: {window}}}])")


@pytest.mark.parametrize("options,words", [
    ("{band: [1]}", ["band", "bands, scaled, nodata, fill, boundless"]), ("{bands: [2]}", ["band", "2", r"good\.tif"]), ("{bands: [0]}", ["band", "0"]), ("{bands: [-1]}", ["-1"]), ("{bands: ['blue']}", ["blue", "red"]), ("{bands: []}", ["band"]),
    ("{bands: [NULL]}", ["band"]), ("{fill: 'zero'}", ["fill", "zero", "nan"]), ("{scaled: 'yes please'}", ["scaled"]), ("{boundless: NULL}", ["boundless", "NULL"]), ("{a: 1}", ["a"]), ("42", []), ("'fill'", []), ("{bands: [1.5]}", ["bands"]),
])
def test_options_that_are_unknown_or_wrong(con, good, options, words):
    refused(con, f"SELECT read_patch('{good}', {W}, {options})", "read_patch", *words)


def test_options_must_be_constant(con, good):
    refused(con, f"SELECT read_patch('{good}', {W}, {{bands: [i]}}) FROM range(1, 3) t(i)", "read_patch", "constant")
    refused(con, f"SELECT st_land_fraction({BOX}, '{good}', {{mask_value: i}}) FROM range(1, 3) t(i)", "st_land_fraction", "constant")


@pytest.mark.parametrize("options,words", [("{maskvalue: 1}", ["maskvalue", "mask_value"]), ("{crs: 'EPSG:0'}", ["EPSG:0"]), ("{outside: 'maybe'}", ["maybe", "ignore"]), ("{mask_value: 'x'}", ["mask_value"]), ("{crs: ''}", ["crs"])])
def test_land_options_that_are_wrong(con, good, options, words):
    refused(con, f"SELECT st_land_fraction({BOX}, '{good}', {options})", "st_land_fraction", *words)


@pytest.mark.parametrize("more,words", [
    ("on_error := 'ignore'", ["on_error", "ignore", "skip"]), ("kind := 'rasters'", ["kind", "rasters", "raster"]), ("crs := 'EPSG:999999'", ["crs", "EPSG:999999"]), ("crs := ''", ["crs"]), ("crs := NULL", ["crs"]), ("densify := 0", ["densify", "0"]),
    ("densify := -5", ["densify"]), ("densify := 1000000000", ["densify"]), ("on_errors := 'skip'", ["on_error"]), ("date_format := NULL", ["date_format"]), ("filename_regex := ''", ["filename_regex", "no named group", r"\?P<date>"]), (r"filename_regex := '\d{8}'", ["filename_regex", "no named group", r"\?P<date>"]), ("crs := 'EPSG:27205'", ["crs"]), ("crs := 'nonsense'", ["crs", "nonsense"]),
])
def test_catalog_options_that_are_wrong(con, good, more, words):
    refused(con, f"FROM geo_catalog_build('{good}', {more})", *words)


@pytest.mark.parametrize("more,words", [("dtype := 'float33'", ["dtype", "float33"]), ("dtype := 'uint8'", ["dtype", "uint8", "uint16"]), ("dtype := ''", ["dtype"]), ("bands := [9]", ["9"]), ("bands := ['nir']", ["nir", "red"]), ("on_error := 'x'", ["on_error"]),
                                        ("fill := 'x'", ["fill"]), ("fill := 70000", []), ("fill := 0.5", []), ("fill := 'nan'", [])])
def test_table_options_that_are_wrong(con, good, more, words):
    refused(con, f"FROM read_patch('{good}', size := 6, edge := 'overflow', {more})", "read_patch", *words)


def test_files_of_two_types_in_one_query(con, good, raster):
    other = raster("other.tif", np.zeros((20, 20), "float32"), crs="EPSG:4326", transform=from_origin(0, 20, 1, 1))
    refused(con, f"SELECT data FROM read_patch(['{good}', '{other}'], size := 4)", "read_patch", r"other\.tif", "float32", "uint16", "dtype")
    assert len(con.execute(f"SELECT data FROM read_patch(['{good}', '{other}'], size := 4, dtype := 'float32')").fetchall()) == 50


def test_registries_that_are_none(con, good, tmp_path):
    con.execute(f"COPY (SELECT 1 AS a) TO '{tmp_path}/other.parquet'; COPY (SELECT '{good}' AS path, 5 AS win) TO '{tmp_path}/win.parquet'; COPY (SELECT 7 AS path, {W} AS win) TO '{tmp_path}/path.parquet'")
    con.execute(f"COPY (SELECT * FROM (VALUES ('{good}', {W}), (NULL, {W})) t(path, win)) TO '{tmp_path}/null.parquet'; COPY (SELECT '{good}' AS path, {W} AS win WHERE false) TO '{tmp_path}/none.parquet'")
    (tmp_path / "text.parquet").write_text("no parquet")
    (tmp_path / "zero.parquet").write_bytes(b"")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "win.parquet").read_bytes()[:-20])
    for name, words in [("other", ["path"]), ("win", ["win"]), ("path", ["path"]), ("null", ["path", "NULL"]), ("text", []), ("zero", []), ("cut", []), ("absent", [])]:
        refused(con, f"FROM read_patch('{tmp_path}/{name}.parquet')", "read_patch", rf"{name}\.parquet", *words)
    try:
        assert con.execute(f"FROM read_patch('{tmp_path}/none.parquet')").fetchall() == []
    except Exception as error:
        assert "read_patch" in str(error) and "none.parquet" in str(error)
    refused(con, f"FROM read_patch([{{path: '{good}'}}])", "read_patch", "win")
    refused(con, f"FROM read_patch([{{path: '{good}', win: NULL}}])", "read_patch", "win")
    refused(con, "FROM read_patch([1, 2])", "read_patch")


def test_parquet_that_is_damaged_is_an_error(con, good, tmp_path):
    con.execute(f"COPY (SELECT '{good}' AS path, {{row_off: i % 10, col_off: 0, height: 2, width: 2}} AS win, hash(i) AS h FROM range(5000) t(i)) TO '{tmp_path}/a.parquet'")
    code = OPEN_EXTENSION + f"""
import random
raw = open('{tmp_path}/a.parquet', 'rb').read()
rng = random.Random(1)
for i in range(150):
    blob = bytearray(raw)
    for _ in range(rng.randint(1, 20)):
        blob[rng.randrange(len(blob)) if rng.random() < .5 else len(blob) - 1 - rng.randrange(600)] ^= 1 << rng.randrange(8)
    open('{tmp_path}/b.parquet', 'wb').write(blob)
    print(i, flush=True)
    try:
        con.execute("SELECT count(data) FROM read_patch('{tmp_path}/b.parquet')").fetchall()
    except duckdb.Error as error:
        assert 'panick' not in str(error) and 'INTERNAL' not in str(error), str(error)
assert con.execute("SELECT count(data) FROM read_patch('{tmp_path}/a.parquet')").fetchall() == [(5000,)]
print('survived')
"""
    result = run_python(code, timeout=30)
    assert result.returncode == 0 and "survived" in result.stdout, (result.returncode, result.stderr[-2000:])


def test_a_series_of_too_many_steps_is_refused_before_it_takes_memory(raster):
    """A step of one pixel is far larger than its pixel: its time, and the files in it."""
    path = raster("a.tif", np.ones((1, 1), "float32"))
    code = OPEN_EXTENSION + f"""
import resource; resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
slice = "geo_slice({{xmin: 500000, ymin: 4599990, xmax: 500010, ymax: 4600000}}, 10, 'EPSG:32629')"
try:
    con.execute(f"SELECT read_series(['{path}', '{path}'], [TIMESTAMP '2000-01-01', TIMESTAMP '2020-01-01'], {{slice}}, {{{{step: 'second'}}}})").fetchall()
except duckdb.Error as error:
    print('refused', error)
"""
    result = run_python(code, timeout=30)
    assert "refused" in result.stdout and "geoquilt_max_chunk_mb" in result.stdout, (result.stdout[-500:], result.stderr[-500:])


def test_what_libtiff_says_of_a_damaged_file_does_not_reach_the_terminal(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II+\0\x08\0\0\0" + (2**64 - 16).to_bytes(8, "little") + bytes(64))
    code = OPEN_EXTENSION + f"""
try:
    con.execute("FROM '{tmp_path}/a.tif'").fetchall()
except duckdb.Error as error:
    print('refused', error)
"""
    result = run_python(code, timeout=30)
    assert "refused" in result.stdout and not result.stderr, (result.stdout, result.stderr)


def test_a_chunk_above_its_limit_points_to_the_table_function(con, raster):
    path = raster("big.tif", np.ones((600, 600), "uint8"))
    sql = f"SELECT sum(len(read_patch('{path}', {{row_off: i % 10, col_off: 0, height: 500, width: 500}}))) FROM range(100) t(i)"
    con.execute("SET geoquilt_max_chunk_mb = 16")
    refused(con, sql, "read_patch", "geoquilt_max_chunk_mb", r"stream instead: FROM read_patch\(")
    con.execute("SET geoquilt_max_chunk_mb = 512")
    assert con.execute(sql).fetchone() == (100 * 250000,)


HUGE = {"scalar": "SELECT read_patch('{path}', {{row_off: 0, col_off: 0, height: {n}, width: {n}}})",
        "list": "SELECT data FROM read_patch([{{path: '{path}', win: {{row_off: 0, col_off: 0, height: {n}, width: {n}}}}}])",
        "grid": "SELECT data FROM read_patch('{path}', size := {n}, edge := 'overflow')"}


@pytest.mark.parametrize("form", list(HUGE))
@pytest.mark.parametrize("n", [200000, 2000000000, 2147483647])
def test_a_window_larger_than_memory_is_an_error_and_no_abort(raster, form, n):
    """In a process of its own: a failed allocation must not take the user's process down."""
    path = raster("big.tif", np.ones((60, 60), "uint8"))
    code = OPEN_EXTENSION + f"""
import resource; resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
try:
    con.execute({HUGE[form].format(path=path, n=n)!r}).fetchall()
except duckdb.Error as error:
    print('refused', error)
assert con.execute('SELECT 1').fetchone() == (1,)
"""
    result = run_python(code, timeout=60)
    assert result.returncode == 0, f"exit {result.returncode}: {result.stderr[-500:]}"
    assert "refused" in result.stdout and "read_patch" in result.stdout, result.stdout


@pytest.mark.parametrize("sql", ["SET geoquilt_threads = 0", "SET geoquilt_threads = -1", "SET geoquilt_threads = 1000000", "SET geoquilt_block_cache_mb = -1", "SET geoquilt_max_chunk_mb = 0", "SET geoquilt_threads = NULL"])
def test_settings_out_of_range_do_no_harm(con, good, sql):
    try:
        con.execute(sql)
    except Exception:
        pass
    try:
        assert len(con.execute(f"SELECT data FROM read_patch('{good}', size := 4)").fetchall()) == 25
        assert len(con.execute(f"FROM geo_catalog_build('{good}')").fetchall()) == 1
        con.execute(f"SELECT read_patch('{good}', {W})").fetchall()
    except Exception as error:
        assert "geoquilt_" in str(error)
    finally:
        con.execute("SET geoquilt_threads = 2; SET geoquilt_block_cache_mb = 512; SET geoquilt_max_chunk_mb = 512")


EDGES = {"geoquilt_block_cache_mb": (0, 2**44 - 1), "geoquilt_threads": (1, 1024), "geoquilt_max_chunk_mb": (1, 2**44 - 1), "geoquilt_aggregate_mb": (1, 2**44 - 1),
         "geoquilt_remote_cache_mb": (1, 2**44 - 1), "geoquilt_remote_retries": (0, 6),
         "geoquilt_remote_concurrency": (1, 1024), "geoquilt_remote_inflight_mb": (1, 2**44 - 1),
         "geoquilt_remote_timeout": (1, 3600), "geoquilt_remote_trust": (0, 31_536_000)}


@pytest.mark.parametrize("name", list(EDGES))
def test_a_setting_out_of_its_range_is_refused_by_whatever_runs_next(con, good, tmp_path, name):
    """DuckDB lets a setting of an extension be any number of its type."""
    assert set(EDGES) == {row[0] for row in con.execute("SELECT name FROM duckdb_settings() WHERE name LIKE 'geoquilt%' AND input_type <> 'VARCHAR'").fetchall()}
    calls = ["SELECT geo_taper('hann', 4)", f"SELECT read_patch('{good}', {W})", f"SELECT count(*) FROM read_patch('{good}', size := 4)", f"FROM geo_catalog_build('{good}')",
             "SELECT geoquilt.stitch([1, 2]::FLOAT[], {row_off: 0, col_off: 0, height: 1, width: 2}, [1, 2])", "SELECT geoquilt.stats([1, 2]::FLOAT[], [1, 2])",
             f"COPY (SELECT [1, 2]::FLOAT[], [1, 1, 2]) TO '{tmp_path}/x.tif'"]
    least, most = EDGES[name]
    for value in {least, min(most, 64 if name == "geoquilt_threads" else 8 if name != "geoquilt_remote_retries" else most)}:
        con.execute(f"SET {name} = {value}")
        for sql in calls:
            con.execute(sql).fetchall()
    for value in [most + 1] + [least - 1] * (least > 0):
        con.execute(f"SET {name} = {value}")
        for sql in calls:
            with pytest.raises(Exception, match=f"{name}: {value} is not valid: must be between {least} and {most}"):
                con.execute(sql).fetchall()
    con.execute(f"RESET {name}")
    for sql in calls:
        con.execute(sql).fetchall()


@pytest.mark.parametrize("url", ["s3://nobody/none.tif", "https://localhost:1/none.tif", "/vsicurl/http://localhost:1/none.tif", "/vsimem/none.tif", "/vsizip/none.zip", "ftp://x/y.tif", "NETCDF:\"absent.nc\":v", "GTIFF_DIR:1:absent.tif", "/dev/null", "/proc/self/mem"])
def test_urls_and_odd_paths(con, url):
    for name, sql in readers(url):
        refused(con, sql, name)


def test_wrong_types_and_missing_arguments(con, good):
    for sql in ["FROM geo_catalog_build()", "FROM geo_catalog_build(42)", "FROM read_patch()", "FROM read_patch(42)", "SELECT read_patch()", f"SELECT read_patch('{good}')", "SELECT read_patch(42, 43)", "FROM geo_patch_grid()", "FROM geo_patch_grid(42)",
                "SELECT st_land_fraction()", f"SELECT st_land_fraction(42, '{good}')", f"SELECT st_land_fraction('x', '{good}')", "SELECT geo_permutation(-1, 0)", "SELECT geo_permutation(1, -1)", "SELECT geo_permutation(100000000000, 1)",
                "FROM geoquilt.patch_registry('absent', 'absent')", "FROM geoquilt.patch_registry(NULL, NULL)", "FROM geoquilt.patch_registry('', '')", f"FROM geo_catalog_build('{good}', 'raster')", f"FROM geo_catalog_build(['{good}', 3])"]:
        refused(con, sql)


FUZZ = OPEN_EXTENSION + """
import pathlib, random
folder, kinds, first, count = pathlib.Path(FOLDER), KINDS, FIRST, COUNT
raws = [(folder / k).read_bytes() for k in kinds]
said = set()
for i in range(first, first + count):
    rng = random.Random(i)
    blob = bytearray(rng.choice(raws))
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        at = rng.randrange(len(blob)) if rng.random() < 0.3 else rng.randrange(min(len(blob), 700))
        blob[at] = blob[at] ^ (1 << rng.randrange(8)) if rng.random() < 0.7 else rng.randrange(256)
    path = folder / 'fuzz.tif'
    path.write_bytes(blob)
    print(i, flush=True)
    for sql in ["SELECT len(read_patch('%s', {row_off: -1, col_off: -1, height: 30, width: 30}))", "SELECT sum(len(data)) FROM (SELECT data FROM read_patch('%s', size := 16, edge := 'overflow') LIMIT 50)",
                "FROM geo_catalog_build('%s')", "SELECT count(*) FROM (FROM geo_patch_grid('%s', size := 8, edge := 'drop') LIMIT 100)", "SELECT st_land_fraction({xmin: 0, ymin: 0, xmax: 10, ymax: 10}, '%s')"]:
        try:
            con.execute(sql % path).fetchall()
        except duckdb.Error as error:
            assert 'panick' not in str(error) and 'INTERNAL' not in str(error), str(error)
print('survived')
"""


@pytest.mark.parametrize("first", range(0, 300, 60))
def test_bit_flipped_tiffs_never_crash_or_hang(tmp_path, first):
    rng = np.random.default_rng(0)
    kinds = {"plain.tif": {}, "tiled.tif": dict(tiled=True, blockxsize=16, blockysize=16, compress="deflate", predictor=2), "lzw.tif": dict(compress="lzw"), "jpeg.tif": dict(compress="jpeg"), "pack.tif": dict(compress="packbits", nodata=3)}
    for name, more in kinds.items():
        write_raster(tmp_path / name, rng.integers(0, 255, (2, 40, 40)).astype("uint8"), crs="EPSG:4326", transform=from_origin(0, 40, 1, 1), **more)
    code = FUZZ.replace("FOLDER", repr(str(tmp_path))).replace("KINDS", repr(list(kinds))).replace("FIRST", str(first)).replace("COUNT", "60")
    result = run_python("import resource; resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))\n" + code, timeout=100)
    assert result.returncode == 0 and "survived" in result.stdout, f"exit {result.returncode} after seed {result.stdout.splitlines()[-1:]}: {result.stderr[-1500:]}"
