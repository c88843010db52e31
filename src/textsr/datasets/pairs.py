"""Batches of lines out of shards, each a pure function of the step."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from textsr.datasets.pictures import find_images, read_grey
from textsr.datasets.shards import Image, decode_grey, spread_rows
from textsr.datasets.stream import ShuffledLines
from textsr.errors import TextsrError

_IMAGES_HELD = 4096  # decoded lines, some 4 KB each


class Batch(NamedTuple):
    """LR (B, 1, h, w) and HR (B, 1, h * scale, w * scale), both in [0, 1]."""

    lr: Tensor
    hr: Tensor


class PairBatches:
    """Random crops of LR-HR pairs, half of them with ink and ground exchanged."""

    def __init__(
        self,
        lines: ShuffledLines,
        *,
        batch_size: int,
        crop_size: tuple[int, int],
        scale: int,
        seed: int,
        own: ShuffledLines | None = None,
        own_share: float = 0.0,
    ) -> None:
        """Make batches out of `lines` and, at `own_share`, the user's own pairs.

        Args:
            lines: synthetic pairs.
            batch_size: crops a batch.
            crop_size: height and width of the crops, LR pixels.
            scale: HR pixels an LR pixel.
            seed: of the crops.
            own: the user's pairs, of any height; None or none at all: the batches are as without.
            own_share: of the crops that are taken from `own`.
        """
        self._lines = lines
        self._batch_size = batch_size
        self._crop_size = crop_size
        self._scale = scale
        self._seed = seed
        self._own = own
        self._own_share = own_share if own is not None and len(own) else 0.0

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step."""
        rng = np.random.default_rng([self._seed, 1, step])
        lines, own = split_positions(step, self._batch_size, self._own_share)
        pairs = [self._crop(self._lines, position, rng) for position in lines]
        if self._own is not None:
            pairs += [self._crop(self._own, position, rng) for position in own]
        return Batch(*(to_tensor([pair[side] for pair in pairs]) for side in (0, 1)))

    def _crop(
        self, lines: ShuffledLines, position: int, rng: np.random.Generator
    ) -> tuple[Image, Image]:
        lr, hr = lines.decode("lr", position), lines.decode("hr", position)
        height, width = self._crop_size
        left = int(rng.integers(0, max(lr.shape[1] - width, 0) + 1))
        spare = lr.shape[0] - height
        top = int(rng.integers(0, spare + 1)) if spare > 0 else 0
        lr = crop(lr, top, left, height, width)
        hr = crop(hr, *(side * self._scale for side in (top, left, height, width)))
        if rng.random() < 0.5:
            lr, hr = 255 - lr, 255 - hr
        return lr, hr


def split_positions(step: int, batch_size: int, share: float) -> tuple[range, range]:
    """Divide a batch between two endless orders.

    Returns:
        The positions in the first order, and those in the second, which gets `share` of all
        batches up to any step, to a row.
    """
    before, after = (int(batch_size * number * share) for number in (step, step + 1))
    first = range(step * batch_size - before, (step + 1) * batch_size - after)
    return first, range(before, after)


def centre_batches(
    folder: Path, *, batch_size: int, crop_width: int, scale: int, limit: int
) -> list[Batch]:
    """Crop the middle of lines: the fixed batches of validation.

    Args:
        folder: shards of a split.
        batch_size: lines a batch.
        crop_width: of the crops, LR pixels.
        scale: HR pixels an LR pixel.
        limit: of a split with more lines, so many at equal distances.
    """
    sides: tuple[list[Image], list[Image]] = ([], [])
    for row in spread_rows(folder, ("lr", "hr"), limit):
        lr, hr = (decode_grey(row[side]["bytes"], row["sample_id"]) for side in ("lr", "hr"))
        left = max(lr.shape[1] - crop_width, 0) // 2
        sides[0].append(crop(lr, 0, left, lr.shape[0], crop_width))
        sides[1].append(crop(hr, 0, left * scale, hr.shape[0], crop_width * scale))
    return [
        Batch(*(to_tensor(side[first : first + batch_size]) for side in sides))
        for first in range(0, len(sides[0]), batch_size)
    ]


def crop(image: Image, top: int, left: int, height: int, width: int) -> Image:
    """Cut a rectangle out; a smaller image is continued by its last row and column."""
    piece = image[top : top + height, left : left + width]
    missing = (height - piece.shape[0], width - piece.shape[1])
    if not any(missing):
        return piece
    # Ten times as fast as NumPy's `pad`, which took a sixth of the time that a batch took.
    padded = cv2.copyMakeBorder(piece, 0, missing[0], 0, missing[1], cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8)


def to_tensor(images: list[Image]) -> Tensor:
    """Stack equal HxW images into (B, 1, H, W) in [0, 1]."""
    # By NumPy: for so few numbers PyTorch's threads cost more than they save.
    scaled = np.stack(images)[:, None].astype(np.float32)
    scaled /= np.float32(255)
    return torch.from_numpy(scaled)


class UnlabelledImages:
    """The user's LR images under a folder, read when asked for, as lines of one height.

    Raises:
        TextsrError: if a file is not of an image format.
    """

    def __init__(self, folder: Path, height: int) -> None:
        self._paths = find_images(folder) if folder.is_dir() else []
        for path in self._paths:  # by its first bytes, so that hours of training are not lost
            if not cv2.haveImageReader(str(path)):
                raise TextsrError(f"{path}: cannot be decoded as an image; mend or remove it")
        self._height = height
        self._read = lru_cache(maxsize=_IMAGES_HELD)(self._load)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Image:
        """Return an image, resized to the height.

        Raises:
            TextsrError: if it cannot be decoded.
        """
        return self._read(index)

    def _load(self, index: int) -> Image:
        image = read_grey(self._paths[index])
        if image.shape[0] != self._height:
            width = max(round(image.shape[1] * self._height / image.shape[0]), 1)
            shrinks = image.shape[0] > self._height
            kernel = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
            resized = cv2.resize(image, (width, self._height), interpolation=kernel)
            return np.asarray(resized, np.uint8)
        return image


@lru_cache(maxsize=2)
def _permutation(seed: int, length: int, epoch: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng([seed, 2, epoch]).permutation(length)


def epoch_order(seed: int, length: int, position: int) -> int:
    """Return the row at `position` of an endless order that visits all rows once an epoch."""
    return int(_permutation(seed, length, position // length)[position % length])
