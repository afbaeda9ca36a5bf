"""Zarr stores of both versions against zarr-python: types, codecs, orders, fills, shards, folders and zip files, whole and in random hyperslabs."""
import json
import shutil
import zipfile

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from conftest import OPEN_EXTENSION, connect, run_python, sql_list
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec

SHAPE, CHUNKS = (7, 23, 31), (3, 10, 8)
NUMBERS = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"]
RAW = "masked: false, scaled: false"


def values(rng, dtype, shape=SHAPE):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype=dtype.newbyteorder("="), endpoint=True).astype(dtype)
    return rng.normal(0, 100, shape).astype(dtype)


def random_slices(rng, shape):
    slices = []
    for size in shape:
        start = int(rng.integers(size))
        slices.append(slice(start, int(rng.integers(start + 1, size + 1)), int(rng.integers(1, 5))))
    return tuple(slices)


def read_slabs(con, path, variable, dims, slabs):
    """Many hyperslabs by one query: what each reads, as an array."""
    rows = [{dim: {"start": s.start, "stop": s.stop, "step": s.step} for dim, s in zip(dims, slab)} for slab in slabs]
    isel = ", ".join(f"{dim}: r.{dim}" for dim in dims)
    sql = f"SELECT unnest(a) FROM (SELECT read_array($path, $variable, {{isel: {{{isel}}}, {RAW}}}) AS a FROM (SELECT unnest($rows) AS r))"
    batch = con.execute(sql, {"path": str(path), "variable": variable, "rows": rows}).to_arrow_table()
    data, shapes = batch["data"].combine_chunks(), batch["shape"].to_pylist()
    return [row.values.to_numpy(zero_copy_only=False).reshape(shape) for row, shape in zip(data, shapes)]


def check_slabs(con, rng, path, variable, expected, count=40):
    dims = [f"dim_{i}" for i in range(expected.ndim)]
    slabs = [random_slices(rng, expected.shape) for _ in range(count)]
    whole = np.asarray(expected[...])
    if whole.dtype.kind in "iu" and (whole.astype("float32").astype(object) != whole.astype(object)).any():
        # Read whole by the streaming form; the scalar's FLOAT would change them.
        with pytest.raises(Exception, match="which FLOAT cannot hold exactly"):
            read_slabs(con, path, variable, dims, [tuple(slice(0, size, 1) for size in expected.shape)])
        return
    for slab, ours in zip(slabs, read_slabs(con, path, variable, dims, slabs), strict=True):
        np.testing.assert_array_equal(ours, np.asarray(expected[slab]).astype("float32"), err_msg=f"{path} {slab}")


def read_whole(con, path, variable, **options):
    """The array by the streaming form, in its own type."""
    named = "".join(f", {k} := {v}" for k, v in options.items())
    rows = con.execute(f"SELECT data, shape FROM read_array('{path}', '{variable}', masked := false, scaled := false{named})").to_arrow_table()
    shape = rows["shape"][0].as_py()
    return np.stack([row.values.to_numpy(zero_copy_only=False).reshape(shape) for row in rows["data"].combine_chunks()])


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_every_type_of_number(con, rng, tmp_path, dtype, zarr_format):
    data = values(rng, dtype)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    group.create_array("v", shape=data.shape, chunks=CHUNKS, dtype=data.dtype)[...] = data
    check_slabs(con, rng, tmp_path / "a.zarr", "v", data)
    ours = read_whole(con, tmp_path / "a.zarr", "v")
    np.testing.assert_array_equal(ours, data.astype({"bool": "uint8", "float16": "float32"}.get(dtype, dtype)))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [">i2", ">u4", ">i8", ">f4", ">f8", "<f4"])
def test_version_2_in_either_order_of_bytes_and_axes(con, rng, tmp_path, dtype, order):
    data = values(rng, dtype)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("v", shape=data.shape, chunks=CHUNKS, dtype=data.dtype, order=order)[...] = data
    document = json.loads((tmp_path / "a.zarr/v/.zarray").read_text())
    assert document["order"] == order and document["dtype"] == dtype
    check_slabs(con, rng, tmp_path / "a.zarr", "v", data)


