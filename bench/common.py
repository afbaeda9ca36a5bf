"""What every row of the benchmark stands on: connections, the clock, the table of the report, and a raster."""

import os
import time
from pathlib import Path

import duckdb
import numpy as np
import rasterio
from rasterio.transform import from_origin

HERE = Path(__file__).resolve().parent
EXTENSION = os.environ.get("GEOQUILT_EXTENSION", str(HERE.parent / "build/release/geoquilt.duckdb_extension"))
SIDE = 128


def connect(geoquilt_threads=None):
    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    con.execute(f"LOAD '{EXTENSION}'")
    con.execute("SET enable_progress_bar = false")
    if geoquilt_threads:
        con.execute(f"SET geoquilt_threads = {geoquilt_threads}")
    return con


def peak_mib():
    """Peak RSS of this process alone: ru_maxrss would carry over its parent's."""
    text = Path("/proc/self/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) / 1024


def timed(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


class Table:
    """The rows of the report; a row whose answers differ stops the run."""

    def __init__(self, repeats):
        self.repeats = repeats
        self.rows = []
        self.times = []

    def race(self, work, theirs, ours, aim, equal, before=lambda: (), scale=1.0, repeats=None):
        """`before` makes the arguments of one run (a fresh copy of a file, say), untimed. `theirs` did
        1 / `scale` of the work."""
        their_times, our_times = [], []
        for _ in range(repeats or self.repeats):
            if theirs:
                their_times.append(timed(theirs, *before()) * scale)
            our_times.append(timed(ours, *before()))
        self.add(work, min(their_times, default=None), min(our_times), aim, equal, our_times[0])

    def add(self, work, theirs, ours, aim, equal, first=None):
        ratio = theirs / ours if theirs else None
        met = "" if aim is None else self.met(aim, ratio, ours)
        show = lambda x, form: "" if x is None else format(x, form)
        row = [work, show(theirs, ".4f"), show(ours, ".4f"), show(first, ".4f"), show(ratio, ".1f"), self.aim(aim), met, equal]
        self.rows.append(row)
        self.times.append({"work": work, "theirs": theirs, "ours": ours})
        print(" | ".join(row), flush=True)

    @staticmethod
    def aim(aim):
        return "" if aim is None else f"{aim[1]:g}x" if aim[0] == "x" else f"< {aim[1]:g} s"

    @staticmethod
    def met(aim, ratio, ours):
        return "yes" if (ratio >= aim[1] if aim[0] == "x" else ours < aim[1]) else "NO"

    def markdown(self):
        head = ["work", "theirs s", "ours s", "ours 1st s", "x", "aim", "met", "answers"]
        width = [max(len(row[i]) for row in [head, *self.rows]) for i in range(len(head))]
        line = lambda row: "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, width)) + " |"
        return "\n".join([line(head), "|" + "|".join("-" * (w + 2) for w in width) + "|", *map(line, self.rows)])


def write_raster(path, nodata=None, seed=7, height=1800, width=3600):
    """A smooth field with noise, quantised as measurements are: deflate makes about a third of it."""
    rng = np.random.default_rng(seed)
    row, col = np.mgrid[0:height, 0:width]
    field = 15 + 12 * np.cos(row / 300) + 3 * np.sin(col / 90) * np.cos(row / 45) + rng.normal(0, 0.02, (height, width))
    field = (np.round(field * 128) / 128).astype("float32")
    if nodata is not None:
        field[np.sin(row / 200) * np.sin(col / 260) > 0.4] = nodata
    profile = dict(driver="GTiff", height=height, width=width, count=1, dtype="float32", crs="EPSG:4326",
                   transform=from_origin(-180, 90, 0.1, 0.1), tiled=True, blockxsize=256, blockysize=256,
                   compress="deflate", nodata=nodata)
    with rasterio.open(path, "w", **profile) as dst:
        dst.write(field, 1)
    return str(path)
