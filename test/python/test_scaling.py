"""geo_normalise and geo_denormalise, stats_merge, patch_stats and geo_patch_stats against NumPy and rasterio."""
import json

import numpy as np
import pyarrow as pa
import pytest
import rasterio
from rasterio.windows import Window

METHODS = {
    "zscore": lambda s: (s["mean"], s["std"]),
    "minmax": lambda s: (s["min"], s["max"] - s["min"]),
    "robust": lambda s: (s["percentiles"][2], s["percentiles"][3] - s["percentiles"][1]),
}


def table(con, data, shape, name="t"):
    """Rows of one list of pixels each, NaN as NULL."""
    lists = [pa.array(row, pa.from_numpy_dtype(row.dtype), from_pandas=True) for row in data]
    con.register("arrow", pa.table({"id": list(range(len(data))), "data": pa.array([row.to_pylist() for row in lists], pa.list_(lists[0].type)), "shape": [shape] * len(data)}))
    con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM arrow")
    con.unregister("arrow")


def rows(con, sql):
    return [np.array([np.nan if v is None else v for v in row[0]]) for row in con.execute(sql).fetchall()]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int16", "int32"])
def test_pixels_are_scaled_by_band_and_come_back(con, rng, method, dtype):
    data = [rng.integers(0, 200, 3 * 40).astype(dtype) * (1 if "int" in dtype else np.array(0.37, dtype)) for _ in range(20)]
    if "float" in dtype:
        for row in data:
            row[rng.random(len(row)) < 0.1] = np.nan
    table(con, data, [3, 5, 8])
    wide = dtype in ("float64", "int32")
    con.execute("CREATE TABLE s AS SELECT geoquilt.stats(data, shape) AS stats FROM t")
    stats = con.execute("FROM s").fetchall()[0][0]
    got = rows(con, f"SELECT geo_normalise(data, shape, stats, {{method: '{method}'}}) FROM t, s ORDER BY id")
    assert con.execute("SELECT DISTINCT typeof(geo_normalise(data, shape, stats)) FROM t, s").fetchall() == [("DOUBLE[]" if wide else "FLOAT[]",)]
    back = rows(con, f"SELECT geo_denormalise(geo_normalise(data, shape, stats, {{method: '{method}'}}), shape, stats, {{method: '{method}'}}) FROM t, s ORDER BY id")
    for row, scaled, again in zip(data, got, back):
        for band in range(3):
            part = slice(band * 40, (band + 1) * 40)
            centre, divisor = METHODS[method](stats[band])
            want = (row[part].astype("float64") - centre) / divisor
            np.testing.assert_array_equal(scaled[part], want if wide else want.astype("float32").astype("float64"))
            one = np.spacing(np.maximum(np.abs(row[part].astype("float64")), abs(centre)).astype("float64" if wide else "float32")).astype("float64")
            there = ~np.isnan(row[part].astype("float64"))
            assert (np.abs(again[part] - row[part])[there] <= 2 * one[there]).all()
            assert np.isnan(again[part][~there]).all()


def test_a_band_of_one_value_is_centred(con):
    got = con.execute("SELECT geo_normalise([5, 7]::FLOAT[], [1, 2], [{mean: 5, std: 0.0}]), geo_normalise([5, 7]::FLOAT[], [1, 2], [{min: 5, max: 5}], {method: 'minmax'}), geo_normalise([5, 7]::FLOAT[], [1, 2], [{percentiles: [1, 5, 5, 5, 9]}], {method: 'robust'})").fetchall()
    assert got == [([0, 2], [0, 2], [0, 2])]
    back = con.execute("SELECT geo_denormalise([0, 2]::FLOAT[], [1, 2], [{percentiles: [1, 5, 5, 5, 9]}], {method: 'robust'})").fetchall()[0]
    assert back == ([5, 7],)


