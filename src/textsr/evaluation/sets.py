"""The sets of lines on which methods are judged."""

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from textsr.datasets.shards import Image, decode_grey, iterate_rows
from textsr.errors import TextsrError
from textsr.params import Params, RealSet
from textsr.synthesis.degrade import degrade

_MIN_HR_WIDTH = 8  # SSIM mirrors 5 pixels at each border


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
            lr=decode_grey(row["lr"]["bytes"], row["sample_id"]),
            hr=decode_grey(row["hr"]["bytes"], row["sample_id"]),
        )
        for row in iterate_rows(folder, columns)
    ]


def load_real_set(name: str, real: RealSet, params: Params) -> list[EvaluationLine]:
    """Load a folder of real crops with `labels.tsv` (columns `file` and `text`).

    Crops of kind `hr` are brought to the HR height and degraded as the synthetic lines are, each
    by its own seeded draw; crops of kind `lr` are taken as they are.

    Raises:
        TextsrError: if the labels are missing or malformed, or an image cannot be decoded.
    """
    synthesis = params.synthesis
    lines = []
    for number, (file, text) in enumerate(read_labels(real.path)):
        path = real.path / file
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise TextsrError(f"{path}: cannot be decoded as an image; mend it or its label")
        crop = np.asarray(image, np.uint8)
        line_id = f"{name}/{file}"
        if real.kind == "lr":
            lines.append(EvaluationLine(line_id, text, crop, None))
            continue
        hr = _to_hr(crop, synthesis.lr_height * synthesis.scale, synthesis.scale)
        rng = np.random.default_rng([params.synthesis.seed, 4, number])
        lr = degrade(hr, synthesis.degradation, synthesis.scale, rng).image
        lines.append(EvaluationLine(line_id, text, lr, hr))
    return lines


def _to_hr(image: Image, height: int, scale: int) -> Image:
    width = max(round(image.shape[1] * height / image.shape[0]), _MIN_HR_WIDTH)
    kernel = cv2.INTER_AREA if image.shape[0] > height else cv2.INTER_CUBIC
    resized = cv2.resize(image, (width, height), interpolation=kernel)
    return np.pad(np.asarray(resized, np.uint8), ((0, 0), (0, -width % scale)), mode="edge")


def read_labels(folder: Path) -> list[tuple[str, str]]:
    """Read `labels.tsv`: a header `file<TAB>text`, then a line an image.

    Raises:
        TextsrError: if the file is missing, is not UTF-8, lacks a column, has a line with more
            fields than the header, or holds no line.
    """
    path = folder / "labels.tsv"
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            if not {"file", "text"} <= set(reader.fieldnames or ()):
                raise TextsrError(f"{path}: needs a header line with the columns file and text")
            rows = []
            for row in reader:
                if None in row:
                    raise TextsrError(
                        f"{path}: line {reader.line_num} has more fields than the header; "
                        "a text holds no tab"
                    )
                rows.append((row["file"], row["text"] or ""))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TextsrError(
            f"{path}: no such file; write one line `file<TAB>text` an image"
        ) from error
    except UnicodeDecodeError as error:
        raise TextsrError(f"{path}: not UTF-8 ({error.reason}); save it as UTF-8") from error
    if not rows:
        raise TextsrError(f"{path}: no labels in it; write one line `file<TAB>text` an image")
    return rows
