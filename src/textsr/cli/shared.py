"""What several verbs take and load."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textsr.config import project

if TYPE_CHECKING:
    from textsr.config.params import Params
    from textsr.models.package import BlendedModel

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A model folder or a models:/ URI; by default the champion, else the package's own.",
        show_default=False,
    ),
]

BlendOption = Annotated[
    float | None,
    typer.Option(
        help="Weight of the network's output, 0 to 1; the rest is bicubic's. By default the "
        "model's own. At 1 Tesseract gains more, and RapidOCR less.",
        min=0,
        max=1,
        show_default=False,
    ),
]


def read_params() -> "Params":
    """Read the project's params.yaml.

    Raises:
        TextsrError: if it is missing or not valid.
    """
    from textsr.config.params import load_params

    return load_params(project.PARAMS)


def load_blended(name: str | None, blend: float | None) -> "tuple[BlendedModel, str]":
    """Load a model by PyTorch, to be blended as told; return it and a sentence about it.

    Raises:
        TextsrError: if there is no such model.
    """
    import torch

    from textsr.inference.cores import granted_cores
    from textsr.models.package import BlendedModel, load_model
    from textsr.registry.resolve import resolve_model

    # PyTorch does not know of a container's quota.
    torch.set_num_threads(min(torch.get_num_threads(), granted_cores()))
    found = resolve_model(name, Path.cwd())
    loaded = load_model(found.folder)
    said = f"model: {found.said}{blended(loaded.spec.blend, blend)}"
    if blend is None:
        return loaded, said
    spec = loaded.spec.model_copy(update={"blend": blend})
    return BlendedModel(spec, loaded.network).eval(), said


def blended(usual: float, blend: float | None) -> str:
    """Return what to add to a sentence about a model that is blended otherwise than usual."""
    return "" if blend is None else f", blended at {blend:g} instead of {usual:g}"
