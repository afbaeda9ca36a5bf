"""Slices beside rasterio's WarpedVRT, and a series of one pixel beside a loop over its files."""

import shutil

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window, from_bounds

from common import SIDE, connect, write_raster


def slice_row(i, crs, x, y, res, side=SIDE):
    """One row (i, slice): the struct that geo_slice makes, from its upper left corner."""
    box = f"{{xmin: {x!r}::DOUBLE, ymin: {y - side * res!r}::DOUBLE, xmax: {x + side * res!r}::DOUBLE, ymax: {y!r}::DOUBLE}}"
    return f"({i}, {{bbox: {box}, crs: '{crs}', t_min: NULL::TIMESTAMP, t_max: NULL::TIMESTAMP, width: {side}::INTEGER, height: {side}::INTEGER}})"


def read_query(path, what):
    return f"SELECT {what} FROM (SELECT i, read_slice('{path}', s, {{resampling: 'bilinear', fill: 'nan'}}).data AS data FROM slices)"


def compare(con, path, expected, name):
    """Every pixel of every patch: the warper is GDAL's in both, in two versions and with other blocks."""
    column = con.execute(read_query(path, "data") + " ORDER BY i").to_arrow_table().column(0).combine_chunks()
    ours = np.asarray(column.flatten()).reshape(-1, SIDE, SIDE)
    theirs = np.stack(expected)
    assert ours.shape == theirs.shape and np.isfinite(ours).all()
    gap = np.abs(ours - theirs).max()
    # Where a place may be interpolated beside the exact one by 1/8 pixel, blocks decide how: see docs/decisions.md.
    assert gap < 0.06, gap
    return f"all pixels of {len(ours):,} patches to {gap:.3f} of 27 ({name})"


def warps(table, path, con, quick):
    rng = np.random.default_rng(3)
    # So many places that few patches share a pixel: what a WarpedVRT keeps of its blocks seldom serves twice.
    count, res, crs = 200 if quick else 1500, 250.0, "EPSG:32629"
    x0, y0, width, height = 170_000.0, 8_000_000.0, 2_640, 31_600
    places = np.stack([rng.integers(0, height - SIDE, count), rng.integers(0, width - SIDE, count)], 1).tolist()
    con.execute("CREATE OR REPLACE TABLE slices AS SELECT * FROM (VALUES " + ", ".join(
        slice_row(i, crs, x0 + c * res, y0 - r * res, res) for i, (r, c) in enumerate(places)) + ") t(i, s)")

    def one_vrt(use=lambda a: None):
        with rasterio.open(path) as src, WarpedVRT(src, crs=crs, transform=from_origin(x0, y0, res, res), width=width, height=height, resampling=Resampling.bilinear) as vrt:
            for r, c in places:
                use(vrt.read(1, window=Window(c, r, SIDE, SIDE)))

    def vrt_each(use=lambda a: None):
        with rasterio.open(path) as src:
            for r, c in places:
                with WarpedVRT(src, crs=crs, transform=from_origin(x0 + c * res, y0 - r * res, res, res), width=SIDE, height=SIDE, resampling=Resampling.bilinear) as vrt:
                    use(vrt.read(1))

    def list_of(read):
        kept = []
        read(kept.append)
        return kept

    # Python's client waits for DuckDB's threads in a loop that takes a core; ours are geoquilt's own.
    con.execute("SET threads = 1")
    ours = lambda: con.execute(read_query(path, "sum(len(data))")).fetchone()
    name = f"{count:,} warped patches, EPSG:4326 to UTM, bilinear"
    table.race(f"s  {name}: a WarpedVRT per grid | read_slice, sum(len)", vrt_each, ours, ("x", 3), compare(con, path, list_of(vrt_each), "per grid"))
    table.race(f"s  {name}: one WarpedVRT over the zone, windows of it | read_slice, sum(len)", one_vrt, ours, ("x", 3), compare(con, path, list_of(one_vrt), "one VRT"))
    for threads in (1, 2):
        con.execute(f"SET geoquilt_threads = {threads}")
        table.race(f"s  {name}: read_slice, geoquilt_threads = {threads}", None, ours, None, "as above")
    con.execute("RESET geoquilt_threads")
    con.execute("RESET threads")


