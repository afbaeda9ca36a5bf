"""read_stac against the STAC specification's own words, and stac-geoparquet written by the spec with pyarrow."""
import copy
import json
from datetime import datetime, timezone

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely
from conftest import ROOT, sql_list, write_raster

# After examples/core-item.json and extended-item.json of stac-spec v1.0.0 and v1.1.0 (Apache-2.0).
EXTENDED = {
    "stac_version": "1.0.0",
    "stac_extensions": ["https://stac-extensions.github.io/eo/v1.0.0/schema.json", "https://stac-extensions.github.io/projection/v1.0.0/schema.json"],
    "type": "Feature", "id": "20201211_223832_CS2", "collection": "simple-collection",
    "bbox": [172.91173669923782, 1.3438851951615003, 172.95469614953714, 1.3690476620161975],
    "geometry": {"type": "Polygon", "coordinates": [[[172.91173669923782, 1.3438851951615003], [172.95469614953714, 1.3438851951615003],
                 [172.95469614953714, 1.3690476620161975], [172.91173669923782, 1.3690476620161975], [172.91173669923782, 1.3438851951615003]]]},
    "properties": {"title": "Extended Item", "datetime": "2020-12-14T18:02:31.437000Z", "created": "2020-12-15T01:48:13.725Z", "updated": "2020-12-15T01:48:13.725Z",
                   "platform": "cool_sat2", "instruments": ["cool_sensor_v2"], "gsd": 0.66, "eo:cloud_cover": 1.2, "proj:epsg": 32659,
                   "proj:shape": [5558, 9559], "proj:transform": [0.5, 0, 712710, 0, -0.5, 151406, 0, 0, 1], "view:off_nadir": 3.8},
    "links": [{"rel": "self", "href": "https://example.com/catalog/items/20201211_223832_CS2.json", "type": "application/geo+json"}],
    "assets": {
        "analytic": {"href": "https://storage.example.com/open-cogs/20201211_223832_CS2_analytic.tif", "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                     "title": "4-Band Analytic", "roles": ["data"], "eo:bands": [{"name": "band1", "common_name": "blue"}, {"name": "band2"}],
                     "raster:bands": [{"data_type": "uint16", "nodata": 0, "scale": 0.0001, "offset": -0.1, "unit": "1"}, {"data_type": "uint16", "nodata": "nan"}],
                     "file:size": 12345},
        "thumbnail": {"href": "./20201211_223832_CS2.jpg", "type": "image/jpeg", "title": "Thumbnail", "roles": ["thumbnail"]},
        "udm": {"href": "../udm/20201211_223832_CS2_udm.tif", "type": "image/tiff; application=geotiff", "roles": ["data-mask"], "proj:epsg": 4326, "proj:shape": [10, 20]},
        "notes": {"href": "/data/notes.txt", "type": "text/plain"},
    },
}
NEW = {
    "stac_version": "1.1.0", "type": "Feature", "id": "S2B_1", "geometry": {"type": "Point", "coordinates": [10.5, 50.25]}, "bbox": [10.5, 50.25, 10.5, 50.25],
    "properties": {"datetime": None, "start_datetime": "2021-06-01T00:00:00Z", "end_datetime": "2021-06-30T23:59:59.5+02:00", "proj:code": "EPSG:32632", "flag": True},
    "links": [],
    "assets": {"B04": {"href": "s3://b/B04.jp2", "type": "image/jp2", "roles": ["data", "reflectance"], "data_type": "uint16",
                       "bands": [{"name": "B04", "eo:common_name": "red", "raster:scale": 0.0001, "raster:offset": -0.1, "nodata": 0, "unit": "reflectance"}]},
               "cube": {"href": "cube.zarr", "roles": ["data"]}, "shapes": {"href": "shapes.fgb?token=1"}},
}


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def read(con, paths, options=""):
    paths = sql_list(paths if isinstance(paths, list) else [paths])
    cursor = con.execute(f"SELECT * EXCLUDE (geometry), ST_AsWKB(geometry) AS wkb FROM read_stac({paths}{options})")
    names = [d[0] for d in cursor.description]
    return [dict(zip(names, row)) for row in cursor.fetchall()]


