"""geo_calc and geo_bands against NumPy in float64; geo_resize against torch, its own formula, and GDAL
through rasterio."""
import json

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from conftest import ROOT
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

WIDE = ("float64", "int32", "uint32", "int64", "uint64")
TYPES = ["float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


def table(con, data, shape, nulls=None):
    values = pa.array(data.ravel(), mask=None if nulls is None else nulls.ravel())
    con.register("arrow", pa.table({"data": pa.ListArray.from_arrays([0, data.size], values), "shape": [list(shape)]}))
    con.execute("CREATE OR REPLACE TABLE t AS FROM arrow")
    con.unregister("arrow")


def masked(values):
    return np.ma.masked_array([0 if v is None else v for v in values], [v is None for v in values], dtype="float64")


def one(con, call, *parameters):
    return masked(con.execute(f"SELECT {call} FROM t", list(parameters)).fetchall()[0][0])


def same(got, want, dtype, rtol=0, atol=0):
    want = np.ma.asarray(want, dtype="float64").ravel()
    np.testing.assert_array_equal(np.ma.getmaskarray(got), np.ma.getmaskarray(want))
    there = ~np.ma.getmaskarray(want)
    with np.errstate(over="ignore"):
        stored = want.data[there] if dtype in WIDE else want.data[there].astype("float32").astype("float64")
    np.testing.assert_allclose(got.data[there], stored, rtol=rtol, atol=atol)


def random(rng, dtype, shape):
    return rng.normal(3, 20, shape).astype(dtype) if dtype.startswith("float") else rng.integers(0, 100, shape).astype(dtype)


EXPRESSIONS = {
    "(b1 - b2) / (b1 + b2)": lambda a, b, c: (a - b) / (a + b),
    "-b1 ** 2 + b2 % b3 - b3 / 3.5": lambda a, b, c: -(a ** 2) + b % c - c / 3.5,
    "where(b1 > b2 and not b3 <= 4, b1, b2)": lambda a, b, c: np.where((a > b) & ~(c <= 4), a, b),
    "min(b1, b2, b3) + max(b1, 7)": lambda a, b, c: np.minimum(np.minimum(a, b), c) + np.maximum(a, 7),
    "clip(b1, 5, 40) * abs(b2)": lambda a, b, c: np.clip(a, 5, 40) * np.abs(b),
    "sqrt(abs(b1)) + floor(b2) - ceil(b3) + round(b1 / 2)": lambda a, b, c: np.sqrt(np.abs(a)) + np.floor(b) - np.ceil(c) + np.round(a / 2),
    "(b1 == b2) + (b1 != b2) * 2 + (b2 >= b3)": lambda a, b, c: (a == b) + (a != b) * 2 + (b >= c),
    "log(b1) + log10(b2) * log2(b3)": lambda a, b, c: np.log(a) + np.log10(b) * np.log2(c),
    "exp(b1 / 50) * sin(b2) - cos(b3) + tan(b1) + pow(abs(b2), 0.3)": lambda a, b, c: np.exp(a / 50) * np.sin(b) - np.cos(c) + np.tan(a) + np.power(np.abs(b), 0.3),
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("dtype", TYPES)
def test_expressions_are_numpys(con, rng, dtype, expression):
    data, nulls = random(rng, dtype, (3, 37, 41)), rng.random((3, 37, 41)) < 0.05
    table(con, data, data.shape, nulls)
    got = one(con, f"geo_calc(data, shape, '{expression}')")
    with np.errstate(all="ignore"):
        want = EXPRESSIONS[expression](*data.astype("float64"))
    used = [f"b{i}" in expression for i in (1, 2, 3)]
    missing = np.any(nulls[used], 0)
    # Rust's and NumPy's transcendental functions may part in the last place.
    loose = any(name in expression for name in ("log", "exp", "sin", "pow"))
    rtol = (1e-12 if dtype in WIDE else 2e-7) if loose else 0
    # Where terms of up to some ten cancel, what is left is as far off as they are.
    same(got, np.ma.masked_array(want, missing), dtype, rtol=rtol, atol=10 * rtol)


def test_several_bands_names_and_numbers(con, rng):
    data = rng.integers(0, 4000, (2, 20, 30)).astype("uint16")
    table(con, data, data.shape)
    got = one(con, "geo_calc(data, shape, '(nir - red) / (nir + red), red * gain + bias, bit(nir, 10), bit(red, 0)', {bands: ['red', 'nir'], gain: 0.25, bias: -3})")
    red, nir = data.astype("float64")
    with np.errstate(invalid="ignore"):
        same(got, np.stack([(nir - red) / (nir + red), red * 0.25 - 3, data[1] >> 10 & 1, data[0] & 1]), "uint16")
    # A number a row, and one that is NULL.
    con.execute("CREATE TABLE many AS SELECT [1, 2]::FLOAT[] AS data, i AS gain FROM range(4) t(i) UNION ALL SELECT [1, 2], NULL")
    assert con.execute("SELECT geo_calc(data, [1, 2], 'b1 * gain', {gain: gain}) FROM many").fetchall() == [([0, 0],), ([1, 2],), ([2, 4],), ([3, 6],), ([None, None],)]


def test_null_and_nan(con):
    got = con.execute("SELECT geo_calc([1, NULL, 'nan'::FLOAT, 4], [1, 4], 'b1 + 1'), geo_calc([1, NULL], [1, 2], 'where(b1 > 0, 5, 6), 7'), geo_calc(NULL::FLOAT[], [1, 2], 'b1'), geo_calc([1]::FLOAT[], [1, 1], NULL)").fetchall()[0]
    assert got[0][:2] == [2, None] and np.isnan(got[0][2]) and got[0][3] == 5
    assert got[1:] == ([5, None, 7, 7], None, None)


@pytest.mark.parametrize("dtype", TYPES)
def test_bands_are_a_matrix_product(con, rng, dtype):
    data, nulls = random(rng, dtype, (5, 60, 70)), rng.random((5, 60, 70)) < 0.02
    matrix = rng.normal(0, 1, (3, 5))
    matrix[0, 1] = matrix[2, 4] = 0
    table(con, data, data.shape, nulls)
    got = one(con, "geo_bands(data, shape, $1::DOUBLE[][])", matrix.tolist())
    want = np.zeros((3, 60, 70))
    for i in range(3):
        for j in range(5):
            if matrix[i, j]:
                want[i] += matrix[i, j] * data[j].astype("float64")
    missing = np.stack([nulls[matrix[i] != 0].any(0) for i in range(3)])
    same(got, np.ma.masked_array(want, missing), dtype, rtol=0)
    np.testing.assert_allclose(want, np.tensordot(matrix, data.astype("float64"), 1), rtol=1e-10, atol=1e-10)


def axis(method, n, m):
    """Weights of `n` pixels for each of `m`: torch's align_corners=False, its nearest-exact, and shares of area."""
    weights = np.zeros((m, n))
    for i in range(m):
        if method == "bilinear":
            place = max((i + 0.5) * n / m - 0.5, 0)
            low = min(int(place), n - 1)
            weights[i, low] += 1 - (place - low)
            weights[i, min(low + 1, n - 1)] += place - low
        elif method == "nearest":
            weights[i, min(int((i + 0.5) * n / m), n - 1)] = 1
        else:
            edges = np.clip(np.arange(n + 1), i * n / m, (i + 1) * n / m)
            weights[i] = np.diff(edges) * m / n
    return weights


@pytest.mark.parametrize("method", ["bilinear", "nearest", "average"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int32"])
def test_other_sizes_are_weighed_by_what_is_there(con, rng, dtype, method):
    for height, width, rows, cols in ((16, 24, 8, 12), (9, 13, 20, 31), (20, 31, 9, 13), (1, 7, 3, 1), (5, 5, 5, 5)):
        data, nulls = random(rng, dtype, (2, height, width)), rng.random((2, height, width)) < 0.3
        table(con, data, data.shape, nulls)
        got = one(con, f"geo_resize(data, shape, [{rows}, {cols}], {{method: '{method}'}})").reshape(2, rows, cols)
        by_row, by_col = axis(method, height, rows), axis(method, width, cols)
        there = (~nulls).astype("float64")
        total, share = by_row @ (there * data.astype("float64")) @ by_col.T, by_row @ there @ by_col.T
        want = np.ma.masked_array(total / np.where(share > 0.01, share, 1), share <= 0.01)
        np.testing.assert_array_equal(got.mask, want.mask)
        np.testing.assert_allclose(got.compressed(), want.compressed(), rtol=1e-12 if dtype in WIDE else 3e-7, atol=1e-12 if dtype in WIDE else 1e-5)


def test_bilinear_is_torchs_with_a_mask(con):
    told = json.loads((ROOT / "test/data/torch_resize.json").read_text())
    assert len(told["cases"]) == 21
    for case in told["cases"]:
        values = np.array([np.nan if v is None else v for v in case["values"]])
        want = np.array([np.nan if v is None else v for v in case["resized"]])
        for missing in ("NULL", "NaN"):
            table(con, values, case["shape"], np.isnan(values) if missing == "NULL" else None)
            got = one(con, f"geo_resize(data, shape, {list(case['size'])})").filled(np.nan)
            np.testing.assert_allclose(got, want, rtol=1e-13, err_msg=f"{case['shape']} to {case['size']}")


def test_average_and_nearest_are_gdals(con, rng):
    data = rng.normal(0, 1, (1, 48, 60)).astype("float32")
    table(con, data, data.shape)
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", height=48, width=60, count=1, dtype="float32") as dst:
            dst.write(data)
        with memory.open() as src:
            for rows, cols in ((24, 20), (12, 15), (16, 12)):
                for name, method in (("average", Resampling.average), ("nearest", Resampling.nearest)):
                    got = one(con, f"geo_resize(data, shape, [{rows}, {cols}], {{method: '{name}'}})")
                    np.testing.assert_allclose(got.data.reshape(rows, cols), src.read(1, out_shape=(rows, cols), resampling=method), rtol=1e-5, atol=1e-6)


def test_missing_is_told_as_it_came(con):
    got = con.execute("SELECT geo_resize([1, NULL]::FLOAT[], [1, 2], [1, 4]), geo_resize(['nan'::FLOAT, 1], [1, 2], [1, 4], {method: 'nearest'}), geo_resize([[1, 2], [3, 4]][1]::FLOAT[], [2, 1, 1], [2, 1, 2])").fetchall()[0]
    assert got[0] == [1, 1, 1, None] and np.isnan(got[1][0]) and got[1][2:] == [1, 1] and got[2] == [1, 1, 2, 2]
    assert con.execute("SELECT geo_resize(NULL::FLOAT[], [1, 2], [1, 4]), geo_resize([1]::FLOAT[], [1, 1], NULL)").fetchall() == [(None, None)]


@pytest.mark.parametrize("call, words", [
    ("geo_calc([1, 2]::FLOAT[], [1, 2], 'b1 +')", ["geo_calc(expression)", "b1 +", "its end"]),
    ("geo_calc([1, 2]::FLOAT[], [1, 2], 'foo(b1)')", ["geo_calc(expression)", "one of the functions", "sqrt"]),
    ("geo_calc([1, 2]::FLOAT[], [1, 2], 'b2')", ["geo_calc(expression)", "band 2 of data that has 1"]),
    ("geo_calc([1, 2]::FLOAT[], [1, 2], 'b1 * gain')", ["geo_calc(expression)", "gain", "neither a band nor among the numbers"]),
    ("geo_calc([1, 2]::FLOAT[], [1, 2], 'b1', {gain: 'x'})", ["geo_calc(numbers)", "gain"]),
    ("geo_calc([1, 2]::FLOAT[], [1, 2], 'b1', 7)", ["geo_calc(numbers)", "7"]),
    ("geo_calc([1, 2]::FLOAT[], [1, 3], 'b1')", ["geo_calc(shape)", "2 values", "[1, 3]"]),
    ("geo_bands([1, 2]::FLOAT[], [2, 1, 1], [[1.0]])", ["geo_bands(matrix)", "1 weights for 2 bands"]),
    ("geo_bands([1, 2]::FLOAT[], [2, 1, 1], [[1.0, NULL]])", ["geo_bands(matrix)", "NULL"]),
    ("geo_bands([1, 2]::FLOAT[], [2, 1, 1], []::DOUBLE[][])", ["geo_bands(matrix)", "[]"]),
    ("geo_resize([1, 2]::FLOAT[], [1, 2], [4])", ["geo_resize(out_shape)", "[4]"]),
    ("geo_resize([1, 2]::FLOAT[], [1, 2], [0, 4])", ["geo_resize(out_shape)", "[0, 4]"]),
    ("geo_resize([1, 2]::FLOAT[], [1, 2], [3, 4, 4])", ["geo_resize(out_shape)", "[3, 4, 4]"]),
    ("geo_resize([1, 2]::FLOAT[], [1, 2], [4, 4], {method: 'cubic'})", ["geo_resize(method)", "cubic", "bilinear"]),
    ("geo_resize([]::FLOAT[], [0, 2], [4, 4])", ["geo_resize(shape)", "at least one pixel"]),
    ("geo_resize([1, 2]::FLOAT[], [1, 2], [100000, 100000])", ["geo_resize", "geoquilt_max_chunk_mb"]),
])
def test_bad_input_is_named(con, call, words):
    with pytest.raises(Exception) as error:
        con.execute(f"SELECT {call}").fetchall()
    assert all(word in str(error.value) for word in words), error.value


def test_bits_are_those_of_whole_numbers_and_of_nothing_else(con):
    """Against Python's own: a number of a bit that is none is an error with its value, a pixel that is no whole number has no bits."""
    values = [0, 1, 5, 2**40 + 3, -1, -6, 2**62, -(2**63)]
    got = con.execute("SELECT geo_calc($1::DOUBLE[], [1, len($1)], $2)", [[float(v) for v in values], ", ".join(f"bit(b1, {n})" for n in (0, 1, 2, 40, 62, 63))]).fetchone()[0]
    assert got == [float(v >> n & 1) for n in (0, 1, 2, 40, 62, 63) for v in values]
    for n in ("1.5", "-1", "64", "1 / 0", "3 - 5"):
        with pytest.raises(Exception, match="as the second argument of bit") as error:
            con.execute(f"SELECT geo_calc([4, 5]::FLOAT[], [1, 2], 'bit(b1, {n})')").fetchall()
        assert {"1 / 0": "inf", "3 - 5": "-2"}.get(n, n) + " is not valid" in str(error.value) and "geo_calc(expression)" in str(error.value)
    with pytest.raises(Exception, match="2.5 is not valid"):
        con.execute("SELECT geo_calc([4]::FLOAT[], [1, 1], 'bit(b1, n)', {n: 2.5})").fetchall()
    assert con.execute("SELECT geo_calc([4]::FLOAT[], [1, 1], 'bit(b1, n)', {n: NULL::DOUBLE})").fetchone()[0] == [None]
    none = con.execute("SELECT geo_calc([2.5, 'nan'::FLOAT, 'inf'::FLOAT, NULL, 4]::FLOAT[], [1, 5], 'bit(b1, 2)')").fetchone()[0]
    assert np.isnan(none[:3]).all() and none[3:] == [None, 1.0]
    # A number of a bit that differs from pixel to pixel: what is none gives NaN, where it is picked.
    picked = con.execute("SELECT geo_calc([4, 4, 4, 2, 64, 0.5]::FLOAT[], [2, 1, 3], 'bit(b1, b2), where(b2 < 9, 0, bit(b1, b2))')").fetchone()[0]
    assert picked[0] == 1 and np.isnan(picked[1:3]).all() and picked[3] == 0 and np.isnan(picked[4]) and picked[5] == 0


@pytest.mark.parametrize("expression, words", [("1**" * 5000 + "b1", "an expression of fewer powers of powers"), ("1**" * 60000 + "b1", "at most 65536 bytes"), ("1+" * 60000 + "b1", "at most 65536 bytes")])
def test_expressions_have_an_end(con, expression, words):
    with pytest.raises(duckdb.Error, match=words):
        con.execute("SELECT geo_calc([1]::FLOAT[], [1, 1], ?)", [expression]).fetchall()
    assert con.execute("SELECT geo_calc([1]::FLOAT[], [1, 1], ?)", ["1+" * 30000 + "b1"]).fetchone()[0] == [30001]


@pytest.mark.parametrize("call", ["geo_calc({}, {}, 'b1')", "geo_bands({}, {}, [[1.0]])", "geo_resize({}, {}, [1, 1, 2])", "geo_fill_gaps({}, {})", "geoquilt.stats({}, {})"])
def test_a_shape_that_holds_null_is_told_as_it_is(con, call):
    with pytest.raises(duckdb.Error, match=r"\[1, NULL, 2\] is not valid"):
        con.execute("SELECT " + call.format("[1, 2]::FLOAT[]", "[1, NULL, 2]")).fetchall()
