"""Registries over cubes: a row a time step, with what its reader needs, against xarray."""
import datetime
import itertools

import numpy as np
import pytest
import rasterio
import xarray as xr

CRS = "EPSG:4326"


def write_cube(path, times, lats, lons, seed=0, levels=None, bounds=None, packed=False, name="tos"):
    """A NetCDF file with one variable over time, maybe levels, latitudes and longitudes."""
    rng = np.random.default_rng(seed)
    shape = (len(times), *(() if levels is None else (len(levels),)), len(lats), len(lons))
    values = np.round(rng.normal(15, 5, shape), 2)
    values[rng.random(shape) < 0.1] = np.nan
    dims = ["time", *(() if levels is None else ("depth",)), "lat", "lon"]
    coords = {"time": ("time", times), "lat": ("lat", lats, {"units": "degrees_north", "standard_name": "latitude"}),
              "lon": ("lon", lons, {"units": "degrees_east", "standard_name": "longitude"})}
    if levels is not None:
        coords["depth"] = ("depth", levels, {"units": "m", "positive": "down", "axis": "Z"})
    data = xr.Dataset({name: (dims, values)}, coords=coords)
    if bounds is not None:
        data["time_bnds"] = (("time", "nv"), bounds)
        data["time"].attrs["bounds"] = "time_bnds"
    how = {"dtype": "int16", "scale_factor": 0.01, "_FillValue": -32768} if packed else {"dtype": "float32", "_FillValue": np.float32(-999)}
    units = {"units": "hours since 2000-01-01", "calendar": "standard", "dtype": "float64"}
    data.to_netcdf(path, encoding={name: how, "time": units, **({"time_bnds": {"dtype": "float64"}} if bounds is not None else {})})
    return str(path)


def days(first, count):
    return np.datetime64(first, "ns") + np.arange(count) * np.timedelta64(1, "D")


LATS, LONS = np.arange(9.5, -2.5, -1.0), np.arange(20.5, 32.5, 1.0)


def grid_of(con, path, size=4):
    con.execute(f"CREATE OR REPLACE TABLE grid AS FROM geo_patch_grid('{path}', size := {size})")


def registry(con, folder, more=""):
    con.execute(f"CREATE OR REPLACE TABLE files AS FROM geo_catalog_build('{folder}/*.nc')")
    con.execute(f"CREATE OR REPLACE TABLE registry AS FROM geoquilt.patch_registry('grid', 'files'{more})")
    con.execute(f"COPY registry TO '{folder}/registry.parquet'")
    return f"{folder}/registry.parquet"


def window_of(data, time, bbox):
    """The values of a patch, north first, by its coordinates alone."""
    part = data.sel(time=time)
    lat, lon = part["lat"], part["lon"]
    part = part.isel(lat=np.flatnonzero((lat > bbox["ymin"]) & (lat < bbox["ymax"])), lon=np.flatnonzero((lon > bbox["xmin"]) & (lon < bbox["xmax"])))
    return part.sortby("lat", ascending=False)


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("levels", [None, [5.0, 15.0, 40.0]])
def test_each_row_reads_the_step_that_its_date_says(con, tmp_path, ascending, levels):
    lats = LATS[::-1] if ascending else LATS
    paths = [write_cube(tmp_path / f"c{year}.nc", days(f"{year}-03-01T12:00", 5), lats, LONS, seed=year, levels=levels) for year in (2018, 2019)]
    grid_of(con, paths[0])
    table = registry(con, tmp_path, ", val_year := 2019")
    rows = con.execute(f"SELECT path, date, time, t_min, t_max, split, isel, bbox, data, shape FROM read_patch('{table}')").fetchall()
    assert len(rows) == 2 * 5 * 9
    opened = {path: xr.open_dataset(path)["tos"].load() for path in paths}
    for path, date, time, t_min, t_max, split, isel, bbox, data, shape in rows:
        assert (time, t_min, t_max) == (time, time, time) and time.date() == date
        assert split == ("val" if date.year == 2019 else "train")
        want = window_of(opened[path], np.datetime64(time), bbox)
        got = np.array(data, "float32").reshape(shape)
        np.testing.assert_array_equal(got, want.values.reshape(shape))
        assert isel["time"] == list(opened[path]["time"].values).index(np.datetime64(time))


