"""Sample i of a split as a pure function of (params, source material, i)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textsr.config.params import SPLITS, Params, Split
from textsr.datasets.shards import encode_png
from textsr.errors import TextsrError
from textsr.images.grey import Image
from textsr.synthesis.corpus import Corpus, load_corpus, split_of, text_key
from textsr.synthesis.degrade import Degraded, degrade
from textsr.synthesis.fonts import FontFile, FontSet, characters, load_fonts
from textsr.synthesis.page import DrawnPage, draw_page
from textsr.synthesis.page_crops import describe, draw_window
from textsr.synthesis.render import Line, LineTooWideError, NoInkError, render_line

# A text falls into val 1 time in 20; this many draws fail once in 10^22 samples.
_MAX_DRAWS = 1000
# The networks work at a quarter of the LR resolution.
_LR_WIDTH_MULTIPLE = 4


@dataclass(frozen=True)
class Source:
    """What the samples of one split are drawn from."""

    params: Params
    split: Split
    corpus: Corpus
    fonts: FontSet
    data: Path


def load_source(params: Params, split: Split, data: Path) -> Source:
    """Read the word lists and find the fonts of `split` under `data`."""
    return Source(
        params=params,
        split=split,
        corpus=load_corpus(data / "corpora", params.synthesis.text),
        fonts=load_fonts(data / "fonts", params.synthesis.fonts, split),
        data=data,
    )


def make_samples(source: Source, first: int, last: int) -> Iterator[dict[str, Any]]:
    """Make rows `first` to `last` - 1 of a split, a value a column of `schema.SCHEMA`."""
    page = source.params.synthesis.page
    if page is None:
        yield from (make_sample(source, index) for index in range(first, last))
        return
    number, drawn = -1, None
    for index in range(first, last):
        if drawn is None or index // page.crops != number:
            number = index // page.crops
            drawn = _draw_page(source, number)
        yield _make_crop(source, index, *drawn)


def make_sample(source: Source, index: int) -> dict[str, Any]:
    """Make row `index` of a split of lines, a value a column of `schema.SCHEMA`."""
    synthesis = source.params.synthesis
    rng = np.random.default_rng([synthesis.seed, SPLITS.index(source.split), index])
    text, kind, font, line = _draw_line(source, rng)
    degraded = degrade(line.image, synthesis.degradation, synthesis.scale, rng)
    return {
        **_row(source, index, text, kind, font, line.image, degraded.image),
        **line.parameters,
        **degraded.parameters,
    }


def _draw_page(source: Source, number: int) -> tuple[DrawnPage, Degraded]:
    """Draw page `number` of a split, and degrade it as a whole."""
    synthesis = source.params.synthesis
    rng = np.random.default_rng([synthesis.seed, SPLITS.index(source.split), number])
    page = draw_page(synthesis, source.corpus, source.fonts, source.split, rng)
    return page, degrade(page.image, synthesis.degradation, synthesis.scale, rng)


def _make_crop(source: Source, index: int, page: DrawnPage, degraded: Degraded) -> dict[str, Any]:
    """Cut row `index` of a split out of its page.

    What is recorded of text is that of the line that it shows; without any, the page's.
    """
    synthesis, crops = source.params.synthesis, source.params.synthesis.page
    assert crops is not None
    # The page's own draws have no third counter, which NumPy takes for zero.
    number, crop = divmod(index, crops.crops)
    rng = np.random.default_rng([synthesis.seed, SPLITS.index(source.split), number, crop + 1])
    window = draw_window(page, crop, synthesis, rng)
    shown = describe(page, window, synthesis)
    left, top, right, bottom = window.box(synthesis.scale)
    hr = page.image[top:bottom, left:right]
    lr = degraded.image[
        window.top : window.top + window.height, window.left : window.left + window.width
    ]
    line = shown.line
    tone = page.tone if line is None else line.tone
    font = page.font if line is None else line.text.font
    text = line.text.content if line is not None and shown.kind == "line" else ""
    return {
        **_row(source, index, text, shown.kind, font, hr, lr),
        **page.parameters,
        "font_size_px": page.size_px if line is None else line.size_px,
        "margin_left_px": shown.margins[0],
        "margin_right_px": shown.margins[1],
        "ink": tone.ink,
        "ground": tone.ground,
        "inverted": tone.ink > tone.ground,
        **degraded.parameters,
    }


def _row(
    source: Source, index: int, text: str, kind: str, font: FontFile, hr: Image, lr: Image
) -> dict[str, Any]:
    """Return what every row has: its names, its text and its images."""
    synthesis, split = source.params.synthesis, source.split
    sample_id = f"{split}-{index:07d}"
    return {
        "sample_id": sample_id,
        "split": split,
        "index": index,
        "seed": synthesis.seed,
        "text": text,
        "kind": kind,
        "font_family": font.family,
        "font_file": font.path.relative_to(source.data).as_posix(),
        "scale": synthesis.scale,
        "hr": {"bytes": encode_png(hr), "path": f"{sample_id}-hr.png"},
        "lr": {"bytes": encode_png(lr), "path": f"{sample_id}-lr.png"},
        "hr_height": hr.shape[0],
        "hr_width": hr.shape[1],
        "lr_height": lr.shape[0],
        "lr_width": lr.shape[1],
    }


def _draw_line(source: Source, rng: np.random.Generator) -> tuple[str, str, FontFile, Line]:
    synthesis = source.params.synthesis
    for _ in range(_MAX_DRAWS):
        text, kind = source.corpus.draw(rng)
        if not text_key(text) or split_of(text) != source.split:
            continue
        font = source.fonts.draw(rng)
        if not set(text) <= characters(font.path):
            continue
        try:
            line = render_line(
                text,
                font,
                synthesis.render,
                height=synthesis.lr_height * synthesis.scale,
                max_width=synthesis.max_lr_width * synthesis.scale,
                width_multiple=_LR_WIDTH_MULTIPLE * synthesis.scale,
                scale=synthesis.scale,
                rng=rng,
            )
        except (LineTooWideError, NoInkError):
            continue
        return text, kind, font, line
    raise TextsrError(
        f"{source.data}: no text of split {source.split} that its fonts can draw within "
        f"synthesis.max_lr_width in {_MAX_DRAWS} draws; add fonts or text, or widen the line"
    )
