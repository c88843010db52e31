"""What a dataset holds out must not be trained on by way of another."""

from pathlib import Path

from textsr.datasets.shards import read_table
from textsr.errors import TextsrError
from textsr.validation.census import text_key

_NAMED = 5


def require_held_out(training: Path, dataset: Path) -> None:
    """Require that no text or font family of `dataset`'s val and test is in a training split.

    Args:
        training: folder of the shards of a training split.
        dataset: folder of `val/` and `test/`.

    Raises:
        TextsrError: if one is; the message names up to five.
    """
    drawn = read_table(training, ["text", "font_family"])
    texts = {text_key(text) for text in drawn["text"].unique().to_pylist()}
    families = set(drawn["font_family"].unique().to_pylist())
    for split in ("val", "test"):
        held_out = read_table(dataset / split, ["text", "font_family"])
        found = {
            "texts": texts & {text_key(text) for text in held_out["text"].to_pylist()},
            "font families": families & set(held_out["font_family"].to_pylist()),
        }
        for what, shared in found.items():
            if shared:
                named = ", ".join(repr(value) for value in sorted(shared)[:_NAMED])
                raise TextsrError(
                    f"{training}: {len(shared)} {what} of {dataset / split} are in it, such as "
                    f"{named}; a model trained on it cannot be judged there. Draw both by the same "
                    "version of textsr and the same fonts"
                )
