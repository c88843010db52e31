"""The `validate` stage: a dataset in, a verdict and Data Docs out."""

from collections.abc import Callable
from pathlib import Path

from textsr.config.params import Params
from textsr.errors import TextsrError
from textsr.files import replace_folder, write_json
from textsr.validation.census import open_census, remove_leftovers
from textsr.validation.count_rules import count_rows
from textsr.validation.data_docs import add_summary, run_suites
from textsr.validation.legibility import ReadLines, add_readings
from textsr.validation.pictures import (
    CONTACT_SHEET,
    HISTOGRAMS,
    draw_contact_sheet,
    draw_histograms,
)
from textsr.validation.profile import Profile, profile_dataset
from textsr.validation.report import ValidationReport, build_report
from textsr.validation.sampling import choose_rows
from textsr.validation.shard_checks import list_shards
from textsr.validation.suite import build_count_suite, build_suite
from textsr.validation.tables import read_samples

StartProgress = Callable[[str, int], Callable[[int], None]]
"""Takes the name of some work and its amount; returns what is called with amounts done."""


def no_progress(name: str, total: int) -> Callable[[int], None]:
    """Show nothing."""
    return lambda count: None


def validate_dataset(
    dataset: Path,
    output: Path,
    params: Params,
    read_lines: ReadLines,
    start: StartProgress = no_progress,
    card: Callable[[Profile, ValidationReport], None] = lambda profile, report: None,
) -> ValidationReport:
    """Hold a dataset against the suite; write `result.json` and `data_docs/` into `output`.

    Both are written whether or not the dataset passes. Memory does not grow with the dataset:
    above `validation.max_rows` a sample is validated, and what needs all rows is left to DuckDB.

    Args:
        dataset: folder of `train/`, `val/` and `test/`, each of Parquet shards.
        output: folder for the results.
        params: what the dataset should be like.
        read_lines: an OCR engine; gets grey HxW lines, returns their texts.
        start: starts showing progress.
        card: gets what is known of the dataset, to be told outside `output`.

    Returns:
        The report; warnings among its findings are for the caller to show.

    Raises:
        TextsrError: if a critical expectation is not met, naming each with up to five offending
            samples; if a shard is missing, unreadable or not of the schema, naming it.
    """
    output.mkdir(parents=True, exist_ok=True)
    remove_leftovers(output)
    total = sum(shard.rows for shard in list_shards(dataset))
    with open_census(dataset, output, start("rows counted", max(total, 1))) as census:
        choice = choose_rows(census, params.validation.max_rows, params.seed)
        rows = len(choice.numbers)
        samples = read_samples(census, choice.numbers, start("rows measured", max(rows, 1)))
        lines = params.validation.legibility_samples
        samples = add_readings(
            samples, census, lines, params.seed, read_lines, start("lines read", lines)
        )
        suites = {
            "samples": (samples, build_suite(params)),
            "counts": (count_rows(census), build_count_suite(params)),
        }
        with replace_folder(output / "data_docs") as docs:
            results = run_suites(suites, docs)
            report = build_report(results, census.counts(), choice.scope, output / "data_docs")
            profile = profile_dataset(census)
            draw_contact_sheet(samples, census, docs / CONTACT_SHEET)
            draw_histograms(profile.columns, docs / HISTOGRAMS)
            add_summary(docs, report, [CONTACT_SHEET, HISTOGRAMS])
        write_json(output / "result.json", report.to_json())
        card(profile, report)
    if report.failures:
        raise TextsrError(report.failure_message(dataset))
    return report
