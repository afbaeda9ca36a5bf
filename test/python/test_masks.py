"""Which pixels are none: nodata, masks, alpha, quality bands, and names that say which band is meant. Against rasterio and NumPy."""
import itertools
import struct
import zlib

import duckdb
import numpy as np
import pytest
import rasterio
from conftest import write_raster
from rasterio.enums import ColorInterp

SHAPE = (4, 6)
SLICE = "geo_slice({xmin: 500000, ymin: 4599960, xmax: 500060, ymax: 4600000}, 10, 'EPSG:32629')"


def all_of(con, path, more=""):
    """Every band of a raster, by the table function and by the scalar, NaN where NULL."""
    win = f"{{row_off: 0, col_off: 0, height: {SHAPE[0]}, width: {SHAPE[1]}}}"
    by_table = con.execute(f"SELECT data FROM read_patch([{{path: '{path}', win: {win}}}]{more.replace('{', '').replace('}', '').replace(':', ' :=')})").fetchone()[0]
    by_scalar = con.execute(f"SELECT read_patch('{path}', {win}{more})").fetchone()[0]
    assert by_table == by_scalar
    return np.array(by_scalar, float).reshape(-1, *SHAPE)


def sliced(con, path, options):
    return con.execute(f"SELECT read_slice('{path}', {SLICE}, {{{options}}}).data").fetchone()[0]


def refused(con, sql):
    with pytest.raises(duckdb.Error) as error:
        con.execute(sql).fetchall()
    return str(error.value)


@pytest.mark.parametrize("kind", [{}, dict(compress="zstd"), dict(compress="deflate", interleave="pixel"), dict(compress="lzw", interleave="band")])
def test_a_colour_that_stands_for_nothing_takes_the_pixel_out_of_all_bands(con, raster, kind):
    data = np.random.default_rng(0).integers(1, 4, (3, *SHAPE)).astype("uint8")
    data[:, 0, 0], data[:, 3, 5], data[:, 1, 1] = [1, 2, 3], [1, 2, 3], [1, 2, 2]
    path = raster("a.tif", data, **kind)
    with rasterio.open(path, "r+") as file:
        file.update_tags(NODATA_VALUES="1 2 3")
    with rasterio.open(path) as file:
        want = file.read(masked=True).astype(float).filled(np.nan)
    assert np.isnan(want[:, 0, 0]).all() and not np.isnan(want[:, 1, 1]).any()
    np.testing.assert_array_equal(all_of(con, path), want)
    np.testing.assert_array_equal(all_of(con, path, ", {bands: [2]}"), want[1:2])
    np.testing.assert_array_equal(np.array(sliced(con, path, "merge: 'first'"), float), want.ravel())


