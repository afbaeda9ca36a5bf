"""TIFF blocks in ZSTD, LZMA, LERC and WebP, against rasterio: every pixel of every way to lay them out, and none of a damaged one."""
import itertools

import duckdb
import numpy as np
import pytest
import rasterio
from conftest import OPEN_EXTENSION, run_python, write_raster
from range_server import RangeServer, http_file_system
from rasterio.shutil import copy as copy_raster
from rasterio.transform import from_origin
from strategies import DTYPES

SHAPE = (75, 83)
LAYOUTS = {"tiles": dict(tiled=True, blockxsize=32, blockysize=48), "strips": dict(blockysize=7), "one strip": dict(blockysize=SHAPE[0])}
PREDICTED = ["zstd", "lzma"]
LERC = ["lerc", "lerc_deflate", "lerc_zstd"]
CODECS = [*PREDICTED, *LERC, "webp"]


def pixels(dtype, bands=1, seed=0, shape=SHAPE):
    rng = np.random.default_rng([seed, bands])
    if np.dtype(dtype).kind == "f":
        return rng.normal(280, 20, (bands, *shape)).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, (bands, *shape), dtype=dtype, endpoint=True)


def smooth(bands):
    y, x = np.mgrid[:SHAPE[0], :SHAPE[1]]
    return np.stack([128 + 90 * np.sin(y / (9 + band) + x / 17) for band in range(bands)]).astype("uint8")


def same(con, path):
    """All pixels, by blocks and by one window that stands out over every edge."""
    with rasterio.open(path) as file:
        want = file.read(masked=True)
    bands, height, width = want.shape
    values, mask = want.data, np.ma.getmaskarray(want)
    table = con.execute(f"SELECT data, win FROM read_blocks('{path}')").to_arrow_table()
    for data, win in zip(table["data"], table["win"].to_pylist()):
        rows, cols = slice(win["row_off"], win["row_off"] + win["height"]), slice(win["col_off"], win["col_off"] + win["width"])
        nulls = np.asarray(data.values.is_null())
        np.testing.assert_array_equal(nulls, mask[:, rows, cols].ravel(), err_msg=f"NULLs of {path} at {win}")
        np.testing.assert_array_equal(np.asarray(data.values.fill_null(0))[~nulls], values[:, rows, cols].ravel()[~nulls], err_msg=f"{path} at {win}")
    assert sum(win["height"] * win["width"] for win in table["win"].to_pylist()) == height * width
    sql = f"SELECT data FROM read_patch([{{path: '{path}', win: {{row_off: -2, col_off: -3, height: {height + 5}, width: {width + 7}}}}}], boundless := true)"
    data = con.execute(sql).to_arrow_table()["data"][0].values
    nulls = np.asarray(data.is_null()).reshape(bands, height + 5, width + 7)
    np.testing.assert_array_equal(nulls, np.pad(mask, ((0, 0), (2, 3), (3, 4)), constant_values=True))
    np.testing.assert_array_equal(np.asarray(data.fill_null(0))[~nulls.ravel()], values[~mask])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compress", PREDICTED)
def test_pixels_equal_rasterio_whatever_the_predictor_the_bands_and_the_blocks(con, raster, compress, dtype):
    is_float = dtype.startswith("float")
    for predictor, interleave, layout, bands in itertools.product([1, 2, 3], ["pixel", "band"], LAYOUTS, [1, 3]):
        # rasterio hands GDAL's PREDICTOR on for ZSTD alone; libtiff has none of 64-bit integers before 4.5.
        if predictor > 1 and (compress == "lzma" or predictor == 3 and not is_float):
            continue
        name = f"{predictor}-{interleave}-{layout}-{bands}.tif"
        same(con, raster(name, pixels(dtype, bands), compress=compress, predictor=predictor, interleave=interleave, **LAYOUTS[layout]))


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if "64" not in dtype or dtype == "float64"])
@pytest.mark.parametrize("compress", LERC)
def test_lerc_equals_rasterio(con, raster, compress, dtype):
    for interleave, layout, bands in itertools.product(["pixel", "band"], LAYOUTS, [1, 3]):
        data = pixels(dtype, bands)
        same(con, raster(f"{interleave}-{layout}-{bands}.tif", data, compress=compress, interleave=interleave, **LAYOUTS[layout]))
        if dtype.startswith("float"):
            for name, hole in (("one", np.random.default_rng(1).random(data.shape) < 0.3), ("all", np.random.default_rng(2).random(SHAPE) < 0.3)):
                holed = np.where(hole, np.nan, data).astype(dtype)
                same(con, raster(f"{name}-{interleave}-{layout}-{bands}.tif", holed, compress=compress, interleave=interleave, **LAYOUTS[layout]))
    lossy = raster("lossy.tif", pixels(dtype), compress=compress, max_z_error=3, **LAYOUTS["tiles"])
    same(con, lossy)


