"""What the command says: warnings, names in messages, whom a result is for."""

from collections.abc import Iterator
from functools import partial

from PIL import Image

from benchmarks.cases.case import Case, Run, WrongError, message, succeeded
from benchmarks.cases.drawing import SCALE, grey, small
from benchmarks.cases.judging import refuses, says

_PAGE = ("upscale", "page.png", "-o", "big.png")


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield Case(
        "large text, which is warned of",
        {"page.png": _large().save},
        _PAGE,
        "one line, without the program's source",
        _warns_in_a_line,
    )
    yield Case(
        "image that cannot be read, whose name holds [red]",
        {"[red]a.png": lambda path: path.touch()},
        ("upscale", "[red]a.png", "-o", "big.png"),
        "the name in full",
        refuses(r"\[red\]a\.png"),
    )
    yield Case(
        "another verb, outside of a project",
        {"crops/a.png": small().save},
        ("score", "crops"),
        "what is wrong with its folder, and no word of a project",
        refuses(r"^(?!.*project).*crops/labels\.tsv: no such file"),
    )
    yield Case(
        "reader for whom the model was not judged",
        {"page.png": small().save},
        (*_PAGE, "--for", "nobody"),
        "a refusal that names those there are",
        refuses(r"no weight for 'nobody'.*judged for: \w+", leaves="big.png"),
    )
    yield Case(
        "no reader named",
        {"page.png": small().save},
        _PAGE,
        "for whom the result is, in one line",
        _says_for_whom,
    )
    animated = partial(small().save, save_all=True, append_images=[small().rotate(180)])
    yield Case(
        "animation",
        {"moving.gif": animated},
        ("upscale", "moving.gif", "-o", "big.png"),
        "the first picture, with a warning",
        says(r"moving\.gif.*first", writes="big.png"),
    )


def _large() -> Image.Image:
    page = grey(("Large",)).crop((0, 0, 64, 36))
    return page.resize((64 * SCALE, 36 * SCALE), Image.Resampling.BICUBIC)


def _warns_in_a_line(run: Run) -> str:
    succeeded(run)
    said = message(run)
    if "px" not in said or "warnings.warn" in run.said or ".py:" in run.said:
        raise WrongError(f"said: {run.said}")
    return f"said: {said}"


def _says_for_whom(run: Run) -> str:
    succeeded(run)
    lines = [line for line in run.said.splitlines() if line.startswith("model: ")]
    if len(lines) != 1 or ", blended for " not in lines[0]:
        raise WrongError(f"said: {run.said}")
    return f"said: {lines[0]}"
