"""read_profiles against xarray, netCDF4 and gsw: Argo's own layout, CF's discrete sampling geometries, grids, Zarr and Parquet."""
import datetime

import gsw
import netCDF4
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr

FILL = 99999.0


def floats(values):
    return np.array([np.nan if v is None else v for v in values], "float64")


def frame(con, path, more=""):
    return con.execute(f"FROM read_profiles('{path}'{more})").fetchall()


def columns(con, path, more=""):
    return [row[:2] for row in con.execute(f"DESCRIBE FROM read_profiles('{path}'{more})").fetchall()]


def argo(path, rng, profiles=7, levels=12, flags=True, format="NETCDF3_CLASSIC", corrected=False):
    """A core file of Argo's user manual 3.x (or EN4, with DEPH_CORRECTED): padded levels, characters for flags, 99999 for nothing."""
    lengths = rng.integers(0, levels + 1, profiles)
    lengths[:2] = levels, 0
    with netCDF4.Dataset(path, "w", format=format) as file:
        file.createDimension("N_PROF", profiles)
        file.createDimension("N_LEVELS", levels)
        file.createDimension("STRING8", 8)
        file.createDimension("DATE_TIME", 14)
        platform = file.createVariable("PLATFORM_NUMBER", "S1", ("N_PROF", "STRING8"), fill_value=b" ")
        platform[:] = np.array([list(f"{6900000 + i:<8}") for i in range(profiles)], "S1")
        cycle = file.createVariable("CYCLE_NUMBER", "i4", ("N_PROF",), fill_value=99999)
        cycle[:] = np.arange(1, profiles + 1)
        juld = file.createVariable("JULD", "f8", ("N_PROF",), fill_value=999999.0)
        juld.setncatts({"standard_name": "time", "units": "days since 1950-01-01 00:00:00 UTC", "axis": "T"})
        juld[:] = np.where(np.arange(profiles) == 3, 999999.0, 25000.25 + np.arange(profiles) * 1.5)
        located = file.createVariable("JULD_LOCATION", "f8", ("N_PROF",), fill_value=999999.0)
        located.units = "days since 1950-01-01 00:00:00 UTC"
        located[:] = 20000.0
        for name, standard, values in (("LATITUDE", "latitude", rng.uniform(-80, 80, profiles)), ("LONGITUDE", "longitude", rng.uniform(0, 360, profiles))):
            variable = file.createVariable(name, "f8", ("N_PROF",), fill_value=FILL)
            variable.setncatts({"standard_name": standard, "units": {"latitude": "degree_north", "longitude": "degree_east"}[standard], "valid_min": -180.0, "valid_max": 180.0})
            variable[:] = np.where(np.arange(profiles) == 4, FILL, values)
        depth = np.sort(rng.uniform(0, 2000, (profiles, levels)), axis=1)
        inside = np.arange(levels) < lengths[:, None]
        names = [("DEPH_CORRECTED", "m", depth)] if corrected else [("PRES", "decibar", depth), ("PRES_ADJUSTED", "decibar", depth + 0.5)]
        for name, unit, values in names + [("TEMP", "degree_Celsius", rng.normal(10, 5, depth.shape)), ("PSAL", "psu", rng.normal(35, 1, depth.shape))]:
            variable = file.createVariable(name, "f4", ("N_PROF", "N_LEVELS"), fill_value=FILL)
            variable.units = unit
            variable[:] = np.where(inside & (rng.random(depth.shape) > (0.1 if name in ("TEMP", "PSAL") else 0)), values, FILL)
            if flags:
                qc = file.createVariable(f"{name}_QC", "S1", ("N_PROF", "N_LEVELS"), fill_value=b" ")
                qc[:] = np.where(inside, rng.integers(0, 10, depth.shape).astype("S1"), b" ")
    return path


