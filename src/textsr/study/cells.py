"""The cells of a study: an arm, a number of pairs and a seed each; made once, and kept."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from pydantic import BaseModel

from textsr.config.params import Params
from textsr.config.streams import Stream
from textsr.datasets.pairs import Batch, crop, to_tensor, whole_batches
from textsr.datasets.stream import ShuffledLines
from textsr.evaluation.score import bicubic_upscale, network_upscale, score_set
from textsr.evaluation.sets import EvaluationLine, load_split
from textsr.files import fingerprint, read_json, write_json
from textsr.models.upsampler import UpsamplerNet
from textsr.models.weights import read_weights, save_weights
from textsr.ocr.engine import OCREngine
from textsr.pretraining.probe import probe_reconstruction
from textsr.pretraining.run import _probe_batches
from textsr.study.fitting import train_until_it_stops
from textsr.study.pretext import Lines, PretextTraining
from textsr.study.settings import Arm, Study
from textsr.training.cost import Cost
from textsr.training.curves import write_curves
from textsr.training.fitting import checkpoint_folder, choose_precision, fit, forget_checkpoints

KEPT = Path(".cache/study")
"""Pretrained networks; those of a study that is done can be removed."""

_VALIDATION_BATCH = 32
_CHECKPOINT_EVERY = 100  # steps of a pretext
BICUBIC = "bicubic"


class Result(BaseModel):
    """What came of a cell; a JSON file."""

    key: str
    """Of all that the result depends on but the code."""
    arm: str
    pairs: int
    seed: int
    curve: list[tuple[int, float]]
    """Step and PSNR in dB of each validation."""
    seconds: float
    """Of super-resolution."""
    pretext: dict[str, float] = {}
    """Last metrics of the pretext, `probe_r2`, `steps` and `seconds`."""
    psnr_db: list[float] = []
    """Of each line that was read."""
    exact: dict[str, str] = {}
    """By OCR engine, a `1` for each line that it reads exactly, and a `0` for each other."""
    engines: dict[str, str] = {}
    """Their versions."""

    @property
    def best(self) -> tuple[int, float]:
        """Step and PSNR of the best validation."""
        return max(self.curve, key=lambda point: point[1])


@dataclass(frozen=True)
class Cell:
    """One training of a study."""

    arm: str
    pairs: int
    seed: int

    @property
    def name(self) -> str:
        """What its file is called."""
        return f"{self.arm}-{self.pairs}-{self.seed}"


def cells_of(study: Study) -> list[Cell]:
    """Return all cells, seed by seed, so that a study that is stopped has whole comparisons."""
    return [
        Cell(name, pairs, seed)
        for seed in study.seeds
        for pairs in study.pairs
        for name, arm in study.arms.items()
        if arm.pairs is None or pairs in arm.pairs
    ]


class Runner:
    """Makes the cells of one study."""

    def __init__(
        self,
        study: Study,
        params: Params,
        dataset: Path,
        results: Path,
        engines: Sequence[OCREngine],
    ) -> None:
        """Of a study whose results are in `results`, a JSON file for each cell.

        Args:
            study: what it compares.
            params: the whole of params.yaml.
            dataset: folder of the splits.
            results: folder of what is kept.
            engines: that read.
        """
        self._study = study
        self._params = params
        self._dataset = dataset
        self._results = results
        self._engines = engines
        self._data = fingerprint("", [dataset / name for name in ("train", "val", "test")])

    def result(self, cell: Cell) -> Result | None:
        """Return what is kept of a cell, if it is of these settings and this data."""
        path = self._path(cell)
        if not path.is_file():
            return None
        found = Result.model_validate(read_json(path, Result, "remove it"))
        return found if found.key == self.key(cell) else None

    def key(self, cell: Cell) -> str:
        """Return a hash of all that a cell depends on but the code."""
        study = self._study
        arm = study.arms[cell.arm]
        others = study.model_dump(mode="json", exclude={"arms", "pretexts", "pairs", "seeds"})
        pretext = arm.pretext and study.pretexts[arm.pretext].model_dump(mode="json")
        engines = [engine.version for engine in self._engines]
        transfer = arm.transfer if pretext else None
        described = [others, transfer, pretext, cell.pairs, cell.seed, engines]
        return sha256(f"{described} {self._data}".encode()).hexdigest()[:16]

    @contextmanager
    def claimed(self, cell: Cell) -> Iterator[bool]:
        """Hold a cell's lock, so that several processes share a study; tell whether it is held."""
        KEPT.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(KEPT / f"{cell.name}.lock", timeout=0):
                yield True
        except Timeout:
            yield False

    def run(self, cell: Cell) -> Result:
        """Train the network of a cell, judge it and keep the result.

        Raises:
            TextsrError: if a training diverges or its embeddings collapse.
        """
        study, arm = self._study, self._study.arms[cell.arm]
        torch.manual_seed(cell.seed)
        network = self._fresh()
        pretext = {} if arm.pretext is None else self._start(network, arm, cell.seed)
        lines = ShuffledLines(
            self._dataset / "train", ("lr", "hr"), window_rows=1_000_000, seed=cell.seed
        )
        pairs = [
            (lines.decode("lr", number), lines.decode("hr", number))
            for number in range(min(cell.pairs, len(lines)))
        ]
        cost = Cost()
        curve = train_until_it_stops(network, pairs, self._validation(), study, cell.seed, cost)
        judged = self._judge(cell.arm, network_upscale(network.eval()))
        result = Result(
            key=self.key(cell),
            arm=cell.arm,
            pairs=cell.pairs,
            seed=cell.seed,
            curve=[(step, round(psnr, 4)) for step, psnr in curve],
            seconds=round(cost.seconds, 1),
            pretext=pretext,
            **judged,
        )
        write_json(self._path(cell), result.model_dump(mode="json"))
        return result

    def bicubic(self) -> Result:
        """Return what is read of bicubic's output; made once."""
        cell = Cell(BICUBIC, 0, 0)
        path = self._path(cell)
        described = f"{self._study.read_lines} {[e.version for e in self._engines]} {self._data}"
        key = sha256(described.encode()).hexdigest()[:16]
        if path.is_file():
            found = Result.model_validate(read_json(path, Result, "remove it"))
            if found.key == key:
                return found
        judged = self._judge(BICUBIC, bicubic_upscale(self._params.synthesis.scale))
        result = Result(key=key, arm=BICUBIC, pairs=0, seed=0, curve=[], seconds=0, **judged)
        write_json(path, result.model_dump(mode="json"))
        return result

    def _path(self, cell: Cell) -> Path:
        return self._results / f"{cell.name}.json"

    def _fresh(self) -> UpsamplerNet:
        return UpsamplerNet("text", self._study.width, self._params.synthesis.scale)

    def _start(self, network: UpsamplerNet, arm: Arm, seed: int) -> dict[str, float]:
        """Give a network the weights of its pretext; return the pretext's metrics."""
        assert arm.pretext is not None
        weights, metrics = self._pretrained(arm.pretext, seed)
        state = read_weights(weights, network.state_dict())
        if arm.transfer == "network":
            network.load_state_dict(state)
            return metrics
        prefix = "encoder."
        network.encoder.load_state_dict(
            {
                name.removeprefix(prefix): value
                for name, value in state.items()
                if name.startswith(prefix)
            }
        )
        network.encoder.requires_grad_(arm.transfer == "encoder")
        return metrics

    def _pretrained(self, name: str, seed: int) -> tuple[Path, dict[str, float]]:
        """Return the weights of a pretext and its metrics; trains it where that is not done."""
        study, pretext = self._study, self._study.pretexts[name]
        described = f"{pretext.model_dump_json()} {study.width} {study.crop_width} "
        described += f"{study.pretext_batch} {study.pretext_learning_rate} {seed} {self._data}"
        run = f"{name}-{sha256(described.encode()).hexdigest()[:16]}"
        weights = KEPT / f"{run}.safetensors"
        measured = weights.with_suffix(".json")
        with FileLock(KEPT / f"{run}.lock"):  # another process may be making it: waits for it
            if not measured.is_file():
                torch.manual_seed(seed)
                module = PretextTraining(self._fresh(), pretext, study.pretext_learning_rate)
                cost = Cost()
                state, curves = fit(
                    module,
                    _LineBatches(self._dataset, study, seed),
                    steps=pretext.steps,
                    checkpoint_every=_CHECKPOINT_EVERY,
                    checkpoints=checkpoint_folder(f"study-{run}", run),
                    section="study",
                    seed=seed,
                    precision=choose_precision(self._params.compute.precision),
                    cost=cost,
                )
                module.load_state_dict(state)
                save_weights(module.network.state_dict(), weights, final=weights)
                write_curves(weights.with_suffix(".csv"), curves)
                module.network.eval()
                r2 = probe_reconstruction(
                    module.network.encoder, *_probe_batches(self._params, self._dataset)
                )
                metrics = {**curves[-1], "probe_r2": r2, "seconds": cost.seconds}
                write_json(measured, {k: round(v, 5) for k, v in metrics.items()})
                forget_checkpoints(f"study-{run}")
        return weights, read_json(measured, dict[str, float], "remove it")

    @cache  # noqa: B019 - there is one runner
    def _validation(self) -> list[Batch]:
        return whole_batches(
            self._dataset / "val",
            batch_size=_VALIDATION_BATCH,
            scale=self._params.synthesis.scale,
            limit=self._study.validation_lines,
        )

    @cache  # noqa: B019
    def _test(self) -> list[EvaluationLine]:
        return load_split(self._dataset / "test")[: self._study.read_lines]

    def _judge(self, method: str, upscale: Callable[[Any], Any]) -> dict[str, Any]:
        lines = self._test()
        if not lines:
            return {}
        table = score_set(
            method, "test", lines, [upscale(line.lr) for line in lines], self._engines
        )
        return {
            "psnr_db": [round(value, 2) for value in table["psnr_db"]],
            "exact": {
                engine.name: "".join(str(int(x)) for x in table[f"{engine.name}_exact"])
                for engine in self._engines
            },
            "engines": {engine.name: engine.version for engine in self._engines},
        }


class _LineBatches:
    """The crops of LR lines of a step."""

    def __init__(self, dataset: Path, study: Study, seed: int) -> None:
        self._lines = ShuffledLines(dataset / "train", ("lr",), window_rows=1_000_000, seed=seed)
        self._study = study
        self._seed = seed

    def __call__(self, step: int) -> Lines:
        rng = Stream.VIEWS.generator(self._seed, step)
        size, width = self._study.pretext_batch, self._study.crop_width
        crops = []
        for position in range(step * size, (step + 1) * size):
            line = self._lines.decode("lr", position)
            left = int(rng.integers(0, max(line.shape[1] - width, 0) + 1))
            crops.append(crop(line, 0, left, line.shape[0], width))
        return Lines(to_tensor(crops), int(rng.integers(2**63)))
