"""read_array against xarray: on the real files of iris-sample-data, on files written here, by index and by value, over several files, and streamed."""
import re
import datetime

import h5py
import netCDF4
import numpy as np
import pyproj
import pytest
import rasterio
import xarray as xr
from conftest import connect, run_python, OPEN_EXTENSION, sql_list
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT

FILES = ["A1B_north_america.nc", "E1_north_america.nc", "NEMO/nemo_1m_20150101-20150201_grid-T.nc", "SOI_Darwin.nc", "atlantic_profiles.nc", "hybrid_height.nc",
         "orca2_votemper.nc", "ostia_monthly.nc", "rotated_pole.nc", "space_weather.nc", "toa_brightness_stereographic.nc", "mesh_C4_synthetic_float.nc"]


def opened(path):
    """The file as xarray decodes it, times left as numbers."""
    return xr.open_dataset(path, decode_times=False)


def numeric(dataset):
    return {name: v for name, v in dataset.variables.items() if v.dtype.kind in "iuf" and all(v.shape)}


def rows(con, path, variable, selections):
    """What each selection reads, by one query: dicts of data, shape, dims, coords, times."""
    fields = {key: None for selection in selections for key in selection}
    sql = ", ".join(f"{key}: r.{key}" for key in fields)
    query = f"SELECT read_array($path, $variable, {{{sql}}}) FROM (SELECT unnest($rows) AS r)"
    parameters = {"path": str(path), "variable": variable, "rows": [{**fields, **s} for s in selections]}
    return [row[0] for row in con.execute(query, parameters).fetchall()]


def array(answer):
    data = np.array([np.nan if v is None else v for v in answer["data"]], "float32")
    return data.reshape(answer["shape"])


def random_isel(rng, dims, shape):
    pick = {}
    for dim, size in zip(dims, shape):
        start, stop = sorted(int(i) for i in rng.integers(0, size, 2))
        pick[dim] = {"start": start, "stop": stop + 1, "step": int(rng.integers(1, 4))}
    return pick


@pytest.mark.parametrize("file", FILES)
def test_every_variable_of_real_files_in_random_hyperslabs(con, rng, iris_data, file):
    dataset = opened(iris_data / file)
    with netCDF4.Dataset(iris_data / file) as raw:
        # What was never written, or lies outside of a valid range, is missing too, which xarray leaves.
        absent = {name: xr.Variable(v.dims, np.ma.getmaskarray(raw[name][...]) & (v.dtype.itemsize > 1)) for name, v in numeric(dataset).items()}
    for name, variable in numeric(dataset).items():
        picks = [random_isel(rng, variable.dims, variable.shape) for _ in range(25)] if variable.dims else [None]
        selections = [{"isel": pick} if pick else {"scaled": True} for pick in picks]
        for pick, answer in zip(picks, rows(con, iris_data / file, name, selections), strict=True):
            slices = {d: slice(p["start"], p["stop"], p["step"]) for d, p in (pick or {}).items()}
            theirs = variable.isel(slices)
            assert answer["dims"] == list(theirs.dims) and answer["shape"] == list(theirs.shape)
            expected = np.where(absent[name].isel(slices).values, np.nan, theirs.values.astype("float64")).astype("float32")
            np.testing.assert_allclose(array(answer), expected, rtol=2e-7, equal_nan=True, err_msg=f"{file} {name} {pick}")


@pytest.mark.parametrize("file,variable", [("A1B_north_america.nc", "air_temperature"), ("ostia_monthly.nc", "surface_temperature"), ("atlantic_profiles.nc", "salinity"),
                                           ("rotated_pole.nc", "air_pressure_at_sea_level"), ("hybrid_height.nc", "air_potential_temperature")])
def test_nearest_values_and_ranges_of_real_files(con, rng, iris_data, file, variable):
    data = opened(iris_data / file)[variable]
    axes = [dim for dim in data.dims if dim in data.coords and dim != "time"]
    near, between = [], []
    for _ in range(60):
        inside = {dim: float(rng.uniform(data[dim].min(), data[dim].max())) for dim in axes}
        near.append(inside)
        between.append({dim: sorted([v, float(rng.uniform(data[dim].min(), data[dim].max()))]) for dim, v in inside.items()})
    for values, answer in zip(near, rows(con, iris_data / file, variable, near), strict=True):
        theirs = data.sel(values, method="nearest")
        np.testing.assert_array_equal(array(answer), theirs.values.astype("float32"), err_msg=f"{values}")
        for dim in axes:
            assert answer["coords"][dim] == [float(theirs[dim])]
    checked = 0
    for values in between:
        slices = {dim: slice(*(v if data[dim][0] <= data[dim][-1] else v[::-1])) for dim, v in values.items()}
        theirs = data.sel(slices)
        if theirs.size:
            [answer] = rows(con, iris_data / file, variable, [values])
            np.testing.assert_array_equal(array(answer), theirs.values.astype("float32"), err_msg=f"{values}")
            checked += 1
    assert checked > 3


def test_times_are_selected_as_xarray_selects_them(con, iris_data):
    data = xr.open_dataset(iris_data / "ostia_monthly.nc")["surface_temperature"]
    for wanted, slices in {"'2007'": slice("2007", "2007"), "'2007-03'": slice("2007-03", "2007-03")}.items():
        [(answer,)] = con.execute(f"SELECT read_array('{iris_data}/ostia_monthly.nc', 'surface_temperature', {{time: [{wanted}, {wanted}], latitude: 0, longitude: 10}})").fetchall()
        theirs = data.sel(time=slices).sel(latitude=0, longitude=10, method="nearest")
        np.testing.assert_array_equal(array(answer), theirs.values)
        assert answer["times"] == theirs.time.values.astype("datetime64[us]").tolist()
    for instant in data.time.values[::7]:
        moment = (instant + np.timedelta64(3, "D")).astype("datetime64[us]").item()
        [answer] = rows(con, iris_data / "ostia_monthly.nc", "surface_temperature", [{"time": moment, "latitude": 0.0}])
        np.testing.assert_array_equal(array(answer), data.sel(time=moment, latitude=0, method="nearest").values)


