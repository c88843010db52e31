"""The two passes: sizes, order, and the record of what was done."""

import numpy as np
import pytest
from effect_params import without_effects
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.config.effects import Degradation
from textsr.config.params import Params
from textsr.config.sections import effect_fields, interval_columns
from textsr.datasets.schema import DEGRADATION_COLUMNS
from textsr.synthesis import camera
from textsr.synthesis.degrade import degrade

seeds = st.integers(0, 2**32 - 1)


def noise_image(seed: int, height: int = 64, width: int = 96) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)


def plain(degradation: Degradation, **second: dict[str, object]) -> Degradation:
    """Return two resizes and nothing else, but what the second pass is given."""
    return degradation.model_copy(
        update={
            "first_size": (1.0, 1.0),
            "scanned": 0.0,
            "first": without_effects(degradation.first),
            "second": without_effects(degradation.second, **second),
        }
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=seeds,
    scale=st.sampled_from([2, 4]),
    columns=st.integers(4, 40),
    first=st.floats(0.1, 2),
)
def test_output_is_8_bit_of_the_right_size_recorded_and_repeatable(
    tiny_params: Params, seed: int, scale: int, columns: int, first: float
) -> None:
    image = noise_image(seed, 16 * scale, columns * 4 * scale)
    kept = image.copy()
    params = tiny_params.synthesis.degradation.model_copy(update={"first_size": (first, first)})
    one = degrade(image, params, scale, np.random.default_rng(seed))
    two = degrade(image, params, scale, np.random.default_rng(seed))
    assert one.image.dtype == np.uint8
    assert one.image.shape == (16, columns * 4)
    assert np.array_equal(one.image, two.image)
    assert one.parameters == two.parameters
    assert set(one.parameters) == set(DEGRADATION_COLUMNS)
    assert np.array_equal(image, kept), "the HR line is stored after it was degraded"


@pytest.mark.parametrize("order", ["first", "second"])
def test_each_effect_is_applied_and_recorded_at_its_probability(
    tiny_params: Params, order: str
) -> None:
    degradation = tiny_params.synthesis.degradation
    one = getattr(degradation, order)
    effects = list(effect_fields(type(one)))
    update = {
        name: getattr(one, name).model_copy(update={"probability": 0.1 + 0.06 * number})
        for number, (name, _) in enumerate(effects)
    }
    params = degradation.model_copy(update={order: one.model_copy(update=update)})
    rng = np.random.default_rng(0)
    image = noise_image(0, 32, 48)
    recorded = [degrade(image, params, 4, rng).parameters for _ in range(400)]
    suffix = {"first": "_1", "second": "_2"}[order]
    for number, (name, kind) in enumerate(effects):
        for column, interval in interval_columns(kind, name, suffix).items():
            values = [row[column] for row in recorded if row[column] is not None]
            share = len(values) / len(recorded)
            assert share == pytest.approx(0.1 + 0.06 * number, abs=0.1), column
            low, high = getattr(getattr(one, name), interval)
            assert min(values) >= low
            assert max(values) <= high


@pytest.mark.parametrize(
    ("image", "is_white_paper"),
    [
        (np.pad(noise_image(0, 32, 90), ((0, 0), (0, 102)), constant_values=255), True),
        (np.pad(noise_image(0, 32, 90), ((0, 0), (0, 102)), constant_values=230), False),
        (255 - np.pad(noise_image(0, 32, 90), ((0, 0), (0, 102)), constant_values=255), False),
    ],
    ids=["white", "grey", "black"],
)
def test_white_paper_is_scanned_and_all_else_photographed(
    tiny_params: Params, image: np.ndarray, is_white_paper: bool
) -> None:
    degradation = tiny_params.synthesis.degradation
    params = degradation.model_copy(
        update={
            "scanned": 0.5,
            "first": without_effects(degradation.first, lens={}),
            "scan": without_effects(degradation.scan, jpeg={}),
        }
    )
    rng = np.random.default_rng(0)
    recorded = [degrade(image, params, 4, rng).parameters for _ in range(300)]
    scanned = np.array([row["scanned"] for row in recorded])
    assert scanned.mean() == pytest.approx(0.5 if is_white_paper else 0.0, abs=0.1)
    for row in recorded:
        assert (row["jpeg_quality_1"] is not None) == row["scanned"]
        assert (row["lens_sigma_px_1"] is not None) != row["scanned"]


def test_without_effects_degradation_is_two_resizes(tiny_params: Params) -> None:
    params = plain(tiny_params.synthesis.degradation)
    image = noise_image(3)
    for seed in range(8):
        out = degrade(image, params, 4, np.random.default_rng(seed))
        kernel = str(out.parameters["kernel_2"])
        expected = camera.resize(image.astype(np.float32), (24, 16), kernel)
        assert np.abs(out.image - np.clip(expected, 0, 255)).max() <= 0.5


@pytest.mark.parametrize("scale", [2, 4])
def test_lengths_are_of_hr_at_scale_4(tiny_params: Params, scale: int) -> None:
    lens = {"sigma_px": (4.0, 4.0), "ratio": (1.0, 1.0)}
    params = plain(tiny_params.synthesis.degradation, lens=lens)
    image = noise_image(1, 16 * scale, 32 * scale)
    out = degrade(image, params, scale, np.random.default_rng(0))
    blurred = camera.blur(image.astype(np.float32), scale, scale)
    expected = camera.resize(blurred, (32, 16), str(out.parameters["kernel_2"]))
    assert np.abs(out.image - expected).max() <= 0.51


@pytest.mark.parametrize(
    ("effect", "intervals"),
    [
        ("lens", {"sigma_px": (3.0, 3.0)}),
        ("defocus", {"radius_px": (4.0, 4.0)}),
        ("motion", {"length_px": (7.0, 7.0)}),
        ("shift", {"x_px": (2.0, 2.0), "y_px": (0.0, 0.0)}),
        ("mosaic", {"saturation": (0.8, 0.8)}),
        ("noise", {"read_levels": (5.0, 5.0), "shot_levels": (5.0, 5.0)}),
        ("sharpening", {"amount": (1.0, 1.0)}),
        ("bilevel", {}),
        ("dithering", {}),
        ("jpeg", {"quality": (20.0, 20.0)}),
        ("webp", {"quality": (20.0, 20.0)}),
    ],
)
def test_each_effect_changes_the_image(
    tiny_params: Params, effect: str, intervals: dict[str, object]
) -> None:
    degradation = tiny_params.synthesis.degradation
    one_kernel = {"area": 1.0}
    images = []
    for kept in ({}, {effect: intervals}):
        params = plain(degradation, **kept)
        second = params.second.model_copy(update={"kernels": one_kernel})
        params = params.model_copy(update={"second": second})
        images.append(degrade(noise_image(3), params, 4, np.random.default_rng(0)).image)
    assert np.abs(images[0].astype(int) - images[1]).mean() > 0.5


@settings(max_examples=30, deadline=None)
@given(level=st.integers(0, 255), seed=seeds)
def test_a_blank_image_stays_blank_without_noise(
    tiny_params: Params, level: int, seed: int
) -> None:
    degradation = tiny_params.synthesis.degradation
    update = {
        order: getattr(degradation, order).model_copy(
            update={"noise": degradation.first.noise.model_copy(update={"probability": 0.0})}
        )
        for order in ("first", "scan", "second")
    }
    image = np.full((64, 128), level, np.uint8)
    params = degradation.model_copy(update=update)
    out = degrade(image, params, 4, np.random.default_rng(seed)).image
    assert np.abs(out.astype(int) - level).max() <= 4  # the files' own rounding
