"""Upscaling side by side: who takes turns, and what the table says."""

import subprocess
from pathlib import Path

import pytest

from benchmarks import peers, upscaling
from textsr.inference.interpolation import BicubicBackend


def test_all_do_their_work_once_a_round_and_once_to_warm_up() -> None:
    done: list[str] = []
    work = {name: lambda name=name: done.append(name) for name in ("a", "b")}
    seconds = upscaling.time_in_turns(work, rounds=2)
    assert done == ["a", "b"] * 3
    assert {name: len(taken) for name, taken in seconds.items()} == {"a": 2, "b": 2}


def test_without_the_peer_the_table_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str, threads: int) -> None:
        raise peers.PeerError("cannot be installed")

    monkeypatch.setattr(peers, "start_upscaler", fail)
    monkeypatch.setattr(upscaling, "open_backends", lambda threads: {"ours": BicubicBackend(4)})
    table = upscaling.bench_upscaling().splitlines()
    assert [row.split("|")[1].strip() for row in table if row.startswith("| o")] == ["ours"]
    assert table[-1] == f"{upscaling.UPSCALER}: left out: cannot be installed"


def test_ratios_are_medians_of_rounds() -> None:
    seconds = {"ours": [1.0, 2.0, 10.0], upscaling.UPSCALER: [2.0, 6.0, 10.0]}
    assert upscaling._cell(seconds, "ours", 100) == "50 (2.00)"
    assert upscaling._cell(seconds, upscaling.UPSCALER, 100) == "17"
    assert upscaling._cell({"ours": [1.0]}, "ours", 100) == "100"


@pytest.mark.parametrize("part", ["upscaling", "serving"])
def test_the_makefile_measures_a_part_alone_where_it_is_told(part: str) -> None:
    root = Path(__file__).parents[3]
    command = ["make", "-n", "-o", "setup", "bench"]
    said = [
        subprocess.run([*command, *more], cwd=root, capture_output=True, text=True, check=True)
        for more in ([], [f"BENCH={part}"])
    ]
    assert "benchmarks.footprint" in said[0].stdout
    assert f"benchmarks.bench {part}" in said[1].stdout
    assert "benchmarks.footprint" not in said[1].stdout
