"""geo_zonal_stats against exactextract and rasterio.features + NumPy; geo_polygonize against rasterio.features.shapes."""
import duckdb
import geopandas
import numpy as np
import pyproj
import pytest
import rasterio
import shapely
import shapely.affinity
from conftest import connect, write_raster
from exactextract import exact_extract
from rasterio import features
from rasterio.transform import from_origin

UTM = "EPSG:32629"
TRANSFORM = from_origin(500000, 4600000, 10, 10)
FIELDS = ["count", "min", "max", "mean", "median", "std", "sum", "majority", "minority", "variety"]


def stats(con, path, shapes, options=f"{{crs: '{UTM}'}}"):
    """One dict a shape; None where the result is NULL."""
    rows = con.execute(f"SELECT geo_zonal_stats(?, g::GEOMETRY, {options}) FROM (SELECT unnest(?) AS g)", [str(path), [s.wkt for s in shapes]]).fetchall()
    return [row[0] for row in rows]


def blobs(seed, n, box=(499900, 4599300, 500900, 4600100), radius=300):
    """Star-shaped valid polygons, some with holes, some in several parts, some partly off the raster."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < n:
        centre = rng.uniform(box[:2], box[2:])
        k = rng.integers(3, 14)
        angle = np.sort(rng.uniform(0, 2 * np.pi, k))
        r = rng.uniform(0.5, radius, k)
        shape = shapely.make_valid(shapely.Polygon(np.c_[centre[0] + r * np.cos(angle), centre[1] + r * np.sin(angle)]))
        if shape.geom_type not in ("Polygon", "MultiPolygon"):
            continue
        if rng.random() < 0.3:
            shape = shape.difference(shapely.Point(centre).buffer(radius / 10))
        if rng.random() < 0.2:
            shape = shape.union(shapely.box(*(centre + radius), *(centre + radius * 1.3)))
        if not shape.is_empty and shape.geom_type in ("Polygon", "MultiPolygon"):
            found.append(shape)
    return found


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """(path, masked array): float32 noise with nodata holes in blocks that do not divide the raster."""
    rng = np.random.default_rng(11)
    data = rng.normal(10, 3, (60, 80)).astype("float32")
    data[rng.random(data.shape) < 0.05] = -9999
    path = write_raster(tmp_path_factory.mktemp("zonal") / "noise.tif", data, nodata=-9999, tiled=True, blockxsize=32, blockysize=16)
    return path, np.ma.masked_equal(data, -9999)


@pytest.mark.parametrize("rule,all_touched", [("center", False), ("touched", True)])
def test_pixel_rules_are_rasterios(con, noise, rule, all_touched):
    path, data = noise
    shapes = blobs(1, 300)
    empty = 0
    for shape, got in zip(shapes, stats(con, path, shapes, f"{{crs: '{UTM}', coverage: '{rule}'}}")):
        inside = ~features.geometry_mask([shape], data.shape, TRANSFORM, all_touched=all_touched)
        values = data[inside].compressed().astype("float64")
        assert got["count"] == len(values)
        if not len(values):
            empty += 1
            assert all(got[k] is None for k in FIELDS if k not in ("count", "variety")) and got["variety"] == 0
            continue
        want = [values.min(), values.max(), values.mean(), np.median(values), values.std(), values.sum()]
        assert [got[k] for k in ("min", "max", "mean", "median", "std", "sum")] == pytest.approx(want, rel=1e-12, abs=1e-12)
        assert got["variety"] == len(np.unique(values))
    assert empty < 100


def test_exact_coverage_is_exactextracts(con, noise):
    path, _ = noise
    shapes = blobs(2, 300)
    frame = geopandas.GeoDataFrame(geometry=shapes, crs=UTM)
    theirs = exact_extract(path, frame, ["count", "min", "max", "mean", "stdev", "sum", "majority"], output="pandas")
    ours = stats(con, path, shapes, f"{{crs: '{UTM}', coverage: 'exact'}}")
    for name, other in [("count", "count"), ("min", "min"), ("max", "max"), ("mean", "mean"), ("std", "stdev"), ("sum", "sum"), ("majority", "majority")]:
        got = np.array([row[name] if row["count"] else np.nan for row in ours], float)
        want = np.where(theirs["count"] > 0, theirs[other], np.nan)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6, err_msg=name)


def test_exact_coverage_is_the_area_of_the_intersections(con, tmp_path):
    """Against shapely, whose overlay is exact to rounding: tighter than exactextract's 32-bit fractions."""
    data = np.arange(48, dtype="float64").reshape(6, 8)
    path = write_raster(tmp_path / "cells.tif", data, transform=from_origin(0, 6, 1, 1))
    cells = shapely.box(*np.meshgrid(np.arange(8.0), 5 - np.arange(6.0)), *np.meshgrid(np.arange(8.0) + 1, 6 - np.arange(6.0)))
    shapes = blobs(3, 200, box=(-1, -1, 9, 7), radius=5)
    shapes += [shapely.box(2, 2, 5, 4), shapely.box(1.5, 1.5, 1.75, 1.75), shapely.box(-10, -10, 20, 20), shapely.box(0, 0, 8, 6)]
    shapes += [shapely.box(1, 1, 2, 2).union(shapely.box(2, 2, 3, 3))]
    for shape, got in zip(shapes, stats(con, path, shapes, f"{{crs: '{UTM}', coverage: 'exact'}}")):
        cover = shapely.area(shapely.intersection(cells, shape))
        assert got["count"] == pytest.approx(cover.sum(), abs=1e-9)
        if cover.sum() > 1e-6:
            assert got["mean"] == pytest.approx((cover * data).sum() / cover.sum(), abs=1e-7)
    on_edges = stats(con, path, [shapely.box(2, 2, 5, 4)], f"{{crs: '{UTM}', coverage: 'exact'}}")[0]
    assert (on_edges["count"], on_edges["min"], on_edges["max"], on_edges["variety"]) == (6, 18, 28, 6)


