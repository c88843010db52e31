"""Formats that need a package, and those that are not read, each told by its content."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from textsr.errors import TextsrError
from textsr.images.reading import check_image, count_pixels, read_image

COLOUR = np.tile(np.arange(0, 256, 2, dtype=np.uint8)[:, None], (64, 1, 3))


def heic(path: Path, **options: object) -> Path:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(Image.fromarray(COLOUR)).save(path, quality=95, **options)
    return path


def test_a_heic_is_read_whatever_its_name(tmp_path: Path) -> None:
    path = heic(tmp_path / "photo.jpg")
    assert count_pixels(path) == 64 * 128
    image = read_image(path)
    assert np.abs(image.pixels.astype(int) - COLOUR).max() <= 6
    assert image.alpha is None


def test_a_heic_on_its_side_is_read_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "Phone"
    image = read_image(heic(tmp_path / "photo.heic", exif=exif.tobytes()))
    assert image.pixels.shape == (128, 64, 3)
    assert np.abs(image.pixels.astype(int) - np.rot90(COLOUR, -1)).max() <= 6
    assert image.metadata.exif is not None
    assert b"Phone" in image.metadata.exif


def test_a_heic_above_the_limit_is_refused_by_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = heic(tmp_path / "photo.heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # nothing is to be decoded
    with pytest.raises(TextsrError, match=r"photo\.heic: has more than .* megapixels"):
        read_image(path, max_pixels=1000)


def test_without_its_package_a_heic_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = (20).to_bytes(4) + b"ispe" + bytes(4) + (64).to_bytes(4) + (64).to_bytes(4)
    path = tmp_path / "photo.heic"
    path.write_bytes((20).to_bytes(4) + b"ftypheic\0\0\0\0heic" + box)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    said = r"photo\.heic: is a HEIC, which needs pillow-heif; .*pip install 'textsr\[heif\]'"
    with pytest.raises(TextsrError, match=said):
        read_image(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"%PDF-1.7\n", "is a PDF, not an image"),
        (b"\xff\x0a" + bytes(30), "is a JPEG XL, which is not read; convert it to PNG"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(30), "is a JPEG XL"),
    ],
)
def test_what_is_not_read_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "page.png"
    path.write_bytes(content)
    for look in (read_image, check_image):
        with pytest.raises(TextsrError, match=rf"page\.png: {said}"):
            look(path)


def test_an_avif_is_no_heic(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "photo.heic", "AVIF", quality=95)
    assert np.abs(read_image(tmp_path / "photo.heic").pixels.astype(int) - COLOUR).max() <= 6
