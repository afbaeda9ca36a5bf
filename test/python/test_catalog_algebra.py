"""The set algebra of catalogs against geopandas (overlay, sjoin), pandas (IntervalIndex), shapely and pyproj.

Coordinates and times are small integers, so that boxes really touch and intervals really end where others begin.
"""
import json
import re

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyproj
import pytest
import shapely
import shapely.affinity

CRS84 = "OGC:CRS84"
EPOCH = pd.Timestamp("2020-01-01")
DAY = pd.Timedelta(days=1)
FIELDS = ("xmin", "ymin", "xmax", "ymax")


def random_shapes(rng, n, span=12, polygons=False):
    x, y = rng.integers(0, span, (2, n))
    w, h = rng.integers(1, span // 2, (2, n))
    boxes = shapely.box(x, y, x + w, y + h)
    if polygons:
        # Quadrilaterals whose corners are whole numbers: some are slanted, and many share edges with boxes.
        for i in np.flatnonzero(rng.random(n) < 0.6):
            ring = [(x[i], y[i]), (x[i] + w[i], y[i] + rng.integers(0, 2)), (x[i] + w[i], y[i] + h[i] + 1), (x[i] - rng.integers(0, 2), y[i] + h[i])]
            shape = shapely.Polygon(ring)
            boxes[i] = shape if shape.is_valid and shape.area > 0 else boxes[i]
    return boxes


def random_catalog(rng, n, crs=CRS84, undated=0.15, polygons=False, span=12):
    """A GeoDataFrame with path, t_min, t_max; NaT, NaT is undated."""
    start = rng.integers(0, 10, n)
    stop = start + rng.integers(0, 4, n)
    blank = rng.random(n) < undated
    days = lambda count: pd.Series(EPOCH + pd.to_timedelta(count, unit="D")).where(~blank).astype("datetime64[us]")
    frame = {"path": [f"f{i}" for i in range(n)], "t_min": days(start), "t_max": days(stop)}
    return gpd.GeoDataFrame(frame, geometry=random_shapes(rng, n, span, polygons), crs=crs)


def put(con, name, frame, kind="TABLE"):
    """The frame as a relation that is a catalog."""
    con.register("incoming", pa.table(frame.to_arrow(geometry_encoding="WKB")))
    con.execute(f"""CREATE OR REPLACE {kind} {name} AS
        SELECT path, t_min, t_max, geometry, geo_bbox(geometry) AS bbox FROM incoming""")
    con.unregister("incoming")


def intervals(frame):
    """Closed at both ends, undated without end."""
    low, high = pd.Timestamp("1900-01-01"), pd.Timestamp("2100-01-01")
    return pd.IntervalIndex.from_arrays(frame.t_min.fillna(low), frame.t_max.fillna(high), closed="both")


def expected_intersect(a, b, spatial_only=False):
    """(left, right) -> (area, bounds, t_min, t_max), by geopandas.overlay and pandas intervals."""
    shared = gpd.overlay(a, b.to_crs(a.crs), how="intersection", keep_geom_type=True)
    shared = shared[shared.area > 1e-9]
    at, bt = dict(zip(a.path, intervals(a))), dict(zip(b.path, intervals(b)))
    rows = {}
    for row in shared.itertuples():
        left, right = at[row.path_1], bt[row.path_2]
        if not spatial_only and not left.overlaps(right):
            continue
        start, stop = row.t_min_1, row.t_max_1
        if not spatial_only:
            start = max((t for t in (row.t_min_1, row.t_min_2) if not pd.isna(t)), default=pd.NaT)
            stop = min((t for t in (row.t_max_1, row.t_max_2) if not pd.isna(t)), default=pd.NaT)
        rows[row.path_1, row.path_2] = (row.geometry, start, stop)
    return rows


def same_rows(got, expected, tolerance=1e-6):
    assert sorted((r[0], r[1]) for r in got) == sorted(expected)
    for left, right, wkb, bbox, start, stop in got:
        shape, t_min, t_max = expected[left, right]
        ours = shapely.from_wkb(bytes(wkb))
        assert ours.is_valid and abs(ours.symmetric_difference(shape).area) <= tolerance, (left, right, ours.wkt, shape.wkt)
        assert np.allclose([bbox[f] for f in FIELDS], shape.bounds, atol=tolerance)
        assert (start, stop) == tuple(None if pd.isna(t) else t.to_pydatetime() for t in (t_min, t_max)), (left, right)


PAIRS = "SELECT path, right_path, ST_AsWKB(geometry), bbox, t_min, t_max FROM geoquilt.catalog_intersect({})"


@pytest.mark.parametrize("polygons", [False, True])
def test_intersect_is_overlay_and_closed_intervals(con, polygons):
    pairs = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        a, b = (random_catalog(rng, int(rng.integers(0, 25)), polygons=polygons) for _ in range(2))
        put(con, "a", a), put(con, "b", b)
        only = seed % 4 == 0
        expected = expected_intersect(a, b, only) if len(a) and len(b) else {}
        same_rows(con.execute(PAIRS.format(f"'a', 'b', spatial_only := {only}")).fetchall(), expected)
        pairs += len(expected)
    assert pairs > 1500


@pytest.mark.parametrize("polygons", [False, True])
def test_thousands_of_catalogs_side_by_side(con, polygons):
    """Catalog k stands 100 k units east of catalog 0, in a projected CRS, so that one query answers for all."""
    rng = np.random.default_rng(77)
    many = 1500 if not polygons else 600
    sides = []
    for side in range(2):
        frames = []
        for k in range(many):
            frame = random_catalog(rng, 6, crs="EPSG:3857", polygons=polygons)
            frame["path"] = [f"{k}:{p}" for p in frame.path]
            frame["geometry"] = frame.translate(100 * k, 0)
            frames.append(frame)
        sides.append(pd.concat(frames, ignore_index=True))
    a, b = sides
    put(con, "a", a), put(con, "b", b)
    expected = expected_intersect(a, b)
    same_rows(con.execute(PAIRS.format("'a', 'b'")).fetchall(), expected)
    assert len(expected) > 2 * many


@pytest.mark.parametrize("polygons", [False, True])
def test_query_is_sjoin_and_interval_overlaps(con, polygons):
    met = 0
    for seed in range(150):
        rng = np.random.default_rng(1000 + seed)
        frame = random_catalog(rng, 25, polygons=polygons)
        put(con, "files", frame)
        x, y = rng.integers(0, 14, 2)
        w, h = rng.integers(0, 5, 2)
        box = (int(x), int(y), int(x + w), int(y + h))
        start = EPOCH + int(rng.integers(0, 12)) * DAY
        stop = start + int(rng.integers(0, 4)) * DAY
        low, high = (None if rng.random() < 0.3 else start), (None if rng.random() < 0.3 else stop)
        area = shapely.box(*box) if w and h else shapely.LineString([box[:2], box[2:]]) if w or h else shapely.Point(box[:2])
        asked = gpd.GeoDataFrame(geometry=[area], crs=CRS84)
        near = gpd.sjoin(frame, asked, predicate="intersects").path
        wanted = pd.Interval(low or pd.Timestamp("1900-01-01"), high or pd.Timestamp("2100-01-01"), closed="both")
        expected = sorted(set(near) & set(frame.path[intervals(frame).overlaps(wanted)]))
        query = "SELECT path FROM geoquilt.catalog_query('files', {}, t_min := $low, t_max := $high) ORDER BY path"
        corners = dict(zip(FIELDS, box))
        when = {"low": low, "high": high}
        assert [r[0] for r in con.execute(query.format(f"bbox := {corners}"), when).fetchall()] == expected, seed
        assert [r[0] for r in con.execute(query.format(f"geometry := '{area.wkt}'"), when).fetchall()] == expected, seed
        met += len(expected)
    assert met > 300


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Auckland"])
def test_times_with_an_offset_are_utc_in_every_time_zone(con, zone):
    put(con, "files", random_catalog(np.random.default_rng(6), 60, undated=0))
    con.execute(f"SET TimeZone = '{zone}'")
    ask = lambda t_min, t_max: sorted(con.execute("SELECT path FROM geoquilt.catalog_query('files', t_min := $1, t_max := $2)", [t_min, t_max]).fetchall())
    expected = sorted(con.execute("SELECT path FROM files WHERE t_max >= TIMESTAMP '2020-01-03 00:00:00' AND t_min <= TIMESTAMP '2020-01-04 23:00:00'").fetchall())
    start, stop = pd.Timestamp("2020-01-03", tz="UTC"), pd.Timestamp("2020-01-04 23:00", tz="UTC")
    assert 0 < len(expected) < 60
    assert ask("2020-01-03", "2020-01-04 23:00:00") == ask("2020-01-03T02:00:00+02:00", "2020-01-04T18:00:00-05:00") == expected
    assert ask(start.to_pydatetime(), stop.tz_convert("Asia/Tokyo").to_pydatetime()) == expected
    assert ask("2020-01-03 00:00:00Z", "2020-01-04 23:00:00 UTC") == expected


def test_difference_is_overlay_difference_among_rows_of_one_time(con):
    left = 0
    for seed in range(60):
        rng = np.random.default_rng(2000 + seed)
        a, b = (random_catalog(rng, 15, polygons=seed % 2 == 1) for _ in range(2))
        put(con, "a", a), put(con, "b", b)
        only = seed % 3 == 0
        times = intervals(b)
        expected = {}
        for row, when in zip(a.itertuples(), intervals(a)):
            cover = b.geometry[np.ones(len(b), bool) if only else times.overlaps(when)].union_all()
            rest = row.geometry.difference(cover)
            if rest.area > 1e-6:
                expected[row.path] = rest
        got = con.execute(f"SELECT path, ST_AsWKB(geometry), bbox FROM geoquilt.catalog_difference('a', 'b', spatial_only := {only})").fetchall()
        assert [r[0] for r in got] == list(expected)
        for path, wkb, bbox in got:
            assert shapely.from_wkb(bytes(wkb)).symmetric_difference(expected[path]).area < 1e-6
            assert np.allclose([bbox[f] for f in FIELDS], expected[path].bounds, atol=1e-6)
        left += len(got)
    assert left > 300


def test_time_touches_count_and_space_touches_do_not(con):
    con.execute("""CREATE TABLE a AS SELECT 'a' AS path, geo_box({xmin: 0, ymin: 0, xmax: 2, ymax: 2}) AS geometry, geo_bbox(geometry) AS bbox,
        TIMESTAMP '2020-01-01' AS t_min, TIMESTAMP '2020-01-02' AS t_max""")
    def pairs(box, start, stop):
        con.execute(f"""CREATE OR REPLACE TABLE b AS SELECT 'b' AS path, geo_box({box}) AS geometry, geo_bbox(geometry) AS bbox,
            TIMESTAMP '{start}' AS t_min, TIMESTAMP '{stop}' AS t_max""")
        return con.execute("SELECT count(*) FROM geoquilt.catalog_intersect('a', 'b')").fetchone()[0]
    inside, beside = "{xmin: 1, ymin: 1, xmax: 3, ymax: 3}", "{xmin: 2, ymin: 0, xmax: 3, ymax: 2}"
    assert pairs(inside, "2020-01-02", "2020-01-03") == 1
    assert pairs(inside, "2020-01-02 00:00:00.000001", "2020-01-03") == 0
    assert pairs(beside, "2020-01-01", "2020-01-02") == 0
    assert con.execute("SELECT count(*) FROM geoquilt.catalog_query('b', bbox := {xmin: 0, ymin: 0, xmax: 2, ymax: 2})").fetchone()[0] == 1


def test_shapes_that_all_touch_share_nothing(con):
    """A tiling by triangles with corners at thirds: every pair of neighbours touches, none overlaps."""
    lines = [[(i / 3, j / 7), ((i + 1) / 3, j / 7), (i / 3, (j + 1) / 7)] for i in range(12) for j in range(12)]
    others = [[((i + 1) / 3, j / 7), ((i + 1) / 3, (j + 1) / 7), (i / 3, (j + 1) / 7)] for i in range(12) for j in range(12)]
    frames = []
    for rings in (lines, others):
        frames.append(gpd.GeoDataFrame({"path": [f"t{i}" for i in range(len(rings))], "t_min": pd.NaT, "t_max": pd.NaT}, geometry=[shapely.Polygon(r) for r in rings], crs=CRS84))
        frames[-1][["t_min", "t_max"]] = frames[-1][["t_min", "t_max"]].astype("datetime64[us]")
    put(con, "a", frames[0]), put(con, "b", frames[1])
    assert con.execute("SELECT count(*) FROM geoquilt.catalog_intersect('a', 'b')").fetchone()[0] == 0
    # ... and taken away, the others leave every triangle as it was.
    rows = con.execute("SELECT count(*), sum(abs(bbox.xmax - bbox.xmin - 1.0 / 3) + abs(bbox.ymax - bbox.ymin - 1.0 / 7)) FROM geoquilt.catalog_difference('a', 'b')").fetchone()
    assert rows[0] == len(lines) and rows[1] < 1e-9


def as_catalog(con, name, shapes, crs=CRS84):
    frame = gpd.GeoDataFrame({"path": [f"s{i}" for i in range(len(shapes))]}, geometry=list(shapes), crs=crs)
    frame["t_min"] = pd.Series([pd.NaT] * len(shapes), dtype="datetime64[us]")
    frame["t_max"] = frame.t_min
    put(con, name, frame)
    return frame


def test_boxes_over_the_antimeridian(con):
    """Longitudes that run from 0 to 360 know no antimeridian: the answer there is the answer."""
    rng = np.random.default_rng(4)
    x, y = rng.integers(150, 210, 80), rng.integers(-80, 70, 80)
    w, h = rng.integers(1, 30, (2, 80))
    running = shapely.box(x, y, x + w, y + h)

    def cut(shape):
        parts = [shapely.affinity.translate(shape & shapely.box(360 * k - 180, -90, 360 * k + 180, 90), -360 * k) for k in (0, 1)]
        return shapely.union_all([p for p in parts if p.area])

    as_catalog(con, "files", [cut(s) for s in running])
    for _ in range(150):
        lon, lat = int(rng.integers(150, 210)), int(rng.integers(-80, 70))
        east, north = int(rng.integers(1, 30)), int(rng.integers(1, 20))
        expected = [f"s{i}" for i in np.flatnonzero(shapely.intersects(running, shapely.box(lon, lat, lon + east, lat + north)))]
        wrap = lambda v: v - 360 if v > 180 else v
        box = dict(xmin=wrap(lon), ymin=lat, xmax=wrap(lon + east), ymax=lat + north)
        got = [r[0] for r in con.execute(f"SELECT path FROM geoquilt.catalog_query('files', bbox := {box}) ORDER BY path[2:]::INT").fetchall()]
        # What ends on the antimeridian itself touches both of its sides.
        edge = [f"s{i}" for i in np.flatnonzero((x + w == 180) | (x == 180))]
        assert [p for p in got if p not in edge] == [p for p in expected if p not in edge], box


def test_polar_footprints_are_met_from_every_longitude(con):
    as_catalog(con, "polar", [shapely.box(-1e6, -1e6, 1e6, 1e6)], crs="EPSG:3413")
    as_catalog(con, "cap", [shapely.box(-180, 80, 180, 90), shapely.box(-30, 60, -20, 65)])
    for lon in range(-180, 180, 30):
        box = dict(xmin=lon, ymin=88, xmax=lon + 10, ymax=89)
        assert con.execute(f"SELECT count(*) FROM geoquilt.catalog_query('polar', bbox := {box})").fetchone()[0] == 1, lon
    assert con.execute("SELECT path, right_path FROM geoquilt.catalog_intersect('polar', 'cap')").fetchall() == [("s0", "s0")]
    # The square of 2,000 km lies within 80 degrees but for its corners; shapely has both sides in metres.
    to_polar = pyproj.Transformer.from_crs(CRS84, "EPSG:3413", always_xy=True)
    radius = np.hypot(*to_polar.transform(0, 80))
    truth = shapely.Point(0, 0).buffer(radius, quad_segs=500).intersection(shapely.box(-1e6, -1e6, 1e6, 1e6)).area
    wkb = con.execute("SELECT ST_AsWKB(geometry) FROM geoquilt.catalog_intersect('polar', 'cap')").fetchone()[0]
    assert abs(shapely.from_wkb(bytes(wkb)).area / truth - 1) < 0.01


@pytest.mark.parametrize("utm", ["EPSG:32632", "EPSG:32721", "EPSG:3035"])
def test_catalogs_in_two_crs_meet_in_the_left_ones(con, utm):
    rng = np.random.default_rng(5)
    home = pyproj.CRS(utm).area_of_use
    lon, lat = rng.uniform(home.west, home.east - 1, 40), rng.uniform(max(home.south, -60), min(home.north, 70) - 1, 40)
    a = as_catalog(con, "a", shapely.box(lon, lat, lon + 1.5, lat + 1.2))
    project = pyproj.Transformer.from_crs(CRS84, utm, always_xy=True)
    x, y = project.transform(lon + 0.7, lat + 0.4)
    b = as_catalog(con, "b", shapely.box(x, y, x + 9e4, y + 7e4), crs=utm)

    def dense(shapes, transformer, step):
        return shapely.transform(shapely.segmentize(shapes, step), lambda c: np.column_stack(transformer.transform(*c.T)))

    back = pyproj.Transformer.from_crs(utm, CRS84, always_xy=True)
    for left, right, name, image, transformer, tolerance in (
        (a, b, "'a', 'b'", dense(b.geometry.values, back, 500), None, 1e-4),
        (b, a, "'b', 'a'", dense(a.geometry.values, project, 0.005), None, 2e6),
    ):
        truth = {}
        for i, s in enumerate(left.geometry):
            for j, t in enumerate(image):
                if s.intersection(t).area > 10 * tolerance:
                    truth[f"s{i}", f"s{j}"] = s.intersection(t)
        got = {(r[0], r[1]): shapely.from_wkb(bytes(r[2])) for r in con.execute(PAIRS.format(name)).fetchall()}
        got = {k: v for k, v in got.items() if k in truth or v.area > 20 * tolerance}
        assert got.keys() == truth.keys() and len(truth) > 30
        for pair, shape in truth.items():
            assert got[pair].symmetric_difference(shape).area < tolerance, (pair, got[pair].symmetric_difference(shape).area)
    type_of = "SELECT DISTINCT ST_CRS(geometry) FROM geoquilt.{}"
    assert con.execute(type_of.format("catalog_intersect('a', 'b')")).fetchall() == con.execute("SELECT DISTINCT ST_CRS(geometry) FROM a").fetchall()
    union = con.execute("SELECT ST_AsWKB(geometry) FROM geoquilt.catalog_union('a', 'b')").fetchall()
    assert len(union) == 80
    for (wkb,), shape in zip(union[40:], dense(b.geometry.values, back, 500)):
        assert shapely.from_wkb(bytes(wkb)).symmetric_difference(shape).area < 1e-4


def test_an_area_in_any_crs_finds_what_a_box_in_degrees_misses(con):
    rng = np.random.default_rng(6)
    lon, lat = rng.uniform(5, 12, 300), rng.uniform(40, 60, 300)
    frame = as_catalog(con, "files", shapely.box(lon, lat, lon + 0.2, lat + 0.2))
    for x, y in rng.uniform((300_000, 4_500_000), (600_000, 6_500_000), (20, 2)).tolist():
        box = dict(xmin=x, ymin=y, xmax=x + 2e5, ymax=y + 3e5)
        area = shapely.segmentize(shapely.box(*box.values()), 1000)
        back = pyproj.Transformer.from_crs("EPSG:32632", CRS84, always_xy=True)
        area = shapely.transform(area, lambda c: np.column_stack(back.transform(*c.T)))
        sure = area.buffer(-1e-3)
        got = {r[0] for r in con.execute(f"SELECT path FROM geoquilt.catalog_query('files', bbox := {box}, crs := 'EPSG:32632')").fetchall()}
        assert set(frame.path[frame.intersects(sure)]) <= got <= set(frame.path[frame.intersects(area.buffer(1e-3))])


def test_every_kind_of_relation_is_a_catalog(con, tmp_path):
    frame = random_catalog(np.random.default_rng(8), 20)
    put(con, "files", frame)
    con.execute("CREATE VIEW seen AS FROM files")
    con.execute("CREATE TEMP TABLE passing AS FROM files")
    con.execute(f"COPY files TO '{tmp_path}/files.parquet' (FORMAT parquet, GEOPARQUET_VERSION 'BOTH')")
    con.execute(f"COPY files TO '{tmp_path}/old.parquet' (FORMAT parquet)")
    arrow_table = con.execute("SELECT * FROM files").to_arrow_table()
    frame_of_pandas = con.execute("SELECT * REPLACE (ST_AsWKT(geometry) AS geometry) FROM files").df()
    born = pa.table(frame.to_arrow(geometry_encoding="WKB"))
    def count(sql, frames=(arrow_table, frame_of_pandas, born)):
        # The engine looks for data frames in the Python function that calls it.
        arrow_table, frame_of_pandas, born = frames
        return con.execute(sql).fetchone()[0]

    ask = "SELECT count(*) FROM geoquilt.catalog_query('{}', bbox := {{xmin: 2, ymin: 2, xmax: 6, ymax: 6}}, t_max := '2020-01-05')"
    pair = "SELECT count(*) FROM geoquilt.catalog_intersect('{0}', '{0}')"
    asked, paired = count(ask.format("files")), count(pair.format("files"))
    assert asked and paired
    for name in ("seen", "passing", f"{tmp_path}/files.parquet", f"{tmp_path}/old.parquet", "arrow_table"):
        assert (count(ask.format(name)), count(pair.format(name))) == (asked, paired), name
    for name, made in (("typed", "SELECT * REPLACE (geometry::GEOMETRY AS geometry) FROM frame_of_pandas"), ("boxed", "SELECT *, geo_bbox(geometry) AS bbox FROM born")):
        assert count(f"WITH {name} AS ({made}) " + ask.format(name)) == asked
        assert count(f"WITH {name} AS ({made}) " + pair.format(name)) == paired
    con.execute("BEGIN"), con.execute("INSERT INTO files FROM files")
    assert count(ask.format("files")) == 2 * asked
    con.execute("ROLLBACK")


def test_an_area_may_be_a_subquery(con):
    put(con, "files", random_catalog(np.random.default_rng(8), 40)), put(con, "region", random_catalog(np.random.default_rng(9), 1))
    ask = lambda area: con.execute(f"SELECT path FROM geoquilt.catalog_query('files', {area}) ORDER BY path").fetchall()
    con.execute("SET VARIABLE region = (SELECT geometry FROM region)")
    expected = ask("geometry := getvariable('region')")
    assert 0 < len(expected) < 40
    assert ask("geometry := (SELECT geometry FROM region)") == ask("bbox := (SELECT bbox FROM geoquilt.catalog_extent('region'))") == expected
    assert "st_land_fraction: argument 1 holds a subquery" in refusal(con, "SELECT st_land_fraction((SELECT geometry FROM region), 'test/data/small/land.tif')")


def test_a_catalog_without_a_crs_keeps_its_shapes(con):
    a, b = random_catalog(np.random.default_rng(4), 12), random_catalog(np.random.default_rng(5), 12)
    put(con, "a", a), put(con, "b", b)
    con.execute("CREATE TABLE bare AS SELECT * REPLACE (geometry::GEOMETRY AS geometry) FROM a")
    for made in ("catalog_intersect('{}', 'b')", "catalog_difference('{}', 'b')", "catalog_union('{}', 'b')", "catalog_union('{}', '{}')", "catalog_extent('{}')", "catalog_coverage('{}', cell := 5)"):
        rows = "SELECT bbox, ST_AsText(geometry) FROM geoquilt." + made + " ORDER BY ALL"
        bare = con.execute(rows.format("bare", "bare")).fetchall()
        assert bare and bare == con.execute(rows.format("a", "a")).fetchall() and all(shape for _, shape in bare), made
        assert con.execute("SELECT any_value(ST_CRS(geometry)) FROM geoquilt." + made.format("bare", "bare")).fetchone() == (None,)


def test_results_are_catalogs_themselves(con, tmp_path):
    a, b, c = (random_catalog(np.random.default_rng(s), 12) for s in (1, 2, 3))
    put(con, "a", a), put(con, "b", b), put(con, "c", c)
    con.execute("CREATE TABLE ab AS FROM geoquilt.catalog_intersect('a', 'b')")
    con.execute("CREATE TABLE abc AS SELECT path, right_path, COLUMNS('right_path_?1') AS third, geometry, bbox, t_min, t_max FROM geoquilt.catalog_intersect('ab', 'c')")
    assert con.execute("SELECT count(*) FROM geoquilt.catalog_validate('abc') WHERE \"column\" <> 'path'").fetchone()[0] == 0
    two = expected_intersect(a, b)
    frame = gpd.GeoDataFrame({"path": [f"{i},{j}" for i, j in two], "t_min": [v[1] for v in two.values()], "t_max": [v[2] for v in two.values()]}, geometry=[v[0] for v in two.values()], crs=CRS84)
    three = expected_intersect(frame, c)
    got = con.execute("SELECT path || ',' || right_path, third FROM abc").fetchall()
    assert sorted(got) == sorted(three)
    con.execute(f"COPY abc TO '{tmp_path}/abc.parquet' (FORMAT parquet, GEOPARQUET_VERSION 'BOTH')")
    assert len(gpd.read_parquet(f"{tmp_path}/abc.parquet")) == len(three)


def test_union_keeps_every_row_or_one_a_path(con):
    con.execute("CREATE TABLE a AS FROM geo_catalog_build('test/data/small/sst_2018*.tif')")
    con.execute("CREATE TABLE b AS SELECT * EXCLUDE (attributes), 'more' AS note FROM geo_catalog_build('test/data/small/sst*.tif')")
    names = lambda sql: [r[0].rsplit("_")[-1] for r in con.execute(f"SELECT path FROM {sql}").fetchall()]
    assert names("geoquilt.catalog_union('a', 'b')") == ["20180101.tif", "20180102.tif", "20180101.tif", "20180102.tif", "20190101.tif"]
    assert names("geoquilt.catalog_union('a', 'b', dedupe := true)") == ["20180101.tif", "20180102.tif", "20190101.tif"]
    assert con.execute("SELECT count(note), count(attributes) FROM geoquilt.catalog_union('a', 'b')").fetchone() == (3, 2)
    assert con.execute("SELECT DISTINCT ST_CRS(geometry) FROM geoquilt.catalog_union('a', 'b')").fetchall() == [(CRS84,)]


def test_pad_makes_intervals_longer(con):
    frame = random_catalog(np.random.default_rng(9), 30)
    put(con, "files", frame)
    rows = con.execute("SELECT path, t_min, t_max FROM geoquilt.catalog_pad('files', INTERVAL 3 DAY) ORDER BY path[2:]::INT").fetchall()
    for row, mine in zip(frame.itertuples(), rows):
        expected = (None, None) if pd.isna(row.t_min) else (row.t_min - 3 * DAY, row.t_max + 3 * DAY)
        assert mine[1:] == expected


def test_extent_and_coverage_are_counted(con):
    frame = random_catalog(np.random.default_rng(10), 40, polygons=True)
    put(con, "files", frame)
    n, undated, bbox, t_min, t_max = con.execute("SELECT n, n_undated, bbox, t_min, t_max FROM geoquilt.catalog_extent('files')").fetchone()
    assert (n, undated, t_min, t_max) == (40, int(frame.t_min.isna().sum()), frame.t_min.min(), frame.t_max.max())
    assert np.array_equal([bbox[f] for f in FIELDS], frame.total_bounds)
    got = {(r[0], r[1], r[2]): r[3] for r in con.execute("SELECT bbox.xmin, bbox.ymin, period, n FROM geoquilt.catalog_coverage('files', cell := 4, every := 'day')").fetchall()}
    expected = {}
    for x in range(-4, 24, 4):
        for y in range(-4, 24, 4):
            for row in frame.itertuples():
                if row.geometry.intersection(shapely.box(x, y, x + 4, y + 4)).area > 1e-9:
                    days = [None] if pd.isna(row.t_min) else [d.date() for d in pd.date_range(row.t_min, row.t_max)]
                    for day in days:
                        expected[float(x), float(y), day] = expected.get((float(x), float(y), day), 0) + 1
    assert got == expected


def test_blocks_are_squares_of_the_equal_area_grid(con):
    rng = np.random.default_rng(11)
    lon, lat = rng.uniform(-180, 179, 500), rng.uniform(-89, 88, 500)
    frame = as_catalog(con, "files", shapely.box(lon, lat, lon + 0.5, lat + 0.5))
    x, y = pyproj.Transformer.from_crs(CRS84, "EPSG:6933", always_xy=True).transform(lon + 0.25, lat + 0.25)
    west, south = pyproj.Transformer.from_crs(CRS84, "EPSG:6933", always_xy=True).transform(-180, -90)
    for size in (50, 333.3, 2000):
        columns = int(np.ceil(-2 * west / (size * 1000)))
        expected = np.floor((y - south) / (size * 1000)) * columns + np.floor((x - west) / (size * 1000))
        got = con.execute(f"SELECT block FROM geoquilt.spatial_blocks('files', {size}) ORDER BY path[2:]::INT").fetchall()
        assert np.array_equal([r[0] for r in got], expected.astype(int)), size
    assert len(frame) == 500


# --- bad input ---------------------------------------------------------------------------------------


def refusal(con, sql, *parameters):
    with pytest.raises(Exception) as error:
        con.execute(sql, *parameters).fetchall()
    return str(error.value)


MACROS = {
    "catalog_query": "geoquilt.catalog_query('{}')", "catalog_intersect": "geoquilt.catalog_intersect('{}', 'sound')",
    "catalog_union": "geoquilt.catalog_union('{}', 'sound')", "catalog_difference": "geoquilt.catalog_difference('{}', 'sound')",
    "catalog_extent": "geoquilt.catalog_extent('{}')", "catalog_pad": "geoquilt.catalog_pad('{}', INTERVAL 1 DAY)",
    "spatial_blocks": "geoquilt.spatial_blocks('{}', 100)", "catalog_coverage": "geoquilt.catalog_coverage('{}')",
}


@pytest.mark.parametrize("macro", MACROS)
def test_a_missing_or_mistyped_column_is_named(con, macro):
    put(con, "sound", random_catalog(np.random.default_rng(1), 5))
    cases = {
        "SELECT * EXCLUDE (t_min) FROM sound": ('"t_min" is missing', "NULL::TIMESTAMP"),
        "SELECT * EXCLUDE (bbox) FROM sound": ('"bbox" is missing', "geo_bbox(geometry)"),
        "SELECT * EXCLUDE (geometry) FROM sound": ('"geometry" is missing', "geo_box(bbox)"),
        "SELECT * REPLACE (ST_AsWKB(geometry) AS geometry) FROM sound": ('"geometry" is BLOB', "ST_GeomFromWKB"),
        "SELECT * REPLACE (t_max::DATE AS t_max) FROM sound": ('"t_max" is DATE', "::TIMESTAMP"),
        "SELECT * REPLACE (t_max::TIMESTAMPTZ AS t_max) FROM sound": ('"t_max" is TIMESTAMP WITH TIME ZONE', "AT TIME ZONE"),
        "SELECT * REPLACE ([bbox.xmin] AS bbox) FROM sound": ('"bbox" is DOUBLE[]', "geo_bbox"),
        "SELECT 1 AS one": ('is missing; the columns are one', ""),
    }
    for sql, (problem, remedy) in cases.items():
        con.execute(f"CREATE OR REPLACE VIEW broken AS {sql}")
        message = refusal(con, f"FROM {MACROS[macro].format('broken')}")
        assert f"{macro}(" in message and problem in message and remedy in message, message
    if macro in ("catalog_intersect", "catalog_union", "catalog_difference"):
        assert f"{macro}(b): column" in refusal(con, f"FROM geoquilt.{macro}('sound', 'broken')")


def test_areas_that_can_not_be_asked_for(con):
    put(con, "files", random_catalog(np.random.default_rng(1), 5))
    ask = lambda text: refusal(con, f"FROM geoquilt.catalog_query('files', {text})")
    assert 'catalog_query(crs): "EPSG:0" is not a coordinate reference system' in ask("bbox := {xmin: 0, ymin: 0, xmax: 1, ymax: 1}, crs := 'EPSG:0'")
    assert "catalog_query(geometry): an empty geometry is not valid" in ask("geometry := 'POLYGON EMPTY'")
    assert "catalog_query(bbox): box (0, 2, 1, 1) is not valid" in ask("bbox := {xmin: 0, ymin: 2, xmax: 1, ymax: 1}")
    assert "catalog_query(bbox): [0.0, 0.0, 1.0] is not valid: must be a box" in ask("bbox := [0, 0, 1]")
    assert 'catalog_query(bbox): "0, 0, 1, 1" is not valid: must be a box {xmin: 9' in ask("bbox := '0, 0, 1, 1'")
    assert con.execute("SELECT count(*) FROM geoquilt.catalog_query('files', bbox := [-180, -90, 180, 90.0])").fetchone() == con.execute("SELECT count(*) FROM geoquilt.catalog_query('files', bbox := NULL)").fetchone()
    assert "catalog_query(bbox): a box with a NULL corner" in ask("bbox := {xmin: 0, ymin: NULL, xmax: 1, ymax: 1}")
    assert "catalog_query(bbox): box (nan" in ask("bbox := {xmin: 'nan'::DOUBLE, ymin: 0, xmax: 1, ymax: 1}").lower()
    assert "catalog_query(crs): box (500000, 4000000, 600000, 4100000) lies off the globe" in ask("bbox := {xmin: 500000, ymin: 4000000, xmax: 600000, ymax: 4100000}")
    assert "catalog_query(geometry): bbox and geometry are two ways" in ask("bbox := {xmin: 0, ymin: 0, xmax: 1, ymax: 1}, geometry := 'POINT (0 0)'")
    for kind in ["", "DATE ", "TIMESTAMP "]:  # also where no row meets either bound, or the box
        for more in ["", ", bbox := {xmin: 170, ymin: 80, xmax: 171, ymax: 81}"]:
            said = ask(f"t_min := {kind}'2020-03-02', t_max := {kind}'2020-03-01'{more}")
            assert "catalog_query(t_max): the interval ends before it starts: 2020-03-02" in said and "to 2020-03-01" in said
    con.execute("CREATE TABLE dated AS FROM files WHERE t_min < '2020-01-02' OR t_min >= '2020-01-04'")
    assert "catalog_query(t_max): the interval ends before it starts" in refusal(con, "FROM geoquilt.catalog_query('dated', t_min := '2020-01-04', t_max := DATE '2020-01-02')")
    assert "xmin <= xmax" in ask("bbox := {xmin: 5e5, ymin: 4e6, xmax: 4e5, ymax: 5e6}, crs := 'EPSG:32632'")
    con.execute("CREATE TABLE utm AS SELECT * REPLACE (ST_SetCRS(geometry::GEOMETRY, 'EPSG:32632') AS geometry) FROM files")
    assert "the area reaches beyond what EPSG:32632 can map" in refusal(con, "FROM geoquilt.catalog_query('utm', bbox := {xmin: -180, ymin: -80, xmax: 180, ymax: 80})")
    assert "catalog_pad(pad)" in refusal(con, "FROM geoquilt.catalog_pad('files', INTERVAL '-1' DAY)")
    assert "catalog_pad(pad): NULL is not zero or more" in refusal(con, "FROM geoquilt.catalog_pad('files', NULL)")
    assert "catalog_coverage(cell): nan" in refusal(con, "FROM geoquilt.catalog_coverage('files', cell := 'nan'::DOUBLE)").lower()
    assert "such cells" in refusal(con, "FROM geoquilt.catalog_coverage('files', cell := 1e-9)")
    assert "catalog_coverage(cell): 0" in refusal(con, "FROM geoquilt.catalog_coverage('files', cell := 0)")
    assert 'catalog_coverage(every): "week"' in refusal(con, "FROM geoquilt.catalog_coverage('files', every := 'week')")
    assert "spatial_blocks(size)" in refusal(con, "FROM geoquilt.spatial_blocks('files', -1)")


def test_a_row_without_a_place_is_in_no_answer_and_is_reported(con):
    put(con, "files", random_catalog(np.random.default_rng(3), 6))
    con.execute("INSERT INTO files SELECT 'none', t_min, t_max, NULL, NULL FROM files LIMIT 1")
    con.execute("INSERT INTO files SELECT 'empty', t_min, t_max, ST_SetCRS('POLYGON EMPTY'::GEOMETRY, ST_CRS(geometry)), NULL FROM files LIMIT 1")
    everywhere = "bbox := {xmin: -180, ymin: -90, xmax: 180, ymax: 90}"
    assert con.execute(f"SELECT count(*) FROM geoquilt.catalog_query('files', {everywhere})").fetchone()[0] == 6
    assert con.execute("SELECT count(*) FROM geoquilt.catalog_query('files')").fetchone()[0] == 8
    assert con.execute("SELECT count(*) FROM geoquilt.catalog_intersect('files', 'files', spatial_only := true) WHERE 'none' IN (path, right_path)").fetchone()[0] == 0
    assert con.execute("SELECT count(*) FROM geoquilt.catalog_difference('files', 'files')").fetchone()[0] == 2
    found = con.execute("SELECT path, \"column\", problem FROM geoquilt.catalog_validate('files')").fetchall()
    assert sorted((p, c) for p, c, _ in found) == [("empty", "bbox"), ("empty", "geometry"), ("none", "bbox"), ("none", "geometry")]


@pytest.mark.parametrize("corner", ["'nan'", "'inf'", "'-inf'"])
def test_a_box_that_is_not_finite_has_no_pair_and_holds_up_nothing(con, corner):
    con.execute("SELECT setseed(0.5)")
    con.execute("""CREATE TABLE files AS SELECT 'f' || i AS path, {xmin: x, ymin: y, xmax: x + 0.1, ymax: y + 0.1} AS bbox, geo_box(bbox) AS geometry, NULL::TIMESTAMP AS t_min, NULL::TIMESTAMP AS t_max
        FROM (SELECT i, random() * 359 - 180 AS x, random() * 179 - 90 AS y FROM range(20000) AS t(i))""")
    con.execute(f"CREATE TABLE bad AS FROM files UNION ALL BY NAME (SELECT * REPLACE ('bad' AS path, {{xmin: bbox.xmin, ymin: {corner}::DOUBLE, xmax: bbox.xmax, ymax: bbox.ymax}} AS bbox) FROM files LIMIT 1)")
    candidates = "SELECT count(*) FROM geoquilt.catalog_intersect('files', '{}')"
    assert con.execute(candidates.format("bad")).fetchone() == con.execute(candidates.format("files")).fetchone()
    # One cell for all would compare 400 million pairs.
    plan = con.execute("EXPLAIN ANALYZE " + candidates.format("bad")).fetchall()[0][1]
    assert float(re.search(r"Total Time: ([0-9.]+)s", plan)[1]) < 5
    assert con.execute("SELECT count(*) FROM geoquilt.catalog_coverage('bad') WHERE n < 1").fetchone() == (0,)


def test_validate_finds_each_fault_and_nothing_in_a_sound_catalog(con):
    con.execute("CREATE TABLE files AS FROM geo_catalog_build('test/data/small/*.tif', on_error := 'skip')")
    assert con.execute("FROM geoquilt.catalog_validate('files')").fetchall() == []
    faults = {
        "path": "path = NULL", "geometry": "geometry = NULL", "t_min": "t_max = TIMESTAMP '2020-01-01', t_min = NULL",
        "t_max": "t_max = TIMESTAMP '2020-01-01', t_min = TIMESTAMP '2020-01-02'", "schema_version": "schema_version = 7",
        "bbox": "bbox = {xmin: 0, ymin: 0, xmax: 1, ymax: 1}",
    }
    for column, fault in faults.items():
        con.execute("CREATE OR REPLACE TABLE one AS FROM files LIMIT 1")
        con.execute(f"UPDATE one SET {fault}")
        rows = con.execute("SELECT \"row\", \"column\" FROM geoquilt.catalog_validate('one')").fetchall()
        assert rows == [(0, column)], (column, rows)
    con.execute("UPDATE one SET bbox = {xmin: 170, ymin: 0, xmax: -170, ymax: 1}")
    assert "over the antimeridian" in con.execute("SELECT problem FROM geoquilt.catalog_validate('one')").fetchone()[0]
    con.execute("CREATE TABLE bare AS SELECT 1 AS one")
    rows = con.execute("SELECT \"row\", \"column\" FROM geoquilt.catalog_validate('bare')").fetchall()
    assert rows == [(None, c) for c in ("path", "geometry", "bbox", "t_min", "t_max")]
    con.execute("CREATE TABLE none AS FROM bare LIMIT 0")
    assert len(con.execute("FROM geoquilt.catalog_validate('none')").fetchall()) == 5


# --- plans -------------------------------------------------------------------------------------------


def operators(con, sql):
    """The names of a plan's operators."""
    plan = json.loads(con.execute(f"EXPLAIN (FORMAT json) {sql}").fetchall()[0][1])
    names = []

    def walk(node):
        names.append(node["name"].strip().upper().replace(" ", "_"))
        for child in node.get("children", []):
            walk(child)

    for node in plan if isinstance(plan, list) else [plan]:
        walk(node)
    return names


def test_catalogs_are_joined_by_hash_alone(con):
    put(con, "a", random_catalog(np.random.default_rng(1), 500)), put(con, "b", random_catalog(np.random.default_rng(2), 500))
    for sql in ("FROM geoquilt.catalog_intersect('a', 'b')", "FROM geoquilt.catalog_intersect('a', 'b', spatial_only := true)", "FROM geoquilt.catalog_difference('a', 'b')"):
        names = operators(con, sql)
        assert "HASH_JOIN" in names
        slow = [n for n in names if "IE_JOIN" in n or "IEJOIN" in n or "PIECEWISE" in n or "NESTED_LOOP" in n or "NL_JOIN" in n]
        assert not slow, names


def test_a_query_reads_few_row_groups(con, tmp_path):
    """A million rows, sorted by place: a box and a month leave most of the file unread."""
    path = tmp_path / "files.parquet"
    con.execute("SELECT setseed(0.5)")
    con.execute(f"""COPY (
        SELECT 'f' || i AS path, ST_SetCRS(geo_box(bbox), 'OGC:CRS84') AS geometry, bbox, t_min, t_min + INTERVAL 1 DAY AS t_max
        FROM (SELECT i, {{xmin: x, ymin: y, xmax: x + 0.5, ymax: y + 0.5}} AS bbox, TIMESTAMP '2015-01-01' + to_days((random() * 3000)::INT) AS t_min
              FROM (SELECT i, random() * 359 - 180 AS x, random() * 179 - 90 AS y FROM range(1000000) AS r(i)))
        ORDER BY floor(bbox.xmin / 5), bbox.ymin) TO '{path}' (FORMAT parquet, GEOPARQUET_VERSION 'BOTH', ROW_GROUP_SIZE 8192)""")
    query = f"FROM geoquilt.catalog_query('{path}', bbox := {{xmin: 10, ymin: 40, xmax: 12, ymax: 42}}, t_min := '2018-03-01', t_max := '2018-03-31')"
    brute = con.execute(f"""SELECT count(*) FROM '{path}' WHERE bbox.xmin <= 12 AND bbox.xmax >= 10 AND bbox.ymin <= 42 AND bbox.ymax >= 40
        AND t_min <= TIMESTAMP '2018-03-31 23:59:59.999999' AND t_max >= TIMESTAMP '2018-03-01'""").fetchone()[0]
    assert con.execute(f"SELECT count(*) {query}").fetchone()[0] == brute > 0
    groups = con.execute(f"""SELECT count(DISTINCT row_group_id) FROM parquet_metadata('{path}')""").fetchone()[0]
    assert groups > 120
    plan = con.execute(f"EXPLAIN {query}").fetchall()[0][1]
    # The area is four numbers by then, which the scan itself compares with.
    scan = re.sub(r"[\s│]", "", plan[plan.upper().index("PARQUET"):])
    assert re.search(r"xmin'?\)?<=12\.0", scan), plan
    read, whole = bytes_read(con, path, f"SELECT * {query}"), bytes_read(con, path, f"SELECT max(COLUMNS(*)::VARCHAR) FROM '{path}'")
    assert 0 < read < whole / 20 and whole > 0.9 * path.stat().st_size, (read, whole)


def bytes_read(con, path, sql):
    """What the engine's own log says that a query read from a file."""
    con.execute("SET enable_external_file_cache = false; CALL truncate_duckdb_logs(); CALL enable_logging('FileSystem')")
    con.execute(sql).fetchall()
    con.execute("CALL disable_logging()")
    return con.execute("SELECT sum(bytes::BIGINT) FROM duckdb_logs_parsed('FileSystem') WHERE op = 'READ' AND path = ?", [str(path)]).fetchone()[0]


def test_days_months_and_years_are_whole_as_text(con):
    con.execute("CREATE TABLE one AS SELECT 'a' AS path, geo_box({xmin: 0, ymin: 0, xmax: 1, ymax: 1}) AS geometry, {xmin: 0.0::DOUBLE, ymin: 0.0::DOUBLE, xmax: 1.0::DOUBLE, ymax: 1.0::DOUBLE} AS bbox, "
                "TIMESTAMP '2018-01-31 12:00' AS t_min, TIMESTAMP '2018-01-31 12:30' AS t_max")
    count = lambda bounds: con.execute(f"SELECT count(*) FROM geoquilt.catalog_query('one', {bounds})").fetchone()[0]
    for text in ("2018", "2018-01", "2018-1", "2018-01-31", "2018-1-31"):
        assert count(f"t_max := '{text}'") == count(f"t_min := '{text}'") == 1, text
    for text in ("2017", "2017-12", "2018-1-30", "2018-01-31 11:59"):
        assert count(f"t_max := '{text}'") == 0, text
    for name in ("t_min", "t_max"):
        for text in ("", "abc", "2018-13", "2018-02-30"):
            with pytest.raises(Exception, match=f'catalog_query.{name}.: "{text}" is not valid: must be a TIMESTAMP'):
                count(f"{name} := '{text}'")
