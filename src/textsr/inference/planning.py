"""Which files to upscale, and where the results go."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from textsr.documents.rewriting import check_result
from textsr.errors import TextsrError
from textsr.files import find_files
from textsr.images import reading
from textsr.images.writing import WRITABLE_SUFFIXES, check_writable

IMAGE_SUFFIXES = WRITABLE_SUFFIXES | {
    ".avif", ".dib", ".gif", ".hdr", ".ico", ".jp2", ".jpe", ".pbm", ".pfm", ".pgm", ".pnm",
    ".ppm", ".tga",
}  # fmt: skip
"""Lower-case suffixes by which images are found in folders."""


@dataclass(frozen=True)
class Job:
    """One image to upscale: its file, the result's and the comparison's, if one is wanted."""

    source: Path
    result: Path
    comparison: Path | None


def plan_jobs(inputs: Sequence[Path], output: Path, *, compare: bool) -> list[Job]:
    """Find the images and name their results.

    Folders are searched recursively, in alphabetical order, leaving out hidden files and whatever
    lies in `output`; results keep the folders below the one given. `output` is a file if the one
    input is a file and `output` has the suffix of an image, else a folder. In a folder, results
    keep their inputs' names; those of formats that cannot be written become PNG.

    Raises:
        TextsrError: if an input is missing, a folder has no images or cannot be read, an output
            cannot be written, two results would land on one file, or one would land on an input.
    """
    if not inputs:
        raise TextsrError("no images given; name files or folders")
    if _is_file(inputs, output):
        check_writable(output)
        named = {inputs[0]: output}
    else:
        # An image named twice, by itself and by its folder, is upscaled once.
        found = {_place(source): (source, relative) for source, relative in _find(inputs, output)}
        if output.exists() and not output.is_dir():
            raise TextsrError(f"{output}: is a file; name a folder for the results")
        named = {source: output / _result_name(relative) for source, relative in found.values()}
    jobs = [
        Job(source, result, _comparison_path(result) if compare else None)
        for source, result in named.items()
    ]
    _check_collisions(jobs, named=_is_file(inputs, output))
    return jobs


def check_results(jobs: Sequence[Job], scale: int) -> None:
    """Refuse results that their formats cannot hold, before any work.

    Args:
        jobs: the images and where their results go.
        scale: by how much they are upscaled.

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


def _is_file(inputs: Sequence[Path], output: Path) -> bool:
    return (
        len(inputs) == 1
        and inputs[0].is_file()
        and output.suffix.lower() in IMAGE_SUFFIXES
        and not output.is_dir()
    )


def _find(inputs: Sequence[Path], output: Path) -> Iterator[tuple[Path, Path]]:
    """Each image and its path relative to the folder that was given."""
    for path in inputs:
        if path.is_dir():
            images = _walk(path, output)
            if not images:
                raise TextsrError(f"{path}: no images in this folder; check the path")
            yield from ((image, image.relative_to(path)) for image in images)
        elif path.is_file():
            yield path, Path(path.name)
        else:
            raise TextsrError(f"{path}: no such file or folder; check the path")


def _walk(folder: Path, output: Path) -> list[Path]:
    # Results of an earlier run in a folder below this one are not inputs of this run.
    results = output.resolve()
    results_are_below = folder.resolve() in results.parents
    return [
        path
        for path in find_files(folder, IMAGE_SUFFIXES)
        if not (results_are_below and results in path.resolve().parents)
    ]


def _place(path: Path) -> Path:
    """What tells two files apart: links to one file are two, as writing replaces the link."""
    return path.parent.resolve() / path.name


def _result_name(relative: Path) -> Path:
    if relative.suffix.lower() in WRITABLE_SUFFIXES:
        return relative
    return relative.with_suffix(".png")


def _comparison_path(result: Path) -> Path:
    return result.with_name(f"{result.stem}-compare.png")


def _check_collisions(jobs: Sequence[Job], *, named: bool) -> None:
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
