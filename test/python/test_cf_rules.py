"""What an array file means, by one rule for every way in: packing, time and place. Each answer is held to netCDF4, xarray, cftime,
ecCodes, pyproj or NumPy."""
import datetime as dt
import json
import struct
import subprocess
import sys

import cftime
import h5py
import netCDF4
import numpy as np
import pyproj
import pytest
import rasterio
import xarray as xr
import zarr

from conftest import EXTENSION, connect, write_raster

EAST, NORTH = {"units": "degrees_east"}, {"units": "degrees_north"}


def ask(con, sql):
    return con.execute(sql).fetchone()[0]


def refused(con, sql):
    """What geoquilt says when it refuses."""
    with pytest.raises(Exception) as error:
        con.execute(sql).fetchall()
    return str(error.value)


def netcdf(path, form="NETCDF4", **variables):
    """A NetCDF file: name=(type, dimensions, stored values, attributes)."""
    with netCDF4.Dataset(path, "w", format=form) as file:
        for _, dims, values, _ in variables.values():
            for name, size in zip(dims, np.shape(values)):
                if name not in file.dimensions:
                    file.createDimension(name, size)
        for name, (kind, dims, values, attributes) in variables.items():
            attributes = dict(attributes)
            variable = file.createVariable(name, kind, dims, fill_value=attributes.pop("_FillValue", None))
            variable.set_auto_maskandscale(False)
            for key, value in attributes.items():
                variable.setncattr(key, value)
            variable[...] = np.asarray(values, kind)
    return str(path)


def on_map(path, kind, values, attributes, form="NETCDF4"):
    """One variable of [2, n] on a grid in degrees."""
    values = np.asarray(values, kind)
    n = values.shape[1]
    return netcdf(path, form, lat=("f8", ("lat",), [1.5, 0.5], NORTH), lon=("f8", ("lon",), np.arange(n) + 0.5, EAST),
                  v=(kind, ("lat", "lon"), values, attributes))


def by_netcdf4(path, name="v"):
    """The values as the netCDF4 library masks and scales them, None where there is none."""
    with netCDF4.Dataset(path) as file:
        return np.ma.asarray(file[name][:]).astype("f8").ravel().tolist()


def array_of(con, path, name="v", selection=""):
    return ask(con, f"SELECT read_array('{path}', '{name}'{selection}).data")


def view_of(con, path, name="v", shape=None, options="{scaled: true}"):
    """The raster view of a variable."""
    rows, cols = shape
    return ask(con, f"SELECT read_patch('NETCDF:\"{path}\":{name}', {{row_off: 0, col_off: 0, height: {rows}, width: {cols}}}, {options})")


# ---------------------------------------------------------------- packing

INTEGERS = [("i1", "NETCDF3_CLASSIC", "true"), ("i2", "NETCDF3_CLASSIC", "true"), ("i4", "NETCDF3_CLASSIC", "true"), ("i1", "NETCDF4", "true"), ("i2", "NETCDF4", "true"),
            ("i4", "NETCDF4", "true"), ("u1", "NETCDF4", "false"), ("u2", "NETCDF4", "false"), ("i2", "NETCDF4", "True")]


@pytest.mark.parametrize("kind,form,says", INTEGERS)
def test_unsigned_says_the_sign_of_every_integer(con, tmp_path, kind, form, says):
    info = np.iinfo(kind)
    stored = [[info.min, 5], [info.max, info.min + 1]]
    attributes = {"_Unsigned": says, "_FillValue": np.array(info.min + 1, kind)}
    path = on_map(tmp_path / "a.nc", kind, stored, attributes, form)
    other = np.dtype(("u" if kind[0] == "i" else "i") + kind[1])
    expected = np.array(stored, kind).view(other).astype("f8")
    # The fill value is told in the stored type, whatever the sign.
    expected = [v if v != expected[1, 1] else None for v in expected.ravel()]
    if says == "true":
        assert by_netcdf4(path) == expected
    read = "SELECT data FROM read_array('{}', 'v')".format(path)
    assert sum((row[0] for row in con.execute(read).fetchall()), []) == expected
    view = f"SELECT data FROM read_patch('NETCDF:\"{path}\":v', size := [2, 2])"
    if (kind, form) == ("i1", "NETCDF4"):
        # GDAL has the netCDF library convert these, which refuses.
        assert "not representable" in refused(con, view)
    else:
        assert con.execute(view).fetchone()[0] == expected
    told = con.execute(f"SELECT dtype, nodata FROM read_variables('{path}') WHERE variable = 'v'").fetchone()
    assert told == (other.name, float(np.array(info.min + 1, kind).view(other)))


