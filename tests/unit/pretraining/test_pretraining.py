"""SimCLR and BYOL against references written out by hand, and what they hand on."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from textsr.config.params import Params
from textsr.datasets.stream import ShuffledLines
from textsr.errors import TextsrError
from textsr.files import read_json
from textsr.models.encoder import build_encoder
from textsr.models.package import load_model
from textsr.pretraining import run as run_module
from textsr.pretraining.objective import BYOL, SimCLR
from textsr.pretraining.run import ViewBatches, run_pretraining
from textsr.pretraining.views import make_view
from textsr.training.run import plan_training, run_training


def nt_xent_by_hand(first: torch.Tensor, second: torch.Tensor, temperature: float) -> float:
    """Chen et al. 2020, equation 1, averaged over all 2N positive pairs, loop by loop."""
    z = torch.cat([first, second]).detach().double()
    count = len(first)

    def similarity(i: int, j: int) -> float:
        return float(z[i] @ z[j] / (z[i].norm() * z[j].norm()))

    total = 0.0
    for i in range(2 * count):
        j = i + count if i < count else i - count
        others = sum(math.exp(similarity(i, k) / temperature) for k in range(2 * count) if k != i)
        total -= math.log(math.exp(similarity(i, j) / temperature) / others)
    return total / (2 * count)


def byol_by_hand(prediction: torch.Tensor, target: torch.Tensor) -> float:
    """Grill et al. 2020, equation 2: squared distance of unit vectors, 2 - 2 cosine."""
    total = 0.0
    for p, t in zip(prediction.detach().double(), target.detach().double(), strict=True):
        total += float(((p / p.norm() - t / t.norm()) ** 2).sum())
    return total / len(prediction)


def module(kind: type, params: Params, encoder: str = "text") -> SimCLR | BYOL:
    torch.manual_seed(0)
    built = kind(build_encoder(encoder, 16), params.pretraining)
    built.log = lambda *args, **kwargs: None
    return built


def views(count: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.rand(count, 1, 16, 64, generator=generator) for _ in range(2))


def test_simclr_is_nt_xent_over_all_instances(tiny_params: Params) -> None:
    simclr = module(SimCLR, tiny_params)
    batch = views()
    loss = simclr.training_step(batch, 0)
    embedded = [simclr.embed(simclr.encoder, view) for view in batch]
    projected = [simclr.projection(instances) for instances, _ in embedded]
    assert projected[0].shape == (5 * 4, tiny_params.pretraining.projection_dim)
    expected = nt_xent_by_hand(*projected, tiny_params.pretraining.simclr.temperature)
    energy = sum(float(energy.detach()) for _, energy in embedded) / 2
    assert float(loss.detach()) == pytest.approx(expected + 0.01 * energy, rel=1e-4)


@pytest.mark.parametrize("method", [SimCLR, BYOL])
def test_features_that_grow_out_of_reach_cost(method: type, tiny_params: Params) -> None:
    """Cosines do not see the scale: without a price on it, no decoder could use the features."""
    ssl = module(method, tiny_params)
    batch = views()
    before = float(ssl.training_step(batch, 0).detach())
    with torch.no_grad():
        ssl.encoder.stem[1].weight.mul_(1000)
    assert float(ssl.training_step(batch, 0).detach()) > before + 1


def test_byol_is_the_symmetric_distance_to_the_targets(tiny_params: Params) -> None:
    byol = module(BYOL, tiny_params)
    with torch.no_grad():  # at the start both networks are equal; make the targets differ
        for parameter in byol.target_encoder.parameters():
            parameter.mul_(1.3).add_(0.01)
    batch = views()
    loss = byol.training_step(batch, 0)
    embedded = [byol.embed(byol.encoder, v) for v in batch]
    online = [byol.prediction(byol.projection(instances)) for instances, _ in embedded]
    target = [byol.target_projection(byol.embed(byol.target_encoder, v)[0]) for v in batch]
    by_hand = (byol_by_hand(online[0], target[1]) + byol_by_hand(online[1], target[0])) / 2
    # lightly minimises -cosine; 2 - 2 cosine has the same minimum: by hand = 2 + 2 loss.
    distance = float(loss.detach()) - 0.01 * sum(float(e.detach()) for _, e in embedded) / 2
    assert 2 + 2 * distance == pytest.approx(by_hand, rel=1e-4)


def test_byol_targets_get_no_gradient_and_follow_by_momentum(tiny_params: Params) -> None:
    byol = module(BYOL, tiny_params)
    byol.training_step(views(), 0).backward()
    assert all(p.grad is None for p in byol.target_encoder.parameters())
    assert any(p.grad is not None for p in byol.encoder.parameters())
    with torch.no_grad():
        for parameter in byol.encoder.parameters():
            parameter.add_(1.0)
    before = [p.clone() for p in byol.target_encoder.parameters()]
    byol.on_train_batch_end(None, None, 0)  # step 0: the base momentum
    momentum = tiny_params.pretraining.byol.base_momentum
    for old, online, new in zip(
        before, byol.encoder.parameters(), byol.target_encoder.parameters(), strict=True
    ):
        assert torch.allclose(new, momentum * old + (1 - momentum) * online, atol=1e-6)


def test_resnet_has_the_articles_projection_head(tiny_params: Params) -> None:
    simclr = module(SimCLR, tiny_params, "resnet18")
    sizes = [(m.in_features, m.out_features) for m in simclr.projection.modules()
             if isinstance(m, nn.Linear)]  # fmt: skip
    assert sizes == [(512, 512), (512, 128)]
    assert simclr.encoder.body.conv1.in_channels == 1


def test_views_are_repeatable_within_range_and_differ() -> None:
    lines = torch.rand(8, 1, 16, 64)
    first, again, other = (
        make_view(lines, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert first.shape == lines.shape
    assert 0 <= float(first.min()) <= float(first.max()) <= 1


def test_views_take_the_shortcuts_away() -> None:
    """Level, contrast and polarity of a view say nothing of those of its line."""
    rng = np.random.default_rng(0)
    strokes = torch.from_numpy(rng.random((600, 1, 16, 64)).astype(np.float32)) - 0.5
    level = torch.from_numpy(rng.uniform(0.2, 0.8, (600, 1, 1, 1)).astype(np.float32))
    contrast = torch.from_numpy(rng.uniform(0.05, 0.4, (600, 1, 1, 1)).astype(np.float32))
    lines = level + contrast * strokes
    view = make_view(lines, torch.Generator().manual_seed(0))
    assert abs(np.corrcoef(level.flatten(), view.mean((1, 2, 3)))[0, 1]) < 0.15
    assert abs(np.corrcoef(contrast.flatten(), view.std((1, 2, 3)))[0, 1]) < 0.15
    polarity = ((view - view.mean((2, 3), keepdim=True)) * strokes).mean((1, 2, 3)) > 0
    assert 0.4 < polarity.float().mean() < 0.6


def test_own_images_are_among_the_lines(tiny_params: Params, dataset: Path) -> None:
    lines = ShuffledLines(dataset / "train", ("lr",), window_rows=1000, seed=1)
    imported = [np.full((16, 80), 255, np.uint8)] * 50
    without, with_own = (ViewBatches(lines, images, tiny_params) for images in ([], imported))
    assert without(0)[0].shape == (tiny_params.pretraining.batch_size, 1, 16, 64)
    assert not torch.equal(without(0)[0], with_own(0)[0])


@pytest.mark.parametrize("method", ["simclr", "byol"])
@pytest.mark.parametrize("encoder", ["text", pytest.param("resnet18", marks=pytest.mark.slow)])
def test_pretrained_encoder_is_the_one_that_training_starts_from(
    tiny_params: Params,
    dataset: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    encoder: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    pretraining = tiny_params.pretraining.model_copy(update={"encoder": encoder, "steps": 2})
    training = tiny_params.training.model_copy(update={"steps": 1, "learning_rate": 1e-12})
    params = tiny_params.model_copy(update={"pretraining": pretraining, "training": training})
    output = tmp_path / "encoders" / method
    run_pretraining(method, params, dataset, data / "unlabelled", output)
    assert set(read_json(output / "probe.json")) >= {"probe_r2", "probe_r2_untrained"}
    pretrained = load_file(output / "encoder" / "encoder.safetensors")

    weights = {}
    for name in (method, "scratch"):
        run = plan_training(name, params, dataset, None, tmp_path / "encoders")
        run_training(run, tmp_path / name, lambda metrics, step: None)
        weights[name] = load_model(tmp_path / name).network.encoder.state_dict()
    convolutions = [key for key, value in pretrained.items() if value.dim() == 4]
    assert convolutions
    for key in convolutions:
        assert torch.allclose(weights[method][key], pretrained[key], atol=1e-5), key
    assert any(
        not torch.allclose(weights["scratch"][key], pretrained[key], atol=1e-4)
        for key in convolutions
    )


def test_unknown_method_is_refused(tiny_params: Params, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match="simclr, byol"):
        run_pretraining("moco", tiny_params, dataset, tmp_path, tmp_path / "out")


def test_a_wider_network_is_another_run(
    tiny_params: Params, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checkpoints do not fit into one of another width."""
    folders = []
    (unlabelled := tmp_path / "none").mkdir()

    class ReachedError(Exception):
        pass

    def reach(*args: object, checkpoints: Path, **more: object) -> None:
        folders.append(checkpoints)
        raise ReachedError

    monkeypatch.setattr(run_module, "fit", reach)
    for width in (16, 24, 16):
        training = tiny_params.training.model_copy(update={"width": width})
        params = tiny_params.model_copy(update={"training": training})
        with pytest.raises(ReachedError):
            run_pretraining("byol", params, dataset, unlabelled, tmp_path / "out")
    assert folders[0] == folders[2] != folders[1]
