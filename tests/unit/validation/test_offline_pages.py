"""Data Docs need no network: what a page loads lies beside it, and shows what it should."""

import re
from pathlib import Path

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
import pytest
from browser import CHROMIUM, browser

from textsr.validation.report import build_report, finish_data_docs
from textsr.validation.rules import expect
from textsr.validation.run import open_context, run_suites

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    context = open_context(folder)
    there = expect(
        gxe.ExpectColumnValuesToNotBeNull, "there", "It is there.", "Add it.", column="text"
    )
    suite = gx.ExpectationSuite(name="samples", expectations=[there])
    rows = pd.DataFrame({"sample_id": ["a", "b"], "text": ["read", None]})
    report = build_report(run_suites(context, {"samples": (rows, suite)}), {}, "2 rows", folder)
    context.build_data_docs()
    finish_data_docs(folder, report)
    return folder


def test_what_pages_load_lies_beside_them(docs: Path) -> None:
    pages = sorted(docs.rglob("*.html"))
    assert len(pages) == 3
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:link|script|img)\b[^>]*\b(?:href|src)=[\"']([^\"']*)", text)
        assert len(loaded) > 10
        linked = re.findall(r"<a\b[^>]*\bhref=[\"']([^\"'#]+)", text)
        for address in loaded + [each for each in linked if not each.startswith("https://")]:
            assert (page.parent / address).is_file(), f"{page}: {address}"
        # What styles load; none is ever shown that stands under `not all`.
        shown = re.sub(r"@media not all \{(?:[^{}]*\{[^{}]*\})*\s*\}", "", text)
        assert not re.search(r"url\([\"']?http|@import", shown)
        assert "integrity=" not in text
    for file in (docs / "static").iterdir():
        assert not re.search(rb"url\([\"']?http|@import", file.read_bytes()), file
    assert sum(file.stat().st_size for file in (docs / "static").iterdir()) < 700_000


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (Debian's chromium)")
def test_a_browser_without_a_network_shows_them(docs: Path, tmp_path: Path) -> None:
    (results,) = (docs / "validations").rglob("*.html")
    with browser(tmp_path / "profile", "--host-resolver-rules=MAP * ~NOTFOUND") as page:
        page.open((docs / "index.html").as_uri())
        rows = "document.querySelectorAll('table tbody tr.clickable-row').length"
        page.wait(lambda: page.evaluate(rows) == 2, 20)  # of the results, and of the suite
        assert page.evaluate("$('.fa-times').length") == 1
        page.open(results.as_uri())
        page.wait(lambda: page.evaluate("document.images[0].naturalWidth"), 20)
        assert page.evaluate("getComputedStyle($('.navbar')[0]).position") == "sticky"
        assert page.evaluate("$('.fa-times:visible').length") > 0