@pytest.mark.parametrize("ascending", [False, True])
def test_isel_of_a_row_is_its_window_in_read_array(con, tmp_path, ascending):
    lats = LATS[::-1] if ascending else LATS
    path = write_cube(tmp_path / "c.nc", days("2018-03-01", 3), lats, LONS, packed=True)
    grid_of(con, path)
    table = registry(con, tmp_path)
    data = xr.open_dataset(path)["tos"].load()
    scalar = con.execute("SELECT time, bbox, read_array(path, 'tos', {isel: isel}) FROM registry").fetchall()
    stream = con.execute(f"SELECT time, bbox, data, shape, dims, coords, times FROM read_array('{table}', 'tos', dtype := 'float32')").fetchall()
    assert len(scalar) == len(stream) == 27
    for (time, bbox, one), (time_too, _, values, shape, dims, coords, times) in zip(scalar, stream):
        assert time == time_too and one == {"data": values, "shape": shape, "dims": dims, "coords": coords, "times": times}
        assert dims == ["lat", "lon"] and times == [time]
        want = window_of(data, np.datetime64(time), bbox)
        got = xr.DataArray(np.array(values, "float32").reshape(shape), coords={"lat": coords["lat"], "lon": coords["lon"]}, dims=dims)
        np.testing.assert_allclose(got.sortby("lat", ascending=False).values, want.values.astype("float32"), rtol=1e-6)


def test_windows_over_the_edge_are_cut_there_in_isel(con, tmp_path):
    path = write_cube(tmp_path / "c.nc", days("2018-03-01", 2), LATS[::-1], LONS)
    con.execute(f"CREATE TABLE grid AS FROM geo_patch_grid('{path}', size := 5, edge := 'overflow')")
    registry(con, tmp_path)
    rows = con.execute("SELECT win, isel, read_array(path, 'tos', {isel: isel}).shape FROM registry").fetchall()
    assert len(rows) == 2 * 9
    for win, isel, shape in rows:
        inside = [min(win["row_off"] + 5, 12) - win["row_off"], min(win["col_off"] + 5, 12) - win["col_off"]]
        assert shape == inside
        assert isel["x"] == [win["col_off"], win["col_off"] + inside[1] - 1]
        assert isel["y"] == [12 - win["row_off"] - inside[0], 11 - win["row_off"]]


def test_a_month_with_bounds_is_of_its_own_year_and_judged_by_step(con, tmp_path):
    starts = np.arange("2018-11", "2019-03", dtype="datetime64[M]")
    first = starts.astype("datetime64[ns]")
    last = (starts + 1).astype("datetime64[ns]")
    path = write_cube(tmp_path / "months.nc", first + (last - first) / 2, LATS, LONS, bounds=np.stack([first, last], 1))
    grid_of(con, path, 12)
    registry(con, tmp_path, ", val_year := 2019")
    rows = con.execute("SELECT date, t_min, t_max, time, split FROM registry ORDER BY t_min").fetchall()
    microsecond = datetime.timedelta(microseconds=1)
    for (date, t_min, t_max, time, split), start, stop in zip(rows, first, last, strict=True):
        start, stop = start.astype("datetime64[us]").item(), stop.astype("datetime64[us]").item()
        assert (t_min, t_max, date) == (start, stop - microsecond, start.date()) and time == start + (stop - start) / 2
        assert split == ("val" if start.year == 2019 else "train")


def test_read_times_gives_the_steps_of_an_axis(con, tmp_path):
    path = write_cube(tmp_path / "c.nc", days("2018-12-30", 4), LATS, LONS)
    want = [{"index": i, "time": t, "t_min": t, "t_max": t} for i, t in enumerate(days("2018-12-30", 4).astype("datetime64[us]").tolist())]
    for name in ("tos", "time"):
        assert con.execute(f"SELECT read_times('{path}', '{name}')").fetchone()[0] == want
    for name, why in [("lat", "has no time axis"), ("nothing", "nothing")]:
        with pytest.raises(Exception, match=why):
            con.execute(f"SELECT read_times('{path}', '{name}')")
    assert con.execute(f"SELECT read_times(NULL, 'tos'), read_times('{path}', NULL)").fetchone() == (None, None)


def test_an_axis_that_is_none_of_cfs_is_an_error_or_steps_without_times(con, tmp_path):
    path = tmp_path / "months.nc"
    data = xr.Dataset({"v": (("time", "lat", "lon"), np.zeros((2, 3, 3), "float32"))},
                      coords={"time": ("time", [1.0, 2.0], {"units": "months since 2000-01-01", "axis": "T"}),
                              "lat": ("lat", [3.0, 2.0, 1.0], {"units": "degrees_north"}), "lon": ("lon", [1.0, 2.0, 3.0], {"units": "degrees_east"})})
    data.to_netcdf(path)
    with pytest.raises(Exception, match="months since"):
        con.execute(f"SELECT read_times('{path}', 'time')")
    steps = con.execute(f"SELECT read_times('{path}', 'time', {{undecoded: 'null'}})").fetchone()[0]
    assert [step["index"] for step in steps] == [0, 1] and all(step["time"] is None and step["t_min"] is None for step in steps)


