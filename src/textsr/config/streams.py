"""The random streams: what is drawn with the seeds of params.yaml, each by a number of its own.

A generator is seeded by a seed, a stream's number and counters, such as the step of a training.
What is drawn for a step is the same, in whatever order steps are made. The numbers are part of
every result. They stay as they are, and a new stream takes one that none ever had (7 was one).

Some draws share a generator, since NumPy takes counters that are missing for zero, and since the
lines of a split are drawn by the split's place in `SPLITS`, 0 to 2. That is told at the stream. It
is harmless: what is drawn differs in kind or in size, so that no choice can be told from another.
"""

from enum import IntEnum, unique

import numpy as np


@unique
class Stream(IntEnum):
    """What is drawn. Seeded by `seed`, unless `synthesis.seed` is named."""

    BATCH = 1
    """Shifts, polarity and parts of a batch's lines, by the step. Where `seed` and `synthesis.seed`
    are the same, the generator of step k also drew line k of val."""
    ORDER = 2
    """Order of lines: by the epoch where all are shuffled at once, by epoch and window where they
    are streamed. So the former is the generator of window 0, over another number of lines.
    Where `seed` and `synthesis.seed` are the same, that of epoch k also drew line k of test."""
    VIEWS = 3
    """Crops and views of a batch in pretraining, by the step."""
    REAL_LR = 4
    """Degradation of a real HR image to be judged on, by its number (`synthesis.seed`)."""
    IMPORTED_LR = 5
    """Degradation of an imported HR image to be trained on, by its name (`synthesis.seed`)."""
    SHARDS = 6
    """Order of shards in an epoch, where lines are streamed, by the epoch."""
    POOL = 8
    """Order of a pool's batches, which were sorted by width, by the pool."""
    RECOGNIZER = 9
    """Added to `seed` for the batches that the recognizer is trained on; no generator's own."""
    RESIZING = 10
    """Height that a batch is brought to, by the step."""
    MIXTURE = 11
    """Order of the sets' turns in a round, by the round."""
    BLEND = 12
    """Weights of the output against bicubic's in what the recognizer reads, by the step."""

    def generator(self, seed: int, *counters: int) -> np.random.Generator:
        """Return the generator of this stream for a seed and counters."""
        return np.random.default_rng([seed, int(self), *counters])
