"""The `validate` stage: the dataset, then each extra dataset, with their data cards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textsr.config.params import Params
from textsr.errors import TextsrError
from textsr.progress import Progress
from textsr.validation.data_card import write_data_card
from textsr.validation.legibility import ReadLines
from textsr.validation.profile import Profile
from textsr.validation.report import ValidationReport
from textsr.validation.run import require_held_out, validate_dataset

Say = Callable[[str], None]


@dataclass(frozen=True)
class Target:
    """A dataset to validate.

    Attributes:
        params: what it was made by.
        dataset: folder of its splits.
        output: where to write what was found.
        card: the data card to write.
        extra: name of the extra dataset; None: the dataset itself.
    """

    params: Params
    dataset: Path
    output: Path
    card: Path
    extra: str | None = None


OnReport = Callable[[Target, ValidationReport], None]


def validate_datasets(
    main: Target,
    extra: Sequence[Target],
    data: Path,
    read_lines: ReadLines,
    start: Progress,
    say: Say,
    on_report: OnReport,
) -> dict[str, dict[str, Any]]:
    """Validate the dataset, then each extra dataset.

    No text or font family that the dataset holds out may be in an extra dataset that is trained on.

    Args:
        main: the dataset.
        extra: the extra datasets.
        data: folder of source material, of which data cards tell.
        read_lines, start: see `validate_dataset`.
        say: gets the warnings and the verdict of each as it ends.
        on_report: gets what was found of each, also of one that fails.

    Returns:
        What was found of each extra dataset, by its name.

    Raises:
        TextsrError: if one fails; the message names it.
    """
    _say(say, main, validate_target(main, data, read_lines, start, on_report))
    results = {}
    for target in extra:
        assert target.extra is not None
        try:
            require_held_out(target.dataset / "train", main.dataset)
            begin = _prefixed(target.extra, start)
            report = validate_target(target, data, read_lines, begin, on_report)
        except TextsrError as error:
            raise TextsrError(
                f"extra_datasets.{target.extra}: {error}\nIts settings are `synthesis` with the "
                f"changes of extra_datasets.{target.extra}; after a change of them, "
                "`dvc repro validate`"
            ) from error
        _say(say, target, report)
        results[target.extra] = report.to_json()
    return results


def validate_target(
    target: Target,
    data: Path,
    read_lines: ReadLines,
    start: Progress,
    on_report: OnReport,
) -> ValidationReport:
    """Validate one dataset and write its data card. See `validate_datasets` for the arguments."""
    reports: list[ValidationReport] = []

    def write_card(profile: Profile, report: ValidationReport) -> None:
        write_data_card(target.card, profile, report, target.params, data, target.extra)
        reports.append(report)

    try:
        return validate_dataset(
            target.dataset, target.output, target.params, read_lines, start, write_card
        )
    finally:
        for report in reports:
            on_report(target, report)


def _say(say: Say, target: Target, report: ValidationReport) -> None:
    name = "" if target.extra is None else f"{target.extra}: "
    for warning in report.warnings:
        say(f"warning: {name}{warning}")
    say(f"{target.dataset}: {report.verdict()}; {report.data_docs / 'index.html'}")


def _prefixed(extra: str, start: Progress) -> Progress:
    return lambda work, total: start(f"{extra}: {work}", total)
