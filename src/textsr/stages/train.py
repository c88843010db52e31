"""Stage `train`: train a network, with an MLflow run that lives through kills."""

from pathlib import Path

from textsr import pretrained
from textsr.config import project
from textsr.config.params import Params
from textsr.files import fingerprint
from textsr.models.package import WEIGHTS
from textsr.tracking import describe_lines, flatten, track
from textsr.training.curves import write_curves
from textsr.training.fitting import forget_checkpoints, is_rank_zero
from textsr.training.run import TrainingRun, plan_training, run_training


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
        encoder=run.encoder,
        checkpoints=run.checkpoints,
        record=output / "run.json",
    ) as tracked:
        curves = run_training(run, output / "model", tracked.log)
        write_curves(output / "curves.csv", curves)
    forget_checkpoints(f"train-{model}")


def _describe_training(run: TrainingRun) -> dict[str, str]:
    """Return the params that a training depends on, as MLflow's."""
    params = run.params
    described = {
        "seed": params.seed,
        "training": params.training.model_dump(mode="json"),
        "settings": run.settings.model_dump(mode="json", exclude_none=True),
        "model": run.spec.model_dump(mode="json", exclude={"blend", "blends"}, exclude_none=True),
    }
    if run.encoder is not None:
        described["pretraining"] = params.pretraining.model_dump(mode="json")
    return flatten(described) | describe_lines(params)
