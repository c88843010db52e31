"""No weight that is not finite is loaded or written, and no picture comes of such an output."""

import math
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mlflow.exceptions import MlflowException
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from textsr.cli import main as cli
from textsr.config.params import Gate
from textsr.datasets.pairs import Batch
from textsr.errors import TextsrError
from textsr.evaluation.blend import choose, choose_weight
from textsr.evaluation.score import network_upscale
from textsr.evaluation.statistics import Estimate
from textsr.inference.batch import upscale_paths
from textsr.inference.export import export_onnx
from textsr.inference.torch_backend import TorchBackend
from textsr.models.encoder import build_encoder
from textsr.models.package import (
    BlendedModel,
    ModelSpec,
    build_network,
    load_model,
    save_model,
)
from textsr.models.recognizer import Recognizer, load_recognizer, save_recognizer
from textsr.models.upsampler import UpsamplerNet
from textsr.pretraining.probe import probe_reconstruction
from textsr.registry.gate import RealSet, decide, render_decision
from textsr.registry.packaging import log_model
from textsr.registry.pyfunc import RegisteredModel
from textsr.training.run import ENCODER_WEIGHTS, load_encoder

TEXT = ModelSpec(name="x", architecture="upsampler", encoder="text", width=8, scale=2)
SEED = ModelSpec(name="x", architecture="srcnn_transposed", scale=2)
WEIGHTS = "weights.safetensors"


def spoil(path: Path, name: str, value: float) -> None:
    state = load_file(path)
    state[name].view(-1)[-1] = value
    save_file(state, path)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("quantized", "name"),
    [
        (False, "encoder.stem.1.weight"),
        (True, "encoder.stem.1.weight@scale"),
        (True, "to_lr.0.bias"),
    ],
)
def test_a_model_is_refused_by_file_and_tensor(
    tmp_path: Path, value: float, quantized: bool, name: str
) -> None:
    save_model(tmp_path, TEXT, build_network(TEXT), quantized=quantized)
    spoil(tmp_path / WEIGHTS, name, value)
    said = rf"{tmp_path}/{WEIGHTS}: .* numbers of {name.removesuffix('@scale')} are not finite"
    with pytest.raises(TextsrError, match=said):
        load_model(tmp_path)
    with pytest.raises(TextsrError, match=said):
        log_model(None, "run", tmp_path)


def test_a_recognizer_and_an_encoder_are_refused_by_file_and_tensor(tmp_path: Path) -> None:
    save_recognizer(tmp_path / "r", Recognizer("ab"))
    spoil(tmp_path / "r/recognizer.safetensors", "head.classify.1.bias", math.nan)
    with pytest.raises(
        TextsrError, match=r"r: not a recognizer \(recognizer\.safetensors.*1\.bias"
    ):
        load_recognizer(tmp_path / "r")
    save_file(build_encoder("text", 8).state_dict(), tmp_path / ENCODER_WEIGHTS)
    spoil(tmp_path / ENCODER_WEIGHTS, "stem.1.bias", math.inf)
    network = build_network(TEXT)
    assert isinstance(network, UpsamplerNet)
    with pytest.raises(TextsrError, match=r"encoder\.safetensors.*of stem\.1\.bias are not finite"):
        load_encoder(network, tmp_path)


