"""COPY of patches into files of their own: .npy, .png and GeoTIFF by names from columns, read back by NumPy, Pillow and rasterio."""
import os
import threading

import numpy as np
import pyarrow as pa
import pytest
import rasterio
from fields import array
from PIL import Image

TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]


def canvas(con, data, nulls=None, name="t"):
    values = pa.array(data.ravel(), mask=None if nulls is None else nulls.ravel())
    con.register(name, pa.table({"data": pa.ListArray.from_arrays([0, data.size], values), "shape": pa.array([list(data.shape)], pa.list_(pa.int64()))}))


def random(rng, dtype, shape):
    if dtype.startswith("float"):
        return rng.normal(0, 1000, shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("dtype", TYPES)
def test_numpy_loads_every_type_and_shape(con, rng, tmp_path, dtype):
    for shape in ((7,), (3, 5), (2, 3, 5), (2, 3, 4, 5)):
        data = random(rng, dtype, shape)
        canvas(con, data)
        con.execute(f"COPY (SELECT data, shape FROM t) TO '{tmp_path}/x.npy'")
        got = np.load(tmp_path / "x.npy", allow_pickle=False)
        assert got.dtype == dtype and got.flags.c_contiguous
        np.testing.assert_array_equal(got, data)
        np.testing.assert_array_equal(np.load(tmp_path / "x.npy", mmap_mode="r"), data)
    assert os.listdir(tmp_path) == ["x.npy"]


def test_null_is_nan_or_nodata(con, rng, tmp_path):
    data, nulls = rng.normal(0, 9, (4, 5)).astype("float32"), rng.random((4, 5)) < 0.4
    canvas(con, data, nulls)
    con.execute(f"COPY (SELECT data, shape FROM t) TO '{tmp_path}/x.npy'")
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), np.where(nulls, np.nan, data))
    con.execute(f"COPY (SELECT data, shape FROM t) TO '{tmp_path}/x.npy' (DTYPE int16, NODATA -32768)")
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), np.where(nulls, -32768, np.rint(data)))
    with pytest.raises(Exception, match=r"npy\(NODATA\): a pixel is NULL, and no value of int16 stands for that\nName one that no pixel has, for example NODATA -32768$"):
        con.execute(f"COPY (SELECT data, shape FROM t) TO '{tmp_path}/x.npy' (DTYPE int16)")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_pillow_and_rasterio_read_pictures(con, rng, tmp_path, dtype, bands):
    data = random(rng, dtype, (bands, 30, 40))
    canvas(con, data)
    con.execute(f"COPY (SELECT data, shape FROM t) TO '{tmp_path}/x.png'")
    with rasterio.open(tmp_path / "x.png") as src:
        assert set(src.dtypes) == {dtype} and src.nodata is None
        np.testing.assert_array_equal(src.read(), data)
    with Image.open(tmp_path / "x.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (40, 30))
        if dtype == "uint8":
            assert picture.mode == ["L", "LA", "RGB", "RGBA"][bands - 1]
            np.testing.assert_array_equal(np.asarray(picture).reshape(30, 40, bands), np.moveaxis(data, 0, -1))
    assert os.listdir(tmp_path) == ["x.png"]


def test_the_nodata_of_a_grey_picture_is_told(con, rng, tmp_path):
    data, nulls = rng.integers(0, 255, (1, 9, 8), dtype="uint8"), rng.random((1, 9, 8)) < 0.3
    canvas(con, data, nulls)
    con.execute(f"COPY (SELECT data, shape FROM t) TO '{tmp_path}/x.png' (NODATA 255)")
    with rasterio.open(tmp_path / "x.png") as src:
        np.testing.assert_array_equal(src.read(masked=True).mask, nulls)
    got = con.execute(f"SELECT data FROM read_patch('{tmp_path}/x.png', size := [9, 8])").fetchone()[0]
    assert [v is None for v in got] == nulls.ravel().tolist()


def scene(raster, rng):
    data = rng.integers(0, 200, (3, 90, 70), dtype="uint8")
    data[:, 10:20, 30:50] = 255
    return raster("scene.tif", data, nodata=255)


@pytest.mark.parametrize("ending", ["npy", "png", "tif"])
def test_a_scene_is_cut_into_files_and_comes_back(con, raster, rng, tmp_path, ending):
    path = scene(raster, rng)
    con.execute(f"CREATE TABLE p AS SELECT *, if(patch_id % 3 = 0, 'val', 'train') AS split FROM read_patch('{path}', size := 32, stride := 16)")
    fields = "{data: data, shape: shape, transform: transform, crs: crs, split: split, id: patch_id}"
    count = con.execute(f"COPY (SELECT {fields} FROM p) TO '{tmp_path}/chips/{{split}}/p{{id}}.{ending}' (FORMAT {'geotiff' if ending == 'tif' else ending}, NODATA 255)").fetchone()[0]
    wins, pixels = [], []
    for data, shape, win, split, patch_id in con.execute("SELECT data, shape, win, split, patch_id FROM p").fetchall():
        name = tmp_path / "chips" / split / f"p{patch_id}.{ending}"
        if ending == "npy":
            got = np.load(name)
        else:
            with rasterio.open(name) as src:
                got = src.read()
        np.testing.assert_array_equal(got, np.array([255 if v is None else v for v in data], "uint8").reshape(shape))
        wins.append(win)
        pixels.append(got.ravel().tolist())
    assert count == len(wins) == sum(len(names) for _, _, names in os.walk(tmp_path / "chips"))
    con.register("back", pa.table({"data": pa.array(pixels, pa.list_(pa.uint8())), "win": wins}))
    got = array(con.execute("SELECT geoquilt.stitch([if(v = 255, NULL, v) FOR v IN data], win, [90, 70]) FROM back").fetchone()[0])
    with rasterio.open(path) as src:
        want = src.read(masked=True)
    np.testing.assert_array_equal(got.mask, want.mask)
    np.testing.assert_array_equal(got.compressed(), want.compressed())
    if ending == "tif":
        back = con.execute(f"SELECT data FROM read_patch('{tmp_path}/chips/val/p0.tif', size := 32)").fetchone()[0]
        assert back == con.execute("SELECT data FROM p WHERE patch_id = 0").fetchone()[0]


def test_patches_are_scaled_by_the_statistics_of_the_training_rows_saved_beside_them(con, raster, rng, tmp_path):
    path = raster("scene.tif", rng.normal(50, 20, (2, 64, 64)).astype("float32"))
    con.execute(f"CREATE TABLE p AS SELECT *, if(patch_id % 4 = 0, 'val', 'train') AS split FROM read_patch('{path}', size := 16)")
    con.execute(f"COPY (SELECT geoquilt.stats(data, shape) AS stats FROM p WHERE split = 'train') TO '{tmp_path}/stats.parquet'")
    con.execute(f"COPY (SELECT {{data: geo_normalise(data, shape, stats), shape: shape, id: patch_id}} FROM p, '{tmp_path}/stats.parquet') TO '{tmp_path}/p{{id}}.npy' (FORMAT npy)")
    patches = con.execute("SELECT data, shape, patch_id, split FROM p").fetchall()
    train = np.array([np.reshape(d, s) for d, s, _, split in patches if split == "train"], "float64")
    mean, std = train.mean((0, 2, 3)), train.std((0, 2, 3))
    for data, shape, patch_id, _ in patches:
        want = (np.reshape(data, shape) - mean[:, None, None]) / std[:, None, None]
        np.testing.assert_allclose(np.load(tmp_path / f"p{patch_id}.npy"), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("ending", ["npy", "png", "tif"])
def test_thousands_of_files_are_written_side_by_side_into_one_folder(con, tmp_path, ending):
    con.execute(f"COPY (SELECT {{data: [i % 200, 1, 2, 3]::UTINYINT[], shape: [1, 2, 2], transform: [0.0, 1, 0, 0, 0, -1], id: i}} FROM range(2000) t(i)) TO '{tmp_path}/{{id}}.{ending}' (FORMAT {'geotiff' if ending == 'tif' else ending})")
    assert sorted(os.listdir(tmp_path)) == sorted(f"{i}.{ending}" for i in range(2000))


def test_two_queries_may_write_files_into_one_folder(con, tmp_path):
    def write(name):
        con.cursor().execute(f"COPY (SELECT {{data: [1, 2, 3, 4], shape: [2, 2], id: i}} FROM range(1500) t(i)) TO '{tmp_path}/{name}{{id}}.npy' (FORMAT npy)")

    threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(os.listdir(tmp_path)) == 3000


def test_what_a_row_says_leads_to_no_other_folder(con, tmp_path):
    (tmp_path / "chips").mkdir()
    for part, target in (("../away", "chips/{part}.npy"), ("..", "chips/{part}/x.npy"), ("/tmp/away", "chips/{part}.npy")):
        with pytest.raises(Exception, match="text without slashes for {part}"):
            con.execute(f"COPY (SELECT {{data: [1], shape: [1], part: '{part}'}}) TO '{tmp_path}/{target}' (FORMAT npy)")
    assert os.listdir(tmp_path) == ["chips"] and os.listdir(tmp_path / "chips") == []


def test_an_interrupt_leaves_whole_files_alone(con, tmp_path):
    threading.Timer(0.7, con.interrupt).start()
    with pytest.raises(Exception, match="(?i)interrupt"):
        con.execute(f"COPY (SELECT {{data: range(10000)::INTEGER[], shape: [100, 100], id: i}} FROM range(10000000) t(i)) TO '{tmp_path}/{{id}}.npy' (FORMAT npy)")
    names = os.listdir(tmp_path)
    assert all(name.endswith(".npy") and not name.startswith(".") for name in names)
    for name in names[::97]:
        np.testing.assert_array_equal(np.load(tmp_path / name).ravel(), np.arange(10000))


@pytest.mark.parametrize("name, sql, options, words", [
    ("x.png", "SELECT [1.5]::FLOAT[], [1, 1]", "", "png(DTYPE): pixels of float32 in a PNG, which has uint8 and uint16\nSay DTYPE uint8"),
    ("x.png", "SELECT [1, 2, 3, 4, 5]::UTINYINT[], [5, 1, 1]", "", "a picture of [5, 1, 1] is not valid: must be 1 to 4 bands"),
    ("x.png", "SELECT [300]::USMALLINT[], [1, 1]", "DTYPE uint8", "png(DTYPE): a pixel of 300 does not fit uint8"),
    ("x.png", "SELECT [1]::UTINYINT[], [1]", "", "png(shape): [1] is not valid"),
    ("x.png", "SELECT [1, NULL]::UTINYINT[], [1, 2]", "", "png(NODATA): a pixel is NULL"),
    ("x.npy", "SELECT [1]::FLOAT[], {row_off: 0, col_off: 0, height: 1, width: 1}", "", "patches of one canvas, which this format does not stitch"),
    ("x.npy", "SELECT [1, 2]::FLOAT[], [1, 1]", "", "npy(data): 2 values for the shape [1, 1]"),
    ("x.npy", "SELECT [1]::FLOAT[], [1, 1] FROM range(2)", "", "the query has a second row"),
    ("x.npy", "SELECT [1]::FLOAT[], [1, 1]", "COMPRESS zip", '"COMPRESS" is not an option\nOne of: DTYPE, NODATA'),
])
def test_bad_input_is_named_and_leaves_nothing(con, tmp_path, name, sql, options, words):
    with pytest.raises(Exception) as error:
        con.execute(f"COPY ({sql}) TO '{tmp_path}/{name}' ({', '.join(filter(None, ['FORMAT ' + name[2:], options]))})")
    assert words in str(error.value), str(error.value)
    assert os.listdir(tmp_path) == []
