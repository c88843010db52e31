"""The stages of `dvc.yaml`: where the rooms' functions meet the project's layout and MLflow.

A stage's function takes the whole of params.yaml and, where it takes long, what starts a progress
bar; it reads and writes in the working directory, the project's root. What it calls knows neither
the layout nor, `register` aside, MLflow. Imports stand inside the functions: a verb loads what its
stage needs, and a stage's code dependency in `dvc.yaml` is what its function imports.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textsr.config import project
from textsr.progress import Progress

if TYPE_CHECKING:
    from textsr.config.params import Params
    from textsr.training.run import TrainingRun
    from textsr.validation.datasets import Target
    from textsr.validation.report import ValidationReport

_BASELINES = project.EVALUATION / "baselines"
_EXTRA_RESULTS = project.EXTRA_VALIDATION / "results.json"


def synthesize(params: Params, start: Progress) -> int:
    """Draw the dataset; return how many of its shards were taken over from parts."""
    from textsr.synthesis.shards import Part, count_rows, write_dataset

    advance = start("lines", count_rows(params, Part.parse("1-of-1")))
    return write_dataset(params, project.DATA, project.DATASET, advance, project.PARTS)


def part(params: Params, name: str, start: Progress) -> None:
    """Draw one part of the dataset, e.g. `1-of-3`."""
    from textsr.synthesis.shards import Part, count_rows, write_part

    chosen = Part.parse(name)
    advance = start("lines", count_rows(params, chosen))
    write_part(params, project.DATA, project.PARTS, chosen, advance)


def extra_datasets(params: Params, start: Progress) -> None:
    """Draw the extra datasets."""
    from textsr.synthesis.extra_datasets import write_extra_datasets

    write_extra_datasets(params, project.DATA, project.EXTRA_DATASETS, start)


def validate(params: Params, start: Progress, say: Callable[[str], None]) -> None:
    """Validate the dataset and the extra datasets; one MLflow run per dataset, found by its hash.

    A dataset that fails is logged as well.
    """
    from textsr.config.params import SPLITS
    from textsr.files import fingerprint, write_json
    from textsr.ocr.engine import read_lines
    from textsr.ocr.rapidocr_engine import RapidOCREngine
    from textsr.tracking import flatten, track
    from textsr.validation.datasets import Target, validate_datasets
    from textsr.validation.pictures import CONTACT_SHEET, HISTOGRAMS

    engine = RapidOCREngine(params.compute.threads)
    main = Target(params, project.DATASET, project.VALIDATION, project.REPORTS / "data_card.md")
    extra = [
        Target(
            params.extra_dataset(name),
            project.EXTRA_DATASETS / name,
            project.EXTRA_VALIDATION / name,
            project.EXTRA_VALIDATION / name / "data_card.md",
            name,
        )
        for name in params.extra_datasets
    ]

    def log(target: Target, report: ValidationReport) -> None:
        synthesis = target.params.synthesis
        content = fingerprint("", [target.dataset / split for split in SPLITS])
        pictures = (report.data_docs / name for name in (CONTACT_SHEET, HISTOGRAMS))
        with track(
            "validate",
            target.params,
            Path.cwd(),
            name=f"{target.dataset.name} {content[:8]}",
            described=flatten({"synthesis": synthesis.model_dump(mode="json")}),
            tags={"textsr.dataset": content, "seed": str(synthesis.seed)},
            unique_tag="textsr.dataset",
        ) as run:
            run.log(_validation_metrics(report))
            run.log_files([target.card, target.output / "result.json", *pictures])

    results = validate_datasets(
        main, extra, project.DATA, lambda lines: read_lines(engine, lines), start, say, log
    )
    write_json(_EXTRA_RESULTS, results)


def _validation_metrics(report: ValidationReport) -> dict[str, float]:
    return {
        **{f"rows/{split}": float(rows) for split, rows in report.rows.items()},
        "validation/expectations": float(len(report.outcomes)),
        "validation/failures": float(len(report.failures)),
        "validation/warnings": float(len(report.warnings)),
    }


def ingest(params: Params, start: Progress) -> list[str]:
    """Turn imported pairs and HR images into shards; return what was done, a sentence each."""
    from textsr.imports.ingest import ingest

    return ingest(params, project.DATA, project.IMPORTED, start)


def pretrain(params: Params, method: str) -> None:
    """Pretrain an encoder, then log its run, by whose tag trainings find it."""
    from textsr.files import read_json
    from textsr.pretraining.run import run_pretraining
    from textsr.tracking import flatten, track
    from textsr.training.curves import read_curves

    output = project.ENCODERS / method
    run_pretraining(method, params, project.DATASET, project.DATA / "unlabelled", output)
    probe = read_json(output / "probe.json", dict[str, float])
    described = flatten(params.pretraining.model_dump(mode="json"))
    with track(f"pretrain@{method}", params, Path.cwd(), described=described) as run:
        run.log_curves(read_curves(output / "curves.csv"))
        run.log({key: value for key, value in probe.items() if key.startswith("probe_")})
        run.made_encoder(output / "encoder")


def recognizer(params: Params) -> None:
    """Train the recognizer that teaches the networks."""
    from textsr.training.recognizer import run_recognizer

    run_recognizer(params, project.DATASET, project.RECOGNIZER, project.EXTRA_DATASETS)


def train(params: Params, model: str) -> None:
    """Train a network, with an MLflow run that lives through kills as the checkpoints do.

    A process that is not rank zero, where several devices train, writes and tracks nothing.
    """
    from textsr import pretrained
    from textsr.files import fingerprint
    from textsr.models.package import WEIGHTS
    from textsr.tracking import track
    from textsr.training.curves import write_curves
    from textsr.training.fitting import forget_checkpoints, is_rank_zero
    from textsr.training.run import plan_training, run_training

    output = project.MODELS / model
    imported = project.IMPORTED if project.IMPORTED.is_dir() else None
    run = plan_training(
        model,
        params,
        project.DATASET,
        imported,
        project.ENCODERS,
        project.RECOGNIZER / "recognizer",
        project.EXTRA_DATASETS,
    )
    if not is_rank_zero():
        run_training(run, output / "model", lambda metrics, step: None)
        return
    settings = run.settings
    start = "pretrained" if settings.is_pretrained else settings.method or "scratch"
    tags = {"initialisation": start}
    if settings.is_pretrained:
        tags["initial_weights"] = fingerprint("", [pretrained.FOLDER / WEIGHTS])
    with track(
        f"train@{model}",
        params,
        Path.cwd(),
        described=_describe_training(run),
        tags=tags,
        encoder=run.encoder,
        checkpoints=run.checkpoints,
        record=output / "run.json",
    ) as tracked:
        curves = run_training(run, output / "model", tracked.log)
        write_curves(output / "curves.csv", curves)
    forget_checkpoints(f"train-{model}")


def _describe_training(run: TrainingRun) -> dict[str, str]:
    """Return the params that a training depends on, as MLflow's."""
    from textsr.tracking import describe_lines, flatten

    params = run.params
    described = {
        "seed": params.seed,
        "training": params.training.model_dump(mode="json"),
        "settings": run.settings.model_dump(mode="json", exclude_none=True),
        "model": run.spec.model_dump(mode="json", exclude={"blend"}, exclude_none=True),
    }
    if run.encoder is not None:
        described["pretraining"] = params.pretraining.model_dump(mode="json")
    return flatten(described) | describe_lines(params)


