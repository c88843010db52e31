"""DVC with checks of what a cache or a remote gives it: `textsr dvc ARGUMENTS`.

DVC 3.67 believes what it is given. A folder's object (`.dir`) may name files outside the folder, an
object's id may be a path, a run cache entry may name other outputs than the stage's, and an object
in the cache that is read-only counts as intact. Its state is kept where every user can write, and
read as pickles. DVC has no hook for any of that, so its functions are wrapped here, in this process
alone. A wrapped name that a later release lacks ends the program at its start.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import platformdirs
import psutil
from dvc import cli, rwlock
from dvc.fs import HTTPFileSystem
from dvc.lock import LockError, make_lock
from dvc.repo import Repo
from dvc.stage.cache import StageCache
from dvc_data.hashfile.db import HashFileDB
from dvc_data.hashfile.db.local import LocalHashFileDB
from dvc_data.hashfile.hash import hash_file
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta
from dvc_data.hashfile.tree import Tree
from dvc_data.index import ObjectStorage, checkout
from dvc_objects.errors import ObjectFormatError
from voluptuous import Invalid

from textsr.errors import TextsrError, quote, shorten

SITE = Path(".dvc/tmp/site")
"""DVC's `core.site_cache_dir` in a clone; its owner alone can enter it."""

_SITE_VARIABLE = "DVC_SITE_CACHE_DIR"
_TRUST = (
    "someone who can write there may have made it; see `Whom a DVC remote must trust` in "
    "docs/explanation/security.md"
)
_ID = re.compile(r"[0-9a-f]{32}(\.dir)?")
_THOROUGH = ContextVar("thorough", default=False)
_INTACT: set[str] = set()  # what this process has hashed already
_RUN = re.compile(r"runs/[0-9a-f]{2}/[0-9a-f]{64}/[0-9a-f]{64}")


class _Refusal(BaseException):
    """Ends DVC, which goes on after many an `Exception`. Its text is for the user."""


def main(arguments: Sequence[str]) -> int:
    """Run a command of DVC in this process; return its exit status.

    Raises:
        TextsrError: if something is refused, the clone's `core.site_cache_dir` is another user's,
            or DVC's record of who is at work is damaged while another command may be.
    """
    _install_checks()
    try:
        folder = Path(cli.parse_args(list(arguments)).cd)
    except cli.DvcParserError:  # which has said what is wrong
        return 254
    root = _find_root(folder.resolve())
    os.environ[_SITE_VARIABLE] = str(private_site(root))
    if root is not None:
        mend_rwlock(root)
    try:
        return int(cli.main(list(arguments)))
    except _Refusal as refusal:
        raise TextsrError(str(refusal)) from None


def private_site(root: Path | None) -> Path:
    """Make the folder of DVC's state, for its owner alone; return its path.

    What another user could have written there is removed: it is a cache.

    Args:
        root: the clone; None outside of clones, where the folder is the user's.

    Raises:
        TextsrError: if it belongs to another user.
    """
    site = platformdirs.user_cache_path("textsr") / "dvc" if root is None else root.resolve() / SITE
    if site.is_symlink() or (site.exists() and site.stat().st_uid != os.getuid()):
        raise TextsrError(
            f"{site}: belongs to another user; work in a clone of your own, or let its owner "
            "remove it"
        )
    if site.exists() and site.stat().st_mode & 0o077:
        shutil.rmtree(site)
    site.parent.mkdir(parents=True, exist_ok=True)
    site.mkdir(mode=0o700, exist_ok=True)
    return site


