"""A checkpoint that cannot be read is set aside, and training begins at the one before, or anew."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from textsr.errors import TextsrError
from textsr.training import checkpoints
from textsr.training.fitting import fit


class Killed(BaseException):
    """Ends a fit as a signal would: nothing more is saved."""


class Adaptive(LightningModule):
    """A few weights whose optimiser has a state."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 5))
        self.steps: list[int] = []

    def training_step(self, batch: Tensor, batch_index: int) -> Tensor:
        self.steps.append(int(batch))
        return ((self.weight - batch) ** 2).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=0.1)


def run(folder: Path, kill_at: int | None = None) -> tuple[Tensor, list[int]]:
    def kill(metrics: object, step: int) -> None:
        if step == kill_at:
            raise Killed

    module = Adaptive()
    state, _ = fit(
        module,
        lambda step: torch.tensor(float(step)),
        steps=8,
        checkpoint_every=2,
        checkpoints=folder,
        seed=0,
        ema_decay=0.5,
        on_metrics=kill,
    )
    return state["weight"], module.steps


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A run that has saved steps 2 and 4."""
    with pytest.raises(Killed):
        run(tmp_path / "run", kill_at=6)
    return tmp_path / "run"


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def broken(path: Path) -> None:
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"]["weight"][2] = torch.nan
    torch.save(checkpoint, path)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut off": cut_off,
    "garbage": lambda path: path.write_bytes(b"\x80\x04garbage" * 100),
    "another's": lambda path: torch.save({"x": 1}, path),
    "of no finite weights": broken,
    "a pipe": pipe,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_training_goes_on_from_the_one_before(
    killed: Path, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    expected, _ = run(tmp_path / "unbroken")
    DAMAGES[damage](killed / "last.ckpt")
    capsys.readouterr()
    weight, steps = run(killed)
    assert steps == list(range(2, 8))
    assert torch.equal(weight, expected)
    assert os.path.lexists(killed / "damaged-1.ckpt")
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"textsr: {killed / 'last.ckpt'}: ")
    assert line.endswith("; kept as damaged-1.ckpt, and training goes on from before.ckpt")


def test_where_both_are_damaged_it_begins_anew(
    killed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("last.ckpt", "before.ckpt"):
        cut_off(killed / name)
    content = (killed / "last.ckpt").read_bytes()
    capsys.readouterr()
    weight, steps = run(killed)
    assert steps == list(range(8))
    assert torch.equal(weight, run(tmp_path / "unbroken")[0])
    assert (killed / "damaged-1.ckpt").read_bytes() == content
    assert (killed / "damaged-2.ckpt").exists()
    said = capsys.readouterr().err.splitlines()
    assert [line.endswith("and training begins anew") for line in said] == [True, True]


@pytest.mark.parametrize("moment", ["while it is written", "between its renames"])
def test_a_kill_while_saving_leaves_one_to_resume(
    killed: Path, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = torch.save

    def half(checkpoint: object, path: Path) -> None:
        save(checkpoint, path)
        if moment == "while it is written":
            cut_off(path)
        else:
            (path.parent / "last.ckpt").replace(path.parent / "before.ckpt")
        raise Killed

    monkeypatch.setattr(checkpoints.torch, "save", half)
    with pytest.raises(Killed):
        run(killed)
    monkeypatch.undo()
    weight, steps = run(killed)
    assert steps == list(range(4, 8))
    assert torch.equal(weight, run(tmp_path / "unbroken")[0])


def test_a_finished_run_whose_last_is_damaged_gives_its_result(tmp_path: Path) -> None:
    expected, _ = run(tmp_path)
    cut_off(tmp_path / "last.ckpt")
    weight, steps = run(tmp_path)
    assert steps == [6, 7]
    assert torch.equal(weight, expected)


def test_a_follower_comes_to_the_same_and_renames_nothing(killed: Path) -> None:
    cut_off(killed / "last.ckpt")
    before = sorted(killed.iterdir())
    found = checkpoints.newest_checkpoint(killed, is_rank_zero=False)
    assert found == killed / "before.ckpt"
    assert sorted(killed.iterdir()) == before


def test_what_may_not_be_read_is_not_set_aside(
    killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checkpoints.torch, "load", refuse)
    with pytest.raises(TextsrError, match=r"last\.ckpt: cannot be read \(Permission denied\)"):
        checkpoints.newest_checkpoint(killed, is_rank_zero=True)
    assert (killed / "last.ckpt").exists()
