"""Makes the little archive that docs/examples.md works on: python test/data/make_archive.py [folder].

Formulas and seeded noise, not data of anyone, named as satellite, model and label files are. Tiles are 40 km wide, as
small ones of Sentinel-2, but their pixels are 200 m, so that the whole takes a few MB.
"""
import datetime
import json
import sys
import zlib
from pathlib import Path

import netCDF4
import numpy as np
import rasterio
from rasterio.transform import from_origin

S2_BANDS = ["B02", "B03", "B04", "B08", "QA60"]
OPAQUE, CIRRUS = 1 << 10, 1 << 11


def noise(path):
    """The same numbers for the same name, wherever the archive is."""
    return np.random.default_rng(zlib.crc32(path.name.encode()))


def raster(path, data, west, north, step, crs="EPSG:32629", names=(), scale=None, **profile):
    path.parent.mkdir(parents=True, exist_ok=True)
    bands, height, width = data.shape
    with rasterio.open(path, "w", driver="GTiff", count=bands, height=height, width=width, dtype=data.dtype, crs=crs,
                       transform=from_origin(west, north, step, step), compress="deflate", **profile) as file:
        file.write(data)
        for band, name in enumerate(names, 1):
            file.set_band_description(band, name)
        if scale:
            file.scales, file.offsets = zip(*scale)


def plain(path, west, north, step, side=20, crs="EPSG:32629"):
    raster(path, np.arange(side * side, dtype="float32").reshape(1, side, side), west, north, step, crs)


def sentinel2(path, west, north):
    """Four bands of reflectance, packed as since 2022 (0.0001, -0.1), and QA60 with the bits of bright clouds."""
    rng = noise(path)
    row, col = np.mgrid[0:200, 0:200]
    field = np.sin(row / 17 + rng.uniform(0, 6)) + np.sin(col / 23 + rng.uniform(0, 6))
    land = 1000 + np.array([600, 800, 700, 3000])[:, None, None] + 150 * field + rng.normal(0, 60, (4, 200, 200))
    cloud = np.select([field > 1.2, field < -1.5], [OPAQUE, CIRRUS], 0)
    land[:, cloud == OPAQUE] = 6500 + rng.normal(0, 200, (4, (cloud == OPAQUE).sum()))
    data = np.concatenate([land.round().astype("uint16"), cloud[None].astype("uint16")])
    raster(path, data, west, north, 200, names=S2_BANDS, scale=[(0.0001, -0.1)] * 4 + [(1, 0)])


def modis(folder):
    """NDVI of 16 days each, 2010 to 2023, on longitude and latitude; -3000 where there is none."""
    row, col = np.mgrid[0:64, 0:64]
    for year in range(2010, 2024):
        for first in range(0, 366, 16):
            start = datetime.date(year, 1, 1) + datetime.timedelta(first)
            stop = min(start + datetime.timedelta(15), datetime.date(year, 12, 31))
            path = folder / f"MOD13_{start:%Y%m%d}_{stop:%Y%m%d}.tif"
            season = 4000 + 2500 * np.sin(2 * np.pi * first / 366) + 10 * (row + col)
            data = season + noise(path).normal(0, 200, (64, 64))
            data[noise(path).random((64, 64)) < 0.15] = -3000
            raster(path, data.round().astype("int16")[None], -11, 45, 0.25, "EPSG:4326", ["NDVI"], [(0.0001, 0)], nodata=-3000)