def mend_rwlock(root: Path) -> None:
    """Remove DVC's record of who reads and writes which files where a kill has left half of it.

    Raises:
        TextsrError: if another command of DVC may be at work in the clone, whose part of the record
            would be lost.
    """
    folder = root / ".dvc" / "tmp"
    record = folder / rwlock.RWLOCK_FILE
    if not record.exists():
        return
    # Whoever writes the record holds this lock, so what is half written now will remain so.
    lock = make_lock(str(folder / rwlock.RWLOCK_LOCK), tmp_dir=str(folder))
    with suppress(FileNotFoundError, LockError), lock:  # who holds it writes it anew
        try:
            rwlock.SCHEMA(json.loads(record.read_text(encoding="utf-8")))
        except (ValueError, RecursionError, Invalid) as error:
            if others := list(_others_at_work(root)):
                raise TextsrError(
                    f"{record}: damaged ({error}), and process {others[0]} may be at work "
                    "here; when it has ended, try again"
                ) from error
            record.unlink()
            _say(f"{record}: was damaged, as a kill can leave it; removed, nobody needs it")


def _others_at_work(root: Path) -> Iterable[int]:
    """Yield the ids of other processes that run DVC in the clone, as far as this user can see."""
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            command = process.cmdline()
            is_dvc = (
                process.pid != os.getpid()
                and command
                and Path(command[0]).name.startswith("python")
                and "dvc" in (Path(argument).name for argument in command[1:])
            )
            if not is_dvc:
                continue
            try:
                if Path(process.cwd()).is_relative_to(root.resolve()):
                    yield process.pid
            except psutil.AccessDenied:  # another user's: it may be here
                yield process.pid


def _install_checks() -> None:
    """Wrap the functions of DVC by which objects come in, are counted as intact and go out."""
    _wrap(Tree, "from_list", lambda read: classmethod(_checking_entries(read.__func__)))
    _wrap(Tree, "load", lambda read: classmethod(_checking_folder(read.__func__)))
    _wrap(LocalHashFileDB, "check", _checking_content)
    _wrap(StageCache, "_load", _checking_outputs)
    _wrap(StageCache, "transfer", _checking_names)
    _wrap(StageCache, "restore", _thorough)
    _wrap(Repo, "fetch", _thorough)
    _wrap(Repo, "push", _thorough)
    _wrap(checkout, "_create_files", _checking_sources)


