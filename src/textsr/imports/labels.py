"""`labels.tsv`: what the images of a folder say."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from textsr.errors import TextsrError
from textsr.files import replace_file

LABELS = "labels.tsv"


class Label(NamedTuple):
    """A line of `labels.tsv`: a file's name, its text, and where that stands, for messages."""

    file: str
    text: str
    where: str


def read_labels(folder: Path) -> list[Label]:
    """Read `labels.tsv`: a header `file<TAB>text`, then a line an image.

    Raises:
        TextsrError: if the file is missing, is not UTF-8, lacks a column, has a line with more
            fields than the header or without a file, names a file twice or outside the folder, or
            holds no line.
    """
    path = folder / LABELS
    labels: dict[str, Label] = {}
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise TextsrError(f"{path}: not a file; put the file in its place")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            if not {"file", "text"} <= set(rows.fieldnames or ()):
                raise TextsrError(f"{path}: needs a header line with the columns file and text")
            for row in rows:
                where = f"{path}: line {rows.line_num}"
                if None in row:
                    raise TextsrError(
                        f"{where} has more fields than the header; a text holds no tab"
                    )
                file = row["file"]
                if not file:
                    raise TextsrError(f"{where}: no file is named; complete or remove the line")
                if file in labels:
                    raise TextsrError(f"{where}: {file} was labelled before; leave one line")
                if Path(file).is_absolute() or ".." in Path(file).parts:
                    raise TextsrError(f"{where}: {file} lies outside {folder}; move it inside")
                labels[file] = Label(file, row["text"] or "", where)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TextsrError(
            f"{path}: no such file; write one line `file<TAB>text` an image"
        ) from error
    except UnicodeDecodeError as error:
        raise TextsrError(f"{path}: not UTF-8 ({error.reason}); save it as UTF-8") from error
    except csv.Error as error:
        raise TextsrError(f"{path}: not tab-separated lines of text ({error})") from error
    if not labels:
        raise TextsrError(f"{path}: no labels in it; write one line `file<TAB>text` an image")
    return list(labels.values())


def write_labels(folder: Path, rows: Iterable[tuple[str, str]]) -> None:
    """Write `labels.tsv` as `read_labels` reads it; texts hold neither tabs nor line breaks."""
    with replace_file(folder / LABELS) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("file\ttext\n")
        file.writelines(f"{name}\t{text}\n" for name, text in rows)