def test_the_median_under_exact_coverage_is_the_weighted_quantile(con, tmp_path):
    rng = np.random.default_rng(5)
    path = write_raster(tmp_path / "distinct.tif", rng.permutation(4800).reshape(60, 80).astype("float64"))
    shapes = [s for s in blobs(6, 100, box=(500200, 4599600, 500600, 4599800)) if s.area > 3000]
    theirs = exact_extract(path, geopandas.GeoDataFrame(geometry=shapes, crs=UTM), ["median"], output="pandas")["median"]
    ours = [row["median"] for row in stats(con, path, shapes, f"{{crs: '{UTM}', coverage: 'exact'}}")]
    # Fractions of 32 bits move a quantile between neighbours by up to 1e-6 of their distance.
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-2)


def test_majority_and_minority_of_classes(con, tmp_path):
    rng = np.random.default_rng(8)
    path = write_raster(tmp_path / "classes.tif", rng.integers(0, 6, (60, 80)).astype("uint8"), nodata=0)
    shapes = [s for s in blobs(9, 150) if s.area > 2000]
    theirs = exact_extract(path, geopandas.GeoDataFrame(geometry=shapes, crs=UTM), ["majority", "minority", "variety"], output="pandas")
    ours = stats(con, path, shapes, f"{{crs: '{UTM}', coverage: 'exact'}}")
    for name in ("majority", "minority", "variety"):
        got = [np.nan if row[name] is None else row[name] for row in ours]
        np.testing.assert_array_equal(got, theirs[name], err_msg=name)
    # Ties: the greatest is the majority, the smallest the minority.
    tie = write_raster(tmp_path / "tie.tif", np.array([[1, 2], [3, 3]], "uint8"), transform=from_origin(0, 2, 1, 1))
    row = stats(con, tie, [shapely.box(0, 1, 2, 2)])[0]
    assert (row["majority"], row["minority"]) == (2, 1)
    assert stats(con, tie, [shapely.box(0, 0, 2, 2)])[0]["majority"] == 3


def test_weights_are_exactextracts(con, noise, tmp_path):
    path, data = noise
    weights = np.random.default_rng(4).uniform(0.5, 2, data.shape)
    heavy = write_raster(tmp_path / "weights.tif", weights)
    shapes = [s for s in blobs(7, 60) if s.area > 1000]
    theirs = exact_extract(path, geopandas.GeoDataFrame(geometry=shapes, crs=UTM), ["weighted_mean", "weighted_sum", "weighted_stdev"], weights=heavy, output="pandas")
    ours = stats(con, path, shapes, f"{{crs: '{UTM}', coverage: 'exact', weights: '{heavy}'}}")
    keep = np.array([row["count"] > 0 for row in ours])
    for name, other in [("mean", "weighted_mean"), ("sum", "weighted_sum"), ("std", "weighted_stdev")]:
        got = np.array([np.nan if row[name] is None else row[name] for row in ours], float)
        np.testing.assert_allclose(got[keep], theirs[other][keep], rtol=1e-6, atol=1e-6, err_msg=name)