def test_an_item_gives_a_row_an_asset(con, tmp_path):
    (tmp_path / "items").mkdir()
    rows = {r["attributes"]["asset"]: r for r in read(con, write(tmp_path / "items/a.json", EXTENDED))}
    assert list(rows) == ["analytic", "thumbnail", "udm", "notes"]
    assert [r["path"] for r in rows.values()] == ["https://storage.example.com/open-cogs/20201211_223832_CS2_analytic.tif",
        f"{tmp_path}/items/20201211_223832_CS2.jpg", f"{tmp_path}/udm/20201211_223832_CS2_udm.tif", "/data/notes.txt"]
    assert [r["kind"] for r in rows.values()] == ["raster", "raster", "raster", None]
    a = rows["analytic"]
    assert shapely.from_wkb(bytes(a["wkb"])).equals(shapely.geometry.shape(EXTENDED["geometry"]))
    assert list(a["bbox"].values()) == EXTENDED["bbox"]
    assert a["t_min"] == a["t_max"] == datetime(2020, 12, 14, 18, 2, 31, 437000)
    assert (a["crs"], a["height"], a["width"], a["size"]) == ("EPSG:32659", 5558, 9559, 12345)
    assert tuple(a["transform"]) == (712710, 0.5, 0, 151406, 0, -0.5)
    assert a["modified"] == datetime(2020, 12, 15, 1, 48, 13, 725000) and a["schema_version"] == 2 and a["tags"] is None and a["built_with"] is None
    first, second = a["bands"]
    assert first == {"name": "band1", "dtype": "uint16", "nodata": 0, "scale": 0.0001, "offset": -0.1, "unit": "1"}
    assert second["name"] == "band2" and np.isnan(second["nodata"]) and second["scale"] is None
    attributes = a["attributes"]
    assert attributes["item"] == EXTENDED["id"] and attributes["collection"] == "simple-collection"
    assert float(attributes["eo:cloud_cover"]) == 1.2 and attributes["platform"] == "cool_sat2" and "instruments" not in attributes
    # What the asset says of itself goes first.
    assert (rows["udm"]["crs"], rows["udm"]["height"]) == ("EPSG:4326", 10)
    assert [x["name"] for x in a["assets"]] == list(rows) and a["assets"][1]["roles"] == ["thumbnail"] and a["assets"][2]["href"] == rows["udm"]["path"]
    assert all(a[name] is None for name in ("driver", "variables", "time_var", "n_times", "t_step", "layers"))


def test_version_1_1_says_the_same_in_other_words(con, tmp_path):
    rows = read(con, write(tmp_path / "n.json", NEW))
    b04 = rows[0]
    assert b04["crs"] == "EPSG:32632" and b04["bands"] == [{"name": "B04", "dtype": "uint16", "nodata": 0, "scale": 0.0001, "offset": -0.1, "unit": "reflectance"}]
    assert (b04["t_min"], b04["t_max"]) == (datetime(2021, 6, 1), datetime(2021, 6, 30, 21, 59, 59, 500000))
    assert [r["kind"] for r in rows] == ["raster", "array", "vector"] and [r["bands"] is None for r in rows] == [False, True, True]
    assert shapely.from_wkb(bytes(b04["wkb"])) == shapely.Point(10.5, 50.25) and b04["attributes"]["flag"] == "true"


