"""How fast each change of the recipe trains and upscales, in one run: medians against `mse`.

All take turns, so that a machine whose speed drifts slows all. Run it where nothing else runs.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import torch

from benchmarks.exploration import networks
from benchmarks.exploration.changes import BASE, CHANGES, Setting, Start, begin
from benchmarks.exploration.study import choose, prepare
from textsr.cli.progress import ticks
from textsr.compute import use_threads
from textsr.config import project
from textsr.config.params import load_params
from textsr.errors import TextsrError

ROUNDS = 7
STEPS = 8  # a round: as many as are drawn together, of which some are of narrow lines, some of wide
LINES = 8  # a round, one at a time


def main() -> None:
    """Parse the command line, take turns, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("changes", nargs="*", metavar="CHANGE", help="all that fit, if none is")
    parser.add_argument("--start", choices=get_args(Start), default="scratch")
    parser.add_argument("--threads", type=int, default=1, help="0: one a core")
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    try:
        print(_measured(arguments))
    except TextsrError as error:
        sys.exit(f"speed: {error}")


def _measured(arguments: argparse.Namespace) -> str:
    setting = Setting(load_params(), project.DATASET, project.ENCODERS, arguments.start)
    names = choose(arguments.changes, setting)
    with ticks() as progress, tempfile.TemporaryDirectory() as folder:
        tick = progress("measuring", (ROUNDS + 1) * len(names))
        return measure(names, setting, Path(folder), tick)


def measure(
    names: list[str], setting: Setting, folder: Path, tick: Callable[[], None] = lambda: None
) -> str:
    """Return a table: for each change steps and lines a second, and their ratios to `mse`'s.

    Args:
        names: of the changes, `mse` among them.
        setting: where they are tried.
        folder: an empty one.
        tick: called when a change has had its turn.
    """
    sides = [(_training(name, setting, folder), _upscaling(name, setting)) for name in names]
    taken: list[tuple[list[float], list[float]]] = [([], []) for _ in names]
    for turn in range(ROUNDS + 1):
        for side, kept in zip(sides, taken, strict=True):
            for work, durations in zip(side, kept, strict=True):
                start = time.perf_counter()
                work(turn)
                if turn:  # the first warms up
                    durations.append(time.perf_counter() - start)
            tick()
    base = taken[names.index(BASE)]
    rows = [["change", "steps/s", "against mse", "lines/s", "against mse"], ["---"] * 5]
    for name, kept in zip(names, taken, strict=True):
        row = [f"{name}: {CHANGES[name].what}"]
        for durations, its, count in zip(kept, base, (STEPS, LINES), strict=True):
            ratio = statistics.median(b / d for b, d in zip(its, durations, strict=True))
            row += [f"{count / statistics.median(durations):.1f}", f"{ratio:.2f}"]
        rows.append(row)
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _training(name: str, setting: Setting, folder: Path) -> Callable[[int], None]:
    """Return what makes the steps of a turn, batches included: the same lines for all."""
    trial, run = prepare(name, setting, 1, folder / name)

    def work(turn: int) -> None:
        for step in range(turn * STEPS, (turn + 1) * STEPS):
            run.step(trial.batches(step), 0.5)

    return work


def _upscaling(name: str, setting: Setting) -> Callable[[int], None]:
    """Return what upscales a few lines, each four times as wide as high."""
    network = begin(setting, CHANGES[name]).network.to(memory_format=torch.channels_last).eval()
    networks.fuse(network)
    height = setting.params.synthesis.lr_height
    line = torch.rand(1, 1, height, 4 * height, generator=torch.Generator().manual_seed(0))

    @torch.inference_mode()
    def work(turn: int) -> None:
        for _ in range(LINES):
            network(line)

    return work


if __name__ == "__main__":
    main()
