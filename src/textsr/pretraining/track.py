"""Pretraining with its MLflow run."""

from pathlib import Path

from textsr.config import project
from textsr.config.params import Params
from textsr.files import read_json
from textsr.pretraining.run import run_pretraining
from textsr.tracking.client import PRETRAINING_SUFFIX, Tracker, flatten, lineage_tags
from textsr.training.curves import read_curves


def pretrain_tracked(method: str, params: Params, root: Path) -> None:
    """Pretrain, then log the run: its tag is the hash by which trainings find their encoder."""
    output = project.ENCODERS / method
    run_pretraining(method, params, project.DATASET, project.DATA / "unlabelled", output)
    tracker = Tracker(root)
    record = tracker.start(
        method,
        params.tracking.experiment + PRETRAINING_SUFFIX,
        flatten(params.pretraining.model_dump(mode="json")),
        lineage_tags(root, params.seed),
    )
    for row in read_curves(output / "curves.csv"):
        tracker.log(record.run_id, {k: v for k, v in row.items() if k != "step"}, int(row["step"]))
    probe = read_json(output / "probe.json", dict[str, float])
    tracker.log(record.run_id, {k: v for k, v in probe.items() if k.startswith("probe_")})
    tracker.tag_encoder(record.run_id, output / "encoder")
    tracker.finish(record.run_id)
