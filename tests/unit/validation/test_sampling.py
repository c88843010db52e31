"""Which rows are validated, and what is known of the others."""

from collections.abc import Iterator

import numpy as np
import pytest
from drawn_dataset import SAMPLES, Bench, Rows
from hypothesis import given
from hypothesis import strategies as st

from textsr.config.params import SPLITS, Split
from textsr.validation.census import Census, choose_rows, divide, open_census


@pytest.fixture
def census(bench: Bench, rows: Rows) -> Iterator[Census]:
    train = rows["train"]
    train[7]["seed"] = 99
    train[40]["font_size_px"] = 9000
    train[41]["lens_sigma_px_1"] = float("nan")
    train[42]["text"] = None
    train[50]["sample_id"] = train[51]["sample_id"]
    train[60]["text"] = rows["test"][3]["text"].upper()
    train[70]["hr"] = rows["val"][2]["hr"]
    train[80]["index"] = 103
    bench.write(rows)
    with open_census(bench.dataset, bench.root) as census:
        yield census


def test_all_rows_where_they_are_few_enough(census: Census) -> None:
    for limit in (0, 136, 10_000):
        choice = choose_rows(census, limit, 1)

        assert choice.numbers.tolist() == list(range(136))
        assert choice.scope == "all 136 rows"


def test_sample_is_seeded_and_holds_every_odd_row(census: Census) -> None:
    choice, same, other = (choose_rows(census, 12, seed) for seed in (1, 1, 2))

    assert choice.scope.startswith("a sample of 12 of 136 rows")
    assert choice.numbers.tolist() == same.numbers.tolist()
    assert choice.numbers.tolist() != other.numbers.tolist()
    val, test = SAMPLES["train"], SAMPLES["train"] + SAMPLES["val"]
    odd = {7, 40, 41, 42, 50, 51, 60, test + 3, 70, val + 2, 80, 103}
    assert odd <= set(choice.numbers.tolist())


def test_every_shard_gives_its_part(bench: Bench, rows: Rows) -> None:
    bench.write(rows)
    with open_census(bench.dataset, bench.root) as census:
        choice = choose_rows(census, 30, 1)
        parts = [
            ((choice.numbers >= shard.first) & (choice.numbers < shard.first + shard.rows)).sum()
            for shard in census.shards
        ]

    assert min(parts) >= 5


def test_relations_are_to_all_rows(census: Census) -> None:
    relations = census.relations(np.array([7, 60, 70, 71]))

    assert relations["position"].tolist() == [7, 60, 70, 71]
    assert relations["text_splits"].tolist() == ["train", "train+test", "train", "train"]
    assert relations["hr_splits"].tolist() == ["train", "train", "train+val", "train"]
    assert relations["text_copies"].tolist() == [1, 1, 1, 1]
    assert relations["font_family_copies"].tolist() == [104] * 4


@given(st.integers(0, 200), st.fixed_dictionaries({split: st.integers(0, 90) for split in SPLITS}))
def test_division_is_even_and_whole(count: int, available: dict[Split, int]) -> None:
    quotas = divide(count, available)

    assert sum(quotas.values()) == min(count, sum(available.values()))
    assert all(quotas[split] <= available[split] for split in SPLITS)
    largest = max(quotas.values())
    assert all(quotas[s] in (available[s], largest, largest - 1) for s in SPLITS)
