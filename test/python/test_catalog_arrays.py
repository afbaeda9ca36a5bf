"""Array files in geo_catalog_build against netCDF4, xarray, cftime, pyproj, eccodes and brute force."""
import datetime as dt
import pathlib

import cftime
import netCDF4
import numpy as np
import pyproj
import pytest
import scipy.io
import shapely
import xarray as xr
from conftest import run_python, sql_list, write_raster

HALF = 0.5


def catalog(con, paths, more=""):
    """One dict a file, in the order of the paths."""
    paths = [paths] if isinstance(paths, (str, pathlib.Path)) else paths
    cursor = con.execute(f"SELECT * REPLACE (ST_AsWKB(geometry)::BLOB AS geometry) FROM geo_catalog_build({sql_list(paths)}{more})")
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row)) for row in cursor.fetchall()]
    for row in rows:
        row["geometry"] = None if row["geometry"] is None else shapely.from_wkb(bytes(row["geometry"]))
        row["transform"] = row["transform"] and tuple(row["transform"])
        row["box"] = None if row["bbox"] is None else tuple(row["bbox"][k] for k in ("xmin", "ymin", "xmax", "ymax"))
    return rows


def one(con, path, more=""):
    row, = catalog(con, path, more)
    return row


def error(con, path, more=""):
    return one(con, path, f", on_error := 'report'{more}")["error"]


def write(path, variables, dims=None, format="NETCDF4", **attributes):
    """A NetCDF file: variables are {name: (dims, values, attributes)}; sizes of dimensions follow from the values."""
    with netCDF4.Dataset(path, "w", format=format) as out:
        out.setncatts(attributes)
        add(out, variables, dims)
    return str(path)


def add(group, variables, dims=None):
    for name, size in (dims or {}).items():
        group.createDimension(name, size)
    for name, (on, values, attributes) in variables.items():
        values, attributes = np.asarray(values), dict(attributes)
        for dim, size in zip(on, values.shape):
            if dim not in group.dimensions and (group.parent is None or dim not in group.parent.dimensions):
                group.createDimension(dim, size)
        variable = group.createVariable(name, values.dtype, on, fill_value=attributes.pop("_FillValue", None))
        variable.set_auto_maskandscale(False)
        variable.setncatts(attributes)
        variable[...] = values


LAT, LON = {"standard_name": "latitude", "units": "degrees_north"}, {"standard_name": "longitude", "units": "degrees_east"}


def lat_lon(lat, lon, **more):
    """A field on one-dimensional latitudes and longitudes."""
    return {"lat": (("lat",), lat, LAT), "lon": (("lon",), lon, LON), "sst": (("lat", "lon"), np.zeros((len(lat), len(lon)), "f4"), {}), **more}


def timed(values, units="days since 2000-01-01", dtype="f8", more=None, **attributes):
    """A field of times over one cell."""
    time = ("time",), np.asarray(values, dtype), {"units": units, "standard_name": "time", **attributes}
    field = ("time", "lat", "lon"), np.zeros((len(values), 2, 2), "f4"), {}
    return {"time": time, "lat": (("lat",), [0.5, 1.5], LAT), "lon": (("lon",), [0.5, 1.5], LON), "t": field, **(more or {})}


def as_timestamp(date):
    """A cftime date by its fields; a day that the proleptic Gregorian calendar lacks is the last of its month."""
    for day in range(date.day, 0, -1):
        try:
            return dt.datetime(date.year, date.month, day, date.hour, date.minute, date.second, date.microsecond)
        except ValueError:
            pass


# ---------------------------------------------------------------- real files

IRIS = {
    "A1B_north_america.nc": (["air_temperature"], "time"),
    "E1_north_america.nc": (["air_temperature"], "time"),
    "NEMO/nemo_1m_20150101-20150201_grid-T.nc": (["tos"], "time_centered"),
    "NEMO/nemo_1m_20150201-20150301_grid-T.nc": (["tos"], "time_centered"),
    "NEMO/nemo_1m_20150301-20150401_grid-T.nc": (["tos"], "time_centered"),
    "atlantic_profiles.nc": (["salinity", "theta"], "time"),
    "hybrid_height.nc": (["air_potential_temperature"], "time"),
    "mesh_C4_synthetic_float.nc": (["synthetic"], None),
    "orca2_votemper.nc": (["votemper"], "time_counter"),
    "ostia_monthly.nc": (["surface_temperature"], "time"),
    "rotated_pole.nc": (["air_pressure_at_sea_level"], "time"),
    "space_weather.nc": (["Ne", "TEC"], None),
    "toa_brightness_stereographic.nc": (["data"], "time"),
    "vlstr_type.nc": (["wind"], "time"),
}


@pytest.mark.parametrize("name", IRIS)
def test_headers_and_times_of_real_files_equal_netcdf4_and_cftime(con, iris_data, name):
    variables, time_var = IRIS[name]
    row = one(con, iris_data / name)
    assert (row["kind"], row["driver"]) == ("array", "netCDF")
    with netCDF4.Dataset(iris_data / name) as file:
        assert [v["name"] for v in row["variables"]] == variables
        for ours in row["variables"]:
            theirs = file[ours["name"]]
            assert ours["dims"] == list(theirs.dimensions) and ours["shape"] == list(theirs.shape)
            assert ours["dtype"] == str(theirs.dtype) and ours["unit"] == getattr(theirs, "units", None)
            # Where nothing was written netCDF's own filling is, which bytes do not have.
            unwritten = netCDF4.default_fillvals[theirs.dtype.str[1:]] if theirs.dtype.itemsize > 1 else None
            fill = getattr(theirs, "_FillValue", getattr(theirs, "missing_value", unwritten))
            assert ours["nodata"] == (None if fill is None else float(fill))
            assert ours["scale"] == getattr(theirs, "scale_factor", None) and ours["offset"] == getattr(theirs, "add_offset", None)
        assert row["time_var"] == time_var
        if time_var is None:
            assert (row["t_min"], row["t_max"], row["n_times"]) == (None, None, None)
            return
        time = file[time_var]
        calendar = getattr(time, "calendar", "standard")
        values = np.atleast_1d(time[...])
        bounds = file[time.bounds][...] if "bounds" in time.ncattrs() else values
        dates = [as_timestamp(d) for d in np.ravel(cftime.num2date(np.asarray(bounds), time.units, calendar))]
        # The last bound is outside.
        outside = dt.timedelta(microseconds=1 if "bounds" in time.ncattrs() else 0)
        assert (row["t_min"], row["t_max"]) == (min(dates), max(dates) - outside)
        assert row["n_times"] == values.size
        steps = np.diff(values)
        seconds = {"hours": 3600, "seconds": 1, "days": 86400}[time.units.split()[0]]
        even = steps.size > 0 and np.ptp(steps) == 0
        assert row["t_step"] == (steps[0] * seconds if even else None)


