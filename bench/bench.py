"""Ours beside what a user runs today: the same work, alternately, in one process, answers compared.

    python bench/bench.py [--quick] [--only a,b] [--repeats 5] [--out results.md | rows.json]

GEOQUILT_EXTENSION names the extension; otherwise the release build of this repository. Times are the
best of the repeats. A row without "theirs" is ours alone. `x` is theirs / ours.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import duckdb
import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from algebra import algebra
from arrays import arrays
from bucket import bucket
from common import HERE, SIDE, Table, connect, peak_mib, write_raster
from bands import bands
from fields import fields
from slices import slices
from tensors import tensors
from vectors import vectors

CACHE = Path.home() / ".cache/geoquilt/test"
PATCH = SIDE * SIDE


# --- data --------------------------------------------------------------------------------------------


def write_scenes(folder, count):
    """Small scenes in 60 UTM zones, none near an antimeridian."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 255, (64, 64), dtype=np.uint16)
    for i in range(count):
        zone = i % 60 + 1
        x, y = 280_000 + 1_000 * (i // 60 * 7 % 150), 500_000 + 10_000 * (i * 37 % 700)
        with rasterio.open(folder / f"scene_{i:05}.tif", "w", driver="GTiff", height=64, width=64, count=1,
                           dtype="uint16", crs=f"EPSG:{32600 + zone}", transform=from_origin(x, y, 10, 10)) as dst:
            dst.write(pixels, 1)
    return folder


def starts(n, stride, snap=True):
    places = list(range(0, n - SIDE + 1, stride))
    if snap and places[-1] + SIDE < n:
        places.append(n - SIDE)
    return places


def windows(height, width, stride, snap=True):
    return [(r, c) for r in starts(height, stride, snap) for c in starts(width, stride, snap)]


def depth_recon():
    """The production grid's own code and mask, from PyPI."""
    folder = CACHE / "depth-recon-0.0.1a12"
    mask = folder / "depth_recon/data/dataset_creation/data_download_raw/get_world/world_land_mask_glorys_0p1.tif"
    if not mask.exists():
        with tempfile.TemporaryDirectory() as work:
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
                            "--python-version", "3.12", "-d", work, "depth-recon==0.0.1a12"], check=True)
            folder.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(next(Path(work).glob("*.whl"))) as wheel:
                wheel.extractall(folder)
    sys.path.insert(0, str(folder))
    from depth_recon.data import dataset_grid_utils
    return dataset_grid_utils, str(mask)


# --- a: catalog --------------------------------------------------------------------------------------


def rasterio_catalog(folder):
    """What a user writes; WarpedVRT instead of transform_bounds takes longer."""
    rows = []
    for path in sorted(str(p) for p in folder.glob("*.tif")):
        with rasterio.open(path) as src:
            bounds = transform_bounds(src.crs, "EPSG:4326", *src.bounds, densify_pts=21)
            rows.append((path, src.crs.to_string(), src.width, src.height, src.count, src.dtypes[0], src.nodata, bounds))
    names = ["path", "file_crs", "width", "height", "bands", "dtype", "nodata", "box"]
    return geopandas.GeoDataFrame(rows, columns=names, geometry=[shapely.box(*r[-1]) for r in rows], crs="EPSG:4326")


