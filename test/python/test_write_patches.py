"""COPY of patches of one canvas, of files a row, and the options of the format geotiff, read back by rasterio."""
import os
import subprocess
import sys
import threading

import numpy as np
import pyarrow as pa
import pytest
import rasterio
import zarr
from conftest import EXTENSION
from fields import array, draw, patches
from rasterio.transform import from_origin
from rio_cogeo import cogeo

PLACE = "TRANSFORM [500000, 10, 0, 4600000, 0, -10]::DOUBLE[], CRS 'EPSG:32629'"


def read(path):
    with rasterio.open(path) as src:
        return src.read(masked=True), src.profile, src.tags(), src.descriptions


def test_patches_are_stitched_as_the_aggregate_stitches_them(con, rng, tmp_path):
    rows = draw(rng, "float32", 2, 80, (50, 60))
    patches(con, rows)
    for method, extra in (("overlap_add", "TAPER hann"), ("overlap_add", "TAPER tukey, ALPHA 0.3"), ("mean", ""), ("max", ""), ("median", ""), ("count", ""), ("mean_std", "")):
        path = tmp_path / "x.tif"
        options = f"CANVAS [50, 60], {PLACE}, STITCH {method}, {extra}".rstrip(", ")
        assert con.execute(f"COPY (SELECT data, win FROM t) TO '{path}' ({options})").fetchall() == [(80,)]
        call = extra.replace("TAPER ", ", taper := '").replace(", ALPHA", "', alpha :=") if "ALPHA" in extra else extra.replace("TAPER hann", "")
        want = array(con.execute(f"SELECT geoquilt.stitch(data, win, [50, 60], method := '{method}'{call}) FROM t").fetchall()[0][0])
        got, profile, _, _ = read(path)
        assert (profile["dtype"], profile["transform"], profile["crs"]) == ("float32", from_origin(500000, 4600000, 10, 10), "EPSG:32629")
        np.testing.assert_array_equal(got.mask, want.mask)
        np.testing.assert_array_equal(got[~want.mask].data, want[~want.mask].data.astype("float32"))
        assert sorted(os.listdir(tmp_path)) == ["x.tif"]


@pytest.mark.parametrize("format", ["geotiff", "zarr"])
@pytest.mark.parametrize("method, own, value", [("weighted", "weight", "id % 3 + 1"), ("overlap_add", "weight", "id % 3 + 1"), ("vote", "weight", "id % 3 + 1"), ("inverse_variance", "variance", "[0.5 + (id + i) % 4 FOR i IN range(len(data))]"),
                                                ("last", "rank", "hash(id)::DOUBLE"), ("first", "rank", "hash(id)::DOUBLE")])
def test_a_third_column_is_what_the_method_wants_of_a_patch(con, rng, tmp_path, format, method, own, value):
    patches(con, draw(rng, "float32", 1, 40, (30, 40)))
    con.execute(f"CREATE TABLE p AS SELECT data, win, {value} AS own FROM t")
    want = array(con.execute(f"SELECT geoquilt.stitch(data, win, [30, 40], method := '{method}', {own} := own) FROM p").fetchone()[0])
    for i, columns in enumerate((f"data, win, own", f"{{data: data, win: win, {own}: own}}")):
        path = tmp_path / f"{i}.{'tif' if format == 'geotiff' else format}"
        con.execute(f"COPY (SELECT {columns} FROM p) TO '{path}' (FORMAT {format}, CANVAS [30, 40], STITCH {method})")
        if format == "zarr":
            got = np.ma.masked_invalid(zarr.open_group(path, mode="r")["data"][:])
        else:
            got = rasterio.open(path).read(masked=True)
        np.testing.assert_array_equal(got.mask | np.zeros(got.shape, bool), want.mask | np.zeros(got.shape, bool))
        np.testing.assert_array_equal(got.compressed(), want.compressed().astype("float32"))


