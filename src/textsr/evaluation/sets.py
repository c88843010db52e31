"""The sets of lines on which methods are judged."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from textsr.config.judging import JudgingParams
from textsr.config.streams import Stream
from textsr.datasets.shards import decode_row, iterate_rows
from textsr.images.folders import read_grey
from textsr.images.grey import Image
from textsr.imports.ingest import to_line
from textsr.imports.labels import read_labels
from textsr.synthesis.degrade import degrade


@dataclass(frozen=True)
class EvaluationLine:
    """One line: its id, its text, its LR image and, where it is known, its HR image."""

    line_id: str
    text: str
    lr: Image
    hr: Image | None


def load_split(folder: Path) -> list[EvaluationLine]:
    """Load the lines of a synthetic split."""
    columns = ["sample_id", "text", "lr", "hr"]
    return [
        EvaluationLine(
            line_id=row["sample_id"],
            text=row["text"],
            lr=decode_row(row, "lr"),
            hr=decode_row(row, "hr"),
        )
        for row in iterate_rows(folder, columns)
    ]


def load_real_set(
    name: str, folder: Path, kind: Literal["lr", "hr"], params: JudgingParams
) -> list[EvaluationLine]:
    """Load a folder of real crops with `labels.tsv` (columns `file` and `text`).

    Crops of kind `hr` are brought to the HR height and degraded as the synthetic lines are, each
    by its own seeded draw; crops of kind `lr` are taken as they are.

    Raises:
        TextsrError: if the labels are missing or malformed, or an image cannot be decoded.
    """
    synthesis = params.synthesis
    lines = []
    for number, (file, text, _) in enumerate(read_labels(folder)):
        path = folder / file
        crop = read_grey(path)
        line_id = f"{name}/{file}"
        if kind == "lr":
            lines.append(EvaluationLine(line_id, text, crop, None))
            continue
        hr = to_line(crop, synthesis.lr_height * synthesis.scale, synthesis.scale)
        rng = Stream.REAL_LR.generator(synthesis.seed, number)
        lr = degrade(hr, synthesis.degradation, synthesis.scale, rng).image
        lines.append(EvaluationLine(line_id, text, lr, hr))
    return lines
