"""The table that is validated: one row a sample, with what its images show but without them."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from textsr.datasets.schema import IMAGE, SCHEMA, shard_paths
from textsr.errors import TextsrError
from textsr.params import SPLITS
from textsr.validation.measure import MEASURED_COLUMNS, measure_pair, size_text

RECORDED_COLUMNS = tuple(field.name for field in SCHEMA if field.type != IMAGE)
"""The schema's columns that the table takes over as they are."""

_BATCH_ROWS = 256
_REMEDY = "remake the dataset with `dvc repro -f synthesize`"


def read_samples(dataset: Path) -> pd.DataFrame:
    """Read and measure all samples; at most 256 of them have their images in memory.

    Args:
        dataset: folder of `train/`, `val/` and `test/`.

    Returns:
        `RECORDED_COLUMNS`, `measure.MEASURED_COLUMNS`, `folder` (the split whose folder the row
        lies in) and the columns of `_add_relations`, rows in the order of the shards.

    Raises:
        TextsrError: if shards are missing, or one is not Parquet or not of the schema; the
            message names it.
    """
    frames = [
        frame.assign(folder=split)
        for split in SPLITS
        for path in shard_paths(dataset / split)
        for frame in _shard_frames(path)
    ]
    if not frames:
        frames = [_frame(pa.RecordBatch.from_pylist([], SCHEMA)).assign(folder=[])]
    return _add_relations(pd.concat(frames, ignore_index=True))


def _shard_frames(path: Path) -> Iterator[pd.DataFrame]:
    try:
        with pq.ParquetFile(path) as shard:
            _check_schema(path, shard.schema_arrow)
            for batch in shard.iter_batches(_BATCH_ROWS, columns=SCHEMA.names):
                yield _frame(batch)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise TextsrError(f"{path}: not a readable Parquet shard ({error}); {_REMEDY}") from error


def _check_schema(path: Path, found: pa.Schema) -> None:
    problems = [f"column {name} is missing" for name in SCHEMA.names if name not in found.names]
    problems += [
        f"column {name} is not in the schema" for name in found.names if name not in SCHEMA.names
    ]
    problems += [
        f"column {field.name} is {found.field(field.name).type}, not {field.type}"
        for field in SCHEMA
        if field.name in found.names and found.field(field.name).type != field.type
    ]
    if problems:
        raise TextsrError(f"{path}: {'; '.join(problems)}; {_REMEDY}")


def _frame(batch: pa.RecordBatch) -> pd.DataFrame:
    hr, lr = (pc.struct_field(batch[name], "bytes").to_pylist() for name in ("hr", "lr"))
    measured = [measure_pair(*pair) for pair in zip(hr, lr, strict=True)]
    recorded: pd.DataFrame = batch.select(list(RECORDED_COLUMNS)).to_pandas()
    return recorded.join(pd.DataFrame(measured, columns=list(MEASURED_COLUMNS)))


def text_key(text: str) -> str:
    """Return what makes two strings the same text: case and white space do not count.

    Not imported from synthesis: a check does not take its definition from what it checks.
    """
    return "".join(text.casefold().split())


def _add_relations(rows: pd.DataFrame) -> pd.DataFrame:
    """Add columns that relate the columns of a row to one another, and rows to other rows.

    `*_splits` names the splits, joined by `+`, that a text, a font family or an HR image occurs
    in; `*_copies` counts the rows of its own split that it occurs in.
    """
    scale = rows["scale"]
    rows = rows.assign(
        text_key=rows["text"].map(text_key, na_action="ignore"),
        hr_size=_sizes(rows["hr_height"], rows["hr_width"]),
        lr_size=_sizes(rows["lr_height"], rows["lr_width"]),
        hr_size_from_lr=_sizes(rows["lr_height"] * scale, rows["lr_width"] * scale),
        contrast=(rows["ink"] - rows["ground"]).abs(),
        light_ink=rows["ink"] > rows["ground"],
        # Recorded in pixels of what enters the second pass, that is of HR times `resize_1`.
        blur_sigma_x_2_hr_px=rows["blur_sigma_x_2"] / rows["resize_1"],
        blur_sigma_y_2_hr_px=rows["blur_sigma_y_2"] / rows["resize_1"],
        motion_length_2_hr_px=rows["motion_length_2"] / rows["resize_1"],
        resize_total=rows["resize_1"] * rows["resize_2"],
    )
    return rows.assign(
        text_splits=_splits_with(rows, "text_key"),
        font_family_splits=_splits_with(rows, "font_family"),
        hr_splits=_splits_with(rows, "hr_digest"),
        text_copies=_copies(rows, "text_key"),
        hr_copies=_copies(rows, "hr_digest"),
    )


def _sizes(heights: pd.Series, widths: pd.Series) -> pd.Series:
    texts = [
        None if pd.isna(height) or pd.isna(width) else size_text(int(height), int(width))
        for height, width in zip(heights, widths, strict=True)
    ]
    return pd.Series(texts, index=heights.index, dtype="str")


def _splits_with(rows: pd.DataFrame, column: str) -> pd.Series:
    """Return for each row the splits in which its value of `column` occurs, joined by `+`."""
    present = [rows[column].isin(rows.loc[rows["folder"] == split, column]) for split in SPLITS]
    names = [
        "+".join(split for split, here in zip(SPLITS, row, strict=True) if here)
        for row in zip(*present, strict=True)
    ]
    return pd.Series(names, index=rows.index, dtype="str").where(rows[column].notna())


def _copies(rows: pd.DataFrame, column: str) -> pd.Series:
    """Return for each row how many rows of its split share its value of `column`."""
    return rows.groupby(["folder", column])[column].transform("size")
