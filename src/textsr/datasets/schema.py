"""The columns of a shard, and the files of a dataset.

A split is a folder of Parquet files `NNNNN-of-NNNNN.parquet`. Images are stored by the
convention of Hugging Face datasets, a struct `{bytes, path}` holding PNG, so that pandas, Great
Expectations and the Hub's viewer read the table as it is.
"""

import json
from pathlib import Path

import pyarrow as pa

from textsr.errors import TextsrError

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

RENDER_COLUMNS = {
    "font_size_px": pa.int32(),
    "ink": pa.float64(),
    "ground": pa.float64(),
    "inverted": pa.bool_(),
    "ground_gradient": pa.float64(),
    "ground_texture": pa.float64(),
    "rotation_degrees": pa.float64(),
    "perspective": pa.float64(),
    "margin_left_px": pa.int32(),
    "margin_right_px": pa.int32(),
}
"""How the line was drawn. Grey levels, HR pixels, degrees, line heights."""

_PASS_COLUMNS = {
    "blur_sigma_x": pa.float64(),
    "blur_sigma_y": pa.float64(),
    "blur_angle": pa.float64(),
    "motion_length": pa.float64(),
    "motion_angle": pa.float64(),
    "resize": pa.float64(),
    "resize_kernel": pa.string(),
    "noise_sigma": pa.float64(),
    "jpeg_quality": pa.int32(),
}

DEGRADATION_COLUMNS = {
    f"{name}_{order}": kind for order in (1, 2) for name, kind in _PASS_COLUMNS.items()
}
"""What each of the two passes did; 0 where an effect was not applied. `blur_*` and `motion_length`
in pixels of the pass's input, angles in degrees, `resize` relative to the pass's input,
`noise_sigma` in grey levels, `jpeg_quality` 1 to 100."""

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
        raise TextsrError(f"{folder}: no shards; make them with `dvc repro synthesize`")
    expected = [shard_name(number, len(paths)) for number in range(len(paths))]
    if [path.name for path in paths] != expected:
        raise TextsrError(
            f"{folder}: the shards are not one complete set (found {paths[0].name} to "
            f"{paths[-1].name}, {len(paths)} files); remake them with `dvc repro -f synthesize`"
        )
    return paths
