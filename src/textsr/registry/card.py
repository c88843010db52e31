"""The model card (Mitchell et al. 2019) of a registered version, and of the pretrained weights."""

import base64
import csv
import mimetypes
import re
import shutil
import statistics
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import BaseModel

from textsr.errors import TextsrError
from textsr.evaluation.judges import describe_judges, judges_of_summary
from textsr.evaluation.results import Metrics, Speed
from textsr.files import read_json, write_text
from textsr.imports.fonts import TERMS
from textsr.imports.sets import USES, find_sets
from textsr.models.package import WEIGHTS, BlendedModel, count_parameters, load_model
from textsr.models.spec import ModelSpec
from textsr.ocr.engines import known_engines
from textsr.pages import render_page

CARD, PAGE, DATA, PICTURES = "card.md", "card.html", "card.json", "pictures"
"""The files of a card: for people twice, for programs, and the folder of its pictures."""

_CPU_ROUNDS = 20
_PICTURES = ("cases/test-*.png", "slices/test.png")  # of an evaluation's panels
_MARKUP = re.compile(r"[\\`*_~\[\]<>|&!]")  # what Markdown may read as more than a letter
_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}td,th{border:1px solid #d0d7de;padding:.2em .6em}"
    "img{max-width:100%}"
)


class Material(BaseModel):
    """What a model learned from, of one licence."""

    what: str
    licence: str
    source: str


class Card(BaseModel):
    """What a card tells, beside what is the same for all models."""

    title: str
    model: str
    """How `params.yaml` calls it."""
    spec: ModelSpec
    parameters: int
    size: int
    """Of the weights, bytes."""
    bits: int
    """Of each weight."""
    lineage: dict[str, str]
    """By title."""
    sets: dict[str, dict[str, Any]]
    """Metrics by set, see `evaluation.summary.summarise`."""
    slices: list[dict[str, Any]]
    """Of the test split, see `evaluation.slices.score_slices`."""
    ms_per_line: float | None = None
    cpu_ms_per_line: float | None = None
    """CPU time of all cores together."""
    material: list[Material] | None = None
    """None where it is not recorded."""
    pictures: list[str] = []
    """Paths beside the card."""


def write_card(
    folder: Path,
    title: str,
    evaluation: Path,
    lineage: Mapping[str, str],
    data: Path,
    lr_height: int,
) -> None:
    """Write the card of an evaluated model: `card.md`, `card.html`, `card.json` and `pictures/`.

    Args:
        folder: where to.
        title: of the card.
        evaluation: the folder of the evaluation.
        lineage: what the model came from, by title.
        data: the folder of source material; what is not there is not recorded.
        lr_height: of a line, pixels.

    Raises:
        TextsrError: if the evaluation's files are missing or damaged.
    """
    metrics = read_json(evaluation / "metrics.json", Metrics)
    speed = read_json(evaluation / "speed.json", Speed)
    model = load_model(evaluation / "model")
    panels = evaluation / "panels"
    found = sorted(path for pattern in _PICTURES for path in panels.glob(pattern))
    for path in found:
        (folder / PICTURES).mkdir(exist_ok=True)
        shutil.copyfile(path, folder / PICTURES / _picture(path))
    card = Card(
        title=title,
        model=model.spec.name,
        spec=model.spec,
        parameters=count_parameters(model),
        size=(evaluation / "model" / WEIGHTS).stat().st_size,
        bits=32,
        lineage=dict(lineage),
        sets=metrics["sets"],
        slices=metrics.get("slices", []),
        ms_per_line=speed["ms_per_line"],
        cpu_ms_per_line=measure_cpu(model, lr_height),
        material=list_material(data),
        pictures=[f"{PICTURES}/{_picture(path)}" for path in found],
    )
    text = render_card(card)
    write_text(folder / DATA, card.model_dump_json(indent=2) + "\n")
    write_text(folder / CARD, text)
    write_text(folder / PAGE, render_html(text, title, folder, card.pictures))


def measure_cpu(model: BlendedModel, lr_height: int) -> float:
    """Return the CPU time of one line, `lr_height` x 4 `lr_height` pixels, in ms; of all cores."""
    line = torch.zeros(1, 1, lr_height, 4 * lr_height)
    taken = []
    with torch.inference_mode():
        for _ in range(_CPU_ROUNDS):
            start = time.process_time()
            model(line)
            taken.append(time.process_time() - start)
    return 1000 * statistics.median(taken[_CPU_ROUNDS // 3 :])


def list_material(data: Path) -> list[Material] | None:
    """Tell what a folder of source material holds, by licence; None where it is not there.

    Raises:
        TextsrError: if its table of sources is not one, or a set's `set.json` is not valid.
    """
    path = data / "SOURCES.tsv"
    if not path.is_file():
        return None
    files: dict[tuple[str, str], set[str]] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            try:
                what = row["path"].partition("/")[0]
                files.setdefault((what, row["licence"]), set()).add(row["package"])
            except KeyError as error:
                raise TextsrError(
                    f"{path}: no column {error}; make it anew with `textsr fetch-data`"
                ) from error
    return [
        *(
            Material(what=what, licence=licence, source=", ".join(sorted(packages)))
            for (what, licence), packages in sorted(files.items())
        ),
        *(
            Material(
                what=terms.parent.relative_to(data).as_posix(),
                licence=f"its {TERMS}",
                source="textsr import fonts",
            )
            for terms in sorted(data.glob(f"fonts/*/{TERMS}"))
        ),
        *(
            Material(
                what=f"{use}/{found.name}",
                licence=found.info.licence or "not stated",
                source=found.info.source_url or "not stated",
            )
            for use in USES
            for found in find_sets(data, use)
        ),
    ]


def render_card(card: Card) -> str:
    """Render a card as Markdown."""
    titles = {name: entry.title for name, entry in known_engines().items()}
    judges = {k: v for row in card.sets.values() for k, v in judges_of_summary(row).items()}
    return render_page(
        "textsr.registry",
        "card.md.j2",
        card=card,
        material=[
            {key: _as_markdown(value) for key, value in each.model_dump().items()}
            for each in card.material or []
        ],
        lineage={title: _as_markdown(value) for title, value in card.lineage.items()},
        titles=titles,
        engines={name: titles.get(name, name) for name in judges},
        judges=describe_judges(judges),
    )


def _as_markdown(text: str) -> str:
    """Write text of others so that Markdown shows it as it stands, on one line."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def render_html(text: str, title: str, folder: Path, pictures: Collection[str]) -> str:
    """Render Markdown as one HTML page that holds its pictures.

    Args:
        text: Markdown; HTML in it is shown as it stands.
        title: of the page.
        folder: where its pictures lie.
        pictures: their paths in it; of an image from elsewhere its text is shown.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    for image in _images(tokens):
        if image.attrs["src"] not in pictures:
            image.type = "text"
            continue
        path = folder / str(image.attrs["src"])
        kind, _ = mimetypes.guess_type(path.name)
        content = base64.b64encode(path.read_bytes()).decode()
        image.attrs["src"] = f"data:{kind};base64,{content}"
    body = markdown.renderer.render(tokens, markdown.options, {})
    return render_page("textsr.registry", "page.html.j2", title=title, style=_STYLE, body=body)


def _images(tokens: list[Token]) -> list[Token]:
    within = [child for token in tokens for child in token.children or []]
    return [token for token in within if token.type == "image"]


def _picture(path: Path) -> str:
    return f"{path.parent.name}-{path.name}"
