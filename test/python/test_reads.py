"""read_patch, scalar and table, against rasterio.read(masked=True, boundless=True)."""
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
import strategies
from conftest import connect, sql_list, write_raster
from hypothesis import given, strategies as st
from rasterio.transform import from_origin
from rasterio.windows import Window
from strategies import DTYPES, law

HEIGHT, WIDTH = 150, 173
#          name: (row, col, height, width)
WINDOWS = {
    "inside": (20, 30, 40, 50), "whole": (0, 0, HEIGHT, WIDTH), "one pixel": (149, 172, 1, 1), "top": (-5, 10, 20, 20), "left": (10, -7, 20, 20),
    "bottom": (140, 10, 20, 20), "right": (10, 160, 20, 20), "corner": (-3, -4, 10, 10), "far corner": (145, 165, 17, 19), "around": (-2, -3, HEIGHT + 5, WIDTH + 9),
    "a row": (77, 0, 1, WIDTH), "a column": (0, 77, HEIGHT, 1),
}
SQL_TYPES = {"int8": "TINYINT", "uint8": "UTINYINT", "int16": "SMALLINT", "uint16": "USMALLINT", "int32": "INTEGER", "uint32": "UINTEGER",
             "int64": "BIGINT", "uint64": "UBIGINT", "float32": "FLOAT", "float64": "DOUBLE"}
LAYOUTS = {"tiled 16": dict(tiled=True, blockxsize=16, blockysize=16), "tiled 256": dict(tiled=True, blockxsize=256, blockysize=256),
           "tiled 64x32": dict(tiled=True, blockxsize=64, blockysize=32), "strips": dict(blockysize=7), "one strip": dict(blockysize=HEIGHT)}


def pixels(dtype, bands=1, seed=0, shape=(HEIGHT, WIDTH)):
    rng = np.random.default_rng([seed, bands])
    if np.dtype(dtype).kind == "f":
        return rng.normal(280, 20, (bands, *shape)).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, (bands, *shape), dtype=dtype, endpoint=True)


def small(data):
    """Whole numbers that FLOAT can hold: the scalar refuses others."""
    return data % (1 << 24) if data.dtype.kind in "iu" and data.dtype.itemsize >= 4 else data


def expected(path, window, bands=None):
    """Values and masks of rasterio, with the outside of a window filled by hand: its own boundless read goes through a VRT."""
    row, col, height, width = window
    with rasterio.open(path) as file:
        bands = list(file.indexes) if bands is None else bands
        whole = file.read(bands, masked=True)
    values = np.zeros((len(bands), height, width), whole.dtype)
    mask = np.ones(values.shape, bool)
    r0, r1, c0, c1 = max(row, 0), min(row + height, whole.shape[1]), max(col, 0), min(col + width, whole.shape[2])
    if r0 < r1 and c0 < c1:
        values[:, r0 - row:r1 - row, c0 - col:c1 - col] = whole.data[:, r0:r1, c0:c1]
        mask[:, r0 - row:r1 - row, c0 - col:c1 - col] = np.ma.getmaskarray(whole)[:, r0:r1, c0:c1]
    return values, mask


def win(window):
    return "{{row_off: {}, col_off: {}, height: {}, width: {}}}::STRUCT(row_off BIGINT, col_off BIGINT, height INTEGER, width INTEGER)".format(*window)


def lists(con, sql, *args):
    """The one LIST of a query as a NumPy array and its NULLs, through Arrow: no value is changed on the way."""
    table = con.execute(sql, *args).to_arrow_table()
    chunk = table.column(0).combine_chunks().flatten()
    return np.asarray(chunk.fill_null(0)), np.asarray(chunk.is_null())


def check_scalar(con, path, windows=WINDOWS, bands=None, options=""):
    for name, window in windows.items():
        values, mask = expected(path, window, bands)
        got, nulls = lists(con, f"SELECT read_patch('{path}', {win(window)}{options})")
        assert got.dtype == np.float32 and len(got) == values.size, name
        np.testing.assert_array_equal(nulls, mask.ravel(), err_msg=f"NULLs, {name}")
        np.testing.assert_array_equal(got[~nulls], values.ravel()[~nulls].astype("float32"), err_msg=name)


