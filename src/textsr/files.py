"""Writing files and folders whole or not at all."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from textsr.errors import TextsrError

_MAKE_ANEW = "remove it, and make it anew with `dvc repro`"
_CANNOT_BE_WRITTEN = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
    *(errno.EACCES, errno.EPERM, errno.EROFS),
)


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds.

    A killed or failed block leaves what was at `path` before. The temporary name keeps the
    suffix of `path`, by which image and table writers choose their format, and is short: names may
    be as long as the file system lets them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = hashlib.blake2b(os.fsencode(path.name), digest_size=8).hexdigest()
    temporary = path.with_name(f".{stem}.partial-{os.getpid()}{path.suffix}")
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

    Leftovers of a killed predecessor are removed first.
    """
    temporary = path.with_name(f".{path.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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


def fingerprint(description: str, paths: Iterable[Path]) -> str:
    """Hash a run's description and the content of the files and folders it depends on.

    Raises:
        TextsrError: if one of them is not there.
    """
    digest = hashlib.blake2b(description.encode(), digest_size=12)
    for path in paths:
        if not path.exists():
            raise _not_made(path)
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            if "__pycache__" in file.parts:
                continue
            digest.update(str(file.relative_to(path)).encode(errors="surrogateescape"))
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "blake2b").digest())
    return digest.hexdigest()


def _not_made(path: Path) -> TextsrError:
    return TextsrError(f"{path}: no such file or folder; make what is missing with `dvc repro`")
