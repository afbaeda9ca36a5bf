"""Profiles on an axis of depths and on a grid, against depth-recon's own code and brute force."""
import sys
import time
import types

import numpy as np
import pyarrow as pa
import pytest
from conftest import connect

GLORYS = np.array([0.494, 1.541, 2.646, 3.819, 5.078, 6.441, 7.93, 9.573, 11.405, 13.467, 15.81, 18.496, 21.599, 25.211, 29.445, 34.434, 40.344, 47.374,
                   55.764, 65.807, 77.854, 92.326, 109.729, 130.666, 155.851, 186.126, 222.475, 266.04, 318.127, 380.213, 453.938, 541.089, 643.567, 763.333,
                   902.339, 1062.44, 1245.291, 1452.251, 1684.284, 1941.893, 2225.078, 2533.336, 2865.703, 3220.82, 3597.032, 3992.484, 4405.224, 4833.291,
                   5274.784, 5727.917])


@pytest.fixture(scope="module")
def reference(depth_recon):
    """The two functions of depth-recon, whose modules name torch and tqdm for their classes alone."""
    stubs = {"torch": types.ModuleType("torch"), "torch.utils": types.ModuleType("torch.utils"), "torch.utils.data": types.ModuleType("torch.utils.data"),
             "tqdm": types.ModuleType("tqdm")}
    stubs["torch.utils.data"].Dataset = object
    stubs["torch"].Tensor = object
    stubs["tqdm"].tqdm = list
    stubs["torch"].utils, stubs["torch.utils"].data = stubs["torch.utils"], stubs["torch.utils.data"]
    added = [name for name in stubs if name not in sys.modules]
    sys.modules.update({name: stubs[name] for name in added})
    try:
        from depth_recon.data.dataset_argo_netcdf_gridded import _align_argo_profile_to_glorys_depths as align
        from depth_recon.data.dataset_creation.export_aligned_argo.b_export_enriched_argo_profiles import _project_argo_qc_to_glorys_depths as project
    finally:
        for name in added:
            del sys.modules[name]
    return align, project


def random_profiles(rng, count):
    """Profiles of every make: sorted or not, on the axis's own depths, with ties, repeats, gaps, negative and missing values."""
    profiles = []
    for i in range(count):
        n = int(rng.integers(0, 60))
        scale = rng.choice([15.0, 200.0, 2000.0, 6000.0])
        depth = rng.uniform(-0.02 * scale, scale, n)
        kind = i % 8
        if kind in (1, 5):
            depth = depth.round(0)
        if kind in (2, 5):
            depth = rng.choice(GLORYS, n) + rng.choice([0, 0, 1e-7, -1e-7, 1e-5, 0.3], n)
        if kind == 3:
            depth = np.repeat(depth, 3)[:n]
        if kind in (4, 6):
            depth = np.sort(depth)
        if kind == 7 and n:
            depth[:] = rng.choice(GLORYS)
        value = rng.normal(10, 8, n)
        if kind in (0, 3, 6):
            value = value.astype("float32").astype("float64")
        bad = rng.random(n)
        value[bad < 0.06] = np.nan
        depth[(bad > 0.06) & (bad < 0.1)] = np.nan
        value[(bad > 0.1) & (bad < 0.12)] = np.inf
        depth[(bad > 0.12) & (bad < 0.13)] = -0.0
        flags = rng.integers(0, 10, n).astype("float64")
        flags[rng.random(n) < 0.1] = np.nan
        profiles.append((depth, value, flags))
    return profiles


def lists(arrays, kind=pa.float64(), nulls=False):
    """Arrays as a column of lists; NaN becomes NULL where it is asked for."""
    return pa.array([[None if nulls and np.isnan(v) else v for v in array.tolist()] for array in arrays], pa.list_(kind))


def register(con, profiles, null=True):
    flags = [[None if np.isnan(v) else int(v) for v in flags] for _, _, flags in profiles]
    con.register("casts", pa.table({
        "id": list(range(len(profiles))), "depth": lists([p[0] for p in profiles], nulls=null), "value": lists([p[1] for p in profiles], nulls=null),
        "flags": pa.array(flags, pa.list_(pa.uint8()))}))


def floats(values):
    return np.array([np.nan if v is None else v for v in values], "float32")


@pytest.mark.parametrize("null", [True, False], ids=["missing is NULL", "missing is NaN"])
def test_profiles_are_aligned_as_the_reference_does_to_the_bit(con, rng, reference, null):
    align, _ = reference
    profiles = random_profiles(rng, 6000)
    register(con, profiles, null)
    rows = con.execute(f"SELECT geo_align_depth(depth, value, {GLORYS.tolist()}) FROM casts ORDER BY id").fetchall()
    found = 0
    for (depth, value, _), (got,) in zip(profiles, rows, strict=True):
        want = align(temperature=value, depth=depth, glorys_depths=GLORYS)
        np.testing.assert_array_equal(floats(got).view("uint32"), want.view("uint32"))
        found += np.isfinite(want).sum()
    assert found > 10_000


