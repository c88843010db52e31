"""Plain folders of images."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from textsr.errors import TextsrError
from textsr.images.folders import IMAGE_SUFFIXES, find_images, read_grey
from textsr.images.reading import read_encoded
from textsr.imports.labels import LABELS, read_labels
from textsr.imports.sets import Item

_NAMED = 3  # file names in a message


def list_images(folder: Path) -> list[Path]:
    """Return the images of `folder` and below, by name.

    Raises:
        TextsrError: if there is no such folder, or no image in it.
    """
    paths = find_images(folder)
    if not paths:
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        raise TextsrError(f"{folder}: no images in it (of {known})")
    return paths


def read_images(folder: Path, labelled: bool) -> Iterator[Item]:
    """Yield the images of a folder, those of `labels.tsv` with their texts if `labelled`.

    Raises:
        TextsrError: if the folder or its labels are not as they should be.
    """
    if labelled:
        for file, text, where in read_labels(folder):
            path = folder / file
            if not path.is_file():
                raise TextsrError(f"{where}: {file}: no such image in {folder}")
            yield Item(_name(Path(file)), f"{where}: {file}", {"image": read_encoded(path)}, text)
        return
    for path in list_images(folder):
        yield Item(_name(path.relative_to(folder)), str(path), {"image": read_encoded(path)})


def read_pairs(lr_folder: Path, hr_folder: Path) -> tuple[list[tuple[Path, Path]], int]:
    """Pair the images of two folders by name, never by listing order.

    Returns:
        The pairs, LR first, and their scale, which is the same for all.

    Raises:
        TextsrError: if an image has no partner or several, or if HR is not 2 or 4 times LR.
    """
    lr, hr = _by_stem(lr_folder), _by_stem(hr_folder)
    for folder, other, here, there in (
        (lr_folder, hr_folder, lr, hr),
        (hr_folder, lr_folder, hr, lr),
    ):
        alone = sorted(set(here) - set(there))
        if alone:
            raise TextsrError(
                f"{folder}: {len(alone)} images without a partner of their name in {other} "
                f"({_first(alone)}); add the partners or remove them"
            )
    pairs = [(path, hr[stem]) for stem, path in lr.items()]
    return pairs, _scale(pairs)


def pair_items(pairs: Sequence[tuple[Path, Path]], lr_folder: Path) -> Iterator[Item]:
    """Yield pairs as `read_pairs` returns them, with texts if the LR folder has labels."""
    texts: dict[str, str] = {}
    names = {_name(lr.relative_to(lr_folder)) for lr, _ in pairs}
    if (lr_folder / LABELS).is_file():
        for file, text, where in read_labels(lr_folder):
            if _name(Path(file)) not in names:
                raise TextsrError(f"{where}: {file}: no such image in {lr_folder}")
            texts[_name(Path(file))] = text
    for lr, hr in pairs:
        name = _name(lr.relative_to(lr_folder))
        yield Item(
            name,
            f"{lr} and {hr}",
            {"lr": read_encoded(lr), "hr": read_encoded(hr)},
            texts.get(name),
        )


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in list_images(folder):
        name = _name(path.relative_to(folder))
        if name in found:
            raise TextsrError(f"{path}: {found[name].name} has the same name; leave one of them")
        found[name] = path
    return found


def _scale(pairs: Sequence[tuple[Path, Path]]) -> int:
    scales: dict[int, Path] = {}
    for lr, hr in pairs:
        small, large = (read_grey(path).shape for path in (lr, hr))
        for scale in (2, 4):
            if large == (small[0] * scale, small[1] * scale):
                scales.setdefault(scale, lr)
                break
        else:
            raise TextsrError(
                f"{hr}: {large[0]} x {large[1]} pixels, and {lr}: {small[0]} x {small[1]}; HR "
                "must be exactly 2 or 4 times LR both ways; crop or resize one of them"
            )
    if len(scales) > 1:
        examples = " and ".join(f"{path} is of scale {scale}" for scale, path in scales.items())
        raise TextsrError(f"{examples}; import each scale as a set of its own")
    return next(iter(scales))


def _name(relative: Path) -> str:
    # Sub-folders become part of the name, so that two of equal name can stand side by side.
    return "__".join(relative.with_suffix("").parts)


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
