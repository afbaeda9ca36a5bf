"""The read engine: blocks unpacked past GDAL, bounded handles, counters, files that change while cached, replacement scans."""
import os
import shutil
import time

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
import rasterio.shutil
from conftest import EXTENSION, OPEN_EXTENSION, connect, run_python, sql_list
from rasterio.transform import from_origin

HEIGHT, WIDTH = 150, 173
WIN = "{{row_off: {}, col_off: {}, height: {}, width: {}}}::STRUCT(row_off BIGINT, col_off BIGINT, height INTEGER, width INTEGER)"


def pixels(dtype, bands=1, seed=0, shape=(HEIGHT, WIDTH)):
    rng = np.random.default_rng([seed, bands])
    if np.dtype(dtype).kind == "f":
        return np.round(rng.normal(280, 20, (bands, *shape)), 2).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, (bands, *shape), dtype=dtype, endpoint=True)


def cache(con):
    rows = con.execute("FROM geoquilt_cache()")
    return dict(zip([c[0] for c in rows.description], rows.fetchone()))


def whole(con, path, more=""):
    """The raster as [band, row, col] with NaN for NULL, put together from its blocks."""
    with rasterio.open(path) as file:
        out = np.full((file.count, file.height, file.width), np.nan)
    seen = np.zeros(out.shape[1:], int)
    for w, data, shape in con.execute(f"SELECT win, data, shape FROM read_blocks('{path}'{more})").fetchall():
        rows, cols = slice(w["row_off"], w["row_off"] + w["height"]), slice(w["col_off"], w["col_off"] + w["width"])
        out[:, rows, cols] = np.array([np.nan if v is None else v for v in data], float).reshape(shape)
        seen[rows, cols] += 1
    assert (seen == 1).all(), "each pixel lies in one block"
    return out


# --- blocks past GDAL --------------------------------------------------------------------------------

PACKED = {
    "tiles": dict(tiled=True, blockxsize=64, blockysize=32), "tiles as wide as the raster": dict(tiled=True, blockxsize=176, blockysize=16),
    "strips": dict(blockysize=7), "one strip": dict(blockysize=HEIGHT), "bigtiff": dict(BIGTIFF="YES", tiled=True, blockxsize=32, blockysize=32),
    "big-endian": dict(ENDIANNESS="BIG", tiled=True, blockxsize=32, blockysize=32), "bands apart": dict(interleave="band", tiled=True, blockxsize=64, blockysize=64),
    "bands together": dict(interleave="pixel", tiled=True, blockxsize=64, blockysize=64),
}


@pytest.mark.parametrize("layout", list(PACKED))
@pytest.mark.parametrize("predictor", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "float32", "float64"])
def test_deflated_blocks_equal_rasterio(con, raster, dtype, predictor, layout):
    if predictor == 3 and not dtype.startswith("float"):
        pytest.skip("predictor 3 is for floats")
    bands = 3 if layout.startswith("bands") else 1
    data = pixels(dtype, bands)
    path = raster("a.tif", data, compress="deflate", predictor=predictor, **PACKED[layout])
    for row, col, height, width in [(0, 0, HEIGHT, WIDTH), (149, 172, 1, 1), (5, 60, 40, 70)]:
        table = con.execute(f"SELECT data FROM read_patch([{{path: '{path}', win: {WIN.format(row, col, height, width)}}}])").to_arrow_table()
        got = table.column(0).combine_chunks().flatten().to_numpy()
        np.testing.assert_array_equal(got, data[:, row:row + height, col:col + width].ravel())


def test_blocks_that_a_file_leaves_out_and_bits_that_are_no_bytes_equal_rasterio(con, tmp_path):
    for name, dtype, more in [("sparse.tif", "float32", dict(SPARSE_OK=True)), ("bits.tif", "uint16", dict(NBITS=12)), ("one bit.tif", "uint8", dict(NBITS=1))]:
        with rasterio.open(tmp_path / name, "w", driver="GTiff", height=HEIGHT, width=WIDTH, count=1, dtype=dtype, compress="deflate", tiled=True, blockxsize=32, blockysize=32, **more) as file:
            file.write(np.random.default_rng(0).integers(0, 2, (40, 50)).astype(dtype), 1, window=rasterio.windows.Window(70, 60, 50, 40))
        with rasterio.open(tmp_path / name) as file:
            np.testing.assert_array_equal(whole(con, tmp_path / name), file.read())


def test_a_damaged_deflate_block_is_an_error_that_names_band_and_window(con, raster, tmp_path):
    path = raster("a.tif", pixels("float32"), compress="deflate", tiled=True, blockxsize=64, blockysize=64)
    with rasterio.open(path) as file:
        offset = int(file.get_tag_item("BLOCK_OFFSET_1_1", "TIFF", bidx=1))
    raw = bytearray(open(path, "rb").read())
    raw[offset + 100:offset + 200] = b"\xff" * 100
    (tmp_path / "b.tif").write_bytes(raw)
    with pytest.raises(Exception, match=r"(?s)read_patch.*band 1, window \(row 64, col 64.*b\.tif"):
        con.execute(f"SELECT read_patch('{tmp_path}/b.tif', {WIN.format(70, 70, 4, 4)})").fetchall()
    assert con.execute(f"SELECT len(read_patch('{tmp_path}/b.tif', {WIN.format(0, 0, 4, 4)}))").fetchone() == (16,)


