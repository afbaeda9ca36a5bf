"""Macros over relations that lack what they need: the error names macro, parameter and column, and is never one of DuckDB's own."""
import re

import pytest

from conftest import ROOT, connect

# The parameters of macros that name a relation; `path` is a Parquet file.
RELATIONS = {"relation", "catalog", "a", "b", "registry", "grid", "dates", "points", "anchors", "features", "slices", "windows", "events", "coverage", "support_in", "path", "queries", "samples"}
# What stands for other parameters.
OTHERS = {"fractions": "'shares'", "weight": "'size'", "n": "2", "k": "1", "size": "2", "pad": "INTERVAL 1 DAY", "radius": "5", "min_interval": "INTERVAL 1 DAY", "lookback": "INTERVAL 1 DAY",
          "resolution": "1", "variables": "{inputs: ['sst'], targets: []}", "regions": "[{xmin: 0, ymin: 0, xmax: 20, ymax: 40}]"}
# Relations that serve, by macro and parameter.
SOUND = {"catalog": "files", "a": "files", "b": "files", "grid": "grid", "dates": "days", "coverage": "days", "support_in": "counts", "registry": "registry", "relation": "files", "points": "points", "anchors": "points",
         "features": "points", "slices": "slices", "windows": "spans", "events": "points", "path": "PATH/queries.parquet", "catalog_pairs.a": "boxes", "catalog_pairs.b": "boxes", "patch_pairs.registry": "files",
         "queries": "asked", "samples": "samples", "query_samples.catalog": "fields", "resolution_report.catalog": "fields"}
# These take any relation: what is wrong with one is what the first tells, and the second makes a name of its rows.
ANY = {"catalog_validate", "registry_key"}
# These stand on a package of the ocean, which test_ocean.py makes; their coverage is a list of variables.
OCEAN = {"ocean_finetune", "ocean_key", "ocean_registry", "ocean_sample"}


@pytest.fixture(scope="module")
def con(tmp_path_factory):
    con = connect()
    folder = tmp_path_factory.mktemp("relations")
    con.execute(f"""
        CREATE TABLE sole AS SELECT 1 AS x; CREATE TABLE nothing AS SELECT 1 AS x WHERE false;
        COPY sole TO '{folder}/sole.parquet'; COPY nothing TO '{folder}/nothing.parquet';
        CREATE TABLE files AS SELECT 'scene_' || i || '.tif' AS path, geo_box({{xmin: i, ymin: 0, xmax: i + 3, ymax: 4}}) AS geometry, geo_bbox(geometry) AS bbox, TIMESTAMP '2020-01-01' + INTERVAL (i) DAY AS t_min,
            TIMESTAMP '2020-01-01' + INTERVAL (i) DAY AS t_max, 100 + i AS size, TIMESTAMP '2024-01-01' AS modified, NULL::VARCHAR AS crs, NULL::DOUBLE[] AS transform, NULL::BIGINT AS width, NULL::BIGINT AS height,
            NULL::STRUCT(name VARCHAR, dtype VARCHAR, nodata DOUBLE, scale DOUBLE, "offset" DOUBLE, unit VARCHAR)[] AS bands, MAP {{'x': 1.0}} AS shares FROM range(5) t(i);
        CREATE TABLE boxes AS SELECT i AS place, bbox, 0::BIGINT AS t_min, 1::BIGINT AS t_max FROM files, range(2) t(i);
        CREATE TABLE grid AS FROM geo_patch_grid({{xmin: 0, ymin: 0, xmax: 40, ymax: 40}}, resolution := 1, size := 10);
        CREATE TABLE days AS SELECT (DATE '2020-01-01' + i::INTEGER) AS date, 'sst' AS variable FROM range(5) t(i);
        CREATE TABLE counts AS SELECT patch_id, date, 1 AS support FROM grid, days;
        CREATE TABLE registry AS SELECT * EXCLUDE (path), 'scene_' || patch_id % 4 || '.tif' AS path FROM geoquilt.patch_registry('grid', 'days');
        CREATE TABLE points AS SELECT i AS id, ST_SetCRS(('POINT (' || i || ' 1)')::GEOMETRY, 'OGC:CRS84') AS geometry, TIMESTAMP '2020-01-01' AS t FROM range(5) t(i);
        CREATE TABLE slices AS SELECT slice FROM geoquilt.patch_slices('files', 2, resolution := 1);
        CREATE TABLE fields AS SELECT * REPLACE ([i::DOUBLE, 1, 0, 4, 0, -1] AS transform, 'EPSG:4326' AS crs), 'sst' AS variable FROM (SELECT *, row_number() OVER () AS i FROM files);
        CREATE TABLE asked AS SELECT i AS query_id, {{xmin: 100.0 + i, ymin: 0.0, xmax: 102.0 + i, ymax: 2.0}} AS bbox, TIMESTAMP '2020-01-01' AS t_min, TIMESTAMP '2020-01-03' AS t_max FROM range(3) t(i);
        CREATE TABLE samples AS FROM geoquilt.query_samples('asked', 'fields', {{inputs: ['sst'], targets: []}});
        CREATE TABLE spans AS FROM geo_time_windows('2020-01-01', '2020-01-05', lookback := INTERVAL 1 DAY, step := INTERVAL 1 DAY);
        SET VARIABLE asked = {{kind: 'eval', size: 60, t_min: DATE '2021-01-01', t_max: DATE '2021-01-02', step_days: 10}};
        COPY (FROM geo_replay_queries(getvariable('asked'))) TO '{folder}/queries.parquet' (KV_METADATA {{geoquilt_queries: to_json(getvariable('asked'))}});
    """)
    FOLDER.append(str(folder))
    return con


