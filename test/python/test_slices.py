"""geo_slice, read_slice and read_series against rasterio.warp.reproject, rasterio.merge, odc-geo, xarray and NumPy."""
import datetime

import duckdb
import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
import xarray as xr
from conftest import connect, sql_list, write_raster
from odc.geo.geobox import GeoBox
from odc.geo.warp import rio_reproject
from rasterio.enums import ColorInterp
from rasterio.merge import merge
from rasterio.transform import Affine, from_origin
from rasterio.vrt import WarpedVRT
from rasterio.warp import Resampling, reproject, transform_bounds
from scipy.ndimage import gaussian_filter

METHODS = ["nearest", "bilinear", "cubic", "cubic_spline", "lanczos", "average", "mode", "max", "min", "med", "q1", "q3", "sum", "rms"]
UTM29 = from_origin(500000, 4600000, 10, 10)


def slice_sql(bbox, res, crs, more=""):
    res = list(res) if isinstance(res, tuple) else res
    xmin, ymin, xmax, ymax = bbox
    return f"geo_slice({{xmin: {xmin!r}::DOUBLE, ymin: {ymin!r}::DOUBLE, xmax: {xmax!r}::DOUBLE, ymax: {ymax!r}::DOUBLE}}, {res}, '{crs}'{more})"


def paths_sql(paths):
    return f"'{paths}'" if isinstance(paths, str) else sql_list(paths)


def unpack(struct):
    """data (0 where NULL), NULLs, and rasterio's transform, of one struct."""
    data, shape = struct.field("data").flatten(), struct.field("shape").flatten().to_pylist()
    c = struct.field("transform").flatten().to_pylist()
    array = np.asarray(data.fill_null(0)).reshape(shape)
    return array, np.asarray(data.is_null()).reshape(shape), Affine(c[1], c[2], c[0], c[4], c[5], c[3])


def read(con, paths, slice_text, options=""):
    options = f", {{{options}}}" if options else ""
    table = con.execute(f"SELECT read_slice({paths_sql(paths)}, {slice_text}{options}) AS r").to_arrow_table()
    return unpack(table.column("r").combine_chunks())


def warped(path, band, shape, transform, crs, method="nearest", dtype=None, **options):
    """rasterio's answer for one band, and where it has none."""
    with rasterio.open(path) as file:
        nodata = options.pop("nodata", file.nodata)
        values = np.full(shape, 0 if nodata is None else nodata, dtype or file.dtypes[band - 1])
        reproject(rasterio.band(file, band), values, dst_transform=transform, dst_crs=crs, src_nodata=nodata, dst_nodata=nodata,
                  resampling=Resampling[method], **options)
    if nodata is None:
        return values, None
    return values, np.isnan(values) if np.isnan(nodata) else values == nodata