@pytest.mark.parametrize("corrected", [False, True], ids=["pressures", "depths"])
@pytest.mark.parametrize("format", ["NETCDF3_CLASSIC", "NETCDF4"])
def test_argos_own_files_are_read_with_their_flags(con, rng, tmp_path, format, corrected):
    path = argo(tmp_path / "argo.nc", rng, format=format, corrected=corrected)
    rows = con.execute(f"SELECT profile_id, path, lon, lat, t, depth, TEMP, TEMP_flags, PSAL, PSAL_flags, attributes FROM read_profiles('{path}')").fetchall()
    with xr.open_dataset(path) as data, netCDF4.Dataset(path) as raw:
        raw.set_auto_chartostring(False)
        assert len(rows) == data.sizes["N_PROF"]
        for i, (number, file, lon, lat, t, depth, temp, temp_flags, psal, psal_flags, attributes) in enumerate(rows):
            assert (number, file) == (i, str(path)) and attributes == {"CYCLE_NUMBER": str(i + 1), "JULD_LOCATION": "20000"}
            theirs = data.isel(N_PROF=i)
            if np.isnat(theirs.JULD.values):
                assert t is None
            else:
                assert t == theirs.JULD.values.astype("datetime64[us]").item()
            # xarray keeps what valid_max would take away; we look at none of a coordinate's range either.
            want = float(theirs.LONGITUDE)
            assert lon is None if np.isnan(want) else lon == (want - 360 if want > 180 else want)
            assert lat is None if np.isnan(float(theirs.LATITUDE)) else lat == float(theirs.LATITUDE)
            stored = theirs["DEPH_CORRECTED" if corrected else "PRES"].values.astype("float64")
            n = int(np.isfinite(stored).sum())
            assert len(depth) == len(temp) == len(temp_flags) == len(psal_flags) == n
            if corrected:
                np.testing.assert_array_equal(floats(depth), stored[:n])
            elif lat is None:
                assert depth == [None] * n
            else:
                np.testing.assert_allclose(floats(depth), -gsw.z_from_p(stored[:n], lat), rtol=0, atol=1e-8)
            np.testing.assert_array_equal(floats(temp), theirs.TEMP.values[:n].astype("float64"))
            np.testing.assert_array_equal(floats(psal), theirs.PSAL.values[:n].astype("float64"))
            letters = raw["TEMP_QC"][i]
            assert temp_flags == [int(c) if c.strip() else None for c in np.ma.filled(letters, b" ").astype("U1")[:n]]


def test_columns_are_those_that_are_asked_for(con, rng, tmp_path):
    path = argo(tmp_path / "argo.nc", rng)
    head = [("profile_id", "BIGINT"), ("path", "VARCHAR"), ("lon", "DOUBLE"), ("lat", "DOUBLE"), ("t", "TIMESTAMP"), ("depth", "DOUBLE[]")]
    tail = [("attributes", "MAP(VARCHAR, VARCHAR)")]
    value, flag = lambda name: (name, "FLOAT[]"), lambda name: (f"{name}_flags", "UTINYINT[]")
    assert columns(con, path) == head + [f(name) for name in ("PRES_ADJUSTED", "TEMP", "PSAL") for f in (value, flag)] + tail
    assert columns(con, path, ", variables := ['PSAL', 'TEMP'], qc := false") == head + [value("PSAL"), value("TEMP")] + tail
    assert columns(con, path, ", variables := 'PRES', depth := 'PRES_ADJUSTED'") == head + [value("PRES"), flag("PRES")] + tail
    deeper, = con.execute(f"SELECT bool_and(list_avg(a.depth) > list_avg(b.depth)) FROM read_profiles('{path}', depth := 'PRES_ADJUSTED') a JOIN read_profiles('{path}') b USING (profile_id)").fetchone()
    assert deeper
    # Any choice of columns gives the same rows.
    assert con.execute(f"SELECT TEMP, depth FROM read_profiles('{path}')").fetchall() == [(r[8], r[5]) for r in frame(con, path)]
    assert con.execute(f"SELECT count(*) FROM read_profiles('{path}')").fetchone() == (7,)


def test_argo_is_aligned_to_a_model_in_one_query(con, rng, tmp_path):
    path = argo(tmp_path / "argo.nc", rng, corrected=True, profiles=40, levels=60)
    rows = con.execute(f"SELECT geo_align_depth(depth, TEMP, [5, 50, 500], {{qc: TEMP_flags, accept: [0, 1, 2, 3, 4, 5, 6, 7]}}).values, geo_align_depth(depth, TEMP, [5, 50, 500]) FROM read_profiles('{path}')").fetchall()
    assert sum(v is not None for _, values in rows for v in values) > sum(v is not None for values, _ in rows for v in values) > 5


# --- CF 9: the four representations, and one profile alone


