"""Remote files: the same answers as from disk, at a cost in requests and bytes that a server counts, and clear errors
when it misbehaves. The server runs in this process, so that a lock held over a read would be a hang."""
import datetime
import json
import pathlib
import shutil
import threading
import time

import duckdb
import fsspec
import geopandas
import netCDF4
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from conftest import OPEN_EXTENSION, connect, run_python, write_raster
from range_server import RangeServer, http_file_system
from rasterio.shutil import copy as copy_raster

PAGE = 16384


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remote")
    rng = np.random.default_rng(5)
    scene = rng.integers(0, 1000, (1000, 1500)).astype("float32")
    write_raster(folder / "plain_20240102.tif", scene, tiled=True, blockxsize=256, blockysize=256, compress="deflate", nodata=7)
    copy_raster(folder / "plain_20240102.tif", folder / "cog_20240101.tif", driver="COG", BLOCKSIZE=256, COMPRESS="DEFLATE")
    write_raster(folder / "strips.tif", rng.integers(0, 99, (2, 300, 400)).astype("uint16"))
    mask = np.ones((300, 400), "uint8") * 255
    mask[100:140, 50:90] = 0
    write_raster(folder / "masked.tif", rng.integers(0, 99, (300, 400)).astype("uint8"), mask=mask)
    land = (rng.random((90, 180)) > 0.5).astype("uint8")
    write_raster(folder / "land.tif", land, crs="EPSG:4326", transform=rasterio.transform.from_origin(-180, 90, 2, 2))
    (folder / "both.vrt").write_text(
        """<VRTDataset rasterXSize="1500" rasterYSize="1000"><SRS>EPSG:32629</SRS><GeoTransform>500000, 10, 0, 4600000, 0, -10</GeoTransform>
        <VRTRasterBand dataType="Float32" band="1"><SimpleSource><SourceFilename relativeToVRT="1">cog_20240101.tif</SourceFilename>
        <SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>""")
    for name, kind in (("four.nc", "NETCDF4"), ("three.nc", "NETCDF3_CLASSIC")):
        with netCDF4.Dataset(folder / name, "w", format=kind) as out:
            for axis, n in (("lat", 60), ("lon", 90)):
                out.createDimension(axis, n)
                v = out.createVariable(axis, "f8", (axis,))
                v[:] = np.arange(n) * 0.5
                v.units = {"lat": "degrees_north", "lon": "degrees_east"}[axis]
            packed = {"chunksizes": (20, 30), "zlib": True} if kind == "NETCDF4" else {}
            out.createVariable("tos", "f4", ("lat", "lon"), **packed)[:] = rng.random((60, 90), "float32")
    with netCDF4.Dataset(folder / "four.h5", "w") as out:
        for axis, n in (("y", 600), ("x", 900)):
            out.createDimension(axis, n)
        out.createVariable("tos", "f4", ("y", "x"), chunksizes=(60, 90))[:] = rng.random((600, 900), "float32")
    return folder


@pytest.fixture
def server(folder):
    server = RangeServer(folder)
    yield server
    server.close()


WAYS_THERE = ["duckdb", "auto"]


@pytest.fixture(params=WAYS_THERE)
def web(server, request):
    """A connection that reads the web through fsspec, and one that reads it by itself."""
    con = connect()
    con.register_filesystem(http_file_system(timeout=3))
    con.execute(f"SET geoquilt_transport = '{request.param}'")
    yield con
    con.close()


def first_page(con):
    """The bytes of a file that are asked for first, and how far apart ranges are one request."""
    return {"duckdb": (PAGE, 4096), "auto": (2 * PAGE, 256 << 10)}[con.execute("SELECT current_setting('geoquilt_transport')").fetchone()[0]]


@pytest.fixture
def memory(folder):
    """A connection to fsspec's memory file system, where every reader of a file moves the same cursor."""
    files = fsspec.filesystem("memory")
    for file in filter(pathlib.Path.is_file, folder.iterdir()):
        files.pipe(f"/{file.name}", file.read_bytes())
    con = connect()
    con.register_filesystem(files)
    yield con
    con.close()


def counted(con, query):
    """The rows of a query, and the requests and bytes that geoquilt counted for it."""
    before = con.execute("SELECT requests, bytes FROM geoquilt_remote()").fetchone()
    rows = con.execute(query).fetchall()
    after = con.execute("SELECT requests, bytes FROM geoquilt_remote()").fetchone()
    return rows, (after[0] - before[0], after[1] - before[1])


