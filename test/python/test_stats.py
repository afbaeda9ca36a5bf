"""geoquilt.stats against NumPy in float64: exact counts and extremes, sums without rounding, percentiles within the rank
error that the documentation states."""
import math
import time
from fractions import Fraction

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from conftest import OPEN_EXTENSION, connect, run_python

PERCENT = [2, 25, 50, 75, 98]
TYPES = {"FLOAT": "float32", "DOUBLE": "float64", "TINYINT": "int8", "UTINYINT": "uint8", "SMALLINT": "int16", "USMALLINT": "uint16",
         "INTEGER": "int32", "UINTEGER": "uint32", "BIGINT": "int64", "UBIGINT": "uint64"}


def table(con, rows, dtype="float32", name="t"):
    """A table of (data, shape) rows, and any further columns given as {name: values}."""
    data = pa.array([None if row is None else row[0] for row in rows], pa.list_(pa.from_numpy_dtype(np.dtype(dtype))))
    shape = pa.array([None if row is None else row[1] for row in rows], pa.list_(pa.int32()))
    con.register("arrow", pa.table({"id": list(range(len(rows))), "data": data, "shape": shape}))
    con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM arrow")
    con.unregister("arrow")


def stats(con, sql="SELECT geoquilt.stats(data, shape) FROM t"):
    return con.execute(sql).fetchall()[0][0]


