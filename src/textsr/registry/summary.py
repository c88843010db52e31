"""What the last run came to: the leaderboard, the registration and where to look."""

from pathlib import Path

from textsr.config import project
from textsr.files import read_text
from textsr.registry.gate import read_registration, render_decision

_PLACES = (
    ("side by side, all methods", project.REPORTS / "comparison.png"),
    ("side by side, each model", project.EVALUATION / "MODEL/panels/test.png"),
    ("the dataset's Data Docs", project.VALIDATION / "data_docs/index.html"),
    ("the leaderboard as data", project.REPORTS / "leaderboard.json"),
)


def summarise_project(root: Path) -> str:
    """Return the leaderboard, the gate's decision and the places to look, as Markdown.

    Raises:
        TextsrError: if the DAG has not been run to its end, or what it left is damaged.
    """
    leaderboard = root / project.REPORTS / "leaderboard.md"
    registration = root / project.REPORTS / "registration.json"
    places = "\n".join(f"- {what}: {path}" for what, path in _PLACES)
    return (
        f"## Leaderboard\n\n{read_text(leaderboard)}\n"
        f"## Registration\n\n{render_decision(read_registration(registration))}\n"
        f"## Where to look\n\n{places}\n- MLflow, the runs side by side: `make ui`\n"
    )