def test_weights_must_lie_on_the_rasters_pixels(con, noise, tmp_path):
    path, data = noise
    shape = [shapely.box(500100, 4599800, 500200, 4599900)]
    for name, transform, crs in [("size", from_origin(500000, 4600000, 20, 20), UTM), ("shift", from_origin(500005, 4600000, 10, 10), UTM), ("crs", TRANSFORM, "EPSG:32630")]:
        other = write_raster(tmp_path / f"{name}.tif", np.ones(data.shape), transform=transform, crs=crs)
        with pytest.raises(Exception, match=r"(?s)geo_zonal_stats.*differ in their"):
            stats(con, path, shape, f"{{crs: '{UTM}', weights: '{other}'}}")
    # More rows and columns of the same grid are fine, fewer leave pixels without a weight.
    part = write_raster(tmp_path / "part.tif", np.ones((30, 80)))
    whole = stats(con, path, [shapely.box(500000, 4599400, 500800, 4600000)])[0]
    half = stats(con, path, [shapely.box(500000, 4599400, 500800, 4600000)], f"{{crs: '{UTM}', weights: '{part}'}}")[0]
    assert 0 < half["count"] == data[:30].count() < whole["count"]


def test_bands_scale_and_chosen_statistics(con, tmp_path):
    data = np.stack([np.full((10, 10), 3), np.full((10, 10), 7)]).astype("int16")
    path = write_raster(tmp_path / "two.tif", data, descriptions=["red", "nir"], scales=(0.5, 0.1), offsets=(1, 2))
    shape = [shapely.box(500010, 4599910, 500090, 4599990)]
    mean = lambda options: stats(con, path, shape, f"{{crs: '{UTM}', {options}}}")[0]["mean"]
    assert mean("band: 1") == 3 and mean("band: 2") == 7 and mean("band: 'nir'") == 7
    assert mean("band: 'red', scaled: true") == 2.5
    row = stats(con, path, shape, f"{{crs: '{UTM}', stats: ['count', 'std']}}")[0]
    assert row == {**dict.fromkeys(FIELDS), "count": 64, "std": 0}
    with pytest.raises(Exception, match=r'(?s)"two.tif"|has no band "blue".*1 "red", 2 "nir"'):
        mean("band: 'blue'")


def test_nan_is_not_counted_and_huge_rasters_are_read_in_strips(con, tmp_path):
    data = np.random.default_rng(3).normal(size=(2200, 1500)).astype("float32")
    data[::7, ::3] = np.nan
    path = write_raster(tmp_path / "big.tif", data, tiled=True, blockxsize=256, blockysize=256)
    got = stats(con, path, [shapely.box(499000, 4570000, 520000, 4610000)], f"{{crs: '{UTM}', coverage: 'exact'}}")[0]
    assert got["count"] == np.isfinite(data).sum()
    assert got["mean"] == pytest.approx(np.nanmean(data.astype(float)), abs=1e-12) and got["median"] == pytest.approx(np.nanmedian(data), abs=1e-9)
    con.execute("SET geoquilt_max_chunk_mb = 8")
    with pytest.raises(Exception, match="geoquilt_max_chunk_mb"):
        stats(con, path, [shapely.box(499000, 4570000, 520000, 4610000)])
    assert stats(con, path, [shapely.box(499000, 4570000, 520000, 4610000)], f"{{crs: '{UTM}', stats: 'mean'}}")[0]["mean"] == pytest.approx(got["mean"])


