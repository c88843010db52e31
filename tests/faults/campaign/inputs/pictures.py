"""Small sound pictures in every format that is read, and their damage by format."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from tests.faults.campaign.inputs.damage import (
    damage,
    damage_parts,
    join_boxes,
    join_jpeg,
    join_plain,
    join_png,
    join_riff,
    join_tiff,
    split_boxes,
    split_gif,
    split_jpeg,
    split_lines,
    split_png,
    split_riff,
    split_tiff,
)

_WIDE, _HIGH = 23, 14
_ALL = np.random.default_rng(27).integers(0, 65536, (_HIGH, _WIDE, 4)).astype(np.uint16)
_BYTES = (_ALL >> 8).astype(np.uint8)
_SMOOTH = np.add.outer(np.arange(_HIGH), np.arange(_WIDE)).astype(np.uint8) * 7

_ByParts = Callable[[bytes, list[bytes], random.Random], bytes]
_PARTS: dict[str, _ByParts] = {
    "png": partial(damage_parts, split=split_png, join=join_png),
    "jpeg": partial(damage_parts, split=split_jpeg, join=join_jpeg),
    "webp": partial(damage_parts, split=split_riff, join=join_riff),
    "avif": partial(damage_parts, split=split_boxes, join=join_boxes),
    "heic": partial(damage_parts, split=split_boxes, join=join_boxes),
    "jp2": partial(damage_parts, split=split_boxes, join=join_boxes),
    "tiff": partial(damage_parts, split=split_tiff, join=join_tiff),
    "gif": partial(damage_parts, split=split_gif, join=join_plain),
    "pnm": partial(damage_parts, split=split_lines, join=join_plain),
    "hdr": partial(damage_parts, split=split_lines, join=join_plain),
}


@cache
def pictures() -> dict[str, list[bytes]]:
    """Return sound files by format."""
    found: dict[str, list[bytes]] = {}
    for name, content in _make():
        found.setdefault(name, []).append(content)
    return found


def damaged_picture(draw: random.Random) -> tuple[str, bytes]:
    """Return a format's name and a file that was one of it before it was damaged."""
    name = draw.choice(list(pictures()))
    own = pictures()[name]
    foreign = pictures()[draw.choice(list(pictures()))]
    others = own if draw.random() < 0.8 else foreign
    content = draw.choice(own)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        by_parts = _PARTS.get(name) if draw.random() < 0.6 else None
        content = (by_parts or damage)(content, others, draw)
    return name, content


def _make() -> Iterator[tuple[str, bytes]]:
    yield from _by_pillow()
    yield from _tiffs()
    for depth, kind in ((np.uint8, ".png"), (np.uint16, ".png"), (np.uint16, ".tiff")):
        values = _ALL.astype(depth) if depth is np.uint16 else _BYTES
        for channels in (1, 3, 4):
            yield kind[1:], _opencv(kind, values[..., :channels])
    floats = _ALL[..., :3].astype(np.float32) / 65536
    yield "hdr", _opencv(".hdr", floats)
    yield "pnm", _opencv(".pfm", floats)
    yield "pnm", _opencv(".ppm", _ALL[..., :3])
    for number in range(1, 7):
        for most in (1, 100, 255, 65535):
            if most == 1 or number not in (1, 4):
                yield "pnm", _pnm(number, most)
    yield "bmp", _runs_of_bmp()
    yield "ico", _icon(_png(_image("RGBA")), _dib())


def _image(mode: str, *, smooth: bool = False) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(_ALL[..., 0])
    if mode == "F":
        return Image.fromarray(_ALL[..., 0].astype(np.float32) / 65536)
    if mode == "I":
        return Image.fromarray(_ALL[..., 0].astype(np.int32))
    if mode == "1":
        return Image.fromarray(_BYTES[..., 0] > 128)
    values = np.dstack([_SMOOTH] * 4) if smooth else _BYTES
    colour = Image.fromarray(values, "RGBA")
    if mode == "P":
        return colour.convert("RGB").quantize(9)
    return colour.convert(mode)


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.XResolution] = 300
    exif[ExifTags.Base.YResolution] = 300
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = 0.5
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (48.0, 1.0, 2.0)
    return exif


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _png(image: Image.Image, **options: Any) -> bytes:
    return _saved(image, "PNG", **options)


