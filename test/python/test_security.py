"""Laws of docs/security.md: nothing in a file can hurt, and what the database forbids is not read, listed or written."""
import json
import os
import resource
import sqlite3
import struct
import subprocess
import sys

import duckdb
import geopandas
import h5py
import netCDF4
import numpy as np
import pyproj
import pytest
import rasterio
from conftest import EXTENSION, ROOT, connect, write_raster
from shapely.geometry import Point
from test_arrays import write_grib
from test_interrupts import endless

WIN = "{row_off: 0, col_off: 0, height: 2, width: 2}"
FORBIDDEN = "this database forbids it"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def said(con, sql):
    """The words of an error, or nothing."""
    try:
        con.execute(sql).fetchall()
    except duckdb.Error as error:
        return str(error)
    return None


def apart(sql, seconds=20, before=""):
    """What a statement says in a process of its own, which neither dies nor waits for ever."""
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'test/python')!r})\nfrom conftest import connect\ncon = connect()\n{before}\n" \
           f"try:\n    con.execute({sql!r}).fetchall()\n    print('none')\nexcept Exception as error:\n    print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=seconds, env={**os.environ, "GEOQUILT_EXTENSION": EXTENSION})
    assert done.returncode == 0, f"{sql}: {done.returncode} {done.stderr[-500:]}"
    return done.stdout


# --- CRS texts ---------------------------------------------------------------------------------------------------------------


def project(crs):
    return f"SELECT geo_bbox(geo_project('POINT (9 45)'::GEOMETRY, 'OGC:CRS84', '{crs}'))"


def test_a_text_that_names_a_file_is_no_crs(con, tmp_path):
    (tmp_path / "crs.wkt").write_text(pyproj.CRS(32632).to_wkt())
    os.mkfifo("pipe")
    for text in ("crs.wkt", str(tmp_path / "crs.wkt"), "DICT:crs.wkt,1", "pipe", "/dev/stdin", "/vsistdin/", "+init=pipe:x"):
        assert "is not a coordinate reference system" in said(con, project(text)), text


@pytest.mark.parametrize("code", ["EPSG:32632x", "EPSG:3263 2", "EPSG:4326.5", "EPSG:4326 junk"])
def test_a_code_with_more_behind_it_is_no_crs(con, code):
    with pytest.raises(pyproj.exceptions.CRSError):
        pyproj.CRS(code)
    assert "is not a coordinate reference system" in said(con, project(code))


@pytest.mark.parametrize("code, kind", [("EPSG:5773", "vertical"), ("EPSG:4978", "geocentric"), ("urn:ogc:def:crs:EPSG::5773", "vertical")])
def test_heights_and_the_earths_centre_are_refused(con, code, kind):
    crs = pyproj.CRS(code)
    assert crs.is_vertical or crs.is_geocentric
    for text in (code, crs.to_wkt(), crs.to_json()):
        error = said(con, project(text.replace("'", "''")))
        assert f"is {kind}" in error and "must be a projected or geographic" in error, error
    assert said(con, project("EPSG:7415")) is None


def test_a_grid_that_is_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo("grid")
    bessel = f"+proj=longlat +ellps=bessel +nadgrids={tmp_path}/grid +no_defs"
    texts = [bessel, bessel.replace(f"{tmp_path}/", ""), f"+proj=utm +zone=32 +geoidgrids={tmp_path}/grid", pyproj.CRS(bessel).to_wkt(), pyproj.CRS(bessel).to_json()]
    for text in texts:
        assert "is not a regular file" in apart(project(text.replace("'", "''"))), text


# --- What a file may name -----------------------------------------------------------------------------------------------------


def mrf(data, index, source=None):
    cached = f"<CachedSource><Source>{source}</Source></CachedSource>" if source else ""
    return (f'<MRF_META>{cached}<Raster><Size x="16" y="16" c="1"/><PageSize x="16" y="16" c="1"/><Compression>NONE</Compression>'
            f'<DataType>Byte</DataType><DataFile>{data}</DataFile><IndexFile>{index}</IndexFile></Raster><GeoTags>'
            '<BoundingBox minx="500000" miny="4999840" maxx="500160" maxy="5000000"/><Projection>EPSG:32632</Projection></GeoTags></MRF_META>')


def test_reading_never_writes(con, tmp_path):
    os.makedirs("inbox")
    os.makedirs("elsewhere")
    write_raster("inbox/source.tif", np.full((16, 16), 65, "u1"))
    (tmp_path / "elsewhere/start.sh").write_text("echo hello\n")
    (tmp_path / "inbox/scene.tif").write_text(mrf(f"{tmp_path}/elsewhere/start.sh", f"{tmp_path}/elsewhere/start.idx", f"{tmp_path}/inbox/source.tif"))
    for sql in (f"SELECT read_patch('inbox/scene.tif', {WIN})", "FROM geo_catalog_build('inbox/scene.tif')", "FROM read_blocks('inbox/scene.tif')"):
        assert said(con, sql) is not None, sql
    assert (tmp_path / "elsewhere/start.sh").read_bytes() == b"echo hello\n" and os.listdir("elsewhere") == ["start.sh"]
    assert sorted(os.listdir("inbox")) == ["scene.tif", "source.tif"]


def header_of_ers(data):
    return ('DatasetHeader Begin\n\tVersion = "6.0"\n\tDataFile = "%s"\n\tDataSetType = ERStorage\n\tDataType = Raster\n\tByteOrder = LSBFirst\n'
            '\tRasterInfo Begin\n\t\tCellType = Unsigned8BitInteger\n\t\tNrOfLines = 4\n\t\tNrOfCellsPerLine = 11\n\t\tNrOfBands = 1\n'
            '\tRasterInfo End\nDatasetHeader End\n' % data)