def registry_sql(path, windows):
    return "[" + ", ".join(f"{{path: '{path}', win: {win(w)}}}" for w in windows) + "]"


def check_table(con, path, dtype, windows=WINDOWS, more="", bands=None, sql_type=None):
    windows = list(windows.values())
    rows = con.execute(f"SELECT data, shape, typeof(data) AS type FROM read_patch({registry_sql(path, windows)}{more})").to_arrow_table()
    assert rows.num_rows == len(windows)
    for place, window in enumerate(windows):
        values, mask = expected(path, window, bands)
        data = rows.column("data").slice(place, 1).combine_chunks().flatten()
        assert rows.column("type")[place].as_py() == (sql_type or SQL_TYPES[dtype]) + "[]"
        assert rows.column("shape")[place].as_py() == list(values.shape)
        nulls = np.asarray(data.is_null())
        np.testing.assert_array_equal(nulls, mask.ravel(), err_msg=str(window))
        np.testing.assert_array_equal(np.asarray(data.fill_null(0))[~nulls], values.ravel()[~nulls], err_msg=str(window))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_pixels_equal_rasterio_for_every_dtype_and_layout(con, raster, dtype, layout):
    check_table(con, raster("a.tif", pixels(dtype), **LAYOUTS[layout]), dtype)
    check_scalar(con, raster("small.tif", small(pixels(dtype)), **LAYOUTS[layout]))


COMPRESSIONS = [("none", 1), ("deflate", 1), ("deflate", 2), ("deflate", 3), ("lzw", 1), ("lzw", 2), ("lzw", 3), ("packbits", 1)]


