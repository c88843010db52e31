"""The table that is validated: one row a sample, with what its images show but without them."""

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from textsr.datasets.schema import SCHEMA
from textsr.datasets.shards import decode_grey
from textsr.errors import TextsrError
from textsr.images.grey import Image, correlate
from textsr.validation.census import Census
from textsr.validation.shards import EFFECTS, RECORDED_COLUMNS, Numbers, chosen_batches

MEASURED_COLUMNS = (
    "hr_format",
    "lr_format",
    "hr_decodes",
    "lr_decodes",
    "hr_size_decoded",
    "lr_size_decoded",
    "hr_mean",
    "hr_std",
    "lr_mean",
    "lr_std",
    "lr_hr_correlation",
    "lr_neighbour_correlation",
    "lr_hr_brightness_shift",
    "bicubic_psnr_db",
)

GREY_PNG = "8-bit grey PNG"
"""The one format that a shard's images have."""

_COLOUR_TYPES = {0: "grey", 2: "colour", 3: "palette", 4: "grey with alpha", 6: "colour with alpha"}
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Signature, length and name of the header, width, height, bits, colour type.
_PNG_HEADER = struct.Struct(">8s8xIIBB")
# A line is 0.1 megapixels; an image that claims to be gigabytes is refused by its header.
_MOST_PIXELS = 1 << 24

_Mask = npt.NDArray[np.uint8]


def read_samples(
    census: Census, numbers: Numbers, advance: Callable[[int], None] = lambda rows: None
) -> pd.DataFrame:
    """Read and measure samples; at most 256 of them have their images in memory.

    Args:
        census: of the dataset.
        numbers: the rows to read, ascending.
        advance: called with a number of rows when they are measured.

    Returns:
        `RECORDED_COLUMNS`, `MEASURED_COLUMNS`, those of `_effect_faults`, `folder` (the
        split whose folder the row lies in), `number`, the columns of `Census.relations` and those
        of `_relate`, rows in the order of the shards.

    Raises:
        TextsrError: if a shard cannot be read; the message names it.
    """
    frames = []
    for shard, batch, first, wanted in chosen_batches(census.shards, numbers, SCHEMA.names):
        frames.append(_frame(batch, wanted).assign(folder=shard.split, number=first + wanted))
        advance(len(wanted))
    if not frames:
        empty = pa.RecordBatch.from_pylist([], SCHEMA)
        frames = [_frame(empty, np.array([], np.int64)).assign(folder=[], number=[])]
    rows = pd.concat(frames, ignore_index=True)
    return _relate(rows.join(census.relations(numbers)))


def _frame(batch: pa.RecordBatch, places: Numbers) -> pd.DataFrame:
    hr, lr = (pc.struct_field(batch[name], "bytes").to_pylist() for name in ("hr", "lr"))
    measured: list[dict[str, Any]] = [
        measure_pair(
            hr[place], lr[place], hr[max(place - 1, 0) : place] + hr[place + 1 : place + 2]
        )
        for place in places.tolist()
    ]
    chosen = batch.select(list(RECORDED_COLUMNS)).take(pa.array(places))
    shown = pd.DataFrame(measured, columns=list(MEASURED_COLUMNS))
    recorded: pd.DataFrame = chosen.to_pandas()
    return recorded.join(shown).assign(**_effect_faults(chosen))


def _relate(rows: pd.DataFrame) -> pd.DataFrame:
    """Add columns that relate the columns of a row to one another."""
    scale = rows["scale"]
    ink_width = rows["hr_width"] - rows["margin_left_px"] - rows["margin_right_px"]
    # Of one letter, the ink is narrower than its advance by any amount.
    characters = rows["text"].str.len().where(rows["text"].str.len() > 1)
    return rows.assign(
        expected_id=pd.Series(
            [
                f"{split}-{index:07d}" if pd.notna(index) else None
                for split, index in zip(rows["folder"], rows["index"], strict=True)
            ],
            index=rows.index,
            dtype="str",
        ),
        hr_size=_sizes(rows["hr_height"], rows["hr_width"]),
        lr_size=_sizes(rows["lr_height"], rows["lr_width"]),
        hr_size_from_lr=_sizes(rows["lr_height"] * scale, rows["lr_width"] * scale),
        contrast=(rows["ink"] - rows["ground"]).abs(),
        light_ink=rows["ink"] > rows["ground"],
        em_advance=ink_width / (rows["font_size_px"] * characters),
    )


