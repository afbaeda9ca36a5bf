"""st_land_fraction against rasterio.features.rasterize and brute force."""
import duckdb
import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from conftest import connect, write_raster
from rasterio import features
from rasterio.transform import from_origin


def box_sql(x0, y0, x1, y1):
    return f"{{xmin: {float(x0)!r}::DOUBLE, ymin: {float(y0)!r}::DOUBLE, xmax: {float(x1)!r}::DOUBLE, ymax: {float(y1)!r}::DOUBLE}}"


def ask(con, shape, mask, options=""):
    return con.execute(f"SELECT st_land_fraction({shape}, '{mask}'{options})").fetchone()[0]


@pytest.fixture
def land(tmp_path):
    """A mask of half-degree cells over the globe: (path, array)."""
    rng = np.random.default_rng(41)
    coarse = rng.random((18, 36)) < 0.4
    data = np.kron(coarse, np.ones((20, 20))).astype("uint8")
    data ^= (rng.random(data.shape) < 0.05).astype("uint8")
    return write_raster(tmp_path / "land.tif", data, crs="EPSG:4326", transform=from_origin(-180, 90, 0.5, 0.5), compress="deflate"), data


def centres(shape, transform):
    row, col = np.mgrid[:shape[0], :shape[1]] + 0.5
    return transform.c + col * transform.a, transform.f + row * transform.e


def test_boxes_hold_the_pixels_whose_centres_lie_in_them(con, land):
    path, data = land
    x, y = centres(data.shape, from_origin(-180, 90, 0.5, 0.5))
    rng = np.random.default_rng(1)
    rows = []
    for i in range(300):
        x0, y0 = rng.uniform(-180, 170), rng.uniform(-90, 80)
        x1, y1 = min(x0 + rng.uniform(0.6, 60), 180), min(y0 + rng.uniform(0.6, 40), 90)
        if i % 3 == 0:  # on the edges of cells
            x0, y0, x1, y1 = (round(v * 2) / 2 for v in (x0, y0, x1, y1))
        rows.append((x0, y0, x1, y1))
    got = con.execute("SELECT st_land_fraction(b, ?) FROM (SELECT unnest([" + ", ".join(box_sql(*r) for r in rows) + "]) AS b)", [path]).fetchall()
    for (x0, y0, x1, y1), (fraction,) in zip(rows, got):
        hit = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
        assert fraction == pytest.approx(data[hit].mean(), abs=1e-12) if hit.any() else fraction is None


@pytest.mark.parametrize("box", [(170, -20, -170, 20), (179.75, 0, -179.75, 5), (0.5, -90, 0, 90), (100, 10, -100, 11)])
def test_boxes_cross_the_antimeridian(con, land, box):
    path, data = land
    x, y = centres(data.shape, from_origin(-180, 90, 0.5, 0.5))
    hit = ((x >= box[0]) | (x < box[2])) & (y >= box[1]) & (y < box[3])
    assert ask(con, box_sql(*box), path) == pytest.approx(data[hit].mean(), abs=1e-12)


@pytest.mark.parametrize("box", [(170, -20, -170, 20), (-20, -10, 30, 10), (100, -10, 260, 10)])
def test_a_mask_from_0_to_360_gives_the_same(con, land, tmp_path, box):
    path, data = land
    turned = write_raster(tmp_path / "turned.tif", np.roll(data, 360, axis=1), crs="EPSG:4326", transform=from_origin(0, 90, 0.5, 0.5))
    x, y = centres(data.shape, from_origin(-180, 90, 0.5, 0.5))
    width = (box[2] - box[0]) % 360
    hit = ((x - box[0]) % 360 < width) & (y >= box[1]) & (y < box[3])
    for mask in (path, turned):
        assert ask(con, box_sql(*box), mask) == pytest.approx(data[hit].mean(), abs=1e-12), mask


def random_polygon(rng, x, y, radius):
    turn = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 14)))
    reach = radius * rng.uniform(0.3, 1, len(turn))
    return shapely.Polygon(np.column_stack([x + reach * np.cos(turn), y + reach * np.sin(turn)]))


def test_polygons_equal_rasterize(con, land):
    path, data = land
    transform = from_origin(-180, 90, 0.5, 0.5)
    rng = np.random.default_rng(2)
    checked = 0
    for i in range(200):
        polygon = random_polygon(rng, rng.uniform(-140, 140), rng.uniform(-60, 60), rng.uniform(1, 28))
        if i % 5 == 0:
            polygon = shapely.union(polygon, random_polygon(rng, rng.uniform(-140, 140), rng.uniform(-60, 60), 10))
        if i % 7 == 0:
            polygon = polygon.difference(polygon.centroid.buffer(2))
        if not polygon.is_valid or polygon.is_empty:
            continue
        inside = features.rasterize([polygon], out_shape=data.shape, transform=transform, all_touched=False).astype(bool)
        got = ask(con, f"'{polygon.wkt}'::GEOMETRY", path)
        if inside.any():
            checked += 1
            assert got == pytest.approx(data[inside].mean(), abs=1e-12), polygon.wkt
        else:
            assert got is None
    assert checked > 150


