"""Try changes of the recipe for equal CPU time, and show what each does for readers.

Each change is trained for the same CPU minutes (threads summed, batches included) on the same
lines, and read on fresh lines of `val`'s fonts and texts: by itself, and blended with bicubic. It
becomes an MLflow run. What is done is kept for as long as nothing that it was made of changes,
and a killed training goes on when called anew.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import torch
from torch import nn

import textsr
from benchmarks import budget
from benchmarks.budget import BudgetedRun, CurvePoint, Loss, Recipe, warmed_cosine
from benchmarks.exploration import changes, losses, networks
from benchmarks.exploration.changes import BASE, CHANGES, Made, Setting, Start, Trial, begin
from benchmarks.exploration.report import draw, render
from benchmarks.kept_scores import judges_version, keep, lines_version
from textsr.cli.progress import ticks
from textsr.compute import use_threads
from textsr.config import project
from textsr.config.params import Params, load_params
from textsr.datasets.pairs import Batch
from textsr.datasets.shards import decode_grey
from textsr.errors import TextsrError
from textsr.evaluation.run import Progress, resampling_of, write_samples
from textsr.evaluation.score import Upscale, bicubic_upscale, network_upscale, score_set
from textsr.evaluation.sets import EvaluationLine
from textsr.evaluation.statistics import Resampling
from textsr.evaluation.summary import compare_methods, summarise
from textsr.files import fingerprint, read_json, write_json, write_text
from textsr.models.package import BlendedModel, ModelSpec
from textsr.ocr.engines import Reader, available_readers
from textsr.pretrained import load_reference
from textsr.synthesis.sample import load_source, make_sample
from textsr.tracking.client import Tracker, flatten, lineage_tags, set_metrics
from textsr.training.fitting import choose_precision

BLEND = 0.4
"""Of the package's weights: how much of the output is read besides the output alone."""
BICUBIC = "bicubic"
_SET = "fresh"
_FRESH_SEED = 2_000_000  # far from any dataset's
_SAVE_EVERY_S = 60.0
_FOLDER = Path("out/exploration")
_RECORD = "record.json"
_SAMPLES = "samples.parquet"
_KEY = "textsr.exploration"
_NOTE = """\
**Changes of the recipe**, each trained for the same CPU minutes. `at 1/READER_gain` is OCR
accuracy over bicubic of the network's output alone, on fresh lines whose fonts and texts training
never saw; `at 0.4/READER_gain` of its blend with bicubic. Compare with the run `mse`, and see by
`mse-again` how far chance goes.

**Rules of blending** (`make outputs`), one network: `SET/READER_gain`; compare with the run `0.4`.
"""


def main() -> None:
    """Parse the command line, try what is not yet known, and show it all."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="changes:\n" + "\n".join(f"  {k:16} {v.what}" for k, v in CHANGES.items()),
    )
    parser.add_argument("changes", nargs="*", metavar="CHANGE", help="all that fit, if none is")
    parser.add_argument("--start", choices=get_args(Start), default="scratch")
    add_shared_arguments(parser)
    arguments = parser.parse_args()
    try:
        _study(load_params(), arguments)
    except TextsrError as error:
        sys.exit(f"explore: {error}")


def add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every study can be told."""
    parser.add_argument("--minutes", type=_positive, default=8.0, help="of CPU, threads summed")
    parser.add_argument("--lines", type=_count, default=800, help="fresh ones, to be read")
    parser.add_argument("--threads", type=int, default=1, help="0: one a core")
    parser.add_argument("--output", type=Path, default=_FOLDER)


