"""Fonts of a folder: what is taken, what is left out and why."""

import shutil
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from fontTools import subset
from fontTools.ttLib import TTFont

from textsr.config.params import FontSplits
from textsr.errors import TextsrError
from textsr.imports.fonts import SPECIMENS, FontImport, import_fonts, list_fonts
from textsr.ocr.engine import read_lines
from textsr.ocr.rapidocr_engine import RapidOCREngine
from textsr.synthesis.fonts import characters, load_fonts

pytestmark = pytest.mark.slow

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
    for number in (1, 6, 16, 21):
        font["name"].removeNames(nameID=number)
    font["name"].setName(family, 1, 3, 1, 0x409)
    font["name"].setName(names.get("face", family.replace(" ", "")), 6, 3, 1, 0x409)
    for number in (13, 14) if "licence" in names else ():
        font["name"].removeNames(nameID=number)
        if names["licence"]:
            font["name"].setName(names["licence"], number, 3, 1, 0x409)
    return font


def imported(source: Path, fonts: Path, **more: Any) -> FontImport:
    read = more.pop("read", lambda images: list(SPECIMENS))
    held_out = more.pop("held_out", ())
    return import_fonts(list_fonts(source), fonts, held_out, read, **more)


def reasons(done: FontImport) -> dict[str, list[str]]:
    return {why: [path.name for path in paths] for why, paths in done.left_out.items()}


def test_a_font_is_copied_to_its_family_with_its_licence(source: Path, tmp_path: Path) -> None:
    done = imported(source, tmp_path / "fonts")
    assert (done.families, done.files, done.left_out) == (1, 1, {})
    made = tmp_path / "fonts" / "dejavu-serif"
    assert (made / "DejaVuSerif.ttf").read_bytes() == (source / "DejaVuSerif.ttf").read_bytes()
    assert "Bitstream" in (made / "LICENCE.txt").read_text()
    assert for_training(tmp_path / "fonts") == {"dejavu-serif"}


def test_faces_of_a_family_lie_together(source: Path, tmp_path: Path) -> None:
    shutil.copy(FACES / "DejaVuSerif-Bold.ttf", source)
    done = imported(source, tmp_path / "fonts")
    assert (done.families, done.files) == (1, 2)


@pytest.mark.parametrize("flavour", ["woff", "woff2"])
def test_web_fonts_are_unpacked_and_to_the_same_bytes_each_time(
    source: Path, tmp_path: Path, flavour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    font = renamed(source / "DejaVuSerif.ttf", "Of The Web")
    font.flavor = flavour
    font.save(source / f"web.{flavour}")
    imported(source, tmp_path / "fonts")
    [made] = (tmp_path / "fonts" / "of-the-web").glob("*.ttf")
    assert TTFont(made).flavor is None
    assert characters(made) == characters(source / "DejaVuSerif.ttf")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")  # fontTools takes it for the time
    imported(source, tmp_path / "again")
    again = tmp_path / "again" / "of-the-web" / made.name
    assert again.read_bytes() == made.read_bytes()


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
    assert reasons(done) == {"without all printable ASCII characters": ["gaps.ttf"]}


@pytest.mark.parametrize("content", [b"", b"no font", "truncated"])
def test_what_is_no_font_is_left_out(source: Path, tmp_path: Path, content: Any) -> None:
    whole = (source / "DejaVuSerif.ttf").read_bytes()
    (source / "a.ttf").write_bytes(whole[:5000] if content == "truncated" else content)
    done = imported(source, tmp_path / "fonts")
    assert done.files == 1
    assert reasons(done) == {"not readable as a font": ["a.ttf"]}


def test_families_held_out_are_not_given_to_training(source: Path, tmp_path: Path) -> None:
    for family in ("Lato", "Lato Light", "LatoBoldItalic", "Latona", "Carlito"):
        renamed(source / "DejaVuSerif.ttf", family).save(source / f"{family}.ttf")
    (tmp_path / "fonts/lato").mkdir(parents=True)
    shutil.copy(source / "Lato.ttf", tmp_path / "fonts/lato")
    imported(source, tmp_path / "fonts", held_out=["lato"])
    names = {path.name for path in (tmp_path / "fonts").iterdir()}
    assert names == {"lato", "dejavu-serif", "latona"}


def test_fonts_are_imported_beside_those_that_were_fetched(source: Path, tmp_path: Path) -> None:
    with pytest.raises(TextsrError) as caught:
        import_fonts(list_fonts(source), tmp_path / "fonts", ["lato"], lambda images: [])
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'fonts'}: no such folder; run `textsr fetch-data` first: ")
    assert "\n" not in said
    assert not (tmp_path / "fonts").exists()


