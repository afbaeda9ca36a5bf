"""Bands of patches: worked out, mixed, resized, scaled and filled, beside NumPy and GDAL in one thread."""

import numpy as np
import pyarrow as pa
import rasterio
from common import SIDE, connect
from rasterio.fill import fillnodata
from rasterio.windows import Window

EXPRESSIONS = {
    "(b2 - b1) / (b2 + b1)": lambda a, b: (b - a) / (b + a),
    "where(b1 > 280, sqrt(b1) * 2, b2 ** 2)": lambda a, b: np.where(a > 280, np.sqrt(a) * 2, b**2),
    "clip(min(b1, b2), 270, 290) + abs(b1 - b2)": lambda a, b: np.clip(np.minimum(a, b), 270, 290) + np.abs(a - b),
    "exp(b1 / 100) + log(b2) * sin(b1)": lambda a, b: np.exp(a / 100) + np.log(b) * np.sin(a),
}


def bands(table, work, quick):
    rng = np.random.default_rng(5)
    con = connect(1)
    con.execute("SET threads = 1")
    count = 200 if quick else 1000
    two = rng.normal(280, 10, (count, 2, SIDE, SIDE)).astype("float32")
    many = rng.normal(0.3, 0.1, (count // 10, 64, SIDE, SIDE)).astype("float32")
    kept = {}

    def register(name, data):
        size = data[0].size
        lists = pa.ListArray.from_arrays(np.arange(0, data.size + 1, size, dtype="int32"), data.ravel())
        con.register("arrow", pa.table({"data": lists, "shape": [list(data.shape[1:])] * len(data)}))
        con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM arrow")

    def race(work, call, name, theirs, rtol, equal):
        """The lists stay in DuckDB, as NumPy's arrays stay in memory."""
        theirs()
        got = con.execute(f"SELECT {call} AS d FROM {name}").to_arrow_table()["d"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        np.testing.assert_allclose(got, np.concatenate([part.ravel() for part in kept["theirs"]]), rtol=rtol)
        table.race(work, theirs, lambda: con.execute(f"SELECT max(len({call})) FROM {name}").fetchall(), ("x", 1), equal)

    register("two", two)
    register("many", many)
    for expression, of in EXPRESSIONS.items():
        def theirs(of=of):
            with np.errstate(all="ignore"):
                kept["theirs"] = [of(*patch.astype("float64")).astype("float32") for patch in two]

        race(f"n  {count:,} patches of 2 x {SIDE} x {SIDE} float32, one thread: NumPy in float64 | geo_calc {expression}",
             f"geo_calc(data, shape, '{expression}')", "two", theirs, 3e-7, "3e-7")

    matrix = rng.random((6, 64))
    weights = matrix.tolist()

    def product():
        kept["theirs"] = [np.tensordot(matrix, patch.astype("float64"), 1).astype("float32") for patch in many]

    race(f"n  {len(many):,} patches of 64 x {SIDE} x {SIDE} float32 into 6 bands, one thread: numpy.tensordot | geo_bands",
         f"geo_bands(data, shape, {weights}::DOUBLE[][])", "many", product, 1e-6, "1e-6")

    mean, std = 280.0, 10.0

    def scaled():
        kept["theirs"] = [((patch.astype("float64") - mean) / std).astype("float32") for patch in two]

    race(f"n  {count:,} patches of 2 x {SIDE} x {SIDE} float32, one thread: NumPy in float64 | geo_normalise",
         f"geo_normalise(data, shape, [{{mean: {mean}, std: {std}}}, {{mean: {mean}, std: {std}}}])", "two", scaled, 0, "bits")

    holes = two[:count // 5, :1].copy()
    rows, cols = np.mgrid[0:SIDE, 0:SIDE]
    for patch in holes[:, 0]:
        for row, col, radius in rng.integers([0, 0, 3], [SIDE, SIDE, 12], (6, 3)):
            patch[(rows - row) ** 2 + (cols - col) ** 2 < radius**2] = np.nan

    def filled():
        kept["theirs"] = [fillnodata(patch[0].copy(), ~np.isnan(patch[0])) for patch in holes]

    register("holes", holes)
    race(f"n  {len(holes):,} patches of {SIDE} x {SIDE} with round gaps, one thread: rasterio.fill.fillnodata | geo_fill_gaps",
         "geo_fill_gaps(data, shape).data", "holes", filled, 1e-6, "1e-6")

    side = 2000 if quick else 10_000
    for dtype in ("uint16", "float32"):
        path = str(work / f"{dtype}.tif")
        with rasterio.open(path, "w", driver="GTiff", height=side, width=side, count=1, dtype=dtype, tiled=True, blockxsize=256, blockysize=256, compress="deflate") as dst:
            for start in range(0, side, 256):
                height = min(256, side - start)
                field = 8000 + 2000 * np.sin(np.arange(side) / 90) + 500 * np.cos((start + np.arange(height))[:, None] / 45) + rng.normal(0, 30, (height, side))
                dst.write(field.astype(dtype), 1, window=Window(0, start, side, height))
        read = lambda: con.execute(f"SELECT max(data[1]) FROM read_patch('{path}', size := 256)").fetchall()
        told = lambda: con.execute(f"SELECT geoquilt.stats(data, shape) FROM read_patch('{path}', size := 256)").fetchall()
        table.race(f"n  {side:,} x {side:,} {dtype} in one thread: read_patch of each pixel | and geoquilt.stats of them", read, told, None, "", repeats=2)
