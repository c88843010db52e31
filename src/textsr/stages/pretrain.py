"""Stage `pretrain`: train an encoder on LR lines without labels, with its MLflow run."""

from pathlib import Path

from textsr.config import project
from textsr.config.params import Params
from textsr.files import read_json
from textsr.pretraining.run import run_pretraining
from textsr.tracking import flatten, track
from textsr.training.curves import read_curves


def pretrain(params: Params, method: str) -> None:
    """Pretrain an encoder, then log its run, by whose tag trainings find it."""
    output = project.ENCODERS / method
    run_pretraining(method, params, project.DATASET, project.DATA / "unlabelled", output)
    probe = read_json(output / "probe.json", dict[str, float])
    described = flatten(params.pretraining.model_dump(mode="json"))
    with track(f"pretrain@{method}", params, Path.cwd(), described=described) as run:
        run.log_curves(read_curves(output / "curves.csv"))
        run.log({key: value for key, value in probe.items() if key.startswith("probe_")})
        run.made_encoder(output / "encoder")
