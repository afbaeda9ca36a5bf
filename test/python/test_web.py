"""Files of the web that geoquilt reads itself: the answers of the disk at a cost that a server counts, clear errors whatever a server
does, and nothing that the database forbids. The server runs in this process."""
import re
import subprocess
import threading
import time

import duckdb
import numpy as np
import pytest
import rasterio
from conftest import OPEN_EXTENSION, connect, run_python, write_raster
from range_server import RangeServer, http_file_system
from rasterio.shutil import copy as copy_raster

FIRST = 32768
NAMES = ["a b.tif", "100%.tif", "c+d.tif", "größe日.tif", "e%20f.tif", "x[1]&(2).tif"]
WIN = "{row_off: 40, col_off: 60, height: 20, width: 30}"


def read(url, row_off=40):
    return f"SELECT read_patch('{url}', {WIN.replace('40', str(row_off))})"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    rng = np.random.default_rng(3)
    scene = rng.integers(0, 1000, (1024, 1024)).astype("float32")
    write_raster(folder / "plain.tif", scene, tiled=True, blockxsize=256, blockysize=256, compress="deflate")
    copy_raster(folder / "plain.tif", folder / "scene.tif", driver="COG", BLOCKSIZE=256, COMPRESS="DEFLATE", OVERVIEWS="NONE")
    for day in range(40):
        write_raster(folder / f"{day:02}.tif", rng.integers(0, 99, (64, 64)).astype("uint8"))
    return folder


@pytest.fixture
def server(folder):
    server = RangeServer(folder)
    yield server
    server.close()


def native(**settings):
    """A connection that reads the web by itself; it looks for no extension, which tests have no use for."""
    con = connect()
    con.execute("SET autoinstall_known_extensions = false; SET geoquilt_transport = 'native'")
    for name, value in settings.items():
        con.execute(f"SET geoquilt_remote_{name} = {value}")
    return con


def pixels(path, row_off=40, col_off=60, height=20, width=30):
    with rasterio.open(path) as file:
        return file.read(1, window=rasterio.windows.Window(col_off, row_off, width, height)).ravel().tolist()


def said(con, sql):
    with pytest.raises(duckdb.Error) as caught:
        con.execute(sql).fetchall()
    return str(caught.value)


def test_a_header_costs_one_request_and_a_window_of_four_tiles_one_more(server, folder):
    con = native()
    build = "SELECT * EXCLUDE (path, modified) FROM geo_catalog_build({})"
    names = [f"{day:02}.tif" for day in range(40)]
    assert con.execute(build.format([server.url(name) for name in names])).fetchall() == con.execute(build.format([f"{folder}/{name}" for name in names])).fetchall()
    assert sorted(r.path for r in server.requests) == names
    assert {(r.method, r.first) for r in server.requests} == {("GET", 0)}
    server.requests.clear()
    query = "SELECT read_patch('{}', {{row_off: 600, col_off: 600, height: 200, width: 200}}) FROM range(1)"
    assert con.execute(query.format(server.url("scene.tif"))).fetchall() == con.execute(query.format(folder / "scene.tif")).fetchall()
    looks = [r for r in server.requests if r.first == 0]
    tiles = [r for r in server.requests if r.first > 0]
    assert {r.last for r in looks} == {FIRST - 1} and len(tiles) == 1
    assert con.execute("SELECT requests, opens FROM geoquilt_remote()").fetchone()[0] >= 42
    con.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_url_may_be_spelled_as_the_file_is(folder, tmp_path, name):
    (tmp_path / name).write_bytes((folder / "scene.tif").read_bytes())
    server = RangeServer(tmp_path)
    con = native()
    try:
        # As in any URL, `%20` is a space.
        spelled = name.replace("%20", "%2520")
        assert con.execute(read(server.url(spelled))).fetchone()[0] == pixels(folder / "scene.tif")
        assert con.execute(read(server.url(spelled) + "#fragment")).fetchone()[0] == pixels(folder / "scene.tif")
    finally:
        con.close()
        server.close()


