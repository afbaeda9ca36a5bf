"""What a process meets: constants that are not read while DuckDB plans."""
import netCDF4
import numpy as np
import pytest

from conftest import write_raster


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


def test_every_scalar_that_gives_pixels_is_volatile(con):
    listed = dict(con.execute(
        "SELECT function_name, any_value(stability) FROM duckdb_functions() WHERE function_type = 'scalar' "
        "AND function_name IN (SELECT name FROM geoquilt_functions() WHERE kind = 'scalar') GROUP BY ALL").fetchall())
    volatile = {name for name, stability in listed.items() if stability == "VOLATILE"}
    assert volatile == {"read_patch", "read_slice", "read_series", "read_array", "geo_rasterize"}


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
