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


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_fails_is_asked_again(status: int) -> None:
    request = httpx.Request("GET", "http://server/api")
    answers = [httpx.Response(status, request=request), httpx.Response(200, request=request)]
    assert ask(lambda: answers.pop(0).raise_for_status(), delays=(0,)).is_success
    assert answers == []


def test_a_refusal_is_not_asked_about_twice() -> None:
    asked = []

    def question() -> None:
        asked.append(1)
        httpx.Response(404, request=httpx.Request("GET", "http://server/api")).raise_for_status()

    with pytest.raises(httpx.HTTPStatusError, match="404"):
        ask(question, delays=(0,))
    assert asked == [1]


def test_other_errors_are_not_asked_about_twice() -> None:
    asked = []

    def question() -> None:
        asked.append(1)
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        ask(question, delays=(0,))
    assert asked == [1]