def _count(argument: str) -> int:
    value = int(argument)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _positive(argument: str) -> float:
    value = float(argument)
    if not value > 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def _study(params: Params, arguments: argparse.Namespace) -> None:
    setting = Setting(params, project.DATASET, project.ENCODERS, arguments.start)
    names = choose(arguments.changes, setting)
    folder = arguments.output / (
        f"{setting.start}-{arguments.minutes:g}-minutes-{arguments.lines}-lines"
    )
    use_threads(arguments.threads)
    judged = Judged(
        fresh_lines(params, project.DATA, arguments.lines),
        available_readers(arguments.threads),
        resampling_of(params),
    )
    tables, records = {}, {}
    report = ""
    with ticks() as progress:
        path = folder / f"{BICUBIC}-{judged.version}.parquet"
        upscale = bicubic_upscale(params.synthesis.scale)
        bicubic = keep(path, lambda: judged.score(BICUBIC, upscale, progress))
        for name in names:
            key = version_of(name, setting, arguments.minutes)
            done = folder / f"{name}-{fingerprint(f'{key} {judged.version}', [])}"
            if not (done / _RECORD).is_file():
                _try(name, setting, arguments.minutes, judged, bicubic, done, progress)
            records[name] = read_json(done / _RECORD)
            tables[name] = pd.read_parquet(done / _SAMPLES)
            # After each, so that hours of work can be looked at before the last is done.
            report = render(bicubic, tables, records, judged.resampling)
            write_text(folder / "report.md", report)
            if len(tables) > 1:
                draw(tables, judged.resampling, folder / "report.png")
    print(report)
    print(f"{folder}: report.md, report.png; runs in MLflow's experiment {experiment(params)}")


@dataclass(frozen=True)
class Judged:
    """What changes are judged by: lines, who reads them, and how intervals are computed."""

    lines: Sequence[EvaluationLine]
    readers: Sequence[Reader]
    resampling: Resampling

    @cached_property
    def version(self) -> str:
        """What changes whenever a score may."""
        return fingerprint(f"{lines_version(self.lines)} {judges_version(self.readers)}", [])

    def score(self, method: str, upscale: Upscale, progress: Progress) -> pd.DataFrame:
        """Upscale and read all lines."""
        tick = progress(f"reading {method}", len(self.lines) * len(self.readers))
        images = [upscale(line.lr) for line in self.lines]
        return score_set(method, _SET, self.lines, images, self.readers, tick)


def version_of(name: str, setting: Setting, minutes: float) -> str:
    """Return what changes whenever the training of a change may."""
    params = setting.params
    sections = [section.model_dump_json() for section in (params.training, params.synthesis)]
    described = f"{name} {setting.start} {minutes} {torch.get_num_threads()} {params.seed} "
    described += f"{choose_precision(params.compute.precision)} {sections}"
    package = Path(textsr.__file__).parent
    depends = [setting.train, Path(budget.__file__)]
    depends += [package / folder for folder in ("models", "datasets", "reference")]
    depends += [Path(module.__file__) for module in (changes, losses, networks)]
    if name == "features":
        depends.append(setting.simclr)
    return fingerprint(described, depends)


def choose(names: Sequence[str], setting: Setting) -> list[str]:
    """Return the changes to try, `mse` first.

    Raises:
        TextsrError: if there is no such change, or what it needs is not there.
    """
    unknown = [name for name in names if name not in CHANGES]
    if unknown:
        raise TextsrError(f"{unknown[0]}: no such change; choose of {', '.join(CHANGES)}")
    further = setting.start == "package"
    if further and setting.params.synthesis.scale != load_reference().scale:
        raise TextsrError("--start package: its weights are of another scale; use scratch")
    fresh = [name for name in names if CHANGES[name].fresh and further]
    if fresh:
        raise TextsrError(f"{fresh[0]}: is another network; use --start scratch")
    wanted = names or [n for n, c in CHANGES.items() if not (further and c.fresh)]
    if "features" in wanted and not setting.simclr.is_dir():
        raise TextsrError(
            f"{setting.simclr}: no such folder, which features needs; make it with "
            "`dvc repro pretrain@simclr`, or name other changes"
        )
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
    trial, run = prepare(name, setting, minutes, checkpoint)
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


