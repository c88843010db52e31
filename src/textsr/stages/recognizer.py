"""Stage `recognizer`: train the recognizer that teaches the networks."""

from textsr.config import project
from textsr.config.params import Params
from textsr.training.recognizer import run_recognizer


def recognizer(params: Params) -> None:
    """Train the recognizer that teaches the networks."""
    run_recognizer(params, project.DATASET, project.RECOGNIZER, project.EXTRA_DATASETS)
