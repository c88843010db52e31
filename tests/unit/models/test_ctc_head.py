"""The text head: CTC's loss against torch's own, greedy decoding against its definition."""

import itertools
from collections.abc import Iterable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from textsr.models.ctc_head import CTCHead

ALPHABET = "abc"


def head(channels: int = 4) -> CTCHead:
    torch.manual_seed(0)
    return CTCHead(channels, ALPHABET).eval()


def spelled(classes: Iterable[int]) -> Tensor:
    """Frames (1, C, 1, W) that a head with identity weights reads as these classes."""
    return torch.nn.functional.one_hot(torch.tensor(list(classes)), 4).T[None, :, None].float()


def reading_head() -> CTCHead:
    recognizer = head()
    with torch.no_grad():
        recognizer.classify[1].weight.copy_(10 * torch.eye(4)[:, :, None, None])
        recognizer.classify[1].bias.zero_()
    return recognizer


def test_frames_become_log_probabilities_averaged_over_the_height() -> None:
    frames = torch.rand(2, 4, 3, 5)
    out = head()(frames)
    assert out.shape == (5, 2, 4)
    assert torch.allclose(out.exp().sum(-1), torch.ones(5, 2))
    rows = [head().classify(frames[:, :, row : row + 1]) for row in range(3)]
    mean = torch.stack(rows).mean(0).squeeze(2).permute(2, 0, 1)
    assert torch.allclose(out, mean.log_softmax(-1), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.text(ALPHABET, min_size=1, max_size=4), st.integers(4, 6))
def test_loss_is_the_log_of_the_sum_over_all_alignments(text: str, width: int) -> None:
    """CTC's definition (Graves et al. 2006, equations 3 and 14), summed by brute force."""
    frames = torch.rand(1, 4, 1, 9, generator=torch.Generator().manual_seed(len(text)))
    recognizer = head()
    with torch.inference_mode():
        chances = recognizer(frames)[:width, 0].exp()
        total = 0.0
        for path in itertools.product(range(4), repeat=width):
            merged = [c for i, c in enumerate(path) if i == 0 or c != path[i - 1]]
            if "".join(ALPHABET[c - 1] for c in merged if c) == text:
                total += float(torch.stack([chances[t, c] for t, c in enumerate(path)]).prod())
        loss = float(recognizer.losses(frames, [text], [width]))
    if total:
        assert loss == pytest.approx(-torch.tensor(total).log().item() / len(text), rel=1e-4)
    else:  # no room for the text
        assert loss == 0


@torch.inference_mode()
def test_lines_without_a_known_text_are_left_out() -> None:
    frames = torch.rand(4, 4, 1, 9)
    recognizer = head()
    texts, widths = ["ab", "", "cab", "%"], [9, 9, 7, 9]
    single = [float(recognizer.losses(frames[i : i + 1], [texts[i]], [widths[i]])) for i in (0, 2)]
    assert recognizer.losses(frames, texts, widths).tolist() == pytest.approx(single, rel=1e-5)


def test_without_any_text_there_is_no_loss_but_a_gradient_to_ask_for() -> None:
    frames = torch.rand(1, 4, 1, 9, requires_grad=True)
    loss = head().losses(frames, [""], [9])
    loss.sum().backward()
    assert loss.tolist() == [0]
    assert frames.grad is not None
    assert not frames.grad.any()


@torch.inference_mode()
def test_characters_beyond_the_alphabet_are_left_out() -> None:
    frames = torch.rand(1, 4, 1, 9)
    assert torch.equal(head().losses(frames, ["a%b"], [9]), head().losses(frames, ["ab"], [9]))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(1, 12))
def test_greedy_reading_merges_repeats_and_drops_blanks(classes: list[int], width: int) -> None:
    grouped = [c for c, _ in itertools.groupby(classes[:width])]
    expected = "".join(ALPHABET[c - 1] for c in grouped if c)
    assert reading_head().read(spelled(classes), [width]) == [expected]
