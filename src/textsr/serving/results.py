"""Results as files: an image, or several in a ZIP."""

import itertools
import json
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from textsr.errors import TextsrError
from textsr.images.image import LoadedImage
from textsr.images.writing import check_fits, has_quality, write_image
from textsr.serving.media import ResultFormat, choose_format
from textsr.serving.notes import heard
from textsr.serving.problems import RefusedError
from textsr.serving.work import Taken

PROBLEMS = "problems.json"
"""What tells in a ZIP which images have no result, and why."""

NOTES = "notes.json"
"""What tells in a ZIP what is to be known of results."""

_numbers = itertools.count()
_ODD = re.compile(r"[^\w.+ -]")


@dataclass(frozen=True)
class Writer:
    """Writes results.

    Attributes:
        scratch: a folder.
        accept: the client's `Accept` header.
        named: the format that it named, if any.
        quality: see `textsr.images.writing.write_image`.
    """

    scratch: Path
    accept: str
    named: ResultFormat | None
    quality: int | None

    def check(self, given: str, width: int, height: int) -> None:
        """Refuse a result that its format cannot hold, or that is to have a quality and cannot.

        Args:
            given: the image's format by Pillow's name.
            width: of the result, in pixels.
            height: likewise.

        Raises:
            TextsrError: naming the remedy.
        """
        path = Path(f"the result.{choose_format(given, self.accept, self.named)}")
        if self.quality is not None and not has_quality(path):
            raise TextsrError(
                f"quality {self.quality}: {path.suffix[1:]} is lossless; ask for jpg or webp, or "
                "leave it out"
            )
        check_fits(path, width, height)

    def write(self, taken: Taken, result: LoadedImage) -> Path:
        """Write a result into a file of its own, whose suffix is its format.

        Raises:
            TextsrError: if the disk refuses.
        """
        chosen = choose_format(taken.format, self.accept, self.named)
        path = self.scratch / f"{next(_numbers)}.{chosen}"
        with heard() as notes:
            write_image(path, result, quality=self.quality)
        for note in notes:
            warnings.warn(note.replace(str(path), "the result"), stacklevel=2)
        return path

    def encode(self, taken: Taken, result: LoadedImage) -> tuple[str, bytes]:
        """Return a result's format and its file's content.

        Raises:
            TextsrError: as `write` does.
        """
        path = self.write(taken, result)
        try:
            return path.suffix[1:], path.read_bytes()
        finally:
            path.unlink()


def write_zip(
    path: Path,
    results: Sequence[tuple[str, Path]],
    problems: Sequence[tuple[str, RefusedError]],
    notes: Sequence[tuple[str, str]],
) -> None:
    """Write a ZIP of results, named as their images are; whole or not at all.

    Args:
        path: where to.
        results: of each image the name that its client gave it, and its result's file.
        problems: of images that have none, likewise.
        notes: what is to be known of results, likewise.

    Raises:
        RefusedError: 507 if the disk refuses.
    """
    listed = [{"file": name, **problem.content()} for name, problem in problems]
    noted = [{"file": name, "note": note} for name, note in notes]
    names = _free_names([(_stem(name), file.suffix) for name, file in results])
    try:
        with zipfile.ZipFile(path, "w") as archive:  # stored: images are compressed by themselves
            for name, (_, file) in zip(names, results, strict=True):
                archive.write(file, name)
            for name, content in ((PROBLEMS, listed), (NOTES, noted)):
                if content:
                    archive.writestr(name, json.dumps(content, indent=2))
    except OSError as error:
        path.unlink(missing_ok=True)
        raise RefusedError(
            507, "the server's disk does not take the results; send fewer, or ask again later"
        ) from error


def _free_names(wanted: Sequence[tuple[str, str]]) -> list[str]:
    """Return a name for each stem and suffix, all different, also where case does not count."""
    names: list[str] = []
    used: set[str] = set()
    counts: Counter[str] = Counter()
    for stem, suffix in wanted:
        name = stem + suffix
        key = name.casefold()
        while name.casefold() in used:
            counts[key] += 1
            name = f"{stem}-{counts[key] + 1}{suffix}"
        used.add(name.casefold())
        names.append(name)
    return names


def _stem(name: str) -> str:
    """Return what a result may be called: no folder, and no name that hides it."""
    plain = PurePosixPath(PureWindowsPath(name).name).stem
    return _ODD.sub("_", plain).strip(". ") or "image"
