"""Weights in 8 bits: rounded by half a step at most, a channel at a time, and nothing else."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from textsr.models.quantization import dequantize, quantize

WEIGHTS = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=4, max_side=5),
    elements=st.floats(-1e4, 1e4, width=32, allow_subnormal=False),
)


@settings(max_examples=200, deadline=None)
@given(WEIGHTS)
def test_each_channel_is_rounded_by_half_a_step_at_most(values: np.ndarray) -> None:
    weight = torch.from_numpy(values)
    stored = quantize({"layer.weight": weight})
    assert stored["layer.weight"].dtype == torch.int8
    again = dequantize(stored)["layer.weight"]
    assert again.shape == weight.shape
    half_step = weight.flatten(1).abs().amax(1) / 127 / 2
    error = (again - weight).flatten(1).abs().amax(1)
    assert bool((error <= half_step * (1 + 1e-4)).all())
    assert bool((again.flatten(1).abs().amax(1) > 0).eq(half_step > 0).all())


@settings(max_examples=50, deadline=None)
@given(WEIGHTS)
def test_what_was_rounded_once_stays_as_it_is(values: np.ndarray) -> None:
    once = dequantize(quantize({"w": torch.from_numpy(values)}))
    twice = dequantize(quantize(once))
    torch.testing.assert_close(twice["w"], once["w"], rtol=1e-5, atol=0)


def test_biases_and_counts_and_whatever_was_not_rounded_stay_as_they_are() -> None:
    state = {"w": torch.randn(3, 2), "bias": torch.randn(3), "batches": torch.tensor(7)}
    stored = quantize(state)
    assert set(stored) == {*state, "w@scale"}
    again = dequantize(stored)
    assert list(again) == list(state)
    assert torch.equal(again["bias"], state["bias"])
    assert torch.equal(again["batches"], state["batches"])
    untouched = dequantize(state)
    assert all(untouched[name] is value for name, value in state.items())
