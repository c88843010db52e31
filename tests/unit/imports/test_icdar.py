"""ICDAR word folders, as the competition publishes them."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written_formats import picture

from textsr.errors import TextsrError
from textsr.imports.icdar import read_words


def write(folder: Path, content: str, encoding: str = "utf-8-sig") -> Path:
    (folder / "gt.txt").write_bytes(content.encode(encoding))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (1, 2, 10):
        (tmp_path / f"word_{number}.png").write_bytes(picture(20, 60, number))
    return tmp_path


def test_published_form_is_read(folder: Path) -> None:
    # From the ground truth of 2015, Task 4.3: a mark, quotes, commas, escapes, Windows lines.
    write(
        folder,
        'word_1.png, "Genaxis Theatre"\r\nword_2.png, "\\"Yes, we\\" can"\r\n'
        'word_10.png, "[C:\\\\06],"\r\n',
    )
    words = {item.name: item for item in read_words(folder)}
    assert {name: item.text for name, item in words.items()} == {
        "word_1": "Genaxis Theatre",
        "word_2": '"Yes, we" can',
        "word_10": "[C:\\06],",
    }
    assert words["word_10"].images["image"] == (folder / "word_10.png").read_bytes()
    assert words["word_2"].source == f"{folder}/gt.txt: line 2"


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Cs"])))
def test_any_text_survives(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("words")
    (folder / "w.png").write_bytes(picture(8, 8))
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    [item] = read_words(write(folder, f'w.png, "{escaped}"\n'))
    assert item.text == text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("word_1.png Tiredness", "expected `file, \"text\"`, found 'word_1.png Tiredness'"),
        ('word_1.png, "open', "expected"),
        ('word_3.png, "no image"', r"word_3\.png: no such image"),
        ('../word_1.png, "outside"', r"no such image"),
    ],
)
def test_malformed_line_is_named(folder: Path, line: str, said: str) -> None:
    write(folder, f'word_2.png, "fine"\n{line}\n')
    with pytest.raises(TextsrError, match=rf"gt\.txt: line 2: .*{said}"):
        list(read_words(folder))


def test_ground_truth_must_be_one_utf_8_file(folder: Path) -> None:
    with pytest.raises(TextsrError, match=r"one ground-truth file .* is needed, found none"):
        list(read_words(folder))
    write(folder, 'word_1.png, "Ä"', encoding="cp1252")
    with pytest.raises(TextsrError, match=r"gt\.txt: not UTF-8"):
        list(read_words(folder))
    (folder / "more.txt").touch()
    with pytest.raises(TextsrError, match=r"found gt\.txt, more\.txt"):
        list(read_words(folder))