def test_threads_change_nothing_and_large_zones_wait_for_their_turn(con, tmp_path):
    data = np.random.default_rng(4).integers(0, 200, (900, 1000)).astype("uint8")
    path = write_raster(tmp_path / "a.tif", data, tiled=True, blockxsize=128, blockysize=128)
    shapes = blobs(8, 40, (500000, 4591000, 510000, 4600000), 800) + [shapely.box(500000, 4595000, 510000, 4600000)] * 2
    con.execute("SET geoquilt_threads = 1")
    alone = stats(con, path, shapes)
    # Half a million pixels take 8 MB: more than an eighth of the limit, and less than the limit.
    con.execute("SET geoquilt_threads = 8; SET geoquilt_max_chunk_mb = 9")
    assert stats(con, path, shapes) == alone and alone[-1]["count"] == 500_000
    con.execute("SET geoquilt_max_chunk_mb = 4")
    with pytest.raises(duckdb.Error, match="one zone take 8 MiB, above geoquilt_max_chunk_mb = 4"):
        stats(con, path, shapes)


def test_shapes_in_another_crs_are_projected_vertex_by_vertex(con, noise):
    path, data = noise
    shapes = [s for s in blobs(12, 60) if s.area > 2000]
    to_lonlat = pyproj.Transformer.from_crs(UTM, "OGC:CRS84", always_xy=True)
    there = [shapely.transform(s, lambda p: np.column_stack(to_lonlat.transform(p[:, 0], p[:, 1]))) for s in shapes]
    for a, b in zip(stats(con, path, shapes), stats(con, path, there, "{crs: 'OGC:CRS84'}")):
        assert b["count"] == pytest.approx(a["count"], abs=3)
    rows = con.execute("SELECT geo_zonal_stats(?, g::GEOMETRY).count FROM (SELECT unnest(?) AS g)", [path, [s.wkt for s in there]]).fetchall()
    assert [r[0] for r in rows] == [b["count"] for b in stats(con, path, there, "{crs: 'OGC:CRS84'}")]
    typed = con.execute(f"SELECT geo_zonal_stats(?, ST_SetCRS('{shapes[0].wkt}'::GEOMETRY, '{UTM}')).count", [path])
    assert typed.fetchone()[0] == stats(con, path, shapes[:1])[0]["count"]


def test_longitudes_wrap(con, tmp_path):
    data = np.arange(36 * 18, dtype="float32").reshape(18, 36)
    path = write_raster(tmp_path / "pacific.tif", data, crs="EPSG:4326", transform=from_origin(0, 90, 10, 10))
    got = stats(con, path, [shapely.box(-30, 0, 20, 10)], "{coverage: 'exact'}")[0]
    assert got["count"] == 5 and got["sum"] == data[8, [33, 34, 35, 0, 1]].sum()


@pytest.mark.parametrize("shape,message", [
    ("LINESTRING (500000 4600000, 500100 4599900)", r"geometry\): LINESTRING is not valid: must be a polygon"),
    ("POINT (500000 4600000)", r"geometry\): POINT is not valid: must be a polygon"),
    ("GEOMETRYCOLLECTION (POINT (1 1))", r"POINT is not valid: must be a polygon"),
])
def test_shapes_without_area_are_errors(con, noise, shape, message):
    with pytest.raises(Exception, match=message):
        con.execute(f"SELECT geo_zonal_stats('{noise[0]}', '{shape}'::GEOMETRY, {{crs: '{UTM}'}})")


def test_bad_input_is_told(con, noise, tmp_path):
    path, _ = noise
    box = "'POLYGON ((500000 4599900, 500100 4599900, 500100 4600000, 500000 4599900))'::GEOMETRY"
    ask = lambda options, path=path, shape=box: con.execute(f"SELECT geo_zonal_stats('{path}', {shape}, {options})").fetchone()[0]
    for options, message in [
        ("{stats: ['meen']}", r'geo_zonal_stats\(stats\): "meen" is not a statistic\nDid you mean "mean"'),
        ("{coverage: 'half'}", r'geo_zonal_stats\(coverage\): "half" is not a rule of coverage'),
        ("{crs: 'EPSG:0'}", r'geo_zonal_stats\(crs\): "EPSG:0" is not a coordinate reference system'),
        ("{band: 3}", r"has no band 3: it has 1"),
        ("{bnad: 3}", r'"bnad" is not an option'),
        ("{weights: 'none.tif'}", r'geo_zonal_stats\(weights\): "none.tif" does not exist'),
        ("{crs: 'OGC:CRS84'}", r"cannot project"),
    ]:
        with pytest.raises(Exception, match=message):
            ask(options)
    with pytest.raises(Exception, match="does not exist"):
        ask("{}".replace("{}", "{scaled: false}"), path="none.tif")
    assert ask(f"{{crs: '{UTM}'}}", shape="'POLYGON EMPTY'::GEOMETRY") is None
    assert ask(f"{{crs: '{UTM}'}}", shape="NULL::GEOMETRY") is None
    far = ask(f"{{crs: '{UTM}'}}", shape="'POLYGON ((0 0, 1 0, 1 1, 0 0))'::GEOMETRY")
    assert far["count"] == 0 and far["mean"] is None
    bare = tmp_path / "bare.tif"
    with rasterio.open(bare, "w", driver="GTiff", height=4, width=4, count=1, dtype="uint8") as out:
        out.write(np.ones((1, 4, 4), "uint8"))
    with pytest.raises(Exception, match="has no (CRS|geotransform)"):
        ask(f"{{crs: '{UTM}'}}", path=bare)


