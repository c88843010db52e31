"""The ONNX files in the package: of the very weights beside them, and whole or not at all."""

import errno
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from textsr.errors import TextsrError
from textsr.evaluation.sets import load_split
from textsr.images.image import FloatImage, to_float
from textsr.inference.onnx_backend import FLOAT32, INT8
from textsr.models.package import WEIGHTS, build_network, load_model, read_spec, save_model
from textsr.pretrained import FOLDER, load_pretrained, onnx_files
from textsr.pretrained.onnx_files import WEIGHTS_HASH, build_onnx, write_onnx_files


def computed(graph: onnx.GraphProto) -> dict[str, Any]:
    """Return the weights of a graph by the names of the network's, those in 8 bits as floats."""
    values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]].astype(np.float32)
        if node.op_type == "Mul" and set(node.input) <= set(values):
            values[node.output[0]] = values[node.input[0]] * values[node.input[1]]
    return values


def run(path: Path, lines: FloatImage) -> FloatImage:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(["hr"], {"lr": lines[:, None]})
    return np.asarray(found[:, 0], np.float32)


def test_the_shipped_file_was_made_of_the_shipped_weights() -> None:
    model = onnx.load(FOLDER / FLOAT32)
    digest = hashlib.sha256((FOLDER / WEIGHTS).read_bytes()).hexdigest()
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert said == {"scale": "4", "halo": "96", "alignment": "16", WEIGHTS_HASH: digest}
    found = computed(model.graph)
    for name, value in load_pretrained().network.state_dict().items():
        np.testing.assert_array_equal(found[name], value.numpy(), err_msg=name)


def test_the_shipped_file_gives_what_pytorch_gives(dataset: Path) -> None:
    """Of noise and of lines; the network alone, whatever its blend."""
    network = load_pretrained().network
    noise = np.random.default_rng(0).random((3, 13, 70), np.float32)
    lines = [noise, *(to_float(line.lr)[None] for line in load_split(dataset / "test")[:20])]
    for batch in lines:
        with torch.inference_mode():
            expected = network(torch.from_numpy(batch)[:, None])[:, 0].numpy()
        assert np.abs(run(FOLDER / FLOAT32, batch) - expected).max() < 1e-5


def test_the_8_bit_file_was_made_of_them_too_and_is_near(dataset: Path) -> None:
    said = [onnx.load(FOLDER / name).metadata_props for name in (FLOAT32, INT8)]
    assert list(said[0]) == list(said[1])
    for line in load_split(dataset / "test")[:20]:
        batch = to_float(line.lr)[None]
        error = np.abs(run(FOLDER / INT8, batch) - run(FOLDER / FLOAT32, batch))
        assert 0 < error.mean() < 4 / 255


@pytest.mark.slow
def test_made_anew_it_is_the_same_network() -> None:
    shipped = onnx.load(FOLDER / FLOAT32)
    anew = computed(build_onnx(FOLDER).graph)
    found = computed(shipped.graph)
    for name in load_pretrained().network.state_dict():
        np.testing.assert_array_equal(found[name], anew[name], err_msg=name)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A model folder of a small network, its weights rounded to 8 bits."""
    sizes = {"width": 8, "coarse_blocks": 1, "sequence_blocks": 1}
    spec = read_spec(FOLDER).model_copy(update=sizes)
    torch.manual_seed(0)
    network = build_network(spec)
    for parameter in network.parameters():  # the last layer begins with zeros
        torch.nn.init.normal_(parameter, std=0.1)
    save_model(tmp_path / "model", spec, network, quantized=True)
    return tmp_path / "model"


@pytest.mark.slow
def test_any_model_in_8_bits_gives_what_pytorch_gives(small: Path) -> None:
    network = load_model(small).network
    noise = np.random.default_rng(1).random((2, 20, 33), np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(noise)[:, None])[:, 0].numpy()
    assert np.abs(expected - noise.mean()).max() > 1
    path, quantized = write_onnx_files(small, [(255 * noise[0]).astype(np.uint8)])
    found = run(path, noise)
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
    error = np.abs(run(quantized, noise) - expected)
    assert 0 < error.mean() < 0.1 * np.abs(expected).mean()
    assert {file.stat().st_mode & 0o777 for file in (path, quantized)} == {0o644}


def test_a_failure_leaves_the_file_as_it_was(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (small / FLOAT32).write_bytes(b"before")

    def fail(model: onnx.ModelProto, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(onnx, "save", fail)
    monkeypatch.setattr(onnx_files, "build_onnx", lambda folder: onnx.load(FOLDER / FLOAT32))
    monkeypatch.setattr(onnx_files, "compress", lambda model, weights: None)
    monkeypatch.setattr(onnx_files, "quantize_onnx", lambda model, lines: onnx.load(FOLDER / INT8))
    with pytest.raises(TextsrError, match=r"model\.onnx: cannot be written \(No space left"):
        write_onnx_files(small, [])
    assert (small / FLOAT32).read_bytes() == b"before"
    assert {path.name for path in small.iterdir()} == {"model.json", WEIGHTS, FLOAT32}
