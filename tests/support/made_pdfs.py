"""PDFs as scanners and programs make them."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pikepdf
import pypdfium2
from pikepdf import Dictionary, Name, Page, Pdf, Stream
from PIL import Image

POINTS = (216, 288)
"""3 x 4 inches."""


def jpeg(values: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(values).save(stream, "JPEG", quality=92)
    return stream.getvalue()


def image(pdf: Pdf, values: np.ndarray, *, lossy: bool = False, **entries: object) -> Stream:
    """An image of HxW (grey, or, if of bool, one bit) or HxWx3 (red, green, blue) values."""
    is_bits = values.dtype == bool
    content = jpeg(values) if lossy else np.packbits(values, axis=1) if is_bits else values
    usual: dict[str, object] = {
        "Type": Name.XObject,
        "Subtype": Name.Image,
        "Width": values.shape[1],
        "Height": values.shape[0],
        "BitsPerComponent": 1 if is_bits else 8,
        "ColorSpace": Name.DeviceRGB if values.ndim == 3 else Name.DeviceGray,
    }
    if lossy:
        usual["Filter"] = Name.DCTDecode
    made = usual | entries
    if made.get("ImageMask"):
        del made["ColorSpace"]
    return Stream(pdf, bytes(content), **made)


def add_page(pdf: Pdf, content: bytes, **images: Stream) -> Page:
    """A page of 3 x 4 inches; `content` may use the images and the font F."""
    page = pdf.add_blank_page(page_size=POINTS)
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    page.Resources = Dictionary(
        XObject=Dictionary({f"/{name}": made for name, made in images.items()}),
        Font=Dictionary(F=font),
    )
    page.Contents = Stream(pdf, content)
    return page


def full(name: str) -> bytes:
    """Draw an image over all of the page."""
    return b"q %d 0 0 %d 0 0 cm /%b Do Q\n" % (*POINTS, name.encode())


def text(words: str, *, mode: int = 0, times: int = 1) -> bytes:
    shown = b"(%b) Tj 0 -12 Td\n" % words.encode()
    return b"BT /F 9 Tf %d Tr 20 260 Td\n%bET\n" % (mode, shown * times)


def save(path: Path, build: Callable[[Pdf], None]) -> Path:
    with pikepdf.new() as pdf:
        build(pdf)
        pdf.save(path)
    return path


def shown(path: Path, number: int = 0, dpi: float = 72) -> np.ndarray:
    """A page as PDFium shows it: red, green and blue."""
    document = pypdfium2.PdfDocument(path)
    bitmap = document[number].render(scale=dpi / 72, rev_byteorder=True)
    values = bitmap.to_numpy()[..., :3].copy()
    document.close()
    return values


def words(path: Path, number: int = 0) -> str:
    document = pypdfium2.PdfDocument(path)
    found = document[number].get_textpage().get_text_range()
    document.close()
    return str(found)
