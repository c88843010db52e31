"""The profile of what a model was trained on: its LR lines, measured, as a file."""

import json
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from textsr.config import project
from textsr.config.params import DATASET, Params
from textsr.datasets.shards import decode_row, spread_rows, total_rows
from textsr.errors import TextsrError
from textsr.files import fingerprint, replace_file
from textsr.images.grey import Image
from textsr.inference.backend import Backend
from textsr.monitoring.measure import UNITS, VERSION, measure_images
from textsr.ocr.engine import OCREngine
from textsr.progress import Progress
from textsr.training.batches import training_folders

_KEY = b"textsr.profile"


@dataclass(frozen=True)
class Profile:
    """Measured training lines.

    Attributes:
        values: as `measure_images` returns them.
        key: hash of all that they were made from.
        model: hash of the model that upscaled them.
        origin: where they are from, for reports.
        engine: whose confidence is among the values (`identify`); "" where it is not recorded.
    """

    values: pd.DataFrame
    key: str
    model: str
    origin: str
    engine: str = ""


def identify(engine: OCREngine) -> str:
    """Return an OCR engine's title and version."""
    return f"{engine.title} ({engine.version})"


def profile_key(
    params: Params,
    dataset: Path,
    imported: Path,
    model: Path,
    engine: OCREngine,
    extra_datasets: Path | None = None,
) -> str:
    """Hash what a profile depends on: the lines, the model, the OCR engine, how many are read."""
    monitoring, training = params.monitoring, params.training
    description = json.dumps(
        [
            *(VERSION, monitoring.reference_lines, monitoring.ocr_lines),
            *(training.imported_fraction, training.mixture),
            identify(engine),
        ]
    )
    folders = [
        *training_folders(params, dataset, extra_datasets).values(),
        imported / "train",
        model,
    ]
    return fingerprint(description, [folder for folder in folders if folder.is_dir()])


def training_lines(
    params: Params, dataset: Path, imported: Path, extra_datasets: Path | None = None
) -> list[Image]:
    """Return LR lines that training draws from, at equal distances, in the shares it takes."""
    folders = training_folders(params, dataset, extra_datasets)
    turns = {name: params.training.mixture.get(name, 1) for name in folders}
    count = min(params.monitoring.reference_lines, sum(map(total_rows, folders.values())))
    lines: list[Image] = []
    for name, folder in folders.items():
        wanted = round(count * turns[name] / sum(turns.values()))
        # Few lines are drawn as often as many.
        part = list(islice(cycle(_lines(folder, wanted)), wanted))
        lines += _with_imported(part, imported, params) if name == DATASET else part
    return lines


def _with_imported(lines: list[Image], imported: Path, params: Params) -> list[Image]:
    """Put imported lines in the place of some of the dataset's."""
    wanted = round(len(lines) * params.training.imported_fraction)
    theirs = _lines(imported / "train", wanted) if imported.is_dir() else []
    if not theirs:
        return lines
    return [*lines[: len(lines) - wanted], *islice(cycle(theirs), wanted)]


def _lines(folder: Path, count: int) -> list[Image]:
    return [decode_row(row, "lr") for row in spread_rows(folder, ["lr"], count)]


def measure_profile(
    params: Params,
    dataset: Path,
    imported: Path,
    folder: Path,
    backend: Backend,
    engine: OCREngine,
    start: Progress,
    extra_datasets: Path | None = None,
) -> Profile:
    """Measure the lines of `dataset`, `imported` and `extra_datasets`; `folder` is the model's."""
    lines = training_lines(params, dataset, imported, extra_datasets)
    tick = start("measuring training lines", len(lines))
    values = measure_images(lines, params.monitoring.ocr_lines, backend, engine, tick)
    return Profile(
        values=values,
        key=profile_key(params, dataset, imported, folder, engine, extra_datasets),
        model=fingerprint("", [folder]),
        origin=_origin(params, len(lines), extra_datasets),
        engine=identify(engine),
    )


def _origin(params: Params, lines: int, extra_datasets: Path | None) -> str:
    folders = list(training_folders(params, project.DATASET, extra_datasets).values())
    return f"{', '.join(map(str, folders))}, {lines} lines of {'them' if folders[1:] else 'it'}"


def save_profile(path: Path, profile: Profile) -> None:
    """Write a profile as Parquet, whole or not at all."""
    about = {
        "version": VERSION,
        "key": profile.key,
        "model": profile.model,
        "origin": profile.origin,
        "engine": profile.engine,
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
        version, key, model, origin = (
            about[name] for name in ("version", "key", "model", "origin")
        )
        engine = about.get("engine", "")  # profiles of before do not tell
    except FileNotFoundError as error:
        raise TextsrError(
            f"{path}: no such file; name a profile that `textsr monitor` made"
        ) from error
    except (pa.ArrowException, OSError, LookupError, TypeError, ValueError) as error:
        raise TextsrError(
            f"{path}: not a profile of training lines ({type(error).__name__}); remove it, "
            "`textsr monitor` makes it anew"
        ) from error
    if version != VERSION or table.column_names != list(UNITS):
        raise TextsrError(
            f"{path}: measured by another version of textsr; remove it, `textsr monitor` makes it "
            "anew"
        )
    return Profile(table.to_pandas(), key, model, origin, engine)
