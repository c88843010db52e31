"""A document in, the same document out, a page at a time."""

from pathlib import Path

from textsr.documents.pdf import (
    USUAL_DPI,
    Upscale,
    pdf_page_sizes,
    read_pdf_pages,
    rewrite_pdf,
)
from textsr.documents.pdf_reader import require_pdf
from textsr.errors import TextsrError
from textsr.images.reading import MAX_PIXELS, is_pdf, page_sizes, read_pages
from textsr.images.writing import check_fits, check_writable, open_pages

_PDF = ".pdf"
_OF_PAGES = (".tif", ".tiff", _PDF)
_SAMPLE_BYTES = 3  # of a pixel in colour


def is_document(path: Path) -> bool:
    """Whether a file is worked page by page: a PDF, or a TIFF of several pages.

    Raises:
        TextsrError: if it is none that is read.
    """
    return is_pdf(path) or len(page_sizes(path)) > 1


def check_result(source: Path, result: Path, scale: float) -> None:
    """Refuse a result that its format cannot hold, by the headers of what it is made of.

    Args:
        source: an image or a document.
        result: where it goes.
        scale: by how much it is upscaled, at least.

    Raises:
        TextsrError: naming formats that can hold it, or what is to be installed.
    """
    check_writable(result)
    try:
        is_from_pdf = is_pdf(source)
        sizes = [] if is_from_pdf else page_sizes(source)
    except TextsrError:  # reading it will say what is wrong
        return
    if is_from_pdf:
        require_pdf(source)
        if result.suffix.lower() == _PDF:
            return
        sizes = pdf_page_sizes(source, USUAL_DPI)
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
    drawn_dpi: float | None = None,
) -> None:
    """Write a document with its pages upscaled, whole or not at all.

    One page is in memory at a time. A PDF that becomes a PDF keeps all but the pixels of its
    scanned pages: see `textsr.documents.pdf`.

    Args:
        source: the document.
        result: where the new one goes: a TIFF, a PDF, or, of one page, an image.
        upscale: upscales a page.
        scale: by how much, at most.
        max_pixels: pages of more are refused.
        strict: refuse pages that are cut short, and PDFs that had to be repaired.
        quality: 1 to 100, of JPEGs in a PDF; None: as `textsr.documents.pdf` says.
        drawn_dpi: pixels per inch of the pages of a PDF that are no scans, where the result is no
            PDF; None: `scale` times 150.

    Raises:
        TextsrError: if the document or a page is damaged or too large, or the result cannot be
            written; and what `upscale` raises.
    """
    check_result(source, result, 1)
    is_from_pdf = is_pdf(source)
    if is_from_pdf and result.suffix.lower() == _PDF:
        rewrite_pdf(source, result, upscale, max_pixels=max_pixels, strict=strict, quality=quality)
        return
    if is_from_pdf:
        dpi = drawn_dpi or scale * USUAL_DPI
        pages = read_pdf_pages(source, dpi, max_pixels=max_pixels, strict=strict)
        sizes = pdf_page_sizes(source, dpi / scale)
    else:
        read = read_pages(source, max_pixels=max_pixels, strict=strict)
        pages = ((page, False) for page in read)
        sizes = page_sizes(source)
    most = sum(width * height for width, height in sizes) * scale**2 * _SAMPLE_BYTES
    with open_pages(result, pixel_bytes=round(most), quality=quality) as writer:
        for number, (page, is_done) in enumerate(pages, 1):
            writer.write(page if is_done else upscale(page, f"{source}, page {number}"))
