"""Pixels within a shape, for each read, against rasterio.mask and rasterio.features on random polygons."""
import numpy as np
import pyarrow as pa
import pytest
import rasterio
import shapely
import shapely.affinity
from rasterio.features import geometry_mask
from rasterio.mask import mask as rasterio_mask
from rasterio.transform import from_origin
from rasterio.warp import transform_geom
from shapely.geometry import mapping, shape as shape_of

ORIGIN = (500000, 4600000)


def polygon(rng, centre, radius, holes=True):
    """A star with holes, in any direction."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 12))))
    far = rng.uniform(0.3, 1, len(angles)) * radius
    outer = shapely.Polygon(np.stack([centre[0] + far * np.cos(angles), centre[1] + far * np.sin(angles)], 1)).buffer(0)
    if holes and not outer.is_empty:
        outer = outer.difference(shapely.Point(*rng.normal(centre, radius / 4)).buffer(radius / 6, quad_segs=3))
    return outer


def shapes(rng, count, bounds):
    left, bottom, right, top = bounds
    for index in range(count):
        parts = [polygon(rng, rng.uniform((left, bottom), (right, top)), rng.uniform(0.05, 0.6) * (right - left)) for _ in range(1 + index % 3)]
        yield shapely.union_all(parts)


def read(con, sql, *parameters):
    data, shape = con.execute(sql, list(parameters)).fetchall()[0]
    return np.ma.masked_array([0 if v is None else v for v in data], [v is None for v in data]).reshape(shape)


@pytest.fixture
def scene(raster, rng):
    data = rng.integers(1, 200, (2, 60, 80)).astype("uint8")
    return raster("scene.tif", data, nodata=7, blockxsize=32, blockysize=32, tiled=True)


@pytest.mark.parametrize("all_touched", [False, True])
def test_every_read_gives_the_pixels_of_rasterio_mask(con, scene, rng, all_touched):
    seen = set()
    with rasterio.open(scene) as src:
        for geometry in shapes(rng, 40, src.bounds):
            options = f"{{within: '{geometry.wkt}'::GEOMETRY, within_crs: 'EPSG:32629', all_touched: {all_touched}, boundless: true}}"
            named = f"within := '{geometry.wkt}'::GEOMETRY, within_crs := 'EPSG:32629', all_touched := {all_touched}, boundless := true"
            try:
                want, _ = rasterio_mask(src, [mapping(geometry)], all_touched=all_touched, filled=False)
            except ValueError:
                want = np.ma.masked_all((2, 60, 80), "uint8")
            seen.add(want.mask.all() or want.count())
            win = "{row_off: 0, col_off: 0, height: 60, width: 80}"
            slice_ = "(SELECT geo_slice([height, width], transform, crs) AS s FROM geo_catalog_build($1))"
            reads = {
                "scalar patch": f"SELECT read_patch($1, {win}, {options}), [2, 60, 80]",
                "patches": f"SELECT data, shape FROM read_patch([{{path: $1, win: {win}}}], {named})",
                "scalar slice": f"SELECT r.data, r.shape FROM (SELECT read_slice($1, s, {options}) AS r FROM {slice_})",
                "scalar series": f"SELECT r.data, r.shape[2:] FROM (SELECT read_series([$1], [TIMESTAMP '2020-01-01'], s, {options}) AS r FROM {slice_})",
            }
            for name, sql in reads.items():
                got = read(con, sql, scene)
                np.testing.assert_array_equal(np.ma.getmaskarray(got), np.ma.getmaskarray(want), err_msg=f"{name}: {geometry.wkt}")
                np.testing.assert_array_equal(got.filled(0), want.filled(0), err_msg=name)
    assert len(seen) > 20


def test_streams_of_slices_and_series_take_a_shape_a_row(con, scene, rng, tmp_path):
    with rasterio.open(scene) as src:
        all_shapes = [geometry for geometry in shapes(rng, 12, src.bounds)]
        want = [geometry_mask([mapping(geometry)], src.shape, src.transform) for geometry in all_shapes]
        plain = src.read(1) == 7
    con.execute("CREATE TABLE shapes (id INTEGER, geometry GEOMETRY)")
    con.executemany("INSERT INTO shapes VALUES (?, ?)", [[i, geometry.wkt] for i, geometry in enumerate(all_shapes)])
    con.execute(f"""CREATE TABLE rows AS SELECT id, '{scene}' AS path, ['{scene}'] AS paths, [TIMESTAMP '2020-01-01'] AS times, s AS slice,
        {{within: geometry, within_crs: 'EPSG:32629', bands: [1]}} AS options FROM shapes, (SELECT geo_slice([height, width], transform, crs) AS s FROM geo_catalog_build('{scene}')) ORDER BY id""")
    con.execute("SET VARIABLE rows = (SELECT list(rows ORDER BY id) FROM rows)")
    con.execute(f"COPY (SELECT * REPLACE (struct_update(options, within := ST_AsWKB(options.within)) AS options) FROM rows ORDER BY id) TO '{tmp_path}/rows.parquet'")
    win = "{row_off: 0, col_off: 0, height: 60, width: 80}"
    reads = [
        "SELECT data FROM read_slice(getvariable('rows'))", f"SELECT data FROM read_slice('{tmp_path}/rows.parquet')",
        "SELECT data FROM read_series(getvariable('rows'))",
        "SELECT read_slice(path, slice, {within: geometry, within_crs: 'EPSG:32629', bands: [1]}).data FROM rows JOIN shapes USING (id) ORDER BY id",
        "SELECT read_series(paths, times, slice, options).data FROM rows ORDER BY id",
        f"SELECT read_patch(path, {win}, options) FROM rows ORDER BY id",
        f"SELECT read_patch(path, {win}, {{within: geometry, within_crs: 'EPSG:32629', bands: [1]}}) FROM rows JOIN shapes USING (id) ORDER BY id",
    ]
    for sql in reads:
        got = con.execute(sql).fetchall()
        assert len(got) == 12
        for (data,), outside in zip(got, want):
            np.testing.assert_array_equal(np.reshape([v is None for v in data], (60, 80)), outside | plain, err_msg=sql)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:3035"])
def test_a_shape_in_any_crs_is_brought_onto_the_pixels(con, scene, rng, crs):
    with rasterio.open(scene) as src:
        for geometry in shapes(rng, 12, src.bounds):
            there = shape_of(transform_geom("EPSG:32629", crs, mapping(geometry)))
            back = transform_geom(crs, "EPSG:32629", mapping(there))
            want = geometry_mask([back], src.shape, src.transform) if not there.is_empty else np.ones(src.shape, bool)
            own = "OGC:CRS84" if crs == "EPSG:4326" else crs
            for within in (f"within: '{there.wkt}', within_crs: '{crs}'", f"within: ST_SetCRS('{there.wkt}'::GEOMETRY, '{own}')"):
                got = con.execute(f"SELECT read_patch($1, {{row_off: 0, col_off: 0, height: 60, width: 80}}, {{bands: [1], {within}}})", [scene]).fetchall()[0][0]
                got = np.reshape([v is None for v in got], (60, 80))
                # A centre on an edge, to the last bit, is on either side.
                assert (got != (want | (src.read(1) == 7))).sum() <= 1


def test_a_slice_in_another_crs_is_cut_on_its_own_grid(con, scene, rng):
    with rasterio.open(scene) as src:
        bounds = src.bounds
    for geometry in shapes(rng, 6, bounds):
        there = transform_geom("EPSG:32629", "EPSG:4326", mapping(geometry))
        sql = f"""SELECT r.data, r.shape, r.transform, p.data FROM (
            SELECT read_slice($1, s, {{bands: [1], resampling: 'bilinear', within: '{geometry.wkt}', within_crs: 'EPSG:32629'}}) AS r, read_slice($1, s, {{bands: [1], resampling: 'bilinear'}}) AS p
            FROM (SELECT geo_slice('{shapely.box(*bounds).wkt}', 0.0001, 'EPSG:4326', {{shape_crs: 'EPSG:32629'}}) AS s))"""
        data, shape, transform, plain = con.execute(sql, [scene]).fetchall()[0]
        outside = geometry_mask([there], shape[1:], rasterio.Affine.from_gdal(*transform)).ravel()
        assert [None if cut else value for cut, value in zip(outside, plain)] == data


def test_windows_streams_and_rasters_to_the_south_are_cut_where_they_lie(con, raster, rng):
    data = rng.integers(1, 200, (1, 50, 40)).astype("int16")
    for name, transform in (("north.tif", from_origin(*ORIGIN, 10, 10)), ("south.tif", rasterio.Affine(10, 0, ORIGIN[0], 0, 10, ORIGIN[1] - 500))):
        path = raster(name, data, transform=transform)
        bounds = (ORIGIN[0], ORIGIN[1] - 500, ORIGIN[0] + 400, ORIGIN[1])
        for geometry in shapes(rng, 6, bounds):
            outside = geometry_mask([mapping(geometry)], (50, 40), transform)
            for (data_, win) in con.execute(f"SELECT data, win FROM read_patch($1, size := 16, edge := 'overflow', within := '{geometry.wkt}', within_crs := 'EPSG:32629')", [path]).fetchall():
                row, col = win["row_off"], win["col_off"]
                want = np.pad(np.where(outside, -1, data[0]), 20, constant_values=-1)[row + 20:row + 36, col + 20:col + 36]
                np.testing.assert_array_equal(np.reshape([-1 if v is None else v for v in data_], (16, 16)), want)


def test_what_lies_outside_counts_nothing(con, scene, rng):
    with rasterio.open(scene) as src:
        for geometry in shapes(rng, 6, src.bounds):
            cut = np.ma.masked_array(src.read(1), geometry_mask([mapping(geometry)], src.shape, src.transform) | (src.read(1) == 7))
            s = con.execute(f"SELECT geo_patch_stats($1, {{row_off: 0, col_off: 0, height: 60, width: 80}}, {{bands: [1], within: '{geometry.wkt}', within_crs: 'EPSG:32629'}})[1]", [scene]).fetchall()[0][0]
            assert s["n"] == cut.count() and (s["n"] == 0 or s["mean"] == pytest.approx(cut.mean()))
            dense = con.execute(f"SELECT read_patch($1, {{row_off: 0, col_off: 0, height: 60, width: 80}}, {{bands: [1], fill: -5, within: '{geometry.wkt}', within_crs: 'EPSG:32629'}})", [scene]).fetchall()[0][0]
            np.testing.assert_array_equal(np.reshape(dense, (60, 80)), cut.astype("float64").filled(-5))


def test_merges_and_steps_are_cut_after_they_are_made(con, raster):
    one, two = raster("one.tif", np.full((4, 4), 1, "uint8")), raster("two.tif", np.full((4, 4), 2, "uint8"))
    square = "POLYGON ((500010 4599970, 500030 4599970, 500030 4599990, 500010 4599990, 500010 4599970))"
    inside = [r in (1, 2) and c in (1, 2) for r in range(4) for c in range(4)]
    sql = """SELECT read_slice($1, s, {merge: 'count', within: $2, within_crs: 'EPSG:32629'}).data, read_series($1, [TIMESTAMP '2020-01-01', TIMESTAMP '2020-01-02'], s, {within: $2, within_crs: 'EPSG:32629'}).data
        FROM (SELECT geo_slice([4, 4], [500000, 10, 0, 4600000, 0, -10], 'EPSG:32629') AS s)"""
    count, series = con.execute(sql.replace("$2", f"'{square}'"), [[one, two]]).fetchall()[0]
    assert count == [2 if i else None for i in inside]
    assert series == [1 if i else None for i in inside] + [2 if i else None for i in inside]


def test_a_shape_over_the_antimeridian_holds_both_sides(con, tmp_path, raster):
    path = raster("globe.tif", np.arange(1, 18 * 36 + 1, dtype="float32").reshape(18, 36), crs="EPSG:4326", transform=from_origin(-180, 90, 10, 10))
    # A slice that runs on beyond 180, and a shape that is written on either side of it.
    sql = "SELECT read_slice($1, geo_slice({xmin: 160, ymin: 0, xmax: 210, ymax: 20}, 10, 'EPSG:4326'), {within: $2}).data"
    got = [con.execute(sql.replace("$2", f"'{shape}'"), [path]).fetchall()[0][0] for shape in (
        "POLYGON ((170 0, 200 0, 200 20, 170 20, 170 0))", "MULTIPOLYGON (((170 0, 180 0, 180 20, 170 20, 170 0)), ((-180 0, -160 0, -160 20, -180 20, -180 0)))")]
    plain = con.execute("SELECT read_slice($1, geo_slice({xmin: 160, ymin: 0, xmax: 210, ymax: 20}, 10, 'EPSG:4326')).data", [path]).fetchall()[0][0]
    want = [value if 1 <= i % 5 <= 3 else None for i, value in enumerate(plain)]
    assert got == [want, want]


@pytest.mark.parametrize("options, words", [
    ("{within: 'POLYGON ((0 0'}", ["within", "POLYGON ((0 0", "WKT"]),
    ("{within: 7}", ["within", "7", "GEOMETRY"]),
    ("{within: 'POLYGON EMPTY'::GEOMETRY}", ["within", "empty"]),
    ("{within: NULL::GEOMETRY}", ["within", "NULL"]),
    ("{all_touched: true}", ["all_touched", "{within: geometry}"]),
    ("{within_crs: 'EPSG:3857'}", ["within_crs", "{within: geometry}"]),
    ("{within: 'POINT (0 0)', within_crs: 'EPSG:1'}", ["within_crs", "EPSG:1"]),
    ("{within: 'POINT (0 0)', all_touched: 3}", ["all_touched", "true or false"]),
])
def test_bad_shapes_are_named(con, scene, options, words):
    for read_ in ("read_patch($1, {row_off: 0, col_off: 0, height: 2, width: 2}, OPTIONS)", "read_slice($1, geo_slice([2, 2], [500000, 10, 0, 4600000, 0, -10], 'EPSG:32629'), OPTIONS)"):
        with pytest.raises(Exception) as error:
            con.execute(f"SELECT {read_.replace('OPTIONS', options)}", [scene]).fetchall()
        assert all(word in str(error.value) for word in words), error.value


def test_a_raster_without_a_place_has_no_shape(con, tmp_path):
    path = tmp_path / "bare.tif"
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning), rasterio.open(path, "w", driver="GTiff", height=4, width=4, count=1, dtype="uint8") as dst:
        dst.write(np.ones((1, 4, 4), "uint8"))
    with pytest.raises(Exception, match="bare.tif"):
        con.execute("SELECT read_patch($1, {row_off: 0, col_off: 0, height: 2, width: 2}, {within: 'POINT (0 0)'})", [str(path)]).fetchall()
