"""Best, median and worst: a rule, whatever the order of the rows and however few there are."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.errors import TextsrError
from textsr.evaluation.cases import Case, Choice, choose_cases, compare_lines

Row = tuple[int, int, int, float]
"""Characters; edits of bicubic and of the model; PSNR of the model over bicubic's, in dB."""

ROWS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.integers(0, 4),
        st.integers(0, 4),
        st.sampled_from([-1.0, 0.0, 0.5, math.nan]),
    ),
    min_size=1,
    max_size=40,
)
WANTED = st.integers(1, 6)


def tables(rows: list[Row]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of a model and of bicubic on lines `0000`, `0001` and so on."""
    return tuple(
        pd.DataFrame(
            {
                "line_id": [f"{number:04}" for number in range(len(rows))],
                "psnr_db": [20.0 + row[3] * is_model for row in rows],
                "oracle_edits": [row[1 + is_model] for row in rows],
                "oracle_length": [row[0] for row in rows],
            }
        )
        for is_model in (True, False)
    )  # type: ignore[return-value]


def rank(rows: list[Row]) -> list[Case]:
    return compare_lines(*tables(rows), "oracle")


def test_ranking_is_by_error_then_edits_then_psnr_then_name() -> None:
    rows = [
        (4, 1, 2, 0.0),  # 0: 25 points worse
        (2, 1, 0, 0.0),  # 1: 50 points better by one edit
        (4, 2, 0, 0.0),  # 2: 50 points better by two edits
        (9, 0, 0, -1.0),  # 3: no change, duller
        (9, 3, 3, 0.5),  # 4: no change, sharper
        (9, 0, 0, math.nan),  # 5: no change, not known
        (8, 1, 1, 0.0),  # 6: no change
        (0, 2, 0, 0.0),  # 7: nothing that counts
    ]
    assert [int(case.line_id) for case in rank(rows)] == [2, 1, 4, 5, 6, 3, 0]
    case = rank(rows)[0]
    assert (case.change, case.edits_change, case.psnr_gain_db) == (-0.5, -2, 0.0)
    assert [int(case.line_id) for case in rank(rows) if case.settled] == [5, 3]
    assert rank(rows)[3].psnr_gain_db is None


@settings(deadline=None, max_examples=50)
@given(rows=ROWS, data=st.data())
def test_order_of_the_rows_changes_nothing(rows: list[Row], data: st.DataObject) -> None:
    shuffled = [table.iloc[data.draw(st.permutations(range(len(rows))))] for table in tables(rows)]
    assert compare_lines(*shuffled, "oracle") == rank(rows)


@settings(deadline=None, max_examples=50)
@given(rows=ROWS, wanted=WANTED)
def test_best_are_read_right_and_worst_got_worse(rows: list[Row], wanted: int) -> None:
    ranked = rank(rows)
    choice = choose_cases(ranked, wanted)
    best, median, worst = (
        [ranked[place].change for place in places]
        for places in (choice.best, choice.median, choice.worst)
    )
    assert [*best, *worst] == sorted([*best, *worst])
    assert median == sorted(median)
    changes = sorted(case.change for case in ranked)
    won = [case.change for case in ranked if case.change < 0 and case.edits[1] == 0]
    assert best == won[:wanted]
    assert worst == [change for change in changes if change > 0][-wanted:]


@settings(deadline=None, max_examples=50)
@given(rows=ROWS, wanted=WANTED)
def test_no_line_is_shown_twice_and_as_many_as_there_are_to_show(
    rows: list[Row], wanted: int
) -> None:
    ranked = rank(rows)
    choice = choose_cases(ranked, wanted)
    places = [*choice.best, *choice.median, *choice.worst]
    assert len(places) == len(set(places))
    assert set(places) <= set(range(len(rows)))
    taken = {*choice.best, *choice.worst}
    free = [p for p, case in enumerate(ranked) if not case.settled and p not in taken]
    assert len(choice.median) == min(wanted, len(free))


@settings(deadline=None, max_examples=50)
@given(rows=ROWS, wanted=WANTED)
def test_median_is_around_the_middle_of_what_is_not_settled(rows: list[Row], wanted: int) -> None:
    ranked = rank(rows)
    choice = choose_cases(ranked, wanted)
    unsettled = [place for place, case in enumerate(ranked) if not case.settled]
    assert set(choice.median) <= set(unsettled)
    middle = (len(unsettled) - 1) / 2
    distance = {place: abs(number - middle) for number, place in enumerate(unsettled)}
    farthest = max((distance[place] for place in choice.median), default=0)
    others = set(unsettled) - {*choice.best, *choice.median, *choice.worst}
    assert all(distance[place] >= farthest for place in others)


BETTER, SAME, WORSE, RIGHT = (9, 1, 0, 0.0), (9, 5, 5, 0.0), (9, 8, 9, 0.0), (9, 0, 0, 0.0)
STILL_WRONG = (9, 9, 1, 0.0)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], Choice([], [], [])),
        ([BETTER], Choice([0], [], [])),
        ([WORSE], Choice([], [], [0])),
        ([BETTER, SAME, WORSE], Choice([0], [1], [2])),
        ([BETTER] * 5, Choice([0, 1], [2, 3], [])),
        ([RIGHT] * 30, Choice([], [], [])),
        ([STILL_WRONG, BETTER], Choice([1], [0], [])),
        ([SAME] * 101, Choice([], [49, 50], [])),
        ([BETTER] * 9 + [RIGHT] * 50 + [WORSE] * 9, Choice([0, 1], [8, 59], [66, 67])),
    ],
)
def test_choice_of_few_and_of_many(rows: list[Row], expected: Choice) -> None:
    assert choose_cases(rank(rows), 2) == expected


def test_methods_scored_on_other_lines_are_refused() -> None:
    model, bicubic = tables([(1, 1, 0, 0.0)] * 2)
    with pytest.raises(TextsrError, match="different lines"):
        compare_lines(model, bicubic.iloc[:1], "oracle")
