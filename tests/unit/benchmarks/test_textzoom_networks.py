"""The peers from the papers: shapes, sizes against the published ones, their own parts."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.textzoom.backbone import Backbone, count_parameters
from benchmarks.textzoom.tbsrn import TBSRN, SelfAttention, positions_2d
from benchmarks.textzoom.tsrn import TSRN, GruBlock
from textsr.evaluation.score import network_upscale

NETWORKS = [TSRN, TBSRN]

# The published networks also have the localiser of the spatial transformer, whose layers are
# convolutions with batch normalisation and two linear layers, and two more colours at both ends.
LOCALISER_CONVOLUTIONS = [(3, 32), (32, 64), (64, 128), (128, 256), (256, 256), (256, 256)]
LOCALISER = (
    sum(9 * i * o + o + 2 * o for i, o in LOCALISER_CONVOLUTIONS)
    + (512 * 512 + 512 + 2 * 512)
    + (512 * 40 + 40)
)
COLOURS = 2 * 64 * 81 + 2 * (64 * 81 + 1)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("size", [(16, 64), (1, 1), (7, 13)])
def test_any_size_is_upscaled_by_the_scale(
    network: type[Backbone], scale: int, size: tuple[int, int]
) -> None:
    built = network(scale).eval()
    with torch.inference_mode():
        out = built(torch.rand(2, 1, *size))
    assert out.shape == (2, 1, size[0] * scale, size[1] * scale)
    assert out.abs().max() < 1
    assert built.scale == scale


@pytest.mark.parametrize(("network", "published"), [(TSRN, 2.67e6), (TBSRN, 2.98e6)])
def test_as_many_parameters_as_published(network: type[Backbone], published: float) -> None:
    ours = count_parameters(network(2))
    assert ours + LOCALISER + COLOURS == pytest.approx(published, abs=5e3)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_parameter_is_trained(network: type[Backbone]) -> None:
    built = network(2)
    torch.autograd.backward(built(torch.rand(2, 1, 8, 12)).square().mean())
    assert [name for name, p in built.named_parameters() if p.grad is None] == []


def test_evaluation_upscales_a_line_with_it() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 30)).astype(np.uint8)
    upscaled = network_upscale(TSRN(4).eval())(image)
    assert (upscaled.shape, upscaled.dtype) == ((64, 120), np.uint8)


def test_gru_block_reads_each_row_as_pytorchs_gru_does() -> None:
    block = GruBlock().eval()
    features = torch.randn(2, 64, 3, 5)
    with torch.inference_mode():
        mixed, out = block.mix(features), block(features)
        for image in range(2):
            for row in range(3):
                alone, _ = block.gru(mixed[image, :, row].T[None])
                assert torch.allclose(out[image, :, row].T, alone[0], atol=1e-6)


def test_tsrn_block_passes_on_along_rows_and_columns_only_by_its_grus() -> None:
    """A pixel far beyond the convolutions' reach is seen along and across the line."""
    block = TSRN(2).body[0].eval()
    features = torch.randn(1, 64, 20, 20)
    changed = features.clone()
    changed[..., 0, 0] += 5
    with torch.inference_mode():
        difference = (block(changed) - block(features)).abs().amax(1)[0]
    assert difference[0, 19] > 0
    assert difference[19, 0] > 0


def test_positions_are_the_sines_of_the_papers() -> None:
    encoded = positions_2d(64, 3, 5)
    assert encoded.shape == (64, 3, 5)
    for channel, wave in ((0, math.sin), (1, math.cos), (6, math.sin), (7, math.cos)):
        rate = 10_000 ** -((channel // 2 * 2) / 32)
        assert encoded[channel, 2, 4].item() == pytest.approx(wave(4 * rate), abs=1e-5)
        assert encoded[32 + channel, 2, 4].item() == pytest.approx(wave(2 * rate), abs=1e-5)


def test_self_attention_is_pytorchs() -> None:
    ours = SelfAttention().eval()
    theirs = nn.MultiheadAttention(128, 4, batch_first=True).eval()
    joined = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([layer.weight for layer in joined]))
        theirs.in_proj_bias.copy_(torch.cat([layer.bias for layer in joined]))
        theirs.out_proj.load_state_dict(ours.merge.state_dict())
        tokens = torch.randn(2, 11, 128)
        assert torch.allclose(ours(tokens), theirs(tokens, tokens, tokens)[0], atol=1e-5)
