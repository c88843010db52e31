"""A synthesised dataset, broken on disk in each of the ways that data goes wrong."""

import os
import shutil
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_dataset import shorten

from textsr.config.effects import CameraPass
from textsr.config.params import SPLITS, Params, load_params, parse_params
from textsr.config.sections import effect_fields
from textsr.datasets.schema import SCHEMA, shard_name
from textsr.datasets.shards import decode_grey, encode_png
from textsr.errors import TextsrError
from textsr.files import read_json
from textsr.images.grey import Image
from textsr.ocr.engine import read_lines
from textsr.ocr.rapidocr_engine import RapidOCREngine
from textsr.synthesis.shards import write_dataset
from textsr.validation.legibility import ReadLines
from textsr.validation.run import validate_dataset
from textsr.validation.shards import EFFECTS, NULLABLE_COLUMNS

pytestmark = pytest.mark.slow

Row = dict[str, Any]
Break = Callable[[Path], None]

_CLEAN_SEEDS = range(20)


@dataclass(frozen=True)
class Ground:
    """A clean dataset, what it was made by, and an OCR engine of its lines."""

    dataset: Path
    params: Params
    read_lines: ReadLines

    def broken(self, folder: Path, breaks: Break) -> Path:
        """Return a copy, of links where nothing is rewritten, with `breaks` done to it."""
        shutil.copytree(self.dataset, folder, copy_function=os.link)
        breaks(folder)
        return folder


@pytest.fixture(scope="module")
def read() -> ReadLines:
    """Return an OCR engine that reads the lines that mutations have in common once."""
    engine = RapidOCREngine(1)
    known: dict[bytes, str] = {}

    def read(lines: Sequence[Image]) -> list[str]:
        new = {line.tobytes(): line for line in lines if line.tobytes() not in known}
        known.update(zip(new, read_lines(engine, list(new.values())), strict=True))
        return [known[line.tobytes()] for line in lines]

    return read


@pytest.fixture(scope="module")
def ground(
    tiny_params: Params, data: Path, read: ReadLines, tmp_path_factory: pytest.TempPathFactory
) -> Ground:
    folder = tmp_path_factory.mktemp("ground")
    params = small_params(tiny_params, 1, {"train": 96, "val": 24, "test": 24})
    write_dataset(params, data, folder, lambda rows: None)
    return Ground(folder, params, read)


def small_params(params: Params, seed: int, samples: dict[str, int]) -> Params:
    raw = params.model_dump()
    raw["synthesis"] |= {"seed": seed, "samples": samples, "shard_rows": 32}
    raw["compute"]["processes"] = 1
    raw["validation"] |= {"legibility_samples": 24, "min_legibility": 0.6}
    return parse_params(raw)


def shard(dataset: Path, split: str, number: int = 0) -> Path:
    return sorted((dataset / split).glob("*.parquet"))[number]


def rewrite(change: Callable[[list[Row]], None], split: str = "train", number: int = 0) -> Break:
    """Return what rewrites one shard, its rows changed in place."""

    def breaks(dataset: Path) -> None:
        path = shard(dataset, split, number)
        rows = pq.read_table(path).to_pylist()
        change(rows)
        path.unlink()  # the file is shared with the clean dataset
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path)

    return breaks


def everywhere(change: Callable[[list[Row]], None]) -> Break:
    def breaks(dataset: Path) -> None:
        for split in SPLITS:
            for number in range(len(list((dataset / split).glob("*.parquet")))):
                rewrite(change, split, number)(dataset)

    return breaks


def rotate(*names: str, step: int = 1) -> Callable[[list[Row]], None]:
    """Return what gives each row the values of the next one."""

    def change(rows: list[Row]) -> None:
        values = [{name: row[name] for name in names} for row in rows]
        for row, value in zip(rows, values[step:] + values[:step], strict=True):
            row |= value

    return change


def swap_images(rows: list[Row]) -> None:
    for row in rows:
        row["hr"], row["lr"] = row["lr"], row["hr"]


