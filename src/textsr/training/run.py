"""The `train` stage."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import nn

from textsr import pretrained
from textsr.compute import use_threads
from textsr.config.closure import code_behind
from textsr.config.params import Model, Params
from textsr.datasets.pairs import whole_batches
from textsr.datasets.resizing import ResizedBatches
from textsr.errors import TextsrError
from textsr.files import fingerprint
from textsr.models.blocks import ResidualBlock
from textsr.models.ctc_head import CTCHead
from textsr.models.encoder import Encoder
from textsr.models.narrowing import narrow
from textsr.models.package import build_network, count_parameters, save_model
from textsr.models.recognizer import load_recognizer
from textsr.models.spec import ModelSpec, read_spec
from textsr.models.text_encoder import COARSE_BLOCKS, SEQUENCE_BLOCKS
from textsr.models.upsampler import UpsamplerNet
from textsr.models.weights import read_weights
from textsr.pretrained import load_pretrained
from textsr.training.batches import make_batches, training_alphabet, training_folders
from textsr.training.cost import Cost
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

_NARROWING_LINES = 256  # of the validation split, from which channels are told apart


@dataclass(frozen=True)
class TrainingRun:
    """One training, before it runs: what will be trained, and where its checkpoints lie."""

    name: str
    settings: Model
    spec: ModelSpec
    params: Params
    dataset: Path
    imported: Path | None
    extra_datasets: Path | None
    encoder: Path | None
    recognizer: Path | None
    checkpoints: Path

    @property
    def steps(self) -> int:
        """How many steps it trains; 0: the weights it starts from are taken as they are."""
        own = self.settings.steps
        return self.params.training.steps if own is None else own


class Trained(NamedTuple):
    """What a training leaves beside its model.

    Attributes:
        curves: a row a checkpoint.
        cost: metrics of the whole training: `train_seconds`, `steps_done`, `parameters`, and
            `peak_memory_mb` where a step was done.
    """

    curves: list[dict[str, float]]
    cost: dict[str, float]


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
        name: of one of `models` in params.yaml.
        params: the whole of params.yaml.
        dataset: folder of the synthetic splits.
        imported: folder of the splits of the user's pairs, if there are any.
        encoders: folder of pretrained encoders, one a method.
        recognizer: folder of our own recognizer, asked if `training.recognition_loss.weight` says
            so.
        extra_datasets: folder of the extra datasets, for `training.mixture`; None: none.

    Raises:
        TextsrError: if there is no such model, or the pretrained weights cannot have its blocks.
    """
    if name not in params.models:
        raise TextsrError(f"{name}: no such model; choose one of {', '.join(params.models)}")
    settings = params.models[name]
    encoder = encoders / settings.method / "encoder" if settings.method else None
    if not params.training.recognition_loss.weight or _is_srcnn(settings):
        recognizer = None
    spec = _spec(name, settings, params)
    folders = training_folders(params, dataset, extra_datasets)
    described = f"{name} {params.seed} {params.training.model_dump_json()} {settings} {spec}"
    weights = pretrained.model_files() if settings.is_pretrained else []
    ours = imported and imported / "train"
    depends = [*folders.values(), *code_behind(__name__), *weights]
    depends += [path for path in (encoder, ours, recognizer) if path]
    checkpoints = checkpoint_folder(f"train-{name}", fingerprint(described, depends))
    return TrainingRun(
        name,
        settings,
        spec,
        params,
        dataset,
        imported,
        extra_datasets,
        encoder,
        recognizer,
        checkpoints,
    )


def _spec(name: str, settings: Model, params: Params) -> ModelSpec:
    if settings.is_pretrained:
        return _resized(read_spec(pretrained.FOLDER), name, settings, params.synthesis.scale)
    if _is_srcnn(settings):
        return ModelSpec(
            name=name, architecture=settings.architecture, scale=params.synthesis.scale
        )
    return ModelSpec(
        name=name,
        architecture=settings.architecture,
        scale=params.synthesis.scale,
        encoder=params.pretraining.encoder,
        width=settings.width or params.training.width,
        coarse_blocks=settings.coarse_blocks,
        sequence_blocks=settings.sequence_blocks,
        expansion=settings.expansion,
    )


def _is_srcnn(settings: Model) -> bool:
    """Return whether a model is trained as its article does: nothing but Adam and the pixels."""
    return settings.architecture == "srcnn_transposed"


