"""A model folder is compared with its own header before anything is allocated for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from textsr.errors import TextsrError
from textsr.models.package import ModelSpec, build_network, load_model, read_spec, save_model
from textsr.models.recognizer import Recognizer, load_recognizer, save_recognizer
from textsr.models.upsampler import UpsamplerNet
from textsr.training.run import ENCODER_WEIGHTS, load_encoder

SPEC = ModelSpec(name="x", architecture="upsampler", encoder="text", width=8, scale=4)
MEGABYTES = 200
SECONDS = 1.0

# Loads each folder it is given; says what it took, in memory over what the imports had and in time.
CHILD = """
import json, resource, sys, time
from pathlib import Path

import torchvision.models
from textsr.errors import TextsrError
from textsr.models.package import load_model
from textsr.models.recognizer import load_recognizer
from textsr.pretrained import load_pretrained

load_pretrained()
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
base, rows = peak(), {}
for name in sys.argv[1:]:
    folder, start = Path(name), time.process_time()
    try:
        (load_recognizer if folder.name.startswith("recognizer") else load_model)(folder)
        said = ""
    except TextsrError as error:
        said = str(error)
    rows[folder.name] = [said, peak() - base, time.process_time() - start]
print(json.dumps(rows))
"""


def describe(folder: Path, **changes: object) -> None:
    """Change a model's specification, and leave its weights."""
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def header(path: Path, length: int, content: bytes = b"") -> None:
    path.write_bytes(length.to_bytes(8, "little") + content)


def hollow(path: Path, size: int) -> None:
    with path.open("wb") as stream:
        stream.truncate(size)


def many_blocks(folder: Path) -> None:
    """As many blocks as may be, each of which the header names, of the wrong shape."""
    describe(folder, coarse_blocks=128, sequence_blocks=128)
    spec = ModelSpec.model_validate_json((folder / "model.json").read_bytes())
    with torch.device("meta"):
        names = build_network(spec).state_dict()
    save_file({name: torch.zeros(1) for name in names}, folder / "weights.safetensors")


WEIGHTS = "weights.safetensors"
MODELS = {
    "wide": lambda m: describe(m, width=4096),
    "wider": lambda m: describe(m, width=10**18),
    "wide resnet": lambda m: describe(m, width=4096, encoder="resnet18"),
    "deep": lambda m: describe(m, coarse_blocks=100_000),
    "long": lambda m: describe(m, sequence_blocks=10**30),
    "deep and wide": lambda m: describe(m, coarse_blocks=128, sequence_blocks=128, width=4096),
    "deep in its header": many_blocks,
    "piped specification": lambda m: pipe(m / "model.json"),
    "piped weights": lambda m: pipe(m / WEIGHTS),
    "endless specification": lambda m: device(m / "model.json"),
    "endless weights": lambda m: device(m / WEIGHTS),
    "large specification": lambda m: hollow(m / "model.json", 10**10),
    "large weights": lambda m: hollow(m / WEIGHTS, 10**10),
    "declared header": lambda m: header(m / WEIGHTS, 2**62),
    "real header": lambda m: header(m / WEIGHTS, 50_000_000, b"{" + b" " * 50_000_000),
    "cut off header": lambda m: header(m / WEIGHTS, 1000, b"{"),
    "empty": lambda m: (m / WEIGHTS).write_bytes(b""),
}
ENGINES = {
    "recognizer, piped": lambda r: pipe(r / "alphabet.json"),
    "recognizer, endless": lambda r: device(r / "recognizer.safetensors"),
    "recognizer, large": lambda r: hollow(r / "alphabet.json", 10**10),
    "recognizer of all characters": lambda r: (r / "alphabet.json").write_text(
        json.dumps("".join(map(chr, range(0x4E00, 0x4E00 + 20_000))))
    ),
}


def test_a_refused_folder_costs_little_memory_and_time_and_is_named(tmp_path: Path) -> None:
    for name, damage in MODELS.items():
        save_model(tmp_path / name, SPEC, build_network(SPEC))
        damage(tmp_path / name)
    for name, damage in ENGINES.items():
        save_recognizer(tmp_path / name, Recognizer("ab"))
        damage(tmp_path / name)
    folders = [str(tmp_path / name) for name in (*MODELS, *ENGINES)]
    child = subprocess.run(
        [sys.executable, "-c", CHILD, *folders],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,  # one that is opened and never ends
    )
    rows = json.loads(child.stdout)
    assert len(rows) == len(folders)
    for name, (said, megabytes, seconds) in rows.items():
        assert said.startswith(str(tmp_path / name)), (name, said)
        assert len(said) < 1000, name
        assert megabytes < MEGABYTES, (name, megabytes)
        assert seconds < SECONDS, (name, seconds)
    for name in ("piped weights", "endless weights"):
        assert f"{WEIGHTS}: " in rows[name][0]
        assert "not a regular file" in rows[name][0]


def test_what_is_as_large_as_it_says_is_loaded(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"coarse_blocks": 12, "sequence_blocks": 20, "width": 16})
    save_model(tmp_path, spec, build_network(spec))
    assert load_model(tmp_path).spec == spec


def test_comparing_draws_nothing_at_random(tmp_path: Path) -> None:
    """What is built after a model is loaded begins with the weights that it always had."""
    save_model(tmp_path / "m", SPEC, build_network(SPEC))
    torch.manual_seed(1)
    build_network(SPEC)
    expected = torch.rand(3)
    torch.manual_seed(1)
    load_model(tmp_path / "m")
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("change", ["dtype", "shape", "more", "fewer", "scale"])
def test_names_shapes_and_dtypes_must_be_the_networks(tmp_path: Path, change: str) -> None:
    save_model(tmp_path, SPEC, build_network(SPEC), quantized=True)
    state = load_file(tmp_path / WEIGHTS)
    name = "encoder.stem.1.bias"
    if change == "dtype":
        state[name] = state[name].to(torch.int32)
    elif change == "shape":
        state[name] = state[name][:-1].clone()
    elif change == "more":
        state = {**state, "further": torch.zeros(1)}
        name = "further"
    elif change == "fewer":
        del state[name]
    else:
        name = "encoder.stem.1.weight@scale"
        state[name] = torch.ones(1)
    save_file(state, tmp_path / WEIGHTS)
    with pytest.raises(TextsrError, match=rf"{WEIGHTS}: not the weights of .*{name}"):
        load_model(tmp_path)


def test_a_piped_encoder_is_refused(tmp_path: Path) -> None:
    (tmp_path / ENCODER_WEIGHTS).touch()
    pipe(tmp_path / ENCODER_WEIGHTS)
    network = build_network(SPEC)
    assert isinstance(network, UpsamplerNet)
    with pytest.raises(TextsrError, match=r"encoder\.safetensors.*not a regular file"):
        load_encoder(network, tmp_path)


def test_a_model_path_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TextsrError, match=r"pipe/model\.json: no such file; name a model folder"):
        read_spec(tmp_path / "pipe")
    with pytest.raises(TextsrError, match=r"pipe: not a recognizer \(alphabet\.json: "):
        load_recognizer(tmp_path / "pipe")
