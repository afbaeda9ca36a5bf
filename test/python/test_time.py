"""Windows, weights and reductions in time against NumPy, scipy and pandas."""
import datetime as dt

import numpy as np
import pandas as pd
import pytest
from scipy.signal.windows import tukey

DAY = dt.timedelta(days=1)
MICRO = dt.timedelta(microseconds=1)


def windows(con, axis, **words):
    given = ", ".join(f"{name} := {value}" for name, value in words.items())
    return con.execute(f"FROM geo_time_windows({axis}, {given})").df()


def scalar(con, times, options):
    return con.execute("SELECT geo_time_windows(?::TIMESTAMP[], %s)" % options, [list(times)]).fetchone()[0]


JANUARY = "'2020-01-01', '2020-01-31'"


def test_seven_days_of_daily_data_are_seven_steps_and_a_horizon_is_the_day_after(con):
    got = windows(con, JANUARY, geometry="'lookback_horizon'", lookback="INTERVAL 7 DAY", horizon="INTERVAL 1 DAY", sampler="'causal'", step="INTERVAL 1 DAY")
    axis = pd.date_range("2020-01-01", "2020-01-31")
    assert got["window_id"].nunique() == 24
    for _, sample in got.groupby("window_id"):
        past, future = (axis[(axis >= w.t_min) & (axis <= w.t_max)] for w in (sample[sample.role == role].iloc[0] for role in ("lookback", "horizon")))
        assert len(past) == 7 and len(future) == 1 and future[0] - past[-1] == DAY
        assert (past <= sample.anchor.iloc[0]).all() and (future > sample.anchor.iloc[0]).all()
    assert got["t_max"].max() == pd.Timestamp("2020-01-31 23:59:59.999999")


def test_anchors_of_each_sampler(con):
    words = dict(lookback="INTERVAL 7 DAY", step="INTERVAL 5 DAY")
    regular = windows(con, JANUARY, **words)["anchor"]
    assert list(regular) == list(pd.date_range("2020-01-11", "2020-01-31", freq="5D"))
    causal = windows(con, JANUARY, sampler="'causal'", **words)["anchor"]
    assert list(causal) == list(pd.date_range("2020-01-31 23:59:59.999999", periods=5, freq="-5D")[::-1])
    partial = windows(con, JANUARY, partial="true", **words)
    assert list(partial["anchor"]) == list(pd.date_range("2020-01-01", "2020-01-31", freq="5D"))
    assert partial["t_min"].iloc[0] == partial["t_max"].iloc[0] == pd.Timestamp("2020-01-01")
    events = "[TIMESTAMP '2020-01-20 06:00:00', TIMESTAMP '2020-01-10', TIMESTAMP '2020-01-10']"
    assert list(windows(con, JANUARY, lookback="INTERVAL 7 DAY", sampler="'event'", times=events)["anchor"]) == [pd.Timestamp("2020-01-10"), pd.Timestamp("2020-01-20 06:00")]
    assert list(windows(con, JANUARY, lookback="INTERVAL 7 DAY", sampler="'explicit'", times=events)["anchor"]) == [pd.Timestamp(t) for t in ("2020-01-20 06:00", "2020-01-10", "2020-01-10")]


def test_random_anchors_are_what_numpy_draws(con):
    got = windows(con, JANUARY, lookback="INTERVAL 7 DAY", sampler="'random'", n=200, seed=4)
    first = pd.Timestamp("2020-01-08") - MICRO
    last = pd.Timestamp("2020-02-01") - MICRO
    span = (last - first) // MICRO
    want = [first + dt.timedelta(microseconds=int(i)) for i in (lambda g: [g.integers(span + 1) for _ in range(200)])(np.random.default_rng(4))]
    assert list(got["anchor"]) == want
    stepped = windows(con, JANUARY, lookback="INTERVAL 7 DAY", sampler="'random'", step="INTERVAL 5 DAY", n=50, seed=4)
    order = np.random.default_rng(4).integers(5, size=50)
    assert list(stepped["anchor"]) == [pd.Timestamp("2020-01-11") + 5 * int(i) * DAY for i in order]