@pytest.mark.parametrize("name, text", [
    ("a.ers", header_of_ers),
    ("a.vrt", lambda file: '<VRTDataset rasterXSize="11" rasterYSize="4"><VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">'
                           f'<SourceFilename relativeToVRT="0">{file}</SourceFilename><ImageOffset>0</ImageOffset><PixelOffset>1</PixelOffset>'
                           '<LineOffset>11</LineOffset></VRTRasterBand></VRTDataset>'),
    ("b.vrt", lambda file: f'<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>CSV:{file}</SrcDataSource><SrcLayer>secret</SrcLayer></OGRVRTLayer></OGRVRTDataSource>'),
    ("c.tif", lambda file: mrf(file, file)),
    ("d.vrt", lambda file: f'<VRTDataset rasterXSize="11" rasterYSize="4"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
                           f'<SourceFilename>/vsisubfile/0_44,{file}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>'),
])
def test_raw_bytes_of_another_folder_are_not_read(con, tmp_path, name, text):
    os.makedirs("inbox")
    (tmp_path / "secret.key").write_bytes(b"PRIVATE KEY " * 32)
    (tmp_path / "inbox" / name).write_text(text(f"{tmp_path}/secret.key"))
    for sql in (f"SELECT read_patch('inbox/{name}', {WIN})", f"FROM read_blocks('inbox/{name}')", f"FROM geo_catalog_build('inbox/{name}')"):
        error = said(con, sql)
        assert error is not None and "PRIVATE" not in error, sql


def external(name, file):
    with h5py.File(name, "w") as f:
        f.create_dataset("d", shape=(4, 11), dtype="u1", external=[(file, 0, 44)])


def test_values_outside_of_an_hdf5_file_come_from_its_own_folder(con, tmp_path):
    os.makedirs("inbox/below")
    (tmp_path / "secret.key").write_bytes(b"PRIVATE KEY " * 32)
    (tmp_path / "inbox/below/raw.bin").write_bytes(bytes(range(44)))
    os.chdir("inbox")
    for n, (name, file) in enumerate([("a.h5", f"{tmp_path}/secret.key"), ("b.h5", "../secret.key"), ("c.nc", f"{tmp_path}/secret.key")]):
        external(name, file)
        vrt = f'<VRTDataset rasterXSize="11" rasterYSize="4"><VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename>HDF5:"{name}"://d</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>'
        (tmp_path / f"inbox/{n}.vrt").write_text(" " * n + vrt)
        for sql in (f"SELECT read_array('{name}', 'd')", f"SELECT read_patch('{name}', {WIN})", f"SELECT read_patch('{n}.vrt', {WIN})", f"SELECT read_patch('HDF5:\"{name}\"://d', {WIN})"):
            assert "outside of its folder" in (said(con, sql) or ""), sql
    external("e.h5", "below/raw.bin")
    assert con.execute("SELECT read_array('e.h5', 'd').data").fetchone()[0] == list(range(44))
    # A link to a file with such values.
    with h5py.File("f.h5", "w") as f:
        f["x"] = np.zeros((4, 11), "u1")
        f["linked"] = h5py.ExternalLink("a.h5", "/d")
    assert "outside of its folder" in (said(con, "SELECT read_array('f.h5', 'linked')") or "")
    assert con.execute("SELECT read_array('f.h5', 'x').data").fetchone()[0] == [0] * 44


@pytest.mark.parametrize("kind, words", [("pipe", "is not a regular file"), ("pipe_by_a_link", "is not a regular file"), ("device", "is not a regular file"), ("absent", "does not exist"),
                                         ("nowhere_by_a_link", "does not exist"), ("elsewhere", "outside of its folder")])
def test_why_values_outside_of_an_hdf5_file_are_not_read_is_told(con, tmp_path, kind, words):
    os.makedirs("inbox")
    os.mkfifo("inbox/pipe")
    (tmp_path / "secret.key").write_bytes(b"PRIVATE KEY " * 32)
    os.symlink("pipe", "inbox/pipe_by_a_link")
    os.symlink("none", "inbox/nowhere_by_a_link")
    file = {"device": "/dev/zero", "elsewhere": f"{tmp_path}/secret.key"}.get(kind, f"{tmp_path}/inbox/{kind}")
    external(f"inbox/{kind}.h5", file)
    for sql in (f"SELECT read_array('inbox/{kind}.h5', 'd')", f"SELECT read_patch('inbox/{kind}.h5', {WIN})", f"SELECT read_patch('HDF5:\"inbox/{kind}.h5\"://d', {WIN})"):
        error = said(con, sql) or ""
        # HDF5 opens what a link leads to.
        assert words in error and (file in error or os.path.realpath(file) in error), error
    # A link to a file of the same folder is that file.
    (tmp_path / "inbox/raw.bin").write_bytes(bytes(range(44)))
    os.symlink("raw.bin", "inbox/link.bin")
    external("inbox/b.h5", f"{tmp_path}/inbox/link.bin")
    assert con.execute("SELECT read_array('inbox/b.h5', 'd').data").fetchone()[0] == list(range(44))


def test_files_that_hdf5_names_are_regular_and_may_lie_elsewhere(con, tmp_path):
    os.makedirs("data")
    with h5py.File("data/part.h5", "w") as f:
        f["d"] = np.arange(4, dtype="i4")
    layout = h5py.VirtualLayout(shape=(4,), dtype="i4")
    layout[:] = h5py.VirtualSource(f"{tmp_path}/data/part.h5", "d", shape=(4,))
    os.makedirs("inbox")
    with h5py.File("inbox/all.h5", "w") as f:
        f.create_virtual_dataset("d", layout)
    assert con.execute("SELECT read_array('inbox/all.h5', 'd').data").fetchone()[0] == [0, 1, 2, 3]
    os.unlink("data/part.h5")
    os.mkfifo("data/part.h5")
    assert "part.h5\", which belongs to it, cannot be read: it is not a regular file" in apart("SELECT read_array('inbox/all.h5', 'd').data")


