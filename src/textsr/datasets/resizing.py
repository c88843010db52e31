"""Lines at other heights than they were made at."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from textsr.config.params import Resizing
from textsr.config.streams import Stream
from textsr.datasets.pairs import Batch


class ResizedBatches:
    """Brings some batches to other heights, LR and HR alike.

    Text in photos is of any height; lines of one height alone teach a network that height. Images
    are resized after they are taken, too, so that a resized LR line is one that may be met.
    """

    def __init__(self, batches: Callable[[int], Batch], resizing: Resizing, seed: int) -> None:
        """Resize what `batches` returns, each step to one of the heights, drawn by `seed`."""
        self._batches = batches
        self._resizing = resizing
        self._seed = seed

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step."""
        batch = self._batches(step)
        rng = Stream.RESIZING.generator(self._seed, step)
        if rng.random() >= self._resizing.probability:
            return batch
        return resize_batch(batch, int(rng.choice(self._resizing.heights)))


def resize_batch(batch: Batch, height: int) -> Batch:
    """Bring the LR lines of a batch to a height in pixels, and their HR lines with them."""
    factor = height / batch.lr.shape[2]
    scale = batch.hr.shape[2] // batch.lr.shape[2]
    width = max(round(batch.lr.shape[3] * factor), 1)

    def resize(lines: Tensor, times: int) -> Tensor:
        size = (height * times, width * times)
        return F.interpolate(lines, size, mode="bicubic", antialias=True).clamp(0, 1)

    widths = tuple(min(max(round(used * factor), 1), width) for used in batch.widths)
    return Batch(resize(batch.lr, 1), resize(batch.hr, scale), batch.texts, widths)
