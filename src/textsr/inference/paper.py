"""Telling paper from text, so that a network draws nothing where there is nothing to read."""

import cv2
import numpy as np

from textsr.images.image import FloatImage

# Chosen by measurement on noisy, JPEG-compressed and shaded paper and on faint lines;
# docs/explanation/upscaling.md has the figures.
_STROKE_SIGMA = 1.6
_GROUND_SIGMA = 4.0
_WINDOW = (13, 13)
_PAPER_QUANTILE = 0.4
_NOISE_RANGE = (0.4 / 255, 0.7 / 255)
_PAPER, _TEXT = 1.7, 2.2  # times the noise
_REACH = np.ones((13, 13), np.uint8)
_SOFTNESS = (9, 9)


def text_weight(luminance: FloatImage) -> FloatImage | None:
    """Return where an image has structure above its noise: 1 at text and around it, 0 on paper.

    Structure is the contrast of strokes: a band of the image's frequencies, its root mean square
    taken over a window. White noise has little of that band, and the same everywhere. The noise is
    what two fifths of the image do not exceed, within bounds: an image that is filled with text
    must not be taken for a noisy one, and the steps of 8 bits are no structure.

    Args:
        luminance: HxW in [0, 1].

    Returns:
        HxW in [0, 1], without edges of its own, or None if it is 1 everywhere.
    """
    fine = np.asarray(cv2.GaussianBlur(luminance, (0, 0), _STROKE_SIGMA), np.float32)
    strokes = fine - cv2.GaussianBlur(luminance, (0, 0), _GROUND_SIGMA)
    contrast = np.sqrt(np.maximum(cv2.blur(strokes * strokes, _WINDOW), 0))
    noise = float(np.clip(np.quantile(contrast, _PAPER_QUANTILE), *_NOISE_RANGE))
    weight = np.clip((contrast / noise - _PAPER) / (_TEXT - _PAPER), 0, 1)
    soft = np.asarray(cv2.blur(cv2.dilate(weight, _REACH), _SOFTNESS), np.float32)
    return None if soft.min() == 1 else soft
