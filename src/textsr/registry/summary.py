"""What the last run came to: the leaderboard, the registration and where to look."""

from pathlib import Path

from textsr.config import project
from textsr.files import read_text
from textsr.pages import render_page
from textsr.registry.gate import read_registration, render_decision


def summarise_project(root: Path) -> str:
    """Return the leaderboard, the gate's decision and the places to look, as Markdown.

    Raises:
        TextsrError: if the DAG has not been run to its end, or what it left is damaged.
    """
    leaderboard = read_text(root / project.REPORTS / "leaderboard.md")
    registration = read_registration(root / project.REPORTS / "registration.json")
    return render_page(
        "textsr.registry",
        "summary.md.j2",
        leaderboard=leaderboard,
        decision=render_decision(registration),
        run_here=(root / project.EVALUATION).is_dir(),
        reports=project.REPORTS,
        evaluation=project.EVALUATION,
        validation=project.VALIDATION,
    )
