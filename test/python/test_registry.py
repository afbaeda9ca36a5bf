"""geoquilt.patch_registry against NumPy's split, the reference's rules and a brute-force search for leaks."""
import datetime as dt
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from rasterio.transform import from_origin

from conftest import ROOT

DAYS = [dt.date(2017, 12, 31), dt.date(2018, 1, 1), dt.date(2018, 6, 1), dt.date(2018, 12, 31), dt.date(2019, 1, 1)]


def make_grid(con, n_rows=6, n_cols=7, size=4, stride=4, edge="snap", name="grid"):
    con.execute(f"""CREATE OR REPLACE TABLE {name} AS FROM geo_patch_grid({{xmin: 0, ymin: 0, xmax: {n_cols * size}, ymax: {n_rows * size}}},
        resolution := 1, crs := 'EPSG:3857', size := {size}, stride := {stride}, edge := '{edge}')""")
    return con.execute(f"SELECT count(*) FROM {name}").fetchone()[0]


@pytest.fixture
def days(con):
    con.execute("CREATE TABLE days AS SELECT unnest(?::DATE[]) AS date", [DAYS])
    return "days"


def reference_split(n, fraction, seed):
    """dataset_argo_geotiff_gridded.py, _split_phases."""
    phases = np.full(n, "train", dtype=object)
    length = int(round(n * fraction))
    length = min(max(length, 1 if fraction > 0 else 0), n - 1) if n > 1 else 0
    if length > 0:
        phases[np.random.default_rng(seed).permutation(np.arange(n))[:length]] = "val"
    return phases.tolist()


def test_val_year_sends_that_year_to_validation(con, days):
    n = make_grid(con)
    rows = con.execute("SELECT date, split, count(*), count(DISTINCT patch_id) FROM geoquilt.patch_registry('grid', 'days', val_year := 2018) GROUP BY ALL ORDER BY date").fetchall()
    assert rows == [(day, "val" if day.year == 2018 else "train", n, n) for day in DAYS]


def test_rows_come_date_outer_patch_inner(con, days):
    make_grid(con)
    rows = con.execute("SELECT date, patch_id FROM geoquilt.patch_registry('grid', 'days', val_year := 2018)").fetchall()
    assert rows == sorted(rows) and len(rows) == len(DAYS) * 42


def test_val_fraction_equals_the_references_numpy_split(con, days):
    rng = np.random.default_rng(0)
    for case in range(40):
        n_rows, n_cols = rng.integers(1, 20, 2)
        n = make_grid(con, int(n_rows), int(n_cols))
        fraction = float(rng.choice([0, 0.001, 0.1, 0.2, 0.25, 0.5, 0.999, 1, rng.random()]))
        seed = int(rng.choice([0, 7, 42, rng.integers(0, 2 ** 31)]))
        rows = con.execute(f"""SELECT patch_id, min(split), max(split) FROM geoquilt.patch_registry('grid', 'days', val_fraction := {fraction!r}, seed := {seed})
            GROUP BY patch_id ORDER BY patch_id""").fetchall()
        assert [row[1] for row in rows] == [row[2] for row in rows] == reference_split(n, fraction, seed), (n, fraction, seed)


def test_the_split_is_over_kept_patches_by_place_not_by_id(con, days):
    n = make_grid(con)
    con.execute("CREATE TABLE few AS FROM grid WHERE patch_id % 3 <> 1")
    kept = [row[0] for row in con.execute("SELECT patch_id FROM few ORDER BY patch_id").fetchall()]
    rows = con.execute("SELECT DISTINCT patch_id, split FROM geoquilt.patch_registry('few', 'days', val_fraction := 0.3, seed := 5) ORDER BY patch_id").fetchall()
    assert rows == list(zip(kept, reference_split(len(kept), 0.3, 5)))
    con.execute("CREATE TABLE shuffled AS FROM few ORDER BY hash(patch_id)")
    assert con.execute("SELECT DISTINCT patch_id, split FROM geoquilt.patch_registry('shuffled', 'days', val_fraction := 0.3, seed := 5) ORDER BY patch_id").fetchall() == rows