@pytest.mark.parametrize("kind", ["i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "i1", "u1"])
def test_places_that_were_never_written_have_no_value(con, tmp_path, kind):
    path = str(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "w") as file:
        for name, at, attributes in (("lat", [1.5, 0.5], NORTH), ("lon", [0.5, 1.5, 2.5], EAST)):
            file.createDimension(name, len(at))
            file.createVariable(name, "f8", (name,)).setncatts(attributes)
            file[name][:] = at
        file.createVariable("v", kind, ("lat", "lon"))[0, :2] = [1, 2]
    expected = by_netcdf4(path)
    assert None in expected and expected[:2] == [1, 2]
    if kind in ("i1", "u1"):
        # NetCDF User's Guide: a byte has no value to spare, so that a fill value must be told.
        expected = np.full(6, netCDF4.default_fillvals[kind], "f8").tolist()
        expected[:2] = [1, 2]
    rows = con.execute(f"SELECT data FROM read_array('{path}', 'v')").fetchall()
    assert sum((row[0] for row in rows), []) == expected
    assert con.execute(f"SELECT data FROM read_patch('NETCDF:\"{path}\":v', size := [2, 3])").fetchone()[0] == expected
    assert None not in con.execute(f"SELECT data FROM read_array('{path}', 'v', masked := false)").fetchone()[0]


RANGES = [("i2", {"valid_range": np.array([-5, 100], "i2")}), ("i2", {"valid_min": np.int16(0)}), ("i2", {"valid_max": np.int16(50)}),
          ("f4", {"valid_range": np.array([0, 50.5], "f4")}), ("f4", {"valid_min": np.float32(-5), "valid_max": np.float32(100)}),
          ("i2", {"valid_range": np.array([0, 100], "i2"), "scale_factor": 0.1, "add_offset": 2.0}), ("u1", {"valid_range": np.array([1, 100], "u1")}),
          ("i2", {"missing_value": np.array([-7, 101], "i2")}), ("i2", {"missing_value": np.array([-7, 101], "i2"), "_FillValue": np.int16(50)}),
          ("f4", {"missing_value": np.array([101, -7], "f8")}), ("i4", {"valid_range": np.array([100, 0], "i4")})]


@pytest.mark.parametrize("kind,attributes", RANGES)
def test_what_stands_for_no_value_is_what_netcdf4_masks(con, tmp_path, kind, attributes):
    stored = np.abs([[-7, -5, 0, 50], [51, 100, 101, 7]]) if kind[0] == "u" else [[-7, -5, 0, 50], [51, 100, 101, 7]]
    path = on_map(tmp_path / "a.nc", kind, stored, attributes)
    expected = by_netcdf4(path)
    if attributes.get("valid_range") is not None and attributes["valid_range"][0] > attributes["valid_range"][1]:
        # A range from high to low is none; netCDF4 would mask everything.
        expected = np.array(stored, "f8").ravel().tolist()
    assert array_of(con, path) == pytest.approx(expected)
    assert view_of(con, path, shape=(2, 4)) == pytest.approx(expected)
    slice_ = "geo_slice({xmin: 0, ymin: 0, xmax: 4, ymax: 2}, [4, 2], 'EPSG:4326')"
    mean = array_of(con, path, selection=f", {{slice: {slice_}, resampling: 'average'}}")[0]
    same = ask(con, f"SELECT read_slice('NETCDF:\"{path}\":v', {slice_}, {{resampling: 'average', scaled: true, dtype: 'float32'}}).data")[0]
    there = [v for v in expected if v is not None]
    assert mean == pytest.approx(np.mean(there), rel=1e-6) and same == pytest.approx(mean, rel=1e-6)


def test_a_range_in_floats_for_packed_integers_is_one_of_unpacked_values(con, tmp_path):
    """NetCDF User's Guide, Attribute Conventions: of the type of the unpacked data, it is about those. Both ends are inside."""
    attributes = {"valid_range": np.array([0.0, 5.0], "f4"), "scale_factor": np.float32(0.1), "add_offset": np.float32(0)}
    path = on_map(tmp_path / "a.nc", "i2", [[-1, 0, 3, 49], [50, 51, 5, 100]], attributes)
    expected = [None, 0, 0.3, 4.9, 5.0, None, 0.5, None]
    assert array_of(con, path) == pytest.approx(expected)
    assert view_of(con, path, shape=(2, 4)) == pytest.approx(expected)


def test_a_fill_value_of_another_type_masks_what_the_type_can_hold(con, tmp_path):
    """A classic file may tell a fill value in any type: xr writes so, netCDF4 cannot."""
    path = str(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("x", 4)
        for name, kind, fill in (("a", "i2", np.float64(-9999)), ("b", "f4", np.float64(1e20)), ("c", "i2", np.float64(1e20)), ("d", "f4", np.int32(-9999)), ("e", "i2", "-9999")):
            variable = file.createVariable(name, kind, ("x",))
            variable.set_auto_maskandscale(False)
            variable.missing_value = fill
            variable[:] = np.array([1, 2, -9999, 32767 if kind == "i2" else 1e20], kind)
    assert array_of(con, path, "a") == [1, 2, None, 32767]
    assert array_of(con, path, "b") == [1, 2, -9999, None]
    assert array_of(con, path, "c") == [1, 2, -9999, 32767]
    assert array_of(con, path, "d")[:3] == [1, 2, None]
    assert array_of(con, path, "e") == [1, 2, None, 32767]


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_packs_by_the_same_rule(con, tmp_path, version):
    store = str(tmp_path / "a.zarr")
    group = zarr.open_group(store, mode="w", zarr_format=version)
    stored = np.array([0, 1, 2, 3, -1, -2], "i2")

    def write(name, attributes, values=stored):
        more = {"dimension_names": ["x"]} if version == 3 else {}
        array = group.create_array(name, shape=values.shape, dtype=values.dtype, fill_value=np.array(77, values.dtype), **more)
        array[:] = values
        array.attrs.update(attributes if version == 3 else {"_ARRAY_DIMENSIONS": ["x"], **attributes})

    write("list", {"scale_factor": [0.5], "add_offset": [1.0]})
    write("text", {"scale_factor": "0.5", "add_offset": "1"})
    write("valid", {"valid_range": [0, 2]})
    write("many", {"missing_value": [1, -2], "_FillValue": "3"})
    write("unsigned", {"_Unsigned": "true", "_FillValue": -1})
    write("signed", {"_Unsigned": "false", "missing_value": 255}, np.array([0, 200, 255], "u1"))
    write("half", {}, np.array([0.1, 65504, -2], "f2"))
    assert array_of(con, store, "list") == array_of(con, store, "text") == [1, 1.5, 2, 2.5, 0.5, 0]
    assert array_of(con, store, "valid") == [0, 1, 2, None, None, None]
    assert array_of(con, store, "many") == [0, None, 2, None, -1, None]
    assert array_of(con, store, "unsigned") == [0, 1, 2, 3, None, 65534]
    assert array_of(con, store, "signed") == [0, -56, None]
    assert array_of(con, store, "half") == np.array([0.1, 65504, -2], "f2").astype("f4").tolist()


def test_half_floats_are_read_from_every_format(con, tmp_path):
    values = np.array([[1.5, -2, 0.1], [65504, 6e-8, 0]], "f2")
    with h5py.File(tmp_path / "h.h5", "w") as file:
        file["v"] = values
    assert array_of(con, tmp_path / "h.h5") == values.astype("f4").ravel().tolist()
    path = write_raster(tmp_path / "h.tif", values.astype("f4"), nbits=16)
    assert ask(con, f"SELECT data FROM '{path}'") == values.astype("f4").ravel().tolist()
    assert ask(con, f"SELECT bands[1].dtype FROM geo_catalog_build('{path}')") == "float32"


def test_filters_that_only_write_are_passed_over(con, tmp_path):
    from numcodecs import BitRound, Quantize
    values = np.linspace(0.1, 1, 50, dtype="f4")
    for name, filter_ in (("bitround", BitRound(keepbits=8)), ("quantize", Quantize(digits=3, dtype="f4"))):
        array = zarr.create_array(str(tmp_path / f"{name}.zarr"), shape=values.shape, dtype="f4", zarr_format=2, filters=[filter_], compressors=None)
        array[:] = values
        assert array_of(con, tmp_path / f"{name}.zarr", name) == array[:].tolist() != values.tolist()


def test_netcdf_zarr_tells_its_dimensions(con, tmp_path):
    store = tmp_path / "n.zarr"
    store.mkdir()
    (store / ".zgroup").write_text('{"zarr_format": 2}')
    for name, values, dims, attributes in (("v", np.arange(6, dtype="f4").reshape(2, 3), ["/lat", "/lon"], {}), ("lat", np.array([1.5, 0.5]), ["/lat"], NORTH), ("lon", np.array([0.5, 1.5, 2.5]), ["/lon"], EAST)):
        (store / name).mkdir()
        document = {"zarr_format": 2, "shape": values.shape, "chunks": values.shape, "dtype": values.dtype.str, "compressor": None, "filters": None, "order": "C", "fill_value": None,
                    "_NCZARR_ARRAY": {"dimrefs": dims, "storage": "chunked"}}
        (store / name / ".zarray").write_text(json.dumps(document))
        (store / name / ".zattrs").write_text(json.dumps(attributes))
        (store / name / ".".join("0" * values.ndim)).write_bytes(values.tobytes())
    assert xr.open_zarr(store, consolidated=False)["v"].dims == ("lat", "lon")
    assert ask(con, f"SELECT dims FROM read_variables('{store}') WHERE variable = 'v'") == ["lat", "lon"]
    assert array_of(con, store, selection=", {lon: 1.5}") == [1, 4]


def test_flags_of_letters_along_a_dimension_of_numbers_are_codes(con, tmp_path):
    path = str(tmp_path / "argo.nc")
    for form in ("NETCDF3_CLASSIC", "NETCDF4"):
        with netCDF4.Dataset(path, "w", format=form) as file:
            for name, size in (("N_PROF", 2), ("N_LEVELS", 3), ("STRING8", 8)):
                file.createDimension(name, size)
            file.createVariable("TEMP", "f4", ("N_PROF", "N_LEVELS"))[:] = [[20, 19, 18], [17, 16, 15]]
            file.createVariable("TEMP_QC", "S1", ("N_PROF", "N_LEVELS"), fill_value=b" ")[:] = np.array([["1", "4", " "], ["1", "2", "1"]], "S1")
            file.createVariable("PLATFORM", "S1", ("N_PROF", "STRING8"))[:] = netCDF4.stringtochar(np.array(["1901234 ", "1905678 "], "S8"))
        assert array_of(con, path, "TEMP_QC") == [49, 52, None, 49, 50, 49]
        assert array_of(con, path, "TEMP_QC", ", {isel: {N_PROF: 1, N_LEVELS: {start: 0, step: 2}}}") == [49, 49]
        listed = dict(con.execute(f"SELECT variable, dtype FROM read_variables('{path}')").fetchall())
        assert listed["TEMP_QC"] == "uint8" and listed["PLATFORM"] == "str"


# ---------------------------------------------------------------- time

def monthly(path, month, year=2020, bounds=True, calendar="standard"):
    """A file of one month, with bounds from its first day to the next month's first."""
    first = dt.datetime(year, month, 1)
    after = dt.datetime(year + month // 12, month % 12 + 1, 1)
    day = lambda at: (at - dt.datetime(2000, 1, 1)).days
    time = {"units": "days since 2000-01-01", "calendar": calendar, **({"bounds": "time_bnds"} if bounds else {})}
    return netcdf(path, time=("f8", ("time",), [day(first) + 14], time), **({"time_bnds": ("f8", ("time", "nv"), [[day(first), day(after)]], {})} if bounds else {}),
                  lat=("f8", ("lat",), [0.5, 1.5], NORTH), lon=("f8", ("lon",), [0.5, 1.5], EAST), v=("f4", ("time", "lat", "lon"), np.full((1, 2, 2), month), {}))


def test_the_upper_bound_of_a_month_is_not_in_it(con, tmp_path):
    for month in range(1, 13):
        monthly(tmp_path / f"m{month:02}.nc", month)
        monthly(tmp_path / f"n{month:02}.nc", month, 2021)
    con.execute(f"CREATE TABLE months AS FROM geo_catalog_build('{tmp_path}/*.nc')")
    spans = con.execute("SELECT t_min, t_max FROM months ORDER BY t_min").fetchall()
    for (start, stop), (after, _) in zip(spans, spans[1:]):
        assert stop + dt.timedelta(microseconds=1) == after and start.day == 1
    hits = con.execute("SELECT path FROM geoquilt.catalog_query('months', t_min := '2020-02', t_max := '2020-02')").fetchall()
    assert [path[-6:] for path, in hits] == ["m02.nc"]
    per_month = con.execute("SELECT DISTINCT n FROM geoquilt.catalog_coverage('months', cell := 2, every := 'month') WHERE n > 0").fetchall()
    assert per_month == [(1,)]
    write_raster(tmp_path / "grid.tif", np.zeros((2, 2), "u1"), crs="EPSG:4326", transform=rasterio.Affine(1, 0, 0, 0, -1, 2))
    con.execute(f"CREATE TABLE grid AS FROM geo_patch_grid('{tmp_path}/grid.tif', size := 2)")
    con.execute("CREATE TABLE dates AS SELECT path, t_min::DATE AS date, t_min, t_max FROM months")
    split = con.execute("SELECT split, count(*) FROM geoquilt.patch_registry('grid', 'dates', val_year := 2021) GROUP BY split ORDER BY split").fetchall()
    assert split == [("train", 12), ("val", 12)]


def test_bounds_of_no_length_and_none_at_all_end_with_the_time(con, tmp_path):
    base = dict(lat=("f8", ("lat",), [0.5, 1.5], NORTH), lon=("f8", ("lon",), [0.5, 1.5], EAST), v=("f4", ("time", "lat", "lon"), np.zeros((2, 2, 2)), {}))
    time = {"units": "hours since 2020-01-01", "bounds": "b"}
    netcdf(tmp_path / "none.nc", time=("f8", ("time",), [0, 6], time), b=("f8", ("time", "nv"), [[0, 0], [6, 6]], {}), **base)
    netcdf(tmp_path / "some.nc", time=("f8", ("time",), [0, 6], time), b=("f8", ("time", "nv"), [[6, 0], [12, 6]], {}), **base)
    end = lambda name: ask(con, f"SELECT t_max FROM geo_catalog_build('{tmp_path}/{name}.nc')")
    assert end("none") == dt.datetime(2020, 1, 1, 6)
    assert end("some") == dt.datetime(2020, 1, 1, 11, 59, 59, 999999)


@pytest.mark.parametrize("calendar", ["standard", "gregorian", "julian", "proleptic_gregorian", "noleap", "all_leap", "360_day", None])
def test_year_zero_is_there_where_cftime_has_one(con, tmp_path, calendar):
    units = "days since 0000-01-01"
    attributes = {"units": units, **({"calendar": calendar} if calendar else {})}
    path = netcdf(tmp_path / "y.nc", time=("f8", ("time",), [738000.0], attributes), lat=("f8", ("lat",), [0.5, 1.5], NORTH), lon=("f8", ("lon",), [0.5, 1.5], EAST),
                  v=("f4", ("time", "lat", "lon"), np.zeros((1, 2, 2)), {}))
    try:
        expected = cftime.num2date(738000, units, calendar or "standard")
    except ValueError:
        assert "year 0" in refused(con, f"SELECT t_min FROM geo_catalog_build('{path}')")
        assert "year 0" in refused(con, f"SELECT read_array('{path}', 'v', {{time: '2020'}})")
        assert len(array_of(con, path)) == 4
        return
    found = ask(con, f"SELECT t_min FROM geo_catalog_build('{path}')")
    assert (found.year, found.month, found.day) == (expected.year, expected.month, expected.day)


def test_days_that_timestamp_lacks_are_not_taken_for_one(con, tmp_path):
    for name, days in (("a", [27, 28]), ("b", [29, 30])):
        netcdf(tmp_path / f"{name}.nc", time=("f8", ("time",), days, {"units": "days since 2001-02-01", "calendar": "360_day"}), v=("f4", ("time",), days, {}))
    both = f"['{tmp_path}/b.nc', '{tmp_path}/a.nc']"
    answer = ask(con, f"SELECT read_array({both}, 'v')")
    assert answer["data"] == [27, 28, 29, 30]
    assert answer["times"] == [dt.datetime(2001, 2, 28)] * 3 + [dt.datetime(2001, 3, 1)]
    said = refused(con, f"SELECT read_array({both}, 'v', {{time: TIMESTAMP '2001-02-28'}})")
    assert "has 3 values" in said
    assert "28" in refused(con, f"SELECT read_array('{tmp_path}/a.nc', 'v', {{time: TIMESTAMP '2001-02-28'}})")
    assert array_of(con, f"{tmp_path}/b.nc", selection=", {time: TIMESTAMP '2001-03-01'}") == [30]
    told = [row[0] for row in con.execute("SELECT columns::VARCHAR || parameters::VARCHAR FROM geoquilt_functions() WHERE name IN ('read_array', 'geo_catalog_build')").fetchall()]
    assert all("360_day" in text for text in told) and len(told) == 3


# ---------------------------------------------------------------- several files

def step(path, times, lon=(0.5, 1.5), value=None, lat=(1.5, 0.5)):
    shape = (len(times), len(lat), len(lon))
    values = np.full(shape, value) if value is not None else np.asarray(times, "f4")[:, None, None] + np.zeros(shape)
    return netcdf(path, time=("f8", ("time",), times, {"units": "days since 2020-01-01"}), lat=("f8", ("lat",), lat, NORTH), lon=("f8", ("lon",), lon, EAST), v=("f4", ("time", "lat", "lon"), values, {}))


def test_files_are_joined_in_the_order_of_their_times(con, tmp_path):
    step(tmp_path / "a.nc", [4, 6])
    step(tmp_path / "b.nc", [0, 2])
    step(tmp_path / "c.nc", [1, 5])
    paths = [str(tmp_path / f"{name}.nc") for name in "abc"]
    expected = xr.concat([xr.open_dataset(path) for path in paths], "time").sortby("time")
    answer = ask(con, f"SELECT read_array({paths}, 'v')")
    assert answer["data"] == expected["v"].values.ravel().tolist()
    assert answer["times"] == [dt.datetime(2020, 1, 1) + dt.timedelta(days=d) for d in (0, 1, 2, 4, 5, 6)]
    rows = con.execute(f"SELECT time, data[1] FROM read_array({paths}, 'v')").fetchall()
    assert [(time, value) for time, value in rows] == [(time, float((time - dt.datetime(2020, 1, 1)).days)) for time in answer["times"]]
    last = ask(con, f"SELECT read_array({paths}, 'v', {{isel: {{time: -1}}, lat: 1.5, lon: 0.5}}).data")
    assert last == [6]
    middle = ask(con, f"SELECT read_array({paths}, 'v', {{time: ['2020-01-02', '2020-01-05'], lat: 1.5, lon: 0.5}}).data")
    assert middle == [1, 2, 4]


def test_files_of_one_time_are_refused_and_both_are_named(con, tmp_path):
    one, two = step(tmp_path / "one.nc", [0, 1]), step(tmp_path / "two.nc", [1, 2])
    said = refused(con, f"SELECT read_array(['{one}', '{two}'], 'v')")
    assert "one.nc" in said and "two.nc" in said and "2020-01-02" in said
    streamed = refused(con, f"SELECT count(data) FROM read_array(['{one}', '{two}'], 'v')")
    assert "the time 2020-01-02 00:00:00 stands in" in said and "the time 2020-01-02 00:00:00 stands in" in streamed


def tiles(tmp_path):
    """A field in two tiles beside each other, and whole."""
    lon = np.arange(20) + 0.5
    values = np.random.default_rng(3).random((2, 4, 20), "f4")
    def write(name, part, times=(0, 1)):
        return netcdf(tmp_path / name, time=("f8", ("time",), times, {"units": "days since 2020-01-01"}), lat=("f8", ("lat",), [3.5, 2.5, 1.5, 0.5], NORTH),
                      lon=("f8", ("lon",), lon[part], EAST), v=("f4", ("time", "lat", "lon"), values[:, :, part], {}))
    return write("west.nc", slice(0, 10)), write("east.nc", slice(10, 20)), write("whole.nc", slice(0, 20)), values


def test_tiles_are_no_steps_of_time(con, tmp_path):
    west, east, _, _ = tiles(tmp_path)
    for sql in (f"SELECT read_array(['{west}', '{east}'], 'v')", f"SELECT count(*) FROM read_array(['{west}', '{east}'], 'v')"):
        said = refused(con, sql)
        assert '"lon"' in said and "west.nc" in said and "east.nc" in said and "slice" in said


@pytest.mark.parametrize("resampling", ["nearest", "average"])
def test_tiles_of_one_time_are_merged_on_a_slice(con, tmp_path, resampling):
    west, east, whole, values = tiles(tmp_path)
    options = f"{{slice: geo_slice({{xmin: 0, ymin: 0, xmax: 20, ymax: 4}}, [2, 2], 'EPSG:4326'), resampling: '{resampling}'}}"
    merged = ask(con, f"SELECT read_array(['{west}', '{east}'], 'v', {options})")
    alone = ask(con, f"SELECT read_array('{whole}', 'v', {options})")
    assert merged["data"] == alone["data"] and None not in merged["data"]
    assert merged["times"] == alone["times"] and merged["shape"] == [2, 2, 10]
    rows = con.execute(f"SELECT data FROM read_array(['{west}', '{east}'], 'v', slice := geo_slice({{xmin: 0, ymin: 0, xmax: 20, ymax: 4}}, [2, 2], 'EPSG:4326'), resampling := '{resampling}') ORDER BY time").fetchall()
    assert sum((row[0] for row in rows), []) == alone["data"]
    if resampling == "average":
        np.testing.assert_allclose(alone["data"], values.reshape(2, 2, 2, 10, 2).mean((2, 4)).ravel(), rtol=1e-6)


@pytest.mark.parametrize("merge,expected", [("first", 1), ("last", 4), ("min", 1), ("max", 4), ("sum", 7), ("mean", 7 / 3), ("count", 3)])
def test_files_that_overlap_are_merged_by_the_rule_that_read_slice_has(con, tmp_path, merge, expected):
    paths = [step(tmp_path / f"{value}.nc", [0], value=value) for value in (1, 2, 4)]
    slice_ = "geo_slice({xmin: 0, ymin: 0, xmax: 2, ymax: 2}, 1, 'EPSG:4326')"
    assert ask(con, f"SELECT read_array({paths}, 'v', {{slice: {slice_}, merge: '{merge}'}}).data") == pytest.approx([expected] * 4)
    views = [f'NETCDF:"{path}":v' for path in paths]
    assert ask(con, f"SELECT read_slice({views}, {slice_}, {{merge: '{merge}'}}).data") == pytest.approx([expected] * 4)


def test_files_without_a_dimension_of_time_are_merged_where_they_are_of_one(con, tmp_path):
    def write(name, hour, value, lon):
        return netcdf(tmp_path / name, time=("f8", (), hour, {"units": "hours since 2020-01-01", "standard_name": "time"}), lat=("f8", ("lat",), [1.5, 0.5], NORTH),
                      lon=("f8", ("lon",), lon, EAST), v=("f4", ("lat", "lon"), np.full((2, 2), value), {"coordinates": "time"}))
    one, two, three = write("one.nc", 0, 1, [0.5, 1.5]), write("two.nc", 0, 2, [2.5, 3.5]), write("three.nc", 6, 3, [2.5, 3.5])
    options = "{slice: geo_slice({xmin: 0, ymin: 0, xmax: 4, ymax: 2}, [1, 2], 'EPSG:4326')}"
    assert ask(con, f"SELECT read_array(['{one}', '{two}'], 'v', {options}).data") == [1, 1, 2, 2]
    said = refused(con, f"SELECT read_array(['{one}', '{three}'], 'v', {options})")
    assert "three.nc" in said and "06:00" in said


def test_times_of_a_time_variable_are_its_own(con, tmp_path):
    hours = {"units": "hours since 2020-01-01"}
    path = netcdf(tmp_path / "f.nc", time=("f8", ("time",), [0, 24, 48], {**hours, "standard_name": "time"}),
                  forecast_reference_time=("f8", ("time",), [-6, 18, 42], {**hours, "standard_name": "forecast_reference_time"}),
                  t=("f4", ("time",), [1, 2, 3], {"coordinates": "forecast_reference_time"}))
    for name, first in (("time", dt.datetime(2020, 1, 1)), ("forecast_reference_time", dt.datetime(2019, 12, 31, 18)), ("t", dt.datetime(2020, 1, 1))):
        expected = [first + dt.timedelta(days=day) for day in range(3)]
        assert ask(con, f"SELECT read_array('{path}', '{name}').times") == expected
        assert [row[0] for row in con.execute(f"SELECT time FROM read_array('{path}', '{name}')").fetchall()] == expected


# ---------------------------------------------------------------- place

def test_dimensions_without_a_name_tie_nothing(con, tmp_path):
    with h5py.File(tmp_path / "sq.h5", "w") as file:
        file["v"] = np.arange(9, dtype="f4").reshape(3, 3)
        for name, attributes, at in (("lat", NORTH, [50.0, 51, 52]), ("lon", EAST, [3.0, 4, 5])):
            file[name] = np.array(at)
            file[name].attrs.update(attributes)
    group = zarr.open_group(str(tmp_path / "sq.zarr"), mode="w", zarr_format=2)
    for name, values, attributes in (("v", np.arange(9, dtype="f4").reshape(3, 3), {}), ("lat", np.array([50.0, 51, 52]), NORTH), ("lon", np.array([3.0, 4, 5]), EAST)):
        array = group.create_array(name, shape=values.shape, dtype=values.dtype, fill_value=None)
        array[:] = values
        array.attrs.update(attributes)
    for path in (tmp_path / "sq.h5", tmp_path / "sq.zarr"):
        assert ask(con, f"SELECT read_array('{path}', 'v').coords") == {}
        for selection in ("{lon: 4}", "{lat: 51}"):
            refused(con, f"SELECT read_array('{path}', 'v', {selection})")
        dims = ask(con, f"SELECT read_array('{path}', 'v').dims")
        assert ask(con, f"SELECT read_array('{path}', 'v', {{isel: {{{dims[1]}: 1}}}}).data") == [1, 4, 7]


@pytest.mark.parametrize("form", ["fixed", "unlimited"])
@pytest.mark.parametrize("names", [("depth", "temp"), ("temp", "depth")])
def test_a_variable_named_like_its_second_dimension_is_read(con, tmp_path, form, names):
    values = {"temp": [[0, 1], [2, 3], [4, 5]], "depth": [[10, 20], [11, 21], [12, 22]]}
    path = str(tmp_path / "m.nc")
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None if form == "unlimited" else 3)
        file.createDimension("depth", 2)
        for name in names:
            file.createVariable(name, "f4", ("time", "depth"))[:] = values[name]
    for name in names:
        assert con.execute(f"SELECT dims, shape FROM read_variables('{path}') WHERE variable = '{name}'").fetchone() == (["time", "depth"], [3, 2])
        assert array_of(con, path, name) == np.ravel(values[name]).tolist()
        assert ask(con, f"SELECT read_array('{path}', '{name}', {{isel: {{time: {{stop: 3, step: 2}}, depth: 1}}}}).data") == [values[name][0][1], values[name][2][1]]
        assert con.execute(f"SELECT data FROM read_array('{path}', '{name}')").fetchall() == [(row,) for row in values[name]]


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_such_a_variable_of_an_unlimited_time_is_read_in_every_type_and_as_netcdf4_masks_it(con, tmp_path, kind):
    path = str(tmp_path / "m.nc")
    stored = np.array([[1, 2, 3], [4, 5, 6]], kind)
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None)
        file.createDimension("height", 3)
        group = file.createGroup("inner")
        for at in (file, group):
            variable = at.createVariable("height", kind, ("time", "height"), fill_value=5)
            variable[:] = stored
            variable.units = "m"
    for name in ("height", "inner/height"):
        assert con.execute(f"SELECT shape, dtype, unit FROM read_variables('{path}') WHERE variable = '{name}'").fetchone() == ([2, 3], np.dtype(kind).name, "m")
        assert ask(con, f"SELECT read_array('{path}', '{name}').data") == [1, 2, 3, 4, None, 6]


@pytest.mark.parametrize("axis", [[358.5, 359.5, 0.5, 1.5], [178.5, 179.5, -179.5, -178.5], [1.5, 0.5, 359.5, 358.5], [-1.5, -0.5, 0.5, 1.5]])
def test_longitudes_that_wrap_are_selected_where_they_are(con, tmp_path, axis):
    path = netcdf(tmp_path / "a.nc", lat=("f8", ("lat",), [10], NORTH), lon=("f8", ("lon",), axis, EAST), v=("f4", ("lat", "lon"), [[0, 1, 2, 3]], {}))
    for place, lon in enumerate(axis):
        for turn in (-360, 0, 360):
            answer = ask(con, f"SELECT read_array('{path}', 'v', {{lon: {lon + turn}}})")
            assert answer["data"] == [place] and answer["coords"]["lon"] == [lon + turn]
    assert ask(con, f"SELECT read_array('{path}', 'v').coords['lon']") == axis
    for away in (20, 90, 180, -60):
        assert "is not on axis" in refused(con, f"SELECT read_array('{path}', 'v', {{lon: {axis[1] + away}}})")


def test_single_precision_coordinates_are_even_within_their_own_digits(con, tmp_path):
    n, size = 400, 0.00025
    path = netcdf(tmp_path / "d.nc", lat=("f4", ("lat",), -35 - np.arange(n) * size, {**NORTH, "standard_name": "latitude"}),
                  lon=("f4", ("lon",), 150 + np.arange(n) * size, {**EAST, "standard_name": "longitude"}), v=("f4", ("lat", "lon"), np.arange(n * n).reshape(n, n), {}))
    transform = ask(con, f"SELECT transform FROM geo_catalog_build('{path}')")
    assert [transform[1], transform[5]] == pytest.approx([size, -size], abs=1e-7)
    assert transform[0] == pytest.approx(150 - size / 2, abs=2e-5)
    got = ask(con, f"SELECT read_array('{path}', 'v', {{slice: geo_slice('POINT ({150 + 250 * size} {-35 - 120 * size})'::GEOMETRY, 0.0001, 'OGC:CRS84')}}).data")
    assert got == [120 * n + 250]
    # Steps that really differ are told, and digits too few to tell neighbours apart make no grid.
    for name, lon in (("uneven", 150 + np.array([0, 1, 2, 4]) * 0.1), ("blurred", 150 + np.arange(4) * 0.00003)):
        other = netcdf(tmp_path / f"{name}.nc", lat=("f4", ("lat",), [0.5, 1.5], NORTH), lon=("f4", ("lon",), lon, EAST), v=("f4", ("lat", "lon"), np.zeros((2, 4)), {}))
        assert ask(con, f"SELECT transform FROM geo_catalog_build('{other}')") is None


def test_longitude_before_latitude_has_no_place_as_a_picture(con, tmp_path):
    path = netcdf(tmp_path / "f.nc", lon=("f8", ("lon",), np.arange(6) + 10.5, {**EAST, "standard_name": "longitude"}), lat=("f8", ("lat",), np.arange(3) + 40.5, {**NORTH, "standard_name": "latitude"}),
                  precip=("f4", ("lon", "lat"), 100 * np.arange(6)[:, None] + np.arange(3), {}))
    assert ask(con, f"SELECT bbox FROM geo_catalog_build('{path}')") == {"xmin": 10, "ymin": 40, "xmax": 16, "ymax": 43}
    assert "no geotransform" in refused(con, f"FROM geo_catalog_build('NETCDF:\"{path}\":precip')")
    assert array_of(con, path, "precip", ", {slice: geo_slice({xmin: 10, ymin: 40, xmax: 16, ymax: 43}, 1, 'OGC:CRS84')}")[:6] == [2, 102, 202, 302, 402, 502]


def test_a_length_of_one_in_front_of_coordinates_says_nothing(con, tmp_path):
    y, x = np.meshgrid(np.linspace(10, 15, 6), np.linspace(20, 24, 5), indexing="ij")
    path = netcdf(tmp_path / "s5p.nc", latitude=("f4", ("time", "scanline", "pixel"), y[None], NORTH), longitude=("f4", ("time", "scanline", "pixel"), x[None], EAST),
                  no2=("f4", ("time", "scanline", "pixel"), (y * 100 + x)[None], {"coordinates": "longitude latitude"}))
    box = ask(con, f"SELECT bbox FROM geo_catalog_build('{path}')")
    assert list(box.values()) == pytest.approx([19.5, 9.5, 24.5, 15.5])


@pytest.mark.parametrize("name", ["projection_x_coordinate", None])
def test_degrees_on_x_and_y_are_placed_by_the_grid_mapping(con, tmp_path, name):
    wkt = pyproj.CRS("EPSG:4326").to_wkt("WKT1_GDAL")
    attributes = [{"standard_name": name.replace("x", axis, 1), "units": "m"} if name else {} for axis in "xy"]
    write = lambda path, x, y: netcdf(path, spatial_ref=("i4", (), 0, {"crs_wkt": wkt}), x=("f8", ("x",), x, attributes[0]), y=("f8", ("y",), y, attributes[1]),
                                      red=("f4", ("y", "x"), np.zeros((len(y), len(x))), {"grid_mapping": "spatial_ref"}))
    box = ask(con, f"SELECT bbox FROM geo_catalog_build('{write(tmp_path / 'a.nc', [8, 8.5, 9], [50, 49.5])}')")
    assert list(box.values()) == pytest.approx([7.75, 49.25, 9.25, 50.25])
    refused(con, f"FROM geo_catalog_build('{write(tmp_path / 'b.nc', [500000, 500010], [4600000, 4599990])}')")


@pytest.mark.parametrize("box", [(0, 0, 300, 300), (-96, -357, 13, 126), (0, -274, 232, 0), (10, 80, 20, 100), (500000, 4000000, 501000, 4001000)])
def test_there_is_no_latitude_beyond_the_poles(con, tmp_path, box):
    xmin, ymin, xmax, ymax = box
    ring = [[xmin, ymin], [xmax, ymin], [xmax, ymax], [xmin, ymax], [xmin, ymin]]
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}]}))
    write_raster(tmp_path / "a.tif", np.zeros((10, 10), "u1"), crs="EPSG:4326", transform=rasterio.Affine((xmax - xmin) / 10, 0, xmin, 0, (ymin - ymax) / 10, ymax))
    for name in ("a.geojson", "a.tif"):
        assert "latitudes" in refused(con, f"FROM geo_catalog_build('{tmp_path}/{name}')")


