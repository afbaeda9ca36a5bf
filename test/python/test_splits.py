"""Splits, folds, blocks, gaps, coverage and support against NumPy and brute force; leaks are found where they were planted."""
import datetime as dt
import hashlib
import itertools
import threading
import time

import duckdb
import numpy as np
import pytest
from conftest import ROOT

KM = 6371.0088


def grid(con, name="grid", box=(0, 0, 2800, 2400), resolution=100, size=4, stride=None, crs="EPSG:32632", more=""):
    xmin, ymin, xmax, ymax = box
    con.execute(f"""CREATE OR REPLACE TABLE {name} AS FROM geo_patch_grid({{xmin: {xmin}, ymin: {ymin}, xmax: {xmax}, ymax: {ymax}}}, resolution := {resolution},
        crs := '{crs}', size := {size}, stride := {stride or size}{more})""")
    return con.execute(f"SELECT count(*) FROM {name}").fetchone()[0]


def dates(con, days, name="days"):
    con.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT unnest(?::DATE[]) AS date", [days])


DAYS = [dt.date(2017, 3, 1), dt.date(2018, 3, 1), dt.date(2019, 3, 1), dt.date(2019, 9, 1), dt.date(2020, 3, 1)]


@pytest.fixture
def days(con):
    dates(con, DAYS)
    return DAYS


def registry(con, more="", select="*", grid="grid", days="days"):
    return con.execute(f"SELECT {select} FROM geoquilt.patch_registry('{grid}', '{days}'{', ' if more else ''}{more})").fetchall()


def keep(con, more, name="registry", **names):
    con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM geoquilt.patch_registry('{names.get('grid', 'grid')}', '{names.get('days', 'days')}', {more})")


def leaks(con, more="", name="registry", select="cause, split, other_split, patch_id, other_patch_id"):
    return con.execute(f"SELECT {select} FROM geoquilt.patch_leakage('{name}'{', ' if more else ''}{more})").fetchall()


def test_val_and_test_are_the_first_of_numpys_permutation(con, days):
    for case, (val, test) in enumerate([(0.2, 0.1), (0, 0.25), (0.5, 0.5), (0.001, 0.001), (0.3, 0)]):
        n = grid(con, box=(0, 0, 400 * (3 + case), 400 * 5))
        order = np.random.default_rng(case).permutation(n)
        n_val = min(max(round(n * val), val > 0), n - 1 - (test > 0))
        n_test = min(max(round(n * test), test > 0), n - 1 - n_val)
        want = np.full(n, "train", object)
        want[order[:n_val]], want[order[n_val:n_val + n_test]] = "val", "test"
        got = registry(con, f"val_fraction := {val}, test_fraction := {test}, seed := {case}", "DISTINCT patch_id, split")
        assert sorted(got) == list(enumerate(want)), (val, test)


def test_years_may_be_several_and_test_has_its_own(con, days):
    n = grid(con, stride=2)
    rows = con.execute("SELECT date, split, split_by, count(*) FROM geoquilt.patch_registry('grid', 'days', val_year := [2017, 2018], test_year := 2020) GROUP BY ALL ORDER BY date").fetchall()
    assert rows == [(day, {2017: "val", 2018: "val", 2020: "test"}.get(day.year, "train"), "time", n) for day in DAYS]
    keep(con, "val_year := [2017, 2018], test_year := 2020")
    assert leaks(con) == []


def test_a_test_year_stands_beside_a_split_by_place(con, days):
    grid(con)
    keep(con, "val_fraction := 0.25, test_year := 2019")
    rows = con.execute("SELECT year(date) = 2019, split, split_by, count(DISTINCT patch_id) FROM registry GROUP BY ALL ORDER BY ALL").fetchall()
    assert rows == [(False, "train", "place", 32), (False, "val", "place", 10), (True, "test", "time", 42)]
    assert leaks(con) == []
    keep(con, "folds := 3, test_year := [2019]")
    assert leaks(con) == []
    assert con.execute("SELECT DISTINCT fold IS NULL, split FROM registry ORDER BY ALL").fetchall() == [(False, "train"), (True, "test")]


def test_an_overlapping_grid_may_have_a_test_year_and_no_val(con, days):
    n = grid(con, stride=2)
    assert len(registry(con, "val_fraction := 0, test_year := 2020")) == n * len(DAYS)
    with pytest.raises(Exception, match="overlap"):
        registry(con, "test_year := 2020")


def test_folds_hold_as_many_patches_each_and_every_row_once(con, days):
    n = grid(con)
    for k in (2, 5, 42):
        rows = registry(con, f"folds := {k}", "patch_id, date, fold, split")
        assert len(rows) == len({row[:2] for row in rows}) == n * len(DAYS)
        folds = {patch: fold for patch, _, fold, _ in rows}
        sizes = np.bincount([folds[patch] for patch in range(n)], minlength=k)
        assert sizes.max() - sizes.min() <= 1 and {row[3] for row in rows} == {"train"}
    assert registry(con, "folds := 5, seed := 8", "patch_id, fold") != registry(con, "folds := 5", "patch_id, fold")
    keep(con, "folds := 5")
    assert leaks(con) == []


def test_blocks_go_to_one_split_whole_and_shares_are_met(con, days):
    grid(con, box=(-60, -30, 60, 30), resolution=1, crs="OGC:CRS84", size=2)
    keep(con, "val_fraction := 0.2, test_fraction := 0.2, block := 800")
    rows = con.execute("SELECT DISTINCT patch_id, split, block, geo_block(geo_box(bbox), crs, 800) FROM registry").fetchall()
    assert all(block == want for _, _, block, want in rows)
    by_block = {}
    for _, split, block, _ in rows:
        by_block.setdefault(block, set()).add(split)
    assert all(len(splits) == 1 for splits in by_block.values())
    counts = {split: sum(row[1] == split for row in rows) for split in ("train", "val", "test")}
    largest = max(sum(row[2] == block for row in rows) for block in by_block)
    assert all(abs(counts[split] - 0.2 * len(rows)) <= largest / 2 for split in ("val", "test"))
    assert leaks(con) == []
    keep(con, "folds := 4, block := 800")
    sizes = [n for n, in con.execute("SELECT count(DISTINCT patch_id) FROM registry GROUP BY fold").fetchall()]
    assert max(sizes) - min(sizes) <= largest and leaks(con) == []


