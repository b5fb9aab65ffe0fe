"""A real HTTP server on loopback that can misbehave in the ways real ones do."""

import http.server
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote

PIECE = 1 << 14


@dataclass
class Page:
    """How one path is answered.

    `script` holds one entry for each request, the last is used for all further ones: a status to fail with, ``cut:N``
    (close the connection after N bytes), ``stall:N`` (go silent after N bytes), ``slow`` (a piece at a time), or
    ``ok``.
    """

    body: bytes = b""
    script: list = field(default_factory=lambda: ["ok"])
    etag: str | None = '"v1"'
    ranges: bool = True
    length: bool = True
    headers: dict = field(default_factory=dict)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, path = self.server, unquote(self.path)
        server.asked.append((path, self.headers.get("Range")))
        page = server.pages.get(path, Page(b"<html>not here</html>", [404]))
        turn = sum(asked == path for asked, _ in server.asked) - 1
        act = page.script[min(turn, len(page.script) - 1)]
        if isinstance(act, int):
            self._head(act, page.headers | {"Content-Length": str(len(page.body))})
            self.wfile.write(page.body)
            return
        start, status, headers = 0, 200, dict(page.headers)
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        same = self.headers.get("If-Range") in (None, page.etag)
        if wanted and page.ranges and same:
            start, status = int(wanted[1]), 206
            if start >= len(page.body):
                self._head(416, {"Content-Range": f"bytes */{len(page.body)}", "Content-Length": "0"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(page.body) - 1}/{len(page.body)}"
        if page.etag:
            headers["ETag"] = page.etag
        if page.length:
            headers["Content-Length"] = str(len(page.body) - start)
        self._head(status, headers)
        kind, _, number = act.partition(":")
        body = page.body[start : start + int(number)] if number else page.body[start:]
        for first in range(0, len(body), PIECE):
            self.wfile.write(body[first : first + PIECE])
            if kind == "slow":
                self.wfile.flush()
                server.sent.set()
                time.sleep(server.pause)
        self.wfile.flush()
        server.sent.set()
        if kind == "stall":
            server.stop_stalling.wait(20)
        self.close_connection = True

    def _head(self, status: int, headers: dict) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, *_args):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_args):
        """Clients that hang up are part of the tests."""


@contextmanager
def serve() -> Iterator[_Server]:
    """Serve `pages` (path to Page); `asked` lists (path, Range header) of the requests."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.pages, server.asked, server.pause = {}, [], 0.02
        server.sent, server.stop_stalling = threading.Event(), threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.stop_stalling.set()
            server.shutdown()
            thread.join()
