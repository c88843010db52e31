"""How many cores there are for us."""

import os
from pathlib import Path

# Of control groups of version 2 and 1: quota and period in microseconds.
_QUOTAS = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))


# Of OpenMP, which PyTorch asks, and of joblib.
_LIMITS = ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


def granted_cores(root: Path = Path("/")) -> int:
    """Return the cores that this process may use, of the machine or of its container.

    `OMP_NUM_THREADS` and `LOKY_MAX_CPU_COUNT` lower it.

    Args:
        root: where `sys` is mounted.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    for files in _QUOTAS:
        try:
            said = " ".join((root / "sys/fs/cgroup" / file).read_text() for file in files)
        except OSError:  # not Linux, or the other version
            continue
        quota, period = said.split()
        if quota not in ("max", "-1"):
            cores = min(cores, max(-(-int(quota) // int(period)), 1))
    told = (os.environ.get(name, "") for name in _LIMITS)
    return min([cores, *(int(value) for value in told if value.isdecimal() and int(value) > 0)])
