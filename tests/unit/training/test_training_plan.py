"""What training a name means: which weights it starts from, and what makes it another run."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from textsr import pretrained
from textsr.config.params import Params
from textsr.datasets.pairs import whole_batches
from textsr.errors import TextsrError
from textsr.models.bicubic import bicubic
from textsr.models.encoder import build_encoder
from textsr.models.package import load_model
from textsr.pretrained import load_pretrained
from textsr.training import run as stage
from textsr.training.run import ENCODER_WEIGHTS, plan_training, run_training


@pytest.fixture
def encoders(tiny_params: Params, tmp_path: Path) -> Path:
    """Two pretrained encoders, of other weights than any fresh one."""
    for seed, method in enumerate(("simclr", "byol"), 100):
        torch.manual_seed(seed)
        encoder = build_encoder(tiny_params.pretraining.encoder, tiny_params.training.width)
        folder = tmp_path / "encoders" / method / "encoder"
        folder.mkdir(parents=True)
        save_file(encoder.state_dict(), folder / ENCODER_WEIGHTS)
    return tmp_path / "encoders"


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand in for `fit`: note what it was asked for, and train nothing."""
    calls: list[dict[str, Any]] = []

    def fit(module: Any, make_batch: Any, **arguments: Any) -> tuple[dict[str, Tensor], list[Any]]:
        state = {name: value.clone() for name, value in module.state_dict().items()}
        calls.append(arguments | {"module": module, "make_batch": make_batch, "start": state})
        return state, []

    monkeypatch.setattr(stage, "fit", fit)
    return calls


def train(name: str, params: Params, dataset: Path, encoders: Path, output: Path) -> None:
    run_training(
        plan_training(name, params, dataset, None, encoders),
        output / name,
        lambda metrics, step: None,
    )


def test_initialisations_differ_by_the_encoder_alone(
    tiny_params: Params, dataset: Path, encoders: Path, tmp_path: Path, fitted: list[dict[str, Any]]
) -> None:
    for name in ("scratch", "simclr", "byol"):
        train(name, tiny_params, dataset, encoders, tmp_path)
    scratch, simclr, byol = (call["start"] for call in fitted)
    for key, value in scratch.items():
        encoder = key.startswith("network.encoder.") and value.abs().max() > 0
        assert torch.equal(value, simclr[key]) == torch.equal(value, byol[key]) == (not encoder)
    assert any(not torch.equal(simclr[key], byol[key]) for key in simclr)
    batches = [call["make_batch"](2).lr for call in fitted]
    assert all(torch.equal(batch, batches[0]) for batch in batches)
    for call in fitted:
        assert call["steps"] == tiny_params.training.steps
        assert call["ema_decay"] == tiny_params.training.ema_decay
        assert call["checkpoint_every"] == tiny_params.training.checkpoint_every_steps
        assert call["seed"] == tiny_params.seed
    assert len({call["checkpoints"] for call in fitted}) == 3


def test_articles_network_is_trained_as_in_the_article(
    tiny_params: Params, dataset: Path, encoders: Path, tmp_path: Path, fitted: list[dict[str, Any]]
) -> None:
    train("srcnn_transposed", tiny_params, dataset, encoders, tmp_path)
    [call] = fitted
    optimizer = call["module"].configure_optimizers()  # an optimiser alone: the rate is constant
    assert type(optimizer) is torch.optim.Adam
    assert optimizer.param_groups[0]["lr"] == 1e-4
    assert optimizer.param_groups[0]["weight_decay"] == 0
    assert call["steps"] == tiny_params.models["srcnn_transposed"].steps
    assert call["ema_decay"] is None
    assert load_model(tmp_path / "srcnn_transposed").spec.architecture == "srcnn_transposed"


def with_pretrained(params: Params, **changes: float | None) -> Params:
    model = params.models["pretrained"].model_copy(update=changes)
    return params.model_copy(update={"models": {"pretrained": model}})


def test_the_packages_network_grows_by_blocks_that_change_nothing_at_first(
    tiny_params: Params, dataset: Path, encoders: Path, tmp_path: Path, fitted: list[dict[str, Any]]
) -> None:
    package = load_pretrained().network
    coarse, sequence = len(package.encoder.stages[-1]) + 1, len(package.encoder.sequence) + 2
    params = with_pretrained(tiny_params, steps=1, coarse_blocks=coarse, sequence_blocks=sequence)
    train("pretrained", params, dataset, encoders, tmp_path)
    grown = load_model(tmp_path / "pretrained")
    # What the package's network was judged to be best at says nothing of another.
    assert (grown.spec.blend, grown.spec.blends) == (1, {})
    assert (grown.spec.coarse_blocks, grown.spec.sequence_blocks) == (coarse, sequence)
    images = torch.rand(2, 1, 16, 48)
    with torch.inference_mode():
        assert torch.equal(grown.network(images), package(images))
    # They are not dead: their last convolution learns from the first step, and then the rest.
    network = grown.network.requires_grad_(True)
    network(images).square().mean().backward()
    added = network.encoder.sequence[-1].body
    assert added[-1].weight.grad.abs().max() > 0
    assert added[0].weight.abs().max() > 0


