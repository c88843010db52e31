"""The weights that come with the package, so that upscaling works at once.

`v4/` is a model folder as `textsr train` writes it, its numbers rounded to 8 bits, with the network
as ONNX (`textsr publish-onnx`), a `README.md` that says what it is, how it was made and what it can
do, and the very `params.yaml`.
`recognizer/` is, likewise, our own recognizer, which teaches and never judges.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # upscaling does without PyTorch
    from textsr.models.package import BlendedModel
    from textsr.models.recognizer import Recognizer

VERSION = "v4"
"""Of the weights, counted since the first that came with the package."""

FOLDER = Path(__file__).parent / VERSION
"""The model folder inside the installed package."""

TRAINED_ON = "316,000 synthetic lines of printed Latin text"
"""What the weights learned from; their `README.md` tells more."""

RECOGNIZER = Path(__file__).parent / "recognizer"
"""The recognizer's folder inside the installed package."""

NAME = "pretrained"
"""How the leaderboard calls it."""


def load_pretrained() -> "BlendedModel":
    """Load the pretrained weights, in evaluation mode, on the CPU, by PyTorch."""
    from textsr.models.package import load_model

    return load_model(FOLDER)


def model_files() -> list[Path]:
    """Return the files that `load_pretrained` reads: not the ONNX files, which lie beside them."""
    from textsr.models.package import FILES

    return [FOLDER / name for name in FILES]


def recognizer_files() -> list[Path]:
    """Return the files that `load_pretrained_recognizer` reads."""
    from textsr.models.recognizer import FILES

    return [RECOGNIZER / name for name in FILES]


def load_pretrained_recognizer(alphabet: str) -> "Recognizer":
    """Load the pretrained recognizer, to be trained further on the characters of `alphabet`.

    Those that it does not know are classes with fresh weights.
    """
    from textsr.models.recognizer import Recognizer, load_recognizer

    known = load_recognizer(RECOGNIZER)
    if set(alphabet) <= set(known.head.alphabet):
        return known.train().requires_grad_(True)
    recognizer = Recognizer("".join(sorted({*alphabet, *known.head.alphabet})))
    recognizer.body.load_state_dict(known.body.state_dict())
    recognizer.head.adopt(known.head)
    return recognizer
