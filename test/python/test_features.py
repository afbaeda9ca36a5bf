"""read_features and FROM 'fields.gpkg', against pyogrio and geopandas; geometries on their way to GeoParquet."""
import datetime as dt
import json

import duckdb
import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pyproj
import pytest
import shapely
from conftest import EXTENSION, connect, run_python
from range_server import RangeServer, http_file_system
from shapely import wkt
from strategies import coordinates, geometries, law
from hypothesis import given, strategies as st

N = 5000
SUFFIXES = {"gpkg": "GPKG", "fgb": "FlatGeobuf", "shp": "ESRI Shapefile", "geojson": "GeoJSON"}
# FlatGeobuf keeps no feature without a geometry in an index.
MORE = {"shp": {"encoding": "utf-8"}, "fgb": {"SPATIAL_INDEX": "NO"}}
SQL_TYPES = {"bool": "BOOLEAN", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT", "float32": "FLOAT", "float64": "DOUBLE", "object": "VARCHAR",
             "datetime64[D]": "DATE", "datetime64[ms]": "TIMESTAMP"}


def fields(n=N, crs="EPSG:32629", seed=0):
    """A frame with a column of every type, a third of whose values are missing where the type has a way to say so."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(5e5, 6e5, n), rng.uniform(4e6, 5e6, n)
    missing = rng.random(n) < 0.3
    frame = geopandas.GeoDataFrame({
        "name": pd.Series([f"Feld {i} äöü 東" for i in range(n)], dtype=object).where(~missing, None),
        "small": rng.integers(-30000, 30000, n).astype("int16"), "code": rng.integers(-2**31, 2**31, n).astype("int32"), "long": rng.integers(-2**53, 2**53, n),
        "part": rng.random(n).astype("float32"), "area": pd.Series(rng.normal(0, 1e6, n)).where(~missing, np.nan), "yes": rng.random(n) < 0.5,
        "seen": pd.Series(pd.Timestamp("2020-02-28T23:59:59.123") + pd.to_timedelta(np.arange(n), "h")).dt.as_unit("ms").where(~missing, pd.NaT),
    }, geometry=shapely.box(x, y, x + 30, y + 40), crs=crs)
    frame.loc[missing, "geometry"] = None
    return frame


def same(con, sql, path, **more):
    """What a query of features gives is what pyogrio reads, in values and in types."""
    info = pyogrio.read_info(path, **more)
    want = pyogrio.read_dataframe(path, fid_as_index=True, **more)
    described = {name: kind for name, kind, *_ in con.execute(f"DESCRIBE {sql}").fetchall()}
    assert list(described) == ["path", "fid", *info["fields"], *(["geometry"] if info["geometry_type"] else [])]
    assert [described[name] for name in info["fields"]] == [SQL_TYPES[kind] for kind in info["dtypes"]]
    got = con.execute(f"SELECT * {'EXCLUDE geometry, ST_AsWKB(geometry) AS geometry' if 'geometry' in described else ''} FROM ({sql})").to_arrow_table()
    assert got["fid"].to_pylist() == want.index.tolist() and set(got["path"].to_pylist()) <= {str(path)}
    for name in info["fields"]:
        column, own = got[name].to_pylist(), want[name]
        if described[name] == "TIMESTAMP":
            own = pd.to_datetime(own, utc=True).dt.tz_localize(None)
        expected = [None if pd.isna(value) else value for value in own.tolist()]
        if described[name] == "DATE":
            expected = [value and value.date() for value in expected]
        if described[name] in ("FLOAT", "DOUBLE"):
            np.testing.assert_array_equal(np.array(column, float), np.array(expected, float), err_msg=name)
        else:
            assert column == expected, name
    if "geometry" in described:
        assert [g and shapely.from_wkb(g) for g in got["geometry"].to_pylist()] == [None if pd.isna(g) else g for g in want.geometry]
    return got


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_features_are_pyogrios_in_every_type_with_every_null(con, tmp_path, suffix):
    path = tmp_path / f"fields.{suffix}"
    frame = fields()
    if suffix == "shp":
        frame = frame.drop(columns="seen")
    if suffix == "geojson":
        frame = frame.to_crs(4326)
    pyogrio.write_dataframe(frame, path, driver=SUFFIXES[suffix], **MORE.get(suffix, {}))
    if suffix != "geojson":   # DuckDB 2.0 reads that itself, as JSON.
        same(con, f"FROM '{path}'", path)
    same(con, f"FROM read_features('{path}')", path)
    same(con, f"FROM read_features(['{path}'], layer := 1)", path)


def test_dates_times_bytes_lists_and_zones(con, tmp_path):
    path = tmp_path / "all.geojson"
    rows = [{"d": "2020-02-29", "t": "23:59:58.5", "z": "2020-01-01T12:00:00+02:00", "u": "2020-01-01T12:00:00Z", "n": "2020-01-01T12:00:00", "l": [1, 2], "f": [1.5], "s": ["a", "ü"], "b": True, "o": {"k": 1}},
            {"d": None, "t": None, "z": None, "u": None, "n": None, "l": None, "f": None, "s": None, "b": None, "o": None}]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature", "properties": row, "geometry": {"type": "Point", "coordinates": [1, 2, 3]}} for row in rows]}))
    first, second = con.execute(f"SELECT d, t, z, u, n, l, f, s, b, o FROM read_features('{path}')").fetchall()
    noon = dt.datetime(2020, 1, 1, 12)
    assert first == (dt.date(2020, 2, 29), dt.time(23, 59, 58, 500000), noon - dt.timedelta(hours=2), noon, noon, [1, 2], [1.5], ["a", "ü"], True, '{ "k": 1 }')
    assert second == (None,) * 10
    assert con.execute(f"SELECT ST_AsText(geometry) FROM read_features('{path}')").fetchall() == [("POINT Z (1 2 3)",)] * 2
    blobs = tmp_path / "blobs.gpkg"
    pyogrio.write_dataframe(geopandas.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(0, 0)], crs=4326), blobs)
    import sqlite3
    with sqlite3.connect(blobs) as db:
        db.execute("ALTER TABLE blobs ADD COLUMN raw BLOB")
        # The triggers of a spatial index call functions that sqlite3 lacks.
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f'DROP TRIGGER "{name}"')
        db.execute("UPDATE blobs SET raw = x'00ff10'")
    assert con.execute(f"SELECT raw FROM '{blobs}'").fetchone() == (b"\x00\xff\x10",)


@law(60)
@given(shapes=st.lists(geometries() | st.none(), min_size=1, max_size=5), heights=st.booleans())
def check_geometries(tmp_path_factory, shapes, heights):
    con, path = connect(), tmp_path_factory.mktemp("g") / "g.gpkg"
    if heights:
        shapes = [shape and shapely.force_3d(shape, 7.5) for shape in shapes]
    pyogrio.write_dataframe(geopandas.GeoDataFrame({"n": range(len(shapes))}, geometry=shapes, crs=3857), path, geometry_type="Unknown")
    same(con, f"FROM '{path}'", path)


def test_geometries_of_every_kind_come_as_they_are(tmp_path_factory):
    check_geometries(tmp_path_factory)


def test_empty_measured_and_collected_geometries(con, tmp_path):
    texts = ["POINT EMPTY", "POLYGON EMPTY", "GEOMETRYCOLLECTION (POINT (1 2), LINESTRING (0 0, 1 1))", "MULTIPOINT (1 2, 3 4)", "GEOMETRYCOLLECTION EMPTY"]
    path = tmp_path / "e.gpkg"
    pyogrio.write_dataframe(geopandas.GeoDataFrame({"n": range(len(texts))}, geometry=[wkt.loads(t) for t in texts], crs=3857), path, geometry_type="Unknown")
    same(con, f"FROM '{path}'", path)
    table = tmp_path / "m.csv"
    measured = ["POINT M (1 2 9)", "LINESTRING ZM (0 0 1 2, 3 4 5 6)"]
    table.write_text("n,WKT\n" + "".join(f'{i},"{text}"\n' for i, text in enumerate(measured)))
    assert [row[0] for row in con.execute(f"SELECT ST_AsText(geometry) FROM read_features('{table}')").fetchall()] == measured


def test_arcs_are_lines_and_faces_are_polygons(con, tmp_path):
    path = tmp_path / "c.csv"
    texts = ["CIRCULARSTRING (0 0, 1 1, 2 0)", "CURVEPOLYGON (CIRCULARSTRING (0 0, 2 0, 2 2, 0 2, 0 0))", "TRIANGLE ((0 0, 1 0, 0 1, 0 0))",
             "POLYHEDRALSURFACE Z (((0 0 0, 1 0 0, 0 1 0, 0 0 0)), ((0 0 0, 1 0 0, 0 0 1, 0 0 0)))", "TIN Z (((0 0 0, 1 0 0, 0 1 0, 0 0 0)))"]
    path.write_text("n,WKT\n" + "".join(f'{i},"{text}"\n' for i, text in enumerate(texts)))
    got = [shapely.from_wkb(row[0]) for row in con.execute(f"SELECT ST_AsWKB(geometry) FROM read_features('{path}')").fetchall()]
    assert [shape.geom_type for shape in got] == ["LineString", "Polygon", "Polygon", "MultiPolygon", "MultiPolygon"]
    assert got[0].length == pytest.approx(np.pi, rel=1e-3) and got[1].area == pytest.approx(2 * np.pi, rel=1e-3)
    assert got[2].equals(shapely.Polygon([(0, 0), (1, 0), (0, 1)])) and got[3].has_z and len(got[3].geoms) == 2


def test_a_layer_is_named_where_there_are_several(con, tmp_path):
    path = tmp_path / "two.gpkg"
    for name, crs in (("roads", 32629), ("it's", 4326)):
        pyogrio.write_dataframe(fields(50, crs=crs, seed=len(name)), path, layer=name)
    pyogrio.write_dataframe(pd.DataFrame({"a": [1, 2]}), path, layer="table")
    same(con, f"FROM read_features('{path}', layer := 'roads')", path, layer="roads")
    same(con, f"FROM read_features('{path}', layer := 2)", path, layer="it's")
    assert con.execute(f"FROM read_features('{path}', layer := 'table')").fetchall() == [(str(path), 1, 1), (str(path), 2, 2)]
    for sql, words in ((f"FROM '{path}'", r'3 layers: 1 "roads", 2 "it\'s", 3 "table"\nName the one that is meant: layer := \'roads\''),
                       (f"FROM read_features('{path}', layer := 'raods')", r'(?s)raods.*1 "roads", 2 "it\'s", 3 "table"'),
                       (f"FROM read_features('{path}', layer := 4)", r'(?s)4.*3 "table"'), (f"FROM read_features('{path}', layer := 1.5)", r"read_features\(layer\)")):
        with pytest.raises(duckdb.Error, match=words):
            con.execute(sql).fetchall()


def test_the_crs_is_in_the_type_and_geoparquet_has_it_whole(con, tmp_path):
    for crs in ("EPSG:32629", "EPSG:3857", "EPSG:4326", None):
        path, parquet = tmp_path / f"{crs}.gpkg", tmp_path / f"{crs}.parquet"
        frame = fields(20, crs=crs)
        pyogrio.write_dataframe(frame, path)
        kind = con.execute(f"SELECT ST_CRS(geometry) FROM '{path}' WHERE geometry IS NOT NULL").fetchone()[0]
        if crs is None:
            assert kind is None
            continue
        assert pyproj.CRS(kind).equals(pyproj.CRS("OGC:CRS84" if crs == "EPSG:4326" else crs))
        con.execute(f"COPY (FROM '{path}') TO '{parquet}' (FORMAT parquet, GEOPARQUET_VERSION 'BOTH')")
        back = geopandas.read_parquet(parquet)
        assert back.crs.equals(pyproj.CRS("OGC:CRS84" if crs == "EPSG:4326" else crs)) and back["code"].tolist() == frame["code"].tolist()
        assert back.geometry.geom_equals(frame.geometry)[frame.geometry.notna()].all()


def test_a_crs_without_a_type_is_told_and_projected_as_geopandas_does(con, tmp_path):
    path = tmp_path / "polish.gpkg"
    frame = fields(50, crs="EPSG:2180")
    pyogrio.write_dataframe(frame, path)
    with pytest.raises(duckdb.Error, match="(?s)EPSG:2180.*to_crs := 'OGC:CRS84'"):
        con.execute(f"FROM '{path}'")
    got = con.execute(f"SELECT ST_AsWKB(geometry), ST_CRS(geometry) FROM read_features('{path}', to_crs := 'EPSG:3857') WHERE geometry IS NOT NULL").fetchall()
    want = frame[frame.geometry.notna()].to_crs(3857).geometry
    assert len(got) == len(want) and pyproj.CRS(got[0][1]).to_epsg() == 3857
    for (shape, _), expected in zip(got, want):
        assert shapely.from_wkb(shape).equals_exact(expected, 1e-6)
    for to, words in (("EPSG:2180", "no GEOMETRY type"), ("EPSG:0", "EPSG:0")):
        with pytest.raises(duckdb.Error, match=words):
            con.execute(f"FROM read_features('{path}', to_crs := '{to}')")


def test_files_of_one_shape_are_one_table_and_others_are_told(con, tmp_path):
    for name in ("a", "b"):
        pyogrio.write_dataframe(fields(30, seed=ord(name)), tmp_path / f"{name}.gpkg", layer="fields")
    rows = con.execute(f"SELECT parse_filename(path), count(*), min(fid) FROM read_features('{tmp_path}/*.gpkg') GROUP BY ALL ORDER BY ALL").fetchall()
    assert rows == [("a.gpkg", 30, 1), ("b.gpkg", 30, 1)]
    for name, frame, words in (("c", fields(5).drop(columns="code"), '(?s)c.gpkg" has no attribute "code" INTEGER'), ("c", fields(5).assign(more=1), '(?s)c.gpkg" has an attribute "more"'),
                               ("c", fields(5, crs=32630), "(?s)c.gpkg.*EPSG:32630.*EPSG:32629")):
        (tmp_path / "c.gpkg").unlink(missing_ok=True)
        pyogrio.write_dataframe(frame, tmp_path / "c.gpkg", layer="fields")
        with pytest.raises(duckdb.Error, match=words):
            con.execute(f"FROM read_features('{tmp_path}/*.gpkg')").fetchall()


def test_attributes_named_like_our_columns_keep_their_values(con, tmp_path):
    path = tmp_path / "n.geojson"
    pyogrio.write_dataframe(geopandas.GeoDataFrame({"path": ["p"], "Geometry_": [1]}, geometry=[shapely.Point(1, 2)], crs=4326), path)
    row = con.execute(f"SELECT path_1, path, geometry_ FROM read_features('{path}')").fetchone()
    assert row == ("p", str(path), 1)


def test_columns_that_are_not_asked_for_are_not_read_and_the_rest_is_the_same(con, tmp_path):
    path = tmp_path / "f.gpkg"
    frame = fields()
    pyogrio.write_dataframe(frame, path)
    assert con.execute(f"SELECT sum(code) FROM '{path}'").fetchone() == (int(frame["code"].astype(int).sum()),)
    assert con.execute(f"SELECT count(*) FROM '{path}'").fetchone() == (N,)
    assert con.execute(f"SELECT count(geometry) FROM '{path}'").fetchone() == (int(frame.geometry.notna().sum()),)
    assert con.execute(f"SELECT name FROM '{path}' WHERE fid = 17").fetchone() == (frame["name"][16],)


def test_features_come_from_urls_too(con, tmp_path):
    for suffix in SUFFIXES:
        frame = fields(3000).drop(columns="seen")
        pyogrio.write_dataframe(frame.to_crs(4326) if suffix == "geojson" else frame, tmp_path / f"f.{suffix}", driver=SUFFIXES[suffix], **MORE.get(suffix, {}))
    server = RangeServer(tmp_path)
    try:
        con.register_filesystem(http_file_system(timeout=3))
        for suffix in SUFFIXES:
            sql = "SELECT * EXCLUDE path FROM read_features('%s')"
            assert con.execute(sql % server.url(f"f.{suffix}")).fetchall() == con.execute(sql % (tmp_path / f"f.{suffix}")).fetchall(), suffix
    finally:
        server.close()


def test_what_is_no_vector_file_is_told(con, tmp_path, raster):
    path = raster("a.tif", np.ones((4, 4), "uint8"))
    (tmp_path / "none.gpkg").write_bytes(b"not a database")
    for file, words in ((path, "is a raster, not a vector file"), (tmp_path / "none.gpkg", "none.gpkg"), (tmp_path / "absent.gpkg", "absent.gpkg.* does not exist"), (tmp_path / "*.fgb", "no file matches")):
        with pytest.raises(duckdb.Error, match=words):
            con.execute(f"FROM read_features('{file}')")


def test_a_cut_file_is_an_error_and_no_shorter_table(con, tmp_path):
    for suffix in ("fgb", "geojson", "shp"):
        path = tmp_path / f"f.{suffix}"
        frame = fields(3000).drop(columns="seen")
        pyogrio.write_dataframe(frame.to_crs(4326) if suffix == "geojson" else frame, path, driver=SUFFIXES[suffix], **MORE.get(suffix, {}))
        raw = path.read_bytes()
        path.write_bytes(raw[:len(raw) * 2 // 3])
        with pytest.raises(duckdb.Error, match=rf"read_features.*f\.{suffix}"):
            con.execute(f"SELECT * FROM read_features('{path}')").fetchall()


def test_a_large_layer_streams_in_bounded_memory(tmp_path):
    n = 400_000
    path = tmp_path / "large.fgb"
    text = "x" * 400
    pyogrio.write_dataframe(geopandas.GeoDataFrame({"t": [text] * n}, geometry=shapely.points(np.arange(n) % 360 - 180.0, np.zeros(n)), crs=4326), path, driver="FlatGeobuf", SPATIAL_INDEX="NO")
    code = f"""
