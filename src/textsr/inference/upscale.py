"""Upscaling one image of any kind."""

from dataclasses import replace
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from textsr.inference.images import FloatImage, IntImage, LoadedImage, to_float, to_integer
from textsr.inference.tiling import (
    HALO,
    TILE,
    Progress,
    Tile,
    magnify,
    scale_of,
    upscale_tiles,
    widen,
)

_Scalar = TypeVar("_Scalar", bound=np.integer[Any] | np.floating[Any])

_CUBIC_REACH = 2
"""LR pixels on either side that a bicubically interpolated value depends on."""


def upscale_image(
    model: nn.Module,
    image: LoadedImage,
    *,
    device: torch.device,
    tile: int = TILE,
    halo: int = HALO,
    bf16: bool = False,
    progress: Progress | None = None,
) -> LoadedImage:
    """Upscale an image of any kind; the result has its kind, bit depth and profile.

    The network upscales luminance (BT.601); chroma and alpha are interpolated bicubically. Besides
    the result itself, memory grows with the input and the tile only.

    Raises:
        TextsrError: as `textsr.inference.tiling.upscale_tiles` does.
    """
    scale = scale_of(model)
    values = to_float(image.pixels)
    if image.is_colour:
        values = np.asarray(cv2.cvtColor(values, cv2.COLOR_BGR2YCrCb), np.float32)
    luminance = values[..., 0] if image.is_colour else values
    shape = (image.height * scale, image.width * scale, *image.pixels.shape[2:])
    pixels: IntImage = np.empty(shape, image.pixels.dtype)
    for part in upscale_tiles(
        model, luminance, device=device, tile=tile, halo=halo, bf16=bf16, progress=progress
    ):
        result = _join_chroma(part, values[..., 1:], scale) if image.is_colour else part.values
        place = magnify(part.rows, scale), magnify(part.columns, scale)
        pixels[place] = to_integer(result, image.bit_depth)
    alpha = None if image.alpha is None else _enlarge(image.alpha, scale)
    return replace(image, pixels=pixels, alpha=alpha)


def _join_chroma(part: Tile, chroma: FloatImage, scale: int) -> FloatImage:
    """The tile's BGR values, of its HR luminance and the whole image's HxWx2 LR chroma."""
    height, width = chroma.shape[:2]
    rows = widen(part.rows, _CUBIC_REACH, height)
    columns = widen(part.columns, _CUBIC_REACH, width)
    top, left = (part.rows.start - rows.start) * scale, (part.columns.start - columns.start) * scale
    tall, wide = part.values.shape
    enlarged = _enlarge(chroma[rows, columns], scale)[top : top + tall, left : left + wide]
    joined = np.dstack([np.clip(part.values, 0, 1), enlarged])
    return np.asarray(cv2.cvtColor(joined, cv2.COLOR_YCrCb2BGR), np.float32)


def _enlarge(values: npt.NDArray[_Scalar], scale: int) -> npt.NDArray[_Scalar]:
    larger = cv2.resize(values, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.asarray(larger, values.dtype)