def test_rows_whose_centres_lie_on_the_poles_are_on_the_globe(con, tmp_path):
    path = write_raster(tmp_path / "a.tif", np.zeros((181, 360), "u1"), crs="EPSG:4326", transform=rasterio.Affine(1, 0, -180, 0, -1, 90.5))
    assert ask(con, f"SELECT count(*) FROM geo_catalog_build('{path}')") == 1


@pytest.mark.parametrize("transform", [rasterio.Affine(2, 0, 0, 0, 2, -8), rasterio.Affine(-2, 0, 10, 0, -2, 0)])
def test_a_label_never_lies_flipped_beside_its_image(con, tmp_path, transform):
    path = write_raster(tmp_path / "a.tif", np.arange(20, dtype="f4").reshape(4, 5), crs="EPSG:3857", transform=transform)
    said = refused(con, f"SELECT geo_slice([height, width], transform, crs) FROM geo_catalog_build('{path}')")
    assert "flipped" in said and "read_slice" in said


# ---------------------------------------------------------------- GRIB

def grib(path, *fields):
    """Messages of ecCodes: (sample, values, keys)."""
    eccodes = pytest.importorskip("eccodes")
    with open(path, "wb") as out:
        for sample, values, keys in fields:
            message = eccodes.codes_grib_new_from_samples(sample)
            for key, value in keys.items():
                eccodes.codes_set(message, key, value)
            eccodes.codes_set_values(message, np.asarray(values, "f8"))
            eccodes.codes_write(message, out)
            eccodes.codes_release(message)
    return str(path)