def test_flags_are_carried_as_the_reference_does(con, rng, reference):
    align, project = reference
    profiles = random_profiles(rng, 4000)
    register(con, profiles)
    rows = con.execute(f"""SELECT a.values, a.flags, b.values FROM (SELECT id, geo_align_depth(depth, value, {GLORYS.tolist()}, {{qc: flags}}) AS a,
        geo_align_depth(depth, value, {GLORYS.tolist()}, {{qc: flags, accept: [0, 1, 5, 8]}}) AS b FROM casts) ORDER BY id""").fetchall()
    dropped = 0
    for (depth, value, flags), (values, got, others) in zip(profiles, rows, strict=True):
        want = project(flags, values=value, depth=depth, glorys_depths=GLORYS)
        assert [-1 if flag is None else flag for flag in got] == want.tolist()
        aligned = align(temperature=value, depth=depth, glorys_depths=GLORYS)
        np.testing.assert_array_equal(floats(values), np.where(np.isin(want, [-1, 1, 2]), aligned, np.nan))
        np.testing.assert_array_equal(floats(others), np.where(np.isin(want, [-1, 0, 1, 5, 8]), aligned, np.nan))
        dropped += (np.isfinite(aligned) & ~np.isin(want, [-1, 1, 2])).sum()
    assert dropped > 1000


def test_an_axis_may_have_any_order_and_missing_depths(con, reference):
    align, _ = reference
    axis = np.array([9, -1, 0, np.nan, 5, 5, np.inf, 3, 1e9])
    depth, value = np.array([0.0, 4, 8, 9]), np.array([1.0, 2, 4, 8])
    want = align(temperature=value, depth=depth, glorys_depths=axis)
    got, = con.execute("SELECT geo_align_depth([0, 4, 8, 9], [1, 2, 4, 8]::TINYINT[], ?::DOUBLE[])", [[None if np.isnan(z) else z for z in axis]]).fetchone()
    np.testing.assert_array_equal(floats(got), want)


def test_null_gives_null_and_nothing_gives_nothing(con):
    row = con.execute("""SELECT geo_align_depth(NULL, [1.0::FLOAT], [1]), geo_align_depth([1], NULL::FLOAT[], [1]), geo_align_depth([1], [1.0::FLOAT], NULL), geo_align_depth([1], [1.0::FLOAT], []),
        geo_align_depth([], []::FLOAT[], [1]), geo_align_depth(NULL, [1.0::FLOAT], [1], {qc: [1]}), geo_align_depth([1], [2.0::FLOAT], [1], {qc: NULL}), geo_align_depth([1], [2.0::FLOAT], [1], {qc: [1], accept: []})""").fetchone()
    assert row == (None, None, None, [], [None], None, {"values": [2.0], "flags": [None]}, {"values": [None], "flags": [1]})


@pytest.mark.parametrize("call, message", [
    ("[1, 2], [1.0]::FLOAT[], [1]", r"geo_align_depth\(values\): 1 values for 2 depths"),
    ("[1], [1.0]::FLOAT[], [1], {qc: [1, 2]}", r"geo_align_depth\(qc\): 2 flags for 1 depths"),
    ("[1], [1.0]::FLOAT[], [1], {qc: [300]}", r"geo_align_depth\(qc\): 300 is not valid: must be a list of whole numbers from 0 to 255"),
    ("[1], [1.0]::FLOAT[], [1], {qc: 'a'}", r"geo_align_depth\(qc\): \"a\" is not valid"),
    ("[1], [1.0]::FLOAT[], [1], {accept: [1]}", r"geo_align_depth\(options\): options without qc"),
    ("[1], [1.0]::FLOAT[], [1], {flags: [1]}", r"geo_align_depth\(options\): \"flags\" is not an option"),
])
def test_bad_input_is_named(con, call, message):
    with pytest.raises(Exception, match=message):
        con.execute(f"SELECT geo_align_depth({call})")


@pytest.mark.alone
def test_a_hundred_thousand_profiles_take_no_five_seconds(rng):
    con = connect()
    count, length = 100_000, 100
    depth = np.sort(rng.uniform(0, 2000, (count, length)), axis=1)
    value = rng.normal(10, 5, (count, length))
    offsets = pa.array(np.arange(0, count * length + 1, length, dtype="int32"))
    con.register("arrow", pa.table({"depth": pa.ListArray.from_arrays(offsets, pa.array(depth.ravel())), "value": pa.ListArray.from_arrays(offsets, pa.array(value.ravel()))}))
    con.execute("CREATE TABLE casts AS FROM arrow")
    start = time.perf_counter()
    count, = con.execute(f"SELECT count(*) FROM (SELECT geo_align_depth(depth, value, {GLORYS.tolist()}) AS a FROM casts) WHERE list_count(a) > 0").fetchone()
    assert count > 90_000 and time.perf_counter() - start < 5


