"""All cases of the documentation, run: each row is right."""

import pytest

from benchmarks.cases.__main__ import run_all
from benchmarks.cases.case import Case
from benchmarks.cases.fifty import odd_files, run_folder
from benchmarks.cases.listing import all_cases
from textsr.ocr.tesseract_engine import tesseract_data

pytestmark = pytest.mark.slow

NEEDS_TESSERACT = "--searchable"


def cases() -> dict[str, list[Case]]:
    """All, but for those that read where there is no Tesseract."""
    has_tesseract = tesseract_data() is not None
    return {
        heading: [case for case in found if has_tesseract or NEEDS_TESSERACT not in case.arguments]
        for heading, found in all_cases().items()
    }


def test_every_case_is_right() -> None:
    outcomes = [outcome for found in run_all(cases()).values() for outcome in found]
    assert len(outcomes) > 60
    assert [f"{one.case.given}: {one.said}" for one in outcomes if not one.is_right] == []


def test_every_file_of_the_folder_comes_out_as_it_was_but_larger() -> None:
    folder = run_folder(odd_files())
    assert [f"{file.name}: {file.came_out}" for file in folder.files if not file.is_right] == []
