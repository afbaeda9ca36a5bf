"""Rows of files behind URLs: a server on this machine answers each request after 50 ms, and counts."""

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import numpy as np
import rasterio
from common import SIDE, connect, write_raster
from fsspec.implementations.http import HTTPFileSystem
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window

DELAY = 0.05
# What GDAL's users set who read from a bucket.
TUNED = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES", "GDAL_HTTP_MULTIPLEX": "YES",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif", "GDAL_INGESTED_BYTES_AT_OPEN": "32768", "VSI_CACHE": "TRUE",
}

SERVER = """
import asyncio, re, sys
from pathlib import Path
from aiohttp import web

folder, delay, counts = Path(sys.argv[1]), float(sys.argv[2]), [0, 0]

async def answer(request):
    if request.path == "/counts":
        before, counts[:] = counts.copy(), [0, 0]
        return web.json_response(before)
    await asyncio.sleep(delay)
    counts[0] += 1
    file = folder / request.match_info["name"]
    if not file.is_file():
        return web.Response(status=404)
    body, status, headers = file.read_bytes(), 200, {"Accept-Ranges": "bytes"}
    size = len(body)
    if wanted := request.headers.get("Range"):
        first, last = re.fullmatch(r"bytes=(\\d+)-(\\d*)", wanted).groups()
        first, last = int(first), min(int(last) if last else size - 1, size - 1)
        body, status = body[first : last + 1], 206
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    if request.method == "HEAD":
        return web.Response(headers=headers | {"Content-Length": str(size)})
    counts[1] += len(body)
    return web.Response(body=body, status=status, headers=headers)

async def main():
    app = web.Application()
    # The first part of the path is the run's own: nothing that a client keeps of a run serves the next.
    app.router.add_get("/counts", answer)
    app.router.add_get("/{run}/{name}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class Server:
    """Serves a folder, each request after a while, from a process of its own."""

    def __init__(self, folder):
        self.process = subprocess.Popen([sys.executable, "-c", SERVER, str(folder), str(DELAY)], stdout=subprocess.PIPE, text=True)
        self.base = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        self.runs = 0

    def run(self):
        """The root of URLs that nobody has read."""
        self.runs += 1
        return (f"{self.base}/{self.runs}",)

    def counts(self):
        """Requests and bytes since they were last asked for."""
        with urllib.request.urlopen(f"{self.base}/counts") as answer:
            return json.load(answer)

    def close(self):
        self.process.terminate()
        self.process.wait()


def remote_connection(transport):
    con = connect()
    client = {"timeout": aiohttp.ClientTimeout(total=120)}
    con.register_filesystem(HTTPFileSystem(cache_type="none", client_kwargs=client, skip_instance_cache=True))
    con.execute(f"SET geoquilt_transport = '{transport}'")
    return con


def write_scene(path, seed, side):
    plain = write_raster(path.with_suffix(".plain"), seed=seed, height=side, width=side)
    copy_raster(plain, path, driver="COG", BLOCKSIZE=256, COMPRESS="DEFLATE", OVERVIEWS="NONE")
    os.remove(plain)


def rasterio_windows(root, wanted, threads):
    def read(one):
        name, row, col = one
        with rasterio.open(f"/vsicurl/{root}/{name}") as source:
            return float(source.read(1, window=Window(col, row, SIDE, SIDE)).sum(dtype=np.float64))

    with rasterio.Env(**TUNED), ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(read, wanted))


def async_windows(root, wanted):
    from async_geotiff import GeoTIFF
    from async_geotiff import Window as AsyncWindow
    from obstore.store import HTTPStore

    async def all_of_them():
        store, gate, files = HTTPStore(root, client_options={"allow_http": True}), asyncio.Semaphore(64), {}

        async def read(one):
            name, row, col = one
            async with gate:
                if name not in files:
                    files[name] = asyncio.ensure_future(GeoTIFF.open(name, store=store))
                file = await files[name]
                got = await file.read(window=AsyncWindow(col_off=col, row_off=row, width=SIDE, height=SIDE))
            return float(got.data.sum(dtype=np.float64))

        return sum(await asyncio.gather(*map(read, wanted)))

    return asyncio.run(all_of_them())


def windows_query(con, wanted):
    con.execute("CREATE OR REPLACE TABLE wanted AS SELECT unnest(?) AS name, unnest(?) AS row_off, unnest(?) AS col_off",
                [[w[i] for w in wanted] for i in range(3)])
    return f"""SELECT sum(list_sum(read_patch(? || '/' || name,
        {{row_off: row_off, col_off: col_off, height: {SIDE}::INTEGER, width: {SIDE}::INTEGER}}))) FROM wanted"""


def windows_row(table, server, con, name, wanted, aim):
    query = windows_query(con, wanted)
    ours = lambda root: con.execute(query, [root]).fetchone()[0]
    ways = {
        "rasterio in a loop": lambda root: rasterio_windows(root, wanted, 1),
        "rasterio tuned, 16 threads": lambda root: rasterio_windows(root, wanted, 16),
        "async-geotiff, 64 in flight": lambda root: async_windows(root, wanted),
    }
    expected = ours(*server.run())
    server.counts()
    ours(*server.run())
    cost = "{0} requests, {1:,} bytes".format(*server.counts())
    for way, theirs in ways.items():
        assert np.isclose(theirs(*server.run()), expected, rtol=1e-9), way
        server.counts()
        theirs(*server.run())
        their_cost = "{0} requests, {1:,} bytes".format(*server.counts())
        table.race(f"r  {name}: {way} ({their_cost}) | scalar read_patch, sum(list_sum) ({cost})", theirs, ours, aim, "total to 1e-9", before=server.run, repeats=3)


def headers_row(table, server, con, count):
    names = [f"header_{i:04}.tif" for i in range(count)]

    def shapes_by_rasterio(root, threads=16):
        def shape(name):
            with rasterio.open(f"/vsicurl/{root}/{name}") as source:
                return source.height, source.width, source.transform[2]

        with rasterio.Env(**TUNED), ThreadPoolExecutor(threads) as pool:
            return list(pool.map(shape, names))

    def shapes_by_async(root):
        from async_geotiff import GeoTIFF
        from obstore.store import HTTPStore

        async def all_of_them():
            store, gate = HTTPStore(root, client_options={"allow_http": True}), asyncio.Semaphore(64)

            async def shape(name):
                async with gate:
                    file = await GeoTIFF.open(name, store=store)
                return file.height, file.width, file.transform[2]

            return await asyncio.gather(*map(shape, names))

        return asyncio.run(all_of_them())

    def ours(root):
        rows = con.execute("SELECT height, width, transform[1] FROM geo_catalog_build(?) ORDER BY path", [[f"{root}/{name}" for name in names]])
        return [tuple(row) for row in rows.fetchall()]

    expected = ours(*server.run())
    server.counts()
    ours(*server.run())
    cost = "{0} requests".format(*server.counts())
    for way, theirs in {"rasterio tuned, 16 threads": shapes_by_rasterio, "async-geotiff, 64 in flight": shapes_by_async}.items():
        got = theirs(*server.run())
        assert [tuple(row[:2]) for row in got] == [row[:2] for row in expected], way
        server.counts()
        theirs(*server.run())
        their_cost = "{0} requests".format(*server.counts())
        table.race(f"r  {count:,} headers: {way} ({their_cost}) | geo_catalog_build ({cost})", theirs, ours, ("x", 1), "heights and widths", before=server.run, repeats=2)


def bucket(table, work, quick):
    server = Server(work)
    try:
        con = remote_connection("auto")
        for i in range(15):
            write_scene(work / f"scene_{i:02}.tif", i, 1024)
        rng = np.random.default_rng(0)
        place = lambda: (int(rng.integers(0, 1024 - SIDE)), int(rng.integers(0, 1024 - SIDE)))
        one_each = [(f"scene_{i:02}.tif", *place()) for i in range(15)]
        windows_row(table, server, con, "15 COGs, one window each", one_each, ("x", 1))
        many = [(f"scene_{i % 12:02}.tif", *place()) for i in range(60)]
        windows_row(table, server, con, "60 windows of 12 COGs", many, ("x", 1))
        count = 100 if quick else 1000
        small = write_raster(work / "small.tif", height=64, width=64)
        for i in range(count):
            os.link(small, work / f"header_{i:04}.tif")
        headers_row(table, server, con, count)
        registry_row(table, server, con)
        # The same by DuckDB's file system, here fsspec's, against geoquilt's own way.
        slow = remote_connection("duckdb")
        shapes = "SELECT count(*), sum(height) FROM geo_catalog_build(?)"
        paths = lambda root: [[f"{root}/header_{i:04}.tif" for i in range(count)]]
        for name, work in {
            "15 COGs, one window each": lambda con: lambda root: con.execute(windows_query(con, one_each), [root]).fetchone(),
            "60 windows of 12 COGs": lambda con: lambda root: con.execute(windows_query(con, many), [root]).fetchone(),
            f"{count:,} headers": lambda con: lambda root: con.execute(shapes, paths(root)).fetchone(),
        }.items():
            by_files, ours = work(slow), work(con)
            assert by_files(*server.run()) == ours(*server.run()), name
            costs = []
            for way in (by_files, ours):
                server.counts()
                way(*server.run())
                costs.append("{0} requests, {1:,} bytes".format(*server.counts()))
            table.race(f"r  {name}: DuckDB's file system by fsspec ({costs[0]}) | geoquilt's own way ({costs[1]})", by_files, ours, ("x", 2), "rows", before=server.run, repeats=3)
    finally:
        server.close()


def registry_row(table, server, con):
    """A stream over a registry of 12 files, against the same pixels from disk: what waiting costs."""
    cut = f"SELECT count(*), sum(list_sum(data)) FROM read_patch([{{0}}], size := {SIDE}, stride := 64)"
    names = [f"scene_{i:02}.tif" for i in range(12)]
    stream = lambda root: con.execute(cut.format(", ".join(f"'{root}/{name}'" for name in names))).fetchone()
    expected = stream(*server.run())
    server.counts()
    stream(*server.run())
    cost = "{0} requests, {1:,} bytes".format(*server.counts())
    table.race(f"r  {expected[0]:,} patches of 12 COGs, FROM read_patch ({cost})", None, stream, None, "count, total", before=server.run, repeats=3)
