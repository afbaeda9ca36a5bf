"""Fetches real data and lays it out in demo/out/ for demo.sql.

    land_mask.tif     global land mask, 0.1 degree, from Natural Earth 1:50m (npm package world-atlas)
    sst/ostia_*.tif   54 months of OSTIA, a satellite analysis of sea surface temperature, 5 S to 5 N
    sst/nemo_*.tif    3 months of sea surface temperature from NEMO, an ocean model, the whole globe

Every raster has the mask's grid, so a window of the mask is the same place in each of them. What is there
already is not made again.
"""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import geopandas
import iris_sample_data
import numpy as np
import rasterio
import xarray
from rasterio.features import rasterize
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import cKDTree
from shapely import Polygon
from shapely.affinity import translate

OUT = Path(__file__).parent / "out"
SAMPLES = Path(iris_sample_data.path)
ATLAS = "world-atlas@2.0.2"

STEP, HEIGHT, WIDTH = 0.1, 1800, 3600
GRID = {
    "driver": "GTiff", "height": HEIGHT, "width": WIDTH, "count": 1, "crs": "EPSG:4326",
    "transform": from_origin(-180, 90, STEP, STEP),
    "tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate",
}
NODATA = -999.0
KELVIN = 273.15


def write(path, pixels, **profile):
    """Writes one band under a passing name, so that a run cut short leaves no half file to be trusted."""
    passing = path.with_suffix(".part.tif")
    with rasterio.open(passing, "w", **GRID, **profile) as raster:
        raster.write(pixels, 1)
        if pixels.dtype == np.float32:
            raster.units = ("degC",)
            raster.set_band_description(1, "sst")
    passing.rename(path)


def write_sst(path, sst):
    write(path, np.where(np.isnan(sst), NODATA, sst).astype(np.float32), dtype="float32", nodata=NODATA, predictor=3)


def land_polygons():
    cache = OUT / "cache"
    topology = cache / "package" / "land-50m.json"
    if not topology.exists():
        if not shutil.which("npm"):
            sys.exit("prepare.py needs npm once, to fetch the coastlines: install Node.js (https://nodejs.org) and run it again")
        cache.mkdir(parents=True, exist_ok=True)
        print(f"land_mask.tif: fetching the coastlines, {ATLAS}, with npm")
        packed = subprocess.run(["npm", "pack", ATLAS, "--silent"], cwd=cache, stdout=subprocess.PIPE, text=True)
        if packed.returncode:
            sys.exit(f"npm could not fetch {ATLAS}: its message stands above")
        with tarfile.open(cache / packed.stdout.split()[-1]) as archive:
            archive.extractall(cache, filter="data")
    return geopandas.read_file(topology, layer="land").geometry.explode()


def unrolled(ring):
    """A ring of the sphere as a polygon of the plane: no jump at 180 degrees, and closed over the pole it goes round."""
    lon, lat = np.asarray(ring.coords).T
    lon = np.unwrap(lon, period=360)
    if abs(lon[-1] - lon[0]) > 180:
        pole = np.copysign(90, lat.mean())
        lon, lat = np.append(lon, [lon[-1], lon[0]]), np.append(lat, [pole, pole])
    return Polygon(np.column_stack([lon, lat]))


def burn_order():
    """Large before small and shores before lakes, so that an island in a lake is burnt last; each a turn left and right too."""
    for polygon in sorted(land_polygons(), key=lambda polygon: -polygon.area):
        for ring, value in [(polygon.exterior, 1)] + [(hole, 0) for hole in polygon.interiors]:
            for turn in (-360, 0, 360):
                yield translate(unrolled(ring), turn), value


def land_mask():
    path = OUT / "land_mask.tif"
    if not path.exists():
        land = rasterize(burn_order(), (HEIGHT, WIDTH), transform=GRID["transform"], dtype="uint8")
        write(path, land, dtype="uint8")
        print(f"land_mask.tif: {HEIGHT} x {WIDTH} pixels, {land.mean():.1%} of them land")
    with rasterio.open(path) as raster:
        return raster.read(1) == 1


