"""Queries against NumPy's own stream: the published generator written out, and brute force over land and overlap."""
import datetime
import itertools
import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import connect, write_raster
from rasterio.transform import from_origin

BOX = (-80, 10, -10, 55)
EPOCH = datetime.date(1970, 1, 1)


def bbox(box):
    return "{{xmin: {}, ymin: {}, xmax: {}, ymax: {}}}".format(*box)


def degrees(size, unit, lat):
    if unit == "deg":
        return size, size
    return size / (111 * max(math.cos(math.radians(lat)), 0.1)), size / 111


def quarter_land(mask, box):
    """The mean of all cells of a quarter of a degree that a box touches; the mask's first row is the southernmost."""
    clamp = lambda n, count: min(max(n, 0), count - 1)
    west, east = (clamp(int((x + 180) / 0.25), 1440) for x in (box[0], box[2]))
    south, north = (clamp(int((y + 90) / 0.25), 720) for y in (box[1], box[3]))
    return float(np.mean(mask[south:north + 1, west:east + 1]))


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = lambda c: (c[2] - c[0]) * (c[3] - c[1])
    return width * height / (area(a) + area(b) - width * height)


def published(n, size, unit="deg", box=BOX, first="2023-04-01", last="2023-06-30", window=1, most=1.0, land=0.3, mask=None, seed=42):
    """The generator of OceanTACO as its page and 3-semantics tell it, drawn with NumPy."""
    rng = np.random.default_rng(seed)
    days = (datetime.date.fromisoformat(last) - datetime.date.fromisoformat(first)).days + 1
    kept = []
    while len(kept) < n:
        batch = min(1000, 2 * (n - len(kept)))
        lats, lons = rng.uniform(box[1], box[3], batch), rng.uniform(box[0], box[2], batch)
        starts = rng.integers(0, days - window + 1, batch)
        for lat, lon, start in zip(lats.tolist(), lons.tolist(), starts.tolist()):
            if len(kept) == n:
                break
            width, height = degrees(size, unit, lat)
            at = (max(-180.0, lon - width / 2), max(-90.0, lat - height / 2), min(180.0, lon + width / 2), min(90.0, lat + height / 2))
            share = None if mask is None else quarter_land(mask, at)
            if share is not None and share > land:
                continue
            if most < 1 and any(overlap(at, other[0]) > most for other in kept if start < other[1] + window and other[1] < start + window):
                continue
            kept.append((at, start, share))
    day = datetime.date.fromisoformat(first)
    stamp = lambda d: datetime.datetime.combine(d, datetime.time())
    return [(i, dict(zip(("xmin", "ymin", "xmax", "ymax"), at)), stamp(day + datetime.timedelta(start)),
             stamp(day + datetime.timedelta(start + window)) - datetime.timedelta(microseconds=1), share) for i, (at, start, share) in enumerate(kept)]


@pytest.fixture(scope="module")
def quarter(tmp_path_factory):
    """A made world of a quarter of a degree: its path, and its cells from the south."""
    y, x = np.mgrid[0:720, 0:1440]
    land = (np.sin(x / 97) + np.cos(y / 61) + np.sin((x + y) / 29) > 0.9).astype("uint8")
    path = write_raster(tmp_path_factory.mktemp("mask") / "quarter.tif", land, crs="EPSG:4326", transform=from_origin(-180, 90, 0.25, 0.25), compress="deflate")
    return path, land[::-1]


def drawn(con, n, size, more):
    return con.execute(f"FROM geo_train_queries({n}, size := {size}, {more})").fetchall()


DATES = "t_min := '2023-04-01', t_max := '2023-06-30'"


def test_the_published_rows_come(con):
    rows = drawn(con, 100, 10, f"bbox := {bbox(BOX)}, {DATES}, mode := 'oceantaco'")
    first = [(r[1]["xmin"], r[1]["ymin"], r[2].date().isoformat()) for r in rows]
    assert first[0] == (-30.581661323117572, 39.82802218501835, "2023-04-02")
    assert first[14] == (-34.921500926893884, 24.9536389472299, "2023-06-10")
    assert first[15] == (-33.27111972591208, 15.22574248031496, "2023-06-16")
    assert first[18] == (-20.07062142954446, 42.243402739666195, "2023-05-31")


