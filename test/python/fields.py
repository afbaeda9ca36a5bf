"""Patches as tables, and fields as arrays: what tests of stitching and of writing stand on."""
import math

import numpy as np
import pyarrow as pa

WIN = pa.struct([("row_off", pa.int64()), ("col_off", pa.int64()), ("height", pa.int32()), ("width", pa.int32())])


def patches(con, rows, dtype="float32", name="t", **more):
    """A table `t` of patches: rows of (data or masked array, (row, col, height, width))."""
    values = pa.from_numpy_dtype(np.dtype(dtype))
    data = [None if d is None else pa.array(np.ma.getdata(d).ravel(), values, mask=np.ma.getmaskarray(d).ravel()) for d, _ in rows]
    lists = pa.array([None if d is None else d.to_pylist() for d in data], pa.list_(values))
    wins = pa.array([None if w is None else dict(zip(("row_off", "col_off", "height", "width"), w)) for _, w in rows], WIN)
    con.register("arrow", pa.table({"id": list(range(len(rows))), "data": lists, "win": wins, **more}))
    con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM arrow")
    con.unregister("arrow")


def array(got, key="data"):
    values = np.ma.masked_invalid([math.nan if v is None else v for v in got[key]], copy=True)
    values.mask = [v is None for v in got[key]]
    return values.reshape(got["shape"])


def draw(rng, dtype, bands, count, shape, nulls=0.1):
    rows = []
    for _ in range(count):
        h, w = (int(v) for v in rng.integers(2, 12, 2))
        row, col = int(rng.integers(1 - h, shape[0])), int(rng.integers(1 - w, shape[1]))
        if dtype.startswith("float"):
            data = rng.normal(20, 10, bands * h * w).astype(dtype)
        else:
            info = np.iinfo(dtype)
            data = rng.integers(max(info.min, -2**40), min(info.max, 2**40), bands * h * w, dtype=dtype, endpoint=True)
        rows.append((np.ma.masked_array(data, rng.random(data.size) < nulls), (row, col, h, w)))
    return rows