@pytest.mark.parametrize("options, words", [
    ("CANVAS [2, 2], STITCH weighted", "(weight): the method needs a weight, which is NULL or was not given\nGive each row a weight; COPY takes it as a column behind data and win, or as a field"),
    ("CANVAS [2, 2], STITCH inverse_variance", "(variance): the method needs a variance"),
])
def test_what_a_method_wants_is_told(con, tmp_path, options, words):
    for format in ("geotiff", "zarr"):
        with pytest.raises(Exception) as error:
            con.execute(f"COPY (SELECT [1, 2, 3, 4]::FLOAT[], {{row_off: 0, col_off: 0, height: 2, width: 2}}) TO '{tmp_path}/x' (FORMAT {format}, {options})")
        assert format + words in str(error.value)


@pytest.mark.parametrize("options, words", [("STITCH mean", "(STITCH): a third column, and this method wants nothing of a patch but data and win\nA weight goes with weighted, overlap_add and vote"),
                                            ("", "(STITCH): a third column, and no STITCH says what it is\nSay how patches are laid, for example STITCH weighted")])
def test_a_third_column_that_no_method_wants_is_refused(con, tmp_path, options, words):
    for format in ("geotiff", "zarr"):
        with pytest.raises(Exception) as error:
            con.execute(f"COPY (SELECT [1, 2, 3, 4]::FLOAT[], {{row_off: 0, col_off: 0, height: 2, width: 2}}, 2) TO '{tmp_path}/x' (FORMAT {format}, CANVAS [2, 2]{', ' if options else ''}{options})")
        assert format + words in str(error.value)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_without_stitch_a_later_row_lies_over_an_earlier_one(con, rng, tmp_path, dtype):
    rows = [(np.ma.getdata(d), w) for d, w in draw(rng, dtype, 1, 60, (40, 30))]
    patches(con, rows, dtype)
    want = np.ma.masked_all((40, 30), dtype)
    for data, (row, col, h, w) in rows:
        for r in range(max(row, 0), min(row + h, 40)):
            for c in range(max(col, 0), min(col + w, 30)):
                want[r, c] = data[(r - row) * w + c - col]
    nodata = "nan" if dtype.startswith("float") else str(np.iinfo(dtype).min)
    want = np.ma.masked_equal(want, np.iinfo(dtype).min) if not dtype.startswith("float") else want
    con.execute(f"COPY (SELECT data, win FROM t ORDER BY id) TO '{tmp_path}/x.tif' (CANVAS [40, 30], NODATA '{nodata}')")
    got, profile, _, _ = read(tmp_path / "x.tif")
    assert profile["dtype"] == dtype
    np.testing.assert_array_equal(np.ma.getmaskarray(got)[0], np.ma.getmaskarray(want))
    np.testing.assert_array_equal(got[0].compressed(), want.compressed())


def test_a_band_of_the_canvas_is_held_where_patches_come_in_order(con, tmp_path):
    # 2000 x 6000 float32 pixels under half-overlapping windows: their sums would take 192 MB.
    con.execute("SET geoquilt_aggregate_mb = 32")
    grid = """SELECT list_transform(range(200 * 200), lambda x: (i * 7 + x)::FLOAT) AS data, {row_off: 100 * (i // 59), col_off: 100 * (i % 59), height: 200, width: 200} AS win
              FROM range(19 * 59) t(i)"""
    con.execute(f"COPY ({grid}) TO '{tmp_path}/x.tif' (CANVAS [2000, 6000], STITCH overlap_add)")
    con.execute("SET geoquilt_aggregate_mb = 1024")
    con.execute(f"COPY ({grid} ORDER BY hash(i)) TO '{tmp_path}/y.tif' (CANVAS [2000, 6000], STITCH overlap_add)")
    with rasterio.open(tmp_path / "x.tif") as x, rasterio.open(tmp_path / "y.tif") as y:
        assert x.overviews(1) == y.overviews(1) == [2, 4, 8, 16]
        np.testing.assert_allclose(x.read(1), y.read(1), rtol=2e-7)
        assert not np.isnan(x.read(1)).any()
    con.execute("SET geoquilt_aggregate_mb = 32")
    with pytest.raises(Exception, match=r"geotiff\(win\): .*(comes after the rows above|that the patches in hand lie on would take).*\n.*ORDER BY win.row_off"):
        con.execute(f"COPY ({grid} ORDER BY hash(i)) TO '{tmp_path}/z.tif' (CANVAS [2000, 6000], STITCH overlap_add)")
    assert sorted(os.listdir(tmp_path)) == ["x.tif", "y.tif"]


