"""Cores and memory, as a container grants them."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from joblib import cpu_count

from textsr.compute import free_memory

GB = 10**9
_THREADS = """
import torch
from textsr.compute import use_no_more_threads_than_cores, use_threads

torch.set_num_threads(3)
use_no_more_threads_than_cores()
print(torch.get_num_threads())
use_threads(0)
print(torch.get_num_threads())
use_threads(4)
print(torch.get_num_threads())
"""


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 64 GB free."""
    available = psutil.virtual_memory()._replace(available=64 * GB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: available)


def group(folder: Path, limit: int | str, used: int, unread_files: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {unread_files}\nslab 7\n")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where `proc` and `sys` are mounted; the process is in the group /jobs/ours."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("1:name=systemd:/elsewhere\n0::/jobs/ours\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    return tmp_path


def test_memory_of_a_machine_without_control_groups(tmp_path: Path) -> None:
    assert free_memory(tmp_path) == 64 * GB


def test_memory_of_a_group_without_a_limit(root: Path) -> None:
    group(root / "sys/fs/cgroup/jobs/ours", "max", 3 * GB)
    assert free_memory(root) == 64 * GB


def test_a_group_has_what_it_may_still_take_and_files_it_can_do_without(root: Path) -> None:
    group(root / "sys/fs/cgroup/jobs/ours", 8 * GB, 5 * GB, unread_files=GB)
    assert free_memory(root) == 4 * GB


def test_the_narrowest_group_around_decides(root: Path) -> None:
    group(root / "sys/fs/cgroup/jobs/ours", 8 * GB, GB)
    group(root / "sys/fs/cgroup/jobs", 8 * GB, 6 * GB)
    assert free_memory(root) == 2 * GB


def test_a_container_sees_its_own_group_at_the_top_alone(root: Path) -> None:
    """Where it is not told of a namespace of its own, the path is the host's and not there."""
    group(root / "sys/fs/cgroup", 8 * GB, GB)
    assert free_memory(root) == 7 * GB


def test_a_group_that_is_over_its_limit_has_nothing(root: Path) -> None:
    group(root / "sys/fs/cgroup/jobs/ours", GB, 2 * GB)
    assert free_memory(root) == 0


def test_here_there_is_some_and_no_more_than_the_machine_has() -> None:
    assert 0 < free_memory() <= 64 * GB


@pytest.mark.slow
@pytest.mark.parametrize("granted", [1, 2])
def test_threads_are_no_more_than_the_cores_granted_unless_told(granted: int) -> None:
    """Granted by a variable here, which joblib treats like a container's quota."""
    environment = os.environ | {"LOKY_MAX_CPU_COUNT": str(granted)}
    said = subprocess.run(
        [sys.executable, "-c", _THREADS],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    cores = min(granted, cpu_count())
    assert said.stdout.split() == [str(cores), str(cores), "4"]
