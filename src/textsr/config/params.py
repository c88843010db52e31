"""`params.yaml` as typed, validated models, a section a stage."""

import math
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from textsr.config import project
from textsr.config.effects import Degradation, Render
from textsr.config.pages import Page
from textsr.config.sections import Frequency, Interval, Probability, Section, inside
from textsr.config.yaml_files import overlay, read_yaml
from textsr.errors import TextsrError, quote, shorten

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
"""The dataset's splits, in the order in which they are made."""

KINDS = (
    *("words", "accented", "sentence", "name", "amount", "leader", "date", "address", "code"),
    *("email", "url", "custom"),
)
"""Kinds of text; `custom` is the user's own lines, absent when there are none."""

SSL_METHODS = ("simclr", "byol")
"""Of self-supervised pretraining."""

Architecture = Literal["upsampler", "srcnn_transposed"]

Precision = Literal["auto", "32", "bf16"]
"""Of training: what the machine is fast at, full, or bf16 mixed precision."""


# Every number has an upper bound, far above what is of use and below what no machine has memory
# or time for: a slip of the keyboard is a message then, and not a process that is killed.
Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""Of initialisation and bootstrap; the generators take no larger one."""
Threads = Annotated[int, Field(ge=0, le=1024)]
Steps = Annotated[int, Field(ge=1, le=10_000_000)]
StepsOrNone = Annotated[int, Field(ge=0, le=10_000_000)]
"""Steps of a training that 0 leaves out."""
BatchSize = Annotated[int, Field(ge=1, le=65_536)]
LearningRate = Annotated[float, Field(gt=0, le=10)]
WeightDecay = Annotated[float, Field(ge=0, le=10)]
LossWeight = Annotated[float, Field(ge=0, le=1000)]
"""Of a loss against that of the pixels, which weighs 1."""
Lines = Annotated[int, Field(ge=1, le=100_000_000)]
Blocks = Annotated[int, Field(ge=1, le=128)]
Width = Annotated[int, Field(ge=8, le=1024, multiple_of=8)]
"""Channels of the upsampler at half the LR resolution."""
GreyLevels = Annotated[float, Field(gt=0, le=255)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]

_MAX_SHARDS = 99_999  # of a split: shards' names have five digits


class Compute(Section):
    """Threads and processes (0: one a core), devices, precision, parts of the dataset."""

    threads: Threads
    processes: Threads
    devices: Annotated[int, Field(ge=1, le=1024)]
    precision: Precision
    parts: Annotated[list[str], Field(max_length=1000)]

    @field_validator("parts")
    @classmethod
    def _all_parts(cls, parts: list[str]) -> list[str]:
        count = len(parts)
        expected = [f"{number}-of-{count}" for number in range(1, count + 1)]
        if parts != expected:
            raise ValueError(f"{count} parts are called {', '.join(expected)}")
        return parts


class Samples(Section):
    """Lines in each split."""

    train: Lines
    val: Lines
    test: Lines


class FontSplits(Section):
    """Families held out for validation and test; all others are for training."""

    val_families: list[str] = Field(min_length=1)
    test_families: list[str] = Field(min_length=1)
    italic: Probability

    @model_validator(mode="after")
    def _disjoint(self) -> "FontSplits":
        both = sorted(set(self.val_families) & set(self.test_families))
        if both:
            raise ValueError(f"{', '.join(both)} named in val_families and in test_families")
        return self


class Text(Section):
    """What the lines say."""

    kinds: dict[Literal[KINDS], Frequency]  # type: ignore[valid-type]
    max_characters: Annotated[int, Field(ge=4, le=200)]
    uppercase: Probability

    @model_validator(mode="after")
    def _some_kind(self) -> "Text":
        if not any(share > 0 for kind, share in self.kinds.items() if kind != "custom"):
            raise ValueError("kinds: at least one kind besides custom needs a share above 0")
        return self


class Synthesis(Section):
    """The dataset."""

    seed: Annotated[int, Field(ge=0, le=10**18)]  # a column of 64 bits records it
    scale: Literal[2, 4]
    lr_height: Annotated[int, Field(ge=8, le=64, multiple_of=4)]
    max_lr_width: Annotated[int, Field(ge=32, le=1024, multiple_of=4)]
    samples: Samples
    shard_rows: Annotated[int, Field(ge=1, le=100_000)]
    fonts: FontSplits
    text: Text
    render: Render
    degradation: Degradation
    page: Page | None = None
    """Of extra datasets alone: their samples are crops of pages."""

    @model_validator(mode="after")
    def _fits_a_page(self) -> "Synthesis":
        if self.page is None:
            return self
        for name, least, most in (
            ("lr_height", self.lr_height, self.page.lr_height),
            ("max_lr_width", self.max_lr_width, self.page.lr_width),
        ):
            if least > most:
                raise ValueError(f"{name}: {least} is more than the page has ({most}); lower it")
        if self.page.min_crop_lr_width > self.max_lr_width:
            raise ValueError(
                f"page.min_crop_lr_width: {self.page.min_crop_lr_width} is more than max_lr_width "
                f"({self.max_lr_width}); lower it"
            )
        if self.render.neighbours.probability > 0:
            raise ValueError(
                "render.neighbours.probability: the lines of a page have neighbours; set it to 0"
            )
        return self

    @model_validator(mode="after")
    def _few_shards(self) -> "Synthesis":
        for split in SPLITS:
            shards = math.ceil(getattr(self.samples, split) / self.shard_rows)
            if shards > _MAX_SHARDS:
                raise ValueError(
                    f"samples.{split}: {shards} shards of shard_rows {self.shard_rows} are more "
                    f"than {_MAX_SHARDS}; raise shard_rows"
                )
        return self

    def at_height(self, lr_height: int) -> "Synthesis":
        """Return settings for another height of lines, LR pixels, with text that grows with it.

        Blur, noise and files do not grow.
        """
        factor = lr_height / self.lr_height
        low, high = self.render.font_height_px
        left, right = self.render.margin_px
        render = self.render.model_copy(
            update={
                "font_height_px": (low * factor, high * factor),
                "margin_px": (left * factor, right * factor),
            }
        )
        update = {
            "lr_height": lr_height,
            "max_lr_width": round(self.max_lr_width * factor / 4) * 4,
            "render": render,
        }
        return self.model_copy(update=update)

    def of_pages(self) -> dict[str, Any]:
        """Return settings for pages, as a mapping: type that is tiny and large beside their crops.

        Lines have no neighbours but their own, and no page is made of two levels: one threshold for
        all of it makes grey panels, pale text and pictures white or black.
        """
        settings = self.model_dump()
        # At the scale at which params.yaml states lengths.
        height = self.lr_height * 4
        settings["render"]["font_height_px"] = (0.3 * height, 1.8 * height)
        settings["render"]["neighbours"]["probability"] = 0
        for name in ("first", "scan", "second"):
            for effect in ("bilevel", "dithering"):
                settings["degradation"][name][effect]["probability"] = 0
        return settings


class Validation(Section):
    """Thresholds of the Great Expectations suite."""

    max_rows: Annotated[int, Field(ge=0, le=10_000_000)]
    legibility_samples: Annotated[int, Field(ge=1, le=1_000_000)]
    min_legibility: Probability
    min_kind_share: Probability


class SimCLRParams(Section):
    """SimCLR's own knobs."""

    temperature: Annotated[float, Field(gt=0, le=1000)]


