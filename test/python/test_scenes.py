"""Bands and masks in files of their own, and nodata given by hand: against the stacked file, rasterio's reproject and NumPy."""
import json

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject
from test_streams import text

HERE = from_origin(500000, 4600000, 10, 10)
SLICES = ["geo_slice({xmin: 500005, ymin: 4599400, xmax: 500405, ymax: 4599900}, 8, 'EPSG:32629')",
          "geo_slice([60, 70], [500000.0, 10.0, 0.0, 4600000.0, 0.0, -10.0], 'EPSG:32629')",
          "geo_slice({xmin: 499900, ymin: 4599800, xmax: 500200, ymax: 4600100}, 30, 'EPSG:32629')"]


def same(one, other):
    return json.dumps(one, default=str) == json.dumps(other, default=str)


@pytest.fixture
def product(raster):
    """A scene as products deliver it: a file a band, a scene classification in pixels of twice the size; and all on one grid in one file."""
    rng = np.random.default_rng(4)
    bands = rng.integers(0, 3000, (3, 60, 70)).astype("uint16")
    bands[rng.random(bands.shape) < 0.2] = 0
    classes = rng.integers(0, 12, (30, 35)).astype("uint8")
    fine = classes.repeat(2, 0).repeat(2, 1)
    files = {name: raster(f"T29_{name}.tif", band, transform=HERE) for name, band in zip(["B02", "B03", "B04"], bands)}
    files["SCL"] = raster("T29_SCL.tif", classes, transform=from_origin(500000, 4600000, 20, 20))
    stacked = raster("stacked.tif", np.concatenate([bands, fine[None].astype("uint16")]), transform=HERE, descriptions=["B02", "B03", "B04", "SCL"])
    return files, stacked, bands, fine


OPTIONS = [{"bands": ["B04", "B02"]}, {"bands": [1, 2, 3], "mask_band": "SCL", "mask_values": [3, 8, 9]}, {"bands": ["B03"], "resampling": "cubic"},
           {"bands": [2], "nodata": 0, "resampling": "bilinear", "dtype": "float32"}, {"bands": ["B02", "B03"], "nodata": 0, "mask_band": 4, "mask_bits": [0]}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("slice", SLICES)
def test_a_scene_of_several_files_is_the_stacked_file(con, product, options, slice):
    files, stacked, _, _ = product
    want = con.execute(f"SELECT read_slice('{stacked}', {slice}, {text(options)})").fetchone()[0]
    assert same(con.execute(f"SELECT read_slice({text(files)}, {slice}, {text(options)})").fetchone()[0], want)
    row = text([{"paths": files, "slice": slice}, {"paths": files, "slice": slice}])
    named = ", ".join(f"{key} := {text(value)}" for key, value in options.items())
    for data, shape in con.execute(f"SELECT data, shape FROM read_slice({row}, {named})").fetchall():
        assert same([data, shape], [want["data"], want["shape"]])
    if not any(isinstance(value, str) for key in ("bands", "mask_band") for value in np.atleast_1d(options.get(key, 0)).tolist()):
        listed = con.execute(f"SELECT read_slice([{text(list(files.values()))}], {slice}, {text(options)})").fetchone()[0]
        assert same(listed, want)


def test_scenes_are_merged_and_lined_up_in_time_as_files_are(con, product, raster):
    files, stacked, bands, fine = product
    other = {name: raster(f"U_{name}.tif", (rasterio.open(path).read() + 5).astype("uint16" if name != "SCL" else "uint8"), transform=rasterio.open(path).transform) for name, path in files.items()}
    both = raster("both.tif", np.concatenate([bands + 5, fine[None] + 5]).astype("uint16"), transform=HERE, descriptions=["B02", "B03", "B04", "SCL"])
    options = "{bands: ['B03', 'B02'], merge: 'mean', nodata: 0}"
    want = con.execute(f"SELECT read_slice(['{stacked}', '{both}'], {SLICES[0]}, {options})").fetchone()[0]
    assert same(con.execute(f"SELECT read_slice([{text(files)}, {text(other)}], {SLICES[0]}, {options})").fetchone()[0], want)
    times = "[TIMESTAMP '2020-01-01', TIMESTAMP '2020-01-05']"
    want = con.execute(f"SELECT read_series(['{stacked}', '{both}'], {times}, {SLICES[0]}, {{bands: ['B04']}})").fetchone()[0]
    assert same(con.execute(f"SELECT read_series([{text(files)}, {text(other)}], {times}, {SLICES[0]}, {{bands: ['B04']}})").fetchone()[0], want)


@pytest.mark.parametrize("slice", SLICES)
def test_a_mask_in_a_file_of_its_own_takes_pixels_away(con, product, slice):
    files, stacked, _, _ = product
    want = con.execute(f"SELECT read_slice('{stacked}', {slice}, {{bands: [1, 3], mask_band: 4, mask_values: [3, 8, 9]}})").fetchone()[0]
    got = con.execute(f"SELECT read_slice('{stacked}', {slice}, {{bands: [1, 3], mask_path: '{files['SCL']}', mask_values: [3, 8, 9]}})").fetchone()[0]
    assert same(got, want) and None in want["data"]
    rows = text([{"path": stacked, "slice": slice, "options": {"mask_path": files["SCL"]}}, {"path": stacked, "slice": slice, "options": {"mask_path": stacked, "mask_band": 4}}])
    for (data,) in con.execute(f"SELECT data FROM read_slice({rows}, bands := [1, 3], mask_values := [3, 8, 9])").fetchall():
        assert same(data, want["data"])


@pytest.mark.parametrize("method", ["nearest", "bilinear", "average"])
def test_nodata_by_hand_is_rasterios_src_nodata(con, raster, method):
    data = np.random.default_rng(1).integers(0, 4, (40, 50)).astype("int16")
    path = raster("a.tif", data, transform=HERE, nodata=-7)
    got = con.execute(f"SELECT read_slice('{path}', geo_slice({{xmin: 500100, ymin: 4599700, xmax: 500400, ymax: 4599900}}, 25, 'EPSG:32629'), {{nodata: 0, resampling: '{method}', tolerance: 0, dtype: 'float64'}})").fetchone()[0]
    want = np.full(got["shape"][1:], np.nan)
    reproject(data.astype("float64"), want, src_transform=HERE, src_crs="EPSG:32629", dst_transform=from_origin(500100, 4599900, 25, 25), dst_crs="EPSG:32629",
              src_nodata=0, dst_nodata=np.nan, resampling=Resampling[method], tolerance=0)
    ours = np.array([np.nan if v is None else v for v in got["data"]]).reshape(want.shape)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(want))
    np.testing.assert_allclose(ours, want, rtol=1e-6)


