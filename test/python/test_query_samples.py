"""Samples of queries against rasterio and NumPy: crops by pixel centres, means over days, a NaN-aware resize, batches."""
import datetime as dt

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from conftest import write_raster

DAYS = [dt.date(2023, 4, 1) + dt.timedelta(i) for i in range(6)]
# Variable, degrees of a pixel, west, north, rows, columns of a tile, tiles to the east.
VARIABLES = {"l4_sst": (0.25, -60.0, 40.0, 80, 80, 2), "l3_ssh": (0.5, -60.25, 40.25, 40, 90, 1), "l4_ssh": (0.4, -60.0, 40.0, 50, 100, 1)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Tiles of three variables on grids of their own, with gaps; l3_ssh has no file on every third day. And the fields as arrays."""
    folder, rng, fields = tmp_path_factory.mktemp("tiles"), np.random.default_rng(3), {}
    for name, (step, west, north, rows, cols, tiles) in VARIABLES.items():
        for i, day in enumerate(DAYS):
            if name == "l3_ssh" and i % 3 == 2:
                continue
            field = rng.normal(10, 3, (rows, cols * tiles)).astype("float32")
            field[rng.random(field.shape) < (0.6 if name == "l3_ssh" else 0.15)] = np.nan
            fields[name, day] = field
            for tile in range(tiles):
                write_raster(folder / f"{name}_{tile}_{day:%Y%m%d}.tif", field[:, tile * cols:(tile + 1) * cols], crs="EPSG:4326", nodata=np.nan,
                             transform=from_origin(west + tile * cols * step, north, step, step))
    return folder, fields


@pytest.fixture
def catalog(con, files):
    con.execute(f"CREATE TABLE files AS SELECT *, attributes['v'] AS variable FROM geo_catalog_build('{files[0]}/*.tif', filename_regex := '(?P<v>l._ss.)_\\d_(?P<date>\\d{{8}})')")
    return "files"


def queries(con, n=25, size=6, window_days=2, bbox="{xmin: -56, ymin: 24, xmax: -24, ymax: 36}", seed=1):
    con.execute(f"CREATE OR REPLACE TABLE queries AS FROM geo_train_queries({n}, size := {size}, bbox := {bbox}, t_min := '2023-04-01', t_max := '2023-04-06', window_days := {window_days}, seed := {seed})")
    return con.execute("SELECT query_id, bbox, t_min, t_max FROM queries ORDER BY query_id").fetchall()


def samples(con, variables="{inputs: ['l4_sst', 'l3_ssh'], targets: ['l4_ssh']}", more=""):
    return con.execute(f"SELECT query_id, inputs, targets, coords, metadata FROM geoquilt.query_samples('queries', 'files', {variables}{more}) ORDER BY query_id").fetchall()


def crop(fields, name, bbox, first, last):
    """The steps of a variable's own pixels with centres in the box, and their outer edges; None without a step."""
    step, west, north, rows, cols, tiles = VARIABLES[name]
    x, y = west + (np.arange(cols * tiles) + 0.5) * step, north - (np.arange(rows) + 0.5) * step
    inside_x, inside_y = (x >= bbox["xmin"]) & (x <= bbox["xmax"]), (y >= bbox["ymin"]) & (y <= bbox["ymax"])
    steps = [fields[name, d][np.ix_(inside_y, inside_x)] for d in DAYS if first.date() <= d <= last.date() and (name, d) in fields]
    edges = (x[inside_x][0] - step / 2, x[inside_x][-1] + step / 2, y[inside_y][-1] - step / 2, y[inside_y][0] + step / 2)
    return (np.stack(steps) if steps else None), edges


def bilinear(data, out):
    """torch.nn.functional.interpolate(mode="bilinear", align_corners=False) of one plane, in float64."""
    for axis, size in enumerate(out):
        n = data.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, None)
        low = np.minimum(at.astype(int), n - 1)
        high, weight = np.minimum(low + 1, n - 1), at - low
        weight = np.expand_dims(weight, 1 - axis)
        data = np.take(data, low, axis) * (1 - weight) + np.take(data, high, axis) * weight
    return data