def test_months_and_years_count_by_the_calendar(con):
    got = windows(con, "'2020', '2020'", lookback="INTERVAL 1 MONTH", sampler="'causal'", step="INTERVAL 1 MONTH")
    assert list(got["t_max"] + MICRO) == list(pd.date_range("2020-02-01", "2021-01-01", freq="MS"))[1 - 1:]
    got = windows(con, "'2010', '2019'", geometry="'phase'", period="INTERVAL 1 YEAR", phase_width="INTERVAL 30 DAY", sampler="'event'", times="[DATE '2015-07-16']")
    assert len(got) == 10 and (got["t_max"].dt.month.isin([7])).all()
    for w in got.itertuples():
        assert w.t_max == pd.Timestamp(w.t_max.year, 7, 31) and w.t_min == pd.Timestamp(w.t_max.year, 7, 1) + MICRO
    past = windows(con, "'2010', '2019'", geometry="'phase'", period="INTERVAL 1 YEAR", phase_width="INTERVAL 30 DAY", causal="true", sampler="'event'", times="[DATE '2015-07-16']")
    assert len(past) == 6 and past["t_max"].max() == pd.Timestamp("2015-07-16")


def axes():
    days = pd.date_range("2019-01-01", "2019-12-31")
    gaps = days.delete([40, 41, 42, 100, 200, 201])
    months = pd.date_range("2010-01-01", "2019-12-01", freq="MS")
    rng = np.random.default_rng(1)
    irregular = pd.Timestamp("2019-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 300 * 86400, 200)), "s")
    return {"daily": days, "gaps": gaps, "monthly": months, "irregular": irregular}


@pytest.mark.parametrize("name", axes())
def test_the_steps_of_a_window_are_those_that_brute_force_finds(con, name):
    axis = axes()[name]
    shuffled = np.random.default_rng(2).permutation(len(axis))
    times = [axis[i].to_pydatetime() for i in shuffled]
    got = scalar(con, times, "{geometry: 'lookback_horizon', lookback: INTERVAL 90 DAY, horizon: INTERVAL 20 DAY}")
    assert got
    for w in got:
        inside = sorted((t, i + 1) for i, t in enumerate(times) if w["t_min"] <= t <= w["t_max"])
        assert w["steps"] == [i for _, i in inside]
        low, high = (w["anchor"] - 90 * DAY, w["anchor"]) if w["role"] == "lookback" else (w["anchor"], w["anchor"] + 20 * DAY)
        assert [t for t, _ in inside] == sorted(t for t in times if low < t <= high)
    first = min(axis) - (sorted(set(axis))[1] - min(axis))
    assert sorted({w["anchor"] for w in got}) == [t for t in sorted(set(axis)) if t - 90 * DAY >= first and t + 20 * DAY <= max(axis)]


def test_with_a_step_every_sample_has_as_many_places_and_gaps_are_null(con):
    axis = axes()["gaps"]
    got = scalar(con, [t.to_pydatetime() for t in axis], "{geometry: 'lookback_horizon', lookback: INTERVAL 10 DAY, horizon: INTERVAL 3 DAY, step: INTERVAL 1 DAY}")
    place = {t: i + 1 for i, t in enumerate(axis)}
    assert {(w["role"], len(w["steps"])) for w in got} == {("lookback", 10), ("horizon", 3)}
    for w in got:
        days = pd.date_range(end=w["t_max"], periods=len(w["steps"]))
        assert w["steps"] == [place.get(day) for day in days]
    assert any(None in w["steps"] for w in got)


def test_a_360_day_axis_keeps_its_months(con):
    """As read_variables gives it: the days that TIMESTAMP lacks are the last of their month."""
    times = [dt.datetime(2001, m, min(d, 28 if m == 2 else 30)) for m in range(1, 13) for d in range(1, 31)]
    got = scalar(con, times, "{lookback: INTERVAL 1 MONTH, sampler: 'explicit', times: [TIMESTAMP '2001-03-30']}")
    assert [times[i - 1] for i in got[0]["steps"]] == [t for t in sorted(times) if dt.datetime(2001, 2, 28) < t <= dt.datetime(2001, 3, 30)]


def test_an_axis_shorter_than_the_window_has_none_and_nulls_are_no_steps(con):
    assert scalar(con, [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 2)], "{lookback: INTERVAL 7 DAY}") == []
    assert scalar(con, [], "{lookback: INTERVAL 7 DAY}") == []
    assert con.execute("SELECT geo_time_windows(NULL::TIMESTAMP[], {lookback: INTERVAL 7 DAY})").fetchone() == (None,)
    got = scalar(con, [dt.datetime(2020, 1, 2), None, dt.datetime(2020, 1, 1)], "{lookback: INTERVAL 2 DAY}")
    assert [w["steps"] for w in got] == [[3, 1]]


