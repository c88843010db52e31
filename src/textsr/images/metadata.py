"""What an image file tells besides its pixels: resolution, EXIF, XMP and IPTC.

What describes the picture is kept. What describes its pixels is written anew or left out, since a
result is upright and of another size. `docs/reference/formats.md` has the rule.
"""

import math
import re
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from PIL import ExifTags, Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import TiffImageFile

from textsr.images.image import Metadata, Resolution

_Base = ExifTags.Base
_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
_SUBJECT_AREA = 37396
_INCH, _CENTIMETRE = 2, 3
_MOST_DPI = 1_000_000

_DESCRIPTIVE = (
    *(_Base.DocumentName, _Base.ImageDescription, _Base.Make, _Base.Model, _Base.PageName),
    *(_Base.Software, _Base.DateTime, _Base.Artist, _Base.HostComputer, _Base.Copyright),
    *(_Base.XPTitle, _Base.XPComment, _Base.XPAuthor, _Base.XPKeywords, _Base.XPSubject),
)
"""Tags of the first directory that say nothing of the pixels."""

_OF_PIXELS = {
    *(_Base.ExifImageWidth, _Base.ExifImageHeight, _Base.ExifInteroperabilityOffset),
    *(_Base.FocalPlaneXResolution, _Base.FocalPlaneYResolution, _Base.FocalPlaneResolutionUnit),
    *(_SUBJECT_AREA, _Base.SubjectLocation),
    _Base.MakerNote,  # holds places in the file that it was in
}
"""Tags of the Exif directory that are wrong in another file."""

_XMP_NAMES = (
    rb"(?:tiff:(?:Orientation|[XY]Resolution|ResolutionUnit|Image(?:Width|Length))"
    rb"|exif:Pixel[XY]Dimension)"
)
_XMP_OF_PIXELS = re.compile(
    rb"""\s%(name)b\s*=\s*(?:"[^"]*"|'[^']*')|<(%(name)b)>[^<]*</\1>""" % {b"name": _XMP_NAMES}
)

_XMP_TAG, _IPTC_TAG = 700, 33723
_IPTC_IN_PHOTOSHOP = 0x0404
_SEGMENT = 65_533
"""Bytes that a segment of a JPEG holds at most (ITU-T T.81, section B.1.1.4)."""
_XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"


def read_resolution(image: Image.Image, exif: Mapping[int, Any]) -> Resolution | None:
    """Return pixels per inch across and down, or None if the file does not tell.

    Args:
        image: opened by Pillow.
        exif: its EXIF; of a TIFF, the tags of its directory.
    """
    stated = image.info.get("dpi")
    # Where these do not tell, Pillow makes something up.
    if isinstance(image, TiffImageFile) or (
        isinstance(image, JpegImageFile) and image.info.get("jfif_unit") not in (1, 2)
    ):
        stated = None
    return _checked(stated) or _checked(_exif_resolution(exif))


def _exif_resolution(exif: Mapping[int, Any]) -> tuple[Any, Any] | None:
    inches = {_INCH: 1.0, _CENTIMETRE: 2.54}.get(exif.get(_Base.ResolutionUnit, _INCH))
    across, down = exif.get(_Base.XResolution), exif.get(_Base.YResolution)
    if inches is None or across is None or down is None:
        return None
    with suppress(TypeError, ValueError, ZeroDivisionError):
        return float(across) * inches, float(down) * inches
    return None


def _checked(stated: Any) -> Resolution | None:
    with suppress(TypeError, ValueError, ZeroDivisionError):
        across, down = (float(value) for value in stated)
        if all(math.isfinite(value) and 0 < value <= _MOST_DPI for value in (across, down)):
            return across, down
    return None


def read_metadata(image: Image.Image, exif: Image.Exif) -> Metadata:
    """Return what describes the picture; what of it is damaged is left out.

    Args:
        image: opened by Pillow.
        exif: its EXIF; of a TIFF, the tags of its directory.
    """
    kept = None
    with suppress(Exception):  # Pillow's reading of damaged directories raises almost anything
        kept = _descriptive(exif)
    xmp = image.info.get("xmp")
    return Metadata(
        exif=kept,
        xmp=_XMP_OF_PIXELS.sub(b"", xmp) if isinstance(xmp, bytes) and xmp else None,
        iptc=_iptc(image),
    )