def resized(data, out):
    weight = bilinear(np.isfinite(data).astype("float64"), out)
    values = bilinear(np.nan_to_num(data.astype("float64")), out)
    return np.where(weight > 0.01, values / np.maximum(weight, 1e-9), np.nan)


def array(value):
    return None if value is None else np.array([np.nan if v is None else v for v in value["data"]], "float64").reshape(value["shape"])


def centres(low, high, n):
    return low + (np.arange(n) + 0.5) * (high - low) / n


@pytest.mark.parametrize("aggregation", ["mean", "first", "last", "stack"])
@pytest.mark.parametrize("sizes", [{}, {"default": (32, 32), "l3_ssh": (11, 20)}, {"l4_ssh": (7, 5)}])
def test_a_sample_is_the_crop_of_each_variable_reduced_and_resized(con, files, catalog, sizes, aggregation):
    wanted = queries(con)
    text = ", sizes := {" + ", ".join(f"'{k}': {list(v)}" for k, v in sizes.items()) + "}" if sizes else ""
    got = samples(con, more=f"{text}, aggregation := '{aggregation}'")
    assert [g[0] for g in got] == [w[0] for w in wanted]
    absent = 0
    for (_, inputs, targets, coords, metadata), (_, bbox, first, last) in zip(got, wanted):
        assert list(inputs) == ["l4_sst", "l3_ssh"] and list(targets) == ["l4_ssh"]
        n_files = 0
        for name, value in {**inputs, **targets}.items():
            steps, (west, east, south, north) = crop(files[1], name, bbox, first, last)
            if steps is None:
                assert value is None
                absent += 1
                continue
            step, x0, _, _, cols, tiles = VARIABLES[name]
            met = sum(x0 + t * cols * step <= bbox["xmax"] and x0 + (t + 1) * cols * step >= bbox["xmin"] for t in range(tiles))
            n_files += met * len(steps)
            with np.errstate(invalid="ignore", divide="ignore"):
                count = np.isfinite(steps).sum(0)
                mean = np.where(count > 0, np.nan_to_num(steps.astype("float64")).sum(0) / np.maximum(count, 1), np.nan).astype("float32")
            want = {"mean": mean[None], "first": steps[:1], "last": steps[-1:], "stack": steps}[aggregation]
            size = sizes.get(name, sizes.get("default", steps.shape[1:]))
            if tuple(size) != steps.shape[1:]:
                want = np.stack([resized(plane, size) for plane in want])
            want = want if aggregation == "stack" else want[0]
            assert value["shape"] == list(want.shape)
            np.testing.assert_allclose(array(value), want, rtol=3e-6, atol=1e-6)
            np.testing.assert_allclose(value["lats"], centres(south, north, size[0])[::-1], atol=1e-9)
            np.testing.assert_allclose(value["lons"], centres(west, east, size[1]), atol=1e-9)
        assert metadata == {"bbox": bbox, "time_range": [first, last], "n_files": n_files}
        here = next(v for v in {**inputs, **targets}.values() if v is not None)
        assert coords == {"lat": here["lats"], "lon": here["lons"]}
    assert aggregation != "mean" or len(got) == 25


def test_a_variable_without_a_file_for_the_days_is_null_and_the_others_stay(con, files, catalog):
    con.execute("CREATE TABLE queries AS SELECT 5 AS query_id, {xmin: -50, ymin: 25, xmax: -45, ymax: 30} AS bbox, TIMESTAMP '2023-04-03' AS t_min, TIMESTAMP '2023-04-03 23:59:59' AS t_max")
    (_, inputs, targets, coords, metadata), = samples(con)
    assert inputs["l3_ssh"] is None and inputs["l4_sst"]["shape"] == [20, 20] and metadata["n_files"] == 2 and coords["lat"] == inputs["l4_sst"]["lats"]
    con.execute("UPDATE queries SET t_min = '2024-01-01', t_max = '2024-01-02'")
    (_, inputs, targets, coords, metadata), = samples(con)
    assert set(inputs.values()) == set(targets.values()) == {None} and coords is None and metadata["n_files"] == 0


