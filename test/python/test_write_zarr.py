"""COPY ... (FORMAT zarr) read back by zarr-python, xarray and rioxarray, and by geoquilt itself; whole or not at all."""
import base64
import json
import os
import shutil
import struct
import subprocess
import sys
import threading

import numpy as np
import pyarrow as pa
import pyproj
import pytest
import rioxarray  # noqa: F401  (xarray's .rio)
import xarray as xr
import zarr
from conftest import EXTENSION, OPEN_EXTENSION, connect, run_python, write_raster
from fields import array, draw, patches
from rasterio.transform import Affine

TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
PLACE = "TRANSFORM [500000, 10, 0, 4600000, 0, -10]::DOUBLE[], CRS 'EPSG:32629'"
TRANSFORM = [500000.0, 10, 0, 4600000, 0, -10]


def random(rng, dtype, shape):
    if dtype.startswith("float"):
        return rng.normal(0, 1000, shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def rows(con, data, nulls=None, **columns):
    """A view `rows`: data [row, ...] as lists with their shape, and further columns."""
    n, item = data.shape[0], int(np.prod(data.shape[1:]))
    values = pa.array(data.ravel(), mask=None if nulls is None else nulls.ravel())
    table = {"data": pa.ListArray.from_arrays(np.arange(n + 1, dtype="int32") * item, values),
             "shape": pa.array([list(data.shape[1:])] * n, pa.list_(pa.int64()))}
    con.register("rows", pa.table({**table, **columns}))


def left(folder):
    return sorted(os.listdir(folder))


def opened(path, **options):
    return xr.open_zarr(path, decode_coords="all", consolidated=True, **options)


@pytest.mark.parametrize("version", [3, 2])
@pytest.mark.parametrize("compress", ["zstd", "blosc", "none"])
@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_comes_back_from_every_compression_of_both_versions(con, rng, tmp_path, dtype, compress, version):
    data = random(rng, dtype, (7, 3, 20, 30))
    rows(con, data)
    path = tmp_path / "x.zarr"
    assert con.execute(f"COPY (SELECT t FROM rows t) TO '{path}' (FORMAT zarr, AXIS 'patch', COMPRESS {compress}, VERSION {version})").fetchone() == (7,)
    group = zarr.open_group(path, mode="r", use_consolidated=True)
    assert (group.metadata.zarr_format, group["data"].dtype) == (version, dtype)
    np.testing.assert_array_equal(group["data"][:], data)
    with opened(path, mask_and_scale=False) as ds:
        assert ds["data"].dims == ("patch", "band", "y", "x") and ds["data"].dtype == dtype
        np.testing.assert_array_equal(ds["data"], data)
    got = con.execute(f"SELECT data FROM read_array('{path}', 'data') ORDER BY place").fetchall()
    np.testing.assert_array_equal(np.array([row[0] for row in got], dtype).reshape(data.shape), data)
    assert left(tmp_path) == ["x.zarr"]


def test_a_store_of_version_3_is_sharded_with_checked_indices_and_consolidated(con, rng, tmp_path):
    rows(con, random(rng, "float32", (9, 2, 16, 16)))
    con.execute(f"COPY (SELECT t FROM rows t) TO '{tmp_path}/x.zarr' (FORMAT zarr, AXIS 'patch', CHUNKS [2, 1, 8, 8], SHARDS [4, 2, 16, 16])")
    document = json.loads((tmp_path / "x.zarr/data/zarr.json").read_text())
    [shards] = document["codecs"]
    assert shards["name"] == "sharding_indexed" and shards["configuration"]["chunk_shape"] == [2, 1, 8, 8]
    assert [codec["name"] for codec in shards["configuration"]["codecs"]] == ["bytes", "zstd"]
    assert [codec["name"] for codec in shards["configuration"]["index_codecs"]] == ["bytes", "crc32c"]
    assert document["dimension_names"] == ["patch", "band", "y", "x"] and document["fill_value"] == "NaN"
    root = json.loads((tmp_path / "x.zarr/zarr.json").read_text())
    assert root["consolidated_metadata"]["metadata"]["data"] == document
    shard = tmp_path / "x.zarr/data/c/2/0/0/0"
    whole = zarr.open_group(tmp_path / "x.zarr", mode="r")["data"][:]
    bytes_ = bytearray(shard.read_bytes())
    bytes_[-20] ^= 1
    shard.write_bytes(bytes_)
    with pytest.raises(Exception, match="(?i)checksum|crc"):
        zarr.open_group(tmp_path / "x.zarr", mode="r")["data"][8:]
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "x.zarr", mode="r")["data"][:8], whole[:8])


def test_null_is_nan_in_floats_and_nodata_in_whole_numbers(con, rng, tmp_path):
    nulls = rng.random((5, 1, 8, 9)) < 0.3
    for version in (3, 2):
        data = rng.normal(0, 1, (5, 1, 8, 9)).astype("float32")
        rows(con, data, nulls)
        con.execute(f"COPY (SELECT t FROM rows t) TO '{tmp_path}/f.zarr' (FORMAT zarr, AXIS 'patch', VERSION {version})")
        with opened(tmp_path / "f.zarr") as ds:
            np.testing.assert_array_equal(ds["data"], np.where(nulls, np.nan, data))
        con.execute(f"COPY (SELECT t FROM rows t) TO '{tmp_path}/m.zarr' (FORMAT zarr, AXIS 'patch', NODATA -9999, VERSION {version})")
        with opened(tmp_path / "m.zarr") as ds:
            np.testing.assert_array_equal(ds["data"], np.where(nulls, np.nan, data))
            assert ds["data"].encoding["_FillValue"] == -9999
        assert (zarr.open_group(tmp_path / "m.zarr", mode="r")["data"][:][nulls] == -9999).all()
        data = rng.integers(0, 255, (5, 1, 8, 9), dtype="uint8")
        rows(con, data, nulls)
        with pytest.raises(Exception, match=r"zarr\(NODATA\): a pixel is NULL, and no value of uint8 stands for that\nName one that no pixel has, for example NODATA 255"):
            con.execute(f"COPY (SELECT t FROM rows t) TO '{tmp_path}/n.zarr' (FORMAT zarr, AXIS 'patch')")
        con.execute(f"COPY (SELECT t FROM rows t) TO '{tmp_path}/u.zarr' (FORMAT zarr, AXIS 'patch', NODATA 255, VERSION {version})")
        with opened(tmp_path / "u.zarr") as ds:
            np.testing.assert_array_equal(ds["data"], np.where(nulls, np.nan, data))
        got = con.execute(f"SELECT data FROM read_array('{tmp_path}/u.zarr', 'data') ORDER BY place").fetchall()
        assert [value is None for row in got for value in row[0]] == nulls.ravel().tolist()
        assert left(tmp_path) == ["f.zarr", "m.zarr", "u.zarr"]


