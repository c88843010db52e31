"""Images that come through pipes, and results that go into them.

What is piped is kept in a file as long as the work takes: formats are read by seeking, and a result
is passed on when it is whole.
"""

import shutil
import stat
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from textsr.errors import TextsrError
from textsr.images.headers import BYTES_A_PIXEL, MOST_BESIDES

STANDARD = "-"
"""Standard input, as the name of an image; standard output, as that of a result."""

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Piped:
    """What to work on in place of what was named.

    Attributes:
        inputs: files and folders.
        output: a file or a folder.
        into: the pipe that results go into; None where they stay.
        names: what is meant by the paths of files that stand for pipes.
    """

    inputs: list[Path]
    output: str
    into: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def rename(self, text: str) -> str:
        """Return a text that tells of what was named, not of the files in its place."""
        for path, name in self.names.items():
            text = text.replace(path, name)
        return text

    def deliver(self, results: Sequence[Path]) -> None:
        """Pass results on, if they go into a pipe.

        Raises:
            OSError: if nobody reads it.
        """
        for result in results if self.into is not None else ():
            with result.open("rb") as file:
                if self.into == STANDARD:
                    shutil.copyfileobj(file, sys.stdout.buffer)
                    sys.stdout.buffer.flush()
                else:
                    with Path(str(self.into)).open("wb") as pipe:
                        shutil.copyfileobj(file, pipe)


@contextmanager
def piped(inputs: Sequence[str], output: str, max_pixels: int) -> Iterator[Piped]:
    """Read the inputs that are pipes into files, which last as long as the block.

    Errors and warnings of the block call them by their names.

    Args:
        inputs: names of files, folders and pipes, or `-`.
        output: the same, of one.
        max_pixels: longer inputs than an image of so many pixels needs are refused.

    Raises:
        TextsrError: if a pipe is a terminal, brings too much, or is to take several images.
    """
    is_passed_on = output == STANDARD or _is_pipe(output)
    are_pipes = [name == STANDARD or _is_pipe(name) for name in inputs]
    if not is_passed_on and not any(are_pipes):
        yield Piped([Path(name) for name in inputs], output)
        return
    if is_passed_on:
        _check_taker(inputs, output)
    with TemporaryDirectory(prefix="textsr-") as place:
        results = f"{place}/out/"
        names = {results: f"{_called(output, 'output')} as "} if is_passed_on else {}
        paths = []
        for number, (name, is_pipe) in enumerate(zip(inputs, are_pipes, strict=True)):
            path = Path(name)
            if is_pipe:
                path = Path(place, str(number), "stdin" if name == STANDARD else path.name)
                names[str(path)] = _called(name, "input")
                _receive(name, path, MOST_BESIDES + BYTES_A_PIXEL * max_pixels)
            paths.append(path)
        pipes = Piped(paths, output, names=names)
        if is_passed_on:
            pipes = Piped(paths, results, output, names)
        with _renaming(pipes):
            yield pipes


def _is_pipe(name: str) -> bool:
    """Whether a name is that of a pipe or a device, which is read and written from end to end."""
    try:
        mode = Path(name).stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _called(name: str, direction: str) -> str:
    return f"standard {direction}" if name == STANDARD else name


def _check_taker(inputs: Sequence[str], output: str) -> None:
    called = _called(output, "output")
    if len(inputs) > 1 or Path(inputs[0]).is_dir():
        raise TextsrError(f"{called}: takes one image; name one, or a folder for the results")
    if output == STANDARD and sys.stdout.isatty():
        raise TextsrError(f"{called}: is a terminal; pipe it into a program, or name a file")


def _receive(name: str, path: Path, most_bytes: int) -> None:
    """Copy what a pipe brings into a file."""
    called = _called(name, "input")
    path.parent.mkdir()
    with _reading(name) as source, path.open("wb") as file:
        if source.isatty():
            raise TextsrError(f"{called}: is a terminal; pipe an image in, or name a file")
        left = most_bytes
        while block := source.read(_BLOCK):
            left -= len(block)
            if left < 0:
                raise TextsrError(
                    f"{called}: brings more than the largest image that is allowed needs; raise "
                    "the limit (--max-pixels)"
                )
            file.write(block)


@contextmanager
def _reading(name: str) -> Iterator[IO[bytes]]:
    if name == STANDARD:
        yield sys.stdin.buffer
        return
    with Path(name).open("rb") as source:
        yield source


@contextmanager
def _renaming(pipes: Piped) -> Iterator[None]:
    show = warnings.showwarning

    def show_renamed(message: Warning | str, *more: Any, **rest: Any) -> None:
        show(pipes.rename(str(message)), *more, **rest)

    warnings.showwarning = show_renamed
    try:
        yield
    except TextsrError as error:
        raise TextsrError(pipes.rename(str(error))) from error
    finally:
        warnings.showwarning = show
