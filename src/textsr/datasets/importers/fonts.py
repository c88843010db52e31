"""Fonts of the user's, or of the machine's, into `data/fonts/`: those that can be trained on."""

import io
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_letters, digits, punctuation

import numpy as np
import numpy.typing as npt
from fontTools.ttLib import TTFont, TTLibError
from PIL import Image, ImageDraw, ImageFont

from textsr.errors import TextsrError
from textsr.evaluation.ocr import score_readings
from textsr.files import replace_folder, write_text

ReadImages = Callable[[Sequence[npt.NDArray[np.uint8]]], Sequence[str]]
"""Reads one text an image of a line: grey, dark on light."""

MAX_CER = 0.12
"""Character error rate of `SPECIMENS`, drawn sharp and large, above which a font is left out."""

SPECIMENS = ("Invoice 27.45 paid", "GRAND TOTAL 1,038", "quick brown fox 96", "Jan 12 2026 x7 Kew")

_SUFFIXES = {".ttf", ".otf", ".woff", ".woff2"}
_NEEDED = frozenset(ascii_letters + digits + punctuation)
_OUTLINES = {"glyf", "CFF ", "CFF2"}
_EM_PX = 44
_LINE_PX = 64  # the height at which a specimen is read
_WIDEST_PX = 1600
_COPYRIGHT, _FAMILY, _LICENCE, _LICENCE_URL, _TYPOGRAPHIC_FAMILY = 0, 1, 13, 14, 16


@dataclass
class FontImport:
    """What an import of fonts took and what it left out."""

    families: int = 0
    files: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    """Number of files by reason."""

    def render(self) -> str:
        """Return what is said of it, a line a reason."""
        lines = [f"{self.files} fonts of {self.families} families imported"]
        lines += [f"  {count} left out: {why}" for why, count in self.left_out.most_common()]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Font:
    name: str
    family: str
    licence: str
    data: bytes


class _LeftOutError(Exception):
    """Why a file is not imported."""


def list_fonts(source: Path) -> list[Path]:
    """Return the font files under a folder: TTF, OTF, WOFF and WOFF2.

    Raises:
        TextsrError: if it is no folder or holds none.
    """
    if not source.is_dir():
        raise TextsrError(f"{source}: no such folder; name one that holds font files")
    found = [
        path
        for path in sorted(source.rglob("*"))
        if path.suffix.lower() in _SUFFIXES and path.is_file() and not path.name.startswith(".")
    ]
    if not found:
        raise TextsrError(f"{source}: no font files ({', '.join(sorted(_SUFFIXES))}) in it")
    return found


def import_fonts(
    paths: Sequence[Path],
    fonts: Path,
    held_out: Collection[str],
    read: ReadImages,
    *,
    licence: str | None = None,
    replace: bool = False,
    tick: Callable[[], None] = lambda: None,
) -> FontImport:
    """Copy the fonts that training can use to `fonts/FAMILY/`, each family whole or not at all.

    A font is left out, and counted by the reason, if it cannot be read as one, lacks a printable
    ASCII character, has no outlines, states no licence, is illegible, belongs to a family that is
    held out of training or is there already.

    Args:
        paths: of the font files.
        fonts: folder of the families.
        held_out: folders in `fonts` of families that training must not see: known by the folder's
            name and by what its files call themselves. A copy that bears another name cannot be
            told from them: do not give it.
        read: who judges whether a font is legible.
        licence: of the fonts that state none.
        replace: families that are there already.
        tick: called when a file has been looked at.

    Raises:
        TextsrError: if no font can be used; it tells why.
    """
    done = FontImport()
    kept_back = {*held_out, *_families_of(fonts / name for name in held_out)}
    families: dict[str, dict[str, _Font]] = {}
    for path in paths:
        try:
            font = _load(path, licence)
            if any(f"{font.family}-".startswith(f"{name}-") for name in kept_back):
                raise _LeftOutError("of a family held out of training (synthesis.fonts)")
            if (fonts / font.family).exists() and not replace:
                raise _LeftOutError("of a family that is there already (--replace replaces it)")
            if font.name in families.get(font.family, {}):
                raise _LeftOutError("of the same family and name as another")
            _check_legible(font.data, read)
            families.setdefault(font.family, {})[font.name] = font
        except _LeftOutError as why:
            done.left_out[str(why)] += 1
        tick()
    if not families:
        raise TextsrError(f"no font can be used:\n{done.render()}")
    for family, files in families.items():
        with replace_folder(fonts / family) as folder:
            for name, font in files.items():
                (folder / name).write_bytes(font.data)
            stated = dict.fromkeys(font.licence for font in files.values())
            write_text(folder / "LICENCE.txt", "\n\n".join(stated) + "\n")
        done.families += 1
        done.files += len(files)
    return done


