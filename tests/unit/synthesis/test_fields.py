"""Textures: of unit deviation, of the stated grain, a pure function of the generator."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.synthesis.fields import cut_texture

TEXTURES = ("white", "grain", "clutter", "patches", "clouds")


def correlation(plane: np.ndarray, lag: int) -> float:
    return float(np.corrcoef(plane[:, lag:].ravel(), plane[:, :-lag].ravel())[0, 1])


@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 256), width=st.integers(1, 900))
@settings(max_examples=30, deadline=None)
def test_cut_is_of_the_size_asked_and_repeatable(seed: int, height: int, width: int) -> None:
    one, two = (
        cut_texture("white", height, width, 1.0, np.random.default_rng(seed)) for _ in range(2)
    )
    assert one.shape == (height, width)
    assert one.dtype == np.float32
    assert np.array_equal(one, two)


@pytest.mark.parametrize("texture", TEXTURES)
def test_whole_has_mean_0_and_deviation_1(texture: str) -> None:
    whole = cut_texture(texture, 512, 1024, 1.0, np.random.default_rng(0))
    assert whole.mean() == pytest.approx(0, abs=0.15)
    assert whole.std() == pytest.approx(1, abs=0.15)


def test_grain_grows_from_texture_to_texture_and_with_the_unit() -> None:
    rng = np.random.default_rng(0)
    reach = [
        correlation(cut_texture(texture, 512, 2048, 1.0, rng), 6)
        for texture in ("white", "grain", "patches", "clouds")
    ]
    assert reach == sorted(reach)
    assert abs(reach[0]) < 0.01
    assert reach[3] > 0.95
    small, large = (correlation(cut_texture("grain", 512, 2048, unit, rng), 2) for unit in (0.5, 1))
    assert small < large - 0.2


def test_cuts_differ() -> None:
    rng = np.random.default_rng(0)
    cuts = [cut_texture("white", 8, 8, 1.0, rng) for _ in range(20)]
    assert len({cut.tobytes() for cut in cuts}) == 20


def test_wide_lines_get_a_whole_of_their_own() -> None:
    wide = cut_texture("grain", 64, 4096, 1.0, np.random.default_rng(0))
    assert wide.shape == (64, 4096)
    assert abs(np.corrcoef(wide[:, :2048].ravel(), wide[:, 2048:].ravel())[0, 1]) < 0.05


def test_what_is_higher_than_the_texture_goes_on_without_a_seam() -> None:
    high = cut_texture("clouds", 1300, 80, 1.0, np.random.default_rng(0))
    assert high.shape == (1300, 80)
    assert high.dtype == np.float32
    steps = np.abs(np.diff(high, axis=0)).max(axis=1)
    assert steps[505:520].max() <= steps[:500].max()
    assert not np.array_equal(high[:200], high[512:712])
