"""PDFs: of scans, as scanners write them, and drawn by a program."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pikepdf
from pikepdf import Dictionary, Name, OutlineItem, Pdf, Stream
from PIL import Image

from benchmarks.cases.drawing import LINES, small

_POINTS = 72  # of an inch
_DPI = 75
_LANDSCAPE = 90  # degrees


def write_scanned_pdf(path: Path, *, pages: int = 1, turned: bool = False) -> None:
    """Write scans at 75 dpi, JPEGs, with a bookmark; `turned`: as a page that lies on its side."""
    with pikepdf.new() as pdf:
        for number in range(1, pages + 1):
            _add_scan(pdf, small((f"Page {number} of {pages}", *LINES[:3])), turned=turned)
        with pdf.open_outline() as outline:
            outline.root.append(OutlineItem("The scans", 0))
        pdf.save(path)


def write_cut_pdf(path: Path, *, lost: int = 0, share: float = 0) -> None:
    """Write three scans as a PDF that lacks so many bytes and such a share at its end."""
    write_scanned_pdf(path, pages=3)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - lost - round(share * len(whole))])


def write_drawn_pdf(path: Path, lines: Sequence[str] = LINES) -> None:
    """Write a page whose letters a program drew."""
    with pikepdf.new() as pdf:
        _add_text(pdf, lines)
        pdf.save(path)


def write_mixed_pdf(path: Path) -> None:
    """Write a scan, and a page that a program drew."""
    with pikepdf.new() as pdf:
        _add_scan(pdf, small(), turned=False)
        _add_text(pdf, LINES)
        pdf.save(path)


def _add_scan(pdf: Pdf, image: Image.Image, *, turned: bool) -> None:
    if turned:
        image = image.rotate(_LANDSCAPE, expand=True)
    stream = BytesIO()
    image.save(stream, "JPEG", quality=92)
    width, height = (side / _DPI * _POINTS for side in image.size)
    page = pdf.add_blank_page(page_size=(width, height))
    picture = Stream(
        pdf,
        stream.getvalue(),
        Type=Name.XObject,
        Subtype=Name.Image,
        Width=image.width,
        Height=image.height,
        BitsPerComponent=8,
        ColorSpace=Name.DeviceRGB,
        Filter=Name.DCTDecode,
    )
    page.Resources = Dictionary(XObject=Dictionary(Scan=picture))
    page.Contents = Stream(pdf, f"q {width} 0 0 {height} 0 0 cm /Scan Do Q".encode())
    if turned:
        page.Rotate = _LANDSCAPE


def _add_text(pdf: Pdf, lines: Sequence[str]) -> None:
    page = pdf.add_blank_page(page_size=(306, 92))
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    page.Resources = Dictionary(Font=Dictionary(F=font))
    shown = " ".join(f"({line}) Tj 0 -19 Td" for line in lines)
    page.Contents = Stream(pdf, f"BT /F 10 Tf 8 74 Td {shown} ET".encode())