def test_statistics_come_back_from_parquet_and_json(con, rng, tmp_path):
    table(con, [rng.normal(10, 3, 2 * 30).astype("float32")], [2, 5, 6])
    con.execute(f"COPY (SELECT geoquilt.stats(data, shape) AS stats FROM t) TO '{tmp_path}/s.parquet'; COPY (SELECT geoquilt.stats(data, shape) AS stats FROM t) TO '{tmp_path}/s.json'")
    want = rows(con, "SELECT geo_normalise(data, shape, stats) FROM t, (SELECT geoquilt.stats(data, shape) AS stats FROM t)")[0]
    for file in ("s.parquet", "s.json"):
        np.testing.assert_array_equal(rows(con, f"SELECT geo_normalise(data, shape, stats) FROM t, '{tmp_path}/{file}'")[0], want)
    assert len(json.loads((tmp_path / "s.json").read_text())["stats"]) == 2


def test_parts_and_whole_agree(con, rng):
    for scale in (1.0, 1e-8, 1e8):
        data = [rng.normal(1000 * rng.random(), scale, 2 * 50) for _ in range(60)]
        for row in data:
            row[rng.random(100) < 0.2] = np.nan
        data[7][:] = np.nan
        table(con, data, [2, 5, 10])
        whole = con.execute("SELECT geoquilt.stats(data, shape) FROM t").fetchall()[0][0]
        told = set()
        for threads in (1, 4):
            con.execute(f"SET threads = {threads}")
            for order in ("id", "-id", "hash(id)"):
                merged = con.execute(f"SELECT geoquilt.stats_merge(s) FROM (SELECT geoquilt.stats(data, shape) AS s FROM t GROUP BY id // 7 ORDER BY max({order}))").fetchall()[0][0]
                told.add(json.dumps(merged))
        assert len(told) == 1
        for a, b in zip(merged, whole):
            assert (a["n"], a["min"], a["max"], a["percentiles"]) == (b["n"], b["min"], b["max"], None)
            one = np.spacing(max(abs(b["min"]), abs(b["max"])))
            assert abs(a["mean"] - b["mean"]) <= 2 * one and abs(a["std"] - b["std"]) <= 2 * one + 1e-9 * b["std"]
    assert con.execute("SELECT geoquilt.stats_merge(s) = s FROM (SELECT geoquilt.stats(data, shape) AS s FROM t) GROUP BY s").fetchall() == [(True,)]
    assert con.execute("SELECT geoquilt.stats_merge(NULL), geoquilt.stats_merge([{n: 0}])").fetchall()[0][1][0]["n"] == 0


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64", "int32"])
def test_parts_tell_the_percentiles_of_the_whole(con, rng, dtype, tmp_path):
    kinds = [rng.normal(9000, 3000, 600_000), rng.normal(9000, 3000, 600_000) ** 2 / 9000, np.repeat(rng.integers(0, 9, 6000), 100)]
    for kind, values in enumerate(kinds):
        values = np.clip(values, 0, np.iinfo(dtype).max if "int" in dtype else None).astype(dtype)
        parts = np.split(values, np.sort(rng.integers(0, len(values), 30)))
        table(con, [part for part in parts if len(part)], None)
        whole = "SELECT geoquilt.stats(data, [1, len(data)]) FROM t"
        for source in ("(SELECT geoquilt.stats(data, [1, len(data)], mergeable := true) AS s FROM t GROUP BY id)", f"'{tmp_path}/s.parquet'", f"'{tmp_path}/s.json'"):
            if source.startswith("'"):
                con.execute(f"COPY (SELECT geoquilt.stats(data, [1, len(data)], mergeable := true) AS s FROM t GROUP BY id) TO {source}")
            merged = con.execute(f"SELECT geoquilt.stats_merge(s, mergeable := true) FROM {source}").fetchall()[0][0][0]
            told = con.execute(whole).fetchall()[0][0][0]
            assert (merged["n"], merged["min"], merged["max"]) == (told["n"], told["min"], told["max"])
            sketch, ordered = merged["sketch"], np.sort(values.astype("float64"))
            assert sum(sketch["counts"]) == len(values) and len(sketch["points"]) <= 65536
            if dtype in ("uint8", "int16", "uint16") or kind == 2:
                assert sketch["rank_error"] == 0 and merged["percentiles"] == told["percentiles"]
            for percent, value in zip((2, 25, 50, 75, 98), merged["percentiles"]):
                place = (len(values) - 1) * percent / 100
                low, high = np.searchsorted(ordered, value, "left"), np.searchsorted(ordered, value, "right")
                assert low - 1 - sketch["rank_error"] <= place <= high + sketch["rank_error"], (percent, value)
            assert sketch["rank_error"] < len(values) / 500
        # Of merged parts, in any order, the whole once more.
        again = con.execute("SELECT geoquilt.stats_merge(m) FROM (SELECT geoquilt.stats_merge(s, mergeable := true) AS m FROM (SELECT id, geoquilt.stats(data, [1, len(data)], mergeable := true) AS s FROM t GROUP BY id) GROUP BY id % 4)").fetchall()[0][0][0]
        assert again["sketch"] is None and again["n"] == len(values)
        for percent, value in zip((2, 25, 50, 75, 98), again["percentiles"]):
            place = (len(values) - 1) * percent / 100
            assert np.searchsorted(ordered, value, "left") - len(values) / 400 <= place <= np.searchsorted(ordered, value, "right") + len(values) / 400


