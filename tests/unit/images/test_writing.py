import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from textsr.errors import TextsrError
from textsr.images.image import LoadedImage
from textsr.images.reading import read_image
from textsr.images.writing import write_image

RNG = np.random.default_rng(3)


def random_image(
    colour: bool, alpha: bool, kind: type[np.unsignedinteger] = np.uint8
) -> LoadedImage:
    high = int(np.iinfo(kind).max) + 1
    shape = (5, 7, 3) if colour else (5, 7)
    return LoadedImage(
        RNG.integers(0, high, shape).astype(kind),
        RNG.integers(1, high, (5, 7)).astype(kind) if alpha else None,
    )


def assert_same(read: LoadedImage, expected: LoadedImage) -> None:
    assert read.bit_depth == expected.bit_depth
    assert np.array_equal(read.pixels, expected.pixels)
    assert (read.alpha is None) == (expected.alpha is None)
    if read.alpha is not None and expected.alpha is not None:
        assert np.array_equal(read.alpha, expected.alpha)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_what_is_written_is_read_back(
    tmp_path: Path, suffix: str, kind: type[np.unsignedinteger], colour: bool, alpha: bool
) -> None:
    image = random_image(colour, alpha, kind)
    write_image(tmp_path / f"image{suffix}", image)
    assert_same(read_image(tmp_path / f"image{suffix}"), image)


def test_webp_and_bmp_are_lossless(tmp_path: Path) -> None:
    image = random_image(colour=True, alpha=False)
    for name in ("image.webp", "image.bmp"):
        write_image(tmp_path / name, image)
        assert_same(read_image(tmp_path / name), image)
    image = random_image(colour=True, alpha=True)
    write_image(tmp_path / "image.webp", image)
    assert_same(read_image(tmp_path / "image.webp"), image)


def test_jpeg_is_close(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    pixels = np.dstack([np.tile(ramp, (64, 1)), np.tile(ramp[:, None], 64), np.full((64, 64), 90)])
    write_image(tmp_path / "image.jpg", LoadedImage(pixels.astype(np.uint8)))
    read = read_image(tmp_path / "image.jpg").pixels
    assert np.abs(read.astype(int) - pixels).max() <= 8


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
@pytest.mark.parametrize("colour", [False, True])
def test_without_alpha_the_image_is_laid_over_white(
    tmp_path: Path, suffix: str, colour: bool
) -> None:
    pixels = np.zeros((16, 16, 3) if colour else (16, 16), np.uint8)
    image = LoadedImage(pixels, np.zeros((16, 16), np.uint8))
    with pytest.warns(UserWarning, match="laid over white"):
        write_image(tmp_path / f"image{suffix}", image)
    assert (read_image(tmp_path / f"image{suffix}").pixels >= 254).all()


def test_opaque_alpha_is_dropped_without_a_warning(tmp_path: Path) -> None:
    image = LoadedImage(np.zeros((16, 16), np.uint8), np.full((16, 16), 255, np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_image(tmp_path / "image.jpg", image)
    assert (read_image(tmp_path / "image.jpg").pixels <= 1).all()


def test_16_bits_are_rounded_where_8_is_all(tmp_path: Path) -> None:
    write_image(tmp_path / "image.bmp", LoadedImage(np.full((4, 4), 257 * 77 + 100, np.uint16)))
    image = read_image(tmp_path / "image.bmp")
    assert image.bit_depth == 8
    assert (image.pixels == 77).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_the_colour_profile_is_kept(tmp_path: Path, kind: type[np.unsignedinteger]) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = replace(random_image(colour=True, alpha=False, kind=kind), icc_profile=profile)
    write_image(tmp_path / "image.png", image)
    assert Image.open(tmp_path / "image.png").info["icc_profile"] == profile
    assert_same(read_image(tmp_path / "image.png"), image)


@pytest.mark.parametrize("name", ["image.gif", "image.xyz", "image"])
def test_unknown_suffixes_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TextsrError, match=r"use one of \.bmp, .*\.png"):
        write_image(tmp_path / name, random_image(colour=False, alpha=False))


@pytest.mark.parametrize(("suffix", "side"), [(".jpg", 65_501), (".webp", 16_384)])
def test_what_exceeds_the_format_is_refused(tmp_path: Path, suffix: str, side: int) -> None:
    with pytest.raises(TextsrError, match=rf"{side}x1 pixels.*write \.png"):
        write_image(tmp_path / f"image{suffix}", LoadedImage(np.zeros((1, side), np.uint8)))


def test_a_refusing_disk_is_reported_and_the_old_file_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(b"old")

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", refuse)
    with pytest.raises(TextsrError, match=r"image\.png: cannot be written: .*No space left"):
        write_image(path, random_image(colour=False, alpha=False))
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [
        ("image.png", b"old")
    ]
