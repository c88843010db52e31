"""The `ingest` stage: the sets of `data/pairs` and `data/hr` as shards that training reads."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zlib import crc32

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from textsr.datasets.labels import LABELS, read_labels
from textsr.datasets.own_schema import OWN_SCHEMA
from textsr.datasets.schema import shard_name
from textsr.datasets.sets import IMAGE_SUFFIXES, OwnSet, find_sets
from textsr.datasets.shards import Image, encode_png
from textsr.errors import TextsrError
from textsr.files import replace_folder
from textsr.params import SPLITS, Params, Split, Synthesis
from textsr.synthesis.corpus import split_of
from textsr.synthesis.degrade import degrade

_DEGRADATION_STREAM = 5  # of the generators seeded by `synthesis.seed`
_MIN_HR_WIDTH = 8  # SSIM mirrors 5 pixels at each border


def ingest(
    params: Params, data: Path, output: Path, start: Callable[[str, int], Callable[[], None]]
) -> list[str]:
    """Write `train/`, `val/` and `test/` under `output`, each whole or not at all.

    Pairs keep their pixels, in grey. HR images are brought to the height of HR lines and degraded
    as the synthetic lines are, each by a draw that depends on the seed and its name alone.

    A row is of the split that its publisher gives it; otherwise its text decides, as it does for
    synthetic lines, or where that is unknown its pixels. A row whose publisher puts it elsewhere
    than its text belongs is left out, so that no text is in two splits; so is one whose image is
    also in a set of `data/real`, on which models are judged.

    Args:
        params: the whole of params.yaml.
        data: folder of the user's sets.
        output: folder for the shards; a split without rows gets one empty shard.
        start: starts a progress bar with a name and a total; returns what advances it.

    Returns:
        A sentence about each set: what was taken and what was left out, and why.

    Raises:
        TextsrError: if an image cannot be decoded, or a pair is not of its set's scale.
    """
    said = []
    judged = _judged(data)
    with ExitStack() as stack:
        writers = {
            split: stack.enter_context(_ShardWriter(output / split, params.synthesis.shard_rows))
            for split in SPLITS
        }
        for use in ("pairs", "hr"):
            for own in find_sets(data, use):
                said.append(_ingest_set(own, params.synthesis, writers, judged, start))
    return said


def _ingest_set(
    own: OwnSet,
    synthesis: Synthesis,
    writers: "dict[Split, _ShardWriter]",
    judged: set[str],
    start: Callable[[str, int], Callable[[], None]],
) -> str:
    if own.info.scale not in (None, synthesis.scale):
        return (
            f"{own.folder}: left out: its pairs are of scale {own.info.scale}, "
            f"synthesis.scale is {synthesis.scale}"
        )
    tick = start(f"reading {own.name}", own.info.images)
    counts: Counter[str] = Counter()
    for row, originals in _rows(own, synthesis):
        text_split = split_of(row["text"]) if row["text"] else None
        if judged.intersection(map(_digest, originals)):
            counts["left out, since they are also in data/real, to be judged on"] += 1
        elif own.info.split and text_split and own.info.split != text_split:
            counts["left out, since their text belongs to another split"] += 1
        else:
            split = own.info.split or text_split or split_of(_digest(originals[-1]))
            writers[split].write(row | {"split": split})
            counts[split] += 1
        tick()
    taken = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"{own.folder}: {taken}"


def _judged(data: Path) -> set[str]:
    """Return the digests of all images of the sets on which models are judged."""
    return {
        _digest(_read(own.folder / file))
        for own in find_sets(data, "real")
        for file, _ in read_labels(own.folder)
    }


def _digest(image: Image) -> str:
    """Hash an image's pixels: what matters is what it shows, not how it was encoded."""
    digest = hashlib.blake2b(str(image.shape).encode(), digest_size=8)
    digest.update(image.tobytes())
    return digest.hexdigest()


