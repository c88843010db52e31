"""Upscaling one image of any kind."""

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
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

_BAND_ROWS = 32  # LR pixels

_REACH = 1
"""LR pixels on either side that a linearly interpolated value depends on."""

# Chosen by measurement on coloured text; docs/upscaling.md has the table.
_COLOUR_WINDOW = (7, 7)
_COLOUR_EVENNESS = 1e-5

_ALPHA_WINDOW = (3, 3)  # LR pixels


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

    The network upscales luminance (BT.601), which chroma follows, and alpha, whose edges may be
    letters, too. Colours that nobody sees, at alpha 0, are replaced by the nearest that is seen, so
    that they do not shine through where an edge becomes finer. Besides the result itself, memory
    grows with the input and the tile only.

    Raises:
        TextsrError: as `textsr.inference.tiling.upscale_tiles` does.
    """
    scale = scale_of(model)
    has_edges = image.alpha is not None and image.alpha.min() != image.alpha.max()

    def upscale(plane: FloatImage, turn: int) -> Iterator[Tile]:
        def show(done: int, total: int) -> None:
            if progress is not None:
                progress(turn * total + done, (1 + has_edges) * total)

        return upscale_tiles(
            model, plane, device=device, tile=tile, halo=halo, bf16=bf16, progress=show
        )

    values = to_float(image.pixels if image.alpha is None else _seen(image.pixels, image.alpha))
    if image.is_colour:
        values = np.asarray(cv2.cvtColor(values, cv2.COLOR_BGR2YCrCb), np.float32)
    luminance = values[..., 0] if image.is_colour else values
    colours = _follow(luminance, values[..., 1:]) if image.is_colour else None
    shape = (image.height * scale, image.width * scale, *image.pixels.shape[2:])
    pixels: IntImage = np.empty(shape, image.pixels.dtype)
    for part in upscale(luminance, 0):
        for band in _bands(part, scale):
            result = band.values if colours is None else _join_colours(band, colours, scale)
            place = magnify(band.rows, scale), magnify(band.columns, scale)
            pixels[place] = to_integer(result, image.bit_depth)
    if image.alpha is None:
        return replace(image, pixels=pixels)
    alpha: IntImage = np.full(shape[:2], image.alpha.flat[0], image.alpha.dtype)
    lowest, highest = _range_around(image.alpha)
    for part in upscale(to_float(image.alpha), 1) if has_edges else ():
        place = magnify(part.rows, scale), magnify(part.columns, scale)
        low, high = (
            side[part.rows, part.columns].repeat(scale, 0).repeat(scale, 1)
            for side in (lowest, highest)
        )
        alpha[place] = to_integer(part.values, image.bit_depth).clip(low, high)
    return replace(image, pixels=pixels, alpha=alpha)


def _range_around(alpha: IntImage) -> tuple[IntImage, IntImage]:
    """The lowest and highest values near each pixel: what is wholly clear or opaque stays so."""
    window = np.ones(_ALPHA_WINDOW, np.uint8)
    low, high = (np.asarray(side(alpha, window), alpha.dtype) for side in (cv2.erode, cv2.dilate))
    return low, high


def _seen(pixels: IntImage, alpha: IntImage) -> IntImage:
    """The pixels, each that is fully transparent replaced by the nearest that is not."""
    invisible = (alpha == 0).astype(np.uint8)
    if not invisible.any() or invisible.all():
        return pixels
    _, nearest = cv2.distanceTransformWithLabels(
        invisible, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    visible = np.flatnonzero(invisible == 0)
    source = np.empty(visible.size + 1, np.int64)  # of each label, which begin at 1, its pixel
    source[nearest.flat[visible]] = visible
    flat = pixels.reshape(-1, *pixels.shape[2:])
    filled: IntImage = flat[source[nearest]]
    return filled


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
