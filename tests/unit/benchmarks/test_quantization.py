"""Quantization's report: what it says of 8 bits, and that it counts turns as turns."""

from typing import Any

import numpy as np
import pytest

from benchmarks.quantization import measure_speed, render_constants, render_speed, verdict
from textsr.inference.interpolation import BicubicBackend


def report(ratio: float, interval: list[float]) -> dict[str, Any]:
    change = {"value": sum(interval) / 2, "ci": interval}
    sets = {"fresh": {"differences": {"int8": {"fp32": {"psnr_db": change}}}}}
    return {
        "speed": {"lines/s": {"fp32": 100.0, "int8": 100 * ratio, "ratio": ratio}},
        "sets": sets,
    }


def test_the_default_must_be_fast_and_not_be_told_from_floats() -> None:
    assert verdict(report(1.3, [-0.1, 0.2])) == "fresh: 8 bits may be the default."
    assert "lines/s: 1.29 times as fast, less than 1.3" in verdict(report(1.29, [-0.1, 0.2]))
    for told in ([0.1, 0.3], [-0.3, -0.1]):
        said = f"fresh: 8 bits may not be the default: psnr_db differs by {sum(told) / 2:+.4f}."
        assert verdict(report(2, told)) == said


def test_each_blend_has_a_verdict_of_its_own() -> None:
    both = report(2, [-0.1, 0.2])
    both["sets"]["network alone"] = report(2, [-0.3, -0.1])["sets"]["fresh"]
    first, second = verdict(both).split("\n")
    assert first == "fresh: 8 bits may be the default."
    assert second.startswith("network alone: 8 bits may not be the default: psnr_db")


@pytest.mark.parametrize(
    ("alike_at", "most"), [((0.4, 1), "1"), ((0.4,), "0.4"), ((1,), None), ((), None)]
)
def test_what_to_put_beside_the_rule_is_told_where_8_bits_may_be_the_default(
    alike_at: tuple[float, ...], most: str | None
) -> None:
    blends = {"own": 0.4, "network alone": 1.0}
    judged = report(2, [0, 0])
    judged["sets"] = {
        name: report(2, [-0.1, 0.2] if blend in alike_at else [0.1, 0.3])["sets"]["fresh"]
        for name, blend in blends.items()
    }
    said = render_constants(judged, blends, "f00d")
    if most is None:
        assert said == ""
    else:
        assert f'JUDGED_SHA256 = "f00d"\n    JUDGED_BLEND = {most}' in said
    judged["speed"] = report(1.2, [0, 0])["speed"]
    assert render_constants(judged, blends, "f00d") == ""


def test_the_second_network_is_measured_against_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that only the networks move on."""
    now = 0.0

    class Slow(BicubicBackend):
        def run(self, images: Any, threads: int | None = None) -> Any:
            nonlocal now
            now += self.threads * images.size
            return np.zeros(1)

    monkeypatch.setattr("time.process_time", lambda: now)
    speed = measure_speed({"fp32": Slow(4, threads=6), "int8": Slow(4, threads=2)}, rounds=3)
    assert {found["ratio"] for found in speed.values()} == {3.0}
    assert all(found["int8"] == pytest.approx(3 * found["fp32"]) for found in speed.values())
    assert render_speed(speed).count("| 3.00 |") == 2
