"""A version is rebuilt to the bit, three commits and one change of the data later."""

import json
import shutil
from pathlib import Path

import pytest
from clones import commit, copy_committed, run

from textsr.files import fingerprint

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

METHOD = "scratch"  # the fastest to make of those that are trained


@pytest.fixture
def project(unbroken: Path, tmp_path: Path) -> Path:
    """A project with a registered version of a trained model, and three commits since."""
    project = copy_committed(unbroken, tmp_path / "project")
    shutil.copytree(unbroken / "mlruns", project / "mlruns")
    leaderboard = project / "reports/leaderboard.json"
    content = json.loads(leaderboard.read_text())
    leaderboard.write_text(json.dumps(content | {"winner": METHOD}))
    run(project, "textsr", "register")
    commit(project)

    (project / "data/corpora/custom/mine.txt").write_text("TOTAL 12.50\n")
    run(project, "dvc", "add", "data")
    commit(project)
    (project / "src/textsr/stages/train.py").write_text("raise SystemExit('code of today')\n")
    commit(project)
    run(project, "sed", "-i", "s/^seed: 1/seed: 2/", "params.yaml")
    commit(project)
    return project


def test_a_version_of_three_commits_ago_is_rebuilt_to_the_bit(
    project: Path, tmp_path: Path
) -> None:
    def state() -> tuple[str, ...]:
        return (
            run(project, "git", "status", "--porcelain", "--ignored"),
            run(project, "git", "worktree", "list"),
            run(project, "git", "for-each-ref"),
            run(project, "textsr", "models", "--json"),
            fingerprint("", [project / "data", project / "artifacts", project / ".dvc/cache"]),
            fingerprint("", [project / "mlruns/artifacts"]),
        )

    before = state()
    folder = tmp_path / "scratch"
    reproduce = ("textsr", "reproduce", "models:/textsr/2", "--folder", str(folder), "--keep")
    # The project's own code of today is what Python would import.
    said = run(project, *reproduce, PYTHONPATH=str(project / "src"))
    assert "**Identical**: weights and metrics are the same to the bit." in said
    assert "None in CPU, hardware, Python, system, packages and OCR engines." in said
    for stage in ("synthesize", "validate", f"train@{METHOD}", f"evaluate@{METHOD}"):
        assert f"Running stage '{stage}'" in said
    assert "cached - skipping run" not in said
    assert state() == before
    assert not (folder / "data/corpora/custom/mine.txt").exists()
