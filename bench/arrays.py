"""Row h of the benchmark: windows of Zarr and NetCDF cubes beside zarr-python, xarray and netCDF4."""

import netCDF4
import numpy as np
import xarray as xr
import zarr

from common import SIDE, connect


def write_cube(path, zarr_format, shards=None):
    """A packed daily cube, int16 in chunks of 8 x 180 x 180, as climate archives are."""
    rng = np.random.default_rng(3)
    shape = (64, 720, 1440)
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    names = {"dimension_names": ["time", "lat", "lon"]} if zarr_format == 3 else {"attributes": {"_ARRAY_DIMENSIONS": ["time", "lat", "lon"]}}
    array = group.create_array("t2m", shape=shape, chunks=(8, 180, 180), shards=shards, dtype="int16", compressors="auto", **names)
    lat, lon = np.mgrid[0:720, 0:1440]
    base = 3000 * np.cos(lat / 230) + 400 * np.sin(lon / 90)
    for day in range(0, 64, 8):
        array[day:day + 8] = (base + rng.normal(0, 30, (8, 720, 1440))).astype("int16")
    return str(path)


def arrays(table, work, quick):
    count = 200 if quick else 2000
    rng = np.random.default_rng(5)
    at = [(int(t), int(y), int(x)) for t, y, x in zip(rng.integers(0, 64, count), rng.integers(0, 720 - SIDE, count), rng.integers(0, 1440 - SIDE, count))]
    rows = [{"t": t, "y": y, "x": x} for t, y, x in at]
    con = connect()
    con.execute("CREATE TABLE places AS SELECT unnest(r) FROM (SELECT unnest(?) AS r)", [rows])
    window = f"{{isel: {{time: t, lat: {{start: y, stop: y + {SIDE}}}, lon: {{start: x, stop: x + {SIDE}}}}}, masked: false}}"

    def ours(path, variable="t2m"):
        arrow = con.execute(f"SELECT a.data FROM (SELECT read_array('{path}', '{variable}', {window}) AS a FROM places)").to_arrow_table()
        return np.concatenate([c.flatten().to_numpy() for c in arrow.column(0).chunks]).reshape(-1, SIDE, SIDE)

    def check(path, theirs, variable="t2m"):
        np.testing.assert_array_equal(ours(path, variable), np.stack(theirs).astype("float32"))

    for name, zarr_format, shards in (("v2", 2, None), ("v3, sharded", 3, (16, 360, 360))):
        path = write_cube(work / f"{zarr_format}.zarr", zarr_format, shards)
        array = zarr.open_group(path, mode="r")["t2m"]
        lazy = xr.open_zarr(path, consolidated=False)["t2m"].variable
        by_zarr = lambda: [array[t, y:y + SIDE, x:x + SIDE] for t, y, x in at]
        by_xarray = lambda: [lazy[t, y:y + SIDE, x:x + SIDE].values for t, y, x in at]
        check(path, by_zarr())
        what = f"{count:,} windows of {SIDE} x {SIDE} from a Zarr {name} cube"
        table.race(f"h  {what}: zarr-python", by_zarr, lambda: ours(path), ("x", 3), "all values", repeats=2)
        table.race(f"h  {what}: xarray", by_xarray, lambda: ours(path), ("x", 3), "all values", repeats=2)

        def whole():
            total = con.execute(f"SELECT sum(len(data)) FROM read_array('{path}', 't2m')").fetchone()[0]
            assert total == 64 * 720 * 1440

        table.race(f"h  the whole Zarr {name} cube, day by day: zarr-python", lambda: [array[t] for t in range(64)], whole, None, "count", repeats=2)

    path = str(work / "cube.nc")
    cube = np.stack([zarr.open_group(work / "2.zarr", mode="r")["t2m"][t:t + 8] for t in range(0, 64, 8)]).reshape(64, 720, 1440)
    with netCDF4.Dataset(path, "w") as out:
        for name, size in zip(("time", "lat", "lon"), cube.shape):
            out.createDimension(name, size)
        out.createVariable("t2m", "i2", ("time", "lat", "lon"), zlib=True, complevel=1, chunksizes=(8, 180, 180))[:] = cube
    file = netCDF4.Dataset(path)
    file.set_auto_mask(False)
    lazy = xr.open_dataset(path)["t2m"].variable
    by_netcdf = lambda: [file["t2m"][t, y:y + SIDE, x:x + SIDE] for t, y, x in at]
    check(path, by_netcdf())
    what = f"{count:,} windows of {SIDE} x {SIDE} from a NetCDF-4 cube"
    table.race(f"h  {what}: netCDF4", by_netcdf, lambda: ours(path), ("x", 3), "all values", repeats=2)
    table.race(f"h  {what}: xarray", lambda: [lazy[t, y:y + SIDE, x:x + SIDE].values for t, y, x in at], lambda: ours(path), ("x", 3), "all values", repeats=2)