def test_a_scene_by_an_operator_and_back_on_its_own_grid(con, raster, rng, tmp_path):
    data = rng.normal(280, 10, (3, 300, 260)).astype("float32")
    data[:, rng.random((300, 260)) < 0.05] = -9999
    path = raster("scene.tif", data, nodata=-9999)
    con.execute(f"""COPY (SELECT [x * 2 FOR x IN data], win FROM read_patch('{path}', size := 64, stride := 32))
                    TO '{tmp_path}/out.tif' (TEMPLATE '{path}', STITCH overlap_add, BANDS ['red', 'green', 'blue'], BLOCKSIZE 128)""")
    got, profile, _, names = read(tmp_path / "out.tif")
    want = np.ma.masked_equal(data, -9999)
    np.testing.assert_array_equal(np.ma.getmaskarray(got), want.mask)
    np.testing.assert_array_equal(got.compressed(), 2 * want.compressed())
    with rasterio.open(path) as src:
        assert (profile["transform"], profile["crs"], names) == (src.transform, src.crs, ("red", "green", "blue"))


def test_files_are_valid_cogs(con, rng, tmp_path):
    patches(con, draw(rng, "float32", 2, 60, (700, 1100), nulls=0))
    con.execute(f"COPY (SELECT data, win FROM t) TO '{tmp_path}/a.tif' (CANVAS [700, 1100], {PLACE}, BLOCKSIZE 256)")
    con.execute(f"COPY (SELECT data, win FROM t) TO '{tmp_path}/b.tif' (CANVAS [700, 1100], {PLACE}, DTYPE int16, MASK, COMPRESS lzw, BLOCKSIZE 256)")
    for name in ("a.tif", "b.tif"):
        assert cogeo.cog_validate(str(tmp_path / name), strict=True, quiet=True) == (True, [], []), name


def one(data, shape, dtype="FLOAT"):
    cells = ", ".join("NULL" if v is None else str(v) for v in data)
    return f"SELECT [{cells}]::{dtype}[] AS data, {shape} AS shape, [500000, 10, 0, 4600000, 0, -10]::DOUBLE[] AS transform, 'EPSG:32629' AS crs"


def test_types_scales_and_tags(con, tmp_path):
    path = tmp_path / "x.tif"
    con.execute(f"COPY ({one([20.0, 21.234, None, -5], '[2, 2]')}) TO '{path}' (DTYPE int16, SCALE 0.01, OFFSET 20, NODATA -32768, TAGS {{SENSOR: 'MSI', YEAR: '2024'}})")
    with rasterio.open(path) as src:
        assert src.read().tolist() == [[[0, 123], [-32768, -2500]]]
        assert (src.scales, src.offsets, src.nodata) == ((0.01,), (20.0,), -32768)
        assert src.tags()["SENSOR"] == "MSI" and src.tags()["YEAR"] == "2024"
    assert con.execute(f"SELECT read_patch('{path}', {{row_off: 0, col_off: 0, height: 2, width: 2}}, {{scaled: true}})").fetchall()[0][0] == pytest.approx([20, 21.23, None, -5])
    con.execute(f"COPY ({one([0.5, 1.5, 2.5, 254.5], '[2, 2]')}) TO '{path}' (DTYPE uint8)")
    assert read(path)[0].data.tolist() == [[[0, 2], [2, 254]]]
    con.execute(f"COPY ({one([1, 2, 3, 4], '[2, 2]', 'BIGINT')}) TO '{path}' (DTYPE float64)")
    assert read(path)[1]["dtype"] == "float64"


