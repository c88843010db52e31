"""A pretrained encoder in the super-resolution network: its very numbers, and with a say."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from textsr.errors import TextsrError
from textsr.models.encoder import build_encoder
from textsr.models.upsampler import UpsamplerNet
from textsr.training.run import ENCODER_WEIGHTS, load_encoder


def write_encoder(folder: Path, name: str, width: int = 8) -> Path:
    torch.manual_seed(7)
    encoder = build_encoder(name, width)
    if name == "resnet18":  # running statistics, as pretraining leaves them
        encoder(torch.rand(4, 1, 32, 64))
    folder.mkdir(parents=True)
    save_file(encoder.state_dict(), folder / ENCODER_WEIGHTS)
    return folder


def network(name: str) -> UpsamplerNet:
    """An upsampler whose last layer lets features through, as after its first step."""
    torch.manual_seed(0)
    built = UpsamplerNet(name, 8, 4).eval()
    torch.nn.init.normal_(built.to_hr[0].weight, std=0.1)
    return built


@pytest.mark.parametrize("name", ["text", "resnet18"])
def test_transferred_encoder_is_the_files_and_changes_the_output(name: str, tmp_path: Path) -> None:
    fresh, transferred = network(name), network(name)
    folder = write_encoder(tmp_path / "encoder", name)
    load_encoder(transferred, folder)
    weights = load_file(folder / ENCODER_WEIGHTS)
    state = transferred.encoder.state_dict()
    assert state.keys() == weights.keys()
    for key, value in weights.items():
        assert torch.equal(state[key], value), key
    for key, value in transferred.state_dict().items():
        if not key.startswith("encoder."):
            assert torch.equal(value, fresh.state_dict()[key]), key
    images = torch.rand(2, 1, 16, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert (transferred(images) - fresh(images)).abs().max() > 1e-3


@pytest.mark.parametrize(("name", "width"), [("resnet18", 8), ("text", 16)])
def test_encoder_of_another_kind_or_width_is_refused(name: str, width: int, tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "encoder", name, width)
    with pytest.raises(
        TextsrError, match=rf"(?s){folder}/encoder\.safetensors.*dvc repro pretrain"
    ):
        load_encoder(network("text"), folder)


def test_missing_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match=r"encoder\.safetensors: not an encoder.*No such file"):
        load_encoder(network("text"), tmp_path)
