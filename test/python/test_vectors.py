"""Vector files in the catalog against geopandas and pyogrio; geo_rasterize against rasterio.features.rasterize."""
import json
import os
import shutil
import zipfile

import duckdb
import geopandas
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely
from conftest import ROOT, connect, run_python, sql_list, write_raster
from rasterio import features
from rasterio.transform import from_bounds, from_origin

UTM = "EPSG:32629"


def frame(seed, n, box=(-9, 38, -7, 40), kind="polygon", crs="EPSG:4326"):
    """Random features with a class, a name and a NULL here and there."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(box[0], box[2], n), rng.uniform(box[1], box[3], n)
    size = min(box[2] - box[0], box[3] - box[1]) / 8
    if kind == "point":
        shapes = shapely.points(x, y)
    elif kind == "line":
        shapes = [shapely.LineString(rng.uniform(-size, size, (4, 2)) + (a, b)) for a, b in zip(x, y)]
    else:
        shapes = [shapely.Point(a, b).buffer(rng.uniform(size / 4, size), quad_segs=rng.integers(1, 6)) for a, b in zip(x, y)]
    label = rng.integers(1, 9, n)
    return geopandas.GeoDataFrame({"class": label, "name": [f"kind {v}" for v in label]}, geometry=shapes, crs=crs)


def catalog(con, paths, options=""):
    paths = sql_list(paths if isinstance(paths, list) else [paths])
    return con.execute(f"SELECT * EXCLUDE (geometry, modified), ST_AsWKB(geometry) AS wkb FROM geo_catalog_build({paths}{options})").df()


def test_the_parts_of_a_file_are_no_files_of_their_own(con, tmp_path):
    for name in ["fields", "roads"]:
        frame(1, 5).to_file(tmp_path / f"{name}.shp")
    path = write_raster(tmp_path / "fields.tif", np.zeros((4, 4), "uint8"))
    for beside in ["fields.tif.aux.xml", "fields.tfw", "fields.shp.xml", "fields.qix"]:
        (tmp_path / beside).write_text("<x/>")
    rows = catalog(con, tmp_path / "fields*", ", on_error := 'report'")
    assert rows["path"].tolist() == [str(tmp_path / "fields.shp"), path] and rows["error"].isna().all()
    assert catalog(con, tmp_path / "fields.dbf", ", on_error := 'report'")["path"].tolist() == [str(tmp_path / "fields.dbf")]  # named, so tried
    assert len(catalog(con, tmp_path / "**/*")) == 3


def test_a_file_of_another_kind_names_the_function_for_it(con, tmp_path):
    data, slice_ = frame(1, 20), "geo_slice({xmin: -9, ymin: 38, xmax: -7, ymax: 40}, 0.1, 'OGC:CRS84')"
    for part, name in enumerate(["a1", "a2"]):
        data.iloc[part * 10:part * 10 + 10].to_file(tmp_path / f"{name}.gpkg")
    data.to_parquet(tmp_path / "all.parquet")
    raster = write_raster(tmp_path / "r.tif", np.zeros((4, 4), "uint8"))

    def said(sql):
        with pytest.raises(duckdb.Error) as failure:
            con.execute(sql).fetchall()
        return str(failure.value)

    for function in ["SELECT read_patch('%s', {row_off: 0, col_off: 0, height: 1, width: 1})", f"SELECT read_slice('%s', {slice_})", "FROM geo_patch_grid('%s')",
                     "SELECT geo_zonal_stats('%s', 'POLYGON ((0 0, 1 0, 0 1, 0 0))')"]:
        assert 'a1.gpkg" is a vector file, not a raster\nDraw it on a grid with geo_rasterize' in said(function % (tmp_path / "a1.gpkg")), function
        assert 'all.parquet" is a Parquet file, which is a table to DuckDB' in said(function % (tmp_path / "all.parquet")), function
    assert 'r.tif" is a raster, not a vector file\nRead it with read_patch' in said(f"SELECT geo_rasterize('{raster}', {slice_})")
    for function in [f"SELECT geo_rasterize('{tmp_path}/all.parquet', {slice_})", f"FROM geo_catalog_build('{tmp_path}/all.parquet')", f"FROM geo_catalog_build('{tmp_path}/all.parquet', kind := 'vector')"]:
        assert f"SELECT geo_rasterize(list(geometry), slice) FROM '{tmp_path}/all.parquet'" in said(function)
    assert "One file is wanted here, not a glob" in said(f"SELECT geo_zonal_stats('{tmp_path}/*.tif', 'POLYGON ((0 0, 1 0, 0 1, 0 0))')")
    # What the messages advise works, and a glob is drawn file by file.
    want = con.execute(f"SELECT geo_rasterize(['{tmp_path}/a1.gpkg', '{tmp_path}/a2.gpkg'], {slice_}).data").fetchone()[0]
    assert any(want) and con.execute(f"SELECT geo_rasterize('{tmp_path}/a*.gpkg', {slice_}).data").fetchone()[0] == want
    assert con.execute(f"SELECT geo_rasterize(list(geometry), {slice_}).data FROM '{tmp_path}/all.parquet'").fetchone()[0] == want
    con.execute(f"CREATE VIEW files AS SELECT 'all.parquet' AS path, geometry, geo_bbox(geometry) AS bbox, NULL::TIMESTAMP AS t_min, NULL::TIMESTAMP AS t_max FROM '{tmp_path}/all.parquet'")
    assert con.execute("SELECT count(*) FROM geoquilt.catalog_query('files', bbox := {xmin: -9, ymin: 38, xmax: -7, ymax: 40})").fetchone() == (20,)


WRITERS = {
    "geojson": "GeoJSON", "fgb": "FlatGeobuf", "gpkg": "GPKG", "shp": "ESRI Shapefile", "sqlite": "SQLite", "gmt": "OGR_GMT", "tab": "MapInfo File",
    "jsonfg.json": "JSONFG", "gdb": "OpenFileGDB", "gdb.zip": "OpenFileGDB", "mapml": "MapML", "shp.zip": "ESRI Shapefile",
}


@pytest.mark.parametrize("suffix", ["geojson", "fgb", "gpkg", "shp", "sqlite", "gmt", "tab", "gdb", "jsonfg.json", "mapml", "gdb.zip", "shp.zip"])
@pytest.mark.parametrize("kind", ["polygon", "line", "point"])
def test_every_format_is_catalogued_as_geopandas_sees_it(con, tmp_path, suffix, kind):
    data = frame(1, 40, kind=kind)
    path = tmp_path / f"f.{suffix}"
    if suffix == "gdb.zip":
        data.to_file(tmp_path / "g.gdb", driver="OpenFileGDB")
        shutil.make_archive(str(tmp_path / "f.gdb"), "zip", tmp_path, "g.gdb")
    else:
        data.to_file(path, driver=WRITERS[suffix])
    row = catalog(con, path).iloc[0]
    back = geopandas.read_file(path)
    assert row["kind"] == "vector" and row["driver"] == WRITERS[suffix]
    assert row["layers"][0]["n_features"] == len(back) == 40
    b = row["bbox"]
    np.testing.assert_allclose([b["xmin"], b["ymin"], b["xmax"], b["ymax"]], back.total_bounds, atol=1e-6)
    np.testing.assert_allclose(shapely.from_wkb(bytes(row["wkb"])).bounds, back.total_bounds, atol=1e-6)
    assert row["crs"].startswith("EPSG:4326") or "WGS" in row["crs"]
    assert all(np.all(pd.isna(row[name])) for name in ("transform", "width", "bands"))
    assert path.is_dir() or row["size"] == os.path.getsize(path)


def test_extents_are_projected_with_dense_edges(con, tmp_path):
    """A wide box in a conic CRS: its corners' envelope would be far too small."""
    data = geopandas.GeoDataFrame(geometry=[shapely.box(2e6, 1e6, 7e6, 5.5e6)], crs="EPSG:3035")
    data.to_file(tmp_path / "eu.gpkg")
    row = catalog(con, tmp_path / "eu.gpkg").iloc[0]
    dense = data.geometry.segmentize(1000).to_crs("OGC:CRS84").total_bounds
    b = row["bbox"]
    np.testing.assert_allclose([b["xmin"], b["ymin"], b["xmax"], b["ymax"]], dense, atol=0.05)
    assert row["crs"] == "EPSG:3035"


