"""Stage `extra_datasets`: draw further lines to train on."""

from textsr.config import project
from textsr.config.params import Params
from textsr.progress import Progress
from textsr.synthesis.extra_datasets import write_extra_datasets


def extra_datasets(params: Params, start: Progress) -> None:
    """Draw the extra datasets."""
    write_extra_datasets(params, project.DATA, project.EXTRA_DATASETS, start)
