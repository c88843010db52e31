"""TBSRN's text-focused loss, for who has a transformer recogniser, trained beforehand and frozen.

Chen et al. 2021, "Position-Aware Module" and "Content-Aware Module". What the recogniser makes of
lines comes as tensors, so that any with attention maps will do. `train` does not use it; see
`tbsrn` for why.
"""

import torch.nn.functional as F
from torch import Tensor

from benchmarks.textzoom.backbone import mse

POSITION_WEIGHT = 10.0
CONTENT_WEIGHT = 5e-4


def position_aware_loss(upscaled_attention: Tensor, hr_attention: Tensor) -> Tensor:
    """Return the mean absolute difference of attention maps.

    Args:
        upscaled_attention: where the recogniser looks for each character of the upscaled lines,
            any shape.
        hr_attention: the same of HR; no gradient flows into it.
    """
    return F.l1_loss(upscaled_attention, hr_attention.detach())


def content_aware_loss(logits: Tensor, characters: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted cross-entropy of the recogniser's characters.

    A character that is easily taken for the true one counts for more in the denominator.

    Args:
        logits: of the upscaled lines, (N, K): N characters of all lines, K in the alphabet. (The
            published code has those of HR here, from which no gradient comes; the paper does not.)
        characters: the true ones, (N,).
        weights: (K, K), positive; row: the true character, column: another, greater where they
            look alike. Ones make this the plain cross-entropy.
    """
    return F.cross_entropy(logits + weights[characters].log(), characters)


def text_focused_loss(upscaled: Tensor, hr: Tensor, position: Tensor, content: Tensor) -> Tensor:
    """Return L2 + 10 x position-aware + 0.0005 x content-aware loss.

    Args:
        upscaled: (B, 1, H, W).
        hr: like `upscaled`.
        position: of `position_aware_loss`.
        content: of `content_aware_loss`.
    """
    return mse(upscaled, hr) + POSITION_WEIGHT * position + CONTENT_WEIGHT * content
