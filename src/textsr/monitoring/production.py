"""Production images out of a folder, or out of a bucket through fsspec."""

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from textsr.errors import TextsrError
from textsr.images.folders import IMAGE_SUFFIXES, read_grey
from textsr.images.grey import Image

_MOST_BYTES = 64_000_000  # that are fetched of an image
_MOST_PIXELS = 250_000  # a line is a tenth of that; pages and photographs are no lines


@dataclass(frozen=True)
class Production:
    """What lies in a folder of production images.

    Attributes:
        found: image files there, older ones included.
        images: grey HxW images by name, the newest.
        unreadable: what is wrong with the other new ones, by name.
    """

    found: int
    images: dict[str, Image]
    unreadable: dict[str, str]


def read_production(folder: str, limit: int) -> Production:
    """Read the newest images of `folder` and below, as they were last changed.

    Hidden files and folders are left out. An image that cannot be read is recorded, since
    production data have some.

    Args:
        folder: a path, or an address such as `s3://BUCKET/PATH`.
        limit: images that are read at most.

    Raises:
        TextsrError: if there is no such folder, it cannot be listed or read, or holds no image.
    """
    try:
        files, root = url_to_fs(folder)
        if not files.isdir(root):
            raise TextsrError(f"{folder}: no such folder; name one of production images")
        names = _find(files, root)
        changed = {name: _changed(files, path) for name, path in names.items()}
        newest = sorted(names, key=lambda name: (changed[name], name))[-limit:]
        if not newest:
            raise TextsrError(f"{folder}: no images in it; name a folder of production images")
        return _read(files, {name: names[name] for name in sorted(newest)}, len(names))
    except ImportError as error:
        raise TextsrError(
            f"{folder}: {error}; of buckets, `pip install 'textsr[s3]'` brings S3's"
        ) from error
    except TextsrError:
        raise
    except Exception as error:  # each store raises its own
        raise TextsrError(
            f"{folder}: cannot be read ({type(error).__name__}: {error}); check the address, the "
            "network and the credentials"
        ) from error


def _find(files: AbstractFileSystem, root: str) -> dict[str, str]:
    """Return the paths of images by their names below `root`."""
    paths = {path.removeprefix(root).lstrip("/"): path for path in _list(files, root)}
    return {
        name: path
        for name, path in paths.items()
        if Path(name).suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in Path(name).parts)
    }


def _list(files: AbstractFileSystem, root: str) -> list[str]:
    if not isinstance(files, LocalFileSystem):
        return list(files.find(root))

    def refuse(error: OSError) -> None:
        raise error

    # By fsspec's `find`, a folder that may not be listed would be an empty one.
    listed = []
    for place, folders, names in os.walk(root, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        listed += [f"{place}/{name}" for name in names]
    return listed


def _changed(files: AbstractFileSystem, path: str) -> float:
    """Return when a file was changed, in seconds; 0, long ago, where it is gone by now."""
    try:
        return float(files.modified(path).timestamp())
    except FileNotFoundError:
        return 0.0


def _read(files: AbstractFileSystem, paths: dict[str, str], found: int) -> Production:
    images: dict[str, Image] = {}
    unreadable: dict[str, str] = {}
    with TemporaryDirectory() as folder:
        for name, path in paths.items():
            local = Path(folder) / f"image{Path(name).suffix}"
            try:
                if files.size(path) > _MOST_BYTES:
                    raise TextsrError(f"{name}: a file of {files.size(path)} bytes; cut it up")
                files.get_file(path, str(local))
                image = read_grey(local)
            except FileNotFoundError:
                unreadable[name] = f"{name}: removed while the folder was read"
                continue
            except PermissionError:
                unreadable[name] = f"{name}: may not be read"
                continue
            except TextsrError as error:
                unreadable[name] = str(error).replace(str(local), name)
                continue
            if image.size > _MOST_PIXELS:
                height, width = image.shape
                unreadable[name] = f"{name}: {height} x {width} px; cut it into lines of text"
            else:
                images[name] = image
    return Production(found, images, unreadable)
