"""What the lines say: text by kind, drawn from word lists, split without overlap."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textsr.config.params import Split, Text
from textsr.errors import TextsrError
from textsr.synthesis.draws import draw_key

_HELD_OUT_PERCENT = {"val": range(0, 5), "test": range(5, 15)}
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_CURRENCIES = ("$", "€", "£", "USD ", "EUR ", "RM ", "")
_EXTRA_DATASETS = ("com", "org", "net", "co.uk", "de", "io", "edu")


def text_key(text: str) -> str:
    """Return what makes two strings the same text: case and white space do not count."""
    # In capitals first: the dotless i has the same capital as i, and no other case folding.
    return "".join(text.upper().casefold().split())


def split_of(text: str) -> Split:
    """Assign a text to a split by a hash of its key: 85% train, 5% val, 10% test.

    The assignment knows nothing of the dataset's size or seed, so no text can ever move from one
    split to another.
    """
    digest = hashlib.blake2b(text_key(text).encode(), digest_size=8).digest()
    percent = int.from_bytes(digest, "big") % 100
    if percent in _HELD_OUT_PERCENT["val"]:
        return "val"
    return "test" if percent in _HELD_OUT_PERCENT["test"] else "train"


@dataclass(frozen=True)
class Corpus:
    """Word lists and the kinds of text made of them."""

    words: tuple[str, ...]
    accented_words: tuple[str, ...]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    street_suffixes: tuple[str, ...]
    states: tuple[str, ...]
    custom: tuple[str, ...]
    params: Text

    def kinds(self) -> dict[str, float]:
        """Return each kind that can be drawn with its probability; they sum to 1."""
        shares = {
            kind: share
            for kind, share in self.params.kinds.items()
            if share > 0 and (kind != "custom" or self.custom)
        }
        total = sum(shares.values())
        return {kind: share / total for kind, share in shares.items()}

    def draw(self, rng: np.random.Generator) -> tuple[str, str]:
        """Draw a text of at most `max_characters`; return it and its kind."""
        kind = draw_key(self.kinds(), rng)
        text = _MAKERS[kind](self, rng)
        if kind not in ("email", "url") and rng.random() < self.params.uppercase:
            text = text.upper()
        if len(text) > self.params.max_characters:
            text = text[: self.params.max_characters].rsplit(" ", 1)[0].rstrip()
        return text, kind


def load_corpus(folder: Path, params: Text) -> Corpus:
    """Read the word lists of `folder` and the user's lines in `folder/custom`.

    Raises:
        TextsrError: if a list is missing, empty or not UTF-8.
    """
    names = ("words", "accented_words", "first_names", "last_names", "street_suffixes", "states")
    lists = {name: _read_list(folder / f"{name}.txt") for name in names}
    custom = tuple(
        line for path in sorted(folder.glob("custom/*.txt")) for line in _read_list(path)
    )
    return Corpus(**lists, custom=custom, params=params)


def _read_list(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise TextsrError(f"{path}: no such file; get it with `textsr fetch-data`") from error
    except UnicodeDecodeError as error:
        raise TextsrError(f"{path}: not UTF-8 ({error.reason}); save it as UTF-8") from error
    entries = tuple(line.strip() for line in lines if line.strip())
    if not entries:
        raise TextsrError(f"{path}: no entry in it; add lines or remove the file")
    return entries


def _pick(rng: np.random.Generator, entries: tuple[str, ...] | list[str] | str) -> str:
    return str(entries[int(rng.integers(len(entries)))])


def _common(corpus: Corpus, rng: np.random.Generator) -> str:
    # Zipf-like: frequent words come first in the list, and a cubed uniform prefers them.
    return corpus.words[int(len(corpus.words) * rng.random() ** 3)]


def _digits(rng: np.random.Generator, count: int) -> str:
    return "".join(str(digit) for digit in rng.integers(0, 10, count))


def _words(corpus: Corpus, rng: np.random.Generator) -> str:
    # Signs and forms hold more single words than phrases.
    count = int(_pick(rng, "1112234"))
    text = " ".join(_common(corpus, rng) for _ in range(count))
    if rng.random() < 0.4:
        text = text.capitalize()
    return text + _pick(rng, ["", "", "", ".", ",", ":", "!", "?"])


def _accented(corpus: Corpus, rng: np.random.Generator) -> str:
    text = " ".join(_pick(rng, corpus.accented_words) for _ in range(int(rng.integers(1, 4))))
    return text.capitalize() if rng.random() < 0.5 else text


def _sentence(corpus: Corpus, rng: np.random.Generator) -> str:
    words = [_common(corpus, rng) for _ in range(int(rng.integers(3, 7)))]
    words[0] = words[0].capitalize()
    at = int(rng.integers(len(words) - 1))
    words[at] += _pick(rng, ["", "", ",", ";", " -", "'s"])
    text = " ".join(words) + _pick(rng, [".", ".", "!", "?", "..."])
    return _pick(rng, ["{}", "{}", "{}", '"{}"', "({})"]).format(text)


def _leader(corpus: Corpus, rng: np.random.Generator) -> str:
    dots = "." * int(rng.integers(3, 10))
    gap = _pick(rng, ["", " "])
    return f"{_common(corpus, rng).capitalize()}{gap}{dots}{gap}{_price(rng)}"


def _price(rng: np.random.Generator) -> str:
    # Log-uniform from 0.10 to 100,000: receipts hold more small amounts than large ones.
    return f"{10 ** rng.uniform(-1, 5):,.2f}"


def _name(corpus: Corpus, rng: np.random.Generator) -> str:
    title = _pick(rng, ["", "", "", "Mr. ", "Ms. ", "Dr. "])
    return f"{title}{_pick(rng, corpus.first_names)} {_pick(rng, corpus.last_names)}"


def _amount(corpus: Corpus, rng: np.random.Generator) -> str:
    label = _pick(rng, ["", "", "Total ", "TAX ", "Subtotal: ", "Qty 2 x ", "Change "])
    return f"{label}{_pick(rng, list(_CURRENCIES))}{_price(rng)}"


def _date(corpus: Corpus, rng: np.random.Generator) -> str:
    year, month, day = (
        int(rng.integers(1980, 2036)),
        int(rng.integers(1, 13)),
        int(rng.integers(1, 29)),
    )
    text = _pick(
        rng,
        [
            f"{day:02d}/{month:02d}/{year}",
            f"{year}-{month:02d}-{day:02d}",
            f"{day}.{month}.{year}",
            f"{day} {_MONTHS[month - 1]} {year}",
            f"{_MONTHS[month - 1]} {day}, {year}",
            f"{month:02d}/{day:02d}/{year % 100:02d}",
        ],
    )
    if rng.random() < 0.4:
        text += f" {int(rng.integers(24)):02d}:{int(rng.integers(60)):02d}"
    return text


def _address(corpus: Corpus, rng: np.random.Generator) -> str:
    street = f"{_pick(rng, corpus.last_names)} {_pick(rng, corpus.street_suffixes)}"
    place = f"{_pick(rng, corpus.states)} {_digits(rng, 5)}"
    return _pick(rng, [f"{int(rng.integers(1, 9999))} {street}", place])


def _code(corpus: Corpus, rng: np.random.Generator) -> str:
    letters = "".join(_pick(rng, _LETTERS) for _ in range(int(rng.integers(1, 4))))
    prefix = _pick(rng, ["", "", "Ref. ", "No. ", "INV-", "Tel: ", "#"])
    body = _pick(
        rng,
        [
            f"{letters}-{_digits(rng, 5)}",
            _digits(rng, int(rng.integers(4, 13))),
            f"{_digits(rng, 3)}-{_digits(rng, 4)}",
            f"{letters}{_digits(rng, 3)}/{_digits(rng, 2)}",
        ],
    )
    return prefix + body


def _host(corpus: Corpus, rng: np.random.Generator) -> str:
    return f"{_common(corpus, rng)}.{_pick(rng, list(_EXTRA_DATASETS))}".lower()


def _email(corpus: Corpus, rng: np.random.Generator) -> str:
    user = _pick(rng, corpus.first_names).lower()
    tail = _pick(rng, ["", _digits(rng, 2), f".{_pick(rng, corpus.last_names).lower()}"])
    return f"{user}{tail}@{_host(corpus, rng)}"


def _url(corpus: Corpus, rng: np.random.Generator) -> str:
    path = _pick(rng, ["", "", f"/{_common(corpus, rng)}", f"/{_digits(rng, 4)}"])
    return _pick(rng, ["www.", "https://", ""]) + _host(corpus, rng) + path


def _custom(corpus: Corpus, rng: np.random.Generator) -> str:
    return _pick(rng, corpus.custom)


_MAKERS: dict[str, Callable[[Corpus, np.random.Generator], str]] = {
    "words": _words,
    "accented": _accented,
    "sentence": _sentence,
    "name": _name,
    "amount": _amount,
    "leader": _leader,
    "date": _date,
    "address": _address,
    "code": _code,
    "email": _email,
    "url": _url,
    "custom": _custom,
}
