"""A document in, the same document out, a page at a time."""

from collections.abc import Callable
from pathlib import Path

from textsr.errors import TextsrError
from textsr.images.image import LoadedImage
from textsr.images.reading import MAX_PIXELS, page_sizes, read_pages
from textsr.images.writing import check_fits, check_writable, open_pages

Upscale = Callable[[LoadedImage, str], LoadedImage]
"""Upscales a page; messages call it by the name that comes along."""

_OF_PAGES = (".tif", ".tiff", ".pdf")
_MOST_SAMPLE_BYTES = 3


def is_document(path: Path) -> bool:
    """Whether a file is worked page by page: a TIFF of several pages.

    Raises:
        TextsrError: if it is none, or cannot be read.
    """
    return len(page_sizes(path)) > 1


def check_result(source: Path, result: Path, scale: float) -> None:
    """Refuse a result that its format cannot hold, by the headers of what it is made of.

    Args:
        source: an image or a document.
        result: where it goes.
        scale: by how much it is upscaled, at least.

    Raises:
        TextsrError: naming formats that can hold it.
    """
    check_writable(result)
    try:
        sizes = page_sizes(source)
    except TextsrError:  # reading it will say what is wrong
        return
    if len(sizes) > 1 and result.suffix.lower() not in _OF_PAGES:
        raise TextsrError(
            f"{source}: has {len(sizes)} pages, and {result.name} would hold one; write .tif or "
            ".pdf"
        )
    for width, height in sizes:
        check_fits(result, round(width * scale), round(height * scale))


def rewrite(
    source: Path,
    result: Path,
    upscale: Upscale,
    *,
    scale: float,
    max_pixels: int = MAX_PIXELS,
    strict: bool = False,
    quality: int | None = None,
) -> None:
    """Write a document with its pages upscaled, whole or not at all.

    One page is in memory at a time.

    Args:
        source: the document.
        result: where the new one goes: a TIFF or a PDF.
        upscale: upscales a page.
        scale: by how much, at most.
        max_pixels: pages of more are refused.
        strict: refuse pages that are cut short.
        quality: see `textsr.images.writing.write_image`.

    Raises:
        TextsrError: if the document or a page is damaged or too large, or the result cannot be
            written; and what `upscale` raises.
    """
    check_result(source, result, 1)
    pixels = sum(width * height for width, height in page_sizes(source))
    most = round(pixels * scale**2) * _MOST_SAMPLE_BYTES
    with open_pages(result, pixel_bytes=most, quality=quality) as writer:
        for number, page in enumerate(read_pages(source, max_pixels=max_pixels, strict=strict), 1):
            writer.write(upscale(page, f"{source}, page {number}"))
