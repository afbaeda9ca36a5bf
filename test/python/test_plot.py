"""geoquilt.plot: each picture shows the rows of its query, no more and no fewer. What is looked at are the artists, not a file."""
import re

import geoquilt
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pytest
import rasterio
from conftest import ROOT, run_python
from geoquilt import plot

SMALL = ROOT / "test/data/small"
LAND = f"FROM read_patch('{SMALL}/land.tif', size := [18, 36])"


@pytest.fixture(autouse=True)
def drawn():
    """Every picture can be drawn to its end."""
    yield
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
    plt.close("all")


def boxes_of(ax, name):
    """The boxes of one collection, in order: xmin, ymin, xmax, ymax."""
    collection, = [one for one in ax.collections if one.get_gid() == name]
    corners = [path.vertices for path in collection.get_paths()]
    return [(*c.min(axis=0), *c.max(axis=0)) for c in corners]


def centres_of(ax, name):
    line, = [one for one in ax.lines if one.get_gid() == f"{name} centres"]
    return list(zip(*line.get_data()))


def key_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def rows_of(con, sql):
    return [tuple(row) for row in con.sql(sql).fetchall()]


BOX = "bbox.xmin, bbox.ymin, bbox.xmax, bbox.ymax"


@pytest.fixture
def candidates(con):
    con.sql(f"""CREATE TABLE grid AS FROM geo_patch_grid('{SMALL}/land.tif', size := 6, stride := 3, max_land_fraction := 0.3, include_rejected := true,
        force_include := [{{name: 'home', xmin: -60, ymin: 0, xmax: 60, ymax: 90, max_land_fraction: 0.6}}])""")
    return con.table("grid")


def test_a_grid_shows_each_candidate_once_under_its_status(con, candidates):
    ax = plot.grid(candidates, land=con.sql(LAND))
    counts = dict(rows_of(con, "SELECT status, count(*) FROM grid GROUP BY status"))
    assert set(counts) == {"kept", "forced", "rejected"} and sum(counts.values()) == 55
    for status, count in counts.items():
        assert boxes_of(ax, status) == rows_of(con, f"SELECT {BOX} FROM grid WHERE status = '{status}'")
        np.testing.assert_allclose(centres_of(ax, status), rows_of(con, f"SELECT lon_center, lat_center FROM grid WHERE status = '{status}'"), atol=1e-9)
        assert f"{count} {status}" in key_of(ax)
    with rasterio.open(SMALL / "land.tif") as file:
        image, = ax.images
        np.testing.assert_array_equal(image.get_array(), file.read(1) > 0.5)
        left, bottom, right, top = file.bounds
        assert image.get_extent() == [left, right, bottom, top]


def test_rows_may_come_as_relation_arrow_frame_or_parquet(con, candidates, tmp_path):
    con.sql(f"COPY grid TO '{tmp_path}/grid.parquet'")
    want = rows_of(con, f"SELECT {BOX} FROM grid WHERE status = 'kept'")
    arrow = candidates.to_arrow_table()
    for rows in (candidates, arrow if isinstance(arrow, pa.Table) else arrow.read_all(), tmp_path / "grid.parquet", candidates.df()):
        assert boxes_of(plot.grid(rows), "kept") == want


def test_a_projected_grid_is_drawn_in_its_own_crs(con):
    con.sql("CREATE TABLE utm AS FROM geo_patch_grid({xmin: 400000, ymin: 4000000, xmax: 440000, ymax: 4020000}, resolution := 1000, crs := 'EPSG:32629', size := 10)")
    ax = plot.grid(con.table("utm"))
    assert boxes_of(ax, "kept") == rows_of(con, f"SELECT {BOX} FROM utm") and ax.get_xlabel() == "EPSG:32629"
    both = con.sql("FROM utm UNION ALL BY NAME SELECT * REPLACE ('EPSG:32630' AS crs) FROM utm")
    with pytest.raises(geoquilt.Error, match="in 2 CRSs, EPSG:32629, EPSG:32630"):
        plot.grid(both)