def test_a_360_day_calendar_keeps_its_dates(con, iris_data):
    times = xr.open_dataset(iris_data / "E1_north_america.nc", decode_times=xr.coders.CFDatetimeCoder(use_cftime=True)).time.values
    [(ours,)] = con.execute(f"SELECT read_array('{iris_data}/E1_north_america.nc', 'air_temperature', {{latitude: 40, longitude: 260}}).times").fetchall()
    assert [(t.year, t.month, t.day, t.hour) for t in ours] == [(t.year, t.month, t.day, t.hour) for t in times]


def test_a_time_that_is_none_or_can_not_be_decoded_leaves_the_rest_readable(con, tmp_path):
    path = tmp_path / "a.nc"
    time = np.array(["2000-01-01", "2000-01-02", "NaT", "2000-03-01"], "M8[ns]")
    xr.Dataset({"v": ("time", np.arange(4.0))}, {"time": time}).to_netcdf(path)
    theirs = [None if np.isnat(t) else t for t in xr.open_dataset(path).time.values.astype("M8[us]")]
    assert con.execute(f"SELECT read_array('{path}', 'v').times").fetchone()[0] == [t and t.item() for t in theirs]
    assert con.execute(f"SELECT read_array('{path}', 'v', {{time: '2000-03'}}).data").fetchone()[0] == [3]
    xr.Dataset({"v": ("time", np.arange(4.0))}, {"time": ("time", [0, 1, 2, 3], {"units": "months since 2000-01-01", "calendar": "standard"})}).to_netcdf(path)
    assert con.execute(f"SELECT a.data, a.times, a.coords['time'] FROM (SELECT read_array('{path}', 'v', {{isel: {{time: [1, 2]}}}}) AS a)").fetchone() == ([1, 2], None, [1, 2])
    assert con.execute(f"SELECT data, coord, time FROM read_array('{path}', 'v', sel := {{time: 2}})").fetchall() == [([2], None, None)]
    with pytest.raises(Exception, match="(?s)months since 2000-01-01.*Select by index"):
        con.execute(f"SELECT read_array('{path}', 'v', {{time: '2000-02'}})")


def test_a_month_of_many_times_is_no_single_time(con, tmp_path):
    """xarray takes all of them; a dimension that comes and goes with the data has no place in SQL."""
    path = tmp_path / "a.nc"
    data = xr.Dataset({"v": ("time", np.arange(248.0))}, {"time": np.arange("2023-06-01", "2023-08-02", 6, "M8[h]").astype("M8[ns]")[:248]})
    data.to_netcdf(path)
    for asked, month in [("'2023-06'", "2023-06"), ("DATE '2023-06-02'", "2023-06-02")]:
        want = data.v.sel(time=month).values.tolist()
        with pytest.raises(Exception, match=f"""(?s)axis "time" has {len(want)} values from 2023-06-0. 00:00:00 to .*or a TIMESTAMP""") as error:
            con.execute(f"SELECT read_array('{path}', 'v', {{time: {asked}}})")
        remedy = re.search(r"Give (\[.*?\])", str(error.value))[1]
        assert con.execute(f"SELECT read_array('{path}', 'v', {{time: {remedy}}}).data").fetchone()[0] == want
    assert con.execute(f"SELECT read_array('{path}', 'v', {{time: '2023-06-02 06:00'}}).data").fetchone()[0] == [5]


def test_a_month_of_no_time_is_refused(con, tmp_path):
    """xarray gives an array without a step, or a KeyError."""
    data = xr.Dataset({"v": ("time", [1.0, 3.0, 4.0])}, {"time": np.array(["2018-01-01", "2018-03-01", "2018-04-01"], "M8[ns]")})
    data.to_netcdf(tmp_path / "gap.nc")
    for month in ("2018-02", "2017-12", "2017"):
        try:
            assert data.v.sel(time=month).size == 0
        except KeyError:
            pass
        with pytest.raises(Exception, match=r'is not on axis "time", which has 3 values'):
            con.execute(f"SELECT read_array('{tmp_path}/gap.nc', 'v', {{time: '{month}'}})").fetchall()
    assert con.execute(f"SELECT read_array('{tmp_path}/gap.nc', 'v', {{time: '2018-03'}}).data").fetchone()[0] == [3]


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_CLASSIC"])
@pytest.mark.parametrize("replace", [True, False])
def test_a_file_that_is_written_anew_while_open_is_read_anew(con, tmp_path, format, replace):
    path = tmp_path / "a.nc"
    window = "{row_off: 0, col_off: 0, height: 5, width: 10}"
    for turn in range(1, 5):
        if replace:
            path.unlink(missing_ok=True)
        with netCDF4.Dataset(path, "w", format=format) as out:
            out.createDimension("y", 5), out.createDimension("x", 10 * turn)
            out.createVariable("v", "f4", ("y", "x"))[:] = turn
        reads = [f"SELECT read_array('{path}', 'v').data[50 * {turn}]", f"SELECT max(data[10 * {turn}]) FROM read_array('{path}', 'v')",
                 f"SELECT read_patch('{path}', {window})[50]", f"SELECT shape[2] / 10 FROM read_variables('{path}')"]
        for read in reads[turn % 4:] + reads[:turn % 4]:
            assert con.execute(read).fetchone() == (turn,), (turn, read)


def test_several_files_are_one_time_axis(con, iris_data):
    files = sorted((iris_data / "NEMO").glob("nemo_1m_*.nc"))
    theirs = xr.concat([xr.open_dataset(file)["tos"] for file in files], "time_counter")
    glob = iris_data / "NEMO/nemo_1m_*.nc"
    answer = con.execute(f"SELECT read_array('{glob}', 'tos', {{isel: {{y: [100, 109], x: {{stop: 50, step: 7}}}}}})").fetchone()[0]
    np.testing.assert_array_equal(array(answer), theirs.isel(y=slice(100, 110), x=slice(0, 50, 7)).values)
    assert [(t.year, t.month, t.day, t.hour) for t in answer["times"]] == [(t.year, t.month, t.day, t.hour) for t in theirs.time_centered.values]
    for k, wanted in enumerate(["2015-01", "2015-02", "2015-03"]):
        answer = con.execute(f"SELECT read_array({sql_list(files)}, 'tos', {{time: '{wanted}', isel: {{y: 200}}}})").fetchone()[0]
        np.testing.assert_array_equal(array(answer), theirs.isel(time_counter=k, y=200).values)
    streamed = con.execute(f"SELECT path, time, data FROM read_array('{glob}', 'tos', sel := {{time: ['2015-02-01', '2015-03-31']}}, fill := 'nan')").fetchall()
    assert [row[0] for row in streamed] == [str(file) for file in files[1:]]
    np.testing.assert_array_equal(np.array([row[2] for row in streamed], "float32"), theirs.values[1:].reshape(2, -1))


