"""Damaged shards, and folders and tables that importers read."""

import os
import random
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.faults.campaign.attack import Attack, Broken
from tests.faults.campaign.inputs.damage import (
    damage,
    damage_parts,
    join_plain,
    join_png,
    split_lines,
    split_png,
)
from tests.faults.campaign.inputs.pictures import damaged_picture, pictures
from tests.faults.campaign.inputs.refusal import check_refusal
from tests.support.written_formats import write_textzoom
from textsr.datasets.schema import IMAGE, shard_name
from textsr.datasets.shards import (
    COMPRESSION,
    decode_row,
    encode_png,
    iterate_rows,
    spread_rows,
    total_rows,
)
from textsr.datasets.stream import ShuffledLines
from textsr.errors import TextsrError
from textsr.evaluation.sets import load_split
from textsr.imports.folders import pair_items, read_images, read_pairs
from textsr.imports.icdar import read_words
from textsr.imports.labels import read_labels
from textsr.imports.sets import SET_FILE, Item, NewSet, SetInfo, find_sets, write_sets
from textsr.imports.sroie import read_receipts

_ROWS = 30
_DRAWN = np.random.default_rng(9)


@cache
def _table() -> pa.Table:
    lines = [_DRAWN.integers(0, 256, (16, 20 + number), np.uint8) for number in range(_ROWS)]
    images = [{"bytes": encode_png(line), "path": f"{n}.png"} for n, line in enumerate(lines)]
    return pa.table(
        {
            "sample_id": [f"train-{number:07d}" for number in range(_ROWS)],
            "text": [f"line {number}" for number in range(_ROWS)],
            "lr": pa.array(images, IMAGE),
            "hr": pa.array(images, IMAGE),
        }
    )


@cache
def _shard() -> bytes:
    stream = BytesIO()
    pq.write_table(_table(), stream, compression=COMPRESSION, row_group_size=10)
    return stream.getvalue()


def prepare() -> None:
    """Make what all cases damage."""
    pictures()
    _shard()
    _database()


_ENGINES: tuple[Callable[[Path], Any], ...] = (
    total_rows,
    load_split,
    lambda folder: [decode_row(row, "lr") for row in iterate_rows(folder, ["lr"], 7)],
    lambda folder: [decode_row(row, "hr") for row in spread_rows(folder, ["hr"], 9)],
    lambda folder: [
        lines.decode("lr", position)
        for lines in [ShuffledLines(folder, ("lr",), window_rows=20, seed=1)]
        for position in range(2 * _ROWS)
        if len(lines)
    ],
)


def attack_shards(number: int, folder: Path) -> None:
    """A damaged shard is refused by file and row, or what it holds are lines."""
    draw = random.Random(number)
    content = _shard()
    if draw.random() < 0.6:
        for _ in range(draw.choice((1, 1, 2, 4))):
            content = damage(content, [_shard()], draw)
    else:
        stream = BytesIO()
        pq.write_table(_with_other_images(draw), stream, compression=COMPRESSION)
        content = stream.getvalue()
    for place in range(2):
        sound = place != number % 2
        (folder / shard_name(place, 2)).write_bytes(_shard() if sound else content)
    try:
        found = draw.choice(_ENGINES)(folder)
    except TextsrError as error:
        check_refusal(error, folder / shard_name(number % 2, 2))
        return
    for one in found if isinstance(found, list) else ():
        line = getattr(one, "lr", one)
        if line.ndim != 2 or line.dtype != np.uint8 or not line.size:
            raise Broken(f"a line of {line.dtype} and {line.shape}")


def _with_other_images(draw: random.Random) -> pa.Table:
    table = _table()
    side = draw.choice(("lr", "hr"))
    rows = table.column(side).to_pylist()
    for _ in range(draw.choice((1, 1, 3))):
        place = draw.randrange(_ROWS)
        png = rows[place]["bytes"] if rows[place] else b""
        others = [_shard(), png or b"x"]
        match draw.randrange(5):
            case 0:
                rows[place] = draw.choice((None, {"bytes": None, "path": None}))
            case 1:
                rows[place] = {"bytes": damaged_picture(draw)[1], "path": "x"}
            case 2:
                rows[place] = {"bytes": damage(png or b"", others, draw), "path": "x"}
            case _:
                changed = damage_parts(png or b"", others, draw, split_png, join_png)
                rows[place] = {"bytes": changed, "path": "x"}
    at = table.schema.get_field_index(side)
    return table.set_column(at, side, pa.array(rows, IMAGE))


