"""A model as one ONNX file, for programs without PyTorch."""

import importlib.util
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.export import Dim

from textsr.errors import TextsrError
from textsr.files import replace_file
from textsr.models.finite import require_finite_weights
from textsr.models.package import BlendedModel

OPSET = 20
"""Version of the ONNX operators: of ONNX 1.15 and ONNX Runtime 1.17."""


def export_onnx(model: BlendedModel, path: Path) -> None:
    """Write a model as ONNX, whole or not at all.

    Input `lr` is (batch, 1, height, width) float32 in [0, 1] of any size; output `hr` is
    (batch, 1, height * scale, width * scale), not clipped. The file's metadata tell `scale`, and
    `halo` and `alignment`, which whoever cuts images into tiles needs.

    Raises:
        TextsrError: if the packages that write ONNX are missing, the name has another suffix, or a
            weight is not finite.
    """
    if path.suffix.lower() != ".onnx":
        raise TextsrError(f"{path}: name a file that ends in .onnx")
    require_finite_weights(model.state_dict(), path)
    program = trace_onnx(model)
    try:
        with replace_file(path) as temporary:
            program.save(temporary, external_data=False)
    except OSError as error:
        raise TextsrError(f"{path}: cannot be written ({error.strerror})") from error


def trace_onnx(model: nn.Module) -> torch.onnx.ONNXProgram:
    """Return a network, or a model, as an ONNX program; see `export_onnx`.

    Args:
        model: has `scale`, `halo` and `alignment`. Initializers are named as its parameters.

    Raises:
        TextsrError: if the packages that write ONNX are missing.
    """
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise TextsrError(
            f"exporting needs {' and '.join(missing)}; install it by `pip install 'textsr[onnx]'`"
        )
    # Sides of 1 would be taken for constants.
    alignment = cast(int, model.alignment)
    example = torch.zeros(2, 1, 2 * alignment, 3 * alignment)
    sides = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    program = torch.onnx.export(
        model.eval(),
        (example,),
        input_names=["lr"],
        output_names=["hr"],
        opset_version=OPSET,
        dynamo=True,
        dynamic_shapes=(sides,),
        verbose=False,
    )
    assert program is not None  # it is None only where torch itself writes the file
    _forget_sources(program.model.graph)
    program.model.metadata_props.update(
        {name: str(getattr(model, name)) for name in ("scale", "halo", "alignment")}
    )
    return program


def _forget_sources(graph: Any) -> None:
    """Remove what tells of each node where in the source it comes from, paths of here included."""
    for node in graph.all_nodes():
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
