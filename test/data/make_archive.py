"""Makes the little archive that docs/cookbook.md works on: python test/data/make_archive.py [folder].

Formulas, not data of anyone: rasters of a few hundred bytes in UTM zone 29 north and in longitude and latitude, and
labels as GeoJSON, named as satellite files are.
"""
import json
import sys
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin


def raster(path, west, north, step, side=20, crs="EPSG:32629"):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.arange(side * side, dtype="float32").reshape(1, side, side)
    with rasterio.open(path, "w", driver="GTiff", count=1, height=side, width=side, dtype="float32", crs=crs,
                       transform=from_origin(west, north, step, step), compress="deflate") as file:
        file.write(data)


def labels(path, boxes):
    path.parent.mkdir(parents=True, exist_ok=True)
    ring = lambda w, s, e, n: [[w, s], [e, s], [e, n], [w, n], [w, s]]
    features = [{"type": "Feature", "properties": {"class_id": i},
                 "geometry": {"type": "Polygon", "coordinates": [ring(*box)]}} for i, box in enumerate(boxes)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def main(folder):
    # Sentinel-2: tile SND, and SNC south of it, which touches it. Tiles are 40 km wide here.
    for day in ("20230603", "20230613", "20230702"):
        raster(folder / f"s2/T29SND_{day}.tif", 500_000, 4_040_000, 2000)
    raster(folder / "s2/T29SNC_20230605.tif", 500_000, 4_000_000, 2000)
    # Sentinel-1: two days after one of them, and a month later.
    for day in ("20230605", "20230805"):
        raster(folder / f"s1/S1A_{day}.tif", 510_000, 4_050_000, 2000)
    # MODIS: composites of 16 days on a grid of longitude and latitude, over Iberia.
    for start, stop in (("20230602", "20230617"), ("20230618", "20230703")):
        raster(folder / f"modis/MOD13_{start}_{stop}.tif", -11, 45, 0.8, crs="EPSG:4326")
    raster(folder / "dem/dem_west.tif", -10, 37, 0.06, crs="EPSG:4326")
    for month in ("202306", "202307"):
        raster(folder / f"era5/t2m_{month}.tif", -12, 45, 1, crs="EPSG:4326")
    for day in ("20230815", "20230820"):
        raster(folder / f"before/S2_{day}.tif", 500_000, 4_040_000, 2000)
    raster(folder / "after/S2_20230920.tif", 520_000, 4_040_000, 2000)
    labels(folder / "labels/fields_20230603.geojson", [(-8.9, 36.2, -8.8, 36.3), (-8.85, 36.3, -8.7, 36.4)])
    labels(folder / "labels/fields_20230901.geojson", [(-8.9, 36.2, -8.8, 36.3)])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "archive"))
