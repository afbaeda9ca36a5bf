"""geo_catalog_build against pyproj, rasterio, shapely, geopandas and brute force."""
import datetime as dt

import geopandas
import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from conftest import connect, sql_list, write_raster
from rasterio.transform import from_bounds, from_origin
from rasterio.warp import transform_bounds

SIZE = 8  # pixels a side: footprints need no more


def boxed(path, crs, bounds, shape=(SIZE, SIZE)):
    return write_raster(path, np.zeros(shape, "uint8"), crs=crs, transform=from_bounds(*bounds, shape[1], shape[0]))


def catalog(con, paths, more=""):
    """[(path, shapely geometry, bbox tuple)] in the order of the paths."""
    rows = con.execute(f"SELECT path, ST_AsWKB(geometry)::BLOB, bbox FROM geo_catalog_build({sql_list(paths)}{more})").fetchall()
    assert [row[0] for row in rows] == list(map(str, paths))
    return [(path, shapely.from_wkb(bytes(wkb)), (b["xmin"], b["ymin"], b["xmax"], b["ymax"])) for path, wkb, b in rows]


def inside(geometry, lon, lat, grow):
    """Which points lie in a footprint that is grown by some degrees, and shrunk by as many."""
    points = shapely.points(lon, lat)
    return shapely.contains(geometry.buffer(grow), points), shapely.contains(geometry.buffer(-grow), points)


def check_footprint(geometry, bbox, crs, bounds, tolerance=0.02, to="OGC:CRS84", n=40):
    """Brute force, both ways: points of the file lie in the footprint, and points of the footprint lie in the file."""
    assert geometry.is_valid and not geometry.is_empty
    assert bbox[0] <= bbox[2] and bbox[1] <= bbox[3]
    np.testing.assert_allclose(bbox, geometry.bounds, rtol=0, atol=1e-9, err_msg="bbox is the envelope of the geometry")
    forward = pyproj.Transformer.from_crs(crs, to, always_xy=True)
    x, y = np.meshgrid(np.linspace(bounds[0], bounds[2], n), np.linspace(bounds[1], bounds[3], n))
    lon, lat = forward.transform(x.ravel(), y.ravel())
    lon, lat = np.asarray(lon), np.asarray(lat)
    if to == "OGC:CRS84":
        lon = (lon + 180) % 360 - 180
        assert bbox[0] >= -180 - 1e-9 and bbox[2] <= 180 + 1e-9 and bbox[1] >= -90 - 1e-9 and bbox[3] <= 90 + 1e-9
    scale = max(tolerance * np.sqrt(geometry.area), 1e-9)
    grown, _ = inside(geometry, lon, lat, scale)
    if to == "OGC:CRS84":
        grown |= np.abs(np.abs(lon) - 180) < 1e-9  # -180 and 180 are one meridian
    assert grown.all(), f"{(~grown).sum()} points of the file lie outside its footprint, e.g. {lon[~grown][:3], lat[~grown][:3]}"
    rng = np.random.default_rng(1)
    for part in getattr(geometry, "geoms", [geometry]):
        x0, y0, x1, y1 = part.bounds
        lon, lat = rng.uniform(x0, x1, 400), rng.uniform(y0, y1, 400)
        _, shrunk = inside(part, lon, lat, scale)
        back_x, back_y = pyproj.Transformer.from_crs(to, crs, always_xy=True).transform(lon[shrunk], lat[shrunk])
        back_x, back_y = np.asarray(back_x), np.asarray(back_y)
        if pyproj.CRS(crs).is_geographic:
            back_x = bounds[0] + (back_x - bounds[0]) % 360
        slack = tolerance * max(bounds[2] - bounds[0], bounds[3] - bounds[1])
        ok = (back_x >= bounds[0] - slack) & (back_x <= bounds[2] + slack) & (back_y >= bounds[1] - slack) & (back_y <= bounds[3] + slack)
        assert ok.all(), f"{(~ok).sum()} points of the footprint lie outside the file, e.g. {lon[shrunk][~ok][:3], lat[shrunk][~ok][:3]}"


