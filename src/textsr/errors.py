"""The one error type that users see."""


class TextsrError(Exception):
    """A problem that the user can mend.

    The message names the file, key or value at fault and the remedy. The CLI prints it without a
    traceback and exits with status 1.
    """