# --- counters and bounds -----------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["scalar", "table"])
@pytest.mark.parametrize("threads", [1, 8])
def test_each_block_is_decoded_once_whatever_the_threads(con, raster, threads, form):
    path = raster("a.tif", pixels("float32", shape=(512, 512)), compress="deflate", tiled=True, blockxsize=64, blockysize=64)
    con.execute(f"SET geoquilt_threads = {threads}")
    before = cache(con)
    sql = {"scalar": f"SELECT count(*), sum(len(read_patch('{path}', win))) FROM geo_patch_grid('{path}', size := 96, stride := 16)",
           "table": f"SELECT count(*), sum(len(data)) FROM read_patch('{path}', size := 96, stride := 16)"}[form]
    count, total = con.execute(sql).fetchone()
    assert total == count * 96 * 96
    after = cache(con)
    assert after["misses"] - before["misses"] == 64
    assert after["blocks"] >= 64 and after["bytes"] <= after["limit_bytes"]


def test_handles_stay_within_their_bound_and_a_cycle_over_many_files_does_not_thrash(tmp_path):
    """200 files in turns, with 256 open files allowed (64 handles): a chunk reads file by file, so that each is opened to
    be looked at, and once more by each thread that reads it."""
    code = OPEN_EXTENSION + f"""
import resource, os
import numpy as np, rasterio
from rasterio.transform import from_origin
for i in range(200):
    with rasterio.open('{tmp_path}/%03d.tif' % i, 'w', driver='GTiff', height=64, width=64, count=1, dtype='uint16', crs='EPSG:4326', transform=from_origin(0, 1, .01, .01), tiled=True, blockxsize=16, blockysize=16, compress='deflate') as f:
        f.write(np.full((1, 64, 64), i, 'uint16'))
def cache():
    rows = con.execute('FROM geoquilt_cache()')
    return dict(zip([c[0] for c in rows.description], rows.fetchone()))
con.execute('SET threads = 1; SET geoquilt_threads = 1; CREATE TABLE turns AS SELECT i, turn FROM range(8) t(turn), range(200) f(i) ORDER BY turn, i')
assert cache()['handles_limit'] == 64, cache()
rows = con.execute('''SELECT i, turn, list_min(p), list_max(p), len(p) FROM (SELECT i, turn, read_patch('{tmp_path}/' || lpad(i::VARCHAR, 3, '0') || '.tif',
    {{row_off: turn * 6, col_off: turn * 6, height: 8::INTEGER, width: 8::INTEGER}}) AS p FROM turns)''').fetchall()
assert len(rows) == 1600 and all(lo == hi == i and n == 64 for i, turn, lo, hi, n in rows)
print(cache())
assert cache()['handles'] <= 64 and cache()['opened'] <= 400, cache()
assert len(os.listdir('/proc/self/fd')) < 230
n = con.execute("SELECT count(*) FROM read_patch('{tmp_path}/*.tif', size := 8)").fetchone()[0]
assert n == 200 * 64 and cache()['handles'] <= 64
print('survived')
"""
    result = run_python("import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))\n" + code, timeout=100)
    assert "survived" in result.stdout, (result.stdout[-500:], result.stderr[-1500:])


def test_the_rows_of_the_scalar_keep_their_order_however_files_are_mixed(con, raster):
    """Windows are read by file and block; the answers stay with their rows."""
    data = [pixels("int16", seed=i) for i in range(5)]
    paths = [raster(f"{i}.tif", d, **more) for i, (d, more) in enumerate(zip(data, [dict(compress="deflate", tiled=True, blockxsize=32, blockysize=32), {}, dict(blockysize=3), dict(compress="lzw"), dict(tiled=True, blockxsize=16, blockysize=16)]))]
    rng = np.random.default_rng(4)
    rows = [(int(rng.integers(5)), int(rng.integers(-5, HEIGHT - 2)), int(rng.integers(-5, WIDTH - 2)), int(rng.integers(8, 40)), int(rng.integers(8, 40))) for _ in range(3000)]
    con.register("given", pa.table({"i": range(len(rows)), "path": [None if i % 50 == 0 else paths[r[0]] for i, r in enumerate(rows)], **{k: [r[j] for r in rows] for j, k in enumerate(["f", "r", "c", "h", "w"])}}))
    for threads in (1, 4):
        con.execute(f"SET geoquilt_threads = {threads}")
        got = con.execute("SELECT i, read_patch(path, {row_off: r, col_off: c, height: h::INTEGER, width: w::INTEGER}, {fill: -7}) AS p FROM given ORDER BY i").to_arrow_table()
        for i, patch in zip(got.column("i").to_pylist(), got.column("p")):
            if i % 50 == 0:
                assert not patch.is_valid
                continue
            f, r, c, h, w = rows[i]
            want = np.full((h, w), -7, "float32")
            r0, c0, r1, c1 = max(r, 0), max(c, 0), min(r + h, HEIGHT), min(c + w, WIDTH)
            want[r0 - r:r1 - r, c0 - c:c1 - c] = data[f][0, r0:r1, c0:c1]
            np.testing.assert_array_equal(patch.values.to_numpy(), want.ravel())