def test_what_is_held_out_must_be_there_to_be_known(source: Path, tmp_path: Path) -> None:
    (tmp_path / "fonts").mkdir()
    with pytest.raises(TextsrError, match=r"fonts/lato: no fonts of this family.*fetch-data"):
        imported(source, tmp_path / "fonts", held_out=["lato"])
    assert not list((tmp_path / "fonts").iterdir())


def test_weights_of_one_family_are_one_family(source: Path, tmp_path: Path) -> None:
    for family in ("Albert Sans", "Albert Sans ExtraBold", "Albert Sans Semi Bold Italic"):
        renamed(source / "DejaVuSerif.ttf", family).save(source / f"{family}.ttf")
    imported(source, tmp_path / "fonts")
    assert len(list((tmp_path / "fonts/albert-sans").glob("*.ttf"))) == 3


def test_files_called_alike_are_told_apart_by_the_fonts_own_names(
    source: Path, tmp_path: Path
) -> None:
    for face in ("Twin-Regular", "Twin-Bold"):
        (source / face).mkdir()
        font = renamed(source / "DejaVuSerif.ttf", "Twin", face=face)
        font.save(source / face / "caf\udce9.ttf")  # a byte that is no UTF-8
    imported(source, tmp_path / "fonts")
    made = {path.name for path in (tmp_path / "fonts/twin").glob("*.ttf")}
    assert made == {"Twin-Regular.ttf", "Twin-Bold.ttf"}


def test_faces_that_share_a_name_of_their_own_keep_those_of_their_files(
    source: Path, tmp_path: Path
) -> None:
    for name, face in (("DejaVuSans.ttf", "Regular"), ("DejaVuSans-Bold.ttf", "Bold")):
        renamed(FACES / name, "Courier Prime").save(source / f"Prime {face}.ttf")
    (source / "web").mkdir()
    renamed(FACES / "DejaVuSans.ttf", "Courier Prime").save(source / "web/again.ttf")
    done = imported(source, tmp_path / "fonts")
    made = {path.name for path in (tmp_path / "fonts/courier-prime").glob("*.ttf")}
    assert made == {"CourierPrime.ttf", "Prime-Regular.ttf"}
    assert reasons(done) == {"of the same family and name as another": ["again.ttf"]}


@pytest.mark.parametrize("unnamed", ["\u660e\u671d", ".\x7f"])
def test_a_face_without_a_name_that_can_be_used_is_called_by_its_file(
    source: Path, tmp_path: Path, unnamed: str
) -> None:
    for face in ("Condensed-Bold", "Condensed-BoldItalic"):
        font = renamed(source / "DejaVuSerif.ttf", unnamed, face="\x7f")
        font.save(source / f"Robust-{face}.ttf")
    imported(source, tmp_path / "fonts")
    made = {path.name for path in (tmp_path / "fonts/robust").glob("*.ttf")}
    assert made == {"Robust-Condensed-Bold.ttf", "Robust-Condensed-BoldItalic.ttf"}


