"""The default source material: the same bytes in every clone, licensed, beside the user's own."""

import shutil
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from textsr.synthesis.sources import fetch_sources

ROOT = Path(__file__).parents[3]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def is_font(name: str) -> bool:
    return name.endswith((".ttf", ".otf"))


def test_fetched_twice_is_the_same_bytes(data: Path, tmp_path: Path) -> None:
    for _ in range(2):
        count = fetch_sources(tmp_path)
        assert contents(tmp_path) == contents(data)
    assert count == sum(map(is_font, contents(data)))


def test_users_files_survive_and_ours_are_restored(data: Path, tmp_path: Path) -> None:
    imported = {
        "fonts/mine/a.ttf": b"font",
        "fonts/lato/Own.ttf": b"font",
        "corpora/custom/lines.txt": b"a line\n",
        "unlabelled/scan.png": b"image",
        "real/till/labels.tsv": b"file\ttext\n",
    }
    broken = {"fonts/dejavu/DejaVuSans.ttf": b"half", "corpora/words.txt": b"the\n"}
    for name, content in (imported | broken).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    fetch_sources(tmp_path)
    assert contents(tmp_path) == contents(data) | imported


def test_there_are_fonts_enough(data: Path) -> None:
    fonts = [name.split("/") for name in contents(data) if is_font(name)]
    assert len(fonts) >= 100
    assert len({family for _, family, _ in fonts}) >= 12


def test_every_file_of_others_has_a_licence(data: Path) -> None:
    header, *lines = (data / "SOURCES.tsv").read_text().splitlines()
    assert header == "path\tlicence\tpackage\tversion"
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in lines}
    of_others = {
        name
        for name in contents(data)
        if is_font(name) or (name.startswith("corpora/") and name.count("/") == 1)
    } - {"corpora/README.txt"}
    assert set(rows) == of_others
    assert all(all(row) and len(row) == 3 for row in rows.values())


def test_every_family_carries_the_text_of_its_licence(data: Path) -> None:
    names = defaultdict(list)
    for path in (data / "fonts").glob("*/*"):
        names[path.parent.name].append(path)
    for family, paths in names.items():
        texts = [path.read_text(errors="replace") for path in paths if not is_font(path.name)]
        assert any("licen" in text.casefold() and len(text) > 500 for text in texts), family


def test_word_lists_hold_one_entry_a_line(data: Path) -> None:
    for path in (data / "corpora").glob("*.txt"):
        lines = path.read_text(encoding="utf-8").split("\n")
        assert lines.pop() == ""
        if path.name != "README.txt":
            assert all(line and line == line.strip() for line in lines)
            assert len(lines) == len(set(lines)) >= 50


def test_data_dvc_describes_what_is_fetched(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash depends on the packages' versions, which requirements.lock pins."""
    from dvc.repo import Repo

    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    shutil.copytree(data, tmp_path / "clone" / "data")
    monkeypatch.chdir(tmp_path / "clone")
    with Repo.init(no_scm=True) as repo:
        repo.add("data")
    computed = yaml.safe_load((tmp_path / "clone/data.dvc").read_text())
    committed = yaml.safe_load((ROOT / "data.dvc").read_text())
    assert computed == committed, "run `dvc add data` where requirements.lock is installed"
