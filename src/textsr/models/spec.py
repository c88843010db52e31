"""What a model folder's `model.json` says: which network to build, and how to blend it."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from textsr.errors import TextsrError, quote
from textsr.files import read_small_file, replace_file

SPEC = "model.json"
"""The file of a model folder that says what to build."""

MAX_BLOCKS = 128
"""Of each kind. What is compared with a file is built first, and takes time for each block."""

PEOPLE, ANY = "people", "any"
"""Readers beside the OCR engines: eyes, and whichever engine it is."""

_SPEC_BYTES = 16_384  # its own take 200

_Blocks = Annotated[int, Field(ge=1, le=MAX_BLOCKS)]


class ModelSpec(BaseModel):
    """What to build: the content of `model.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """How the leaderboard calls it."""
    architecture: Literal["upsampler", "srcnn_transposed"]
    scale: Literal[2, 4]
    encoder: Literal["text", "resnet18"] | None = None
    width: Annotated[int, Field(ge=1, le=4096)] | None = None
    coarse_blocks: _Blocks | None = None
    """Of the text encoder; None: as many as it always had."""
    sequence_blocks: _Blocks | None = None
    """Of the text encoder; likewise."""
    expansion: Annotated[float, Field(gt=0, le=1)] | None = None
    """Of the blocks, see `textsr.models.blocks.ResidualBlock`; None: 1."""
    blend: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Weight of the network's output; the rest is bicubic's."""
    blends: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
    """The same by who reads: `people`, `any` or an OCR engine's name; none who was not judged."""

    @field_validator("architecture", mode="before")
    @classmethod
    def _todays_name(cls, name: Any) -> Any:
        """Read folders that were written when the network was called `seed`, too."""
        return "srcnn_transposed" if name == "seed" else name

    @model_validator(mode="after")
    def _complete(self) -> "ModelSpec":
        if self.architecture == "upsampler" and (self.encoder is None or self.width is None):
            raise ValueError("architecture upsampler needs encoder and width")
        return self

    @property
    def usual_reader(self) -> str:
        """Who reads where nobody is named: people, if the model was judged for them."""
        return PEOPLE if PEOPLE in self.blends else ANY

    def blend_for(self, reader: str) -> float:
        """Return the weight of the network's output that suits a reader.

        `blend` is for any reader, also in the files of before there were others.

        Raises:
            TextsrError: if the model was not judged for that reader.
        """
        known = {ANY: self.blend} | self.blends
        if reader not in known:
            raise TextsrError(
                f"model {self.name}: no weight for {quote(reader)}; it has been judged for: "
                f"{', '.join(known)}"
            )
        return known[reader]


def read_spec(folder: Path) -> ModelSpec:
    """Read a model folder's `model.json`.

    Raises:
        TextsrError: if the file is missing, cannot be read or is not a specification.
    """
    path = folder / SPEC
    try:
        return ModelSpec.model_validate_json(read_small_file(path, _SPEC_BYTES))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TextsrError(
            f"{path}: no such file; name a model folder, as `textsr train` writes it"
        ) from error
    except OSError as error:
        raise TextsrError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        raise TextsrError(
            f"{path}: not a model specification ({error}); copy the model's folder again from "
            "where it was made, or make it anew"
        ) from error


def write_spec(folder: Path, spec: ModelSpec) -> None:
    """Write a model folder's `model.json`, whole or not at all.

    It holds no `blends` where the model was judged for nobody: versions before could not read it.
    """
    left_out = None if spec.blends else {"blends"}
    record = spec.model_dump_json(indent=2, exclude_none=True, exclude=left_out)
    with replace_file(folder / SPEC) as temporary:
        temporary.write_text(record + "\n", encoding="utf-8")
