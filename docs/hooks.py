"""What `make docs` writes into pages out of the code: CLI, API, params.yaml, reports.

A page holds a line `<!-- generated: NAME -->` where one of `PAGES` belongs.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pydantic import AfterValidator, BaseModel
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from typer.cli import get_docs_for_click

import textsr
from textsr.cli.main import app
from textsr.config.pages import Page
from textsr.config.params import Params
from textsr.config.sections import Effect

ROOT = Path(__file__).parent.parent


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Show the picture of the leaderboard, which lies beside it in `reports/`."""
    picture = ROOT / "reports" / "comparison.png"
    files.append(File.generated(config, "images/comparison.png", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace each `<!-- generated: NAME -->` by what that function returns.

    Intervals in tables are not broken into two lines.
    """
    text = re.sub(r"<!-- generated: (\w+) -->", lambda found: PAGES[found[1]](), markdown)
    return re.sub(r"\[([-+.\d]+%?), ([-+.\d]+%?)\](?![(`])", r"[\1,&nbsp;\2]", text)


def cli() -> str:
    """Return the reference of all verbs, as Typer writes it, with the lists of verbs in full."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="textsr")
    text = re.sub(r"\A# `textsr`\n", "", text)
    verbs: dict[str, Any] = getattr(command, "commands", {})
    for group in (command, *verbs.values()):
        for name, verb in getattr(group, "commands", {}).items():
            short = verb.get_short_help_str()
            line = f"* `{name}`: {short}\n"
            text = text.replace(line, f"* `{name}`: {inspect.cleandoc(verb.help or short)}\n")
    return text


def api() -> str:
    """Return what mkdocstrings turns into the reference of the public names."""
    names = [name for name in textsr.__all__ if not name.startswith("_")]
    functions_first = sorted(names, key=lambda name: name[0].isupper())
    return "\n\n".join(f"::: textsr.{name}" for name in functions_first)


def leaderboard() -> str:
    """Return the leaderboard, its headings a level down."""
    return (ROOT / "reports" / "leaderboard.md").read_text(encoding="utf-8")


def data_card() -> str:
    """Return the data card without its front matter and title, its headings a level down."""
    text = (ROOT / "reports" / "data_card.md").read_text(encoding="utf-8")
    return re.sub(r"\A---\n.*?\n---\n+# [^\n]*\n", "", text, flags=re.DOTALL)


def params() -> str:
    """Return a table a section of params.yaml: key, value, what is allowed, and its comment."""
    values = YAML().load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return "\n\n".join(_section("", Params, values))


def page_params() -> str:
    """Return a table of the section `page` of an extra dataset: key, default, and what it is."""
    rows = [
        (key, _shown(field.default), _allowed(field), _cell(field.description or ""))
        for key, field in Page.model_fields.items()
    ]
    return _table(rows, "unless said")


def _section(path: str, model: type[BaseModel], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the blocks of a section; sections that have sections of their own get a heading."""
    if path:
        yield f"{'#' * (path.count('.') + 2)} {path}"
        yield _prose(model)
    apart = [key for key, field in model.model_fields.items() if _is_apart(field, bool(path))]
    rows = list(_leaves("", model, values, leave_out=apart))
    if rows:
        yield _table(rows)
    for key in apart:
        field, below = model.model_fields[key], f"{path}.{key}".lstrip(".")
        if inner := _nested(field):
            yield from _section(below, inner, values[key])
        elif inner := _entries(field):
            yield f"## {below}"
            yield _prose(inner)
            yield _table(_named(inner, values[key]))


def _is_apart(field: FieldInfo, is_within: bool) -> bool:
    if _entries(field):
        return True
    inner = _nested(field)
    return inner is not None and not (
        is_within and all(_nested(part) is None for part in inner.model_fields.values())
    )


Row = tuple[str, str, str, str]
"""A dotted key, its value, what is allowed, and what it is."""


def _table(rows: Iterable[Row], where: str = "in `params.yaml`") -> str:
    head = f"| key | {where} | allowed | |\n| --- | --- | --- | --- |\n"
    return head + "\n".join(
        f"| `{key}` | {f'`{value}`' if value else ''} | {allowed} | {what} |"
        for key, value, allowed, what in rows
    )


def _leaves(
    prefix: str,
    model: type[BaseModel],
    values: Mapping[str, Any],
    inherited: str = "",
    leave_out: Iterable[str] = (),
) -> Iterator[Row]:
    """Yield the rows of a section, small sections within it included."""
    for key, field in model.model_fields.items():
        if key in leave_out or key not in values:
            continue
        comment = _comment(values, key)
        inner = _nested(field)
        if inner is None:
            what = comment or inherited
            yield f"{prefix}{key}", _shown(values[key]), _allowed(field), what
        else:
            # Of an effect, all keys are about what its comment says; of other sections, the first.
            what = comment if comment and issubclass(inner, Effect) else _prose(inner)
            yield from _leaves(f"{prefix}{key}.", inner, values[key], what)


def _named(model: type[BaseModel], values: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the rows of sections that have names: what each name's section may hold."""
    for key, field in model.model_fields.items():
        given = {name: entry[key] for name, entry in values.items() if key in entry}
        shown = ", ".join(f"{name}: {_shown(value)}" for name, value in given.items())
        comments = (_comment(entry, key) for entry in values.values())
        yield f"NAME.{key}", shown, _allowed(field), next(filter(None, comments), "")


def _nested(field: FieldInfo) -> type[BaseModel] | None:
    annotation = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def _entries(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a mapping's values, if they have one."""
    args = get_args(field.annotation)
    if get_origin(field.annotation) is dict and isinstance(args[1], type):
        return args[1] if issubclass(args[1], BaseModel) else None
    return None


def _comment(values: Mapping[str, Any], key: str) -> str:
    """Return the comment beside a key, in Markdown's table cells."""
    tokens = values.ca.items.get(key) if isinstance(values, CommentedMap) else None
    beside = tokens[2] if tokens else None
    if beside is None:
        return ""
    text = beside.value.split("\n")[0].lstrip("# ").strip()
    return _cell(text)


def _prose(model: type[BaseModel]) -> str:
    return _cell(inspect.getdoc(model) or "").replace("\n\n", " ").replace("\n", " ")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return f"{float(value):g}" if isinstance(value, float) else str(value)


def _allowed(field: FieldInfo) -> str:
    """Return a type and its bounds in words."""
    kind, bounds = _kind(field.annotation), [*_bounds(field.metadata)]
    for part in get_args(field.annotation):  # of `X | None` and of lists, dicts
        bounds += [*_bounds(getattr(part, "__metadata__", ()))]
    return _cell(", ".join([kind, *dict.fromkeys(bounds)])).replace(", within", " within")


def _kind(annotation: Any) -> str:
    if hasattr(annotation, "__metadata__"):
        return _kind(annotation.__origin__)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in args)
    if origin is tuple:
        return "`[low, high]`"
    if origin is list:
        return f"list of {_kind(args[0])}"
    if origin is dict and Any in args:
        return "mapping"
    if origin is dict:
        if get_origin(args[0]) is Literal:
            return _kind(args[0]).replace("one of", "relative frequency of each of")
        return f"{_kind(args[1])} by name"
    if args and type(None) in args:
        return " or ".join(_kind(part) for part in args if part is not type(None)) + " or null"
    return {int: "integer", float: "number", str: "text", bool: "true or false"}.get(
        annotation, "mapping"
    )


def _bounds(metadata: Any) -> Iterator[str]:
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from _bounds(item.metadata)
        elif isinstance(item, AfterValidator):
            ends = inspect.getclosurevars(item.func).nonlocals
            if {"low", "high"} <= ends.keys():  # of `sections.inside`
                yield f"within {ends['low']:g} to {ends['high']:g}"
        else:
            for name, sign in _SIGNS.items():
                bound = getattr(item, name, None)
                if bound is not None:
                    yield f"{sign} {bound:,}"


_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "multiple_of": "a multiple of"}


PAGES: dict[str, Callable[[], str]] = {
    "cli": cli,
    "api": api,
    "params": params,
    "page_params": page_params,
    "leaderboard": leaderboard,
    "data_card": data_card,
}
