"""What an image file says of itself before a decoder is given it.

Decoders make as much room as a file asks for. So a file's format is known by its first bytes, never
by its name, and its size is read here or, where opening it decodes nothing, by Pillow.
"""

import io
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

MOST_COUNTED = 100
"""Pictures of a file that are counted; of more it is only known that there are more."""

MOST_PAGES = 10_000
"""Of a document."""

MOST_BESIDES = 64_000_000
"""Bytes that are read of a file besides pixels, at most: profiles, previews, texts."""

BYTES_A_PIXEL = 32
"""Of a file, at most: four channels of 64 bits, or three of 16 as text."""

KNOWN = (
    "AVIF, BMP, GIF, HEIC, ICO, JPEG, JPEG 2000, PFM, PNG, PNM, Radiance HDR, TGA, TIFF and WebP"
)
"""The formats that are read, for messages."""

_PDF_HEAD = 1024
_MOST_READS = 50_000
_MOST_CHUNKS = 100_000  # of a PNG; as libpng writes them, they hold 800 MB
_MOST_SCANS = 100  # of a JPEG; progressive ones have about ten
_MOST_EXIF = 16  # segments of a JPEG that hold Exif; readers join them
_MOST_BLOCKS = 500_000  # of a GIF; as they are written, they hold 128 MB
_MOST_SAMPLES = 8  # channels of a TIFF; CMYK with two of alpha has six
_MOST_STRIPS = 100_000  # of a TIFF; Pillow takes as long for one as for a thousand pixels
_MOST_NUMBERS = 1_000_000  # bytes of numbers in a TIFF's other tags; a colour map takes 393,216
_MOST_COMMENTS = 100_000  # among the pixels of a PNM
_BLOCK = 1 << 20  # bytes that are read at once of a file of unknown length
_HEAD = 65_536  # bytes within which the headers that are text lie, and the boxes of an AVIF


class HeaderError(ValueError):
    """Why a file is not given to a decoder."""


class OtherKindError(HeaderError):
    """Why a file that is known and sound is not read as an image; it names the remedy."""


class Header(NamedTuple):
    """What a file says of itself.

    Attributes:
        format: Pillow's name of it; `HDR`, and `PFM` of colour, are read by OpenCV alone, and `PDF`
            by `textsr.documents`.
        size: width and height of the largest plane that decoding takes; None where Pillow tells.
        pictures: how many there are, `MOST_COUNTED` + 1 if more; None where Pillow tells.
        is_deep: whether there may be more than 8 bits a channel.
        lines: of a PNM, PFM or HDR, the header in its plainest form, which no two readers
            understand differently.
        pixels_at: of these, where the pixels begin.
        is_counted: whether the pictures were counted to the end.
    """

    format: str
    size: tuple[int, int] | None = None
    pictures: int | None = 1
    is_deep: bool = False
    lines: bytes = b""
    pixels_at: int = 0
    is_counted: bool = True


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
            if size is not None and size > _BLOCK:  # for which room is made before it is read
                size = min(size, self._bytes_behind())
            return super().read(size)
        if size is None or size < 0:
            size = self._bytes_behind()
        self._reads_left -= 1
        if size > self._bytes_left or self._reads_left < 0:
            raise HeaderError("it holds far more than a picture of its size needs")
        content = super().read(size)
        self._bytes_left -= len(content)
        return content

    def _bytes_behind(self) -> int:
        """Return how many bytes there are from here to the end."""
        place = self.tell()
        behind = self.seek(0, io.SEEK_END) - place
        self.seek(place)
        return max(behind, 0)


class FileStream(_Measured, io.BufferedReader):
    """A file that can be measured."""


class PageStream(FileStream):
    """A TIFF of several pages, as though one of them were the first."""

    def __init__(self, path: Path, patch: tuple[int, bytes]) -> None:
        """Open it; `patch` is one of `tiff_pages`."""
        super().__init__(_PatchedFile(path, patch))
        self.patch = patch


