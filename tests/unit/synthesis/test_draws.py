"""Draws of effects and their record."""

import numpy as np
import pytest

from textsr.config.effects import Motion
from textsr.synthesis.draws import Draws, draw_key


def test_effect_is_drawn_within_its_ranges_and_recorded_or_null() -> None:
    motion = Motion(probability=0.3, length_px=(2, 7), degrees=(10, 20))
    rng = np.random.default_rng(0)
    applied = 0
    for _ in range(1000):
        draws = Draws(rng)
        values = draws.effect("motion", motion, "_2")
        recorded = [draws.recorded["motion_length_px_2"], draws.recorded["motion_degrees_2"]]
        assert len(draws.recorded) == 2
        if values is None:
            assert recorded == [None, None]
            continue
        applied += 1
        assert recorded == values
        assert 2 <= values[0] <= 7
        assert 10 <= values[1] <= 20
    assert applied == pytest.approx(300, abs=60)


def test_probability_1_always_and_0_never() -> None:
    draws = Draws(np.random.default_rng(0))
    for probability, expected in ((1.0, True), (0.0, False)):
        motion = Motion(probability=probability, length_px=(2, 7), degrees=(0, 0))
        drawn = [draws.effect("motion", motion) is not None for _ in range(100)]
        assert drawn == [expected] * 100


def test_key_is_drawn_by_its_share() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_key({"a": 3, "b": 0, "c": 1}, rng) for _ in range(4000)]
    assert drawn.count("a") / 4000 == pytest.approx(0.75, abs=0.03)
    assert "b" not in drawn
