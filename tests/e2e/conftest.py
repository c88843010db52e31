"""The project that the end-to-end tests share, since making it takes minutes."""

from pathlib import Path

import pytest
from clones import commit, make_clone, run


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny project that one `dvc repro` has brought up to date, committed."""
    project = make_clone(tmp_path_factory.mktemp("unbroken"))
    run(project, "dvc", "repro")
    commit(project)
    return project