def test_layers_in_several_crs_are_united(con, tmp_path):
    path = tmp_path / "many.gpkg"
    geopandas.GeoDataFrame(geometry=[shapely.box(500000, 4000000, 600000, 4100000)], crs=UTM).to_file(path, layer="west")
    geopandas.GeoDataFrame(geometry=[shapely.box(20, 40, 21, 41)], crs="EPSG:4326").to_file(path, layer="east")
    pd_frame = geopandas.GeoDataFrame({"a": [1, 2]}, geometry=[None, None], crs="EPSG:4326")
    pd_frame.to_file(path, layer="table")
    row = catalog(con, path).iloc[0]
    assert [(l["name"], l["n_features"]) for l in row["layers"]] == [("west", 1), ("east", 1), ("table", 2)]
    whole = shapely.from_wkb(bytes(row["wkb"]))
    assert whole.geom_type == "MultiPolygon" and len(whole.geoms) == 2
    assert whole.contains(shapely.Point(20.5, 40.5)) and whole.contains(shapely.Point(-8.5, 36.6)) and not whole.contains(shapely.Point(5, 38))
    assert row["crs"] == UTM
    one = catalog(con, path, ", layer := 'east'").iloc[0]
    assert [l["name"] for l in one["layers"]] == ["east"] and one["bbox"]["xmin"] == 20
    assert catalog(con, path, ", layer := 1").iloc[0]["layers"][0]["name"] == "west"
    for layer, shown in [("'esat'", '"esat"'), ("4", "4"), ("0", "0")]:
        with pytest.raises(Exception, match=rf'(?s)many.gpkg" has no layer {shown}: it has 1 "west", 2 "east", 3 "table"'):
            catalog(con, path, f", layer := {layer}")
    with pytest.raises(Exception, match=r"geo_catalog_build\(layer\): 1.5 is not valid"):
        catalog(con, path, ", layer := 1.5")


