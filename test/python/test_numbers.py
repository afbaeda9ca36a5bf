"""Numbers that a type does not hold, and NULLs that have no type: none is rounded or made infinite without a word."""
import numpy as np
import pytest
import rasterio
import zarr

WIN = "{row_off: 0, col_off: 0, height: 1, width: 1}"
# Functions that work in doubles, over one pixel x.
IN_DOUBLES = {
    "geo_calc": "geo_calc({x}, [1, 1], 'b1')[1]",
    "geo_bands": "geo_bands({x}, [1, 1], [[1]])[1]",
    "geo_resize": "geo_resize({x}, [1, 1], [1, 1])[1]",
    "geo_fill_gaps": "geo_fill_gaps({x}, [1, 1]).data[1]",
    "geo_normalise": "geo_normalise({x}, [1, 1], [{{min: 0, max: 1}}], {{method: 'minmax'}})[1]",
    "geo_denormalise": "geo_denormalise({x}, [1, 1], [{{min: 0, max: 1}}], {{method: 'minmax'}})[1]",
    "geo_time_reduce": "geo_time_reduce({x}, [1, 1, 1], [TIMESTAMP '2020-01-01'], TIMESTAMP '2020-01-01').data[1]",
    "geoquilt.stats": "geoquilt.stats({x}, [1, 1])[1].max",
    "geoquilt.stitch": f"geoquilt.stitch({{x}}, {WIN.replace('{', '{{').replace('}', '}}')}, [1, 1]).data[1]",
    "geo_stitch_list": f"geo_stitch_list([{{x}}], [{WIN.replace('{', '{{').replace('}', '}}')}], [1, 1]).data[1]",
    "geo_polygonize": "geo_polygonize({x}, [1, 1], [0, 1, 0, 0, 0, -1], 'EPSG:32632')[1].value",
}
# Those whose answer is of FLOAT.
IN_FLOATS = {
    "geo_align_depth": "geo_align_depth([1], {x}, [1])[1]",
    "geoquilt.rasterize_points": f"geoquilt.rasterize_points(0, 0, {{x}}, {WIN.replace('{', '{{').replace('}', '}}')}).data[1]",
}


def said(con, sql):
    with pytest.raises(Exception) as caught:
        con.execute(sql).fetchall()
    return str(caught.value)


@pytest.mark.parametrize("name", [*IN_DOUBLES, *IN_FLOATS])
@pytest.mark.parametrize("type", ["BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT"])
def test_a_whole_number_that_doubles_change_is_refused(con, name, type):
    call = {**IN_DOUBLES, **IN_FLOATS}[name]
    for number in [2**53 + 1, 2**62 + 1, 2**63 - 1] + [-2**53 - 1] * (not type.startswith("U")) + [2**64 - 1] * (type != "BIGINT"):
        text = said(con, f"SELECT {call.format(x=f'[{number}]::{type}[]')}")
        assert name in text and str(number) in text and "\n" in text, text
    if name not in IN_FLOATS:
        for number in [2**53, 2**53 + 2, 2**62]:
            assert con.execute(f"SELECT {call.format(x=f'[{number}]::{type}[]')}").fetchone() == (number,)


@pytest.mark.parametrize("name", [name for name in IN_DOUBLES if name != "geo_polygonize"])
def test_a_cast_rounds_such_a_number(con, name):
    assert con.execute(f"SELECT {IN_DOUBLES[name].format(x=f'[{2**53 + 1}]::BIGINT[]::DOUBLE[]')}").fetchone() == (2**53,)


@pytest.mark.parametrize("name", [*IN_DOUBLES, *IN_FLOATS])
def test_sums_of_whole_numbers_are_data_like_others(con, name):
    call = {**IN_DOUBLES, **IN_FLOATS}[name]
    assert con.execute(f"SELECT {call.format(x='x')} FROM (SELECT list(s) AS x FROM (SELECT sum(i) AS s FROM range(7) t(i)))").fetchone() == (21,)
    # Half of a table has no pixel, so that the numbers do not all lie one after another.
    rows = con.execute(f"SELECT {call.format(x='x')} FROM (SELECT CASE WHEN i % 2 = 0 THEN [i::HUGEINT] END AS x, i FROM range(10) t(i)) GROUP BY i, x ORDER BY i").fetchall() if name.startswith("geoquilt.") \
        else con.execute(f"SELECT {call.format(x='x')} FROM (SELECT CASE WHEN i % 2 = 0 THEN [i::HUGEINT] END AS x FROM range(10) t(i))").fetchall()
    assert rows == [(i if i % 2 == 0 else None,) for i in range(10)]