# --- geo_polygonize ---------------------------------------------------------------------------------------------------


def polygons(con, data, transform=TRANSFORM, options=None, crs=UTM):
    """[(shape, value)] of an array with None or NaN for nothing."""
    flat = [None if v is None or v != v else float(v) for v in np.asarray(data, object).ravel()]
    extra = f", {options}" if options else ""
    rows = con.execute(
        f"SELECT ST_AsWKB(p.geometry), p.value FROM (SELECT unnest(geo_polygonize(?::DOUBLE[], ?, ?, ?{extra})) AS p)",
        [flat, list(np.shape(data)), list(transform.to_gdal()), crs]).fetchall()
    return [(shapely.from_wkb(bytes(wkb)), value) for wkb, value in rows]


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("seed", range(8))
def test_polygons_are_rasterios_shapes(con, seed, connectivity):
    rng = np.random.default_rng(seed)
    data = rng.integers(0, 4, (rng.integers(1, 30), rng.integers(1, 30))).astype("float32") * 1.5
    mask = rng.random(data.shape) > 0.1
    want = [(shapely.geometry.shape(g), v) for g, v in features.shapes(data, mask=mask, connectivity=connectivity, transform=TRANSFORM)]
    got = polygons(con, np.where(mask, data, np.nan), options=f"{{connectedness: {connectivity}}}")
    assert len(got) == len(want)
    key = lambda pair: (pair[1], shapely.normalize(pair[0]).wkt)
    for (a, v), (b, w) in zip(sorted(got, key=key), sorted(want, key=key)):
        assert v == w and shapely.normalize(a).equals_exact(shapely.normalize(b), 1e-6)


def test_drawing_polygons_gives_the_pixels_back(con):
    rng = np.random.default_rng(1)
    data = rng.integers(1, 4, (20, 25))
    pixels = con.execute(f"""SELECT geo_rasterize(geo_polygonize(?::DOUBLE[], [20, 25], ?, '{UTM}'),
        {{bbox: {{xmin: 500000.0::DOUBLE, ymin: 4599800.0::DOUBLE, xmax: 500250.0::DOUBLE, ymax: 4600000.0::DOUBLE}}, crs: '{UTM}', t_min: NULL, t_max: NULL, width: 25, height: 20}},
        {{crs: '{UTM}'}}).data""", [data.ravel().tolist(), list(TRANSFORM.to_gdal())]).fetchone()[0]
    assert (np.array(pixels).reshape(20, 25) == data).all()


def test_values_are_told_exactly(con):
    """GDAL's own float version takes neighbours within some ULPs for one value."""
    a, b = 0.1, np.nextafter(0.1, 1)
    assert [v for _, v in polygons(con, [[a, b]])] == [a, b]
    assert [v for _, v in polygons(con, [[0.0, -0.0]])] == [0.0]
    assert [v for _, v in polygons(con, [[np.inf, 2.0**53, None]])] == [np.inf, 2.0**53]
    assert polygons(con, [[None, np.nan]]) == []


def test_true_pixels_become_polygons(con):
    rows = con.execute("SELECT unnest(geo_polygonize([true, false, NULL, true], [2, 2], [0, 1, 0, 2, 0, -1], 'EPSG:32629')).value").fetchall()
    assert rows == [(1.0,), (1.0,)]


