"""The wheel alone, in an environment of its own, upscales as the whole environment does."""

import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.footprint import SAMPLE, install_core, measure
from textsr import load_model

pytestmark = pytest.mark.slow


def test_the_wheel_upscales_in_a_clean_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    programs = install_core(tmp_path / "core")
    listed = subprocess.run(
        [programs / "python", "-m", "pip", "list", "--format=freeze"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.lower()
    for package in ("torch", "mlflow", "prefect", "dvc", "rapidocr", "pandas"):
        assert f"\n{package}==" not in listed
    found = measure(programs, tmp_path)
    with capsys.disabled():
        print(f"\n{found}")  # noqa: T201
    assert found.megabytes < 400  # OpenCV is 150 of them
    assert found.upscale_megabytes <= 300
    expected = load_model(device="cpu").upscale(SAMPLE)  # by the backend that the wheel takes
    result = cv2.imread(str(tmp_path / "big.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(result, expected.pixels)