def test_rasters_have_no_step_and_files_of_one_step_keep_their_interval(con, tmp_path, raster):
    path = write_cube(tmp_path / "one_20180301.nc", days("2018-03-01T09:00", 1), LATS, LONS)
    grid_of(con, path, 4)
    con.execute(f"CREATE TABLE files AS FROM geo_catalog_build('{tmp_path}/*.nc', filename_regex := '(?P<date>\\d{{8}})')")
    rows = con.execute("SELECT DISTINCT date, t_min, t_max, time, isel.time FROM geoquilt.patch_registry('grid', 'files')").fetchall()
    day = datetime.datetime(2018, 3, 1)
    assert rows == [(day.date(), day, day + datetime.timedelta(days=1, microseconds=-1), day.replace(hour=9), 0)]
    tif = raster("a.tif", np.zeros((12, 12), "float32"), crs=CRS, transform=rasterio.transform.from_origin(20, 10, 1, 1))
    con.execute(f"CREATE OR REPLACE TABLE files AS FROM geo_catalog_build('{tif}')")
    assert con.execute("SELECT DISTINCT time, isel FROM geoquilt.patch_registry('grid', 'files')").fetchall() == [(None, None)]


def test_a_step_that_is_none_of_a_rasters_bands_is_refused(con, tmp_path, raster):
    tif = raster("a.tif", np.zeros((3, 12, 12), "float32"))
    path = write_cube(tmp_path / "c.nc", days("2018-03-01", 2), LATS, LONS)
    row = "[{{path: '{}', win: {{row_off: 0, col_off: 0, height: 2, width: 2}}, isel: {{time: {}}}}}]"
    for file, step, why in [(tif, 0, "no steps of a time axis"), (path, 2, "has 2 steps"), (path, -1, "isel.time")]:
        with pytest.raises(Exception, match=why):
            con.execute(f"FROM read_patch({row.format(file, step)})")
    assert con.execute(f"SELECT shape FROM read_patch({row.format(tif, 'NULL::BIGINT')})").fetchone() == ([3, 2, 2],)


def test_bands_are_numbered_within_a_step(con, tmp_path):
    levels = [5.0, 15.0, 40.0]
    path = write_cube(tmp_path / "c.nc", days("2018-03-01", 3), LATS, LONS, levels=levels)
    data = xr.open_dataset(path)["tos"].load()
    for step, bands in itertools.product(range(3), ([1], [3, 2])):
        row = f"[{{path: '{path}', win: {{row_off: 2, col_off: 1, height: 3, width: 4}}, isel: {{time: {step}}}}}]"
        got, shape = con.execute(f"SELECT data, shape FROM read_patch({row}, bands := {bands})").fetchone()
        want = data.isel(time=step, depth=[band - 1 for band in bands], lat=slice(2, 5), lon=slice(1, 5)).values
        np.testing.assert_array_equal(np.array(got, "float32").reshape(shape), want)
    with pytest.raises(Exception, match="has 3 bands"):
        con.execute(f"FROM read_patch({row}, bands := [4])")


@pytest.mark.parametrize("kind,format", [("zarr", 2), ("zarr", 3), ("nc", None)])
def test_cubes_of_several_variables_are_read_by_name_on_a_grid_over_a_box(con, tmp_path, kind, format):
    opened = {}
    for year in (2018, 2019):
        values = np.random.default_rng(year).normal(0, 1, (3, 12, 16)).astype("float32")
        data = xr.Dataset({"sst": (("time", "lat", "lon"), values), "ice": (("time", "lat", "lon"), 2 * values)},
                          coords={"time": days(f"{year}-06-01", 3), "lat": ("lat", np.arange(0.5, 12.5), {"units": "degrees_north"}),
                                  "lon": ("lon", np.arange(0.5, 16.5), {"units": "degrees_east"})})
        path = f"{tmp_path}/c{year}.{kind}"
        opened[path] = data["ice"]
        data.to_zarr(path, zarr_format=format, consolidated=format == 2) if kind == "zarr" else data.to_netcdf(path)
    con.execute("CREATE TABLE grid AS FROM geo_patch_grid({xmin: 0, ymin: 0, xmax: 16, ymax: 12}, resolution := 1, size := 4)")
    con.execute(f"CREATE TABLE files AS FROM geo_catalog_build('{tmp_path}/*.{kind}')")
    con.execute(f"COPY (FROM geoquilt.patch_registry('grid', 'files', val_year := 2019)) TO '{tmp_path}/registry.parquet'")
    rows = con.execute(f"SELECT path, time, split, bbox, data, shape FROM read_array('{tmp_path}/registry.parquet', 'ice')").fetchall()
    assert len(rows) == 2 * 3 * 12
    for path, time, split, bbox, values, shape in rows:
        want = opened[path].sel(time=time, lat=slice(bbox["ymin"], bbox["ymax"]), lon=slice(bbox["xmin"], bbox["xmax"]))
        np.testing.assert_array_equal(np.array(values, "float32").reshape(shape), want.values)
        assert split == ("val" if time.year == 2019 else "train")
    if kind == "nc":
        con.execute(f"COPY (SELECT * REPLACE ('NETCDF:\"' || path || '\":ice' AS path) FROM '{tmp_path}/registry.parquet') TO '{tmp_path}/named.parquet'")
        named = con.execute(f"SELECT path, time, bbox, data, shape FROM read_patch('{tmp_path}/named.parquet')").fetchall()
        for path, time, bbox, values, shape in named:
            want = opened[path.split('"')[1]].sel(time=time, lat=slice(bbox["ymin"], bbox["ymax"]), lon=slice(bbox["xmin"], bbox["xmax"]))
            np.testing.assert_array_equal(np.array(values, "float32").reshape(shape), want.values[None, ::-1])


