"""The pretrained network in 8 bits beside itself in floats: speed, fidelity and what OCR reads.

It judges fresh lines in the fonts of `val`, drawn with another seed than the dataset's. Scores are
kept in out/quantization for as long as nothing that makes them changes. The 8-bit network deserves
to be the default at a blend where it is `LEAST_RATIO` times as fast and no measure tells the two
apart. Then the last lines say what `textsr.inference.choice` has to hold for `auto` to take it.
"""

import argparse
import hashlib
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.fresh import draw_lines
from benchmarks.kept_scores import judges_version, keep, lines_version
from benchmarks.quality_report import build_report, render_report
from textsr import pretrained
from textsr.cli.progress import progress
from textsr.compute import use_threads
from textsr.config import project
from textsr.config.params import load_params
from textsr.evaluation.run import bootstrap_of
from textsr.evaluation.score import score_set
from textsr.evaluation.sets import EvaluationLine
from textsr.files import fingerprint, write_json, write_text
from textsr.images.grey import Image
from textsr.images.image import FloatImage, LoadedImage
from textsr.inference.backend import Backend
from textsr.inference.interpolation import BlendedBackend
from textsr.inference.onnx_backend import FLOAT32, INT8, OnnxBackend
from textsr.inference.upscale import upscale_images
from textsr.models.spec import read_spec
from textsr.ocr.engine import OCREngine
from textsr.ocr.engines import available_engines
from textsr.synthesis.sample import load_source

LEAST_RATIO = 1.3
"""How many times as fast as floats 8 bits must be to be the default."""

FIRST_SEED = 3_000_000
"""Of the lines; far from any dataset's."""

FOLDER = Path("out/quantization")
FILES = {"fp32": FLOAT32, "int8": INT8}
_LINES = (32, 1, 16, 80)  # a batch, of the size that is most frequent
_PAGE = (1, 1, 512, 512)


