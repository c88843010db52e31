"""The `train` stage."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

import textsr
from textsr.compute import use_threads
from textsr.datasets.pairs import EncodedLines, PairBatches, centre_batches
from textsr.errors import TextsrError
from textsr.files import fingerprint
from textsr.models.package import ModelSpec, build_network, save_model
from textsr.models.upsampler import UpsamplerNet
from textsr.params import MODELS, Params
from textsr.training.fitting import OnMetrics, checkpoint_folder, fit
from textsr.training.objective import SuperResolution

ENCODER_WEIGHTS = "encoder.safetensors"


@dataclass(frozen=True)
class TrainingRun:
    """One training, before it runs: what will be trained, and where its checkpoints lie."""

    name: str
    spec: ModelSpec
    params: Params
    dataset: Path
    encoder: Path | None
    checkpoints: Path


def plan_training(name: str, params: Params, dataset: Path, encoders: Path) -> TrainingRun:
    """Decide what training `name` means.

    Args:
        name: `seed`, `scratch`, `simclr` or `byol`.
        params: the whole of params.yaml.
        dataset: folder of the splits.
        encoders: folder of pretrained encoders, one a method.

    Raises:
        TextsrError: if there is no such model.
    """
    if name not in MODELS:
        raise TextsrError(f"{name}: no such model; choose one of {', '.join(MODELS)}")
    encoder = encoders / name / "encoder" if name in ("simclr", "byol") else None
    if name == "seed":
        spec = ModelSpec(name=name, architecture="seed", scale=params.synthesis.scale)
    else:
        spec = ModelSpec(
            name=name,
            architecture="upsampler",
            scale=params.synthesis.scale,
            encoder=params.pretraining.encoder,
            width=params.training.width,
        )
    depends = [dataset / "train", Path(textsr.__file__).parent]
    described = f"{name} {params.seed} {params.training.model_dump_json()} {spec}"
    run = fingerprint(described, depends + ([encoder] if encoder else []))
    return TrainingRun(
        name, spec, params, dataset, encoder, checkpoint_folder(f"train-{name}", run)
    )


def run_training(run: TrainingRun, output: Path, on_metrics: OnMetrics) -> list[dict[str, float]]:
    """Train, write the model's folder to `output`, return the curves."""
    params = run.params.training
    use_threads(run.params.compute.threads)
    # Built from the same seed for every initialisation: they differ by the encoder alone.
    torch.manual_seed(run.params.seed)
    network = build_network(run.spec).to(memory_format=torch.channels_last)
    if run.encoder is not None:
        assert isinstance(network, UpsamplerNet)
        load_encoder(network, run.encoder)
    if run.name == "seed":
        steps = params.seed_net.steps
        module = SuperResolution(network, learning_rate=params.seed_net.learning_rate)
    else:
        steps = params.steps
        module = SuperResolution(
            network,
            learning_rate=params.learning_rate,
            weight_decay=params.weight_decay,
            warmup_steps=round(params.warmup_fraction * steps),
            total_steps=steps,
        )
    state, curves = fit(
        module,
        PairBatches(
            EncodedLines(run.dataset / "train"),
            batch_size=params.batch_size,
            crop_width=params.crop_width,
            scale=run.spec.scale,
            seed=run.params.seed,
        ),
        steps=steps,
        checkpoint_every=params.checkpoint_every_steps,
        checkpoints=run.checkpoints,
        seed=run.params.seed,
        ema_decay=None if run.name == "seed" else params.ema_decay,
        validation=centre_batches(
            EncodedLines(run.dataset / "val"),
            batch_size=32,
            crop_width=params.crop_width,
            scale=run.spec.scale,
        ),
        on_metrics=on_metrics,
    )
    module.load_state_dict(state)
    save_model(output, run.spec, network)
    return curves


def load_encoder(network: UpsamplerNet, folder: Path) -> None:
    """Replace the encoder's fresh weights by pretrained ones.

    Raises:
        TextsrError: if the file is missing or of another architecture or width.
    """
    path = folder / ENCODER_WEIGHTS
    try:
        network.encoder.load_state_dict(load_file(path))
    except Exception as error:
        raise TextsrError(
            f"{path}: not an encoder for this network ({error}); "
            "remake it with `dvc repro pretrain`"
        ) from error
