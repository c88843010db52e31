"""How what Great Expectations returns becomes findings and pages."""

from pathlib import Path

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
import pytest

from textsr.validation.report import ValidationReport, build_report, finish_data_docs
from textsr.validation.rules import WARNING, expect
from textsr.validation.run import open_context, run_suites


def _validate(
    expectations: list[gxe.Expectation], rows: pd.DataFrame, docs: Path
) -> ValidationReport:
    context = open_context(docs)
    suite = gx.ExpectationSuite(name="samples", expectations=expectations)
    result = run_suites(context, {"samples": (rows, suite)})
    report = build_report(result, {"train": len(rows)}, f"all {len(rows)} rows", docs)
    context.build_data_docs()
    finish_data_docs(docs, report)
    return report


def test_expectation_that_cannot_be_evaluated_is_a_failure(tmp_path: Path) -> None:
    absent = expect(
        gxe.ExpectColumnValuesToNotBeNull, "absent_present", "It is there.", "Add it.", column="no"
    )

    report = _validate([absent], pd.DataFrame({"sample_id": ["a"]}), tmp_path)

    assert report.outcomes == {"absent_present": False}
    (failure,) = report.failures
    assert failure.evidence.startswith("could not be evaluated: ")
    assert '"no"' in failure.evidence


def test_special_characters_stay_what_they_are(tmp_path: Path) -> None:
    family = "Sans $family <b>"
    known = expect(
        gxe.ExpectColumnValuesToBeInSet,
        "family",
        f"The family is {family}.",
        "Look.",
        column="family",
        value_set=[family],
    )
    rows = pd.DataFrame({"sample_id": ["a", "b"], "family": [family, "Serif & $co"]})

    report = _validate([known], rows, tmp_path)

    assert report.failures[0].description == f"The family is {family}."
    assert report.failures[0].samples == ("b: 'Serif & $co'",)
    (page,) = (tmp_path / "validations").rglob("*.html")
    for shown in (page, tmp_path / "index.html"):
        text = shown.read_text(encoding="utf-8")
        assert "The family is Sans $family &lt;b&gt;." in text


@pytest.mark.parametrize(
    ("values", "samples"),
    [
        ([1.23456789, 9.0], ("a: 1.23457", "b: 9")),
        ([None, 1.0], ("b: 1",)),
        ([10**9, 3], ("a: 1000000000", "b: 3")),
    ],
)
def test_values_are_told_briefly(
    tmp_path: Path, values: list[float | None], samples: tuple[str, ...]
) -> None:
    low = expect(
        gxe.ExpectColumnValuesToBeBetween,
        "low",
        "It is low.",
        "-",
        WARNING,
        column="v",
        max_value=0,
    )

    report = _validate([low], pd.DataFrame({"sample_id": ["a", "b"], "v": values}), tmp_path)

    assert report.failures == []
    (warning,) = report.warnings
    assert warning.samples == samples
    assert warning.evidence == f"not so in {len(samples)} of {len(samples)} rows"
    assert str(warning).startswith("low: Warning only: It is low.\n  column v: not so in")
