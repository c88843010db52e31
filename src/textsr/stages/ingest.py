"""Stage `ingest`: turn imported pairs and HR images into shards."""

from textsr.config import project
from textsr.config.params import Params
from textsr.imports.ingest import ingest as ingest_sets
from textsr.progress import Progress


def ingest(params: Params, start: Progress) -> list[str]:
    """Turn imported pairs and HR images into shards; return what was done, a sentence each."""
    return ingest_sets(params, project.DATA, project.IMPORTED, start)
