"""Running the suite in Great Expectations and writing its Data Docs."""

import html
import shutil
from collections.abc import Mapping, Sequence
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

from textsr.validation.report import ValidationReport

EXAMPLES = 5
"""Offending rows that a result names."""

# Data Docs load Bootstrap and Font Awesome from the network. These rules come before theirs, so
# that they show only where the network's do not: pages stay readable without it.
_OFFLINE_STYLE = """<style>
body { font-family: sans-serif; margin: 1rem; }
.row { display: flex; flex-wrap: wrap; }
.col-md-2 { flex: 0 0 16%; }
.col-md-10 { flex: 0 0 82%; }
.col-12 { flex: 0 0 100%; }
table { border-collapse: collapse; }
th, td { border: 1px solid #ddd; padding: 0.4rem 0.7rem; text-align: left; vertical-align: top; }
.fa-check-circle::before { content: "\\2714"; color: green; font-style: normal; }
.fa-times::before { content: "\\2718"; color: red; font-style: normal; }
.fa-exclamation-triangle::before { content: "!"; color: red; font-style: normal; }
</style>"""


def run_suites(
    suites: Mapping[str, tuple[pd.DataFrame, gx.ExpectationSuite]], docs: Path
) -> list[ExpectationSuiteValidationResult]:
    """Hold tables, by name, against their suites; write Data Docs into the existing folder `docs`.

    Nothing is sent anywhere, and nothing is written elsewhere.
    """
    context = _context(docs)
    source = context.data_sources.add_pandas("shards")
    results = []
    for name, (rows, suite) in suites.items():
        batches = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name=name, data=batches, suite=context.suites.add(suite))
        )
        results.append(_run(definition, rows))
    context.build_data_docs()
    _make_self_contained(docs)
    return results


def _run(
    definition: gx.ValidationDefinition, rows: pd.DataFrame
) -> ExpectationSuiteValidationResult:
    identifiers = ["sample_id"] if "sample_id" in rows else []
    return definition.run(
        batch_parameters={"dataframe": rows},
        # Only COMPLETE shows in the pages which samples offend; the query would list all of them.
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": identifiers,
            "partial_unexpected_count": EXAMPLES,
            "return_unexpected_index_query": False,
        },
        run_id=RunIdentifier(run_name="validate"),
    )


def add_summary(docs: Path, report: ValidationReport, pictures: Sequence[str] = ()) -> None:
    """Put the verdict, the findings, links to the pages and pictures atop the index of `docs`.

    GX's own index is a table of runs that scripts from the network draw. `pictures` names files in
    `docs`.
    """
    links = "".join(
        f'<li><a href="{page.relative_to(docs).as_posix()}">{title} of the {suite}</a></li>'
        for suite in ("samples", "counts")
        for folder, title in (("validations", "All results"), ("expectations", "Expectations"))
        for page in _pages(docs / folder, suite)
    )
    shown = "".join(
        f'<p><a href="{name}"><img src="{name}" alt="{name}" style="max-width: 100%"></a></p>'
        for name in pictures
    )
    findings = "".join(f"<pre>{html.escape(str(finding))}</pre>" for finding in report.findings)
    _insert_after(
        docs / "index.html",
        "<body>",
        '<div class="container-fluid pt-4 pl-5">'
        f"<h4>Validation of the dataset: {html.escape(report.verdict())}</h4>"
        f"{findings}<ul>{links}</ul>{shown}</div>",
    )


def _pages(folder: Path, suite: str) -> list[Path]:
    """Return the pages of a suite: `SUITE.html`, or whatever lies in a folder of its name."""
    return [page for page in sorted(folder.rglob("*.html")) if suite in (page.stem, *page.parts)]


def _context(docs: Path) -> EphemeralDataContext:
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


def _make_self_contained(docs: Path) -> None:
    """Make the pages readable without a network, and drop files that they do not show."""
    shutil.rmtree(docs / "static")  # 4 MB of animations and fonts
    for page in docs.rglob("*.html"):
        _insert_after(page, "<head>", _OFFLINE_STYLE)


def _insert_after(page: Path, mark: str, addition: str) -> None:
    before, found, after = page.read_text(encoding="utf-8").partition(mark)
    assert found, f"{page}: no {mark}"
    page.write_text(f"{before}{found}{addition}{after}", encoding="utf-8")