FOLDER = []


def macros():
    listed = connect().execute("SELECT replace(name, 'geoquilt.', ''), kind, parameters FROM geoquilt_functions() WHERE kind LIKE '%macro'").fetchall()
    return {name: (kind, parameters) for name, kind, parameters in listed}


MACROS = macros()
CASES = [(name, parameter["name"]) for name, (_, parameters) in MACROS.items() for parameter in parameters if parameter["name"] in RELATIONS and name not in ANY and not (name in OCEAN and parameter["name"] == "coverage")]


def call(name, lacking=None, relation=None):
    """A call of a macro with relations that serve, but for one."""
    kind, parameters = MACROS[name]
    given = []
    for parameter in parameters:
        own = parameter["name"]
        if own in RELATIONS:
            value = relation if own == lacking else SOUND.get(f"{name}.{own}", SOUND[own])
            value = f"'{value.replace('PATH', FOLDER[0])}'"
        else:
            value = OTHERS.get(own, "NULL")
        if parameter["given"] == "required":
            given.append(value)
        elif own == lacking:
            given.append(f"{own} := {value}")
    given += ["resolution := 1"] * (name in ("patch_slices", "patch_sample"))
    return f"{'FROM' if kind == 'table macro' else 'SELECT'} geoquilt.{name}({', '.join(given)})"


def test_each_relation_of_a_macro_is_known():
    for path in sorted((ROOT / "sql").glob("*.sql")):
        for parameter in re.findall(r"query_table\(([^()]*|coalesce\([^()]*\))\)", re.sub(r"--.*", "", path.read_text())):
            names = set(re.findall(r"\w+", parameter)) - {"coalesce"}
            assert names <= RELATIONS | {"entries", "patches", "cells"}, (path.name, names)
    assert len(CASES) > 35


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES} - {"patch_stats"} - OCEAN))
def test_relations_that_have_what_is_needed_serve(con, name):
    con.execute(call(name)).fetchall()


@pytest.mark.parametrize("relation", ["sole", "nothing"])
@pytest.mark.parametrize("name,parameter", CASES)
def test_what_a_relation_lacks_is_named(con, name, parameter, relation):
    sql = call(name, parameter, relation if parameter != "path" else f"PATH/{relation}.parquet")
    with pytest.raises(Exception) as caught:
        con.execute(sql).fetchall()
    text = str(caught.value)
    # What a relation is weighed by is named by a parameter of its own.
    where = {"weighted_sample": "weight", "balanced_sample": "fractions"}.get(name, parameter)
    assert re.search(rf"{name}\({where}\): (column )?\"\w+\"( or \"\w+\")* is (missing; the columns are x|not a column)", text), f"{sql}: {text}"
    assert "Candidate" not in text and "Referenced column" not in text, text


def test_a_column_of_another_type_is_named(con):
    for sql, words in [("FROM geoquilt.patch_features('grid', 'bad')", 'patch_features(features): column "geometry" is INTEGER, and must be GEOMETRY'),
                       ("FROM geoquilt.patch_points('grid', 'bad')", 'patch_points(points): column "geometry" is INTEGER, and must be GEOMETRY'),
                       ("FROM geoquilt.patch_stats('bad')", 'patch_stats(registry): column "win" is INTEGER, and must be STRUCT(row_off'),
                       ("FROM geoquilt.space_time_events('bad', INTERVAL 1 DAY, 2, 1)", 'space_time_events(events): column "geometry" is INTEGER, and must be GEOMETRY')]:
        con.execute("CREATE OR REPLACE TABLE bad AS SELECT 1 AS geometry, 1 AS win, 'a.tif' AS path, 'train' AS split, TIMESTAMP '2020-01-01' AS t")
        with pytest.raises(Exception) as caught:
            con.execute(sql).fetchall()
        assert words in str(caught.value), caught.value
