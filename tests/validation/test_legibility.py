"""Which lines an OCR engine has to read, and how its readings enter the table."""

from collections.abc import Sequence

import pandas as pd
import pytest
from drawn_dataset import Bench, Rows, exact_reader

from textsr.datasets.shards import Image
from textsr.validation.legibility import add_readings
from textsr.validation.tables import read_samples


def _chosen(samples: pd.DataFrame) -> dict[str, int]:
    counts = samples[samples["reading_normalised"].notna()]["folder"].value_counts()
    return {str(split): int(count) for split, count in counts.items()}


@pytest.mark.parametrize(
    ("count", "chosen"),
    [
        (30, {"train": 10, "val": 10, "test": 10}),
        (31, {"train": 11, "val": 10, "test": 10}),
        (60, {"train": 28, "val": 16, "test": 16}),
        (1000, {"train": 104, "val": 16, "test": 16}),
        (1, {"train": 1}),
    ],
)
def test_lines_are_spread_evenly(
    bench: Bench, rows: Rows, count: int, chosen: dict[str, int]
) -> None:
    bench.write(rows)

    samples = add_readings(read_samples(bench.dataset), bench.dataset, count, 1, exact_reader(rows))

    assert _chosen(samples) == chosen
    assert (samples["text_normalised"].dropna() == samples["reading_normalised"].dropna()).all()


def test_lines_are_chosen_by_seed(bench: Bench, rows: Rows) -> None:
    bench.write(rows)
    samples = read_samples(bench.dataset)

    first, same, other = (
        add_readings(samples, bench.dataset, 30, seed, exact_reader(rows)) for seed in (1, 1, 2)
    )

    pd.testing.assert_frame_equal(first, same)
    assert not first["reading_normalised"].equals(other["reading_normalised"])


def test_reader_gets_hr_lines_and_readings_stay_with_their_rows(bench: Bench, rows: Rows) -> None:
    bench.write(rows)
    rows["train"][3]["text"] = "other"  # what the reader sees, not what the shard says
    seen: list[Image] = []
    exact = exact_reader(rows)

    def read(lines: Sequence[Image]) -> list[str]:
        seen.extend(lines)
        return exact(lines)

    samples = add_readings(read_samples(bench.dataset), bench.dataset, 1000, 1, read)

    assert {line.shape for line in seen} == {(64, 256)}
    wrong = samples[samples["text_normalised"] != samples["reading_normalised"]]
    assert wrong["sample_id"].tolist() == ["train-0000003"]
    assert wrong["reading_normalised"].tolist() == ["other"]


def test_lines_that_cannot_be_read_are_not_chosen(bench: Bench, rows: Rows) -> None:
    for row in rows["val"]:
        row["hr"]["bytes"] = b""
    rows["test"][0]["text"] = None
    bench.write(rows)

    samples = add_readings(read_samples(bench.dataset), bench.dataset, 1000, 1, exact_reader(rows))

    assert _chosen(samples) == {"train": 104, "test": 15}
