"""The recognizer: frames of any line, its folder, and that it is frozen where it teaches."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.errors import TextsrError
from textsr.models.recognizer import Recognizer, load_recognizer, save_recognizer

ALPHABET = "abc"


@settings(max_examples=20, deadline=None)
@given(height=st.sampled_from([32, 48, 64]), width=st.integers(8, 300))
def test_frames_are_an_eighth_of_the_height_wide(height: int, width: int) -> None:
    recognizer = Recognizer(ALPHABET).eval()
    with torch.inference_mode():
        frames = recognizer.frames(torch.rand(2, 1, height, width))
    assert frames.shape[:3] == (2, 256, 1)
    assert frames.shape[3] == pytest.approx(width / height * 8, abs=0.51)
    assert len(recognizer.read(torch.rand(2, 1, height, width), [width, width // 2])) == 2


def test_what_lies_beyond_a_line_is_not_read() -> None:
    recognizer = Recognizer(ALPHABET).eval()
    line = torch.rand(1, 1, 32, 160)
    other = line.clone()
    other[..., 120:] = 1 - other[..., 120:]
    # Its convolutions look 16 frames of 4 pixels to the side at most, less than from 120 to 48.
    assert torch.equal(
        recognizer.losses(line, ["ab"], [48]), recognizer.losses(other, ["ab"], [48])
    )


def test_folder_comes_back_frozen_and_reads_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    recognizer = Recognizer("aé€")
    recognizer.frames(torch.rand(4, 1, 64, 128))  # moves the running statistics
    recognizer.eval()
    save_recognizer(tmp_path / "r", recognizer)
    loaded = load_recognizer(tmp_path / "r")
    assert loaded.head.alphabet == "aé€"
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    lines = torch.rand(2, 1, 64, 128)
    assert torch.equal(loaded.frames(lines), recognizer.frames(lines))


def test_folded_it_reads_the_same_and_stays_as_it_was() -> None:
    torch.manual_seed(0)
    recognizer = Recognizer(ALPHABET)
    recognizer.frames(torch.rand(4, 1, 64, 128))  # moves the running statistics
    for layer in recognizer.body:
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.weight, 0.5, 2)
            torch.nn.init.uniform_(layer.bias, -1, 1)
    recognizer.eval()
    before = {name: value.clone() for name, value in recognizer.state_dict().items()}
    folded = recognizer.folded()
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in folded.modules())
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    lines = torch.rand(2, 1, 64, 128)
    frames = recognizer.frames(lines)
    torch.testing.assert_close(folded.frames(lines), frames, rtol=1e-4, atol=1e-4)
    assert frames.std() > 0.01
    assert list(recognizer.state_dict()) == list(before)
    assert all(torch.equal(recognizer.state_dict()[name], value) for name, value in before.items())
    assert all(parameter.requires_grad for parameter in recognizer.parameters())


def test_gradients_go_through_it_to_the_image() -> None:
    recognizer = Recognizer(ALPHABET).eval().requires_grad_(False)
    image = torch.rand(1, 1, 64, 128, requires_grad=True)
    recognizer.losses(image, ["abc"], [128]).sum().backward()
    assert image.grad is not None
    assert image.grad.abs().max() > 0


@pytest.mark.parametrize("damage", ["missing", "cut off", "of another alphabet"])
def test_what_is_no_recognizer_is_named(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "r"
    if damage != "missing":
        save_recognizer(folder, Recognizer(ALPHABET))
        weights = folder / "recognizer.safetensors"
        if damage == "cut off":
            weights.write_bytes(weights.read_bytes()[:-8])
        else:
            (folder / "alphabet.json").write_text('"abcd"')
    with pytest.raises(TextsrError, match=r"(?s)r: not a recognizer.*dvc repro recognizer"):
        load_recognizer(folder)