def test_a_user_and_a_password_are_sent_and_never_shown(folder):
    server = RangeServer(folder, login="Basic bWU6c2VjcmV0L3B3")  # me:secret/pw
    con = native()
    try:
        url = server.url("scene.tif", user="me:secret%2Fpw@")
        assert con.execute(read(url)).fetchone()[0] == pixels(folder / "scene.tif")
        wrong = server.url("scene.tif", user="me:hidden@")
        rows = con.execute("SELECT error FROM geo_catalog_build([?], on_error := 'report')", [wrong]).fetchall()
        errors = [rows[0][0], said(con, f"SELECT read_patch(path, {WIN}) FROM (SELECT 'http://' || 'me:hid' || 'den@{server.host}/scene.tif' AS path)")]
        for error in errors:
            assert "HTTP 401 Unauthorized" in error and "hidden" not in error and f"http://***@{server.host}/scene.tif" in error
    finally:
        con.close()
        server.close()


PART = "{'Content-Range': 'bytes %d-%d/%d'}"
TROUBLE = {
    "forbidden": (lambda m, p, a, b, n: 403, "cannot open .*scene.tif\": HTTP 403 Forbidden$"),
    "absent": (lambda m, p, a, b, n: 404, "scene.tif\" does not exist, or may not be read: HTTP 404 Not Found$"),
    "gone later": (lambda m, p, a, b, n: 410 if a else None, r"cannot read bytes \d+ to \d+ of .*scene.tif\": HTTP 410 Gone$"),
    "range refused": (lambda m, p, a, b, n: 416 if a else None, r"cannot read bytes \d+ to \d+ of .*: HTTP 416 Requested Range|cannot read bytes \d+ to \d+ of .*: HTTP 416 Range"),
    "broken": (lambda m, p, a, b, n: 500, r"cannot open .*: HTTP 500 Internal Server Error \(tried 2 times\)$"),
    "busy": (lambda m, p, a, b, n: 503, r"cannot open .*: HTTP 503 Service Unavailable \(tried 2 times\)$"),
    "busy for long": (lambda m, p, a, b, n: (429, {"Retry-After": "3600"}, b""), "HTTP 429 Too Many Requests, which asks to come again in 3600 s$"),
    "cut off": (lambda m, p, a, b, n: "cut" if a else None, r"cannot read bytes \d+ to \d+ of .*: it ended after \d+ of \d+ bytes( \(tried 2 times\))?$"),
    "stalling": (lambda m, p, a, b, n: "stall" if a else None, r"cannot read bytes \d+ to \d+ of .*: no answer within 1 s( \(tried 2 times\))?$"),
    "dripping": (lambda m, p, a, b, n: "drip", r"cannot open .*: it came too slowly, \d+ of 32768 bytes \(tried 2 times\)$"),
    "another range": (lambda m, p, a, b, n: (206, {"Content-Range": "bytes 0-9/500000"}, b"0123456789"), "the answer holds bytes 0 to 9, and bytes 0 to 32767 were asked for$"),
    "no range": (lambda m, p, a, b, n: (206, {}, b"0123456789"), "the answer does not say which of the file's bytes it holds$"),
    "no size": (lambda m, p, a, b, n: (206, {"Content-Range": "bytes 0-32767/*"}, b"0" * 32768), "the server does not say how long the file is"),
    "too little": (lambda m, p, a, b, n: (206, {"Content-Range": "bytes 0-32767/500000"}, b"0123456789"), r"it ended after 10 of 32768 bytes \(tried 2 times\)$"),
    "too much": (lambda m, p, a, b, n: (206, {"Content-Range": "bytes 0-32767/500000"}, b"0" * 40000), r"more than 32768 bytes came \(tried 2 times\)$"),
    "all of a large file": (lambda m, p, a, b, n: (200, {"Content-Length": str(1 << 30)}, b""), "its server sends no parts of files, and all of it is 1024 MiB, above what is taken whole, 128 MiB$"),
    "packed": (lambda m, p, a, b, n: (206, {"Content-Range": "bytes 0-32767/500000", "Content-Encoding": "gzip"}, b"0" * 32768), "it is sent as gzip, of which no part can be read by itself$"),
    "to a local file": (lambda m, p, a, b, n: (302, {"Location": "file:///etc/passwd"}, b""), 'it is redirected to "file:///etc/passwd", which is not a place on the web$'),
    "in circles": (lambda m, p, a, b, n: (302, {"Location": "/scene.tif"}, b""), "it is redirected more than 5 times$"),
    "not HTTP": (lambda m, p, a, b, n: (999, {}, b""), "cannot open"),
}


