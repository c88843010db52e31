"""Files that ask a decoder for far more than they should are refused by their headers.

Each is read by a child of its own whose address space ends 200 MB above what it has when it begins.
"""

import io
import json
import lzma
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps

from textsr.datasets.shards import decode_grey
from textsr.errors import TextsrError
from textsr.images.headers import MOST_COUNTED
from textsr.images.reading import check_image, decode_image, read_encoded, read_image
from textsr.imports.folders import read_images

_MOST_MB = 200
_MOST_SECONDS = 1.0

# Seconds are the process's own: others that keep the machine busy do not count.
_CHILD = """
import json, resource, sys, time, warnings
from pathlib import Path
import cv2
from PIL import Image
from textsr.images.reading import read_image

Image.init()
cv2.imdecode(cv2.imencode(".png", __import__("numpy").zeros((8, 8), "uint8"))[1], -1)
warnings.simplefilter("ignore")
status = Path("/proc/self/status").read_text()
size = int(status.split("VmSize:")[1].split()[0]) * 1024
for path in map(Path, sys.argv[2:]):
    resource.setrlimit(resource.RLIMIT_AS, (size + int(sys.argv[1]) * 1_000_000, -1))
    begun = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read_image(path)
        said = ""
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps([path.name, said, time.process_time() - begun, more / 1000]), flush=True)
"""

GREY = {256: (10,), 257: (10,), 258: (8,), 259: (1,), 262: (1,), 273: (8,), 278: (1,), 279: (9,)}
"""A TIFF's tags of a grey picture."""

_PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def ihdr(width: int, height: int, depth: int = 8, kind: int = 2) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))


