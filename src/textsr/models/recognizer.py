"""Our own recognizer of lines: it teaches the super-resolution network, and judges nothing."""

import json
from copy import deepcopy
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from textsr.errors import TextsrError
from textsr.files import read_small_file, replace_folder, write_text
from textsr.models.ctc_head import CTCHead
from textsr.models.weights import read_weights, save_weights

_WEIGHTS = "recognizer.safetensors"
_ALPHABET = "alphabet.json"
FILES = (_ALPHABET, _WEIGHTS)
"""What `load_recognizer` reads of a recognizer's folder."""

_ALPHABET_BYTES = 1_000_000  # that of the package takes 700
_HEIGHT = 32  # pixels, to which lines are reduced
_FRAME_PX = 4  # of the reduced line
_DROPOUT = 0.1


class Recognizer(nn.Module):
    """The convolutions of CRNN (Shi et al. 2017, table 1), narrower, and CTC on their frames.

    Three convolutions along the line stand in for its recurrent layers. Batch normalisation takes
    CTC over its plateau of blanks within hundreds of steps.
    """

    def __init__(self, alphabet: str) -> None:
        """Tell the characters of `alphabet` apart."""
        super().__init__()
        self.body = nn.Sequential(
            nn.PixelUnshuffle(2),
            *_convolution(4, 48, (3, 3)),
            *_convolution(48, 64, (3, 3)),
            nn.MaxPool2d(2),
            *_convolution(64, 96, (3, 3)),
            *_convolution(96, 96, (3, 3)),
            nn.MaxPool2d((2, 1)),
            *_convolution(96, 160, (3, 3)),
            *_convolution(160, 160, (3, 3)),
            nn.MaxPool2d((2, 1)),
            *_convolution(160, 256, (2, 3), rows=0),
            *_convolution(256, 256, (1, 3)),
            *_convolution(256, 256, (1, 3)),
            nn.Dropout(_DROPOUT),
        )
        self.head = CTCHead(256, alphabet)

    def frames(self, lines: Tensor) -> Tensor:
        """Map HR lines (B, 1, H, W) in [0, 1] to frames (B, 256, 1, W * 32 / H / 4)."""
        height, width = lines.shape[2:]
        reduced = F.interpolate(lines, (_HEIGHT, _reduced(width, height)), mode="area")
        frames: Tensor = self.body(reduced - 0.5)
        return frames

    def folded(self) -> "Recognizer":
        """Return a copy that reads the same, its batch normalisation folded into convolutions.

        Frozen, it has the same statistics always, and asking it takes two thirds of the time.
        """
        copy = deepcopy(self).eval()
        layers: list[nn.Module] = []
        for layer in copy.body:
            if isinstance(layer, nn.BatchNorm2d):
                layers[-1] = fuse_conv_bn_eval(cast(nn.Conv2d, layers[-1]), layer)
            else:
                layers.append(layer)
        copy.body = nn.Sequential(*layers)
        return copy.requires_grad_(False)

    def losses(self, lines: Tensor, texts: list[str], widths: list[int]) -> Tensor:
        """Return CTC's loss a character of each line with a known text; see `CTCHead.losses`.

        Args:
            lines: (B, 1, H, W) in [0, 1].
            texts: of each line; empty where it is not known.
            widths: of each line, in pixels.
        """
        return self.head.losses(self.frames(lines), texts, self._counts(lines, widths))

    def read(self, lines: Tensor, widths: list[int]) -> list[str]:
        """Return the text of each line (B, 1, H, W), of so many pixels in width."""
        return self.head.read(self.frames(lines), self._counts(lines, widths))

    def _counts(self, lines: Tensor, widths: list[int]) -> list[int]:
        return [_reduced(width, lines.shape[2]) // _FRAME_PX for width in widths]


def _convolution(
    channels: int, out: int, kernel: tuple[int, int], rows: int | None = None
) -> list[nn.Module]:
    padding = (kernel[0] // 2 if rows is None else rows, kernel[1] // 2)
    convolution = nn.Conv2d(channels, out, kernel, padding=padding, bias=False)
    return [convolution, nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


def _reduced(width: int, height: int) -> int:
    """Return the width of a line at the recognizer's height, a whole number of frames."""
    return max(round(width * _HEIGHT / height / _FRAME_PX), 1) * _FRAME_PX


def save_recognizer(folder: Path, recognizer: Recognizer) -> None:
    """Write a recognizer's folder, whole or not at all.

    Raises:
        TextsrError: if a weight is not finite.
    """
    with replace_folder(folder) as temporary:
        save_weights(recognizer.state_dict(), temporary / _WEIGHTS, final=folder / _WEIGHTS)
        write_text(temporary / _ALPHABET, json.dumps(recognizer.head.alphabet))


def load_recognizer(folder: Path) -> Recognizer:
    """Load a recognizer, frozen and in evaluation mode.

    Raises:
        TextsrError: if a file is missing or damaged, or not all weights are finite.
    """
    path = folder / _ALPHABET
    try:
        alphabet = json.loads(read_small_file(path, _ALPHABET_BYTES))
        path = folder / _WEIGHTS
        with torch.device("meta"):
            expected = Recognizer(alphabet).state_dict()
        weights = read_weights(path, expected)
        recognizer = Recognizer(alphabet)
        recognizer.load_state_dict(weights)
    except Exception as error:  # each recognizer raises its own type
        raise TextsrError(
            f"{folder}: not a recognizer ({path.name}: {error}); make it with "
            "`dvc repro recognizer`"
        ) from error
    return recognizer.eval().requires_grad_(False)
