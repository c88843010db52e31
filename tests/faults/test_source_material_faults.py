"""Source material that is garbage: a message that names the file."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from textsr.config.params import Params
from textsr.errors import TextsrError
from textsr.imports.labels import read_labels
from textsr.synthesis import fonts
from textsr.synthesis.corpus import load_corpus
from textsr.synthesis.typeset import draw_layout, lay_out
from textsr.validation.data_card import _sources


@pytest.fixture
def font(tmp_path: Path) -> Path:
    import matplotlib

    source = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    return Path(shutil.copy(source, tmp_path / "font.ttf"))


def test_a_damaged_font_is_named_whatever_its_parser_runs_into(font: Path) -> None:
    whole = font.read_bytes()
    rng = np.random.default_rng(1)
    refused = 0
    for number in range(60):
        content = bytearray(whole)
        for place in rng.integers(0, 600, 30):
            content[place] = int(rng.integers(256))
        path = font.with_name(f"{number}.ttf")
        path.write_bytes(content)
        fonts._is_italic(path)
        try:
            fonts.characters(path)
        except TextsrError as error:
            refused += str(error).startswith(f"{path}: not a readable font (")
    assert refused > 20


@pytest.mark.parametrize("content", [b"", b"garbage" * 99, b"OTTO" + b"\xff" * 999])
def test_garbage_that_is_to_be_drawn_with_is_named(font: Path, content: bytes) -> None:
    layout = lay_out("Total", font)
    bad = font.with_name("bad.ttf")
    bad.write_bytes(content)
    with pytest.raises(TextsrError, match=r"bad\.ttf: not a readable font .*; remove it"):
        draw_layout(layout, bad, 40)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"path\tlicence\n",
        b"a\tb\tc\td\n1\t2\t3\t4\n",
        b"path\tlicence\tpackage\tversion\nfonts/x\n",
        b"path\tlicence\tpackage\tversion\n" + b"x" * 200_000 + b"\n",
        b"\0" * 99,
    ],
)
def test_a_damaged_table_of_sources_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "SOURCES.tsv").write_bytes(content)
    with pytest.raises(TextsrError, match=r"SOURCES\.tsv: not a table of .* `textsr fetch-data`"):
        _sources(tmp_path)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_labels_that_are_no_file_are_named(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "labels.tsv")
    with pytest.raises(TextsrError, match=r"labels\.tsv: not a file"):
        read_labels(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"\xff", b"\0" * 99, b"file\ttext\n\xff.png\tx\n", b"file\ttext\n" + b"x" * 200_000 + b"\ty"],
)
def test_labels_that_are_garbage_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "labels.tsv").write_bytes(content)
    with pytest.raises(TextsrError, match=r"labels\.tsv"):
        read_labels(tmp_path)


def test_word_lists_that_are_not_utf_8_are_named(tiny_params: Params, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(TextsrError, match=r"words\.txt: not UTF-8 .*; save it as UTF-8"):
        load_corpus(tmp_path, tiny_params.synthesis.text)