def png(width: int, height: int, *more: bytes, depth: int = 8) -> bytes:
    """A PNG with further chunks; of a large one, the pixels are those of the first rows."""
    rows = bytes((width * 3 * depth // 8 + 1) * min(height, 100))
    return b"".join(
        [_PNG, ihdr(width, height, depth), *more, chunk(b"IDAT", zlib.compress(rows))]
    ) + chunk(b"IEND", b"")


def encoded(format_: str, width: int = 16, height: int = 16, mode: str = "RGB") -> bytearray:
    stream = io.BytesIO()
    Image.new(mode, (width, height)).save(stream, format_)
    return bytearray(stream.getvalue())


def tiff(tags: dict[int, tuple[int, ...]], *, first: tuple[tuple[int, int], ...] = ()) -> bytes:
    """A TIFF of long integers; `first` are tags that stand before all others."""
    entries = [*((tag, (value,)) for tag, value in first), *tags.items()]
    place = 8 + 2 + 12 * len(entries) + 4
    table, data = b"", b""
    for tag, values in entries:
        packed = struct.pack(f"<{len(values)}I", *values)
        table += struct.pack("<HHI", tag, 4, len(values))
        table += packed if len(values) == 1 else struct.pack("<I", place + len(data))
        data += packed if len(values) > 1 else b""
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + table + struct.pack("<I", 0) + data


def float_tiff(side: int = 12_000) -> bytes:
    """Colours in floating point, all strips of which lie in one place."""
    strip = zlib.compress(bytes(100 * side * 12), 9)
    strips = side // 100
    tags = {256: (side,), 257: (side,), 258: (32,) * 3, 259: (8,), 262: (2,)}
    tags |= {273: (0,) * strips, 277: (3,), 278: (100,), 279: (len(strip),) * strips}
    tags |= {339: (3,) * 3}
    place = len(tiff(tags))
    return tiff(tags | {273: (place,) * strips}) + strip


def many_directories(count: int = 60_000) -> bytes:
    tags = ((256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 8))
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in (*tags, (279, 64)))
    size = 2 + len(table) + 4
    files = [b"II*\0" + struct.pack("<I", 72) + bytes(64)]
    for number in range(1, count + 1):
        following = 72 + size * number if number < count else 0
        files.append(struct.pack("<H", 9) + table + struct.pack("<I", following))
    return b"".join(files)


def radiance(side: int = 12_000) -> bytes:
    row = b"\x02\x02" + struct.pack(">H", side)
    for value in (100, 100, 100, 128):
        row += bytes([255, value]) * (side // 127) + bytes([128 + side % 127, value])
    head = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (side, side)
    return head + row * side


def webp(side: int) -> bytes:
    """A still picture of 16 x 16 on a large canvas."""
    canvas = struct.pack("<II", 10, 0) + (side - 1).to_bytes(3, "little") * 2
    body = b"WEBPVP8X" + canvas + bytes(encoded("WEBP"))[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def icon(picture: bytes, bits: int = 32) -> bytes:
    head = struct.pack("<HHH", 0, 1, 1)
    return head + struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, bits, len(picture), 22) + picture


def many_icons() -> bytes:
    """Two hundred icons that are one and the same PNG of many chunks."""
    picture = png(16, 16, chunk(b"abCd", b"") * 90_000)
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(picture), 6 + 16 * 200)
    return struct.pack("<HHH", 0, 1, 200) + entry * 200 + picture


def patched(content: bytearray, place: int, layout: str, *values: int) -> bytes:
    struct.pack_into(layout, content, place, *values)
    return bytes(content)


def jpeg_of(width: int, height: int) -> bytes:
    content = encoded("JPEG")
    return patched(content, content.index(b"\xff\xc0") + 5, ">HH", height, width)


def many_scans(count: int, *, first: bytes = b"", each: bytes = b"") -> bytes:
    """A progressive JPEG whose last scan comes again and again, after something else."""
    stream = io.BytesIO()
    Image.new("L", (2000, 2000), 90).save(stream, "JPEG", progressive=True)
    content = stream.getvalue()
    scan = each + content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + first + scan * count + b"\xff\xd9"


def jpeg_with_exif(exif: bytes) -> bytes:
    """A JPEG of which a reader joins the pieces of the Exif."""
    pieces = [exif[place : place + 65_000] for place in range(0, len(exif), 65_000)]
    segments = [b"\xff\xe1" + struct.pack(">H", len(x) + 8) + b"Exif\0\0" + x for x in pieces]
    content = bytes(encoded("JPEG"))
    return content[:2] + b"".join(segments) + content[2:]


def tiff_with_exif() -> bytes:
    """A picture whose directory of Exif holds two million fractions."""
    tags = {256: (8,), 257: (8,), 258: (8,), 259: (1,), 262: (1,), 273: (8,), 279: (64,)}
    place = len(tiff(tags | {34665: (0,)}))
    below = struct.pack("<HHHIII", 1, 33434, 5, 2_000_000, 8, 0)
    return tiff(tags | {34665: (place,)}) + below + bytes(16_000_000)


def bitmap_of_runs(content: bytes) -> bytes:
    """A bitmap of 10 x 10 without a file's head."""
    head = struct.pack("<IiiHHIIiiII", 40, 10, 10, 1, 8, 1, len(content), 0, 0, 256, 0)
    return head + b"\0\0\0\0\xff\0\0\0" * 128 + content


def jp2_of(side: int) -> bytes:
    content = encoded("JPEG2000")
    return patched(content, content.index(b"ihdr") + 4, ">II", side, side)


def avif_of(side: int) -> bytes:
    content = encoded("AVIF")
    return patched(content, content.index(b"ispe") + 8, ">II", side, side)


LARGE: dict[str, Callable[[], bytes]] = {
    "png.png": lambda: png(30_000, 30_000),
    "float.tif": float_tiff,
    "tile.tif": lambda: tiff({256: (9,), 257: (9,), 258: (8,), 322: (40_000,), 323: (40_000,)}),
    "twice.tif": lambda: tiff({256: (9,), 257: (9,)}, first=((256, 30_000), (257, 30_000))),
    "radiance.hdr": radiance,
    "map.pfm": lambda: b"PF\n30000 30000\n-1.0\n" + bytes(90),
    "deep.ppm": lambda: b"P6\n30000 30000\n65535\n" + bytes(90),
    "canvas.webp": lambda: webp(16_383),
    "canvas.gif": lambda: b"GIF89a" + struct.pack("<HHBBB", 60_000, 60_000, 128, 0, 0) + bytes(6)
    + b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x08\x01\0\0;",
    "icon.ico": lambda: icon(png(20_000, 20_000)),
    "sides.bmp": lambda: patched(encoded("BMP"), 18, "<ii", 30_000, -30_000),
    "sides.dib": lambda: patched(encoded("BMP")[14:], 4, "<ii", 30_000, 30_000),
    "sides.jpg": lambda: jpeg_of(65_000, 65_000),
    "sides.jp2": lambda: jp2_of(30_000),
    "sides.avif": lambda: avif_of(30_000),
    "sides.tga": lambda: patched(encoded("TGA"), 12, "<HH", 60_000, 60_000),
}  # fmt: skip
"""Files that have too many pixels."""

BITMAP_HEAD = b"BM" + struct.pack("<IHHI", 0, 0, 0, 1078)
MANY_RUNS = bitmap_of_runs(b"\x01\x07" * 2_000_000)

ODD: dict[str, Callable[[], bytes]] = {
    "huge_chunk.png": lambda: png(40, 20, struct.pack(">I", 1_500_000_000) + b"tEXt", depth=16),
    # Of a wrong checksum, so that Pillow leaves it to OpenCV.
    "huge_chunk_for_opencv.png": lambda: _PNG + ihdr(40, 20, 16) + chunk(b"tEXt", b"a\0b")[:-1]
    + b"x" + struct.pack(">I", 1_500_000_000) + b"zzZz" + bytes(6000),
    "huge_chunk_after.png": lambda: png(40, 20, depth=16)[:-12]
    + struct.pack(">I", 1_500_000_000) + b"zzZz" + bytes(6000),
    "two_sizes.png": lambda: png(40, 20, ihdr(30_000, 30_000, 16), depth=16),
    "profile.png": lambda: png(40, 20, chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(10**8)))),
    "text.png": lambda: png(40, 20, chunk(b"iTXt", b"p\0\1\0\0\0" + zlib.compress(bytes(10**8)))),
    "texts.png": lambda: png(40, 20, chunk(b"zTXt", b"p\0\0" + zlib.compress(bytes(10**6))) * 80),
    "chunks.png": lambda: png(40, 20, chunk(b"abCd", b"") * 500_000),
    "postscript.png": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EOF\n",
    "photoshop.tif": lambda: b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 30_000, 30_000, 8, 3),
    "surface.png": lambda: b"DDS " + struct.pack("<7I", 124, 7, 30_000, 30_000, 0, 0, 0),
    "channels.tif": lambda: tiff({256: (5000,), 257: (5000,), 277: (65_535,)}),
    "strips.tif": lambda: tiff(GREY | {273: (8,) * 1_500_000}),
    "tiles.tif": lambda: tiff(GREY | {322: (16,), 323: (16,), 324: (8,) * 1_500_000}),
    "formats.tif": lambda: tiff(GREY | {339: (1,) * 3_000_000}),
    "numbers.tif": lambda: tiff(GREY | {282: (1,) * 3_000_000}),
    "exif.tif": tiff_with_exif,
    "exif.png": lambda: png(40, 20, chunk(b"eXIf", tiff({274: (6,) * 3_000_000}))),
    "exif.jpg": lambda: jpeg_with_exif(tiff({282: (1,) * 3_000_000, 296: (2,)})),
    "scans.jpg": lambda: many_scans(5000),
    "scans_after_comments.jpg": lambda: many_scans(5000, first=b"\xff\xfe\0\2" * 50_001),
    "scans_after_64_mb.jpg": lambda: many_scans(
        5000, first=(b"\xff\xfe\xff\xff" + bytes(65_533)) * 1000
    ),
    "scans_that_seem_a_segment.jpg": lambda: many_scans(5000, each=b"\xff\x01"),
    "junk.jpg": lambda: b"\xff\xd8\xff\xe0\0\2" + bytes(20_000_000),
    "filling.jpg": lambda: b"\xff\xd8" + b"\xff" * 20_000_000,
    "filling_after_pixels.jpg": lambda: bytes(encoded("JPEG"))[:-2] + b"\xff" * 20_000_000,
    "comment.ppm": lambda: b"P6\n#" + b"c" * 20_000_000 + b"\n9 9\n255\n" + bytes(243),
    "comments.pgm": lambda: b"P2\n10 10\n255\n" + b"#\n" * 2_500_000 + b"9 " * 100,
    "two_sizes.ico": lambda: icon(png(16, 16, ihdr(13_000, 13_000))),
    "icons.ico": many_icons,
    "runs.bmp": lambda: BITMAP_HEAD + MANY_RUNS,
    "runs.dib": lambda: MANY_RUNS,
    "runs.ico": lambda: icon(patched(bytearray(MANY_RUNS), 8, "<i", 20)),
    "number.pgm": lambda: b"P2\n" + b"9" * 3_000_000 + b" 9\n255\n",
}  # fmt: skip
"""Files that are refused by something else than their size."""

