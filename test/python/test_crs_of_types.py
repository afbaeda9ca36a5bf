"""The CRS that a geometry's type carries is seen by every function that asks where a shape lies, on both engines."""
import geopandas
import numpy as np
import pyproj
import pytest
import shapely
from conftest import write_raster
from rasterio.transform import from_origin

UTM = "EPSG:32629"
BOX = (500000.0, 4599000.0, 501000.0, 4600000.0)
SHAPE = shapely.Polygon([(500103, 4599107), (500893, 4599211), (500611, 4599889), (500107, 4599703)])
SLICE = f"geo_slice({{xmin: {BOX[0]}, ymin: {BOX[1]}, xmax: {BOX[2]}, ymax: {BOX[3]}}}, 10, '{UTM}')"
BARE = f"'{SHAPE.wkt}'::GEOMETRY"
# A type whose CRS is a code, and one whose CRS is PROJJSON.
TYPED = {"code": f"ST_SetCRS({BARE}, '{UTM}')", "projjson": f"geoquilt.geo_set_crs({BARE}, '{UTM}')"}

# What a call gives of a geometry, with options in which its CRS may be named.
SEEN = {
    "geo_zonal_stats": "SELECT geo_zonal_stats('{raster}', {shape}{options})",
    "st_land_fraction": "SELECT st_land_fraction({shape}, '{raster}'{options})",
    "geo_rasterize": "SELECT geo_rasterize([{shape}], {slice}{options}).data",
    "geo_rasterize with classes": "SELECT geo_rasterize([{{geometry: {shape}, value: 3}}], {slice}{options}).data",
    "geo_rasterize of a column": "SELECT geo_rasterize(list(g), {slice}{options}).data FROM (SELECT {shape} AS g FROM range(2))",
    "geo_slice": "SELECT geo_slice({shape}, 0.001, 'OGC:CRS84'{slice_options}).bbox",
}
# Those that are told the CRS, or ask nothing that hangs on it.
TOLD = {"geo_project", "geo_block", "geo_query_area", "geo_set_crs", "catalog_query", "geo_footprint_places", "geo_footprint_room", "geo_footprint_windows"}
# Whose shape is an option, `within`: test_within.py.
WITHIN = {"read_patch", "read_slice", "read_series", "geo_patch_stats"}
# In FROM: its anchors may be points.
FROM = {"geo_patch_grid"}
PLAIN = {"geo_bbox", "geo_intersects", "geo_intersection", "geo_difference"}


@pytest.fixture
def raster(tmp_path):
    data = (np.arange(10000).reshape(100, 100) % 7 % 2).astype("uint8")
    return write_raster(tmp_path / "r.tif", data, crs=UTM, transform=from_origin(BOX[0], BOX[3], 10, 10))


def ask(con, call, raster, shape, crs=None):
    sql = SEEN[call].format(raster=raster, shape=shape, slice=SLICE, options=f", {{crs: '{crs}'}}" if crs else "",
                            slice_options=f", {{shape_crs: '{crs}'}}" if crs else "")
    return con.execute(sql).fetchone()[0]


def test_every_function_that_takes_geometries_is_here(con):
    named = "SELECT DISTINCT name FROM (SELECT name, unnest(parameters) AS p FROM geoquilt_functions()) WHERE p.type LIKE '%GEOMETRY%'"
    takes = {name.removeprefix("geoquilt.") for name, in con.execute(named).fetchall()}
    assert takes == {call.split()[0] for call in SEEN} | TOLD | PLAIN | FROM | WITHIN


@pytest.mark.parametrize("how", TYPED)
@pytest.mark.parametrize("call", SEEN)
def test_the_crs_of_a_type_is_that_which_an_option_names(con, raster, call, how):
    want = ask(con, call, raster, BARE, UTM)
    assert ask(con, call, raster, TYPED[how]) == want
    assert ask(con, call, raster, TYPED[how], UTM) == want
    with pytest.raises(Exception, match="the geometry is in .*29.*, and .*crs says EPSG:32630"):
        ask(con, call, raster, TYPED[how], "EPSG:32630")