def test_a_time_that_is_no_dimension_has_no_index_and_its_file_is_read_whole(con, tmp_path):
    values = np.random.default_rng(3).normal(0, 1, (12, 12)).astype("float32")
    data = xr.Dataset({"tos": (("lat", "lon"), values, {"coordinates": "time"})},
                      coords={"time": np.datetime64("2018-05-01T06:00", "ns"), "lat": ("lat", LATS, {"units": "degrees_north"}), "lon": ("lon", LONS, {"units": "degrees_east"})})
    path = f"{tmp_path}/scalar.nc"
    data.to_netcdf(path)
    noon = datetime.datetime(2018, 5, 1, 6)
    assert con.execute(f"SELECT read_times('{path}', 'time')").fetchone()[0] == [{"index": None, "time": noon, "t_min": noon, "t_max": noon}]
    grid_of(con, path)
    table = registry(con, tmp_path)
    for function in (f"read_patch('{table}')", f"read_array('{table}', 'tos')"):
        rows = con.execute(f"SELECT date, time, isel.time, bbox, data FROM {function}").fetchall()
        assert len(rows) == 9
        for date, time, index, bbox, got in rows:
            want = window_of(data["tos"].expand_dims("time"), np.datetime64(time), bbox)
            assert (date, time, index) == (noon.date(), noon, None)
            np.testing.assert_array_equal(np.array(got, "float32"), want.values.ravel())


def test_an_index_that_is_null_leaves_its_dimension_whole(con, tmp_path):
    path = write_cube(tmp_path / "c.nc", days("2018-03-01", 3), LATS, LONS)
    one, other = con.execute(f"SELECT read_array('{path}', 'tos', {{isel: {{time: NULL::BIGINT, lat: 2}}}}), read_array('{path}', 'tos', {{isel: {{lat: 2}}}})").fetchone()
    assert one == other and one["shape"] == [3, 12]


def test_steps_of_grib_are_refused_unless_there_is_but_one(con, tmp_path):
    pytest.importorskip("eccodes")
    from test_arrays import write_grib
    win = "{row_off: 0, col_off: 0, height: 2, width: 2}"
    write_grib(tmp_path / "one.grib2", days=1)
    write_grib(tmp_path / "many.grib2", days=3)
    whole = con.execute(f"SELECT data FROM read_patch([{{path: '{tmp_path}/one.grib2', win: {win}}}])").fetchone()
    assert con.execute(f"SELECT data FROM read_patch([{{path: '{tmp_path}/one.grib2', win: {win}, isel: {{time: 0}}}}])").fetchone() == whole
    with pytest.raises(Exception, match="no steps of a time axis"):
        con.execute(f"FROM read_patch([{{path: '{tmp_path}/many.grib2', win: {win}, isel: {{time: 1}}}}])")


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("levels", [None, [5.0, 15.0, 40.0]])
def test_a_read_of_a_row_stands_beside_its_date(con, tmp_path, ascending, levels):
    lats = LATS[::-1] if ascending else LATS
    for year in (2018, 2019):
        write_cube(tmp_path / f"c{year}.nc", days(f"{year}-03-01", 4), lats, LONS, seed=year, levels=levels)
    grid_of(con, f"{tmp_path}/c2018.nc")
    table = registry(con, tmp_path)
    bands = len(levels or [1])
    stream = con.execute(f"SELECT data, geo_patch_stats(path, win) FROM read_patch('{table}', dtype := 'float32')").fetchall()
    scalar = con.execute("SELECT path, time, bbox, win, read_patch(path, win), read_patch(path, win, {bands: [1]}), geo_patch_stats(path, win) FROM registry").fetchall()
    assert len(scalar) == len(stream) == 2 * 4 * 9
    for (data, stats), (path, time, bbox, win, pixels, first, told) in zip(stream, scalar):
        want = window_of(xr.open_dataset(path)["tos"].load(), np.datetime64(time), bbox).values.reshape(bands, 4, 4)
        assert pixels == data and first == data[:16] and told == stats and len(told) == bands
        np.testing.assert_array_equal(np.array(pixels, "float32").reshape(bands, 4, 4), want)
        assert win["step"] == (time.day - 1) and [band["n"] for band in told] == list(np.isfinite(want).sum((1, 2)))
    # Without isel, the window alone tells the step; and where a window has none, all bands are read.
    con.execute(f"COPY (SELECT * EXCLUDE isel FROM registry) TO '{tmp_path}/plain.parquet'")
    assert con.execute(f"SELECT data FROM read_patch('{tmp_path}/plain.parquet', dtype := 'float32')").fetchall() == [(row[0],) for row in stream]
    con.execute("SET VARIABLE rows = (SELECT list(r) FROM (SELECT path, win FROM registry) AS r)")
    assert con.execute("SELECT data FROM read_patch(getvariable('rows'), dtype := 'float32')").fetchall() == [(row[0],) for row in stream]
    whole = con.execute("SELECT len(read_patch(path, {row_off: 0, col_off: 0, height: 1, width: 2})) FROM registry LIMIT 1").fetchone()
    assert whole == (4 * bands * 2,)