def test_a_part_without_a_sketch_leaves_none_for_the_whole(con):
    con.execute("CREATE TABLE t AS SELECT geoquilt.stats([1, 2, 4], [1, 3], mergeable := i = 0) AS s FROM range(2) t(i) GROUP BY i")
    assert con.execute("SELECT geoquilt.stats_merge(s)[1].percentiles, geoquilt.stats_merge(s, mergeable := true)[1].sketch FROM t").fetchall() == [(None, None)]
    got = con.execute("SELECT s[1].sketch FROM t ORDER BY s[1].sketch IS NULL").fetchall()
    assert got == [({"points": [1, 2, 4], "counts": [1, 1, 1], "rank_error": 0},), (None,)]


def test_a_pixel_counts_once_a_file(con, raster, rng):
    paths = [raster(f"{name}.tif", rng.integers(1, 9000, (2, 70, 90)).astype("uint16"), nodata=5) for name in "ab"]
    con.execute(f"""CREATE TABLE r AS SELECT path, win, if(hash(path, patch_id) % 4 = 0, 'val', 'train') AS split FROM read_patch({paths}, size := 20, stride := 7, edge := 'overflow')
        UNION ALL SELECT '{paths[0]}', {{row_off: -3, col_off: 85, height: 20, width: 20}}, 'train'""")
    wins = con.execute("SELECT path, win FROM r WHERE split = 'train'").fetchall()
    got = con.execute("SELECT stats FROM geoquilt.patch_stats('r', once := true)").fetchall()[0][0]
    often = con.execute("SELECT stats FROM geoquilt.patch_stats('r')").fetchall()[0][0]
    for band in range(2):
        pixels, all_pixels = [], []
        for path in paths:
            with rasterio.open(path) as src:
                data = src.read(band + 1, masked=True)
            held = np.zeros(data.shape, bool)
            for own, w in wins:
                if own == path:
                    part = (slice(max(w["row_off"], 0), w["row_off"] + w["height"]), slice(w["col_off"], w["col_off"] + w["width"]))
                    held[part] = True
                    all_pixels.append(data[part].compressed())
            pixels.append(data[held].compressed())
        for told, values in ((got[band], np.concatenate(pixels)), (often[band], np.concatenate(all_pixels))):
            values = values.astype("float64")
            assert (told["n"], told["min"], told["max"]) == (len(values), values.min(), values.max())
            assert told["mean"] == pytest.approx(values.mean(), rel=1e-12) and told["std"] == pytest.approx(values.std(), rel=1e-12)
            # The scalar gives FLOAT, and whole numbers are exact all the same.
            np.testing.assert_allclose(told["percentiles"], np.percentile(values, (2, 25, 50, 75, 98)), rtol=1e-12)
    assert got[0]["n"] < often[0]["n"]


