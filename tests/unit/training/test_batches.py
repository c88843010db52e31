"""Where batches come from: streamed, or resident where params.yaml says so."""

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.config.params import Params, parse_params
from textsr.datasets.cached import CachedBatches
from textsr.datasets.pairs import Batch, PairBatches
from textsr.datasets.schema import SCHEMA
from textsr.errors import TextsrError
from textsr.models.package import load_model
from textsr.training.batches import (
    MixedBatches,
    make_batches,
    training_alphabet,
    training_folders,
)
from textsr.training.run import TrainingRun, plan_training, run_training

pytestmark = pytest.mark.slow


def residing(params: Params) -> Params:
    training = params.training.model_copy(update={"cache_in_memory": True})
    return params.model_copy(update={"training": training})


def test_lines_are_streamed_unless_asked_otherwise(tiny_params: Params, dataset: Path) -> None:
    streamed = make_batches(tiny_params, dataset, batch_size=4, seed=1)
    resident = make_batches(residing(tiny_params), dataset, batch_size=4, seed=1)
    assert isinstance(streamed, PairBatches)
    assert isinstance(resident, CachedBatches)
    assert streamed(0).lr.shape[:3] == resident(0).lr.shape[:3] == (4, 1, 16)


def test_own_pairs_cannot_be_cached(tiny_params: Params, dataset: Path) -> None:
    with pytest.raises(
        TextsrError, match=r"training\.cache_in_memory: .*imported pairs; set it to false"
    ):
        make_batches(residing(tiny_params), dataset, batch_size=4, seed=1, imported=dataset)


def test_own_pairs_of_which_there_are_none_are_no_hindrance(
    tiny_params: Params, dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "train").mkdir()
    pq.write_table(SCHEMA.empty_table(), tmp_path / "train/00000-of-00001.parquet")
    batches = make_batches(residing(tiny_params), dataset, batch_size=4, seed=1, imported=tmp_path)
    assert isinstance(batches, CachedBatches)


def test_a_killed_training_on_resident_lines_resumes_to_the_same_bits(
    tiny_params: Params, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    params = residing(tiny_params)
    run = plan_training("scratch", params, dataset, None, tmp_path)
    _kill_and_resume(run, tmp_path, monkeypatch)


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 99))
def test_sets_take_turns_and_leave_no_batch_out(turns: list[int], seed: int) -> None:
    def numbered(number: int, step: int) -> Batch:
        return Batch(torch.tensor(number), torch.tensor(step))

    sets = [
        (count, lambda step, number=number: numbered(number, step))
        for number, count in enumerate(turns)
    ]
    batches = MixedBatches(sets, seed)
    rounds = 3
    drawn = [tuple(int(part) for part in batches(step)[:2]) for step in range(rounds * sum(turns))]
    for number, count in enumerate(turns):
        assert [step for which, step in drawn if which == number] == list(range(rounds * count))
    for start in range(0, len(drawn), sum(turns)):
        found = Counter(which for which, _ in drawn[start : start + sum(turns)])
        assert [found[number] for number in range(len(turns))] == turns
    backwards = MixedBatches(sets, seed)
    assert drawn[::-1] == [
        tuple(int(part) for part in backwards(step)[:2]) for step in range(len(drawn))[::-1]
    ]


def test_rounds_differ_in_order() -> None:
    sets = [(2, lambda step: Batch(torch.zeros(1), torch.zeros(1)))]
    sets.append((2, lambda step: Batch(torch.ones(1), torch.ones(1))))
    batches = MixedBatches(sets, 1)
    rounds = {tuple(int(batches(4 * r + step).lr) for step in range(4)) for r in range(20)}
    assert len(rounds) > 3