@pytest.mark.parametrize("why", TROUBLE)
def test_whatever_a_server_does_is_told_by_the_url_and_the_reason(folder, why):
    misbehave, message = TROUBLE[why]
    server = RangeServer(folder, misbehave)
    con = native(timeout=1, retries=1)
    try:
        begin = time.monotonic()
        stream = f"SELECT data FROM read_patch('{server.url('scene.tif')}', size := 300)"
        with pytest.raises(duckdb.Error) as caught:
            con.execute(stream).fetchall()
        first = str(caught.value).split("\n")[0]
        assert re.search(message, first) and server.url("scene.tif") in first, first
        assert time.monotonic() - begin < 12
    finally:
        con.close()
        server.close()


@pytest.mark.parametrize("what", [500, "cut", (429, {"Retry-After": "0"}, b""), 503])
def test_what_fails_now_and_then_is_mended_by_trying_again(folder, what):
    server = RangeServer(folder, lambda m, p, a, b, n: what if n % 3 == 0 else None)
    con = native()
    try:
        query = "SELECT data FROM read_patch('{}', size := 250)"
        assert con.execute(query.format(server.url("plain.tif"))).fetchall() == con.execute(query.format(folder / "plain.tif")).fetchall()
    finally:
        con.close()
        server.close()


def test_a_server_without_ranges_is_read_whole_and_once(folder):
    body = (folder / "scene.tif").read_bytes()
    server = RangeServer(folder, lambda m, p, a, b, n: (200, {}, body))
    con = native()
    try:
        query = "SELECT data FROM read_patch('{}', size := 300)"
        assert con.execute(query.format(server.url("scene.tif"))).fetchall() == con.execute(query.format(folder / "scene.tif")).fetchall()
        assert len(server.requests) == 1
    finally:
        con.close()
        server.close()


def test_a_host_that_asks_for_patience_is_left_alone_by_all_requests(folder):
    """Forty requests side by side, the first of which are refused for a second: nobody asks meanwhile, and all come through."""
    moments, lock, begin = [], threading.Lock(), time.monotonic()

    def busy(method, path, first, last, nth):
        with lock:
            moments.append(time.monotonic() - begin)
            now = moments[-1]
        time.sleep(0.05)
        return (429, {"Retry-After": "2"}, b"") if now - moments[0] < 0.5 else None

    server = RangeServer(folder, busy)
    con = native(retries=1)
    try:
        names = [server.url(f"{day:02}.tif") for day in range(40)]
        assert con.execute("SELECT count(*), count(error) FROM geo_catalog_build(?, on_error := 'report')", [names]).fetchone() == (40, 0)
        start = moments[0]
        assert [m for m in moments if 0.7 < m - start < 1.8] == []
        refused = sum(r.status == 429 for r in server.requests)
        assert 1 <= refused <= 40 and len(server.requests) == 40 + refused
    finally:
        con.close()
        server.close()


def test_requests_that_stall_end_with_the_query(folder):
    server = RangeServer(folder, lambda *_: "stall")
    con = native()
    try:
        names = [server.url(f"{day:02}.tif") for day in range(40)]
        timer = threading.Timer(1.0, con.interrupt)
        timer.start()
        begin = time.monotonic()
        with pytest.raises(duckdb.Error, match="[Ii]nterrupt"):
            con.execute("FROM geo_catalog_build(?)", [names]).fetchall()
        assert time.monotonic() - begin < 2.5
        assert len(server.requests) >= 8
    finally:
        con.close()
        server.close()


def test_a_redirect_is_followed_once_and_takes_no_password_along(folder):
    there = RangeServer(folder)
    here = RangeServer(folder, lambda m, p, a, b, n: (302, {"Location": there.url(p) + "?signed=1"}, b""))
    con = native()
    try:
        query = "SELECT data FROM read_patch('{}', size := 300)"
        assert con.execute(query.format(here.url("scene.tif", user="me:pw@"))).fetchall() == con.execute(query.format(folder / "scene.tif")).fetchall()
        assert len(here.requests) == 1 and here.requests[0].login
        assert len(there.requests) >= 2 and {(r.login, r.query) for r in there.requests} == {(None, "signed=1")}
    finally:
        con.close()
        here.close()
        there.close()


