"""Stage `train`: train a network, with an MLflow run that lives through kills."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from textsr import pretrained
from textsr.config import project
from textsr.config.params import Params
from textsr.config.sections import Section
from textsr.files import fingerprint
from textsr.models.package import WEIGHTS
from textsr.tracking import LINES, describe_lines, flatten, track
from textsr.training.curves import write_curves
from textsr.training.fitting import forget_checkpoints, is_rank_zero
from textsr.training.run import TrainingRun, plan_training, run_training

# What of params.yaml tells runs apart in MLflow's tables.
_OF_TRAINING = ("batch_size", "gradient_clip", "imported_fraction", "max_shift_px", "mixture")
_OF_UPSAMPLER = ("ctc_loss_weight", "ema_decay", "warmup_fraction", "weight_decay")
_OF_PRETRAINING = ("batch_size", "crop_width", "learning_rate", "steps")


def train(params: Params, model: str) -> None:
    """Train a network, with an MLflow run that lives through kills as the checkpoints do.

    A process that is not rank zero, where several devices train, writes and tracks nothing.
    """
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
        files={LINES: json.dumps(describe_lines(params), indent=2)},
        encoder=run.encoder,
        checkpoints=run.checkpoints,
        record=output / "run.json",
    ) as tracked:
        trained = run_training(run, output / "model", tracked.log)
        write_curves(output / "curves.csv", trained.curves)
        tracked.conclude(trained.cost)
    forget_checkpoints(f"train-{model}")


def _describe_training(run: TrainingRun) -> dict[str, str]:
    """Return the params that tell a training from others; of those that it uses alone."""
    params, settings = run.params, run.settings
    model = run.spec.model_dump(mode="json", exclude={"blend", "blends"}, exclude_none=True)
    described: dict[str, Any] = {"seed": params.seed, "start": settings.start, "model": model}
    training: dict[str, Any] = {"steps": run.steps}
    if run.steps:
        training |= _choose(params.training, _OF_TRAINING)
        training["learning_rate"] = settings.learning_rate or params.training.learning_rate
        if settings.architecture == "upsampler":
            training |= _choose(params.training, _OF_UPSAMPLER)
            training["recognition_loss"] = {"weight": params.training.recognition_loss.weight}
        if settings.distillation_weight is not None:
            training["distillation_weight"] = settings.distillation_weight
    described["training"] = training
    if run.encoder is not None:
        chosen = _choose(params.pretraining, _OF_PRETRAINING)
        described["pretraining"] = {"method": settings.method} | chosen
    synthesis = _choose(params.synthesis, ("lr_height", "seed"))
    described["synthesis"] = synthesis | {"samples": {"train": params.synthesis.samples.train}}
    return flatten(described)


def _choose(section: Section, names: Iterable[str]) -> dict[str, Any]:
    return section.model_dump(mode="json", include=set(names))
