"""What a server holds: the model, the threads, the limits; and what becomes of images."""

import asyncio
import logging
import math
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import Request

from textsr.redaction import redact
from textsr.serving.metrics import Metrics
from textsr.serving.notes import hearing
from textsr.serving.problems import RefusedError
from textsr.serving.reading import Reader
from textsr.serving.served import Served, Source
from textsr.serving.work import Done, Job, Pool

T = TypeVar("T")

log = logging.getLogger(__name__)

_LAST_SECONDS = 30.0  # at the end, for a tile or a text that is being read
_NEW = 0.2  # weight of the last request's seconds in what is usual


@dataclass(frozen=True)
class Limits:
    """What a request may ask for.

    Attributes:
        megabytes: of its body.
        pixels: of each image.
        seconds: from its head to its answer.
        waiting: requests that may wait, beside as many as are worked at a time.
    """

    megabytes: float = 32
    pixels: int = 16_000_000
    seconds: float = 120
    waiting: int = 32

    @property
    def bytes(self) -> int:
        """Of its body."""
        return round(self.megabytes * 1e6)


class Service:
    """A server's state, from its start to its end.

    Attributes:
        limits: what a request may ask for.
        metrics: what Prometheus is told.
        reader: the OCR engine.
        served: the model that is served now; None until it is loaded.
        failure: why there is none, and never will be.
        is_draining: whether no more requests are to be sent here.
        scratch: a folder for results that are being written.
    """

    def __init__(self, source: Source, limits: Limits, reload_seconds: float) -> None:
        """Make one; `running` starts it.

        Args:
            source: where the model comes from.
            limits: what a request may ask for.
            reload_seconds: how often an alias is asked which version it names.
        """
        self.limits = limits
        self.metrics = Metrics(
            lambda: self._in_flight, lambda: self._pool.waiting if self._pool else 0
        )
        self.reader = Reader()
        self.served: Served | None = None
        self.failure: Exception | None = None
        self.is_draining = False
        self.scratch = Path()
        self._source = source
        self._reload_seconds = reload_seconds
        self._pool: Pool | None = None
        self._in_flight = 0
        self._usual_seconds = 1.0
        self._said: str | None = None
        self._failed: str | None = None

    @property
    def is_ready(self) -> bool:
        """Whether requests are to be sent here."""
        return self.served is not None and not self.is_draining

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load the model, and follow its alias, while the block lasts."""
        with hearing(), tempfile.TemporaryDirectory(prefix="textsr-") as scratch:
            self.scratch = Path(scratch)
            following = asyncio.create_task(self._follow())
            try:
                yield
            finally:
                following.cancel()
                if self._pool is not None:
                    await asyncio.to_thread(self._pool.close, _LAST_SECONDS)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Count a request in while the block lasts, if there is room for it.

        Raises:
            RefusedError: 503 if there is none, or no model yet.
        """
        if self._pool is None:
            raise RefusedError(503, "the model is being loaded; ask again in a moment", _retry(1))
        if self._in_flight >= self._pool.workers + self.limits.waiting:
            self.metrics.shed.inc()
            raise RefusedError(
                503,
                f"{self._in_flight} requests are in work or waiting, and no more may wait; ask "
                "again later",
                _retry(self._usual_seconds),
            )
        self._in_flight += 1
        start = time.monotonic()
        try:
            yield
        finally:
            self._in_flight -= 1
            self._usual_seconds += _NEW * (time.monotonic() - start - self._usual_seconds)

    async def outcomes(
        self, request: Request, jobs: Sequence[Job[T]], deadline: float
    ) -> list[Done[T] | BaseException]:
        """Have images upscaled; return what becomes of each.

        Args:
            request: whose they are; its body has been read.
            jobs: the images.
            deadline: by `time.monotonic`.

        Raises:
            RefusedError: 503 if the time is over. When the client is gone, too: work that nobody
                waits for is not begun.
        """
        assert self._pool is not None  # the request was admitted
        for job in jobs:
            self._pool.submit(job)
        gone = asyncio.ensure_future(_until_gone(request))
        work = asyncio.gather(
            *(asyncio.wrap_future(job.done) for job in jobs), return_exceptions=True
        )
        work.add_done_callback(_forget)
        try:
            left = deadline - time.monotonic()
            waited: set[asyncio.Future[Any]] = {gone, work}
            await asyncio.wait(waited, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise self._too_late()
            found = work.result()
        finally:
            gone.cancel()
            work.cancel()
            self._pool.discard(jobs)
        for done in found:
            if isinstance(done, Done):
                self.metrics.images.inc()
                self.metrics.pixels.inc(done.pixels)
        return found

    def _too_late(self) -> RefusedError:
        return RefusedError(
            503,
            f"not done within {self.limits.seconds:g} seconds; ask again when less is to be done, "
            "or send smaller images",
            _retry(self._usual_seconds),
        )

    async def _follow(self) -> None:
        try:
            self._serve(await asyncio.to_thread(self._source.open))
            alias = await asyncio.to_thread(self._source.alias)
        except Exception as error:  # the command tells it
            self.failure = error
            return
        while alias is not None:
            await asyncio.sleep(self._reload_seconds)
            try:
                await asyncio.to_thread(self._reload)
            except Exception as error:  # what the registry raises must not end the following
                self.metrics.reloads.labels("failed").inc()
                self._say(redact(f"{alias}: {error}"))

    def _reload(self) -> None:
        """Load the version that the alias names, if that has changed, and serve it from now on.

        What is in work is done by the version before, which goes when the last of it is done.
        """
        assert self.served is not None
        version = self._source.version()
        if version is None or version == self.served.version:
            self._said = self._failed = None
            return
        if version == self._failed:  # each try would download it again
            return
        try:
            new = self._source.open()
            new.load_as(self.served)
        except Exception as error:
            from textsr.tracking import is_away

            is_passing = is_away(error) or is_away(error.__cause__ or error)
            self._failed = None if is_passing else version
            raise
        self.metrics.reloads.labels("done").inc()
        self._serve(new)

    def _serve(self, served: Served) -> None:
        if self._pool is None:
            backend = served.usual.backend
            self._pool = Pool(backend.workers, backend.threads)
        self.served = served
        self.metrics.serve(served)
        self._say(f"serving {served.said}")

    def _say(self, sentence: str) -> None:
        """Tell whoever runs the server, once as long as it stays so."""
        if sentence != self._said:
            log.info(sentence)
        self._said = sentence


def _forget(work: "asyncio.Future[Any]") -> None:
    """Take note of how it ended: where nobody waits any more, it would be told as an error."""
    if not work.cancelled():
        work.exception()


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _retry(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(max(math.ceil(seconds), 1))}
