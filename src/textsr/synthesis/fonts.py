"""Font files by family, and which characters each can draw."""

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTFont
from PIL import ImageFont

from textsr.config.params import FontSplits, Split
from textsr.errors import TextsrError, shorten
from textsr.files import find_files
from textsr.synthesis.draws import draw_key

_SUFFIXES = {".ttf", ".otf"}


@dataclass(frozen=True)
class FontFile:
    """A font file; `family` is the folder it lies in."""

    path: Path
    family: str
    italic: bool = False


@dataclass(frozen=True)
class FontSet:
    """The fonts of one split, by family."""

    families: dict[str, tuple[FontFile, ...]]
    italic: float
    """Probability of an italic face where a family has both."""

    def draw(self, rng: np.random.Generator) -> FontFile:
        """Draw a file: a family by the square root of its number of files, then a file of it.

        The root keeps families of one weight visible beside families of twenty-four.
        """
        family = draw_key({name: len(files) ** 0.5 for name, files in self.families.items()}, rng)
        slanted = rng.random() < self.italic
        files = [file for file in self.families[family] if file.italic == slanted]
        files = files or list(self.families[family])
        return files[int(rng.integers(len(files)))]


def load_fonts(folder: Path, splits: FontSplits, split: Split) -> FontSet:
    """Find the font files of one split under `folder/FAMILY/`.

    Raises:
        TextsrError: if the folder is missing, holds a font outside a family folder, lacks a family
            named in `splits`, or leaves no family for the split.
    """
    if not folder.is_dir():
        raise TextsrError(f"{folder}: no such folder; get the fonts with `textsr fetch-data`")
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in _SUFFIXES:
            raise TextsrError(
                f"{path}: a font outside a family folder; move it to {folder}/FAMILY/{path.name}"
            )
    # A hidden folder is no family: a killed import leaves its half-written copy as one.
    found = {
        path.name
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(".") and _files(path)
    }
    held_out = {"val": splits.val_families, "test": splits.test_families}
    for name, families in held_out.items():
        missing = sorted(set(families) - found)
        if missing:
            raise TextsrError(
                f"params.yaml: synthesis.fonts.{name}_families: no fonts of {', '.join(missing)} "
                f"in {folder}; name families that are there ({', '.join(sorted(found))})"
            )
    names = held_out.get(split, sorted(found - {*splits.val_families, *splits.test_families}))
    if not names:
        raise TextsrError(f"{folder}: no family left for {split}; add fonts or hold out fewer")
    files = {name: _files(folder / name) for name in sorted(names)}
    return FontSet(files, splits.italic)


def _files(folder: Path) -> tuple[FontFile, ...]:
    return tuple(
        FontFile(path, folder.name, _is_italic(path))
        for path in find_files(folder, _SUFFIXES, hidden=True)
        # A hidden file is no font: a killed fetch leaves its half-written copy as one.
        if not path.name.startswith(".")
    )


@cache
def characters(path: Path) -> frozenset[str]:
    """Return the characters that a font file can draw.

    Raises:
        TextsrError: if the file is not a font.
    """
    try:
        with TTFont(path, lazy=True, fontNumber=0) as font:
            return frozenset(map(chr, font.getBestCmap() or {}))
    except Exception as error:  # of a damaged file, fontTools raises whatever its parsing runs into
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> TextsrError:
    """Return what to raise for a font whose reading failed."""
    said = shorten(str(error)) or type(error).__name__
    return TextsrError(f"{path}: not a readable font ({said}); remove it")


@cache
def _is_italic(path: Path) -> bool:
    try:
        with TTFont(path, lazy=True, fontNumber=0) as font:
            return bool(font["post"].italicAngle)
    except Exception:
        return False  # `characters` says what is wrong with the file when it is drawn


@lru_cache(maxsize=4096)
def load_face(path: Path, size_px: int) -> ImageFont.FreeTypeFont:
    """Return the font at `size_px` pixels an em.

    Raises:
        TextsrError: if the file is not a font.
    """
    try:
        return ImageFont.truetype(str(path), size_px, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise unreadable(path, error) from error


def em_of_height(path: Path) -> float:
    """Return the size of a font at which its ascent plus descent is 1."""
    ascent, descent = load_face(path, 64).getmetrics()
    return 64 / (ascent + descent)
