"""What is promised of a refusal."""

import re

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
    given = said.split("\n")
    if len(given) > lines:
        raise Broken(f"the message has {len(given)} lines: {said[:300]!r}") from error
    if max(map(len, given)) > longest:
        raise Broken(f"the message has a line of {max(map(len, given))} characters") from error
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or _MEMORY.search(str(cause).replace(_SAFE, "")):
            raise Broken(f"it takes too much memory, or says so: {cause}") from error
        cause = cause.__cause__
