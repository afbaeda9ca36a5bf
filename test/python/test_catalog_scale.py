"""Catalogs at scale: our own reading of GeoTIFF headers, progress, rebuilding, several writers, migration."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

import duckdb
import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp
from rasterio.transform import Affine, from_origin

from conftest import EXTENSION, OPEN_EXTENSION, ROOT, connect, run_python, sql_list, write_raster

# Any of GDAL's own GeoTIFF options sends every file to GDAL; this one says what is so anyway.
THROUGH_GDAL = {"GTIFF_POINT_GEO_IGNORE": "NO"}

CUSTOM = "+proj=laea +lat_0=52 +lon_0=10 +x_0=4321000 +y_0=3210000 +ellps=GRS80 +units=m"
COMPOUND = "EPSG:25832+5783"


def headers_read(con):
    return con.execute("SELECT headers.own FROM geoquilt_version()").fetchone()[0]


def catalog_rows(pattern, env=None, times=2):
    """Every column of a catalog as text, made in a process of its own; and how many headers geoquilt read itself."""
    code = OPEN_EXTENSION + textwrap.dedent(f"""
        import json
        for _ in range({times}):
            before = con.execute("SELECT headers.own FROM geoquilt_version()").fetchone()[0]
            rows = con.execute("SELECT parse_filename(path), columns(* EXCLUDE path)::VARCHAR FROM geo_catalog_build({pattern!r}, on_error := 'report', crs := 'OGC:CRS84')").fetchall()
            own = con.execute("SELECT headers.own FROM geoquilt_version()").fetchone()[0] - before
        print(json.dumps([rows, own]))
    """)
    done = run_python(code, env=env, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    rows, own = json.loads(done.stdout.strip().splitlines()[-1])
    return {row[0]: row[1:] for row in rows}, own


def both_ways(pattern):
    ours, own = catalog_rows(pattern)
    gdals, none = catalog_rows(pattern, THROUGH_GDAL, times=1)
    assert none == 0
    assert ours.keys() == gdals.keys()
    for name, row in ours.items():
        assert row == gdals[name], name
    return ours, own


def make_files(folder):
    """GeoTIFFs of every make; and the names of those that geoquilt must leave to GDAL."""
    rng = np.random.default_rng(5)
    left = set()

    def write(name, data=None, unusual=False, **profile):
        data = rng.integers(0, 100, (1, 40, 56)).astype("uint8") if data is None else data
        path = write_raster(folder / f"{name}.tif", data, **profile)
        if unusual:
            left.add(f"{name}.tif")
        return path

    pixels = rng.integers(0, 100, (3, 70, 90))
    for dtype in ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]:
        data = pixels.astype(dtype)
        write(f"plain_{dtype}", data)
        write(f"nodata_{dtype}", data, nodata=7)
        write(f"planar_{dtype}", data, interleave="band")
        write(f"tiled_{dtype}", data, tiled=True, blockxsize=32, blockysize=16, compress="deflate", predictor=1)
        write(f"big_{dtype}", data[:1], BIGTIFF="YES", ENDIANNESS="BIG")
    for number, nodata in enumerate([np.nan, np.inf, -np.inf, -9999, 1e20, -3.4028234663852886e38, 3.4028235e38, 0.1, 1e-30]):
        write(f"float_nodata_{number}", pixels[0].astype("float32"), nodata=nodata)
        write(f"double_nodata_{number}", pixels[0].astype("float64"), nodata=nodata)
    for name, dtype, nodata in [("int64_nodata", "int64", -(2**63)), ("uint64_nodata", "uint64", 2**63)]:
        path = pathlib.Path(write(name, pixels[0].astype(dtype), nodata=nodata))
        # Exact beyond what a double holds, which is all that rasterio takes.
        path.write_bytes(path.read_bytes().replace(b"9.2233720368547758e+18", b"0009223372036854775807"))
    write("uint8_nodata_beyond", pixels[0].astype("uint8"), nodata=255)
    write("scaled", pixels.astype("int16"), scales=(0.01, 1.0, 2.5), offsets=(-273.15, 0.0, 1e-7), descriptions=("sst", "größe", "chl [mg/m3]"))
    write("escaped", pixels[:1].astype("int16"), descriptions=("a < b & c",), unusual=True)
    for compress in ["lzw", "deflate", "packbits"]:
        write(f"compress_{compress}", pixels.astype("uint16"), compress=compress)
        write(f"one_strip_{compress}", pixels[:1].astype("uint16"), compress=compress, BLOCKYSIZE=70)
    write("predictor_2", pixels.astype("uint16"), compress="lzw", predictor=2)
    write("predictor_3", pixels.astype("float32"), compress="deflate", predictor=3)
    write("one_strip", pixels.astype("float64"), BLOCKYSIZE=70)
    write("one_strip_planar", pixels.astype("float64"), BLOCKYSIZE=70, interleave="band")
    write("one_row_strips", rng.integers(0, 9, (1, 5, 9000)).astype("uint16"), BLOCKYSIZE=5)
    write("tall", rng.integers(0, 9, (1, 2500, 4)).astype("uint8"), BLOCKYSIZE=2500, compress="deflate", unusual=True)
    write("tall_raw", rng.integers(0, 9, (1, 2500, 40)).astype("uint8"), BLOCKYSIZE=2500, unusual=True)
    write("little", pixels.astype("uint16"), ENDIANNESS="LITTLE")
    write("big", pixels.astype("float32"), ENDIANNESS="BIG", tiled=True, blockxsize=16, blockysize=16)
    write("bigtiff", pixels.astype("float32"), BIGTIFF="YES")
    write("sparse", pixels.astype("float32"), SPARSE_OK=True, tiled=True, blockxsize=16, blockysize=16)
    for bands in [4, 5, 7]:
        write(f"minisblack_{bands}", rng.integers(0, 9, (bands, 20, 20)).astype("uint8"), photometric="MINISBLACK")
    write("rgb", pixels.astype("uint8"), photometric="RGB")
    interp = write("colorinterp", rng.integers(0, 9, (4, 20, 20)).astype("uint8"), photometric="MINISBLACK")
    with rasterio.open(interp, "r+") as file:
        file.colorinterp = [ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined]
    interp = write("alpha_by_name", rng.integers(0, 9, (4, 20, 20)).astype("uint8"), photometric="MINISBLACK", unusual=True)
    with rasterio.open(interp, "r+") as file:
        file.colorinterp = [ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.alpha]
    write("rgba", rng.integers(0, 9, (4, 20, 20)).astype("uint8"), photometric="RGB", ALPHA="YES", unusual=True)
    write("grey_alpha", rng.integers(0, 9, (2, 20, 20)).astype("uint8"), ALPHA="YES", unusual=True)
    write("miniswhite", photometric="MINISWHITE")
    palette = write("palette")
    with rasterio.open(palette, "r+") as file:
        file.write_colormap(1, {i: (i, 255 - i, 0, 255) for i in range(256)})
    write("one_bit", pixels[:1].astype("uint8") % 2, nbits=1, unusual=True)
    write("twelve_bits", pixels[:1].astype("uint16"), nbits=12, unusual=True)
    write("jpeg", compress="jpeg", unusual=True)
    write("masked", mask=np.arange(40 * 56).reshape(40, 56) % 3 > 0, unusual=True)
    tagged = write("tagged")
    with rasterio.open(tagged, "r+") as file:
        file.update_tags(author="someone & <others>", AREA_OR_POINT="Area", TIFFTAG_SOFTWARE="seeded")
        file.update_tags(1, quality="good")
        file.set_band_unit(1, "kelvin")
    def tag(name, unusual=False, namespace=None, **tags):
        with rasterio.open(write(f"tags_{name}", unusual=unusual), "r+") as file:
            file.update_tags(ns=namespace, **tags)

    tag("tiff", TIFFTAG_DOCUMENTNAME="größe", TIFFTAG_IMAGEDESCRIPTION="two\nlines", TIFFTAG_SOFTWARE="seeded", TIFFTAG_DATETIME="2018:01:31 23:59:59",
        TIFFTAG_ARTIST="a", TIFFTAG_HOSTCOMPUTER="h", TIFFTAG_COPYRIGHT="c", TIFFTAG_XRESOLUTION="118.11024", TIFFTAG_YRESOLUTION="72", TIFFTAG_RESOLUTIONUNIT="3 (pixels/cm)")
    for number, resolution in enumerate(["0.1", "1200", "123456.78", "1e-5", "98765432"]):
        tag(f"resolution_{number}", TIFFTAG_XRESOLUTION=resolution, TIFFTAG_YRESOLUTION=resolution, TIFFTAG_RESOLUTIONUNIT=str(1 + number % 2))
    tag("one_resolution", TIFFTAG_XRESOLUTION="72")
    tag("least", unusual=True, TIFFTAG_MINSAMPLEVALUE="1")
    tag("iso_date", unusual=True, TIFFTAG_DATETIME="2018-01-31T23:59:59Z")
    tag("short_date", unusual=True, TIFFTAG_DATETIME="2018:01:31")
    tag("markup", a="<b> & \"c\" 'd' &amp; &lt; >", trailing="x  ", quoted="'")
    tag("names", **{"dc:title": "t", "with space": "s", "Größe": "g", "dotted.name": "d"})
    tag("marked_name", unusual=True, **{"a&b": "1"})
    tag("blank", blank="  x")
    tag("empty", unusual=True, empty="")
    tag("domain", namespace="OTHER", x="1", y="<2>")
    tag("area_or_point", AREA_OR_POINT="Point", author="b")
    tag("many", **{f"n{number:03}": "x" * (number + 1) for number in range(300)})
    tag("long", long="ü" * 5000)
    point = write("point")
    with rasterio.open(point, "r+") as file:
        file.update_tags(AREA_OR_POINT="Point")
    for side, name in [(".aux.xml", "aux"), (".ovr", "ovr")]:
        path = write(f"side_{name}", rng.integers(0, 9, (1, 300, 300)).astype("uint8"), unusual=True)
        if name == "aux":
            pathlib.Path(path + side).write_text("<PAMDataset><PAMRasterBand band='1'><Description>from beside</Description></PAMRasterBand></PAMDataset>")
        else:
            with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(path, "r+") as file:
                file.build_overviews([2, 4])
    path = write("side_msk", unusual=True)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as file:
        file.write_mask(np.arange(40 * 56).reshape(40, 56) % 3 > 0)
    path = write("side_tfw", unusual=True)
    (folder / "side_tfw.tfw").write_text("5\n0\n0\n-5\n100\n200\n")
    path = write("side_json")
    (folder / "side_json.json").write_text("{}")
    for number, crs in enumerate(["EPSG:4326", "EPSG:3857", "EPSG:32701", "EPSG:3035", "EPSG:4979", "ESRI:54030", CUSTOM, COMPOUND, "EPSG:27700"]):
        for turn in range(2):
            # With one band, GDAL may make scale and offset of the heights of a vertical CRS.
            write(f"crs_{number}_{turn}", crs=crs, transform=from_origin(10.25 + turn, 50, 0.001, 0.002), unusual=crs == COMPOUND)
            write(f"crs_two_{number}_{turn}", pixels[:2].astype("uint8"), crs=crs, transform=from_origin(10.25 + turn, 50, 0.001, 0.002))
    write("no_crs", crs=None, unusual=True)
    write("south_up", transform=Affine(10, 0, 500000, 0, 10, 4600000))
    write("rotated", transform=Affine(10, 1, 500000, 1, -10, 4600000))
    write("oblong", transform=Affine(10, 0, 500000, 0, -7.3, 4600000))
    overviews = write("overviews", rng.integers(0, 9, (1, 600, 600)).astype("uint8"), tiled=True, blockxsize=128, blockysize=128)
    with rasterio.open(overviews, "r+") as file:
        file.build_overviews([2, 4, 8])
    source = str(folder / "overviews.tif")
    rasterio.shutil.copy(source, str(folder / "cog.tif"), driver="COG", BLOCKSIZE=128, COMPRESS="DEFLATE")
    rasterio.shutil.copy(str(folder / "masked.tif"), str(folder / "cog_mask.tif"), driver="COG", BLOCKSIZE=128)
    left.add("cog_mask.tif")
    rasterio.shutil.copy(source, str(folder / "cog_big.tif"), driver="COG", BLOCKSIZE=128, BIGTIFF="YES")
    rasterio.shutil.copy(source, str(folder / "geotiff11.tif"), driver="GTiff", GEOTIFF_VERSION="1.1")
    return left


@pytest.fixture(scope="module")
def every_make(tmp_path_factory):
    folder = tmp_path_factory.mktemp("every_make")
    return folder, make_files(folder)


def test_our_own_reading_of_headers_equals_gdals_on_every_make(every_make):
    folder, left = every_make
    rows, own = both_ways(f"{folder}/*.tif")
    assert rows.keys() == {p.name for p in folder.glob("*.tif")}
    assert own >= 100


def test_what_geoquilt_reads_itself_and_what_it_leaves_to_gdal(every_make):
    folder, left = every_make
    con = connect()
    own = set()
    for path in sorted(folder.glob("*.tif")):
        query = f"SELECT count(*) FROM geo_catalog_build({sql_list([path])}, on_error := 'skip')"
        con.execute(query).fetchall()
        before = headers_read(con)
        con.execute(query).fetchall()
        if headers_read(con) > before:
            own.add(path.name)
    assert own == {p.name for p in folder.glob("*.tif")} - left


def test_headers_equal_rasterios(every_make):
    folder, _ = every_make
    con = connect()
    query = f"SELECT path, width, height, transform, bands, tags, error FROM geo_catalog_build('{folder}/*.tif', on_error := 'report')"
    con.execute(query).fetchall()
    for path, width, height, transform, bands, tags, error in con.execute(query).fetchall():
        with rasterio.open(path) as file:
            if error is not None:
                assert file.crs is None or file.transform.b != 0, (path, error)
                continue
            assert (file.width, file.height) == (width, height), path
            assert tuple(transform) == file.transform.to_gdal(), path
            assert [b["dtype"] for b in bands] == list(file.dtypes), path
            np.testing.assert_array_equal([np.nan if b["nodata"] is None else b["nodata"] for b in bands],
                                          [np.nan if n is None else n for n in file.nodatavals], err_msg=path)
            assert [b["scale"] or 1.0 for b in bands] == list(file.scales), path
            assert [b["offset"] or 0.0 for b in bands] == list(file.offsets), path
            assert [b["name"] for b in bands] == list(file.descriptions), path
            assert [b["unit"] or None for b in bands] == [u or None for u in file.units], path
            kept = {name: text if len(text.encode()) <= 4096 else text.encode()[:4096].decode() + "…" for name, text in list(file.tags().items())[:256]}
            assert tags == kept, path


def test_a_damaged_header_gives_what_gdal_gives_and_never_a_crash(tmp_path):
    rng = np.random.default_rng(11)
    sources = []
    for number, profile in enumerate([{}, {"ENDIANNESS": "BIG"}, {"BIGTIFF": "YES"}, {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}]):
        path = write_raster(tmp_path / f"source_{number}.tif", rng.integers(0, 9, (2, 40, 40)).astype("int16"), nodata=-5, scales=(0.1, 2), offsets=(1, 0), **profile)
        sources.append(pathlib.Path(path).read_bytes())
        os.remove(path)
    folder = tmp_path / "damaged"
    folder.mkdir()
    for number in range(1500):
        data = bytearray(sources[number % 4])
        head = min(len(data), 900)
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(0, head)] = rng.choice([0, 1, 2, 3, 4, 12, 16, 127, 128, 255, rng.integers(0, 256)])
        if number % 10 == 0:
            data = data[: rng.integers(1, len(data))]
        (folder / f"d{number:04}.tif").write_bytes(bytes(data))
    rows, own = both_ways(f"{folder}/*.tif")
    assert len(rows) == 1500 and 100 < own < 1400, own


# --- progress ----------------------------------------------------------------------------------------


def many_links(folder, count, sources):
    """`count` names for a few files: links make 100,000 files in a second."""
    folder.mkdir()
    for number in range(count):
        os.link(sources[number % len(sources)], folder / f"s{number:06}_2020{number % 12 + 1:02}{number % 28 + 1:02}.tif")
    return folder


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """24 small scenes in as many places of six UTM zones."""
    folder = tmp_path_factory.mktemp("scenes")
    rng = np.random.default_rng(8)
    return [write_raster(folder / f"scene_{i}.tif", rng.integers(0, 99, (1, 16, 16)).astype("uint8"), crs=f"EPSG:{32601 + 10 * (i % 6)}",
                         transform=from_origin(400000 + 5000 * i, 4600000 + 7000 * i, 10, 10)) for i in range(24)]


def test_a_build_is_watched_from_a_second_connection(tmp_path, scenes, con):
    folder = many_links(tmp_path / "many", 20_000, scenes)
    (folder / "s000100_20200101.tif").write_text("no raster")
    assert con.execute("FROM geoquilt_progress()").fetchall() == []
    watcher = con.cursor()
    build = threading.Thread(target=lambda: con.execute(f"CREATE TABLE c AS FROM geo_catalog_build('{folder}/*.tif', on_error := 'report')"))
    seen = []
    build.start()
    while build.is_alive():
        seen += watcher.execute("SELECT *, epoch(now()::TIMESTAMP) - epoch(started) FROM geoquilt_progress()").fetchall()
    build.join()
    assert con.execute("SELECT count(*), count(error) FROM c").fetchone() == (20_001, 1)
    assert watcher.execute("FROM geoquilt_progress()").fetchall() == []
    under_way = [row for row in seen if 0 < row[2] < row[3]]
    assert under_way, seen[:5]
    assert {(row[1], row[3], row[5]) for row in seen} == {("geo_catalog_build", 20_001, 0)}
    assert len({row[0] for row in seen}) == 1
    done, elapsed = [row[2] for row in seen], [row[7] for row in seen]
    assert done == sorted(done) and elapsed == sorted(elapsed)
    assert max(row[4] for row in seen) == 1
    for row in under_way:
        assert row[8] == pytest.approx(row[2] / row[7]) and abs(row[7] - row[9]) < 0.5


def test_two_jobs_at_once_are_two_rows(tmp_path, scenes, con):
    folder = many_links(tmp_path / "many", 10_000, scenes)
    cursors = [con.cursor(), con.cursor()]
    most, stop = [0], threading.Event()

    def build(cursor):
        while not stop.is_set():
            cursor.execute(f"SELECT count(*) FROM geo_catalog_build('{folder}/*.tif')").fetchall()

    threads = [threading.Thread(target=build, args=(cursor,)) for cursor in cursors]
    [thread.start() for thread in threads]
    end = time.monotonic() + 60
    while most[0] < 2 and time.monotonic() < end:
        most[0] = max(most[0], len(con.execute("SELECT DISTINCT job FROM geoquilt_progress()").fetchall()))
    stop.set()
    [thread.join() for thread in threads]
    assert most[0] == 2


def watch(con, sql, columns="*"):
    """What a second connection sees of the jobs while the first runs a query; and that query's rows."""
    watcher, seen, rows = con.cursor(), [], []
    thread = threading.Thread(target=lambda: rows.extend(con.execute(sql).fetchall()))
    thread.start()
    while thread.is_alive():
        seen += watcher.execute(f"SELECT {columns} FROM geoquilt_progress()").fetchall()
    thread.join()
    assert watcher.execute("FROM geoquilt_progress()").fetchall() == []
    return seen, rows


