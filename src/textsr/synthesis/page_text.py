"""Text for pages: lines of any length, of the split, that fit the room they get."""

from dataclasses import dataclass

import numpy as np

from textsr.config.params import Split
from textsr.synthesis.corpus import Corpus, split_of, text_key
from textsr.synthesis.fonts import FontFile, FontSet, characters
from textsr.synthesis.typeset import Layout, lay_out

_MAX_DRAWS = 150  # a text falls into val 1 time in 20
_EM_ADVANCE = 0.5  # of a letter, about
_LONGEST = 120  # characters


@dataclass(frozen=True)
class Text:
    """A line of text in a font, not yet of any size."""

    content: str
    font: FontFile
    layout: Layout

    @property
    def width_em(self) -> float:
        """Width of the ink, in sizes of the font."""
        return self.layout.right - self.layout.left


@dataclass(frozen=True)
class Writer:
    """Draws the texts of a page, of which none belongs to another split."""

    corpus: Corpus
    split: Split
    fonts: tuple[FontFile, ...]
    tracking: float
    rng: np.random.Generator

    def font(self) -> FontFile:
        """Draw one of the page's fonts."""
        return self.fonts[int(self.rng.integers(len(self.fonts)))]

    def write(self, font: FontFile, room_em: float, *, full: bool = False) -> Text | None:
        """Draw a text that is no wider than `room_em`.

        Args:
            font: the font.
            room_em: in sizes of the font.
            full: fill the room as lines of a paragraph do.

        Returns:
            None where none was found: the room is narrow, or the font lacks letters.
        """
        known = characters(font.path)
        for _ in range(_MAX_DRAWS):
            content = self._draw(room_em / _EM_ADVANCE, full)
            if not text_key(content) or split_of(content) != self.split:
                continue
            if not set(content) <= known:
                continue
            text = Text(content, font, lay_out(content, font.path, self.tracking))
            if text.width_em <= room_em:
                return text
        return None

    def _draw(self, room: float, full: bool) -> str:
        """Draw a text of about so many letters where it is to be full, else at most a few."""
        content, _ = self.corpus.draw(self.rng)
        limit = int(min(room * self.rng.uniform(0.7, 1.1), _LONGEST))
        while full and len(content) < limit:
            content += f" {self.corpus.draw(self.rng)[0]}"
        if full and len(content) > limit:
            content = content[:limit].rsplit(" ", 1)[0].rstrip()
        return content


def draw_fonts(fonts: FontSet, rng: np.random.Generator) -> tuple[FontFile, ...]:
    """Draw the fonts of a page, one to three."""
    return tuple(fonts.draw(rng) for _ in range(int(rng.integers(1, 4))))
