import numpy as np
import pytest

from textsr.images.image import LoadedImage, flatten, to_8_bit, to_float, to_integer


@pytest.mark.parametrize(("kind", "depth"), [(np.uint8, 8), (np.uint16, 16)])
def test_integers_survive_the_way_through_floats(
    kind: type[np.unsignedinteger], depth: int
) -> None:
    values = np.arange(np.iinfo(kind).max + 1, dtype=kind)
    assert np.array_equal(to_integer(to_float(values), depth), values)


def test_floats_are_clipped_and_rounded() -> None:
    values = np.array([-0.5, 0.4 / 255, 0.6 / 255, 1.5], np.float32)
    assert to_integer(values, 8).tolist() == [0, 0, 1, 255]


def test_16_bits_become_8_by_rounding() -> None:
    pixels = np.array([[0, 128, 129, 65535]], np.uint16)  # a level is 257
    image = to_8_bit(LoadedImage(pixels, alpha=pixels))
    assert image.bit_depth == 8
    assert image.pixels.tolist() == [[0, 0, 1, 255]]
    assert image.alpha is not None
    assert image.alpha.tolist() == [[0, 0, 1, 255]]


def test_flattening_shows_white_where_transparent() -> None:
    pixels = np.full((1, 3, 3), 100, np.uint8)
    image = flatten(LoadedImage(pixels, alpha=np.array([[0, 51, 255]], np.uint8)))
    assert image.alpha is None
    assert image.pixels[0, :, 0].tolist() == [255, 224, 100]  # 51 / 255 is a fifth
