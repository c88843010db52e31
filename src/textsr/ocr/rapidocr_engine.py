"""RapidOCR: PP-OCR's recognizer through ONNX Runtime, with its models inside the wheel."""

import importlib.util
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from joblib import cpu_count

from textsr.images.grey import Image
from textsr.ocr.versions import describe_version


class RapidOCREngine:
    """PP-OCR's recognizer on one line: no detection, no direction classifier."""

    name = "rapidocr"
    title = "RapidOCR"

    def __init__(self, threads: int = 0) -> None:
        from rapidocr import RapidOCR

        logging.getLogger("RapidOCR").setLevel(logging.ERROR)
        self._engine = RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.text_score": 0.0,
                "EngineConfig.onnxruntime.intra_op_num_threads": threads or cpu_count(),
            }
        )
        chosen = self._engine.cfg.Rec
        model = f"{chosen.ocr_version.value}_rec_{chosen.model_type.value}.onnx"
        path = Path(self._engine.cfg.Global.model_root_dir, model)
        self.version = describe_version(["rapidocr", "onnxruntime"], path)

    def read(self, lines: Sequence[Image]) -> list[str]:
        """Return the texts of grey HxW images of one line each; empty where it sees none."""
        found = map(self._recognize, lines)
        return [" ".join(one.txts) if one is not None and one.txts else "" for one in found]

    def confidence(self, lines: Sequence[Image]) -> list[float]:
        """Return the mean probability of the characters it reads in each, 0 where it reads none."""
        found = map(self._recognize, lines)
        return [
            float(np.mean(one.scores)) if one is not None and one.scores else 0.0 for one in found
        ]

    def _recognize(self, line: Image) -> Any:
        # One by one: in a batch, RapidOCR pads lines to the widest, which changes what it reads.
        return self._engine(
            cv2.cvtColor(line, cv2.COLOR_GRAY2BGR), use_det=False, use_cls=False, use_rec=True
        )


def load_rapidocr(threads: int) -> RapidOCREngine | None:
    """Load RapidOCR, where it is installed."""
    return None if importlib.util.find_spec("rapidocr") is None else RapidOCREngine(threads)