def _sizes(heights: pd.Series, widths: pd.Series) -> pd.Series:
    texts = [
        None if pd.isna(height) or pd.isna(width) else size_text(int(height), int(width))
        for height, width in zip(heights, widths, strict=True)
    ]
    return pd.Series(texts, index=heights.index, dtype="str")


def _effect_faults(batch: pa.RecordBatch) -> dict[str, list[str]]:
    """Name for each row the columns that are NaN, and the effects that are recorded in part.

    Told from Arrow's table, as pandas takes null for NaN.

    Returns:
        `nan_columns` and `partial_effects`, names joined by `, `, or `none`.
    """
    floats = [field.name for field in batch.schema if pa.types.is_floating(field.type)]
    nan = {name: _mask(pc.is_nan(batch[name])) for name in floats}
    partial = {
        effect: np.ptp([_mask(batch[column].is_null()) for column in columns], axis=0)
        for effect, columns in EFFECTS.items()
        if len(columns) > 1
    }
    return {
        "nan_columns": _named(nan, len(batch)),
        "partial_effects": _named(partial, len(batch)),
    }


def _mask(values: pa.Array) -> _Mask:
    return np.asarray(values.fill_null(False)).astype(np.uint8)


def _named(masks: dict[str, _Mask], rows: int) -> list[str]:
    found: list[list[str]] = [[] for _ in range(rows)]
    for name, mask in masks.items():
        for row in np.flatnonzero(mask).tolist():
            found[row].append(name)
    return [", ".join(names) or "none" for names in found]


def measure_pair(
    hr: bytes | None, lr: bytes | None, other_hrs: Sequence[bytes | None] = ()
) -> dict[str, Any]:
    """Measure an LR-HR pair of encoded images; the keys are `MEASURED_COLUMNS`.

    Sizes are `HEIGHTxWIDTH` in pixels, means and standard deviations grey levels. What cannot be
    measured, because an image does not decode or is constant, is None.

    Args:
        hr: the encoded HR image.
        lr: the encoded LR image.
        other_hrs: HR images of other rows; the LR image's greatest correlation with one of them,
            stretched to its size, is `lr_neighbour_correlation`.
    """
    high, low = _decode(hr), _decode(lr)
    measured: dict[str, Any] = dict.fromkeys(MEASURED_COLUMNS)
    measured |= _measure("hr", hr, high) | _measure("lr", lr, low)
    if high is not None and low is not None:
        measured["lr_hr_correlation"] = correlate(high, low)
        measured["lr_hr_brightness_shift"] = measured["lr_mean"] - measured["hr_mean"]
        upscaled = cv2.resize(low, high.shape[::-1], interpolation=cv2.INTER_CUBIC)
        measured["bicubic_psnr_db"] = float(cv2.PSNR(high, upscaled))
    if low is not None:
        others = [correlate(other, low) for other in map(_decode, other_hrs) if other is not None]
        known = [other for other in others if other is not None]
        measured["lr_neighbour_correlation"] = max(known, default=None)
    return measured


def size_text(height: int, width: int) -> str:
    """Return a size as it stands in the table."""
    return f"{height}x{width}"


@lru_cache(maxsize=8)  # a row's HR image is also its neighbours' other one
def _decode(encoded: bytes | None) -> Image | None:
    if not encoded:
        return None
    header = _png_header(encoded)
    if header and header[0] * header[1] > _MOST_PIXELS:
        return None
    try:
        return decode_grey(encoded)
    except (TextsrError, cv2.error):
        return None


def _png_header(encoded: bytes) -> tuple[int, int, int, int] | None:
    """Return height, width, bits and colour type of a PNG file."""
    if len(encoded) < _PNG_HEADER.size or not encoded.startswith(_PNG_SIGNATURE):
        return None
    _, width, height, bits, colour = _PNG_HEADER.unpack_from(encoded)
    return height, width, bits, colour


def _format(encoded: bytes | None) -> str | None:
    if not encoded:
        return None
    header = _png_header(encoded)
    if header is None:
        return "not PNG"
    return f"{header[2]}-bit {_COLOUR_TYPES.get(header[3], 'unknown')} PNG"


def _measure(name: str, encoded: bytes | None, image: Image | None) -> dict[str, Any]:
    measured: dict[str, Any] = {f"{name}_format": _format(encoded)}
    if image is None:
        header = _png_header(encoded or b"")
        size = size_text(*header[:2]) if header else None
        return measured | {f"{name}_decodes": False, f"{name}_size_decoded": size}
    return measured | {
        f"{name}_decodes": True,
        f"{name}_size_decoded": size_text(*image.shape),
        f"{name}_mean": float(image.mean()),
        f"{name}_std": float(image.std()),
    }
