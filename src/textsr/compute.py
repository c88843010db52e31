"""How much of the machine to use."""

import os

import torch


def use_threads(threads: int) -> None:
    """Compute with so many threads, or with one a core where `threads` is 0."""
    torch.set_num_threads(threads or os.cpu_count() or 1)
