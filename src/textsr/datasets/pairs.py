"""Batches of lines out of shards, each a pure function of the step."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from textsr.datasets.shards import Image, decode_grey, read_table
from textsr.errors import TextsrError

_IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}


class Batch(NamedTuple):
    """LR (B, 1, h, w) and HR (B, 1, h * scale, w * scale), both in [0, 1]."""

    lr: Tensor
    hr: Tensor


class EncodedLines:
    """The encoded images of one split, held in memory, decoded when asked for."""

    def __init__(self, folder: Path, columns: tuple[str, ...] = ("lr", "hr")) -> None:
        table = read_table(folder, ["sample_id", *columns])
        self.ids: list[str] = table.column("sample_id").to_pylist()
        self._encoded = {
            name: table.column(name).combine_chunks().field("bytes") for name in columns
        }

    def __len__(self) -> int:
        return len(self.ids)

    def decode(self, column: str, index: int) -> Image:
        """Decode one image."""
        return decode_grey(self._encoded[column][index].as_py(), f"{self.ids[index]} ({column})")


class PairBatches:
    """Random crops of LR-HR pairs, half of them with ink and ground exchanged."""

    def __init__(
        self, lines: EncodedLines, *, batch_size: int, crop_width: int, scale: int, seed: int
    ) -> None:
        self._lines = lines
        self._batch_size = batch_size
        self._crop_width = crop_width
        self._scale = scale
        self._seed = seed

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step."""
        rng = np.random.default_rng([self._seed, 1, step])
        first = step * self._batch_size
        pairs = [
            self._crop(epoch_order(self._seed, len(self._lines), position), rng)
            for position in range(first, first + self._batch_size)
        ]
        return Batch(*(to_tensor([pair[side] for pair in pairs]) for side in (0, 1)))

    def _crop(self, index: int, rng: np.random.Generator) -> tuple[Image, Image]:
        lr = self._lines.decode("lr", index)
        hr = self._lines.decode("hr", index)
        start = int(rng.integers(0, max(lr.shape[1] - self._crop_width, 0) + 1))
        lr = crop(lr, start, self._crop_width)
        hr = crop(hr, start * self._scale, self._crop_width * self._scale)
        if rng.random() < 0.5:
            lr, hr = 255 - lr, 255 - hr
        return lr, hr


def centre_batches(
    lines: EncodedLines, *, batch_size: int, crop_width: int, scale: int
) -> list[Batch]:
    """Crop the middle of every line: the fixed batches of validation."""
    batches = []
    for first in range(0, len(lines), batch_size):
        sides: tuple[list[Image], list[Image]] = ([], [])
        for index in range(first, min(first + batch_size, len(lines))):
            lr, hr = lines.decode("lr", index), lines.decode("hr", index)
            start = max(lr.shape[1] - crop_width, 0) // 2
            sides[0].append(crop(lr, start, crop_width))
            sides[1].append(crop(hr, start * scale, crop_width * scale))
        batches.append(Batch(*(to_tensor(side) for side in sides)))
    return batches


@lru_cache(maxsize=2)
def _permutation(seed: int, length: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, 2, epoch]).permutation(length)


def epoch_order(seed: int, length: int, position: int) -> int:
    """Return the row at `position` of an endless order that visits all rows once an epoch."""
    return int(_permutation(seed, length, position // length)[position % length])


def crop(image: Image, start: int, width: int) -> Image:
    """Cut `width` columns out; a narrower image is continued by its last column."""
    piece = image[:, start : start + width]
    return np.pad(piece, ((0, 0), (0, width - piece.shape[1])), mode="edge")


def to_tensor(images: list[Image]) -> Tensor:
    """Stack equal HxW images into (B, 1, H, W) in [0, 1]."""
    return torch.from_numpy(np.stack(images)).unsqueeze(1).float().div_(255)


def read_unlabelled(folder: Path, height: int) -> list[Image]:
    """Read the user's LR images under `folder`, resized to lines `height` pixels high.

    Raises:
        TextsrError: if an image cannot be decoded.
    """
    images = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in _IMAGE_SUFFIXES:
            continue
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise TextsrError(f"{path}: cannot be decoded as an image; mend or remove it")
        width = max(round(image.shape[1] * height / image.shape[0]), 1)
        if image.shape[0] != height:
            shrinks = image.shape[0] > height
            kernel = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
            image = cv2.resize(image, (width, height), interpolation=kernel)
        images.append(np.asarray(image, np.uint8))
    return images
