"""What every encoder offers, so that pretraining and transfer are one code for all."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn

from textsr.models.resnet_encoder import ResNetEncoder
from textsr.models.text_encoder import COARSE_BLOCKS, SEQUENCE_BLOCKS, TextEncoder


class Encoder(Protocol):
    """Turns LR lines into a pyramid of features, and those into instances to contrast."""

    channels: Sequence[int]
    """Channels of each level, finest first."""
    strides: Sequence[tuple[int, int]]
    """LR rows and columns a feature, of each level, finest first."""
    instance_dim: int
    """Dimension of an instance."""

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Map (B, 1, H, W) in [0, 1] to levels, coarsest last.

        Level i is (B, channels[i], H' / strides[i][0], W' / strides[i][1]), where H' and W' are
        the sides rounded up to multiples of the coarsest stride.
        """

    def instances(self, levels: Sequence[Tensor]) -> Tensor:
        """Pool levels to (B, N, instance_dim): N parts of the line, left to right, or one."""


def build_encoder(
    name: str,
    width: int,
    coarse_blocks: int = COARSE_BLOCKS,
    sequence_blocks: int = SEQUENCE_BLOCKS,
    expansion: float = 1.0,
) -> nn.Module:
    """Build an encoder by its name in params.yaml: `text` or `resnet18`.

    Args:
        name: the architecture; `resnet18` has its own widths and blocks.
        width: channels of the text encoder's finest level.
        coarse_blocks: of the text encoder's last stage.
        sequence_blocks: of the text encoder along the line.
        expansion: of the text encoder's blocks; see `ResidualBlock`.
    """
    builders = {
        "text": lambda: TextEncoder(width, coarse_blocks, sequence_blocks, expansion),
        "resnet18": ResNetEncoder,
    }
    return builders[name]()
