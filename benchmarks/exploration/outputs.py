"""Put outputs of one network together by several rules, and show what each does for readers.

A head learns for some CPU minutes how wrong the frozen network is where; then fixed weights
against bicubic, and weights by that uncertainty, are read on fresh lines of `val`'s fonts and
texts, and on the sets of `data/real`. Each rule becomes an MLflow run. What is done is kept for
as long as nothing that it was made of changes, and a killed training goes on when called anew.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file, save_file

import textsr
from benchmarks import budget
from benchmarks.budget import BudgetedRun, CurvePoint, Loss, Recipe, warmed_cosine
from benchmarks.exploration import rules, uncertainty
from benchmarks.exploration.report import cells
from benchmarks.exploration.rules import (
    Made,
    Rule,
    by_contrast,
    by_letter,
    fixed,
    put_together,
)
from benchmarks.exploration.study import BICUBIC, experiment, fresh_lines, gains, track
from benchmarks.exploration.uncertainty import (
    ErrorHead,
    calibration,
    likelihood_loss,
    squared_errors,
)
from benchmarks.kept_scores import judges_version, keep, lines_version
from textsr import project
from textsr.cli_progress import ticks
from textsr.compute import use_threads
from textsr.datasets.pairs import Batch, to_tensor
from textsr.errors import TextsrError
from textsr.evaluation.ocr import Reader, available_readers
from textsr.evaluation.panels import Cell, save_panel, spread_evenly
from textsr.evaluation.run import TEST, Progress, load_sets, resampling_of
from textsr.evaluation.score import bicubic_upscale, score_set, to_image
from textsr.evaluation.sets import EvaluationLine
from textsr.evaluation.statistics import Resampling
from textsr.evaluation.summary import summarise
from textsr.files import fingerprint, replace_file, write_text
from textsr.models.bicubic import bicubic
from textsr.models.package import load_model
from textsr.models.upsampler import UpsamplerNet
from textsr.params import Params, load_params
from textsr.reference import FOLDER
from textsr.training.batches import make_batches
from textsr.training.fitting import choose_precision

RULES: Mapping[str, tuple[str, Rule]] = {
    "0.2": ("the same weight everywhere", fixed(0.2)),
    "0.4": ("the same weight everywhere", fixed(0.4)),
    "1": ("the output alone", fixed(1.0)),
    "by letter": (
        "0.4, less or more by a letter's expected error against its neighbours'",
        by_letter(0.4, 0.8),
    ),
    "by contrast": ("less by uncertainty against the contrast", by_contrast(0.8)),
}
"""By name; `0.4` is what the package does."""

_FRESH = "fresh"
_BATCH_SIZE = 48
_LEARNING_RATE = 2e-3
_EMA_DECAY = 0.99
_SAVE_EVERY_S = 60.0
_FOLDER = Path("out/exploration")


def main() -> None:
    """Parse the command line, train the head unless it is kept, read, and show it all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=FOLDER, help="folder; default: the package's")
    parser.add_argument("--minutes", type=float, default=8, help="of CPU, threads summed")
    parser.add_argument("--lines", type=int, default=800, help="fresh ones, to be read")
    parser.add_argument("--threads", type=int, default=1, help="0: one a core")
    parser.add_argument("--output", type=Path, default=_FOLDER)
    arguments = parser.parse_args()
    try:
        print(study_outputs(load_params(), arguments))
    except TextsrError as error:
        sys.exit(f"outputs: {error}")


@dataclass(frozen=True)
class Studied:
    """A set of lines, and all that rules need of each."""

    name: str
    lines: Sequence[EvaluationLine]
    made: Sequence[Made]
    version: str
    """What changes whenever scores may, but for the head."""


def study_outputs(params: Params, arguments: argparse.Namespace) -> str:
    """Do it all; return the report."""
    use_threads(arguments.threads)
    readers, resampling = available_readers(arguments.threads), resampling_of(params)
    lines = {_FRESH: fresh_lines(params, project.DATA, arguments.lines)}
    lines |= load_sets(params, project.DATASET, project.DATA)
    del lines[TEST]  # judges what is published, and chooses nothing
    key = _version(params, arguments)
    folder = arguments.output / f"outputs-{key}"
    with ticks() as progress:
        head = _trained(params, arguments, key, folder, progress)
        sets = [
            Studied(name, its, [see(head, line) for line in its], _judged_by(its, readers))
            for name, its in lines.items()
        ]
        tables = {
            (studied.name, rule): table
            for studied in sets
            for rule, table in _read(studied, readers, folder, progress)
        }
    for rule, (what, _) in RULES.items():
        mine = {s.name: tables[s.name, rule] for s in sets}
        bases = {s.name: tables[s.name, BICUBIC] for s in sets}
        described = {"rule": rule, "model": str(arguments.model), "minutes": str(arguments.minutes)}
        summaries = {name: gains(table, bases[name], resampling) for name, table in mine.items()}
        track(
            f"{key} {' '.join(s.version for s in sets)} {rule}",
            params,
            f"{rule}: {what}",
            described,
            {},
            [],
            summaries,
        )
    found = _calibration(sets[0])
    _draw(found, folder / "calibration.png")
    _picture(sets, tables, folder)
    report = _render(sets, tables, found, resampling)
    write_text(folder / "report.md", report)
    return (
        f"{report}\n{folder}: report.md, pictures; runs in MLflow's experiment {experiment(params)}"
    )


