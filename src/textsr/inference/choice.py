"""Choosing what computes a model, before anything that takes long is imported."""

import hashlib
import importlib.util
import os
import platform
import sys
from functools import partial
from pathlib import Path

import cv2

from textsr.errors import TextsrError
from textsr.files import read_small_file
from textsr.inference.backend import Backend
from textsr.inference.depth import DepthBackend
from textsr.inference.interpolation import BlendedBackend
from textsr.models.spec import ModelSpec

BACKENDS = ("auto", "onnx", "onnx-int8", "torch")
"""What `--backend` and `load_model` take."""

PAYS_PIXELS = 2_000_000
"""LR pixels from which PyTorch, where it is the faster, has made up for the time of its start.

Measured on a core with AVX-512 bf16, in seconds of processor time: to start PyTorch takes 1.5 more;
then it upscales 590,000 pixels a second in bf16, and ONNX Runtime 230,000 in float32.
"""

JUDGED_SHA256 = "6c2adb8165a2269fb222d61edd6ebe31aa14811d62d1755ae90a1059b309dd1f"
"""Of the file in 8 bits that `benchmarks/quantization.py` judged, which says what to put here."""

JUDGED_BLEND = 0.4
"""The greatest blend at which no measure told that file from floats."""

# What the drivers of NVIDIA, of Windows' subsystem for Linux and of AMD leave where there is a GPU.
_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
_INSTRUCTIONS = Path("/proc/cpuinfo")

# AVX-512 VNNI and AVX-VNNI, as OpenCV numbers them; it gives Python no constants.
_VNNI = (23, 28)

# `textsr.models.package` names it, too, and imports PyTorch.
_WEIGHTS = "weights.safetensors"
_MOST_BYTES = 4_000_000_000


def open_folder(
    folder: Path,
    spec: ModelSpec,
    *,
    backend: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    pixels: int | None = None,
    eight_bits: bool = False,
) -> Backend:
    """Load a model folder into the backend that is named, or that suits it best.

    Args:
        folder: the model folder.
        spec: its specification, with the blend to use.
        backend: one of `BACKENDS`. `auto` is PyTorch where it is installed and faster (there is a
            GPU, or the CPU has bf16 instructions and the work is known to be large), else ONNX
            Runtime where the folder has an ONNX file, else PyTorch. `onnx` computes in floats.
            `onnx-int8` computes the folder's file in 8 bits.
        device: `auto`, or what PyTorch calls it; all but `cpu` need PyTorch.
        threads: of the CPU; None: one for each core that there is for this process.
        pixels: LR pixels that are to be upscaled, if that is known.
        eight_bits: whether `auto` may be `onnx-int8`, too: where it would be `onnx`, the folder's
            file is the one that was judged, the blend is at most `JUDGED_BLEND`, and the CPU has
            VNNI. Images of more than 8 bits a channel are computed by `onnx` then, whose file is
            opened when the first comes.

    Raises:
        TextsrError: if nothing that is installed can compute it there, a file is damaged, or the
            ONNX file was made of other weights than the folder's.
    """
    from textsr.inference.onnx_backend import FLOAT32, INT8

    suits = partial(
        choose,
        spec,
        backend,
        device,
        has_onnx=(folder / FLOAT32).exists(),
        eight_bits=eight_bits and spec.blend <= JUDGED_BLEND and _is_judged(folder / INT8),
        pixels=pixels,
    )
    chosen = suits(gpu=may_have_gpu())
    if chosen == "torch":
        _require_torch(folder)
        from textsr.inference.torch_backend import choose_device, load_torch

        if choose_device(device).type == "cpu":  # a driver alone is no GPU
            chosen = suits(gpu=False)
        if chosen == "torch":
            return load_torch(folder, spec, device=device, threads=threads)
    opened = _open_onnx(folder, spec, chosen, threads)
    if chosen in ("onnx", backend):  # floats, or 8 bits that were named
        return opened
    return DepthBackend(opened, partial(_open_onnx, folder, spec, "onnx", threads))


