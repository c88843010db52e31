"""Slices of the test split: which line is in which, what is gained there, and how it is drawn."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from textsr.datasets.shards import read_table
from textsr.errors import TextsrError
from textsr.evaluation.heat_map import save_heat_map
from textsr.evaluation.slices import score_slices, slice_split, thirds
from textsr.evaluation.statistics import Bootstrap
from textsr.images.reading import read_image

RESAMPLING = Bootstrap(200, 0.95, 1)


def readings(exact: list[bool], name: str = "oracle") -> pd.DataFrame:
    ids = [f"line-{number}" for number in range(len(exact))]
    return pd.DataFrame({"line_id": ids, f"{name}_exact": exact})


@given(st.lists(st.floats(-1e3, 1e3).map(lambda x: round(x, 1)), min_size=1, max_size=40))
def test_thirds_are_in_order_and_equal_numbers_are_together(numbers: list[float]) -> None:
    values = pd.Series(numbers)
    names = thirds(values, digits=1)
    assert names.notna().all()
    groups = [values[names == name] for name in names.cat.categories]
    assert all(len(group) for group in groups)
    assert all(a.max() < b.min() for a, b in itertools.pairwise(groups))
    # Of numbers that all differ, each holds about a third, but for what rounding a bound moves.
    if len(set(numbers)) == len(numbers) >= 30:
        assert all(len(group) >= len(numbers) // 3 - 1 for group in groups)


def test_the_names_of_thirds_tell_their_bounds() -> None:
    lengths = pd.Series([3, 4, 5, 12, 13, 14, 20, 21, 22])
    names = thirds(lengths, digits=0)
    assert list(names.cat.categories) == ["up to 10", "over 10 to 16", "above 16"]
    assert names.tolist() == [name for name in names.cat.categories for _ in range(3)]


def test_each_line_is_in_a_slice_of_each_property(dataset: Path) -> None:
    folder = dataset / "test"
    lines = read_table(folder).to_pandas().set_index("sample_id")
    ssim = dict(zip(lines.index, np.linspace(0.1, 0.9, len(lines)), strict=True))
    slices = slice_split(folder, ssim)
    assert slices.index.tolist() == lines.index.tolist()
    assert slices.notna().all(axis=None)
    assert slices["font family"].tolist() == lines["font_family"].tolist()
    assert slices["kind of text"].tolist() == lines["kind"].tolist()
    assert ((slices["polarity"] == "light on dark") == lines["inverted"]).all()
    severity = slices["severity (bicubic's SSIM)"]
    assert severity.iloc[0].startswith("up to 0.3")  # what lost most
    assert severity.iloc[-1].startswith("above 0.6")


def test_a_slice_is_paired_by_line_whatever_the_order() -> None:
    ours = readings([True, True, False, False, True, True])
    theirs = readings([False, True, True, True, True, False])
    slices = pd.DataFrame({"side": list("aaabbb")}, index=ours["line_id"])
    first, second = score_slices(ours, theirs[::-1], slices, RESAMPLING)
    assert (first["by"], first["slice"], first["lines"]) == ("side", "a", 3)
    a, b = first["engines"]["oracle"], second["engines"]["oracle"]
    assert (a["better"], a["worse"], a["gain"]) == (1, 1, 0)
    assert (b["better"], b["worse"], b["gain"]) == (1, 1, 0)
    with pytest.raises(TextsrError, match="different lines"):
        score_slices(ours, theirs.iloc[:4], slices, RESAMPLING)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_the_chance_is_that_of_a_coin(pairs: list[tuple[bool, bool]]) -> None:
    ours, theirs = (list(column) for column in zip(*pairs, strict=True))
    table = readings(ours)
    slices = pd.DataFrame({"all": "x"}, index=table["line_id"])
    [found] = score_slices(table, readings(theirs), slices, Bootstrap(100, 0.95, 1))
    score = found["engines"]["oracle"]
    worse = sum(b and not a for a, b in pairs)
    differ = sum(a != b for a, b in pairs)
    assert score["p_worse"] == pytest.approx(binom.sf(worse - 1, differ, 0.5))
    assert score["gain"] == pytest.approx((differ - 2 * worse) / len(pairs))


def drawn(path: Path, gain: float, interval: list[float]) -> np.ndarray:
    score = {"gain": gain, "gain_ci": interval}
    slices = [
        {"by": by, "slice": name, "lines": 9, "engines": {"rapidocr": score, "tesseract": score}}
        for by, name in (("font family", "x" * 80), ("font family", "漢字 $a$"), ("kind", "url"))
    ]
    save_heat_map(path, "gain of $m over bicubic", slices)
    return read_image(path).pixels.reshape(-1, 3).astype(int)


def test_better_is_blue_and_worse_is_red_and_the_bytes_are_the_same(tmp_path: Path) -> None:
    better = drawn(tmp_path / "a.png", 0.1, [0.05, 0.2])
    worse = drawn(tmp_path / "b.png", -0.1, [-0.2, -0.05])
    even = drawn(tmp_path / "c.png", 0.0, [-0.1, 0.1])
    blue_less_red = [(pixels[:, 0] - pixels[:, 2]).mean() for pixels in (better, even, worse)]
    assert blue_less_red[0] > 5 > abs(blue_less_red[1]) < 5
    assert blue_less_red[2] < -5
    drawn(tmp_path / "again.png", 0.1, [0.05, 0.2])
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "a.png").read_bytes()
    # That its interval excludes zero makes a number bold, and nothing else.
    assert (drawn(tmp_path / "d.png", 0.1, [-0.05, 0.2]) != better).any()
