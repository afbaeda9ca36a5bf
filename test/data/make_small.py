"""Makes the small files that examples and tests read: python test/data/make_small.py [folder].

Formulas, not data of anyone: sst(row, col) = (36 row + col) / 16 + 2 (year - 2018), with a hole; land is a
block of cells. Global 10-degree grids, a few hundred bytes each. regions.geojson holds three boxes with a class;
sst.nc three days of the same field (2 K more each day) in 1/16 K, from 0 to 360 degrees east; ocean.zarr a Zarr store
of version 2 with temp(time, depth, lat, lon) = 10 + 0.5 n for the n-th value, and one hole; tagged.tif 4 x 4 cells with a time and a title
in its tags; queries.parquet twenty training queries of NumPy's stream with their parameters in its metadata.
"""
import datetime
import json
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
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


def sst_netcdf(path):
    """CF: [time, lat, lon], with bounds of time, packed."""
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as out:
        for name, size in (("time", 3), ("lat", HEIGHT), ("lon", WIDTH), ("bnds", 2)):
            out.createDimension(name, size)

        def add(name, dims, dtype, values, **attributes):
            variable = out.createVariable(name, dtype, dims, fill_value=attributes.pop("_FillValue", None))
            variable.setncatts(attributes)
            variable.set_auto_maskandscale(False)
            variable[:] = values

        days = np.arange(3.0)
        add("time", ("time",), "f8", days + 0.5, standard_name="time", units="days since 2018-01-01", bounds="time_bnds")
        add("time_bnds", ("time", "bnds"), "f8", np.stack([days, days + 1], 1))
        add("lat", ("lat",), "f4", 85 - 10 * np.arange(HEIGHT), standard_name="latitude", units="degrees_north")
        add("lon", ("lon",), "f4", 5 + 10 * np.arange(WIDTH), standard_name="longitude", units="degrees_east")
        fields = np.stack([sst(2018 + day) for day in range(3)])
        # The raster begins at 180 degrees west, this file at 0.
        fields = np.roll(np.where(fields == NODATA, -32768, fields * 16), WIDTH // 2, axis=2)
        add("sst", ("time", "lat", "lon"), "i2", fields, _FillValue=np.int16(-32768), scale_factor=1 / 16, add_offset=0.0,
            standard_name="sea_surface_temperature", units="K")


def zarr_array(store, name, values, dims, chunks=None, fill=None, **attributes):
    """One array of a Zarr store of version 2, without compression: its documents, which are returned, and its chunks."""
    chunks = chunks or values.shape
    array = dict(zarr_format=2, shape=values.shape, chunks=chunks, dtype=values.dtype.str, compressor=None, fill_value=fill,
                 order="C", filters=None)
    folder = store / name
    folder.mkdir(parents=True, exist_ok=True)
    for first in range(0, values.shape[0], chunks[0]):
        key = ".".join([str(first // chunks[0]), *"0" * (values.ndim - 1)])
        (folder / key).write_bytes(values[first:first + chunks[0]].tobytes())
    documents = {".zarray": array, ".zattrs": dict(_ARRAY_DIMENSIONS=dims, **attributes)}
    for document, content in documents.items():
        (folder / document).write_text(json.dumps(content))
    return {f"{name}/{document}": content for document, content in documents.items()}


def ocean(store):
    temp = np.arange(72, dtype="<i2").reshape(2, 2, 3, 6)
    temp[1, 1, 1, 1] = -1
    documents = {".zgroup": {"zarr_format": 2}, ".zattrs": {"title": "a formula"}}
    documents |= zarr_array(store, "temp", temp, ["time", "depth", "lat", "lon"], (1, 2, 3, 6), -1,
                            units="degC", scale_factor=0.5, add_offset=10.0)
    documents |= zarr_array(store, "time", np.array([14, 45], "<i4"), ["time"], units="days since 2020-01-01")
    documents |= zarr_array(store, "depth", np.array([5, 15], "<f4"), ["depth"], units="m", axis="Z", positive="down")
    documents |= zarr_array(store, "lat", np.array([5, 15, 25], "<f4"), ["lat"], units="degrees_north")
    documents |= zarr_array(store, "lon", np.arange(6, dtype="<f4") * 30, ["lon"], units="degrees_east")
    for name in (".zgroup", ".zattrs"):
        (store / name).write_text(json.dumps(documents[name]))
    (store / ".zmetadata").write_text(json.dumps({"zarr_consolidated_format": 1, "metadata": documents}))


def queries(path):
    asked = {"kind": "train", "n": 20, "size": 10, "bbox": {"xmin": -80, "ymin": 10, "xmax": -10, "ymax": 55},
             "t_min": "2023-04-01", "t_max": "2023-06-30", "window_days": 3, "seed": 7, "mode": "oceantaco"}
    rng = np.random.default_rng(asked["seed"])
    lats, lons, days = rng.uniform(10, 55, 40), rng.uniform(-80, -10, 40), rng.integers(0, 91 - 3 + 1, 40)
    start = datetime.datetime(2023, 4, 1)
    rows = [{"query_id": i, "bbox": {"xmin": lon - 5, "ymin": lat - 5, "xmax": lon + 5, "ymax": lat + 5},
             "t_min": start + datetime.timedelta(int(day)), "t_max": start + datetime.timedelta(int(day) + 3, microseconds=-1), "land_fraction": None}
            for i, (lat, lon, day) in enumerate(zip(lats[:20].tolist(), lons[:20].tolist(), days[:20]))]
    box = pa.struct([(name, pa.float64()) for name in ("xmin", "ymin", "xmax", "ymax")])
    schema = pa.schema([("query_id", pa.int64()), ("bbox", box), ("t_min", pa.timestamp("us")), ("t_max", pa.timestamp("us")), ("land_fraction", pa.float64())],
                       metadata={"geoquilt_queries": json.dumps(asked)})
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)


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
    with rasterio.open(folder / "tagged.tif", "w", dtype="uint8", **{**profile, "height": 4, "width": 4}) as out:
        out.write(land()[:4, :4], 1)
        out.update_tags(TIFFTAG_DATETIME="2018:01:31 10:20:30", title="sea surface temperature")
    (folder / "item.json").write_text(json.dumps(item(), indent=1) + "\n")
    sst_netcdf(folder / "sst.nc")
    (folder / "regions.geojson").write_text(json.dumps(regions()) + "\n")
    ocean(folder / "ocean.zarr")
    queries(folder / "queries.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "small"))
