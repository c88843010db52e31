"""The learning rate that each step is really taken with, broken off or not."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from textsr.datasets.pairs import Batch
from textsr.training.fitting import fit
from textsr.training.objective import SuperResolution

STEPS, WARMUP, RATE = 20, 5, 0.01


class Scheduled(SuperResolution):
    """Notes the rate of every step."""

    def training_step(self, batch: Batch, batch_index: int) -> torch.Tensor:
        self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        return super().training_step(batch, batch_index)


def build(rates: list[float], constant: bool = False) -> Scheduled:
    torch.manual_seed(0)
    network = nn.Conv2d(1, 1, 3, padding=1)
    module = (
        Scheduled(network, learning_rate=RATE)
        if constant
        else Scheduled(network, learning_rate=RATE, warmup_steps=WARMUP, total_steps=STEPS)
    )
    module.rates = rates
    return module


def batch_of(step: int) -> Batch:
    generator = torch.Generator().manual_seed(step)
    return Batch(*(torch.rand(2, 1, 8, 8, generator=generator) for _ in range(2)))


class Killed(BaseException):
    """Ends a fit as a signal would."""


def rates_of(folder: Path, constant: bool, kill_at: int | None) -> list[float]:
    rates: list[float] = []

    def kill(metrics: object, step: int) -> None:
        if step == kill_at:
            raise Killed

    arguments = {"steps": STEPS, "checkpoint_every": 6, "checkpoints": folder, "seed": 0}
    if kill_at is not None:
        with pytest.raises(Killed):
            fit(build([], constant), batch_of, on_metrics=kill, **arguments)
        rates += [math.nan] * (kill_at - 6)
    fit(build(rates, constant), batch_of, **arguments)
    return rates


@pytest.mark.parametrize("kill_at", [None, 12, 18])
def test_rate_rises_linearly_and_falls_along_a_cosine(tmp_path: Path, kill_at: int | None) -> None:
    rates = rates_of(tmp_path, False, kill_at)
    assert len(rates) == STEPS
    for step, rate in enumerate(rates):
        if step < WARMUP:
            expected = (step + 1) / WARMUP
        else:
            progress = min((step - WARMUP) / (STEPS - WARMUP - 1), 1)
            expected = 0.001 + 0.999 * (math.cos(math.pi * progress) + 1) / 2
        assert math.isnan(rate) or rate == pytest.approx(RATE * expected, rel=1e-6), step
    assert not math.isnan(rates[-1])


def test_articles_rate_is_constant(tmp_path: Path) -> None:
    assert rates_of(tmp_path, True, None) == [RATE] * STEPS


def test_finished_fit_called_again_gives_its_result_and_takes_no_step(tmp_path: Path) -> None:
    """A stage killed between its last step and its outputs."""

    def run(rates: list[float]) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
        return fit(
            build(rates), batch_of, steps=STEPS, checkpoint_every=6, checkpoints=tmp_path,
            seed=0, ema_decay=0.5,
        )  # fmt: skip

    first, second = run(taken := []), run(again := [])
    assert (len(taken), len(again)) == (STEPS, 0)
    assert second[1] == first[1]
    for name, value in first[0].items():
        assert torch.equal(second[0][name], value), name


def test_validation_is_the_mean_psnr_of_lines(tmp_path: Path) -> None:
    module = SuperResolution(nn.Identity(), learning_rate=1.0)
    logged = {}
    module.log = lambda name, value, **kwargs: logged.update({name: float(value), **kwargs})
    lr, hr = batch_of(0)[:2]
    lr = lr * 1.4 - 0.2  # a network's output may leave [0, 1]: it is clipped first
    module.validation_step(Batch(lr, hr, widths=(lr.shape[3],) * 2), 0)
    clipped = lr.clamp(0, 1)
    by_line = [-10 * math.log10(float(((a - b) ** 2).mean()))
               for a, b in zip(clipped, hr, strict=True)]  # fmt: skip
    assert logged["val_psnr_db"] == pytest.approx(sum(by_line) / 2, abs=1e-4)
    assert logged["batch_size"] == 2
