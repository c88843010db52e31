"""Finding the lines of text in an image, for OCR engines that read one line at a time."""

import numpy as np
import numpy.typing as npt

from textsr.images.image import FloatImage
from textsr.inference.text_height import find_ink

_LEAST_PX = 4  # of a line's height; less is a rule or a speck
_JOINED = 0.3  # of the usual height: as far from it a dot may stand, and be its line's
_MARGIN = 0.35  # of a line's height, around it


def find_lines(grey: FloatImage) -> list[slice]:
    """Return the rows of each line of text in an HxW image in [0, 1], from top to bottom.

    The lines stand below each other, in one column; they have some of the paper around them.
    """
    ink = find_ink(grey)
    if ink is None:
        return []
    runs = _runs(np.asarray(ink.any(1)))
    usual = float(np.median([last - first for first, last in runs]))
    joined: list[tuple[int, int]] = []
    for first, last in runs:
        if (
            joined
            and first - joined[-1][1] <= _JOINED * usual
            and (min(last - first, joined[-1][1] - joined[-1][0]) <= _JOINED * usual)
        ):
            joined[-1] = joined[-1][0], last
        else:
            joined.append((first, last))
    lines = [(first, last) for first, last in joined if last - first >= _LEAST_PX]
    margins = [round(_MARGIN * (last - first)) for first, last in lines]
    return [
        slice(max(first - margin, 0), min(last + margin, len(grey)))
        for (first, last), margin in zip(lines, margins, strict=True)
    ]


def _runs(are_set: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return where each run of true values begins and ends."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], are_set, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
