"""Each line of the threat model names tests, and these are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/security.md").read_text(encoding="utf-8")


def test_each_line_of_the_threat_model_has_its_tests() -> None:
    section = PAGE.partition("## Threat model")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 10
    for row in rows:
        cell = row.rstrip(" |").rpartition("|")[2]
        assert re.findall(r"`(tests/\S+\.py)`", cell), row


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)`", PAGE)
    assert len(set(named)) > 20
    for path in named:
        assert "def test_" in (ROOT / path).read_text(encoding="utf-8"), path
