"""Macros are the same whatever a session's settings are, and whatever a user's relations and columns are called."""
import re

import pytest

from conftest import ROOT, connect

GRID = "FROM geo_patch_grid({xmin: 0, ymin: 0, xmax: 40, ymax: 40}, resolution := 1, size := 10)"
FILES = """SELECT 'scene_' || i || '.tif' AS path, geo_box({xmin: i, ymin: -i, xmax: i + 3, ymax: 4 - i}) AS geometry,
    geo_bbox(geo_box({xmin: i, ymin: -i, xmax: i + 3, ymax: 4 - i})) AS bbox,
    TIMESTAMP '2020-01-01' + INTERVAL (i * 10) DAY AS t_min, TIMESTAMP '2020-01-02' + INTERVAL (i * 10) DAY AS t_max,
    100 + i AS size, TIMESTAMP '2024-01-01' + INTERVAL (i % 3) HOUR AS modified
    FROM range(12) t(i)"""
OTHER = FILES.replace("'scene_'", "'SCENE_'").replace("range(12)", "range(3, 9)")
DAYS = "SELECT (DATE '2019-12-01' + INTERVAL (i * 20) DAY)::DATE AS date, 'sst' AS variable, i % 3 AS support FROM range(8) t(i)"
REGISTRY = """SELECT i AS patch_id, 'scene_' || (i % 4) || '.tif' AS path, {row_off: 0, col_off: 10 * i, height: 10, width: 10} AS win, {xmin: 10 * i, ymin: 0, xmax: 10 * i + 10, ymax: 10} AS bbox,
    'OGC:CRS84' AS crs, 10 * i + 5 AS lon_center, 5 AS lat_center, CASE WHEN i % 3 = 0 THEN 'val' ELSE 'train' END AS split, (DATE '2020-01-01' + (i % 2)::INT) AS date, 'place' AS split_by FROM range(12) t(i)"""