def _open_onnx(folder: Path, spec: ModelSpec, name: str, threads: int | None) -> Backend:
    """Load the ONNX file of a folder that `onnx` or `onnx-int8` computes."""
    from textsr.inference.onnx_backend import FLOAT32, INT8, OnnxBackend

    onnx = folder / (INT8 if name == "onnx-int8" else FLOAT32)
    if not onnx.exists():
        others, writer = ("torch", "export") if name == "onnx" else ("auto", "publish-onnx")
        raise TextsrError(
            f"{onnx}: no such file, so that ONNX Runtime has nothing to compute; use the backend "
            f"{others}, or a file that `textsr {writer}` writes"
        )
    network = OnnxBackend(onnx, threads, name=name)
    if network.scale != spec.scale:
        raise TextsrError(
            f"{onnx}: upscales {network.scale} times, and model.json says {spec.scale}; copy the "
            "model's folder again from where it was made, or make it anew"
        )
    _check_weights(folder / _WEIGHTS, onnx, network.weights_sha256)
    return network if spec.blend == 1 else BlendedBackend(network, spec.blend)


def choose(
    spec: ModelSpec,
    backend: str,
    device: str,
    *,
    has_onnx: bool,
    eight_bits: bool,
    pixels: int | None,
    gpu: bool,
) -> str:
    """Return `onnx`, `onnx-int8` or `torch`; see `open_folder`.

    Args:
        spec: see `open_folder`.
        backend: see `open_folder`.
        device: see `open_folder`.
        has_onnx: whether the folder has an ONNX file.
        eight_bits: whether it has one in 8 bits, too, that `auto` may take.
        pixels: see `open_folder`.
        gpu: whether there seems to be a GPU.

    Raises:
        TextsrError: if the backend is unknown, or does not compute on the device.
    """
    if backend not in BACKENDS:
        raise TextsrError(f"backend {backend}: unknown; use {', '.join(BACKENDS)}")
    on_cpu = device in ("auto", "cpu")
    if backend.startswith("onnx") and not on_cpu:
        raise TextsrError(f"device {device}: the backend {backend} computes on the CPU; use torch")
    if backend != "auto":
        return backend
    if not on_cpu or not has_onnx:
        return "torch"
    onnx = "onnx-int8" if eight_bits and has_vnni() else "onnx"
    if not has_torch():
        return onnx
    if device == "auto" and gpu and (pixels is None or pixels >= PAYS_PIXELS):
        return "torch"
    is_large = pixels is not None and pixels >= PAYS_PIXELS
    return "torch" if is_large and spec.architecture == "upsampler" and has_bf16() else onnx


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


def has_vnni() -> bool:
    """Whether the CPU has instructions that add products of 8 bits, of either kind.

    8 bits are 1.7 to 2.2 times as fast as floats with them, and 1.2 to 1.6 times without
    (docs/explanation/upscaling.md).
    """
    return any(cv2.checkHardwareSupport(number) for number in _VNNI)


def _is_judged(onnx: Path) -> bool:
    """Whether it is the very file in 8 bits that was judged."""
    try:
        found = hashlib.sha256(read_small_file(onnx, _MOST_BYTES)).hexdigest()
    except OSError:
        return False
    return found == JUDGED_SHA256


def _check_weights(weights: Path, onnx: Path, made_of: str | None) -> None:
    """Refuse an ONNX file that was made of other weights than those that lie beside it."""
    if made_of is None or not weights.exists():
        return
    try:
        found = hashlib.sha256(read_small_file(weights, _MOST_BYTES)).hexdigest()
    except OSError as error:
        raise TextsrError(f"{weights}: cannot be read: {error.strerror or error}") from error
    if found != made_of:
        raise TextsrError(
            f"{onnx}: was made of other weights than {weights.name} beside it; make it anew "
            "(`textsr publish-onnx` makes the package's), remove it, or use the backend torch "
            "(`--backend torch`)"
        )


def _require_torch(what: Path) -> None:
    if not has_torch():
        raise TextsrError(f"{what}: needs PyTorch; install it by `pip install 'textsr[torch]'`")