def test_mesh_connectivity_is_no_data(con, iris_data):
    assert [v["name"] for v in one(con, iris_data / "mesh_C4_synthetic_float.nc")["variables"]] == ["synthetic"]


def test_a_file_without_a_place_is_refused_by_name(con, iris_data):
    said = error(con, iris_data / "SOI_Darwin.nc")
    assert "SOI_Darwin.nc\" has no place on the map" in said and said.endswith("Its variables are SOI_Darwin, time")


@pytest.mark.parametrize("name,expected", [
    ("A1B_north_america.nc", (-135.9375, 14.375, -44.0625, 60.625)),
    ("ostia_monthly.nc", (-180, -5.27777, 180, 4.72222)),
    ("atlantic_profiles.nc", (-37.0, -10.667125, 3.0, -0.667197)),
    ("vlstr_type.nc", (10, 50, 10, 50)),
])
def test_footprints_of_real_grids_reach_to_their_cells_edges(con, iris_data, name, expected):
    row = one(con, iris_data / name)
    np.testing.assert_allclose(row["box"], expected, atol=1e-5)


def test_longitudes_0_to_360_are_two_parts_where_they_meet(con, iris_data):
    # OSTIA's cells end at -0.41667 and 359.58333: the whole globe, though not from -180.
    row = one(con, iris_data / "ostia_monthly.nc")
    assert (row["width"], row["height"]) == (432, 18)
    np.testing.assert_allclose(row["transform"], (-0.4166667, 0.8333333, 0, -5.27777, 0, 0.5555562), atol=2e-5)
    np.testing.assert_allclose(row["geometry"].area, 360 * 10, rtol=1e-5)


MAPPED = ["hybrid_height.nc", "rotated_pole.nc", "space_weather.nc", "toa_brightness_stereographic.nc"]


@pytest.mark.parametrize("name", MAPPED)
def test_grid_mappings_of_real_files_agree_with_pyproj(con, iris_data, name):
    row = one(con, iris_data / name, ", densify := 1000")
    with netCDF4.Dataset(iris_data / name) as file:
        data = file[row["variables"][0]["name"]]
        mapping = file[data.grid_mapping]
        theirs = pyproj.CRS.from_cf({k: mapping.getncattr(k) for k in mapping.ncattrs()})
        y, x = (np.asarray(file[dim][...], "f8") for dim in data.dimensions[-2:])
    check_place(row, theirs, x, y)


def to_globe(crs):
    return pyproj.Transformer.from_crs(crs, crs.source_crs or crs.geodetic_crs, always_xy=True)


def check_place(row, theirs, x, y, factor=1.0):
    """The CRS puts centres where pyproj does, the footprint holds them all, and ends less than a cell outside."""
    x, y = np.asarray(x, "f8") * factor, np.asarray(y, "f8") * factor
    ours = pyproj.CRS.from_user_input(row["crs"])
    xx, yy = (a.ravel() for a in np.meshgrid(x, y))
    # Between the globe of a file (often a sphere) and WGS 84 no datum is told: latitudes and longitudes are kept.
    a = to_globe(ours).transform(xx, yy)
    b = to_globe(theirs).transform(xx, yy)
    seen = np.isfinite(b[0])
    assert (np.isfinite(a[0]) == seen).all() and seen.any()
    turn = (np.asarray(a[0]) - b[0] + 180) % 360 - 180
    np.testing.assert_allclose(turn[seen], 0, atol=1e-6)
    np.testing.assert_allclose(a[1][seen], b[1][seen], atol=1e-6)
    lon, lat = (np.asarray(b[0])[seen] + 180) % 360 - 180, np.asarray(b[1])[seen]
    grown = row["geometry"].buffer(1e-3)
    assert shapely.contains_xy(grown, lon, lat).all()
    step = np.array([(x[-1] - x[0]) / (len(x) - 1), (y[-1] - y[0]) / (len(y) - 1)])
    if row["transform"] is not None:
        t = row["transform"]
        np.testing.assert_allclose((t[0] + t[1] / 2, t[3] + t[5] / 2), (x[0], y[0]), atol=2e-3 * np.abs(step).max())
        np.testing.assert_allclose((t[1], t[5]), step, rtol=1e-3)
    # Half a cell further out is outside, at every one of the four sides that has an image there.
    for dx, dy, at in [(-1.2, 0, 0), (1.2, 0, -1), (0, -1.2, 0), (0, 1.2, -1)]:
        px = np.full(len(y), x[at] + dx * step[0]) if dx else x
        py = np.full(len(x), y[at] + dy * step[1]) if dy else y
        out = np.asarray(to_globe(theirs).transform(px, py))
        ok = np.isfinite(out).all(axis=0)
        inside = shapely.contains_xy(row["geometry"].buffer(-1e-3), (out[0][ok] + 180) % 360 - 180, out[1][ok])
        if row["geometry"].geom_type == "Polygon" and not is_box(row["geometry"]):
            assert inside.mean() <= 0.05, (dx, dy)


def is_box(shape):
    """Full disks, of which corners are not seen, are placed by their envelope."""
    return len(shape.exterior.coords) <= 5


def test_grib_equals_eccodes_and_its_projection_pyproj(con, iris_data):
    eccodes = pytest.importorskip("eccodes")
    path = iris_data / "polar_stereo.grib2"
    row = one(con, path)
    with open(path, "rb") as file:
        message = eccodes.codes_grib_new_from_file(file)
        get = lambda key: eccodes.codes_get(message, key)
        assert row["variables"][0]["shape"] == [get("Ny"), get("Nx")]
        valid = dt.datetime.strptime(f"{get('validityDate'):08d}{get('validityTime'):04d}", "%Y%m%d%H%M")
        assert (row["t_min"], row["t_max"], row["n_times"]) == (valid, valid, 1)
        latitudes, longitudes = (eccodes.codes_get_array(message, key) for key in ("latitudes", "longitudes"))
        assert (row["width"], row["height"]) == (get("Nx"), get("Ny"))
    assert row["driver"] == "GRIB"
    longitudes = (longitudes + 180) % 360 - 180
    assert shapely.contains_xy(row["geometry"].buffer(1e-3), longitudes, latitudes).all()
    t = row["transform"]
    to = to_globe(pyproj.CRS.from_user_input(row["crs"]))
    lon, lat = to.transform(t[0] + t[1] / 2, t[3] + t[5] / 2)
    np.testing.assert_allclose((lon, lat), (longitudes[0], latitudes[0]), atol=1e-4)
    lon, lat = to.transform(t[0] + t[1] * (row["width"] - 0.5), t[3] + t[5] * (row["height"] - 0.5))
    np.testing.assert_allclose((lon, lat), (longitudes[-1], latitudes[-1]), atol=1e-4)