def test_a_stream_of_patches_tells_how_far_it_is(tmp_path, con):
    path = write_raster(tmp_path / "a.tif", np.zeros((1, 512, 512), "float32"))
    con.execute(f"""COPY (SELECT '{path}' AS path, {{row_off: (i % 64) * 4, col_off: 0, height: 256::INTEGER, width: 256::INTEGER}} AS win FROM range(8000) t(i))
        TO '{tmp_path}/registry.parquet'""")
    seen, rows = watch(con, f"SELECT count(data) FROM read_patch('{tmp_path}/registry.parquet')", "function, done, total, errors")
    assert rows == [(8000,)]
    assert {(row[0], row[2], row[3]) for row in seen} == {("read_patch", 8000, 0)}
    done = [row[1] for row in seen]
    assert done == sorted(done) and any(0 < n < 8000 for n in done)


def test_an_abandoned_build_is_no_job_any_more(tmp_path, scenes, con):
    folder = many_links(tmp_path / "many", 3000, scenes)
    con.execute(f"FROM geo_catalog_build('{folder}/*.tif') LIMIT 3").fetchall()
    assert con.execute("FROM geoquilt_progress()").fetchall() == []
    with pytest.raises(duckdb.Error):
        con.execute(f"FROM geo_catalog_build(['{scenes[0]}', 'none.tif'])").fetchall()
    assert con.execute("FROM geoquilt_progress()").fetchall() == []


