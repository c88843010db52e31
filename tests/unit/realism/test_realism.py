"""Judging the synthetic data against folders of real images."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from textsr.config.params import Params
from textsr.errors import TextsrError
from textsr.realism.classifier import tell_apart
from textsr.realism.run import (
    draw_like,
    effect_keys,
    judge,
    read_real,
    report_realism,
    without_effect,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """24 images of noise, which no one would call text."""
    folder = tmp_path / "real"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(24):
        noise = rng.integers(0, 256, (14 + number % 9, 40)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number:02d}.png"), noise)
    return folder


def test_lines_are_drawn_at_their_partners_heights(tiny_params: Params, data: Path) -> None:
    real = [np.zeros((height, 60), np.uint8) for height in (9, 12, 16, 19, 24, 90)]
    drawn = draw_like(real, tiny_params, data)
    assert [image.shape[0] for image in drawn] == [12, 12, 16, 20, 24, 64]


def test_each_effect_can_be_switched_off_alone(tiny_params: Params) -> None:
    keys = effect_keys(tiny_params)
    assert "synthesis.render.dot_matrix" in keys
    assert "synthesis.degradation.second.jpeg" in keys
    for key in keys:
        left = effect_keys(without_effect(tiny_params, key))
        assert set(keys) - set(left) == {key}
    assert effect_keys(tiny_params) == keys


def judge_briefly(*arguments: Any) -> Any:
    """Judge, in the process that is asked to: noise and text differ after a tenth of the steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("textsr.realism.run.tell_apart", partial(tell_apart, steps=40))
        return judge(*arguments)


@pytest.mark.slow
def test_report_names_what_was_told_apart(
    tiny_params: Params,
    data: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("textsr.realism.run.judge", judge_briefly)
    ticks: list[int] = []
    report = report_realism(
        [folder],
        tiny_params,
        data,
        tmp_path / "out",
        ablate=False,
        start=lambda name, total: lambda: ticks.append(total),
    )
    assert ticks == [1]
    assert f"{folder} 100.0%" in report
    found = json.loads((tmp_path / "out/realism.json").read_text())
    assert found["images"] == 24
    assert found["verdicts"]["all effects"]["accuracy"] > 0.9
    picture = cv2.imread(str(tmp_path / "out/realism.png"))
    assert picture is not None
    assert picture.shape[1] == 1300


def test_too_few_images_missing_folders_and_broken_ones_are_named(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(TextsrError, match=r"nothing: no such folder"):
        read_real([tmp_path / "nothing"])
    for path in sorted(folder.iterdir())[:6]:
        path.unlink()
    with pytest.raises(TextsrError, match=r"real: 18 images; give at least 20"):
        read_real([folder])
    for number in range(3):
        (folder / f"bad{number}.png").write_bytes(b"no image")
    with pytest.raises(TextsrError, match=r"bad0\.png: cannot be decoded"):
        read_real([folder])