@pytest.fixture(scope="module")
def real_axes(tmp_path_factory):
    """Axes as files have them: every other day with gaps, months, a year of 360 days, and no step at all; each three years and more."""
    import netCDF4
    from conftest import connect
    rng = np.random.default_rng(3)
    days = np.delete(np.arange(0, 1200, 2), rng.choice(600, 80, replace=False))
    units = {"gaps": ("days since 2015-01-01", "standard", days), "monthly": ("months since 2010-01-01", "360_day", np.arange(60)),
             "360-day": ("days since 2015-01-01", "360_day", np.arange(0, 1200, 2)), "irregular": ("hours since 2015-01-01", "standard", np.sort(rng.choice(24 * 1200, 350, replace=False)))}
    con, found = connect(), {}
    for name, (unit, calendar, values) in units.items():
        path = tmp_path_factory.mktemp("axes") / "axis.nc"
        with netCDF4.Dataset(path, "w") as out:
            out.createDimension("time", len(values))
            axis = out.createVariable("time", "f8", ("time",))
            axis.units, axis.calendar, axis[:] = unit, calendar, values
            out.createVariable("v", "f4", ("time",))[:] = 0
        found[name] = [t for t, in con.execute(f"SELECT unnest(read_times('{path}', 'v')).time").fetchall()]
        assert len(found[name]) == len(values)
    con.close()
    return found


AXES = ["gaps", "monthly", "360-day", "irregular"]
ANCHORS = ["", ", sampler: 'random', n: 15", ", sampler: 'explicit', times: %s", ", sampler: 'event', times: %s"]