def test_axes_are_degrees_where_the_crs_says_so_in_whatever_form(con, iris_data):
    from pyproj import CRS

    for crs in ("EPSG:4326", "OGC:CRS84", "EPSG:4258", "EPSG:32629", "EPSG:3035"):
        whole = CRS.from_user_input(crs)
        named = "degrees" if whole.is_geographic else crs
        assert plot._draw.crs_name(whole.to_json()) == named
        assert plot._draw.crs_name(whole.to_wkt()) == (named if whole.is_geographic else whole.name)
    ax = plot.grid(con.sql(f"FROM geo_patch_grid('{iris_data}/A1B_north_america.nc', size := 12)"))
    ax.figure.canvas.draw()
    assert "120°W" in [label.get_text() for label in ax.get_xticklabels()] and ax.get_xlabel() == ""


def test_a_split_shows_each_place_once_and_its_buffers_as_crosses(con):
    con.sql(f"""
        CREATE TABLE grid AS FROM geo_patch_grid('{SMALL}/land.tif', size := 3, stride := 1);
        CREATE TABLE days AS SELECT unnest([DATE '2018-01-01', DATE '2018-01-02']) AS date;
        CREATE TABLE registry AS FROM geoquilt.patch_registry('grid', 'days', test_fraction := 0.2, block := 5000, min_gap := 200000)""")
    ax = plot.split(con.table("registry"), land=con.sql(LAND))
    assert [part for part, in rows_of(con, "SELECT DISTINCT split FROM registry ORDER BY ALL")] == ["buffer", "test", "train", "val"]
    for part, count in rows_of(con, "SELECT split, count(DISTINCT patch_id) FROM registry GROUP BY ALL"):
        places = f"(SELECT DISTINCT patch_id, bbox, lon_center, lat_center FROM registry WHERE split = '{part}' ORDER BY patch_id)"
        np.testing.assert_allclose(centres_of(ax, part), rows_of(con, f"SELECT lon_center, lat_center FROM {places}"), atol=1e-9)
        assert f"{count} {part}" in key_of(ax)
        if part != "buffer":
            assert boxes_of(ax, part) == rows_of(con, f"SELECT {BOX} FROM {places}")
    line, = [one for one in ax.lines if one.get_gid() == "buffer centres"]
    assert line.get_marker() == "x" and "buffer" not in [one.get_gid() for one in ax.collections]


def test_places_that_time_alone_keeps_apart_are_told_as_such(con):
    con.sql(f"""
        CREATE TABLE grid AS FROM geo_patch_grid('{SMALL}/land.tif', size := 6);
        CREATE TABLE files AS FROM geo_catalog_build('{SMALL}/sst*.tif', filename_regex := '(?P<date>\\d{{8}})');
        CREATE TABLE registry AS FROM geoquilt.patch_registry('grid', 'files', val_year := 2019);
        CREATE TABLE folded AS FROM geoquilt.patch_registry('grid', 'files', folds := 3)""")
    assert key_of(plot.split(con.table("registry"))) == ["18 in several: train, val"]
    ax = plot.split(con.table("folded"), by="fold")
    want = dict(rows_of(con, "SELECT fold::VARCHAR, count(DISTINCT patch_id) FROM folded GROUP BY ALL"))
    assert key_of(ax) == [f"{want[fold]} {fold}" for fold in ("0", "1", "2")]


def test_a_calendar_has_the_rows_of_each_month_by_split(con):
    con.sql(f"""
        CREATE TABLE grid AS FROM geo_patch_grid('{SMALL}/land.tif', size := 6);
        CREATE TABLE days AS SELECT unnest(range(DATE '2016-11-20', DATE '2018-02-10', INTERVAL 11 DAY))::DATE AS date;
        CREATE TABLE registry AS FROM geoquilt.patch_registry('grid', 'days', val_fraction := 0.25)""")
    ax = plot.calendar(con.table("registry"))
    want = rows_of(con, "SELECT year(date), month(date), split, count(*) FROM registry GROUP BY ALL")
    shares = {}
    for patch in ax.patches:
        month, part, count = patch.get_gid().split()
        shares[(*map(int, month.split("-")), part)] = (int(count), patch.get_width())
    assert {key: count for key, (count, _) in shares.items()} == {(y, m, s): n for y, m, s, n in want}
    years = [int(label.get_text()) for label in ax.get_yticklabels()]
    assert years == [2016, 2017, 2018]
    for year, month, total in rows_of(con, "SELECT year(date), month(date), count(*) FROM registry GROUP BY ALL"):
        text, = [one for one in ax.texts if one.get_gid() == f"{year}-{month:02d}"]
        assert text.get_text() == f"{total:,}" and text.get_position() == (month, years.index(year))
        parts = {key: value for key, value in shares.items() if key[:2] == (year, month)}
        for count, width in parts.values():
            assert width == pytest.approx(0.92 * count / total)
    one = con.sql("SELECT * FROM registry UNION ALL BY NAME SELECT * REPLACE (NULL AS date) FROM registry LIMIT 3000")
    undated = one.filter("date IS NULL").count("*").fetchall()[0][0]
    assert undated > 0 and f"{undated} more are undated" in plot.calendar(one).get_title("left")


