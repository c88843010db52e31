"""Each way in which a dataset can be wrong is caught by an expectation that names the sample."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_dataset import Bench, Row, Rows, clean_rows, exact_engine

from textsr.config.params import Params
from textsr.datasets.shards import decode_grey, encode_png
from textsr.errors import TextsrError
from textsr.files import read_json
from textsr.validation.shards import EFFECTS

pytestmark = pytest.mark.slow


def _change(**values: object) -> Callable[[Row, Rows], None]:
    return lambda row, _: row.update(values)


def _swap_images(row: Row, rows: Rows) -> None:
    row["hr"], row["lr"] = row["lr"], row["hr"]


def _repaint(name: str, paint: Callable[[np.ndarray], np.ndarray]) -> Callable[[Row, Rows], None]:
    def change(row: Row, rows: Rows) -> None:
        row[name]["bytes"] = encode_png(paint(decode_grey(row[name]["bytes"])))

    return change


def _truncate(name: str) -> Callable[[Row, Rows], None]:
    def change(row: Row, rows: Rows) -> None:
        row[name]["bytes"] = row[name]["bytes"][:-200]

    return change


def _copy_from(split: str, index: int, *names: str) -> Callable[[Row, Rows], None]:
    return lambda row, rows: row.update({name: rows[split][index][name] for name in names})


def _shout_text_of_test(row: Row, rows: Rows) -> None:
    row["text"] = f" {rows['test'][9]['text'].upper().replace(' ', '  ')}"


def _encode(name: str, suffix: str, code: int | None = None) -> Callable[[Row, Rows], None]:
    def change(row: Row, rows: Rows) -> None:
        image = decode_grey(row[name]["bytes"])
        image = image if code is None else cv2.cvtColor(image, code)
        row[name]["bytes"] = cv2.imencode(suffix, image)[1].tobytes()

    return change


WHOLE = next(columns for columns in EFFECTS.values() if len(columns) > 1)
EFFECT = [columns[0] for columns in EFFECTS.values() if len(columns) == 1]


def _record_in_part(row: Row, rows: Rows) -> None:
    row |= {WHOLE[0]: None, WHOLE[1]: rows["train"][1][WHOLE[1]]}


# One sample of train each: (what is done to it, the expectation that catches it, what is reported).
BREACHES: list[tuple[str, Callable[[Row, Rows], None], str, str]] = [
    ("swapped LR and HR", _swap_images, "hr_size_decoded_agrees", "hr_size '64x256'"),
    ("swapped LR and HR, LR's side", _swap_images, "lr_size_decoded_agrees", "'64x256'"),
    ("blank HR", _repaint("hr", lambda hr: np.full_like(hr, 200)), "hr_not_blank", "0"),
    ("constant LR", _repaint("lr", lambda lr: np.full_like(lr, 90)), "lr_not_blank", "0"),
    ("truncated HR", _truncate("hr"), "hr_decodes", "False"),
    ("truncated LR", _truncate("lr"), "lr_decodes", "False"),
    ("HR of no bytes", _change(hr={"bytes": b"", "path": ""}), "hr_decodes", "False"),
    ("no LR", _change(lr=None), "lr_decodes", "False"),
    ("negative LR", _repaint("lr", cv2.bitwise_not), "lr_not_unlike_hr", "-0."),
    (
        "brighter LR",
        _repaint("lr", lambda lr: np.minimum(lr, 155) + 100),
        "lr_nearly_as_bright_as_hr",
        "",
    ),
    ("HR of another row", _copy_from("train", 1, "hr"), "hr_copies", "2"),
    ("HR of test", _copy_from("test", 3, "hr"), "hr_leak", "'train+test'"),
    ("text of test, in capitals", _shout_text_of_test, "text_leak", "'train+test'"),
    ("family of val", _change(font_family="manrope"), "font_family_leak", "'train+val'"),
    ("held-out family", _change(font_family="lato"), "train_fonts", "'lato'"),
    ("other scale", _change(scale=2), "scale", "2"),
    ("other scale, sizes", _change(scale=2), "hr_size_from_lr_agrees", "'32x128'"),
    ("other seed", _change(seed=7), "seed", "7"),
    ("mislabelled split", _change(split="val"), "split_is_folder", "split 'val', folder 'train'"),
    ("repeated id", _copy_from("train", 2, "sample_id"), "sample_id_unique", ""),
    ("repeated index", _change(index=3), "index_unique", "index 3"),
    ("index out of range", _change(index=104), "train_index", "104"),
    ("NaN", _change(**{EFFECT[0]: math.nan}), "not_nan", EFFECT[0]),
    ("NaN that is no effect's", _change(ink=math.nan), "ink_present", "missing"),
    ("no seed", _change(seed=None), "seed_present", "missing"),
    ("effect in part", _record_in_part, "effects_whole", WHOLE[0].split("_")[0]),
    ("mojibake", _change(text="cafÃ© crÃ¨me"), "text_encoding", "Ã©"),
    ("id of another row", _change(sample_id="train-0000999"), "sample_id_agrees", "train-0000999"),
    ("no text", _change(text=None), "text_present", "missing"),
    ("empty text", _change(text=" \t"), "text_not_empty", r"' \t'"),
    ("long text", _change(text="x" * 27), "text_length", "x" * 27),
    ("unknown kind", _change(kind="poem"), "kind_known", "'poem'"),
    ("infinite value", _change(**{EFFECT[0]: math.inf}), f"{EFFECT[0]}_range", "inf"),
    ("value too high", _change(**{EFFECT[1]: 1e4}), f"{EFFECT[1]}_range", "10000"),
    ("value too low", _change(**{EFFECT[2]: -1e4}), f"{EFFECT[2]}_range", "-10000"),
    ("unknown kernel", _change(kernel_1="fir"), "kernel_1_known", "'fir'"),
    ("colour LR", _encode("lr", ".png", cv2.COLOR_GRAY2BGR), "lr_format", "8-bit colour PNG"),
    ("JPEG as HR", _encode("hr", ".jpg"), "hr_format", "not PNG"),
    ("text that cannot fit", _change(text="ii"), "transcript_fits_width", ""),
    ("contrast too low", _change(ink=60.0, ground=90.0), "contrast_range", "30"),
    ("ink off the scale", _change(ink=-10.0), "ink_range", "-10"),
    ("not inverted", _change(inverted=True), "inverted", "inverted True, light_ink False"),
    ("margin too wide", _change(margin_left_px=19), "margin_left_px_range", "19"),
    ("wide line", _change(lr_width=132), "lr_width_range", "132"),
    ("low line", _change(lr_height=12), "lr_height", "12"),
]


_FIRST_BROKEN = 10


@dataclass(frozen=True)
class Broken:
    """A dataset with a row a breach: its rows, what is said, and `result.json`'s findings."""

    rows: list[Row]
    message: str
    findings: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Broken:
    bench = Bench(tmp_path_factory.mktemp("broken"), params)
    clean, rows = clean_rows(), clean_rows()
    changed = rows["train"][_FIRST_BROKEN : _FIRST_BROKEN + len(BREACHES)]
    for row, (_, change, _, _) in zip(changed, BREACHES, strict=True):
        change(row, clean)
    with pytest.raises(TextsrError) as failure:
        bench.validate(rows)
    findings = read_json(bench.output / "result.json")["findings"]
    return Broken(changed, str(failure.value), {finding["name"]: finding for finding in findings})


