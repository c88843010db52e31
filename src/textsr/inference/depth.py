"""Images of 8 bits by one backend, and deeper ones by another."""

import threading
from collections.abc import Callable

from textsr.images.image import FloatImage, LoadedImage
from textsr.inference.backend import Backend


class DepthBackend:
    """A network in 8 bits, with the same in floats for images of more than 8 bits a channel.

    A network in 8 bits gives too few values for those. Most users never have one: the floats are
    opened when the first comes.
    """

    def __init__(self, eight_bits: Backend, open_floats: Callable[[], Backend]) -> None:
        """Make one.

        Args:
            eight_bits: computes in 8 bits.
            open_floats: opens the same network in floats, of the same scale, halo, alignment,
                threads and workers.
        """
        self.name = eight_bits.name
        self.scale = eight_bits.scale
        self.halo = eight_bits.halo
        self.alignment = eight_bits.alignment
        self.threads = eight_bits.threads
        self.workers = eight_bits.workers
        self._eight_bits = eight_bits
        self._open_floats = open_floats
        self._floats: Backend | None = None
        self._door = threading.Lock()

    def run(self, images: FloatImage, threads: int | None = None) -> FloatImage:
        """Upscale a batch in 8 bits; see `Backend.run`."""
        return self._eight_bits.run(images, threads)

    def of_depth(self, bit_depth: int) -> Backend:
        """Return what computes images of so many bits a channel.

        Raises:
            TextsrError: if it has to be opened and cannot be.
        """
        if bit_depth == 8:
            return self._eight_bits
        with self._door:
            if self._floats is None:
                self._floats = self._open_floats()
            return self._floats


def suited(backend: Backend, image: LoadedImage) -> Backend:
    """Return what of a backend computes an image of this depth.

    Raises:
        TextsrError: as `DepthBackend.of_depth` does.
    """
    return backend.of_depth(image.bit_depth) if isinstance(backend, DepthBackend) else backend