def test_footprints_in_every_utm_zone_equal_transform_bounds(con, tmp_path):
    rng = np.random.default_rng(120)
    files = []
    for zone in range(1, 61):
        for north in (True, False):
            crs = f"EPSG:{32600 + zone if north else 32700 + zone}"
            x, y = rng.uniform(200000, 700000), rng.uniform(100000, 8900000) if north else rng.uniform(1200000, 9900000)
            w, h = rng.uniform(1000, 200000, 2)
            bounds = (x, y, x + w, y + h)
            files.append((boxed(tmp_path / f"{crs[5:]}.tif", crs, bounds), crs, bounds))
    crossing = 0
    for (path, crs, bounds), (_, geometry, bbox) in zip(files, catalog(con, [f[0] for f in files])):
        theirs = transform_bounds(crs, "OGC:CRS84", *bounds, densify_pts=21)
        size = max(np.ptp(geometry.bounds[0::2]), np.ptp(geometry.bounds[1::2]))
        if theirs[0] <= theirs[2] and theirs[2] - theirs[0] < 180:
            np.testing.assert_allclose(bbox, theirs, rtol=0, atol=1e-4 * size, err_msg=crs)
        else:
            crossing += 1
            assert geometry.geom_type == "MultiPolygon" and bbox[0] == -180 and bbox[2] == 180
        check_footprint(geometry, bbox, crs, bounds)


@pytest.mark.parametrize("crs,west,south", [("EPSG:32601", 120000, 2000000), ("EPSG:32660", 750000, 6000000), ("EPSG:32701", 150000, 7000000), ("EPSG:32760", 780000, 4000000), ("EPSG:3832", 2000000, 0),
                                            ("EPSG:3577", 5000000, -3000000), ("EPSG:2193", 2500000, 4900000)])
def test_footprints_across_the_antimeridian_are_split_in_two(con, tmp_path, crs, west, south):
    rng = np.random.default_rng(7)
    done = 0
    for i in range(12):
        bounds = (west + rng.uniform(-50000, 50000), south, west + rng.uniform(60000, 400000), south + rng.uniform(50000, 500000))
        if crs == "EPSG:3832":
            bounds = (bounds[0] + 1000000, south, bounds[2] + 2000000, bounds[3])
        path = boxed(tmp_path / f"{i}.tif", crs, bounds)
        (_, geometry, bbox), = catalog(con, [path])
        forward = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
        lon = np.asarray(forward.transform(*[v.ravel() for v in np.meshgrid(np.linspace(bounds[0], bounds[2], 30), np.linspace(bounds[1], bounds[3], 30))])[0])
        crosses = (lon > 170).any() and (lon < -170).any()
        done += crosses
        assert (geometry.geom_type == "MultiPolygon") == crosses
        if crosses:
            assert len(geometry.geoms) == 2 and (bbox[0], bbox[2]) == (-180, 180)
        check_footprint(geometry, bbox, crs, bounds)


@pytest.mark.parametrize("crs", ["EPSG:3413", "EPSG:3995", "EPSG:6931", "EPSG:3031", "EPSG:3976", "EPSG:6932", "EPSG:32661", "EPSG:32761"])
def test_footprints_over_a_pole_are_closed_over_it(con, tmp_path, crs):
    south = crs in ("EPSG:3031", "EPSG:3976", "EPSG:6932", "EPSG:32761")
    center = 2000000 if crs in ("EPSG:32661", "EPSG:32761") else 0
    rng = np.random.default_rng(9)
    for i in range(15):
        size = rng.uniform(300000, 4000000, 2)
        origin = center - size * rng.uniform(0.1, 0.9, 2) if i < 8 else center + rng.uniform(-2500000, 2000000, 2)
        bounds = (*origin, *(origin + size))
        holds = bounds[0] < center < bounds[2] and bounds[1] < center < bounds[3]
        (_, geometry, bbox), = catalog(con, [boxed(tmp_path / f"{i}.tif", crs, bounds)])
        if holds:
            assert (bbox[1] if south else bbox[3]) == (-90 if south else 90)
            assert (bbox[0], bbox[2]) == (-180, 180)
        else:
            assert -90 < bbox[1] and bbox[3] < 90
        # A long edge near the pole is a curve in lon/lat: 21 points leave a chord, 400 hardly any.
        (_, fine, fine_bbox), = catalog(con, [str(tmp_path / f"{i}.tif")], ", densify := 400")
        check_footprint(fine, fine_bbox, crs, bounds)
        truth = equal_area(shapely.box(*bounds), crs, south)
        assert abs(equal_area(fine, "OGC:CRS84", south) / truth - 1) < 1e-3, (crs, bounds)
        assert abs(equal_area(geometry, "OGC:CRS84", south) / truth - 1) < 0.08


