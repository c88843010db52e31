"""Batches of lines out of shards, each a pure function of the step."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from textsr.config.streams import Stream
from textsr.datasets.shards import decode_row, spread_rows
from textsr.datasets.stream import ShuffledLines, StoredLine
from textsr.images.folders import find_images, read_grey
from textsr.images.grey import Image
from textsr.images.reading import check_image

_IMAGES_HELD = 4096  # decoded lines, some 4 KB each
_WHITE = np.float32(255)
_POOL = 8  # batches whose lines are sorted by width together

WIDTH_STEP = 8
"""LR pixels of which batches' widths are multiples: convolutions are prepared for each but once."""


class Batch(NamedTuple):
    """Lines side by side, narrow ones continued to the right by their last column."""

    lr: Tensor
    """(B, 1, h, w) in [0, 1]."""
    hr: Tensor
    """(B, 1, h * scale, w * scale) in [0, 1]."""
    texts: tuple[str, ...] = ()
    """What each line says; empty where that is not known or only a part is shown."""
    widths: tuple[int, ...] = ()
    """LR pixels of each line before it was continued."""

    def part(self, number: int, parts: int) -> "Batch":
        """Return one of so many equal parts, as wide as the whole."""
        rows = slice(number, None, parts)
        return Batch(self.lr[rows], self.hr[rows], self.texts[rows], self.widths[rows])


class _Line(NamedTuple):
    lr: Image
    hr: Image
    text: str


def shuffled_pairs(folder: Path, window_rows: int, seed: int) -> ShuffledLines:
    """Stream the pairs of a split with all that `PairBatches` asks for."""
    return ShuffledLines(folder, window_rows=window_rows, seed=seed, values=("text", "lr_width"))