def test_reading_leaves_every_folder_as_it_is(data):
    """No cache, no index, no statistics, whichever function reads."""
    state = lambda: sorted((str(path.relative_to(data)), path.stat().st_size, path.stat().st_mtime_ns) for path in data.rglob("*"))
    before = state()
    con = connect()
    for _, sql in statements(data):
        assert said(con, sql) is None, sql
    con.close()
    assert state() == before


def test_a_database_under_a_write_ahead_log_is_read_and_left_as_it_is(con, tmp_path):
    os.makedirs("db")
    geopandas.GeoDataFrame({"a": [1, 2]}, geometry=[Point(1, 1), Point(2, 2)], crs=4326).to_file("db/a.gpkg")
    count = "SELECT layers[1].n_features FROM geo_catalog_build('db/a.gpkg', kind := 'vector')"
    with sqlite3.connect("db/a.gpkg") as writer:
        writer.execute("PRAGMA journal_mode = wal")
    writer.close()
    assert os.listdir("db") == ["a.gpkg"]
    assert con.execute(count).fetchone() == (2,)
    assert os.listdir("db") == ["a.gpkg"]
    # GDAL's SQLite driver, once used, adds its functions to every database that is opened.
    geopandas.GeoDataFrame({"a": [1]}, geometry=[Point(1, 1)], crs=4326).to_file("other.sqlite", driver="SQLite")
    assert con.execute(count.replace("db/a.gpkg", "other.sqlite")).fetchone() == (1,)
    assert con.execute(count).fetchone() == (2,)
    assert os.listdir("db") == ["a.gpkg"]
    # A log whose index is gone: what stands in it is not passed over.
    writer = sqlite3.connect("db/a.gpkg")
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("CREATE TABLE other (x)")
    writer.commit()
    whole, log = open("db/a.gpkg", "rb").read(), open("db/a.gpkg-wal", "rb").read()
    writer.close()
    open("db/a.gpkg", "wb").write(whole)
    open("db/a.gpkg-wal", "wb").write(log)
    assert log and "write-ahead log" in said(con, count)
    assert open("db/a.gpkg", "rb").read() == whole


# --- Damage ------------------------------------------------------------------------------------------------------------------


