"""How much of bicubic to keep: weights chosen on the validation split, one for each reader."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch

from textsr.datasets.pairs import to_tensor
from textsr.errors import TextsrError
from textsr.evaluation.people import choose_for_people, measure_looks
from textsr.evaluation.score import to_image
from textsr.evaluation.sets import EvaluationLine
from textsr.images.grey import Image
from textsr.models.bicubic import bicubic
from textsr.models.spec import ANY, PEOPLE
from textsr.ocr.engine import OCREngine, read_lines
from textsr.ocr.scoring import score_readings

Candidate = dict[str, Any]
"""`weight`; `engines`, for each OCR engine `accuracy`, `gain` (over bicubic), its `gain_se` and
`cer`; `looks`, see `Looks.over`."""

_Name = TypeVar("_Name")
_ROUNDING = 1e-9  # of sums of gains


def score_blends(
    network: torch.nn.Module,
    scale: int,
    lines: Sequence[EvaluationLine],
    engines: Sequence[OCREngine],
    bicubic_exact: Mapping[str, Sequence[bool]],
    weights: Sequence[float],
    tick: Callable[[], None] = lambda: None,
) -> list[Candidate]:
    """Read and measure the validation lines at each weight of the network's output.

    Args:
        network: the output's.
        scale: HR pixels per LR pixel.
        lines: of the validation split, with HR.
        engines: who read them.
        bicubic_exact: for each OCR engine's name, which lines it reads exactly from bicubic's
            output.
        weights: of the network's output, 1 for nothing else.
        tick: called when a line has been read.
    """
    planes = []
    with torch.inference_mode():
        for line in lines:
            lr = to_tensor([line.lr])
            planes.append((bicubic(lr, scale)[0, 0], network(lr)[0, 0]))
    texts = [line.text for line in lines]
    hr = [line.hr for line in lines if line.hr is not None]
    bicubic_looks = measure_looks([to_image(low) for low, _ in planes], hr)
    candidates = []
    for weight in weights:
        images: list[Image] = [to_image(torch.lerp(low, high, weight)) for low, high in planes]
        looks = measure_looks(images, hr).over(bicubic_looks)
        candidate: Candidate = {"weight": weight, "engines": {}, "looks": looks}
        for engine in engines:
            exact, edits, lengths = score_readings(texts, read_lines(engine, images, tick))
            gains = np.subtract(exact, bicubic_exact[engine.name], dtype=float)
            candidate["engines"][engine.name] = {
                "accuracy": sum(exact) / len(exact),
                "gain": float(gains.mean()),
                "gain_se": float(gains.std() / np.sqrt(len(gains))),
                "cer": sum(edits) / sum(lengths),
            }
        candidates.append(candidate)
    return candidates


def choose(candidates: Mapping[_Name, Candidate]) -> _Name:
    """Return the name of the best candidate.

    What counts first is the gain over bicubic of the OCR engine that gains least, since the gate
    lets no OCR engine lose. On a few hundred lines, a line or two is not significant. So among the
    candidates within one standard error of the best (one-standard-error rule, Breiman et al. 1984,
    section 3.4.3), unless they lose where it does not, the mean gain of all OCR engines decides,
    then the mean character error rate.

    Raises:
        TextsrError: if a score is not finite: nothing can be compared with it.
    """
    for candidate, score in candidates.items():
        _require_finite(candidate, score)

    def gain_and_errors(name: _Name) -> tuple[float, float]:
        return round(_mean(candidates[name], "gain"), 6), -_mean(candidates[name], "cer")

    return max(_not_worse(candidates), key=gain_and_errors)


def choose_weight(candidates: Sequence[Candidate]) -> Candidate:
    """Return the least weight of the network's output by the one-standard-error rule.

    The rule (Breiman et al. 1984, section 3.4.3) takes the simplest candidate within one standard
    error of the best; here, that nearest to bicubic. Candidates are those that `choose` decides
    among. Of the weights whose mean gain is within one standard error of the best one's, the least
    is returned: a weight bounds what a network does to images unlike the validation split's.
    """
    named = dict(enumerate(candidates))
    best = named[choose(named)]
    errors = [score["gain_se"] for score in best["engines"].values()]
    floor = _mean(best, "gain") - np.sqrt(np.square(errors).sum()) / len(errors) - _ROUNDING
    eligible = [named[name] for name in _not_worse(named)]
    return min(
        (candidate for candidate in eligible if _mean(candidate, "gain") >= floor),
        key=lambda candidate: float(candidate["weight"]),
    )


def choose_for_readers(
    candidates: Sequence[Candidate], paper_levels: Mapping[float, float] | None = None
) -> dict[str, float]:
    """Return the weight of the network's output for each reader.

    `people` as `choose_for_people` says, which see for `paper_levels`; `any` OCR engine as
    `choose_weight` says, which lets none lose; and each OCR engine as if it were the only one: the
    least weight whose gain is within one standard error of the best.
    """
    weights = {
        PEOPLE: choose_for_people(candidates, paper_levels),
        ANY: choose_weight(candidates)["weight"],
    }
    for engine in candidates[0]["engines"]:
        alone = [each | {"engines": {engine: each["engines"][engine]}} for each in candidates]
        weights[engine] = choose_weight(alone)["weight"]
    return weights


def _require_finite(name: object, candidate: Candidate) -> None:
    for engine, scores in candidate["engines"].items():
        for key, value in scores.items():
            if not np.isfinite(value):
                raise TextsrError(
                    f"candidate {name}: {key} of {engine} on the validation split is {value}; "
                    "evaluate the model anew with `dvc repro -f evaluate`"
                )


def _not_worse(candidates: Mapping[_Name, Candidate]) -> list[_Name]:
    """Return those whose OCR engine that gains least is within its standard error of the best's."""

    def least(name: _Name) -> float:
        return float(min(score["gain"] for score in candidates[name]["engines"].values()))

    best = max(least(name) for name in candidates)
    error = max(  # of several that are best, the largest
        score["gain_se"]
        for candidate in candidates.values()
        for score in candidate["engines"].values()
        if abs(score["gain"] - best) <= _ROUNDING
    )
    floor = best - error
    if best >= 0:
        floor = max(floor, 0)
    return [name for name in candidates if least(name) >= floor - _ROUNDING]


def _mean(candidate: Candidate, key: str) -> float:
    return float(np.mean([score[key] for score in candidate["engines"].values()]))