def written(path, **options):
    """A packed cube with every kind of axis, as a netCDF file."""
    rng = np.random.default_rng(3)
    time = xr.date_range("1999-12-30", periods=40, freq="6h")
    data = xr.Dataset({"t2m": (("time", "member", "lat", "lon"), rng.normal(280, 10, (40, 2, 19, 36)).astype("float32")), "level": (("time", "lat"), rng.integers(-5, 99, (40, 19)).astype("int64"))},
                      {"time": time, "member": [3, 7], "lat": ("lat", np.linspace(90, -90, 19), {"units": "degrees_north"}), "lon": ("lon", np.arange(-180.0, 180, 10), {"units": "degrees_east"})})
    data["t2m"][5, 1, 3] = np.nan
    data["t2m"].encoding = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768, "zlib": True, "chunksizes": (7, 1, 10, 20)}
    data.to_netcdf(path, **options)
    return xr.open_dataset(path)


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_64BIT"])
def test_packed_cubes_by_every_kind_of_axis(con, rng, tmp_path, format):
    if format != "NETCDF4":
        theirs = written(tmp_path / "four.nc")
        theirs["t2m"].encoding = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768}
        theirs.drop_vars("level").to_netcdf(tmp_path / "a.nc", format=format)
        theirs = xr.open_dataset(tmp_path / "a.nc")
    else:
        theirs = written(tmp_path / "a.nc")
    selections, answers = [], []
    for _ in range(200):
        lat, lon, member = float(rng.uniform(-90, 90)), float(rng.uniform(-180, 540)), int(rng.choice([3, 7]))
        when = datetime.datetime(1999, 12, 30) + datetime.timedelta(hours=float(rng.uniform(0, 234)))
        selections.append({"time": when, "member": member, "lat": lat, "lon": lon})
        lon = (lon + 180) % 360 - 180
        if lon > 175:
            lon -= 360
        answers.append(theirs["t2m"].sel(time=when, member=member, method="nearest").sel(lat=lat, lon=lon, method="nearest").item())
    ours = [array(answer).item() for answer in rows(con, tmp_path / "a.nc", "t2m", selections)]
    np.testing.assert_allclose(ours, answers, rtol=1e-6, equal_nan=True)
    window = {"time": ["1999-12-31", "2000-01-02"], "lat": [-35.0, 35.0], "lon": [150.0, 210.0]}
    [answer] = rows(con, tmp_path / "a.nc", "t2m", [window])
    east = [150, 160, 170, -180, -170, -160, -150]
    expected = theirs["t2m"].sel(time=slice("1999-12-31", "2000-01-02"), lat=slice(35, -35)).sel(lon=east)
    np.testing.assert_allclose(array(answer), expected.values, rtol=1e-6, equal_nan=True)
    assert answer["coords"]["lon"] == [150, 160, 170, 180, 190, 200, 210]
    assert answer["times"] == expected.time.values.astype("datetime64[us]").tolist()


def test_stored_numbers_their_types_and_fills(con, tmp_path):
    written(tmp_path / "a.nc")
    stored = xr.open_dataset(tmp_path / "a.nc", mask_and_scale=False)
    by = "isel := {time: 5, member: 1}"
    path = tmp_path / "a.nc"
    raw = con.execute(f"SELECT data, typeof(data) FROM read_array('{path}', 't2m', {by}, scaled := false, masked := false)").fetchall()
    np.testing.assert_array_equal([row[0] for row in raw], stored["t2m"].isel(time=5, member=1).values)
    assert {row[1] for row in raw} == {"SMALLINT[]"}
    assert con.execute(f"SELECT typeof(data) FROM read_array('{path}', 't2m', {by}) LIMIT 1").fetchone() == ("FLOAT[]",)
    assert con.execute(f"SELECT typeof(data) FROM read_array('{path}', 'level', dtype := 'float64') LIMIT 1").fetchone() == ("DOUBLE[]",)
    np.testing.assert_array_equal([row[0] for row in con.execute(f"SELECT data FROM read_array('{path}', 'level')").fetchall()], stored["level"].values)
    dense = con.execute(f"SELECT read_array('{path}', 't2m', {{isel: {{time: 5, member: 1}}, fill: -1}}).data").fetchone()[0]
    assert dense.count(-1) == 36 and None not in dense


def test_every_missing_value_is_none_and_sums_are_numbers(con, tmp_path):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as out:
        out.createDimension("x", 5)
        for name, dtype, missing in (("i", "i2", [2, 7]), ("f", "f4", [2, 7]), ("l", "i8", [2**60 + 1, 7])):
            variable = out.createVariable(name, dtype, ("x",))
            variable.missing_value = np.array(missing, dtype)
            variable[:] = np.array([0, missing[0], 3, 7, 2**60 if name == "l" else 8], dtype)
    for name in "ifl":
        theirs = xr.open_dataset(path)[name].values if name != "l" else np.array([0, np.nan, 3, np.nan, 2**60])
        np.testing.assert_array_equal(array(con.execute(f"SELECT read_array('{path}', '{name}')").fetchone()[0]), theirs.astype("float32"))
    assert con.execute(f"SELECT read_array('{path}', 'i', {{isel: {{x: sum(i)}}}}).data FROM range(3) t(i)").fetchone()[0] == [None]
    assert con.execute(f"SELECT read_array('{path}', 'i', {{isel: {{x: 2::UBIGINT}}}}).data").fetchone()[0] == [3]


