"""Sharing a backend's threads among images."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from textsr.images.image import LoadedImage

LARGE = 4_000_000
"""Input pixels above which an image is upscaled alone, so that memory does not add up."""


class Turns:
    """Lets as many images be upscaled at a time as there are workers, or a large one alone."""

    def __init__(self, workers: int, threads: int) -> None:
        self._workers = workers
        self._threads = threads
        self._free = threading.Semaphore(workers)
        self._door = threading.Lock()

    @contextmanager
    def take(self, image: LoadedImage) -> Iterator[int]:
        """Wait for the image's turn; yield how many of the threads are its share."""
        share = self._workers if image.height * image.width > LARGE else 1
        with self._door:  # others wait behind a large image, so that they do not keep it waiting
            for _ in range(share):
                self._free.acquire()
        try:
            yield max(self._threads * share // self._workers, 1)
        finally:
            self._free.release(share)
