"""params.yaml and presets, damaged or absurd: one short message, at once."""

import copy
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.workspaces import Overrides, workspace
from textsr.config.params import Params, load_params, parse_params
from textsr.config.presets import apply_preset
from textsr.config.yaml_files import read_yaml
from textsr.errors import TextsrError
from textsr.tracking import lineage_tags

ROOT = Path(__file__).parents[2]
COMMITTED = (ROOT / "params.yaml").read_text()
AFTER = COMMITTED.count("\n") + 1
"""The number of a line that is added."""

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def with_seed(value: str) -> bytes:
    assert "\nseed: 1 " in COMMITTED
    return COMMITTED.replace("\nseed: 1 ", f"\nseed: {value} ", 1).encode()


DAMAGED: dict[str, tuple[bytes, str]] = {
    "laughs": (LAUGHS.encode() + COMMITTED.encode(), "line 1: an anchor or alias; write each"),
    "laughs as a value": (LAUGHS.encode() + with_seed("*i"), "line 1: an anchor"),
    "alias of nothing": (with_seed("*x"), "line 4: an anchor or alias"),
    "nested": (COMMITTED.encode() + b"x: " + b"[" * 500, f"line {AFTER}: nested more than 32 deep"),
    "digits": (with_seed("9" * 5000), "line 4: a value of 5000 characters; shorten it to 1000"),
    "fewer digits": (with_seed("9" * 1000), "seed: Input should be less than"),
    "NUL": (with_seed("\0"), r"line 4: the character U\+0000; remove it"),
    "NUL in a value": (with_seed('"a\\0"'), "line 4: a value with a NUL character; remove it"),
    "not UTF-8": (with_seed("1") + b"# \xff\n", f"line {AFTER}: not UTF-8 .*; save it as UTF-8"),
    "half a surrogate": (with_seed('"\\uD800"'), "seed: "),
    "tag": (with_seed("!!int one"), "line 4: the tag .*; write a plain value"),
    "no date": (with_seed("2024-99-99"), "month must be in 1..12; correct the value"),
    "many keys": (b"".join(b"k%d: 1\n" % n for n in range(300)), "more"),
    "long list": (b"compute: { parts: [" + b"a," * 2000 + b"]}", "compute.parts: List should"),
    "large": (COMMITTED.encode() + b"#" * 70_000, "more than 65536; restore or shorten it"),
    "empty": (b"", "expected a mapping of sections, .*; restore it"),
    "list": (b"- a\n- b\n", "expected a mapping of sections"),
    "unhashable": (b"? {a: b}\n: c\n", "line 1: .*unhashable key"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_params_are_one_short_message_at_once(tmp_path: Path, damage: str) -> None:
    content, message = DAMAGED[damage]
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    began = time.process_time()
    with pytest.raises(TextsrError, match=rf"(?s)params\.yaml: .*{message}") as caught:
        load_params(path)
    assert time.process_time() - began < 2  # a fifth of that where nothing else runs
    said = str(caught.value).splitlines()
    assert len(said) <= 21
    assert all(len(line) < len(str(path)) + 500 for line in said)


def make_sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(100_000_000_000)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Path.mkdir, "not a file"),
        (os.mkfifo, "not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "not a file"),
        (lambda path: path.symlink_to(path.name), "cannot be read .Too many levels"),
        (make_sparse, "100000000000 bytes, more than"),
        (lambda path: path.with_suffix("").touch(), "no such file"),
    ],
    ids=["folder", "pipe", "device", "loop", "sparse", "missing"],
)
def test_what_is_no_file_is_named(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    make(tmp_path / "params.yaml")
    with pytest.raises(TextsrError, match=rf"params\.yaml: {message}"):
        load_params(tmp_path / "params.yaml")


def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "params.yaml").touch()
    monkeypatch.setattr(Path, "read_bytes", refuse)  # the superuser may read all
    with pytest.raises(TextsrError, match=r"params\.yaml: cannot be read .Permission denied.; "):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("damage", ["laughs", "nested", "digits", "NUL", "not UTF-8", "list"])
def test_a_damaged_preset_and_its_params_are_named(tmp_path: Path, damage: str) -> None:
    content, message = DAMAGED[damage]
    good, bad = tmp_path / "params.yaml", tmp_path / "bad.yaml"
    good.write_text(COMMITTED)
    bad.write_bytes(content)
    with pytest.raises(TextsrError, match=rf"bad\.yaml: .*{message}"):
        apply_preset("bad", tmp_path, good)
    assert good.read_text() == COMMITTED
    with pytest.raises(TextsrError, match=rf"bad\.yaml: .*{message}"):
        apply_preset("tiny", ROOT / "presets", bad)
    assert bad.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (DAMAGED["laughs"][0], "line 1: an anchor"),
        (b"- a\n", "expected a mapping"),
        (b"synthesis: 3\n", r"synthesis\.seed: missing"),
        (b"seed: 1\n", "compute: missing"),
    ],
)
def test_a_run_with_params_of_its_own_names_damaged_ones(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "params.yaml").write_bytes(content)
    with (
        pytest.raises(TextsrError, match=rf"params\.yaml: {message}"),
        workspace(tmp_path, Overrides(scale=2), print),
    ):
        pass