def test_a_step_is_an_index_of_a_time_axis(con, tmp_path, raster):
    path = write_cube(tmp_path / "c.nc", days("2018-03-01", 3), LATS, LONS)
    plain = raster("plain.tif", np.zeros((4, 4), "uint8"))
    for name, step, words in [(path, 3, "has 3 steps of time, and a row names step 3"), (path, -1, "a step of time, an index from 0 on"),
                              (path, 0.5, "a step of time"), (plain, 0, "whose bands are no steps of a time axis")]:
        with pytest.raises(Exception, match=words):
            con.execute(f"SELECT read_patch('{name}', {{row_off: 0, col_off: 0, height: 2, width: 2, step: {step}}})").fetchall()
    assert con.execute(f"SELECT len(read_patch('{path}', {{row_off: 0, col_off: 0, height: 2, width: 2, step: NULL}}))").fetchone() == (12,)


def test_registries_of_rasters_have_windows_without_a_step(con, tmp_path):
    con.execute("CREATE TABLE files AS FROM geo_catalog_build('test/data/small/sst*.tif', filename_regex := '(?P<date>\\d{8})')")
    grid_of(con, "test/data/small/land.tif", 18)
    con.execute("CREATE TABLE registry AS FROM geoquilt.patch_registry('grid', 'files')")
    assert con.execute("SELECT DISTINCT win.step, typeof(win) FROM registry").fetchall() == [
        (None, "STRUCT(row_off BIGINT, col_off BIGINT, height BIGINT, width BIGINT, step BIGINT)")]
    assert con.execute("SELECT count(*) FROM registry WHERE read_patch(path, win) IS NOT NULL").fetchone() == (6,)
    assert con.execute("SELECT geo_windows_overlap(list(win)) FROM registry WHERE date = '2018-01-01'").fetchone() == (False,)


@pytest.mark.parametrize("label", ["start", "middle", "end"])
@pytest.mark.parametrize("files", [1, 3])
def test_a_date_selects_the_step_whose_interval_holds_it(con, tmp_path, label, files):
    starts = np.arange("2018-10", "2019-04", dtype="datetime64[M]")
    first, last = starts.astype("datetime64[ns]"), (starts + 1).astype("datetime64[ns]")
    times = {"start": first, "middle": first + (last - first) / 2, "end": last}[label]
    for n, part in enumerate(np.array_split(np.arange(6), files)):
        write_cube(tmp_path / f"m{n}.nc", times[part], LATS, LONS, seed=n, bounds=np.stack([first[part], last[part]], 1))
    con.execute(f"CREATE TABLE files AS FROM geo_catalog_build('{tmp_path}/*.nc')")
    for day in np.arange("2018-10-01", "2019-04-01", 3, dtype="datetime64[D]"):
        month = list(starts).index(day.astype("datetime64[M]"))
        for asked in (f"'{day}'", f"DATE '{day}'", f"TIMESTAMP '{day} 23:59:59.999'", f"'{day}T00:00:00'"):
            got = con.execute(f"SELECT read_array('{tmp_path}/*.nc', 'tos', {{time: {asked}, lat: 5, lon: 25}}).times").fetchone()[0]
            assert got is None or got == [times[month].astype("datetime64[us]").item()]
        value = con.execute(f"SELECT read_array('{tmp_path}/*.nc', 'tos', {{time: '{day}'}}).data").fetchone()[0]
        by_index = con.execute(f"SELECT read_array('{tmp_path}/*.nc', 'tos', {{isel: {{time: {month}}}}}).data").fetchone()[0]
        assert value == by_index
        # The file that the catalog gives for the day has the step.
        found, = con.execute(f"SELECT path FROM geoquilt.catalog_query('files', t_min := '{day}', t_max := '{day}')").fetchone()
        assert con.execute(f"SELECT read_array('{found}', 'tos', {{time: '{day}'}}).data").fetchone()[0] == value
    for text, index in [("2018-11", 1), ("2019-01", 3)]:
        assert con.execute(f"SELECT read_array('{tmp_path}/*.nc', 'tos', {{time: '{text}'}}).data = read_array('{tmp_path}/*.nc', 'tos', {{isel: {{time: {index}}}}}).data").fetchone() == (True,)
    with pytest.raises(Exception, match="values from 2018"):
        con.execute(f"SELECT read_array('{tmp_path}/*.nc', 'tos', {{time: '2018'}})").fetchall()
    with pytest.raises(Exception, match="not on axis"):
        con.execute(f"SELECT read_array('{tmp_path}/*.nc', 'tos', {{time: '2017-01-01'}})").fetchall()


