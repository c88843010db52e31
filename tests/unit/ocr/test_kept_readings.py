"""Readings that are kept: the same as without, from several processes, and from a broken file."""

import os
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import LineReader

from textsr.config import project
from textsr.images.grey import Image
from textsr.ocr import engines, readings
from textsr.ocr.engine import EngineEntry
from textsr.ocr.kept_engine import KeptEngine
from textsr.ocr.readings import Readings


class Counting(LineReader):
    """Reads an image's shape and first pixel, and counts what it was shown."""

    def __init__(self, name: str = "counting", version: str = "1") -> None:
        self.name, self.version = name, version
        self.shown = 0

    def read(self, lines: Sequence[Image]) -> list[str]:
        self.shown += len(lines)
        return [f"{self.name} {self.version} \N{EURO SIGN}: {x.shape} {x[0, 0]}" for x in lines]

    def confidence(self, lines: Sequence[Image]) -> list[float]:
        self.shown += len(lines)
        return [float(line[0, 0]) / 7 for line in lines]


def line(grey: int, height: int = 2, width: int = 3) -> Image:
    return np.full((height, width), grey, np.uint8)


shapes = st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(1, 3))
calls = st.lists(
    st.tuples(
        st.sampled_from(["read", "confidence"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["1", "2"]),
        st.lists(shapes, max_size=6),
    ),
    max_size=8,
)


@settings(max_examples=15, deadline=None)
@given(calls)
def test_results_are_the_same_with_and_without(
    tmp_path_factory: pytest.TempPathFactory,
    calls: list[tuple[str, str, str, list[tuple[int, int, int]]]],
) -> None:
    store = Readings(tmp_path_factory.mktemp("kept") / "readings.sqlite")
    known = set()
    for what, name, version, shown in calls:
        engine = Counting(name, version)
        lines = [line(*shape) for shape in shown]
        expected = getattr(Counting(name, version), what)(lines)
        assert getattr(KeptEngine(engine, store), what)(lines) == expected
        new = {(what, name, version, shape) for shape in shown} - known
        assert engine.shown == len(new)  # neither twice in a call, nor in a later one
        known |= new


def test_another_code_of_an_engine_reads_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it calls itself by the same name and version."""
    store = Readings(tmp_path / "readings.sqlite")
    monkeypatch.syspath_prepend(str(tmp_path))
    for text in ("before", "after"):
        (tmp_path / f"saying_{text}.py").write_text(
            "from reading import LineReader\n\n"
            "class Saying(LineReader):\n"
            "    def read_line(self, line):\n"
            f"        return {text!r}\n"
        )
        engine = import_module(f"saying_{text}").Saying()
        assert KeptEngine(engine, store).read([line(1)]) == [text]


def damage_header(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def change_a_text(path: Path) -> None:
    content = path.read_bytes()
    assert content.count(b"(2, 3) 9") == 1
    path.write_bytes(content.replace(b"(2, 3) 9", b"(2, 3) 8"))


def make_another_table(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE readings (other)")
    database.close()


@pytest.mark.parametrize("harm", [damage_header, cut_off, change_a_text, make_another_table])
def test_a_damaged_file_is_removed_with_a_word_and_gives_no_wrong_reading(
    tmp_path: Path, harm: object
) -> None:
    path = tmp_path / "readings.sqlite"
    lines = [line(9), *(line(grey, 5, 5) for grey in range(100))]
    expected = Counting().read(lines)
    KeptEngine(Counting(), Readings(path)).read(lines)
    harm(path)
    with pytest.warns(UserWarning, match=r"readings\.sqlite: damaged .*removed; .*read anew"):
        assert KeptEngine(Counting(), Readings(path)).read(lines) == expected
    engine = Counting()
    KeptEngine(engine, Readings(path)).read(lines)  # the new file is whole
    KeptEngine(engine, Readings(path)).read(lines)
    assert engine.shown <= len(lines)


def test_a_file_that_cannot_be_used_is_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "readings.sqlite").mkdir()
    kept = KeptEngine(Counting(), Readings(tmp_path / "readings.sqlite"))
    with pytest.warns(UserWarning, match="cannot be used"):
        assert kept.read([line(1)]) == Counting().read([line(1)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kept.confidence([line(1)]) == Counting().confidence([line(1)])
    (tmp_path / "file").touch()
    below = KeptEngine(Counting(), Readings(tmp_path / "file" / "readings.sqlite"))
    with pytest.warns(UserWarning, match="cannot be used"):
        assert below.read([line(1)]) == Counting().read([line(1)])


def test_the_oldest_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "MOST", 10)
    store = Readings(tmp_path / "readings.sqlite")
    for grey in range(25):
        KeptEngine(Counting(), store).read([line(grey)])
    engine = Counting()
    KeptEngine(engine, store).read([line(grey) for grey in range(15, 25)])
    assert engine.shown == 0
    KeptEngine(engine, store).read([line(14)])
    assert engine.shown == 1


def share(path: Path, number: int) -> None:
    """Read lines that others read, too, and lines of one's own."""
    warnings.simplefilter("error")
    kept = KeptEngine(Counting(), Readings(path))
    for grey in range(60):
        lines = [line(grey), line(number, 5, grey + 1)]
        assert kept.read(lines) == Counting().read(lines)


def test_processes_share_a_file(tmp_path: Path) -> None:
    """Each writes what the others write, too; none is refused, and nothing is lost."""
    path = tmp_path / "readings.sqlite"
    # Not forked: a copy of this process would have what other tests left in it.
    program = (
        f"import sys, pathlib, {__name__} as test; test.share(pathlib.Path(sys.argv[1]), {{}})"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program.format(number), str(path)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for process in started:
        _, said = process.communicate()
        assert process.returncode == 0, said
    engine = Counting()
    kept = KeptEngine(engine, Readings(path))
    kept.read([line(grey) for grey in range(60)])
    kept.read([line(number, 5, width + 1) for number in range(3) for width in range(60)])
    assert engine.shown == 0


def test_engines_of_a_project_keep_what_they_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Counting()
    entry = EngineEntry("Counting", lambda threads: engine)
    monkeypatch.setattr(engines, "BUILT_IN", {"counting": entry})
    copy = tmp_path / ".dvc/tmp/exps/copy"
    for root in (tmp_path, copy):
        root.mkdir(parents=True, exist_ok=True)
        for name in ("dvc.yaml", "params.yaml"):
            (root / name).touch()

    def read(folder: Path) -> int:
        monkeypatch.chdir(folder)
        before = engine.shown
        engines.first_engine().read([line(1)])
        return engine.shown - before

    assert read(copy) == read(copy) == 1  # tests keep nothing
    monkeypatch.delenv(engines.KEPT_IN)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert read(copy) == 1
    monkeypatch.delenv("DVC_ROOT")
    assert read(tmp_path) == 0
    assert [path.name for path in tmp_path.rglob("*.sqlite")] == [project.READINGS.name]
    assert (tmp_path / project.READINGS).is_file()
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    assert read(outside) == read(outside) == 1  # no project
