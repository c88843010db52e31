"""The weights that come with the package, so that upscaling works at once.

`model/` is a model folder as `textsr train` writes it, its numbers at half precision, with a
`README.md` that says what it is, how it was made and what it can do, and the very `params.yaml`.
"""

from pathlib import Path

from textsr.models.package import BlendedModel, load_model

FOLDER = Path(__file__).parent / "model"
"""The model folder inside the installed package."""

NAME = "reference"
"""How the leaderboard calls it."""


def load_reference() -> BlendedModel:
    """Load the package's weights, in evaluation mode, on the CPU."""
    return load_model(FOLDER)
