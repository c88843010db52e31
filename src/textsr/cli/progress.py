"""Progress of long verbs: bars on a terminal, lines in a log file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from textsr.progress import Advance


@contextmanager
def progress() -> Iterator[Callable[[str, int | None], Advance]]:
    """Yield what starts a progress bar with a name and a total; it returns what advances it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:

        def start(name: str, total: int | None) -> Advance:
            task = bars.add_task(escape(name), total=total)
            done = 0

            def advance(count: int = 1, /) -> None:
                nonlocal done
                # In a log file, a line a tenth of the way instead of a bar.
                step = max((total or 1000) // 10, 1)
                if not console.is_terminal and done // step < (done + count) // step:
                    said = f"{name}: {done + count}" + (f"/{total}" if total else "")
                    console.print(said, markup=False)
                done += count
                bars.advance(task, count)

            return advance

        yield start