def cf_file(path, kind, rng, numbers="f8"):
    """The same nine profiles in each representation; gives them as (lon, lat, hours, depths, temps)."""
    lengths = [3, 0, 5, 1, 4, 2, 5, 5, 3]
    profiles = []
    for i, n in enumerate(lengths):
        shared = np.array([1.0, 5, 10, 50, 100])[:n]
        profiles.append((-60.0 + 10 * i, 30.0 + i, 6 * i, shared if kind == "orthogonal" else np.sort(rng.uniform(0, 500, n)), rng.normal(15, 3, n)))
    with netCDF4.Dataset(path, "w") as file:
        file.Conventions, file.featureType = "CF-1.11", "profile"
        file.createDimension("profile", len(profiles))
        for name, standard, units, values in (("lon", "longitude", "degrees_east", [p[0] for p in profiles]), ("lat", "latitude", "degrees_north", [p[1] for p in profiles]),
                                              ("time", "time", "hours since 2020-02-28", [p[2] for p in profiles])):
            variable = file.createVariable(name, "f8", ("profile",))
            variable.setncatts({"standard_name": standard, "units": units})
            variable[:] = values
        if kind in ("padded", "orthogonal"):
            file.createDimension("z", 5)
            depth = file.createVariable("z", "f8", ("z",) if kind == "orthogonal" else ("profile", "z"), fill_value=-1e30)
            temp = file.createVariable("temp", numbers, ("profile", "z"), fill_value=-999)
            if kind == "orthogonal":
                depth[:] = [1, 5, 10, 50, 100]
            for i, (_, _, _, depths, temps) in enumerate(profiles):
                if kind == "padded":
                    depth[i, :len(depths)] = depths
                temp[i, :len(depths)] = temps
        else:
            total = sum(lengths)
            file.createDimension("obs", total)
            depth, temp = file.createVariable("z", "f8", ("obs",)), file.createVariable("temp", numbers, ("obs",), fill_value=-999)
            order = np.arange(total)
            if kind == "contiguous":
                counts = file.createVariable("rowSize", "i4", ("profile",))
                counts.sample_dimension = "obs"
                counts[:] = lengths
            else:
                index = file.createVariable("parentIndex", "i4", ("obs",))
                index.instance_dimension = "profile"
                order = rng.permutation(total)
                # Observations of one profile keep their order among the others'.
                owner = np.repeat(np.arange(len(lengths)), lengths)[order]
                order = np.argsort(np.argsort(owner, kind="stable"), kind="stable")
                index[:] = owner
            depth[:] = np.concatenate([p[3] for p in profiles])[order]
            temp[:] = np.concatenate([p[4] for p in profiles])[order]
        depth.setncatts({"standard_name": "depth", "units": "m", "positive": "down", "axis": "Z"})
        temp.setncatts({"standard_name": "sea_water_temperature", "units": "degC", "coordinates": "time lon lat z"})
    return profiles


@pytest.mark.parametrize("kind", ["padded", "orthogonal", "contiguous", "indexed"])
def test_each_of_cfs_representations_gives_the_same_profiles(con, rng, tmp_path, kind):
    profiles = cf_file(tmp_path / "a.nc", kind, rng)
    rows = frame(con, tmp_path / "a.nc")
    assert len(rows) == len(profiles)
    for (_, _, lon, lat, t, depth, temp, _), (want_lon, want_lat, hours, depths, temps) in zip(rows, profiles):
        assert (lon, lat, t) == (want_lon, want_lat, datetime.datetime(2020, 2, 28) + datetime.timedelta(hours=hours))
        n = len(depths)
        if kind == "orthogonal":
            # The axis is there for each profile; what it lacks is NULL.
            assert depth == [1, 5, 10, 50, 100] and temp[n:] == [None] * (5 - n)
            temp = temp[:n]
        else:
            np.testing.assert_array_equal(floats(depth), depths)
        np.testing.assert_array_equal(floats(temp), temps.astype("float32").astype("float64"))


