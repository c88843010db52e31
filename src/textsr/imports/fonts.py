"""Fonts of the user's, or of the machine's, into `data/fonts/`: those that can be trained on."""

import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_letters, digits, punctuation

import numpy as np
import numpy.typing as npt
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

from textsr.errors import TextsrError
from textsr.files import find_files, replace_folder, write_text
from textsr.ocr.scoring import score_readings

ReadImages = Callable[[Sequence[npt.NDArray[np.uint8]]], Sequence[str]]
"""Reads one text an image of a line: grey, dark on light."""

MAX_CER = 0.12
"""Character error rate of `SPECIMENS`, drawn sharp and large, above which a font is left out."""

SPECIMENS = ("Invoice 27.45 paid", "GRAND TOTAL 1,038", "quick brown fox 96", "Jan 12 2026 x7 Kew")

TERMS = "LICENCE.txt"
"""File in an imported family's folder that tells what its fonts say of their licence."""

RELATIVES = {
    "caladea": ("cambo",),
    "fredoka-one": ("fredoka",),
    "lato": ("carlito",),
    "stix": ("xits",),
}
"""Families that are drawn after one of `fetch-data`'s under another name: held out with it."""

_INSTALLED = {".ttf", ".otf"}  # what synthesis draws with
_SUFFIXES = {*_INSTALLED, ".woff", ".woff2"}
_NEEDED = frozenset(ascii_letters + digits + punctuation)
_OUTLINES = {"glyf", "CFF ", "CFF2"}
_EM_PX = 44
_LINE_PX = 64  # the height at which a specimen is read
_WIDEST_PX = 1600
_COPYRIGHT, _FAMILY, _POSTSCRIPT, _LICENCE, _LICENCE_URL, _TYPOGRAPHIC_FAMILY = 0, 1, 6, 13, 14, 16
# Faces beyond the usual four are families of their own by name 1, and name 16 is often missing.
_STYLE = (
    r"((ultra|extra|semi|demi)-?)?"
    r"(thin|hairline|light|book|regular|medium|demi|bold|black|heavy|condensed|expanded"
    r"|italic|oblique)(italic|oblique)?"
)
_STYLES = re.compile(rf"(-{_STYLE})+$")
_GLUED_STYLES = re.compile(rf"(-?{_STYLE})+")
_SHOWN = 3  # files named a reason


@dataclass
class FontImport:
    """What an import of fonts took and what it left out."""

    families: int = 0
    files: int = 0
    left_out: dict[str, list[Path]] = field(default_factory=dict)
    """Files by reason."""

    def render(self) -> str:
        """Return what is said of it, a line a reason, with the first files of each."""
        lines = [f"{self.files} fonts of {self.families} families imported"]
        for why, paths in sorted(self.left_out.items(), key=lambda item: -len(item[1])):
            more = ", ..." if len(paths) > _SHOWN else ""
            # A name that is no UTF-8 cannot be printed as it is.
            names = (path.name.encode(errors="replace").decode() for path in paths[:_SHOWN])
            shown = ", ".join(names)
            lines.append(f"  {len(paths)} left out: {why}: {shown}{more}")
        return "\n".join(lines)


@dataclass(frozen=True)
class _Font:
    name: str
    family: str
    licence: str
    data: bytes
    source: Path


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
        path for path in find_files(source, _SUFFIXES, hidden=True) if not path.name.startswith(".")
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
    """Copy the fonts that training can use to `fonts/FAMILY/`, each folder whole or not at all.

    A font is left out, and counted by the reason, if it cannot be read as one, lacks a printable
    ASCII character, has no outlines, states no licence, is illegible, belongs to a family that is
    held out of training or is there already.

    Args:
        paths: of the font files.
        fonts: folder of the families.
        held_out: folders in `fonts` of families that training must not see: known by the folder's
            name, by what its files call themselves, and by `RELATIVES`. A copy that bears yet
            another name cannot be told from them: do not give it.
        read: who judges whether a font is legible.
        licence: of the fonts that state none.
        replace: families that are there already.
        tick: called when a file has been looked at.

    Raises:
        TextsrError: if no font can be used (it tells why), or if a family that is held out is not
            there to be known by.
    """
    done = FontImport()
    kept_back = _names_held_out(fonts, held_out)
    present = dict(_families_in(fonts))
    families: dict[str, dict[str, _Font]] = {}
    for path in paths:
        try:
            font = _load(path, licence)
            if any(_is_of(font.family, name) for name in kept_back):
                raise _LeftOutError("of a family held out of training (synthesis.fonts)")
            _check_new(fonts / font.family, present, replace)
            name = _free_name(font, families.get(font.family, {}))
            _check_legible(font.data, read)
            families.setdefault(font.family, {})[name] = font
        except _LeftOutError as why:
            done.left_out.setdefault(str(why), []).append(path)
        tick()
    if not families:
        raise TextsrError(f"no font can be used:\n{done.render()}")
    for family, files in families.items():
        with replace_folder(fonts / family) as folder:
            for name, font in files.items():
                (folder / name).write_bytes(font.data)
            stated = dict.fromkeys(font.licence for font in files.values())
            write_text(folder / TERMS, "\n\n".join(stated) + "\n")
        done.families += 1
        done.files += len(files)
    return done