def test_overlapping_patches_of_other_blocks_are_buffers(con, days):
    grid(con, box=(0, 0, 40000, 40000), stride=2)
    keep(con, "val_fraction := 0.3, block := 8")
    rows = con.execute("SELECT DISTINCT split, cause, win.row_off, win.col_off FROM registry").fetchall()
    assert {row[:2] for row in rows} == {("train", None), ("val", None), ("buffer", "overlap")}
    paint = {split: np.zeros((400, 400), bool) for split in ("train", "val")}
    for split, _, row, col in rows:
        if split in paint:
            paint[split][row:row + 4, col:col + 4] = True
    assert not (paint["train"] & paint["val"]).any()
    # A buffer is one for a reason.
    assert all(paint["val"][row:row + 4, col:col + 4].any() for split, _, row, col in rows if split == "buffer")
    assert leaks(con) == []


def plane(a, b):
    side = lambda low, high, other, end: max(other - high, low - end, 0)
    return np.hypot(side(a[0], a[2], b[0], b[2]), side(a[1], a[3], b[1], b[3]))


def edges(box, n=41):
    xs, ys = np.linspace(box[0], box[2], n), np.linspace(box[1], box[3], n)
    return np.concatenate([np.stack(np.broadcast_arrays(x, y), -1).reshape(-1, 2) for x, y in [(xs, box[1]), (xs, box[3]), (box[0], ys), (box[2], ys)]])


def globe(a, b):
    """Metres by haversine between many points along the edges: a little more than the least."""
    (lon, lat), (lon2, lat2) = np.radians(edges(a)).T[:, :, None], np.radians(edges(b)).T[:, None, :]
    h = np.sin((lat2 - lat) / 2) ** 2 + np.cos(lat) * np.cos(lat2) * np.sin((lon2 - lon) / 2) ** 2
    return 2000 * KM * np.arcsin(np.sqrt(np.minimum(h, 1))).min()


GRIDS = {
    "plane": dict(box=(0, 0, 8000, 8000), size=4, gap=950, away=plane, slack=0),
    "antimeridian": dict(box=(-180, -30, 180, 30), size=10, resolution=1, crs="OGC:CRS84", gap=400_000, away=globe, slack=30_000),
    "pole": dict(box=(-180, 60, 180, 90), size=10, resolution=1, crs="OGC:CRS84", gap=300_000, away=globe, slack=30_000),
}


@pytest.mark.parametrize("place", GRIDS)
def test_a_gap_lies_between_splits_and_no_patch_is_lost_that_need_not_be(con, days, place):
    given = dict(GRIDS[place])
    gap, away, slack = given.pop("gap"), given.pop("away"), given.pop("slack")
    n = grid(con, **given)
    for val, test in ((0.05, 0), (0.04, 0.04)):
        keep(con, f"val_fraction := {val}, test_fraction := {test}, min_gap := {gap}")
        rows = con.execute("SELECT DISTINCT patch_id, split, cause, [bbox.xmin, bbox.ymin, bbox.xmax, bbox.ymax] FROM registry ORDER BY patch_id").fetchall()
        assert len(rows) == n
        boxes = {row[0]: row[3] for row in rows}
        of = lambda split: [row[0] for row in rows if row[1] == split]
        train, held, out = of("train"), of("val") + of("test"), of("buffer")
        assert train and held and out and all(row[2] == "min_gap" for row in rows if row[1] == "buffer")
        near = {patch: min(away(boxes[patch], boxes[other]) for other in held) for patch in train + out}
        assert all(near[patch] >= gap for patch in train)
        assert all(near[patch] < gap + slack for patch in out)
        for a, b in itertools.product(of("val"), of("test")):
            assert away(boxes[a], boxes[b]) >= gap
        assert leaks(con, f"min_gap := {gap}") == []
        assert leaks(con, f"min_gap := {gap * 4}")
        assert {row[0] for row in leaks(con, f"min_gap := {gap * 4}")} == {"near"}


def test_whoever_holds_a_fold_out_knows_which_patches_lie_near_it(con, days):
    grid(con, box=(0, 0, 8000, 8000), stride=2)
    keep(con, "folds := 4, block := 3, min_gap := 500")
    rows = con.execute("SELECT DISTINCT patch_id, fold, buffer_folds, [bbox.xmin, bbox.ymin, bbox.xmax, bbox.ymax] FROM registry").fetchall()
    dropped = 0
    for held in range(4):
        out = [row[3] for row in rows if row[1] == held]
        for _, fold, buffer_folds, box in rows:
            if fold != held:
                near = min(plane(box, other) for other in out) < 500
                assert near == (held in buffer_folds)
                dropped += near
    assert 0 < dropped < 3 * len(rows)
    assert leaks(con, "min_gap := 500") == []
    assert leaks(con, "min_gap := 700")
    con.execute("UPDATE registry SET buffer_folds = [] WHERE patch_id = (SELECT min(patch_id) FROM registry WHERE len(buffer_folds) > 0)")
    assert leaks(con, "min_gap := 500")


