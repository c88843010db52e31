"""The weights that come with the package, so that upscaling works at once.

`model/` is a model folder as `textsr train` writes it, its numbers rounded to 16 or 8 bits, with a
`README.md` that says what it is, how it was made and what it can do, and the very `params.yaml`.
`recogniser/` is, likewise, our own reader, which teaches and never judges.
"""

from pathlib import Path

from textsr.models.package import BlendedModel, load_model
from textsr.models.recognizer import Recogniser, load_recogniser

FOLDER = Path(__file__).parent / "v4"
"""The model folder inside the installed package."""

RECOGNISER = Path(__file__).parent / "recognizer"
"""The reader's folder inside the installed package."""

NAME = "reference"
"""How the leaderboard calls it."""


def load_reference() -> BlendedModel:
    """Load the package's weights, in evaluation mode, on the CPU."""
    return load_model(FOLDER)


def load_reader(alphabet: str) -> Recogniser:
    """Load the package's reader, to be trained further on the characters of `alphabet`.

    Those that it does not know are classes with fresh weights.
    """
    known = load_recogniser(RECOGNISER)
    if set(alphabet) <= set(known.head.alphabet):
        return known.train().requires_grad_(True)
    reader = Recogniser("".join(sorted({*alphabet, *known.head.alphabet})))
    reader.body.load_state_dict(known.body.state_dict())
    reader.head.adopt(known.head)
    return reader