def test_a_row_a_place_on_the_first_dimension_in_order(con, tmp_path):
    theirs = written(tmp_path / "a.nc")["t2m"]
    for sel, expected in {"isel := {time: {start: 3, step: 5}}": theirs.isel(time=slice(3, None, 5)), "isel := {time: 0}": theirs.isel(time=0), "sel := {lon: [170, 200]}": theirs.sel(lon=[170, -180, -170, -160])}.items():
        got = con.execute(f"SELECT place, time, coord, data, shape, dims FROM read_array('{tmp_path}/a.nc', 't2m', {sel}, fill := 'nan')").fetchall()
        np.testing.assert_allclose(np.array([row[3] for row in got], "float32"), expected.values.reshape(len(expected), -1), rtol=1e-6, equal_nan=True)
        assert all(row[4] == list(expected.shape[1:]) and row[5] == list(expected.dims[1:]) for row in got)
        assert [row[2] for row in got] == ([None] * len(got) if "time" in expected.dims else expected.member.values.tolist())
    assert con.execute(f"SELECT count(*), min(time), max(time) FROM read_array('{tmp_path}/a.nc', 't2m')").fetchone() == (40, datetime.datetime(1999, 12, 30), datetime.datetime(2000, 1, 8, 18))


def test_a_stream_keeps_within_its_memory(tmp_path):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(str(tmp_path / "a.zarr"), shape=(400, 1024, 1024), chunks=(10, 256, 256), dtype="float32", zarr_format=3, compressors=zarr.codecs.ZstdCodec())
    for k in range(0, 400, 10):
        array[k:k + 10] = np.full((10, 1024, 1024), k, "float32")
    code = OPEN_EXTENSION + f"""
con.execute("SET geoquilt_block_cache_mb = 64")
con.execute("SET enable_progress_bar = false")
print(con.execute("SELECT count(*), sum(len(data)), max(data[1]) FROM read_array('{tmp_path}/a.zarr', 'a')").fetchone())
import resource
print(int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) >> 10)
"""
    done = run_python(code, timeout=300)
    counts, peak = done.stdout.strip().splitlines()
    assert counts == "(400, 419430400, 390.0)", done.stderr
    assert int(peak) < 700, peak


def write_grib(path, days=4):
    """A message a day of a global field, by eccodes; gives the values as eccodes unpacks them, [day, lat, lon]."""
    eccodes = pytest.importorskip("eccodes")
    fields = []
    with open(path, "wb") as out:
        for day in range(days):
            message = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
            for key, value in dict(Ni=36, Nj=19, latitudeOfFirstGridPointInDegrees=90, longitudeOfFirstGridPointInDegrees=0, latitudeOfLastGridPointInDegrees=-90,
                                   longitudeOfLastGridPointInDegrees=350, iDirectionIncrementInDegrees=10, jDirectionIncrementInDegrees=10, dataDate=20200101 + day, dataTime=1200, shortName="2t", bitsPerValue=16).items():
                eccodes.codes_set(message, key, value)
            eccodes.codes_set_values(message, (280 + 10 * np.sin(np.arange(19 * 36) / 50) + day).astype("float64"))
            fields.append(eccodes.codes_get_values(message).reshape(19, 36))
            eccodes.codes_write(message, out)
            eccodes.codes_release(message)
    return np.stack(fields)


def test_grib_is_read_as_eccodes_unpacks_it(con, tmp_path):
    fields = write_grib(tmp_path / "a.grib2")
    [(name, dims)] = con.execute(f"SELECT variable, dims FROM '{tmp_path}/a.grib2' WHERE len(shape) = 3").fetchall()
    answer = con.execute(f"SELECT read_array('{tmp_path}/a.grib2', '{name}')").fetchone()[0]
    lat, lon = (np.array(answer["coords"][dim]) for dim in dims[1:])
    expected = fields[:, np.round((90 - lat) / 10).astype(int)][:, :, np.round(lon % 360 / 10).astype(int)]
    # GDAL gives degrees Celsius, and says so in the unit.
    np.testing.assert_allclose(array(answer) + 273.15, expected, atol=2e-3)
    assert answer["times"] == [datetime.datetime(2020, 1, day, 12) for day in range(1, 5)]
    point = con.execute(f"SELECT read_array('{tmp_path}/a.grib2', '{name}', {{time: '2020-01-03', lat: 41, lon: -11}})").fetchone()[0]
    np.testing.assert_allclose(point["data"][0] + 273.15, fields[2, 5, 35], atol=2e-3)


def grib_message(sample, values, **keys):
    eccodes = pytest.importorskip("eccodes")
    message = eccodes.codes_grib_new_from_samples(sample)
    grid = dict(Ni=36, Nj=19, latitudeOfFirstGridPointInDegrees=90, longitudeOfFirstGridPointInDegrees=0, latitudeOfLastGridPointInDegrees=-90, longitudeOfLastGridPointInDegrees=350, iDirectionIncrementInDegrees=10, jDirectionIncrementInDegrees=10, bitsPerValue=16)
    for key, value in {**grid, **keys}.items():
        eccodes.codes_set(message, key, value)
    eccodes.codes_set_values(message, values)
    return message


def test_fields_that_share_a_grib_message_keep_their_own_values(con, tmp_path):
    """As NCEP writes winds: GDAL takes the second field for the first."""
    eccodes = pytest.importorskip("eccodes")
    fields = {"UGRD": 5 + np.arange(19 * 36) / 100, "VGRD": -7 - np.arange(19 * 36) / 100}
    both = eccodes.codes_grib_multi_new()
    for short, values in zip(("10u", "10v"), fields.values()):
        eccodes.codes_grib_multi_append(grib_message("regular_ll_sfc_grib2", values, shortName=short), 4, both)
    with open(tmp_path / "a.grib2", "wb") as out:
        eccodes.codes_grib_multi_write(both, out)
    for name, values in list(fields.items()) * 2:
        data = con.execute(f"SELECT read_array('{tmp_path}/a.grib2', '{name}_10-HTGL').data").fetchone()[0]
        np.testing.assert_allclose(np.sort(data), np.sort(values), atol=1e-3)


