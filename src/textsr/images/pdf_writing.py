"""Writing a PDF of pictures, page by page (ISO 32000-1, sections 7.5 and 8.9)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import TiffImageFile

from textsr.images.image import IntImage, LoadedImage, Resolution, to_8_bit
from textsr.images.tiff_writing import deflated

UNKNOWN_DPI = 300
"""Pixels per inch of a page whose resolution is not known."""

_POINTS = 72  # of an inch
_MOST_UNITS = 14_400  # of a page's side, for Acrobat (annex C.2); larger pages have larger units
_MOST_JPEG = 65_500
_CATALOG, _TREE = 1, 2
_WHITE = 128


class PdfWriter:
    """Writes pages that show one picture each; `open_pdf` makes one."""

    def __init__(self, file: BinaryIO, quality: int | None) -> None:
        self._file = file
        self._usual_quality = quality
        self._places = {_CATALOG: 0, _TREE: 0}
        self._pages: list[int] = []
        file.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")

    def write(
        self, image: LoadedImage, *, quality: int | None = None, is_bilevel: bool = False
    ) -> int:
        """Write a page of the picture's size in inches; return its image's number in the file.

        Args:
            image: the picture.
            quality: of this one, if it is another than the file's.
            is_bilevel: write a grey picture in black and white.
        """
        image = to_8_bit(image)
        picture = self._picture(image, quality or self._usual_quality, is_bilevel=is_bilevel)
        width, height = page_size(image.width, image.height, image.dpi)
        unit = max(width, height, _MOST_UNITS) / _MOST_UNITS  # points
        width, height = width / unit, height / unit
        shown = self._add({}, b"%.4f 0 0 %.4f 0 0 cm /P Do" % (width, height))
        page = {
            "Type": "/Page",
            "Parent": f"{_TREE} 0 R",
            "MediaBox": f"[0 0 {width:.4f} {height:.4f}]",
            "Resources": f"<</XObject <</P {picture} 0 R>>>>",
            "Contents": f"{shown} 0 R",
        }
        if unit > 1:
            page["UserUnit"] = f"{unit:.6f}"
        self._pages.append(self._add(page))
        return picture

    def _picture(self, image: LoadedImage, quality: int | None, *, is_bilevel: bool) -> int:
        entries = {
            "Type": "/XObject",
            "Subtype": "/Image",
            "Width": f"{image.width}",
            "Height": f"{image.height}",
            "BitsPerComponent": "8",
        }
        if image.alpha is not None:
            alpha, packed = _packed(image.alpha, None)
            mask = entries | alpha | {"ColorSpace": "/DeviceGray"}
            entries["SMask"] = f"{self._add(mask, packed)} 0 R"
        colours, samples = ("/DeviceRGB", 3) if image.is_colour else ("/DeviceGray", 1)
        if image.icc_profile is not None:
            profile = self._add({"N": f"{samples}", "Alternate": colours}, image.icc_profile)
            colours = f"[/ICCBased {profile} 0 R]"
        if is_bilevel:
            packing, packed = _packed_bits(image.pixels)
        else:
            packing, packed = _packed(image.pixels, quality)
        return self._add(entries | packing | {"ColorSpace": colours}, packed)

    def _add(
        self, entries: Mapping[str, str], stream: bytes | None = None, number: int | None = None
    ) -> int:
        """Write an object, return its number."""
        number = len(self._places) + 1 if number is None else number
        self._places[number] = self._file.tell()
        if stream is not None:
            entries = {**entries, "Length": f"{len(stream)}"}
        listed = " ".join(f"/{key} {value}" for key, value in entries.items())
        self._file.write(f"{number} 0 obj\n<<{listed}>>\n".encode())
        if stream is not None:
            self._file.writelines([b"stream\n", stream, b"\nendstream\n"])
        self._file.write(b"endobj\n")
        return number

    def close(self) -> None:
        """Write what leads to the pages."""
        kids = " ".join(f"{page} 0 R" for page in self._pages)
        tree = {"Type": "/Pages", "Count": f"{len(self._pages)}", "Kids": f"[{kids}]"}
        self._add(tree, number=_TREE)
        self._add({"Type": "/Catalog", "Pages": f"{_TREE} 0 R"}, number=_CATALOG)
        start = self._file.tell()
        size = len(self._places) + 1
        lines = [f"{self._places[number]:010d} 00000 n \n" for number in range(1, size)]
        self._file.write(f"xref\n0 {size}\n0000000000 65535 f \n{''.join(lines)}".encode())
        trailer = f"trailer\n<</Size {size} /Root {_CATALOG} 0 R>>\nstartxref\n{start}\n%%EOF\n"
        self._file.write(trailer.encode())


@contextmanager
def open_pdf(path: Path, *, quality: int | None = None) -> Iterator[PdfWriter]:
    """Yield what writes the pages of a PDF.

    Args:
        path: the file.
        quality: 1 to 100, of JPEG; None: without loss.
    """
    with path.open("wb") as file:
        writer = PdfWriter(file, quality)
        yield writer
        writer.close()


def page_size(width: int, height: int, dpi: Resolution | None) -> tuple[float, float]:
    """Return the points across and down of a page that shows so many pixels."""
    across, down = dpi or (UNKNOWN_DPI, UNKNOWN_DPI)
    return width / across * _POINTS, height / down * _POINTS


def _packed(plane: IntImage, quality: int | None) -> tuple[dict[str, str], bytes]:
    """Return how an HxW or HxWx3 (blue, green, red) plane of 8 bits is packed, and its bytes."""
    layers = plane[..., ::-1] if plane.ndim == 3 else plane[..., None]
    height, width, samples = layers.shape
    if quality is not None and max(height, width) <= _MOST_JPEG:
        stream = BytesIO()
        made = Image.fromarray(np.ascontiguousarray(layers.squeeze(2) if samples == 1 else layers))
        made.save(stream, "JPEG", quality=quality, subsampling=0)
        return {"Filter": "/DCTDecode"}, stream.getvalue()
    parameters = f"<</Predictor 2 /Colors {samples} /Columns {width}>>"
    return {"Filter": "/FlateDecode", "DecodeParms": parameters}, deflated(layers)


def _packed_bits(plane: IntImage) -> tuple[dict[str, str], bytes]:
    """Return the same of an HxW plane in black and white, as fax machines send it (ITU-T T.6)."""
    height, width = plane.shape
    stream = BytesIO()
    ink = Image.fromarray(plane < _WHITE)
    ink.save(stream, "TIFF", compression="group4", tiffinfo={ExifTags.Base.RowsPerStrip: height})
    stream.seek(0)
    saved = TiffImageFile(stream)
    (place,) = saved.tag_v2[ExifTags.Base.StripOffsets]
    (size,) = saved.tag_v2[ExifTags.Base.StripByteCounts]
    parameters = f"<</K -1 /Columns {width} /Rows {height}>>"
    packing = {
        "BitsPerComponent": "1",
        "Filter": "/CCITTFaxDecode",
        "DecodeParms": parameters,
    }
    return packing, stream.getvalue()[place : place + size]
