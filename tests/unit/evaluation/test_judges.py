"""Who judged: recorded with the scores, and the same for all that is compared."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reading import LineReader

from textsr.errors import TextsrError
from textsr.evaluation.judges import (
    common_judges,
    describe_judges,
    judges_of,
    judges_of_summary,
    require_read_by,
)
from textsr.evaluation.score import score_set
from textsr.evaluation.sets import EvaluationLine
from textsr.evaluation.statistics import Bootstrap
from textsr.evaluation.summary import compare_methods, summarise

RESAMPLING = Bootstrap(50, 0.95, 1)


class Yes(LineReader):
    """Reads `yes` in every line."""

    def __init__(self, name: str = "rapidocr", version: str = "one 1.0") -> None:
        self.name, self.version = name, version

    def read_line(self, line: np.ndarray) -> str:
        return "yes"


def scores(*engines: Yes) -> pd.DataFrame:
    image = np.zeros((16, 16), np.uint8)
    lines = [EvaluationLine(f"line-{number}", "yes", image, None) for number in range(3)]
    return score_set("m", "test", lines, [image] * 3, engines)


def test_scores_and_their_summary_tell_who_read() -> None:
    table = scores(Yes(), Yes("other", "two 2.0"))
    judges = {"rapidocr": "one 1.0", "other": "two 2.0"}
    assert judges_of(table) == judges
    assert judges_of_summary(summarise(table, RESAMPLING)) == judges
    assert judges_of(pd.concat([table, table])) == judges
    assert judges_of(table.drop(columns="other_version")) == judges | {"other": None}


def test_two_versions_of_an_engine_are_not_compared() -> None:
    mine, other = scores(Yes()), scores(Yes(version="one 1.1"), Yes("more"))
    with pytest.raises(TextsrError, match=r"rapidocr \(one 1\.0; one 1\.1\); .*dvc repro -f"):
        compare_methods(mine, other, RESAMPLING)
    assert "more" not in compare_methods(mine, scores(Yes(), Yes("more")), RESAMPLING)


def test_baselines_that_an_engine_of_now_has_not_read_are_refused() -> None:
    path = Path("samples.parquet")
    require_read_by([Yes()], path, scores(Yes(), Yes("gone")))
    for engine, was in ((Yes("new"), "not by it"), (Yes(version="one 1.1"), "by one 1.0")):
        with pytest.raises(TextsrError) as refusal:
            require_read_by([engine], path, scores(Yes()))
        said = str(refusal.value)
        assert said.startswith("samples.parquet: ")
        assert was in said
        assert engine.version in said
        assert said.endswith("`dvc repro -f baselines`")


def test_methods_of_a_table_have_the_same_judges() -> None:
    one, two = judges_of(scores(Yes())), judges_of(scores(Yes(), Yes("more")))
    assert common_judges([("a", one), ("b", dict(one))]) == one
    for others in (two, judges_of(scores(Yes(version="one 1.1")))):
        with pytest.raises(TextsrError, match="a and b were not judged by the same OCR engines"):
            common_judges([("a", one), ("b", others)])


def test_a_reader_is_told_who_was_not_asked() -> None:
    said = describe_judges({"tesseract": "t 5", "theirs": "x 1"})
    assert said.startswith("Read by Tesseract (t 5); theirs (x 1). ")
    assert "Not installed, and so not asked: RapidOCR, EasyOCR" in said
