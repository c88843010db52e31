import os
from pathlib import Path

import pytest

from textsr.inference.cores import granted_cores


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    for name in ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "250000 100000\n"}, 3),
        ({"cpu.max": "1000 100000\n"}, 1),
        ({"cpu.max": "9900000 100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
    ],
)
def test_a_containers_quota_counts(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    for name, content in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert granted_cores(tmp_path) == cores


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT"])
@pytest.mark.parametrize(
    ("value", "cores"), [("3", 3), ("64", 8), ("0", 8), ("", 8), ("-1", 8), ("all", 8)]
)
def test_what_limits_other_libraries_limits_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, cores: int
) -> None:
    monkeypatch.setenv(name, value)
    assert granted_cores(tmp_path) == cores
