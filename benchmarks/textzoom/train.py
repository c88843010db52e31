"""Train a peer, or our network, for a number of CPU minutes on the same pairs.

The budget is the process's CPU time, all threads summed, so that other work on the machine takes
little from it; with two threads it is spent in half as many minutes by the wall clock. Making
batches counts. A killed run goes on at its last checkpoint when called anew.
"""

import argparse
import time
from pathlib import Path
from typing import get_args

import torch

from benchmarks.budget import BudgetedRun, CurvePoint
from benchmarks.textzoom.backbone import count_parameters
from benchmarks.textzoom.package import PeerRecord, PeerSpec, build_peer, save_peer
from benchmarks.textzoom.recipes import build_recipe
from textsr.compute import use_threads
from textsr.config.params import Params, load_params
from textsr.datasets.pairs import PairBatches, shuffled_pairs
from textsr.files import fingerprint

_SAVE_EVERY_S = 60.0
_PUBLISHED_RATES = {"tsrn": 1e-3, "tbsrn": 1e-4}
"""Of the published code, for batches of hundreds of lines; `--learning-rate` tries others."""


def main() -> None:
    """Parse the command line, train, and say where the result is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=get_args(PeerSpec.model_fields["name"].annotation))
    parser.add_argument("--minutes", type=float, required=True, help="of CPU, threads summed")
    parser.add_argument("--threads", type=int, required=True, help="0: one a core")
    parser.add_argument("--dataset", type=Path, required=True, help="folder with the split train")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--learning-rate", type=float, help="instead of the network's own")
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    train(
        arguments.name,
        load_params(),
        arguments.dataset,
        arguments.output,
        minutes=arguments.minutes,
        learning_rate=arguments.learning_rate,
    )
    print(f"written: {arguments.output}")


def train(
    name: str,
    params: Params,
    dataset: Path,
    output: Path,
    *,
    minutes: float,
    learning_rate: float | None = None,
) -> None:
    """Train a network and write its folder; `load_peer` reads it.

    Batches are those of `textsr train` without imported pairs: same lines, same order, same seed.

    Args:
        name: `tsrn`, `tbsrn` or `ours`.
        params: the whole of params.yaml.
        dataset: folder of the synthetic splits.
        output: folder to write; the checkpoint lies beside it until then.
        minutes: of CPU time, all threads summed.
        learning_rate: instead of the published or, for `ours`, the configured one.

    Raises:
        TextsrError: if there is no dataset, or a checkpoint is of another training.
    """
    training = params.training
    spec = PeerSpec(
        name=name,
        scale=params.synthesis.scale,
        encoder=params.pretraining.encoder,
        width=training.width,
    )
    torch.manual_seed(params.seed)
    network = build_peer(spec).to(memory_format=torch.channels_last)
    rate = learning_rate or _PUBLISHED_RATES.get(name, training.learning_rate)
    recipe = build_recipe(name, training, network, rate)
    batches = PairBatches(
        shuffled_pairs(dataset / "train", training.shuffle_rows, params.seed),
        batch_size=training.batch_size,
        max_size=(params.synthesis.lr_height, params.synthesis.max_lr_width),
        scale=spec.scale,
        seed=params.seed,
        max_shift=training.max_shift_px,
    )
    described = f"{spec} {params.seed} {training.model_dump_json()} {minutes} {rate}"
    run = BudgetedRun(
        network,
        recipe,
        checkpoint=output.with_name(f"{output.name}.checkpoint.pt"),
        fingerprint=fingerprint(described, [dataset / "train"]),
    )

    def report(point: CurvePoint) -> None:
        lines = point.steps * training.batch_size
        print(
            f"{name}: {point.cpu_seconds / 60:.1f}/{minutes:g} CPU min, step {point.steps}, "
            f"mse {point.mse:.5f}, {lines / point.cpu_seconds:.1f} lines/CPU s",
            flush=True,
        )

    trained = run.fit(
        batches,
        clock=time.process_time,
        budget=60 * minutes,
        save_every=_SAVE_EVERY_S,
        report=report,
    )
    record = PeerRecord(
        spec=spec,
        parameters=count_parameters(trained),
        budget_cpu_minutes=minutes,
        threads=torch.get_num_threads(),
        learning_rate=rate,
        batch_size=training.batch_size,
        curve=run.curve,
    )
    save_peer(output, record, trained)
    run.forget()


if __name__ == "__main__":
    main()
