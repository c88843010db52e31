"""The `train` stage."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn

from textsr import pretrained
from textsr.compute import use_threads
from textsr.config.closure import code_behind
from textsr.config.params import MODELS, Params
from textsr.datasets.pairs import whole_batches
from textsr.datasets.resizing import ResizedBatches
from textsr.errors import TextsrError
from textsr.files import fingerprint
from textsr.models.blocks import ResidualBlock
from textsr.models.ctc_head import CTCHead
from textsr.models.encoder import Encoder
from textsr.models.package import build_network, save_model
from textsr.models.recognizer import load_recognizer
from textsr.models.spec import MAX_BLOCKS, ModelSpec, read_spec
from textsr.models.text_encoder import COARSE_BLOCKS, SEQUENCE_BLOCKS
from textsr.models.upsampler import UpsamplerNet
from textsr.models.weights import read_weights
from textsr.pretrained import load_pretrained
from textsr.training.batches import make_batches, training_alphabet, training_folders
from textsr.training.fitting import (
    VALIDATION_LINES,
    OnMetrics,
    checkpoint_folder,
    choose_precision,
    fit,
    is_rank_zero,
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
    imported: Path | None
    extra_datasets: Path | None
    encoder: Path | None
    recognizer: Path | None
    checkpoints: Path


def plan_training(
    name: str,
    params: Params,
    dataset: Path,
    imported: Path | None,
    encoders: Path,
    recognizer: Path | None = None,
    extra_datasets: Path | None = None,
) -> TrainingRun:
    """Decide what training `name` means.

    Args:
        name: `srcnn_transposed`, `scratch`, `simclr`, `byol` or `pretrained`.
        params: the whole of params.yaml.
        dataset: folder of the synthetic splits.
        own: folder of the splits of the user's pairs, if there are any.
        encoders: folder of pretrained encoders, one a method.
        recognizer: folder of our own recognizer, asked if `training.recognition_loss.weight` says
            so.
        extra_datasets: folder of the extra datasets, for `training.mixture`; None: none.

    Raises:
        TextsrError: if there is no such model, or `training.pretrained` asks for impossible blocks.
    """
    if name not in MODELS:
        raise TextsrError(f"{name}: no such model; choose one of {', '.join(MODELS)}")
    encoder = encoders / name / "encoder" if name in ("simclr", "byol") else None
    if name == "srcnn_transposed":
        spec = ModelSpec(name=name, architecture="srcnn_transposed", scale=params.synthesis.scale)
    elif name == "pretrained":
        spec = _grown(read_spec(pretrained.FOLDER), params)
    else:
        spec = ModelSpec(
            name=name,
            architecture="upsampler",
            scale=params.synthesis.scale,
            encoder=params.pretraining.encoder,
            width=params.training.width,
        )
    folders = training_folders(params, dataset, extra_datasets)
    depends = [*folders.values(), *code_behind(__name__)]
    described = f"{name} {params.seed} {params.training.model_dump_json()} {spec}"
    recognizer = (
        recognizer
        if params.training.recognition_loss.weight and name != "srcnn_transposed"
        else None
    )
    weights = pretrained.FOLDER if name == "pretrained" else None
    ours = imported and imported / "train"
    depends += [path for path in (encoder, weights, ours, recognizer) if path]
    checkpoints = checkpoint_folder(f"train-{name}", fingerprint(described, depends))
    return TrainingRun(
        name, spec, params, dataset, imported, extra_datasets, encoder, recognizer, checkpoints
    )


def run_training(run: TrainingRun, output: Path, on_metrics: OnMetrics) -> list[dict[str, float]]:
    """Train, write the model's folder to `output`, return the curves.

    A process that is not rank zero (see `textsr.training.fitting.fit`) writes nothing.

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
    if run.name == "pretrained":
        _load_pretrained(network)
        if not params.pretrained.steps:
            save_model(output, run.spec, network)
            return [{"step": 0.0}]
    if run.name == "srcnn_transposed":
        section = "training.srcnn_transposed"
        steps = params.srcnn_transposed.steps
        module = SuperResolution(network, learning_rate=params.srcnn_transposed.learning_rate)
    else:
        section = "training.pretrained" if run.name == "pretrained" else "training"
        schedule = params.pretrained if run.name == "pretrained" else params
        steps = schedule.steps
        module = SuperResolution(
            network,
            learning_rate=schedule.learning_rate,
            weight_decay=params.weight_decay,
            warmup_steps=round(params.warmup_fraction * steps),
            total_steps=steps,
            ctc_head=_ctc_head(run, network),
            ctc_loss_weight=params.ctc_loss_weight,
            recognizer=None if run.recognizer is None else load_recognizer(run.recognizer),
            recognition_weight=params.recognition_loss.weight,
            recognition_blend_range=params.recognition_loss.blend_range,
            seed=run.params.seed,
            recognition_start_step=0
            if run.name == "pretrained"
            else round(params.recognition_loss.start_fraction * steps),
        )
    state, curves = fit(
        module,
        ResizedBatches(
            make_batches(
                run.params,
                run.dataset,
                batch_size=params.batch_size,
                seed=run.params.seed,
                imported=run.imported,
                extra_datasets=run.extra_datasets,
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
        ema_decay=None if run.name == "srcnn_transposed" else params.ema_decay,
        validation=whole_batches(
            run.dataset / "val", batch_size=32, scale=run.spec.scale, limit=VALIDATION_LINES
        ),
        on_metrics=on_metrics,
    )
    if is_rank_zero():
        module.load_state_dict(state)
        save_model(output, run.spec, network)
    return curves


def _ctc_head(run: TrainingRun, network: nn.Module) -> CTCHead | None:
    """Return a head over the characters trained on, if letters are to be asked for.

    Only the text encoder has frames narrow enough to tell letters apart.
    """
    if run.spec.encoder != "text" or not run.params.training.ctc_loss_weight:
        return None
    assert isinstance(network, UpsamplerNet)
    encoder = cast(Encoder, network.encoder)
    folders = training_folders(run.params, run.dataset, run.extra_datasets)
    return CTCHead(encoder.channels[-1], training_alphabet(folders))


def _grown(spec: ModelSpec, params: Params) -> ModelSpec:
    """Return the package's specification with as many blocks as `training.pretrained` wants.

    Raises:
        TextsrError: if it wants fewer than there are, more that would not be trained, or too many.
    """
    section = params.training.pretrained
    changes: dict[str, float | int] = {"scale": params.synthesis.scale, "blend": 1.0}
    always = {"coarse_blocks": COARSE_BLOCKS, "sequence_blocks": SEQUENCE_BLOCKS}
    for name, usual in always.items():
        there, wanted = getattr(spec, name) or usual, getattr(section, name)
        if wanted is None or wanted == there:
            continue
        if wanted > MAX_BLOCKS:
            raise TextsrError(f"training.pretrained.{name} {wanted}: lower it to {MAX_BLOCKS}")
        if wanted < there or not section.steps:
            raise TextsrError(
                f"training.pretrained.{name} {wanted}: the network has {there}, which may "
                "become more where it is trained further; raise it and set "
                "training.pretrained.steps, or set it to null"
            )
        changes[name] = wanted
    return spec.model_copy(update=changes)


def _load_pretrained(network: nn.Module) -> None:
    """Take over the pretrained weights; for another scale, all but the last layer.

    Blocks that it lacks change nothing at first.
    """
    mine, state = network.state_dict(), load_pretrained().network.state_dict()
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
