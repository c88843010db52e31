"""Where the batches of a training come from."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from textsr.config.params import DATASET, Params
from textsr.config.streams import Stream
from textsr.datasets.cached import CachedBatches
from textsr.datasets.pairs import Batch, PairBatches, shuffled_pairs
from textsr.datasets.shards import alphabet_of, iterate_rows
from textsr.datasets.stream import ShuffledLines
from textsr.errors import TextsrError


class MixedBatches:
    """Batches of several sets in turns: so many of each in a round, shuffled anew each round.

    Each set's own batches come in their own order, none left out.
    """

    def __init__(self, sets: Sequence[tuple[int, Callable[[int], Batch]]], seed: int) -> None:
        """Mix `sets`, each with its turns a round, in an order drawn by `seed`."""
        self._sets = sets
        self._turns = np.repeat(np.arange(len(sets)), [turns for turns, _ in sets])
        self._seed = seed

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step."""
        round_, place = divmod(step, len(self._turns))
        order = Stream.MIXTURE.generator(self._seed, round_).permutation(self._turns)
        number = int(order[place])
        turns, batches = self._sets[number]
        return batches(round_ * turns + int(np.count_nonzero(order[:place] == number)))


def training_folders(params: Params, dataset: Path, extra_datasets: Path | None) -> dict[str, Path]:
    """Return the folders of the training splits that take part, by the names in the mixture."""
    folders = {DATASET: dataset / "train"}
    if extra_datasets is not None:
        folders |= {name: extra_datasets / name / "train" for name in sorted(params.extra_datasets)}
    return folders


def training_alphabet(folders: Mapping[str, Path]) -> str:
    """Return every character of the texts in `training_folders`, sorted."""
    return "".join(sorted(set().union(*map(alphabet_of, folders.values()))))


def make_batches(
    params: Params,
    dataset: Path,
    *,
    batch_size: int,
    seed: int,
    imported: Path | None = None,
    extra_datasets: Path | None = None,
) -> Callable[[int], Batch]:
    """Return the batch of each step, out of the training splits of all datasets.

    Args:
        params: the whole of params.yaml.
        dataset: folder of the synthetic splits.
        batch_size: lines a batch.
        seed: of what is drawn beside the order of streamed lines.
        imported: folder of the splits of the imported pairs, if there are any; they join the
            dataset's batches.
        extra_datasets: folder of the extra datasets, mixed in as `training.mixture` says; None: the
            dataset alone.

    Raises:
        TextsrError: if a folder's lines are of another scale or height than params.yaml says,
            imported pairs are to be cached in memory, or there is less than a batch of lines.
    """
    imported_lines = None
    if imported is not None:
        # Where nothing is imported, there is a split of no rows.
        imported_lines = shuffled_pairs(
            imported / "train", params.training.shuffle_buffer_rows, params.seed
        )
    folders = training_folders(params, dataset, extra_datasets)
    for name, folder in folders.items():
        _require_drawn_by(params if name == DATASET else params.extra_dataset(name), folder)
    sets = [
        (
            params.training.mixture.get(name, 1),
            _batches(params, folder, batch_size, seed, imported_lines if name == DATASET else None),
        )
        for name, folder in folders.items()
    ]
    return sets[0][1] if len(sets) == 1 else MixedBatches(sets, seed)


def _require_drawn_by(params: Params, folder: Path) -> None:
    """Require the scale and height of params.yaml: a stage run by hand may find older lines."""
    first = next(iterate_rows(folder, ["scale", "lr_height"], 1), None)
    if first is None:
        raise TextsrError(
            f"{folder}: no lines; draw them with `dvc repro synthesize extra_datasets`"
        )
    found = (first["scale"], first["lr_height"])
    wanted = (params.synthesis.scale, params.synthesis.lr_height)
    if found != wanted:
        raise TextsrError(
            f"{folder}: lines {found[1]} LR pixels high, of scale {found[0]}, and params.yaml says "
            f"{wanted[1]} and {wanted[0]}; draw them anew with "
            "`dvc repro synthesize extra_datasets`"
        )


def _batches(
    params: Params, folder: Path, batch_size: int, seed: int, imported: ShuffledLines | None
) -> Callable[[int], Batch]:
    training, synthesis = params.training, params.synthesis
    if training.cache_in_memory:
        if imported:
            raise TextsrError(
                "training.cache_in_memory: synthetic lines alone are cached, and there are "
                "imported pairs; set it to false"
            )
        return CachedBatches(
            folder,
            batch_size=batch_size,
            scale=synthesis.scale,
            seed=seed,
            max_shift=training.max_shift_px,
        )
    return PairBatches(
        shuffled_pairs(folder, training.shuffle_buffer_rows, params.seed),
        batch_size=batch_size,
        max_size=(synthesis.lr_height, synthesis.max_lr_width),
        scale=synthesis.scale,
        seed=seed,
        max_shift=training.max_shift_px,
        imported=imported,
        imported_fraction=training.imported_fraction,
    )