def virtual(path, source, name="d"):
    layout = h5py.VirtualLayout((4,), "i4")
    layout[:] = h5py.VirtualSource(source, name, (4,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("d", layout)


def in_circles(how):
    if how == "a dataset that names itself":
        virtual("a.h5", ".")
    elif how == "two files that name each other":
        virtual("a.h5", "b.h5"), virtual("b.h5", "a.h5")
    else:
        with h5py.File("a.h5", "w") as file:
            file["d"] = np.arange(4, dtype="i4")
            group = file.create_group("a")
            if how == "a group within itself":
                group["b"] = group
            elif how == "a link to the root":
                group["b"] = h5py.SoftLink("/")
            else:
                for _ in range(30):
                    below = group.create_group("x")
                    group["y"] = below
                    group = below


DEEP, SELF, WAYS = "virtual datasets are more than 16 deep", 'its group "/a/b" holds itself', "its groups are reached by too many ways"
NO_BANDS, NO_MAP, READ = '"a.h5" has zero bands', '"a.h5" has no place on the map', "none"
# What each kind of circle gives by: an array, its scalar, one dataset as a raster, the headers, a catalog, the file as a raster.
CIRCLES = {
    "a dataset that names itself": [DEEP, DEEP, DEEP, READ, NO_MAP, NO_BANDS],
    "two files that name each other": [DEEP, DEEP, DEEP, READ, NO_MAP, NO_BANDS],
    "a group within itself": [SELF, SELF, READ, SELF, SELF, NO_BANDS],
    "a link to the root": [SELF, SELF, READ, SELF, SELF, NO_BANDS],
    "groups by two ways each": [WAYS] * 6,
}
WAYS_IN = ["SELECT data FROM read_array('a.h5', 'd')", "SELECT read_array('a.h5', 'd').data", "SELECT read_patch('HDF5:\"a.h5\"://d', {row_off: 0, col_off: 0, height: 1, width: 4})",
           "FROM read_variables('a.h5')", "SELECT kind FROM geo_catalog_build('a.h5')", "SELECT count(*) FROM read_patch('a.h5', size := [1, 4])"]


@pytest.mark.parametrize("way", range(len(WAYS_IN)))
@pytest.mark.parametrize("how", CIRCLES)
def test_hdf5_that_leads_back_to_itself_is_told_and_kills_nothing(how, way):
    in_circles(how)
    assert CIRCLES[how][way] in apart(WAYS_IN[way])


def test_groups_by_two_names_and_virtual_datasets_are_read(con):
    with h5py.File("a.h5", "w") as file:
        group = file.create_group("a")
        group["d"] = np.arange(4, dtype="i4")
        file["b"] = group
    virtual("v.h5", "a.h5", "a/d")
    virtual("w.h5", "v.h5")
    for path, name in (("a.h5", "a/d"), ("a.h5", "b/d"), ("v.h5", "d"), ("w.h5", "d")):
        assert con.execute(f"SELECT read_array('{path}', '{name}').data").fetchone()[0] == [0, 1, 2, 3]


EVERY_DOOR = ["FROM read_variables('{0}')", "SELECT read_array('{0}', 'd')", "SELECT read_patch('{0}', " + WIN + ")", "FROM read_blocks('{0}')",
              "FROM geo_catalog_build('{0}', on_error := 'skip')", "FROM geo_catalog_build('{0}', kind := 'raster')"]


@pytest.mark.parametrize("sql", EVERY_DOOR)
def test_a_damaged_text_is_told_and_kills_nothing(sql):
    with h5py.File("a.h5", "w") as f:
        f["d"] = np.zeros((4, 4), "u1")
        f["d"].attrs["long_name"] = ["of", "variable", "length"]
        f.attrs["title"] = "hello"
    whole = open("a.h5", "rb").read()
    assert whole.count(b"GCOL") >= 1
    open("a.h5", "wb").write(whole.replace(b"GCOL", b"XXXX"))
    output = apart(sql.replace("{0}", "a.h5"))
    assert "damaged" in output or "skip" in sql, output


@pytest.mark.parametrize("sql", EVERY_DOOR + ["SELECT read_patch('NETCDF:\"{0}\":d', " + WIN + ")"])
def test_a_heap_without_an_end_is_told_and_never_waited_for(sql):
    with netCDF4.Dataset("a.nc", "w") as f:
        f.createDimension("y", 4)
        f.createDimension("x", 4)
        f.createVariable("d", "f4", ("y", "x"))[:] = 0
        f.createVariable("y", "f4", ("y",))[:] = range(4)
    whole = bytearray(open("a.nc", "rb").read())
    at = whole.find(b"GCOL") + 16
    while struct.unpack_from("<H", whole, at)[0]:
        at += 16 + (struct.unpack_from("<Q", whole, at + 8)[0] + 7) // 8 * 8
    struct.pack_into("<Q", whole, at + 8, 0)
    open("a.nc", "wb").write(whole)
    output = apart(sql.replace("{0}", "a.nc"))
    assert "damaged" in output or "skip" in sql, output


@pytest.mark.parametrize("word", [b"PALETTE", b"SOME_OTHER_CLASS"[:15], b"", b"DIMENSION_SCALE"])
def test_a_class_of_any_name_is_read(word):
    """A sound file: an attribute CLASS of 16 bytes, which is DIMENSION_SCALE in those of netCDF."""
    with h5py.File("a.h5", "w") as f:
        f["d"] = np.arange(16, dtype="u1").reshape(4, 4)
        kind = h5py.h5t.C_S1.copy()
        kind.set_size(16)
        attribute = h5py.h5a.create(f["d"].id, b"CLASS", kind, h5py.h5s.create(h5py.h5s.SCALAR))
        attribute.write(np.array(word, "S16"), mtype=kind)
    for said in walk(["FROM read_variables('a.h5')", "SELECT read_array('a.h5', 'd')", f"SELECT read_patch('a.h5', {WIN})"], seconds=30):
        assert said is None, said


def test_a_list_of_dimensions_that_is_none_is_told():
    with h5py.File("a.h5", "w") as f:
        f["x"] = np.arange(4.0)
        f["x"].make_scale("x")
        f["d"] = np.zeros((4, 4), "u1")
        f["d"].attrs["DIMENSION_LIST"] = np.arange(64)
    for said in walk(["FROM read_variables('a.h5')", "SELECT read_array('a.h5', 'd')", f"SELECT read_patch('HDF5:\"a.h5\"://d', {WIN})"], seconds=30)[:2]:
        assert "DIMENSION_LIST" in said, said


def test_a_list_of_a_length_that_is_not_there_is_told():
    """The library would clear room for it before it looks: 32 GiB."""
    with h5py.File("a.h5", "w") as f:
        f["x"] = np.arange(4.0)
        f["x"].make_scale("x")
        f["d"] = np.zeros((4, 4), "u1")
        f["d"].dims[1].attach_scale(f["x"])
    whole = bytearray(open("a.h5", "rb").read())
    at = whole.find(struct.pack("<IQ", 1, whole.find(b"GCOL")))
    assert at > 0
    struct.pack_into("<I", whole, at, 0xff000003)
    open("a.h5", "wb").write(whole)
    for said in walk(["FROM read_variables('a.h5')", "SELECT read_array('a.h5', 'd')"], seconds=20):
        assert "DIMENSION_LIST" in said, said


@pytest.mark.parametrize("sides", [(6 | 1 << 31, 4), (0, 4), (6, 0), (6, 5), (1 << 31, 1 << 31)])
def test_a_grib_grid_of_a_size_that_none_has_is_told(con, sides):
    write_grib("a.grib2")
    whole = bytearray(open("a.grib2", "rb").read())
    at = whole.find(struct.pack(">II", 36, 19))
    assert at > 0
    struct.pack_into(">II", whole, at, *sides)
    open("a.grib2", "wb").write(whole)
    open("a.vrt", "w").write('<VRTDataset rasterXSize="6" rasterYSize="4"><VRTRasterBand dataType="Float64" band="1"><SimpleSource>'
                             '<SourceFilename relativeToVRT="1">a.grib2</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>')
    for sql in ("FROM read_blocks('a.grib2')", "FROM read_variables('a.grib2')", f"SELECT read_patch('a.grib2', {WIN})", "FROM geo_catalog_build('a.grib2')", f"SELECT read_patch('a.vrt', {WIN})"):
        assert "damaged" in apart(sql), sql


# --- Regular files ------------------------------------------------------------------------------------------------------------


def walk(statements, seconds=90):
    """Runs statements one after another in a process of its own; gives what each says, or names the one that waits."""
    code = f"import sys, json; sys.path.insert(0, {str(ROOT / 'test/python')!r})\nfrom conftest import connect\ncon = connect()\n" \
           "for sql in json.load(sys.stdin):\n    try:\n        con.execute(sql).fetchall()\n        said = None\n    except Exception as error:\n        said = str(error)\n" \
           "    print(json.dumps(said), flush=True)"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "GEOQUILT_EXTENSION": EXTENSION})
    try:
        output, _ = child.communicate(json.dumps(statements), timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        output, _ = child.communicate()
    told = [json.loads(line) for line in output.splitlines()]
    assert len(told) == len(statements), f"no answer to {statements[len(told)]}"
    return told


def statements(folder):
    """Every statement of PATHS over a folder, by the name of the file that it reads first."""
    for templates in PATHS.values():
        for template in templates:
            name = template.split("{}/", 1)[1].split("'")[0].split('"')[0]
            yield name, template.replace("{}", str(folder)).replace("{{", "{").replace("}}", "}")


def test_a_file_that_is_a_pipe_is_refused_at_once_by_every_function(data):
    asked = [(name, sql) for name, sql in statements(data) if "*" not in name and name not in ("c.zarr", "package", "registry.parquet")]
    asked.append(("package/manifest.yaml", f"SELECT geo_ocean_manifest('{data}/package')"))
    for name in {name for name, _ in asked}:
        os.unlink(data / name)
        os.mkfifo(data / name)
    for (_, sql), said in zip(asked, walk([sql for _, sql in asked])):
        assert said and "not a regular file" in said, f"{sql}: {said}"


@pytest.mark.parametrize("end", [".tif.aux.xml", ".tif.msk", ".tif.ovr", ".tfw", ".tifw", ".wld", ".prj", ".tab", ".hdr", ".aux", ".rrd", "_RPC.TXT", ".IMD"])
def test_a_side_file_that_is_a_pipe_holds_up_no_function(data, end):
    os.mkfifo(data / f"a{end}")
    asked = [sql for name, sql in statements(data) if name == "a.tif" and "previous" not in sql]
    assert len(asked) > 10
    for sql, said in zip(asked, walk(asked)):
        assert said is None or "not a regular file" in said, f"{sql}: {said}"
        # What says where its pixels are, or which it has, is not passed over. A file's own bytes are without it.
        assert said or end not in (".tif.aux.xml", ".tif.msk") or "geo_content_hash" in sql, sql


@pytest.mark.parametrize("name, side", [("a.shp", "a.dbf"), ("a.shp", "a.shx"), ("a.shp", "a.prj"), ("a.shp", "a.cpg"), ("a.shp", "a.qix"), ("a.shp", "a.sbn"), ("a.gpkg", "a.gpkg-journal"), ("a.gpkg", "a.gpkg-wal"),
                                        ("a.csv", "a.csvt"), ("a.csv", "a.prj"), ("a.png", "a.pgw"), ("a.png", "a.png.aux.xml"), ("a.img", "a.ige"), ("a.img", "a.rrd"), ("a.bin", "a.hdr")])
def test_a_part_that_is_a_pipe_is_refused_at_once(name, side):
    if name.endswith("csv"):
        open(name, "w").write("x,y,v\n1,2,3\n")
    elif name.endswith(("shp", "gpkg")):
        geopandas.GeoDataFrame({"a": [1]}, geometry=[Point(1, 1)], crs=4326).to_file(name)
    else:
        write_raster(name, np.ones((4, 4), "u1"), driver={"png": "PNG", "img": "HFA", "bin": "ENVI"}[name[2:]])
    if os.path.exists(side):
        os.unlink(side)
    os.mkfifo(side)
    kind = "geo_rasterize('{0}', geo_slice({{xmin: 0, ymin: 0, xmax: 4, ymax: 4}}, 1, 'OGC:CRS84'))"
    walk([f"FROM geo_catalog_build('{name}')", f"FROM geo_catalog_build('{name}', on_error := 'report')", f"SELECT read_patch('{name}', {WIN})", "SELECT " + kind.format(name)], seconds=30)


@pytest.mark.parametrize("part", ["zarr.json", "v/zarr.json", "v/c/0/0"])
def test_a_part_of_a_store_that_is_a_pipe_is_refused_at_once(tmp_path, part):
    import zarr
    group = zarr.open_group(str(tmp_path / "s.zarr"), mode="w", zarr_format=3)
    group.create_array("v", data=np.ones((3, 3), "f4"))
    os.unlink(tmp_path / "s.zarr" / part)
    os.mkfifo(tmp_path / "s.zarr" / part)
    for said in walk(["FROM read_array('s.zarr', 'v')", "SELECT read_array('s.zarr', 'v')"], seconds=20):
        assert said


def test_a_mask_that_cannot_be_opened_is_not_forgotten(con):
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False):
        for n in range(8):
            with rasterio.open(f"x{n}.tif", "w", driver="GTiff", height=2, width=2, count=1, dtype="uint8", crs="EPSG:32632", transform=rasterio.Affine(10, 0, 0, 0, -10, 5e6)) as d:
                d.write(np.full((1, 2, 2), 7, "uint8"))
                d.write_mask(np.array([[255, 0], [255, 0]], "uint8"))
    read = f"SELECT read_patch('x%d.tif', {WIN})"
    assert con.execute(read % 0).fetchone()[0] == [7, None, 7, None]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 40, limits[1]))
    try:
        for n in range(1, 8):
            held = []
            try:
                while True:
                    held.append(open("/dev/null"))
            except OSError:
                pass
            for _ in range(n):
                held.pop().close()
            try:
                assert con.execute(read % n).fetchone()[0] == [7, None, 7, None]
            except duckdb.Error as error:
                assert "too many open files" in str(error).lower()
            for file in held:
                file.close()
            assert con.execute(read % n).fetchone()[0] == [7, None, 7, None]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_files_that_cannot_be_opened_for_want_of_handles_are_not_taken_for_damaged(con):
    for n in range(3):
        with netCDF4.Dataset(f"n{n}.nc", "w") as f:
            f.createDimension("x", 2)
            f.createVariable("v", "f4", ("x",))[:] = n
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, limits[1]))
    try:
        for n in range(3):
            held = []
            try:
                while True:
                    held.append(open("/dev/null"))
            except OSError:
                pass
            for _ in range(n + 1):
                held.pop().close()
            error = said(con, f"SELECT read_array('n{n}.nc', 'v')")
            assert error is None or "too many open files" in error.lower(), error
            for file in held:
                file.close()
            assert con.execute(f"SELECT read_array('n{n}.nc', 'v').data").fetchone()[0] == [n, n]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_folder_that_may_not_be_listed_is_told(tmp_path):
    for folder in [tmp_path, *tmp_path.parents]:
        if folder != folder.parent and str(folder).startswith("/tmp"):
            os.chmod(folder, 0o755)
    for name in ("a", "b"):
        os.mkdir(name)
        write_raster(f"{name}/x.tif", np.ones((4, 4), "u1"))
    os.chmod("b", 0o700)
    leave = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)"
    assert "permission denied" in apart("FROM geo_catalog_build('**/x.tif')", before=leave)
    os.chmod("b", 0o755)


