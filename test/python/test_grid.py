"""geo_patch_grid against the reference's own code and against brute force."""
import numpy as np
import pytest
import rasterio
from conftest import connect, write_raster
from rasterio.transform import from_origin

MASK = "depth_recon/data/dataset_creation/data_download_raw/get_world/world_land_mask_glorys_0p1.tif"
TILE, CAP = 128, 0.30


@pytest.fixture(scope="module")
def reference(depth_recon):
    import yaml
    from depth_recon.data import dataset_grid_utils as utils

    regions = {}
    for path in sorted((depth_recon / "depth_recon/configs/px_space").glob("*.yaml")):
        found = ((yaml.safe_load(path.read_text()).get("dataset") or {}).get("grid") or {}).get("force_include_regions")
        if found:
            regions[path.stem] = found
    assert regions, "the reference lost its regions"
    return utils, str(depth_recon / MASK), regions


def region_sets(reference):
    """None, each config's own regions (equal ones once), and a few that overlap and nest."""
    own = list({str(value): value for value in reference[2].values()}.values())
    more = [
        {"name": "tight", "lon_min": -20, "lon_max": 40, "lat_min": 20, "lat_max": 50, "max_land_fraction": 0.35},
        {"name": "wide", "lon_min": -60, "lon_max": 120, "lat_min": -10, "lat_max": 60, "max_land_fraction": 0.7},
        {"name": "all of it", "lon_min": 100, "lon_max": 179, "lat_min": -50, "lat_max": 50},
    ]
    return [None, *own, more]


def force_include(regions):
    return "[" + ", ".join(
        "{{name: '{}', xmin: {}, ymin: {}, xmax: {}, ymax: {}, max_land_fraction: {}}}".format(
            r["name"], r["lon_min"], r["lat_min"], r["lon_max"], r["lat_max"], r.get("max_land_fraction", 1.0)) for r in regions) + "]"


def reference_rows(reference, stride, regions):
    utils, mask, _ = reference
    params = utils._GridParams(
        tile_size=TILE, resolution_deg=0.1, invalid_threshold=0.5, invalid_mask_flags=("land",), val_fraction=0.2, val_year=2018, split_seed=7,
        land_mask_path=mask, patch_stride=stride, max_land_fraction=CAP, force_include_regions=utils._parse_force_include_regions(regions))
    utils._validate_grid_params(params)
    return utils._build_land_mask_patch_table(params)


def our_rows(con, mask, stride, regions, more=""):
    forced = f", force_include := {force_include(regions)}" if regions else ""
    return con.execute(f"""SELECT patch_id, win.row_off AS row, win.col_off AS col, win.height AS height, win.width AS width, bbox.xmin AS xmin, bbox.ymin AS ymin,
        bbox.xmax AS xmax, bbox.ymax AS ymax, lon_center, lat_center, is_partial, land_fraction, ocean_fraction, invalid_fraction, force_included,
        coalesce(force_region, '') AS force_region, status
        FROM geo_patch_grid('{mask}', size := {TILE}, stride := {stride}, max_land_fraction := {CAP}{forced}{more})""").df()


def assert_equals_reference(ours, theirs):
    assert len(ours) == len(theirs)
    for mine, other in [("row", "grid_y0"), ("col", "grid_x0"), ("land_fraction", "land_fraction"), ("force_included", "force_included"),
                        ("force_region", "force_include_region")]:
        np.testing.assert_array_equal(ours[mine].to_numpy(), theirs[other].to_numpy(), err_msg=mine)
    for mine, other in [("xmin", "lon0"), ("xmax", "lon1"), ("ymin", "lat0"), ("ymax", "lat1"), ("lat_center", "lat_center"), ("lon_center", "lon_center")]:
        np.testing.assert_allclose(ours[mine].to_numpy(), theirs[other].to_numpy(), rtol=0, atol=1e-9, err_msg=mine)
    assert (ours["height"] == TILE).all() and (ours["width"] == TILE).all() and not ours["is_partial"].any()
    assert ((ours["status"] == "kept") == (ours["land_fraction"] <= CAP)).all()
    assert ((ours["status"] == "forced") == (ours["land_fraction"] > CAP)).all()


