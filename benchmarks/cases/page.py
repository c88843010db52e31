"""The page of the documentation that shows every case."""

from collections.abc import Mapping, Sequence

from benchmarks.cases.case import Outcome
from benchmarks.cases.fifty import OddFolder
from benchmarks.cases.pictures import SCENES
from textsr.pages import render_page


def render_cases(groups: Mapping[str, Sequence[Outcome]], folder: OddFolder) -> str:
    """Return the page in Markdown.

    Args:
        groups: what came of the cases, by heading.
        folder: what came of the folder of odd files.
    """
    verdicts = [outcome.is_right for outcomes in groups.values() for outcome in outcomes]
    verdicts += [file.is_right for file in folder.files]
    return render_page(
        "benchmarks.cases",
        "cases.md.j2",
        right=sum(verdicts),
        total=len(verdicts),
        groups={heading: list(map(_row, outcomes)) for heading, outcomes in groups.items()},
        files=[
            {
                "name": _cell(file.name),
                "given": _cell(file.given),
                "came_out": _cell(file.came_out),
                "verdict": _verdict(file.is_right),
            }
            for file in folder.files
        ],
        folder_command=folder.command,
        folder_said=_cell(folder.said),
        scenes=SCENES,
    )


def _row(outcome: Outcome) -> dict[str, str]:
    case = outcome.case
    return {
        "given": _cell(case.given),
        "command": f"`{_bars(case.command)}`",
        "wanted": _cell(case.wanted),
        "said": _cell(outcome.said),
        "verdict": _verdict(outcome.is_right),
    }


def _cell(text: str) -> str:
    """Return a text for a cell of a table, in which nothing of it is a sign of Markdown or HTML."""
    for sign in "\\`*_[]#":
        text = text.replace(sign, f"\\{sign}")
    return _bars(" ".join(text.split())).replace("&", "&amp;").replace("<", "&lt;")


def _bars(text: str) -> str:
    return text.replace("|", "\\|")


def _verdict(is_right: bool) -> str:
    return "yes" if is_right else "**no**"