def catalog(table, work, quick):
    count = 300 if quick else 2000
    folder = write_scenes(work / "scenes", count)
    paths = sorted(str(p) for p in folder.glob("*.tif"))
    con = connect()
    kept = {}

    def theirs():
        kept["theirs"] = rasterio_catalog(folder)

    def ours():
        kept["ours"] = con.execute(f"FROM geo_catalog_build('{folder}/*.tif')").to_arrow_table()

    theirs(), ours()
    box = kept["ours"]["bbox"].combine_chunks()
    mine = np.stack([box.field(k).to_numpy() for k in ("xmin", "ymin", "xmax", "ymax")], 1)
    assert len(mine) == len(kept["theirs"]) == count
    assert kept["ours"]["path"].to_pylist() == list(kept["theirs"].path) == paths
    assert kept["ours"]["crs"].to_pylist() == list(kept["theirs"].file_crs)
    gap = np.abs(mine - np.array(list(kept["theirs"].box))).max()
    assert gap < 1e-9, gap
    table.race(f"a  catalog of {count:,} GeoTIFFs: rasterio + geopandas | geo_catalog_build -> Arrow", theirs, ours, ("x", 20), "bbox to 1e-9 deg, crs, order")

    def create():
        con.execute(f"CREATE OR REPLACE TABLE c AS FROM geo_catalog_build('{folder}/*.tif')")

    table.race("a  the same, CREATE TABLE", theirs, create, ("x", 20), "as above", repeats=3)

    # A process of its own has every CRS and projection still to learn.
    def fresh(whose):
        code = CATALOG_CHILD.format(here=str(HERE), folder=folder, whose=whose)
        return json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)

    runs = [(fresh("theirs"), fresh("ours")) for _ in range(2 if quick else 3)]
    assert len({rows for pair in runs for _, rows, _ in pair}) == 1
    table.add("a  the same, first call of a process", min(t[0] for t, _ in runs), min(o[0] for _, o in runs), None, "rows", runs[0][1][0])

    catalog = work / "catalog.parquet"
    con.execute(f"COPY (FROM geo_catalog_build('{folder}/*.tif')) TO '{catalog}'")
    before = con.execute(f"FROM '{catalog}'").fetchall()
    rebuild = f"FROM geo_catalog_build('{folder}/*.tif', previous := '{catalog}')"
    assert con.execute(rebuild).fetchall() == before
    table.race("a  the same, built again over itself, nothing changed", theirs, lambda: con.execute(rebuild).to_arrow_table(), ("x", 20), "every column", repeats=3)
    for many in (1000, 10_000) if quick else (1000, 10_000, 100_000):
        links = work / f"links_{many}"
        links.mkdir()
        for i in range(many):
            os.link(paths[i % count], links / f"s{i:06}.tif")
        out = subprocess.run([sys.executable, "-c", CATALOG_GROWTH_CHILD.format(here=str(HERE), folder=links)], capture_output=True, text=True, check=True).stdout
        seconds, peak, got = json.loads(out)
        assert got == [many, many, min(many, 60)], got
        table.add(f"a  catalog of {many:,} files to GeoParquet, cold: {seconds / many * 1e6:.0f} us a file, peak RSS {peak:.0f} MiB", None, seconds, None, "rows, paths, CRSs")
        shutil.rmtree(links)


CATALOG_CHILD = """
import sys, time, json
sys.path.insert(0, {here!r})
import bench
con = bench.connect()
start = time.perf_counter()
if {whose!r} == "ours":
    rows = con.execute("FROM geo_catalog_build('{folder}/*.tif')").to_arrow_table().num_rows
else:
    rows = len(bench.rasterio_catalog(bench.Path("{folder}")))
print(json.dumps([time.perf_counter() - start, rows, bench.peak_mib()]))
"""

CATALOG_GROWTH_CHILD = """
import sys, time, json
sys.path.insert(0, {here!r})
import bench
con = bench.connect()
start = time.perf_counter()
con.execute("COPY (FROM geo_catalog_build('{folder}/*.tif')) TO '{folder}/catalog.parquet' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
seconds, peak = time.perf_counter() - start, bench.peak_mib()
got = con.execute("SELECT count(*), count(DISTINCT path), count(DISTINCT crs) FROM '{folder}/catalog.parquet'").fetchone()
print(json.dumps([seconds, peak, got]))
"""


# --- b, c, d, g: patches -----------------------------------------------------------------------------


def stream(con, query):
    """Patches as they come, [n, 128, 128] views of Arrow's memory."""
    for batch in con.execute(query).to_arrow_reader(256):
        data = batch.column(0)
        yield data.flatten().to_numpy(zero_copy_only=True).reshape(-1, SIDE, SIDE)


def in_memory(arrow):
    """The chunks of an Arrow table's first column as [n, 128, 128] views."""
    return [c.flatten().to_numpy(zero_copy_only=True).reshape(-1, SIDE, SIDE) for c in arrow.column(0).chunks]


def scalar_query(path, stride, what):
    grid = f"geo_patch_grid('{path}', size := {SIDE}, stride := {stride})"
    return f"SELECT {what} FROM (SELECT read_patch('{path}', win) AS data FROM {grid})"


def table_query(path, stride, what, extra=""):
    return f"SELECT {what} FROM read_patch('{path}', size := {SIDE}, stride := {stride}{extra})"