def points(path):
    """Longitudes, latitudes and values of the points of the first message, as ecCodes has them."""
    eccodes = pytest.importorskip("eccodes")
    with open(path, "rb") as file:
        found = eccodes.codes_grib_get_data(eccodes.codes_grib_new_from_file(file))
    return [np.array([point[key] for point in found]) for key in ("lon", "lat", "value")]


def field(con, path):
    return ask(con, f"SELECT variable FROM read_variables('{path}') WHERE len(dims) >= 2")


SCANS = [dict(iScansNegatively=i, jScansPositively=j, jPointsAreConsecutive=c) for i in (0, 1) for j in (0, 1) for c in (0, 1)]
HEIGHT = dict(discipline=0, parameterCategory=3, parameterNumber=5)


def degrees(scan, rows=3, cols=4):
    west, south, size = 340, 10, 10
    north, east = south + (rows - 1) * size, (west + (cols - 1) * size) % 360
    first_lat, last_lat = (south, north) if scan["jScansPositively"] else (north, south)
    first_lon, last_lon = (east, west) if scan["iScansNegatively"] else (west, east)
    return dict(Ni=cols, Nj=rows, latitudeOfFirstGridPointInDegrees=first_lat, latitudeOfLastGridPointInDegrees=last_lat, longitudeOfFirstGridPointInDegrees=first_lon,
                longitudeOfLastGridPointInDegrees=last_lon, iDirectionIncrementInDegrees=size, jDirectionIncrementInDegrees=size, **scan)


