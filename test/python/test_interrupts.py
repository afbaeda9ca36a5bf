"""Interrupts: whatever runs, a query ends within a second of con.interrupt()."""
import json
import os
import sqlite3
import threading
import time

import duckdb
import netCDF4
import numpy as np
import pytest

from conftest import ROOT, connect, write_raster

pytestmark = pytest.mark.alone
SOON = 1.0


def slowed(seconds=0.1):
    """How many times longer work takes here and now than the processor works on it: others may be at work too."""
    began, worked = time.monotonic(), time.thread_time()
    while time.thread_time() - worked < seconds:
        pass
    return max(1.0, (time.monotonic() - began) / seconds)


def until_interrupted(con, sql, after=0.7):
    """Runs a query that takes long, interrupts it, and gives how long it went on after that, in seconds of a machine that does
    nothing else. Where the machine is so fast that the query was done before, or while, it was interrupted, it is tried again,
    earlier."""
    stopped = []

    def stop():
        stopped.append(time.monotonic())
        con.interrupt()

    while after > 0.01:
        stopped.clear()
        timer = threading.Timer(after, stop)
        began = time.monotonic()
        timer.start()
        try:
            con.execute(sql).fetchall()
        except duckdb.Error as error:
            ended = time.monotonic()
            assert "interrupt" in str(error).lower(), error
            assert stopped, "it failed by itself"
            assert con.execute("SELECT 42").fetchone() == (42,)
            return (ended - stopped[0]) / slowed()
        ended = time.monotonic()
        timer.cancel()
        timer.join()
        assert ended - began < after + SOON * slowed(), f"it was done after {ended - began:.1f} s, and took no notice"
        after = min(after, ended - began) / 2
    raise AssertionError("it is too short to be interrupted")


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


def test_a_layer_that_is_parsed_whole(folder):
    with open(folder / "points.geojson", "w") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        feature = '{"type": "Feature", "properties": {"a": %d}, "geometry": {"type": "Point", "coordinates": [%d, 1]}}'
        file.write(",".join(feature % (i, i % 180) for i in range(1_200_000)) + "]}")
    for sql in ("FROM geo_catalog_build('{}/points.geojson')", "SELECT count(*) FROM read_features('{}/points.geojson')"):
        assert until_interrupted(connect(), sql.format(folder)) < SOON


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


# --- Every function ----------------------------------------------------------------------------------------------------------

PIXELS = "(SELECT list((hash(i) % 251)::FLOAT) AS data FROM range(4000000) t(i))"
GLOBE = "{xmin: -180, ymin: -90, xmax: 180, ymax: 90}"
WIN = "{row_off: 0, col_off: 0, height: 2000, width: 2000}"
STATS = "[{n: 1, mean: 1.0::DOUBLE, std: 2.0::DOUBLE, min: 0.0::DOUBLE, max: 9.0::DOUBLE, percentiles: [1.0, 2, 3, 4, 5]::DOUBLE[]}]"
PART = "[{n: 9, mean: (hash(i) % 97)::DOUBLE, std: 2.0::DOUBLE, min: 0.0::DOUBLE, max: 97.0::DOUBLE, percentiles: [1.0, 2, 3, 4, 5]::DOUBLE[]}]"
PLACED = "bbox: {xmin: hash(i) % 1000, ymin: hash(i + 1) % 1000, xmax: hash(i) % 1000 + 30, ymax: hash(i + 1) % 1000 + 30}, win: {row_off: 0, col_off: 0, height: 1, width: 1}"
DAY = "INTERVAL 1 DAY"
# What a catalog tells of a global file, and a footprint of many vertices.
GLOBAL = "{path: 'a.tif', kind: 'raster', width: 36000, height: 18000, transform: [-180, 0.01, 0, 90, 0, -0.01], crs: 'OGC:CRS84', t_min: TIMESTAMP '2020-01-01', t_max: TIMESTAMP '2020-02-01'}"
RAGGED = "(SELECT ('POLYGON ((' || string_agg((50 + i % 7) * cos(i * 2 * pi() / 3000) || ' ' || (50 + i % 7) * sin(i * 2 * pi() / 3000), ', ' ORDER BY i) || ', 50 0))')::GEOMETRY FROM range(3000) t(i))"

