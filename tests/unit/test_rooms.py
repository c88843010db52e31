"""The rooms of the package, from the ground up: a module imports what stands below its room."""

from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]

# A later row may import from an earlier one; rooms of one row do not know each other.
FLOORS = (
    ("redaction",),
    ("errors",),
    ("compute", "files", "pages", "processes", "progress"),
    ("config",),
    ("parquet",),
    ("images",),
    ("models", "ocr"),
    ("documents",),
    ("datasets", "inference"),
    ("pretrained",),
    ("synthesis",),
    ("imports",),
    ("tracking",),
    ("realism", "validation"),
    ("training",),
    ("pretraining",),
    ("evaluation",),
    ("registry",),
    ("monitoring", "reproduction", "study"),
    ("api", "stages"),
    ("serving",),
    ("cli", "plugins"),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str:
    return module.split(".")[1]


def path_of(module: str) -> Path:
    path = Path("src", *module.split("."))
    return path / "__init__.py" if (ROOT / path).is_dir() else path.with_suffix(".py")


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("textsr", cache_dir=None)


def test_every_room_has_a_floor(graph: grimp.ImportGraph) -> None:
    rooms = {room_of(module) for module in graph.modules if module != "textsr"}
    assert rooms == set(FLOOR)


def test_no_import_runs_upwards(graph: grimp.ImportGraph) -> None:
    upward = []
    # What the package itself imports is its public API; nobody's room is below it.
    for importer in graph.modules - {"textsr"}:
        for imported in graph.find_modules_directly_imported_by(importer) - {"textsr"}:
            rooms = room_of(importer), room_of(imported)
            if rooms[0] != rooms[1] and FLOOR[rooms[0]] <= FLOOR[rooms[1]]:
                for found in graph.get_import_details(importer=importer, imported=imported):
                    where = f"{path_of(importer)}:{found['line_number']}"
                    upward.append(f"{where}: {found['line_contents']}")
    assert not upward, "\n".join(upward)
