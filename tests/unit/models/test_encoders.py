"""Encoders: pyramids of any size, and instances that are parts of the line in order."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.models.bicubic import bicubic
from textsr.models.encoder import build_encoder
from textsr.models.upsampler import UpsamplerNet

ENCODERS = {name: build_encoder(name, 8).eval() for name in ("text", "resnet18")}


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(list(ENCODERS)),
    count=st.integers(1, 3),
    height=st.integers(1, 12).map(lambda n: 4 * n),
    width=st.integers(4, 32).map(lambda n: 4 * n),
)
def test_pyramid_and_instances_have_their_stated_shapes(
    name: str, count: int, height: int, width: int
) -> None:
    encoder = ENCODERS[name]
    with torch.inference_mode():
        levels = encoder(torch.rand(count, 1, height, width))
        instances = encoder.instances(levels)
    assert len(levels) == len(encoder.channels) == len(encoder.strides)
    tallest, widest = encoder.strides[-1]
    padded = (tallest * math.ceil(height / tallest), widest * math.ceil(width / widest))
    for level, channels, (tall, wide) in zip(
        levels, encoder.channels, encoder.strides, strict=True
    ):
        assert level.shape == (count, channels, padded[0] // tall, padded[1] // wide)
    parts = width // 16 if name == "text" else 1
    assert instances.shape == (count, parts, encoder.instance_dim)


def test_an_instance_is_of_its_own_part_of_the_line() -> None:
    """Instances run left to right, and one knows nothing of a part far from it."""
    encoder = ENCODERS["text"]
    line = torch.rand(1, 1, 16, 256, generator=torch.Generator().manual_seed(0))
    changed = line.clone()
    changed[..., :32] = 1 - changed[..., :32]
    with torch.inference_mode():
        first, second = (encoder.instances(encoder(image))[0] for image in (line, changed))
    difference = (first - second).abs().amax(1)
    assert len(difference) == 16
    assert difference[:2].min() > 1e-3
    assert difference[8:].max() == 0


@settings(max_examples=15, deadline=None)
@given(
    encoder=st.sampled_from(["text", "resnet18"]),
    scale=st.sampled_from([2, 4]),
    height=st.integers(1, 33),
    width=st.integers(1, 70),
)
def test_untrained_upsampler_is_bicubic_at_any_size(
    encoder: str, scale: int, height: int, width: int
) -> None:
    images = torch.rand(1, 1, height, width)
    with torch.inference_mode():
        upscaled = UpsamplerNet(encoder, 8, scale).eval()(images)
    assert torch.equal(upscaled, bicubic(images, scale))


@pytest.mark.slow
def test_blocks_that_are_added_widen_what_a_tile_depends_on() -> None:
    def network(coarse: int, sequence: int) -> UpsamplerNet:
        torch.manual_seed(0)
        built = UpsamplerNet("text", 8, 4, coarse_blocks=coarse, sequence_blocks=sequence).double()
        for parameter in built.parameters():  # all positive, so that nothing cancels out
            torch.nn.init.constant_(parameter, 0.05)
        return built.eval()

    def reach(built: UpsamplerNet) -> tuple[int, int]:
        """LR rows and columns that an HR pixel depends on, to one side of it."""
        image = torch.ones(1, 1, 384, 384, dtype=torch.float64, requires_grad=True)
        built(image)[0, 0, 768, 768].backward()
        seen = image.grad[0, 0].ne(0)
        rows, columns = (int((seen.any(side).nonzero() - 192).abs().max()) for side in (1, 0))
        return rows, columns

    plain, deep, long = network(2, 3), network(4, 3), network(2, 9)
    halos = [network(*blocks).halo for blocks in ((1, 1), (2, 3), (4, 9), (5, 3), (2, 13))]
    assert halos == [96, 96, 96, 112, 112]
    rows, columns = reach(plain)
    assert reach(deep) == (rows + 32, columns + 8)
    assert reach(long) == (rows, columns + 24)


@pytest.mark.parametrize("encoder", ["text", "resnet18"])
def test_every_level_has_a_say_in_the_result_and_learns(encoder: str) -> None:
    torch.manual_seed(0)
    network = UpsamplerNet(encoder, 8, 4)
    torch.nn.init.normal_(network.to_hr[0].weight)  # at its start it lets no gradient through
    network(torch.rand(2, 1, 32, 64)).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
