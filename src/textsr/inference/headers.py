"""What an image file says of itself before a decoder is given it.

Decoders make as much room as a file asks for. So a file's format is known by its first bytes, never
by its name, and its size is read here or, where opening it decodes nothing, by Pillow.
"""

import io
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

MOST_COUNTED = 100
"""Pictures of a file that are counted; of more it is only known that there are more."""

MOST_BESIDES = 64_000_000
"""Bytes that are read of a file besides pixels, at most: profiles, previews, texts."""

KNOWN = "AVIF, BMP, GIF, ICO, JPEG, JPEG 2000, PFM, PNG, PNM, Radiance HDR, TGA, TIFF and WebP"
"""The formats that are read, for messages."""

_MOST_READS = 50_000
_MOST_CHUNKS = 100_000  # of a PNG; as libpng writes them, they hold 800 MB
_MOST_SCANS = 100  # of a JPEG; progressive ones have about ten
_MOST_SAMPLES = 8  # channels of a TIFF; CMYK with two of alpha has six
_HEAD = 65_536  # bytes within which the headers that are text lie, and the boxes of an AVIF


class HeaderError(ValueError):
    """Why a file is not given to a decoder."""


class Header(NamedTuple):
    """What a file says of itself.

    Attributes:
        format: Pillow's name of it; `HDR`, and `PFM` of colour, are read by OpenCV alone.
        size: width and height of the largest plane that decoding takes; None where Pillow tells.
        pictures: how many there are, `MOST_COUNTED` + 1 if more; None where Pillow tells.
        is_deep: whether there may be more than 8 bits a channel.
        lines: of a PNM, PFM or HDR, the header in its plainest form, which no two readers
            understand differently.
        pixels_at: of these, where the pixels begin.
    """

    format: str
    size: tuple[int, int] | None = None
    pictures: int | None = 1
    is_deep: bool = False
    lines: bytes = b""
    pixels_at: int = 0


class _Measured(io.BufferedIOBase):
    """A stream of which only so much is read while it is opened."""

    _bytes_left: int | None = None
    _reads_left = 0

    @contextmanager
    def measured(self, most: int = MOST_BESIDES) -> Iterator[None]:
        """Refuse to read more than `most` bytes, or in too many small pieces."""
        self._bytes_left, self._reads_left = most, _MOST_READS
        try:
            yield
        finally:
            self._bytes_left = None

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any stream does.

        Raises:
            HeaderError: if that is too much.
        """
        if self._bytes_left is None:
            return super().read(size)
        if size is None or size < 0:
            place = self.tell()
            size = self.seek(0, io.SEEK_END) - place
            self.seek(place)
        self._reads_left -= 1
        if size > self._bytes_left or self._reads_left < 0:
            raise HeaderError("it holds far more than a picture of its size needs")
        content = super().read(size)
        self._bytes_left -= len(content)
        return content


class FileStream(_Measured, io.BufferedReader):
    """A file that can be measured."""


class BytesStream(_Measured, io.BytesIO):
    """Bytes that can be measured."""


Stream = FileStream | BytesStream


def read_header(stream: Stream) -> Header:
    """Read a file's header; afterwards the stream stands anywhere.

    Raises:
        HeaderError: if the format is none that is read, or the header is damaged.
    """
    start = _at(stream, 0, 32)
    for signature, read in _FORMATS:
        if signature.match(start):
            try:
                return read(stream)
            except (struct.error, IndexError, OverflowError) as error:
                raise HeaderError("its header is cut short") from error
    raise HeaderError(f"its format is none of {KNOWN}")


def _at(stream: Stream, place: int, size: int) -> bytes:
    stream.seek(place)
    return stream.read(size)


def _by_pillow(name: str, pictures: int | None = 1) -> Callable[[Stream], Header]:
    return lambda stream: Header(name, pictures=pictures)


def _read_png(stream: Stream) -> Header:
    """Walk through the chunks: decoders make room for a chunk before they read it."""
    end = stream.seek(0, io.SEEK_END)
    kind, width, height, depth = struct.unpack(">12x4sIIB", _at(stream, 0, 25))
    if kind != b"IHDR":
        raise HeaderError("its first chunk is not IHDR")
    besides, place = 0, 33
    for _ in range(_MOST_CHUNKS):
        size, kind = struct.unpack(">I4s", _at(stream, place, 8).ljust(8, b"\0"))
        place += 12 + size
        holds_pixels = kind in (b"IDAT", b"fdAT")
        besides += 0 if holds_pixels else size
        if kind == b"IHDR" or besides > MOST_BESIDES or size > MOST_BESIDES + 8 * width * height:
            raise HeaderError(f"it has a chunk {kind!r} of {size} bytes")
        if kind == b"IEND" or place > end:
            if place > end and not holds_pixels and kind.isalpha():
                raise HeaderError("its last chunk is cut short")
            return Header("PNG", (width, height), None, is_deep=depth > 8)
    raise HeaderError(f"it has more than {_MOST_CHUNKS} chunks")


_MARKER = re.compile(rb"\xff[^\0\xd0-\xd7\xff]", re.DOTALL)  # what coded pixels do not hold


def _read_jpeg(stream: Stream) -> Header:
    """Count the scans, each of which costs as much time as the whole picture; Pillow measures."""
    content = _at(stream, 0, MOST_BESIDES)
    place, scans = 2, 0
    for _ in range(_MOST_READS):
        found = _MARKER.search(content, place)
        if found is None or found[0] == b"\xff\xd9":
            break
        place = found.end() + int.from_bytes(content[found.end() : found.end() + 2])
        scans += found[0] == b"\xff\xda"
        if scans > _MOST_SCANS:
            raise HeaderError(f"it has more than {_MOST_SCANS} scans")
    return Header("JPEG", pictures=None)


def _read_gif(stream: Stream) -> Header:
    """Count the pictures; Pillow, which knows where the first one lies, tells the size."""
    stream.seek(13 + _table_bytes(_at(stream, 10, 1)[0]))
    pictures = 0
    is_data = False
    for _ in range(_MOST_READS):
        if pictures > MOST_COUNTED:
            break
        byte = stream.read(1)
        if is_data and byte:
            stream.seek(byte[0], io.SEEK_CUR)
            is_data = byte != b"\0"
        elif byte == b",":
            stream.seek(_table_bytes(stream.read(9)[8]) + 1, io.SEEK_CUR)
            pictures += 1
            is_data = True
        elif byte == b"!":
            stream.seek(1, io.SEEK_CUR)
            is_data = True
        else:
            break
    return Header("GIF", pictures=max(pictures, 1))


def _table_bytes(flags: int) -> int:
    """Return how long a GIF's table of colours is."""
    return 6 << (flags & 7) if flags & 128 else 0