def test_the_permutation_is_numpys(con):
    for n in [0, 1, 2, 3, 10, 255, 256, 257, 1000, 65537]:
        for seed in [0, 1, 7, 2 ** 32 - 1, 2 ** 32, 2 ** 53 + 1, 2 ** 63 - 1]:
            assert con.execute(f"SELECT geo_permutation({n}, {seed})").fetchone()[0] == np.random.default_rng(seed).permutation(n).tolist(), (n, seed)


def test_rejected_rows_of_a_grid_are_left_out(con, days):
    make_grid(con)
    con.execute("CREATE TABLE marked AS SELECT * REPLACE (CASE WHEN patch_id % 2 = 0 THEN 'rejected' ELSE 'kept' END AS status) FROM grid")
    assert con.execute("SELECT count(*), count(*) FILTER (patch_id % 2 = 0) FROM geoquilt.patch_registry('marked', 'days', val_year := 2018)").fetchone() == (21 * len(DAYS), 0)


def overlaps(rows):
    for i, (r1, c1, h1, w1) in enumerate(rows):
        for r2, c2, h2, w2 in rows[:i]:
            if r1 < r2 + h2 and r2 < r1 + h1 and c1 < c2 + w2 and c2 < c1 + w1:
                return True
    return False


def test_overlapping_patches_are_refused_unless_a_year_splits_them(con, days):
    """Brute force over grids: refused exactly when two kept patches share a pixel."""
    rng = np.random.default_rng(3)
    refused = 0
    for case in range(60):
        n, m = (int(v) for v in rng.integers(8, 40, 2))
        h, w = (int(v) for v in rng.integers(1, 8, 2))
        sh, sw = (int(rng.integers(max(1, s - 1), s + 3)) for s in (h, w))
        edge = ["drop", "snap", "overflow", "center", "pad"][case % 5]
        con.execute(f"""CREATE OR REPLACE TABLE grid AS FROM geo_patch_grid({{xmin: 0, ymin: 0, xmax: {m}, ymax: {n}}}, resolution := 1, crs := 'EPSG:3857',
            size := [{h}, {w}], stride := [{sh}, {sw}], edge := '{edge}') WHERE hash(patch_id) % 3 <> 0 OR {case} % 2 = 0""")
        rows = con.execute("SELECT win.row_off, win.col_off, win.height, win.width FROM grid").fetchall()
        if len(rows) < 2:
            continue
        assert con.execute("SELECT count(*) FROM geoquilt.patch_registry('grid', 'days', val_year := 2018)").fetchone()[0] == len(rows) * len(DAYS)
        query = "SELECT count(*) FROM geoquilt.patch_registry('grid', 'days', val_fraction := 0.2)"
        if overlaps(rows):
            refused += 1
            with pytest.raises(Exception, match=r"(?s)patch_registry.*overlap.*val_year"):
                con.execute(query).fetchone()
        else:
            assert con.execute(query).fetchone()[0] == len(rows) * len(DAYS)
    assert refused > 10


def test_a_snap_grid_whose_last_window_moved_inward_is_refused(con, days):
    con.execute("CREATE TABLE grid AS FROM geo_patch_grid({xmin: 0, ymin: 0, xmax: 10, ymax: 8}, resolution := 1, crs := 'EPSG:3857', size := 4)")
    with pytest.raises(Exception, match="patch_registry"):
        con.execute("FROM geoquilt.patch_registry('grid', 'days')").fetchall()
    with pytest.raises(Exception, match="patch_registry"):
        con.execute("SELECT count(*) FROM geoquilt.patch_registry('grid', 'days')").fetchall()
    con.execute("CREATE TABLE apart AS FROM grid WHERE win.col_off IN (0, 6)")
    assert con.execute("SELECT count(*) FROM geoquilt.patch_registry('apart', 'days')").fetchone()[0] == 4 * len(DAYS)


