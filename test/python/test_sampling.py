"""Slices cut and drawn over catalogs, their files, pairs, classes in balance: against NumPy, shapely, rasterio and brute force."""
import datetime as dt
import time
from pathlib import Path

import geopandas
import duckdb
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
import shapely.affinity
from conftest import connect, write_raster
from pyproj import Transformer
from rasterio import features
from rasterio.transform import Affine, from_bounds, from_origin
from rasterio.warp import calculate_default_transform
from rasterio.windows import from_bounds as window_from_bounds
from scipy.stats import chi2, kstest

UTM = "EPSG:32629"


def chi(seen, expected):
    """The statistic, and what one draw in a thousand goes beyond."""
    seen, expected = np.asarray(seen, float), np.broadcast_to(np.asarray(expected, float), np.shape(seen))
    return ((seen - expected) ** 2 / expected).sum(), chi2.ppf(0.999, seen.size - 1)


def scene(tmp_path, name, west, north, shape=(40, 60), step=10, crs=UTM):
    data = np.arange(shape[0] * shape[1]).reshape(shape).astype("uint16")
    return write_raster(tmp_path / name, data, crs=crs, transform=from_origin(west, north, step, step))


def files(con, tmp_path, crs="OGC:CRS84", name="cat", where="*.tif"):
    con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM geo_catalog_build('{tmp_path}/{where}', filename_regex := '_(?P<date>\\d{{8}})', crs := '{crs}')")


def shaped(con, wkt, name="cat"):
    """The catalog with another footprint in place of each row's."""
    con.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * REPLACE (ST_SetCRS('{wkt}'::GEOMETRY, ST_CRS(geometry)) AS geometry, geo_bbox('{wkt}'::GEOMETRY) AS bbox) FROM {name}")


def rows(con, sql):
    cursor = con.execute(sql)
    names = [d[0] for d in cursor.description]
    return [dict(zip(names, row)) for row in cursor.fetchall()]


def corner(win):
    return win["row_off"], win["col_off"]