def test_where_a_redirect_led_may_end_and_is_asked_for_anew(folder):
    there = RangeServer(folder, lambda m, p, a, b, n: 403 if a and n == 1 else None)
    here = RangeServer(folder, lambda m, p, a, b, n: (307, {"Location": there.url(p)}, b""))
    con = native()
    try:
        assert con.execute(read(here.url("scene.tif"), row_off=700)).fetchone()[0] == pixels(folder / "scene.tif", row_off=700)
        assert len(here.requests) >= 2
    finally:
        con.close()
        here.close()
        there.close()


SIGNED = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={}&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature={}"


def test_a_file_whose_server_names_its_state_is_read_once_whatever_its_signature(folder):
    tags = {"scene.tif": '"one"'}
    server = RangeServer(folder, tag=tags.get)
    con = native()
    try:
        query = "SELECT data FROM read_patch('{}', size := 300) ORDER BY win"
        local = con.execute(query.format(folder / "scene.tif")).fetchall()
        for turn in range(3):
            url = server.url("scene.tif") + SIGNED.format("20990101T000000Z", f"{turn:064}")
            server.requests.clear()
            assert con.execute(query.format(url)).fetchall() == local
            # Later queries ask whether it has changed, and for nothing else; each with its own signature.
            assert all(r.first == 0 for r in server.requests) == (turn > 0)
            assert {r.query.rsplit("=", 1)[1] for r in server.requests} == {f"{turn:064}"}
        # Another state is another file.
        changed = np.full((1024, 1024), 7, "float32")
        write_raster(folder / "new.tif", changed, tiled=True, blockxsize=256, blockysize=256)
        before = (folder / "scene.tif").read_bytes()
        (folder / "scene.tif").write_bytes((folder / "new.tif").read_bytes())
        tags["scene.tif"] = '"two"'
        try:
            assert con.execute(read(server.url("scene.tif"))).fetchone()[0] == [7.0] * 600
        finally:
            (folder / "scene.tif").write_bytes(before)
    finally:
        con.close()
        server.close()


def test_a_signature_that_ended_is_told_and_not_repeated(folder):
    server = RangeServer(folder, lambda *_: 403)
    con = native()
    try:
        error = said(con, f"SELECT * FROM geo_catalog_build(['{server.url('scene.tif')}' || '{SIGNED.format('20240102T030405Z', 'abcdef')}'])").split("LINE 1")[0]
        assert "HTTP 403 Forbidden; the signature of the URL held until 2024-01-02 03:05:05 UTC, so it must be signed anew" in error
        assert "abcdef" not in error and "X-Amz-Signature=***" in error
    finally:
        con.close()
        server.close()


def test_a_file_that_changes_between_its_header_and_its_tiles_is_an_error(folder):
    seen = []

    def tag(path):
        seen.append(path)
        return '"one"' if len(seen) < 3 else '"two"'

    server = RangeServer(folder, tag=tag)
    con = native()
    try:
        error = said(con, f"SELECT data FROM read_patch('{server.url('scene.tif')}', size := 300)")
        assert "it changed" in error and "scene.tif" in error
    finally:
        con.close()
        server.close()


def test_what_is_trusted_is_not_asked_for_again(folder):
    server = RangeServer(folder, tag=lambda path: f'"{path}"')
    con = native(trust=600)
    try:
        names = [server.url(f"{day:02}.tif") for day in range(40)]
        build = "SELECT * EXCLUDE (path, modified) FROM geo_catalog_build(?)"
        first = con.execute(build, [names]).fetchall()
        assert len(server.requests) == 40
        assert con.execute(build, [names]).fetchall() == first
        assert len(server.requests) == 40
        con.execute("SET geoquilt_remote_trust = 0")
        assert con.execute(build, [names]).fetchall() == first
        assert len(server.requests) == 80
        # What changed in trust is noticed where it is read on.
        con.execute("SET geoquilt_remote_trust = 600")
        con.execute(read(server.url("scene.tif"))).fetchall()
        server.tag = lambda path: '"new"'
        far = read(server.url("scene.tif"), row_off=900)
        assert "it changed" in said(con, far)
        assert con.execute(far).fetchone()[0] == pixels(folder / "scene.tif", row_off=900)
    finally:
        con.close()
        server.close()