@pytest.mark.parametrize("seed", [0, 1, 42, 2**31, 2**40 + 3])
@pytest.mark.parametrize("how", [dict(size=10), dict(size=500, unit="km"), dict(size=3, window=7), dict(size=4, most=0.1, window=3), dict(size=3000, unit="km", box=(-180, -90, 180, 90))], ids=str)
def test_the_published_generator_is_drawn_bit_for_bit(con, seed, how):
    words = f"unit := '{how.get('unit', 'deg')}', window_days := {how.get('window', 1)}, max_spatial_overlap := {how.get('most', 1)}"
    rows = drawn(con, 700, how["size"], f"bbox := {bbox(how.get('box', BOX))}, {DATES}, mode := 'oceantaco', seed := {seed}, {words}")
    assert rows == published(700, seed=seed, **how)


@pytest.mark.parametrize("box, most", [((-180, -90, 180, 90), 1), ((-60, -70, 120, 80), 0.15)])
def test_land_is_the_mean_of_the_cells_that_a_box_touches(con, quarter, box, most):
    path, mask = quarter
    rows = drawn(con, 400, 8, f"bbox := {bbox(box)}, {DATES}, mode := 'oceantaco', seed := 5, mask := '{path}', max_land_fraction := 0.2, max_spatial_overlap := {most}")
    assert rows == published(400, 8, box=box, seed=5, mask=mask, land=0.2, most=most)


def test_numpys_integers_and_uniforms_are_drawn_over_many_seeds(con):
    """One query a seed, with counts of days of every size: the draw's three streams at once."""
    seeds = np.random.default_rng(1).integers(0, 2**63, 60)
    for seed, days in zip(seeds.tolist(), itertools.cycle([1, 2, 3, 7, 91, 365, 5844, 100_000])):
        last = datetime.date(1990, 1, 1) + datetime.timedelta(days - 1)
        rows = drawn(con, 5, 1, f"bbox := {bbox(BOX)}, t_min := '1990-01-01', t_max := DATE '{last}', mode := 'oceantaco', seed := {seed}")
        assert rows == published(5, 1, first="1990-01-01", last=last.isoformat(), seed=seed), (seed, days)


# --- on the sphere


def test_centres_are_even_on_the_sphere(con):
    rows = con.execute(f"SELECT (bbox.ymin + bbox.ymax) / 2, bbox.xmin FROM geo_train_queries(20000, size := 1, {DATES}, bbox := {bbox((-180, -80, 180, 80))})").fetchall()
    lats, lons = np.array(rows).T
    for values, low, high in ((np.sin(np.radians(lats)), -math.sin(math.radians(80)), math.sin(math.radians(80))), (lons, -180, 180)):
        counts, _ = np.histogram(values, bins=20, range=(low, high))
        # The 99.9th percentile of chi-square with 19 degrees of freedom is 43.8.
        assert ((counts - 1000) ** 2 / 1000).sum() < 43.8


def pieces(box):
    """A box on each side of the antimeridian."""
    box = [box[k] for k in ("xmin", "ymin", "xmax", "ymax")]
    return [box] if box[0] <= box[2] else [[box[0], box[1], 180, box[3]], [-180, box[1], box[2], box[3]]]


def sphere_overlap(a, b):
    area = lambda c: max(c[2] - c[0], 0) * max(math.sin(math.radians(c[3])) - math.sin(math.radians(c[1])), 0)
    cut = lambda c, d: [max(c[0], d[0]), max(c[1], d[1]), min(c[2], d[2]), min(c[3], d[3])]
    shared = sum(area(cut(c, d)) for c in pieces(a) for d in pieces(b) if cut(c, d)[0] < cut(c, d)[2] and cut(c, d)[1] < cut(c, d)[3])
    return shared / (sum(map(area, pieces(a))) + sum(map(area, pieces(b))) - shared)


