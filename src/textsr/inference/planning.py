"""Which files to upscale, and where the results go."""

import io
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from textsr.documents.rewriting import check_result
from textsr.errors import TextsrError
from textsr.files import find_files
from textsr.images import reading
from textsr.images.headers import FileStream, HeaderError, read_header
from textsr.images.writing import (
    WRITABLE_SUFFIXES,
    check_writable,
    format_of,
    has_quality,
    suffix_of,
)

IMAGE_SUFFIXES = WRITABLE_SUFFIXES | {
    ".avif", ".dib", ".gif", ".hdr", ".heic", ".heif", ".ico", ".jp2", ".jxl", ".pbm", ".pfm",
    ".pgm", ".pnm", ".ppm", ".tga",
}  # fmt: skip
"""Lower-case suffixes that make a file of a folder an image, whatever is in it."""

_BY_SUFFIX_ALONE = {"BMP", "DIB", "ICO", "TGA"}
"""Formats that many a file begins like which is something else."""


@dataclass(frozen=True)
class Job:
    """One image to upscale: its file, the result's and the comparison's, if one is wanted."""

    source: Path
    result: Path
    comparison: Path | None


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        jobs: the images, in order.
        folder: what the results' names begin with: the folder of results, or that of the one.
        is_folder: whether it was named as the folder of results.
        left_out: files of the inputs' folders that are no images, in order.
    """

    jobs: list[Job]
    folder: Path
    is_folder: bool
    left_out: list[Path]


def plan_jobs(
    inputs: Sequence[Path],
    output: str | Path,
    *,
    compare: bool = False,
    file_format: str | None = None,
    quality: int | None = None,
) -> Plan:
    """Find the images and name their results.

    Folders are searched recursively, in alphabetical order, leaving out hidden files and whatever
    lies in `output`. A file is an image if its suffix or its content says so. Results keep the
    folders below the one given.

    `output` is a folder if there is one, it ends with a slash, or it has no suffix; else it is the
    file of the one image. In a folder, results keep their inputs' names; those of formats that
    cannot be written become PNG. Of `a.png` and `a.gif`, the latter's is `a.gif.png`.

    Args:
        inputs: files and folders.
        output: a file or a folder.
        compare: whether comparisons are wanted, too.
        file_format: suffix of the results, without its dot; None: as `output` or the inputs say.
        quality: of lossy results, if one was named.

    Raises:
        TextsrError: if an input is missing, a folder has no images or cannot be read, an output
            cannot be written, two results would land on one file, or one would land on an input.
    """
    if not inputs:
        raise TextsrError("no images given; name files or folders")
    suffix = None if file_format is None else _suffix(file_format)
    folder, left_out = Path(output), []
    is_folder = _is_folder(output)
    if is_folder:
        if folder.exists() and not folder.is_dir():
            raise TextsrError(f"{folder}: is a file; name a folder for the results")
        found = [_find(path, folder) for path in inputs]
        # An image named twice, by itself and by its folder, is upscaled once.
        images = {_place(image): (image, name) for each in found for image, name in each.images}
        left_out = list(dict.fromkeys(path for each in found for path in each.left_out))
        named = {
            image: folder / name
            for image, name in _result_names(list(images.values()), suffix).items()
        }
    else:
        folder = Path(output).parent
        named = {_only(inputs, output): Path(output)}
        check_writable(Path(output), "or end the name with a slash if it is to be a folder")
        if suffix is not None and format_of(Path(output).suffix) != format_of(suffix):
            raise TextsrError(f"{output}: its suffix is of another format than {file_format}")
    jobs = [
        Job(source, result, _comparison_path(result) if compare else None)
        for source, result in named.items()
    ]
    if quality is not None and not any(has_quality(job.result) for job in jobs):
        raise TextsrError(
            f"quality {quality}: none of the results is of a lossy format; write .jpg or .webp, or "
            "leave it out"
        )
    check_collisions(jobs, named=not is_folder)
    return Plan(jobs, folder, is_folder, left_out)


def check_results(jobs: Sequence[Job], scale: float) -> None:
    """Refuse results that their formats cannot hold, before any work.

    Args:
        jobs: the images and where their results go.
        scale: by how much they are upscaled, at least.

    Raises:
        TextsrError: naming each, and formats that can hold it.
    """
    problems = []
    for job in jobs:
        try:
            check_result(job.source, job.result, scale)
        except TextsrError as error:
            problems.append(str(error))
    if problems:
        raise TextsrError("\n".join(problems))


def count_pixels(jobs: Sequence[Job], enough: int) -> int:
    """Return how many pixels the images have, or a number of at least `enough` if that is less.

    What cannot be read counts for nothing: reading it will say what is wrong.
    """
    total = 0
    for job in jobs:
        if total >= enough:
            break
        with suppress(TextsrError):
            total += reading.count_pixels(job.source)
    return total


def say_left_out(paths: Sequence[Path]) -> str:
    """Return a sentence about files that are no images; of many it names the first."""
    files = (
        "file that is no readable image" if len(paths) == 1 else "files that are no readable images"
    )
    more = ", ..." if len(paths) > _NAMED else ""
    return f"left out {len(paths)} {files}: {', '.join(map(str, paths[:_NAMED]))}{more}"


_NAMED = 3


def _suffix(file_format: str) -> str:
    suffix = f".{file_format.lower().removeprefix('.')}"
    if suffix not in WRITABLE_SUFFIXES:
        known = ", ".join(sorted(name[1:] for name in WRITABLE_SUFFIXES))
        raise TextsrError(f"format {file_format}: cannot be written; use one of {known}")
    return suffix


def _is_folder(output: str | Path) -> bool:
    path = Path(output)
    ends = (os.sep, os.altsep) if os.altsep else (os.sep,)
    return path.is_dir() or os.fspath(output).endswith(ends) or not path.suffix


def _only(inputs: Sequence[Path], output: str | Path) -> Path:
    """Return the one image whose result is to be a file."""
    for path in inputs:
        if not path.exists():
            raise _missing(path)
    if len(inputs) > 1 or inputs[0].is_dir():
        many = f"{inputs[0]} is a folder" if len(inputs) == 1 else f"there are {len(inputs)} inputs"
        raise TextsrError(
            f"{output}: names one file, and {many}; end it with a slash ({output}/) to make it a "
            "folder for the results"
        )
    return inputs[0]


def _missing(path: Path) -> TextsrError:
    return TextsrError(f"{path}: no such file or folder; check the path")


@dataclass(frozen=True)
class _Found:
    """Images of an input, each with its path relative to the folder that was given, and others."""

    images: list[tuple[Path, Path]]
    left_out: list[Path]


def _find(path: Path, output: Path) -> _Found:
    if not path.is_dir():
        if not path.exists():
            raise _missing(path)
        return _Found([(path, Path(path.name))], [])
    images: list[Path] = []
    left_out: list[Path] = []
    for file in _walk(path, output):
        is_image = file.suffix.lower() in IMAGE_SUFFIXES or _has_content_of_image(file)
        (images if is_image else left_out).append(file)
    if not images:
        others = f" ({say_left_out(left_out)})" if left_out else ""
        raise TextsrError(f"{path}: no images in this folder{others}; check the path")
    return _Found([(image, image.relative_to(path)) for image in images], left_out)


def _walk(folder: Path, output: Path) -> Iterator[Path]:
    # Results of an earlier run in a folder below this one are not inputs of this run.
    results = output.resolve()
    results_are_below = folder.resolve() in results.parents
    for path in find_files(folder, required=IMAGE_SUFFIXES):
        if not (results_are_below and results in path.resolve().parents):
            yield path


def _has_content_of_image(path: Path) -> bool:
    found = _format_by_content(path)
    return found is not None and found not in _BY_SUFFIX_ALONE


def _format_by_content(path: Path) -> str | None:
    """Return Pillow's name of a file's format; None if it is none that is read, or damaged."""
    try:
        with FileStream(io.FileIO(path)) as stream:
            return read_header(stream).format
    except (HeaderError, OSError):
        return None


def _place(path: Path) -> Path:
    """What tells two files apart: links to one file are two, as writing replaces the link."""
    return path.parent.resolve() / path.name


def _result_names(images: Sequence[tuple[Path, Path]], suffix: str | None) -> dict[Path, Path]:
    """Return the name of each result; where several would be one, with their inputs' suffixes."""
    names = {image: _result_name(image, relative, suffix) for image, relative in images}
    taken = Counter(names.values())
    for image, relative in images:
        name = names[image]
        if taken[name] > 1 and relative.name != name.name:
            names[image] = relative.with_name(relative.name + name.suffix)
    return names


