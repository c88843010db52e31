"""Batches: pure functions of the step, LR and HR cut alike."""

from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.datasets.pairs import (
    EncodedLines,
    PairBatches,
    centre_batches,
    crop,
    epoch_order,
    read_unlabelled,
    to_tensor,
)
from textsr.datasets.schema import SCHEMA
from textsr.datasets.shards import decode_grey, encode_png, iterate_rows
from textsr.errors import TextsrError


@pytest.fixture
def exact_pairs(tmp_path: Path) -> EncodedLines:
    """HR is LR with every pixel repeated 4 x 4, so that a misplaced crop shows."""
    rows = []
    for index in range(6):
        lr = np.random.default_rng(index).integers(0, 256, (16, 40 + 16 * index)).astype(np.uint8)
        hr = np.kron(lr, np.ones((4, 4), np.uint8))
        row = dict.fromkeys(SCHEMA.names)
        row |= {"sample_id": f"s{index}"}
        row |= {"lr": {"bytes": encode_png(lr), "path": ""}}
        row |= {"hr": {"bytes": encode_png(hr), "path": ""}}
        rows.append(row)
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), tmp_path / "00000-of-00001.parquet")
    return EncodedLines(tmp_path)


def test_crops_are_of_the_same_place(exact_pairs: EncodedLines) -> None:
    make = PairBatches(exact_pairs, batch_size=4, crop_width=64, scale=4, seed=1)
    for step in range(5):
        batch = make(step)
        assert batch.lr.shape == (4, 1, 16, 64)
        enlarged = batch.lr.repeat_interleave(4, 2).repeat_interleave(4, 3)
        assert torch.equal(enlarged, batch.hr)
    for batch in centre_batches(exact_pairs, batch_size=4, crop_width=64, scale=4):
        enlarged = batch.lr.repeat_interleave(4, 2).repeat_interleave(4, 3)
        assert torch.equal(enlarged, batch.hr)


def test_batch_is_a_pure_function_of_seed_and_step(dataset: Path) -> None:
    lines = EncodedLines(dataset / "train")

    def make(seed: int) -> PairBatches:
        return PairBatches(lines, batch_size=4, crop_width=64, scale=4, seed=seed)

    first, second = make(1), make(1)
    second(0), second(3)
    assert torch.equal(first(7).lr, second(7).lr)
    assert not torch.equal(first(7).lr, first(8).lr)
    assert not torch.equal(first(7).lr, make(2)(7).lr)


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
    exact_pairs: EncodedLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[tuple[str, int]] = []
    decode = exact_pairs.decode

    def recording(column: str, index: int) -> np.ndarray:
        decoded.append((column, index))
        return decode(column, index)

    monkeypatch.setattr(exact_pairs, "decode", recording)
    make = PairBatches(exact_pairs, batch_size=4, crop_width=64, scale=4, seed=1)
    for step in range(3):  # 12 crops of 6 lines: two epochs
        make(step)
    for column in ("lr", "hr"):
        visited = [index for name, index in decoded if name == column]
        assert sorted(visited[:6]) == sorted(visited[6:]) == list(range(6))


def test_half_of_the_crops_are_inverted_in_lr_and_hr_alike(exact_pairs: EncodedLines) -> None:
    make = PairBatches(exact_pairs, batch_size=6, crop_width=32, scale=4, seed=1)
    lines = [exact_pairs.decode("lr", index) for index in range(6)]
    inverted = []
    for step in range(20):
        for position, lr in enumerate(make(step).lr, start=step * 6):
            line = lines[epoch_order(1, 6, position)]
            found = (lr[0].numpy() * 255).round().astype(np.uint8)
            windows = np.lib.stride_tricks.sliding_window_view(line, (16, 32))[0]
            as_drawn = (windows == found).all((1, 2)).any()
            turned = (windows == 255 - found).all((1, 2)).any()
            assert as_drawn != turned
            inverted.append(turned)
    assert np.mean(inverted) == pytest.approx(0.5, abs=0.15)


