"""A disk that is full, which a small file system in memory is: each writer says so, and leaves what was there before."""
import os
import subprocess

import numpy as np
import pytest
import zarr
from conftest import connect

# Values that no codec makes much smaller.
NOISE = "list((hash(i) % 4294967296)::UINTEGER)"
CANVAS = f"SELECT {NOISE} AS data, [1, 500, 1000] AS shape FROM range(500000) t(i)"
BYTES = "SELECT list((hash(i) % 256)::UTINYINT) AS data, [1, 1000, 2000] AS shape FROM range(2000000) t(i)"
PATCHES = f"SELECT {NOISE} AS data, {{row_off: i // 100000 * 100, col_off: 0, height: 100, width: 1000}} AS win FROM range(500000) t(i) GROUP BY i // 100000 ORDER BY 2"
EMBEDDINGS = f"SELECT {NOISE} AS v FROM range(500000) t(i) GROUP BY i // 1000"
WRITES = {
    "canvas.tif": (CANVAS, "FORMAT geotiff"),
    "tiled.tif": (CANVAS, "FORMAT geotiff, LAYOUT tiled, COMPRESS none, BLOCKSIZE 64"),
    "patches.tif": (PATCHES, "FORMAT geotiff, CANVAS [500, 1000]"),
    "stitched.tif": (PATCHES.replace("UINTEGER", "FLOAT"), "FORMAT geotiff, CANVAS [500, 1000], STITCH mean"),
    "canvas.zarr": (CANVAS, "FORMAT zarr"),
    "single.zarr": (CANVAS, "FORMAT zarr, CHUNKS [1, 100, 100], SHARDS none"),
    "patches.zarr": (PATCHES, "FORMAT zarr, CANVAS [500, 1000]"),
    "rows.zarr": (EMBEDDINGS, "FORMAT zarr, NAMES 'v'"),
    "array.npy": (CANVAS, "FORMAT npy"),
    "picture.png": (BYTES, "FORMAT png"),
}


@pytest.fixture
def disk(tmp_path):
    """A file system of so many KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(kib):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
        return folder

    yield mount
    if os.path.ismount(folder):
        # The connection of the test may still hold a file.
        subprocess.run(["umount", "--lazy", folder], check=True)


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", WRITES)
def test_a_full_disk_is_told_and_nothing_is_left_on_it(disk, name):
    query, options = WRITES[name]
    folder, con = disk(600), connect()
    with pytest.raises(Exception) as error:
        con.execute(f"COPY ({query}) TO '{folder}/{name}' ({options})")
    said = str(error.value)
    assert f'cannot write "{folder}/{name}"' in said and "No space left on device" in said and ".geoquilt-" not in said
    assert everything(folder) == []
    # What is there already stays, and the room that is left can be used.
    small = query.replace("500000", "1000").replace("2000000", "2000").replace("1000, 2000]", "1, 2000]").replace("500, 1000]", "1, 1000]")
    small = small.replace("100000", "1000").replace("* 100,", "* 1,").replace("height: 100", "height: 1")
    con.execute(f"COPY ({small}) TO '{folder}/{name}' ({options.replace('[500, 1000]', '[1, 1000]')})")
    before = {path: (folder / path).read_bytes() for path in everything(folder) if (folder / path).is_file()}
    with pytest.raises(Exception, match="No space left on device"):
        con.execute(f"COPY ({query}) TO '{folder}/{name}' ({options})")
    assert {path: (folder / path).read_bytes() for path in everything(folder) if (folder / path).is_file()} == before


@pytest.mark.parametrize("format", ["tif", "npy", "png"])
def test_of_a_file_a_row_those_that_fit_are_whole(disk, format):
    """A file is whole or not there, each by itself."""
    folder, con = disk(600), connect()
    con.execute("SET geoquilt_threads = 1")
    rows = "SELECT {data: list((hash(i) % 256)::UTINYINT), shape: [1, 300, 500], id: i // 150000} FROM range(1500000) t(i) GROUP BY i // 150000 ORDER BY i // 150000"
    with pytest.raises(Exception, match="No space left on device"):
        con.execute(f"COPY ({rows.replace('i // 150000}', 'any_value(i // 150000)}')}) TO '{folder}/{{id}}.{format}' (FORMAT {format})")
    there = everything(folder)
    assert 0 < len(there) < 10 and all(name.endswith(f".{format}") for name in there)
    for name in there:
        whole = np.load(folder / name) if format == "npy" else con.execute(f"SELECT data FROM read_blocks('{folder}/{name}')").fetchall() and np.zeros((300, 500))
        assert whole.shape[-2:] == (300, 500)


def test_a_store_that_is_written_on_stays_what_it_was(disk):
    """Rows behind others, and a region: chunks come first, documents last."""
    folder, con = disk(1500), connect()
    rows = "SELECT list((hash(i + {seed}) % 4294967296)::UINTEGER) FROM range({n}) t(i) GROUP BY i // 1000 ORDER BY min(i)"
    write = lambda n, options: con.execute(f"COPY ({rows.format(seed=n, n=n)}) TO '{folder}/x.zarr' (FORMAT zarr, NAMES 'v', {options})")
    write(100_000, "AXIS 'patch', CHUNKS [10, 1000], SHARDS none")
    before = zarr.open_group(folder / "x.zarr", mode="r")["v"][:]
    with pytest.raises(Exception, match="No space left on device"):
        write(900_000, "APPEND_DIM patch")
    after = zarr.open_group(folder / "x.zarr", mode="r")["v"]
    assert after.shape == before.shape and (after[:] == before).all()
    assert [name for name in os.listdir(folder)] == ["x.zarr"]