def test_values_across_two_tiles_are_one_field(con, files, catalog):
    con.execute("CREATE TABLE queries AS SELECT 0 AS query_id, {xmin: -42.0, ymin: 30.0, xmax: -38.0, ymax: 34.0} AS bbox, TIMESTAMP '2023-04-02' AS t_min, TIMESTAMP '2023-04-02 12:00:00' AS t_max")
    (_, inputs, _, _, metadata), = samples(con, "{inputs: ['l4_sst']}")
    want, _ = crop(files[1], "l4_sst", {"xmin": -42, "ymin": 30, "xmax": -38, "ymax": 34}, dt.datetime(2023, 4, 2), dt.datetime(2023, 4, 2))
    np.testing.assert_array_equal(array(inputs["l4_sst"]), want[0].astype("float64"))
    assert metadata["n_files"] == 2 and want.shape == (1, 16, 16)


def test_what_hangs_over_the_data_is_null(con, files, catalog):
    con.execute("CREATE TABLE queries AS SELECT 0 AS query_id, {xmin: -62.0, ymin: 38.0, xmax: -58.0, ymax: 42.0} AS bbox, TIMESTAMP '2023-04-02' AS t_min, TIMESTAMP '2023-04-02 12:00:00' AS t_max")
    (_, inputs, *_), = samples(con, "{inputs: ['l4_sst']}")
    want = np.full((16, 16), np.nan)
    want[8:, 8:] = files[1]["l4_sst", dt.date(2023, 4, 2)][:8, :8]
    np.testing.assert_array_equal(array(inputs["l4_sst"]), want)
    assert inputs["l4_sst"]["lats"][0] == 41.875 and inputs["l4_sst"]["lons"][0] == -61.875


def test_a_box_over_the_antimeridian_and_one_at_a_pole(con, tmp_path):
    field = np.arange(180 * 360, dtype="float32").reshape(180, 360)
    write_raster(tmp_path / "a.tif", field, crs="EPSG:4326", transform=from_origin(-180, 90, 1, 1))
    write_raster(tmp_path / "b.tif", np.roll(field, -180, axis=1), crs="EPSG:4326", transform=from_origin(0, 90, 1, 1))
    con.execute("""CREATE TABLE queries AS SELECT * FROM (VALUES (0, {xmin: 175.0, ymin: -5.0, xmax: -175.0, ymax: 5.0}), (1, {xmin: 0.0, ymin: 80.0, xmax: 10.0, ymax: 90.0}), (2, {xmin: -180.0, ymin: -90.0, xmax: 180.0, ymax: 90.0})) AS q(query_id, bbox),
        (SELECT TIMESTAMP '2020-01-01' AS t_min, TIMESTAMP '2020-01-01' AS t_max)""")
    for name in "ab":
        con.execute(f"CREATE OR REPLACE TABLE files AS SELECT *, 'v' AS variable FROM geo_catalog_build('{tmp_path}/{name}.tif')")
        over, pole, globe = (s[1]["v"] for s in samples(con, "{inputs: ['v']}"))
        np.testing.assert_array_equal(array(over), np.concatenate([field[85:95, 355:], field[85:95, :5]], axis=1))
        np.testing.assert_array_equal(array(pole), field[:10, 180:190])
        assert over["lons"] == [175.5 + i for i in range(10)] and pole["lats"] == [89.5 - i for i in range(10)]
        np.testing.assert_array_equal(array(globe), field)


