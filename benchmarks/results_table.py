"""The table of results: what it is made of, and how pages show it.

Its numbers are kept in a file. Pages hold what is rendered of them between two marks.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict

from textsr.errors import TextsrError
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
        blend: the model's weight for that engine.
        bicubic: from bicubic interpolation's output.
        peer: from that of the peer whose lines it reads best; None where none was run.
        peer_name: that peer.
        model: from the model's output at that weight.
        hr: from the true images; None where they are not known.
        gain: model - bicubic, line by line.
        gain_over_peer: likewise.
        gap_closed: (model - bicubic) / (HR - bicubic); None where that says nothing.
        for_any: from the model's output at the weight for any reader; None where it is the same.
        gain_for_any: that - bicubic, line by line.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: str
    blend: float
    bicubic: Share
    peer: Share | None
    peer_name: str | None
    model: Share
    hr: Share | None
    gain: Share
    gain_over_peer: Share | None
    gap_closed: Share | None
    for_any: Share | None
    gain_for_any: Share | None


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
    """For any reader."""
    engines: dict[str, str]
    """What each was when it read, by its name as people write it."""
    peers: list[str]
    confidence: float
    sets: list[SetResult]


class ScoredSet(NamedTuple):
    """A set of lines, and what was read of it.

    Attributes:
        name: the set's.
        kind: of its lines.
        tables: scores (`score.score_set`) by method; `HR` and peers may be missing. `MODEL` is at
            the weight for any reader.
        own: by OCR engine, its scores of the model at the weight for that engine, where that is
            another.
    """

    name: str
    kind: Kind
    tables: Mapping[str, pd.DataFrame]
    own: Mapping[str, pd.DataFrame]


class Judge(NamedTuple):
    """An OCR engine's name as people write it, and the model's weight for it."""

    title: str
    blend: float


def collect(scored: ScoredSet, judges: Mapping[str, Judge], bootstrap: Bootstrap) -> SetResult:
    """Work out what the table shows of a set.

    Args:
        scored: the scores.
        judges: the OCR engines by name.
        bootstrap: how intervals are computed.
    """
    readings = [
        _collect_reading(scored, engine, judge, bootstrap) for engine, judge in judges.items()
    ]
    lines = len(scored.tables[MODEL])
    return SetResult(name=scored.name, kind=scored.kind, lines=lines, readings=readings)


def _collect_reading(scored: ScoredSet, engine: str, judge: Judge, bootstrap: Bootstrap) -> Reading:
    for_any, bicubic, hr = (scored.tables.get(method) for method in (MODEL, BICUBIC, HR))
    assert for_any is not None
    assert bicubic is not None
    model = scored.own.get(engine, for_any)
    peers = {
        name: table for name, table in scored.tables.items() if name not in (BICUBIC, MODEL, HR)
    }

    def accuracy(table: pd.DataFrame) -> Share:
        return Share.of(bootstrap.mean(table[f"{engine}_exact"].astype(float).tolist()))

    def gain(table: pd.DataFrame, other: pd.DataFrame) -> Share:
        return Share.of(compare_methods(table, other, bootstrap)[engine])

    best = max(peers, key=lambda name: accuracy(peers[name]).value, default=None)
    closed = None if hr is None else gaps_closed(model, bicubic, hr, bootstrap)[engine]
    return Reading(
        engine=judge.title,
        blend=judge.blend,
        bicubic=accuracy(bicubic),
        peer=None if best is None else accuracy(peers[best]),
        peer_name=best,
        model=accuracy(model),
        hr=None if hr is None else accuracy(hr),
        gain=gain(model, bicubic),
        gain_over_peer=None if best is None else gain(model, peers[best]),
        gap_closed=None if closed is None else Share.of(closed),
        for_any=accuracy(for_any) if engine in scored.own else None,
        gain_for_any=gain(for_any, bicubic) if engine in scored.own else None,
    )


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
        in_full: also what the model gains over the best peer, the gap closed, what the weight for
            any reader does, and which OCR engines read.
    """
    readings = [reading for found in results.sets for reading in found.readings]
    with_own = any(reading.for_any for reading in readings)
    rows = []
    for found in results.sets:
        name = f"{found.lines} {found.name.replace('_', ' ')}, {_KINDS[found.kind]}"
        for reading in found.readings:
            row = {"lines": name, "read by": reading.engine, "bicubic": _share(reading.bicubic)}
            if results.peers:
                row["best peer"] = f"{_share(reading.peer)} {reading.peer_name or ''}".strip()
            row["textsr"] = _share(reading.model)
            row["HR"] = _share(reading.hr)
            row["textsr - bicubic"] = _points(reading.gain)
            if in_full:
                row |= _further_cells(reading, with_peers=bool(results.peers), with_own=with_own)
            rows.append(row)
            name = ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    text = f"{table}\n{_legend(results)}\n"
    if in_full:
        text += "".join(f"\n- {title}: {version}" for title, version in results.engines.items())
        text += "\n"
    return text


def _further_cells(reading: Reading, *, with_peers: bool, with_own: bool) -> dict[str, str]:
    """Return a row's further numbers by their headings."""
    cells = {}
    if with_peers:
        cells["textsr - best peer"] = _points(reading.gain_over_peer)
    cells["gap closed"] = _share(reading.gap_closed)
    if with_own:
        cells["textsr for any"] = _share(reading.for_any or reading.model)
        cells["for any - bicubic"] = _points(reading.gain_for_any or reading.gain)
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
    blends = {reading.engine: reading.blend for reading in results.sets[0].readings}
    said = f"textsr is {results.model} at blend {results.blend:g}"
    if set(blends.values()) != {results.blend}:
        own = ", ".join(f"{title} {blend:g}" for title, blend in blends.items())
        said = f"textsr is {results.model} at its blend for each (`--for`): {own}"
    peers = f" Peers: {', '.join(results.peers)}." if results.peers else ""
    return (
        "Percent of lines that are read exactly (lower-cased letters and digits), differences in "
        f"points, line by line,\nwith {results.confidence:.0%} bootstrap intervals; bold where "
        f"that excludes zero. {said}.{peers}"
    )


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