def test_samplers_stand_side_by_side_on_one_map(con):
    query = " UNION ALL BY NAME ".join(
        f"SELECT '{name}' AS sampler, * FROM geo_patch_grid('{SMALL}/land.tif', size := 4, max_land_fraction := 0.3, sampler := '{name}'{more})"
        for name, more in (("regular", ""), ("jittered", ", jitter := 0.4"), ("random", ", n := 30"), ("poisson_disk", ", min_distance := 2500")))
    con.sql(f"CREATE TABLE samples AS {query}")
    axes = plot.samplers(con.table("samples"), land=con.sql(LAND))
    named = plot.samplers({"a": con.sql("FROM samples WHERE sampler = 'random'"), "b": con.sql("FROM samples WHERE sampler = 'regular'")})
    for ax, name in [*zip(axes, ("regular", "jittered", "random", "poisson_disk")), *zip(named, ("random", "regular"))]:
        own = {"random": "a", "regular": "b"}[name] if ax in named else name
        assert boxes_of(ax, own) == rows_of(con, f"SELECT {BOX} FROM samples WHERE sampler = '{name}'")
        assert ax.get_xlim() == axes[0].get_xlim() and ax.get_ylim() == axes[0].get_ylim()


def test_queries_lie_beside_their_lattice_and_on_both_sides_of_the_antimeridian(con):
    con.sql("""
        CREATE TABLE drawn AS FROM geo_train_queries(40, size := 20, t_min := '2020-01-01', t_max := '2020-12-31', bbox := {xmin: 120, ymin: -50, xmax: -120, ymax: 50});
        CREATE TABLE lattice AS FROM geo_eval_queries(size := 20, t_min := '2020-01-01', t_max := '2020-12-31', step_days := 90, bbox := {xmin: -180, ymin: -50, xmax: 180, ymax: 50})""")
    left, right = plot.queries(con.table("drawn"), con.table("lattice"))
    whole = rows_of(con, f"SELECT {BOX} FROM drawn WHERE bbox.xmin <= bbox.xmax")
    across = rows_of(con, f"SELECT {BOX} FROM drawn WHERE bbox.xmin > bbox.xmax")
    assert across and whole
    assert boxes_of(left, "drawn") == whole + [(a, b, 180, d) for a, b, _, d in across] + [(-180, b, c, d) for _, b, c, d in across]
    days = np.array([day for day, in rows_of(con, "SELECT t_min::DATE FROM drawn ORDER BY bbox.xmin > bbox.xmax, query_id")], "datetime64[D]")
    shades = plt.get_cmap("plasma")((days - days.min()) / (days.max() - days.min()))
    collection, = left.collections
    np.testing.assert_allclose(collection.get_facecolor()[:40, :3], shades[:, :3])
    assert boxes_of(right, "lattice") == rows_of(con, f"SELECT DISTINCT {BOX} FROM lattice ORDER BY ALL")
    assert left.get_xlim() == right.get_xlim()