def test_extents_over_the_antimeridian_are_cut(con, tmp_path):
    data = geopandas.GeoDataFrame(geometry=[shapely.box(150000, 200000, 250000, 300000)], crs="EPSG:32601")
    data.to_file(tmp_path / "fiji.fgb")
    row = catalog(con, tmp_path / "fiji.fgb").iloc[0]
    shape = shapely.from_wkb(bytes(row["wkb"]))
    assert shape.geom_type == "MultiPolygon" and row["bbox"]["xmin"] == -180 and row["bbox"]["xmax"] == 180


def test_tables_of_points_and_of_wkt(con, tmp_path):
    points = tmp_path / "points.csv"
    points.write_text("lon,lat,v\n1,2,3\n4,6,7\n5,5.5,1\n")
    points.with_suffix(".prj").write_text(pyproj.CRS("EPSG:4326").to_wkt("WKT1_GDAL"))
    shapes = tmp_path / "shapes.csv"
    shapes.write_text('id,WKT\n1,"POLYGON ((0 0, 3 0, 3 4, 0 0))"\n')
    shapes.with_suffix(".prj").write_text(pyproj.CRS("EPSG:32629").to_wkt("WKT1_GDAL"))
    got = catalog(con, [points, shapes])
    assert list(got["kind"]) == ["vector", "vector"] and list(got["driver"]) == ["CSV", "CSV"]
    assert got["bbox"][0] == {"xmin": 1, "ymin": 2, "xmax": 5, "ymax": 6} and got["layers"][0][0]["n_features"] == 3
    assert got["crs"][1] == UTM


def test_topojson_and_json_fg(con, tmp_path):
    topo = {"type": "Topology", "objects": {"land": {"type": "GeometryCollection", "geometries": [{"type": "Polygon", "arcs": [[0]]}]}},
            "arcs": [[[0, 0], [10, 0], [10, 5], [0, 5], [0, 0]]]}
    (tmp_path / "land.topojson").write_text(json.dumps(topo))
    row = catalog(con, tmp_path / "land.topojson").iloc[0]
    assert row["driver"] == "TopoJSON" and row["bbox"] == {"xmin": 0, "ymin": 0, "xmax": 10, "ymax": 5}


def test_kinds_are_told_by_content(con, tmp_path):
    data = frame(2, 5)
    data.to_file(tmp_path / "vectors.geojson")
    write_raster(tmp_path / "raster.tif", np.ones((4, 4), "uint8"))
    shutil.copy(tmp_path / "vectors.geojson", tmp_path / "a.tif")
    shutil.copy(tmp_path / "raster.tif", tmp_path / "b.geojson")
    (tmp_path / "spaced.json").write_text("\n\n  " + (tmp_path / "vectors.geojson").read_text())
    got = catalog(con, [tmp_path / n for n in ("vectors.geojson", "raster.tif", "a.tif", "b.geojson", "spaced.json")])
    assert list(got["kind"]) == ["vector", "raster", "vector", "raster", "vector"]
    assert list(catalog(con, str(tmp_path / "*"))["kind"]) == ["vector", "raster", "raster", "vector", "vector"]
    (tmp_path / "text.tif").write_text("this is not a picture")
    for kind in ("auto", "raster", "vector"):
        with pytest.raises(Exception, match=r'cannot open ".*text.tif": not recognized'):
            catalog(con, tmp_path / "text.tif", f", kind := '{kind}'")
    with pytest.raises(Exception, match="is a vector file, not a raster"):
        catalog(con, tmp_path / "vectors.geojson", ", kind := 'raster'")
    with pytest.raises(Exception, match=r'"vectors" is not a kind.*\n.*Did you mean "vector"'):
        catalog(con, tmp_path / "vectors.geojson", ", kind := 'vectors'")
    report = catalog(con, [tmp_path / "text.tif", tmp_path / "raster.tif"], ", on_error := 'report'")
    assert report["error"].isna().tolist() == [False, True]


def test_a_geopackage_of_both_kinds_asks_which(con, tmp_path):
    path = tmp_path / "both.gpkg"
    write_raster(path, np.ones((1, 256, 256), "uint8"), driver="GPKG", crs="EPSG:4326", transform=from_origin(0, 10, 0.01, 0.01))
    assert catalog(con, path).iloc[0]["kind"] == "raster"
    frame(3, 4).to_file(path, layer="fields", mode="a")
    with pytest.raises(Exception, match=r"(?s)holds both a raster and vector layers.*kind := 'raster' or kind := 'vector'"):
        catalog(con, path)
    assert catalog(con, path, ", kind := 'vector'").iloc[0]["layers"][0]["name"] == "fields"
    assert catalog(con, path, ", kind := 'raster'").iloc[0]["width"] == 256
    only = tmp_path / "only.gpkg"
    frame(3, 4).to_file(only)
    assert catalog(con, only).iloc[0]["kind"] == "vector"