@pytest.mark.parametrize(
    ("number", "name", "evidence"),
    [
        pytest.param(number, name, evidence, id=breach)
        for number, (breach, _, name, evidence) in enumerate(BREACHES)
    ],
)
def test_breach_is_caught_and_its_sample_named(
    broken: Broken, number: int, name: str, evidence: str
) -> None:
    finding = broken.findings[name]

    sample_id = broken.rows[number]["sample_id"]
    reported = [sample for sample in finding["samples"] if sample.startswith(sample_id)]
    assert reported
    assert any(evidence in sample for sample in reported)
    if finding["severity"] == "critical":
        assert f"{name}: {finding['description']}" in broken.message
        assert reported[0] in broken.message
        assert finding["remedy"] in broken.message


def test_nothing_else_is_reported(broken: Broken) -> None:
    # An index that is wrong is also out of order; images that are wrong differ in brightness.
    others = {"index_in_order", "lr_as_bright_as_hr"}
    assert set(broken.findings) == {name for _, _, name, _ in BREACHES} | others


def _failure(bench: Bench, rows: Rows, *only: str) -> str:
    with pytest.raises(TextsrError) as failure:
        bench.validate(rows, only=only)
    return str(failure.value)


def test_pairing_off_by_one(bench: Bench, rows: Rows) -> None:
    """Sizes agree, every image decodes: only what the images show gives it away."""
    images = [row["lr"] for row in rows["test"]]
    for row, image in zip(rows["test"], images[1:] + images[:1], strict=True):
        row["lr"] = image

    names = ("lr_resembles_hr", "lr_nearer_own_hr", "lr_as_bright_as_hr")
    message = _failure(bench, rows, *names)

    assert "lr_resembles_hr: LR correlates with HR, shrunk to its size, by 0.6" in message
    assert "lr_nearer_own_hr: LR correlates with its own HR no less than" in message
    assert "lr_as_bright_as_hr" in message
    assert "    test-00000" in message