# --- The database's own limits ------------------------------------------------------------------------------------------------


SLICE = "geo_slice({xmin: 500000, ymin: 4599960, xmax: 500040, ymax: 4600000}, 10, 'EPSG:32629')"
ESCAPED = SLICE.replace("{", "{{").replace("}", "}}")
# Every parameter that takes paths, in every function and way to call it: a statement that reads PLACE.
PATHS = {
    "geo_catalog_build.paths table": ["FROM geo_catalog_build('{}/a.tif')", "FROM geo_catalog_build('{}/*.tif')", "FROM geo_catalog_build('{}/**/*.tif')", "FROM geo_catalog_build('{}/a.nc')",
                                      "FROM geo_catalog_build('{}/p.geojson')", "FROM geo_catalog_build('NETCDF:\"{}/a.nc\":v', kind := 'raster')"],
    "geo_catalog_build.previous table": ["FROM geo_catalog_build('{}/a.tif', previous := '{}/catalog.parquet')"],
    "read_stac.items table": ["FROM read_stac('{}/item.json')", "FROM read_stac('{}/*.json')"],
    "geo_patch_grid.source table": ["FROM geo_patch_grid('{}/a.tif', size := 2)"],
    "geo_patch_grid.mask table": ["FROM geo_patch_grid({{xmin: 500000, ymin: 4599960, xmax: 500040, ymax: 4600000}}, size := 2, resolution := 10, crs := 'EPSG:32629', mask := '{}/a.tif', max_land_fraction := 1)"],
    "st_land_fraction.mask scalar": ["SELECT st_land_fraction({{xmin: -8.99988, ymin: 41.55140, xmax: -8.99964, ymax: 41.55157}}, '{}/a.tif')"],
    "read_patch.path scalar": ["SELECT read_patch('{}/a.tif', " + WIN.replace("{", "{{").replace("}", "}}") + ")"],
    "read_patch.source table": ["FROM read_patch('{}/a.tif', size := 2)", "FROM read_patch('{}/*.tif', size := 2)", "FROM read_patch('{}/registry.parquet')",
                                "FROM read_patch([{{path: '{}/a.tif', win: " + WIN.replace("{", "{{").replace("}", "}}") + "}}])"],
    "read_plan.source table": ["FROM read_plan('{}/a.tif', size := 2)", "FROM read_plan('{}/registry.parquet')"],
    "read_blocks.source table": ["FROM read_blocks('{}/a.tif')", "FROM '{}/a.tif'"],
    "geo_zonal_stats.path scalar": ["SELECT geo_zonal_stats('{}/a.tif', 'POLYGON ((-8.99988 41.55140, -8.99964 41.55140, -8.99964 41.55157, -8.99988 41.55140))'::GEOMETRY)"],
    "geo_zonal_stats.weights scalar": ["SELECT geo_zonal_stats('{}/a.tif', 'POLYGON ((-8.99988 41.55140, -8.99964 41.55140, -8.99964 41.55157, -8.99988 41.55140))'::GEOMETRY, {{weights: '{}/a.tif'}})"],
    "geo_rasterize.features scalar": ["SELECT geo_rasterize('{}/p.geojson', " + ESCAPED + ")"],
    "read_variables.paths table": ["FROM read_variables('{}/a.nc')", "FROM read_variables('{}/c.zarr')", "FROM '{}/a.nc'"],
    "read_features.paths table": ["FROM read_features('{}/p.geojson')", "FROM read_features('{}/*.geojson')"],
    "read_array.path scalar": ["SELECT read_array('{}/a.nc', 'v')", "SELECT read_array('{}/c.zarr', 'v')"],
    "read_array.paths table": ["FROM read_array('{}/a.nc', 'v')", "FROM read_array([{{path: '{}/a.nc'}}], 'v')"],
    "read_times.path scalar": ["SELECT read_times('{}/a.nc', 't')"],
    "read_slice.registry table": ["FROM read_slice([{{path: '{}/a.tif', slice: " + ESCAPED + "}}])", "FROM read_slice('{}/registry.parquet')",
                                  "FROM read_slice([{{paths: {{one: '{}/a.tif'}}, slice: " + ESCAPED + "}}])"],
    "read_slice.mask_path scalar": ["SELECT read_slice('{}/a.tif', " + ESCAPED + ", {{mask_path: '{}/a.tif', mask_values: [9]}})"],
    "read_slice.mask_path table": ["FROM read_slice('{}/registry.parquet', mask_path := '{}/a.tif', mask_values := [9])"],
    "read_series.registry table": ["FROM read_series('{}/registry.parquet')"],
    "read_series.mask_path scalar": ["SELECT read_series(['{}/a.tif'], ['2024-01-01'::TIMESTAMP], " + ESCAPED + ", {{mask_path: '{}/a.tif', mask_values: [9]}})"],
    "read_series.mask_path table": ["FROM read_series('{}/registry.parquet', mask_path := '{}/a.tif', mask_values := [9])"],
    "read_slice.paths scalar": ["SELECT read_slice('{}/a.tif', " + ESCAPED + ")"],
    "read_series.paths scalar": ["SELECT read_series(['{}/a.tif'], ['2024-01-01'::TIMESTAMP], geo_slice({{xmin: 500000, ymin: 4599960, xmax: 500040, ymax: 4600000}}, 10, 'EPSG:32629', '2024-01-01', '2024-01-02'))"],
    "geo_train_queries.mask table": ["FROM geo_train_queries(1, size := 30, t_min := '2020', t_max := '2020', bbox := {{xmin: -60, ymin: -40, xmax: 60, ymax: 40}}, mask := '{}/world.tif')"],
    "geo_eval_queries.mask table": ["FROM geo_eval_queries(size := 30, t_min := '2020', t_max := '2020', mask := '{}/world.tif')"],
    "geo_replay_queries.source table": ["FROM geo_replay_queries('{}/queries.parquet')", "FROM geo_replay_queries({{kind: 'eval', size: 30, t_min: '2020', t_max: '2020', mask: '{}/world.tif'}})"],
    "read_profiles.paths table": ["FROM read_profiles('{}/cast.nc')", "FROM read_profiles('{}/casts.parquet')"],
    "geo_class_fractions.path scalar": ["SELECT geo_class_fractions('{}/a.tif', " + WIN.replace("{", "{{").replace("}", "}}") + ")", "SELECT geo_class_fractions('{}/a.tif', " + ESCAPED + ")"],
    "geo_ocean_manifest.root scalar": ["SELECT geo_ocean_manifest('{}/package')"],
    "geo_content_hash.path scalar": ["SELECT geo_content_hash('{}/a.tif')", "SELECT geo_content_hash('{}/c.zarr')"],
    "geo_patch_stats.path scalar": ["SELECT geo_patch_stats('{}/a.tif', " + WIN.replace("{", "{{").replace("}", "}}") + ")"],
}
# Texts that name no file, by parameter.
NO_PATHS = {"kind", "layer", "variables", "time_var", "filename_regex", "date_format", "crs", "on_error", "assets", "bands", "dtype", "edge", "shuffle", "outside", "resampling", "merge",
            "mask_band", "label_field", "step", "reduce", "stats", "variable", "time_tag", "from", "to", "band", "name", "task", "coverage", "method", "regions", "interleave",
            "stitch", "as", "split", "seed", "value", "t_min", "t_max", "place", "bbox", "side", "force_include", "shape", "shape_crs", "fill", "nodata", "undecoded", "taper", "slice", "classes", "to_crs",
            "COMPRESS", "NODATA", "BANDS", "CRS", "STITCH", "TAPER", "DTYPE", "TAGS", "LAYOUT", "OVERVIEWS", "TEMPLATE", "expression", "metric", "anchors_crs", "sampler", "geometry", "unit", "mode", "depth",
            "win", "entry", "noun", "words", "crss", "within", "within_crs", "along", "columns", "time_tolerance", "TIME", "NAMES", "AXIS", "NAME", "DIMS", "SHARDS", "APPEND_DIM"}


