"""The validated table: rows in order, columns that relate rows to one another."""

import pytest
from drawn_dataset import SAMPLES, Bench, Rows
from hypothesis import given
from hypothesis import strategies as st

from textsr.validation.tables import RECORDED_COLUMNS, read_samples, text_key


def test_rows_stand_in_the_order_of_the_shards(bench: Bench, rows: Rows) -> None:
    rows["train"][7]["split"] = "test"
    bench.write(rows)

    samples = read_samples(bench.dataset)

    assert list(samples["sample_id"]) == [
        row["sample_id"] for part in rows.values() for row in part
    ]
    assert samples["folder"].value_counts().to_dict() == SAMPLES
    assert {"hr", "lr"}.isdisjoint(samples.columns)
    assert set(RECORDED_COLUMNS) <= set(samples.columns)


def test_splits_and_copies_of_texts(bench: Bench, rows: Rows) -> None:
    rows["train"][0]["text"] = "Grand Total"
    rows["train"][1]["text"] = "grandtotal "
    rows["val"][0]["text"] = "GRAND TOTAL"
    rows["test"][0]["text"] = None
    bench.write(rows)

    samples = read_samples(bench.dataset).set_index("sample_id")

    texts = samples["text_splits"]
    assert texts[["train-0000000", "train-0000001", "val-0000000"]].tolist() == ["train+val"] * 3
    assert texts["train-0000002"] == "train"
    assert samples["text_splits"].isna().sum() == 1
    copies = samples["text_copies"]
    assert copies[["train-0000000", "train-0000001", "val-0000000"]].tolist() == [2, 2, 1]


def test_second_pass_is_stated_in_hr_pixels(bench: Bench, rows: Rows) -> None:
    rows["train"][0] |= {"resize_1": 0.8, "blur_sigma_x_2": 0.8, "resize_2": 0.3125}
    bench.write(rows)

    sample = read_samples(bench.dataset).iloc[0]

    assert sample["blur_sigma_x_2_hr_px"] == pytest.approx(1.0)
    assert sample["resize_total"] == pytest.approx(0.25)


def test_dataset_without_rows_has_all_columns(bench: Bench, rows: Rows) -> None:
    bench.write(rows)
    columns = list(read_samples(bench.dataset).columns)
    bench.write({"train": [], "val": [], "test": []})

    samples = read_samples(bench.dataset)

    assert len(samples) == 0
    assert list(samples.columns) == columns


@given(st.text(), st.lists(st.sampled_from(" \t\n\u00a0"), max_size=3))
def test_text_key_knows_neither_case_nor_white_space(text: str, spaces: list[str]) -> None:
    padded = "".join([*spaces, text, *spaces])

    assert text_key(padded) == text_key(text.casefold()) == text_key(text)
