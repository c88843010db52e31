"""Speeds of the parts, each side by side with its peer in one run: medians and their ratio.

The sides of a pair take turns, so that a machine whose speed drifts slows both.
"""

import argparse
import itertools
import os
import shutil
import statistics
import string
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks import peers
from benchmarks.orchestration import bench_orchestration
from benchmarks.serving import bench_serving
from benchmarks.spark import bench_spark
from benchmarks.upscaling import bench_upscaling
from textsr.config.params import Params, load_params
from textsr.datasets.pairs import Batch, PairBatches, shuffled_pairs
from textsr.datasets.shards import alphabet_of
from textsr.evaluation.score import bicubic_upscale, network_upscale
from textsr.models.ctc_head import CTCHead
from textsr.models.encoder import Encoder
from textsr.models.package import build_network
from textsr.models.spec import ModelSpec
from textsr.synthesis.fonts import characters
from textsr.synthesis.sample import Source, load_source, make_sample
from textsr.synthesis.shards import ShardTask, plan_shards, write_shard
from textsr.synthesis.sources import fetch_sources
from textsr.training.fitting import choose_precision
from textsr.training.objective import SuperResolution

ROUNDS = 7
LINES = 1000
SCALED_LINES, SCALED_SHARDS = 3000, 60  # so many that both processes end at about the same time
PEER_LINES = 60  # a round; peers draw a tenth as fast
PAGE = (1754, 1240)  # rows and columns of A4 at 150 dpi
IMAGES = 12  # of a folder

Side = tuple[str, Callable[[], object]]


