"""What is measured on a pair of images."""

import cv2
import numpy as np
import pytest

from textsr.datasets.shards import Image, encode_png
from textsr.validation.measure import MEASURED_COLUMNS, measure_pair


def _line(seed: int = 0) -> Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 24)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (96, 32), interpolation=cv2.INTER_CUBIC), np.uint8)


def _shrunk(image: Image) -> Image:
    return np.asarray(cv2.resize(image, (24, 8), interpolation=cv2.INTER_AREA), np.uint8)


def test_pair_of_one_line() -> None:
    hr = _line()
    lr = _shrunk(hr)

    measured = measure_pair(encode_png(hr), encode_png(lr))

    assert tuple(measured) == MEASURED_COLUMNS
    assert measured["hr_decodes"] is True
    assert (measured["hr_size_decoded"], measured["lr_size_decoded"]) == ("32x96", "8x24")
    assert measured["hr_std"] == pytest.approx(np.std(hr.astype(float)))
    assert measured["lr_mean"] == pytest.approx(np.mean(lr.astype(float)))
    assert measured["lr_hr_correlation"] > 0.95
    assert abs(measured["lr_hr_brightness_shift"]) < 1


def test_correlation_does_not_depend_on_contrast_and_brightness() -> None:
    hr = _line()
    faint = (_shrunk(hr) / 4 + 100).astype(np.uint8)

    measured = measure_pair(encode_png(hr), encode_png(faint))

    assert measured["lr_hr_correlation"] > 0.95
    assert measured["lr_hr_brightness_shift"] == pytest.approx(faint.mean() - hr.mean())


def test_correlation_of_different_lines_is_low() -> None:
    values = [
        measure_pair(encode_png(_line(seed)), encode_png(_shrunk(_line(seed + 1))))
        for seed in range(20)
    ]

    assert max(measured["lr_hr_correlation"] for measured in values) < 0.3


def test_digest_is_of_pixels() -> None:
    image = _line()
    other = image.copy()
    other[3, 5] ^= 1
    _, packed = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert packed.tobytes() != encode_png(image)

    digest, same, different = (
        measure_pair(encoded, None)["hr_digest"]
        for encoded in (encode_png(image), packed.tobytes(), encode_png(other))
    )

    assert digest == same
    assert digest != different


@pytest.mark.parametrize(
    "encoded", [None, b"", b"not an image", encode_png(_line())[:-30], encode_png(_line())[:40]]
)
def test_image_that_does_not_decode(encoded: bytes | None) -> None:
    measured = measure_pair(encoded, encode_png(_line()))

    assert tuple(measured) == MEASURED_COLUMNS
    assert measured["hr_decodes"] is False
    assert measured["lr_decodes"] is True
    missing = ("hr_size_decoded", "hr_mean", "hr_std", "lr_hr_correlation", "hr_digest")
    assert [measured[name] for name in missing] == [None] * len(missing)


def test_constant_image_has_no_correlation() -> None:
    flat = np.full((8, 24), 50, np.uint8)

    measured = measure_pair(encode_png(_line()), encode_png(flat))

    assert measured["lr_std"] == 0
    assert measured["lr_hr_correlation"] is None
