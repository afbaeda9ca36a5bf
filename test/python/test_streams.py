"""Streams of slices, series and windows of arrays over a registry: the scalars' answers, in order and in bounded memory."""
import datetime
import itertools
import json

import numpy as np
import pytest
import rasterio
import xarray as xr
from conftest import EXTENSION, run_python
from rasterio.transform import from_origin


def text(value):
    """A value as SQL: structs, lists, texts, times and numbers."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(text, value)) + "]"
    if isinstance(value, datetime.datetime):
        return f"TIMESTAMP '{value}'"
    if isinstance(value, str):
        return value if value.startswith("geo_slice(") else f"'{value}'"
    return "NULL" if value is None else str(value)


@pytest.fixture
def scenes(raster):
    """Three overlapping scenes of three bands in one zone, one of them in another CRS, with holes."""
    rng = np.random.default_rng(5)
    paths = []
    for i in range(3):
        data = rng.integers(1, 4000, (3, 60, 70)).astype("uint16")
        data[rng.random(data.shape) < 0.2] = 0
        where = dict(transform=from_origin(500000 + 200 * i, 4600000 - 100 * i, 10, 10))
        if i == 2:
            where = dict(crs="EPSG:4326", transform=from_origin(-9.0, 41.552, 0.0001, 0.0001))
        paths.append(raster(f"s{i}.tif", data, nodata=0, tiled=True, blockxsize=32, blockysize=32, interleave="pixel", compress="deflate", **where))
    return paths


OPTIONS = [{}, {"bands": [3, 1]}, {"resampling": "bilinear", "merge": "mean"}, {"fill": -1.0, "boundless": True}, {"mask_band": 2, "mask_bits": [3], "bands": [1]}]


def slices(rng, count):
    boxes = []
    for _ in range(count):
        x, y = 499900 + rng.integers(0, 60) * 10, 4599100 + rng.integers(0, 60) * 10
        boxes.append(f"geo_slice({{xmin: {x}, ymin: {y}, xmax: {x + 130}, ymax: {y + 110}}}, {rng.choice([10.0, 7.0, 22.0])}, 'EPSG:32629')")
    return boxes


def same(one, other):
    return json.dumps(one, default=str) == json.dumps(other, default=str)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kind", ["list", "parquet"])
def test_streamed_slices_are_the_scalars(con, tmp_path, scenes, options, kind):
    rng = np.random.default_rng(len(str(options)))
    options = {"boundless": True, **options}
    rows = [{"id": i, "paths": [scenes[j] for j in rng.permutation(3)[: 1 + i % 3]], "slice": s} for i, s in enumerate(slices(rng, 40))]
    named = ", ".join(f"{key} := {text(value)}" for key, value in options.items())
    source = text(rows)
    if kind == "parquet":
        con.execute(f"COPY (SELECT unnest({source}, recursive := false) AS r) TO '{tmp_path}/x.parquet'")
        con.execute(f"COPY (SELECT r.id AS id, r.paths AS paths, r.slice AS slice FROM '{tmp_path}/x.parquet') TO '{tmp_path}/r.parquet'")
        source = f"'{tmp_path}/r.parquet'"
    for threads in (1, 4):
        con.execute(f"SET geoquilt_threads = {threads}")
        streamed = con.execute(f"SELECT id, data, shape, transform, crs FROM read_slice({source}, {named})").fetchall()
        assert [row[0] for row in streamed] == list(range(40))
        for (number, *got), row in zip(streamed, rows):
            one = con.execute(f"SELECT read_slice({text(row['paths'])}, {row['slice']}, {text(options)})").fetchone()[0]
            assert same(got, [one["data"], one["shape"], one["transform"], one["crs"]]), number


def test_a_rows_own_options_stand_for_those_of_all(con, scenes):
    rng = np.random.default_rng(9)
    own = [None, {"bands": [2], "resampling": None}, {"bands": None, "resampling": "cubic"}, {"bands": [3, 3], "resampling": "average"}]
    rows = [{"id": i, "path": scenes[0], "slice": s, "options": own[i % 4]} for i, s in enumerate(slices(rng, 12))]
    streamed = con.execute(f"SELECT data, shape FROM read_slice({text(rows)}, bands := [1, 2], boundless := true)").fetchall()
    for row, (data, shape) in zip(rows, streamed, strict=True):
        options = {"bands": [1, 2], "boundless": True, **{k: v for k, v in (row["options"] or {}).items() if v is not None}}
        one = con.execute(f"SELECT read_slice('{row['path']}', {row['slice']}, {text(options)})").fetchone()[0]
        assert same([data, shape], [one["data"], one["shape"]])


@pytest.mark.parametrize("options", [{}, {"step": "all", "reduce": "median"}, {"step": "10 days", "reduce": "mean", "bands": [2]}], ids=str)
def test_streamed_series_are_the_scalars(con, scenes, options):
    rng = np.random.default_rng(3)
    start = datetime.datetime(2020, 1, 1)
    rows = []
    for i, s in enumerate(slices(rng, 20)):
        count = 1 + i % 3
        rows.append({"id": i, "paths": [scenes[j] for j in rng.permutation(3)[:count]],
                     "times": [start + datetime.timedelta(days=int(d)) for d in rng.integers(0, 40, count)], "slice": s})
    options = {"boundless": True, **options}
    named = ", ".join(f"{key} := {text(value)}" for key, value in options.items())
    streamed = con.execute(f"SELECT data, shape, times, transform, crs FROM read_series({text(rows)}, {named})").fetchall()
    for row, got in zip(rows, streamed, strict=True):
        one = con.execute(f"SELECT read_series({text(row['paths'])}, {text(row['times'])}, {row['slice']}, {text(options)})").fetchone()[0]
        assert same(list(got), [one[key] for key in ("data", "shape", "times", "transform", "crs")])


@pytest.fixture
def cube(tmp_path):
    rng = np.random.default_rng(1)
    values = rng.normal(10, 4, (6, 3, 20, 24)).round(2)
    values[rng.random(values.shape) < 0.1] = np.nan
    data = xr.Dataset({"t": (("time", "depth", "lat", "lon"), values), "n": (("time", "lat", "lon"), rng.integers(0, 9, (6, 20, 24)).astype("int16"))},
                      coords={"time": np.datetime64("2020-01-01", "ns") + np.arange(6) * np.timedelta64(1, "D"),
                              "depth": ("depth", [5.0, 10.0, 20.0], {"axis": "Z", "units": "m"}),
                              "lat": ("lat", np.arange(10.0, 30.0), {"units": "degrees_north"}), "lon": ("lon", np.arange(0.0, 24.0), {"units": "degrees_east"})})
    data.to_netcdf(tmp_path / "cube.nc", encoding={"t": {"dtype": "int16", "scale_factor": 0.01, "_FillValue": -9999, "chunksizes": (2, 1, 7, 9)}})
    return str(tmp_path / "cube.nc")


def windows(rng, count):
    for i in range(count):
        r, c = int(rng.integers(0, 17)), int(rng.integers(0, 20))
        yield {"id": i, "path": None, "isel": {"time": int(rng.integers(0, 6)), "lat": [r, r + 3], "lon": [c, c + 3]}}


@pytest.mark.parametrize("variable,more", [("t", {}), ("t", {"fill": -1.0}), ("n", {}), ("t", {"scaled": False, "masked": False})], ids=str)
def test_streamed_windows_of_arrays_are_the_scalars_and_xarrays(con, cube, variable, more):
    rows = [{**row, "path": cube} for row in windows(np.random.default_rng(2), 50)]
    named = "".join(f", {key} := {text(value).lower()}" for key, value in more.items())
    streamed = con.execute(f"SELECT id, data, shape, dims, coords, times FROM read_array({text(rows)}, '{variable}'{named}, dtype := 'float32')").fetchall()
    opened = xr.open_dataset(cube, mask_and_scale="scaled" not in more)[variable].load()
    for row, (number, *got) in zip(rows, streamed, strict=True):
        selection = text({**more, "isel": row["isel"]}).replace("False", "false")
        one = con.execute(f"SELECT read_array('{cube}', '{variable}', {selection})").fetchone()[0]
        assert number == row["id"] and same(got, [one[key] for key in ("data", "shape", "dims", "coords", "times")])
        (r0, r1), (c0, c1) = row["isel"]["lat"], row["isel"]["lon"]
        want = opened.isel(time=row["isel"]["time"], lat=slice(r0, r1 + 1), lon=slice(c0, c1 + 1)).values
        want = np.where(np.isnan(want), more.get("fill", np.nan), want).astype("float32")
        np.testing.assert_allclose(np.array(got[0], "float32").reshape(got[1]), want, rtol=1e-6)


def test_rows_select_by_value_on_slices_and_in_variables_of_their_own(con, cube):
    where = "geo_slice({xmin: 2, ymin: 12, xmax: 8, ymax: 20}, [6, 8], 'EPSG:4326')"
    rows = [{"path": cube, "variable": name, "sel": {"time": f"2020-01-0{day}"}, "slice": where} for name, day in itertools.product(["t", "n"], [1, 4])]
    streamed = con.execute(f"SELECT data, shape, dims FROM read_array({text(rows)}, NULL, dtype := 'float32')").fetchall()
    for row, got in zip(rows, streamed, strict=True):
        one = con.execute(f"SELECT read_array('{cube}', '{row['variable']}', {{sel: {text(row['sel'])}, slice: {where}}})").fetchone()[0]
        assert same(list(got), [one["data"], one["shape"], one["dims"]])
    kind = con.execute(f"SELECT DISTINCT typeof(data) FROM read_array({text(rows[2:])}, 'n')").fetchall()
    assert kind == [("SMALLINT[]",)]
    with pytest.raises(Exception, match="variable"):
        con.execute(f"FROM read_array({text([{'path': cube, 'isel': {'time': 0}}])}, NULL)")


def test_a_registry_carries_its_columns_and_what_a_read_gives_takes_their_names(con, scenes):
    s = slices(np.random.default_rng(0), 1)[0]
    rows = [{"split": "train", "crs": "none", "path": scenes[0], "slice": s, "error": 7}]
    got = con.execute(f"DESCRIBE FROM read_slice({text(rows)}, boundless := true)").fetchall()
    assert [column[0] for column in got] == ["split", "path", "slice", "data", "shape", "transform", "crs"]
    assert con.execute(f"SELECT split, crs FROM read_slice({text(rows)}, boundless := true)").fetchall() == [("train", "EPSG:32629")]


def test_rows_that_fail_stop_are_left_out_or_say_why(con, scenes):
    good, far = slices(np.random.default_rng(0), 1)[0], "geo_slice({xmin: 0, ymin: 0, xmax: 100, ymax: 100}, 10, 'EPSG:32629')"
    rows = [{"id": 0, "path": scenes[0], "slice": good}, {"id": 1, "path": "/nowhere.tif", "slice": good}, {"id": 2, "path": scenes[0], "slice": far},
            {"id": 3, "path": None, "slice": good}, {"id": 4, "path": scenes[1], "slice": good}]
    rows[0]["slice"] = rows[4]["slice"] = "geo_slice({xmin: 500200, ymin: 4599500, xmax: 500300, ymax: 4599600}, 10, 'EPSG:32629')"
    with pytest.raises(Exception, match="nowhere"):
        con.execute(f"FROM read_slice({text(rows)})").fetchall()
    assert con.execute(f"SELECT id FROM read_slice({text(rows)}, on_error := 'skip')").fetchall() == [(0,), (4,)]
    told = con.execute(f"SELECT id, data IS NULL, error FROM read_slice({text(rows)}, on_error := 'report')").fetchall()
    assert [(i, none) for i, none, _ in told] == [(0, False), (1, True), (2, True), (3, True), (4, False)]
    for (_, none, error), part in zip(told, [None, "nowhere", "does not reach", "NULL", None]):
        assert (error is None) == (not none) and (part is None or part in error), error
    assert con.execute(f"SELECT count(*) FROM read_slice({text(rows)})").fetchone() == (5,), "nothing is read to count rows"


@pytest.mark.parametrize("function,more", [("read_slice", ""), ("read_series", ""), ("read_array", ", 't'")])
def test_what_is_no_registry_is_refused_by_name(con, tmp_path, scenes, function, more):
    con.execute(f"COPY (SELECT 1 AS a) TO '{tmp_path}/a.parquet'")
    with pytest.raises(Exception, match="paths"):
        con.execute(f"FROM {function}('{tmp_path}/a.parquet'{more})")
    con.execute("CREATE TABLE jobs (a INT)")
    with pytest.raises(Exception, match="cannot be read by name"):
        con.execute(f"FROM {function}('jobs'{more})")


@pytest.mark.alone
def test_a_long_stream_holds_little_and_begins_at_once(tmp_path):
    """2,000 slices of 1 MB: the whole is 2 GB."""
    data = np.random.default_rng(0).integers(0, 4000, (1024, 1024)).astype("uint16")
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", height=1024, width=1024, count=1, dtype="uint16", crs="EPSG:32629",
                       transform=from_origin(500000, 4600000, 10, 10), tiled=True, compress="deflate") as file:
        file.write(data, 1)
    run_python(f"""
import duckdb, time
def peak():
    return int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) / 1024
con = duckdb.connect(config={{"allow_unsigned_extensions": "true"}})
con.execute("LOAD '{EXTENSION}'")
con.execute('''COPY (SELECT i AS id, '{tmp_path}/a.tif' AS path, geo_slice({{xmin: 500000.0 + i, ymin: 4590000.0, xmax: 505120.0 + i, ymax: 4595120.0}}, 10, 'EPSG:32629') AS slice
    FROM range(2000) t(i)) TO '{tmp_path}/r.parquet' ''')
con.execute("FROM read_slice('{tmp_path}/r.parquet') LIMIT 1").fetchall()
start, before = time.time(), peak()
reader = con.sql("SELECT id, data FROM read_slice('{tmp_path}/r.parquet', resampling := 'bilinear')").to_arrow_reader(8)
first = reader.read_next_batch()
early = time.time() - start
rows = first.num_rows + sum(batch.num_rows for batch in reader)
whole = time.time() - start
assert rows == 2000, rows
assert early < whole / 5, (early, whole)
assert peak() - before < 400, peak() - before
""", timeout=300)