@pytest.mark.parametrize("name", IN_FLOATS)
def test_a_number_beyond_float_is_refused(con, name):
    for number in ("1e300", "-1e39", "3.5e38"):
        text = said(con, f"SELECT {IN_FLOATS[name].format(x=f'[{number}]::DOUBLE[]')}")
        assert name in text and number in text and "largest FLOAT" in text, text
    largest = float(np.finfo("float32").max)
    assert con.execute(f"SELECT {IN_FLOATS[name].format(x=f'[{largest!r}]::DOUBLE[]')}").fetchone() == (largest,)
    # What is no value stays none.
    assert con.execute(f"SELECT {IN_FLOATS[name].format(x='[1.0 / 0]::DOUBLE[]')}").fetchone() == (None,)


def test_a_number_of_a_row_is_exact_or_refused(con):
    assert "9007199254740993" in said(con, "SELECT geo_calc([1], [1, 1], 'b1 * g', {g: 9007199254740993})")
    assert con.execute("SELECT geo_calc([1]::DOUBLE[], [1, 1], 'b1 * g', {g: 9007199254740994})").fetchone() == ([2.0**53 + 2],)
    text = said(con, f"SELECT geoquilt.stitch([1], {WIN}, [1, 1], method := 'last', rank := 9007199254740993)")
    assert "geoquilt.stitch(rank)" in text and "9007199254740993" in text


@pytest.mark.parametrize("number,dtype", [(2**53 + 1, "int64"), (2**63 - 1, "int64"), (-2**63, "int64"), (2**64 - 1, "uint64"), (2**53 + 1, "uint64")])
@pytest.mark.parametrize("type", ["own", "HUGEINT"])
def test_files_hold_whole_numbers_to_the_last_digit(con, tmp_path, number, dtype, type):
    own = {"int64": "BIGINT", "uint64": "UBIGINT"}[dtype]
    if type == "HUGEINT" and number >= 2**63:
        assert "no BIGINT" in said(con, f"COPY (SELECT [{number}]::HUGEINT[], [1, 1]) TO '{tmp_path}/x.tif'")
        return
    data = f"[{number}]::{own if type == 'own' else type}[]"
    con.execute(f"COPY (SELECT {data}, [1, 1]) TO '{tmp_path}/x.tif' (DTYPE '{dtype}')")
    con.execute(f"COPY (SELECT {data}, [1, 1]) TO '{tmp_path}/x.npy' (FORMAT npy, DTYPE '{dtype}')")
    con.execute(f"COPY (SELECT {data}, [1, 1]) TO '{tmp_path}/x.zarr' (FORMAT zarr, DTYPE '{dtype}')")
    want = np.array([[number]], dtype)
    for got in (rasterio.open(tmp_path / "x.tif").read(1), np.load(tmp_path / "x.npy"), zarr.open_group(tmp_path / "x.zarr", mode="r")["data"][:]):
        assert got.dtype == want.dtype and (got == want).all()


def test_whole_numbers_change_their_type_exactly_or_not_at_all(con, tmp_path):
    con.execute(f"COPY (SELECT [{2**53 + 1}]::BIGINT[], [1, 1]) TO '{tmp_path}/x.tif' (DTYPE 'uint64')")
    assert rasterio.open(tmp_path / "x.tif").read(1)[0, 0] == 2**53 + 1
    for number, dtype in [(2**53 + 1, "float64"), (-1, "uint64"), (2**31, "int32"), (2**64 - 1, "int64")]:
        for words in (f"'{tmp_path}/y.tif' (DTYPE '{dtype}')", f"'{tmp_path}/y.npy' (FORMAT npy, DTYPE '{dtype}')", f"'{tmp_path}/y.zarr' (FORMAT zarr, DTYPE '{dtype}')"):
            type = "UBIGINT" if number >= 2**63 else "BIGINT"
            assert str(number) in said(con, f"COPY (SELECT [{number}]::{type}[], [1, 1]) TO {words}")


