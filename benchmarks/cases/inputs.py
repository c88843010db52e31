"""What writes files that more than one case is made of."""

import io
import random
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin

from benchmarks.cases import profiles
from benchmarks.cases.drawing import fax, grey, small, values16

DPI = (75, 75)
FAX_DPI = (204, 98)

_LARGE = 1_300_000  # bytes of a profile or a text
_CAMERA = {ExifTags.Base.Model.value: "a camera"}
_ON_ITS_SIDE = {ExifTags.Base.Orientation.value: 6}
_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    b'xmlns:xmp="http://ns.adobe.com/xap/1.0/" tiff:Orientation="6" xmp:Rating="5"/></rdf:RDF>'
    b"</x:xmpmeta>"
)


def exif(tags: Mapping[int, Any]) -> Image.Exif:
    """Return EXIF of these tags."""
    made = Image.Exif()
    made.update(tags)
    return made


def write_large_profile(path: Path) -> None:
    """Write a PNG whose profile has a megabyte behind its tags."""
    profile = profiles.srgb() + random.Random(1).randbytes(_LARGE)
    small().save(path, icc_profile=struct.pack(">I", len(profile)) + profile[4:])


def write_large_text(path: Path) -> None:
    """Write a PNG with a long text, as programs record what was done to a picture."""
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("history", random.Random(2).randbytes(_LARGE // 2).hex())
    small().save(path, pnginfo=texts)


def write_photo(path: Path) -> None:
    """Write a JPEG that lies on its side, with a camera, a place and a rating."""
    tags = exif(_CAMERA | _ON_ITS_SIDE)
    tags.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    turned = small().rotate(90, expand=True)
    turned.save(path, quality=92, exif=tags, xmp=_XMP, dpi=DPI)


def write_cut_jpeg(path: Path, *, share: float = 0, lost: int = 0) -> None:
    """Write a JPEG that lacks so large a share, and so many bytes more, at its end."""
    stream = io.BytesIO()
    small().save(stream, "JPEG", quality=92, dpi=DPI)
    content = stream.getvalue()
    path.write_bytes(content[: round(len(content) * (1 - share)) - lost])


def write_wrong_checksum(path: Path) -> None:
    """Write a PNG of which a byte is not what it was."""
    stream = io.BytesIO()
    small().save(stream, "PNG")
    content = bytearray(stream.getvalue())
    content[-20] ^= 0xFF
    path.write_bytes(content)


def write_inks(path: Path) -> None:
    """Write black text on a ground of a little cyan, in inks, with the profile of a press."""
    dark = np.asarray(grey()) < 128
    values = np.zeros((*dark.shape, 4), np.uint8)
    values[..., 0] = np.where(dark, 0, 90)
    values[..., 3] = np.where(dark, 255, 0)
    inks = Image.fromarray(values, "CMYK")
    inks.save(path, icc_profile=profiles.press(), dpi=DPI, quality=95)


def write_values(path: Path, values: np.ndarray) -> None:
    """Write grey, or blue, green, red and perhaps alpha, of 8 or 16 bits."""
    assert cv2.imwrite(str(path), values)


def deep_colour() -> np.ndarray:
    """Return text of 16 bits: blue, green and red."""
    return values16(small())[..., ::-1]


def deep_alpha() -> np.ndarray:
    """Return the same with alpha: clearer where it is lighter."""
    opacity = np.maximum(65_535 - values16(grey()), 3000).astype(np.uint16)
    return np.dstack([deep_colour(), opacity])


def write_white_is_0(path: Path) -> None:
    """Write a fax of group 3 in which 0 means white."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[262] = 0
    fax(width=864, height=200).save(path, compression="group3", dpi=FAX_DPI, tiffinfo=tags)


def write_three_pages(path: Path) -> None:
    """Write a TIFF of three pages, the second of two tones."""
    pages = [small((f"page {number} of 3", "Sum 12.50")) for number in (1, 2, 3)]
    first, *others = pages[0].convert("L"), pages[1].convert("1"), pages[2].convert("L")
    first.save(path, save_all=True, append_images=others, compression="tiff_lzw", dpi=DPI)