COMPRESSORS = [None, numcodecs.Zlib(3), numcodecs.GZip(3), numcodecs.BZ2(3), numcodecs.Zstd(3), numcodecs.Zstd(3, checksum=True)] + [
    numcodecs.Blosc(cname, 4, shuffle) for cname in ("blosclz", "lz4", "lz4hc", "zlib", "zstd") for shuffle in (0, 1, 2)]


@pytest.mark.parametrize("compressor", COMPRESSORS, ids=str)
def test_version_2_compressors(con, rng, tmp_path, compressor):
    data = np.round(values(rng, "float32"))
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("v", shape=data.shape, chunks=CHUNKS, dtype=data.dtype, compressors=compressor)[...] = data
    check_slabs(con, rng, tmp_path / "a.zarr", "v", data)


@pytest.mark.parametrize("codec", [numcodecs.LZ4(), numcodecs.LZMA()], ids=["lz4", "lzma"])
def test_a_codec_that_is_not_there_is_named(con, rng, tmp_path, codec):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("v", shape=(4, 4), chunks=(2, 2), dtype="i2", compressors=codec)[...] = 1
    group.create_array("w", shape=(2,), chunks=(2,), dtype="i2")[...] = 7
    with pytest.raises(Exception, match=rf'"v" of ".*a\.zarr".*{codec.codec_id}'):
        con.execute(f"SELECT read_array('{tmp_path}/a.zarr', 'v')")
    assert con.execute(f"SELECT read_array('{tmp_path}/a.zarr', 'w').data").fetchone() == ([7, 7],)


CODECS_3 = {
    "none": dict(compressors=None),
    "gzip": dict(compressors=GzipCodec(level=3)),
    "zstd": dict(compressors=ZstdCodec(level=3, checksum=True)),
    "blosc": dict(compressors=BloscCodec(cname="lz4", shuffle="bitshuffle")),
    "crc32c": dict(compressors=[ZstdCodec(), Crc32cCodec()]),
    "big endian": dict(serializer=BytesCodec(endian="big")),
    "transpose": dict(filters=TransposeCodec(order=(2, 0, 1))),
    "shards": dict(shards=(6, 20, 16)),
    "shards of zstd": dict(shards=(6, 20, 16), compressors=ZstdCodec()),
    "shards, transposed": dict(shards=(6, 20, 16), filters=TransposeCodec(order=(1, 2, 0))),
    "index at the start": dict(chunks=(6, 20, 16), serializer=ShardingCodec(chunk_shape=(3, 10, 8), index_location="start"), compressors=None),
    "slashes": dict(chunk_key_encoding={"name": "v2", "separator": "/"}),
    "dots": dict(chunk_key_encoding={"name": "default", "separator": "."}),
}


@pytest.mark.parametrize("case", CODECS_3)
def test_version_3_codecs_shards_and_keys(con, rng, tmp_path, case):
    data = values(rng, "float64")
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    options = {"chunks": CHUNKS, **CODECS_3[case]}
    group.create_array("v", shape=data.shape, dtype=data.dtype, **options)[...] = data
    check_slabs(con, rng, tmp_path / "a.zarr", "v", data, 100)


def test_thousands_of_hyperslabs_of_four_dimensions(con, rng, tmp_path):
    shape = (5, 4, 37, 41)
    data = values(rng, "int16", shape)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    group.create_array("v", shape=shape, chunks=(2, 1, 8, 9), shards=(4, 2, 24, 27), dtype="int16")[...] = data
    check_slabs(con, rng, tmp_path / "a.zarr", "v", data, 3000)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype,fill", [("int16", -32768), ("uint64", 2**64 - 1), ("float32", np.nan), ("float64", -np.inf), ("float32", 1e20), ("bool", True)])
def test_chunks_that_are_not_there_are_fill(con, tmp_path, dtype, fill, zarr_format):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    array = group.create_array("v", shape=(6, 6), chunks=(2, 3), dtype=dtype, fill_value=fill)
    array[2:4, 3:] = np.ones((2, 3), dtype)
    ours = read_whole(con, tmp_path / "a.zarr", "v")
    np.testing.assert_array_equal(ours, array[...].astype(ours.dtype))