@pytest.mark.parametrize("stride", [7, 16, 31, 32, 64, 100, 128])
def test_the_production_grid_equals_depth_recon(con, reference, stride):
    for regions in region_sets(reference) if stride > 15 else region_sets(reference)[:2]:
        assert_equals_reference(our_rows(con, reference[1], stride, regions), reference_rows(reference, stride, regions))


def test_the_production_grid_at_every_pixel_equals_a_summed_area_table(con, reference):
    """Stride 1 is 5.8 million windows: counts, sums and a digest instead of the reference's Python loop."""
    with rasterio.open(reference[1]) as file:
        land = file.read(1).astype(np.float32) > 0.5
    table = np.zeros((land.shape[0] + 1, land.shape[1] + 1), dtype=np.int64)
    table[1:, 1:] = land.astype(np.int64).cumsum(0).cumsum(1)
    sums = table[TILE:, TILE:] - table[:-TILE, TILE:] - table[TILE:, :-TILE] + table[:-TILE, :-TILE]
    kept = sums / (TILE * TILE) <= CAP
    rows, cols = np.nonzero(kept)
    got = con.execute(f"""SELECT count(*), sum(round(land_fraction * {TILE * TILE})::BIGINT), sum(win.row_off), sum(win.col_off),
        sum(win.row_off * win.col_off), sum(patch_id), count(*) FILTER (patch_id <> win.row_off * {kept.shape[1]} + win.col_off)
        FROM geo_patch_grid('{reference[1]}', size := {TILE}, stride := 1, max_land_fraction := {CAP})""").fetchone()
    assert tuple(map(int, got)) == (len(rows), sums[kept].sum(), rows.sum(), cols.sum(), (rows * cols).sum(), (rows * kept.shape[1] + cols).sum(), 0)


def test_patch_id_is_stable_whatever_the_filter(con, reference):
    everything = our_rows(con, reference[1], 64, None, ", include_rejected := true").set_index("patch_id")
    n_cols = everything["col"].nunique()
    assert list(everything.index) == list(range(len(everything)))
    assert len(everything) == n_cols * everything["row"].nunique()
    for regions in region_sets(reference):
        kept = our_rows(con, reference[1], 64, regions).set_index("patch_id")
        assert len(kept) < len(everything)
        same = everything.loc[kept.index]
        assert (same[["row", "col", "land_fraction"]] == kept[["row", "col", "land_fraction"]]).all().all()


def test_include_rejected_adds_only_rejected_rows(con, reference):
    for regions in region_sets(reference):
        kept = our_rows(con, reference[1], 100, regions)
        everything = our_rows(con, reference[1], 100, regions, ", include_rejected := true")
        assert set(everything["status"]) - {"forced"} == {"kept", "rejected"}
        assert everything[everything["status"] != "rejected"].reset_index(drop=True).equals(kept)
        assert (everything[everything["status"] == "rejected"]["land_fraction"] > CAP).all()