def test_one_profile_to_a_file_and_many_files(con, rng, tmp_path):
    for i in range(5):
        n = 3 + i
        xr.Dataset({"temp": ("depth", np.arange(n, dtype="f4") + i, {"units": "degC"})},
                   coords={"depth": ("depth", np.arange(n) * 10.0, {"units": "m", "positive": "down"}), "lon": ((), 350.0 + i, {"units": "degrees_east"}),
                           "lat": ((), -5.0, {"units": "degrees_north"}), "time": ((), np.datetime64(f"2021-01-0{i + 1}T06", "ns"))}).to_netcdf(tmp_path / f"cast_{i}.nc")
    rows = frame(con, tmp_path / "cast_*.nc")
    for i, (number, path, lon, lat, t, depth, temp, attributes) in enumerate(rows):
        assert (number, path, lon, lat, t, attributes) == (0, f"{tmp_path}/cast_{i}.nc", -10.0 + i, -5.0, datetime.datetime(2021, 1, i + 1, 6), {})
        assert (depth, temp) == ([10.0 * k for k in range(3 + i)], [k + float(i) for k in range(3 + i)])
    assert len(rows) == 5


@pytest.mark.parametrize("dims", [("depth", "lat", "lon"), ("lat", "lon", "depth"), ("lat", "depth", "lon")], ids=str)
def test_the_columns_of_a_grid_are_profiles(con, rng, tmp_path, dims):
    sizes = {"depth": 6, "lat": 4, "lon": 5}
    values = rng.normal(0, 1, [sizes[d] for d in dims]).astype("f4")
    data = xr.Dataset({"so": (dims, values)}, coords={"depth": np.arange(6) * 7.0, "lat": np.arange(4) * 2.0, "lon": np.arange(5) * 3.0})
    data.depth.attrs, data.lat.attrs, data.lon.attrs = {"units": "m", "positive": "down"}, {"units": "degrees_north"}, {"units": "degrees_east"}
    data.to_netcdf(tmp_path / "grid.nc")
    rows = con.execute(f"SELECT lon, lat, depth, so FROM read_profiles('{tmp_path}/grid.nc')").fetchall()
    assert len(rows) == 20
    for lon, lat, depth, so in rows:
        np.testing.assert_array_equal(floats(so), data.so.sel(lat=lat, lon=lon).values.astype("float64"))
        assert depth == data.depth.values.tolist()
    assert [(r[1], r[0]) for r in rows] == sorted((r[1], r[0]) for r in rows)


def test_real_profiles_of_the_atlantic(con, iris_data):
    path = iris_data / "atlantic_profiles.nc"
    rows = con.execute(f"SELECT lon, lat, t, depth, theta, salinity FROM read_profiles('{path}')").fetchall()
    with xr.open_dataset(path) as data:
        assert len(rows) == data.sizes["lat"] * data.sizes["lon"]
        for lon, lat, t, depth, theta, salinity in rows:
            theirs = data.isel(lat=int(np.abs(data.lat - lat).argmin()), lon=int(np.abs((data.lon - lon + 180) % 360 - 180).argmin()))
            np.testing.assert_array_equal(floats(theta), theirs.theta.values.astype("float64"))
            np.testing.assert_array_equal(floats(salinity), theirs.salinity.values.astype("float64"))
            np.testing.assert_array_equal(floats(depth), data.depth.values.astype("float64"))
            assert t == data.time.values.astype("datetime64[us]").item()


def test_a_store_of_gridded_profiles_is_read(con, rng, tmp_path):
    """The layout of the production dataset's argo_profiles_on_grid.zarr, in both versions of Zarr."""
    n, depths = 50, np.array([0.5, 1.5, 5.0, 20.0], "f4")
    codes, valid = rng.integers(0, 255, (n, 4)).astype("uint8"), rng.integers(0, 2, (n, 4)).astype("int8")
    data = xr.Dataset({"target_date": ("profile", rng.integers(20180101, 20180131, n).astype("int32")), "grid_row": ("profile", rng.integers(0, 1800, n).astype("int32")),
                       "grid_col": ("profile", rng.integers(0, 3600, n).astype("int32")), "argo_temp_kelvin_uint8": (("profile", "glorys_depth"), codes),
                       "argo_temp_valid": (("profile", "glorys_depth"), valid)}, coords={"glorys_depth": ("glorys_depth", depths)})
    for version in (2, 3):
        store = tmp_path / f"v{version}.zarr"
        data.to_zarr(store, zarr_format=version, encoding={"argo_temp_kelvin_uint8": {"chunks": (7, 4)}})
        rows = con.execute(f"SELECT lon, lat, t, depth, argo_temp_kelvin_uint8, argo_temp_valid, attributes FROM read_profiles('{store}')").fetchall()
        assert len(rows) == n
        for i, (lon, lat, t, depth, code, is_valid, attributes) in enumerate(rows):
            assert (lon, lat, t, depth) == (None, None, None, depths.tolist())
            assert code == codes[i].tolist() and is_valid == valid[i].tolist()
            assert attributes == {name: str(int(data[name][i])) for name in ("target_date", "grid_row", "grid_col")}


