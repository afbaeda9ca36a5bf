"""geoquilt.stitch, geo_stitch_list and geo_taper against NumPy's overlap-add and SciPy's windows."""
import numpy as np
import pyarrow as pa
import pytest
import scipy.signal.windows as windows
from fields import array, draw, patches

TYPES = {"FLOAT": "float32", "DOUBLE": "float64", "TINYINT": "int8", "UTINYINT": "uint8", "SMALLINT": "int16", "USMALLINT": "uint16",
         "INTEGER": "int32", "UINTEGER": "uint32", "BIGINT": "int64", "UBIGINT": "uint64"}
LEAST = 2.0**-100


def field(con, canvas, extra="", source="t"):
    got = con.execute(f"SELECT geoquilt.stitch(data, win, {canvas}{extra}) FROM {source}").fetchall()[0][0]
    return None if got is None else array(got)


def taper(kind, n, symmetric=False, alpha=0.5, sigma=0.25):
    return {"boxcar": lambda: np.ones(n), "hann": lambda: windows.hann(n, symmetric), "tukey": lambda: windows.tukey(n, alpha, symmetric),
            "gaussian": lambda: windows.gaussian(n, sigma * n / 2, symmetric)}[kind]()


def overlap_add(rows, shape, kind="hann", **options):
    """What one writes in NumPy. Zero ends count where nothing else lies: LEAST is far below the last digit of any sum."""
    bands, height, width = shape
    total, weights = np.zeros(shape), np.zeros(shape)
    for data, (row, col, h, w) in rows:
        outer = np.outer(np.maximum(taper(kind, h, **options), LEAST), np.maximum(taper(kind, w, **options), LEAST))
        data = np.ma.masked_array(data, dtype="float64").reshape(bands, h, w)
        for r in range(max(row, 0), min(row + h, height)):
            for c in range(max(col, 0), min(col + w, width)):
                there = ~np.ma.getmaskarray(data)[:, r - row, c - col]
                total[there, r, c] += outer[r - row, c - col] * np.ma.getdata(data)[there, r - row, c - col]
                weights[there, r, c] += outer[r - row, c - col]
    return np.ma.masked_array(np.divide(total, weights, where=weights > 0, out=np.zeros(shape)), weights == 0), weights


def close(got, want, rtol):
    np.testing.assert_array_equal(np.ma.getmaskarray(got), np.ma.getmaskarray(want))
    there = ~np.ma.getmaskarray(want)
    np.testing.assert_allclose(np.asarray(got)[there], np.asarray(want)[there], rtol=rtol, atol=rtol)


@pytest.mark.parametrize("sql_type", TYPES)
def test_overlap_add_is_numpys_for_every_type(con, rng, sql_type):
    dtype = TYPES[sql_type]
    rows = draw(rng, dtype, 2, 60, (30, 40))
    patches(con, rows, dtype)
    wide = dtype in ("float64", "int32", "uint32", "int64", "uint64")
    assert con.execute("SELECT typeof(geoquilt.stitch(data, win, [30, 40]).data) FROM t").fetchall()[0] == ("DOUBLE[]" if wide else "FLOAT[]",)
    want, weights = overlap_add(rows, (2, 30, 40))
    got = con.execute("SELECT geoquilt.stitch(data, win, [30, 40], weights := true) FROM t").fetchall()[0][0]
    assert got["shape"] == [2, 30, 40] and got["transform"] is None and got["crs"] is None
    close(array(got), want, 1e-12 if wide else 1e-6)
    close(array(got, "weights"), np.ma.masked_array(weights, weights == 0), 1e-12 if wide else 1e-6)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("kind", ["boxcar", "hann", "tukey", "gaussian"])
def test_tapers_are_scipys(con, rng, kind, symmetric):
    for n in (1, 2, 3, 8, 33):
        got = con.execute(f"SELECT geo_taper('{kind}', {n}, {{periodic: {not symmetric}, alpha: 0.3, sigma: 0.4}})").fetchall()[0][0]
        np.testing.assert_allclose(got, taper(kind, n, symmetric, 0.3, 0.4), atol=1e-15)
    rows = draw(rng, "float64", 1, 40, (20, 30))
    patches(con, rows, "float64")
    close(field(con, "[20, 30]", f", taper := '{kind}', periodic := {not symmetric}, alpha := 0.3, sigma := 0.4"),
          overlap_add(rows, (1, 20, 30), kind, symmetric=symmetric, alpha=0.3, sigma=0.4)[0], 1e-12)