class _PatchedFile(io.FileIO):
    def __init__(self, path: Path, patch: tuple[int, bytes]) -> None:
        super().__init__(path)
        self._at, self._bytes = patch

    def readinto(self, buffer: Any, /) -> int | None:
        place = self.tell()
        count = super().readinto(buffer)
        for number, value in enumerate(self._bytes, self._at - place):
            if 0 <= number < (count or 0):
                memoryview(buffer)[number] = value
        return count


class BytesStream(_Measured, io.BytesIO):
    """Bytes that can be measured."""


Stream = FileStream | BytesStream


def read_header(stream: Stream) -> Header:
    """Read a file's header; afterwards the stream stands anywhere.

    Raises:
        HeaderError: if the format is none that is read, or the header is damaged.
    """
    start = _at(stream, 0, 32)
    if not start:
        raise HeaderError("it is empty")
    for signature, read in _FORMATS:
        if signature.match(start):
            try:
                return read(stream)
            except (struct.error, IndexError, OverflowError) as error:
                raise HeaderError("its header is cut short") from error
    # Some have other bytes before it, which readers of PDFs pass over.
    if re.search(rb"%PDF-\d\.\d", _at(stream, 0, _PDF_HEAD)):
        return Header("PDF", pictures=None)
    raise HeaderError(f"its format is none of {KNOWN}")


def _at(stream: Stream, place: int, size: int) -> bytes:
    stream.seek(place)
    return stream.read(size)


def _by_pillow(name: str, pictures: int | None = 1) -> Callable[[Stream], Header]:
    return lambda stream: Header(name, pictures=pictures)


def _read_png(stream: Stream) -> Header:
    return _walk_png(stream, 0, iter(range(_MOST_CHUNKS)))


def _walk_png(stream: Stream, place: int, numbers: Iterator[int]) -> Header:
    """Walk through the chunks: decoders make room for a chunk before they read it.

    Args:
        stream: the file.
        place: where in it the PNG begins.
        numbers: as many as there may be chunks.
    """
    end = stream.seek(0, io.SEEK_END)
    kind, width, height, depth = struct.unpack(">12x4sIIB", _at(stream, place, 25))
    if kind != b"IHDR":
        raise HeaderError("its first chunk is not IHDR")
    besides, place = 0, place + 33
    for _ in numbers:
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


_END, _SCAN, _APP1 = 0xD9, 0xDA, 0xE1
# By this, what makes a marker of the byte 255 before it becomes 1; of coded pixels nothing does.
_MARKS = bytes(x if x == 255 else x not in (0, 1, *range(0xD0, 0xD8)) for x in range(256))
_FILLING = b"\xff" * 4096  # such bytes may stand before a marker, and Pillow reads them ever again


def _read_jpeg(stream: Stream) -> Header:
    """Measure the Exif, which Pillow takes apart as it opens the file; Pillow measures the rest."""
    segments = 0
    for kind, place in _markers(stream, MOST_BESIDES):
        if kind in (_SCAN, _END):
            break
        segments += kind == _APP1 and _at(stream, place + 2, 5) == b"Exif\0"
        if segments > _MOST_EXIF:
            raise HeaderError(f"it has more than {_MOST_EXIF} segments of Exif")
    return Header("JPEG", pictures=None)


def check_scans(stream: Stream, pixels: int) -> bool:
    """Count the scans of a JPEG, each of which costs as much time as the whole picture.

    Args:
        stream: the file.
        pixels: how many it has.

    Returns:
        Whether it has its end.

    Raises:
        HeaderError: if there are too many, or the file is far longer than its pixels need.
    """
    scans = 0
    for kind, _ in _markers(stream, MOST_BESIDES + BYTES_A_PIXEL * pixels):
        if kind == _END:
            return True
        scans += kind == _SCAN
        if scans > _MOST_SCANS:
            raise HeaderError(f"it has more than {_MOST_SCANS} scans")
    return False


