"""COPY ... (FORMAT geotiff) read back by rasterio, and by geoquilt itself; whole or not at all."""
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pyarrow as pa
import pytest
import rasterio
from conftest import EXTENSION, OPEN_EXTENSION, connect, run_python
from rasterio.transform import Affine, from_origin

TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
TRANSFORM = "[500000, 10, 0, 4600000, 0, -10]::DOUBLE[]"
ONE = f"SELECT [1, 2, 3, 4, 5, 6]::SMALLINT[] AS data, [1, 2, 3] AS shape, {TRANSFORM} AS transform, 'EPSG:32629' AS crs"


def canvas(con, data, nulls=None, transform=(500000, 10, 0, 4600000, 0, -10), crs="EPSG:32629"):
    """A view `canvas` of one row, as a read gives it."""
    values = pa.array(data.ravel(), mask=None if nulls is None else nulls.ravel())
    columns = {"data": pa.ListArray.from_arrays([0, data.size], values), "shape": pa.array([list(data.shape)], pa.list_(pa.int32())),
               "transform": pa.array([transform], pa.list_(pa.float64())), "crs": pa.array([crs], pa.string())}
    con.register("canvas", pa.table(columns))


def random(rng, dtype, shape):
    if dtype.startswith("float"):
        return rng.normal(0, 1000, shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def left(folder):
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("compress", ["deflate", "lzw", "none"])
@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_comes_back_from_every_compression(con, rng, tmp_path, dtype, compress):
    data = random(rng, dtype, (3, 70, 130))
    canvas(con, data)
    path = tmp_path / "x.tif"
    assert con.execute(f"COPY (FROM canvas) TO '{path}' (FORMAT geotiff, COMPRESS {compress}, BLOCKSIZE 64, BANDS ['red', 'green', 'blue'])").fetchone() == (1,)
    with rasterio.open(path) as src:
        np.testing.assert_array_equal(src.read(), data)
        assert (src.dtypes, src.descriptions) == ((dtype,) * 3, ("red", "green", "blue"))
        assert (src.transform, src.crs) == (from_origin(500000, 4600000, 10, 10), "EPSG:32629")
        assert src.profile["blockxsize"] == src.profile["blockysize"] == 64 and src.profile["tiled"]
        assert src.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert src.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "NONE").lower() == compress
        want = {"none": None}.get(compress, "3" if dtype.startswith("float") else "2")
        assert src.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR") == want
        assert src.nodata is None or np.isnan(src.nodata) and dtype.startswith("float")
        assert src.overviews(1) == [2, 4]
    got, shape = con.execute(f"SELECT data, shape FROM read_patch('{path}', size := [70, 130])").fetchone()
    np.testing.assert_array_equal(np.array(got, dtype).reshape(shape), data)
    assert left(tmp_path) == ["x.tif"]


@pytest.mark.parametrize("dtype", TYPES)
def test_null_is_nodata(con, rng, tmp_path, dtype):
    data, nulls = random(rng, dtype, (2, 50, 60)), rng.random((2, 50, 60)) < 0.3
    nodata = "-9999.5" if dtype.startswith("float") else str(np.iinfo(dtype).max)
    data[data == np.array(nodata.split(".")[0], dtype)] = 0
    canvas(con, data, nulls)
    path = tmp_path / "x.tif"
    if dtype.startswith("float"):
        con.execute(f"COPY (FROM canvas) TO '{path}'")
        with rasterio.open(path) as src:
            assert np.isnan(src.nodata)
            np.testing.assert_array_equal(src.read(), np.where(nulls, np.nan, data))
    else:
        with pytest.raises(Exception, match=rf"geotiff\(NODATA\): a pixel is NULL, and no value of {dtype} stands for that\nName one that no pixel has, for example NODATA -?\d+"):
            con.execute(f"COPY (FROM canvas) TO '{path}'")
        assert left(tmp_path) == []
    con.execute(f"COPY (FROM canvas) TO '{path}' (NODATA {nodata})")
    with rasterio.open(path) as src:
        np.testing.assert_array_equal(src.read(masked=True).mask, nulls)
        np.testing.assert_array_equal(src.read()[~nulls], data[~nulls])
        assert (src.read()[nulls] == np.array(float(nodata) if "." in nodata else int(nodata)).astype(dtype)).all()
    got = con.execute(f"SELECT data FROM read_patch('{path}', size := [50, 60])").fetchone()[0]
    assert [value is None for value in got] == nulls.ravel().tolist()