# --- a catalog that is built again ---------------------------------------------------------------------

REGEX = "filename_regex := 's(?P<id>\\d+)_(?P<date>\\d{8})'"


def every_row(con, relation):
    return con.execute(f"SELECT * REPLACE (ST_AsWKB(geometry)::BLOB AS geometry) FROM {relation}").fetchall()


@pytest.fixture
def kept(tmp_path, scenes, con):
    """A folder of 300 files of their own, and its catalog."""
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(300):
        shutil.copy(scenes[number % 24], folder / f"s{number:06}_202001{number % 28 + 1:02}.tif")
    con.execute(f"COPY (FROM geo_catalog_build('{folder}/*.tif', {REGEX})) TO '{tmp_path}/catalog.parquet'")
    return folder, tmp_path / "catalog.parquet"


def rebuild(con, folder, previous, more=f", {REGEX}"):
    """The rows, and how many headers were read: by geoquilt and by GDAL."""
    count = "SELECT headers.own + headers.gdal FROM geoquilt_version()"
    before = con.execute(count).fetchone()[0]
    rows = every_row(con, f"geo_catalog_build('{folder}/*.tif'{more}, previous := {previous})")
    return rows, con.execute(count).fetchone()[0] - before


def garble(path):
    """Makes a file unreadable without a change of its size and time."""
    stat = os.stat(path)
    path.write_bytes(b"x" * stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_unchanged_files_are_not_read_again_and_their_rows_are_the_same(con, kept):
    folder, catalog = kept
    before = every_row(con, f"'{catalog}'")
    fresh = every_row(con, f"geo_catalog_build('{folder}/*.tif', {REGEX})")
    for path in folder.iterdir():
        garble(path)
    rows, read = rebuild(con, folder, f"'{catalog}'")
    assert rows == fresh and read == 0
    assert rows == before


def test_new_and_changed_files_are_read_and_vanished_ones_drop_out(con, kept, scenes):
    folder, catalog = kept
    paths = sorted(folder.iterdir())
    for path in paths[10:290]:
        garble(path)
    paths[0].unlink()
    paths[299].unlink()
    shutil.copy(scenes[5], folder / "s000999_20200131.tif")  # new
    shutil.copy(scenes[5], paths[3])  # another content, another time
    stat = os.stat(paths[4])
    os.utime(paths[4], ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))  # a touched file
    with open(paths[5], "ab") as file:  # another size, the same time
        stat = os.fstat(file.fileno())
        file.write(b"tail")
    os.utime(paths[5], ns=(stat.st_atime_ns, stat.st_mtime_ns))
    rows, read = rebuild(con, folder, f"'{catalog}'")
    assert read == 4
    by_path = {row[0]: row for row in rows}
    assert list(by_path) == sorted(str(p) for p in folder.iterdir()) and len(rows) == 299
    fresh = {row[0]: row for row in every_row(con, f"geo_catalog_build('{folder}/*.tif', {REGEX}, on_error := 'skip')")}
    for path in [*paths[1:10], *paths[290:299], folder / "s000999_20200131.tif"]:
        assert by_path[str(path)] == fresh[str(path)], path


