"""Pillow's own limits, which are the process's: raised while a file is read that ours allow."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from PIL import Image, PngImagePlugin

MOST_TEXT = 16_000_000
"""Bytes of a PNG's profile or of one of its texts, at most."""


class _Limit:
    def __init__(self, module: ModuleType, name: str, raised: int | None) -> None:
        self._module, self._name, self._raised = module, name, raised
        self._door = threading.Lock()
        self._users = 0
        self._own: int | None = None

    @contextmanager
    def allowing(self, value: int) -> Iterator[None]:
        """Have Pillow allow a value that is within our limit."""
        with self._door:
            if not self._users:
                self._own = getattr(self._module, self._name)
            is_above = self._own is not None and value > self._own
            if is_above:
                self._users += 1
                setattr(self._module, self._name, self._raised)
        try:
            yield
        finally:
            if is_above:
                with self._door:
                    self._users -= 1
                    if not self._users:
                        setattr(self._module, self._name, self._own)


PIXELS = _Limit(Image, "MAX_IMAGE_PIXELS", None)
TEXT = _Limit(PngImagePlugin, "MAX_TEXT_CHUNK", MOST_TEXT)
