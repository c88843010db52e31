"""Which format comes out: what is named, what is accepted, what was sent."""

import pytest

from textsr.serving.media import check_acceptable, choose_format, is_acceptable
from textsr.serving.problems import RefusedError


@pytest.mark.parametrize(
    ("given", "accept", "named", "chosen"),
    [
        ("JPEG", "*/*", None, "jpg"),
        ("TIFF", "image/*", None, "tif"),
        ("GIF", "*/*", None, "png"),
        ("JPEG", "image/webp", None, "webp"),
        ("JPEG", "image/webp, image/jpeg;q=0.5", None, "webp"),
        ("JPEG", "image/webp;q=0.5, image/jpeg", None, "jpg"),
        ("BMP", "image/png, image/jpeg", None, "png"),
        ("JPEG", "image/png, image/jpeg", None, "jpg"),
        ("WEBP", "image/png;q=0, image/*", None, "webp"),
        ("GIF", "image/png;q=0, image/jpeg", None, "jpg"),
        ("PNG", "*/*", "bmp", "bmp"),
    ],
)
def test_the_format_is_the_most_welcome_and_else_the_images_own(
    given: str, accept: str, named: str | None, chosen: str
) -> None:
    assert choose_format(given, accept, named) == chosen  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("accept", "named"), [("text/html", None), ("image/png", "jpg"), ("image/gif, video/*", None)]
)
def test_what_no_result_can_be_of_is_refused(accept: str, named: str | None) -> None:
    with pytest.raises(RefusedError, match="accept one of them") as refused:
        check_acceptable(accept, named)  # type: ignore[arg-type]
    assert refused.value.status == 406


def test_an_accept_that_cannot_be_read_is_named() -> None:
    with pytest.raises(RefusedError, match="Accept: png: cannot be read") as refused:
        is_acceptable("image/png", "png")
    assert refused.value.status == 400
