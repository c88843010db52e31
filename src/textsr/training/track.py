"""Training with its MLflow run, which lives through kills as the checkpoints do."""

from pathlib import Path

from textsr import pretrained
from textsr.config import project
from textsr.config.params import Params
from textsr.files import fingerprint, read_json, write_text
from textsr.models.package import WEIGHTS
from textsr.tracking.client import RunRecord, Tracker, describe_lines, flatten, lineage_tags
from textsr.training.curves import write_curves
from textsr.training.fitting import forget_checkpoints, is_rank_zero
from textsr.training.run import TrainingRun, plan_training, run_training


def train_tracked(name: str, params: Params, root: Path) -> None:
    """Train model `name`; write `model/`, `curves.csv` and `run.json` under its folder.

    A process that is not rank zero, where several devices train, writes and tracks nothing.
    """
    output = project.MODELS / name
    imported = project.IMPORTED if project.IMPORTED.is_dir() else None
    run = plan_training(
        name,
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
    tracker = Tracker(root)
    record = _open_run(tracker, run, root)
    try:
        curves = run_training(
            run, output / "model", lambda metrics, step: tracker.log(record.run_id, metrics, step)
        )
    except BaseException:
        tracker.finish(record.run_id, "FAILED")
        raise
    write_curves(output / "curves.csv", curves)
    write_text(output / "run.json", record.model_dump_json(indent=2) + "\n")
    tracker.finish(record.run_id)
    forget_checkpoints(f"train-{name}")


def _open_run(tracker: Tracker, run: TrainingRun, root: Path) -> RunRecord:
    """Continue the run of the checkpoints that will be resumed, or start one."""
    path = run.checkpoints / "run.json"
    if path.exists():
        remedy = "remove it: the training goes on under a new MLflow run"
        record = RunRecord.model_validate(read_json(path, RunRecord, remedy))
        if tracker.exists(record.run_id):
            tracker.resume(record)
            return record
    tags = lineage_tags(root, run.params.seed) | {"initialisation": _initialisation(run)}
    if run.encoder is not None:
        encoder_run = tracker.encoder_run(run.params.tracking.experiment, run.encoder)
        tags["encoder_run_id"] = encoder_run or "unknown: pretrained on another tracking server"
    if run.settings.is_pretrained:
        tags["initial_weights"] = fingerprint("", [pretrained.FOLDER / WEIGHTS])
    record = tracker.start(run.name, run.params.tracking.experiment, _described(run), tags)
    write_text(path, record.model_dump_json(indent=2) + "\n")
    return record


def _initialisation(run: TrainingRun) -> str:
    """Return what training starts from, in a word."""
    return "pretrained" if run.settings.is_pretrained else run.settings.method or "scratch"


def _described(run: TrainingRun) -> dict[str, str]:
    """Return the params that this training depends on."""
    params = run.params
    described = {
        "training": params.training.model_dump(mode="json"),
        "model": run.spec.model_dump(mode="json", exclude={"blend"}, exclude_none=True),
    }
    if run.encoder is not None:
        described["pretraining"] = params.pretraining.model_dump(mode="json")
    return flatten({"seed": params.seed, **described}) | describe_lines(params)
