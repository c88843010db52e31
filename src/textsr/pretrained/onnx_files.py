"""The pretrained network as ONNX files, which upscale without PyTorch.

Each is the network alone: the blend with bicubic (`model.json`) is left to whoever runs it.
"""

import hashlib
from pathlib import Path

import onnx
from onnx import helper, numpy_helper
from safetensors.numpy import load_file

from textsr.errors import TextsrError
from textsr.files import replace_file
from textsr.inference.export import trace_onnx
from textsr.models.package import WEIGHTS, load_model
from textsr.models.quantization import SCALE
from textsr.pretrained import ONNX

WEIGHTS_HASH = "weights_sha256"
"""The metadata of an ONNX file that tells of which `weights.safetensors` it was made."""


def write_onnx(folder: Path) -> Path:
    """Write the ONNX file of a model folder, whole or not at all.

    Raises:
        TextsrError: if the packages that write ONNX are missing, or the folder holds no model.
    """
    path = folder / ONNX
    model = build_onnx(folder)
    compress(model, folder / WEIGHTS)
    onnx.checker.check_model(model, full_check=True)
    _save(model, path)
    return path


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


def _save(model: onnx.ModelProto, path: Path) -> None:
    try:
        with replace_file(path) as temporary:
            onnx.save(model, temporary)
            temporary.chmod(0o644)  # it is installed for all users
    except OSError as error:
        raise TextsrError(f"{path}: cannot be written ({error.strerror})") from error