def noise(dtype, shape=(1, 150, 170), seed=0):
    """A smooth field with noise, within every dtype's range."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=shape), 3, axes=(-2, -1)) * 200 + rng.normal(size=shape) * 3 + 100
    return np.clip(field, 10, 120 if np.dtype(dtype) == "int8" else 240).astype(dtype)


GRIDS = {"next zone": ("EPSG:32630", 10), "degrees": ("EPSG:4326", 0.00011), "mercator, coarser": ("EPSG:3857", 37), "same crs, coarser": ("EPSG:32629", 25),
         "same crs, shifted": ("EPSG:32629", 10), "same crs, finer": ("EPSG:32629", 4)}


def box_in(crs, box=(500303, 4598804, 501507, 4599611)):
    return box if crs == "EPSG:32629" else transform_bounds("EPSG:32629", crs, *box)


@pytest.mark.parametrize("method", [m for m in METHODS if m != "mode"])
def test_every_method_is_gdals(con, tmp_path, method):
    compared = 0
    for dtype in ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]:
        for nodata in [None, 7]:
            data = noise(dtype)
            if nodata is not None:
                data[0, 40:60, 30:90] = nodata
                data[np.random.default_rng(3).random(data.shape) < 0.02] = nodata
            path = write_raster(tmp_path / "a.tif", data, crs="EPSG:32629", transform=UTM29, nodata=nodata, tiled=True, blockxsize=64, blockysize=64)
            for name, (crs, res) in GRIDS.items():
                if dtype in ("uint32", "float64", "int8") and name != "next zone":
                    continue
                got, nulls, transform = read(con, path, slice_sql(box_in(crs), res, crs), f"resampling: '{method}'")
                values, gone = warped(path, 1, got.shape[1:], transform, crs, method)
                if gone is not None:
                    np.testing.assert_array_equal(nulls[0], gone, err_msg=f"{dtype} {nodata} {name}")
                inside = ~nulls[0]
                assert inside.sum() > 900
                expected, actual = values[inside].astype("float64"), got[0][inside].astype("float64")
                np.testing.assert_allclose(actual, expected, rtol=2e-6, atol=1e-5, err_msg=f"{dtype} {nodata} {name}")
                compared += inside.sum()
    assert compared > 100_000


@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic", "average"])
@pytest.mark.parametrize("transform", [Affine(8, 3, 500000, 3, -8, 4600000), Affine(10, 0, 500000, 0, 10, 4598500)], ids=["rotated", "south up"])
def test_rotated_and_south_up_rasters_are_warped(con, raster, method, transform):
    data = noise("float32")
    data[0, 30:50, 40:60] = -9
    path = raster("a.tif", data, nodata=-9, transform=transform)
    x, y = transform @ (70, 70)
    for crs, box, res in [("EPSG:32629", (x - 300, y - 300, x + 300, y + 300), 7), ("EPSG:32630", box_in("EPSG:32630", (x - 300, y - 300, x + 300, y + 300)), 20)]:
        got, nulls, grid = read(con, path, slice_sql(box, res, crs), f"resampling: '{method}'")
        expected, gone = warped(path, 1, got.shape[1:], grid, crs, method)
        np.testing.assert_array_equal(nulls[0], gone)
        np.testing.assert_allclose(got[0][~gone], expected[~gone], rtol=2e-6, atol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("method", ["nearest", "bilinear"])
def test_our_own_loop_is_gdals_to_the_bit(con, raster, dtype, method):
    """Slices that lie whole inside a file and are finer than it, at random places of random grids. A file with a mask goes through GDAL."""
    rng = np.random.default_rng(17)
    for nodata in [None, 50]:
        data = noise(dtype, (1, 200, 200), 4)
        if nodata is not None:
            data[rng.random((1, 200, 200)) < 0.1] = nodata
        mask = np.full((200, 200), 255, "uint8") if nodata is None else np.where(data[0] == nodata, 0, 255).astype("uint8")
        path = raster(f"{nodata}.tif", data, nodata=nodata)
        through_gdal = raster(f"masked_{nodata}.tif", data, mask=mask)
        for _ in range(12):
            x, y, res = 500600 + rng.uniform(0, 300), 4598800 + rng.uniform(0, 300), rng.uniform(3, 9)
            crs = str(rng.choice(["EPSG:32629", "EPSG:32630", "EPSG:3857", "EPSG:3035"]))
            text = slice_sql(box_in(crs, (x, y, x + 300, y + 300)), float(res), crs)
            got, nulls, transform = read(con, path, text, f"resampling: '{method}'")
            gdals, missing, _ = read(con, through_gdal, text, f"resampling: '{method}'")
            np.testing.assert_array_equal(nulls, missing)
            np.testing.assert_array_equal(got[~nulls], gdals[~nulls])
            assert (~nulls).sum() > 800
            # rasterio's GDAL and PROJ are other versions: a place on the edge of two pixels may fall on either side.
            expected, gone = warped(path, 1, got.shape[1:], transform, crs, method)
            assert gone is None or (gone != nulls[0]).mean() < 0.001
            inside = ~nulls[0] if gone is None else ~nulls[0] & ~gone
            assert (np.abs(got[0][inside] - expected[inside].astype("float64")) > 0.01).mean() < 0.005


def test_mode_weighs_classes_by_the_area_they_cover(con, raster):
    """By brute force: GDAL 3.10 in rasterio counts pixels that are touched however little (docs/disputes.md)."""
    labels = np.random.default_rng(1).integers(0, 4, (12, 14)).repeat(3, 0).repeat(3, 1).astype("uint8")
    path = raster("a.tif", labels)
    left, top, res = 500003, 4599996, 25
    got, nulls, _ = read(con, path, slice_sql((left, top - 12 * res, left + 14 * res, top), res, "EPSG:32629"), "resampling: 'mode'")
    edges = lambda n: np.arange(n + 1) * 10
    overlap = lambda low, n: np.clip(np.minimum(edges(n)[1:], low + res) - np.maximum(edges(n)[:-1], low), 0, None)
    compared = 0
    for row in range(12):
        for col in range(14):
            area = np.outer(overlap(4 + row * res, 36), overlap(3 + col * res, 42))
            shares = np.array([area[labels == k].sum() for k in range(4)])
            if np.sort(shares)[-1] - np.sort(shares)[-2] > 1:
                assert got[0, row, col] == shares.argmax(), (row, col, shares)
                compared += 1
    assert compared > 120 and not nulls.any()


def test_each_band_has_its_own_nodata_and_bands_come_by_number_and_name(con, raster):
    data = np.stack([noise("float32", (90, 80), seed) for seed in range(3)])
    data[0, 10:30, 10:30], data[1, 40:60, 40:60] = -1, -1
    path = raster("a.tif", data, nodata=-1, descriptions=["red", "green", "nir"])
    slice_text = slice_sql(box_in("EPSG:32630", (500100, 4599300, 500700, 4599900)), 12, "EPSG:32630")
    got, nulls, transform = read(con, path, slice_text, "bands: ['nir', 'red', 'green'], resampling: 'bilinear'")
    for place, band in enumerate([3, 1, 2]):
        values, gone = warped(path, band, got.shape[1:], transform, "EPSG:32630", "bilinear")
        np.testing.assert_array_equal(nulls[place], gone)
        np.testing.assert_allclose(got[place][~gone], values[~gone], rtol=1e-6)
    one, _, _ = read(con, path, slice_text, "bands: [2], resampling: 'bilinear'")
    np.testing.assert_array_equal(one[0], got[2])


def test_the_same_grid_is_copied_whatever_the_method(con, raster):
    data = noise("float32", (1, 200, 220))
    data[0, 50:60, 50:70] = np.nan
    path = raster("a.tif", data, tiled=True, blockxsize=64, blockysize=64)
    for method in METHODS:
        got, nulls, _ = read(con, path, slice_sql((500330, 4598500, 501310, 4599480), 10, "EPSG:32629"), f"resampling: '{method}'")
        assert not nulls.any()
        np.testing.assert_array_equal(got[0], data[0, 52:150, 33:131])
    # Hanging over the edge, and a whole number of pixels away from it.
    got, nulls, _ = read(con, path, slice_sql((499900, 4599900, 500100, 4600100), 10, "EPSG:32629"))
    assert nulls[0, :10].all() and nulls[0, :, :10].all() and not nulls[0, 10:, 10:].any()
    np.testing.assert_array_equal(got[0, 10:, 10:], data[0, :10, :10])


def test_masks_and_alpha_bands_say_what_is_valid(con, raster, tmp_path):
    data = noise("uint8", (1, 100, 100))
    mask = np.full((100, 100), 255, "uint8")
    mask[30:60, 20:70] = 0
    path = raster("mask.tif", data, mask=mask)
    box = (500100, 4599200, 500800, 4599900)
    for crs, res in [("EPSG:32629", 7), ("EPSG:32630", 10)]:
        got, nulls, transform = read(con, path, slice_sql(box_in(crs, box), res, crs), "resampling: 'bilinear'")
        shape = got.shape[1:]
        with rasterio.open(path) as file, WarpedVRT(file, crs=crs, transform=transform, height=shape[0], width=shape[1], resampling=Resampling.bilinear, add_alpha=True) as vrt:
            expected, alpha = vrt.read()
        assert ((alpha == 0) != nulls[0]).mean() < 0.001
        both = ~nulls[0] & (alpha > 0)
        assert both.sum() > 1000 and nulls.any()
        assert np.abs(got[0][both] - expected[both].astype(float)).max() <= 1
    rgba = np.concatenate([noise("uint8", (1, 100, 100)), mask[None]])
    path = str(tmp_path / "alpha.tif")
    with rasterio.open(path, "w", driver="GTiff", count=2, height=100, width=100, dtype="uint8", crs="EPSG:32629", transform=UTM29) as file:
        file.colorinterp = [ColorInterp.gray, ColorInterp.alpha]
        file.write(rgba)
    got, nulls, _ = read(con, path, slice_sql(box, 10, "EPSG:32629"), "bands: [1]")
    np.testing.assert_array_equal(nulls[0], mask[10:80, 10:80] == 0)


def test_scaled_values_and_means_that_keep_their_fraction(con, raster):
    data = noise("int16", (1, 100, 100))
    data[0, 20:25] = -32768
    path = raster("a.tif", data, nodata=-32768, scales=[0.01], offsets=[-5.0])
    text = slice_sql(box_in("EPSG:32630", (500100, 4599200, 500800, 4599900)), 13, "EPSG:32630")
    plain, gone, transform = read(con, path, text, "resampling: 'bilinear', dtype: 'float32'")
    expected, missing = warped(path, 1, plain.shape[1:], transform, "EPSG:32630", "bilinear", dtype="float32")
    np.testing.assert_array_equal(gone[0], missing)
    np.testing.assert_allclose(plain[0][~missing], expected[~missing], rtol=1e-6)
    assert (plain[0][~missing] % 1 != 0).mean() > 0.5
    scaled, gone_too, _ = read(con, path, text, "resampling: 'bilinear', scaled: true")
    np.testing.assert_array_equal(gone_too, gone)
    np.testing.assert_allclose(scaled[~gone], plain[~gone] * 0.01 - 5, rtol=1e-4, atol=1e-5)


def tiles(tmp_path, seed=0):
    """Four overlapping scenes in two UTM zones with holes, of one scene in degrees."""
    paths = []
    for place, (zone, x) in enumerate([(32629, 738000), (32630, 252000), (32629, 739500), (32630, 250500)]):
        data = noise("float32", (2, 120, 130), seed + place)
        data[:, 20 + 9 * place:60, 30:70] = -9
        paths.append(write_raster(tmp_path / f"scene_{place}.tif", data, crs=f"EPSG:{zone}", transform=from_origin(x, 4_430_000 + 200 * place, 20, 20), nodata=-9))
    return paths


REDUCE = {"first": lambda a: next((v for v in a if not np.isnan(v)), np.nan), "last": lambda a: next((v for v in a[::-1] if not np.isnan(v)), np.nan),
          "min": np.nanmin, "max": np.nanmax, "sum": np.nansum, "mean": np.nanmean, "count": lambda a: np.sum(~np.isnan(a))}


@pytest.mark.parametrize("method", REDUCE)
def test_files_of_mixed_zones_merge_in_the_stated_order(con, tmp_path, method):
    paths = tiles(tmp_path)
    crs, res = "EPSG:4326", 0.0005
    box = transform_bounds("EPSG:32630", crs, 250000, 4427000, 254500, 4431000)
    for order in [paths, paths[::-1]]:
        got, nulls, transform = read(con, order, slice_sql(box, res, crs), f"merge: '{method}', resampling: 'bilinear'")
        stack = []
        for path in order:
            bands = [warped(path, band, got.shape[1:], transform, crs, "bilinear") for band in (1, 2)]
            stack.append(np.stack([np.where(gone, np.nan, values) for values, gone in bands]))
        stack = np.stack(stack).astype("float64")
        none = np.isnan(stack).all(0)
        assert none.any() and (~np.isnan(stack)).sum(0).max() >= 2
        expected = np.zeros(none.shape)
        for index in zip(*np.nonzero(~none)):
            expected[index] = REDUCE[method](stack[(slice(None), *index)])
        np.testing.assert_array_equal(nulls, none if method != "count" else np.zeros_like(none))
        np.testing.assert_allclose(got, expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("method", ["first", "last", "min", "max", "sum", "count"])
def test_merging_on_one_grid_is_rasterios(con, tmp_path, method):
    paths = []
    for place in range(4):
        data = noise("float32", (1, 60, 70), place)
        data[0, 10:30, 5 * place:40] = -9
        paths.append(write_raster(tmp_path / f"{place}.tif", data, nodata=-9, transform=from_origin(500000 + 250 * place, 4600000 - 170 * place, 10, 10)))
    bounds = (500000, 4598700, 501500, 4600000)
    expected, transform = merge(paths, bounds=bounds, res=10, method=method, nodata=-9, dtype="float32")
    got, nulls, ours = read(con, paths, slice_sql(bounds, 10, "EPSG:32629"), f"merge: '{method}'")
    assert ours.almost_equals(transform) and got.shape == expected.shape
    if method != "count":
        np.testing.assert_array_equal(nulls, expected == -9)
        np.testing.assert_allclose(got[~nulls], expected[~nulls], rtol=1e-6)
    else:
        assert not nulls.any()
        np.testing.assert_array_equal(got, np.where(expected == -9, 0, expected))


def globe(tmp_path, left, name):
    """2 degrees, from `left` on: a field that runs on over the antimeridian."""
    lon, lat = left + 1 + 2 * np.arange(180), 89 - 2 * np.arange(90)
    field = (10 + 5 * np.cos(np.radians(lon))[None, :] * np.cos(np.radians(lat))[:, None] + np.radians(lat)[:, None]).astype("float32")
    return write_raster(tmp_path / name, field, crs="EPSG:4326", transform=from_origin(left, 90, 2, 2), tiled=True, blockxsize=64, blockysize=64), lambda x, y: 10 + 5 * np.cos(np.radians(x)) * np.cos(np.radians(y)) + np.radians(y)


@pytest.mark.parametrize("left", [-180, 0])
def test_longitudes_run_on_over_the_antimeridian_and_over_the_prime_meridian(con, tmp_path, left):
    path, truth = globe(tmp_path, left, "globe.tif")
    # On the file's own pixels: a copy from both ends.
    for start in (170, -10, 350, 530):
        got, nulls, transform = read(con, path, slice_sql((start, -20, start + 20, 20), 2, "EPSG:4326"))
        lon, lat = start + 1 + 2 * np.arange(10), 19 - 2 * np.arange(20)
        assert not nulls.any()
        np.testing.assert_allclose(got[0], truth(lon[None], lat[:, None]), rtol=1e-5)
    # Beside them, and in projections that cross: no hole, no seam.
    for crs, box, res in [("EPSG:4326", (171, -21, 189, 19), 1), ("EPSG:4326", (-9, -21, 9, 19), 1), ("EPSG:32601", (100000, 1000000, 900000, 4000000), 50000),
                          ("EPSG:3832", (2_000_000, -2_000_000, 5_000_000, 2_000_000), 100_000), ("EPSG:32631", (-800000, 1000000, 900000, 4000000), 50000)]:
        for method in ["nearest", "bilinear", "cubic"]:
            got, nulls, transform = read(con, path, slice_sql(box, res, crs), f"resampling: '{method}', tolerance: 0")
            assert not nulls.any(), (crs, method)
            rows, cols = np.mgrid[0:got.shape[1], 0:got.shape[2]]
            x, y = transform * (cols + 0.5, rows + 0.5)
            lon, lat = rasterio.warp.transform(crs, "EPSG:4326", x.ravel(), y.ravel())
            near = {"nearest": 0.2, "bilinear": 0.01, "cubic": 0.004}[method]
            assert np.abs(got[0].ravel() - truth(np.array(lon), np.array(lat))).max() < near, (crs, method)


EDGE = 20037508.342789244


@pytest.mark.parametrize("left", [-180, 0, -1.25])
def test_a_globe_has_no_seam_whatever_the_slices_width(con, raster, left):
    """Against rasterio on the globe with further turns of it on both sides."""
    data = np.random.default_rng(1).random((1, 72, 144), "float32") * 10
    path = raster("globe.tif", data, crs="EPSG:4326", transform=from_origin(left, 90, 2.5, 2.5), nodata=-9)
    source, transform = np.tile(data[0], 9), from_origin(left - 4 * 360, 90, 2.5, 2.5)
    wide = [("EPSG:4326", (-180, -20, 180, 20), 1), ("EPSG:4326", (0, -20, 360, 20), 1), ("EPSG:4326", (0.7, -20, 360.7, 20), 1.5), ("EPSG:4326", (100.3, -20, 700.3, 20), 4),
            ("EPSG:4326", (-180.3, -21, 183.7, 21), 7), ("EPSG:4258", (-180, -20, 180, 20), 1), ("EPSG:3857", (-EDGE, -3e6, EDGE, 3e6), (EDGE / 100, 60000)), ("EPSG:3857", (-EDGE, -3e6, EDGE, 3e6), (EDGE / 29, 600000))]  # 30 would put pixels on the very edge of a kernel
    for method in METHODS:
        for crs, box, res in wide:
            # Elsewhere GDAL adds up pixels that are there twice, and its lanczos divides nothing by nothing where places are centres.
            if crs != "EPSG:4326" and method in ("sum", "lanczos"):
                continue
            got, nulls, grid = read(con, path, slice_sql(box, res, crs), f"resampling: '{method}', tolerance: 0")
            expected = np.full(got.shape[1:], -9, "float32")
            # How many columns lie under one of the slice, which GDAL would count from further turns as well.
            scale = {} if crs == "EPSG:4326" else {"XSCALE": str(min(1, got.shape[2] / 144))}
            reproject(source, expected, src_transform=transform, src_crs="EPSG:4326", dst_transform=grid, dst_crs=crs, resampling=Resampling[method], src_nodata=-9, dst_nodata=-9,
                      tolerance=0, **scale)
            np.testing.assert_array_equal(nulls[0], expected == -9)
            # GDAL 3.10 in rasterio and 3.12 here do not round the last bit alike, which tells between equal shares.
            assert (np.abs(got[0] - expected) > 1e-3).sum() <= max(1, 0.002 * expected.size), (method, crs, box, res)


@pytest.mark.parametrize("method", METHODS)
def test_a_globe_has_no_seam_around_its_pole(con, raster, method):
    """A globe turned by half is the same picture upside down."""
    data = np.random.default_rng(2).random((1, 72, 144), "float32") * 10
    for left in (-180, -1.25):
        for half, res in [(3e6, 100_000), (3e6, 600_000), (1e6, 40_000)]:
            pictures = []
            for shift in (0, 72):
                path = raster(f"{shift}.tif", np.roll(data, shift, -1), crs="EPSG:4326", transform=from_origin(left, 90, 2.5, 2.5))
                got, nulls, _ = read(con, path, slice_sql((-half, -half, half, half), res, "EPSG:3413"), f"resampling: '{method}', tolerance: 0")
                pictures.append(np.where(nulls, -9, got)[0])
            differ = np.abs(pictures[0] - pictures[1][::-1, ::-1]) > 1e-3
            assert differ.sum() <= (0 if method in METHODS[:5] else 8), (left, res)


@pytest.mark.parametrize("left", [-180, 0])
@pytest.mark.parametrize("method", ["nearest", "bilinear", "average"])
def test_over_the_pole_is_gdals(con, tmp_path, left, method):
    path, truth = globe(tmp_path, left, "globe.tif")
    for crs in ["EPSG:3413", "EPSG:3031"]:
        got, nulls, transform = read(con, path, slice_sql((-3_000_000, -3_000_000, 3_000_000, 3_000_000), 100_000, crs), f"resampling: '{method}'")
        with rasterio.open(path) as file:
            # What weighs pixels around a place needs them on both sides of it; what takes an area finds its way.
            turns = 0 if method == "average" else 1
            expected = np.zeros(got.shape[1:], "float32")
            reproject(np.tile(file.read(1), 2 * turns + 1), expected, src_crs=file.crs, src_transform=from_origin(left - 360 * turns, 90, 2, 2), dst_crs=crs, dst_transform=transform,
                      resampling=Resampling[method], XSCALE=str(60 / 180))
        inside = ~nulls[0]
        assert inside.mean() > 0.95
        # GDAL 3.10 in rasterio and 3.12 here treat the pixel at the pole itself apart, and the turn ends elsewhere.
        assert (np.abs(got[0][inside] - expected[inside]) > 1e-4).mean() < 0.02


def test_tiles_on_both_sides_of_the_antimeridian_are_one(con, tmp_path):
    lon = lambda left: left + 0.05 + 0.1 * np.arange(20)
    lat = 10.95 - 0.1 * np.arange(20)
    plane = lambda lon: (np.where(lon < 0, lon + 360, lon)[None, :] + lat[:, None]).astype("float32")
    west = write_raster(tmp_path / "w.tif", plane(lon(178)), crs="EPSG:4326", transform=from_origin(178, 11, 0.1, 0.1))
    east = write_raster(tmp_path / "e.tif", plane(lon(-180)), crs="EPSG:4326", transform=from_origin(-180, 11, 0.1, 0.1))
    got, nulls, _ = read(con, [west, east], slice_sql((178, 9, 182, 11), 0.1, "EPSG:4326"))
    assert got.shape == (1, 20, 40) and not nulls.any()
    np.testing.assert_allclose(got[0], (178.05 + 0.1 * np.arange(40))[None] + lat[:, None], rtol=1e-6)
    got, nulls, transform = read(con, [west, east], slice_sql((700000, 1050000, 950000, 1150000), 5000, "EPSG:32660"), "resampling: 'bilinear', tolerance: 0")
    rows, cols = np.mgrid[0:got.shape[1], 0:got.shape[2]]
    x, y = transform * (cols + 0.5, rows + 0.5)
    lons, lats = (np.array(v) for v in rasterio.warp.transform("EPSG:32660", "EPSG:4326", x.ravel(), y.ravel()))
    lons = np.where(lons < 0, lons + 360, lons)
    assert not nulls.any() and lons.min() < 179.5 and lons.max() > 180.5
    assert np.abs(got[0].ravel() - (lons + lats)).max() < 0.06


def test_odc_geo_gives_the_same(con, raster):
    data = noise("float32", (1, 150, 160))
    path = raster("a.tif", data)
    source = GeoBox((150, 160), UTM29, "EPSG:32629")
    box = box_in("EPSG:32630", (500100, 4598700, 501400, 4599900))
    # Finer than the file: where coarser, odc-geo keeps GDAL's kernels narrow, and gdalwarp widens them.
    target = GeoBox.from_bbox(box, "EPSG:32630", resolution=6)
    got, nulls, transform = read(con, path, slice_sql(box, 6, "EPSG:32630", ", NULL, NULL, {aligned: true}"), "resampling: 'cubic', fill: 'nan'")
    assert tuple(target.shape) == got.shape[1:] and transform.almost_equals(target.affine, 1e-6)
    expected = np.full(target.shape, np.nan, "float32")
    rio_reproject(data[0], expected, source, target, "cubic", src_nodata=np.nan, dst_nodata=np.nan)
    np.testing.assert_allclose(got[0], expected, rtol=1e-5, equal_nan=True)


def test_slices_round_as_rasterio_and_odc_do(con, raster):
    rng = np.random.default_rng(5)
    path = raster("a.tif", np.zeros((400, 400), "uint8"))
    for _ in range(40):
        xmin, ymin = 500000 + rng.uniform(0, 500), 4597000 + rng.uniform(0, 500)
        box = (xmin, ymin, xmin + rng.uniform(200, 900), ymin + rng.uniform(200, 900))
        res = float(rng.choice([10, 7.5, 30, 12.3]))
        s = con.execute(f"SELECT {slice_sql(box, res, 'EPSG:32629')}").fetchone()[0]
        image, transform = merge([path], bounds=box, res=res)
        assert (s["height"], s["width"]) == image.shape[1:]
        assert (s["bbox"]["xmin"], s["bbox"]["ymax"]) == (transform.c, transform.f) == (box[0], box[3])
        s = con.execute(f"SELECT {slice_sql(box, res, 'EPSG:32629', ', NULL, NULL, {aligned: true}')}").fetchone()[0]
        expected = GeoBox.from_bbox(box, "EPSG:32629", resolution=res)
        assert (s["height"], s["width"]) == tuple(expected.shape)
        np.testing.assert_allclose(list(s["bbox"].values()), list(expected.boundingbox.bbox), rtol=1e-12)


def test_an_area_in_another_crs(con):
    s = con.execute(f"SELECT {slice_sql((-9.2, 40, -8.9, 40.3), 100, 'EPSG:32629', ', NULL, NULL, {shape_crs: $$EPSG:4326$$}')}").fetchone()[0]
    expected = transform_bounds("EPSG:4326", "EPSG:32629", -9.2, 40, -8.9, 40.3, densify_pts=21)
    np.testing.assert_allclose([s["bbox"]["xmin"], s["bbox"]["ymax"]], [expected[0], expected[3]], atol=0.01)
    geometry = con.execute("SELECT geo_slice('POLYGON ((-9.2 40, -8.9 40, -8.9 40.3, -9.2 40))'::GEOMETRY, 100, 'EPSG:32629', NULL, NULL, {shape_crs: 'EPSG:4326'}).bbox.ymax").fetchone()[0]
    assert abs(geometry - expected[3]) < 100
    wrapped = con.execute(f"SELECT {slice_sql((175, 0, -175, 5), 1, 'EPSG:4326')}").fetchone()[0]
    assert wrapped["width"] == 10 and wrapped["bbox"]["xmax"] == 185


def test_options_may_follow_the_crs_or_one_time(con):
    box, options = "{xmin: 8, ymin: 47, xmax: 8.2, ymax: 47.2}", "{shape_crs: 'OGC:CRS84', aligned: true}"
    slices = [con.execute(f"SELECT geo_slice({box}, 100, 'EPSG:32632', {times}{options})").fetchone()[0] for times in ("", "NULL, ", "NULL, NULL, ", "'2023', ", "'2023', '2023', ")]
    assert slices[0] == slices[1] == slices[2] and slices[0]["t_min"] is None and slices[0]["bbox"]["xmin"] % 100 == 0
    assert slices[3] == slices[4] and slices[3]["t_max"] == datetime.datetime(2023, 12, 31, 23, 59, 59, 999999)


def test_shape_crs_may_say_what_the_type_says(con):
    for own, asked in [("OGC:CRS84", "OGC:CRS84"), ("OGC:CRS84", "EPSG:4326")]:
        shape = f"'POLYGON ((8 47, 9 47, 8 48, 8 47))'::GEOMETRY('{own}')"
        plain = con.execute(f"SELECT geo_slice({shape.split('::')[0]}, [1, 1], 'EPSG:32632', {{shape_crs: '{asked}'}})").fetchone()
        assert con.execute(f"SELECT geo_slice({shape}, [1, 1], 'EPSG:32632', {{shape_crs: '{asked}'}})").fetchone() == plain


@pytest.mark.parametrize("crs,res", [("EPSG:4326", 0.5), ("EPSG:32632", 10)])
def test_a_point_with_a_resolution_is_the_pixel_around_it(con, crs, res):
    x, y = (10.3, 50.2) if crs == "EPSG:4326" else (8.5, 47.25)
    to = pyproj.Transformer.from_crs(4326, crs, always_xy=True).transform(x, y)
    shapes = [f"'POINT ({x} {y})'", f"'POINT ({x} {y})'::GEOMETRY", f"{{xmin: {x}, ymin: {y}, xmax: {x}, ymax: {y}}}"]
    for shape in shapes:
        s = con.execute(f"SELECT geo_slice({shape}, {res}, '{crs}', {{shape_crs: 'OGC:CRS84'}})").fetchone()[0]
        assert (s["width"], s["height"]) == (1, 1)
        np.testing.assert_allclose(list(s["bbox"].values()), [to[0] - res / 2, to[1] - res / 2, to[0] + res / 2, to[1] + res / 2], rtol=1e-12)
        s = con.execute(f"SELECT geo_slice({shape}, {res}, '{crs}', {{shape_crs: 'OGC:CRS84', aligned: true}})").fetchone()[0]
        low = [np.floor(v / res) * res for v in to]
        np.testing.assert_allclose(list(s["bbox"].values()), low + [v + res for v in low], rtol=1e-12)
    # A side of no length is one pixel, the other as long as it is.
    s = con.execute("SELECT geo_slice('LINESTRING (10 50, 10 52)', 0.5, 'EPSG:4326')").fetchone()[0]
    assert (s["width"], s["height"], s["bbox"]["xmin"], s["bbox"]["ymin"]) == (1, 4, 9.75, 50)


def test_text_of_a_shape_comes_from_a_column_too(con):
    polygon = "POLYGON ((8 47, 9 47, 9 48, 8 48, 8 47))"
    wanted = con.execute(f"SELECT geo_slice('{polygon}'::GEOMETRY, 0.5, 'EPSG:4326')").fetchone()
    assert con.execute("SELECT geo_slice(w, 0.5, 'EPSG:4326') FROM (VALUES (?), (NULL)) t(w)", [polygon]).fetchall() == [wanted, (None,)]


def test_days_months_and_years_are_meant_whole(con):
    day = datetime.timedelta(days=1, microseconds=-1)
    june, end = datetime.datetime(2023, 6, 1), datetime.datetime(2023, 6, 30) + day
    box = "{xmin: 0, ymin: 0, xmax: 1, ymax: 1}, 1, 'EPSG:4326'"
    for times, wanted in [("'2023-06-01', '2023-06-30'", (june, end)), ("DATE '2023-06-01', DATE '2023-06-30'", (june, end)), ("'2023-06'", (june, end)), ("'2023-06', '2023'", (june, datetime.datetime(2023, 12, 31) + day)),
                          ("DATE '2023-06-01'", (june, june + day)), ("TIMESTAMP '2023-06-01', TIMESTAMP '2023-06-30'", (june, datetime.datetime(2023, 6, 30))), ("TIMESTAMP '2023-06-01'", (june, june)),
                          ("NULL, '2023-06'", (None, end)), ("'2023-06-01', NULL", (june, None)), ("NULL", (None, None))]:
        s = con.execute(f"SELECT geo_slice({box}, {times})").fetchone()[0]
        assert (s["t_min"], s["t_max"]) == wanted, times
    # As parameters and from columns.
    assert con.execute(f"SELECT geo_slice({box}, ?, ?).t_max", [june.date(), "2023-06-30"]).fetchone()[0] == end
    assert con.execute(f"SELECT geo_slice({box}, d, d).t_max FROM (SELECT unnest([DATE '2023-06-30', NULL]) AS d)").fetchall() == [(end,), (None,)]


@pytest.mark.parametrize("transform", [UTM29, from_origin(-9.3, 41.7, 0.1, 0.1 / 3), Affine(10, 0, 500000, 0, 10, 4590000)])
def test_the_grid_of_a_file_or_of_a_read_is_a_slice(con, raster, transform):
    data = noise("float32", (2, 30, 41))
    path = raster("a.tif", data, transform=transform, crs="EPSG:4326" if transform.a < 1 else "EPSG:32629")
    con.execute(f"CREATE OR REPLACE TABLE row AS FROM geo_catalog_build('{path}')")
    if transform.e > 0:
        # A slice's rows run south: beside the file's own pixels a label would lie flipped.
        with pytest.raises(Exception, match="rows run north"):
            con.execute("SELECT geo_slice([height, width], transform, crs) FROM row").fetchall()
        transform = Affine(10, 0, 500000, 0, -10, 4590000 + 300)
        con.execute("UPDATE row SET transform = [500000, 10, 0, 4590300, 0, -10]")
        data = data[:, ::-1]
    got, shape = con.execute("SELECT r.data, r.shape FROM (SELECT read_slice(path, geo_slice([height, width], transform, crs)) AS r FROM row)").fetchone()
    np.testing.assert_array_equal(np.reshape(got, shape), data)
    if transform.f == 4590300:
        return
    for patch, place in con.execute(f"SELECT data, geo_slice(shape, transform, crs) FROM read_patch('{path}', size := [7, 9])").fetchall():
        place = str(place).replace("None", "NULL")
        again = np.reshape(con.execute(f"SELECT read_slice('{path}', {place}).data").fetchone()[0], (2, 7, 9))
        np.testing.assert_array_equal(again, np.reshape(patch, (2, 7, 9)))


def test_subqueries_may_stand_in_arguments(con, raster):
    paths = [raster(f"{i}.tif", np.full((20, 20), i, "float32")) for i in (1, 2)]
    con.execute("CREATE TABLE files AS SELECT unnest(?) AS path", [paths])
    con.execute(f"CREATE TABLE places AS SELECT {slice_sql((500000, 4599900, 500100, 4600000), 10, 'EPSG:32629')} AS s, geo_box({OK}) AS g")
    sql = "SELECT read_slice((SELECT list(path) FROM files), (SELECT s FROM places), {merge: 'sum'}).data[1]"
    assert con.execute(sql).fetchone()[0] == 3
    # DuckDB would hand out such an argument's type by copying the subquery, which it cannot. The last may be options.
    for times in ("(SELECT DATE '2023-06-01')", "NULL, (SELECT DATE '2023-06-01')"):
        with pytest.raises(duckdb.BinderException, match="holds a subquery, whose type DuckDB does not show"):
            con.execute(f"SELECT geo_slice({OK}, 10, 'EPSG:32629', {times})")
    assert con.execute(f"SELECT geo_slice({OK}, 10, 'EPSG:32629', (SELECT DATE '2023-06-01'), NULL)").fetchone()[0]["t_max"] is None
    with pytest.raises(duckdb.BinderException, match="geo_slice: argument 1 holds a subquery, whose type DuckDB does not show"):
        con.execute("SELECT geo_slice((SELECT g FROM places), 10, 'EPSG:32629')")


def test_a_quality_band_takes_pixels_away_before_files_merge(con, tmp_path):
    shape = (80, 90)
    paths, scenes, clouds = [], [], []
    for place in range(3):
        rng = np.random.default_rng(place)
        scene = rng.integers(100, 4000, (2, *shape)).astype("uint16")
        qa = np.zeros(shape, "uint16")
        blob = gaussian_filter(rng.normal(size=shape), 6)
        qa[blob > 0.02] = 1 << 10
        qa[blob < -0.05] |= 1 << 11
        qa[rng.random(shape) < 0.3] |= 1 << 3  # another bit, which means nothing here
        path = write_raster(tmp_path / f"T29SND_2023060{place + 1}.tif", np.concatenate([scene, qa[None]]), descriptions=["B02", "B03", "QA60"])
        paths.append(path), scenes.append(scene), clouds.append((qa & (1 << 10 | 1 << 11)) > 0)
    options = "bands: ['B02', 'B03'], mask_band: 'QA60', mask_bits: [10, 11], merge: 'last'"
    got, nulls, _ = read(con, paths, slice_sql((500000, 4599200, 500900, 4600000), 10, "EPSG:32629"), options)
    expected, there = np.zeros((2, *shape)), np.zeros(shape, bool)
    for scene, cloud in zip(scenes, clouds):
        expected[:, ~cloud] = scene[:, ~cloud]
        there |= ~cloud
    assert 0 < (~there).sum() and np.logical_or.reduce(clouds).mean() > 0.3
    np.testing.assert_array_equal(nulls, np.broadcast_to(~there, nulls.shape))
    np.testing.assert_array_equal(got[:, there], expected[:, there])
    # Warped, the band is brought along by nearest; classes are named by value.
    text = slice_sql(box_in("EPSG:32630", (500100, 4599290, 500800, 4599900)), 11, "EPSG:32630")
    got, nulls, transform = read(con, paths[0], text, "bands: ['B02'], mask_band: 3, mask_bits: [10], resampling: 'bilinear'")
    qa, _ = warped(paths[0], 3, got.shape[1:], transform, "EPSG:32630")
    np.testing.assert_array_equal(nulls[0], (qa & 1 << 10) > 0)
    _, nulls, _ = read(con, paths[0], text, "bands: [1], mask_band: 3, mask_values: [1024, 8]")
    np.testing.assert_array_equal(nulls[0], np.isin(qa, [1024, 8]))


def test_bits_of_64_are_exact(con, raster):
    qa = np.array([[1 << 63 | 1, 1 << 63, (1 << 53) + 1, 0]], "uint64")
    path = raster("a.tif", np.stack([np.ones_like(qa), qa]), nodata=None)
    for bit in [0, 1, 53, 63]:
        _, nulls, _ = read(con, path, slice_sql((500000, 4599990, 500040, 4600000), 10, "EPSG:32629"), f"bands: [1], mask_band: 2, mask_bits: [{bit}]")
        assert nulls[0, 0].tolist() == [bool(v >> bit & 1) for v in qa[0].tolist()], bit
    signed = raster("b.tif", np.stack([np.ones_like(qa), qa]).view("int64"), nodata=None)
    _, nulls, _ = read(con, signed, slice_sql((500000, 4599990, 500040, 4600000), 10, "EPSG:32629"), f"bands: [1], mask_band: 2, mask_values: [{(1 << 53) + 1}]")
    assert nulls[0, 0].tolist() == [False, False, True, False]


def test_threads_change_nothing(tmp_path):
    paths = tiles(tmp_path)
    rows = ", ".join(f"({i}, {slice_sql((250000 + 37 * i, 4428000, 251000 + 37 * i, 4429000), 20, 'EPSG:32630')})" for i in range(60))
    query = f"SELECT i, read_slice({sql_list(paths)}, s, {{resampling: 'cubic', merge: 'mean', boundless: true}}) AS r FROM (VALUES {rows}) t(i, s) ORDER BY i"
    answers = []
    for threads in (1, 2, 8):
        con = connect(threads=threads)
        con.execute(f"SET geoquilt_threads = {threads}")
        answers.append(con.execute(query).fetchall())
        con.close()
    assert answers[0] == answers[1] == answers[2] and len(answers[0]) == 60
    # Many rows, so that DuckDB itself calls from several threads.
    con = connect(threads=4)
    one = slice_sql((253000, 4428000, 253060, 4428060), 20, "EPSG:32630")
    con.execute("CREATE TABLE many AS SELECT i FROM range(500000) t(i)")
    total = con.execute(f"SELECT count(*), count(DISTINCT d) FROM (SELECT read_slice('{paths[1]}', {one}, {{resampling: 'bilinear'}}).data AS d FROM many WHERE i % 500 + random() * 0 = 0)").fetchone()
    assert total == (1000, 1)
    con.close()


def daily(tmp_path, count=60, start="2020-01-20"):
    """One file a day: a level and a trend, with holes."""
    rng = np.random.default_rng(11)
    times, paths, cube = pd.date_range(start, periods=count, freq="D"), [], []
    for day, time in enumerate(times):
        data = (noise("float32", (1, 20, 24), day) + day).astype("float32")
        data[rng.random(data.shape) < 0.3] = -9
        paths.append(write_raster(tmp_path / f"d_{time:%Y%m%d}.tif", data, nodata=-9))
        cube.append(np.where(data == -9, np.nan, data))
    return times, paths, np.stack(cube)


def series(con, paths, times, slice_text, options=""):
    stamps = ", ".join(f"TIMESTAMP '{t}'" for t in times)
    options = f", {{{options}}}" if options else ""
    table = con.execute(f"SELECT read_series({sql_list(paths)}, [{stamps}], {slice_text}{options}) AS r").to_arrow_table()
    struct = table.column("r").combine_chunks()
    data, nulls, _ = unpack(struct)
    return np.where(nulls, np.nan, data), pd.DatetimeIndex(struct.field("times").flatten().to_pylist())


WHOLE = slice_sql((500000, 4599800, 500240, 4600000), 10, "EPSG:32629")


@pytest.mark.parametrize("reduce", ["mean", "median", "first", "last", "min", "max", "sum", "count"])
@pytest.mark.parametrize("step, freq", [("'month'", "MS"), ("INTERVAL 7 DAYS", "7D"), ("'10 days'", "10D")])
def test_steps_are_xarrays(con, tmp_path, reduce, step, freq):
    times, paths, cube = daily(tmp_path)
    shuffled = np.random.default_rng(0).permutation(len(paths))
    got, axis = series(con, [paths[i] for i in shuffled], times[shuffled], WHOLE, f"step: {step}, reduce: '{reduce}'")
    bins = xr.DataArray(cube, dims=("time", "band", "y", "x"), coords={"time": times}).resample(time=freq)
    expected = getattr(bins, reduce)() if reduce != "sum" else bins.sum(min_count=1)
    assert list(axis) == list(expected.time.values)
    np.testing.assert_allclose(got, expected.values, rtol=1e-6)


def test_nearest_is_xarrays_reindex_with_a_tolerance(con, tmp_path):
    times, paths, cube = daily(tmp_path, 20)
    keep = [0, 1, 4, 9, 10, 19]
    some = times[keep] + pd.to_timedelta([0, 5, 3, 0, 0, 0], "h")
    got, axis = series(con, [paths[i] for i in keep], some, WHOLE, "step: 'day', reduce: 'nearest', time_tolerance: INTERVAL 1 DAY")
    whole = xr.DataArray(cube[keep], dims=("time", "band", "y", "x"), coords={"time": some})
    expected = whole.reindex(time=times, method="nearest", tolerance="1D")
    assert list(axis) == list(times)
    np.testing.assert_array_equal(got, expected.values)
    assert np.isnan(got[15]).all()


@pytest.mark.parametrize("labels", [[1, 1, 1, 1], [16, 15, 16, 30], [31, 28, 31, 30], [1, 28, 31, 1]])
@pytest.mark.parametrize("missing", [None, 1, 2])
def test_a_month_without_a_file_is_null_and_not_its_neighbour(con, tmp_path, labels, missing):
    """January to April, each with one file somewhere in the month, as xarray's bins have it."""
    _, paths, cube = daily(tmp_path, 4)
    times = pd.DatetimeIndex([pd.Timestamp(2021, month, day, 12) for month, day in zip((1, 2, 3, 4), labels)])
    keep = [i for i in range(4) if i != missing]
    got, axis = series(con, [paths[i] for i in keep], times[keep], WHOLE, "step: 'month'")
    bins = xr.DataArray(cube[keep], dims=("time", "band", "y", "x"), coords={"time": times[keep]}).resample(time="MS")
    expected = bins.first(skipna=False)
    assert list(axis) == list(expected.time.values) and len(axis) == 4
    np.testing.assert_array_equal(got, expected.values)
    assert missing is None or np.isnan(got[missing]).all()


