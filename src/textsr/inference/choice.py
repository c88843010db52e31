"""Choosing what computes a model, before anything that takes long is imported."""

import importlib.util
import os
import platform
import sys
from pathlib import Path

from textsr.errors import TextsrError
from textsr.inference.backend import Backend
from textsr.inference.interpolation import BlendedBackend
from textsr.models.spec import ModelSpec

BACKENDS = ("auto", "onnx", "torch")
"""What `--backend` and `load_model` take."""

PAYS_PIXELS = 2_000_000
"""LR pixels from which PyTorch, where it is the faster, has made up for the time of its start.

Measured on a core with AVX-512 bf16, in seconds of processor time: to start PyTorch takes 1.5 more;
then it upscales 590,000 pixels a second in bf16, and ONNX Runtime 230,000 in float32.
"""

# What the drivers of NVIDIA, of Windows' subsystem for Linux and of AMD leave where there is a GPU.
_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
_INSTRUCTIONS = Path("/proc/cpuinfo")


def open_folder(
    folder: Path,
    spec: ModelSpec,
    *,
    backend: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    pixels: int | None = None,
) -> Backend:
    """Load a model folder into the backend that is named, or that suits it best.

    Args:
        folder: the model folder.
        spec: its specification, with the blend to use.
        backend: one of `BACKENDS`. `auto` is PyTorch where it is installed and faster (there is a
            GPU, or the CPU has bf16 instructions and the work is known to be large), else ONNX
            Runtime where the folder has an ONNX file, else PyTorch.
        device: `auto`, or what PyTorch calls it; all but `cpu` need PyTorch.
        threads: of the CPU; None: one for each core that there is for this process.
        pixels: LR pixels that are to be upscaled, if that is known.

    Raises:
        TextsrError: if nothing that is installed can compute it there, or a file is damaged.
    """
    from textsr.inference.onnx_backend import FLOAT32, OnnxBackend, find_onnx

    onnx = find_onnx(folder)
    chosen = choose(spec, backend, device, has_onnx=onnx is not None, pixels=pixels)
    if chosen == "torch":
        _require_torch(folder)
        from textsr.inference.torch_backend import load_torch

        return load_torch(folder, spec, device=device, threads=threads)
    if onnx is None:
        raise TextsrError(
            f"{folder / FLOAT32}: no such file, so that ONNX Runtime has nothing to compute; use "
            "the backend torch, or a file that `textsr export` writes"
        )
    network = OnnxBackend(onnx, threads)
    if network.scale != spec.scale:
        raise TextsrError(
            f"{onnx}: upscales {network.scale} times, and model.json says {spec.scale}; copy the "
            "model's folder again from where it was made, or make it anew"
        )
    return network if spec.blend == 1 else BlendedBackend(network, spec.blend)


def choose(
    spec: ModelSpec, backend: str, device: str, *, has_onnx: bool, pixels: int | None
) -> str:
    """Return `onnx` or `torch`; see `open_folder`.

    Raises:
        TextsrError: if the backend is unknown, or does not compute on the device.
    """
    if backend not in BACKENDS:
        raise TextsrError(f"backend {backend}: unknown; use {', '.join(BACKENDS)}")
    on_cpu = device in ("auto", "cpu")
    if backend == "onnx" and not on_cpu:
        raise TextsrError(f"device {device}: the backend onnx computes on the CPU; use torch")
    if backend != "auto":
        return backend
    if not on_cpu or not has_onnx:
        return "torch"
    if not has_torch():
        return "onnx"
    if device == "auto" and (pixels is None or pixels >= PAYS_PIXELS) and may_have_gpu():
        return "torch"
    is_large = pixels is not None and pixels >= PAYS_PIXELS
    return "torch" if is_large and spec.architecture == "upsampler" and has_bf16() else "onnx"


def has_torch() -> bool:
    """Whether PyTorch is installed; importing it, to be sure, takes seconds."""
    return all(importlib.util.find_spec(name) for name in ("torch", "safetensors"))


def may_have_gpu() -> bool:
    """Whether there seems to be a GPU that PyTorch computes on, without importing it."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return any(Path(driver).exists() for driver in _DRIVERS)


def has_bf16() -> bool:
    """Whether the CPU has instructions for bf16, as Linux tells."""
    try:
        return "avx512_bf16" in _INSTRUCTIONS.read_text()
    except OSError:
        return False


def _require_torch(what: Path) -> None:
    if not has_torch():
        raise TextsrError(f"{what}: needs PyTorch; install it by `pip install 'textsr[torch]'`")
