"""Publishing: the model in 8 bits, its params and its card, whole or not at all."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from textsr.errors import TextsrError
from textsr.files import write_json
from textsr.images.grey import Image
from textsr.models.package import ModelSpec, build_network, load_model, save_model
from textsr.models.quantization import dequantize, quantize
from textsr.registry import publish_pretrained as publish
from textsr.registry.publish_pretrained import publish_blends, publish_pretrained
from textsr.tracking import RunRecord

SPEC = ModelSpec(name="scratch", architecture="upsampler", encoder="text", width=8, scale=4)
SCORE = {"accuracy": 0.7, "gain": 0.051, "gain_ci": [0.012, 0.09]}
SETS: dict[str, Any] = {
    "test": {
        "samples": 400,
        "psnr_db_gain": 1.234,
        "psnr_db_gain_ci": [1.1, 1.3],
        "ssim_gain": 0.05,
        "ssim_gain_ci": [0.04, 0.06],
        "rapidocr": SCORE,
        "tesseract": SCORE,
    },
    "receipts": {"samples": 12, "rapidocr": SCORE},
}


def write_marker(folder: Path, lines: Sequence[Image]) -> None:
    assert (folder / "weights.safetensors").is_file()
    (folder / "model.onnx").write_text(f"calibrated with {len(lines)}")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What publishing takes; tracing ONNX files takes long, and has tests of its own."""
    monkeypatch.setattr(publish, "write_onnx_files", write_marker)
    torch.manual_seed(0)
    save_model(
        tmp_path / "evaluation/model",
        SPEC.model_copy(update={"blend": 0.4, "blends": {"people": 1.0, "tesseract": 0.6}}),
        build_network(SPEC),
    )
    metrics = {"validation": {"chosen": {"weight": 0.4}}, "sets": SETS}
    (tmp_path / "evaluation/metrics.json").write_text(json.dumps(metrics))
    record = RunRecord(
        run_id="r",
        name="scratch",
        experiment="e",
        params={},
        tags={"git_commit": "abc123", "data_hash": "def.dir", "seed": "7"},
    )
    (tmp_path / "models").mkdir()
    (tmp_path / "models/run.json").write_text(record.model_dump_json())
    (tmp_path / "params.yaml").write_text("seed: 7\n")
    return tmp_path


def publish_it(project: Path) -> Path:
    return publish_pretrained(
        project / "models",
        project / "evaluation",
        project / "params.yaml",
        project / "pretrained",
        [np.zeros((16, 64), np.uint8)] * 3,
    )


def test_it_is_the_model_in_eight_bits_with_its_blend(project: Path) -> None:
    folder = publish_it(project)
    published, made = load_model(folder), load_model(project / "evaluation/model")
    assert published.spec == made.spec.model_copy(update={"name": "pretrained"})
    rounded = dequantize(quantize(made.network.state_dict()))
    for name, value in rounded.items():
        assert torch.equal(published.network.state_dict()[name], value), name
    size = (folder / "weights.safetensors").stat().st_size
    assert size < 0.4 * (project / "evaluation/model/weights.safetensors").stat().st_size
    assert (folder / "params.yaml").read_text() == "seed: 7\n"
    assert (folder / "model.onnx").read_text() == "calibrated with 3"


def test_blends_of_an_evaluation_are_taken_over_and_nothing_else(project: Path) -> None:
    folder = publish_it(project)
    published = load_model(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    judged = published.spec.model_copy(
        update={"name": "judged", "blend": 0.8, "blends": {"people": 0.8, "any": 0.8}}
    )
    save_model(project / "again/model", judged, published.network)
    chosen = {"people": 0.6, "any": 0.8, "new": 0.2}
    validation = {"chosen": {"weight": 0.8}, "as_shipped": True, "blends_on_val": chosen}
    write_json(project / "again/metrics.json", {"validation": validation, "sets": {}})
    blends = {"people": 0.6, "any": 0.4, "new": 0.2}  # what it does for any reader stays
    assert publish_blends(project / "again", folder) == blends
    assert load_model(folder).spec == published.spec.model_copy(update={"blends": blends})
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"model.json"}

    other = build_network(SPEC)
    save_model(project / "other/model", judged, other)
    with pytest.raises(TextsrError, match=r"other/model: not the network of .*evaluate@pretrained"):
        publish_blends(project / "other", folder)
    assert (folder / "model.json").read_bytes() == after["model.json"]


def test_card_has_lineage_and_results(project: Path) -> None:
    card = (publish_it(project) / "README.md").read_text(encoding="utf-8")
    for line in (
        "| git commit | abc123 |",
        "| `data.dvc` | def.dir |",
        "| test | 400 | +1.23 [+1.10, +1.30] | +0.050 [+0.040, +0.060] | +5.1 [+1.2, +9.0] "
        "| +5.1 [+1.2, +9.0] |",
        "| receipts | 12 |  |  | +5.1 [+1.2, +9.0] |  |",
        "| people | 1 |",
        "| Tesseract | 0.6 |",
    ):
        assert line in card
    assert "weight of its output against bicubic's: 0.4" in card


def test_too_large_weights_are_refused_and_the_old_ones_stay(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = publish_it(project)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(publish, "MAX_BYTES", 1000)
    with pytest.raises(
        TextsrError, match=r"evaluation/model: 0\.\d MB.*lower the width.*sequence_blocks"
    ):
        publish_it(project)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