def test_masks(con, rng, tmp_path):
    path = tmp_path / "x.tif"
    con.execute(f"COPY ({one([1, None, 3, 0], '[2, 2]', 'UTINYINT')}) TO '{path}' (MASK true)")
    with rasterio.open(path) as src:
        assert src.nodata is None and src.dataset_mask().tolist() == [[255, 0], [255, 255]]
        assert [flag.name for flag in src.mask_flag_enums[0]] == ["per_dataset"]
    assert con.execute(f"SELECT read_patch('{path}', {{row_off: 0, col_off: 0, height: 2, width: 2}})").fetchall() == [([1, None, 3, 0],)]
    with pytest.raises(Exception, match=r"geotiff\(MASK\): bands that are NULL at different pixels"):
        con.execute(f"COPY ({one([1, None, 3, 4], '[2, 1, 2]', 'UTINYINT')}) TO '{path}' (MASK true)")
    patches(con, draw(rng, "uint8", 1, 30, (90, 300)), "uint8")
    con.execute(f"COPY (SELECT data, win FROM t) TO '{path}' (CANVAS [90, 300], MASK, STITCH max)")
    want = array(con.execute("SELECT geoquilt.stitch(data, win, [90, 300], method := 'max') FROM t").fetchall()[0][0])
    with rasterio.open(path) as src:
        np.testing.assert_array_equal(src.dataset_mask() == 0, want.mask[0])
        np.testing.assert_array_equal(src.read(1)[~want.mask[0]], want[0].compressed())
        assert src.dtypes == ("uint8",)


def test_layout_and_overviews(con, rng, tmp_path):
    data = rng.integers(0, 9, 900 * 700)
    con.register("a", pa.table({"data": pa.array([data.astype("uint8")]), "shape": [[900, 700]]}))
    for options, overviews, layout in (("", [2, 4, 8], "COG"), ("OVERVIEWS none", [], "COG"), ("LAYOUT tiled", [], None),
                                       ("LAYOUT tiled, OVERVIEWS mode", [2, 4, 8], None), ("OVERVIEWS average", [2, 4, 8], "COG")):
        con.execute(f"COPY (SELECT data::UTINYINT[], shape FROM a) TO '{tmp_path}/x.tif' (BLOCKSIZE 128{', ' if options else ''}{options})")
        with rasterio.open(tmp_path / "x.tif") as src:
            assert (src.overviews(1), src.tags(ns="IMAGE_STRUCTURE").get("LAYOUT"), src.profile["tiled"], src.block_shapes) == (overviews, layout, True, [(128, 128)]), options
            np.testing.assert_array_equal(src.read(1), data.reshape(900, 700))
    assert os.listdir(tmp_path) == ["x.tif"]


def test_a_stitched_field_is_a_canvas(con, rng, tmp_path):
    patches(con, draw(rng, "float32", 2, 80, (50, 60)))
    canvas = "{height: 50, width: 60, transform: [500000, 10, 0, 4600000, 0, -10]::DOUBLE[], crs: 'EPSG:32629'}"
    for weights in ("false", "true"):
        con.execute(f"COPY (SELECT geoquilt.stitch(data, win, {canvas}, weights := {weights}) FROM t) TO '{tmp_path}/x.tif'")
        want = array(con.execute(f"SELECT geoquilt.stitch(data, win, {canvas}) FROM t").fetchall()[0][0])
        got, profile, _, _ = read(tmp_path / "x.tif")
        np.testing.assert_array_equal(got.filled(-1), want.filled(-1).astype("float32"))
        assert (profile["transform"], profile["crs"]) == (from_origin(500000, 4600000, 10, 10), "EPSG:32629")


