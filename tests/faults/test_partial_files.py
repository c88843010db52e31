"""What processes that are ended leave behind, and folders that cannot be read."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from textsr.errors import TextsrError
from textsr.files import find_files, fingerprint, replace_file, replace_folder, write_text
from textsr.images.folders import find_images
from textsr.inference.planning import plan_jobs
from textsr.monitoring.production import read_production

# A verb that writes a file and a folder, and waits in the midst of them.
_VERB = """
import time
from pathlib import Path
from textsr.cli import main as cli
from textsr.files import replace_file, replace_folder

@cli.app.command()
def wait() -> None:
    with replace_folder(Path("folder")) as folder, replace_file(Path("file.png")) as file:
        (folder / "half").touch()
        file.write_text("half")
        print("writing", flush=True)
        # Short: a signal that comes just before a sleep begins is seen only when it ends.
        for _ in range(600):
            time.sleep(0.1)

cli.main()
"""


def writing(folder: Path) -> subprocess.Popen[str]:
    """A `textsr` that is in the midst of writing."""
    process = subprocess.Popen(
        [sys.executable, "-c", _VERB, "wait"], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_sigterm_ends_a_verb_in_an_orderly_way(tmp_path: Path) -> None:
    (tmp_path / "file.png").write_text("before")
    process = writing(tmp_path)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 128 + signal.SIGTERM
    assert names(tmp_path) == ["file.png"]
    assert (tmp_path / "file.png").read_text() == "before"


def test_what_a_killed_writer_left_is_removed_by_the_next_but_not_what_one_writes(
    tmp_path: Path,
) -> None:
    killed = writing(tmp_path)
    killed.kill()
    killed.wait(20)
    assert len(names(tmp_path)) == 2
    alive = writing(tmp_path)
    try:
        theirs = names(tmp_path)
        assert len(theirs) == 2, "the killed one's are gone"
        # As long as one writes, nothing is taken for abandoned, be it of a process that is gone.
        (tmp_path / ".0123456789abcdef.partial-1.png").write_text("half")
        write_text(tmp_path / "other.txt", "whole")
        assert set(theirs) < set(names(tmp_path))
    finally:
        alive.kill()
        alive.wait(20)
    (tmp_path / ".notes").touch()
    write_text(tmp_path / "other.txt", "whole")
    assert names(tmp_path) == [".notes", "other.txt"]


def test_two_writers_of_one_folder_do_not_disturb_each_other(tmp_path: Path) -> None:
    process = writing(tmp_path)
    try:
        with replace_folder(tmp_path / "folder") as folder:
            (folder / "whole").touch()
        with replace_file(tmp_path / "file.png") as file:
            file.write_text("whole")
        assert names(tmp_path / "folder") == ["whole"]
        assert [name for name in names(tmp_path) if "partial" in name] != []
    finally:
        process.terminate()
        process.wait(20)
    assert names(tmp_path) == ["file.png", "folder"]


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder with an image, and one in a sub-folder that this process may not read."""
    folder = Path(tempfile.mkdtemp())
    (folder / "sub").mkdir()
    for path in (folder / "a.png", folder / "sub/b.png"):
        path.touch()
    folder.chmod(0o755)
    (folder / "sub").chmod(0)
    user = os.geteuid()
    if user == 0:  # to whom nothing is closed
        os.seteuid(65534)
    yield folder
    os.seteuid(user)
    (folder / "sub").chmod(0o755)
    shutil.rmtree(folder)


def test_a_sub_folder_that_cannot_be_read_is_not_passed_over(closed: Path) -> None:
    for read in (
        lambda: find_images(closed),
        lambda: plan_jobs([closed], closed / "out"),
        lambda: fingerprint("", [closed]),
    ):
        with pytest.raises(TextsrError, match=r"/sub: cannot be read \(Permission denied\)"):
            read()
    with pytest.raises(TextsrError, match=r"cannot be read \(PermissionError: .*/sub"):
        read_production(str(closed), 10)


def test_hidden_folders_that_cannot_be_read_do_not_matter(closed: Path) -> None:
    user = os.geteuid()
    os.seteuid(os.getuid())
    (closed / "sub").rename(closed / ".sub")
    os.seteuid(user)
    assert [path.name for path in find_images(closed)] == ["a.png"]
    os.seteuid(os.getuid())
    (closed / ".sub").rename(closed / "sub")


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(TextsrError, match=r"a\.png: a link to nothing"):
        find_images(tmp_path)
    assert find_files(tmp_path, {".jpg"}) == []


def test_a_fingerprint_needs_neither_locks_of_editors_nor_compiled_code(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text("1")
    before = fingerprint("", [tmp_path])
    (tmp_path / ".#run.py").symlink_to("me@host.123:456")  # as Emacs marks a file it has open
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/run.pyc.123").symlink_to("gone")  # Python has renamed it meanwhile
    assert fingerprint("", [tmp_path]) == before
    assert find_files(tmp_path / "__pycache__/..", {".py"}, hidden=True)
    (tmp_path / "other.py").symlink_to("gone")
    with pytest.raises(TextsrError, match=r"other\.py: a link to nothing"):
        fingerprint("", [tmp_path])


def test_pipes_are_no_images(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert find_images(tmp_path) == []
    # The monitor, which reads from stores of all kinds, must not wait for what the pipe never says.
    assert list(read_production(str(tmp_path), 10).unreadable) == ["a.png"]
