"""What is measured, on images whose properties are known."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import LineReader

from textsr.config.params import Tolerance
from textsr.datasets.shards import decode_grey, iterate_rows
from textsr.images.grey import Image
from textsr.inference.torch_backend import TorchBackend
from textsr.monitoring.measure import (
    UNITS,
    measure_image,
    measure_images,
)
from textsr.ocr.rapidocr_engine import RapidOCREngine
from textsr.pretrained import load_pretrained

RNG = np.random.default_rng(0)


def strokes(height: int = 16, width: int = 96, *, ink: int = 40, ground: int = 200) -> Image:
    """Bars of a letter's width on a third of the ground, softened as a lens does."""
    image = np.full((height * 4, width * 4), ground, np.uint8)
    for left in range(16, width * 4 - 16, 28):
        image[height : 3 * height, left : left + 9] = ink
    soft = cv2.GaussianBlur(image, (0, 0), 2.0)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def noisy(image: Image, sigma: float, seed: int = 0) -> Image:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def as_jpeg(image: Image, quality: int) -> Image:
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)


def value(image: Image, name: str) -> float:
    found = measure_image(image)[name]
    assert found is not None
    return found


def test_every_property_has_a_unit_and_a_tolerance() -> None:
    assert list(UNITS) == list(Tolerance.model_fields)
    assert set(measure_image(strokes())) < set(UNITS)


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    constant=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_image_is_measured_or_left_out(
    height: int, width: int, constant: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width)).astype(np.uint8)
    if constant:
        image[:] = image[0, 0]
    measured = measure_image(image)
    assert measured["height_px"] == height
    for name, found in measured.items():
        assert found is None or (np.isfinite(found) and found >= 0), name
    if constant:
        assert measured["contrast_levels"] == 0
        assert measured["sharpness"] is None
        assert measured["noise_levels"] in (0, None)


@pytest.mark.parametrize("sigma", [2.0, 5.0, 12.0])
def test_noise_is_what_was_added_on_plain_ground_and_not_twice_that_among_strokes(
    sigma: float,
) -> None:
    ground, line = (
        np.mean([value(noisy(image, sigma, seed), "noise_levels") for seed in range(30)])
        for image in (np.full((16, 96), 128, np.uint8), strokes())
    )
    assert ground == pytest.approx(sigma, rel=0.1)
    assert sigma < line < 2 * sigma


@given(ink=st.integers(0, 90), ground=st.integers(120, 255))
def test_contrast_is_between_ink_and_ground(ink: int, ground: int) -> None:
    assert value(strokes(ink=ink, ground=ground), "contrast_levels") == pytest.approx(
        ground - ink, rel=0.2
    )


@given(contrast=st.integers(60, 200), inverted=st.booleans())
def test_sharpness_depends_on_neither_contrast_nor_polarity(contrast: int, inverted: bool) -> None:
    ink, ground = (220, 220 - contrast) if inverted else (220 - contrast, 220)
    plain = value(strokes(), "sharpness")
    assert value(strokes(ink=ink, ground=ground), "sharpness") == pytest.approx(plain, rel=0.1)


def test_sharpness_falls_with_every_blur() -> None:
    found = [value(strokes(), "sharpness")]
    for sigma in (0.6, 1.0, 1.5, 2.5):
        found.append(value(cv2.GaussianBlur(strokes(), (0, 0), sigma), "sharpness"))
    assert found == sorted(found, reverse=True)
    assert found[-1] < found[0] / 2


def test_a_dash_on_empty_paper_is_not_boundlessly_sharp() -> None:
    paper = np.full((16, 96), 200, np.uint8)
    paper[:, :10] = 199
    paper[6:8, 40:70] = 20
    assert value(paper, "contrast_levels") == 1
    assert value(paper, "sharpness") == 2


@settings(deadline=None)
@given(
    quality=st.integers(20, 80),
    top=st.integers(0, 7),
    left=st.integers(0, 7),
    seed=st.integers(0, 99),
)
def test_blocks_stand_out_wherever_the_line_was_cut_out(
    quality: int, top: int, left: int, seed: int
) -> None:
    page = noisy(strokes(32, 160), 3, seed)
    cut = slice(top, top + 20), slice(left, left + 128)
    before, after = value(page[cut], "blocking"), value(as_jpeg(page, quality)[cut], "blocking")
    assert before < 0.1
    assert after > 0.15


def test_resizing_takes_the_blocks_away() -> None:
    page = as_jpeg(noisy(strokes(32, 160), 3), 40)
    smaller = cv2.resize(page, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    assert value(np.asarray(smaller, np.uint8), "blocking") < value(page, "blocking") / 2


@pytest.fixture(scope="module")
def engine() -> RapidOCREngine:
    return RapidOCREngine(1)


def test_confidence_is_high_on_print_and_nil_on_nothing(engine: RapidOCREngine, dataset) -> None:
    lines = [decode_grey(row["hr"]["bytes"]) for row in iterate_rows(dataset / "train", ["hr"])]
    assert np.median(engine.confidence(lines[:12])) > 0.9
    paper, dot = np.full((16, 80), 255, np.uint8), np.zeros((1, 1), np.uint8)
    static = RNG.integers(0, 256, (16, 80)).astype(np.uint8)
    on_paper, on_dot, on_static = engine.confidence([paper, dot, static])
    assert on_paper == on_dot == 0
    assert on_static < 0.7


class Recording(LineReader):
    """Notes the sizes it is shown; as sure as an image is wide."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, ...]] = []

    def confidence(self, lines: Sequence[Image]) -> list[float]:
        self.shown += [line.shape for line in lines]
        return [line.shape[1] / 1000 for line in lines]


def test_images_at_equal_distances_are_read_as_they_are_and_upscaled() -> None:
    images = [strokes(width=40 + number) for number in range(9)]
    recording, ticks = Recording(), []
    measured = measure_images(
        images, 3, TorchBackend(load_pretrained()), recording, lambda: ticks.append(1)
    )
    assert list(measured.columns) == list(UNITS)
    assert len(measured) == len(ticks) == 9
    assert recording.shown == [(16, 40), (64, 160), (16, 44), (64, 176), (16, 48), (64, 192)]
    read = measured["confidence_before"].dropna()
    assert read.index.tolist() == [0, 4, 8]
    assert measured["confidence_after"].dropna().tolist() == [0.16, 0.176, 0.192]
    assert measured["sharpness"].notna().all()


def test_none_are_read_where_none_is_to_be() -> None:
    measured = measure_images(
        [strokes()] * 3, 0, TorchBackend(load_pretrained()), Recording(), lambda: None
    )
    assert measured[["confidence_before", "confidence_after"]].isna().all(axis=None)
    assert list(
        measure_images([], 5, TorchBackend(load_pretrained()), Recording(), lambda: None)
    ) == list(UNITS)
