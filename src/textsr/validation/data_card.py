"""`reports/data_card.md`: what the dataset is, in the form of a Hugging Face dataset card."""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from textsr.config.params import SPLITS, Params
from textsr.errors import TextsrError
from textsr.files import write_text
from textsr.imports.fonts import TERMS
from textsr.imports.sets import USES, find_sets
from textsr.validation.effect_rules import EFFECTS
from textsr.validation.profile import Numbers, Profile
from textsr.validation.report import ValidationReport

_SOURCES = ["path", "licence", "package", "version"]
_GAPS = (
    "Images are grey, 8 bits; colour is not modelled, save for the colour filter array's effect.",
    "Text is in Latin script, one line an image, set by a computer; nothing is handwritten.",
    "Lines are drawn, not photographed. How near they come to real images is measured elsewhere "
    "(`textsr realism`), not assumed.",
    "A degradation's order is fixed: two passes of lens, sensor and file. What cameras do between "
    "frames, and super-resolution of their own, is not modelled.",
    "Words are drawn by their frequency, so the texts make no sense as sentences.",
)


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
    made, name, beside = "synthesize", "", ""
    if extra_dataset is not None:
        made, name = "extra_datasets", f": extra dataset {extra_dataset}"
    elif params.extra_datasets:
        beside = (
            f" Networks are also trained on {', '.join(params.extra_datasets)}, whose cards "
            "lie in `artifacts/extra_validation/`."
        )
    parts = [
        _front_matter(report),
        f"# Synthetic text lines, LR and HR{name}",
        f"Lines of text at high resolution ({params.synthesis.lr_height * params.synthesis.scale} "
        f"pixels high) and degraded to 1/{params.synthesis.scale} of it, with transcripts and "
        f"every parameter of drawing and degradation. Made by `dvc repro {made}` from "
        f"`params.yaml`, seed {params.synthesis.seed}. This card is written by "
        f"`dvc repro validate` from the data.{beside}",
        "## Splits",
        _splits(profile, params),
        "## Kinds of text",
        _counts("kind", profile.kinds),
        "## Font families",
        _counts("family", profile.families),
        "## Effects",
        _effects(profile),
        "## Sources and licences",
        _sources(data),
        "## Own sets",
        _own(data),
        "## Validation",
        _validation(report),
        "## Known gaps",
        "\n".join(f"- {gap}" for gap in _GAPS),
    ]
    write_text(path, "\n\n".join(parts) + "\n")


def _front_matter(report: ValidationReport) -> str:
    total = sum(report.rows.values())
    sizes = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))
    size = next((name for limit, name in sizes if total < limit), "1M<n<10M")
    return (
        "---\npretty_name: textsr synthetic lines\ntask_categories: [image-to-image]\n"
        f"tags: [super-resolution, ocr, synthetic]\nsize_categories: [{size}]\n---"
    )


def _splits(profile: Profile, params: Params) -> str:
    rows = [
        (split, profile.rows[split], profile.texts.get(split, 0), _number(profile, split))
        for split in SPLITS
    ]
    fonts = params.synthesis.fonts
    return (
        _table(("split", "lines", "different texts", "font families"), rows)
        + "\n\nMade, and checked below, so that no text (white space and case aside), no font "
        "family and no image occurs in two splits. A text belongs to a split by its hash. Families "
        f"held out for val: {', '.join(fonts.val_families)}; for test: "
        f"{', '.join(fonts.test_families)}."
    )


def _number(profile: Profile, split: str) -> int:
    return sum(split in counts for counts in profile.families.values())


def _counts(name: str, counts: Mapping[str, Mapping[str, int]]) -> str:
    rows = [(value, *(found.get(split, 0) for split in SPLITS)) for value, found in counts.items()]
    return _table((name, *SPLITS), rows)


def _effects(profile: Profile) -> str:
    columns = {column.name: column for column in profile.columns if isinstance(column, Numbers)}
    rows: list[tuple[object, ...]] = []
    for effect, names in EFFECTS.items():
        for name in names:
            found = columns[name]
            ranges = (f"{found.least:.3g}", f"{found.median:.3g}", f"{found.greatest:.3g}")
            values = ranges if found.share else ("", "", "")
            rows.append((effect, name, f"{found.share:.1%}", *values))
    return (
        "Lengths are HR pixels at scale 4; `_1` and `_2` are the two passes of degradation.\n\n"
        + _table(("effect", "parameter", "applied to", "least", "median", "greatest"), rows)
    )


def _sources(data: Path) -> str:
    """Tell licences and packages by folder of fonts, or by file."""
    path = data / "SOURCES.tsv"
    if not path.is_file():
        return f"`{path.name}` is missing; `textsr fetch-data` writes it."
    files: dict[tuple[str, str, str], int] = defaultdict(int)
    imported = {terms.parent for terms in data.glob(f"fonts/*/{TERMS}")}
    for folder in imported:
        name = folder.relative_to(data).as_posix()
        key = (name, f"its `{TERMS}`", "`textsr import fonts`")
        files[key] = sum(1 for file in folder.iterdir() if file.name != TERMS)
    for file, licence, package, version in _read_sources(path):
        name = "/".join(file.split("/")[:2])
        if data / name not in imported:  # which has replaced the package's
            files[name, licence, f"{package} {version}"] += 1
    rows = [(*key, count) for key, count in sorted(files.items())]
    return _table(("source", "licence", "taken from", "files"), rows)


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


def _own(data: Path) -> str:
    """Tell of the sets beside the synthetic lines; these are no part of the counts above."""
    rows: list[tuple[object, ...]] = [
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
    if not rows:
        return "There are none under `data/`."
    return _table(("set", "images", "format", "split", "licence", "source"), rows)


def _validation(report: ValidationReport) -> str:
    findings = [
        f"- {finding.name} ({finding.severity}): {finding.description}"
        for finding in report.findings
    ]
    return "\n".join([f"Validation {report.verdict()}.", *(["", *findings] if findings else [])])


def _table(header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", r"\|") for cell in line) + " |" for line in lines
    )
