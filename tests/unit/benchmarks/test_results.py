"""The table of results: of the committed numbers, and right for those that it is given."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.results_table import (
    BICUBIC,
    END,
    FILE,
    HR,
    MODEL,
    PAGE,
    README,
    Judge,
    Results,
    ScoredSet,
    SetResult,
    collect,
    read_results,
    render_pages,
    render_results,
)
from textsr import pretrained
from textsr.errors import TextsrError
from textsr.evaluation.statistics import Bootstrap
from textsr.files import write_json
from textsr.models.spec import read_spec

ROOT = Path(__file__).parents[3]
LINES = 200
JUDGES = {"one": Judge("Engine One", 0.3), "two": Judge("Engine Two", 0.3)}
ONE = {"one": JUDGES["one"]}
RESAMPLING = Bootstrap(500, 0.95, 0)


def table(**right: int) -> pd.DataFrame:
    """Scores of lines of which each engine reads the first so many."""
    columns: dict[str, list] = {
        "line_id": [f"{number:03}" for number in range(LINES)],
        "psnr_db": [20.0] * LINES,
        "ssim": [0.5] * LINES,
    }
    for engine, count in right.items():
        columns[f"{engine}_exact"] = [number < count for number in range(LINES)]
    return pd.DataFrame(columns)


def scored() -> SetResult:
    tables = {
        BICUBIC: table(one=100, two=50),
        "dull": table(one=90, two=60),
        "crisp": table(one=80, two=70),
        MODEL: table(one=101, two=90),
        HR: table(one=150, two=130),
    }
    return collect(ScoredSet("some_lines", "hr", tables, {}), JUDGES, RESAMPLING)


def results(*sets: SetResult) -> Results:
    return Results(
        model="v9",
        blend=0.3,
        engines={judge.title: "1.0" for judge in JUDGES.values()},
        peers=["dull", "crisp"],
        confidence=0.95,
        sets=list(sets),
    )


def row(markdown: str, engine: str) -> list[str]:
    (found,) = [line for line in markdown.splitlines() if f"| {engine} |" in line]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_readme_and_page_show_the_committed_numbers() -> None:
    for path, text in render_pages(read_results(ROOT / FILE), ROOT).items():
        assert path.read_text(encoding="utf-8") == text, (
            f"{path.name}: run `python -m benchmarks.results --render`"
        )


def test_the_committed_numbers_are_of_the_shipped_weights() -> None:
    kept = read_results(ROOT / FILE)
    blend = read_spec(pretrained.FOLDER).blend
    assert (kept.model, kept.blend) == (pretrained.VERSION, blend), "run `make results`"


def test_the_best_peer_is_each_engines_own() -> None:
    one, two = scored().readings
    assert (one.peer_name, two.peer_name) == ("dull", "crisp")
    assert one.peer is not None
    assert one.peer.value == 0.45
    assert two.gain_over_peer is not None
    assert two.gain_over_peer.value == pytest.approx((90 - 70) / LINES)


def test_differences_are_paired() -> None:
    one, two = scored().readings
    assert one.gain.value == 1 / LINES
    # The model reads all that bicubic reads: paired, no resample loses.
    assert one.gain.low == 0
    assert two.gap_closed is not None
    assert two.gap_closed.value == 0.5
    assert two.gap_closed.low < 0.5 < two.gap_closed.high


def test_what_is_significant_is_bold_and_nothing_else() -> None:
    text = render_results(results(scored()), in_full=False)
    one, two = row(text, "Engine One"), row(text, "Engine Two")
    assert one[:2] == ["200 some lines, degraded", "Engine One"]
    assert one[2].startswith("50.0 [")
    assert one[6].startswith("+0.5 [+0.0,")
    assert two[0] == ""
    assert two[3].endswith("] crisp")
    assert two[6].startswith("**+20.0 [")
    assert text.count("**") == 2


def test_without_peers_there_are_no_columns_of_them() -> None:
    text = render_results(results(scored()), in_full=True)
    assert len(row(text, "Engine One")) == 9
    assert "best peer" in text
    tables = {BICUBIC: table(one=100), MODEL: table(one=90), HR: table(one=150)}
    found = collect(ScoredSet("mine", "hr", tables, {}), ONE, RESAMPLING)
    text = render_results(results(found).model_copy(update={"peers": []}), in_full=True)
    assert len(row(text, "Engine One")) == 7
    assert "peer" not in text.lower()


def test_an_engine_with_a_weight_of_its_own_is_shown_at_that_and_at_the_one_for_any() -> None:
    tables = {BICUBIC: table(one=100, two=50), MODEL: table(one=110, two=60)}
    judges = JUDGES | {"two": Judge("Engine Two", 0.8)}
    scores = ScoredSet("mine", "lr", tables, {"two": table(two=90)})
    found = collect(scores, judges, RESAMPLING)
    one, two = found.readings
    assert (one.model.value, one.for_any) == (0.55, None)
    assert (two.model.value, two.gain.value) == (0.45, 0.2)
    assert two.for_any is not None
    assert two.gain_for_any is not None
    assert (two.for_any.value, two.gain_for_any.value) == (0.3, 0.05)
    text = render_results(results(found), in_full=True)
    assert "Engine One 0.3, Engine Two 0.8" in text
    assert row(text, "Engine One")[-2].startswith("55.0 [")
    assert row(text, "Engine Two")[-2].startswith("30.0 [")
    assert "for any" not in render_results(results(found), in_full=False)


def test_cells_of_what_is_not_known_are_empty() -> None:
    tables = {BICUBIC: table(one=100), MODEL: table(one=90)}
    found = collect(ScoredSet("mine", "lr", tables, {}), ONE, RESAMPLING)
    text = render_results(results(found), in_full=True)
    cells = row(text, "Engine One")
    assert [number for number, cell in enumerate(cells) if not cell] == [3, 5, 7, 8]
    assert cells[6].startswith("**-5.0 [")


def test_the_file_gives_back_what_was_kept(tmp_path: Path) -> None:
    kept = results(scored())
    write_json(tmp_path / "results.json", kept.model_dump())
    assert read_results(tmp_path / "results.json") == kept
    with pytest.raises(TextsrError, match=r"none.json: no such file; .*make results"):
        read_results(tmp_path / "none.json")
    (tmp_path / "results.json").write_text("{}", encoding="utf-8")
    with pytest.raises(TextsrError, match=r"results.json: not valid .*make results"):
        read_results(tmp_path / "results.json")


def test_a_page_without_a_place_for_the_table_is_named(tmp_path: Path) -> None:
    (tmp_path / PAGE).parent.mkdir(parents=True)
    for page in (README, PAGE):
        (tmp_path / page).write_text((ROOT / page).read_text("utf-8"), "utf-8")
    render_pages(results(scored()), tmp_path)
    (tmp_path / PAGE).write_text("# Results\n", "utf-8")
    with pytest.raises(TextsrError, match=rf"results.md: put the lines .*{END}"):
        render_pages(results(scored()), tmp_path)
