"""How MLflow loads a registered model: `mlflow.pyfunc.load_model("models:/textsr@champion")`."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from textsr.errors import TextsrError
from textsr.models.finite import require_finite_output
from textsr.models.package import BlendedModel, load_model


class LinesUpscaler:
    """Upscales a batch of equally large grey images."""

    def __init__(self, model: BlendedModel) -> None:
        self._model = model

    def predict(
        self, model_input: npt.NDArray[np.uint8], params: dict[str, Any] | None = None
    ) -> npt.NDArray[np.uint8]:
        """Map (N, H, W) uint8 to (N, H * scale, W * scale) uint8.

        Raises:
            TextsrError: if what comes out for an image is not finite.
        """
        lr = torch.from_numpy(np.asarray(model_input)).unsqueeze(1).float().div(255)
        with torch.inference_mode():
            upscaled = self._model(lr)[:, 0]
        for number, plane in enumerate(upscaled, start=1):
            try:
                require_finite_output(plane)
            except TextsrError as error:
                raise TextsrError(f"image {number} of {len(upscaled)}: {error}") from error
        return np.asarray(upscaled.clamp(0, 1).mul(255).round().byte().numpy())


def _load_pyfunc(data_path: str) -> LinesUpscaler:
    """Load a model folder; MLflow calls this by name."""
    return LinesUpscaler(load_model(Path(data_path)))
