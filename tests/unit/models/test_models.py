"""Networks: shapes, the identity with bicubic at the start, and the model folder."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from textsr.errors import TextsrError
from textsr.models.bicubic import bicubic
from textsr.models.encoder import build_encoder
from textsr.models.package import (
    BlendedModel,
    ModelSpec,
    build_network,
    load_model,
    read_spec,
    save_model,
)

SPECS = {
    "text": {"architecture": "upsampler", "encoder": "text", "width": 8},
    "resnet18": {"architecture": "upsampler", "encoder": "resnet18", "width": 8},
    "srcnn_transposed": {"architecture": "srcnn_transposed"},
}


def spec(name: str, scale: int = 4, **more: object) -> ModelSpec:
    return ModelSpec.model_validate({"name": name, "scale": scale, **SPECS[name], **more})


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(list(SPECS)),
    scale=st.sampled_from([2, 4]),
    height=st.integers(1, 40),
    width=st.integers(1, 70),
)
def test_any_size_is_upscaled_by_the_scale(name: str, scale: int, height: int, width: int) -> None:
    network = build_network(spec(name, scale)).eval()
    with torch.inference_mode():
        out = network(torch.rand(2, 1, height, width))
    assert out.shape == (2, 1, height * scale, width * scale)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("name", ["text", "resnet18"])
def test_untrained_network_is_bicubic(name: str) -> None:
    images = torch.rand(1, 1, 16, 64)
    network = build_network(spec(name)).eval()
    with torch.inference_mode():
        assert torch.equal(network(images), bicubic(images, 4))


@pytest.mark.parametrize("scale", [2, 4])
def test_bicubic_is_opencvs(scale: int) -> None:
    image = np.random.default_rng(0).random((16, 50)).astype(np.float32)
    ours = bicubic(torch.from_numpy(image)[None, None], scale)[0, 0].numpy()
    reference = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    assert np.abs(ours - reference).max() < 1e-5


@pytest.mark.parametrize("name", ["text", "resnet18"])
def test_encoder_keeps_its_promises(name: str) -> None:
    encoder = build_encoder(name, 8).eval()
    levels = encoder(torch.rand(3, 1, 32, 64))
    for level, channels, (tall, wide) in zip(
        levels, encoder.channels, encoder.strides, strict=True
    ):
        assert level.shape == (3, channels, 32 // tall, 64 // wide)
    instances = encoder.instances(levels)
    assert instances.shape == (3, 4 if name == "text" else 1, encoder.instance_dim)


def test_article_network_has_the_articles_layers() -> None:
    layers = [
        layer
        for layer in build_network(spec("srcnn_transposed")).upscale
        if hasattr(layer, "weight")
    ]
    assert [tuple(layer.weight.shape) for layer in layers] == [
        (64, 1, 5, 5),
        (64, 64, 4, 4),
        (64, 1, 4, 4),
    ]
    assert [layer.stride[0] for layer in layers] == [1, 2, 2]


@pytest.mark.parametrize("name", list(SPECS))
def test_model_folder_round_trip(name: str, tmp_path: Path) -> None:
    network = build_network(spec(name)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.rand_like(parameter) * 0.01)
    save_model(tmp_path / "m", spec(name, blend=0.25), network)
    loaded = load_model(tmp_path / "m")
    assert loaded.spec == spec(name, blend=0.25)
    images = torch.rand(1, 1, 16, 32)
    with torch.inference_mode():
        expected = 0.25 * network(images) + 0.75 * bicubic(images, 4)
        assert torch.allclose(loaded(images), expected, atol=1e-6)
    assert {p.name for p in (tmp_path / "m").iterdir()} == {"model.json", "weights.safetensors"}


def test_blend_of_one_is_the_network_itself() -> None:
    network = build_network(spec("srcnn_transposed"))
    images = torch.rand(1, 1, 8, 8)
    assert torch.equal(BlendedModel(spec("srcnn_transposed"), network)(images), network(images))


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match=r"model\.json.*textsr train"):
        load_model(tmp_path)
    (tmp_path / "model.json").write_text('{"name": "x", "architecture": "gan", "scale": 4}')
    with pytest.raises(TextsrError, match=r"model\.json: not a model specification"):
        read_spec(tmp_path)
    save_model(tmp_path / "m", spec("srcnn_transposed"), build_network(spec("srcnn_transposed")))
    weights = tmp_path / "m" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(TextsrError, match=r"weights\.safetensors"):
        load_model(tmp_path / "m")
    save_file(build_network(spec("text")).state_dict(), weights)
    with pytest.raises(TextsrError, match="not the weights of srcnn_transposed"):
        load_model(tmp_path / "m")
