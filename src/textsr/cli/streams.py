"""Standard output and standard error, whatever their encoding is."""

import codecs
import io
import re
import sys

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def escape_unprintable() -> None:
    r"""Let what a stream's encoding has no character for be printed as `\xe9` or `\udcff`.

    Names of files may be any bytes, and a stream's encoding may be as small as ASCII: work that is
    done must not end in an error over a name in its last line.
    """
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        # In the C locale Python gives names back byte for byte, which is better.
        as_bytes = stream.errors == "surrogateescape"
        if not (as_bytes and codecs.lookup(stream.encoding).name == "utf-8"):
            stream.reconfigure(errors="backslashreplace")


def on_one_line(text: str) -> str:
    r"""Return a text with control characters as `\x0a`, which names of files may have.

    A name would break a line that other programs read, or tell a terminal what to do.
    """
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def on_own_lines(text: str) -> str:
    """Return a message of several lines as `on_one_line` returns each of them."""
    return "\n".join(map(on_one_line, text.split("\n")))
