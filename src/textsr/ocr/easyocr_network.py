"""The network of EasyOCR's second generation: a CRNN with VGG's layers.

After `easyocr/model/vgg_model.py` of EasyOCR 1.7 (Apache-2.0, JaidedAI), which took it from
Clova AI's deep-text-recognition-benchmark (Apache-2.0; Baek et al. 2019); the kind of network is
of Shi et al. 2015, An End-to-End Trainable Neural Network for Image-based Sequence Recognition.
Modules have the names that their weights have in EasyOCR's files.
"""

import torch
from torch import nn

_CHANNELS = 256
_HIDDEN = 256


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]


def _normalised_convolution(inputs: int, outputs: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


class VGGFeatures(nn.Module):
    """Lines (B, 1, 64, W) to features (B, 256, 3, W / 4 - 1)."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third, last = (_CHANNELS // 2**halvings for halvings in (3, 2, 1, 0))
        self.ConvNet = nn.Sequential(
            *(*_convolution(1, first), nn.MaxPool2d(2, 2)),
            *(*_convolution(first, second), nn.MaxPool2d(2, 2)),
            *(*_convolution(second, third), *_convolution(third, third)),
            nn.MaxPool2d((2, 1), (2, 1)),
            *(*_normalised_convolution(third, last), *_normalised_convolution(last, last)),
            nn.MaxPool2d((2, 1), (2, 1)),
            *(nn.Conv2d(last, last, 2), nn.ReLU(inplace=True)),
        )

    def forward(self, lines: torch.Tensor) -> torch.Tensor:
        """Return the features of lines."""
        features: torch.Tensor = self.ConvNet(lines)
        return features


class BidirectionalLSTM(nn.Module):
    """Sequences (B, T, inputs) to sequences (B, T, 256)."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.rnn = nn.LSTM(inputs, _HIDDEN, bidirectional=True, batch_first=True)
        self.linear = nn.Linear(2 * _HIDDEN, _HIDDEN)

    def forward(self, sequences: torch.Tensor) -> torch.Tensor:
        """Return what both directions say of each place."""
        said: torch.Tensor = self.linear(self.rnn(sequences)[0])
        return said


class EasyOCRNetwork(nn.Module):
    """Lines (B, 1, 64, W) in [-1, 1] to the scores (B, W / 4 - 1, classes) of characters.

    Class 0 is CTC's blank.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.FeatureExtraction = VGGFeatures()
        self.SequenceModeling = nn.Sequential(
            BidirectionalLSTM(_CHANNELS), BidirectionalLSTM(_HIDDEN)
        )
        self.Prediction = nn.Linear(_HIDDEN, classes)

    def forward(self, lines: torch.Tensor) -> torch.Tensor:
        """Return the scores of characters, place by place."""
        columns = self.FeatureExtraction(lines).mean(dim=2).transpose(1, 2)
        scores: torch.Tensor = self.Prediction(self.SequenceModeling(columns))
        return scores
