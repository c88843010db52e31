"""The shapes of what evaluations leave as JSON, as far as later stages rely on them."""

from typing import Any

from pydantic import BaseModel


class Chosen(BaseModel):
    """The blend that was chosen on val for any reader."""

    weight: float
    engines: dict[str, dict[str, float]] = {}


class Validation(BaseModel):
    """What the OCR engines and the measures of looks made of the blends."""

    chosen: Chosen
    blends: dict[str, float] = {}
    """By reader."""


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
