"""A small dataset of drawn lines that meets every expectation, to break in tests."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import ascii_letters, digits
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from textsr.datasets.schema import SCHEMA, shard_name
from textsr.datasets.shards import Image, decode_grey, encode_png
from textsr.params import KINDS, Params
from textsr.validation.report import ValidationReport
from textsr.validation.run import validate_dataset

SAMPLES = {"train": 104, "val": 16, "test": 16}
"""More than 100 in train, where the balance of kinds is critical, and fewer in the others."""

FAMILIES = {"train": "roboto", "val": "manrope", "test": "lato"}

Row = dict[str, Any]
Rows = dict[str, list[Row]]

_SHARDS = 2


@dataclass(frozen=True)
class Bench:
    """Where a test writes its dataset, and the parameters that it holds it against."""

    root: Path
    params: Params

    @property
    def dataset(self) -> Path:
        return self.root / "dataset"

    @property
    def output(self) -> Path:
        return self.root / "validation"

    def write(self, rows: Rows) -> None:
        for split, split_rows in rows.items():
            folder = self.dataset / split
            folder.mkdir(parents=True, exist_ok=True)
            size = -(-len(split_rows) // _SHARDS)
            for number in range(_SHARDS):
                part = split_rows[number * size : (number + 1) * size]
                table = pa.Table.from_pylist(part, SCHEMA)
                pq.write_table(table, folder / shard_name(number, _SHARDS))

    def validate(
        self, rows: Rows, read_lines: Callable[[Sequence[Image]], list[str]] | None = None
    ) -> ValidationReport:
        self.write(rows)
        return validate_dataset(
            self.dataset, self.output, self.params, read_lines or exact_reader(rows)
        )


def exact_reader(rows: Rows) -> Callable[[Sequence[Image]], list[str]]:
    """Read what the rows say that their HR images show, in capitals and with spaces."""
    texts = {}
    for split_rows in rows.values():
        for row in split_rows:
            if row["text"] is not None and (image := _decoded(row["hr"])) is not None:
                texts[image.tobytes()] = f" {row['text'].upper()} ."
    return lambda lines: [texts[line.tobytes()] for line in lines]


def _decoded(image: dict[str, Any] | None) -> Image | None:
    try:
        return decode_grey(image["bytes"]) if image else None
    except Exception:
        return None


def clean_rows() -> Rows:
    """Return the rows of the dataset by split, to be changed at will."""
    return copy.deepcopy(_drawn_rows())


@cache
def _drawn_rows() -> Rows:
    rng = np.random.default_rng(0)
    return {
        split: [_row(rng, split, index) for index in range(count)]
        for split, count in SAMPLES.items()
    }


def _row(rng: np.random.Generator, split: str, index: int) -> Row:
    ink, ground = 30.0, float(rng.uniform(80, 240))
    line = np.full((64, 256), round(ground), np.uint8)
    text = "".join(rng.choice(list(ascii_letters + digits), rng.integers(5, 10)))
    place = (int(rng.integers(4, 40)), int(rng.integers(32, 56)))
    cv2.putText(line, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.9, round(ink), 3, cv2.LINE_AA)
    hr = np.clip(line + rng.normal(0, 2, line.shape), 0, 255).astype(np.uint8)
    blurred = cv2.GaussianBlur(hr, (0, 0), 1.2)
    lr = np.asarray(cv2.resize(blurred, (64, 16), interpolation=cv2.INTER_AREA), np.uint8)
    sample_id = f"{split}-{index:07d}"
    return {
        "sample_id": sample_id,
        "split": split,
        "index": index,
        "seed": 1,
        "text": text,
        "kind": KINDS[index % (len(KINDS) - 1)],
        "font_family": FAMILIES[split],
        "font_file": f"fonts/{FAMILIES[split]}/Regular.ttf",
        "scale": 4,
        "hr": {"bytes": encode_png(hr), "path": f"{sample_id}-hr.png"},
        "lr": {"bytes": encode_png(lr), "path": f"{sample_id}-lr.png"},
        "hr_height": 64,
        "hr_width": 256,
        "lr_height": 16,
        "lr_width": 64,
        "font_size_px": 40,
        "ink": ink,
        "ground": ground,
        "inverted": False,
        "ground_gradient": 0.0,
        "ground_texture": 2.0,
        "rotation_degrees": 0.0,
        "perspective": 0.0,
        "margin_left_px": 8,
        "margin_right_px": 8,
        "blur_sigma_x_1": 1.2,
        "blur_sigma_y_1": 1.2,
        "blur_angle_1": 90.0,
        "motion_length_1": 0.0,
        "motion_angle_1": 0.0,
        "resize_1": 0.5,
        "resize_kernel_1": "area",
        "noise_sigma_1": 0.0,
        "jpeg_quality_1": 0,
        # In pixels of a pass that starts at half of HR: 0.9 HR pixels, and 3.
        "blur_sigma_x_2": 0.45,
        "blur_sigma_y_2": 0.45,
        "blur_angle_2": 0.0,
        "motion_length_2": 1.5,
        "motion_angle_2": 45.0,
        "resize_2": 0.5,
        "resize_kernel_2": "linear",
        "noise_sigma_2": 1.0,
        "jpeg_quality_2": 80,
    }