SMALL = ROOT / "test/data/small"
# Each macro over relations by name: {grid}, {days}, {files}, {other}, {registry}.
CALLS = {
    "patch_registry": "FROM geoquilt.patch_registry('{grid}', '{days}', val_fraction := 0.25, seed := 7)",
    "patch_registry by year": "FROM geoquilt.patch_registry('{grid}', '{days}', val_year := 2020)",
    "patch_registry in blocks": "FROM geoquilt.patch_registry('{grid}', '{days}', folds := 3, block := 1000, min_gap := 50000, coverage := '{days}', require_support := {{train: true}}, include_rejected := true)",
    "patch_leakage": "FROM geoquilt.patch_leakage('{registry}', min_gap := 2000000)",
    "shard": "FROM geoquilt.shard('{registry}', 1, 3)",
    "hard_sample": "FROM geoquilt.hard_sample('{registry}', [{{xmin: 0, ymin: 0, xmax: 20, ymax: 40}}])",
    "registry_key": "SELECT geoquilt.registry_key('{grid}', '{days}', coverage := '{days}') AS key",
    "catalog_query": "FROM geoquilt.catalog_query('{files}', bbox := {{xmin: 2, ymin: -5, xmax: 6, ymax: 3}}, t_min := '2020-01-15', t_max := '2020-03')",
    "catalog_intersect": "FROM geoquilt.catalog_intersect('{files}', '{other}')",
    "catalog_difference": "FROM geoquilt.catalog_difference('{files}', '{other}')",
    "catalog_union": "FROM geoquilt.catalog_union('{files}', '{other}', dedupe := true)",
    "catalog_extent": "FROM geoquilt.catalog_extent('{files}')",
    "catalog_coverage": "FROM geoquilt.catalog_coverage('{files}', cell := 2)",
    "catalog_pad": "FROM geoquilt.catalog_pad('{files}', INTERVAL 1 DAY)",
    "catalog_validate": "FROM geoquilt.catalog_validate('{files}')",
    "catalog_latest": "FROM geoquilt.catalog_latest('{files}')",
    "spatial_blocks": "FROM geoquilt.spatial_blocks('{files}', 100)",
    "patch_slices": "FROM geoquilt.patch_slices('{files}', 2, resolution := 1)",
    "slice_files": "WITH gq_test_slices AS (SELECT slice FROM geoquilt.patch_slices('{files}', 2, resolution := 1)) FROM geoquilt.slice_files('gq_test_slices', '{other}')",
    "patch_sample": "FROM geoquilt.patch_sample('{files}', 40, 2, resolution := 1, t := 'uniform')",
    "patch_sample by a column": "FROM geoquilt.patch_sample('{files}', 40, 2, resolution := 1, weight := 'size')",
    "patch_pairs": "WITH gq_test_rows AS (SELECT 1 AS patch_id, path, t_min FROM \"{files}\") FROM geoquilt.patch_pairs('gq_test_rows', INTERVAL 15 DAY, max_interval := INTERVAL 40 DAY, n := 30)",
    "resolution_report": "WITH gq_test_boxes AS (SELECT {{xmin: 0, ymin: 0, xmax: 10, ymax: 12}} AS bbox), gq_test_grids AS (SELECT path, 'v' || size % 3 AS variable, [0, 0.5, 0, 0, 0, -0.25] AS transform FROM \"{files}\") FROM geoquilt.resolution_report('gq_test_grids', 'gq_test_boxes', sizes := {{'default': [9, 9]}})",
    "query_samples": f"WITH gq_test_tiles AS (SELECT *, 'sst' AS variable FROM geo_catalog_build('{SMALL}/sst_*.tif')), gq_test_boxes AS (SELECT i AS query_id, {{{{xmin: i * 10, ymin: 0, xmax: i * 10 + 30, ymax: 40}}}} AS bbox, NULL::TIMESTAMP AS t_min, NULL::TIMESTAMP AS t_max FROM range(3) t(i)) FROM geoquilt.query_samples('gq_test_boxes', 'gq_test_tiles', {{{{inputs: ['sst']}}}}, sizes := {{{{'default': [2, 3]}}}})",
    "query_batch": "WITH gq_test_samples AS (SELECT i AS query_id, map_from_entries([{{k: 'a', v: {{data: [i, 2]::FLOAT[], shape: [1, 2], lats: [0.5::DOUBLE], lons: [0.5::DOUBLE, 1.5]}}}}]) AS inputs, MAP {{}}::MAP(VARCHAR, STRUCT(data FLOAT[], shape BIGINT[], lats DOUBLE[], lons DOUBLE[])) AS targets FROM range(3) t(i)) FROM geoquilt.query_batch('gq_test_samples')",
    "ocean_package": f"FROM geoquilt.ocean_package('{SMALL}/ocean_package')",
    "ocean_grid": f"FROM geoquilt.ocean_grid('{SMALL}/ocean_package', size := 8, stride := 4)",
    "ocean_profiles": f"FROM geoquilt.ocean_profiles('{SMALL}/ocean_package')",
    "ocean_registry": f"FROM geoquilt.ocean_registry('{SMALL}/ocean_package', size := 8, stride := 4)",
    "ocean_finetune": f"FROM geoquilt.ocean_finetune('{SMALL}/ocean_package', [{{{{xmin: 90, ymin: -15, xmax: 140, ymax: 15}}}}], size := 8, stride := 4)",
    "ocean_sample": f"WITH gq_test_rows AS (FROM geoquilt.ocean_registry('{SMALL}/ocean_package', size := 8, stride := 4) WHERE patch_id < 90 AND split = 'val') FROM geoquilt.ocean_sample('{SMALL}/ocean_package', 'gq_test_rows')",
    "ocean_key": f"SELECT geoquilt.ocean_key('{SMALL}/ocean_package') AS key",
    "weighted_sample": "FROM geoquilt.weighted_sample('{files}', 'size', 8)",
    "balanced_sample": "WITH gq_test_rows AS (SELECT path, MAP {{'x': size % 3, 'y': 1}} AS shares FROM \"{files}\") FROM geoquilt.balanced_sample('gq_test_rows', 'shares', 5)",
}
# Those whose rows come in an order that is said.
ORDERED = {"patch_registry", "patch_registry by year", "patch_registry in blocks", "patch_leakage", "shard", "hard_sample", "catalog_difference",
           "catalog_union", "catalog_coverage", "catalog_validate", "catalog_latest", "patch_slices", "slice_files", "patch_sample",
           "patch_sample by a column", "patch_pairs", "resolution_report", "query_samples", "query_batch", "ocean_package", "ocean_grid", "ocean_registry", "ocean_finetune", "ocean_sample", "weighted_sample", "balanced_sample"}