@pytest.mark.alone
def test_two_threads_are_near_twice_one(raster, tmp_path):
    """Where the machine is quiet: user time may not grow, and the wall time must shrink."""
    if os.cpu_count() < 2 or os.getloadavg()[0] > 0.5:
        pytest.skip("the machine is busy")
    path = raster("a.tif", pixels("float32", shape=(2048, 2048)), compress="deflate", tiled=True, blockxsize=128, blockysize=128)
    con = connect()
    con.execute("SET threads = 1")
    best = {}
    for turn in range(5):
        for threads in (1, 2):
            con.execute(f"SET geoquilt_threads = {threads}")
            copy = tmp_path / f"{turn}_{threads}.tif"
            copy.write_bytes(open(path, "rb").read())
            for kind in ("cold", "warm"):
                start = time.perf_counter()
                con.execute(f"SELECT sum(len(read_patch('{copy}', win))) FROM geo_patch_grid('{copy}', size := 128, stride := 32)").fetchone()
                seconds = time.perf_counter() - start
                best[kind, threads] = min(best.get((kind, threads), 9), seconds)
    for kind in ("cold", "warm"):
        assert best[kind, 1] / best[kind, 2] > 1.25, best


# --- files that change while cached ------------------------------------------------------------------


def vrt(path, source, relative=True, dtype="UInt16"):
    path.write_text(f'<VRTDataset rasterXSize="{WIDTH}" rasterYSize="{HEIGHT}"><VRTRasterBand dataType="{dtype}" band="1"><SimpleSource><SourceFilename relativeToVRT="{int(relative)}">{source}</SourceFilename>'
                    f'<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>')
    return str(path)


def both(con, path):
    """One pixel by each form; they must agree."""
    scalar = con.execute(f"SELECT read_patch('{path}', {WIN.format(3, 4, 1, 1)})").fetchone()[0][0]
    table = con.execute(f"SELECT data[1] FROM read_patch([{{path: '{path}', win: {WIN.format(3, 4, 1, 1)}}}])").fetchone()[0]
    assert scalar == table
    return scalar


def test_a_file_replaced_while_cached_is_read_anew(con, raster, tmp_path):
    path = raster("a.tif", np.full((HEIGHT, WIDTH), 1, "uint16"))
    assert both(con, path) == 1
    for value in (2, 3, 4):
        new = raster("new.tif", np.full((HEIGHT, WIDTH), value, "uint16"))
        os.utime(new, ns=(os.stat(path).st_atime_ns, os.stat(path).st_mtime_ns))
        os.replace(new, path)
        assert both(con, path) == value


def test_a_vrt_whose_source_changed_is_read_anew(con, raster, tmp_path):
    raster("a.tif", np.full((HEIGHT, WIDTH), 1, "uint16"))
    inner = vrt(tmp_path / "inner.vrt", "a.tif")
    outer = vrt(tmp_path / "outer.vrt", inner, relative=False)
    assert (both(con, inner), both(con, outer)) == (1, 1)
    raster("a.tif", np.full((HEIGHT, WIDTH), 2, "uint16"))
    assert (both(con, inner), both(con, outer)) == (2, 2)


def test_side_files_that_come_later_are_seen(con, raster, tmp_path):
    path = raster("a.tif", np.full((HEIGHT, WIDTH), 5, "uint16"))
    assert both(con, path) == 5
    (tmp_path / "a.tif.aux.xml").write_text('<PAMDataset><PAMRasterBand band="1"><NoDataValue>5</NoDataValue></PAMRasterBand></PAMDataset>')
    assert both(con, path) is None
    (tmp_path / "a.tif.aux.xml").unlink()
    assert both(con, path) == 5
    # A folder that says it did not change since it was listed.
    other = shutil.copy(path, tmp_path / "b.tif")
    os.utime(tmp_path, (1e9, 1e9))
    time.sleep(2.1)
    assert both(con, other) == 5
    (tmp_path / "b.tif.aux.xml").write_text('<PAMDataset><PAMRasterBand band="1"><NoDataValue>5</NoDataValue></PAMRasterBand></PAMDataset>')
    os.utime(tmp_path, (1e9, 1e9))
    assert both(con, other) is None


def test_a_place_that_comes_later_beside_a_raster_without_one_is_seen(con, tmp_path):
    path = str(tmp_path / "a.tif")
    with pytest.warns(), rasterio.open(path, "w", driver="GTiff", count=1, height=4, width=4, dtype="uint8", crs="EPSG:32629") as file:
        file.write(np.ones((1, 4, 4), "uint8"))
    transform = lambda: con.execute(f"SELECT transform FROM '{path}'").fetchone()[0]
    assert transform() is None
    for name in ["a.tfw", "a.TFW", "a.tifw", "a.wld", "a.WLD"]:
        (tmp_path / name).write_text("10\n0\n0\n-10\n500005\n3999995\n")
        assert transform() == [500000, 10, 0, 4000000, 0, -10], name
        (tmp_path / name).unlink()
        assert transform() is None, name


