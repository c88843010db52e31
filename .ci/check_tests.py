"""Fail unless as many tests were reported as are collected, and every skip states its reason."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree

UNSTATED = ("", "unconditional skip")

cases = list(ElementTree.parse(sys.argv[1]).iter("testcase"))
listing = subprocess.run(
    [sys.executable, "-m", "pytest", "--collect-only", "-q"],
    check=True,
    capture_output=True,
    text=True,
).stdout
collected = sum("::" in line for line in listing.splitlines())
problems = []
if not collected or len(cases) != collected:
    problems.append(f"{collected} tests are collected, {len(cases)} were reported")
for case in cases:
    skipped = case.find("skipped")
    if skipped is not None and (skipped.get("message") or "").strip() in UNSTATED:
        problems.append(f"skipped without a reason: {case.get('classname')}::{case.get('name')}")
print("\n".join(problems) or f"{collected} tests: none missing, no skip without a reason")
sys.exit(bool(problems))
