"""What a validation found: in words, as `result.json`, and atop the Data Docs."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from great_expectations.core.expectation_validation_result import (
    ExpectationSuiteValidationResult,
    ExpectationValidationResult,
)
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from textsr.config.params import Split
from textsr.validation.rules import CRITICAL

TEMPLATES = Environment(
    loader=PackageLoader("textsr.validation"),
    autoescape=select_autoescape(["html.j2"]),
    undefined=StrictUndefined,
)
"""What is written for people, in the folder `templates`."""

_STATIC = Path(__file__).parent / "static"
"""What the pages load, as npm has it; each with its licence beside it."""

# Of the versions that Great Expectations names, and in its order. Popper is in Bootstrap's bundle.
_STYLES = (
    "bootstrap-table.min.css",
    "bootstrap.min.css",
    "bootstrap-table-filter-control.min.css",
    "bootstrap-datepicker.min.css",
)
_SCRIPTS = (
    "jquery.min.js",
    "bootstrap.bundle.min.js",
    "bootstrap-table.min.js",
    "bootstrap-table-filter-control.min.js",
    "bootstrap-datepicker.min.js",
)
_LOADED = re.compile(r"<link\b[^>]*>|<script\b[^>]*\bsrc=[^>]*></script>")
_LOGO = "logo-long.png"
_LOGO_ADDRESS = re.compile(rf"https://[^\s\"']*/{re.escape(_LOGO)}[^\"']*")

_SAMPLE_ID = "sample_id"


@dataclass(frozen=True)
class Finding:
    """An expectation that was not met."""

    name: str
    severity: str
    description: str
    remedy: str
    column: str
    evidence: str
    samples: tuple[str, ...]

    def __str__(self) -> str:
        where = f"column {self.column}: " if self.column else ""
        lines = [f"{self.name}: {self.description}", f"  {where}{self.evidence}"]
        lines += [f"    {sample}" for sample in self.samples]
        return "\n".join([*lines, f"  {self.remedy}"])


@dataclass(frozen=True)
class ValidationReport:
    """The outcome of a validation.

    `rows` counts the rows of each split, `scope` says in words which of them were validated,
    `outcomes` says of each expectation by name whether it was met, `findings` tells about those
    that were not, critical ones first.
    """

    rows: Mapping[Split, int]
    scope: str
    outcomes: dict[str, bool]
    findings: tuple[Finding, ...]
    data_docs: Path

    @property
    def failures(self) -> list[Finding]:
        """What fails the stage."""
        return [finding for finding in self.findings if finding.severity == CRITICAL.value]

    @property
    def warnings(self) -> list[Finding]:
        """What is reported only."""
        return [finding for finding in self.findings if finding.severity != CRITICAL.value]

    def to_json(self) -> dict[str, Any]:
        """Return what `result.json` holds: the same for the same dataset and parameters.

        Later stages depend on its hash, so it holds no time, no path, and no measured value
        of an expectation that was met.
        """
        return {
            "success": not self.failures,
            "rows": dict(self.rows),
            "validated": self.scope,
            "expectations": self.outcomes,
            "findings": [asdict(finding) for finding in self.findings],
        }

    def verdict(self) -> str:
        """Return the outcome in a sentence."""
        return (
            f"{'failed' if self.failures else 'passed'} on {self.scope}; "
            f"of {len(self.outcomes)} expectations, "
            f"critical and not met: {len(self.failures)}, warnings: {len(self.warnings)}"
        )

    def failure_message(self, dataset: Path) -> str:
        """Return what `TextsrError` says: the verdict and the critical findings."""
        return "\n".join(
            [
                f"{dataset}: validation {self.verdict()}",
                *(str(finding) for finding in self.failures),
                f"Details in {self.data_docs / 'index.html'}",
            ]
        )


def build_report(
    results: Sequence[ExpectationSuiteValidationResult],
    rows: Mapping[Split, int],
    scope: str,
    data_docs: Path,
) -> ValidationReport:
    """Summarise the results of Great Expectations' suites."""
    every = [each for result in results for each in result.results]
    outcomes = {_config(each).meta["name"]: bool(each.success) for each in every}
    findings = [_finding(each) for each in every if not each.success]
    findings.sort(key=lambda finding: (finding.severity != CRITICAL.value, finding.name))
    return ValidationReport(rows, scope, outcomes, tuple(findings), data_docs)


