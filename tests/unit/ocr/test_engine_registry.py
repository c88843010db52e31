"""Which engines there are: our own, and those that other packages bring."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from reading import LineReader

from textsr.errors import TextsrError
from textsr.ocr import engines
from textsr.ocr.engine import EngineEntry
from textsr.ocr.engines import BUILT_IN, available_engines, first_engine, known_engines

MODULE = '''
from textsr.ocr.engine import EngineEntry

class Shouting:
    """Reads the same in every line."""

    name, title, version = "shouting", "Shouting", "shouting 1.0"

    def read(self, lines):
        return ["HELLO"] * len(lines)

    def confidence(self, lines):
        return [1.0] * len(lines)

ENGINE = EngineEntry("Shouting", lambda threads: Shouting())
ABSENT = EngineEntry("Absent", lambda threads: None)
'''

Install = Callable[[dict[str, str]], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package `shouting-ocr`, whose entry points a test names."""

    def install(points: dict[str, str]) -> None:
        about = tmp_path / "shouting_ocr-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting-ocr\nVersion: 1.0\n")
        lines = "".join(f"{name} = {value}\n" for name, value in points.items())
        (about / "entry_points.txt").write_text(f"[{engines.GROUP}]\n{lines}")
        (tmp_path / "shouting_ocr.py").write_text(MODULE)
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {name: EngineEntry(name, lambda threads: None) for name in BUILT_IN}
    monkeypatch.setattr(engines, "BUILT_IN", absent)


def test_an_engine_of_another_package_takes_part_after_ours(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = {"zebra": EngineEntry("Reader", lambda threads: LineReader())}
    monkeypatch.setattr(engines, "BUILT_IN", ours)
    install({"shouting": "shouting_ocr:ENGINE", "absent": "shouting_ocr:ABSENT"})
    assert list(known_engines()) == ["zebra", "absent", "shouting"]
    assert [engine.title for engine in available_engines(1)] == ["Reader", "Shouting"]
    assert available_engines(1)[1].read([np.zeros((1, 1), np.uint8)]) == ["HELLO"]
    assert first_engine(1).title == "Reader"


@pytest.mark.usefixtures("nothing_installed")
def test_engines_that_are_not_installed_are_left_out(install: Install) -> None:
    with pytest.raises(TextsrError, match=r"no OCR engine is installed; .*textsr\[ocr\]"):
        available_engines()
    with pytest.raises(TextsrError, match="no OCR engine is installed"):
        first_engine()
    install({"shouting": "shouting_ocr:ENGINE"})
    assert [engine.name for engine in available_engines()] == ["shouting"]
    assert first_engine().name == "shouting"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("rapidocr", "shouting_ocr:ENGINE", "the name is taken"),
        ("psnr_db", "shouting_ocr:ENGINE", "the name is taken"),
        ("Loud-OCR", "shouting_ocr:ENGINE", "not of lower-case letters"),
        ("shouting", "shouting_ocr:Shouting", "not a textsr.ocr.engine.EngineEntry"),
        ("shouting", "shouting_ocr:MISSING", "AttributeError"),
        ("shouting", "no_such_module:ENGINE", "ModuleNotFoundError"),
    ],
)
def test_a_broken_entry_is_refused_by_name_and_package(
    install: Install, name: str, value: str, why: str
) -> None:
    install({name: value})
    with pytest.raises(TextsrError) as refusal:
        available_engines(1)
    said = str(refusal.value)
    assert said.startswith(f"OCR engine {name} ({value}) of shouting-ocr: ")
    assert why in said
    assert said.endswith("mend or uninstall shouting-ocr")
