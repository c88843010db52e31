"""Lines in the memory of the device: the lines of the shards, each at most once an epoch."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.datasets.cached import CachedBatches
from textsr.datasets.pairs import Batch
from textsr.datasets.schema import SCHEMA
from textsr.datasets.shards import encode_png
from textsr.errors import TextsrError

SCALE = 4
WIDTHS = [9, 10, 17, 24, 25, 40, 41, 64, 64, 65, 66, 100, 128]


def line(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (16, WIDTHS[index]), np.uint8)


def write_shards(folder: Path, damaged: int | None = None) -> Path:
    """HR is LR with every pixel repeated, so that a misplaced row shows; two shards."""
    folder.mkdir()
    for shard, indices in enumerate((range(7), range(7, len(WIDTHS)))):
        rows = []
        for index in indices:
            lr = line(index)
            hr = np.kron(lr, np.ones((SCALE, SCALE), np.uint8))
            row = dict.fromkeys(SCHEMA.names)
            row |= {"sample_id": f"s{index}", "text": str(index), "lr_width": lr.shape[1]}
            row |= {"lr": {"bytes": b"x" if index == damaged else encode_png(lr), "path": ""}}
            row |= {"hr": {"bytes": encode_png(hr), "path": ""}}
            rows.append(row)
        path = folder / f"{shard:05d}-of-00002.parquet"
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path)
    return folder


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("resident") / "train")


def resident(folder: Path, batch_size: int = 2, seed: int = 1, shift: int = 0) -> CachedBatches:
    return CachedBatches(folder, batch_size=batch_size, scale=SCALE, seed=seed, max_shift=shift)


def expected(text: str, width: int, shift: int, *, inverted: bool) -> np.ndarray:
    """The LR line by NumPy alone, moved and continued by its borders."""
    lr = line(int(text))
    padded = np.pad(lr, ((16, 16), (0, width - lr.shape[1])), mode="edge")
    moved = padded[16 - shift : 32 - shift]
    return 255 - moved if inverted else moved


def steps_an_epoch(batches: CachedBatches, batch_size: int) -> int:
    return sum(count // batch_size for count in batches._counts)


@settings(max_examples=30, deadline=None)
@given(step=st.integers(0, 200), seed=st.integers(0, 9), shift=st.integers(0, 3))
def test_lines_are_those_of_the_shards_moved_and_inverted(
    shards: Path, step: int, seed: int, shift: int
) -> None:
    batch = resident(shards, batch_size=3, seed=seed, shift=shift)(step)
    width = batch.lr.shape[3]
    assert width % 8 == 0
    assert batch.hr.shape == (3, 1, 16 * SCALE, width * SCALE)
    assert batch.widths == tuple(WIDTHS[int(text)] for text in batch.texts)
    lr, hr = ((255 * side[:, 0]).round().to(torch.uint8).numpy() for side in batch[:2])
    for number, text in enumerate(batch.texts):
        candidates = [
            expected(text, width, by, inverted=inverted)
            for by in range(-shift, shift + 1)
            for inverted in (False, True)
        ]
        assert any(np.array_equal(lr[number], candidate) for candidate in candidates)
        assert np.array_equal(hr[number], np.kron(lr[number], np.ones((SCALE, SCALE), np.uint8)))


@settings(max_examples=20, deadline=None)
@given(batch_size=st.integers(1, 6), epoch=st.integers(0, 5), seed=st.integers(0, 9))
def test_an_epoch_visits_a_line_once_and_leaves_less_than_a_batch_of_each_drawer(
    shards: Path, batch_size: int, epoch: int, seed: int
) -> None:
    batches = resident(shards, batch_size=batch_size, seed=seed)
    steps = steps_an_epoch(batches, batch_size)
    seen = [t for step in range(steps) for t in batches(epoch * steps + step).texts]
    assert len(set(seen)) == len(seen) == steps * batch_size
    assert sum(batches._counts) == len(WIDTHS)
    assert len(WIDTHS) - len(seen) < batch_size * len(batches._counts)


def test_lines_left_over_are_others_in_other_epochs(shards: Path) -> None:
    batches = resident(shards, batch_size=5)
    steps = steps_an_epoch(batches, 5)
    seen = {t for step in range(20 * steps) for t in batches(step).texts}
    assert len(seen) == len(WIDTHS)


def test_half_are_inverted(shards: Path) -> None:
    batches = resident(shards)
    inverted = [
        not np.array_equal(
            (255 * batch.lr[number, 0]).round().numpy(),
            expected(text, batch.lr.shape[3], 0, inverted=False),
        )
        for batch in map(batches, range(100))
        for number, text in enumerate(batch.texts)
    ]
    assert 0.35 < np.mean(inverted) < 0.65


def test_a_batch_depends_on_seed_and_step_alone(shards: Path) -> None:
    def equal(one: Batch, other: Batch) -> bool:
        return one.texts == other.texts and torch.equal(one.hr, other.hr)

    forwards, backwards = resident(shards, shift=2), resident(shards, shift=2)
    first = [forwards(step) for step in range(12)]
    again = [backwards(step) for step in reversed(range(12))][::-1]
    assert all(equal(one, other) for one, other in zip(first, again, strict=True))
    other = resident(shards, seed=2, shift=2)
    assert not all(equal(batch, other(step)) for step, batch in enumerate(first))


def test_less_than_a_batch_is_refused(shards: Path) -> None:
    with pytest.raises(TextsrError, match=r"training\.batch_size 14.*cache_in_memory"):
        resident(shards, batch_size=14)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    batches = resident(write_shards(tmp_path / "train", damaged=9))
    with pytest.raises(TextsrError, match=r"s9 \(lr\): cannot be decoded"):
        batches(0)


def test_lines_that_do_not_fit_into_memory_are_refused(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = resident(shards)
    pixels = 16 * sum(c * w for c, w in zip(batches._counts, batches._limits, strict=True))
    needed = pixels * (1 + SCALE**2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * needed, 10**12))
    batches._require_memory(16, torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * needed - 1, 10**12))
    refusal = r"training\.cache_in_memory: .*train needs .* of {}'s memory.*draw fewer lines"
    with pytest.raises(TextsrError, match=refusal.format("the GPU")):
        batches._require_memory(16, torch.device("cuda"))
    batches._require_memory(16, torch.device("cpu"))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * needed, 10**12))

    def host(free: int) -> None:
        available = SimpleNamespace(available=free)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: available)

    host(2 * needed)
    batches._require_memory(16, torch.device("cpu"))
    host(needed)  # where a GPU trains, it needs no more
    batches._require_memory(16, torch.device("cuda"))
    host(needed - 1)
    with pytest.raises(TextsrError, match=refusal.format("the host")):
        batches._require_memory(16, torch.device("cuda"))
    host(2 * needed - 1)
    with pytest.raises(TextsrError, match=refusal.format("the host")):
        batches(0)