def equal_area(geometry, crs, south):
    """Area in m2 on the polar equal-area plane: the pole and the seam at 180 collapse there, as on the globe."""
    plane = pyproj.Transformer.from_crs(crs, "EPSG:6932" if south else "EPSG:6931", always_xy=True)
    length = 0.1 if crs == "OGC:CRS84" else 2000
    return shapely.transform(shapely.segmentize(geometry, length), lambda p: np.column_stack(plane.transform(p[:, 0], p[:, 1]))).area


def test_footprints_of_lon_lat_files_wrap_to_180(con, tmp_path):
    cases = {"plain": (10, -20, 40, 30), "globe": (-180, -90, 180, 90), "globe 360": (0, -90, 360, 90), "east of 180": (190, 10, 230, 40), "over 180": (170, 10, 200, 40),
             "cell centred": (-0.5, -90, 359.5, 90), "to 180": (100, 0, 180, 10), "from -180": (-180, 0, -100, 10), "west of -180": (-200, -10, -170, 10), "from 180": (180, 0, 200, 10),
             "to 360": (300, 0, 360, 10)}
    files = {name: boxed(tmp_path / f"{name}.tif", "EPSG:4326", bounds) for name, bounds in cases.items()}
    for (name, bounds), (_, geometry, bbox) in zip(cases.items(), catalog(con, list(files.values()))):
        assert geometry.area == pytest.approx((bounds[2] - bounds[0]) * (bounds[3] - bounds[1])), name
        check_footprint(geometry, bbox, "EPSG:4326", bounds, tolerance=1e-6)
        split = name in ("globe 360", "over 180", "cell centred", "west of -180")
        assert len(getattr(geometry, "geoms", [geometry])) == 1 + split or name in ("globe 360", "cell centred"), name
    got = {name: bbox for name, (_, _, bbox) in zip(cases, catalog(con, list(files.values())))}
    assert got["east of 180"] == (-170, 10, -130, 40) and got["from 180"] == (-180, 0, -160, 10) and got["to 360"] == (-60, 0, 0, 10) and got["to 180"] == (100, 0, 180, 10)


def test_footprints_in_web_mercator_and_others_equal_transform_bounds(con, tmp_path):
    rng = np.random.default_rng(4)
    for crs, lo, hi, side in [("EPSG:3857", (-1.9e7, -1.5e7), (1.7e7, 1.3e7), 2e6), ("EPSG:3035", (2.5e6, 1.5e6), (6e6, 4.5e6), 5e5), ("EPSG:5070", (-2e6, 4e5), (1.8e6, 2.8e6), 3e5), ("EPSG:2154", (1e5, 6.1e6), (1e6, 7e6), 1e5),
                              ("ESRI:54009", (-6e6, -6e6), (6e6, 5e6), 5e5), ("EPSG:6933", (-1.7e7, -7e6), (1.5e7, 5e6), 2e6)]:
        files = []
        for i in range(10):
            origin = rng.uniform(lo, hi)
            size = rng.uniform(side / 10, side, 2)
            files.append((boxed(tmp_path / f"{crs.replace(':', '')}-{i}.tif", crs, bounds := (*origin, *(origin + size))), bounds))
        for (path, bounds), (_, geometry, bbox) in zip(files, catalog(con, [f[0] for f in files])):
            theirs = transform_bounds(crs, "OGC:CRS84", *bounds, densify_pts=21)
            np.testing.assert_allclose(bbox, theirs, rtol=0, atol=1e-3 * max(theirs[2] - theirs[0], theirs[3] - theirs[1]))
            check_footprint(geometry, bbox, crs, bounds)


