"""Which OCR engines judged, and in what version: scores are compared that are of the same."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from textsr.errors import TextsrError
from textsr.evaluation.score import engine_names
from textsr.ocr.engine import OCREngine
from textsr.ocr.engines import known_engines

Judges = Mapping[str, str | None]
"""The version of each OCR engine that judged, by its name; None where none was recorded."""


def judges_of(samples: pd.DataFrame) -> Judges:
    """Return who read the lines of a table of scores (`score.score_set`)."""
    versions = {name: samples.get(f"{name}_version") for name in engine_names(samples)}
    return {
        name: None if column is None else "; ".join(map(str, column.unique()))
        for name, column in versions.items()
    }


def judges_of_summary(summary: Mapping[str, Any]) -> Judges:
    """Return who read the lines that `summary.summarise` summarised."""
    return {
        name: score.get("version")
        for name, score in summary.items()
        if isinstance(score, Mapping) and "accuracy" in score
    }


def require_same_versions(first: pd.DataFrame, second: pd.DataFrame) -> None:
    """Refuse to compare what one OCR engine has read in two versions.

    Raises:
        TextsrError: if it has.
    """
    others = judges_of(second)
    for name, version in judges_of(first).items():
        if name in others and others[name] != version:
            raise TextsrError(
                f"the methods were read by two versions of {name} ({version}; {others[name]}); "
                "score them anew with `dvc repro -f baselines evaluate`"
            )


def require_read_by(engines: Sequence[OCREngine], baselines: Path, base: pd.DataFrame) -> None:
    """Refuse baselines that the OCR engines of now have not read, or in another version.

    Raises:
        TextsrError: if there is such an engine.
    """
    judges = judges_of(base)
    for engine in engines:
        if engine.name not in judges or judges[engine.name] not in (None, engine.version):
            was = f"by {judges[engine.name]}" if engine.name in judges else "not by it"
            raise TextsrError(
                f"{baselines}: {engine.title} is {engine.version}, and the baselines were read "
                f"{was}; read them anew with `dvc repro -f baselines`"
            )


def common_judges(methods: Iterable[tuple[str, Judges]]) -> Judges:
    """Return who judged all methods, given by their names.

    Raises:
        TextsrError: if one was judged by others than the first.
    """
    (first, judges), *others = methods
    for name, theirs in others:
        if theirs != judges:
            raise TextsrError(
                f"{first} and {name} were not judged by the same OCR engines "
                f"({dict(judges)}; {dict(theirs)}); score them anew with "
                "`dvc repro -f baselines evaluate`"
            )
    return judges


def describe_judges(judges: Judges) -> str:
    """Say in a paragraph who judged, and who did not since it was not installed."""
    titles = {name: entry.title for name, entry in known_engines().items()}
    read = [
        titles.get(name, name) + (f" ({version})" if version else "")
        for name, version in judges.items()
    ]
    missing = [title for name, title in titles.items() if name not in judges]
    said = f"Read by {'; '.join(read)}."
    return f"{said} Not installed, and so not asked: {', '.join(missing)}." if missing else said
