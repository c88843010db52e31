"""Counts what a process and its children write, and ends them all at a write of choice.

Python imports it at its start, where this folder is on PYTHONPATH. A write is whatever changes a
file system (a file opened for writing, a rename, a removal, a new folder) and each statement that
changes an SQLite database. All processes of a command count in one file, a byte a write.
"""

import os
import signal
import sqlite3
import sqlite3.dbapi2
import sys
from typing import Any

_CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_EVENTS = {
    *("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"),
    *("os.link", "os.symlink"),
}
_STATEMENTS = ("INSERT", "UPDATE", "DELETE", "COMMIT", "CREATE", "ALTER")


def _begin(counter: str, at: int, number: signal.Signals) -> None:
    file = os.open(counter, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def count() -> None:
        os.write(file, b".")
        if os.lseek(file, 0, os.SEEK_CUR) == at:
            os.killpg(os.getpgrp(), number)

    def statement(text: str) -> None:
        if text.lstrip().upper().startswith(_STATEMENTS):
            count()

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _CHANGING and "__pycache__" not in str(path):
                count()
        elif event in _EVENTS and "__pycache__" not in str(arguments[0]):
            count()

    def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = open_database(*arguments, **named)
        connection.set_trace_callback(statement)
        return connection

    open_database = sqlite3.connect
    for module in (sqlite3, sqlite3.dbapi2):
        vars(module)["connect"] = connect
    sys.addaudithook(hook)


if "TEXTSR_TEST_WRITES" in os.environ:
    _begin(
        os.environ["TEXTSR_TEST_WRITES"],
        int(os.environ["TEXTSR_TEST_END_AT"]),
        signal.Signals(int(os.environ["TEXTSR_TEST_SIGNAL"])),
    )