@pytest.mark.parametrize("zarr_format,fill,masked", [(2, 5, True), (2, None, False), (3, 5, False), (3, 0, False)])
def test_the_stores_own_fill_value_masks_as_xarray_has_it(con, tmp_path, zarr_format, fill, masked):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    options = {"attributes": {"_ARRAY_DIMENSIONS": ["x"]}} if zarr_format == 2 else {"dimension_names": ["x"]}
    group.create_array("v", shape=(4,), chunks=(4,), dtype="int16", fill_value=fill, **options)[...] = [0, 5, 6, 7]
    theirs = xr.open_zarr(tmp_path / "a.zarr", consolidated=False)["v"].values.astype("float32")
    ours = con.execute(f"SELECT read_array('{tmp_path}/a.zarr', 'v', {{fill: 'nan'}}).data").fetchone()[0]
    np.testing.assert_array_equal(np.array(ours, "float32"), theirs)
    assert np.isnan(theirs).any() == masked


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_signs_and_missing_values_are_those_of_xarray(con, tmp_path, zarr_format):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    cases = {"unsigned": ("i1", {"_Unsigned": "true"}), "filled": ("i2", {"_Unsigned": "true", "_FillValue": -1, "scale_factor": 0.5}), "signed": ("u1", {"_Unsigned": "false"}), "listed": ("i2", {"missing_value": [1, 100]})}
    for name, (dtype, attributes) in cases.items():
        dims = {"attributes": {"_ARRAY_DIMENSIONS": ["x"], **attributes}} if zarr_format == 2 else {"dimension_names": ["x"], "attributes": attributes}
        group.create_array(name, shape=(5,), chunks=(3,), dtype=dtype, fill_value=None, **dims)[...] = np.array([0, 1, -1, -128, 100]).astype(dtype)
    theirs = xr.open_zarr(tmp_path / "a.zarr", consolidated=False)
    for name in cases:
        ours = con.execute(f"SELECT read_array('{tmp_path}/a.zarr', '{name}', {{fill: 'nan'}}).data").fetchone()[0]
        np.testing.assert_array_equal(np.array(ours, "float32"), theirs[name].values.astype("float32"), err_msg=name)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_numpys_times_are_times(con, tmp_path, zarr_format):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    times = np.array(["2020-01-01", "2020-01-02", "NaT"], "M8[s]")
    for name, values in {"time": times, "v": np.arange(3.0)}.items():
        dims = {"attributes": {"_ARRAY_DIMENSIONS": ["time"]}} if zarr_format == 2 else {"dimension_names": ["time"]}
        group.create_array(name, shape=(3,), chunks=(2,), dtype=values.dtype, **dims)[...] = values
    assert con.execute(f"SELECT read_array('{tmp_path}/a.zarr', 'v').times").fetchone()[0] == times.tolist()[:2] + [None]
    assert con.execute(f"SELECT read_array('{tmp_path}/a.zarr', 'v', {{time: '2020-01-02'}}).data").fetchone()[0] == [1]