def test_planted_leaks_are_found(con, days):
    grid(con, box=(0, 0, 8000, 8000))
    keep(con, "val_fraction := 0.1, test_fraction := 0.1, min_gap := 450")
    assert leaks(con, "min_gap := 450") == []
    train, val = (con.execute(f"SELECT min(patch_id) FROM registry WHERE split = '{split}'").fetchone()[0] for split in ("train", "val"))
    buffer, = con.execute("SELECT min(patch_id) FROM registry WHERE split = 'buffer'").fetchone()

    con.execute(f"CREATE OR REPLACE TABLE planted AS FROM registry UNION ALL SELECT * REPLACE ('train' AS split) FROM registry WHERE patch_id = {val} AND date = '2018-03-01'")
    assert ("pixels", "train", "val", val, val) in leaks(con, name="planted") and len(leaks(con, name="planted")) == 1
    con.execute(f"""CREATE OR REPLACE TABLE planted AS FROM registry UNION ALL SELECT * REPLACE (
        {{row_off: win.row_off, col_off: win.col_off + 3, height: 4, width: 4}} AS win, {{xmin: bbox.xmin + 300, ymin: bbox.ymin, xmax: bbox.xmax + 300, ymax: bbox.ymax}} AS bbox,
        'test' AS split, 9999 AS patch_id) FROM registry WHERE patch_id = {val} AND date = '2020-03-01'""")
    assert ("pixels", "test", "val", 9999, val) in leaks(con, name="planted")
    con.execute(f"CREATE OR REPLACE TABLE planted AS SELECT * REPLACE (CASE WHEN patch_id = {buffer} AND date = '2018-03-01' THEN 'train' ELSE split END AS split) FROM registry")
    found = leaks(con, "min_gap := 450", name="planted")
    assert found and all(row[0] == "near" and row[1] == "test" and row[2] == "train" or row[1:3] == ("train", "val") for row in found) and all(buffer in row[3:] for row in found)
    assert leaks(con, name="planted") == []

    keep(con, "val_year := 2018, test_year := 2020")
    assert leaks(con) == []
    con.execute(f"CREATE OR REPLACE TABLE planted AS SELECT * REPLACE (CASE WHEN patch_id = {train} AND date = '2018-03-01' THEN 'train' ELSE split END AS split) FROM registry")
    assert leaks(con, name="planted", select="cause, split, other_split, patch_id, t_min::DATE, other_t_min::DATE") == [
        ("time", "train", "val", None, dt.date(2018, 3, 1), dt.date(2018, 3, 1))]
    # A horizon that ends inside the year.
    con.execute("CREATE OR REPLACE TABLE planted AS FROM registry UNION ALL SELECT * REPLACE ('2017-12-30'::TIMESTAMP AS t_min, '2018-03-01'::TIMESTAMP AS t_max) FROM registry WHERE patch_id = 0 AND date = '2017-03-01'")
    assert leaks(con, name="planted", select="cause, split, other_split, t_min::DATE") == [("time", "train", "val", dt.date(2017, 12, 30))]


