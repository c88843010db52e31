"""Restoration, SimCLR and BYOL as terms of one loss."""

import pytest
import torch
import torch.nn.functional as F
from lightly.loss import NTXentLoss
from torch import Tensor

from textsr.errors import TextsrError
from textsr.models.upsampler import UpsamplerNet
from textsr.study import settings
from textsr.study.pretext import (
    BYOLTerm,
    Lines,
    PretextTraining,
    RestorationTerm,
    SimCLRTerm,
    spread,
)


@pytest.fixture
def network() -> UpsamplerNet:
    torch.manual_seed(0)
    return UpsamplerNet("text", 16, 4)


@pytest.fixture
def lines() -> Tensor:
    torch.manual_seed(1)
    return F.avg_pool2d(torch.rand(4, 1, 32, 128), 2)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Perfect(torch.nn.Module):
    """A network that knows the line."""

    scale = 4

    def __init__(self, lines: Tensor) -> None:
        super().__init__()
        self.lines = lines

    def forward(self, reduced: Tensor) -> Tensor:
        assert reduced.shape[2] * 2 == self.lines.shape[2]
        return self.lines.repeat_interleave(2, 2).repeat_interleave(2, 3)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_restoring_the_line_costs_nothing(lines: Tensor, noise: float) -> None:
    term = RestorationTerm(settings.Restoration(noise=noise))
    assert term(Perfect(lines), lines, generator()) == pytest.approx(0, abs=1e-12)
    assert term(Perfect(lines.flip(3)), lines, generator()) > 0.01


def test_detail_beyond_lr_is_free(lines: Tensor) -> None:
    """What the network draws within an LR pixel does not count, or it could learn no strokes."""

    class Detailed(Perfect):
        def forward(self, reduced: Tensor) -> Tensor:
            checks = torch.tensor([[0.1, -0.1], [-0.1, 0.1]]).repeat(16, 64)
            return super().forward(reduced) + checks

    term = RestorationTerm(settings.Restoration())
    assert term(Detailed(lines), lines, generator()) == pytest.approx(0, abs=1e-12)


def test_degradations_do_what_they_say(lines: Tensor) -> None:
    def degraded(**params: float) -> Tensor:
        return RestorationTerm(settings.Restoration(**params)).degrade(lines, generator())

    assert torch.equal(degraded(), lines)
    blurred = degraded(blur_px=2.0)
    assert blurred.diff(dim=3).abs().mean() < 0.8 * lines.diff(dim=3).abs().mean()
    assert blurred.mean() == pytest.approx(float(lines.mean()), abs=0.01)
    assert 0.01 < (degraded(noise=0.3) - lines).std() < 0.3
    hidden = (degraded(masked=0.5) == lines.mean((2, 3), keepdim=True)).all(2)
    assert 0.3 < hidden.float().mean() < 0.7
    # Spans: a hidden column has a hidden neighbour.
    assert hidden.view(4, -1, 4).all(2).sum() * 4 == hidden.sum()


def test_simclr_is_nt_xent_of_the_projected_instances(network: UpsamplerNet, lines: Tensor) -> None:
    term = SimCLRTerm(network.encoder, settings.SimCLR(temperature=0.5))
    with torch.no_grad():
        loss, seen = term(network, lines, generator())
    with torch.no_grad():
        embedded = [term.embed(network.encoder, view) for view in term.views(lines, generator())]
    first, second = (term.projection(instances).detach() for instances, _ in embedded)
    energy = sum(energy for _, energy in embedded) / 2
    assert loss == pytest.approx(float(NTXentLoss(0.5)(first, second) + 0.01 * energy), rel=1e-5)
    assert 0 <= seen["accuracy"] <= 1


@pytest.mark.parametrize(("instance", "count"), [("line", 4), ("window", 4 * 4), ("frame", 4 * 32)])
def test_instances(network: UpsamplerNet, lines: Tensor, instance: str, count: int) -> None:
    term = SimCLRTerm(network.encoder, settings.SimCLR(instance=instance))
    instances, _ = term.embed(network.encoder, lines)
    assert instances.shape == (count, term.dim)


def test_degraded_views_leave_strokes_where_they_are(network: UpsamplerNet, lines: Tensor) -> None:
    term = BYOLTerm(network.encoder, settings.BYOL(views="degraded"))
    plain, degraded = term.views(lines, generator())
    assert torch.equal(plain, lines)
    moved = [F.mse_loss(degraded, lines.roll(by, 3)) for by in range(-3, 4)]
    assert min(range(7), key=moved.__getitem__) == 3


def test_byol_learns_from_the_online_side_alone(network: UpsamplerNet, lines: Tensor) -> None:
    term = BYOLTerm(network.encoder, settings.BYOL())
    loss, _ = term(network, lines, generator())
    loss.backward()
    assert all(p.grad is None for p in term.target_encoder.parameters())
    assert any(p.grad is not None and p.grad.any() for p in network.encoder.parameters())
    with torch.no_grad():
        next(network.encoder.parameters()).add_(1)
    before = next(term.target_encoder.parameters()).clone()
    term.after_step(network, 0, 10)
    assert torch.allclose(next(term.target_encoder.parameters()), before + 0.01, atol=1e-6)


def test_spread() -> None:
    assert spread(F.normalize(torch.ones(9, 5))) == pytest.approx(0, abs=1e-6)
    assert spread(torch.eye(100)) == pytest.approx(1, abs=0.01)


def test_collapse_is_named(network: UpsamplerNet, lines: Tensor) -> None:
    module = PretextTraining(
        network, settings.Pretext(steps=1000, byol=settings.BYOL()), learning_rate=1e-3
    )
    module.log = lambda *args, **kwargs: None
    module._trainer = type("T", (), {"global_step": 60})()
    module.training_step(Lines(lines, 0), 0)
    last = module.byol.target_projection.layers[-1]
    with torch.no_grad():  # all embeddings are one
        last.weight.zero_()
        last.bias.fill_(1.0)
    with pytest.raises(TextsrError, match=r"byol: all embeddings have become alike .* lower"):
        module.training_step(Lines(lines, 0), 0)


def test_terms_are_summed_by_their_weights(network: UpsamplerNet, lines: Tensor) -> None:
    def loss(**terms: object) -> float:
        torch.manual_seed(3)
        module = PretextTraining(network, settings.Pretext(steps=9, **terms), learning_rate=1e-3)
        module.log = lambda *args, **kwargs: None
        module._trainer = type("T", (), {"global_step": 0})()
        return float(module.training_step(Lines(lines, 0), 0))

    one = loss(restoration=settings.Restoration(weight=1))
    assert loss(restoration=settings.Restoration(weight=3)) == pytest.approx(3 * one, rel=1e-5)
