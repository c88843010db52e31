"""Fonts: by family, split without overlap, and what each can draw."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from textsr.config.params import SPLITS, FontSplits, Params
from textsr.errors import TextsrError
from textsr.synthesis.fonts import FontFile, FontSet, characters, load_face, load_fonts


@pytest.fixture
def fonts(data: Path, tmp_path: Path) -> Path:
    """The font folder, to be changed."""
    return shutil.copytree(data / "fonts", tmp_path / "fonts")


@pytest.fixture
def splits(tiny_params: Params) -> FontSplits:
    return tiny_params.synthesis.fonts


def test_every_font_is_of_one_split(data: Path, splits: FontSplits) -> None:
    sets = {split: load_fonts(data / "fonts", splits, split) for split in SPLITS}
    assert set(sets["val"].families) == set(splits.val_families)
    assert set(sets["test"].families) == set(splits.test_families)
    assert len(sets["train"].families) >= 5
    files = [
        f.path for found in sets.values() for family in found.families.values() for f in family
    ]
    on_disk = [p for p in (data / "fonts").rglob("*") if p.suffix in (".ttf", ".otf")]
    assert sorted(files) == sorted(on_disk)


def test_family_is_drawn_by_the_root_of_its_size() -> None:
    def family(name: str, count: int) -> tuple[FontFile, ...]:
        return tuple(FontFile(Path(f"{name}{i}.ttf"), name) for i in range(count))

    fonts = FontSet({"one": family("one", 1), "nine": family("nine", 9)}, italic=0.5)
    rng = np.random.default_rng(0)
    drawn = Counter(fonts.draw(rng) for _ in range(4000))
    assert drawn[fonts.families["one"][0]] / 4000 == pytest.approx(1 / 4, abs=0.03)
    for font in fonts.families["nine"]:
        assert drawn[font] / 4000 == pytest.approx(3 / 4 / 9, abs=0.02)


def test_italics_are_drawn_at_their_probability(data: Path, splits: FontSplits) -> None:
    rare = splits.model_copy(update={"italic": 0.1})
    fonts = load_fonts(data / "fonts", rare, "test")
    lato = {file.path.stem: file.italic for file in fonts.families["lato"]}
    assert {name for name, italic in lato.items() if italic} == {
        name for name in lato if "Italic" in name
    }
    rng = np.random.default_rng(0)
    drawn = [font for font in (fonts.draw(rng) for _ in range(4000)) if font.family == "lato"]
    assert np.mean([font.italic for font in drawn]) == pytest.approx(0.1, abs=0.02)
    # A family of one style is drawn whatever the style.
    assert any(fonts.draw(rng).family == "fredoka-one" for _ in range(100))


def test_missing_folder_is_named_with_the_remedy(tmp_path: Path, splits: FontSplits) -> None:
    with pytest.raises(TextsrError, match=r"none: no such folder.*textsr fetch-data"):
        load_fonts(tmp_path / "none", splits, "train")


def test_family_that_is_not_there_is_named(data: Path, splits: FontSplits) -> None:
    missing = splits.model_copy(update={"test_families": ["lato", "helvetica"]})
    for split in SPLITS:
        with pytest.raises(TextsrError, match="test_families: no fonts of helvetica in"):
            load_fonts(data / "fonts", missing, split)


def test_font_outside_a_family_is_named(fonts: Path, splits: FontSplits) -> None:
    (fonts / "Mine.ttf").touch()
    with pytest.raises(TextsrError, match=r"Mine\.ttf.*family folder"):
        load_fonts(fonts, splits, "test")


def test_no_family_left_for_training_is_refused(fonts: Path, splits: FontSplits) -> None:
    for folder in fonts.iterdir():
        if folder.name not in (*splits.val_families, *splits.test_families):
            shutil.rmtree(folder)
    with pytest.raises(TextsrError, match="no family left for train"):
        load_fonts(fonts, splits, "train")


def test_leftover_of_a_killed_fetch_is_no_font(fonts: Path, splits: FontSplits) -> None:
    before = load_fonts(fonts, splits, "test")
    (fonts / "lato/.Lato-Bold.partial-77.ttf").write_bytes(b"half")
    assert load_fonts(fonts, splits, "test") == before


def test_font_that_is_no_font_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    with pytest.raises(TextsrError, match=r"broken\.ttf"):
        characters(tmp_path / "broken.ttf")


def test_characters_are_those_that_leave_ink(data: Path) -> None:
    """A character that a font claims and draws as nothing would be in the text alone."""
    for path in sorted((data / "fonts").rglob("*.[ot]tf")):
        face, known = load_face(path, 32), characters(path)
        assert set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ") <= known
        for character in set("$€£#-./:,!?@Éãçé") & known:
            assert face.getmask(character).getbbox() is not None, f"{path}: {character}"
    assert "語" not in characters(data / "fonts/dejavu/DejaVuSans.ttf")