def with_end(stream: Stream, pixels: int) -> BytesStream:
    """Return a JPEG that is cut short with an end, for which decoders wait.

    Args:
        stream: the file.
        pixels: how many it has.

    Raises:
        HeaderError: if it is far longer than its pixels need.
    """
    stream.seek(0)
    with stream.measured(MOST_BESIDES + BYTES_A_PIXEL * pixels):
        return BytesStream(stream.read() + bytes((0xFF, _END)))


def _markers(stream: Stream, most: int) -> Iterator[tuple[int, int]]:
    """Find a JPEG's markers in its first `most` bytes, and where in the file each one's content is.

    What lies within a segment, such as a preview, is none.
    """
    start, block, marks, place = 0, b"", b"", 2
    for _ in range(_MOST_READS):
        while (found := marks.find(b"\xff\1", place, len(marks) - 2)) < 0:
            _check_filling(block[place:])
            start += max(place, len(block) - 3)  # a marker may begin in the last three
            if start > most:
                raise HeaderError("it is far longer than a picture of its size needs")
            block, place = _at(stream, start, _BLOCK), 0
            marks = block.translate(_MARKS)
            if len(block) < 4:
                return
        _check_filling(block[place:found])
        yield block[found + 1], start + found + 2
        place = found + 2 + int.from_bytes(block[found + 2 : found + 4])
    raise HeaderError("it has too many segments")


def _check_filling(content: bytes) -> None:
    if _FILLING in content:
        raise HeaderError("it holds far more than a picture of its size needs")


def _read_gif(stream: Stream) -> Header:
    """Count the pictures; Pillow, which knows where the first one lies, tells the size."""
    stream.seek(13 + _table_bytes(_at(stream, 10, 1)[0]))
    pictures = 0
    is_data = False
    for _ in range(_MOST_BLOCKS):
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
    else:
        return Header("GIF", pictures=max(pictures, 1), is_counted=False)
    return Header("GIF", pictures=max(pictures, 1))


def _table_bytes(flags: int) -> int:
    """Return how long a GIF's table of colours is."""
    return 6 << (flags & 7) if flags & 128 else 0


