"""The `pretrain` stage."""

from pathlib import Path

import torch
from torch import Tensor

from textsr.compute import use_threads
from textsr.config.closure import code_behind
from textsr.config.params import SSL_METHODS, Params
from textsr.config.streams import Stream
from textsr.datasets.pairs import (
    Batch,
    UnlabelledImages,
    centre_batches,
    crop,
    epoch_order,
    split_positions,
    to_tensor,
)
from textsr.datasets.stream import ShuffledLines
from textsr.errors import TextsrError
from textsr.files import fingerprint, replace_folder, write_json
from textsr.models.encoder import build_encoder
from textsr.models.weights import save_weights
from textsr.pretraining.objective import METHODS
from textsr.pretraining.probe import probe_reconstruction
from textsr.pretraining.views import make_view
from textsr.training.curves import write_curves
from textsr.training.fitting import (
    VALIDATION_LINES,
    checkpoint_folder,
    choose_precision,
    fit,
    forget_checkpoints,
)
from textsr.training.run import ENCODER_WEIGHTS

_PROBE_BATCH_SIZE = 64


class ViewBatches:
    """Two views of random crops of LR lines, synthetic and unlabelled images alike."""

    def __init__(self, lines: ShuffledLines, unlabelled: UnlabelledImages, params: Params) -> None:
        self._lines = lines
        self._unlabelled = unlabelled
        self._params = params

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the views of a step, each (B, 1, H, crop_width) in [0, 1]."""
        params, seed = self._params.pretraining, self._params.seed
        rng = Stream.VIEWS.generator(seed, step)
        share = len(self._unlabelled) / (len(self._lines) + len(self._unlabelled))
        synthetic, others = split_positions(step, params.batch_size, share)
        lines = [self._lines.decode("lr", position) for position in synthetic]
        lines += [
            self._unlabelled[epoch_order(seed, len(self._unlabelled), position)]
            for position in others
        ]
        crops = []
        for line in lines:
            left = int(rng.integers(0, max(line.shape[1] - params.crop_width, 0) + 1))
            crops.append(crop(line, 0, left, line.shape[0], params.crop_width))
        batch = to_tensor(crops)
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        return make_view(batch, generator), make_view(batch, generator)


def run_pretraining(
    method: str, params: Params, dataset: Path, unlabelled: Path, output: Path
) -> None:
    """Pretrain an encoder; write `encoder/`, `curves.csv` and `probe.json` under `output`.

    Args:
        method: `simclr` or `byol`.
        params: the whole of params.yaml.
        dataset: folder of the splits.
        unlabelled: folder of the user's LR images, used beside the synthetic ones.
        output: folder to write to.

    Raises:
        TextsrError: if there is no such method, an image cannot be read, or the training diverges.
    """
    if method not in METHODS:
        raise TextsrError(f"{method}: no such method; choose one of {', '.join(SSL_METHODS)}")
    use_threads(params.compute.threads)
    images = UnlabelledImages(unlabelled, params.synthesis.lr_height)
    width = params.training.width
    described = f"{method} {params.seed} {width} {params.pretraining.model_dump_json()}"
    run = fingerprint(described, [dataset / "train", unlabelled, *code_behind(__name__)])
    torch.manual_seed(params.seed)
    encoder = build_encoder(params.pretraining.encoder, width)
    untrained = {name: value.clone() for name, value in encoder.state_dict().items()}
    module = METHODS[method](encoder, params.pretraining)
    module.to(memory_format=torch.channels_last)
    lines = ShuffledLines(
        dataset / "train",
        ("lr",),
        window_rows=params.training.shuffle_buffer_rows,
        seed=params.seed,
    )
    state, curves = fit(
        module,
        ViewBatches(lines, images, params),
        steps=params.pretraining.steps,
        checkpoint_every=params.pretraining.checkpoint_every_steps,
        checkpoints=checkpoint_folder(f"pretrain-{method}", run),
        section="pretraining",
        seed=params.seed,
        precision=choose_precision(params.compute.precision),
    )
    module.load_state_dict(state)
    final = output / "encoder"
    with replace_folder(final) as folder:
        save_weights(encoder.state_dict(), folder / ENCODER_WEIGHTS, final=final / ENCODER_WEIGHTS)
    write_curves(output / "curves.csv", curves)

    fit_on, score_on = _probe_batches(params, dataset)
    encoder.eval()
    trained_r2 = probe_reconstruction(encoder, fit_on, score_on)
    encoder.load_state_dict(untrained)
    untrained_r2 = probe_reconstruction(encoder, fit_on, score_on)
    write_json(
        output / "probe.json",
        {
            "probe_r2": round(trained_r2, 4),
            "probe_r2_untrained": round(untrained_r2, 4),
            "own_images": len(images),
            **{name: round(value, 5) for name, value in curves[-1].items()},
        },
    )
    forget_checkpoints(f"pretrain-{method}")


def _probe_batches(params: Params, dataset: Path) -> tuple[list[Batch], list[Batch]]:
    fit_on, score_on = (
        centre_batches(
            dataset / split,
            batch_size=_PROBE_BATCH_SIZE,
            crop_width=params.pretraining.crop_width,
            scale=params.synthesis.scale,
            limit=VALIDATION_LINES,
        )
        for split in ("train", "val")
    )
    return fit_on, score_on
