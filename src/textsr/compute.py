"""How much of the machine to use, and how much of it there is for us."""

from pathlib import Path

import psutil
import torch
from joblib import cpu_count

_CGROUPS = "sys/fs/cgroup"


def use_threads(threads: int, processes: int = 1) -> None:
    """Compute with so many threads; where `threads` is 0, with one a core for all `processes`."""
    torch.set_num_threads(threads or max(cpu_count() // processes, 1))


def use_no_more_threads_than_cores() -> None:
    """Lower PyTorch's threads to the cores that a container's quota grants, which it ignores."""
    torch.set_num_threads(min(torch.get_num_threads(), cpu_count()))


def free_memory(root: Path = Path("/")) -> int:
    """Return the bytes that this process can still take: of the machine, or of its container.

    A control group (of version 2; version 1 is not looked at) that is full has a process killed,
    however much the machine has free. What it holds of files not read lately counts as free.

    Args:
        root: where `proc` and `sys` are mounted.
    """
    free: int = psutil.virtual_memory().available
    top = root / _CGROUPS
    for group in (innermost := _control_group(root), *innermost.parents):
        if group == top.parent:
            break
        try:
            limit, used = ((group / f"memory.{name}").read_text() for name in ("max", "current"))
            statistics = dict(map(str.split, (group / "memory.stat").read_text().splitlines()))
        except OSError:  # the top has no limit, and in a container others are not to be seen
            continue
        if limit.strip() != "max":
            free = min(free, int(limit) - int(used) + int(statistics["inactive_file"]))
    return max(free, 0)


def _control_group(root: Path) -> Path:
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.removeprefix("0::/") for line in lines if line.startswith("0::/")]
    return root / _CGROUPS / "".join(names[:1])
