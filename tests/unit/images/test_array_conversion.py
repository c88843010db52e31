"""Arrays in and out: what is taken for an image, and what is refused in words."""

from typing import Any

import numpy as np
import pytest

from textsr.errors import TextsrError
from textsr.images.conversion import from_array, to_array


@pytest.mark.parametrize("shape", [(), (4,), (1, 3, 4, 3), (3, 4, 2), (0, 4)])
def test_arrays_of_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(TextsrError, match=r"an array of the shape \(.*\): use HxW \(grey\)"):
        from_array(np.zeros(shape, np.uint8), "RGB")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 1), (3, 4, 3), (3, 4, 4)])
def test_arrays_come_back_in_their_own_byte_order(shape: tuple[int, ...], dtype: Any) -> None:
    most = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    array = (np.random.default_rng(1).random(shape) * most).astype(dtype)
    swapped = array.astype(array.dtype.newbyteorder())
    image = from_array(swapped, "RGB")
    assert image.pixels.dtype in (np.uint8, np.uint16)
    assert image.pixels.dtype.isnative
    back = to_array(image, swapped, "RGB")
    assert back.dtype == swapped.dtype
    assert back.shape == shape
    assert np.allclose(back, array, atol=most * 1e-5)