def test_a_box_as_a_polygon_gives_the_same(con, land):
    path, _ = land
    rng = np.random.default_rng(3)
    for _ in range(30):
        x0, y0 = rng.uniform(-170, 100), rng.uniform(-80, 30)
        x1, y1 = x0 + rng.uniform(1, 60), y0 + rng.uniform(1, 50)
        polygon = f"'POLYGON (({x0!r} {y0!r}, {x1!r} {y0!r}, {x1!r} {y1!r}, {x0!r} {y1!r}, {x0!r} {y0!r}))'::GEOMETRY"
        assert ask(con, polygon, path) == pytest.approx(ask(con, box_sql(x0, y0, x1, y1), path), abs=1e-12)


@pytest.mark.parametrize("crs,origin,cell,lon,lat", [("EPSG:3413", (-3000000, 3000000), 20000, (-60, 60), (70, 84)), ("EPSG:32633", (200000, 6000000), 2000, (12, 17), (49, 53)), ("EPSG:3857", (-2e6, 6e6), 10000, (-10, 8), (27, 46))])
def test_masks_in_a_projected_crs_take_lon_lat_boxes(con, tmp_path, crs, origin, cell, lon, lat):
    rng = np.random.default_rng(5)
    data = np.kron(rng.random((30, 30)) < 0.5, np.ones((10, 10))).astype("uint8")
    transform = from_origin(*origin, cell, cell)
    path = write_raster(tmp_path / "mask.tif", data, crs=crs, transform=transform)
    x, y = centres(data.shape, transform)
    to_lonlat = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    px, py = to_lonlat.transform(x, y)
    for _ in range(40):
        x0, y0 = rng.uniform(lon[0], lon[1] - 2), rng.uniform(lat[0], lat[1] - 1.5)
        x1, y1 = rng.uniform(x0 + 1, min(x0 + 15, lon[1])), rng.uniform(y0 + 1, min(y0 + 6, lat[1]))
        hit = (px >= x0) & (px < x1) & (py >= y0) & (py < y1)
        if hit.sum() < 50:
            continue
        got = ask(con, box_sql(x0, y0, x1, y1), path)
        # A side of the box is a curve in the mask's plane: pixels on it may fall either way.
        assert got == pytest.approx(data[hit].mean(), abs=4 / np.sqrt(hit.sum()) * 0.25 + 1e-9), (x0, y0, x1, y1)


def test_shapes_may_have_a_crs_of_their_own(con, land):
    path, data = land
    transform = from_origin(-180, 90, 0.5, 0.5)
    bounds = (200000, 4000000, 800000, 5000000)
    ring = shapely.segmentize(shapely.box(*bounds), 2000)
    lonlat = shapely.transform(ring, lambda p: np.column_stack(pyproj.Transformer.from_crs("EPSG:32633", "OGC:CRS84", always_xy=True).transform(p[:, 0], p[:, 1])))
    inside = features.rasterize([lonlat], out_shape=data.shape, transform=transform).astype(bool)
    want = data[inside].mean()
    near = pytest.approx(want, abs=3 / inside.sum())
    assert ask(con, box_sql(*bounds), path, ", {crs: 'EPSG:32633'}") == near
    assert ask(con, f"'{shapely.box(*bounds).wkt}'::GEOMETRY", path, ", {crs: 'EPSG:32633'}") == near
    typed = f"ST_SetCRS('{shapely.box(*bounds).wkt}'::GEOMETRY, 'EPSG:32633')"
    assert ask(con, typed, path) == near


@pytest.mark.parametrize("box", [(-180, -95, 0, 0), (0, 80, 10, 100)])
def test_uncovered_boxes_are_errors(con, land, box):
    path, _ = land
    with pytest.raises(Exception, match=r"(?s)st_land_fraction.*land\.tif"):
        ask(con, box_sql(*box), path)