def lambert(scan, rows=3, cols=4, kind="lambert"):
    return dict(gridType=kind, Nx=cols, Ny=rows, latitudeOfFirstGridPointInDegrees=45, longitudeOfFirstGridPointInDegrees=5, LaDInDegrees=50, LoVInDegrees=8, Latin1InDegrees=50, Latin2InDegrees=50,
                DxInMetres=250000, DyInMetres=250000, **scan) if kind == "lambert" else dict(
                gridType=kind, Nx=cols, Ny=rows, latitudeOfFirstGridPointInDegrees=65, longitudeOfFirstGridPointInDegrees=5, LaDInDegrees=60, orientationOfTheGridInDegrees=8, DxInMetres=250000, DyInMetres=250000, **scan)


def rotated(scan):
    return dict(gridType="rotated_ll", **degrees(scan), latitudeOfSouthernPoleInDegrees=-40, longitudeOfSouthernPoleInDegrees=10, angleOfRotationInDegrees=0)


def gaussian(scan):
    latitudes = np.degrees(np.arcsin(np.polynomial.legendre.leggauss(64)[0]))[::-1]
    first, last = (latitudes[-1], latitudes[0]) if scan["jScansPositively"] else (latitudes[0], latitudes[-1])
    west, east = 0, 360 - 360 / 128
    first_lon, last_lon = (east, west) if scan["iScansNegatively"] else (west, east)
    return dict(gridType="regular_gg", Ni=128, Nj=64, N=32, latitudeOfFirstGridPointInDegrees=first, latitudeOfLastGridPointInDegrees=last, longitudeOfFirstGridPointInDegrees=first_lon,
                longitudeOfLastGridPointInDegrees=last_lon, iDirectionIncrementInDegrees=360 / 128, **scan)