def test_overviews_are_means_of_floats_and_pixels_of_whole_numbers(con, rng, tmp_path):
    data = rng.normal(0, 1, (1, 1024, 1024)).astype("float32")
    canvas(con, data)
    con.execute(f"COPY (FROM canvas) TO '{tmp_path}/mean.tif'")
    canvas(con, (data * 100).astype("int32"))
    con.execute(f"COPY (FROM canvas) TO '{tmp_path}/pick.tif'")
    halves = data[0].reshape(512, 2, 512, 2).mean((1, 3))
    with rasterio.open(tmp_path / "mean.tif", overview_level=0) as src:
        np.testing.assert_allclose(src.read(1), halves, atol=1e-6)
    with rasterio.open(tmp_path / "pick.tif", overview_level=0) as src:
        blocks = (data * 100).astype("int32")[0].reshape(512, 2, 512, 2)
        assert (src.read(1)[:, None, :, None] == blocks).any((1, 3)).all()


def test_no_place_on_the_map(con, rng, tmp_path):
    data = random(rng, "uint8", (1, 20, 30))
    canvas(con, data, transform=None, crs=None)
    for columns in ("data, shape", "data, shape, transform", "data, shape, transform, crs", "data, shape[2:]", "{data: data, shape: shape, transform: transform, crs: crs}",
                    "{crs: crs, shape: shape, data: data}", "data, shape, NULL, NULL"):
        con.execute(f"COPY (SELECT {columns} FROM canvas) TO '{tmp_path}/x.tif'")
        with rasterio.open(tmp_path / "x.tif") as src:
            np.testing.assert_array_equal(src.read(), data)
            assert src.transform == Affine.identity() and src.crs is None
    assert left(tmp_path) == ["x.tif"]


@pytest.mark.parametrize("crs", ["EPSG:3035", "OGC:CRS84", "EPSG:4326", "ESRI:54009"])
def test_crs_and_transform_come_back(con, rng, tmp_path, crs):
    data = random(rng, "int16", (1, 20, 30))
    canvas(con, data, transform=(10.5, 0.25, 0, 47.125, 0, -0.5), crs=crs)
    con.execute(f"COPY (FROM canvas) TO '{tmp_path}/x.tif'")
    with rasterio.open(tmp_path / "x.tif") as src:
        assert src.transform == Affine.from_gdal(10.5, 0.25, 0, 47.125, 0, -0.5)
        assert src.crs == rasterio.crs.CRS.from_user_input("EPSG:4326" if crs == "OGC:CRS84" else crs)
    got = con.execute(f"SELECT transform FROM read_patch('{tmp_path}/x.tif', size := [20, 30])").fetchone()[0]
    assert got == [10.5, 0.25, 0, 47.125, 0, -0.5]


def test_a_slice_goes_to_a_file_as_it_is(con, raster, rng, tmp_path):
    path = raster("in.tif", rng.normal(0, 1, (2, 100, 100)).astype("float32"))
    sql = f"SELECT read_slice('{path}', geo_slice({{xmin: 500100, ymin: 4599200, xmax: 500900, ymax: 4599900}}, 10, 'EPSG:32629')) AS r"
    con.execute(f"COPY ({sql}) TO '{tmp_path}/out.tiff'")
    with rasterio.open(path) as src, rasterio.open(tmp_path / "out.tiff") as out:
        assert out.transform == from_origin(500100, 4599900, 10, 10) and out.shape == (70, 80)
        np.testing.assert_array_equal(out.read(), src.read()[:, 10:80, 10:90])


