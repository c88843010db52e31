"""Standard output and standard error, whatever their encoding is."""

import codecs
import io
import sys


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
