"""Batches at other heights: LR and HR by the same factor, each step's by the seed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from textsr.config.params import Resizing
from textsr.datasets.pairs import Batch
from textsr.datasets.resizing import ResizedBatches, resize_batch


def batch_of(step: int) -> Batch:
    generator = torch.Generator().manual_seed(step)
    lr = torch.rand((2, 1, 16, 40), generator=generator)
    return Batch(lr, lr.repeat_interleave(4, 2).repeat_interleave(4, 3), ("a", "b"), (40, 31))


def resizing(probability: float, low: float = 10, high: float = 24) -> Resizing:
    return Resizing(probability=probability, height_px=(low, high))


def test_none_is_resized_at_probability_0() -> None:
    batches = ResizedBatches(batch_of, resizing(0), seed=1)
    for step in range(20):
        assert torch.equal(batches(step).lr, batch_of(step).lr)


def test_as_many_are_resized_as_the_probability_says() -> None:
    batches = ResizedBatches(batch_of, resizing(0.3, 24, 24), seed=1)
    heights = [batches(step).lr.shape[2] for step in range(400)]
    assert set(heights) == {16, 24}
    assert 0.2 < heights.count(24) / 400 < 0.4


def test_heights_cover_the_range_and_depend_on_the_step_alone() -> None:
    batches = ResizedBatches(batch_of, resizing(1), seed=1)
    heights = [batches(step).lr.shape[2] for step in range(60)]
    assert set(heights) == {12, 16, 20, 24}
    again = ResizedBatches(batch_of, resizing(1), seed=1)
    assert [again(step).lr.shape[2] for step in reversed(range(60))][::-1] == heights
    other = ResizedBatches(batch_of, resizing(1), seed=2)
    assert [other(step).lr.shape[2] for step in range(60)] != heights


@pytest.mark.parametrize(
    ("low", "high", "heights"), [(10, 24, [12, 16, 20, 24]), (12, 12, [12]), (4, 7.5, [4])]
)
def test_heights_are_the_multiples_of_4_in_the_range(
    low: float, high: float, heights: list[int]
) -> None:
    assert list(resizing(1, low, high).heights) == heights


def test_a_range_without_a_multiple_of_4_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"height_px: no multiple of 4 in it; widen it"):
        resizing(1, 13, 15.9)


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 64), step=st.integers(0, 9))
def test_lr_and_hr_keep_their_scale_and_range(height: int, step: int) -> None:
    batch = batch_of(step)
    resized = resize_batch(batch, height)
    assert resized.lr.shape[2] == height
    assert resized.hr.shape[2:] == (4 * height, 4 * resized.lr.shape[3])
    assert resized.lr.min() >= 0
    assert resized.hr.max() <= 1
    assert resized.texts == batch.texts
    full, part = resized.widths
    assert full == resized.lr.shape[3]
    assert abs(part - 31 * height / 16) <= 0.5 or part == 1


@pytest.mark.parametrize("height", [12, 24])
def test_pixels_are_pillows(height: int) -> None:
    batch = batch_of(3)
    resized = resize_batch(batch, height)
    for mine, given_lines in ((resized.lr, batch.lr), (resized.hr, batch.hr)):
        source = Image.fromarray(given_lines[0, 0].numpy(), mode="F")
        theirs = source.resize((mine.shape[3], mine.shape[2]), Image.Resampling.BICUBIC)
        assert np.abs(np.asarray(theirs).clip(0, 1) - mine[0, 0].numpy()).max() < 1e-3


def test_what_is_even_stays_even() -> None:
    even = torch.full((1, 1, 16, 24), 0.25)
    resized = resize_batch(Batch(even, even.repeat(1, 1, 4, 4), ("",), (24,)), 20)
    assert torch.allclose(resized.lr, torch.tensor(0.25), atol=1e-6)
    assert torch.allclose(resized.hr, torch.tensor(0.25), atol=1e-6)
