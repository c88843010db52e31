"""Curves of a training as a file.

Apart from the loop that makes them, since reading them should not take Lightning's import.
"""

import csv
from pathlib import Path

from textsr.files import replace_file


def write_curves(path: Path, rows: list[dict[str, float]]) -> None:
    """Write curves as CSV, a row a checkpoint."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with replace_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns)
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in rows)


def read_curves(path: Path) -> list[dict[str, float]]:
    """Read curves that `write_curves` wrote."""
    with path.open(encoding="utf-8", newline="") as stream:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(stream)]
