"""The slice of lines where a challenger is most certainly worse than bicubic."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textsr.evaluation.statistics import Estimate


@dataclass(frozen=True)
class Worst:
    """Where a model is most certainly worse than bicubic, if it is anywhere.

    Attributes:
        by: the property.
        name: the slice's.
        engine: the OCR engine.
        lines: of the slice.
        gain: in accuracy over bicubic.
        compared: the number of slices, times engines, of which it is the worst.
        p_value: the probability of such a difference by chance, times `compared` (Bonferroni), at
            most 1; NaN where that of a slice is no number.
    """

    by: str
    name: str
    engine: str
    lines: int
    gain: Estimate
    compared: int
    p_value: float


def find_worst(slices: Sequence[Mapping[str, Any]], min_lines: int) -> Worst | None:
    """Return where a model is most certainly worse than bicubic.

    Args:
        slices: as `evaluation.slices.score_slices` returns them.
        min_lines: slices of fewer are left out.

    Returns:
        The slice; None where none has enough lines.
    """
    compared = [
        (score["p_worse"], score["gain"], each, engine)
        for each in slices
        if each["lines"] >= min_lines
        for engine, score in each["engines"].items()
    ]
    if not compared:
        return None
    chance, gain, at, engine = min(
        compared, key=lambda row: (row[0] if math.isfinite(row[0]) else -1, row[1])
    )
    return Worst(
        by=at["by"],
        name=at["slice"],
        engine=engine,
        lines=at["lines"],
        gain=Estimate(gain, *at["engines"][engine]["gain_ci"]),
        compared=len(compared),
        p_value=min(chance * len(compared), 1.0),  # in this order, what is no number stays none
    )