def test_crops_start_anywhere(exact_pairs: EncodedLines) -> None:
    make = PairBatches(exact_pairs, batch_size=6, crop_width=32, scale=4, seed=1)
    widest = exact_pairs.decode("lr", 5)
    starts = set()
    for step in range(200):
        for position, lr in enumerate(make(step).lr, start=step * 6):
            if epoch_order(1, 6, position) != 5:
                continue
            found = (lr[0].numpy() * 255).round().astype(np.uint8)
            windows = np.lib.stride_tricks.sliding_window_view(widest, (16, 32))[0]
            same = (windows == found).all((1, 2)) | (windows == 255 - found).all((1, 2))
            starts.add(int(np.flatnonzero(same)[0]))
    assert {0, widest.shape[1] - 32} <= starts
    assert len(starts) > 0.7 * (widest.shape[1] - 31)


@given(start=st.integers(0, 30), width=st.integers(1, 60))
def test_crop_continues_a_narrow_image_by_its_last_column(start: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 40)).astype(np.uint8)
    cut = crop(image, start, width)
    assert cut.shape == (16, width)
    columns = np.minimum(np.arange(start, start + width), 39)
    assert np.array_equal(cut, image[:, columns])


def test_validation_batches_show_the_middle_of_every_line(exact_pairs: EncodedLines) -> None:
    batches = centre_batches(exact_pairs, batch_size=4, crop_width=32, scale=4)
    assert [len(batch.lr) for batch in batches] == [4, 2]
    for index, lr in enumerate(torch.cat([batch.lr for batch in batches])):
        line = exact_pairs.decode("lr", index)
        start = (line.shape[1] - 32) // 2
        expected = line[:, start : start + 32] / np.float32(255)
        assert np.array_equal(lr[0].numpy(), expected)


def test_tensors_hold_0_to_1() -> None:
    images = [np.full((4, 6), level, np.uint8) for level in (0, 51, 255)]
    tensor = to_tensor(images)
    assert tensor.shape == (3, 1, 4, 6)
    assert tensor.dtype == torch.float32
    assert tensor[:, 0, 0, 0].tolist() == pytest.approx([0, 0.2, 1])


def test_broken_image_of_a_shard_is_named(tmp_path: Path) -> None:
    row = dict.fromkeys(SCHEMA.names) | {"sample_id": "train-0000007"}
    row |= {"lr": {"bytes": b"broken", "path": ""}, "hr": {"bytes": b"broken", "path": ""}}
    pq.write_table(pa.Table.from_pylist([row], SCHEMA), tmp_path / "00000-of-00001.parquet")
    lines = EncodedLines(tmp_path)
    with pytest.raises(TextsrError, match=r"train-0000007 \(lr\)"):
        lines.decode("lr", 0)


def test_lines_are_those_of_all_shards_in_order(dataset: Path) -> None:
    lines = EncodedLines(dataset / "train", ("lr",))
    rows = list(iterate_rows(dataset / "train", ["sample_id", "lr"]))
    assert len(rows) == len(lines) == 96
    assert lines.ids == [row["sample_id"] for row in rows]
    for index in (0, 31, 32, 95):  # around the shards' ends
        assert np.array_equal(lines.decode("lr", index), decode_grey(rows[index]["lr"]["bytes"]))


def test_unlabelled_images_become_lines_of_the_height(tmp_path: Path) -> None:
    (tmp_path / "sub/deep").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "sub/deep/a.PNG"), np.zeros((32, 100), np.uint8))
    cv2.imwrite(str(tmp_path / "b.jpg"), np.zeros((8, 30, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "c.webp"), np.full((16, 7), 200, np.uint8))
    cv2.imwrite(str(tmp_path / "d.tiff"), np.full((900, 3), 99, np.uint8))
    (tmp_path / "README.txt").write_text("not an image")
    images = read_unlabelled(tmp_path, 16)
    assert [image.shape for image in images] == [(16, 60), (16, 7), (16, 1), (16, 50)]
    assert all(image.dtype == np.uint8 for image in images)
    assert np.abs(images[1].astype(int) - 200).max() <= 2
    assert np.all(images[2] == 99)


def test_unlabelled_folder_without_images_is_no_images(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("not an image")
    assert read_unlabelled(tmp_path, 16) == []


@pytest.mark.parametrize("name", ["c.png", "sub/c.JPG"])
def test_unlabelled_image_that_cannot_be_decoded_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((32, 100), np.uint8))
    (tmp_path / name).write_bytes(b"broken")
    with pytest.raises(TextsrError, match=rf"{name}: cannot be decoded"):
        read_unlabelled(tmp_path, 16)
