import importlib.util
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.errors import TextsrError
from textsr.inference.export import export_onnx
from textsr.models.package import BlendedModel, ModelSpec, build_network
from textsr.pretrained import load_pretrained


def seed_model() -> BlendedModel:
    spec = ModelSpec(name="srcnn_transposed", architecture="srcnn_transposed", scale=2, blend=0.5)
    torch.manual_seed(0)
    return BlendedModel(spec, build_network(spec)).eval()


@pytest.fixture(scope="module", params=[load_pretrained, seed_model])
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[BlendedModel, onnxruntime.InferenceSession]:
    pytest.importorskip("onnxscript")
    model = request.param()
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(model, path)
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    return model, onnxruntime.InferenceSession(path)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(
    batch=st.integers(1, 3),
    height=st.integers(1, 70),
    width=st.integers(1, 150),
    seed=st.integers(0, 99),
)
def test_onnx_gives_what_pytorch_gives(
    exported: tuple[BlendedModel, onnxruntime.InferenceSession],
    batch: int,
    height: int,
    width: int,
    seed: int,
) -> None:
    model, session = exported
    lr = np.random.default_rng(seed).random((batch, 1, height, width)).astype(np.float32)
    with torch.inference_mode():
        expected = model(torch.from_numpy(lr)).numpy()
    (found,) = session.run(None, {"lr": lr})
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.slow
def test_the_file_says_how_to_cut_images(
    exported: tuple[BlendedModel, onnxruntime.InferenceSession],
) -> None:
    model, session = exported
    assert session.get_modelmeta().custom_metadata_map == {
        "scale": str(model.scale),
        "halo": str(model.halo),
        "alignment": str(model.alignment),
    }


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match=r"model\.pt: name a file that ends in \.onnx"):
        export_onnx(seed_model(), tmp_path / "model.pt")


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TextsrError, match=r"onnx and onnxscript; install it by .*textsr\[onnx\]"):
        export_onnx(seed_model(), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