@pytest.mark.parametrize("sample,packing,words", [("regular_ll_sfc_grib1", "grid_second_order", "second order"), ("regular_ll_sfc_grib2", "grid_jpeg", "JPEG 2000"), ("regular_ll_sfc_grib2", "grid_ccsds", "CCSDS")])
def test_grib_packings_that_can_not_be_unpacked_are_named(con, tmp_path, sample, packing, words):
    eccodes = pytest.importorskip("eccodes")
    with open(tmp_path / "a.grib", "wb") as out:
        eccodes.codes_write(grib_message(sample, 280 + np.sin(np.arange(19 * 36) / 50), packingType=packing), out)
    [(name,)] = con.execute(f"SELECT variable FROM '{tmp_path}/a.grib' WHERE len(shape) = 2").fetchall()
    with pytest.raises(Exception, match=rf'"{name}".*{words}'):
        con.execute(f"SELECT read_array('{tmp_path}/a.grib', '{name}')")
    if packing == "grid_second_order":
        with pytest.raises(Exception, match=words):
            con.execute(f"SELECT read_patch('{tmp_path}/a.grib', {{row_off: 0, col_off: 0, height: 1, width: 3}})")


# --- what is refused -----------------------------------------------------------------------------------

OCEAN = "'test/data/small/ocean.zarr'"


@pytest.mark.parametrize("sql,words", [
    (f"SELECT read_array({OCEAN}, 'tmp')", ['no variable "tmp"', 'Did you mean "temp"', "depth, lat, lon"]),
    (f"SELECT read_array({OCEAN}, 'temp', {{dept: 5}})", ['"dept"', 'Did you mean "depth"', "time, depth, lat, lon"]),
    (f"SELECT read_array({OCEAN}, 'temp', {{depth: 500}})", ["500", '"depth"', "from 5 m to 15 m"]),
    (f"SELECT read_array({OCEAN}, 'temp', {{time: '1999'}})", ["1999-01-01", '"time"', "2020-01-15"]),
    (f"SELECT read_array({OCEAN}, 'temp', {{lat: [30, 40]}})", ["30 to 40", '"lat"', "from 5 degrees_north to 25"]),
    (f"SELECT read_array({OCEAN}, 'temp', {{lat: [20, 10]}})", ["ends before it starts"]),
    (f"SELECT read_array({OCEAN}, 'temp', {{lon: [350, 10]}})", ["ends before it starts", "[-10, 10] runs east over the seam"]),
    (f"SELECT read_array({OCEAN}, 'temp', {{lat: [1, 2, 3]}})", ["read_array(lat)", "two of them"]),
    (f"SELECT read_array({OCEAN}, 'temp', {{time: 3}})", ["TIMESTAMP", "time axis"]),
    (f"SELECT read_array({OCEAN}, 'temp', {{lat: '2020'}})", ["not a time axis"]),
    (f"SELECT read_array({OCEAN}, 'temp', {{lat: 'north'}})", ["read_array(lat)", "north"]),
    (f"SELECT read_array({OCEAN}, 'temp', {{isel: {{lat: 3}}}})", ["index 3", "0 to 2"]),
    (f"SELECT read_array({OCEAN}, 'temp', {{isel: {{lat: 1.5}}}})", ["read_array(isel.lat)", "1.5"]),
    (f"SELECT read_array({OCEAN}, 'temp', {{isel: {{lat: 1}}, lat: 5}})", ["selected twice"]),
    (f"SELECT read_array({OCEAN}, 'temp', {{tolerance: -1}})", ["read_array(tolerance)"]),
    (f"SELECT read_array({OCEAN}, 'temp', {{lat: 10, tolerance: 1}})", ['10 is not on axis "lat"']),
    (f"SELECT read_array({OCEAN}, 'temp', {{fill: 'none'}})", ["read_array(fill)"]),
    (f"SELECT read_array({OCEAN}, 'temp', 5)", ["read_array(selection)", "a struct"]),
    ("SELECT read_array('absent.zarr', 'temp')", ["absent.zarr", "does not exist"]),
    ("SELECT read_array('test/data/small', 'temp')", ["directory"]),
    ("SELECT read_array('README.md', 'temp')", ["README.md"]),
    ("SELECT read_array('*.zarr', 'temp')", ["no file matches"]),
    ("SELECT read_array([]::VARCHAR[], 'temp')", ["read_array(path)"]),
    (f"FROM read_array({OCEAN}, 'temp', dtype := 'int8')", ["read_array(dtype)", "float32"]),
    (f"FROM read_array({OCEAN}, 'temp', scaled := false, fill := 'nan')", ["read_array(fill)", "int16"]),
    (f"FROM read_array({OCEAN}, NULL)", ["read_array(variable)"]),
    (f"FROM read_array({OCEAN}, 'temp', isel := 3)", ["read_array(isel)"]),
    (f"FROM read_array({OCEAN}, 'temp', isel := {{depht: 3}})", ['Did you mean "depth"']),
    (f"FROM read_array({OCEAN}, 'temp', slice := 5)", ["read_array(slice)", "geo_slice"]),
    (f"FROM read_array({OCEAN}, 'temp', slice := NULL)", ["read_array(slice)", "geo_slice"]),
    (f"FROM read_array({OCEAN}, 'temp', resampling := 'cubic')", ["read_array(resampling)", "slice"]),
    (f"FROM read_array({OCEAN}, 'temp', isel := {{lat: 0}}, slice := geo_slice({{xmin: 0, ymin: 0, xmax: 20, ymax: 20}}, 10, 'EPSG:4326'))", ["read_array(slice)", '"lat"']),
])
def test_what_is_refused_names_what_there_is(con, sql, words):
    with pytest.raises(Exception) as caught:
        con.execute(sql).fetchall()
    message = str(caught.value)
    assert "internal" not in message.lower()
    for word in words:
        assert word in message, f"{word!r} is not in: {message}"


def test_null_in_null_out(con):
    assert con.execute(f"SELECT read_array(NULL, 'temp'), read_array({OCEAN}, NULL), read_array({OCEAN}, 'temp', NULL), read_array({OCEAN}, 'temp', {{lat: NULL}})").fetchone() == (None,) * 4


