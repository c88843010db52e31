"""Stages `synthesize` and `part`: draw the dataset, whole or a part of it."""

from textsr.config import project
from textsr.config.params import Params
from textsr.progress import Progress
from textsr.synthesis.shards import Part, count_rows, write_dataset, write_part


def synthesize(params: Params, start: Progress) -> int:
    """Draw the dataset; return how many of its shards were taken over from parts."""
    advance = start("lines", count_rows(params, Part.parse("1-of-1")))
    return write_dataset(params, project.DATA, project.DATASET, advance, project.PARTS)


def part(params: Params, name: str, start: Progress) -> None:
    """Draw one part of the dataset, e.g. `1-of-3`."""
    chosen = Part.parse(name)
    advance = start("lines", count_rows(params, chosen))
    write_part(params, project.DATA, project.PARTS, chosen, advance)