_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q", 17: "q"}  # of TIFF
_WIDTH, _HEIGHT, _BITS, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 258, 277, 322, 323


class _Directories:
    """The directories of a TIFF, each of one picture."""

    def __init__(self, stream: Stream) -> None:
        start = _at(stream, 0, 16)
        self._stream = stream
        self._order = "<" if start[:1] == b"I" else ">"
        self._is_big = 43 in start[2:4]
        self._place = "Q" if self._is_big else "I"
        self._first = self._unpack(self._place, start[8 if self._is_big else 4 :])[0]

    def _unpack(self, what: str, content: bytes) -> tuple[int, ...]:
        return struct.unpack_from(self._order + what, content)

    def count(self) -> int:
        """Return how many there are, `MOST_COUNTED` + 1 if more."""
        places: dict[int, None] = {}
        place = self._first
        while place and place not in places and len(places) <= MOST_COUNTED:
            try:
                self._entries(place)
                places[place] = None
                next_place = self._stream.read(struct.calcsize(self._place))
                place = self._unpack(self._place, next_place)[0]
            except (struct.error, HeaderError):
                break  # a damaged end of the list is none of the first picture's
        return len(places)

    def first(self) -> dict[int, int]:
        """Return the numbers that the first one holds by their tags, the largest of each tag."""
        entry = "HHQ8s" if self._is_big else "HHI4s"
        found: dict[int, int] = {}
        for tag, kind, count, value in struct.iter_unpack(
            self._order + entry, self._entries(self._first)
        ):
            if tag not in (_WIDTH, _HEIGHT, _BITS, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT):
                continue
            if kind not in _NUMBERS or not 0 < count <= (_MOST_SAMPLES if tag == _BITS else 1):
                raise HeaderError(f"its tag {tag} holds not the numbers that it should")
            what = _NUMBERS[kind] * count
            if struct.calcsize(self._order + what) > len(value):
                value = _at(self._stream, self._unpack(self._place, value)[0], 8 * count)
            found[tag] = max(found.get(tag, 0), *self._unpack(what, value))
        return found

    def _entries(self, place: int) -> bytes:
        if place >= 1 << 62:
            raise HeaderError("its list of pictures is damaged")
        count, size = ("Q", 20) if self._is_big else ("H", 12)
        entries = self._unpack(count, _at(self._stream, place, struct.calcsize(count)))[0]
        if entries > 0xFFFF:
            raise HeaderError(f"it has a directory of {entries} entries")
        return self._stream.read(entries * size)


def _read_tiff(stream: Stream) -> Header:
    directories = _Directories(stream)
    tags = directories.first()
    if tags.get(_SAMPLES, 1) > _MOST_SAMPLES:
        raise HeaderError(f"it has {tags[_SAMPLES]} channels")
    image = tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)
    tile = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_HEIGHT, 0)
    size = max(image, tile, key=lambda sides: sides[0] * sides[1])
    return Header("TIFF", size, directories.count(), is_deep=tags.get(_BITS, 1) > 8)