@pytest.mark.parametrize(("more", "steps"), [(-1, 1), (1, 0)])
def test_the_packages_network_neither_shrinks_nor_grows_untrained(
    tiny_params: Params, dataset: Path, tmp_path: Path, more: int, steps: int
) -> None:
    blocks = len(load_pretrained().network.encoder.sequence) + more
    params = with_pretrained(tiny_params, steps=steps, sequence_blocks=blocks)
    with pytest.raises(TextsrError, match=rf"models\.pretrained\.sequence_blocks {blocks}: "):
        plan_training("pretrained", params, dataset, None, tmp_path)


def test_the_packages_network_is_not_narrowed_untrained(
    tiny_params: Params, dataset: Path, tmp_path: Path
) -> None:
    params = with_pretrained(tiny_params, steps=0, expansion=0.1)
    with pytest.raises(TextsrError, match=r"pretrained\.expansion 0\.1: .* may become less where"):
        plan_training("pretrained", params, dataset, None, tmp_path)


def test_the_packages_network_is_narrowed_and_taught_by_what_it_was(
    tiny_params: Params, dataset: Path, encoders: Path, tmp_path: Path, fitted: list[dict[str, Any]]
) -> None:
    package = load_pretrained()
    expansion = (package.spec.expansion or 1.0) / 2
    params = with_pretrained(tiny_params, steps=1, expansion=expansion, distillation_weight=2)
    train("pretrained", params, dataset, encoders, tmp_path)
    made = load_model(tmp_path / "pretrained")
    assert made.spec.expansion == expansion
    assert sum(x.numel() for x in made.parameters()) < sum(x.numel() for x in package.parameters())
    images = next(iter(whole_batches(dataset / "val", batch_size=8, scale=4, limit=8))).lr
    with torch.inference_mode():
        output, taught = made.network(images), package.network(images)
        distance = (output - taught).square().mean()
        assert 0 < distance < (bicubic(images, 4) - taught).square().mean()
    [teacher] = fitted[0]["module"]._teachers
    with torch.inference_mode():
        assert torch.equal(teacher(images), taught)


def test_weights_of_one_scale_teach_none_of_another(
    tiny_params: Params, dataset: Path, tmp_path: Path
) -> None:
    synthesis = tiny_params.synthesis.model_copy(update={"scale": 2})
    params = tiny_params.model_copy(update={"synthesis": synthesis})
    params = with_pretrained(params, steps=1, distillation_weight=1)
    with pytest.raises(TextsrError, match=r"distillation_weight: .* enlarge 4 times"):
        plan_training("pretrained", params, dataset, None, tmp_path)


def test_what_fit_returns_is_what_is_saved(
    tiny_params: Params, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(module: Any, make_batch: Any, **arguments: Any) -> tuple[dict[str, Tensor], list[Any]]:
        return {name: value + 1 for name, value in module.state_dict().items()}, [{"step": 1.0}]

    monkeypatch.setattr(stage, "fit", fit)
    plan = plan_training("scratch", tiny_params, dataset, None, tmp_path)
    trained = run_training(plan, tmp_path / "m", lambda metrics, step: None)
    assert trained.curves == [{"step": 1.0}]
    # Fresh, the last layer is zero.
    assert torch.equal(
        (last := load_model(tmp_path / "m").network.to_hr[0]).weight, torch.ones_like(last.weight)
    )


def test_another_fingerprint_is_another_run(
    tiny_params: Params, dataset: Path, encoders: Path, tmp_path: Path
) -> None:
    def folder(params: Params = tiny_params, lines: Path = dataset, name: str = "simclr") -> Path:
        return plan_training(name, params, lines, None, encoders).checkpoints

    first = folder()
    other_lines = tmp_path / "dataset"
    shutil.copytree(dataset, other_lines)
    assert folder(lines=other_lines) == first  # what counts is the content
    shard = next((other_lines / "train").glob("*.parquet"))
    shard.write_bytes(shard.read_bytes() + b"\0")
    assert folder(lines=other_lines) != first

    training = tiny_params.training.model_copy(update={"learning_rate": 0.5})
    assert folder(tiny_params.model_copy(update={"training": training})) != first
    synthesis = tiny_params.synthesis.model_copy(update={"scale": 2})
    assert folder(tiny_params.model_copy(update={"synthesis": synthesis})) != first
    evaluation = tiny_params.evaluation.model_copy(update={"panel_lines": 99})
    assert folder(tiny_params.model_copy(update={"evaluation": evaluation})) == first

    scratch = folder(name="scratch")
    weights = encoders / "simclr" / "encoder" / ENCODER_WEIGHTS
    shutil.copy(encoders / "byol" / "encoder" / ENCODER_WEIGHTS, weights)
    assert folder() != first
    assert folder(name="scratch") == scratch


def test_only_what_is_read_of_the_pretrained_weights_makes_another_run(
    tiny_params: Params, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "v4"
    shutil.copytree(pretrained.FOLDER, weights)
    monkeypatch.setattr(pretrained, "FOLDER", weights)
    params = with_pretrained(tiny_params, steps=1)

    def folder() -> Path:
        return plan_training("pretrained", params, dataset, None, tmp_path).checkpoints

    first = folder()
    for unread in ("model.onnx", "model_int8.onnx", "README.md"):
        (weights / unread).write_bytes(b"another")
    assert folder() == first
    for read in ("model.json", "weights.safetensors"):
        before = folder()
        with (weights / read).open("ab") as stream:
            stream.write(b"\n")
        assert folder() != before
