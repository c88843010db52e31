"""What people answered: the files that the page saves, and what they say together."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import binomtest

from textsr.errors import TextsrError
from textsr.files import read_json

CONFIDENCE = 0.95
"""Of the intervals."""

_REMEDY = "name files that the page of `make preference` saved, as it saved them"


class JudgedModel(BaseModel):
    """The model that was judged, at which weight of its output against bicubic's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    weights_sha256: str
    blend: float

    def __str__(self) -> str:
        """Name it as pages do."""
        return f"{self.name} ({self.weights_sha256[:8]}) at blend {self.blend:g}"


class Answer(BaseModel):
    """What one person said of one pair."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pair: str
    """Its key."""
    set: str
    name: str
    a: Literal["bicubic", "model"]
    """Whose picture was shown as A; the other's was B."""
    better: Literal["a", "b", "equal"]
    seconds: Annotated[float, Field(ge=0)]

    @property
    def vote(self) -> int:
        """Return 1 for the model, -1 for bicubic, 0 for neither."""
        if self.better == "equal":
            return 0
        return 1 if (self.better == "a") == (self.a == "model") else -1


class Judgement(BaseModel):
    """A file that the page saved: one person's answers to all pairs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    judgement: str
    """Drawn anew each time a page is judged."""
    judge: str
    finished: str
    seed: int
    model: JudgedModel
    answers: Annotated[list[Answer], Field(min_length=1)]


class Tally(NamedTuple):
    """How often each was preferred."""

    model: int
    bicubic: int
    equal: int

    def __str__(self) -> str:
        """Return the model's share of what was decided, with its Wilson (1927) interval."""
        decided = self.model + self.bicubic
        if not decided:
            return "nothing was decided"
        share = self.model / decided
        low, high = binomtest(self.model, decided).proportion_ci(CONFIDENCE, method="wilson")
        return f"{share:.0%} [{low:.0%}, {high:.0%}] of {decided}"


def read_judgements(paths: Sequence[Path]) -> list[Judgement]:
    """Read files that the page saved.

    Raises:
        TextsrError: if one cannot be read or is no such file, one was given twice, or they are not
            of one model at one blend.
    """
    found: dict[str, tuple[Path, Judgement]] = {}
    for path in paths:
        if not path.is_file():
            raise TextsrError(f"{path}: no such file; {_REMEDY}")
        judgement = Judgement.model_validate(read_json(path, Judgement, _REMEDY))
        if judgement.judgement in found:
            raise TextsrError(
                f"{path}: the same judgement as {found[judgement.judgement][0]}; name each once"
            )
        found[judgement.judgement] = path, judgement
    (first, of_first), *others = found.values()
    for path, judgement in others:
        if judgement.model != of_first.model:
            raise TextsrError(
                f"{path}: of {judgement.model}, and {first} is of {of_first.model}; "
                "count the files of each by themselves"
            )
    return [judgement for _, judgement in found.values()]


def render_count(judgements: Sequence[Judgement]) -> str:
    """Render what people preferred as Markdown: each of them, each set, and all together.

    Together, a pair counts once: for whom more of its judges were. Several people who judge the
    same pair agree more often than chance, so that their answers are not so many observations.
    """
    answers = [answer for judgement in judgements for answer in judgement.answers]
    by_set: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_set[answer.set].append(answer)
    people = {
        f"{number}. {judgement.judge or 'unnamed'}": judgement.answers
        for number, judgement in enumerate(judgements, start=1)
    }
    return (
        f"{judgements[0].model} and bicubic, judged by {len(judgements)}\n\n"
        + _table("judge", people)
        + "\n"
        + _table("pairs", {**by_set, "all": answers})
        + "\nA pair counts for whom more of its judges were. Shares are the model's, of the pairs "
        f"that were decided, with {CONFIDENCE:.0%} Wilson intervals.\n"
    )


def _table(heading: str, rows: Mapping[str, Iterable[Answer]]) -> str:
    lines = [
        f"| {heading} | model | bicubic | no difference | share |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, answers in rows.items():
        tally = count_pairs(answers)
        counts = f"{tally.model} | {tally.bicubic} | {tally.equal}"
        lines.append(f"| {name} | {counts} | {tally} |")
    return "\n".join(lines) + "\n"


def count_pairs(answers: Iterable[Answer]) -> Tally:
    """Count pairs by the majority of their answers; where that is even, there is no difference."""
    votes: dict[str, int] = defaultdict(int)
    for answer in answers:
        votes[answer.pair] += answer.vote
    model = sum(vote > 0 for vote in votes.values())
    bicubic = sum(vote < 0 for vote in votes.values())
    return Tally(model, bicubic, len(votes) - model - bicubic)