def starts(length, size, stride, edge):
    """Brute force of the five rules, from their sentences."""
    whole = [s for s in range(0, length, stride) if s + size <= length]
    if edge == "drop":
        return whole
    if edge == "pad":
        return list(range(0, length, stride))
    if whole[-1] + size < length:
        whole = whole + ([length - size] if edge == "snap" else [whole[-1] + stride] if whole[-1] + stride < length else [])
    over = max(whole[-1] + size - length, 0) if edge == "center" else 0
    return [s - over // 2 for s in whole]


@pytest.mark.parametrize("crs", ["OGC:CRS84", UTM])
@pytest.mark.parametrize("edge", ["drop", "snap", "overflow", "center", "pad"])
def test_slices_of_a_catalog_are_the_windows_of_each_file(con, tmp_path, crs, edge):
    scene(tmp_path, "b_20200101.tif", 500_000, 4_000_000)
    scene(tmp_path, "a_20200102.tif", 520_000, 4_000_000, shape=(33, 47))
    files(con, tmp_path, crs)
    got = rows(con, f"SELECT * FROM geoquilt.patch_slices('cat', [16, 20], stride := [10, 14], edge := '{edge}')")
    want = [(name, (r, c)) for name, (h, w) in (("a_20200102.tif", (33, 47)), ("b_20200101.tif", (40, 60)))
            for r in starts(h, 16, 10, edge) for c in starts(w, 20, 14, edge)]
    assert [(Path(row["path"]).name, corner(row["win"])) for row in got] == want
    assert [row["patch_id"] for row in got] == list(range(len(want)))
    for row in got:
        with rasterio.open(row["path"]) as src:
            r, c = corner(row["win"])
            west, north = src.transform @ (c, r)
            assert row["slice"]["bbox"] == dict(xmin=west, xmax=west + 200, ymax=north, ymin=north - 160)
            assert (row["slice"]["width"], row["slice"]["height"], row["slice"]["crs"]) == (20, 16, UTM)
            assert (row["slice"]["t_min"], row["slice"]["t_max"]) == (row["t_min"], row["t_max"])
            assert row["is_partial"] == (r < 0 or c < 0 or r + 16 > src.height or c + 20 > src.width)


def test_the_slices_of_an_intersection_are_its_shared_pixels(con, tmp_path):
    a = scene(tmp_path, "a_20200101.tif", 500_000, 4_000_000, shape=(100, 100))
    scene(tmp_path, "b_20200101.tif", 500_400, 3_999_700, shape=(100, 100))
    for crs in (UTM, "OGC:CRS84"):
        files(con, tmp_path, crs, "a", "a_*.tif")
        files(con, tmp_path, crs, "b", "b_*.tif")
        con.execute("CREATE OR REPLACE TABLE shared AS FROM geoquilt.catalog_intersect('a', 'b')")
        got = rows(con, "FROM geoquilt.patch_slices('shared', 20)")
        # Rows 30 to 100 and columns 40 to 100 of a.
        assert [corner(row["win"]) for row in got] == [(r, c) for r in (30, 50, 70, 80) for c in (40, 60, 80)]
        assert all(row["path"] == a for row in got)
        with rasterio.open(a) as src:
            data = src.read(1)
        for row in rows(con, "SELECT win, read_slice(path, slice).data AS data FROM geoquilt.patch_slices('shared', 20)"):
            r, c = corner(row["win"])
            np.testing.assert_array_equal(np.reshape(row["data"], (20, 20)), data[r:r + 20, c:c + 20])


def test_slices_of_a_resolution_lie_over_any_footprint_and_meet_it(con, tmp_path):
    scene(tmp_path, "a_20200101.tif", 500_000, 4_000_000)
    files(con, tmp_path, "EPSG:3857")
    triangle = shapely.Polygon([(0, 0), (1000, 0), (0, 1000)])
    shaped(con, triangle.wkt)
    got = rows(con, "FROM geoquilt.patch_slices('cat', 8, resolution := 10, crs := 'EPSG:3857', edge := 'overflow')")
    boxes = [shapely.box(*(row["slice"]["bbox"][k] for k in ("xmin", "ymin", "xmax", "ymax"))) for row in got]
    grid = [shapely.box(x, y - 80, x + 80, y) for y in range(1000, 0, -80) for x in range(0, 1000, 80)]
    want = [box for box in grid if box.intersection(triangle).area > 0]
    assert len(boxes) == len(want) and all(a.equals(b) for a, b in zip(boxes, want))
    assert shapely.union_all(boxes).covers(triangle) and all(row["win"] is None for row in got)


def test_a_scene_on_the_antimeridian_is_cut_whole_and_drawn_whole(con, tmp_path):
    """Its footprint is two polygons in longitude and latitude, and the file one raster."""
    scene(tmp_path, "a_20200101.tif", 160_000, 1_000_000, shape=(80, 120), step=500, crs="EPSG:32601")
    files(con, tmp_path)
    assert con.execute("SELECT bbox.xmin, bbox.xmax FROM cat").fetchone() == (-180, 180)
    got = rows(con, "FROM geoquilt.patch_slices('cat', 40)")
    assert [corner(row["win"]) for row in got] == [(r, c) for r in (0, 40) for c in (0, 40, 80)]
    drawn = rows(con, "FROM geoquilt.patch_sample('cat', 20000, [71, 115])")
    seen = np.zeros((10, 6))
    for row in drawn:
        seen[corner(row["win"])] += 1
    statistic, most = chi(seen, 20000 / 60)
    assert statistic < most
    # A part of it, which the overlay of footprints cuts out: places across the line stay.
    shaped(con, "MULTIPOLYGON (((179.5 8.5, 180 8.5, 180 9, 179.5 9, 179.5 8.5)), ((-180 8.5, -179.7 8.5, -179.7 9, -180 9, -180 8.5)))")
    part = rows(con, "FROM geoquilt.patch_sample('cat', 3000, 8)")
    to_globe = Transformer.from_crs("EPSG:32601", "EPSG:4326", always_xy=True)
    for row in part:
        b = row["slice"]["bbox"]
        lon, lat = to_globe.transform([b["xmin"] + 250, b["xmax"] - 250, b["xmin"] + 250, b["xmax"] - 250], [b["ymin"] + 250, b["ymin"] + 250, b["ymax"] - 250, b["ymax"] - 250])
        lon = np.array(lon) % 360
        assert lon.min() > 179.5 and lon.max() < 180.3 and min(lat) > 8.5 and max(lat) < 9
    across = [row for row in part if to_globe.transform(row["slice"]["bbox"]["xmin"], row["slice"]["bbox"]["ymin"])[0] > 0 > to_globe.transform(row["slice"]["bbox"]["xmax"], row["slice"]["bbox"]["ymin"])[0]]
    assert len(across) > 100


def test_windows_and_slices_lead_to_each_other(con, rng):
    for _ in range(200):
        step = rng.choice([0.1, 1 / 3, 10, 30])
        transform = [float(v) for v in (rng.uniform(-1e5, 1e5), step, 0, rng.uniform(-1e5, 1e5), 0, -step)]
        win = dict(row_off=int(rng.integers(-50, 1000)), col_off=int(rng.integers(-50, 1000)), height=int(rng.integers(1, 300)), width=int(rng.integers(1, 300)))
        back, box, slice = con.execute("SELECT geo_window(geo_slice($1::STRUCT(row_off BIGINT, col_off BIGINT, height INTEGER, width INTEGER), $2::DOUBLE[], 'EPSG:32629'), $2::DOUBLE[]) AS w, "
                                       "geo_window(geo_slice($1::STRUCT(row_off BIGINT, col_off BIGINT, height INTEGER, width INTEGER), $2::DOUBLE[], 'EPSG:32629').bbox, $2::DOUBLE[]), "
                                       "geo_slice($1::STRUCT(row_off BIGINT, col_off BIGINT, height INTEGER, width INTEGER), $2::DOUBLE[], 'EPSG:32629')", [win, transform]).fetchone()
        assert back == box == win and (slice["height"], slice["width"]) == (win["height"], win["width"])
        b = slice["bbox"]
        other = window_from_bounds(b["xmin"], b["ymin"], b["xmax"], b["ymax"], Affine.from_gdal(*transform))
        np.testing.assert_allclose([other.row_off, other.col_off, other.height, other.width], list(win.values()), atol=1e-5)


@pytest.mark.parametrize("box, options, want", [
    ((0.04, 0, 3, 2), "", (0, 0, 2, 3)),
    ((0.06, 0, 3, 2), "", r"geo_window\(slice\).*0.06 pixels off it"),
    ((0.06, 0, 3, 2), ", {round: true}", (0, 0, 2, 3)),
    ((0.4, 0.4, 0.45, 0.45), ", {round: true}", (2, 0, 1, 1)),
    ((-5, -5, 30, 30), "", (-28, -5, 35, 35)),
])
def test_a_box_off_the_grid_is_refused_or_rounded(con, box, options, want):
    sql = "SELECT geo_window({xmin: %s, ymin: %s, xmax: %s, ymax: %s}, [0.0, 1, 0, 2, 0, -1]%s)" % (*box, options)
    if isinstance(want, str):
        with pytest.raises(Exception, match=want):
            con.execute(sql).fetchone()
    else:
        assert tuple(con.execute(sql).fetchone()[0].values()) == want


def test_a_slice_of_other_pixels_is_no_window(con):
    sql = "SELECT geo_window(geo_slice({xmin: 0, ymin: 0, xmax: 20, ymax: 20}, 2, 'EPSG:4326'), [0.0, 1, 0, 20, 0, -1]%s)"
    with pytest.raises(Exception, match=r"geo_window\(slice\): the slice has 10 x 10 pixels, and 20 x 20 of the grid"):
        con.execute(sql % "").fetchone()
    assert con.execute(sql % ", {round: true}").fetchone()[0]["height"] == 20
    with pytest.raises(Exception, match=r"geo_window\(transform\)"):
        con.execute("SELECT geo_window({xmin: 0, ymin: 0, xmax: 1, ymax: 1}, [0.0, 1, 0.5, 20, 0, -1])").fetchone()


@pytest.mark.parametrize("box, step, source, target", [
    ((500_000, 4_000_000, 540_000, 4_040_000), 10, UTM, "EPSG:4326"),
    ((-9, 36, -8, 37.5), 0.001, "EPSG:4326", UTM),
    ((-2_000_000, -1_500_000, -500_000, 0), 1000, "EPSG:3413", "EPSG:4326"),
    ((10, -70, 14, -66), 0.01, "EPSG:4326", "EPSG:3031"),
])
def test_a_slice_in_another_crs_is_as_fine_as_gdal_suggests(con, box, step, source, target):
    slice, out = con.execute("SELECT s, geo_project_slice(s, ?) FROM (SELECT geo_slice({xmin: %s::DOUBLE, ymin: %s::DOUBLE, xmax: %s::DOUBLE, ymax: %s::DOUBLE}, %s, '%s', '2020-05') AS s)" % (*box, step, source), [target]).fetchone()
    transform, width, height = calculate_default_transform(source, target, slice["width"], slice["height"], *box)
    side = (out["bbox"]["xmax"] - out["bbox"]["xmin"]) / out["width"]
    assert side == pytest.approx(transform.a, rel=1e-6) and (out["t_min"], out["t_max"]) == (slice["t_min"], slice["t_max"])
    # GDAL's own sampling of the outline may find the box a pixel smaller or larger.
    assert abs(out["width"] - width) <= 2 and abs(out["height"] - height) <= 2
    assert abs(out["bbox"]["xmin"] - transform.c) < 2 * side and abs(out["bbox"]["ymax"] - transform.f) < 2 * side


def test_the_files_of_a_slice_are_those_that_brute_force_finds(con, rng):
    n = 3000
    west, south, side = rng.uniform(-20, 20, n), rng.uniform(30, 60, n), rng.uniform(0.05, 2, n)
    start = [dt.datetime(2020, 1, 1) + dt.timedelta(days=int(d)) for d in rng.integers(0, 60, n)]
    undated = rng.random(n) < 0.1
    shape = [shapely.box(w, s, w + d, s + d) if i % 2 else shapely.Polygon([(w, s), (w + d, s), (w, s + d)]) for i, (w, s, d) in enumerate(zip(west, south, side))]
    times = [(None, None) if u else (t, t + dt.timedelta(days=1, microseconds=-1)) for u, t in zip(undated, start)]
    con.execute("CREATE TABLE cat AS SELECT 'f' || lpad(i::VARCHAR, 5, '0') AS path, g::GEOMETRY AS geometry, geo_bbox(g::GEOMETRY) AS bbox, a AS t_min, b AS t_max FROM (SELECT unnest($1::INT[]) AS i, unnest($2::VARCHAR[]) AS g, unnest($3::TIMESTAMP[]) AS a, unnest($4::TIMESTAMP[]) AS b)",
                [list(range(n)), [s.wkt for s in shape], [a for a, _ in times], [b for _, b in times]])
    asked = [(rng.uniform(-20, 20), rng.uniform(30, 60), dt.datetime(2020, 1, 1) + dt.timedelta(days=int(rng.integers(0, 60)))) for _ in range(200)]
    con.execute("CREATE TABLE slices AS SELECT i, CASE WHEN i % 3 = 0 THEN geo_project_slice(s, 'EPSG:3857') ELSE s END AS slice FROM (SELECT unnest($1::INT[]) AS i, geo_slice({xmin: unnest($2::DOUBLE[]), ymin: unnest($3::DOUBLE[]), xmax: unnest($2::DOUBLE[]) + 0.5, ymax: unnest($3::DOUBLE[]) + 0.25}, 0.01, 'EPSG:4326', unnest($4::TIMESTAMP[]), unnest($4::TIMESTAMP[]) + INTERVAL 3 DAY) AS s)"
                .replace("unnest($4::TIMESTAMP[]) + INTERVAL 3 DAY", "unnest($5::TIMESTAMP[])"),
                [list(range(200)), [a[0] for a in asked], [a[1] for a in asked], [a[2] for a in asked], [a[2] + dt.timedelta(days=3) for a in asked]])
    con.execute("INSERT INTO slices VALUES (200, NULL)")
    got = con.execute("SELECT i, slice, paths, times FROM geoquilt.slice_files('slices', 'cat')").fetchall()
    assert [row[0] for row in got] == list(range(201)) and got[200][2:] == ([], [])
    met = 0
    for i, slice, paths, found in got[:200]:
        w, s, t = asked[i]
        # A slice in another CRS is the box around, a little more than was asked for.
        area = shapely.box(w, s, w + 0.5, s + 0.25)
        if i % 3 == 0:
            b = slice["bbox"]
            xs, ys = Transformer.from_crs(3857, 4326, always_xy=True).transform([b["xmin"], b["xmax"]], [b["ymin"], b["ymax"]])
            area = shapely.box(xs[0], ys[0], xs[1], ys[1])
        want = [(times[k][0], f"f{k:05d}") for k in range(n)
                if shape[k].intersection(area).area > 0 and (times[k][0] is None or times[k][0] <= t + dt.timedelta(days=3) and times[k][1] >= t)]
        want.sort(key=lambda pair: (pair[0] or dt.datetime.max, pair[1]))
        assert list(zip(found, paths)) == want, i
        met += len(want)
    assert met > 100


@pytest.mark.alone
def test_twenty_thousand_slices_find_their_files_among_fifty_thousand_in_well_under_a_second(con):
    con.execute("""CREATE TABLE cat AS SELECT 'f' || i AS path, geo_box(b) AS geometry, b AS bbox, TIMESTAMP '2020-01-01' + INTERVAL (i % 365) DAY AS t_min, t_min + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND AS t_max
        FROM (SELECT i, {xmin: (i * 7919 % 35000) / 100 - 175, ymin: (i * 104729 % 15000) / 100 - 75, xmax: (i * 7919 % 35000) / 100 - 174, ymax: (i * 104729 % 15000) / 100 - 74} AS b FROM range(50000) t(i))""")
    con.execute("""CREATE TABLE slices AS SELECT geo_slice({xmin: (i * 15485863 % 35900) / 100 - 179.5, ymin: (i * 32452843 % 15000) / 100 - 75, xmax: (i * 15485863 % 35900) / 100 - 179, ymax: (i * 32452843 % 15000) / 100 - 74.5}, 0.01, 'EPSG:4326',
        TIMESTAMP '2020-01-01' + INTERVAL (i % 300) DAY, TIMESTAMP '2020-03-01' + INTERVAL (i % 300) DAY) AS slice FROM range(20000) t(i)""")
    query = "SELECT count(*), sum(len(paths)) FROM geoquilt.slice_files('slices', 'cat')"
    con.execute(query).fetchone()
    start = time.perf_counter()
    count, found = con.execute(query).fetchone()
    assert count == 20000 and found > 5000
    assert time.perf_counter() - start < 1.5, "three times what a quiet machine of two cores takes"


def test_draws_are_numpys(con, tmp_path):
    for i, shape in enumerate([(40, 60), (20, 30), (90, 50)]):
        scene(tmp_path, f"{'cab'[i]}_2020010{i + 1}.tif", 500_000 + 10_000 * i, 4_000_000, shape)
    files(con, tmp_path, UTM)
    con.execute("CREATE TABLE weighted AS SELECT *, width * 1.5 AS liking FROM cat")
    got = rows(con, "FROM geoquilt.patch_sample('weighted', 500, [8, 12], weight := 'liking', seed := 11)")
    # Rows are counted by path: a, b, c.
    shapes, weights = [(20, 30), (90, 50), (40, 60)], np.array([30, 50, 60]) * 1.5
    chosen = np.random.default_rng(11).choice(3, 500, p=weights / weights.sum())
    for k, (row, file) in enumerate(zip(got, chosen)):
        stream = np.random.default_rng([11, k + 1])
        (h, w) = shapes[file]
        assert row["patch_id"] == k and Path(row["path"]).name[0] == "abc"[file]
        assert corner(row["win"]) == (stream.integers(h - 8 + 1), stream.integers(w - 12 + 1))
        with rasterio.open(row["path"]) as src:
            west, north = src.transform @ corner(row["win"])[::-1]
        assert (row["slice"]["bbox"]["xmin"], row["slice"]["bbox"]["ymax"]) == (west, north)
    assert {str(row["left_out"]) for row in got} == {"{'too_small': 0, 'no_footprint': 0, 'no_weight': 0}"}


def test_a_draw_depends_on_nothing_but_its_seed(con, tmp_path):
    for i in range(6):
        scene(tmp_path, f"s{i}_2020010{i + 1}.tif", 500_000 + 3_000 * i, 4_000_000 - 1500 * i, (30 + i, 40))
    files(con, tmp_path)
    # Two rows of one file, told apart by a column alone.
    con.execute("CREATE TABLE twice AS SELECT *, i AS copy FROM cat, range(2) t(i)")
    query = "SELECT patch_id, slice, win, path, copy FROM geoquilt.patch_sample('{}', 400, 9, t := 'uniform')"
    want = con.execute(query.format("twice")).fetchall()
    assert len(want) == 400 and len({row[3] for row in want}) == 6
    con.execute("CREATE TABLE turned AS FROM twice ORDER BY hash(path, copy)")
    for setting in ("threads = 1", "threads = 4", "geoquilt_threads = 1", "TimeZone = 'Pacific/Auckland'", "default_order = 'DESC'", "default_null_order = 'NULLS_FIRST'",
                    "default_collation = 'NOCASE'", "preserve_insertion_order = false"):
        con.execute(f"SET {setting}")
        assert con.execute(query.format("turned")).fetchall() == want, setting
    assert con.execute(query.format("twice").replace("9,", "9, seed := 8,")).fetchall() != want


def test_rows_are_drawn_by_their_area_on_the_ground(con):
    """In EPSG:6933, whatever the CRS: a box at 60 degrees north has half the area of one at the equator."""
    con.execute("""CREATE TABLE cat AS SELECT path, geo_box(b) AS geometry, geo_bbox(geo_box(b)) AS bbox, NULL::TIMESTAMP AS t_min, NULL::TIMESTAMP AS t_max FROM (VALUES
        ('equator', {xmin: 0.0, ymin: -5.0, xmax: 10.0, ymax: 5.0}), ('north', {xmin: 0.0, ymin: 55.0, xmax: 10.0, ymax: 65.0}), ('wide', {xmin: -40.0, ymin: 20.0, xmax: 0.0, ymax: 30.0})) v(path, b)""")
    project = Transformer.from_crs(4326, 6933, always_xy=True).transform
    area = np.array([shapely.transform(shapely.box(*b), project, interleaved=False).area for b in ((0, -5, 10, 5), (0, 55, 10, 65), (-40, 20, 0, 30))])
    query = "SELECT path, count(*) FROM geoquilt.patch_sample('cat', 30000, 4, resolution := 0.5, crs := 'EPSG:4326'%s) GROUP BY path ORDER BY path"
    by_area, uniform = [np.array([n for _, n in con.execute(query % words).fetchall()]) for words in ("", ", weight := 'uniform'")]
    for seen, expected in ((by_area, 30000 * area / area.sum()), (uniform, 10000)):
        statistic, most = chi(seen, expected)
        assert statistic < most


SHAPES = {
    "triangle": shapely.Polygon([(0, 0), (600, 0), (0, -400)]),
    "L": shapely.Polygon([(0, 0), (600, 0), (600, -150), (170, -150), (170, -400), (0, -400)]),
    "hole": shapely.box(0, -400, 600, 0) - shapely.box(200, -250, 290, -150),
    "two parts": shapely.MultiPolygon([shapely.box(0, -400, 130, -100), shapely.box(300, -300, 600, 0)]),
    "diagonal": shapely.LineString([(60, -60), (540, -340)]).buffer(75),
}


@pytest.mark.parametrize("name", SHAPES)
def test_places_are_uniform_inside_footprints_of_any_shape(con, tmp_path, name):
    scene(tmp_path, "a_20200101.tif", 0, 0)
    files(con, tmp_path, UTM)
    shaped(con, SHAPES[name].wkt)
    h, w = 9, 11
    valid = np.array([[SHAPES[name].buffer(1e-6).covers(shapely.box(c * 10, -(r + h) * 10, (c + w) * 10, -r * 10)) for c in range(60 - w + 1)] for r in range(40 - h + 1)])
    n = 60 * valid.sum()
    seen = np.zeros(valid.shape)
    for (win,) in con.execute(f"SELECT win FROM geoquilt.patch_sample('cat', {n}, [{h}, {w}])").fetchall():
        seen[corner(win)] += 1
    assert valid.sum() > 20 and (seen[~valid] == 0).all()
    statistic, most = chi(seen[valid], 60)
    assert statistic < most
    # Anywhere, at another resolution: no slice leaves the shape, and its corner is as likely in each half of where it may be.
    got = rows(con, "SELECT slice.bbox AS b FROM geoquilt.patch_sample('cat', 2000, [30, 40], resolution := 2.5)")
    boxes = shapely.box(*(np.array([row["b"][k] for row in got]) for k in ("xmin", "ymin", "xmax", "ymax")))
    assert shapely.covers(SHAPES[name].buffer(0.02), boxes).all()
    room = SHAPES[name]
    for x, y in ((100, 0), (0, -75), (100, -75)):
        room = room & shapely.affinity.translate(SHAPES[name], -x, -y)
    if name in ("triangle", "diagonal"):  # of convex shapes the corners are enough
        x = np.array([row["b"]["xmin"] for row in got])
        left = (room & shapely.box(-1e4, -1e4, np.median(x), 1e4)).area / room.area
        assert abs(left - 0.5) < 4 * 0.5 / np.sqrt(2000)


def test_times_are_the_rows_or_uniform_within_them(con, tmp_path):
    scene(tmp_path, "a_20200101.tif", 500_000, 4_000_000)
    files(con, tmp_path)
    con.execute("UPDATE cat SET t_min = TIMESTAMP '2020-01-01', t_max = TIMESTAMP '2020-12-31 12:00:00'")
    first, last = dt.datetime(2020, 1, 1), dt.datetime(2020, 12, 31, 12)
    got = con.execute("SELECT slice.t_min, slice.t_max FROM geoquilt.patch_sample('cat', 3000, 8)").fetchall()
    assert set(got) == {(first, last)}
    got = con.execute("SELECT slice.t_min, slice.t_max FROM geoquilt.patch_sample('cat', 3000, 8, t := 'uniform')").fetchall()
    assert all(a == b for a, b in got)
    assert kstest([(a - first) / (last - first) for a, _ in got], "uniform").pvalue > 0.001
    stream = np.random.default_rng([7, 1])
    stream.integers(33), stream.integers(53)
    assert got[0][0] == first + dt.timedelta(microseconds=int(stream.integers((last - first) // dt.timedelta(microseconds=1) + 1)))
    con.execute("UPDATE cat SET t_min = NULL, t_max = NULL")
    assert set(con.execute("SELECT slice.t_min, slice.t_max FROM geoquilt.patch_sample('cat', 30, 8, t := 'uniform')").fetchall()) == {(None, None)}


def test_what_cannot_be_drawn_is_counted_by_cause(con, tmp_path):
    for i, shape in enumerate([(40, 60), (20, 30), (7, 90), (90, 50)]):
        scene(tmp_path, f"{'abcd'[i]}_2020010{i + 1}.tif", 500_000 + 10_000 * i, 4_000_000, shape)
    files(con, tmp_path)
    con.execute("CREATE TABLE odd AS SELECT *, CASE WHEN path LIKE '%d_2020%' THEN NULL ELSE 1 END AS liking FROM cat")
    con.execute("INSERT INTO odd SELECT * REPLACE ('e' AS path, NULL AS geometry) FROM odd WHERE path LIKE '%a_2020%'")
    con.execute("INSERT INTO odd SELECT * REPLACE ('f' AS path, 'POINT (1 2)'::GEOMETRY AS geometry) FROM odd WHERE path LIKE '%a_2020%'")
    got = con.execute("SELECT DISTINCT left_out, parse_filename(path) FROM geoquilt.patch_sample('odd', 200, 20, weight := 'liking')").fetchall()
    assert got[0][0] == dict(too_small=1, no_footprint=2, no_weight=1) and {name[0] for _, name in got} == {"a", "b"}
    with pytest.raises(Exception, match=r"patch_sample\(size\): no footprint holds a patch of 200 pixels: of 6 rows 4 are smaller, and 2 have none"):
        con.execute("FROM geoquilt.patch_sample('odd', 3, 200)").fetchall()


@pytest.mark.parametrize("call, message", [
    ("patch_sample('none', 3, 8)", r"patch_sample\(catalog\): the catalog has no rows"),
    ("patch_sample('cat', -1, 8)", r"patch_sample\(n\): -1 is not valid"),
    ("patch_sample('cat', NULL, 8)", r"patch_sample\(n\): NULL"),
    ("patch_sample('cat', 3, 0)", r"patch_sample\(size\): 0 is not valid"),
    ("patch_sample('cat', 3, NULL)", r"patch_sample\(size\): NULL is not valid"),
    ("patch_sample('cat', 3, 8, weight := 'shade')", r"patch_sample\(weight\): \"shade\" is not a column"),
    ("patch_sample('cat', 3, 8, weight := 'path')", r"patch_sample\(weight\): column \"path\" holds .*not a number"),
    ("patch_sample('cat', 3, 8, weight := 'minus')", r"patch_sample\(weight\): -1, number 1, is not valid|patch_sample\(weight\): -1.*finite number of 0 or above"),
    ("patch_sample('cat', 3, 8, weight := 'nan')", r"patch_sample\(weight\): NaN"),
    ("patch_sample('cat', 3, 8, weight := 'zero')", r"patch_sample\(weight\): all 1 rows have a weight of 0"),
    ("patch_sample('cat', 3, 8, seed := -1)", r"patch_sample\(seed\): -1"),
    ("patch_sample('cat', 3, 8, t := 'noon')", r"patch_sample\(t\).*noon"),
    ("patch_sample('cat', 3, 8, crs := 'EPSG:4326')", r"patch_sample\(crs\): a CRS of your own needs a resolution"),
    ("patch_sample('cat', 3, 8, resolution := 0)", r"patch_sample\(resolution\): 0 is not valid"),
    ("patch_sample('cat', 3, 8, resolution := 10, crs := 'EPSG:1')", r"patch_sample\(crs\).*EPSG:1"),
    ("patch_slices('cat', 41)", r"patch_slices\(size\): the footprint of .*a_20200101.tif\" has 40 x 60 pixels, and a patch 41 x 41"),
    ("patch_slices('cat', 8, stride := 0)", r"patch_slices\(stride\): 0 is not valid"),
    ("patch_slices('cat', 8, edge := 'wrap')", r"patch_slices\(edge\).*wrap.*not an edge rule"),
    ("patch_slices('vectors', 8)", r"patch_slices\(resolution\): .*regions.geojson\" has no pixels of its own"),
    ("patch_slices('rotated', 8)", r"patch_slices\(resolution\): .*has a rotated transform"),
    ("patch_slices('numbers', 8)", r"patch_slices\(catalog\): column \"geometry\" is missing"),
    ("slice_files('numbers', 'cat')", r"slice"),
    ("slice_files('slices', 'numbers')", r"slice_files\(catalog\): column \"path\" is missing"),
    ("patch_pairs('cat', INTERVAL 0 DAY)", r"patch_pairs\(min_interval\): 00:00:00 is not valid"),
    ("patch_pairs('cat', INTERVAL 3 DAY, max_interval := INTERVAL 1 DAY)", r"patch_pairs\(max_interval\): 1 day is below min_interval, 3 days"),
    ("patch_pairs('cat', INTERVAL 3 DAY, n := 1)", r"patch_pairs\(n\): 1 pairs.* were asked for, and there are 0"),
    ("weighted_sample('cat', 'shade', 1)", r"weighted_sample\(weight\): \"shade\" is not a column"),
    ("weighted_sample('cat', 'one', 2)", r"weighted_sample\(n\): 2 rows were asked for, and there are 1"),
    ("weighted_sample('none', 'width', 1)", r"weighted_sample\(weight\): all 0 rows have a weight of 0"),
    ("balanced_sample('cat', 'width', 1)", r"balanced_sample\(fractions\): column \"width\" holds .*not a MAP"),
    ("balanced_sample('cat', 'shares', 2)", r"balanced_sample\(n\): 2 rows were asked for, and 1 have classes"),
    ("balanced_sample('none', 'shares', 1)", r"balanced_sample\(n\): 1 rows were asked for, and 0 have classes"),
    ("balanced_sample('cat', 'bad_shares', 1)", r"balanced_sample\(fractions\): -1 is not valid"),
])
def test_bad_words_are_told(con, tmp_path, call, message):
    scene(tmp_path, "a_20200101.tif", 500_000, 4_000_000)
    files(con, tmp_path)
    con.execute("CREATE OR REPLACE TABLE cat AS SELECT *, -1 AS minus, 'NaN'::DOUBLE AS nan, 0 AS zero, 1 AS one, MAP {1: 1.0} AS shares, MAP {1: -1.0} AS bad_shares FROM cat")
    con.execute("CREATE TABLE none AS FROM cat LIMIT 0")
    con.execute("CREATE TABLE numbers AS SELECT 1 AS a")
    con.execute("CREATE TABLE slices AS SELECT geo_slice({xmin: 0, ymin: 0, xmax: 1, ymax: 1}, 1, 'EPSG:4326') AS slice")
    con.execute("CREATE TABLE vectors AS FROM geo_catalog_build('test/data/small/regions.geojson')".replace("test/data", str(Path(__file__).parents[1] / "data")))
    con.execute("CREATE TABLE rotated AS SELECT * REPLACE ([0, 10, 3, 0, 3, -10]::DOUBLE[] AS transform) FROM cat")
    with pytest.raises(Exception, match=message):
        con.execute(f"FROM geoquilt.{call}").fetchall()


def test_of_nothing_there_is_nothing(con, tmp_path):
    scene(tmp_path, "a_20200101.tif", 500_000, 4_000_000)
    files(con, tmp_path)
    con.execute("CREATE TABLE none AS FROM cat LIMIT 0")
    con.execute("CREATE TABLE slices AS SELECT slice FROM geoquilt.patch_slices('cat', 20)")
    assert con.execute("SELECT count(*) FROM geoquilt.patch_slices('none', 20)").fetchone() == (0,)
    assert con.execute("SELECT count(*) FROM geoquilt.patch_pairs('none', INTERVAL 1 DAY)").fetchone() == (0,)
    assert con.execute("SELECT count(*), sum(len(paths)) FROM geoquilt.slice_files('slices', 'none')").fetchone() == (6, 0)
    assert con.execute("SELECT count(*) FROM geoquilt.patch_sample('cat', 0, 20)").fetchone() == (0,)


def registry(con, dates, patches=4, split=None):
    extra = f", CASE WHEN t_min < TIMESTAMP '{split}' THEN 'train' ELSE 'val' END AS split" if split else ""
    con.execute("CREATE OR REPLACE TABLE registry AS SELECT p AS patch_id, 'f' || strftime(t_min, '%Y%m%d%H') AS path, t_min{} FROM (SELECT unnest($1::TIMESTAMP[]) AS t_min), range({}) r(p)".format(extra, patches), [dates])


@pytest.mark.parametrize("split", [None, "2020-02-01"])
def test_pairs_are_all_that_brute_force_finds(con, rng, split):
    dates = [dt.datetime(2020, 1, 1) + dt.timedelta(hours=int(h)) for h in rng.choice(24 * 60, 40, replace=False)]
    registry(con, dates, split=split)
    low, high = dt.timedelta(days=10), dt.timedelta(days=25)
    side = lambda t: split is None or t < dt.datetime(2020, 2, 1)
    want = {(p, a, b) for p in range(4) for a in dates for b in dates if low <= b - a <= high and side(a) == side(b)}
    got = con.execute("SELECT patch_id, positive_patch_id, t_min, positive_t_min, gap FROM geoquilt.patch_pairs('registry', INTERVAL 10 DAY, max_interval := INTERVAL 25 DAY)").fetchall()
    assert len(got) == len(want) and {(p, a, b) for p, _, a, b, _ in got} == want
    assert all(p == q and gap == b - a for p, q, a, b, gap in got)
    drawn = con.execute("SELECT patch_id, t_min, positive_t_min FROM geoquilt.patch_pairs('registry', INTERVAL 10 DAY, max_interval := INTERVAL 25 DAY, n := 300)").fetchall()
    assert len(set(drawn)) == 300 and {(p, min(a, b), max(a, b)) for p, a, b in drawn} <= want
    assert 100 < sum(a < b for _, a, b in drawn) < 200
    everything = con.execute(f"SELECT patch_id, t_min, positive_t_min FROM geoquilt.patch_pairs('registry', INTERVAL 10 DAY, max_interval := INTERVAL 25 DAY, n := {2 * len(want)})").fetchall()
    assert set(everything) == want | {(p, b, a) for p, a, b in want}
    with pytest.raises(Exception, match=rf"patch_pairs\(n\): {2 * len(want) + 1} pairs, each in both directions, were asked for, and there are {2 * len(want)}"):
        con.execute(f"FROM geoquilt.patch_pairs('registry', INTERVAL 10 DAY, max_interval := INTERVAL 25 DAY, n := {2 * len(want) + 1})").fetchall()


def test_each_pair_is_as_likely_as_any_other(con):
    registry(con, [dt.datetime(2020, 1, 1) + dt.timedelta(days=d) for d in (0, 1, 5, 9, 30)], patches=2)
    seen = {}
    for seed in range(120):
        for row in con.execute(f"SELECT patch_id, t_min, positive_t_min FROM geoquilt.patch_pairs('registry', INTERVAL 4 DAY, n := 3, seed := {seed})").fetchall():
            seen[row] = seen.get(row, 0) + 1
    assert len(seen) == 2 * 2 * 9
    statistic, most = chi(list(seen.values()), 360 / 36)
    assert statistic < most


def test_the_scenes_of_a_tile_are_pairs_of_a_catalog(con, tmp_path):
    for name, west, day in (("a", 500_000, "20200101"), ("b", 500_000, "20200115"), ("c", 520_000, "20200115"), ("d", 500_000, "20200201")):
        scene(tmp_path, f"{name}_{day}.tif", west, 4_000_000)
    files(con, tmp_path)
    got = con.execute("SELECT parse_filename(path)[1], parse_filename(positive_path)[1] FROM geoquilt.patch_pairs('cat', INTERVAL 10 DAY)").fetchall()
    assert sorted(got) == [("a", "b"), ("a", "d"), ("b", "d")]
    con.execute("UPDATE cat SET t_min = NULL, t_max = NULL WHERE path LIKE '%a_2020%'")
    assert con.execute("SELECT count(*) FROM geoquilt.patch_pairs('cat', INTERVAL 10 DAY)").fetchone() == (1,)


def test_weighted_rows_are_numpys(con, rng):
    weights = rng.random(200) * (rng.random(200) < 0.8)
    con.execute("CREATE TABLE r AS SELECT unnest($1::INT[]) AS i, unnest($2::DOUBLE[]) AS w", [list(range(200)), list(map(float, weights))])
    for replace in (False, True):
        got = [i for i, in con.execute(f"SELECT i FROM geoquilt.weighted_sample('r', 'w', 120, seed := 5, replace := {replace})").fetchall()]
        assert got == np.random.default_rng(5).choice(200, 120, replace=replace, p=weights / weights.sum()).tolist()


def continents(tmp_path, step=0.25):
    """Natural Earth's continents as classes of a land cover, 0 the sea: real classes, of very different sizes."""
    path = Path(pyogrio.__file__).parent / "tests/fixtures/naturalearth_lowres/naturalearth_lowres.shp"
    world = geopandas.read_file(path)
    names = sorted(world.continent.unique())
    transform, shape = from_origin(-180, 90, step, step), (int(180 / step), int(360 / step))
    data = features.rasterize(((g, names.index(c) + 1) for g, c in zip(world.geometry, world.continent)), shape, transform=transform, dtype="uint8")
    return write_raster(tmp_path / "continents.tif", data, crs="EPSG:4326", transform=transform, nodata=255), data, names


def test_class_fractions_are_counts(con, tmp_path, rng):
    path, data, _ = continents(tmp_path, 1.0)
    data = data.copy()
    data[rng.random(data.shape) < 0.1] = 255
    path = write_raster(tmp_path / "holes.tif", data, crs="EPSG:4326", transform=from_origin(-180, 90, 1, 1), nodata=255)
    got = rows(con, f"SELECT win, geo_class_fractions('{path}', win) AS f FROM geo_patch_grid('{path}', size := 50, edge := 'overflow')")
    assert len(got) > 20
    for row in got:
        r, c = corner(row["win"])
        classes, counts = np.unique(data[r:r + 50, c:c + 50], return_counts=True)
        assert row["f"] == pytest.approx({int(k): n / 2500 for k, n in zip(classes, counts) if k != 255})
    slices = rows(con, f"SELECT geo_class_fractions('{path}', s) AS f, read_slice('{path}', s).data AS d FROM (SELECT geo_slice({{xmin: 3e6, ymin: 2e6, xmax: 6e6, ymax: 5e6}}, 1e5, 'EPSG:6933') AS s)")
    pixels = np.array([-1 if v is None else v for v in slices[0]["d"]])
    assert slices[0]["f"] == pytest.approx({int(k): (pixels == k).mean() for k in np.unique(pixels) if k >= 0})


def test_pixels_that_are_no_classes_are_told(con, tmp_path):
    path = write_raster(tmp_path / "f.tif", np.full((4, 4), 0.5, "float32"))
    with pytest.raises(Exception, match=r"geo_class_fractions\(path\): a pixel of 0.5 is no class"):
        con.execute(f"SELECT geo_class_fractions('{path}', {{row_off: 0, col_off: 0, height: 4, width: 4}})").fetchone()
    with pytest.raises(Exception, match=r"(?s)f.tif.*band"):
        con.execute(f"SELECT geo_class_fractions('{path}', {{row_off: 0, col_off: 0, height: 4, width: 4}}, {{band: 2}})").fetchone()
    assert con.execute(f"SELECT geo_class_fractions('{path}', NULL::STRUCT(row_off BIGINT, col_off BIGINT, height INTEGER, width INTEGER))").fetchone() == (None,)


def test_real_classes_are_even_within_a_percent_where_the_data_allow_it_and_what_was_reached_is_told(con, tmp_path):
    path, data, names = continents(tmp_path)
    con.execute(f"CREATE TABLE patches AS SELECT patch_id, win, geo_class_fractions('{path}', win) AS fractions FROM geo_patch_grid('{path}', size := 32, stride := 16)")
    total = np.bincount(data.ravel(), minlength=9) / data.size
    assert len(names) == 8 and total.max() / total[total > 0].min() > 50, "classes are far from even"

    def shares(sql):
        got = rows(con, sql)
        counts = np.zeros(9)
        for row in got:
            r, c = corner(row["win"])
            counts += np.bincount(data[r:r + 32, c:c + 32].ravel(), minlength=9)
        return got, counts[counts > 0] / counts.sum()

    # "Seven seas (open ocean)" are some islands that no patch is full of: among the others, evenness is there to be found.
    islands = names.index("Seven seas (open ocean)") + 1
    con.execute(f"CREATE TABLE most AS SELECT * FROM patches WHERE coalesce(map_extract(fractions, {islands})[1], 0) = 0")
    got, reached = shares("FROM geoquilt.balanced_sample('most', 'fractions', 200)")
    assert len(got) == len({row["patch_id"] for row in got}) == 200
    assert np.abs(reached * len(reached) - 1).max() < 0.01
    assert got[0]["off_even"] == pytest.approx(np.abs(reached * len(reached) - 1).max(), abs=1e-9)
    assert sorted(got[0]["reached"].values()) == pytest.approx(sorted(reached))
    _, drawn = shares("FROM most USING SAMPLE reservoir(200 ROWS) REPEATABLE (1)")
    assert np.abs(drawn * len(drawn) - 1).max() > 1
    other = rows(con, "FROM geoquilt.balanced_sample('most', 'fractions', 200, seed := 8)")
    assert {row["patch_id"] for row in other} != {row["patch_id"] for row in got} and other[0]["off_even"] < 0.01
    # With them it is not, and the columns say so.
    got, reached = shares("FROM geoquilt.balanced_sample('patches', 'fractions', 200)")
    off = np.abs(reached * len(reached) - 1).max()
    assert off > 0.5 and got[0]["off_even"] == pytest.approx(off, abs=1e-9)
    assert len(got[0]["reached"]) == 9 and got[0]["reached"][str(islands)] == min(got[0]["reached"].values())


@pytest.mark.parametrize("shape, size, stride, edge", [
    ((7,), dict(a=3), dict(a=2), "snap"),
    ((9, 10), dict(b=4), {}, "drop"),
    ((5, 8, 9), dict(a=2, b=3, c=4), dict(a=1, b=3), "snap"),
    ((5, 8, 9), dict(a=2, b=3, c=4), dict(c=3), "overflow"),
    ((3, 4, 5, 6), dict(a=3, b=2, c=2, d=5), {}, "center"),
])
def test_windows_of_a_variable_are_the_slices_of_its_array(con, tmp_path, shape, size, stride, edge):
    import netCDF4
    data = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    dims = "abcd"[:len(shape)]
    with netCDF4.Dataset(tmp_path / "cube.nc", "w") as out:
        for name, n in zip(dims, shape):
            out.createDimension(name, n)
        out.createVariable("temp", "f4", tuple(dims))[:] = data
    given = ", ".join(f"{k} := {{{', '.join(f'{d}: {n}' for d, n in v.items())}}}" for k, v in (("size", size), ("stride", stride)) if v)
    grid = f"geo_patch_grid('{tmp_path}/cube.nc', variable := 'temp', {given}, edge := '{edge}')"
    got = rows(con, f"SELECT *, read_array(path, variable, {{isel: isel}}) AS r FROM {grid}")
    along = [starts(n, size.get(d, n), stride.get(d, size.get(d, n)), edge) for d, n in zip(dims, shape)]
    places = list(np.ndindex(*map(len, along)))
    assert [row["patch_id"] for row in got] == list(range(len(places)))
    for row, place in zip(got, places):
        begin = [along[i][p] for i, p in enumerate(place)]
        end = [b + size.get(d, n) for b, d, n in zip(begin, dims, shape)]
        inside = [(max(b, 0), min(e, n)) for b, e, n in zip(begin, end, shape)]
        assert row["isel"] == {d: [b, e - 1] for d, (b, e) in zip(dims, inside)}
        assert row["is_partial"] == any(b < 0 or e > n for b, e, n in zip(begin, end, shape))
        want = data[tuple(slice(b, e) for b, e in inside)]
        assert row["r"]["shape"] == list(want.shape)
        np.testing.assert_array_equal(np.reshape(row["r"]["data"], want.shape), want)


def test_random_windows_of_a_variable_are_uniform_and_numpys(con, tmp_path):
    import netCDF4
    with netCDF4.Dataset(tmp_path / "cube.nc", "w") as out:
        for name, n in zip("tyx", (4, 6, 7)):
            out.createDimension(name, n)
        out.createVariable("v", "i2", tuple("tyx"))[:] = 0
    query = f"SELECT isel FROM geo_patch_grid('{tmp_path}/cube.nc', variable := 'v', size := {{t: 2, y: 4, x: 5}}, sampler := 'random', n := %d%s)"
    got = con.execute(query % (9000, ", seed := 3")).fetchall()
    seen = np.zeros((3, 3, 3))
    stream = np.random.default_rng(3)
    for (isel,) in got:
        place = tuple(isel[d][0] for d in "tyx")
        assert place == (stream.integers(3), stream.integers(3), stream.integers(3))
        seen[place] += 1
    statistic, most = chi(seen, 9000 / 27)
    assert statistic < most
    distinct = con.execute(query % (27, ", replace := false")).fetchall()
    assert len({str(row) for row in distinct}) == 27
    with pytest.raises(Exception, match=r"geo_patch_grid\(size\): 28 distinct windows were asked for, and there are 27"):
        con.execute(query % (28, ", replace := false"))


@pytest.mark.parametrize("words, message", [
    ("variable := 'none', size := {time: 2}", r"geo_patch_grid\(variable\).*none"),
    ("variable := 'sst'", r"geo_patch_grid\(size\): NULL is not valid: must be places along the variable's dimensions"),
    ("variable := 'sst', size := 4", r"geo_patch_grid\(size\): 4 is not valid"),
    ("variable := 'sst', size := {depth: 4}", r"geo_patch_grid\(size\): \"depth\" is not a dimension of the variable"),
    ("variable := 'sst', size := {time: 0}", r"geo_patch_grid\(size\): 0 is not valid"),
    ("variable := 'sst', size := {lat: 400}", r"geo_patch_grid\(size\): dimension \"lat\" has 18 places, fewer than the window's 400"),
    ("variable := 'sst', size := {time: 1}, mask := 'land.tif'", r"geo_patch_grid\(mask\): a grid over a variable takes no mask"),
    ("variable := 'sst', size := {time: 1}, sampler := 'poisson_disk'", r"geo_patch_grid\(sampler\).*poisson_disk.*not a sampler over a variable"),
    ("variable := 'sst', size := {time: 1}, n := 4", r"geo_patch_grid\(n\): sampler \"regular\" takes no n"),
    ("variable := 'sst', size := {time: 1}, sampler := 'random'", r"geo_patch_grid\(n\): sampler \"random\" needs n"),
])
def test_bad_words_of_a_grid_over_a_variable_are_told(con, words, message):
    path = Path(__file__).parents[1] / "data/small/sst.nc"
    with pytest.raises(Exception, match=message):
        con.execute(f"FROM geo_patch_grid('{path}', {words})").fetchall()


@pytest.mark.parametrize("weights", ["[1e308, 1e-20]", "[1e308, 1e-20, 0]"])
def test_a_share_that_rounds_to_nothing_is_never_drawn_and_holds_up_nothing(con, weights):
    assert con.execute(f"SELECT geo_choice({weights}, 1, 7, false)").fetchone()[0] == [0]
    with pytest.raises(duckdb.Error, match="2 .* were asked for, and there are 1"):
        con.execute(f"SELECT geo_choice({weights}, 2, 7, false)").fetchall()
    with pytest.raises(duckdb.Error, match="the sum of the weights"):
        con.execute("SELECT geo_choice([1e308, 1e308], 1, 7, false)").fetchall()
    assert con.execute(f"SELECT geo_choice({weights}, 0, 7, false)").fetchone()[0] == []


def test_a_footprint_of_more_patches_than_are_ever_wanted_is_refused(con):
    con.execute("CREATE TABLE world AS SELECT 'a.tif' AS path, 'raster' AS kind, geo_box({xmin: -180, ymin: -90, xmax: 180, ymax: 90}) AS geometry, geo_bbox(geometry) AS bbox, "
                "TIMESTAMP '2020-01-01' AS t_min, TIMESTAMP '2020-01-02' AS t_max, 'OGC:CRS84' AS crs, [-180, 0.01, 0, 90, 0, -0.01]::DOUBLE[] AS transform, 36000 AS width, 18000 AS height")
    with pytest.raises(duckdb.Error, match=r"patch_slices\(stride\): more than 10000000 patches on one footprint\nGive a larger stride"):
        con.execute("SELECT count(*) FROM geoquilt.patch_slices('world', 4, stride := 1)").fetchall()
    assert con.execute("SELECT count(*) FROM geoquilt.patch_slices('world', 4000, stride := 4000, edge := 'drop')").fetchone() == (9 * 4,)