def test_no_pixel_is_in_train_and_val(con, days):
    make_grid(con, 9, 11)
    rows = con.execute("SELECT DISTINCT split, win.row_off, win.col_off, win.height, win.width FROM geoquilt.patch_registry('grid', 'days', val_fraction := 0.35, seed := 1)").fetchall()
    paint = {"train": np.zeros((36, 44), bool), "val": np.zeros((36, 44), bool)}
    for split, r, c, h, w in rows:
        paint[split][r:r + h, c:c + w] = True
    assert not (paint["train"] & paint["val"]).any() and (paint["train"] | paint["val"]).all()


def test_an_overlapping_grid_without_dates_is_refused_too(con):
    make_grid(con, stride=2)
    con.execute("CREATE TABLE days (date DATE)")
    try:
        assert con.execute("FROM geoquilt.patch_registry('grid', 'days', val_year := 2018)").fetchall() == []
        con.execute("FROM geoquilt.patch_registry('grid', 'days')").fetchall()
    except Exception as error:
        assert "patch_registry" in str(error)


def files_table(con, rows):
    con.execute("CREATE OR REPLACE TABLE files (path VARCHAR, t_min TIMESTAMP, t_max TIMESTAMP)")
    con.executemany("INSERT INTO files VALUES (?, ?, ?)", rows)


def test_a_catalog_gives_a_row_per_file_and_patch(con):
    n = make_grid(con)
    at = dt.datetime
    files_table(con, [("a", at(2017, 5, 1), at(2017, 5, 1, 23, 59, 59, 999999)), ("b", at(2018, 5, 1), at(2018, 5, 31, 23, 59, 59, 999999)), ("c", at(2018, 5, 1), at(2018, 5, 1, 23))])
    rows = con.execute("SELECT path, date, t_min, t_max, split, count(*) FROM geoquilt.patch_registry('grid', 'files', val_year := 2018) GROUP BY ALL ORDER BY path").fetchall()
    assert rows == [("a", dt.date(2017, 5, 1), at(2017, 5, 1), at(2017, 5, 1, 23, 59, 59, 999999), "train", n),
                    ("b", dt.date(2018, 5, 1), at(2018, 5, 1), at(2018, 5, 31, 23, 59, 59, 999999), "val", n), ("c", dt.date(2018, 5, 1), at(2018, 5, 1), at(2018, 5, 1, 23), "val", n)]


def test_a_file_that_is_not_on_the_grids_raster_is_refused(con, raster):
    def build(name, shape=(8, 12), x=500000.0, y=4600000.0, size=10.0, crs="EPSG:32629"):
        path = raster(f"{name}.tif", np.zeros(shape, "uint8"), crs=crs, transform=from_origin(x, y, size, size))
        return con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM geo_catalog_build(?)", [path]) and path

    con.execute("CREATE TABLE grid AS FROM geo_patch_grid(?, size := 5, edge := 'overflow')", [build("home")])
    build("near", x=500000.0005)  # by float32 coordinates, say
    build("taller", shape=(10, 15))
    for files in ["home", "near", "taller"]:
        assert con.execute(f"SELECT count(*) FROM geoquilt.patch_registry('grid', '{files}')").fetchone() == (6,), files
    others = {"east": {"x": 500640.0}, "south": {"y": 4599990.0}, "coarse": {"size": 20.0}, "zone": {"crs": "EPSG:32630"}, "short": {"shape": (4, 12)}}
    said = {"east": r"begins at \(500640", "south": r"begins at \(500000.0, 4599990", "coarse": r"pixels of 20.0 x 20.0, and the grid of 10.0 x 10.0",
            "zone": "is in EPSG:32630, and the grid in EPSG:32629", "short": "has 4 rows and 12 columns, and patch 0 of the grid reaches to row 5"}
    for name, other in others.items():
        build(name, **other)
        con.execute(f"CREATE OR REPLACE VIEW files AS FROM home UNION ALL BY NAME FROM {name}")
        with pytest.raises(Exception, match=rf"(?s)patch_registry\(dates\): .*{name}.tif.*{said[name]}.*read_slice"):
            con.execute("SELECT count(*) FROM geoquilt.patch_registry('grid', 'files', val_year := 2018)").fetchall()