def test_many_profiles_come_in_batches_and_in_order(con, rng, tmp_path):
    n, levels = 5000, 3
    depth = np.tile(np.arange(levels, dtype="f4"), (n, 1))
    data = xr.Dataset({"temp": (("profile", "level"), np.arange(n * levels, dtype="f4").reshape(n, levels))},
                      coords={"depth": (("profile", "level"), depth), "lon": ("profile", np.linspace(-180, 180, n)), "lat": ("profile", np.linspace(-90, 90, n))})
    data.to_zarr(tmp_path / "many.zarr", encoding={"temp": {"chunks": (999, 2)}})
    rows = con.execute(f"SELECT profile_id, lon, lat, temp FROM read_profiles('{tmp_path}/many.zarr')").fetchall()
    assert rows == [(i, data.lon.values[i], data.lat.values[i], data.temp.values[i].tolist()) for i in range(n)]
    for k in (1, 4):
        con.execute(f"SET threads = {k}")
        assert con.execute(f"SELECT sum(profile_id), sum(list_sum(temp)) FROM read_profiles('{tmp_path}/many.zarr')").fetchone() == (n * (n - 1) // 2, float(np.arange(n * levels, dtype="f8").sum()))


def test_parquet_has_a_row_a_profile(con, tmp_path):
    table = pa.table({
        "platform": ["a", "b", None], "lon": [10.0, 350.0, None], "lat": [1.0, 60.0, None], "time": [datetime.datetime(2020, 1, 1), None, datetime.datetime(2021, 1, 1)],
        "pres": pa.array([[5.0, 10.0, None], [1000.0], [3.0]], pa.list_(pa.float64())), "temp": pa.array([[1.0, None, 3.0], [2.5], [7.0]], pa.list_(pa.float32())),
        "temp_qc": pa.array([[1, 4, None], [2], None], pa.list_(pa.uint8())), "cycle": [1, 2, 3]})
    pq.write_table(table, tmp_path / "p.parquet")
    rows = con.execute(f"SELECT profile_id, lon, lat, t, depth, temp, temp_flags, attributes FROM read_profiles('{tmp_path}/p.parquet')").fetchall()
    first, second, third = rows
    assert first[:4] == (0, 10.0, 1.0, datetime.datetime(2020, 1, 1)) and first[5:] == ([1.0, None], [1, 4], {"platform": "a", "cycle": "1"})
    np.testing.assert_allclose(first[4], -gsw.z_from_p([5.0, 10.0], 1.0), atol=1e-9)
    assert second[1:4] == (-10.0, 60.0, None) and second[5:7] == ([2.5], [2])
    assert third[4:] == ([None], [7.0], [None], {"cycle": "3"})


# --- what is refused, and what is not


def write(path, **variables):
    """Variables as (dims, values, attributes)."""
    with netCDF4.Dataset(path, "w") as file:
        for name, (dims, values, attributes) in variables.items():
            values = np.asarray(values)
            for dim, size in zip(dims, values.shape):
                if dim not in file.dimensions:
                    file.createDimension(dim, size)
            variable = file.createVariable(name, values.dtype, dims)
            variable.setncatts(attributes)
            variable[:] = values
    return path


DEPTH = (("p", "z"), [[1.0, 2.0], [3.0, 4.0]], {"units": "m", "standard_name": "depth"})
TEMP = (("p", "z"), [[9.0, 8.0], [7.0, 6.0]], {})


@pytest.mark.parametrize("variables, more, message", [
    (dict(temp=TEMP), "", "none of its variables is a depth or a pressure: temp"),
    (dict(depth=DEPTH), "", 'none of its variables has a number for each level of "depth"'),
    (dict(depth=(*DEPTH[:2], {"units": "degC"}), temp=TEMP), "", 'its unit "degc" is none of depth'),
    (dict(depth=DEPTH, temp=TEMP), ", variables := 'salt'", '"salt"'),
    (dict(depth=DEPTH, temp=TEMP), ", depth := 'level'", '"level"'),
    (dict(depth=DEPTH, temp=TEMP, one=(("p",), [1.0, 2.0], {})), ", variables := 'one'", "it does not have a number for each level"),
    (dict(depth=DEPTH, temp=TEMP, lon=(("p",), [10.0, 361.0], {"units": "degrees_east"})), "", "profile 1 lies at longitude 361, latitude NULL, which is not on the globe"),
    (dict(depth=DEPTH, temp=TEMP, lat=(("p",), [-91.0, 0.0], {"units": "degrees_north"})), "", "profile 0 lies at longitude NULL, latitude -91"),
    (dict(depth=DEPTH, temp=TEMP, time=(("p",), [1.0, 2.0], {"units": "months since 2000-01-01"})), "", "months and years have no one length"),
    (dict(depth=DEPTH, temp=TEMP, time=(("p",), [1.0, 2.0], {"units": "days since 2000-01-01", "calendar": "lunar"})), "", '"lunar" is not a calendar'),
    (dict(depth=DEPTH, temp=(("p", "z"), [[1e300, 1.0], [1.0, 1.0]], {})), "", "1e300 is beyond the largest FLOAT"),
    (dict(depth=(("o",), [1.0, 2.0], DEPTH[2]), temp=(("o",), [1.0, 2.0], {}), n=(("p",), np.array([1, 5], "i4"), {"sample_dimension": "o"})), "", "it counts more than the 2 observations"),
    (dict(depth=(("o",), [1.0, 2.0], DEPTH[2]), temp=(("o",), [1.0, 2.0], {}), lon=(("p",), [1.0], {"units": "degrees_east"}), i=(("o",), np.array([0, 1], "i4"), {"instance_dimension": "p"})), "", "it names a profile beyond the 1 that there are"),
])
def test_what_a_file_lacks_is_named(con, tmp_path, variables, more, message):
    path = write(tmp_path / "bad.nc", **variables)
    with pytest.raises(Exception) as told:
        frame(con, path, more)
    assert "read_profiles" in str(told.value) and "bad.nc" in str(told.value) and message in str(told.value), told.value


def test_depths_come_as_they_are_stored(con, tmp_path):
    """Negative, unsorted and repeated ones, and heights that count upwards; a calendar is standard where none is told."""
    path = write(tmp_path / "odd.nc", depth=(("p", "z"), [[5.0, -1.0, 5.0], [2.0, np.nan, np.nan]], {"units": "m", "standard_name": "depth"}), temp=(("p", "z"), np.arange(6.0).reshape(2, 3), {}),
                 time=(("p",), [0.0, 1.0], {"units": "days since 2000-02-28"}))
    assert con.execute(f"SELECT depth, temp, t FROM read_profiles('{path}')").fetchall() == [
        ([5.0, -1.0, 5.0], [0.0, 1.0, 2.0], datetime.datetime(2000, 2, 28)), ([2.0], [3.0], datetime.datetime(2000, 2, 29))]
    path = write(tmp_path / "up.nc", z=(("z",), [-10.0, -5.0], {"units": "m", "positive": "up", "axis": "Z"}), temp=(("z",), [1.0, 2.0], {}))
    assert con.execute(f"SELECT depth, temp FROM read_profiles('{path}')").fetchall() == [([10.0, 5.0], [1.0, 2.0])]


def test_files_that_differ_are_told(con, rng, tmp_path):
    argo(tmp_path / "a.nc", rng), argo(tmp_path / "b.nc", rng, flags=False)
    with pytest.raises(Exception, match='"PRES_ADJUSTED" of ".*b.nc" has no flags, and the first file has'):
        frame(con, tmp_path / "*.nc")
    assert len(frame(con, tmp_path / "*.nc", ", qc := false")) == 14
    cf_file(tmp_path / "c.nc", "padded", rng)
    with pytest.raises(Exception, match="PRES_ADJUSTED"):
        frame(con, tmp_path / "*.nc", ", qc := false")


def test_parquet_of_observations_is_told_apart(con, tmp_path):
    pq.write_table(pa.table({"depth": [1.0, 2.0], "temp": [3.0, 4.0]}), tmp_path / "o.parquet")
    with pytest.raises(Exception, match="a row is an observation"):
        frame(con, tmp_path / "o.parquet")
