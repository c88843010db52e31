"""The pretrained network as ONNX files, which upscale without PyTorch.

Each is the network alone: the blend with bicubic (`model.json`) is left to whoever runs it.
"""

import hashlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from safetensors.numpy import load_file

from textsr.errors import TextsrError
from textsr.files import replace_file
from textsr.images.grey import Image
from textsr.images.image import FloatImage
from textsr.inference.export import trace_onnx
from textsr.inference.onnx_backend import FLOAT32, INT8
from textsr.models.package import WEIGHTS, load_model
from textsr.models.quantization import SCALE

WEIGHTS_HASH = "weights_sha256"
"""The metadata of an ONNX file that tells of which `weights.safetensors` it was made."""


def write_onnx_files(folder: Path, lines: Sequence[Image]) -> list[Path]:
    """Write the ONNX files of a model folder, each whole or not at all; neither if one fails.

    Args:
        folder: with the model.
        lines: LR lines to calibrate the 8-bit file with, of the kind that it was trained on.

    Returns:
        The file in floats, and the one in 8 bits.

    Raises:
        TextsrError: if the packages that write ONNX are missing, the folder holds no model, or a
            file cannot be written.
    """
    network = build_onnx(folder)
    quantized = quantize_onnx(network, lines)
    compress(network, folder / WEIGHTS)
    made = {FLOAT32: network, INT8: quantized}
    for model in made.values():
        onnx.checker.check_model(model, full_check=True)
    for name, model in made.items():
        _save(model, folder / name)
    return [folder / name for name in made]


def build_onnx(folder: Path) -> onnx.ModelProto:
    """Return the network of a model folder, its weights as floats.

    Input and output are those of `textsr.inference.export.export_onnx`.
    """
    proto: onnx.ModelProto = trace_onnx(load_model(folder).network).model_proto
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    proto.metadata_props.add(key=WEIGHTS_HASH, value=digest)
    return proto


def compress(model: onnx.ModelProto, weights: Path) -> None:
    """Store what `weights` stores in 8 bits (`models.quantization`) so in the ONNX file, too.

    A Cast and a Mul in front of each convolution make the same floats of it. ONNX Runtime computes
    them once, when it loads the file. It would leave a DequantizeLinear where it is, and compute
    it for each batch anew, unless a session's option says otherwise.
    """
    stored = load_file(weights)
    nodes: list[onnx.NodeProto] = []
    for number, initializer in enumerate(model.graph.initializer):
        name = initializer.name
        if name + SCALE not in stored:
            continue
        steps, scale = stored[name], stored[name + SCALE]
        numbers = numpy_helper.from_array(steps, f"{name}@steps")
        model.graph.initializer[number].CopyFrom(numbers)
        columns = scale.reshape(-1, *[1] * (steps.ndim - 1))
        model.graph.initializer.append(numpy_helper.from_array(columns, name + SCALE))
        floats = f"{name}@floats"
        nodes += [
            helper.make_node("Cast", [numbers.name], [floats], to=onnx.TensorProto.FLOAT),
            helper.make_node("Mul", [floats, name + SCALE], [name]),
        ]
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])


def quantize_onnx(model: onnx.ModelProto, lines: Sequence[Image]) -> onnx.ModelProto:
    """Return a network whose convolutions are computed in 8 bits.

    Static quantization (Jacob et al. 2018, arXiv 1712.05877, section 2): the range of each
    convolution's input and output is the widest among `lines`. Weights have a scale an output
    channel, and 7 bits, since processors without VNNI add two products of 8 bits in 16, where they
    may overflow.

    Args:
        model: as `build_onnx` returns it.
        lines: LR lines, 8-bit.
    """
    batches = [{"lr": np.asarray(line / np.float32(255), np.float32)[None, None]} for line in lines]
    # It adds what was inferred to the model that it is given.
    given = onnx.ModelProto()
    given.CopyFrom(model)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / INT8
        quantize_static(
            given,
            path,
            _Calibration(batches),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Relu"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        quantized = onnx.load(path)
    del quantized.metadata_props[:]
    quantized.metadata_props.extend(model.metadata_props)
    return quantized


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # it has no types
    def __init__(self, batches: Sequence[dict[str, FloatImage]]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, FloatImage] | None:
        return next(self._batches, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out a warning that tells to change the network before it is quantized."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _save(model: onnx.ModelProto, path: Path) -> None:
    try:
        with replace_file(path) as temporary:
            onnx.save(model, temporary)
            temporary.chmod(0o644)  # it is installed for all users
    except OSError as error:
        raise TextsrError(f"{path}: cannot be written ({error.strerror})") from error
