"""What a process meets: constants that are not read while DuckDB plans, forks, names that are not UTF-8, and early ends."""
import os
import textwrap

import netCDF4
import numpy as np
import pytest

from conftest import OPEN_EXTENSION, run_python, write_raster


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


@pytest.fixture
def raster(tmp_path):
    return write_raster(tmp_path / "a.tif", np.arange(24, dtype="float32").reshape(4, 6))


@pytest.fixture
def cube(tmp_path):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("y", 3)
        file.createDimension("x", 4)
        for name in ("y", "x"):
            file.createVariable(name, "f8", (name,))[:] = np.arange(len(file.dimensions[name]))
        file.createVariable("v", "f4", ("y", "x"))[:] = np.arange(12).reshape(3, 4)
    return str(tmp_path / "a.nc")


SLICE = "geo_slice({xmin: 500000, ymin: 4599960, xmax: 500060, ymax: 4600000}, 10, 'EPSG:32629')"


def readers(raster, cube):
    """Every scalar that reads files or gives pixels, on constants."""
    return {
        "read_patch": f"read_patch('{raster}', {{row_off: 0, col_off: 0, height: 4, width: 6}})",
        "read_slice": f"read_slice('{raster}', {SLICE})",
        "read_array": f"read_array('{cube}', 'v')",
    }


@pytest.mark.parametrize("name", ["read_patch", "read_slice", "read_array"])
def test_a_reader_of_constants_reads_nothing_until_rows_are_asked_for(con, raster, cube, name):
    call = readers(raster, cube)[name]
    gone = call.replace("a.tif", "none.tif").replace("a.nc", "none.nc")
    con.execute(f"EXPLAIN SELECT {gone}")
    assert con.execute(f"SELECT {gone} WHERE false").fetchall() == []
    assert con.execute(f"SELECT {gone} LIMIT 0").fetchall() == []
    with pytest.raises(Exception, match="none"):
        con.execute(f"SELECT {gone}")


@pytest.mark.parametrize("name", ["read_patch", "read_slice", "read_array"])
def test_constants_and_columns_give_one_answer(con, raster, cube, name):
    call = readers(raster, cube)[name]
    path = cube if name == "read_array" else raster
    by_column = con.execute(f"SELECT {call.replace(chr(39) + path + chr(39), 'file')} FROM (VALUES ('{path}')) AS t(file)").fetchone()
    assert con.execute(f"SELECT {call}").fetchone() == by_column


def test_every_scalar_that_reads_pixels_is_volatile(con):
    listed = dict(con.execute(
        "SELECT function_name, any_value(stability) FROM duckdb_functions() WHERE function_type = 'scalar' "
        "AND function_name IN (SELECT name FROM geoquilt_functions() WHERE kind = 'scalar') GROUP BY ALL").fetchall())
    volatile = {name for name, stability in listed.items() if stability == "VOLATILE"}
    assert volatile >= {"read_patch", "read_slice", "read_series", "read_array", "read_times", "geo_rasterize", "geo_stitch_list", "geo_patch_stats", "geo_zonal_stats", "st_land_fraction"}
    assert not volatile & {"geo_box", "geo_bbox", "geo_project", "geo_block", "geo_permutation", "geo_slice", "geo_intersects"}


def test_a_select_over_a_header_that_names_files_writes_and_shows_none(con, tmp_path):
    """An MRF header with a cached source is taken by its content: reading it would append to the file that it names."""
    write_raster(tmp_path / "source.tif", np.full((16, 16), 65, "uint8"))
    kept = tmp_path / "kept"
    kept.write_bytes(b"echo hello\n")
    (tmp_path / "scene.tif").write_text(f"""<MRF_META><CachedSource><Source>{tmp_path}/source.tif</Source></CachedSource>
        <Raster><Size x="16" y="16" c="1"/><PageSize x="16" y="16" c="1"/><Compression>NONE</Compression><DataType>Byte</DataType>
        <DataFile>{kept}</DataFile><IndexFile>{tmp_path}/index</IndexFile></Raster></MRF_META>""")
    with pytest.raises(Exception, match="scene.tif"):
        con.execute(f"SELECT read_patch('{tmp_path}/scene.tif', {{row_off: 0, col_off: 0, height: 4, width: 4}})").fetchall()
    assert kept.read_bytes() == b"echo hello\n" and not (tmp_path / "index").exists()
    drivers = con.execute("SELECT drivers FROM geoquilt_version()").fetchone()[0]
    assert not {"MRF", "ERS"} & set(drivers)


