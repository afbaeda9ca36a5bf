"""A thousand million pixels of a registry in one pass of geoquilt.patch_stats under memory_limit = 512 MB: seconds, peak, numbers.

    python bench/large_stats.py [side] [folder]

Beside it NumPy over rasterio's blocks, and the windows read without a look at them. No part of bench.py: it takes minutes and 8 GB of
disk. Run it alone.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from common import EXTENSION
from rasterio.transform import from_origin
from rasterio.windows import Window

CHILD = """
import sys, time, duckdb
extension, source, what, registry = sys.argv[1:]
con = duckdb.connect(config={"allow_unsigned_extensions": "true", "memory_limit": "512MB"})
con.execute(f"LOAD '{extension}'")
con.execute("SET enable_progress_bar = false")
if what == "registry":
    con.execute(f"COPY (SELECT '{source}' AS path, win, 'train' AS split FROM geo_patch_grid('{source}', size := 256, stride := 256)) TO '{registry}'")
    sys.exit()
query = {"stats": f"SELECT stats[1] FROM geoquilt.patch_stats('{registry}')", "reads": f"SELECT {{n: sum(len(data)), first: max(data[1])}} FROM read_patch('{registry}')"}[what]
start = time.perf_counter()
told = con.execute(query).fetchall()[0][0]
peak = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
print(f"{time.perf_counter() - start:.1f} s, peak RSS {peak:.0f} MiB; {told}")
"""


def theirs(source):
    n, total, squares, least, most = 0, 0.0, 0.0, np.inf, -np.inf
    with rasterio.open(source) as src:
        for _, window in src.block_windows(1):
            block = src.read(1, window=window).astype("float64")
            n, total, squares = n + block.size, total + block.sum(), squares + (block**2).sum()
            least, most = min(least, block.min()), max(most, block.max())
    mean = total / n
    return {"n": n, "mean": mean, "std": (squares / n - mean**2) ** 0.5, "min": least, "max": most}


def main(side, folder):
    rng = np.random.default_rng(1)
    for dtype in ("uint16", "float32"):
        source, registry = folder / f"{dtype}.tif", folder / f"{dtype}.parquet"
        profile = {"driver": "GTiff", "height": side, "width": side, "count": 1, "dtype": dtype, "tiled": True, "blockxsize": 256, "blockysize": 256, "bigtiff": "yes"}
        with rasterio.open(source, "w", crs="EPSG:32629", transform=from_origin(0, 4e6, 10, 10), **profile) as dst:
            for row in range(0, side, 1024):
                rows = min(1024, side - row)
                dst.write((8000 + np.cumsum(rng.normal(0, 5, (rows, side)), 1)).astype(dtype), 1, window=Window(0, row, side, rows))
        run = lambda what: subprocess.run([sys.executable, "-c", CHILD, EXTENSION, source, what, registry], capture_output=True, text=True, check=True).stdout.strip()
        run("registry")
        for what in ("reads", "stats"):
            print(f"{side} x {side} {dtype} in windows of 256, {what}: {run(what)}", flush=True)
        start = time.perf_counter()
        told = theirs(source)
        print(f"{side} x {side} {dtype}, rasterio's blocks and NumPy: {time.perf_counter() - start:.1f} s; {told}", flush=True)
        source.unlink()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as work:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 31_744, Path(work))
