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
from textsr.inference.text_height import text_height

FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def line(font_px: int, ink: int = 30, ground: int = 220) -> np.ndarray:
    """A line of text, HxW in [0, 1]."""
    font = ImageFont.truetype(str(FONT), font_px)
    text = "Amounts due by Friday"
    image = Image.new("L", (int(font.getlength(text)) + 20, 2 * font_px), ground)
    ImageDraw.Draw(image).text((10, font_px // 3), text, ink, font)
    return np.asarray(image, np.float32) / 255


def judged(grey: np.ndarray) -> bool:
    height = text_height(grey)
    assert height is not None
    return is_sharp_already(grey, height)


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
    assert judged(sharp + added)
    assert not judged(blurred + added)


def test_noise_is_not_taken_for_edges() -> None:
    blurred = cv2.GaussianBlur(line(60), (0, 0), 4)
    noisy = np.clip(blurred + np.random.default_rng(0).normal(0, 0.08, blurred.shape), 0, 1)
    assert edge_sharpness(noisy) > 0.35
    assert not judged(noisy.astype(np.float32))


@pytest.mark.parametrize("font_px", [10, 16, 22])
def test_small_text_is_the_networks_however_sharp(font_px: int) -> None:
    assert edge_sharpness(line(font_px)) > 0.35
    assert not judged(line(font_px))


@pytest.mark.parametrize("width", [1, 2, 5, 10])
def test_sharpness_is_the_inverse_of_an_edges_width(width: int) -> None:
    period = np.interp(np.arange(80), [20, 20 + width, 60, 60 + width], [0, 200, 200, 0])
    assert edge_sharpness(np.tile(period, (30, 3))) == pytest.approx(1 / width, rel=0.05)


def test_a_large_image_is_judged_by_rows_and_columns_at_equal_distances() -> None:
    """A page of the same line over and over is as sharp as one of them."""
    one = cv2.GaussianBlur(line(40), (0, 0), 1)
    page = np.tile(one, (60, 4))
    assert page.size > 4_000_000
    assert edge_sharpness(page) == pytest.approx(edge_sharpness(one), rel=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (30, 40)])
def test_an_image_of_one_tone_has_none(shape: tuple[int, int]) -> None:
    assert edge_sharpness(np.full(shape, 128, np.uint8)) is None