def test_a_file_may_be_stitched_of_its_own_patches(con, raster, rng):
    data = rng.normal(280, 10, (1, 700, 300)).astype("float32")
    path = raster("a.tif", data)
    con.execute("SET geoquilt_aggregate_mb = 1")
    con.execute(f"COPY (SELECT [x + 1 FOR x IN data] AS data, win FROM read_patch('{path}', size := 64, stride := 32)) TO '{path}' (TEMPLATE '{path}', STITCH overlap_add)")
    np.testing.assert_array_equal(read(path)[0], data + np.float32(1))
    assert [name for name in os.listdir(os.path.dirname(path)) if "geoquilt" in name] == []


def test_a_canvas_of_a_million_by_a_million_pixels_is_refused(con, tmp_path):
    one = "SELECT [1::FLOAT], {row_off: 0, col_off: 0, height: 1, width: 1}"
    with pytest.raises(Exception, match="1000000 x 1000000.*\n.*for each part"):
        con.execute(f"COPY ({one}) TO '{tmp_path}/x.tif' (CANVAS [1000000, 1000000])")
    con.execute(f"COPY ({one}) TO '{tmp_path}/x.tif' (CANVAS [64, 1000000], OVERVIEWS none)")
    with rasterio.open(tmp_path / "x.tif") as src:
        assert src.shape == (64, 1000000) and src.read(1, window=((0, 1), (0, 3))).tolist()[0][0] == 1
    assert os.listdir(tmp_path) == ["x.tif"]


BAND = """
import sys, duckdb
source, target = sys.argv[2:4]
con = duckdb.connect(config={"allow_unsigned_extensions": "true", "threads": "2", "memory_limit": "128MB"})
con.execute(f"LOAD '{sys.argv[1]}'")
con.execute("SET enable_progress_bar = false")
con.execute(f"COPY (SELECT data, win FROM read_patch('{source}', size := 64, stride := 32) LIMIT 1) TO '{target}' (CANVAS [64, 64], STITCH overlap_add)")
peak = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
before = peak()
con.execute(f"COPY (SELECT data, win FROM read_patch('{source}', size := 64, stride := 32)) TO '{target}' (TEMPLATE '{source}', STITCH overlap_add, TAPER hann)")
print(peak() - before)
"""


def test_patches_in_the_order_of_their_windows_take_the_memory_of_a_band(raster, rng, tmp_path):
    data = np.cumsum(rng.normal(0, 1, (1, 6000, 4000)), 2).astype("float32")
    path = raster("a.tif", data, tiled=True, blockxsize=256, blockysize=256)
    grown = subprocess.run([sys.executable, "-c", BAND, EXTENSION, path, str(tmp_path / "x.tif")], capture_output=True, text=True, check=True, timeout=300)
    # The field whole would take 384 MB beside DuckDB's own.
    assert float(grown.stdout) < 200, grown.stdout
    np.testing.assert_array_equal(read(tmp_path / "x.tif")[0], data)