def test_files_without_a_place_are_told(con, tmp_path):
    empty = tmp_path / "empty.geojson"
    empty.write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(Exception, match=r'"[^"]*empty.geojson" holds no features with a geometry in its layers "empty"'):
        catalog(con, empty)
    geopandas.GeoDataFrame(geometry=[shapely.Point(1, 2)]).to_file(tmp_path / "bare.shp")
    with pytest.raises(Exception, match=r'bare.shp" has no CRS'):
        catalog(con, tmp_path / "bare.shp")
    (tmp_path / "plain.csv").write_text("a,b\n1,2\n")
    with pytest.raises(Exception, match="holds no features with a geometry"):
        catalog(con, tmp_path / "plain.csv", ", kind := 'vector'")
    data = frame(1, 3)
    data.to_file(tmp_path / "some.gpkg", layer="full")
    data.iloc[:0].to_file(tmp_path / "some.gpkg", layer="hollow")
    row = catalog(con, tmp_path / "some.gpkg").iloc[0]
    assert [l["n_features"] for l in row["layers"]] == [3, 0]
    with pytest.raises(Exception, match="holds no features"):
        catalog(con, tmp_path / "some.gpkg", ", layer := 'hollow'")
    got = catalog(con, [empty, tmp_path / "some.gpkg"], ", on_error := 'skip'")
    assert len(got) == 1


def test_dates_come_from_names_and_mixed_folders_make_one_catalog(con, tmp_path):
    frame(1, 3).to_file(tmp_path / "fields_20200131.gpkg")
    write_raster(tmp_path / "scene_20200131.tif", np.ones((4, 4), "uint8"))
    got = con.execute(f"SELECT kind, t_min, attributes['what'] FROM geo_catalog_build('{tmp_path}/*', filename_regex := '(?P<what>[a-z]+)_(?P<date>\\d{{8}})')").fetchall()
    assert [(k, str(t), w) for k, t, w in got] == [("vector", "2020-01-31 00:00:00", "fields"), ("raster", "2020-01-31 00:00:00", "scene")]
    out = tmp_path / "catalog.parquet"
    con.execute(f"COPY (FROM geo_catalog_build('{tmp_path}/*_2020*')) TO '{out}' (FORMAT parquet, GEOPARQUET_VERSION 'BOTH')")
    assert len(geopandas.read_parquet(out)) == 2


def test_natural_earth(con, tmp_path):
    """Real polygons, where pyogrio's own bundled test data has them."""
    path = ROOT / "demo/out/data/land-110m.json"
    if not path.exists():
        pytest.skip("the demo has not fetched it")
    row = catalog(con, path).iloc[0]
    assert row["kind"] == "vector"


# --- geo_rasterize ----------------------------------------------------------------------------------------------------


def slice_sql(bounds, shape, crs):
    """A slice of given bounds and (rows, columns)."""
    xmin, ymin, xmax, ymax = (float(v) for v in bounds)
    return (f"{{bbox: {{xmin: {xmin!r}::DOUBLE, ymin: {ymin!r}::DOUBLE, xmax: {xmax!r}::DOUBLE, ymax: {ymax!r}::DOUBLE}}, crs: '{crs}', "
            f"t_min: NULL::TIMESTAMP, t_max: NULL::TIMESTAMP, width: {shape[1]}::INTEGER, height: {shape[0]}::INTEGER}}")


def rasterize(con, what, bounds, shape, crs, options=""):
    row = con.execute(f"SELECT geo_rasterize({what}, {slice_sql(bounds, shape, crs)}{options})").fetchone()[0]
    assert row["shape"] == [1, *shape] and row["crs"] == crs
    pixels = None if row["data"] is None else np.array(row["data"]).reshape(shape)
    return pixels, row["objects"], row["transform"]


@pytest.mark.parametrize("all_touched", [False, True])
@pytest.mark.parametrize("kind", ["polygon", "line", "point"])
@pytest.mark.parametrize("suffix", ["geojson", "gpkg", "fgb"])
def test_classes_are_rasterios(con, tmp_path, kind, suffix, all_touched):
    data = frame(5, 60, kind=kind)
    path = tmp_path / f"f.{suffix}"
    data.to_file(path)
    data = geopandas.read_file(path)  # FlatGeobuf sorts its features
    for i, (bounds, shape) in enumerate([((-9, 38, -7, 40), (50, 60)), ((-8.3, 38.7, -8.1, 38.9), (64, 64)), ((-8.51, 39.2, -7.2, 41), (37, 91))]):
        got, objects, transform = rasterize(con, f"'{path}'", bounds, shape, "OGC:CRS84", f", {{label_field: 'class', all_touched: {all_touched}, background: -1}}")
        assert objects is None
        affine = from_bounds(*bounds, shape[1], shape[0])
        np.testing.assert_allclose(transform, affine.to_gdal())
        want = features.rasterize(zip(data.geometry, data["class"]), shape, fill=-1, transform=affine, all_touched=all_touched, dtype="int32")
        np.testing.assert_array_equal(got, want, err_msg=f"slice {i}")
    assert (got != -1).any() or kind == "point"


@pytest.mark.parametrize("all_touched", [False, True])
def test_features_are_projected_onto_the_slice(con, tmp_path, all_touched):
    data = frame(6, 80)
    path = tmp_path / "f.gpkg"
    data.to_file(path)
    bounds, shape = (500000, 4250000, 600000, 4350000), (100, 100)
    got, _, _ = rasterize(con, f"'{path}'", bounds, shape, UTM, f", {{label_field: 'class', all_touched: {all_touched}}}")
    there = data.to_crs(UTM)
    want = features.rasterize(zip(there.geometry, there["class"]), shape, transform=from_bounds(*bounds, 100, 100), all_touched=all_touched, dtype="int32")
    assert (want > 0).sum() > 500
    # A polygon that leaves the neighbourhood is cut there before it is projected, which bends its edge outside alone.
    np.testing.assert_array_equal(got, want)


