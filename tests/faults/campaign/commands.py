"""Commands that write, in a small project, and what is known of an unbroken run of each."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from tests.faults.campaign.killing import ROOT, Done, differences, environment, require, run
from tests.faults.campaign.projects import hashes, make_once, make_registry, make_small, registry

# Not compared: tables of MLflow, which are asked instead; records, whose order is that of threads.
_ASIDE = ("mlruns", ".textsr.jsonl", ".cache")


@dataclass(frozen=True)
class Command:
    """A command, and what it makes.

    Attributes:
        words: after `textsr`.
        makes: a folder that is replaced whole; None: files are, each of them.
        done_already: what a rerun may refuse with, where the killed command had done all.
    """

    words: Sequence[str]
    makes: str | None = None
    done_already: str | None = None


# The project's champion has no files.
_MODEL = ("--model", str(ROOT / "src/textsr/pretrained/v4"))
COMMANDS = [
    Command(("import", "labelled", "in", "--name", "kept", "--replace"), "data/real/kept"),
    Command(("upscale", *_MODEL, "in", "scan.tif", "-o", "out/", "--skip-existing")),
    Command(("import", "labelled", "in", "--name", "new"), "data/real/new", "new: exists"),
    Command(("use-preset", "growing")),
    Command(("promote", "3", "--force", "--reason", "better")),
    Command(("upscale", *_MODEL, "scan.pdf", "-o", "out.pdf")),
    Command(("import", "lr", "in", "--name", "new"), "data/unlabelled/new", "new: exists"),
    Command(("rollback",), done_already="nothing to roll back to"),
    Command(("upscale", *_MODEL, "scan.tif", "-o", "out.tif")),
    Command(("import", "pairs", "lr", "hr", "--name", "new"), "data/pairs/new", "new: exists"),
    Command(("rollback", "--to", "3", "--reason", "better")),
    Command(("upscale", *_MODEL, "in", "-o", "out/", "--compare", "--format", "jpg")),
    Command(("fetch-data",)),
    Command(("upscale", *_MODEL, "scan.pdf", "-o", "pages/", "--format", "tif")),
    Command(("export", "model.onnx", *_MODEL)),
]


@dataclass(frozen=True)
class Unbroken:
    """An unbroken run of a command.

    Attributes:
        base: the project as it was before, which is to be copied.
        before: hashes of its files.
        done: how the run went.
        after: hashes of the files then, and the registry.
    """

    base: Path
    before: Mapping[str, str]
    done: Done
    after: Mapping[str, str]


def run_unbroken(command: Command, scratch: Path) -> Unbroken:
    """Run a command to its end, once for all cases that share the folder `scratch`."""
    if command.words[0] in ("promote", "rollback"):
        base = make_once(scratch / "base-with-registry", make_registry)
    else:
        base = make_once(scratch / "base", make_small)
    kept = scratch / f"unbroken-{COMMANDS.index(command)}.json"
    with FileLock(kept.with_suffix(".lock")):
        if not kept.exists():
            place = scratch / kept.stem
            place.mkdir()
            project = shutil.copytree(base, place / "project")
            words = ["textsr", *command.words]
            done = run(words, project, environment(), place / "log")
            require(done.status == 0, f"{words}: {done.said}")
            kept.write_text(json.dumps([asdict(done), files(project) | registry(project)]))
            shutil.rmtree(place)
    told, after = json.loads(kept.read_text())
    return Unbroken(base, files(base), Done(**told), after)


def files(project: Path) -> dict[str, str]:
    """Return the hashes of all that has its final name."""
    found = hashes(project, _ASIDE).items()
    return {name: content for name, content in found if ".partial-" not in name}


def require_whole(command: Command, project: Path, unbroken: Unbroken, said: str) -> None:
    """Raise where a file is neither as before nor as in the end, or a folder is mixed of both."""
    found, before, after = files(project), unbroken.before, unbroken.after
    for name in found:
        known = (before.get(name), after.get(name))
        require(found[name] in known, f"{said}: {name} is half-written")
    if command.makes is not None:
        made, *wholes = (_below(command.makes, state) for state in (found, before, after))
        require(not made or made in wholes, f"{said}: {command.makes} has only {list(made)}")


def require_same(
    command: Command, project: Path, unbroken: Unbroken, again: Done, said: str
) -> None:
    """Raise where a run after a broken one did not end as an unbroken one does."""
    is_done = command.done_already is not None and command.done_already in again.said
    held = again.status == 0 or (again.status == 1 and is_done)
    require(held, f"{said}; again: status {again.status}: {again.said}")
    found = files(project) | registry(project)
    require(found == unbroken.after, f"{said}: differs in {differences(found, unbroken.after)}")


def _below(folder: str, state: Mapping[str, str]) -> dict[str, str]:
    return {name: state[name] for name in state if name.startswith(f"{folder}/")}
