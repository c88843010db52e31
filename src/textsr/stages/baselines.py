"""Stage `baselines`: read the test split by bicubic, and at its true resolution."""

from textsr.config import project
from textsr.config.params import Params
from textsr.evaluation.run import run_baselines
from textsr.progress import Progress


def baselines(params: Params, start: Progress) -> None:
    """Read the test split upscaled by bicubic, and at its true resolution."""
    run_baselines(params, project.DATASET, project.DATA, project.BASELINES, start)