class BYOLParams(Section):
    """BYOL's own knobs."""

    base_momentum: Probability


class Pretraining(Section):
    """Self-supervised pretraining of the encoder."""

    encoder: Literal["text", "resnet18"]
    steps: Steps
    batch_size: Annotated[BatchSize, Field(ge=2)]
    crop_width: Annotated[int, Field(ge=32, le=1024, multiple_of=4)]
    learning_rate: LearningRate
    weight_decay: WeightDecay
    warmup_fraction: Probability
    checkpoint_every_steps: Steps
    projection_dim: Annotated[int, Field(ge=1, le=16_384)]
    simclr: SimCLRParams
    byol: BYOLParams


class Recognizer(Section):
    """Training of our own recognizer; without steps it is the package's, if it is one at all."""

    from_pretrained: bool
    steps: StepsOrNone
    batch_size: BatchSize
    learning_rate: LearningRate
    hr_fraction: Probability
    checkpoint_every_steps: Steps


FRESH = (project.VALIDATION / "result.json").as_posix()
"""A model's `start` from fresh weights: what must be there is a valid dataset."""
PRETRAINED = "src/textsr/pretrained"
"""A model's `start` from the weights that come with the package."""
ENCODERS = {(project.ENCODERS / method / "encoder").as_posix(): method for method in SSL_METHODS}
"""A model's `start` from a pretrained encoder, and the method that pretrained it."""

