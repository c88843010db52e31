"""Upscaling one image of any kind."""

from collections.abc import Iterator
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

_BAND_ROWS = 32  # LR pixels

_REACH = 1
"""LR pixels on either side that a linearly interpolated value depends on."""

# Chosen by measurement on coloured text; docs/upscaling.md has the table.
_COLOUR_WINDOW = (7, 7)
_COLOUR_EVENNESS = 1e-5


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

    The network upscales luminance (BT.601). Chroma follows its edges, and alpha is interpolated
    bicubically. Besides the result itself, memory grows with the input and the tile only.

    Raises:
        TextsrError: as `textsr.inference.tiling.upscale_tiles` does.
    """
    scale = scale_of(model)
    values = to_float(image.pixels)
    if image.is_colour:
        values = np.asarray(cv2.cvtColor(values, cv2.COLOR_BGR2YCrCb), np.float32)
    luminance = values[..., 0] if image.is_colour else values
    colours = _follow(luminance, values[..., 1:]) if image.is_colour else None
    shape = (image.height * scale, image.width * scale, *image.pixels.shape[2:])
    pixels: IntImage = np.empty(shape, image.pixels.dtype)
    for part in upscale_tiles(
        model, luminance, device=device, tile=tile, halo=halo, bf16=bf16, progress=progress
    ):
        for band in _bands(part, scale):
            result = band.values if colours is None else _join_colours(band, colours, scale)
            place = magnify(band.rows, scale), magnify(band.columns, scale)
            pixels[place] = to_integer(result, image.bit_depth)
    alpha = None if image.alpha is None else _enlarge(image.alpha, scale)
    return replace(image, pixels=pixels, alpha=alpha)


def _bands(part: Tile, scale: int) -> Iterator[Tile]:
    """The tile in bands of few rows: converting colours takes a dozen planes of their size."""
    for start in range(part.rows.start, part.rows.stop, _BAND_ROWS):
        rows = slice(start, min(start + _BAND_ROWS, part.rows.stop))
        inner = magnify(slice(rows.start - part.rows.start, rows.stop - part.rows.start), scale)
        yield Tile(rows, part.columns, part.values[inner])


def _follow(luminance: FloatImage, chroma: FloatImage) -> FloatImage:
    """How chroma goes with luminance around each pixel: HxWx4, two slopes and two offsets.

    A guided filter with luminance as the guide (He et al. 2013, section 3): letters and ground have
    a colour each, so that where luminance steps, chroma does.
    """

    def mean(values: FloatImage) -> FloatImage:
        return np.asarray(cv2.blur(values, _COLOUR_WINDOW, borderType=cv2.BORDER_REPLICATE))

    guide = np.dstack([luminance, luminance])
    guide_mean, chroma_mean = mean(guide), mean(chroma)
    variance = mean(guide * guide) - guide_mean**2
    slopes = (mean(guide * chroma) - guide_mean * chroma_mean) / (variance + _COLOUR_EVENNESS)
    return mean(np.dstack([slopes, chroma_mean - slopes * guide_mean]))


def _join_colours(part: Tile, colours: FloatImage, scale: int) -> FloatImage:
    """The tile's BGR values, of its HR luminance and how the whole image's chroma follows it."""
    height, width = colours.shape[:2]
    rows, columns = widen(part.rows, _REACH, height), widen(part.columns, _REACH, width)
    top, left = (part.rows.start - rows.start) * scale, (part.columns.start - columns.start) * scale
    tall, wide = part.values.shape
    enlarged = cv2.resize(
        colours[rows, columns], None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR
    )[top : top + tall, left : left + wide]
    luminance = np.clip(part.values, 0, 1)
    joined = np.dstack([luminance, enlarged[..., :2] * luminance[..., None] + enlarged[..., 2:]])
    return np.asarray(cv2.cvtColor(joined, cv2.COLOR_YCrCb2BGR), np.float32)


def _enlarge(values: npt.NDArray[_Scalar], scale: int) -> npt.NDArray[_Scalar]:
    larger = cv2.resize(values, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.asarray(larger, values.dtype)
