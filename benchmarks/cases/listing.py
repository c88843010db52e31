"""All cases, by the headings of the page."""

from benchmarks.cases import colours, damage, documents, messages, naming, resolutions
from benchmarks.cases.case import Case


def all_cases() -> dict[str, list[Case]]:
    """Return the cases by the part of the page that they stand in."""
    return {
        "Resolution, size and metadata": list(resolutions.cases()),
        "Documents and formats": list(documents.cases()),
        "Colours, paper and direction": list(colours.cases()),
        "Names, pipes and folders": list(naming.cases()),
        "Damage and limits": list(damage.cases()),
        "What is said": list(messages.cases()),
    }
