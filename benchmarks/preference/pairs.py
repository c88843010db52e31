"""Each crop enlarged twice, by bicubic interpolation and by a model, and shuffled."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from benchmarks.preference.crops import Crop
from textsr.images.image import LoadedImage
from textsr.inference.backend import Backend
from textsr.inference.interpolation import BicubicBackend
from textsr.inference.upscale import upscale_image

Method = Literal["bicubic", "model"]


@dataclass(frozen=True)
class Pair:
    """Two pictures of one crop.

    Attributes:
        key: a hash of set, name and both pictures, whichever is shown first.
        set_name: the source that the crop is of.
        name: the crop's.
        first: which method's picture is shown first.
        pictures: by method, as PNG.
    """

    key: str
    set_name: str
    name: str
    first: Method
    pictures: Mapping[Method, bytes]

    @property
    def second(self) -> Method:
        """Return which method's picture is shown second."""
        return "model" if self.first == "bicubic" else "bicubic"


def make_pairs(crops: Mapping[str, Sequence[Crop]], model: Backend, seed: int) -> list[Pair]:
    """Enlarge crops by both methods, and shuffle pairs and sides.

    Args:
        crops: by the name of their set.
        model: what is compared with bicubic interpolation.
        seed: of the shuffling. Each method comes first in half of the pairs, one pair more or less,
            so that a liking for one side decides nothing.
    """
    bicubic = BicubicBackend(model.scale)
    rng = np.random.default_rng(seed)
    listed = [(name, crop) for name, found in crops.items() for crop in found]
    firsts: list[Method] = ["bicubic" if place % 2 else "model" for place in range(len(listed))]
    order, sides = rng.permutation(len(listed)), rng.permutation(len(listed))
    pairs = []
    for place, side in zip(order, sides, strict=True):
        set_name, crop = listed[place]
        pictures: dict[Method, bytes] = {
            "bicubic": _encode_png(upscale_image(bicubic, crop.image)),
            "model": _encode_png(upscale_image(model, crop.image)),
        }
        digest = hashlib.blake2b(repr((set_name, crop.name)).encode(), digest_size=8)
        for picture in pictures.values():
            digest.update(picture)
        pairs.append(Pair(digest.hexdigest(), set_name, crop.name, firsts[side], pictures))
    return pairs


def _encode_png(image: LoadedImage) -> bytes:
    ok, encoded = cv2.imencode(".png", image.pixels)
    assert ok
    return encoded.tobytes()