def _load(path: Path, licence: str | None) -> _Font:
    data = path.read_bytes()
    try:
        with TTFont(io.BytesIO(data), fontNumber=0) as font:
            if not _OUTLINES & set(font.keys()) or "COLR" in font:
                raise _LeftOutError("without outlines, or in colours")
            if not frozenset(map(ord, _NEEDED)) <= (font.getBestCmap() or {}).keys():
                raise _LeftOutError("without all printable ASCII characters")
            names = dict(_names(font))
            suffix = ".ttf" if "glyf" in font else ".otf"
            if font.flavor is not None:  # of the web: compressed
                font.flavor = None
                unpacked = io.BytesIO()
                font.save(unpacked)
                data = unpacked.getvalue()
    except _LeftOutError:
        raise
    # fontTools answers broken tables with whatever their decoding happens to raise.
    except Exception as error:
        reason = "not readable as a font"
        if isinstance(error, ImportError):
            reason = "WOFF2, which needs `pip install brotli`"
        raise _LeftOutError(reason) from error
    slug = _slug(names, path)
    stated = [names[key] for key in (_COPYRIGHT, _LICENCE, _LICENCE_URL) if names.get(key)]
    if not (names.get(_LICENCE) or names.get(_LICENCE_URL)):
        if licence is None:
            raise _LeftOutError("without a stated licence (--licence states one)")
        stated.append(licence)
    if not slug:
        raise _LeftOutError("not readable as a font")
    return _Font(f"{path.stem}{suffix}", slug, "\n".join(stated), data)


def _names(font: TTFont) -> Iterator[tuple[int, str]]:
    for key in (_COPYRIGHT, _FAMILY, _LICENCE, _LICENCE_URL, _TYPOGRAPHIC_FAMILY):
        yield key, (font["name"].getDebugName(key) or "").strip()


def _slug(names: dict[int, str], path: Path) -> str:
    family = names.get(_TYPOGRAPHIC_FAMILY) or names.get(_FAMILY) or path.stem
    return re.sub(r"[^a-z0-9]+", "-", family.lower()).strip("-")


def _families_of(folders: Iterable[Path]) -> Iterator[str]:
    """Yield what the fonts in some families' folders call themselves."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith("."):
                try:
                    with TTFont(path, lazy=True, fontNumber=0) as font:
                        yield _slug(dict(_names(font)), path)
                except (TTLibError, OSError) as error:
                    raise TextsrError(
                        f"{path}: not a readable font ({error}); remove it"
                    ) from error


def _check_legible(data: bytes, read: ReadImages) -> None:
    try:
        face = ImageFont.truetype(io.BytesIO(data), _EM_PX, layout_engine=ImageFont.Layout.BASIC)
        images = [_draw(face, text) for text in SPECIMENS]
    except (OSError, ValueError) as error:
        raise _LeftOutError("not readable as a font") from error
    _, edits, lengths = score_readings(SPECIMENS, read(images))
    if sum(edits) > MAX_CER * sum(lengths):
        raise _LeftOutError("illegible: lines set in it are misread, however sharp")


def _draw(face: ImageFont.FreeTypeFont, text: str) -> npt.NDArray[np.uint8]:
    left, top, right, bottom = map(int, face.getbbox(text))
    if not (0 < right - left <= _WIDEST_PX and bottom > top):
        raise _LeftOutError("illegible: lines set in it are misread, however sharp")
    size = (right - left + 24, bottom - top + 20)
    line = Image.new("L", size, 255)
    ImageDraw.Draw(line).text((12 - left, 10 - top), text, font=face, fill=0)
    width = max(8, round(size[0] * _LINE_PX / size[1]))
    return np.asarray(line.resize((width, _LINE_PX)), np.uint8)
