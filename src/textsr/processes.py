"""Worker processes that do not outlive their parent."""

import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process


def worker_pool(processes: int) -> ProcessPoolExecutor:
    """Return a pool whose workers end when this process does, be it by SIGKILL.

    By themselves they would wait for work for ever, since each holds the queue's other end, too.
    """
    # Spawned, not forked: a forked child inherits OpenCV's and PyTorch's threads in an unknown
    # state.
    return ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_end_with_parent
    )


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None  # this is a worker

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
