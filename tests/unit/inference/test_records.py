from collections.abc import Callable
from pathlib import Path

import pytest
from stand_in_networks import Bicubic

from textsr.inference.batch import upscale_jobs
from textsr.inference.planning import Job, Plan, plan_jobs
from textsr.inference.records import NAME, Records, made_by
from textsr.inference.torch_backend import TorchBackend

MakeImage = Callable[..., Path]

pytestmark = pytest.mark.filterwarnings("ignore:text outside", "ignore:large text")


@pytest.fixture
def plan(tmp_path: Path, make_image: MakeImage) -> Plan:
    for name in ("in/a.png", "in/sub/b.png", "in/cafe.png"):
        make_image(name)
    (tmp_path / "in/cafe.png").rename(tmp_path / "in/caf\udce9.png")  # no UTF-8
    return plan_jobs([tmp_path / "in"], tmp_path / "out", compare=True)


def upscale(plan: Plan, jobs: list[Job] | None = None, by: str = "model 1") -> Records:
    records = Records(plan.folder, by)
    jobs = plan.jobs if jobs is None else jobs
    with records.noting(jobs):
        upscale_jobs(TorchBackend(Bicubic(2)), jobs, records=records)
    return Records(plan.folder, by)


def current(plan: Plan, by: str = "model 1") -> list[bool]:
    records = Records(plan.folder, by)
    return [records.is_current(job) for job in plan.jobs]


def test_results_are_up_to_date_once_they_are_made(plan: Plan) -> None:
    assert current(plan) == [False] * 3
    upscale(plan)
    assert current(plan) == [True] * 3
    assert current(plan, "model 2") == [False] * 3
    assert len((plan.folder / NAME).read_bytes().splitlines()) == 3


@pytest.mark.parametrize("kind", ["source", "result"])
def test_what_has_been_changed_is_not_up_to_date(plan: Plan, kind: str) -> None:
    upscale(plan)
    path: Path = getattr(plan.jobs[0], kind)
    before = path.read_bytes()
    path.write_bytes(before + b"\0")
    assert current(plan) == [False, True, True]
    path.write_bytes(before)  # whatever its time is
    assert current(plan) == [True] * 3


@pytest.mark.parametrize("kind", ["source", "result", "comparison"])
def test_what_is_gone_is_not_up_to_date(plan: Plan, kind: str) -> None:
    upscale(plan)
    getattr(plan.jobs[1], kind).unlink()
    assert current(plan) == [True, False, True]


def test_a_batch_that_goes_on_keeps_what_was_noted(plan: Plan) -> None:
    upscale(plan, plan.jobs[:1])
    upscale(plan, plan.jobs[1:])
    assert current(plan) == [True] * 3


def test_what_was_cut_off_is_made_anew(plan: Plan) -> None:
    upscale(plan)
    path = plan.folder / NAME
    path.write_bytes(path.read_bytes()[:-20])
    assert sum(current(plan)) == 2
    with Records(plan.folder, "model 1").noting(plan.jobs):
        pass  # killed before the first result was written
    assert current(plan) == [False] * 3


def test_a_failed_image_has_no_record(plan: Plan) -> None:
    plan.jobs[0].source.write_bytes(b"no image")
    with pytest.raises(Exception, match="1 of 3 images"):
        upscale(plan)
    assert current(plan) == [False, True, True]


def test_models_and_options_are_told_apart(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.json").write_text("{}")
    one = made_by(model, {"scale": 2, "reader": None})
    assert made_by(model, {"reader": None, "scale": 2}) == one
    assert made_by(model, {"scale": 3, "reader": None}) != one
    (model / "model.json").write_text("{ }")
    assert made_by(model, {"scale": 2, "reader": None}) != one
