"""Choosing what to compute on."""

import torch

from textsr.errors import TextsrError


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
