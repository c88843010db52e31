"""Servers in this process, on ports of their own; what computes is bicubic interpolation."""

import io
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import uvicorn
from PIL import Image

from textsr.images.image import FloatImage
from textsr.inference.interpolation import BicubicBackend
from textsr.serving.app import make_app
from textsr.serving.connections import config
from textsr.serving.server import listen
from textsr.serving.service import Service

WORKERS = 2


class Backend(BicubicBackend):
    """Bicubic interpolation that tells of its batches, and can be held up."""

    def __init__(self, scale: int, blend: float) -> None:
        super().__init__(scale, threads=WORKERS, workers=WORKERS)
        self.blend = blend
        self.go = threading.Event()
        self.go.set()
        self.batches: list[int] = []

    def run(self, images: FloatImage, threads: int | None = None) -> FloatImage:
        self.batches.append(len(images))
        assert self.go.wait(60)
        return super().run(images, threads)


class Server:
    """A running server and a client of it."""

    def __init__(self, service: Service, host_names: tuple[str, ...] = ()) -> None:
        self.service = service
        listener = listen("127.0.0.1", 0)
        self.port = listener.getsockname()[1]
        self._server = uvicorn.Server(config(make_app(service, host_names)))
        self._thread = threading.Thread(target=self._server.run, args=([listener],))
        self._thread.start()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)

    def wait(self, condition: Callable[[], object], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline
            assert self.service.failure is None, self.service.failure
            time.sleep(0.01)

    def post(self, image: bytes, path: str = "/upscale", **headers: str) -> httpx.Response:
        kind = {"Content-Type": "image/png"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return self.client.post(path, content=image, headers=kind)

    def metric(self, name: str) -> float:
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def stop(self) -> None:
        """Have it end, as SIGTERM does."""
        self._server.should_exit = True

    def close(self) -> None:
        self.client.close()
        self.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()


Start = Callable[..., Server]


def picture(width: int = 40, height: int = 16, *, seed: int = 0) -> Image.Image:
    """Grain, which is no text: nothing is left to bicubic interpolation or turned."""
    values = np.random.default_rng(seed).integers(120, 128, (height, width)).astype(np.uint8)
    return Image.fromarray(values)


def encoded(image: Image.Image | None = None, file_format: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    (picture() if image is None else image).save(stream, file_format, **options)
    return stream.getvalue()


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image
