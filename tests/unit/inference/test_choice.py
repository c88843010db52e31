from pathlib import Path

import pytest

from textsr import pretrained
from textsr.errors import TextsrError
from textsr.inference import choice
from textsr.inference.choice import PAYS_PIXELS, choose, open_folder
from textsr.models.spec import read_spec

SPEC = read_spec(pretrained.FOLDER)


@pytest.fixture(autouse=True)
def plain_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch is installed; there is no GPU, and the CPU has no bf16."""
    monkeypatch.setattr(choice, "has_torch", lambda: True)
    monkeypatch.setattr(choice, "may_have_gpu", lambda: False)
    monkeypatch.setattr(choice, "has_bf16", lambda: False)


def chosen(backend: str = "auto", device: str = "auto", **how: object) -> str:
    given = {"has_onnx": True, "pixels": None} | how
    return choose(SPEC, backend, device, **given)  # type: ignore[arg-type]


def test_what_is_named_is_taken() -> None:
    assert chosen("onnx") == "onnx"
    assert chosen("torch") == "torch"
    assert chosen(device="cuda:1") == "torch"
    assert chosen(device="cpu") == "onnx"


def test_onnx_runtime_is_taken_where_nothing_speaks_for_pytorch() -> None:
    assert chosen() == "onnx"
    assert chosen(pixels=10 * PAYS_PIXELS) == "onnx"
    assert chosen(has_onnx=False) == "torch"


def test_pytorch_is_taken_where_it_is_faster_and_has_time_to_make_up_for_its_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choice, "has_bf16", lambda: True)
    assert chosen(pixels=PAYS_PIXELS) == "torch"
    assert chosen(pixels=PAYS_PIXELS - 1) == "onnx"
    assert chosen() == "onnx"
    monkeypatch.setattr(choice, "may_have_gpu", lambda: True)
    assert chosen() == "torch"
    assert chosen(pixels=1000) == "onnx"
    assert chosen(device="cpu") == "onnx"
    monkeypatch.setattr(choice, "has_torch", lambda: False)
    assert chosen(pixels=10 * PAYS_PIXELS) == "onnx"


def test_bf16_is_no_reason_for_a_network_that_it_does_not_suit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choice, "has_bf16", lambda: True)
    plain = SPEC.model_copy(update={"architecture": "srcnn_transposed"})
    assert choose(plain, "auto", "auto", has_onnx=True, pixels=PAYS_PIXELS) == "onnx"


def test_what_cannot_be_is_refused_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TextsrError, match="backend tpu: unknown; use auto, onnx, torch"):
        chosen("tpu")
    with pytest.raises(TextsrError, match="device cuda: the backend onnx computes on the CPU"):
        chosen("onnx", "cuda")
    with pytest.raises(TextsrError, match=r"model\.onnx: no such file.*use the backend torch"):
        open_folder(tmp_path, SPEC, backend="onnx")
    monkeypatch.setattr(choice, "has_torch", lambda: False)
    with pytest.raises(TextsrError, match=r"needs PyTorch; install it by `pip install 'textsr\["):
        open_folder(tmp_path, SPEC)


def test_a_gpu_is_looked_for_by_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(choice.sys, "platform", "linux")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(choice, "_DRIVERS", (str(tmp_path / "nvidiactl"),))
    assert not choice.may_have_gpu()
    (tmp_path / "nvidiactl").touch()
    assert choice.may_have_gpu()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not choice.may_have_gpu()


def test_bf16_is_looked_for_where_linux_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(choice, "_INSTRUCTIONS", tmp_path / "cpuinfo")
    assert not choice.has_bf16()
    (tmp_path / "cpuinfo").write_text("flags : avx2 avx512f avx512_bf16 amx_tile\n")
    assert choice.has_bf16()