def _names_held_out(fonts: Path, held_out: Collection[str]) -> set[str]:
    if held_out and not fonts.is_dir():
        raise TextsrError(
            f"{fonts}: no such folder; run `textsr fetch-data` first: what is imported is held "
            "against its fonts"
        )
    names = set(held_out)
    for folder in held_out:
        called = set(_called(fonts / folder))
        if not called:
            raise TextsrError(
                f"{fonts / folder}: no fonts of this family, which synthesis.fonts holds out of "
                "training, to know copies of it by; get it first, by `textsr fetch-data`"
            )
        names |= {*called, *RELATIVES.get(folder, ())}
    return names


def _families_in(fonts: Path) -> Iterator[tuple[str, Path]]:
    """Yield what families call themselves with their folders, and the folders' own names."""
    for folder in sorted(fonts.glob("[!.]*/")):
        for name in _called(folder):
            yield name, folder
    for folder in sorted(fonts.glob("[!.]*")):
        yield folder.name, folder


def _called(folder: Path) -> Iterator[str]:
    """Yield what the fonts in a family's folder call themselves."""
    for path in find_files(folder, _INSTALLED, hidden=True) if folder.is_dir() else ():
        if not path.name.startswith("."):
            try:
                with TTFont(path, lazy=True, fontNumber=0) as font:
                    yield _slug(dict(_names(font)), path)
            except Exception as error:  # as in `_load`
                raise TextsrError(f"{path}: not a readable font ({error}); remove it") from error


def _is_of(family: str, name: str) -> bool:
    """Tell whether a family is `name`, or one of its styles or further designs."""
    rest = family.removeprefix(name)
    if rest == family:
        return False
    return not rest or rest.startswith("-") or _GLUED_STYLES.fullmatch(rest) is not None


def _free_name(font: _Font, taken: Mapping[str, _Font]) -> str:
    other = taken.get(font.name)
    if other is None:
        return font.name
    # The faces of some families share a name of their own. One face in several formats lies in
    # several folders, or has several suffixes.
    beside = font.source.parent == other.source.parent
    beside = beside and font.source.suffix == other.source.suffix
    name = f"{_clean(font.source.stem)}{Path(font.name).suffix}"
    if not beside or font.data == other.data or name in taken:
        raise _LeftOutError("of the same family and name as another")
    return name


def _check_new(folder: Path, present: dict[str, Path], replace: bool) -> None:
    found = present.get(folder.name)
    if found is None:
        return
    if found != folder:
        raise _LeftOutError(f"of a family that is there already, as {found.name}")
    if found.is_symlink() or not found.is_dir():
        raise _LeftOutError("of a family whose folder is a link or a file, which is left as it is")
    if not replace:
        raise _LeftOutError("of a family that is there already (--replace replaces it)")


def _load(path: Path, licence: str | None) -> _Font:
    try:
        data = path.read_bytes()
        with TTFont(io.BytesIO(data), fontNumber=0, recalcTimestamp=False) as font:
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
        raise _LeftOutError("not readable as a font") from error
    stated = [names[key] for key in (_COPYRIGHT, _LICENCE, _LICENCE_URL) if names[key]]
    if not (names[_LICENCE] or names[_LICENCE_URL]):
        if licence is None:
            raise _LeftOutError("without a stated licence (--licence states one)")
        stated.append(licence)
    # Its own name, since files of several folders may be called alike.
    name = _clean(names[_POSTSCRIPT]) or _clean(path.stem) or "font"
    return _Font(f"{name}{suffix}", _slug(names, path), "\n".join(stated), data, path)


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-")


def _names(font: TTFont) -> Iterator[tuple[int, str]]:
    for key in (_COPYRIGHT, _FAMILY, _POSTSCRIPT, _LICENCE, _LICENCE_URL, _TYPOGRAPHIC_FAMILY):
        yield key, (font["name"].getDebugName(key) or "").strip()


def _slug(names: dict[int, str], path: Path) -> str:
    """Return a folder's name for a family: of letters and digits of ASCII, without its style."""
    for name in (names[_TYPOGRAPHIC_FAMILY], names[_FAMILY], path.stem):
        slug = _clean(name.lower())
        if slug:
            return _STYLES.sub("", slug)
    return "unnamed"


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
