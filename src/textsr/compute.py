"""How much of the machine to use."""

import os

import torch


def use_threads(threads: int, processes: int = 1) -> None:
    """Compute with so many threads; where `threads` is 0, with one a core for all `processes`."""
    torch.set_num_threads(threads or max((os.cpu_count() or 1) // processes, 1))
