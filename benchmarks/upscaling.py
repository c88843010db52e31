"""Upscaling by the pretrained network, however it is computed, beside a general network for speed.

All take turns in every round, so that a machine whose speed drifts slows all of them.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from benchmarks import peers
from textsr.images.image import LoadedImage
from textsr.inference.backend import Backend
from textsr.inference.cores import granted_cores
from textsr.inference.onnx_backend import FLOAT32, INT8, OnnxBackend
from textsr.inference.torch_backend import TorchBackend, suits_bf16
from textsr.inference.upscale import upscale_images
from textsr.pretrained import FOLDER, load_pretrained

UPSCALER = "realesr-animevideov3-x4"
ROUNDS = 7
LINES = 128  # a round, 16x64, as many files of a folder
PAGE = (512, 512)  # a part of one

Work = Mapping[str, Callable[[], object]]


def bench_upscaling() -> str:
    """Upscale lines and a part of a page on all cores; return a Markdown table.

    Lines are taken as `textsr upscale` takes those of a folder: together, on as many threads as
    there are cores. The peer has a process a core for them, which gives it more lines than threads
    do, and one with as many threads for the page; its images come without the border that its own
    tool adds.
    """
    cores = granted_cores()
    said = [
        f"Medians of {ROUNDS} alternating rounds, {cores} cores; in brackets, times {UPSCALER}'s "
        "speed, the median of the rounds' ratios.",
        "",
        "| | 16x64 lines of a folder, lines/s | part of a page, LR kilopixels/s |",
        "| --- | --- | --- |",
    ]
    backends = open_backends(cores)
    work: tuple[dict[str, Callable[[], object]], ...] = ({}, {})
    rng = np.random.default_rng(0)
    line = rng.integers(0, 256, (16, 64)).astype(np.uint8)
    page = rng.integers(0, 256, PAGE).astype(np.uint8)
    for name, backend in backends.items():
        work[0][name] = partial(_upscale_lines, backend, LoadedImage(line), cores)
        work[1][name] = partial(upscale_images, backend, [LoadedImage(page)])
    with ExitStack() as stack:
        try:
            start = partial(peers.start_upscaler, UPSCALER)
            alone = [stack.enter_context(start(1)) for _ in range(cores)]
            together = stack.enter_context(start(cores))
            for peer in alone:
                peer.upscale(line)  # it keeps the image, for repeat
            together.upscale(page)
            work[0][UPSCALER] = partial(_repeat_lines, alone)
            work[1][UPSCALER] = partial(together.repeat, 1)
        except peers.PeerError as error:
            said += ["", f"{UPSCALER}: left out: {error}"]
        seconds = [time_in_turns(each, ROUNDS) for each in work]
    units = (LINES, page.size / 1000)
    rows = [
        f"| {name} | {' | '.join(_cell(s, name, u) for s, u in zip(seconds, units, strict=True))} |"
        for name in work[0]
    ]
    return "\n".join([*said[:4], *rows, *said[4:]])


def open_backends(threads: int) -> dict[str, Backend]:
    """Load the pretrained network in each way that it can be computed in here, by name."""
    model = load_pretrained()
    backends: dict[str, Backend] = {"PyTorch fp32": TorchBackend(model, threads=threads)}
    if suits_bf16(model, torch.device("cpu")):
        backends["PyTorch bf16"] = TorchBackend(model, bf16=True, threads=threads)
    backends["ONNX Runtime fp32"] = OnnxBackend(FOLDER / FLOAT32, threads)
    backends["ONNX Runtime 8-bit"] = OnnxBackend(FOLDER / INT8, threads)
    return backends


def _upscale_lines(backend: Backend, line: LoadedImage, cores: int) -> None:
    with ThreadPoolExecutor(cores) as pool:
        work = partial(upscale_images, backend, threads=1)
        list(pool.map(work, [[line] * (LINES // cores)] * cores))


def time_in_turns(work: Work, rounds: int) -> dict[str, list[float]]:
    """Do all work once a round, in turns; return the seconds of each, without a first round."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    shown = Console(stderr=True)
    for turn in track(range(rounds + 1), description="upscaling", console=shown, transient=True):
        for name, do in work.items():
            start = time.perf_counter()
            do()
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - start)
    return seconds


def _cell(seconds: Mapping[str, Sequence[float]], name: str, units: float) -> str:
    speed = f"{units / statistics.median(seconds[name]):.0f}"
    if UPSCALER not in seconds or name == UPSCALER:
        return speed
    ratios = (a / b for a, b in zip(seconds[UPSCALER], seconds[name], strict=True))
    return f"{speed} ({statistics.median(ratios):.2f})"


def _repeat_lines(running: Sequence[peers.RunningUpscaler]) -> None:
    with ThreadPoolExecutor(len(running)) as pool:
        list(pool.map(lambda peer: peer.repeat(LINES // len(running)), running))


if __name__ == "__main__":
    print(bench_upscaling())