def test_a_slice_within_one_step_takes_that_step(con, tmp_path):
    starts = np.arange("2018-10", "2019-02", dtype="datetime64[M]")
    first, last = starts.astype("datetime64[ns]"), (starts + 1).astype("datetime64[ns]")
    path = write_cube(tmp_path / "m.nc", first, LATS, LONS, bounds=np.stack([first, last], 1))
    con.execute(f"SET VARIABLE s = geo_slice({{xmin: 20, ymin: -2, xmax: 32, ymax: 10}}, 1, '{CRS}', '2018-11-20')")
    got = con.execute(f"SELECT read_array('{path}', 'tos', {{slice: getvariable('s')}})").fetchone()[0]
    np.testing.assert_array_equal(np.array(got["data"], "float32").reshape(got["shape"])[0], xr.open_dataset(path)["tos"].isel(time=1).values)
    assert got["times"] == [datetime.datetime(2018, 11, 1)]
    assert xr.open_dataset(path)["tos"].sel(time="2018-11-20T12", method="nearest").time.values == np.datetime64("2018-12-01")
    con.execute(f"CREATE TABLE files AS FROM geo_catalog_build('{path}')")
    assert con.execute("SELECT count(*) FROM geoquilt.catalog_query('files', slice := getvariable('s'))").fetchone() == (1,)


@pytest.mark.parametrize("value", [-1e100, -1e290, -1e292, -1e300, -1.7e308, 1e300])
@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "average"])
def test_numbers_of_any_size_come_onto_a_slice_or_are_refused(con, tmp_path, value, resampling):
    data = np.full((12, 12), 5.0)
    data[4, 4] = value
    data[9, 9] = np.nan
    xr.Dataset({"v": (("lat", "lon"), data)}, {"lat": ("lat", LATS, {"units": "degrees_north"}), "lon": ("lon", LONS, {"units": "degrees_east"})}).to_netcdf(
        tmp_path / "a.nc", encoding={"v": {"_FillValue": np.nan}})
    grid = f"geo_slice({{xmin: 20, ymin: -2, xmax: 32, ymax: 10}}, 1, '{CRS}')"
    query = f"SELECT data FROM read_array('{tmp_path}/a.nc', 'v', slice := {grid}, resampling := '{resampling}')"
    if value < -9e291:
        with pytest.raises(Exception, match="cannot come onto a slice"):
            con.execute(query).fetchall()
    else:
        got = con.execute(query).fetchone()[0]
        np.testing.assert_array_equal(np.array(got, "float64"), np.where(np.isnan(data), np.nan, data).ravel())
        assert got[9 * 12 + 9] is None
    with pytest.raises(Exception, match="cannot come onto a slice|beyond the largest FLOAT"):
        con.execute(f"SELECT read_array('{tmp_path}/a.nc', 'v', {{slice: {grid}, resampling: '{resampling}'}})").fetchall()


def several(path, first="2018-12-30", seed=3, group=None):
    """A file of two variables on one grid, the first of them packed."""
    one, other = path.parent / "one.nc", path.parent / "other.nc"
    write_cube(one, days(first, 4), LATS, LONS, seed=seed, packed=True, name="sst")
    write_cube(other, days(first, 4), LATS, LONS, seed=seed + 1, name="ice")
    both = xr.merge([xr.open_dataset(one, mask_and_scale=False).load(), xr.open_dataset(other, mask_and_scale=False).load()])
    if path.suffix == ".zarr":
        both.to_zarr(path, zarr_format=2, consolidated=True)
    else:
        both.to_netcdf(path, group=group)
    return str(path)


