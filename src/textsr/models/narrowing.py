"""Making a trained network narrower: the start of a training that restores what is lost."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import scipy.linalg
import torch
from torch import Tensor, nn

from textsr.models.upsampler import UpsamplerNet

_Samples = npt.NDArray[np.float32]
_Indices = npt.NDArray[np.int64]

_SAMPLES = 1500  # positions of each convolution's input, an image
_RIDGE = 1e-5  # of the mean energy of a channel


def narrow(network: UpsamplerNet, narrower: UpsamplerNet, images: Sequence[Tensor]) -> None:
    """Give `narrower` the weights by which its output comes close to that of `network`.

    Of each set of channels, those are kept from which the others can best be told: the pivots of a
    QR decomposition of what `network` computes on `images`. What the others would have brought is
    added to the weights of the kept ones by least squares. (He et al. 2017, Channel pruning for
    accelerating very deep neural networks, section 3.1, selects by LASSO and refits likewise.)

    Args:
        network: the trained one, with the text encoder.
        narrower: the same but for the width; its weights are replaced.
        images: (B, 1, H, W) each, such as it will see.
    """
    wiring, narrowed = list(_wiring(network)), list(_wiring(narrower))
    samples = _inputs(network, [conv for conv, _, _ in wiring], images)
    kept: dict[Hashable, _Indices] = {}
    sizes = {
        read: (conv.in_channels, small.in_channels)
        for (conv, read, _), (small, _, _) in zip(wiring, narrowed, strict=True)
    }
    for channels, (_, size) in sizes.items():
        readers = [samples[conv] for conv, read, _ in wiring if read == channels]
        kept[channels] = _pivots(readers, size)
    for (conv, read, written), (small, _, _) in zip(wiring, narrowed, strict=True):
        weight, bias = _refit(conv, samples[conv], kept[read])
        if written is not None:
            count = sizes[written][0]
            # An `Expand` writes the channels once for each pixel that it makes.
            starts = np.arange(0, conv.out_channels, count)
            rows = (starts[:, None] + kept[written]).ravel()
            weight, bias = weight[rows], bias[rows]
        with torch.no_grad():
            small.weight.copy_(weight)
            cast(Tensor, small.bias).copy_(bias)


def _wiring(network: UpsamplerNet) -> Iterator[tuple[nn.Conv2d, Hashable, Hashable]]:
    """Yield each convolution, and which channels it reads and writes: a level's or a block's own.

    The image and the pixels of the output are not narrowed: the head's channels neither.
    """
    encoder = cast(Any, network.encoder)
    yield encoder.stem[1], "image", 0
    levels = [*enumerate([*encoder.stages, encoder.sequence]), *enumerate(network.fuses)]
    for level, blocks in levels:
        for block in cast(nn.Sequential, blocks):
            first, _, last = cast(Any, block).body
            yield first, level, block
            yield last, block, level
    for level, (down, expand) in enumerate(zip(encoder.downs, network.expands, strict=True)):
        yield down[1], level, level + 1
        yield cast(Any, expand).mix, level + 1, level
    yield cast(nn.Conv2d, network.to_lr[0]), 0, None
    yield cast(nn.Conv2d, network.to_hr[0]), "head", None


def _inputs(
    network: nn.Module, convolutions: Sequence[nn.Conv2d], images: Sequence[Tensor]
) -> Mapping[nn.Conv2d, _Samples]:
    """Return what each convolution reads at some positions: an array of positions x channels."""
    found: dict[nn.Conv2d, list[_Samples]] = {conv: [] for conv in convolutions}
    generator = torch.Generator().manual_seed(0)

    def note(conv: nn.Conv2d, inputs: tuple[Tensor]) -> None:
        values = inputs[0].permute(0, 2, 3, 1).flatten(0, 2)
        chosen = torch.randint(len(values), (_SAMPLES,), generator=generator)
        found[conv].append(values[chosen].numpy())

    hooks = [conv.register_forward_pre_hook(cast(Any, note)) for conv in convolutions]
    try:
        with torch.inference_mode():
            for batch in images:
                network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {conv: np.concatenate(values) for conv, values in found.items()}


def _pivots(readers: Sequence[_Samples], count: int) -> _Indices:
    """Return the indices of the channels to keep, of those that several convolutions read."""
    gram = sum(_gram(samples) / np.square(samples).mean(dtype=float) for samples in readers)
    # The triangle of the Gram matrix has the same pivots as the samples have, and is small.
    _, order = scipy.linalg.qr(scipy.linalg.cholesky(gram), mode="r", pivoting=True)
    return np.sort(order[:count]).astype(np.int64)


def _gram(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the sums of products of channels, with a ridge: some channels may always be 0."""
    values = values.astype(float)
    gram: npt.NDArray[np.float64] = values.T @ values
    gram[np.diag_indices_from(gram)] += _RIDGE * np.trace(gram) / len(gram)
    return gram


def _refit(conv: nn.Conv2d, samples: _Samples, kept: _Indices) -> tuple[Tensor, Tensor]:
    """Return weights and biases by which the kept channels give what all channels gave."""
    bias = cast(Tensor, conv.bias).detach()
    if len(kept) == conv.in_channels:
        return conv.weight.detach(), bias
    known = np.column_stack([samples[:, kept], np.ones(len(samples))])
    told = torch.from_numpy(np.linalg.solve(_gram(known), known.T @ samples)).float()
    weight = torch.einsum("oihw,ki->okhw", conv.weight.detach(), told[:-1])
    return weight, bias + torch.einsum("oihw,i->o", conv.weight.detach(), told[-1])