_STARTS = (FRESH, *ENCODERS, PRETRAINED)


class Model(Section):
    """A super-resolution network: what its training starts from, and settings of its own.

    What is None is as `training` says, or as the architecture or the weights have it.
    """

    start: Literal[_STARTS]  # type: ignore[valid-type]
    architecture: Architecture
    steps: StepsOrNone | None = None
    learning_rate: LearningRate | None = None
    width: Width | None = None
    coarse_blocks: Blocks | None = None
    sequence_blocks: Blocks | None = None
    expansion: PositiveShare | None = None
    distillation_weight: LossWeight | None = None

    @property
    def method(self) -> str | None:
        """The method that pretrained the encoder that training starts from; None: there is none."""
        return ENCODERS.get(self.start)

    @property
    def is_pretrained(self) -> bool:
        """Whether training starts from the weights that come with the package."""
        return bool(self.start == PRETRAINED)

    @property
    def is_shipped(self) -> bool:
        """Whether it is the weights that come with the package, as they come."""
        return self.is_pretrained and self.steps == 0

    @model_validator(mode="after")
    def _settings_of_its_kind(self) -> "Model":
        for name in self._settled():
            if getattr(self, name) is not None:
                by = self.architecture if self.start == FRESH else f"start: {self.start}"
                raise ValueError(f"{name}: is settled by {by}; remove it")
        if self.architecture == "srcnn_transposed" and self.start != FRESH:
            raise ValueError(f"start: {self.architecture} starts from fresh weights: {FRESH}")
        if self.steps == 0 and not self.is_pretrained:
            raise ValueError(f"steps: 0 is for start: {PRETRAINED} alone, which need no training")
        return self

    def _settled(self) -> tuple[str, ...]:
        """Return the settings that are not to choose."""
        if self.is_pretrained:
            return ("width",)
        if self.architecture == "srcnn_transposed" or self.method is not None:
            return ("width", "coarse_blocks", "sequence_blocks", "expansion", "distillation_weight")
        return ("distillation_weight",)


_HEIGHT_STEP = 4  # LR pixels


class Resizing(Section):
    """How many batches are brought to other heights, and to which, LR pixels."""

    probability: Probability
    height_px: Annotated[Interval, inside(4, 64)]

    @property
    def heights(self) -> range:
        """The multiples of 4 in the range: few, so that convolutions are prepared for each once."""
        low, high = self.height_px
        return range(math.ceil(low / _HEIGHT_STEP) * _HEIGHT_STEP, int(high) + 1, _HEIGHT_STEP)

    @model_validator(mode="after")
    def _has_heights(self) -> "Resizing":
        if not self.heights:
            raise ValueError(f"height_px: no multiple of {_HEIGHT_STEP} in it; widen it")
        return self


DATASET = "dataset"
"""What the dataset is called among the extra datasets in `training.mixture`."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=100)]
"""Of an extra dataset or a model: a folder's name, too."""