def test_scale_and_offset_are_undone_by_xarray(con, tmp_path):
    con.execute(f"COPY (SELECT [20.0, 21.234, NULL, -5]::DOUBLE[], [1, 2, 2]) TO '{tmp_path}/x.zarr' (FORMAT zarr, DTYPE int16, SCALE 0.01, OFFSET 20, NODATA -32768)")
    assert zarr.open_group(tmp_path / "x.zarr", mode="r")["data"][:].tolist() == [[[0, 123], [-32768, -2500]]]
    with opened(tmp_path / "x.zarr") as ds:
        np.testing.assert_allclose(ds["data"].values.ravel(), [20, 21.23, np.nan, -5])


@pytest.mark.parametrize("crs", ["EPSG:32629", "EPSG:3035", "OGC:CRS84", "ESRI:54009", "EPSG:3413"])
def test_a_canvas_has_coordinates_a_crs_and_the_attributes_of_geozarr(con, rng, tmp_path, crs):
    data = rng.normal(0, 1, (2, 30, 40)).astype("float32")
    terms = [10.5, 0.25, 0, 47.125, 0, -0.5]
    con.execute("CREATE TABLE canvas AS SELECT ?::FLOAT[] AS data, [2, 30, 40] AS shape, ?::DOUBLE[] AS transform, ? AS crs", [data.ravel().tolist(), terms, crs])
    for sql in ("FROM canvas", "SELECT c FROM canvas c"):
        con.execute(f"COPY ({sql}) TO '{tmp_path}/x.zarr' (FORMAT zarr, BANDS ['red', 'green'], TAGS {{title: 'A field'}})")
        with opened(tmp_path / "x.zarr") as ds:
            assert ds["data"].dims == ("band", "y", "x") and ds["band"].values.tolist() == ["red", "green"] and ds.attrs["title"] == "A field"
            assert ds.rio.crs == rioxarray.crs.crs_from_user_input(crs) and ds["data"].rio.crs == ds.rio.crs
            assert ds["data"].rio.transform() == Affine.from_gdal(*terms) == ds["data"].rio.transform(recalc=True)
            np.testing.assert_array_equal(ds["x"], 10.5 + 0.25 * (np.arange(40) + 0.5))
            np.testing.assert_array_equal(ds["y"], 47.125 - 0.5 * (np.arange(30) + 0.5))
            np.testing.assert_array_equal(ds["data"], data)
            told = ds["data"].attrs
            assert Affine(*told["spatial:transform"]) == Affine.from_gdal(*terms) and told["spatial:shape"] == [30, 40]
            assert told["spatial:dimensions"] == ["y", "x"] and told["spatial:bbox"] == [10.5, 32.125, 20.5, 47.125]
            assert [c["name"] for c in told["zarr_conventions"]] == ["proj:", "spatial:"]
            assert told.get("proj:code") == (crs if crs != "OGC:CRS84" else None)
            assert rioxarray.crs.crs_from_user_input(told["proj:wkt2"]) == ds.rio.crs
            assert ds.spatial_ref.attrs.get("grid_mapping_name") == pyproj.CRS(crs).to_cf().get("grid_mapping_name")
            names = ("longitude", "latitude") if crs == "OGC:CRS84" else ("projection_x_coordinate", "projection_y_coordinate")
            assert (ds["x"].attrs["standard_name"], ds["y"].attrs["standard_name"]) == names


def test_geoquilt_finds_the_grid_again(con, rng, tmp_path):
    data = rng.normal(0, 1, (1, 20, 30)).astype("float32")
    con.execute(f"COPY (SELECT ?::FLOAT[], [1, 20, 30], ?::DOUBLE[], 'EPSG:32629') TO '{tmp_path}/x.zarr' (FORMAT zarr)", [data.ravel().tolist(), TRANSFORM])
    row = con.execute(f"SELECT crs, transform FROM geo_catalog_build('{tmp_path}/x.zarr')").fetchall()
    assert row and row[0][0] == "EPSG:32629"


def test_times_are_decoded_and_their_axis_must_rise(con, rng, tmp_path):
    data = rng.normal(0, 1, (4, 6, 5)).astype("float32")
    times = np.array(["2024-01-31T12:00:00", "2024-02-29T00:00:00.000001", "2024-03-31", "1899-05-01"], "datetime64[us]")
    rows(con, data, time=pa.array(times), transform=pa.array([TRANSFORM] * 4), crs=["EPSG:32629"] * 4)
    con.execute(f"COPY (SELECT t FROM rows t ORDER BY time) TO '{tmp_path}/x.zarr' (FORMAT zarr)")
    order = np.argsort(times)
    with opened(tmp_path / "x.zarr") as ds:
        assert ds["data"].dims == ("time", "y", "x") and ds["time"].attrs["standard_name"] == "time"
        np.testing.assert_array_equal(ds["time"].values.astype("datetime64[us]"), times[order])
        np.testing.assert_array_equal(ds["data"], data[order])
        assert ds["time"].encoding["calendar"] == "proleptic_gregorian" and ds["data"].rio.crs == "EPSG:32629"
    con.execute(f"COPY (SELECT data, shape, time::DATE AS time FROM rows ORDER BY time) TO '{tmp_path}/d.zarr' (FORMAT zarr, NAMES ['data', 'shape', 'time'])")
    with opened(tmp_path / "d.zarr") as ds:
        np.testing.assert_array_equal(ds["time"].values.astype("datetime64[D]"), times[order].astype("datetime64[D]"))
    with pytest.raises(Exception, match="time of row 4 does not come after that of the row before it\nORDER BY time"):
        con.execute(f"COPY (SELECT t FROM rows t) TO '{tmp_path}/x.zarr' (FORMAT zarr)")


