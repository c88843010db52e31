"""Reading the encoder's frames: what training asks of them besides pixels."""

import torch
from torch import Tensor, nn


class CTCHead(nn.Module):
    """A linear classifier of frames into characters, for CTC (Graves et al. 2006, section 3).

    It is trained with the network and not kept: nothing reads through it, but to answer it the
    encoder must tell letters apart.
    """

    def __init__(self, channels: int, alphabet: str) -> None:
        """Tell `alphabet`'s characters apart; class 0 is CTC's blank."""
        super().__init__()
        self.alphabet = alphabet
        self._classes = {character: i for i, character in enumerate(alphabet, start=1)}
        self.classify = nn.Sequential(nn.ReLU(), nn.Conv2d(channels, len(alphabet) + 1, 1))

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames (B, C, H, W) to log-probabilities (W, B, classes), averaged over H."""
        scores = self.classify(frames).float().mean(2)
        log_probabilities: Tensor = scores.permute(2, 0, 1).log_softmax(-1)
        return log_probabilities

    def losses(self, frames: Tensor, texts: list[str], widths: list[int]) -> Tensor:
        """Return CTC's loss a character of each line that has a text; one 0 if none has.

        Args:
            frames: (B, C, H, W), coarsest level of the encoder.
            texts: of each line; empty where it is not known. Characters that the alphabet lacks
                are left out.
            widths: of each line, in frames; what lies beyond is padding.
        """
        targets = [[self._classes[c] for c in text if c in self._classes] for text in texts]
        known = [i for i, target in enumerate(targets) if target]
        if not known:
            nothing: Tensor = self(frames).sum()[None] * 0  # with a gradient for every weight
            return nothing
        lengths = torch.tensor([len(targets[i]) for i in known])
        losses = nn.functional.ctc_loss(
            self(frames[known]),
            torch.tensor([c for i in known for c in targets[i]], device=frames.device),
            torch.tensor([widths[i] for i in known]),
            lengths,
            reduction="none",
            zero_infinity=True,  # a line too narrow for its text, a letter a frame and no more
        )
        return losses / lengths.to(losses.device)

    @torch.no_grad()
    def adopt(self, other: "CTCHead") -> None:
        """Take over the weights of another head's classes, matched by character."""
        pairs = [(self._classes[c], i) for c, i in other._classes.items() if c in self._classes]
        mine, theirs = zip((0, 0), *pairs, strict=True)
        for own, known in zip(self.classify.parameters(), other.classify.parameters(), strict=True):
            own[list(mine)] = known[list(theirs)]

    @torch.no_grad()
    def read(self, frames: Tensor, widths: list[int]) -> list[str]:
        """Return the texts of greedy decoding: the best class of each frame, repeats merged."""
        best = self(frames).argmax(-1).T.tolist()
        return [self._collapse(line[:width]) for line, width in zip(best, widths, strict=True)]

    def _collapse(self, classes: list[int]) -> str:
        merged = [c for i, c in enumerate(classes) if i == 0 or c != classes[i - 1]]
        return "".join(self.alphabet[c - 1] for c in merged if c)