def cube(rng, times=6):
    time = xr.date_range("2020-01-01", periods=times, freq="7D")
    lat, lon = np.linspace(60, -60, 13).astype("float32"), np.arange(0, 360, 15.0)
    temp = rng.normal(15, 5, (times, 3, 13, 24))
    temp[0, 0, 3:5, 4:9] = np.nan
    data = xr.Dataset({"temp": (("time", "depth", "lat", "lon"), temp, {"units": "degC"}), "count": (("lat", "lon"), rng.integers(0, 99, (13, 24)))},
                      {"time": time, "depth": ("depth", [5.0, 50.0, 500.0], {"units": "m"}), "lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east"})},
                      {"title": "a cube"})
    data["temp"].encoding = {"dtype": "int16", "scale_factor": 0.001, "add_offset": 15.0, "_FillValue": -32768, "chunks": (2, 1, 13, 24)}
    return data


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
@pytest.mark.parametrize("packed", ["folder", "zip", "zip of the folder"])
def test_cubes_that_xarray_wrote(con, rng, tmp_path, zarr_format, consolidated, packed):
    path = tmp_path / "cube.zarr"
    cube(rng).to_zarr(path, zarr_format=zarr_format, consolidated=consolidated)
    theirs = xr.open_zarr(path, consolidated=consolidated)["temp"].load()
    if packed != "folder":
        name = "cube.zip" if packed == "zip" else "packed.zip"
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED if packed == "zip" else zipfile.ZIP_STORED) as file:
            for item in sorted(path.rglob("*")):
                if item.is_file():
                    file.write(item, item.relative_to(path if packed == "zip" else tmp_path))
        path = tmp_path / name
    data, dims, times, coords = con.execute(
        f"SELECT a.data, a.dims, a.times, a.coords FROM (SELECT read_array('{path}', 'temp', {{time: TIMESTAMP '2020-01-14 00:00:00', depth: [0, 60], lat: [-20, 45], lon: [-50, 50]}}) AS a)").fetchone()
    lons = [*range(315, 360, 15), *range(0, 51, 15)]
    expected = theirs.sel(time="2020-01-15", depth=slice(0, 60), lat=slice(45, -20)).sel(lon=lons)
    assert dims == ["depth", "lat", "lon"] and times[0].isoformat() == "2020-01-15T00:00:00"
    np.testing.assert_allclose(np.array(data, "float32").reshape(expected.shape), expected.values, rtol=1e-6, equal_nan=True)
    assert coords["lon"] == list(range(-45, 46, 15)) and coords["lat"] == expected["lat"].values.tolist()


def test_groups_within_groups_and_arrays_without_a_group(con, rng, tmp_path):
    data = values(rng, "float32", (5, 6))
    for zarr_format in (2, 3):
        root = zarr.open_group(tmp_path / f"g{zarr_format}.zarr", mode="w", zarr_format=zarr_format)
        root.create_group("ocean/deep").create_array("temp", shape=(5, 6), chunks=(2, 4), dtype="float32")[...] = data
        np.testing.assert_array_equal(read_whole(con, tmp_path / f"g{zarr_format}.zarr", "ocean/deep/temp"), data)
        np.testing.assert_array_equal(read_whole(con, tmp_path / f"g{zarr_format}.zarr/ocean", "deep/temp"), data)
        zarr.save_array(tmp_path / f"bare{zarr_format}.zarr", data, zarr_format=zarr_format)
        np.testing.assert_array_equal(read_whole(con, tmp_path / f"bare{zarr_format}.zarr", f"bare{zarr_format}"), data)


