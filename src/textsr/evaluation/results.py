"""The shapes of what evaluations leave as JSON, as far as later stages rely on them."""

from typing import Any

from pydantic import BaseModel


class Chosen(BaseModel):
    """The blend for any reader, and how it is read on val."""

    weight: float
    engines: dict[str, dict[str, float]] = {}


class Validation(BaseModel):
    """What the OCR engines and the measures of looks made of the blends."""

    chosen: Chosen
    blends: dict[str, float] = {}
    """By reader."""
    as_shipped: bool = False
    """Whether these are those that the weights come with, and not chosen here."""
    blends_on_val: dict[str, float] = {}
    """By reader, as chosen here."""


class Metrics(BaseModel):
    """`metrics.json`."""

    validation: Validation
    paper: list[dict[str, Any]] = []
    """By weight of the network's output; see `paper.measure_blends`."""
    sets: dict[str, dict[str, Any]]
    slices: list[dict[str, Any]] = []
    """Of the test split, see `score_slices`."""


class Speed(BaseModel):
    """`speed.json`."""

    ms_per_line: float
    lines_per_second: float


class Leaderboard(BaseModel):
    """`leaderboard.json`."""

    winner: str
