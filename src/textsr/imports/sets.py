"""The user's own sets of images under `data/`, each a folder with a `set.json`.

| folder | holds | used by |
| --- | --- | --- |
| `data/pairs/NAME/{lr,hr}` | LR-HR pairs | training |
| `data/hr/NAME` | sharp images, degraded by us | training |
| `data/unlabelled/NAME` | LR images | pretraining, monitoring |
| `data/real/NAME` | images and what they say | evaluation |
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from pydantic import PositiveInt

from textsr.config.params import SPLITS, Split
from textsr.config.sections import Section
from textsr.errors import TextsrError
from textsr.files import read_json, replace_folder, write_json
from textsr.images.folders import find_images, read_grey
from textsr.imports.labels import LABELS, read_labels, write_labels

SET_FILE = "set.json"

_MOST_TEXT = 10_000
"""Characters of an image's text; `csv` reads no field of more than 131,072."""

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
    """Of pairs: HR pixels per LR pixel."""
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
class ImportedSet:
    """A set that was found under `data/`."""

    name: str
    folder: Path
    info: SetInfo


def check_name(name: str) -> None:
    """Refuse names that are no plain folder names, or those of the synthetic splits.

    Raises:
        TextsrError: if `name` is a split's, or holds anything but letters, digits, `.`, `_`, `-`.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise TextsrError(f"--name {name}: use letters, digits, '.', '_' and '-' only")
    if name in SPLITS:
        raise TextsrError(f"--name {name}: is a split of the synthetic lines; choose another")


def check_new(folder: Path, replace: bool) -> None:
    """Refuse to write over a set that is there.

    Raises:
        TextsrError: if `folder` exists and `replace` is false.
    """
    if folder.exists() and not replace:
        raise TextsrError(f"{folder}: exists; choose another --name, or replace it by --replace")


@dataclass(frozen=True)
class NewSet:
    """A set to be written.

    Attributes:
        folder: where to; what is there is replaced.
        info: what to write into `set.json`; `images` is filled in.
        items: what to write; all with texts or all without.
        tick: called after each item.
    """

    folder: Path
    info: SetInfo
    items: Iterable[Item]
    tick: Callable[[], None] = lambda: None


def write_sets(sets: Sequence[NewSet]) -> list[SetInfo]:
    """Write sets, all of them whole or none at all; images are kept byte for byte.

    Returns:
        What the sets' `set.json` say.

    Raises:
        TextsrError: if an item cannot be decoded or has an empty text, two items of a set or two
            sets are of one name, or a set has no items.
    """
    names = [new.folder for new in sets]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TextsrError(f"{twice}: two sets of this name; import them apart")
    with ExitStack() as stack:
        return [_write_set(stack.enter_context(replace_folder(new.folder)), new) for new in sets]


def _write_set(folder: Path, new: NewSet) -> SetInfo:
    names: set[str] = set()
    labels: list[tuple[str, str]] = []
    for item in new.items:
        if item.name in names:
            raise TextsrError(f"{item.source}: a second image called {item.name}; rename one")
        _check_text(item.name, item.source)
        names.add(item.name)
        files = _write_images(folder, item)
        if item.text is not None:
            labels.append((files[0], _clean(item)))
        new.tick()
    if not names:
        raise TextsrError(f"{new.folder.name}: no images to import; nothing was written")
    if labels:
        write_labels(folder, labels)
    found = new.info.model_copy(update={"images": len(names)})
    write_json(folder / SET_FILE, found.model_dump(exclude_none=True))
    return found


def _check_text(name: str, source: str) -> None:
    """Refuse names that tables and reports, which are UTF-8 and by lines, cannot hold."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise TextsrError(f"{source}: its name is not UTF-8; rename it") from error
    if set("\t\n\r") & set(name):
        raise TextsrError(f"{source}: its name holds a tab or the end of a line; rename it")


def _write_images(folder: Path, item: Item) -> list[str]:
    files = []
    for side, encoded in item.images.items():
        name = f"{item.name}{suffix_of(encoded)}"
        target = folder / name if side == "image" else folder / side / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.write_bytes(encoded)
            read_grey(target)  # as it will be read when it is used
        except OSError as error:
            raise TextsrError(f"{item.source}: cannot be written ({error.strerror})") from error
        except TextsrError as error:
            said = str(error).removeprefix(f"{target}: ")
            raise TextsrError(f"{item.source}: {said}; mend it or leave it out") from error
        files.append(name)
    return files


def _clean(item: Item) -> str:
    text = " ".join((item.text or "").split())
    if not text:
        raise TextsrError(
            f"{item.source}: an empty text; write what the image says or leave it out"
        )
    if len(text) > _MOST_TEXT:
        raise TextsrError(
            f"{item.source}: a text of {len(text)} characters; shorten it to {_MOST_TEXT} or less"
        )
    return text


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


def find_sets(data: Path, use: Use) -> Iterator[ImportedSet]:
    """Yield the sets of `data/USE`, by name.

    A folder without `set.json` counts as one of LR images where that is all it can be: in `real`
    with a `labels.tsv`, and in `unlabelled`.

    Raises:
        TextsrError: if a `set.json` is not valid, a folder holds images that cannot be used without
            one, labels are missing, or a real set is called like a synthetic split.
    """
    root = data / use
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        if not folder.is_dir() or folder.name.startswith("."):
            continue
        if use == "real" and folder.name in SPLITS:
            raise TextsrError(f"{folder}: the name of a synthetic split; rename the folder")
        info = _find_info(folder, use)
        if info is not None:
            yield ImportedSet(folder.name, folder, info)


def _find_info(folder: Path, use: Use) -> SetInfo | None:
    path = folder / SET_FILE
    if path.is_file():
        return _read_info(path)
    if use == "real" and (folder / LABELS).is_file():
        return SetInfo(kind="lr", format="folder", images=len(read_labels(folder)))
    images = find_images(folder)
    if not images:
        return None
    if use == "unlabelled":
        return SetInfo(kind="lr", format="folder", images=len(images))
    verb = {"pairs": "pairs LR_DIR HR_DIR", "hr": "hr FOLDER", "real": "labelled FOLDER"}[use]
    raise TextsrError(
        f"{folder}: images without a {SET_FILE}; move the folder out of {folder.parent} and "
        f"`textsr import {verb} --name {folder.name}`"
    )


def _read_info(path: Path) -> SetInfo:
    return SetInfo.model_validate(read_json(path, SetInfo, "import the set anew"))