def test_the_crs_of_anchors_is_that_of_their_type(con):
    there = pyproj.Transformer.from_crs(UTM, "EPSG:32630", always_xy=True).transform(500305.0, 4599505.0)
    box = "{{xmin: {}, ymin: {}, xmax: {}, ymax: {}}}".format(*BOX)

    def wins(anchors, more=""):
        return con.execute(f"SELECT win FROM geo_patch_grid({box}, resolution := 10, crs := '{UTM}', size := 1, sampler := 'explicit', anchors := {anchors}{more})").fetchall()

    point = f"'POINT ({there[0]!r} {there[1]!r})'::GEOMETRY"
    want = wins(f"[{point}]", ", anchors_crs := 'EPSG:32630'")
    assert (want[0][0]["row_off"], want[0][0]["col_off"]) == (49, 30)
    for typed in (f"ST_SetCRS({point}, 'EPSG:32630')", f"geoquilt.geo_set_crs({point}, 'EPSG:32630')"):
        con.execute(f"SET VARIABLE anchors = (SELECT list({typed}))")
        for anchors in (f"[{typed}]", "getvariable('anchors')"):
            assert wins(anchors) == want
        with pytest.raises(Exception, match="anchors_crs says EPSG:3857"):
            wins(f"[{typed}]", ", anchors_crs := 'EPSG:3857'")


@pytest.mark.parametrize("call", [call for call in SEEN if call != "geo_slice"])
def test_shapes_in_metres_under_no_crs_are_told_and_not_lost(con, raster, call):
    with pytest.raises(Exception, match=r"not in degrees(?s:.*)give \{crs: 'EPSG:\.\.\.'\}"):
        ask(con, call, raster, BARE)


def test_shapes_in_degrees_under_no_crs_are_longitude_and_latitude(con, raster):
    there = shapely.transform(shapely.segmentize(SHAPE, 10), pyproj.Transformer.from_crs(UTM, "OGC:CRS84", always_xy=True).transform, interleaved=False)
    for call in SEEN:
        bare = f"'{there.wkt}'::GEOMETRY"
        typed = f"ST_SetCRS({bare}, 'OGC:CRS84')"
        assert ask(con, call, raster, bare) == ask(con, call, raster, typed)
        if "geo_rasterize" in call:
            assert np.count_nonzero(ask(con, call, raster, bare)) == pytest.approx(SHAPE.area / 100, rel=0.02)


@pytest.mark.parametrize("crs", [UTM, "EPSG:3035"])
def test_geometries_of_geoparquet_are_drawn_where_they_are(con, tmp_path, crs):
    frame = geopandas.GeoDataFrame({"value": [1.0, 2.0]}, geometry=[SHAPE, shapely.box(500700, 4599700, 500900, 4599900)], crs=UTM).to_crs(crs)
    frame.to_parquet(tmp_path / "x.parquet")
    got = con.execute(f"SELECT geo_rasterize(list({{geometry: geometry, value: \"value\"}} ORDER BY \"value\"), {SLICE}).data FROM '{tmp_path}/x.parquet'").fetchone()[0]
    bare = con.execute(f"SELECT geo_rasterize(list(geometry ORDER BY \"value\"), {SLICE}, {{labels: [1, 2]}}).data FROM '{tmp_path}/x.parquet'").fetchone()[0]
    assert got == bare
    for label in (1, 2):
        area = frame.to_crs(UTM).geometry.iloc[label - 1]
        area = area.difference(frame.to_crs(UTM).geometry.iloc[1]) if label == 1 else area
        assert got.count(label) == pytest.approx(area.area / 100, rel=0.03)
    box = con.execute(f"SELECT geo_slice(geometry, 10, '{UTM}').bbox FROM '{tmp_path}/x.parquet' LIMIT 1").fetchone()[0]
    assert (box["xmin"], box["ymax"]) == pytest.approx((SHAPE.bounds[0], SHAPE.bounds[3]), abs=0.01)


def test_long_definitions_are_told_by_their_name(con, raster):
    with pytest.raises(Exception) as error:
        ask(con, "geo_zonal_stats", raster, TYPED["projjson"], "EPSG:32630")
    assert 'is in "WGS 84 / UTM zone 29N"' in str(error.value) and "$schema" not in str(error.value)