def test_embeddings_with_their_boxes(con, rng, tmp_path):
    n, d = 3000, 96
    emb = rng.normal(0, 1, (n, d)).astype("float32")
    box = rng.normal(0, 100, (n, 4))
    names = [f"chip {i}" for i in range(n)]
    t_min = np.datetime64("2024-01-01", "us") + np.arange(n) * np.timedelta64(1, "h")
    lists = pa.ListArray.from_arrays(np.arange(n + 1, dtype="int32") * d, pa.array(emb.ravel()))
    bbox = pa.StructArray.from_arrays([pa.array(box[:, i]) for i in range(4)], ["xmin", "ymin", "xmax", "ymax"])
    flags = rng.random(n) < 0.5
    gaps = pa.array([None if i % 7 == 0 else i for i in range(n)], pa.int32())
    con.register("e", pa.table({"emb": lists, "bbox": bbox, "t_min": pa.array(t_min), "name": names, "cloudy": pa.array(flags), "tile": gaps}))
    for version in (3, 2):
        con.execute(f"COPY (SELECT e FROM e) TO '{tmp_path}/x.zarr' (FORMAT zarr, VERSION {version})")
        with opened(tmp_path / "x.zarr") as ds:
            assert ds["emb"].dims == ("patch", "emb_dim")
            np.testing.assert_array_equal(ds["emb"], emb)
            for i, side in enumerate(("xmin", "ymin", "xmax", "ymax")):
                assert f"bbox_{side}" in ds.coords
                np.testing.assert_array_equal(ds[f"bbox_{side}"], box[:, i])
            np.testing.assert_array_equal(ds["t_min"].values.astype("datetime64[us]"), t_min)
            assert ds["name"].values.tolist() == names
            np.testing.assert_array_equal(ds["cloudy"], flags)
            np.testing.assert_array_equal(ds["tile"], [np.nan if i % 7 == 0 else i for i in range(n)])
            assert "x" not in ds and "spatial_ref" not in ds
    con.execute(f"COPY (SELECT emb, bbox FROM e LIMIT 10) TO '{tmp_path}/y.zarr' (FORMAT zarr, NAMES ['vector', 'box'])")
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "y.zarr", mode="r")["vector"][:], emb[:10])


def test_arrays_are_taken_as_lists_are(con, tmp_path):
    """Embeddings are often of a type like FLOAT[512]."""
    read = {}
    for ty, shape in (("FLOAT[6]", "INTEGER[3]"), ("FLOAT[]", "INTEGER[]")):
        con.execute(f"""COPY (SELECT {{emb: [i, i + 1, if(i = 2, NULL, i), 4, 5, 6]::{ty}, data: [i, 0, 0, 0, 0, i]::{ty}, shape: [1, 2, 3]::{shape}, id: i}} FROM range(10) t(i))
            TO '{tmp_path}/x.zarr' (FORMAT zarr)""")
        read[ty] = {name: array[:] for name, array in zarr.open_group(tmp_path / "x.zarr", mode="r").arrays()}
    assert read["FLOAT[6]"].keys() == read["FLOAT[]"].keys() >= {"emb", "data", "id"}
    for name, values in read["FLOAT[6]"].items():
        np.testing.assert_array_equal(values, read["FLOAT[]"][name])
    assert np.isnan(read["FLOAT[6]"]["emb"][2].ravel()[2]) and read["FLOAT[6]"]["data"][3].ravel()[[0, 5]].tolist() == [3, 3]


def test_patches_of_a_raster_come_back_as_read_patch_gives_them_and_the_scene_by_stitch(con, raster, rng, tmp_path):
    data = rng.normal(0, 1, (2, 100, 90)).astype("float32")
    data[:, rng.random((100, 90)) < 0.1] = -9999
    path = raster("scene.tif", data, nodata=-9999)
    read = f"SELECT data AS pixels, shape, transform, crs, patch_id, win FROM read_patch('{path}', size := 32, stride := 16, edge := 'overflow')"
    con.execute(f"CREATE TABLE p AS {read}; COPY (SELECT p FROM p) TO '{tmp_path}/x.zarr' (FORMAT zarr)")
    with opened(tmp_path / "x.zarr") as ds:
        want = con.execute("SELECT pixels, patch_id, transform, win.row_off FROM p").fetchall()
        np.testing.assert_array_equal(ds["pixels"].values.reshape(len(want), -1), np.array([[np.nan if v is None else v for v in r[0]] for r in want], "float32"))
        assert ds["patch_id"].values.tolist() == [r[1] for r in want] and ds["transform"].values.tolist() == [r[2] for r in want]
        assert ds["win_row_off"].values.tolist() == [r[3] for r in want] and ds["pixels"].rio.crs == "EPSG:32629"
        back = pa.table({"data": pa.array(list(ds["pixels"].values.reshape(len(want), -1))), **{k: ds[f"win_{k}"].values for k in ("row_off", "col_off", "height", "width")}})
    con.register("back", back)
    got = con.execute("""SELECT geoquilt.stitch([if(isnan(v), NULL, v) FOR v IN data], {row_off: row_off, col_off: col_off, height: height, width: width}, [100, 90]) FROM back""").fetchone()[0]
    want = np.ma.masked_equal(data, -9999)
    np.testing.assert_array_equal(array(got).mask, want.mask)
    np.testing.assert_array_equal(array(got).compressed().astype("float32"), want.compressed())


def test_patches_are_stitched_as_the_aggregate_stitches_them(con, rng, tmp_path):
    table = draw(rng, "float32", 2, 80, (150, 160))
    patches(con, table)
    for method, options in (("overlap_add", ""), ("max", ", CHUNKS [1, 50, 70], SHARDS [1, 100, 140]"), ("mean_std", ", CHUNKS [3, 64, 64]"), ("count", ", VERSION 2"), ("mean", ", SHARDS none")):
        assert con.execute(f"COPY (SELECT data, win FROM t) TO '{tmp_path}/x.zarr' (FORMAT zarr, CANVAS [150, 160], {PLACE}, STITCH {method}, NAME 'field'{options})").fetchall() == [(80,)]
        want = array(con.execute(f"SELECT geoquilt.stitch(data, win, [150, 160], method := '{method}') FROM t").fetchall()[0][0])
        with opened(tmp_path / "x.zarr") as ds:
            assert ds["field"].dims == ("band", "y", "x") and ds["field"].rio.crs == "EPSG:32629" and ds["field"].dtype == "float32"
            np.testing.assert_array_equal(ds["field"], want.filled(np.nan).astype("float32"), err_msg=method)
        assert left(tmp_path) == ["x.zarr"]


