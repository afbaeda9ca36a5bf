"""Graphs, caps and what patches hold against scipy, geopandas and brute force."""
import time

import geopandas as gpd
import numpy as np
import pytest
import shapely
from scipy.spatial import cKDTree

RADIUS = 6371.0088


def haversine(lon, lat, other_lon, other_lat):
    lon, lat, other_lon, other_lat = map(np.radians, (lon, lat, other_lon, other_lat))
    square = np.sin((other_lat - lat) / 2) ** 2 + np.cos(lat) * np.cos(other_lat) * np.sin((other_lon - lon) / 2) ** 2
    return 2 * RADIUS * np.arcsin(np.sqrt(np.minimum(square, 1)))


@pytest.fixture
def globe(con, rng):
    """Points of the whole sphere, its poles and both sides of the antimeridian among them."""
    lon, lat = rng.uniform(-180, 180, 600), np.degrees(np.arcsin(rng.uniform(-1, 1, 600)))
    lon[:4], lat[:4] = [0, 120, 179.99, -179.99], [90, -90, 10, 10]
    con.execute("CREATE TABLE globe (id BIGINT, lon DOUBLE, lat DOUBLE)")
    con.executemany("INSERT INTO globe VALUES (?, ?, ?)", [(1000 + i, x, y) for i, (x, y) in enumerate(zip(lon, lat))])
    return lon, lat, haversine(lon[:, None], lat[:, None], lon[None], lat[None])


def edges(con, call):
    return con.execute(f"FROM geoquilt.{call}").df()


def test_the_nearest_on_the_sphere_are_those_of_brute_force(con, globe):
    far = globe[2].copy()
    np.fill_diagonal(far, np.inf)
    got = edges(con, "knn_graph('globe', 5)")
    order = np.argsort(far, axis=1, kind="stable")[:, :5]
    assert list(got["source"]) == list(np.repeat(np.arange(600), 5) + 1000)
    assert list(got["target"] - 1000) == list(order.ravel())
    np.testing.assert_allclose(got["distance"], np.take_along_axis(far, order, 1).ravel(), rtol=1e-9)


def test_all_within_a_radius_on_the_sphere_are_those_of_brute_force(con, globe):
    far = globe[2]
    got = edges(con, "radius_graph('globe', 700)")
    want = {(i, j) for i, j in zip(*np.nonzero(far <= 700)) if i != j}
    assert set(zip(got["source"] - 1000, got["target"] - 1000)) == want and len(got) == len(want) > 600
    np.testing.assert_allclose(got["distance"], far[got["source"] - 1000, got["target"] - 1000], rtol=1e-7, atol=1e-6)
    own = edges(con, "radius_graph('globe', 700, own := true)")
    assert len(own) == len(want) + 600


def test_graphs_on_the_plane_are_scipys(con, rng):
    points, anchors = rng.normal(size=(3000, 2)) * 1000, rng.normal(size=(200, 2)) * 1000
    for name, rows in (("points", points), ("anchors", anchors)):
        con.execute(f"CREATE TABLE {name} (id VARCHAR, x DOUBLE, y DOUBLE)")
        con.executemany(f"INSERT INTO {name} VALUES (?, ?, ?)", [(f"{i:05}", x, y) for i, (x, y) in enumerate(rows)])
    distance, index = cKDTree(points).query(anchors, k=7)
    got = edges(con, "knn_graph('points', 7, anchors := 'anchors', metric := 'plane')")
    assert list(got["target"].astype(int)) == list(index.ravel())
    np.testing.assert_allclose(got["distance"], distance.ravel(), rtol=1e-12)
    near = cKDTree(points).query_ball_point(anchors, 90)
    got = edges(con, "radius_graph('points', 90, anchors := 'anchors', metric := 'plane')")
    assert set(zip(got["source"].astype(int), got["target"].astype(int))) == {(i, j) for i, row in enumerate(near) for j in row}


