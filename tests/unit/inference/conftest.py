from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture
def make_image(tmp_path: Path) -> Callable[..., Path]:
    """Write a small tinted image of random grey under `tmp_path` and return its path."""

    def make(name: str, height: int = 6, width: int = 9) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        grey = np.random.default_rng(0).integers(0, 256, (height, width, 1))
        values = (grey * [0.7, 1.0, 0.9]).astype(np.uint8)
        assert cv2.imwrite(str(path), values)
        return path

    return make
