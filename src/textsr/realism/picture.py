"""A picture of what the classifier went by."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from textsr.files import replace_file
from textsr.images.grey import Image

_COLUMNS = 8
_ROWS_A_CASE = 2


def save_cases(
    path: Path,
    real: Sequence[Image],
    synthetic: Sequence[Image],
    scores: npt.NDArray[np.float64],
    title: str,
) -> None:
    """Draw the surest and the most mistaken cases of both kinds, and save them as PNG.

    Args:
        path: where to save it.
        real: grey HxW images.
        synthetic: grey HxW images.
        scores: log odds that an image is synthetic, of the real ones first.
        title: heading of the picture.
    """
    order = np.argsort(scores[: len(real)], kind="stable")
    real_by_score = [real[i] for i in order]
    order = np.argsort(scores[len(real) :], kind="stable")
    synthetic_by_score = [synthetic[i] for i in order]
    cases = {
        "real, most surely recognised": real_by_score,
        "synthetic, taken for real": synthetic_by_score,
        "real, taken for synthetic": real_by_score[::-1],
        "synthetic, most surely recognised": synthetic_by_score[::-1],
    }
    figure = Figure(figsize=(13, 9), layout="constrained")
    figure.suptitle(title, fontsize=12)
    parts = figure.subfigures(len(cases), 1, squeeze=False)[:, 0]
    for part, (name, images) in zip(parts, cases.items(), strict=True):
        part.suptitle(name, fontsize=10, fontweight="bold", x=0.01, ha="left")
        axes = part.subplots(_ROWS_A_CASE, _COLUMNS, squeeze=False)
        for axis in axes.flat:
            axis.set_axis_off()
        for axis, image in zip(axes.flat, images, strict=False):
            axis.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png", metadata={"Software": None})