def test_every_time_is_a_step_and_the_slices_interval_is_closed(con, tmp_path):
    times, paths, cube = daily(tmp_path, 12)
    got, axis = series(con, paths, times, WHOLE)
    np.testing.assert_array_equal(got, cube)
    assert list(axis) == list(times)
    part = WHOLE[:-1] + f", TIMESTAMP '{times[3]}', TIMESTAMP '{times[7]}')"
    got, axis = series(con, paths, times, part)
    np.testing.assert_array_equal(got, cube[3:8])
    # Two files of one time are one image.
    got, axis = series(con, [paths[0], paths[1], paths[2]], [times[0], times[0], times[1]], WHOLE)
    np.testing.assert_array_equal(got[0], np.where(np.isnan(cube[0]), cube[1], cube[0]))
    assert len(axis) == 2


def test_one_pixel_over_years(con, tmp_path):
    times, paths, cube = daily(tmp_path, 50)
    got, _ = series(con, paths, times, slice_sql((500100, 4599890, 500110, 4599900), 10, "EPSG:32629"))
    assert got.shape == (50, 1, 1, 1)
    np.testing.assert_array_equal(got[:, 0, 0, 0], cube[:, 0, 10, 10])


def test_null_in_null_out(con, raster):
    path = raster("a.tif", noise("float32", (1, 20, 20)))
    s = slice_sql((500000, 4599900, 500100, 4600000), 10, "EPSG:32629")
    for sql in [f"read_slice(NULL::VARCHAR, {s})", f"read_slice('{path}', NULL)", f"read_slice(NULL::VARCHAR[], {s})", f"read_series(NULL, [TIMESTAMP '2020-01-01'], {s})",
                f"read_series(['{path}'], NULL, {s})", "geo_slice(NULL, 10, 'EPSG:32629')", "geo_slice({xmin: NULL, ymin: 0, xmax: 1, ymax: 1}, 1, 'EPSG:32629')"]:
        assert con.execute(f"SELECT {sql}").fetchone()[0] is None, sql
    mixed = con.execute(f"SELECT read_slice(p, {s}).shape FROM (VALUES ('{path}'), (NULL), ('{path}')) t(p)").fetchall()
    assert [row[0] for row in mixed] == [[1, 10, 10], None, [1, 10, 10]]