@pytest.mark.parametrize("compress,predictor", COMPRESSIONS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_pixels_equal_rasterio_for_every_compression(con, raster, compress, predictor, dtype):
    if predictor == 3 and not dtype.startswith("float"):
        pytest.skip("predictor 3 is for floats")
    kind = {"blockxsize": 64, "blockysize": 64, "tiled": True}
    if compress != "none":
        kind["compress"] = compress
    if predictor != 1:
        kind["predictor"] = predictor
    try:
        path = raster("a.tif", pixels(dtype, bands=2), **kind)
    except Exception as error:
        pytest.skip(f"rasterio cannot write it: {error}")
    check_scalar(con, path)
    check_table(con, path, dtype)


@pytest.mark.parametrize("layout", ["tiled 64x32", "strips", "one strip"])
@pytest.mark.parametrize("compress,predictor", [("deflate", 1), ("deflate", 2), ("deflate", 3), ("lzw", 2), ("none", 1)])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_bands_that_lie_together_equal_rasterio(con, raster, dtype, compress, predictor, layout):
    if predictor == 3 and not dtype.startswith("float"):
        pytest.skip("predictor 3 is for floats")
    packed = {} if compress == "none" else dict(compress=compress, predictor=predictor)
    path = raster("a.tif", small(pixels(dtype, bands=5)), interleave="pixel", **packed, **LAYOUTS[layout])
    check_scalar(con, path)
    check_scalar(con, path, bands=[5, 2], options=", {bands: [5, 2]}")
    check_table(con, path, dtype)
    check_table(con, path, dtype, bands=[3], more=", bands := [3]")
    with rasterio.open(path) as file:
        whole = file.read()
        slice = f"geo_slice([{file.height}, {file.width}], {list(file.transform.to_gdal())}, '{file.crs}')"
    got, nulls = lists(con, f"SELECT read_slice('{path}', {slice}, {{bands: [4, 1, 5]}}).data")
    assert not nulls.any()
    np.testing.assert_array_equal(got, whole[[3, 0, 4]].ravel().astype("float32"))


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_deflated_cmyk_equals_rasterio(con, raster, interleave):
    """GDAL turns the four inks into red, green, blue and alpha: they must not be shown as they are stored."""
    path = raster("cmyk.tif", pixels("uint8", 4), photometric="cmyk", compress="deflate", interleave=interleave, tiled=True, blockxsize=64, blockysize=64)
    check_scalar(con, path)
    check_table(con, path, "uint8")


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_jpeg_pixels_equal_rasterio(con, raster, interleave):
    smooth = np.cumsum(pixels("uint8", 3).astype(int) % 7 - 3, axis=2).clip(0, 255).astype("uint8")
    check_scalar(con, raster("plain.tif", smooth, compress="jpeg", tiled=True, blockxsize=64, blockysize=64, interleave=interleave))
    check_scalar(con, raster("grey.tif", smooth[:1], compress="jpeg", jpeg_quality=90))


def test_subsampled_jpeg_pixels_are_near_rasterio(con, raster):
    """libjpeg 9 (ours) and libjpeg-turbo (rasterio's) put the missing chroma back in different ways; the standard fixes neither."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    smooth = np.stack([128 + 100 * np.sin(y / 40), 128 + 100 * np.cos(x / 50), 128 + 100 * np.sin((x + y) / 60)]).astype("uint8")
    path = raster("ycbcr.tif", smooth, compress="jpeg", tiled=True, blockxsize=64, blockysize=64, interleave="pixel", photometric="ycbcr")
    got, nulls = lists(con, f"SELECT read_patch('{path}', {win(WINDOWS['whole'])})")
    assert not nulls.any()
    assert np.abs(got - expected(path, WINDOWS["whole"])[0].ravel()).max() <= 4


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("layout", ["tiled 64x32", "strips"])
def test_interleaves_and_bands_equal_rasterio(con, raster, interleave, layout):
    path = raster("a.tif", pixels("int16", 5), interleave=interleave, compress="deflate", descriptions=["red", "green", "blue", "nir", "swir 1"], **LAYOUTS[layout])
    check_scalar(con, path)
    check_scalar(con, path, bands=[4, 1], options=", {bands: [4, 1]}")
    check_scalar(con, path, bands=[5, 2, 2], options=", {bands: ['swir 1', 'green', 'green']}")
    check_table(con, path, "int16", bands=[3], more=", bands := [3]")
    check_table(con, path, "int16", bands=[4, 3], more=", bands := ['nir', 'blue']")


@pytest.mark.parametrize("dtype,nodata", [
    ("int8", -128), ("uint8", 0), ("uint8", 255), ("int16", -9999), ("uint16", 65535), ("int32", -2147483648), ("uint32", 4294967295), ("int64", -99),
    ("uint64", 7), ("float32", np.nan), ("float32", -9999.0), ("float32", 1e20), ("float32", -3.4028234663852886e38),
    ("float64", np.nan), ("float64", 0.1), ("float64", np.inf)])
def test_nodata_is_null(con, raster, dtype, nodata):
    data = small(pixels(dtype, 2, seed=1))
    hole = np.random.default_rng(2).random(data.shape) < 0.3
    data[hole] = nodata
    path = raster("a.tif", data, nodata=nodata, **LAYOUTS["tiled 64x32"])
    assert expected(path, WINDOWS["whole"])[1].sum() >= hole.sum(), "the reference sees the holes"
    check_scalar(con, path)
    check_table(con, path, dtype)


def test_nan_pixels_stay_nan_unless_nodata_is_nan(con, raster):
    data = pixels("float32")
    data[0, :10] = np.nan
    for name, nodata in [("none.tif", None), ("number.tif", -9999.0)]:
        path = raster(name, data, nodata=nodata)
        got, nulls = lists(con, f"SELECT read_patch('{path}', {win((0, 0, 20, 20))})")
        with rasterio.open(path) as file:
            theirs = np.ma.getmaskarray(file.read(1, masked=True, window=Window(0, 0, 20, 20))).ravel()
        assert np.isnan(got[:200]).all() or nulls[:200].all()
        np.testing.assert_array_equal(nulls, theirs, err_msg=f"{name}: rasterio's mask of NaN pixels")


def with_nodata_text(path, text):
    """Rewrites GDAL's nodata tag (42113), which is text, to what a writer refuses to write. The file had a nodata before."""
    blob = bytearray(open(path, "rb").read())
    at = struct.unpack("<I", blob[4:8])[0]
    for i in range(struct.unpack("<H", blob[at:at + 2])[0]):
        entry = at + 2 + 12 * i
        if struct.unpack("<H", blob[entry:entry + 2])[0] == 42113:
            raw = text.encode() + b"\0"
            blob[entry + 4:entry + 8] = struct.pack("<I", len(raw))
            blob[entry + 8:entry + 12] = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack("<I", len(blob))
            blob += raw if len(raw) > 4 else b""
            open(path, "wb").write(blob)
            return path
    raise AssertionError("the file has no nodata tag")


@pytest.mark.parametrize("dtype,nodata", [("uint8", "-9999"), ("uint8", "nan"), ("uint8", "256"), ("int16", "1e20"), ("uint16", "-1"), ("int32", "3e9"), ("uint32", "-1")])
def test_nodata_that_the_dtype_can_not_hold_masks_nothing(con, raster, dtype, nodata):
    data = pixels(dtype)
    data[0, :40] = 0
    data[0, 40:50] = np.iinfo(dtype).max
    path = with_nodata_text(raster("a.tif", data, nodata=77), nodata)
    _, nulls = lists(con, f"SELECT data FROM read_patch({registry_sql(path, [WINDOWS['whole']])})")
    assert nulls.sum() == 0
    with rasterio.open(path) as file:
        assert np.ma.getmaskarray(file.read(masked=True)).sum() == 0, "the reference"


@pytest.mark.parametrize("dtype,nodata", [("int64", -9223372036854775808), ("int64", 9007199254740993), ("int64", -1), ("uint64", 18446744073709551615), ("uint64", 9007199254740993)])
def test_nodata_of_64_bits_is_exact(con, raster, dtype, nodata):
    """rasterio holds nodata as a float64 and misses these: the truth is the array that was written."""
    data = pixels(dtype, seed=1)
    hole = np.random.default_rng(2).random(data.shape) < 0.3
    data[hole] = nodata
    data[0, 0, :2] = [nodata - 1, nodata - 2] if nodata > 0 else [nodata + 1, nodata + 2]
    hole[0, 0, :2] = False
    path = with_nodata_text(raster("a.tif", data, nodata=77), str(nodata))
    got, nulls = lists(con, f"SELECT data FROM read_patch({registry_sql(path, [WINDOWS['whole']])})")
    np.testing.assert_array_equal(nulls, hole.ravel())
    np.testing.assert_array_equal(got[~nulls], data[~hole])


def test_internal_masks_are_null(con, raster):
    mask = np.where(np.random.default_rng(5).random((HEIGHT, WIDTH)) < 0.5, 255, 0).astype("uint8")
    for dtype in ["uint8", "float32", "uint16"]:
        path = raster(f"{dtype}.tif", pixels(dtype, 2), mask=mask, compress="deflate", **LAYOUTS["tiled 64x32"])
        assert expected(path, WINDOWS["whole"])[1][0].sum() == (mask == 0).sum()
        check_scalar(con, path)
        check_table(con, path, dtype)


def test_alpha_bands_mask_the_others(con, raster):
    data = pixels("uint8", 4)
    data[3] = np.where(np.random.default_rng(6).random((HEIGHT, WIDTH)) < 0.4, 0, 255)
    path = raster("rgba.tif", data, photometric="RGB", alpha="YES", **LAYOUTS["tiled 64x32"])
    assert expected(path, WINDOWS["whole"])[1][0].any(), "the reference masks by alpha"
    check_scalar(con, path)
    check_table(con, path, "uint8")


def test_scaled_is_pixel_times_scale_plus_offset(con, raster):
    data = pixels("int16", 2, seed=9)
    data[0, :50] = -32768
    path = raster("a.tif", data, nodata=-32768, scales=(0.01, 2.0), offsets=(273.15, -1.0))
    want, mask = expected(path, WINDOWS["around"])
    want = want.astype("float64") * np.array([0.01, 2.0])[:, None, None] + np.array([273.15, -1.0])[:, None, None]
    got, nulls = lists(con, f"SELECT read_patch('{path}', {win(WINDOWS['around'])}, {{scaled: true}})")
    np.testing.assert_array_equal(nulls, mask.ravel())
    np.testing.assert_array_equal(got[~nulls], want.ravel()[~nulls].astype("float32"))
    check_scalar(con, path)
    got, nulls = lists(con, f"SELECT data FROM read_patch({registry_sql(path, [WINDOWS['around']])}, scaled := true, dtype := 'float64')")
    assert got.dtype == np.float64
    np.testing.assert_array_equal(nulls, mask.ravel())
    np.testing.assert_allclose(got[~nulls], want.ravel()[~nulls], rtol=1e-15)
    got, _ = lists(con, f"SELECT read_patch('{path}', {win((0, 0, 50, 5))}, {{scaled: true, bands: [1], fill: -5}})")
    assert (got == -5).all(), "a fill is not scaled"


def test_fill_gives_dense_lists(con, raster):
    data = pixels("float32")
    data[0, ::3] = -1.0
    path = raster("a.tif", data, nodata=-1.0)
    for text, fill in [("'nan'", np.nan), ("0", 0.0), ("-12.5", -12.5), ("1e9", 1e9)]:
        for window in WINDOWS.values():
            values, mask = expected(path, window)
            want = np.where(mask, np.float32(fill), values).ravel()
            got, nulls = lists(con, f"SELECT read_patch('{path}', {win(window)}, {{fill: {text}}})")
            assert not nulls.any()
            np.testing.assert_array_equal(got, want)
        got, nulls = lists(con, f"SELECT data FROM read_patch({registry_sql(path, [WINDOWS['around']])}, fill := {text})")
        assert not nulls.any()
        np.testing.assert_array_equal(got, np.where(*[expected(path, WINDOWS["around"])[1], np.float32(fill), expected(path, WINDOWS["around"])[0]]).ravel())


@pytest.mark.parametrize("window", [(-40, 0, 20, 20), (0, -40, 20, 20), (HEIGHT, 0, 5, 5), (0, WIDTH, 5, 5), (-5, 5, 5, 5), (10 ** 6, 10 ** 6, 3, 3), (-10 ** 12, 0, 4, 4)])
def test_a_window_wholly_outside_is_an_error_unless_boundless(con, raster, window):
    path = raster("a.tif", pixels("uint8", 2))
    with pytest.raises(Exception, match=r"(?s)read_patch.*a\.tif"):
        con.execute(f"SELECT read_patch('{path}', {win(window)})").fetchall()
    with pytest.raises(Exception, match=r"(?s)read_patch.*a\.tif"):
        con.execute(f"FROM read_patch({registry_sql(path, [window])})").fetchall()
    for sql in [f"SELECT read_patch('{path}', {win(window)}, {{boundless: true}})", f"SELECT data FROM read_patch({registry_sql(path, [window])}, boundless := true)"]:
        got, nulls = lists(con, sql)
        assert len(got) == 2 * window[2] * window[3] and nulls.all()
    assert len(con.execute(f"FROM read_patch({registry_sql(path, [window, WINDOWS['inside']])}, on_error := 'skip')").fetchall()) == 1


def test_south_up_rasters_keep_their_own_rows(con, raster):
    data = small(pixels("int32"))
    transform = rasterio.Affine(0.5, 0, -20, 0, 0.25, -10)
    path = raster("a.tif", data, crs="EPSG:4326", transform=transform)
    check_scalar(con, path)
    rows = con.execute(f"SELECT transform FROM read_patch({registry_sql(path, [(3, 4, 5, 6)])})").fetchone()
    assert rows[0] == pytest.approx(tuple((transform @ rasterio.Affine.translation(4, 3)).to_gdal()))


def test_null_arguments_give_null(con, raster):
    path = raster("a.tif", pixels("uint8"))
    assert con.execute(f"""SELECT read_patch(NULL, {win((0, 0, 1, 1))}), read_patch('{path}', NULL),
        read_patch('{path}', {{row_off: 0::BIGINT, col_off: NULL::BIGINT, height: 1::INTEGER, width: 1::INTEGER}})""").fetchone() == (None, None, None)
    rows = con.execute(f"""SELECT i, read_patch(CASE WHEN i % 3 = 0 THEN NULL ELSE '{path}' END, {{row_off: i, col_off: i, height: 2, width: 3}})
        FROM range(100) t(i) ORDER BY i""").fetchall()
    data = expected(path, WINDOWS["whole"])[0][0]
    for i, got in rows:
        assert (got is None) == (i % 3 == 0)
        if got is not None:
            assert got == data[i:i + 2, i:i + 3].ravel().tolist()


def test_a_real_netcdf_equals_rasterio(con, iris_data):
    path = f'NETCDF:"{iris_data}/ostia_monthly.nc":surface_temperature'
    windows = {"inside": (2, 100, 10, 60), "edge": (10, 400, 16, 64), "whole": (0, 0, 18, 432)}
    check_scalar(con, path, windows, bands=[1, 54, 7], options=", {bands: [1, 54, 7]}")
    check_table(con, path, "float32", windows)


def test_unicode_and_spaces_in_paths(con, raster):
    for name in ["a b.tif", "sør été.tif", "quote'd.tif", "#1?.tif"]:
        path = raster(name, pixels("uint8"))
        got, _ = lists(con, f"SELECT read_patch(?, {win((0, 0, 3, 3))})", [path])
        np.testing.assert_array_equal(got, expected(path, (0, 0, 3, 3))[0].ravel())


def grid_of(con, path, more):
    return con.execute(f"SELECT * FROM read_patch('{path}', {more})").to_arrow_table()


@pytest.mark.parametrize("edge", ["drop", "snap", "overflow", "center", "pad"])
def test_the_table_function_over_a_raster_gives_every_patch_of_its_grid(con, raster, edge):
    path = raster("a.tif", pixels("uint16", 2), nodata=7, **LAYOUTS["tiled 64x32"])
    rows = grid_of(con, path, f"size := [40, 32], stride := [30, 32], edge := '{edge}'")
    grid = con.execute(f"SELECT patch_id, win FROM geo_patch_grid('{path}', size := [40, 32], stride := [30, 32], edge := '{edge}')").fetchall()
    assert list(zip(rows.column("patch_id").to_pylist(), rows.column("win").to_pylist())) == grid
    with rasterio.open(path) as file:
        for i, (_, w) in enumerate(grid):
            window = (w["row_off"], w["col_off"], w["height"], w["width"])
            values, mask = expected(path, window)
            data = rows.column("data").slice(i, 1).combine_chunks().flatten()
            np.testing.assert_array_equal(np.asarray(data.is_null()), mask.ravel())
            np.testing.assert_array_equal(np.asarray(data.fill_null(0))[~mask.ravel()], values.ravel()[~mask.ravel()])
            want = file.window_transform(Window(w["col_off"], w["row_off"], w["width"], w["height"])).to_gdal()
            assert rows.column("transform")[i].as_py() == pytest.approx(list(want), rel=1e-15)
            assert rows.column("shape")[i].as_py() == [2, 40, 32]
            assert rows.column("crs")[i].as_py() == "EPSG:32629"
            assert rows.column("path")[i].as_py() == path


def test_one_and_eight_threads_give_the_same_rows(con, raster, tmp_path):
    paths = [raster(f"{i:02}.tif", pixels("int16", 2, seed=i), nodata=0, compress="deflate", **LAYOUTS["tiled 16"]) for i in range(6)]
    results = []
    for threads in [1, 8]:
        con.execute(f"SET geoquilt_threads = {threads}")
        results.append(con.execute(f"SELECT * FROM read_patch({sql_list(paths)}, size := 32, stride := 17)").to_arrow_table())
        results.append(con.execute(f"SELECT * FROM read_patch('{tmp_path}/*.tif', size := 32, stride := 17)").to_arrow_table())
    assert results[0].num_rows > 300
    for other in results[1:]:
        assert results[0].equals(other)


def test_dtype_makes_every_value_a_float(con, raster):
    for dtype in DTYPES:
        path = raster(f"{dtype}.tif", pixels(dtype), nodata=3)
        for name, sql_type in [("float64", "DOUBLE"), ("float32", "FLOAT"), (dtype, SQL_TYPES[dtype])]:
            got = con.execute(f"SELECT data FROM read_patch({registry_sql(path, [WINDOWS['inside']])}, dtype := '{name}')").to_arrow_table().column(0).combine_chunks().flatten()
            values, mask = expected(path, WINDOWS["inside"])
            np.testing.assert_array_equal(np.asarray(got.is_null()), mask.ravel())
            np.testing.assert_array_equal(np.asarray(got.fill_null(0))[~mask.ravel()], values.ravel()[~mask.ravel()].astype(name))


def registry_rows(paths, n, seed=0):
    rng = np.random.default_rng(seed)
    return [{"note": None if i % 7 == 0 else f"row {i}", "path": paths[i % len(paths)], "place": i, "weight": i / 3, "split": "val" if i % 2 else "train",
             "win": {"row_off": int(rng.integers(-5, 130)), "col_off": int(rng.integers(-5, 150)), "height": 12, "width": 9}, "tags": [f"t{i}", "x"]} for i in range(n)]


def check_registry(con, source, rows, dtype="uint16", more=""):
    table = con.execute(f"SELECT * FROM read_patch({source}{more})").to_arrow_table()
    assert table.num_rows == len(rows)
    for i, row in enumerate(rows):
        w = row["win"]
        values, mask = expected(row["path"], (w["row_off"], w["col_off"], w["height"], w["width"]))
        data = table.column("data").slice(i, 1).combine_chunks().flatten()
        np.testing.assert_array_equal(np.asarray(data.is_null()), mask.ravel())
        np.testing.assert_array_equal(np.asarray(data.fill_null(0))[~mask.ravel()], values.ravel()[~mask.ravel()])
        assert table.column("win")[i].as_py() == w
        for name in row:
            if name in table.column_names and name != "win":
                assert table.column(name)[i].as_py() == row[name], name
    return table


@pytest.fixture
def two_rasters(raster):
    return [raster("one.tif", pixels("uint16", 1, 1), nodata=5, **LAYOUTS["tiled 64x32"]), raster("two.tif", pixels("uint16", 1, 2), nodata=6, compress="lzw")]


def test_a_registry_in_parquet_is_read_in_its_order_with_its_columns(con, two_rasters, tmp_path):
    rows = registry_rows(two_rasters, 500)
    file = tmp_path / "registry.parquet"
    pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=37)
    table = check_registry(con, f"'{file}'", rows)
    assert {"note", "place", "weight", "split"} <= set(table.column_names), "the registry's columns come along"
    con.execute(f"COPY (FROM '{file}') TO '{tmp_path}/by_duckdb.parquet' (ROW_GROUP_SIZE 2048)")
    check_registry(con, f"'{tmp_path}/by_duckdb.parquet'", rows)
    for codec in ["snappy", "gzip", "zstd", "lz4", "brotli", "none"]:
        pq.write_table(pa.Table.from_pylist(rows[:50]), tmp_path / f"{codec}.parquet", compression=codec)
        check_registry(con, f"'{tmp_path}/{codec}.parquet'", rows[:50])