_NAMES = (
    *("a", "b", "a.b", "-x", " ", "é", "e\u0301", "A", "a__b", "__", "~", "$(id)", "%s", "*"),
    *("a\nb", "a\tb", "a,b", 'a"b', "a\\b", "\u202e", "x" * 240, "\udcff", "a\rb", "a\u2028b"),
    *(".hidden", "train", "..", "0", "a b", "a'", "\x1b[2J", "\x7f", "#", "a;", "con"),
)
_SUFFIXES = (".png", ".png", ".jpg", ".PNG", ".tif", "", ".txt", ".gif")
_WORDS = (
    *("word", "two words", "", " ", "é", "\udcff", '"', "\\", "a\tb", "\0", "\u2028", "x" * 5000),
    *("\x0b", "#", "=1+1", ",", "\ufeff", "\x85", "a\u00a0b", "12,5"),
)


def _picture(draw: random.Random) -> bytes:
    if draw.random() < 0.1:
        return damaged_picture(draw)[1]
    return draw.choice(pictures()[draw.choice(("png", "jpeg", "bmp"))])


def _fill(folder: Path, draw: random.Random) -> list[Path]:
    """Write pictures of odd names, some into a folder below."""
    folder.mkdir()
    for _ in range(draw.randrange(1, 5)):
        place = folder / "a" if draw.random() < 0.15 else folder
        path = place / (draw.choice(_NAMES[:8] if draw.random() < 0.6 else _NAMES) + ".png")
        if draw.random() < 0.2:
            path = path.with_name(path.stem + draw.choice(_SUFFIXES))
        if path.is_dir() or path.name in ("", ".", ".."):
            continue
        place.mkdir(exist_ok=True)
        path.write_bytes(_picture(draw))
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def _text(lines: list[str], draw: random.Random) -> bytes:
    """Return lines as a file's bytes, in half of the cases damaged."""
    end = draw.choice(("\n", "\n", "\n", "\r\n", "\r"))
    content = end.join(lines).encode(errors="surrogateescape")
    content = (b"\xef\xbb\xbf" if draw.random() < 0.2 else b"") + content
    if draw.random() < 0.4:
        content = damage_parts(content, [content], draw, split_lines, join_plain)
    if draw.random() < 0.2:
        content = damage(content, [content, _shard()], draw)
    return content


def _labelled(folder: Path, draw: random.Random) -> Iterator[Item]:
    names = [str(path.relative_to(folder)) for path in _fill(folder, draw)]
    lines = [draw.choice(("file\ttext", "file\ttext", "text\tfile", "file\ttext\tmore"))]
    lines += [f"{name}\t{draw.choice(_WORDS[: draw.choice((2, 99))])}" for name in names]
    (folder / "labels.tsv").write_bytes(_text(lines, draw))
    return read_images(folder, labelled=True)


def _unlabelled(folder: Path, draw: random.Random) -> Iterator[Item]:
    _fill(folder, draw)
    return read_images(folder, labelled=False)


def _words(folder: Path, draw: random.Random) -> Iterator[Item]:
    names = [path.name for path in _fill(folder, draw)]
    lines = [f'{name}, "{draw.choice(_WORDS[: draw.choice((2, 99))])}"' for name in names]
    (folder / "truth.txt").write_bytes(_text(lines, draw))
    return read_words(folder)


def _receipts(folder: Path, draw: random.Random) -> Iterator[Item]:
    numbers = (0, 1, 5, 13, 22, 9, 12, 20, -5, 10**6, 1e30, "nan", "inf", "x", "", 0.5, "1_0", "٣")
    for path in _fill(folder, draw):
        lines = []
        for _ in range(draw.randrange(4)):
            box = [0, 0, 20, 0, 20, 12, 0, 12]
            if draw.random() < 0.7:
                for _ in range(draw.choice((1, 2, 8))):
                    box[draw.randrange(8)] = draw.choice(numbers)  # type: ignore[call-overload]
            lines.append(",".join(map(str, box)) + "," + draw.choice(_WORDS))
        if draw.random() < 0.95:
            path.with_suffix(".txt").write_bytes(_text(lines, draw))
    return read_receipts(folder)


