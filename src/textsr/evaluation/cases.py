"""Best, median and worst lines of a method, chosen by a rule and not by hand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from textsr.evaluation.summary import aligned


@dataclass(frozen=True)
class Case:
    """What one OCR engine made of one line from a model's image and from bicubic's.

    Attributes:
        line_id: unique in its set.
        length: characters of its text that count (see `ocr.scoring.normalise`), at least 1.
        edits: from bicubic's reading and from the model's to the text, in characters.
        psnr_gain_db: the model's PSNR over bicubic's; None where HR is not known.
    """

    line_id: str
    length: int
    edits: tuple[int, int]
    psnr_gain_db: float | None

    @property
    def change(self) -> float:
        """Return the character error rate, model minus bicubic; below 0 if the model helps."""
        return self.edits_change / self.length

    @property
    def edits_change(self) -> int:
        """Return the change in edits, model minus bicubic."""
        return self.edits[1] - self.edits[0]

    @property
    def settled(self) -> bool:
        """Tell whether both were read right, so that the line says nothing of either."""
        return self.edits == (0, 0)

    @property
    def is_won(self) -> bool:
        """Tell whether it is read right, and was not from bicubic."""
        return self.edits[1] == 0 < self.edits[0]


@dataclass(frozen=True)
class Choice:
    """Places in a ranking (from 0) of the lines to look at, each in order and none in two."""

    best: list[int]
    median: list[int]
    worst: list[int]


def compare_lines(model: pd.DataFrame, bicubic: pd.DataFrame, engine: str) -> list[Case]:
    """Pair two methods' scores of the same lines, as `score_set` returns them, for one OCR engine.

    Returns:
        A case a line whose text has a letter or digit: of others there is no error rate. They are
        ranked by the change in character error, what falls most first. Where that is equal, the
        change in edits decides; then the gain in PSNR, the greatest first; then `line_id`.

    Raises:
        TextsrError: if the two tables are not of the same lines.
    """
    ours, theirs = (table.to_dict("records") for table in aligned(model, bicubic))
    cases = [
        Case(
            line_id=our["line_id"],
            length=int(our[f"{engine}_length"]),
            edits=(int(their[f"{engine}_edits"]), int(our[f"{engine}_edits"])),
            psnr_gain_db=_known(our["psnr_db"] - their["psnr_db"]),
        )
        for our, their in zip(ours, theirs, strict=True)
        if our[f"{engine}_length"] > 0
    ]
    return sorted(cases, key=_rank)


def _rank(case: Case) -> tuple[float, int, float, str]:
    return case.change, case.edits_change, -(case.psnr_gain_db or 0.0), case.line_id


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def choose_cases(ranked: Sequence[Case], wanted: int) -> Choice:
    """Choose the first lines of a ranking that are won, the last that got worse, the middle.

    A line that got better and is still read wrong is no best one.

    The middle is that of the lines that are not settled: most lines are read right with any
    method, and the median of all would show nothing but those. Of it, the lines nearest to it are
    taken that are neither best nor worst.

    Args:
        ranked: cases in the order of `compare_lines`.
        wanted: lines of each kind, at least 1; where there are fewer, all of them are chosen.
    """
    best = [place for place, case in enumerate(ranked) if case.is_won][:wanted]
    worst = [place for place, case in enumerate(ranked) if case.change > 0][-wanted:]
    unsettled = [place for place, case in enumerate(ranked) if not case.settled]
    middle = (len(unsettled) - 1) / 2
    nearest = sorted(range(len(unsettled)), key=lambda number: (abs(number - middle), number))
    shown = {*best, *worst}
    free = [unsettled[number] for number in nearest if unsettled[number] not in shown]
    return Choice(best, sorted(free[:wanted]), worst)