def test_ties_go_to_the_smaller_id_and_duplicates_are_neighbours(con):
    con.execute("CREATE TABLE points AS SELECT 9 - i AS id, (i % 3)::DOUBLE AS x, 0.0 AS y FROM range(9) t(i)")
    got = con.execute("SELECT source, list(target), list(distance) FROM geoquilt.knn_graph('points', 4, metric := 'plane') GROUP BY source ORDER BY source").fetchall()
    where = {9 - i: i % 3 for i in range(9)}
    for source, targets, distances in got:
        want = sorted((abs(where[source] - where[i]), i) for i in where if i != source)[:4]
        assert list(zip(distances, targets)) == want


def test_points_may_come_as_geometry_and_rows_without_a_place_are_none(con):
    con.execute("CREATE TABLE points AS SELECT i AS id, CASE WHEN i < 3 THEN ('POINT (' || i || ' 0)')::GEOMETRY END AS geometry FROM range(5) t(i)")
    got = edges(con, "knn_graph('points', 1)")
    assert list(zip(got["source"], got["target"])) == [(0, 1), (1, 0), (2, 1)]


@pytest.mark.alone
def test_a_million_points_have_eight_neighbours_in_seconds(con):
    con.execute("CREATE TABLE points AS SELECT i AS id, (i * 7919 % 360007) / 1000.0 - 180 AS lon, (i * 104729 % 180001) / 1000.0 - 90 AS lat FROM range(1000000) t(i)")
    start = time.perf_counter()
    assert con.execute("SELECT count(*) FROM geoquilt.knn_graph('points', 8)").fetchone() == (8_000_000,)
    assert time.perf_counter() - start < 60


@pytest.mark.parametrize("lon, lat, radius", [(10, 54, 400), (180, 0, 900), (-179.6, -30, 500), (33, 89, 700), (0, -90, 1500), (77, 12, 1)])
def test_a_cap_is_that_of_brute_force_at_poles_and_antimeridian_too(con, lon, lat, radius):
    cap = con.execute(f"SELECT geo_spherical_cap({lon}, {lat}, {radius}, geo_slice({{xmin: -180, ymin: -90, xmax: 180, ymax: 90}}, 1, 'OGC:CRS84'))").fetchone()[0]
    rows, cols = np.indices((180, 360))
    far = haversine(lon, lat, cols - 179.5, 89.5 - rows)
    assert [(c["row"], c["col"]) for c in cap["cells"]] == list(zip(*np.nonzero(far <= radius)))
    np.testing.assert_allclose([c["distance_km"] for c in cap["cells"]], far[far <= radius], rtol=1e-9)
    held = np.zeros((180, 360), bool)
    for win in cap["wins"]:
        held[win["row_off"] : win["row_off"] + win["height"], win["col_off"] : win["col_off"] + win["width"]] = True
    assert (held | (far > radius)).all() and len(cap["wins"]) == (0 if radius == 1 else 2 if abs(lon) > 170 else 1)


@pytest.fixture
def patches(con):
    con.execute("CREATE TABLE grid AS FROM geo_patch_grid({xmin: 170, ymin: 40, xmax: 190, ymax: 60}, resolution := 0.5, size := 10)")
    return con.execute("SELECT patch_id, bbox.xmin, bbox.ymin, bbox.xmax, bbox.ymax FROM grid").fetchall()