def test_rows_that_say_nothing_of_themselves_leak_where_they_share_place_and_time(con):
    """Brute force over random boxes and intervals."""
    rng = np.random.default_rng(4)
    found = 0
    for case in range(30):
        n = 40
        boxes = rng.integers(0, 14, (n, 2))
        sizes = rng.integers(2, 6, (n, 2))
        starts, lengths = rng.integers(0, 60, n), rng.integers(0, 10, n)
        splits = rng.choice(["train", "val", "test", "buffer"], n)
        rows = [(i, int(x), int(y), int(x + w), int(y + h), splits[i], int(starts[i]), int(starts[i] + lengths[i])) for i, ((x, y), (w, h)) in enumerate(zip(boxes, sizes))]
        con.execute("CREATE OR REPLACE TABLE raw (patch_id INT, x INT, y INT, x2 INT, y2 INT, split VARCHAR, a INT, b INT)")
        con.executemany("INSERT INTO raw VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        con.execute("""CREATE OR REPLACE TABLE registry AS SELECT patch_id, {row_off: y, col_off: x, height: y2 - y, width: x2 - x} AS win, split,
            TIMESTAMP '2020-01-01' + a * INTERVAL 1 DAY AS t_min, TIMESTAMP '2020-01-01' + b * INTERVAL 1 DAY AS t_max FROM raw""")
        place = lambda p, q: p[1] < q[3] and q[1] < p[3] and p[2] < q[4] and q[2] < p[4]
        when = lambda p, q: p[6] <= q[7] and q[6] <= p[7]
        pairs = [(p, q) for p, q in itertools.permutations(rows, 2) if p[5] < q[5] and "buffer" not in (p[5], q[5])]
        want = {rule: sorted((p[0], q[0]) for p, q in pairs if shared(p, q)) for rule, shared in
                {"either": lambda p, q: place(p, q) and when(p, q), "place": place}.items()}
        for rule, more in (("either", ""), ("either", "rule := 'either'"), ("place", "rule := 'place'")):
            got = leaks(con, more)
            assert sorted((row[3], row[4]) for row in got) == want[rule] and all(row[0] == "pixels" for row in got), rule
        times = {(p[5], q[5], p[6], q[6], p[7], q[7]) for p, q in pairs if when(p, q)}
        assert len(leaks(con, "rule := 'time'")) == len(times)
        found += len(want["either"])
    assert found > 100


def test_dates_without_each_variable_are_left_out_and_counted(con):
    rng = np.random.default_rng(5)
    grid(con)
    all_days = [dt.date(2020, 1, 1) + dt.timedelta(i) for i in range(60)]
    dates(con, all_days)
    names = ["ostia", "glorys", "ssh"]
    there = {name: {day for day in all_days if rng.random() < 0.7} for name in names}
    con.execute("CREATE TABLE cover (variable VARCHAR, date DATE)")
    con.executemany("INSERT INTO cover VALUES (?, ?)", [(name, day) for name in names for day in there[name]] + [("ssh", dt.date(2031, 1, 1))])
    con.execute("INSERT INTO cover VALUES ('depth', NULL)")
    missing = {day: sorted(name for name in names if day not in there[name]) for day in all_days}
    got = con.execute("SELECT DISTINCT date FROM geoquilt.patch_registry('grid', 'days', coverage := 'cover') ORDER BY date").fetchall()
    assert [day for day, in got] == [day for day in all_days if not missing[day]]
    rows = con.execute("SELECT DISTINCT date, split, cause FROM geoquilt.patch_registry('grid', 'days', val_fraction := 0, coverage := 'cover', include_rejected := true) ORDER BY date").fetchall()
    assert rows == [(day, "rejected" if missing[day] else "train", "coverage: " + ", ".join(missing[day]) if missing[day] else None) for day in all_days]


def test_files_of_a_month_cover_its_days_by_interval(con):
    grid(con)
    all_days = [dt.date(2020, 1, 1) + dt.timedelta(i) for i in range(120)]
    dates(con, all_days)
    con.execute("""CREATE TABLE cover AS SELECT 'a' AS variable, TIMESTAMP '2020-01-01' AS t_min, TIMESTAMP '2020-02-01' - INTERVAL 1 MICROSECOND AS t_max
        UNION ALL SELECT 'a', '2020-03-01', '2020-03-31 23:59:59.999999' UNION ALL SELECT 'b', '2020-01-20', '2020-03-10 12:00:00'""")
    got = [day for day, in con.execute("SELECT DISTINCT date FROM geoquilt.patch_registry('grid', 'days', coverage := 'cover', coverage_by := 'interval') ORDER BY date").fetchall()]
    inside = lambda day, start, stop: dt.date(2020, *start) <= day <= dt.date(2020, *stop)
    assert got == [day for day in all_days if inside(day, (1, 20), (1, 31)) or inside(day, (3, 1), (3, 10))]
    with pytest.raises(Exception, match=r"(?s)patch_registry\(coverage\): none of 120 dates has a file of every variable; missing are a in 118, b in 119.*interval"):
        registry(con, "coverage := 'cover'")


def test_support_is_asked_of_the_splits_that_need_it(con, days):
    rng = np.random.default_rng(6)
    n = grid(con)
    counts = {(p, day): int(rng.integers(0, 3)) for p in range(n) for day in DAYS if rng.random() < 0.8}
    con.execute("CREATE TABLE seen (patch_id INT, date DATE, support INT)")
    con.executemany("INSERT INTO seen VALUES (?, ?, ?)", [(*key, value) for key, value in counts.items()] + [(0, DAYS[0], 5), (999, DAYS[0], 1)])
    counts[0, DAYS[0]] = counts.get((0, DAYS[0]), 0) + 5
    split = dict(registry(con, "val_fraction := 0.3", "DISTINCT patch_id, split"))
    for need in ({"train": False, "val": True}, {"val": True}, {"train": True, "val": True, "test": True}, {"TRAIN": True}):
        text = "{" + ", ".join(f"{key}: {value}" for key, value in need.items()) + "}"
        needs = {key.lower() for key, value in need.items() if value}
        rows = registry(con, f"val_fraction := 0.3, support_in := 'seen', require_support := {text}, include_rejected := true", "patch_id, date, split, cause, support")
        assert len(rows) == n * len(DAYS)
        for patch, day, got, cause, support in rows:
            there = counts.get((patch, day), 0)
            rejected = split[patch] in needs and there == 0
            assert (got, cause, support) == (("rejected", "support") if rejected else (split[patch], None)) + (there,)
        kept = registry(con, f"val_fraction := 0.3, support_in := 'seen', require_support := {text}")
        assert len(kept) == sum(row[2] != "rejected" for row in rows) < len(rows)


def test_support_may_be_a_column_of_dates_or_of_the_grid(con):
    n = grid(con)
    con.execute("CREATE TABLE days AS SELECT DATE '2018-01-01' AS date, true AS support UNION ALL SELECT DATE '2018-01-02', false")
    rows = {row for row in registry(con, "val_fraction := 0.5, require_support := {val: true}", "split, date::VARCHAR")}
    assert rows == {("train", "2018-01-01"), ("train", "2018-01-02"), ("val", "2018-01-01")}
    con.execute("CREATE TABLE marked AS SELECT *, patch_id % 2 AS support FROM grid")
    con.execute("CREATE OR REPLACE TABLE days AS SELECT DATE '2018-01-01' AS date")
    rows = registry(con, "val_fraction := 0, require_support := {train: true}", "patch_id, support", grid="marked")
    assert rows == [(p, 1) for p in range(n) if p % 2]
    columns = [d[0] for d in con.execute("FROM geoquilt.patch_registry('marked', 'days')").description]
    assert columns.count("support") == 1


WRONG = [
    ("val_fraction := 0.2, val_year := 2018", r"\(val_fraction\).*two ways"),
    ("test_fraction := 0.2, test_year := 2018", r"\(test_fraction\).*two ways"),
    ("folds := 4, val_fraction := 0.2", r"\(folds\).*two ways"),
    ("folds := 4, val_year := 2018", r"\(folds\).*two ways"),
    ("val_year := 2018, test_fraction := 0.2", r"\(test_fraction\): val_year splits by time"),
    ("val_year := 2018, block := 5", r"\(block\): the split is by time alone"),
    ("val_fraction := 0, min_gap := 5", r"\(min_gap\): the split is by time alone"),
    ("test_fraction := -0.1", r"\(test_fraction\): -0.1 is not valid"),
    ("test_fraction := 'nan'::DOUBLE", r"\(test_fraction\): nan is not valid"),
    ("val_fraction := 0.7, test_fraction := 0.4", r"\(test_fraction\).*above 1"),
    ("folds := 1", r"\(folds\): 1 is not valid: must be at least 2"),
    ("folds := 43", r"42 patches are too few for 43 folds"),
    ("folds := 5, block := 1000", r"42 patches in 1 blocks are too few"),
    ("block := 1000", r"42 patches in 1 blocks are too few for more than one split"),
    ("block := 0", r"\(block\): 0 is not valid"),
    ("min_gap := -1", r"\(min_gap\): -1 is not valid"),
    ("min_gap := 'inf'::DOUBLE", r"\(min_gap\): inf is not valid"),
    ("min_gap := 1e6", r"a gap of 1000000 m leaves no patch in train: of 42 patches 0 train, 8 are val, 0 test and 34 lie between them"),
    ("seed := -1", r"\(seed\): -1 is not valid"),
    ("test_year := 2031", r"\(test_year\): no date lies in 2031"),
    ("val_year := [2018, 2031]", r"\(val_year\): no date lies in 2031"),
    ("val_year := 2018, test_year := [2018, 2019]", r"\(test_year\): 2018 is a val_year too"),
    ("val_year := [2017, 2018], test_year := [2019, 2020]", r"\(val_year\): every date lies in"),
    ("coverage := 'days'", r"\(coverage\): no row names a variable"),
    ("coverage := 'one', coverage_by := 'week'", r"\(coverage_by\): \"week\" is not"),
    ("coverage := 'one'", r"\(coverage\): none of 5 dates has a file"),
    ("require_support := {val: true}", r"\(require_support\): neither dates nor grid"),
    ("require_support := {vall: true}", r"\(require_support\).*is not valid"),
    ("require_support := {val: 1}", r"\(require_support\).*is not valid"),
    ("require_support := true", r"\(require_support\): true is not valid"),
    ("require_support := {val: true}, support_in := 'none'", r"\(require_support\): none of 40 rows of val has support"),
]


@pytest.mark.parametrize("more,said", WRONG, ids=[more for more, _ in WRONG])
def test_what_makes_no_sense_is_told(con, days, more, said):
    grid(con)
    con.execute("CREATE TABLE one AS SELECT 'a' AS variable, DATE '1999-01-01' AS date; CREATE TABLE none AS SELECT 0 AS patch_id, DATE '2018-03-01' AS date, 0 AS support")
    with pytest.raises(Exception, match=f"(?s){said}"):
        registry(con, more)


def test_coverage_that_leaves_a_split_without_a_date_is_told(con, days):
    grid(con)
    con.execute("CREATE TABLE cover AS SELECT 'a' AS variable, date FROM days WHERE year(date) <> 2018")
    with pytest.raises(Exception, match=r"patch_registry\(coverage\): none of 1 dates of val has a file of every variable"):
        registry(con, "val_year := 2018, coverage := 'cover'")


def test_a_gap_needs_places_and_blocks_do(con, days):
    grid(con)
    con.execute("CREATE TABLE bare AS SELECT patch_id, win FROM grid")
    assert len(registry(con, grid="bare")) == 42 * 5
    with pytest.raises(Exception, match=r"(?s)min_gap.*no bbox in a CRS.*geo_patch_grid"):
        registry(con, "min_gap := 5", grid="bare")
    with pytest.raises(Exception, match=r"patch_registry\(block\): the grid has no bbox"):
        registry(con, "block := 5", grid="bare")
    assert {row[0] for row in registry(con, "min_gap := 0", "split", grid="bare")} == {"train", "val"}


def test_empty_grids_and_dates_give_no_rows(con, days):
    grid(con)
    con.execute("CREATE TABLE no_grid AS FROM grid WHERE false; CREATE TABLE no_days AS FROM days WHERE false")
    for more in ("", "val_year := 2018", "val_fraction := 0.2, test_fraction := 0.1, block := 1, min_gap := 5"):
        assert registry(con, more, grid="no_grid") == [] and registry(con, more if "year" not in more else "", days="no_days") == []
    con.execute("CREATE TABLE registry AS FROM geoquilt.patch_registry('no_grid', 'days')")
    assert leaks(con) == [] and con.execute("SELECT count(*) FROM geoquilt.shard('registry', 0, 4)").fetchone() == (0,)
    assert con.execute("SELECT count(*) FROM geoquilt.hard_sample('registry', [{xmin: 0, ymin: 0, xmax: 1, ymax: 1}])").fetchone() == (0,)


def test_shards_part_a_registry_by_whole_files_and_weigh_the_same(con):
    rng = np.random.default_rng(9)
    files = [(f"f{i}.tif", int(rng.integers(1, 40))) for i in range(50)]
    con.execute("CREATE TABLE files (path VARCHAR, n INT)")
    con.executemany("INSERT INTO files VALUES (?, ?)", files)
    con.execute("CREATE TABLE registry AS SELECT path, {row_off: 0, col_off: i, height: 8, width: 8 + i} AS win, i FROM files, range(40) t(i) WHERE i < n ORDER BY hash(path, i)")
    con.execute("CREATE TABLE shuffled AS FROM registry ORDER BY hash(i, path, 3)")
    for n in (1, 3, 50):
        parts = [con.execute(f"SELECT path, i, win.height * win.width FROM geoquilt.shard('registry', {k}, {n})").fetchall() for k in range(n)]
        assert sorted(row for part in parts for row in part) == sorted(con.execute("SELECT path, i, win.height * win.width FROM registry").fetchall())
        owners = [{row[0] for row in part} for part in parts]
        assert sum(map(len, owners)) == len(files) and all(owners)
        loads = [sum(row[2] for row in part) for part in parts]
        assert max(loads) - min(loads) <= max(sum(8 * (8 + i) for i in range(m)) for _, m in files)
        for k in range(n):
            assert sorted(con.execute(f"SELECT path, i, win.height * win.width FROM geoquilt.shard('shuffled', {k}, {n})").fetchall()) == sorted(parts[k])
    whole = con.execute("FROM registry").fetchall()
    part = con.execute("FROM geoquilt.shard('registry', 1, 3)").fetchall()
    assert part == [row for row in whole if row[0] in {r[0] for r in part}]
    for k, n, said in ((3, 3, "k"), (-1, 3, "k"), (0, 0, "n"), (0.5, 2, "k"), (0, 51, r"51 parts of 50 files"), ("NULL", 2, "k")):
        with pytest.raises(Exception, match=rf"shard\(|{said}"):
            con.execute(f"FROM geoquilt.shard('registry', {k}, {n})").fetchall()
    con.execute("CREATE TABLE nameless AS SELECT i FROM registry")
    with pytest.raises(Exception, match=r'shard\(registry\): column "path" or "block" is missing; the columns are i'):
        con.execute("FROM geoquilt.shard('nameless', 0, 2)").fetchall()
    con.execute("ALTER TABLE nameless ADD COLUMN path VARCHAR")
    with pytest.raises(Exception, match=r"shard\(registry\): a row has neither"):
        con.execute("FROM geoquilt.shard('nameless', 0, 2)").fetchall()


def test_shards_of_blocks_keep_a_block_together(con, days):
    grid(con, box=(0, 0, 40000, 40000))
    keep(con, "block := 5")
    owners = [{block for block, in con.execute(f"SELECT DISTINCT block FROM geoquilt.shard('registry', {k}, 4)").fetchall()} for k in range(4)]
    assert sum(map(len, owners)) == len(set.union(*owners)) > 20


def test_hard_rows_and_a_share_of_easy_ones_as_the_reference_draws_them(con, days):
    grid(con, box=(-180, -60, 180, 60), resolution=1, size=6, crs="OGC:CRS84")
    con.execute("UPDATE grid SET land_fraction = (patch_id * 37 % 100) / 100")
    keep(con, "val_fraction := 0.2")
    regions = [("fiji", 172.0, -25.0, -170.0, -5.0, None), ("north", -20.0, 40.0, 40.0, 60.0, 0.3)]
    text = "[" + ", ".join(f"{{name: '{n}', xmin: {a}, ymin: {b}, xmax: {c}, ymax: {d}, max_land_fraction: {'NULL' if cap is None else cap}}}" for n, a, b, c, d, cap in regions) + "]"

    def hard(lon, lat, land):
        return any(b <= lat <= d and land <= (0.85 if cap is None else cap) and (a <= lon <= c if a <= c else lon >= a or lon <= c) for _, a, b, c, d, cap in regions)

    rows = con.execute("SELECT patch_id, date, split, lon_center, lat_center, land_fraction FROM registry").fetchall()
    for fraction, seed in ((0.75, 7), (0.5, 1), (0.999, 3), (1, 7), (0.002, 7)):
        got = con.execute(f"SELECT patch_id, date, split, hard, easy_missing FROM geoquilt.hard_sample('registry', {text}, hard_fraction := {fraction}, seed := {seed})").fetchall()
        is_hard = [row[2] == "train" and hard(*row[3:]) for row in rows]
        easy = [i for i, row in enumerate(rows) if row[2] == "train" and not is_hard[i]]
        n_hard = sum(is_hard)
        n_easy = int(np.rint(n_hard * (1 - fraction) / fraction))
        drawn = set(np.random.default_rng(seed).choice(easy, min(n_easy, len(easy)), replace=False)) if n_easy else set()
        want = [(*row[:3], bool(is_hard[i]) if row[2] == "train" else None, max(n_easy - len(easy), 0)) for i, row in enumerate(rows) if row[2] != "train" or is_hard[i] or i in drawn]
        assert got == want and n_hard > 20, fraction
    assert want[0][4] > 0
    con.execute("""CREATE TABLE forced AS SELECT *, CASE WHEN patch_id % 5 = 0 THEN 'fiji' END AS force_region, CASE WHEN patch_id % 10 = 0 THEN 'forced' ELSE 'kept' END AS status
        FROM (SELECT * EXCLUDE (force_region, status) FROM registry)""")
    counts = "count(*) FILTER (split = 'val' AND status = 'forced' AND force_region = 'fiji'), count(*) FILTER (split = 'train' AND status = 'forced' AND force_region = 'fiji'), count(*) FILTER (split = 'val' AND status = 'kept')"
    left = con.execute(f"SELECT {counts} FROM geoquilt.hard_sample('forced', {text}, train_only := ['fiji'])").fetchone()
    # Validation loses what the region alone let in, and nothing that lies within the common cap.
    assert left[2] == con.execute(f"SELECT {counts} FROM forced").fetchone()[2] > 0
    con.execute("CREATE TABLE unknown AS SELECT * EXCLUDE (status) FROM forced")
    assert con.execute(f"SELECT count(*) FILTER (split = 'val' AND force_region = 'fiji') FROM geoquilt.hard_sample('unknown', {text}, train_only := ['fiji'])").fetchone() == (0,)
    assert left[0] == 0 and left[1] > 0
    for more, said in (("hard_fraction := 0", "hard_fraction"), ("hard_fraction := 1.1", "hard_fraction"), ("hard_fraction := 'nan'::DOUBLE", "hard_fraction"), ("seed := -1", "seed")):
        with pytest.raises(Exception, match=rf"hard_sample\({said}\)"):
            con.execute(f"FROM geoquilt.hard_sample('registry', {text}, {more})").fetchall()
    for bad, said in (("[]::STRUCT(xmin INT)[]", "no region"), ("[{xmin: 0, ymin: 5, xmax: 1, ymax: 1}]", "ymin <= ymax"), ("[{xmin: 0, ymax: 1}]", "no xmin"), ("[{xmin: 0, ymin: 89, xmax: 1, ymax: 90}]", "none of .* train rows")):
        with pytest.raises(Exception, match=rf"hard_sample\(regions\).*{said}"):
            con.execute(f"FROM geoquilt.hard_sample('registry', {bad})").fetchall()


def test_a_choice_is_numpys(con):
    for n, size in ((0, 0), (1, 1), (10, 3), (10, 10), (100, 20), (9999, 5000), (10_001, 100), (20_000, 500), (20_000, 20_000)):
        for seed in (0, 7, 2 ** 40):
            assert con.execute(f"SELECT geo_draw({n}, {size}, {seed})").fetchone()[0] == np.random.default_rng(seed).choice(n, size, replace=False).tolist(), (n, size, seed)
    for call in ("geo_draw(3, 4, 7)", "geo_draw(-1, 0, 7)", "geo_draw(3, -1, 7)", "geo_draw(3, 1, -7)"):
        with pytest.raises(Exception, match=r"geo_draw\(\w+\).*is not valid"):
            con.execute(f"SELECT {call}").fetchall()


def test_dealt_parts_are_as_even_as_the_heaviest_allows(con):
    rng = np.random.default_rng(2)
    for n in (1, 2, 7, 30):
        weights = rng.random(200) ** 3
        parts = con.execute("SELECT geo_deal(?::DOUBLE[], ?)", [weights.tolist(), n]).fetchone()[0]
        loads = np.bincount(parts, weights, minlength=n)
        assert loads.max() - loads.min() <= weights.max() and set(parts) <= set(range(n))
    for weights in ("[1, -1]", "['nan'::DOUBLE]", "['inf'::DOUBLE]"):
        with pytest.raises(Exception, match=r"geo_deal\(weights\)"):
            con.execute(f"SELECT geo_deal({weights}, 2)").fetchall()
    assert con.execute("SELECT geo_deal([0, 0, 0], 2), geo_deal([], 2)").fetchone() == ([0, 0, 0], [])


def test_folds_of_a_catalog_are_whole_blocks_dealt_by_rows(con):
    con.execute("""CREATE TABLE files AS SELECT 'f' || i AS path, geo_box({xmin: i % 40, ymin: i // 40, xmax: i % 40 + 0.5, ymax: i // 40 + 0.5}) AS geometry, geo_bbox(geometry) AS bbox,
        TIMESTAMP '2020-01-01' AS t_min, TIMESTAMP '2020-01-02' AS t_max FROM range(1200) t(i)""")
    rows = con.execute("SELECT block, fold, count(*) FROM geoquilt.spatial_blocks('files', 300, folds := 5) GROUP BY ALL").fetchall()
    assert len({row[0] for row in rows}) == len(rows) > 50
    sizes = np.bincount([row[1] for row in rows], [row[2] for row in rows])
    assert len(sizes) == 5 and sizes.max() - sizes.min() <= max(row[2] for row in rows)
    assert con.execute("SELECT DISTINCT fold FROM geoquilt.spatial_blocks('files', 300)").fetchall() == [(None,)]
    for more, said in (("folds := 1", "at least 2"), ("folds := 5000", "leave folds empty"), ("folds := 2, seed := -1", "0 or above")):
        with pytest.raises(Exception, match=rf"spatial_blocks\(\w+\).*{said}"):
            con.execute(f"FROM geoquilt.spatial_blocks('files', 300, {more})").fetchall()


def key(con, more="", grid="grid", days="days"):
    return con.execute(f"SELECT geoquilt.registry_key('{grid}', '{days}'{', ' if more else ''}{more})").fetchone()[0]


CHANGES = {
    "val_year": "val_year := 2018", "val_fraction": "val_fraction := 0.3", "test_year": "test_year := 2018", "test_fraction": "test_fraction := 0.1", "folds": "folds := 3",
    "block": "block := 100", "min_gap": "min_gap := 50", "coverage": "coverage := 'cover'", "coverage_by": "coverage_by := 'interval'", "require_support": "require_support := {val: true}",
    "support_in": "support_in := 'seen'", "include_rejected": "include_rejected := true", "seed": "seed := 8", "contents": "contents := 'abc'",
}


def test_every_parameter_changes_the_key(con, days):
    grid(con)
    con.execute("CREATE TABLE cover AS SELECT 'a' AS variable, date FROM days; CREATE TABLE seen AS SELECT 1 AS patch_id, DATE '2018-03-01' AS date, 1 AS support")
    known = lambda name: {p for p, in con.execute(f"SELECT unnest(parameters).name FROM geoquilt_functions() WHERE name = 'geoquilt.{name}'").fetchall()}
    assert known("registry_key") == known("patch_registry") | {"contents"} and known("patch_registry") == {"grid", "dates"} | set(CHANGES) - {"contents"}
    plain = key(con)
    keys = {name: key(con, more) for name, more in CHANGES.items()}
    assert len({plain, *keys.values()}) == 1 + len(CHANGES) and all(len(k) == 64 for k in keys.values())
    assert key(con) == plain == key(con, "seed := 7")
    # Contents of each relation, and nothing of its name or order.
    con.execute("CREATE TABLE grid2 AS FROM grid ORDER BY hash(patch_id); CREATE TABLE days2 AS FROM days ORDER BY date DESC")
    assert key(con, grid="grid2", days="days2") == plain
    con.execute("UPDATE grid2 SET land_fraction = 0.5 WHERE patch_id = 3")
    assert key(con, grid="grid2") != plain
    con.execute("INSERT INTO days2 VALUES ('2024-01-01')")
    assert key(con, days="days2") != plain
    for table, more in (("cover", CHANGES["coverage"]), ("seen", CHANGES["support_in"])):
        con.execute(f"DELETE FROM {table}")
        assert key(con, more) not in (plain, keys["coverage"], keys["support_in"])


def test_a_hash_is_of_the_bytes(con, tmp_path):
    rng = np.random.default_rng(0)
    for size in (0, 1, 63, 64, 65, (1 << 20) - 1, 1 << 20, 3_000_001):
        (tmp_path / "x.bin").write_bytes(data := rng.bytes(size))
        assert con.execute("SELECT geo_content_hash(?)", [str(tmp_path / "x.bin")]).fetchone()[0] == hashlib.sha256(data).hexdigest()
    land = ROOT / "test/data/small/land.tif"
    want = hashlib.sha256(land.read_bytes()).hexdigest()
    assert con.execute(f"SELECT geo_content_hash('{land}'), geo_content_hash(NULL)").fetchone() == (want, None)
    statement = "SELECT geo_content_hash(?)"
    (tmp_path / "x.bin").write_bytes(b"other")
    assert con.execute(statement, [str(tmp_path / "x.bin")]).fetchone()[0] == hashlib.sha256(b"other").hexdigest()
    store = tmp_path / "a.zarr"
    (store / "v/c").mkdir(parents=True)
    for name, text in (("zarr.json", "{}"), ("v/zarr.json", "{}"), ("v/c/0", "abc")):
        (store / name).write_text(text)
    lines = "".join(f"{hashlib.sha256((store / name).read_bytes()).hexdigest()}  {name}\n" for name in sorted(["zarr.json", "v/zarr.json", "v/c/0"]))
    assert con.execute(statement, [str(store)]).fetchone()[0] == hashlib.sha256(lines.encode()).hexdigest()
    for path, said in ((tmp_path / "none.tif", "does not exist"), (tmp_path, "directory"), ("/dev/zero", "regular"), ("/proc/self/mem", "regular"), ("/proc/self/maps", "regular"), ("/sys/kernel/mm/transparent_hugepage/enabled", "regular")):
        with pytest.raises(Exception, match=rf"geo_content_hash\(path\).*{said}"):
            con.execute(statement, [str(path)]).fetchall()


def test_a_hundred_thousand_patches_are_split_and_proved_in_a_second_or_so(con):
    grid(con, box=(-180, -79, 180, 79), resolution=0.1, size=24, stride=8, crs="OGC:CRS84")
    dates(con, DAYS[:1])
    n, = con.execute("SELECT count(*) FROM grid").fetchone()
    assert n > 80_000
    alarm = threading.Timer(120, con.interrupt)  # a hang is a failure
    alarm.start()
    keep(con, "val_fraction := 0.2, test_fraction := 0.1, block := 1000, min_gap := 50000")
    start = time.perf_counter()
    assert leaks(con, "min_gap := 50000") == []
    took = time.perf_counter() - start
    con.execute("UPDATE registry SET split = 'train' WHERE patch_id = (SELECT min(patch_id) FROM registry WHERE split = 'val')")
    assert leaks(con, "min_gap := 50000")
    alarm.cancel()
    assert took < 20, took


def test_a_relation_without_splits_is_not_called_sound(con):
    con.execute("CREATE TABLE bare AS SELECT i AS patch_id, {xmin: 0.0, ymin: 0.0, xmax: 1.0, ymax: 1.0} AS bbox, 'EPSG:4326' AS crs, DATE '2020-01-01' AS date FROM range(3) t(i)")
    con.execute("CREATE OR REPLACE VIEW nulls AS SELECT *, NULL::VARCHAR AS split FROM bare")
    for relation, said in (("bare", 'column "split" or "fold" is missing'), ("nulls", "no row has a split or a fold")):
        with pytest.raises(duckdb.Error, match=rf"patch_leakage\(registry\): {said}"):
            con.execute(f"FROM geoquilt.patch_leakage('{relation}')").fetchall()
    assert con.execute("WITH none AS (SELECT *, 'train' AS split FROM bare LIMIT 0) FROM geoquilt.patch_leakage('none')").fetchall() == []


def test_boxes_over_the_antimeridian_are_judged_where_they_lie(con):
    """As queries have them, xmin above xmax: the same pairs as of boxes that run on to the east."""
    rng = np.random.default_rng(4)
    rows = []
    for i in range(80):
        west, south = float(rng.uniform(150, 210)), float(rng.uniform(-60, 50))
        rows.append((i, west, south, west + float(rng.uniform(1, 15)), south + float(rng.uniform(1, 8)), "train" if i % 2 else "val"))
    wrap = lambda lon: lon - 360 if lon > 180 else lon
    for name, turn in (("wrapped", wrap), ("run_on", float)):
        values = ", ".join(f"({i}, {{xmin: {turn(w)!r}::DOUBLE, ymin: {s!r}::DOUBLE, xmax: {turn(e)!r}::DOUBLE, ymax: {n!r}::DOUBLE}}, '{part}')" for i, w, s, e, n, part in rows)
        con.execute(f"CREATE TABLE {name} AS SELECT patch_id, bbox, 'OGC:CRS84' AS crs, split FROM (VALUES {values}) t(patch_id, bbox, split)")
    over = con.execute("SELECT count(*) FROM wrapped WHERE bbox.xmin > bbox.xmax").fetchone()[0]
    assert over > 5
    for more in ("rule := 'place'", "rule := 'place', min_gap := 200000"):
        got = leaks(con, more, "wrapped", "*")
        want = leaks(con, more, "run_on", "*")
        assert [row[:5] for row in got] == [row[:5] for row in want] and len(got) > 20
        np.testing.assert_allclose([row[-1] for row in got], [row[-1] for row in want], rtol=1e-9, atol=1e-6)
    # By brute force, those that share ground.
    share = lambda a, b: min(a[3], b[3]) > max(a[1], b[1]) and min(a[4], b[4]) > max(a[2], b[2])
    pairs = {frozenset((a[0], b[0])) for a, b in itertools.combinations(rows, 2) if a[5] != b[5] and share(a, b)}
    assert {frozenset(row) for row in leaks(con, "rule := 'place'", "wrapped", "patch_id, other_patch_id")} == pairs


def test_leaks_of_queries_over_the_antimeridian_are_found(con):
    words = f"60, size := 20, bbox := {{xmin: 160, ymin: -20, xmax: -160, ymax: 20}}, t_min := TIMESTAMP '2023-04-01', t_max := TIMESTAMP '2023-06-30', mask := '{ROOT}/test/data/small/land.tif', max_land_fraction := 1"
    con.execute(f"CREATE TABLE q AS SELECT query_id AS patch_id, bbox, 'OGC:CRS84' AS crs, t_min, t_max, if(query_id % 2 = 0, 'train', 'val') AS split FROM geo_train_queries({words})")
    assert con.execute("SELECT count(*) FROM q WHERE bbox.xmin > bbox.xmax").fetchone()[0] > 10
    assert leaks(con, "rule := 'place'", "q")


def test_errors_of_splits_name_what_was_called(con, days):
    con.execute("CREATE TABLE backwards AS SELECT 1 AS patch_id, {xmin: 5, ymin: 0, xmax: 1, ymax: 1} AS bbox, 'EPSG:32632' AS crs, 'train' AS split")
    con.execute("CREATE TABLE placeless AS SELECT 1 AS patch_id, 'train' AS split")
    for relation, more, told in [("backwards", "", r"patch_leakage\(registry\): box .* is not valid: must be a box with xmin <= xmax"),
                                 ("placeless", "", r"patch_leakage\(registry\): a patch has neither a win nor a bbox in a CRS\nGive each a win, or a bbox and the crs"),
                                 ("placeless", "min_gap := 5", r"patch_leakage\(registry\)")]:
        with pytest.raises(duckdb.Error, match=told):
            leaks(con, more, relation)
    grid(con)
    con.execute("CREATE TABLE windows AS SELECT patch_id, win FROM grid")
    for name, more, told in [("grid", "block := 1000", r"patch_registry: 42 patches in 1 blocks are too few"), ("grid", "min_gap := 1e7", r"patch_registry: a gap of 10000000 m leaves no patch in train"),
                             ("windows", "min_gap := 10", r"patch_registry\(min_gap\): a gap in metres was asked for"), ("grid", "folds := 1000", r"patch_registry: 42 patches are too few")]:
        with pytest.raises(duckdb.Error, match=told):
            registry(con, more, grid=name)
    con.execute(f"CREATE TABLE files AS FROM geo_catalog_build('{ROOT}/test/data/small/sst*.tif')")
    for size in ("-4", "50000", "'nan'"):
        with pytest.raises(duckdb.Error, match=r"spatial_blocks\(size\): .* is not valid: must be the side of a block"):
            con.execute(f"FROM geoquilt.spatial_blocks('files', {size})").fetchall()
    grid(con, "dense", stride=2)
    for more in ("", "val_fraction := 0.1", "test_fraction := 0.1", "folds := 3"):
        with pytest.raises(duckdb.Error, match=r"patch_registry\(grid\): patches overlap, .*\nGive val_year := a year"):
            registry(con, more, grid="dense")
    con.execute("CREATE TABLE across AS SELECT TIMESTAMP '2018-12-20' AS t_min, TIMESTAMP '2019-01-10' AS t_max UNION ALL SELECT TIMESTAMP '2017-01-01', TIMESTAMP '2017-02-01' UNION ALL SELECT TIMESTAMP '2019-05-01', TIMESTAMP '2019-06-01'")
    for word in ("val_year", "test_year"):
        with pytest.raises(duckdb.Error, match=rf"patch_registry\(dates\): a row spans 2018-12-20 .* to 2019-01-10 .*, in and out of the {word} 2019\nLeave the row out"):
            registry(con, f"{word} := 2019, val_fraction := 0" if word == "test_year" else f"{word} := 2019", days="across")
