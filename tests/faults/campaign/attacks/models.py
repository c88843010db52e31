"""Damaged folders of models, ONNX files and checkpoints through what loads them."""

import json
import math
import random
import shutil
import struct
import sys
import tempfile
import warnings
import zipfile
from functools import cache
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.campaign.attack import Attack, Broken
from tests.faults.campaign.inputs.damage import damage
from tests.faults.campaign.inputs.refusal import check_refusal
from tests.faults.campaign.inputs.values import damage_value
from textsr import load_model
from textsr.errors import TextsrError

_SCALE = 2
_LETTERS = "abc"
_WEIGHTS, _SPEC, _ONNX = "weights.safetensors", "model.json", "model.onnx"
_MOST = 2_000_000  # bytes of a file of numbers, here
_IMAGE = np.random.default_rng(5).integers(0, 256, (12, 30), np.uint8)


@cache
def sound() -> dict[str, bytes]:
    """Return the files of a small model, those of a recognizer, and a checkpoint."""
    import torch

    from textsr.models.package import ModelSpec, build_network, save_model
    from textsr.models.recognizer import Recognizer, load_recognizer, save_recognizer

    torch.manual_seed(1)
    spec = ModelSpec(name="x", architecture="srcnn_transposed", scale=_SCALE, blend=0.5)
    network = build_network(spec)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_model(folder / "model", spec, network)
        save_recognizer(folder / "recognizer", Recognizer(_LETTERS))
        load_recognizer(folder / "recognizer")
        files = [*(folder / "model").iterdir(), *(folder / "recognizer").iterdir()]
        found = {path.name: path.read_bytes() for path in files}
    found[_ONNX] = _onnx()
    stream = BytesIO()
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.zeros(1, 1, 4, 4)).sum().backward()
    optimizer.step()
    kept = {"state_dict": network.state_dict(), "optimizer_states": [optimizer.state_dict()]}
    torch.save({**kept, "global_step": 3, "loops": {"epoch": [1, 2]}, "when": None}, stream)
    found["last.ckpt"] = stream.getvalue()
    return found


def _onnx() -> bytes:
    """Return a network of one layer that doubles the sides."""
    from onnx import TensorProto, helper, numpy_helper

    weights = np.full((1, 1, 4, 4), 0.25, np.float32)
    ports = [
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT, ["batch", 1, f"{name}_h", f"{name}_w"]
        )
        for name in ("lr", "hr")
    ]
    layers = [
        helper.make_node("ConvTranspose", ["lr", "w"], ["up"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["up", "low", "high"], ["hr"]),
    ]
    held = [
        numpy_helper.from_array(weights, "w"),
        numpy_helper.from_array(np.float32(0), "low"),
        numpy_helper.from_array(np.float32(1), "high"),
    ]
    graph = helper.make_graph(layers, "g", [ports[0]], [ports[1]], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"scale": str(_SCALE), "halo": "2", "alignment": "1"})
    return bytes(model.SerializeToString())


def _damage_json(content: bytes, draw: random.Random) -> bytes:
    if draw.random() < 0.7:
        written = json.dumps(damage_value(json.loads(content), draw), default=str)
        content = written.encode()
    return damage(content, [content], draw) if draw.random() < 0.4 else content


def _damage_weights(content: bytes, draw: random.Random) -> bytes:
    """Damage a safetensors file in its header, whose length fits, or anywhere."""
    if draw.random() < 0.3:
        return damage(content, list(sound().values()), draw)
    (length,) = struct.unpack_from("<Q", content)
    header, numbers = json.loads(content[8 : 8 + length]), content[8 + length :]
    if draw.random() < 0.8:
        header = damage_value(header, draw)
    else:
        numbers = damage(numbers, [numbers], draw)
    written = json.dumps(header, default=str).encode()
    return struct.pack("<Q", len(written)) + written + numbers


def _damage_onnx(content: bytes, draw: random.Random) -> bytes:
    """Damage an ONNX file in one of its fields, or anywhere."""
    if draw.random() < 0.3:
        return damage(content, list(sound().values()), draw)
    from onnx import ModelProto

    model = ModelProto.FromString(content)
    for _ in range(draw.choice((1, 1, 2, 4))):
        _damage_message(model, draw)
    return bytes(model.SerializePartialToString())


_OPERATIONS = (
    *("Conv", "ConvTranspose", "Resize", "Tile", "Expand", "ConstantOfShape", "Loop", "If", "Pad"),
    *("Identity", "Relu", "MatMul", "Reshape", "Concat", "NoSuch", "Gather", "Squeeze", "Log"),
)


def _damage_message(message: Any, draw: random.Random) -> None:
    """Change a field of a protobuf message, or of one that lies in it."""
    fields = message.ListFields()
    if not fields:
        return
    field, value = draw.choice(fields)
    inner = list(value) if field.is_repeated else [value]
    if field.message_type is not None and draw.random() < 0.8:
        _damage_message(draw.choice(inner), draw)
        return
    if draw.random() < 0.15:
        message.ClearField(field.name)
        return
    if field.is_repeated:
        place = draw.randrange(len(value))
        if draw.random() < 0.3:
            value.extend([value[place]] * draw.choice((1, 1, 50)))
        elif draw.random() < 0.3:
            del value[place]
        elif field.message_type is None and field.enum_type is None:
            value[place] = _other(value[place], draw)
    elif field.message_type is None and field.enum_type is None:
        setattr(message, field.name, _other(value, draw))


