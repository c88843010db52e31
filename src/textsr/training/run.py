"""The `train` stage."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn

import textsr
from textsr import pretrained as reference
from textsr.compute import use_threads
from textsr.config.params import MODELS, Params
from textsr.datasets.pairs import whole_batches
from textsr.datasets.resizing import ResizedBatches
from textsr.errors import TextsrError
from textsr.files import fingerprint
from textsr.models.blocks import ResidualBlock
from textsr.models.ctc_head import TextHead
from textsr.models.encoder import Encoder
from textsr.models.package import MAX_BLOCKS, ModelSpec, build_network, read_spec, save_model
from textsr.models.recognizer import load_recogniser
from textsr.models.text_encoder import COARSE_BLOCKS, SEQUENCE_BLOCKS
from textsr.models.upsampler import UpsamplerNet
from textsr.models.weights import read_weights
from textsr.pretrained import load_reference
from textsr.training.batches import make_batches, training_alphabet, training_folders
from textsr.training.fitting import (
    VALIDATION_LINES,
    OnMetrics,
    checkpoint_folder,
    choose_precision,
    fit,
    follows,
)
from textsr.training.objective import SuperResolution

ENCODER_WEIGHTS = "encoder.safetensors"


@dataclass(frozen=True)
class TrainingRun:
    """One training, before it runs: what will be trained, and where its checkpoints lie."""

    name: str
    spec: ModelSpec
    params: Params
    dataset: Path
    own: Path | None
    domains: Path | None
    encoder: Path | None
    recogniser: Path | None
    checkpoints: Path


def plan_training(
    name: str,
    params: Params,
    dataset: Path,
    own: Path | None,
    encoders: Path,
    recogniser: Path | None = None,
    domains: Path | None = None,
) -> TrainingRun:
    """Decide what training `name` means.

    Args:
        name: `seed`, `scratch`, `simclr`, `byol` or `reference`.
        params: the whole of params.yaml.
        dataset: folder of the synthetic splits.
        own: folder of the splits of the user's pairs, if there are any.
        encoders: folder of pretrained encoders, one a method.
        recogniser: folder of our own reader, asked if `training.reading_weight` says so.
        domains: folder of the domains, for `training.mixture`; None: the dataset alone.

    Raises:
        TextsrError: if there is no such model, or `training.reference` asks for impossible blocks.
    """
    if name not in MODELS:
        raise TextsrError(f"{name}: no such model; choose one of {', '.join(MODELS)}")
    encoder = encoders / name / "encoder" if name in ("simclr", "byol") else None
    if name == "seed":
        spec = ModelSpec(name=name, architecture="seed", scale=params.synthesis.scale)
    elif name == "reference":
        spec = _grown(read_spec(reference.FOLDER), params)
    else:
        spec = ModelSpec(
            name=name,
            architecture="upsampler",
            scale=params.synthesis.scale,
            encoder=params.pretraining.encoder,
            width=params.training.width,
        )
    folders = training_folders(params, dataset, domains)
    depends = [*folders.values(), Path(textsr.__file__).parent]
    described = f"{name} {params.seed} {params.training.model_dump_json()} {spec}"
    reader = recogniser if params.training.reading_weight and name != "seed" else None
    depends += [path for path in (encoder, own and own / "train", reader) if path]
    checkpoints = checkpoint_folder(f"train-{name}", fingerprint(described, depends))
    return TrainingRun(name, spec, params, dataset, own, domains, encoder, reader, checkpoints)


def run_training(run: TrainingRun, output: Path, on_metrics: OnMetrics) -> list[dict[str, float]]:
    """Train, write the model's folder to `output`, return the curves.

    A process that follows another (see `textsr.training.fitting.fit`) writes nothing.

    Raises:
        TextsrError: if a batch cannot be divided among the devices, or the training diverges.
    """
    params = run.params.training
    devices = run.params.compute.devices
    if params.batch_size % devices:
        raise TextsrError(
            f"training.batch_size {params.batch_size}: cannot be divided among {devices} devices "
            "(compute.devices); make it a multiple"
        )
    use_threads(run.params.compute.threads, devices)
    # Built from the same seed for every initialisation: they differ by the encoder alone.
    torch.manual_seed(run.params.seed)
    network = build_network(run.spec).to(memory_format=torch.channels_last)
    if run.encoder is not None:
        assert isinstance(network, UpsamplerNet)
        load_encoder(network, run.encoder)
    if run.name == "reference":
        _load_reference(network)
        if not params.reference.steps:
            save_model(output, run.spec, network)
            return [{"step": 0.0}]
    if run.name == "seed":
        section = "training.seed_net"
        steps = params.seed_net.steps
        module = SuperResolution(network, learning_rate=params.seed_net.learning_rate)
    else:
        section = "training.reference" if run.name == "reference" else "training"
        schedule = params.reference if run.name == "reference" else params
        steps = schedule.steps
        module = SuperResolution(
            network,
            learning_rate=schedule.learning_rate,
            weight_decay=params.weight_decay,
            warmup_steps=round(params.warmup_fraction * steps),
            total_steps=steps,
            text_head=_text_head(run, network),
            text_weight=params.text_weight,
            recogniser=None if run.recogniser is None else load_recogniser(run.recogniser),
            reading_weight=params.reading_weight,
            reading_blend=params.reading_blend,
            seed=run.params.seed,
            reading_from=0 if run.name == "reference" else round(params.reading_from * steps),
        )
    state, curves = fit(
        module,
        ResizedBatches(
            make_batches(
                run.params,
                run.dataset,
                batch_size=params.batch_size,
                seed=run.params.seed,
                own=run.own,
                domains=run.domains,
            ),
            params.resizing,
            run.params.seed,
        ),
        steps=steps,
        checkpoint_every=params.checkpoint_every_steps,
        checkpoints=run.checkpoints,
        section=section,
        seed=run.params.seed,
        devices=devices,
        precision=choose_precision(run.params.compute.precision),
        gradient_clip=params.gradient_clip,
        ema_decay=None if run.name == "seed" else params.ema_decay,
        validation=whole_batches(
            run.dataset / "val", batch_size=32, scale=run.spec.scale, limit=VALIDATION_LINES
        ),
        on_metrics=on_metrics,
    )
    if not follows():
        module.load_state_dict(state)
        save_model(output, run.spec, network)
    return curves


def _text_head(run: TrainingRun, network: nn.Module) -> TextHead | None:
    """Return a head over the characters trained on, if letters are to be asked for.

    Only the text encoder has frames narrow enough to tell letters apart.
    """
    if run.spec.encoder != "text" or not run.params.training.text_weight:
        return None
    assert isinstance(network, UpsamplerNet)
    encoder = cast(Encoder, network.encoder)
    folders = training_folders(run.params, run.dataset, run.domains)
    return TextHead(encoder.channels[-1], training_alphabet(folders))


def _grown(spec: ModelSpec, params: Params) -> ModelSpec:
    """Return the package's specification with as many blocks as `training.reference` wants.

    Raises:
        TextsrError: if it wants fewer than there are, more that would not be trained, or too many.
    """
    section = params.training.reference
    changes: dict[str, float | int] = {"scale": params.synthesis.scale, "blend": 1.0}
    always = {"coarse_blocks": COARSE_BLOCKS, "sequence_blocks": SEQUENCE_BLOCKS}
    for name, usual in always.items():
        there, wanted = getattr(spec, name) or usual, getattr(section, name)
        if wanted is None or wanted == there:
            continue
        if wanted > MAX_BLOCKS:
            raise TextsrError(f"training.reference.{name} {wanted}: lower it to {MAX_BLOCKS}")
        if wanted < there or not section.steps:
            raise TextsrError(
                f"training.reference.{name} {wanted}: the package's network has {there}, which may "
                "become more where it is trained further; raise it and set "
                "training.reference.steps, or set it to null"
            )
        changes[name] = wanted
    return spec.model_copy(update=changes)


def _load_reference(network: nn.Module) -> None:
    """Take over the package's weights; for another scale, all but the last layer.

    Blocks that it lacks change nothing at first.
    """
    mine, state = network.state_dict(), load_reference().network.state_dict()
    fitting = {name: value for name, value in state.items() if value.shape == mine[name].shape}
    network.load_state_dict(fitting, strict=False)
    for name, block in network.named_modules():
        if isinstance(block, ResidualBlock) and f"{name}.body.0.weight" not in state:
            block.become_identity()


def load_encoder(network: UpsamplerNet, folder: Path) -> None:
    """Replace the encoder's fresh weights by pretrained ones.

    Raises:
        TextsrError: if the file is missing, damaged, of another architecture or width, or not all
            weights are finite.
    """
    path = folder / ENCODER_WEIGHTS
    try:
        network.encoder.load_state_dict(read_weights(path, network.encoder.state_dict()))
    except Exception as error:
        raise TextsrError(
            f"{path}: not an encoder for this network ({error}); "
            "remake it with `dvc repro pretrain`"
        ) from error
