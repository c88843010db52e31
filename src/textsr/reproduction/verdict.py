"""Whether a rebuilt model is the registered one: to the bit, or within a tolerance."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.torch import load_file

from textsr.errors import TextsrError
from textsr.evaluation.judges import judges_of_summary
from textsr.models.package import WEIGHTS
from textsr.models.spec import SPEC
from textsr.pages import render_page

PSNR_DB, SSIM, ACCURACY = 0.05, 0.005, 0.02
"""By how much a metric may differ where bits cannot be equal: on another machine."""

_ABSENT = "not there"
_FIDELITY = {"psnr_db": ("PSNR, dB", PSNR_DB), "ssim": ("SSIM", SSIM)}


class Measure(BaseModel):
    """A metric, of the version and rebuilt; None where it was not measured."""

    what: str
    then: float | None
    now: float | None
    tolerance: float

    @property
    def is_within(self) -> bool:
        """Whether both are within the tolerance, or neither was measured."""
        if self.then is None or self.now is None:
            return self.then is self.now
        return abs(self.now - self.then) <= self.tolerance


class Reproduction(BaseModel):
    """What rebuilding a version has shown."""

    model: str
    version: str
    method: str
    commit: str
    is_trained: bool
    """Whether the version was trained; else its weights are in the commit."""
    differences: list[str]
    """Between then and now, see `find_differences`."""
    bits_expected: bool
    """Whether nothing differs, and all was made by CPUs."""
    weights_identical: bool
    largest_difference: float | None
    """Of a weight; None where the weights are of another network."""
    metrics_identical: bool
    measures: list[Measure]

    @property
    def verdict(self) -> Literal["identical", "within tolerance", "different"]:
        """`within tolerance` suffices only where equal bits cannot be expected."""
        if self.weights_identical and self.metrics_identical:
            return "identical"
        is_near = all(measure.is_within for measure in self.measures)
        return "within tolerance" if is_near and not self.bits_expected else "different"


def compare_weights(then: Path, now: Path) -> tuple[bool, float | None]:
    """Compare two model folders.

    Returns:
        Whether their files are the same to the bit; and the largest difference of a weight, None
        where they are weights of two networks.

    Raises:
        TextsrError: if a file is missing or damaged.
    """
    try:
        identical = all(
            (then / name).read_bytes() == (now / name).read_bytes() for name in (SPEC, WEIGHTS)
        )
        first, second = (load_file(folder / WEIGHTS) for folder in (then, now))
    except (OSError, SafetensorError) as error:
        raise TextsrError(
            f"{then} and {now} cannot be compared ({error}); restore the version's files from a "
            "backup of MLflow's artifacts"
        ) from error
    if {k: v.shape for k, v in first.items()} != {k: v.shape for k, v in second.items()}:
        return identical, None
    return identical, max((_distance(first[name], second[name]) for name in first), default=0.0)


def _distance(first: torch.Tensor, second: torch.Tensor) -> float:
    return (first.double() - second.double()).abs().max().item() if first.numel() else 0.0


def compare_metrics(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Measure]:
    """Compare PSNR, SSIM and the accuracy of each OCR engine, by set.

    Args:
        then, now: metrics by set, as an evaluation leaves them in `metrics.json`.
    """
    measures = []
    for name in dict.fromkeys([*then, *now]):
        before, after = then.get(name, {}), now.get(name, {})
        for key, (title, tolerance) in _FIDELITY.items():
            values = before.get(key), after.get(key)
            if values != (None, None):
                measures.append(_measure(f"{name}: {title}", *values, tolerance))
        for engine in dict.fromkeys([*judges_of_summary(before), *judges_of_summary(after)]):
            values = tuple(row.get(engine, {}).get("accuracy") for row in (before, after))
            measures.append(_measure(f"{name}: {engine} accuracy", *values, ACCURACY))
    return measures


def _measure(what: str, then: float | None, now: float | None, tolerance: float) -> Measure:
    return Measure(what=what, then=then, now=now, tolerance=tolerance)


def compare_engines(then: Mapping[str, str | None], now: Mapping[str, str | None]) -> list[str]:
    """Return which OCR engines judged in another version, or only once; a line each."""
    return [
        f"OCR engine: {name} {then.get(name, _ABSENT)}; here {now.get(name, _ABSENT)}"
        for name in dict.fromkeys([*then, *now])
        if then.get(name, _ABSENT) != now.get(name, _ABSENT)
    ]


def render_reproduction(found: Reproduction) -> str:
    """Render what rebuilding a version has shown as Markdown."""
    return render_page("textsr.reproduction", "reproduction.md.j2", found=found)


def reproduction_as_json(found: Reproduction) -> str:
    """Return what rebuilding a version has shown as JSON."""
    return json.dumps({"verdict": found.verdict} | found.model_dump(mode="json"), indent=2)
