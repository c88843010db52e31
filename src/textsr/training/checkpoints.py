"""The files of a run's checkpoints: the last two, each whole; what is damaged is set aside."""

import sys
import warnings
from itertools import count
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from textsr.errors import TextsrError
from textsr.files import replace_file
from textsr.training.divergence import broken_weights

LAST = "last.ckpt"
"""The newest checkpoint."""

_BEFORE = "before.ckpt"


class LastTwo(TorchCheckpointIO):
    """Writes a checkpoint whole or not at all, and keeps the one before.

    Lightning writes it in the system's temporary folder and copies it from there: a kill meanwhile
    leaves half of it under its name.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; what was at `path` becomes the one before."""
        path = Path(path)
        with replace_file(path) as temporary:
            torch.save(checkpoint, temporary)
            if path.exists():
                path.replace(path.with_name(_BEFORE))


def newest_checkpoint(folder: Path, *, is_rank_zero: bool) -> Path | None:
    """Return the newest checkpoint that can be resumed; set aside and tell of what cannot.

    Args:
        folder: of one run's checkpoints.
        is_rank_zero: whether this process is the one that renames and speaks.

    Raises:
        TextsrError: if a file is there, and cannot be opened.
    """
    found = None
    damaged = {}
    for path in (folder / LAST, folder / _BEFORE):
        if not path.exists():
            continue
        problem = _problem(path)
        if problem is None:
            found = path
            break
        damaged[path] = problem
    if is_rank_zero:
        goes_on = "begins anew" if found is None else f"goes on from {found.name}"
        for path, problem in damaged.items():
            aside = _set_aside(path)
            print(  # noqa: T201
                f"textsr: {path}: {problem}; kept as {aside.name}, and training {goes_on}",
                file=sys.stderr,
                flush=True,
            )
    return found


def _problem(path: Path) -> str | None:
    """Return why a checkpoint cannot be resumed, if it cannot."""
    if not path.is_file():
        return "not a regular file"
    try:
        with warnings.catch_warnings():  # of what is no checkpoint, which is told of here
            warnings.simplefilter("ignore")
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        return broken_weights(checkpoint)
    except FileNotFoundError:  # the leader has set it aside meanwhile
        return "gone"
    except OSError as error:
        raise TextsrError(
            f"{path}: cannot be read ({error.strerror}); mend or remove it"
        ) from error
    except Exception:  # PyTorch's, pickle's and zip's own
        return "a damaged checkpoint"


def _set_aside(path: Path) -> Path:
    places = (path.with_name(f"damaged-{number}.ckpt") for number in count(1))
    free = next(place for place in places if not place.exists())
    return path.rename(free)