def pair_with_next(rows: list[Row]) -> None:
    """Off by one, with every size put right, so that only what the images show is wrong."""
    images = [decode_grey(row["lr"]["bytes"]) for row in rows]
    for row, image in zip(rows, images[1:] + images[:1], strict=True):
        size = (row["lr_width"], row["lr_height"])
        row["lr"]["bytes"] = encode_png(np.asarray(cv2.resize(image, size), np.uint8))


def set_values(**values: Any) -> Callable[[list[Row]], None]:
    def change(rows: list[Row]) -> None:
        for row in rows:
            row |= values

    return change


def invert_applied(rows: list[Row]) -> None:
    """Mark every effect as applied where it was not, at a value of another row, and vice versa."""
    for name in NULLABLE_COLUMNS:
        known = [row[name] for row in rows if row[name] is not None]
        for row in rows:
            row[name] = known[0] if known and row[name] is None else None


def _most_applied() -> str:
    """Return the column of the effect that is applied to the most rows."""
    first = load_params(Path(__file__).parents[3] / "params.yaml").synthesis.degradation.first
    shares = {name: getattr(first, name).probability for name, _ in effect_fields(CameraPass)}
    return EFFECTS[f"{max(shares, key=lambda name: shares[name])}_1"][0]


def repaint(name: str, paint: Callable[[Any], Any]) -> Callable[[list[Row]], None]:
    def change(rows: list[Row]) -> None:
        for row in rows:
            row[name]["bytes"] = encode_png(np.asarray(paint(decode_grey(row[name]["bytes"]))))

    return change


def scribble(hr: Any) -> Any:
    """Return what has the line's grey levels and cannot be read."""
    noise = np.random.default_rng(0).permutation(hr.ravel()).reshape(hr.shape)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX)


def another_seed(dataset: Path) -> None:
    """Put a shard that an earlier run left over among the others."""
    rewrite(set_values(seed=99))(dataset)


def copy_rows(source: str, target: str) -> Break:
    """Return what puts rows of one split into another under the target's identifiers."""

    def breaks(dataset: Path) -> None:
        copied = pq.read_table(shard(dataset, source)).to_pylist()
        imported = ("sample_id", "split", "index")

        def change(rows: list[Row]) -> None:
            for row, other in zip(rows[:4], copied[:4], strict=True):
                row |= {name: value for name, value in other.items() if name not in imported}

        rewrite(change, target)(dataset)

    return breaks


def repeat_rows(rows: list[Row]) -> None:
    rows[-1] |= rows[0]


def empty(dataset: Path) -> None:
    for path in (dataset / "val").glob("*.parquet"):
        path.unlink()
    pq.write_table(SCHEMA.empty_table(), dataset / "val" / shard_name(0, 1))


# (what is done, the expectations that must not be met)
MUTATIONS: list[tuple[str, Break, set[str]]] = [
    (
        "LR and HR swapped",
        everywhere(swap_images),
        {"hr_size_decoded_agrees", "lr_size_decoded_agrees"},
    ),
    ("pairs off by one", everywhere(pair_with_next), {"lr_resembles_hr"}),
    ("images of the next row", everywhere(rotate("lr")), {"lr_size_decoded_agrees"}),
    (
        "transcripts of the next row",
        everywhere(rotate("text")),
        {"hr_legible", "transcript_of_own_line", "transcript_of_another_line"},
    ),
    (
        "transcripts far away",
        everywhere(rotate("text", step=7)),
        {"hr_legible", "transcript_of_own_line", "transcript_of_another_line"},
    ),
    (
        "rows copied across splits",
        copy_rows("test", "train"),
        {"text_leak", "hr_leak", "font_family_leak", "train_fonts"},
    ),
    (
        "a row repeated",
        rewrite(repeat_rows),
        {"sample_id_unique", "index_unique", "index_in_order", "hr_copies"},
    ),
    (
        "held-out font in train",
        rewrite(set_values(font_family="lato")),
        {"font_family_leak", "train_fonts"},
    ),
    ("wrong scale", everywhere(set_values(scale=2)), {"scale", "hr_size_from_lr_agrees"}),
    (
        "effects marked the other way round",
        everywhere(invert_applied),
        {f"{_most_applied()}_applied"},
    ),
    ("a split mislabelled", rewrite(set_values(split="val"), "test"), {"split_is_folder"}),
    (
        "one kind of text",
        everywhere(set_values(kind="words")),
        {"train_words_share", "test_words_share"},
    ),
    (
        "HR that nobody can read",
        everywhere(repaint("hr", scribble)),
        {"hr_legible", "lr_resembles_hr"},
    ),
    (
        "brighter LR",
        everywhere(repaint("lr", lambda lr: np.minimum(lr, 205) + 50)),
        {"lr_as_bright_as_hr"},
    ),
    (
        "negative LR",
        everywhere(repaint("lr", cv2.bitwise_not)),
        {"lr_not_unlike_hr", "lr_resembles_hr"},
    ),
    ("no rows", empty, {"val_rows"}),
    ("a shard of another seed", another_seed, {"seed"}),
    ("order of rows", rewrite(lambda rows: rows.reverse()), {"index_in_order"}),
    ("index shuffled", rewrite(rotate("index")), {"index_in_order", "sample_id_agrees"}),
]