class RecognitionLoss(Section):
    """The loss of a frozen recognizer that reads the output, per character."""

    weight: LossWeight
    start_fraction: Probability
    blend_range: Annotated[Interval, inside(0, 1)]


class Training(Section):
    """Training of the super-resolution network."""

    steps: Steps
    batch_size: BatchSize
    max_shift_px: Annotated[int, Field(ge=0, le=8)]
    ctc_loss_weight: LossWeight
    recognition_loss: RecognitionLoss
    learning_rate: LearningRate
    weight_decay: WeightDecay
    warmup_fraction: Probability
    gradient_clip: Annotated[float, Field(gt=0, le=1e9)]  # so large, it clips nothing
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    checkpoint_every_steps: Steps
    width: Width
    resizing: Resizing
    mixture: dict[Name, Annotated[int, Field(ge=1, le=10_000)]]
    shuffle_buffer_rows: Annotated[int, Field(ge=1, le=10_000_000)]
    cache_in_memory: bool
    imported_fraction: Probability

    @field_validator("mixture")
    @classmethod
    def _in_order(cls, mixture: dict[str, int]) -> dict[str, int]:
        """Sort it: what is trained must not depend on the order in a file."""
        return dict(sorted(mixture.items()))


class Evaluation(Section):
    """Metrics, intervals, panels."""

    blend_weights: list[PositiveShare] = Field(min_length=1, max_length=100)
    bootstrap_resamples: Annotated[int, Field(ge=100, le=100_000)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    panel_lines: Annotated[int, Field(ge=1, le=500)]


class Gate(Section):
    """What a challenger must show to become champion."""

    min_psnr_gain_db: Annotated[float, Field(ge=-100, le=100)]
    min_ssim_gain: Annotated[float, Field(ge=-2, le=2)]
    max_ms_per_line: Annotated[float, Field(gt=0, le=1e9)]  # so large, it demands nothing
    min_engines_better: Annotated[int, Field(ge=1, le=100)]
    min_lines: Annotated[int, Field(ge=2, le=100_000)]
    slice_significance: Annotated[float, Field(gt=0, lt=1)]


class Registration(Section):
    """The model registry."""

    model_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    gate: Gate


class Tolerance(Section):
    """How far each property may move, in the unit of its name, before it is a matter.

    `sharpness` and `blocking` are shares, as `monitoring.measure` defines them; confidences are
    the OCR engine's, before and after upscaling.
    """

    height_px: Annotated[float, Field(gt=0, le=100_000)]
    contrast_levels: GreyLevels
    sharpness: PositiveShare
    noise_levels: GreyLevels
    blocking: PositiveShare
    confidence_before: PositiveShare
    confidence_after: PositiveShare


class Monitoring(Section):
    """What the drift of production images is judged by."""

    folder: Annotated[str, Field(min_length=1)] | None
    max_images: Annotated[int, Field(ge=1, le=1_000_000)]
    min_images: Annotated[int, Field(ge=20, le=1_000_000)]
    reference_lines: Annotated[int, Field(ge=1, le=1_000_000)]
    ocr_lines: Annotated[int, Field(ge=0, le=1_000_000)]
    significance: Annotated[float, Field(gt=0, lt=1)]
    tolerance: Tolerance

    @model_validator(mode="after")
    def _enough(self) -> "Monitoring":
        for name in ("max_images", "reference_lines", "ocr_lines"):
            count = getattr(self, name)
            if count < self.min_images and (name != "ocr_lines" or count > 0):
                raise ValueError(
                    f"{name}: fewer ({count}) than min_images ({self.min_images}) are not judged"
                )
        return self


class Tracking(Section):
    """MLflow."""

    experiment: Annotated[str, Field(min_length=1)]


# Other rows of the leaderboard, another folder beside the evaluations, an alias of the registry.
_NO_MODELS = ("bicubic", "hr", "baselines", "champion")

# What evaluation and the weights of all extra datasets share, and what keeps their splits apart.
_SHARED = ("scale", "fonts")


class Params(Section):
    """The whole of `params.yaml`."""

    seed: Seed
    compute: Compute
    synthesis: Synthesis
    extra_datasets: Annotated[dict[Name, dict[str, Any]], Field(max_length=100)]
    validation: Validation
    pretraining: Pretraining
    recognizer: Recognizer
    training: Training
    models: Annotated[dict[Name, Model], Field(min_length=1, max_length=100)]
    evaluation: Evaluation
    registration: Registration
    monitoring: Monitoring
    tracking: Tracking

    @model_validator(mode="after")
    def _has_recognizer(self) -> "Params":
        recognizer = self.recognizer
        if self.training.recognition_loss.weight and not (
            recognizer.steps or recognizer.from_pretrained
        ):
            raise ValueError(
                "training.recognition_loss.weight needs a recognizer: set "
                "recognizer.from_pretrained, or recognizer.steps above 0"
            )
        return self

    @model_validator(mode="after")
    def _blocks_of_the_text_encoder(self) -> "Params":
        for name, model in self.models.items():
            for key in ("coarse_blocks", "sequence_blocks", "expansion"):
                fresh = model.start == FRESH and getattr(model, key) is not None
                if fresh and self.pretraining.encoder != "text":
                    raise ValueError(
                        f"models.{name}.{key}: {self.pretraining.encoder} has no such blocks; "
                        "remove it, or set pretraining.encoder to text"
                    )
        return self

    @field_validator("models")
    @classmethod
    def _named_by_themselves(cls, models: dict[str, Model]) -> dict[str, Model]:
        for name in _NO_MODELS:
            if name in models:
                raise ValueError(f"{name}: is what else is compared with; rename the model")
        return models

    @model_validator(mode="after")
    def _has_extra_datasets(self) -> "Params":
        for name, changes in self.extra_datasets.items():
            for key in _SHARED:
                if key in changes:
                    raise ValueError(
                        f"extra_datasets.{name}.{key}: all datasets share synthesis.{key}; "
                        "remove it"
                    )
        if DATASET in self.extra_datasets:
            raise ValueError(f"extra_datasets.{DATASET}: is what the dataset is called; rename it")
        mixture, known = self.training.mixture, {DATASET, *self.extra_datasets}
        for name in sorted(mixture.keys() - known):
            raise ValueError(
                f"training.mixture.{name}: no such dataset; choose of {', '.join(sorted(known))}"
            )
        missing = sorted(known - mixture.keys())
        if missing and (self.extra_datasets or mixture):
            turns = ", ".join(f"{name}: {mixture.get(name, 1)}" for name in sorted(known))
            raise ValueError(
                f"training.mixture: no turns for {', '.join(missing)}; all that is drawn is "
                f"trained on, e.g. {{ {turns} }}"
            )
        return self

    def extra_dataset(self, name: str) -> "Params":
        """Return the params by which an extra dataset is drawn: `synthesis` with its changes.

        Where it does not say otherwise, text grows with the height of its lines, pages have text
        of many sizes, and its seed follows from its name: its lines are others than the dataset's.

        Raises:
            ValidationError: of pydantic, if it changes `synthesis` to something impossible.
        """
        changes = self.extra_datasets[name]
        synthesis = self.synthesis.model_dump()
        if "lr_height" in changes:
            checked = Synthesis.model_validate(synthesis | {"lr_height": changes["lr_height"]})
            synthesis = self.synthesis.at_height(checked.lr_height).model_dump()
        if changes.get("page") is not None:
            synthesis = Synthesis.model_validate(synthesis).of_pages()
        synthesis["seed"] += zlib.crc32(name.encode())
        overlay(synthesis, changes, whole=_FREQUENCIES)
        changed = Synthesis.model_validate(synthesis)
        return self.model_copy(update={"synthesis": changed})


_FREQUENCIES = (  # what is left out is not drawn
    "text.kinds",
    *(f"degradation.{name}.kernels" for name in ("first", "scan", "second")),
)


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and validate `params.yaml`.

    Raises:
        TextsrError: if the file is missing, is not UTF-8 or YAML, has an unknown key, lacks a key
            or holds an impossible value. The message lists each offending key by its dotted name.
    """
    return parse_params(read_yaml(path), source=str(path))


RENAMED = {
    "domains": "extra_datasets",
    "recogniser": "recognizer",
    "recogniser.clean_share": "recognizer.hr_fraction",
    "recogniser.from_package": "recognizer.from_pretrained",
    "training.text_weight": "training.ctc_loss_weight",
    "training.reading_weight": "training.recognition_loss.weight",
    "training.reading_from": "training.recognition_loss.start_fraction",
    "training.reading_blend": "training.recognition_loss.blend_range",
    "training.own_share": "training.imported_fraction",
    "training.resident": "training.cache_in_memory",
    "training.shuffle_rows": "training.shuffle_buffer_rows",
    "training.reference": "models.pretrained",
    "training.pretrained": "models.pretrained",
    "training.seed_net": "models.srcnn_transposed",
    "training.srcnn_transposed": "models.srcnn_transposed",
    "registration.gate.min_readers_better": "registration.gate.min_engines_better",
}
"""Dotted names of before, and those of today."""


def _renamed(raw: Mapping[str, Any], source: str) -> Iterable[str]:
    for old, new in RENAMED.items():
        *sections, key = old.split(".")
        place: Any = raw
        for section in sections:
            place = place.get(section) if isinstance(place, Mapping) else None
        if isinstance(place, Mapping) and key in place:
            yield f"{source}: {old}: is called {new} now; rename it"


def parse_params(raw: Any, source: str = "params.yaml") -> Params:
    """Validate already parsed YAML; see `load_params`."""
    if not isinstance(raw, dict):
        raise TextsrError(
            f"{source}: expected a mapping of sections, found {type(raw).__name__}; restore it "
            "with `git checkout params.yaml`"
        )
    if renamed := list(_renamed(raw, source)):
        raise TextsrError("\n".join(renamed))
    synthesis = raw.get("synthesis")
    if isinstance(synthesis, Mapping) and synthesis.get("page") is not None:
        raise TextsrError(
            f"{source}: synthesis.page: models are judged on lines; draw pages in extra_datasets, "
            "e.g. { pages: { page: {}, samples: { train: 4000 } } }"
        )
    try:
        params = Params.model_validate(raw)
    except ValidationError as error:
        raise TextsrError("\n".join(_explain(error, source))) from error
    for name in params.extra_datasets:
        try:
            params.extra_dataset(name)
        except ValidationError as error:
            raise TextsrError(
                "\n".join(_explain(error, source, f"extra_datasets.{name}."))
            ) from error
    return params


_NAMED = 20  # problems


def _explain(error: ValidationError, source: str, section: str = "") -> Iterable[str]:
    problems = error.errors(include_url=False)
    for problem in problems[:_NAMED]:
        message = shorten(problem["msg"].removeprefix("Value error, "))
        if not problem["loc"]:  # of several keys together, which the message names
            yield f"{source}: {section}{message}"
            continue
        # pydantic adds "[key]" to the location of a bad mapping key.
        key = shorten(section + ".".join(str(part) for part in problem["loc"] if part != "[key]"))
        if problem["type"] == "extra_forbidden":
            yield f"{source}: {key}: unknown key; remove it or correct its spelling"
        elif problem["type"] == "missing":
            yield f"{source}: {key}: missing; take it from the committed params.yaml"
        else:
            yield f"{source}: {key}: {message} (found {quote(problem['input'])})"
    if len(problems) > _NAMED:
        yield f"{source}: and {len(problems) - _NAMED} more"