def with_files(con):
    con.register_filesystem(http_file_system(timeout=3))
    return con


@pytest.mark.parametrize("transport", ["auto", "native"])
def test_what_the_database_forbids_is_not_asked_for(folder, server, transport):
    query = read(server.url("scene.tif"))
    for forbid, words in [
        ("SET enable_external_access = false", "disabled by configuration"),
        ("SET disabled_filesystems = 'http'", "disabled by configuration"),
    ]:
        con = with_files(connect())
        con.execute(f"SET geoquilt_transport = '{transport}'")
        assert con.execute(query).fetchone()[0] == pixels(folder / "scene.tif")
        server.requests.clear()
        con.execute(forbid)
        assert words in said(con, query)
        assert server.requests == []
        con.close()


@pytest.mark.parametrize("limit", ["SET allowed_directories = ['{}']; SET enable_external_access = false", "SET http_proxy = 'http://127.0.0.1:9'"])
def test_where_the_database_limits_the_way_it_is_duckdbs_own(folder, server, limit):
    con = with_files(connect())
    con.execute("SET geoquilt_transport = 'native'")
    con.execute(limit.format(server.url("")))
    assert con.execute(read(server.url("scene.tif"))).fetchone()[0] == pixels(folder / "scene.tif")
    # fsspec asks for the size first.
    assert server.requests[0].method == "HEAD"
    con.close()


def test_without_a_file_system_for_the_web_only_who_says_so_reads_it(folder, server):
    con = connect()
    con.execute("SET autoinstall_known_extensions = false")
    assert "httpfs" in said(con, read(server.url("scene.tif"))) and server.requests == []
    con.execute("SET geoquilt_transport = 'native'")
    assert con.execute(read(server.url("scene.tif"))).fetchone()[0] == pixels(folder / "scene.tif")
    con.execute("SET geoquilt_transport = 'duckdb'")
    assert "httpfs" in said(con, read(server.url("scene.tif")))
    con.execute("SET geoquilt_transport = 'auto'")
    assert {r.method for r in server.requests} == {"GET"}
    assert 'geoquilt_transport: "curl" is not a way to read URLs' in said(con, "SET geoquilt_transport = 'curl'; FROM geoquilt_version()")
    con.close()


def test_what_only_a_file_system_may_read_it_reads(folder):
    """A server that asks for a token, which fsspec has."""
    from fsspec.implementations.http import HTTPFileSystem
    server = RangeServer(folder, login="Bearer token")
    con = connect()
    try:
        con.register_filesystem(HTTPFileSystem(cache_type="none", client_kwargs={"headers": {"Authorization": "Bearer token"}}, skip_instance_cache=True))
        names = [server.url(f"{day:02}.tif") for day in range(40)]
        build = "SELECT * EXCLUDE (path, modified) FROM geo_catalog_build(?)"
        assert con.execute(build, [names]).fetchall() == con.execute(build, [[f"{folder}/{day:02}.tif" for day in range(40)]]).fetchall()
        # The host is left once it refused: no more requests than were under way.
        assert sum(r.status == 401 for r in server.requests) <= 64
    finally:
        con.close()
        server.close()


def test_a_certificate_is_looked_at(folder, tmp_path):
    pem, url = tmp_path / "cert.pem", None
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", str(tmp_path / "key.pem"), "-out", str(pem)], check=True, capture_output=True)
    both = tmp_path / "both.pem"
    both.write_text((tmp_path / "key.pem").read_text() + pem.read_text())
    server = RangeServer(folder, certificate=str(both))
    try:
        url = server.url("scene.tif")
        query = OPEN_EXTENSION + f"""
con.execute("SET autoinstall_known_extensions = false; SET geoquilt_transport = 'native'; SET geoquilt_remote_retries = 0")
try:
    print(sum(con.execute("{read(url)}").fetchone()[0]))
except Exception as error:
    print(error)
"""
        trusted = run_python(query, timeout=60, env={"SSL_CERT_FILE": str(pem)})
        assert trusted.stdout.strip() == str(sum(pixels(folder / "scene.tif"))), trusted.stdout + trusted.stderr
        stranger = run_python(query, timeout=60)
        assert "no safe connection: invalid peer certificate" in stranger.stdout, stranger.stdout + stranger.stderr
    finally:
        server.close()


