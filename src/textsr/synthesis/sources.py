"""The default source material: fonts and word lists out of pinned, installed packages.

Everything is copied byte for byte or written in a fixed order, so that a clone with no DVC remote
ends up with the folder that `data.dvc` describes.
"""

import shutil
from collections.abc import Iterable, Sequence
from importlib import metadata
from importlib.resources import files
from pathlib import Path

from textsr.files import replace_file, write_text

_FONT_SUFFIXES = {".ttf", ".otf"}
_ENGLISH_WORDS = 20_000
_ACCENTED_LANGUAGES = ("cs", "da", "de", "es", "fr", "it", "pl", "pt", "sv", "tr")
_ACCENTED_RANKS = 5_000

# Family folder: the package that carries it, and the fonts' licence.
_FONT_PACKAGES = {
    "amatic-sc": ("font-amatic-sc", "OFL-1.1"),
    "caladea": ("font-caladea", "Apache-2.0"),
    "fredoka-one": ("font-fredoka-one", "OFL-1.1"),
    "hanken-grotesk": ("font-hanken-grotesk", "OFL-1.1"),
    "intuitive": ("font-intuitive", "OFL-1.1"),
    "lato": ("font-lato", "OFL-1.1"),
    "manrope": ("font-manrope", "OFL-1.1"),
    "red-hat": ("font-rhd", "OFL-1.1"),
    "roboto": ("font-roboto", "Apache-2.0"),
    "source-sans-pro": ("font-source-sans-pro", "OFL-1.1"),
    "source-serif-pro": ("font-source-serif-pro", "OFL-1.1"),
}
# matplotlib ships these two beside fonts that hold only mathematical symbols.
_MATPLOTLIB_FONTS = {
    "dejavu": (
        [
            f"DejaVu{face}.ttf"
            for face in (
                "Sans",
                "Sans-Bold",
                "Sans-BoldOblique",
                "Sans-Oblique",
                "SansMono",
                "SansMono-Bold",
                "SansMono-BoldOblique",
                "SansMono-Oblique",
                "Serif",
                "Serif-Bold",
                "Serif-BoldItalic",
                "Serif-Italic",
            )
        ],
        "LICENSE_DEJAVU",
        "Bitstream-Vera",
    ),
    "stix": (
        ["STIXGeneral.ttf", "STIXGeneralBol.ttf", "STIXGeneralBolIta.ttf", "STIXGeneralItalic.ttf"],
        "LICENSE_STIX",
        "OFL-1.1",
    ),
}

_READMES = {
    "unlabelled/README.txt": (
        "LR images of text without labels (lines or words, any height, PNG, JPEG, TIFF, BMP or\n"
        "WebP, sub-folders allowed). Pretraining uses them beside the synthetic LR lines.\n"
        "Put them here, or run `textsr import lr FOLDER --name NAME`; then\n"
        "`dvc add data && dvc repro`.\n"
    ),
    "real/README.txt": (
        "Sets of real crops with transcriptions, a folder a set. Evaluation reads each apart.\n"
        "`textsr import labelled|icdar|sroie|textzoom ... --name NAME` makes one; or put a\n"
        "folder here with a labels.tsv in it: a header line `file<TAB>text`, then a line an\n"
        "image, UTF-8.\n"
        "Then run `dvc add data && dvc repro`.\n"
    ),
    "corpora/README.txt": (
        "Word lists of the synthetic text, one entry a line, UTF-8. Every further *.txt of yours\n"
        "in custom/ is used as whole lines (kind `custom`).\n"
    ),
    "corpora/custom/README": "Put your own *.txt here: one line of text a line, UTF-8.\n",
    "pairs/README.txt": (
        "Sets of LR-HR pairs, made by `textsr import pairs LR_DIR HR_DIR --name NAME` or\n"
        "`textsr import textzoom FOLDER`. Training mixes them with the synthetic lines at\n"
        "training.imported_fraction. Then run `dvc add data && dvc repro`.\n"
    ),
    "hr/README.txt": (
        "Sets of sharp images of lines of text, made by `textsr import hr FOLDER --name NAME`.\n"
        "They are degraded as the synthetic lines are, and used like pairs.\n"
    ),
}