def baselines(params: Params, start: Progress) -> None:
    """Read the test split upscaled by bicubic, and at its true resolution."""
    from textsr.evaluation.run import run_baselines

    run_baselines(params, project.DATASET, project.DATA, _BASELINES, start)


def evaluate(params: Params, model: str, start: Progress) -> None:
    """Choose a model's blend and score it; log that onto the run of its training."""
    from textsr.evaluation.run import run_evaluation
    from textsr.registry.evaluations import publish_evaluation
    from textsr.tracking import Tracker

    trained, output = project.MODELS / model, project.EVALUATION / model
    samples = _BASELINES / "samples.parquet"
    run_evaluation(params, trained / "model", samples, project.DATASET, project.DATA, output, start)
    publish_evaluation(Tracker(Path.cwd()), trained, output)


def compare(params: Params) -> None:
    """Write the leaderboard and name the winner."""
    from textsr.evaluation.leaderboard import run_comparison

    run_comparison(params, project.EVALUATION, project.DATASET, project.REPORTS)


def register(params: Params, start: Progress) -> dict[str, Any]:
    """Register the winner, let the gate decide, and return the content of `registration.json`."""
    from textsr.registry.run import run_registration
    from textsr.tracking import Tracker

    return run_registration(
        params,
        Tracker(Path.cwd()),
        project.DATASET,
        project.MODELS,
        project.EVALUATION,
        project.REPORTS,
        start,
    )
