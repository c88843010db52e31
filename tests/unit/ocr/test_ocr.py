"""Engines, and how readings are scored."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import LineReader

from textsr.config.sections import effect_fields
from textsr.ocr.easyocr_engine import load_easyocr
from textsr.ocr.engine import BATCH, OCREngine, read_lines
from textsr.ocr.engines import BUILT_IN
from textsr.ocr.rapidocr_engine import RapidOCREngine
from textsr.ocr.scoring import normalise, score_readings
from textsr.ocr.tesseract_engine import TesseractEngine, tesseract_data
from textsr.synthesis.fonts import FontFile
from textsr.synthesis.render import render_line

texts = st.text(alphabet="abcXYZ019 .-", max_size=8)


def levenshtein(first: str, second: str) -> int:
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
def test_scores_are_exact_match_and_levenshtein(pairs: list[tuple[str, str]]) -> None:
    references, readings = zip(*pairs, strict=True)
    exact, edits, lengths = score_readings(references, readings)
    for (reference, reading), hit, distance, length in zip(
        pairs, exact, edits, lengths, strict=True
    ):
        assert hit == (normalise(reference) == normalise(reading))
        assert distance == levenshtein(normalise(reference), normalise(reading))
        assert length == len(normalise(reference))


def test_normalised_text_is_lower_case_letters_and_digits() -> None:
    assert normalise(" RM 12.50, Café-No. 7!") == "rm1250caféno7"


def line_of(text: str, params: object, data: Path, inverted: float = 0.0) -> np.ndarray:
    render = params.synthesis.render
    plain = {
        name: getattr(render, name).model_copy(update={"probability": 0.0})
        for name, _ in effect_fields(type(render))
    }
    tones = {"contrast_levels": (200.0, 200.0), "inverted": inverted}
    return render_line(
        text,
        FontFile(data / "fonts/dejavu/DejaVuSans.ttf", "dejavu"),
        render.model_copy(update=plain | tones),
        height=64,
        max_width=640,
        width_multiple=16,
        scale=4,
        rng=np.random.default_rng(1),
    ).image


def check_reads(engine: OCREngine, params: object, data: Path) -> None:
    """Reads print of either polarity, each line whatever others are read before it or with it."""
    texts = ["Invoice 4417", "TOTAL 11.28", "Harbour Road"]
    lines = [line_of(text, params, data, inverted) for inverted in (0.0, 1.0) for text in texts]
    found, sure = engine.read(lines), engine.confidence(lines)
    assert [normalise(text) for text in found] == [normalise(text) for text in texts * 2]
    assert 0.5 < min(sure) <= max(sure) <= 1
    for number in reversed(range(len(lines))):
        assert engine.read([lines[number]]) == [found[number]]
        assert engine.confidence([lines[number]]) == [sure[number]]
    assert re.search(r"\d+\.\d+.*, \S+ [0-9a-f]{8}$", engine.version)
    assert BUILT_IN[engine.name].title == engine.title


def test_rapidocr_reads_clean_lines(tiny_params: object, data: Path) -> None:
    engine = RapidOCREngine(1)
    check_reads(engine, tiny_params, data)
    empty = np.full((64, 128), 255, np.uint8)
    assert engine.read([empty]) == [""]
    assert engine.confidence([empty]) == [0]


@pytest.mark.tesseract
def test_tesseract_reads_clean_lines(tiny_params: object, data: Path) -> None:
    folder = tesseract_data()
    if folder is None:
        pytest.skip("Tesseract's English data is not installed on this machine")
    check_reads(TesseractEngine(folder), tiny_params, data)


@pytest.mark.slow
def test_easyocr_reads_clean_lines(tiny_params: object, data: Path) -> None:
    engine = load_easyocr(1)
    if engine is None:
        pytest.skip("EasyOCR's weights are not installed")
    threads = torch.get_num_threads()
    check_reads(engine, tiny_params, data)
    assert torch.get_num_threads() == threads


def test_tesseract_is_not_used_without_its_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Path, "is_file", lambda self: False)
    assert tesseract_data() is None


@given(st.integers(0, 3 * BATCH))
def test_lines_are_read_in_their_order_with_a_tick_each(count: int) -> None:
    ticks: list[int] = []
    lines = [np.full((1, 1), number, np.uint8) for number in range(count)]
    texts = read_lines(Numbers(), lines, lambda: ticks.append(1))
    assert texts == [str(number) for number in range(count)]
    assert len(ticks) == count


class Numbers(LineReader):
    """Reads the first pixel."""

    def read_line(self, line: np.ndarray) -> str:
        return str(line[0, 0])
