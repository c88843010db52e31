import pytest
import torch

from textsr.errors import TextsrError
from textsr.inference.torch_backend import choose_device, suits_bf16
from textsr.models.package import BlendedModel, ModelSpec, build_network


@pytest.mark.parametrize("name", [None, "auto"])
@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_the_fastest_device_is_chosen(
    monkeypatch: pytest.MonkeyPatch, name: str | None, cuda: bool, mps: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device(name) == torch.device(expected)


def test_a_device_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(TextsrError, match="device cuda:2: not available here"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["cuda", "mps", "xpu"])
def test_absent_devices_are_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(TextsrError, match=f"device {name}: not available here; use cpu"):
        choose_device(name)


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(TextsrError, match="unknown; use auto, cpu"):
        choose_device(name)


@pytest.mark.parametrize(
    ("architecture", "device", "instructions", "expected"),
    [
        ("upsampler", "cpu", True, True),
        ("upsampler", "cpu", False, False),
        ("upsampler", "cuda", True, False),
        ("srcnn_transposed", "cpu", True, False),
    ],
)
def test_bf16_is_for_corrections_on_cpus_that_have_it(
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    device: str,
    instructions: bool,
    expected: bool,
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    spec = ModelSpec.model_validate(
        {"name": "n", "architecture": architecture, "scale": 2, "encoder": "text", "width": 8}
    )
    assert suits_bf16(BlendedModel(spec, build_network(spec)), torch.device(device)) is expected
