"""Views: always an image, a pure function of the generator, the same letters in both."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.config.params import Params
from textsr.datasets.stream import ShuffledLines
from textsr.pretraining.run import ViewBatches
from textsr.pretraining.views import make_view


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 4),
    height=st.integers(1, 8).map(lambda n: 4 * n),
    width=st.integers(8, 32).map(lambda n: 4 * n),
    ground=st.floats(0, 1),
    contrast=st.sampled_from([0.0, 1e-4, 0.2, 1.0]),
    seed=st.integers(0, 1000),
)
def test_view_of_any_line_is_an_image(
    count: int, height: int, width: int, ground: float, contrast: float, seed: int
) -> None:
    """Blank and all but blank lines, too: their deviation is divided by."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(count, 1, height, width, generator=generator)
    lines = (ground + contrast * (noise - 0.5)).clamp(0, 1)
    before = lines.clone()
    view = make_view(lines, generator)
    assert view.shape == lines.shape
    assert view.min() >= 0
    assert view.max() <= 1
    assert torch.equal(lines, before)


def strokes(count: int) -> torch.Tensor:
    """Lines of random vertical bars, each its own pattern."""
    rng = np.random.default_rng(0)
    bars = np.kron(rng.random((count, 1, 1, 16)) > 0.5, np.ones((1, 1, 16, 4)))
    return torch.from_numpy(bars.astype(np.float32))


def unit(views: torch.Tensor) -> torch.Tensor:
    flat = views.flatten(1)
    return torch.nn.functional.normalize(flat - flat.mean(1, keepdim=True))


def test_both_views_show_the_same_letters() -> None:
    """Like strokes, up to polarity: each view is nearest to the other view of its own line."""
    lines, generator = strokes(64), torch.Generator().manual_seed(0)
    first, second = (unit(make_view(lines, generator)) for _ in range(2))
    likeness = (first @ second.T).abs()
    assert (likeness.argmax(1) == torch.arange(64)).float().mean() > 0.5  # by chance, 1/64


def test_views_of_one_line_differ_in_polarity_shift_level_and_contrast() -> None:
    lines, generator = strokes(1).expand(400, -1, -1, -1), torch.Generator().manual_seed(0)
    views = make_view(lines, generator)
    correlation = (unit(views) * unit(lines)).sum(1)
    assert 0.4 < (correlation > 0).float().mean() < 0.6
    assert views.mean((1, 2, 3)).std() > 0.05
    assert views.std((1, 2, 3)).std() > 0.03
    # The bar's edge, where the view's sign is that of the line: it moves by more than a pixel.
    assert views[correlation > 0.0][:, 0, 8, :].std(0).max() > 0.1
    assert correlation.abs().std() > 0.05


@pytest.fixture
def batches(tiny_params: Params, dataset: Path) -> ViewBatches:
    return ViewBatches(
        ShuffledLines(dataset / "train", ("lr",), window_rows=1000, seed=1), [], tiny_params
    )


def test_views_of_a_step_depend_on_the_step_alone(batches: ViewBatches) -> None:
    """What lets a resumed pretraining see what an unbroken one would have seen."""
    third = batches(3)
    torch.rand(1), batches(0)
    again = batches(3)
    assert all(torch.equal(a, b) for a, b in zip(third, again, strict=True))
    assert not torch.equal(third[0], third[1])
    assert not torch.equal(third[0], batches(4)[0])


def test_both_views_of_a_step_are_of_the_same_crops(batches: ViewBatches) -> None:
    likeness = []
    for step in range(8):
        first, second = (unit(view) for view in batches(step))
        likeness.append((first @ second.T).abs())
    imported = torch.stack([matrix.diagonal() for matrix in likeness]).mean()
    others = torch.stack([matrix.fill_diagonal_(0).sum() / (len(matrix) * (len(matrix) - 1))
                          for matrix in likeness]).mean()  # fmt: skip
    assert imported > 2 * others