def test_coverage_colours_cells_by_their_files_in_one_scale(con):
    con.sql(f"""CREATE TABLE files AS FROM geo_catalog_build('{SMALL}/sst*.tif', filename_regex := '(?P<date>\\d{{8}})');
        CREATE TABLE cells AS FROM geoquilt.catalog_coverage('files', cell := 60, every := 'year')""")
    axes = plot.coverage(con.sql("FROM cells"))
    assert len(axes) == 2
    axes[0].figure.canvas.draw()
    assert "120°W" in [label.get_text() for label in axes[0].get_xticklabels()]
    for ax, year in zip(axes, ("2018-01-01", "2019-01-01")):
        assert boxes_of(ax, year) == rows_of(con, f"SELECT {BOX} FROM cells WHERE period = '{year}'")
        collection, = ax.collections
        assert collection.get_array().tolist() == [n for n, in rows_of(con, f"SELECT n FROM cells WHERE period = '{year}'")]
        assert collection.get_clim() == (0, 2)
    con.sql(f"CREATE TABLE mercator AS FROM geo_catalog_build('{SMALL}/sst*.tif', crs := 'EPSG:3857', filename_regex := '(?P<date>\\d{{8}})')")
    flat = plot.coverage(con.sql("FROM geoquilt.catalog_coverage('mercator', cell := 5000000, every := 'year')"))
    assert flat[0].get_xlabel() == "EPSG:3857"
    many = con.sql("SELECT * REPLACE (DATE '2000-01-01' + i::INTEGER AS period) FROM cells, range(25) t(i)")
    with pytest.raises(geoquilt.Error, match="25 periods are too many"):
        plot.coverage(many)


def test_a_sheet_shows_the_pixels_of_its_patches(con):
    patches = con.sql(f"FROM read_patch('{SMALL}/sst_20180101.tif', size := 6)")
    axes = plot.patches(patches, n=12)
    want = patches.limit(12).fetchall()
    names = patches.columns
    with rasterio.open(SMALL / "sst_20180101.tif") as file:
        whole = file.read(1, masked=True).filled(np.nan)
    for ax, row in zip(axes, want):
        win = row[names.index("win")]
        image, = ax.images
        np.testing.assert_array_equal(np.ma.filled(image.get_array(), np.nan), whole[win["row_off"]:win["row_off"] + 6, win["col_off"]:win["col_off"] + 6])
        assert ax.get_title("left") == f"#{row[names.index('patch_id')]}"
        assert image.get_clim() == axes[0].images[0].get_clim()
    assert len(axes) == 12 and any(np.ma.getmaskarray(ax.images[0].get_array()).any() for ax in axes)


def test_a_batch_is_a_sheet_too_and_three_bands_are_colours(con, raster):
    rng = np.random.default_rng(3)
    data = rng.integers(0, 1000, (4, 20, 20)).astype("float32")
    data[1, 3, 4] = -1
    path = raster("scene.tif", data, nodata=-1)
    con.sql(f"CREATE TABLE rows AS SELECT '{path}' AS path, {{row_off: 10 * i, col_off: 0, height: 10, width: 20}} AS win, i AS patch_id, DATE '2020-02-03' AS date FROM range(2) t(i)")
    batch, = geoquilt.batches(con.table("rows"))
    axes = plot.patches(batch, bands=[3, 2, 1], limits=(0, 1000))
    for i, ax in enumerate(axes):
        shown = ax.images[0].get_array()
        want = np.moveaxis(data[[2, 1, 0], 10 * i:10 * i + 10], 0, -1) / 1000
        there = (want >= 0).all(axis=-1)
        np.testing.assert_allclose(shown[there], want[there], rtol=1e-6)
        assert ax.get_title("left") == f"#{i}" and [text.get_text() for text in ax.texts] == ["2020-02-03"]
    # What is no pixel in one of the bands is grey, as is a patch without one.
    np.testing.assert_allclose(axes[0].images[0].get_array()[3, 4], np.array([0xD9, 0xD5, 0xCC]) / 255)
    with pytest.raises(geoquilt.Error, match=re.escape("plot.patches(bands): [5] is neither one nor three of the bands 1 to 4")):
        plot.patches(batch, bands=5)
    with pytest.raises(geoquilt.Error, match='plot.patches\\(name\\): "image" is none of the batch\'s tensors, data'):
        plot.patches(batch, name="image")