@pytest.fixture
def data(tmp_path):
    """A folder with a file of each kind."""
    folder = tmp_path / "data"
    folder.mkdir()
    write_raster(folder / "a.tif", np.ones((4, 4), "u1"))
    with netCDF4.Dataset(folder / "a.nc", "w") as f:
        for name in ("lat", "lon"):
            f.createDimension(name, 3)
            f.createVariable(name, "f8", (name,))[:] = [1, 2, 3]
        f.createDimension("t", 2)
        f.createVariable("t", "f8", ("t",))[:] = [1, 2]
        f["t"].units = "days since 2024-01-01"
        f["lat"].units, f["lon"].units = "degrees_north", "degrees_east"
        f.createVariable("v", "f4", ("lat", "lon"))[:] = 1
    (folder / "p.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [-9, 41.55]}}]}))
    (folder / "item.json").write_text(json.dumps({"type": "Feature", "stac_version": "1.0.0", "id": "x", "geometry": {"type": "Point", "coordinates": [-9, 41.55]}, "bbox": [-9, 41.55, -9, 41.55],
                                                  "properties": {"datetime": "2024-05-01T10:00:00Z"}, "links": [], "assets": {"b": {"href": "./a.tif"}}}))
    write_raster(folder / "world.tif", np.zeros((18, 36), "u1"), crs="EPSG:4326", transform=rasterio.transform.from_origin(-180, 90, 10, 10))
    with netCDF4.Dataset(folder / "cast.nc", "w") as f:
        f.createDimension("depth", 2)
        f.createVariable("depth", "f8", ("depth",))[:] = [1, 2]
        f.createVariable("temp", "f4", ("depth",))[:] = [3, 4]
    import zarr
    group = zarr.open_group(str(folder / "c.zarr"), mode="w", zarr_format=2)
    group.create_array("v", data=np.ones((3, 3), "f4"))
    (folder / "package/store.zarr").mkdir(parents=True)
    zarr.open_group(str(folder / "package/store.zarr"), mode="w", zarr_format=2)
    write_raster(folder / "package/a.tif", np.ones((4, 4), "u1"))
    day = [{"date": 20180101, "path": "a.tif"}]
    (folder / "package/manifest.yaml").write_text(json.dumps({
        "grid": {"source": "a.tif"}, "argo": {"path": "store.zarr"}, "depth_axis_m": [1.0], "stretch": {"temperature_kelvin": {"minimum": 0, "maximum": 1}},
        "rasters": {"glorys": {"thetao": day}, "ostia": {"analysed_sst": day}}}))
    con = connect()
    con.execute(f"COPY (FROM geo_catalog_build('{folder}/a.tif')) TO '{folder}/catalog.parquet'")
    con.execute(f"COPY (SELECT '{folder}/a.tif' AS path, {WIN} AS win, {SLICE} AS slice, [TIMESTAMP '2024-01-01'] AS times) TO '{folder}/registry.parquet'")
    con.execute(f"COPY (SELECT [1.0] AS depth, [2.0] AS temp) TO '{folder}/casts.parquet'")
    asked = f"{{kind: 'eval', size: 30, t_min: '2020', t_max: '2020', mask: '{folder}/world.tif'}}"
    con.execute(f"COPY (FROM geo_replay_queries({asked})) TO '{folder}/queries.parquet' (KV_METADATA {{geoquilt_queries: to_json({asked})}})")
    con.close()
    return folder


def test_every_parameter_that_takes_text_is_a_path_that_is_asked_about_or_no_path(con):
    """Macros read by these functions alone; what COPY writes to is DuckDB's own to ask about."""
    unknown = []
    for name, kind, parameters in con.execute("SELECT name, kind, parameters FROM geoquilt_functions() WHERE kind NOT LIKE '%macro%'").fetchall():
        for parameter in parameters:
            if "VARCHAR" in parameter["type"] and f"{name}.{parameter['name']} {kind}" not in PATHS and parameter["name"] not in NO_PATHS:
                unknown.append(f"{name}.{parameter['name']} {kind}: {parameter['type']}")
    assert not unknown, unknown


@pytest.mark.parametrize("key", PATHS)
def test_what_the_database_forbids_is_not_read(data, key):
    for template in PATHS[key]:
        sql = template.replace("{}", str(data)).replace("{{", "{").replace("}}", "}")
        con = connect()
        assert said(con, sql) is None, sql
        # What an earlier query opened is as forbidden.
        con.execute("SET enable_external_access = false")
        assert FORBIDDEN in (said(con, sql) or ""), f"{sql}: {said(con, sql)}"
        con.close()
        con = connect()
        con.execute("SET disabled_filesystems = 'LocalFileSystem'")
        assert FORBIDDEN in (said(con, sql) or ""), f"{sql}: {said(con, sql)}"
        con.close()


@pytest.mark.parametrize("key", PATHS)
def test_what_the_database_allows_is_read(data, key):
    con = connect()
    con.execute(f"SET allowed_directories = ['{data}']")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")
    for template in PATHS[key]:
        sql = template.replace("{}", str(data)).replace("{{", "{").replace("}}", "}")
        assert said(con, sql) is None, f"{sql}: {said(con, sql)}"
    con.close()


def test_what_a_file_names_is_asked_about_too(data, tmp_path):
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "a.vrt").write_text('<VRTDataset rasterXSize="4" rasterYSize="4"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
                                   f'<SourceFilename>{data}/a.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>')
    with h5py.File(allowed / "a.h5", "w") as f:
        layout = h5py.VirtualLayout(shape=(3, 3), dtype="f4")
        layout[:] = h5py.VirtualSource(f"{data}/a.nc", "v", shape=(3, 3))
        f.create_virtual_dataset("v", layout)
    write_raster(allowed / "m.tif", np.ones((4, 4), "u1"))
    write_raster(data / "m.tif.msk", np.zeros((4, 4), "u1"))
    os.symlink(data / "m.tif.msk", allowed / "m.tif.msk")
    statements = [f"SELECT read_patch('{allowed}/a.vrt', {WIN})", f"SELECT read_array('{allowed}/a.h5', 'v')", f"FROM geo_replay_queries('{allowed}/queries.parquet')"]
    (allowed / "queries.parquet").write_bytes((data / "queries.parquet").read_bytes())
    con = connect()
    for sql in statements:
        assert said(con, sql) is None, sql
    con.execute(f"SET allowed_directories = ['{allowed}']")
    con.execute("SET enable_external_access = false")
    for sql in statements:
        assert FORBIDDEN in (said(con, sql) or ""), sql
    fresh = connect()
    fresh.execute(f"SET allowed_paths = ['{allowed}/m.tif']")
    fresh.execute("SET enable_external_access = false")
    assert FORBIDDEN in said(fresh, f"SELECT read_patch('{allowed}/m.tif', {WIN})")