def test_a_vrt_over_a_pipe_is_refused_and_waits_for_nobody(tmp_path):
    os.mkfifo(tmp_path / "pipe.tif")
    vrt(tmp_path / "a.vrt", "pipe.tif")
    vrt(tmp_path / "b.vrt", "a.vrt")
    code = OPEN_EXTENSION + f"""
for path in ['{tmp_path}/a.vrt', '{tmp_path}/b.vrt', '{tmp_path}/pipe.tif']:
    for sql in ["SELECT read_patch('%s', {{row_off: 0, col_off: 0, height: 1, width: 1}})", "FROM read_patch('%s', size := 8)", "FROM geo_catalog_build('%s')", "FROM '%s'"]:
        try:
            con.execute(sql % path).fetchall()
            raise SystemExit('read ' + sql % path)
        except duckdb.Error as error:
            assert 'pipe.tif' in str(error) and 'not a regular file' in str(error), str(error)
print('survived')
"""
    result = run_python(code, timeout=30)
    assert "survived" in result.stdout, (result.stdout[-500:], result.stderr[-1500:])


# --- FROM 'scene.tif' --------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", list(PACKED))
def test_a_raster_by_its_name_is_its_blocks(con, raster, layout):
    data = pixels("int16", 2)
    data[0, ::5] = -3
    path = raster("a.tif", data, nodata=-3, compress="deflate", **PACKED[layout])
    with rasterio.open(path) as file:
        want = file.read(masked=True).astype(float).filled(np.nan)
        windows = [(w.row_off, w.col_off, w.height, w.width) for _, w in file.block_windows(1)]
        transforms = [file.window_transform(w).to_gdal() for _, w in file.block_windows(1)]
    np.testing.assert_array_equal(whole(con, path), want)
    rows = con.execute(f"SELECT path, block_id, win, data, shape, transform, crs FROM '{path}'").fetchall()
    assert [tuple(r[2].values()) for r in rows] == windows and [r[1] for r in rows] == list(range(len(windows)))
    for row, transform in zip(rows, transforms):
        assert row[0] == path and row[5] == pytest.approx(transform, rel=1e-15) and row[6] == "EPSG:32629" and list(row[4]) == [2, *list(row[2].values())[2:]]
    assert con.execute(f"SELECT * FROM read_blocks('{path}')").fetchall() == con.execute(f"FROM '{path}'").fetchall()


def test_suffixes_in_any_case_globs_and_what_is_not_ours(con, raster, tmp_path, monkeypatch):
    path = raster("SCENE.TIF", np.ones((20, 30), "uint8"))
    raster("b.tif", np.ones((20, 30), "uint8"))
    raster("c.tiff", np.ones((20, 30), "uint8"))
    total = lambda name: con.execute(f"SELECT sum(list_sum(data)) FROM '{name}'").fetchone()[0]
    assert total(path) == total(tmp_path / "c.tiff") == 600
    assert total(f"{tmp_path}/**/b*.tif") == total(f"{tmp_path}/?.tiff") == 600
    monkeypatch.chdir(tmp_path)
    assert total("b.tif") == 600
    # What DuckDB reads by name stays its own, and a table of that name comes first.
    con.execute(f"COPY (SELECT 1 AS a) TO '{tmp_path}/x.parquet'; COPY (SELECT 2 AS a) TO '{tmp_path}/x.csv'; COPY (SELECT 3 AS a) TO '{tmp_path}/x.json'; COPY (SELECT 4 AS a) TO '{tmp_path}/x.tif.csv'")
    assert [con.execute(f"SELECT a FROM '{tmp_path}/{name}'").fetchone()[0] for name in ("x.parquet", "x.csv", "x.json", "x.tif.csv")] == [1, 2, 3, 4]
    con.execute('CREATE TABLE "b.tif" AS SELECT 7 AS a')
    assert con.execute("FROM 'b.tif'").fetchall() == [(7,)]
    for name, words in [(f"{tmp_path}/absent.tif", "(?s)read_blocks.*absent.tif.*does not exist"), (f"{tmp_path}/none*.tif", "no file matches"), ("no_such_table", "(?i)no_such_table does not exist")]:
        with pytest.raises(Exception, match=words):
            con.execute(f"FROM '{name}'" if "." in name else f"FROM {name}")


def test_an_array_file_by_its_name_lists_its_variables(con, tmp_path):
    import xarray

    values = np.arange(24, dtype="float64").reshape(2, 3, 4)
    one = xarray.Dataset({"tos": (("time", "lat", "lon"), values)}, {"time": np.array(["2020-01-01", "2020-01-02"], "datetime64[ns]"), "lat": [1.0, 2, 3], "lon": [5.0, 6, 7, 8]})
    one.to_netcdf(tmp_path / "CUBE.NC")
    one.to_zarr(tmp_path / "cube.zarr", zarr_format=2)
    for name in ("CUBE.NC", "cube.zarr", "cube.zarr/"):
        rows = con.execute(f"SELECT variable, dims, shape FROM '{tmp_path}/{name}' WHERE len(dims) = 3").fetchall()
        assert rows == [("tos", ["time", "lat", "lon"], [2, 3, 4])]
        assert str(con.execute(f"FROM '{tmp_path}/{name}'").fetchall()) == str(con.execute(f"FROM read_variables('{tmp_path}/{name}')").fetchall())  # a fill of nan equals itself as text only
    (tmp_path / "text.nc").write_text("no array")
    for name, words in [("absent.nc", "(?s)read_variables.*absent.nc.*does not exist"), ("no*.zarr", "(?s)read_variables.*no file matches"), ("text.nc", r"(?s)read_variables.*text\.nc")]:
        with pytest.raises(Exception, match=words):
            con.execute(f"FROM '{tmp_path}/{name}'")


