"""The columns of a shard, and the files of a dataset.

A split is a folder of Parquet files `NNNNN-of-NNNNN.parquet`. Images are stored by the
convention of Hugging Face datasets, a struct `{bytes, path}` holding PNG, so that pandas, Great
Expectations and the Hub's viewer read the table as it is.
"""

import json
from pathlib import Path

import pyarrow as pa

from textsr.config.effects import CameraPass, Render
from textsr.config.sections import effect_columns
from textsr.errors import TextsrError

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

RENDER_COLUMNS = {
    "font_size_px": pa.int32(),
    "margin_left_px": pa.int32(),
    "margin_right_px": pa.int32(),
    "ink": pa.float64(),
    "ground": pa.float64(),
    "inverted": pa.bool_(),
    **dict.fromkeys(effect_columns(Render), pa.float64()),
}
"""How the line was drawn. Font size and margins in pixels of this image, `ink` and `ground` in grey
levels before light and exposure; then a column an interval of each effect of `synthesis.render`, in
the unit of params.yaml, null where the effect was not applied. Of a crop of a page, font, ink and
ground are those of the line of which it shows most, margins those of the one whole line that it
shows, else 0, and effects those of the page."""

DEGRADATION_COLUMNS = {
    "first_size": pa.float64(),
    "scanned": pa.bool_(),
    **{
        column: kind
        for suffix in ("_1", "_2")
        for column, kind in (
            (f"kernel{suffix}", pa.string()),
            *((column, pa.float64()) for column in effect_columns(CameraPass, suffix)),
        )
    },
}
"""What each of the two passes did: the size after the first relative to HR, whether the first was a
scanner's, kernels of resizing, and a column an interval of each effect of `synthesis.degradation`,
as above."""

_COLUMNS = {
    "sample_id": pa.string(),
    "split": pa.string(),
    "index": pa.int64(),
    "seed": pa.int64(),
    "text": pa.string(),
    "kind": pa.string(),
    "font_family": pa.string(),
    "font_file": pa.string(),
    "scale": pa.int32(),
    "hr": IMAGE,
    "lr": IMAGE,
    "hr_height": pa.int32(),
    "hr_width": pa.int32(),
    "lr_height": pa.int32(),
    "lr_width": pa.int32(),
    **RENDER_COLUMNS,
    **DEGRADATION_COLUMNS,
}

_HF_TYPES = {
    pa.string(): "string",
    pa.int32(): "int32",
    pa.int64(): "int64",
    pa.float64(): "float64",
    pa.bool_(): "bool",
}
_FEATURES = {
    name: {"_type": "Image"} if kind == IMAGE else {"dtype": _HF_TYPES[kind], "_type": "Value"}
    for name, kind in _COLUMNS.items()
}

SCHEMA = pa.schema(
    list(_COLUMNS.items()),
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)
"""Arrow schema of every shard."""


def shard_name(number: int, count: int) -> str:
    """File name of shard `number`, counted from 0, of `count`."""
    return f"{number:05d}-of-{count:05d}.parquet"


def shard_paths(folder: Path) -> list[Path]:
    """Return the shards of one split, in order.

    Raises:
        TextsrError: if there is none, or if the file names do not form one complete set.
    """
    paths = sorted(folder.glob("*.parquet"))
    if not paths:
        raise TextsrError(
            f"{folder}: no shards; make them with `dvc repro synthesize extra_datasets`"
        )
    expected = [shard_name(number, len(paths)) for number in range(len(paths))]
    if [path.name for path in paths] != expected:
        raise TextsrError(
            f"{folder}: the shards are not one complete set (found {paths[0].name} to "
            f"{paths[-1].name}, {len(paths)} files); remake them with `dvc repro -f synthesize`"
        )
    return paths
