"""`reports/data_card.md`: what the dataset is, in the form of a Hugging Face dataset card."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from textsr.config.params import SPLITS, Params
from textsr.errors import TextsrError
from textsr.files import write_text
from textsr.imports.fonts import TERMS
from textsr.imports.sets import USES, find_sets
from textsr.validation.profile import Numbers, Profile
from textsr.validation.report import TEMPLATES, ValidationReport
from textsr.validation.shards import EFFECTS

_SOURCES = ["path", "licence", "package", "version"]
_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 10**6: "100K<n<1M"}

Table = list[tuple[object, ...]]


def write_data_card(
    path: Path,
    profile: Profile,
    report: ValidationReport,
    params: Params,
    data: Path,
    extra_dataset: str | None = None,
) -> None:
    """Write the card; equal datasets give equal bytes.

    Args:
        path: the Markdown file to write.
        profile: of the dataset.
        report: of its validation.
        params: what it was made by.
        data: folder of source material: `SOURCES.tsv`, with columns path, licence, package and
            version, imported fonts, and the user's own sets.
        extra_dataset: name of the extra dataset whose card it is; None: the dataset's.
    """
    total = sum(report.rows.values())
    card = TEMPLATES.get_template("data_card.md.j2").render(
        size=next((name for limit, name in _SIZES.items() if total < limit), "1M<n<10M"),
        extra_dataset=extra_dataset,
        extra_datasets=params.extra_datasets,
        synthesis=params.synthesis,
        report=report,
        splits=[
            (
                split,
                profile.rows[split],
                profile.texts.get(split, 0),
                sum(split in counts for counts in profile.families.values()),
            )
            for split in SPLITS
        ],
        kinds=_by_split(profile.kinds),
        families=_by_split(profile.families),
        effects=list(_effects(profile)),
        sources=_sources(data),
        own=_own(data),
    )
    write_text(path, card + "\n")


def _by_split(counts: Mapping[str, Mapping[str, int]]) -> Table:
    return [(value, *(found.get(split, 0) for split in SPLITS)) for value, found in counts.items()]


def _effects(profile: Profile) -> Iterator[tuple[object, ...]]:
    columns = {column.name: column for column in profile.columns if isinstance(column, Numbers)}
    for effect, names in EFFECTS.items():
        for name in names:
            found = columns[name]
            values = (found.least, found.median, found.greatest) if found.share else ()
            told = [f"{value:.3g}" for value in values] or [""] * 3
            yield (effect, name, f"{found.share:.1%}", *told)


def _sources(data: Path) -> Table | None:
    """Tell licences and packages by folder of fonts, or by file; None without `SOURCES.tsv`."""
    path = data / "SOURCES.tsv"
    if not path.is_file():
        return None
    files: Counter[tuple[str, str, str]] = Counter()
    imported = {terms.parent for terms in data.glob(f"fonts/*/{TERMS}")}
    for folder in imported:
        name = folder.relative_to(data).as_posix()
        key = (name, f"its `{TERMS}`", "`textsr import fonts`")
        files[key] = sum(1 for file in folder.iterdir() if file.name != TERMS)
    for file, licence, package, version in _read_sources(path):
        name = "/".join(file.split("/")[:2])
        if data / name not in imported:  # which has replaced the package's
            files[name, licence, f"{package} {version}"] += 1
    return [(*key, count) for key, count in sorted(files.items())]


def _read_sources(path: Path) -> list[list[str]]:
    """Return the rows of SOURCES.tsv: path, licence, package and version."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            header, *rows = csv.reader(stream, delimiter="\t")
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise _no_sources(path) from error
    if header != _SOURCES or any(len(row) != len(header) for row in rows if row):
        raise _no_sources(path)
    return [row for row in rows if row]


def _no_sources(path: Path) -> TextsrError:
    return TextsrError(
        f"{path}: not a table of {', '.join(_SOURCES)}; make it anew with `textsr fetch-data`"
    )


def _own(data: Path) -> Table:
    """Tell of the sets beside the synthetic lines; these are no part of the counts above."""
    return [
        (
            f"{use}/{imported.name}",
            imported.info.images,
            imported.info.format,
            imported.info.split or "",
            imported.info.licence or "not stated",
            imported.info.source_url or "not stated",
        )
        for use in USES
        for imported in find_sets(data, use)
    ]
