"""docs/examples.md prints what it shows, on the archive that it tells its reader to make, and its pixels are those of
rasterio, xarray and NumPy."""
import contextlib
import csv
import io
import json
import re
import subprocess
import sys
import types
from pathlib import Path

import geopandas
import numpy as np
import pyarrow
import pytest
import rasterio
import rioxarray  # noqa: F401  (xarray's .rio)
import shapely
import xarray as xr
from conftest import ROOT, connect
from rasterio import features
from rasterio.merge import merge
from rasterio.transform import Affine, from_origin
from rasterio.warp import Resampling, reproject

UTM = from_origin(500000, 4040000, 200, 200)
TORCH = types.SimpleNamespace(utils=types.SimpleNamespace(data=types.SimpleNamespace(IterableDataset=object, get_worker_info=lambda: None)))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page, run from top to bottom: its connection, the names of its Python, and what it printed beside what it shows."""
    text = (ROOT / "docs/examples.md").read_text()
    con = connect()
    frame = geopandas.GeoDataFrame({"path": ["in", "out"]}, geometry=[shapely.box(1, 41, 2, 42), shapely.box(60, 0, 61, 1)], crs="EPSG:4326")
    page = types.SimpleNamespace(con=con, drawn=[], printed=[])
    page.names = {"con": con, "np": np, "pyarrow": pyarrow, "geopandas": geopandas, "torch": TORCH, "frame": frame, "open_database": connect}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("examples"))
        patch.setattr(geopandas.GeoDataFrame, "plot", lambda self, *a, **k: page.drawn.append(self))
        subprocess.run([sys.executable, ROOT / "test/data/make_archive.py", "archive"], check=True, timeout=120)
        for language, code, shown in re.findall(r"```(sql|python)\n(.*?)```(?:\n\n```text\n(.*?)```)?", text, re.S):
            if language == "python":
                with contextlib.redirect_stdout(io.StringIO()) as out:
                    exec(code, page.names)
                if "print(" in code:
                    page.printed.append((code, out.getvalue(), shown))
                page.found = con.fetchall() if "frame" in code else None
            else:
                con.execute(code.strip().rstrip(";"))
                page.printed.append((code, "".join("\t".join(str(cell) for cell in row) + "\n" for row in con.fetchall()), shown))
        yield page
    con.close()


def read(name, band=None):
    with rasterio.open(f"archive/{name}.tif") as src:
        return src.read(band)


def era5():
    return xr.concat([xr.open_dataset(path) for path in sorted(Path("archive/era5").glob("*.nc"))], "time")


def pixels(con, sql):
    """A read's data as an array of its shape, NaN where NULL."""
    data, shape = con.execute(sql).fetchone()
    return np.array(data, "float64").reshape(shape)


def onto(name, band, transform, shape, method, crs="EPSG:32629"):
    out = np.full(shape, np.nan, "float32")
    with rasterio.open(f"archive/{name}.tif") as src:
        reproject(rasterio.band(src, band), out, dst_transform=transform, dst_crs=crs, dst_nodata=np.nan, resampling=method)
    return out


def clear(name):
    """Four bands, NaN under clouds."""
    data = read(name)
    return np.where(data[4] & (1 << 10 | 1 << 11), np.nan, data[:4])


def test_every_statement_prints_what_the_page_shows(page):
    text = (ROOT / "docs/examples.md").read_text()
    assert len(page.printed) == text.count("```sql") + len([code for code in re.findall(r"```python\n(.*?)```", text, re.S) if "print(" in code])
    for sql, printed, shown in page.printed:
        assert printed == shown, sql


def test_a_the_last_clear_pixel(page):
    want = clear("s2/T29SND_20230603")
    later = clear("s2/T29SND_20230613")
    want = np.where(np.isnan(later), want, later)
    np.testing.assert_array_equal(pixels(page.con, "SELECT rgbn.data, rgbn.shape FROM composite"), want)
    assert 0 < np.isnan(want).mean() < 0.5
    with rasterio.open("archive/composite.tif") as src:
        np.testing.assert_array_equal(src.read(masked=True).filled(np.nan), want)
        assert (src.descriptions, src.transform, src.crs) == (("B02", "B03", "B04", "B08"), UTM, "EPSG:32629")