@pytest.mark.parametrize("compress", LERC)
def test_an_alpha_band_that_lerc_keeps_as_its_mask_equals_rasterio(con, raster, compress):
    for alpha in (np.random.default_rng(0).choice([0, 255], SHAPE), np.random.default_rng(0).integers(0, 255, SHAPE)):
        data = np.concatenate([smooth(3), alpha[None].astype("uint8")])
        same(con, raster(f"{alpha.max()}.tif", data, compress=compress, photometric="rgb", alpha="unspecified", interleave="pixel", **LAYOUTS["tiles"]))
        same(con, raster(f"{alpha.max()}-yes.tif", data, compress=compress, photometric="rgb", alpha="yes", interleave="pixel", **LAYOUTS["tiles"]))


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_webp_equals_rasterio(con, raster, lossless, layout):
    more = dict(compress="webp", interleave="pixel", webp_lossless=lossless, **LAYOUTS[layout])
    same(con, raster("smooth.tif", smooth(3), **more))
    same(con, raster("noise.tif", pixels("uint8", 3), **more))
    for alpha in (np.full(SHAPE, 255), np.random.default_rng(0).integers(0, 255, SHAPE)):
        data = np.concatenate([smooth(3), alpha[None].astype("uint8")])
        same(con, raster(f"{alpha.min()}.tif", data, photometric="rgb", alpha="yes", **more))


@pytest.mark.parametrize("compress", CODECS)
def test_what_stands_around_the_blocks_changes_nothing(con, raster, compress):
    """Byte order, BigTIFF, overviews, masks, nodata, a block that was never written."""
    data = smooth(3) if compress == "webp" else pixels("uint16", 3)
    for name, more in {"big": dict(ENDIANNESS="BIG"), "bigtiff": dict(BIGTIFF="YES"), "nodata": dict(nodata=int(data[0, 0, 0]))}.items():
        same(con, raster(f"{name}.tif", data, compress=compress, interleave="pixel", **LAYOUTS["tiles"], **more))
    mask = np.random.default_rng(0).choice([0, 255], SHAPE).astype("uint8")
    path = raster("masked.tif", data, mask=mask, compress=compress, interleave="pixel", **LAYOUTS["tiles"])
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4])
    same(con, path)
    sparse = raster("sparse.tif", data * 0, compress=compress, interleave="pixel", SPARSE_OK=True, **LAYOUTS["tiles"])
    with rasterio.open(sparse, "r+") as file:
        file.write(data[:, :20, :20], window=rasterio.windows.Window(0, 0, 20, 20))
    same(con, sparse)
    copy_raster(path, path.replace("masked", "cog"), driver="COG", COMPRESS=compress.upper(), BLOCKSIZE=128)
    same(con, path.replace("masked", "cog"))


@pytest.mark.parametrize("compress", PREDICTED)
def test_bits_that_are_no_whole_bytes_equal_rasterio(con, raster, compress):
    same(con, raster("twelve.tif", pixels("uint16", 2) % 4096, compress=compress, nbits=12, **LAYOUTS["tiles"]))
    same(con, raster("one.tif", pixels("uint8", 1) % 2, compress=compress, nbits=1, **LAYOUTS["strips"]))


@pytest.mark.parametrize("compress", ["zstd", "lzma", "lerc_zstd"])
def test_one_strip_that_gdal_hands_out_row_by_row_equals_rasterio(con, raster, compress):
    tall = (np.arange(2500 * 40).reshape(2500, 40) * 7 % 251).astype("uint8")
    same(con, raster("tall.tif", tall, compress=compress, blockysize=2500))


@pytest.mark.parametrize("compress", CODECS)
def test_sources_of_a_vrt_and_nodata_of_all_bands_are_read_through_gdal_too(con, raster, tmp_path, compress):
    data = smooth(3)
    data[:, 3:9, 3:9] = [[[1]], [[2]], [[3]]]
    path = raster("a.tif", data, compress=compress, interleave="pixel", **({"webp_lossless": True} if compress == "webp" else {}), **LAYOUTS["tiles"])
    copy_raster(path, tmp_path / "a.vrt", driver="VRT")
    same(con, tmp_path / "a.vrt")
    with rasterio.open(path, "r+") as file:
        file.update_tags(NODATA_VALUES="1 2 3")
    same(con, path)


@pytest.mark.parametrize("compress", CODECS)
def test_a_catalog_a_slice_and_a_label_grid_take_them_as_any_other(con, raster, compress):
    data = smooth(3)
    path, plain = (raster(name, data, **more) for name, more in (("a.tif", dict(compress=compress, interleave="pixel")), ("b.tif", {})))
    got, want = (con.execute(f"SELECT bands, height, width, bbox, crs FROM geo_catalog_build('{p}')").fetchall() for p in (path, plain))
    assert got == want
    slice_of = "SELECT read_slice(path, geo_slice({xmin: 499900, ymin: 4599400, xmax: 500700, ymax: 4600100}, 7, 'EPSG:32629'), {resampling: 'bilinear'}) AS s FROM (SELECT '%s' AS path)"
    got, want = (con.execute(slice_of % p).fetchone()[0]["data"] for p in (path, plain))
    if compress != "webp":
        assert got == want
    assert sum(value is not None for value in got) == sum(value is not None for value in want) > 0


