"""Pages for people: Markdown by Jinja templates, in the folder `templates` of a room."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render_page(room: str, name: str, **values: Any) -> str:
    """Render a template.

    Beside Jinja's own filters there are `form`, Python's `format`, and `interval`, a value with its
    confidence interval in brackets, each number in that form.

    Args:
        room: the package whose folder `templates` holds it, e.g. `textsr.registry`.
        name: its file.
        values: what it names.
    """
    return _environment(room).get_template(name).render(values)


@cache
def _environment(room: str) -> Environment:
    # No page is HTML: nothing is escaped.
    environment = Environment(
        loader=PackageLoader(room),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"form": format, "interval": with_interval}
    return environment


def with_interval(value: float, interval: Any, form: str) -> str:
    """Write a value with its interval, e.g. `0.71 [0.68, 0.74]`."""
    low, high = interval
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"