def test_densify_is_more_than_the_four_corners(con, tmp_path):
    """The north edge of a UTM box bulges: the envelope of its corners is too low."""
    bounds = (166000, 7000000, 834000, 7500000)
    path = boxed(tmp_path / "a.tif", "EPSG:32633", bounds)
    truth = transform_bounds("EPSG:32633", "OGC:CRS84", *bounds, densify_pts=5000)
    errors = [max(abs(np.subtract(catalog(con, [path], f", densify := {n}")[0][2], truth))) for n in (2, 21, 1000)]
    assert errors[0] > 0.05 and errors[1] < 1e-3 and errors[2] < 1e-6, errors


@pytest.mark.parametrize("target", ["EPSG:32629", "EPSG:3857", "EPSG:3035", "EPSG:3413"])
def test_footprints_in_another_crs_equal_transform_bounds(con, tmp_path, target):
    rng = np.random.default_rng(6)
    files = []
    for i in range(8):
        x, y = rng.uniform(300000, 600000), rng.uniform(4.0e6, 6e6)
        files.append((boxed(tmp_path / f"{i}.tif", "EPSG:32630", bounds := (x, y, x + 90000, y + 110000)), bounds))
    for (path, bounds), (_, geometry, bbox) in zip(files, catalog(con, [f[0] for f in files], f", crs := '{target}'")):
        theirs = transform_bounds("EPSG:32630", target, *bounds, densify_pts=21)
        np.testing.assert_allclose(bbox, theirs, rtol=0, atol=1e-4 * 200000)
        check_footprint(geometry, bbox, "EPSG:32630", bounds, to=target)