@pytest.mark.parametrize("call,value,words", [
    ("SELECT geo_zonal_stats('{raster}', {value})", "7", ["geo_zonal_stats(geometry)", "7", "WKT"]),
    ("SELECT geo_zonal_stats('{raster}', {value})", "'POLYGO ((0 0))'", ["geo_zonal_stats(geometry)", "POLYGO", "WKT"]),
    ("SELECT geo_zonal_stats('{raster}', {value})", "'\\x00'::BLOB", ["geo_zonal_stats(geometry)", "blob", "ST_GeomFromWKB"]),
    ("SELECT st_land_fraction({value}, '{raster}')", "{'xmin': 0, 'ymin': 0, 'xmax': 1}", ["st_land_fraction(shape)", "{xmin, ymin, xmax, ymax}"]),
    ("SELECT geo_slice({value}, 1, 'EPSG:32629')", "{'xmin': 0, 'ymin': 0, 'xmax': 1, 'top': 1}", ["geo_slice(shape)", "top"]),
    ("SELECT geo_slice({value}, [0, 1, 0, 0, 0, -1], 'EPSG:32629')", "[1.5, 2]", ["geo_slice(shape)", "whole numbers"]),
    ("SELECT geo_rasterize({value}, " + SLICE + ")", "7", ["geo_rasterize(features)", "7"]),
    ("SELECT geo_rasterize([{value}], " + SLICE + ")", "{'geometry': " + BARE + ", 'class': 1}", ["geo_rasterize(features)", "{geometry, value}"]),
])
def test_what_is_no_shape_is_named(con, raster, call, value, words):
    with pytest.raises(Exception) as error:
        con.execute(call.replace("{raster}", raster).replace("{value}", value)).fetchall()
    assert all(word in str(error.value) for word in words), error.value


def test_boxes_and_nulls_come_in_every_form(con, raster):
    for box in ("{{xmin: {}, ymin: {}, xmax: {}, ymax: {}}}", "({}, {}, {}, {})", "{{ymin: {1}, xmin: {0}, YMAX: {3}::HUGEINT, xmax: {2}::DECIMAL(18, 3)}}"):
        box = box.format(500100, 4599100, 500900, 4599900)
        assert con.execute(f"SELECT st_land_fraction({box}, '{raster}', {{crs: '{UTM}'}})").fetchone() == con.execute(
            f"SELECT st_land_fraction('{shapely.box(500100, 4599100, 500900, 4599900).wkt}'::GEOMETRY, '{raster}', {{crs: '{UTM}'}})").fetchone()
        assert con.execute(f"SELECT geo_slice({box}, 10, '{UTM}').width").fetchone() == (80,)
    nulls = ["NULL", "NULL::GEOMETRY", f"ST_SetCRS(NULL::GEOMETRY, '{UTM}')"]
    for null in nulls:
        assert con.execute(f"SELECT geo_zonal_stats('{raster}', {null}), st_land_fraction({null}, '{raster}'), geo_slice({null}, 10, '{UTM}')").fetchone() == (None, None, None)
    for features in ("[NULL]", "[]", "[NULL::GEOMETRY]", "NULL"):
        row = con.execute(f"SELECT geo_rasterize({features}, {SLICE})").fetchone()[0]
        assert row is None if features == "NULL" else not any(row["data"])
    for empty in ("'POINT EMPTY'", "'POLYGON EMPTY'", "'POINT EMPTY'::GEOMETRY", "'POLYGON EMPTY'::GEOMETRY"):
        assert con.execute(f"SELECT geo_slice({empty}, 10, '{UTM}')").fetchone() == (None,)
        if "POLYGON" in empty:
            assert con.execute(f"SELECT geo_zonal_stats('{raster}', {empty}), st_land_fraction({empty}, '{raster}')").fetchone() == (None, None)
    # Parameters of a prepared statement have no type before they have a value.
    assert con.execute("SELECT geo_slice(?, 10, 'EPSG:32629').width", [f"POINT ({BOX[0]} {BOX[1]})"]).fetchone() == (1,)
