"""Which lines an OCR engine has to read, and how its readings enter the table."""

from collections.abc import Sequence

import pandas as pd
from drawn_dataset import Bench, Rows, exact_engine

from textsr.images.grey import Image
from textsr.validation.census import open_census
from textsr.validation.legibility import ReadLines, add_readings


def _read(bench: Bench, read_lines: ReadLines, *choices: tuple[int, int]) -> list[pd.DataFrame]:
    """Have lines read as often as there are choices, each of a count and a seed."""
    samples = bench.samples()
    with open_census(bench.dataset, bench.root) as census:
        return [add_readings(samples, census, count, seed, read_lines) for count, seed in choices]


def _chosen(samples: pd.DataFrame) -> dict[str, int]:
    counts = samples[samples["reading_normalised"].notna()]["folder"].value_counts()
    return {str(split): int(count) for split, count in counts.items()}


def test_lines_are_spread_evenly(bench: Bench, rows: Rows) -> None:
    bench.write(rows)
    chosen = {
        30: {"train": 10, "val": 10, "test": 10},
        31: {"train": 11, "val": 10, "test": 10},
        60: {"train": 28, "val": 16, "test": 16},
        1000: {"train": 104, "val": 16, "test": 16},
        1: {"train": 1},
    }

    found = _read(bench, exact_engine(rows), *((count, 1) for count in chosen))

    for read in found:
        assert (read["text_normalised"].dropna() == read["reading_normalised"].dropna()).all()
    assert [_chosen(read) for read in found] == list(chosen.values())


def test_lines_are_chosen_by_seed(bench: Bench, rows: Rows) -> None:
    bench.write(rows)

    first, same, other = _read(bench, exact_engine(rows), (30, 1), (30, 1), (30, 2))

    pd.testing.assert_frame_equal(first, same)
    assert not first["reading_normalised"].equals(other["reading_normalised"])


def test_engine_gets_hr_lines_and_readings_stay_with_their_rows(bench: Bench, rows: Rows) -> None:
    bench.write(rows)
    rows["train"][3]["text"] = "other"  # what the OCR engine sees, not what the shard says
    seen: list[Image] = []
    exact = exact_engine(rows)

    def read(lines: Sequence[Image]) -> list[str]:
        seen.extend(lines)
        return exact(lines)

    (samples,) = _read(bench, read, (1000, 1))

    assert {line.shape for line in seen} == {(64, 256)}
    wrong = samples[samples["text_normalised"] != samples["reading_normalised"]]
    assert wrong["sample_id"].tolist() == ["train-0000003"]
    assert wrong["reading_normalised"].tolist() == ["other"]


def test_lines_that_cannot_be_read_are_not_chosen(bench: Bench, rows: Rows) -> None:
    for row in rows["val"]:
        row["hr"]["bytes"] = b""
    rows["test"][0]["text"] = None
    bench.write(rows)

    (samples,) = _read(bench, exact_engine(rows), (1000, 1))

    assert _chosen(samples) == {"train": 104, "test": 15}


def test_readings_are_compared_with_all_texts(bench: Bench, rows: Rows) -> None:
    train = rows["train"]
    train[0]["text"], train[1]["text"] = "Grand Total", "Change USD"
    train[2]["text"] = "abc"
    exact = exact_engine(rows)
    train[0]["text"], train[1]["text"] = train[1]["text"], train[0]["text"]
    bench.write(rows)

    samples = _read(bench, exact, (1000, 1))[0].set_index("sample_id")

    swapped = samples.loc[["train-0000000", "train-0000001"]]
    assert (swapped["reading_similarity"] < 0.4).all()
    assert swapped["reading_other_similarity"].max() == 1
    assert swapped["reads_as_another"].tolist() == [True, True]
    others = samples.drop(swapped.index)
    assert others.loc["train-0000002", ["reading_similarity", "reads_as_another"]].isna().all()
    assert (others["reading_similarity"].dropna() == 1).all()
    assert not others["reads_as_another"].dropna().any()