def test_collections_lists_and_lines(con, tmp_path):
    second = {**copy.deepcopy(NEW), "id": "other"}
    files = [write(tmp_path / "c.json", {"type": "FeatureCollection", "features": [EXTENDED, second]}),
             write(tmp_path / "l.json", [EXTENDED, second]),
             write(tmp_path / "n.ndjson", json.dumps(EXTENDED) + "\n" + json.dumps(second) + "\n")]
    for path in files:
        rows = read(con, path)
        assert [r["attributes"]["item"] for r in rows] == [EXTENDED["id"]] * 4 + ["other"] * 3
        # Among several, an item's relative hrefs start from its own link where it has one.
        assert rows[1]["path"] == "https://example.com/catalog/items/20201211_223832_CS2.jpg"
        assert rows[2]["path"] == "https://example.com/catalog/udm/20201211_223832_CS2_udm.tif"
        assert rows[5]["path"] == f"{tmp_path}/cube.zarr"
    assert len(read(con, files)) == 21
    assert len(read(con, str(tmp_path / "*.json"))) == 14


def test_assets_are_taken_by_key_or_role(con, tmp_path):
    path = write(tmp_path / "a.json", EXTENDED)
    keys = lambda options: [r["attributes"]["asset"] for r in read(con, path, f", assets := {options}")]
    assert keys("'data'") == ["analytic"] and keys("['thumbnail', 'udm']") == ["thumbnail", "udm"] and keys("NULL") == ["analytic", "thumbnail", "udm", "notes"]
    with pytest.raises(Exception, match=r'(?s)read_stac\(assets\): "B99" is not an asset or a role of any item.*One of: analytic, data, data-mask, notes, thumbnail, udm'):
        keys("'B99'")
    other = write(tmp_path / "b.json", NEW)
    assert [r["attributes"]["asset"] for r in read(con, [path, other], ", assets := 'B04'")] == ["B04"]
    with pytest.raises(Exception, match=r"read_stac\(assets\): 3 is not valid"):
        keys("3")


@pytest.mark.parametrize("geometry,bbox", [
    ({"type": "MultiPolygon", "coordinates": [[[[170, -10], [180, -10], [180, 10], [170, 10], [170, -10]]], [[[-180, -10], [-170, -10], [-170, 10], [-180, 10], [-180, -10]]]]}, [170, -10, -170, 10]),
    ({"type": "Polygon", "coordinates": [[[170, -10], [-170, -10], [-170, 10], [170, 10], [170, -10]]]}, [170, -10, -170, 10]),
    ({"type": "Polygon", "coordinates": [[[170, -10], [190, -10], [190, 10], [170, 10], [170, -10]]]}, [170, -10, 190, 10]),
    ({"type": "Polygon", "coordinates": [[[170, -10, 5], [-170, -10, 5], [-170, 10, 5], [170, 10, 5], [170, -10, 5]]]}, [170, -10, 5, -170, 10, 5]),
])
def test_geometries_over_the_antimeridian_are_cut(con, tmp_path, geometry, bbox):
    row = read(con, write(tmp_path / "a.json", {**NEW, "geometry": geometry, "bbox": bbox}))[0]
    shape = shapely.from_wkb(bytes(row["wkb"]))
    want = shapely.union(shapely.box(170, -10, 180, 10), shapely.box(-180, -10, -170, 10))
    assert shape.symmetric_difference(want).area < 1e-6 and shape.is_valid
    assert row["bbox"] == {"xmin": -180, "ymin": -10, "xmax": 180, "ymax": 10}


def test_an_item_without_a_place(con, tmp_path):
    row = read(con, write(tmp_path / "a.json", {**NEW, "geometry": None}))[0]
    assert row["wkb"] is None and row["bbox"] is None and row["crs"] == "EPSG:32632"


def without(*path):
    item = copy.deepcopy(EXTENDED)
    place = item
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return item


def changed(value, *path):
    item = copy.deepcopy(EXTENDED)
    place = item
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return item