@pytest.mark.parametrize("most", [0, 0.2])
def test_boxes_go_on_over_the_antimeridian_and_overlap_no_more_than_allowed(con, most):
    rows = drawn(con, 120, 1500, f"unit := 'km', bbox := {bbox((150, -70, -110, 85))}, t_min := '2020-01-01', t_max := '2020-01-20', window_days := 2, max_spatial_overlap := {most}")
    across = 0
    for _, box, t_min, t_max, land in rows:
        assert -180 <= box["xmin"] < 180 and -180 < box["xmax"] <= 180 and -90 <= box["ymin"] < box["ymax"] <= 90 and land is None
        assert t_max - t_min == datetime.timedelta(days=2, microseconds=-1)
        across += box["xmin"] > box["xmax"]
    assert across > 5
    worst = max(sphere_overlap(a[1], b[1]) for a, b in itertools.combinations(rows, 2) if a[2] <= b[3] and b[2] <= a[3])
    assert most - 0.05 <= worst <= most + 1e-9 or most == 0 and worst == 0


def test_land_is_what_st_land_fraction_says(con, quarter, tmp_path):
    path, land = quarter
    rows = con.execute(f"""SELECT land_fraction, st_land_fraction(bbox, '{path}') FROM geo_train_queries(300, size := 9, {DATES}, bbox := {bbox((160, -60, -100, 60))},
        mask := '{path}', max_land_fraction := 0.25)""").fetchall()
    assert all(ours == theirs and ours <= 0.25 for ours, theirs in rows) and len({r[0] for r in rows}) > 50
    # A mask in another CRS.
    far = write_raster(tmp_path / "polar.tif", (np.arange(40000).reshape(200, 200) % 7 == 0).astype("uint8"), crs="EPSG:3995", transform=from_origin(-5e6, 5e6, 5e4, 5e4))
    rows = con.execute(f"""SELECT land_fraction, st_land_fraction(bbox, '{far}') FROM geo_train_queries(20, size := 800, unit := 'km', {DATES}, bbox := {bbox((-180, 70, 180, 80))},
        mask := '{far}')""").fetchall()
    assert all(ours == theirs for ours, theirs in rows)


def test_a_box_over_a_pole_ends_there(con):
    rows = con.execute(f"SELECT bbox FROM geo_train_queries(50, size := 2000, unit := 'km', {DATES}, bbox := {bbox((-180, 85, 180, 90))})").fetchall()
    assert all(box["ymax"] == 90 for box, in rows)
    rows = con.execute(f"SELECT bbox FROM geo_train_queries(50, size := 5000, unit := 'km', {DATES}, bbox := {bbox((-180, 85, 180, 90))})").fetchall()
    assert all((box["xmin"], box["xmax"]) == (-180, 180) for box, in rows)


def test_threads_and_zones_change_no_row(con, quarter):
    ask = lambda: drawn(con, 3000, 5, f"{DATES}, mask := '{quarter[0]}', max_spatial_overlap := 0.3")
    rows = ask()
    for setting in ("threads = 1", "threads = 8", "TimeZone = 'Pacific/Apia'"):
        con.execute(f"SET {setting}")
        assert ask() == rows


@pytest.mark.parametrize("mode, drawn_in_all", [("sphere", 40_000), ("oceantaco", 6000)])
def test_a_shortfall_counts_its_causes(con, quarter, mode, drawn_in_all):
    with pytest.raises(Exception) as told:
        drawn(con, 300, 20, f"bbox := {bbox((-40, -20, 40, 40))}, t_min := '2020-01-01', t_max := '2020-01-01', mask := '{quarter[0]}', max_spatial_overlap := 0, max_land_fraction := 0.4, mode := '{mode}'")
    words = str(told.value)
    assert f"geo_train_queries: 300 queries were asked for, and of {drawn_in_all} drawn" in words.replace("Invalid Input Error: ", "")
    kept, land, near = (int(words.split(before)[0].split()[-1]) for before in (" are kept", " hold more land than 0.4", " overlap an earlier one by more than 0"))
    assert 0 < kept < 50 and land > 0 and near > 0 and kept + land + near == drawn_in_all


# --- the lattice