def main() -> None:
    """Run all pairs and print a table, or upscaling or serving alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = {"upscaling": bench_upscaling, "serving": bench_serving}
    parser.add_argument("part", nargs="?", choices=parts, help="all of them if not said")
    part = parser.parse_args().part
    if part is not None:
        print(parts[part]())
        return
    params = load_params()
    torch.set_num_threads(params.compute.threads or os.cpu_count() or 1)
    cv2.setNumThreads(1)
    table = Table(title=f"medians of {ROUNDS} alternating rounds, {os.cpu_count()} cores")
    for heading in ("what", "unit", "this", "peer", "ratio", "peer is"):
        table.add_column(heading)
    said = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        fetch_sources(data)
        _bench_processes(table, params, data, Path(folder) / "train")
        said += _bench_generators(table, params, data)
        stored = Path(folder) / "stored"
        for task in _tasks(params, data, stored, LINES, params.synthesis.shard_rows):
            write_shard(task)
        _bench_training(table, params, stored)
    _bench_inference(table, params)
    with tempfile.TemporaryDirectory() as folder:
        said += _bench_files(Path(folder))
    said += bench_orchestration()
    said += [bench_upscaling(), bench_serving()]
    said += bench_spark()
    Console().print(table)
    for sentence in said:
        Console().print(sentence)


def _tasks(
    params: Params, data: Path, folder: Path, lines: int, shard_rows: int
) -> list[ShardTask]:
    samples = params.synthesis.samples.model_copy(update={"train": lines})
    synthesis = params.synthesis.model_copy(update={"samples": samples, "shard_rows": shard_rows})
    return plan_shards(params.model_copy(update={"synthesis": synthesis}), "train", data, folder)


def _bench_processes(table: Table, params: Params, data: Path, folder: Path) -> None:
    """Write shards on 2 processes and on 1; and add numbers, which tells what 2 can give here."""
    tasks = _tasks(params, data, folder, SCALED_LINES, SCALED_LINES // SCALED_SHARDS)
    sums = [2_000_000] * SCALED_SHARDS
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for what, unit, count, work, items in (
            ("synthesis", "lines/s", SCALED_LINES, write_shard, tasks),
            ("adding numbers", "million/s", 2 * SCALED_SHARDS, _add_up, sums),
        ):
            _compare(
                table,
                f"{what}, 2 processes",
                unit,
                count,
                ("2 processes", lambda work=work, items=items: list(pool.map(work, items))),  # type: ignore[misc]
                ("1 process", lambda work=work, items=items: list(map(work, items))),  # type: ignore[misc]
            )


def _add_up(count: int) -> int:
    return sum(number * number for number in range(count))


def _bench_generators(table: Table, params: Params, data: Path) -> list[str]:
    """Draw the same kinds of texts in the same fonts by other generators, on one core each.

    Ours are finished pairs with the full set of effects; theirs have the effects that they have.

    Returns:
        A sentence about each peer that could not be run.
    """
    source = load_source(params, "train", data)
    count = itertools.count()
    texts, fonts = _plain_texts(source), _plain_fonts(source)
    missing = []
    for name in peers.GENERATORS:
        try:
            with peers.start_generator(name, texts, fonts) as draw:
                _compare(
                    table,
                    "synthesis, 1 process",
                    "lines/s",
                    PEER_LINES,
                    ("pairs", lambda: [make_sample(source, next(count)) for _ in texts]),
                    (name, lambda draw=draw: draw(PEER_LINES)),  # type: ignore[misc]
                )
        except peers.PeerError as error:
            missing.append(f"{name}: left out: {error}")
    return missing


def _plain_texts(source: Source) -> list[str]:
    rng = np.random.default_rng(0)
    texts = (source.corpus.draw(rng)[0] for _ in itertools.count())
    return list(itertools.islice(filter(str.isascii, texts), PEER_LINES))


def _plain_fonts(source: Source) -> list[str]:
    """Return the fonts that have all of ASCII: peers do not ask what a font can draw."""
    files = [file.path for family in source.fonts.families.values() for file in family]
    return [str(path) for path in files if set(string.printable[:95]) <= characters(path)]


def _bench_training(table: Table, params: Params, folder: Path) -> None:
    """Time an epoch as `textsr train` takes it, from shards and from tensors held in memory.

    From shards, each line is read, decompressed and decoded once, as in an epoch of any length. The
    sides take turns at every step, since a machine's speed drifts by more than they differ by.
    """
    training = params.training
    spec = ModelSpec(
        name="bench", architecture="upsampler", scale=4, encoder="text", width=training.width
    )
    network = build_network(spec)
    encoder = cast(Encoder, network.encoder)
    spells = training.ctc_loss_weight > 0
    module = SuperResolution(
        network,
        learning_rate=1e-4,
        ctc_head=CTCHead(encoder.channels[-1], alphabet_of(folder)) if spells else None,
        ctc_loss_weight=training.ctc_loss_weight,
    ).to(memory_format=torch.channels_last)
    module.log = lambda *args, **kwargs: None  # type: ignore[method-assign]  # no Trainer here
    average = get_ema_multi_avg_fn(training.ema_decay)  # type: ignore[no-untyped-call]
    averaged = AveragedModel(module, multi_avg_fn=average)
    optimizer = module.configure_optimizers()
    mixed = choose_precision(params.compute.precision) == "bf16-mixed"
    steps = range(LINES // training.batch_size)

    def read() -> Callable[[int], Batch]:
        return PairBatches(
            shuffled_pairs(folder, training.shuffle_buffer_rows, 1),
            batch_size=training.batch_size,
            max_size=(params.synthesis.lr_height, params.synthesis.max_lr_width),
            scale=4,
            seed=1,
            max_shift=training.max_shift_px,
        )

    def step(batch: Batch) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(module.parameters(), training.gradient_clip)
        optimizer.step()
        averaged.update_parameters(module)

    resident = list(map(read(), steps))
    durations: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + 1):
        from_shards = read()
        sides = (lambda k: step(from_shards(k)), lambda k: step(resident[k]))  # noqa: B023
        totals = [0.0, 0.0]
        for which in steps:
            # Whoever comes second finds memory of the batch's size: that turns, too.
            for side in (which % 2, 1 - which % 2):
                start = time.perf_counter()
                sides[side](which)
                totals[side] += time.perf_counter() - start
        if number:  # the first warms up
            for kept, total in zip(durations, totals, strict=True):
                kept.append(total)
    count = training.batch_size * len(steps)
    names = ("from shards", "from tensors in memory")
    _add_row(table, "training", "lines/s", count, names, durations)


def _bench_inference(table: Table, params: Params) -> None:
    line = np.random.default_rng(0).integers(0, 256, (16, 64)).astype(np.uint8)
    for name, peer in (("text", "srcnn_transposed"), ("text", "bicubic")):
        sides = [_upscaler(params, which) for which in (name, peer)]
        _compare(
            table,
            "upscaling a 16x64 line",
            "lines/s",
            1,
            (f"{name} network", lambda upscale=sides[0]: upscale(line)),  # type: ignore[misc]
            (peer, lambda upscale=sides[1]: upscale(line)),  # type: ignore[misc]
        )


def _bench_files(folder: Path) -> list[str]:
    """Upscale a page and a folder of images by the command, as users do, start and all.

    Returns:
        What each took: seconds, memory at the peak and the cores that were kept busy.
    """
    sample = cv2.imread("docs/images/sample.png")
    assert sample is not None
    height, width = sample.shape[:2]
    page = np.tile(sample, (-(-PAGE[0] // height), -(-PAGE[1] // width), 1))[: PAGE[0], : PAGE[1]]
    (folder / "images").mkdir()
    cv2.imwrite(str(folder / "page.png"), page)
    for number in range(IMAGES):
        cv2.imwrite(str(folder / "images" / f"{number}.jpg"), page[: PAGE[0] // 2, : PAGE[1] // 2])
    said = []
    for what, source, pages in (
        (f"a coloured page of {PAGE[1]} x {PAGE[0]}", "page.png", 1),
        (f"a folder of {IMAGES} quarters of it", "images", IMAGES / 4),
    ):
        measured = [_run_upscale(folder / source, folder / f"{source}-out") for _ in range(3)]
        seconds, busy, memory = (
            statistics.median(column) for column in zip(*measured, strict=True)
        )
        said.append(
            f"textsr upscale, {what}: {seconds:.1f} s, {seconds / pages:.1f} s a page, "
            f"{busy:.2f} of {os.cpu_count()} cores busy, {memory:.2f} GiB at the peak"
        )
    return said


def _run_upscale(source: Path, output: Path) -> tuple[float, float, float]:
    """Return seconds, cores kept busy and GiB at the peak of one `textsr upscale`."""
    command = ["textsr", "upscale", str(source), "-o", str(output / "page.png")]
    if source.is_dir():
        command[-1] = str(output)
    shutil.rmtree(output, ignore_errors=True)
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(said)
    return seconds, (used.ru_utime + used.ru_stime) / seconds, used.ru_maxrss / 2**20


def _upscaler(params: Params, name: str) -> Callable[..., object]:
    if name == "bicubic":
        return bicubic_upscale(4)
    spec = ModelSpec(
        name=name,
        architecture="srcnn_transposed" if name == "srcnn_transposed" else "upsampler",
        scale=4,
        encoder=None if name == "srcnn_transposed" else "text",
        width=params.training.width,
    )
    return network_upscale(build_network(spec).eval())


def _compare(table: Table, what: str, unit: str, count: int, this: Side, peer: Side) -> None:
    durations: tuple[list[float], list[float]] = ([], [])
    for side in (this, peer):
        side[1]()  # warm up
    for _ in track(range(ROUNDS), description=what, console=Console(stderr=True), transient=True):
        for (_, work), kept in zip((this, peer), durations, strict=True):
            start = time.perf_counter()
            work()
            kept.append(time.perf_counter() - start)
    _add_row(table, what, unit, count, (this[0], peer[0]), durations)


def _add_row(
    table: Table,
    what: str,
    unit: str,
    count: int,
    names: tuple[str, str],
    durations: tuple[list[float], list[float]],
) -> None:
    """Add the median speeds of two sides, and the median of the rounds' ratios."""
    speeds = [count / statistics.median(kept) for kept in durations]
    ratios = [peer / this for this, peer in zip(*durations, strict=True)]
    ratio = statistics.median(ratios)
    digits = 3 if 0.9 < ratio < 1 else 2
    table.add_row(
        f"{what}: {names[0]}",
        unit,
        f"{speeds[0]:.0f}",
        f"{speeds[1]:.0f}",
        f"{ratio:.{digits}f}",
        names[1],
    )


if __name__ == "__main__":
    main()