def test_one_crs_by_two_names_is_one_raster(con, raster):
    path = raster("a.tif", np.zeros((8, 12), "uint8"), crs="EPSG:4326", transform=from_origin(350, 10, 1, 1))
    con.execute("CREATE TABLE grid AS FROM geo_patch_grid({xmin: 350, ymin: 2, xmax: 362, ymax: 10}, resolution := 1, size := 4)")
    con.execute("CREATE TABLE files AS FROM geo_catalog_build(?)", [path])
    assert con.execute("SELECT DISTINCT crs FROM (SELECT crs FROM grid UNION ALL SELECT crs FROM files) ORDER BY ALL").fetchall() == [("EPSG:4326",), ("OGC:CRS84",)]
    assert con.execute("SELECT count(*) FROM geoquilt.patch_registry('grid', 'files')").fetchone() == (6,)


def test_swapped_arguments_are_told(con, days):
    make_grid(con)
    with pytest.raises(Exception, match=r"(?s)patch_registry\(grid\): column \"patch_id\" is missing.*geo_patch_grid"):
        con.execute("FROM geoquilt.patch_registry('days', 'grid')").fetchall()


def test_undated_files_are_refused_under_val_year_and_kept_without(con):
    n = make_grid(con)
    files_table(con, [("dated", dt.datetime(2018, 1, 1), dt.datetime(2018, 1, 1)), ("undated", None, None)])
    with pytest.raises(Exception, match=r"(?s)patch_registry\(dates\).*undated.*filename_regex"):
        con.execute("FROM geoquilt.patch_registry('grid', 'files', val_year := 2018)").fetchall()
    rows = con.execute("SELECT path, date, count(*) FROM geoquilt.patch_registry('grid', 'files') GROUP BY ALL ORDER BY path").fetchall()
    assert rows == [("dated", dt.date(2018, 1, 1), n), ("undated", None, n)]


@pytest.mark.parametrize("start,stop", [((2017, 12, 1), (2018, 1, 2)), ((2018, 12, 1), (2019, 1, 2)), ((2017, 1, 1), (2019, 1, 1))])
def test_a_file_that_spans_the_edge_of_val_year_is_refused(con, start, stop):
    make_grid(con)
    files_table(con, [("spans", dt.datetime(*start), dt.datetime(*stop)), *[(f"in {y}", dt.datetime(y, 5, 1), dt.datetime(y, 5, 1)) for y in (2016, 2018, 2022)]])
    with pytest.raises(Exception, match=r"(?s)patch_registry\(dates\).*spans .* in and out of the val_year 2018"):
        con.execute("FROM geoquilt.patch_registry('grid', 'files', val_year := 2018)").fetchall()
    assert con.execute("SELECT path FROM geoquilt.patch_registry('grid', 'files', val_year := 2022) WHERE split = 'val' GROUP BY path").fetchall() == [("in 2022",)]


def test_a_val_year_that_leaves_a_side_empty_is_refused(con):
    make_grid(con)
    files_table(con, [("a", dt.datetime(2018, 5, 1), dt.datetime(2018, 5, 1)), ("b", dt.datetime(2018, 6, 1), dt.datetime(2018, 6, 1))])
    for year in (2018, 2019):
        with pytest.raises(Exception, match=rf"patch_registry\(val_year\).*{year}"):
            con.execute(f"FROM geoquilt.patch_registry('grid', 'files', val_year := {year})").fetchall()


@pytest.mark.parametrize("more", ["val_fraction := -0.1", "val_fraction := 1.5", "val_fraction := 'nan'::DOUBLE", "val_year := 2018, val_fraction := 0.2", "val_fraction := 0.2, seed := -1", "nonsense := 1"])
def test_wrong_splits_are_refused(con, days, more):
    make_grid(con)
    with pytest.raises(Exception, match=r"(?s)(patch_registry|geo_permutation|nonsense)"):
        con.execute(f"FROM geoquilt.patch_registry('grid', 'days', {more})").fetchall()


