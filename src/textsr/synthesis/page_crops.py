"""Cutting pages into samples: where crops lie, and what each shows."""

from dataclasses import dataclass

import numpy as np

from textsr.config.params import Synthesis
from textsr.synthesis.page import Boxes, DrawnPage
from textsr.synthesis.page_canvas import PageLine

_WIDTH_STEP = 8  # LR pixels: batches' widths are multiples of it
_MOST_CROPS = 4  # around one line
_DRAWS = 30  # places looked at for one without text
_LEAST_HEIGHT = 0.4  # of the crop that its line's ascent plus descent takes
_CUT = 0.5  # of another line's height that may be seen beside the crop's own
_MARGIN = (2.0, 18.0)  # LR pixels beside the line that a crop is laid around
_PICTURE = 0.5  # of a crop that is mostly of a picture


@dataclass(frozen=True)
class Window:
    """A crop of a page, LR pixels."""

    left: int
    top: int
    width: int
    height: int

    def box(self, scale: int) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom in HR pixels."""
        return (
            self.left * scale,
            self.top * scale,
            (self.left + self.width) * scale,
            (self.top + self.height) * scale,
        )


@dataclass(frozen=True)
class Shown:
    """What a crop shows.

    Attributes:
        kind: one of `CROPS`.
        line: the one whole line of kind `line`, or the one of which most is seen, if any is.
        margins: pixels to the left and right of the whole line; 0 where there is none.
    """

    kind: str
    line: PageLine | None
    margins: tuple[int, int] = (0, 0)


def draw_window(
    page: DrawnPage, number: int, synthesis: Synthesis, rng: np.random.Generator
) -> Window:
    """Draw where a crop lies: around a line that fits, where there is no text, or anywhere.

    Args:
        page: the page.
        number: of the crop among the page's, which take one line after the other, each four
            times at most.
        synthesis: settings with a page.
        rng: source of every choice.
    """
    assert synthesis.page is not None
    chance = rng.random()
    if chance < synthesis.page.around_line:
        fitting = _fitting(page, synthesis)
        if number < _MOST_CROPS * len(fitting):
            place = page.places[fitting[number % len(fitting)]]
            return _around(place, page, synthesis, rng)
    elif chance < synthesis.page.around_line + synthesis.page.on_paper:
        for _ in range(_DRAWS):
            window = _anywhere(page, synthesis, rng)
            if describe(page, window, synthesis).kind == "paper":
                return window
    return _anywhere(page, synthesis, rng)


def describe(page: DrawnPage, window: Window, synthesis: Synthesis) -> Shown:
    """Tell what a crop shows.

    It is a `line` if it has one whole line that is high enough to be read and no longer than lines
    are, and of others parts that are cut along the line, as the lines above and below are.
    """
    box = window.box(synthesis.scale)
    seen = _overlap(page.places, box)
    visible = np.flatnonzero(seen.min(1, initial=np.inf) > 0) if len(seen) else np.array([], int)
    pictured = _area(_overlap(page.pictures, box)) / ((box[2] - box[0]) * (box[3] - box[1]))
    if pictured > _PICTURE:
        return Shown("picture", None)
    if not len(visible):
        return Shown("paper", None)
    sizes = page.places[visible, 2:] - page.places[visible, :2]
    whole = (seen[visible] >= sizes - 0.5).all(1)
    most = page.lines[visible[int(seen[visible].prod(1).argmax())]]
    cut = seen[visible, 1] < _CUT * sizes[:, 1]
    if whole.sum() != 1 or not (whole | cut).all() or pictured > 0:
        return Shown("text", most)
    number = int(visible[int(whole.argmax())])
    line, place = page.lines[number], page.places[number]
    if not _is_legible(line, synthesis):
        return Shown("text", most)
    return Shown("line", line, (round(place[0] - box[0]), round(box[2] - place[2])))


def _is_legible(line: PageLine, synthesis: Synthesis) -> bool:
    high = line.height_px >= _LEAST_HEIGHT * synthesis.lr_height * synthesis.scale
    return high and len(line.text.content) <= synthesis.text.max_characters


def _overlap(places: Boxes, box: tuple[int, int, int, int]) -> Boxes:
    """Return widths and heights of what of each rectangle lies in a box, (N, 2)."""
    low = np.maximum(places[:, :2], box[:2])
    high = np.minimum(places[:, 2:], box[2:])
    return np.asarray(np.maximum(high - low, 0), np.float64)


def _area(sizes: Boxes) -> float:
    return float(sizes.prod(1).sum())


def _fitting(page: DrawnPage, synthesis: Synthesis) -> np.ndarray:
    """Return the numbers of the lines that a crop can be laid around."""
    assert synthesis.page is not None
    scale = synthesis.scale
    high, wide = synthesis.lr_height * scale, (synthesis.max_lr_width - 2 * _MARGIN[0]) * scale
    sizes = page.places[:, 2:] - page.places[:, :2]
    legible = np.array([_is_legible(line, synthesis) for line in page.lines], bool)
    inside = (
        (page.places[:, :2] >= 0).all(1)
        & (page.places[:, 2] <= page.image.shape[1])
        & (page.places[:, 3] <= page.image.shape[0])
    )
    fits = (sizes[:, 0] <= wide) & (sizes[:, 1] <= high - scale)
    return np.flatnonzero(inside & fits & legible)


def _anywhere(page: DrawnPage, synthesis: Synthesis, rng: np.random.Generator) -> Window:
    assert synthesis.page is not None
    steps = (synthesis.page.min_crop_lr_width, synthesis.max_lr_width + 1)
    width = int(rng.integers(*steps))
    width = min(width + -width % _WIDTH_STEP, synthesis.max_lr_width)
    height = synthesis.lr_height
    left, top = (
        int(rng.integers(side // synthesis.scale - length + 1))
        for side, length in zip(page.image.shape[::-1], (width, height), strict=True)
    )
    return Window(left, top, width, height)


def _around(
    place: np.ndarray, page: DrawnPage, synthesis: Synthesis, rng: np.random.Generator
) -> Window:
    """Lay a crop around a line, at a random height in it."""
    assert synthesis.page is not None
    scale, height = synthesis.scale, synthesis.lr_height
    left, right = int(place[0] // scale), int(-(-place[2] // scale))
    before, after = (int(rng.uniform(*_MARGIN)) for _ in range(2))
    width = max(before + right - left + after, synthesis.page.min_crop_lr_width)
    width = min(width + -width % _WIDTH_STEP, synthesis.max_lr_width)
    start = min(left - before, left - (right - left + before + after - width) // 2)
    columns, rows = (side // scale for side in page.image.shape[::-1])
    lowest = min(int(place[1] // scale), rows - height)
    highest = max(int(-(-place[3] // scale)) - height, 0)
    top = int(rng.integers(min(highest, lowest), max(highest, lowest) + 1))
    return Window(min(max(start, 0), columns - width), top, width, height)
