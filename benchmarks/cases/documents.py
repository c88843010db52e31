"""Documents of pages, and formats of cameras."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pikepdf
import pypdfium2

from benchmarks.cases.case import Case, Run, WrongError, message, succeeded
from benchmarks.cases.drawing import small
from benchmarks.cases.inputs import DPI, write_three_pages
from benchmarks.cases.judging import both, holds, refuses
from benchmarks.cases.keeping import keeps
from benchmarks.cases.pdfs import write_drawn_pdf, write_mixed_pdf, write_scanned_pdf

_JPEG_XL = b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield Case(
        "TIFF of three pages",
        {"pages.tif": write_three_pages},
        ("upscale", "pages.tif", "-o", "big.tif"),
        "a TIFF of three pages",
        keeps("big.tif", "pages.tif"),
    )
    yield Case(
        "TIFF of three pages, to be a PNG",
        {"pages.tif": write_three_pages},
        ("upscale", "pages.tif", "-o", "big.png"),
        "a refusal with the remedy",
        refuses(r"has 3 pages.*\.tif or \.pdf", leaves="big.png"),
    )
    yield from _pdfs()
    for given, name in (("photo of a phone (HEIC)", "photo.heic"), ("AVIF", "photo.avif")):
        yield Case(
            given,
            {name: partial(small().save, quality=92)},
            ("upscale", name, "-o", "big.png"),
            "a PNG of the same colours",
            keeps("big.png", name),
        )
    yield Case(
        "JPEG XL, which is not read",
        {"photo.jxl": lambda path: path.write_bytes(_JPEG_XL)},
        ("upscale", "photo.jxl", "-o", "big.png"),
        "a refusal that names the format and the remedy",
        refuses(r"JPEG XL.*convert", leaves="big.png"),
    )


def _pdfs() -> Iterator[Case]:
    scan = ("upscale", "scan.pdf", "-o", "big.pdf")
    yield Case(
        "PDF of two scans, with a bookmark",
        {"scan.pdf": partial(write_scanned_pdf, pages=2)},
        scan,
        "a PDF of two pages of the same size, with the bookmark; the scans have 300 dpi",
        both(holds("a bookmark", _has_bookmark), keeps("big.pdf", "scan.pdf")),
    )
    yield Case(
        "PDF of a scan whose page is turned",
        {"scan.pdf": partial(write_scanned_pdf, turned=True)},
        scan,
        "the page shows the same, turned as before",
        both(holds("a turned page", _is_turned), keeps("big.pdf", "scan.pdf")),
    )
    yield Case(
        "PDF that a program drew",
        {"report.pdf": write_drawn_pdf},
        ("upscale", "report.pdf", "-o", "big.pdf"),
        "its page as it is, said",
        keeps("big.pdf", "report.pdf", says="no scans"),
    )
    yield Case(
        "PDF of a scan and a drawn page",
        {"mixed.pdf": write_mixed_pdf},
        ("upscale", "mixed.pdf", "-o", "big.pdf"),
        "the scan upscaled, the other page as it is, said",
        keeps("big.pdf", "mixed.pdf", says="1 of 2 pages"),
    )
    yield Case(
        "PDF of a scan, to be searchable",
        {"scan.pdf": write_scanned_pdf},
        (*scan, "--searchable"),
        "a PDF whose words can be found",
        _is_searchable,
    )
    yield Case(
        "PNG of 75 dpi, to be a PDF",
        {"page.png": partial(small().save, dpi=DPI)},
        ("upscale", "page.png", "-o", "big.pdf"),
        "a PDF of one page of the same size",
        keeps("big.pdf", "page.png"),
    )


def _has_bookmark(folder: Path) -> bool:
    with pikepdf.open(folder / "big.pdf") as pdf, pdf.open_outline() as outline:
        return [item.title for item in outline.root] == ["The scans"]


def _is_turned(folder: Path) -> bool:
    with pikepdf.open(folder / "big.pdf") as pdf:
        return int(pdf.pages[0].Rotate) == 90


def _is_searchable(run: Run) -> str:
    succeeded(run)
    document = pypdfium2.PdfDocument(run.folder / "big.pdf")
    text = document[0].get_textpage().get_text_range()
    document.close()
    if "Invoice" not in text:
        raise WrongError(f"its words are: {text!r}; {message(run)}")
    return f"a PDF with the words {' '.join(text.split()[:7])} ..."