def test_too_much_for_one_chunk_names_the_stream(tmp_path):
    written(tmp_path / "a.nc")
    con = connect()
    con.execute("SET geoquilt_max_chunk_mb = 1")
    con.execute(f"SELECT read_array('{tmp_path}/a.nc', 't2m')").fetchall()
    with pytest.raises(Exception, match="FROM read_array"):
        con.execute(f"SELECT read_array('{tmp_path}/a.nc', 't2m', {{isel: {{time: {{stop: 40 - i}}}}}}) FROM range(10) t(i)").fetchall()


def test_curvilinear_coordinates_ask_for_indices(con, iris_data):
    with pytest.raises(Exception, match=r"isel: \{y: \.\.\., x: \.\.\.\}"):
        con.execute(f"SELECT read_array('{iris_data}/NEMO/nemo_1m_20150101-20150201_grid-T.nc', 'tos', {{lat: 40}})")


def test_damaged_netcdf_is_an_error_or_other_values_and_nothing_else(tmp_path):
    written(tmp_path / "a.nc")
    code = OPEN_EXTENSION + f"""
import pathlib, random
random.seed(5)
path = pathlib.Path('{tmp_path}/a.nc')
whole = path.read_bytes()
refused = 0
for round in range(300):
    data = bytearray(whole)
    if round % 3 == 0:
        del data[random.randrange(len(data)):]
    else:
        for _ in range(random.choice([1, 3, 20])):
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    path.write_bytes(data)
    try:
        con.execute("SELECT sum(len(data)) FROM read_array(?, 't2m')", [str(path)]).fetchall()
    except Exception as error:
        refused += 1
        assert "internal" not in str(error).lower(), (round, str(error))
path.write_bytes(whole)
assert refused > 80, refused
assert con.execute("SELECT sum(len(data)) FROM read_array(?, 't2m')", [str(path)]).fetchone() == (40 * 2 * 19 * 36,)
"""
    done = run_python(code, timeout=180)
    assert done.returncode == 0, done.stderr[-2000:]


# --- onto a slice --------------------------------------------------------------------------------------


def onto(con, path, variable, box, resolution, crs, **options):
    sql = f"SELECT read_array($path, $variable, {{slice: geo_slice({{xmin: {box[0]}, ymin: {box[1]}, xmax: {box[2]}, ymax: {box[3]}}}, {resolution}, '{crs}'), {', '.join(f'{k}: {v}' for k, v in options.items())}}})"
    answer = con.execute(sql, {"path": str(path), "variable": variable}).fetchone()[0]
    return array(answer), answer


def warped_exactly(planes, transform, crs, grid, shape, resampling):
    """rasterio's warp of planes in degrees, each pixel projected: its reproject takes no tolerance."""
    count, height, width = planes.shape
    with rasterio.MemoryFile() as memory:
        with memory.open(driver="GTiff", count=count, height=height, width=width, dtype="float64", crs="EPSG:4326", transform=transform, nodata=np.nan) as file:
            file.write(planes)
        with memory.open() as file, WarpedVRT(file, crs=crs, transform=grid, height=shape[0], width=shape[1], resampling=rasterio.enums.Resampling[resampling], tolerance=1e-9) as vrt:
            return vrt.read()


@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "cubic", "average"])
@pytest.mark.parametrize("crs,box,resolution", [("EPSG:32633", (300000, 4000000, 900000, 5200000), 50000), ("EPSG:4326", (100, -30, 160, 20), 4), ("EPSG:3035", (3000000, 2000000, 6000000, 4500000), 100000)])
def test_planes_onto_a_slice_as_gdals_warper_has_them(con, tmp_path, resampling, crs, box, resolution):
    theirs = written(tmp_path / "a.nc")["t2m"].isel(time=slice(0, 2), member=0)
    ours, answer = onto(con, tmp_path / "a.nc", "t2m", box, resolution, crs, isel="{member: 0, time: [0, 1]}", resampling=f"'{resampling}'")
    height, width = answer["shape"][1:]
    assert answer["dims"] == ["time", "y", "x"] and len(answer["times"]) == 2
    assert answer["coords"]["x"][0] == box[0] + resolution / 2 and answer["coords"]["y"][0] == box[3] - resolution / 2
    # The cells reach half a step over the poles; a grid that goes around the globe has no seam for us, so the oracle is rolled to have it elsewhere.
    expected = warped_exactly(theirs.values.astype("float64"), from_origin(-185, 95, 10, 10), crs, from_origin(box[0], box[3], resolution, resolution), (height, width), resampling)
    np.testing.assert_allclose(ours, expected.astype("float32"), rtol=1e-5, equal_nan=True)
    slice_ = f"geo_slice({{xmin: {box[0]}, ymin: {box[1]}, xmax: {box[2]}, ymax: {box[3]}}}, {resolution}, '{crs}')"
    streamed = con.execute(f"SELECT place, time, data, shape, dims FROM read_array('{tmp_path}/a.nc', 't2m', isel := {{member: 0, time: [0, 1]}}, slice := {slice_}, resampling := '{resampling}', fill := 'nan')").fetchall()
    assert [row[:2] + row[3:] for row in streamed] == [(k, time, [height, width], ["y", "x"]) for k, time in enumerate(answer["times"])]
    np.testing.assert_array_equal(np.array([row[2] for row in streamed], "float32").reshape(ours.shape), ours)


def test_a_stream_onto_a_slice_keeps_stored_types_and_every_other_dimension(con, tmp_path):
    theirs = written(tmp_path / "a.nc")
    stored = xr.open_dataset(tmp_path / "a.nc", mask_and_scale=False)["t2m"]
    theirs["t2m"].transpose("lon", "time", "lat", "member").to_dataset().to_netcdf(tmp_path / "b.nc")
    box = "geo_slice({xmin: -45, ymin: -35, xmax: 55, ymax: 65}, 10, 'EPSG:4326', TIMESTAMP '1999-12-31', TIMESTAMP '2000-01-03')"
    expected = stored.sel(time=slice("1999-12-31", "2000-01-03T00"), lat=slice(60, -30), lon=slice(-40, 50))
    for file in ("a", "b"):
        rows = con.execute(f"SELECT time, data, typeof(data), shape, dims FROM read_array('{tmp_path}/{file}.nc', 't2m', slice := {box}, scaled := false, masked := false)").fetchall()
        assert [row[0] for row in rows] == expected.time.values.astype("datetime64[us]").tolist()
        assert {tuple(map(str, row[2:])) for row in rows} == {("SMALLINT[]", "[2, 10, 10]", "['member', 'y', 'x']")}
        np.testing.assert_array_equal(np.array([row[1] for row in rows]), expected.values.reshape(len(rows), -1))
    [(kind,)] = con.execute(f"SELECT DISTINCT typeof(data) FROM read_array('{tmp_path}/a.nc', 't2m', slice := {box}, scaled := false, resampling := 'average')").fetchall()
    assert kind == "FLOAT[]"


