"""Drawing one HR page: composed, printed, seen from somewhere, lit."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from textsr.config.effects import Render
from textsr.config.params import Split, Synthesis
from textsr.images.grey import Image
from textsr.synthesis import ink as inks
from textsr.synthesis import surface as surfaces
from textsr.synthesis.camera import to_8_bit
from textsr.synthesis.corpus import Corpus
from textsr.synthesis.draws import Draws
from textsr.synthesis.fields import Plane
from textsr.synthesis.fonts import FontFile, FontSet, em_of_height
from textsr.synthesis.page_canvas import Canvas, PageLine, Strengths, Tone
from textsr.synthesis.page_elements import Setter
from textsr.synthesis.page_text import Writer, draw_fonts
from textsr.synthesis.render import clip, draw_surface, white_level

_PARAMS_SCALE = 4  # the scale at which params.yaml states lengths

Boxes = npt.NDArray[np.float64]
"""Rectangles, (N, 4): left, top, right and bottom; HR pixels."""


@dataclass(frozen=True)
class DrawnPage:
    """An HR page, what stands where, and how it was drawn.

    Attributes:
        image: HxW.
        lines: of its text.
        places: of the lines' ink.
        pictures: places of its pictures.
        tone: of the page where it is empty.
        font: one of its fonts.
        size_px: of that font, as the smallest text has.
        parameters: see `schema.RENDER_COLUMNS`.
    """

    image: Image
    lines: list[PageLine]
    places: Boxes
    pictures: Boxes
    tone: Tone
    font: FontFile
    size_px: int
    parameters: dict[str, float | int | bool | str | None]


@dataclass(frozen=True)
class _View:
    """How the page lies before the camera; pixels and degrees."""

    rotation: float
    corner_shift: float
    rise: float

    def bleed(self, height: int, width: int) -> int:
        """Return how far beyond the page it must be drawn for none of what is seen to be empty."""
        turned = abs(np.sin(np.radians(self.rotation))) * max(height, width) / 2
        return int(np.ceil(turned + self.corner_shift + abs(self.rise))) + 4


def draw_page(
    synthesis: Synthesis, corpus: Corpus, fonts: FontSet, split: Split, rng: np.random.Generator
) -> DrawnPage:
    """Draw a page, `synthesis.page.lr_height` x `lr_width` times the scale.

    Args:
        synthesis: settings with a page.
        corpus: of its texts.
        fonts: of the split.
        split: that its texts belong to.
        rng: source of every choice.
    """
    page, render = synthesis.page, synthesis.render
    assert page is not None
    unit = synthesis.scale / _PARAMS_SCALE
    height, width = page.lr_height * synthesis.scale, page.lr_width * synthesis.scale
    draws = Draws(rng)
    view = _draw_view(synthesis, width, draws)
    bleed = view.bleed(height, width)
    (tracking,) = draws.effect("tracking", render.tracking) or (0.0,)
    writer = Writer(corpus, split, draw_fonts(fonts, rng), tracking, rng)
    canvas, tone = _compose((height + 2 * bleed, width + 2 * bleed), synthesis, writer, draws)
    printed, coverage, places, pictures = _look(canvas, view, render, draws)
    inner = (slice(bleed, bleed + height), slice(bleed, bleed + width))
    image = _light(printed[inner], coverage[inner], tone, canvas.tones, unit, render, draws)
    offset = np.array([bleed] * 4)
    font = writer.fonts[0]
    return DrawnPage(
        image=to_8_bit(image),
        lines=canvas.lines,
        places=places - offset,
        pictures=pictures - offset,
        tone=tone,
        font=font,
        size_px=math.ceil(render.font_height_px[0] * unit * em_of_height(font.path)),
        parameters=draws.recorded,
    )


def _draw_view(synthesis: Synthesis, width: int, draws: Draws) -> _View:
    """Draw rotation, perspective and curvature; lengths grow with the page, as its angles stay."""
    render = synthesis.render
    line = synthesis.lr_height * width / synthesis.max_lr_width  # high, were it as wide as the page
    (rotation,) = draws.effect("rotation", render.rotation) or (0.0,)
    (corner_shift,) = draws.effect("perspective", render.perspective) or (0.0,)
    (rise,) = draws.effect("curvature", render.curvature) or (0.0,)
    return _View(rotation, corner_shift * line, rise * line)


def _compose(
    size: tuple[int, int], synthesis: Synthesis, writer: Writer, draws: Draws
) -> tuple[Canvas, Tone]:
    """Fill the columns of a page of `size` (height, width); return it and the tone of its paper."""
    page, render, unit = synthesis.page, synthesis.render, synthesis.scale / _PARAMS_SCALE
    assert page is not None
    height, width = size
    rng = draws.rng
    draws.effect("neighbours", render.neighbours)  # never: a page's are its own
    strengths = Strengths(
        *(
            drawn[0] if (drawn := draws.effect(name, getattr(render, name))) else None
            for name in ("weight", "underline", "dot_matrix", "oblique")
        )
    )
    tone = Tone.draw(render, rng)
    canvas = Canvas.blank(height, width, unit, tone, strengths, rng)
    if rng.random() < page.empty:
        return canvas, tone
    setter = Setter(canvas, writer, page, render, tone, rng)
    count = int(rng.integers(1, page.max_columns + 1))
    # A page's margins, or none: a part of a page.
    margin = rng.choice([0, 1]) * rng.uniform(0.02, 0.08) * width
    gutter = rng.uniform(16, 80) * unit
    across = (width - 2 * margin + gutter) / count
    for number in range(count):
        left = margin + number * across
        top = margin + rng.uniform(-100, 100) * unit
        setter.fill_column((left, top, left + across - gutter, height - margin))
        if number and rng.random() < 0.3:
            middle = left - gutter / 2
            canvas.fill((middle, margin, middle + max(2 * unit, 1), height - margin), tone.ink)
    return canvas, tone


def _look(
    canvas: Canvas, view: _View, render: Render, draws: Draws
) -> tuple[Plane, Plane, Boxes, Boxes]:
    """Print the page and look at it; return it, its coverage, and where lines and pictures are."""
    coverage = canvas.coverage
    if drawn := draws.effect("thermal", render.thermal):
        coverage = inks.fade_thermally(coverage, drawn[0], canvas.unit, draws.rng)
    if drawn := draws.effect("worn", render.worn):
        coverage = inks.wear(coverage, drawn[0], canvas.unit, draws.rng)
    printed = canvas.ground + coverage * (canvas.ink - canvas.ground)
    boxes = [
        np.array(places, np.float64).reshape(-1, 4)
        for places in ([line.place for line in canvas.lines], canvas.pictures)
    ]
    height, width = coverage.shape
    if view.rotation or view.corner_shift:
        matrix = inks.view(
            height,
            width,
            oblique=0,
            rotation=view.rotation,
            corner_shift=view.corner_shift,
            rng=draws.rng,
        )
        printed, coverage = (
            np.asarray(
                cv2.warpPerspective(
                    plane,
                    matrix,
                    (width, height),
                    flags=kernel,
                    borderMode=cv2.BORDER_REPLICATE,
                ),
                np.float32,
            )
            for plane, kernel in ((printed, cv2.INTER_CUBIC), (coverage, cv2.INTER_LINEAR))
        )
        boxes = [_seen(places, matrix) for places in boxes]
    if view.rise:
        printed, coverage = inks.curve(printed, view.rise), inks.curve(coverage, view.rise)
        boxes = [_bowed(places, view.rise, width) for places in boxes]
    return printed, coverage, boxes[0], boxes[1]


def _seen(places: Boxes, matrix: npt.NDArray[np.float64]) -> Boxes:
    """Return the bounds of rectangles whose corners were moved."""
    if not len(places):
        return places
    corners = places[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    moved = np.asarray(cv2.perspectiveTransform(corners, matrix), np.float64)
    return np.concatenate([moved.min(1), moved.max(1)], axis=1)


def _bowed(places: Boxes, rise: float, width: int) -> Boxes:
    """Return the bounds of rectangles that `ink.curve` has bowed."""
    x = 2 * places[:, [0, 2]] / max(width - 1, 1) - 1
    # The bow is highest or lowest at an end, or where it crosses the middle.
    middle = np.clip(0, x[:, :1], x[:, 1:])
    up = inks.bow(np.concatenate([x, middle], axis=1).astype(np.float32), rise)
    bowed = places.copy()
    bowed[:, 1] -= up.max(1)
    bowed[:, 3] -= up.min(1)
    return bowed


def _light(
    printed: Plane,
    coverage: Plane,
    tone: Tone,
    tones: set[Tone],
    unit: float,
    render: Render,
    draws: Draws,
) -> Plane:
    """Put what is printed on paper, and light on both; no text of the page is lost in white."""
    flat = np.float32(tone.ground)
    paper = draw_surface(coverage, tone.ink, tone.ground, unit, render, draws) - flat
    image = printed + (1 - coverage) * paper
    if drawn := draws.effect("clipping", render.clipping):
        image = clip(image, max(white_level(t.ink, t.ground, drawn[0]) for t in {tone, *tones}))
    if drawn := draws.effect("shadow", render.shadow):
        height, width = image.shape
        image = image * surfaces.shadow(height, width, drawn[0], unit, draws.rng)
    return np.asarray(image, np.float32)