def test_a_canvas_of_more_axes(con, rng, tmp_path):
    data = rng.normal(0, 1, (5, 70, 80)).astype("float32")
    windows = [(z, r, c) for z in range(5) for r in (0, 35) for c in (0, 40)]
    table = pa.table({"data": [data[z, r:r + 35, c:c + 40].ravel() for z, r, c in windows], "win": [{"start": [z, r, c], "size": [1, 35, 40]} for z, r, c in windows]})
    con.register("w", table)
    con.execute(f"COPY (SELECT data, win FROM w) TO '{tmp_path}/x.zarr' (FORMAT zarr, CANVAS [5, 70, 80], DIMS ['band', 'depth', 'y', 'x'])")
    with opened(tmp_path / "x.zarr") as ds:
        assert ds["data"].dims == ("band", "depth", "y", "x")
        np.testing.assert_array_equal(ds["data"][0], data)


def test_chunks_without_a_value_are_left_out_and_a_band_of_the_canvas_is_held(con, tmp_path):
    con.execute("SET geoquilt_aggregate_mb = 32")
    grid = """SELECT list_transform(range(200 * 200), lambda x: (i * 7 + x)::FLOAT) AS data, {row_off: 100 * (i // 59), col_off: 100 * (i % 59), height: 200, width: 200} AS win
              FROM range(19 * 59) t(i)"""
    con.execute(f"COPY ({grid}) TO '{tmp_path}/x.zarr' (FORMAT zarr, CANVAS [2000, 6000], STITCH overlap_add)")
    con.execute("SET geoquilt_aggregate_mb = 1024")
    con.execute(f"COPY ({grid} ORDER BY hash(i)) TO '{tmp_path}/y.zarr' (FORMAT zarr, CANVAS [2000, 6000], STITCH overlap_add)")
    x, y = (zarr.open_group(tmp_path / name, mode="r")["data"][:] for name in ("x.zarr", "y.zarr"))
    np.testing.assert_allclose(x, y, rtol=2e-7)
    assert not np.isnan(x).any()
    one = "SELECT [1]::FLOAT[], {row_off: 9000, col_off: 700, height: 1, width: 1}"
    con.execute(f"COPY ({one}) TO '{tmp_path}/z.zarr' (FORMAT zarr, CANVAS [20000, 1000], CHUNKS [1, 100, 100], SHARDS none)")
    chunks = [name for folder, _, names in os.walk(tmp_path / "z.zarr/data/c") for name in names]
    assert chunks == ["7"]
    got = zarr.open_group(tmp_path / "z.zarr", mode="r")["data"]
    assert got[0, 9000, 700] == 1 and np.isnan(got[0, 9000, 701])


def test_a_store_takes_the_stead_of_another_and_of_nothing_else(con, tmp_path):
    path = tmp_path / "x.zarr"
    for value in (1, 2):
        con.execute(f"COPY (SELECT [{value}]::FLOAT[], [1, 1]) TO '{path}' (FORMAT zarr)")
        assert zarr.open_group(path, mode="r")["data"][:].tolist() == [[value]]
    for late in ("SELECT [if(i = 90000, error('late'), i)]::FLOAT[], i FROM range(100000) t(i)", "SELECT [1, 2]::FLOAT[], 1 UNION ALL SELECT [1], 2", "SELECT [1]::FLOAT[], 2 WHERE false"):
        for options in ("", ", USE_TMP_FILE false"):
            with pytest.raises(Exception):
                con.execute(f"COPY ({late}) TO '{path}' (FORMAT zarr, NAMES ['a', 'b']{options})")
            assert zarr.open_group(path, mode="r")["data"][:].tolist() == [[2]] and left(tmp_path) == ["x.zarr"]
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers/letter").write_text("dear")
    (tmp_path / "file.zarr").write_text("file")
    for target, words in (("papers", "it is a directory, and not a Zarr store"), ("file.zarr", "there already, and not a folder"), ("none/x.zarr", "does not exist"), ("x_{a}.zarr", "Leave the braces out")):
        with pytest.raises(Exception, match=words):
            con.execute(f"COPY (SELECT [1]::FLOAT[], [1, 1]) TO '{tmp_path}/{target}' (FORMAT zarr)")
    with pytest.raises(Exception, match="(?i)url|httpfs|extension"):
        con.execute("COPY (SELECT [1]::FLOAT[], [1, 1]) TO 's3://bucket/x.zarr' (FORMAT zarr)")
    assert left(tmp_path) == ["file.zarr", "papers", "x.zarr"] and (tmp_path / "file.zarr").read_text() == "file"


@pytest.mark.parametrize("old", [False, True])
def test_an_interrupt_leaves_the_old_store_or_none(con, tmp_path, old):
    path = tmp_path / "x.zarr"
    if old:
        con.execute(f"COPY (SELECT [1]::FLOAT[], [1, 1]) TO '{path}' (FORMAT zarr)")
    threading.Timer(0.7, con.interrupt).start()
    with pytest.raises(Exception, match="(?i)interrupt"):
        con.execute(f"COPY (SELECT [i, i + 1, i + 2]::FLOAT[], i FROM range(1000000000) t(i)) TO '{path}' (FORMAT zarr, NAMES ['a', 'b'])")
    assert left(tmp_path) == (["x.zarr"] if old else [])
    assert not old or zarr.open_group(path, mode="r")["data"][:].tolist() == [[1]]


def test_a_killed_process_leaves_nothing_after_the_next_copy(tmp_path):
    code = OPEN_EXTENSION + f"""
import threading, os
threading.Timer(1.0, lambda: os.kill(os.getpid(), 9)).start()
con.execute("COPY (SELECT [i, i + 1, i + 2]::FLOAT[], i FROM range(1000000000) t(i)) TO '{tmp_path}/x.zarr' (FORMAT zarr, NAMES ['a', 'b'])")
"""
    assert run_python(code).returncode == -9
    assert "x.zarr" not in left(tmp_path) and len(left(tmp_path)) == 1
    connect().execute(f"COPY (SELECT [1]::FLOAT[], [1, 1]) TO '{tmp_path}/x.zarr' (FORMAT zarr)")
    assert left(tmp_path) == ["x.zarr"]