def test_features_that_span_the_globe_are_cut_before_they_are_projected(con, tmp_path):
    world = geopandas.GeoDataFrame({"class": [1, 2]}, geometry=[shapely.box(-180, -90, 180, 90), shapely.box(-180, 39, 180, 90)], crs="EPSG:4326")
    world.to_file(tmp_path / "world.geojson")
    bounds = (400000, 4200000, 600000, 4400000)
    got, _, _ = rasterize(con, f"'{tmp_path}/world.geojson'", bounds, (40, 40), UTM, ", {label_field: 'class'}")
    col, row = np.meshgrid(np.arange(40) + 0.5, np.arange(40) + 0.5)
    _, lat = pyproj.Transformer.from_crs(UTM, "OGC:CRS84", always_xy=True).transform(400000 + 5000 * col, 4400000 - 5000 * row)
    off = got != np.where(lat > 39, 2, 1)
    assert off.sum() <= 40 and np.abs(lat[off] - 39).max(initial=0) < 0.05  # the parallel is a chord between its ends


@pytest.mark.parametrize("bounds", [(170, -20, 190, 0), (-190, -20, -170, 0), (175, -5, 180, 5)])
def test_slices_cross_the_antimeridian(con, tmp_path, bounds):
    boxes = [(172, -15, 179, -10), (-179, -12, -172, -3), (178, -5, 180, -2), (-180, -5, -178, -2), (0, 0, 10, 10)]
    data = geopandas.GeoDataFrame({"class": range(1, 6)}, geometry=[shapely.box(*b) for b in boxes], crs="EPSG:4326")
    data.to_file(tmp_path / "fiji.gpkg")
    shape = (40, 80)
    got, _, _ = rasterize(con, f"'{tmp_path}/fiji.gpkg'", bounds, shape, "OGC:CRS84", ", {label_field: 'class'}")
    turned = [(shapely.transform(g, lambda p: p + [turn, 0]), v) for turn in (-360, 0, 360) for g, v in zip(data.geometry, data["class"])]
    want = features.rasterize(turned, shape, transform=from_bounds(*bounds, 80, 40), dtype="int32")
    np.testing.assert_array_equal(got, want)
    assert len(np.unique(got)) >= 2
    # And the same place on a plane.
    plane = (200000, -1000000, 300000, -500000)
    flat, _, _ = rasterize(con, f"'{tmp_path}/fiji.gpkg'", plane, (50, 10), "EPSG:32701", ", {label_field: 'class'}")
    there = data.to_crs("EPSG:32701")
    np.testing.assert_array_equal(flat, features.rasterize(zip(there.geometry[:4], there["class"]), (50, 10), transform=from_bounds(*plane, 10, 50), dtype="int32"))


@pytest.mark.parametrize("form", ["file", "list"])
def test_a_feature_cut_at_the_antimeridian_is_one_feature(con, tmp_path, form):
    """GeoJSON asks for the cut, and so are footprints; a list of geometries is drawn as a file is."""
    cut = shapely.MultiPolygon([shapely.box(172, -15, 180, -10), shapely.box(-180, -15, -176, -11)])
    shapes = [cut, shapely.box(-180, -90, 180, 90), shapely.box(173, -3, 175, -1)]
    data = geopandas.GeoDataFrame({"class": [3, 1, 2]}, geometry=shapes, crs="EPSG:4326").iloc[[1, 0, 2]]
    data.to_file(tmp_path / "cut.geojson")
    source = f"'{tmp_path}/cut.geojson'" if form == "file" else "[" + ", ".join(
        f"{{geometry: '{g.wkt}'::GEOMETRY, value: {v}}}" for g, v in zip(data.geometry, data["class"])) + "]"
    classes = ", label_field: 'class'" if form == "file" else ""
    affine = from_bounds(170, -20, 190, 0, 80, 40)
    turned = [(shapely.transform(g, lambda p: p + [turn, 0]), v) for g, v in zip(data.geometry, data["class"]) for turn in (0, 360)]
    want = features.rasterize(turned, (40, 80), transform=affine, dtype="int32")
    got, objects, _ = rasterize(con, source, (170, -20, 190, 0), (40, 80), "OGC:CRS84", f", {{task: 'instance_segmentation'{classes}}}")
    labels = {o["id"]: o["label"] for o in objects}
    np.testing.assert_array_equal(np.vectorize(labels.get)(got), want)
    np.testing.assert_allclose([list(o["bbox"].values()) for o in objects], [(0, 0, 80, 40), (8, 20, 56, 30), (12, 2, 20, 6)], atol=1e-9)
    _, objects, _ = rasterize(con, source, (170, -20, 190, 0), (40, 80), "OGC:CRS84", f", {{task: 'object_detection'{classes}}}")
    assert [o["label"] for o in objects] == [1, 3, 2]
    # On a plane over both sides: all of it is on the globe, and the cut feature is whole.
    flat, _, _ = rasterize(con, source, (0, 8340000, 400000, 8900000), (56, 40), "EPSG:32701", ", {label_field: 'class'}" if form == "file" else "")
    assert (flat > 0).all() and (flat[30, :] == 3).all()


