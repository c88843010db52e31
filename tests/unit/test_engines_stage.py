"""The stage `engines`: what reads runs again where other engines are, and only there."""

import json
from pathlib import Path

import pytest
import yaml
from reading import LineReader

from textsr.config import project
from textsr.config.params import Params
from textsr.stages import engines as stage

ROOT = Path(__file__).parents[2]
READS = {"validate": "first", "baselines": "all", "evaluate": "all"}


def reader(name: str, version: str = "1") -> LineReader:
    engine = LineReader()
    engine.name, engine.version = name, version
    return engine


class Written:
    """What the stage writes on a machine with some engines."""

    def __init__(self, params: Params, patch: pytest.MonkeyPatch) -> None:
        self._params, self._patch = params, patch

    def __call__(self, *engines: LineReader) -> dict[str, bytes]:
        self._patch.setattr(stage, "available_engines", lambda threads: list(engines))
        stage.engines(self._params)
        return {path.stem: path.read_bytes() for path in project.ENGINES.iterdir()}


@pytest.fixture
def written(tiny_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    monkeypatch.chdir(tmp_path)
    return Written(tiny_params, monkeypatch)


def test_it_names_all_engines_and_the_first(written: Written) -> None:
    found = written(reader("rapidocr"), reader("tesseract", "5.3"))
    assert json.loads(found["all"]) == {"rapidocr": "1", "tesseract": "5.3"}
    assert json.loads(found["first"]) == {"rapidocr": "1"}


def test_the_same_engines_give_the_same_bytes(written: Written) -> None:
    assert written(reader("rapidocr")) == written(reader("rapidocr"))


@pytest.mark.parametrize("second", [[], [reader("tesseract", "5.4")]])
def test_a_second_engine_gone_or_changed_leaves_what_the_first_reads(
    written: Written, second: list[LineReader]
) -> None:
    before = written(reader("rapidocr"), reader("tesseract", "5.3"))
    after = written(reader("rapidocr"), *second)
    assert after["all"] != before["all"]
    assert after["first"] == before["first"]


def test_dvc_asks_each_time_and_what_reads_depends_on_the_answer() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert stages["engines"]["always_changed"]
    found = {}
    for name, entry in stages.items():
        for dep in entry.get("do", entry)["deps"]:
            if dep.startswith(project.ENGINES.as_posix()):
                found[name] = Path(dep).stem
    assert found == READS
