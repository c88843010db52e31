"""The weight for people: looks beside bicubic's, and which of the weights it is."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textsr.evaluation.people import choose_for_people, measure_looks

WEIGHTS = (0.2, 0.4, 0.6, 1.0)


def candidates(
    gains: list[float], errors: list[float] | None = None, contrasts: list[float] | None = None
) -> list[dict]:
    rows = zip(gains, errors or [0.01] * 4, contrasts or [1.0] * 4, strict=True)
    names = ("ssim_gain", "ssim_gain_se", "contrast_gain")
    return [
        {"weight": weight, "looks": dict(zip(names, row, strict=True))}
        for weight, row in zip(WEIGHTS, rows, strict=True)
    ]


@pytest.mark.parametrize(
    ("gains", "weight"),
    [
        ([0.05, 0.09, 0.12, 0.14], 1.0),  # the best is more than an error ahead
        ([0.05, 0.09, 0.131, 0.14], 0.6),
        ([0.05, 0.14, 0.09, 0.01], 0.4),  # more of the network is not more of the looks
        ([-0.05, -0.06, -0.09, -0.2], 0.2),
    ],
)
def test_it_is_the_least_weight_within_an_error_of_the_highest_similarity(
    gains: list[float], weight: float
) -> None:
    assert choose_for_people(candidates(gains)) == weight
    assert choose_for_people(candidates(gains)[::-1]) == weight


def test_contrast_and_paper_are_kept_or_the_weight_is_none_for_people() -> None:
    rising = candidates([0.05, 0.09, 0.12, 0.14])
    assert choose_for_people(candidates([0.05, 0.09, 0.12, 0.14], None, [1, 1, 1, -0.1])) == 0.6
    paper = {0.2: 0.1, 0.4: 0.8, 0.6: 1.0, 1.0: 1.1}
    assert choose_for_people(rising, paper) == 0.6
    assert choose_for_people(rising, paper | {0.6: 1.01}) == 0.4
    # Where none keeps both, it is the one nearest to bicubic.
    assert choose_for_people(rising, dict.fromkeys(WEIGHTS, 2.0)) == 0.2


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 0.2), st.floats(-9, 9)), min_size=4,
                max_size=4))  # fmt: skip
def test_no_weight_that_is_allowed_is_better_by_more_than_the_error(
    rows: list[tuple[float, float, float]],
) -> None:
    made = candidates(*(list(column) for column in zip(*rows, strict=True)))
    chosen = WEIGHTS.index(choose_for_people(made))
    allowed = [number for number, row in enumerate(rows) if row[2] >= 0]
    if not allowed:
        assert chosen == 0
        return
    best = max(allowed, key=lambda number: rows[number][0])
    largest = max(rows[number][1] for number in allowed if rows[number][0] == rows[best][0])
    assert chosen in allowed
    assert rows[chosen][0] >= rows[best][0] - largest - 1e-6
    assert chosen <= best


def test_looks_are_over_bicubics_and_paired_by_line() -> None:
    rng = np.random.default_rng(0)
    hr = [np.asarray(rng.integers(0, 256, (64, 96)), np.uint8) for _ in range(3)]
    soft = [np.asarray(cv2.GaussianBlur(image, (0, 0), 2), np.uint8) for image in hr]
    bicubic = measure_looks(soft, hr)
    same = bicubic.over(bicubic)
    assert same == {"ssim_gain": 0, "ssim_gain_se": 0, "contrast_gain": 0}
    sharp = measure_looks(hr, hr).over(bicubic)
    assert sharp["ssim_gain"] == pytest.approx(1 - bicubic.similarity.mean())
    assert sharp["contrast_gain"] > 10
    # The error is that of the differences over lines.
    assert sharp["ssim_gain_se"] == pytest.approx(bicubic.similarity.std() / np.sqrt(3))
    assert measure_looks(soft[:1], hr[:1]).over(measure_looks(hr[:1], hr[:1]))["ssim_gain"] < 0