@pytest.mark.parametrize("ending", ["tif", "tiff", "TIF", "Tiff"])
def test_the_ending_is_the_format(con, tmp_path, ending):
    con.execute(f"COPY ({ONE}) TO '{tmp_path}/x.{ending}'")
    with rasterio.open(tmp_path / f"x.{ending}") as src:
        assert src.read(1).tolist() == [[1, 2, 3], [4, 5, 6]]


def test_options_of_duckdb_itself(con, tmp_path):
    for options in ("USE_TMP_FILE false", "USE_TMP_FILE true", "RETURN_FILES true", "WRITE_EMPTY_FILE true"):
        rows = con.execute(f"COPY ({ONE}) TO '{tmp_path}/x.tif' ({options})").fetchall()
        assert rows[0][0] == 1 and left(tmp_path) == ["x.tif"]
    con.execute(f"COPY (SELECT data, shape, transform, crs, i AS part FROM ({ONE}), range(3) t(i)) TO '{tmp_path}/parts' (FORMAT geotiff, PARTITION_BY part)")
    parts = [os.path.join(folder, name) for folder, _, names in os.walk(tmp_path / "parts") for name in names]
    assert len(parts) == 3
    for part in parts:
        with rasterio.open(part) as src:
            assert src.read(1).tolist() == [[1, 2, 3], [4, 5, 6]]


def test_prepared_parameters(con, tmp_path):
    con.execute(f"COPY (SELECT ?::UTINYINT[], [1, 1, 2]) TO '{tmp_path}/x.tif'", [[7, 9]])
    with rasterio.open(tmp_path / "x.tif") as src:
        assert src.read().ravel().tolist() == [7, 9]


BAD = [
    ("SELECT [1, 2, 3]::FLOAT[], [1, 2, 2]", "", "geotiff(data): 3 values for the shape [1, 2, 2]"),
    ("SELECT [1, 2]::FLOAT[], [2]", "", "geotiff(shape): [2] is not valid: must be [bands, rows, columns]"),
    ("SELECT [1, 2]::FLOAT[], NULL::INTEGER[]", "", "geotiff(shape): NULL is not valid"),
    ("SELECT NULL::FLOAT[], [1, 1]", "", "geotiff(data): NULL is not valid"),
    ("SELECT []::FLOAT[], [0, 4, 4]", "", "at least one pixel"),
    ("SELECT [1]::FLOAT[], [1000000, 1000000]", "", "1 values for the shape"),
    ("SELECT ['a'], [1, 1]", "", "the query gives VARCHAR[], INTEGER[]\nGive a list of numbers"),
    ("SELECT [1]::FLOAT[]", "", "the query gives FLOAT[]\nGive"),
    ("SELECT 1, 2, 3, 4, 5", "", "the query gives INTEGER, INTEGER"),
    ("SELECT {data: [1], form: [1, 1]}", "", "\"form\" is not a field of a canvas\n"),
    (f"{ONE} UNION ALL {ONE}", "", "the query has a second row\nOne file takes one canvas"),
    (f"FROM ({ONE}) WHERE false", "", "the query has no row\nOne file takes one canvas"),
    ("SELECT [1]::FLOAT[], [1, 1], [0, 1, 0, 0, 0]::DOUBLE[]", "", "geotiff(transform): [0.0, 1.0, 0.0, 0.0, 0.0] is not valid"),
    ("SELECT [1]::FLOAT[], [1, 1], 'x'", "", "geotiff(transform): \"x\" is not valid"),
    (f"SELECT [1]::FLOAT[], [1, 1], {TRANSFORM}, 'EPSG:1'", "", "geotiff(crs): \"EPSG:1\" is not a coordinate reference system"),
    (f"SELECT [1]::FLOAT[], [1, 1], {TRANSFORM}, 4326", "", "geotiff(crs): 4326 is not valid: must be text"),
    (ONE, "COMPRES 'lzw'", "\"COMPRES\" is not an option\nDid you mean \"COMPRESS\"? One of: CANVAS, TEMPLATE, "),
    (ONE, "COMPRESS 'zip'", "geotiff(COMPRESS): \"zip\" is not a compression\nOne of: deflate, lzw, none"),
    (ONE, "BLOCKSIZE 100", "geotiff(BLOCKSIZE): 100 is not valid: must be a multiple of 16"),
    (ONE, "BLOCKSIZE", "geotiff(BLOCKSIZE): NULL is not valid"),
    (ONE, "BANDS ['a', 'b']", "2 names for 1 bands"),
    (ONE, "NODATA 99999", "geotiff(NODATA): 99999 is not valid: must be a value that pixels of int16 can have"),
    (ONE, "NODATA 0.5", "geotiff(NODATA): 0.5 is not valid"),
    (ONE, "NODATA 'nan'", "geotiff(NODATA): NaN is not valid"),
    (ONE, "NODATA 'none'", "geotiff(NODATA): \"none\" is not valid: must be a number, or 'nan'"),
]