def test_a_file_a_row(con, tmp_path):
    con.execute(f"""COPY (SELECT {{data: [i, i + 1], shape: [1, 2], part: 'p' || i, day: DATE '2024-01-01' + i::INTEGER, n: i}} FROM range(5) t(i))
                    TO '{tmp_path}/x_{{part}}_{{day}}_{{n}}.tif' (FORMAT geotiff)""")
    assert sorted(os.listdir(tmp_path)) == [f"x_p{i}_2024-01-0{i + 1}_{i}.tif" for i in range(5)]
    for i in range(5):
        assert read(tmp_path / f"x_p{i}_2024-01-0{i + 1}_{i}.tif")[0].data.tolist() == [[[i, i + 1]]]
    con.execute(f"COPY (SELECT {{data: [7, 8], shape: [1, 2], path: '{tmp_path}/side.tif'}}) TO '{{path}}' (FORMAT geotiff)")
    assert read(tmp_path / "side.tif")[0].data.tolist() == [[[7, 8]]]
    for query, target, words in (
            ("SELECT {data: [1], shape: [1, 1], part: 'a'} FROM range(2)", "y_{part}.tif", "two rows give the file"),
            ("SELECT {data: [1], shape: [1, 1], part: NULL::VARCHAR}", "y_{part}.tif", "NULL"),
            ("SELECT {data: [1], shape: [1, 1]}", "y_{part}.tif", "asks for {part}"),
            ("SELECT {data: [1], shape: [1, 1], part: 'a'}", "y.tif", "part"),
            ("SELECT {data: [1], shape: [1, 1], part: 'no/such'}", "y_{part}.tif", 'text without slashes for {part}'),
            ("SELECT {data: [1], shape: [1, 1], part: '..'}", "{part}/y.tif", 'text without slashes for {part}'),
            ("SELECT [1], [1, 1]", "y_{part}.tif", "asks for {part}")):
        with pytest.raises(Exception) as error:
            con.execute(f"COPY ({query}) TO '{tmp_path}/{target}' (FORMAT geotiff)")
        assert words in str(error.value)
    assert "y.tif" not in os.listdir(tmp_path) and not [n for n in os.listdir(tmp_path) if "geoquilt" in n]


def test_an_old_file_stays_where_patches_fail(con, tmp_path):
    path = tmp_path / "x.tif"
    path.write_text("old")
    for query in ("SELECT [1, 2], {row_off: 0, col_off: 0, height: 1, width: 3}", "SELECT [1], {row_off: i, col_off: 0, height: 1, width: 1} FROM range(9) t(i)",
                  "SELECT [1], {row_off: 0, col_off: 0, height: 1, width: 1} LIMIT 0", "SELECT [1], {row_off: 0, col_off: 0, height: 1, width: if(i = 8, error('x'), 1)} FROM range(9) t(i)"):
        with pytest.raises(Exception):
            con.execute(f"COPY ({query}) TO '{path}' (FORMAT geotiff, CANVAS [4, 4], NODATA -1)")
        assert path.read_text() == "old" and os.listdir(tmp_path) == ["x.tif"]
    threading.Timer(0.5, con.interrupt).start()
    with pytest.raises(Exception, match="(?i)interrupt"):
        con.execute(f"COPY (SELECT [1], {{row_off: 0, col_off: 0, height: 1, width: 1}} FROM range(1000000000) t(i)) TO '{path}' (FORMAT geotiff, CANVAS [4, 4], NODATA -1)")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["x.tif"]