@pytest.mark.parametrize("order", ["path", "hash(path)", "path DESC"])
@pytest.mark.parametrize("version", ["V1", "BOTH", "V2"])
def test_the_order_of_the_earlier_catalog_and_its_geoparquet_do_not_matter(con, kept, order, version):
    folder, catalog = kept
    fresh = every_row(con, f"geo_catalog_build('{folder}/*.tif', {REGEX})")
    con.execute(f"COPY (FROM '{catalog}' ORDER BY {order}) TO '{catalog}.2' (FORMAT parquet, GEOPARQUET_VERSION '{version}', ROW_GROUP_SIZE 2048)")
    rows, read = rebuild(con, folder, f"'{catalog}.2'")
    assert rows == fresh and read == 0


def test_an_earlier_catalog_of_several_parts_gives_the_newest_row_of_each_path(con, kept, tmp_path, scenes):
    folder, catalog = kept
    changed = sorted(folder.iterdir())[7]
    shutil.copy(scenes[1], changed)
    parts = tmp_path / "parts"
    parts.mkdir()
    con.execute(f"COPY (FROM geo_catalog_build('{changed}', {REGEX})) TO '{parts}/a.parquet'")
    shutil.copy(catalog, parts / "b.parquet")
    rows, read = rebuild(con, folder, f"'{parts}/*.parquet'")
    assert read == 0 and rows == every_row(con, f"geo_catalog_build('{folder}/*.tif', {REGEX})")


def test_a_catalog_is_rebuilt_over_itself(con, kept, scenes):
    folder, catalog = kept
    shutil.copy(scenes[0], folder / "s000777_20200202.tif")
    query = f"COPY (FROM geo_catalog_build('{folder}/*.tif', {REGEX}, previous := '{catalog}')) TO '{catalog}'"
    con.execute(query)
    assert con.execute(f"SELECT count(*), count(geometry) FROM '{catalog}'").fetchone() == (301, 301)
    good = catalog.read_bytes()
    (folder / "s000778_20200202.tif").write_text("broken")
    with pytest.raises(duckdb.Error, match="s000778"):
        con.execute(query)
    assert catalog.read_bytes() == good  # a failed build leaves the catalog as it was


