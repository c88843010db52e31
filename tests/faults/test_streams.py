"""Names of any bytes on streams of any encoding; disks that are full and files that are closed."""

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from textsr.cli import main as cli
from textsr.errors import TextsrError
from textsr.files import fingerprint, read_json, replace_file, write_json, write_text
from textsr.imports.sets import Item, NewSet, SetInfo, write_sets

STRANGE = os.fsdecode(b"\xff.png")
MAIN = "from textsr.cli.main import main; main()"
ENCODINGS = ["utf-8:strict", "ascii", "cp1252", "latin-1:strict", "ascii:surrogateescape"]


def run(
    program: str, *arguments: str, cwd: Path, encoding: str, **more: object
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=cwd,
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        **more,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_names_that_a_stream_cannot_express_are_escaped(tmp_path: Path, encoding: str) -> None:
    """What each verb prints last is a name: here that of a preset that is not there."""
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets/tiny Δ.yaml").touch()
    result = run(MAIN, "use-preset", "漢\udcff", cwd=tmp_path, encoding=encoding)
    assert result.returncode == 1, result.stderr
    assert result.stderr.startswith(b"textsr: presets/")
    assert b"no such preset; choose one of tiny" in result.stderr
    assert b"Traceback" not in result.stderr


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_printed_on_standard_output_is_escaped(tmp_path: Path, encoding: str) -> None:
    program = (
        "import typer, sys\n"
        "from textsr.cli.streams import escape_unprintable\n"
        "escape_unprintable()\n"
        "typer.echo('é 漢 \\udcff'); print('é 漢 \\udcff')"
    )
    result = run(program, cwd=tmp_path, encoding=encoding)
    assert result.returncode == 0, result.stderr
    echoed, printed = result.stdout.splitlines()
    assert printed.endswith(b"\\udcff")
    assert echoed == printed or encoding.startswith(
        "ascii"
    )  # where Typer writes UTF-8 all the same


def test_bytes_that_come_back_as_they_are_stay_so(tmp_path: Path) -> None:
    program = (
        "from textsr.cli.streams import escape_unprintable as escape\nescape()\nprint('é \\udcff')"
    )
    result = run(program, cwd=tmp_path, encoding="utf-8:surrogateescape")
    assert result.stdout == "é ".encode() + b"\xff\n"


def test_an_image_with_a_strange_name_is_upscaled_without_a_traceback(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 40), 200, np.uint8)).save(tmp_path / "a.png")
    for name in (STRANGE, "é.png"):
        (tmp_path / name).write_bytes((tmp_path / "a.png").read_bytes())
    images = (STRANGE, "é.png")
    result = run(MAIN, "upscale", *images, "-o", "out", cwd=tmp_path, encoding="utf-8:strict")
    assert result.returncode == 0, result.stderr.decode()
    assert len(result.stdout.splitlines()) == 2
    assert b"\\udcff.png ->" in result.stdout
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {STRANGE, "é.png"}


def test_help_needs_no_more_than_ascii(tmp_path: Path) -> None:
    result = run(MAIN, "--help", cwd=tmp_path, encoding="ascii")
    assert result.returncode == 0, result.stderr
    assert b"upscale" in result.stdout


def test_reports_take_any_name(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    names = [STRANGE, f"a\\{STRANGE}", "é"]
    write_json(path, names)
    assert read_json(path) == names
    assert json.loads(path.read_bytes()) == names
    write_text(path, STRANGE)
    assert path.read_bytes() == rb"\udcff.png"


def test_a_fingerprint_takes_any_name(tmp_path: Path) -> None:
    (tmp_path / STRANGE).touch()
    one = fingerprint("", [tmp_path])
    (tmp_path / STRANGE).rename(tmp_path / os.fsdecode(b"\xfe.png"))
    assert fingerprint("", [tmp_path]) != one


def test_a_set_takes_no_name_that_its_tables_cannot_hold(tmp_path: Path) -> None:
    item = Item(name="\udcff", source="photos/\udcff.png", images={})
    about = SetInfo(kind="lr", format="folder", images=1)
    with pytest.raises(TextsrError, match="its name is not UTF-8; rename it"):
        write_sets([NewSet(tmp_path / "new", about, [item])])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Let the command line end in an error."""
    for name, value in cli._QUIET.items():
        monkeypatch.setenv(name, value)

    def fail_with(error: Exception) -> None:
        def fail(**_: object) -> None:
            raise error

        monkeypatch.setattr(cli, "app", fail)

    return fail_with


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "out/a.png"),
            "out/a.png: No space left on device; free some space",
        ),
        (OSError(errno.ENOSPC, "[Errno 28] Error writing bytes"), "No space left on device; free"),
        (PermissionError(errno.EACCES, "", "data"), "data: Permission denied; change its perm"),
        (PermissionError(errno.EACCES, "", b"\xff"), r"\udcff: Permission denied"),
        (OSError(errno.EROFS, "", Path("reports/x.md")), "reports/x.md: Read-only file system"),
        (OSError(errno.ENAMETOOLONG, "", "x" * 300), "x: File name too long; use a shorter"),
    ],
)
def test_what_is_wrong_with_the_machine_is_one_message(
    failing: Callable[[Exception], None],
    capfd: pytest.CaptureFixture[str],
    error: OSError,
    said: str,
) -> None:
    failing(error)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    shown = capfd.readouterr().err.encode(errors="backslashreplace").decode()
    assert shown.startswith("textsr: ")
    assert said in shown


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file", "lost"),
        OSError("no number"),
        ValueError("a bug"),
        KeyError("a bug"),
    ],
)
def test_what_is_a_bug_stays_a_traceback(
    failing: Callable[[Exception], None], error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(error)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert type(error).__name__ in shown


def test_a_full_disk_names_the_file_and_keeps_what_was_there(tmp_path: Path) -> None:
    """By a limit on the size of files, which any user may set."""
    write_text(tmp_path / "report.md", "before")
    program = (
        "import sys\nfrom pathlib import Path\nfrom textsr.cli import main as cli\n"
        "from textsr.files import write_text\n"
        "cli.app = lambda **_: write_text(Path('report.md'), 'x' * 1_000_000)\n"
        "cli.main()"
    )
    result = run(
        program,
        cwd=tmp_path,
        encoding="utf-8",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert result.returncode == 1
    assert result.stderr.decode().strip() == (
        "textsr: report.md: File too large; raise the limit on the size of files"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"report.md"}
    assert (tmp_path / "report.md").read_text() == "before"


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="other") as caught, replace_file(tmp_path / "a"):
        raise PermissionError(errno.EACCES, "Permission denied", "other")
    assert caught.value.filename == "other"
