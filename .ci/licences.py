"""Fail where requirements.lock names a package whose licence nobody has looked at and let pass.

`python .ci/licences.py LOCK ALLOWED`. What a package says of its licence is read from what is
installed: an SPDX expression, else its classifiers, else its field "License".
"""

import sys
import tomllib
from collections.abc import Collection, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from license_expression import ExpressionError, Licensing
from packaging.requirements import Requirement

_CLASSIFIER = "License :: "
# Of which kind a licence is, and no licence.
_KINDS = frozenset({"OSI Approved", "DFSG approved"})


def locked(lock: Path) -> list[Requirement]:
    """Return what a lock names, for all platforms."""
    lines = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [Requirement(line.partition("--hash")[0]) for line in lines if "==" in line]


def said(package: Mapping[str, Any], classifiers: Sequence[str]) -> tuple[str, bool]:
    """Return what a package says of its licence, "" for nothing, and whether that is SPDX."""
    if package.get("License-Expression"):
        return package["License-Expression"], True
    names = [name.rpartition(" :: ")[2] for name in classifiers if name.startswith(_CLASSIFIER)]
    if names := sorted(set(names) - _KINDS):
        return "; ".join(names), False
    lines = (package.get("License") or "").strip().splitlines()
    return (lines[0] if lines else ""), False


def is_allowed(licence: str, is_spdx: bool, allowed: Collection[str]) -> bool:
    """Tell whether a licence, or enough of an expression of several, is allowed."""
    if not is_spdx:  # of several names nobody says whether one is enough
        return bool(licence) and all(name in allowed for name in licence.split("; "))
    try:
        return _holds(Licensing().parse(licence), allowed)
    except ExpressionError:
        return False


def _holds(expression: Any, allowed: Collection[str]) -> bool:
    operator = getattr(expression, "operator", None)
    if operator is None:
        return str(expression) in allowed
    held = [_holds(argument, allowed) for argument in expression.args]
    return any(held) if operator.strip() == "OR" else all(held)


def problems(
    packages: Mapping[str, tuple[str, bool]], allowed: Collection[str], accepted: Mapping[str, str]
) -> list[str]:
    """Return a line for each package whose licence is neither allowed nor accepted of it."""
    lines = []
    for name, (licence, is_spdx) in sorted(packages.items()):
        if is_allowed(licence, is_spdx, allowed):
            continue
        if name not in accepted:
            lines.append(f"{name}: its licence is {licence or 'not told'}: not looked at")
        elif accepted[name] != licence:
            lines.append(f"{name}: {accepted[name]!r} was accepted; now its licence is {licence!r}")
    return lines


def main(lock: Path, allowed: Path) -> None:
    """Check a lock file."""
    settings = tomllib.loads(allowed.read_text(encoding="utf-8"))
    packages: dict[str, tuple[str, bool]] = {}
    names = locked(lock)
    for requirement in names:
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue  # on another platform, whose tests look at it
        try:
            found = metadata.metadata(requirement.name)
        except metadata.PackageNotFoundError:
            sys.exit(f"licences: {requirement.name}: not installed; `make setup` installs the lock")
        packages[requirement.name] = said(found, found.get_all("Classifier", []))
    accepted = {entry["package"]: entry["licence"] for entry in settings["accepted"]}
    lines = problems(packages, settings["allowed"], accepted)
    gone = sorted(set(accepted) - {requirement.name for requirement in names})
    lines += [f"{name}: accepted, and not in the lock" for name in gone]
    if lines:
        remedy = f"use another package, or accept it with a reason in {allowed}"
        sys.exit("\n".join([*lines, f"licences failed: {remedy}"]))
    print(f"licences: {len(packages)} packages, none that nobody has looked at")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