def test_a_watcher_sees_how_many_rows_were_reused(con, tmp_path, scenes):
    folder = many_links(tmp_path / "many", 40_000, scenes)
    con.execute(f"COPY (FROM geo_catalog_build('{folder}/*.tif')) TO '{tmp_path}/c.parquet'")
    seen, _ = watch(con, f"SELECT count(*) FROM geo_catalog_build('{folder}/*.tif', previous := '{tmp_path}/c.parquet')", "done, reused")
    assert any(0 < reused < 40_000 for _, reused in seen) and all(reused <= done for done, reused in seen)


def test_an_earlier_catalog_of_other_parameters_is_refused(con, kept, tmp_path):
    folder, catalog = kept

    def refusal(more, previous=f"'{catalog}'"):
        with pytest.raises(duckdb.Error) as error:
            rebuild(con, folder, previous, more)
        return str(error.value)

    row = f'see its row of "{folder}/s000000_20200101.tif"'
    regex = 's(?P<id>\\d+)_(?P<date>\\d{8})'
    assert f'geo_catalog_build(previous): "{catalog}" was built with another filename_regex ("{regex}") than this call has (NULL): {row}\nGive the same filename_regex, or leave previous out' in refusal("")
    assert f'was built with another filename_regex ("{regex}") than this call has ("(?P<date>\\d{{8}})")' in refusal(", filename_regex := '(?P<date>\\d{8})'")
    assert 'was built with another date_format ("%Y%m%d") than this call has ("%Y%d%m")' in refusal(f", {REGEX}, date_format := '%Y%d%m'")
    assert f"was built with another densify (21) than this call has (5): {row}" in refusal(f", {REGEX}, densify := 5")
    assert 'was built with another kind ("auto") than this call has ("raster")' in refusal(f", {REGEX}, kind := 'raster'")
    assert 'was built with another layer (NULL) than this call has (2)' in refusal(f", {REGEX}, layer := 2")
    assert 'was built with another variables (NULL) than this call has (["a", "b"])' in refusal(f", {REGEX}, variables := ['b', 'a']")
    assert 'was built with another time_tag (NULL) than this call has ("TIFFTAG_DATETIME")' in refusal(f", {REGEX}, time_tag := 'TIFFTAG_DATETIME'")
    assert 'was built with another crs ("OGC:CRS84") than this call has ("EPSG:3857")' in refusal(f", {REGEX}, crs := 'EPSG:3857'")
    con.execute(f"COPY (FROM geo_catalog_build('{folder}/*.tif', {REGEX}, crs := 'EPSG:3857')) TO '{tmp_path}/mercator.parquet'")
    assert 'was built with another crs ("EPSG:3857") than this call has ("OGC:CRS84")' in refusal(f", {REGEX}", f"'{tmp_path}/mercator.parquet'")
    assert rebuild(con, folder, f"'{tmp_path}/mercator.parquet'", f", {REGEX}, crs := 'EPSG:3857'")[1] == 0
    con.execute(f"COPY (SELECT * REPLACE (3 AS schema_version) FROM '{catalog}') TO '{tmp_path}/later.parquet'")
    assert "has rows of schema version 3, made by a later geoquilt: this is 2" in refusal(f", {REGEX}", f"'{tmp_path}/later.parquet'")
    con.execute(f"COPY (SELECT * EXCLUDE (bbox) FROM '{catalog}') TO '{tmp_path}/lacking.parquet'")
    assert "has no column bbox" in refusal(f", {REGEX}", f"'{tmp_path}/lacking.parquet'")
    con.execute(f"COPY (SELECT * REPLACE (size::VARCHAR AS size) FROM '{catalog}') TO '{tmp_path}/text.parquet'")
    assert "has a column size that is not BIGINT" in refusal(f", {REGEX}", f"'{tmp_path}/text.parquet'")
    con.execute(f"COPY (SELECT 1 AS a) TO '{tmp_path}/other.parquet'")
    assert "has no column path" in refusal(f", {REGEX}", f"'{tmp_path}/other.parquet'")
    assert "does not exist" in refusal(f", {REGEX}", "'none.parquet'")
    assert "cannot open" in refusal(f", {REGEX}", f"'{next(folder.iterdir())}'")
    assert "geo_catalog_build(previous)" in refusal(f", {REGEX}", "3")
    assert rebuild(con, folder, "NULL")[1] == 300


def test_one_row_of_other_parameters_among_many_is_refused(con, kept, tmp_path):
    folder, catalog = kept
    odd = sorted(folder.iterdir())[200]
    con.execute(f"COPY (SELECT * REPLACE (CASE WHEN path = '{odd}' THEN struct_update(built_with, densify := 5) ELSE built_with END AS built_with) FROM '{catalog}') TO '{tmp_path}/odd.parquet'")
    with pytest.raises(duckdb.Error, match=rf'was built with another densify \(5\) than this call has \(21\): see its row of "{odd}"'):
        rebuild(con, folder, f"'{tmp_path}/odd.parquet'")
    odd.unlink()
    assert rebuild(con, folder, f"'{tmp_path}/odd.parquet'")[1] == 0


def test_rows_that_do_not_tell_how_they_were_made_are_read_again(con, kept, tmp_path):
    folder, catalog = kept
    fresh = every_row(con, f"geo_catalog_build('{folder}/*.tif', {REGEX})")
    earlier = {
        "version 0": "SELECT * EXCLUDE (variables, time_var, n_times, t_step, layers, tags, schema_version, built_with)",
        "version 1": "SELECT * EXCLUDE (tags, built_with) REPLACE (1 AS schema_version)",
        "a row of version 1 with all columns": "SELECT * REPLACE (1 AS schema_version)",
        "an unknown version": "SELECT * REPLACE (NULL::INTEGER AS schema_version)",
        "migrated": "SELECT * REPLACE (NULL::MAP(VARCHAR, VARCHAR) AS tags, CASE WHEN false THEN built_with END AS built_with)",
    }
    for name, select in earlier.items():
        con.execute(f"COPY ({select} FROM '{catalog}') TO '{tmp_path}/earlier.parquet'")
        rows, read = rebuild(con, folder, f"'{tmp_path}/earlier.parquet'")
        assert (rows, read) == (fresh, 300), name
    # Beside parts that tell it, only theirs are taken over.
    con.execute(f"COPY (SELECT * EXCLUDE (tags, built_with) REPLACE (1 AS schema_version) FROM '{catalog}') TO '{tmp_path}/one.parquet'")
    con.execute(f"COPY (FROM '{catalog}' LIMIT 100) TO '{tmp_path}/two.parquet'")
    rows, read = rebuild(con, folder, sql_list([tmp_path / "one.parquet", tmp_path / "two.parquet"]))
    assert (rows, read) == (fresh, 200)