import duckdb, resource
con = duckdb.connect(config={{'allow_unsigned_extensions': 'true', 'threads': '2'}})
con.execute("SET enable_progress_bar = false")
con.execute("LOAD '{EXTENSION}'")
con.execute("SELECT count(t) FROM (FROM '{path}' LIMIT 10)").fetchall()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert con.execute("SELECT count(*), sum(len(t)) FROM '{path}'").fetchone() == ({n}, {n * 400})
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
assert grown < 60 * 1024, f'{{grown}} KiB'
"""
    result = run_python(code)
    assert result.returncode == 0, result.stderr[-2000:]


@pytest.mark.parametrize("crs", ["EPSG:32629", "EPSG:3035", "EPSG:2180", "OGC:CRS84"])
def test_geo_set_crs_gives_geoparquet_the_whole_definition(con, tmp_path, crs):
    path = tmp_path / "g.parquet"
    con.execute(f"COPY (SELECT n, geoquilt.geo_set_crs(g, '{crs}') AS geometry FROM (VALUES (1, 'POINT (500000 4600000)'::GEOMETRY), (2, NULL)) t(n, g)) TO '{path}' (FORMAT parquet, GEOPARQUET_VERSION 'BOTH')")
    back = geopandas.read_parquet(path)
    assert back.crs.equals(pyproj.CRS(crs)) and back.geometry[0].equals(shapely.Point(500000, 4600000)) and back.geometry[1] is None


def test_geo_set_crs_replaces_and_refuses(con):
    sql = "SELECT ST_CRS(geoquilt.geo_set_crs(ST_SetCRS('POINT (1 2)'::GEOMETRY, 'EPSG:3857'), '%s'))"
    assert con.execute(sql % "OGC:CRS84").fetchone() == ("OGC:CRS84",)
    with pytest.raises(duckdb.Error, match="(?s)geo_crs_definition.*EPSG:32629x"):
        con.execute(sql % "EPSG:32629x").fetchall()
    assert pyproj.CRS(con.execute("SELECT geo_crs_definition('EPSG:32629')").fetchone()[0]) == pyproj.CRS(32629)
    assert con.execute("SELECT geo_crs_definition(NULL)").fetchone() == (None,)