def _config(result: ExpectationValidationResult) -> ExpectationConfiguration:
    assert result.expectation_config is not None
    return result.expectation_config


def _finding(result: ExpectationValidationResult) -> Finding:
    config = _config(result)
    return Finding(
        name=config.meta["name"],
        severity=config.severity.value,
        description=config.meta["description"],
        remedy=str(config.notes),
        column=_column(config.kwargs),
        evidence=_evidence(result),
        samples=tuple(map(_sample, (result.result or {}).get("partial_unexpected_index_list", []))),
    )


def _column(arguments: dict[str, Any]) -> str:
    names = [arguments.get(key) for key in ("column", "column_A", "column_B")]
    return ", ".join([name for name in names if name] + arguments.get("column_list", []))


def _evidence(result: ExpectationValidationResult) -> str:
    found = result.result or {}
    if "unexpected_count" in found:
        rows = found["element_count"] - found.get("missing_count", 0)
        return f"not so in {found['unexpected_count']} of {rows} rows"
    if "observed_value" in found:
        return f"found {found['observed_value']}"
    # GX keeps one record of an exception, or one for each metric that raised.
    info = result.exception_info or {}
    records = [info] if "exception_message" in info else list(info.values())
    return (
        f"could not be evaluated: {'; '.join(str(each['exception_message']) for each in records)}"
    )


def _sample(values: dict[str, Any]) -> str:
    identifier = str(values.get(_SAMPLE_ID) or "missing")
    others = {name: _value(value) for name, value in values.items() if name != _SAMPLE_ID}
    if len(others) <= 1:
        return ": ".join([identifier, *others.values()])
    return f"{identifier}: {', '.join(f'{name} {value}' for name, value in others.items())}"


def _value(value: Any) -> str:
    if value is None or value != value:
        return "missing"
    if isinstance(value, str):
        return repr(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def finish_data_docs(docs: Path, report: ValidationReport, pictures: Sequence[str] = ()) -> None:
    """Have the pages load nothing from the network, and put the summary atop their index.

    The verdict, the findings, links to the pages and pictures, which files in `docs` hold.
    """
    _ship_static(docs / "static")
    for page in docs.rglob("*.html"):
        _load_locally(page, "../" * (len(page.relative_to(docs).parts) - 1) + "static")
    pages = [
        (page.relative_to(docs).as_posix(), f"{title} of the {suite}")
        for suite in ("samples", "counts")
        for folder, title in (("validations", "All results"), ("expectations", "Expectations"))
        for page in sorted((docs / folder).rglob("*.html"))
        if suite in (page.stem, *page.parts)
    ]
    summary = TEMPLATES.get_template("summary.html.j2")
    shown = summary.render(report=report, pages=pages, pictures=pictures)
    _insert_after(docs / "index.html", "<body>", shown)


def _ship_static(folder: Path) -> None:
    """Put what the pages load in the place of GX's 4 MB of animations and fonts."""
    images = {name: (folder / "images" / name).read_bytes() for name in (_LOGO, "favicon.ico")}
    shutil.rmtree(folder)
    shutil.copytree(_STATIC, folder)
    for name, content in images.items():
        (folder / name).write_bytes(content)


def _load_locally(page: Path, static: str) -> None:
    """Have a page load its styles, scripts and images from the folder `static`."""
    text = _LOADED.sub("", page.read_text(encoding="utf-8"))
    text = _LOGO_ADDRESS.sub(f"{static}/{_LOGO}", text)
    # GX's dark colours are over a dark Bootstrap, which is as large as the light one.
    text = text.replace("(prefers-color-scheme: dark)", "not all")
    page.write_text(text, encoding="utf-8")
    head = TEMPLATES.get_template("head.html.j2")
    _insert_after(page, "<head>", head.render(static=static, styles=_STYLES, scripts=_SCRIPTS))


def _insert_after(page: Path, mark: str, addition: str) -> None:
    before, found, after = page.read_text(encoding="utf-8").partition(mark)
    assert found, f"{page}: no {mark}"
    page.write_text(f"{before}{found}{addition}{after}", encoding="utf-8")