def published_lattice(size, unit="deg", box=BOX, first="2023-07-01", last="2023-08-30", step=7, window=1, share=0.0):
    width, height = degrees(size, unit, (box[1] + box[3]) / 2)

    def starts(low, high, size):
        found, stride = [], size * (1 - share)
        while low + len(found) * stride + size <= high + 1e-9 * size:
            found.append(low + len(found) * stride)
        return found + ([high - size] if high - (found[-1] + size) > 1e-9 * size else [])

    first, last = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    rows = []
    while first + datetime.timedelta(window - 1) <= last:
        for west in starts(box[0], box[2], width):
            for south in starts(box[1], box[3], height):
                own, _ = degrees(size, unit, south + height / 2)
                start = datetime.datetime.combine(first, datetime.time())
                rows.append((len(rows), {"xmin": west, "ymin": south, "xmax": west + own, "ymax": south + height}, start,
                             start + datetime.timedelta(days=window, microseconds=-1), None))
        first += datetime.timedelta(step)
    return rows


@pytest.mark.parametrize("mode", ["sphere", "oceantaco"])
@pytest.mark.parametrize("how", [dict(size=10), dict(size=700, unit="km"), dict(size=10, share=0.5, window=5), dict(size=0.7, box=(0.1, -33.3, 9.2, -20.2), step=30)], ids=str)
def test_the_lattice_is_laid_as_published(con, mode, how):
    words = f"unit := '{how.get('unit', 'deg')}', window_days := {how.get('window', 1)}, spatial_overlap := {how.get('share', 0)}, step_days := {how.get('step', 7)}"
    rows = con.execute(f"FROM geo_eval_queries(size := {how['size']}, bbox := {bbox(how.get('box', BOX))}, t_min := '2023-07-01', t_max := '2023-08-30', mode := '{mode}', {words})").fetchall()
    assert rows == published_lattice(**how)
    assert len(rows) == 315 or how != dict(size=10)


def test_the_lattice_covers_its_area(con, rng):
    boxes = con.execute(f"SELECT DISTINCT bbox FROM geo_eval_queries(size := 900, unit := 'km', bbox := {bbox((120, 0, -100, 66))}, t_min := '2020', t_max := '2020-01-02')").fetchall()
    assert any(box["xmin"] > box["xmax"] for box, in boxes)
    lats, lons = rng.uniform(33, 66, 2000), (rng.uniform(120, 260, 2000) + 180) % 360 - 180
    for lat, lon in zip(lats, lons):
        assert any(p[0] <= lon <= p[2] and p[1] <= lat <= p[3] for box, in boxes for p in pieces(box)), (lon, lat)


def test_land_is_filtered_on_the_lattice(con, quarter):
    path, mask = quarter
    rows = con.execute(f"FROM geo_eval_queries(size := 6, bbox := {bbox(BOX)}, t_min := '2020', t_max := '2020', step_days := 400, mask := '{path}', mode := 'oceantaco')").fetchall()
    want = [r[1] for r in published_lattice(6, first="2020-01-01", last="2020-12-31", step=400) if quarter_land(mask, list(r[1].values())) <= 0.5]
    assert [r[1] for r in rows] == want and 20 < len(want) < 96
    assert all(r[4] == quarter_land(mask, list(r[1].values())) for r in rows)


# --- saved


def test_saved_queries_are_replayed_and_changes_are_told(con, tmp_path, quarter):
    con.execute(f"""SET VARIABLE asked = {{kind: 'train', n: 200, size: 400.5, unit: 'km', t_min: DATE '2021-01-01', t_max: TIMESTAMP '2021-12-31 12:00:00', window_days: 2,
        bbox: {bbox((170, -50, -100, 50.5))}, max_spatial_overlap: 0.25, mask: '{quarter[0]}', seed: 9}}""")
    path = tmp_path / "queries.parquet"
    save = f"COPY (FROM geo_replay_queries(getvariable('asked')){{}}) TO '{path}' (KV_METADATA {{{{geoquilt_queries: to_json(getvariable('asked'))}}}})"
    con.execute(save.format(""))
    direct = drawn(con, 200, 400.5, f"""unit := 'km', t_min := '2021-01-01', t_max := '2021-12-31', window_days := 2, bbox := {bbox((170, -50, -100, 50.5))},
        max_spatial_overlap := 0.25, mask := '{quarter[0]}', seed := 9""")
    assert con.execute(f"FROM '{path}'").fetchall() == con.execute(f"FROM geo_replay_queries('{path}')").fetchall() == direct
    assert json.loads(pq.read_metadata(path).metadata[b"geoquilt_queries"])["n"] == 200
    assert con.execute(f"FROM geoquilt.query_changes('{path}')").fetchall() == []
    # A row that is gone, and one that was moved.
    con.execute("CREATE TABLE changed AS SELECT * REPLACE (CASE query_id WHEN 7 THEN t_min + INTERVAL 1 DAY ELSE t_min END AS t_min) FROM geo_replay_queries(getvariable('asked')) WHERE query_id <> 3")
    con.execute(f"COPY changed TO '{path}' (KV_METADATA {{geoquilt_queries: to_json(getvariable('asked'))}})")
    assert con.execute(f"SELECT query_id, side FROM geoquilt.query_changes('{path}')").fetchall() == [(3, "replay"), (7, "file"), (7, "replay")]