def faults(
    dataset: Path,
    output: Path,
    ground: Ground,
    params: Params | None = None,
    only: Collection[str] | None = None,
) -> set[str]:
    """Return the names of the expectations that are not met, of all or of those named."""
    with shorten(only), suppress(TextsrError):
        validate_dataset(dataset, output, params or ground.params, ground.read_lines)
    return {finding["name"] for finding in read_json(output / "result.json")["findings"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("breaks", "expected"), [pytest.param(*mutation[1:], id=mutation[0]) for mutation in MUTATIONS]
)
def test_mutation_is_caught(
    ground: Ground, tmp_path: Path, breaks: Break, expected: set[str]
) -> None:
    broken = ground.broken(tmp_path / "broken", breaks)

    assert faults(broken, tmp_path / "out", ground, only=expected) == expected


@pytest.mark.slow
def test_clean_datasets_raise_nothing(
    ground: Ground, tiny_params: Params, data: Path, tmp_path: Path
) -> None:
    found = {}
    for seed in _CLEAN_SEEDS:
        params = small_params(tiny_params, seed, {"train": 30, "val": 12, "test": 12})
        write_dataset(params, data, tmp_path / str(seed), lambda rows: None)
        found[seed] = faults(tmp_path / str(seed), tmp_path / "out", ground, params)

    assert found == {seed: set() for seed in _CLEAN_SEEDS}


@pytest.mark.slow
def test_one_bad_row_among_those_not_sampled_is_caught(ground: Ground, tmp_path: Path) -> None:
    """With fewer rows validated than there are, what needs all rows still sees each of them."""
    raw = ground.params.model_dump()
    raw["validation"] |= {"max_rows": 12, "legibility_samples": 3}
    # So few lines tell nothing of shares.
    raw["validation"]["min_legibility"] = 0.0

    def change(rows: list[Row]) -> None:
        rows[3]["seed"] = 99
        rows[7]["text"] = rows[8]["text"]
        rows[20]["sample_id"] = rows[21]["sample_id"]
        rows[23]["text"] = "cafÃ© 23"
        rows[25] |= {"noise_read_levels_1": None, "noise_shot_levels_1": 1.0}
        # A blur of cameras, not of scanners.
        rows[27] |= {"scanned": True, "lens_sigma_px_1": 4.0, "lens_ratio_1": 1.1}

    expected = {"seed", "sample_id_unique", "sample_id_agrees", "text_encoding"}
    expected |= {"effects_whole", "scan_lens_sigma_px_1_range"}
    broken = ground.broken(tmp_path / "broken", rewrite(change, number=1))
    found = faults(broken, tmp_path / "out", ground, parse_params(raw), expected)

    assert found == expected
    result = read_json(tmp_path / "out" / "result.json")
    assert result["validated"].startswith("a sample of 12 of 144 rows")
