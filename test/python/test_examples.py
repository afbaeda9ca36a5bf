"""The blocks of docs/examples.md, run over generated files and compared with rasterio."""
import csv
import datetime
import pathlib
import re

import numpy as np
import pytest
import rasterio
from conftest import ROOT, connect, write_raster
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject

TEXT = (ROOT / "docs/examples.md").read_text()
BANDS = ["B02", "B03", "B04", "B08", "QA60"]
SINUSOIDAL = "+proj=sinu +R=6371007.181 +units=m +no_defs"


def block(name):
    return re.search(rf"<!-- {re.escape(name)} -->\n```\w+\n(.*?)```", TEXT, re.S).group(1)


def scene(seed, shape=(200, 200)):
    rng = np.random.default_rng(seed)
    data = rng.integers(1, 5000, (5, *shape)).astype("uint16")
    data[4] = rng.choice([0, 1 << 3, 1 << 10, 1 << 11, 3 << 10], shape, p=[0.5, 0.1, 0.15, 0.15, 0.1])
    return data


DATES = ["20230529", "20230603", "20230613", "20230623", "20230703"]


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A folder `data` with what the examples read, and a connection in it."""
    for name in ("s2", "modis", "coarse"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for place, date in enumerate(DATES):
        write_raster(tmp_path / f"data/s2/T29SND_{date}_L2A.tif", scene(place), crs="EPSG:32629", transform=from_origin(500000, 4000000, 10, 10), descriptions=BANDS)
    coarse = np.random.default_rng(9).normal(size=(2, 30, 30)).cumsum(1).astype("float32")
    x, y = rasterio.warp.transform("EPSG:32629", SINUSOIDAL, [501000], [3999000])
    write_raster(tmp_path / "data/coarse/coarse.tif", coarse, crs=SINUSOIDAL, transform=from_origin(x[0] - 7500, y[0] + 7500, 500, 500))
    monkeypatch.chdir(tmp_path)
    con = connect()
    yield con
    con.close()


def lists(con, sql):
    struct = con.execute(sql).to_arrow_table().column(0).combine_chunks()
    data = struct.field("data").flatten()
    shape = struct.field("shape").flatten().to_pylist()
    return np.asarray(data.fill_null(0)).reshape(shape), np.asarray(data.is_null()).reshape(shape)


def last_clear(seeds):
    values, there = np.zeros((4, 200, 200)), np.zeros((200, 200), bool)
    for seed in seeds:
        data = scene(seed)
        clear = (data[4] & (1 << 10 | 1 << 11)) == 0
        values[:, clear] = data[:4][:, clear]
        there |= clear
    return values, np.broadcast_to(~there, values.shape)


def test_a_cloud_free_composite(world):
    world.execute(block("A"))
    got, nulls = lists(world, "SELECT rgbn FROM composite")
    values, gone = last_clear([1, 2, 3])
    np.testing.assert_array_equal(nulls, gone)
    np.testing.assert_array_equal(got[~gone], values[~gone])
    world.execute(block("A months"))
    got, nulls = lists(world, "SELECT rgbn FROM months")
    assert got.shape == (3, 4, 200, 200)
    for step, seeds in enumerate([[0], [1, 2, 3], [4]]):
        values, gone = last_clear(seeds)
        np.testing.assert_array_equal(nulls[step], gone)
        np.testing.assert_array_equal(got[step][~gone], values[~gone])


def test_b_a_daily_series_at_one_point(world):
    days, expected = [datetime.date(2009, 12, 30) + datetime.timedelta(16 * i) for i in range(40)], []
    for place, day in enumerate(days):
        data = np.random.default_rng(place).integers(-2000, 10000, (1, 40, 40)).astype("int16")
        if place % 7 == 3:
            data[0, 12:22, 18:28] = -3000
        path = write_raster(f"data/modis/MOD13A2_{day:%Y%m%d}.tif", data, crs="EPSG:4326", transform=from_origin(-3.75, 40.45, 0.002, 0.002), nodata=-3000, scales=[0.0001])
        with rasterio.open(path) as src:
            out = np.full((1, 1), np.nan)
            values = np.where(data[0] == -3000, np.nan, data[0] * 0.0001)
            reproject(values, out, src_transform=src.transform, src_crs=src.crs, dst_transform=from_origin(-3.7088, 40.4178, 0.005, 0.005), dst_crs="EPSG:4326",
                      src_nodata=np.nan, dst_nodata=np.nan, resampling=Resampling.average)
            expected.append(out[0, 0])
    world.execute(block("B"))
    rows = list(csv.DictReader(open("data/madrid_ndvi.csv")))
    assert [row["time"][:10] for row in rows] == [str(day) for day in days[1:]]
    got = np.array([float(row["ndvi"] or "nan") for row in rows])
    assert 0 < np.isnan(got).sum() < 10
    np.testing.assert_allclose(got, expected[1:], rtol=1e-5)


def test_j_two_resolutions_on_one_slice(world):
    world.execute(block("J"))
    data, shape, same = world.execute("SELECT * FROM stack").fetchone()
    assert shape == [6, 200, 200] and same
    data = np.array(data, "float32").reshape(shape)
    np.testing.assert_array_equal(data[:4], scene(1)[:4])
    with rasterio.open("data/coarse/coarse.tif") as src:
        for band in (1, 2):
            out = np.zeros((200, 200), "float32")
            reproject(rasterio.band(src, band), out, dst_transform=from_origin(500000, 4000000, 10, 10), dst_crs="EPSG:32629", resampling=Resampling.bilinear)
            np.testing.assert_allclose(data[3 + band], out, rtol=1e-4, atol=1e-5)


def test_l_random_chips(world):
    world.execute(block("A").split(";")[0])
    world.execute(block("L"))
    count, files = world.execute("SELECT count(*), count(DISTINCT path) FROM chips").fetchone()
    assert count == 100 and files == len(DATES)
    scope = {"con": world, "torch": type("torch", (), {"utils": type("u", (), {"data": type("d", (), {"IterableDataset": object})})})}
    exec(block("L loader"), scope)
    chips = list(scope["Chips"]())
    assert len(chips) == 100 and all(chip.shape == (4, 32, 32) for chip in chips)
    rows = world.execute("SELECT path, place.bbox.xmin, place.bbox.ymax FROM chips ORDER BY chip").fetchall()
    for chip, (path, x, y) in zip(chips, rows):
        row, col = int((4000000 - y) / 10), int((x - 500000) / 10)
        np.testing.assert_array_equal(chip, scene(DATES.index(pathlib.Path(path).name[7:15]))[:4, row:row + 32, col:col + 32])
