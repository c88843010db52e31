import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from textsr import pretrained
from textsr.errors import TextsrError
from textsr.inference import choice
from textsr.inference.choice import PAYS_PIXELS, choose, open_folder
from textsr.inference.onnx_backend import FLOAT32, INT8
from textsr.models.spec import read_spec

SPEC = read_spec(pretrained.FOLDER)


@pytest.fixture(autouse=True)
def plain_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch is installed; there is no GPU, and the CPU has neither bf16 nor VNNI."""
    monkeypatch.setattr(choice, "has_torch", lambda: True)
    monkeypatch.setattr(choice, "may_have_gpu", lambda: False)
    monkeypatch.setattr(choice, "has_bf16", lambda: False)
    monkeypatch.setattr(choice, "has_vnni", lambda: False)


def chosen(backend: str = "auto", device: str = "auto", **how: object) -> str:
    usual = {"has_onnx": True, "eight_bits": True, "pixels": None, "gpu": choice.may_have_gpu()}
    given = usual | how
    return choose(SPEC, backend, device, **given)  # type: ignore[arg-type]


def test_what_is_named_is_taken() -> None:
    assert chosen("onnx") == "onnx"
    assert chosen("onnx-int8") == "onnx-int8"
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
    given = {"has_onnx": True, "eight_bits": False, "pixels": PAYS_PIXELS, "gpu": False}
    assert choose(plain, "auto", "auto", **given) == "onnx"  # type: ignore[arg-type]


def test_8_bits_are_taken_for_onnx_runtime_where_they_may_be_and_the_cpu_has_vnni(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choice, "has_vnni", lambda: True)
    assert chosen() == chosen(device="cpu") == "onnx-int8"
    assert chosen("onnx") == chosen(eight_bits=False) == "onnx"
    assert chosen(has_onnx=False) == chosen(device="cuda") == "torch"
    monkeypatch.setattr(choice, "has_bf16", lambda: True)
    assert chosen(pixels=PAYS_PIXELS) == "torch"
    assert chosen(pixels=PAYS_PIXELS - 1) == "onnx-int8"
    monkeypatch.setattr(choice, "may_have_gpu", lambda: True)
    assert chosen() == "torch"
    monkeypatch.setattr(choice, "has_torch", lambda: False)
    assert chosen(pixels=PAYS_PIXELS) == "onnx-int8"


def test_8_bits_are_taken_where_the_folder_has_them_and_they_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "has_vnni", lambda: True)
    assert open_folder(pretrained.FOLDER, SPEC).name == "onnx"  # a caller has to allow them
    assert open_folder(pretrained.FOLDER, SPEC, eight_bits=True).name == "onnx-int8"
    named = open_folder(pretrained.FOLDER, SPEC, backend="onnx", eight_bits=True)
    assert named.name == "onnx"
    shutil.copy(pretrained.FOLDER / FLOAT32, tmp_path)
    assert open_folder(tmp_path, SPEC, eight_bits=True).name == "onnx"


def test_what_cannot_be_is_refused_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TextsrError, match="backend tpu: unknown; use auto, onnx, onnx-int8, torch"):
        chosen("tpu")
    with pytest.raises(TextsrError, match="device cuda: the backend onnx computes on the CPU"):
        chosen("onnx", "cuda")
    with pytest.raises(TextsrError, match="device cuda: the backend onnx-int8 computes on the CPU"):
        chosen("onnx-int8", "cuda")
    shutil.copy(pretrained.FOLDER / INT8, tmp_path)  # no one asked for it
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


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["AVX2", "AVX512F", "AVX512BW"], False), (["AVX512VNNI"], True), (["AVX_VNNI"], True)],
)
def test_vnni_is_looked_for_by_the_names_that_opencv_gives(
    monkeypatch: pytest.MonkeyPatch, names: list[str], expected: bool
) -> None:
    monkeypatch.undo()
    name_of = cv2.getHardwareFeatureName
    monkeypatch.setattr(choice.cv2, "checkHardwareSupport", lambda number: name_of(number) in names)
    assert choice.has_vnni() == expected


@pytest.mark.slow
def test_a_driver_alone_is_no_reason_for_pytorch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.undo()
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(choice, "_DRIVERS", (str(tmp_path / "nvidiactl"),))
    monkeypatch.setattr(choice, "_INSTRUCTIONS", tmp_path / "cpuinfo")
    monkeypatch.setattr(choice.sys, "platform", "linux")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert open_folder(pretrained.FOLDER, SPEC).name == "onnx"
    assert open_folder(pretrained.FOLDER, SPEC, pixels=PAYS_PIXELS).name == "onnx"
    (tmp_path / "cpuinfo").write_text("flags : avx512_bf16\n")
    assert open_folder(pretrained.FOLDER, SPEC, pixels=PAYS_PIXELS).name == "torch"
    (tmp_path / "bare").mkdir()
    for name in ("model.json", choice._WEIGHTS):
        shutil.copy(pretrained.FOLDER / name, tmp_path / "bare")
    assert open_folder(tmp_path / "bare", SPEC).name == "torch"


def test_the_file_in_8_bits_is_computed_where_it_is_named(tmp_path: Path) -> None:
    images = np.random.default_rng(2).random((1, 1, 16, 64)).astype(np.float32)
    floats, eight = (
        open_folder(pretrained.FOLDER, SPEC, backend=name) for name in ("onnx", "onnx-int8")
    )
    assert (floats.name, eight.name) == ("onnx", "onnx-int8")
    difference = np.abs(floats.run(images) - eight.run(images))
    assert 0 < difference.max() < 0.1
    shutil.copy(pretrained.FOLDER / FLOAT32, tmp_path)
    with pytest.raises(TextsrError, match=r"model_int8\.onnx: no such file.*backend auto,"):
        open_folder(tmp_path, SPEC, backend="onnx-int8")


@pytest.mark.parametrize(("backend", "name"), [("onnx", FLOAT32), ("onnx-int8", INT8)])
def test_a_file_made_of_other_weights_is_refused(tmp_path: Path, backend: str, name: str) -> None:
    shutil.copy(pretrained.FOLDER / name, tmp_path)
    assert open_folder(tmp_path, SPEC, backend=backend).scale == 4
    weights = (pretrained.FOLDER / choice._WEIGHTS).read_bytes()
    (tmp_path / choice._WEIGHTS).write_bytes(weights)
    assert open_folder(tmp_path, SPEC, backend=backend).scale == 4
    (tmp_path / choice._WEIGHTS).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(TextsrError, match=rf"{name}: was made of other weights.*--backend torch"):
        open_folder(tmp_path, SPEC, backend=backend)


@pytest.mark.slow
def test_names_that_are_told_twice_agree() -> None:
    pytest.importorskip("onnx")
    from textsr.inference import onnx_backend
    from textsr.models import package
    from textsr.pretrained import onnx_files

    assert choice._WEIGHTS == package.WEIGHTS
    assert onnx_backend.WEIGHTS_HASH == onnx_files.WEIGHTS_HASH
