"""README and docs: the example runs, links lead somewhere, and commands exist."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
import yaml

from benchmarks.results_table import BEGIN, END
from textsr.cli.main import app

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = sorted([README, ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])

COMMAND: Any = typer.main.get_command(app)
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(?<![\w:/.])(?:src|tests|pipelines|benchmarks|\.ci)/[\w./-]*\w\b")
BY_HOOKS = {"comparison.png": ROOT / "reports/comparison.png"}


def code() -> Iterator[tuple[str, str]]:
    """Yield the shell blocks and the inline code of all pages, each with its page's name."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = [body for language, body in FENCE.findall(text) if language == "sh"]
        for found in (*blocks, *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))):
            yield page.name, found


def slug(heading: str) -> str:
    """Return the anchor of a heading, as Python-Markdown's `toc` makes it."""
    plain = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def test_readme_is_short_but_for_the_table_that_is_written_into_it() -> None:
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    assert len(f"{before}{after}".splitlines()) <= 140


def test_the_python_example_of_the_readme_runs(tmp_path: Path) -> None:
    blocks = FENCE.findall(README.read_text(encoding="utf-8"))
    (example,) = [body for language, body in blocks if language == "python"]
    shutil.copy(ROOT / "docs/images/sample.png", tmp_path / "small.png")
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "(640, 960, 3)" in done.stdout
    assert (tmp_path / "big.png").stat().st_size > 0


def test_relative_links_exist() -> None:
    for page in PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            there = page.parent / path if path else page
            assert BY_HOOKS.get(there.name, there).exists(), f"{page.name}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.+)$", there.read_text("utf-8"), re.MULTILINE)
                assert anchor in map(slug, headings), f"{page.name}: {target}"


def test_verbs_and_their_options_exist() -> None:
    calls = [
        (page, call)
        for page, text in code()
        for call in re.findall(r"\btextsr ([a-z][a-z-]+[^#\n&|;]*)", text)
    ]
    assert len(calls) > 50
    for page, call in calls:
        command, words = COMMAND, call.split()
        while words and hasattr(command, "commands"):
            verb = words.pop(0)
            if not re.fullmatch("[a-z][a-z-]+", verb):  # `textsr import FOLDER`
                break
            assert verb in command.commands, f"{page}: textsr {call}"
            command = command.commands[verb]
        if command.name == "dvc":  # its options are DVC's
            continue
        known = {"--help"} | {name for param in command.params for name in param.opts}
        options = {word.partition("=")[0] for word in words if re.match("--?[a-z]", word)}
        assert options <= known, f"{page}: textsr {call}"


def test_keys_of_params_exist() -> None:
    for page, text in code():
        section, *keys = text.split(".")
        if section in PARAMS and re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", text) and keys != ["py"]:
            place = PARAMS[section]
            for key in keys:
                assert isinstance(place, dict), f"{page}: {text}"
                assert key in place, f"{page}: {text}"
                place = place[key]


def test_targets_of_make_exist() -> None:
    for page, text in code():
        for target in re.findall(r"\bmake ([a-z]+)\b", text):
            assert target in TARGETS, f"{page}: make {target}"


def test_files_that_pages_name_exist() -> None:
    """Dated pages aside: they tell of the code of then."""
    for page, text in code():
        for path in FILE.findall(text):
            assert (ROOT / path).exists() or page.startswith("2026-"), f"{page}: {path}"


def test_pages_that_the_code_names_exist() -> None:
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "presets").glob("*.yaml")]:
        for name in re.findall(r"\bdocs/[\w/.-]+\.md\b", path.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{path.relative_to(ROOT)}: {name}"