def test_relations_of_every_kind(con, tmp_path, days):
    """Table, view, temp table, CTE, Parquet path, pandas, Arrow: all the same rows."""
    make_grid(con)
    query = "SELECT * FROM geoquilt.patch_registry('{}', '{}', val_fraction := 0.3)"
    want = con.execute(query.format("grid", "days")).fetchall()
    assert want
    con.execute("CREATE VIEW grid_view AS FROM grid; CREATE VIEW days_view AS FROM days; CREATE TEMP TABLE grid_temp AS FROM grid; CREATE TEMP TABLE days_temp AS FROM days")
    con.execute(f"COPY grid TO '{tmp_path}/grid.parquet'; COPY days TO '{tmp_path}/days.parquet'")
    for grid, dates in [("grid_view", "days_view"), ("grid_temp", "days_temp"), (f"{tmp_path}/grid.parquet", f"{tmp_path}/days.parquet")]:
        assert con.execute(query.format(grid, dates)).fetchall() == want, grid
    assert con.execute("WITH grid_cte AS (FROM grid), days_cte AS (FROM days) " + query.format("grid_cte", "days_cte")).fetchall() == want
    con.register("days_frame", pd.DataFrame({"date": pd.to_datetime(DAYS)}))
    assert con.execute(query.format("grid", "days_frame")).fetchall() == want
    con.register("grid_arrow", con.execute("FROM grid").to_arrow_table())
    con.register("days_arrow", pa.table({"date": pa.array(DAYS)}))
    assert con.execute(query.format("grid_arrow", "days_arrow")).fetchall() == want
    con.execute("CREATE TABLE short AS SELECT patch_id, win FROM grid")
    assert [row[:3] for row in con.execute(query.format("short", "days")).fetchall()] == [row[:3] for row in want]


def test_uncommitted_rows_are_seen(con, days):
    make_grid(con)
    con.execute("BEGIN; INSERT INTO days VALUES ('2020-01-01')")
    assert con.execute("SELECT count(*) FROM geoquilt.patch_registry('grid', 'days', val_year := 2018)").fetchone()[0] == 42 * (len(DAYS) + 1)
    con.execute("ROLLBACK")
    assert con.execute("SELECT count(*) FROM geoquilt.patch_registry('grid', 'days', val_year := 2018)").fetchone()[0] == 42 * len(DAYS)


def test_a_large_registry_is_made_in_seconds(con):
    """100,000 patches x 100 days; the search for overlaps is not quadratic."""
    con.execute("CREATE TABLE grid AS FROM geo_patch_grid({xmin: 0, ymin: 0, xmax: 1600, ymax: 1000}, resolution := 1, crs := 'EPSG:3857', size := 4)")
    con.execute("CREATE TABLE days AS SELECT DATE '2018-01-01' + i::INTEGER AS date FROM range(100) t(i)")
    start = dt.datetime.now()
    alarm = threading.Timer(60, con.interrupt)  # a hang is a failure
    alarm.start()
    assert con.execute("SELECT count(*), count(*) FILTER (split = 'val') FROM (SELECT split FROM geoquilt.patch_registry('grid', 'days'))").fetchone() == (10_000_000, 2_000_000)
    alarm.cancel()
    assert (dt.datetime.now() - start).total_seconds() < 60


def test_instants_are_dated_in_utc_wherever_the_session_is(con):
    con.execute("SET TimeZone = 'America/New_York'")
    con.execute(f"CREATE TABLE g AS FROM geo_patch_grid('{ROOT}/test/data/small/land.tif', size := 18, edge := 'drop')")
    for column in ("t_min", "date"):
        con.execute(f"CREATE OR REPLACE TABLE x AS SELECT unnest(['2019-01-01 02:00:00+00', '2018-06-01 02:00:00+00']::TIMESTAMPTZ[]) AS {column}")
        got = con.execute("SELECT DISTINCT date::VARCHAR, split, typeof(t_min) FROM geoquilt.patch_registry('g', 'x', val_year := 2019) ORDER BY 1").fetchall()
        assert got == [("2018-06-01", "train", "TIMESTAMP"), ("2019-01-01", "val", "TIMESTAMP")]