BROKEN = [
    (without("id"), 'item 1 of ".*" is not a STAC item: it has no id'),
    (without("properties"), 'item "20201211_223832_CS2" of ".*" is not a STAC item: it has no properties'),
    (without("assets"), "it has no assets"),
    (without("properties", "datetime"), "neither a datetime nor both start_datetime and end_datetime"),
    (changed(None, "properties", "datetime"), "neither a datetime nor both"),
    (changed("2020-13-01", "properties", "datetime"), 'its datetime "2020-13-01" is not an RFC 3339 time'),
    (changed(20200101, "properties", "datetime"), "its datetime is 20200101, no text"),
    (changed({"type": "Polygon", "coordinates": "x"}, "geometry"), "GeoJSON"),
    (changed({"type": "Poly"}, "geometry"), "GeoJSON"),
    (changed("Item", "type"), 'its type is "Item", not "Feature"'),
    (changed({}, "assets", "analytic"), 'its asset "analytic" has no href'),
    (changed([], "assets", "analytic"), 'its asset "analytic" is not an object'),
    (changed([1, 2], "properties", "proj:transform"), "neither six nor nine numbers"),
    ({"type": "Collection", "id": "c"}, "it is a STAC Collection, which holds no items itself"),
    ({"type": "Catalog", "id": "c"}, "it is a STAC Catalog"),
    ({"type": "FeatureCollection"}, "an ItemCollection without features"),
    ('{"type": "Feature", "id"', "it is not JSON"),
    ("", "it holds no STAC items"),
    ("no json at all", "it is not JSON"),
    ("[1, 2]", "item 1 .* it has no id"),
    ("[" * 5000, "it is not JSON"),
]


@pytest.mark.parametrize("content,message", BROKEN, ids=range(len(BROKEN)))
def test_broken_items_are_named(con, tmp_path, content, message):
    bad = write(tmp_path / "bad.json", content)
    good = write(tmp_path / "good.json", NEW)
    with pytest.raises(Exception, match=rf"(?s)read_stac: .*{message}"):
        read(con, [good, bad])
    assert len(read(con, [good, bad], ", on_error := 'skip'")) == 3
    rows = read(con, [good, bad, good], ", on_error := 'report'")
    errors = [r for r in rows if r["error"]]
    assert len(rows) == 6 + len(errors) and all(r["path"] == str(bad) for r in errors)
    assert 1 <= len(errors) <= 2


def test_one_broken_item_among_many(con, tmp_path):
    items = [{**NEW, "id": str(i)} for i in range(3000)]
    items[1234] = {"id": "broken", "type": "Feature"}
    path = write(tmp_path / "many.json", {"type": "FeatureCollection", "features": items})
    rows = read(con, path, ", on_error := 'report'")
    assert len(rows) == 2999 * 3 + 1 and [r["error"] for r in rows if r["error"]] == [f'item "broken" of "{path}" is not a STAC item: it has no properties']


def test_paths_are_checked(con, tmp_path):
    for path, message in [("none.json", "does not exist"), (tmp_path, "is a directory"), (str(tmp_path / "*.json"), "no file matches"), ("https://x/y.json", "URL")]:
        with pytest.raises(Exception, match=rf"read_stac\(items\): .*{message}"):
            read(con, path)
    with pytest.raises(Exception, match=r'"ignore" is not a rule for broken items'):
        read(con, ROOT / "test/data/small/item.json", ", on_error := 'ignore'")


def geoparquet(path, items, row_group_size=None):
    """After the stac-geoparquet specification: properties become columns, geometry is WKB, times are timestamps."""
    rows = []
    for item in items:
        row = {k: item.get(k) for k in ("type", "stac_version", "id", "collection", "links", "assets")}
        row["geometry"] = shapely.to_wkb(shapely.geometry.shape(item["geometry"]))
        b = item["bbox"]
        row["bbox"] = {"xmin": b[0], "ymin": b[1], "xmax": b[2], "ymax": b[3]}
        for key, value in item["properties"].items():
            is_time = key in ("datetime", "start_datetime", "end_datetime", "created", "updated") and value
            row[key] = datetime.fromisoformat(value.replace("Z", "+00:00")).astimezone(timezone.utc) if is_time else value
        rows.append(row)
    keys = sorted({k for row in rows for k in row})
    table = pa.table({k: pa.array([row.get(k) for row in rows]) for k in keys})
    pq.write_table(table, path, row_group_size=row_group_size)
    return path


