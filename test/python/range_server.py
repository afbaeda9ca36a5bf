"""An HTTP server with ranges that counts what it is asked for and misbehaves as told."""
import collections
import http.server
import pathlib
import re
import ssl
import threading
import time
import urllib.parse

import aiohttp
from fsspec.implementations.http import HTTPFileSystem

Request = collections.namedtuple("Request", "method path first last status query login")


class RangeServer:
    """Serves a folder. `misbehave(method, path, first, last, nth)` may answer a status, "cut", "stall", "drip", a tuple of status,
    headers and body, or None. `tag(path)` is a file's ETag; `login` is the header that every request must have."""

    def __init__(self, folder, misbehave=None, tag=None, login=None, certificate=None):
        self.folder = pathlib.Path(folder)
        self.misbehave = misbehave or (lambda *request: None)
        self.tag = tag
        self.login = login
        self.scheme = "https" if certificate else "http"
        self.requests = []
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                outer.answer(self, "HEAD")

            def do_GET(self):
                outer.answer(self, "GET")

        class Server(http.server.ThreadingHTTPServer):
            # Connections that wait to be taken: the sixth would be tried again after a second.
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def answer(self, handler, method):
        path, _, query = handler.path.partition("?")
        path = urllib.parse.unquote(path).lstrip("/")
        login = handler.headers.get("Authorization")
        file = self.folder / path
        header = handler.headers.get("Range")
        size = file.stat().st_size if file.is_file() else 0
        first, last = 0, size - 1
        if header:
            a, b = re.fullmatch(r"bytes=(\d+)-(\d*)", header).groups()
            first, last = int(a), min(int(b) if b else size - 1, size - 1)
        with self.lock:
            nth = sum(r.method == method and r.path == path for r in self.requests)
        what = self.misbehave(method, path, first, last, nth)
        if self.login and login != self.login:
            what = 401
        own = what if isinstance(what, tuple) else None
        status = own[0] if own else what if isinstance(what, int) else 404 if not file.is_file() else 206 if header else 200
        with self.lock:
            self.requests.append(Request(method, path, first, last, status, query, login))
        if own:
            handler.send_response(status)
            for name, value in {"Content-Length": str(len(own[2])), **own[1]}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(own[2])
            handler.close_connection = True
            return
        if what == "stall":
            time.sleep(30)
            return
        if status >= 400:
            handler.send_response(status)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(status)
        handler.send_header("Accept-Ranges", "bytes")
        handler.send_header("Content-Length", str(last - first + 1))
        if header:
            handler.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        if self.tag:
            handler.send_header("ETag", self.tag(path))
        handler.end_headers()
        if method == "GET":
            with open(file, "rb") as opened:
                opened.seek(first)
                body = opened.read(last - first + 1)
            if what == "cut":
                handler.wfile.write(body[: len(body) // 2])
                handler.wfile.flush()
                handler.connection.close()
                handler.close_connection = True
                return
            if what == "drip":
                for byte in body:
                    handler.wfile.write(bytes([byte]))
                    time.sleep(0.05)
            handler.wfile.write(body)

    def url(self, name, user=""):
        return f"{self.scheme}://{user}{self.host}/{name}"

    @property
    def host(self):
        return f"127.0.0.1:{self.server.server_address[1]}"

    def ranges(self, name=None):
        """The ranges that were answered, in order."""
        with self.lock:
            return [(r.first, r.last) for r in self.requests if r.method == "GET" and r.status < 400 and name in (None, r.path)]

    def bytes(self, name=None):
        return sum(last - first + 1 for first, last in self.ranges(name))

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def http_file_system(timeout=30):
    """fsspec's HTTP file system without its own reading ahead, so that a range asked for is a range fetched."""
    client = {"timeout": aiohttp.ClientTimeout(total=timeout)}
    return HTTPFileSystem(cache_type="none", client_kwargs=client, skip_instance_cache=True)