def series(table, work, con, quick):
    count = 400 if quick else 5000
    folder = work / "daily"
    folder.mkdir()
    rng = np.random.default_rng(5)
    days = np.datetime64("2010-01-01") + np.arange(count)
    profile = dict(driver="GTiff", height=64, width=64, count=1, dtype="float32", crs="EPSG:4326", transform=from_origin(-4, 41, 0.01, 0.01), nodata=-9, tiled=True, blockxsize=64, blockysize=64, compress="deflate")
    for day in days:
        with rasterio.open(folder / f"ndvi_{str(day).replace('-', '')}.tif", "w", **profile) as dst:
            dst.write(rng.random((64, 64), "float32"), 1)
    paths = sorted(str(p) for p in folder.glob("*.tif"))
    box = (-3.71, 40.41, -3.70, 40.42)
    kept = {}

    def theirs():
        values = []
        for path in paths:
            with rasterio.open(path) as src:
                values.append(src.read(1, window=from_bounds(*box, src.transform).round_offsets().round_lengths())[0, 0])
        kept["theirs"] = np.array(values)

    con.execute(f"CREATE OR REPLACE TABLE catalog AS FROM geo_catalog_build('{folder}/*.tif', filename_regex := '(?P<date>\\d{{8}})')")

    def ours():
        one = f"geo_slice({{xmin: {box[0]}, ymin: {box[1]}, xmax: {box[2]}, ymax: {box[3]}}}, 0.01, 'EPSG:4326')"
        kept["ours"] = con.execute(f"SELECT read_series(list(path), list(t_min), {one}, {{fill: 'nan'}}).data FROM catalog").fetchone()[0]

    theirs(), ours()
    assert np.array_equal(kept["theirs"], np.array(kept["ours"], "float32"))
    table.race(f"s  one pixel over {count:,} daily files: a loop of rasterio | read_series", theirs, ours, ("x", 3), f"{count:,} values", repeats=3)


def pixel_interleaved(table, work, con, quick):
    """Files whose bands lie pixel by pixel, as GDAL writes them unless told otherwise: a block holds all bands."""
    count, bands = 3 if quick else 10, 5
    folder = work / "interleaved"
    folder.mkdir()
    rng = np.random.default_rng(6)
    data = {}
    for i in range(count):
        base = rng.integers(200, 3000, (bands, 64, 64)).repeat(16, 1).repeat(16, 2) + rng.integers(0, 40, (bands, 1024, 1024))
        data[i] = base.astype("uint16")
        with rasterio.open(folder / f"{i:02}.tif", "w", driver="GTiff", height=1024, width=1024, count=bands, dtype="uint16", crs="EPSG:32629", transform=from_origin(5e5, 4.6e6, 10, 10),
                           tiled=True, blockxsize=256, blockysize=256, compress="deflate", predictor=2, interleave="pixel") as dst:
            dst.write(data[i])
    win = "{row_off: 0, col_off: 0, height: 1024, width: 1024}::STRUCT(row_off BIGINT, col_off BIGINT, height INTEGER, width INTEGER)"
    grid = "geo_slice([1024, 1024], [500000.0, 10.0, 0.0, 4600000.0, 0.0, -10.0], 'EPSG:32629')"
    copies = iter(range(1_000_000))

    def cold():
        copy = work / f"interleaved_{next(copies)}"
        shutil.copytree(folder, copy)
        return (copy,)

    def theirs(copy):
        for path in sorted(copy.glob("*.tif")):
            with rasterio.open(path) as src:
                src.read()

    ways = {"scalar read_patch, all bands": f"read_patch(f, {win})", "read_slice on the files' own grid": f"read_slice(f, {grid}).data"}
    for name, call in ways.items():
        pixels = np.asarray(con.execute(f"SELECT {call} AS d FROM glob('{folder}/*.tif') t(f) ORDER BY f").to_arrow_table().column("d").combine_chunks().flatten())
        assert np.array_equal(pixels, np.stack([data[i] for i in range(count)]).ravel().astype("float32"))
        ours = lambda copy, call=call: con.execute(f"SELECT sum(len({call})) FROM glob('{copy}/*.tif') t(f)").fetchone()
        table.race(f"s  {count} files of {bands} bands, pixel-interleaved, deflated, cold: rasterio | {name}", theirs, ours, None, "all pixels", before=cold)
    stream = lambda copy: con.execute(f"SELECT sum(len(data)) FROM read_patch('{copy}/*.tif', size := 256)").fetchone()
    table.race(f"s  {count} files of {bands} bands, pixel-interleaved, deflated, cold: rasterio | FROM read_patch", theirs, stream, None, "pixels", before=cold)


def slices(table, work, quick):
    con = connect()
    con.execute("SET geoquilt_max_chunk_mb = 1024")
    warps(table, write_raster(work / "scene.tif"), con, quick)
    series(table, work, con, quick)
    pixel_interleaved(table, work, con, quick)
