"""Connections: what is no request, comes too slowly or too often takes no room for long."""

import asyncio
import resource

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from textsr.serving.problems import RefusedError

HEAD_SECONDS = 15.0
"""From the beginning of a connection, or the end of an answer, to the end of the next head."""

_MOST = 1000
_IN_USE_OTHERWISE = 200  # file descriptors: results, the model, the log


def most_connections() -> int:
    """Return how many connections may be open at once: fewer than the system lets us have files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return _MOST
    return max(min(_MOST, files - _IN_USE_OTHERWISE), 1)


class Connection(H11Protocol):
    """uvicorn's connection, which closes when no request comes, and refuses as the app does."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head, if there is room for one more connection."""
        super().connection_made(transport)
        if len(self.connections) > most_connections():
            self._refuse(
                RefusedError(
                    503, "too many connections are open; ask again later", {"Retry-After": "1"}
                )
            )
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Go on with what has come; once a head has, wait no more: the app has its own limits."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Wait for the next head, also while the rest of a body comes that nobody reads."""
        if not self.transport.is_closing():
            self._wait()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(
            RefusedError(
                400,
                "this is no request of HTTP/1.1, or its head has more than 64 kB; ask by "
                "http://, with fewer headers",
            )
        )

    def _wait(self) -> None:
        self._stop_waiting()
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _too_slow(self) -> None:
        self._refuse(
            RefusedError(
                408, f"no request came within {HEAD_SECONDS:g} seconds; connect and send it anew"
            )
        )

    def _refuse(self, problem: RefusedError) -> None:
        """Answer, if no answer has begun, and close."""
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = problem.answer()
            headers = [*answer.raw_headers, (b"connection", b"close")]
            reason = problem.content()["title"]
            for event in (
                h11.Response(status_code=problem.status, headers=headers, reason=str(reason)),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event))
        self.transport.close()


def config(app: ASGIApp, grace_seconds: int | None = None) -> uvicorn.Config:
    """Return uvicorn's settings for an app.

    Args:
        app: the server.
        grace_seconds: that requests have to be done when the server is to end; None: all they take.
    """
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",  # nothing here speaks it, whatever else is installed
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=grace_seconds,
        # As many are accepted at a time, before any can be refused: each takes a file.
        backlog=_IN_USE_OTHERWISE // 4,
    )