def test_few_handles_are_enough_for_many_files(folder):
    code = OPEN_EXTENSION + f"""
import resource
from range_server import RangeServer
server = RangeServer({str(folder)!r})
resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))
con.execute("SET autoinstall_known_extensions = false; SET geoquilt_transport = 'native'")
names = [server.url(f"{{i % 40:02}}.tif") + f"?n={{i}}" for i in range(300)]
print(con.execute("SELECT count(*), count(error) FROM geo_catalog_build(?, on_error := 'report')", [names]).fetchone())
"""
    done = run_python(code, timeout=120)
    assert done.stdout.strip() == "(300, 0)", done.stdout + done.stderr


def test_a_child_that_was_forked_has_connections_of_its_own(folder, server):
    code = OPEN_EXTENSION + f"""
import os
con.execute("SET autoinstall_known_extensions = false; SET geoquilt_transport = 'native'")
query = "{read(server.url('scene.tif'))}"
expected = con.execute(query).fetchone()
con.close()
child = os.fork()
import duckdb
con = duckdb.connect(config={{"allow_unsigned_extensions": "true", "threads": 1}})
con.execute(f"LOAD '{{EXTENSION}}'")
con.execute("SET autoinstall_known_extensions = false; SET geoquilt_transport = 'native'")
right = all(con.execute(query).fetchone() == expected for _ in range(20))
if child == 0:
    os._exit(0 if right else 1)
print(right, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = run_python(code, timeout=60)
    assert done.stdout.strip() == "True 0", done.stdout + done.stderr


def test_a_plan_tells_what_a_read_then_costs(folder, server):
    """The server sees the ranges that were planned, and rasterio the blocks and their bytes."""
    con = native()
    wins = [(i * 37 % 900, i * 91 % 900) for i in range(30)]
    rows = [{"path": server.url(name), "win": {"row_off": row, "col_off": col, "height": 60, "width": 60}}
            for i, (row, col) in enumerate(wins) for name in (("scene.tif", "plain.tif")[i % 2],)]
    con.execute("CREATE TABLE rows AS SELECT unnest(?, recursive := false) AS r", [rows])
    con.execute("SET VARIABLE rows = (SELECT list(r) FROM rows)")
    plan = con.execute("SELECT parse_filename(path), host, windows, blocks, decoded, bytes, requests, fetched FROM read_plan(getvariable('rows'))").fetchall()
    assert [r.first for r in server.requests] == [0] * len(server.requests), "headers alone"
    for name, host, windows, blocks, decoded, size, _, _ in plan:
        touched = set()
        for i, (row, col) in enumerate(wins):
            if ("scene.tif", "plain.tif")[i % 2] == name:
                touched |= {(r, c) for r in range(row // 256, (row + 59) // 256 + 1) for c in range(col // 256, (col + 59) // 256 + 1)}
        with rasterio.open(folder / name) as file:
            expected = sum(int(file.get_tag_item(f"BLOCK_SIZE_{c}_{r}", "TIFF", 1)) for r, c in touched)
        assert (host, windows, blocks, decoded, size) == (server.host, 15, len(touched), 0, expected)
    # One thread reads all windows of one chunk at once, as the plan has them.
    server.requests.clear()
    con.execute("SET threads = 1")
    got = con.execute("SELECT read_patch(r.path, r.win) FROM rows").fetchall()
    assert [row for row, in got] == [pixels(folder / r["path"].rsplit("/", 1)[1], **r["win"]) for r in rows]
    tiles = [r for r in server.requests if r.first > 0]
    assert len(tiles) == sum(row[6] for row in plan) > 0
    assert sum(r.last - r.first + 1 for r in tiles) == sum(row[7] for row in plan)
    # What is decoded costs nothing, on disk too.
    for path in (str(folder / "scene.tif"),):
        con.execute(f"SELECT count(data) FROM read_patch('{path}', size := 300)").fetchall()
        assert con.execute(f"SELECT blocks, decoded, bytes, requests FROM read_plan('{path}', size := 300)").fetchone() == (16, 16, 0, 0)
    con.close()
