"""A proxy that misbehaves for a while, then is well: slow, cut off, failing, gone."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

import httpx

FAULTS = ("slow", "refused", "cut off", "failed before", "failed after", "gone")
# What a proxy must not pass on, as it makes it anew.
_OF_CONNECTION = {"connection", "content-length", "transfer-encoding", "content-encoding", "date"}


class Faults:
    """Which requests go wrong, and how; drawn from a seed, by the order of the requests."""

    def __init__(self, random: Random, many: int, share: float) -> None:
        """Let a share of requests go wrong, until there were so many."""
        self._random = random
        self._left = many
        self._share = share
        self._gone_until = 0.0
        self._lock = threading.Lock()
        self.seen: list[str] = []
        """What went wrong, in order."""

    def draw(self, what: str) -> str | None:
        """Return what happens to the next request; None: it is answered."""
        with self._lock:
            if time.monotonic() < self._gone_until:
                return "gone"
            if not self._left or self._random.random() >= self._share:
                return None
            self._left -= 1
            fault = self._random.choice(FAULTS)
            if fault == "gone":
                self._gone_until = time.monotonic() + self._random.uniform(0.5, 5)
            self.seen.append(f"{fault}: {what}")
            return fault

    def end(self) -> None:
        """Let all be well from now on."""
        with self._lock:
            self._left, self._gone_until = 0, 0.0


@contextmanager
def misbehaving(server: str, faults: Faults) -> Iterator[str]:
    """Run a proxy of a server on loopback; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = faults.draw(f"{self.command} {self.path.partition('?')[0]}")
            if fault == "gone":
                self._hang_up()
            elif fault == "refused":
                self._answer(503, b"busy", {})
            elif fault == "failed before":
                self._answer(500, b"<html>an error</html>", {"Content-Type": "text/html"})
            else:
                if fault == "slow":
                    time.sleep(2)
                asked = {k: v for k, v in self.headers.items() if k.lower() not in ("host",)}
                said = client.request(
                    self.command, f"{server}{self.path}", content=body, headers=asked
                )
                told = {k: v for k, v in said.headers.items() if k.lower() not in _OF_CONNECTION}
                if fault == "failed after":
                    self._answer(500, b"<html>an error</html>", {"Content-Type": "text/html"})
                else:
                    self._answer(said.status_code, said.content, told, cut=fault == "cut off")

        def _answer(
            self, status: int, body: bytes, headers: dict[str, str], *, cut: bool = False
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                self._hang_up()

        def _hang_up(self) -> None:
            self.close_connection = True
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _pass_on  # noqa: N815

    with httpx.Client(timeout=60) as client, ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        web.daemon_threads = True
        thread = threading.Thread(target=web.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{web.server_port}"
        finally:
            web.shutdown()
            thread.join()