def see(head: ErrorHead, line: EvaluationLine) -> Made:
    """Return what rules need of a line."""
    with torch.inference_mode():
        lr = to_tensor([line.lr])
        upscaled, log_variances = head(lr)
        low = bicubic(lr, upscaled.shape[2] // lr.shape[2])
    planes = (plane[0, 0].numpy() for plane in (lr, low, upscaled, log_variances.exp()))
    return Made(*planes)


def _version(params: Params, arguments: argparse.Namespace) -> str:
    """Return what changes whenever the head may."""
    described = f"{arguments.minutes} {torch.get_num_threads()} {params.seed} "
    described += f"{choose_precision(params.compute.precision)} {params.training} "
    described += f"{params.synthesis}"
    package = Path(textsr.__file__).parent
    depends = [arguments.model, project.DATASET / "train", Path(budget.__file__)]
    depends.append(Path(uncertainty.__file__))
    depends += [package / folder for folder in ("models", "datasets")]
    return fingerprint(described, depends)


def _judged_by(lines: Sequence[EvaluationLine], readers: Sequence[Reader]) -> str:
    described = f"{lines_version(lines)} {judges_version(readers)}"
    return fingerprint(described, [Path(__file__), Path(rules.__file__)])


def _trained(
    params: Params, arguments: argparse.Namespace, key: str, folder: Path, progress: Progress
) -> ErrorHead:
    """Return the head of this study, trained now unless it is kept."""
    model = load_model(arguments.model)
    if not isinstance(model.network, UpsamplerNet) or model.scale != params.synthesis.scale:
        raise TextsrError(
            f"{arguments.model}: scale {model.scale}, {model.spec.architecture}; name an upsampler "
            f"of scale {params.synthesis.scale}, as params.yaml has it"
        )
    torch.manual_seed(params.seed)
    head = ErrorHead(model.network.to(memory_format=torch.channels_last))
    kept = folder / "head.safetensors"
    if not kept.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        trained = _train(head, params, arguments.minutes, key, folder / "checkpoint.pt", progress)
        with replace_file(kept) as temporary:
            save_file(trained.state_dict(), temporary)
    head.load_state_dict(load_file(kept))
    return head.eval().requires_grad_(False)


def _train(
    head: ErrorHead, params: Params, minutes: float, key: str, checkpoint: Path, progress: Progress
) -> ErrorHead:
    scale = params.synthesis.scale

    def loss(batch: Batch, step: int) -> Loss:
        upscaled, log_variances = head(batch.lr)
        squared = squared_errors(upscaled, batch.hr, scale)
        return Loss(likelihood_loss(log_variances, squared), squared.mean())

    recipe = Recipe(
        loss=loss,
        optimizer=torch.optim.AdamW(head.parameters(), lr=_LEARNING_RATE),
        rate=warmed_cosine(_LEARNING_RATE, params.training.warmup_fraction),
        clip_norm=1.0,
        ema_decay=_EMA_DECAY,
    )
    run = BudgetedRun(
        head,
        recipe,
        checkpoint=checkpoint,
        fingerprint=key,
        bf16=choose_precision(params.compute.precision) == "bf16-mixed",
    )
    tick = progress("learning its errors", round(minutes))

    def report(point: CurvePoint) -> None:
        tick()

    trained = run.fit(
        make_batches(params, project.DATASET, batch_size=_BATCH_SIZE, seed=params.seed),
        clock=time.process_time,
        budget=60 * minutes,
        save_every=_SAVE_EVERY_S,
        report=report,
    )
    run.forget()
    return cast(ErrorHead, trained)


def _read(
    studied: Studied, readers: Sequence[Reader], folder: Path, progress: Progress
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield bicubic's table of scores and each rule's, read now unless they are kept."""
    scale = studied.made[0].low.shape[0] // studied.made[0].lr.shape[0]
    upscale = bicubic_upscale(scale)

    def score(name: str) -> pd.DataFrame:
        if name == BICUBIC:
            images = [upscale(line.lr) for line in studied.lines]
        else:
            images = [_image(made, RULES[name][1]) for made in studied.made]
        tick = progress(f"{studied.name}: {name}", len(images) * len(readers))
        return score_set(name, studied.name, studied.lines, images, readers, tick)

    for name in (BICUBIC, *RULES):
        path = folder / f"{studied.name}-{name.replace(' ', '-')}-{studied.version}.parquet"
        yield name, keep(path, lambda name=name: score(name))  # type: ignore[misc]


def _image(made: Made, rule: Rule) -> Any:
    return to_image(torch.from_numpy(put_together(made, rule(made))))


def _calibration(studied: Studied) -> pd.DataFrame:
    """Compare expected with found errors over all LR pixels of lines whose HR is known."""
    variances, squared = [], []
    for line, made in zip(studied.lines, studied.made, strict=True):
        assert line.hr is not None  # fresh lines are synthetic
        errors = (made.high - line.hr.astype(np.float32) / 255) ** 2
        size = made.lr.shape[::-1]
        squared.append(cv2.resize(errors, size, interpolation=cv2.INTER_AREA).reshape(-1))
        variances.append(made.variance.reshape(-1))
    return calibration(np.concatenate(variances), np.concatenate(squared))


def _render(
    sets: Sequence[Studied],
    tables: Mapping[tuple[str, str], pd.DataFrame],
    found: pd.DataFrame,
    resampling: Resampling,
) -> str:
    """Render the calibration, and for each set a row a rule."""
    levels = (255 * found).round(1)
    parts = [
        "### Errors, grey levels, from the most certain tenth of pixels to the least\n",
        "".join(
            f"| {' | '.join(row)} |\n"
            for row in (
                ["", *map(str, range(1, len(levels) + 1))],
                ["---"] * (len(levels) + 1),
                *([name, *map(str, levels[name])] for name in ("expected", "found")),
            )
        ),
    ]
    for studied in sets:
        base = tables[studied.name, BICUBIC]
        summary = summarise(base, resampling)
        readers = [key for key, value in summary.items() if isinstance(value, dict)]
        accuracies = (f"{name} {summary[name]['accuracy']:.3f}" for name in readers)
        parts.append(f"### {studied.name}: {len(base)} lines; bicubic: {', '.join(accuracies)}\n")
        rows = [["weight", "mean", "PSNR dB", "SSIM", *(f"{name}, CER" for name in readers)]]
        rows.append(["---"] * len(rows[0]))
        for name, (what, rule) in RULES.items():
            mean = np.mean([rule(made).mean() for made in studied.made])
            scores = cells(tables[studied.name, name], base, readers, resampling)
            rows.append([f"{name}: {what}", f"{mean:.2f}", *scores])
        parts.append("".join(f"| {' | '.join(row)} |\n" for row in rows))
    return "\n".join(parts)


def _draw(found: pd.DataFrame, path: Path) -> None:
    """Draw found against expected errors; on the diagonal, they are what was expected."""
    figure = Figure(figsize=(4.2, 4.2), layout="constrained")
    axes = figure.subplots()
    levels = 255 * found
    limit = 1.05 * float(levels.to_numpy().max())
    axes.plot([0, limit], [0, limit], color="0.7", linewidth=1)
    axes.plot(levels["expected"], levels["found"], "o-")
    axes.set_xlabel("expected error, grey levels (RMS)")
    axes.set_ylabel("found")
    axes.set_title("Tenths of pixels, most certain first", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def _picture(
    sets: Sequence[Studied], tables: Mapping[tuple[str, str], pd.DataFrame], folder: Path
) -> None:
    """Draw lines of each set at equal distances: outputs, and where the network is uncertain."""
    for studied in sets:
        rows = []
        for number in spread_evenly(len(studied.lines), 12):
            line, made = studied.lines[number], studied.made[number]
            images = {BICUBIC: to_image(torch.from_numpy(made.low))}
            images |= {name: _image(made, RULES[name][1]) for name in ("0.4", "1", "by letter")}
            row = [
                Cell(image, tables[studied.name, name].iloc[number].filter(like="_text").iloc[0])
                for name, image in images.items()
            ]
            row.append(Cell(_map(made), None))
            rows.append((line.text, row))
        save_panel(
            folder / f"{studied.name}.png",
            [*images, "expected error: white 64 levels or more"],
            rows,
            f"{studied.name}: lines at equal distances",
        )


def _map(made: Made) -> Any:
    """Return the expected error as an image of HR size."""
    error = np.sqrt(made.variance) * 255 / 64
    fine = cv2.resize(error, made.high.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return to_image(torch.from_numpy(fine))


if __name__ == "__main__":
    main()
