"""Drawing one HR line of text on its ground."""

from dataclasses import dataclass

import numpy as np

from textsr.config.effects import Render
from textsr.images.grey import Image
from textsr.synthesis import ink as inks
from textsr.synthesis import surface as surfaces
from textsr.synthesis.camera import to_8_bit
from textsr.synthesis.draws import Draws
from textsr.synthesis.fields import Plane
from textsr.synthesis.fonts import FontFile, em_of_height
from textsr.synthesis.typeset import Layout, draw_layout, lay_out

_PARAMS_SCALE = 4  # the scale at which params.yaml states lengths
# Ink may fill this much of the line's height: a crop is seldom tighter.
_MAX_INK_HEIGHT = 0.94
_LEAST_INK = 0.2  # coverage of the darkest pixel


@dataclass(frozen=True)
class Line:
    """A drawn line and how it was drawn; see `schema.RENDER_COLUMNS`."""

    image: Image
    parameters: dict[str, float | int | bool | str | None]


@dataclass(frozen=True)
class _Page:
    """What every effect needs to know of the image."""

    height: int
    width: int
    unit: float
    """Pixels a pixel of params.yaml."""


class LineTooWideError(Exception):
    """The text does not fit the width at the smallest font size."""


class NoInkError(Exception):
    """Effects have taken all ink away: thin strokes thinned, then printed in coarse dots."""


def render_line(
    text: str,
    font: FontFile,
    params: Render,
    *,
    height: int,
    max_width: int,
    width_multiple: int,
    scale: int,
    rng: np.random.Generator,
) -> Line:
    """Draw `text` on a line `height` pixels high.

    Args:
        text: what to draw; every character must be in the font.
        font: the font file.
        params: ranges to draw from; its lengths hold at scale 4 and are multiplied by scale / 4.
        height: of the line, pixels.
        max_width: of the line, pixels; wider text is drawn smaller.
        width_multiple: the line's width is a multiple of this.
        scale: HR pixels per LR pixel.
        rng: source of every choice.

    Raises:
        LineTooWideError: if even the smallest allowed font does not fit.
        NoInkError: if effects leave no ink.
    """
    unit = scale / _PARAMS_SCALE
    draws = Draws(rng)
    left, right = (int(draws.uniform(params.margin_px) * unit) for _ in range(2))
    (tracking,) = draws.effect("tracking", params.tracking) or (0.0,)
    layout = lay_out(text, font.path, tracking)
    size = _fit(layout, font, params, unit, height, max_width - left - right, draws)
    width = int(left + (layout.right - layout.left) * size + right + 1)
    width += -width % width_multiple
    if width > max_width:
        raise LineTooWideError
    page = _Page(height, width, unit)
    coverage = _draw_ink(layout, font, size, left, page, params, draws)
    if coverage.max() < _LEAST_INK:
        raise NoInkError
    draws.recorded |= {"font_size_px": size, "margin_left_px": left, "margin_right_px": right}
    return Line(to_8_bit(_print(coverage, page, params, draws)), draws.recorded)


def _fit(
    layout: Layout,
    font: FontFile,
    params: Render,
    unit: float,
    height: int,
    room: int,
    draws: Draws,
) -> int:
    """Return the font size at which ascent plus descent has the drawn height, or less to fit."""
    size_of_height = em_of_height(font.path)
    size = min(
        draws.uniform(params.font_height_px) * unit * size_of_height,
        room / max(layout.right - layout.left, 1e-6),
    )
    if size < params.font_height_px[0] * unit * size_of_height * 0.8:
        raise LineTooWideError
    tallest = _MAX_INK_HEIGHT * height / max(layout.top - layout.bottom, 1e-6)
    return max(int(min(size, tallest)), 1)


