"""Scoring one method on one set, a row a line."""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch

from textsr.datasets.pairs import to_tensor
from textsr.evaluation.fidelity import psnr_db, ssim
from textsr.evaluation.sets import EvaluationLine
from textsr.images.grey import Image
from textsr.models.finite import require_finite_output
from textsr.ocr.engine import OCREngine, read_lines
from textsr.ocr.scoring import score_readings

Upscale = Callable[[Image], Image]
"""Maps a grey LR image to its upscaled image."""


def bicubic_upscale(scale: int) -> Upscale:
    """Return `cv2.INTER_CUBIC` at `scale`."""

    def upscale(image: Image) -> Image:
        resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        return np.asarray(resized, np.uint8)

    return upscale


def network_upscale(model: torch.nn.Module) -> Upscale:
    """Return the upscaling of one line by a network, on the device where the network is."""
    device = next(model.parameters()).device

    @torch.inference_mode()
    def upscale(image: Image) -> Image:
        upscaled = model(to_tensor([image]).to(device))[0, 0]
        return to_image(upscaled)

    return upscale


def to_image(plane: torch.Tensor) -> Image:
    """Clip an (H, W) tensor nominally in [0, 1] and round it to 8 bits.

    Raises:
        TextsrError: if a number is not finite.
    """
    require_finite_output(plane)
    return plane.clamp(0, 1).mul(255).round().byte().cpu().numpy()


def score_set(
    method: str,
    set_name: str,
    lines: Sequence[EvaluationLine],
    images: Sequence[Image],
    engines: Sequence[OCREngine],
    tick: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Score the images that a method made of a set's lines.

    Returns:
        A row a line with `method`, `set`, `line_id`, `text`, `psnr_db` and `ssim` against HR (NaN
        where it is not known or is the image itself), and for each OCR engine `ENGINE_text`,
        `ENGINE_exact`, `ENGINE_edits`, `ENGINE_length` (see `ocr.scoring`) and `ENGINE_version`.
    """
    rows: dict[str, Any] = {
        "method": [method] * len(lines),
        "set": [set_name] * len(lines),
        "line_id": [line.line_id for line in lines],
        "text": [line.text for line in lines],
        "psnr_db": [_fidelity(psnr_db, i, x) for i, x in zip(images, lines, strict=True)],
        "ssim": [_fidelity(ssim, i, x) for i, x in zip(images, lines, strict=True)],
    }
    for engine in engines:
        readings = read_lines(engine, images, tick)
        exact, edits, lengths = score_readings([line.text for line in lines], readings)
        rows[f"{engine.name}_text"] = readings
        rows[f"{engine.name}_exact"] = exact
        rows[f"{engine.name}_edits"] = edits
        rows[f"{engine.name}_length"] = lengths
        rows[f"{engine.name}_version"] = engine.version
    return pd.DataFrame(rows)


def _fidelity(metric: Callable[[Image, Image], float], image: Image, line: EvaluationLine) -> float:
    if line.hr is None or image is line.hr:
        return float("nan")
    return metric(image, line.hr)


def engine_names(samples: pd.DataFrame) -> list[str]:
    """Return the OCR engines that a table of scores has columns of."""
    return [name.removesuffix("_exact") for name in samples.columns if name.endswith("_exact")]