def test_a_registry_in_a_list_is_read_in_its_order_with_its_columns(con, two_rasters):
    rows = [{k: v for k, v in row.items() if k != "tags"} for row in registry_rows(two_rasters, 60, seed=3)]
    con.register("given", pa.Table.from_pylist(rows))
    con.execute("SET VARIABLE rows = (SELECT list(given ORDER BY place) FROM given)")
    table = check_registry(con, "getvariable('rows')", rows)
    assert {"note", "place", "weight", "split"} <= set(table.column_names)


def test_a_grid_and_a_catalog_make_a_registry_that_reads(con, two_rasters, tmp_path):
    con.execute(f"""CREATE TEMP TABLE grid AS FROM geo_patch_grid('{two_rasters[0]}', size := 32, edge := 'overflow');
        CREATE TEMP TABLE files AS SELECT * FROM geo_catalog_build({sql_list(two_rasters)});
        CREATE TEMP TABLE registry AS SELECT * FROM geoquilt.patch_registry('grid', 'files', val_fraction := 0.3);
        COPY registry TO '{tmp_path}/r.parquet'""")
    rows = con.execute("SELECT path, win, split, patch_id FROM registry").to_arrow_table().to_pylist()
    assert len(rows) == 2 * con.execute("SELECT count(*) FROM grid").fetchone()[0]
    check_registry(con, f"'{tmp_path}/r.parquet'", rows)