def test_a_sample_sheet_has_a_line_a_row_and_a_column_a_read(con):
    con.sql(f"""CREATE TABLE rows AS SELECT '{SMALL}/sst_20180101.tif' AS paths, '{SMALL}/regions.geojson' AS features,
        geo_slice({{xmin: -60 + 20 * i, ymin: -30, xmax: 20 + 20 * i, ymax: 50}}, 10, 'EPSG:4326') AS slice FROM range(3) t(i)""")
    batch, = geoquilt.batches(con.table("rows"), reads={"x": geoquilt.read_slice("paths", "slice"), "y": geoquilt.rasterize("features", "slice")})
    sheet = plot.sample(batch, n=2)
    assert sheet.shape == (2, 2) and [ax.get_title("left") for ax in sheet[0]] == ["x", "y"]
    for row in range(2):
        np.testing.assert_array_equal(np.ma.filled(sheet[row, 0].images[0].get_array(), np.nan), batch["x"][row, 0])
        np.testing.assert_array_equal(sheet[row, 1].images[0].get_array(), batch["y"][row])
        assert sheet[row, 1].images[0].get_clim() == (0, batch["y"].max()) and sheet[row, 0].get_ylabel() == f"row {row}"
    with pytest.raises(geoquilt.Error, match="a dict is no batch"):
        plot.sample({})


def test_a_series_in_a_sample_shows_some_of_its_steps(con):
    paths = [f"{SMALL}/sst_{day}.tif" for day in ("20180101", "20180102", "20190101")]
    con.sql(f"""CREATE TABLE rows AS SELECT {paths} AS paths, [TIMESTAMP '2018-01-01', TIMESTAMP '2018-01-02', TIMESTAMP '2019-01-01'] AS times,
        geo_slice({{xmin: -60, ymin: -30, xmax: 20, ymax: 50}}, 10, 'EPSG:4326') AS slice""")
    batch, = geoquilt.batches(con.table("rows"), reads={"x": geoquilt.read_series("paths", "times", "slice")})
    sheet = plot.sample(batch, steps=2)
    assert [ax.get_title("left") for ax in sheet[0]] == ["x, step 1 of 3", "x, step 3 of 3"]
    for ax, step in zip(sheet[0], (0, 2)):
        np.testing.assert_array_equal(np.ma.filled(ax.images[0].get_array(), np.nan), batch["x"][0, step, 0])


def test_a_field_lies_where_its_transform_says(con):
    ax = plot.field(con.sql(f"FROM read_patch('{SMALL}/sst_20180101.tif', size := [18, 36])"), title="sst")
    image, = ax.images
    with rasterio.open(SMALL / "sst_20180101.tif") as file:
        left, bottom, right, top = file.bounds
        np.testing.assert_array_equal(np.ma.filled(image.get_array(), np.nan), file.read(1, masked=True).filled(np.nan))
    assert image.get_extent() == [left, right, bottom, top] and ax.get_title("left") == "sst"
    with pytest.raises(geoquilt.Error, match="a read of 1 dimension is no image"):
        plot.field({"data": [1.0, 2.0]})


def test_seams_are_told_beside_fields_that_have_none(con):
    con.sql(f"""CREATE TABLE answers AS SELECT list_transform(data, lambda v: v - list_avg(data))::FLOAT[] AS data, win
        FROM read_patch('{SMALL}/sst_20180101.tif', size := 6, stride := 3)""")
    stitched = "SELECT geoquilt.stitch(data, win, [18, 36]{}) AS f FROM answers{}"
    fields = {"side by side": con.sql(stitched.format("", " WHERE win.row_off % 6 = 0 AND win.col_off % 6 = 0")), "hann": con.sql(stitched.format(", taper := 'hann'", ""))}
    axes = plot.seams(fields, 6)
    ratios = {}
    for ax, (name, relation) in zip(axes, fields.items()):
        f = relation.fetchall()[0][0]
        image = np.array([np.nan if value is None else value for value in f["data"]], float).reshape(18, 36)
        np.testing.assert_array_equal(np.ma.filled(ax.images[0].get_array(), np.nan), image)
        begins, others = [], []
        for r in range(18):
            for c in range(36):
                if r and np.isfinite(image[r, c] - image[r - 1, c]):
                    (begins if r % 6 == 0 else others).append(abs(image[r, c] - image[r - 1, c]))
                if c and np.isfinite(image[r, c] - image[r, c - 1]):
                    (begins if c % 6 == 0 else others).append(abs(image[r, c] - image[r, c - 1]))
        ratios[name] = np.mean(begins) / np.mean(others)
        assert plot.seam_ratio(image, 6) == pytest.approx(ratios[name])
        assert ax.get_title("left") == name and f"steps {ratios[name]:.2f} times" in ax.texts[0].get_text()
    # Side by side the patches disagree where they meet; under a taper they do not.
    assert ratios["side by side"] > 2 * ratios["hann"]
    with pytest.raises(geoquilt.Error, match="leaves no pixel where patches begin"):
        plot.seams({"a": np.zeros((4, 4))}, 9)


