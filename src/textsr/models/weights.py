"""Files of weights, compared with the network by their header before anything is allocated."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from textsr.files import require_regular
from textsr.models.finite import find_non_finite, require_finite_weights
from textsr.models.quantization import SCALE, dequantize

_HEADER_BYTES = 1_000_000  # our largest networks need a tenth
_LENGTH_BYTES = 8  # of the header's length, with which a safetensors file begins
_FLOATS = {"F16", "BF16", "F32"}


def save_weights(state: Mapping[str, Tensor], path: Path, *, final: Path) -> None:
    """Write weights as safetensors.

    Args:
        state: names and tensors.
        path: where to write.
        final: what the file will be called, for the message.

    Raises:
        TextsrError: if a number is not finite.
    """
    require_finite_weights(state, final)
    save_file({name: value.cpu().contiguous() for name, value in state.items()}, path)


def read_weights(path: Path, network: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read a safetensors file that holds the weights of a network, at any precision.

    Args:
        path: the file.
        network: the network's state, of which names, shapes and dtypes count; on the `meta` device
            it takes no memory.

    Returns:
        The state, all numbers finite.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it holds the weights of another network, or numbers that are not finite.
        SafetensorError: if it is damaged.
    """
    require_regular(path)
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
    if length > _HEADER_BYTES:
        raise ValueError(f"its header is {length} bytes long, which no network's is")
    with safe_open(path, framework="pt") as stored:
        names = stored.keys()
        parts = {name: stored.get_slice(name) for name in names}
        header = {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in parts.items()}
        problem = _difference(header, network)
        if problem is None:
            state = dequantize({name: stored.get_tensor(name) for name in names})
            problem = find_non_finite(state)
    if problem is not None:
        raise ValueError(problem)
    return state


def _difference(
    header: Mapping[str, tuple[str, tuple[int, ...]]], network: Mapping[str, Tensor]
) -> str | None:
    """Return how a header differs from a network, if it does."""
    scaled = {name.removesuffix(SCALE) for name in header if name.endswith(SCALE)}
    wanted = network.keys() | {name + SCALE for name in scaled & network.keys()}
    if lacking := sorted(wanted - header.keys()):
        return f"{len(lacking)} tensors are missing, {lacking[0]} first"
    if foreign := sorted(header.keys() - wanted):
        return f"{len(foreign)} tensors are not the network's, {foreign[0]} first"
    for name, value in network.items():
        dtype, shape = header[name]
        if shape != tuple(value.shape):
            return f"size mismatch: {name} is {list(shape)} and should be {list(value.shape)}"
        if dtype not in _dtypes(value, name in scaled):
            return f"{name} is of the dtype {dtype}"
        if name in scaled and header[name + SCALE] != ("F32", shape[:1]):
            return f"{name}{SCALE} is no scale of {name}"
    return None


def _dtypes(value: Tensor, is_scaled: bool) -> set[str]:
    """Return the dtypes at which a tensor may be stored."""
    if is_scaled:
        return {"I8"}
    return _FLOATS if value.is_floating_point() else {"I64"}
