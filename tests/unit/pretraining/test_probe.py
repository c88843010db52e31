"""The probe: 1 for features that hold the strokes, 0 for features that hold nothing."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from textsr.datasets.pairs import Batch
from textsr.models.encoder import build_encoder
from textsr.pretraining.probe import probe_reconstruction


def batches(first: int) -> list[Batch]:
    """HR lines of every level, contrast and pattern; LR is HR reduced."""
    made = []
    for seed in range(first, first + 3):
        generator = torch.Generator().manual_seed(seed)
        hr = torch.rand(16, 1, 64, 256, generator=generator)
        level = torch.rand(16, 1, 1, 1, generator=generator)
        hr = (F.avg_pool2d(hr, 9, 1, 4) - 0.5) * (0.5 + level) + level
        made.append(Batch(F.interpolate(hr, scale_factor=0.25, mode="area"), hr))
    return made


class Features(nn.Module):
    """An encoder with one level, made by a function."""

    strides = ((4, 4),)

    def __init__(self, make: object) -> None:
        super().__init__()
        self.make = make

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.make(images)]


def strokes(images: Tensor) -> Tensor:
    deviation, mean = torch.std_mean(images, (2, 3), keepdim=True)
    return F.pixel_unshuffle((images - mean) / deviation, 4)


def nothing(images: Tensor) -> Tensor:
    return torch.rand(len(images), 16, images.shape[2] // 4, images.shape[3] // 4)


def test_probe_of_strokes_is_one_and_of_nothing_zero() -> None:
    torch.manual_seed(0)
    fit_on, score_on = batches(0), batches(100)
    assert probe_reconstruction(Features(strokes), fit_on, score_on) > 0.99
    assert abs(probe_reconstruction(Features(nothing), fit_on, score_on)) < 0.05


def test_probe_is_of_other_lines_than_it_was_fitted_on() -> None:
    """Features that tell lines apart, and no more, fit their own lines and no others."""
    fit_on, score_on = batches(0), batches(100)
    table = {}

    def learned_by_heart(images: Tensor) -> Tensor:
        key = float(images.sum())
        known = any(float(batch.lr.sum()) == key for batch in fit_on)
        return table.setdefault(key, strokes(images) if known else nothing(images))

    encoder = Features(learned_by_heart)
    assert probe_reconstruction(encoder, fit_on, fit_on) > 0.99
    assert probe_reconstruction(encoder, fit_on, score_on) < 0.1


@pytest.mark.parametrize("name", ["text", "resnet18"])
def test_probe_looks_at_either_encoder_and_leaves_it_alone(name: str) -> None:
    encoder = build_encoder(name, 8).eval()
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    assert probe_reconstruction(encoder, batches(0), batches(100)) <= 1
    for key, value in encoder.state_dict().items():
        assert torch.equal(value, before[key])