@pytest.mark.parametrize("bands", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("place", ["last", "first"])
def test_an_alpha_band_masks_the_others_however_many_there_are(con, raster, bands, place):
    rng = np.random.default_rng(bands)
    data = rng.integers(1, 255, (bands + 1, *SHAPE)).astype("uint8")
    at = bands if place == "last" else 0
    data[at] = rng.choice([0, 7, 255], SHAPE)
    path = raster("a.tif", data)
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [ColorInterp.alpha if band == at else ColorInterp.undefined for band in range(bands + 1)]
    want = np.where(data[at] == 0, np.nan, data.astype(float))
    want[at] = data[at]
    np.testing.assert_array_equal(all_of(con, path), want)
    np.testing.assert_array_equal(np.array(sliced(con, path, "merge: 'first'"), float).reshape(want.shape), want)


@pytest.fixture
def quality(raster):
    """A band of ones, and one of 16 bits that tells of each pixel; nodata of the second is 0."""
    bits = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype("uint16") * 257
    return raster("q.tif", np.stack([np.ones(SHAPE, "uint16"), bits]), descriptions=["value", "qa"]), bits


@pytest.mark.parametrize("first,n,values", [(0, 1, [1]), (2, 2, [3]), (1, 3, [0, 5]), (8, 4, [1, 2]), (0, 16, [257, 514])])
def test_neighbouring_bits_of_a_quality_band_are_one_value(con, quality, first, n, values):
    path, bits = quality
    want = np.isin(bits >> first & (1 << n) - 1, values)
    got = sliced(con, path, f"bands: ['value'], mask_band: 'qa', mask_field: {{first_bit: {first}, n_bits: {n}, values: {values}}}")
    np.testing.assert_array_equal(np.array([value is None for value in got]), want.ravel())


def test_nodata_among_the_values_of_a_mask_goes_too(con, raster):
    quality = np.array([[0, 1, 2, 0, 1, 2]] * 4, "uint8")
    path = raster("a.tif", np.stack([np.full(SHAPE, 9, "uint8"), quality]), nodata=0)
    for values in ([0], [1], [0, 2]):
        got = sliced(con, path, f"bands: [1], mask_band: 2, mask_values: {values}")
        np.testing.assert_array_equal(np.array([value is None for value in got]).reshape(SHAPE), np.isin(quality, values))


@pytest.mark.parametrize("dtype,bit", [("uint8", 8), ("uint16", 16), ("int16", 16), ("uint32", 32)])
def test_a_bit_that_the_band_has_not_is_refused_and_the_last_one_is_read(con, raster, dtype, bit):
    path = raster("a.tif", np.ones((2, *SHAPE), dtype))
    sql = "SELECT read_slice('%s', %s, {bands: [1], mask_band: 2, %s})"
    for option in (f"mask_bits: [{bit}]", f"mask_field: {{first_bit: {bit - 1}, n_bits: 2, values: [1]}}"):
        assert dtype in refused(con, sql % (path, SLICE, option))
    assert None not in con.execute(sql % (path, SLICE, f"mask_bits: [{bit - 1}]")).fetchone()[0]["data"]


def test_a_name_that_two_bands_have_is_refused_with_their_numbers(con, raster):
    path = raster("a.tif", np.stack([np.full(SHAPE, band, "uint8") for band in (1, 2, 3)]), descriptions=["red", "nir", "red"])
    for sql in (f"SELECT read_patch('{path}', {{row_off: 0, col_off: 0, height: 1, width: 1}}, {{bands: ['red']}})", f"FROM read_patch('{path}', size := 2, bands := ['red'])",
                f"SELECT read_slice('{path}', {SLICE}, {{bands: ['red']}})", f"SELECT read_slice('{path}', {SLICE}, {{bands: [2], mask_band: 'red', mask_values: [1]}})"):
        error = refused(con, sql)
        assert '"red"' in error and "1" in error and "3" in error, error
    assert set(sliced(con, path, "bands: ['nir', 3]".replace("'nir', 3", "'nir'"))) == {2}


@pytest.mark.parametrize("inner", [False, True])
def test_a_vrt_without_one_of_its_sources_is_an_error_and_no_zeros(con, tmp_path, inner):
    for name in ("a", "b"):
        write_raster(tmp_path / f"{name}.tif", np.full(SHAPE, 5, "uint8"))
    source = "<SimpleSource><SourceFilename relativeToVRT='1'>%s</SourceFilename><SourceBand>1</SourceBand><SrcRect xOff='0' yOff='0' xSize='6' ySize='4'/><DstRect xOff='0' yOff='0' xSize='6' ySize='4'/></SimpleSource>"
    head = "<VRTDataset rasterXSize='6' rasterYSize='4'><SRS>EPSG:32629</SRS><GeoTransform>500000, 10, 0, 4600000, 0, -10</GeoTransform><VRTRasterBand dataType='Byte' band='1'>%s</VRTRasterBand></VRTDataset>"
    (tmp_path / "inner.vrt").write_text(head % (source % "b.tif"))
    (tmp_path / "m.vrt").write_text(head % (source % "a.tif" + source % ("inner.vrt" if inner else "b.tif")))
    path = tmp_path / "m.vrt"
    assert (all_of(con, path) == 5).all()
    (tmp_path / "b.tif").unlink()
    for sql in (f"SELECT read_patch('{path}', {{row_off: 0, col_off: 0, height: 4, width: 6}})", f"SELECT data FROM read_patch('{path}', size := 4)", f"SELECT read_slice('{path}', {SLICE})"):
        for _ in range(2):   # GDAL names a missing source once.
            assert "b.tif" in refused(con, sql)


def old_deflate(path, a, predictor):
    """A TIFF under deflate's first number, by hand: rasterio writes the newer one alone."""
    height, width = a.shape
    size = a.dtype.itemsize
    if predictor == 2:
        raw = np.diff(a, axis=1, prepend=a.dtype.type(0)).astype(a.dtype).tobytes()
    elif predictor == 3:
        planes = a.astype(a.dtype.newbyteorder(">")).view(np.uint8).reshape(height, width, size).transpose(0, 2, 1).reshape(height, width * size)
        raw = np.diff(planes, axis=1, prepend=np.uint8(0)).astype(np.uint8).tobytes()
    else:
        raw = a.tobytes()
    packed = zlib.compress(raw)
    tags = [(256, width), (257, height), (258, size * 8), (259, 32946), (262, 1), (273, 0), (277, 1), (278, height), (279, len(packed)), (317, predictor), (339, {"u": 1, "i": 2, "f": 3}[a.dtype.kind])]
    at = 8 + 2 + 12 * len(tags) + 4
    body = b"".join(struct.pack("<HHII", code, 4, 1, at if code == 273 else value) for code, value in tags)
    path.write_bytes(struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + body + struct.pack("<I", 0) + packed)


@pytest.mark.parametrize("dtype,predictor", [*itertools.product(["uint8", "int16", "uint32"], [1, 2]), *itertools.product(["float32", "float64"], [1, 3])])
def test_predictors_under_deflates_old_number_are_undone(con, tmp_path, dtype, predictor):
    a = (np.arange(24).reshape(SHAPE) * 37 % 101).astype(dtype)
    old_deflate(tmp_path / "a.tif", a, predictor)
    with rasterio.open(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.read(1), a)
    np.testing.assert_array_equal(all_of(con, tmp_path / "a.tif")[0], a)