@pytest.mark.parametrize("dtype,value", [("uint16", 0), ("int64", 3), ("float32", 0.5), ("float64", "nan"), ("uint8", 255)])
def test_nodata_by_hand_is_null_in_windows_whatever_the_header_says(con, raster, dtype, value):
    rng = np.random.default_rng(2)
    number = np.nan if value == "nan" else value
    data = rng.integers(1, 5, (2, 30, 40)).astype(dtype)
    hole = rng.random(data.shape) < 0.3
    data[hole] = number
    win = "{row_off: 3, col_off: 4, height: 10, width: 12}"
    for name, own in [("none.tif", None), ("other.tif", 2)]:
        path = raster(name, data, nodata=own)
        expected = [None if gone else float(v) for gone, v in zip(((data == number) | (np.isnan(data) if value == "nan" else False))[:, 3:13, 4:16].ravel(), data[:, 3:13, 4:16].ravel())]
        assert con.execute(f"SELECT read_patch('{path}', {win}, {{nodata: {text(value)}}})").fetchone()[0] == expected
        assert con.execute(f"SELECT data FROM read_patch([{{path: '{path}', win: {win}}}], nodata := {text(value)}, dtype := 'float64')").fetchone()[0] == expected
    blocks = con.execute(f"SELECT count(*) FILTER (v IS NULL) FROM (SELECT unnest(data) AS v FROM read_blocks('{raster('b.tif', data)}', nodata := {text(value)}))").fetchone()[0]
    assert blocks == (np.isnan(data) if value == "nan" else data == number).sum()


def test_nodata_by_hand_counts_beside_a_mask(con, raster):
    data = np.random.default_rng(0).integers(0, 4, (40, 40)).astype("uint8")
    mask = np.random.default_rng(1).random((40, 40)) < 0.8
    path = raster("m.tif", data, transform=HERE, mask=mask)
    gone = ~mask | (data == 0)
    got = con.execute(f"SELECT read_patch('{path}', {{row_off: 0, col_off: 0, height: 40, width: 40}}, {{nodata: 0}})").fetchone()[0]
    np.testing.assert_array_equal([v is None for v in got], gone.ravel())
    shifted = con.execute(f"SELECT read_slice('{path}', geo_slice({{xmin: 500001, ymin: 4599601, xmax: 500401, ymax: 4600001}}, 10, 'EPSG:32629'), {{nodata: 0}}).data").fetchone()[0]
    north = np.vstack([gone[:1], gone[:-1]]) if len(shifted) == 1600 else gone
    assert len(shifted) == 1600 and sum(v is None for v in shifted) in (gone.sum(), north.sum())
    plain = con.execute(f"SELECT read_slice('{path}', geo_slice({{xmin: 500001, ymin: 4599601, xmax: 500401, ymax: 4600001}}, 10, 'EPSG:32629')).data").fetchone()[0]
    assert [v if v else None for v in plain] == shifted, "the zeros go, and nothing else"


def test_what_cannot_be_meant_is_refused(con, product):
    files, stacked, _, _ = product
    s = SLICES[0]
    for call, why in [
            (f"read_slice('{stacked}', {s}, {{nodata: -1}})", "nodata value of -1"),
            (f"read_patch('{stacked}', {{row_off: 0, col_off: 0, height: 2, width: 2}}, {{nodata: 0.5}})", "nodata value of 0.5"),
            (f"read_slice({text(files)}, {s}, {{bands: ['B99']}})", "B99"),
            (f"read_slice({text(files)}, {s}, {{bands: [5]}})", "5"),
            (f"read_slice({{a: '{stacked.replace('stacked', '*')}'}}, {s})", "matches"),
            (f"read_slice([{text(files)}, NULL], {s})", "NULL"),
            (f"read_slice({{a: 3}}, {s})", "path of each file"),
            (f"read_slice(3, {s})", "a path"),
            (f"read_slice('{stacked}', {s}, {{mask_path: '/nowhere.tif', mask_values: [1]}})", "nowhere"),
            (f"read_slice('{stacked}', {s}, {{mask_values: [1]}})", "mask_path")]:
        with pytest.raises(Exception, match=why):
            con.execute(f"SELECT {call}").fetchall()


def test_the_scalar_read_array_says_where_doubles_come_from(con):
    with pytest.raises(Exception, match="dtype := 'float64'"):
        con.execute("SELECT read_array('test/data/small/ocean.zarr', 'temp', {dtype: 'float64'})")
    kind = con.execute("SELECT DISTINCT typeof(data) FROM read_array([{path: 'test/data/small/ocean.zarr', isel: {time: 0}}], 'temp', dtype := 'float64')").fetchone()
    assert kind == ("DOUBLE[]",)