HEADS: dict[str, Callable[[], bytes]] = {
    "nothing.png": lambda: b"",
    "chunk.png": lambda: _PNG + ihdr(40, 20) + struct.pack(">I", 2**31 - 1) + b"tEXt",
    "start.jpg": lambda: b"\xff\xd8\xff\xe0\0\2",
    "pixels.jpg": lambda: bytes(encoded("JPEG"))[:-2],
    "start.gif": lambda: b"GIF89a" + bytes(7),
    "still.webp": lambda: bytes(encoded("WEBP")),
    "still.avif": lambda: bytes(encoded("AVIF")),
    "box.jp2": lambda: b"\0\0\0\x0cjP  \r\n\x87\n\xff\xff\xff\xffjp2h",
}
"""How files of 10 GB begin."""


def refusals(paths: list[Path]) -> dict[str, str]:
    """Read files in a child, within the limits; return what is said of each."""
    command = [sys.executable, "-c", _CHILD, str(_MOST_MB), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    said = {}
    for line in done.stdout.splitlines():
        name, words, seconds, megabytes = json.loads(line)
        assert words, f"{name} was read"
        assert seconds < _MOST_SECONDS, f"{name}: {seconds} s"
        assert megabytes < _MOST_MB, f"{name}: {megabytes} MB"
        said[name] = words
    return said


def test_what_is_too_large_is_refused_by_its_header(tmp_path: Path) -> None:
    for name, make in LARGE.items():
        (tmp_path / name).write_bytes(make())
    said = refusals([tmp_path / name for name in LARGE])
    assert said.keys() == LARGE.keys()
    assert [name for name in said if "has more than 50 megapixels" not in said[name]] == []


def test_what_asks_for_room_or_time_otherwise_is_refused(tmp_path: Path) -> None:
    for name, make in ODD.items():
        (tmp_path / name).write_bytes(make())
    said = refusals([tmp_path / name for name in ODD])
    assert said.keys() == ODD.keys()
    assert [name for name in said if "cannot be decoded" not in said[name]] == []
    assert "chunk b'IHDR'" in said["two_sizes.ico"]
    for name in ("postscript.png", "photoshop.tif", "surface.png"):
        assert "its format is none of AVIF, BMP" in said[name]


def test_a_long_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    for name, make in HEADS.items():
        with (tmp_path / name).open("wb") as stream:
            stream.write(make())
            stream.truncate(10_000_000_000)
    said = refusals([tmp_path / name for name in HEADS])
    assert [name for name in said if "cannot be decoded" not in said[name]] == []
    for name in ("nothing.png", "still.webp"):
        with pytest.raises(TextsrError, match="cannot be decoded"):
            read_encoded(tmp_path / name)


def test_of_many_pages_but_some_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    path.write_bytes(many_directories())
    with pytest.warns(UserWarning, match=f"holds more than {MOST_COUNTED} pictures"):
        assert read_image(path).width == 8
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\0"
    start = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 128, 0, 0) + bytes(6)
    (tmp_path / "frames.gif").write_bytes(start + frame * 200_000 + b";")
    with pytest.warns(UserWarning, match=f"holds more than {MOST_COUNTED} pictures"):
        assert read_image(tmp_path / "frames.gif").width == 1
    (tmp_path / "three.tif").write_bytes(many_directories(3))
    with pytest.warns(UserWarning, match="holds 3 pictures"):
        read_image(tmp_path / "three.tif")


