"""Choosing what to compute on."""

import torch

from textsr.errors import TextsrError
from textsr.models.package import BlendedModel


def choose_device(name: str | None = None) -> torch.device:
    """The named device; for None or `auto` the first of CUDA, MPS and CPU that is there.

    Raises:
        TextsrError: if the name is unknown or the device is not there.
    """
    if name is None or name == "auto":
        return torch.device(_best())
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise TextsrError(f"device {name}: unknown; use auto, cpu, cuda, cuda:N or mps") from error
    if not _available(device):
        raise TextsrError(f"device {name}: not available here; use {_best()} or auto")
    return device


def suits_bf16(model: BlendedModel, device: torch.device) -> bool:
    """Whether the model is computed in bf16 there: on CPUs that have instructions for it.

    It takes half the time. Our networks only correct bicubic's output, which stays in full
    precision, so that the pixels move by a tenth of a grey level on average. `srcnn_transposed`
    writes them itself, and they have more digits than bf16. Elsewhere bf16 would be emulated.
    """
    return (
        model.spec.architecture == "upsampler"
        and device.type == "cpu"
        and torch.cpu._is_avx512_bf16_supported()
    )


def _best() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _available(device: torch.device) -> bool:
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available()
    return device.type == "cpu"