def test_what_is_left_out_can_be_printed(source: Path, tmp_path: Path) -> None:
    (source / "caf\udce9.ttf").write_bytes(b"no font")
    said = imported(source, tmp_path / "fonts").render()
    assert "1 left out: not readable as a font: caf?.ttf" in said.encode().decode()


def test_a_family_that_is_there_is_known_by_what_its_files_are_called(
    source: Path, tmp_path: Path
) -> None:
    shutil.copy(FACES / "DejaVuSans.ttf", source)
    (tmp_path / "fonts/mine").mkdir(parents=True)
    shutil.copy(FACES / "DejaVuSerif-Bold.ttf", tmp_path / "fonts/mine")
    done = imported(source, tmp_path / "fonts", replace=True)
    assert reasons(done) == {"of a family that is there already, as mine": ["DejaVuSerif.ttf"]}
    assert (tmp_path / "fonts/mine/DejaVuSerif-Bold.ttf").is_file()


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_a_family_that_is_a_link_is_left_as_it_is(
    source: Path, tmp_path: Path, target: str
) -> None:
    shutil.copy(FACES / "DejaVuSans.ttf", source)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "fonts").mkdir()
    link = tmp_path / "fonts/dejavu-serif"
    link.symlink_to(tmp_path / target)
    done = imported(source, tmp_path / "fonts", replace=True)
    assert (done.families, link.is_symlink()) == (1, True)
    assert done.left_out.keys() == {
        "of a family whose folder is a link or a file, which is left as it is"
    }


def test_a_font_of_the_project_that_cannot_be_read_is_named(source: Path, tmp_path: Path) -> None:
    nameless = TTFont(source / "DejaVuSerif.ttf")
    del nameless["name"]
    (tmp_path / "fonts/mine").mkdir(parents=True)
    nameless.save(tmp_path / "fonts/mine/nameless.ttf")
    with pytest.raises(TextsrError, match=r"mine/nameless\.ttf: not a readable font"):
        imported(source, tmp_path / "fonts")


def test_a_family_held_out_is_known_by_what_its_files_are_called(
    source: Path, tmp_path: Path
) -> None:
    shutil.copy(FACES / "STIXGeneralBol.ttf", source)
    (tmp_path / "fonts/times").mkdir(parents=True)
    shutil.copy(FACES / "STIXGeneral.ttf", tmp_path / "fonts/times")
    done = imported(source, tmp_path / "fonts", held_out=["times"])
    assert reasons(done) == {
        "of a family held out of training (synthesis.fonts)": ["STIXGeneralBol.ttf"]
    }


def test_a_font_without_a_licence_needs_one(source: Path, tmp_path: Path) -> None:
    renamed(source / "DejaVuSerif.ttf", "Bare", licence="").save(source / "bare.ttf")
    done = imported(source, tmp_path / "fonts")
    assert reasons(done) == {"without a stated licence (--licence states one)": ["bare.ttf"]}
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
    shutil.copy(FACES / "DejaVuSerif-Bold.ttf", mine)
    with pytest.raises(TextsrError, match="there already"):
        imported(source, tmp_path / "fonts")
    assert mine.is_file()
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


def test_the_engine_tells_a_plain_font_from_one_of_symbols(source: Path, tmp_path: Path) -> None:
    """Letters shifted by one in the font's table: sharp, and not what they stand for."""
    font = renamed(source / "DejaVuSerif.ttf", "Shifted")
    for table in font["cmap"].tables:
        moved = {code: name for code, name in table.cmap.items() if not 97 <= code <= 122}
        moved |= {
            code: table.cmap[97 + (code - 96) % 26] for code in table.cmap if 97 <= code <= 122
        }
        table.cmap = moved
    font.save(source / "shifted.ttf")
    engine = RapidOCREngine(1)
    done = imported(source, tmp_path / "fonts", read=lambda images: read_lines(engine, images))
    assert done.files == 1
    [(why, paths)] = reasons(done).items()
    assert why.startswith("illegible")
    assert paths == ["shifted.ttf"]
