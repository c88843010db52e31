"""Writing files and folders whole or not at all."""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from textsr.errors import TextsrError

_MAKE_ANEW = "remove it, and make it anew with `dvc repro`"
_CANNOT_BE_WRITTEN = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
    *(errno.EACCES, errno.EPERM, errno.EROFS),
)
_PARTIAL = re.compile(r"\.[0-9a-f]{16}\.partial-[0-9]+(\.[^.]*)?")
_tidied: set[Path] = set()


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds.

    A killed or failed block leaves what was at `path` before. The temporary name keeps the
    suffix of `path`, by which image and table writers choose their format, and is short: names may
    be as long as the file system lets them. What a killed process has left in the folder is removed
    by the next one that writes there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _writing_in(path.parent):
        temporary = path.with_name(f"{_partial_name(path)}{path.suffix}")
        try:
            yield temporary
            temporary.replace(path)
        except OSError as error:
            # Of a full disk, the error does not say what was written.
            if error.filename in (None, str(temporary)) and error.errno in _CANNOT_BE_WRITTEN:
                error.filename = str(path)
            raise
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `path`; rename it to `path` when the block succeeds.

    What was at `path` is renamed before it is removed: whenever the process is killed, `path` is a
    whole folder or nothing. Leftovers of killed processes are removed as `replace_file` does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _writing_in(path.parent):
        temporary = path.with_name(_partial_name(path))
        replaced = temporary.with_name(f"{temporary.name}.old")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            yield temporary
            if path.is_dir() and not path.is_symlink():
                path.rename(replaced)
            try:
                temporary.replace(path)
            except OSError:
                with suppress(FileNotFoundError):
                    replaced.rename(path)
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(replaced, ignore_errors=True)


def _partial_name(path: Path) -> str:
    stem = hashlib.blake2b(os.fsencode(path.name), digest_size=8).hexdigest()
    return f".{stem}.partial-{os.getpid()}"


@contextmanager
def _writing_in(folder: Path) -> Iterator[None]:
    """Share a lock on a folder with all who write there, so that none takes it for abandoned.

    Process numbers would not do: they come again, and mean nothing to another machine or container
    that shares the folder. Where a folder cannot be locked, nothing is removed.
    """
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # one that may be written to and not be listed
        yield
        return
    try:
        with suppress(OSError):  # not every file system has locks
            _tidy(folder, lock)
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)


def _tidy(folder: Path, lock: int) -> None:
    """Remove what killed processes have left in a folder, if nobody writes there now."""
    place = folder.absolute()
    if place in _tidied:  # listing a large folder for each of its files would take long
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    for found in os.scandir(folder):
        if _PARTIAL.fullmatch(found.name) and found.is_dir(follow_symlinks=False):
            shutil.rmtree(found, ignore_errors=True)
        elif _PARTIAL.fullmatch(found.name):
            with suppress(OSError):  # another user's
                Path(found).unlink()
    _tidied.add(place)


def find_files(
    folder: Path,
    suffixes: Collection[str] | None = None,
    *,
    hidden: bool = False,
    without: Collection[str] = (),
    required: Collection[str] | None = None,
) -> list[Path]:
    """Return the files of `folder` and below, by name; links to folders are not followed.

    Args:
        folder: where to look.
        suffixes: lower-case, of the files that are wanted; None of all.
        hidden: also hidden files, and those in hidden folders: what is hidden is half-written, or
            another system's notes on its files. A hidden link to nothing, such as Emacs's lock of a
            file, is left out.
        without: names of folders that are not looked into.
        required: lower-case suffixes; a link to nothing that has another is left out. None: none
            is left out.

    Raises:
        TextsrError: if a folder may not be listed or a file may not be looked at, or a link leads
            nowhere: nothing that is wanted is left out silently.
    """
    found = []
    try:
        for place, folders, names in os.walk(folder, onerror=_raise):
            if not hidden:
                folders[:] = [name for name in folders if not name.startswith(".")]
                names = [name for name in names if not name.startswith(".")]
            folders[:] = [name for name in folders if name not in without]
            for path in (Path(place, name) for name in names):
                if suffixes is not None and path.suffix.lower() not in suffixes:
                    continue
                try:
                    mode = path.stat().st_mode
                except FileNotFoundError:
                    is_required = required is None or path.suffix.lower() in required
                    if path.name.startswith(".") or not is_required:
                        continue
                    raise
                if stat.S_ISREG(mode):
                    found.append(path)
    except FileNotFoundError as error:
        raise TextsrError(
            f"{error.filename}: a link to nothing, or removed meanwhile; mend or remove it"
        ) from error
    except OSError as error:
        raise TextsrError(
            f"{error.filename}: cannot be read ({error.strerror}); allow it, or move it elsewhere"
        ) from error
    return sorted(found)


def _raise(error: OSError) -> None:
    raise error


def make_private(folder: Path) -> None:
    """Make a folder that its owner alone may enter.

    One that is there is closed to all but its owner and group, who may share it on purpose.
    """
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        found = folder.stat()
        if found.st_uid == os.geteuid():
            folder.chmod(found.st_mode & 0o7770)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all.

    A name of a file that is not UTF-8 is written as `\\udcff`, which JSON gives back as it was.
    """
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, so that equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path, shape: Any = Any, remedy: str = _MAKE_ANEW) -> Any:
    """Read a JSON file that a stage wrote.

    Args:
        path: the file.
        shape: a type that pydantic knows; what is read must be of it, and is returned as it is.
        remedy: what to do about a damaged file.

    Raises:
        TextsrError: if there is none, or it is damaged.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        TypeAdapter(shape).validate_python(value)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _not_made(path) from error
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'all of it'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise TextsrError(f"{path}: not valid ({said}); {remedy}") from error
    except (ValueError, RecursionError) as error:
        raise TextsrError(f"{path}: not valid JSON ({error}); {remedy}") from error
    except OSError as error:
        raise TextsrError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    return value


def read_text(path: Path) -> str:
    """Read a text file that a stage wrote.

    Raises:
        TextsrError: if there is none, or it is damaged.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _not_made(path) from error
    except (OSError, UnicodeDecodeError) as error:
        raise TextsrError(f"{path}: cannot be read ({error}); {_MAKE_ANEW}") from error


def read_small_file(path: Path, most: int) -> bytes:
    """Read a file of at most `most` bytes.

    Raises:
        OSError: if it is larger, cannot be read, or is no regular file: a pipe or a device would
            never end.
    """
    require_regular(path)
    if path.stat().st_size > most:
        raise OSError(f"larger than {most} bytes")
    return path.read_bytes()


def require_regular(path: Path) -> None:
    """Refuse what is no regular file: a pipe or a device would never end.

    Raises:
        OSError: if it is none, or cannot be looked at.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("not a regular file")


def fingerprint(description: str, paths: Iterable[Path]) -> str:
    """Hash a run's description and the content of the files and folders it depends on.

    Raises:
        TextsrError: if one of them is not there.
    """
    digest = hashlib.blake2b(description.encode(), digest_size=12)
    for path in paths:
        if not path.exists():
            raise _not_made(path)
        # Another process may be writing what Python has compiled.
        without = ("__pycache__",)
        files = find_files(path, hidden=True, without=without) if path.is_dir() else [path]
        for file in files:
            digest.update(str(file.relative_to(path)).encode(errors="surrogateescape"))
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "blake2b").digest())
    return digest.hexdigest()


def _not_made(path: Path) -> TextsrError:
    return TextsrError(f"{path}: no such file or folder; make what is missing with `dvc repro`")
