"""Fonts of a folder: what is taken, what is left out and why."""

import shutil
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from fontTools import subset
from fontTools.ttLib import TTFont

from textsr.datasets.importers.fonts import SPECIMENS, FontImport, import_fonts, list_fonts
from textsr.errors import TextsrError
from textsr.evaluation.ocr import RapidOCRReader, read_lines
from textsr.params import FontSplits
from textsr.synthesis.fonts import characters, load_fonts

FACES = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
SPLITS = FontSplits(val_families=["stix"], test_families=["mono"], italic=0.1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    shutil.copy(FACES / "DejaVuSerif.ttf", folder)
    return folder


def for_training(fonts: Path) -> set[str]:
    for family, name in (("stix", "STIXGeneral.ttf"), ("mono", "DejaVuSansMono.ttf")):
        (fonts / family).mkdir()
        shutil.copy(FACES / name, fonts / family)
    return set(load_fonts(fonts, SPLITS, "train").families)


def renamed(path: Path, family: str, **names: str) -> TTFont:
    """The font with another family name and, if given, licence."""
    font = TTFont(path)
    for number in (1, 16, 21):
        font["name"].removeNames(nameID=number)
    font["name"].setName(family, 1, 3, 1, 0x409)
    for number in (13, 14) if "licence" in names else ():
        font["name"].removeNames(nameID=number)
        if names["licence"]:
            font["name"].setName(names["licence"], number, 3, 1, 0x409)
    return font


def imported(source: Path, fonts: Path, **more: Any) -> FontImport:
    read = more.pop("read", lambda images: list(SPECIMENS))
    held_out = more.pop("held_out", ())
    return import_fonts(list_fonts(source), fonts, held_out, read, **more)


def test_a_font_is_copied_to_its_family_with_its_licence(source: Path, tmp_path: Path) -> None:
    done = imported(source, tmp_path / "fonts")
    assert (done.families, done.files, dict(done.left_out)) == (1, 1, {})
    made = tmp_path / "fonts" / "dejavu-serif"
    assert (made / "DejaVuSerif.ttf").read_bytes() == (source / "DejaVuSerif.ttf").read_bytes()
    assert "Bitstream" in (made / "LICENCE.txt").read_text()
    assert for_training(tmp_path / "fonts") == {"dejavu-serif"}


def test_faces_of_a_family_lie_together(source: Path, tmp_path: Path) -> None:
    shutil.copy(FACES / "DejaVuSerif-Bold.ttf", source)
    done = imported(source, tmp_path / "fonts")
    assert (done.families, done.files) == (1, 2)


def test_web_fonts_are_unpacked(source: Path, tmp_path: Path) -> None:
    font = renamed(source / "DejaVuSerif.ttf", "Of The Web")
    font.flavor = "woff"
    font.save(source / "web.woff")
    imported(source, tmp_path / "fonts")
    made = tmp_path / "fonts" / "of-the-web" / "web.ttf"
    assert TTFont(made).flavor is None
    assert characters(made) == characters(source / "DejaVuSerif.ttf")


def test_woff2_without_its_decoder_says_what_to_install(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fontTools.ttLib.woff2.haveBrotli", False)
    (source / "web.woff2").write_bytes(b"wOF2" + bytes(44))
    done = imported(source, tmp_path / "fonts")
    assert dict(done.left_out) == {"WOFF2, which needs `pip install brotli`": 1}


def without(path: Path, target: Path, character: str) -> None:
    font = renamed(path, "Gaps")
    made = subset.Subsetter()
    made.populate(unicodes=font.getBestCmap().keys() - {ord(character)})
    made.subset(font)
    font.save(target)


@pytest.mark.parametrize("character", ["A", "~", "0"])
def test_a_font_that_lacks_a_character_is_left_out(
    source: Path, tmp_path: Path, character: str
) -> None:
    without(source / "DejaVuSerif.ttf", source / "gaps.ttf", character)
    done = imported(source, tmp_path / "fonts")
    assert done.files == 1
    assert dict(done.left_out) == {"without all printable ASCII characters": 1}


@pytest.mark.parametrize("content", [b"", b"no font", "truncated"])
def test_what_is_no_font_is_left_out(source: Path, tmp_path: Path, content: Any) -> None:
    whole = (source / "DejaVuSerif.ttf").read_bytes()
    (source / "a.ttf").write_bytes(whole[:5000] if content == "truncated" else content)
    done = imported(source, tmp_path / "fonts")
    assert done.files == 1
    assert dict(done.left_out) == {"not readable as a font": 1}


def test_families_held_out_are_not_given_to_training(source: Path, tmp_path: Path) -> None:
    for family in ("Lato", "Lato Light", "Latona"):
        renamed(source / "DejaVuSerif.ttf", family).save(source / f"{family}.ttf")
    imported(source, tmp_path / "fonts", held_out=["lato"])
    assert {path.name for path in (tmp_path / "fonts").iterdir()} == {"dejavu-serif", "latona"}


def test_a_family_held_out_is_known_by_what_its_files_are_called(
    source: Path, tmp_path: Path
) -> None:
    shutil.copy(FACES / "STIXGeneralBol.ttf", source)
    (tmp_path / "fonts/times").mkdir(parents=True)
    shutil.copy(FACES / "STIXGeneral.ttf", tmp_path / "fonts/times")
    done = imported(source, tmp_path / "fonts", held_out=["times"])
    assert dict(done.left_out) == {"of a family held out of training (synthesis.fonts)": 1}


def test_a_font_without_a_licence_needs_one(source: Path, tmp_path: Path) -> None:
    renamed(source / "DejaVuSerif.ttf", "Bare", licence="").save(source / "bare.ttf")
    done = imported(source, tmp_path / "fonts")
    assert dict(done.left_out) == {"without a stated licence (--licence states one)": 1}
    imported(source, tmp_path / "fonts", licence="CC0-1.0")
    assert "CC0-1.0" in (tmp_path / "fonts" / "bare" / "LICENCE.txt").read_text()


def test_what_nobody_can_read_is_left_out(source: Path, tmp_path: Path) -> None:
    shutil.copy(FACES / "DejaVuSans.ttf", source)
    texts = iter([["scrawl"] * len(SPECIMENS), SPECIMENS])
    done = imported(source, tmp_path / "fonts", read=lambda images: next(texts))
    assert done.files == 1
    assert next(iter(done.left_out)).startswith("illegible")


def test_a_family_that_is_there_stays_unless_it_is_to_be_replaced(
    source: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "fonts" / "dejavu-serif" / "mine.ttf"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(TextsrError, match="there already"):
        imported(source, tmp_path / "fonts")
    assert mine.read_bytes() == b"mine"
    imported(source, tmp_path / "fonts", replace=True)
    assert [path.suffix for path in sorted(mine.parent.iterdir())] == [".ttf", ".txt"]
    assert not mine.exists()


def test_a_killed_copy_is_no_family(source: Path, tmp_path: Path) -> None:
    imported(source, tmp_path / "fonts")
    shutil.copytree(tmp_path / "fonts/dejavu-serif", tmp_path / "fonts/.dejavu-serif.partial")
    assert for_training(tmp_path / "fonts") == {"dejavu-serif"}


def test_a_folder_without_fonts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match="no font files"):
        list_fonts(tmp_path)
    with pytest.raises(TextsrError, match="no such folder"):
        list_fonts(tmp_path / "nowhere")


def test_the_reader_tells_a_plain_font_from_one_of_symbols(source: Path, tmp_path: Path) -> None:
    """Letters shifted by one in the font's table: sharp, and not what they stand for."""
    font = renamed(source / "DejaVuSerif.ttf", "Shifted")
    for table in font["cmap"].tables:
        moved = {code: name for code, name in table.cmap.items() if not 97 <= code <= 122}
        moved |= {
            code: table.cmap[97 + (code - 96) % 26] for code in table.cmap if 97 <= code <= 122
        }
        table.cmap = moved
    font.save(source / "shifted.ttf")
    reader = RapidOCRReader(1)
    done = imported(source, tmp_path / "fonts", read=lambda images: read_lines(reader, images))
    assert done.files == 1
    assert sum(done.left_out.values()) == 1
    assert next(iter(done.left_out)).startswith("illegible")
