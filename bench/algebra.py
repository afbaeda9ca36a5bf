"""Row i of the benchmark: set algebra of catalogs beside geopandas, its growth, and a query that prunes Parquet."""

import json
import subprocess
import sys

import geopandas
import numpy as np
import shapely

from common import HERE, connect

BOXES = """
SELECT 'f' || i AS path, ST_SetCRS(geo_box(bbox), 'OGC:CRS84') AS geometry, bbox,
       CASE WHEN dated THEN start END AS t_min, CASE WHEN dated THEN start + to_microseconds((length * 86400e6)::BIGINT) END AS t_max
FROM (SELECT i, {{xmin: x, ymin: y, xmax: x + size, ymax: y + size * flat}} AS bbox, dated, length,
             TIMESTAMP '2015-01-01' + to_microseconds((day * 86400e6)::BIGINT) AS start
      FROM (SELECT i, 0.02 * pow(100, random()) AS size, 0.6 + random() AS flat, random() * 3650 AS day,
                   pow(720, random()) / 24 AS length, random() > 0.0005 AS dated,
                   -- Half of them lie anywhere, half in a hundred clusters.
                   CASE WHEN i % 2 = 0 THEN random() * 355 - 179 ELSE (hash(i % 100) % 340)::INT - 170 + random() * 4 END AS x,
                   CASE WHEN i % 2 = 0 THEN random() * 170 - 88 ELSE (hash(i % 100 + 7) % 130)::INT - 60 + random() * 4 END AS y
            FROM range({n}) AS r(i)))
"""

ALGEBRA_CHILD = """
import sys, time, json
sys.path.insert(0, {here!r})
from algebra import BOXES
from common import connect, peak_mib
con = connect()
con.execute("SET memory_limit = '4GB'; SET threads = 2; SELECT setseed(0.25)")
for name in "ab":
    con.execute(f"CREATE TABLE {{name}} AS " + BOXES.format(n={n}))
start, busy = time.perf_counter(), time.process_time()
con.execute("CREATE TABLE pairs AS FROM geoquilt.catalog_intersect('a', 'b')")
seconds, busy = time.perf_counter() - start, time.process_time() - busy
print(json.dumps([seconds, busy, peak_mib(), con.execute("SELECT count(*) FROM pairs").fetchone()[0]]))
"""


