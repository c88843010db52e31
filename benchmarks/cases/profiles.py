"""Profiles of colour: sRGB's, and one of a press."""

import struct
from itertools import product

from PIL import ImageCms

# In CIELAB: of no ink, of each ink alone, and of any two. The cyan of this press is a red, so that
# a conversion that does not ask the profile is seen.
_PAPER, _BLACK = (100, 0, 0), (8, 0, 0)
_ALONE: dict[tuple[int, ...], tuple[int, int, int]] = {
    (1, 0, 0, 0): (55, 70, 40),
    (0, 1, 0, 0): (60, -50, 40),
    (0, 0, 1, 0): (40, 10, -60),
}
_INKS = 4
_ONE = 65_536  # of the fixed-point numbers of profiles
_D50 = struct.pack(">3i", 63_190, 65_536, 54_061)


def srgb() -> bytes:
    """Return the profile of sRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def press() -> bytes:
    """Return a profile of inks: a table of two points for each (ICC.1:2022, 7 and 10.10)."""
    nodes = b""
    for inks in product((0, 1), repeat=_INKS):
        light, red, yellow = _ALONE.get(inks, _BLACK) if any(inks) else _PAPER
        nodes += bytes((round(light * 2.55), red + 128, yellow + 128))
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(_ONE * (place % 4 == 0) for place in range(9)))
    table = b"mft1\0\0\0\0" + bytes((_INKS, 3, 2, 0)) + identity + ramp * _INKS + nodes + ramp * 3
    name = "press".encode("utf-16-be")
    text = b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(name), 28) + name
    tags = {b"A2B0": table, b"wtpt": b"XYZ \0\0\0\0" + _D50, b"desc": text, b"cprt": text}
    index, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for tag, content in tags.items():
        padded = content + bytes(-len(content) % 4)
        index += tag + struct.pack(">II", start + len(data), len(padded))
        data += padded
    body = struct.pack(">I", len(tags)) + index + data
    head = struct.pack(">I4sI4s4s4s", 128 + len(body), b"", 0x04200000, b"prtr", b"CMYK", b"Lab ")
    return (head + bytes(12) + b"acsp" + bytes(28) + _D50).ljust(128, b"\0") + body