@pytest.mark.parametrize("box", [(-35, -25, 45, 35), (135, -25, 235, 35), (-185, -55, 175, 55), (325, 5, 405, 45)])
def test_a_grid_around_the_globe_has_no_seam(con, rng, tmp_path, box):
    lon, lat = np.arange(0, 360, 10.0), np.arange(-85, 86, 10.0)
    field = rng.normal(0, 1, (18, 36)).astype("float32")
    xr.Dataset({"v": (("lat", "lon"), field)}, {"lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east"})}).to_netcdf(tmp_path / "a.nc")
    ours, answer = onto(con, tmp_path / "a.nc", "v", box, 10, "EPSG:4326")
    x, y = np.array(answer["coords"]["x"]), np.array(answer["coords"]["y"])
    np.testing.assert_array_equal(ours, field[np.ix_(np.searchsorted(lat, y), (np.round(x / 10) % 36).astype(int))])
    smooth, _ = onto(con, tmp_path / "a.nc", "v", (-5, -5, 5, 5), 2, "EPSG:4326", resampling="'bilinear'")
    assert np.isfinite(smooth).all()


@pytest.mark.parametrize("left,step", [(0, 1), (-180, 1), (0, -1)])
@pytest.mark.parametrize("resampling", ["bilinear", "cubic", "average"])
def test_a_wide_slice_has_no_seam_either(con, rng, tmp_path, left, step, resampling):
    """Cells as of a reanalysis, around each longitude, against rasterio on the same with further turns on both sides."""
    lon, lat = left + np.arange(0, 360, 2.5), np.arange(-88.75, 90, 2.5)
    field = rng.random((72, 144)).astype("float32") * 10
    cube = xr.Dataset({"v": (("lat", "lon"), field)}, {"lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east"})})
    cube.isel(lon=slice(None, None, step)).to_netcdf(tmp_path / "a.nc")
    source = np.tile(field[::-1], 7).astype("float64")[None]
    edge = 20037508.342789244
    for crs, box, resolution in [("EPSG:4326", (-180, 0, 180, 10), 1), ("EPSG:4326", (0, 0, 360, 10), 1), ("EPSG:4326", (170, 0, 540, 10), 1), ("EPSG:3857", (-edge, -1000000, edge, 1000000), edge / 200)]:
        ours, answer = onto(con, tmp_path / "a.nc", "v", box, resolution, crs, resampling=f"'{resampling}'")
        expected = warped_exactly(source, from_origin(left - 1.25 - 3 * 360, 90, 2.5, 2.5), crs, from_origin(box[0], box[3], resolution, resolution), ours.shape, resampling)
        np.testing.assert_allclose(ours, expected[0], rtol=1e-4)


def test_nearest_onto_a_slice_is_xarrays_nearest_at_each_pixel(con, rng, tmp_path):
    """Fine pixels over coarse cells, where a place that is a little beside the right one is another cell."""
    lon, lat = np.arange(0, 360, 2.5), np.arange(-90, 90.1, 2.5)
    field = rng.random((73, 144)).astype("float32")
    cube = xr.Dataset({"v": (("lat", "lon"), field)}, {"lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east"})})
    cube.to_netcdf(tmp_path / "a.nc")
    ours, answer = onto(con, tmp_path / "a.nc", "v", (-100000, 4500000, 1100000, 6000000), 25000, "EPSG:32632")
    x, y = np.meshgrid(answer["coords"]["x"], answer["coords"]["y"])
    lons, lats = pyproj.Transformer.from_crs(32632, 4326, always_xy=True).transform(x, y)
    nearest = cube.v.sel(lon=xr.DataArray(lons % 360, dims=("y", "x")), lat=xr.DataArray(lats, dims=("y", "x")), method="nearest")
    np.testing.assert_array_equal(ours, nearest.values)


def test_a_slice_takes_the_last_day_whole(con, tmp_path):
    times = np.arange("2023-06-01", "2023-08-01", 6, dtype="datetime64[h]").astype("datetime64[ns]")
    cube = xr.Dataset({"v": (("time", "lat", "lon"), np.arange(len(times), dtype="float32")[:, None, None] * np.ones((1, 3, 4), "float32"))},
                      {"time": times, "lat": ("lat", [10.0, 11, 12], {"units": "degrees_north"}), "lon": ("lon", [5.0, 6, 7, 8], {"units": "degrees_east"})})
    cube.to_netcdf(tmp_path / "a.nc")
    for start, stop in [("2023-06-01", "2023-06-30"), ("2023-06", "2023-06"), ("2023-07-30", "2023")]:
        ours, _ = onto(con, tmp_path / "a.nc", "v", (4.5, 9.5, 8.5, 12.5), 1, f"EPSG:4326', '{start}', '{stop}")
        np.testing.assert_array_equal(ours, cube.v.sel(time=slice(start, stop)).values[:, ::-1])


@pytest.mark.parametrize("west", [0, -180])
def test_a_grid_that_repeats_its_first_column_goes_around_the_globe(con, rng, tmp_path, west):
    lat, field = np.arange(-85, 86, 10.0), rng.normal(0, 1, (18, 36)).astype("float32")
    for name, columns in {"whole": 36, "repeats": 37}.items():
        xr.Dataset({"v": (("lat", "lon"), field[:, np.arange(columns) % 36])}, {"lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", west + 10.0 * np.arange(columns), {"units": "degrees_east"})}).to_netcdf(tmp_path / f"{name}.nc")
    for box, resolution, crs in [((-35, -25, 45, 35), 4, "EPSG:4326"), ((135, -25, 235, 35), 4, "EPSG:4326"), ((-180, -80, 180, 80), 7, "EPSG:4326"), ((-3e6, -3e6, 3e6, 3e6), 200000, "EPSG:3413")]:
        ours, theirs = (onto(con, tmp_path / f"{name}.nc", "v", box, resolution, crs, resampling="'bilinear'")[0] for name in ("repeats", "whole"))
        np.testing.assert_array_equal(ours, theirs)
        assert np.isfinite(ours).mean() > 0.9