@pytest.mark.parametrize("form", ["parquet", "list"])
def test_on_error_reports_or_skips_the_broken_rows(con, two_rasters, tmp_path, form):
    cut = tmp_path / "cut.tif"
    cut.write_bytes(open(two_rasters[0], "rb").read()[:9000])
    (tmp_path / "text.tif").write_text("no raster")
    good = {"row_off": 100, "col_off": 100, "height": 4, "width": 4}
    paths = [two_rasters[0], str(tmp_path / "absent.tif"), two_rasters[1], str(tmp_path / "text.tif"), str(cut), two_rasters[0]]
    rows = [{"path": p, "win": good, "place": i} for i, p in enumerate(paths)] + [{"path": paths[0], "win": {**good, "row_off": 5000}, "place": 6}]
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "r.parquet")
        source = f"'{tmp_path}/r.parquet'"
    else:
        source = "[" + ", ".join(f"{{path: '{r['path']}', win: {win(tuple(r['win'].values()))}, place: {r['place']}}}" for r in rows) + "]"
    with pytest.raises(Exception, match=r"(?s)read_patch.*absent\.tif"):
        con.execute(f"FROM read_patch({source})").fetchall()
    skipped = con.execute(f"SELECT place, data FROM read_patch({source}, on_error := 'skip')").fetchall()
    assert [r[0] for r in skipped] == [0, 2, 5]
    reported = con.execute(f"SELECT place, data, error FROM read_patch({source}, on_error := 'report')").fetchall()
    assert [r[0] for r in reported] == list(range(7))
    for place, data, error in reported:
        assert (error is None) == (place in (0, 2, 5)), error
        assert (data is None) == (error is not None)
        if error:
            assert paths[min(place, 5)].split("/")[-1] in error


