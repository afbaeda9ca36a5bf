"""Bounds: memory that there is not, what the process keeps, and work that grows with what there is and not with its square."""
import bz2
import json
import os
import textwrap
import time
import zipfile

import netCDF4
import numcodecs
import numpy as np
import pytest
import scipy.io
import zarr
import zarr.codecs.numcodecs

from conftest import OPEN_EXTENSION, connect, run_python, write_raster


def run(code, **more):
    done = run_python(OPEN_EXTENSION + textwrap.dedent(code), **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write_netcdf(path, shape, chunks=None):
    names = ("t", "y", "x")[-len(shape):]
    with netCDF4.Dataset(path, "w") as file:
        for name, size in zip(names, shape):
            file.createDimension(name, size)
        file.createVariable("v", "f4", names, chunksizes=chunks, zlib=chunks is not None)
    return str(path)


@pytest.mark.parametrize("sql", [
    "SELECT sum(len(data)) FROM read_patch('a.tif', size := 4096)",
    "SELECT sum(len(data)) FROM read_array('b.nc', 'v')",
])
def test_a_memory_limit_that_is_too_low_is_an_error_and_the_connection_goes_on(tmp_path, sql):
    write_raster(tmp_path / "a.tif", np.zeros((4096, 8192), "float32"), tiled=True, SPARSE_OK=True)
    write_netcdf(tmp_path / "b.nc", (2, 4000, 6000), (1, 500, 500))
    said = run(f"""
        import os; os.chdir({str(tmp_path)!r})
        con.execute("SET geoquilt_max_chunk_mb = 1024; SET memory_limit = '60MB'")
        try:
            con.execute({sql!r}).fetchall(); print('read')
        except duckdb.Error as error:
            print(error)
        con.execute("SET memory_limit = '4GB'")
        assert con.execute({sql!r}).fetchall()
    """)
    assert "memory" in said.lower() and "MiB" in said, said


CODECS = ["none", "packbits", "lzw", "deflate", "zstd", "lzma", "lerc", "lerc_deflate", "lerc_zstd", "webp", "jpeg"]


@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize("codec", CODECS)
def test_a_block_takes_no_more_than_the_query_may_use_or_is_refused(tmp_path, codec, together):
    """One strip of 96 MiB, of which four pixels are asked for."""
    dtype = "uint8" if codec in ("webp", "jpeg") else "float32"
    side = {("uint8", 1): 10016, ("uint8", 3): 5792, ("float32", 1): 5008, ("float32", 3): 2896}[dtype, together]
    if codec == "webp" and together == 1:
        pytest.skip("WebP has three bands or four")
    data = (np.add.outer(np.arange(side) // 7, np.arange(side) // 5) % 251).astype(dtype)
    path = write_raster(tmp_path / "a.tif", np.stack([data + band for band in range(together)]).astype(dtype), compress=None if codec == "none" else codec, blockysize=side, interleave="pixel", BIGTIFF="YES",
                        **({"WEBP_LOSSLESS": "YES"} if codec == "webp" else {}))
    said = run(f"""
        import resource
        sql = "SELECT read_patch('{path}', {{row_off: 3, col_off: 5, height: 2, width: 2}}) FROM range(1)"
        most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        con.execute("SET memory_limit = '100MB'; SET geoquilt_threads = 1")
        before = most()
        try:
            con.execute(sql).fetchall(); print('read')
        except duckdb.Error as error:
            print(error)
        print('took', most() - before)
        con.execute("SET memory_limit = '2GB'")
        print(con.execute(sql).fetchone()[0] is not None)
    """)
    took = int(said.split("took")[1].split()[0])
    assert took <= 150 and said.rstrip().endswith("True"), said
    assert "read" == said.split()[0] or "no memory for" in said and "the query may use 96 MiB" in said, said


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("codec", ["none", "gzip", "zstd", "blosc", "bz2", "zlib"])
def test_a_chunk_takes_no_more_than_the_query_may_use_or_is_refused(tmp_path, codec, version):
    values = (np.add.outer(np.arange(5008) // 7, np.arange(5008) // 5) % 251).astype("f4")
    if version == 2:
        made = {"none": None, "gzip": numcodecs.GZip(), "zstd": numcodecs.Zstd(), "blosc": numcodecs.Blosc(), "bz2": numcodecs.BZ2(), "zlib": numcodecs.Zlib()}[codec]
        store = zarr.create_array(str(tmp_path / "a.zarr"), name="v", shape=values.shape, chunks=values.shape, dtype="f4", zarr_format=2, compressors=made, attributes={"_ARRAY_DIMENSIONS": ["y", "x"]})
    else:
        made = {"none": None, "gzip": zarr.codecs.GzipCodec(), "zstd": zarr.codecs.ZstdCodec(), "blosc": zarr.codecs.BloscCodec(), "bz2": zarr.codecs.numcodecs.BZ2(level=1), "zlib": zarr.codecs.numcodecs.Zlib(level=1)}[codec]
        store = zarr.create_array(str(tmp_path / "a.zarr"), name="v", shape=values.shape, chunks=values.shape, dtype="f4", zarr_format=3, compressors=made, dimension_names=["y", "x"])
    store[:] = values
    said = run(f"""
        import resource
        sql = "SELECT read_array('{tmp_path}/a.zarr', 'v', {{isel: {{y: [3, 4], x: [5, 6]}}}}) FROM range(1)"
        most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        con.execute("SET memory_limit = '100MB'; SET geoquilt_threads = 1")
        before = most()
        try:
            con.execute(sql).fetchall(); print('read')
        except duckdb.Error as error:
            print(error)
        print('took', most() - before)
        con.execute("SET memory_limit = '2GB'")
        print(con.execute(sql).fetchone()[0]['data'])
    """)
    assert int(said.split("took")[1].split()[0]) <= 150, said
    assert "no memory for" in said and said.rstrip().endswith(str(values[3:5, 5:7].ravel().tolist())), said


@pytest.mark.parametrize("sql", [
    "SELECT read_patch(file, {row_off: 0, col_off: 0, height: 2, width: 2}) FROM glob('a.tif')",
    "SELECT data FROM read_patch('a.tif', size := 2) LIMIT 1",
    "SELECT len(read_array(file, 'v').data) FROM glob('b.nc')",
])
def test_memory_that_the_system_does_not_have_is_an_error_and_the_connection_goes_on(tmp_path, sql):
    write_raster_of_large_blocks(tmp_path / "a.tif")
    write_netcdf(tmp_path / "b.nc", (10, 3000, 3000), (1, 1000, 1000))
    said = run(f"""
        import os, resource; os.chdir({str(tmp_path)!r})
        con.execute("SELECT file FROM glob('*')").fetchall()
        used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (300 << 20),) * 2)
        try:
            con.execute({sql!r}).fetchall(); print('read')
        except (duckdb.Error, MemoryError) as error:
            print(error)
        assert con.execute('SELECT 42').fetchone() == (42,)
    """)
    assert "memory" in said.lower() or "alloc" in said.lower(), said


def write_raster_of_large_blocks(path):
    import rasterio
    with rasterio.open(path, "w", driver="GTiff", height=20000, width=20000, count=1, dtype="float64", crs="EPSG:3857", tiled=True,
                       blockxsize=16384, blockysize=8192, transform=rasterio.Affine(10, 0, 0, 0, -10, 0), SPARSE_OK=True):
        pass


@pytest.mark.parametrize("version", [2, 3])
def test_a_bz2_chunk_holds_what_a_chunk_can_and_a_sound_one_is_read(con, tmp_path, version):
    values = np.random.default_rng(1).integers(1, 9, (6, 8)).astype("i2")
    if version == 2:
        from numcodecs import BZ2
        more = {"compressors": BZ2(level=9)}
    else:
        from zarr.codecs.numcodecs import BZ2
        more = {"compressors": [BZ2(level=9)]}
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=version)
    array = group.create_array("v", shape=(6, 8), chunks=(3, 8), dtype="i2", dimension_names=["y", "x"] if version == 3 else None, **more)
    array[:] = values
    if version == 2:
        array.attrs["_ARRAY_DIMENSIONS"] = ["y", "x"]
    path = tmp_path / "a.zarr"
    assert con.execute(f"SELECT read_array('{path}', 'v').data").fetchone()[0] == values.ravel().tolist()
    press, piece = bz2.BZ2Compressor(9), bytes(1 << 20)
    chunk = path / "v" / ("0.0" if version == 2 else "c/0/0")
    assert chunk.exists()
    chunk.write_bytes(b"".join(press.compress(piece) for _ in range(512)) + press.flush())
    said = run(f"""
        import resource, time
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        try:
            con.execute("SELECT read_array('{path}', 'v')"); print('read')
        except duckdb.Error as error:
            print(error)
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10 < 100
        assert time.monotonic() - start < 5
    """)
    assert "the most that a chunk can" in said, said


@pytest.mark.parametrize("scope", ["", "GLOBAL "])
def test_a_bound_of_the_cache_is_what_was_set_last_and_a_lower_one_frees_at_once(tmp_path, scope):
    path = write_raster(tmp_path / "a.tif", np.random.default_rng(0).random((2048, 2048), "float32"), tiled=True, blockxsize=256, blockysize=256)
    run(f"""
        bytes = lambda c: c.execute('SELECT bytes, limit_bytes FROM geoquilt_cache()').fetchone()
        read = lambda c: c.execute("SELECT sum(len(data)) FROM read_patch('{path}', size := 256)").fetchall()
        read(con)
        held, limit = bytes(con)
        assert held == 16 << 20 and limit == 512 << 20, (held, limit)
        con.execute('SET {scope}geoquilt_block_cache_mb = 4')
        assert bytes(con)[0] <= 4 << 20 and bytes(con)[1] == 4 << 20, bytes(con)
        other = con.cursor()
        read(other)
        assert bytes(other)[0] <= 4 << 20 and bytes(other)[1] == 4 << 20, bytes(other)
        other.execute('SET geoquilt_block_cache_mb = 8')
        read(other)
        assert bytes(other)[1] == 8 << 20, bytes(other)
        read(con)
        assert bytes(con)[1] == 8 << 20, bytes(con)
    """)


def test_a_second_database_of_the_process_leaves_the_bound_as_it_is(con):
    con.execute("SET geoquilt_block_cache_mb = 7")
    limit = "SELECT limit_bytes >> 20 FROM geoquilt_cache()"
    assert con.execute(limit).fetchone() == (7,)
    other = connect()
    other.execute("FROM geoquilt_version()").fetchall()
    assert other.execute(limit).fetchone() == (7,)
    con.close()
    assert other.execute(limit).fetchone()[0] > 7


def test_chunks_and_caches_take_a_quarter_of_memory_limit_unless_they_are_set(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.zeros((4096, 4096), "float32"), tiled=True, SPARSE_OK=True)
    run(f"""
        read = "SELECT len(read_patch('{path}', {{row_off: 0, col_off: 0, height: 4096, width: 4096}}))"
        limit = lambda: con.execute('SELECT limit_bytes >> 20 FROM geoquilt_cache()').fetchone()[0]
        assert limit() == 512, limit()
        con.execute("SET memory_limit = '200MiB'")
        assert limit() == 50, limit()
        try:
            con.execute(read); raise SystemExit('read')
        except duckdb.Error as error:
            assert '64 MiB, above geoquilt_max_chunk_mb = 50' in str(error), error
        con.execute('SET geoquilt_max_chunk_mb = 128; SET geoquilt_block_cache_mb = 60')
        assert limit() == 60, limit()
        con.execute("SET memory_limit = '400MiB'")
        assert con.execute(read).fetchone() == (4096 * 4096,) and limit() == 60
        con.execute('SET geoquilt_block_cache_mb = 512')
        assert limit() == 512, limit()
    """)


def test_what_a_chunk_needs_is_told_whole_the_first_time(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.zeros((1024, 1024), "float32"), tiled=True, SPARSE_OK=True)
    run(f"""
        read = "SELECT count(read_patch('{path}', {{row_off: 0, col_off: 0, height: 1024, width: 1024}}))  FROM range(100)"
        con.execute('SET geoquilt_max_chunk_mb = 64')
        try:
            con.execute(read); raise SystemExit('read')
        except duckdb.Error as error:
            said = str(error)
        needed = int(said.split(' MiB, above')[0].split()[-1])
        assert needed == 400, said
        con.execute(f'SET geoquilt_max_chunk_mb = {{needed}}')
        assert con.execute(read).fetchone() == (100,)
    """)


def test_files_are_closed_when_the_last_database_is(tmp_path):
    write_raster(tmp_path / "a.tif", np.ones((4, 4), "uint8"))
    write_netcdf(tmp_path / "a.nc", (3, 4))
    run(f"""
        import os
        def held():
            links = [os.path.join('/proc/self/fd', fd) for fd in os.listdir('/proc/self/fd')]
            return [name for name in (os.readlink(link) for link in links if os.path.islink(link)) if {str(tmp_path)!r} in name]
        other = duckdb.connect(config={{'allow_unsigned_extensions': 'true'}})
        other.execute(f"LOAD '{{EXTENSION}}'")
        for name in ('a.tif', 'a.nc'):
            con.execute("SELECT read_patch($1, {{row_off: 0, col_off: 0, height: 2, width: 2}})", ['{tmp_path}/a.tif']).fetchall()
        con.execute("SELECT read_array('{tmp_path}/a.nc', 'v').data").fetchall()
        assert held()
        for name in ('a.tif', 'a.nc'):
            os.remove('{tmp_path}/' + name)
        con.close()
        assert held(), 'the other database may read on'
        other.close()
        assert not held(), held()
        again = duckdb.connect(config={{'allow_unsigned_extensions': 'true'}})
        again.execute(f"LOAD '{{EXTENSION}}'")
        assert again.execute('SELECT handles FROM geoquilt_cache()').fetchone() == (0,)
    """)


@pytest.mark.alone
def test_files_numbered_by_their_extension_are_catalogued_in_a_time_that_grows_with_their_number(con, tmp_path):
    one = write_raster(tmp_path / "one.tif", np.ones((4, 4), "uint8"))

    def seconds(folder, name):
        os.mkdir(tmp_path / folder)
        for i in range(6000):
            os.link(one, tmp_path / folder / (name % i))
        begin = time.monotonic()
        assert con.execute(f"SELECT count(*) FROM geo_catalog_build('{tmp_path}/{folder}/*')").fetchone() == (6000,)
        return time.monotonic() - begin

    usual = seconds("usual", "gfs-f%05d.tif")
    assert seconds("numbered", "gfs.t00z.f%05d") < 3 * usual + 1


def test_array_files_leave_handles_to_the_process(tmp_path):
    for n in range(100):
        with netCDF4.Dataset(tmp_path / f"n{n:03d}.nc", "w") as file:
            file.createDimension("x", 2)
            file.createVariable("v", "f4", ("x",))[:] = n
    run(f"""
        import os, resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        assert con.execute("SELECT count(*) FROM read_variables('{tmp_path}/n*.nc')").fetchone() == (100,)
        assert con.execute("SELECT sum(read_array(file, 'v').data[1]) FROM glob('{tmp_path}/n*.nc')").fetchone() == (sum(range(100)),)
        assert 64 - len(os.listdir('/proc/self/fd')) >= 16
    """)


def seconds(con, sql):
    begin = time.monotonic()
    rows = con.execute(sql).fetchall()
    return time.monotonic() - begin, rows


@pytest.mark.alone
def test_a_folder_that_is_written_to_is_read_in_the_time_of_another(con, tmp_path):
    one = write_raster(tmp_path / "one.tif", np.ones((4, 4), "uint8"))
    folder = tmp_path / "many"
    os.mkdir(folder)
    for i in range(6000):
        os.link(one, folder / f"scene-{i:05d}.tif")
    sql = f"SELECT count(read_patch(file, {{row_off: 0, col_off: 0, height: 1, width: 1}})) FROM glob('{folder}/scene-*.tif')"
    time.sleep(2.5)
    settled, rows = seconds(con, sql)
    assert rows == [(6000,)]
    (folder / "new").write_text("")
    con2 = connect()
    for i in range(6000):
        os.link(one, folder / f"other-{i:05d}.tif")
    busy, rows = seconds(con2, sql.replace("scene-", "other-"))
    assert rows == [(6000,)]
    assert busy < 5 * settled + 2, (busy, settled)


def test_a_side_file_that_comes_while_its_folder_is_written_to_is_seen(con, tmp_path):
    for i in range(2000):
        (tmp_path / f"other-{i:05d}.txt").write_text("")
    nodata = "SELECT count(*) FILTER (v IS NULL) FROM (SELECT unnest(read_patch(?, {row_off: 0, col_off: 0, height: 4, width: 4})) AS v)"
    for turn in range(5):
        path = write_raster(tmp_path / f"a{turn}.tif", np.full((4, 4), 3, "uint8"))
        assert con.execute(nodata, [path]).fetchone() == (0,)
        (tmp_path / f"a{turn}.tif.aux.xml").write_text('<PAMDataset><PAMRasterBand band="1"><NoDataValue>3</NoDataValue></PAMRasterBand></PAMDataset>')
        assert con.execute(nodata, [path]).fetchone() == (16,)


@pytest.mark.alone
def test_variables_and_bands_by_the_thousand_take_a_time_that_grows_with_their_number(con, tmp_path):
    def write(path, count):
        # SciPy writes the header once, where the netCDF library does so for each variable.
        with scipy.io.netcdf_file(path, "w", version=2) as file:
            file.createDimension("x", 2)
            for i in range(count):
                file.createVariable(f"v{i:05d}", "f4", ("x",))[:] = 0
    for count in (1000, 8000):
        write(tmp_path / f"{count}.nc", count)
    few, rows = seconds(con, f"SELECT count(*) FROM read_variables('{tmp_path}/1000.nc')")
    assert rows == [(1000,)]
    many, rows = seconds(con, f"SELECT count(*) FROM read_variables('{tmp_path}/8000.nc')")
    assert rows == [(8000,)]
    assert many < 24 * few + 1, (few, many)


@pytest.mark.alone
def test_chunks_that_are_not_there_cost_no_more_than_a_look(con, tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    array = group.create_array("v", shape=(20000, 100, 1000), chunks=(1, 100, 1000), dtype="f4", fill_value=7)
    array.attrs["_ARRAY_DIMENSIONS"] = ["t", "y", "x"]
    array[5, 0, 0] = 1
    took, rows = seconds(con, f"SELECT list_sum(read_array('{tmp_path}/a.zarr', 'v', {{isel: {{y: 0, x: 0}}, masked: false}}).data)")
    assert rows == [(20000 * 7 - 6,)]
    assert took < 5, took


@pytest.mark.alone
def test_a_registry_as_a_list_takes_a_time_that_grows_with_its_rows(con, tmp_path):
    path = write_raster(tmp_path / "a.tif", np.ones((4, 4), "uint8"))
    def of(count):
        con.execute(f"SET VARIABLE rows = (SELECT list({{path: '{path}', win: {{row_off: 0, col_off: 0, height: 1, width: 1}}, i: i, none: NULL}}) FROM range({count}) t(i))")
        took, rows = seconds(con, "SELECT count(data), sum(i) FROM read_patch(getvariable('rows'))")
        assert rows == [(count, count * (count - 1) // 2)]
        return took
    few, many = of(20_000), of(160_000)
    assert many < 24 * few + 1, (few, many)


@pytest.mark.parametrize("name", ["/v/0.0", "//v//0.0", "./v/0.0"])
def test_a_zipped_store_whose_names_begin_at_the_root_is_read(con, tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zarr.zip", "w") as file:
        file.writestr("/.zgroup", '{"zarr_format": 2}')
        file.writestr(name.replace("0.0", ".zarray"), json.dumps({"zarr_format": 2, "shape": [2, 2], "chunks": [2, 2], "dtype": "<i2", "compressor": None, "filters": None, "order": "C", "fill_value": 9}))
        file.writestr(name.replace("0.0", ".zattrs"), '{"_ARRAY_DIMENSIONS": ["y", "x"]}')
        file.writestr(name, np.arange(4, dtype="<i2").tobytes())
        file.writestr("../out", "x")
    assert con.execute(f"SELECT read_array('{tmp_path}/a.zarr.zip', 'v').data").fetchone() == ([0, 1, 2, 3],)


def test_a_zipped_store_that_is_packed_otherwise_says_so_in_a_catalog_too(con, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zarr.zip", "w", zipfile.ZIP_BZIP2) as file:
        file.writestr(".zgroup", '{"zarr_format": 2}')
        file.writestr("v/.zarray", "{}")
    for sql in ("FROM read_variables('{}')", "FROM geo_catalog_build('{}')"):
        with pytest.raises(Exception, match="packed otherwise than by deflate"):
            con.execute(sql.format(tmp_path / "a.zarr.zip"))
