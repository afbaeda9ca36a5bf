"""geo_fill_gaps against GDAL through rasterio in space, against xarray, pandas and brute force along time."""
import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr
from hypothesis import given, strategies as st
from rasterio.fill import fillnodata

from conftest import connect
from strategies import law, series

WIDE = ("float64", "int32", "int64")


def table(con, data, nulls, times=None):
    """One row: NaN and NULL are gaps alike."""
    values = pa.array(np.ma.getdata(data).ravel(), mask=nulls.ravel())
    more = {} if times is None else {"times": pa.array([times.tolist()], pa.list_(pa.timestamp("us")))}
    con.register("arrow", pa.table({"data": pa.ListArray.from_arrays([0, data.size], values), "shape": [list(data.shape)], **more}))
    con.execute("CREATE OR REPLACE TABLE t AS FROM arrow")
    con.unregister("arrow")


def one(con, call, shape):
    data, filled = con.execute(f"SELECT g.data, g.filled FROM (SELECT {call} AS g FROM t)").fetchall()[0]
    values = np.array([np.nan if v is None else v for v in data], "float64").reshape(shape)
    return values, None if filled is None else np.array(filled).reshape(shape)


def draw(rng, dtype, shape, share):
    data = rng.normal(20, 5, shape).astype(dtype) if dtype.startswith("float") else rng.integers(0, 200, shape).astype(dtype)
    nulls = rng.random(shape) < share
    # Round holes beside single pixels.
    rows, cols = np.mgrid[0:shape[-2], 0:shape[-1]]
    for plane in nulls.reshape(-1, *shape[-2:]):
        plane |= (rows - rng.integers(shape[-2])) ** 2 + (cols - rng.integers(shape[-1])) ** 2 < rng.integers(1, 60)
    return data, nulls


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int16", "int32"])
@pytest.mark.parametrize("distance", [1, 2.5, 7, 100])
def test_gaps_in_space_are_filled_as_gdal_fills_them(con, rng, dtype, distance):
    for shape, share in (((2, 33, 47), 0.3), ((1, 1, 40), 0.6), ((1, 40, 1), 0.6), ((1, 24, 24), 0.95), ((1, 5, 5), 0)):
        data, nulls = draw(rng, dtype, shape, share)
        table(con, data, nulls)
        got, filled = one(con, f"geo_fill_gaps(data, shape, {{distance: {distance}, mask: true}})", shape)
        for band in range(shape[0]):
            # GDAL works in float32, and leaves what it cannot fill as it came.
            image = np.where(nulls[band], -999.0, data[band]).astype("float32")
            want = fillnodata(image, ~nulls[band], max_search_distance=distance)
            new = nulls[band] & (want != -999)
            np.testing.assert_array_equal(filled[band], new)
            np.testing.assert_array_equal(np.isnan(got[band]), nulls[band] & ~new)
            np.testing.assert_allclose(got[band][new], want[new], rtol=2e-6)
            np.testing.assert_array_equal(got[band][~nulls[band]], data[band][~nulls[band]].astype("float64"))


def test_smoothing_is_gdals(con, rng):
    for rounds in (1, 2, 5):
        data, nulls = draw(rng, "float32", (1, 40, 50), 0.2)
        table(con, data, nulls)
        got, _ = one(con, f"geo_fill_gaps(data, shape, {{smooth: {rounds}}})", data.shape)
        want = smoothed(fillnodata(np.where(nulls[0], 0.0, data[0]).astype("float32"), ~nulls[0]), nulls[0], rounds)
        np.testing.assert_allclose(got[0], want, rtol=3e-6)


def smoothed(image, filled, rounds):
    """GDALMultiFilter: means of 3 x 3, all of the round before, but in the first and the last row."""
    image = image.astype("float64")
    for _ in range(rounds):
        edge = np.pad(image, 1, constant_values=np.nan)
        stack = np.stack([edge[r:r + image.shape[0], c:c + image.shape[1]] for r in range(3) for c in range(3)])
        mean = np.nanmean(stack, 0)
        inner = filled.copy()
        inner[[0, -1]] = False
        image = np.where(inner, mean, image)
    return image


