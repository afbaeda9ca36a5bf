"""Batches of tensors beside rasterio and NumPy, one handle a file, beside a DataLoader of torch over rasterio, and beside copying the same bytes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import rasterio
from rasterio.windows import Window

from common import EXTENSION, HERE, SIDE, timed, write_raster

sys.path.insert(0, str(HERE.parent / "python"))
SIZE = 64
#: The environment of the tests that holds torch.
TORCH = Path.home() / ".cache/geoquilt/test/venv-torch-2.14.1/bin/python"


def registry(paths, side):
    """A row for each window of a grid, file by file, a file's shuffled."""
    rng = np.random.default_rng(2)
    starts = [(r, c) for r in range(0, side - SIDE + 1, SIDE) for c in range(0, side - SIDE + 1, SIDE)]
    return [(path, *starts[i]) for path in paths for i in rng.permutation(len(starts))]


def table_of(rows):
    win = pa.StructArray.from_arrays(
        [pa.array([row[1] for row in rows]), pa.array([row[2] for row in rows]), pa.array([SIDE] * len(rows)), pa.array([SIDE] * len(rows))],
        ["row_off", "col_off", "height", "width"])
    return pa.table({"path": [row[0] for row in rows], "win": win})


def by_rasterio(rows, handles, use=lambda batch: None):
    for at in range(0, len(rows), SIZE):
        part = rows[at : at + SIZE]
        batch = np.empty((len(part), 1, SIDE, SIDE), np.float32)
        for out, (path, r, c) in zip(batch, part):
            if path not in handles:
                handles[path] = rasterio.open(path)
            handles[path].read(window=Window(c, r, SIDE, SIDE), out=out)
        use(batch)


def by_batches(rows, use=lambda batch: None):
    import geoquilt

    for batch in geoquilt.batches(table_of(rows), size=SIZE):
        use(batch["data"])


def tensors(table, work, quick):
    count, side = (3, 1024) if quick else (8, 2048)
    made = work / "tensors"
    made.mkdir()
    names = [f"{i}.tif" for i in range(count)]
    for i, name in enumerate(names):
        write_raster(made / name, seed=i, height=side, width=side)
    copies = iter(range(10**6))

    def fresh():
        """A copy of the files that nobody has read."""
        folder = work / f"tensors_{next(copies)}"
        shutil.copytree(made, folder)
        return [registry([str(folder / name) for name in names], side)]

    def theirs_cold(rows):
        handles = {}
        by_rasterio(rows, handles)
        for handle in handles.values():
            handle.close()

    kept = registry([str(made / name) for name in names], side)
    theirs, ours = [], []
    handles = {}
    by_rasterio(kept, handles, theirs.append)
    by_batches(kept, lambda batch: ours.append(batch.copy()))
    assert all((a.view("u4") == b.view("u4")).all() for a, b in zip(theirs, ours, strict=True))
    equal = f"every bit of {len(kept):,} patches"
    what = f"{len(kept):,} patches of {SIDE} x {SIDE} float32, {SIZE} a batch, into NumPy"
    table.race(f"x  {what}, cold: rasterio, a handle a file | batches", theirs_cold, by_batches, ("x", 3), equal, fresh)
    table.race(f"x  {what}, warm: rasterio, handles open | batches", lambda: by_rasterio(kept, handles), lambda: by_batches(kept), ("x", 5), equal)

    def copied():
        for batch in theirs:
            np.copyto(np.empty_like(batch), batch)

    table.race(f"x  {what}, warm: copying the same bytes | batches", copied, lambda: by_batches(kept), ("x", 0.7), equal)
    if TORCH.exists():
        loaders(table, fresh, what)


def loaders(table, fresh, what):
    """Both in the environment that holds torch, each with its files read by nobody."""
    runs = {"theirs": [], "ours": []}
    for _ in range(table.repeats):
        for who in runs:
            rows, = fresh()
            answer = subprocess.run([str(TORCH), str(HERE / "tensors.py"), who], input=json.dumps(rows), capture_output=True, text=True,
                                    env={**os.environ, "GEOQUILT_EXTENSION": EXTENSION})
            assert answer.returncode == 0, answer.stderr
            runs[who].append(json.loads(answer.stdout.splitlines()[-1]))
    sums = {run["sum"] for found in runs.values() for run in found}
    assert len(sums) == 1, sums
    for epoch in (0, 1):
        best = {who: min(run["seconds"][epoch] for run in found) for who, found in runs.items()}
        peak = {who: max(run["peak"] for run in found) for who, found in runs.items()}
        table.add(f"x  {what[:-6]}torch, epoch {epoch + 1}: DataLoader, 2 workers over rasterio | geoquilt.torch.Batches, blocks shuffled", best["theirs"], best["ours"], ("x", 5),
                  f"the sum of all pixels; peak {peak['theirs']:.0f} and {peak['ours']:.0f} MiB")
    sequential = min(run["sequential"] for run in runs["ours"])
    shuffled = min(run["seconds"][1] for run in runs["ours"])
    table.add(f"x  {what[:-6]}torch, warm: in order | shuffled by blocks", sequential, shuffled, ("x", 0.8), "the sum of all pixels")


def one_loader(who, rows):
    """Two epochs in this process, and what they took."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    torch.set_num_threads(1)
    total = 0.0

    def use(batch):
        nonlocal total
        total = float(batch.sum(dtype=torch.float64)) + total

    if who == "theirs":
        class Windows(Dataset):
            """What a user writes: handles opened by the worker that reads."""

            handles = None

            def __len__(self):
                return len(rows)

            def __getitem__(self, i):
                self.handles = {} if self.handles is None else self.handles
                path, r, c = rows[i]
                if path not in self.handles:
                    self.handles[path] = rasterio.open(path)
                return torch.from_numpy(self.handles[path].read(window=Window(c, r, SIDE, SIDE)))

        loader = DataLoader(Windows(), batch_size=SIZE, num_workers=2, persistent_workers=True, multiprocessing_context="fork")
        seconds = [timed(lambda: [use(batch) for batch in loader]) for _ in range(2)]
        sequential = None
    else:
        import geoquilt.torch

        loader = DataLoader(geoquilt.torch.Batches(table_of(rows), size=SIZE, shuffle="blocks"), batch_size=None)
        seconds = [timed(lambda: [use(batch["data"]) for batch in loader]) for _ in range(2)]
        whole = total
        loader = DataLoader(geoquilt.torch.Batches(table_of(rows), size=SIZE), batch_size=None)
        sequential = min(timed(lambda: [use(batch["data"]) for batch in loader]) for _ in range(2))
        total = whole
    text = "".join(Path(f"/proc/{process}/status").read_text() for process in processes())
    peak = sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM")) / 1024
    print(json.dumps({"seconds": seconds, "sequential": sequential, "sum": round(total, 3), "peak": peak}))


def processes():
    """This one and its workers."""
    own = str(Path("/proc/self").resolve().name)
    children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    return [own, *children]


if __name__ == "__main__":
    one_loader(sys.argv[1], [tuple(row) for row in json.load(sys.stdin)])
