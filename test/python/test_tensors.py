"""geoquilt.batches: the second door, against the scalar functions of SQL bit for bit, and rasterio."""
import gc
import os
import pathlib
import pickle
import subprocess
import sys
import textwrap

import geoquilt
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
from conftest import EXTENSION, ROOT, connect, write_raster
from geoquilt._order import Order, mixing

SIDE = 32
WIN = "STRUCT(row_off BIGINT, col_off BIGINT, height INTEGER, width INTEGER)"


def scene(folder, name, dtype="float32", bands=2, shape=(150, 173), seed=0, **profile):
    """A raster of noise, some of whose pixels are nodata."""
    rng = np.random.default_rng([seed, bands])
    data = rng.normal(100, 30, (bands, *shape)).clip(1, 250).astype(dtype)
    data[:, 20:30, 25:50] = 7
    return write_raster(folder / name, data, nodata=7, **profile)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    return [scene(folder, f"{i}.tif", seed=i, tiled=True, blockxsize=64, blockysize=48, compress="deflate") for i in range(3)]


def windows(paths, side=SIDE, count=40, seed=1):
    """Rows of windows in no order, some of which hang over an edge."""
    rng = np.random.default_rng(seed)
    starts = rng.integers(-side // 2, 150 - side // 2, (count, 2))
    return pa.table({
        "id": np.arange(count) * 10,
        "path": [paths[i] for i in rng.integers(0, len(paths), count)],
        "win": [dict(row_off=int(r), col_off=int(c), height=side, width=side) for r, c in starts],
        "day": np.arange(count).astype("datetime64[D]"),
    })


def scalar(con, rows, sql, shape, dtype="float32"):
    """What SQL's scalar gives for each row."""
    con.register("rows_of_test", rows)
    found = con.execute(f"SELECT {sql} AS pixels FROM (FROM rows_of_test ORDER BY id)").to_arrow_table().column("pixels").combine_chunks()
    con.unregister("rows_of_test")
    values = found.flatten()
    assert values.null_count == 0
    return np.asarray(values).astype(dtype, copy=False).reshape(len(rows), *shape)


def all_of(batches, name="data"):
    return np.concatenate([batch[name] for batch in batches])


def bits(array):
    return np.ascontiguousarray(array).view(np.uint8)


def threads():
    return len(os.listdir("/proc/self/task"))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_pixels_are_those_of_the_scalar_bit_for_bit(con, tmp_path, dtype):
    paths = [scene(tmp_path, f"{i}.tif", dtype, seed=i, tiled=True, blockxsize=16, blockysize=32) for i in range(3)]
    rows = windows(paths)
    wanted = scalar(con, rows, f"read_patch(path, win::{WIN}, {{fill: 'nan'}})", (2, SIDE, SIDE))
    for size in (1, 7, 64):
        given = list(geoquilt.batches(rows, size=size))
        assert [len(batch.row) for batch in given] == [min(size, 40 - at) for at in range(0, 40, size)]
        assert (bits(all_of(given)) == bits(wanted)).all()
        assert (np.concatenate([batch["id"] for batch in given]) == rows["id"].to_numpy()).all()
        assert given[0]["day"].dtype == np.dtype("datetime64[D]") and given[0]["path"][0] == rows["path"][0].as_py()


def test_pixels_are_rasterios(scenes):
    rows = windows(scenes)
    data = all_of(geoquilt.batches(rows, size=16))
    for pixels, row in zip(data, rows.to_pylist()):
        win = row["win"]
        with rasterio.open(row["path"]) as file:
            whole = np.pad(file.read(masked=True).filled(np.nan), ((0, 0), (SIDE, SIDE), (SIDE, SIDE)), constant_values=np.nan)
        r, c = win["row_off"] + SIDE, win["col_off"] + SIDE
        np.testing.assert_array_equal(pixels, whole[:, r : r + SIDE, c : c + SIDE])


@pytest.mark.parametrize("options, sql", [
    ({"bands": [2]}, "bands: [2], fill: 'nan'"), ({"bands": [2, 1], "fill": -1}, "bands: [2, 1], fill: -1"), ({"nodata": 100.5}, "nodata: 100.5, fill: 'nan'"),
    ({"within": "POLYGON ((-9 41.5, -8 41.5, -8.99 41.4, -9 41.5))", "boundless": True}, "within: 'POLYGON ((-9 41.5, -8 41.5, -8.99 41.4, -9 41.5))', boundless: true, fill: 'nan'"),
])
def test_options_are_those_of_sql(con, scenes, options, sql):
    rows = windows(scenes)
    wanted = scalar(con, rows, f"read_patch(path, win::{WIN}, {{{sql}}})", (len(options.get("bands", [1, 2])), SIDE, SIDE))
    assert (bits(all_of(geoquilt.batches(rows, size=9, **options))) == bits(wanted)).all()


def test_a_whole_number_type_wants_a_value_or_a_mask_for_no_pixel(tmp_path):
    path = scene(tmp_path, "a.tif", "uint8")
    rows = windows([path])
    with pytest.raises(geoquilt.Error, match=r"read_patch\(fill\): uint8 has no value that stands for no pixel\nGive fill=0"):
        geoquilt.batches(rows, dtype="uint8")
    filled = all_of(geoquilt.batches(rows, dtype="uint8", fill=255))
    floats = all_of(geoquilt.batches(rows))
    assert filled.dtype == np.uint8
    np.testing.assert_array_equal(filled, np.where(np.isnan(floats), 255, floats))
    masked = list(geoquilt.batches(rows, dtype=np.uint8, mask=True, size=16))
    mask = all_of(masked, "data_mask")
    assert mask.dtype == bool and mask.shape == filled.shape
    np.testing.assert_array_equal(mask, ~np.isnan(floats))
    np.testing.assert_array_equal(all_of(masked)[mask], floats[mask])
    with pytest.raises(geoquilt.Error, match="256 is not a value of uint8 pixels"):
        geoquilt.batches(rows, dtype="uint8", fill=256)
    with pytest.raises(geoquilt.Error, match="the pixels are uint8, which int16 cannot hold"):
        geoquilt.batches(rows, dtype="int16", fill=0)
    assert all_of(geoquilt.batches(rows, dtype=None, fill=0)).dtype == np.uint8


def test_a_number_that_a_float_changes_is_an_error_as_in_sql(con, raster):
    path = raster("ids.tif", np.full((40, 40), 16777217, "int32"))
    rows = pa.table({"path": [path], "win": [dict(row_off=0, col_off=0, height=4, width=4)]})
    with pytest.raises(geoquilt.Error, match="row 0: .*16777217"):
        list(geoquilt.batches(rows))
    assert all_of(geoquilt.batches(rows, dtype="float64")).flat[0] == 16777217


def test_shapes_that_differ_name_the_row_unless_they_are_padded(scenes):
    rows = windows(scenes, count=6).to_pylist()
    rows[4]["win"] |= dict(height=20, width=40)
    table = pa.Table.from_pylist(rows)
    for size in (6, 2):
        with pytest.raises(geoquilt.Error, match=r"row 4: its shape is \[2, 20, 40\], and other rows have \[2, 32, 32\]\nGive pad=True"):
            list(geoquilt.batches(table, size=size))
    batch, = geoquilt.batches(table, size=6, pad=True)
    assert batch["data"].shape == batch["data_mask"].shape == (6, 2, 32, 40)
    for i, row in enumerate(rows):
        height, width = row["win"]["height"], row["win"]["width"]
        alone, = geoquilt.batches(pa.Table.from_pylist([row]), mask=True)
        np.testing.assert_array_equal(batch["data"][i, :, :height, :width], alone["data"][0])
        np.testing.assert_array_equal(batch["data_mask"][i, :, :height, :width], alone["data_mask"][0])
        assert np.isnan(batch["data"][i, :, height:]).all() and not batch["data_mask"][i, :, :, width:].any()


def test_the_last_batch_is_short_or_left_out(scenes):
    rows = windows(scenes, count=10)
    assert [len(b.row) for b in geoquilt.batches(rows, size=4)] == [4, 4, 2]
    whole = geoquilt.batches(rows, size=4, drop_last=True)
    assert [len(b.row) for b in whole] == [4, 4] and len(whole) == 2
    assert [len(b.row) for b in geoquilt.batches(rows, size=400)] == [10]
    assert list(geoquilt.batches(rows.slice(0, 0))) == []


def test_a_row_that_cannot_be_read_stops_is_left_out_or_reported(scenes, tmp_path):
    rows = windows(scenes, count=9).to_pylist()
    rows[2]["path"] = str(tmp_path / "absent.tif")
    rows[7]["win"]["row_off"] = 5000
    damaged = tmp_path / "damaged.tif"
    damaged.write_bytes(pathlib.Path(scenes[0]).read_bytes()[:-20000])
    rows[5]["path"] = str(damaged)
    rows[5]["win"] |= dict(row_off=110, col_off=130)
    table = pa.Table.from_pylist(rows)
    with pytest.raises(geoquilt.Error, match="row 2: .*absent.tif"):
        list(geoquilt.batches(table, size=4))
    good = [0, 1, 3, 4, 6, 8]
    wanted = all_of(geoquilt.batches(table.take(good)))
    skipped = list(geoquilt.batches(table, size=4, on_error="skip"))
    assert np.concatenate([b.row for b in skipped]).tolist() == good and [b["id"].tolist() for b in skipped] == [[0, 10, 30], [40, 60], [80]]
    np.testing.assert_array_equal(all_of(skipped), wanted)
    reported = list(geoquilt.batches(table, size=4, on_error="report", mask=True))
    data, mask, errors = (all_of(reported, name) for name in ("data", "data_mask", "error"))
    np.testing.assert_array_equal(data[good], wanted)
    assert np.isnan(data[[2, 5, 7]]).all() and not mask[[2, 5, 7]].any()
    assert [i for i, error in enumerate(errors) if error] == [2, 5, 7] and "absent.tif" in errors[2] and "damaged.tif" in errors[5]
    broken = pa.Table.from_pylist([rows[2]] * 3)
    assert list(geoquilt.batches(broken, on_error="skip")) == []


def test_slices_series_and_labels_are_those_of_the_scalars(con, scenes, tmp_path):
    con.register("scenes", pa.table({"id": np.arange(5), "path": [scenes[i % 3] for i in range(5)], "x": 500000.0 + 100 * np.arange(5)}))
    rows = con.execute("""
        SELECT id, [path, path] AS files, [TIMESTAMP '2020-01-01', TIMESTAMP '2020-02-01'] AS instants,
               geo_slice({xmin: x, ymin: 4598800, xmax: x + 600, ymax: 4599500}, 25, 'EPSG:32629') AS place,
               'test/data/small/regions.geojson' AS features, geo_slice({xmin: id, ymin: 0, xmax: 60 + id, ymax: 60}, 5, 'OGC:CRS84') AS cut FROM scenes ORDER BY id""").to_arrow_table()
    reads = {
        "x": geoquilt.read_slice("files", "place", resampling="bilinear", bands=[2]), "s": geoquilt.read_series("files", "instants", "place"),
        "y": geoquilt.rasterize("features", "cut", label_field="class"), "m": geoquilt.read_slice("files", "place", mask=True, fill=-1)}
    given = list(geoquilt.batches(rows, size=2, reads=reads))
    x = scalar(con, rows, "read_slice(files, place, {resampling: 'bilinear', bands: [2], fill: 'nan'}).data", (1, 28, 24))
    s = scalar(con, rows, "read_series(files, instants, place, {fill: 'nan'}).data", (2, 2, 28, 24))
    y = scalar(con, rows, "geo_rasterize(features, cut, {label_field: 'class'}).data", (12, 12), "int64")
    for name, wanted in (("x", x), ("s", s), ("y", y)):
        assert (bits(all_of(given, name)) == bits(wanted)).all(), name
    assert len(np.unique(y)) == 3 and not np.isnan(x).all()
    m, there = all_of(given, "m"), all_of(given, "m_mask")
    np.testing.assert_array_equal(there, ~np.isnan(s[:, 0]))
    np.testing.assert_array_equal(m, np.where(there, s[:, 0], -1))


def test_arrays_are_those_of_the_scalar(con):
    path = str(ROOT / "test/data/small/ocean.zarr")
    rows = pa.table({"id": np.arange(4), "path": [path] * 4, "cut": [{"time": i % 2, "lat": [0, 1], "lon": [i, i + 2]} for i in range(4)]})
    wanted = scalar(con, rows, "read_array(path, 'temp', {isel: {time: cut.time, lat: cut.lat, lon: cut.lon, depth: 0}, fill: 'nan'}).data", (2, 3))
    rows = pa.table({"id": np.arange(4), "path": [path] * 4, "cut": [{"time": i % 2, "lat": [0, 1], "lon": [i, i + 2], "depth": 0} for i in range(4)]})
    read = geoquilt.read_array("path", "temp", isel="cut", mask=True)
    given = list(geoquilt.batches(rows, size=3, reads=read))
    assert (bits(all_of(given)) == bits(wanted)).all()
    np.testing.assert_array_equal(all_of(given, "data_mask"), ~np.isnan(wanted))
    stored = geoquilt.read_array("path", "temp", isel="cut", scaled=False, dtype=None, fill=-999)
    values = all_of(geoquilt.batches(rows, reads=stored))
    assert values.dtype == np.int16 and (values == -999).sum() == np.isnan(wanted).sum()


def test_rows_are_a_relation_a_table_a_stream_a_frame_or_a_file(con, scenes, tmp_path):
    rows = windows(scenes, count=8)
    wanted = all_of(geoquilt.batches(rows))
    con.execute("CREATE TABLE registry AS FROM rows")
    frame = con.table("registry").df()
    pq.write_table(rows, tmp_path / "rows.parquet")
    con.register("frame", frame)
    for given in (con.table("registry"), con.sql("FROM registry WHERE id >= 0 ORDER BY id"), con.sql("FROM frame ORDER BY id"), rows.to_reader(), rows.to_batches()[0],
                  frame, tmp_path / "rows.parquet", str(tmp_path / "rows.parquet"), rows.cast(pa.schema([f.with_type(pa.large_string()) if f.name == "path" else f for f in rows.schema]))):
        np.testing.assert_array_equal(all_of(geoquilt.batches(given)), wanted)
    few = con.sql("FROM registry WHERE id = 30")
    assert all_of(geoquilt.batches(few)).shape[0] == 1


def test_tensors_lie_in_the_memory_that_was_decoded_into(scenes):
    rows = windows(scenes, count=32)
    taken = geoquilt.batches(rows, size=8, mask=True)
    addresses = set()
    for batch in taken:
        data, mask = batch["data"], batch["data_mask"]
        assert data.ctypes.data % 64 == 0 and mask.ctypes.data % 64 == 0
        assert data.flags.c_contiguous and data.flags.writeable and not data.flags.owndata
        held = data
        while isinstance(held, np.ndarray):
            held = held.base
        # The address is that of the C interface's buffer: nothing was copied on the way.
        assert held.__array_interface__["data"][0] == data.ctypes.data == _address(held._held.array, 1)
        addresses.add(data.ctypes.data)
        data += 1
    keep = batch["data"]
    before = keep.copy()
    del batch, data, mask, held, taken
    gc.collect()
    list(geoquilt.batches(rows, size=8))
    np.testing.assert_array_equal(keep, before)


def _address(array, column):
    return array.children[column].contents.children[0].contents.buffers[1]


def test_memory_of_batches_is_taken_again(scenes):
    rows = windows(scenes * 1, count=400, side=64)
    addresses = [batch["data"].ctypes.data for batch in geoquilt.batches(rows, size=4, threads=1, prefetch_mb=1)]
    assert len(addresses) == 100 and len(set(addresses)) < 20


def test_both_doors_are_one_library_with_one_block_cache(con, tmp_path):
    path = scene(tmp_path, "fresh.tif", tiled=True, blockxsize=32, blockysize=32)
    rows = windows([path], count=12)
    counters = lambda: con.execute("SELECT hits, misses, opened FROM geoquilt_cache()").fetchall()[0]  # noqa: E731
    before = counters()
    through_door = all_of(geoquilt.batches(rows, size=12))
    after_door = counters()
    assert after_door[1] > before[1]
    through_sql = scalar(con, rows, f"read_patch(path, win::{WIN}, {{fill: 'nan'}})", (2, SIDE, SIDE))
    after_sql = counters()
    assert after_sql[1:] == after_door[1:] and after_sql[0] > after_door[0]
    assert (bits(through_sql) == bits(through_door)).all()
    # dlopen of the path gives the handle that DuckDB has.
    with open("/proc/self/maps") as maps:
        mapped = {line.split()[0] for line in maps if line.rstrip().endswith(str(pathlib.Path(EXTENSION).resolve())) and " r-xp " in line}
    assert len(mapped) == 1


def test_only_the_two_doors_are_exported():
    names = subprocess.run(["nm", "-D", "--defined-only", EXTENSION], capture_output=True, text=True, check=True).stdout.split()[2::3]
    assert sorted(names) == ["geoquilt_batches", "geoquilt_close", "geoquilt_free", "geoquilt_init_c_api", "geoquilt_interface", "geoquilt_open", "geoquilt_wait"]
    needed = subprocess.run(["objdump", "-p", EXTENSION], capture_output=True, text=True, check=True).stdout
    libraries = {line.split()[1].split(".so")[0] for line in needed.splitlines() if "NEEDED" in line}
    assert libraries <= {"libc", "libm", "libgcc_s", "ld-linux-x86-64", "ld-linux-aarch64"}


def test_the_bounds_are_those_of_the_relations_connection(con, scenes):
    con.execute("SET geoquilt_threads = 3; SET geoquilt_max_chunk_mb = 1; SET memory_limit = '2 GiB'")
    rows = windows(scenes, count=4)
    con.register("rows_of_test", rows)
    limits = geoquilt.batches(con.sql("FROM rows_of_test"))._limits
    assert limits["threads"] == 3 and limits["max_chunk"] == 1 << 20 and limits["memory"] == 2 << 30
    large = rows.to_pylist()[0]
    large["win"] |= dict(height=2000, width=2000)
    con.register("large", pa.Table.from_pylist([large]))
    with pytest.raises(geoquilt.Error, match="geoquilt_max_chunk_mb = 1"):
        geoquilt.batches(con.sql("FROM large"))
    con.execute("SET enable_external_access = false")
    with pytest.raises(geoquilt.Error, match="forbids files"):
        geoquilt.batches(con.sql("SELECT 'a.tif' AS path"))


def test_no_thread_is_left_whoever_lets_go(scenes):
    rows = windows(scenes, count=300, side=64)
    list(geoquilt.batches(rows, size=4))
    gc.collect()
    before = threads()
    for _ in range(5):
        for batch in geoquilt.batches(rows, size=2, threads=6):
            break
        iterator = iter(geoquilt.batches(rows, size=2, threads=6))
        next(iterator)
        del iterator
    with pytest.raises(geoquilt.Error):
        bad = rows.to_pylist()
        bad[150]["path"] = "/nowhere.tif"
        for batch in geoquilt.batches(pa.Table.from_pylist(bad), size=2, threads=6):
            pass
    gc.collect()
    assert threads() == before


def python(code, timeout=60, **env):
    head = f"import sys; sys.path.insert(0, {str(ROOT / 'python')!r})\n"
    return subprocess.run([sys.executable, "-c", head + textwrap.dedent(code)], capture_output=True, text=True, timeout=timeout, env={**os.environ, **env})


ENDLESS = """
import geoquilt, numpy as np, pyarrow as pa, os, signal, threading, time
n = 500_000
wins = pa.StructArray.from_arrays([pa.array(np.arange(n) % 100), pa.array(np.arange(n) % 90), pa.array(np.full(n, 64)), pa.array(np.full(n, 64))], ["row_off", "col_off", "height", "width"])
rows = pa.table({"path": pa.array([PATH]).take(pa.array(np.zeros(n, int))), "win": wins})
"""


def test_ctrl_c_ends_a_pass_at_once(scenes):
    code = f"PATH = {scenes[0]!r}\n" + textwrap.dedent(ENDLESS) + textwrap.dedent("""
        batches = geoquilt.batches(rows, size=64, boundless=True)
        sent = []
        def interrupt():
            time.sleep(1)
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt).start()
        try:
            for batch in batches:
                pass
        except KeyboardInterrupt:
            print("interrupted after", time.monotonic() - sent[0])
    """)
    answer = python(code)
    assert answer.stdout.startswith("interrupted after"), answer.stderr
    assert float(answer.stdout.split()[-1]) < 5


def test_a_program_that_ends_half_way_ends(scenes):
    code = f"PATH = {scenes[0]!r}\n" + textwrap.dedent(ENDLESS) + "kept = iter(geoquilt.batches(rows, size=64, boundless=True)); next(kept); print('done')"
    answer = python(code)
    assert (answer.returncode, answer.stdout.strip()) == (0, "done"), answer.stderr


@pytest.mark.alone
def test_no_more_than_the_bound_waits_for_a_slow_program(scenes):
    code = f"PATH = {scenes[0]!r}\n" + textwrap.dedent(ENDLESS) + textwrap.dedent("""
        import resource
        taken = iter(geoquilt.batches(rows, size=256, boundless=True, prefetch_mb=32, threads=2))
        next(taken)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(8):
            time.sleep(0.2)
            next(taken)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
    """)
    answer = python(code)
    # 8 MiB a batch, of which four may wait, two are in work and one is looked at.
    assert float(answer.stdout) < 120, answer.stderr


def test_a_forked_process_says_how_workers_begin(scenes):
    code = f"""
        import geoquilt, os, pyarrow as pa
        rows = pa.table({{"path": [{scenes[0]!r}], "win": [dict(row_off=0, col_off=0, height=4, width=4)]}})
        batches = geoquilt.batches(rows)
        list(batches)
        child = os.fork()
        if child == 0:
            try:
                list(batches)
            except geoquilt.Error as error:
                print(error, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print(len(list(batches)))
    """
    answer = python(code)
    assert 'multiprocessing_context="spawn"' in answer.stdout and answer.stdout.endswith("1\n"), answer.stderr


def test_batches_go_to_a_spawned_process_by_pickle(scenes):
    batches = geoquilt.batches(windows(scenes, count=8), size=3, shuffle="global")
    wanted = all_of(batches)
    again = pickle.loads(pickle.dumps(geoquilt.batches(windows(scenes, count=8), size=3, shuffle="global")))
    np.testing.assert_array_equal(all_of(again), wanted)


BAD = [
    ("there is no column elsewhere", lambda r: geoquilt.batches(r, reads=geoquilt.read_patch("elsewhere"))),
    ("read_patch.rows.: a registry has columns path VARCHAR and win", lambda r: geoquilt.batches(r.drop(["win"]))),
    ("a registry has columns path VARCHAR and win", lambda r: geoquilt.batches(r.set_column(1, "path", pa.array(range(len(r)))))),
    ("row 1: .*without a path or a win", lambda r: list(geoquilt.batches(pa.Table.from_pylist([r.to_pylist()[0], {**r.to_pylist()[1], "win": None}])))),
    ("a registry has a column paths", lambda r: geoquilt.batches(r.drop(["path"]), reads=geoquilt.read_slice())),
    ("read_patch.options.: .*resampling", lambda r: geoquilt.batches(r, resampling="bilinear")),
    ("Band|band", lambda r: geoquilt.batches(r, bands=[9])),
    ("on_error.: \"ignore\"", lambda r: geoquilt.batches(r, on_error="ignore")),
    ("is not a pixel type", lambda r: geoquilt.batches(r, dtype="int3")),
    ("is no rows", lambda r: geoquilt.batches(42)),
    ("is not a Parquet file", lambda r: geoquilt.batches("rows.csv")),
    ("URL", lambda r: list(geoquilt.batches(pa.Table.from_pylist([{**r.to_pylist()[0], "path": "https://nowhere.invalid/a.tif"}])))),
]


@pytest.mark.parametrize("said, make", BAD, ids=[said for said, _ in BAD])
def test_what_cannot_be_is_told(scenes, said, make):
    with pytest.raises(geoquilt.Error, match=said):
        make(windows(scenes, count=4))


@pytest.mark.parametrize("said, options", [
    ("size", dict(size=0)), ("shuffle", dict(shuffle="some")), ("rank", dict(rank=2, world_size=2)), ("held", dict(held=0)), ("even", dict(even="up")),
    ("4 ranks share 3 rows|ranks share", dict(world_size=8)), ("ranks share", dict(world_size=2, size=4, drop_last=True)),
])
def test_an_order_that_cannot_be_is_told(scenes, said, options):
    with pytest.raises(ValueError, match=said):
        list(geoquilt.batches(windows(scenes, count=3), **options))


def test_a_closed_connection_is_told(scenes):
    con = connect()
    con.execute("CREATE TABLE registry AS SELECT 'a.tif' AS path")
    relation = con.table("registry")
    con.close()
    with pytest.raises(geoquilt.Error, match="the rows could not be had"):
        geoquilt.batches(relation)


def test_each_epoch_is_a_shuffle_of_its_own_and_the_same_again(scenes):
    rows = windows(scenes, count=60)
    wanted = all_of(geoquilt.batches(rows))
    for shuffle in ("blocks", "global"):
        batches = geoquilt.batches(rows, size=8, shuffle=shuffle, seed=3)
        epochs = [[b.row.tolist() for b in batches] for _ in range(2)]
        assert epochs[0] != epochs[1] and all(sorted(sum(epoch, [])) == list(range(60)) for epoch in epochs)
        batches.set_epoch(0)
        assert [b.row.tolist() for b in batches] == epochs[0]
        batches.set_epoch(1)
        for batch in batches:
            np.testing.assert_array_equal(batch["data"], wanted[batch.row])


def test_blocks_hold_so_many_files_and_one_is_a_file_a_batch(scenes):
    files = np.repeat(np.arange(20), 16)
    one = Order(16, shuffle="blocks", held=1).rows(files, 0)[0]
    assert all(len(np.unique(files[one[at : at + 16]])) == 1 for at in range(0, 320, 16)) and one.tolist() != sorted(one)
    four = Order(16, shuffle="blocks", held=4).rows(files, 0)[0]
    assert all(len(np.unique(files[four[at : at + 64]])) == 4 for at in range(0, 320, 64))
    quality = [mixing(files, Order(16, shuffle="blocks", held=held).rows(files, 0)[0], 16) for held in (1, 2, 4, 20)]
    assert quality[0] == 0 and quality == sorted(quality) and quality[3] > 0.95
    assert mixing(files, Order(16, shuffle="global").rows(files, 0)[0], 16) > 0.95 and mixing(files, np.arange(320), 16) == 0


@pytest.mark.parametrize("even, drop_last", [("drop", False), ("pad", False), ("drop", True), ("pad", True)])
def test_ranks_share_rows_in_as_many_batches(even, drop_last):
    files = np.arange(50) // 7
    for world in (2, 3, 4):
        shares = [Order(4, drop_last, "global", 1, rank=rank, world_size=world, even=even).rows(files, 5) for rank in range(world)]
        assert len({len(rows) for rows, _ in shares}) == 1
        rows = np.concatenate([rows for rows, _ in shares])
        marked = np.concatenate([marks for _, marks in shares])
        own = rows[~marked]
        assert len(np.unique(own)) == len(own)
        if even == "pad" and not drop_last:
            assert sorted(own) == list(range(50)) and marked.sum() < world
        if even == "drop":
            assert not marked.any() and len(own) > 50 - world * (4 if drop_last else 1)


def test_repeated_rows_are_marked(scenes):
    rows = windows(scenes, count=7)
    given = [list(geoquilt.batches(rows, size=2, rank=rank, world_size=2, even="pad")) for rank in range(2)]
    assert [[b.row.tolist() for b in share] for share in given] == [[[0, 1], [2, 3]], [[4, 5], [6, 0]]]
    assert [b["repeated"].tolist() for b in given[1]] == [[False, False], [False, True]]


@pytest.mark.parametrize("shuffle", [None, "blocks", "global"])
def test_a_pass_goes_on_where_its_state_was_saved(scenes, tmp_path, shuffle):
    rows = windows(scenes, count=50)
    make = lambda: geoquilt.batches(rows, size=6, shuffle=shuffle, seed=9, on_error="skip")  # noqa: E731
    whole, begun = make(), make()
    first, second = ([(b.row.tolist(), b["data"].copy()) for b in whole] for _ in range(2))
    iterator = iter(begun)
    for _ in range(4):
        next(iterator)
    state = pickle.loads(pickle.dumps(begun.state_dict()))
    del iterator
    resumed = make()
    resumed.load_state_dict(state)
    for wanted in (first[4:], second):
        given = [(b.row.tolist(), b["data"]) for b in resumed]
        assert [rows for rows, _ in given] == [rows for rows, _ in wanted]
        assert all((bits(a) == bits(b)).all() for (_, a), (_, b) in zip(given, wanted))
    with pytest.raises(geoquilt.Error, match="the rows are not those"):
        geoquilt.batches(rows.slice(1), size=6, shuffle=shuffle, seed=9).load_state_dict(state)
    with pytest.raises(geoquilt.Error, match="size was 6 and is 5"):
        geoquilt.batches(rows, size=5, shuffle=shuffle, seed=9, on_error="skip").load_state_dict(state)


def test_the_position_counts_batches_that_were_left_out(scenes):
    rows = windows(scenes, count=30).to_pylist()
    for i in [*range(6, 12), 13]:
        rows[i]["path"] = "/nowhere.tif"
    table = pa.Table.from_pylist(rows)
    make = lambda: geoquilt.batches(table, size=6, on_error="skip")  # noqa: E731
    wanted = [b.row.tolist() for b in make()]
    begun = make()
    iterator = iter(begun)
    next(iterator), next(iterator)
    resumed = make()
    resumed.load_state_dict(begun.state_dict())
    assert [b.row.tolist() for b in resumed] == wanted[2:]
