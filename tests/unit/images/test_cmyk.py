"""Colours of ink are shown as their profile says."""

import struct
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from textsr.images.reading import read_image

PAPER, INK, BLACK = (100, 0, 0), (55, 70, 40), (0, 0, 0)
"""In CIELAB: of no ink, of cyan, which is a red in this press, and of all others."""


def press() -> bytes:
    """A profile (ICC.1:2022, sections 7 and 10.10) of a table of two points for each ink."""
    nodes = b""
    for inks in product((0, 1), repeat=4):
        light, red, yellow = PAPER if not any(inks) else INK if inks == (1, 0, 0, 0) else BLACK
        nodes += bytes((round(light * 2.55), red + 128, yellow + 128))
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *(65536, 0, 0, 0, 65536, 0, 0, 0, 65536))
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + ramp * 4 + nodes + ramp * 3
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)  # D50
    text = "press".encode("utf-16-be")
    said = b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(text), 28) + text
    tags, data = b"", b""
    place = 128 + 4 + 12 * 4
    for name, content in (
        (b"A2B0", table), (b"wtpt", white), (b"desc", said), (b"cprt", said)
    ):  # fmt: skip
        content += bytes(-len(content) % 4)
        tags += name + struct.pack(">II", place + len(data), len(content))
        data += content
    body = struct.pack(">I", 4) + tags + data
    head = struct.pack(">I4sI4s4s4s", 128 + len(body), b"", 0x04200000, b"prtr", b"CMYK", b"Lab ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + body


def srgb(lab: tuple[int, int, int]) -> np.ndarray:
    """The blue, green and red of a colour, by formulas (IEC 61966-2-1), not by a profile."""
    light, red, yellow = lab
    y = (light + 16) / 116
    x, z = y + red / 500, y - yellow / 200
    xyz = [v**3 if v > 6 / 29 else 3 * (6 / 29) ** 2 * (v - 4 / 29) for v in (x, y, z)]
    to_linear = [  # of D50, adapted by Bradford's method
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
    linear = np.clip(to_linear @ (np.array(xyz) * (0.9642, 1, 0.8249)), 0, 1)
    curved = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return curved[::-1] * 255


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
@pytest.mark.parametrize(
    ("inks", "lab"), [((0, 0, 0, 0), PAPER), ((255, 0, 0, 0), INK), ((0, 0, 0, 255), BLACK)]
)
def test_inks_have_the_colours_of_their_press(
    tmp_path: Path, suffix: str, inks: tuple[int, ...], lab: tuple[int, int, int]
) -> None:
    path = tmp_path / f"page{suffix}"
    Image.new("CMYK", (16, 16), inks).save(path, quality=100, icc_profile=press())
    image = read_image(path)
    assert np.abs(image.pixels - srgb(lab)).max() < 4
    assert image.icc_profile is None  # the colours are sRGB's now


def test_a_damaged_profile_is_as_none(tmp_path: Path) -> None:
    page = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    page.save(tmp_path / "page.tif", icc_profile=press()[:140])
    page.save(tmp_path / "plain.tif")
    expected = read_image(tmp_path / "plain.tif").pixels
    assert np.array_equal(read_image(tmp_path / "page.tif").pixels, expected)


def test_a_profile_of_other_colours_is_none_of_ink(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("CMYK", (16, 16), (255, 0, 0, 0)).save(tmp_path / "page.tif", icc_profile=profile)
    assert (read_image(tmp_path / "page.tif").pixels == (255, 255, 0)).all()
