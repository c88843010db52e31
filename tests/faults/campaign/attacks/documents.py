"""Damaged PDFs through what looks into them, and through all of `upscale_file`."""

import json
import math
import random
import warnings
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pikepdf

import textsr
from tests.faults.campaign.attack import Attack, Broken
from tests.faults.campaign.inputs.pdfs import damaged_pdf, pdfs
from tests.faults.campaign.inputs.refusal import check_refusal
from textsr.documents import pdf_reader
from textsr.documents.pdf_process import answer
from textsr.errors import TextsrError
from textsr.images.headers import MOST_PAGES
from textsr.images.reading import page_sizes, read_image

_MOST_PIXELS = 100_000
_APART = 10  # of so many PDFs, one is looked into by a process of its own, as always in use
_model: list[textsr.Model] = []


def _load() -> None:
    pdfs()
    _model.append(textsr.load_model(backend="onnx-int8", threads=1))


class _AsOne:
    """Does in this process what another one does, which takes long to start."""

    def ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        answered: dict[str, Any] = json.loads(json.dumps(answer(asked)))
        return answered

    def end(self) -> None:
        pass


def attack_process(number: int, folder: Path) -> None:
    """What looks into a PDF answers, with what can be sent and used, whatever it is given."""
    draw = random.Random(number)
    path = folder / "document.pdf"
    path.write_bytes(damaged_pdf(draw))
    asked = {"verb": "inspect", "arguments": {"source": str(path), "most_pages": MOST_PAGES}}
    found = json.loads(json.dumps(answer(asked)))
    if "error" in found:
        if not found["error"].strip():
            raise Broken("an error without a word")
        return
    picture = str(folder / "picture.png")
    for place, page in enumerate(found["answer"]["pages"][:3]):
        numbers = [*page["points"], page["covered"], page["characters"], page["hidden"]]
        if not all(math.isfinite(value) and value >= 0 for value in numbers):
            raise Broken(f"page {place} has {numbers}")
        for one in page["images"][:3]:
            if not all(map(math.isfinite, one["matrix"])) or min(one["width"], one["height"]) < 0:
                raise Broken(f"an image of {one}")
            if one["width"] * one["height"] <= _MOST_PIXELS:
                points = [math.hypot(*one["matrix"][:2]), math.hypot(*one["matrix"][2:])]
                arguments = {"number": one["number"], "points": points, "picture": picture}
                _ask("extract", path, arguments)
        if max(page["points"]) < 1000:
            _ask("render", path, {"page": place, "dpi": 40, "picture": picture})


def _ask(verb: str, path: Path, arguments: dict[str, object]) -> None:
    asked = {"verb": verb, "arguments": {"source": str(path), **arguments}}
    found = json.loads(json.dumps(answer(asked)))
    if "answer" in found:
        read_image(Path(str(arguments["picture"])))


def attack_pdf(number: int, folder: Path) -> None:
    """A damaged PDF is refused by name, or has as many pages of the same sizes as before."""
    draw = random.Random(number)
    path, result = (
        folder / "document.pdf",
        folder / f"result{draw.choice(('.pdf', '.pdf', '.tif'))}",
    )
    path.write_bytes(damaged_pdf(draw))
    is_apart = number % _APART == 0
    with (
        warnings.catch_warnings(),
        patch.object(pdf_reader, "Process", pdf_reader.Process if is_apart else _AsOne),
    ):
        warnings.simplefilter("ignore")
        try:
            _model[0].upscale_file(path, result, max_pixels=_MOST_PIXELS)
        except TextsrError as error:
            check_refusal(error, path)
            if [one.name for one in folder.iterdir()] != [path.name]:
                raise Broken("a refused file leaves something behind") from error
            return
        with pikepdf.open(path) as before:
            boxes = [list(map(float, page.mediabox)) for page in before.pages]
        if result.suffix == ".tif":
            if len(page_sizes(result)) != len(boxes):
                raise Broken(f"{len(page_sizes(result))} pages, should be {len(boxes)}")
            return
        with pikepdf.open(result) as after:
            if after.get_warnings():
                raise Broken(f"the result is damaged: {after.get_warnings()}")
            if [list(map(float, page.mediabox)) for page in after.pages] != boxes:
                raise Broken("the pages are not those of before")


ATTACKS = [
    Attack(
        "pdf-process", attack_process, 15_000, sample=60, seconds=60, memory_mb=900, prepare=pdfs
    ),
    Attack("pdfs", attack_pdf, 5000, sample=20, seconds=120, memory_mb=1500, prepare=_load),
]
