"""Effects on the ground and the light."""

import numpy as np
import pytest

from textsr.synthesis import surface

SIZE = (64, 400)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_gradient_rises_by_its_levels_across_the_line() -> None:
    for seed in range(10):
        plane = surface.gradient(*SIZE, 40, rng(seed))
        # From side to side to corner to corner, by direction.
        assert 40 - 1e-3 <= np.ptp(plane) <= 40 * 2**0.5 + 1e-3
        assert plane.mean() == pytest.approx(0, abs=1e-3)
        assert np.abs(np.diff(plane, n=2, axis=1)).max() < 1e-3


@pytest.mark.parametrize("paint", [surface.grain, surface.clutter])
def test_textures_have_the_stated_deviation(paint: object) -> None:
    planes = [paint(*SIZE, 6, 1.0, rng(seed)) for seed in range(200)]  # type: ignore[operator]
    assert np.std(np.concatenate(planes)) == pytest.approx(6, rel=0.12)


def test_rules_are_a_pitch_apart_and_of_the_stated_levels() -> None:
    shapes = set()
    for seed in range(20):
        plane = surface.ruling(64, 300, -30, 20, 1.0, rng(seed))
        assert -30 <= plane.min() < -14  # a rule is a pixel and a half wide
        assert plane.max() == 0
        shapes.add("ruled" if np.ptp(plane, axis=1).max() == 0 else "squared")
        # A row between the rules shows the squares' columns, and a column between those the rules.
        for across in (plane.max(axis=1), plane.max(axis=0)):
            strong = np.flatnonzero(across < -7)
            assert set(np.diff(strong)) <= {1, 18, 19, 20}
    assert shapes == {"ruled", "squared"}


def test_stains_darken_a_part() -> None:
    shares = []
    for seed in range(100):
        plane = surface.stain(*SIZE, -50, 1.0, rng(seed))
        assert -50 <= plane.min() <= plane.max() <= 0
        shares.append((plane < -25).mean())
    assert np.mean(shares) == pytest.approx(0.2, abs=0.05)


def test_the_back_shows_mirrored_and_soft() -> None:
    coverage = np.zeros(SIZE, np.float32)
    coverage[20:40, 100:130] = 1
    coverage[20:30, 130:140] = 1  # a step to the right of the block
    plane = surface.show_through(coverage, -20, 1.0, rng())
    assert -20 <= plane.min() < -15
    assert plane.max() <= 0
    assert plane.sum() == pytest.approx(-20 * coverage.sum(), rel=0.02)
    assert np.abs(np.diff(plane, axis=1)).max() < 8
    columns = np.flatnonzero(np.roll(plane, 0).min(axis=0) < -10)
    rows = [np.count_nonzero(plane[:, column] < -10) for column in columns[[2, -3]]]
    if np.ptp(columns) < 60:  # not wrapped around
        assert rows[0] < rows[1], "the step is on the left"


def test_shadow_takes_its_share_on_one_side() -> None:
    for seed in range(20):
        light = surface.shadow(*SIZE, 0.4, 1.0, rng(seed))
        assert 0.6 - 1e-5 <= light.min() < 0.61
        assert light.max() == pytest.approx(1)
        ends = sorted([light[:, :4].mean(), light[:, -4:].mean()])
        assert ends[0] < 0.8 < ends[1]
