"""The page on which a person judges pairs: one file, which needs no network."""

import base64
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from scipy.stats import norm

from benchmarks.preference.judgements import CONFIDENCE, JudgedModel
from benchmarks.preference.pairs import Pair


def render_judging(pairs: Sequence[Pair], model: JudgedModel, seed: int) -> str:
    """Render the page.

    Args:
        pairs: in the order in which they are shown.
        model: what the page's answers will be about.
        seed: of the shuffling, to be recorded.
    """
    environment = Environment(
        loader=PackageLoader("benchmarks.preference"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    content = {
        "model": model.model_dump(),
        "seed": seed,
        "confidence": CONFIDENCE,
        "z": norm.ppf((1 + CONFIDENCE) / 2),
        "pairs": [_shown(pair) for pair in pairs],
    }
    return environment.get_template("page.html.j2").render(content=content, count=len(pairs))


def _shown(pair: Pair) -> dict[str, Any]:
    return {
        "pair": pair.key,
        "set": pair.set_name,
        "name": pair.name,
        "a": pair.first,
        "pictures": [_data_url(pair.pictures[method]) for method in (pair.first, pair.second)],
    }


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
