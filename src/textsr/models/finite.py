"""Finding and refusing numbers that are not finite, as a training that diverged leaves them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from textsr.errors import TextsrError

if TYPE_CHECKING:  # what runs without PyTorch checks its outputs, too
    from torch import Tensor


def find_non_finite(state: "Mapping[str, Tensor]") -> str | None:
    """Return what is wrong with the first tensor that holds a NaN or an infinity, if one does."""
    for name, value in state.items():
        broken = value.numel() - int(value.isfinite().sum())
        if broken:
            return f"{broken} of the {value.numel()} numbers of {name} are not finite"
    return None


def require_finite_weights(state: "Mapping[str, Tensor]", path: Path) -> None:
    """Refuse to write weights that nothing could be done with.

    Args:
        state: what is to be written.
        path: where.

    Raises:
        TextsrError: naming the file and the tensor.
    """
    problem = find_non_finite(state)
    if problem is not None:
        raise TextsrError(
            f"{path}: not written, since {problem}; train anew with a lower learning rate"
        )


def require_finite_output(output: "Tensor | npt.NDArray[np.float32]") -> None:
    """Refuse what a network drew if it is no picture: it would be rounded to a black one.

    Raises:
        TextsrError: if a number is not finite.
    """
    finite = np.isfinite(output) if isinstance(output, np.ndarray) else output.isfinite()
    if not finite.all():
        raise TextsrError(
            "the network's output holds numbers that are not finite; its weights are too large or "
            "damaged: use another model, or train this one anew with a lower learning rate"
        )
