"""What computes a network: all that tiling, batching and colour know of it."""

from typing import Protocol

from textsr.images.image import FloatImage


class Backend(Protocol):
    """A network that is ready to upscale.

    Several threads may call `run` at once.
    """

    @property
    def name(self) -> str:
        """What computes: `onnx` or `onnx-int8` (ONNX Runtime), `torch` (PyTorch) or `bicubic`."""

    @property
    def scale(self) -> int:
        """HR pixels per LR pixel."""

    @property
    def halo(self) -> int:
        """LR pixels around a part of an image beyond which nothing changes its result."""

    @property
    def alignment(self) -> int:
        """LR pixels at multiples of which a window must start.

        Networks fold so many rows or columns into one feature: a window that starts elsewhere would
        not give what the whole image does.
        """

    @property
    def threads(self) -> int:
        """Threads that it may compute with in all."""

    @property
    def workers(self) -> int:
        """How many batches are best computed at a time."""

    def run(self, images: FloatImage, threads: int | None = None) -> FloatImage:
        """Upscale a batch.

        Args:
            images: (B, 1, H, W) float32 in [0, 1], of any height and width.
            threads: how many of its threads to use; None: all.

        Returns:
            (B, 1, H * scale, W * scale) float32, finite, not clipped.

        Raises:
            TextsrError: if memory does not suffice, or the output is not finite.
        """


def memory_error(place: str, images: FloatImage) -> str:
    """Return what to say where a batch does not fit into the memory of `place`."""
    count, _, height, width = images.shape
    at_once = f"{width}x{height}" if count == 1 else f"{count} times {width}x{height}"
    return f"{place}: out of memory on {at_once} pixels at once; use a smaller tile"
