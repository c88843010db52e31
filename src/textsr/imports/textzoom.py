"""TextZoom (Wang et al. 2020): LMDB databases of LR-HR word pairs with labels.

Keys, counted from 1: `image_lr-%09d`, `image_hr-%09d`, `label-%09d`; `num-samples` is the count.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from textsr.errors import TextsrError, quote
from textsr.files import find_files
from textsr.images.image import to_8_bit
from textsr.images.reading import decode_image
from textsr.imports.sets import Item

SCALE = 2
_LR_SIZE = (64, 16)
_HR_SIZE = (128, 32)
_DIGITS = 9  # of a key's number


def find_databases(folder: Path) -> list[Path]:
    """Return the databases of `folder` and below: those of training, and easy, medium and hard.

    Raises:
        TextsrError: if there is none.
    """
    files = find_files(folder, {".mdb"}, hidden=True) if folder.is_dir() else []
    found = sorted(path.parent.resolve() for path in files if path.name == "data.mdb")
    if not found:
        raise TextsrError(f"{folder}: no LMDB database (data.mdb) in it or below")
    return found


def is_test(database: Path) -> bool:
    """Say whether a database is one of the three of the test split."""
    return database.name in ("easy", "medium", "hard") or database.parent.name == "test"


def count_samples(database: Path) -> int:
    """Return how many pairs a database says it holds.

    Raises:
        TextsrError: if it is not TextZoom's.
    """
    with _reading(database) as transaction:
        return _count(transaction, database)


def read_database(database: Path, lr_only: bool) -> Iterator[Item]:
    """Yield the pairs of a database with their texts.

    TextZoom's LR and HR are cut independently and are of a ratio of about two. Its authors resize
    both, LR to 16 x 64 and HR to 32 x 128 by bicubic interpolation, to compare them; so do we.
    For reading alone (`lr_only`) LR is taken as it is.

    Raises:
        TextsrError: if a key is missing or an image cannot be decoded; the message names the key.
    """
    with _reading(database) as transaction:
        for number in range(1, _count(transaction, database) + 1):
            where = f"{database}: pair {number}"
            try:
                text = _get(transaction, f"label-{number:09d}", database).decode("utf-8")
            except UnicodeDecodeError as error:
                raise TextsrError(f"{where}: its label is not UTF-8 ({error.reason})") from error
            lr = _get(transaction, f"image_lr-{number:09d}", database)
            if lr_only:
                images = {"image": lr}
            else:
                hr = _get(transaction, f"image_hr-{number:09d}", database)
                images = {"lr": _resize(lr, _LR_SIZE, where), "hr": _resize(hr, _HR_SIZE, where)}
            yield Item(f"{number:09d}", where, images, text)


def _resize(encoded: bytes, size: tuple[int, int], where: str) -> bytes:
    image = to_8_bit(decode_image(encoded, where, strict=True))
    colour = image.pixels if image.is_colour else cv2.cvtColor(image.pixels, cv2.COLOR_GRAY2BGR)
    ok, png = cv2.imencode(".png", cv2.resize(colour, size, interpolation=cv2.INTER_CUBIC))
    assert ok
    return png.tobytes()


@contextmanager
def _reading(database: Path) -> Iterator[Any]:
    try:
        import lmdb
    except ImportError as error:
        raise TextsrError(
            "reading TextZoom needs the package lmdb; install it with `pip install "
            "'textsr[textzoom]'`"
        ) from error
    try:
        with (
            lmdb.open(str(database), readonly=True, lock=False, readahead=False) as environment,
            environment.begin() as transaction,
        ):
            # What lies in memory and not in the file would end the process, without a word.
            pages = environment.info()["last_pgno"] + 1
            if pages * environment.stat()["psize"] > (database / "data.mdb").stat().st_size:
                raise TextsrError(f"{database}: data.mdb is cut short; copy it again")
            yield transaction
    except lmdb.Error as error:
        raise TextsrError(f"{database}: not a readable LMDB database ({error})") from error


def _count(transaction: Any, database: Path) -> int:
    value = _get(transaction, "num-samples", database)
    if not (value.isdigit() and len(value) <= _DIGITS):
        raise TextsrError(
            f"{database}: key num-samples: expected a number, found {quote(value)}; this is not, "
            "or not all of, TextZoom"
        )
    return int(value)


def _get(transaction: Any, key: str, database: Path) -> bytes:
    value = transaction.get(key.encode())
    if value is None:
        raise TextsrError(f"{database}: no key {key}; this is not, or not all of, TextZoom")
    return bytes(value)