def test_b_a_series_at_one_point(page):
    rows = list(csv.DictReader(open("archive/madrid_ndvi.csv")))
    paths = sorted(Path("archive/modis").glob("*.tif"))
    assert len(rows) == len(paths) == 322
    row, col = int((45 - 40.75) * 4), int((11 - 4) * 4)
    for line, path in zip(rows, paths):
        assert line["time"][:10].replace("-", "") == path.stem.split("_")[1]
        with rasterio.open(path) as src:
            around = src.read(1, masked=True)[row:row + 2, col:col + 2]
        want = float(around.mean()) * 0.0001 if around.count() else np.nan
        assert float(line["ndvi"] or "nan") == pytest.approx(want, rel=1e-6, nan_ok=True)
    want = era5().t2m.sel(time=slice("2023-06-15", "2023-07-14")).sel(latitude=40.4168, longitude=-3.7038, method="nearest")
    _, printed, _ = next(entry for entry in page.printed if "'t2m', {time" in entry[0])
    assert printed == f"{want.size}\t{float(want.mean()) - 273.15:.2f}\t[{float(want.latitude)}]\n"


def test_c_from_the_top_of_the_atmosphere_to_the_ground(page):
    columns = page.con.execute("FROM atmosphere").fetchnumpy()
    for row, day in enumerate(columns["day"]):
        number = lambda name: float(columns[name][row])
        packed = read(f"s2/T29SND_{day}")
        want = []
        for band, name in ((2, "red"), (3, "nir")):
            over = (packed[band].astype("float64") * 0.0001 - 0.1).astype("float32").astype("float64") - number(f"{name}_path")
            want.append(over / (number(f"{name}_through") + number("sky") * over))
        for patch in range(4):
            got = pixels(page.con, f"SELECT data, shape FROM ground WHERE path LIKE '%ND_{day}%' AND patch_id = {patch}")
            rows, cols = slice(patch // 2 * 100, patch // 2 * 100 + 100), slice(patch % 2 * 100, patch % 2 * 100 + 100)
            np.testing.assert_allclose(got, np.stack(want)[:, rows, cols], rtol=1e-6, atol=1e-7)


def test_c_pixels_of_each_field_alone(page):
    frame = geopandas.read_file("archive/labels/fields_20230603.geojson").to_crs("EPSG:32629")
    _, printed, _ = next(entry for entry in page.printed if "within: field.geometry" in entry[0])
    with rasterio.open("archive/s2/T29SND_20230603.tif") as src:
        for line, class_id, geometry in zip(printed.splitlines(), frame.class_id, frame.geometry, strict=True):
            red = src.read(3)[~features.geometry_mask([geometry], src.shape, src.transform)] * 0.0001 - 0.1
            assert line == f"{class_id}\t{red.size}\t{red.mean():.4f}".rstrip("0")


def test_numbers_of_the_training_scenes_scale_the_next(page):
    train = np.concatenate([read(f"s2/T29SND_{day}")[2:4].reshape(2, -1) for day in ("20230603", "20230613")], 1).astype("float64")
    saved = json.loads(Path("archive/train_stats.json").read_text())["stats"]
    scaled = []
    for band, values, packed in zip(saved, train, read("s2/T29SND_20230702")[2:4]):
        assert (band["n"], band["min"], band["max"]) == (values.size, values.min(), values.max())
        low, median, high = np.percentile(values, (25, 50, 75))
        np.testing.assert_allclose(band["percentiles"][1:4], (low, median, high), rtol=1e-12)
        scaled.append((packed - median) / (high - low))
    _, printed, _ = next(entry for entry in page.printed if "archive/train_stats.json'" in entry[0] and "robust" in entry[0])
    for patch, line in enumerate(printed.splitlines()):
        part = np.stack(scaled)[:, patch // 2 * 100:patch // 2 * 100 + 100, patch % 2 * 100:patch % 2 * 100 + 100]
        assert [float(cell) for cell in line.split("\t")[1:]] == pytest.approx([part.min(), np.median(part), part.max()], abs=6e-4)


def test_c_monthly_means_of_reflectance(page):
    boa = {"20230601": [clear("s2/T29SND_20230603"), clear("s2/T29SND_20230613")], "20230701": [clear("s2/T29SND_20230702")]}
    want = np.stack([np.ma.masked_invalid(scenes).mean(0).filled(np.nan) * 0.0001 - 0.1 for scenes in boa.values()])
    for patch in range(4):
        got = pixels(page.con, f"SELECT boa.data, boa.shape FROM monthly WHERE patch_id = {patch}")
        rows, cols = slice(patch // 2 * 100, patch // 2 * 100 + 100), slice(patch % 2 * 100, patch % 2 * 100 + 100)
        np.testing.assert_allclose(got, want[:, :, rows, cols], rtol=1e-5, atol=1e-6)
    with xr.open_zarr("archive/monthly.zarr", decode_coords="all") as ds:
        np.testing.assert_allclose(ds.boa, want, rtol=1e-5, atol=1e-6)
        assert (ds.boa.rio.crs, ds.boa.rio.transform()) == ("EPSG:32629", UTM)


def test_c_a_file_a_month_by_numbers_of_each_scene(page):
    sun = {"20230603": (24.1, 0.012), "20230613": (22.8, 0.020), "20230702": (23.5, 0.008)}
    for month, days in (("2023-06", ["20230603", "20230613"]), ("2023-07", ["20230702"])):
        scenes = [(clear(f"s2/T29SND_{day}") * 0.0001 - 0.1 - sun[day][1]) / np.cos(np.radians(sun[day][0])) for day in days]
        want = np.ma.masked_invalid(scenes).mean(0).filled(np.nan)
        with rasterio.open(f"archive/boa_{month}.tif") as src:
            np.testing.assert_allclose(src.read(), want, rtol=1e-5, atol=1e-6)
            assert (src.descriptions, src.transform, src.crs) == (("B02", "B03", "B04", "B08"), UTM, "EPSG:32629")


def test_d_bands_of_sentinel_2(page):
    cube = read("enmap/ENMAP_L2A_20230613")
    weights = {row["band"]: row["weights"] for row in json.loads(Path("archive/enmap/srf.json").read_text())}
    got = page.con.execute("SELECT patch_id, bands, data, shape FROM as_s2").fetchall()
    assert len(got) == 4 and len(weights) == 13
    for patch, bands, data, shape in got:
        row, col = patch // 2 * 20, patch % 2 * 20
        want = np.einsum("ij,jhw->ihw", [weights[band] for band in bands], cube[:, row:row + 20, col:col + 20])
        np.testing.assert_allclose(np.reshape(data, shape), want, rtol=1e-12)
    with rasterio.open("archive/as_s2.tif") as src, rasterio.open("archive/enmap/ENMAP_L2A_20230613.tif") as own:
        np.testing.assert_allclose(src.read(), np.einsum("ij,jhw->ihw", [weights[band] for band in bands], cube), rtol=1e-6)
        assert (src.transform, src.crs, src.dtypes[0]) == (own.transform, own.crs, "float32")


def starts(n, size, stride):
    return sorted({*range(0, n - size + 1, stride), n - size})


def test_e_stitched_answers_and_their_anomalies(page):
    got = geopandas.read_parquet("archive/anomalies.parquet")
    assert got.crs == "OGC:CRS84" and got.path.nunique() == 4
    for path, data, shape in page.con.execute("SELECT path, field.data, field.shape FROM stitched").fetchall():
        with rasterio.open(path) as src:
            blue, grid = src.read(1).astype("float64"), src.transform
        total, count = np.zeros((2, 200, 200)), np.zeros((200, 200))
        for row in starts(200, 64, 48):
            for col in starts(200, 64, 48):
                chip = blue[row:row + 64, col:col + 64]
                level = 2.5 * np.median(chip)
                answer = np.stack([1 / (1 + np.exp((level - chip) / 500)), abs(chip - level) / (chip + level)])
                total[:, row:row + 64, col:col + 64] += answer.astype("float32")
                count[row:row + 64, col:col + 64] += 1
        field = np.reshape(data, shape)
        np.testing.assert_allclose(field, total / count, rtol=1e-6)
        flags = (field[0] > 0.7) & (field[1] > 0.2)
        want = [shapely.geometry.shape(shape) for shape, _ in features.shapes(flags.astype("uint8"), flags, transform=grid)]
        want, own = geopandas.GeoSeries(want, crs="EPSG:32629").to_crs("OGC:CRS84"), got[got.path == path].geometry
        assert len(own) == len(want) > 3
        assert own.union_all().symmetric_difference(want.union_all()).area < 1e-9 * want.union_all().area


def test_e_what_a_model_wrote_is_laid_together(page):
    chips = sorted(Path("archive/model").glob("*.tif"))
    total, count = merge(chips, method="sum")[0], merge(chips, method="count")[0]
    np.testing.assert_allclose(pixels(page.con, "SELECT field.data, field.shape FROM written"), total / count, rtol=1e-6)


def test_f_both_epochs_on_their_shared_area(page):
    epochs = {"before": read("before/S2_20230815")[:, :, 10:], "after": read("after/S2_20230920")[:, :, :10]}
    for patch in range(8):
        row, col = patch // 2 * 5, patch % 2 * 5
        for name, want in epochs.items():
            got = pixels(page.con, f"SELECT r.data, r.shape FROM (SELECT read_slice({name}, place) AS r FROM change WHERE patch_id = {patch})")
            np.testing.assert_array_equal(got, want[:, row:row + 5, col:col + 5])
    np.testing.assert_array_equal(read("change"), epochs["after"] - epochs["before"])


def test_g_masks_on_the_grid_of_each_tile(page):
    rows = page.con.execute("SELECT path, sidecar, shape, transform, crs, cloud FROM masks").fetchall()
    assert len(rows) == 4
    for path, sidecar, shape, transform, crs, cloud in rows:
        with rasterio.open(path) as src:
            assert (src.shape, src.transform, src.crs) == (tuple(shape), Affine.from_gdal(*transform), crs)
            np.testing.assert_array_equal(np.reshape(cloud, shape), src.read(1) * 0.0001 - 0.1 > 0.4)
        assert sidecar == path.replace(".tif", ".cloud.tiff")
        with rasterio.open(sidecar) as src:
            np.testing.assert_array_equal(src.read(1), np.reshape(cloud, shape))
            assert (src.transform, src.crs, src.dtypes, src.nodata) == (Affine.from_gdal(*transform), crs, ("uint8",), 255)


def test_samples_with_lookback_and_horizon_are_the_files_of_their_windows(page):
    rows = page.con.execute("SELECT patch_id, anchor, x.data, x.shape, x.times, y.data, y.shape, y.times FROM forecasts ORDER BY window_id, patch_id").fetchall()
    assert len(rows) == 9 * 4
    begins = {np.datetime64(f"{p.stem[6:10]}-{p.stem[10:12]}-{p.stem[12:14]}"): p.stem for p in Path("archive/modis").glob("*.tif")}
    day = np.timedelta64(1, "D")
    for patch, anchor, *halves in rows:
        anchor = np.datetime64(anchor)
        r, c = patch // 2 * 16, patch % 2 * 16
        for (data, shape, times), low, high in ((halves[:3], anchor - 64 * day, anchor), (halves[3:], anchor, anchor + 32 * day)):
            want = sorted(t for t in begins if low < t <= high)
            assert [np.datetime64(t) for t in times] == want and shape == [len(want), 1, 16, 16]
            for got, t in zip(np.array(data, "float64").reshape(shape)[:, 0], want):
                with rasterio.open(f"archive/modis/{begins[t]}.tif") as src:
                    pixels = src.read(1, masked=True)[r:r + 16, c:c + 16] * 0.0001
                np.testing.assert_allclose(got, pixels.filled(np.nan), rtol=1e-6)


def test_time_first_and_space_first_are_the_means_that_numpy_has(page):
    rows = page.con.execute("SELECT x.data, x.shape FROM forecasts WHERE window_id = 0 ORDER BY patch_id").fetchall()
    printed = next(text for sql, text, _ in page.printed if "time_first" in sql).splitlines()
    for line, (data, shape) in zip(printed, rows):
        cube = np.array(data, "float64").reshape(shape)[:, 0]
        field, series = np.nanmean(cube, 0), np.nanmean(cube, (1, 2))
        want = [np.mean(field), np.mean(series), np.std(field), np.std(series)]
        np.testing.assert_allclose([float(v) for v in line.split("\t")[1:]], want, atol=6e-5)
        assert want[0] != want[1]


def test_a_scene_goes_through_a_model_and_comes_back(page):
    with rasterio.open("archive/s2/T29SND_20230613.tif") as src, rasterio.open("archive/ndvi.tif") as got:
        red, nir = src.read([3, 4], masked=True).astype("float64")
        np.testing.assert_array_equal(got.read(1), ((nir - red) / (nir + red)).filled(np.nan).astype("float32"))
        assert (got.transform, got.crs, got.descriptions, got.overviews(1)) == (src.transform, src.crs, ("ndvi",), [])
        data = src.read()
    for chip in range(4):
        with rasterio.open(f"archive/chip_T29SND_20230613_{chip}.tif") as src:
            row, col = chip // 2 * 100, chip % 2 * 100
            np.testing.assert_array_equal(src.read(), data[:, row:row + 100, col:col + 100])
            assert src.transform == UTM * Affine.translation(col, row)


def test_a_model_in_python_takes_batches_and_its_answers_are_stitched(page):
    hann = np.maximum(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(64) / 64), 2.0**-100)
    with rasterio.open("archive/s2/T29SND_20230613.tif") as src, rasterio.open("archive/smooth.tif") as got:
        x = src.read([3, 4]).astype("float32")
        total, weights = np.zeros((200, 200)), np.zeros((200, 200))
        for row in starts(200, 64, 32):
            for col in starts(200, 64, 32):
                at, taper = np.s_[row:row + 64, col:col + 64], np.outer(hann, hann)
                total[at] += taper * page.names["model"](x[None, :, *at])[0]
                weights[at] += taper
        np.testing.assert_allclose(got.read(1), total / weights, rtol=1e-6)
        assert (got.transform, got.crs, got.tags(ns="IMAGE_STRUCTURE")["LAYOUT"]) == (src.transform, src.crs, "COG")


def test_h_labels_on_the_grid_of_their_image(page):
    got = pixels(page.con, """SELECT y.data, y.shape[2:] FROM (SELECT geo_rasterize(fields, place, {label_field: 'class_id'}) AS y FROM pairs)""")
    west, north = page.con.execute("SELECT place.bbox.xmin, place.bbox.ymax FROM pairs").fetchone()
    fields = geopandas.read_file("archive/labels/fields_20230603.geojson").to_crs("EPSG:32629")
    want = features.rasterize(zip(fields.geometry, fields.class_id), got.shape, transform=from_origin(west, north, 200, 200))
    np.testing.assert_array_equal(got, want)


def test_j_two_resolutions_on_one_slice(page):
    got = pixels(page.con, "SELECT data, shape FROM stack")
    np.testing.assert_array_equal(got[:4], read("s2/T29SND_20230613")[:4, 50:150, 50:150])
    want = onto("modis/MOD13_20230610_20230625", 1, from_origin(510000, 4030000, 200, 200), (100, 100), Resampling.bilinear)
    # Results are rounded to the file's own type, a short.
    np.testing.assert_allclose(got[4], want, atol=0.51)


def test_k_three_kinds_of_file_on_one_grid(page):
    cube = era5()
    rows = page.con.execute("SELECT path, day, rgbn.data, elevation.data, t2m, tp FROM multimodal ORDER BY path").fetchall()
    assert len(rows) == 4
    for path, day, rgbn, elevation, t2m, tp in rows:
        with rasterio.open(path) as src:
            corner = src.transform @ (50, 86)
            np.testing.assert_array_equal(np.reshape(rgbn, (4, 64, 64)), src.read([1, 2, 3, 4])[:, 86:150, 50:114])
        grid = from_origin(*corner, 200, 200)
        np.testing.assert_allclose(np.reshape(elevation, (64, 64)), onto("dem/dem_west", 1, grid, (64, 64), Resampling.bilinear), rtol=1e-4)
        # Bilinear in longitude and latitude at the centre of each pixel.
        x, y = np.meshgrid(*[corner[i] + s * 200 * (np.arange(64) + 0.5) for i, s in ((0, 1), (1, -1))])
        lon, lat = rasterio.warp.transform("EPSG:32629", "OGC:CRS84", x.ravel(), y.ravel())
        at = {"longitude": xr.DataArray(lon, dims="p"), "latitude": xr.DataArray(lat, dims="p")}
        for name, got in (("t2m", t2m), ("tp", tp)):
            want = cube[name].sel(time=f"{day:%Y-%m-%d}").interp(at).mean()
            assert got == pytest.approx(float(want), rel=1e-4)


def test_l_random_chips_reach_torch(page):
    chips = list(page.names["Chips"]())
    rows = page.con.execute("SELECT path, win.row_off, win.col_off FROM chips ORDER BY chip").fetchall()
    assert len(chips) == len(rows) == 100
    for chip, (path, row, col) in zip(chips, rows):
        np.testing.assert_array_equal(chip, read(path[8:-4])[:4, row:row + 32, col:col + 32])


@pytest.mark.parametrize("workers", [1, 3, 7])
def test_l_workers_share_the_chips_and_none_is_given_twice(page, monkeypatch, workers):
    whole = [chip[0] for chip in page.names["Chips"]()]
    for worker in range(workers):
        info = types.SimpleNamespace(id=worker, num_workers=workers)
        monkeypatch.setattr(TORCH.utils.data, "get_worker_info", lambda: info)
        part = list(page.names["Part"]())
        np.testing.assert_array_equal([chip[0] for chip in part], whole[worker::workers])


def test_m_pairs_are_one_place_ten_days_apart(page):
    pairs = page.con.execute("SELECT DISTINCT parse_filename(anchor), parse_filename(positive) FROM positives").fetchall()
    days = ["20230603", "20230613", "20230702"]
    assert sorted(pairs) == [(f"T29SND_{a}.tif", f"T29SND_{b}.tif") for a in days for b in days if a != b]


def test_n_what_trains_lies_apart_from_the_fold_that_is_held_out(page):
    rows = page.con.execute("SELECT DISTINCT patch_id, fold, buffer_folds, win.row_off, win.col_off FROM parted").fetchall()
    assert len(rows) == 400
    places = {fold: np.array([row[3:] for row in rows if row[1] == fold]) for fold in range(4)}
    for held in range(4):
        train = np.array([row[3:] for row in rows if row[1] != held and held not in row[2]])
        # Pixels of 200 m, patches of 10: between edges, in metres.
        between = 200 * np.maximum(np.abs(train[:, None] - places[held][None]) - 10, 0)
        assert np.hypot(between[..., 0], between[..., 1]).min() >= 2000 and len(train) > 50
    assert page.con.execute("SELECT DISTINCT folds FROM (SELECT block, count(DISTINCT fold) AS folds FROM parted GROUP BY block)").fetchall() == [(1,)]


def test_o_a_store_of_embeddings(page):
    got = page.con.execute("SELECT path, patch_id, bbox.xmin, bbox.ymax, t_min, embedding FROM 'archive/embeddings.parquet' ORDER BY path, patch_id").fetchall()
    assert len(got) == 4 * 16
    for path, patch, xmin, ymax, t_min, embedding in got:
        row, col = patch // 4 * 50, patch % 4 * 50
        with rasterio.open(path) as src:
            chip = src.read([1, 2, 3, 4])[:, row:row + 50, col:col + 50].astype("float32")
            assert (xmin, ymax) == src.transform @ (col, row)
        assert f"{t_min:%Y%m%d}" in path
        np.testing.assert_allclose(embedding, chip.ravel() @ page.names["encoder"], rtol=1e-4, atol=1)
    with xr.open_zarr("archive/embeddings.zarr") as ds:
        np.testing.assert_array_equal(ds.embedding, np.array([row[5] for row in got], "float32"))
        assert ds.file.values.tolist() == [Path(row[0]).name for row in got] and ds.bbox_xmin.values.tolist() == [row[2] for row in got]


def test_the_picture_and_the_data_frame(page):
    cells, = page.drawn
    assert len(cells) > 1 and cells.area.sum() == len(cells) * 100
    assert [row[0] for row in page.found] == ["in"]
