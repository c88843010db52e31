"""Domains: further datasets to train on, drawn by `synthesis` with changes.

Lines of another height, words on signs, receipts alone. Their training splits join the dataset's,
as `training.mixture` says; what judges models is the dataset alone.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from textsr.config.params import Params
from textsr.errors import TextsrError
from textsr.files import write_json
from textsr.synthesis.shards import Part, count_rows, write_dataset


def write_domains(
    params: Params, data: Path, output: Path, start: Callable[[str, int], Callable[[int], None]]
) -> None:
    """Draw every domain into `NAME/` under `output`, as `write_dataset` draws a dataset.

    Beside them `domains.json` tells what each was drawn by. Folders of domains that are no more
    are removed.

    Args:
        params: the whole of params.yaml.
        data: folder of source material.
        output: folder of the domains.
        start: starts showing progress.

    Raises:
        TextsrError: if a domain cannot be drawn; the message names it.
    """
    for folder in output.iterdir() if output.is_dir() else ():
        if folder.is_dir() and folder.name not in params.domains:
            shutil.rmtree(folder)
    drawn = {}
    for name in params.domains:
        own = params.domain(name)
        try:
            advance = start(f"{name}: lines", count_rows(own, Part(1, 1)))
            write_dataset(own, data, output / name, advance)
        except TextsrError as error:
            raise TextsrError(f"domains.{name}: {error}") from error
        drawn[name] = own.synthesis.model_dump(mode="json")
    write_json(output / "domains.json", drawn)
