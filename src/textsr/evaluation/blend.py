"""How much of bicubic to keep: a weight chosen by the readers on the validation split."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch

from textsr.datasets.pairs import to_tensor
from textsr.datasets.shards import Image
from textsr.evaluation.ocr import Reader, read_lines, score_readings
from textsr.evaluation.score import to_image
from textsr.evaluation.sets import EvaluationLine
from textsr.models.bicubic import bicubic

Candidate = dict[str, Any]
"""`weight`, and for each reader `accuracy`, `gain` (over bicubic), its `gain_se` and `cer`."""

_Name = TypeVar("_Name")
_ROUNDING = 1e-9  # of sums of gains


def score_blends(
    network: torch.nn.Module,
    scale: int,
    lines: Sequence[EvaluationLine],
    readers: Sequence[Reader],
    bicubic_exact: Mapping[str, Sequence[bool]],
    weights: Sequence[float],
    tick: Callable[[], None] = lambda: None,
) -> list[Candidate]:
    """Read the validation lines at each weight of the network's output against bicubic's.

    Args:
        network: the output's.
        scale: HR pixels an LR pixel.
        lines: of the validation split.
        readers: who read them.
        bicubic_exact: for each reader's name, which lines it reads exactly from bicubic's output.
        weights: of the network's output, 1 for nothing else.
        tick: called when a line has been read.
    """
    planes = []
    with torch.inference_mode():
        for line in lines:
            lr = to_tensor([line.lr])
            planes.append((bicubic(lr, scale)[0, 0], network(lr)[0, 0]))
    texts = [line.text for line in lines]
    candidates = []
    for weight in weights:
        images: list[Image] = [to_image(torch.lerp(low, high, weight)) for low, high in planes]
        candidate: Candidate = {"weight": weight, "readers": {}}
        for reader in readers:
            exact, edits, lengths = score_readings(texts, read_lines(reader, images, tick))
            gains = np.subtract(exact, bicubic_exact[reader.name], dtype=float)
            candidate["readers"][reader.name] = {
                "accuracy": sum(exact) / len(exact),
                "gain": float(gains.mean()),
                "gain_se": float(gains.std() / np.sqrt(len(gains))),
                "cer": sum(edits) / sum(lengths),
            }
        candidates.append(candidate)
    return candidates


def choose(candidates: Mapping[_Name, Candidate]) -> _Name:
    """Return the name of the best candidate.

    What counts first is the gain over bicubic of the reader that gains least, since the gate lets
    no reader lose. A few hundred lines cannot tell such gains apart by a line or two: among those
    within one standard error of the best (Breiman et al. 1984, section 3.4.3), unless they lose
    where it does not, the mean gain of all readers decides, then the mean character error rate.
    """

    def least(name: _Name) -> float:
        return float(min(score["gain"] for score in candidates[name]["readers"].values()))

    best = max(least(name) for name in candidates)
    error = max(  # of several that are best, the largest
        score["gain_se"]
        for candidate in candidates.values()
        for score in candidate["readers"].values()
        if abs(score["gain"] - best) <= _ROUNDING
    )
    floor = best - error
    if best >= 0:
        floor = max(floor, 0)

    def mean_of(name: _Name) -> tuple[float, float]:
        scores = candidates[name]["readers"].values()
        gain, cer = (float(np.mean([score[key] for score in scores])) for key in ("gain", "cer"))
        return round(gain, 6), -cer

    return max((name for name in candidates if least(name) >= floor - _ROUNDING), key=mean_of)