# A job of a minute or so, mostly in one row or one chunk, where DuckDB itself does not look. {pixels} is a table of one list of
# 4,000,000 numbers, {folder} holds the files below.
JOBS = {
    "geo_time_windows": [
        f"SELECT count(*) FROM geo_time_windows('1800', '2200', lookback := {DAY}, sampler := 'causal', step := INTERVAL 22 MINUTE)",
        f"SELECT count(*) FROM geo_time_windows('1800', '2200', geometry := 'phase', period := INTERVAL 1 HOUR, phase_width := INTERVAL 1 MINUTE, step := {DAY})",
        f"SELECT count(*) FROM geo_time_windows('2000', '2010', lookback := INTERVAL 3 YEAR, sampler := 'random', n := 10000000)",
        f"SELECT len(geo_time_windows(list(TIMESTAMP '1900-01-01' + INTERVAL (i) HOUR), {{geometry: 'phase', period: INTERVAL 3 HOUR, phase_width: INTERVAL 1 MINUTE}})) FROM range(400000) t(i)",
    ],
    "geo_time_reduce": ["SELECT len(geo_time_reduce(data, [2000, 2000], (SELECT list(TIMESTAMP '2020-01-01' + INTERVAL (i) DAY) FROM range(2000) t(i)), TIMESTAMP '2024-01-01').data) FROM {pixels}, range(300)"],
    "geo_permutation": ["SELECT sum(len(geo_permutation(100000000, i))) FROM range(40) t(i)"],
    "geo_taper": ["SELECT sum(len(geo_taper('hann', 30000 + i % 2))) FROM range(100000) t(i)"],
    "geo_calc": ["SELECT sum(len(geo_calc(data, [2000, 2000], '" + " + ".join(["sin(b1) ** 0.3"] * 60) + "'))) FROM {pixels}, range(20)"],
    "geo_bands": ["SELECT sum(len(geo_bands(data, [400, 100, 100], (SELECT list(w) FROM (SELECT list(i / j) AS w FROM range(400) a(i), range(1, 401) b(j) GROUP BY j))))) FROM {pixels}, range(30)"],
    "geo_resize": ["SELECT sum(len(geo_resize(data, [2000, 2000], [4000, 4000], {method: '" + method + "'}))) FROM {pixels}, range(8)" for method in ("bilinear", "average")],
    "geo_normalise": [f"SELECT sum(len(geo_normalise(data, [2000, 2000], {STATS}))) FROM {{pixels}}, range(120)"],
    "geo_denormalise": [f"SELECT sum(len(geo_denormalise(data, [2000, 2000], {STATS}))) FROM {{pixels}}, range(120)"],
    "geoquilt.stitch": [
        f"SELECT len(geoquilt.stitch(data, {WIN}, [2000, 2000]).data) FROM {{pixels}}, range(2000)",
        f"SELECT len(geoquilt.stitch(data, {WIN}, [2000, 2000], method := 'median').data) FROM {{pixels}}, range(24)",
    ],
    "geo_stitch_list": [f"SELECT len(geo_stitch_list((SELECT list(data) FROM {{pixels}}, range(8)), (SELECT list({WIN}) FROM range(8)), [2000, 2000], {{method: 'median'}}).data)"],
    "geoquilt.stats": ["SELECT geoquilt.stats(data, [2000, 2000]) FROM {pixels}, range(2000)"],
    "geoquilt.stats_merge": [f"SELECT geoquilt.stats_merge({PART}) FROM range(2500000) t(i)"],
    "geo_neighbours": [
        "SELECT len(geo_neighbours(list({x: (hash(i) % 360000) / 1000 - 180, y: (hash(i + 1) % 180000) / 1000 - 90}), NULL, 5)) FROM range(1500000) t(i)",
        "SELECT len(geo_neighbours(list({x: (hash(i) % 1000) / 1000, y: (hash(i + 1) % 1000) / 1000}), NULL, 100, {within: true})) FROM range(300000) t(i)",
    ],
    "geo_spherical_cap": [f"SELECT len(geo_spherical_cap(0, 0, 1500, geo_slice({GLOBE}, 0.005, 'OGC:CRS84')).cells)"],
    "geo_patch_grid": [
        f"SELECT count(*) FROM geo_patch_grid({GLOBE}, size := 4, resolution := 0.01, sampler := 'poisson_disk', min_distance := 8)",
        f"SELECT count(*) FROM geo_patch_grid({GLOBE}, size := 4, resolution := 0.01, sampler := 'random', n := 10000000, replace := false)",
        f"SELECT count(*) FROM geo_patch_grid({GLOBE}, size := 4, stride := 1, resolution := 0.01)",
        "SELECT count(*) FROM geo_patch_grid('{folder}/land.tif', size := 64, stride := 1, mask := '{folder}/land.tif', max_land_fraction := 0.5)",
    ],
    "st_land_fraction": ["SELECT sum(st_land_fraction('POLYGON ((500000 4480000, 620000 4480010, 620000 4600000, 500000 4599990, 500000 4480000))'::GEOMETRY, '{folder}/land.tif', {crs: 'EPSG:32629'})) FROM range(50)"],
    "read_patch": [
        "SELECT sum(len(read_patch('{folder}/land.tif', {row_off: i, col_off: 0, height: 2000, width: 12000}))) FROM range(20) t(i)",
        "SELECT sum(len(data)) FROM read_patch('{folder}/land.tif', size := 2000, stride := 100)",
    ],
    "read_plan": ["FROM read_plan('{folder}/land.tif', size := 16, stride := 2)"],
    "read_blocks": ["SELECT sum(len(data)) FROM (" + " UNION ALL ".join(["FROM read_blocks('{folder}/land.tif')"] * 40) + ")"],
    "geo_patch_stats": ["SELECT sum(geo_patch_stats('{folder}/land.tif', {row_off: 0, col_off: 0, height: 6000, width: 6000})[1].mean) FROM range(60)"],
    "geo_rasterize": [
        "SELECT len(geo_rasterize(list(geo_box({xmin: 0, ymin: 0, xmax: 1000 + i % 7, ymax: 1000})), geo_slice({xmin: 0, ymin: 0, xmax: 2000, ymax: 2000}, 1, 'EPSG:32632'), {crs: 'EPSG:32632'}).data) FROM range(100000) t(i)",
        "SELECT len(geo_rasterize('{folder}/endless.gpkg', geo_slice({xmin: 8, ymin: 44, xmax: 10, ymax: 46}, 1, 'OGC:CRS84'), {layer: 'endless'}).data)",
    ],
    "geo_catalog_build": ["FROM geo_catalog_build('{folder}/{view}.gpkg')".replace("{view}", view) for view in ("endless", "silent")],
    "read_features": ["SELECT count(*) FROM read_features('{folder}/{view}.gpkg', layer := '{view}')".replace("{view}", view) for view in ("endless", "silent")],
    "geo_train_queries": [f"SELECT count(*) FROM geo_train_queries(500000, size := 0.1, bbox := {GLOBE}, t_min := '2020-01-01', t_max := '2020-01-02', max_spatial_overlap := 0.1)"],
    "geo_eval_queries": [f"SELECT count(*) FROM geo_eval_queries(size := 15, spatial_overlap := 0.99, bbox := {{xmin: -150, ymin: -60, xmax: 150, ymax: 60}}, t_min := '2020-01-01', t_max := '2020-12-31', mask := '{ROOT}/test/data/small/land.tif')"],
    "geo_align_depth": ["SELECT sum(len(geo_align_depth(axis, axis::FLOAT[], list_prepend(-1.0 - j, axis)))) FROM (SELECT list(i::DOUBLE) AS axis FROM range(30000) t(i)), range(20000) s(j)"],
    "geoquilt.rasterize_points": ["SELECT geoquilt.rasterize_points(0, 0, v, {row_off: 0, col_off: 0, height: 1, width: 1}).counts[1] FROM (SELECT list((hash(i) % 9)::FLOAT) AS v FROM range(100000) t(i)), range(40000)"],
    "geo_fill_gaps": [
        "SELECT sum(len(geo_fill_gaps(holed, [2000, 2000], {distance: 100}).data)) FROM (SELECT [CASE WHEN x > 125 THEN NULL ELSE x END FOR x IN data] AS holed FROM {pixels}), range(20)",
        "SELECT sum(len(geo_fill_gaps(holed, [400, 100, 100], times).data)) FROM (SELECT [CASE WHEN x > 125 THEN NULL ELSE x END FOR x IN data] AS holed FROM {pixels}), (SELECT list(TIMESTAMP '2020-01-01' + INTERVAL (i) DAY) AS times FROM range(400) t(i)), range(100)",
    ],
    "geo_class_fractions": ["SELECT sum(cardinality(geo_class_fractions('{folder}/land.tif', {row_off: 0, col_off: 0, height: 12000, width: 12000}))) FROM range(60)"],
    "geo_balance": ["SELECT sum(len(geo_balance((SELECT list((hash(i) % 97) / 97) FROM range(6000000) t(i)), 20, 100000, j))) FROM range(500) s(j)"],
    "geo_choice": [
        "SELECT sum(len(geo_choice(100000000, 50000000, i, true))) FROM range(60) t(i)",
        "SELECT sum(len(geo_choice(w, 1000000, j, j % 2 = 0))) FROM (SELECT list((hash(i) % 97)::DOUBLE) AS w FROM range(2000000) t(i)), range(200) s(j)",
    ],
    "geo_draw": ["SELECT sum(len(geo_draw(20000000, 20000000, i))) FROM range(200) t(i)"],
    "geo_deal": ["SELECT sum(len(geo_deal(w, 1000000, j))) FROM (SELECT list((hash(i) % 97)::DOUBLE) AS w FROM range(2000000) t(i)), range(200) s(j)"],
    "read_profiles": [
        "SELECT count(*), sum(len(temp)) FROM read_profiles('{folder}/casts.nc')",
        "SELECT sum(len(temp)) FROM read_profiles([" + ", ".join(["'{folder}/casts.parquet'"] * 60) + "])",
    ],
    "geo_footprint_windows": [f"SELECT len(geo_footprint_windows(geo_box({GLOBE}), NULL, {GLOBAL}, {{size: 4, stride: 1}}))"],
    "geo_footprint_places": [
        f"SELECT sum(len(geo_footprint_places({RAGGED}, NULL, {GLOBAL}, {{size: 4, seed: 7}}, (SELECT list(i) FROM range(2000000) t(i)))))",
        f"SELECT sum(len(geo_footprint_places(geo_box({GLOBE}), NULL, {GLOBAL}, {{size: 4, seed: 7}}, (SELECT list(i) FROM range(8000000) t(i)))))",
    ],
    "geo_footprint_room": [f"SELECT geo_footprint_room({RAGGED.replace('3000', '3000000')}, NULL, {GLOBAL}, {{size: 4}})"],
    "geo_content_hash": ["SELECT geo_content_hash('{folder}/hole.bin')"],
    "geo_distinct_windows": ["SELECT sum(len(geo_distinct_windows(w || [{row_off: j, col_off: 0, height: 1, width: 1}]))) FROM (SELECT list({row_off: (hash(i) % 1000000)::BIGINT, col_off: (hash(i + 1) % 100000)::BIGINT, height: 1 + (hash(i) % 30)::BIGINT, width: 1 + (hash(i) % 300)::BIGINT}) AS w FROM range(100000) t(i)), range(40) s(j)"],
    "geo_near_boxes": [f"SELECT len(geo_near_boxes(list({{{PLACED}, crs: 1, part: i % 2}}), ['EPSG:32632'], 100)) FROM range(200000) t(i)"],
    "geo_patch_split": [f"SELECT len(geo_patch_split(list({{{PLACED}, block: i}}), 'EPSG:32632', {{val_fraction: 0.3, test_fraction: 0.2, folds: NULL::BIGINT, min_gap: 100.0, seed: 1}})) FROM range(200000) t(i)"],
    "npy": ["COPY (SELECT {data: data, shape: [2000, 2000], i: i} FROM {pixels}, range(4000) t(i)) TO '{folder}/out{i}.npy' (FORMAT npy)"],
    "png": [
        "COPY (SELECT list(hash(i) % 250) AS data, [6000, 6000] AS shape FROM range(36000000) t(i)) TO '{folder}/out.png' (FORMAT png, DTYPE 'uint8')",
        "COPY (SELECT {data: data, shape: [2000, 2000], i: i} FROM {pixels}, range(400) t(i)) TO '{folder}/out{i}.png' (FORMAT png, DTYPE 'uint8')",
    ],
    "zarr": [
        "COPY (SELECT list((hash(i) % 65521)::FLOAT) AS data, [1, 6000, 6000] AS shape FROM range(36000000) t(i)) TO '{folder}/out.zarr' (FORMAT zarr)",
        f"COPY (SELECT data, {WIN} AS win FROM {{pixels}}, range(2000)) TO '{{folder}}/stitched.zarr' (FORMAT zarr, CANVAS [2000, 2000])",
    ],
    "geotiff": [
        "COPY (SELECT list((hash(i) % 65521)::FLOAT) AS data, [1, 6000, 6000] AS shape FROM range(36000000) t(i)) TO '{folder}/out.tif' (FORMAT geotiff, COMPRESS 'deflate')",
        f"COPY (SELECT data, {WIN} AS win FROM {{pixels}}, range(2000)) TO '{{folder}}/out.tif' (FORMAT geotiff, CANVAS [2000, 2000])",
    ],
}
# These have a test above.
TOLD = {"read_stac", "read_slice", "geo_polygonize", "geo_zonal_stats", "read_array"}
# A row is a small piece of work, and DuckDB looks between chunks of rows. Of two geometries it takes as long as they have vertices.
ROWS = {
    "geo_catalog_check", "geo_catalog_problems", "geo_query_area", "geo_box_levels", "geo_box_cells", "geo_bbox", "geo_box", "geo_project", "geo_crs_definition",
    "geo_intersects", "geo_intersection", "geo_difference", "geo_block", "geo_windows_overlap", "geo_time_weights", "geo_slice", "read_times", "read_variables",
    "geo_patch_degrees", "geo_replay_queries", "geo_project_slice", "geo_row_number", "geo_row_shares", "geo_window", "geo_ocean_manifest",
    "geoquilt_functions", "geoquilt_progress", "geoquilt_cache", "geoquilt_remote", "geoquilt_version", "read_series",
}
LONG = [(name, sql) for name, jobs in JOBS.items() for sql in jobs]