def _read_webp(stream: Stream) -> Header:
    """Read the canvas: Pillow makes room for it when it opens the file."""
    start = _at(stream, 0, 30)
    kind = start[12:16]
    if kind == b"VP8X":
        wide, high = (int.from_bytes(start[place : place + 3], "little") for place in (24, 27))
        return Header("WEBP", (wide + 1, high + 1), None)
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", start, 21)[0]
        return Header("WEBP", ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1), None)
    wide, high = struct.unpack_from("<HH", start, 26)
    return Header("WEBP", (wide & 0x3FFF, high & 0x3FFF), None)


def _read_avif(stream: Stream) -> Header:
    """Find the largest size that is stated: Pillow reads the whole file when it opens it."""
    head = _at(stream, 0, _HEAD)
    stated = [
        *(match.groups() for match in re.finditer(rb"ispe.{4}(.{4})(.{4})", head, re.DOTALL)),
        *(match.groups() for match in re.finditer(rb"av01.{24}(..)(..)", head, re.DOTALL)),
    ]
    sizes = [(int.from_bytes(wide), int.from_bytes(high)) for wide, high in stated]
    if not sizes:
        raise HeaderError("it states no size")
    return Header("AVIF", max(sizes, key=lambda sides: sides[0] * sides[1]), None)


def _read_ico(stream: Stream) -> Header:
    """Read the largest of the icons, which are PNGs and BMPs: Pillow decodes one to open it."""
    (count,) = struct.unpack_from("<H", _at(stream, 4, 2))
    sizes = [(0, 0)]
    for (place,) in struct.iter_unpack("<12xI", stream.read(16 * count)):
        icon = _at(stream, place, 24)
        if icon.startswith(b"\x89PNG"):
            sizes.append(struct.unpack_from(">16xII", icon))
        elif len(icon) >= 12:
            wide, high = struct.unpack_from("<4xII", icon)
            sizes.append((wide, high // 2))  # a mask of as many rows follows
    return Header("ICO", max(sizes, key=lambda sides: sides[0] * sides[1]))


_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_PNM = re.compile(rb"(P[2356fF])%b(\d{1,9})%b(\d{1,9})%b([-+.\deE]{1,40})\s" % ((_GAP,) * 3))
_PBM = re.compile(rb"(P[14])%b(\d{1,9})%b(\d{1,9})\s" % ((_GAP,) * 2))
_HDR = re.compile(rb"#\?(?:[^\n]+\n)+\n-Y (\d{1,9}) \+X (\d{1,9})\n")
_RGBE = b"FORMAT=32-bit_rle_rgbe\n"


def _read_pnm(stream: Stream) -> Header:
    head = _at(stream, 0, _HEAD)
    found = _PNM.match(head) or _PBM.match(head)
    if found is None:
        raise HeaderError("its header is not as it should be")
    kind, width, height = found[1], int(found[2]), int(found[3])
    most = found[4] if found.re is _PNM else b""
    lines = b"%b\n%d %d\n%b\n" % (kind, width, height, most)
    is_deep = kind in (b"P3", b"P6") and most != b"255"
    name = "PFM" if kind == b"PF" else "PPM"
    return Header(name, (width, height), 1, is_deep, lines, found.end())


def _read_hdr(stream: Stream) -> Header:
    found = _HDR.match(_at(stream, 0, _HEAD))
    if found is None or _RGBE not in found[0]:
        raise HeaderError("its header is not as it should be, or its colours are not RGBE")
    size = int(found[2]), int(found[1])
    lines = b"#?RADIANCE\n%b\n-Y %d +X %d\n" % (_RGBE, size[1], size[0])
    return Header("HDR", size, lines=lines, pixels_at=found.end())


_FORMATS: list[tuple[re.Pattern[bytes], Callable[[Stream], Header]]] = [
    (re.compile(signature, re.DOTALL), read)
    for signature, read in (
        (rb"\x89PNG\r\n\x1a\n", _read_png),
        (rb"\xff\xd8\xff", _read_jpeg),
        (rb"(?:II|MM)(?:\*\0|\0\*|\+\0|\0\+)", _read_tiff),
        (rb"BM", _by_pillow("BMP")),
        (rb"[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", _by_pillow("DIB")),
        (rb"RIFF....WEBPVP8[ LX]", _read_webp),
        (rb"GIF8[79]a", _read_gif),
        (rb"....ftyp(?:avi[fs]|mif1|msf1)", _read_avif),
        (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", _by_pillow("JPEG2000")),
        (rb"P[1-6fF][\s#]", _read_pnm),
        (rb"#\?(?:RADIANCE|RGBE)", _read_hdr),
        (rb"\0\0\x01\0(?!\0\0)", _read_ico),
        # A TGA has no signature, but few values that each byte may have. The first are a cursor's.
        (
            rb"(?!\0\0\x02\0(?!\0\0)).[\0\x01][\x01-\x03\x09-\x0b].{13}[\x01\x08\x10\x18\x20]",
            _by_pillow("TGA"),
        ),
    )
]
"""Formats by how their files begin."""
