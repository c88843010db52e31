"""The classifier tells what differs, and does not tell what does not."""

import numpy as np
import pytest

from textsr.realism.classifier import tell_apart
from textsr.synthesis.fields import cut_texture


def lines(count: int, texture: str, seed: int, height: int = 16) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        np.clip(128 + 40 * cut_texture(texture, height, 48, 1.0, rng), 0, 255).astype(np.uint8)
        for _ in range(count)
    ]


@pytest.mark.slow
def test_what_is_drawn_alike_cannot_be_told_apart() -> None:
    verdict = tell_apart(lines(60, "grain", 1), lines(60, "grain", 2), seed=0, steps=40)
    assert verdict.low < 0.55
    assert verdict.accuracy < 0.68
    assert verdict.low <= verdict.accuracy <= verdict.high


@pytest.mark.slow
def test_what_differs_is_told_apart_at_any_size() -> None:
    verdict = tell_apart(lines(40, "grain", 1, height=9), lines(40, "white", 2), seed=0, steps=40)
    assert verdict.accuracy > 0.95
    assert verdict.auc > 0.95
    assert verdict.scores.shape == (80,)
    assert verdict.scores[:40].mean() < 0 < verdict.scores[40:].mean()


@pytest.mark.slow
def test_verdict_is_repeatable() -> None:
    first, second = (
        tell_apart(lines(25, "grain", 1), lines(25, "patches", 2), seed=3, steps=10)
        for _ in range(2)
    )
    assert np.array_equal(first.scores, second.scores)
    assert (first.low, first.high) == (second.low, second.high)


@pytest.mark.slow
@pytest.mark.parametrize("swapped", [False, True])
def test_accuracy_counts_both_kinds_alike(swapped: bool) -> None:
    many, few = lines(80, "white", 1), lines(20, "grain", 2)
    verdict = tell_apart(*((few, many) if swapped else (many, few)), seed=0, steps=40)
    assert verdict.accuracy > 0.9