def _by_pillow() -> Iterator[tuple[str, bytes]]:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    everything: dict[str, Any] = {"exif": _exif(6), "xmp": b"<x:xmpmeta/>", "icc_profile": profile}
    said = PngInfo()
    said.add_text("Title", "words", zip=True)
    said.add_itxt("Comment", "Wörter", zip=True)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield "png", _png(_image(mode))
    yield "png", _png(_image("RGB"), pnginfo=said, dpi=(300, 300), **everything)
    yield "png", _png(_image("P"), transparency=3)
    yield "png", _png(_image("RGB"), transparency=(1, 2, 3))
    yield "png", _png(_image("RGB"), save_all=True, append_images=[_image("RGB", smooth=True)])
    for mode in ("L", "RGB", "CMYK"):
        yield "jpeg", _saved(_image(mode, smooth=True), "JPEG")
        yield "jpeg", _saved(_image(mode), "JPEG", progressive=True, restart_marker_blocks=2)
    yield "jpeg", _saved(_image("RGB"), "JPEG", dpi=(200, 200), comment=b"said", **everything)
    yield "jpeg", _saved(_image("RGB"), "MPO", save_all=True, append_images=[_image("RGB")])
    for options in ({}, {"lossless": True}, {"lossless": True, "exact": True, **everything}):
        yield "webp", _saved(_image("RGBA"), "WEBP", **options)
        yield "webp", _saved(_image("RGB", smooth=True), "WEBP", **options)
    moving = {"save_all": True, "append_images": [_image("RGB", smooth=True)]}
    yield "webp", _saved(_image("RGB"), "WEBP", **moving)
    for mode in ("L", "RGB", "RGBA"):
        yield "avif", _saved(_image(mode, smooth=True), "AVIF", speed=10)
    yield "avif", _saved(_image("RGB"), "AVIF", speed=10, **everything)
    yield "avif", _saved(_image("RGB"), "AVIF", speed=10, **moving)
    for options in ({}, {"interlace": 0}, {"transparency": 2}, {"comment": b"said"}):
        yield "gif", _saved(_image("P"), "GIF", **options)
    yield "gif", _saved(_image("P"), "GIF", **moving)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield "bmp", _saved(_image(mode), "BMP", dpi=(300, 300))
        yield "tga", _saved(_image(mode), "TGA")
        if mode != "1":
            yield "tga", _saved(_image(mode, smooth=True), "TGA", rle=True)
    yield "bmp", _saved(_image("RGB"), "DIB")
    for kind in ("png", "bmp"):
        yield "ico", _saved(_image("RGBA").resize((32, 32)), "ICO", bitmap_format=kind)
    for mode in ("L", "LA", "RGB", "RGBA"):
        yield "jp2", _saved(_image(mode), "JPEG2000")
    yield "jp2", _saved(_image("RGB"), "JPEG2000", no_jp2=True)
    yield "jp2", _saved(_image("I;16"), "JPEG2000")
    for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "LAB"):
        yield "tiff", _saved(_image("RGB") if mode == "LAB" else _image(mode), "TIFF")
    for way in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield "tiff", _saved(_image("RGB"), "TIFF", compression=way, dpi=(300, 300), **everything)
    for way in ("group3", "group4", "tiff_ccitt"):
        yield "tiff", _saved(_image("1"), "TIFF", compression=way, dpi=(204, 98))
    yield "tiff", _saved(_image("RGB"), "TIFF", **moving)
    yield "tiff", _saved(_image("RGB"), "TIFF", big_tiff=True)
    try:
        import pillow_heif
    except ModuleNotFoundError:
        return
    for mode in ("L", "RGB", "RGBA"):
        stream = io.BytesIO()
        pillow_heif.from_pillow(_image(mode, smooth=True).resize((64, 64))).save(stream)
        yield "heic", stream.getvalue()