def test_polygons_in_another_crs(con):
    lonlat = polygons(con, [[1, 1], [1, 2]], options="{to_crs: 'OGC:CRS84'}")
    plain = polygons(con, [[1, 1], [1, 2]])
    to_lonlat = pyproj.Transformer.from_crs(UTM, "OGC:CRS84", always_xy=True)
    for (a, _), (b, _) in zip(lonlat, plain):
        want = shapely.transform(b, lambda p: np.column_stack(to_lonlat.transform(p[:, 0], p[:, 1])))
        assert a.equals_exact(want, 1e-9)


def test_polygonize_refuses_what_does_not_fit(con):
    ask = lambda *a: con.execute(f"SELECT geo_polygonize({', '.join(a)})").fetchone()[0]
    data, shape, transform, crs = "[1, 2, 3, 4]::DOUBLE[]", "[2, 2]", "[0, 1, 0, 2, 0, -1]", "'EPSG:32629'"
    assert len(ask(data, shape, transform, crs)) == 4
    for arguments, message in [
        ((data, "[2, 3]", transform, crs), r"geo_polygonize\(data\): 4 values for 2 rows and 3 columns"),
        ((data, "[3, 2, 2]", transform, crs), r"geo_polygonize\(shape\): \[3, 2, 2\] is not valid"),
        ((data, "[0, 4]", transform, crs), r"geo_polygonize\(shape\)"),
        ((data, shape, "[0, 1, 0, 2, 0]", crs), r"geo_polygonize\(transform\)"),
        ((data, shape, "[0, 0, 0, 2, 0, -1]", crs), r"geo_polygonize\(transform\)"),
        ((data, shape, transform, crs, "{connectedness: 6}"), r"geo_polygonize\(connectedness\): 6 is not valid: must be 4 or 8"),
        ((data, shape, transform, crs, "{to_crs: 'EPSG:0'}"), r"geo_polygonize\(to_crs\)"),
        ((data, shape, transform, "'EPSG:0'", "{to_crs: 'OGC:CRS84'}"), r"geo_polygonize\(crs\)"),
    ]:
        with pytest.raises(Exception, match=message):
            ask(*arguments)
    assert ask("NULL::DOUBLE[]", shape, transform, crs) is None
    assert ask(data, shape, transform, "NULL") is None


def test_touched_pixels_are_those_that_geo_rasterize_draws(con, tmp_path):
    """Also where edges run along the borders of cells, and of the raster: rasterio.features.rasterize is behind both. An oblique edge
    exactly through a corner of cells is left out: there GDAL's answer depends on the window that it draws in, and on its version."""
    rng = np.random.default_rng(3)
    path, transform = tmp_path / "z.tif", from_origin(500000, 8, 1, 1)
    write_raster(path, np.arange(96, dtype="f4").reshape(8, 12), crs="EPSG:25832", transform=transform)
    polygons = [shapely.Polygon([(2, 2), (2, 3), (5.25, 3), (4.75, 2)]), shapely.box(0, 0, 12, 8), shapely.box(12, 0, 14, 8), shapely.box(3, 3, 5, 5)]
    polygons += [shapely.box(*low, *(low + size)) for low, size in zip(rng.integers(-2, 10, (40, 2)), rng.integers(1, 6, (40, 2)))]
    polygons += [shapely.convex_hull(shapely.MultiPoint(rng.uniform(-1, 14, (5, 2)))) for _ in range(60)]
    for polygon in polygons:
        if polygon.geom_type != "Polygon":
            continue
        polygon = shapely.affinity.translate(polygon, 500000, 0)
        drawn = features.rasterize([polygon], (8, 12), transform=transform, all_touched=True).ravel()
        stats = con.execute(f"SELECT geo_zonal_stats('{path}', '{polygon.wkt}'::GEOMETRY, {{coverage: 'touched', crs: 'EPSG:25832'}})").fetchone()[0]
        assert (stats["count"], stats["sum"] or 0) == (drawn.sum(), np.arange(96)[drawn == 1].sum()), polygon.wkt


def test_a_crs_that_proj_does_not_know_is_refused(con):
    with pytest.raises(duckdb.Error, match=r"geo_polygonize\(crs\)"):
        con.execute("SELECT geo_polygonize([1, 2], [1, 2], [0.0, 1, 0, 0, 0, -1], 'x')")
