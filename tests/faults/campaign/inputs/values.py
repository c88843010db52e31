"""Ways to damage what JSON and YAML hold: mappings, lists and plain values."""

import copy
import datetime
import random
from collections.abc import Iterator
from typing import Any

_PLAIN: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 4, 3, 7, 255, 1000, 65_536, 10**6, 10**9, 10**12, 10**18),
    *(10**30, -(10**30), 0.0, -0.0, 0.5, 1.5, 1e-300, 1e300, float("inf"), float("nan")),
    *("", "a", "1", "null", "../..", "/etc/passwd", "\0", "\x1b[2J", "é", "\u202e", "x" * 900),
    *("models:/x@y", "a/b", "a.b", "%s", "{x}", "$HOME", "--help"),
    *([], {}, [[]], [1, 2], [2, 1], {"a": 1}, [None], {"": None}, {1: 2}, [0.1] * 500),
    *(datetime.date(2024, 2, 29), {"start": None}, {"encoder": "text"}, "text", "pretrained"),
)
_KEYS: tuple[Any, ...] = ("", "seed", "x", "scale", "a.b", 1, None, "\x1b", "é", "k" * 300, True)


def damage_value(value: Any, draw: random.Random, *, times: int | None = None) -> Any:
    """Return a copy of a value with some places in it changed."""
    changed = copy.deepcopy(value)
    for _ in range(times or draw.choice((1, 1, 1, 2, 3, 8))):
        places = list(_places(changed))
        if not places:
            return draw.choice(_PLAIN)
        holder, key = draw.choice(places)
        _damage_at(holder, key, draw, places)
    return changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each place in a value: what holds it, and its key there."""
    if isinstance(value, dict | list):
        for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from _places(inner)


def _damage_at(holder: Any, key: Any, draw: random.Random, places: list[tuple[Any, Any]]) -> None:
    there = holder[key]
    match draw.randrange(9):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[draw.choice(_KEYS)] = holder.pop(key)
        case 2 if isinstance(holder, dict):
            holder[draw.choice(_KEYS)] = copy.deepcopy(draw.choice(_PLAIN))
        case 2:
            holder[key:key] = [copy.deepcopy(there)] * draw.choice((1, 2, 500))
        case 3:
            other, at = draw.choice(places)
            holder[key] = copy.deepcopy(other[at])
        case 4:
            for _ in range(draw.choice((1, 2, 40, 200))):
                there = [there] if draw.random() < 0.5 else {"a": there}
            holder[key] = there
        case 5 if isinstance(there, int | float):
            holder[key] = there * draw.choice((0, -1, 2, 10, 0.5, 1000, 10**6, 10**12, 10**20))
        case 6 if isinstance(there, int | float):
            holder[key] = there + draw.choice((-1, 1, 0.5, -0.001))
        case 7 if isinstance(there, str):
            holder[key] = there + draw.choice(("x", " ", "\n", "é", "\t", "0"))
        case _:
            holder[key] = copy.deepcopy(draw.choice(_PLAIN))
