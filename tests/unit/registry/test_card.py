"""Model cards: for people as Markdown and as one HTML file, for programs as JSON."""

import base64
from pathlib import Path
from typing import Any

import pytest

from textsr.errors import TextsrError
from textsr.files import read_json, write_json
from textsr.imports.sets import SetInfo
from textsr.pretrained import FOLDER
from textsr.registry.card import Card, list_material, render_html, write_card

SCORE = {"accuracy": 0.7, "gain": 0.051, "gain_ci": [0.012, 0.09], "version": "r 1"}
SLICE = {"gain": -0.2, "gain_ci": [-0.3, -0.1], "better": 1, "worse": 9, "p_worse": 0.01}


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    folder = tmp_path / "evaluation"
    sets: dict[str, Any] = {
        "test": {"samples": 400, "psnr_db_gain": 1.2, "psnr_db_gain_ci": [1, 1.4], "new": SCORE}
    }
    slices = [{"by": "kind of text", "slice": "date", "lines": 24, "engines": {"new": SLICE}}]
    chosen = {"validation": {"chosen": {"weight": 0.4}}}
    write_json(folder / "metrics.json", chosen | {"sets": sets, "slices": slices})
    write_json(folder / "speed.json", {"ms_per_line": 5.0, "lines_per_second": 200.0})
    (folder / "model").symlink_to(FOLDER)
    for name in ("cases/test-new.png", "cases/receipts-new.png", "slices/test.png"):
        (folder / "panels" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "panels" / name).write_bytes(name.encode())
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "pairs/mine").mkdir(parents=True)
    info = SetInfo(kind="pairs", format="folders", images=3, scale=4, licence="CC-BY-4.0")
    write_json(folder / "pairs/mine/set.json", info.model_dump())
    (folder / "SOURCES.tsv").write_text(
        "path\tlicence\tpackage\tversion\n"
        "fonts/a/A.ttf\tOFL-1.1\tfont-a\t1\n"
        "fonts/b/B.ttf\tOFL-1.1\tfont-b\t1\n"
        "corpora/words.txt\tMIT\tfaker\t2\n"
    )
    return folder


def test_a_card_tells_what_chooses_a_model(tmp_path: Path, evaluation: Path, data: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    write_card(folder, "textsr version 3", evaluation, {"git commit": "abc"}, data, 16)
    text = (folder / "card.md").read_text(encoding="utf-8")
    for line in (
        "# textsr version 3",
        "| git commit | abc |",
        "| fonts | OFL-1.1 | font-a, font-b |",
        "| corpora | MIT | faker |",
        "| pairs/mine | CC-BY-4.0 | not stated |",
        "| test | 400 | +1.20 [+1.00, +1.40] |  | +5.1 [+1.2, +9.0] |",
        "| kind of text | date | 24 | -20.0 [-30.0, -10.0] |",
        "![pictures/cases-test-new.png](pictures/cases-test-new.png)",
        "![pictures/slices-test.png](pictures/slices-test.png)",
        "One line at a time by PyTorch on the machine that evaluated it: 5.0 ms.",
    ):
        assert line in text.splitlines(), line
    card = Card.model_validate(read_json(folder / "card.json", Card))
    assert card.cpu_ms_per_line is not None
    assert 0 < card.cpu_ms_per_line < 60_000
    assert f"{card.parameters:,} parameters" in text
    assert sorted(path.name for path in (folder / "pictures").iterdir()) == [
        "cases-test-new.png",
        "slices-test.png",
    ]
    page = (folder / "card.html").read_text(encoding="utf-8")
    assert "<td>+5.1 [+1.2, +9.0]</td>" in page
    assert f'src="data:image/png;base64,{base64.b64encode(b"cases/test-new.png").decode()}"' in page


def test_what_is_not_there_is_not_recorded(tmp_path: Path, evaluation: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    write_card(folder, "textsr version 3", evaluation, {}, tmp_path / "nowhere", 16)
    assert "| not recorded | | |" in (folder / "card.md").read_text(encoding="utf-8")


def test_a_table_of_sources_of_another_kind_is_named(data: Path) -> None:
    (data / "SOURCES.tsv").write_text("file\tfrom\na\tb\n")
    with pytest.raises(TextsrError, match=r"SOURCES\.tsv: no column 'path'; .*fetch-data"):
        list_material(data)


def test_no_html_of_a_card_runs(tmp_path: Path) -> None:
    page = render_html("a <script>alert(1)</script>\n", "<b>", tmp_path, [])
    assert "<script>" not in page
    assert "<title>&lt;b&gt;</title>" in page


def test_what_others_wrote_is_no_markdown(tmp_path: Path, evaluation: Path, data: Path) -> None:
    """A licence and a source are free text of whoever made the set."""
    secret, folder = tmp_path / "secret", tmp_path / "made"
    secret.write_text("hunter2")
    folder.mkdir()
    licence = f"![k]({secret}) | `a_b_`"
    source = "![k](https://example.org/x.png)\n| x | <b>"
    info = SetInfo(
        kind="pairs", format="folders", images=3, scale=4, licence=licence, source_url=source
    )
    write_json(data / "pairs/mine/set.json", info.model_dump())
    with (data / "SOURCES.tsv").open("a") as stream:
        stream.write(f"![k]({secret})/a\t![k]({secret})\t![k]({secret})\t1\n")
    write_card(folder, "textsr version 3", evaluation, {"changed": f"![k]({secret})"}, data, 16)
    page = (folder / "card.html").read_text(encoding="utf-8")
    assert base64.b64encode(b"hunter2").decode() not in page
    assert page.count("<img") == 2  # its own pictures
    shown = f"<td>pairs/mine</td>\n<td>![k]({secret}) | `a_b_`</td>\n"
    assert f"{shown}<td>![k](https://example.org/x.png) | x | &lt;b&gt;</td>" in page
    assert read_json(folder / "card.json")["material"][-1]["licence"] == licence


def test_no_picture_but_the_cards_own_is_embedded(tmp_path: Path) -> None:
    (tmp_path / "own.png").write_bytes(b"own")
    text = "![own](own.png) ![k](/etc/passwd) ![gone](https://example.org/x.png)\n"
    page = render_html(text, "card", tmp_path, ["own.png"])
    assert page.count("<img") == page.count("src=") == 1
    assert "gone" in page
