"""textsr: super-resolution of text images, judged by whether the text can be read.

`load_model` and `upscale` are all that upscaling takes; see `textsr.api`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textsr.api import Model, ModelInfo, load_model, upscale
    from textsr.errors import TextsrError
    from textsr.images.image import LoadedImage

__version__ = "0.1.0"
__all__ = [
    "LoadedImage",
    "Model",
    "ModelInfo",
    "TextsrError",
    "__version__",
    "load_model",
    "upscale",
]

_PLACES = {
    "LoadedImage": "textsr.images.image",
    "Model": "textsr.api",
    "ModelInfo": "textsr.api",
    "TextsrError": "textsr.errors",
    "load_model": "textsr.api",
    "upscale": "textsr.api",
}


def __getattr__(name: str) -> Any:
    """Import the public names at their first use: what they need takes half a second."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