@pytest.mark.parametrize("name", ["sst", "ice"])
def test_a_registry_of_one_variable_of_several_is_read_as_it_stands(con, tmp_path, name):
    path = several(tmp_path / "cube.nc")
    con.execute(f"CREATE TABLE grid AS FROM geo_patch_grid('NETCDF:\"{path}\":{name}', size := 4)")
    con.execute(f"CREATE TABLE files AS FROM geo_catalog_build('{path}', variables := ['{name}'])")
    con.execute("CREATE TABLE registry AS FROM geoquilt.patch_registry('grid', 'files', val_year := 2019)")
    con.execute(f"COPY registry TO '{tmp_path}/r.parquet'")
    decoded = xr.open_dataset(path)[name].load()
    rows = con.execute("SELECT path, time, bbox, read_patch(path, win, {scaled: true}), read_array(path, $1, {isel: isel}) FROM registry", [name]).fetchall()
    assert len(rows) == 4 * 9 and {row[0] for row in rows} == {f'NETCDF:"{path}":{name}'}
    for _, time, bbox, pixels, array in rows:
        want = window_of(decoded, np.datetime64(time), bbox).values
        np.testing.assert_allclose(np.array(pixels, float).reshape(4, 4), want, rtol=1e-6)
        np.testing.assert_allclose(np.array(array["data"], float).reshape(array["shape"]), want, rtol=1e-6)
    streamed = con.execute(f"SELECT data FROM read_patch('{tmp_path}/r.parquet', scaled := true, dtype := 'float32')").fetchall()
    assert [row[0] for row in streamed] == [row[3] for row in rows]
    train = np.concatenate([np.array(row[3], float) for row in rows if row[1].year == 2018])
    for words in ("scaled := true", "scaled := true, once := true"):
        told = con.execute(f"SELECT stats[1] FROM geoquilt.patch_stats('registry', {words})").fetchone()[0]
        assert told["n"] == np.isfinite(train).sum() and told["mean"] == pytest.approx(np.nanmean(train), rel=1e-6)
    # read_array decodes unless told, and so are these.
    counted = con.execute(f"SELECT geoquilt.stats(data, shape)[1] FROM read_array('{tmp_path}/r.parquet', '{name}') WHERE split = 'train'").fetchone()[0]
    assert counted["n"] == told["n"] and counted["mean"] == pytest.approx(told["mean"], rel=1e-6)


def test_a_registry_of_one_variable_of_a_group_of_hdf5_is_read_as_it_stands(con, tmp_path):
    path = several(tmp_path / "cube.nc", group="ocean")
    con.execute(f"CREATE TABLE grid AS FROM geo_patch_grid('NETCDF:\"{path}\":/ocean/ice', size := 4)")
    con.execute(f"CREATE TABLE files AS FROM geo_catalog_build('{path}', variables := ['ocean/ice'])")
    con.execute("CREATE TABLE registry AS FROM geoquilt.patch_registry('grid', 'files', val_year := 2019)")
    decoded = xr.open_dataset(path, group="ocean")["ice"].load()
    for path, time, bbox, pixels in con.execute("SELECT path, time, bbox, read_patch(path, win) FROM registry").fetchall():
        np.testing.assert_array_equal(np.array(pixels, "float32").reshape(4, 4), window_of(decoded, np.datetime64(time), bbox).values)


def test_the_path_of_a_registry_of_whole_files_is_the_files(con, tmp_path):
    path = several(tmp_path / "cube.nc")
    con.execute(f"CREATE TABLE grid AS FROM geo_patch_grid('NETCDF:\"{path}\":sst', size := 4)")
    for words in ("", ", variables := ['sst', 'ice']"):
        con.execute(f"CREATE OR REPLACE TABLE files AS FROM geo_catalog_build('{path}'{words})")
        assert con.execute("SELECT DISTINCT path FROM geoquilt.patch_registry('grid', 'files', val_year := 2019)").fetchall() == [(path,)]


def test_statistics_over_a_store_of_arrays_say_how_they_are_made(con, tmp_path):
    store, path = several(tmp_path / "cube.zarr"), several(tmp_path / "cube.nc")
    con.execute(f"CREATE TABLE grid AS FROM geo_patch_grid('NETCDF:\"{path}\":sst', size := 4)")
    con.execute(f"CREATE TABLE files AS FROM geo_catalog_build('{store}')")
    con.execute("CREATE TABLE registry AS FROM geoquilt.patch_registry('grid', 'files', val_year := 2019)")
    con.execute(f"COPY registry TO '{tmp_path}/registry.parquet'")
    for words in ("", ", once := true"):
        with pytest.raises(Exception) as told:
            con.execute(f"FROM geoquilt.patch_stats('registry'{words})").fetchall()
        assert 'geoquilt.patch_stats(registry): ' in str(told.value) and f'"{store}" is an array file' in str(told.value)
        statement = str(told.value).split("of the same rows: ")[1]
    # The statement works, with the names put in.
    statement = statement.replace("registry.parquet", f"{tmp_path}/registry.parquet").replace("'variable'", "'sst'")
    told = con.execute(statement).fetchone()[0][0]
    train = xr.open_dataset(path)["sst"].sel(time="2018").values
    assert told["n"] == np.isfinite(train).sum() and told["mean"] == pytest.approx(np.nanmean(train), rel=1e-6)


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_an_array_file_tells_which_variable_may_be_cut(con, tmp_path, suffix):
    path = several(tmp_path / f"cube.{suffix}")
    with pytest.raises(Exception) as told:
        con.execute(f"FROM geo_patch_grid('{path}', size := [4, 6])")
    first = "sst" if suffix == "nc" else "ice"
    text = str(told.value)
    assert "geo_patch_grid(source): " in text and f"variable := '{first}', size := {{lat: 4, lon: 6}}" in text and "sst" in text and "ice" in text
    words = text.split(f"ice: " if suffix == "nc" else "sst: ")[1].split("}")[0] + "}"
    assert con.execute(f"SELECT count(*) FROM geo_patch_grid('{path}', {words})").fetchone() == (6,)