@pytest.mark.parametrize("sql, options, words", BAD)
def test_bad_input_is_named_and_leaves_what_was_there(con, tmp_path, sql, options, words):
    path = tmp_path / "x.tif"
    options = f"(FORMAT geotiff{', ' if options else ''}{options})"
    for before in (None, b"old"):
        if before:
            path.write_bytes(before)
        with pytest.raises(Exception) as error:
            con.execute(f"COPY ({sql}) TO '{path}' {options}")
        assert words in str(error.value) and "geotiff" in str(error.value)
        assert left(tmp_path) == (["x.tif"] if before else [])
        assert not before or path.read_bytes() == before


def test_targets_that_can_not_be(con, tmp_path):
    (tmp_path / "folder.tif").mkdir()
    for target, words in ((tmp_path / "folder.tif", "it is a directory"), (tmp_path / "none/x.tif", "none\" does not exist"),
                          ("/dev/null", "\"/dev/null\": it is not a regular file"), ("/proc/x.tif", "cannot write \"/proc/x.tif\"")):
        with pytest.raises(Exception, match=words):
            con.execute(f"COPY ({ONE}) TO '{target}' (FORMAT geotiff)")
    assert left(tmp_path) == ["folder.tif"] and left(tmp_path / "folder.tif") == []
    with pytest.raises(Exception, match="(?i)url|httpfs|extension"):
        con.execute(f"COPY ({ONE}) TO 's3://bucket/x.tif'")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder(con, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    with pytest.raises(Exception, match="cannot write .*x.tif.*[Pp]ermission denied"):
        con.execute(f"COPY ({ONE}) TO '{folder}/x.tif'")


def test_external_access_is_duckdbs_to_give(tmp_path):
    con = connect()
    con.execute(f"SET allowed_directories = ['{tmp_path}/in']; SET enable_external_access = false")
    (tmp_path / "in").mkdir()
    con.execute(f"COPY ({ONE}) TO '{tmp_path}/in/x.tif'")
    with pytest.raises(Exception, match="(?i)permission"):
        con.execute(f"COPY ({ONE}) TO '{tmp_path}/x.tif'")
    assert left(tmp_path) == ["in"] and left(tmp_path / "in") == ["x.tif"]


@pytest.mark.parametrize("options", ["", "(USE_TMP_FILE false)"])
def test_an_error_late_in_the_query_leaves_the_old_file(con, tmp_path, options):
    path = tmp_path / "x.tif"
    con.execute(f"COPY ({ONE}) TO '{path}'")
    before = path.read_bytes()
    late = f"SELECT * FROM ({ONE}) UNION ALL SELECT if(i = 90000, error('late'), [i])::SMALLINT[], [1, 1], NULL, NULL FROM range(100000) t(i) WHERE i > 80000"
    with pytest.raises(Exception, match="late|second row"):
        con.execute(f"COPY ({late}) TO '{path}' {options}")
    assert path.read_bytes() == before and left(tmp_path) == ["x.tif"]


@pytest.mark.parametrize("old", [False, True])
def test_an_interrupt_leaves_the_old_file_or_none(con, tmp_path, old):
    path = tmp_path / "x.tif"
    if old:
        con.execute(f"COPY ({ONE}) TO '{path}'")
        before = path.read_bytes()
    slow = "SELECT [sum(hash(i, j) % 7)]::SMALLINT[], [1, 1] FROM range(1000000) t(i), range(1000000) s(j)"
    threading.Timer(0.5, con.interrupt).start()
    with pytest.raises(Exception, match="(?i)interrupt"):
        con.execute(f"COPY ({slow}) TO '{path}'")
    assert left(tmp_path) == (["x.tif"] if old else [])
    assert not old or path.read_bytes() == before


def test_a_killed_process_leaves_nothing_after_the_next_copy(tmp_path):
    code = OPEN_EXTENSION + f"""
import threading, os, time
threading.Timer(1.0, lambda: os.kill(os.getpid(), 9)).start()
con.execute("COPY (SELECT [sum(hash(i, j) % 7)]::SMALLINT[], [1, 1] FROM range(1000000) t(i), range(1000000) s(j)) TO '{tmp_path}/x.tif'")
"""
    assert run_python(code).returncode == -9
    assert "x.tif" not in left(tmp_path) and len(left(tmp_path)) == 1
    con = connect()
    con.execute(f"COPY ({ONE}) TO '{tmp_path}/x.tif'")
    assert left(tmp_path) == ["x.tif"]


LITTER = {
    "new": ("x.tif", "", None),
    "old": ("x.tif", "", "x.tif"),
    "old_without_a_temporary_file": ("x.tif", "(USE_TMP_FILE false)", "x.tif"),
    "a_file_a_row": ("{name}.tif", "", None),
    "partitions": ("parts", "(FORMAT geotiff, PARTITION_BY (name), OVERWRITE_OR_IGNORE)", None),
    "files_of_their_own_names": ("parts", "(FORMAT geotiff, PARTITION_BY (name), FILENAME_PATTERN 'a_{uuid}', OVERWRITE_OR_IGNORE)", None),
    "files_of_threads": ("parts", "(FORMAT geotiff, PER_THREAD_OUTPUT, OVERWRITE_OR_IGNORE)", None),
    "a_link": ("link.tif", "", "link.tif"),
    "patches": ("x.tif", "(FORMAT geotiff, CANVAS [4000, 4000])", None),
}


@pytest.mark.parametrize("kind", list(LITTER))
def test_no_litter_is_left_after_the_next_copy_whatever_the_target(tmp_path, kind):
    target, options, old = LITTER[kind]
    if kind == "a_link":
        os.symlink(tmp_path / "real.tif", tmp_path / "link.tif")
        connect().execute(f"COPY ({ONE}) TO '{tmp_path}/real.tif'")
    elif old:
        connect().execute(f"COPY ({ONE}) TO '{tmp_path}/{old}'")
    pixels = "(SELECT list((hash(i) % 65521)::FLOAT) AS data FROM range({n}) t(i))"
    sized = lambda side: {"patches": f"SELECT data, {{row_off: 0, col_off: 0, height: {side}, width: {side}}} AS win FROM {pixels.format(n=side * side)}",
                          "a_file_a_row": f"SELECT {{data: data, shape: [1, {side}, {side}], name: 'a'}} FROM {pixels.format(n=side * side)}"}.get(
        kind, f"SELECT data, [1, {side}, {side}] AS shape" + (", 'a' AS name" if "PARTITION_BY" in options else "") + f" FROM {pixels.format(n=side * side)}")
    code = OPEN_EXTENSION + f"con.execute(\"COPY ({sized(4000)}) TO '{tmp_path}/{target}' {options}\")"
    writer = subprocess.Popen([sys.executable, "-c", f"EXTENSION = {EXTENSION!r}\n" + code])
    litter = lambda: [name for _, folders, files in os.walk(tmp_path) for name in folders + files if "geoquilt" in name or name.startswith("tmp_")]
    until = time.monotonic() + 60
    while not litter() and writer.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(0.1)
    writer.kill()
    assert writer.wait() == -9 and litter(), "it was killed while it wrote"
    connect().execute(f"COPY ({sized(4)}) TO '{tmp_path}/{target}' {options.replace('4000', '4')}")
    assert litter() == [], left(tmp_path)


def test_a_link_to_what_is_not_there_yet_is_followed_as_duckdbs_own_formats_do(con, tmp_path):
    os.symlink("real.tif", tmp_path / "link.tif")
    os.symlink(tmp_path / "link.tif", tmp_path / "longer.tif")
    con.execute(f"COPY ({ONE}) TO '{tmp_path}/longer.tif'")
    assert left(tmp_path) == ["link.tif", "longer.tif", "real.tif"] and os.path.islink(tmp_path / "longer.tif") and os.path.islink(tmp_path / "link.tif")
    with rasterio.open(tmp_path / "real.tif") as src:
        assert src.read().ravel().tolist() == [1, 2, 3, 4, 5, 6]
    os.symlink(tmp_path / "none" / "x.tif", tmp_path / "nowhere.tif")
    os.symlink(tmp_path / "round.tif", tmp_path / "round.tif")
    for name, words in (("nowhere", "does not exist"), ("round", "leads back to itself")):
        with pytest.raises(Exception, match=words) as error:
            con.execute(f"COPY ({ONE}) TO '{tmp_path}/{name}.tif'")
        assert f"{tmp_path}/{name}.tif" in str(error.value)
        assert os.path.islink(tmp_path / f"{name}.tif")


def test_an_error_names_the_target_and_not_what_stands_for_it_meanwhile(con, tmp_path):
    with pytest.raises(Exception, match='cannot write "/proc/self/mem"'):
        con.execute(f"COPY ({ONE}) TO '/proc/self/mem' (FORMAT geotiff)")


def test_a_file_that_the_disk_does_not_take_leaves_nothing(tmp_path):
    code = OPEN_EXTENSION + f"""
import os, resource, signal
con.execute("CREATE TABLE t AS SELECT list((hash(i) % 4294967296)::UINTEGER) AS data, [1, 500, 1000] AS shape FROM range(500000) t(i)")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
for old in (False, True):
    if old:
        open('{tmp_path}/x.tif', 'w').write('old')
    try:
        con.execute("COPY (FROM t) TO '{tmp_path}/x.tif'")
        print('written')
    except Exception as error:
        print('cannot write' in str(error), os.listdir('{tmp_path}'), old and open('{tmp_path}/x.tif').read())
"""
    done = run_python(code)
    assert done.stdout.splitlines() == ["True [] False", "True ['x.tif'] old"], done.stdout + done.stderr


def test_of_two_copies_to_one_file_one_wins_whole(tmp_path):
    path = tmp_path / "x.tif"
    errors = []

    def write(value):
        con = connect()
        for _ in range(10):
            try:
                con.execute(f"COPY (SELECT list({value}::SMALLINT), [1, 200, 300] FROM range(60000)) TO '{path}'")
            except Exception as error:
                errors.append(str(error))
        con.close()

    threads = [threading.Thread(target=write, args=(value,)) for value in (1, 2)]
    [thread.start() for thread in threads]
    while any(thread.is_alive() for thread in threads):
        if path.exists():
            with rasterio.open(path) as src:
                assert len(set(src.read().ravel().tolist())) == 1
        time.sleep(0.01)
    [thread.join() for thread in threads]
    with rasterio.open(path) as src:
        assert src.read().min() == src.read().max()
    assert left(tmp_path) == ["x.tif"]


def test_a_file_that_is_read_by_the_same_query(con, tmp_path):
    path = tmp_path / "x.tif"
    con.execute(f"COPY ({ONE}) TO '{path}'")
    con.execute(f"COPY (SELECT list_transform(data, lambda x: (x * 2)::SMALLINT), shape, transform, crs FROM read_patch('{path}', size := [2, 3])) TO '{path}'")
    with rasterio.open(path) as src:
        assert src.read(1).tolist() == [[2, 4, 6], [8, 10, 12]]
    assert con.execute(f"SELECT data FROM read_patch('{path}', size := [2, 3])").fetchone()[0] == [2, 4, 6, 8, 10, 12]
