"""Which images are worked together, and what becomes of those that nobody waits for."""

from PIL import Image
from serving_server import encoded, picture

from textsr.api import load_model
from textsr.images.image import LoadedImage
from textsr.inference.sizing import Sizing
from textsr.serving.work import Job, Taken

BLANK = encoded(Image.new("1", (4000, 4000), 1))  # 2 KB


def job(image: bytes) -> Job[LoadedImage]:
    def finish(_: Taken, result: LoadedImage) -> LoadedImage:
        return result

    return Job(image, "image", load_model(), Sizing(), 16_000_000, finish)


def test_few_bytes_of_many_pixels_are_not_small() -> None:
    assert len(BLANK) < 32_768
    assert not job(BLANK).is_small
    assert not job(b"no image").is_small
    assert job(encoded(picture())).is_small
