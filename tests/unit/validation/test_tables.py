"""The validated table: rows in order, columns that relate rows to one another."""

from drawn_dataset import SAMPLES, Bench, Rows
from hypothesis import given
from hypothesis import strategies as st

from textsr.validation.census import text_key
from textsr.validation.shards import RECORDED_COLUMNS


def test_rows_stand_in_the_order_of_the_shards(bench: Bench, rows: Rows) -> None:
    rows["train"][7]["split"] = "test"
    bench.write(rows)

    samples = bench.samples()

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

    samples = bench.samples().set_index("sample_id")

    texts = samples["text_splits"]
    assert texts[["train-0000000", "train-0000001", "val-0000000"]].tolist() == ["train+val"] * 3
    assert texts["train-0000002"] == "train"
    assert samples["text_splits"].isna().sum() == 1
    copies = samples["text_copies"]
    assert copies[["train-0000000", "train-0000001", "val-0000000"]].tolist() == [2, 2, 1]


def test_dataset_without_rows_has_all_columns(bench: Bench, rows: Rows) -> None:
    bench.write(rows)
    columns = list(bench.samples().columns)
    bench.write({"train": [], "val": [], "test": []})

    samples = bench.samples()

    assert len(samples) == 0
    assert list(samples.columns) == columns


@given(st.text(), st.lists(st.sampled_from(" \t\n\u00a0"), max_size=3))
def test_text_key_knows_neither_case_nor_white_space(text: str, spaces: list[str]) -> None:
    padded = "".join([*spaces, text, *spaces])

    assert text_key(padded) == text_key(text.casefold()) == text_key(text)