def test_a_template_of_what_is_written_is_asked_about(data, tmp_path):
    (tmp_path / "out").mkdir()
    sql = f"COPY (SELECT data, win FROM read_patch('{data}/a.tif', size := 4)) TO '{tmp_path}/out/a.tif' (FORMAT geotiff, TEMPLATE '{{}}')"
    for folder, allowed in (("data", True), ("elsewhere", False)):
        (tmp_path / folder).mkdir(exist_ok=True)
        write_raster(tmp_path / folder / "t.tif", np.ones((4, 4), "u1"))
        con = connect()
        con.execute(f"SET allowed_directories = ['{data}', '{tmp_path}/out']; SET enable_external_access = false")
        error = said(con, sql.format(tmp_path / folder / "t.tif"))
        assert (error is None) if allowed else FORBIDDEN in error, error
        con.close()


def test_a_file_is_written_only_where_the_database_allows(data, tmp_path):
    con = connect()
    sql = "COPY (SELECT path, data, win FROM read_patch('" + str(data) + "/a.tif', size := 4)) TO '{}' (FORMAT geotiff)"
    con.execute(f"SET allowed_directories = ['{data}']")
    con.execute("SET enable_external_access = false")
    assert said(con, sql.format(tmp_path / "out.tif")) is not None
    assert not (tmp_path / "out.tif").exists() and sorted(os.listdir(tmp_path)) == ["data"]


