"""Parts of pages: paper and lines of one font, drawn and degraded as one."""

from collections.abc import Iterator

import numpy as np

from benchmarks.preference.crops import PART, Crop
from textsr.images.image import LoadedImage
from textsr.synthesis.camera import to_8_bit
from textsr.synthesis.corpus import split_of, text_key
from textsr.synthesis.degrade import degrade
from textsr.synthesis.fields import Plane
from textsr.synthesis.fonts import FontFile, characters
from textsr.synthesis.sample import Source
from textsr.synthesis.surface import gradient, grain
from textsr.synthesis.typeset import draw_layout, lay_out

# LR pixels and ems.
_EM_PX = (9.0, 16.0)
_PITCH_EM = (1.15, 1.7)
_INDENT_PX = (-20.0, 40.0)
_BLANK = 0.2  # probability of a line without text
_LIGHTEST_INK, _DARKEST_PAPER = 90, 170  # grey levels


def page_parts(source: Source, seed: int, count: int) -> list[Crop]:
    """Draw so many parts of pages, of size `PART`: paper and lines of one font, degraded as one."""
    synthesis = source.params.synthesis
    crops = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        hr = to_8_bit(_draw_page(source, rng))
        lr = degrade(hr, synthesis.degradation, synthesis.scale, rng).image
        crops.append(Crop(f"part-{index}", LoadedImage(lr)))
    return crops


def _draw_page(source: Source, rng: np.random.Generator) -> Plane:
    synthesis = source.params.synthesis
    scale = synthesis.scale
    height, width = (length * scale for length in PART)
    font = source.fonts.draw(rng)
    em = rng.uniform(*_EM_PX) * scale
    pitch = rng.uniform(*_PITCH_EM) * em
    coverage = np.zeros((height, width), np.float32)
    left = rng.uniform(*_INDENT_PX) * scale
    baseline = rng.uniform(0, pitch)
    while baseline < height + pitch:
        if rng.random() >= _BLANK:
            _lay_line(coverage, source, font, em, left, baseline, rng)
        baseline += pitch
    ink, paper = rng.uniform(0, _LIGHTEST_INK), rng.uniform(_DARKEST_PAPER, 255)
    unit = scale / 4  # effects state lengths at scale 4
    ground = np.full((height, width), paper, np.float32)
    ground += gradient(height, width, rng.uniform(*synthesis.render.gradient.levels), rng)
    ground += grain(height, width, rng.uniform(*synthesis.render.grain.levels), unit, rng)
    return ground + coverage * (np.float32(ink) - ground)


def _lay_line(
    coverage: Plane,
    source: Source,
    font: FontFile,
    em: float,
    left: float,
    baseline: float,
    rng: np.random.Generator,
) -> None:
    """Draw texts side by side until a line is full, as far as they lie inside."""
    height, width = coverage.shape
    x = left
    for text in _texts(source, font, rng):
        layout = lay_out(text, font.path)
        ink = draw_layout(layout, font.path, em)
        top = round(baseline - layout.top * em)
        rows = slice(max(top, 0), min(top + ink.shape[0], height))
        start = round(x)
        columns = slice(max(start, 0), min(start + ink.shape[1], width))
        if rows.start < rows.stop and columns.start < columns.stop:
            part = ink[rows.start - top : rows.stop - top, columns.start - start :]
            coverage[rows, columns] = part[:, : columns.stop - columns.start]
        x += (layout.right - layout.left + 0.3) * em
        if x > width:
            return


def _texts(source: Source, font: FontFile, rng: np.random.Generator) -> Iterator[str]:
    """Yield texts of the source's split that the font can draw, without end."""
    while True:
        text, _ = source.corpus.draw(rng)
        if text_key(text) and split_of(text) == source.split and set(text) <= characters(font.path):
            yield text