def algebra(table, work, quick):
    con = connect()
    con.execute("SELECT setseed(0.5)")
    n = 2_000 if quick else 10_000
    for name in "ab":
        con.execute(f"CREATE TABLE {name} AS {BOXES.format(n=n)}")
    frames = []
    for name in "ab":
        got = con.execute(f"SELECT path, t_min, t_max, ST_AsWKB(geometry) AS shape FROM {name}").df()
        frames.append(geopandas.GeoDataFrame(got.drop(columns="shape"), geometry=shapely.from_wkb(got["shape"].map(bytes).to_numpy()), crs="OGC:CRS84"))

    def theirs(spatial_only=False):
        both = geopandas.overlay(*frames, how="intersection", keep_geom_type=True)
        start = both[["t_min_1", "t_min_2"]].max(axis=1)
        stop = both[["t_max_1", "t_max_2"]].min(axis=1)
        return both[spatial_only | ~(start > stop)]

    for only in (True, False):
        # The result in memory, as theirs has it.
        ours = lambda: con.execute(f"CREATE OR REPLACE TEMP TABLE pairs AS FROM geoquilt.catalog_intersect('a', 'b', spatial_only := {only})")
        expected = theirs(only)
        ours()
        pairs = con.execute("SELECT path, right_path FROM pairs ORDER BY ALL").fetchall()
        assert pairs == sorted(zip(expected.path_1, expected.path_2)), len(pairs)
        area = con.execute("SELECT sum((bbox.xmax - bbox.xmin) * (bbox.ymax - bbox.ymin)) FROM pairs").fetchone()[0]
        assert np.isclose(area, shapely.area(expected.geometry).sum(), rtol=1e-9)
        what = "by place" if only else "by place and time"
        table.race(f"i  {n:,} x {n:,} boxes {what}, {len(pairs):,} pairs: geopandas.overlay | catalog_intersect -> table", lambda: theirs(only), ours, ("x", 1), "pairs, total area")

    for size in (10_000, 100_000) if quick else (10_000, 100_000, 1_000_000):
        code = ALGEBRA_CHILD.format(here=str(HERE), n=size)
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=work).stdout
        seconds, busy, peak, found = json.loads(out)
        table.add(f"i  {size:,} x {size:,} mixed boxes with dates, 4 GB, {found:,} pairs: {busy / size * 1e6:.2f} us of CPU a row, peak RSS {peak:.0f} MiB", None, seconds, ("s", 10), "")

    rows = 1_000_000 if quick else 10_000_000
    path = work / "sorted.parquet"
    con.execute(f"""SET preserve_insertion_order = true; SET memory_limit = '6GB'; SET temp_directory = '{work}';
        COPY (FROM ({BOXES.format(n=rows)}) ORDER BY floor(bbox.xmin / 5), bbox.ymin)
        TO '{path}' (FORMAT parquet, GEOPARQUET_VERSION 'BOTH', ROW_GROUP_SIZE 32768)""")
    query = f"FROM geoquilt.catalog_query('{path}', bbox := {{xmin: 10, ymin: 40, xmax: 12, ymax: 42}}, t_min := '2018-03-01', t_max := '2018-03-31')"
    con.execute("SET parquet_metadata_cache = true")
    groups = con.execute(f"SELECT count(*), count(*) FILTER (xmin <= 12 AND xmax >= 10 AND ymin <= 42 AND ymax >= 40) FROM ({GROUPS.format(path=path)})").fetchone()
    brute = con.execute(f"""SELECT count(*) FROM '{path}' WHERE (bbox.xmin <= 12) AND bbox.xmax >= 10 AND bbox.ymin <= 42 AND bbox.ymax >= 40
        AND (t_min IS NULL OR t_min <= '2018-03-31 23:59:59.999999'::TIMESTAMP) AND (t_max IS NULL OR t_max >= '2018-03-01'::TIMESTAMP)""").fetchone()[0]
    found = con.execute(f"SELECT count(*) {query}").fetchone()[0]
    assert found == brute, (found, brute)
    read = bytes_read(con, path, f"SELECT path {query}")
    share = f", {read / 2**20:.1f} of {path.stat().st_size / 2**20:.0f} MiB read"
    table.race(f"i  {rows:,} rows of GeoParquet, a box and a month: {found} rows, {groups[1]} of {groups[0]} row groups meet the box{share}", None,
               lambda: con.execute(f"SELECT path {query}").fetchall(), ("s", 0.1), "count, brute force")


GROUPS = """
SELECT row_group_id, min(stats_min::DOUBLE) FILTER (path_in_schema = 'bbox, xmin') AS xmin, min(stats_min::DOUBLE) FILTER (path_in_schema = 'bbox, ymin') AS ymin,
       max(stats_max::DOUBLE) FILTER (path_in_schema = 'bbox, xmax') AS xmax, max(stats_max::DOUBLE) FILTER (path_in_schema = 'bbox, ymax') AS ymax
FROM (SELECT * FROM parquet_metadata('{path}') WHERE path_in_schema LIKE 'bbox, %') GROUP BY row_group_id
"""


def bytes_read(con, path, sql):
    """What the engine's own log says that a query read from a file."""
    con.execute("SET enable_external_file_cache = false; CALL truncate_duckdb_logs(); CALL enable_logging('FileSystem')")
    con.execute(sql).fetchall()
    con.execute("CALL disable_logging(); SET enable_external_file_cache = true")
    return con.execute("SELECT sum(bytes::BIGINT) FROM duckdb_logs_parsed('FileSystem') WHERE op = 'READ' AND path = ?", [str(path)]).fetchone()[0]
