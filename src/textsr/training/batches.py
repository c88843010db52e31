"""Where the batches of a training come from."""

from collections.abc import Callable
from pathlib import Path

from textsr.datasets.pairs import Batch, PairBatches, shuffled_pairs
from textsr.datasets.resident import ResidentBatches
from textsr.errors import TextsrError
from textsr.params import Params


def make_batches(
    params: Params, dataset: Path, *, batch_size: int, seed: int, own: Path | None = None
) -> Callable[[int], Batch]:
    """Return the batch of each step, out of the training split.

    Args:
        params: the whole of params.yaml.
        dataset: folder of the synthetic splits.
        batch_size: lines a batch.
        seed: of what is drawn beside the order of streamed lines.
        own: folder of the splits of the user's pairs, if there are any.

    Raises:
        TextsrError: if own pairs are to be resident, or there is less than a batch of lines.
    """
    training, synthesis = params.training, params.synthesis
    # Where nothing is imported, there is a split of no rows.
    own_lines = None
    if own is not None:
        own_lines = shuffled_pairs(own / "train", training.shuffle_rows, params.seed)
    if training.resident:
        if own_lines:
            raise TextsrError(
                "training.resident: synthetic lines alone can be resident, and there are own "
                "pairs; set it to false"
            )
        return ResidentBatches(
            dataset / "train",
            batch_size=batch_size,
            scale=synthesis.scale,
            seed=seed,
            max_shift=training.max_shift_px,
        )
    return PairBatches(
        shuffled_pairs(dataset / "train", training.shuffle_rows, params.seed),
        batch_size=batch_size,
        max_size=(synthesis.lr_height, synthesis.max_lr_width),
        scale=synthesis.scale,
        seed=seed,
        max_shift=training.max_shift_px,
        own=own_lines,
        own_share=training.own_share,
    )