@pytest.mark.parametrize("query, options, words", [
    ("SELECT [1], {row_off: 0, col_off: 0, height: 1, width: 1}", "", ["geotiff(CANVAS)", "patches need a canvas", "TEMPLATE"]),
    ("SELECT [1], {row_off: 0, col_off: 0, height: 1, width: 1}", "CANVAS [4]", ["geotiff(CANVAS)", "[4]"]),
    ("SELECT [1], {row_off: 0, col_off: 0, height: 1, width: 1}", "CANVAS [4, 4], TEMPLATE 'x.tif'", ["geotiff(TEMPLATE)"]),
    ("SELECT [1], {row_off: 0, col_off: 0, height: 1, width: 1}", "TEMPLATE 'none.tif'", ["geotiff(TEMPLATE)", "none.tif", "does not exist"]),
    ("SELECT [1], {row_off: 0, col_off: 0, height: 1, width: 1}", "CANVAS [4, 4], STITCH avg", ["geotiff(STITCH)", "avg", "overlap_add"]),
    ("SELECT [1], {row_off: 0, col_off: 0, height: 1, width: 1}", "CANVAS [4, 4], TAPER hann", ["geotiff(TAPER)", "without STITCH"]),
    ("SELECT [1], {row_off: 0, col_off: 0, height: 1, width: 1}", "CANVAS [4, 4], STITCH overlap_add, TAPER han", ["geotiff(TAPER)", "han"]),
    ("SELECT [1], {row_off: 0, col_off: 0, height: 1, width: 1}", "CANVAS [4, 4], CRS 'EPSG:1'", ["geotiff(CRS)", "EPSG:1"]),
    ("SELECT [1], {row_off: 0, col_off: 0, height: 1, width: 1}", "CANVAS [4, 4], TRANSFORM [1, 2]", ["geotiff(TRANSFORM)", "six numbers"]),
    ("SELECT [1], {row_off: 9, col_off: 0, height: 1, width: 1}", "CANVAS [4, 4]", ["geotiff(data)", "wholly outside"]),
    ("SELECT [1], {row_off: 0, col_off: 0, height: 1, width: 1}", "CANVAS [4, 4]", ["geotiff(NODATA)", "MASK true"]),
    ("SELECT [1], {start: [0, 0, 0], size: [1, 1, 1]}", "CANVAS [4, 4, 4]", ["4 x 4 x 4", "GeoTIFF"]),
    ("SELECT [300], [1, 1]", "DTYPE uint8", ["geotiff(DTYPE)", "300", "uint8"]),
    ("SELECT ['nan'::FLOAT], [1, 1]", "DTYPE uint8", ["geotiff(DTYPE)", "NaN"]),
    ("SELECT [1], [1, 1]", "DTYPE byte", ["geotiff(DTYPE)", "byte", "uint8"]),
    ("SELECT [1], [1, 1]", "SCALE 0", ["geotiff(SCALE)"]),
    ("SELECT [1], [1, 1]", "LAYOUT strip", ["geotiff(LAYOUT)", "strip", "tiled"]),
    ("SELECT [1], [1, 1]", "OVERVIEWS rough", ["geotiff(OVERVIEWS)", "rough", "average"]),
    ("SELECT [1], [1, 1]", "MASK true, NODATA 0", ["geotiff(MASK)"]),
    ("SELECT [1], [1, 1]", "CANVAS [4, 4]", ["geotiff(CANVAS)", "is for patches"]),
    ("SELECT [1], [1, 1]", "STITCHED max", ["STITCHED", "STITCH"]),
    ("SELECT [1], [1, 1]", "TAGS [1]", ["geotiff(TAGS)"]),
])
def test_bad_input_is_named(con, tmp_path, query, options, words):
    with pytest.raises(Exception) as error:
        con.execute(f"COPY ({query}) TO '{tmp_path}/x.tif' (FORMAT geotiff{', ' if options else ''}{options})")
    assert all(word in str(error.value) for word in words), error.value
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("layout", ["cog", "tiled"])
def test_statistics_and_times_are_told(con, rng, tmp_path, layout):
    data = rng.normal(20, 5, (2, 300, 200)).astype("float32")
    nulls = rng.random(data.shape) < 0.2
    con.register("a", pa.table({"data": [pa.array(data.ravel(), mask=nulls.ravel()).to_pylist()], "shape": [[2, 300, 200]]}))
    path = tmp_path / "x.tif"
    con.execute(f"COPY (SELECT data::FLOAT[], shape, [500000, 10, 0, 4600000, 0, -10]::DOUBLE[], 'EPSG:32629' FROM a) TO '{path}' (STATISTICS, TIME TIMESTAMP '2024-02-29 23:59:58.7', LAYOUT {layout})")
    with rasterio.open(path) as src:
        assert src.tags()["TIFFTAG_DATETIME"] == "2024:02:29 23:59:58"
        for band in (1, 2):
            told, there = src.tags(band), data[band - 1][~nulls[band - 1]].astype("float64")
            got = [float(told[f"STATISTICS_{name}"]) for name in ("MINIMUM", "MAXIMUM", "MEAN", "STDDEV")]
            np.testing.assert_allclose(got, [there.min(), there.max(), there.mean(), there.std()], rtol=1e-6)
    assert sorted(os.listdir(tmp_path)) == ["x.tif"]
    assert con.execute(f"SELECT t_min FROM geo_catalog_build('{path}', time_tag := 'TIFFTAG_DATETIME')").fetchone()[0].isoformat() == "2024-02-29T23:59:58"
    for time in ("DATE '2024-02-29'", "'2024-02-29'"):
        con.execute(f"COPY (SELECT [1], [1, 1]) TO '{path}' (FORMAT geotiff, TIME {time})")
        assert read(path)[2]["TIFFTAG_DATETIME"] == "2024:02:29 00:00:00"
    with pytest.raises(Exception, match=r"geotiff\(TIME\): \"noon\" is not valid: must be a time"):
        con.execute(f"COPY (SELECT [1], [1, 1]) TO '{path}' (FORMAT geotiff, TIME 'noon')")


