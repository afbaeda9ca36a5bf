"""Interrupts: whatever runs, a query ends within a second or so of con.interrupt()."""
import json
import os
import threading
import time

import duckdb
import netCDF4
import numpy as np
import pytest

from conftest import connect, write_raster

pytestmark = pytest.mark.alone
SOON = 2.0


def until_interrupted(con, sql, after=0.7):
    """Runs a query that takes long, interrupts it, and gives how long it went on after that."""
    stopped = []

    def stop():
        stopped.append(time.monotonic())
        con.interrupt()

    timer = threading.Timer(after, stop)
    timer.start()
    with pytest.raises(duckdb.Error, match="(?i)interrupt"):
        con.execute(sql).fetchall()
        timer.cancel()
    ended = time.monotonic()
    assert stopped, "it failed by itself"
    assert con.execute("SELECT 42").fetchone() == (42,)
    return ended - stopped[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("long")


def test_the_walk_of_a_glob(folder):
    tree = folder / "tree"
    for i in range(300):
        os.makedirs(tree / f"{i:03d}")
        for j in range(100):
            (tree / f"{i:03d}" / f"{j:03d}.txt").write_text("")
    # Many patterns walk the tree again and again.
    patterns = [f"{tree}/**/0*.txt", f"{tree}/*/0*.txt"] * 200
    assert until_interrupted(connect(), f"SELECT count(*) FROM geo_catalog_build({patterns!r}, on_error := 'skip')") < SOON


def test_read_stac_of_one_large_file(folder):
    item = {"type": "Feature", "stac_version": "1.0.0", "id": "a", "geometry": {"type": "Point", "coordinates": [0, 0]}, "bbox": [0, 0, 0, 0],
            "properties": {"datetime": "2020-01-01T00:00:00Z"}, "links": [], "assets": {f"a{i}": {"href": f"a{i}.tif", "type": "image/tiff"} for i in range(30)}}
    text = json.dumps(item)
    with open(folder / "items.json", "w") as file:
        file.write('{"type": "FeatureCollection", "features": [' + ",".join([text] * 60_000) + "]}")
    assert until_interrupted(connect(), f"SELECT count(*) FROM read_stac('{folder}/items.json')") < SOON


def test_one_long_row_of_read_slice(folder):
    # Deflated noise, warped by area: seconds for the one row.
    path = write_raster(folder / "big.tif", np.random.default_rng(0).integers(0, 255, (12000, 12000)).astype("uint8"), compress="deflate", zlevel=1, tiled=True)
    con = connect()
    for method in ("average", "cubic"):
        con.execute("SET geoquilt_block_cache_mb = 16; SET geoquilt_max_chunk_mb = 4096")
        sql = f"SELECT len(read_slice('{path}', geo_slice({{xmin: 0, ymin: 4490000, xmax: 120000, ymax: 4610000}}, 11, 'EPSG:32630'), {{resampling: '{method}', tolerance: 0, boundless: true}}).data)"
        assert until_interrupted(con, sql) < SOON, method


def test_geo_polygonize_of_noise():
    con = connect()
    con.execute("CREATE TABLE pixels AS SELECT list((hash(i) % 7)::INTEGER) AS data FROM range(9000000) t(i)")
    sql = "SELECT len(geo_polygonize(data, [3000, 3000], [0.0, 1, 0, 0, 0, -1], 'EPSG:3857')) FROM pixels"
    assert until_interrupted(con, sql, after=1.5) < SOON


def test_geo_zonal_stats_of_a_large_zone(folder):
    path = write_raster(folder / "zone.tif", np.random.default_rng(0).integers(0, 255, (12000, 12000)).astype("uint8"), compress="deflate", zlevel=1, tiled=True)
    con = connect()
    con.execute("SET geoquilt_block_cache_mb = 16")
    box = "POLYGON ((500000 4480000, 620000 4480010, 620000 4600000, 500000 4599990, 500000 4480000))"
    sql = f"SELECT geo_zonal_stats('{path}', '{box}'::GEOMETRY, {{crs: 'EPSG:32629', coverage: 'exact', stats: ['mean']}}).mean"
    assert until_interrupted(con, sql) < SOON


def test_a_count_of_features(folder):
    with open(folder / "points_20200101.csv", "w") as file:
        file.write("lon,lat,name\n")
        file.writelines(f"{i % 360 - 180},{i % 180 - 90},point {i}\n" for i in range(6_000_000))
    assert until_interrupted(connect(), f"SELECT count(*) FROM geo_catalog_build('{folder}/points_20200101.csv', filename_regex := '(?P<date>\\d{{8}})')") < SOON


def test_one_long_row_of_read_array(folder):
    with netCDF4.Dataset(folder / "cube.nc", "w") as file:
        for name, size in (("t", 300), ("y", 500), ("x", 500)):
            file.createDimension(name, size)
        variable = file.createVariable("v", "f4", ("t", "y", "x"), chunksizes=(1, 500, 500), zlib=True, complevel=1)
        variable[:] = np.random.default_rng(0).random((300, 500, 500), dtype="float32")
    con = connect()
    con.execute("SET geoquilt_block_cache_mb = 0; SET geoquilt_max_chunk_mb = 4096; SET geoquilt_threads = 1")
    assert until_interrupted(con, f"SELECT sum(list_sum(read_array('{folder}/cube.nc', 'v').data)) FROM range(3)") < SOON


def test_the_end_of_a_query_interrupts_none_that_follows(folder):
    con = connect()
    path = write_raster(folder / "small.tif", np.ones((4, 4), "uint8"))
    con.interrupt()
    for _ in range(3):
        assert con.execute(f"SELECT read_patch('{path}', {{row_off: 0, col_off: 0, height: 1, width: 2}})").fetchone() == ([1, 1],)
        con.interrupt()
