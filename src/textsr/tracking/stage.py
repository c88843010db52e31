"""The one context that attaches an MLflow run to a stage."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from textsr.config.params import Params
from textsr.config.yaml_files import dump_yaml
from textsr.files import read_json
from textsr.tracking.client import DATA, PRETRAINING, RunRecord, Tracker, explained
from textsr.tracking.lineage import lineage_tags

_EXPERIMENTS = {"train": "", "pretrain": PRETRAINING, "validate": DATA}
_RECORD = "run.json"


@dataclass(frozen=True)
class StageRun:
    """A run that a stage logs onto."""

    tracker: Tracker
    run_id: str
    started: RunRecord | None = None
    """None of a run that is found by its tag."""

    def log(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of one step."""
        self.tracker.log(self.run_id, metrics, step)

    def conclude(self, metrics: Mapping[str, float]) -> None:
        """Log metrics of the run as a whole, and keep them in its `run.json`."""
        self.log(metrics)
        assert self.started is not None
        self.started.metrics.update(metrics)

    def log_curves(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Log curves: rows of metrics, each with its `step`."""
        self.tracker.log_curves(self.run_id, rows)

    def log_files(self, paths: Iterable[Path]) -> None:
        """Log files as artifacts of the run."""
        for path in paths:
            self.tracker.client.log_artifact(self.run_id, str(path))

    def made_encoder(self, encoder: Path) -> None:
        """Tag the run with the hash of the encoder that it made, by which trainings find it."""
        self.tracker.tag_encoder(self.run_id, encoder)


@contextmanager
def track(
    stage: str,
    params: Params,
    root: Path,
    *,
    described: Mapping[str, str],
    tags: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    name: str | None = None,
    encoder: Path | None = None,
    checkpoints: Path | None = None,
    unique_tag: str | None = None,
    record: Path | None = None,
) -> Iterator[StageRun]:
    """Attach an MLflow run to a block; it ends as FINISHED, or as FAILED where the block raises.

    A new run carries the project's lineage as tags (see `lineage_tags`).

    Args:
        stage: as `dvc.yaml` names it, e.g. `train@scratch`; its group decides the experiment.
        params: the whole of params.yaml.
        root: the project.
        described: what tells the run from others, by dotted names: MLflow's params.
        tags: further tags; they take precedence over the lineage's.
        files: further artifacts beside `params.yaml`, which holds all of `params`; text by name.
        name: of the run; by default what stands after the stage's `@`.
        encoder: a pretrained encoder that goes into the run, whose own run becomes a tag.
        checkpoints: a folder that lives through a kill of the process. A run of which `run.json`
            lies there goes on; of a new one it is written there.
        unique_tag: one of `tags`. A finished run that has the same value of it goes on.
        record: where to write `run.json` when the block has succeeded.

    Raises:
        TextsrError: if the tracking server cannot be asked, also from within the block, or a
            `run.json` is damaged.
    """
    tracker = Tracker(root)
    with explained(tracker.uri):
        group, _, model = stage.partition("@")
        experiment = params.tracking.experiment + _EXPERIMENTS[group]
        tags = dict(tags or {})
        started = None if checkpoints is None else _resume(tracker, checkpoints / _RECORD)
        run_id = started.run_id if started else None
        if unique_tag is not None:
            run_id = tracker.find(experiment, unique_tag, tags[unique_tag], finished=True)
        if run_id is None:
            if encoder is not None:
                made_by = tracker.encoder_run(params.tracking.experiment, encoder)
                tags["encoder_run_id"] = made_by or "unknown: pretrained on another tracking server"
            tags = lineage_tags(root, params.seed) | tags
            whole = {"params.yaml": dump_yaml(params.model_dump(mode="json"))}
            started = tracker.start(
                name or model, experiment, described, tags, whole | dict(files or {})
            )
            run_id = started.run_id
        with tracker.failing(run_id):
            if checkpoints is not None and started is not None:
                started.write(checkpoints / _RECORD)
            yield StageRun(tracker, run_id, started)
            if record is not None and started is not None:
                started.write(record)
        tracker.finish(run_id)


def _resume(tracker: Tracker, path: Path) -> RunRecord | None:
    """Mark the recorded run as running again; None where there is no such run."""
    if not path.exists():
        return None
    remedy = "remove it: the training goes on under a new MLflow run"
    record = RunRecord.model_validate(read_json(path, RunRecord, remedy))
    if not tracker.exists(record.run_id):
        return None
    tracker.resume(record)
    return record
