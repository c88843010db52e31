"""Ways to damage a file: of any bytes, and of files whose parts and checksums are known."""

import random
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

MOST = 4_000_000
"""Bytes that a damaged file has at most, about: the law is about small files that ask for much."""

_NUMBERS = (
    *(0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100, 127, 128, 255, 256, 257, 1000),
    *(4095, 4096, 16383, 16384, 30_000, 32767, 32768, 65535, 65536, 1 << 20, (1 << 24) - 1),
    *((1 << 31) - 1, 1 << 31, (1 << 32) - 16, (1 << 32) - 1, (1 << 62), (1 << 64) - 1),
)
_DIGITS = b"0123456789"


def damage(content: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    """Damage a file once, whatever it is; `others` are files that pieces are taken from."""
    return draw.choice(_WAYS)(content, others, draw)[:MOST]


def _place(content: bytes, draw: random.Random) -> int:
    """Draw a place: half of them at the beginning, where headers lie."""
    most = len(content) if draw.random() < 0.5 else min(len(content), 128)
    return draw.randrange(most + 1)


def _span(content: bytes, draw: random.Random) -> tuple[int, int]:
    start = _place(content, draw)
    return start, min(start + draw.choice((1, 1, 2, 4, 8, 12, 16, 64, 500)), len(content))


def _flip(content: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 5, 30))):
        if changed:
            place = min(_place(content, draw), len(changed) - 1)
            changed[place] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _number(content: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    size = draw.choice((1, 2, 2, 4, 4, 8))
    order = draw.choice(("little", "big"))
    place = _place(content, draw)
    value = draw.choice(_NUMBERS) % (1 << 8 * size)
    if draw.random() < 0.3:  # near what stands there
        there = int.from_bytes(content[place : place + size], order)
        value = (there + draw.choice((-1, 1, -2, 2, 16, -16))) % (1 << 8 * size)
    return content[:place] + value.to_bytes(size, order) + content[place + size :]


def _random(content: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    start, end = _span(content, draw)
    return content[:start] + draw.randbytes(end - start) + content[end:]


def _insert(content: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    place = _place(content, draw)
    return content[:place] + draw.randbytes(draw.choice((1, 2, 4, 100))) + content[place:]


def _remove(content: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    start, end = _span(content, draw)
    return content[:start] + content[end:]


def _repeat(content: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    start, end = _span(content, draw)
    times = draw.choice((2, 3, 10, 100, 1000, 20_000))
    return (
        content[:start] + content[start:end] * min(times, MOST // (end - start + 1)) + content[end:]
    )


def _cut(content: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def _splice(content: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    other = draw.choice(others)
    place = draw.randrange(len(content) + 1)
    start = min(place, len(other)) if draw.random() < 0.5 else draw.randrange(len(other) + 1)
    return content[:place] + other[start:]


def _fill(content: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    start, end = _span(content, draw)
    return content[:start] + draw.choice((b"\0", b"\xff")) * (end - start) + content[end:]


def _write_digits(content: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    """Write another number in place of one that is text."""
    places = [place for place, byte in enumerate(content[:2000]) if byte in _DIGITS]
    if not places:
        return _number(content, others, draw)
    start = end = draw.choice(places)
    while end < len(content) and content[end] in _DIGITS:
        end += 1
    written = str(draw.choice((*_NUMBERS, -1, 10**9, 10**10, 10**40))).encode()
    return content[:start] + written + content[end:]


_WAYS: tuple[Callable[[bytes, Sequence[bytes], random.Random], bytes], ...] = (
    *(_flip, _flip, _number, _number, _number, _random, _insert, _remove, _repeat, _cut, _splice),
    *(_fill, _write_digits),
)


@dataclass(frozen=True)
class Part:
    """A piece of a file: a chunk, a segment, a box.

    Attributes:
        kind: what it is called in the file.
        data: what it holds.
        packed: whether `data` is deflated in the file.
    """

    kind: bytes
    data: bytes
    packed: bool = False


Split = Callable[[bytes], list[Part]]
Join = Callable[[Sequence[Part]], bytes]


def damage_parts(
    content: bytes, others: Sequence[bytes], draw: random.Random, split: Split, join: Join
) -> bytes:
    """Damage a file part by part, and put it together with lengths and checksums that fit."""
    parts = split(content)
    if not parts:
        return damage(content, others, draw)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        if not 0 < sum(len(part.data) for part in parts) < MOST:
            break
        place = draw.randrange(len(parts))
        part = parts[place]
        match draw.randrange(8):
            case 0:
                del parts[place]
            case 1:
                times = draw.choice((1, 1, 2, 200, 3000))
                parts[place:place] = [part] * min(times, MOST // (len(part.data) + 1))
            case 2:
                other = draw.randrange(len(parts))
                parts[place], parts[other] = parts[other], parts[place]
            case 3:
                foreign = split(draw.choice(others))
                parts.insert(place, draw.choice(foreign) if foreign else part)
            case 4:
                kind = bytearray(part.kind)
                if kind:
                    kind[draw.randrange(len(kind))] ^= 1 << draw.randrange(8)
                parts[place] = replace(part, kind=bytes(kind))
            case _:
                datas = [one.data for one in parts]
                parts[place] = replace(part, data=damage(part.data, datas, draw))
    return join(parts)[:MOST]


def unpack(data: bytes) -> bytes | None:
    """Inflate what is small when it is inflated; None if it is not deflated as a whole."""
    machine = zlib.decompressobj()
    try:
        found = machine.decompress(data, MOST)
    except zlib.error:
        return None
    return found if machine.eof else None


_PNG = b"\x89PNG\r\n\x1a\n"
_TEXT_HEAD = {b"zTXt": 2, b"iCCP": 2}  # bytes beside the name, in front of what is deflated


def split_png(content: bytes) -> list[Part]:
    """Return a PNG's chunks; those of pixels are joined and inflated."""
    parts: list[Part] = []
    place = len(_PNG)
    pixels = b""
    while place + 12 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        data = content[place + 8 : place + 8 + size]
        place += 12 + size
        if kind == b"IDAT":
            pixels += data
            continue
        if pixels:
            parts.append(_inflated(b"IDAT", pixels))
            pixels = b""
        parts.append(Part(kind, data))
    if pixels:
        parts.append(_inflated(b"IDAT", pixels))
    return parts


def _inflated(kind: bytes, data: bytes) -> Part:
    inner = unpack(data)
    return Part(kind, data) if inner is None else Part(kind, inner, packed=True)


def join_png(parts: Sequence[Part]) -> bytes:
    """Return a PNG of chunks, with their checksums."""
    made = [_PNG]
    for part in parts:
        data = zlib.compress(part.data) if part.packed else part.data
        kind = part.kind[:4].ljust(4, b"x")
        made += [struct.pack(">I", len(data)), kind, data]
        made.append(struct.pack(">I", zlib.crc32(kind + data)))
    return b"".join(made)


def split_jpeg(content: bytes) -> list[Part]:
    """Return a JPEG's segments; what follows the start of a scan is a part of no kind."""
    parts: list[Part] = []
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        size = int.from_bytes(content[place + 2 : place + 4], "big")
        kind = content[place : place + 2]
        parts.append(Part(kind, content[place + 4 : place + 2 + size]))
        place += 2 + size
        if kind == b"\xff\xda":
            end = place
            while end < len(content) - 1 and not (
                content[end] == 0xFF and content[end + 1] not in (0, *range(0xD0, 0xD8))
            ):
                end += 1
            parts.append(Part(b"", content[place:end]))
            place = end
    parts.append(Part(b"", content[place:]))
    return parts


def join_jpeg(parts: Sequence[Part]) -> bytes:
    """Return a JPEG of segments."""
    made = [b"\xff\xd8"]
    for part in parts:
        if part.kind:
            made += [part.kind, (min(len(part.data), 65_533) + 2).to_bytes(2, "big")]
        made.append(part.data[:65_533] if part.kind else part.data)
    return b"".join(made)


def split_riff(content: bytes) -> list[Part]:
    """Return the chunks of a WebP."""
    parts: list[Part] = []
    place = 12
    while place + 8 <= len(content):
        size = int.from_bytes(content[place + 4 : place + 8], "little")
        parts.append(Part(content[place : place + 4], content[place + 8 : place + 8 + size]))
        place += 8 + size + size % 2
    return parts


def join_riff(parts: Sequence[Part]) -> bytes:
    """Return a WebP of chunks."""
    body = b"WEBP" + b"".join(
        part.kind + struct.pack("<I", len(part.data)) + part.data + bytes(len(part.data) % 2)
        for part in parts
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def split_boxes(content: bytes) -> list[Part]:
    """Return the outer boxes of an AVIF, a HEIC or a JPEG 2000."""
    parts: list[Part] = []
    place = 0
    while place + 8 <= len(content):
        size = int.from_bytes(content[place : place + 4], "big") or len(content) - place
        size = max(size, 8)
        parts.append(Part(content[place + 4 : place + 8], content[place + 8 : place + size]))
        place += size
    return parts


def join_boxes(parts: Sequence[Part]) -> bytes:
    """Return boxes one after the other."""
    return b"".join(
        struct.pack(">I", len(part.data) + 8) + part.kind[:4].ljust(4, b"x") + part.data
        for part in parts
    )


_ENTRY = 12


def split_tiff(content: bytes) -> list[Part]:
    """Return the entries of the first directory of a plain TIFF, and all else as the last part."""
    order = "<" if content[:2] == b"II" else ">"
    if len(content) < 8 or content[2:4] not in (b"*\0", b"\0*"):
        return []
    (place,) = struct.unpack_from(order + "I", content, 4)
    if place + 2 > len(content):
        return []
    (count,) = struct.unpack_from(order + "H", content, place)
    starts = range(place + 2, place + 2 + _ENTRY * count, _ENTRY)
    entries = [Part(b"", content[at : at + _ENTRY]) for at in starts]
    return [*entries, Part(b"rest", content)]


def join_tiff(parts: Sequence[Part]) -> bytes:
    """Return a TIFF whose first directory, at its end, has other entries."""
    rest = next((part.data for part in parts if part.kind == b"rest"), b"II*\0")
    order = "<" if rest[:2] == b"II" else ">"
    entries = [part.data[:_ENTRY].ljust(_ENTRY, b"\0") for part in parts if part.kind != b"rest"]
    entries = entries[:65_535]
    rest = rest[:4] + struct.pack(order + "I", len(rest)) + rest[8:]
    return rest + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)


def split_gif(content: bytes) -> list[Part]:
    """Return a GIF's head, with its colours, and its blocks."""
    if len(content) < 13:
        return []
    place = 13 + (6 << (content[10] & 7) if content[10] & 128 else 0)
    parts = [Part(b"", content[:place])]
    while place < len(content):
        start = place
        if content[place] == 0x2C and place + 10 < len(content):
            flags = content[place + 9]
            place += 11 + (6 << (flags & 7) if flags & 128 else 0)
        elif content[place] == 0x21:
            place += 2
        else:
            break
        while place < len(content) and content[place]:
            place += 1 + content[place]
        place += 1
        parts.append(Part(b"", content[start:place]))
    parts.append(Part(b"", content[place:]))
    return parts


def join_plain(parts: Sequence[Part]) -> bytes:
    """Return parts one after the other."""
    return b"".join(part.data for part in parts)


def split_lines(content: bytes) -> list[Part]:
    """Return the lines of what begins with text."""
    return [Part(b"", line) for line in content.splitlines(keepends=True)]
