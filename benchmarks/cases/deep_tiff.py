"""TIFFs of 16 bits in colour, which Pillow does not write."""

import struct
from pathlib import Path

import numpy as np

_SHORT, _LONG, _RATIONAL, _BYTES = 3, 4, 5, 7
_HEAD = 8  # bytes


def write_deep_tiff(path: Path, values: np.ndarray, *, dpi: int, profile: bytes) -> None:
    """Write HxWx3 values of 16 bits, red, green and blue, uncompressed (TIFF 6.0, section 6)."""
    height, width, channels = values.shape
    pixels = values.astype("<u2").tobytes()
    beside = b""

    def put(content: bytes) -> int:
        """Keep what does not fit into an entry; return where it will lie."""
        nonlocal beside
        place = _HEAD + len(pixels) + len(beside)
        beside += content + bytes(len(content) % 2)
        return place

    resolution = struct.pack("<II", dpi, 1)
    entries = [
        (256, _LONG, 1, width),
        (257, _LONG, 1, height),
        (258, _SHORT, channels, put(struct.pack("<3H", 16, 16, 16))),
        (259, _SHORT, 1, 1),  # no compression
        (262, _SHORT, 1, 2),  # red, green and blue
        (273, _LONG, 1, _HEAD),
        (277, _SHORT, 1, channels),
        (278, _LONG, 1, height),
        (279, _LONG, 1, len(pixels)),
        (282, _RATIONAL, 1, put(resolution)),
        (283, _RATIONAL, 1, put(resolution)),
        (296, _SHORT, 1, 2),  # inches
        (34675, _BYTES, len(profile), put(profile)),
    ]
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    start = _HEAD + len(pixels) + len(beside)
    path.write_bytes(b"II*\0" + struct.pack("<I", start) + pixels + beside + directory)
