"""Batches: pure functions of the step, LR and HR cut alike."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.datasets.pairs import (
    Batch,
    PairBatches,
    UnlabelledImages,
    centre_batches,
    crop,
    epoch_order,
    shuffled_pairs,
    split_positions,
    to_tensor,
    whole_batches,
)
from textsr.datasets.schema import SCHEMA
from textsr.datasets.shards import encode_png
from textsr.datasets.stream import ShuffledLines, StoredLine
from textsr.errors import TextsrError


def write_pairs(folder: Path, lines: list[np.ndarray]) -> ShuffledLines:
    """HR is LR with every pixel repeated 4 x 4, so that a misplaced crop shows."""
    rows = []
    for index, lr in enumerate(lines):
        hr = np.kron(lr, np.ones((4, 4), np.uint8))
        row = dict.fromkeys(SCHEMA.names)
        row |= {"sample_id": f"s{index}", "text": f"line {index}", "lr_width": lr.shape[1]}
        row |= {"lr": {"bytes": encode_png(lr), "path": ""}}
        row |= {"hr": {"bytes": encode_png(hr), "path": ""}}
        rows.append(row)
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / "00000-of-00001.parquet")
    return shuffled_pairs(folder, 1000, 1)


def noise_line(index: int, height: int = 16) -> np.ndarray:
    rng = np.random.default_rng(index)
    return rng.integers(0, 256, (height, 40 + 16 * index)).astype(np.uint8)


@pytest.fixture
def exact_pairs(tmp_path: Path) -> ShuffledLines:
    """Six lines of different widths."""
    return write_pairs(tmp_path / "exact", [noise_line(index) for index in range(6)])


def make_batches(lines: ShuffledLines, **more: Any) -> PairBatches:
    return PairBatches(
        lines, **{"batch_size": 4, "max_size": (16, 128), "scale": 4, "seed": 1, **more}
    )


def is_enlarged(batch: Batch) -> bool:
    enlarged = batch.lr.repeat_interleave(4, 2).repeat_interleave(4, 3)
    return torch.equal(enlarged, batch.hr)


def to_grey(plane: torch.Tensor) -> np.ndarray:
    return (plane.numpy() * 255).round().astype(np.uint8)


def test_lr_and_hr_are_of_the_same_place(exact_pairs: ShuffledLines, tmp_path: Path) -> None:
    make = make_batches(exact_pairs)
    assert all(is_enlarged(make(step)) for step in range(5))
    folder = tmp_path / "exact"
    fixed = centre_batches(folder, batch_size=4, crop_width=64, scale=4, limit=100)
    fixed += whole_batches(folder, batch_size=4, scale=4, limit=100)
    assert all(map(is_enlarged, fixed))


def test_lines_are_whole_with_their_texts_and_continued_by_their_last_column(
    exact_pairs: ShuffledLines,
) -> None:
    make = make_batches(exact_pairs)
    for step in range(8):
        batch = make(step)
        assert batch.lr.shape[3] % 8 == 0
        assert batch.lr.shape[3] - max(batch.widths) < 8
        for lr, text, width in zip(batch.lr[:, 0], batch.texts, batch.widths, strict=True):
            line = noise_line(int(text.removeprefix("line ")))
            shown = to_grey(lr)
            assert width == line.shape[1]
            assert (shown[:, width:] == shown[:, width - 1 : width]).all()
            assert any(np.array_equal(shown[:, :width], one) for one in (line, 255 - line))


def test_lines_are_moved_up_and_down_in_lr_and_hr_alike(exact_pairs: ShuffledLines) -> None:
    make = make_batches(exact_pairs, max_shift=3)
    found = set()
    for step in range(20):
        batch = make(step)
        assert is_enlarged(batch)
        for lr, text, width in zip(batch.lr[:, 0], batch.texts, batch.widths, strict=True):
            line = noise_line(int(text.removeprefix("line ")))
            shown = to_grey(lr)[:, :width]
            rows = np.arange(16)
            for shift in range(-3, 4):
                moved = line[np.clip(rows - shift, 0, 15)]
                if np.array_equal(shown, moved) or np.array_equal(255 - shown, moved):
                    found.add(shift)
                    break
            else:
                pytest.fail(f"{text} is not itself, moved by at most 3 rows")
    assert found == set(range(-3, 4))


def test_lines_of_a_batch_are_of_like_width(tmp_path: Path) -> None:
    lines = write_pairs(
        tmp_path / "many",
        [np.zeros((16, 32 + 8 * (index % 12)), np.uint8) for index in range(96)],
    )
    make = make_batches(lines, batch_size=12)  # a pool of 8 batches is the 96 lines
    spreads, firsts = [], []
    for step in range(8):
        widths = make(step).widths
        spreads.append(max(widths) - min(widths))
        firsts.append(min(widths))
    assert max(spreads) <= 8
    assert firsts != sorted(firsts)


def test_batch_is_a_pure_function_of_seed_and_step(dataset: Path) -> None:
    lines = shuffled_pairs(dataset / "train", 1000, 1)
    first, second = (make_batches(lines) for _ in range(2))
    second(0), second(30)
    assert torch.equal(first(7).lr, second(7).lr)
    assert first(7).texts == second(7).texts
    assert first(7).texts != first(8).texts
    assert first(7).texts != make_batches(lines, seed=2)(7).texts


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), length=st.integers(1, 50), epoch=st.integers(0, 3))
def test_each_epoch_visits_every_row_once(seed: int, length: int, epoch: int) -> None:
    visited = [epoch_order(seed, length, epoch * length + i) for i in range(length)]
    assert sorted(visited) == list(range(length))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), length=st.integers(20, 50))
def test_epochs_are_of_different_order(seed: int, length: int) -> None:
    orders = [
        [epoch_order(seed, length, epoch * length + i) for i in range(length)] for epoch in (0, 1)
    ]
    assert orders[0] != orders[1]


def test_batches_visit_every_line_once_an_epoch(
    exact_pairs: ShuffledLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[tuple[str, str]] = []
    decode = StoredLine.decode

    def recording(line: StoredLine, column: str) -> np.ndarray:
        decoded.append((column, line.value("text")))
        return decode(line, column)

    monkeypatch.setattr(StoredLine, "decode", recording)
    make = make_batches(exact_pairs, batch_size=3)
    for step in range(8):  # one pool: 24 lines, four epochs of 6
        make(step)
    for column in ("lr", "hr"):
        visited = [text for name, text in decoded if name == column]
        assert sorted(visited) == sorted([f"line {number}" for number in range(6)] * 4)


def test_half_of_the_lines_are_inverted_in_lr_and_hr_alike(exact_pairs: ShuffledLines) -> None:
    make = make_batches(exact_pairs, batch_size=6)
    inverted = []
    for step in range(20):
        batch = make(step)
        assert is_enlarged(batch)
        for lr, text, width in zip(batch.lr[:, 0], batch.texts, batch.widths, strict=True):
            line = noise_line(int(text.removeprefix("line ")))
            inverted.append(not np.array_equal(to_grey(lr)[:, :width], line))
    assert np.mean(inverted) == pytest.approx(0.5, abs=0.15)


@given(
    top=st.integers(0, 10),
    left=st.integers(0, 30),
    height=st.integers(1, 40),
    width=st.integers(1, 60),
)
def test_crop_continues_a_small_image_by_its_edges(
    top: int, left: int, height: int, width: int
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 40)).astype(np.uint8)
    cut = crop(image, top, left, height, width)
    rows = np.minimum(np.arange(top, top + height), 15)
    columns = np.minimum(np.arange(left, left + width), 39)
    assert np.array_equal(cut, image[np.ix_(rows, columns)])


def test_validation_batches_show_the_middle_of_every_line(
    exact_pairs: ShuffledLines, tmp_path: Path
) -> None:
    folder = tmp_path / "exact"
    batches = centre_batches(folder, batch_size=4, crop_width=32, scale=4, limit=100)
    assert [len(batch.lr) for batch in batches] == [4, 2]
    for index, lr in enumerate(torch.cat([batch.lr for batch in batches])):
        line = noise_line(index)
        start = (line.shape[1] - 32) // 2
        expected = line[:, start : start + 32] / np.float32(255)
        assert np.array_equal(lr[0].numpy(), expected)


def test_validation_looks_at_a_bounded_number_of_lines(dataset: Path) -> None:
    batches = centre_batches(dataset / "train", batch_size=8, crop_width=32, scale=4, limit=20)
    assert [len(batch.lr) for batch in batches] == [8, 8, 4]


@given(
    batch_size=st.integers(1, 40),
    share=st.sampled_from([0.0, 0.3, 1 / 3, 0.5, 1.0]),
    steps=st.integers(1, 60),
)
def test_batches_are_divided_by_share_and_leave_no_row_out(
    batch_size: int, share: float, steps: int
) -> None:
    first: list[int] = []
    second: list[int] = []
    for step in range(steps):
        one, two = split_positions(step, batch_size, share)
        assert len(one) + len(two) == batch_size
        first += one
        second += two
    assert first == list(range(len(first)))
    assert second == list(range(len(second)))
    assert len(second) == pytest.approx(batch_size * steps * share, abs=1)


def test_own_pairs_get_their_share_of_a_batch(exact_pairs: ShuffledLines, tmp_path: Path) -> None:
    grey = np.full((30, 90), 128, np.uint8)  # taller than the crops; 127 where inverted
    imported = write_pairs(tmp_path / "imported", [grey, grey])
    make = make_batches(exact_pairs, batch_size=10, imported=imported, imported_fraction=0.3)
    for step in range(4):
        batch = make(step)
        assert batch.lr.shape[:3] == (10, 1, 16)
        assert batch.texts.count("") == 3  # parts of lines
        levels = (batch.lr * 255).round()
        assert sum(bool(((line - 127.5).abs() <= 0.5).all()) for line in levels) == 3


def test_tall_own_pairs_are_cropped_at_any_height_in_lr_and_hr_alike(
    exact_pairs: ShuffledLines, tmp_path: Path
) -> None:
    imported = write_pairs(
        tmp_path / "imported", [noise_line(3, height=40), noise_line(1, height=9)]
    )
    make = make_batches(
        exact_pairs, batch_size=8, max_size=(16, 64), imported=imported, imported_fraction=1.0
    )
    tops = set()
    for step in range(20):
        batch = make(step)
        assert batch.lr.shape[3] <= 64
        assert is_enlarged(batch)
        for lr in batch.lr:
            found = to_grey(lr[0])
            windows = np.lib.stride_tricks.sliding_window_view(noise_line(3, 40), (16, 64))
            same = (windows == found).all((2, 3)) | (windows == 255 - found).all((2, 3))
            tops |= set(np.flatnonzero(same.any(axis=1)).tolist())
    assert {0, 24} <= tops


def test_an_own_line_that_fits_is_whole_and_keeps_its_text(
    exact_pairs: ShuffledLines, tmp_path: Path
) -> None:
    imported = write_pairs(
        tmp_path / "imported", [noise_line(0)]
    )  # 40 pixels wide, as the narrowest
    batch = make_batches(exact_pairs, imported=imported, imported_fraction=0.5)(0)
    assert batch.texts[2:] == ("line 0", "line 0")
    assert batch.widths[2:] == (40, 40)


def test_no_own_pairs_change_nothing(exact_pairs: ShuffledLines, tmp_path: Path) -> None:
    none = write_pairs(tmp_path / "imported", [])
    plain, with_none = (
        make_batches(exact_pairs),
        make_batches(exact_pairs, imported=none, imported_fraction=0.3),
    )
    for step in range(3):
        assert torch.equal(plain(step).lr, with_none(step).lr)
        assert torch.equal(plain(step).hr, with_none(step).hr)


def test_tensors_hold_0_to_1() -> None:
    images = [np.full((4, 6), level, np.uint8) for level in (0, 51, 255)]
    tensor = to_tensor(images)
    assert tensor.shape == (3, 1, 4, 6)
    assert tensor.dtype == torch.float32
    assert tensor[:, 0, 0, 0].tolist() == pytest.approx([0, 0.2, 1])


def test_unlabelled_images_become_lines_of_the_height(tmp_path: Path) -> None:
    (tmp_path / "sub/deep").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "sub/deep/a.PNG"), np.zeros((32, 100), np.uint8))
    cv2.imwrite(str(tmp_path / "b.jpg"), np.zeros((8, 30, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "c.webp"), np.full((16, 7), 200, np.uint8))
    cv2.imwrite(str(tmp_path / "d.tiff"), np.full((900, 3), 99, np.uint8))
    (tmp_path / "README.txt").write_text("not an image")
    found = UnlabelledImages(tmp_path, 16)
    images = [found[index] for index in range(len(found))]
    assert [image.shape for image in images] == [(16, 60), (16, 7), (16, 1), (16, 50)]
    assert all(image.dtype == np.uint8 for image in images)
    assert np.abs(images[1].astype(int) - 200).max() <= 2
    assert np.all(images[2] == 99)


def test_unlabelled_folder_without_images_is_no_images(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("not an image")
    assert len(UnlabelledImages(tmp_path, 16)) == 0


@pytest.mark.parametrize("name", ["c.png", "sub/c.JPG"])
def test_unlabelled_image_that_cannot_be_decoded_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((32, 100), np.uint8))
    (tmp_path / name).write_bytes(b"broken")
    with pytest.raises(TextsrError, match=rf"{name}: cannot be decoded"):
        UnlabelledImages(tmp_path, 16)
