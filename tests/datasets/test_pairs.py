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
    epoch_order,
    read_unlabelled,
)
from textsr.datasets.schema import SCHEMA
from textsr.datasets.shards import decode_grey, encode_png
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


def test_png_round_trip_and_an_error_that_names_the_sample() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 33)).astype(np.uint8)
    assert np.array_equal(decode_grey(encode_png(image)), image)
    for broken in (b"", b"\x89PNG broken"):
        with pytest.raises(TextsrError, match="train-7"):
            decode_grey(broken, "train-7")


def test_unlabelled_images_become_lines_of_the_height(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    cv2.imwrite(str(tmp_path / "sub/a.png"), np.zeros((32, 100), np.uint8))
    cv2.imwrite(str(tmp_path / "b.jpg"), np.zeros((8, 30, 3), np.uint8))
    (tmp_path / "README.txt").write_text("not an image")
    shapes = [image.shape for image in read_unlabelled(tmp_path, 16)]
    assert shapes == [(16, 60), (16, 50)]
    (tmp_path / "c.png").write_bytes(b"broken")
    with pytest.raises(TextsrError, match=r"c\.png"):
        read_unlabelled(tmp_path, 16)
