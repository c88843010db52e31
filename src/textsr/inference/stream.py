"""Upscaling a stream of images with all cores at work, in order and in bounded memory."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from textsr.errors import TextsrError
from textsr.images.image import LoadedImage
from textsr.images.reading import count_pixels
from textsr.inference.backend import Backend
from textsr.inference.interpolation import BicubicBackend
from textsr.inference.orientation import turned
from textsr.inference.turns import Turns
from textsr.inference.upscale import upscale_image, upscale_images

SMALL = 16_384
"""Input pixels up to which an image goes through the network together with others."""

SMALL_BYTES = 32_768
"""Of a file: likely to hold a small image."""

_TOGETHER = 64  # small images that a worker takes at a time


def is_small_file(image: Path | bytes) -> bool:
    """Tell whether an image is small by its file, or its file's content, and the header in it.

    Few bytes may hold many pixels. What cannot be read is not small: decoding tells what is wrong.
    """
    try:
        size = len(image) if isinstance(image, bytes) else image.stat().st_size
        return size <= SMALL_BYTES and count_pixels(image) <= SMALL
    except (OSError, ValueError, TextsrError):
        return False


@dataclass(frozen=True)
class Loaded:
    """An image that was loaded.

    Attributes:
        image: as it was given.
        is_kept: whether it is left to bicubic interpolation.
        runs_down: whether its text runs down, so that it is turned for the network, and back.
    """

    image: LoadedImage
    is_kept: bool
    runs_down: bool

    def upright(self) -> LoadedImage:
        """Return the image as it is upscaled: its text runs across."""
        return turned(self.image, 1) if self.runs_down else self.image

    def as_given(self, upscaled: LoadedImage) -> LoadedImage:
        """Return what came of the upright image, turned as the image is."""
        return turned(upscaled, -1) if self.runs_down else upscaled


@dataclass(frozen=True)
class Task:
    """An image to upscale.

    Attributes:
        load: loads it.
        is_small: whether it is likely to have no more than `SMALL` pixels.
    """

    load: Callable[[], Loaded]
    is_small: bool


Outcome = LoadedImage | Exception
"""A result, or why there is none."""


def upscale_stream(backend: Backend, tasks: Iterable[Task]) -> Generator[Outcome, None, None]:
    """Upscale images, as many at a time as the backend has workers; yield what becomes of each.

    Tasks are taken as outcomes are asked for: a portion for each worker and one more, of one image
    or of `_TOGETHER` small ones. When it is closed early, it ends after the tiles and batches in
    work.

    Raises:
        Exception: what `tasks` raises, after the outcomes of those that it gave before.
    """
    turns = Turns(backend.workers, backend.threads)
    stopped = threading.Event()
    failures: list[Exception] = []

    def until_failure() -> Iterator[Task]:
        try:
            yield from tasks
        except Exception as error:
            failures.append(error)

    waiting: deque[Future[list[Outcome]]] = deque()
    pool = ThreadPoolExecutor(backend.workers)
    try:
        for portion in _portions(until_failure()):
            waiting.append(pool.submit(upscale_portion, backend, portion, turns, stopped))
            if len(waiting) > backend.workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
        if failures:
            raise failures[0]
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)


def upscale_portion(
    backend: Backend, portion: list[Task], turns: Turns, stopped: threading.Event
) -> list[Outcome]:
    """Load and upscale images, the small ones together; return what becomes of each.

    Args:
        backend: what computes.
        portion: the images.
        turns: shares the threads with the portions beside it.
        stopped: ends the work when it is set.

    Raises:
        CancelledError: if `stopped` is set.
    """
    go_on = partial(go_on_unless, stopped)
    outcomes: dict[int, Outcome] = {}
    small: dict[int, Loaded] = {}
    for number, task in enumerate(portion):
        go_on()
        try:
            loaded = task.load()
            image = loaded.upright()
            if image.height * image.width <= SMALL and not loaded.is_kept:
                small[number] = loaded
                continue
            by = BicubicBackend(backend.scale) if loaded.is_kept else backend
            with turns.take(image) as threads:
                go_on()
                outcomes[number] = loaded.as_given(
                    upscale_image(by, image, threads=threads, progress=lambda *_: go_on())
                )
        except CancelledError:
            raise
        except Exception as error:  # decoders' and backends' own, too
            outcomes[number] = _said(error)
    if small:
        together = list(small.values())
        with turns.take(together[0].image) as threads:
            outcomes |= zip(small, _upscale_small(backend, together, threads, go_on), strict=True)
    return [outcomes[number] for number in range(len(portion))]


def go_on_unless(stopped: threading.Event) -> None:
    """End the work if it is to be stopped.

    Raises:
        CancelledError: if `stopped` is set.
    """
    if stopped.is_set():
        raise CancelledError


def _upscale_small(
    backend: Backend, small: list[Loaded], threads: int, go_on: Callable[[], None]
) -> list[Outcome]:
    """Upscale images together, or, if one of them breaks the network, each alone."""
    images = [loaded.upright() for loaded in small]
    try:
        results = upscale_images(backend, images, threads=threads, before_batch=go_on)
    except CancelledError:
        raise
    except Exception as error:
        if len(small) == 1:
            return [_said(error)]
        return [_upscale_small(backend, [loaded], threads, go_on)[0] for loaded in small]
    return [loaded.as_given(result) for loaded, result in zip(small, results, strict=True)]


def _said(error: Exception) -> Exception:
    if isinstance(error, MemoryError):
        return TextsrError("not enough memory for the result; cut it up")
    return error


def _portions(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    """Divide tasks, in order, into portions of one image or of small ones."""
    small: list[Task] = []
    for task in tasks:
        if task.is_small:
            small.append(task)
            if len(small) < _TOGETHER:
                continue
        if small:
            yield small
            small = []
        if not task.is_small:
            yield [task]
    if small:
        yield small
