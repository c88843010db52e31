"""A training that diverges says so, and leaves its last good checkpoint."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from textsr.config.params import Params
from textsr.errors import TextsrError
from textsr.pretraining.run import run_pretraining
from textsr.training.divergence import DivergenceGuard
from textsr.training.fitting import fit
from textsr.training.recognizer import run_recognizer
from textsr.training.run import plan_training, run_training

RATE = 1e6
SCRIPT = """
import sys
from pathlib import Path
from textsr.errors import TextsrError
from textsr.config.params import Params
from textsr.training.run import plan_training, run_training

params = Params.model_validate_json(Path("params.json").read_text())
params.training.__dict__["learning_rate"] = 1e6
run = plan_training("scratch", params, Path(sys.argv[1]), None, Path("encoders"))
try:
    run_training(run, Path("model"), lambda metrics, step: None)
except TextsrError as error:
    print(error, flush=True)
    sys.exit(1)
"""


class Breaks(LightningModule):
    """One weight; at a step something about it is not finite."""

    def __init__(self, step: int | None = None, what: str = "loss") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("seen", torch.zeros(1))
        self.steps: list[int] = []
        self._step, self._what = step, what

    def training_step(self, batch: Tensor, batch_index: int) -> Tensor:
        self.steps.append(int(batch))
        broken = int(batch) + 1 == self._step
        loss = self.weight.sum()
        if broken and self._what == "loss":
            loss = loss + torch.inf
        if broken and self._what == "gradient":
            self.weight.register_hook(lambda gradient: gradient * torch.nan)
        if broken and self._what == "weight":
            self.seen.fill_(torch.inf)
        metric = torch.nan if broken and self._what == "metric" else 1.0
        self.log("metric", metric, on_step=False, on_epoch=True, batch_size=1)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def run(module: Breaks, folder: Path, ema: float | None = None) -> dict[str, Tensor]:
    return fit(
        module,
        torch.tensor,
        steps=8,
        checkpoint_every=3,
        checkpoints=folder,
        seed=0,
        section="models.srcnn_transposed",
        ema_decay=ema,
    )[0]


@pytest.mark.parametrize("ema", [None, 0.5])
@pytest.mark.parametrize("what", ["loss", "gradient", "metric", "weight"])
@pytest.mark.parametrize("step", [5, 6])
def test_it_stops_at_the_step_and_the_last_checkpoint_can_be_resumed(
    tmp_path: Path, what: str, step: int, ema: float | None
) -> None:
    with pytest.raises(TextsrError) as caught:
        run(Breaks(step, what), tmp_path / "broken", ema)
    said = str(caught.value)
    told = step if what in ("loss", "gradient") else 6  # the end of its chunk
    assert said.startswith(f"step {told} of 8: "), said
    assert f"checkpoint of step 3 is kept in {tmp_path}/broken/last.ckpt" in said
    assert "Lower models.srcnn_transposed.learning_rate" in said
    assert "\n" not in said
    resumed = Breaks()
    state = run(resumed, tmp_path / "broken", ema)
    assert resumed.steps == list(range(3, 8))
    unbroken = run(Breaks(), tmp_path / "unbroken", ema)
    assert torch.equal(state["weight"], unbroken["weight"])


def test_before_the_first_checkpoint_none_is_written(tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match=r"^step 3 of 8: the loss is inf.*No checkpoint had been"):
        run(Breaks(3), tmp_path)
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize(("scale", "stops"), [(4.0, False), (0.5, True)])
def test_gradients_too_large_for_16_bits_are_left_to_their_scaler(
    scale: float, stops: bool
) -> None:
    guard = DivergenceGuard("training", Path("last.ckpt"), is_rank_zero=True)
    plugin = SimpleNamespace(scaler=torch.amp.GradScaler("cpu", init_scale=scale))
    plugin.scaler.scale(torch.ones(1))  # it makes its scale when first asked
    trainer = SimpleNamespace(
        precision_plugin=plugin,
        precision="16-mixed",
        world_size=1,
        global_step=4,
        max_steps=9,
        callback_metrics={},
    )
    module = Breaks()
    module.weight.grad = torch.full((1,), torch.inf)
    guard.on_before_backward(trainer, module, torch.ones(()))
    guard.on_before_optimizer_step(trainer, module, None)
    if stops:
        with pytest.raises(TextsrError, match=r"step 5 of 9.*compute\.precision to 32"):
            guard.on_train_epoch_end(trainer, module)
    else:
        guard.on_train_epoch_end(trainer, module)


def diverging(params: Params) -> Params:
    """The params with a rate that no validation would let through."""
    changes = {"learning_rate": RATE}
    training = params.training.model_copy(update=changes)
    recognizer = params.recognizer.model_copy(update=changes | {"steps": 6})
    pretraining = params.pretraining.model_copy(update=changes | {"steps": 30})
    return params.model_copy(
        update={"training": training, "recognizer": recognizer, "pretraining": pretraining}
    )


@pytest.mark.parametrize("kind", ["training", "recognizer", "pretraining"])
def test_every_training_stops_and_writes_no_weights(
    tiny_params: Params,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    params = diverging(tiny_params)
    (tmp_path / "unlabelled").mkdir()

    def train() -> None:
        if kind == "training":
            plan = plan_training("scratch", params, dataset, None, tmp_path)
            run_training(plan, Path("out"), lambda metrics, step: None)
        elif kind == "recognizer":
            run_recognizer(params, dataset, Path("out"))
        else:
            run_pretraining("simclr", params, dataset, tmp_path / "unlabelled", Path("out"))

    with pytest.raises(TextsrError, match=rf"^step \d+ of .*Lower {kind}\.learning_rate"):
        train()
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.slow
def test_all_processes_end_and_one_speaks(
    tiny_params: Params, dataset: Path, tmp_path: Path
) -> None:
    compute = tiny_params.compute.model_copy(update={"devices": 2, "precision": "32"})
    params = tiny_params.model_copy(update={"compute": compute})
    (tmp_path / "params.json").write_text(params.model_dump_json())
    (tmp_path / "train.py").write_text(SCRIPT)
    run = subprocess.run(
        [sys.executable, "train.py", str(dataset)],
        cwd=tmp_path,
        env=os.environ | {"GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert run.returncode == 1, run.stderr
    assert run.stdout.count("the training has diverged") == 1
    assert not (tmp_path / "model").exists()
