"""The gate: what a challenger must show to become champion. Pure functions of the evidence."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from textsr.config.params import Gate
from textsr.evaluation.statistics import Estimate
from textsr.files import read_json
from textsr.pages import render_page

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
) -> Decision:
    """Decide whether a challenger becomes champion.

    What was not measured, or is not a number, holds no condition.

    Args:
        gate: thresholds of params.yaml.
        over_bicubic: challenger - bicubic on the test split: `psnr_db`, `ssim`, and a paired
            difference of accuracy for each OCR engine.
        over_champion: the same against the present champion; None if there is none.
        ms_per_line: latency of the challenger, milliseconds.
    """
    engines = [key for key in over_bicubic if key not in ("psnr_db", "ssim")]
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
