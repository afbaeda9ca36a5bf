"""Makes a small package of the ocean: python test/data/make_ocean.py FOLDER [MASK].

The layout is the production dataset's (manifest.yaml, rasters/, argo/, data/, masks/, metadata/, indices/), written as the exporter of PyPI
depth-recon 0.0.1a12 writes it, on a global grid of `step` degrees. The fields are those of iris-sample-data: the surface is NEMO's, with OSTIA's
in the tropics, what lies below has the shape of its Atlantic profiles, ORCA2 tells the warm layer's place, and profiles are drawn out of these
fields and out of the Atlantic ones themselves. Dates are labels, a week apart, and each week's fields are a little warmer or colder. MASK is a
raster of land from Natural Earth, 1 for land (depth-recon's own, 0.1 degree); without it what NEMO calls land is.

test/data/small/ocean_package was made by: python test/data/make_ocean.py test/data/small/ocean_package MASK --step 4 --levels 4 --profiles 150
"""
import argparse
import datetime as dt
import json
from pathlib import Path

import iris_sample_data
import numpy as np
import pandas as pd
import rasterio
import xarray as xr
import yaml
from rasterio.enums import Resampling
from rasterio.transform import from_origin
from scipy.spatial import cKDTree

KELVIN = 273.15
SAMPLES = Path(iris_sample_data.__file__).parent / "sample_data"
DEPTHS = [0.494, 5.078, 15.81, 29.44, 55.76, 109.7, 222.5, 453.9, 902.3, 1684.3]
TEMPERATURE = {"name": "temperature_kelvin", "storage_dtype": "uint8", "minimum": 270.15, "maximum": 308.15, "units": "K", "nodata": 255,
               "valid_code_min": 0, "valid_code_max": 254, "decode": "minimum + code / 254 * (maximum - minimum)"}
SALINITY = {**TEMPERATURE, "name": "salinity", "minimum": 30.0, "maximum": 40.0, "units": "PSU"}
SEA_HEIGHT = {**TEMPERATURE, "name": "sea_height", "minimum": -2.0, "maximum": 2.0, "units": "m"}


def encode(values, stretch):
    """Codes of values, 255 where there is none: what lies beyond the range has the code of its end."""
    scaled = (np.asarray(values, "float64") - stretch["minimum"]) / (stretch["maximum"] - stretch["minimum"]) * 254
    return np.where(np.isfinite(scaled), np.clip(np.round(np.nan_to_num(scaled)), 0, 254), 255).astype("uint8")


def centres(step):
    lat = 90 - step * (np.arange(round(180 / step)) + 0.5)
    lon = -180 + step * (np.arange(round(360 / step)) + 0.5)
    return lat, lon


def sphere(lon, lat):
    lon, lat = np.radians(lon), np.radians(lat)
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def on_grid(values, lon, lat, step):
    """The nearest of some values on each cell."""
    at_lat, at_lon = centres(step)
    wide, high = np.meshgrid(at_lon, at_lat)
    ok = np.isfinite(values)
    _, nearest = cKDTree(sphere(lon[ok], lat[ok])).query(sphere(wide.ravel(), high.ravel()))
    return values[ok][nearest].reshape(wide.shape)


def land(step, mask):
    if mask:
        with rasterio.open(mask) as file:
            share = file.read(1, out_shape=(round(180 / step), round(360 / step)), resampling=Resampling.average, out_dtype="float32")
        return share > 0.5
    nemo = xr.open_dataset(sorted((SAMPLES / "NEMO").glob("*.nc"))[0], decode_times=False)
    return on_grid(np.isnan(nemo.tos.values[0]).ravel().astype("float64"), nemo.nav_lon.values.ravel(), nemo.nav_lat.values.ravel(), step) > 0.5


def surface(step):
    """Sea surface temperature, degrees C: NEMO's, with OSTIA's where that is, 5 S to 5 N."""
    nemo = xr.open_dataset(sorted((SAMPLES / "NEMO").glob("*.nc"))[0], decode_times=False)
    sst = on_grid(nemo.tos.values[0].ravel(), nemo.nav_lon.values.ravel(), nemo.nav_lat.values.ravel(), step)
    ostia = xr.open_dataset(SAMPLES / "ostia_monthly.nc").surface_temperature[0]
    lat, lon = centres(step)
    band = np.abs(lat) < 5
    fine = ostia.sel(latitude=xr.DataArray(lat[band], dims="y"), longitude=xr.DataArray(lon % 360, dims="x"), method="nearest")
    sst[band] = np.where(np.isfinite(fine.values), fine.values - KELVIN, sst[band])
    return sst