def _tiffs() -> Iterator[tuple[str, bytes]]:
    """TIFFs that Pillow does not write."""
    deep, grey = _ALL[..., :3].astype("<u2"), _ALL[..., 0].astype("<u2")
    size = {256: [_WIDE], 257: [_HIGH]}
    colour = size | {258: [16] * 3, 262: [2], 277: [3], 278: [_HIGH]}
    yield "tiff", _tiff(colour, [deep.tobytes()])
    yield "tiff", _tiff(colour | {259: [8]}, [zlib.compress(deep.tobytes())])
    planes = [deep[..., number].tobytes() for number in range(3)]
    yield "tiff", _tiff(colour | {284: [2]}, planes)
    yield "tiff", _tiff(size | {258: [16], 262: [0], 278: [_HIGH]}, [grey.tobytes()])
    yield "tiff", _tiff(size | {258: [16], 262: [1], 278: [_HIGH]}, [grey.tobytes()], order=">")
    rows = [_BYTES[top : top + 3].tobytes() for top in range(0, _HIGH, 3)]
    yield "tiff", _tiff(size | {258: [8] * 4, 262: [2], 277: [4], 278: [3], 338: [2]}, rows)
    tiled = {258: [8], 262: [1], 322: [16], 323: [16]}
    yield "tiff", _tiff(size | tiled, [bytes(range(256))] * 2, places=324)


def _tiff(
    tags: dict[int, list[int]], strips: list[bytes], *, order: str = "<", places: int = 273
) -> bytes:
    """A TIFF of two directories of long integers, which have the same strips or tiles."""
    sizes = {273: 279, 324: 325}[places]
    tags = tags | {places: [0] * len(strips), sizes: [len(strip) for strip in strips]}
    table = 2 + 12 * len(tags) + 4
    end = 8 + 2 * table + sum(4 * len(values) for values in tags.values() if len(values) > 1)
    starts = [end + sum(map(len, strips[:number])) for number in range(len(strips))]
    tags = dict(sorted((tags | {places: starts}).items()))
    entries, data, free = b"", b"", 8 + 2 * table
    for tag, values in tags.items():
        packed = struct.pack(f"{order}{len(values)}I", *values)
        entries += struct.pack(f"{order}HHI", tag, 4, len(values))
        entries += packed if len(values) == 1 else struct.pack(f"{order}I", free + len(data))
        data += packed if len(values) > 1 else b""
    count = struct.pack(f"{order}H", len(tags))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    first = count + entries + struct.pack(f"{order}I", 8 + table)
    return head + first + count + entries + bytes(4) + data + b"".join(strips)


def _opencv(suffix: str, values: npt.NDArray[Any]) -> bytes:
    ok, encoded = cv2.imencode(suffix, np.ascontiguousarray(values))
    assert ok
    return bytes(encoded.tobytes())


def _pnm(number: int, most: int) -> bytes:
    channels = 3 if number in (3, 6) else 1
    values = np.rint(_ALL[..., :channels] / 65535 * most).astype(np.uint16)
    head = b"P%d\n# said\n%d %d\n" % (number, _WIDE, _HIGH)
    head += b"%d\n" % most if number not in (1, 4) else b""
    if number == 4:
        return head + np.packbits(values[..., 0], axis=1).tobytes()
    if number > 3:
        return head + values.astype(">u2" if most > 255 else "u1").tobytes()
    return head + b" ".join(b"%d" % value for value in values.ravel()) + b"\n"


def _dib() -> bytes:
    content = bytearray(_saved(_image("RGB").resize((16, 16)), "DIB"))
    struct.pack_into("<i", content, 8, 32)
    return bytes(content) + bytes(64)


def _runs_of_bmp() -> bytes:
    runs = b"\x04\7\6\2\0\0" * 10 + b"\0\1"
    head = struct.pack("<IiiHHIIiiII", 40, 10, 10, 1, 8, 1, len(runs), 0, 0, 256, 0)
    table = b"".join(bytes((value, value, value, 0)) for value in range(256))
    return b"BM" + struct.pack("<IHHI", 1078 + len(runs), 0, 0, 1078) + head + table + runs


def _icon(*pictures: bytes) -> bytes:
    head = struct.pack("<HHH", 0, 1, len(pictures))
    place = 6 + 16 * len(pictures)
    for picture in pictures:
        head += struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(picture), place)
        place += len(picture)
    return head + b"".join(pictures)