def test_lists_that_duckdb_folds_are_read_as_they_stand(con, raster):
    """What is in a constant list may be one value that stands for all."""
    path = raster("a.tif", noise("float32", (1, 20, 20)))
    s = slice_sql((500000, 4599900, 500100, 4600000), 10, "EPSG:32629")
    window = "{row_off: 0, col_off: 0, height: 2, width: 2}"
    fields = "STRUCT(row_off BIGINT, col_off BIGINT, height INTEGER, width INTEGER)"
    nulls = "[" + ", ".join(["NULL"] * 5000) + "]"
    for sql, want in {
        f"read_slice(list_transform(range(3), lambda i: '{path}'), {s}).shape": [1, 10, 10],
        f"read_series(list_transform(range(3), lambda i: '{path}'), list_transform(range(3), lambda i: TIMESTAMP '2020-01-01'), {s}).shape": [1, 1, 10, 10],
        f"geo_slice({{xmin: 0, ymin: 0, xmax: 10, ymax: 10}}, {nulls}::DOUBLE[], 'EPSG:4326')": None,
        "geo_slice({xmin: 0, ymin: 0, xmax: 10, ymax: 10}, [5, 9, 2][1:3:2], 'EPSG:4326').height": 5,
        f"geo_windows_overlap({nulls}::{fields}[])": False,
        f"geo_windows_overlap(list_transform(range(5000), lambda i: {window}))": True,
        f"geo_difference('POLYGON ((0 0, 1 0, 1 1, 0 0))'::GEOMETRY, {nulls}::GEOMETRY[]) IS NULL": False,
    }.items():
        assert con.execute(f"SELECT {sql}").fetchone()[0] == want, sql
    for sql in [f"read_slice({nulls}::VARCHAR[], {s})", f"read_series(['{path}', '{path}'], [NULL, NULL]::TIMESTAMP[], {s})"]:
        with pytest.raises(duckdb.Error, match="filter with IS NOT NULL"):
            con.execute(f"SELECT {sql}").fetchall()


