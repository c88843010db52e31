"""Running a network over an image of any size, tile by tile, without seams."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from textsr.errors import TextsrError
from textsr.images.image import FloatImage
from textsr.inference.backend import Backend

TILE = 800
"""Default side of a tile, LR pixels: with its halo, a megapixel."""

Mask = npt.NDArray[np.bool_]

Progress = Callable[[int, int], None]
"""Called with the number of tiles done and the number of all tiles."""


class Tile(NamedTuple):
    """A part of the result: which LR rows and columns it covers, and its HR values."""

    rows: slice
    columns: slice
    values: FloatImage


def upscale_tiles(
    backend: Backend,
    grey: FloatImage,
    *,
    needed: Mask | None = None,
    tile: int = TILE,
    halo: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Tile]:
    """Upscale an HxW image in [0, 1] and yield the result in parts that do not overlap.

    The network sees at most `(tile + 2 * halo) ** 2` LR pixels at a time, and the whole image at
    once if it has no more than that; else the parts have the shape at which their halos cost
    least.

    Args:
        backend: what computes.
        grey: float32 LR image.
        needed: HxW, where the result is wanted: each part is narrowed to what encloses that in it,
            to nothing where there is none. None: everywhere.
        tile: side of a square part in LR pixels, a multiple of the backend's alignment.
        halo: LR pixels around each part that the network sees besides, such a multiple, too; None:
            the backend's own.
        threads: how many to compute with; None: all that the backend has.
        progress: told of each part done.

    Raises:
        TextsrError: if `tile` or `halo` is impossible, memory does not suffice, or the output is
            not finite.
    """
    halo = backend.halo if halo is None else halo
    check_tiles(tile, halo, backend.alignment)
    height, width = grey.shape
    cores = _cores(height, width, tile, halo, backend.alignment)
    for done, (rows, columns) in enumerate(cores, start=1):
        if needed is not None:
            rows, columns = _enclose(needed, rows, columns, backend.alignment)
        values = _run(backend, grey, rows, columns, halo, threads)
        if progress is not None:
            progress(done, len(cores))
        yield Tile(rows, columns, values)


def _run(
    backend: Backend, grey: FloatImage, rows: slice, columns: slice, halo: int, threads: int | None
) -> FloatImage:
    """Upscale a part of an image, with its surroundings; an empty one needs no network."""
    if rows.start == rows.stop:
        return np.empty((0, 0), np.float32)
    height, width = grey.shape
    window_rows, window_columns = widen(rows, halo, height), widen(columns, halo, width)
    window = np.ascontiguousarray(grey[None, None, window_rows, window_columns])
    inner = (
        magnify(_relative(rows, window_rows), backend.scale),
        magnify(_relative(columns, window_columns), backend.scale),
    )
    values: FloatImage = backend.run(window, threads)[0, 0][inner]
    return values


def _enclose(needed: Mask, rows: slice, columns: slice, alignment: int) -> tuple[slice, slice]:
    """The smallest part of a part that holds all that is needed of it and starts at alignment."""
    places = np.nonzero(needed[rows, columns])
    down, across = (
        _hull(found, part, alignment) for found, part in zip(places, (rows, columns), strict=True)
    )
    return down, across


def _hull(places: npt.NDArray[np.intp], part: slice, alignment: int) -> slice:
    if not places.size:
        return slice(part.start, part.start)
    first, last = (int(place) // alignment * alignment for place in (places.min(), places.max()))
    return slice(part.start + first, min(part.start + last + alignment, part.stop))


def padded_size(shape: tuple[int, int], alignment: int) -> tuple[int, int]:
    """The sides to which a small image is continued: multiples of the model's alignment."""
    height, width = (-(-side // alignment) * alignment for side in shape)
    return height, width


def upscale_batch(
    backend: Backend, planes: Sequence[FloatImage], *, threads: int | None = None
) -> list[FloatImage]:
    """Upscale small HxW images in [0, 1] of one `padded_size` together, not clipped.

    Each is continued by its last row and column, as lines are in training, and cut out of the
    result, so that it comes out the same whichever others are beside it, up to rounding. A line
    alone leaves a processor with little else to do than to prepare convolutions.

    Raises:
        TextsrError: if memory does not suffice, or the output is not finite.
    """
    scale = backend.scale
    height, width = padded_size(planes[0].shape, backend.alignment)
    batch = np.stack(
        [
            np.pad(plane, ((0, height - plane.shape[0]), (0, width - plane.shape[1])), mode="edge")
            for plane in planes
        ]
    )
    values = backend.run(batch[:, None], threads)[:, 0]
    return [
        upscaled[: scale * plane.shape[0], : scale * plane.shape[1]]
        for upscaled, plane in zip(values, planes, strict=True)
    ]


def magnify(part: slice, scale: int) -> slice:
    """The HR pixels that the LR pixels of `part` become."""
    return slice(part.start * scale, part.stop * scale)


def widen(part: slice, margin: int, size: int) -> slice:
    """`part` with `margin` more on either side, as far as the image of `size` goes."""
    return slice(max(part.start - margin, 0), min(part.stop + margin, size))


def check_tiles(tile: int, halo: int, alignment: int) -> None:
    """Refuse tiles that a model of this alignment cannot be given.

    Raises:
        TextsrError: naming what is impossible, and what it must be.
    """
    _check_multiple("tile", tile, alignment, minimum=alignment)
    _check_multiple("halo", halo, alignment, minimum=0)


def _check_multiple(name: str, value: int, alignment: int, minimum: int) -> None:
    if value < minimum or value % alignment:
        raise TextsrError(
            f"{name} {value}: must be a multiple of {alignment} and at least {minimum} pixels"
        )


def _cores(
    height: int, width: int, tile: int, halo: int, alignment: int
) -> list[tuple[slice, slice]]:
    """Cut an image so that the windows, of bounded size, have the fewest pixels in all.

    A page is best cut into few strips as wide as it is: they have halos above and below only.
    """
    most = (tile + 2 * halo) ** 2
    if height * width <= most:
        return [(slice(0, height), slice(0, width))]
    grids = []
    for across in range(1, -(-width // tile) + 1):
        wide = _part(width, across, alignment)
        window_width = min(wide + 2 * halo, width)
        tallest = height if height * window_width <= most else most // window_width - 2 * halo
        tallest -= tallest % alignment if tallest < height else 0
        if tallest > 0:
            down = -(-height // tallest)
            pixels = (height + 2 * halo * (down - 1)) * (width + 2 * halo * (across - 1))
            grids.append((pixels, _part(height, down, alignment), wide))
    _, tall, wide = min(grids)
    return list(product(_steps(height, tall), _steps(width, wide)))


def _part(size: int, count: int, alignment: int) -> int:
    """The side of `count` equal parts of `size`, rounded up to a multiple of `alignment`."""
    return -(-size // (count * alignment)) * alignment


def _steps(size: int, side: int) -> list[slice]:
    return [slice(start, min(start + side, size)) for start in range(0, size, side)]


def _relative(part: slice, window: slice) -> slice:
    return slice(part.start - window.start, part.stop - window.start)