def _pairs(folder: Path, draw: random.Random) -> Iterator[Item]:
    lr, hr = folder / "lr", folder / "hr"
    folder.mkdir()
    for path in _fill(lr, draw):
        target = hr / path.relative_to(lr)
        target.parent.mkdir(parents=True, exist_ok=True)
        large = _DRAWN.integers(0, 256, (28, 46), np.uint8)
        target.write_bytes(encode_png(large) if draw.random() < 0.9 else _picture(draw))
    found, _ = read_pairs(lr, hr)
    return pair_items(found, lr)


_IMPORTERS = (_labelled, _labelled, _unlabelled, _words, _receipts, _pairs)


def attack_importers(number: int, folder: Path) -> None:
    """What is imported is read again as it was; what is refused is named, and nothing is left."""
    draw = random.Random(number)
    source, target = folder / "source", folder / "data" / "real" / "new"
    importer = draw.choice(_IMPORTERS)
    items: list[Item] = []

    def noted() -> Iterator[Item]:
        for item in importer(source, draw):
            items.append(item)
            yield item

    kind = "pairs" if importer is _pairs else "lr"
    about = SetInfo(kind=kind, format="x", images=1, scale=2 if kind == "pairs" else None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            (info,) = write_sets([NewSet(target, about, noted())])
        except TextsrError as error:
            lines = 1 + max(str(path).count("\n") for path in [source, *source.rglob("*")])
            check_refusal(error, source, target.name, lines=2 * lines)
            if target.exists() or any((folder / "data").rglob(".*partial*")):
                raise Broken("a refused import leaves something behind") from error
            return
        except OSError as error:
            if not (error.filename and str(folder) in os.fsdecode(error.filename)):
                raise  # the command line names the file of others, and the remedy
            return
        _check_set(folder / "data", target, info, items)


def _check_set(data: Path, target: Path, info: SetInfo, items: list[Item]) -> None:
    if info.images != len(items):
        raise Broken(f"{info.images} images, should be {len(items)}")
    (found,) = find_sets(data, "real")
    if found.info != info:
        raise Broken("its description is not what was written")
    texts = [" ".join(item.text.split()) for item in items if item.text is not None]
    if texts and info.kind == "lr":
        labels = read_labels(target)
        if [label.text for label in labels] != texts:
            raise Broken(f"{[label.text for label in labels]}, should be {texts}")
        for label, item in zip(labels, items, strict=True):
            if (target / label.file).read_bytes() != item.images["image"]:
                raise Broken(f"{label.file} is another image than it was")
    files = [path for path in target.rglob("*") if path.is_file() and path.name != SET_FILE]
    sides = sum(len(item.images) for item in items)
    if len(files) - (bool(texts) and (target / "labels.tsv").is_file()) != sides:
        raise Broken(f"{len(files)} files of {sides} images")


@cache
def _database() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        small, large = encode_png(_line(16, 64)), encode_png(_line(32, 128))
        write_textzoom(Path(name, "easy"), [(large, small, f"word {n}") for n in range(12)])
        return Path(name, "easy", "data.mdb").read_bytes()


def _line(high: int, wide: int) -> np.ndarray:
    return _DRAWN.integers(0, 256, (high, wide), np.uint8)


def attack_database(number: int, folder: Path) -> None:
    """A damaged LMDB is refused by name, or gives pairs."""
    from textsr.imports.textzoom import count_samples, read_database

    draw = random.Random(number)
    place = folder / "easy"
    place.mkdir()
    content = _database()
    for _ in range(draw.choice((1, 1, 2, 5))):
        content = damage(content, [_shard()], draw)
    (place / "data.mdb").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            count_samples(place)
            for item in read_database(place, lr_only=draw.random() < 0.5):
                if not item.images or item.text is None:
                    raise Broken("a pair without an image or a text")
        except TextsrError as error:
            if "Cannot allocate memory" not in str(error):  # to map, of which none is taken
                check_refusal(error, place)


ATTACKS = [
    Attack("shards", attack_shards, 10_000, sample=60, seconds=30, memory_mb=500, prepare=prepare),
    Attack(
        "importers", attack_importers, 15_000, sample=80, seconds=30, memory_mb=400, prepare=prepare
    ),
    Attack(
        "databases", attack_database, 3000, sample=30, seconds=30, memory_mb=4000, prepare=prepare
    ),
]
