"""RapidOCR: PP-OCR's recognizer through ONNX Runtime, with its models inside the wheel."""

import logging
from typing import Any

import cv2
import numpy as np
from joblib import cpu_count

from textsr.images.grey import Image


class RapidOCREngine:
    """PP-OCR's recognizer on one line: no detection, no direction classifier."""

    name = "rapidocr"

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

    def read(self, line: Image) -> str:
        """Return the text of a grey HxW image of one line; empty where it sees none."""
        result = self._recognize(line)
        return " ".join(result.txts) if result is not None and result.txts else ""

    def confidence(self, line: Image) -> float:
        """Return the mean probability of the characters it reads, 0 where it reads none."""
        result = self._recognize(line)
        return float(np.mean(result.scores)) if result is not None and result.scores else 0.0

    def _recognize(self, line: Image) -> Any:
        return self._engine(
            cv2.cvtColor(line, cv2.COLOR_GRAY2BGR), use_det=False, use_cls=False, use_rec=True
        )