def make(con, grid="gq_test_grid", days="gq_test_days", files="gq_test_files", other="gq_test_other", registry="gq_test_registry", extra=""):
    for name, sql in ((grid, GRID), (days, DAYS), (files, FILES), (other, OTHER), (registry, REGISTRY)):
        con.execute(f'CREATE OR REPLACE TABLE "{name}" AS SELECT *{extra} FROM ({sql})')
    return dict(grid=grid, days=days, files=files, other=other, registry=registry)


def answers(con, names, keep=None):
    found = {}
    for macro, sql in CALLS.items():
        cursor = con.execute(sql.format(**names))
        columns = [d[0] for d in cursor.description]
        rows = cursor.fetchall()
        if keep is not None:
            places = [columns.index(c) for c in keep[macro]]
            rows = [tuple(row[i] for i in places) for row in rows]
        found[macro] = [repr(row) for row in rows] if macro in ORDERED else sorted(map(repr, rows))
    return found


@pytest.fixture(scope="module")
def plain():
    con = connect()
    names = make(con)
    columns = {macro: [d[0] for d in con.execute(sql.format(**names)).description] for macro, sql in CALLS.items()}
    return answers(con, names), columns


def settings():
    """Every setting that changes how a query is understood or run, with a value that is not its default."""
    con = connect(load=False)
    rows = con.execute("SELECT name, value, input_type FROM duckdb_settings() ORDER BY name").fetchall()
    # What closes doors, writes files or speaks of other extensions is not a matter of a query's meaning.
    apart = re.compile(r"external|extension|unsigned|lock_config|secret|http|log|progress|profil|temp|autoinstall|autoload|persist|checkpoint|wal|ui_|s3_|debug|allow|azure|storage|force_|experimental_meta|search_path|schema|verif|hive|enable_fsst|arrow|pin_threads|allocator")
    found = [f"{name} = {'false' if value == 'true' else 'true'}" for name, value, kind in rows if kind == "BOOLEAN" and not apart.search(name)]
    return found + ["default_order = 'DESC'", "default_null_order = 'NULLS_FIRST'", "default_collation = 'NOCASE'", "TimeZone = 'Pacific/Auckland'",
                    "Calendar = 'japanese'", "threads = 1", "threads = 8", "disabled_optimizers = 'join_order,filter_pushdown,expression_rewriter,common_subexpressions,top_n,statistics_propagation'",
                    "max_expression_depth = 500", "perfect_ht_threshold = 0", "geoquilt_threads = 1"]


@pytest.mark.parametrize("setting", settings())
def test_no_setting_changes_what_a_macro_answers(plain, setting):
    con = connect()
    try:
        con.execute(f"SET {setting}")
    except Exception as error:
        pytest.skip(str(error).splitlines()[0])
    got = answers(con, make(con))
    for macro, rows in plain[0].items():
        if "preserve_insertion_order" in setting:
            rows, got[macro] = sorted(rows), sorted(got[macro])
        assert got[macro] == rows, macro


# Names that macros have had for what is theirs, and what people call their own.
NAMES = ["patches", "days", "absent", "kept", "rasters", "windows", "known", "boxes", "strays", "misfit", "years", "overlap", "guard", "validation",
         "file", "place", "index", "grid", "cell", "cells", "left", "right", "entries", "a", "b", "p", "d", "l", "r", "w", "k", "total", "twice", "levels", "sizes", "whole"]


