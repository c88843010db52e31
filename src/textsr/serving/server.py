"""Running the server: its port, its end."""

import logging
import signal
import socket
import time
from collections.abc import Collection
from types import FrameType

import uvicorn

from textsr.errors import TextsrError
from textsr.serving.app import make_app
from textsr.serving.connections import config
from textsr.serving.service import Service

log = logging.getLogger(__name__)

_GRACE = 5  # seconds for answers to be sent, above what the work may take


def serve(
    service: Service,
    *,
    host: str,
    port: int,
    host_names: Collection[str] = (),
    drain_seconds: float = 0,
) -> None:
    """Answer requests until SIGTERM or SIGINT; then end what is in work, and return or exit by it.

    Args:
        service: what the server holds.
        host: the address to listen at.
        port: likewise; 0: a free one.
        host_names: names under which it is asked, besides those of loopback.
        drain_seconds: how long after SIGTERM requests are still taken, so that whoever sends them
            can see before that the server is not ready any more.

    Raises:
        TextsrError: if the port is taken, or the model cannot be loaded.
    """
    listener = listen(host, port)
    address = f"[{host}]" if ":" in host else host
    log.info("listening at http://%s:%d", address, listener.getsockname()[1])
    grace = round(service.limits.seconds + _GRACE)
    settings = config(make_app(service, host_names), grace)
    _Server(settings, service, drain_seconds).run([listener])
    if service.failure is not None:
        raise service.failure


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address; at port 0, at a free one.

    Raises:
        TextsrError: if that cannot be done; it names the remedy.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # By the protocol asyncio knows TCP, and sends at once: else the body of an answer on a kept
        # connection waits 40 ms for the client to acknowledge its headers.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Now, not when the server starts: two that bind one port would else both go on.
        listener.listen()
    except OSError as error:
        raise TextsrError(
            f"{host}:{port}: cannot be listened at ({error.strerror or error}); name "
            "another --port, or another --host"
        ) from error
    return listener


class _Server(uvicorn.Server):
    """A server that says it is not ready before it stops listening, and ends without a model."""

    def __init__(self, settings: uvicorn.Config, service: Service, drain_seconds: float) -> None:
        super().__init__(settings)
        self._service = service
        self._drain_seconds = drain_seconds
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.is_draining = True
        if sig == signal.SIGTERM and self._stop_at is None:
            self._stop_at = time.monotonic() + self._drain_seconds
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            super().handle_exit(signal.SIGTERM, None)
            self._stop_at = float("inf")
        return await super().on_tick(counter) or self._service.failure is not None