def test_a_catalog_with_a_row_of_an_error_is_read_by_others(con, kept):
    folder, catalog = kept
    sorted(folder.iterdir())[2].write_text("broken")
    con.execute(f"COPY (FROM geo_catalog_build('{folder}/*.tif', on_error := 'report')) TO '{catalog}'")
    frame = geopandas.read_parquet(catalog)
    assert len(frame) == 300 and frame["transform"].isna().sum() == 1 and list(frame["transform"][0]) == con.execute(f"SELECT transform FROM '{catalog}' LIMIT 1").fetchone()[0]


def test_a_file_that_failed_before_is_read_again(con, kept):
    folder, catalog = kept
    path = sorted(folder.iterdir())[2]
    good = path.read_bytes()
    path.write_text("broken")
    con.execute(f"COPY (FROM geo_catalog_build('{folder}/*.tif', {REGEX}, on_error := 'report')) TO '{catalog}'")
    path.write_bytes(good)
    rows, read = rebuild(con, folder, f"'{catalog}'")
    assert read == 1 and rows == every_row(con, f"geo_catalog_build('{folder}/*.tif', {REGEX})")


# --- many writers, and earlier versions ----------------------------------------------------------------


def test_writers_append_at_once_and_readers_take_the_newest_row_of_each_path(con, tmp_path, scenes):
    catalog, data = tmp_path / "catalog", tmp_path / "data"
    catalog.mkdir()
    data.mkdir()
    for number in range(200):
        shutil.copy(scenes[number % 24], data / f"s{number:03}.tif")
    code = OPEN_EXTENSION + textwrap.dedent("""
        import os, sys, uuid
        data, catalog, writer = sys.argv[1], sys.argv[2], int(sys.argv[3])
        for turn in range(5):
            # Overlapping shares: each file is catalogued by two writers, again and again.
            names = [f"{data}/s{n:03}.tif" for n in range(200) if n % 4 in (writer, (writer + 1) % 4)]
            part = f"{catalog}/{uuid.uuid4()}"
            con.execute(f"COPY (FROM geo_catalog_build({names!r})) TO '{part}.tmp' (FORMAT parquet)")
            os.rename(f"{part}.tmp", f"{part}.parquet")
    """)
    head = f"import sys; EXTENSION = {EXTENSION!r}\n"
    writers = [subprocess.Popen([sys.executable, "-c", head + code, str(data), str(catalog), str(n)], stderr=subprocess.PIPE, text=True) for n in range(4)]
    reads = 0
    while any(writer.poll() is None for writer in writers):
        if list(catalog.glob("*.parquet")):
            # What is there at any moment is whole: each path once, each row with its geometry.
            n, paths, whole = con.execute(f"SELECT count(*), count(DISTINCT path), count(geometry) FROM geoquilt.catalog_latest('{catalog}/*.parquet')").fetchone()
            assert n == paths == whole > 0
            reads += 1
    assert [(w.wait(), w.stderr.read()) for w in writers] == [(0, "")] * 4 and reads > 0
    assert len(list(catalog.glob("*.parquet"))) == 20
    assert con.execute(f"SELECT count(*) FROM '{catalog}/*.parquet'").fetchone() == (2000,)
    latest = every_row(con, f"geoquilt.catalog_latest('{catalog}/*.parquet')")
    assert [row[0] for row in latest] == sorted(str(p) for p in data.iterdir())
    changed = data / "s007.tif"
    shutil.copy(scenes[23], changed)
    con.execute(f"COPY (FROM geo_catalog_build('{changed}')) TO '{catalog}/after.parquet'")
    row = con.execute(f"SELECT transform FROM geoquilt.catalog_latest('{catalog}/*.parquet') WHERE path = '{changed}'").fetchall()
    with rasterio.open(changed) as file:
        assert [tuple(t) for t, in row] == [file.transform.to_gdal()]
    (data / "s008.tif").unlink()
    # Parts are put together, and files that are gone drop out, by building again over what is there.
    rows = every_row(con, f"geo_catalog_build('{data}/*.tif', previous := '{catalog}/*.parquet')")
    assert rows == every_row(con, f"geo_catalog_build('{data}/*.tif')") and len(rows) == 199


STORED = ROOT / "test/data/small"


@pytest.mark.parametrize("version", [0, 1])
def test_a_stored_catalog_of_an_earlier_version_is_migrated(con, tmp_path, version):
    stored = STORED / f"catalog_{version}.parquet"
    had = [name for name, in con.execute(f"SELECT column_name FROM (DESCRIBE FROM '{stored}')").fetchall()]
    assert ("schema_version" in had) == (version == 1) and "built_with" not in had and "tags" not in had
    con.execute(f"COPY (FROM geoquilt.catalog_migrate('{stored}')) TO '{tmp_path}/v2.parquet' (FORMAT parquet, GEOPARQUET_VERSION 'BOTH')")
    describe = "SELECT column_name, column_type FROM (DESCRIBE FROM {})"
    columns = con.execute(describe.format(f"'{tmp_path}/v2.parquet'")).fetchall()
    rows = con.execute(f"SELECT path, kind, variables, layers, t_step, attributes, tags, schema_version, built_with FROM '{tmp_path}/v2.parquet'").fetchall()
    assert columns == con.execute(describe.format(f"geo_catalog_build('{STORED}/sst*.tif')")).fetchall()
    assert {row[6:] for row in rows} == {(None, 2, None)}
    # What the stored one tells stands there unchanged.
    same = ", ".join(f'"{name}"' for name in had if name not in ("geometry", "schema_version", "error"))
    select = "SELECT {}, ST_AsWKB(geometry)::BLOB FROM '{}' ORDER BY path"
    assert con.execute(select.format(same, f"{tmp_path}/v2.parquet")).fetchall() == con.execute(select.format(same, stored)).fetchall()
    kinds = [row[1] for row in rows]
    if version == 0:
        assert kinds == ["raster"] * 4 and {row[2:5] for row in rows} == {(None, None, None)}
    else:
        assert kinds == ["raster"] * 4 + ["array", "array", "vector", None]
        assert rows[4][2][0]["name"] == "sst" and rows[4][4] == 86400 and rows[6][3][0]["n_features"] == 3
    # The same files catalogued now say the same, as far as both tell of them.
    paths = sql_list([row[0] for row in rows if row[1] is not None])
    # An array's last bound was inside in earlier versions.
    facts = "SELECT path, kind, driver, bbox, t_min, CASE WHEN kind <> 'array' THEN t_max END AS t_max, crs, transform, width, height, bands, variables, time_var, n_times, t_step, layers, attributes FROM {}"
    now = facts.format(f"geo_catalog_build({paths}, filename_regex := '(?P<name>[a-z]+)(_(?P<date>\\d{{8}}))?')")
    assert con.execute(now).fetchall() == con.execute(facts.format(f"'{tmp_path}/v2.parquet'") + " WHERE kind IS NOT NULL").fetchall()
    # Migrated again it stays as it is.
    assert every_row(con, f"geoquilt.catalog_migrate('{tmp_path}/v2.parquet')") == every_row(con, f"'{tmp_path}/v2.parquet'")