def test_features_of_a_view_without_an_end_take_no_more_than_a_share_of_memory(tmp_path):
    endless(tmp_path / "a.gpkg", "endless")
    slice = "geo_slice({xmin: 8, ymin: 44, xmax: 10, ymax: 46}, 1, 'OGC:CRS84')"
    error = apart(f"SELECT geo_rasterize('{tmp_path}/a.gpkg', {slice}, {{layer: 'endless'}})", before="con.execute(\"SET memory_limit = '200MB'\")")
    assert 'no memory for the features of layer "endless"' in error, error
    # One value is bounded, and one pattern: what is a step to SQLite may take long.
    for name, value, words in (("long", "zeroblob(1000000000)", "too big"), ("pattern", f"CASE WHEN 'a' GLOB '{'*a' * 300}' THEN 1 END", "too complex")):
        endless(tmp_path / f"{name}.gpkg", "one")
        con = sqlite3.connect(tmp_path / f"{name}.gpkg")
        con.executescript(f"DROP VIEW one; CREATE VIEW one AS SELECT 1 AS fid, x'47500001e6100000010100000000000000000022400000000000804640' AS geom, {value} AS value;")
        con.close()
        error = apart(f"SELECT count(value) FROM read_features('{tmp_path}/{name}.gpkg', layer := 'one')")
        assert words in error, error
