"""Training in processes: killed and resumed to the same bits, and two that train as one does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from textsr.config.params import Params
from textsr.training.curves import read_curves

SCRIPT = """
import sys
from pathlib import Path
from textsr.models.package import ModelSpec, build_network
from textsr.config.params import Params
from textsr.training.run import plan_training, run_training

params = Params.model_validate_json(Path("params.json").read_text())
run = plan_training("scratch", params, Path(sys.argv[1]), None, Path("encoders"))
trained = run_training(run, Path("model"), lambda metrics, step: print("at", step, flush=True))
print("done", flush=True)
"""
KEEP = """
from textsr.training.curves import write_curves
from textsr.training.fitting import is_rank_zero
if is_rank_zero():
    write_curves(Path("curves.csv"), trained.curves)
"""


def longer(params: Params) -> Params:
    training = params.training.model_copy(update={"steps": 40, "checkpoint_every_steps": 4})
    return params.model_copy(update={"training": training})


def start(folder: Path, dataset: Path, params: Params) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    (folder / "params.json").write_text(params.model_dump_json())
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(dataset)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_killed_training_resumes_to_the_same_bits(
    tiny_params: Params, dataset: Path, tmp_path: Path
) -> None:
    params = longer(tiny_params)
    unbroken = start(tmp_path / "unbroken", dataset, params)
    said, _ = unbroken.communicate()
    assert unbroken.returncode == 0, said

    killed = start(tmp_path / "killed", dataset, params)
    assert killed.stdout is not None
    for line in killed.stdout:
        if line.startswith("at 12"):
            break
    os.kill(killed.pid, signal.SIGKILL)
    rest, _ = killed.communicate()
    assert "done" not in rest
    assert not (tmp_path / "killed" / "model").exists()

    resumed = start(tmp_path / "killed", dataset, params)
    said, _ = resumed.communicate()
    assert resumed.returncode == 0, said
    steps = [line for line in said.splitlines() if line.startswith("at ")]
    assert steps[0] != "at 4"  # it did not start anew
    assert steps[-1] == "at 40"
    weights = [tmp_path / name / "model/weights.safetensors" for name in ("unbroken", "killed")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [[], ["-m", "torch.distributed.run", "--nproc-per-node=2"]])
def test_two_processes_train_as_one_does(
    tiny_params: Params, dataset: Path, tmp_path: Path, launcher: list[str]
) -> None:
    params = longer(tiny_params)
    params = params.model_copy(
        update={"compute": params.compute.model_copy(update={"precision": "32", "threads": 1})}
    )
    curves, weights = [], []
    for devices in (1, 2):
        compute = params.compute.model_copy(update={"devices": devices})
        folder = tmp_path / str(devices)
        folder.mkdir()
        (folder / "params.json").write_text(
            params.model_copy(update={"compute": compute}).model_dump_json()
        )
        (folder / "train.py").write_text(SCRIPT + KEEP)
        run = subprocess.run(
            [sys.executable, *(launcher if devices == 2 else []), "train.py", str(dataset)],
            cwd=folder,
            env=os.environ | {"GLOO_SOCKET_IFNAME": "lo"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        # The second process helps and reports nothing.
        assert [line for line in run.stdout.splitlines() if line == "at 4"] == ["at 4"]
        curves.append(read_curves(folder / "curves.csv"))
        weights.append(load_file(folder / "model/weights.safetensors"))
    # Equal up to the order in which 32-bit numbers are added: relative 1e-7 a sum, which 40 steps
    # of Adam, whose first ones are of one size however small the gradient, make larger.
    for one, two in zip(*curves, strict=True):
        assert two == pytest.approx(one, rel=1e-3)
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-2, atol=1e-4)
