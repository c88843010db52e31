"""A trained network as a folder: `peer.json` (what it is, how it was trained) and its weights."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError
from safetensors.torch import load_file, save_file
from torch import nn

from benchmarks.budget import CurvePoint
from benchmarks.textzoom.tbsrn import TBSRN
from benchmarks.textzoom.tsrn import TSRN
from textsr.errors import TextsrError
from textsr.files import replace_folder
from textsr.models.upsampler import UpsamplerNet

_RECORD = "peer.json"
_WEIGHTS = "weights.safetensors"


class PeerSpec(BaseModel):
    """What to build."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["tsrn", "tbsrn", "ours"]
    scale: Literal[2, 4]
    encoder: Literal["text", "resnet18"]
    """Of `ours`."""
    width: PositiveInt
    """Of `ours`."""


class PeerRecord(BaseModel):
    """The content of `peer.json`."""

    spec: PeerSpec
    parameters: int
    budget_cpu_minutes: float
    threads: int
    learning_rate: float
    batch_size: int
    curve: list[CurvePoint]


def build_peer(spec: PeerSpec) -> nn.Module:
    """Build the network of a specification with fresh weights.

    It maps (B, 1, H, W) in [0, 1] to (B, 1, H * scale, W * scale) and has `scale`.
    """
    if spec.name == "tsrn":
        return TSRN(spec.scale)
    if spec.name == "tbsrn":
        return TBSRN(spec.scale)
    return UpsamplerNet(spec.encoder, spec.width, spec.scale)


def save_peer(folder: Path, record: PeerRecord, network: nn.Module) -> None:
    """Write a network's folder, whole or not at all."""
    with replace_folder(folder) as temporary:
        state = {name: value.contiguous() for name, value in network.state_dict().items()}
        save_file(state, temporary / _WEIGHTS)
        (temporary / _RECORD).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_peer(folder: Path) -> nn.Module:
    """Load what `save_peer` wrote, in evaluation mode, on the CPU.

    Returns:
        A module that maps (B, 1, H, W) in [0, 1], any H and W, to (B, 1, H * scale, W * scale),
        and has `scale`.

    Raises:
        TextsrError: if a file is missing or damaged.
    """
    path = folder / _RECORD
    try:
        record = PeerRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise TextsrError(
            f"{path}: cannot be read ({error.strerror}); name a folder that "
            "`python -m benchmarks.textzoom.train` wrote"
        ) from error
    except ValidationError as error:
        raise TextsrError(f"{path}: not a record of a training: {error}") from error
    network = build_peer(record.spec)
    weights = folder / _WEIGHTS
    try:
        network.load_state_dict(load_file(weights))
    except Exception as error:  # safetensors raises its own type, torch RuntimeError
        raise TextsrError(f"{weights}: not the weights of {record.spec.name}: {error}") from error
    return network.eval()
