"""A model as a folder: `model.json` (what to build) and `weights.safetensors` (its numbers).

Loading one runs no code from the folder.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from textsr.errors import TextsrError
from textsr.files import replace_folder
from textsr.models.bicubic import bicubic
from textsr.models.quantization import quantize
from textsr.models.spec import SPEC, ModelSpec, read_spec, write_spec
from textsr.models.srcnn_transposed import SRCNNTransposed
from textsr.models.text_encoder import COARSE_BLOCKS, SEQUENCE_BLOCKS
from textsr.models.upsampler import UpsamplerNet
from textsr.models.weights import read_weights, save_weights

WEIGHTS = "weights.safetensors"
"""The file of a model folder that holds its numbers, at any precision."""

FILES = (SPEC, WEIGHTS)
"""What `load_model` reads of a model folder."""


class BlendedModel(nn.Module):
    """A network's output averaged with bicubic's.

    Bicubic keeps what the network smooths over; by how much, the validation split decides.
    """

    def __init__(self, spec: ModelSpec, network: nn.Module) -> None:
        super().__init__()
        self.spec = spec
        self.scale = spec.scale
        self.halo = int(network.halo)  # type: ignore[arg-type]
        self.alignment = int(network.alignment)  # type: ignore[arg-type]
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 1, H, W) in [0, 1], any H and W, to (B, 1, H * scale, W * scale), not clipped."""
        upscaled: Tensor = self.network(images)
        if self.spec.blend == 1:
            return upscaled
        return torch.lerp(bicubic(images, self.scale), upscaled, self.spec.blend)


def build_network(spec: ModelSpec) -> nn.Module:
    """Build the network of a specification with fresh weights."""
    if spec.architecture == "srcnn_transposed":
        return SRCNNTransposed(spec.scale)
    assert spec.encoder is not None  # ModelSpec has checked both
    assert spec.width is not None
    return UpsamplerNet(
        spec.encoder,
        spec.width,
        spec.scale,
        coarse_blocks=spec.coarse_blocks or COARSE_BLOCKS,
        sequence_blocks=spec.sequence_blocks or SEQUENCE_BLOCKS,
        expansion=spec.expansion or 1.0,
    )


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers a model has learned."""
    return sum(parameter.numel() for parameter in model.parameters())


def save_model(
    folder: Path, spec: ModelSpec, network: nn.Module, *, quantized: bool = False
) -> None:
    """Write a model's folder, whole or not at all; its weights in 8 bits, if they are to be small.

    See `textsr.models.quantization`.

    Raises:
        TextsrError: if a weight is not finite.
    """
    with replace_folder(folder) as temporary:
        state = network.state_dict()
        save_weights(
            quantize(state) if quantized else state,
            temporary / WEIGHTS,
            final=folder / WEIGHTS,
        )
        write_spec(temporary, spec)


def load_model(folder: Path) -> BlendedModel:
    """Load a model folder, in evaluation mode, on the CPU.

    Raises:
        TextsrError: if a file is missing or damaged, the weights are of another architecture, or
            not all of them are finite.
    """
    spec = read_spec(folder)
    path = folder / WEIGHTS
    try:
        with torch.device("meta"):  # what a folder says is not believed until its weights agree
            expected = build_network(spec).state_dict()
        weights = read_weights(path, expected)
        network = build_network(spec)
        network.load_state_dict(weights)
    except Exception as error:  # safetensors raises its own type, torch RuntimeError
        raise TextsrError(
            f"{path}: not the weights of {spec.architecture} ({error}); copy the model's folder "
            "again from where it was made, or make it anew"
        ) from error
    return BlendedModel(spec, network).eval()
