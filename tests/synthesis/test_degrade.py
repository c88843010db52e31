"""Effects, each against what it is meant to do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from textsr.params import Params
from textsr.synthesis import degrade as d

seeds = st.integers(0, 2**32 - 1)


def noise_image(seed: int, height: int = 64, width: int = 96) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)


@settings(max_examples=40, deadline=None)
@given(
    seed=seeds,
    scale=st.sampled_from([2, 4]),
    columns=st.integers(4, 40),
    first=st.floats(0.1, 2),
)
def test_output_is_8_bit_of_the_right_size_and_repeatable(
    tiny_params: Params, seed: int, scale: int, columns: int, first: float
) -> None:
    image = noise_image(seed, 16 * scale, columns * 4 * scale)
    kept = image.copy()
    update = {"first_resize": (first, first)}
    params = tiny_params.synthesis.degradation.model_copy(update=update)
    one = d.degrade(image, params, scale, np.random.default_rng(seed))
    two = d.degrade(image, params, scale, np.random.default_rng(seed))
    assert one.image.dtype == np.uint8
    assert one.image.shape == (16, columns * 4)
    assert np.array_equal(one.image, two.image)
    assert one.parameters == two.parameters
    assert np.array_equal(image, kept), "the HR line is stored after it was degraded"
    resized = float(one.parameters["resize_1"]) * float(one.parameters["resize_2"])
    assert resized == pytest.approx(1 / scale)


@pytest.mark.parametrize("effect", ["blur", "motion", "noise", "jpeg"])
def test_each_effect_is_applied_at_its_probability_and_recorded(
    tiny_params: Params, effect: str
) -> None:
    names = ("blur", "motion", "noise", "jpeg")
    update = {f"{name}_probability": 0.6 * (name == effect) for name in names}
    params = tiny_params.synthesis.degradation.model_copy(update=update)
    column = {
        "blur": "blur_sigma_x",
        "motion": "motion_length",
        "noise": "noise_sigma",
        "jpeg": "jpeg_quality",
    }
    image = noise_image(0)
    rng = np.random.default_rng(0)
    recorded = [d.degrade(image, params, 4, rng).parameters for _ in range(300)]
    for name in names:
        for order in (1, 2):
            share = np.mean([used[f"{column[name]}_{order}"] > 0 for used in recorded])
            assert share == pytest.approx(0.6 * (name == effect), abs=0.1)


def test_without_effects_degradation_is_two_resizes(tiny_params: Params) -> None:
    update = {f"{name}_probability": 0.0 for name in ("blur", "motion", "noise", "jpeg")}
    params = tiny_params.synthesis.degradation.model_copy(
        update=update | {"first_resize": (1.0, 1.0)}
    )
    image = noise_image(3)
    for seed in range(5):
        out = d.degrade(image, params, 4, np.random.default_rng(seed))
        kernel = str(out.parameters["resize_kernel_2"])
        expected = d.resize(image.astype(np.float32), (24, 16), kernel)
        assert np.abs(out.image - np.clip(expected, 0, 255)).max() <= 0.5


@settings(max_examples=30, deadline=None)
@given(level=st.integers(0, 255), seed=seeds)
def test_a_blank_image_stays_blank_without_noise(
    tiny_params: Params, level: int, seed: int
) -> None:
    params = tiny_params.synthesis.degradation.model_copy(update={"noise_probability": 0})
    image = np.full((64, 128), level, np.uint8)
    out = d.degrade(image, params, 4, np.random.default_rng(seed)).image
    assert np.abs(out.astype(int) - level).max() <= 3  # JPEG's own rounding


@given(sigma=st.floats(0.35, 3), angle=st.floats(0, 180), seed=seeds)
@settings(max_examples=20, deadline=None)
def test_round_blur_is_scipys_gaussian(sigma: float, angle: float, seed: int) -> None:
    plane = noise_image(seed).astype(np.float32)
    ours = d.blur(plane, sigma, sigma, angle)
    radius = int(np.ceil(3 * sigma))
    reference = ndimage.gaussian_filter(plane, sigma, mode="nearest", radius=radius)
    assert np.abs(ours - reference).max() < 0.01


@given(
    sigma_x=st.floats(0, 4),
    sigma_y=st.floats(0, 4),
    length=st.floats(0, 9),
    angle=st.floats(0, 180),
)
@settings(max_examples=40, deadline=None)
def test_blurs_neither_brighten_darken_nor_shift(
    sigma_x: float, sigma_y: float, length: float, angle: float
) -> None:
    plane = np.zeros((41, 41), np.float32)
    plane[20, 20] = 1
    y, x = np.mgrid[-20:21, -20:21]
    for blurred in (d.blur(plane, sigma_x, sigma_y, angle), d.motion_blur(plane, length, angle)):
        assert blurred.min() >= -1e-6
        assert blurred.sum() == pytest.approx(1, abs=1e-4)
        assert (blurred * x).sum() == pytest.approx(0, abs=1e-3)
        assert (blurred * y).sum() == pytest.approx(0, abs=1e-3)


def test_blur_without_extent_does_nothing() -> None:
    plane = noise_image(2).astype(np.float32)
    assert np.allclose(d.blur(plane, 0, 0, 33), plane, atol=1e-3)
    for angle in (0, 45, 90):
        assert np.allclose(d.motion_blur(plane, 0, angle), plane, atol=1e-3)


def test_blur_turns_with_its_angle() -> None:
    plane = np.zeros((41, 41), np.float32)
    plane[20, 20] = 1
    wide = d.blur(plane, 4, 1, 0)
    assert wide[20, 26] > 10 * wide[26, 20]
    assert np.allclose(d.blur(plane, 4, 1, 90), wide.T, atol=1e-6)
    assert wide.sum() == pytest.approx(1, abs=1e-4)


def test_motion_blur_is_a_line_of_the_stated_length() -> None:
    plane = np.zeros((41, 41), np.float32)
    plane[20, 20] = 1
    streak = d.motion_blur(plane, 7, 0)
    assert np.count_nonzero(streak > 0.05) == 7
    assert np.count_nonzero(streak[20] > 0.05) == 7
    assert streak.sum() == pytest.approx(1, abs=1e-5)
    assert np.allclose(d.motion_blur(plane, 7, 90), streak.T, atol=1e-6)


def test_noise_has_the_stated_deviation() -> None:
    plane = np.full((400, 400), 100, np.float32)
    noisy = d.add_noise(plane, 5, np.random.default_rng(0))
    assert noisy.std() == pytest.approx(5, rel=0.02)
    assert noisy.mean() == pytest.approx(100, abs=0.1)


@pytest.mark.parametrize("kernel", ["area", "linear", "cubic"])
def test_resize_keeps_a_constant_and_gives_the_size(kernel: str) -> None:
    out = d.resize(np.full((64, 80), 77, np.float32), (20, 16), kernel)
    assert out.shape == (16, 20)
    assert np.allclose(out, 77, atol=1e-3)


def test_jpeg_loses_more_at_lower_quality() -> None:
    plane = ndimage.gaussian_filter(noise_image(1).astype(np.float32), 1)
    losses = [np.abs(d.compress_jpeg(plane, q) - plane).mean() for q in (100, 80, 30)]
    assert losses[0] < 0.6
    assert losses == sorted(losses)