def test_what_can_not_be_migrated_is_refused(con, kept):
    folder, catalog = kept
    assert every_row(con, f"geoquilt.catalog_migrate('{catalog}')") == every_row(con, f"'{catalog}'")
    con.execute(f"CREATE TABLE later AS SELECT * REPLACE (3 AS schema_version) FROM '{catalog}'")
    with pytest.raises(duckdb.Error, match=r'catalog_migrate\(catalog\): ".*" has a row of schema version 3, made by a later geoquilt'):
        con.execute("FROM geoquilt.catalog_migrate('later')").fetchall()
    con.execute(f"CREATE TABLE lacking AS SELECT * EXCLUDE (bbox) FROM '{catalog}'")
    with pytest.raises(duckdb.Error, match='column "bbox" is missing'):
        con.execute("FROM geoquilt.catalog_migrate('lacking')").fetchall()


def test_macros_take_catalogs_of_every_version(con):
    for version in (0, 1):
        stored, migrated = STORED / f"catalog_{version}.parquet", f"migrated_{version}"
        con.execute(f"CREATE TABLE {migrated} AS FROM geoquilt.catalog_migrate('{stored}') WHERE geometry IS NOT NULL")
        assert con.execute(f"FROM geoquilt.catalog_validate('{migrated}')").fetchall() == []
        query = "SELECT path FROM geoquilt.catalog_query('%s', bbox := {xmin: 0, ymin: 0, xmax: 1, ymax: 1}, t_max := '2018-01-01') ORDER BY path"
        assert con.execute(query % stored).fetchall() == con.execute(query % migrated).fetchall() != []
        assert con.execute(f"SELECT path FROM geoquilt.catalog_latest('{migrated}')").fetchall() == con.execute(f"SELECT path FROM '{stored}' WHERE geometry IS NOT NULL ORDER BY path").fetchall()
    con.execute("CREATE TABLE fresh AS FROM geo_catalog_build('test/data/small/tagged.tif')")
    rows = con.execute("SELECT parse_filename(path), schema_version, tags IS NULL, built_with IS NULL FROM geoquilt.catalog_union('fresh', 'migrated_0') ORDER BY path").fetchall()
    assert rows[-1] == ("tagged.tif", 2, False, False) and {row[1:] for row in rows[:-1]} == {(2, True, True)} and len(rows) == 5
    problems = con.execute(f"SELECT DISTINCT problem FROM geoquilt.catalog_validate('{STORED}/catalog_1.parquet') WHERE \"column\" = 'schema_version'").fetchall()
    assert problems == [("schema_version 1 is an earlier one: catalog_migrate brings it to 2",)]


# --- bad input -----------------------------------------------------------------------------------------


def test_a_hundred_thousand_files_of_which_one_in_a_hundred_is_broken(con, tmp_path, scenes):
    broken = tmp_path / "broken.tif"
    broken.write_bytes(pathlib.Path(scenes[0]).read_bytes()[:100])
    folder = many_links(tmp_path / "many", 100_000, scenes)
    names = sorted(folder.iterdir())
    for path in names[::100]:
        path.unlink()
        os.link(broken, path)
    glob = f"'{folder}/*.tif'"
    count, errors, paths = con.execute(f"SELECT count(*), count(error), count(DISTINCT path) FROM geo_catalog_build({glob}, on_error := 'report')").fetchone()
    assert (count, errors, paths) == (100_000, 1000, 100_000)
    assert con.execute(f"SELECT count(*) FROM geo_catalog_build({glob}, on_error := 'skip')").fetchone() == (99_000,)
    with pytest.raises(duckdb.Error, match=f"{names[0].name}"):
        con.execute(f"SELECT count(*) FROM geo_catalog_build({glob})")


@pytest.mark.parametrize("rule", ["fail", "skip", "report"])
def test_a_file_that_vanishes_after_it_was_listed(con, tmp_path, scenes, rule):
    folder = many_links(tmp_path / "many", 30_000, scenes)
    last = sorted(folder.iterdir())[-1]
    watcher, found = con.cursor(), []

    def build():
        try:
            found.extend(con.execute(f"SELECT path, {'error' if rule == 'report' else 'NULL'} FROM geo_catalog_build('{folder}/*.tif', on_error := '{rule}')").fetchall())
        except duckdb.Error as error:
            found.append(str(error))

    thread = threading.Thread(target=build)
    thread.start()
    while not watcher.execute("FROM geoquilt_progress()").fetchall() and thread.is_alive():
        pass
    last.unlink()
    thread.join()
    if rule == "fail":
        assert f'"{last}" does not exist' in found[0]
    elif rule == "skip":
        assert len(found) == 29_999
    else:
        assert len(found) == 30_000 and [row for row in found if row[1]] == [(str(last), f'"{last}" does not exist')]


def test_a_file_named_twice_is_one_row(con, kept):
    folder, _ = kept
    path = sorted(folder.iterdir())[0]
    globs = sql_list([f"{folder}/s00000*.tif", f"{folder}/*.tif", path])
    assert con.execute(f"SELECT count(*), count(DISTINCT path) FROM geo_catalog_build({globs})").fetchone() == (300, 300)