def test_replacement_scans_keep_no_database_open(raster, tmp_path):
    path = raster("a.tif", np.ones((20, 30), "uint8"))
    code = f"""
import duckdb
for turn in range(3):
    con = duckdb.connect('{tmp_path}/db.duckdb', config={{'allow_unsigned_extensions': 'true'}})
    con.execute("LOAD '{EXTENSION}'")
    con.execute("LOAD '{EXTENSION}'")
    assert con.execute("SELECT sum(list_sum(data)) FROM '{path}'").fetchone() == (600,)
    con.close()
print('survived')
"""
    result = run_python(code, timeout=60)
    assert "survived" in result.stdout, result.stderr[-1500:]


def test_read_blocks_options(con, raster):
    data = pixels("int16", 2)
    path = raster("a.tif", data, nodata=int(data[0, 0, 0]), scales=[0.5, 2], offsets=[1, 0], descriptions=["red", "blue"], **PACKED["tiles"])
    np.testing.assert_array_equal(whole(con, path, ", dtype := 'float64', bands := ['red', 'blue'], scaled := true")[1], np.where(data[1] == data[0, 0, 0], np.nan, data[1] * 2.0))
    got = con.execute(f"SELECT bool_and(len(list_filter(data, lambda x: x IS NULL)) = 0) FROM read_blocks('{path}', fill := 0)").fetchone()
    assert got == (True,)
    with pytest.raises(Exception, match="(?s)size.*read_blocks"):
        con.execute(f"FROM read_blocks('{path}', size := 4)")
    con.execute("SET geoquilt_max_chunk_mb = 1")
    big = raster("big.tif", np.zeros((1200, 1200), "uint8"), blockysize=1200, compress="deflate")
    with pytest.raises(Exception, match="(?s)read_blocks.*geoquilt_max_chunk_mb"):
        con.execute(f"SELECT data FROM read_blocks('{big}')").fetchall()


# --- registries --------------------------------------------------------------------------------------


@pytest.fixture
def scene(raster):
    return raster("scene.tif", np.arange(400, dtype="uint16").reshape(20, 20))


RICH = """SELECT path, win, i, '2024-05-06 07:08:09+02'::TIMESTAMPTZ + to_hours(i) AS tz, '2024-05-06 07:08:09.123456789'::TIMESTAMP_NS AS ns, (i + 1)::DECIMAL(4, 1) AS d4, (i * 1.5)::DECIMAL(9, 2) AS d9,
    123456789012.345::DECIMAL(18, 3) AS d18, '12345678901234567890123456.789'::DECIMAL(38, 3) AS d38, '-1.5'::DECIMAL(38, 3) AS minus, uuid AS id, TIME '01:02:03.5' AS at, 7::UTINYINT AS small, 1.5::FLOAT AS f, true AS yes, '2024-01-02'::DATE AS day,
    {a: 1::SMALLINT, b: ['x', NULL]} AS nest, NULL::DECIMAL(20, 2) AS nothing
    FROM (SELECT '{path}' AS path, {row_off: i, col_off: 0, height: 1::INTEGER, width: 2::INTEGER} AS win, i, ('00000000-0000-4000-8000-00000000000' || i)::UUID AS uuid FROM range(3) t(i))"""


@pytest.mark.parametrize("form", ["parquet", "list"])
def test_a_registrys_columns_keep_type_and_value(con, scene, tmp_path, form):
    con.execute("SET TimeZone = 'UTC'")
    con.execute(f"CREATE TABLE rich AS {RICH.replace('{path}', scene)}")
    con.execute(f"COPY rich TO '{tmp_path}/r.parquet'; SET VARIABLE rows = (SELECT list(rich ORDER BY i) FROM rich)")
    source = {"parquet": f"'{tmp_path}/r.parquet'", "list": "getvariable('rows')"}[form]
    con.execute(f"CREATE TABLE got AS SELECT * EXCLUDE (data, shape, transform, crs) FROM read_patch({source})")
    types = lambda name: con.execute(f"SELECT column_name, column_type FROM (DESCRIBE {name})").fetchall()
    assert types("got") == types("rich")
    # As text: Python has no nanoseconds, and needs another package for time zones.
    as_text = lambda name: con.execute(f"SELECT COLUMNS(*)::VARCHAR FROM {name} ORDER BY i").fetchall()
    assert as_text("got") == as_text("rich") and len(as_text("got")) == 3
    assert con.execute("SELECT count(*) FROM (FROM got EXCEPT FROM rich)").fetchone() == (0,)


def test_columns_of_pandas_and_other_writers(con, scene, tmp_path):
    import datetime

    win = {"row_off": 0, "col_off": 0, "height": 1, "width": 2}
    table = pa.table({"path": pa.array([scene] * 2).dictionary_encode(), "win": [win] * 2, "half": pa.array([1.5, None], pa.float16()), "bytes": pa.array([b"abcd", None], pa.binary(4)),
                      "sec": pa.array([datetime.time(1, 2, 3), None], pa.time32("ms")), "nano": pa.array([5, None], pa.timestamp("ns", "UTC")), "text": pa.array(["a", None], pa.large_string())})
    pq.write_table(table, tmp_path / "r.parquet")
    rows = con.execute(f"SELECT half, bytes, sec, epoch_us(nano), text, data FROM read_patch('{tmp_path}/r.parquet')").fetchall()
    assert rows == [(1.5, b"abcd", datetime.time(1, 2, 3), 0, "a", [0, 1]), (None, None, None, None, None, [0, 1])]