def fetch_sources(data: Path) -> int:
    """Fill `data` with fonts, word lists and their licences; return the number of font files.

    What else lies in `data` is left alone. Files are replaced whole, so a killed fetch leaves
    nothing half-written.
    """
    rows = [
        row
        for family, (package, licence) in _FONT_PACKAGES.items()
        for row in _copy_package_fonts(data / "fonts" / family, package, licence)
    ]
    rows += _copy_matplotlib_fonts(data / "fonts")
    corpora, corpus_rows = _corpora()
    for name, lines in corpora.items():
        write_text(data / "corpora" / name, "".join(f"{line}\n" for line in lines))
    for name, text in _READMES.items():
        write_text(data / name, text)
    header = "path\tlicence\tpackage\tversion\n"
    write_text(
        data / "SOURCES.tsv",
        header + "".join("\t".join(row) + "\n" for row in sorted(rows + corpus_rows)),
    )
    return len(rows)


def _copy_package_fonts(
    target: Path, package: str, licence: str
) -> Iterable[tuple[str, str, str, str]]:
    source = Path(str(files(package.replace("-", "_")) / "files"))
    for path in sorted(source.iterdir()):
        is_font = path.suffix.lower() in _FONT_SUFFIXES
        if is_font or path.suffix == ".txt" or path.name == "LICENSE":
            _copy(path, target / path.name)
        if is_font:
            yield _source_row(target, path.name, licence, package)


def _copy_matplotlib_fonts(fonts: Path) -> list[tuple[str, str, str, str]]:
    source = Path(str(files("matplotlib") / "mpl-data" / "fonts" / "ttf"))
    rows = []
    for family, (names, licence_file, licence) in _MATPLOTLIB_FONTS.items():
        _copy(source / licence_file, fonts / family / licence_file)
        for name in names:
            _copy(source / name, fonts / family / name)
            rows.append(_source_row(fonts / family, name, licence, "matplotlib"))
    return rows


def _source_row(folder: Path, name: str, licence: str, package: str) -> tuple[str, str, str, str]:
    path = f"fonts/{folder.name}/{name}"
    return path, licence, package, metadata.version(package)


def _copy(source: Path, target: Path) -> None:
    with replace_file(target) as temporary:
        shutil.copyfile(source, temporary)


def _corpora() -> tuple[dict[str, Sequence[str]], list[tuple[str, str, str, str]]]:
    from faker.providers.address.en_US import Provider as Address
    from faker.providers.person.en_US import Provider as Person
    from wordfreq import top_n_list

    words = [word for word in top_n_list("en", _ENGLISH_WORDS) if word.isalpha() and len(word) > 1]
    corpora: dict[str, Sequence[str]] = {
        "words.txt": words,
        "accented_words.txt": _accented_words(),
        "first_names.txt": sorted(set(Person.first_names)),
        "last_names.txt": sorted(set(Person.last_names)),
        "street_suffixes.txt": sorted(set(Address.street_suffixes)),
        "states.txt": sorted(set(Address.states)),
    }
    of_wordfreq = ("words.txt", "accented_words.txt")
    rows = [
        (f"corpora/{name}", "CC-BY-SA-4.0", "wordfreq", metadata.version("wordfreq"))
        for name in of_wordfreq
    ]
    rows += [
        (f"corpora/{name}", "MIT", "faker", metadata.version("faker"))
        for name in corpora
        if name not in of_wordfreq
    ]
    return corpora, rows


def _accented_words() -> list[str]:
    """Return frequent words with letters of Latin-1 and Latin Extended-A, of ten languages."""
    from wordfreq import top_n_list

    return sorted(
        {
            word
            for language in _ACCENTED_LANGUAGES
            for word in top_n_list(language, _ACCENTED_RANKS)
            if word.isalpha() and not word.isascii() and all(ord(letter) < 0x180 for letter in word)
        }
    )