def test_the_nearest_pixel_is_that_of_brute_force(con, rng):
    for distance in (1.5, 4, 30):
        shape = (1, 19, 23)
        _, nulls = draw(rng, "float32", shape, 0.8)
        data = np.arange(19 * 23, dtype="int32").reshape(shape)
        table(con, data, nulls)
        got, _ = one(con, f"geo_fill_gaps(data, shape, {{method: 'nearest', distance: {distance}}})", shape)
        there = np.argwhere(~nulls[0])
        for row, col in np.argwhere(nulls[0]):
            far = np.hypot(*(there - (row, col)).T)
            if far.min(initial=np.inf) <= distance:
                value = int(got[0, row, col])
                assert np.hypot(value // 23 - row, value % 23 - col) == far.min()
            else:
                assert np.isnan(got[0, row, col])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int32"])
def test_gaps_along_time_are_filled_as_xarray_and_pandas_fill_them(con, rng, dtype):
    days = np.cumsum(rng.integers(1, 9, 15))
    times = np.datetime64("2020-01-01", "us") + days * np.timedelta64(86_400_000_000, "us")
    data, nulls = draw(rng, dtype, (15, 2, 6, 7), 0.5)
    table(con, data, nulls, times)
    cube = xr.DataArray(np.where(nulls, np.nan, data.astype("float64")), dims=("time", "band", "row", "col"), coords={"time": times})
    loose = {"rtol": 1e-12 if dtype in WIDE else 1e-7}
    linear, filled = one(con, "geo_fill_gaps(data, shape, times, {mask: true})", data.shape)
    want = cube.interpolate_na("time").values
    np.testing.assert_allclose(linear, want, **loose)
    np.testing.assert_array_equal(filled, nulls & ~np.isnan(want))
    # Steps one apart, without times.
    even = cube.drop_vars("time")
    np.testing.assert_allclose(one(con, "geo_fill_gaps(data, shape, {along: 'time'})", data.shape)[0], even.interpolate_na("time").values, **loose)
    for limit in (1, 2, 4):
        got, _ = one(con, f"geo_fill_gaps(data, shape, {{along: 'time', method: 'previous', reach: {limit}}})", data.shape)
        want = pd.DataFrame(even.values.reshape(15, -1)).ffill(limit=limit).to_numpy().reshape(data.shape)
        np.testing.assert_allclose(got, want, **loose)


def brute(series, times, method, limit):
    there = np.flatnonzero(~np.isnan(series))
    out = series.copy()
    for step in np.flatnonzero(np.isnan(series)):
        near = [i for i in there if abs(times[i] - times[step]) <= limit]
        before, after = [i for i in near if i < step][-1:], [i for i in near if i > step][:1]
        if method == "previous" and before:
            out[step] = series[before[0]]
        elif method == "nearest" and (before or after):
            out[step] = series[min(before + after, key=lambda i: (abs(times[i] - times[step]), i))]
        elif method == "linear" and before and after:
            a, b = before[0], after[0]
            out[step] = series[a] + (series[b] - series[a]) * (times[step] - times[a]) / (times[b] - times[a])
    return out


@law(60)
@given(series(), st.sampled_from(["linear", "nearest", "previous"]), st.integers(1, 60))
def check_reach(con, steps, method, limit):
    hours = np.cumsum([hours for hours, _ in steps])
    values = np.array([np.nan if v is None else v for _, v in steps], "float64")
    times = ", ".join(f"TIMESTAMP '2020-01-01' + INTERVAL {hour} HOUR" for hour in hours)
    texts = ", ".join("NULL" if v is None else str(v) for _, v in steps)
    got = con.execute(f"SELECT geo_fill_gaps([{texts}]::DOUBLE[], [{len(steps)}, 1, 1], [{times}], {{method: '{method}', reach: INTERVAL {limit} HOUR}}).data").fetchall()[0][0]
    np.testing.assert_allclose([np.nan if v is None else v for v in got], brute(values, hours, method, limit), rtol=1e-12)


def test_no_step_out_of_reach_counts():
    con = connect()
    check_reach(con)
    con.close()


def test_what_stays_a_gap_is_as_it_came(con):
    got = con.execute("SELECT geo_fill_gaps(['nan'::FLOAT, NULL, 1, NULL, 'nan'], [1, 5], {distance: 1}).data, geo_fill_gaps([NULL, 'nan'::FLOAT], [1, 2]), geo_fill_gaps(NULL::FLOAT[], [1, 2]), geo_fill_gaps([1]::FLOAT[], NULL)").fetchall()[0]
    assert np.isnan(got[0][0]) and got[0][1:4] == [1, 1, 1] and np.isnan(got[0][4])
    assert got[1]["data"][0] is None and np.isnan(got[1]["data"][1]) and got[1]["filled"] is None
    assert got[2:] == (None, None)


def test_rows_keep_their_own_masks(con):
    got = con.execute("SELECT geo_fill_gaps(d, [1, len(d)], {mask: true}) FROM (VALUES ([1, NULL]::FLOAT[]), (NULL), ([]), ([NULL, 2, NULL])) t(d)").fetchall()
    assert [row[0] for row in got] == [{"data": [1, 1], "filled": [False, True]}, None, {"data": [], "filled": []}, {"data": [2, 2, 2], "filled": [True, False, True]}]


@pytest.mark.parametrize("call, words", [
    ("geo_fill_gaps([1]::FLOAT[], [1, 2])", ["geo_fill_gaps(shape)", "1 values", "[1, 2]"]),
    ("geo_fill_gaps([1]::FLOAT[], [1, 1], {method: 'linear'})", ["geo_fill_gaps(method)", "linear", "idw"]),
    ("geo_fill_gaps([1]::FLOAT[], [1, 1, 1], {along: 'time', method: 'idw'})", ["geo_fill_gaps(method)", "idw", "previous"]),
    ("geo_fill_gaps([1]::FLOAT[], [1, 1], {distance: 0})", ["geo_fill_gaps(distance)", "0"]),
    ("geo_fill_gaps([1]::FLOAT[], [1, 1], {smooth: -1})", ["geo_fill_gaps(smooth)", "-1"]),
    ("geo_fill_gaps([1]::FLOAT[], [1, 1], {reach: 3})", ["geo_fill_gaps(reach)", "along space"]),
    ("geo_fill_gaps([1]::FLOAT[], [1, 1, 1], {along: 'time', distance: 3})", ["geo_fill_gaps(distance)", "along time"]),
    ("geo_fill_gaps([1]::FLOAT[], [1, 1], {along: 'time'})", ["geo_fill_gaps(shape)", "[1, 1]", "[time, band, row, col]"]),
    ("geo_fill_gaps([1]::FLOAT[], [1, 1, 1], {along: 'time', reach: INTERVAL 1 DAY})", ["geo_fill_gaps(reach)", "number of steps"]),
    ("geo_fill_gaps([1]::FLOAT[], [1, 1, 1], [TIMESTAMP '2020-01-01'], {reach: 2})", ["geo_fill_gaps(reach)", "INTERVAL 3 DAY"]),
    ("geo_fill_gaps([1]::FLOAT[], [1, 1, 1], [TIMESTAMP '2020-01-01'], {reach: INTERVAL 1 MONTH})", ["geo_fill_gaps(reach)", "months"]),
    ("geo_fill_gaps([1]::FLOAT[], [1, 1, 1], [TIMESTAMP '2020-01-01'], {along: 'space'})", ["geo_fill_gaps(along)", "times"]),
    ("geo_fill_gaps([1, 2]::FLOAT[], [2, 1, 1], [TIMESTAMP '2020-01-01'])", ["geo_fill_gaps(times)", "1 times", "2"]),
    ("geo_fill_gaps([1, 2]::FLOAT[], [2, 1, 1], [TIMESTAMP '2020-01-02', TIMESTAMP '2020-01-01'])", ["geo_fill_gaps(times)", "not later"]),
    ("geo_fill_gaps([1, 2]::FLOAT[], [2, 1, 1], [TIMESTAMP '2020-01-02', NULL])", ["geo_fill_gaps(times)", "NULL"]),
    ("geo_fill_gaps([1]::FLOAT[], [1, 1], {distanse: 3})", ["geo_fill_gaps(options)", "distanse", "distance"]),
])
def test_bad_input_is_named(con, call, words):
    with pytest.raises(Exception) as error:
        con.execute(f"SELECT {call}").fetchall()
    assert all(word in str(error.value) for word in words), error.value


def test_ways_further_than_numbers_reach(con):
    ask = lambda data, times: con.execute(f"SELECT geo_fill_gaps({data}::DOUBLE[], [3, 1, 1, 1], {times}).data").fetchone()[0]
    assert ask("[1e308, NULL, -1e308]", "{along: 'time'}") == [1e308, 0, -1e308]
    years = "['250000-01-01 (BC)'::TIMESTAMP, '2020-01-01'::TIMESTAMP, '250000-01-01'::TIMESTAMP]"
    assert ask("[0, NULL, 10]", years)[1] == pytest.approx(10 * (250000 - 1 + 2020) / (500000 - 1), abs=1e-3)
    with pytest.raises(duckdb.Error, match=r"geo_fill_gaps\(times\).*none of them NULL or infinite"):
        ask("[0, NULL, 10]", "['-infinity'::TIMESTAMP, '2020-01-01'::TIMESTAMP, 'infinity'::TIMESTAMP]")
