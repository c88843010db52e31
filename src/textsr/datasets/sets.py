"""The user's own sets of images under `data/`, each a folder with a `set.json`.

| folder | holds | used by |
| --- | --- | --- |
| `data/pairs/NAME/{lr,hr}` | LR-HR pairs | training |
| `data/hr/NAME` | sharp images, degraded by us | training |
| `data/unlabelled/NAME` | LR images | pretraining, monitoring |
| `data/real/NAME` | images and what they say | evaluation |
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from pydantic import PositiveInt, ValidationError

from textsr.datasets.labels import LABELS, read_labels, write_labels
from textsr.errors import TextsrError
from textsr.files import read_json, replace_folder, write_json
from textsr.params import Split
from textsr.sections import Section

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}
SET_FILE = "set.json"

Use = Literal["pairs", "hr", "unlabelled", "real"]
USES: tuple[Use, ...] = get_args(Use)
"""The folders of `data/` that sets lie in."""


class SetInfo(Section):
    """What `set.json` says of a set."""

    kind: Literal["pairs", "lr", "hr"]
    """LR-HR pairs, images small as they are, or sharp ones that are degraded before use."""
    format: str
    """What it was imported from."""
    images: PositiveInt
    """Images, or pairs."""
    scale: Literal[2, 4] | None = None
    """Of pairs: HR pixels an LR pixel."""
    split: Split | None = None
    """The split that its publisher gives it, if any."""
    licence: str | None = None
    source_url: str | None = None


@dataclass(frozen=True)
class Item:
    """One image or pair to be written into a set.

    Attributes:
        name: unique in the set; the file's name without its suffix.
        source: the file and, within it, the line or key that it came from, for messages.
        images: encoded images by side: `lr` and `hr` of a pair, `image` otherwise.
        text: what it says, if known.
    """

    name: str
    source: str
    images: dict[str, bytes] = field(repr=False)
    text: str | None = None


@dataclass(frozen=True)
class OwnSet:
    """A set that was found under `data/`."""

    name: str
    folder: Path
    info: SetInfo


def check_name(name: str) -> None:
    """Refuse names that are no plain folder names.

    Raises:
        TextsrError: if `name` holds anything but letters, digits, `.`, `_` and `-`.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise TextsrError(f"--name {name}: use letters, digits, '.', '_' and '-' only")


def check_new(folder: Path, replace: bool) -> None:
    """Refuse to write over a set that is there.

    Raises:
        TextsrError: if `folder` exists and `replace` is false.
    """
    if folder.exists() and not replace:
        raise TextsrError(f"{folder}: exists; choose another --name, or replace it by --replace")


def write_set(
    folder: Path, info: SetInfo, items: Iterable[Item], tick: Callable[[], None]
) -> SetInfo:
    """Write a set whole or not at all; images are kept byte for byte.

    Args:
        folder: where to; what is there is replaced.
        info: what to write into `set.json`; `images` is filled in.
        items: what to write; all with texts or all without.
        tick: called after each item.

    Raises:
        TextsrError: if an item cannot be decoded, has the name or the empty text of none, or if
            there is none.
    """
    names: set[str] = set()
    labels: list[tuple[str, str]] = []
    with replace_folder(folder) as temporary:
        for item in items:
            if item.name in names:
                raise TextsrError(f"{item.source}: a second image called {item.name}; rename one")
            names.add(item.name)
            files = _write_images(temporary, item)
            if item.text is not None:
                labels.append((files[0], _clean(item)))
            tick()
        if not names:
            raise TextsrError(f"{folder.name}: no images to import; nothing was written")
        if labels:
            write_labels(temporary, labels)
        found = info.model_copy(update={"images": len(names)})
        write_json(temporary / SET_FILE, found.model_dump(exclude_none=True))
    return found


def _write_images(folder: Path, item: Item) -> list[str]:
    files = []
    for side, encoded in item.images.items():
        check_image(encoded, item.source)
        name = f"{item.name}{suffix_of(encoded)}"
        target = folder / name if side == "image" else folder / side / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(encoded)
        files.append(name)
    return files


def _clean(item: Item) -> str:
    text = " ".join((item.text or "").split())
    if not text:
        raise TextsrError(
            f"{item.source}: an empty text; write what the image says or leave it out"
        )
    return text


def check_image(encoded: bytes, source: str) -> tuple[int, int]:
    """Decode an image to the end; return its height and width.

    Raises:
        TextsrError: if it cannot be decoded; the message names it as `source`.
    """
    raw = np.frombuffer(encoded, np.uint8)
    image = cv2.imdecode(raw, cv2.IMREAD_UNCHANGED) if raw.size else None
    if image is None:
        raise TextsrError(f"{source}: cannot be decoded as an image; mend it or leave it out")
    return int(image.shape[0]), int(image.shape[1])


_MAGIC = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"II*\x00": ".tif",
    b"MM\x00*": ".tif",
    b"BM": ".bmp",
    b"RIFF": ".webp",
}


def suffix_of(encoded: bytes) -> str:
    """Return the suffix of an encoded image's format; names of files do not always say it."""
    return next((suffix for magic, suffix in _MAGIC.items() if encoded.startswith(magic)), ".png")


def find_sets(data: Path, use: Use) -> Iterator[OwnSet]:
    """Yield the sets of `data/USE`, by name.

    A folder of images with neither `set.json` nor other sets in it counts as one, of LR images.

    Raises:
        TextsrError: if a `set.json` is not valid, or labels of a real set are missing.
    """
    root = data / use
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        if not folder.is_dir() or folder.name.startswith("."):
            continue
        path = folder / SET_FILE
        if path.is_file():
            info = _read_info(path)
        elif use == "real" and (folder / LABELS).is_file():
            info = SetInfo(kind="lr", format="folder", images=len(read_labels(folder)))
        else:
            continue
        yield OwnSet(folder.name, folder, info)


def _read_info(path: Path) -> SetInfo:
    try:
        return SetInfo.model_validate(read_json(path))
    except ValidationError as error:
        problems = (
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
        said = "; ".join(problems)
        raise TextsrError(f"{path}: not valid ({said}); import the set anew") from error
    except ValueError as error:
        raise TextsrError(f"{path}: not valid JSON ({error}); import the set anew") from error
