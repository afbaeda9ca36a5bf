"""Samplers of geo_patch_grid against NumPy, scipy and brute force."""
import time

import numpy as np
import pytest
from conftest import write_raster
from rasterio.transform import from_origin
from scipy.spatial import cKDTree
from scipy.stats import chi2

RADIUS = 6371.0088
BOX = "{xmin: 0, ymin: 0, xmax: 12, ymax: 10}"


def grid(con, source, **words):
    given = ", ".join(f"{name} := {value}" for name, value in words.items())
    return con.execute(f"SELECT patch_id, win.row_off AS row, win.col_off AS col, bbox, land_fraction, status, lon_center AS lon, lat_center AS lat FROM geo_patch_grid({source}, {given})").df()


def land_mask(tmp_path, rng, height, width, resolution, west=0.0, north=None):
    north = resolution * height if north is None else north
    land = np.zeros((height, width), "uint8")
    land[: height // 3, : width // 2] = 1
    land |= (rng.random((height, width)) < 0.05).astype("uint8")
    return write_raster(tmp_path / "land.tif", land, crs="EPSG:4326", transform=from_origin(west, north, resolution, resolution)), land


def shares(land, size):
    table = np.pad(land.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    return (table[size:, size:] - table[:-size, size:] - table[size:, :-size] + table[:-size, :-size]) / size**2


def test_random_is_uniform_over_every_valid_position_corners_included(con):
    got = grid(con, BOX, resolution=1, size=4, sampler="'random'", n=60_000, seed=5)
    seen = np.zeros((7, 9))
    np.add.at(seen, (got["row"], got["col"]), 1)
    expected = len(got) / seen.size
    assert ((seen - expected) ** 2 / expected).sum() < chi2.ppf(0.999, seen.size - 1)
    assert list(got["patch_id"]) == list(range(60_000))


def test_random_draws_what_numpy_draws(con):
    got = grid(con, BOX, resolution=1, size=4, sampler="'random'", n=50, seed=9)
    stream = np.random.default_rng(9)
    want = []
    while len(want) < 50:  # at least 64 darts at once
        want += [(stream.integers(7), stream.integers(9)) for _ in range(64)]
    assert list(zip(got["row"], got["col"])) == want[:50]
    distinct = grid(con, BOX, resolution=1, size=4, sampler="'random'", n=50, seed=9, replace="false")
    order = np.random.default_rng(9).choice(63, 50, replace=False)
    assert list(zip(distinct["row"], distinct["col"])) == [(i // 9, i % 9) for i in order]


def test_random_over_a_mask_is_uniform_over_the_places_with_little_land_and_in_forced_regions(con, tmp_path, rng):
    path, land = land_mask(tmp_path, rng, 30, 40, 1.0)
    size, cap = 6, 0.2
    share = shares(land, size)
    rows, cols = np.indices(share.shape)
    lon, lat = cols + size / 2, 30 - rows - size / 2
    forced = (lon >= 2) & (lon <= 8) & (lat >= 20) & (lat <= 28) & (share <= 0.9)
    valid = (share <= cap) | forced
    assert 0 < (forced & (share > cap)).sum() < valid.sum() < valid.size
    region = "[{name: 'home', xmin: 2, ymin: 20, xmax: 8, ymax: 28, max_land_fraction: 0.9}]"
    words = dict(size=size, max_land_fraction=cap, force_include=region, sampler="'random'")
    got = grid(con, f"'{path}'", n=valid.sum() * 100, **words)
    seen = np.zeros(share.shape)
    np.add.at(seen, (got["row"], got["col"]), 1)
    assert (seen[~valid] == 0).all() and (seen[valid] > 0).all()
    assert ((seen[valid] - 100) ** 2 / 100).sum() < chi2.ppf(0.999, valid.sum() - 1)
    np.testing.assert_array_equal(got["land_fraction"], share[got["row"], got["col"]])
    everything = grid(con, f"'{path}'", n=valid.sum(), replace="false", **words)
    assert set(zip(everything["row"], everything["col"])) == set(zip(*np.nonzero(valid)))
    with pytest.raises(Exception, match=rf"geo_patch_grid\(sampler\): {valid.sum() + 1} places were asked for, and of {valid.size} only {valid.sum()} are kept"):
        grid(con, f"'{path}'", n=valid.sum() + 1, replace="false", **words)


def test_random_finds_the_few_places_that_are_kept_and_says_when_there_is_none(con, tmp_path):
    land = np.ones((2100, 2100), "uint8")
    land[700:708, 900:908] = 0
    path = write_raster(tmp_path / "pond.tif", land, crs="EPSG:4326", transform=from_origin(0, 21, 0.01, 0.01))
    got = grid(con, f"'{path}'", size=8, max_land_fraction=0, sampler="'random'", n=3)
    assert set(zip(got["row"], got["col"])) == {(700, 900)} and len(got) == 3
    with pytest.raises(Exception, match=rf"of {2092**2} only 0 are kept, the others hold too much land"):
        grid(con, f"'{path}'", size=9, max_land_fraction=0, sampler="'random'", n=3)


@pytest.mark.alone
def test_a_million_random_patches_over_a_mask_of_a_tenth_of_a_degree(con, tmp_path, rng):
    path, _ = land_mask(tmp_path, rng, 1800, 3600, 0.1, west=-180, north=90)
    query = f"SELECT count(*), max(land_fraction) FROM geo_patch_grid('{path}', size := 128, max_land_fraction := 0.3, sampler := 'random', n := 1000000)"
    con.execute(query.replace("1000000", "1000")).fetchone()
    start = time.perf_counter()
    count, most = con.execute(query).fetchone()
    assert count == 1_000_000 and most <= 0.3
    assert time.perf_counter() - start < 2 * 3, "three times what a quiet machine of two cores may take"


def test_jittered_is_the_regular_grid_moved_as_numpy_moves_it(con):
    box = "{xmin: 0, ymin: 0, xmax: 50, ymax: 41}"
    regular = grid(con, box, resolution=1, size=8, stride="[6, 7]")
    got = grid(con, box, resolution=1, size=8, stride="[6, 7]", sampler="'jittered'", jitter=0.4, seed=3)
    moves = np.random.default_rng(3).uniform(-0.4, 0.4, (len(regular), 2))
    want = np.rint(regular[["row", "col"]].to_numpy() + moves * [6, 7]).clip([0, 0], [33, 42])
    np.testing.assert_array_equal(got[["row", "col"]].to_numpy(), want)
    assert list(got["patch_id"]) == list(regular["patch_id"])


def test_jittered_patches_are_filtered_as_brute_force_filters_them(con, tmp_path, rng):
    path, land = land_mask(tmp_path, rng, 60, 80, 0.5)
    words = dict(size=7, stride=5, max_land_fraction=0.3, sampler="'jittered'")
    everything = grid(con, f"'{path}'", include_rejected="true", **words)
    share = shares(land, 7)[everything["row"], everything["col"]]
    np.testing.assert_array_equal(everything["land_fraction"], share)
    assert ((everything["status"] == "rejected") == (share > 0.3)).all()
    kept = grid(con, f"'{path}'", **words)
    assert list(kept["patch_id"]) == list(everything["patch_id"][share <= 0.3])


def unit(lon, lat):
    lon, lat = np.radians(lon), np.radians(lat)
    return np.c_[np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]


@pytest.mark.parametrize("distance", [150, 700, 2500])
def test_poisson_disk_on_the_sphere_holds_its_distance_and_leaves_no_free_spot(con, distance):
    words = dict(resolution=1, size=4)
    box = "{xmin: -180, ymin: -90, xmax: 180, ymax: 90}"
    got = grid(con, box, sampler="'poisson_disk'", min_distance=distance, **words)
    places = unit(got["lon"], got["lat"])
    chord = 2 * np.sin(distance / RADIUS / 2)
    tree = cKDTree(places)
    assert tree.query(places, k=2)[0][:, 1].min() >= chord * (1 - 1e-12)
    every = grid(con, box, stride=1, **words)
    assert tree.query(unit(every["lon"], every["lat"]))[0].max() < chord, "a spot where one more would fit"


def test_poisson_disk_on_the_plane_holds_its_distance_and_leaves_no_free_spot(con):
    words = dict(resolution=10, crs="'EPSG:32629'", size="[4, 6]")
    box = "{xmin: 500000, ymin: 4000000, xmax: 502000, ymax: 4001500}"
    got = grid(con, box, sampler="'poisson_disk'", min_distance=130, seed=2, **words)
    centre = lambda rows: np.array([((b["xmin"] + b["xmax"]) / 2, (b["ymin"] + b["ymax"]) / 2) for b in rows["bbox"]])
    tree = cKDTree(centre(got))
    assert tree.query(centre(got), k=2)[0][:, 1].min() >= 130
    assert tree.query(centre(grid(con, box, stride=1, **words)))[0].max() < 130
    some = grid(con, box, sampler="'poisson_disk'", min_distance=130, seed=2, n=20, **words)
    assert len(some) == 20 and set(zip(some["row"], some["col"])) < set(zip(got["row"], got["col"]))
    with pytest.raises(Exception, match=rf"geo_patch_grid\(sampler\): 5000 places were asked for, and {len(got)} stand 130 apart"):
        grid(con, box, sampler="'poisson_disk'", min_distance=130, seed=2, n=5000, **words)


@pytest.mark.parametrize("crs, distance, n", [("'OGC:CRS84'", 20015, 1), ("'OGC:CRS84'", 1e-308, 19 * 37), ("'OGC:CRS84'", 5e-324, 19 * 37), ("'EPSG:3857'", 1e300, 1), ("'EPSG:3857'", 1e-300, 19 * 37), ("'EPSG:3857'", 5e-324, 19 * 37)])
def test_poisson_disk_of_any_distance_ends(con, crs, distance, n):
    """One place where none is so far from it, and each place once where all are."""
    got = grid(con, "{xmin: -20, ymin: -10, xmax: 18, ymax: 10}", crs=crs, resolution=1, size=2, sampler="'poisson_disk'", min_distance=distance)
    assert len(got) == n == len(set(zip(got["row"], got["col"])))


def test_poisson_disk_reaches_every_water_of_a_mask(con, tmp_path):
    land = np.ones((60, 90), "uint8")
    land[5:20, 5:20] = land[40:55, 60:85] = land[30:36, 10:16] = 0
    path = write_raster(tmp_path / "lakes.tif", land, crs="EPSG:32632", transform=from_origin(0, 600, 10, 10))
    got = grid(con, f"'{path}'", size=5, max_land_fraction=0, sampler="'poisson_disk'", min_distance=40)
    assert {(r < 25, c < 25) for r, c in zip(got["row"], got["col"])} == {(True, True), (False, False), (False, True)}
    rows, cols = np.nonzero(shares(land, 5) == 0)
    tree = cKDTree(got[["row", "col"]].to_numpy() * 10)
    assert tree.query(np.c_[rows, cols] * 10)[0].max() < 40


def test_explicit_centres_windows_and_edges(con):
    words = dict(resolution=1, sampler="'explicit'")
    got = lambda anchors, **more: [tuple(map(int, row)) for row in grid(con, BOX, anchors=anchors, **words, **more)[["patch_id", "row", "col"]].to_numpy()]
    # Centres at (x, y) in a box whose upper left is (0, 10): an even window about a crossing, an odd one about a pixel.
    assert got("[{x: 5, y: 6}, {x: 5.2, y: 6.4}]", size=4) == [(0, 2, 3), (1, 2, 3)]
    assert got("[{x: 5.2, y: 6.4}]", size=3) == [(0, 2, 4)]
    assert got("[{x: 5.0, y: 6.0}]", size=1) == [(0, 4, 5)]
    assert got("[{x: 0.5, y: 9.5}, {x: 11.9, y: 0.1}]", size=4) == [(0, 0, 0), (1, 6, 8)]
    assert got("[{x: 0.5, y: 9.5}, {x: 5, y: 6}]", size=4, edge="'drop'") == [(0, 2, 3)]
    assert got("[{x: 0.5, y: 9.5}]", size=4, edge="'overflow'") == [(0, -1, -1)]
    assert got("[{row_off: 6, col_off: 8}, {row_off: 6, col_off: 8}]", size=4) == [(0, 6, 8), (1, 6, 8)]
    point = "[geo_project('POINT (5 6)'::GEOMETRY, 'OGC:CRS84', 'EPSG:3857')]"
    assert got(point, size=4, anchors_crs="'EPSG:3857'") == [(0, 2, 3)]


def test_explicit_anchors_come_from_a_variable(con):
    con.execute("SET VARIABLE stations = (SELECT list({x: i, y: i} ORDER BY i) FROM range(3, 6) t(i))")
    got = grid(con, BOX, resolution=1, size=2, sampler="'explicit'", anchors="getvariable('stations')")
    assert list(zip(got["row"], got["col"])) == [(6, 2), (5, 3), (4, 4)]


@pytest.mark.parametrize("words, message", [
    (dict(n=5), r"geo_patch_grid\(n\): sampler \"regular\" takes no n"),
    (dict(sampler="'random'"), r"geo_patch_grid\(n\): sampler \"random\" needs n"),
    (dict(sampler="'random'", n=0), r"geo_patch_grid\(n\): 0 is not valid"),
    (dict(sampler="'random'", n=5, stride=2), r"geo_patch_grid\(stride\): sampler \"random\" takes no stride"),
    (dict(sampler="'random'", n=5, include_rejected="true"), r"geo_patch_grid\(include_rejected\).*no rejected ones"),
    (dict(sampler="'random'", n=64, replace="false", size=4), r"64 distinct places were asked for, and there are 63"),
    (dict(sampler="'random'", n=5, size=11), r"geo_patch_grid\(size\): an axis of 10 pixels is shorter than the window of 11"),
    (dict(sampler="'jittered'", jitter=0), r"geo_patch_grid\(jitter\): 0 is not valid"),
    (dict(sampler="'jittered'", jitter="'NaN'::DOUBLE"), r"geo_patch_grid\(jitter\)"),
    (dict(sampler="'poisson_disk'"), r"geo_patch_grid\(min_distance\): sampler \"poisson_disk\" needs min_distance"),
    (dict(sampler="'poisson_disk'", min_distance=-1), r"geo_patch_grid\(min_distance\): -1 is not valid: must be above 0"),
    (dict(sampler="'poisson_disk'", min_distance=0), r"geo_patch_grid\(min_distance\): 0 is not valid: must be above 0"),
    (dict(sampler="'poisson_disk'", min_distance="'nan'::DOUBLE"), r"geo_patch_grid\(min_distance\): NaN is not valid: must be a finite number"),
    (dict(sampler="'poisson_disk'", min_distance="'inf'::DOUBLE"), r"geo_patch_grid\(min_distance\): inf is not valid: must be a finite number"),
    (dict(sampler="'poisson_disk'", min_distance=20016, n=1), r"geo_patch_grid\(min_distance\): 20016 is not valid: must be a distance of at most half the globe, 20015 km"),
    (dict(sampler="'poisson_disk'", min_distance=1e300), r"geo_patch_grid\(min_distance\): 1e300 is not valid: must be a distance of at most half the globe, 20015 km"),
    (dict(sampler="'explicit'"), r"geo_patch_grid\(anchors\): sampler \"explicit\" needs anchors"),
    (dict(sampler="'explicit'", anchors="[{x: 40, y: 5}]"), r"geo_patch_grid\(anchors\): anchor 1 at \(40, 5\) lies off the grid"),
    (dict(sampler="'explicit'", anchors="[{row_off: 99, col_off: 0}]", size=4), r"geo_patch_grid\(anchors\): anchor 1, row 99 and column 0, lies off the grid"),
    (dict(sampler="'explicit'", anchors="[1, 2]"), r"geo_patch_grid\(anchors\): 1 is not valid"),
    (dict(sampler="'explicit'", anchors="[{x: 'NaN'::DOUBLE, y: 5}]"), r"geo_patch_grid\(anchors\)"),
    (dict(sampler="'halton'", n=5), r"geo_patch_grid\(sampler\).*halton.*not a sampler"),
    (dict(sampler="'random'", n=5, seed=-1), r"geo_patch_grid\(seed\): -1 is not valid"),
])
def test_bad_words_are_told(con, words, message):
    with pytest.raises(Exception, match=message):
        grid(con, BOX, resolution=1, **({"size": 2} | words))


@pytest.mark.parametrize("threads", [1, 4])
def test_the_draw_does_not_depend_on_threads(con, threads):
    query = "SELECT patch_id, win FROM geo_patch_grid({xmin: -180, ymin: -60, xmax: 180, ymax: 60}, resolution := 0.5, size := 16, %s)"
    for words in ("sampler := 'random', n := 40000", "sampler := 'jittered', stride := 2", "sampler := 'poisson_disk', min_distance := 300"):
        want = con.execute(query % words).fetchall()
        con.execute(f"SET threads = {threads}")
        con.execute(f"SET geoquilt_threads = {threads}")
        assert con.execute(query % words).fetchall() == want