def test_boxes_and_instances(con, tmp_path):
    data = frame(7, 50)
    path = tmp_path / "f.gpkg"
    data.to_file(path)
    bounds, shape = (-8.6, 38.4, -7.6, 39.4), (80, 50)
    affine = from_bounds(*bounds, shape[1], shape[0])
    area = shapely.box(*bounds)
    near = data[shapely.intersects(shapely.box(*data.bounds.values.T), area)].reset_index(drop=True)
    pixels, objects, _ = rasterize(con, f"'{path}'", bounds, shape, "OGC:CRS84", ", {task: 'object_detection', label_field: 'class'}")
    assert pixels is None
    by_id = {o["id"]: o for o in objects}
    assert len(by_id) == len(objects) and [o["id"] for o in objects] == sorted(by_id)
    want = [(row["class"], row.geometry.intersection(area).bounds) for _, row in near.iterrows() if row.geometry.intersection(area).area > 0]
    assert len(want) == len(objects)
    for o, (label, (xmin, ymin, xmax, ymax)) in zip(objects, want):
        left, top = ~affine * (xmin, ymax)
        right, bottom = ~affine * (xmax, ymin)
        assert o["label"] == label
        np.testing.assert_allclose([o["bbox"][k] for k in ("xmin", "ymin", "xmax", "ymax")], [left, top, right, bottom], atol=1e-6)
    ids, instances, _ = rasterize(con, f"'{path}'", bounds, shape, "OGC:CRS84", ", {task: 'instance_segmentation', label_field: 'class'}")
    np.testing.assert_array_equal(ids, features.rasterize(zip(near.geometry, range(1, len(near) + 1)), shape, transform=affine, dtype="int32"))
    assert [o["id"] for o in instances] == [i for i in np.unique(ids) if i]
    assert all(by_id[o["id"]] == o for o in instances if o["id"] in by_id)
    classes, _, _ = rasterize(con, f"'{path}'", bounds, shape, "OGC:CRS84", ", {label_field: 'class'}")
    label_of = np.array([0] + near["class"].tolist())
    np.testing.assert_array_equal(label_of[ids], classes)


def test_lists_of_geometries(con):
    data = frame(8, 30)
    bounds, shape = (-9, 38, -7, 40), (60, 60)
    affine = from_bounds(*bounds, 60, 60)
    geometries = "[" + ", ".join(f"'{g.wkt}'::GEOMETRY" for g in data.geometry) + "]"
    ones, _, _ = rasterize(con, geometries, bounds, shape, "OGC:CRS84")
    np.testing.assert_array_equal(ones, features.rasterize(data.geometry, shape, transform=affine, dtype="int32"))
    want = features.rasterize(zip(data.geometry, data["class"]), shape, transform=affine, dtype="int32")
    labelled, _, _ = rasterize(con, geometries, bounds, shape, "OGC:CRS84", f", {{labels: {data['class'].tolist()}}}")
    np.testing.assert_array_equal(labelled, want)
    pairs = "[" + ", ".join(f"{{geometry: '{g.wkt}'::GEOMETRY, value: {v}}}" for g, v in zip(data.geometry, data["class"])) + "]"
    paired, _, _ = rasterize(con, pairs, bounds, shape, "OGC:CRS84")
    np.testing.assert_array_equal(paired, want)
    there = data.to_crs(UTM)
    shapes = "[" + ", ".join(f"'{g.wkt}'::GEOMETRY" for g in there.geometry) + "]"
    again, _, _ = rasterize(con, shapes, bounds, shape, "OGC:CRS84", f", {{crs: '{UTM}'}}")
    assert (again != ones).mean() < 0.01
    con.execute("CREATE TABLE f AS SELECT * FROM (VALUES (1, 'POLYGON ((-9 38, -8 38, -8 39, -9 38))'::GEOMETRY), (2, NULL), (NULL, 'POINT (-8 39)'::GEOMETRY), (3, 'POLYGON EMPTY'::GEOMETRY)) t(value, geometry)")
    column = con.execute(f"SELECT geo_rasterize(list({{geometry: geometry, value: value}}), {slice_sql(bounds, (4, 4), 'OGC:CRS84')}).data FROM f").fetchone()[0]
    assert set(column) == {0, 1}
    if duckdb.__version__ < "2":
        typed = "[" + ", ".join(f"ST_SetCRS('{g.wkt}'::GEOMETRY, '{UTM}')" for g in there.geometry) + "]"
        np.testing.assert_array_equal(rasterize(con, typed, bounds, shape, "OGC:CRS84")[0], again)


