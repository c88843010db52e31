from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from textsr.images.image import LoadedImage
from textsr.inference.compare import READING_PX, Legend, compare_picture

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


def rows_of(picture: np.ndarray, part: np.ndarray) -> list[int]:
    """Rows at which a part as wide as a picture lies in it, give or take rounding."""
    height = len(part)
    return [
        row
        for row in range(len(picture) - height + 1)
        if np.abs(picture[row : row + height].astype(int) - part).max() <= 1
    ]


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
    picture = compare_picture(original, upscaled)
    places = [find(picture, panel) for panel in panels(original, upscaled)]
    assert len({column for _, column in places}) == 1
    assert [row for row, _ in places] == sorted(row for row, _ in places)


def test_tall_images_stand_side_by_side() -> None:
    original, upscaled = pair(100, 90, 4)
    picture = compare_picture(original, upscaled)
    places = [find(picture, panel) for panel in panels(original, upscaled)]
    assert len({row for row, _ in places}) == 1
    assert [column for _, column in places] == sorted(column for _, column in places)


def test_above_each_line_is_what_is_read_there_from_bicubic_and_from_the_result() -> None:
    pixels = np.full((60, 150), 245, np.uint8)
    for row, text in ((20, "Due: 30 days"), (40, "Total: 17 kg")):
        cv2.putText(pixels, text, (8, row), 0, 0.4, 20, 1, cv2.LINE_AA)
    original, upscaled = LoadedImage(pixels), LoadedImage(255 - pixels.repeat(4, 0).repeat(4, 1))
    seen = []

    def read(lines: Sequence[np.ndarray]) -> dict[str, list[str]]:
        seen.append(lines)
        return {engine: ["what is read"] * len(lines) for engine in ("One", "Other")}

    plain = compare_picture(original, upscaled)
    picture = compare_picture(original, upscaled, legend=Legend("at 0.6", read))
    of_bicubic, of_result = seen
    bicubic = cv2.resize(pixels, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    assert len(of_bicubic) == len(of_result) == 2
    for lines, whole in ((of_bicubic, bicubic), (of_result, upscaled.pixels)):
        assert [len(rows_of(np.asarray(whole), line)) for line in lines] == [1, 1]
    # Each line is shown as it is, and two rows of writing lower than it was.
    assert picture.shape[1] == 2 * plain.shape[1]
    (top,), (next_top,) = (rows_of(np.asarray(bicubic), line) for line in of_bicubic)
    for lines, half in zip(seen, np.hsplit(picture[..., 0], 2), strict=True):
        (first,), (second,) = (rows_of(half[:, 8:-8], line[30:-30]) for line in lines)
        assert second - first == next_top - top + 2 * READING_PX


def test_an_image_without_text_has_no_readings() -> None:
    blank = LoadedImage(np.full((16, 100), 255, np.uint8))
    large = LoadedImage(np.full((64, 400), 255, np.uint8))

    def read(lines: Sequence[np.ndarray]) -> dict[str, list[str]]:
        raise AssertionError(f"{len(lines)} lines were read")

    assert compare_picture(blank, large, legend=Legend(read=read)).shape[2] == 3


def test_every_panel_has_a_label() -> None:
    """Over a white image, the dark pixels above each panel are its label's."""
    white = LoadedImage(np.full((16, 100), 255, np.uint8))
    picture = compare_picture(white, LoadedImage(np.full((64, 400), 255, np.uint8)))
    dark = (picture < 100).any(axis=(1, 2))
    lines_of_text = np.count_nonzero(np.diff(dark.astype(int)) == 1)
    assert lines_of_text == 3


@pytest.mark.parametrize("size", [(1, 1), (5, 3)])
def test_tiny_images_leave_room_for_labels(size: tuple[int, int]) -> None:
    original, upscaled = pair(*size, 2)
    assert compare_picture(original, upscaled).shape[1] > 200


def test_grey_deep_and_transparent_images_are_shown_as_8_bit_colour() -> None:
    original = LoadedImage(np.zeros((8, 80), np.uint16), np.zeros((8, 80), np.uint16))
    upscaled = LoadedImage(np.zeros((32, 320), np.uint16), np.full((32, 320), 65535, np.uint16))
    picture = compare_picture(original, upscaled)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    find(picture, np.zeros((32, 320, 3), np.uint8))  # opaque black; what is transparent is white


def shows(pixels: np.ndarray, part: tuple[slice, slice], max_size: tuple[int, int]) -> None:
    """Assert that a part of a grey image is in its picture; its result is its negative."""
    enlarged = pixels.repeat(4, 0).repeat(4, 1)
    picture = compare_picture(LoadedImage(pixels), LoadedImage(255 - enlarged), max_size=max_size)
    wanted = pixels[part].repeat(4, 0).repeat(4, 1)
    find(picture, np.dstack([wanted] * 3))
    find(picture, 255 - np.dstack([wanted] * 3))


def test_of_a_page_the_text_is_shown_and_no_photograph_nor_rules() -> None:
    pixels = np.full((300, 400), 245, np.uint8)
    coarse = RNG.integers(0, 256, (10, 24)).astype(np.uint8)
    pixels[10:90, 10:200] = cv2.resize(coarse, (190, 80), interpolation=cv2.INTER_CUBIC)
    for row in range(100, 140, 4):
        pixels[row : row + 2] = 20
    for row in range(180, 240, 20):
        cv2.putText(pixels, "Amount due in 30 days", (150, row), 0, 0.4, 20, 1, cv2.LINE_AA)
    shows(pixels, (slice(169, 224), slice(140, 280)), max_size=(4 * 160, 4 * 60))


def test_without_text_the_part_with_the_most_edges_is_shown() -> None:
    pixels = np.full((300, 400), 120, np.uint8)
    pixels[200:230, 310:360] += RNG.integers(0, 60, (30, 50), np.uint8)
    shows(pixels, (slice(200, 230), slice(310, 360)), max_size=(4 * 80, 4 * 60))


def test_results_of_fewer_pixels_are_shown_as_large() -> None:
    """At any factor a pixel of the original takes at least three of the screen."""
    original = LoadedImage(RNG.integers(0, 256, (60, 100)).astype(np.uint8))
    for factor in (1, 1.5, 2, 3, 4, 5):
        pixels = cv2.resize(original.pixels, None, fx=factor, fy=factor)
        picture = compare_picture(original, LoadedImage(np.asarray(pixels, np.uint8)))
        assert picture.shape[1] >= 3 * 100, factor
