"""Large text that is sharp already, told from what is blurred, noisy or small."""

from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from textsr.inference.sharpness import edge_sharpness, is_sharp_already
from textsr.inference.text_height import find_ink

FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def line(font_px: int, ink: int = 30, ground: int = 220) -> np.ndarray:
    """A line of text, HxW in [0, 1]."""
    font = ImageFont.truetype(str(FONT), font_px)
    text = "Amounts due by Friday"
    image = Image.new("L", (int(font.getlength(text)) + 20, 2 * font_px), ground)
    ImageDraw.Draw(image).text((10, font_px // 3), text, ink, font)
    return np.asarray(image, np.float32) / 255


def sharpness_of(grey: np.ndarray) -> float | None:
    ink = find_ink(grey)
    assert ink is not None
    return edge_sharpness(grey, ink)


@settings(deadline=None, max_examples=25)
@given(
    font_px=st.integers(40, 90),
    tones=st.sampled_from([(30, 220), (220, 30), (100, 160)]),
    noise=st.sampled_from([0, 4 / 255]),
)
def test_sharp_and_blurred_large_text_are_told_apart(
    font_px: int, tones: tuple[int, int], noise: float
) -> None:
    sharp = line(font_px, *tones)
    blurred = cv2.GaussianBlur(sharp, (0, 0), font_px / 16)
    added = np.random.default_rng(0).normal(0, noise, sharp.shape).astype(np.float32)
    assert is_sharp_already(sharp + added)
    assert not is_sharp_already(blurred + added)


def test_noise_is_not_taken_for_edges() -> None:
    blurred = cv2.GaussianBlur(line(60), (0, 0), 4)
    for noise in (0.02, 0.04, 0.08):
        added = np.random.default_rng(0).normal(0, noise, blurred.shape)
        assert not is_sharp_already(np.clip(blurred + added, 0, 1).astype(np.float32)), noise


@pytest.mark.parametrize("font_px", [10, 16, 22])
def test_small_text_is_the_networks_however_sharp(font_px: int) -> None:
    assert not is_sharp_already(line(font_px))


@pytest.mark.parametrize("rows", [1, 3, 10])
@pytest.mark.parametrize("noise", [0, 3 / 255])
def test_much_paper_around_changes_nothing(rows: int, noise: float) -> None:
    sharp = line(48)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 3)
    height, width = sharp.shape
    rng = np.random.default_rng(0)
    for text, expected in ((sharp, True), (blurred, False)):
        page = np.full((rows * height, 2 * width), text[0, 0], np.float32)
        page[:height, :width] = text
        page += rng.normal(0, noise, page.shape).astype(np.float32)
        assert is_sharp_already(page) == expected


@pytest.mark.parametrize("thickness", [2, 4, 6])
def test_small_text_in_a_ruled_form_is_the_networks(thickness: int) -> None:
    """Its rules hang together, higher than any text."""
    page = np.full((600, 800), 235, np.uint8)
    for row in range(10):
        top = 20 + 56 * row
        cv2.rectangle(page, (20, top), (780, top + 56), 40, thickness)
        cv2.putText(page, "Amount due", (30, top + 35), 0, 0.5, 20, 1, cv2.LINE_AA)
    assert not is_sharp_already(page.astype(np.float32) / 255)


def test_a_headline_does_not_hide_small_text() -> None:
    page = np.full((300, 900), 235, np.uint8)
    cv2.putText(page, "Invoice", (20, 80), 0, 2.5, 20, 5, cv2.LINE_AA)
    for row in range(5):
        cv2.putText(page, "for services as agreed", (20, 140 + 30 * row), 0, 0.5, 20, 1)
    assert not is_sharp_already(page.astype(np.float32) / 255)


@pytest.mark.parametrize("sigma", [0.8, 1.5, 3.0])
def test_sharpness_falls_as_a_blur_widens_edges(sigma: float) -> None:
    """The slope in the middle of a blurred step is 1 / (sigma * sqrt(2 pi))."""
    bar = np.zeros((60, 120), np.float32)
    bar[20:40, 20:100] = 0.8
    blurred = cv2.GaussianBlur(bar, (0, 0), sigma)
    assert sharpness_of(bar) == pytest.approx(1, abs=0.01)
    assert sharpness_of(blurred) == pytest.approx(1 / (sigma * np.sqrt(2 * np.pi)), rel=0.25)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 2), (30, 40)])
def test_no_shape_or_single_tone_breaks_it(shape: tuple[int, int]) -> None:
    assert not is_sharp_already(np.full(shape, 0.5, np.float32))
    is_sharp_already(np.random.default_rng(0).random(shape).astype(np.float32))
