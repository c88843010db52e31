"""Stage `engines`: record which OCR engines there are, since what they read depends on them."""

from textsr.config import project
from textsr.config.params import Params
from textsr.files import write_json
from textsr.ocr.engines import available_engines


def engines(params: Params) -> dict[str, str]:
    """Record the installed OCR engines; return their versions by name, in the order they read.

    DVC cannot see what is installed. So it runs this stage each time, and what reads depends on
    what is written: on all engines, or on the first where one is enough.
    """
    found = {engine.name: engine.version for engine in available_engines(params.compute.threads)}
    first = next(iter(found))
    write_json(project.ENGINES / "all.json", found)
    write_json(project.ENGINES / "first.json", {first: found[first]})
    return found