def test_several_files_and_many_rows(con, tmp_path):
    frames = [frame(i, 20, kind=kind) for i, kind in [(1, "polygon"), (2, "line")]]
    paths = []
    for i, data in enumerate(frames):
        data.to_file(tmp_path / f"{i}.gpkg")
        paths.append(tmp_path / f"{i}.gpkg")
    bounds, shape = (-9, 38, -7, 40), (30, 30)
    both, _, _ = rasterize(con, sql_list(paths), bounds, shape, "OGC:CRS84", ", {label_field: 'class'}")
    want = features.rasterize([(g, v) for f in frames for g, v in zip(f.geometry, f["class"])], shape, transform=from_bounds(*bounds, 30, 30), dtype="int32")
    np.testing.assert_array_equal(both, want)
    rows = con.execute(f"""SELECT i, geo_rasterize('{paths[0]}', geo_slice({{xmin: -9 + i / 3000.0, ymin: 38.0, xmax: -8.5 + i / 3000.0, ymax: 38.5}}, 0.05, 'OGC:CRS84'), {{label_field: 'class'}})
        FROM range(3000) t(i) ORDER BY i""").fetchall()
    for i, got in rows[::211]:
        affine = from_origin(got["transform"][0], got["transform"][3], got["transform"][1], -got["transform"][5])
        want = features.rasterize(zip(frames[0].geometry, frames[0]["class"]), got["shape"][1:], transform=affine, dtype="int32")
        np.testing.assert_array_equal(np.array(got["data"]).reshape(got["shape"][1:]), want)


def test_labels_that_do_not_fit_are_told(con, tmp_path):
    path = ROOT / "test/data/small/regions.geojson"
    ask = lambda options, what=f"'{path}'": rasterize(con, what, (0, 0, 60, 60), (3, 3), "OGC:CRS84", f", {options}")
    for options, message in [
        ("{label_field: 'clas'}", r'geo_rasterize\(label_field\): layer "regions" of ".*regions.geojson" has no field "clas": it has name, class'),
        ("{label_field: 'name'}", r"(?s)geo_rasterize\(label_field\): field \"name\" of \".*\" holds text such as \"plain\".*\{classes: \['plain', \.\.\.\]\}"),
        ("{label_field: 'name', classes: ['plain', 'lake']}", r'(?s)geo_rasterize\(classes\): field "name" of ".*regions.geojson" holds "forest", which is not one of the classes\nOne of: plain, lake$'),
        ("{label_field: 'name', classes: ['plain', 'forst', 'lake']}", r'holds "forest", which is not one of the classes\nDid you mean "forst"\? One of: plain, forst, lake$'),
        ("{layer: 'region'}", r'geo_rasterize\(layer\): ".*" has no layer "region": it has 1 "regions"'),
        ("{layer: 2}", r'has no layer 2: it has 1 "regions"'),
        ("{task: 'segmentation'}", r'geo_rasterize\(task\): "segmentation" is not a task'),
        ("{classes: []}", r"geo_rasterize\(classes\)"),
        ("{labels: [1.5]}", r"geo_rasterize\(labels\)"),
        ("{background: 3000000000}", r"geo_rasterize\(background\)"),
        ("{touched: true}", r'"touched" is not an option'),
    ]:
        with pytest.raises(Exception, match=message):
            ask(options)
    with pytest.raises(Exception, match=r"geo_rasterize\(labels\): 2 labels for 1 geometries"):
        ask("{labels: [1, 2]}", "['POINT (1 1)'::GEOMETRY]")
    with pytest.raises(Exception, match=r"1.5 is not valid: must be a class"):
        ask("{background: 0}", "[{geometry: 'POINT (1 1)'::GEOMETRY, value: 1.5}]")
    with pytest.raises(Exception, match="does not exist"):
        ask("{background: 0}", "'none.geojson'")
    with pytest.raises(Exception, match="not recognized"):
        ask("{background: 0}", f"'{ROOT}/README.md'")
    halves = frame(1, 2).assign(half=[1.5, 2.5])
    halves.to_file(tmp_path / "h.geojson")
    with pytest.raises(Exception, match=r'geo_rasterize\(label_field\): field "half" of ".*h.geojson" holds 1.5, and a class is a whole number'):
        ask("{label_field: 'half'}", f"'{tmp_path}/h.geojson'")
    con.execute("SET geoquilt_max_chunk_mb = 1")
    with pytest.raises(Exception, match="geoquilt_max_chunk_mb"):
        rasterize(con, f"'{path}'", (0, 0, 60, 60), (600, 600), "OGC:CRS84")
    null = con.execute(f"SELECT geo_rasterize(NULL::VARCHAR, {slice_sql((0, 0, 1, 1), (2, 2), 'OGC:CRS84')})").fetchone()[0]
    assert null is None
    bare = geopandas.GeoDataFrame({"class": [4]}, geometry=[shapely.box(0, 0, 60, 60)])
    bare.to_file(tmp_path / "bare.shp")
    with pytest.raises(Exception, match="has no CRS"):
        rasterize(con, f"'{tmp_path}/bare.shp'", (0, 0, 60, 60), (3, 3), "OGC:CRS84")
    given, _, _ = rasterize(con, f"'{tmp_path}/bare.shp'", (0, 0, 60, 60), (3, 3), "OGC:CRS84", ", {label_field: 'class', crs: 'OGC:CRS84'}")
    assert (given == 4).all()


# --- damaged files ----------------------------------------------------------------------------------------------------

