"""What the core takes: megabytes on disk, seconds and memory of one small picture, from cold.

It builds the wheel, installs it into an environment of its own, and runs it there as a user would.
"""

import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "docs" / "images" / "sample.png"
RUNS = 5


@dataclass(frozen=True)
class Footprint:
    """What a core installation takes.

    Attributes:
        megabytes: on disk, with pip and all that Python has compiled.
        import_seconds: of `import textsr`, over an interpreter that imports nothing.
        upscale_seconds: of `textsr upscale`, from its start to its end.
        processor_seconds: of all cores, that it takes.
        upscale_megabytes: the most memory that takes.
    """

    megabytes: float
    import_seconds: float
    upscale_seconds: float
    processor_seconds: float
    upscale_megabytes: float


def main() -> None:
    """Print the footprint: the best of several runs, since others use the machine, too."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(install_core(Path(folder) / "core"), Path(folder))
    table = Table(title=f"the core, best of {RUNS} runs, {os.cpu_count()} cores")
    for heading in ("what", "is", "should be"):
        table.add_column(heading)
    table.add_row("on disk", f"{found.megabytes:.0f} MB", "at most 400 MB")
    table.add_row("import textsr", f"{found.import_seconds:.2f} s", "at most 0.3 s")
    table.add_row("textsr upscale, cold", f"{found.upscale_seconds:.2f} s", "at most 1.2 s")
    table.add_row("its processor time", f"{found.processor_seconds:.2f} s", "")
    table.add_row("its memory", f"{found.upscale_megabytes:.0f} MB", "at most 300 MB")
    Console().print(table)


def install_core(folder: Path) -> Path:
    """Build the wheel and install it, without extras, into a new environment.

    Args:
        folder: of the environment.

    Returns:
        The environment's folder of programs.
    """
    wheels = folder.with_name("wheels")
    # Out of a copy, as setuptools leaves its work beside the sources.
    source = folder.with_name("source")
    files = _run(["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others",
                  "--exclude-standard"]).split("\0")  # fmt: skip
    for name in filter(None, files):
        if (ROOT / name).is_file() and name.startswith(("src/", "pyproject", "README", "LICENSE")):
            copied = source / name
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    _run([*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", wheels, source])
    venv.create(folder, with_pip=True)
    programs = folder / "bin"
    (wheel,) = wheels.glob("*.whl")
    _run([programs / "python", "-m", "pip", "--disable-pip-version-check", "install", "-q", wheel])
    return programs


def measure(programs: Path, folder: Path) -> Footprint:
    """Measure an installation.

    Args:
        programs: its folder of programs.
        folder: where the picture is written.
    """
    python, big = programs / "python", folder / "big.png"
    upscale: list[str | Path] = [programs / "textsr", "upscale", SAMPLE, "-o", big]
    _timed(upscale, folder)  # compiles
    runs = [_timed(upscale, folder) for _ in range(RUNS)]
    imports, nothing = (
        min(_timed([python, "-c", program], folder).seconds for _ in range(RUNS))
        for program in ("import textsr", "pass")
    )
    files = (path for path in programs.parent.rglob("*") if path.is_file())
    return Footprint(
        megabytes=sum(path.stat(follow_symlinks=False).st_size for path in files) / 1e6,
        import_seconds=imports - nothing,
        upscale_seconds=min(run.seconds for run in runs),
        processor_seconds=min(run.processor_seconds for run in runs),
        upscale_megabytes=max(run.megabytes for run in runs),
    )


class _Run(NamedTuple):
    """What running a program took: seconds from start to end, of all cores, and peak memory."""

    seconds: float
    processor_seconds: float
    megabytes: float


def _timed(command: Sequence[str | Path], folder: Path) -> _Run:
    # By a process of its own, whose children are this one alone.
    timer = (
        "import resource, subprocess, sys, time\n"
        "start = time.perf_counter()\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "seconds = time.perf_counter() - start\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3)\n"
    )
    said = _run([sys.executable, "-c", timer, *command], folder)
    return _Run(*map(float, said.split()))


def _run(command: Sequence[str | Path], folder: Path | None = None) -> str:
    """Run a program without what this environment adds to Python's path; return its output."""
    around = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=around,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