@pytest.mark.parametrize("resident", [False, True])
def test_a_extra_dataset_has_its_share_of_batches_at_its_own_height(
    mixed_params: Params, dataset: Path, extra_datasets: Path, resident: bool
) -> None:
    params = residing(mixed_params) if resident else mixed_params
    batches = make_batches(params, dataset, batch_size=4, seed=1, extra_datasets=extra_datasets)
    assert Counter(batches(step).lr.shape[2] for step in range(30)) == {16: 20, 24: 10}
    alone = make_batches(params, dataset, batch_size=4, seed=1)
    low = [batch for step in range(30) if (batch := batches(step)).lr.shape[2] == 16]
    for step, batch in enumerate(low):
        assert torch.equal(batch.lr, alone(step).lr)
        assert batch.texts == alone(step).texts


def test_a_extra_dataset_takes_part_in_training(
    mixed_params: Params,
    dataset: Path,
    extra_datasets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    alone = plan_training("scratch", mixed_params, dataset, None, tmp_path)
    mixed = plan_training(
        "scratch", mixed_params, dataset, None, tmp_path, extra_datasets=extra_datasets
    )
    assert alone.checkpoints != mixed.checkpoints
    curves = run_training(mixed, tmp_path / "mixed", lambda metrics, step: None).curves
    assert curves[-1]["step"] == mixed_params.training.steps
    run_training(alone, tmp_path / "alone", lambda metrics, step: None)
    pairs = zip(_weights(tmp_path / "mixed"), _weights(tmp_path / "alone"), strict=True)
    assert not all(torch.equal(*pair) for pair in pairs)


def test_a_killed_training_on_a_mixture_resumes_to_the_same_bits(
    mixed_params: Params,
    dataset: Path,
    extra_datasets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    run = plan_training(
        "scratch", mixed_params, dataset, None, tmp_path, extra_datasets=extra_datasets
    )
    _kill_and_resume(run, tmp_path, monkeypatch)


def test_the_alphabet_has_the_characters_of_all_that_is_trained_on(
    mixed_params: Params, dataset: Path, extra_datasets: Path
) -> None:
    folders = training_folders(mixed_params, dataset, extra_datasets)
    assert folders == {"dataset": dataset / "train", "tall": extra_datasets / "tall/train"}
    texts = [
        text
        for folder in folders.values()
        for text in pq.read_table(folder, columns=["text"])["text"].to_pylist()
    ]
    assert training_alphabet(folders) == "".join(sorted(set("".join(texts))))
    assert training_folders(mixed_params, dataset, None) == {"dataset": dataset / "train"}


def _kill_and_resume(run: TrainingRun, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class KilledError(Exception):
        pass

    def kill(metrics: object, step: int) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        run_training(run, folder / "resumed", kill)
    run_training(run, folder / "resumed", lambda metrics, step: None)
    (folder / "other").mkdir()  # where there are no checkpoints
    monkeypatch.chdir(folder / "other")
    run_training(run, folder / "unbroken", lambda metrics, step: None)
    pairs = zip(_weights(folder / "resumed"), _weights(folder / "unbroken"), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


def _weights(folder: Path) -> list[torch.Tensor]:
    return list(load_model(folder).network.state_dict().values())


def test_lines_drawn_by_other_params_are_refused_by_name(
    mixed_params: Params, dataset: Path, extra_datasets: Path
) -> None:
    """What `dvc repro` would have drawn anew, a stage run by hand finds as it was."""
    raw = mixed_params.model_dump()
    raw["extra_datasets"]["tall"]["lr_height"] = 20
    with pytest.raises(TextsrError, match=r"tall/train: lines 24 LR pixels high, .* says 20"):
        make_batches(
            parse_params(raw), dataset, batch_size=4, seed=1, extra_datasets=extra_datasets
        )
    raw["synthesis"]["scale"] = 2
    with pytest.raises(TextsrError, match=r"of scale 4, and params\.yaml says 16 and 2"):
        make_batches(
            parse_params(raw), dataset, batch_size=4, seed=1, extra_datasets=extra_datasets
        )