def test_a_column_that_can_not_be_carried_is_named_with_what_to_do(con, scene, tmp_path):
    con.execute(f"COPY (SELECT '{scene}' AS path, {{row_off: 0, col_off: 0, height: 1, width: 2}} AS win, INTERVAL 3 DAY AS every) TO '{tmp_path}/r.parquet'")
    with pytest.raises(Exception, match=r"(?s)read_patch\(source\).*every.*Interval.*cast it to text"):
        con.execute(f"FROM read_patch('{tmp_path}/r.parquet')")


@pytest.mark.parametrize("form", ["parquet", "list"])
def test_report_keeps_the_other_columns_of_a_row_without_path_or_window(con, scene, tmp_path, form):
    con.execute(f"""CREATE TABLE r AS SELECT i, 'row ' || i AS note, CASE WHEN i <> 1 THEN '{scene}' END AS path,
        CASE WHEN i <> 2 THEN {{row_off: CASE WHEN i = 3 THEN NULL ELSE i END, col_off: 0::BIGINT, height: CASE WHEN i = 4 THEN 0 ELSE 1 END::INTEGER, width: 2::INTEGER}} END AS win FROM range(6) t(i);
        COPY r TO '{tmp_path}/r.parquet'; SET VARIABLE rows = (SELECT list(r ORDER BY i) FROM r)""")
    source = {"parquet": f"'{tmp_path}/r.parquet'", "list": "getvariable('rows')"}[form]
    rows = con.execute(f"SELECT i, note, path, win, data, error FROM read_patch({source}, on_error := 'report')").fetchall()
    assert [(r[0], r[1]) for r in rows] == [(i, f"row {i}") for i in range(6)]
    assert [r[4] for r in rows] == [[0, 1], None, None, None, None, [100, 101]]
    assert [r[5] is None for r in rows] == [True, False, False, False, False, True]
    assert rows[2][2] == scene and rows[1][2] is None and rows[1][3]["row_off"] == 1 and rows[3][3]["row_off"] is None
    assert "without a path" in rows[1][5] and "row_off" in rows[3][5] and "1 x 1" in rows[4][5]
    assert [r[0] for r in con.execute(f"SELECT i FROM read_patch({source}, on_error := 'skip')").fetchall()] == [0, 5]
    with pytest.raises(Exception, match="without a path or a win"):
        con.execute(f"SELECT data FROM read_patch({source})").fetchall()


@pytest.mark.parametrize("form", ["parquet", "list"])
def test_registry_columns_are_found_in_any_case(con, scene, tmp_path, form):
    con.execute(f"CREATE TABLE r AS SELECT '{scene}' AS \"PATH\", {{'Row_Off': 1, 'COL_OFF': 0, 'Height': 1, 'Width': 2}} AS \"Win\"; COPY r TO '{tmp_path}/r.parquet'; SET VARIABLE rows = (SELECT list(r) FROM r)")
    source = {"parquet": f"'{tmp_path}/r.parquet'", "list": "getvariable('rows')"}[form]
    assert con.execute(f"SELECT data FROM read_patch({source})").fetchall() == [([20, 21],)]


def test_an_empty_list_is_a_registry_without_rows(con, scene):
    con.execute(f"CREATE TABLE r AS SELECT '{scene}' AS path, {{row_off: 0, col_off: 0, height: 1, width: 2}} AS win, 7 AS seven; SET VARIABLE none = (SELECT list_filter(list(r), lambda x: false) FROM r)")
    rows = con.execute("FROM read_patch(getvariable('none'))")
    assert [c[0] for c in rows.description][:3] == ["path", "win", "seven"] and rows.fetchall() == []
    with pytest.raises(Exception, match=r"read_patch\(source\)"):
        con.execute("FROM read_patch([])")


def test_home_is_where_a_shell_finds_it(raster, tmp_path):
    raster("a.tif", np.arange(400, dtype="uint16").reshape(20, 20), crs="EPSG:4326", transform=from_origin(0, 20, 1, 1))
    code = OPEN_EXTENSION + """
W = "{row_off: 0, col_off: 0, height: 1, width: 2}"
assert con.execute(f"SELECT read_patch('~/a.tif', {W})").fetchone() == ([0, 1],)
assert con.execute(f"SELECT data FROM read_patch([{{path: '~/a.tif', win: {W}}}])").fetchone() == ([0, 1],)
con.execute(f"COPY (SELECT '~/a.tif' AS path, {W} AS win) TO '%s/r.parquet'")
assert con.execute("SELECT data FROM read_patch('~/r.parquet')").fetchone() == ([0, 1],)
assert con.execute("SELECT count(*) FROM geo_patch_grid('~/a.tif', size := 10, mask := '~/a.tif', max_land_fraction := 1)").fetchone() == (4,)
assert con.execute("SELECT st_land_fraction({xmin: 0, ymin: 0, xmax: 20, ymax: 20}, '~/a.tif')").fetchone()[0] > 0.99
assert con.execute("SELECT count(*) FROM '~/*.tif'").fetchone() == (1,)
print('survived')
""" % tmp_path
    result = run_python(code, timeout=60, env={"HOME": str(tmp_path)})
    assert "survived" in result.stdout, result.stderr[-1500:]


