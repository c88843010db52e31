"""Images encoded, and LMDB written as TextZoom's own tools write it."""

from pathlib import Path

import cv2
import lmdb
import numpy as np


def picture(height: int, width: int, seed: int = 0, suffix: str = ".png") -> bytes:
    """A noisy colour image, encoded."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    ok, encoded = cv2.imencode(suffix, pixels)
    assert ok
    return encoded.tobytes()


def write_textzoom(folder: Path, pairs: list[tuple[bytes, bytes, str]]) -> None:
    """Write as `create_lmdb` of TextZoom's repository does: a cache of keys, counted from 1."""
    folder.mkdir(parents=True)
    cache = {}
    for number, (hr, lr, label) in enumerate(pairs, 1):
        cache[f"image_hr-{number:09d}"] = hr
        cache[f"image_lr-{number:09d}"] = lr
        cache[f"label-{number:09d}"] = label.encode()
    cache["num-samples"] = str(len(pairs)).encode()
    environment = lmdb.open(str(folder), map_size=2**24)
    with environment, environment.begin(write=True) as writer:
        for key, value in cache.items():
            writer.put(key.encode(), value)