def gif(*frames: bytes) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 128, 0, 0) + bytes(6) + b"".join(frames) + b";"


def gif_frame(blocks: int = 0) -> bytes:
    """A picture of one pixel, with blocks of a byte after its end."""
    return (
        b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01" + b"\1\0" * blocks + b"\0"
    )


def test_long_pictures_of_a_gif_are_counted_or_said_not_to_be(tmp_path: Path) -> None:
    path = tmp_path / "long.gif"
    path.write_bytes(gif(gif_frame(60_000), gif_frame(), gif_frame()))
    with pytest.warns(UserWarning, match="holds 3 pictures"):
        read_image(path)
    path.write_bytes(gif(gif_frame(), gif_frame(600_000), gif_frame()))
    with pytest.warns(UserWarning, match="holds at least 2 pictures"):
        read_image(path)
    path.write_bytes(gif(gif_frame(600_000)))
    with warnings.catch_warnings(action="error"):
        read_image(path)


def test_importers_and_shards_refuse_by_the_header_too(tmp_path: Path) -> None:
    large = png(30_000, 30_000)
    (tmp_path / "a.png").write_bytes(large)
    for read in (
        lambda: decode_image(large, "pair 3"),
        lambda: check_image(tmp_path / "a.png"),
        lambda: list(read_images(tmp_path, labelled=False)),
    ):
        with pytest.raises(TextsrError, match="has more than 50 megapixels"):
            read()
    for content in (large, png(8, 8)[:-12] + struct.pack(">I", 1_500_000_000) + b"zzZz"):
        with pytest.raises(TextsrError, match=r"s1: cannot be decoded"):
            decode_grey(content, "s1")


