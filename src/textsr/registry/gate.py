"""The gate: what a challenger must show to become champion. Pure functions of the evidence."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from textsr.config.params import Gate
from textsr.evaluation.statistics import Estimate
from textsr.files import read_json
from textsr.pages import render_page
from textsr.registry.worst_slice import find_worst

_UNKNOWN = Estimate(math.nan, math.nan, math.nan)


class Check(BaseModel):
    """One condition, whether it held, and the numbers."""

    name: str
    passed: bool
    evidence: str


class Decision(BaseModel):
    """The gate's decision."""

    promoted: bool
    checks: list[Check]


class Registration(Decision):
    """`registration.json`: what was registered, and the decision."""

    model_name: str
    version: str
    method: str
    run_id: str
    champion_before: str | None


@dataclass(frozen=True)
class RealSet:
    """How a challenger does on a set of real images.

    Attributes:
        lines: of the set.
        over_bicubic: challenger - bicubic, as `decide` takes it of the test split.
    """

    lines: int
    over_bicubic: Mapping[str, Estimate]


def read_registration(path: Path) -> dict[str, Any]:
    """Read `registration.json`.

    Raises:
        TextsrError: if there is none, or it is damaged.
    """
    remedy = "make it anew with `dvc repro --force --single-item register`"
    record: dict[str, Any] = read_json(path, Registration, remedy)
    return record


def decide(
    gate: Gate,
    over_bicubic: Mapping[str, Estimate],
    over_champion: Mapping[str, Estimate] | None,
    ms_per_line: float,
    slices: Sequence[Mapping[str, Any]] = (),
    real_sets: Mapping[str, RealSet] | None = None,
) -> Decision:
    """Decide whether a challenger becomes champion.

    What was not measured, or is not a number, holds no condition.

    Args:
        gate: thresholds of params.yaml.
        over_bicubic: challenger - bicubic on the test split: `psnr_db`, `ssim`, and a paired
            difference of accuracy for each OCR engine.
        over_champion: the same against the present champion; None if there is none.
        ms_per_line: latency of the challenger, milliseconds.
        slices: of the test split, as `evaluation.slices.score_slices` returns them.
        real_sets: the labelled sets of real images, by their names.
    """
    engines = engines_of(over_bicubic)
    checks = [_not_worse(engine, "bicubic", over_bicubic[engine]) for engine in engines]
    better = [engine for engine in engines if _known(x := over_bicubic[engine]) and x.low > 0]
    wanted = gate.min_engines_better
    checks.append(
        Check(
            name=f"better than bicubic on at least {wanted} OCR engine{'s' if wanted > 1 else ''}",
            passed=len(better) >= wanted,
            evidence=", ".join(better) or "on none does the interval exclude zero",
        )
    )
    if over_champion is not None:
        checks += [
            _not_worse(engine, "the champion", over_champion[engine])
            for engine in engines
            if engine in over_champion
        ]
    checks.append(_no_slice_worse(gate, slices))
    for name, real in (real_sets or {}).items():
        checks += _not_worse_on(gate, name, real)
    for metric, floor, unit in (
        ("psnr_db", gate.min_psnr_gain_db, " dB"),
        ("ssim", gate.min_ssim_gain, ""),
    ):
        checks.append(_floor(metric, over_bicubic.get(metric, _UNKNOWN), floor, unit))
    checks.append(
        Check(
            name=f"at most {gate.max_ms_per_line:g} ms per line",
            passed=ms_per_line <= gate.max_ms_per_line,
            evidence=f"{ms_per_line:.1f} ms",
        )
    )
    return Decision(promoted=all(check.passed for check in checks), checks=checks)


def engines_of(differences: Mapping[str, Estimate]) -> list[str]:
    """Return the OCR engines among the keys of differences, as `decide` takes them."""
    return [key for key in differences if key not in ("psnr_db", "ssim")]


def _no_slice_worse(gate: Gate, slices: Sequence[Mapping[str, Any]]) -> Check:
    name = "on no slice of test significantly worse than bicubic"
    worst = find_worst(slices, gate.min_lines)
    if worst is None:
        return Check(name=name, passed=True, evidence=f"none has {gate.min_lines} lines")
    evidence = (
        f"worst of {worst.compared}: {worst.by}: {worst.name}, {worst.engine} "
        f"{worst.gain.in_points()}, {worst.lines} lines, p = {worst.p_value:.2g} over all"
    )
    return Check(name=name, passed=worst.p_value >= gate.slice_significance, evidence=evidence)


def _not_worse_on(gate: Gate, name: str, real: RealSet) -> list[Check]:
    if real.lines < gate.min_lines:
        few = f"not judged: {real.lines} lines, fewer than {gate.min_lines}"
        return [Check(name=f"{name}: not worse than bicubic", passed=True, evidence=few)]
    return [
        _not_worse(engine, f"bicubic on {name}", real.over_bicubic[engine])
        for engine in engines_of(real.over_bicubic)
    ]


def _not_worse(engine: str, other: str, difference: Estimate) -> Check:
    return Check(
        name=f"{engine}: accuracy not worse than {other}",
        passed=_known(difference) and difference.high >= 0,
        evidence=difference.in_points(),
    )


def _floor(metric: str, gain: Estimate, floor: float, unit: str) -> Check:
    return Check(
        name=f"{metric} at least {floor:g}{unit} over bicubic",
        passed=_known(gain) and gain.value >= floor,
        evidence=f"{gain.value:+.3f}{unit} [{gain.low:+.3f}, {gain.high:+.3f}]",
    )


def _known(estimate: Estimate) -> bool:
    return not any(map(math.isnan, (estimate.value, estimate.low, estimate.high)))


def render_decision(record: Mapping[str, Any]) -> str:
    """Render a registration record as Markdown."""
    return render_page("textsr.registry", "decision.md.j2", **record)
