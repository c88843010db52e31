"""A small dataset of drawn lines that meets every expectation, to break in tests."""

import copy
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from string import ascii_letters, digits
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from great_expectations import ExpectationSuite

from textsr.config.params import Params, load_params
from textsr.config.sections import effect_fields, interval_columns
from textsr.datasets.schema import SCHEMA, shard_name
from textsr.datasets.shards import decode_grey, encode_png
from textsr.images.grey import Image
from textsr.validation import run
from textsr.validation.census import open_census
from textsr.validation.measure import read_samples
from textsr.validation.report import ValidationReport

SAMPLES = {"train": 104, "val": 16, "test": 16}
"""Enough in train for each kind to be missed where it is absent, and fewer in the others."""

KINDS = ("words", "name", "amount", "email", "url")
FAMILIES = {"train": "roboto", "val": "manrope", "test": "lato"}

Row = dict[str, Any]
Rows = dict[str, list[Row]]

_SHARDS = 2
_ROOT = Path(__file__).parents[3]


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

    def samples(self, numbers: Sequence[int] | None = None) -> pd.DataFrame:
        """Return the validated table of the written rows, or of some by number."""
        with open_census(self.dataset, self.root) as census:
            chosen = np.arange(census.total) if numbers is None else np.array(numbers)
            return read_samples(census, chosen)

    def validate(
        self,
        rows: Rows,
        read_lines: Callable[[Sequence[Image]], list[str]] | None = None,
        **shortened: Any,
    ) -> ValidationReport:
        """Write rows and validate them; see `shorten` for what may be left out."""
        self.write(rows)
        with shorten(**shortened):
            return run.validate_dataset(
                self.dataset, self.output, self.params, read_lines or exact_engine(rows)
            )


@contextmanager
def shorten(only: Collection[str] | None = None, docs: bool = False) -> Iterator[None]:
    """Leave out of validations what takes long and is not the matter.

    Args:
        only: names of the expectations to hold a dataset against; None for all of them.
        docs: whether Data Docs are written. Pictures are never drawn.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("draw_contact_sheet", "draw_histograms"):
            patch.setattr(run, name, lambda *arguments: arguments[-1].touch())
        if not docs:
            patch.setattr(run, "_write_data_docs", lambda *arguments: None)
        if only is not None:
            for name in ("build_suite", "build_count_suite"):
                patch.setattr(run, name, partial(_some, getattr(run, name), only))
        yield


def _some(
    build: Callable[[Params], ExpectationSuite], names: Collection[str], params: Params
) -> ExpectationSuite:
    suite = build(params)
    kept = [each for each in suite.expectations if each.meta and each.meta["name"] in names]
    return ExpectationSuite(name=suite.name, expectations=kept)


def exact_engine(rows: Rows) -> Callable[[Sequence[Image]], list[str]]:
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


def possible(section: dict[str, Any]) -> dict[str, Any]:
    """Return a section of params.yaml with every effect applied to half of the rows."""
    changed = {}
    for name, value in section.items():
        if isinstance(value, dict):
            value = possible(value) | ({"probability": 0.5} if "probability" in value else {})
        changed[name] = value
    return changed


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
        "kind": KINDS[index % len(KINDS)],
        "font_family": FAMILIES[split],
        "font_file": f"fonts/{FAMILIES[split]}/Regular.ttf",
        "scale": 4,
        "hr": {"bytes": encode_png(hr), "path": f"{sample_id}-hr.png"},
        "lr": {"bytes": encode_png(lr), "path": f"{sample_id}-lr.png"},
        "hr_height": 64,
        "hr_width": 256,
        "lr_height": 16,
        "lr_width": 64,
        **_recorded(index),
        "font_size_px": 40,
        "ink": ink,
        "ground": ground,
        "inverted": False,
        "margin_left_px": 8,
        "margin_right_px": 8,
        "first_size": 0.5,
    }


@cache
def _committed() -> Params:
    """Return params.yaml, parsed once for all rows: it takes seconds to do so for each."""
    return load_params(_ROOT / "params.yaml")


def _recorded(index: int) -> Row:
    """Record every effect in each second row, at the middle of its range, and kernels."""
    degradation, render = _committed().synthesis.degradation, _committed().synthesis.render
    recorded: Row = {"kernel_1": "area", "kernel_2": "linear", "scanned": False}
    for section, suffix in ((render, ""), (degradation.first, "_1"), (degradation.second, "_2")):
        for name, kind in effect_fields(type(section)):
            for column, interval in interval_columns(kind, name, suffix).items():
                ends = getattr(getattr(section, name), interval)
                recorded[column] = sum(ends) / 2 if index % 2 else None
    return recorded
