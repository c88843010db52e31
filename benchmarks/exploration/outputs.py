"""Put outputs of one network together by several rules, and show what each does for readers.

A head learns for some CPU minutes how wrong the frozen network is where; then fixed weights
against bicubic, and weights by that uncertainty, are read on fresh lines of `val`'s fonts and
texts, and on the sets of `data/real`. Each rule becomes an MLflow run. What is done is kept for
as long as nothing that it was made of changes, and a killed training goes on when called anew.
"""

import argparse
import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file, save_file

import textsr
from benchmarks import budget
from benchmarks.exploration import uncertainty
from benchmarks.exploration.report import cells, difference
from benchmarks.exploration.rules import BASE, RULES, SHOWN, Outputs, Rule, put_together
from benchmarks.exploration.study import (
    BICUBIC,
    add_shared_arguments,
    experiment,
    fresh_lines,
    gains,
    track,
)
from benchmarks.exploration.uncertainty import (
    BATCH_SIZE,
    ErrorHead,
    calibration,
    fit,
    head_training,
)
from benchmarks.kept_scores import judges_version, keep, lines_version
from textsr.cli.progress import ticks
from textsr.compute import use_threads
from textsr.config import project
from textsr.config.params import Params, load_params
from textsr.datasets.pairs import to_tensor
from textsr.datasets.shards import Image
from textsr.errors import TextsrError
from textsr.evaluation.panels import Cell, save_panel, spread_evenly
from textsr.evaluation.run import TEST, Progress, load_sets, resampling_of
from textsr.evaluation.score import bicubic_upscale, reader_names, score_set, to_image
from textsr.evaluation.sets import EvaluationLine
from textsr.evaluation.statistics import Resampling
from textsr.evaluation.summary import compare_methods, summarise
from textsr.files import fingerprint, replace_file, write_text
from textsr.models.bicubic import bicubic
from textsr.models.package import WEIGHTS, load_model
from textsr.models.upsampler import UpsamplerNet
from textsr.ocr.engines import Reader, available_readers
from textsr.pretrained import FOLDER
from textsr.training.batches import make_batches
from textsr.training.fitting import choose_precision

_FRESH = "fresh"
_BRIGHTEST = 64  # grey levels of an expected error


