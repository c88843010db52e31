"""Upscaling one image of any kind."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np

from textsr.images.image import FloatImage, IntImage, LoadedImage, resized, to_float, to_integer
from textsr.inference import colour
from textsr.inference.backend import Backend
from textsr.inference.depth import suited
from textsr.inference.interpolation import enlarge
from textsr.inference.paper import text_weight
from textsr.inference.tiling import (
    TILE,
    Mask,
    Progress,
    Tile,
    magnify,
    padded_size,
    upscale_batch,
    upscale_tiles,
)

_BAND_ROWS = 32  # LR pixels
_BATCH_PIXELS = 65_536  # LR pixels; larger batches are no faster

_LEAST_WEIGHT = 1 / 255
"""Of what a pixel gets of a network's output, where that is a share; less is not worth its run."""

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

    The network upscales luminance (BT.601), which chroma follows (see `textsr.inference.colour`),
    and alpha, whose edges may be letters, too. Paper that holds no text is left to bicubic
    interpolation (see `textsr.inference.paper`). Colours that nobody sees, at alpha 0, are replaced
    by the nearest that is seen, so that they do not shine through where an edge becomes finer.
    Besides the result itself, memory grows with the input and the tile only.

    Raises:
        TextsrError: as `textsr.inference.tiling.upscale_tiles` and `suited` do.
    """
    backend = suited(backend, image)
    planes = _split(image)

    shown = 0

    def show(_: int, total: int) -> None:
        nonlocal shown
        shown += 1
        if progress is not None:
            progress(shown, len(planes.upscaled) * total)

    parts = {
        name: upscale_tiles(
            backend,
            plane,
            needed=planes.needed(name),
            tile=tile,
            halo=halo,
            threads=threads,
            progress=show,
        )
        for name, plane in planes.upscaled.items()
    }
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
    # By backend and size, the images' numbers and the planes' names.
    waiting: dict[tuple[Backend, tuple[int, int]], list[tuple[int, _Name]]] = {}
    for number, (image, planes) in enumerate(zip(images, split, strict=True)):
        by = suited(backend, image)
        for name, plane in planes.upscaled.items():
            size = padded_size(plane.shape, by.alignment)
            waiting.setdefault((by, size), []).append((number, name))
    parts: list[dict[_Name, Iterator[Tile]]] = [{} for _ in images]
    for (by, size), places in waiting.items():
        together = max(_BATCH_PIXELS // (size[0] * size[1]), 1)
        for first in range(0, len(places), together):
            before_batch()
            batch = places[first : first + together]
            planes_of = [split[number].upscaled[name] for number, name in batch]
            upscaled = upscale_batch(by, planes_of, threads=threads)
            for (number, name), plane, values in zip(batch, planes_of, upscaled, strict=True):
                height, width = plane.shape
                parts[number][name] = iter([Tile(slice(0, height), slice(0, width), values)])
    return [
        _join(image, planes, parts_of, backend.scale)
        for image, planes, parts_of in zip(images, split, parts, strict=True)
    ]


_Name = Literal["luminance", "principal", "alpha"]


class _Planes(NamedTuple):
    """An image as it is upscaled.

    Attributes:
        upscaled: the network's part: HxW planes in [0, 1], by name. Luminance; chroma's principal
            plane if text lives in chroma; alpha if it is not the same everywhere.
        weight: HxW, of the network's luminance, the rest being bicubic's; None: 1 everywhere.
        colours: how chroma follows; None of a grey image.
    """

    upscaled: dict[_Name, FloatImage]
    weight: FloatImage | None
    colours: colour.Colours | None

    def needed(self, name: _Name) -> Mask | None:
        """Where a plane is to be upscaled; None: everywhere."""
        if name != "principal" or self.colours is None or self.colours.principal is None:
            return None
        return self.colours.principal.weight >= _LEAST_WEIGHT


def _split(image: LoadedImage) -> _Planes:
    values = to_float(image.pixels if image.alpha is None else _seen(image.pixels, image.alpha))
    if image.is_colour:
        values = np.asarray(cv2.cvtColor(values, cv2.COLOR_BGR2YCrCb), np.float32)
    luminance = np.ascontiguousarray(values[..., 0]) if image.is_colour else values
    upscaled: dict[_Name, FloatImage] = {"luminance": luminance}
    weight = text_weight(luminance)
    colours = colour.analyse(luminance, values[..., 1:], weight) if image.is_colour else None
    if colours is not None and colours.principal is not None:
        upscaled["principal"] = colours.principal.plane
        weight = (1 if weight is None else weight) * (1 - colours.principal.weight)
    if image.alpha is not None and image.alpha.min() != image.alpha.max():
        upscaled["alpha"] = to_float(image.alpha)
    return _Planes(upscaled, weight, colours)


def _join(
    image: LoadedImage, planes: _Planes, parts: Mapping[_Name, Iterator[Tile]], scale: int
) -> LoadedImage:
    """Put an image together of the parts of its upscaled planes."""
    shape = (image.height * scale, image.width * scale, *image.pixels.shape[2:])
    pixels: IntImage = np.empty(shape, image.pixels.dtype)
    for part in parts["luminance"]:
        principal = next(parts["principal"]) if "principal" in parts else None
        for whole_band in _bands(part, scale):
            band = _faded(whole_band, planes, scale)
            result = (
                band.values
                if planes.colours is None
                else colour.join(band, principal, planes.colours, scale)
            )
            place = magnify(band.rows, scale), magnify(band.columns, scale)
            pixels[place] = to_integer(result, image.bit_depth)
    if image.alpha is None:
        return resized(image, pixels, None)
    alpha: IntImage = np.full(shape[:2], image.alpha.flat[0], image.alpha.dtype)
    lowest, highest = _range_around(image.alpha)
    for part in parts.get("alpha", ()):
        place = magnify(part.rows, scale), magnify(part.columns, scale)
        low, high = (
            side[part.rows, part.columns].repeat(scale, 0).repeat(scale, 1)
            for side in (lowest, highest)
        )
        alpha[place] = to_integer(part.values, image.bit_depth).clip(low, high)
    return resized(image, pixels, alpha)


def _faded(part: Tile, planes: _Planes, scale: int) -> Tile:
    """The tile of luminance, averaged with bicubic interpolation's by the planes' weight."""
    if planes.weight is None:
        return part
    rows, columns, values = part
    weight = enlarge(planes.weight, rows, columns, scale, cv2.INTER_LINEAR)
    if weight.min() == 1:
        return part
    interpolated = enlarge(planes.upscaled["luminance"], rows, columns, scale, cv2.INTER_CUBIC)
    return Tile(rows, columns, interpolated + weight * (values - interpolated))


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