def test_an_evaluation_set_is_saved_too(con, tmp_path):
    con.execute("SET VARIABLE asked = {kind: 'eval', size: 30, t_min: DATE '2021-01-01', t_max: DATE '2021-01-31', step_days: 10}")
    con.execute(f"COPY (FROM geo_replay_queries(getvariable('asked'))) TO '{tmp_path}/q.parquet' (KV_METADATA {{geoquilt_queries: to_json(getvariable('asked'))}})")
    assert con.execute(f"SELECT count(*) FROM '{tmp_path}/q.parquet'").fetchone() == (12 * 6 * 4,)
    assert con.execute(f"FROM geoquilt.query_changes('{tmp_path}/q.parquet')").fetchall() == []


@pytest.mark.parametrize("noted, message", [
    (None, 'has no metadata "geoquilt_queries"'), ("[1", "that is no JSON"), ("[1]", "that is no JSON object"), ('{"n": 3}', "kind was not given"),
    ('{"kind": "test"}', '"test" is not a kind of queries'), ('{"kind": "eval", "n": 3}', '"n" is not a field'),
    ('{"kind": "eval", "size": 3, "t_min": "2020", "t_max": "x"}', 'geo_eval_queries(t_max): "x" is not valid'),
])
def test_a_file_without_sound_parameters_is_refused(con, tmp_path, noted, message):
    noted = "" if noted is None else f"(KV_METADATA {{geoquilt_queries: '{noted}'}})"
    con.execute(f"COPY (SELECT 1 AS x) TO '{tmp_path}/q.parquet' {noted}")
    with pytest.raises(Exception) as told:
        con.execute(f"FROM geo_replay_queries('{tmp_path}/q.parquet')")
    assert "_queries(" in str(told.value) and message in str(told.value), told.value


# --- what is refused


@pytest.mark.parametrize("call, message", [
    ("0, size := 10, {d}", r"geo_train_queries\(n\): 0 is not valid: must be a whole number between 1 and 10000000"),
    ("5, {d}", r"geo_train_queries\(size\): size was not given"),
    ("5, size := -1, {d}", r"geo_train_queries\(size\): -1 is not valid: must be a size above 0"),
    ("5, size := 1, unit := 'miles', {d}", r"geo_train_queries\(unit\): \"miles\" is not a unit"),
    ("5, size := 1, t_max := '2020'", r"geo_train_queries\(t_min\): t_min was not given"),
    ("5, size := 1, t_min := '2021', t_max := '2020'", r"geo_train_queries\(t_max\): 2020-12-31 is not valid: must be at or after t_min, 2021-01-01"),
    ("5, size := 1, t_min := 'soon', t_max := '2020'", r"geo_train_queries\(t_min\): \"soon\" is not valid"),
    ("5, size := 1, window_days := 92, {d}", r"geo_train_queries\(window_days\): 92 is not valid: must be at most 91"),
    ("5, size := 1, {d}, bbox := {{xmin: 0, ymin: 5, xmax: 1, ymax: 5}}", r"geo_train_queries\(bbox\): .*-90 <= ymin < ymax <= 90"),
    ("5, size := 1, {d}, bbox := {{xmin: 0, ymin: 5, xmax: 361, ymax: 6}}", r"geo_train_queries\(bbox\): .*longitudes between -180 and 180"),
    ("5, size := 1, {d}, bbox := {{xmin: 0, ymin: 5, xmax: 1}}", r"geo_train_queries\(bbox\): .*a number for ymax"),
    ("5, size := 1, {d}, bbox := {{xmin: 10, ymin: 5, xmax: 1, ymax: 6}}, mode := 'oceantaco'", r"geo_train_queries\(bbox\): .*crosses the antimeridian"),
    ("5, size := 1, {d}, mode := 'taco'", r"geo_train_queries\(mode\): \"taco\" is not a mode"),
    ("5, size := 1, {d}, max_spatial_overlap := 2", r"geo_train_queries\(max_spatial_overlap\): 2 is not valid"),
    ("5, size := 1, {d}, max_land_fraction := 0.5", r"geo_train_queries\(max_land_fraction\): land is counted on a mask"),
    ("5, size := 1, {d}, mask := 'none.tif'", r"geo_train_queries\(mask\): \"none.tif\" does not exist"),
    ("5, size := 1, {d}, mask := 'test/data/small/land.tif', mode := 'oceantaco'", r"geo_train_queries\(mask\): .*a mask of 720 x 1440"),
    ("5, size := 1, {d}, mask := 'test/data/small/land.tif'", r"geo_train_queries: the mask has no pixel in the box"),
])
def test_bad_input_is_named(con, call, message):
    with pytest.raises(Exception, match=message):
        con.execute("FROM geo_train_queries(" + call.format(d=DATES) + ")").fetchall()