def test_a_batch_pads_counts_and_names_as_the_collate_function(con, files, catalog):
    queries(con, n=8, size=5, window_days=1)
    for aggregation in ("mean", "stack"):
        con.execute(f"CREATE OR REPLACE TABLE samples AS FROM geoquilt.query_samples('queries', 'files', {{inputs: ['l4_sst', 'l3_ssh'], targets: ['l4_ssh']}}, aggregation := '{aggregation}')")
        rows = con.execute("SELECT query_id, inputs, targets FROM samples ORDER BY query_id").fetchall()
        got = con.execute("SELECT role, variable, data, shape, lats, lons, kept, dropped FROM geoquilt.query_batch('samples')").fetchall()
        assert [g[:2] for g in got] == [("inputs", "l4_sst"), ("inputs", "l3_ssh"), ("targets", "l4_ssh")]
        for role, name, data, shape, lats, lons, kept, dropped in got:
            values = {r[0]: (r[1] if role == "inputs" else r[2])[name] for r in rows}
            there = [array(v) for v in values.values() if v is not None]
            assert kept == [i for i, v in values.items() if v is not None] and dropped == [i for i, v in values.items() if v is None]
            sides = np.max([a.shape for a in there], axis=0)
            want = np.stack([np.pad(a, [(0, s - n) for s, n in zip(sides, a.shape)]) for a in there])
            assert shape == list(want.shape)
            np.testing.assert_array_equal(np.array([np.nan if v is None else v for v in data]).reshape(shape), want)
            first = next(v for v in values.values() if v is not None)
            assert (lats, lons) == (first["lats"], first["lons"])
        assert any(g[7] for g in got)
    con.execute("CREATE OR REPLACE TABLE none AS SELECT * REPLACE (map_from_entries([{k: 'l3_ssh', v: NULL::STRUCT(data FLOAT[], shape BIGINT[], lats DOUBLE[], lons DOUBLE[])}]) AS inputs) FROM samples")
    assert con.execute("SELECT data, shape, lats, kept, len(dropped) FROM geoquilt.query_batch('none') WHERE role = 'inputs'").fetchone() == (None, None, None, [], 8)


def test_the_report_is_the_tutorials(con, tmp_path):
    """Boxes of 10 degrees: 40 x 40 pixels of a quarter degree, 1250 of 0.008, and their ratios to 64, 96 and 128."""
    for name, step in (("l4_sst", 0.25), ("l3_swot", 0.008)):
        write_raster(tmp_path / f"{name}.tif", np.zeros((2, 2), "float32"), crs="EPSG:4326", transform=from_origin(0, 0, step, step))
    con.execute(f"CREATE TABLE files AS SELECT *, parse_filename(path, true) AS variable FROM geo_catalog_build('{tmp_path}/*.tif')")
    con.execute("CREATE TABLE queries AS FROM geo_eval_queries(size := 10, bbox := {xmin: -80, ymin: 10, xmax: -10, ymax: 55}, t_min := '2023-07-01', t_max := '2023-07-01')")
    got = con.execute("SELECT variable, native_pixels, asked_pixels, [round(r, 2) FOR r IN ratio] FROM geoquilt.resolution_report('files', 'queries', sizes := {'default': [64, 64], 'l3_swot': [128, 128]})").fetchall()
    assert got == [("l3_swot", [1250, 1250], [128, 128], [0.1, 0.1]), ("l4_sst", [40, 40], [64, 64], [1.6, 1.6])]
    assert con.execute("SELECT asked_pixels, ratio FROM geoquilt.resolution_report('files', 'queries')").fetchall() == [([1250, 1250], [1.0, 1.0]), ([40, 40], [1.0, 1.0])]


@pytest.mark.parametrize("call, said", [
    ("{inputs: ['l4_sss']}", r"query_samples\(variables\): no row of the catalog has the variable \"l4_sss\"\nIt has l3_ssh, l4_ssh, l4_sst"),
    ("{inputs: []}", r"query_samples\(variables\): names no variable"),
    ("{inputs: ['l4_sst']}, aggregation := 'median'", r"query_samples\(aggregation\): \"median\""),
    ("{inputs: ['l4_sst']}, sizes := {'default': [0, 4]}", r"query_samples\(sizes\): .* is not valid"),
    ("{inputs: ['l4_sst']}, sizes := {'default': [4]}", r"query_samples\(sizes\): .* is not valid"),
])
def test_bad_calls_are_errors_that_say_what_would_work(con, catalog, call, said):
    queries(con, n=1)
    with pytest.raises(Exception, match=said):
        samples(con, call)


def test_files_that_are_not_in_degrees_are_refused(con, tmp_path):
    write_raster(tmp_path / "a.tif", np.zeros((4, 4), "float32"), crs="EPSG:32629")
    con.execute(f"CREATE TABLE files AS SELECT *, 'v' AS variable FROM geo_catalog_build('{tmp_path}/a.tif')")
    queries(con, n=1)
    with pytest.raises(Exception, match=r"query_samples\(catalog\): .*a.tif\" is in EPSG:32629, and queries are in degrees"):
        samples(con, "{inputs: ['v']}")