def test_distinct_windows_hold_each_pixel_once(con, rng):
    assert con.execute("SELECT geo_distinct_windows(NULL), geo_distinct_windows([])").fetchall()[0] == (None, [])
    for _ in range(20):
        wins = [dict(zip(("row_off", "col_off", "height", "width"), map(int, rng.integers([-5, -5, 1, 1], [40, 40, 12, 12])))) for _ in range(15)]
        got = con.execute("SELECT geo_distinct_windows($1::STRUCT(row_off BIGINT, col_off BIGINT, height INTEGER, width INTEGER)[])", [wins]).fetchall()[0][0]
        want, told = np.zeros((60, 60), int), np.zeros((60, 60), int)
        for w in wins:
            want[w["row_off"] + 5:w["row_off"] + 5 + w["height"], w["col_off"] + 5:w["col_off"] + 5 + w["width"]] = 1
        for w in got:
            told[w["row_off"] + 5:w["row_off"] + 5 + w["height"], w["col_off"] + 5:w["col_off"] + 5 + w["width"]] += 1
        np.testing.assert_array_equal(told, want)


def test_statistics_of_the_training_rows(con, raster, rng, tmp_path):
    data = rng.normal(280, 10, (2, 64, 96)).astype("float32")
    data[:, :5] = -9999
    path = raster("a.tif", data, nodata=-9999)
    con.execute(f"CREATE TABLE r AS SELECT '{path}' AS path, win, if(patch_id % 3 = 0, 'val', 'train') AS split FROM geo_patch_grid('{path}', size := 32, stride := 16)")
    wins = con.execute("SELECT win FROM r WHERE split = 'train'").fetchall()
    got = con.execute("FROM geoquilt.patch_stats('r')").fetchall()[0][0]
    for band in range(2):
        values = np.concatenate([data[band, w["row_off"]:w["row_off"] + 32, w["col_off"]:w["col_off"] + 32].ravel() for (w,) in wins])
        values = values[values != -9999].astype("float64")
        assert (got[band]["n"], got[band]["min"], got[band]["max"]) == (len(values), values.min(), values.max())
        assert got[band]["mean"] == pytest.approx(values.mean(), rel=1e-12) and got[band]["std"] == pytest.approx(values.std(), rel=1e-9)
    con.execute(f"COPY r TO '{tmp_path}/r.parquet'")
    assert con.execute(f"FROM geoquilt.patch_stats('{tmp_path}/r.parquet')").fetchall()[0][0] == got
    assert con.execute("FROM geoquilt.patch_stats('r', split := 'none')").fetchall() == [(None,)]


def test_a_registry_of_more_windows_than_a_chunk_holds(con, raster, rng, tmp_path):
    """Windows are read as they are counted: neither the scalar's bound nor its lists are in the way."""
    data = rng.integers(0, 9000, (3, 500, 700)).astype("uint16")
    path = raster("a.tif", data, nodata=0, tiled=True, blockxsize=64, blockysize=64)
    con.execute("SET geoquilt_max_chunk_mb = 1")
    con.execute(f"CREATE TABLE r AS SELECT '{path}' AS path, win, 'train' AS split FROM geo_patch_grid('{path}', size := 64, stride := 11)")
    con.execute("INSERT INTO r VALUES (NULL, {row_off: 0, col_off: 0, height: 1, width: 1}, 'train'), ('" + path + "', NULL, 'train')")
    wins = con.execute("SELECT win FROM r WHERE path IS NOT NULL AND win IS NOT NULL").fetchall()
    assert len(wins) > 2048
    with pytest.raises(Exception, match="geoquilt_max_chunk_mb"):
        con.execute("SELECT max(len(read_patch(path, win))) FROM r").fetchall()
    weights = np.zeros((500, 700), np.int64)
    for (w,) in wins:
        weights[w["row_off"]:w["row_off"] + 64, w["col_off"]:w["col_off"] + 64] += 1
    for threads in (1, 3):
        con.execute(f"SET geoquilt_threads = {threads}")
        got = con.execute("SELECT stats FROM geoquilt.patch_stats('r', mergeable := true)").fetchall()[0][0]
        once = con.execute("SELECT stats FROM geoquilt.patch_stats('r', once := true)").fetchall()[0][0]
        for band, told, single in zip(data, got, once):
            held = (weights > 0) & (band > 0)
            values, counts = band[held].astype("float64"), weights[held]
            mean = (values * counts).sum() / counts.sum()
            assert (told["n"], told["min"], told["max"]) == (counts.sum(), values.min(), values.max())
            assert told["mean"] == pytest.approx(mean, rel=1e-12)
            assert told["std"] == pytest.approx((((values - mean) ** 2 * counts).sum() / counts.sum()) ** 0.5, rel=1e-12)
            assert sum(told["sketch"]["counts"]) == counts.sum() and told["sketch"]["rank_error"] == 0
            assert (single["n"], single["mean"]) == (held.sum(), pytest.approx(values.mean(), rel=1e-12))
            np.testing.assert_allclose(single["percentiles"], np.percentile(values, (2, 25, 50, 75, 98)), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "float64"])