def rank_bound(n):
    levels = 0 if n < 65536 else int(math.log2(n // 65536)) + 1
    return 0 if n <= 32768 else n * (levels + 3) // 16384


def ulps(a, b):
    return abs(a - b) / np.spacing(abs(b)) if b else abs(a)


def check(got, values):
    """One band against NumPy's float64 over the values that are neither NULL nor NaN."""
    values = np.asarray(values, "float64")
    values = values[~np.isnan(values)]
    assert got["n"] == len(values)
    if not len(values):
        assert [got[key] for key in ("mean", "std", "min", "max", "percentiles")] == [None] * 5
        return
    assert (got["min"], got["max"]) == (values.min(), values.max())
    # The reference sums exactly (fsum), and squares in exact fractions where they are few.
    mean = math.fsum(values) / len(values)
    assert ulps(got["mean"], mean) <= 1
    if len(values) <= 3000:
        exact = [Fraction(v) for v in values]
        centre = sum(exact) / len(exact)
        assert got["mean"] == float(centre)
        variance = sum((v - centre) ** 2 for v in exact) / len(exact)
        assert ulps(got["std"], float(variance) ** 0.5) <= 1
    else:
        assert got["std"] == pytest.approx(values.std(), rel=1e-9, abs=1e-300)
    ordered = np.sort(values)
    if len(values) <= 32768:
        # NumPy rounds the place between two values, by so much of the way between them; ours is a fraction.
        way = np.spacing(float(len(ordered))) * np.diff(ordered).max(initial=0)
        np.testing.assert_allclose(got["percentiles"], np.percentile(ordered, PERCENT), rtol=0, atol=8 * np.spacing(np.abs(ordered).max()) + way)
    for percent, value in zip(PERCENT, got["percentiles"]):
        place = (len(values) - 1) * percent / 100
        low, high = np.searchsorted(ordered, value, "left"), np.searchsorted(ordered, value, "right")
        # Between the values of two neighbouring ranks, each as wrong as it may be.
        assert low - 1 - rank_bound(len(values)) <= place <= high + rank_bound(len(values)), (percent, value)


@pytest.mark.parametrize("sql_type", TYPES)
def test_every_type_of_list(con, rng, sql_type):
    dtype = TYPES[sql_type]
    if dtype.startswith("float"):
        values = rng.normal(280, 10, 600).astype(dtype)
    else:
        info = np.iinfo(dtype)
        values = rng.integers(max(info.min, -2**53), min(info.max, 2**53), 600, dtype=dtype, endpoint=True)
    table(con, [(values, [2, 15, 20])], dtype)
    assert con.execute("SELECT typeof(data) FROM t").fetchone() == (sql_type + "[]",)
    got = stats(con)
    assert len(got) == 2
    check(got[0], values[:300])
    check(got[1], values[300:])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_percentiles_of_short_whole_numbers_are_exact(con, rng, dtype):
    info = np.iinfo(dtype if dtype.endswith("8") or dtype.endswith("16") else "uint16")
    for centre, spread in ((0, info.max), (info.max // 2, info.max // 40 + 1), (info.min, 3)):
        values = np.clip(np.round(rng.normal(centre, spread, 40 * 5000)), info.min, info.max).astype(dtype)
        nulls = rng.random(len(values)) < 0.2
        con.register("arrow", pa.table({"data": pa.ListArray.from_arrays(np.arange(0, len(values) + 1, 5000, dtype="int32"), pa.array(values, mask=nulls)), "shape": [[1, 50, 100]] * 40}))
        got = stats(con, "SELECT geoquilt.stats(data, shape) FROM arrow")[0]
        check(got, values[~nulls])
        np.testing.assert_allclose(got["percentiles"], np.percentile(values[~nulls].astype("float64"), PERCENT), rtol=1e-12)


def test_whole_numbers_among_others_count_as_well(con, rng):
    rows = [np.round(rng.normal(0, 9000, 4000)) if i % 2 else rng.normal(0, 9000, 4000) for i in range(6)] + [np.array([-0.0, 1e30, -1e30, 65536, -32769, 65535, 0.5] * 100)]
    for dtype in ("float32", "float64"):
        table(con, [(row.astype(dtype), [1, 1, len(row)]) for row in rows], dtype)
        check(stats(con)[0], np.concatenate([row.astype(dtype) for row in rows]))


def test_literals_of_any_number(con):
    for data in ("[1, 2, 4]", "[1.0, 2.0, 4.0]", "[1::HUGEINT, 2, 4]", "[1, 2, 4]::DECIMAL(9, 2)[]", "[1, 2, 4]::DOUBLE[]"):
        got = stats(con, f"SELECT geoquilt.stats({data}, [1, 3])")
        assert (got[0]["n"], got[0]["mean"], got[0]["max"]) == (3, 7 / 3, 4.0), data


def test_null_nan_and_infinity(con):
    con.execute("CREATE TABLE t AS SELECT [1.0, NULL, 'nan'::FLOAT, 3.0]::FLOAT[] AS data, [1, 2, 2] AS shape UNION ALL SELECT NULL, [1, 2, 2] UNION ALL SELECT [7], NULL")
    check(stats(con)[0], [1, 3])
    for data, n, mean in (("[1, 'inf']", 2, math.inf), ("['-inf', 1]", 2, -math.inf), ("['inf', 'inf']", 2, math.inf), ("['inf', '-inf', 3]", 3, math.nan)):
        cells = data.replace("inf'", "inf'::DOUBLE")
        got = stats(con, f"SELECT geoquilt.stats({cells}, [1, {n}])")[0]
        values = np.array(eval(data.replace("'inf'", "math.inf").replace("'-inf'", "-math.inf")))
        with np.errstate(invalid="ignore"):
            np.testing.assert_equal((got["n"], got["mean"], got["std"]), (n, mean, np.float64(values).std()))
        assert (got["min"], got["max"]) == (values.min(), values.max())
        np.testing.assert_equal(got["mean"], values.mean())
    # NumPy gives NaN between two equal infinities, by inf - inf.
    assert stats(con, "SELECT geoquilt.stats(['inf', 'inf', 'inf']::FLOAT[], [1, 3])")[0]["percentiles"] == [math.inf] * 5


def test_nothing_to_count(con):
    con.execute("CREATE TABLE t (g INTEGER, data FLOAT[], shape INTEGER[])")
    assert stats(con) is None
    con.execute("INSERT INTO t VALUES (1, NULL, [1, 1, 1]), (2, [NULL, NULL, 5, 'nan'::FLOAT], [2, 1, 2]), (3, [], [0, 4, 4]), (4, [], [2, 0, 4])")
    rows = dict(con.execute("SELECT g, geoquilt.stats(data, shape) FROM t GROUP BY g").fetchall())
    assert rows[1] is None and rows[3] == []
    check(rows[2][0], [])
    check(rows[2][1], [5])
    assert [band["n"] for band in rows[4]] == [0, 0]


def test_groups_are_each_their_own(con, rng):
    rows, groups = [], {}
    for i in range(3000):
        size = int(rng.integers(1, 40))
        data = np.where(rng.random(2 * size) < 0.1, np.nan, rng.normal(i % 7, 3, 2 * size)).astype("float32")
        rows.append((data, [2, 1, size]))
        for band in range(2):
            groups.setdefault((i % 7, band), []).append(data[band * size:(band + 1) * size])
    table(con, rows)
    for threads in (1, 4):
        con.execute(f"SET threads = {threads}")
        got = con.execute("SELECT id % 7, geoquilt.stats(data, shape) FROM t GROUP BY 1 HAVING geoquilt.stats(data, shape)[1].n > 0").fetchall()
        assert len(got) == 7
        for group, bands in got:
            for band in range(2):
                check(bands[band], np.concatenate(groups[group, band]))
    rollup = con.execute("SELECT id % 7, geoquilt.stats(data, shape)[1].n FROM t GROUP BY ROLLUP (id % 7)").fetchall()
    assert sum(n for group, n in rollup if group is not None) == dict(rollup)[None]


def test_many_small_groups(con):
    con.execute("SET threads = 4")
    got = con.execute("""SELECT count(*), sum(s[1].n), sum(s[1].mean) FROM (
        SELECT geoquilt.stats([i, i + 1]::FLOAT[], [1, 2]) AS s FROM range(200000) t(i) GROUP BY i // 2)""").fetchone()
    assert got == (100_000, 400_000, sum(2 * i + 1 for i in range(100_000)))


def test_order_and_threads_change_no_bit_but_of_percentiles(con, rng):
    # Values that a plain sum would lose.
    values = (rng.normal(0, 1, 200_000) * 10.0 ** rng.integers(-12, 12, 200_000)).astype("float32")
    rows = [(part, [1, 1, len(part)]) for part in np.array_split(values, 400)]
    told = set()
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(rows))
        table(con, [rows[i] for i in order])
        for threads in (1, 2, 4):
            con.execute(f"SET threads = {threads}")
            got = stats(con, "SELECT geoquilt.stats(data, shape) FROM (FROM t UNION ALL FROM t UNION ALL FROM t)")[0]
            told.add((got["n"], got["mean"], got["std"], got["min"], got["max"]))
    assert len(told) == 1
    check(got, np.concatenate([values] * 3))


@pytest.mark.parametrize("kind", ["sorted", "reversed", "normal", "few values", "zigzag"])
def test_percentiles_of_ten_million(con, rng, kind):
    n = 10_000_000
    values = {"sorted": lambda: np.arange(n), "reversed": lambda: np.arange(n)[::-1], "normal": lambda: rng.normal(280, 10, n),
              "few values": lambda: rng.integers(0, 12, n), "zigzag": lambda: np.arange(n) * (1 - 2 * (np.arange(n) % 2))}[kind]().astype("float32")
    con.register("arrow", pa.table({"data": pa.FixedSizeListArray.from_arrays(pa.array(values), 10_000)}))
    con.execute("CREATE TABLE t AS SELECT data::FLOAT[] AS data, [1, 100, 100] AS shape FROM arrow; SET threads = 4")
    check(stats(con)[0], values)


def test_a_long_row_and_its_pieces(con, rng):
    values = rng.normal(0, 1, 3 * 20_000).astype("float32")
    nulls = rng.random(len(values)) < 0.3
    data = pa.array(values, mask=nulls)
    con.register("arrow", pa.table({"data": pa.ListArray.from_arrays([0, len(values)], data), "shape": [[3, 100, 200]]}))
    got = stats(con, "SELECT geoquilt.stats(data, shape) FROM arrow")
    for band in range(3):
        part = slice(band * 20_000, (band + 1) * 20_000)
        check(got[band], values[part][~nulls[part]])


def test_lists_that_duckdb_does_not_keep_flat(con):
    # One value for all items, items of a dictionary, and lists of a table's columns.
    got = stats(con, "SELECT geoquilt.stats(list_transform(range(6), lambda x: 5.0::DOUBLE), [1, 2, 3])")
    check(got[0], [5] * 6)
    got = stats(con, "SELECT geoquilt.stats(repeat([2.5::FLOAT, NULL], 3), [1, 2, 3]) FROM range(5000)")
    check(got[0], [2.5] * 15_000)
    got = stats(con, "SELECT geoquilt.stats([a, b], [2, 1, 1]) FROM (SELECT unnest([1, 2, NULL])::FLOAT AS a, unnest([4, NULL, NULL])::FLOAT AS b)")
    check(got[0], [1, 2])
    check(got[1], [4])


def test_a_read_of_a_raster(con, raster, rng):
    data = rng.integers(0, 5000, (2, 300, 400)).astype("uint16")
    path = raster("a.tif", data, nodata=0)
    for size in (300, 64):
        got = stats(con, f"SELECT geoquilt.stats(data, shape) FROM read_patch('{path}', size := {size}, edge := 'overflow')")
        for band in range(2):
            check(got[band], data[band][data[band] != 0])


@pytest.mark.parametrize("data, shape, words", [
    ("[1, 2, 3]", "[1, 2, 2]", ["geoquilt.stats(data)", "3 values", "[1, 2, 2]"]),
    ("[1, 2, 3]", "[3]", ["geoquilt.stats(shape)", "[3]", "[bands, rows, columns]"]),
    ("[1, 2, 3]", "[1, 1, -3]", ["geoquilt.stats(shape)", "[1, 1, -3]"]),
    ("[1, 2, 3]", "[1, NULL, 3]", ["geoquilt.stats(shape)"]),
    ("[1]", "[9223372036854775807, 9223372036854775807, 4]", ["geoquilt.stats"]),
    ("['a']", "[1, 1]", ["gq_stats"]),
])
def test_bad_input_is_named(con, data, shape, words):
    with pytest.raises(Exception) as error:
        con.execute(f"SELECT geoquilt.stats({data}, {shape})")
    assert all(word in str(error.value) for word in words), error.value


def test_rows_of_other_bands_are_named(con):
    for threads in (1, 4):
        con.execute(f"SET threads = {threads}")
        with pytest.raises(Exception, match="patches of . and of . bands\nGroup them by their bands"):
            con.execute("SELECT geoquilt.stats([1, 2], if(i % 2 = 0, [1, 1, 2], [2, 1, 1])) FROM range(100000) t(i)")


@pytest.mark.parametrize("clause", ["OVER ()", "FILTER (WHERE true)"])
def test_what_a_macro_does_not_take_is_refused(con, clause):
    with pytest.raises(Exception):
        con.execute(f"SELECT geoquilt.stats([1], [1, 1]) {clause}").fetchall()
    for inside in ("DISTINCT [1], [1, 1]", "[1], [1, 1] ORDER BY 1"):
        with pytest.raises(Exception):
            con.execute(f"SELECT geoquilt.stats({inside})").fetchall()
    assert con.execute("SELECT 1").fetchone() == (1,)


def test_groups_have_a_bound(con):
    con.execute("SET geoquilt_aggregate_mb = 1")
    sql = "SELECT i % 400, geoquilt.stats(list_transform(range(1000), lambda x: (x * i)::FLOAT), [1, 10, 100]) FROM range(4000) t(i) GROUP BY 1"
    with pytest.raises(Exception, match=r"stats: its groups would take \d+ MiB, above geoquilt_aggregate_mb = 1\n.*SET geoquilt_aggregate_mb"):
        con.execute(sql).fetchall()
    # What the failed query held is given back.
    con.execute("SET geoquilt_aggregate_mb = 64")
    assert len(con.execute(sql).fetchall()) == 400


def test_memory_does_not_follow_the_values():
    code = OPEN_EXTENSION + """
import resource
sql = "SELECT geoquilt.stats(list_transform(range(2000), lambda x: (x * i % 7919)::FLOAT), [1, 2000]) FROM range({}) t(i)"
con.execute("SET threads = 2; SET memory_limit = '400MB'")
con.execute(sql.format(500)).fetchall()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
con.execute(sql.format(20000)).fetchall()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 64 * 1024


def test_an_interrupt_ends_it(con):
    import threading
    threading.Timer(0.5, con.interrupt).start()
    start = time.monotonic()
    with pytest.raises(Exception, match="(?i)interrupt"):
        con.execute("SELECT geoquilt.stats(list_transform(range(1000), lambda x: (x * i)::FLOAT), [1, 1000]) FROM range(10000000) t(i)").fetchall()
    assert time.monotonic() - start < 20
    assert stats(con, "SELECT geoquilt.stats([1], [1, 1])")[0]["n"] == 1


def test_data_in_the_place_of_its_shape_is_told_briefly(con):
    with pytest.raises(duckdb.Error) as caught:
        con.execute("SELECT geoquilt.stats([1, 2, 3], shape) FROM (SELECT list(i) AS shape FROM range(90000) t(i))").fetchall()
    assert "... 90000 in all]" in str(caught.value) and len(str(caught.value)) < 400
