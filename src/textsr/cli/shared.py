"""What several verbs take and load."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textsr.config import project

if TYPE_CHECKING:
    from textsr.config.judging import JudgingParams
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
        "model's choice.",
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


def read_judging_params() -> "JudgingParams":
    """Read the project's params.yaml, or, outside of a project, that of the pretrained weights.

    Raises:
        TextsrError: if the project's is not valid.
    """
    from textsr import pretrained
    from textsr.config.judging import load_judging_params

    if project.PARAMS.is_file():
        return read_params()
    return load_judging_params(pretrained.FOLDER / project.PARAMS)


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
    if blend is None:
        return loaded, f"model: {found.said}"
    spec = loaded.spec.model_copy(update={"blend": blend})
    said = f"model: {found.said}, blended at {blend:g} instead of {loaded.spec.blend:g}"
    return BlendedModel(spec, loaded.network).eval(), said


def refuse_both(one: str, value: object, other: str, other_value: object) -> None:
    """Refuse two options of which one decides what the other does.

    Raises:
        BadParameter: if both are given.
    """
    if value is not None and other_value is not None:
        raise typer.BadParameter(f"{one} and {other} exclude each other; give one of them")
