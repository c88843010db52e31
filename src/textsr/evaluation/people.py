"""How much of bicubic to keep for people: how lines look, and the rule that chooses a weight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textsr.evaluation.fidelity import ssim
from textsr.evaluation.statistics import Values
from textsr.images.grey import Image

MAX_PAPER_LEVELS = 1.0
"""What an output may add to paper without text beyond what bicubic's does, grey levels RMS: about
what can be seen."""

_ROUNDING = 1e-9  # of means


@dataclass(frozen=True)
class Looks:
    """How images of some lines look.

    Attributes:
        similarity: SSIM of each against HR (see `fidelity.ssim`).
        contrast: the mean of their RMS contrast, the standard deviation of an image's grey levels
            (Peli 1990), in grey levels.
    """

    similarity: Values
    contrast: float

    def over(self, bicubic: "Looks") -> dict[str, float]:
        """Return `ssim_gain`, its standard error `ssim_gain_se`, and `contrast_gain`."""
        gains = self.similarity - bicubic.similarity
        return {
            "ssim_gain": float(gains.mean()),
            "ssim_gain_se": float(gains.std() / np.sqrt(len(gains))),
            "contrast_gain": self.contrast - bicubic.contrast,
        }


def measure_looks(images: Sequence[Image], hr: Sequence[Image]) -> Looks:
    """Measure how images of lines look, beside the true ones."""
    similarity = [ssim(image, reference) for image, reference in zip(images, hr, strict=True)]
    return Looks(np.array(similarity), float(np.mean([image.std() for image in images])))


def choose_for_people(
    candidates: Sequence[Mapping[str, Any]], paper_levels: Mapping[float, float] | None = None
) -> float:
    """Return the weight of the network's output that suits people.

    A weight must keep contrast, on average at least bicubic's, and paper. Of those that do, the
    least is taken whose mean SSIM against HR is within one standard error of the highest
    (one-standard-error rule, Breiman et al. 1984, section 3.4.3). Where none does, it is the least
    of all.

    Args:
        candidates: each with its `weight` and its `looks`, as `Looks.over` returns them.
        paper_levels: for each weight what `textsr upscale` adds to paper without text, less what
            bicubic does, grey levels RMS; None where that was not measured.
    """
    added = paper_levels or {}
    kept = [
        candidate
        for candidate in candidates
        if candidate["looks"]["contrast_gain"] >= 0
        and added.get(candidate["weight"], 0) <= MAX_PAPER_LEVELS
    ]
    if not kept:
        return float(min(candidate["weight"] for candidate in candidates))
    best = max((candidate["looks"] for candidate in kept), key=lambda looks: looks["ssim_gain"])
    floor = best["ssim_gain"] - best["ssim_gain_se"] - _ROUNDING
    return float(
        min(candidate["weight"] for candidate in kept if candidate["looks"]["ssim_gain"] >= floor)
    )