OK = "{xmin: 500000, ymin: 4599900, xmax: 500100, ymax: 4600000}"
BAD = {
    "geo_slice({xmin: 0, ymin: 0, xmax: 10, ymax: 10}, 0, 'EPSG:32629')": ["geo_slice", "looks like degrees"],
    f"geo_slice({OK}, 0, 'EPSG:32629')": ["geo_slice(resolution)", "0 is not valid: must be a resolution above 0"],
    f"geo_slice({OK}, -10, 'EPSG:32629')": ["geo_slice(resolution)", "-10 is not valid"],
    f"geo_slice({OK}, 150, 'EPSG:32629')": ["geo_slice(resolution)", "150 x 150 is wider than the box", "[100, 100]"],
    f"geo_slice({OK}, [10, 'nan'::DOUBLE], 'EPSG:32629')": ["geo_slice(resolution)", "NaN is not valid"],
    f"geo_slice({OK}, 10, 'EPSG:0')": ["geo_slice(crs)", '"EPSG:0" is not a coordinate reference system that PROJ knows: PROJ: proj_create_from_database: crs not found'],
    f"geo_slice({OK}, 10, 'here')": ["geo_slice(crs)", "or its WKT or PROJJSON"],
    "geo_slice({xmin: -9, ymin: 40, xmax: -8, ymax: 41}, 10, 'EPSG:32629')": ["geo_slice(shape)", "looks like degrees, and EPSG:32629 counts in metre", "shape_crs"],
    f"geo_slice({OK}, 10, 'EPSG:4326')": ["geo_slice(shape)", "is not in degrees, the unit of OGC:CRS84"],
    "geo_slice({xmin: 5, ymin: 0, xmax: 4, ymax: 1}, 1, 'EPSG:3857')": ["geo_slice(shape)", "xmin <= xmax"],
    f"geo_slice({OK}, 10, 'EPSG:32629', TIMESTAMP '2021-01-01', TIMESTAMP '2020-01-01')": ["geo_slice(t_max)", "t_min <= t_max"],
    f"geo_slice({OK}, 10, 'EPSG:32629', 'yesterday')": ["geo_slice(t_min)", '"yesterday" is not valid', "2023-06-30"],
    "geo_slice('POINT 10 50', 1, 'EPSG:4326')": ["geo_slice(shape)", '"POINT 10 50" is not valid: must be WKT such as'],
    "geo_slice('POINT (10 50)'::GEOMETRY('OGC:CRS84'), 1, 'EPSG:4326', {shape_crs: 'EPSG:3857'})": ["geo_slice(shape_crs)", "the geometry is in OGC:CRS84, and shape_crs says EPSG:3857", "Leave shape_crs out"],
    f"geo_slice({OK}, 10, 'EPSG:32629', {{align: true}})": ["geo_slice(options)", '"align" is not an option', "aligned"],
    "geo_slice([30, 41], 10, 'EPSG:32629')": ["geo_slice(resolution)", "[10.0] is not valid: must be GDAL's six numbers"],
    "geo_slice([41], [0, 10, 0, 0, 0, -10], 'EPSG:32629')": ["geo_slice(shape)", "[41] is not valid: must be [rows, columns]"],
    "geo_slice([0, 41], [0, 10, 0, 0, 0, -10], 'EPSG:32629')": ["geo_slice(shape)", "[0, 41] is not valid", "at least 1 x 1"],
    "geo_slice([30, 41], [0, 10, 1, 0, 0, -10], 'EPSG:32629')": ["geo_slice(resolution)", "without rotation"],
    "geo_slice([30, 41], [0, 10, 0, 0, 0, -10], 'EPSG:32629', NULL, NULL, {aligned: true})": ["geo_slice(options)", "a grid already"],
    f"geo_slice({OK}, 10, 'EPSG:32629', NULL, NULL, {{align: true}})": ["geo_slice(options)", '"align" is not an option', "aligned"],
}


