"""PDFs, whose scanned pages are upscaled where they stand.

A page counts as scanned where images cover most of it and little text is drawn on it. Its images
get other pixels; all else of the document stays: page boxes, rotation, bookmarks, links, and a
layer of invisible text. Pages that a program has drawn are sharp at any size, and are left alone.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from textsr.documents.pdf_reader import PdfPage, PdfReader
from textsr.errors import TextsrError
from textsr.files import replace_file
from textsr.images.image import IntImage, LoadedImage
from textsr.images.pdf_writing import open_pdf

Upscale = Callable[[LoadedImage, str], LoadedImage]
"""Upscales a picture; messages call it by the name that comes along."""

USUAL_DPI = 150
"""Pixels per inch that count as those of a page which a program drew."""

QUALITY = 90
"""Of the JPEGs that take the place of JPEGs."""

_POINTS = 72  # of an inch
_WHOLE = 0.98  # share of a page that one image covers which is all of it
_STRAIGHT = 0.01
_DRAWN = 16  # times as many pixels as a scan may a page have that is as large as its result
_NAMED = 5  # pages in a warning


def rewrite_pdf(
    source: Path,
    result: Path,
    upscale: Upscale,
    *,
    max_pixels: int,
    strict: bool = False,
    quality: int | None = None,
) -> None:
    """Write a PDF with the images of its scanned pages upscaled, whole or not at all.

    One image is in memory at a time. An image of one bit a pixel stays so. One that was compressed
    with loss becomes a JPEG of `quality`, others stay without loss. A warning tells the pages that
    are left as they are, another that the PDF had to be repaired; if `strict`, that is an error.

    Raises:
        TextsrError: if the PDF is encrypted or harmful, damaged so that pages lack what they show,
            has too many pages, an image is too large, or the result cannot be written; and what
            `upscale` raises.
    """
    with PdfReader(source) as reader, TemporaryDirectory() as folder:
        pages = _inspect(reader, source, strict=strict)
        pictures = Path(folder, "pictures.pdf")
        numbers: dict[tuple[int, int], int] = {}
        with open_pdf(pictures) as writer:
            for number, page in enumerate(pages, 1):
                for image in page.images if page.is_scan else ():
                    if image.is_left or image.number in numbers:
                        continue
                    name = f"{source}, page {number}"
                    _check_size((image.width, image.height), name, max_pixels)
                    upscaled = upscale(reader.extract(image, name), name)
                    numbers[image.number] = writer.write(
                        upscaled,
                        quality=(quality or QUALITY) if image.is_lossy else None,
                        is_bilevel=image.is_bilevel and not upscaled.is_colour,
                    )
        with replace_file(result) as temporary:
            reader.assemble(pictures, numbers, temporary)
    left = [number for number, page in enumerate(pages, 1) if not page.is_scan]
    if left:
        warnings.warn(_said_of_left(source, left, len(pages)), stacklevel=2)


def pdf_page_sizes(source: Path, dpi: float) -> list[tuple[int, int]]:
    """Return how many pixels each page has across and down: a scan's own, or those of `dpi`.

    Raises:
        TextsrError: as `read_pdf_pages` does.
    """
    with PdfReader(source) as reader:
        return [_pixels(page, _chosen_dpi(page, dpi)) for page in reader.inspect()[0]]


def read_pdf_pages(
    source: Path, dpi: float, *, max_pixels: int, strict: bool = False
) -> Iterator[tuple[LoadedImage, bool]]:
    """Yield each page as a picture, and whether it needs no upscaling.

    Scanned pages are of the resolution of their scans. Others were drawn by a program, and are
    drawn here as finely as is asked for.

    Args:
        source: the PDF.
        dpi: pixels per inch of pages that are no scans.
        max_pixels: scans of more pixels are refused; of what is drawn here, those of 16 times as
            many.
        strict: refuse a PDF that had to be repaired.

    Raises:
        TextsrError: if the PDF is encrypted or harmful, damaged so that pages lack what they show,
            has too many pages, or one is too large.
    """
    with PdfReader(source) as reader:
        for number, page in enumerate(_inspect(reader, source, strict=strict)):
            name = f"{source}, page {number + 1}"
            drawn = _chosen_dpi(page, dpi)
            across, down = _pixels(page, drawn)
            _check_size((across, down), name, max_pixels * (1 if page.is_scan else _DRAWN))
            if _is_one_image(page):
                # Not drawn, which would interpolate it.
                yield upright(reader.extract(page.images[0], name), page), False
            else:
                yield reader.render(number, drawn, across * down, name), not page.is_scan


def _inspect(reader: PdfReader, source: Path, *, strict: bool) -> list[PdfPage]:
    """Return what the pages show; say if the PDF had to be repaired, or refuse it."""
    pages, is_repaired = reader.inspect()
    if is_repaired and strict:
        raise TextsrError(f"{source}: is damaged, and could be read only after a repair")
    if is_repaired:
        warnings.warn(f"{source}: is damaged, and was repaired to be read", stacklevel=3)
    return pages


def _is_one_image(page: PdfPage) -> bool:
    """Whether a page is nothing but one image, as large as the page."""
    if not page.is_scan or len(page.images) > 1 or page.characters or page.covered < _WHOLE:
        return False
    a, b, c, d = page.images[0].matrix
    is_straight = max(abs(b), abs(c)) < _STRAIGHT * min(abs(a), abs(d))
    is_straight |= max(abs(a), abs(d)) < _STRAIGHT * min(abs(b), abs(c))
    return is_straight and abs(a * d - b * c) * _WHOLE <= page.points[0] * page.points[1]


def upright(image: LoadedImage, page: PdfPage) -> LoadedImage:
    """Turn and mirror an image as its page shows it.

    Args:
        image: the one image of the page.
        page: where it is drawn, by multiples of a right angle.
    """
    a, b, c, d = page.images[0].matrix
    # Where the next column and the next row lie, right and down, before the page is turned.
    column, row = (a, -b), (-c, d)
    for _ in range(page.rotation // 90):  # clockwise: what lay right lies down
        column, row = (-column[1], column[0]), (-row[1], row[0])
    is_transposed = abs(column[1]) > abs(column[0])
    across, down = (row[0], column[1]) if is_transposed else (column[0], row[1])

    def turn(plane: IntImage) -> IntImage:
        turned = plane.swapaxes(0, 1) if is_transposed else plane
        return np.ascontiguousarray(turned[:: 1 if down > 0 else -1, :: 1 if across > 0 else -1])

    dpi = image.dpi and (image.dpi[::-1] if is_transposed else image.dpi)
    alpha = None if image.alpha is None else turn(image.alpha)
    return replace(image, pixels=turn(image.pixels), alpha=alpha, dpi=dpi)


def _chosen_dpi(page: PdfPage, dpi: float) -> float:
    if not page.is_scan:
        return dpi
    return max(
        pixels / max(points, 1) * _POINTS
        for image in page.images
        if not image.is_left
        for pixels, points in zip((image.width, image.height), image.points, strict=True)
    )


def _pixels(page: PdfPage, dpi: float) -> tuple[int, int]:
    return round(page.points[0] / _POINTS * dpi), round(page.points[1] / _POINTS * dpi)


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise TextsrError(
            f"{name}: has more than {max_pixels / 1e6:g} megapixels; raise the limit (max_pixels)"
        )


def _said_of_left(source: Path, left: Sequence[int], total: int) -> str:
    pages = ", ".join(map(str, left[:_NAMED])) + (", ..." if len(left) > _NAMED else "")
    return (
        f"{source}: {len(left)} of {total} pages are no scans, and left as they are (page {pages})"
    )