def test_a_file_whose_name_is_not_utf8_stops_no_other(con, tmp_path):
    for name in ("a.tif", "b.tif", "c.tif"):
        write_raster(tmp_path / name, np.ones((4, 4), "uint8"))
    os.rename(os.fsencode(tmp_path / "b.tif"), os.fsencode(tmp_path) + b"/M\xfcnchen.tif")
    for glob in ("*.tif", "**/*.tif"):
        rows = con.execute(f"SELECT path, error FROM geo_catalog_build('{tmp_path}/{glob}', on_error := 'report')").fetchall()
        assert [os.path.basename(path) for path, error in rows if error is None] == ["a.tif", "c.tif"]
        assert ["not UTF-8" in error for _, error in rows if error is not None] == [True]
        assert con.execute(f"SELECT count(*) FROM geo_catalog_build('{tmp_path}/{glob}', on_error := 'skip')").fetchone() == (2,)
        with pytest.raises(Exception, match="not UTF-8"):
            con.execute(f"FROM geo_catalog_build('{tmp_path}/{glob}')")


def test_a_child_forked_while_another_thread_reads_answers_or_says_why_not(tmp_path, cube):
    busy = write_netcdf(tmp_path / "busy.nc", (400, 4000))
    run(f"""
        import os, signal, threading, time
        over = threading.Event()
        def prefetch():
            cursor = con.cursor()
            cursor.execute('SET geoquilt_block_cache_mb = 0')
            while not over.is_set():
                cursor.execute("SELECT sum(len(data)) FROM read_array('{busy}', 'v')").fetchall()
        threads = [threading.Thread(target=prefetch, daemon=True) for _ in range(2)]
        [thread.start() for thread in threads]
        time.sleep(0.3)
        for turn in range(10):
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                mine = duckdb.connect(config={{'allow_unsigned_extensions': 'true', 'threads': 1}})
                try:
                    mine.execute(f"LOAD '{{EXTENSION}}'")
                    right = mine.execute("SELECT read_array('{cube}', 'v').data[2]").fetchone() == (1.0,)
                except duckdb.Error as error:
                    right = 'forked' in str(error) and 'spawn' in str(error)
                os._exit(0 if right else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, turn
            time.sleep(0.011 * (turn % 5))
        over.set()
        os._exit(0)
    """, timeout=300)


def test_a_child_forked_while_nothing_runs_reads(cube):
    run(f"""
        import os, signal
        read = "SELECT read_array('{cube}', 'v').data[2]"
        assert con.execute(read).fetchone() == (1.0,)
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            mine = duckdb.connect(config={{'allow_unsigned_extensions': 'true', 'threads': 1}})
            mine.execute(f"LOAD '{{EXTENSION}}'")
            os._exit(0 if mine.execute(read).fetchone() == (1.0,) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    """)


def test_a_connection_is_closed_while_a_stream_reads_through_a_file_system_of_pythons(tmp_path):
    write_raster(tmp_path / "a.tif", np.random.default_rng(0).random((512, 512), "float32"), tiled=True, blockxsize=64, blockysize=64, compress="deflate")
    run(f"""
        import gc, signal
        from fsspec.implementations.memory import MemoryFileSystem
        con.close()
        signal.alarm(60)
        files = MemoryFileSystem()
        for n in range(4):
            files.pipe(f'/a{{n}}.tif', open('{tmp_path}/a.tif', 'rb').read())
        names = [f'memory://a{{n}}.tif' for n in range(4)]
        for turn in range(12):
            con = duckdb.connect(config={{'allow_unsigned_extensions': 'true'}})
            con.execute(f"LOAD '{{EXTENSION}}'")
            con.register_filesystem(files)
            stream = con.execute(f'SELECT data FROM read_patch({{names}}, size := 4)')
            assert len(stream.fetchmany(3)) == 3
            con.close()
            del stream, con
            gc.collect()
    """)
