"""Damaged params.yaml and presets through what reads and merges them."""

import random
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.faults.campaign.attack import Attack, Broken
from tests.faults.campaign.inputs.damage import damage, damage_parts, join_plain, split_lines
from tests.faults.campaign.inputs.refusal import check_refusal
from tests.faults.campaign.inputs.values import damage_value
from textsr.config.params import Params, load_params, parse_params
from textsr.config.presets import apply_preset
from textsr.config.yaml_files import read_yaml
from textsr.errors import TextsrError

_ROOT = Path(__file__).parents[4]
_LINES = 21  # problems are named a line each
_TRICKS = (
    *(b"&a ", b"*a ", b"<<: *a\n", b"!!python/object/apply:os.system [id]", b"!!binary aGk="),
    *(b"!!set {a}", b"!!omap [a: 1]", b"---\n", b"...\n", b"%YAML 1.1\n", b"? ", b"- "),
    *(b"? [a]\n: b\n", b"|\n  x\n", b">+9\n", b"[" * 40, b"{" * 40, b"]", b"}", b"'", b'"', b"#"),
    *(b"\xef\xbb\xbf", b"\xff", b"\0", b"\t", b"\r", b"\x85", b"\xe2\x80\xa8", b'"\\ud800"'),
    *(b"1_000", b"0o17", b"0x1F", b"190:20:30", b"1e999", b".inf", b".nan", b"~", b"yes"),
    *(b"2024-02-30", b"2024-02-29T99:99:99Z"),
)


@cache
def sound() -> list[bytes]:
    """Return params.yaml and the presets."""
    files = [_ROOT / "params.yaml", *sorted((_ROOT / "presets").glob("*.yaml"))]
    return [path.read_bytes() for path in files]


@cache
def _parsed(number: int) -> Any:
    return YAML(typ="safe", pure=True).load(sound()[number])


def damaged_yaml(number: int, draw: random.Random) -> bytes:
    """Return one of the sound files, damaged as text or as what it holds."""
    if draw.random() < 0.5:
        stream = StringIO()
        machine = YAML(typ="safe", pure=True)
        machine.default_flow_style = draw.choice((False, None))
        machine.dump(damage_value(_parsed(number), draw), stream)
        content = stream.getvalue().encode(errors="surrogatepass")
        if draw.random() < 0.8:
            return content
    else:
        content = sound()[number]
    for _ in range(draw.choice((1, 1, 2, 4))):
        if draw.random() < 0.3:
            place = draw.randrange(len(content) + 1)
            content = content[:place] + draw.choice(_TRICKS) + content[place:]
        elif draw.random() < 0.5:
            content = damage_parts(content, sound(), draw, split_lines, join_plain)
        else:
            content = damage(content, sound(), draw)
    return content[:200_000]


def attack_params(number: int, folder: Path) -> None:
    """A damaged params.yaml is refused by key or line, or holds what can be used."""
    draw = random.Random(number)
    path = folder / "params.yaml"
    try:
        if draw.random() < 0.7:  # reading YAML takes a second
            params = parse_params(damage_value(_parsed(0), draw), source=str(path))
        else:
            path.write_bytes(damaged_yaml(0, draw))
            params = load_params(path)
    except TextsrError as error:
        check_refusal(error, path, lines=_LINES)
        return
    again = Params.model_validate(params.model_dump(mode="json"))
    if again != params:
        raise Broken("what was read is not what it says when it is written")


def attack_presets(number: int, folder: Path) -> None:
    """A preset makes a valid params.yaml of a valid one, or changes no byte of it."""
    draw = random.Random(number)
    preset, path = folder / "presets" / "tried.yaml", folder / "params.yaml"
    preset.parent.mkdir()
    which = draw.randrange(1, len(sound()))
    preset.write_bytes(damaged_yaml(which, draw))
    is_sound = draw.random() < 0.8
    path.write_bytes(sound()[0] if is_sound else damaged_yaml(0, draw))
    before = path.read_bytes()
    try:
        apply_preset("tried", preset.parent, path)
    except TextsrError as error:
        check_refusal(error, path, preset, lines=_LINES)
        if path.read_bytes() != before:
            raise Broken("a refused preset has changed params.yaml") from error
        if sorted(one.name for one in folder.iterdir()) != ["params.yaml", "presets"]:
            raise Broken("a refused preset leaves something behind") from error
        return
    merged = load_params(path)
    given = read_yaml(preset)
    if "seed" in given and merged.seed != given["seed"]:
        raise Broken("the preset's seed has not been taken")
    apply_preset("tried", preset.parent, path)
    if load_params(path) != merged:
        raise Broken("applied twice, a preset gives something else")


ATTACKS = [
    Attack("params", attack_params, 12_000, sample=40, seconds=30, memory_mb=300, prepare=sound),
    Attack("presets", attack_presets, 4000, sample=12, seconds=60, memory_mb=300, prepare=sound),
]