def ostia(land):
    """OSTIA is regular, 5/6 x 5/9 degree from longitude 0: turned to -180, flipped north-up, resampled."""
    cube = xarray.open_dataset(SAMPLES / "ostia_monthly.nc").surface_temperature
    months = {OUT / "sst" / f"ostia_{day.dt.strftime('%Y%m').item()}.tif": i for i, day in enumerate(cube.time)}
    missing = {path: i for path, i in months.items() if not path.exists()}
    if not missing:
        return
    dx = 360 / cube.longitude.size
    dy = float(cube.latitude[1] - cube.latitude[0])
    # One column more on either side closes the seam at 180 degrees.
    columns = np.arange(-1, cube.longitude.size + 1) + cube.longitude.size // 2
    source = from_origin(-180 - 1.5 * dx, float(cube.latitude[-1]) + dy / 2, dx, dy)
    for path, i in missing.items():
        pixels = cube[i].values[::-1].take(columns, axis=1, mode="wrap") - KELVIN
        sst = np.full((HEIGHT, WIDTH), np.nan, np.float32)
        reproject(pixels, sst, src_transform=source, src_crs="EPSG:4326", src_nodata=np.nan,
                  dst_transform=GRID["transform"], dst_crs="EPSG:4326", dst_nodata=np.nan,
                  resampling=Resampling.bilinear)
        write_sst(path, np.where(land, np.nan, sst))
    print(f"sst/ostia_*.tif: {len(missing)} months, {cube.time.dt.year.min().item()} to {cube.time.dt.year.max().item()}")


def nemo(land):
    """NEMO's grid is curved, about 1 degree: a linear surface over its wet cells, cut off 150 km from the last one."""
    files = sorted((SAMPLES / "NEMO").glob("nemo_1m_*.nc"))
    paths = [OUT / "sst" / f"nemo_{file.name[8:14]}.tif" for file in files]
    if all(path.exists() for path in paths):
        return
    months = [xarray.open_dataset(file, decode_times=False) for file in files]
    sst = np.stack([month.tos.values[0] for month in months], axis=-1)
    wet = np.isfinite(sst).all(axis=-1)
    lon, lat, sst = months[0].nav_lon.values[wet], months[0].nav_lat.values[wet], sst[wet]

    rows, cols = np.nonzero(~land)
    at_lon, at_lat = -180 + (cols + 0.5) * STEP, 90 - (rows + 0.5) * STEP
    # A copy of each side beyond the other closes the seam at 180 degrees.
    east, west = lon > 170, lon < -170
    round_lon = np.concatenate([lon, lon[east] - 360, lon[west] + 360])
    round_lat = np.concatenate([lat, lat[east], lat[west]])
    surface = LinearNDInterpolator(np.column_stack([round_lon, round_lat]), np.concatenate([sst, sst[east], sst[west]]))
    values = surface(at_lon, at_lat)

    def on_sphere(lon, lat):
        lon, lat = np.radians(lon), np.radians(lat)
        return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])

    distance, _ = cKDTree(on_sphere(lon, lat)).query(on_sphere(at_lon, at_lat), workers=-1)
    values[distance * 6371 > 150] = np.nan
    for i, path in enumerate(paths):
        sheet = np.full((HEIGHT, WIDTH), np.nan, np.float32)
        sheet[rows, cols] = values[:, i]
        write_sst(path, sheet)
    print(f"sst/nemo_*.tif: {len(paths)} months of 2015")


if __name__ == "__main__":
    (OUT / "sst").mkdir(parents=True, exist_ok=True)
    land = land_mask()
    ostia(land)
    nemo(land)
    print(f"inputs are in {OUT}: land_mask.tif and {len(list((OUT / 'sst').glob('*_??????.tif')))} months in sst/")
