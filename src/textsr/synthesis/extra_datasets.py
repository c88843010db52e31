"""ExtraDatasets: further datasets to train on, drawn by `synthesis` with changes.

Lines of another height, words on signs, receipts alone. Their training splits join the dataset's,
as `training.mixture` says; what judges models is the dataset alone.
"""

import shutil
from pathlib import Path

from textsr.config.params import Params
from textsr.errors import TextsrError
from textsr.files import write_json
from textsr.progress import Progress
from textsr.synthesis.shards import Part, count_rows, write_dataset


def write_extra_datasets(params: Params, data: Path, output: Path, start: Progress) -> None:
    """Draw every extra dataset into `NAME/` under `output`, as `write_dataset` draws a dataset.

    Beside them `extra_datasets.json` tells what each was drawn by. Folders of extra datasets that
    are no more are removed.

    Args:
        params: the whole of params.yaml.
        data: folder of source material.
        output: folder of the extra datasets.
        start: starts showing progress.

    Raises:
        TextsrError: if an extra dataset cannot be drawn; the message names it.
    """
    for folder in output.iterdir() if output.is_dir() else ():
        if folder.is_dir() and folder.name not in params.extra_datasets:
            shutil.rmtree(folder)
    drawn = {}
    for name in params.extra_datasets:
        imported = params.extra_dataset(name)
        try:
            advance = start(f"{name}: lines", count_rows(imported, Part(1, 1)))
            write_dataset(imported, data, output / name, advance)
        except TextsrError as error:
            raise TextsrError(f"extra_datasets.{name}: {error}") from error
        drawn[name] = imported.synthesis.model_dump(mode="json")
    write_json(output / "extra_datasets.json", drawn)
