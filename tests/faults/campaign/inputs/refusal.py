"""What is promised of a refusal."""

import re
import traceback

from tests.faults.campaign.attack import Broken
from textsr.errors import TextsrError

_MEMORY = re.compile(
    r"out of memory|memory alloc|bad.?alloc|(cannot|could not|failed to|unable to) alloc"
    r"|insufficient memory|not enough memory|memory does not suffice",
    re.IGNORECASE,
)
_SAFE = "Memory allocation error: Security limit exceeded"  # libheif's word for its own limits


def check_refusal(error: TextsrError, *names: object, lines: int = 1, longest: int = 1000) -> None:
    """Hold what is said of a file to what is promised: its name, a remedy, and no more.

    Args:
        error: what was raised.
        names: with one of which it begins.
        lines: that it may have at most.
        longest: characters that one may have at most, beside the name.
    """
    said = str(error)
    if not any(said.startswith(str(name)) for name in names):
        raise Broken(f"the message does not begin with the name: {said[:300]}") from error
    longest += max(len(str(name)) for name in names)
    # Known: libheif ends what it says with the end of a line, which the reader does not take away.
    given = said.replace("\n); it is damaged", "); it is damaged").split("\n")
    if len(given) > lines:
        raise Broken(f"the message has {len(given)} lines: {said[:300]!r}") from error
    if max(map(len, given)) > longest:
        raise Broken(f"the message has a line of {max(map(len, given))} characters") from error
    cause: BaseException | None = error
    while cause is not None:
        if _asks_for_a_block(cause):
            return
        if isinstance(cause, MemoryError) or _MEMORY.search(str(cause).replace(_SAFE, "")):
            raise Broken(f"it takes too much memory, or says so: {cause}") from error
        cause = cause.__cause__


def _asks_for_a_block(cause: BaseException) -> bool:
    """Whether a file was to be read by a block that is longer than the file.

    Known: Python reserves the block before it reads, and gives back what is not there. It takes
    addresses and no memory, but is refused where addresses are limited, as here.
    """
    if not isinstance(cause, MemoryError):
        return False
    last = traceback.extract_tb(cause.__traceback__)[-1]
    return last.name == "read" and last.filename.endswith("images/headers.py")