def test_a_point_lies_in_one_patch_and_pixel_over_the_antimeridian_too(con, patches, rng):
    lon, lat = rng.uniform(165, 195, 2000).round(2), rng.uniform(38, 62, 2000).round(2)
    con.execute("CREATE TABLE points (id BIGINT, geometry GEOMETRY)")
    con.executemany("INSERT INTO points SELECT ?, ?::GEOMETRY", [(i, f"POINT ({(x + 180) % 360 - 180} {y})") for i, (x, y) in enumerate(zip(lon, lat))])
    got = con.execute("""SELECT id, patch_id, "row", col FROM geoquilt.patch_points('grid', 'points')""").fetchall()
    want = []
    for i, (x, y) in enumerate(zip((lon + 180) % 360 - 180 + np.where((lon + 180) % 360 - 180 < 0, 360, 0), lat)):
        for patch, xmin, ymin, xmax, ymax in patches:
            if xmin <= x < xmax and ymin < y <= ymax:
                want.append((i, patch, int((ymax - y) // 0.5), int((x - xmin) // 0.5)))
    assert sorted(got) == sorted(want) and len(want) > 800


def test_features_meet_the_patches_that_geopandas_says(con, patches, rng):
    shapes = [shapely.Point(x, y).buffer(r) for x, y, r in zip(rng.uniform(165, 178, 60), rng.uniform(38, 62, 60), rng.uniform(0.1, 2, 60))]
    con.execute("CREATE TABLE features (id BIGINT, geometry GEOMETRY)")
    con.executemany("INSERT INTO features SELECT ?, ?::GEOMETRY", [(i, s.wkt) for i, s in enumerate(shapes)])
    got = con.execute("SELECT id, patch_id FROM geoquilt.patch_features('grid', 'features')").fetchall()
    boxes = gpd.GeoDataFrame({"patch_id": [p[0] for p in patches]}, geometry=[shapely.box(*p[1:]) for p in patches])
    joined = gpd.sjoin(gpd.GeoDataFrame({"id": range(60)}, geometry=shapes), boxes, predicate="intersects")
    assert sorted(got) == sorted(zip(joined["id"], joined["patch_id"])) and len(got) > 30


@pytest.mark.parametrize("call, message", [
    ("geoquilt.knn_graph('points', 3)", r"knn_graph\(k\): 3 neighbours were asked for, and there are 2"),
    ("geoquilt.knn_graph('points', 0)", r"geo_neighbours\(near\): 0 is not valid"),
    ("geoquilt.knn_graph('twice', 1)", r"knn_graph\(points\): an id stands in several rows"),
    ("geoquilt.knn_graph('points', NULL)", r"knn_graph\(k\): NULL is not valid: must be at least 1"),
    ("geoquilt.radius_graph('points', NULL)", r"radius_graph\(radius\): NULL is not valid: must be a distance above 0"),
    ("geoquilt.radius_graph('points', 1, metric := NULL)", r"radius_graph\(metric\): NULL is not a metric"),
    ("geoquilt.knn_graph('points', 1, metric := 'taxi')", r"knn_graph\(metric\): \"taxi\" is not a metric"),
    ("geoquilt.radius_graph('points', -1)", r"geo_neighbours\(near\): -1 is not valid: must be a distance above 0"),
    ("geoquilt.knn_graph('north', 1)", r"geo_neighbours\(points\): \(0, 91\), point 1, is not valid"),
    ("(SELECT geo_spherical_cap(0, 91, 5, geo_slice({xmin: 0, ymin: 0, xmax: 2, ymax: 2}, 1, 'OGC:CRS84')))", r"geo_spherical_cap\(lat\): 91"),
    ("(SELECT geo_spherical_cap(0, 9, 0, geo_slice({xmin: 0, ymin: 0, xmax: 2, ymax: 2}, 1, 'OGC:CRS84')))", r"geo_spherical_cap\(radius_km\): 0"),
    ("(SELECT geo_spherical_cap(0, 9, 1, geo_slice({xmin: 500000, ymin: 4000000, xmax: 500020, ymax: 4000020}, 10, 'EPSG:32629')))", r"geo_spherical_cap\(slice\)"),
])
def test_bad_input_is_told(con, call, message):
    con.execute("CREATE TABLE points AS SELECT i AS id, i::DOUBLE AS lon, 0.0 AS lat FROM range(3) t(i)")
    con.execute("CREATE TABLE twice AS SELECT 1 AS id, i::DOUBLE AS lon, 0.0 AS lat FROM range(3) t(i)")
    con.execute("CREATE TABLE north AS SELECT i AS id, 0.0 AS lon, 91.0 AS lat FROM range(2) t(i)")
    with pytest.raises(Exception, match=message):
        con.execute(f"FROM {call}").fetchall()