def test_a_taper_of_ones_own(con):
    patches(con, [(np.arange(9.0), (0, 0, 3, 3)), (np.arange(9.0) + 10, (0, 2, 3, 3))])
    got = field(con, "[3, 5]", ", taper := [0, 1, 0]")
    assert got.mask.tolist() == [[[True] * 5, [True, False, True, False, True], [True] * 5]]
    assert got[0, 1, [1, 3]].tolist() == [4, 14]
    with pytest.raises(Exception, match=r"geoquilt\.stitch\(data\): a taper of 2 weights for a window of 3 pixels\n"):
        field(con, "[3, 5]", ", taper := [1, 1]")
    # What weighs nothing adds nothing, not even NaN.
    for dtype in ("float32", "float64"):
        patches(con, [(np.array([1, np.nan, np.nan], dtype), (0, 0, 1, 3)), (np.array([3, 5, np.nan], dtype), (0, 1, 1, 3))], dtype)
        got = field(con, "[1, 4]", ", method := 'weighted', weight := [1, 0, 0]")
        assert got.mask.tolist() == [[[False, False, True, True]]] and got[0, 0, :2].tolist() == [1, 3]


def test_at_distances_from_the_middle_of_a_cap(con):
    d = np.linspace(0, 120, 25)
    got = con.execute("SELECT geo_taper('hann', $d, 100.0), geo_taper('gaussian', $d, 100.0, {sigma: 0.5}), geo_taper('boxcar', [1, NULL], 2)", {"d": d.tolist()}).fetchall()[0]
    np.testing.assert_allclose(got[0], np.where(d <= 100, 0.5 + 0.5 * np.cos(np.pi * d / 100), 0), atol=1e-15)
    np.testing.assert_allclose(got[1], np.where(d <= 100, np.exp(-0.5 * (d / 50) ** 2), 0), atol=1e-15)
    assert got[2] == [1, 0]


METHODS = {
    "mean": lambda v: v.mean(), "median": np.median, "min": np.min, "max": np.max, "sum": np.sum, "count": len, "variance": np.var,
    "mode": lambda v: min(set(v.tolist()), key=lambda x: (-v.tolist().count(x), x)),
}