def endless(path, view):
    """A GeoPackage with a layer that is a view without an end: of rows, or of steps that give none."""
    con = sqlite3.connect(path)
    con.executescript(f"""
        PRAGMA application_id = 1196444487; PRAGMA user_version = 10300;
        CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
        INSERT INTO gpkg_spatial_ref_sys VALUES ('WGS 84', 4326, 'EPSG', 4326, 'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]]', '');
        CREATE TABLE gpkg_contents (table_name TEXT PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT, description TEXT, last_change DATETIME, min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER);
        CREATE TABLE gpkg_geometry_columns (table_name TEXT PRIMARY KEY, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL);
        CREATE VIEW {view} AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
            SELECT i AS fid, x'47500001e6100000010100000000000000000022400000000000804640' AS geom FROM n {"WHERE i < 0" if view == "silent" else ""};
        INSERT INTO gpkg_contents VALUES ('{view}', 'features', '{view}', '', '2020-01-01T00:00:00Z', NULL, NULL, NULL, NULL, 4326);
        INSERT INTO gpkg_geometry_columns VALUES ('{view}', 'geom', 'POINT', 4326, 0, 0);
    """)
    con.close()


@pytest.fixture(scope="module")
def files(folder):
    values = np.random.default_rng(0).integers(0, 255, (12000, 12000)).astype("uint8")
    write_raster(folder / "land.tif", values, compress="deflate", zlevel=1, tiled=True)
    for view in ("endless", "silent"):
        endless(folder / f"{view}.gpkg", view)
    with netCDF4.Dataset(folder / "casts.nc", "w") as file:
        file.featureType = "profile"
        for name, size in (("profile", 40000), ("z", 500)):
            file.createDimension(name, size)
        for name, dims, unit in (("lon", ("profile",), "degrees_east"), ("lat", ("profile",), "degrees_north"), ("depth", ("z",), "m"), ("temp", ("profile", "z"), "degC")):
            variable = file.createVariable(name, "f4", dims, zlib=True, complevel=1)
            variable.units, variable.standard_name = unit, {"lon": "longitude", "lat": "latitude", "depth": "depth", "temp": "sea_water_temperature"}[name]
            if name == "depth":
                variable.positive = "down"
            if name == "temp":
                variable.coordinates = "lon lat depth"
            variable[:] = np.random.default_rng(0).random([file.dimensions[d].size for d in dims], dtype="float32") if name != "depth" else np.arange(500)
    connect().execute(f"COPY (SELECT i % 360 - 180.0 AS lon, i % 180 - 90.0 AS lat, list_transform(range(300), lambda z: z::DOUBLE) AS depth, list_transform(range(300), lambda z: z::FLOAT) AS temp FROM range(30000) t(i)) TO '{folder}/casts.parquet'")
    with open(folder / "hole.bin", "wb") as file:
        file.truncate(40 << 30)
    return folder


def test_no_function_is_left_out(con):
    names = {name for name, kind in con.execute("SELECT name, kind FROM geoquilt_functions()").fetchall() if not kind.endswith("macro")}
    known = set(JOBS) | TOLD | ROWS
    assert names == known, names ^ known


@pytest.mark.parametrize("name, sql", LONG, ids=[f"{name}-{i}" for i, (name, _) in enumerate(LONG)])
def test_each_function_ends_within_a_second(files, name, sql):
    con = connect()
    con.execute("SET geoquilt_block_cache_mb = 16; SET geoquilt_max_chunk_mb = 2048")
    after = 0.7
    if "{pixels}" in sql:
        con.execute(f"CREATE TABLE pixels AS FROM {PIXELS}")
        sql = sql.replace("{pixels}", "pixels")
    assert until_interrupted(con, sql.replace("{folder}", str(files)), after) < SOON
