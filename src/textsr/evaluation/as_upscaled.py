"""A network as people get it: by `textsr upscale`, which leaves paper to bicubic interpolation."""

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor

from textsr.images.image import LoadedImage
from textsr.inference.torch_backend import TorchBackend
from textsr.inference.upscale import upscale_image
from textsr.models.package import BlendedModel

_WHITE = 65_535  # at 16 bits: rounding is far below a grey level


def as_upscaled(model: BlendedModel) -> Callable[[Tensor], Tensor]:
    """Return what `textsr upscale` makes of a grey image by a model's network alone.

    Args:
        model: is left as it is.

    Returns:
        Maps (1, 1, H, W) in [0, 1] to (1, 1, H * scale, W * scale). What a blend with bicubic
        makes of it is the same blend of that: paper is left to bicubic in proportion.
    """
    alone = model.spec.model_copy(update={"blend": 1.0})
    network = deepcopy(model.network)  # a backend arranges its weights in memory anew
    backend = TorchBackend(BlendedModel(alone, network), threads=torch.get_num_threads())

    def upscale(images: Tensor) -> Tensor:
        pixels = np.asarray(images[0, 0].mul(_WHITE).round().numpy(), np.uint16)
        upscaled = upscale_image(backend, LoadedImage(pixels)).pixels
        return torch.from_numpy(upscaled.astype(np.float32) / _WHITE)[None, None]

    return upscale
