"""How readings of lines are scored."""

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein


def normalise(text: str) -> str:
    """Lower-case and keep letters and digits only: the convention of scene-text benchmarks."""
    return "".join(character for character in text.lower() if character.isalnum())


def score_readings(
    references: Sequence[str], readings: Sequence[str]
) -> tuple[list[bool], list[int], list[int]]:
    """Score readings of lines by their normalised text.

    Returns:
        For each line: whether it was read exactly, its edit distance in characters, and the
        length of its reference. The character error rate of a set is the sum of distances over
        the sum of lengths.
    """
    wanted = [normalise(text) for text in references]
    found = [normalise(text) for text in readings]
    exact = [a == b for a, b in zip(wanted, found, strict=True)]
    edits = [Levenshtein.distance(a, b) for a, b in zip(wanted, found, strict=True)]
    return exact, edits, [len(text) for text in wanted]
