"""What is measured on a pair of images."""

import cv2
import numpy as np
import PIL.Image
import pytest
from drawn_dataset import clean_rows

from textsr.datasets.shards import decode_grey, encode_png
from textsr.images.grey import Image
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
    assert measured["lr_neighbour_correlation"] is None


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


def test_correlation_survives_noise_dithering_and_shift() -> None:
    row = clean_rows()["train"][0]
    hr, lr = (decode_grey(row[name]["bytes"]) for name in ("hr", "lr"))
    rng = np.random.default_rng(0)
    noisy = np.clip(lr + rng.normal(0, 20, lr.shape), 0, 255).astype(np.uint8)
    # Error diffusion after Floyd and Steinberg.
    dithered = np.asarray(PIL.Image.fromarray(lr).convert("1"), np.uint8) * 255
    shifted = cv2.resize(np.roll(hr, 2, axis=1), lr.shape[::-1], interpolation=cv2.INTER_AREA)

    measured = [
        measure_pair(encode_png(hr), encode_png(image))["lr_hr_correlation"]
        for image in (noisy, dithered, shifted)
    ]

    assert min(measured) > 0.6


def test_lr_of_the_next_line_is_told_by_the_neighbours() -> None:
    lines = [encode_png(_line(seed)) for seed in range(3)]

    measured = measure_pair(lines[1], encode_png(_shrunk(_line(2))), [lines[0], lines[2]])

    assert measured["lr_neighbour_correlation"] > 0.95
    assert measured["lr_neighbour_correlation"] > measured["lr_hr_correlation"] + 0.3
    assert measure_pair(lines[1], lines[1], [None])["lr_neighbour_correlation"] is None


def _encoded(suffix: str, image: np.ndarray) -> bytes:
    return bytes(cv2.imencode(suffix, image)[1])


@pytest.mark.parametrize(
    ("encoded", "name"),
    [
        (_encoded(".png", _line()), "8-bit grey PNG"),
        (_encoded(".png", np.dstack([_line()] * 3)), "8-bit colour PNG"),
        (_encoded(".png", np.dstack([_line()] * 4)), "8-bit colour with alpha PNG"),
        (_encoded(".png", _line().astype(np.uint16) * 257), "16-bit grey PNG"),
        (_encoded(".jpg", _line()), "not PNG"),
        (b"", None),
    ],
)
def test_format(encoded: bytes, name: str | None) -> None:
    assert measure_pair(encoded, None)["hr_format"] == name


def test_image_that_claims_to_be_huge_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = bytearray(encode_png(_line()))
    encoded[16:24] = (50_000).to_bytes(4, "big") * 2

    def refuse(*args: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("textsr.validation.measure.decode_grey", refuse)
    measured = measure_pair(bytes(encoded), None)

    assert measured["hr_decodes"] is False
    assert measured["hr_size_decoded"] == "50000x50000"


@pytest.mark.parametrize(
    "encoded", [None, b"", b"not an image", encode_png(_line())[:-30], encode_png(_line())[:40]]
)
def test_image_that_does_not_decode(encoded: bytes | None) -> None:
    measured = measure_pair(encoded, encode_png(_line()))

    assert tuple(measured) == MEASURED_COLUMNS
    assert measured["hr_decodes"] is False
    assert measured["lr_decodes"] is True
    missing = ("hr_mean", "hr_std", "lr_hr_correlation")
    assert [measured[name] for name in missing] == [None] * len(missing)


def test_constant_image_has_no_correlation() -> None:
    flat = np.full((8, 24), 50, np.uint8)

    measured = measure_pair(encode_png(_line()), encode_png(flat))

    assert measured["lr_std"] == 0
    assert measured["lr_hr_correlation"] is None
