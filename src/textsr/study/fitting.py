"""Super-resolution of a few pairs, trained until validation stops rising."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint
from torch.utils.data import DataLoader, IterableDataset

from textsr.datasets.pairs import Batch, crop, to_tensor
from textsr.images.grey import Image
from textsr.models.upsampler import UpsamplerNet
from textsr.study.settings import Study
from textsr.training.cost import Cost
from textsr.training.divergence import DivergenceGuard
from textsr.training.objective import SuperResolution

_EMA_DECAY = 0.99
_METRIC = "val_psnr_db"


class Crops(IterableDataset[Any]):
    """Batches without end of random crops of lines; half have ink and ground exchanged."""

    def __init__(
        self, pairs: Sequence[tuple[Image, Image]], batch: int, width: int, seed: int
    ) -> None:
        self._pairs = pairs
        self._batch = batch
        self._width = width
        self._seed = seed

    def __iter__(self) -> Any:
        rng = np.random.default_rng(self._seed)
        order = np.empty(0, int)
        while True:
            while len(order) < self._batch:
                order = np.concatenate([order, rng.permutation(len(self._pairs))])
            chosen, order = order[: self._batch], order[self._batch :]
            sides: tuple[list[Image], list[Image]] = [], []
            for number in chosen:
                lr, hr = self._pairs[number]
                scale = hr.shape[0] // lr.shape[0]
                left = int(rng.integers(0, max(lr.shape[1] - self._width, 0) + 1))
                flip = np.uint8(255 * rng.integers(2))
                sides[0].append(crop(lr, 0, left, lr.shape[0], self._width) ^ flip)
                wide = self._width * scale
                sides[1].append(crop(hr, 0, left * scale, hr.shape[0], wide) ^ flip)
            lr, hr = map(to_tensor, sides)
            yield Batch(lr, hr, ("",) * len(chosen), (self._width,) * len(chosen))


class _Curve(Callback):
    """The validations of a training: step and PSNR."""

    def __init__(self) -> None:
        self.points: list[tuple[int, float]] = []

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.points.append((trainer.global_step, float(trainer.callback_metrics[_METRIC])))
        print(  # noqa: T201
            f"step {trainer.global_step}, at most {trainer.max_steps}: "
            f"{_METRIC} {self.points[-1][1]:.4g}",
            flush=True,
        )


def train_until_it_stops(
    network: UpsamplerNet,
    pairs: Sequence[tuple[Image, Image]],
    validation: Sequence[Batch],
    study: Study,
    seed: int,
    cost: Cost,
) -> list[tuple[int, float]]:
    """Train a network in place; its weights end as they were at the best validation, averaged.

    Args:
        network: with its starting weights.
        pairs: LR and HR lines.
        validation: batches.
        study: what it compares.
        seed: of the order, the crops and the polarity.
        cost: measures the training.

    Returns:
        The step and the PSNR in dB of each validation.

    Raises:
        TextsrError: if the training diverges.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # hardware, and advertising
    seed_everything(seed, verbose=False)
    module = SuperResolution(network, learning_rate=study.learning_rate)
    curve = _Curve()
    with TemporaryDirectory() as folder:
        best = ModelCheckpoint(folder, monitor=_METRIC, mode="max")
        trainer = Trainer(
            accelerator="auto",
            max_steps=study.steps,
            val_check_interval=study.validate_every,
            check_val_every_n_epoch=None,
            callbacks=[
                EMAWeightAveraging(decay=_EMA_DECAY),
                DivergenceGuard("study", Path(folder) / "none", is_rank_zero=True),
                cost,
                curve,
                EarlyStopping(_METRIC, mode="max", patience=study.patience),
                best,
            ],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            gradient_clip_val=0.01,
        )
        with warnings.catch_warnings():
            # A batch is made in a few per cent of a step: worker processes gain nothing.
            warnings.filterwarnings("ignore", ".*does not have many workers.*")
            warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*")
            trainer.fit(
                module,
                DataLoader(Crops(pairs, study.batch, study.crop_width, seed), batch_size=None),
                DataLoader(validation, batch_size=None),  # type: ignore[arg-type]
            )
        state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"])
    return curve.points