class PairBatches:
    """Whole lines of like width, half of them with ink and ground exchanged.

    Lines are drawn in the order of `ShuffledLines`; those of a few batches together are sorted by
    width and dealt out anew, so that little of a batch is continuation.
    """

    def __init__(
        self,
        lines: ShuffledLines,
        *,
        batch_size: int,
        max_size: tuple[int, int],
        scale: int,
        seed: int,
        max_shift: int = 0,
        imported: ShuffledLines | None = None,
        imported_fraction: float = 0.0,
    ) -> None:
        """Make batches out of `lines` and, at `imported_fraction`, the user's own pairs.

        Args:
            lines: synthetic pairs of one height, from `shuffled_pairs`.
            batch_size: lines a batch.
            max_size: height of all lines and width of the widest, LR pixels; of an
                imported line that is larger, a random part is taken.
            scale: HR pixels per LR pixel.
            seed: of what is drawn beside the order.
            max_shift: LR pixels by which a line is moved up or down, at most; its first or last
                row fills the gap.
            imported: the imported pairs, from `shuffled_pairs`, of any height; None or none at
                all: the batches are as without.
            imported_fraction: of the lines that are taken from `imported`.
        """
        self._lines = lines
        self._batch_size = batch_size
        self._max_size = max_size
        self._scale = scale
        self._seed = seed
        self._max_shift = max_shift
        self._imported = imported
        self._imported_fraction = (
            imported_fraction if imported is not None and len(imported) else 0.0
        )
        self._pool = lru_cache(maxsize=1)(self._make_pool)

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step."""
        return self._pool(step // _POOL)[step % _POOL]

    def _make_pool(self, pool: int) -> list[Batch]:
        """Return the batches of a pool's steps.

        Made one after the other, they take four fifths of the time that they take each between two
        steps of training, which leave nothing of this in the processor's caches.
        """
        steps = range(pool * _POOL, (pool + 1) * _POOL)
        shares = [
            split_positions(step, self._batch_size, self._imported_fraction)[0] for step in steps
        ]
        lines = [self._lines.line(p) for p in range(shares[0].start, shares[-1].stop)]
        lines.sort(key=lambda line: int(line.value("lr_width")))
        # The narrowest lines must not always come first.
        turn = Stream.POOL.generator(self._seed, pool).permutation(_POOL).tolist()
        dealt: list[list[StoredLine]] = [[] for _ in steps]
        for number in turn:
            dealt[number], lines = lines[: len(shares[number])], lines[len(shares[number]) :]
        return [
            self._make(step, batch_lines) for step, batch_lines in zip(steps, dealt, strict=True)
        ]

    def _make(self, step: int, synthetic: list[StoredLine]) -> Batch:
        rng = Stream.BATCH.generator(self._seed, step)
        lines = [
            _Line(line.decode("lr"), line.decode("hr"), line.value("text")) for line in synthetic
        ]
        width = max((line.lr.shape[1] for line in lines), default=self._max_size[1])
        if self._imported is not None:
            _, imported = split_positions(step, self._batch_size, self._imported_fraction)
            lines += [
                self._part(self._imported.line(position), width, rng) for position in imported
            ]
        shifts = rng.integers(-self._max_shift, self._max_shift + 1, len(lines)).tolist()
        return _stack(lines, self._scale, shifts, rng.random(len(lines)) < 0.5)

    def _part(self, line: StoredLine, width: int, rng: np.random.Generator) -> _Line:
        """Fit an own line into the batch: whole if it is no larger, else a random part of it."""
        lr, hr = line.decode("lr"), line.decode("hr")
        sides = (self._max_size[0], min(width, lr.shape[1]))
        top, left = (
            int(rng.integers(0, max(size - side, 0) + 1))
            for size, side in zip(lr.shape, sides, strict=True)
        )
        is_whole = lr.shape[0] == sides[0] and lr.shape[1] == sides[1]
        return _Line(
            crop(lr, top, left, *sides),
            crop(hr, *(side * self._scale for side in (top, left, *sides))),
            (line.value("text") or "") if is_whole else "",
        )


def _stack(
    lines: list[_Line],
    scale: int,
    shifts: Sequence[int] | None = None,
    inverted: npt.NDArray[np.bool_] | None = None,
) -> Batch:
    """Put lines of one height side by side.

    Args:
        lines: at least one.
        scale: HR pixels per LR pixel.
        shifts: LR pixels by which each is moved down; its first or last row fills the gap.
        inverted: of which lines ink and ground are exchanged.
    """
    widths = tuple(line.lr.shape[1] for line in lines)
    height, width = lines[0].lr.shape[0], -(-max(widths) // WIDTH_STEP) * WIDTH_STEP
    lr = np.empty((len(lines), 1, height, width), np.float32)
    hr = np.empty((len(lines), 1, height * scale, width * scale), np.float32)
    for number, line in enumerate(lines):
        shift = 0 if shifts is None else shifts[number]
        for side, image, factor in ((lr, line.lr, 1), (hr, line.hr, scale)):
            # Line by line, which stays in the processor's cache, where a whole batch does not.
            moved = _moved(image, shift * factor, width * factor)
            if inverted is not None and inverted[number]:
                moved = np.bitwise_not(moved)
            np.divide(moved, _WHITE, out=side[number, 0])
    texts = tuple(line.text for line in lines)
    return Batch(torch.from_numpy(lr), torch.from_numpy(hr), texts, widths)


def _moved(image: Image, rows: int, width: int) -> Image:
    """Move an image down by `rows` and continue it to `width` by its last column."""
    height = image.shape[0]
    top, bottom = (min(max(side, 0), height - 1) for side in (rows, -rows))
    kept = image[bottom : height - top, :width]
    right = width - kept.shape[1]
    if not (top or bottom or right):
        return kept
    # Ten times as fast as NumPy's `pad`, which took a sixth of the time that a batch took.
    padded = cv2.copyMakeBorder(kept, top, bottom, 0, right, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8)


def extend(image: Image, width: int) -> Image:
    """Continue an image to `width` by its last column."""
    return _moved(image, 0, width)


def whole_batches(folder: Path, *, batch_size: int, scale: int, limit: int) -> list[Batch]:
    """Put whole lines of like width together: the fixed batches of validation.

    Args:
        folder: shards of a split, all of one height.
        batch_size: lines a batch.
        scale: HR pixels per LR pixel.
        limit: of a split with more lines, so many at equal distances.
    """
    lines = [
        _Line(decode_row(row, "lr"), decode_row(row, "hr"), row["text"])
        for row in spread_rows(folder, ("lr", "hr", "text"), limit)
    ]
    lines.sort(key=lambda line: line.lr.shape[1])
    return [
        _stack(lines[first : first + batch_size], scale)
        for first in range(0, len(lines), batch_size)
    ]


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
    """Crop the middle of lines: fixed batches, all of one width.

    Args:
        folder: shards of a split.
        batch_size: lines a batch.
        crop_width: of the crops, LR pixels.
        scale: HR pixels per LR pixel.
        limit: of a split with more lines, so many at equal distances.
    """
    sides: tuple[list[Image], list[Image]] = ([], [])
    for row in spread_rows(folder, ("lr", "hr"), limit):
        lr, hr = decode_row(row, "lr"), decode_row(row, "hr")
        left = max(lr.shape[1] - crop_width, 0) // 2
        sides[0].append(crop(lr, 0, left, lr.shape[0], crop_width))
        sides[1].append(crop(hr, 0, left * scale, hr.shape[0], crop_width * scale))
    return [
        Batch(
            to_tensor(sides[0][first : first + batch_size]),
            to_tensor(sides[1][first : first + batch_size]),
        )
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
    return torch.from_numpy(np.divide(np.stack(images)[:, None], _WHITE))


class UnlabelledImages:
    """The user's LR images under a folder, read when asked for, as lines of one height.

    Raises:
        TextsrError: if a file is not of an image format.
    """

    def __init__(self, folder: Path, height: int) -> None:
        self._paths = find_images(folder) if folder.is_dir() else []
        for path in self._paths:  # by their headers, so that hours of training are not lost
            check_image(path)
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
    return Stream.ORDER.generator(seed, epoch).permutation(length)


def epoch_order(seed: int, length: int, position: int) -> int:
    """Return the row at `position` of an endless order that visits all rows once an epoch."""
    return int(_permutation(seed, length, position // length)[position % length])
