import httpx
import pytest

from pipelines.server import ask
from textsr.errors import TextsrError


def test_asks_again_until_there_is_an_answer() -> None:
    answers = [httpx.ConnectError("refused"), httpx.ReadTimeout("late"), "here"]

    def question() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert ask(question, delays=(0, 0)) == "here"


def test_gives_up_with_one_error_that_names_the_remedy() -> None:
    asked = []

    def question() -> None:
        asked.append(1)
        raise httpx.ConnectError("refused")

    with pytest.raises(TextsrError, match=r"Prefect gives no answer.*make up"):
        ask(question, delays=(0, 0, 0))
    assert len(asked) == 4


def test_other_errors_are_not_asked_about_twice() -> None:
    asked = []

    def question() -> None:
        asked.append(1)
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        ask(question, delays=(0,))
    assert asked == [1]