@pytest.mark.parametrize("words", ["'{}/x.tif' (DTYPE 'float32')", "'{}/x.npy' (FORMAT npy, DTYPE 'float32')", "'{}/x.zarr' (FORMAT zarr, DTYPE 'float32')"])
def test_no_file_of_floats_makes_a_number_infinite(con, tmp_path, words):
    assert "a pixel of 1e39 does not fit float32" in said(con, f"COPY (SELECT [1e39]::DOUBLE[], [1, 1]) TO {words.format(tmp_path)}")
    con.execute(f"COPY (SELECT [3.4e38, 1 / 0.0]::DOUBLE[], [1, 2]) TO {words.format(tmp_path)}")


def test_columns_of_a_store_hold_their_numbers_or_are_refused(con, tmp_path):
    con.execute(f"COPY (SELECT {{a: [1]::FLOAT[], u: {2**64 - 1}::UBIGINT, h: {2**63 - 1}::HUGEINT, s: sum(i), d: 12::DECIMAL(38, 0)}} FROM range(4) t(i)) TO '{tmp_path}/x.zarr' (FORMAT zarr)")
    store = zarr.open_group(tmp_path / "x.zarr", mode="r")
    assert [int(store[name][0]) for name in "uhsd"] == [2**64 - 1, 2**63 - 1, 6, 12] and store["h"].dtype == "int64"
    for value in (f"{2**63}::HUGEINT", f"{2**53 + 1}::DECIMAL(38, 0)"):
        text = said(con, f"COPY (SELECT {{a: [1]::FLOAT[], h: {value}}}) TO '{tmp_path}/y.zarr' (FORMAT zarr)")
        assert "h of row 1" in text and value.split("::")[0] in text, text


# --- NULL without a type -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", [*IN_DOUBLES, *IN_FLOATS])
def test_a_null_without_a_type_is_null(con, name):
    call = {**IN_DOUBLES, **IN_FLOATS}[name]
    assert con.execute(f"SELECT {call.format(x='NULL')}").fetchall() == [(None,)]
    assert con.execute(f"SELECT {call.format(x='x')} FROM (SELECT NULL AS x)").fetchall() == [(None,)]
    if name not in ("geo_polygonize", "geoquilt.stats"):
        assert con.execute(f"SELECT {call.format(x='[NULL]')}").fetchall() == [(None,)]


def test_lists_of_nulls_are_no_patches(con):
    assert con.execute(f"SELECT geo_stitch_list([NULL], [NULL], [1, 1]), geo_stitch_list(NULL, NULL, [1, 1]), geo_stitch_list([NULL], [{WIN}], [1, 1])").fetchone() == (None, None, None)


@pytest.mark.parametrize("target", ["x.tif", "x.npy' (FORMAT npy) --", "x.png' (FORMAT png) --"])
def test_a_null_without_a_type_is_no_canvas(con, tmp_path, target):
    text = said(con, f"COPY (SELECT NULL AS data, [1, 1] AS shape) TO '{tmp_path}/{target}'")
    assert "NULL::FLOAT[]" in text and "Binder Error" in text, text


def test_no_function_leaves_a_null_without_a_type_to_the_binder(con):
    """As each argument by itself, beside those of an example, and as all of them."""
    functions = con.execute("SELECT name, kind, list_filter(parameters, lambda p: p.given = 'required'), list_filter(parameters, lambda p: p.given = 'optional') FROM geoquilt_functions() WHERE kind IN ('scalar', 'aggregate', 'scalar macro')").fetchall()
    assert len(functions) > 60
    for name, kind, required, optional in functions:
        for more in range(len(optional) + 1):
            nulls = ", ".join(["NULL"] * (len(required) + more))
            try:
                con.execute(f"SELECT {name}({nulls})").fetchall()
            except Exception as error:
                assert "Could not choose" not in str(error) and "No function matches" not in str(error), f"{name}({nulls}): {error}"
