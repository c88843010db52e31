"""What the two methods do over several steps: targets, schedules, learning, resuming."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from textsr.config.params import Params, Pretraining
from textsr.models.encoder import build_encoder
from textsr.pretraining.objective import BYOL, METHODS, SimCLR
from textsr.pretraining.views import make_view
from textsr.training.fitting import fit

STEPS = 12


@pytest.fixture
def params(tiny_params: Params) -> Pretraining:
    return tiny_params.pretraining.model_copy(update={"steps": STEPS})


def views_of(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    lines = torch.rand(8, 1, 16, 64, generator=generator)
    return make_view(lines, generator), make_view(lines, generator)


def module(method: str, params: Pretraining, encoder: str = "text") -> SimCLR | BYOL:
    torch.manual_seed(0)
    return METHODS[method](build_encoder(encoder, 16), params)


def test_resnets_head_is_the_articles(params: Pretraining) -> None:
    """ResNet-18, then Linear(512, 512), ReLU, Linear(512, 128), and nothing else."""
    layers = [m for m in module("simclr", params, "resnet18").projection.modules()
              if not list(m.children())]  # fmt: skip
    assert [type(layer) for layer in layers] == [nn.Linear, nn.ReLU, nn.Linear]
    assert [(m.in_features, m.out_features) for m in layers[::2]] == [(512, 512), (512, 128)]


def test_no_gradient_reaches_any_target(params: Pretraining) -> None:
    byol = module("byol", params)
    byol.log = lambda *args, **kwargs: None
    byol.training_step(views_of(0), 0).backward()
    for part in (byol.target_encoder, byol.target_projection):
        assert not any(p.requires_grad or p.grad is not None for p in part.parameters())
    for part in (byol.encoder, byol.projection, byol.prediction):
        assert any(p.grad.abs().max() > 0 for p in part.parameters())
    targets = {id(p) for p in byol.target_encoder.parameters()}
    targets |= {id(p) for p in byol.target_projection.parameters()}
    [optimizer], _ = byol.configure_optimizers()
    optimised = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert not targets & optimised
    assert len(optimised) == sum(p.requires_grad for p in byol.parameters())


def test_targets_start_equal_and_are_no_alias(params: Pretraining) -> None:
    byol = module("byol", params)
    pairs = [(byol.encoder, byol.target_encoder), (byol.projection, byol.target_projection)]
    for online, target in pairs:
        for a, b in zip(online.parameters(), target.parameters(), strict=True):
            assert torch.equal(a, b)
            assert a.data_ptr() != b.data_ptr()


class Watched(BYOL):
    """Keeps encoder and projection, online and target, before and after each step."""

    def parts(self) -> list[torch.Tensor]:
        parts = (self.encoder, self.projection, self.target_encoder, self.target_projection)
        return [nn.utils.parameters_to_vector(part.parameters()).detach().clone() for part in parts]

    def on_train_batch_end(self, outputs: object, batch: object, batch_index: int) -> None:
        before = self.parts()
        super().on_train_batch_end(outputs, batch, batch_index)
        self.moves.append((before, self.parts()))


def test_targets_move_by_a_momentum_that_rises_to_one(params: Pretraining, tmp_path: Path) -> None:
    """Grill et al. 2020, section 3.3: 1 - (1 - base) (cos(pi k / K) + 1) / 2.

    lightly has it at 1 in the last step already, so its K is one less.
    """
    torch.manual_seed(0)
    byol = Watched(build_encoder("text", 16), params)
    byol.moves = []
    fit(byol, views_of, steps=STEPS, checkpoint_every=5, checkpoints=tmp_path, seed=0)
    assert len(byol.moves) == STEPS
    for step, (before, after) in enumerate(byol.moves, 1):
        base = params.byol.base_momentum
        progress = min(step / (STEPS - 1), 1)
        momentum = 1 - (1 - base) * (math.cos(math.pi * progress) + 1) / 2
        for online, old, new in zip(before[:2], before[2:], after[2:], strict=True):
            assert torch.allclose(new, momentum * old + (1 - momentum) * online, atol=1e-6)
        assert all(torch.equal(a, b) for a, b in zip(before[:2], after[:2], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["simclr", "byol"])
def test_loss_falls(method: str, params: Pretraining, tmp_path: Path) -> None:
    steps = 60
    longer = params.model_copy(update={"steps": steps, "learning_rate": 3e-3})
    _, curves = fit(
        module(method, longer),
        lambda step: views_of(step % 4),  # few views, which even few steps can tell apart
        steps=steps,
        checkpoint_every=10,
        checkpoints=tmp_path,
        seed=0,
    )
    losses = [row["train_loss"] for row in curves]
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0] - 0.2


class Killed(BaseException):
    """Ends a fit as a signal would."""


@pytest.mark.parametrize(
    ("method", "encoder"),
    [
        ("simclr", "text"),
        ("byol", "text"),
        pytest.param("byol", "resnet18", marks=pytest.mark.slow),
    ],
)
def test_killed_pretraining_resumes_to_the_same_bits(
    method: str, encoder: str, params: Pretraining, tmp_path: Path
) -> None:
    """Targets, their running statistics, the optimiser and its schedule all travel."""
    few = params.model_copy(update={"steps": 3})

    def run(folder: str, kill_at: int | None = None) -> dict[str, torch.Tensor]:
        def on_metrics(metrics: object, step: int) -> None:
            if step == kill_at:
                raise Killed

        torch.manual_seed(0)
        return fit(
            module(method, few, encoder),
            views_of,
            steps=3,
            checkpoint_every=2,
            checkpoints=tmp_path / folder,
            seed=0,
            on_metrics=on_metrics,
        )[0]

    unbroken = run("unbroken")
    with pytest.raises(Killed):
        run("killed", kill_at=3)
    torch.rand(7)  # another state of the generators than the unbroken run was in
    resumed = run("killed")
    assert resumed.keys() == unbroken.keys()
    for name, value in unbroken.items():
        assert torch.equal(resumed[name], value), name