# --- onto a grid


def brute(rows, win, levels):
    """As the reference's _rasterize_argo_patch: sums in float64, means in float32."""
    total = np.zeros((levels, win["height"], win["width"]))
    count = np.zeros(total.shape, int)
    for row, col, values in rows:
        r, c = row - win["row_off"], col - win["col_off"]
        if 0 <= r < win["height"] and 0 <= c < win["width"]:
            good = np.isfinite(values)
            total[good, r, c] += values[good]
            count[good, r, c] += 1
    mean = np.full(total.shape, np.nan, "float32")
    mean[count > 0] = (total[count > 0] / count[count > 0]).astype("float32")
    return mean, count


@pytest.mark.parametrize("threads", [1, 4])
def test_a_raster_holds_the_mean_of_each_cell(con, rng, threads):
    con.execute(f"SET threads = {threads}")
    wins = [{"row_off": 10, "col_off": -4, "height": 7, "width": 5}, {"row_off": 100, "col_off": 200, "height": 1, "width": 9}]
    rows = []
    for g, win in enumerate(wins):
        for _ in range(4000):
            values = rng.normal(5, 3, 6).astype("float32")
            values[rng.random(6) < 0.4] = np.nan
            rows.append((g, int(rng.integers(win["row_off"] - 2, win["row_off"] + win["height"] + 2)), int(rng.integers(win["col_off"] - 2, win["col_off"] + win["width"] + 2)), values))
    con.register("arrow", pa.table({
        "g": [r[0] for r in rows], "row": [r[1] for r in rows], "col": [r[2] for r in rows],
        "v": pa.array([[None if np.isnan(x) else float(x) for x in r[3]] if i % 2 else r[3].tolist() for i, r in enumerate(rows)], pa.list_(pa.float32())),
        "win": pa.array([wins[r[0]] for r in rows])}))
    con.execute("CREATE TABLE casts AS FROM arrow")
    for g, win, raster in con.execute("SELECT g, any_value(win), geoquilt.rasterize_points(\"row\", col, v, win) FROM casts GROUP BY g ORDER BY g").fetchall():
        mean, count = brute([r[1:] for r in rows if r[0] == g], win, 6)
        assert raster["shape"] == [6, win["height"], win["width"]]
        np.testing.assert_array_equal(np.array(raster["counts"]).reshape(count.shape), count)
        got = floats(raster["data"]).reshape(mean.shape)
        # Parts of a group are added in any order, in float64: a unit of float32 at most.
        assert np.array_equal(np.isnan(got), np.isnan(mean)) and np.nanmax(np.abs(got - mean) / np.spacing(np.abs(mean))) <= 1
        if threads == 1:
            np.testing.assert_array_equal(got, mean)


def test_rows_without_a_profile_count_nothing(con):
    win = "{row_off: 0, col_off: 0, height: 1, width: 2}"
    row = con.execute(f"""SELECT geoquilt.rasterize_points(r, 0, v, {win}) FROM (VALUES (0, NULL::FLOAT[]), (NULL, [1.0]), (5, [7.0])) t(r, v)""").fetchone()[0]
    assert row == {"data": [None, None], "counts": [0, 0], "shape": [1, 1, 2]}
    assert con.execute(f"SELECT geoquilt.rasterize_points(r, 0, NULL::FLOAT[], {win}) FROM range(3) t(r)").fetchone() == (None,)
    assert con.execute(f"SELECT geoquilt.rasterize_points(r, 0, [1.0::FLOAT], {win}) FROM range(0) t(r)").fetchone() == (None,)
    assert con.execute(f"SELECT geoquilt.rasterize_points(0, 1, [1.5::DOUBLE], {win}).data").fetchone() == ([None, 1.5],)


@pytest.mark.parametrize("rows, message", [
    ("(0, [1.0, 2.0], 2), (0, [1.0], 2)", "profiles of 2 and of 1 levels in one group"),
    ("(0, [1.0], 2), (0, [1.0], 3)", "a window that differs within a group"),
    ("(0, [1.0], 0)", "at least 1 x 1 pixels"),
    ("(0, [1.0], 2000000000)", "geoquilt_aggregate_mb"),
])
def test_rows_that_do_not_go_together_are_refused(con, rows, message):
    with pytest.raises(Exception, match=message):
        con.execute(f"SELECT geoquilt.rasterize_points(r, 0, v::FLOAT[], {{row_off: 0, col_off: 0, height: 1, width: w}}) FROM (VALUES {rows}) t(r, v, w)").fetchall()
