"""README and docs: the example runs, links lead somewhere, and commands exist."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from textsr.cli.main import app

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = sorted([README, ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

# Commands inside of fenced blocks of shell, and in backticks.
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VERB = re.compile(r"\btextsr((?: [a-z][a-z-]+)+)")
TARGET = re.compile(r"\bmake ([a-z]+)\b")


def code_of(page: Path) -> Iterator[str]:
    """Yield the shell blocks and the inline code of a page."""
    text = page.read_text(encoding="utf-8")
    yield from (body for language, body in FENCE.findall(text) if language == "sh")
    yield from re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def slug(heading: str) -> str:
    """Return the anchor of a heading, as Python-Markdown's `toc` makes it."""
    plain = re.sub(r"[^\w\s-]", "", re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading))
    return re.sub(r"[\s-]+", "-", plain.strip().lower())


def test_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_the_python_example_of_the_readme_runs(tmp_path: Path) -> None:
    examples = [
        body for language, body in FENCE.findall(README.read_text("utf-8")) if language == "python"
    ]
    assert len(examples) == 1
    shutil.copy(ROOT / "docs/images/sample.png", tmp_path / "small.png")
    done = subprocess.run(
        [sys.executable, "-c", examples[0]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "(640, 960" in done.stdout
    assert (tmp_path / "big.png").stat().st_size > 0


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_relative_links_exist(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = page if not path else (page.parent / path)
        if there.as_posix().endswith("docs/images/comparison.png") or (
            path.endswith("images/comparison.png")
        ):  # `docs/hooks.py` takes it from reports/
            there = ROOT / "reports/comparison.png"
        assert there.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_exist(page: Path) -> None:
    verbs = typer.main.get_command(app)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for code in code_of(page):
        for words in VERB.findall(code):
            command = verbs
            for word in words.split():
                if not hasattr(command, "commands"):
                    break
                assert word in command.commands, f"{page.name}: textsr{words}"
                command = command.commands[word]
        for target in TARGET.findall(code):
            assert target in targets, f"{page.name}: make {target}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_options_of_textsr_exist(page: Path) -> None:
    verbs = typer.main.get_command(app).commands
    for code in code_of(page):
        for verb, rest in re.findall(r"\btextsr ([a-z][a-z-]+)([^#\n&|]*)", code):
            if verb == "dvc" or verb not in verbs:
                continue
            command = verbs[verb]
            first = rest.split()[:1]
            if hasattr(command, "commands") and first and first[0] in command.commands:
                command = command.commands[first[0]]
            known = {name for param in command.params for name in (*param.opts, "--help")}
            for option in re.findall(r"(?<=\s)--[a-z][a-z-]*", rest):
                assert option in known, f"{page.name}: textsr {verb} {option}"


def test_pages_named_in_the_code_exist() -> None:
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "presets").glob("*.yaml")]:
        for name in re.findall(r"\bdocs/[\w/.-]+\.md\b", path.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{path.relative_to(ROOT)}: {name}"