def _descriptive(exif: Image.Exif) -> bytes | None:
    kept = Image.Exif()
    for tag in _DESCRIPTIVE:
        if tag in exif:
            kept[tag] = exif[tag]
    for directory in _DIRECTORIES:
        tags = {tag: x for tag, x in exif.get_ifd(directory).items() if tag not in _OF_PIXELS}
        if tags:
            kept.get_ifd(directory).update(tags)
    content = kept.tobytes()
    return content if len(kept) or any(kept.get_ifd(tag) for tag in _DIRECTORIES) else None


def _iptc(image: Image.Image) -> bytes | None:
    if isinstance(image, TiffImageFile):
        found = image.tag_v2.get(_IPTC_TAG)
    else:
        resources = image.info.get("photoshop")
        found = resources.get(_IPTC_IN_PHOTOSHOP) if isinstance(resources, dict) else None
    return found if isinstance(found, bytes) and found else None


def with_resolution(exif: bytes | None, dpi: Resolution | None) -> Image.Exif:
    """Return EXIF that tells the resolution, too, if it is known; it may be empty."""
    made = Image.Exif()
    if exif is not None:
        made.load(exif)
    if dpi is not None:
        made[_Base.XResolution], made[_Base.YResolution] = dpi
        made[_Base.ResolutionUnit] = _INCH
    return made


def jpeg_options(metadata: Metadata, dpi: Resolution | None) -> dict[str, Any]:
    """Return what tells Pillow to write metadata into a JPEG, but for what does not fit into it.

    JFIF has whole numbers of pixels per inch. EXIF, where there is some, has fractions.
    """
    options: dict[str, Any] = {} if dpi is None else {"dpi": dpi}
    exif = with_resolution(metadata.exif, dpi).tobytes()
    if metadata.exif is not None and len(exif) <= _SEGMENT:
        options["exif"] = exif
    if metadata.xmp is not None and len(_XMP_HEAD + metadata.xmp) <= _SEGMENT:
        options["xmp"] = metadata.xmp
    if metadata.iptc is not None:
        resource = struct.pack(">4sHHI", b"8BIM", _IPTC_IN_PHOTOSHOP, 0, len(metadata.iptc))
        content = b"Photoshop 3.0\0" + resource + metadata.iptc + b"\0" * (len(metadata.iptc) % 2)
        if len(content) <= _SEGMENT:
            options["extra"] = b"\xff\xed" + struct.pack(">H", len(content) + 2) + content
    return options


def webp_options(metadata: Metadata, dpi: Resolution | None) -> dict[str, Any]:
    """Return what tells Pillow to write metadata into a WebP, whose EXIF alone tells resolution."""
    exif = with_resolution(metadata.exif, dpi)
    options: dict[str, Any] = {"exif": exif.tobytes()} if metadata.exif or dpi else {}
    return options if metadata.xmp is None else options | {"xmp": metadata.xmp}


def png_options(metadata: Metadata, dpi: Resolution | None) -> dict[str, Any]:
    """Return what tells Pillow to write metadata into a PNG, which has no place for IPTC."""
    options: dict[str, Any] = {} if dpi is None else {"dpi": dpi}
    if metadata.exif is not None:
        options["exif"] = with_resolution(metadata.exif, dpi).tobytes()
    if metadata.xmp is not None:
        chunks = PngInfo()
        chunks.add(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp)
        options["pnginfo"] = chunks
    return options


def tiff_tags(metadata: Metadata, dpi: Resolution | None) -> dict[int, Any]:
    """Return the tags of a TIFF that hold metadata."""
    exif = with_resolution(metadata.exif, dpi)
    tags = {tag: exif.get_ifd(tag) if tag in _DIRECTORIES else exif[tag] for tag in exif}
    if metadata.xmp is not None:
        tags[_XMP_TAG] = metadata.xmp
    if metadata.iptc is not None:
        tags[_IPTC_TAG] = metadata.iptc
    return tags