_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q"}  # of TIFF
_BYTES = {3: 2, 4: 4, 5: 8, 6: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Of a number by its kind; the other kinds of TIFF are texts and bytes."""

_KIND, _PREVIEW = 254, 0b101
_WIDTH, _HEIGHT, _BITS, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 258, 277, 322, 323
_OF_STRIPS, _OF_TILES, _OF_SAMPLES = (273, 279), (324, 325), (338, 339)
_PLANES = 284  # of which colours lie each by itself, if it is 2
_BELOW = 34665, 34853, 40965  # directories that Pillow takes apart with the first: Exif, GPS, more


class _Directories:
    """The directories of a TIFF, each of one picture."""

    def __init__(self, stream: Stream) -> None:
        start = _at(stream, 0, 16)
        self._stream = stream
        self._order = "<" if start[:1] == b"I" else ">"
        self._is_big = 43 in start[2:4]
        self._place = "Q" if self._is_big else "I"
        self._entry_bytes = 20 if self._is_big else 12
        self._first = self._unpack(self._place, start[8 if self._is_big else 4 :])[0]

    def _unpack(self, what: str, content: bytes) -> tuple[int, ...]:
        return struct.unpack_from(self._order + what, content)

    def walk(self) -> Iterator[int]:
        """Find where they lie, but for previews of others, without end: there may be any number.

        Raises:
            HeaderError: where the list of them is damaged.
        """
        seen: set[int] = set()
        place = self._first
        while place and place not in seen:
            seen.add(place)
            try:
                entries = self._entries(place)
                next_place = self._stream.read(struct.calcsize(self._place))
                is_preview = place != self._first and self._is_preview(entries)
                following = self._unpack(self._place, next_place)[0]
            except struct.error as error:
                raise HeaderError("its list of pictures is damaged") from error
            if not is_preview:
                yield place
            elif len(seen) > MOST_PAGES:
                raise HeaderError(f"it has more than {MOST_PAGES} previews")
            place = following

    def count(self) -> int:
        """Return how many there are, `MOST_COUNTED` + 1 if more."""
        found = 0
        with suppress(HeaderError):  # a damaged end of the list is none of the first picture's
            for _ in islice(self.walk(), MOST_COUNTED + 1):
                found += 1
        return found

    def as_first(self, place: int) -> tuple[int, bytes]:
        """Return which bytes, and where in the file, make the one at `place` the first one."""
        return (8 if self._is_big else 4), struct.pack(self._order + self._place, place)

    def _is_preview(self, entries: bytes) -> bool:
        """Whether a directory is of a smaller copy or a mask of another picture."""
        return any(
            tag == _KIND and kind in _NUMBERS and self._unpack(_NUMBERS[kind], value)[0] & _PREVIEW
            for tag, kind, _, value in self._unpack_entries(entries)
        )

    def first(self) -> dict[int, int]:
        """Return the numbers that the first one holds by their tags, the largest of each tag.

        Raises:
            HeaderError: if there are far more numbers than a picture of its size needs.
        """
        found: dict[int, int] = {}
        counts: dict[int, int] = {}
        for tag, kind, count, value in self._unpack_entries(self._entries(self._first)):
            counts[tag] = max(counts.get(tag, 0), count)
            if tag not in (_WIDTH, _HEIGHT, _BITS, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT):
                continue
            if kind not in _NUMBERS or not 0 < count <= (_MOST_SAMPLES if tag == _BITS else 1):
                raise HeaderError(f"its tag {tag} holds not the numbers that it should")
            what = _NUMBERS[kind] * count
            if struct.calcsize(self._order + what) > len(value):
                value = _at(self._stream, self._unpack(self._place, value)[0], 8 * count)
            found[tag] = max(found.get(tag, 0), *self._unpack(what, value))
        _check_counts(found, counts)
        self.check_numbers(_BELOW)
        return found

    def check_numbers(self, below: tuple[int, ...] = ()) -> None:
        """Measure the first one: Pillow makes an object of each number.

        Args:
            below: tags of directories that Pillow reads with it.

        Raises:
            HeaderError: if there are too many.
        """
        taken = 0
        places = [self._first]
        for place in places:
            entries = self._entries(place)
            whole = len(entries) // self._entry_bytes * self._entry_bytes  # Pillow reads so far
            for tag, kind, count, value in self._unpack_entries(entries[:whole]):
                if tag not in _OF_STRIPS + _OF_TILES:
                    taken += count * _BYTES.get(kind, 0)
                if tag in below and kind in _NUMBERS and count:
                    if count > 1 or len(places) > len(below):
                        raise HeaderError(f"its tag {tag} holds not the numbers that it should")
                    places.append(self._unpack(_NUMBERS[kind], value)[0])
        if taken > _MOST_NUMBERS:
            raise HeaderError(f"its tags hold {taken} bytes of numbers")

    def check_filled(self, channels: int) -> None:
        """Require that the first one has all pixels of a picture of so many channels.

        Raises:
            HeaderError: if it has fewer, or none are known to be there.
        """
        held: dict[int, tuple[int, ...]] = {}
        for tag, kind, count, value in self._unpack_entries(self._entries(self._first)):
            if tag in held:
                raise HeaderError(f"it has its tag {tag} twice")
            held[tag] = ()
            if tag in (_SAMPLES, _PLANES, *_OF_STRIPS, *_OF_TILES) and kind in _NUMBERS:
                what = _NUMBERS[kind] * count
                size = struct.calcsize(self._order + what)
                place = self._unpack(self._place, value)[0]
                held[tag] = self._unpack(
                    what, value if size <= len(value) else _at(self._stream, place, size)
                )
        end = self._stream.seek(0, io.SEEK_END)
        places, sizes = _OF_TILES if _OF_TILES[0] in held else _OF_STRIPS
        parts = list(zip(held.get(places, ()), held.get(sizes, ()), strict=False))
        is_whole = bool(parts) and all(size > 0 and place + size <= end for place, size in parts)
        if held.get(_SAMPLES, (1,)) != (channels,) or held.get(_PLANES, (1,)) != (1,):
            is_whole = False
        if not is_whole:
            raise HeaderError("it has fewer pixels than it says, or says it in a way unknown")

    def _unpack_entries(self, entries: bytes) -> Iterator[tuple[int, int, int, bytes]]:
        return struct.iter_unpack(self._order + ("HHQ8s" if self._is_big else "HHI4s"), entries)

    def _entries(self, place: int) -> bytes:
        if place >= 1 << 62:
            raise HeaderError("its list of pictures is damaged")
        count = "Q" if self._is_big else "H"
        entries = self._unpack(count, _at(self._stream, place, struct.calcsize(count)))[0]
        if entries > 0xFFFF:
            raise HeaderError(f"it has a directory of {entries} entries")
        return self._stream.read(entries * self._entry_bytes)


def _check_counts(found: dict[int, int], counts: dict[int, int]) -> None:
    """Hold how many values tags have against what a picture of such a size needs."""
    samples = found.get(_SAMPLES, 1)
    if samples > _MOST_SAMPLES:
        raise HeaderError(f"it has {samples} channels")
    width, height, tile_width, tile_height = (
        found.get(tag, 0) for tag in (_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT)
    )
    tiles = -(-width // max(tile_width, 1)) * -(-height // max(tile_height, 1))
    needed = dict.fromkeys(_OF_STRIPS, samples * height)
    needed |= dict.fromkeys(_OF_TILES, samples * tiles)
    needed |= dict.fromkeys(_OF_SAMPLES, _MOST_SAMPLES)
    for tag, most in needed.items():
        if counts.get(tag, 0) > min(most, _MOST_STRIPS):
            raise HeaderError(f"its tag {tag} holds {counts[tag]} values")


def check_filled(stream: Stream, channels: int) -> None:
    """Require that a TIFF has all pixels of a picture of so many channels.

    Of what is not there OpenCV gives what was in memory.

    Raises:
        HeaderError: if it has fewer, or none are known to be there.
    """
    _Directories(stream).check_filled(channels)


def has_planes(tags: Mapping[int, Any]) -> bool:
    """Whether the colours of a TIFF of these tags lie each by itself."""
    return tags.get(_PLANES) == 2


def check_exif(content: bytes) -> None:
    """Measure the Exif of a file, which is a TIFF without pixels.

    Raises:
        HeaderError: if Pillow would make far too many numbers of it.
    """
    with suppress(struct.error):  # Pillow makes of damaged ones what it can
        _Directories(BytesStream(content)).check_numbers(_BELOW)


def _read_tiff(stream: Stream) -> Header:
    directories = _Directories(stream)
    tags = directories.first()
    image = tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)
    tile = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_HEIGHT, 0)
    size = max(image, tile, key=lambda sides: sides[0] * sides[1])
    return Header("TIFF", size, directories.count(), is_deep=tags.get(_BITS, 1) > 8)


def tiff_pages(stream: Stream) -> list[tuple[int, bytes]]:
    """Return, for each page of a TIFF, which bytes, and where, make it the first in the file.

    Raises:
        HeaderError: if there are more than `MOST_PAGES`, or their list is damaged.
    """
    directories = _Directories(stream)
    pages = [directories.as_first(place) for place in islice(directories.walk(), MOST_PAGES + 1)]
    if len(pages) > MOST_PAGES:
        raise HeaderError(f"it has more than {MOST_PAGES} pages")
    return pages


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


def _read_isobmff(stream: Stream) -> Header:
    """Find the largest size that is stated: Pillow reads the whole file when it opens it."""
    head = _at(stream, 0, _HEAD)
    brands = head[8 : int.from_bytes(head[:4])]
    name = "AVIF" if b"avi" in brands or not re.search(_HEIF_BRANDS, brands) else "HEIF"
    stated = [
        *(match.groups() for match in re.finditer(rb"ispe.{4}(.{4})(.{4})", head, re.DOTALL)),
        # Not of an item, which has its name there.
        *(match.groups() for match in re.finditer(rb"av01\0{6}.{18}(..)(..)", head, re.DOTALL)),
    ]
    sizes = [(int.from_bytes(wide), int.from_bytes(high)) for wide, high in stated]
    if not sizes:
        raise HeaderError("it states no size")
    return Header(name, max(sizes, key=lambda sides: sides[0] * sides[1]), None)


_HEIF_BRANDS = rb"he(?:i[cxms]|v[cxms])"
"""Of pictures and sequences coded by HEVC (ISO/IEC 23008-12, annex B)."""

_RLE8, _RLE4 = 1, 2  # how a bitmap is compressed


def _read_ico(stream: Stream) -> Header:
    """Read the largest of the icons, which are PNGs and bitmaps: Pillow decodes one to open it."""
    (count,) = struct.unpack_from("<H", _at(stream, 4, 2))
    sizes = [(0, 0)]
    chunks = iter(range(_MOST_CHUNKS))
    for (place,) in struct.iter_unpack("<12xI", stream.read(16 * count)):
        icon = _at(stream, place, 24)
        if icon.startswith(b"\x89PNG"):
            sizes.append(_walk_png(stream, place, chunks).size or (0, 0))
        elif len(icon) == 24:
            wide, high = _bitmap_size(stream, place)
            sizes.append((wide, high // 2))  # a mask of as many rows follows
    return Header("ICO", max(sizes, key=lambda sides: sides[0] * sides[1]))


def _read_bmp(stream: Stream) -> Header:
    return Header("BMP", _bitmap_size(stream, 14))


def _read_dib(stream: Stream) -> Header:
    return Header("DIB", _bitmap_size(stream, 0))


def _bitmap_size(stream: Stream, place: int) -> tuple[int, int]:
    """Read the size of a bitmap, of which Pillow needs a microsecond for each run of pixels."""
    header = _at(stream, place, 20)
    if header.startswith(b"\x0c"):
        return struct.unpack_from("<4xHH", header)
    wide, high, compression = struct.unpack("<4xII4xI", header)
    high = 2**32 - high if high >= 0xFF << 24 else high  # its first row is the upper one
    size = stream.seek(0, io.SEEK_END) - place
    if compression in (_RLE8, _RLE4) and size > _HEAD + 4 * wide * high:
        raise HeaderError(f"its runs of pixels take {size} bytes")
    return wide, high


_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_PNM = re.compile(rb"(P[2356fF])%b(\d{1,9})%b(\d{1,9})%b([-+.\deE]{1,40})\s" % ((_GAP,) * 3))
_PBM = re.compile(rb"(P[14])%b(\d{1,9})%b(\d{1,9})\s" % ((_GAP,) * 2))
_HDR = re.compile(rb"#\?(?:[^\n]+\n)+\n-Y (\d{1,9}) \+X (\d{1,9})\n")
_COMMENT = re.compile(rb"#[^\r\n]*[\r\n]?")
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


def without_comments(stream: Stream, header: Header) -> BytesStream:
    """Return a PNM whose pixels are text as its plain header and pixels.

    For each comment among them, Pillow copies up to a megabyte.

    Raises:
        HeaderError: if it is far longer than its pixels need, or has too many comments.
    """
    width, height = header.size or (0, 0)
    stream.seek(header.pixels_at)
    with stream.measured(MOST_BESIDES + BYTES_A_PIXEL * width * height):
        content = stream.read()
    if content.count(b"#") > _MOST_COMMENTS:
        raise HeaderError(f"it has more than {_MOST_COMMENTS} comments")
    return BytesStream(header.lines + _COMMENT.sub(b"", content))


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
        (rb"BM", _read_bmp),
        (rb"[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", _read_dib),
        (rb"RIFF....WEBPVP8[ LX]", _read_webp),
        (rb"GIF8[79]a", _read_gif),
        (rb"....ftyp(?:avi[fs]|mif1|msf1|%b)" % _HEIF_BRANDS, _read_isobmff),
        (rb"%PDF-", _by_pillow("PDF", None)),
        (rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", _by_pillow("JXL", None)),
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
