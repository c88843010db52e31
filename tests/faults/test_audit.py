"""`make audit`: a vulnerability fails unless accepted; no database is said, and no failure."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KNOWN = {"pillow": "8.0.0", "diskcache": "5.6.3"}
LOCK = "".join(f"{n}=={v} --hash=sha256:{'0' * 64}\n" for n, v in {**KNOWN, "rich": "15"}.items())


class Database(BaseHTTPRequestHandler):
    """Answers as OSV does: `pillow` 8.0.0 and `diskcache` 5.6.3 are vulnerable."""

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = query["package"]["name"]
        vulnerable = KNOWN.get(name) == query["version"]
        found = {
            "id": f"GHSA-{name}",
            "aliases": [f"CVE-{name}"],
            "summary": "bad",
            "affected": [{"package": {"name": name, "ecosystem": "PyPI"}}],
        }
        body = json.dumps({"vulns": [found]} if vulnerable else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def database() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Database)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join()
    server.server_close()


def audit(folder: Path, url: str, **until: str) -> subprocess.CompletedProcess[str]:
    """Audit three packages, of which those named are accepted until a day."""
    entries = [
        f'[[accepted]]\nid = "CVE-{name}"\npackage = "{name}"\nreason = "none"\nuntil = {day}\n'
        for name, day in until.items()
    ]
    (folder / "requirements.lock").write_text(LOCK)
    (folder / "audit.toml").write_text("\n".join(entries) or "accepted = []")
    return subprocess.run(
        [sys.executable, ROOT / ".ci/audit.py", "requirements.lock", "audit.toml"],
        cwd=folder,
        env={**os.environ, "OSV_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


def test_vulnerability_fails_and_is_named(database: str, tmp_path: Path) -> None:
    done = audit(tmp_path, database, diskcache="2999-01-01")
    assert done.returncode == 1
    assert "pillow 8.0.0: CVE-pillow, GHSA-pillow; mended by no release" in done.stderr
    assert "diskcache: CVE-diskcache: accepted until 2999-01-01" in done.stdout
    assert "diskcache" not in done.stderr


def test_what_is_accepted_passes(database: str, tmp_path: Path) -> None:
    done = audit(tmp_path, database, diskcache="2999-01-01", pillow="2999-01-01")
    assert done.returncode == 0, done.stderr
    assert "audit: 3 packages" in done.stdout


def test_what_was_accepted_until_a_day_before_fails(database: str, tmp_path: Path) -> None:
    done = audit(tmp_path, database, diskcache="2001-01-01", pillow="2999-01-01")
    assert done.returncode == 1
    assert "accepted until 2001-01-01 only" in done.stderr


def test_no_database_is_said_and_does_not_fail(tmp_path: Path) -> None:
    done = audit(tmp_path, "http://127.0.0.1:9/v1/query")
    assert done.returncode == 0
    assert "audit not possible: no database reachable" in done.stdout
    assert "no vulnerability" not in done.stdout


def test_every_locked_package_has_a_hash() -> None:
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) > 300
    assert not [line for line in lines if not re.search(r"==.* --hash=sha256:[0-9a-f]{64}", line)]
    install = (ROOT / "Makefile").read_text()
    assert install.count("--require-hashes") == install.count("-r requirements.lock") + 1