def test_headers_equal_rasterio(con, raster):
    rng = np.random.default_rng(2)
    paths = []
    for i, dtype in enumerate(["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]):
        bands = 1 + i % 3
        transform = rasterio.Affine(0.5, 0, -20.25, 0, -0.25, 60 + i) if i % 2 else rasterio.Affine(0.5, 0, -20, 0, 0.125, 10)
        paths.append(raster(f"{i}.tif", np.zeros((bands, 20 + i, 30 + 2 * i), dtype), crs=["EPSG:4326", "EPSG:32629", "EPSG:3857"][i % 3], transform=transform,
                            nodata=[None, 0, 7][i % 3], descriptions=[f"b{k}" for k in range(bands)] if i % 2 else None, scales=[0.1] * bands if i % 4 == 0 else None, offsets=[5.0] * bands if i % 4 == 0 else None))
    rows = con.execute(f"SELECT path, driver, width, height, transform, crs, bands, kind, schema_version, size, modified FROM geo_catalog_build({sql_list(paths)})").fetchall()
    for path, driver, width, height, transform, crs, bands, kind, version, size, modified in rows:
        import os
        with rasterio.open(path) as file:
            assert (driver, width, height) == (file.driver, file.width, file.height)
            assert tuple(transform) == file.transform.to_gdal()
            assert crs in (file.crs.to_string(), "OGC:CRS84")
            assert len(bands) == file.count
            for i, band in enumerate(bands):
                assert band["dtype"] == file.dtypes[i]
                assert band["nodata"] == file.nodatavals[i]
                assert (1 if band["scale"] is None else band["scale"]) == file.scales[i]
                assert (0 if band["offset"] is None else band["offset"]) == file.offsets[i]
                if file.descriptions[i]:
                    assert band["name"] == file.descriptions[i]
        assert (kind, version) == ("raster", 2)
        stat = os.stat(path)
        assert size == stat.st_size
        assert abs(modified.replace(tzinfo=dt.timezone.utc).timestamp() - stat.st_mtime) < 1e-3


def test_a_real_netcdf_is_catalogued_with_rasterios_numbers(con, iris_data):
    path = f'NETCDF:"{iris_data}/ostia_monthly.nc":surface_temperature'
    row = con.execute("SELECT width, height, transform, bbox, len(bands), bands[1].dtype FROM geo_catalog_build(?)", [path]).fetchone()
    with rasterio.open(path) as file:
        assert row[:2] == (file.width, file.height) and row[4:] == (file.count, "float32")
        assert row[2] == pytest.approx(file.transform.to_gdal())
    assert row[3]["ymin"] == pytest.approx(-5.277772, abs=1e-4) and row[3]["ymax"] == pytest.approx(4.722228, abs=1e-4)


@pytest.fixture
def many(tmp_path):
    rng = np.random.default_rng(30)
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(40):
        x, y = rng.uniform(200000, 700000), rng.uniform(1e5, 8e6)
        boxed(folder / f"sst_{dt.date(2018, 1, 1) + dt.timedelta(days=20 * i):%Y%m%d}.tif", f"EPSG:326{1 + i:02}", (x, y, x + 5e4, y + 5e4))
    return folder


def test_one_and_eight_threads_give_the_same_rows_in_the_order_of_the_glob(con, many):
    results = []
    for threads in (1, 8):
        con.execute(f"SET geoquilt_threads = {threads}")
        results.append(con.execute(f"SELECT * EXCLUDE (geometry), ST_AsWKB(geometry)::BLOB FROM geo_catalog_build('{many}/*.tif', filename_regex := '(?P<date>\\d{{8}})')").to_arrow_table())
    assert results[0].equals(results[1])
    assert results[0].column("path").to_pylist() == sorted(map(str, many.glob("*.tif")))


def test_globs_and_lists_keep_their_order(con, many, tmp_path):
    files = sorted(map(str, many.glob("*.tif")))
    shuffled = [files[5], files[2], files[30]]
    assert [r[0] for r in con.execute(f"SELECT path FROM geo_catalog_build({sql_list(shuffled)})").fetchall()] == shuffled
    assert [r[0] for r in con.execute(f"SELECT path FROM geo_catalog_build(['{files[7]}', '{many}/sst_2018010*.tif'])").fetchall()] == [files[7], files[0]]
    assert [r[0] for r in con.execute(f"SELECT path FROM geo_catalog_build('{tmp_path}/**/*.tif')").fetchall()] == files
    assert [r[0] for r in con.execute(f"SELECT path FROM geo_catalog_build('{tmp_path}/man?/sst_20180[1-2]*.tif')").fetchall()] == [f for f in files if "/sst_201801" in f or "/sst_201802" in f]


@pytest.mark.parametrize("mode", ["", "(GEOPARQUET_VERSION 'BOTH')"])
@pytest.mark.parametrize("crs", ["OGC:CRS84", "EPSG:32629", "EPSG:3857"])
def test_a_catalog_survives_parquet_and_geopandas(con, many, tmp_path, mode, crs):
    there, back = tmp_path / "there.parquet", tmp_path / "back.parquet"
    paths = sorted(map(str, many.glob("*.tif")))[:12]
    if crs == "EPSG:32629":
        paths = [boxed(tmp_path / f"u{i}_2018010{1 + i}.tif", "EPSG:32629", (4e5 + 1e4 * i, 4e6, 4.5e5 + 1e4 * i, 4.1e6)) for i in range(6)]
    con.execute(f"CREATE TABLE files AS FROM geo_catalog_build({sql_list(paths)}, filename_regex := '(?P<date>\\d{{8}})', crs := '{crs}')")
    con.execute(f"COPY files TO '{there}' {mode}")
    frame = geopandas.read_parquet(there)
    assert frame.crs is not None and frame.crs.equals(pyproj.CRS(crs), ignore_axis_order=True), frame.crs
    ours = con.execute("SELECT ST_AsWKB(geometry)::BLOB AS wkb, bbox, path FROM files").fetchall()
    assert frame["path"].tolist() == [row[2] for row in ours]
    for geometry, (wkb, bbox, _) in zip(frame.geometry, ours):
        assert geometry.equals(shapely.from_wkb(bytes(wkb)))
        np.testing.assert_allclose(geometry.bounds, (bbox["xmin"], bbox["ymin"], bbox["xmax"], bbox["ymax"]), rtol=0, atol=1e-9)
    frame.to_parquet(back)
    con.execute(f"CREATE TABLE again AS FROM '{back}'")
    types = dict(con.execute("SELECT column_name, column_type FROM (DESCRIBE again)").fetchall())
    assert types["geometry"].startswith("GEOMETRY")
    assert con.execute("SELECT count(*) FROM again JOIN files USING (path) WHERE ST_AsWKB(again.geometry) = ST_AsWKB(files.geometry) AND again.t_min = files.t_min AND again.bbox = files.bbox").fetchone()[0] == len(ours)
    con.execute("CREATE TABLE grid AS SELECT patch_id, win FROM geo_patch_grid({xmin: 0, ymin: 0, xmax: 8, ymax: 8}, resolution := 1, size := 4)")
    rows = con.execute("SELECT count(*), count(DISTINCT path), min(split) FROM geoquilt.patch_registry('grid', 'again')").fetchone()
    assert rows[:2] == (4 * len(ours), len(ours))


def test_a_catalog_of_lon_lat_geometry_has_the_crs_in_its_column_type(con, many):
    for crs in ("OGC:CRS84", "EPSG:3857"):
        kind = con.execute(f"SELECT typeof(geometry) FROM geo_catalog_build('{many}/*.tif', crs := '{crs}') LIMIT 1").fetchone()[0]
        assert kind.startswith("GEOMETRY(") and crs.split(":")[1] in kind, kind[:200]
    kind = con.execute(f"SELECT typeof(geometry) FROM geo_catalog_build('{many}/*.tif', crs := 'EPSG:4326') LIMIT 1").fetchone()[0]
    assert "CRS84" in kind


def test_row_groups_are_pruned_by_the_box(con, tmp_path):
    """Wherever the box does not reach, the file's bytes are destroyed: only a query that prunes can answer."""
    folder = tmp_path / "tiles"
    folder.mkdir()
    for i in range(30):
        boxed(folder / f"{i:03}.tif", "EPSG:4326", (-150 + 10 * i, 0, -141 + 10 * i, 9))
    for version in ("BOTH", "V1"):
        file = tmp_path / f"{version}.parquet"
        # 30 rows are one vector: copies of them make row groups of 2,048 rows, two files in each.
        con.execute(f"""COPY (SELECT c.* FROM geo_catalog_build('{folder}/*.tif') AS c, range(1024) ORDER BY bbox.xmin)
            TO '{file}' (ROW_GROUP_SIZE 2048, GEOPARQUET_VERSION '{version}')""")
        chunks = con.execute(f"SELECT row_group_id, dictionary_page_offset, total_compressed_size FROM parquet_metadata('{file}') WHERE path_in_schema = 'geometry'").fetchall()
        assert len(chunks) == 15
        blob = bytearray(file.read_bytes())
        for group, start, length in chunks:
            if group != 7:  # -10..9: the files from -10 and from 0
                blob[start:start + length] = b"\xff" * length
        (tmp_path / f"{version} broken.parquet").write_bytes(blob)
    query = "SELECT count(*) FROM '{}' WHERE geometry && ST_SetCRS('POLYGON ((0.5 1, 1 1, 1 2, 0.5 2, 0.5 1))'::GEOMETRY, 'OGC:CRS84')"
    for name in ("BOTH", "V1", "BOTH broken"):
        assert con.execute(query.format(tmp_path / f"{name}.parquet")).fetchone() == (1024,), name
    with pytest.raises(Exception):
        con.execute(query.format(tmp_path / "V1 broken.parquet")).fetchone()


def dated(con, tmp_path, name, regex, more=""):
    path = boxed(tmp_path / name, "EPSG:4326", (0, 0, 1, 1))
    return con.execute(f"SELECT t_min, t_max, attributes FROM geo_catalog_build('{path}', filename_regex := ?{more})", [regex]).fetchone()


def test_dates_in_file_names_are_closed_intervals(con, tmp_path):
    day, end = dt.datetime, dt.timedelta(microseconds=1)
    assert dated(con, tmp_path, "sst_20180131.tif", r"(?P<var>[a-z]+)_(?P<date>\d{8})") == (day(2018, 1, 31), day(2018, 2, 1) - end, {"var": "sst"})
    assert dated(con, tmp_path, "a_2020-02.tif", r"(?P<date>\d{4}-\d\d)", ", date_format := '%Y-%m'")[:2] == (day(2020, 2, 1), day(2020, 3, 1) - end)
    assert dated(con, tmp_path, "a_2020.tif", r"(?P<date>\d{4})", ", date_format := '%Y'")[:2] == (day(2020, 1, 1), day(2021, 1, 1) - end)
    assert dated(con, tmp_path, "a_2020060.tif", r"(?P<date>\d{7})", ", date_format := '%Y%j'")[:2] == (day(2020, 2, 29), day(2020, 3, 1) - end)
    got = dated(con, tmp_path, "T30_20200101T235959_x.tif", r"(?P<tile>T\d+)_(?P<date>\d{8}T\d{6})", ", date_format := '%Y%m%dT%H%M%S'")
    assert got == (day(2020, 1, 1, 23, 59, 59), day(2020, 1, 2) - end, {"tile": "T30"})
    assert dated(con, tmp_path, "p_20200115_20200220.tif", r"(?P<start>\d{8})_(?P<stop>\d{8})")[:2] == (day(2020, 1, 15), day(2020, 2, 21) - end)
    assert dated(con, tmp_path, "plain.tif", r"(?P<name>[a-z]+)") == (None, None, {"name": "plain"})


def test_back_to_back_days_do_not_meet(con, many):
    assert con.execute(f"""WITH c AS (FROM geo_catalog_build('{many}/*.tif', filename_regex := '(?P<date>\\d{{8}})'))
        SELECT count(*), min(epoch_us(t_max) - epoch_us(t_min)), max(epoch_us(t_max) - epoch_us(t_min)) FROM c""").fetchone() == (40, 86_399_999_999, 86_399_999_999)


def test_on_error_reports_skips_or_fails(con, many, tmp_path):
    good = sorted(map(str, many.glob("*.tif")))[:3]
    text, cut, bare = tmp_path / "text.tif", tmp_path / "cut.tif", tmp_path / "bare.tif"
    text.write_text("not a raster")
    cut.write_bytes(open(good[0], "rb").read()[:40])
    with rasterio.open(bare, "w", driver="GTiff", width=4, height=4, count=1, dtype="uint8"):
        pass
    paths = [good[0], str(text), good[1], str(cut), str(bare), str(tmp_path / "absent.tif"), good[2]]
    got = con.execute(f"SELECT path, error, geometry IS NULL, width FROM geo_catalog_build({sql_list(paths)}, on_error := 'report')").fetchall()
    assert [row[0] for row in got] == paths
    for path, error, empty, width in got:
        assert (error is None) == (path in good) == (not empty) == (width is not None)
        assert error is None or path.split("/")[-1] in error
    assert [r[0] for r in con.execute(f"SELECT path FROM geo_catalog_build({sql_list(paths)}, on_error := 'skip')").fetchall()] == good
    with pytest.raises(Exception, match=r"(?s)geo_catalog_build.*text\.tif"):
        con.execute(f"FROM geo_catalog_build({sql_list(paths)})").fetchall()
    assert con.execute(f"SELECT count(*) FROM geo_catalog_build({sql_list(paths)}, on_error := 'skip')").fetchone() == (3,)


def test_a_catalog_reads_headers_in_bounded_memory_and_opens_no_pixels(con, tmp_path):
    """A sparse file of 40,000 x 40,000 doubles costs nothing to catalogue."""
    path = tmp_path / "big.tif"
    with rasterio.open(path, "w", driver="GTiff", width=40000, height=40000, count=2, dtype="float64", crs="EPSG:32629", transform=from_origin(5e5, 5e6, 10, 10), sparse_ok=True, tiled=True, blockxsize=256, blockysize=256):
        pass
    assert con.execute(f"SELECT width, height FROM geo_catalog_build('{path}')").fetchone() == (40000, 40000)