def test_a_large_picture_in_a_database_is_refused(tmp_path: Path) -> None:
    lmdb = pytest.importorskip("lmdb")
    from textsr.imports.textzoom import read_database

    with lmdb.open(str(tmp_path / "train1")) as database, database.begin(write=True) as writer:
        writer.put(b"num-samples", b"1")
        writer.put(b"label-000000001", b"word")
        writer.put(b"image_lr-000000001", bytes(encoded("PNG")))
        writer.put(b"image_hr-000000001", png(30_000, 30_000))
    with pytest.raises(TextsrError, match=r"pair 1: has more than 50 megapixels"):
        list(read_database(tmp_path / "train1", lr_only=False))


def test_the_limit_can_be_raised_above_pillows_in_several_threads_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow refuses twice as much
    formats = {"TIFF": ".tif", "WEBP": ".webp", "JPEG": ".jpg", "GIF": ".gif"}
    paths = []
    for format_, suffix in formats.items():
        paths.append(tmp_path / f"large{suffix}")
        paths[-1].write_bytes(encoded(format_, 40, 40))
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(lambda path: read_image(path, max_pixels=1600), paths * 20))
    assert {image.width for image in images} == {40}
    assert Image.MAX_IMAGE_PIXELS == 100


PIXELS = np.random.default_rng(4).integers(0, 65536, (6, 9, 3)).astype(np.uint16)


