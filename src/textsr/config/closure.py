"""What code a result can depend on: a module, and all that it imports, directly or not."""

from functools import cache
from pathlib import Path

_PACKAGE = "textsr"
_FOLDER = Path(__file__).parents[1]


@cache
def modules_behind(*names: str) -> frozenset[str]:
    """Return these modules of textsr and every module of textsr that they import.

    Imports within functions count, and so do the packages that a module lies in; imports for type
    checking alone do not. The package `textsr` itself is left out: it holds the version and the
    names of the public API, which import what they need when they are asked for.

    The modules are read and not run.
    """
    import grimp  # a tenth of a second, in few stages

    graph = grimp.build_graph(_PACKAGE, cache_dir=None, exclude_type_checking_imports=True)
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name == _PACKAGE or name in found:
            continue
        found.add(name)
        waiting += [*graph.find_modules_directly_imported_by(name), name.rpartition(".")[0]]
    return frozenset(found)


def code_behind(*names: str) -> list[Path]:
    """Return the files of `modules_behind`, in a fixed order, wherever textsr is installed."""
    return [_file_of(name) for name in sorted(modules_behind(*names))]


def _file_of(name: str) -> Path:
    path = _FOLDER.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
