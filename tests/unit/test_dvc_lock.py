"""dvc.lock is of the code beside it: else the results that it names were made by other code."""

from pathlib import Path

from dvc.repo import Repo
from dvc.stage import PipelineStage

ROOT = Path(__file__).parents[2]


def test_lock_is_of_this_code(tmp_path: Path) -> None:
    """By DVC's own hashes, of the code alone: a clone without data can tell."""
    stale = []
    with Repo(str(ROOT), config={"core": {"site_cache_dir": str(tmp_path)}}) as repo:
        stages = [stage for stage in repo.index.stages if isinstance(stage, PipelineStage)]
        for stage in stages:
            for dep in stage.deps:
                if dep.def_path.startswith("src/") and dep.hash_info != dep.get_hash():
                    stale.append(f"{stage.addressing}: {dep.def_path}")
    assert stages
    assert not stale, "`dvc repro`, and commit dvc.lock; not of this code: " + ", ".join(stale)