def test_what_is_not_finite_is_not_written_and_leaves_what_was_there(tmp_path: Path) -> None:
    save_model(tmp_path / "m", SEED, build_network(SEED))
    before = (tmp_path / "m" / WEIGHTS).read_bytes()
    broken = build_network(SEED)
    broken.upscale[0].bias.data[3] = math.nan
    with pytest.raises(TextsrError, match=rf"m/{WEIGHTS}: not written.*upscale\.0\.bias"):
        save_model(tmp_path / "m", SEED, broken)
    assert (tmp_path / "m" / WEIGHTS).read_bytes() == before
    engine = Recognizer("ab")
    engine.head.classify[1].bias.data[0] = 1e5  # finite, until it is halved for the package
    with pytest.raises(TextsrError, match=r"not written.*classify\.1\.bias"):
        save_recognizer(tmp_path / "r", engine.half())
    with pytest.raises(TextsrError, match=r"m\.onnx: not written.*upscale\.0\.bias"):
        export_onnx(BlendedModel(SEED, broken), tmp_path / "m.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


class Bright(nn.Module):
    """Twice the size; of an image that is all white, no numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.halo, self.alignment = 2, 0, 1
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        white = images.amin((1, 2, 3), keepdim=True) == 1
        return F.interpolate(images.where(~white, torch.nan), scale_factor=2)


@pytest.mark.parametrize("side", [8, 200])  # together with others, and alone
def test_an_image_of_which_nothing_comes_is_named_and_the_others_are_written(
    tmp_path: Path, side: int
) -> None:
    for name, level in (("a", 90), ("b", 255), ("c", 120)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((side, side), level, np.uint8))
    inputs = sorted(tmp_path.glob("*.png"))
    with pytest.raises(TextsrError) as caught:
        upscale_paths(TorchBackend(Bright()), inputs, tmp_path / "out", tile=64)
    said = str(caught.value)
    assert said.startswith("1 of 3 images could not be upscaled:")
    assert f"  {inputs[1]}: the network's output holds numbers that are not finite" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


def test_upscale_ends_with_status_1_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = build_network(SEED)
    for parameter in network.parameters():
        nn.init.constant_(parameter, 3e38)  # finite, and more than can be added up
    save_model(tmp_path / "m", SEED, network)
    cv2.imwrite(str(tmp_path / "a.png"), np.full((20, 40), 90, np.uint8))
    arguments = ["upscale", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png")]
    monkeypatch.setattr(sys, "argv", ["textsr", *arguments, "--model", str(tmp_path / "m")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert f"textsr: {tmp_path}/a.png: the network's output holds" in capsys.readouterr().err
    assert not (tmp_path / "b.png").exists()


def test_evaluation_and_serving_refuse_such_an_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.stack([np.full((8, 8), level, np.uint8) for level in (9, 255, 30)])
    with pytest.raises(TextsrError, match="not finite"):
        network_upscale(Bright())(images[1])
    save_model(tmp_path, SEED, build_network(SEED))
    bright = TorchBackend(Bright())
    monkeypatch.setattr("textsr.registry.pyfunc.open_folder", lambda folder, spec: bright)
    with pytest.raises(MlflowException, match=r"^image 2 of 3: .*not finite"):
        RegisteredModel(tmp_path).predict(images)


def test_a_probe_of_features_that_are_not_finite_is_refused() -> None:
    encoder = build_encoder("text", 8)
    for parameter in encoder.parameters():
        nn.init.constant_(parameter, 3e38)
    batch = Batch(torch.rand(2, 1, 16, 32), torch.rand(2, 1, 64, 128))
    with pytest.raises(TextsrError, match=r"features.*lower pretraining\.learning_rate"):
        probe_reconstruction(encoder, [batch], [batch])


@pytest.mark.parametrize("key", ["gain", "gain_se", "cer"])
def test_no_candidate_is_chosen_beside_a_score_that_is_no_number(key: str) -> None:
    score = {"accuracy": 0.5, "gain": 0.1, "gain_se": 0.01, "cer": 0.2}
    candidates = [
        {
            "weight": weight,
            "engines": {"rapidocr": score | ({key: math.nan} if weight == w else {})},
        }
        for w in (0.5, 1.0)
        for weight in (0.5, 1.0)
    ]
    for pair in (candidates[:2], candidates[2:]):
        with pytest.raises(TextsrError, match=rf"{key} of rapidocr .* is nan"):
            choose_weight(pair)
        with pytest.raises(TextsrError, match=rf"{key} of rapidocr .* is nan"):
            choose({"scratch": pair[0], "byol": pair[1]})


@pytest.mark.parametrize(
    "part",
    ["rapidocr", "champion", "psnr_db", "ssim", "ms", "missing", "slice", "real"],
)
@pytest.mark.parametrize("side", ["value", "low", "high"])
def test_the_gate_refuses_what_is_no_number(part: str, side: str) -> None:
    gate = Gate(
        min_psnr_gain_db=-1,
        min_ssim_gain=-1,
        max_ms_per_line=20,
        min_engines_better=1,
        min_lines=20,
        slice_significance=0.05,
    )
    good = {"value": 0.1, "low": 0.05, "high": 0.2}
    bad = Estimate(**good | {side: math.nan})
    over = {name: Estimate(**good) for name in ("rapidocr", "tesseract", "psnr_db", "ssim")}
    champion = {"rapidocr": bad if part == "champion" else Estimate(**good)}
    if part in over:
        over[part] = bad
    if part == "missing":  # its column holds no numbers
        del over["psnr_db"]
    slices = [
        {"by": "kind of text", "slice": name, "lines": 20, "engines": {
            "rapidocr": {"gain": 0.1, "gain_ci": [0.05, 0.2], "p_worse": chance}}}
        for name, chance in (("url", 0.9), ("date", math.nan if part == "slice" else 0.8))
    ]  # fmt: skip
    receipts = {"rapidocr": bad if part == "real" else Estimate(**good)}
    real = {"receipts": RealSet(20, receipts)}
    ms = math.nan if part == "ms" else 1.0
    decision = decide(gate, over, champion, ms, slices, real)
    assert not decision.promoted
    record = {"model_name": "m", "version": "1", "method": "x", **decision.model_dump()}
    assert "**fail**" in render_decision(record)
