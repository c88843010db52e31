"""Upscaling one image of any kind."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from textsr.images.image import FloatImage, IntImage, LoadedImage, resized, to_float, to_integer
from textsr.inference.backend import Backend
from textsr.inference.depth import suited
from textsr.inference.tiling import (
    TILE,
    Progress,
    Tile,
    magnify,
    padded_size,
    upscale_batch,
    upscale_tiles,
    widen,
)

_BAND_ROWS = 32  # LR pixels
_BATCH_PIXELS = 65_536  # LR pixels; larger batches are no faster

_REACH = 1
"""LR pixels on either side that a linearly interpolated value depends on."""

# Chosen by measurement on coloured text; docs/explanation/upscaling.md has the table.
_COLOUR_WINDOW = (7, 7)
_COLOUR_EVENNESS = 1e-5

_ALPHA_WINDOW = (3, 3)  # LR pixels


def upscale_image(
    backend: Backend,
    image: LoadedImage,
    *,
    tile: int = TILE,
    halo: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> LoadedImage:
    """Upscale an image of any kind; the result has its kind, bit depth and profile.

    It keeps its size in inches and its metadata, too.

    The network upscales luminance (BT.601), which chroma follows, and alpha, whose edges may be
    letters, too. Colours that nobody sees, at alpha 0, are replaced by the nearest that is seen, so
    that they do not shine through where an edge becomes finer. Besides the result itself, memory
    grows with the input and the tile only.

    Raises:
        TextsrError: as `textsr.inference.tiling.upscale_tiles` and `suited` do.
    """
    backend = suited(backend, image)
    planes = _split(image)

    def upscale(plane: FloatImage, turn: int) -> Iterator[Tile]:
        def show(done: int, total: int) -> None:
            if progress is not None:
                progress(turn * total + done, len(planes.upscaled) * total)

        return upscale_tiles(backend, plane, tile=tile, halo=halo, threads=threads, progress=show)

    parts = [upscale(plane, turn) for turn, plane in enumerate(planes.upscaled)]
    return _join(image, planes, parts, backend.scale)


def upscale_images(
    backend: Backend,
    images: Sequence[LoadedImage],
    *,
    threads: int | None = None,
    before_batch: Callable[[], None] = lambda: None,
) -> list[LoadedImage]:
    """Upscale small images, of any kind and of any sizes, in as few batches as they allow.

    As `upscale_image` does, but for the borders on the right and below: see
    `textsr.inference.tiling.upscale_batch`. `before_batch` may end the work by raising.

    Raises:
        TextsrError: as `upscale_batch` and `suited` do.
    """
    split = [_split(image) for image in images]
    # By backend and size, image and plane.
    waiting: dict[tuple[Backend, tuple[int, int]], list[tuple[int, int]]] = {}
    for number, (image, planes) in enumerate(zip(images, split, strict=True)):
        by = suited(backend, image)
        for turn, plane in enumerate(planes.upscaled):
            size = padded_size(plane.shape, by.alignment)
            waiting.setdefault((by, size), []).append((number, turn))
    parts: dict[tuple[int, int], Tile] = {}
    for (by, size), places in waiting.items():
        together = max(_BATCH_PIXELS // (size[0] * size[1]), 1)
        for first in range(0, len(places), together):
            before_batch()
            batch = places[first : first + together]
            planes_of = [split[number].upscaled[turn] for number, turn in batch]
            upscaled = upscale_batch(by, planes_of, threads=threads)
            for place, plane, values in zip(batch, planes_of, upscaled, strict=True):
                height, width = plane.shape
                parts[place] = Tile(slice(0, height), slice(0, width), values)
    return [
        _join(
            image,
            planes,
            [iter([parts[number, turn]]) for turn in range(len(planes.upscaled))],
            backend.scale,
        )
        for number, (image, planes) in enumerate(zip(images, split, strict=True))
    ]


class _Planes(NamedTuple):
    """An image as it is upscaled."""

    upscaled: list[FloatImage]
    """Luminance, and alpha if it is not the same everywhere: the network's part."""
    colours: FloatImage | None
    """How chroma follows luminance, as `_follow` returns it; None of a grey image."""


def _split(image: LoadedImage) -> _Planes:
    values = to_float(image.pixels if image.alpha is None else _seen(image.pixels, image.alpha))
    if image.is_colour:
        values = np.asarray(cv2.cvtColor(values, cv2.COLOR_BGR2YCrCb), np.float32)
    luminance = values[..., 0] if image.is_colour else values
    colours = _follow(luminance, values[..., 1:]) if image.is_colour else None
    upscaled = [luminance]
    if image.alpha is not None and image.alpha.min() != image.alpha.max():
        upscaled.append(to_float(image.alpha))
    return _Planes(upscaled, colours)


def _join(
    image: LoadedImage, planes: _Planes, parts: Sequence[Iterator[Tile]], scale: int
) -> LoadedImage:
    """Put an image together of the parts of its upscaled planes."""
    shape = (image.height * scale, image.width * scale, *image.pixels.shape[2:])
    pixels: IntImage = np.empty(shape, image.pixels.dtype)
    for part in parts[0]:
        for band in _bands(part, scale):
            colours = planes.colours
            result = band.values if colours is None else _join_colours(band, colours, scale)
            place = magnify(band.rows, scale), magnify(band.columns, scale)
            pixels[place] = to_integer(result, image.bit_depth)
    if image.alpha is None:
        return resized(image, pixels, None)
    alpha: IntImage = np.full(shape[:2], image.alpha.flat[0], image.alpha.dtype)
    lowest, highest = _range_around(image.alpha)
    for part in parts[1] if len(parts) > 1 else ():
        place = magnify(part.rows, scale), magnify(part.columns, scale)
        low, high = (
            side[part.rows, part.columns].repeat(scale, 0).repeat(scale, 1)
            for side in (lowest, highest)
        )
        alpha[place] = to_integer(part.values, image.bit_depth).clip(low, high)
    return resized(image, pixels, alpha)


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
