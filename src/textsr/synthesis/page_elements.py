"""What the columns of a page are filled with: paragraphs, tables, pictures, rules."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from textsr.config.effects import Render
from textsr.config.pages import Page
from textsr.synthesis.draws import draw_key
from textsr.synthesis.fonts import em_of_height
from textsr.synthesis.page_canvas import Canvas, Rectangle, Tone
from textsr.synthesis.page_pictures import draw_picture
from textsr.synthesis.page_text import Writer

_LEAST_ROOM = 2.5  # sizes of a font that a column has room for, at least
_ASCENT = 0.8  # of ascent plus descent
_OTHER_INK = 0.25  # probability that an element has an ink of its own


@dataclass(frozen=True)
class Setter:
    """Sets the elements of one page; each says where it ends, in rows.

    Attributes:
        canvas: the page.
        writer: draws its texts.
        page: how it is composed.
        render: how text looks.
        tone: of ink and ground where nothing else was drawn.
        rng: source of every choice.
    """

    canvas: Canvas
    writer: Writer
    page: Page
    render: Render
    tone: Tone
    rng: np.random.Generator

    def fill_column(self, column: Rectangle) -> None:
        """Fill a column from top to bottom."""
        left, top, right, bottom = column
        while top < bottom:
            end = self._set(draw_key(self.page.elements, self.rng), (left, top, right, bottom))
            top = end + self._px(6, 48)

    def _set(self, kind: str, place: Rectangle) -> float:
        tone = self.tone
        if self.rng.random() < _OTHER_INK:
            tone = tone.with_other_ink(self.render, self.rng)
        if kind == "space":
            return place[1] + self._px(24, 200)
        if kind == "rule":
            return self._rule(place, tone)
        if kind == "picture":
            return self._picture(place, tone)
        if kind == "table":
            return self._table(place, tone)
        return self._text(kind, place, tone)

    def _text(self, kind: str, place: Rectangle, tone: Tone) -> float:
        """Set a paragraph or a heading, maybe in a frame and on a panel."""
        left, top, right, bottom = place
        panel = self.rng.random() < self.page.panel
        framed = self.rng.random() < self.page.framed
        pad = self._px(8, 36) if panel or framed else 0.0
        if right - left <= 4 * pad:
            pad, panel, framed = 0.0, False, False
        if panel:
            tone = Tone.draw(self.render, self.rng)
        inner = (left + pad, top + pad, right - pad, bottom - pad)
        end = self._heading(inner, tone) if kind == "heading" else self._paragraph(inner, tone)
        end = min(end + pad, bottom)
        around = (left, top, right, end)
        if panel:  # ink lies apart from its ground
            self.canvas.fill(around, tone.ground)
        if framed:
            self.canvas.frame(around, self._px(1, 6), tone.ink)
        return end

    def _paragraph(self, place: Rectangle, tone: Tone) -> float:
        return self._lines(place, tone, int(self.rng.integers(1, 13)), (0, 0.65), full=True)

    def _heading(self, place: Rectangle, tone: Tone) -> float:
        return self._lines(place, tone, int(self.rng.integers(1, 4)), (0.3, 1), full=False)

    def _lines(
        self,
        place: Rectangle,
        tone: Tone,
        count: int,
        sizes: tuple[float, float],
        *,
        full: bool,
    ) -> float:
        """Set lines of one font and size, aligned in one way."""
        left, top, right, bottom = place
        font = self.writer.font()
        em = em_of_height(font.path)
        size = self._size(em, right - left, sizes)
        height = size / em
        pitch = height * self.rng.uniform(0.95, 1.6)
        aligned = draw_key({"left": 6, "centre": 2, "right": 1}, self.rng)
        for _ in range(count):
            if top + height > bottom:
                return bottom
            text = self.writer.write(font, (right - left) / size, full=full)
            if text is not None:
                slack = right - left - text.width_em * size
                indent = {"left": 0, "centre": slack / 2, "right": slack}[aligned]
                self.canvas.write(text, size, height, left + indent, top + _ASCENT * height, tone)
            top += pitch
        return top

    def _table(self, place: Rectangle, tone: Tone) -> float:
        """Set a table: a grid, rules below its rows or none, a header, stripes."""
        left, top, right, bottom = place
        font = self.writer.font()
        em = em_of_height(font.path)
        shares = self.rng.uniform(0.5, 1.5, int(self.rng.integers(2, 6)))
        edges = left + (right - left) * np.cumsum([0, *shares]) / shares.sum()
        size = self._size(em, float(np.diff(edges).min()), (0, 0.5))
        height = size / em
        pitch = height * self.rng.uniform(1.15, 2.2)
        rows = min(int(self.rng.integers(2, 10)), int((bottom - top) / pitch))
        style = draw_key({"grid": 3, "rows": 3, "none": 1}, self.rng)
        header = self.rng.random() < 0.4
        striped = self.rng.random() < 0.25
        pad, thickness = self._px(4, 16), self._px(1, 5)
        stripe = Tone.draw(self.render, self.rng)
        for row in range(rows):
            line = (left, top + row * pitch, right, top + (row + 1) * pitch)
            is_special = (row == 0 and header) or (row % 2 == 1 and striped)
            row_tone = stripe if is_special else tone
            if is_special:
                self.canvas.fill(line, stripe.ground)
            baseline = line[1] + pitch / 2 + (_ASCENT - 0.5) * height
            for start, end in pairwise(edges):
                text = self.writer.write(font, (end - start - 2 * pad) / size)
                if text is None or self.rng.random() < 0.1:
                    continue
                slack = end - start - 2 * pad - text.width_em * size
                indent = slack if text.content[-1].isdigit() else 0
                self.canvas.write(text, size, height, start + pad + indent, baseline, row_tone)
        end = top + rows * pitch
        if style != "none":
            for row in range(rows + 1):
                y = top + row * pitch
                self.canvas.fill((left, y, right, y + max(thickness, 1)), tone.ink)
        if style == "grid":
            for x in edges:
                self.canvas.fill((x, top, x + max(thickness, 1), end), tone.ink)
        return end

    def _picture(self, place: Rectangle, tone: Tone) -> float:
        left, top, right, bottom = place
        width = round((right - left) * self.rng.uniform(0.4, 1))
        height = round(min(width * self.rng.uniform(0.4, 1.2), bottom - top))
        if min(width, height) < 32 * self.canvas.unit:
            return bottom
        left += self.rng.choice([0, (right - left - width) / 2])
        picture = draw_picture(height, width, self.canvas.unit, self.rng)
        self.canvas.paste(left, top, picture)
        if self.rng.random() < 0.3:
            self.canvas.frame((left, top, left + width, top + height), self._px(1, 6), tone.ink)
        return top + height

    def _rule(self, place: Rectangle, tone: Tone) -> float:
        """Draw a rule across the column: solid, double, or of dashes."""
        left, top, right, _ = place
        thickness = max(self._px(1, 8), 1)
        style = draw_key({"solid": 4, "double": 1, "dashes": 2}, self.rng)
        if style == "dashes":
            pitch = max(self._px(4, 24), 2 * thickness)
            for start in np.arange(left, right - pitch, pitch):
                self.canvas.fill((start, top, start + pitch / 2, top + thickness), tone.ink)
            return top + thickness
        self.canvas.fill((left, top, right, top + thickness), tone.ink)
        if style == "solid":
            return top + thickness
        self.canvas.fill((left, top + 2 * thickness, right, top + 3 * thickness), tone.ink)
        return top + 3 * thickness

    def _size(self, em: float, room: float, part: tuple[float, float]) -> int:
        """Draw the size of a font, pixels.

        Args:
            em: see `em_of_height`.
            room: pixels across.
            part: of the interval of heights on a scale of ratios: as many are twice as high as
                half as high.
        """
        low, high = (math.log(height * self.canvas.unit) for height in self.render.font_height_px)
        height = math.exp(low + (high - low) * self.rng.uniform(*part))
        return max(round(min(height * em, room / _LEAST_ROOM)), 4)

    def _px(self, low: float, high: float) -> float:
        """Draw a length, given at scale 4."""
        return float(self.rng.uniform(low, high)) * self.canvas.unit
