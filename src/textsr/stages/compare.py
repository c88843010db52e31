"""Stage `compare`: write the leaderboard and name the winner."""

from textsr.config import project
from textsr.config.params import Params
from textsr.evaluation.leaderboard import run_comparison


def compare(params: Params) -> None:
    """Write the leaderboard and name the winner."""
    run_comparison(params, project.EVALUATION, project.DATASET, project.REPORTS)