def test_own_axes_are_drawn_on(con, candidates):
    figure, axes = plt.subplots(1, 2)
    assert plot.grid(candidates, ax=axes[1]) is axes[1] and not axes[0].collections
    with pytest.raises(ValueError, match="2 axes are drawn, and 1 were given"):
        plot.samplers({"a": candidates, "b": candidates}, ax=axes[0])
    assert len(plt.get_fignums()) == 1


def test_rows_that_cannot_be_drawn_are_told(con):
    for said, picture in (
        (r'plot.grid\(rows\): there is no column "bbox" among x\nGive rows of geo_patch_grid', lambda: plot.grid(con.sql("SELECT 1 AS x"))),
        (r"plot.grid\(rows\): there are no rows", lambda: plot.grid(con.sql("SELECT {xmin: 0, ymin: 0, xmax: 1, ymax: 1} AS bbox LIMIT 0"))),
        (r"plot.grid\(rows\): 1 of 2 rows have no bbox", lambda: plot.grid(con.sql("SELECT unnest([{xmin: 0, ymin: 0, xmax: 1, ymax: 1}, NULL]) AS bbox"))),
        (r"plot.split\(rows\): there is no column \"patch_id\"", lambda: plot.split(con.sql("SELECT 1 AS x"))),
        (r"plot.calendar\(rows\): no row has a date", lambda: plot.calendar(con.sql("SELECT NULL::DATE AS date, 'train' AS split"))),
        (r"plot.patches\(rows\): a int is no rows", lambda: plot.patches(3)),
        (r"plot.patches\(rows\): there are no pixels", lambda: plot.patches(con.sql("SELECT NULL::FLOAT[] AS data, [1, 2, 2] AS shape"))),
        (r"plot.seams\(fields\): there are no fields", lambda: plot.seams({}, 4)),
    ):
        with pytest.raises(geoquilt.Error, match=said):
            picture()


def test_without_matplotlib_the_package_works_and_the_pictures_say_what_they_need():
    answer = run_python(f"""
import sys
sys.path.insert(0, {str(ROOT / "python")!r})
sys.modules["matplotlib"] = None
import geoquilt
con = geoquilt.connect()
print(con.sql("SELECT 1").fetchall())
try:
    geoquilt.plot.grid(con.sql("SELECT {{xmin: 0, ymin: 0, xmax: 1, ymax: 1}} AS bbox"))
except ImportError as error:
    print(error)
""")
    assert answer.stdout.splitlines() == ["[(1,)]", "geoquilt.plot draws with matplotlib, which cannot be imported here", 'pip install "geoquilt[plot]"'], answer.stderr


def test_a_notebook_shows_what_a_batch_holds_without_its_pixels(con):
    con.sql(f"CREATE TABLE rows AS SELECT '{SMALL}/sst_20180101.tif' AS path, {{row_off: 0, col_off: 0, height: 4, width: 5}} AS win, 'a<b' AS \"x<y\" FROM range(3)")
    batch, = geoquilt.batches(con.table("rows"))
    shown = batch._repr_html_()
    cells = dict(re.findall(r"<tr><td><b>(.*?)</b></td><td[^>]*>(.*?)</td></tr>", shown))
    assert "Batch of 3 rows" in shown and cells["data"] == "float32 [3, 1, 4, 5]" and cells["path"] == "string"
    # What a column is called does not become markup.
    assert cells["x&lt;y"] == "string" and "x<y" not in shown