@pytest.mark.parametrize("method", [*METHODS, "mean_std"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_methods_are_numpys(con, rng, method, dtype):
    rows = draw(rng, dtype, 2, 50, (15, 20))
    rows = [(np.ma.masked_array(np.ma.getdata(d) // 5 * 5 if method == "mode" else np.ma.getdata(d), d.mask), w) for d, w in rows]
    patches(con, rows, dtype)
    got = field(con, "[15, 20]", f", method := '{method}'")
    want = np.ma.masked_all((4 if method == "mean_std" else 2, 15, 20))
    for band in range(2):
        for r in range(15):
            for c in range(20):
                values = [np.ma.getdata(d).reshape(2, w[2], w[3])[band, r - w[0], c - w[1]] for d, w in rows
                          if w[0] <= r < w[0] + w[2] and w[1] <= c < w[1] + w[3] and not d.mask.reshape(2, w[2], w[3])[band, r - w[0], c - w[1]]]
                if values:
                    values = np.array(values, "float64")
                    if method == "mean_std":
                        want[band, r, c], want[band + 2, r, c] = values.mean(), values.std()
                    else:
                        want[band, r, c] = METHODS[method](values)
    close(got, want, 1e-12 if dtype == "float64" else 1e-5)
    counts = con.execute(f"SELECT geoquilt.stitch(data, win, [15, 20], method := '{method}', weights := true).weights = geoquilt.stitch(data, win, [15, 20], method := 'count').data FROM t").fetchall()[0]
    assert counts == (True,)


def test_weighted_inverse_variance_vote_and_order(con, rng):
    rows = draw(rng, "float64", 1, 30, (12, 12), nulls=0)
    each = [rng.uniform(0.1, 3, len(d)) for d, _ in rows]
    patches(con, [(np.round(d), w) for d, w in rows], "float64", weight=rng.uniform(0, 2, 30), each=pa.array([e.tolist() for e in each]), rank=pa.array(rng.permutation(30)))
    weight, rank = (con.execute(f"SELECT list({name} ORDER BY id) FROM t").fetchall()[0][0] for name in ("weight", "rank"))
    cells = {}
    for i, (d, (row, col, h, w)) in enumerate(rows):
        for k, value in enumerate(np.round(d)):
            r, c = row + k // w, col + k % w
            if 0 <= r < 12 and 0 <= c < 12:
                outer = np.outer(np.maximum(taper("hann", h), LEAST), np.maximum(taper("hann", w), LEAST)).ravel()[k]
                cells.setdefault((r, c), []).append((value, weight[i], each[i][k], rank[i], outer))

    def check(extra, of):
        got = field(con, "[12, 12]", extra)
        for r in range(12):
            for c in range(12):
                here = np.array(cells.get((r, c), []))
                if len(here):
                    assert got[0, r, c] == pytest.approx(of(*here.T), rel=1e-12), (extra, r, c)
                else:
                    assert got.mask[0, r, c]

    check(", method := 'weighted', weight := weight", lambda v, w, e, k, t: (v * w).sum() / w.sum())
    check(", method := 'weighted', weight := each", lambda v, w, e, k, t: (v * e).sum() / e.sum())
    check(", method := 'inverse_variance', variance := each", lambda v, w, e, k, t: (v / e).sum() / (1 / e).sum())
    check(", weight := weight", lambda v, w, e, k, t: (v * w * t).sum() / (w * t).sum())
    check(", method := 'first', rank := rank", lambda v, w, e, k, t: v[k.argmin()])
    check(", method := 'last', rank := rank", lambda v, w, e, k, t: v[k.argmax()])
    check(", method := 'last', rank := TIMESTAMP '2020-01-01' + to_days(rank::INTEGER)", lambda v, w, e, k, t: v[k.argmax()])
    check(", method := 'vote'", lambda v, w, e, k, t: max(sorted(set(v)), key=lambda x: t[v == x].sum()))


def test_tapered_reads_and_sums_as_they_are(con, rng):
    rows = draw(rng, "float64", 1, 30, (12, 14), nulls=0)
    outer = [np.outer(taper("hann", w[2]), taper("hann", w[3])).ravel() for _, w in rows]
    patches(con, [(d * o, w) for (d, w), o in zip(rows, outer)], "float64")
    total, weights = np.zeros((12, 14)), np.zeros((12, 14))
    for (d, (row, col, h, w)), o in zip(rows, outer):
        for k in range(h * w):
            r, c = row + k // w, col + k % w
            if 0 <= r < 12 and 0 <= c < 14:
                total[r, c] += d.data[k] * o[k]
                weights[r, c] += o[k]
    want = np.ma.masked_array(total / np.where(weights == 0, 1, weights), weights == 0)
    close(field(con, "[12, 14]", ", tapered := true")[0], want, 1e-11)
    close(field(con, "[12, 14]", ", tapered := true, normalise := false")[0], np.ma.masked_array(total, weights == 0), 1e-11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["hann", "tukey", "gaussian", "boxcar"])
@pytest.mark.parametrize("periodic", [True, False])
def test_sums_that_are_not_divided_are_those_of_the_weights_as_they_are(con, rng, kind, dtype, periodic):
    """A zero end of a taper weighs zero, and something lies there."""
    rows = draw(rng, dtype, 1, 6, (12, 14), nulls=0)
    patches(con, rows, dtype)
    flag = "true" if periodic else "false"
    weigh = lambda n: np.array(con.execute(f"SELECT geo_taper('{kind}', {n}, {{periodic: {flag}}})").fetchone()[0])
    total, laid = np.zeros((12, 14)), np.zeros((12, 14), bool)
    for d, (row, col, h, w) in rows:
        outer = np.outer(weigh(h), weigh(w)).ravel()
        for k in range(h * w):
            r, c = row + k // w, col + k % w
            if 0 <= r < 12 and 0 <= c < 14:
                total[r, c] += d.data[k] * outer[k]
                laid[r, c] = True
    got = field(con, "[12, 14]", f", taper := '{kind}', periodic := {flag}, normalise := false")[0]
    close(got, np.ma.masked_array(total, ~laid), 1e-11 if dtype == "float64" else 1e-6)
    assert (got.data[laid & (total == 0)] == 0).all()


@pytest.mark.parametrize("edge", ["drop", "snap", "overflow", "center", "pad"])
def test_a_raster_that_was_split_comes_back(con, raster, rng, edge):
    data = rng.normal(280, 10, (2, 60, 70)).astype("float32")
    data[:, rng.random((60, 70)) < 0.1] = -9999
    path = raster("a.tif", data, nodata=-9999)
    for kind in ("boxcar", "hann", "tukey", "gaussian"):
        for size, stride in ((16, 8), (16, 16), (21, 5)):
            got = con.execute(f"SELECT geoquilt.stitch(data, win, [60, 70], taper := '{kind}') FROM read_patch('{path}', size := {size}, stride := {stride}, edge := '{edge}')").fetchall()[0][0]
            got = array(got)
            want = np.ma.masked_equal(data, -9999)
            if edge == "drop":
                rows, cols = ((n - size) // stride * stride + size for n in (60, 70))
                want = want.copy()
                want[:, rows:] = want[:, :, cols:] = np.ma.masked
            np.testing.assert_array_equal(got.mask, np.ma.getmaskarray(want))
            np.testing.assert_array_equal(got[~got.mask].data, want[~got.mask].data)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"])
def test_a_raster_of_any_type_that_was_split_comes_back_however_it_was_split(con, raster, rng, dtype):
    if dtype.startswith("float"):
        data = rng.normal(280, 10, (2, 90, 300)).astype(dtype)
    else:
        info = np.iinfo(dtype)
        data = rng.integers(max(info.min, -2**52), min(info.max, 2**52), (2, 90, 300), dtype=dtype, endpoint=True)
    nodata = data[0, 0, 0]
    data[:, rng.random((90, 300)) < 0.1] = nodata
    path = raster("a.tif", data, nodata=nodata)
    want = np.ma.masked_equal(data, nodata)
    # Whole numbers of 32 and 64 bits and DOUBLE come back as DOUBLE, which holds them.
    for edge, size, stride in (("overflow", 64, 32), ("center", 50, 20), ("pad", 33, 16), ("snap", 90, 45)):
        for options in ("taper := 'hann'", "taper := 'hann', periodic := false", "taper := 'tukey', alpha := 0.9", "taper := 'gaussian', sigma := 0.1",
                        f"taper := {[i % 3 + 0.5 for i in range(size)]}", "method := 'mean'", "method := 'median'", "method := 'max'"):
            got = con.execute(f"SELECT geoquilt.stitch(data, win, [90, 300], {options}) FROM read_patch('{path}', size := {size}, stride := {stride}, edge := '{edge}')").fetchall()[0][0]
            got = array(got)
            np.testing.assert_array_equal(got.mask, np.ma.getmaskarray(want))
            np.testing.assert_array_equal(got.compressed(), want.compressed().astype("float64"), err_msg=f"{edge} {options}")


def test_lists_are_read_as_they_lie_in_memory(con, rng):
    """A list's numbers may lie one after another, or be one that stands for all, or be chosen among others."""
    values = rng.normal(0, 1, 16).astype("float32")
    nulls = pa.array([None if i % 5 == 0 else float(v) for i, v in enumerate(values)], pa.float32())
    buffer = pa.py_buffer(b"\0\0" + values.tobytes())
    askew = pa.Array.from_buffers(pa.float32(), 16, [None, pa.foreign_buffer(buffer.address + 2, 64, buffer)])
    lists = {
        "flat": pa.ListArray.from_arrays([0, 4, 8, 12, 16], pa.array(values)),
        "nulls": pa.ListArray.from_arrays([0, 4, 8, 12, 16], nulls),
        "behind": pa.ListArray.from_arrays([0, 4, 8, 12, 16], pa.concat_arrays([pa.array([9.0] * 7, pa.float32()), nulls]).slice(7)),
        "chosen": pa.ListArray.from_arrays([0, 4, 8, 12, 16], nulls.dictionary_encode()),
        "askew": pa.ListArray.from_arrays([0, 4, 8, 12, 16], askew),
    }
    win = "{row_off: 0, col_off: 4 * i, height: 1, width: 4}"
    for name, column in lists.items():
        con.register("a", pa.table({"i": range(4), "data": column}))
        got = con.execute(f"SELECT geoquilt.stitch(data, {win}, [1, 16]).data FROM a").fetchall()[0][0]
        assert got == [v for row in column.to_pylist() for v in row], name
    for sql, want in (("[7, 7, 7, 7]::FLOAT[]", [7.0] * 16), ("[NULL, NULL, NULL, NULL]::FLOAT[]", [None] * 16), ("[i, i, NULL, 1]::FLOAT[]", [v for i in range(4) for v in (i, i, None, 1)]),
                      ("(SELECT list(x::FLOAT ORDER BY x) FROM range(4) t(x))", [0, 1, 2, 3] * 4), ("[x + i FOR x IN [1, NULL, 3, 4]]::FLOAT[]", [v for i in range(4) for v in (1 + i, None, 3 + i, 4 + i)]),
                      ("list_reverse([i, 2, 3, 4])::FLOAT[]", [v for i in range(4) for v in (4, 3, 2, i)]), ("[1, 2, 3, 4, 5, 6][2:5]::FLOAT[]", [2, 3, 4, 5] * 4)):
        assert con.execute(f"SELECT geoquilt.stitch({sql}, {win}, [1, 16]).data FROM range(4) t(i)").fetchall()[0][0] == want, sql


def test_order_moves_a_float_by_a_unit_in_its_last_place_at_most(con, rng):
    rows = draw(rng, "float32", 1, 3000, (100, 300), nulls=0)
    told = []
    for seed in range(4):
        patches(con, [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))])
        for threads in (1, 4):
            con.execute(f"SET threads = {threads}")
            told.append(field(con, "[100, 300]", source="(FROM t UNION ALL FROM t)").filled(-1).astype("float32"))
    bits = np.stack([one.view("int32") for one in told])
    assert (bits.max(0) - bits.min(0)).max() <= 1 and (bits.max(0) != bits.min(0)).mean() < 1e-4


def test_order_threads_and_parts_change_no_bit(con, rng):
    rows = draw(rng, "float64", 1, 800, (100, 300), nulls=0)
    for dtype in ("float64", "int16"):
        told = {}
        for seed in range(3):
            order = np.random.default_rng(seed).permutation(len(rows))
            patches(con, [(np.ma.masked_array(rows[i][0].data.astype(dtype)), rows[i][1]) for i in order], dtype)
            for threads in (1, 4):
                con.execute(f"SET threads = {threads}")
                for method in ("overlap_add", "mean", "median", "variance", "min", "vote"):
                    got = field(con, "[100, 300]", f", method := '{method}'", "(FROM t UNION ALL FROM t)")
                    told.setdefault(method, set()).add(got.filled(-1).tobytes())
        assert {method: len(bits) for method, bits in told.items()} == dict.fromkeys(told, 1), dtype


def test_canvases_and_windows_in_every_form(con, rng):
    slice_ = "geo_slice({xmin: 500000, ymin: 3999000, xmax: 501000, ymax: 4000000}, 10, 'EPSG:32629')"
    by_size = "{height: 100, width: 100, transform: [500000, 10, 0, 4000000, 0, -10]::DOUBLE[], crs: 'EPSG:32629'}"
    by_shape = "{shape: [3, 100, 100], transform: [500000, 10, 0, 4000000, 0, -10]::DOUBLE[], crs: 'EPSG:32629', data: NULL}"
    wins = ["{row_off: 5, col_off: -1, height: 2, width: 3}", "{start: [5, -1], size: [2, 3]}",
            "{shape: [1, 2, 3], transform: [499990, 10, 0, 3999950, 0, -10]::DOUBLE[], crs: 'EPSG:32629'}",
            "geo_slice({xmin: 499990, ymin: 3999930, xmax: 500020, ymax: 3999950}, 10, 'EPSG:32629')"]
    for canvas in (slice_, by_size, by_shape):
        for win in wins:
            got = con.execute(f"SELECT geoquilt.stitch([1, 2, 3, 4, 5, 6]::FLOAT[], {win}, {canvas})").fetchall()[0][0]
            assert got["shape"] == [1, 100, 100] and got["transform"] == [500000, 10, 0, 4000000, 0, -10] and got["crs"] == "EPSG:32629"
            there = {i: v for i, v in enumerate(got["data"]) if v is not None}
            assert there == {500: 2, 501: 3, 600: 5, 601: 6}, (canvas, win)


def test_windows_of_more_axes(con, rng):
    cube = rng.normal(0, 1, (4, 10, 12))
    rows = [(t, r, c) for t in (-1, 0, 1, 2, 3) for r in (0, 3, 6) for c in (-2, 3, 8)]
    con.execute("CREATE TABLE cubes (data DOUBLE[], win STRUCT(start BIGINT[], size BIGINT[]))")
    for t, r, c in rows:
        block = [cube[i, j, k] if 0 <= i < 4 and 0 <= j < 10 and 0 <= k < 12 else None for i in range(t, t + 2) for j in range(r, r + 4) for k in range(c, c + 6)]
        con.execute("INSERT INTO cubes VALUES ($1, {start: $2, size: [2, 4, 6]})", [block, [t, r, c]])
    got = con.execute("SELECT geoquilt.stitch(data, win, [4, 10, 12]) FROM cubes").fetchall()[0][0]
    assert got["shape"] == [1, 4, 10, 12]
    np.testing.assert_array_equal(array(got)[0], cube)


def test_groups_are_each_their_own(con, rng):
    rows = draw(rng, "float32", 1, 400, (40, 50))
    patches(con, rows)
    for threads in (1, 4):
        con.execute(f"SET threads = {threads}")
        got = con.execute("SELECT id % 7, geoquilt.stitch(data, win, [40, 50]) FROM t GROUP BY 1 HAVING geoquilt.stitch(data, win, [40, 50], method := 'count') IS NOT NULL").fetchall()
        assert len(got) == 7
        for group, one in got:
            close(array(one), overlap_add(rows[group::7], (1, 40, 50))[0], 1e-6)


def test_nulls_and_nothing(con):
    patches(con, [(None, (0, 0, 2, 2)), (np.ones(4), None), (np.ma.masked_array(np.ones(4), True), (0, 0, 2, 2))])
    assert field(con, "[2, 2]").mask.all()
    assert field(con, "[2, 2]", "", "(FROM t LIMIT 2)") is None
    assert field(con, "[2, 2]", "", "(FROM t LIMIT 0)") is None
    assert con.execute("SELECT geo_stitch_list([]::FLOAT[][], [], [2, 2]), geo_stitch_list(NULL::FLOAT[][], [], [2, 2])").fetchall()[0] == (None, None)
    got = field(con, "[1, 2]", "", "(SELECT [1, 'nan'::FLOAT]::FLOAT[] AS data, {row_off: 0, col_off: 0, height: 1, width: 2} AS win)")
    assert not got.mask.any() and np.isnan(got.data[0, 0, 1])
    got = field(con, "[1, 2]", ", skip_nan := true", "(SELECT [1, 'nan'::FLOAT]::FLOAT[] AS data, {row_off: 0, col_off: 0, height: 1, width: 2} AS win)")
    assert got.mask.tolist() == [[[False, True]]]


def test_a_list_is_laid_in_its_order(con, rng):
    rows = draw(rng, "float32", 2, 60, (20, 30))
    patches(con, rows)
    lists = "FROM (SELECT list(data ORDER BY id) AS d, list(win ORDER BY id) AS w FROM t)"
    for method in ("overlap_add", "median", "max", "mean_std"):
        got = con.execute(f"SELECT geo_stitch_list(d, w, [20, 30], {{method: '{method}'}}) {lists}").fetchall()[0][0]
        want = con.execute(f"SELECT geoquilt.stitch(data, win, [20, 30], method := '{method}') FROM t").fetchall()[0][0]
        close(array(got), array(want), 1e-6)
    for method, order in (("first", "id"), ("last", "id")):
        got = con.execute(f"SELECT geo_stitch_list(d, w, [20, 30], {{method: '{method}'}}) {lists}").fetchall()[0][0]
        assert got == con.execute(f"SELECT geoquilt.stitch(data, win, [20, 30], method := '{method}', rank := {order}) FROM t").fetchall()[0][0]


WIN4 = "{row_off: 0, col_off: 0, height: 2, width: 2}"


@pytest.mark.parametrize("call, words", [
    ("[1, 2, 3]::FLOAT[], WIN, [2, 2]", ["geoquilt.stitch(data)", "3 values", "4 pixels"]),
    ("[]::FLOAT[], WIN, [2, 2]", ["geoquilt.stitch(data)", "0 values"]),
    ("[1, 2, 3, 4]::FLOAT[], {row_off: 2, col_off: 0, height: 2, width: 2}, [2, 2]", ["geoquilt.stitch(data)", "row 2, col 0", "wholly outside", "2 x 2"]),
    ("[1, 2, 3, 4]::FLOAT[], {row_off: 0, col_off: 0, height: 0, width: 2}, [2, 2]", ["geoquilt.stitch(win)", "0 x 2"]),
    ("[1, 2, 3, 4]::FLOAT[], {row: 0}, [2, 2]", ["geoquilt.stitch(win)", "row_off"]),
    ("[1, 2, 3, 4]::FLOAT[], 7, [2, 2]", ["geoquilt.stitch(win)", "row_off"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [2]", ["geoquilt.stitch(canvas)", "[2]", "[rows, columns]"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [0, 2]", ["geoquilt.stitch(canvas)"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, NULL", ["geoquilt.stitch(canvas)", "NULL"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [1000000, 1000000]", ["geoquilt.stitch(canvas)", "1000000 x 1000000", "geoquilt_aggregate_mb"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [3, 2, 2]", ["geoquilt.stitch(data)", "2 axes", "3"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [2, 2], method := 'avg'", ["geoquilt.stitch(method)", "avg", "overlap_add"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [2, 2], taper := 'han'", ["geoquilt.stitch(taper)", "han", "hann"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [2, 2], taper := [1, -1]", ["geoquilt.stitch(taper)"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [2, 2], taper := 'tukey', alpha := 2", ["geoquilt.stitch(alpha)", "2"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [2, 2], weight := -1", ["geoquilt.stitch(data)", "-1", "at least 0"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [2, 2], weight := 'nan'::DOUBLE", ["geoquilt.stitch(data)", "NaN"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [2, 2], weight := [1, 1, -2, 1]", ["geoquilt.stitch(weight)", "-2"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [2, 2], weight := [1, 1, 1]", ["geoquilt.stitch(data)", "3 weights"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [2, 2], method := 'weighted'", ["geoquilt.stitch(weight)", "needs a weight"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [2, 2], method := 'first'", ["geoquilt.stitch(rank)"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [2, 2], method := 'mean', rank := 1", ["geoquilt.stitch(rank)", "does not go"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [2, 2], method := 'inverse_variance', variance := [1, 0, 1, 1]", ["geoquilt.stitch(variance)", "above 0"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, [2, 2], method := 'mean', tapered := true", ["geoquilt.stitch(method)", "overlap_add"]),
    ("[1, 2, 3, 9007199254740993]::BIGINT[], WIN, [2, 2]", ["geoquilt.stitch(data)", "9007199254740993"]),
    ("[1, 2, 3, 4]::FLOAT[], WIN, {height: 2, width: 2, transform: [1, 2]}", ["geoquilt.stitch(canvas)", "six numbers"]),
])
def test_bad_input_is_named(con, call, words):
    with pytest.raises(Exception) as error:
        con.execute(f"SELECT geoquilt.stitch({call.replace('WIN', WIN4)})").fetchall()
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize("patch, words", [
    ("{shape: [2, 2], transform: [500000, 10, 0, 4000000, 0, -10]::DOUBLE[], crs: 'EPSG:32630'}", ["EPSG:32630", "EPSG:32629", "GROUP BY crs"]),
    ("{shape: [2, 2], transform: [500000, 20, 0, 4000000, 0, -20]::DOUBLE[], crs: 'EPSG:32629'}", ["20 x -20", "10 x -10"]),
    ("{shape: [2, 2], transform: [500003, 10, 0, 4000000, 0, -10]::DOUBLE[], crs: 'EPSG:32629'}", ["column 0.3"]),
    ("{shape: [2, 2], transform: [500000, 10, 1, 4000000, 0, -10]::DOUBLE[], crs: 'EPSG:32629'}", ["rotated"]),
    ("{shape: [2, 2]}", ["transform"]),
])
def test_a_patch_beside_the_grid_is_named(con, patch, words):
    canvas = "{height: 100, width: 100, transform: [500000, 10, 0, 4000000, 0, -10]::DOUBLE[], crs: 'EPSG:32629'}"
    with pytest.raises(Exception) as error:
        con.execute(f"SELECT geoquilt.stitch([1, 2, 3, 4]::FLOAT[], {patch}, {canvas})").fetchall()
    # Which patch it is, is told by where it lies.
    x = 500003 if "500003" in patch else 500000
    named = [f"a patch{' in EPSG:32630,' if '32630' in patch else ''} from ({x}, 4000000) on"] if "transform" in patch else []
    assert all(word in str(error.value) for word in ["geoquilt.stitch(win)", *named, *words]), error.value


def test_rows_that_differ_are_named(con):
    for threads in (1, 4):
        con.execute(f"SET threads = {threads}")
        for differ, words in (("if(i % 2 = 0, [2, 2], [2, 3]), method := 'mean'", "canvases of 2 x 2 and of 2 x 3|canvases of 2 x 3 and of 2 x 2"),
                              ("[2, 2], method := if(i % 2 = 0, 'mean', 'max')", "methods or tapers that differ")):
            with pytest.raises(Exception, match=words):
                con.execute(f"SELECT geoquilt.stitch([1, 2, 3, 4]::FLOAT[], {WIN4}, {differ}) FROM range(100000) t(i)").fetchall()
        with pytest.raises(Exception, match="patches of . and of . bands"):
            con.execute(f"SELECT geoquilt.stitch(if(i % 2 = 0, [1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7, 8])::FLOAT[], {WIN4}, [2, 2]) FROM range(100000) t(i)").fetchall()


@pytest.mark.parametrize("inside, clause", [("", "OVER ()"), ("", "FILTER (WHERE true)"), (" ORDER BY 1", ""), ("DISTINCT ", "")])
def test_what_a_macro_does_not_take_is_refused(con, inside, clause):
    first, last = (inside, "") if inside == "DISTINCT " else ("", inside)
    with pytest.raises(Exception):
        con.execute(f"SELECT geoquilt.stitch({first}[1]::FLOAT[], {WIN4}, [2, 2]{last}) {clause}").fetchall()
    assert con.execute("SELECT 1").fetchall()[0] == (1,)


def test_memory_follows_what_is_laid_and_has_a_bound(con):
    def sql(step, count):
        win = f"{{row_off: {step} * (i // 100), col_off: {step} * (i % 100), height: 8, width: 8}}"
        return f"SELECT geoquilt.stitch(list_transform(range(64), lambda x: (x * i)::FLOAT), {win}, [3000, 3000]) AS f FROM range({count}) t(i)"

    con.execute("SET geoquilt_aggregate_mb = 64; SET threads = 1")
    # One strip of patches of a canvas whose 9 million pixels would take 144 MB.
    assert con.execute(f"SELECT len(f.data), list_count(f.data) FROM ({sql(8, 100)})").fetchall()[0] == (9_000_000, 6400)
    with pytest.raises(Exception, match=r"stitch: .* would take \d+ MiB, above geoquilt_aggregate_mb = 64\n.*SET geoquilt_aggregate_mb"):
        con.execute(sql(30, 10_000)).fetchall()
    con.execute("SET geoquilt_aggregate_mb = 512")
    assert con.execute(f"SELECT list_count(f.data) FROM ({sql(30, 10_000)})").fetchall()[0] == (640_000,)


def test_an_interrupt_ends_it(con):
    import threading
    threading.Timer(0.5, con.interrupt).start()
    with pytest.raises(Exception, match="(?i)interrupt"):
        con.execute(f"SELECT geoquilt.stitch(list_transform(range(4), lambda x: (x * i)::FLOAT), {WIN4}, [2, 2]) FROM range(100000000) t(i)").fetchall()
    assert con.execute(f"SELECT geoquilt.stitch([1, 2, 3, 4]::FLOAT[], {WIN4}, [2, 2]).data").fetchall()[0][0] == [1, 2, 3, 4]
