"""Makes the small files that examples and tests read: python test/data/make_small.py [folder].

Formulas, not data of anyone: sst(row, col) = (36 row + col) / 16 + 2 (year - 2018), with a hole; land is a
block of cells. Global 10-degree grids, a few hundred bytes each. regions.geojson holds three boxes with a class.
"""
import json
import sys
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

HEIGHT, WIDTH = 18, 36
NODATA = -9999.0


def sst(year):
    row, col = np.mgrid[0:HEIGHT, 0:WIDTH]
    field = ((36 * row + col) / 16 + 2 * (year - 2018)).astype("float32")
    field[9:12, 0:3] = NODATA
    return field


def land():
    row, col = np.mgrid[0:HEIGHT, 0:WIDTH]
    return ((row >= 3) & (row < 12) & (col >= 18) & (col < 27)).astype("uint8")


def regions():
    """Three boxes in lon/lat; the second lies partly over the first."""
    boxes = [("plain", 1, (0, 0, 40, 40)), ("forest", 2, (20, 20, 60, 50)), ("lake", 3, (-40, -40, -20, -10))]
    ring = lambda x0, y0, x1, y1: [[[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]]
    features = [{"type": "Feature", "properties": {"name": name, "class": label},
                 "geometry": {"type": "Polygon", "coordinates": ring(*box)}} for name, label, box in boxes]
    return {"type": "FeatureCollection", "name": "regions", "features": features}


def item():
    """A STAC 1.1 item for the first day of sst, with its land mask as a second asset."""
    ring = [[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]
    return {
        "type": "Feature", "stac_version": "1.1.0", "id": "sst_20180101", "collection": "sst",
        "stac_extensions": ["https://stac-extensions.github.io/projection/v2.0.0/schema.json",
                            "https://stac-extensions.github.io/raster/v2.0.0/schema.json"],
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [-180, -90, 180, 90],
        "properties": {"datetime": None, "start_datetime": "2018-01-01T00:00:00Z", "end_datetime": "2018-01-01T23:59:59.999999Z",
                       "eo:cloud_cover": 12.5, "proj:code": "EPSG:4326", "proj:shape": [HEIGHT, WIDTH],
                       "proj:transform": [10, 0, -180, 0, -10, 90]},
        "links": [],
        "assets": {
            "sst": {"href": "./sst_20180101.tif", "type": "image/tiff; application=geotiff", "roles": ["data"],
                    "bands": [{"name": "sst", "data_type": "float32", "nodata": NODATA}]},
            "land": {"href": "land.tif", "type": "image/tiff; application=geotiff", "roles": ["land-water"],
                     "bands": [{"name": "land", "data_type": "uint8"}]},
        },
    }


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    profile = dict(driver="GTiff", height=HEIGHT, width=WIDTH, count=1, crs="EPSG:4326",
                   transform=from_origin(-180, 90, 10, 10), compress="deflate")
    for date in ("20180101", "20180102", "20190101"):
        with rasterio.open(folder / f"sst_{date}.tif", "w", dtype="float32", nodata=NODATA, **profile) as out:
            out.write(sst(int(date[:4])), 1)
            out.set_band_description(1, "sst")
    with rasterio.open(folder / "land.tif", "w", dtype="uint8", **profile) as out:
        out.write(land(), 1)
    (folder / "item.json").write_text(json.dumps(item(), indent=1) + "\n")
    (folder / "regions.geojson").write_text(json.dumps(regions()) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "small"))