@pytest.mark.parametrize("compress", CODECS)
def test_they_come_from_urls_too(con, raster, tmp_path, compress):
    data = np.concatenate([smooth(3)] * 4, axis=1).repeat(4, axis=2)
    path = raster("a.tif", data, compress=compress, interleave="pixel", tiled=True, blockxsize=64, blockysize=64)
    server = RangeServer(tmp_path)
    try:
        con.register_filesystem(http_file_system(timeout=3))
        sql = "SELECT data FROM read_patch('%s', size := 100, stride := 90)"
        assert con.execute(sql % server.url("a.tif")).fetchall() == con.execute(sql % path).fetchall()
    finally:
        server.close()


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("compress", CODECS)
def test_a_block_that_is_cut_or_overwritten_is_an_error_with_its_place(con, raster, compress, interleave):
    """Where rasterio still makes pixels of it, so do we: ZSTD and WebP carry no sum over what they pack."""
    if (compress, interleave) == ("webp", "band"):
        return
    path = raster("a.tif", smooth(3), compress=compress, interleave=interleave, **({"webp_lossless": True} if compress == "webp" else {}), **LAYOUTS["tiles"])
    with rasterio.open(path) as file:
        where, size = (int(file.get_tag_item(f"BLOCK_{what}_1_0", "TIFF", 2)) for what in ("OFFSET", "SIZE"))
        good = file.read(2)[:4, :4].ravel().tolist()
    whole = bytearray(open(path, "rb").read())
    refused = 0
    for garbage in (bytes(size), whole[where:where + size // 2] + bytes(size - size // 2), b"\xff" * size):
        open(path, "wb").write(whole[:where] + garbage + whole[where + size:])
        sql = f"SELECT read_patch('{path}', {{row_off: 0, col_off: 32, height: 48, width: 32}}, {{bands: [2]}})"
        try:
            with rasterio.open(path) as file:
                want = file.read(2, window=rasterio.windows.Window(32, 0, 32, 48))
            assert con.execute(sql).fetchone()[0] == want.ravel().tolist() or compress == "webp"
        except rasterio.errors.RasterioIOError:
            refused += 1
            with pytest.raises(duckdb.Error, match=r'(?s)read_patch: cannot read band 2, window \(row 0, col 32.*a\.tif'):
                con.execute(sql).fetchall()
        got = con.execute(f"SELECT read_patch('{path}', {{row_off: 0, col_off: 0, height: 4, width: 4}}, {{bands: [2]}})").fetchone()[0]
        assert got == good
    assert refused >= 2


def test_an_error_says_what_the_codec_met(con, raster):
    path = raster("a.tif", pixels("uint8", 3), compress="zstd", interleave="pixel", blockysize=SHAPE[0])
    with rasterio.open(path) as file:
        where = int(file.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", 1))
    whole = bytearray(open(path, "rb").read())
    whole[where:where + 4] = b"none"
    open(path, "wb").write(whole)
    with pytest.raises(duckdb.Error, match="(?s)cannot read band 1, window .* of \".*a.tif\": its ZSTD block: Unknown frame descriptor"):
        con.execute(f"SELECT data FROM read_blocks('{path}')").fetchall()


FUZZ = OPEN_EXTENSION + """
import duckdb, pathlib, random
folder, kinds, first, count = pathlib.Path(FOLDER), KINDS, FIRST, COUNT
raws = [(folder / k).read_bytes() for k in kinds]
for i in range(first, first + count):
    rng = random.Random(i)
    blob = bytearray(rng.choice(raws))
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        blob[rng.randrange(len(blob))] = rng.randrange(256)
    path = folder / 'fuzz.tif'
    path.write_bytes(blob)
    print(i, flush=True)
    for sql in ["SELECT sum(len(data)) FROM read_blocks('%s')", "SELECT len(read_patch('%s', {row_off: 0, col_off: 0, height: 30, width: 30}, {bands: [1]}))"]:
        try:
            con.execute(sql % path).fetchall()
        except duckdb.Error as error:
            assert 'panick' not in str(error) and 'INTERNAL' not in str(error), str(error)
print('survived')
"""


@pytest.mark.parametrize("first", range(0, 600, 200))
def test_damaged_blocks_never_crash_or_hang(tmp_path, first):
    kinds = []
    for compress, interleave in itertools.product(CODECS, ["pixel", "band"]):
        if (compress, interleave) != ("webp", "band"):
            kinds.append(f"{compress}-{interleave}.tif")
            write_raster(tmp_path / kinds[-1], smooth(3), crs="EPSG:4326", transform=from_origin(0, 40, 1, 1), compress=compress, interleave=interleave, **LAYOUTS["strips"])
    code = FUZZ.replace("FOLDER", repr(str(tmp_path))).replace("KINDS", repr(kinds)).replace("FIRST", str(first)).replace("COUNT", "200")
    result = run_python("import resource; resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))\n" + code, timeout=100)
    assert result.returncode == 0 and "survived" in result.stdout, f"exit {result.returncode} after seed {result.stdout.splitlines()[-1:]}: {result.stderr[-1500:]}"