def test_names_in_any_script_and_with_quotes(con, tmp_path, scenes):
    folder = tmp_path / "it's 日本 \"quoted\""
    folder.mkdir()
    names = ["a'b.tif", 'c"d.tif', "größe.tif", "海面水温.tif", "with space.tif", "semi;colon.tif", "new\nline.tif", "per%cent.tif", "emoji🛰.tif", "[x].tif"]
    for name in names:
        shutil.copy(scenes[3], folder / name)
    pattern = str(folder).replace("'", "''") + "/*.tif"
    rows = con.execute(f"SELECT path, crs FROM geo_catalog_build('{pattern}') ORDER BY path").fetchall()
    assert rows == [(path, "EPSG:32631") for path in sorted(str(folder / name) for name in names)]
    catalog = str(folder / "cat'alog.parquet").replace("'", "''")
    con.execute(f"COPY (FROM geo_catalog_build('{pattern}')) TO '{catalog}'")
    for path in folder.glob("*.tif"):
        garble(path)
    assert con.execute(f"SELECT path, crs FROM geo_catalog_build('{pattern}', previous := '{catalog}') ORDER BY path").fetchall() == rows


def test_files_and_folders_that_may_not_be_read(tmp_path, scenes):
    folder = tmp_path / "open"
    (folder / "closed").mkdir(parents=True)
    for name in ["good.tif", "secret.tif", "closed/inside.tif"]:
        shutil.copy(scenes[3], folder / name)
        (folder / name).chmod(0o644)
    (folder / "secret.tif").chmod(0)
    (folder / "closed").chmod(0)
    for parent in [folder, *folder.parents]:
        if parent.is_relative_to(tempfile.gettempdir()) and parent != pathlib.Path(tempfile.gettempdir()):
            parent.chmod(0o755)
    code = OPEN_EXTENSION + textwrap.dedent(f"""
        import os
        con.execute("FROM geo_catalog_build('{scenes[3]}')").fetchall()
        if os.getuid() == 0:
            os.setgid(65534); os.setuid(65534)
        for row in con.execute("SELECT parse_filename(path), error FROM geo_catalog_build('{folder}/*.tif', on_error := 'report')").fetchall():
            print(row)
        try:
            con.execute("FROM geo_catalog_build('{folder}/*.tif')").fetchall()
        except Exception as error:
            print(error)
        print(con.execute("SELECT parse_filename(path) FROM geo_catalog_build('{folder}/**/*.tif', on_error := 'skip')").fetchall())
    """)
    done = run_python(code)
    (folder / "closed").chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert "('good.tif', None)" in done.stdout
    assert f'cannot open "{folder}/secret.tif": ' in done.stdout and done.stdout.lower().count("permission denied") == 2, done.stdout
    assert "[('good.tif',)]" in done.stdout


def test_links_that_lead_in_circles(con, tmp_path, scenes):
    folder = tmp_path / "data"
    (folder / "a").mkdir(parents=True)
    shutil.copy(scenes[3], folder / "a/x.tif")
    (folder / "a/up").symlink_to("..")
    (folder / "a/self.tif").symlink_to("self.tif")
    (folder / "a/one.tif").symlink_to("two.tif")
    (folder / "a/two.tif").symlink_to("one.tif")
    (folder / "a/link.tif").symlink_to("x.tif")
    rows = con.execute(f"SELECT parse_filename(path), error FROM geo_catalog_build('{folder}/**/*.tif', on_error := 'report')").fetchall()
    assert [name for name, error in rows if error is None] == ["link.tif", "x.tif"]
    assert {name for name, error in rows if error is not None} <= {"self.tif", "one.tif", "two.tif"}


def test_arrays_and_vectors_are_kept_too_and_what_was_chosen_of_them_is_checked(con, tmp_path, scenes):
    netCDF4 = pytest.importorskip("netCDF4")
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(scenes[0], folder / "a.tif")
    with netCDF4.Dataset(folder / "b.nc", "w") as file:
        for name, values, units in [("time", range(3), "days since 2020-01-01"), ("lat", range(4), "degrees_north"), ("lon", range(5), "degrees_east")]:
            file.createDimension(name, len(values))
            variable = file.createVariable(name, "f8", (name,))
            variable.units = units
            variable[:] = list(values)
        for name in ["sst", "chl"]:
            file.createVariable(name, "f4", ("time", "lat", "lon"))[:] = 1
        file.createVariable("made", "f8", ("time",)).units = "days since 2021-01-01"
        file["made"].standard_name = "forecast_reference_time"
        file["made"][:] = range(3)
    for layer in ["places", "roads"]:
        geopandas.GeoDataFrame({"n": [1]}, geometry=geopandas.points_from_xy([3], [4]), crs=4326).to_file(folder / "c.gpkg", layer=layer)
    fresh = every_row(con, f"geo_catalog_build('{folder}/*')")
    assert [row[1] for row in fresh] == ["raster", "array", "vector"]
    catalog = tmp_path / "mixed.parquet"
    con.execute(f"COPY (FROM geo_catalog_build('{folder}/*')) TO '{catalog}'")
    geopandas.read_parquet(catalog)
    for more, parameter in [("variables := 'sst'", "variables"), ("layer := 'places'", "layer"), ("time_var := 'made'", "time_var")]:
        con.execute(f"COPY (FROM geo_catalog_build('{folder}/*', {more})) TO '{tmp_path}/chosen.parquet'")
        with pytest.raises(duckdb.Error, match=f'chosen.parquet" was built with another {parameter} .* than this call has \\(NULL\\): see its row of'):
            con.execute(f"FROM geo_catalog_build('{folder}/*', previous := '{tmp_path}/chosen.parquet')").fetchall()
    chosen = "variables := ['chl', 'sst'], time_var := 'time', layer := 'places'"
    fresh_chosen = every_row(con, f"geo_catalog_build('{folder}/*', {chosen})")
    con.execute(f"COPY (FROM geo_catalog_build('{folder}/*', {chosen})) TO '{tmp_path}/chosen.parquet'")
    for path in folder.iterdir():
        garble(path)
    again = f"geo_catalog_build('{folder}/*', previous := '{catalog}'"
    assert every_row(con, again + ")") == fresh
    for more, parameter in [("variables := ['sst']", "variables"), ("time_var := 't2'", "time_var"), ("layer := 'rivers'", "layer"), ("kind := 'array'", "kind")]:
        with pytest.raises(duckdb.Error, match=f'"{catalog}" was built with another {parameter} .*: see its row of'):
            con.execute(f"FROM {again}, {more})").fetchall()
    # The order of names does not matter.
    reordered = "variables := ['/sst', 'chl', 'sst'], time_var := 'time', layer := 'places'"
    assert every_row(con, f"geo_catalog_build('{folder}/*', previous := '{tmp_path}/chosen.parquet', {reordered})") == fresh_chosen
