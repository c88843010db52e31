"""ICDAR robust-reading words: a folder of crops and a ground-truth file `word_1.png, "Text"`.

As published for Task 3 of the 2013 and Task 4.3 of the 2015 competition: UTF-8 with a byte order
mark, the text in quotes, quotes and backslashes inside it escaped by a backslash.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from textsr.errors import TextsrError, quote
from textsr.images.reading import read_encoded
from textsr.imports.sets import Item

_LINE = re.compile(r'(?P<file>[^,]+?)\s*,\s*"(?P<text>.*)"')


def find_ground_truth(folder: Path) -> Path:
    """Return the only text file of `folder`.

    Raises:
        TextsrError: if there is none, or more than one.
    """
    found = sorted(folder.glob("*.txt")) if folder.is_dir() else []
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise TextsrError(f"{folder}: one ground-truth file *.txt is needed, found {names}")
    return found[0]


def read_words(folder: Path) -> Iterator[Item]:
    """Yield the words of a folder with its ground-truth file.

    Raises:
        TextsrError: if the file is missing, malformed or not UTF-8, or names a missing image.
    """
    path = find_ground_truth(folder)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise TextsrError(f"{path}: not UTF-8 ({error.reason}); save it as UTF-8") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise TextsrError(f'{where}: expected `file, "text"`, found {quote(line.strip())}')
        image = folder / match["file"]
        if image.parent != folder or not image.is_file():
            raise TextsrError(f"{where}: {match['file']}: no such image in {folder}")
        text = re.sub(r'\\(["\\])', r"\1", match["text"])
        yield Item(image.stem, where, {"image": read_encoded(image)}, text)