def _draw_ink(
    layout: Layout,
    font: FontFile,
    size: int,
    left: int,
    page: _Page,
    params: Render,
    draws: Draws,
) -> Plane:
    """Draw the ink's coverage, HxW in 0 to 1, the text at a random height that fits."""
    drawn_ink = draw_layout(layout, font.path, size)
    slack = page.height - len(drawn_ink)
    # The middle half of the slack: rotation and perspective need the rest.
    top = round(slack * draws.uniform((0.25, 0.75)))
    baseline = top + layout.top * size
    coverage = np.zeros((page.height, page.width), np.float32)
    coverage[top : top + drawn_ink.shape[0], left : left + drawn_ink.shape[1]] = drawn_ink
    if drawn := draws.effect("underline", params.underline):
        coverage = inks.underline(coverage, drawn[0] * page.unit, baseline, page.unit)
    if drawn := draws.effect("weight", params.weight):
        coverage = inks.embolden(coverage, drawn[0] * page.unit)
    if drawn := draws.effect("neighbours", params.neighbours):
        coverage = inks.add_neighbours(coverage, drawn[0] * size, draws.rng)
    if drawn := draws.effect("dot_matrix", params.dot_matrix):
        coverage = inks.dot_matrix(coverage, drawn[0] * page.unit)
    (oblique,) = draws.effect("oblique", params.oblique) or (0.0,)
    (rotation,) = draws.effect("rotation", params.rotation) or (0.0,)
    (corner_shift,) = draws.effect("perspective", params.perspective) or (0.0,)
    if oblique or rotation or corner_shift:
        coverage = inks.warp(
            coverage,
            oblique=oblique,
            rotation=rotation,
            corner_shift=corner_shift * page.height,
            room=max(slack / 2, 0.1 * page.height),
            rng=draws.rng,
        )
    if drawn := draws.effect("curvature", params.curvature):
        coverage = inks.curve(coverage, drawn[0] * page.height)
    if drawn := draws.effect("thermal", params.thermal):
        coverage = inks.fade_thermally(coverage, drawn[0], page.unit, draws.rng)
    if drawn := draws.effect("worn", params.worn):
        coverage = inks.wear(coverage, drawn[0], page.unit, draws.rng)
    return coverage


def _print(coverage: Plane, page: _Page, params: Render, draws: Draws) -> Plane:
    """Put the ink on its ground, and light on both."""
    contrast = draws.uniform(params.contrast_levels)
    dark = draws.uniform((0, 255 - contrast))
    inverted = bool(draws.rng.random() < params.inverted)
    ink, ground = (dark + contrast, dark) if inverted else (dark, dark + contrast)
    draws.recorded |= {"ink": ink, "ground": ground, "inverted": inverted}
    surface = draw_surface(coverage, ink, ground, page.unit, params, draws)
    image = surface + coverage * (np.float32(ink) - surface)
    if drawn := draws.effect("clipping", params.clipping):
        image = clip(image, white_level(ink, ground, drawn[0]))
    if drawn := draws.effect("shadow", params.shadow):
        image *= surfaces.shadow(page.height, page.width, drawn[0], page.unit, draws.rng)
    return np.asarray(image, np.float32)


def draw_surface(
    coverage: Plane, ink: float, ground: float, unit: float, params: Render, draws: Draws
) -> Plane:
    """Draw what the ink lies on: an HxW plane of grey levels.

    Args:
        coverage: of the ink, HxW in 0 to 1, which may show through from the back.
        ink: grey level.
        ground: grey level.
        unit: pixels a pixel of params.yaml.
        params: effects to draw.
        draws: source of every choice.
    """
    height, width = coverage.shape
    rng = draws.rng
    surface = np.full((height, width), ground, np.float32)
    # Marks are dark on a light ground and light on a dark one.
    sign = -1.0 if ground > 127 else 1.0
    if drawn := draws.effect("gradient", params.gradient):
        surface += surfaces.gradient(height, width, drawn[0], rng)
    if drawn := draws.effect("grain", params.grain):
        surface += surfaces.grain(height, width, drawn[0], unit, rng)
    if drawn := draws.effect("clutter", params.clutter):
        surface += surfaces.clutter(height, width, drawn[0], unit, rng)
    if drawn := draws.effect("ruled", params.ruled):
        surface += surfaces.ruling(height, width, sign * drawn[0], drawn[1] * unit, unit, rng)
    if drawn := draws.effect("stain", params.stain):
        surface += surfaces.stain(height, width, sign * drawn[0], unit, rng)
    if drawn := draws.effect("show_through", params.show_through):
        surface += surfaces.show_through(coverage, drawn[0] * (ink - ground), unit, rng)
    return surface


def white_level(ink: float, ground: float, share: float) -> float:
    """Return the grey level that clipping makes white: `share` of the contrast is lost in it."""
    return max(ink, ground) - share * abs(ink - ground)


def clip(image: Plane, white: float) -> Plane:
    """Expose so that a grey level, and all above, is white.

    Scanners and document apps do so on purpose, and cameras with lit signs: grain disappears.
    """
    return np.asarray(np.clip(image * np.float32(255 / white), 0, 255), np.float32)
