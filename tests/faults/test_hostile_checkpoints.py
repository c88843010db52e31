"""A checkpoint runs no code: what asks for it is set aside as any damaged one is."""

from pathlib import Path

import pytest
import torch

from textsr.training.checkpoints import LAST, newest_checkpoint


class Planted:
    """Opened as a pickle, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_checkpoint_runs_no_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mark = tmp_path / "ran"
    torch.save({"state_dict": {}, "loops": Planted(mark)}, tmp_path / LAST)
    assert newest_checkpoint(tmp_path, is_rank_zero=True) is None
    assert not mark.exists()
    assert "a damaged checkpoint; kept as damaged-1.ckpt" in capsys.readouterr().err
    torch.load(tmp_path / "damaged-1.ckpt", weights_only=False)
    assert mark.exists()  # as it would be where pickles are trusted