def with_everything(format_: str) -> bytes:
    """A picture on its side, with Exif, XMP and a profile; with alpha, but in a JPEG."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    exif[ExifTags.Base.Orientation] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    more: dict[str, Any] = {"exif": exif, "xmp": b"<x:xmpmeta/>", "icc_profile": profile}
    colours = Image.fromarray((PIXELS >> 8).astype(np.uint8))
    if format_ != "JPEG":
        colours.putalpha(colours.getchannel("G"))
    stream = io.BytesIO()
    colours.save(stream, format_, **more)
    return stream.getvalue()


def pnm(kind: int, most: int, comment: bytes = b"") -> bytes:
    channels = 3 if kind in (3, 6) else 1
    values = np.rint(PIXELS[..., :channels] / 65535 * most).astype(np.uint16)
    head = b"P%d\n%b9 6\n" % (kind, comment) + (b"%d\n" % most if kind not in (1, 4) else b"")
    if kind == 4:
        return head + np.packbits(values[..., 0], axis=1).tobytes()
    if kind > 3:
        return head + values.astype(">u2" if most > 255 else "u1").tobytes()
    return head + b"".join(b"%d %b" % (value, comment) for value in values.ravel()) + b"\n"


def deep_tiff(compression: int, pixels: bytes) -> bytes:
    tags = {256: (9,), 257: (6,), 258: (16,) * 3, 259: (compression,), 262: (2,), 273: (0,)}
    tags |= {277: (3,), 278: (6,), 279: (len(pixels),)}
    return tiff(tags | {273: (len(tiff(tags)),)}) + pixels


_RAW = PIXELS.astype("<u2").tobytes()
GOOD: dict[str, Callable[[], bytes]] = {
    **{f"{name}.{name}": partial(with_everything, name.upper())
       for name in ("avif", "webp", "jpeg", "png")},
    "alpha.avif": lambda: bytes(encoded("AVIF", mode="RGBA")),
    "still.avif": lambda: bytes(encoded("AVIF")),
    **{f"p{kind}_{most}.pnm": partial(pnm, kind, most)
       for kind in (1, 2, 3, 4, 5, 6) for most in (1, 100, 255, 65535)
       if most == 1 or kind not in (1, 4)},
    **{f"p{kind}_comments.pnm": partial(pnm, kind, 1, b"# said\n") for kind in (1, 2, 3)},
    # OpenCV does not read it: nothing follows the last number.
    "p3_without_end.pnm": lambda: pnm(3, 65535).rstrip(),
    "raw.tif": lambda: deep_tiff(1, _RAW),
    "deflate.tif": lambda: deep_tiff(8, zlib.compress(_RAW)),
    "lzma.tif": lambda: deep_tiff(34925, lzma.compress(_RAW)),
    "zstd.tif": lambda: deep_tiff(50000, pyarrow.compress(_RAW, "zstd", asbytes=True)),
    "lzw.tif": lambda: opencv_tiff(5),
    "packbits.tif": lambda: opencv_tiff(32773),
    "old_deflate.tif": lambda: opencv_tiff(32946),
    "bitmap.bmp": lambda: bytes(encoded("BMP", mode="P")),
    "runs.bmp": lambda: BITMAP_HEAD + bitmap_of_runs(b"\x04\7\6\2\0\0" * 10 + b"\0\1"),
    "icon.ico": lambda: bytes(encoded("ICO", 32, 32, "RGBA")),
    "old_icon.ico": lambda: icon(patched(encoded("BMP")[14:], 8, "<i", 32) + bytes(64), 24),
    "core_icon.ico": lambda: icon(
        struct.pack("<IHHHH", 12, 16, 32, 1, 24) + bytes(range(256)) * 3 + bytes(64), 24
    ),
}  # fmt: skip
"""Files that are as they should be."""


def opencv_tiff(compression: int) -> bytes:
    return cv2.imencode(".tif", PIXELS, [cv2.IMWRITE_TIFF_COMPRESSION, compression])[1].tobytes()


@pytest.mark.parametrize("name", GOOD)
def test_what_is_as_it_should_be_is_read_as_pillow_reads_it(tmp_path: Path, name: str) -> None:
    """Colours of 16 bits, of which Pillow keeps 8, are read as OpenCV reads them, if it does."""
    path = tmp_path / name
    path.write_bytes(GOOD[name]())
    with Image.open(path) as opened:
        opened.load()
        profile = opened.info.get("icc_profile")
        mode = opened.mode
        image = ImageOps.exif_transpose(opened)
    alpha = None
    if mode == "I":
        expected = np.asarray(image).astype(np.uint16)
    elif mode in ("1", "L"):
        expected = np.asarray(image.convert("L"))
    else:
        *colours, alpha = np.moveaxis(np.asarray(image.convert("RGBA")), -1, 0)
        expected = np.dstack(colours[::-1])
        deep = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if deep is not None and deep.dtype == np.uint16:
            expected = deep
    loaded = read_image(path)
    assert loaded.pixels.dtype == expected.dtype
    assert np.array_equal(loaded.pixels, expected)
    assert (loaded.alpha is not None) == (mode == "RGBA")
    assert loaded.alpha is None or np.array_equal(loaded.alpha, alpha)
    assert loaded.icc_profile == profile
    assert np.array_equal(decode_image(path.read_bytes(), name).pixels, expected)


@pytest.mark.parametrize(
    ("suffix", "values"),
    [
        (".hdr", np.random.default_rng(1).random((6, 9, 3)).astype(np.float32) * 0.9),
        (".tif", np.random.default_rng(2).random((6, 9, 3)).astype(np.float32)),
        (".ppm", np.random.default_rng(3).integers(0, 65536, (6, 9, 3)).astype(np.uint16)),
    ],
)
def test_what_opencv_alone_reads_is_as_opencv_reads_it(
    tmp_path: Path, suffix: str, values: np.ndarray
) -> None:
    path = tmp_path / f"image{suffix}"
    assert cv2.imwrite(str(path), values)
    expected = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if expected.dtype == np.float32:
        expected = np.rint(expected * 65535).astype(np.uint16)
    assert np.array_equal(read_image(path).pixels, expected)
    assert np.array_equal(decode_image(path.read_bytes(), "image").pixels, expected)