def test_what_a_window_holds(con, raster, rng, dtype):
    data = rng.integers(0, 200, (3, 120, 150)).astype(dtype)
    path = raster("a.tif", data, nodata=7, tiled=True, blockxsize=32, blockysize=32)
    con.execute(f"CREATE TABLE w AS SELECT win FROM geo_patch_grid('{path}', size := 50, stride := 37, edge := 'overflow')")
    got = con.execute(f"SELECT win, geo_patch_stats('{path}', win) FROM w").fetchall()
    with rasterio.open(path) as src:
        for win, bands in got:
            read = src.read(window=Window(win["col_off"], win["row_off"], win["width"], win["height"]), boundless=True, masked=True, fill_value=7)
            for band, told in zip(read, bands):
                values = band.compressed().astype("float64")
                assert (told["n"], told["valid"], told["min"], told["max"]) == (len(values), len(values) / band.size, values.min(), values.max())
                assert told["mean"] == pytest.approx(values.mean(), rel=1e-12) and told["std"] == pytest.approx(values.std(), rel=1e-12)
    assert con.execute(f"SELECT geo_patch_stats('{path}', win, {{bands: [2]}})[1] = geo_patch_stats('{path}', win)[2] FROM w").fetchall() == [(True,)] * len(got)


def test_nothing_in_a_window(con, raster):
    path = raster("a.tif", np.array([[7, 7], [7, 1]], "uint8"), nodata=7)
    none = {"n": 0, "valid": 0, "mean": None, "std": None, "min": None, "max": None}
    one = {"n": 1, "valid": 1, "mean": 1, "std": 0, "min": 1, "max": 1}
    sql = f"SELECT geo_patch_stats('{path}', {{row_off: $r, col_off: $c, height: 1, width: 1}}, {{boundless: true}})"
    assert [con.execute(sql, {"r": r, "c": c}).fetchall()[0][0] for r, c in ((0, 0), (1, 1), (9, 9))] == [[none], [one], [none]]
    assert con.execute("SELECT geo_patch_stats(NULL, {row_off: 0, col_off: 0, height: 1, width: 1}), geo_patch_stats('x', NULL)").fetchall() == [(None, None)]


@pytest.mark.parametrize("call, words", [
    ("geo_normalise([1, 2, 3]::FLOAT[], [1, 2], [{mean: 1, std: 1}])", ["geo_normalise(shape)", "3 values", "[1, 2]"]),
    ("geo_normalise([1, 2]::FLOAT[], [2], [{mean: 1, std: 1}])", ["geo_normalise(shape)", "[2]"]),
    ("geo_normalise([1, 2]::FLOAT[], [2, 1, 1], [{mean: 1, std: 1}])", ["geo_normalise(stats)", "1 bands", "2"]),
    ("geo_normalise([1, 2]::FLOAT[], [1, 2], [{mean: 1, std: NULL}])", ["geo_normalise(stats)", "band 1 has no mean and std"]),
    ("geo_normalise([1, 2]::FLOAT[], [1, 2], [{mean: 1, std: 1}], {method: 'robust'})", ["geo_normalise(stats)", "percentiles"]),
    ("geo_normalise([1, 2]::FLOAT[], [1, 2], 7)", ["geo_normalise(stats)", "geoquilt.stats"]),
    ("geo_denormalise([1, 2]::FLOAT[], [1, 2], [{mean: 1, std: 1}], {method: 'z'})", ["geo_denormalise(method)", "zscore"]),
    ("geo_denormalise([1, 2]::FLOAT[], [1, 2], [{mean: 1, std: 1}], {way: 'z'})", ["geo_denormalise(options)", "way", "method"]),
    ("geoquilt.stats_merge(7)", ["geoquilt.stats_merge(stats)", "7"]),
    ("geoquilt.stats_merge([{n: 2, mean: 1, std: 0, min: 1, max: 1, sketch: {points: [1.0], counts: [1], rank_error: 0}}])", ["geoquilt.stats_merge(stats)", "a sketch", "2 pixels in all"]),
    ("geo_distinct_windows([{row_off: 0, col_off: 0, height: 0, width: 1}])", ["geo_distinct_windows(windows)", "at least 1 x 1"]),
    ("geoquilt.stats_merge([{mean: 1}])", ["geoquilt.stats_merge(stats)"]),
    ("geo_patch_stats('none.tif', {row_off: 0, col_off: 0, height: 1, width: 1})", ["geo_patch_stats", "none.tif"]),
    ("geo_patch_stats('test/data/small/land.tif', {row_off: 99, col_off: 0, height: 1, width: 1})", ["geo_patch_stats", "wholly outside"]),
    ("geo_patch_stats('test/data/small/land.tif', {row_off: 0, col_off: 0, height: 1, width: 1}, {bands: [2]})", ["geo_patch_stats", "band 2"]),
])
def test_bad_input_is_named(con, call, words):
    with pytest.raises(Exception) as error:
        con.execute(f"SELECT {call}").fetchall()
    assert all(word in str(error.value) for word in words), error.value


