"""Catalogs at scale: our own reading of GeoTIFF headers, progress, rebuilding, several writers, migration."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap
import threading
import time

import duckdb
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp
from rasterio.transform import Affine, from_origin

from conftest import EXTENSION, OPEN_EXTENSION, connect, run_python, sql_list, write_raster

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
    query = f"SELECT path, width, height, transform, bands, error FROM geo_catalog_build('{folder}/*.tif', on_error := 'report')"
    con.execute(query).fetchall()
    for path, width, height, transform, bands, error in con.execute(query).fetchall():
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