def test_stac_geoparquet_is_read_as_the_items_it_came_from(con, tmp_path):
    items = []
    for i in range(500):
        item = copy.deepcopy(EXTENDED if i % 2 else NEW)
        item["id"] = f"i{i}"
        item["links"] = []
        item["geometry"] = shapely.geometry.mapping(shapely.box(i % 170, -10, i % 170 + 1, 10))
        item["bbox"] = list(shapely.box(i % 170, -10, i % 170 + 1, 10).bounds)
        for asset in item["assets"].values():
            for band in asset.get("raster:bands", []):
                band["nodata"] = 0.0
        items.append(item)
    parquet = geoparquet(tmp_path / "items.parquet", items, row_group_size=100)
    plain = write(tmp_path / "items.json", {"type": "FeatureCollection", "features": items})
    ours, theirs = read(con, parquet), read(con, plain)
    assert len(ours) == len(theirs) == 500 * 3 + 250
    key = lambda r: (r["attributes"]["item"], r["attributes"]["asset"])
    for a, b in zip(sorted(ours, key=key), sorted(theirs, key=key)):
        for name in ("path", "kind", "bbox", "t_min", "t_max", "crs", "height", "width", "transform", "size", "modified", "bands"):
            assert a[name] == b[name], (key(a), name)
        assert shapely.from_wkb(bytes(a["wkb"])).equals(shapely.from_wkb(bytes(b["wkb"])))
        assert {k: v for k, v in a["attributes"].items() if k not in ("created", "updated", "datetime", "start_datetime", "end_datetime")} == \
               {k: v for k, v in b["attributes"].items() if k not in ("created", "updated", "datetime", "start_datetime", "end_datetime")}
    assert [r["attributes"]["item"] for r in read(con, parquet, ", assets := 'B04'")] == [f"i{i}" for i in range(0, 500, 2)]
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(Exception, match="item 1 of .*other.parquet.* is not a STAC item: it has no id"):
        read(con, tmp_path / "other.parquet")
    (tmp_path / "torn.parquet").write_bytes(parquet.read_bytes()[:5000])
    with pytest.raises(Exception, match="torn.parquet"):
        read(con, tmp_path / "torn.parquet")


def test_items_lead_to_pixels_and_keep_in_geoparquet(con, tmp_path):
    data = np.arange(12, dtype="float32").reshape(3, 4)
    write_raster(tmp_path / "scene.tif", data)
    item = {**copy.deepcopy(NEW), "assets": {"scene": {"href": "scene.tif", "roles": ["data"]}}}
    write(tmp_path / "i.json", item)
    got = con.execute(f"SELECT read_patch(path, {{row_off: 1, col_off: 0, height: 1, width: 4}}) FROM read_stac('{tmp_path}/i.json')").fetchone()[0]
    assert got == data[1].tolist()
    out = tmp_path / "catalog.parquet"
    con.execute(f"COPY (FROM read_stac('{tmp_path}/i.json')) TO '{out}' (FORMAT parquet, GEOPARQUET_VERSION 'BOTH')")
    built = {d[0]: d[1] for d in con.execute(f"FROM geo_catalog_build('{tmp_path}/scene.tif')").description}
    ours = {d[0]: d[1] for d in con.execute(f"FROM read_stac('{tmp_path}/i.json')").description}
    assert {k: ours[k] for k in built} == built and list(ours)[:len(built)] == list(built) and set(ours) - set(built) == {"assets"}
    import geopandas
    assert len(geopandas.read_parquet(out)) == 1


def rows_of(con, tmp_path, columns, asset=None, **properties):
    """Columns of the one asset of an item with these properties."""
    item = {"type": "Feature", "stac_version": "1.0.0", "id": "i", "geometry": None, "links": [],
            "properties": {"datetime": "2024-05-01T10:00:00Z", **properties}, "assets": {"b": {"href": "./a.tif", "type": "image/tiff", **(asset or {})}}}
    (tmp_path / "i.json").write_text(json.dumps(item))
    return con.execute(f"SELECT {columns} FROM read_stac('{tmp_path}/i.json')").fetchone()


