"""Crops of pages: what shows no text may be blank and has none; lines are held to the rules."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_dataset import Bench, Row, Rows

from textsr.config.pages import Page
from textsr.config.params import Params
from textsr.datasets.schema import SCHEMA, shard_name
from textsr.datasets.shards import encode_png
from textsr.errors import TextsrError
from textsr.validation.run import require_held_out

pytestmark = pytest.mark.slow


def blank(row: Row) -> None:
    """Make a row a crop of empty paper."""
    row |= {"kind": "paper", "text": "", "margin_left_px": 0, "margin_right_px": 0}
    row["hr"]["bytes"] = encode_png(np.full((64, 256), 255, np.uint8))
    row["lr"]["bytes"] = encode_png(np.full((16, 64), 255, np.uint8))


@pytest.fixture
def crops(rows: Rows) -> Rows:
    """The drawn lines as crops of pages, each fourth of them blank."""
    for split_rows in rows.values():
        for number, row in enumerate(split_rows):
            row["kind"] = "line"
            if number % 4 == 3:
                blank(row)
    return rows


@pytest.fixture
def page_bench(bench: Bench, params: Params) -> Bench:
    synthesis = params.synthesis.model_copy(update={"page": Page()})
    return Bench(bench.root, params.model_copy(update={"synthesis": synthesis}))


def test_blank_paper_is_no_breach_and_no_leak(page_bench: Bench, crops: Rows) -> None:
    assert page_bench.validate(crops).findings == ()


def test_the_same_rows_are_no_dataset_of_lines(bench: Bench, crops: Rows) -> None:
    with pytest.raises(TextsrError) as failure:
        bench.validate(crops, only=["kind_known", "text_not_empty", "hr_not_blank"])
    for name in ("kind_known", "text_not_empty", "hr_not_blank"):
        assert f"\n{name}: " in str(failure.value)


def _blank_line(row: Row) -> None:
    text = row["text"]
    blank(row)
    row |= {"kind": "line", "text": text}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda row: row.update(kind="text"), "text_of_lines_alone"),
        (lambda row: row.update(text=""), "text_not_empty"),
        (_blank_line, "hr_not_blank"),
        (lambda row: row.update(kind="words"), "kind_known"),
        (lambda row: row.update(margin_left_px=513), "margin_left_px_range"),
        (lambda row: row.update(text="x" * 27), "text_length"),
    ],
)
def test_breaches_of_crops_are_named(
    page_bench: Bench, crops: Rows, change: Callable[[Row], None], name: str
) -> None:
    change(crops["train"][4])
    with pytest.raises(TextsrError, match=rf"{name}: (?s:.*)train-0000004"):
        page_bench.validate(crops, only=[name])


def test_a_split_of_many_pages_without_a_line_is_found(page_bench: Bench, crops: Rows) -> None:
    synthesis = page_bench.params.synthesis.model_copy(update={"page": Page(crops=4)})
    params = page_bench.params.model_copy(update={"synthesis": synthesis})
    for row in crops["train"]:
        blank(row)
    with pytest.raises(TextsrError, match="train_line_share: The train split has 2 or more crops"):
        Bench(page_bench.root, params).validate(crops, only=["train_line_share"])


def test_crops_without_a_text_hold_none_that_is_held_out(bench: Bench, crops: Rows) -> None:
    """Not even where the dataset has an empty text, which is another breach."""
    crops["test"][0]["text"] = ""
    bench.write(crops)
    require_held_out(bench.dataset / "train", bench.dataset)
    crops["train"][0]["text"] = crops["test"][1]["text"]
    table = pa.Table.from_pylist(crops["train"], SCHEMA)
    for number in range(2):
        pq.write_table(table, bench.dataset / "train" / shard_name(number, 2))
    with pytest.raises(TextsrError, match="1 texts of"):
        require_held_out(bench.dataset / "train", bench.dataset)
