"""The article's encoder: torchvision's ResNet-18, its first convolution for one channel."""

from collections.abc import Sequence

from torch import Tensor, nn

from textsr.models.blocks import pad_to_multiple


class ResNetEncoder(nn.Module):
    """ResNet-18 (He et al. 2016) without its classifier, from random weights."""

    def __init__(self) -> None:
        # Not with the module, which every network's needs: it takes longer than upscaling a line.
        from torchvision.models import resnet18

        super().__init__()
        self.channels: Sequence[int] = (64, 128, 256, 512)
        self.strides: Sequence[tuple[int, int]] = ((4, 4), (8, 8), (16, 16), (32, 32))
        self.instance_dim = 512
        self.body = resnet18(weights=None)
        self.body.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        self.body.fc = nn.Identity()

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map (B, 1, H, W) to the four stages' features; sides are continued to multiples of 32."""
        body = self.body
        padded = pad_to_multiple(images, self.strides[-1])
        features = body.maxpool(body.relu(body.bn1(body.conv1(padded))))
        levels = []
        for stage in (body.layer1, body.layer2, body.layer3, body.layer4):
            features = stage(features)
            levels.append(features)
        return levels

    def instances(self, levels: Sequence[Tensor]) -> Tensor:
        """Average the last stage over the image: one instance of 512, as in the article."""
        return levels[-1].mean((2, 3)).unsqueeze(1)
