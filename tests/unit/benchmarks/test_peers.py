"""Peers: installed when their pins change, talked to as long as they live, grey in and grey out."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import peers

HERE = Path(peers.__file__).parent

UPSCALER = """
import numpy as np
from protocol import serve_upscaler

def load(name, threads):
    print("a library greets")
    def upscale(image):
        if image.max() == 255:
            raise SystemExit(f"{name} with {threads} threads: too bright")
        assert (image == image[..., :1]).all()
        magnified = image.repeat(SIZE, 0).repeat(SIZE, 1)
        magnified[..., 0] += 10  # red: 0.299 of luma
        return magnified
    return upscale

serve_upscaler(load)
"""


@contextmanager
def stub(tmp_path: Path, monkeypatch: Any, size: int = 4) -> Iterator[peers.RunningUpscaler]:
    """Run an upscaler that repeats pixels and adds some red, in this environment."""
    script = tmp_path / "ncnn_upscaler.py"
    script.write_text(UPSCALER.replace("SIZE", str(size)))
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.setattr(peers, "_HERE", tmp_path)
    monkeypatch.setattr(peers, "_install", lambda name: Path(sys.executable))
    with peers.start_upscaler("realesrgan-x4plus", 3) as upscaler:
        yield upscaler


def test_grey_goes_out_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.arange(15, dtype=np.uint8).reshape(3, 5) * 10
    with stub(tmp_path, monkeypatch) as upscaler:
        for padding in (0, 2):
            upscaled = upscaler.upscale(image, padding)
            np.testing.assert_array_equal(upscaled, image.repeat(4, 0).repeat(4, 1) + 3)
            assert upscaled.dtype == np.uint8
        upscaler.repeat(2)
        assert upscaler.upscale(image[:1, :1]).shape == (4, 4)


def test_a_peer_that_ends_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        stub(tmp_path, monkeypatch) as upscaler,
        pytest.raises(peers.PeerError, match="realesrgan-x4plus with 3 threads: too bright"),
    ):
        upscaler.upscale(np.full((2, 2), 255, np.uint8))


def test_another_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        stub(tmp_path, monkeypatch, size=2) as upscaler,
        pytest.raises(peers.PeerError, match="not 4 times"),
    ):
        upscaler.upscale(np.zeros((2, 3), np.uint8))


def test_installed_again_only_when_its_pins_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins, commands = tmp_path / "some.txt", []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command[2])
        failed = "pip" in command and "nonsense" in pins.read_text()
        return subprocess.CompletedProcess(command, int(failed), "", "No such thing\n\n")

    monkeypatch.setattr(peers, "_HERE", tmp_path)
    monkeypatch.setattr(peers, "FOLDER", tmp_path / "out")
    monkeypatch.setattr(subprocess, "run", run)
    for content, ran in (("one==1", 2), ("one==1", 2), ("one==2", 4)):
        pins.write_text(content)
        assert peers._install("some") == tmp_path / "out/some/bin/python"
        assert len(commands) == ran
    pins.write_text("nonsense")
    for _ in range(2):  # what failed is tried again
        with pytest.raises(peers.PeerError, match=r"^No such thing$"):
            peers._install("some")
    assert commands == ["venv", "pip"] * 4


def test_versions_tell_peers_of_one_environment_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: peers.upscaler_version(name) for name in peers.UPSCALERS}
    assert len(set(before.values())) == len(before)
    for file in HERE.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "ncnn.txt").write_text("ncnn==2")
    monkeypatch.setattr(peers, "_HERE", tmp_path)
    after = {name: peers.upscaler_version(name) for name in peers.UPSCALERS}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"realesrgan-x4plus", "realesr-animevideov3-x4"}