if duckdb.__version__ >= "2":
    # It does not show a scalar function the CRS of an argument's type.
    del BAD["geo_slice('POINT (10 50)'::GEOMETRY('OGC:CRS84'), 1, 'EPSG:4326', {shape_crs: 'EPSG:3857'})"]


@pytest.mark.parametrize("sql", BAD)
def test_bad_slices_are_refused_by_name(con, sql):
    with pytest.raises(Exception) as error:
        con.execute(f"SELECT {sql}").fetchall()
    for part in BAD[sql]:
        assert part in str(error.value)


def test_bad_reads_are_refused_by_name(con, raster, tmp_path):
    path = raster("a.tif", np.stack([noise("float32", (30, 30))] * 2), descriptions=["red", "nir"])
    three = raster("three.tif", np.zeros((3, 30, 30), "uint8"))
    bare = str(tmp_path / "bare.tif")
    with rasterio.open(bare, "w", driver="GTiff", count=1, height=9, width=9, dtype="uint8", transform=UTM29) as file:
        file.write(np.zeros((1, 9, 9), "uint8"))
    nowhere = str(tmp_path / "nowhere.tif")
    with pytest.warns(), rasterio.open(nowhere, "w", driver="GTiff", count=1, height=9, width=9, dtype="uint8", crs="EPSG:32629") as file:
        file.write(np.zeros((1, 9, 9), "uint8"))
    moon = raster("moon.tif", np.zeros((9, 9), "uint8"), crs="IAU_2015:30100", transform=from_origin(0, 0, 1, 1))
    s = f"geo_slice({OK}, 10, 'EPSG:32629')"
    far = "geo_slice({xmin: 700000, ymin: 1000000, xmax: 700100, ymax: 1000100}, 10, 'EPSG:32629')"
    wide = "geo_slice({xmin: 500000, ymin: 4500000, xmax: 600000, ymax: 4600000}, 1, 'EPSG:32629')"
    times = "[TIMESTAMP '2020-01-01']"
    for sql, parts in {
        f"read_slice('{path}', {far})": ["does not reach the slice of 10 x 10 pixels", "boundless"],
        f"read_slice(['{path}', '{three}'], {far}, {{bands: [1]}})": ["none of 2 files", "reaches"],
        f"read_slice('{path}', {s}, {{bands: [3]}})": ["has no band 3", '1 "red", 2 "nir"'],
        f"read_slice('{path}', {s}, {{bands: ['blue']}})": ['has no band "blue"', '1 "red", 2 "nir"'],
        f"read_slice(['{path}', '{three}'], {s}, {{merge: 'mean'}})": ["has 3 bands, and the first file 2"],
        f"read_slice('{bare}', {s})": ["has no CRS"],
        f"read_slice('{nowhere}', {s})": ["no geotransform"],
        f"read_slice('{moon}', {s})": ["cannot project pixels from", "to EPSG:32629"],
        f"read_slice('{tmp_path}/none.tif', {s})": ["read_slice(paths)", "does not exist"],
        f"read_slice('{tmp_path}/none*.tif', {s})": ["read_slice(paths)", "no file matches"],
        f"read_slice([]::VARCHAR[], {s})": ["read_slice(paths)", "at least one path"],
        f"read_slice(['{path}', NULL], {s})": ["read_slice(paths)", "NULL among the paths"],
        f"read_slice('{path}', {wide})": ["read_slice(slice)", "would take 76294 MiB, above geoquilt_max_chunk_mb = 512", "smaller slices", "SET geoquilt_max_chunk_mb = 76294"],
        f"read_slice('{path}', {s}, {{resampling: 'linear'}})": ["read_slice(resampling)", '"linear" is not a resampling method', "bilinear"],
        f"read_slice('{path}', {s}, {{merge: 'median'}})": ["read_slice(merge)", "first, last, min, max, sum, mean, count"],
        f"read_slice('{path}', {s}, {{mask_band: 'QA60', mask_bits: [10]}})": ['has no band "QA60"'],
        f"read_slice('{path}', {s}, {{mask_bits: [10]}})": ["read_slice(mask_bits)", "none is named"],
        f"read_slice('{path}', {s}, {{mask_band: 1}})": ["read_slice(mask_band)", "takes nothing away"],
        f"read_slice('{path}', {s}, {{mask_band: 1, mask_bits: [64]}})": ["read_slice(mask_bits)", "bits from 0 to 63"],
        f"read_slice('{path}', {s}, {{tolerance: -1}})": ["read_slice(tolerance)", "0 or more"],
        f"read_slice('{path}', {s}, {{dtype: 'uint8'}})": ["read_slice(dtype)", "float32, float64"],
        f"read_slice('{path}', {{bbox: {OK}, crs: 'EPSG:32629', t_min: NULL, t_max: NULL, width: 0, height: 5}})": ["read_slice(slice)", "at least 1 x 1"],
        f"read_series(['{path}'], []::TIMESTAMP[], {s})": ["read_series(times)", "1 paths have 0 times"],
        f"read_series(['{path}'], [NULL::TIMESTAMP], {s})": ["read_series(times)", "NULL among the times"],
        f"read_series(['{path}'], {times}, {s}, {{reduce: 'mean'}})": ["read_series(reduce)", "no step is given"],
        f"read_series(['{path}'], {times}, {s}, {{step: 'day', time_tolerance: 'soon'}})": ["read_series(time_tolerance)", "years, months, weeks, days, hours, minutes or seconds"],
        f"read_series(['{path}'], {times}, {s}, {{step: 'day', reduce: 'mean', time_tolerance: 'day'}})": ["read_series(time_tolerance)", "no such file is looked for"],
        f"read_series(['{path}'], {times}, {s}, {{time_tolerance: 'day'}})": ["read_series(time_tolerance)", "Give a step too"],
        f"read_series(['{path}'], {times}, {s}, {{step: 'fortnight'}})": ["read_series(step)", "years, months, weeks, days, hours, minutes or seconds"],
        f"read_slice('{three}', {s}, {{bands: ['B02']}})": ['has no band "B02": it has 3 bands, without names'],
        f"read_slice('{path}', {s.replace('EPSG:32629', 'utm29')})": ['"utm29" is not a coordinate reference system that PROJ knows\nWrite a code such as EPSG:32632, or its WKT or PROJJSON'],
        f"read_series(['{path}'], {times}, {s}, {{step: 'day', reduce: 'avg'}})": ["read_series(reduce)", "nearest, mean, median"],
        f"read_series(['{path}'], {times}, {s.replace(')', ', TIMESTAMP $$2021-01-01$$)')})": ["read_series(slice)", "none of 1 times lies in the slice's interval"],
        f"read_series(['{path}'], {times}, {far})": ["does not reach"],
    }.items():
        with pytest.raises(Exception) as error:
            con.execute(f"SELECT {sql}").fetchall()
        for part in parts:
            assert part in str(error.value), (sql, str(error.value))
    got, nulls, _ = read(con, path, far, "boundless: true")
    assert nulls.all() and got.shape == (2, 10, 10)


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "uint64"])
def test_whole_numbers_that_a_float_changes_are_refused(con, raster, dtype):
    big = np.array([[[0, 16777215], [16777216, 16777218]]], dtype)
    grid = "geo_slice({xmin: 500000, ymin: 4599980, xmax: 500020, ymax: 4600000}, 10, 'EPSG:32629')"
    turned = "geo_slice({xmin: 500000, ymin: 4599980, xmax: 500020, ymax: 4600000}, 5, 'EPSG:32629')"
    window = "{row_off: 0, col_off: 0, height: 2, width: 2}"
    reads = lambda path: [f"read_patch('{path}', {window})", f"read_slice('{path}', {grid}).data", f"read_slice('{path}', {turned}, {{dtype: 'float64'}}).data", f"read_slice('{path}', {turned}, {{dtype: 'float32'}}).data",
                          f"read_slice(['{path}', '{path}'], {grid}).data"]
    held = raster("held.tif", big)
    for sql in reads(held):
        assert set(con.execute(f"SELECT {sql}").fetchone()[0]) == set(big.ravel().tolist()), sql
    big[0, 0, 0] = 16777217
    path = raster("beyond.tif", big)
    for sql in reads(path):
        with pytest.raises(Exception, match=r'beyond.tif" has a pixel of 16777217 in band 1, which FLOAT cannot hold exactly\nFROM read_patch'):
            con.execute(f"SELECT {sql}").fetchone()
    assert con.execute(f"SELECT data FROM read_patch('{path}', size := 2)").fetchone()[0] == big.ravel().tolist()
    # What is not a pixel does not count.
    big[0, 0, 0] = 100000001
    gone = raster("gone.tif", big, nodata=100000001)
    for sql in reads(gone):
        assert set(con.execute(f"SELECT {sql}").fetchone()[0]) == {None, 16777215, 16777216, 16777218}, sql


