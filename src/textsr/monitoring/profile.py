"""The profile of what a model was trained on: its LR lines, measured, as a file."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from textsr import project
from textsr.datasets.shards import Image, decode_grey, spread_rows
from textsr.errors import TextsrError
from textsr.files import fingerprint, replace_file
from textsr.models.package import BlendedModel
from textsr.monitoring.measure import UNITS, VERSION, ConfidenceReader, measure_images
from textsr.params import Params

_KEY = b"textsr.profile"


@dataclass(frozen=True)
class Profile:
    """Measured training lines.

    Attributes:
        values: as `measure_images` returns them.
        key: hash of all that they were made from.
        model: hash of the model that upscaled them.
        origin: where they are from, for reports.
    """

    values: pd.DataFrame
    key: str
    model: str
    origin: str


def profile_key(params: Params, dataset: Path, own: Path, model: Path) -> str:
    """Hash what a profile depends on: the training lines, the model, how many are measured."""
    monitoring = params.monitoring
    description = json.dumps(
        [VERSION, monitoring.reference_lines, monitoring.ocr_lines, params.training.own_share]
    )
    folders = [dataset / "train", own / "train", model]
    return fingerprint(description, [folder for folder in folders if folder.is_dir()])


def training_lines(params: Params, dataset: Path, own: Path) -> list[Image]:
    """Return LR lines that training draws from, at equal distances, in the shares it takes."""
    count = params.monitoring.reference_lines
    lines = [_decoded(row) for row in spread_rows(dataset / "train", ["lr"], count)]
    if not own.is_dir():
        return lines
    share = params.training.own_share
    imported = [_decoded(row) for row in spread_rows(own / "train", ["lr"], round(count * share))]
    if not imported:
        return lines
    # Few pairs are drawn as often as many.
    wanted = round(len(lines) * share)
    return [*lines[: len(lines) - wanted], *islice(cycle(imported), wanted)]


def _decoded(row: dict[str, object]) -> Image:
    encoded = row["lr"]
    assert isinstance(encoded, dict)
    return decode_grey(encoded["bytes"], str(row["sample_id"]))


def measure_profile(
    params: Params,
    dataset: Path,
    own: Path,
    folder: Path,
    model: BlendedModel,
    reader: ConfidenceReader,
    start: Callable[[str, int], Callable[[], None]],
) -> Profile:
    """Measure the training lines in `dataset` and `own`; `folder` is the model's."""
    lines = training_lines(params, dataset, own)
    tick = start("measuring training lines", len(lines))
    values = measure_images(lines, params.monitoring.ocr_lines, model, reader, tick)
    return Profile(
        values=values,
        key=profile_key(params, dataset, own, folder),
        model=fingerprint("", [folder]),
        origin=f"{project.DATASET / 'train'}, {len(lines)} lines of it",
    )


def save_profile(path: Path, profile: Profile) -> None:
    """Write a profile as Parquet, whole or not at all."""
    about = {
        "version": VERSION,
        "key": profile.key,
        "model": profile.model,
        "origin": profile.origin,
    }
    table = pa.Table.from_pandas(profile.values, preserve_index=False)
    with replace_file(path) as temporary:
        pq.write_table(table.replace_schema_metadata({_KEY: json.dumps(about)}), temporary)


def load_profile(path: Path) -> Profile:
    """Read a profile.

    Raises:
        TextsrError: if it is missing, damaged, or measured by another version of this package.
    """
    try:
        table = pq.read_table(path)
        about = json.loads((table.schema.metadata or {})[_KEY])
    except FileNotFoundError as error:
        raise TextsrError(
            f"{path}: no such file; name a profile that `textsr monitor` made"
        ) from error
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise TextsrError(
            f"{path}: not a profile of training lines ({type(error).__name__}); remove it, "
            "`textsr monitor` makes it anew"
        ) from error
    if about["version"] != VERSION or table.column_names != list(UNITS):
        raise TextsrError(
            f"{path}: measured by another version of textsr; remove it, `textsr monitor` makes it "
            "anew"
        )
    return Profile(table.to_pandas(), about["key"], about["model"], about["origin"])