def era5(path, first, days):
    """Temperature and rain of each day at noon, packed shorts, from west to east and north to south."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = noise(path)
    with netCDF4.Dataset(path, "w") as out:
        for name, values, units in (("time", np.arange(days) + 0.5, f"days since {first}"),
                                    ("latitude", 45 - np.arange(21.0), "degrees_north"),
                                    ("longitude", np.arange(21.0) - 12, "degrees_east")):
            out.createDimension(name, len(values))
            axis = out.createVariable(name, "f8", (name,))
            axis.units, axis[:] = units, values
        for name, low, high, units in (("t2m", 285, 305, "K"), ("tp", 0, 0.02, "m")):
            var = out.createVariable(name, "i2", ("time", "latitude", "longitude"), fill_value=-32767, zlib=True)
            var.scale_factor, var.add_offset, var.units = (high - low) / 60000, (low + high) / 2, units
            var[:] = rng.uniform(low, high, (days, 21, 21))


def hyperspectral(folder):
    """A cube of 224 bands with a spectrum for each pixel, and the weights that make 13 bands of Sentinel-2 of it."""
    centre = np.linspace(420, 2450, 224)
    path = folder / "ENMAP_L2A_20230613.tif"
    mix = noise(path).random((3, 40, 40))
    spectra = np.stack([2000 + centre, 3000 * np.exp(-((centre - 850) / 300) ** 2), 500 * np.cos(centre / 200)])
    raster(path, np.einsum("kb,khw->bhw", spectra, mix).clip(0).round().astype("uint16"), 510_000, 4_030_000, 200)
    bands = [("B01", 443, 20), ("B02", 490, 65), ("B03", 560, 35), ("B04", 665, 30), ("B05", 705, 15), ("B06", 740, 15),
             ("B07", 783, 20), ("B08", 842, 115), ("B8A", 865, 20), ("B09", 945, 20), ("B10", 1375, 30), ("B11", 1610, 90), ("B12", 2190, 180)]
    response = [np.exp(-((centre - at) / width) ** 2) for _, at, width in bands]
    (folder / "srf.json").write_text(json.dumps([{"band": name, "weights": (r / r.sum()).round(6).tolist()} for (name, _, _), r in zip(bands, response)]))


def predictions(folder):
    """What a model with an uncertainty head wrote: nine chips of 80 pixels, each 20 over its neighbours."""
    for i in range(9):
        row, col = np.mgrid[0:80, 0:80] + np.array([i // 3 * 60, i % 3 * 60])[:, None, None]
        path = folder / f"chip_{i}.tif"
        mu = 0.5 + 0.4 * np.sin(row / 30) * np.sin(col / 25) + noise(path).normal(0, 0.01, (80, 80))
        sigma = 0.2 + 0.1 * np.sin((row + col) / 20)
        raster(path, np.stack([mu, sigma]).astype("float32"), 500_000 + i % 3 * 12_000, 4_040_000 - i // 3 * 12_000, 200, names=["mu", "sigma"])


def labels(path, boxes):
    path.parent.mkdir(parents=True, exist_ok=True)
    ring = lambda w, s, e, n: [[w, s], [e, s], [e, n], [w, n], [w, s]]
    features = [{"type": "Feature", "properties": {"class_id": i},
                 "geometry": {"type": "Polygon", "coordinates": [ring(*box)]}} for i, box in enumerate(boxes, 1)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def main(folder):
    # Sentinel-2: tile SND, and SNC south of it, which touches it.
    for day in ("20230603", "20230613", "20230702"):
        sentinel2(folder / f"s2/T29SND_{day}.tif", 500_000, 4_040_000)
    sentinel2(folder / "s2/T29SNC_20230605.tif", 500_000, 4_000_000)
    # Sentinel-1: two days after one of them, and a month later.
    for day in ("20230605", "20230805"):
        plain(folder / f"s1/S1A_{day}.tif", 510_000, 4_050_000, 2000)
    modis(folder / "modis")
    plain(folder / "dem/dem_west.tif", -10, 37, 0.06, 40, "EPSG:4326")
    era5(folder / "era5/era5_202306.nc", "2023-06-01", 30)
    era5(folder / "era5/era5_202307.nc", "2023-07-01", 31)
    for day in ("20230815", "20230820"):
        plain(folder / f"before/S2_{day}.tif", 500_000, 4_040_000, 2000)
    plain(folder / "after/S2_20230920.tif", 520_000, 4_040_000, 2000)
    labels(folder / "labels/fields_20230603.geojson", [(-8.9, 36.2, -8.8, 36.3), (-8.85, 36.3, -8.7, 36.4)])
    labels(folder / "labels/fields_20230901.geojson", [(-8.9, 36.2, -8.8, 36.3)])
    hyperspectral(folder / "enmap")
    predictions(folder / "model")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "archive"))