def test_pixel_sizes_of_few_digits_are_the_grids(con):
    con.execute("CREATE TABLE g AS FROM geo_patch_grid({xmin: -180, ymin: -90, xmax: 180, ymax: 90}, crs := 'EPSG:4326', resolution := 1 / 120, size := 1024, edge := 'overflow')")
    con.execute("CREATE TABLE f AS SELECT 'a.tif' AS path, 'EPSG:4326' AS crs, 43200 AS width, 21600 AS height, [-180, x, 0, 90, 0, -x]::DOUBLE[] AS transform, DATE '2020-01-01' AS date FROM (SELECT 0.00833333::DOUBLE AS x)")
    assert con.execute("SELECT count(*) > 0 FROM geoquilt.patch_registry('g', 'f', val_fraction := 0.5)").fetchone() == (True,)
    con.execute("UPDATE f SET transform = [-180, 0.008333, 0, 90, 0, -0.008333]")
    with pytest.raises(Exception, match=r'patch_registry\(dates\): "a.tif" has pixels of 0.008333 x 0.008333, and the grid of 0.00833333'):
        con.execute("FROM geoquilt.patch_registry('g', 'f', val_fraction := 0.5)").fetchall()
    con.execute("CREATE TABLE bare AS SELECT * REPLACE (NULL AS crs, NULL AS bbox) FROM g")
    con.execute("FROM geoquilt.patch_registry('bare', 'f', val_fraction := 0.5)")


def test_windows_are_whole_numbers_of_any_type_and_one_beyond_bigint_is_refused(con, raster, tmp_path):
    path = raster("a.tif", np.arange(36, dtype="float32").reshape(6, 6))
    want = con.execute(f"SELECT read_patch('{path}', {{row_off: 1, col_off: 2, height: 2, width: 3}})").fetchone()
    for kind in ("BIGINT", "UBIGINT", "DOUBLE", "DECIMAL(20, 2)", "SMALLINT"):
        con.execute(f"COPY (SELECT '{path}' AS path, {{row_off: 1::{kind}, col_off: 2::{kind}, height: 2::{kind}, width: 3::{kind}}} AS win) TO '{tmp_path}/r.parquet'")
        assert con.execute(f"SELECT data FROM read_patch('{tmp_path}/r.parquet')").fetchone() == want, kind
    for value in ("18446744073709551615::UBIGINT", "0.5::DOUBLE", "'nan'::DOUBLE", "1.25::DECIMAL(20, 2)"):
        con.execute(f"COPY (SELECT '{path}' AS path, {{row_off: {value}, col_off: 0, height: 2, width: 2}} AS win) TO '{tmp_path}/r.parquet'")
        with pytest.raises(Exception, match="row_off"):
            con.execute(f"SELECT data FROM read_patch('{tmp_path}/r.parquet', boundless := true)").fetchone()


def test_types_of_a_parquet_registry_are_kept(con, tmp_path, raster):
    path = raster("a.tif", np.arange(12, dtype="u1").reshape(4, 3))
    own = f"'{path}' AS path, {{row_off: 0, col_off: 0, height: 1, width: 3}} AS win"
    box = "geo_box({xmin: 0, ymin: 1, xmax: 2, ymax: 3})"
    con.execute(f"""COPY (SELECT {own}, {box} AS here, geometry AS there, NULL::GEOMETRY AS none, '{{"a": [1]}}'::JSON AS document,
        '12:34:56.5+02:00'::TIMETZ AS clock, TIME '01:02:03' AS plain, 'x'::BLOB AS bytes, 'y' AS word) TO '{tmp_path}/r.parquet' (GEOPARQUET_VERSION 'BOTH')""".replace("'y' AS word)", f"'y' AS word FROM geo_catalog_build('{path}', crs := 'EPSG:32629'))"))
    columns = ["here", "there", "none", "document", "clock", "plain", "bytes", "word"]
    ask = "SELECT " + ", ".join(f"typeof({c}), {c}::VARCHAR" for c in columns) + ", document->'a'->>0, ST_CRS(there) FROM "
    want = con.execute(ask + f"'{tmp_path}/r.parquet'").fetchone()
    got = con.execute(ask + f"read_patch('{tmp_path}/r.parquet')").fetchone()
    assert got == want
    # The same rows as a list.
    con.execute(f"SET VARIABLE rows = (SELECT list(r) FROM (SELECT * EXCLUDE (clock) FROM '{tmp_path}/r.parquet') AS r)")
    ask = ask.replace("typeof(clock), clock::VARCHAR, ", "")
    assert con.execute(ask + "read_patch(getvariable('rows'))").fetchone() == want[:8] + want[10:]
    assert want[0].startswith("GEOMETRY") and want[2].startswith("GEOMETRY") and want[6] == "JSON" and want[8] == "TIME WITH TIME ZONE"


