"""Texts: by kind, of bounded length, and of one split each."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.config.params import SPLITS, Params
from textsr.errors import TextsrError
from textsr.synthesis.corpus import Corpus, load_corpus, split_of, text_key

LISTS = ("words", "accented_words", "first_names", "last_names", "street_suffixes", "states")


@pytest.fixture
def corpora(data: Path, tmp_path: Path) -> Path:
    """The word lists, to be changed."""
    return shutil.copytree(data / "corpora", tmp_path / "corpora")


@pytest.fixture(scope="module")
def corpus(tiny_params: Params, data: Path) -> Corpus:
    return load_corpus(data / "corpora", tiny_params.synthesis.text)


@given(st.text(min_size=1))
def test_split_ignores_case_and_white_space(text: str) -> None:
    split = split_of(text)
    assert split in SPLITS
    for same in (f"  {text}\t", " ".join(text), text.upper(), text.lower(), text.title()):
        assert split_of(same) == split
    assert text_key(text) == text_key(text_key(text))


def test_case_is_ignored_where_folding_alone_does_not() -> None:
    dotless_i = "\u0131"  # shares its capital with i
    assert text_key(f"kap{dotless_i}") == text_key("KAPI")
    assert text_key("Straße") == text_key("STRASSE")


def test_text_is_its_letters_and_marks() -> None:
    assert text_key("Total $1.00") != text_key("Total $100")
    assert text_key("resume") != text_key("résumé")


def test_split_is_what_it_has_always_been() -> None:
    # A changed hash would move texts that a trained model has seen into test.
    known = {
        "train": ["the", "and", "receipt", "Total $3.20"],
        "val": ["at", "how", "other"],
        "test": ["are", "about", "Maria Lopez"],
    }
    for split, texts in known.items():
        assert {split_of(text) for text in texts} == {split}


def test_split_shares(corpus: Corpus) -> None:
    splits = [split_of(word) for word in corpus.words]
    for split, share in {"train": 0.85, "val": 0.05, "test": 0.10}.items():
        assert splits.count(split) / len(splits) == pytest.approx(share, abs=0.01)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    max_characters=st.integers(4, 200),
    uppercase=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_text_is_one_line_of_bounded_length(
    corpus: Corpus, seed: int, max_characters: int, uppercase: float
) -> None:
    update = {"max_characters": max_characters, "uppercase": uppercase}
    limited = Corpus(**{**vars(corpus), "params": corpus.params.model_copy(update=update)})
    rng = np.random.default_rng(seed)
    for _ in range(10):
        text, kind = limited.draw(rng)
        assert kind in limited.kinds()
        assert len(text) <= max_characters
        assert text == text.strip()
        assert text.isprintable()
        if uppercase == 1 and kind not in ("email", "url"):
            assert text == text.upper()


def test_kinds_are_drawn_at_their_shares(corpus: Corpus) -> None:
    kinds = {**corpus.params.kinds, "url": 0.0}
    params = corpus.params.model_copy(update={"kinds": kinds})
    changed = Corpus(**{**vars(corpus), "params": params})
    rng = np.random.default_rng(0)
    drawn = [changed.draw(rng)[1] for _ in range(4000)]
    total = sum(share for kind, share in kinds.items() if kind != "custom")
    for kind, share in kinds.items():
        expected = 0 if kind == "custom" else share / total
        assert drawn.count(kind) / len(drawn) == pytest.approx(expected, abs=0.025)


def test_custom_lines_are_drawn_when_there_are_some(tiny_params: Params, corpora: Path) -> None:
    text = tiny_params.synthesis.text
    assert "custom" not in load_corpus(corpora, text).kinds()
    (corpora / "custom/mine.txt").write_text("\ufeffZebra crossing\n\n", encoding="utf-8")
    (corpora / "custom/more.txt").write_text("  Ünïcode \r\nsecond", encoding="utf-8")
    corpus = load_corpus(corpora, text)
    assert corpus.custom == ("Zebra crossing", "Ünïcode", "second")
    assert corpus.kinds()["custom"] == pytest.approx(2 / sum(text.kinds.values()))
    rng = np.random.default_rng(0)
    drawn = {corpus.draw(rng) for _ in range(200)}
    assert ("Zebra crossing", "custom") in drawn


@pytest.mark.parametrize("content", [b"\xff\xfe\xfa", b"\n \n"])
def test_bad_word_list_is_named(tiny_params: Params, corpora: Path, content: bytes) -> None:
    (corpora / "custom/bad.txt").write_bytes(content)
    with pytest.raises(TextsrError, match=r"bad\.txt"):
        load_corpus(corpora, tiny_params.synthesis.text)


@pytest.mark.parametrize("name", LISTS)
def test_missing_word_list_is_named_with_the_remedy(
    tiny_params: Params, corpora: Path, name: str
) -> None:
    (corpora / f"{name}.txt").unlink()
    with pytest.raises(TextsrError, match=rf"{name}\.txt: no such file.*textsr fetch-data"):
        load_corpus(corpora, tiny_params.synthesis.text)


def test_kinds_look_like_what_they_are_called(corpus: Corpus) -> None:
    patterns = {
        "accented": r".*[^\x00-\x7f]",
        "sentence": r"[\"(]?[A-Z].* ",
        "leader": r"[A-Za-z]+ ?\.{3,9} ?[\d,]+\.\d\d$",
        "amount": r".*\d\.\d\d$",
        "email": r"\S+@\S+\.\S+$",
        "date": r".*\d",
    }
    params = corpus.params.model_copy(update={"max_characters": 60, "uppercase": 0.0})
    rng = np.random.default_rng(0)
    for kind, pattern in patterns.items():
        only = params.model_copy(update={"kinds": {kind: 1.0}})
        changed = Corpus(**{**vars(corpus), "params": only})
        for _ in range(50):
            text, drawn = changed.draw(rng)
            assert drawn == kind
            assert re.match(pattern, text), (kind, text)
