"""Stage `register`: register the winner; the gate decides."""

from pathlib import Path
from typing import Any

from textsr.config import project
from textsr.config.params import Params
from textsr.progress import Progress
from textsr.registry.run import run_registration
from textsr.tracking import Tracker


def register(params: Params, start: Progress) -> dict[str, Any]:
    """Register the winner, let the gate decide, and return the content of `registration.json`."""
    return run_registration(
        params,
        Tracker(Path.cwd()),
        project.DATASET,
        project.MODELS,
        project.EVALUATION,
        project.REPORTS,
        start,
    )