def samples(con, times, options, sampler):
    """Windows by anchor: role to the places of its steps."""
    some = sorted(set(times))[len(set(times)) // 2::7][:9]
    listed = "[" + ", ".join(f"TIMESTAMP '{t}'" for t in some) + "]"
    got = scalar(con, times, "{" + options + (sampler % listed if "%s" in sampler else sampler) + "}")
    assert got
    found = {}
    for w in got:
        found.setdefault((w["window_id"], w["anchor"]), []).append((w["role"], w["steps"]))
    # Of a thousand anchors some are enough, from the first on.
    return dict(list(found.items())[::len(found) // 30 + 1])


@pytest.mark.parametrize("sampler", ANCHORS)
@pytest.mark.parametrize("name", AXES)
def test_a_causal_window_never_holds_a_later_time(con, real_axes, name, sampler):
    times = real_axes[name]
    for options in ("lookback: INTERVAL 200 DAY", "geometry: 'multi_scale', scales: [INTERVAL 40 DAY, INTERVAL 300 DAY]",
                    "geometry: 'phase', period: INTERVAL 1 YEAR, phase_width: INTERVAL 80 DAY, causal: true, partial: true"):
        for (_, anchor), windows in samples(con, times, options, sampler).items():
            assert all(times[i - 1] <= anchor for _, steps in windows for i in steps)


@pytest.mark.parametrize("sampler", ANCHORS)
@pytest.mark.parametrize("name", AXES)
def test_lookback_and_horizon_share_no_step_and_leave_none_between(con, real_axes, name, sampler):
    times = real_axes[name]
    for (_, anchor), windows in samples(con, times, "geometry: 'lookback_horizon', lookback: INTERVAL 200 DAY, horizon: INTERVAL 100 DAY, partial: true", sampler).items():
        held = {"lookback": set(), "horizon": set()} | {role: {i - 1 for i in steps} for role, steps in windows}
        assert len(held) == 2 and not held["lookback"] & held["horizon"]
        want = {i for i, t in enumerate(times) if anchor - 200 * DAY < t <= anchor + 100 * DAY}
        assert held["lookback"] | held["horizon"] == want
        assert all(times[i] <= anchor for i in held["lookback"]) and all(times[i] > anchor for i in held["horizon"])


@pytest.mark.parametrize("sampler", ANCHORS)
@pytest.mark.parametrize("name", AXES)
def test_windows_of_a_phase_hold_that_phase_alone(con, real_axes, name, sampler):
    times = real_axes[name]
    for (_, anchor), windows in samples(con, times, "geometry: 'phase', period: INTERVAL 1 YEAR, phase_width: INTERVAL 80 DAY, partial: true", sampler).items():
        same = [pd.Timestamp(anchor) + pd.DateOffset(years=k) for k in range(-8, 9)]
        want = {i for i, t in enumerate(times) if any(c - 40 * DAY < t <= c + 40 * DAY for c in same)}
        assert {i - 1 for _, steps in windows for i in steps} == want
        assert len(windows) > 1


@pytest.mark.parametrize("sampler", ANCHORS)
@pytest.mark.parametrize("name", AXES)
def test_windows_of_several_scales_nest(con, real_axes, name, sampler):
    times = real_axes[name]
    for _, windows in samples(con, times, "geometry: 'multi_scale', scales: [INTERVAL 30 DAY, INTERVAL 90 DAY, INTERVAL 1 YEAR]", sampler).items():
        small, middle, large = (set(steps) for _, steps in windows)
        assert small <= middle <= large and len(large) > len(small)


def weigh(con, times, anchor, options):
    return np.array(con.execute("SELECT geo_time_weights(?::TIMESTAMP[], ?::TIMESTAMP, %s)" % options, [list(times), anchor]).fetchone()[0])


def test_weights_are_their_formulas(con):
    times = [t.to_pydatetime() for t in axes()["irregular"]]
    anchor = times[120]
    age = np.array([(anchor - t) / DAY for t in times])
    np.testing.assert_array_equal(weigh(con, times, anchor, "{taper: 'causal_boxcar'}"), age >= 0)
    np.testing.assert_array_equal(weigh(con, times, anchor, "{length: INTERVAL 30 DAY}"), (age >= 0) & (age < 30))
    np.testing.assert_allclose(weigh(con, times, anchor, "{taper: 'exponential_decay', tau: INTERVAL 3 DAY}"), np.where(age >= 0, np.exp(-age / 3), 0), rtol=1e-12)
    np.testing.assert_allclose(weigh(con, times, anchor, "{taper: 'periodic', period: INTERVAL 24 HOUR}"), 0.5 * (1 + np.cos(2 * np.pi * age)), atol=1e-10)
    daily = [t.to_pydatetime() for t in axes()["daily"][:31]]
    for alpha in (0, 0.3, 1):
        np.testing.assert_allclose(weigh(con, daily, daily[-1], f"{{taper: 'tukey', alpha: {alpha}}}"), tukey(31, alpha), atol=1e-12)
    got = weigh(con, daily, daily[20], "{taper: 'tukey', alpha: 1, length: INTERVAL 10 DAY}")
    np.testing.assert_allclose(got, np.r_[np.zeros(10), tukey(11, 1), np.zeros(10)], atol=1e-12)


def reduce(con, data, times, anchor, options):
    flat = [None if v is None or np.isnan(v) else float(v) for v in np.ravel(data)]
    return con.execute("SELECT geo_time_reduce(?::DOUBLE[], ?::BIGINT[], ?::TIMESTAMP[], ?::TIMESTAMP, %s)" % options, [flat, list(np.shape(data)), list(times), anchor]).fetchone()[0]


def array(reduced):
    return np.array([np.nan if v is None else v for v in reduced["data"]]).reshape(reduced["shape"])


def test_reductions_are_numpys(con, rng):
    times = [dt.datetime(2020, 1, 1) + i * DAY for i in rng.permutation(40)]
    anchor = dt.datetime(2020, 1, 25)
    data = rng.normal(size=(40, 2, 3))
    data[rng.random(data.shape) < 0.2] = np.nan
    data[:, 0, 0] = np.nan
    age = np.array([(anchor - t) / DAY for t in times])
    with np.errstate(all="ignore"):
        mean = lambda w: np.nansum(data * w[:, None, None], 0) / (w[:, None, None] * ~np.isnan(data)).sum(0)
        np.testing.assert_allclose(array(reduce(con, data, times, anchor, "{method: 'mean'}")), mean(np.ones(40)), rtol=1e-12)
        decay = np.where(age >= 0, np.exp(-age / 3), 0)
        np.testing.assert_allclose(array(reduce(con, data, times, anchor, "{method: 'weighted', taper: 'exponential_decay', tau: INTERVAL 3 DAY}")), mean(decay), rtol=1e-12)
        scales = [mean(((age >= 0) & (age < n)).astype(float)) for n in (7, 20)]
        np.testing.assert_allclose(array(reduce(con, data, times, anchor, "{method: 'hierarchical', scales: [INTERVAL 7 DAY, INTERVAL 20 DAY]}")), np.mean(scales, 0), rtol=1e-12)
        np.testing.assert_allclose(array(reduce(con, data, times, anchor, "{method: 'hierarchical', scales: [INTERVAL 7 DAY, INTERVAL 20 DAY], weights: [3, 1]}")), 0.75 * scales[0] + 0.25 * scales[1], rtol=1e-12)
    order = np.argsort(times)
    np.testing.assert_array_equal(array(reduce(con, data, times, anchor, "{method: 'sequential'}")), data[order])
    np.testing.assert_array_equal(array(reduce(con, data, times, anchor, "{method: 'forecast'}")), data[[i for i in order if times[i] > anchor]])


def test_time_then_space_and_space_then_time_differ_where_values_are_missing(con, rng):
    """The mean of means is the mean where nothing is missing; where something is, each order weighs it another way."""
    times = [dt.datetime(2020, 1, 1) + i * DAY for i in range(6)]
    whole = rng.normal(size=(6, 50))
    holes = whole.copy()
    holes[rng.random(holes.shape) < 0.3] = np.nan
    for data, same in ((whole, True), (holes, False)):
        time_first = np.nanmean(array(reduce(con, data, times, times[-1], "{method: 'mean'}")))
        space_first = array(reduce(con, np.nanmean(data, 1, keepdims=True), times, times[-1], "{method: 'mean'}"))[0]
        assert np.isclose(time_first, np.nanmean(np.nanmean(data, 0))) and np.isclose(space_first, np.nanmean(np.nanmean(data, 1)))
        assert np.isclose(time_first, space_first, rtol=1e-9) == same


def test_patches_times_windows_and_places_with_their_times(con):
    con.execute("CREATE TABLE grid AS FROM geo_patch_grid({xmin: 0, ymin: 0, xmax: 30, ymax: 20}, resolution := 1, size := 10)")
    con.execute("CREATE TABLE weeks AS FROM geo_time_windows('2020-01-01', '2020-01-21', lookback := INTERVAL 7 DAY, sampler := 'causal', step := INTERVAL 7 DAY)")
    rows = con.execute("SELECT window_id, patch_id FROM geoquilt.space_time('grid', 'weeks')").fetchall()
    assert rows == [(w, p) for w in range(3) for p in range(6)]
    con.execute("CREATE TABLE storms AS SELECT 'POINT (8 54)'::GEOMETRY AS geometry, TIMESTAMP '2013-12-05 18:00:00' AS t, 'Xaver' AS name")
    rows = con.execute("SELECT name, role, slice FROM geoquilt.space_time_events('storms', INTERVAL 7 DAY, 64, 0.25, horizon := INTERVAL 1 DAY)").fetchall()
    assert [r[:2] for r in rows] == [("Xaver", "lookback"), ("Xaver", "horizon")]
    past, future = rows[0][2], rows[1][2]
    assert past["bbox"] == dict(xmin=0, ymin=46, xmax=16, ymax=62) == future["bbox"] and (past["width"], past["height"]) == (64, 64)
    assert past["t_max"] == dt.datetime(2013, 12, 5, 18) and future["t_min"] == past["t_max"] + MICRO and future["t_max"] == dt.datetime(2013, 12, 6, 18)
    assert past["t_min"] == dt.datetime(2013, 11, 28, 18) + MICRO


@pytest.mark.parametrize("words, message", [
    (dict(step="INTERVAL 1 DAY"), r"geo_time_windows\(lookback\): geometry \"lookback\" needs lookback"),
    (dict(lookback="INTERVAL 0 DAY", step="INTERVAL 1 DAY"), r"geo_time_windows\(lookback\): 00:00:00 is not valid"),
    (dict(lookback="INTERVAL (-7) DAY", step="INTERVAL 1 DAY"), r"geo_time_windows\(lookback\): -7 days is not valid"),
    (dict(lookback="INTERVAL 7 DAY"), r"geo_time_windows\(step\): this sampler needs step"),
    (dict(lookback="INTERVAL 7 DAY", horizon="INTERVAL 1 DAY", step="INTERVAL 1 DAY"), r"geo_time_windows\(horizon\): geometry \"lookback\" takes no horizon"),
    (dict(lookback="INTERVAL 60 DAY", step="INTERVAL 1 DAY"), r"geo_time_windows\(sampler\): no whole window of an anchor fits into \[2020-01-01"),
    (dict(lookback="INTERVAL 7 DAY", sampler="'event'", times="[TIMESTAMP '2021-01-01', TIMESTAMP '2020-01-20']"), r"geo_time_windows\(times\): 1 of 2 anchors lie outside of \[2020-01-01.*2021-01-01"),
    (dict(lookback="INTERVAL 7 DAY", sampler="'event'", times="[TIMESTAMP '2020-01-03', TIMESTAMP '2020-01-20']"), r"geo_time_windows\(times\): the windows of 1 of 2 anchors reach beyond"),
    (dict(geometry="'phase'", period="INTERVAL 0 DAY", phase_width="INTERVAL 1 DAY", step="INTERVAL 1 DAY"), r"geo_time_windows\(period\)"),
    (dict(geometry="'phase'", period="INTERVAL 1 DAY", phase_width="INTERVAL 2 DAY", step="INTERVAL 1 DAY"), r"geo_time_windows\(phase_width\): a phase_width of 2 days.*at most its period, 1 day"),
    (dict(geometry="'multi_scale'", scales="[]", step="INTERVAL 1 DAY"), r"geo_time_windows\(scales\)"),
    (dict(lookback="INTERVAL 7 DAY", step="INTERVAL 1 MICROSECOND"), r"step 00:00:00.000001 is not valid: must be long enough"),
    (dict(lookback="INTERVAL 7 DAY", sampler="'random'", n=0), r"geo_time_windows\(n\): 0"),
])
def test_bad_words_are_told(con, words, message):
    with pytest.raises(Exception, match=message):
        windows(con, JANUARY, **words)


@pytest.mark.parametrize("call, message", [
    ("geo_time_weights([TIMESTAMP '2020-01-01'], TIMESTAMP '2020-01-01', {taper: 'exponential_decay'})", r"geo_time_weights\(tau\).*needs tau"),
    ("geo_time_weights([TIMESTAMP '2020-01-01'], TIMESTAMP '2020-01-01', {taper: 'tukey', alpha: 2})", r"geo_time_weights\(alpha\): 2"),
    ("geo_time_reduce([1, 2], [3], [TIMESTAMP '2020-01-01'], TIMESTAMP '2020-01-01')", r"geo_time_reduce\(shape\)"),
    ("geo_time_reduce([1, 2], [2], [TIMESTAMP '2020-01-01'], TIMESTAMP '2020-01-01')", r"geo_time_reduce\(times\): 1 times"),
    ("geo_time_reduce([1], [1], [TIMESTAMP '2020-01-01'], TIMESTAMP '2020-01-01', {method: 'hierarchical', scales: [INTERVAL 1 DAY], weights: [-1]})", r"geo_time_reduce\(weights\)"),
    ("geo_time_reduce([1], [1], [TIMESTAMP '2020-01-01'], TIMESTAMP '2020-01-01', {method: 'hierarchical', scales: [INTERVAL 1 DAY], weights: [1, 2]})", r"geo_time_reduce\(weights\)"),
    ("geo_time_windows([TIMESTAMP '2020-01-01'])", r"geo_time_windows\(lookback\).*needs lookback"),
    ("geo_time_windows([TIMESTAMP '2020-01-01', TIMESTAMP '2020-01-02'], {lookback: INTERVAL 1 DAY, sampler: 'explicit', times: [TIMESTAMP '2020-01-01 12:00:00']})", r"geo_time_windows\(options\): 2020-01-01 12:00:00 is no step"),
])
def test_bad_values_of_scalars_are_told(con, call, message):
    with pytest.raises(Exception, match=message):
        con.execute(f"SELECT {call}").fetchall()