def test_a_collection_of_zero_items_is_zero_rows(con, tmp_path):
    """pystac.ItemCollection.from_dict takes it."""
    for text in ('{"type": "FeatureCollection", "features": []}', "[]"):
        (tmp_path / "none.json").write_text(text)
        assert con.execute(f"SELECT count(*) FROM read_stac('{tmp_path}/none.json', assets := 'data')").fetchone() == (0,)


@pytest.mark.parametrize("text", ["2024-05-01T10:00:00", "2024-05-01 10:00:00", "2024-05-01T10:00:00.000", "2024-05-01T12:00:00+02", "2024-05-01"])
def test_times_without_a_zone_are_utc_as_pystac_takes_them(con, tmp_path, text):
    stamp = datetime.fromisoformat(text)
    want = stamp.astimezone(timezone.utc).replace(tzinfo=None) if stamp.tzinfo else stamp
    assert rows_of(con, tmp_path, "t_min, t_max", datetime=text) == (want, want)


@pytest.mark.parametrize("shape", [[10**12, 10**12], [2**31, 4], [2**32 + 5, 7], [-3, -4], [0, 0], [1], ["a", "b"], 5, [1.5, 2]])
def test_a_shape_that_no_raster_has_is_named(con, tmp_path, shape):
    with pytest.raises(duckdb.Error, match="proj:shape"):
        rows_of(con, tmp_path, "height", **{"proj:shape": shape})


def test_the_projection_is_found_in_every_form(con, tmp_path):
    wkt = pyproj.CRS("+proj=sinu +R=6371007.181 +units=m").to_wkt()
    for fields, want in [
        ({"proj:code": "EPSG:32632"}, "EPSG:32632"), ({"proj:epsg": 32632}, "EPSG:32632"), ({"proj:epsg": 32632.0}, "EPSG:32632"),
        ({"proj:epsg": "32632"}, "EPSG:32632"), ({"proj:code": None, "proj:wkt2": wkt}, wkt), ({"proj:code": "EPSG:None", "proj:wkt2": wkt}, wkt),
        ({"proj:code": "EPSG:None", "proj:epsg": 32632}, "EPSG:32632"), ({"proj:code": "EPSG:99999999", "proj:wkt2": wkt}, wkt),
        ({"proj:code": "EPSG:None"}, None), ({"proj:epsg": None}, None),
    ]:
        assert rows_of(con, tmp_path, "crs", **fields) == (want,), fields
    assert rows_of(con, tmp_path, "transform, height, width", **{"proj:bbox": [500000, 4999000, 502000, 5000000], "proj:shape": [100, 200.0]}) \
        == ([500000.0, 10.0, 0.0, 5000000.0, 0.0, -10.0], 100, 200)


def test_bands_of_arrays_are_told_too(con, tmp_path):
    bands = [{"data_type": "float64", "nodata": -9999, "scale": 2, "offset": 1, "unit": "K"}, {"data_type": "float64"}]
    for href, media in [("./a.tif", "image/tiff"), ("./a.grib2", None), ("./a.nc", "application/x-netcdf")]:
        found, = rows_of(con, tmp_path, "bands", asset={"href": href, "type": media, "raster:bands": bands})
        assert len(found) == 2 and (found[0]["nodata"], found[0]["scale"], found[0]["offset"]) == (-9999, 2, 1), href


def test_a_geometry_in_metres_is_told(con, tmp_path):
    item = {"type": "Feature", "id": "i", "properties": {"datetime": "2024-05-01T10:00:00Z"}, "assets": {"b": {"href": "a.tif"}}, "geometry":
            {"type": "Polygon", "coordinates": [[[500000, 4999680], [500480, 4999680], [500480, 5000000], [500000, 4999680]]]}}
    (tmp_path / "i.json").write_text(json.dumps(item))
    with pytest.raises(duckdb.Error, match="degrees of longitude and latitude"):
        con.execute(f"FROM read_stac('{tmp_path}/i.json')")