def tile_ranges(path, window):
    """Where the tiles under a window lie in the file, by rasterio."""
    row_off, col_off, height, width = window
    with rasterio.open(path) as file:
        side = file.block_shapes[0][0]
        for row in range(row_off // side, -(-(row_off + height) // side)):
            for col in range(col_off // side, -(-(col_off + width) // side)):
                first = int(file.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", 1))
                yield first, first + int(file.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", 1)) - 1


def test_stac_items_behind_urls_lead_to_files_beside_them(memory, server, web, folder):
    item = {"type": "Feature", "stac_version": "1.0.0", "id": "i", "geometry": {"type": "Point", "coordinates": [1, 2]}, "links": [],
            "properties": {"datetime": "2020-01-01T00:00:00Z"}, "assets": {"scene": {"href": "./cog_20240101.tif"}}}
    (folder / "item.json").write_text(json.dumps(item))
    fsspec.filesystem("memory").pipe("/items/item.json", json.dumps(item).encode())
    for con, url in ((web, server.url("item.json")), (memory, "memory://items/item.json")):
        row = con.execute("SELECT path, bbox.ymax, t_min FROM read_stac(?)", [url]).fetchone()
        assert row == (url.replace("item.json", "cog_20240101.tif"), 2, datetime.datetime(2020, 1, 1))
        with pytest.raises(duckdb.Error, match="none.json.* does not exist"):
            con.execute("FROM read_stac(?)", [url.replace("item.json", "none.json")]).fetchall()


@pytest.mark.parametrize("name", ["cog_20240101.tif", "plain_20240102.tif"])
@pytest.mark.parametrize("window", [(200, 200, 128, 128), (300, 300, 128, 128), (900, 1400, 100, 100)])
def test_a_window_costs_the_header_and_the_tiles_it_touches(web, server, folder, name, window):
    win = dict(zip(("row_off", "col_off", "height", "width"), window))
    query = f"SELECT read_patch('{server.url(name)}', {win}, {{fill: -1}})"
    rows, (requests, read) = counted(web, query)
    with rasterio.open(folder / name) as file:
        expected = file.read(1, window=rasterio.windows.Window(window[1], window[0], window[3], window[2]))
    expected = np.where(expected == 7, -1, expected)
    np.testing.assert_array_equal(np.reshape(rows[0][0], expected.shape), expected)
    # The server saw what we counted: one page of header, then runs of tiles, none of them twice.
    assert (requests, read) == (len(server.ranges()), server.bytes())
    tiles = sorted(tile_ranges(folder / name, window))
    header, *runs = server.ranges()
    page, near = first_page(web)
    assert header == (0, page - 1)
    wanted = [tile for tile in tiles if tile[1] >= page]
    assert all(any(first <= max(a, page) and b <= last for first, last in runs) for a, b in wanted)
    # Neighbours come in one request, with the few bytes between them: no more than four times of what was asked for.
    asked, gaps, between = 0, 0, 0
    for before, tile in zip([None, *wanted], wanted):
        gap = tile[0] - before[1] - 1 if before else 0
        is_near = before and gap <= min(near, max(4096, 4 * asked))
        gaps, between = gaps + bool(before and not is_near), between + (gap if is_near else 0)
        asked = (asked if is_near else 0) + tile[1] - max(tile[0], page) + 1
    assert len(runs) == gaps + 1
    assert server.bytes() - page <= sum(b - max(a, page) + 1 for a, b in wanted) + between


def test_a_catalog_of_urls_costs_one_page_each_and_says_what_the_local_one_says(web, server, folder):
    names = ["cog_20240101.tif", "plain_20240102.tif", "strips.tif", "masked.tif"]
    build = "SELECT * EXCLUDE (path, modified) FROM geo_catalog_build(%s)"
    rows, (requests, read) = counted(web, build % [server.url(n) for n in names])
    assert rows == web.execute(build % [str(folder / n) for n in names]).fetchall()
    # One page each, and one more for the header of a mask that was written behind the pixels.
    assert requests == len(server.ranges()) == len(names) + 1
    assert read == server.bytes() <= first_page(web)[0] * (len(names) + 1)
    # No side file was asked for: the server was asked for these names alone.
    assert {r.path for r in server.requests} == set(names)
    assert web.execute(f"SELECT modified FROM geo_catalog_build('{server.url(names[0])}')").fetchone() == (None,)


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("name", ["cog_20240101.tif", "strips.tif", "masked.tif"])
def test_streamed_patches_are_the_local_ones_and_each_byte_comes_once(web, memory, server, folder, name, threads):
    query = "SELECT win, data, crs FROM read_patch('%s', size := 100, stride := 60, edge := 'pad')"
    local = web.execute(query % (folder / name)).fetchall()
    for con, url in ((web, server.url(name)), (memory, f"memory://{name}")):
        con.execute(f"SET threads = {threads}; SET geoquilt_threads = {threads}")
        rows, (_, read) = counted(con, query % url)
        assert rows == local
        assert read <= (folder / name).stat().st_size + 2 * PAGE
        assert con is memory or server.bytes() == read


@pytest.mark.parametrize("threads", [1, 2])
def test_scalar_reads_on_all_threads_share_one_look_at_each_file(memory, folder, threads):
    memory.execute(f"SET threads = {threads}")
    query = """SELECT sum(list_sum(read_patch(path, {row_off: 16 * (i %% 50), col_off: 16 * (i %% 80), height: 32, width: 32}, {fill: 0})))
               FROM (SELECT unnest(%s) AS path), range(3000) t(i)"""
    names = ["cog_20240101.tif", "plain_20240102.tif"]
    remote, _ = counted(memory, query % [f"memory://{n}" for n in names])
    local, (requests, _) = counted(memory, query % [str(folder / n) for n in names])
    assert remote == local and requests == 0


def test_grids_masks_and_registries_come_from_urls_too(web, server, folder, tmp_path):
    url, path = server.url("land.tif"), str(folder / "land.tif")
    grid = "FROM geo_patch_grid('%s', size := 16, stride := 8, max_land_fraction := 0.5)"
    assert web.execute(grid % url).fetchall() == web.execute(grid % path).fetchall()
    land = "SELECT st_land_fraction({xmin: -20, ymin: -20, xmax: 20, ymax: 20}, '%s')"
    assert web.execute(land % url).fetchone() == web.execute(land % path).fetchone()
    registry = folder / "registry.parquet"
    web.execute(f"COPY (SELECT '{url}' AS path, win, i AS n FROM geo_patch_grid('{path}', size := 16), range(3) t(i)) TO '{registry}'")
    read = "SELECT n, win, data FROM read_patch('%s')"
    rows = web.execute(read % server.url("registry.parquet")).fetchall()
    assert len(rows) == 3 * 6 * 12 and rows == web.execute(read % registry).fetchall()


@pytest.mark.parametrize("local, ranged", [
    ('NETCDF:"{}/four.nc":tos', False), ('NETCDF:"{}/three.nc":tos', False), ('HDF5:"{}/four.h5"://tos', True), ("{}/both.vrt", True)])
def test_arrays_and_mosaics_behind_urls_read_as_from_disk(web, server, folder, local, ranged):
    query = "SELECT read_patch('%s', {row_off: 3, col_off: 4, height: 25, width: 31})"
    base = server.url("").rstrip("/")
    assert web.execute(query % local.format(base)).fetchall() == web.execute(query % local.format(folder)).fetchall()
    # A netCDF file comes whole; HDF5 and the sources of a VRT in ranges. Side files are not asked for.
    whole = sum((folder / name).stat().st_size for name in {r.path for r in server.requests})
    assert ranged == (server.bytes() < whole)


@pytest.fixture(scope="module")
def cubes(folder):
    """One cube in every array format, and the local answers are xarray's own files'."""
    rng = np.random.default_rng(8)
    cube = xr.Dataset(
        {"tos": (("time", "lat", "lon"), rng.random((6, 60, 90), "float32"))},
        coords={"time": np.arange("2020-01-01", "2020-01-07", dtype="M8[D]").astype("M8[ns]"),
                "lat": ("lat", np.linspace(29.5, -29.5, 60), {"units": "degrees_north", "standard_name": "latitude"}),
                "lon": ("lon", np.linspace(0.5, 89.5, 90), {"units": "degrees_east", "standard_name": "longitude"})})
    chunks = {"tos": {"chunks": (2, 20, 30)}}
    cube.to_zarr(folder / "v2.zarr", zarr_format=2, consolidated=True, encoding=chunks)
    cube.to_zarr(folder / "v3.zarr", zarr_format=3, consolidated=True, encoding=chunks)
    cube.to_zarr(folder / "sharded.zarr", zarr_format=3, consolidated=True, encoding={"tos": {"chunks": (1, 10, 15), "shards": (2, 20, 30)}})
    cube.to_zarr(folder / "bare.zarr", zarr_format=3, consolidated=False, encoding=chunks)
    shutil.make_archive(str(folder / "zipped"), "zip", folder / "v3.zarr")
    cube.to_netcdf(folder / "cube4.nc", encoding={"tos": {"chunksizes": (2, 20, 30), "zlib": True}})
    cube.to_netcdf(folder / "cube3.nc", format="NETCDF3_64BIT")
    return cube


CUBES = ["v2.zarr", "v3.zarr", "sharded.zarr", "zipped.zip", "cube4.nc", "cube3.nc"]


@pytest.mark.parametrize("name", CUBES)
def test_cubes_behind_urls_are_cataloged_and_read_as_xarray_reads_them(web, memory, server, folder, cubes, name):
    build = "SELECT * EXCLUDE (path, modified, size) FROM geo_catalog_build('%s')"
    # As text, in which one NaN is as another.
    local = str(web.execute(build % (folder / name)).fetchall())
    assert str(web.execute(build % server.url(name)).fetchall()) == local
    expected = cubes.tos.values[1:3, 5:25, 7:40]
    query = "SELECT unnest(read_array('%s', 'tos', {isel: {time: [1, 2], lat: [5, 24], lon: [7, 39]}}))"
    for path in (folder / name, server.url(name)):
        row = web.execute(query % path).fetchone()
        np.testing.assert_array_equal(np.array(row[0], "float32").reshape(row[1]), expected)
    before = len(server.requests)
    web.execute("CREATE TEMP TABLE once AS " + query.replace("unnest", "") % server.url(name))
    # Documents, the time axis, and each chunk or shard in one request.
    assert len([r for r in server.requests[before:] if r.method == "GET" and r.status < 400]) <= 20


def test_an_unlimited_dimension_without_a_variable_has_its_length_behind_a_url(web, server, folder):
    values = np.arange(12, dtype="f4").reshape(3, 4)
    with netCDF4.Dataset(folder / "unlimited.nc", "w") as out:
        out.createDimension("time", None)
        out.createDimension("depth", 4)
        for name in ("temp", "depth"):
            out.createVariable(name, "f4", ("time", "depth"))[:] = values
    for path in (folder / "unlimited.nc", server.url("unlimited.nc")):
        for name in ("temp", "depth"):
            assert web.execute(f"SELECT shape FROM read_variables('{path}') WHERE variable = '{name}'").fetchone() == ([3, 4],)
            assert web.execute(f"SELECT read_array('{path}', '{name}', {{isel: {{depth: 2}}}}).data").fetchone()[0] == values[:, 2].tolist()


def test_a_store_that_can_not_be_listed_says_so(web, server, cubes):
    with pytest.raises(duckdb.Error, match="not consolidated, and a URL cannot be listed"):
        web.execute(f"FROM geo_catalog_build('{server.url('bare.zarr')}')").fetchall()


def test_vectors_come_from_urls_too(web, server, folder):
    (folder / "fields.geojson").write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"n": 1}, "geometry":'
        ' {"type": "Polygon", "coordinates": [[[0, 0], [3, 0], [3, 2], [0, 2], [0, 0]]]}}]}')
    build = "SELECT * EXCLUDE (path, modified) FROM geo_catalog_build('%s')"
    assert web.execute(build % server.url("fields.geojson")).fetchall() == web.execute(build % (folder / "fields.geojson")).fetchall()


def test_a_shapefile_behind_a_url_comes_with_its_parts(web, server, folder):
    shapes = geopandas.GeoDataFrame({"class": [1, 2]}, geometry=[shapely.box(0, 0, 3, 2), shapely.box(5, 0, 6, 1)], crs="EPSG:4326")
    shapes.to_file(folder / "parts.shp")
    build = "SELECT * EXCLUDE (path, modified) FROM geo_catalog_build('%s')"
    rows, cost = counted(web, build % server.url("parts.shp"))
    assert rows == web.execute(build % (folder / "parts.shp")).fetchall()
    assert sorted({request.path for request in server.requests}) == [f"parts.{end}" for end in ("cpg", "dbf", "prj", "shp", "shx")]
    assert cost[0] == 5  # each in one request
    draw = "SELECT geo_rasterize('%s', geo_slice({xmin: 0, ymin: 0, xmax: 6, ymax: 2}, 1, 'OGC:CRS84'), {label_field: 'class'}).data"
    assert web.execute(draw % server.url("parts.shp")).fetchall() == web.execute(draw % (folder / "parts.shp")).fetchall() == [([1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 2],)]


def test_slices_come_from_urls_too(web, server, folder):
    query = """SELECT read_slice('%s', {bbox: {xmin: 501000.0, ymin: 4595000.0, xmax: 503000.0, ymax: 4597000.0}, crs: 'EPSG:32629',
               t_min: NULL::TIMESTAMP, t_max: NULL::TIMESTAMP, width: 100, height: 100}, {resampling: 'bilinear'})"""
    name = "cog_20240101.tif"
    assert web.execute(query % server.url(name)).fetchall() == web.execute(query % (folder / name)).fetchall()


def test_a_netcdf_file_that_must_be_had_whole_has_a_bound(web, server, folder):
    with netCDF4.Dataset(folder / "large.nc", "w", format="NETCDF3_CLASSIC") as out:
        out.createDimension("x", 1 << 19)
        out.createVariable("v", "f4", ("x",))[:] = 1
    web.execute("SET geoquilt_remote_cache_mb = 1")
    with pytest.raises(duckdb.Error, match="needs the whole of it, 3 MiB, which is above geoquilt_remote_cache_mb"):
        web.execute(f"SELECT read_patch('{server.url('large.nc')}', {{row_off: 0, col_off: 0, height: 1, width: 1}})").fetchall()


def test_memory_stays_within_the_bound_and_answers_stay_right(web, server, folder):
    web.execute("SET geoquilt_remote_cache_mb = 1; SET geoquilt_block_cache_mb = 1")
    query = "SELECT sum(list_sum(data)) FROM read_patch('%s', size := 100, stride := 50)"
    name = "plain_20240102.tif"
    assert web.execute(query % server.url(name)).fetchall() == web.execute(query % (folder / name)).fetchall()
    assert web.execute("SELECT held <= 1 << 20 FROM geoquilt_remote()").fetchone() == (True,)


def test_what_changed_between_two_queries_is_seen(memory):
    files = fsspec.filesystem("memory")
    for value in (1, 2):
        with rasterio.MemoryFile() as buffer:
            with buffer.open(driver="GTiff", width=20, height=10, count=1, dtype="uint8", crs="EPSG:4326", transform=rasterio.Affine(1, 0, 0, 0, -1, 0)) as out:
                out.write(np.full((1, 10, 20), value, "uint8"))
            files.pipe("/changing.tif", buffer.read())
        query = "SELECT read_patch('memory://changing.tif', {row_off: 1, col_off: 1, height: 1, width: 2})"
        for _ in range(2):
            assert memory.execute(query).fetchone() == ([value, value],)
        assert memory.execute("SELECT sum(list_sum(data)) FROM read_patch('memory://changing.tif', size := 10)").fetchone() == (200 * value,)


def test_a_prepared_statement_looks_anew_each_time(web, server, folder):
    name = "strips.tif"
    web.execute(f"PREPARE p AS SELECT sum(list_sum(data)) FROM read_patch('{server.url(name)}', size := 100)")
    sums = {web.execute("EXECUTE p").fetchone() for _ in range(3)}
    assert len(sums) == 1
    # Each execution reads all of the pixels, from a session of its own.
    pixels = (folder / name).stat().st_size
    assert server.bytes() >= 3 * (pixels - 2 * PAGE)


def test_urls_are_listed_by_duckdb_itself(memory):
    with pytest.raises(duckdb.Error, match=r"geo_catalog_build\(paths\): \"memory://\*\.tif\" is a glob over URLs") as caught:
        memory.execute("FROM geo_catalog_build('memory://*.tif')")
    assert "SET VARIABLE files = (SELECT list(file) FROM glob('memory://*.tif'))" in str(caught.value)
    memory.execute("SET VARIABLE files = (SELECT list(file ORDER BY file) FROM glob('memory://*2024*.tif'))")
    rows = memory.execute("SELECT path FROM geo_catalog_build(getvariable('files'))").fetchall()
    assert [pathlib.Path(path).name for path, in rows] == ["cog_20240101.tif", "plain_20240102.tif"]


READ = "SELECT read_patch('{}', {{row_off: 300, col_off: 300, height: 8, width: 8}})"


@pytest.mark.parametrize("why, misbehave, message", [
    ("forbidden", lambda m, p, a, b, n: 403, r'"http://.*cog_20240101.tif" does not exist, or may not be read: '),
    ("absent", lambda m, p, a, b, n: 404, r'"http://.*cog_20240101.tif" does not exist, or may not be read: '),
    ("broken", lambda m, p, a, b, n: 500 if m == "GET" else None, r"cannot read bytes 0 to 16383 of .* 500.*\(tried 3 times\)|cannot read bytes 0 to 16383 of .* 500"),
    ("broken later", lambda m, p, a, b, n: 500 if a > 0 and m == "GET" else None, r"cannot read bytes [1-9]\d+ to \d+ of \"http.*cog_20240101.tif\": .*500"),
    ("forbidden later", lambda m, p, a, b, n: 403 if a > 0 and m == "GET" else None, r"cannot read bytes [1-9]\d+ to \d+ of .* 403"),
    ("absent later", lambda m, p, a, b, n: 404 if a > 0 and m == "GET" else None, r"cannot read bytes [1-9]\d+ to \d+ of .* 404"),
    ("cut off", lambda m, p, a, b, n: "cut" if m == "GET" else None, r"cannot read bytes 0 to 16383 of .*payload is not completed"),
    ("stalling", lambda m, p, a, b, n: "stall" if a > 0 and m == "GET" else None, r"cannot read bytes [1-9]\d+ to \d+ of .*Timeout"),
])
def test_a_server_that_misbehaves_gives_a_clear_error(folder, why, misbehave, message):
    server = RangeServer(folder, misbehave)
    con = connect()
    con.register_filesystem(http_file_system(timeout=1))
    con.execute("SET geoquilt_transport = 'duckdb'")
    con.execute("SET geoquilt_remote_retries = 2" if why != "stalling" else "SET geoquilt_remote_retries = 1")
    try:
        with pytest.raises(duckdb.Error, match=message) as caught:
            con.execute(READ.format(server.url("cog_20240101.tif"))).fetchall()
        # What no retry mends is asked for once at each try of DuckDB's to fold the constant.
        if "forbidden" in why or "absent" in why:
            assert "tried" not in str(caught.value)
        with pytest.raises(duckdb.Error, match=r'^Invalid Input Error: read_patch: ' + message):
            con.execute(f"FROM read_patch('{server.url('cog_20240101.tif')}', size := 64)").fetchall() if "later" in why else con.execute(READ.format(server.url("cog_20240101.tif"))).fetchall()
    finally:
        con.close()
        server.close()


@pytest.mark.parametrize("what", [500, "cut"])
def test_what_fails_now_and_then_is_mended_by_trying_again(folder, what):
    server = RangeServer(folder, lambda m, p, a, b, n: what if m == "GET" and n % 3 == 0 else None)
    con = connect()
    con.register_filesystem(http_file_system())
    con.execute("SET geoquilt_transport = 'duckdb'")
    before = con.execute("SELECT retries FROM geoquilt_remote()").fetchone()[0]
    query = "SELECT data FROM read_patch('%s', size := 250)"
    name = "plain_20240102.tif"
    assert con.execute(query % server.url(name)).fetchall() == con.execute(query % (folder / name)).fetchall()
    assert con.execute("SELECT retries FROM geoquilt_remote()").fetchone()[0] > before
    con.close()
    server.close()


def test_broken_urls_are_reported_by_name(web, server):
    urls = [server.url("cog_20240101.tif"), server.url("none.tif"), server.url("registry.txt")]
    rows = web.execute(f"SELECT parse_filename(path), error FROM geo_catalog_build({urls}, on_error := 'report')").fetchall()
    assert [name for name, error in rows if error is None] == ["cog_20240101.tif"]
    assert all("does not exist, or may not be read" in error for _, error in rows[1:])


def test_what_duckdb_may_not_open_says_why(con):
    con.execute("SET enable_external_access = false")
    with pytest.raises(duckdb.Error, match="disabled by configuration"):
        con.execute("FROM geo_catalog_build('memory://a.tif')").fetchall()


def test_a_server_without_ranges_is_refused_by_name(folder):
    server = RangeServer(folder)
    con = connect()
    con.register_filesystem(type(http_file_system())(block_size=0, skip_instance_cache=True))
    con.execute("SET geoquilt_transport = 'duckdb'")
    with pytest.raises(duckdb.Error, match='of "http://.*cog_20240101.tif": |cannot open "http://.*cog_20240101.tif": '):
        con.execute(READ.format(server.url("cog_20240101.tif"))).fetchall()
    con.close()
    server.close()


SETUP = """
import faulthandler, threading, pathlib, fsspec
faulthandler.dump_traceback_later(50, exit=True)
from range_server import RangeServer, http_file_system
folder = pathlib.Path({folder!r})
server = RangeServer(folder)
files = fsspec.filesystem("memory")
files.pipe("/strips.tif", (folder / "strips.tif").read_bytes())
con.register_filesystem(files)
con.register_filesystem(http_file_system())
con.execute("SET geoquilt_transport = 'duckdb'")
con.execute("SET threads = {threads}")
urls = [server.url("strips.tif"), "memory://strips.tif"]
scalar = "SELECT read_patch('%s', {{row_off: 0, col_off: 0, height: 8, width: i::INTEGER + 1}}) FROM range(40) t(i)"
table = "SELECT data FROM read_patch('%s', size := 50)"
"""

WAYS = {
    "execute": "for u in urls:\n  for q in (scalar, table):\n    con.execute(q % u).fetchall()",
    "fetchone": "for u in urls:\n  for q in (scalar, table):\n    r = con.execute(q % u); r.fetchone(); r.fetchmany(5); r.fetchall()",
    "relation": "for u in urls:\n  for q in (scalar, table):\n    r = con.sql(q % u); r.limit(2).fetchall(); r.fetchall(); repr(con.sql(q % u))",
    "arrow": "for u in urls:\n  for q in (scalar, table):\n    next(iter(con.execute(q % u).to_arrow_reader(4)))\n    con.sql(q % u).to_arrow_table()",
    "numpy": "for u in urls:\n  for q in (scalar, table):\n    con.sql(q % u).fetchnumpy()",
    "cursors": "def work(u, q):\n  c = con.cursor(); c.execute(q % u).fetchall()\n"
    "ts = [threading.Thread(target=work, args=(u, q)) for u in urls for q in (scalar, table)] * 1\n[t.start() for t in ts]; [t.join() for t in ts]",
    "abandoned": "for u in urls:\n  r = con.execute(table % u); r.fetchone(); con.execute('SELECT 1'); con.execute(table % u + ' LIMIT 1').fetchall()",
    "closed early": "for u in urls:\n  c = con.cursor(); r = c.execute(table % u); r.fetchone(); c.close()\ncon.close()",
    "prepared and closed": "con.execute('PREPARE p AS ' + table % urls[0]); con.execute('EXECUTE p').fetchone(); con.execute('PREPARE q AS ' + table % urls[1]); con.close()",
    "create table": "for u in urls:\n  con.execute('CREATE OR REPLACE TABLE t AS ' + table % u); con.execute('CREATE OR REPLACE TABLE t AS ' + scalar % u)",
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_asking_hangs_or_crashes(folder, way, threads):
    done = run_python(OPEN_EXTENSION + SETUP.format(folder=str(folder), threads=threads) + WAYS[way] + "\nprint('done')", timeout=60)
    assert done.stdout.strip() == "done" and done.returncode == 0, done.stdout + done.stderr


def test_an_index_over_a_read_is_refused_rather_than_kept_beyond_its_connection(con):
    con.execute("CREATE TABLE t AS SELECT {xmin: 0.0, ymin: 0.0, xmax: 1.0, ymax: 1.0} AS b")
    with pytest.raises(duckdb.Error):
        con.execute("CREATE INDEX i ON t (st_land_fraction(b, 'memory://land.tif'))")


DELAY = 0.15


class Slow:
    """Answers each request after a while, and counts how many wait at once."""

    def __init__(self):
        self.lock, self.now, self.most = threading.Lock(), 0, 0

    def __call__(self, *_):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(DELAY)
        with self.lock:
            self.now -= 1


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Forty scenes of one place, a day each, and a Zarr store of forty chunks."""
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(11)
    for day in range(40):
        pixels = rng.integers(1, 1000, (64, 64)).astype("int16")
        pixels[:, : day % 7] = 0
        write_raster(folder / f"{day:02}.tif", pixels, nodata=0)
    cube = xr.DataArray(rng.random((40, 8, 8)), dims=("t", "y", "x"), name="v")
    cube.to_dataset().to_zarr(folder / "cube.zarr", encoding={"v": {"chunks": (1, 8, 8)}}, zarr_format=2, consolidated=True)
    return folder


SIDE_BY_SIDE = {
    "catalog": "SELECT * EXCLUDE (path, modified) FROM geo_catalog_build({list})",
    "scalar": "SELECT read_patch(path, {{row_off: 8, col_off: 3, height: 20, width: 20}}) FROM (SELECT unnest({list}) AS path)",
    "stream": "SELECT win, data FROM read_patch({list}, size := 32)",
    "slices": """SELECT read_slice(path, geo_slice({{xmin: 500040, ymin: 4599870, xmax: 500130, ymax: 4599960}}, 10, 'EPSG:32629')) FROM (SELECT unnest({list}) AS path)""",
    "merge": "SELECT read_slice({list}, geo_slice({{xmin: 500000, ymin: 4599870, xmax: 500090, ymax: 4599960}}, 10, 'EPSG:32629'), {{merge: 'sum'}})",
    "series": """SELECT read_series({list}, list_transform(range(40), lambda d: TIMESTAMP '2024-01-01' + to_days(d::INTEGER)),
                 geo_slice({{xmin: 500040, ymin: 4599950, xmax: 500050, ymax: 4599960}}, 10, 'EPSG:32629'))""",
    "statistics": """SELECT geo_zonal_stats(path, 'POLYGON ((500000 4599500, 500300 4599500, 500300 4600000, 500000 4600000))'::GEOMETRY, {{crs: 'EPSG:32629'}})
                     FROM (SELECT unnest({list}) AS path)""",
    "chunks": "SELECT read_array('{base}cube.zarr', 'v')",
}


@pytest.mark.parametrize("transport", WAYS_THERE)
@pytest.mark.parametrize("way", SIDE_BY_SIDE)
def test_files_behind_urls_are_waited_for_side_by_side_and_say_what_they_say_on_disk(many, way, transport):
    slow = Slow()
    server = RangeServer(many, slow)
    con = connect()
    con.register_filesystem(http_file_system(timeout=30))
    try:
        con.execute(f"SET threads = 2; SET geoquilt_threads = 1; SET geoquilt_transport = '{transport}'")
        rows = {}
        for base in (f"{many}/", server.url("")):
            names = [f"{base}{day:02}.tif" for day in range(40)]
            rows[base] = con.execute(SIDE_BY_SIDE[way].format(list=names, first=f"{many}/00.tif", base=base)).fetchall()
        local, remote = rows.values()
        assert remote == local
        assert slow.most >= 8, f"{slow.most} requests at once"
        con.execute("SET geoquilt_remote_concurrency = 2")
        slow.most = 0
        names = [f"{server.url('')}{day:02}.tif" for day in range(6)]
        con.execute(SIDE_BY_SIDE[way].format(list=names, first=f"{many}/00.tif", base=server.url("")).replace("range(40)", "range(6)")).fetchall()
        assert 1 <= slow.most <= 2
    finally:
        con.close()
        server.close()


@pytest.mark.parametrize("transport", WAYS_THERE)
def test_a_dead_url_among_many_is_named_and_stops_or_is_a_row(many, transport):
    server = RangeServer(many)
    con = connect()
    con.register_filesystem(http_file_system(timeout=5))
    con.execute(f"SET geoquilt_transport = '{transport}'")
    try:
        names = [server.url(f"{day:02}.tif") for day in range(20)] + [server.url("dead.tif")] + [server.url(f"{day:02}.tif") for day in range(20, 40)]
        dead = server.url("dead.tif")
        with pytest.raises(duckdb.Error, match="dead.tif"):
            con.execute("SELECT read_patch(path, {row_off: 0, col_off: 0, height: 4, width: 4}) FROM (SELECT unnest(?) AS path)", [names]).fetchall()
        rows = con.execute("SELECT path, error FROM read_patch(?, size := 64, on_error := 'report')", [names]).fetchall()
        assert [path for path, error in rows if error] == [dead] and len(rows) == 41
        rows = con.execute("SELECT path, error FROM geo_catalog_build(?, on_error := 'report')", [names]).fetchall()
        assert [path for path, error in rows if error] == [dead] and [path for path, _ in rows] == names
    finally:
        con.close()
        server.close()
