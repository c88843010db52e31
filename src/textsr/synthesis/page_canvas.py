"""What a page is drawn on: its ground, its ink and where that is, and what stands where."""

from dataclasses import dataclass, field

import numpy as np

from textsr.config.effects import Render
from textsr.synthesis import ink as inks
from textsr.synthesis.fields import Plane
from textsr.synthesis.page_text import Text
from textsr.synthesis.typeset import draw_layout

_HEIGHT_PX = 72  # of a font for which strengths of ink are meant, at scale 4
_LEAST_INK = 0.3  # coverage of a line's darkest pixel
_PAD = 8  # pixels around a line's ink for what makes it larger

Rectangle = tuple[float, float, float, float]
"""Left, top, right and bottom; pixels."""


@dataclass(frozen=True)
class Tone:
    """Grey levels of ink and of the ground that it lies on."""

    ink: float
    ground: float

    @classmethod
    def draw(cls, render: Render, rng: np.random.Generator) -> "Tone":
        """Draw both, as for a line."""
        contrast = rng.uniform(*render.contrast_levels)
        dark = rng.uniform(0, 255 - contrast)
        levels = (dark, dark + contrast)
        return cls(*(levels[::-1] if rng.random() < render.inverted else levels))

    def with_other_ink(self, render: Render, rng: np.random.Generator) -> "Tone":
        """Draw another ink for the same ground; lighter or darker, as there is room."""
        least, most = render.contrast_levels
        room = max(self.ground, 255 - self.ground)
        if room < least:
            return self
        contrast = rng.uniform(least, min(most, room))
        darker = self.ground >= contrast and (
            self.ink < self.ground or self.ground + contrast > 255
        )
        return Tone(self.ground - contrast if darker else self.ground + contrast, self.ground)


@dataclass(frozen=True)
class Strengths:
    """What is done to the ink of every line of a page; lengths as in params.yaml, None: nothing."""

    weight: float | None
    underline: float | None
    dot_matrix: float | None
    oblique: float | None


@dataclass(frozen=True)
class PageLine:
    """A line of text on a page.

    Attributes:
        text: what it says, in which font.
        size_px: of the font.
        height_px: ascent plus descent of the font.
        tone: of its ink and ground.
        place: of its ink.
    """

    text: Text
    size_px: int
    height_px: float
    tone: Tone
    place: Rectangle


@dataclass
class Canvas:
    """A page before it is warped and lit.

    `ground` and `ink` are HxW grey levels, `coverage` is HxW in 0 to 1: of what is ink.
    """

    ground: Plane
    ink: Plane
    coverage: Plane
    unit: float
    strengths: Strengths
    rng: np.random.Generator
    lines: list[PageLine] = field(default_factory=list)
    pictures: list[Rectangle] = field(default_factory=list)

    @classmethod
    def blank(
        cls,
        height: int,
        width: int,
        unit: float,
        tone: Tone,
        strengths: Strengths,
        rng: np.random.Generator,
    ) -> "Canvas":
        """Return a page with nothing on it."""
        return cls(
            ground=np.full((height, width), tone.ground, np.float32),
            ink=np.full((height, width), tone.ink, np.float32),
            coverage=np.zeros((height, width), np.float32),
            unit=unit,
            strengths=strengths,
            rng=rng,
        )

    @property
    def tones(self) -> set[Tone]:
        """Every tone of its text."""
        return {line.tone for line in self.lines}

    def fill(self, place: Rectangle, level: float) -> None:
        """Lay a grey level over a rectangle of the ground."""
        self.ground[self._slices(place)] = level

    def paste(self, left: float, top: float, picture: Plane) -> None:
        """Lay a picture on the ground, as far as it lies inside."""
        x, y = round(left), round(top)
        place = (x, y, x + picture.shape[1], y + picture.shape[0])
        rows, columns = self._slices(place)
        self.ground[rows, columns] = picture[
            rows.start - y : rows.stop - y, columns.start - x : columns.stop - x
        ]
        self.pictures.append(place)

    def frame(self, place: Rectangle, thickness: float, level: float) -> None:
        """Draw a border inside a rectangle."""
        left, top, right, bottom = place
        t = max(round(thickness), 1)
        self.fill((left, top, right, top + t), level)
        self.fill((left, bottom - t, right, bottom), level)
        self.fill((left, top, left + t, bottom), level)
        self.fill((right - t, top, right, bottom), level)

    def write(
        self, text: Text, size_px: int, height_px: float, left: float, baseline: float, tone: Tone
    ) -> None:
        """Draw a line of text; `left` is where its ink begins.

        A line whose strokes are too thin to leave ink is left out.
        """
        drawn = np.pad(
            draw_layout(text.layout, text.font.path, size_px, smooth=True), self._pad(height_px)
        )
        drawn = self._changed(drawn, text.layout.top * size_px, height_px)
        inked = drawn > _LEAST_INK
        if not inked.any():
            return
        rows, columns = (np.flatnonzero(inked.any(axis)) for axis in (1, 0))
        pad = self._pad(height_px)
        x, y = round(left) - pad, round(baseline - text.layout.top * size_px) - pad
        place = (
            float(x + columns[0]),
            float(y + rows[0]),
            float(x + columns[-1] + 1),
            float(y + rows[-1] + 1),
        )
        self._print(drawn, x, y, tone)
        self.lines.append(PageLine(text, size_px, height_px, tone, place))

    def _pad(self, height_px: float) -> int:
        return _PAD + int(height_px / 3 if self.strengths.oblique else 0)

    def _changed(self, drawn: Plane, baseline: float, height_px: float) -> Plane:
        """Apply the strengths, weaker to small text, which they would make illegible."""
        strengths, unit = self.strengths, self.unit
        part = min(height_px / (_HEIGHT_PX * unit), 1)
        if strengths.underline is not None:
            top = baseline + self._pad(height_px)
            drawn = inks.underline(drawn, strengths.underline * unit * part, top, unit * part)
        if strengths.weight is not None:
            drawn = inks.embolden(drawn, strengths.weight * unit * part)
        if strengths.dot_matrix is not None:
            drawn = inks.dot_matrix(drawn, max(strengths.dot_matrix * unit * part, 1.5))
        if strengths.oblique is not None:
            drawn = inks.warp(
                drawn,
                oblique=strengths.oblique,
                rotation=0,
                corner_shift=0,
                room=0,
                rng=self.rng,
            )
        return drawn

    def _print(self, drawn: Plane, x: int, y: int, tone: Tone) -> None:
        rows, columns = self._slices((x, y, x + drawn.shape[1], y + drawn.shape[0]))
        if rows.start == rows.stop or columns.start == columns.stop:
            return
        part = drawn[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
        target = self.coverage[rows, columns]
        np.maximum(target, part, out=target)
        self.ink[rows, columns][part > 0] = tone.ink

    def _slices(self, place: Rectangle) -> tuple[slice, slice]:
        """Return the rows and columns of a rectangle, as far as it lies inside."""
        height, width = self.coverage.shape
        left, top, right, bottom = (round(side) for side in place)
        rows = slice(min(max(top, 0), height), min(max(bottom, 0), height))
        columns = slice(min(max(left, 0), width), min(max(right, 0), width))
        return rows, columns