def column(depths):
    """How much of the surface's warmth there is at each depth, by the Atlantic profiles, and that of each of theirs."""
    cast = xr.open_dataset(SAMPLES / "atlantic_profiles.nc", decode_times=False)
    warm = cast.theta.values.reshape(cast.sizes["depth"], -1) - KELVIN
    warm = warm[:, np.isfinite(warm[0])]
    mean = np.nanmean(warm, axis=1) / np.nanmean(warm[0])
    return np.interp(depths, cast.depth.values, mean), cast


def raster(path, bands, step, names, nodata=255):
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", driver="GTiff", count=len(bands), height=bands.shape[1], width=bands.shape[2], dtype="uint8", nodata=nodata,
                       crs="EPSG:4326", transform=from_origin(-180, 90, step, step), compress="deflate") as file:
        file.write(bands)
        for band, name in enumerate(names, 1):
            file.set_band_description(band, name)


def make(folder, mask=None, step=1.0, levels=10, dates=4, profiles=1500, seed=7, days=None):
    """Writes the package and gives its manifest. The model has no field of the last date, and the first ones fall into 2017."""
    folder, rng = Path(folder), np.random.default_rng(seed)
    depths = np.array(DEPTHS[:levels])
    lat, lon = centres(step)
    is_land = land(step, mask)
    share, cast = column(depths)
    orca = xr.open_dataset(SAMPLES / "orca2_votemper.nc", decode_times=False)
    warmth = on_grid(orca.votemper.values.ravel().astype("float64"), orca.nav_lon.values.ravel(), orca.nav_lat.values.ravel(), step)
    sst = surface(step)
    # The sea's floor: deeper away from land, so that a column ends somewhere.
    floor = depths[0] + 1 + 40 * np.abs(warmth) * (1 + np.cos(np.radians(lat))[:, None])
    days = days or [dt.date(2017, 12, 20) + dt.timedelta(7 * i) for i in range(dates)]
    manifest = {
        "created_by": "test/data/make_ocean.py",
        "grid": {"source": "masks/world_land_mask.tif", "width": len(lon), "height": len(lat), "crs": "EPSG:4326", "resolution": {"x": step, "y": step}},
        "stretch": {s["name"]: s for s in (TEMPERATURE, SALINITY, SEA_HEIGHT)},
        "depth_axis_m": [float(np.float32(d)) for d in depths],
        "target_dates": [int(f"{d:%Y%m%d}") for d in days[:-1]],
        "rasters": {"glorys": {"thetao": []}, "ostia": {"analysed_sst": []}, "sealevel": {"adt": []}},
    }
    raster(folder / "masks/world_land_mask.tif", is_land[None].astype("uint8"), step, ["land"], nodata=None)
    fields = []
    for i, day in enumerate(days):
        top = sst + 0.3 * i + rng.normal(0, 0.2, sst.shape)
        cube = np.where(is_land | (depths[:, None, None] > floor), np.nan, top * share[:, None, None] + KELVIN)
        fields.append(cube)
        height = np.where(is_land | (np.abs(lat)[:, None] > 70), np.nan, 0.04 * (top - np.nanmean(top)))
        seen = np.where(is_land | (rng.random(top.shape) < 0.02), np.nan, top + 0.1 + KELVIN)
        made = [("glorys", "thetao", encode(cube, TEMPERATURE), [f"depth_{d:g}_m" for d in depths]), ("ostia", "analysed_sst", encode(seen, TEMPERATURE)[None], ["analysed_sst"]),
                ("sealevel", "adt", encode(height, SEA_HEIGHT)[None], ["adt"])]
        for product, variable, bands, names in made:
            if product == "glorys" and i == len(days) - 1:
                continue
            name = f"rasters/{product}/{variable}/{variable}_{day:%Y%m%d}.tif"
            raster(folder / name, bands, step, names)
            manifest["rasters"][product][variable].append({"date": int(f"{day:%Y%m%d}"), "path": name, "source_files": [f"{product}_{day:%Y%m%d}.nc"]})
    manifest["argo"] = argo(folder, rng, profiles, days[:-1], depths, fields, cast, step)
    (folder / "metadata").mkdir(exist_ok=True)
    (folder / "metadata/depths.json").write_text(json.dumps({"depth_axis_m": manifest["depth_axis_m"]}))
    (folder / "indices").mkdir(exist_ok=True)
    pd.DataFrame([(p, v, e["date"], e["path"]) for p, vs in manifest["rasters"].items() for v, es in vs.items() for e in es],
                 columns=["product", "variable", "date", "path"]).to_csv(folder / "indices/rasters.csv", index=False)
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    return manifest


