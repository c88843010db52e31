"""What a super-resolution network is trained for, and how it is optimised."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from lightly.utils.scheduler import CosineWarmupScheduler
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from textsr.config.streams import Stream
from textsr.datasets.pairs import Batch
from textsr.models.bicubic import bicubic
from textsr.models.ctc_head import CTCHead
from textsr.models.encoder import Encoder
from textsr.models.recognizer import Recognizer
from textsr.models.upsampler import UpsamplerNet

_CEILING = 6.0  # of the recognizer's loss: a line that it cannot read has nothing to teach


class SuperResolution(LightningModule):
    """Mean squared error against HR, with AdamW or, as in the article, plain Adam.

    With a `ctc_head`, the encoder's frames must also spell the line: CTC's loss is added. With a
    `recognizer`, a frozen recognizer must be able to read the output (TBSRN, Chen et al. 2021,
    section 3.3, and TPGSR, Ma et al. 2021, use such losses); no engine that judges is ever one.
    Losses that sharpen (L1 with a gradient term) raised neither recognizer's accuracy at equal
    training; the posterior mean is the honest guess where a stroke cannot be known, and what the
    line says is what narrows the posterior.

    With a `teacher`, the output must come close to that of a larger network, too (Hinton et al.
    2015, on the outputs): of the lines that could be meant, the teacher knows the mean, HR is one.
    It is asked of lines with a text alone, so that what it adds to paper is not learned.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        learning_rate: float,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
        total_steps: int | None = None,
        ctc_head: CTCHead | None = None,
        ctc_loss_weight: float = 0.0,
        recognizer: Recognizer | None = None,
        recognition_weight: float = 0.0,
        recognition_blend_range: tuple[float, float] = (1.0, 1.0),
        recognition_start_step: int = 0,
        teacher: nn.Module | None = None,
        distillation_weight: float = 0.0,
        seed: int = 0,
    ) -> None:
        """With `total_steps`, warm up linearly, then fall along a cosine; else stay constant.

        Args:
            network: maps LR to HR; an `UpsamplerNet` with the text encoder if there is a head.
            learning_rate: the highest.
            weight_decay: of AdamW.
            warmup_steps: steps until the highest rate.
            total_steps: steps in all.
            ctc_head: reads the encoder's frames.
            ctc_loss_weight: of CTC's loss a character, in units of mean squared error.
            recognizer: a frozen recognizer of the output.
            recognition_weight: of its loss a character, in the same units.
            recognition_blend_range: range of the output's weight against bicubic's in what it is
                shown, as evaluation blends them; a weight a line.
            recognition_start_step: step from which it is asked.
            teacher: maps LR to HR; stays as it is.
            distillation_weight: of the mean squared error against its output.
            seed: of the weights of the blend.
        """
        super().__init__()
        self.network = network
        self.ctc_head = ctc_head
        self._ctc_loss_weight = ctc_loss_weight
        # In a tuple, it is no part of what is trained, averaged and saved.
        self._recognizers = () if recognizer is None else (recognizer.folded(),)
        self._teachers = () if teacher is None else (teacher.eval().requires_grad_(False),)
        self._distillation_weight = distillation_weight
        self._recognition_weight = recognition_weight
        self._recognition_blend_range = recognition_blend_range
        self._recognition_start_step = recognition_start_step
        self._seed = seed
        self._learning_rate = learning_rate
        self._weight_decay = weight_decay
        self._warmup_steps = warmup_steps
        self._total_steps = total_steps

    def on_fit_start(self) -> None:
        """Bring the frozen networks to where the trained one is."""
        for frozen in (*self._recognizers, *self._teachers):
            frozen.to(self.device).to(memory_format=torch.channels_last)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the loss of a batch.

        A line without a text, such as a part of one or empty paper, counts for its pixels alone.
        The losses of text are divided by all lines, so that a line weighs the same whatever else is
        in its batch.
        """
        upscaled, frames = self._upscale(batch)
        loss = F.mse_loss(upscaled, batch.hr)
        self._log("train_mse", loss, batch)
        for teacher in self._teachers:
            legible = torch.tensor([bool(text) for text in batch.texts], device=upscaled.device)
            with torch.no_grad():
                taught = teacher(batch.lr[legible])
            distance = (upscaled[legible] - taught).square().sum() / upscaled.numel()
            self._log("train_teacher_mse", distance, batch)
            loss = loss + self._distillation_weight * distance
        texts = list(batch.texts)
        if self.ctc_head is not None:
            losses = self.ctc_head.losses(frames, texts, self._frame_counts(batch))
            spelling = losses.sum() / len(texts)
            self._log("train_ctc", spelling, batch)
            loss = loss + self._ctc_loss_weight * spelling
        if self._recognizers and self.global_step >= self._recognition_start_step:
            scale = batch.hr.shape[-1] // batch.lr.shape[-1]
            widths = [width * scale for width in batch.widths]
            shown = self._blended(batch, upscaled, scale)
            losses = self._recognizers[0].losses(shown, texts, widths).clamp_max(_CEILING)
            reading = losses.sum() / len(texts)
            self._log("train_reading", reading, batch)
            loss = loss + self._recognition_weight * reading
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Log the mean PSNR of a batch in dB and the share of lines that the head can read."""
        upscaled, frames = self._upscale(batch)
        if self.ctc_head is not None:
            read = self.ctc_head.read(frames, self._frame_counts(batch))
            right = [a == b for a, b in zip(read, batch.texts, strict=True)]
            self.log("val_text", sum(right) / len(right), batch_size=len(right))
        scale = batch.hr.shape[-1] // batch.lr.shape[-1]
        wide = torch.tensor(batch.widths, device=batch.lr.device).view(-1, 1, 1, 1) * scale
        shown = torch.arange(batch.hr.shape[-1], device=batch.lr.device) < wide
        errors = (upscaled.clamp(0, 1) - batch.hr).square() * shown
        mse = errors.sum((1, 2, 3)) / (shown.sum((1, 2, 3)) * batch.hr.shape[2])
        psnr = (-10 * torch.log10(mse.clamp_min(1e-10))).mean()
        self.log("val_psnr_db", psnr, prog_bar=True, batch_size=len(batch.lr))

    def configure_optimizers(self) -> Any:
        """Return the optimiser and its schedule."""
        if self._total_steps is None:
            return torch.optim.Adam(self.parameters(), lr=self._learning_rate)
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=self._learning_rate, weight_decay=self._weight_decay
        )
        schedule = CosineWarmupScheduler(optimizer, self._warmup_steps, self._total_steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def _log(self, name: str, value: Tensor, batch: Batch) -> None:
        # Of all devices' parts, which are equal in size.
        self.log(
            name, value, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(batch.lr)
        )

    def _upscale(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the output and the frames, which are the input where none are asked for."""
        if self.ctc_head is None:
            return self.network(batch.lr), batch.lr
        return cast(UpsamplerNet, self.network).upscale(batch.lr)

    def _blended(self, batch: Batch, upscaled: Tensor, scale: int) -> Tensor:
        """Blend the output with bicubic's by weights that are a function of the step."""
        low, high = self._recognition_blend_range
        if low == high == 1:
            return upscaled
        # Drawn for the whole batch, of which this process may have a part.
        parts, number = (self.trainer.world_size, self.global_rank) if self._trainer else (1, 0)
        rng = Stream.BLEND.generator(self._seed, self.global_step)
        drawn = rng.uniform(low, high, parts * len(upscaled))[number::parts]
        weights = torch.from_numpy(drawn).to(upscaled).view(-1, 1, 1, 1)
        return torch.lerp(bicubic(batch.lr, scale), upscaled, weights)

    def _frame_counts(self, batch: Batch) -> list[int]:
        _, frame_px = cast(Encoder, cast(UpsamplerNet, self.network).encoder).strides[-1]
        return [-(-width // frame_px) for width in batch.widths]
