"""What a validation leaves to be looked at: the data card, pictures, and its MLflow run."""

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_dataset import Bench, Rows, exact_engine, shorten

from textsr.config import project
from textsr.errors import TextsrError
from textsr.imports.fonts import TERMS
from textsr.imports.sets import Item, NewSet, SetInfo, write_sets
from textsr.progress import no_progress
from textsr.stages.validate import validate
from textsr.tracking import Tracker
from textsr.validation.data_card import write_data_card
from textsr.validation.pictures import CONTACT_SHEET, HISTOGRAMS
from textsr.validation.profile import Numbers, Profile
from textsr.validation.report import ValidationReport
from textsr.validation.run import validate_dataset
from textsr.validation.shards import EFFECTS

pytestmark = pytest.mark.slow

_SOURCES = """path\tlicence\tpackage\tversion
fonts/lato/A.ttf\tOFL-1.1\tfont-lato\t0.1.0
fonts/roboto/A.ttf\tApache-2.0\tfont-roboto\t0.0.1
"""


def _validate(bench: Bench, rows: Rows) -> tuple[Profile, ValidationReport]:
    found = []
    bench.write(rows)
    with shorten(only=["seed"]), suppress(TextsrError):
        validate_dataset(
            bench.dataset,
            bench.output,
            bench.params,
            exact_engine(rows),
            no_progress,
            lambda profile, report: found.append((profile, report)),
        )
    return found[0]


def test_card_tells_what_the_dataset_holds(bench: Bench, rows: Rows) -> None:
    rows["train"][5]["seed"] = 8
    effect, (column, *_) = next(iter(EFFECTS.items()))
    for row in rows["train"] + rows["val"] + rows["test"]:
        row[column] = None
    rows["val"][0][column] = sum(getattr(bench.params.synthesis.render, effect).em) / 2
    data = bench.root / "data"
    data.mkdir()
    (data / "SOURCES.tsv").write_text(_SOURCES)
    imported = data / "fonts/roboto"  # in place of the package's
    imported.mkdir(parents=True)
    for name in ("Roboto.ttf", "Roboto-Bold.ttf", TERMS):
        (imported / name).touch()
    about = SetInfo(kind="lr", format="icdar", images=1, licence="CC BY 4.0")
    image = cv2.imencode(".png", np.zeros((9, 9), np.uint8))[1].tobytes()
    items = [Item("a", "a.png", {"image": image}, "a")]
    write_sets([NewSet(data / "real/words", about, items)])

    profile, report = _validate(bench, rows)
    cards = [bench.root / name for name in ("first.md", "second.md")]
    for card in cards:
        write_data_card(card, profile, report, bench.params, data)

    text = cards[0].read_text(encoding="utf-8")
    assert text == cards[1].read_text(encoding="utf-8")
    assert text.startswith("---\npretty_name:")
    assert "| train | 104 | 104 | 1 |" in text
    assert "| email | 21 | 3 | 3 |" in text
    assert "| lato | 0 | 0 | 16 |" in text
    assert f"| {effect} | {column} | 0.7% | 0.085 | 0.085 | 0.085 |" in text
    assert "| fonts/lato | OFL-1.1 | font-lato 0.1.0 | 1 |" in text
    assert f"| fonts/roboto | its `{TERMS}` | `textsr import fonts` | 2 |" in text
    assert "font-roboto" not in text
    assert "| real/words | 1 | icdar |  | CC BY 4.0 | not stated |" in text
    assert "Validation failed on all 136 rows" in text
    assert "- seed (critical): `seed` is 1 in every row" in text
    assert str(bench.root) not in text


def test_profile_counts_rows_and_nulls(bench: Bench, rows: Rows) -> None:
    for row in rows["train"]:
        row["font_size_px"] = 30
    rows["test"][0]["font_size_px"] = 78

    profile, _ = _validate(bench, rows)

    columns = {column.name: column for column in profile.columns}
    sizes = columns["font_size_px"]
    assert isinstance(sizes, Numbers)
    assert (sizes.least, sizes.median, sizes.greatest, sizes.share) == (30, 30, 78, 1)
    assert sizes.counts[0] == 104
    assert sizes.counts[-1] == 1
    assert sum(sizes.counts) == 136
    assert {columns[c].share for columns_ in EFFECTS.values() for c in columns_} == {0.5}
    assert columns["inverted"].counts == {"false": 136}


@pytest.mark.slow
def test_pictures_are_shown_in_data_docs(bench: Bench, rows: Rows) -> None:
    for row in rows["val"]:
        row["lr"] = {"bytes": b"broken", "path": ""}
    bench.write(rows)
    with pytest.raises(TextsrError):
        validate_dataset(bench.dataset, bench.output, bench.params, exact_engine(rows))

    docs = bench.output / "data_docs"
    index = (docs / "index.html").read_text(encoding="utf-8")
    for name in (CONTACT_SHEET, HISTOGRAMS):
        assert f'<img src="{name}"' in index
        picture = cv2.imread(str(docs / name), cv2.IMREAD_GRAYSCALE)
        assert min(picture.shape) > 1000
        assert picture.std() > 10


@pytest.mark.slow
def test_one_run_a_dataset(bench: Bench, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bench.root)
    monkeypatch.setattr(project, "DATASET", Path("dataset"))
    monkeypatch.setattr("textsr.stages.validate.first_engine", lambda threads: None)
    tracker = Tracker(bench.root)
    experiment = f"{bench.params.tracking.experiment}-data"

    def run_stage() -> None:
        bench.write(rows)
        read = exact_engine(rows)
        with monkeypatch.context() as patch:
            patch.setattr("textsr.stages.validate.read_lines", lambda engine, lines: read(lines))
            validate(bench.params, no_progress, lambda line: None)

    with shorten(only=["seed"], docs=True):
        for _ in range(2):
            run_stage()
        rows["train"][5]["seed"] = 8
        with pytest.raises(TextsrError):
            run_stage()

    failed, passed = tracker.client.search_runs([tracker.experiment_id(experiment)])
    assert failed.data.tags["textsr.dataset"] != passed.data.tags["textsr.dataset"]
    assert [run.data.metrics["validation/failures"] for run in (failed, passed)] == [1, 0]
    assert passed.info.status == "FINISHED"
    logged = {file.path for file in tracker.client.list_artifacts(passed.info.run_id)}
    assert logged == {"data_card.md", "params.yaml", "result.json", CONTACT_SHEET, HISTOGRAMS}
