"""Where batches come from: streamed, or resident where params.yaml says so."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from textsr.datasets.pairs import PairBatches
from textsr.datasets.resident import ResidentBatches
from textsr.datasets.schema import SCHEMA
from textsr.errors import TextsrError
from textsr.models.package import load_model
from textsr.params import Params
from textsr.training.batches import make_batches
from textsr.training.run import plan_training, run_training


def residing(params: Params) -> Params:
    training = params.training.model_copy(update={"resident": True})
    return params.model_copy(update={"training": training})


def test_lines_are_streamed_unless_asked_otherwise(tiny_params: Params, dataset: Path) -> None:
    streamed = make_batches(tiny_params, dataset, batch_size=4, seed=1)
    resident = make_batches(residing(tiny_params), dataset, batch_size=4, seed=1)
    assert isinstance(streamed, PairBatches)
    assert isinstance(resident, ResidentBatches)
    assert streamed(0).lr.shape[:3] == resident(0).lr.shape[:3] == (4, 1, 16)


def test_own_pairs_cannot_be_resident(tiny_params: Params, dataset: Path) -> None:
    with pytest.raises(TextsrError, match=r"training\.resident: .*own pairs; set it to false"):
        make_batches(residing(tiny_params), dataset, batch_size=4, seed=1, own=dataset)


def test_own_pairs_of_which_there_are_none_are_no_hindrance(
    tiny_params: Params, dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "train").mkdir()
    pq.write_table(SCHEMA.empty_table(), tmp_path / "train/00000-of-00001.parquet")
    batches = make_batches(residing(tiny_params), dataset, batch_size=4, seed=1, own=tmp_path)
    assert isinstance(batches, ResidentBatches)


def test_a_killed_training_on_resident_lines_resumes_to_the_same_bits(
    tiny_params: Params, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    params = residing(tiny_params)
    run = plan_training("scratch", params, dataset, None, tmp_path)

    class KilledError(Exception):
        pass

    def kill(metrics: object, step: int) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        run_training(run, tmp_path / "resumed", kill)
    run_training(run, tmp_path / "resumed", lambda metrics, step: None)
    (tmp_path / "other").mkdir()  # where there are no checkpoints
    monkeypatch.chdir(tmp_path / "other")
    run_training(run, tmp_path / "unbroken", lambda metrics, step: None)
    for one, other in zip(
        *(_weights(tmp_path / name) for name in ("resumed", "unbroken")), strict=True
    ):
        assert torch.equal(one, other)


def _weights(folder: Path) -> list[torch.Tensor]:
    return list(load_model(folder).network.state_dict().values())
