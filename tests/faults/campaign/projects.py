"""Projects that attacks copy: a small one takes seconds to make, a finished one minutes."""

import hashlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import numpy as np
from filelock import FileLock
from PIL import Image, ImageDraw

from tests.faults.campaign.killing import ROOT, environment
from textsr.files import fingerprint

# Version 1 was champion, 2 is, 3 is a challenger. Their files are nowhere, and never opened.
_REGISTER = """
from pathlib import Path
from textsr.registry.aliases import promote, register_challenger
from textsr.tracking import Tracker

tracker = Tracker(Path.cwd())
for number in (1, 2, 3):
    run = tracker.start(f"run {number}", "textsr", {}, {"data_hash": "none"}).run_id
    version = register_challenger(tracker, "textsr", f"s3://none/{number}", run, "")
    if number < 3:
        promote(tracker, "textsr", version)
    tracker.finish(run)
"""


def make_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """Make a folder once for all processes of a campaign, which must leave it as it is."""
    made = folder.with_name(f"{folder.name}.made")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


def make_small(folder: Path) -> None:
    """Make a project with images and documents."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "presets", folder / "presets")
    make_images(folder)
    for command in (
        ["textsr", "use-preset", "tiny"],
        ["textsr", "import", "labelled", "in", "--name", "kept"],
    ):
        subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True)


def make_registry(folder: Path) -> None:
    """Make a project with a registry of three versions."""
    shutil.copy(ROOT / "params.yaml", folder)
    command = [sys.executable, "-c", _REGISTER]
    subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True)


def finished_project() -> Path:
    """Return a tiny project that `dvc repro` has brought up to date, made once for this code."""
    kept = ROOT / "out/faults/projects"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "src", "params.yaml", "presets", "dvc.yaml"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    key = fingerprint("", [ROOT / name for name in sorted(filter(None, listed.split("\0")))])
    return make_once(kept / key, _make_finished)


def _make_finished(folder: Path) -> None:
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    variables = environment(folder, TEXTSR_READINGS=str(readings_of(folder)))
    shutil.rmtree(folder / "data", ignore_errors=True)
    for command in (
        ["textsr", "fetch-data"],
        ["textsr", "use-preset", "tiny"],
        ["textsr", "dvc", "repro"],
        ["git", "add", "-A"],
        ["git", "commit", "-qm", "tiny"],
    ):
        subprocess.run(command, cwd=folder, env=variables, check=True, capture_output=True)
    # Of a stage that was not run here yet: nothing to take its results from.
    shutil.rmtree(folder / ".dvc/cache/runs")


def readings_of(project: Path) -> Path:
    """Return where copies of a project share what OCR engines have read, which takes longest."""
    return project.with_name(f"{project.name}-readings.sqlite")


def make_images(folder: Path) -> None:
    """Make lines with what they say (`in/`), pairs (`lr/`, `hr/`), a scan as PDF and as TIFF."""
    for name in ("in", "lr", "hr"):
        (folder / name).mkdir()
    random = np.random.default_rng(1)
    labels = ["file\ttext"]
    for number in range(6):
        words = f"Total {random.integers(1000)}.{number}0 EUR"
        line = _line(words)
        for name in ("in", "lr"):
            line.save(folder / name / f"line-{number}.png")
        line.resize((360, 48)).save(folder / "hr" / f"line-{number}.png")
        labels.append(f"line-{number}.png\t{words}")
    (folder / "in" / "labels.tsv").write_text("".join(f"{line}\n" for line in labels))
    for suffix in ("pdf", "tif"):
        first, *others = map(_page, range(3))
        path = folder / f"scan.{suffix}"
        first.save(path, save_all=True, append_images=others, resolution=100, dpi=(100, 100))


def _line(words: str) -> Image.Image:
    image = Image.new("L", (180, 24), 255)
    ImageDraw.Draw(image).text((4, 6), words, fill=0)
    return image


def _page(number: int) -> Image.Image:
    image = Image.new("L", (240, 160), 250)
    for row in range(6):
        ImageDraw.Draw(image).text((8, 8 + 24 * row), f"Page {number}, line {row} of it", fill=10)
    return image


def hashes(folder: Path, without: Iterable[str] = ()) -> dict[str, str]:
    """Return the hashes of the files of a folder, by path, but of those in folders named so."""
    names = set(without)
    return {
        str(path.relative_to(folder)): hashlib.blake2b(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not names & set(path.relative_to(folder).parts)
    }


def query(project: Path, question: str) -> list[tuple[object, ...]]:
    """Ask MLflow's database of a project."""
    with closing(sqlite3.connect(project / "mlruns/mlflow.db", timeout=30)) as database:
        return database.execute(question).fetchall()


def registry(project: Path) -> dict[str, str]:
    """Return what of a registry must be the same however often a command was cut off."""
    if not (project / "mlruns/mlflow.db").exists():
        return {}
    aliases = query(project, "SELECT alias, version FROM registered_model_aliases")
    tags = query(
        project,
        "SELECT version, key FROM model_version_tags WHERE key NOT LIKE 'textsr.decision.%'",
    )
    return {str(alias): str(version) for alias, version in aliases} | {
        f"{version} {key}": "" for version, key in tags
    }


def running(project: Path) -> list[str]:
    """Return the names of the runs that MLflow takes for running."""
    if not (project / "mlruns/mlflow.db").exists():
        return []
    asked = "SELECT name FROM runs WHERE status = 'RUNNING'"
    return [str(name) for (name,) in query(project, asked)]
