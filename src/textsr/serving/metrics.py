"""What Prometheus is told."""

import time
from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from textsr.serving.served import Served

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The counts of one server."""

    def __init__(self, in_flight: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Make them, at zero.

        Args:
            in_flight: tells how many requests are at work or waiting.
            waiting: tells how many images wait for a worker.
        """
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        kept = self._registry
        self._requests = Counter(
            "textsr_requests", "Requests answered.", ["path", "status"], registry=kept
        )
        self._seconds = Histogram(
            "textsr_request_seconds",
            "From a request's head to the end of its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=kept,
        )
        self.images = Counter("textsr_images", "Images upscaled.", registry=kept)
        self.pixels = Counter("textsr_pixels", "Pixels of the images upscaled.", registry=kept)
        self.shed = Counter("textsr_shed", "Requests refused over capacity.", registry=kept)
        self.reloads = Counter(
            "textsr_reloads", "New versions of the model.", ["outcome"], registry=kept
        )
        Gauge("textsr_in_flight", "Requests in work or waiting.", registry=kept).set_function(
            in_flight
        )
        Gauge("textsr_waiting", "Images that wait for a core.", registry=kept).set_function(waiting)
        self._model = Gauge(
            "textsr_model",
            "1 for the model that is served.",
            ["name", "version", "backend"],
            registry=kept,
        )

    def serve(self, served: Served) -> None:
        """Tell which model is served now."""
        info = served.usual.info
        self._model.clear()
        self._model.labels(info.name, served.version or "", info.backend).set(1)

    def text(self) -> bytes:
        """Return all, as Prometheus reads it."""
        return generate_latest(self._registry)

    def counted(self, app: ASGIApp, paths: frozenset[str]) -> ASGIApp:
        """Return an app whose requests are counted, those of other paths together."""

        async def count(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            start, status = time.perf_counter(), 500

            async def send_noted(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            path = scope["path"] if scope["path"] in paths else "other"
            try:
                await app(scope, receive, send_noted)
            finally:
                self._requests.labels(path, status).inc()
                self._seconds.labels(path).observe(time.perf_counter() - start)

        return count