def test_missing_rows_and_kinds(bench: Bench, rows: Rows) -> None:
    del rows["test"][4:6]
    for row in rows["train"] + rows["val"]:
        if row["kind"] == "email":
            row["kind"] = "url"

    caught = {"test_rows", "train_email_share", "index_in_order"}
    # 16 rows are too few for a kind to be missed.
    message = _failure(bench, rows, *caught, "val_email_share")

    described = "test_rows: The test split has 16 rows (synthesis.samples.test)."
    assert f"{described}\n  column rows: found 14" in message
    assert "train_email_share: The train split has 2 to" in message
    findings = read_json(bench.output / "result.json")["findings"]
    assert {finding["name"] for finding in findings} == caught


@pytest.fixture
def custom_bench(bench: Bench, params: Params) -> Bench:
    """Return a place where half of the lines are to be of the user's own text, if there is any."""
    kinds = params.synthesis.text.kinds | {"custom": 5.0}
    text = params.synthesis.text.model_copy(update={"kinds": kinds})
    synthesis = params.synthesis.model_copy(update={"text": text})
    return replace(bench, params=params.model_copy(update={"synthesis": synthesis}))


@pytest.mark.slow
@pytest.mark.parametrize("drawn", [True, False])
def test_heavy_custom_text_may_be_there_or_not(
    custom_bench: Bench, rows: Rows, drawn: bool
) -> None:
    if drawn:  # half of them, as it should be
        for row in [row for split in rows.values() for row in split[::2]]:
            row["kind"] = "custom"
    assert custom_bench.validate(rows).findings == ()


def test_a_kind_drawn_too_often_is_found_beside_custom_text(
    custom_bench: Bench, rows: Rows
) -> None:
    for row in rows["train"]:
        row["kind"] = "url"
    # A fifth of 104, 40% more, and four standard deviations.
    assert "train_url_share: The train split has 0 to 46 rows of kind `url`" in _failure(
        custom_bench, rows, "train_url_share"
    )


@pytest.mark.slow
def test_warnings_alone_pass_and_are_reported(bench: Bench, rows: Rows) -> None:
    repeated = rows["train"][0]
    for row in rows["train"][1:80]:
        row |= {name: repeated[name] for name in ("text", "hr", "lr")}

    report = bench.validate(rows)

    assert [finding.name for finding in report.warnings] == ["hr_copies", "text_copies"]
    assert report.failures == []
    assert read_json(bench.output / "result.json")["success"] is True


def test_misread_lines_are_named_with_both_texts(bench: Bench, rows: Rows) -> None:
    exact = exact_engine(rows)

    with pytest.raises(TextsrError) as failure:
        bench.validate(
            rows, lambda lines: [f"oops {text}" for text in exact(lines)], only=["hr_legible"]
        )

    message = str(failure.value)
    assert "hr_legible: An OCR engine reads 75% or more" in message
    assert re.search(r"train-\d{7}: text_normalised '(\w+)', reading_normalised 'oops\1'", message)