def test_a_mask_of_a_part_refuses_what_it_does_not_cover(con, tmp_path):
    data = np.tri(20, dtype="uint8")
    path = write_raster(tmp_path / "part.tif", data, crs="EPSG:4326", transform=from_origin(10, 40, 1, 1))
    for box in [(5, 25, 15, 35), (25, 25, 31, 35), (12, 15, 14, 25), (12, 35, 14, 41), (100, 0, 110, 5), (25, 25, 15, 35)]:
        with pytest.raises(Exception, match=r"(?s)st_land_fraction.*part\.tif"):
            ask(con, box_sql(*box), path)
    with pytest.raises(Exception, match=r"(?s)st_land_fraction.*part\.tif"):
        ask(con, "'POLYGON ((5 25, 15 25, 15 35, 5 25))'::GEOMETRY", path)
    assert ask(con, box_sql(5, 25, 15, 35), path, ", {outside: 'ignore'}") == data[5:15, 0:5].mean()
    assert ask(con, box_sql(100, 0, 110, 5), path, ", {outside: 'ignore'}") is None
    assert ask(con, box_sql(10, 20, 30, 40), path) == data.mean()


def test_nodata_is_not_land(con, tmp_path):
    data = np.array([[1, 255], [0, 1]], "uint8")
    path = write_raster(tmp_path / "m.tif", data, crs="EPSG:4326", transform=from_origin(0, 2, 1, 1), nodata=255)
    assert ask(con, box_sql(0, 0, 2, 2), path) == 0.5
    assert ask(con, box_sql(0, 0, 2, 2), path, ", {mask_value: 0}") == 0.25


def test_null_and_empty_shapes_give_null(con, land):
    path, _ = land
    assert ask(con, "NULL::STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE)", path) is None
    assert ask(con, "NULL::GEOMETRY", path) is None
    assert ask(con, "'POLYGON EMPTY'::GEOMETRY", path) is None
    assert ask(con, box_sql(0.01, 0.01, 0.02, 0.02), path) is None
    assert con.execute(f"SELECT st_land_fraction({box_sql(0, 0, 1, 1)}, NULL)").fetchone()[0] is None


@pytest.mark.parametrize("shape", [box_sql(float("nan"), 0, 1, 1).replace("nan", "'nan'"), box_sql(0, 5, 1, 1), "'POINT (0 0)'::GEOMETRY", "'LINESTRING (0 0, 1 1)'::GEOMETRY"])
def test_shapes_without_an_area_are_errors(con, land, shape):
    with pytest.raises(Exception, match="st_land_fraction"):
        ask(con, shape, land[0])


def test_many_rows_with_many_masks(con, land, tmp_path):
    path, data = land
    other = write_raster(tmp_path / "other.tif", 1 - data, crs="EPSG:4326", transform=from_origin(-180, 90, 0.5, 0.5))
    rows = con.execute(f"""SELECT st_land_fraction({{xmin: -180 + i % 300, ymin: -80::DOUBLE, xmax: -170 + i % 300, ymax: 80::DOUBLE}}, CASE WHEN i % 2 = 0 THEN '{path}' ELSE '{other}' END), i
        FROM range(5000) t(i) ORDER BY i""").fetchall()
    for fraction, i in rows[::97]:
        part = data[20:340, 2 * (i % 300):2 * (i % 300) + 20].mean()
        assert fraction == pytest.approx(part if i % 2 == 0 else 1 - part, abs=1e-12)


def test_a_grid_whose_points_lie_on_the_poles_is_covered(con, land, tmp_path):
    path, data = land
    grid = write_raster(tmp_path / "era.tif", np.zeros((37, 72), "f4"), crs="EPSG:4326", transform=from_origin(-2.5, 92.5, 5, 5))
    x, y = centres(data.shape, from_origin(-180, 90, 0.5, 0.5))
    rows = con.execute(f"SELECT bbox, land_fraction FROM geo_patch_grid('{grid}', size := 6, edge := 'drop', mask := '{path}', max_land_fraction := 1)").fetchall()
    assert len(rows) == 6 * 12 and max(box["ymax"] for box, _ in rows) == 92.5
    for box, fraction in rows:
        hit = ((x - box["xmin"]) % 360 < box["xmax"] - box["xmin"]) & (y >= box["ymin"]) & (y < box["ymax"])
        assert fraction == pytest.approx(data[hit].mean(), abs=1e-12)


@pytest.mark.parametrize("sampler", ["regular", "random"])
def test_a_mask_without_a_pixel_in_a_patch_is_refused(con, land, sampler):
    n = ", n := 5" if sampler == "random" else ""
    sql = f"FROM geo_patch_grid({{xmin: 0, ymin: 0, xmax: 10, ymax: 10}}, resolution := 0.1, size := 2, mask := '{land[0]}', max_land_fraction := 0, sampler := '{sampler}'{n})"
    with pytest.raises(duckdb.Error, match=r"the mask has no pixel in the box \(.*\)\s+Give a finer mask, or larger boxes"):
        con.execute(sql)
