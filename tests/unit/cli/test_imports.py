"""`textsr import`, verb by verb, into data/."""

import shutil
import sys
from pathlib import Path

import matplotlib
import pytest
from written_formats import picture, write_textzoom

from textsr.cli.main import main
from textsr.imports.labels import read_labels
from textsr.imports.sets import find_sets

ROOT = Path(__file__).parents[3]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> object:
    """Run `textsr import ...` in an empty project; return its exit status and what it said."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["textsr", "import", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        output = capsys.readouterr()
        return int(end.value.code or 0), output.out + output.err

    return run


def folder(path: Path, *names: str, height: int = 8, width: int = 12) -> Path:
    path.mkdir(parents=True)
    for number, name in enumerate(names):
        (path / f"{name}.png").write_bytes(picture(height, width, number))
    return path


def test_each_kind_of_folder_lands_where_it_is_used(run: object, tmp_path: Path) -> None:
    small = folder(tmp_path / "lr_dir", "a", "b")
    large = folder(tmp_path / "hr_dir", "b", "a", height=32, width=48)
    (small / "labels.tsv").write_text("file\ttext\na.png\tone\nb.png\ttwo\n")
    assert run("pairs", small, large, "--name", "p", "--licence", "CC0-1.0")[0] == 0
    assert run("hr", large, "--name", "h")[0] == 0
    assert run("lr", small, "--name", "l")[0] == 0
    code, said = run("labelled", small, "--name", "r", "--source-url", "https://example.org")
    assert code == 0
    assert "data/real/r: 2 imported; go on with `dvc add data && dvc repro`" in said
    found = {
        use: [(imported.name, imported.info.kind) for imported in find_sets(tmp_path / "data", use)]
        for use in ("pairs", "hr", "unlabelled", "real")
    }
    assert found == {
        "pairs": [("p", "pairs")],
        "hr": [("h", "hr")],
        "unlabelled": [("l", "lr")],
        "real": [("r", "lr")],
    }
    [pairs] = find_sets(tmp_path / "data", "pairs")
    assert (pairs.info.scale, pairs.info.licence) == (4, "CC0-1.0")
    assert [label[:2] for label in read_labels(pairs.folder)] == [
        ("a.png", "one"),
        ("b.png", "two"),
    ]


def test_second_import_of_a_name_needs_to_be_asked_for(run: object, tmp_path: Path) -> None:
    small = folder(tmp_path / "small", "a")
    assert run("lr", small, "--name", "l")[0] == 0
    (small / "b.png").write_bytes(picture(8, 8))
    code, said = run("lr", small, "--name", "l")
    assert code == 1
    assert "data/unlabelled/l: exists" in said
    assert run("lr", small, "--name", "l", "--replace")[0] == 0
    [found] = find_sets(tmp_path / "data", "unlabelled")
    assert found.info.images == 2


def test_published_formats_are_imported(run: object, tmp_path: Path) -> None:
    words = folder(tmp_path / "words", "word_1")
    (words / "gt.txt").write_text('word_1.png, "Hi, you"\n', encoding="utf-8-sig")
    receipts = folder(tmp_path / "receipts", "X1", height=60, width=90)
    (receipts / "X1.txt").write_text("5,5,60,5,60,30,5,30,TOTAL 5\n")
    pair = (picture(32, 70), picture(15, 33), "word")
    for name in ("train1", "test/easy", "test/hard"):
        write_textzoom(tmp_path / "zoom" / name, [pair, pair])
    assert run("icdar", words, "--name", "words")[0] == 0
    assert run("sroie", receipts, "--name", "receipts", "--sharp")[0] == 0
    code, said = run("textzoom", tmp_path / "zoom")
    assert code == 0, said
    real = {imported.name: imported.info for imported in find_sets(tmp_path / "data", "real")}
    assert list(real) == ["receipts", "textzoom-easy", "textzoom-hard", "words"]
    assert real["receipts"].kind == "hr"
    assert real["words"].kind == "lr"
    assert [label[:2] for label in read_labels(tmp_path / "data/real/words")] == [
        ("word_1.png", "Hi, you")
    ]
    [pairs] = find_sets(tmp_path / "data", "pairs")
    assert (pairs.name, pairs.info.images, pairs.info.scale) == ("textzoom-train1", 2, 2)


def test_mistake_is_one_message_and_nothing_is_written(run: object, tmp_path: Path) -> None:
    small = folder(tmp_path / "small", "a", "b")
    large = folder(tmp_path / "large", "a", height=32, width=48)
    code, said = run("pairs", small, large, "--name", "p")
    assert code == 1
    assert said.startswith("textsr: ")
    assert "1 images without a partner" in said
    assert not (tmp_path / "data").exists()
    code, said = run("lr", small, "--name", "../p")
    assert code == 1
    assert "use letters, digits" in said


def test_fonts_go_to_training_but_for_families_held_out(run: object, tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    faces = Path(matplotlib.get_data_path()) / "fonts/ttf"
    held_out = {
        "stix": "STIXGeneralBol.ttf",
        **dict.fromkeys(("manrope", "caladea", "fredoka-one", "lato"), "cmr10.ttf"),
    }
    for family, name in held_out.items():
        (tmp_path / "data/fonts" / family).mkdir(parents=True)
        shutil.copy(faces / name, tmp_path / "data/fonts" / family)
    (tmp_path / "mine").mkdir()
    for name in ("DejaVuSans-Bold.ttf", "STIXGeneral.ttf", "STIXSizOneSymReg.ttf"):
        shutil.copy(faces / name, tmp_path / "mine")
    code, said = run("fonts", tmp_path / "mine")
    assert code == 0, said
    assert "1 fonts of 1 families imported" in said
    assert "1 left out: of a family held out of training (synthesis.fonts): STIXGeneral.ttf" in said
    assert "go on with `dvc add data && dvc repro`" in said
    assert (tmp_path / "data/fonts/dejavu-sans/DejaVuSans-Bold.ttf").is_file()
    code, said = run("fonts", tmp_path / "mine")
    assert code == 1
    assert "no font can be used" in said
    assert "--replace" in said
