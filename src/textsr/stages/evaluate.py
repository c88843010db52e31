"""Stage `evaluate`: choose a model's blend and score it."""

from pathlib import Path

from textsr.config import project
from textsr.config.params import Params
from textsr.evaluation.as_upscaled import as_upscaled
from textsr.evaluation.run import run_evaluation
from textsr.progress import Progress
from textsr.registry.evaluations import publish_evaluation
from textsr.tracking import Tracker


def evaluate(params: Params, model: str, start: Progress) -> None:
    """Choose a model's blend and score it; log that onto the run of its training."""
    trained, output = project.MODELS / model, project.EVALUATION / model
    samples = project.BASELINES / "samples.parquet"
    run_evaluation(
        params,
        trained / "model",
        samples,
        project.DATASET,
        project.DATA,
        output,
        as_upscaled,
        start,
    )
    publish_evaluation(Tracker(Path.cwd()), trained, output)
