"""dvc.yaml: a stage declares the code that it runs, and models are those of params.yaml."""

import inspect
import subprocess
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from textsr.config import project
from textsr.config.closure import code_behind
from textsr.config.params import Params, parse_params

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "textsr"
DAG = yaml.safe_load((ROOT / "dvc.yaml").read_text())
STAGES = {name: stage.get("do", stage) for name, stage in DAG["stages"].items()}


def module_of(stage: str) -> str:
    """The module of `textsr.stages` that a stage runs: its verb's."""
    program, verb, *_ = STAGES[stage]["cmd"].split()
    assert program == "textsr"
    return f"textsr.stages.{verb.replace('-', '_')}"


@cache
def code_of(stage: str) -> frozenset[Path]:
    return frozenset(code_behind(module_of(stage)))


def declared_by(stage: str) -> list[Path]:
    return [ROOT / path for path in STAGES[stage]["deps"] if path.startswith("src/")]


def test_a_stage_is_a_function_of_its_name() -> None:
    """In its verb's module, which the verb imports."""
    for stage in STAGES:
        assert inspect.isfunction(getattr(import_module(module_of(stage)), stage, None)), stage


def test_every_module_of_stages_is_a_stages() -> None:
    modules = {f"textsr.stages.{path.stem}" for path in (PACKAGE / "stages").glob("[!_]*.py")}
    assert modules == {module_of(stage) for stage in STAGES}


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_runs_is_declared(stage: str) -> None:
    declared = declared_by(stage)
    missing = [
        path.relative_to(ROOT)
        for path in sorted(code_of(stage))
        if not any(path.is_relative_to(one) for one in declared)
    ]
    assert not missing, f"dvc.yaml: {stage}: deps lack {', '.join(map(str, missing))}"


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_declares_is_run(stage: str) -> None:
    """Else a change that cannot matter makes it run again; half of a room is enough to name it."""
    idle = []
    for path in declared_by(stage):
        assert path.exists(), path
        modules = [path] if path.suffix == ".py" else list(path.rglob("*.py"))
        if sum(module in code_of(stage) for module in modules) < len(modules) / 2:
            idle.append(path.relative_to(ROOT))
    assert not idle, f"dvc.yaml: {stage}: runs little or nothing of {', '.join(map(str, idle))}"


def test_stages_of_models_are_those_of_params() -> None:
    for stage in ("train", "evaluate"):
        assert DAG["stages"][stage]["foreach"] == "${models}"
        assert "${key}" in STAGES[stage]["cmd"]


@pytest.fixture(scope="session")
def params(raw_params: dict[str, Any]) -> Params:
    return parse_params(raw_params)


def test_what_models_start_from_is_made_by_a_stage_or_comes_with_the_package(
    params: Params,
) -> None:
    made = {
        path.replace("${item.method}", method)
        for stage in STAGES.values()
        for path in stage["outs"]
        if isinstance(path, str)
        for method in DAG["stages"]["pretrain"]["matrix"]["method"]
    }
    for name, model in params.models.items():
        assert model.start in made or (ROOT / model.start).is_dir(), name


def test_curves_that_are_plotted_are_those_of_the_models(params: Params) -> None:
    """DVC expands no list in `plots`."""
    [plotted] = [plot for title in DAG["plots"] for plot in title.values() if "PSNR" in str(title)]
    trained = [name for name, model in params.models.items() if model.steps != 0]
    assert list(plotted["y"]) == [str(project.MODELS / name / "curves.csv") for name in trained]


def test_all_of_reports_is_written_by_stages() -> None:
    """`tracking.lineage.SOURCES` leaves the folder out of what tells changed code."""
    outs = [
        out
        for stage in STAGES.values()
        for out in [*stage["outs"], *stage.get("metrics", [])]
        if isinstance(out, dict)
    ]
    listed = subprocess.run(
        ["git", "ls-files", project.REPORTS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(listed.stdout.splitlines()) == {path for out in outs for path in out}
