"""What a super-resolution network is trained for, and how it is optimised."""

from typing import Any

import torch
import torch.nn.functional as F
from lightly.utils.scheduler import CosineWarmupScheduler
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from textsr.datasets.pairs import Batch


class SuperResolution(LightningModule):
    """Mean squared error against HR, with AdamW or, as in the article, plain Adam.

    Losses that sharpen (L1 with a gradient term) raised neither reader's accuracy over this one at
    equal training; the posterior mean is the honest guess where a stroke cannot be known.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        learning_rate: float,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
        total_steps: int | None = None,
    ) -> None:
        """With `total_steps`, warm up linearly, then fall along a cosine; else stay constant."""
        super().__init__()
        self.network = network
        self._learning_rate = learning_rate
        self._weight_decay = weight_decay
        self._warmup_steps = warmup_steps
        self._total_steps = total_steps

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the mean squared error of a batch."""
        loss = F.mse_loss(self.network(batch.lr), batch.hr)
        self.log("train_mse", loss, on_step=False, on_epoch=True, batch_size=len(batch.lr))
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Log the mean PSNR of a batch in dB."""
        upscaled = self.network(batch.lr).clamp(0, 1)
        mse = (upscaled - batch.hr).square().mean((1, 2, 3))
        psnr = (-10 * torch.log10(mse.clamp_min(1e-10))).mean()
        self.log("val_psnr_db", psnr, prog_bar=True, batch_size=len(batch.lr))

    def configure_optimizers(self) -> Any:
        """Return the optimiser and its schedule."""
        if self._total_steps is None:
            return torch.optim.Adam(self.network.parameters(), lr=self._learning_rate)
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=self._learning_rate, weight_decay=self._weight_decay
        )
        schedule = CosineWarmupScheduler(optimizer, self._warmup_steps, self._total_steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]