def test_the_rows_do_not_depend_on_the_columns_asked_for(con, two_rasters, tmp_path):
    """on_error decides by the patch, not by whether the query happens to take its pixels."""
    cut = tmp_path / "cut.tif"
    cut.write_bytes(open(two_rasters[0], "rb").read()[:9000])
    rows = [(two_rasters[0], (0, 0, 4, 4)), (str(cut), (100, 100, 4, 4)), (two_rasters[1], (5000, 0, 4, 4))]
    source = "[" + ", ".join(f"{{path: '{p}', win: {win(w)}}}" for p, w in rows) + "]"
    assert len(con.execute(f"FROM read_patch({source}, on_error := 'skip')").fetchall()) == 1
    assert con.execute(f"SELECT count(*) FROM read_patch({source}, on_error := 'skip')").fetchone() == (1,)
    assert con.execute(f"SELECT path FROM read_patch({source}, on_error := 'skip')").fetchall() == [(two_rasters[0],)]
    assert con.execute(f"SELECT error IS NULL FROM read_patch({source}, on_error := 'report')").fetchall() == [(True,), (False,), (False,)]


def test_random_windows_equal_rasterio(con, raster):
    """A property over layouts, dtypes, nodata and windows at once."""
    files = {}

    @law(150)
    @given(strategies.dtypes(), st.sampled_from(list(LAYOUTS)), st.integers(1, 3), strategies.nodata(), strategies.windows(HEIGHT, WIDTH))
    def holds(dtype, layout, bands, nodata, window):
        key = (dtype, layout, bands, nodata)
        if key not in files:
            data = small(pixels(dtype, bands))
            if nodata is not None:
                data[np.random.default_rng(3).random(data.shape) < 0.2] = nodata
            files[key] = raster("-".join(map(str, key)) + ".tif", data, nodata=nodata, **LAYOUTS[layout])
        check_scalar(con, files[key], {"any": window}, options=", {boundless: true}")
        check_table(con, files[key], dtype, {"any": window}, more=", boundless := true")

    holds()


def test_a_codec_that_is_not_built_in_is_refused_by_name(con, raster):
    path = raster("jxl.tif", np.ones((8, 8), "uint8"), compress="deflate")
    raw = open(path, "rb").read()
    tag = struct.pack("<HHIH", 259, 3, 1, 8)
    assert raw.count(tag) == 1
    open(path, "wb").write(raw.replace(tag, struct.pack("<HHIH", 259, 3, 1, 50002)))
    with pytest.raises(Exception, match="(?s)jxl.tif.*missing codec JXL"):
        con.execute(f"SELECT read_patch('{path}', {{row_off: 0, col_off: 0, height: 1, width: 1}})").fetchall()
