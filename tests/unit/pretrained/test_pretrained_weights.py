"""The weights in the package: complete, small, described, and better than bicubic."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from textsr import pretrained
from textsr.config.params import Params
from textsr.evaluation.fidelity import psnr_db
from textsr.evaluation.score import bicubic_upscale, network_upscale
from textsr.evaluation.sets import load_split
from textsr.inference.onnx_backend import FLOAT32, INT8
from textsr.models.package import WEIGHTS, count_parameters, load_model
from textsr.pretrained import load_pretrained
from textsr.registry.publish_pretrained import MAX_BYTES
from textsr.training.run import plan_training, run_training


def test_the_folder_is_complete_small_and_holds_numbers_alone() -> None:
    names = {path.name for path in pretrained.FOLDER.iterdir()}
    assert names == {"README.md", "model.json", "params.yaml", WEIGHTS, FLOAT32, INT8}
    assert (pretrained.FOLDER / WEIGHTS).stat().st_size <= MAX_BYTES
    numbers = load_file(pretrained.FOLDER / WEIGHTS)
    assert all(torch.isfinite(value).all() for value in numbers.values())
    params = yaml.safe_load((pretrained.FOLDER / "params.yaml").read_text())  # of its own commit
    assert params["synthesis"]["scale"] == 4


def test_card_says_how_it_was_made_and_what_it_does() -> None:
    card = (pretrained.FOLDER / "README.md").read_text(encoding="utf-8")
    for part in ("git commit", "`data.dvc`", "seed", "| test |", "RapidOCR", "Tesseract"):
        assert part in card


def test_it_is_nearer_to_the_truth_than_bicubic(dataset: Path) -> None:
    """On fonts and texts that its training never saw, with its whole weight."""
    model = load_pretrained()
    upscale, peer = network_upscale(model.network), bicubic_upscale(4)
    gains = [
        psnr_db(upscale(line.lr), line.hr) - psnr_db(peer(line.lr), line.hr)
        for line in load_split(dataset / "test")
        if line.hr is not None
    ]
    assert np.mean(gains) > 0.5
    assert np.mean(np.array(gains) > 0) > 0.75


def test_upscaling_works_outside_of_any_project(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "photo.jpg"), np.full((20, 30, 3), 200, np.uint8))
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from textsr.cli.main import main; main()"),
            *("upscale", "photo.jpg", "-o", "big.png"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "model: the pretrained weights" in done.stderr
    assert Image.open(tmp_path / "big.png").size == (120, 80)


def test_no_steps_give_its_weights_as_they_are(
    tiny_params: Params, dataset: Path, tmp_path: Path
) -> None:
    run = plan_training("pretrained", tiny_params, dataset, None, tmp_path)
    trained = run_training(run, tmp_path / "model", lambda metrics, step: pytest.fail("no step"))
    assert trained.curves == [{"step": 0.0}]
    weights = count_parameters(load_pretrained())
    assert trained.cost == {"train_seconds": 0, "steps_done": 0, "parameters": weights}
    before, after = (
        load_pretrained().network,
        load_model(tmp_path / "model").network,
    )
    for name, value in before.state_dict().items():
        assert torch.equal(after.state_dict()[name], value), name


def test_steps_go_on_from_its_weights(
    tiny_params: Params, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = tiny_params.models["pretrained"].model_copy(update={"steps": 2})
    params = tiny_params.model_copy(update={"models": {"pretrained": model}})
    run = plan_training("pretrained", params, dataset, None, tmp_path)
    curves = run_training(run, tmp_path / "model", lambda metrics, step: None).curves
    assert [row["step"] for row in curves] == [2]
    start = load_pretrained().network.state_dict()
    end = load_model(tmp_path / "model").network.state_dict()
    moved = max(float((end[name] - value).abs().max()) for name, value in start.items())
    assert 0 < moved < 0.01


def test_at_another_scale_all_but_the_last_layer_is_taken_over(
    tiny_params: Params, dataset: Path, tmp_path: Path
) -> None:
    synthesis = tiny_params.synthesis.model_copy(update={"scale": 2})
    params = tiny_params.model_copy(update={"synthesis": synthesis})
    run = plan_training("pretrained", params, dataset, None, tmp_path)
    run_training(run, tmp_path / "model", lambda metrics, step: None)
    mine = load_model(tmp_path / "model")
    assert mine.scale == 2
    theirs = load_pretrained().network.state_dict()
    same = [torch.equal(value, theirs[n]) for n, value in mine.network.state_dict().items()
            if value.shape == theirs[n].shape]  # fmt: skip
    assert all(same)
    assert len(same) == len(theirs) - 2