def argo(folder, rng, profiles, days, depths, fields, cast, step):
    """Profiles out of the fields, at places drawn over the sphere, and the Atlantic ones at theirs; some share a cell, some have no day or no value."""
    here = [(float(y), float(x)) for y in cast.lat.values for x in cast.lon.values]
    lat = np.concatenate([np.degrees(np.arcsin(rng.uniform(-0.97, 0.97, profiles - len(here)))), [y for y, _ in here]])
    lon = np.concatenate([rng.uniform(-180, 180, profiles - len(here)), [(x + 180) % 360 - 180 for _, x in here]])
    twin = rng.random(profiles) < 0.3
    lat[twin], lon[twin] = lat[np.flatnonzero(twin) - 1], lon[np.flatnonzero(twin) - 1]
    row, col = np.floor((90 - lat) / step).astype("int32"), np.floor((lon + 180) / step).astype("int32")
    offset = rng.integers(-9, (days[-1] - days[0]).days + 10, profiles)
    date = [days[0] + dt.timedelta(int(o)) for o in offset]
    nearest = [min(range(len(days)), key=lambda i: (abs((days[i] - d).days), i)) for d in date]
    values = np.stack([fields[n][:, r, c] for n, r, c in zip(nearest, row, col)]) + rng.normal(0, 0.3, (profiles, len(depths)))
    theirs = (cast.theta.values.reshape(cast.sizes["depth"], -1)).T
    for i, profile in enumerate(theirs):
        ok = np.isfinite(profile)
        if ok.sum() > 1:
            values[profiles - len(here) + i] = np.interp(depths, cast.depth.values[ok], profile[ok], left=np.nan, right=np.nan)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[rng.random(profiles) < 0.03] = np.nan
    day = np.array([int(f"{d:%Y%m%d}") for d in date], "int32")
    target = np.array([int(f"{days[n]:%Y%m%d}") for n in nearest], "int32")
    target[[abs((days[n] - d).days) > 3 for n, d in zip(nearest, date)]] = 0
    day[rng.random(profiles) < 0.01] = 0
    store = xr.Dataset(
        {"profile_date": (("profile",), day), "target_date": (("profile",), np.where(day > 0, target, 0).astype("int32")),
         "latitude": (("profile",), lat.astype("float32")), "longitude": (("profile",), lon.astype("float32")), "grid_row": (("profile",), row), "grid_col": (("profile",), col),
         "argo_temp_kelvin_uint8": (("profile", "glorys_depth"), encode(values, TEMPERATURE), {**TEMPERATURE}),
         "argo_temp_valid": (("profile", "glorys_depth"), np.isfinite(values))},
        coords={"profile": np.arange(profiles), "glorys_depth": depths.astype("float32")}, attrs={"temperature_units": "K"})
    store.to_zarr(folder / "argo/argo_profiles_on_grid.zarr", mode="w", zarr_format=2, consolidated=True)
    # The enriched store beside it: temperatures in degrees C, and what the fields say at the profile's place.
    enriched = xr.Dataset(
        {"date": (("profile",), day), "latitude": (("profile",), lat.astype("float32")), "longitude": (("profile",), lon.astype("float32")),
         "argo_temp": (("profile", "glorys_depth"), (values - KELVIN).astype("float32"), {"units": "degC"}),
         "glorys_thetao": (("profile", "glorys_depth"), np.stack([fields[n][:, r, c] for n, r, c in zip(nearest, row, col)]).astype("float32") - np.float32(KELVIN)),
         "ostia_analysed_sst": (("profile",), np.array([fields[n][0, r, c] for n, r, c in zip(nearest, row, col)], "float32"))},
        coords={"glorys_depth": ("glorys_depth", depths.astype("float32"), {"units": "m", "standard_name": "depth"})})
    enriched.to_zarr(folder / "data/argo_glors_ostia_ssh.zarr", mode="w", zarr_format=2, consolidated=True)
    return {"path": "argo/argo_profiles_on_grid.zarr", "profile_count": int(profiles), "source_kind": "made"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("mask", nargs="?")
    # The options of make() that a package of another size needs.
    for name, kind, default in (("step", float, 1.0), ("levels", int, 10), ("dates", int, 4), ("profiles", int, 1500)):
        parser.add_argument(f"--{name}", type=kind, default=default)
    make(**vars(parser.parse_args()))