@pytest.mark.parametrize("type", ["DOUBLE", "HUGEINT", "DECIMAL(9, 2)", "DECIMAL(30, 3)", "UBIGINT", "TINYINT"])
def test_numbers_of_a_window_may_be_of_any_type(con, tmp_path, raster, type):
    path = raster("a.tif", np.arange(12, dtype="u1").reshape(4, 3))
    win = f"{{row_off: 1::{type}, col_off: 1::{type}, height: 1::{type}, width: 2::{type}}}"
    con.execute(f"COPY (SELECT '{path}' AS path, {win} AS win) TO '{tmp_path}/r.parquet'")
    for source in (f"'{tmp_path}/r.parquet'", f"[{{path: '{path}', win: {win}}}]"):
        assert con.execute(f"SELECT data FROM read_patch({source})").fetchone() == ([4, 5],)
    if type.startswith("D"):
        con.execute(f"COPY (SELECT '{path}' AS path, {win.replace('row_off: 1::', 'row_off: 1.5::')} AS win) TO '{tmp_path}/r.parquet'")
        with pytest.raises(Exception, match="row_off"):
            con.execute(f"FROM read_patch('{tmp_path}/r.parquet')").fetchall()


def test_names_of_options_may_be_capitals(con, raster):
    path = raster("a.tif", np.arange(12, dtype="u1").reshape(1, 4, 3).repeat(2, 0))
    plain = con.execute(f"SELECT read_patch('{path}', {{row_off: 0, col_off: 0, height: 5, width: 3}}, {{bands: 2, boundless: true, fill: 9}})").fetchone()
    assert con.execute(f"SELECT read_patch('{path}', {{ROW_OFF: 0, col_off: 0, Height: 5, width: 3}}, {{BANDS: 2, Boundless: true, FILL: 9}})").fetchone() == plain
    with pytest.raises(Exception, match='"BAND" is not an option'):
        con.execute(f"SELECT read_patch('{path}', {{row_off: 0, col_off: 0, height: 5, width: 3}}, {{BAND: 2}})")


def test_one_flipped_byte_of_a_registry_is_the_files_fault(con, tmp_path, raster):
    path = raster("a.tif", np.arange(12, dtype="u1").reshape(4, 3))
    con.execute(f"COPY (SELECT '{path}' AS path, {{row_off: 0, col_off: 0, height: 1, width: 1 + i % 2}} AS win, i AS i, 'x' || i AS word FROM range(20) t(i)) TO '{tmp_path}/r.parquet'")
    raw = (tmp_path / "r.parquet").read_bytes()
    rng = np.random.default_rng(3)
    for turn in range(400):
        bad = bytearray(raw)
        bad[turn * len(raw) // 400] ^= 1 << int(rng.integers(8))
        (tmp_path / "bad.parquet").write_bytes(bad)
        try:
            con.execute(f"SELECT count(data), count(word) FROM read_patch('{tmp_path}/bad.parquet')").fetchall()
        except Exception as error:
            assert "defect" not in str(error) and "panick" not in str(error), (turn, str(error))
