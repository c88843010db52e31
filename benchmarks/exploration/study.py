"""Try changes of the recipe for equal CPU time, and show what each does for readers.

Each change is trained for the same CPU minutes (threads summed, batches included) on the same
lines, and read on fresh lines of `val`'s fonts and texts: by itself, and blended with bicubic. It
becomes an MLflow run. What is done is kept, and a killed training goes on when called anew.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import torch
from torch import nn

from benchmarks.budget import BudgetedRun, CurvePoint, Loss, Recipe, warmed_cosine
from benchmarks.exploration import networks
from benchmarks.exploration.changes import BASE, CHANGES, Made, Setting, Start, Trial, begin
from benchmarks.exploration.report import draw, render
from textsr import project
from textsr.cli_progress import ticks
from textsr.compute import use_threads
from textsr.datasets.pairs import Batch
from textsr.datasets.shards import decode_grey
from textsr.errors import TextsrError
from textsr.evaluation.ocr import Reader, available_readers
from textsr.evaluation.run import Progress, measure_speed, resampling_of, write_samples
from textsr.evaluation.score import Upscale, bicubic_upscale, network_upscale, score_set
from textsr.evaluation.sets import EvaluationLine
from textsr.evaluation.summary import compare_methods, summarise
from textsr.files import fingerprint, read_json, write_json, write_text
from textsr.models.package import BlendedModel, ModelSpec
from textsr.params import Params, load_params
from textsr.synthesis.sample import load_source, make_sample
from textsr.tracking import Tracker, lineage_tags, set_metrics
from textsr.training.fitting import choose_precision

BLEND = 0.4
"""Of the package's weights: how much of the output is read besides the output alone."""
BICUBIC = "bicubic"
_SET = "fresh"
_FRESH_SEED = 2_000_000  # far from any dataset's
_SAVE_EVERY_S = 60.0
_FOLDER = Path("out/exploration")


def main() -> None:
    """Parse the command line, try what is not yet known, and show it all."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="changes:\n" + "\n".join(f"  {k:16} {v.what}" for k, v in CHANGES.items()),
    )
    parser.add_argument("changes", nargs="*", metavar="CHANGE", help="all that fit, if none is")
    parser.add_argument("--start", choices=get_args(Start), default="scratch")
    parser.add_argument("--minutes", type=float, default=8, help="of CPU, threads summed")
    parser.add_argument("--lines", type=int, default=800, help="fresh ones, to be read")
    parser.add_argument("--threads", type=int, default=1, help="0: one a core")
    parser.add_argument("--output", type=Path, default=_FOLDER)
    arguments = parser.parse_args()
    try:
        _study(load_params(), arguments)
    except TextsrError as error:
        sys.exit(f"explore: {error}")


def _study(params: Params, arguments: argparse.Namespace) -> None:
    setting = Setting(params, project.DATASET, project.ENCODERS, arguments.start)
    names = choose(arguments.changes, setting.start)
    folder = arguments.output / f"{setting.start}-{arguments.minutes:g}-minutes"
    use_threads(arguments.threads)
    readers = available_readers(arguments.threads)
    lines = fresh_lines(params, project.DATA, arguments.lines)
    tables, records = {}, {}
    with ticks() as progress:
        path = folder / f"{BICUBIC}-{len(lines)}.parquet"
        if not path.is_file():
            upscale = bicubic_upscale(params.synthesis.scale)
            write_samples(path, _score(BICUBIC, upscale, lines, readers, progress))
        bicubic = pd.read_parquet(path)
        for name in names:
            done = folder / f"{name}-{len(lines)}"
            if not (done / "record.json").is_file():
                _try(name, setting, arguments.minutes, lines, readers, bicubic, done, progress)
            records[name] = read_json(done / "record.json")
            tables[name] = pd.read_parquet(done / "samples.parquet")
    report = render(bicubic, tables, records, resampling_of(params))
    write_text(folder / "report.md", report)
    draw(tables, resampling_of(params), folder / "report.png")
    print(report)
    print(f"{folder}: report.md, report.png; runs in MLflow's experiment {_experiment(params)}")


def choose(names: Sequence[str], start: Start) -> list[str]:
    """Return the changes to try, `mse` first.

    Raises:
        TextsrError: if there is no such change, or it needs fresh weights and there are none.
    """
    unknown = [name for name in names if name not in CHANGES]
    if unknown:
        raise TextsrError(f"{unknown[0]}: no such change; choose of {', '.join(CHANGES)}")
    fresh = [name for name in names if CHANGES[name].fresh and start == "package"]
    if fresh:
        raise TextsrError(f"{fresh[0]}: is another network; use --start scratch")
    wanted = names or [n for n, c in CHANGES.items() if start == "scratch" or not c.fresh]
    return [BASE, *(name for name in wanted if name != BASE)]


def fresh_lines(params: Params, data: Path, count: int) -> list[EvaluationLine]:
    """Draw lines of `val`'s fonts and texts that are in no dataset."""
    source = load_source(params, "val", data)
    synthesis = params.synthesis.model_copy(update={"seed": _FRESH_SEED})
    source = replace(source, params=params.model_copy(update={"synthesis": synthesis}))
    lines = []
    for number in range(count):
        row = make_sample(source, number)
        lr, hr = (decode_grey(row[side]["bytes"], row["sample_id"]) for side in ("lr", "hr"))
        lines.append(EvaluationLine(row["sample_id"], row["text"], lr, hr))
    return lines


