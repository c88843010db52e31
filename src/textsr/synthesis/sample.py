"""Sample i of a split as a pure function of (params, source material, i)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textsr.config.params import SPLITS, Params, Split
from textsr.datasets.shards import encode_png
from textsr.errors import TextsrError
from textsr.synthesis.corpus import Corpus, load_corpus, split_of, text_key
from textsr.synthesis.degrade import degrade
from textsr.synthesis.fonts import FontFile, FontSet, characters, load_fonts
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


def make_sample(source: Source, index: int) -> dict[str, Any]:
    """Make row `index` of a split, a value a column of `schema.SCHEMA`."""
    synthesis = source.params.synthesis
    split = source.split
    rng = np.random.default_rng([synthesis.seed, SPLITS.index(split), index])
    text, kind, font, line = _draw_line(source, rng)
    degraded = degrade(line.image, synthesis.degradation, synthesis.scale, rng)
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
        "hr": {"bytes": encode_png(line.image), "path": f"{sample_id}-hr.png"},
        "lr": {"bytes": encode_png(degraded.image), "path": f"{sample_id}-lr.png"},
        "hr_height": line.image.shape[0],
        "hr_width": line.image.shape[1],
        "lr_height": degraded.image.shape[0],
        "lr_width": degraded.image.shape[1],
        **line.parameters,
        **degraded.parameters,
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