def test_a_store_that_the_disk_does_not_take_leaves_nothing(tmp_path):
    code = OPEN_EXTENSION + f"""
import os, resource, signal
con.execute("CREATE TABLE t AS SELECT list((hash(i) % 4294967296)::UINTEGER) AS data, [1, 500, 1000] AS shape FROM range(500000) t(i)")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    con.execute("COPY (FROM t) TO '{tmp_path}/x.zarr' (FORMAT zarr)")
    print('written')
except Exception as error:
    print('cannot write' in str(error), os.listdir('{tmp_path}'))
"""
    done = run_python(code)
    assert done.stdout.splitlines() == ["True []"], done.stdout + done.stderr


def test_of_two_copies_to_one_store_one_wins_whole(tmp_path):
    path, errors = tmp_path / "x.zarr", []

    def write(value):
        con = connect()
        for _ in range(10):
            try:
                con.execute(f"COPY (SELECT list({value}::FLOAT), [1, 200, 300] FROM range(60000)) TO '{path}' (FORMAT zarr, CHUNKS [1, 50, 50], SHARDS none)")
            except Exception as error:
                errors.append(str(error))
        con.close()

    threads = [threading.Thread(target=write, args=(value,)) for value in (1, 2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    data = zarr.open_group(path, mode="r")["data"][:]
    assert not errors and data.min() == data.max() and data.shape == (1, 200, 300) and left(tmp_path) == ["x.zarr"]


BAD = [
    ("SELECT [1]::FLOAT[], 2", "", "the query gives FLOAT[], INTEGER, whose names a format does not learn\nName them: NAMES"),
    ("SELECT [1]::FLOAT[]", "NAMES ['a', 'b']", "2 names for 1 columns"),
    ("SELECT [1]::FLOAT[]", "NAMES 'a/b'", '"a/b" is not valid'),
    ("SELECT [1]::FLOAT[], [2]::FLOAT[]", "NAMES ['a', 'a']", 'two arrays would be named "a"'),
    ("SELECT [1]::FLOAT[], [1, 1] FROM range(2)", "", "the query has a second row\nA canvas is one row; AXIS 'patch'"),
    ("SELECT [1, 2]::FLOAT[], [1, 1]", "", "zarr(data): 2 values for the shape [1, 1]"),
    ("SELECT NULL::FLOAT[], [1, 1]", "", "zarr(data): NULL is not valid: must be a list of numbers"),
    ("SELECT [1]::FLOAT[], [1, 0]", "", "zarr(shape): [1, 0] is not valid"),
    ("SELECT []::FLOAT[], 1", "NAMES ['a', 'b']", "a without a value is not valid"),
    ("SELECT [1]::FLOAT[], 'a' UNION ALL SELECT [1], NULL", "NAMES ['a', 'b']", "b of row 2 is NULL, and no text and no BOOLEAN stands for that\nGive another value: coalesce(b, ...)"),
    ("SELECT [1]::FLOAT[], (-128)::TINYINT UNION ALL SELECT [1], NULL", "NAMES ['a', 'b']", "b has NULL, and -128, which would stand for it\nWiden its type"),
    ("SELECT ['x'], 1", "NAMES ['a', 'b']", "a is VARCHAR[], which no array holds\nGive a list of numbers, and its shape"),
    ("SELECT 'POINT (0 0)'::GEOMETRY", "NAMES 'g'", "g is GEOMETRY, which no array holds\nCast it to a number, a text or a TIMESTAMP, or leave it out"),
    ("SELECT [1]::FLOAT[], [1, 1], [0, 1, 0, 0, 0]::DOUBLE[]", "", "zarr(transform): [0.0, 1.0, 0.0, 0.0, 0.0] is not valid"),
    ("SELECT [1]::FLOAT[], [1, 1], [0, 1, 0, 0, 0, 1]::DOUBLE[], 'EPSG:1'", "", 'zarr(crs): "EPSG:1" is not a coordinate reference system'),
    ("SELECT [1]::FLOAT[], [1, 1]", "CHUNKS [1]", "zarr(CHUNKS): [1] is of 1 axis, and the array has 2 axes"),
    ("SELECT [1]::FLOAT[], [1, 1]", "CHUNKS [0, 1]", "zarr(CHUNKS): [0, 1] is not valid"),
    ("SELECT range(9)::FLOAT[], [3, 3]", "CHUNKS [2, 2], SHARDS [3, 2]", "zarr(SHARDS): shards of [3, 2] over chunks of [2, 2]"),
    ("SELECT [1]::FLOAT[], [1, 1]", "SHARDS 'many'", 'zarr(SHARDS): "many" is not a way to shard\nOne of: auto, none'),
    ("SELECT [1]::FLOAT[], [1, 1]", "VERSION 4", "zarr(VERSION): 4 is not valid: must be a whole number between 2 and 3"),
    ("SELECT [1]::FLOAT[], [1, 1]", "VERSION 2, SHARDS [1, 1]", "version 2 has no shards"),
    ("SELECT [1]::FLOAT[], [1, 1]", "COMPRESS 'gzip'", 'zarr(COMPRESS): "gzip" is not a compression\nOne of: zstd, blosc, none'),
    ("SELECT [1]::FLOAT[], [1, 1]", "COMPRES 'zstd'", '"COMPRES" is not an option\nDid you mean "COMPRESS"?'),
    ("SELECT [1]::FLOAT[], [1, 1]", "BANDS ['a', 'b']", "2 names for 0 bands"),
    ("SELECT [1]::FLOAT[], [1, 1]", "NAME 'a'", "NAME is the variable that patches are stitched into"),
    ("SELECT [1]::FLOAT[], [1, 1]", "CANVAS [4, 4]", "CANVAS is for patches, and the columns are those of a canvas"),
    ("SELECT [1]::FLOAT[], {row_off: 0, col_off: 0, height: 1, width: 1}", "", "whose names a format does not learn"),
    ("SELECT [1]::FLOAT[], {row_off: 9, col_off: 0, height: 1, width: 1}", "CANVAS [4, 4]", "zarr(data)"),
    ("SELECT [300]::SMALLINT[], {row_off: 0, col_off: 0, height: 1, width: 1}", "CANVAS [4, 4], DTYPE uint8, NODATA 255", "zarr(DTYPE): a pixel of 300 does not fit uint8"),
]


CANVAS_ROW = "SELECT range(8)::FLOAT[], [1, 2, 4]"
PATCH_ROW = "SELECT range(4)::FLOAT[], {row_off: 0, col_off: 0, height: 2, width: 2}"
TWO = "SELECT range(8)::FLOAT[], 3"
BAD += [
    (CANVAS_ROW, "DIMS ['band', 'y', 'y']", 'zarr(DIMS): "y" names two axes'),
    (PATCH_ROW, "CANVAS [2, 2], DIMS ['x', 'y', 'x']", 'zarr(DIMS): "x" names two axes'),
    (CANVAS_ROW, "DIMS ['band', 'y']", 'zarr(DIMS): ["band", "y"] names 2 axes, and rows have the shape [1, 2, 4]'),
    (CANVAS_ROW, "DIMS 'x'", 'zarr(DIMS): ["x"] names 1 axis, and rows have the shape [1, 2, 4]'),
    (PATCH_ROW, "CANVAS [2, 2], DIMS ['y', 'x']", 'zarr(DIMS): ["y", "x"] names 2 axes, and the array has the shape [1, 2, 2]'),
    (CANVAS_ROW, "DIMS ['band', '', 'x']", 'zarr(DIMS): "" is not valid: must be a name without slashes'),
    (CANVAS_ROW, "DIMS ['band', 'a/b', 'x']", 'zarr(DIMS): "a/b" is not valid: must be a name without slashes'),
    (TWO, "NAMES ['a', 'b'], DIMS 'patch'", 'zarr(DIMS): "patch" names an axis of a, and the rows\' axis or a column'),
    (TWO, "NAMES ['a', 'b'], DIMS 'b'", 'zarr(DIMS): "b" names an axis of a, and the rows\' axis or a column'),
    (TWO, "NAMES ['a', 'b'], DIMS 'a'", 'zarr(NAMES): "a" names a variable and one of its axes'),
    (TWO, "NAMES ['a', 'b'], AXIS 'a/b'", 'zarr(AXIS): "a/b" is not valid: must be a name without slashes'),
    (TWO, "NAMES ['a', 'b'], AXIS ''", 'zarr(AXIS): "" is not valid'),
    (TWO, "NAMES ['a', 'b'], APPEND_DIM '.a'", 'zarr(APPEND_DIM): ".a" is not valid'),
    (TWO, "NAMES ['a', 'a/b']", 'zarr(NAMES): "a/b" is not valid: must be a name without slashes'),
    (TWO, "NAMES ['a']", "zarr(NAMES): 1 names for 2 columns"),
    (TWO, "NAMES ['a', 'b'], NAME 'x'", "zarr(NAME): NAME is the variable that patches are stitched into\nName columns by NAMES"),
    (PATCH_ROW, "CANVAS [2, 2], NAME 'a/b'", 'zarr(NAME): "a/b" is not valid: must be a name without slashes, and without a dot or "__" in front, such as "sst"'),
    (PATCH_ROW, "CANVAS [2, 2], NAME ''", 'zarr(NAME): "" is not valid'),
    (PATCH_ROW, "CANVAS [2, 2], NAME 5", "zarr(NAME): 5 is not valid: must be text"),
    (PATCH_ROW, "CANVAS [2, 2], NAME 'x'", 'zarr(NAME): "x" is not valid: must be another name than those of the axes, band, y, x, and spatial_ref'),
    (PATCH_ROW, "CANVAS [2, 2], NAME 'spatial_ref'", 'zarr(NAME): "spatial_ref" is not valid'),
    (CANVAS_ROW, "CHUNKS [1, 2]", "zarr(CHUNKS): [1, 2] is of 2 axes, and the array has 3 axes\nGive a size an axis, for example CHUNKS [1, 2, 4]"),
    (PATCH_ROW, "CANVAS [2, 2], CHUNKS [2]", "zarr(CHUNKS): [2] is of 1 axis, and the array has 3 axes"),
    (CANVAS_ROW, "CHUNKS [1, 2, 4], SHARDS [1, 2]", "zarr(SHARDS): [1, 2] is of 2 axes, and the array has 3 axes"),
    (CANVAS_ROW, "CHUNKS [1, 2, 2], SHARDS [1, 3, 4]", "zarr(SHARDS): shards of [1, 3, 4] over chunks of [1, 2, 2]\nA shard holds whole chunks: give multiples of their sizes, for example [1, 4, 4]"),
    (CANVAS_ROW, "CHUNKS [1, 2, 0]", "zarr(CHUNKS): [1, 2, 0] is not valid: must be a list of whole numbers from 1 to 2147483648, one an axis: [1, 256, 256]"),
    (CANVAS_ROW, "CHUNKS 5", "zarr(CHUNKS): 5 is not valid: must be a list of whole numbers from 1 to 2147483648"),
    (TWO, "NAMES ['a', 'b'], CHUNKS [2147483648, 8]", "zarr(CHUNKS): [2147483648, 8] is not valid: must be at most 2147483647 bytes in one: these would take 68719476736"),
]


@pytest.mark.parametrize("sql, options, words", BAD)
def test_bad_input_is_named_and_leaves_nothing(con, tmp_path, sql, options, words):
    with pytest.raises(Exception) as error:
        con.execute(f"COPY ({sql}) TO '{tmp_path}/x.zarr' (FORMAT zarr{', ' if options else ''}{options})")
    assert words in str(error.value) and "zarr" in str(error.value)
    assert left(tmp_path) == []


def test_a_fill_value_of_floats_is_written_as_xarray_writes_it(con, tmp_path):
    con.execute(f"COPY (SELECT [1, NULL]::FLOAT[], [1, 2]) TO '{tmp_path}/x.zarr' (FORMAT zarr, NODATA -1)")
    document = json.loads((tmp_path / "x.zarr/data/zarr.json").read_text())
    assert struct.unpack("<d", base64.standard_b64decode(document["attributes"]["_FillValue"])) == (-1,)
    xr.DataArray([[1.0, np.nan]], dims=("y", "x"), name="data").astype("float32").to_zarr(tmp_path / "y.zarr", encoding={"data": {"_FillValue": -1.0}})
    theirs = json.loads((tmp_path / "y.zarr/data/zarr.json").read_text())
    assert theirs["attributes"]["_FillValue"] == document["attributes"]["_FillValue"]


def test_rows_are_appended_behind_those_that_are_there(con, rng, tmp_path):
    data = rng.normal(0, 1, (40, 2, 6, 5)).astype("float32")
    emb = rng.normal(0, 1, (40, 4))
    times = np.datetime64("2024-01-01", "us") + np.arange(40) * np.timedelta64(6, "h")
    ids = pa.array([None if i in (3, 30) else i for i in range(40)], pa.int16())
    rows(con, data, emb=pa.array(list(emb)), time=pa.array(times), id=ids, name=[f"step {i}" for i in range(40)], sunny=[i % 3 == 0 for i in range(40)],
         transform=pa.array([TRANSFORM] * 40), crs=["EPSG:32629"] * 40)
    con.execute("CREATE TABLE all_rows AS FROM rows")
    for options in ("CHUNKS [3, 1, 6, 5], SHARDS [6, 2, 6, 5]", "VERSION 2", "SHARDS none, COMPRESS blosc", ""):
        path = tmp_path / "x.zarr"
        # The first makes the store; others end within a file, at its end, and beyond.
        for start, end in ((0, 10), (10, 11), (11, 12), (12, 29), (29, 40)):
            own = options if start == 0 else ""
            con.execute(f"COPY (SELECT t FROM (FROM all_rows WHERE time >= '{times[start]}' AND time <= '{times[end - 1]}' ORDER BY time) t) TO '{path}' (FORMAT zarr, APPEND_DIM 'time'{', ' if own else ''}{own})")
            with opened(path) as ds:
                assert ds.sizes["time"] == end
                np.testing.assert_array_equal(ds["data"], data[:end])
                np.testing.assert_array_equal(ds["emb"], emb[:end])
                np.testing.assert_array_equal(ds["time"].values.astype("datetime64[us]"), times[:end])
                np.testing.assert_array_equal(ds["id"], [np.nan if v is None else v for v in ids.to_pylist()[:end]])
                assert ds["name"].values.tolist() == [f"step {i}" for i in range(end)] and ds["sunny"].values.tolist() == [i % 3 == 0 for i in range(end)]
                assert ds["data"].rio.crs == "EPSG:32629" and ds["data"].rio.transform() == Affine.from_gdal(*TRANSFORM)
            assert left(tmp_path) == ["x.zarr"]
        con.execute(f"COPY (SELECT t FROM (FROM all_rows ORDER BY time) t) TO '{tmp_path}/y.zarr' (FORMAT zarr{', ' if options else ''}{options})")
        with opened(path) as x, opened(tmp_path / "y.zarr") as y:
            xr.testing.assert_identical(x, y)
        for name in ("x.zarr", "y.zarr"):
            shutil.rmtree(tmp_path / name)


def test_what_does_not_go_behind_a_store_leaves_it_as_it_is(con, tmp_path):
    path = tmp_path / "x.zarr"
    one = "SELECT [1, 2]::FLOAT[] AS v, {n} AS n"
    con.execute(f"COPY (SELECT t FROM ({one.format(n=1)}) t) TO '{path}' (FORMAT zarr)")
    before = {name: os.stat(os.path.join(folder, name)).st_mtime_ns for folder, _, names in os.walk(path) for name in names}
    for sql, options, words in (
            ("SELECT [1]::FLOAT[] AS v, 2 AS n", "", "has the shape [1]"),
            ("SELECT [1, 2]::DOUBLE[] AS v, 2 AS n", "", 'no array "v" of this type along "patch"'),
            ("SELECT [1, 2]::FLOAT[] AS v, 2::BIGINT AS n", "", 'no array "n" of this type'),
            ("SELECT [1, 2]::FLOAT[] AS v", "", 'has an array "n", and the query no such column'),
            ("SELECT [1, 2]::FLOAT[] AS v, 2 AS n, 3 AS m", "", 'no array "m"'),
            ("SELECT [1, 2]::FLOAT[] AS v, 2 AS n", ", APPEND_DIM 'time'", 'along "time"'),
            ("SELECT [1, 2]::FLOAT[] AS v, 2 AS n", ", APPEND_DIM 'patch', AXIS 'patch'", "AXIS and APPEND_DIM both name the axis"),
            ("SELECT [1, 2]::FLOAT[] AS v, 2 AS n", ", APPEND_DIM 'patch', NODATA -1", "v has another NODATA, SCALE or OFFSET in the store"),
            ("SELECT [1, 2]::FLOAT[] AS v, if(i = 5000, error('late'), 2) AS n FROM range(9000) t(i)", "", "late")):
        with pytest.raises(Exception) as error:
            con.execute(f"COPY (SELECT t FROM ({sql}) t) TO '{path}' (FORMAT zarr{options or ', APPEND_DIM ' + repr('patch')})")
        assert words in str(error.value), str(error.value)
        after = {name: os.stat(os.path.join(folder, name)).st_mtime_ns for folder, _, names in os.walk(path) for name in names}
        assert after == before and left(tmp_path) == ["x.zarr"]
    xr.Dataset({"v": (("patch", "k"), np.ones((2, 2), "float32"))}).to_zarr(tmp_path / "y.zarr")
    with pytest.raises(Exception, match="was not written by COPY"):
        con.execute(f"COPY (SELECT [1, 2]::FLOAT[]) TO '{tmp_path}/y.zarr' (FORMAT zarr, NAMES 'v', APPEND_DIM 'patch')")


REGIONS = [(0, 0, 64, 96), (0, 96, 64, 44), (64, 0, 66, 96), (64, 96, 66, 44)]


def region_sql(tmp_path, region, table="t", more=""):
    row, col, height, width = region
    return (f"COPY (SELECT data, win FROM {table} WHERE win.row_off < {row + height} AND win.row_off + win.height > {row} AND win.col_off < {col + width} AND win.col_off + win.width > {col}) "
            f"TO '{tmp_path}/x.zarr' (FORMAT zarr, CANVAS [130, 140], {PLACE}, STITCH mean, CHUNKS [1, 16, 24], SHARDS [2, 32, 48], REGION {{row_off: {row}, col_off: {col}, height: {height}, width: {width}}}{more})")


@pytest.mark.parametrize("version", [3, 2])
def test_regions_make_the_store_that_one_copy_makes(con, rng, tmp_path, version):
    table = draw(rng, "float32", 2, 200, (130, 140))
    patches(con, table)
    more = "" if version == 3 else ", VERSION 2"
    shards = ", SHARDS [2, 32, 48]" if version == 3 else ""
    regions = REGIONS if version == 3 else [(0, 0, 64, 96), (0, 96, 64, 44), (64, 0, 66, 96), (64, 96, 66, 44)]
    for region in regions + regions[:1]:
        sql = region_sql(tmp_path, region, more=more)
        con.execute(sql if version == 3 else sql.replace(", SHARDS [2, 32, 48]", ""))
    con.execute(f"COPY (SELECT data, win FROM t) TO '{tmp_path}/y.zarr' (FORMAT zarr, CANVAS [130, 140], {PLACE}, STITCH mean, CHUNKS [1, 16, 24]{shards}{more})")
    with opened(tmp_path / "x.zarr") as x, opened(tmp_path / "y.zarr") as y:
        xr.testing.assert_identical(x, y)
    assert left(tmp_path) == ["x.zarr", "y.zarr"]


def test_two_processes_write_regions_at_once(con, rng, tmp_path):
    patches(con, draw(rng, "float32", 2, 300, (130, 140)))
    con.execute(f"COPY t TO '{tmp_path}/t.parquet'")
    codes = [f"EXTENSION = {EXTENSION!r}\n" + OPEN_EXTENSION + "".join(f"con.execute({region_sql(tmp_path, region, f'(FROM {chr(39)}{tmp_path}/t.parquet{chr(39)})')!r})\n" for region in part) for part in (REGIONS[::2], REGIONS[1::2])]
    running = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for code in codes]
    assert [(p.communicate()[1], p.returncode) for p in running] == [("", 0), ("", 0)]
    con.execute(f"COPY (SELECT data, win FROM t) TO '{tmp_path}/y.zarr' (FORMAT zarr, CANVAS [130, 140], {PLACE}, STITCH mean, CHUNKS [1, 16, 24], SHARDS [2, 32, 48])")
    with opened(tmp_path / "x.zarr") as x, opened(tmp_path / "y.zarr") as y:
        xr.testing.assert_identical(x, y)


def test_regions_that_can_not_be(con, rng, tmp_path):
    patches(con, draw(rng, "float32", 2, 50, (130, 140)))
    for region, words in (((0, 0, 60, 96), "zarr(REGION): rows 0 to 60, columns 0 to 96 cut through files of 32 x 48 pixels"),
                          ((8, 0, 56, 96), "cut through files"), ((0, 0, 131, 140), "zarr(REGION)"), ((-64, 0, 64, 140), "zarr(REGION)")):
        with pytest.raises(Exception) as error:
            con.execute(region_sql(tmp_path, region))
        assert words in str(error.value) and left(tmp_path) == []
    with pytest.raises(Exception, match="REGION is of a canvas"):
        con.execute(f"COPY (SELECT data FROM t) TO '{tmp_path}/x.zarr' (FORMAT zarr, NAMES 'a', REGION {{row_off: 0, col_off: 0, height: 1, width: 1}})")
    con.execute(region_sql(tmp_path, REGIONS[0]))
    with pytest.raises(Exception, match="has another array \"data\", or none of this name\nWrite each region with the same CANVAS and options"):
        con.execute(region_sql(tmp_path, REGIONS[1], more=", COMPRESS blosc"))
    slow = f"SELECT [sum(hash(i, j) % 7)]::FLOAT[] AS data, {{row_off: 0, col_off: 0, height: 1, width: 1}} AS win FROM range(1000000) t(i), range(1000000) s(j)"
    con.execute(f"CREATE VIEW slow AS {slow}")
    threading.Timer(3, con.interrupt).start()
    said = []

    def other():
        one = connect()
        one.execute("CREATE TABLE t AS SELECT [1, 1]::FLOAT[] AS data, {row_off: 0, col_off: 0, height: 1, width: 1} AS win")
        try:
            one.execute(region_sql(tmp_path, REGIONS[0]))
        except Exception as error:
            said.append(str(error))
        one.close()

    late = threading.Timer(1, other)
    late.start()
    with pytest.raises(Exception, match="(?i)interrupt"):
        con.execute(region_sql(tmp_path, REGIONS[0], "slow"))
    late.join()
    assert len(said) == 1 and "another COPY is writing rows 0 to 64, columns 0 to 96 of it\nWait for that one" in said[0]
    assert left(tmp_path) == ["x.zarr"]


def test_a_stitched_field_and_a_store_that_the_same_query_reads(con, rng, tmp_path):
    patches(con, draw(rng, "float32", 1, 60, (40, 50)))
    con.execute(f"COPY (SELECT geoquilt.stitch(data, win, [40, 50]) FROM t) TO '{tmp_path}/x.zarr' (FORMAT zarr)")
    want = array(con.execute("SELECT geoquilt.stitch(data, win, [40, 50]) FROM t").fetchone()[0]).filled(np.nan).astype("float32")
    with opened(tmp_path / "x.zarr") as ds:
        assert ds["data"].dims == ("band", "y", "x") and list(ds.data_vars) == ["data"]
        np.testing.assert_array_equal(ds["data"], want)
    con.execute(f"COPY (SELECT [x * 2 FOR x IN data]::FLOAT[], shape, place FROM read_array('{tmp_path}/x.zarr', 'data')) TO '{tmp_path}/x.zarr' (FORMAT zarr, NAMES ['twice', 'shape', 'place'])")
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "x.zarr", mode="r")["twice"][:], 2 * want)
    assert left(tmp_path) == ["x.zarr"]


def test_the_words_of_a_crs_do_not_hang_on_what_was_asked_before(con, tmp_path):
    con.execute("SET threads = 1")
    told = []
    for name in ("before", "after"):
        con.execute(f"""COPY (SELECT [1, 2, 3, 4]::FLOAT[] AS data, [1, 2, 2] AS shape, [500000, 10, 0, 4600000, 0, -10]::DOUBLE[] AS transform, 'EPSG:32629' AS crs)
            TO '{tmp_path}/{name}.zarr' (FORMAT zarr)""")
        told.append((tmp_path / f"{name}.zarr/zarr.json").read_text())
        write_raster(tmp_path / "a.tif", np.ones((4, 4), "uint8"), crs="EPSG:32629")
        con.execute(f"SELECT geo_zonal_stats('{tmp_path}/a.tif', 'POLYGON ((500000 4599970, 500020 4599970, 500020 4600000, 500000 4600000))'::GEOMETRY, {{crs: 'EPSG:32629'}})")
    assert told[0] == told[1]
