"""Make a page on which people judge pairs of pictures, or count what they answered.

Of each pair, one picture is bicubic's and one is a model's. Pairs are of lines and parts of pages
drawn fresh, and of images of yours.
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.preference.crops import Crop, folder_crops, fresh_lines
from benchmarks.preference.judgements import JudgedModel, read_judgements, render_count
from benchmarks.preference.page import render_judging
from benchmarks.preference.page_parts import page_parts
from benchmarks.preference.pairs import make_pairs
from textsr import load_model, pretrained
from textsr.config import project
from textsr.config.params import load_params
from textsr.errors import TextsrError
from textsr.files import write_text
from textsr.models.package import WEIGHTS
from textsr.models.spec import PEOPLE, read_spec
from textsr.synthesis.sample import load_source

FIRST_SEED = 5_000_000
"""Added to the seed of what is drawn, so that no dataset holds it."""

LINES, PARTS = "lines", "pages"


def main() -> None:
    """Write the page, or print the count."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.preference", description=__doc__)
    parser.add_argument(
        "folders",
        nargs="*",
        metavar="NAME=FOLDER",
        help="small images of yours; of large ones, parts are shown",
    )
    parser.add_argument("--pairs", type=int, default=20, help="in all; each source gives its share")
    parser.add_argument("--model", type=Path, default=pretrained.FOLDER, help="a model's folder")
    parser.add_argument(
        "--blend",
        type=float,
        help="weight of the model's output, 0 to 1; if not said, its own for people, or else 1",
    )
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn, and of the order")
    parser.add_argument("--data", type=Path, default=project.DATA)
    parser.add_argument("--output", type=Path, default=Path("out/preference.html"))
    parser.add_argument(
        "--count", type=Path, nargs="+", metavar="FILE", help="count what pages saved, and no more"
    )
    arguments = parser.parse_args()
    try:
        if arguments.count:
            print(render_count(read_judgements(arguments.count)), end="")
        else:
            _write_page(arguments)
    except TextsrError as error:
        sys.exit(f"preference: {error}")


def _write_page(arguments: argparse.Namespace) -> None:
    folders = parse_folders(arguments.folders)
    if arguments.pairs < len(folders) + 2:
        raise TextsrError(
            f"--pairs {arguments.pairs}: must be {len(folders) + 2} or more, a pair of each set"
        )
    if arguments.seed < 0:
        raise TextsrError(f"--seed {arguments.seed}: must be 0 or more")
    spec = read_spec(arguments.model)
    blend = spec.blends.get(PEOPLE, 1.0) if arguments.blend is None else arguments.blend
    model = load_model(arguments.model, blend=blend)
    crops = _crops(arguments, folders)
    pairs = make_pairs(crops, model.backend, arguments.seed)
    weights = hashlib.sha256((arguments.model / WEIGHTS).read_bytes()).hexdigest()
    judged = JudgedModel(name=spec.name, weights_sha256=weights, blend=blend)
    write_text(arguments.output, render_judging(pairs, judged, arguments.seed))
    said = ", ".join(f"{len(found)} of {name}" for name, found in crops.items())
    print(f"{arguments.output}: {len(pairs)} pairs ({said}), {judged} and bicubic")
    print("Open it in a browser. Count what it saves with")
    print("  python -m benchmarks.preference --count FILE...")


def parse_folders(arguments: Sequence[str]) -> dict[str, Path]:
    """Parse `NAME=FOLDER`; the folder's own name may hold `=`.

    Raises:
        TextsrError: if one is not of this form, or a name is taken.
    """
    folders: dict[str, Path] = {}
    for argument in arguments:
        name, _, folder = argument.partition("=")
        if not (re.fullmatch(r"[\w.-]+", name) and folder):
            raise TextsrError(f"{argument}: write NAME=FOLDER, the name in letters and digits")
        if name in (LINES, PARTS, *folders):
            raise TextsrError(f"{argument}: there is another set {name}; choose a new name")
        folders[name] = Path(folder)
    return folders


def _crops(arguments: argparse.Namespace, folders: dict[str, Path]) -> dict[str, list[Crop]]:
    """Cut or draw equal shares of all sources, the first of which give what is left over."""
    source = load_source(load_params(), "val", arguments.data)
    share, left_over = divmod(arguments.pairs, len(folders) + 2)
    counts = [share + (place < left_over) for place in range(len(folders) + 2)]
    seed = FIRST_SEED + arguments.seed
    crops = {
        LINES: fresh_lines(source, seed, counts[0]),
        PARTS: page_parts(source, seed, counts[1]),
    }
    for (name, folder), count in zip(folders.items(), counts[2:], strict=True):
        crops[name] = folder_crops(name, folder, count)
    return crops


if __name__ == "__main__":
    main()