def run_training(run: TrainingRun, output: Path, on_metrics: OnMetrics) -> Trained:
    """Train, write the model's folder to `output`, return curves and cost.

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
    settings = run.settings
    if settings.is_pretrained:
        _load_pretrained(network, run)
    cost = Cost()
    if not run.steps:
        save_model(output, run.spec, network)
        return Trained([{"step": 0.0}], _as_metrics(cost, network))
    steps = run.steps
    learning_rate = settings.learning_rate or params.learning_rate
    if _is_srcnn(settings):
        module = SuperResolution(network, learning_rate=learning_rate)
    else:
        module = SuperResolution(
            network,
            learning_rate=learning_rate,
            weight_decay=params.weight_decay,
            warmup_steps=round(params.warmup_fraction * steps),
            total_steps=steps,
            ctc_head=_ctc_head(run, network),
            ctc_loss_weight=params.ctc_loss_weight,
            recognizer=None if run.recognizer is None else load_recognizer(run.recognizer),
            recognition_weight=params.recognition_loss.weight,
            recognition_blend_range=params.recognition_loss.blend_range,
            teacher=load_pretrained().network if settings.distillation_weight else None,
            distillation_weight=settings.distillation_weight or 0,
            seed=run.params.seed,
            recognition_start_step=0
            if settings.is_pretrained
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
        section="training" if settings.learning_rate is None else f"models.{run.name}",
        seed=run.params.seed,
        devices=devices,
        precision=choose_precision(run.params.compute.precision),
        gradient_clip=params.gradient_clip,
        ema_decay=None if _is_srcnn(settings) else params.ema_decay,
        validation=whole_batches(
            run.dataset / "val", batch_size=32, scale=run.spec.scale, limit=VALIDATION_LINES
        ),
        on_metrics=on_metrics,
        cost=cost,
    )
    if is_rank_zero():
        module.load_state_dict(state)
        save_model(output, run.spec, network)
    return Trained(curves, _as_metrics(cost, network))


def _as_metrics(cost: Cost, network: nn.Module) -> dict[str, float]:
    return cost.as_metrics() | {"parameters": count_parameters(network)}


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


def _resized(spec: ModelSpec, name: str, settings: Model, scale: Literal[2, 4]) -> ModelSpec:
    """Return the package's specification under a name, with the blocks that `settings` want.

    Raises:
        TextsrError: if they want fewer blocks than there are, wider ones, changes that would not be
            trained, too many blocks, or to be taught at another scale.
    """
    changes: dict[str, Any] = {"name": name, "scale": scale, "blend": 1.0, "blends": {}}
    if settings.distillation_weight and scale != spec.scale:
        raise TextsrError(
            f"models.{name}.distillation_weight: the weights that teach enlarge {spec.scale} "
            f"times, and synthesis.scale is {scale}; set it to null"
        )
    usual = {"coarse_blocks": COARSE_BLOCKS, "sequence_blocks": SEQUENCE_BLOCKS, "expansion": 1.0}
    for key, otherwise in usual.items():
        there, wanted = getattr(spec, key) or otherwise, getattr(settings, key)
        if wanted is None or wanted == there:
            continue
        shrinks = key == "expansion"
        if (wanted < there) != shrinks or settings.steps == 0:
            become, change = ("less", "lower") if shrinks else ("more", "raise")
            raise TextsrError(
                f"models.{name}.{key} {wanted}: the network has {there}, which may become {become} "
                f"where it is trained further; {change} it and set models.{name}.steps, or set it "
                "to null"
            )
        changes[key] = wanted
    return spec.model_copy(update=changes)


def _load_pretrained(network: nn.Module, run: TrainingRun) -> None:
    """Take over the pretrained weights; for another scale, all but the last layer.

    Narrower blocks get weights that come close. Blocks that it lacks change nothing at first.
    """
    package = load_pretrained()
    source = package.network
    if run.spec.expansion != package.spec.expansion:
        source = build_network(package.spec.model_copy(update={"expansion": run.spec.expansion}))
        lines = whole_batches(
            run.dataset / "val", batch_size=32, scale=run.spec.scale, limit=_NARROWING_LINES
        )
        images = [batch.lr for batch in lines]
        narrow(cast(UpsamplerNet, package.network), cast(UpsamplerNet, source), images)
    mine, state = network.state_dict(), source.state_dict()
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