def main() -> None:
    """Measure, print Markdown and write it, and all numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1600)
    parser.add_argument("--rounds", type=int, default=40, help="of the speed's measurement")
    parser.add_argument("--folder", type=Path, default=pretrained.FOLDER, help="with both files")
    arguments = parser.parse_args()
    params = load_params()
    use_threads(params.compute.threads)
    paths = {name: arguments.folder / file for name, file in FILES.items()}
    networks: dict[str, Backend] = {name: OnnxBackend(path, 1) for name, path in paths.items()}
    speed = measure_speed(networks, arguments.rounds)
    source = load_source(params, "val", project.DATA)
    lines = draw_lines(source, FIRST_SEED, arguments.lines)
    engines = available_engines(params.compute.threads)
    made = f"{judges_version(engines)} {lines_version(lines)}"
    tables: dict[str, dict[str, pd.DataFrame]] = {}
    blends: dict[str, float] = {}
    for blend in dict.fromkeys((read_spec(arguments.folder).blend, 1.0)):
        lines_at = f"fresh lines at blend {blend:g}"
        blends[lines_at] = blend
        of = tables[lines_at] = {}
        for name, network in networks.items():
            key = fingerprint(f"{made} {blend}", [paths[name]])
            make = partial(_score, name, BlendedBackend(network, blend), lines, engines)
            of[name] = keep(FOLDER / f"{name}-{blend:g}-{key}.parquet", make)
    report = build_report(tables, ["int8"], bootstrap_of(params)) | {"speed": speed}
    digest = hashlib.sha256(paths["int8"].read_bytes()).hexdigest()
    said = f"{verdict(report)}\n{render_constants(report, blends, digest)}".rstrip()
    markdown = f"{render_report(report)}\n{render_speed(speed)}\n\n{said}\n"
    write_text(FOLDER / "report.md", markdown)
    write_json(FOLDER / "report.json", report)
    print(markdown)


def _score(
    name: str, backend: Backend, lines: Sequence[EvaluationLine], engines: Sequence[OCREngine]
) -> pd.DataFrame:
    upscaled = upscale_images(backend, [LoadedImage(line.lr) for line in lines])
    images: list[Image] = [np.asarray(image.pixels, np.uint8) for image in upscaled]
    with progress() as start:
        advance = start(f"reading {name}", len(lines) * len(engines))
        return score_set(name, "fresh", lines, images, engines, lambda: advance(1))


def measure_speed(networks: Mapping[str, Backend], rounds: int) -> dict[str, dict[str, float]]:
    """Time a batch of lines and a part of a page, by the CPU's time, for others may share it.

    The networks take turns, each first in every other turn.

    Returns:
        By workload, the median speed of each network (lines or LR kilopixels a second of the CPU's
        time) and `ratio`, the median over turns of the second's speed to the first's.
    """
    rng = np.random.default_rng(0)
    work: dict[str, tuple[FloatImage, float]] = {
        "lines/s": (rng.random(_LINES, np.float32), _LINES[0]),
        "page, LR kilopixels/s": (rng.random(_PAGE, np.float32), np.prod(_PAGE) / 1000),
    }
    found = {}
    for what, (batch, units) in work.items():
        seconds: dict[str, list[float]] = {name: [] for name in networks}
        for turn in range(rounds + 1):
            for name in list(networks) if turn % 2 else list(networks)[::-1]:
                start = time.process_time()
                networks[name].run(batch, 1)
                if turn:  # the first warms up
                    seconds[name].append(time.process_time() - start)
        speeds = {name: units / statistics.median(taken) for name, taken in seconds.items()}
        first, second = seconds.values()
        ratios = (a / b for a, b in zip(first, second, strict=True))
        found[what] = speeds | {"ratio": statistics.median(ratios)}
    return found


def render_speed(speed: Mapping[str, Mapping[str, float]]) -> str:
    """Render what `measure_speed` returns as Markdown."""
    rows = [
        f"| {what} | {' | '.join(f'{found[name]:.0f}' for name in FILES)} | {found['ratio']:.2f} |"
        for what, found in speed.items()
    ]
    heading = f"| CPU time, one thread, of {os.cpu_count()} cores | {' | '.join(FILES)} | ratio |"
    return "\n".join([heading, "| --- | --- | --- | --- |", *rows])


def verdict(report: Mapping[str, Any]) -> str:
    """Say whether 8 bits are fast enough and cannot be told from floats, and if not, why.

    Of each set of lines, and so of each blend, in a line.
    """
    said = []
    for name in report["sets"]:
        against = "; ".join(_against(report, name))
        said.append(
            f"{name}: 8 bits may not be the default: {against}."
            if against
            else f"{name}: 8 bits may be the default."
        )
    return "\n".join(said)


def render_constants(report: Mapping[str, Any], blends: Mapping[str, float], digest: str) -> str:
    """Say what to put beside the rule of `auto`, or nothing if 8 bits may not be the default.

    Args:
        report: with the sets of lines.
        blends: of each set.
        digest: SHA-256 of the file in 8 bits.
    """
    most = None
    for name in sorted(blends, key=lambda name: blends[name]):
        if _against(report, name):
            break
        most = blends[name]
    if most is None:
        return ""
    return (
        "\nPut into src/textsr/inference/choice.py:\n\n"
        f'    JUDGED_SHA256 = "{digest}"\n    JUDGED_BLEND = {most:g}'
    )


def _against(report: Mapping[str, Any], name: str) -> list[str]:
    """Return what speaks against 8 bits on a set of lines."""
    slow = [
        f"{what}: {found['ratio']:.2f} times as fast, less than {LEAST_RATIO:g}"
        for what, found in report["speed"].items()
        if found["ratio"] < LEAST_RATIO
    ]
    differs = [
        f"{measure} differs by {change['value']:+.4f}"
        for measure, change in report["sets"][name]["differences"]["int8"]["fp32"].items()
        if change["ci"][0] > 0 or change["ci"][1] < 0
    ]
    return slow + differs


if __name__ == "__main__":
    main()
