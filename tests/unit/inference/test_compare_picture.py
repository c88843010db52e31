import cv2
import numpy as np
import pytest

from textsr.images.image import LoadedImage
from textsr.inference.compare import compare_picture

RNG = np.random.default_rng(5)


def find(picture: np.ndarray, panel: np.ndarray) -> tuple[int, int]:
    """Row and column at which `panel` lies in `picture`, exactly and at one place."""
    difference = cv2.matchTemplate(picture, panel, cv2.TM_SQDIFF)
    rows, columns = np.nonzero(difference <= panel.size * 0.01)
    assert len(rows) == 1
    row, column = int(rows[0]), int(columns[0])
    assert np.array_equal(
        picture[row : row + panel.shape[0], column : column + panel.shape[1]], panel
    )
    return row, column


def pair(height: int, width: int, scale: int) -> tuple[LoadedImage, LoadedImage]:
    return (
        LoadedImage(RNG.integers(0, 256, (height, width, 3)).astype(np.uint8)),
        LoadedImage(RNG.integers(0, 256, (height * scale, width * scale, 3)).astype(np.uint8)),
    )


def panels(original: LoadedImage, upscaled: LoadedImage) -> list[np.ndarray]:
    size = (upscaled.width, upscaled.height)
    return [
        cv2.resize(original.pixels, size, interpolation=cv2.INTER_NEAREST),
        cv2.resize(original.pixels, size, interpolation=cv2.INTER_CUBIC),
        np.asarray(upscaled.pixels),
    ]


def test_wide_images_are_stacked() -> None:
    original, upscaled = pair(16, 100, 4)
    picture = compare_picture(original, upscaled, 4)
    places = [find(picture, panel) for panel in panels(original, upscaled)]
    assert len({column for _, column in places}) == 1
    assert [row for row, _ in places] == sorted(row for row, _ in places)


def test_tall_images_stand_side_by_side() -> None:
    original, upscaled = pair(100, 90, 4)
    picture = compare_picture(original, upscaled, 4)
    places = [find(picture, panel) for panel in panels(original, upscaled)]
    assert len({row for row, _ in places}) == 1
    assert [column for _, column in places] == sorted(column for _, column in places)


def test_every_panel_has_a_label() -> None:
    """Over a white image, the dark pixels above each panel are its label's."""
    white = LoadedImage(np.full((16, 100), 255, np.uint8))
    picture = compare_picture(white, LoadedImage(np.full((64, 400), 255, np.uint8)), 4)
    dark = (picture < 100).any(axis=(1, 2))
    lines_of_text = np.count_nonzero(np.diff(dark.astype(int)) == 1)
    assert lines_of_text == 3


@pytest.mark.parametrize("size", [(1, 1), (5, 3)])
def test_tiny_images_leave_room_for_labels(size: tuple[int, int]) -> None:
    original, upscaled = pair(*size, 2)
    assert compare_picture(original, upscaled, 2).shape[1] > 200


def test_grey_deep_and_transparent_images_are_shown_as_8_bit_colour() -> None:
    original = LoadedImage(np.zeros((8, 80), np.uint16), np.zeros((8, 80), np.uint16))
    upscaled = LoadedImage(np.zeros((16, 160), np.uint16), np.full((16, 160), 65535, np.uint16))
    picture = compare_picture(original, upscaled, 2)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    find(picture, np.zeros((16, 160, 3), np.uint8))  # opaque black; what is transparent is white


def test_of_a_large_image_the_part_with_text_is_shown() -> None:
    pixels = np.full((300, 400), 255, np.uint8)
    text = RNG.integers(0, 2, (30, 50)).astype(np.uint8) * 255
    pixels[200:230, 310:360] = text
    upscaled = pixels.repeat(2, axis=0).repeat(2, axis=1)
    picture = compare_picture(LoadedImage(pixels), LoadedImage(upscaled), 2, max_size=(160, 120))
    assert picture.shape[0] < 3 * 200
    enlarged = cv2.cvtColor(text.repeat(2, axis=0).repeat(2, axis=1), cv2.COLOR_GRAY2BGR)
    difference = cv2.matchTemplate(picture, enlarged, cv2.TM_SQDIFF)
    # Twice: enlarged by nearest neighbour, and as given.
    assert np.count_nonzero(difference <= enlarged.size) == 2