def _wrap(owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
    setattr(owner, name, wrapper(vars(owner)[name]))


def _checking_entries(read: Callable[..., Tree]) -> Callable[..., Tree]:
    """Refuse a folder's object that names a file outside the folder, or a path as an id."""

    def from_list(cls: type[Tree], entries: Any, hash_name: str | None = None) -> Tree:
        for entry in entries:
            path, oid = entry["relpath"], entry.get("md5")
            if any(part in ("", ".", "..") or "\0" in part for part in path.split("/")):
                raise _Refusal(
                    f"names the file {quote(path)}, which is not inside the folder; {_TRUST}"
                )
            if oid is not None and not _ID.fullmatch(oid):
                raise _Refusal(
                    f"gives {quote(path)} the id {quote(oid)}, which is no MD5 hash; {_TRUST}"
                )
        return read(cls, entries, hash_name)

    return from_list


def _checking_folder(read: Callable[..., Tree]) -> Callable[..., Tree]:
    """Hash a folder's object before it is read: what it says is copied without a further look."""

    def load(
        cls: type[Tree], odb: HashFileDB, hash_info: HashInfo, hash_name: str | None = None
    ) -> Tree:
        oid = str(hash_info.value)
        path = odb.oid_to_path(oid)
        if _is_remote(odb):
            if not _is_intact(odb, oid):
                raise _Refusal(f"{path}: its content has another hash than its name; {_TRUST}")
        elif isinstance(odb, LocalHashFileDB):  # and not what DVC has just made in memory
            _remove_damaged(odb, oid)
        try:
            return read(cls, odb, hash_info, hash_name)
        except _Refusal as refusal:
            raise _Refusal(f"{path}: {refusal}") from None

    return load


def _thorough(run: Callable[..., Any]) -> Callable[..., Any]:
    """Let an object of the cache count as there when it is intact, while DVC runs a function."""

    def thoroughly(*arguments: Any, **settings: Any) -> Any:
        token = _THOROUGH.set(True)
        try:
            return run(*arguments, **settings)
        finally:
            _THOROUGH.reset(token)

    return thoroughly


def _checking_content(check: Callable[..., Meta]) -> Callable[..., Meta]:
    """Hash what DVC would trust for being read-only, or for the time of its last change."""

    def checked(odb: LocalHashFileDB, oid: str, *arguments: Any, **settings: Any) -> Meta:
        if _THOROUGH.get() and not _is_remote(odb):
            _remove_damaged(odb, oid)
        return check(odb, oid, *arguments, **settings)

    return checked


def _remove_damaged(odb: HashFileDB, oid: str) -> None:
    """Remove an object from the cache if it is damaged, and let DVC take it for missing.

    Raises:
        FileNotFoundError, ObjectFormatError: if it is not there, or not any more.
    """
    path = odb.oid_to_path(oid)
    if path in _INTACT:
        return
    if _is_intact(odb, oid):
        _INTACT.add(path)
        return
    try:
        odb.fs.remove(path)
    except PermissionError as error:
        raise _Refusal(f"{path}: damaged; let its owner remove it ({error})") from None
    _say(f"{path}: was damaged; removed, to be made or fetched again")
    raise ObjectFormatError(f"{path} is corrupted")


def _is_remote(odb: HashFileDB) -> bool:
    return odb.tmp_dir is not None  # where DVC notes what a remote has


def _is_intact(odb: HashFileDB, oid: str) -> bool:
    _, found = hash_file(odb.oid_to_path(oid), odb.fs, odb.hash_name)
    return str(found.value) == oid.removesuffix(".dir")


def _checking_outputs(load: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a run cache entry that would restore other outputs than the stage's."""

    def _load(cache: Any, stage: Any) -> Any:
        entry = load(cache, stage)
        outputs = entry.get("outs", []) if entry else []
        expected = sorted(output.def_path for output in stage.outs)
        if entry and sorted(output["path"] for output in outputs) != expected:
            named = shorten(", ".join(quote(output["path"]) for output in outputs))
            raise _Refusal(
                f"{cache.cache_dir}: an entry for the stage {stage.addressing} names the outputs "
                f"{named}, which are not the stage's; remove it; {_TRUST}"
            )
        for output in outputs:
            if not _ID.fullmatch(str(output.get("md5"))):
                raise _Refusal(
                    f"{cache.cache_dir}: an entry for the stage {stage.addressing} gives "
                    f"{output['path']} the id {quote(output.get('md5'))}, which is no MD5 hash; "
                    f"remove it; {_TRUST}"
                )
        return entry

    return _load


def _checking_names(transfer: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse run cache entries whose names would lead out of the cache."""

    def checked(cache: Any, from_odb: Any, to_odb: Any, force: bool = True) -> Any:
        source, runs = from_odb.fs, from_odb.fs.join(from_odb.path, "runs")
        if not isinstance(source, HTTPFileSystem) and source.exists(runs):  # DVC refuses HTTP
            for path in source.find(runs):
                if not _RUN.fullmatch(source.relpath(path, from_odb.path)):
                    raise _Refusal(f"{path}: no name of a run cache entry; remove it; {_TRUST}")
        return transfer(cache, from_odb, to_odb, force)

    return checked


def _checking_sources(create: Callable[..., None]) -> Callable[..., None]:
    """Look at objects of the cache before `dvc checkout` copies them."""

    def _create_files(entries: Any, index: Any, *arguments: Any, **settings: Any) -> None:
        if index is not None and settings.get("storage", "cache") == "cache":
            for entry in entries:
                storage = index.storage_map[entry.key].cache
                if isinstance(storage, ObjectStorage) and entry.hash_info:
                    with suppress(
                        FileNotFoundError, ObjectFormatError
                    ):  # DVC tells what is missing
                        _remove_damaged(storage.odb, entry.hash_info.value)
        create(entries, index, *arguments, **settings)

    return _create_files


def _find_root(folder: Path) -> Path | None:
    return next((at for at in (folder, *folder.parents) if (at / ".dvc").is_dir()), None)


def _say(sentence: str) -> None:
    print(f"textsr: {sentence}", file=sys.stderr)  # noqa: T201
