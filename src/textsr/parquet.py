"""Reading Parquet that the stages wrote, and what to say where it is damaged."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from textsr.config import project
from textsr.errors import TextsrError, shorten

# The stages that write below a folder.
_WRITTEN_BY = {
    project.DATASET: "synthesize",
    project.PARTS: "part",
    project.EXTRA_DATASETS: "extra_datasets",
    project.IMPORTED: "ingest",
    project.EVALUATION: "baselines evaluate",
}


def remedy(path: Path | str) -> str:
    """Return how to come by a file of a stage again."""
    parts = Path(path).parts
    made = (stages for folder, stages in _WRITTEN_BY.items() if folder.name in parts)
    return (
        "restore it with `dvc checkout`, or make it anew with "
        f"`dvc repro -f {next(made, 'synthesize')}`"
    )


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Name the file where reading it fails in the block.

    Raises:
        TextsrError: if it is missing or not Parquet, is truncated, or lacks a column asked for.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise TextsrError(f"{path}: not a file; {remedy(path)}")
        yield
    except FileNotFoundError as error:
        raise TextsrError(f"{path}: no such file; {remedy(path)}") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> TextsrError:
    """Return what to raise for a file whose reading failed."""
    said = shorten(" ".join(str(error).split()))
    return TextsrError(f"{path}: not a readable Parquet file ({said}); {remedy(path)}")


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read the named columns, or all, of a file.

    Raises:
        TextsrError: as `readable` does.
    """
    with readable(path):
        return pq.read_table(path, columns=None if columns is None else list(columns))


def count_rows(path: Path) -> int:
    """Return how many rows a file has, by its footer.

    Raises:
        TextsrError: as `readable` does.
    """
    with readable(path):
        return int(pq.read_metadata(path).num_rows)


def read_frame(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a file that has these columns, among others.

    Raises:
        TextsrError: as `readable` does.
    """
    table = read_table(path)
    require_columns(path, table.schema, columns)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def require_columns(path: Path, schema: pa.Schema, columns: Sequence[str]) -> None:
    """Require that a file has these columns, among others.

    Raises:
        TextsrError: if it lacks one.
    """
    missing = [name for name in columns if name not in schema.names]
    if missing:
        raise TextsrError(f"{path}: has no column {', '.join(missing)}; {remedy(path)}")