def _rows(own: OwnSet, synthesis: Synthesis) -> Iterator[tuple[dict[str, Any], list[Image]]]:
    """Yield the rows of a set, each with the images that it was made of, HR last."""
    texts = dict(read_labels(own.folder)) if (own.folder / LABELS).is_file() else {}
    pairs = own.info.kind == "pairs"
    for path in sorted((own.folder / "lr" if pairs else own.folder).iterdir()):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        if pairs:
            lr, hr = _read(path), _read(_partner(own.folder / "hr", path.stem))
            _check_scale(lr, hr, synthesis.scale, path)
            originals = [lr, hr]
        else:
            originals = [_read(path)]
            hr = to_line(originals[0], synthesis.lr_height * synthesis.scale, synthesis.scale)
            seed = [synthesis.seed, _DEGRADATION_STREAM, crc32(f"{own.name}/{path.name}".encode())]
            rng = np.random.default_rng(seed)
            lr = degrade(hr, synthesis.degradation, synthesis.scale, rng).image
        name = f"{own.name}/{path.stem}"
        row = {
            "sample_id": name,
            "set": own.name,
            "origin": "pairs" if pairs else "hr",
            "text": texts.get(path.name),
            "scale": synthesis.scale,
            "hr": {"bytes": encode_png(hr), "path": f"{name}-hr.png"},
            "lr": {"bytes": encode_png(lr), "path": f"{name}-lr.png"},
            "hr_height": hr.shape[0],
            "hr_width": hr.shape[1],
            "lr_height": lr.shape[0],
            "lr_width": lr.shape[1],
        }
        yield row, originals


def to_line(image: Image, height: int, multiple: int) -> Image:
    """Bring a sharp crop to `height` pixels and a width that is a multiple of `multiple`."""
    width = max(round(image.shape[1] * height / image.shape[0]), _MIN_HR_WIDTH)
    kernel = cv2.INTER_AREA if image.shape[0] > height else cv2.INTER_CUBIC
    resized = cv2.resize(image, (width, height), interpolation=kernel)
    return np.pad(np.asarray(resized, np.uint8), ((0, 0), (0, -width % multiple)), mode="edge")


def _read(path: Path) -> Image:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise TextsrError(f"{path}: cannot be decoded as an image; import the set anew")
    return np.asarray(image, np.uint8)


def _partner(folder: Path, stem: str) -> Path:
    found = [path for path in folder.glob(f"{stem}.*") if path.suffix.lower() in IMAGE_SUFFIXES]
    if len(found) != 1:
        raise TextsrError(
            f"{folder}: {len(found)} images called {stem}, expected one; import the set anew"
        )
    return found[0]


def _check_scale(lr: Image, hr: Image, scale: int, path: Path) -> None:
    if hr.shape != (lr.shape[0] * scale, lr.shape[1] * scale):
        raise TextsrError(
            f"{path}: {lr.shape[0]} x {lr.shape[1]} pixels, and its HR partner {hr.shape[0]} x "
            f"{hr.shape[1]}, not {scale} times as many both ways; import the set anew"
        )


class _ShardWriter:
    """Writes rows into shards of `rows` rows; the folder appears when all are written."""

    def __init__(self, folder: Path, rows: int) -> None:
        self._replacement = replace_folder(folder)
        self._rows = rows
        self._pending: list[dict[str, Any]] = []
        self._shards = 0

    def __enter__(self) -> "_ShardWriter":
        self._folder = self._replacement.__enter__()
        return self

    def write(self, row: dict[str, Any]) -> None:
        self._pending.append(row)
        if len(self._pending) == self._rows:
            self._flush()

    def _flush(self) -> None:
        table = pa.Table.from_pylist(self._pending, OWN_SCHEMA)
        pq.write_table(table, self._folder / f"{self._shards:05d}", compression="none")
        self._shards += 1
        self._pending = []

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            if self._pending or not self._shards:
                self._flush()
            # How many there are is part of their names, and known only now.
            for number in range(self._shards):
                name = shard_name(number, self._shards)
                (self._folder / f"{number:05d}").rename(self._folder / name)
        self._replacement.__exit__(*error)
