"""20,000 x 20,000 float32 in patches that overlap by half, stitched into a COG under memory_limit = 512 MB: seconds, peak, pixels.

    python bench/large_field.py [side] [folder]

No part of bench.py: it takes minutes and 6 GB of disk. Run it alone.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from common import EXTENSION
from rasterio.windows import Window

CHILD = """
import sys, time, duckdb
extension, source, target, order = sys.argv[1:]
con = duckdb.connect(config={"allow_unsigned_extensions": "true", "memory_limit": "512MB"})
con.execute(f"LOAD '{extension}'")
con.execute("SET enable_progress_bar = false")
start = time.perf_counter()
try:
    con.execute(f"COPY (SELECT data, win FROM read_patch('{source}', size := 256, stride := 128) {order}) TO '{target}' (TEMPLATE '{source}', STITCH overlap_add, TAPER hann)")
    said = "written"
except Exception as error:
    said = "refused: " + str(error).replace("\\n", " ")
peak = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
print(f"{said}; {time.perf_counter() - start:.0f} s, peak RSS {peak:.0f} MiB")
"""


def main(side, folder):
    source, target = folder / "source.tif", folder / "field.tif"
    rng = np.random.default_rng(1)
    profile = {"driver": "GTiff", "height": side, "width": side, "count": 1, "dtype": "float32", "tiled": True, "blockxsize": 256, "blockysize": 256, "bigtiff": "yes"}
    with rasterio.open(source, "w", **profile) as dst:
        for row in range(0, side, 1024):
            rows = min(1024, side - row)
            field = np.round(280 + np.cumsum(rng.normal(0, 0.1, (rows, side)), 1), 2).astype("float32")
            dst.write(field, 1, window=Window(0, row, side, rows))
    for order, what in (("", "in the order of their windows"), ("ORDER BY hash(win.row_off, win.col_off)", "in no order")):
        done = subprocess.run([sys.executable, "-c", CHILD, EXTENSION, source, target, order], capture_output=True, text=True, check=True)
        print(f"{side} x {side} float32, patches of 256 every 128 {what}: {done.stdout.strip()}", flush=True)
        if not order:
            with rasterio.open(source) as a, rasterio.open(target) as b:
                for row in range(0, side, 2000):
                    window = Window(0, row, side, min(2000, side - row))
                    np.testing.assert_array_equal(a.read(1, window=window), b.read(1, window=window))
                print(f"the same {side * side:,} pixels, overviews {b.overviews(1)}", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as work:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000, Path(work))