def test_axes_the_other_way_round_and_times_of_the_slice(con, tmp_path):
    theirs = written(tmp_path / "a.nc")
    theirs["t2m"].transpose("lon", "lat", "member", "time").to_dataset().to_netcdf(tmp_path / "b.nc")
    box = (-45, -35, 55, 65)
    straight, a = onto(con, tmp_path / "a.nc", "t2m", box, 10, "EPSG:4326', TIMESTAMP '1999-12-31', TIMESTAMP '1999-12-31 18:00", isel="{member: 0}")
    turned, b = onto(con, tmp_path / "b.nc", "t2m", box, 10, "EPSG:4326', TIMESTAMP '1999-12-31', TIMESTAMP '1999-12-31 18:00", isel="{member: 0}")
    assert a["times"] == b["times"] == [datetime.datetime(1999, 12, 31, h) for h in (0, 6, 12, 18)]
    np.testing.assert_array_equal(straight, turned)


def test_what_can_not_come_onto_a_slice_says_why(con, iris_data, tmp_path):
    written(tmp_path / "a.nc")
    for path, variable, options, word in [(iris_data / "NEMO/nemo_1m_20150101-20150201_grid-T.nc", "tos", {}, "cells of different sizes|no coordinates on the map|regular grid"),
                                          (tmp_path / "a.nc", "t2m", {"lat": 5}, "takes its place"), (tmp_path / "a.nc", "t2m", {"resampling": "'linear'"}, "not a resampling method")]:
        with pytest.raises(Exception, match=word):
            onto(con, path, variable, (0, 0, 20, 20), 10, "EPSG:4326", **options)
    with pytest.raises(Exception, match="without a slice"):
        con.execute(f"SELECT read_array('{tmp_path}/a.nc', 't2m', {{resampling: 'cubic'}})")


def test_variables_are_listed_from_a_path_alone(con, iris_data, tmp_path):
    written(tmp_path / "a.nc")
    rows = con.execute(f"SELECT variable, dims, shape, dtype, chunk, nodata, scale, \"offset\" FROM '{tmp_path}/a.nc' ORDER BY variable").fetchall()
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        assert [row[0] for row in rows] == sorted(file.variables)
        for name, dims, shape, dtype, chunk, nodata, scale, offset in rows:
            variable = file[name]
            assert (tuple(dims), tuple(shape), dtype) == (variable.dimensions, variable.shape, str(variable.dtype))
            assert chunk == (None if variable.chunking() == "contiguous" else variable.chunking())
    assert [row[5:] for row in rows if row[0] == "t2m"] == [(-32768, 0.01, 280)]


@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("box,resolution,crs", [((-30, -30, 30, 30), 5, "EPSG:4326"), ((200000, -1500000, 2600000, 3900000), 300000, "EPSG:32633"), ((150, -40, 215, 40), 2.5, "EPSG:4326")])
def test_a_scene_and_a_cube_of_the_same_field_come_out_aligned(con, box, resolution, crs, resampling):
    """Example K of seed-004: a raster from -180 on and a cube from 0 on, on one slice."""
    slice_ = f"geo_slice({{xmin: {box[0]}, ymin: {box[1]}, xmax: {box[2]}, ymax: {box[3]}}}, {resolution}, '{crs}')"
    scene, cube = con.execute(f"""WITH s AS (SELECT {slice_} AS s) SELECT read_slice('test/data/small/sst_20180101.tif', s, {{resampling: '{resampling}', tolerance: 0}}),
        read_array('test/data/small/sst.nc', 'sst', {{time: '2018-01-01', slice: s, resampling: '{resampling}'}}) FROM s""").fetchone()
    assert cube["shape"] == list(scene["shape"][1:])
    ours, theirs = (np.array([np.nan if v is None else v for v in read["data"]]) for read in (cube, scene))
    seam = np.isnan(theirs) & ~np.isnan(ours)
    assert not (np.isnan(ours) & ~np.isnan(theirs)).any() and seam.mean() < 0.05
    np.testing.assert_allclose(ours[~seam], theirs[~seam], rtol=1e-4)


def h5(path, value):
    with h5py.File(path, "w") as file:
        file.create_dataset("d", data=np.full((2, 2), value, "i4"))


def netcdf(kind):
    def write(path, value):
        with netCDF4.Dataset(path, "w", format=kind) as file:
            for name in ("y", "x"):
                file.createDimension(name, 2)
            file.createVariable("d", "i4", ("y", "x"))[:] = value
    return write


@pytest.mark.parametrize("first", ["read_array('inbox/a.nc', 'd').data", "read_patch('{}', {{row_off: 0, col_off: 0, height: 2, width: 2}})"])
@pytest.mark.parametrize("write", [h5, netcdf("NETCDF4"), netcdf("NETCDF3_CLASSIC")])
def test_a_name_is_the_file_that_it_names_now(con, tmp_path, monkeypatch, write, first):
    """Another folder, and another file of that name: the libraries hand out what they have open by a name."""
    raster = "HDF5:\"inbox/a.nc\"://d" if write is h5 else "NETCDF:\"inbox/a.nc\":d"
    calls = [first.format(raster), "read_array('inbox/a.nc', 'd').data"]
    value = 0
    for folder in ("one", "two", "one"):
        (tmp_path / folder / "inbox").mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        for _ in range(2):
            value += 1
            (tmp_path / folder / "inbox/a.nc").unlink(missing_ok=True)
            write("inbox/a.nc", value)
            for call in calls + calls[::-1]:
                assert con.execute(f"SELECT {call}").fetchone()[0] == [value] * 4, (folder, call)
