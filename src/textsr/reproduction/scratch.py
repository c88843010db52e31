"""A copy of the project as it was: code of a commit, with what is kept of a version.

It is a clone that borrows the project's git objects, and not a worktree: git notes nothing of it in
the project, so that a kill leaves no more than a folder.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from textsr.config import project
from textsr.errors import TextsrError, quote, shorten
from textsr.registry.origin import CHANGES, DATA_DVC, DVC_LOCK

_PLACE = Path(".cache")  # in the project: git ignores it, and `make clean` removes it
_NOT_OURS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID")
_CALLERS = ("DVC_ROOT", "DVC_EXP_NAME", "TEXTSR_FLOW_RUN_ID")
_GRACE_SECONDS = 10.0  # for stages to remove what they were writing


@contextmanager
def scratch_folder(root: Path, folder: Path | None, *, keep: bool) -> Iterator[Path]:
    """Make an empty folder to work in, and remove it afterwards.

    Args:
        root: the project.
        folder: which; None for one of its own in the project's `.cache`.
        keep: leave it.

    Raises:
        TextsrError: if there is something in it.
    """
    if folder is None:
        (root / _PLACE).mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="reproduce-", dir=root / _PLACE))
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TextsrError(f"{folder}: not an empty folder; name one that is not there")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder.resolve()
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def copy_project(root: Path, commit: str, kept: Path, folder: Path) -> None:
    """Put the project of a commit, with the changes and files that are kept, into a folder.

    Raises:
        TextsrError: if the commit is not here, or the changes do not fit it.
    """
    require_commit(root, commit)
    _git(root, "clone", "--quiet", "--shared", "--no-checkout", ".", str(folder))
    _git(folder, "checkout", "--quiet", "--detach", commit)
    if (kept / CHANGES).is_file():
        _git(folder, "apply", "--whitespace=nowarn", str(kept / CHANGES))
    for name in (DVC_LOCK, project.PARAMS.name, DATA_DVC):
        shutil.copyfile(kept / name, folder / name)


def require_commit(root: Path, commit: str) -> None:
    """Refuse a commit that is not in the project's git.

    Raises:
        TextsrError: if it is not.
    """
    command = _located(["git", "cat-file", "-e", f"{commit}^{{commit}}"], os.environ)
    if subprocess.run(command, cwd=root, capture_output=True, check=False).returncode:
        raise TextsrError(
            f"commit {quote(commit)} is not in this clone; get it by `git fetch --all` from where "
            "it was made"
        )


def lost_changes(folder: Path, changed: str) -> list[str]:
    """Return what was changed or added beside the commit and is not in its copy, a line each.

    Args:
        folder: the copy.
        changed: the tag `git_changes` of then.
    """
    here = set(_git(folder, "diff", "--name-only", "HEAD").splitlines())
    names = [] if changed == "none" else changed.split(", ")
    return [
        f"changed beside the commit, and not kept: {name}"
        for name in names
        if name not in here and not name.startswith(f"{project.REPORTS}/")
    ]


def get_data(root: Path, folder: Path) -> None:
    """Get source material into a copy, from the project's DVC cache or from DVC's remote.

    Raises:
        TextsrError: if neither has it.
    """
    local = root / ".dvc" / "config.local"
    if local.exists():  # where remotes keep what nobody else should see
        shutil.copy(local, folder / ".dvc" / "config.local")
    told = _dvc(root, "cache", "dir")
    if told.returncode:
        said = shorten(" ".join(told.stderr.split()))
        raise TextsrError(f"{root}: DVC does not tell its cache ({said}); mend what it says")
    cache = (root / told.stdout.splitlines()[-1]).resolve()
    _dvc(folder, "cache", "dir", "--local", str(cache))
    if _dvc(folder, "checkout", "--force", DATA_DVC).returncode == 0:
        return
    pulled = _dvc(folder, "pull", "--force", DATA_DVC)
    if pulled.returncode:
        said = shorten(" ".join(pulled.stderr.split()))
        raise TextsrError(
            f"{DATA_DVC}: neither DVC's cache nor its remote has the source material of then "
            f"({said}); `dvc push` it from a clone that has it, or restore the cache from a backup"
        )


def run_stages(folder: Path, stage: str) -> None:
    """Run a stage and all that it needs in a copy, by the copy's code, and show what DVC says.

    Nothing is taken from DVC's cache, and nothing put there: the stages run.

    Raises:
        TextsrError: if one fails.
    """
    command = ["textsr", "dvc", "repro", "--force", "--no-commit", stage]
    environment = _environment()
    source = [str(folder / "src"), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(source)
    # What is printed on standard output is the outcome alone.
    with subprocess.Popen(
        _located(command, environment), cwd=folder, env=environment, stdout=sys.stderr
    ) as process:
        try:
            status = process.wait()
        except BaseException:
            _end(process.pid)
            raise
    if status:
        raise TextsrError(
            f"{folder}: `{' '.join(command)}` failed with exit status {status}, as told above; with"
            " --keep, the folder stays to be looked into"
        )


def _end(pid: int) -> None:
    """End a process and those that it has started, which DVC would leave running."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.terminate()
        _, alive = psutil.wait_procs(family, timeout=_GRACE_SECONDS)
        for each in alive:
            with suppress(psutil.NoSuchProcess):
                each.kill()


def _dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = _environment()
    command = _located(["textsr", "dvc", "--wait-for-lock", *arguments], environment)
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = shorten(" ".join(done.stderr.split()))
        raise TextsrError(f"{folder}: `git {arguments[0]}` failed ({said}); mend what git says")
    return done.stdout


def _environment() -> dict[str, str]:
    """Return the environment, with this Python first, and without what names another project."""
    folder = str(Path(sys.executable).parent)
    kept: Mapping[str, str] = {
        key: value for key, value in os.environ.items() if key not in (*_NOT_OURS, *_CALLERS)
    }
    return {**kept, "PATH": os.pathsep.join([folder, kept.get("PATH", os.defpath)])}


def _located(command: list[str], environment: Mapping[str, str]) -> list[str]:
    program, *arguments = command
    path = shutil.which(program, path=environment.get("PATH", os.defpath))
    if path is None:
        raise TextsrError(f"{program}: no such command here; install it (textsr by `make setup`)")
    return [path, *arguments]
