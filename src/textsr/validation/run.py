"""The `validate` stage: a dataset in, a verdict and Data Docs out."""

from collections.abc import Callable, Mapping
from pathlib import Path

import great_expectations as gx
import pandas as pd
from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context import EphemeralDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)

from textsr.config.pages import CROPS
from textsr.config.params import KINDS, Params
from textsr.datasets.shards import read_table
from textsr.errors import TextsrError
from textsr.files import replace_folder, write_json
from textsr.progress import Progress, no_progress
from textsr.validation.census import (
    Census,
    choose_rows,
    count_rows,
    open_census,
    remove_leftovers,
    text_key,
)
from textsr.validation.legibility import ReadLines, add_readings
from textsr.validation.measure import read_samples
from textsr.validation.pictures import (
    CONTACT_SHEET,
    HISTOGRAMS,
    draw_contact_sheet,
    draw_histograms,
)
from textsr.validation.profile import Profile, profile_dataset
from textsr.validation.report import ValidationReport, build_report, finish_data_docs
from textsr.validation.rules import build_count_suite, build_suite
from textsr.validation.shards import list_shards

_EXAMPLES = 5  # offending rows that a result names
_NAMED = 5  # of what is held out


def validate_dataset(
    dataset: Path,
    output: Path,
    params: Params,
    read_lines: ReadLines,
    start: Progress = no_progress,
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
            "counts": (
                count_rows(census, CROPS if params.synthesis.page else KINDS),
                build_count_suite(params),
            ),
        }
        with replace_folder(output / "data_docs") as docs:
            context = open_context(docs)
            results = run_suites(context, suites)
            report = build_report(results, census.counts(), choice.scope, output / "data_docs")
            profile = profile_dataset(census)
            _write_data_docs(context, docs, report, samples, census, profile)
        write_json(output / "result.json", report.to_json())
        card(profile, report)
    if report.failures:
        raise TextsrError(report.failure_message(dataset))
    return report


def open_context(docs: Path) -> EphemeralDataContext:
    """Return Great Expectations in memory, its Data Docs to be built into the folder `docs`.

    Nothing is sent anywhere, and nothing is written elsewhere.
    """
    return gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            analytics_enabled=False,
            progress_bars=ProgressBarsConfig(globally=False),
            data_docs_sites={
                "dataset": {
                    "class_name": "SiteBuilder",
                    "show_how_to_buttons": False,
                    "store_backend": {
                        "class_name": "TupleFilesystemStoreBackend",
                        "base_directory": str(docs.absolute()),
                    },
                    "site_index_builder": {
                        "class_name": "DefaultSiteIndexBuilder",
                        "show_cta_footer": False,
                    },
                }
            },
        ),
    )


def run_suites(
    context: EphemeralDataContext, suites: Mapping[str, tuple[pd.DataFrame, gx.ExpectationSuite]]
) -> list[ExpectationSuiteValidationResult]:
    """Hold tables, by name, against their suites."""
    source = context.data_sources.add_pandas("shards")
    results = []
    for name, (rows, suite) in suites.items():
        batches = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name=name, data=batches, suite=context.suites.add(suite))
        )
        result = definition.run(
            batch_parameters={"dataframe": rows},
            # Only COMPLETE shows in the pages which samples offend; the query would list them all.
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": ["sample_id"] if "sample_id" in rows else [],
                "partial_unexpected_count": _EXAMPLES,
                "return_unexpected_index_query": False,
            },
            run_id=RunIdentifier(run_name="validate"),
        )
        results.append(result)
    return results


def _write_data_docs(
    context: EphemeralDataContext,
    docs: Path,
    report: ValidationReport,
    samples: pd.DataFrame,
    census: Census,
    profile: Profile,
) -> None:
    context.build_data_docs()
    draw_contact_sheet(samples, census, docs / CONTACT_SHEET)
    draw_histograms(profile.columns, docs / HISTOGRAMS)
    finish_data_docs(docs, report, [CONTACT_SHEET, HISTOGRAMS])


def require_held_out(training: Path, dataset: Path) -> None:
    """Require that no text or font family of `dataset`'s val and test is in a training split.

    Of crops of pages without a text, the font family alone can tell.

    Args:
        training: folder of the shards of a training split.
        dataset: folder of `val/` and `test/`.

    Raises:
        TextsrError: if one is; the message names up to five.
    """
    drawn = read_table(training, ["text", "font_family"])
    texts = {text_key(text) for text in drawn["text"].unique().to_pylist()}
    families = set(drawn["font_family"].unique().to_pylist())
    for split in ("val", "test"):
        held_out = read_table(dataset / split, ["text", "font_family"])
        found = {
            "texts": (texts - {""}) & {text_key(text) for text in held_out["text"].to_pylist()},
            "font families": families & set(held_out["font_family"].to_pylist()),
        }
        for what, shared in found.items():
            if shared:
                named = ", ".join(repr(value) for value in sorted(shared)[:_NAMED])
                raise TextsrError(
                    f"{training}: {len(shared)} {what} of {dataset / split} are in it, such as "
                    f"{named}; a model trained on it cannot be judged there. Draw both by the same "
                    "version of textsr and the same fonts"
                )
