"""Narrowing: what the remaining channels can tell of the others is kept."""

from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from textsr.models.narrowing import narrow
from textsr.models.package import build_network
from textsr.models.spec import ModelSpec
from textsr.models.upsampler import UpsamplerNet

SPEC = ModelSpec(
    name="x",
    architecture="upsampler",
    encoder="text",
    width=16,
    scale=4,
    coarse_blocks=2,
    sequence_blocks=2,
)


def build(width: int, seed: int) -> UpsamplerNet:
    torch.manual_seed(seed)
    network = build_network(SPEC.model_copy(update={"width": width})).eval()
    nn.init.normal_(cast(UpsamplerNet, network).to_hr[0].weight, std=0.1)
    return cast(UpsamplerNet, network)


def images() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(4, 1, 16, 48, generator=generator) for _ in range(4)]


@torch.inference_mode()
def distance(one: UpsamplerNet, other: UpsamplerNet) -> float:
    batch = torch.rand(4, 1, 16, 48, generator=torch.Generator().manual_seed(1))
    return float((one(batch) - other(batch)).square().mean())


def widen(network: UpsamplerNet, wide: UpsamplerNet) -> None:
    """Fill a wider network with one that is narrower, and channels that are copies of its own."""
    wider = dict(wide.named_modules())
    for name, conv in network.named_modules():
        if not isinstance(conv, nn.Conv2d):
            continue
        target = cast(nn.Conv2d, wider[name])
        # An `Expand` makes two pixels of one.
        parts = 2 if name.startswith("expands") else 1
        out = np.concatenate(
            [
                part * (conv.out_channels // parts)
                + np.arange(target.out_channels // parts) % (conv.out_channels // parts)
                for part in range(parts)
            ]
        )
        if name == "to_lr.0":
            out = np.arange(conv.out_channels)
        source = np.arange(target.in_channels) % conv.in_channels
        copies = np.bincount(source, minlength=conv.in_channels)[source]
        weight = conv.weight[out][:, source] / torch.from_numpy(copies)[:, None, None]
        with torch.no_grad():
            target.weight.copy_(weight)
            target.bias.copy_(conv.bias[out])  # type: ignore[union-attr,index]


def test_copies_of_channels_are_dropped_without_a_trace() -> None:
    network, wide, back = build(12, 0), build(16, 1), build(12, 2)
    widen(network, wide)
    assert distance(network, wide) < 1e-10
    narrow(wide, back, images())
    assert distance(network, back) < 1e-6 < distance(build(12, 2), network)


def test_at_the_same_width_nothing_changes() -> None:
    network, same = build(12, 0), build(12, 1)
    narrow(network, same, images())
    assert distance(network, same) < 1e-12


@pytest.mark.parametrize("width", [8, 12])
def test_a_narrower_network_is_nearer_than_one_of_fresh_weights(
    width: int,
) -> None:
    network, narrower = build(16, 0), build(width, 1)
    fresh = distance(network, narrower)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    narrow(network, narrower, images())
    assert distance(network, narrower) < 0.5 * fresh
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
    again = build(width, 3)
    narrow(network, again, images())
    assert distance(narrower, again) == 0  # a function of the network and the images


def test_blocks_alone_can_be_narrowed() -> None:
    network = build(24, 0)
    narrower = cast(
        UpsamplerNet, build_network(SPEC.model_copy(update={"width": 24, "expansion": 0.6}))
    )
    between = [
        narrower.fuses[0][0].body[0].out_channels,
        narrower.encoder.sequence[0].body[0].out_channels,
    ]  # type: ignore[index,union-attr]
    assert between == [16, 48]  # of 24 and 60, in steps of 16
    narrow(network, narrower.eval(), images())
    assert distance(network, narrower) < 0.5 * distance(network, build(24, 1))