@pytest.mark.parametrize("name", ["NEMO/nemo_1m_20150101-20150201_grid-T.nc", "orca2_votemper.nc"])
def test_curvilinear_oceans_go_around_the_globe(con, iris_data, name):
    row = one(con, iris_data / name)
    lat = xr.open_dataset(iris_data / name, decode_times=False)["nav_lat"].values
    assert (row["box"][0], row["box"][2]) == (-180, 180) and row["transform"] is None
    assert -90 <= row["box"][1] <= lat.min() and lat.max() <= row["box"][3] <= 90
    assert lat.min() - row["box"][1] < 2 and (row["height"], row["width"]) == lat.shape


# ---------------------------------------------------------------- time

CALENDARS = ["standard", "gregorian", "proleptic_gregorian", "julian", "noleap", "365_day", "all_leap", "366_day", "360_day"]
LENGTHS = {"microseconds": 1e-6, "milliseconds": 1e-3, "seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}


def test_thousands_of_random_dates_in_every_calendar_equal_cftime(con, tmp_path):
    rng = np.random.default_rng(360)
    files, expected = [], []
    for i in range(1500):
        calendar, unit = rng.choice(CALENDARS), rng.choice(list(LENGTHS))
        year, month, day = rng.integers(1, 2300), rng.integers(1, 13), rng.integers(1, 29)
        if (year, month) == (1582, 10):
            continue
        clock = ["", " 06:30", "T18:00:00", " 00:00:0.0", " 12:00:00 +02:00", " 3:15:42.5Z"][rng.integers(6)]
        units = f"{unit} since {year}-{month}-{day}{clock}" if rng.random() < 0.5 else f"{unit} since {year:04d}-{month:02d}-{day:02d}{clock}"
        # At most about 300 years on; whole numbers, and fractions down to microseconds.
        values = rng.uniform(0, 300 * 365 * 86400, 2) / LENGTHS[unit]
        values = np.sort(np.round(values) if rng.random() < 0.4 else values)
        with scipy.io.netcdf_file(tmp_path / f"{i}.nc", "w") as out:
            for dim, size in (("time", 2), ("lat", 2), ("lon", 2)):
                out.createDimension(dim, size)
            for name, data, attributes in (("time", values, {"units": units, "calendar": str(calendar)}), ("lat", [0, 1], {"units": "degrees_north"}), ("lon", [0, 1], {"units": "degrees_east"})):
                variable = out.createVariable(name, "d", (name,))
                variable[:] = data
                for key, text in attributes.items():
                    setattr(variable, key, text)
            out.createVariable("t", "f", ("time", "lat", "lon"))[:] = 0
        files.append(tmp_path / f"{i}.nc")
        expected.append((units, calendar, values, cftime.num2date(values, units, calendar)))
    rows = catalog(con, files)
    off = []
    for row, (units, calendar, values, dates) in zip(rows, expected):
        for ours, theirs in zip((row["t_min"], row["t_max"]), sorted(map(as_timestamp, dates))):
            assert abs(ours - theirs) <= dt.timedelta(microseconds=1), (units, calendar, values, ours, theirs)
            off.append(ours != theirs)
    # cftime rounds an 80-bit product, we the exact one: they may part where the exact product is next to a tie.
    assert len(off) > 2900 and sum(off) <= 3, sum(off)


def test_days_that_timestamp_lacks_are_the_last_of_their_month(con, tmp_path):
    for calendar, value, date in [("360_day", 58, (2001, 2, 28)), ("360_day", 59, (2001, 2, 28)), ("360_day", 60, (2001, 3, 1)), ("all_leap", 59, (2001, 2, 28))]:
        row = one(con, write(tmp_path / f"{calendar}{value}.nc", timed([value], "days since 2001-01-01", calendar=calendar)))
        assert row["t_min"] == dt.datetime(*date), (calendar, value)


def test_steps_are_told_where_times_are_even_in_their_own_calendar(con, tmp_path):
    cases = [
        (dict(values=np.arange(0, 360, 30), calendar="360_day"), 30 * 86400),
        (dict(values=np.arange(5) / 8), 10800),
        (dict(values=np.arange(24) / 24), 3600),
        (dict(values=np.arange(1000) * 6 + 1e6, units="hours since 1900-01-01"), 21600),
        (dict(values=np.arange(48, dtype="f4") / 24, dtype="f4"), 3600),
        (dict(values=np.arange(5)[::-1], dtype="i4"), 86400),
        (dict(values=[0, 31, 59, 90]), None),
        (dict(values=[3, 1, 2]), None),
        (dict(values=[7]), None),
        (dict(values=[7, 7, 7]), None),
    ]
    rows = catalog(con, [write(tmp_path / f"{i}.nc", timed(**case)) for i, (case, _) in enumerate(cases)])
    for row, (case, step) in zip(rows, cases):
        assert row["t_step"] == (step if step is None else pytest.approx(step, rel=1e-6)), case
        assert row["n_times"] == len(case["values"])


def test_bounds_give_the_interval_and_instants_do_else(con, tmp_path):
    bounds = {"time_bnds": (("time", "bnds"), np.array([[0.0, 31], [31, 59]]), {})}
    row = one(con, write(tmp_path / "bounds.nc", timed([15, 45], more=bounds, bounds="time_bnds")))
    assert (row["t_min"], row["t_max"]) == (dt.datetime(2000, 1, 1), dt.datetime(2000, 2, 28, 23, 59, 59, 999999))
    assert [v["name"] for v in row["variables"]] == ["t"]
    row = one(con, write(tmp_path / "instants.nc", timed([15, 45])))
    assert (row["t_min"], row["t_max"]) == (dt.datetime(2000, 1, 16), dt.datetime(2000, 2, 15))
    climatology = {"climatology_bounds": (("time", "bnds"), np.array([[0.0, 3650]]), {})}
    row = one(con, write(tmp_path / "climatology.nc", timed([15], more=climatology, climatology="climatology_bounds")))
    assert (row["t_min"], row["t_max"]) == (dt.datetime(2000, 1, 1), dt.datetime(2009, 12, 28, 23, 59, 59, 999999))


def test_integer_nanoseconds_keep_every_digit(con, tmp_path):
    instant = np.datetime64("2020-02-29T12:34:56.789012", "ns").astype("i8")
    row = one(con, write(tmp_path / "ns.nc", timed([instant], "nanoseconds since 1970-01-01", dtype="i8")))
    assert row["t_min"] == dt.datetime(2020, 2, 29, 12, 34, 56, 789012)


def test_xarrays_own_files_come_back(con, tmp_path):
    times = xr.date_range("2001-01-01", periods=7, freq="6h")
    ds = xr.Dataset({"a": (("time", "lat", "lon"), np.zeros((7, 3, 4), "f4"))},
                    {"time": times, "lat": ("lat", [10.0, 0, -10], LAT), "lon": ("lon", [0.0, 90, 180, 270], LON)})
    ds.to_netcdf(tmp_path / "x.nc")
    ds.to_zarr(tmp_path / "x.zarr", zarr_format=2)
    for row in catalog(con, [tmp_path / "x.nc", tmp_path / "x.zarr"]):
        assert (row["t_min"], row["t_max"], row["n_times"], row["t_step"]) == (dt.datetime(2001, 1, 1), dt.datetime(2001, 1, 2, 12), 7, 21600)
        assert row["box"] == (-180, -15, 180, 15) and row["transform"] == (-45, 90, 0, 15, 0, -10)


def test_unsorted_and_partly_filled_axes_keep_their_interval(con, tmp_path):
    rows = catalog(con, [
        write(tmp_path / "unsorted.nc", timed([5, 1, 3])),
        write(tmp_path / "filled.nc", timed([-999, 1, 3, -999], _FillValue=-999.0)),
        write(tmp_path / "nan.nc", timed([np.nan, 1, 3])),
        write(tmp_path / "missing.nc", timed([1, 3, 1e20], missing_value=1e20)),
    ])
    assert (rows[0]["t_min"], rows[0]["t_max"]) == (dt.datetime(2000, 1, 2), dt.datetime(2000, 1, 6))
    for row in rows[1:]:
        assert (row["t_min"], row["t_max"]) == (dt.datetime(2000, 1, 2), dt.datetime(2000, 1, 4)), row["path"]


BAD_TIMES = {
    "empty": (dict(values=[]), 'the time axis "time" of "{}" holds no time: it has zero values'),
    "all_fill": (dict(values=[-1, -1], _FillValue=-1.0), 'the time axis "time" of "{}" holds no time: all 2 of its values are filling'),
    "overflow": (dict(values=[0, 1e12]), 'the time axis "time" of "{}" cannot be decoded: the time 1000000000000 (days since 2000-01-01) is not valid: must be within TIMESTAMP'),
    "overflow_integer": (dict(values=[2**62], dtype="i8"), "the time 4611686018427387904 (days since 2000-01-01) is not valid"),
    "infinite": (dict(values=[np.inf]), "the time inf (days since 2000-01-01) is not valid"),
    "calendar": (dict(values=[0], calendar="mayan"), '"mayan" is not a calendar of CF'),
    "months": (dict(values=[0], units="months since 2000-01-01"), "months and years have no one length in this calendar"),
    "reference": (dict(values=[0], units="days since 2000-02-30"), "counted from a date of its calendar"),
}


@pytest.mark.parametrize("name", BAD_TIMES)
def test_bad_time_axes_are_refused_by_name_and_the_files_name_may_tell_the_time(con, tmp_path, name):
    case, expected = BAD_TIMES[name]
    path = write(tmp_path / f"{name}_20200101.nc", timed(**case))
    said = error(con, path)
    assert expected.format(path) in said and "Tell the time by filename_regex or time_tag, or name another variable with time_var" in said
    row = one(con, path, r", filename_regex := '(?P<date>\d{8})'")
    assert row["t_min"] == dt.datetime(2020, 1, 1) and row["time_var"] == "time" and row["n_times"] == len(case["values"])
    with pytest.raises(Exception, match="geo_catalog_build: the time axis"):
        catalog(con, path)


def test_time_var_names_the_axis(con, tmp_path):
    more = {"made": (("time",), [100.0, 101], {"units": "days since 2000-01-01", "standard_name": "forecast_reference_time"})}
    path = write(tmp_path / "two.nc", timed([1, 2], more=more))
    assert one(con, path)["time_var"] == "time"
    row = one(con, path, ", time_var := 'made'")
    assert (row["time_var"], row["t_min"]) == ("made", dt.datetime(2000, 4, 10))
    with pytest.raises(Exception, match=r'geo_catalog_build\(time_var\): "[^"]*two.nc" has no variable "maid"\nDid you mean "made"\?'):
        catalog(con, path, ", time_var := 'maid'")
    with pytest.raises(Exception, match='the time axis "t" of .* has no units'):
        catalog(con, path, ", time_var := 't'")


# ---------------------------------------------------------------- place

def test_edges_not_centres_in_every_order_of_latitudes_and_longitudes(con, tmp_path):
    south_up, lon = np.arange(-85, 90, 10.0), np.arange(5, 360, 10.0)
    cases = {
        "ascending": (south_up, lon - 180, (-180, -90, 180, 90), (-180, 10, 0, -90, 0, 10)),
        "descending": (south_up[::-1], lon - 180, (-180, -90, 180, 90), (-180, 10, 0, 90, 0, -10)),
        "to_360": (south_up, lon, (-180, -90, 180, 90), (0, 10, 0, -90, 0, 10)),
        "rolled": (south_up, np.roll((lon + 180) % 360 - 180, 5), (-180, -90, 180, 90), None),
        "pacific": (np.array([0.0, 1, 2]), np.array([170.0, 175, 180, 185, 190]), (-180, -0.5, 180, 2.5), (167.5, 5, 0, -0.5, 0, 1)),
        "pacific_jumps": (np.array([0.0, 1, 2]), np.array([170.0, 175, -180, -175, -170]), (-180, -0.5, 180, 2.5), (167.5, 5, 0, -0.5, 0, 1)),
        "poles": (np.linspace(-90, 90, 19), lon, (-180, -90, 180, 90), (0, 10, 0, -95, 0, 10)),
        "uneven": (np.array([0.0, 1, 3]), np.array([0.0, 10, 20]), (-5, -0.5, 25, 4), None),
        "float32": (np.linspace(-89.95, 89.95, 1800, dtype="f4"), np.linspace(-179.95, 179.95, 3600, dtype="f4"), (-180, -90, 180, 90), (-180, 0.1, 0, -90, 0, 0.1)),
    }
    rows = catalog(con, [write(tmp_path / f"{name}.nc", lat_lon(lat, lon)) for name, (lat, lon, _, _) in cases.items()])
    for row, (name, (lat, lon, box, transform)) in zip(rows, cases.items()):
        np.testing.assert_allclose(row["box"], box, atol=1e-9, err_msg=name)
        assert (row["height"], row["width"]) == (len(lat), len(lon))
        if name != "rolled":
            assert (row["transform"] is None) == (transform is None), name
            if transform:
                np.testing.assert_allclose(row["transform"], transform, rtol=1e-7, atol=1e-4 if name == "float32" else 1e-9, err_msg=name)
    pacific = rows[4]["geometry"]
    assert len(pacific.geoms) == 2 and pacific.equals(rows[5]["geometry"])
    np.testing.assert_allclose(pacific.area, 25 * 3)
    assert pacific.contains(shapely.Point(179, 1)) and pacific.contains(shapely.Point(-168, 1)) and not pacific.contains(shapely.Point(0, 1))


def test_bounds_of_cells_go_before_half_steps(con, tmp_path):
    lat, lon = np.array([0.0, 10, 30]), np.array([100.0, 110])
    more = {"lat_bnds": (("lat", "b"), np.array([[-5.0, 5], [5, 20], [20, 45]]), {}), "lon_bnds": (("lon", "b"), np.array([[95.0, 105], [105, 118]]), {})}
    variables = lat_lon(lat, lon, **more)
    variables["lat"], variables["lon"] = (("lat",), lat, {**LAT, "bounds": "lat_bnds"}), (("lon",), lon, {**LON, "bounds": "lon_bnds"})
    row = one(con, write(tmp_path / "bounds.nc", variables))
    assert row["box"] == (95, -5, 118, 45) and [v["name"] for v in row["variables"]] == ["sst"]


def curvilinear(lon, lat, **more):
    grid = {"nav_lat": (("y", "x"), lat, LAT), "nav_lon": (("y", "x"), lon, LON)}
    return {**grid, "sst": (("y", "x"), np.zeros(lon.shape, "f4"), {"coordinates": "nav_lon nav_lat"}), **more}


def test_curvilinear_coordinates_over_the_antimeridian_leave_out_the_largest_gap(con, tmp_path):
    rng = np.random.default_rng(180)
    for i in range(20):
        row, col = np.mgrid[0:30, 0:40]
        angle, west, south = rng.uniform(0, 2 * np.pi), rng.uniform(-180, 180), rng.uniform(-50, 30)
        lon = west + 0.5 * (col * np.cos(angle) - row * np.sin(angle))
        lat = south + 0.3 * (col * np.sin(angle) + row * np.cos(angle))
        made = one(con, write(tmp_path / f"{i}.nc", curvilinear((lon + 180) % 360 - 180, lat)))
        # Brute force: the running longitudes that the file was made from, half a cell out on every side.
        padded = [np.pad(a, 1, mode="reflect", reflect_type="odd") for a in (lon, lat)]
        edge = [(a[1:, 1:] + a[:-1, :-1] + a[1:, :-1] + a[:-1, 1:]) / 4 for a in padded]
        whole = shapely.box(lon.min(), lat.min(), lon.max(), lat.max())
        outer = shapely.box(edge[0].min(), edge[1].min(), edge[0].max(), edge[1].max()).buffer(0.3)
        shape = made["geometry"]
        assert (shape.geom_type == "MultiPolygon") == (lon.max() > 180 or lon.min() < -180)
        unrolled = shapely.union_all([shapely.affinity.translate(shape, turn) for turn in (-360, 0, 360)])
        assert unrolled.buffer(1e-6).contains(whole) and outer.contains(unrolled.intersection(outer.buffer(20))), i
        assert made["width"] == 40 and made["height"] == 30 and made["transform"] is None


def test_curvilinear_cells_with_vertices_end_at_them(con, tmp_path):
    lon, lat = np.meshgrid([175.0, 178, 181], [10.0, 12])
    vertices = lambda a, d: a[..., None] + np.asarray(d, float)
    more = {"bounds_lon": (("y", "x", "v"), vertices(lon, [-1.5, 1.5, 1.5, -1.5]), {}), "bounds_lat": (("y", "x", "v"), vertices(lat, [-1, -1, 1, 1]), {})}
    variables = curvilinear(lon, lat, **more)
    variables["nav_lon"], variables["nav_lat"] = (("y", "x"), lon, {**LON, "bounds": "bounds_lon"}), (("y", "x"), lat, {**LAT, "bounds": "bounds_lat"})
    row = one(con, write(tmp_path / "vertices.nc", variables))
    np.testing.assert_allclose(row["geometry"].area, 9 * 4)
    assert row["box"] == (-180, 9, 180, 13) and len(row["geometry"].geoms) == 2


def test_a_swath_over_a_pole_holds_it(con, tmp_path):
    for pole in (90, -90):
        crs = pyproj.CRS(3413 if pole > 0 else 3031)
        x, y = np.meshgrid(np.linspace(-1e6, 1.2e6, 30), np.linspace(-8e5, 1e6, 25))
        lon, lat = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform(x, y)
        row = one(con, write(tmp_path / f"pole{pole}.nc", curvilinear(lon, lat)))
        assert (row["box"][0], row["box"][2]) == (-180, 180) and pole in (row["box"][1], row["box"][3])


def test_curvilinear_fillings_are_no_places(con, tmp_path):
    lon, lat = np.meshgrid(np.linspace(10, 20, 11), np.linspace(40, 50, 11))
    lon[0, 0], lat[0, 0] = 9.969209968386869e36, 9.969209968386869e36
    lon[3:5, 3:9] = np.nan
    row = one(con, write(tmp_path / "fill.nc", curvilinear(lon, lat)))
    np.testing.assert_allclose(row["box"], (9.5, 39.5, 20.5, 50.5))
    lat[5, 5] = 123.0
    assert 'cannot read variable "nav_lat"' in error(con, write(tmp_path / "bad.nc", curvilinear(lon, lat))) and "123" in error(con, tmp_path / "bad.nc")


def test_points_of_a_trajectory_are_bounded(con, tmp_path):
    obs = {"lat": (("obs",), np.array([1.0, 2, 3]), LAT), "lon": (("obs",), np.array([179.0, -179, -178]), LON), "temp": (("obs",), np.zeros(3), {"coordinates": "lat lon"})}
    row = one(con, write(tmp_path / "track.nc", obs))
    np.testing.assert_allclose(row["geometry"].area, 3 * 2)
    assert (row["height"], row["width"]) == (1, 3)


MAPPINGS = {
    "utm": ("EPSG:32629", (4e5, 5e5, 4.1e6, 4.2e6), {}),
    "polar_stereographic": ("EPSG:3413", (-1e6, 1e6, -2e6, -5e5), {}),
    "polar_stereographic_south": ("EPSG:3031", (5e5, 2e6, 5e5, 2e6), {}),
    "lambert_conformal_conic": ("EPSG:3035", (3e6, 4e6, 2e6, 3e6), {}),
    "lcc": ("+proj=lcc +lat_1=33 +lat_2=45 +lat_0=39 +lon_0=-96 +R=6370000 +units=m", (-1e6, 1e6, -8e5, 8e5), {}),
    "lcc_one_parallel": ("+proj=lcc +lat_1=25 +lat_0=25 +lon_0=-95 +R=6371200 +units=m", (-2e6, 2e6, 0, 3e6), {}),
    "albers": ("EPSG:5070", (-1e6, 1e6, 1e6, 2e6), {}),
    "mercator": ("EPSG:3395", (1e6, 3e6, 2e6, 5e6), {}),
    "oblique": ("+proj=laea +lat_0=10 +lon_0=20 +datum=WGS84", (-1e6, 1e6, -1e6, 1e6), {}),
    "kilometres": ("EPSG:3413", (-1e6, 1e6, -2e6, -5e5), {"factor": 1e-3, "units": "km"}),
    "geostationary_radians": ("+proj=geos +h=35785831 +lon_0=0 +sweep=y +datum=WGS84", (-2e6, 2e6, 1e6, 3e6), {"factor": 1 / 35785831, "units": "radian"}),
    "goes_radians": ("+proj=geos +h=35786023 +lon_0=-75 +sweep=x +ellps=GRS80", (-2e6, 1e6, 1e6, 3e6), {"factor": 1 / 35786023, "units": "rad"}),
    "goes_metres": ("+proj=geos +h=35786023 +lon_0=-75 +sweep=x +ellps=GRS80", (-2e6, 1e6, 1e6, 3e6), {}),
    "meteosat_disk": ("+proj=geos +h=35785831 +lon_0=0 +sweep=y +datum=WGS84", (-5.5e6, 5.5e6, -5.5e6, 5.5e6), {}),
}


@pytest.mark.parametrize("name", MAPPINGS)
@pytest.mark.parametrize("form", ["attributes", "crs_wkt"])
def test_grid_mappings_become_the_crs_that_pyproj_makes_of_them(con, tmp_path, name, form):
    definition, (x0, x1, y0, y1), how = MAPPINGS[name]
    crs, factor = pyproj.CRS(definition), how.get("factor", 1.0)
    attributes = {k: v for k, v in crs.to_cf().items() if v is not None}
    wkt = attributes.pop("crs_wkt")
    if form == "crs_wkt":
        if "geos" in definition and how.get("units"):
            pytest.skip("angles need the satellite's height, which CF tells by its attribute")
        attributes = {"crs_wkt": wkt}
    x, y = np.linspace(x0, x1, 21) * factor, np.linspace(y1, y0, 17) * factor
    units = how.get("units", "m")
    row = one(con, write(tmp_path / "mapped.nc", {
        "crs": ((), np.int32(0), attributes),
        "x": (("x",), x, {"standard_name": "projection_x_coordinate", "units": units}),
        "y": (("y",), y, {"standard_name": "projection_y_coordinate", "units": units}),
        "field": (("y", "x"), np.zeros((17, 21), "f4"), {"grid_mapping": "crs"})}), ", densify := 1000")
    assert [v["name"] for v in row["variables"]] == ["field"]
    check_place(row, crs, x, y, 1 / factor)


def test_authorities_are_named_where_there_are(con, tmp_path):
    crs = pyproj.CRS(32629).to_cf()
    axes = {"x": (("x",), np.arange(4e5, 4.1e5, 1e3), {"standard_name": "projection_x_coordinate", "units": "m"}), "y": (("y",), np.arange(4e6, 4.02e6, 1e3), {"standard_name": "projection_y_coordinate", "units": "m"})}
    for key in ("crs_wkt", "spatial_ref"):
        path = write(tmp_path / f"{key}.nc", {"crs": ((), np.int32(0), {key: crs["crs_wkt"]}), **axes, "v": (("y", "x"), np.zeros((20, 10), "f4"), {"grid_mapping": "crs"})})
        assert one(con, path)["crs"] == "EPSG:32629"
    assert one(con, write(tmp_path / "plain.nc", lat_lon(np.arange(3.0), np.arange(3.0))))["crs"] == "OGC:CRS84"
    assert "has no place on the map" in error(con, write(tmp_path / "none.nc", {**axes, "v": (("y", "x"), np.zeros((20, 10), "f4"), {})}))


def test_a_rotated_pole_is_unrolled_over_the_antimeridian(con, tmp_path):
    attributes = {"grid_mapping_name": "rotated_latitude_longitude", "grid_north_pole_latitude": 40.0, "grid_north_pole_longitude": 0.0}
    rlon, rlat = np.linspace(-20, 20, 41), np.linspace(-10, 10, 21)
    for name, x in (("signed", rlon), ("to_360", rlon % 360), ("around", rlon + 360)):
        path = write(tmp_path / f"{name}.nc", {
            "pole": ((), np.int32(0), attributes),
            "rlon": (("rlon",), x, {"standard_name": "grid_longitude", "units": "degrees"}),
            "rlat": (("rlat",), rlat, {"standard_name": "grid_latitude", "units": "degrees"}),
            "t": (("rlat", "rlon"), np.zeros((21, 41), "f4"), {"grid_mapping": "pole"})})
        row = one(con, path)
        assert row["geometry"].geom_type == "MultiPolygon" and row["geometry"].area < 2000
        check_place({**row, "transform": None}, pyproj.CRS.from_cf(attributes), x, rlat)


def test_a_rotated_grid_that_holds_the_pole_is_closed_over_it(con, iris_data, tmp_path):
    assert one(con, iris_data / "space_weather.nc")["box"][3] == 90
    attributes = {"grid_mapping_name": "rotated_latitude_longitude", "grid_north_pole_latitude": 40.0, "grid_north_pole_longitude": 30.0}
    # The north pole lies at rotated longitude 0, latitude 40.
    for name, rlon, rlat, box in [("near", np.linspace(340, 380, 41), np.linspace(30, 50, 21), (-180, None, 180, 90)), ("globe", np.arange(0.5, 360), np.arange(-89.5, 90), (-180, -90, 180, 90)),
                                  ("band", np.arange(0.5, 360), np.arange(-10.5, 50), (-180, None, 180, 90))]:
        row = one(con, write(tmp_path / f"{name}.nc", {
            "pole": ((), np.int32(0), attributes),
            "rlon": (("rlon",), rlon, {"standard_name": "grid_longitude", "units": "degrees"}),
            "rlat": (("rlat",), rlat, {"standard_name": "grid_latitude", "units": "degrees"}),
            "t": (("rlat", "rlon"), np.zeros((len(rlat), len(rlon)), "f4"), {"grid_mapping": "pole"})}))
        assert all(theirs is None or ours == theirs for ours, theirs in zip(row["box"], box)), (name, row["box"])
        xx, yy = np.meshgrid(rlon, rlat)
        lon, lat = to_globe(pyproj.CRS.from_cf(attributes)).transform(xx.ravel(), yy.ravel())
        assert shapely.contains_xy(row["geometry"].buffer(0.05), (lon + 180) % 360 - 180, lat).all(), name


def test_another_crs_of_the_catalog_is_projected_to(con, tmp_path):
    path = write(tmp_path / "iberia.nc", lat_lon(np.linspace(36, 44, 9), np.linspace(-9, 3, 13)))
    row = one(con, path, ", crs := 'EPSG:3035'")
    lon, lat = np.meshgrid(np.linspace(-9.5, 3.5, 200), np.linspace(35.5, 44.5, 200))
    x, y = pyproj.Transformer.from_crs("OGC:CRS84", "EPSG:3035", always_xy=True).transform(lon.ravel(), lat.ravel())
    np.testing.assert_allclose(row["box"], (min(x), min(y), max(x), max(y)), atol=500)


# ---------------------------------------------------------------- shapes of files

def test_groups_are_walked_and_names_resolve_upwards(con, tmp_path):
    with netCDF4.Dataset(tmp_path / "groups.nc", "w") as out:
        add(out, {"lat": (("lat",), np.arange(3.0), LAT)})
        ocean = out.createGroup("ocean")
        add(ocean, {"lon": (("lon",), np.arange(4.0), LON), "time": (("time",), [0.0], {"units": "days since 2000-01-01"})})
        add(ocean, {"temp": (("time", "lat", "lon"), np.zeros((1, 3, 4), "f4"), {"units": "K"})})
        add(ocean.createGroup("deep"), {"salt": (("n",), np.zeros(2, "i2"), {})})
    row = one(con, tmp_path / "groups.nc")
    assert [v["name"] for v in row["variables"]] == ["ocean/temp", "ocean/deep/salt"]
    assert row["box"] == (-0.5, -0.5, 3.5, 2.5) and row["time_var"] == "ocean/time"
    row = one(con, tmp_path / "groups.nc", ", variables := ['/ocean/temp']")
    assert [v["name"] for v in row["variables"]] == ["ocean/temp"]


def test_variables_filter_names_places_and_times(con, tmp_path):
    other = {"lat2": (("lat2",), np.arange(50.0, 53), LAT), "b": (("lat2", "lon"), np.zeros((3, 3), "i2"), {})}
    path = write(tmp_path / "two.nc", lat_lon(np.arange(3.0), np.arange(3.0), **other))
    row = one(con, path)
    assert row["transform"] is None and (row["width"], row["height"]) == (None, None) and row["box"] == (-0.5, -0.5, 2.5, 52.5)
    assert row["geometry"].area == 18
    for names, box in (("'b'", (-0.5, 49.5, 2.5, 52.5)), ("['sst']", (-0.5, -0.5, 2.5, 2.5))):
        row = one(con, path, f", variables := {names}")
        assert row["box"] == box and row["transform"] is not None and len(row["variables"]) == 1
    with pytest.raises(Exception, match=r'geo_catalog_build\(variables\): "[^"]*two.nc" has no variable "sts"\nDid you mean "sst"\? One of: sst, b'):
        catalog(con, path, ", variables := ['sts']")
    for bad in ("[]", "NULL", "['sst', NULL]", "3"):
        with pytest.raises(Exception, match=r"geo_catalog_build\(variables\): .* must be a name, or a list of names"):
            catalog(con, path, f", variables := {bad}")


def test_every_format_of_netcdf_and_type_of_number(con, tmp_path):
    formats = {"NETCDF3_CLASSIC": "i1 i2 i4 f4 f8", "NETCDF3_64BIT_OFFSET": "i1 i2 i4 f4 f8", "NETCDF3_64BIT_DATA": "i1 u1 i2 u2 i4 u4 i8 u8 f4 f8",
               "NETCDF4": "i1 u1 i2 u2 i4 u4 i8 u8 f4 f8", "NETCDF4_CLASSIC": "i1 i2 i4 f4 f8"}
    for format, types in formats.items():
        fields = {f"v_{t}": (("lat", "lon"), np.zeros((2, 2), t), {"_FillValue": np.array(100, t)}) for t in types.split()}
        path = write(tmp_path / f"{format}.nc", {"lat": (("lat",), [0.0, 1], LAT), "lon": (("lon",), [0.0, 1], LON), **fields}, format=format)
        found = one(con, path)["variables"]
        assert [v["dtype"] for v in found] == [str(np.dtype(t)) for t in types.split()], format
        assert {v["nodata"] for v in found} == {100.0}


def test_packing_is_told_and_coordinates_are_unpacked(con, tmp_path):
    packed = {"units": "degrees_north", "scale_factor": 0.5, "add_offset": 10.0}
    variables = {"lat": (("lat",), np.array([0, 2, 4], "i2"), packed), "lon": (("lon",), [0.0, 1], LON),
                 "t": (("lat", "lon"), np.zeros((3, 2), "i2"), {"scale_factor": 0.01, "add_offset": 273.15, "_FillValue": np.int16(-32767), "units": "K"})}
    row = one(con, write(tmp_path / "packed.nc", variables))
    assert row["box"] == (-0.5, 9.5, 1.5, 12.5)
    assert row["variables"] == [{"name": "t", "dims": ["lat", "lon"], "shape": [3, 2], "dtype": "int16", "nodata": -32767.0, "scale": 0.01, "offset": 273.15, "unit": "K"}]


def test_texts_are_listed_but_are_no_numbers(con, tmp_path):
    with netCDF4.Dataset(tmp_path / "text.nc", "w") as out:
        add(out, lat_lon(np.arange(2.0), np.arange(2.0)))
        name = out.createVariable("name", str, ("lat",))
        name[:] = np.array(["a", "bc"], object)
    assert [(v["name"], v["dtype"]) for v in one(con, tmp_path / "text.nc")["variables"]] == [("sst", "float32"), ("name", "str")]


def test_hdf5_without_cf_and_with_bare_coordinates(con, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "bare.h5", "w") as out:
        out["a/b"] = np.zeros((4, 5), "f4")
    said = error(con, tmp_path / "bare.h5")
    assert "has no place on the map" in said and "a/b" in said
    with h5py.File(tmp_path / "swath.h5", "w") as out:
        lon, lat = np.meshgrid(np.linspace(170, 190, 21), np.linspace(0, 10, 11))
        out["lat"], out["lon"], out["radiance"] = lat, (lon + 180) % 360 - 180, np.zeros((11, 21), "u2")
        for name, units in (("lat", "degrees_north"), ("lon", "degrees_east")):
            out[name].attrs["units"] = units
    row = one(con, tmp_path / "swath.h5")
    assert row["driver"] == "HDF5" and [v["name"] for v in row["variables"]] == ["radiance"]
    np.testing.assert_allclose(row["geometry"].area, 21 * 11)
    with h5py.File(tmp_path / "userblock.nc", "w", userblock_size=1024) as out:
        out["lat"], out["lon"], out["v"] = np.arange(3.0), np.arange(4.0), np.zeros((3, 4), "i8")
        for name, units in (("lat", "degrees_north"), ("lon", "degrees_east")):
            out[name].attrs["units"] = units
            out[name].make_scale(name)
        out["v"].dims[0].attach_scale(out["lat"]), out["v"].dims[1].attach_scale(out["lon"])
    row = one(con, tmp_path / "userblock.nc")
    assert row["driver"] == "netCDF" and row["box"] == (-0.5, -0.5, 3.5, 2.5)


def test_mixed_folders_give_one_catalog_told_by_content(con, tmp_path, iris_data):
    write(tmp_path / "a.dat", lat_lon(np.arange(2.0), np.arange(2.0)))
    write_raster(tmp_path / "b.nc", np.zeros((3, 3), "u1"))
    (tmp_path / "c.tif").write_text('{"type": "Point", "coordinates": [1, 2]}')
    xr.Dataset({"v": (("lat", "lon"), np.zeros((2, 2)))}, {"lat": ("lat", [0.0, 1], LAT), "lon": ("lon", [0.0, 1], LON)}).to_zarr(tmp_path / "d.zarr")
    rows = catalog(con, tmp_path / "*")
    assert [(r["kind"], r["driver"]) for r in rows] == [("array", "netCDF"), ("raster", "GTiff"), ("vector", "GeoJSON"), ("array", "Zarr")]
    by_gdals_name = one(con, f'NETCDF:"{iris_data}/ostia_monthly.nc":surface_temperature')
    assert (by_gdals_name["kind"], by_gdals_name["width"], len(by_gdals_name["bands"])) == ("raster", 432, 54)
    assert one(con, iris_data / "ostia_monthly.nc", ", kind := 'raster'")["kind"] == "raster"
    with pytest.raises(Exception, match="is not a NetCDF, HDF5 or GRIB file"):
        catalog(con, tmp_path / "b.nc", ", kind := 'array'")


def test_a_variable_by_gdals_name_has_the_catalogs_crs(con, tmp_path):
    """Longitudes and latitudes need no grid mapping: rasters of them work as if GDAL knew, against NumPy."""
    values = np.random.default_rng(2).integers(0, 99, (3, 8, 12)).astype("f4")
    times = xr.date_range("2020-01-01", periods=3, use_cftime=False)
    coordinates = {"time": times, "lat": ("lat", np.arange(8.0)[::-1] + 40.5, LAT), "lon": ("lon", np.arange(12.0) + 0.5, LON)}
    xr.Dataset({name: (("time", "lat", "lon"), values + i) for i, name in enumerate(["t2m", "tp"])}, coordinates).to_netcdf(tmp_path / "era.nc")
    name = f'NETCDF:"{tmp_path}/era.nc":tp'
    whole = one(con, tmp_path / "era.nc")
    raster = one(con, name)
    assert (raster["kind"], raster["crs"], raster["transform"]) == ("raster", whole["crs"], whole["transform"]) and whole["crs"] == "OGC:CRS84"
    grid = con.execute("SELECT crs, bbox FROM geo_patch_grid(?, size := [8, 12])", [name]).fetchall()
    assert grid == [("OGC:CRS84", {"xmin": 0.0, "ymin": 40.0, "xmax": 12.0, "ymax": 48.0})]
    stats = con.execute("SELECT geo_zonal_stats(?, 'POLYGON ((2 42, 6 42, 6 45, 2 45, 2 42))', {band: 2})", [name]).fetchone()[0]
    assert (stats["count"], stats["sum"]) == (12, float((values[1, 3:6, 2:6] + 1).sum()))
    box = "geo_slice({xmin: 2, ymin: 42, xmax: 6, ymax: 45}, 1, 'OGC:CRS84')"
    (data,) = con.execute(f"SELECT read_slice(?, {box}).data", [name]).fetchone()
    assert np.array_equal(np.reshape(data, (3, 3, 4)), values[:, 3:6, 2:6] + 1)
    (data,) = con.execute(f"SELECT read_series([?], [TIMESTAMP '2020-01-01'], {box}, {{bands: [3]}}).data", [name]).fetchone()
    assert np.array_equal(np.reshape(data, (3, 4)), values[2, 3:6, 2:6] + 1)
    with pytest.raises(Exception, match=r"(?s)holds 2 subdatasets.*NETCDF:.*tp, or lay a variable onto a grid with read_array\(.*era.nc', variable, \{slice: ...\}\)"):
        con.execute(f"SELECT read_slice('{tmp_path}/era.nc', {box})").fetchall()


def test_one_and_many_threads_give_the_same_rows(con, iris_data):
    files = [iris_data / name for name in IRIS] * 3 + [iris_data / "polar_stereo.grib2"] * 5
    con.execute("SET geoquilt_threads = 1")
    alone = catalog(con, files)
    con.execute("SET geoquilt_threads = 8")
    many = catalog(con, files)
    strip = lambda rows: [{k: v for k, v in row.items() if k != "geometry"} for row in rows]
    assert strip(alone) == strip(many) and all(a["geometry"].equals_exact(b["geometry"], 0) for a, b in zip(alone, many))


# ---------------------------------------------------------------- damage

FUZZ = """
import pathlib
import numpy as np
from conftest import connect
con = connect()
folder, source, seed = pathlib.Path(r"{folder}"), pathlib.Path(r"{source}"), {seed}
data, rng = np.frombuffer(source.read_bytes(), "u1"), np.random.default_rng(seed)
paths = []
for i in range(150):
    damaged = data.copy()
    head = min(len(data), int(rng.choice([512, 4096, len(data)])))
    match rng.integers(3):
        case 0:
            damaged = damaged[: rng.integers(8, len(data))]
        case 1:
            at = rng.integers(8, head, rng.integers(1, 8))
            damaged[at] ^= (1 << rng.integers(0, 8, len(at))).astype("u1")
        case 2:
            at = rng.integers(8, head - 4)
            damaged[at : at + 4] = rng.choice([0, 255, 127, 128], 4)
    paths.append(folder / f"{{i}}{{source.suffix}}")
    paths[-1].write_bytes(damaged.tobytes())
rows = con.execute("SELECT path, error FROM geo_catalog_build(?, on_error := 'report')", [list(map(str, paths))]).fetchall()
assert [row[0] for row in rows] == list(map(str, paths))
assert all(error is None or path in error for path, error in rows), [error for path, error in rows if error and path not in error][:3]
print(sum(error is not None for _, error in rows), "of", len(rows), "refused")
"""


@pytest.mark.parametrize("name", ["space_weather.nc", "mesh_C4_synthetic_float.nc", "rotated_pole.nc", "atlantic_profiles.nc", "vlstr_type.nc", "polar_stereo.grib2"])
def test_damaged_files_are_reported_and_nothing_crashes_or_hangs(iris_data, tmp_path, name):
    done = run_python(FUZZ.format(folder=tmp_path, source=iris_data / name, seed=5), timeout=90)
    assert done.returncode == 0, done.stderr[-2000:]
    refused = int(done.stdout.split(" of ")[0].split()[-1])
    assert refused > 0 and done.stderr == ""


def test_truncated_files_are_refused(con, iris_data, tmp_path):
    for name in ("space_weather.nc", "rotated_pole.nc", "polar_stereo.grib2"):
        data = (iris_data / name).read_bytes()
        for share in (0.02, 0.5, 0.95):
            path = tmp_path / name
            path.write_bytes(data[: int(len(data) * share)])
            assert path.name in (error(con, path) or ""), (name, share)
    path = tmp_path / "space_weather.nc"
    path.write_bytes((iris_data / "space_weather.nc").read_bytes()[:-100])
    assert f'cannot open "{path}": its variables end at byte 248208, the file at byte 248108: it is truncated or damaged' in error(con, path)
