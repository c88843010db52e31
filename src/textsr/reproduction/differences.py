"""What differs between the machine that registered a version and this one."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textsr.files import read_json
from textsr.registry.origin import ENVIRONMENT, LOCK, ORIGIN

RESTORE = "restore it from a backup of MLflow's artifacts"
"""What to do about a damaged file that is kept with a version."""

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
_OURS = "textsr"  # its code is the commit's, whatever its version
_MACHINE = {"cpu": "CPU", "python": "Python", "system": "system"}
_UNKNOWN, _ABSENT = "not recorded", "not there"


def find_differences(then: Path, now: Path, trained_on: str | None) -> list[str]:
    """Return what differs of CPU, hardware, system, Python and packages, a line each.

    Args:
        then: a folder that `registry.origin.write_origin` has written when it was registered.
        now: one that it has written now, on this machine.
        trained_on: the hardware that the training recorded, if it did.

    Raises:
        TextsrError: if one of their files is missing or damaged.
    """
    was, here = (read_json(folder / ORIGIN, dict[str, Any], RESTORE) for folder in (then, now))
    hardware = hardware_of(now)
    lines = [
        f"{title}: {was.get(key, _UNKNOWN)}; here {here[key]}"
        for key, title in _MACHINE.items()
        if was.get(key) != here[key]
    ]
    for what, recorded in (("registered", hardware_of(then)), ("trained", trained_on)):
        if recorded is not None and recorded != hardware:
            lines.append(f"hardware that {what} it: {recorded}; here {hardware}")
    lines += _compare("package", read_pins(then / ENVIRONMENT), read_pins(now / ENVIRONMENT))
    return lines + _compare(LOCK, read_pins(then / LOCK), read_pins(now / LOCK))


def hardware_of(folder: Path) -> str:
    """Return the hardware that `write_origin` recorded in a folder."""
    registered = read_json(folder / ORIGIN, dict[str, Any], RESTORE).get("registered", {})
    return str(registered.get("hardware", _UNKNOWN))


def read_pins(path: Path) -> dict[str, str]:
    """Return the versions that a lock or a list of installed packages names, by package."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    pins = {re.sub(r"[-_.]+", "-", name).lower(): found for name, found in _PIN.findall(text)}
    return {name: version for name, version in pins.items() if name != _OURS}


def _compare(what: str, then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [
        f"{what}: {name} {then.get(name, _ABSENT)}; here {now.get(name, _ABSENT)}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