@pytest.mark.parametrize("scan", SCANS, ids=str)
@pytest.mark.parametrize("grid", [degrees, lambert, lambda scan: lambert(scan, kind="polar_stereographic"), rotated, gaussian], ids=["degrees", "lambert", "polar", "rotated", "gaussian"])
def test_every_point_of_a_grib_field_lies_where_eccodes_has_it(con, tmp_path, grid, scan):
    keys = grid(scan)
    if grid is gaussian and scan["jPointsAreConsecutive"]:
        pytest.skip("ecCodes does not heed columns that follow each other on Gaussian grids")
    count = keys.get("Ni", keys.get("Nx")) * keys.get("Nj", keys.get("Ny"))
    path = grib(tmp_path / "a.grib2", ("regular_ll_sfc_grib2", np.arange(count) + 1, {"bitsPerValue": 24, **keys, **HEIGHT}))
    name = field(con, path)
    answer = ask(con, f"SELECT read_array('{path}', '{name}')")
    row = con.execute(f"SELECT crs, bbox, transform FROM geo_catalog_build('{path}')").fetchone()
    crs = pyproj.CRS.from_user_input(row[0])
    to = pyproj.Transformer.from_crs(crs.geodetic_crs if not crs.is_derived else crs.source_crs, crs, always_xy=True)
    if "Nx" in keys:
        # WMO's rule (Manual on Codes, flag table 3.4) by pyproj: the first point is the first value, rows go on from there.
        x, y = to.transform(keys["longitudeOfFirstGridPointInDegrees"], keys["latitudeOfFirstGridPointInDegrees"])
        count = np.arange(keys["Nx"] * keys["Ny"])
        i, j = (count // keys["Ny"], count % keys["Ny"]) if scan["jPointsAreConsecutive"] else (count % keys["Nx"], count // keys["Nx"])
        x, y = x + i * keys["DxInMetres"] * (1 - 2 * scan["iScansNegatively"]), y + j * keys["DyInMetres"] * (2 * scan["jScansPositively"] - 1)
        lons, lats = to.transform(x, y, direction="INVERSE")
        values = count + 1
    else:
        lons, lats, values = points(path)
        x, y = to.transform(lons, lats)
    xs, ys = (np.array(answer["coords"][dim]) for dim in ("X", "Y"))
    if crs.is_geographic:
        x = xs[0] + (x - xs[0] + 1e-6) % 360 - 1e-6
    cols, rows = (np.abs(at[:, None] - axis).argmin(1) for at, axis in ((x, xs), (y, ys)))
    tolerance = 1e-3 if crs.is_geographic else 60
    np.testing.assert_allclose(xs[cols], x, atol=tolerance)
    np.testing.assert_allclose(ys[rows], y, atol=tolerance)
    np.testing.assert_allclose(np.array(answer["data"]).reshape(answer["shape"])[rows, cols], values, atol=1e-3)
    # Each point lies inside of the catalog's box, and the raster view is placed alike or not at all.
    box = row[1]
    assert all(box["ymin"] - 1e-6 <= lat <= box["ymax"] + 1e-6 for lat in lats)
    view = con.execute(f"SELECT bbox, error FROM geo_catalog_build('{path}', kind := 'raster', on_error := 'report')").fetchone()
    if view[1] is None:
        assert list(view[0].values()) == pytest.approx(list(box.values()), abs=1e-3)
    elif grid is degrees:
        assert scan["iScansNegatively"]


def test_a_value_of_9999_is_one_where_the_bit_map_says_so(con, tmp_path):
    values = np.array([1, 9999, 3, -1, 9999, 5, 6, 7, 8, 9, -1, 9999])
    path = grib(tmp_path / "a.grib2", *[("regular_ll_sfc_grib2", values, {"bitsPerValue": 24, **degrees(scan), **HEIGHT, "missingValue": -1, "bitmapPresent": 1, "dataDate": 20200101 + day}) for day, scan in enumerate(SCANS[:1] * 2)])
    expected = [None if v == -1 else float(v) for v in values]
    name = field(con, path)
    answer = ask(con, f"SELECT read_array('{path}', '{name}')")
    fields = np.array(answer["data"], object).reshape(answer["shape"])
    for day in (0, 1):
        # Rows run from the south in the array, from the north in the message.
        assert fields[day][::-1].ravel().tolist() == expected
        assert ask(con, f"SELECT read_patch('{path}', {{row_off: 0, col_off: 0, height: 3, width: 4}}, {{bands: [{day + 1}]}})") == expected


def test_fields_on_two_grids_are_two_variables_or_refused(con, tmp_path):
    near, far = degrees(SCANS[0]), {**degrees(SCANS[0]), "longitudeOfFirstGridPointInDegrees": 100, "longitudeOfLastGridPointInDegrees": 130}
    fields = [("regular_ll_sfc_grib2", np.full(12, hour + 1), {**keys, **HEIGHT, "dataTime": hour * 100}) for hour, keys in ((0, near), (6, far))]
    said = refused(con, f"FROM read_variables('{grib(tmp_path / 'two.grib2', *fields)}')")
    assert "grids" in said and "100 E" in said
    apart = [(sample, values, {**keys, "dataTime": 0}) for sample, values, keys in fields]
    path = grib(tmp_path / "one.grib2", *apart)
    names = [row[0] for row in con.execute(f"SELECT variable FROM read_variables('{path}') WHERE len(dims) = 2").fetchall()]
    boxes = [ask(con, f"SELECT bbox FROM geo_catalog_build('{path}', variables := ['{name}'])") for name in names]
    assert [round(box["xmin"]) for box in boxes] == [-25, 95]
    assert "grids" in refused(con, f"FROM geo_catalog_build('{path}', kind := 'raster')")


@pytest.mark.parametrize("sample,words", [("reduced_gg_sfc_grib2", "reduced Gaussian"), ("reduced_gg_sfc_grib1", "reduced Gaussian"), ("sh_sfc_grib2", "spherical harmonics"), ("reduced_ll_sfc_grib2", "reduced")])
def test_grids_without_columns_are_refused_by_name(con, tmp_path, sample, words):
    eccodes = pytest.importorskip("eccodes")
    message = eccodes.codes_grib_new_from_samples(sample)
    with open(tmp_path / "a.grib", "wb") as out:
        eccodes.codes_write(message, out)
    for sql in (f"FROM read_variables('{tmp_path}/a.grib')", f"FROM geo_catalog_build('{tmp_path}/a.grib')", f"FROM geo_catalog_build('{tmp_path}/a.grib', kind := 'raster')"):
        said = refused(con, sql)
        assert words in said and "cdo" in said


def test_a_message_of_a_false_length_is_refused(con, tmp_path):
    path = grib(tmp_path / "good.grib", *[("regular_ll_sfc_grib1", np.arange(12), {**degrees(SCANS[0]), "dataDate": 20200101 + day}) for day in (0, 1)])
    good = open(path, "rb").read()
    assert len(array_of(con, path, field(con, path))) == 24
    for name, bad in (("short", good[:4] + struct.pack(">I", 60)[1:] + good[7:]), ("cut", good[:-30])):
        (tmp_path / f"{name}.grib").write_bytes(bad)
        for sql in (f"FROM read_variables('{tmp_path}/{name}.grib')", f"FROM geo_catalog_build('{tmp_path}/{name}.grib', kind := 'raster')"):
            assert "damaged" in refused(con, sql)


def test_standard_output_belongs_to_the_program(tmp_path):
    three = lambda n: struct.pack(">I", n)[1:]
    product = bytes([2, 74, 1, 255, 128, 33, 1, 0, 0, 24, 6, 15, 0, 0, 1, 0, 0, 0, 0, 0, 0, 21, 0, 0, 0]) + bytes(12) + bytes([1, 1, 2, 1, 1]) + bytes(63)
    product = three(3 + len(product)) + product
    grid = three(32) + bytes([0, 255, 0, 0, 4, 0, 3]) + three(20000) + three(0) + b"\x80" + three(0) + three(30000) + struct.pack(">HH", 10000, 10000) + bytes(5)
    message = product + grid + three(24) + bytes([8, 0, 0, 0, 0, 0, 0, 8]) + bytes(range(12)) + b"\x00" + b"7777"
    (tmp_path / "e.grib").write_bytes(b"GRIB" + three(8 + len(message)) + b"\x01" + message)
    code = f"import duckdb; con = duckdb.connect(config={{'allow_unsigned_extensions': 'true'}}); con.execute(\"LOAD '{EXTENSION}'\"); con.execute(\"FROM read_variables('{tmp_path}/e.grib')\").fetchall()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


# ---------------------------------------------------------------- numbers that a FLOAT does not hold

@pytest.mark.parametrize("kind", ["i4", "u4", "i8", "u8"])
def test_whole_numbers_that_a_float_changes_are_refused_by_the_scalar(con, tmp_path, kind):
    path = on_map(tmp_path / "a.nc", kind, [[1, 16777216], [16777217, 2]], {})
    assert "16777217" in refused(con, f"SELECT read_array('{path}', 'v')")
    assert "16777217" in refused(con, f"SELECT read_array('{path}', 'v', {{slice: geo_slice({{xmin: 0, ymin: 0, xmax: 2, ymax: 2}}, 1, 'EPSG:4326')}})")
    assert array_of(con, path, selection=", {lat: 1.5}") == [1, 16777216]
    rows = con.execute(f"SELECT data FROM read_array('{path}', 'v')").fetchall()
    assert sum((row[0] for row in rows), []) == [1, 16777216, 16777217, 2]
    hidden = on_map(tmp_path / "b.nc", kind, [[1, 5], [16777217, 2]], {"_FillValue": np.array(16777217, kind)})
    assert array_of(con, hidden) == [1, 5, None, 2]


LARGEST = float(np.finfo("float32").max)


def test_doubles_beyond_the_largest_float_are_refused_by_the_scalars_and_others_are_rounded_as_numpys(con, tmp_path):
    onto = "geo_slice({xmin: 0, ymin: 0, xmax: 2, ymax: 2}, 1, 'EPSG:4326')"
    kept, lost = [[1, -np.inf], [np.inf, LARGEST]], [[1, 2], [-1e100, 3]]
    for name, values in (("kept", kept), ("lost", lost)):
        on_map(tmp_path / f"{name}.nc", "f8", values, {})
        write_raster(tmp_path / f"{name}.tif", np.array(values), crs="EPSG:4326", transform=rasterio.transform.from_origin(0, 2, 1, 1))
    ways = {"nc": ["read_array('{}', 'v')", f"read_array('{{}}', 'v', {{slice: {onto}}})"],
            "tif": ["read_patch('{}', {row_off: 0, col_off: 0, height: 2, width: 2})", f"read_slice('{{}}', {onto})"]}
    for end, calls in ways.items():
        for call in calls:
            assert "-1e100" in refused(con, "SELECT " + call.replace("{}", f"{tmp_path}/lost.{end}")), call
            got = con.execute("SELECT " + call.replace("{}", f"{tmp_path}/kept.{end}")).fetchone()[0]
            got = got["data"] if isinstance(got, dict) else got
            np.testing.assert_array_equal(np.sort(np.array(got, "float64")), np.sort(np.array(kept).astype("float32").astype("float64").ravel()))
    # What stands for no number is none, however large.
    hidden = on_map(tmp_path / "hidden.nc", "f8", lost, {"_FillValue": -1e100})
    assert array_of(con, hidden) == [1, 2, None, 3]
    write_raster(tmp_path / "hidden.tif", np.array(lost), crs="EPSG:4326", nodata=-1e100, transform=rasterio.transform.from_origin(0, 2, 1, 1))
    assert ask(con, f"SELECT read_patch('{tmp_path}/hidden.tif', {{row_off: 0, col_off: 0, height: 2, width: 2}})") == [1, 2, None, 3]
    assert ask(con, f"SELECT read_slice('{tmp_path}/hidden.tif', {onto}).data") == [1, 2, None, 3]


@pytest.mark.parametrize("kind", ["BIGINT", "UBIGINT"])
def test_ids_that_a_double_does_not_tell_apart_are_refused(con, kind):
    polygons = lambda ids: f"SELECT geo_polygonize({ids}::{kind}[], [1, 2], [500000, 1, 0, 5000000, 0, -1]::DOUBLE[], 'EPSG:25832')"
    assert "9007199254740993" in refused(con, polygons("[9007199254740992, 9007199254740993]"))
    assert [p["value"] for p in ask(con, polygons("[9007199254740992, 9007199254740994]"))] == [2**53, 2**53 + 2]
    assert len(ask(con, polygons("[7, 7]"))) == 1