@pytest.mark.parametrize("content", ["", "outs: 3\n", "outs: []\n", "outs:\n- path: data\n"])
def test_a_damaged_data_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "data.dvc").write_text(content)
    with pytest.raises(TextsrError, match=r"data\.dvc: not a file of DVC; make it anew"):
        lineage_tags(tmp_path, 1)


@given(text=st.text("ab:1-+.eExo%!&*#|>@`'\"[]{},?~=< \n\t\\\0\ud800", max_size=60))
@settings(deadline=None, max_examples=200)
@pytest.mark.parametrize("keep_comments", [False, True])
def test_no_text_is_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, keep_comments: bool, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any-{keep_comments}.yaml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    with suppress(TextsrError):
        read_yaml(path, keep_comments=keep_comments)


def numbers(schema: dict[str, Any], value: Any, path: tuple[Any, ...] = ()) -> Iterator[Any]:
    """Yield the path of each number that the schema lets stand in params.yaml, in `value`."""
    schema = DEFINITIONS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    for option in schema.get("anyOf", [schema]):
        if option.get("type") in ("integer", "number") and "enum" not in option:
            yield path
        for name, each in option.get("properties", {}).items():
            yield from numbers(each, value.get(name), (*path, name))
        for number, each in enumerate(option.get("prefixItems", [])):
            yield from numbers(each, None, (*path, number))
        if isinstance(option.get("items"), dict):
            yield from numbers(option["items"], None, (*path, 0))
        others = [option.get("additionalProperties"), *option.get("patternProperties", {}).values()]
        for each in others:
            if isinstance(each, dict):
                for key, there in (value or {"dataset": None}).items():
                    yield from numbers(each, there, (*path, key))


RAW = read_yaml(ROOT / "params.yaml")
SCHEMA = Params.model_json_schema()
DEFINITIONS = SCHEMA["$defs"]
NUMBERS = sorted(numbers(SCHEMA, RAW), key=str)


def test_all_numbers_are_found() -> None:
    assert len(NUMBERS) == len(set(NUMBERS)) > 250
    assert {
        ("training", "steps"),
        ("training", "mixture", "dataset"),
        ("models", "pretrained", "coarse_blocks"),
        ("evaluation", "blend_weights", 0),
        ("synthesis", "text", "kinds", "words"),
        ("synthesis", "degradation", "second", "kernels", "area"),
        ("synthesis", "render", "weight", "px", 1),
    } <= set(NUMBERS)


@pytest.mark.parametrize("value", [10**12, 1e300, -(10**12), -1e300])
def test_every_number_has_bounds(value: float) -> None:
    """One without would let a slip of the keyboard take all memory; give it `le=...`."""
    allowed = [".".join(map(str, path)) for path in NUMBERS if is_allowed(path, value)]
    # It is recorded, and costs nothing.
    assert allowed == (["synthesis.seed"] if value == 10**12 else [])


def is_allowed(path: tuple[Any, ...], value: float) -> bool:
    changed = copy.deepcopy(RAW)
    target = changed
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    try:
        parse_params(changed)
    except TextsrError as error:
        named = ".".join(key for key in path if isinstance(key, str))
        return not str(error).startswith(f"params.yaml: {named}")
    return True


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.steps", 10_000_000),
        ("training.batch_size", 65_536),
        ("training.learning_rate", 10),
        ("compute.processes", 1024),
        ("synthesis.samples", {"train": 49_999_500, "val": 1, "test": 1}),
        ("seed", 2**32 - 1),
    ],
)
def test_what_is_large_but_possible_is_allowed(key: str, value: Any) -> None:
    section, _, name = key.rpartition(".")
    changed = copy.deepcopy(RAW)
    (changed[section] if section else changed)[name] = value
    parse_params(changed)


def test_more_shards_than_their_names_can_number_are_refused() -> None:
    changed = copy.deepcopy(RAW)
    changed["synthesis"]["samples"]["train"] = 50_000_000
    with pytest.raises(TextsrError, match=r"samples\.train: 100000 shards .*; raise shard_rows"):
        parse_params(changed)


@pytest.mark.parametrize("path", sorted(ROOT.glob("src/textsr/pretrained/*/params.yaml")), ids=str)
def test_files_that_come_with_the_package_hold_plain_yaml(path: Path) -> None:
    read_yaml(path)