def test_text_and_records_are_listed_and_not_read(con, tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("name", shape=(2,), chunks=(2,), dtype="<U4")[...] = ["ab", "cd"]
    group.create_array("z", shape=(2,), chunks=(2,), dtype="complex64")[...] = 1j
    for name, kind in (("name", "str"), ("z", "complex64")):
        with pytest.raises(Exception, match=rf'"{name}".*{kind}.*number|number.*{kind}'):
            con.execute(f"SELECT read_array('{tmp_path}/a.zarr', '{name}')")


def test_a_glob_finds_stores_and_does_not_look_into_them(con, rng, tmp_path):
    for name in ("b", "a"):
        cube(rng).to_zarr(tmp_path / f"deep/{name}.zarr", zarr_format=2)
    paths = con.execute(f"SELECT DISTINCT path FROM read_array('{tmp_path}/**/*.zarr', 'count') ORDER BY 1").fetchall()
    assert paths == [(f"{tmp_path}/deep/a.zarr",), (f"{tmp_path}/deep/b.zarr",)]


def test_what_is_written_anew_is_read_anew(con, tmp_path):
    sql = f"SELECT read_array('{tmp_path}/a.zarr', 'v').data"
    for options in ({}, {"shards": (4,)}):
        group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
        array = group.create_array("v", shape=(4,), chunks=(2,), dtype="int32", **options)
        array[...] = [1, 2, 3, 4]
        assert con.execute(sql).fetchone() == ([1, 2, 3, 4],)
        array[2:] = [30, 40]
        assert con.execute(sql).fetchone() == ([1, 2, 30, 40],)


def test_each_chunk_is_decoded_once_for_the_process(con, rng, tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    group.create_array("v", shape=(64, 64), chunks=(16, 16), dtype="float32")[...] = values(rng, "float32", (64, 64))
    misses = lambda: con.execute("SELECT misses FROM geoquilt_cache()").fetchone()[0]
    before = misses()
    slabs = [random_slices(rng, (64, 64)) for _ in range(200)]
    read_slabs(con, tmp_path / "a.zarr", "v", ["dim_0", "dim_1"], slabs)
    assert misses() - before == 16


def test_values_do_not_depend_on_threads(rng, tmp_path):
    data = values(rng, "float32", (40, 300, 300))
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    group.create_array("v", shape=data.shape, chunks=(7, 100, 64), dtype="float32")[...] = data
    for threads in (1, 2, 8):
        con = connect()
        con.execute(f"SET geoquilt_threads = {threads}")
        np.testing.assert_array_equal(read_whole(con, tmp_path / "a.zarr", "v"), data)
        whole = con.execute(f"SELECT read_array('{tmp_path}/a.zarr', 'v').data").to_arrow_table()[0]
        np.testing.assert_array_equal(whole.combine_chunks()[0].values.to_numpy(), data.ravel())


# --- bad input ----------------------------------------------------------------------------------------


def refused(con, sql, *words):
    with pytest.raises(Exception) as caught:
        con.execute(sql).fetchall()
    message = str(caught.value)
    assert "internal" not in message.lower() and "panic" not in message.lower(), message
    for word in words:
        assert word in message, f"{word!r} is not in: {message}"


def edit(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_damaged_stores_are_named_with_what_is_damaged(con, rng, tmp_path):
    def fresh(name, zarr_format=2):
        cube(rng).to_zarr(tmp_path / name, zarr_format=zarr_format, consolidated=False)
        return tmp_path / name

    read = lambda path: f"SELECT read_array('{path}', 'temp')"
    store = fresh("json.zarr")
    (store / "temp/.zarray").write_text("{")
    refused(con, read(store), "json.zarr", "temp/.zarray", "not JSON")
    store = fresh("missing.zarr")
    (store / "temp/.zarray").unlink()
    refused(con, read(store), "missing.zarr", 'no variable "temp"', "count")
    store = fresh("chunk.zarr")
    chunk = store / "temp/1.0.0.0"
    chunk.write_bytes(chunk.read_bytes()[:-7])
    refused(con, read(store), "chunk.zarr", "temp", "chunk [1, 0, 0, 0]")
    store = fresh("huge.zarr")
    edit(store / "temp/.zarray", lambda d: d.update(chunks=[1 << 20, 1 << 20, 13, 24]))
    refused(con, read(store), "huge.zarr", "temp", "1 GiB")
    store = fresh("vast.zarr")
    edit(store / "temp/.zarray", lambda d: d.update(shape=[1 << 40, 3, 13, 24]))
    refused(con, f"SELECT read_array('{store}', 'temp', {{isel: {{depth: 0}}}})", "temp", "geoquilt_max_chunk_mb", "FROM read_array")
    assert len(con.execute(f"SELECT read_array('{store}', 'temp', {{isel: {{time: 12345678901, depth: 0, lat: 0}}}}).data").fetchone()[0]) == 24
    store = fresh("far.zarr")
    edit(store / "temp/.zarray", lambda d: d.update(shape=[1 << 63, 3, 13, 24]))
    refused(con, read(store), "far.zarr", "shape")
    store = fresh("type.zarr", 3)
    edit(store / "zarr.json", lambda d: d.update(node_type="thing"))
    refused(con, read(store), "type.zarr", "zarr.json", "node_type")
    store = fresh("pipe.zarr")
    shutil.rmtree(store / "count")
    (tmp_path / "empty.zarr").mkdir()
    refused(con, read(tmp_path / "empty.zarr"), "empty.zarr", "directory")
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 and no more")
    refused(con, read(tmp_path / "a.zip"), "a.zip")


@pytest.mark.parametrize("kind", ["gzip", "zstd", "blosc", "bz2", "zip", "shards"])
def test_damage_anywhere_is_an_error_or_other_values_and_nothing_else(rng, tmp_path, kind):
    """Truncated and bit-flipped documents and chunks: nothing crashes, hangs or takes memory without bound."""
    path = tmp_path / "a.zarr"
    if kind == "shards":
        group = zarr.open_group(path, mode="w", zarr_format=3)
        array = group.create_array("v", shape=(20, 20), chunks=(5, 5), shards=(20, 20), dtype="float32")
    else:
        codec = {"gzip": numcodecs.GZip(1), "zstd": numcodecs.Zstd(1), "blosc": numcodecs.Blosc(), "bz2": numcodecs.BZ2(1), "zip": numcodecs.Zlib(1)}[kind]
        group = zarr.open_group(path, mode="w", zarr_format=2)
        array = group.create_array("v", shape=(20, 20), chunks=(20, 20), dtype="float32", compressors=codec)
    array[...] = np.round(values(rng, "float32", (20, 20)))
    if kind == "zip":
        shutil.make_archive(str(tmp_path / "a"), "zip", path)
        path = tmp_path / "a.zip"
    code = OPEN_EXTENSION + f"""
import pathlib, random, resource, shutil
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
random.seed(5)
path = pathlib.Path({str(path)!r})
files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
whole = {{file: file.read_bytes() for file in files}}
refused = 0
for round in range(600):
    file = random.choice(files)
    data = bytearray(whole[file])
    if round % 3 == 0:
        del data[random.randrange(len(data)):]
    else:
        for _ in range(random.choice([1, 1, 3, 20])):
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    file.write_bytes(data)
    try:
        con.execute("SELECT sum(len(data)) FROM read_array(?, 'v')", [str(path)]).fetchall()
    except Exception as error:
        refused += 1
        assert "internal" not in str(error).lower(), (round, file, str(error))
    file.write_bytes(whole[file])
assert refused > 150, refused
assert con.execute("SELECT sum(len(data)) FROM read_array(?, 'v')", [str(path)]).fetchone() == (400,)
"""
    done = run_python(code, timeout=180)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("group", ["", "deep/er/"])
def test_an_array_that_grew_is_seen(con, tmp_path, zarr_format, group):
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    array = root.create_array(f"{group}v", shape=(2,), chunks=(2,), dtype="int32")
    array[...] = [1, 2]
    sql = f"SELECT read_array('{tmp_path}/a.zarr', '{group}v', {{masked: false}}).data"
    assert con.execute(sql).fetchone() == ([1, 2],)
    array.resize((4,))
    array[2:] = [3, 4]
    assert con.execute(sql).fetchone() == ([1, 2, 3, 4],)


def test_thousands_of_stores_and_files_in_one_query(tmp_path):
    """More files than a process may have open, a row a file and as one time axis."""
    netCDF4 = pytest.importorskip("netCDF4")
    for day in range(300):
        with netCDF4.Dataset(tmp_path / f"{day:03}.nc", "w") as out:
            out.createDimension("time", 1)
            time = out.createVariable("time", "f8", ("time",))
            time.units, time[:] = "days since 2020-01-01", [day]
            out.createVariable("v", "f4", ("time",))[:] = [day]
    code = OPEN_EXTENSION + f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (150, 150))
rows = con.execute("SELECT read_array('{tmp_path}/' || printf('%03d', i) || '.nc', 'v').data[1] FROM range(300) t(i) ORDER BY i").fetchall()
assert [row[0] for row in rows] == list(range(300))
assert con.execute("SELECT read_array('{tmp_path}/*.nc', 'v', {{time: ['2020-02-01', '2020-02-29']}}).data").fetchone()[0] == list(range(31, 60))
assert con.execute("SELECT list(data[1]) FROM read_array('{tmp_path}/*.nc', 'v')").fetchone()[0] == list(range(300))
"""
    done = run_python(code, timeout=120)
    assert done.returncode == 0, done.stderr[-1500:]