FUZZ = """
import glob, os, random, sys, time
rng = random.Random({seed})
original = open({path!r}, 'rb').read()
side = {{p: open(p, 'rb').read() for p in glob.glob({path!r}.rsplit('.', 1)[0] + '.*') if p != {path!r}}}
slice_ = "geo_slice({{xmin: -9.0, ymin: 38.0, xmax: -7.0, ymax: 40.0}}, 0.1, 'OGC:CRS84')"
ok = failed = 0
for i in range({rounds}):
    data = bytearray(original)
    how = rng.randrange(3)
    if how == 0:
        data = data[:rng.randrange(len(data))]
    else:
        for _ in range(rng.randrange(1, 1 + (4 if how == 1 else 200))):
            data[rng.randrange(len(data))] = rng.randrange(256)
    path = f'{folder}/f{{i}}.{suffix}'
    open(path, 'wb').write(data)
    for p, content in side.items():
        open(path.rsplit('.', 1)[0] + '.' + p.rsplit('.', 1)[1], 'wb').write(content)
    for sql in (f"SELECT count(*) FROM geo_catalog_build('{{path}}', kind := 'vector')", f"SELECT geo_rasterize('{{path}}', {{slice_}})"):
        start = time.time()
        try:
            con.execute(sql).fetchall()
            ok += 1
        except Exception as e:
            assert 'internal' not in str(e).lower() and 'defect' not in str(e), str(e)
            failed += 1
        assert time.time() - start < 20, (i, sql)
    for p in glob.glob(f'{folder}/f{{i}}.*'):
        os.remove(p)
print(ok, failed)
"""


@pytest.mark.parametrize("suffix", ["geojson", "gpkg", "shp", "fgb"])
def test_damaged_files_neither_crash_nor_hang(tmp_path, suffix):
    from conftest import OPEN_EXTENSION
    path = tmp_path / f"whole.{suffix}"
    frame(1, 30).to_file(path)
    folder = tmp_path / "fuzz"
    folder.mkdir()
    code = OPEN_EXTENSION + FUZZ.format(seed=3, path=str(path), folder=folder, suffix=suffix, rounds=120)
    done = run_python(code, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    ok, failed = map(int, done.stdout.split())
    assert ok + failed == 240 and failed > 10


SQUARE = "geo_slice({xmin: 500000, ymin: 5000000, xmax: 500003, ymax: 5000003}, 1, 'EPSG:25832')"


@pytest.mark.parametrize("encoding,cpg,text", [
    ("UTF-8", "UTF-8", "Táliga"), ("ISO-8859-1", None, "Táliga"), ("ISO-8859-1", "ISO 88591", "Táliga"), ("cp1252", "ANSI 1252", "Táliga"),
    ("cp1251", "ANSI 1251", "Таліга"), ("ISO-8859-2", "ISO 8859-2", "Łódź"),
])
def test_the_text_of_a_shapefile_is_found_in_its_encoding(con, tmp_path, encoding, cpg, text):
    """As geopandas reads it, where the text of the .cpg means anything to it."""
    geopandas.GeoDataFrame({"name": [text]}, geometry=[shapely.box(500000, 5000000, 500003, 5000003)], crs="EPSG:25832").to_file(tmp_path / "f.shp", encoding=encoding)
    (tmp_path / "f.cpg").unlink(missing_ok=True)
    if cpg:
        (tmp_path / "f.cpg").write_text(cpg)
    got = con.execute(f"SELECT geo_rasterize('{tmp_path}/f.shp', {SQUARE}, {{label_field: 'name', classes: ['{text}']}}).data").fetchone()[0]
    assert got == [1] * 9


@pytest.mark.parametrize("folder", ["", "data/"])
def test_a_zipped_shapefile_is_the_shapefile_in_it(con, tmp_path, folder):
    geopandas.GeoDataFrame({"class": [7]}, geometry=[shapely.box(500000, 5000000, 500003, 5000003)], crs="EPSG:25832").to_file(tmp_path / "f.shp")
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as z:
        for suffix in ("shp", "shx", "dbf", "prj", "cpg"):
            z.write(tmp_path / f"f.{suffix}", f"{folder}f.{suffix}")
    box = lambda name: con.execute(f"SELECT bbox, crs, layers FROM geo_catalog_build('{tmp_path}/{name}')").fetchone()
    assert box("f.zip") == box("f.shp")
    assert con.execute(f"SELECT geo_rasterize('{tmp_path}/f.zip', {SQUARE}, {{label_field: 'class'}}).data").fetchone()[0] == [7] * 9


def test_options_that_would_do_nothing_are_refused(con, tmp_path):
    geopandas.GeoDataFrame({"class": [7]}, geometry=[shapely.box(500000, 5000000, 500003, 5000003)], crs="EPSG:25832").to_file(tmp_path / "f.gpkg")
    file, shape = f"'{tmp_path}/f.gpkg'", "['POLYGON ((0 0, 1 0, 0 1, 0 0))'::GEOMETRY]"
    for features, options, parameter in [(file, "labels: [1]", "labels"), (f"[{file}]", "labels: [1]", "labels"), (file, "classes: ['a']", "classes"),
                                         (shape, "label_field: 'a'", "label_field"), (shape, "layer: 1", "layer")]:
        with pytest.raises(duckdb.Error, match=rf"geo_rasterize\({parameter}\)"):
            con.execute(f"SELECT geo_rasterize({features}, {SQUARE}, {{{options}}})").fetchall()


def test_a_layer_that_is_not_there_blames_its_parameter(con):
    path = ROOT / "test/data/small/regions.geojson"
    for layer in ("'g'", "2"):
        with pytest.raises(Exception, match=r'read_features\(layer\): ".*regions.geojson" has no layer'):
            con.execute(f"FROM read_features('{path}', layer := {layer})")
