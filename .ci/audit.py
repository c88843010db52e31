"""Fail where requirements.lock names a release with a known vulnerability that nobody accepted.

`python .ci/audit.py LOCK ACCEPTED`. pip-audit asks OSV's database, at OSV_URL where that is set.
Where the database gives no answer the audit is not possible: that is said, and does not fail.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import httpx

OSV = "https://api.osv.dev/v1/query"


def answers(url: str) -> bool:
    """Tell whether the database at `url` knows a vulnerability that is in it for certain."""
    known = {"package": {"name": "pillow", "ecosystem": "PyPI"}, "version": "8.0.0"}
    try:
        return bool(httpx.post(url, json=known, timeout=20).raise_for_status().json()["vulns"])
    except (httpx.HTTPError, ValueError, LookupError, TypeError):
        return False


def look_up(lock: Path, url: str) -> list[dict[str, Any]]:
    """Return pip-audit's report: packages with the vulnerabilities of their locked releases."""
    options = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"]
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), *options]
    source = ["--vulnerability-service", "osv", "--osv-url", url]
    done = subprocess.run([*command, *source], capture_output=True, text=True, check=False)
    try:
        return list(json.loads(done.stdout)["dependencies"])
    except (ValueError, LookupError):
        sys.exit(f"audit failed: pip-audit ended with status {done.returncode}:\n{done.stderr}")


def problems(
    dependencies: Sequence[dict[str, Any]], accepted: Sequence[dict[str, Any]], today: date
) -> list[str]:
    """Return a line for each finding that is not accepted (any more), and each package left out."""
    lines = []
    for package in dependencies:
        name = package["name"]
        if "skip_reason" in package:
            lines.append(f"{name}: not looked up: {package['skip_reason']}")
        for finding in package.get("vulns", []):
            ids = [finding["id"], *finding["aliases"]]
            entry = next((e for e in accepted if e["package"] == name and e["id"] in ids), None)
            if entry is not None and today <= entry["until"]:
                print(f"{name}: {entry['id']}: accepted until {entry['until']}")
                continue
            ended = "" if entry is None else f", accepted until {entry['until']} only"
            fixed = ", ".join(finding["fix_versions"]) or "no release"
            lines.append(f"{name} {package['version']}: {', '.join(ids)}{ended}; mended by {fixed}")
    return lines


def main(lock: Path, accepted: Path) -> None:
    """Audit a lock file."""
    entries = tomllib.loads(accepted.read_text(encoding="utf-8"))["accepted"]
    url = os.environ.get("OSV_URL", OSV)
    if not answers(url):
        print(f"audit not possible: no database reachable ({url})")
        return
    dependencies = look_up(lock, url)
    found = problems(dependencies, entries, date.today())
    if found:
        remedy = f"upgrade (`make lock`), or accept with a reason in {accepted}"
        sys.exit("\n".join([*found, f"audit failed: {remedy}"]))
    print(f"audit: {len(dependencies)} packages, no vulnerability that is not accepted")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