def train(
    name: str, setting: Setting, minutes: float, checkpoint: Path, progress: Progress
) -> tuple[BlendedModel, list[CurvePoint]]:
    """Train a change for so many CPU minutes.

    Returns:
        The model, its output alone, and its curve.

    Raises:
        TextsrError: if the checkpoint is of another training.
    """
    trial = begin(setting, CHANGES[name])
    params = setting.params.training
    trained = nn.ModuleList([trial.network, *trial.heads]).to(memory_format=torch.channels_last)

    def loss(batch: Batch, step: int) -> Loss:
        upscaled, frames = trial.network.upscale(batch.lr)
        made = Made(batch, upscaled, frames, step)
        mse = nn.functional.mse_loss(upscaled.detach(), batch.hr)
        return Loss(torch.stack([w * term(made) for w, term in trial.terms]).sum(), mse)

    recipe = Recipe(
        loss=loss,
        optimizer=torch.optim.AdamW(
            trained.parameters(), lr=trial.learning_rate, weight_decay=params.weight_decay
        ),
        rate=warmed_cosine(trial.learning_rate, params.warmup_fraction),
        clip_norm=params.gradient_clip,
        ema_decay=trial.ema_decay,
    )
    precision = choose_precision(setting.params.compute.precision)
    described = f"{name} {setting} {minutes} {torch.get_num_threads()}"
    run = BudgetedRun(
        trained,
        recipe,
        checkpoint=checkpoint,
        fingerprint=fingerprint(described, [setting.train, Path(__file__).parent]),
        bf16=precision == "bf16-mixed",
    )
    tick = progress(name, round(minutes))

    def report(point: CurvePoint) -> None:
        tick()

    network = run.fit(
        trial.batches,
        clock=time.process_time,
        budget=60 * minutes,
        save_every=_SAVE_EVERY_S,
        report=report,
    )
    return _model(name, trial, network), run.curve


def _model(name: str, trial: Trial, trained: nn.Module) -> BlendedModel:
    network = trained[0]  # type: ignore[index]
    networks.fuse(network)
    spec = ModelSpec(
        name=name,
        architecture="upsampler",
        encoder="text",
        width=network.encoder.channels[0],
        scale=network.scale,
    )
    return BlendedModel(spec, network).eval().requires_grad_(False)


def _try(
    name: str,
    setting: Setting,
    minutes: float,
    lines: Sequence[EvaluationLine],
    readers: Sequence[Reader],
    bicubic: pd.DataFrame,
    folder: Path,
    progress: Progress,
) -> None:
    """Train and score a change; write its samples, its record and, last, its MLflow run."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    model, curve = train(name, setting, minutes, checkpoint, progress)
    tables = []
    for weight in (1.0, BLEND):
        spec = model.spec.model_copy(update={"blend": weight})
        blended = BlendedModel(spec, model.network).eval()
        tables.append(_score(f"{weight:g}", network_upscale(blended), lines, readers, progress))
    samples = pd.concat(tables, ignore_index=True)
    record = {
        "change": CHANGES[name].what,
        "parameters": sum(p.numel() for p in model.network.parameters()),
        "steps": curve[-1].steps,
        "train_steps_per_cpu_second": curve[-1].steps / curve[-1].cpu_seconds,
        **measure_speed(model, setting.params.synthesis.lr_height),
    }
    _track(name, setting, record, curve, tables, bicubic)
    write_samples(folder / "samples.parquet", samples)
    write_json(folder / "record.json", record)
    checkpoint.unlink()


def _score(
    method: str,
    upscale: Upscale,
    lines: Sequence[EvaluationLine],
    readers: Sequence[Reader],
    progress: Progress,
) -> pd.DataFrame:
    tick = progress(f"reading {method}", len(lines) * len(readers))
    return score_set(method, _SET, lines, [upscale(line.lr) for line in lines], readers, tick)


def _experiment(params: Params) -> str:
    return f"{params.tracking.experiment}-exploration"


def _track(
    name: str,
    setting: Setting,
    record: dict[str, Any],
    curve: Sequence[CurvePoint],
    tables: Sequence[pd.DataFrame],
    bicubic: pd.DataFrame,
) -> None:
    """Make the change's MLflow run."""
    root, resampling = Path.cwd(), resampling_of(setting.params)
    tracker = Tracker(root)
    described = {"change": name, "what": record["change"], "start": setting.start}
    run = tracker.start(
        name, _experiment(setting.params), described, lineage_tags(root, setting.params.seed)
    ).run_id
    for point in curve:
        tracker.log(run, {"train_mse": point.mse}, point.steps)
    sets: dict[str, Any] = {}
    for table in tables:
        summary = summarise(table, resampling)
        for measure, change in compare_methods(table, bicubic, resampling).items():
            gained = {"gain": change.value, "gain_ci": change.interval}
            if isinstance(summary[measure], dict):
                summary[measure] |= gained
            else:
                summary[f"{measure}_gain"] = change.value
        sets[f"at {table['method'].iloc[0]}"] = summary
    numbers = {key: value for key, value in record.items() if not isinstance(value, str)}
    tracker.log(run, {**numbers, **set_metrics(sets)})
    tracker.finish(run)


if __name__ == "__main__":
    main()