def starts_by_hand(edge, n, w, s):
    """The table of 3-semantics.md, spelled out."""
    if edge == "drop":
        return [i for i in range(0, n, s) if i + w <= n]
    if edge == "pad":
        return list(range(0, n, s))
    if edge == "snap":
        starts = [i for i in range(0, n, s) if i + w <= n]
        return starts if starts[-1] == n - w else starts + [n - w]
    starts = [0]
    while starts[-1] + w < n and starts[-1] + s < n:  # with a stride above the window, none starts beyond the axis
        starts.append(starts[-1] + s)
    over = max(starts[-1] + w - n, 0) if edge == "center" else 0
    return [i - over // 2 for i in starts]


def test_edge_rules_of_the_design_page(con):
    want = {"drop": ([0, 8], [0, 32, 64]), "snap": ([0, 8, 14], [0, 32, 64, 68]), "overflow": ([0, 8, 16], [0, 32, 64, 96]),
            "center": ([-1, 7, 15], [-14, 18, 50, 82]), "pad": ([0, 8, 16, 24], [0, 32, 64, 96])}
    for edge, both in want.items():
        for (n, w, s), expected in zip([(30, 16, 8), (100, 32, 32)], both):
            assert starts_of(con, edge, n, w, s)[1] == expected, edge


def starts_of(con, edge, n, w, s, rows=7, w_rows=3, s_rows=2):
    got = con.execute(f"""SELECT list(DISTINCT win.row_off ORDER BY win.row_off), list(DISTINCT win.col_off ORDER BY win.col_off), count(*)
        FROM geo_patch_grid({{xmin: 0, ymin: 0, xmax: {n}, ymax: {rows}}}, resolution := 1, crs := 'EPSG:3857', size := [{w_rows}, {w}],
                            stride := [{s_rows}, {s}], edge := '{edge}')""").fetchone()
    if got[2]:
        assert got[2] == len(got[0]) * len(got[1])
    return got[0] or [], got[1] or []


@pytest.mark.parametrize("edge", ["drop", "snap", "overflow", "center", "pad"])
def test_edge_rules_equal_brute_force(con, edge):
    rng = np.random.default_rng([5, len(edge)])
    for _ in range(60):
        n, w = int(rng.integers(1, 90)), int(rng.integers(1, 40))
        s = int(rng.integers(1, w + 1)) if rng.random() < 0.7 else int(rng.integers(1, 60))
        if edge == "snap" and n < w:
            with pytest.raises(Exception, match="geo_patch_grid"):
                starts_of(con, edge, n, w, s)
        elif edge == "drop" and n < w:
            assert starts_of(con, edge, n, w, s)[1] == [0], "an axis shorter than the window gives one partial window"
        else:
            assert starts_of(con, edge, n, w, s)[1] == starts_by_hand(edge, n, w, s), (n, w, s)


@pytest.mark.parametrize("edge", ["drop", "snap", "overflow", "center", "pad"])
def test_is_partial_means_the_window_leaves_the_raster(con, edge):
    rows = con.execute(f"""SELECT win.row_off, win.col_off, win.height, win.width, is_partial FROM
        geo_patch_grid({{xmin: 0, ymin: 0, xmax: 23, ymax: 19}}, resolution := 1, size := [5, 7], stride := [3, 4], edge := '{edge}')""").fetchall()
    assert rows and rows == sorted(rows)
    for row, col, height, width, partial in rows:
        assert (height, width) == (5, 7)
        assert partial == (row < 0 or col < 0 or row + height > 19 or col + width > 23)
    if edge in ("snap", "overflow", "center", "pad"):
        seen = np.zeros((40, 40), dtype=bool)
        for row, col, height, width, _ in rows:
            seen[row + 10:row + 10 + height, col + 10:col + 10 + width] = True
        assert seen[10:29, 10:33].all(), "every pixel lies in a patch"


def test_sizes_are_height_then_width(con):
    rows = con.execute("""SELECT win.height, win.width, bbox.xmin, bbox.ymin, bbox.xmax, bbox.ymax FROM
        geo_patch_grid({xmin: 10, ymin: 20, xmax: 30, ymax: 30}, resolution := 0.5, size := [4, 8])""").fetchall()
    assert len(rows) == (20 // 4) * (40 // 8)
    assert rows[0] == (4, 8, 10.0, 28.0, 14.0, 30.0)


def test_a_box_and_a_resolution_give_the_cells_of_numpy(con):
    rng = np.random.default_rng(11)
    for _ in range(20):
        xmin, ymin = rng.uniform(-170, 0), rng.uniform(-80, 0)
        resolution = float(rng.choice([0.1, 0.25, 1 / 3, 0.7]))
        width, height = (int(v) for v in rng.integers(20, 60, 2))
        box = f"{{xmin: {xmin!r}, ymin: {ymin!r}, xmax: {xmin + width * resolution!r}, ymax: {ymin + height * resolution!r}}}".replace("np.float64(", "").replace(")", "")
        rows = con.execute(f"""SELECT win.row_off, win.col_off, bbox.xmin, bbox.ymin, bbox.xmax, bbox.ymax, lon_center, lat_center
            FROM geo_patch_grid({box}, resolution := {resolution!r}, size := 16, stride := 9)""").fetchall()
        rows_by_hand = starts_by_hand("snap", height, 16, 9)
        cols_by_hand = starts_by_hand("snap", width, 16, 9)
        assert [(r, c) for r in rows_by_hand for c in cols_by_hand] == [row[:2] for row in rows]
        for r, c, x0, y0, x1, y1, lon, lat in rows:
            top = ymin + height * resolution
            want = (xmin + c * resolution, top - (r + 16) * resolution, xmin + (c + 16) * resolution, top - r * resolution)
            np.testing.assert_allclose((x0, y0, x1, y1), want, rtol=0, atol=1e-9)
            np.testing.assert_allclose((lon, lat), ((want[0] + want[2]) / 2, (want[1] + want[3]) / 2), rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype,nodata", [("uint8", 255), ("float32", np.nan), ("float32", -9999.0), ("int16", -1)])
@pytest.mark.parametrize("edge", ["snap", "overflow", "center", "pad", "drop"])
def test_nodata_mask_pixels_are_invalid_and_not_land(con, raster, dtype, nodata, edge):
    rng = np.random.default_rng(3)
    values = rng.choice([0, 1], (37, 53)).astype(dtype)
    invalid = rng.random(values.shape) < 0.2
    values[invalid] = nodata
    path = raster("mask.tif", values, crs="EPSG:4326", transform=from_origin(-20, 40, 0.5, 0.5), nodata=nodata)
    land = (values == 1) & ~invalid
    rows = con.execute(f"""SELECT win.row_off, win.col_off, land_fraction, ocean_fraction, invalid_fraction, status
        FROM geo_patch_grid('{path}', size := [10, 12], stride := [7, 9], edge := '{edge}', max_land_fraction := 0.4, include_rejected := true)""").fetchall()
    assert len(rows) > 10
    pad = 20
    land_wide, invalid_wide = np.pad(land, pad), np.pad(invalid, pad, constant_values=True)
    for row, col, land_fraction, ocean_fraction, invalid_fraction, status in rows:
        part = np.s_[row + pad:row + pad + 10, col + pad:col + pad + 12]
        assert land_fraction == land_wide[part].sum() / 120
        assert invalid_fraction == pytest.approx(invalid_wide[part].sum() / 120, abs=1e-12)
        assert ocean_fraction == pytest.approx(1 - land_fraction - invalid_fraction, abs=1e-12)
        assert status == ("kept" if land_fraction <= 0.4 else "rejected")


def test_mask_value_picks_the_class_that_is_land(con, raster):
    rng = np.random.default_rng(4)
    values = rng.integers(0, 4, (32, 32)).astype("uint8")
    path = raster("classes.tif", values, crs="EPSG:4326", transform=from_origin(0, 32, 1, 1))
    rows = con.execute(f"SELECT win.row_off, win.col_off, land_fraction FROM geo_patch_grid('{path}', size := 8, mask_value := 2)").fetchall()
    assert len(rows) == 16
    for row, col, fraction in rows:
        assert fraction == (values[row:row + 8, col:col + 8] == 2).mean()
    half = raster("half.tif", np.array([[0.5, 0.5000001], [0.49, 1.0]], "float32"), crs="EPSG:4326", transform=from_origin(0, 2, 1, 1))
    assert con.execute(f"SELECT land_fraction FROM geo_patch_grid('{half}', size := 1, max_land_fraction := 1)").fetchall() == [(0,), (1,), (0,), (1,)]


@pytest.mark.parametrize("west", [-180, 0])
def test_a_region_may_cross_the_antimeridian(con, raster, west):
    """Centres are compared in [-180, 180), so a 0..360 mask gives the same regions."""
    path = raster("all_land.tif", np.ones((18, 36), "uint8"), crs="EPSG:4326", transform=from_origin(west, 90, 10, 10))
    rows = con.execute(f"""SELECT lon_center, lat_center, status, force_region, force_included FROM geo_patch_grid('{path}', size := 2, stride := 1,
        max_land_fraction := 0.1, include_rejected := true,
        force_include := [{{name: 'pacific', xmin: 160, ymin: -30, xmax: -150, ymax: 30, max_land_fraction: 1.0}},
                          {{name: 'never', xmin: -180, ymin: -90, xmax: 180, ymax: 90, max_land_fraction: 0.5}}])""").fetchall()
    assert len(rows) == 17 * 35
    for lon, lat, status, region, included in rows:
        lon = (lon + 180) % 360 - 180
        inside = (lon >= 160 or lon <= -150) and -30 <= lat <= 30
        assert (status, region, included) == (("forced", "pacific", True) if inside else ("rejected", None, False)), (lon, lat)


def test_a_separate_mask_filters_the_grid_of_a_raster(con, raster):
    rng = np.random.default_rng(8)
    land = rng.random((60, 60)) < 0.4
    mask = raster("mask.tif", land.astype("uint8"), crs="EPSG:4326", transform=from_origin(0, 30, 0.5, 0.5))
    image = raster("image.tif", rng.random((20, 24)).astype("float32"), crs="EPSG:4326", transform=from_origin(5, 20, 0.5, 0.5))
    rows = con.execute(f"SELECT win.row_off, win.col_off, land_fraction FROM geo_patch_grid('{image}', size := 8, stride := 4, mask := '{mask}')").fetchall()
    assert len(rows) == 4 * 5
    for row, col, fraction in rows:
        assert fraction == pytest.approx(land[20 + row:28 + row, 10 + col:18 + col].mean(), abs=1e-12)


def test_a_mask_that_does_not_cover_the_grid_is_an_error(con, raster):
    mask = raster("mask.tif", np.ones((10, 10), "uint8"), crs="EPSG:4326", transform=from_origin(0, 10, 1, 1))
    with pytest.raises(Exception, match=r"(?s)geo_patch_grid.*\(10, 5, 15, 10\).*not covered.*mask.tif.*spans"):
        con.execute(f"FROM geo_patch_grid({{xmin: 5, ymin: 0, xmax: 15, ymax: 10}}, resolution := 1, size := 5, mask := '{mask}')").fetchall()


@pytest.mark.parametrize("values, told", [
    ([[0, 271], [280, 290]], r"it holds 280 beside 271"),
    ([[0, 1], [1, 7]], r"it holds 7 beside 1"),
    ([[0, 3], [0, 1]], r"it holds 1 beside 3"),
    ([[0, 1], [-2, 1]], r"it holds -2 beside 1"),
    ([[0.25, 1], [0, 1.5]], r"it holds 1.5 beside 0.25"),
])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_data_are_not_taken_for_a_mask_unless_somebody_says_so(con, raster, values, told, dtype):
    values = np.array(values, "float32")
    if dtype == "int16" and (values % 1).any():
        values, told = values * 4, "it holds 4 beside 1"
    path = raster("data.tif", values.astype(dtype), crs="EPSG:4326", transform=from_origin(0, 2, 1, 1))
    land = (values > 0.5).ravel().astype(float).tolist()
    for words in ("max_land_fraction := 1", "force_include := [{name: 'a', xmin: 0, ymin: 0, xmax: 1, ymax: 1}]"):
        with pytest.raises(Exception, match=rf'geo_patch_grid\(mask\): no mask is named, and ".*data.tif" does not look like one: {told}, and a mask has'):
            con.execute(f"FROM geo_patch_grid('{path}', size := 1, {words})").fetchall()
    named = con.execute(f"SELECT land_fraction FROM geo_patch_grid('{path}', size := 1, max_land_fraction := 1, mask := '{path}')").fetchall()
    assert [fraction for (fraction,) in named] == land
    ones = con.execute(f"SELECT land_fraction FROM geo_patch_grid('{path}', size := 1, max_land_fraction := 1, mask_value := 1)").fetchall()
    assert [fraction for (fraction,) in ones] == (values == 1).ravel().astype(float).tolist()


@pytest.mark.parametrize("values, nodata", [([[0, 255], [255, 0]], None), ([[0, 1], [1, -9999]], -9999), ([[0, 0], [0, 0]], None), ([[4, 4], [4, 0]], None)])
def test_a_mask_of_two_numbers_is_one(con, raster, values, nodata):
    values = np.array(values, "int16")
    path = raster("mask.tif", values, crs="EPSG:4326", transform=from_origin(0, 2, 1, 1), nodata=nodata)
    got = con.execute(f"SELECT land_fraction FROM geo_patch_grid('{path}', size := 1, max_land_fraction := 1)").fetchall()
    assert [fraction for (fraction,) in got] == (values > 0.5).ravel().astype(float).tolist()