@pytest.mark.parametrize("call, message", [
    ("bbox := {{xmin: 0, ymin: 0, xmax: 5, ymax: 50}}", r"geo_eval_queries: \(0, 0, 5, 50\) is 5 x 50 degrees, and one box 10 x 10"),
    ("spatial_overlap := 1", r"geo_eval_queries\(spatial_overlap\): 1 is not valid: must be a share between 0 and 0.99"),
    ("step_days := 0", r"geo_eval_queries\(step_days\): 0 is not valid"),
])
def test_a_lattice_that_cannot_be_laid_is_told(con, call, message):
    sql = "FROM geo_eval_queries(size := 10, t_min := '2020', t_max := '2020', " + call.format() + ")"
    with pytest.raises(Exception, match=message):
        con.execute(sql).fetchall()
    assert con.execute(f"FROM geo_eval_queries(size := 10, t_min := '2020', t_max := '2020', mode := 'oceantaco', bbox := {bbox((0, 0, 5, 50))})").fetchall() == []


def test_all_land_leaves_no_lattice(con):
    with pytest.raises(Exception, match="geo_eval_queries: all 4 boxes hold more land than 0.5"):
        con.execute(f"FROM geo_eval_queries(size := 10, bbox := {bbox((10, 10, 30, 30))}, t_min := '2020', t_max := '2020', mask := 'test/data/small/land.tif')").fetchall()


@pytest.mark.parametrize("call, message", [("-1, 'km', 0", r"geo_patch_degrees\(size\)"), ("1, 'mile', 0", r"geo_patch_degrees\(unit\)"), ("1, 'km', 91", r"geo_patch_degrees\(lat\)")])
def test_a_size_is_above_zero_on_the_globe(con, call, message):
    with pytest.raises(Exception, match=message):
        con.execute(f"SELECT geo_patch_degrees({call})")


def test_sizes_are_those_of_patch_size(con, rng):
    for size, lat in zip(rng.uniform(1, 5000, 300).tolist(), rng.uniform(-90, 90, 300).tolist()):
        for unit in ("km", "deg"):
            got, = con.execute("SELECT geo_patch_degrees(?, ?, ?)", [size, unit, lat]).fetchone()
            assert (got["lon"], got["lat"]) == degrees(size, unit, lat)
    assert con.execute("SELECT geo_patch_degrees(NULL, 'km', 1), geo_patch_degrees(1, NULL, 1), geo_patch_degrees(1, 'km', NULL)").fetchone() == (None, None, None)


@pytest.mark.alone
def test_a_hundred_thousand_queries_that_keep_apart_take_seconds(quarter):
    con = connect()
    start = datetime.datetime.now()
    count, = con.execute(f"""SELECT count(*) FROM geo_train_queries(100000, size := 2, t_min := '2010', t_max := '2020', max_spatial_overlap := 0.3, mask := '{quarter[0]}')""").fetchone()
    assert count == 100_000 and (datetime.datetime.now() - start).total_seconds() < 20