def _other(value: Any, draw: random.Random) -> Any:
    if isinstance(value, bytes):
        return damage(value, [value], draw)
    if isinstance(value, str):
        return draw.choice(
            (value + "x", "", "lr", "hr", "w", "/etc/passwd", "n" * 3000, *_OPERATIONS)
        )
    if isinstance(value, float):
        return draw.choice((0.0, -1.0, 1e30, math.inf, math.nan, value * 2))
    return draw.choice((0, 1, 2, 3, 4, 7, 10, -1, 1000, 65_536, 2**31 - 1)) if value < 100 else 1


def attack_model(number: int, folder: Path) -> None:
    """A damaged model is refused by its file, or upscales to the size that it tells."""
    draw = random.Random(number)
    backend = draw.choice(("onnx", "torch", "auto"))
    name = draw.choice((_SPEC, _ONNX if backend == "onnx" else _WEIGHTS, _ONNX))
    ways = {_SPEC: _damage_json, _ONNX: _damage_onnx, _WEIGHTS: _damage_weights}
    model = folder / "model"
    model.mkdir()
    for other in ways:
        content = sound()[other]
        content = ways[other](content, draw) if other == name else content
        (model / other).write_bytes(content[:_MOST])
    source = model
    if name == _ONNX and draw.random() < 0.3:
        source = (model / _ONNX).rename(folder / "alone.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loaded = load_model(source, backend=backend if source == model else "onnx", threads=1)
        except TextsrError as error:
            check_refusal(error, model, source, "model ", lines=40, longest=2000)
            return
        try:
            upscaled = loaded.upscale(_IMAGE)
        except TextsrError as error:
            check_refusal(error, "image", model, source, lines=40, longest=2000)
            return
    high, wide = _IMAGE.shape
    scale = loaded.info.scale
    if upscaled.shape != (high * scale, wide * scale) or upscaled.dtype != np.uint8:
        raise Broken(f"{upscaled.dtype} and {upscaled.shape} of a model of scale {scale}")


def attack_recognizer(number: int, folder: Path) -> None:
    """A damaged recognizer is refused by its file, or has an alphabet and finite weights."""
    import torch

    from textsr.models.recognizer import load_recognizer

    draw = random.Random(number)
    name = draw.choice(("alphabet.json", "recognizer.safetensors"))
    for other in ("alphabet.json", "recognizer.safetensors"):
        content = sound()[other]
        if other == name:
            content = (_damage_json if other == "alphabet.json" else _damage_weights)(content, draw)
        (folder / other).write_bytes(content)
    try:
        loaded = load_recognizer(folder)
    except TextsrError as error:
        check_refusal(error, folder, lines=40)
        return
    if not all(torch.isfinite(value).all() for value in loaded.state_dict().values()):
        raise Broken("a weight is not finite")


_ORDERS = (
    b"cos\nsystem\n(S'touch {}'\ntR.",
    b'c__builtin__\nexec\n(S\'open("{}", "w")\'\ntR.',
    b'cbuiltins\neval\n(S\'open("{}", "w")\'\ntR.',
)
"""Pickles that leave a file behind where they are obeyed."""


def _damage_checkpoint(content: bytes, draw: random.Random, trace: Path) -> bytes:
    """Damage a checkpoint's archive, or what is in it, with checksums that fit."""
    if draw.random() < 0.3:
        return damage(content, list(sound().values()), draw)
    stream = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        chosen = draw.choice(old.namelist())
        for name in old.namelist():
            held = old.read(name)
            if name.endswith("data.pkl") and draw.random() < 0.2:
                held = draw.choice(_ORDERS).replace(b"{}", str(trace).encode())
            elif name == chosen or (name.endswith("data.pkl") and draw.random() < 0.4):
                held = damage(held, [held], draw)
            if name != chosen or draw.random() < 0.9:
                new.writestr(name, held)
    return stream.getvalue()


def attack_checkpoint(number: int, folder: Path) -> None:
    """What cannot be resumed is set aside, the checkpoint before is found, and none is obeyed."""
    import torch

    from textsr.training.checkpoints import newest_checkpoint

    draw = random.Random(number)
    trace = folder / "obeyed"
    damaged = _damage_checkpoint(sound()["last.ckpt"], draw, trace)
    (folder / "last.ckpt").write_bytes(damaged)
    is_there = draw.random() < 0.7
    if is_there:
        (folder / "before.ckpt").write_bytes(sound()["last.ckpt"])
    said, sys.stderr = sys.stderr, StringIO()
    try:
        found = newest_checkpoint(folder, is_rank_zero=True)
        told = sys.stderr.getvalue()
    except TextsrError as error:
        check_refusal(error, folder / "last.ckpt")
        return
    finally:
        sys.stderr = said
    if trace.exists():
        raise Broken("what the checkpoint says was obeyed")
    if found is None and is_there:
        raise Broken("the sound checkpoint was not found")
    if found is not None:
        state = torch.load(found, weights_only=True)["state_dict"]
        if not all(torch.isfinite(value).all() for value in state.values()):
            raise Broken("a weight is not finite")
    if found != folder / "last.ckpt":
        aside = folder / "damaged-1.ckpt"
        if aside.read_bytes() != damaged:
            raise Broken("what was set aside is not what was there")
        if told.count("\n") != 1 or str(folder / "last.ckpt") not in told:
            raise Broken(f"said {told!r}")
    shutil.rmtree(folder)
    folder.mkdir()


ATTACKS = [
    Attack("models", attack_model, 8000, sample=60, seconds=60, memory_mb=600, prepare=sound),
    Attack(
        "recognizers", attack_recognizer, 2000, sample=20, seconds=60, memory_mb=600, prepare=sound
    ),
    Attack(
        "checkpoints", attack_checkpoint, 4000, sample=40, seconds=60, memory_mb=600, prepare=sound
    ),
]
