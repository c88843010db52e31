"""Run every case, and write the page and the pictures that show what came out."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.cases.case import Case, Outcome, WrongError, run_case
from benchmarks.cases.fifty import odd_files, run_folder
from benchmarks.cases.listing import all_cases
from benchmarks.cases.page import render_cases
from benchmarks.cases.pictures import SCENES, make_picture
from benchmarks.cases.scenes.setting import Fonts
from textsr.config import project
from textsr.errors import TextsrError
from textsr.files import write_text
from textsr.inference.cores import granted_cores

PAGE = Path("docs/reference/cases.md")
PICTURES = Path("docs/images/cases")


def main() -> None:
    """Run the cases; end with status 1 if one is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cases", description=__doc__)
    parser.add_argument("--output", type=Path, default=PAGE, help="the page")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="the folder of pictures")
    parser.add_argument("--data", type=Path, default=project.DATA, help="where the fonts are")
    arguments = parser.parse_args()
    try:
        _make(arguments)
    except (TextsrError, WrongError) as error:
        sys.exit(f"cases: {error}")


def _make(arguments: argparse.Namespace) -> None:
    fonts = Fonts(arguments.data)
    for scene in SCENES:
        print(make_picture(scene, fonts, arguments.pictures))
    groups = run_all(all_cases())
    folder = run_folder(odd_files())
    write_text(arguments.output, render_cases(groups, folder))
    wrong = [
        *(
            f"{o.case.given}: {o.said}"
            for found in groups.values()
            for o in found
            if not o.is_right
        ),
        *(f"{file.name}: {file.came_out}" for file in folder.files if not file.is_right),
    ]
    print(f"{arguments.output}: {len(wrong)} wrong")
    if wrong:
        sys.exit("\n".join(wrong))


def run_all(cases: Mapping[str, Sequence[Case]]) -> dict[str, list[Outcome]]:
    """Run cases, one on each core at a time."""
    with ThreadPoolExecutor(granted_cores()) as pool:
        return {heading: list(pool.map(run_case, found)) for heading, found in cases.items()}


if __name__ == "__main__":
    main()
