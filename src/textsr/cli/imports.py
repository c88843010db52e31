"""`textsr import`: other people's images into `data/`; argument parsing only."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from textsr.config import project

app = typer.Typer(
    help="Bring your own images: pairs, HR only, LR only, labelled crops, published sets.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Option(help="Name of the set: a folder of data/.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace a set of this name.")]
Licence = Annotated[str | None, typer.Option(help="Licence of the images.", show_default=False)]
Url = Annotated[str | None, typer.Option(help="Where they come from.", show_default=False)]
Source = Annotated[Path, typer.Argument(help="Folder to import from.")]
Sharp = Annotated[
    bool, typer.Option("--sharp", help="The crops are sharp: degrade them before use.")
]


@app.command()
def pairs(
    lr: Annotated[Path, typer.Argument(help="Folder of LR images; labels.tsv in it is used.")],
    hr: Annotated[Path, typer.Argument(help="Folder of HR images of the same names.")],
    name: Name,
    licence: Licence = None,
    source_url: Url = None,
    replace: Replace = False,
) -> None:
    """Import LR-HR pairs, paired by name: training."""
    from textsr.imports.folders import pair_items, read_pairs

    found, scale = read_pairs(lr, hr)
    about = _about("pairs", "pairs", licence, source_url, scale=scale)
    _write([(_folder_of("pairs", name), about, pair_items(found, lr), len(found))], replace)


@app.command()
def hr(
    source: Source,
    name: Name,
    licence: Licence = None,
    source_url: Url = None,
    replace: Replace = False,
) -> None:
    """Import sharp images, which are degraded as the synthetic lines are: training."""
    _folder("hr", "hr", source, name, False, licence, source_url, replace)


@app.command()
def lr(
    source: Source,
    name: Name,
    licence: Licence = None,
    source_url: Url = None,
    replace: Replace = False,
) -> None:
    """Import LR images without labels: pretraining and monitoring."""
    _folder("unlabelled", "lr", source, name, False, licence, source_url, replace)


@app.command()
def labelled(
    source: Annotated[Path, typer.Argument(help="Folder of images with labels.tsv.")],
    name: Name,
    sharp: Sharp = False,
    licence: Licence = None,
    source_url: Url = None,
    replace: Replace = False,
) -> None:
    """Import crops with transcriptions: evaluation by OCR."""
    kind = "hr" if sharp else "lr"
    _folder("real", kind, source, name, True, licence, source_url, replace)


@app.command()
def fonts(
    source: Annotated[Path, typer.Argument(help="Folder of font files, e.g. /usr/share/fonts.")],
    licence: Annotated[
        str | None, typer.Option(help="Of fonts that state none.", show_default=False)
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace families that are there already.")
    ] = False,
) -> None:
    """Import the fonts that training can use: readable, with all of ASCII, not held out."""
    from textsr.cli.progress import progress
    from textsr.config.params import load_params
    from textsr.imports.fonts import import_fonts, list_fonts
    from textsr.ocr.engine import read_lines
    from textsr.ocr.engines import first_engine

    splits = load_params(project.PARAMS).synthesis.fonts
    paths = list_fonts(source)
    engine = first_engine(threads=1)  # more do not pay for lines
    with progress() as start:
        done = import_fonts(
            paths,
            project.DATA / "fonts",
            [*splits.val_families, *splits.test_families],
            lambda lines: read_lines(engine, lines),
            licence=licence,
            replace=replace,
            tick=start("fonts", len(paths)),
        )
    typer.echo(f"{done.render()}\ngo on with `dvc add data && dvc repro`")


@app.command()
def icdar(
    source: Annotated[Path, typer.Argument(help="Folder of word crops and their *.txt.")],
    name: Name,
    sharp: Sharp = False,
    licence: Licence = None,
    source_url: Url = None,
    replace: Replace = False,
) -> None:
    """Import ICDAR word crops: evaluation by OCR."""
    from textsr.imports.folders import list_images
    from textsr.imports.icdar import read_words

    about = _about("hr" if sharp else "lr", "icdar", licence, source_url)
    total = len(list_images(source))
    _write([(_folder_of("real", name), about, read_words(source), total)], replace)


@app.command()
def sroie(
    source: Annotated[Path, typer.Argument(help="Folder of receipts, a *.txt beside each.")],
    name: Name,
    sharp: Sharp = False,
    licence: Licence = None,
    source_url: Url = None,
    replace: Replace = False,
) -> None:
    """Import the lines of SROIE receipts, cut out by their boxes: evaluation by OCR."""
    from textsr.imports.sroie import read_receipts

    about = _about("hr" if sharp else "lr", "sroie", licence, source_url)
    _write([(_folder_of("real", name), about, read_receipts(source), None)], replace)


@app.command()
def textzoom(
    source: Annotated[Path, typer.Argument(help="Folder of LMDB databases: train1, test/easy.")],
    name: Name = "textzoom",
    licence: Licence = None,
    source_url: Url = None,
    replace: Replace = False,
) -> None:
    """Import TextZoom: pairs for training; easy, medium and hard each for evaluation."""
    from textsr.imports import textzoom as engine

    new = []
    for database in engine.find_databases(source):
        test = engine.is_test(database)
        about = _about(
            "lr" if test else "pairs",
            "textzoom",
            licence,
            source_url,
            scale=None if test else engine.SCALE,
            split="test" if test else "train",
        )
        items = engine.read_database(database, lr_only=test)
        folder = _folder_of("real" if test else "pairs", f"{name}-{database.name}")
        new.append((folder, about, items, engine.count_samples(database)))
    _write(new, replace)


def _about(kind: str, format_: str, licence: str | None, url: str | None, **more: Any) -> Any:
    from textsr.imports.sets import SetInfo

    return SetInfo.model_validate(
        {"kind": kind, "format": format_, "images": 1, "licence": licence, "source_url": url} | more
    )


def _folder(
    use: str,
    kind: str,
    source: Path,
    name: str,
    with_labels: bool,
    licence: str | None,
    url: str | None,
    replace: bool,
) -> None:
    from textsr.imports.folders import list_images, read_images

    about = _about(kind, "folder", licence, url)
    items = read_images(source, with_labels)
    _write([(_folder_of(use, name), about, items, len(list_images(source)))], replace)


def _folder_of(use: str, name: str) -> Path:
    from textsr.imports.sets import check_name

    check_name(name)
    return project.DATA / use / name


def _write(new: Sequence[tuple[Path, Any, Iterable[Any], int | None]], replace: bool) -> None:
    """Write sets, each given by folder, description, items and, if known, their number."""
    from textsr.cli.progress import progress
    from textsr.imports.sets import NewSet, check_new, write_sets

    for folder, *_ in new:
        check_new(folder, replace)
    with progress() as start:
        written = write_sets(
            [
                NewSet(folder, about, items, start(folder.name, total))
                for folder, about, items, total in new
            ]
        )
    for (folder, *_), info in zip(new, written, strict=True):
        typer.echo(f"{folder}: {info.images} imported; go on with `dvc add data && dvc repro`")