def _result_name(image: Path, relative: Path, suffix: str | None) -> Path:
    own = relative.suffix.lower()
    if suffix is None:
        if own in WRITABLE_SUFFIXES:
            return relative
        suffix = suffix_of(_format_by_content(image)) or ".png"
    if own in IMAGE_SUFFIXES:
        return relative.with_suffix(suffix)
    return relative.with_name(relative.name + suffix)  # what follows a dot is a part of the name


def _comparison_path(result: Path) -> Path:
    return result.with_name(f"{result.stem}-compare.png")


def check_collisions(jobs: Sequence[Job], *, named: bool) -> None:
    """Refuse results that would overwrite an image: but for the one that the user has named."""
    sources = {_place(job.source): job.source for job in jobs}
    taken: dict[Path, Job] = {}
    for job in jobs:
        for path in (job.result, job.comparison):
            if path is None:
                continue
            place = _place(path)
            if place in sources or _same_file(path, job.source):
                raise TextsrError(
                    f"{job.source}: its result would overwrite the input "
                    f"{sources.get(place, job.source)}; choose another output"
                )
            if not named and _is_beside(path, job.source):
                raise TextsrError(
                    f"{job.source}: its result would overwrite {path}, which lies beside it; "
                    "choose another output"
                )
            if place in taken:
                raise TextsrError(
                    f"{taken[place].source} and {job.source}: both would be written to {path}; "
                    "rename one or upscale them one at a time"
                )
            taken[place] = job


def _is_beside(path: Path, source: Path) -> bool:
    """Whether a file of this name is there already, in the folder of the input."""
    return path.exists() and path.parent.samefile(source.parent)


def _same_file(path: Path, source: Path) -> bool:
    """Whether both are one file under two spellings, where the disk ignores case."""
    return path.exists() and path.samefile(source)