@pytest.mark.parametrize("name", NAMES)
def test_a_relation_may_have_any_name(plain, name):
    con = connect()
    for role in ("grid", "days", "files", "other", "registry"):
        assert answers(con, make(con, **{role: name}))  == plain[0], role
        con.execute(f'DROP TABLE "{name}"')


@pytest.mark.parametrize("name", NAMES + ["status_text", "side", "periods", "start", "stop", "n_val", "problem", "path_column", "date_column", "x0", "box", "shape", "crs_column"])
def test_a_relation_may_have_a_column_of_any_name(plain, name):
    con = connect()
    for value in ("'Kiel'", "1"):
        names = make(con, extra=f', {value} AS "{name}"')
        got = answers(con, names, keep=plain[1])
        # A key is of all columns.
        assert got.pop("registry_key") != plain[0]["registry_key"]
        assert got == {macro: rows for macro, rows in plain[0].items() if macro != "registry_key"}


def test_a_relation_that_a_macro_has_inside_is_no_users():
    con = connect()
    make(con)
    for name in ("patches", "days", "absent"):
        with pytest.raises(Exception, match=name):
            con.execute(f"FROM geoquilt.patch_registry('gq_test_grid', '{name}')").fetchall()


def test_every_inner_name_begins_with_gq():
    """Relations that the statements make, and aliases within them; what a macro gives is named in its last SELECT."""
    for path in sorted((ROOT / "sql").glob("*.sql")):
        text = re.sub(r"--.*|'(?:[^']|'')*'", "", path.read_text())
        for name in re.findall(r"(?:WITH|\),)\s+(\w+)\s+AS\s+(?:MATERIALIZED\s+)?\(", text):
            assert name.startswith("gq_"), f"{path.name}: {name}"
        for name in re.findall(r"(?:FROM|JOIN)\s+[\w.]+(?:\([^()]*\))?\s+AS\s+(\w+)", text):
            assert name.startswith("gq_"), f"{path.name}: {name}"


def test_a_row_that_is_open_at_its_end_is_refused_before_it_takes_memory():
    con = connect()
    con.execute("""CREATE TABLE cat AS SELECT 'a.tif' AS path, geo_box({xmin: -180, ymin: -90, xmax: 180, ymax: 90}) AS geometry, geo_bbox(geometry) AS bbox,
        TIMESTAMP '2018-01-01' AS t_min, TIMESTAMP '9999-12-31' AS t_max""")
    with pytest.raises(Exception, match=r"catalog_coverage\(every\).*95784 periods"):
        con.execute("FROM geoquilt.catalog_coverage('cat')").fetchall()
    assert con.execute("SELECT sum(n) FROM geoquilt.catalog_coverage('cat', cell := 90, every := 'year')").fetchone() == (8 * 7982,)


def test_a_catalog_table_that_lost_its_crs_is_refused(tmp_path, raster):
    import numpy as np
    path, file = raster("a.tif", np.ones((40, 40), "uint8"), crs="EPSG:32632"), tmp_path / "k.db"
    query = "SELECT count(*) FROM geoquilt.catalog_query('files', bbox := {xmin: 8, ymin: 41, xmax: 10, ymax: 42})"
    con = connect(file)
    con.execute(f"CREATE TABLE files AS FROM geo_catalog_build('{path}', crs := 'EPSG:32632')")
    assert con.execute(query).fetchone() == (1,)
    con.close()
    con = connect(file)
    if con.execute("SELECT ST_CRS(geometry) FROM files").fetchone()[0] is None:
        with pytest.raises(Exception, match=r"catalog_query\(catalog\).*no CRS"):
            con.execute(query).fetchone()
    else:
        assert con.execute(query).fetchone() == (1,)


def test_untyped_nulls_are_columns_like_others(con):
    make(con)
    con.execute("CREATE TABLE dates AS SELECT 'a.tif' AS path, DATE '2020-01-01' AS date, NULL AS kind, NULL AS transform, NULL AS crs, NULL AS attributes, NULL AS width")
    assert con.execute("SELECT count(*) FROM geoquilt.patch_registry('gq_test_grid', 'dates')").fetchone() == (16,)
