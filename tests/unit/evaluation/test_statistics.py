"""Intervals: where they lie, how wide they are, how often they hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.evaluation.statistics import Bootstrap

RESAMPLING = Bootstrap(resamples=1000, confidence=0.95, seed=1)
values = st.lists(st.floats(-100, 100), min_size=2, max_size=60)


@settings(max_examples=30, deadline=None)
@given(values)
def test_interval_holds_the_mean(sample: list[float]) -> None:
    estimate = RESAMPLING.mean(sample)
    assert estimate.value == pytest.approx(np.mean(sample), abs=1e-9)
    assert estimate.low - 1e-9 <= estimate.value <= estimate.high + 1e-9


def test_large_samples_agree_with_the_normal_approximation() -> None:
    sample = np.random.default_rng(0).normal(3, 2, 4000)
    estimate = RESAMPLING.mean(sample.tolist())
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * 2 / 4000**0.5, rel=0.1)


def test_constant_sample_has_no_width() -> None:
    assert RESAMPLING.mean([0.5] * 9).interval == [0.5, 0.5]


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    quick = Bootstrap(300, 0.95, 1)
    held = 0
    for _ in range(300):
        estimate = quick.mean(rng.binomial(1, 0.6, 150).astype(float).tolist())
        held += estimate.low <= 0.6 <= estimate.high
    assert 0.90 <= held / 300 <= 0.98


def test_difference_is_paired() -> None:
    first = np.random.default_rng(0).normal(0, 10, 300)
    estimate = RESAMPLING.difference((first + 0.1).tolist(), first.tolist())
    assert estimate.value == pytest.approx(0.1)
    assert estimate.high - estimate.low < 1e-6
    assert estimate.excludes_zero


def test_rate_weighs_lines_by_their_length() -> None:
    assert RESAMPLING.rate([1, 0], [1, 9]).value == pytest.approx(0.1)


def test_gap_closed_from_bicubic_to_hr() -> None:
    bicubic, hr = [1.0, 0, 0, 0] * 30, [1.0, 1, 1, 0] * 30
    half = [1.0, 1, 0, 0] * 30
    for model, expected in ((bicubic, 0.0), (half, 0.5), (hr, 1.0)):
        closed = RESAMPLING.gap_closed(model, bicubic, hr)
        assert closed is not None
        assert closed.value == pytest.approx(expected)
        assert closed.low <= expected <= closed.high
    assert RESAMPLING.gap_closed(half, hr, hr) is None