def test_statistics_are_of_the_bands_and_numbers_that_one_asks_for(con, raster, rng):
    data = rng.integers(1, 5000, (3, 40, 60)).astype("int16")
    data[:, :3] = -1
    path = raster("a.tif", data, nodata=-1, descriptions=["red", "green", "blue"], scales=[0.01, 0.5, 2.0], offsets=[273.15, -3.0, 0.0])
    con.execute(f"CREATE TABLE r AS SELECT '{path}' AS path, win, if(patch_id % 3 = 0, 'val', 'train') AS split FROM geo_patch_grid('{path}', size := 20)")
    wins = [win for (win,) in con.execute("SELECT win FROM r WHERE split = 'train'").fetchall()]
    held = np.stack([data[:, w["row_off"]:w["row_off"] + 20, w["col_off"]:w["col_off"] + 20] for w in wins]).astype("float64")
    gone = held == -1
    scaled = held * np.array([0.01, 0.5, 2.0])[:, None, None] + np.array([273.15, -3.0, 0.0])[:, None, None]
    for words, values, bands in [("", held, (0, 1, 2)), ("scaled := true", scaled, (0, 1, 2)), ("bands := ['blue', 'red'], scaled := true", scaled, (2, 0)),
                                 ("bands := [2]", held, (1,)), ("bands := 'green', scaled := true, once := true", scaled, (1,))]:
        got = con.execute(f"SELECT stats FROM geoquilt.patch_stats('r'{', ' if words else ''}{words})").fetchall()[0][0]
        assert len(got) == len(bands)
        for told, band in zip(got, bands):
            want = values[:, band][~gone[:, band]]
            assert told["n"] == len(want)
            # Pixels are FLOAT here as in the scalar read_patch.
            np.testing.assert_allclose([told["mean"], told["std"], told["min"], told["max"]], [want.mean(), want.std(), want.min(), want.max()], rtol=1e-6)
    # What they make of a read is of mean 0: the read and its statistics ask for the same pixels.
    normal = con.execute("""SELECT geo_normalise(read_patch(path, win, {scaled: true}), [3, 20, 20], (SELECT stats FROM geoquilt.patch_stats('r', scaled := true))) AS x FROM r WHERE split = 'train'""").fetchall()
    x = np.array([row for (row,) in normal], float).reshape(-1, 3, 20, 20)
    np.testing.assert_allclose(np.nanmean(x, axis=(0, 2, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(np.nanstd(x, axis=(0, 2, 3)), 1, atol=1e-3)
    plain = raster("b.tif", np.where(data == -1, 0, data))
    con.execute(f"CREATE TABLE b AS SELECT '{plain}' AS path, win, split FROM r")
    assert con.execute("SELECT stats[1].n FROM geoquilt.patch_stats('b', nodata := 0)").fetchone()[0] == (~gone[:, 0]).sum()
    for words, told in [("bands := ['nir']", 'no band "nir"'), ("bands := []", r"geoquilt.patch_stats\(bands\)"), ("scaled := 3", r"geoquilt.patch_stats\(scaled\)"), ("nodata := 'x'", r"geoquilt.patch_stats\(nodata\)")]:
        with pytest.raises(Exception, match=told):
            con.execute(f"FROM geoquilt.patch_stats('r', {words})").fetchall()


@pytest.mark.parametrize("band, words", [
    ('n: -1, mean: 1, std: 0, min: 1, max: 1', 'n = -1'),
    ('n: 1.5, mean: 1, std: 0, min: 1, max: 1', 'n = 1.5'),
    ("n: 'nan'::DOUBLE, mean: 1, std: 0, min: 1, max: 1", 'n = NaN'),
    ('n: 1e30, mean: 1, std: 0, min: 1, max: 1', 'no number of pixels'),
    ('n: 0, mean: 1', 'n = 0, and mean = 1'),
    ('n: 0, max: 3', 'n = 0, and max = 3'),
    ('n: 2, mean: 1, std: -1, min: 1, max: 1', 'std = -1, which is below 0'),
    ("n: 2, mean: 'nan'::DOUBLE, std: 0, min: 1, max: 1", 'mean = NaN'),
    ("n: 2, mean: 1, std: 'nan'::DOUBLE, min: 1, max: 1", 'std = NaN'),
    ("n: 2, mean: 1, std: 1, min: 'nan'::DOUBLE, max: 1", 'min = NaN'),
    ("n: 2, mean: 1, std: 1, min: 1, max: 'nan'::DOUBLE", 'max = NaN'),
    ('n: 2, mean: 1, std: 0, min: 2, max: 1', 'min = 2, which is above max = 1'),
    ('n: 2, mean: 5, std: 0, min: 1, max: 2', 'mean = 5, which is not between min = 1 and max = 2'),
    ('n: 2, mean: 1.5, std: 9, min: 1, max: 2', 'std = 9, which is above the way from min = 1 to max = 2'),
    ('n: 2, mean: 1, std: 0, min: 0, max: 2, percentiles: [0, 1, 0.5, 1, 2]', 'percentiles that fall from 1 to 0.5'),
    ('n: 2, mean: 1, std: 0, min: 0, max: 2, percentiles: [0, 1, 1, 1, 7]', 'a percentile of 7, which is not between min = 0 and max = 2'),
    ("n: 2, mean: 1, std: 0, min: 0, max: 2, percentiles: [0, 1, 'nan'::DOUBLE, 1, 2]", 'a percentile of NaN'),
    ('n: 2, mean: 1, std: 0, min: 0, max: 2, percentiles: [0, 1]', 'the five of [2, 25, 50, 75, 98] %'),
])
def test_statistics_that_no_pixels_have_are_refused(con, band, words):
    with pytest.raises(Exception) as error:
        con.execute(f"SELECT geoquilt.stats_merge([{{{band}}}])").fetchall()
    assert "geoquilt.stats_merge(stats): band 1 has" in str(error.value) and words in str(error.value) and "\n" in str(error.value), error.value


def test_statistics_of_infinite_and_of_rounded_pixels_serve(con):
    for values in ("['1', '2', 'inf']", "['-inf', 'inf', '3']", "['-inf', '0', '1']", "[1e308, -1e308, 1]", "[3.3333333333333335, 3.3333333333333335, 3.3333333333333335]", "[5e-324, 0, 0]"):
        sql = f"SELECT s, geoquilt.stats_merge(s) FROM (SELECT geoquilt.stats({values}::DOUBLE[], [1, 3]) AS s) GROUP BY s"
        one, same = con.execute(sql).fetchone()
        assert repr(one) == repr(same)
    # What went through a FLOAT is off by its last digits.
    con.execute("SELECT geoquilt.stats_merge([{n: 3, mean: 16777217.0::FLOAT::DOUBLE, std: 0, min: 16777217.0, max: 16777217.0, percentiles: [16777217.0, 16777217, 16777217, 16777217, 16777217]::FLOAT[]}])").fetchall()
