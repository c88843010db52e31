"""What an attack is, and the list of all."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class Broken(AssertionError):  # noqa: N818
    """A law does not hold: what was seen, and what should have been."""


@dataclass(frozen=True)
class Attack:
    """One way of trying to break textsr, in numbered cases.

    Attributes:
        name: as in `make faults ATTACKS=name`.
        case: tries one case; the number is the seed of all that is random in it, and the folder is
            empty and its own. Returns where the law holds, raises `Broken` or anything else where
            it does not. What it leaves in the folder is kept where it does not.
        cases: of the whole campaign.
        sample: of them, the first so many, that the tests run; 0: they would take too long.
        seconds: after which a case has hung.
        memory_mb: that a case may take beside what its process has when it begins; None: no limit.
        prepare: what each process does before its first case and its memory is limited: imports.
    """

    name: str
    case: Callable[[int, Path], None]
    cases: int
    sample: int
    seconds: float
    memory_mb: int | None = None
    prepare: Callable[[], object] | None = None


def all_attacks() -> dict[str, Attack]:
    """Return every attack of this package: each module of `attacks/` has a list `ATTACKS`."""
    from tests.faults.campaign import attacks

    found = {}
    for module in pkgutil.iter_modules(attacks.__path__, f"{attacks.__name__}."):
        for attack in importlib.import_module(module.name).ATTACKS:
            found[attack.name] = attack
    return dict(sorted(found.items()))