def check_patches(chunks, expected):
    """`expected` gives each patch in order; every pixel of every patch is compared."""
    count = 0
    for chunk in chunks:
        for patch in chunk:
            assert np.array_equal(patch, next(expected), equal_nan=True), f"patch {count}"
            count += 1
    assert next(expected, None) is None
    return f"all pixels of {count:,} patches"


def busy(run, before):
    """Cores that work while it runs: CPU time over wall time, the middle of five."""
    shares = []
    for _ in range(5):
        arguments = before()
        wall, cpu = time.perf_counter(), time.process_time()
        run(*arguments)
        shares.append((time.process_time() - cpu) / (time.perf_counter() - wall))
    return sorted(shares)[2]


def patches(table, work, quick):
    stride = 96 if quick else 32
    path = write_raster(work / "scene.tif")
    places = windows(1800, 3600, stride)
    n = len(places)
    fresh = iter(range(10**9))

    def cold():
        """A file that neither GDAL nor we have seen; its bytes are in the page cache, for both."""
        copy = work / f"cold_{next(fresh)}.tif"
        shutil.copyfile(path, copy)
        previous = work / f"cold_{int(copy.stem[5:]) - 6}.tif"
        previous.unlink(missing_ok=True)
        return (str(copy),)

    def read_all(src, use):
        for r, c in places:
            use(src.read(1, window=Window(c, r, SIDE, SIDE)))

    def expected():
        with rasterio.open(path) as src:
            yield from (src.read(1, window=Window(c, r, SIDE, SIDE)) for r, c in places)

    def theirs_cold(path, use=lambda a: None):
        with rasterio.open(path) as src:
            read_all(src, use)

    con = connect()
    one = lambda query: con.execute(query).fetchone()[0]
    total = lambda a: float(a.sum(dtype=np.float64))

    # The answers, once, of each way to ask; the races below run these very queries.
    ways = {
        "FROM read_patch": check_patches(stream(con, table_query(path, stride, "data")), expected()),
        "scalar": check_patches(stream(con, scalar_query(path, stride, "data")), expected()),
    }
    fill = ", fill := 0"
    equal = ways["FROM read_patch"]
    assert one(table_query(path, stride, "sum(len(data))")) == n * PATCH
    assert one(scalar_query(path, stride, "sum(len(data))")) == n * PATCH
    name = f"{n:,} patches"

    made = lambda q, **kw: (lambda p=path: one(q(p, stride, "sum(len(data))", **kw)))
    table.race(f"b  {name}, cold, made: rasterio one handle | FROM read_patch, sum(len)", theirs_cold, made(table_query), ("x", 2), equal, before=cold)
    table.race(f"b  {name}, cold, made: rasterio one handle | scalar over geo_patch_grid, sum(len)", theirs_cold, made(scalar_query), ("x", 2), ways["scalar"], before=cold)
    with rasterio.open(path) as src:
        warm = lambda use=lambda a: None: read_all(src, use)
        warm()
        made(table_query)()
        table.race(f"b  {name}, warm, made: rasterio one handle | FROM read_patch, sum(len)", warm, made(table_query), ("x", 3), equal)
        table.race(f"b  {name}, warm, made: rasterio one handle | scalar over geo_patch_grid, sum(len)", warm, made(scalar_query), ("x", 3), ways["scalar"])

        def their_sums():
            sums.append(sum_of(lambda use: read_all(src, use)))

        def sum_of(read):
            parts = []
            read(lambda a: parts.append(total(a)))
            return sum(parts)

        sums = []
        in_sql = lambda: sums.append(one(table_query(path, stride, "sum(list_sum(data))")))
        in_sql_scalar = lambda: sums.append(one(scalar_query(path, stride, "sum(list_sum(data))")))
        streamed = lambda: sums.append(sum(float(c.sum(dtype=np.float64)) for c in stream(con, table_query(path, stride, "data"))))
        table.race(f"b  {name}, warm, summed: rasterio + NumPy | FROM read_patch, streamed to NumPy", their_sums, streamed, ("x", 3), "totals to 1e-9")
        table.race(f"b  {name}, warm, summed: rasterio + NumPy | FROM read_patch, sum(list_sum) in SQL", their_sums, in_sql, None, "totals to 1e-9")
        table.race(f"b  {name}, warm, summed: rasterio + NumPy | scalar, sum(list_sum) in SQL", their_sums, in_sql_scalar, None, "totals to 1e-9")
        exact = sum_of(lambda use: read_all(src, use))
        # DuckDB's list_sum adds float32 in double, in another order.
        assert np.allclose(sums, exact, rtol=1e-9, atol=0), sums

        def keep_theirs():
            kept = np.empty((n, SIDE, SIDE), "float32")
            for i, (r, c) in enumerate(places):
                src.read(1, window=Window(c, r, SIDE, SIDE), out=kept[i])

        table.race(f"b  {name}, warm, all kept: rasterio into one array | to_arrow_table", keep_theirs,
                   lambda: in_memory(con.execute(table_query(path, stride, "data")).to_arrow_table()), None, equal)
        table.race(f"b  {name}, warm, all kept: rasterio into one array | fetchnumpy", keep_theirs,
                   lambda: con.execute(table_query(path, stride, "data")).fetchnumpy(), None, equal, repeats=2)

    # What one aggregate costs DuckDB on the same lists, so that it can be told from the reading.
    con.execute(f"CREATE TABLE lists AS {table_query(path, stride, 'data')}")
    assert one("SELECT sum(len(data)) FROM lists") == n * PATCH and np.isclose(one("SELECT sum(list_sum(data)) FROM lists"), exact, rtol=1e-9)
    table.race(f"b  DuckDB alone: sum(list_sum(data)) over a table of {name}", None, lambda: one("SELECT sum(list_sum(data)) FROM lists"), None, "total to 1e-9")
    table.race(f"b  DuckDB alone: sum(len(data)) over a table of {name}", None, lambda: one("SELECT sum(len(data)) FROM lists"), None, "pixels")
    table.race("b  DuckDB alone: that table to Arrow, chunk by chunk", None, lambda: [len(b) for b in con.execute("SELECT data FROM lists").to_arrow_reader(256)], None, "as above")
    con.execute("DROP TABLE lists")

    # Nodata: NULL here, a masked array there.
    holes = write_raster(work / "holes.tif", nodata=-999.0)
    with rasterio.open(holes) as src:
        def masked(use=lambda a: None):
            for r, c in places:
                use(src.read(1, window=Window(c, r, SIDE, SIDE), masked=True))

        gone, seen = [], []
        masked(lambda a: (gone.append(int(a.mask.sum())), seen.append(a.filled(0).sum(dtype=np.float64))))
        place = 0
        for batch in con.execute(table_query(holes, stride, "data")).to_arrow_reader(256):
            for row in batch.column(0):
                values = row.values
                assert values.null_count == gone[place]
                assert np.isclose(values.fill_null(0).to_numpy(zero_copy_only=False).sum(dtype=np.float64), seen[place], rtol=1e-12)
                place += 1
        assert place == n
        filled = one(table_query(holes, stride, "sum(list_sum(data))", fill))
        assert np.isclose(filled, sum(seen), rtol=1e-9), (filled, sum(seen))
        table.race(f"b  {name}, warm, nodata: rasterio masked | FROM read_patch, sum(len)", masked, lambda: made(table_query)(holes), ("x", 3), "NULLs and sum of each patch")
        table.race(f"b  {name}, warm, nodata: rasterio masked | FROM read_patch, fill := 0, sum(len)", masked, lambda: made(table_query, extra=fill)(holes), ("x", 3), "total to 1e-9")

    # c: a map-style dataset opens the file for every patch.
    some = places[:: max(1, n // 300)][:300]

    def opening():
        for r, c in some:
            with rasterio.open(path) as src:
                src.read(1, window=Window(c, r, SIDE, SIDE))

    table.race(f"c  {name}, opening per patch ({len(some)} timed, scaled) | FROM read_patch, sum(len), warm", opening, made(table_query), ("x", 50), equal, scale=n / len(some), repeats=3)
    table.race(f"c  {name}, opening per patch ({len(some)} timed, scaled) | FROM read_patch, sum(len), cold", lambda _: opening(), made(table_query), ("x", 50), equal, before=cold, scale=n / len(some), repeats=3)

    xarray_rows(table, path, places, stride, made, con, quick)

    # g: threads. Theirs is one thread of ours, so that x is what the second one gives. The stream has a worker beside
    # DuckDB's thread even then, so the cores that are busy tell how much of two there was to win.
    for kind in ("FROM read_patch", "scalar"):
        threads = {k: connect(k) for k in (1, 2)}
        for k in threads:
            threads[k].execute(f"SET threads = {k}")
        make = table_query if kind == "FROM read_patch" else scalar_query
        run = lambda k: lambda p=path: threads[k].execute(make(p, stride, "sum(len(data))")).fetchone()
        assert run(1)() == run(2)() == (n * PATCH,)
        for state, before in (("cold", cold), ("warm", lambda: ())):
            cores = " | ".join(f"{busy(run(k), before):.2f}" for k in (1, 2))
            table.race(f"g  {name}, {state}, {kind}: 1 thread | 2 threads, cores busy {cores}", run(1), run(2), ("x", 1.6), "pixels", before=before)

    many_files(table, work, con)


def many_files(table, work, con):
    """Windows of 200 files in turns: what a shuffled date-by-patch registry asks for."""
    folder = work / "days"
    folder.mkdir()
    days = [write_raster(folder / f"{i:03}.tif", seed=i, height=256, width=256) for i in range(200)]
    con.execute("CREATE OR REPLACE TABLE turns AS SELECT unnest(?) AS path, turn * 32 AS off FROM range(4) t(turn) ORDER BY turn, path", [days])
    query = f"""SELECT count(*), sum(list_sum(p)) FROM (SELECT read_patch(path,
        {{row_off: off, col_off: off, height: {SIDE}::INTEGER, width: {SIDE}::INTEGER}}) AS p FROM turns)"""
    rows = con.execute("SELECT path, off FROM turns").fetchall()

    def theirs():
        total = 0.0
        for path, off in rows:
            with rasterio.open(path) as src:
                total += float(src.read(1, window=Window(off, off, SIDE, SIDE)).sum(dtype=np.float64))
        return total

    def before():
        for day in days:  # changed files, so that nothing of them is known, whatever a cache keeps
            os.utime(day)
        return ()

    opened = lambda: con.execute("SELECT opened FROM geoquilt_cache()").fetchone()[0]
    first = opened()
    got = con.execute(query).fetchone()
    assert got[0] == len(rows) and np.isclose(got[1], theirs(), rtol=1e-9)
    work_done = f"b  {len(rows)} windows of 200 files in turns, opened {opened() - first} times: rasterio opening each | scalar, sum(list_sum)"
    table.race(work_done, theirs, lambda: con.execute(query).fetchone(), None, "total to 1e-9", before=before)


def xarray_rows(table, path, places, stride, made, con, quick):
    try:
        import rioxarray
        import xarray
        import xbatcher
    except ImportError as error:
        print(f"d  skipped: {error}")
        return
    n, some = len(places), places[::10]

    def lazy(use=lambda a: None):
        with rioxarray.open_rasterio(path, cache=False) as scene:
            for r, c in some:
                use(scene.isel(band=0, y=slice(r, r + SIDE), x=slice(c, c + SIDE)).values)

    def first_of(read, count):
        got = []
        read(got.append)
        assert len(got) == count
        return got

    ours = [p for chunk in stream(con, table_query(path, stride, "data")) for p in chunk.copy()][::10]
    assert all(np.array_equal(a, b) for a, b in zip(first_of(lazy, len(some)), ours, strict=True))
    table.race(f"d  {n:,} patches, rioxarray lazy isel ({len(some)} timed, scaled) | FROM read_patch, sum(len), warm", lazy, made(table_query), ("x", 10), f"all pixels of {len(some)} patches", scale=n / len(some), repeats=3)

    dropped = windows(1800, 3600, stride, snap=False)
    scene = xarray.DataArray(rasterio.open(path).read(1), dims=("y", "x"), name="v").to_dataset()
    overlap = SIDE - stride

    def batches(use=lambda a: None):
        for batch in xbatcher.BatchGenerator(scene, {"y": SIDE, "x": SIDE}, {"y": overlap, "x": overlap}):
            use(batch.v.values)

    query = table_query(path, stride, "data", ", edge := 'drop'")
    ours = [p for chunk in stream(con, query) for p in chunk.copy()]
    # xbatcher numbers its windows column by column or row by row; compare as sets of places.
    theirs = first_of(batches, len(dropped))
    key = lambda a: a.tobytes()
    assert sorted(map(key, theirs)) == sorted(map(key, ours))
    count = table_query(path, stride, "sum(len(data))", ", edge := 'drop'")
    table.race(f"d  {len(dropped):,} patches, xbatcher, raster already in memory | FROM read_patch, sum(len), warm", batches, lambda: con.execute(count).fetchone(), ("x", 5), "all pixels, as a set", repeats=3)


# --- e: grid -----------------------------------------------------------------------------------------


def grid(table, work, quick):
    reference, mask = depth_recon()
    stride = 32
    params = reference._GridParams(tile_size=SIDE, resolution_deg=0.1, invalid_threshold=0.5, invalid_mask_flags=(),
                                   val_fraction=0.2, val_year=None, split_seed=7, land_mask_path=mask, patch_stride=stride)
    con = connect()
    query = f"FROM geo_patch_grid('{mask}', size := {SIDE}, stride := {stride}, max_land_fraction := 0.3)"
    theirs = lambda: reference._build_land_mask_patch_table(params)
    ours = lambda: con.execute(query).to_arrow_table()

    table_theirs, table_ours = theirs(), ours()
    win, box = (table_ours[k].combine_chunks() for k in ("win", "bbox"))
    pairs = {
        "grid_y0": win.field("row_off"), "grid_x0": win.field("col_off"), "lon_center": table_ours["lon_center"],
        "lat_center": table_ours["lat_center"], "land_fraction": table_ours["land_fraction"],
        "lon0": box.field("xmin"), "lon1": box.field("xmax"), "lat0": box.field("ymin"), "lat1": box.field("ymax"),
    }
    assert len(table_theirs) == len(table_ours)
    for name, column in pairs.items():
        gap = np.abs(table_theirs[name].to_numpy(dtype=float) - column.to_numpy().astype(float)).max()
        assert gap < 1e-9, (name, gap)
    kept = len(table_ours)

    def loop():
        with rasterio.open(mask) as src:
            land = src.read(1) > 0.5
        rows = []
        for r in starts(land.shape[0], stride):
            for c in starts(land.shape[1], stride):
                fraction = np.count_nonzero(land[r : r + SIDE, c : c + SIDE]) / PATCH
                if fraction <= 0.3:
                    rows.append((r, c, fraction))
        return rows

    mine = list(zip(*(pairs[k].to_numpy().tolist() for k in ("grid_y0", "grid_x0", "land_fraction"))))
    assert np.allclose(np.array(loop()), np.array(mine), rtol=0, atol=1e-12)
    name = f"5,940 windows, {kept:,} kept"
    table.race(f"e  {name}: depth-recon's own grid | geo_patch_grid -> Arrow, warm", theirs, ours, ("s", 0.020), "windows, bbox, centre, land to 1e-9")
    table.race(f"e  {name}: NumPy loop | geo_patch_grid -> Arrow, warm", loop, ours, ("s", 0.020), "windows, land to 1e-12")
    fresh = iter(range(10**9))

    def cold():
        copy = work / f"mask_{next(fresh)}.tif"
        shutil.copyfile(mask, copy)
        return (str(copy),)

    assert con.execute(query.replace(mask, cold()[0])).to_arrow_table().equals(table_ours)
    table.race(f"e  {name}: ours alone, cold", None, lambda p: con.execute(query.replace(mask, p)).to_arrow_table(), ("s", 0.020), "every column, as warm", before=cold)
    if quick:
        return
    every = f"geo_patch_grid('{mask}', size := {SIDE}, stride := 1, max_land_fraction := 0.3, include_rejected := true)"
    got = con.execute(f"SELECT count(*), sum(land_fraction * {PATCH})::BIGINT FROM {every}").fetchone()
    with rasterio.open(mask) as src:
        land = (src.read(1) > 0.5).astype(np.int64)
    sums = np.zeros((land.shape[0] + 1, land.shape[1] + 1), np.int64)
    sums[1:, 1:] = land.cumsum(0).cumsum(1)
    all_windows = sums[SIDE:, SIDE:] - sums[:-SIDE, SIDE:] - sums[SIDE:, :-SIDE] + sums[:-SIDE, :-SIDE]
    assert got == (all_windows.size, all_windows.sum()), (got, all_windows.size, all_windows.sum())
    same = "count, total land (NumPy)"
    table.race(f"e  stride 1, {all_windows.size:,} windows, sum(land_fraction)", None, lambda: con.execute(f"SELECT count(*), sum(land_fraction) FROM {every}").fetchone(), ("s", 2), same, repeats=2)
    table.race("e  stride 1, every column made (max of each)", None, lambda: con.execute(f"SELECT max(COLUMNS(*)) FROM {every}").fetchone(), ("s", 2), same, repeats=2)
    table.race("e  stride 1, CREATE TABLE", None, lambda: con.execute(f"CREATE OR REPLACE TEMP TABLE every AS FROM {every}"), ("s", 2), same, repeats=2)


# --- f: growth ---------------------------------------------------------------------------------------

CHILD = """
import sys, time, json
sys.path.insert(0, {here!r})
import bench
con = bench.connect()
con.execute("SET threads = 2")
start = time.perf_counter()
got = con.execute({query!r}).fetchone()
print(json.dumps([time.perf_counter() - start, bench.peak_mib(), got]))
"""


def growth(table, work, quick):
    files = [write_raster(work / f"growth_{i}.tif", seed=i) for i in range(4)]
    con = connect()
    places = windows(1800, 3600, 128)
    con.execute("CREATE TABLE files AS SELECT unnest(?) AS path", [files])
    con.execute("CREATE TABLE places AS SELECT unnest(?) AS row_off, unnest(?) AS col_off", [[r for r, _ in places], [c for _, c in places]])
    firsts = 0.0
    for path in files:
        with rasterio.open(path) as src:
            whole = src.read(1)
            firsts += sum(float(whole[r, c]) for r, c in places)
    base = len(files) * len(places)
    for times in (1, 10) if quick else (1, 10, 100):
        registry = work / f"registry_{times}.parquet"
        con.execute(f"""COPY (SELECT path, {{row_off: row_off, col_off: col_off, height: {SIDE}::INTEGER, width: {SIDE}::INTEGER}} AS win, turn
            FROM files, places, range({times}) t(turn) ORDER BY turn, path, row_off, col_off) TO '{registry}' (FORMAT parquet)""")
        forms = {
            "FROM read_patch": f"SELECT count(*), sum(len(data)), sum(data[1]::DOUBLE) FROM read_patch('{registry}')",
            "scalar": f"SELECT count(*), sum(len(data)), sum(data[1]::DOUBLE) FROM (SELECT read_patch(path, win) AS data FROM '{registry}')",
        }
        for form, query in forms.items():
            best, rss = None, 0
            for _ in range(2):
                out = subprocess.run([sys.executable, "-c", CHILD.format(here=str(HERE), query=query)], capture_output=True, text=True, check=True).stdout
                seconds, peak, got = json.loads(out)
                assert got[:2] == [base * times, base * times * PATCH], got
                assert np.isclose(got[2], firsts * times, rtol=1e-9), (got, firsts * times)
                best, rss = min(best or seconds, seconds), max(rss, peak)
            text = f"f  registry of {base * times:,} patches ({times}x), 4 files, {form}: {best / (base * times) * 1e6:.1f} us a patch, peak RSS {rss:.0f} MiB"
            table.add(text, None, best, None, "count, pixels, first pixels")


ROWS = {"a": catalog, "b": patches, "e": grid, "f": growth, "t": fields, "h": arrays, "i": algebra, "s": slices, "v": vectors, "n": bands, "r": bucket, "x": tensors}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller numbers, to see that it runs")
    parser.add_argument("--only", default=",".join(ROWS), help="letters of the rows, of " + ", ".join(ROWS) + " (b has c, d, g)")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--out", help="a file for the table; `.json` keeps the seconds alone")
    args = parser.parse_args()
    table = Table(args.repeats or (2 if args.quick else 5))
    for letter in args.only.split(","):
        with tempfile.TemporaryDirectory(prefix="geoquilt_bench_") as work:
            ROWS[letter](table, Path(work), args.quick)
    versions = f"DuckDB {duckdb.__version__}, rasterio {rasterio.__version__} (GDAL {rasterio.__gdal_version__}), {os.cpu_count()} cores"
    text = f"{table.markdown()}\n\n{versions}; best of {table.repeats} runs; peak RSS of this process {peak_mib():.0f} MiB"
    print("\n" + text)
    if args.out:
        Path(args.out).write_text(json.dumps(table.times) if args.out.endswith(".json") else text + "\n")


if __name__ == "__main__":
    main()