def test_a_damaged_block_is_told_and_not_made_up(con, raster):
    path = raster("a.tif", noise("float32", (1, 300, 300)), compress="deflate", tiled=True, blockxsize=64, blockysize=64)
    with open(path, "r+b") as file:
        file.truncate(file.seek(0, 2) // 2)
    with pytest.raises(Exception, match="cannot read band 1"):
        read(con, path, slice_sql(box_in("EPSG:32630", (500000, 4597000, 503000, 4600000)), 20, "EPSG:32630"), "resampling: 'bilinear'")


def test_a_raster_that_repeats_its_first_columns_goes_round_the_globe(con, raster):
    """As its twin without them does, whatever the slice, and nothing is taken twice."""
    whole = np.random.default_rng(5).normal(size=(1, 36, 72)).astype("float32")
    twin = raster("72.tif", whole, crs="EPSG:4326", transform=from_origin(-182.5, 90, 5, 5))
    for extra in (1, 2):
        path = raster(f"{72 + extra}.tif", np.concatenate([whole, whole[:, :, :extra]], 2), crs="EPSG:4326", transform=from_origin(-182.5, 90, 5, 5))
        for sql in ["geo_slice({xmin: 170, ymin: -20, xmax: 190, ymax: 20}, 2, 'EPSG:4326')", "geo_slice({xmin: -180, ymin: -80, xmax: 180, ymax: 80}, 4, 'EPSG:4326')",
                    "geo_slice({xmin: 200000, ymin: 0, xmax: 800000, ymax: 600000}, 50000, 'EPSG:32601')"]:
            for method in ("nearest", "bilinear", "average", "sum"):
                pixels = lambda file: con.execute(f"SELECT read_slice('{file}', {sql}, {{resampling: '{method}'}}).data").fetchone()[0]
                assert pixels(path) == pixels(twin), (sql, method)
        # The twin stands on rasterio above; here once more on the file itself, with further turns of it on both sides.
        got, nulls, grid = read(con, path, "geo_slice({xmin: 170.3, ymin: -20, xmax: 190.3, ymax: 20}, 2, 'EPSG:4326')", "resampling: 'bilinear', tolerance: 0")
        expected = np.zeros(got.shape[1:], "float32")
        reproject(np.tile(whole[0], 3), expected, src_transform=from_origin(-542.5, 90, 5, 5), src_crs="EPSG:4326", dst_transform=grid, dst_crs="EPSG:4326", resampling=Resampling.bilinear)
        assert not nulls.any()
        np.testing.assert_allclose(got[0], expected, atol=1e-5)
    with pytest.raises(Exception, match="goes around the globe more than 8 times"):
        con.execute(f"""SELECT read_slice('{twin}', {{bbox: {{xmin: 0::DOUBLE, ymin: 0::DOUBLE, xmax: 3240::DOUBLE, ymax: 3::DOUBLE}}, crs: 'EPSG:4326',
            t_min: NULL::TIMESTAMP, t_max: NULL::TIMESTAMP, width: 1080::INTEGER, height: 1::INTEGER}}, {{resampling: 'bilinear'}})""")


def test_shapes_that_are_empty_as_text_are_null(con):
    for wkt in ("POINT EMPTY", "POINT Z EMPTY", "POLYGON EMPTY"):
        assert con.execute(f"SELECT geo_slice('{wkt}', 1, 'EPSG:4326')").fetchone() == (None,)
    assert con.execute("SELECT geo_slice('GEOMETRYCOLLECTION (POINT EMPTY, POINT (5 6))', 2, 'EPSG:4326').bbox").fetchone()[0] == {"xmin": 4, "ymin": 5, "xmax": 6, "ymax": 7}
    with pytest.raises(duckdb.BinderException, match="geo_slice: argument 4 holds a subquery"):
        con.execute("SELECT geo_slice({xmin: 0, ymin: 0, xmax: 10, ymax: 10}, 1, 'EPSG:4326', (SELECT DATE '2020-01-01'))")


def test_whole_numbers_that_no_float_holds_are_told_where_they_count(con, raster):
    large = np.full((2, 4, 4), 5, "int32")
    large[0, 0, 0], large[1] = 2147483641, 0
    large[1, 0, 0] = 1
    path = raster("masked.tif", large, transform=from_origin(0, 4, 1, 1), crs="EPSG:4326")
    read = "SELECT read_slice('{}', geo_slice([4, 4], [{}, 1, 0, 4, 0, -1], 'EPSG:4326'), {{bands: [1]{}}}).data".format
    assert con.execute(read(path, 0, ", mask_band: 2, mask_values: [1]")).fetchone()[0] == [None] + [5] * 15
    assert con.execute(read(path, 0, ", merge: 'count', boundless: true")).fetchone()[0] == [1] * 16
    wide = np.zeros((4, 4), "uint64")
    wide[0, 0] = 2 ** 60 + 1
    path = raster("wide.tif", wide, transform=from_origin(0, 4, 1, 1), crs="EPSG:4326")
    for shift in (0, 0.1):  # GDAL's warper has rounded the second before it can be looked at
        with pytest.raises(Exception, match="has a pixel of 11529215046068469.* which FLOAT cannot hold exactly"):
            con.execute(read(path, shift, "")).fetchall()