@pytest.mark.parametrize("lats, lons, bounds", [
    (LATS, LONS, None), (LATS[::-1], LONS, None), (np.array([-90.0, -45, 0, 45, 90]), np.arange(0.0, 360, 30), None),
    (np.array([80.0, 50, 30, 10, -20]), np.arange(0.0, 40, 10), None), (np.array([60.0, 40, 10]), np.array([5.0, 15, 25]), [(50, 80), (20, 50), (-5, 20)])])
def test_the_box_of_a_window_of_a_variable_is_that_of_its_cells(con, tmp_path, lats, lons, bounds):
    path = tmp_path / "c.nc"
    coords = {"lat": ("lat", lats, {"units": "degrees_north", "standard_name": "latitude"}), "lon": ("lon", lons, {"units": "degrees_east", "standard_name": "longitude"})}
    data = xr.Dataset({"v": (("time", "lat", "lon"), np.zeros((3, len(lats), len(lons)), "float32"))}, coords=coords)
    if bounds is not None:
        data["lat_bnds"] = (("lat", "nv"), np.array(bounds, float))
        data["lat"].attrs["bounds"] = "lat_bnds"
    data.to_netcdf(path)

    def edges(centres, of_bounds=None):
        """The edges of each cell: its bounds, else halfway to its neighbours."""
        if of_bounds is not None:
            return [tuple(sorted(pair)) for pair in of_bounds]
        middle = (centres[1:] + centres[:-1]) / 2
        ends = np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
        return [tuple(sorted(pair)) for pair in zip(ends, ends[1:])]

    rows, cols = edges(lats, bounds), edges(lons)
    got = con.execute(f"SELECT isel, bbox, crs, is_partial FROM geo_patch_grid('{path}', variable := 'v', size := {{lat: 2, lon: 3}}, edge := 'overflow')").fetchall()
    assert len(got) == -(-len(lats) // 2) * -(-len(lons) // 3)
    for isel, bbox, crs, _ in got:
        part = lambda cells, ends: (min(cells[i][0] for i in range(ends[0], ends[1] + 1)), max(cells[i][1] for i in range(ends[0], ends[1] + 1)))
        (south, north), (west, east) = part(rows, isel["lat"]), part(cols, isel["lon"])
        assert crs == "OGC:CRS84"
        np.testing.assert_allclose([bbox[k] for k in ("xmin", "ymin", "xmax", "ymax")], [west, max(south, -90), east, min(north, 90)], rtol=0, atol=1e-9)
    # Their hull is the catalog's box.
    hull = con.execute(f"SELECT min(bbox.xmin), min(bbox.ymin), max(bbox.xmax), max(bbox.ymax) FROM geo_patch_grid('{path}', variable := 'v', size := {{lat: 1, lon: 1}})").fetchone()
    want = con.execute(f"SELECT bbox.xmin, bbox.ymin, bbox.xmax, bbox.ymax FROM geo_catalog_build('{path}')").fetchone()
    if want[2] - want[0] < 359:
        np.testing.assert_allclose(hull, want, atol=1e-9)


def test_a_window_without_coordinates_on_the_map_has_no_box(con, tmp_path):
    xr.Dataset({"v": (("a", "b"), np.zeros((4, 4), "float32")), "w": (("time",), np.zeros(4, "float32"))}).to_netcdf(tmp_path / "c.nc")
    assert con.execute(f"SELECT DISTINCT bbox, crs FROM geo_patch_grid('{tmp_path}/c.nc', variable := 'v', size := {{a: 2}})").fetchall() == [(None, None)]
    assert con.execute(f"SELECT DISTINCT bbox, crs FROM geo_patch_grid('{tmp_path}/c.nc', variable := 'w', size := {{time: 2}})").fetchall() == [(None, None)]