def prepare(
    name: str, setting: Setting, minutes: float, checkpoint: Path
) -> tuple[Trial, BudgetedRun]:
    """Return a change's trial and its training, begun anew or where `checkpoint` was written.

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
    run = BudgetedRun(
        trained,
        recipe,
        checkpoint=checkpoint,
        fingerprint=version_of(name, setting, minutes),
        bf16=choose_precision(setting.params.compute.precision) == "bf16-mixed",
    )
    return trial, run


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
    judged: Judged,
    bicubic: pd.DataFrame,
    folder: Path,
    progress: Progress,
) -> None:
    """Train, score and track a change; write its samples and, last, its record."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    model, curve = train(name, setting, minutes, checkpoint, progress)
    tables = []
    for weight in (1.0, BLEND):
        spec = model.spec.model_copy(update={"blend": weight})
        blended = BlendedModel(spec, model.network).eval()
        tables.append(judged.score(f"{weight:g}", network_upscale(blended), progress))
    record = {
        "change": CHANGES[name].what,
        "parameters": sum(p.numel() for p in model.network.parameters()),
        "steps": curve[-1].steps,
        "train_steps_per_cpu_second": curve[-1].steps / curve[-1].cpu_seconds,
    }
    described = {
        "change": name,
        "start": setting.start,
        "minutes": f"{minutes:g}",
        "threads": str(torch.get_num_threads()),
        **flatten({"training": setting.params.training.model_dump(mode="json")}),
    }
    numbers = {measure: value for measure, value in record.items() if measure != "change"}
    summaries = {
        f"at {table['method'].iloc[0]}": gains(table, bicubic, judged.resampling)
        for table in tables
    }
    track(folder.name, setting.params, name, described, numbers, curve, summaries)
    write_samples(folder / _SAMPLES, pd.concat(tables, ignore_index=True))
    write_json(folder / _RECORD, record)
    checkpoint.unlink()


def experiment(params: Params) -> str:
    """Return the MLflow experiment of what is tried."""
    return f"{params.tracking.experiment}-exploration"


def track(
    key: str,
    params: Params,
    name: str,
    described: Mapping[str, str],
    numbers: Mapping[str, float],
    curve: Sequence[CurvePoint],
    summaries: Mapping[str, Mapping[str, Any]],
) -> None:
    """Make an MLflow run of what was tried, unless one that was finished is there.

    Args:
        key: what changes whenever the run would be another.
        params: the whole of params.yaml.
        name: of the run.
        described: its parameters.
        numbers: metrics of it as a whole.
        curve: of its training.
        summaries: of what was read, by set or weight, as `gains` returns them.
    """
    root = Path.cwd()
    tracker = Tracker(root)
    ours = tracker.experiment_id(experiment(params))
    tracker.client.set_experiment_tag(ours, "mlflow.note.content", _NOTE)
    of_this = f"tags.`{_KEY}` = '{key}' and attributes.status = 'FINISHED'"
    if tracker.client.search_runs([ours], of_this, max_results=1):
        return
    tags = lineage_tags(root, params.seed) | {_KEY: key}
    run = tracker.start(name, experiment(params), described, tags).run_id
    try:
        for point in curve:
            tracker.log(run, {"train_mse": point.mse}, point.steps)
        tracker.log(run, {**numbers, **set_metrics(summaries)})
    except BaseException:
        tracker.finish(run, "FAILED")
        raise
    tracker.finish(run)


def gains(table: pd.DataFrame, bicubic: pd.DataFrame, resampling: Resampling) -> dict[str, Any]:
    """Summarise a table of scores, with its gains over bicubic."""
    summary = summarise(table, resampling)
    for measure, change in compare_methods(table, bicubic, resampling).items():
        if isinstance(summary[measure], dict):
            summary[measure] |= {"gain": change.value, "gain_ci": change.interval}
        else:
            summary[f"{measure}_gain"] = change.value
    return summary


if __name__ == "__main__":
    main()
