"""Lines that no dataset holds, drawn as a split's are, with another seed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from textsr.datasets.shards import decode_grey
from textsr.evaluation.sets import EvaluationLine
from textsr.synthesis.sample import Source, make_sample


def draw_rows(source: Source, seed: int, count: int) -> Iterator[dict[str, Any]]:
    """Yield so many rows (`datasets.schema.SCHEMA`) of the source's split, of another seed."""
    synthesis = source.params.synthesis.model_copy(update={"seed": seed})
    fresh = replace(source, params=source.params.model_copy(update={"synthesis": synthesis}))
    for index in range(count):
        yield make_sample(fresh, index)


def draw_lines(source: Source, seed: int, count: int) -> list[EvaluationLine]:
    """Draw so many lines, LR and HR, of the source's split, of another seed."""
    lines = []
    for row in draw_rows(source, seed, count):
        lr, hr = (decode_grey(row[side]["bytes"], row["sample_id"]) for side in ("lr", "hr"))
        lines.append(EvaluationLine(row["sample_id"], row["text"], lr, hr))
    return lines