@pytest.mark.parametrize("method", ["nearest", "average", "mode", "bilinear", "cubic", "lanczos", "rms"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_each_level_is_the_one_that_gdal_makes(con, rng, tmp_path, method, dtype):
    data = (rng.normal(100, 20, (600, 500)).clip(0, 255)).astype(dtype)
    con.register("a", pa.table({"data": pa.ListArray.from_arrays([0, data.size], pa.array(data.ravel())), "shape": [[600, 500]]}))
    con.execute(f"COPY (SELECT data, shape FROM a) TO '{tmp_path}/x.tif' (BLOCKSIZE 128, OVERVIEWS {method})")
    with rasterio.open(tmp_path / "y.tif", "w", driver="COG", height=600, width=500, count=1, dtype=dtype, blocksize=128, overview_resampling=method, nodata=None if dtype == "uint8" else np.nan) as dst:
        dst.write(data, 1)
    for level in (None, 0, 1, 2):
        options = {} if level is None else {"overview_level": level}
        with rasterio.open(tmp_path / "x.tif", **options) as x, rasterio.open(tmp_path / "y.tif", **options) as y:
            assert x.shape == y.shape and x.block_shapes == y.block_shapes
            np.testing.assert_allclose(x.read(), y.read(), rtol=1e-6 if dtype == "float32" else 0, atol=0 if dtype == "float32" or method == "nearest" else 1)
    assert cogeo.cog_validate(str(tmp_path / "x.tif"), strict=True, quiet=True)[0]


def test_blocks_that_do_not_shrink_are_whole(con, rng, tmp_path):
    data = rng.integers(0, 256, (512, 512), dtype="uint8")
    con.register("a", pa.table({"data": pa.ListArray.from_arrays([0, data.size], pa.array(data.ravel())), "shape": [[512, 512]]}))
    for block in (16, 256, 512):
        con.execute(f"COPY (SELECT data, shape FROM a) TO '{tmp_path}/x.tif' (BLOCKSIZE {block})")
        np.testing.assert_array_equal(read(tmp_path / "x.tif")[0][0], data)


def test_a_file_above_four_gigabytes_is_a_bigtiff_by_itself(con, tmp_path):
    con.execute(f"COPY (SELECT [7]::UTINYINT[], {{row_off: 65999, col_off: 65999, height: 1, width: 1}}) TO '{tmp_path}/x.tif' (FORMAT geotiff, CANVAS [66000, 66000], NODATA 0, LAYOUT tiled)")
    assert (tmp_path / "x.tif").read_bytes()[:4] == b"II+\0"
    with rasterio.open(tmp_path / "x.tif") as src:
        assert src.read(1, window=((65998, 66000), (65998, 66000))).tolist() == [[0, 0], [0, 7]]
