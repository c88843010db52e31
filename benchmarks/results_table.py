"""The table of results: what it is made of, and how pages show it.

Its numbers are kept in a file. Pages hold what is rendered of them between two marks.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict

from textsr.errors import TextsrError
from textsr.evaluation.score import engine_names
from textsr.evaluation.statistics import Bootstrap, Estimate
from textsr.evaluation.summary import compare_methods, gaps_closed
from textsr.files import read_json, read_text, write_text

BICUBIC, MODEL, HR = "bicubic", "textsr", "hr"
"""Methods; all others are peers."""

FILE = Path("docs/results.json")
README, PAGE = Path("README.md"), Path("docs/reference/results.md")

BEGIN, END = "<!-- results: `make results` writes this -->", "<!-- end of results -->"

Kind = Literal["fresh", "hr", "lr"]

_KINDS = {"fresh": "synthetic", "hr": "degraded", "lr": "as they are"}
_DIGITS = 4  # of shares, in the file
_REMEDY = "make it anew with `make results`"


class Share(BaseModel):
    """A share, or a difference of two, with its interval."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, estimate: Estimate) -> "Share":
        """Round an estimate to what the file holds."""
        return cls(
            value=round(estimate.value, _DIGITS),
            low=round(estimate.low, _DIGITS),
            high=round(estimate.high, _DIGITS),
        )


class Reading(BaseModel):
    """What one OCR engine reads exactly of one set, by each method.

    Attributes:
        engine: as people write its name.
        bicubic: from bicubic interpolation's output.
        peer: from that of the peer whose lines it reads best; None where none was run.
        peer_name: that peer.
        model: from the model's output.
        hr: from the true images; None where they are not known.
        gain: model - bicubic, line by line.
        gain_over_peer: likewise.
        gap_closed: (model - bicubic) / (HR - bicubic); None where that says nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: str
    bicubic: Share
    peer: Share | None
    peer_name: str | None
    model: Share
    hr: Share | None
    gain: Share
    gain_over_peer: Share | None
    gap_closed: Share | None


class SetResult(BaseModel):
    """What is read of one set of lines."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: Kind
    lines: int
    readings: list[Reading]


class Results(BaseModel):
    """The content of `FILE`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    blend: float
    peers: list[str]
    confidence: float
    sets: list[SetResult]


class ScoredSet(NamedTuple):
    """A set of lines, and a table of scores (`score.score_set`) by method."""

    name: str
    kind: Kind
    tables: Mapping[str, pd.DataFrame]


def collect(scored: ScoredSet, titles: Mapping[str, str], bootstrap: Bootstrap) -> SetResult:
    """Work out what the table shows of a set.

    Args:
        scored: the scores; `HR` and peers may be missing.
        titles: how people write the OCR engines' names.
        bootstrap: how intervals are computed.
    """
    tables = scored.tables
    model, bicubic, hr = tables[MODEL], tables[BICUBIC], tables.get(HR)
    gains = compare_methods(model, bicubic, bootstrap)
    closed = gaps_closed(model, bicubic, hr, bootstrap) if hr is not None else {}
    readings = []
    for engine in engine_names(model):
        read = {method: _accuracy(table, engine, bootstrap) for method, table in tables.items()}
        peers = [method for method in tables if method not in (BICUBIC, MODEL, HR)]
        best = max(peers, key=lambda peer: read[peer].value, default=None)
        over_best = compare_methods(model, tables[best], bootstrap)[engine] if best else None
        gap = closed.get(engine)
        readings.append(
            Reading(
                engine=titles[engine],
                bicubic=read[BICUBIC],
                peer=read[best] if best else None,
                peer_name=best,
                model=read[MODEL],
                hr=read.get(HR),
                gain=Share.of(gains[engine]),
                gain_over_peer=over_best and Share.of(over_best),
                gap_closed=gap and Share.of(gap),
            )
        )
    return SetResult(name=scored.name, kind=scored.kind, lines=len(model), readings=readings)


def _accuracy(table: pd.DataFrame, engine: str, bootstrap: Bootstrap) -> Share:
    return Share.of(bootstrap.mean(table[f"{engine}_exact"].astype(float).tolist()))


def read_results(path: Path) -> Results:
    """Read `FILE`.

    Raises:
        TextsrError: if it is missing or damaged.
    """
    if not path.is_file():
        raise TextsrError(f"{path}: no such file; {_REMEDY}")
    return Results.model_validate(read_json(path, Results, _REMEDY))


def render_results(results: Results, *, in_full: bool) -> str:
    """Render the table as Markdown, and what it says under it.

    Args:
        results: the numbers.
        in_full: also what the model gains over the best peer, and the gap closed.
    """
    rows = []
    for found in results.sets:
        name = f"{found.lines} {found.name.replace('_', ' ')}, {_KINDS[found.kind]}"
        for reading in found.readings:
            cells = _cells(reading, with_peers=bool(results.peers), in_full=in_full)
            rows.append({"lines": name, "read by": reading.engine, **cells})
            name = ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{table}\n{_legend(results)}\n"


def _cells(reading: Reading, *, with_peers: bool, in_full: bool) -> dict[str, str]:
    """Return a row's numbers by their headings."""
    cells = {"bicubic": _share(reading.bicubic)}
    if with_peers:
        cells["best peer"] = f"{_share(reading.peer)} {reading.peer_name or ''}".strip()
    cells["textsr"] = _share(reading.model)
    cells["HR"] = _share(reading.hr)
    cells["textsr - bicubic"] = _points(reading.gain)
    if in_full and with_peers:
        cells["textsr - best peer"] = _points(reading.gain_over_peer)
    if in_full:
        cells["gap closed"] = _share(reading.gap_closed)
    return cells


def _share(share: Share | None) -> str:
    return "" if share is None else _write(share, ".1f")


def _points(difference: Share | None) -> str:
    """Write a difference in points; bold where its interval excludes zero."""
    if difference is None:
        return ""
    text = _write(difference, "+.1f")
    return f"**{text}**" if difference.low > 0 or difference.high < 0 else text


def _write(share: Share, form: str) -> str:
    value, low, high = (100 * number for number in (share.value, share.low, share.high))
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def _legend(results: Results) -> str:
    peers = f"Peers: {', '.join(results.peers)}." if results.peers else ""
    return (
        "Percent of lines that are read exactly (lower-cased letters and digits), differences in "
        f"points, line by line,\nwith {results.confidence:.0%} bootstrap intervals; bold where "
        f"that excludes zero. textsr is {results.model} at blend {results.blend:g}. {peers}"
    ).rstrip()


def write_pages(results: Results, root: Path) -> None:
    """Write the table into README and its page.

    Raises:
        TextsrError: if a page lacks the marks.
    """
    for path, text in render_pages(results, root).items():
        write_text(path, text)


def render_pages(results: Results, root: Path) -> dict[Path, str]:
    """Return what README and the table's page hold with these results.

    Raises:
        TextsrError: if a page lacks the marks.
    """
    pages = {}
    for path, in_full in ((root / README, False), (root / PAGE, True)):
        before, begin, rest = read_text(path).partition(BEGIN)
        _, end, after = rest.partition(END)
        if not (begin and end):
            raise TextsrError(f"{path}: put the lines {BEGIN} and {END} where the table belongs")
        table = render_results(results, in_full=in_full)
        pages[path] = f"{before}{begin}\n\n{table}\n{end}{after}"
    return pages
