"""Every driver that is kept reads a file of its own, and no other is in."""
import json

import duckdb
import geopandas
import h5py
import numpy as np
import pyproj
import pytest
import rasterio
import rasterio.shutil
from conftest import write_raster
from rasterio.transform import from_origin
from shapely.geometry import Point
from test_arrays import write_grib

WIN = "{row_off: 1, col_off: 0, height: 2, width: 3}"
PIXELS = (np.arange(64 * 64) % 251).astype("u1").reshape(64, 64)


def copied(driver, dtype="u1", transform=None, crs="EPSG:32632", size=64, **options):
    """A file that rasterio's GDAL writes."""
    def write(path):
        pixels = np.resize(PIXELS, (size, size)).astype(dtype)
        write_raster(f"{path}.source", pixels, crs=crs, transform=transform)
        rasterio.shutil.copy(f"{path}.source", path, driver=driver, **options)
    return write


def array(path):
    with h5py.File(path, "w") as f:
        f["d"] = PIXELS
        f["e"] = PIXELS


def vrt(path):
    write_raster(f"{path}.source", PIXELS)
    rasterio.shutil.copy(f"{path}.source", path, driver="VRT")


DEGREES = from_origin(9 - 1 / 2400, 46 + 1 / 2400, 1 / 1200, 1 / 1200)
# By driver: the file's name, who writes it, and how it is named to be read.
RASTERS = {
    "AAIGrid": ("a.asc", copied("AAIGrid"), "{}"), "BMP": ("a.bmp", copied("BMP"), "{}"), "COG": ("a.tif", copied("COG"), "{}"),
    "DTED": ("n45.dt1", copied("DTED", "i2", DEGREES, "EPSG:4326", 1201), "{}"), "ENVI": ("a.bin", copied("ENVI"), "{}"), "GIF": ("a.gif", copied("GIF"), "{}"),
    "GPKG": ("a.gpkg", copied("GPKG", TILE_FORMAT="PNG"), "{}"), "GTiff": ("a.tif", copied("GTiff"), "{}"), "HDF5Image": ("a.h5", array, 'HDF5:"{}"://d'),
    "HFA": ("a.img", copied("HFA"), "{}"), "JPEG": ("a.jpg", copied("JPEG"), "{}"), "PNG": ("a.png", copied("PNG"), "{}"),
    "SRTMHGT": ("N45E009.hgt", copied("SRTMHGT", "i2", DEGREES, "EPSG:4326", 1201), "{}"), "VRT": ("a.vrt", vrt, "{}"), "netCDF": ("a.nc", copied("netCDF"), "{}"),
}


@pytest.mark.parametrize("driver", RASTERS)
def test_a_raster_of_every_driver_is_read_as_rasterio_reads_it(con, tmp_path, driver):
    name, write, spelt = RASTERS[driver]
    write(tmp_path / name)
    text = spelt.format(tmp_path / name)
    with rasterio.open(text) as file:
        expected = file.read(1)[1:3, :3].ravel().tolist()
    got = con.execute(f"SELECT read_patch('{text}', {WIN}, {{bands: [1]}})").fetchone()[0]
    assert got == expected


def points(driver):
    def write(path):
        geopandas.GeoDataFrame({"a": [1, 2]}, geometry=[Point(1, 2), Point(3, 4)], crs=4326).to_file(path, driver=driver)
    return write


def text(document):
    return lambda path: path.write_text(json.dumps(document))


def table(path):
    path.write_text("lon,lat,a\n1,2,1\n3,4,2\n")
    path.with_suffix(".prj").write_text(pyproj.CRS(4326).to_wkt("WKT1_ESRI"))


TOPOLOGY = {"type": "Topology", "arcs": [], "objects": {"p": {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2]}, {"type": "Point", "coordinates": [3, 4]}]}}}
ESRI = {"geometryType": "esriGeometryPoint", "spatialReference": {"wkid": 4326}, "fields": [{"name": "a", "type": "esriFieldTypeInteger", "alias": "a"}],
        "features": [{"attributes": {"a": 1}, "geometry": {"x": 1, "y": 2}}, {"attributes": {"a": 2}, "geometry": {"x": 3, "y": 4}}]}
VECTORS = {
    "CSV": ("a.csv", table), "ESRI Shapefile": ("a.shp", points("ESRI Shapefile")), "ESRIJSON": ("a.json", text(ESRI)),
    "FlatGeobuf": ("a.fgb", points("FlatGeobuf")), "GPKG": ("a.gpkg", points("GPKG")), "GeoJSON": ("a.geojson", points("GeoJSON")),
    "GeoJSONSeq": ("a.geojsonl", points("GeoJSONSeq")), "JSONFG": ("a.jsonfg.json", points("JSONFG")), "MapInfo File": ("a.tab", points("MapInfo File")),
    "MapML": ("a.mapml", points("MapML")), "OGR_GMT": ("a.gmt", points("OGR_GMT")), "OpenFileGDB": ("a.gdb", points("OpenFileGDB")), "SQLite": ("a.sqlite", points("SQLite")),
    "TopoJSON": ("a.topojson", text(TOPOLOGY)),
}


@pytest.mark.parametrize("driver", VECTORS)
def test_a_vector_file_of_every_driver_is_read(con, tmp_path, driver):
    name, write = VECTORS[driver]
    write(tmp_path / name)
    got, features, box = con.execute(f"SELECT driver, layers[1].n_features, bbox FROM geo_catalog_build('{tmp_path / name}', kind := 'vector')").fetchone()
    assert (got, features) == (driver, 2)
    assert (box["xmin"], box["ymin"], box["xmax"], box["ymax"]) == pytest.approx((1, 2, 3, 4), abs=1e-6)


def test_arrays_of_every_driver_are_read(con, tmp_path):
    array(tmp_path / "a.h5")
    assert con.execute(f"SELECT read_array('{tmp_path}/a.h5', 'd').data[:3]").fetchone()[0] == [0, 1, 2]
    write_grib(tmp_path / "a.grib2")
    assert con.execute(f"SELECT count(*) FROM read_variables('{tmp_path}/a.grib2')").fetchone()[0] > 0


def test_no_other_driver_is_in(con):
    [(drivers,)] = con.execute("SELECT drivers FROM geoquilt_version()").fetchall()
    assert set(drivers) == {*RASTERS, *VECTORS, "GRIB", "HDF5", "MEM"}


def test_a_prefix_that_is_no_drivers_is_part_of_a_path(con, tmp_path):
    points("GPKG")(tmp_path / "a.gpkg")
    for name in (f"NOSUCH:{tmp_path}/a.gpkg", f"CSV:{tmp_path}/a.gpkg", f"MEM:::{tmp_path}/a.gpkg", "vrt://a.tif", f"GTIFF_DIR:1:{tmp_path}/a.tif"):
        for sql in (f"FROM geo_catalog_build('{name}')", f"SELECT read_patch('{name}', {WIN})"):
            with pytest.raises(duckdb.Error, match="does not exist|No such file|not found|cannot be read"):
                con.execute(sql).fetchall()
