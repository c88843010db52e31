"""Networks computed by PyTorch, on CPUs and GPUs."""

from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from textsr.errors import TextsrError
from textsr.images.image import FloatImage
from textsr.inference.backend import memory_error
from textsr.inference.cores import granted_cores
from textsr.models.finite import require_finite_output
from textsr.models.package import BlendedModel, load_model
from textsr.models.spec import ModelSpec

_WORKERS_BESIDE_GPU = 2  # one decodes or encodes while the other computes


class TorchBackend:
    """A module that maps (B, 1, H, W) to (B, 1, H * scale, W * scale)."""

    name = "torch"

    def __init__(
        self,
        model: nn.Module,
        *,
        device: torch.device | str = "cpu",
        bf16: bool = False,
        threads: int | None = None,
    ) -> None:
        """Move a model to where it is computed, and set it to evaluation.

        Args:
            model: has `scale`, `halo` and `alignment`; see `textsr.inference.backend.Backend`.
            device: where to compute.
            bf16: compute convolutions in bf16; see `suits_bf16`.
            threads: of the CPU; None: PyTorch's, but no more than there are cores for this process,
                as PyTorch does not know of a container's quota.
        """
        self.device = torch.device(device)
        self.scale, self.halo, self.alignment = (
            int(cast(Any, getattr(model, name))) for name in ("scale", "halo", "alignment")
        )
        self.threads = threads or min(torch.get_num_threads(), granted_cores())
        self.workers = self.threads if self.device.type == "cpu" else _WORKERS_BESIDE_GPU
        self._bf16 = bf16
        self._usual_threads = torch.get_num_threads()
        # Convolutions on CPUs read the channels of a pixel together.
        self._model = model.to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def run(self, images: FloatImage, threads: int | None = None) -> FloatImage:
        """Upscale a batch; see `Backend.run`."""
        torch.set_num_threads(threads or self.threads)  # of the calling thread
        try:
            with (
                torch.inference_mode(),
                torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16),
            ):
                output = self._model(torch.tensor(images, device=self.device))
                require_finite_output(output)
                return cast(FloatImage, output.float().cpu().numpy())
        except torch.OutOfMemoryError as error:
            raise TextsrError(memory_error(str(self.device), images)) from error
        finally:
            torch.set_num_threads(self._usual_threads)


def load_torch(
    folder: Path, spec: ModelSpec, *, device: str = "auto", threads: int | None = None
) -> TorchBackend:
    """Load a model folder, to be computed in bf16 where that suits it.

    Args:
        folder: the model folder.
        spec: its specification, with the blend to use.
        device: see `choose_device`.
        threads: of the CPU; None: one for each core that there is for this process.

    Raises:
        TextsrError: if a file is missing or damaged, or the device is not there.
    """
    target = choose_device(device)
    model = BlendedModel(spec, load_model(folder).network)
    return TorchBackend(model, device=target, bf16=suits_bf16(model, target), threads=threads)


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
