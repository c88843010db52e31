"""What intervals must be besides where they lie: repeatable, paired, defined for odd samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.evaluation.statistics import Bootstrap, Estimate

RESAMPLING = Bootstrap(resamples=500, confidence=0.95, seed=1)


def test_interval_is_the_same_each_time_and_another_for_another_seed() -> None:
    sample = np.random.default_rng(0).normal(size=50).tolist()
    assert RESAMPLING.mean(sample) == RESAMPLING.mean(sample)
    assert Bootstrap(500, 0.95, 2).mean(sample) != RESAMPLING.mean(sample)


def test_more_confidence_is_a_wider_interval() -> None:
    sample = np.random.default_rng(0).normal(size=400).tolist()
    widths = {}
    for confidence in (0.6827, 0.95, 0.9973):
        estimate = Bootstrap(4000, confidence, 1).mean(sample)
        widths[confidence] = (estimate.high - estimate.low) / (2 * np.std(sample) / 20)
    # One, two and three standard errors to each side.
    assert list(widths.values()) == pytest.approx([1, 1.96, 3], rel=0.1)


@pytest.mark.parametrize("truth", [0.1, 0.5])
def test_interval_of_a_paired_difference_covers_it_as_often_as_it_says(truth: float) -> None:
    """A tenth, or half, of the lines that one method misreads the other reads, never vice versa."""
    rng, quick, held = np.random.default_rng(0), Bootstrap(300, 0.95, 1), 0
    for _ in range(300):
        first = rng.random(200) < 0.3
        second = first | (rng.random(200) < truth)
        estimate = quick.difference(second.astype(float).tolist(), first.astype(float).tolist())
        held += estimate.low <= 0.7 * truth <= estimate.high
    assert 0.90 <= held / 300 <= 0.98


def test_pairing_is_what_makes_a_difference_certain() -> None:
    rng = np.random.default_rng(0)
    bicubic = (rng.random(400) < 0.5).astype(float)
    model = bicubic.copy()
    model[np.flatnonzero(bicubic == 0)[:12]] = 1  # wins 12 lines, loses none
    paired = RESAMPLING.difference(model.tolist(), bicubic.tolist())
    unpaired = RESAMPLING.difference(rng.permutation(model).tolist(), bicubic.tolist())
    assert paired.value == pytest.approx(unpaired.value) == pytest.approx(0.03)
    assert paired.excludes_zero
    assert not unpaired.excludes_zero


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=8))
def test_rate_is_a_number_whatever_the_lengths(lines: list[tuple[int, int]]) -> None:
    """A text without letters or digits has length 0; a resample may hold no other."""
    edits, lengths = zip(*lines, strict=True)
    estimate = RESAMPLING.rate(edits, lengths)
    expected = sum(edits) / sum(lengths) if sum(lengths) else 0
    assert estimate.value == pytest.approx(expected)
    assert np.isfinite(estimate.interval).all()


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=2, max_size=40))
def test_gap_closed_is_the_share_of_the_gap_or_nothing(lines: list[tuple[bool, ...]]) -> None:
    model, bicubic, hr = (list(map(float, column)) for column in zip(*lines, strict=True))
    closed = Bootstrap(100, 0.9, 1).gap_closed(model, bicubic, hr)
    gap = np.mean(hr) - np.mean(bicubic)
    if gap <= 0:
        assert closed is None
    else:
        assert closed is not None
        assert closed.value == pytest.approx((np.mean(model) - np.mean(bicubic)) / gap)
        assert np.isfinite(closed.interval).all()


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (Estimate(0.1, 0.01, 0.2), True),
        (Estimate(-0.1, -0.2, -0.01), True),
        (Estimate(0.1, 0.0, 0.2), False),
        (Estimate(-0.1, -0.2, 0.0), False),
        (Estimate(0.0, 0.0, 0.0), False),
        (Estimate(0.0, float("nan"), float("nan")), False),
    ],
)
def test_excluding_zero_is_strict(estimate: Estimate, expected: bool) -> None:
    assert estimate.excludes_zero == expected
