"""The `ingest` stage: the sets of `data/pairs` and `data/hr` as shards that training reads."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from zlib import crc32

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from textsr.config.params import Params, Synthesis
from textsr.config.streams import Stream
from textsr.datasets.schema import shard_name
from textsr.datasets.shards import COMPRESSION, encode_png
from textsr.errors import TextsrError
from textsr.files import replace_folder
from textsr.images.folders import find_images, read_grey
from textsr.images.grey import Image, correlate
from textsr.imports.labels import LABELS, read_labels
from textsr.imports.schema import IMPORTED_SCHEMA
from textsr.imports.sets import ImportedSet, Use, find_sets
from textsr.progress import Progress
from textsr.synthesis.corpus import split_of
from textsr.synthesis.degrade import degrade

_MIN_HR_WIDTH = 8  # SSIM mirrors 5 pixels at each border
_USES: tuple[Use, ...] = ("pairs", "hr")
# Of pairs out of step by one, half or all are more like the HR image before; of those in step, 1 in
# 50 or less, and more where LR and HR are aligned as loosely as TextZoom's.
_FEW_PAIRS = 8
_MOST_STRAYS = 0.25


def ingest(params: Params, data: Path, output: Path, start: Progress) -> list[str]:
    """Write `train/` under `output`, whole or not at all.

    Pairs keep their pixels, in grey. HR images are brought to the height of HR lines and degraded
    as the synthetic lines are, each by a draw that depends on the seed and its name alone.

    Left out is what must not be trained on: sets that their publisher means for val or test, rows
    whose text is one of those that synthetic val or test may draw, and images, by their pixels,
    that are also in such a set or in one of `data/real`, on which models are judged.

    Args:
        params: the whole of params.yaml.
        data: folder of the user's sets.
        output: folder for the shards; without rows there is one empty shard.
        start: starts a progress bar with a name and a total; returns what advances it.

    Returns:
        A sentence about each set: what was taken and what was left out, and why.

    Raises:
        TextsrError: if an image cannot be decoded, a pair is not of its set's scale or blank, or
            the pairs of a set are out of step.
    """
    imported = [found for use in _USES for found in find_sets(data, use)]
    held_out = _held_out(data, imported)
    with _ShardWriter(output / "train", params.synthesis.shard_rows) as writer:
        return [_ingest_set(one, params.synthesis, writer, held_out, start) for one in imported]


def _ingest_set(
    imported: ImportedSet,
    synthesis: Synthesis,
    writer: "_ShardWriter",
    held_out: set[str],
    start: Progress,
) -> str:
    if imported.info.scale not in (None, synthesis.scale):
        return (
            f"{imported.folder}: left out: its pairs are of scale {imported.info.scale}, "
            f"synthesis.scale is {synthesis.scale}"
        )
    if imported.info.split not in (None, "train"):
        return f"{imported.folder}: left out: its publisher means it for {imported.info.split}"
    tick = start(f"reading {imported.name}", imported.info.images)
    counts: Counter[str] = Counter()
    steps = _Steps(imported.folder)
    for row, originals in _rows(imported, synthesis):
        if len(originals) == 2:
            steps.see(row["sample_id"], *originals)
        if row["text"] and split_of(row["text"]) != "train":
            counts["left out, since synthetic val or test may hold their text"] += 1
        elif held_out.intersection(map(_digest, originals)):
            counts["left out, since models are judged on their images"] += 1
        else:
            writer.write(row)
            counts["for training"] += 1
        tick()
    steps.check()
    return f"{imported.folder}: " + ", ".join(f"{count} {name}" for name, count in counts.items())


class _Steps:
    """Whether LR images go with their own HR images, or with another pair's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = 0
        self._strays: list[str] = []
        self._before: Image | None = None

    def see(self, name: str, lr: Image, hr: Image) -> None:
        """Take a pair in, the next of its set."""
        agreement = correlate(hr, lr)
        if agreement is None:
            raise TextsrError(f"{self._folder.parent}/{name}: a blank image; leave the pair out")
        other = None if self._before is None else correlate(self._before, lr)
        self._seen += 1
        if other is not None and other > agreement:
            self._strays.append(name)
        self._before = hr

    def check(self) -> None:
        """Refuse a set whose images are paired with others' too often for chance."""
        if self._seen >= _FEW_PAIRS and len(self._strays) > _MOST_STRAYS * self._seen:
            raise TextsrError(
                f"{self._folder}: {len(self._strays)} of {self._seen} LR images are more like the "
                f"pair before's HR image than their own ({', '.join(self._strays[:3])}, ...); they "
                "seem to be paired wrongly; pair them anew"
            )


def _held_out(data: Path, imported: list[ImportedSet]) -> set[str]:
    """Return the digests of all images that are not to be trained on, whatever set they are in."""
    real = (
        found.folder / label.file
        for found in find_sets(data, "real")
        for label in read_labels(found.folder)
    )
    others = (
        path
        for found in imported
        if found.info.split not in (None, "train")
        for path in find_images(found.folder)
    )
    return {_digest(read_grey(path)) for path in chain(real, others)}


def _digest(image: Image) -> str:
    """Hash an image's pixels: what matters is what it shows, not how it was encoded."""
    digest = hashlib.blake2b(str(image.shape).encode(), digest_size=8)
    digest.update(image.tobytes())
    return digest.hexdigest()


def _rows(
    imported: ImportedSet, synthesis: Synthesis
) -> Iterator[tuple[dict[str, Any], list[Image]]]:
    """Yield the rows of a set, each with the images that it was made of, HR last."""
    labelled = (imported.folder / LABELS).is_file()
    texts = {label.file: label.text for label in read_labels(imported.folder)} if labelled else {}
    pairs = imported.info.kind == "pairs"
    partners = {path.stem: path for path in find_images(imported.folder / "hr")} if pairs else {}
    for path in find_images(imported.folder / "lr" if pairs else imported.folder):
        if pairs:
            if path.stem not in partners:
                raise TextsrError(
                    f"{path}: no partner in {imported.folder}/hr; import the set anew"
                )
            lr, hr = read_grey(path), read_grey(partners[path.stem])
            _check_scale(lr, hr, synthesis.scale, path)
            originals = [lr, hr]
        else:
            originals = [read_grey(path)]
            hr = to_line(originals[0], synthesis.lr_height * synthesis.scale, synthesis.scale)
            name_hash = crc32(f"{imported.name}/{path.name}".encode())
            rng = Stream.IMPORTED_LR.generator(synthesis.seed, name_hash)
            lr = degrade(hr, synthesis.degradation, synthesis.scale, rng).image
        name = f"{imported.name}/{path.stem}"
        row = {
            "sample_id": name,
            "set": imported.name,
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
        table = pa.Table.from_pylist(self._pending, IMPORTED_SCHEMA)
        pq.write_table(table, self._folder / f"{self._shards:05d}", compression=COMPRESSION)
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