def main() -> None:
    """Parse the command line, train the head unless it is kept, read, and show it all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=FOLDER, help="folder; default: the package's")
    add_shared_arguments(parser)
    arguments = parser.parse_args()
    try:
        print(study_outputs(load_params(), arguments))
    except TextsrError as error:
        sys.exit(f"outputs: {error}")


@dataclass(frozen=True)
class Studied:
    """A set of lines, all that rules need of each, and what they were read as."""

    name: str
    lines: Sequence[EvaluationLine]
    outputs: Sequence[Outputs]
    tables: Mapping[str, pd.DataFrame]
    """Scores, a row a line: bicubic's and each rule's."""


def study_outputs(params: Params, arguments: argparse.Namespace) -> str:
    """Do it all; return the report.

    Raises:
        TextsrError: if there is no such model, or it is no upsampler of the configured scale.
    """
    use_threads(arguments.threads)
    network = _network(arguments.model, params.synthesis.scale)
    readers, resampling = available_readers(arguments.threads), resampling_of(params)
    lines = _sets(params, arguments.lines)
    key = _version(params, arguments)
    folder = arguments.output / f"outputs-{key}"
    with ticks() as progress:
        head = _head(network, params, arguments.minutes, key, folder, progress)
        sets = [_study(name, its, head, readers, folder, progress) for name, its in lines.items()]
    described = {"model": fingerprint("", [arguments.model / WEIGHTS])}
    described["minutes"] = f"{arguments.minutes:g}"
    for rule, (what, _) in RULES.items():
        summaries = {
            studied.name: gains(studied.tables[rule], studied.tables[BICUBIC], resampling)
            for studied in sets
        }
        run = fingerprint(f"{key} {rule} {summaries}", [])
        track(
            run,
            params,
            name=rule,
            described={**described, "rule": what},
            numbers={},
            curve=[],
            summaries=summaries,
        )
    found = _calibration(sets[0])
    _draw(found, folder / "calibration.png")
    for studied in sets:
        _picture(studied, folder / f"{studied.name}.png")
    report = _render(sets, found, resampling)
    write_text(folder / "report.md", report)
    return (
        f"{report}\n{folder}: report.md, pictures; runs in MLflow's experiment {experiment(params)}"
    )


def see(head: ErrorHead, line: EvaluationLine) -> Outputs:
    """Return what rules need of a line."""
    with torch.inference_mode():
        lr = to_tensor([line.lr])
        upscaled, log_variances = head(lr)
        low = bicubic(lr, upscaled.shape[2] // lr.shape[2])
    planes = (plane[0, 0].numpy() for plane in (lr, low, upscaled, log_variances.exp()))
    return Outputs(*planes)


def _network(folder: Path, scale: int) -> UpsamplerNet:
    model = load_model(folder)
    if not isinstance(model.network, UpsamplerNet) or model.scale != scale:
        raise TextsrError(
            f"{folder}: scale {model.scale}, {model.spec.architecture}; name an upsampler of scale "
            f"{scale}, as params.yaml has it"
        )
    return model.network.to(memory_format=torch.channels_last)


def _sets(params: Params, count: int) -> dict[str, list[EvaluationLine]]:
    """Return fresh lines and the real sets; `test` judges what is published, and that alone."""
    real = load_sets(params, project.DATASET, project.DATA)
    del real[TEST]
    if _FRESH in real:
        raise TextsrError(f"data/real/{_FRESH}: the lines that are drawn have this name; rename it")
    return {_FRESH: fresh_lines(params, project.DATA, count), **real}


def _version(params: Params, arguments: argparse.Namespace) -> str:
    """Return what changes whenever the head may."""
    described = f"{arguments.minutes} {torch.get_num_threads()} {params.seed} "
    described += f"{choose_precision(params.compute.precision)} {params.training} "
    described += f"{params.synthesis}"
    package = Path(textsr.__file__).parent
    depends = [arguments.model / WEIGHTS, project.DATASET / "train"]
    depends += [Path(module.__file__) for module in (budget, uncertainty)]
    depends += [package / name for name in ("models", "datasets", "training/batches.py")]
    return fingerprint(described, depends)


def _head(
    network: UpsamplerNet,
    params: Params,
    minutes: float,
    key: str,
    folder: Path,
    progress: Progress,
) -> ErrorHead:
    """Return the head of this study, trained now unless it is kept."""
    torch.manual_seed(params.seed)
    head = ErrorHead(network)
    kept = folder / "head.safetensors"
    if not kept.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        bf16 = choose_precision(params.compute.precision) == "bf16-mixed"
        run = head_training(head, folder / "checkpoint.pt", key, bf16=bf16)
        batches = make_batches(params, project.DATASET, batch_size=BATCH_SIZE, seed=params.seed)
        trained = fit(run, batches, minutes, progress("learning its errors", round(minutes)))
        with replace_file(kept) as temporary:
            save_file(trained.state_dict(), temporary)
        run.forget()
    head.load_state_dict(load_file(kept))
    return head.eval().requires_grad_(False)


def _study(
    name: str,
    lines: Sequence[EvaluationLine],
    head: ErrorHead,
    readers: Sequence[Reader],
    folder: Path,
    progress: Progress,
) -> Studied:
    """Read what each rule makes of a set, unless the very images were read before."""
    outputs = [see(head, line) for line in lines]
    scale = outputs[0].low.shape[0] // outputs[0].lr.shape[0]
    judged = f"{name} {lines_version(lines)} {judges_version(readers)}"

    def read(method: str, images: Sequence[Image]) -> pd.DataFrame:
        version = fingerprint(f"{judged} {_digest(images)}", [])
        tick = progress(f"{name}: {method}", len(images) * len(readers))
        return keep(
            folder / f"{name}-{method.replace(' ', '-')}-{version}.parquet",
            lambda: score_set(method, name, lines, images, readers, tick),
        )

    upscale = bicubic_upscale(scale)
    tables = {BICUBIC: read(BICUBIC, [upscale(line.lr) for line in lines])}
    tables |= {
        rule: read(rule, [_image(o, act) for o in outputs]) for rule, (_, act) in RULES.items()
    }
    return Studied(name, lines, outputs, tables)


def _digest(images: Sequence[Image]) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for image in images:
        digest.update(repr(image.shape).encode())
        digest.update(image.tobytes())
    return digest.hexdigest()


def _image(outputs: Outputs, rule: Rule) -> Image:
    return to_image(torch.from_numpy(put_together(outputs, rule(outputs))))


def _calibration(studied: Studied) -> pd.DataFrame:
    """Compare expected with found errors over all LR pixels of lines whose HR is known."""
    variances, squared = [], []
    for line, outputs in zip(studied.lines, studied.outputs, strict=True):
        assert line.hr is not None  # fresh lines are synthetic
        errors = (outputs.high - line.hr.astype(np.float32) / 255) ** 2
        size = outputs.lr.shape[::-1]
        squared.append(cv2.resize(errors, size, interpolation=cv2.INTER_AREA).reshape(-1))
        variances.append(outputs.variance.reshape(-1))
    return calibration(np.concatenate(variances), np.concatenate(squared))


def _render(sets: Sequence[Studied], found: pd.DataFrame, resampling: Resampling) -> str:
    """Render the calibration, and for each set a row a rule."""
    levels = (255 * found).round(1)
    tenths = [["", *map(str, range(1, len(levels) + 1))], ["---"] * (len(levels) + 1)]
    tenths += [[name, *map(str, levels[name])] for name in ("expected", "found")]
    parts = ["### Errors, grey levels, from the most certain tenth of pixels to the least\n"]
    parts.append(_table(tenths))
    for studied in sets:
        bicubics, base = studied.tables[BICUBIC], studied.tables[BASE]
        readers = reader_names(bicubics)
        summary = summarise(bicubics, resampling)
        accuracies = (f"{reader} {summary[reader]['accuracy']:.3f}" for reader in readers)
        parts.append(f"### {studied.name}: {len(base)} lines; bicubic: {', '.join(accuracies)}\n")
        rows = [["weight", "mean weight", "PSNR dB", "SSIM", *(f"{r}, CER" for r in readers)]]
        rows[0] += [f"{reader} over {BASE}" for reader in readers]
        rows.append(["---"] * len(rows[0]))
        for name, (what, rule) in RULES.items():
            table = studied.tables[name]
            mean = np.mean([rule(outputs).mean() for outputs in studied.outputs])
            row = [f"{name}: {what}", f"{mean:.2f}", *cells(table, bicubics, readers, resampling)]
            changes = compare_methods(table, base, resampling)
            rows.append([*row, *(difference(changes[reader]) for reader in readers)])
        parts.append(_table(rows))
    return "\n".join(parts)


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


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


def _picture(studied: Studied, path: Path) -> None:
    """Draw lines at equal distances: outputs, and where the network is uncertain."""
    reader = reader_names(studied.tables[BICUBIC])[0]
    rows = []
    for number in spread_evenly(len(studied.lines), 12):
        line, outputs = studied.lines[number], studied.outputs[number]
        images = {BICUBIC: to_image(torch.from_numpy(outputs.low))}
        images |= {name: _image(outputs, RULES[name][1]) for name in SHOWN}
        read = {name: studied.tables[name].iloc[number][f"{reader}_text"] for name in images}
        row = [Cell(image, read[name]) for name, image in images.items()]
        row.append(Cell(_map(outputs), None))
        rows.append((line.text, row))
    columns = [BICUBIC, *SHOWN, f"expected error: white {_BRIGHTEST} levels or more"]
    save_panel(path, columns, rows, f"{studied.name}: lines at equal distances, as {reader} reads")


def _map(outputs: Outputs) -> Image:
    """Return the expected error as an image of HR size."""
    error = np.sqrt(outputs.variance) * 255 / _BRIGHTEST
    fine = cv2.resize(error, outputs.high.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return to_image(torch.from_numpy(fine))


if __name__ == "__main__":
    main()