# --- settings, masks, permutations -------------------------------------------------------------------


@pytest.mark.parametrize("setting,value", [("geoquilt_threads", 0), ("geoquilt_threads", 1025), ("geoquilt_max_chunk_mb", 0)])
def test_a_setting_out_of_range_is_an_error_with_the_next_call(con, scene, setting, value):
    con.execute(f"SET {setting} = {value}")
    for sql in [f"FROM read_patch('{scene}', size := 4)", f"SELECT read_patch('{scene}', {WIN.format(0, 0, 1, 1)})", f"FROM geo_catalog_build('{scene}')"]:
        with pytest.raises(Exception, match=f"(?s){setting}.*{value} is not valid.*between 1 and"):
            con.execute(sql).fetchall()
    con.execute(f"RESET {setting}")
    assert con.execute(f"SELECT count(*) FROM read_patch('{scene}', size := 4)").fetchone() == (25,)


def test_nan_in_a_mask_is_invalid_and_no_land(con, raster):
    rng = np.random.default_rng(2)
    for nodata in (None, np.nan, 9.0):
        mask = rng.integers(0, 2, (40, 60)).astype("float32")
        mask[rng.random(mask.shape) < 0.2] = np.nan
        if nodata == 9.0:
            mask[rng.random(mask.shape) < 0.1] = 9
        path = raster(f"mask_{nodata}.tif", mask, crs="EPSG:4326", transform=from_origin(0, 40, 1, 1), nodata=nodata)
        invalid = np.isnan(mask) | (mask == 9)
        land = (mask > 0.5) & ~invalid
        for w, a, b, c in con.execute(f"SELECT win, land_fraction, invalid_fraction, ocean_fraction FROM geo_patch_grid('{path}', size := 10, stride := 5, max_land_fraction := 1)").fetchall():
            part = np.s_[w["row_off"]:w["row_off"] + 10, w["col_off"]:w["col_off"] + 10]
            assert (a, b) == pytest.approx((land[part].mean(), invalid[part].mean())) and c == pytest.approx(1 - a - b)
        got = con.execute(f"SELECT st_land_fraction({{xmin: 3, ymin: 4, xmax: 50, ymax: 33}}, '{path}'), st_land_fraction('POLYGON ((3 4, 50 4, 50 33, 3 33, 3 4))'::GEOMETRY, '{path}')").fetchone()
        assert got == pytest.approx([land[7:36, 3:50].mean()] * 2)


@pytest.mark.parametrize("west", [-180.0, 0.0])
@pytest.mark.parametrize("lon", [170.0, 175.3, -190.0, -350.0, 350.0])
def test_land_under_a_polygon_over_the_antimeridian(con, raster, west, lon):
    """A ring that runs on past 180 degrees counts the pixels that rasterio burns into a mask that runs on as far."""
    import shapely
    from rasterio.features import rasterize

    land = np.random.default_rng(3).integers(0, 2, (180, 360)).astype("uint8")
    path = raster("mask.tif", land, crs="EPSG:4326", transform=from_origin(west, 90, 1, 1))
    shape = shapely.Polygon([(lon, -20), (lon + 21.5, -25), (lon + 18, 17.2), (lon + 3.7, 30)])
    turns = np.tile(land, (1, 4))
    inside = rasterize([shape], turns.shape, transform=from_origin(west - 720 + 360, 90, 1, 1)).astype(bool)
    got = con.execute(f"SELECT st_land_fraction('{shape.wkt}'::GEOMETRY, '{path}')").fetchone()[0]
    assert inside.any() and got == pytest.approx(turns[inside].mean(), abs=1e-12)


def test_permutations_are_numpys(con):
    for n, seed in [(0, 0), (1, 5), (2, 5), (63, 1), (64, 1), (65, 1), (66, 1), (1000, 2 ** 40), (300_000, 7)]:
        got = con.execute(f"SELECT geo_permutation({n}, {seed}) AS p").to_arrow_table().column(0).combine_chunks().flatten().to_numpy()
        np.testing.assert_array_equal(got, np.random.default_rng(seed).permutation(n))


# --- damaged files of other formats ------------------------------------------------------------------

FUZZ = OPEN_EXTENSION + """
import pathlib, random
folder, kind, count = pathlib.Path(FOLDER), KIND, COUNT
raw = (folder / kind).read_bytes()
for i in range(count):
    rng = random.Random(i)
    blob = bytearray(raw)
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        at = rng.randrange(len(blob)) if rng.random() < 0.4 else rng.randrange(min(len(blob), 400))
        blob[at] = blob[at] ^ (1 << rng.randrange(8)) if rng.random() < 0.7 else rng.randrange(256)
    if rng.random() < 0.1:
        del blob[rng.randrange(len(blob)):]
    path = folder / ('fuzz' + pathlib.Path(kind).suffix)
    path.write_bytes(blob)
    print(i, flush=True)
    for sql in ["SELECT len(read_patch('%s', {row_off: -1, col_off: -1, height: 30, width: 30}))", "SELECT sum(len(data)) FROM (SELECT data FROM read_patch('%s', size := 16, edge := 'overflow') LIMIT 50)",
                "SELECT count(*) FROM (FROM '%s' LIMIT 20)", "FROM geo_catalog_build('%s')", "SELECT count(*) FROM (FROM geo_patch_grid('%s', size := 8, edge := 'drop') LIMIT 100)"]:
        try:
            con.execute(sql % path).fetchall()
        except duckdb.Error as error:
            assert 'panick' not in str(error) and 'INTERNAL' not in str(error) and 'defect of geoquilt' not in str(error), str(error)
print('survived')
"""


