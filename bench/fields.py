"""Fields: patches stitched, written and told in numbers, beside NumPy and rasterio."""

import os

import numpy as np
import pyarrow as pa
import rasterio
from common import connect
from rasterio.windows import Window

SIDE = 128


def fields(table, work, quick):
    rng = np.random.default_rng(3)
    con = connect()
    con.execute("SET geoquilt_aggregate_mb = 4096")
    step = 64 if quick else 29
    height, width = 1800, 3600
    places = [(r, c) for r in range(0, height - SIDE + 1, step) for c in range(0, width - SIDE + 1, step)][:5940]
    data = rng.normal(280, 10, (len(places), SIDE, SIDE)).astype("float32")
    lists = pa.ListArray.from_arrays(np.arange(0, data.size + 1, SIDE * SIDE, dtype="int32"), data.ravel())
    # One batch goes through one thread of DuckDB, batches of a stream go through all.
    one = pa.table({"data": lists, "r": [r for r, _ in places], "c": [c for _, c in places]})
    con.register("patches", one)
    con.register("batches", pa.concat_tables([one.slice(first, 256) for first in range(0, len(places), 256)]))
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(SIDE) / SIDE)
    taper = np.outer(taper, taper)
    kept = {}

    def theirs():
        total, weights = np.zeros((height, width)), np.zeros((height, width))
        for patch, (r, c) in zip(data, places):
            total[r:r + SIDE, c:c + SIDE] += patch * taper
            weights[r:r + SIDE, c:c + SIDE] += taper
        with np.errstate(invalid="ignore"):
            kept["theirs"] = (total / weights).astype("float32")

    win = f"{{row_off: r, col_off: c, height: {SIDE}, width: {SIDE}}}"

    for source, what in (("patches", "in one batch"), ("batches", "in batches of 256")):
        def ours():
            got = con.execute(f"SELECT geoquilt.stitch(data, {win}, [{height}, {width}]) AS f FROM {source}").to_arrow_table()
            kept["ours"] = got["f"].combine_chunks().field("data").values

        theirs(), ours()
        same = kept["ours"].to_numpy(zero_copy_only=False).reshape(height, width)
        there = np.isfinite(kept["theirs"])
        np.testing.assert_allclose(same[there], kept["theirs"][there], rtol=2e-7)
        table.race(f"t  {len(places):,} patches of {SIDE} x {SIDE} float32 by Hann: NumPy overlap-add | geoquilt.stitch of Arrow {what}", theirs, ours, ("x", 3), "2e-7")
    con.unregister("patches"), con.unregister("batches")

    path = str(work / "scene.tif")
    scene = rng.normal(280, 10, (1, 2048, 4096)).astype("float32")
    with rasterio.open(path, "w", driver="GTiff", height=2048, width=4096, count=1, dtype="float32", nodata=-9999, tiled=True, blockxsize=256, blockysize=256,
                       compress="deflate") as dst:
        dst.write(scene)
    windows = [(r, c) for r in range(0, 2048 - SIDE + 1, 64) for c in range(0, 4096 - SIDE + 1, 64)]
    con.register("wins", pa.table({"r": [r for r, _ in windows], "c": [c for _, c in windows]}))

    def look():
        with rasterio.open(path) as src:
            told = []
            for r, c in windows:
                band = src.read(1, window=Window(c, r, SIDE, SIDE), masked=True)
                told.append((band.count(), band.mean(dtype="float64"), band.std(dtype="float64"), band.min(), band.max()))
            kept["theirs"] = np.array(told, "float64")

    def tell():
        got = con.execute(f"SELECT s[1].n, s[1].mean, s[1].std, s[1].min, s[1].max FROM (SELECT geo_patch_stats('{path}', {win}) AS s FROM wins)").fetchnumpy()
        kept["ours"] = np.stack([np.asarray(v, "float64") for v in got.values()], 1)

    look(), tell()
    np.testing.assert_allclose(kept["ours"], kept["theirs"], rtol=1e-9)
    table.race(f"t  {len(windows):,} windows of {SIDE} x {SIDE} in numbers, warm: rasterio + numpy.ma | geo_patch_stats", look, tell, ("x", 3), "1e-9")

    canvas = rng.normal(280, 10, (1, 4096, 4096)).astype("float32")
    con.register("canvas", pa.table({"data": pa.ListArray.from_arrays([0, canvas.size], canvas.ravel()), "shape": [[1, 4096, 4096]]}))

    def theirs_written():
        with rasterio.Env(GDAL_NUM_THREADS=os.cpu_count()):
            profile = {"driver": "COG", "height": 4096, "width": 4096, "count": 1, "dtype": "float32", "compress": "deflate", "predictor": "yes", "overview_resampling": "average"}
            with rasterio.open(work / "theirs.tif", "w", **profile) as dst:
                dst.write(canvas)

    def ours_written():
        con.execute(f"COPY (SELECT data, shape FROM canvas) TO '{work}/ours.tif' (FORMAT geotiff)")

    theirs_written(), ours_written()
    with rasterio.open(work / "theirs.tif") as a, rasterio.open(work / "ours.tif") as b:
        np.testing.assert_array_equal(a.read(), b.read())
    table.race("t  4096 x 4096 float32 into a COG: rasterio | COPY (FORMAT geotiff)", theirs_written, ours_written, ("x", 1.5), "pixels", repeats=3)