@pytest.mark.parametrize("kind", ["a.vrt", "a.png", "a.jpg", "a.gif"])
def test_damaged_files_of_other_formats_never_crash_or_hang(raster, tmp_path, kind):
    smooth = (np.add.outer(np.arange(40), np.arange(50)) % 256).astype("uint8")
    if kind == "a.vrt":
        raster("source.tif", smooth)
        (tmp_path / kind).write_text('<VRTDataset rasterXSize="50" rasterYSize="40"><SRS>EPSG:4326</SRS><GeoTransform>0, 1, 0, 40, 0, -1</GeoTransform><VRTRasterBand dataType="Byte" band="1" blockXSize="16" blockYSize="16"><NoDataValue>3</NoDataValue><SimpleSource>'
                                     '<SourceFilename relativeToVRT="1">source.tif</SourceFilename><SourceBand>1</SourceBand><SrcRect xOff="0" yOff="0" xSize="50" ySize="40"/><DstRect xOff="0" yOff="0" xSize="50" ySize="40"/></SimpleSource></VRTRasterBand></VRTDataset>')
    else:
        driver = {"a.png": "PNG", "a.jpg": "JPEG", "a.gif": "GIF"}[kind]
        with rasterio.MemoryFile() as memory:
            with memory.open(driver="GTiff", height=40, width=50, count=1, dtype="uint8", crs="EPSG:4326", transform=from_origin(0, 40, 1, 1)) as file:
                file.write(smooth, 1)
            with memory.open() as file:
                rasterio.shutil.copy(file, tmp_path / kind, driver=driver)
    code = FUZZ.replace("FOLDER", repr(str(tmp_path))).replace("KIND", repr(kind)).replace("COUNT", "120")
    result = run_python("import resource; resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))\n" + code, timeout=150)
    assert result.returncode == 0 and "survived" in result.stdout, f"exit {result.returncode} after seed {result.stdout.splitlines()[-1:]}: {result.stderr[-1500:]}"


HUGE = {
    "blocks.vrt": '<VRTDataset rasterXSize="2000000000" rasterYSize="2000000000"><GeoTransform>0, 1e-8, 0, 40, 0, -1e-8</GeoTransform><SRS>EPSG:4326</SRS><VRTRasterBand dataType="Float64" band="1" blockXSize="2000000000" blockYSize="2000000000"/></VRTDataset>',
    "size.vrt": '<VRTDataset rasterXSize="2147483647" rasterYSize="2147483647"><GeoTransform>0, 1e-8, 0, 40, 0, -1e-8</GeoTransform><SRS>EPSG:4326</SRS><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>',
    "line.asc": "ncols 2147483647\nnrows 2147483647\nxllcorner 0\nyllcorner 0\ncellsize 1e-8\n1 2 3\n",
}


@pytest.mark.parametrize("name", list(HUGE))
def test_huge_declared_sizes_are_refused_or_read_in_bounds(tmp_path, name):
    """4 GiB of address space beyond what Python and the extension take: a size that a header claims is never allocated."""
    (tmp_path / name).write_text(HUGE[name])
    code = OPEN_EXTENSION + f"""
import resource
used = int(open('/proc/self/statm').read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 30), used + (4 << 30)))
for sql in ["SELECT len(read_patch('%s', {{row_off: 5, col_off: 5, height: 30, width: 30}}))", "SELECT sum(len(data)) FROM (SELECT data FROM read_patch('%s', size := 512, edge := 'overflow') LIMIT 5)", "SELECT count(*) FROM (FROM read_patch('%s', size := 2, edge := 'drop') LIMIT 5)",
            "SELECT count(*) FROM (FROM '%s' LIMIT 2)", "FROM geo_catalog_build('%s')", "SELECT count(*) FROM (FROM geo_patch_grid('%s', size := 512) LIMIT 100)", "SELECT count(*) FROM (FROM geo_patch_grid('%s', size := 512, max_land_fraction := 0.5) LIMIT 100)",
            "SELECT st_land_fraction({{xmin: 0, ymin: 39.99999, xmax: 0.00001, ymax: 40}}, '%s')"]:
    print(sql, flush=True)
    try:
        print(con.execute(sql % '{tmp_path}/{name}').fetchall()[:1])
    except duckdb.Error as error:
        print(str(error)[:300])
        assert 'panick' not in str(error) and 'INTERNAL' not in str(error) and 'defect of geoquilt' not in str(error), str(error)
print('survived')
"""
    result = run_python(code, timeout=60)
    assert result.returncode == 0 and "survived" in result.stdout, f"exit {result.returncode}: {result.stdout[-1500:]} {result.stderr[-1500:]}"
