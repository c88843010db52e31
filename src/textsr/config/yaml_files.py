"""Reading the YAML files that users write, however they came to be, and laying one over another."""

import stat
from collections.abc import Collection, Mapping, MutableMapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.emitter import Emitter
from ruamel.yaml.error import CommentMark, MarkedYAMLError, YAMLError
from ruamel.yaml.events import MappingEndEvent, ScalarEvent
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.tokens import CommentToken

from textsr.errors import TextsrError, shorten

# The committed params.yaml has 11 KB, and is 6 deep; a file of this size is read in a second.
_MAX_BYTES = 64 * 1024
_MAX_DEPTH = 32
_MAX_CHARACTERS = 1000


class _RefusedError(ComposerError):
    """Valid YAML that settings do not need; a few lines of it can stand for gigabytes."""


class _PlainComposer(Composer):
    """Composes plain values alone."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        problem = _problem(event, self.depth)
        if problem is not None:
            raise _RefusedError(None, None, problem, event.start_mark)
        return super().compose_node(parent, index)


class _Emitter(Emitter):
    """Writes mappings on a line as params.yaml has them: `{ a: 1 }`, not `{a: 1}`."""

    def expect_first_flow_mapping_key(self) -> None:
        if not isinstance(self.event, MappingEndEvent):
            self.write_indicator(" ", False, whitespace=True)
        super().expect_first_flow_mapping_key()

    def expect_flow_mapping_key(self) -> None:
        if isinstance(self.event, MappingEndEvent):
            self.write_indicator(" ", False, whitespace=True)
        super().expect_flow_mapping_key()


class _Representer(RoundTripRepresenter):
    """Writes what is not set as params.yaml has it: `a: null`, not `a:`."""

    def represent_none(self, data: None) -> ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _Representer.represent_none)


def _problem(event: Any, depth: int) -> str | None:
    if event.anchor is not None:  # an alias has one, too
        return "an anchor or alias; write each value out where it is used"
    if event.tag is not None:
        return f"the tag {event.tag}; write a plain value"
    if depth == _MAX_DEPTH:
        return f"nested more than {_MAX_DEPTH} deep; nest it less"
    if isinstance(event, ScalarEvent) and len(event.value) > _MAX_CHARACTERS:
        return f"a value of {len(event.value)} characters; shorten it to {_MAX_CHARACTERS} or less"
    if isinstance(event, ScalarEvent) and "\0" in event.value:
        return "a value with a NUL character; remove it"
    return None


def read_yaml(path: Path, *, keep_comments: bool = False) -> Any:
    """Read a small YAML file of plain values; a key that is there twice is refused.

    Args:
        path: the file.
        keep_comments: return what `write_yaml` writes with its comments.

    Raises:
        TextsrError: if it is missing, no file, unreadable, larger than 64 KB, not UTF-8 or not
            YAML, is nested more than 32 deep, or has an anchor, a tag, or a value of more than
            1,000 characters. The message names the file and, where it is known, the line.
    """
    encoded = _read_bytes(path)
    try:
        return _yaml(keep_comments).load(encoded.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = encoded.count(b"\n", 0, error.start) + 1
        said = f"line {line}: not UTF-8 ({error.reason}); save it as UTF-8"
        raise TextsrError(f"{path}: {said}") from error
    except ReaderError as error:
        line = encoded.decode("utf-8").count("\n", 0, error.position) + 1
        said = f"line {line}: the character U+{error.character:04X}; remove it"
        raise TextsrError(f"{path}: not valid YAML: {said}") from error
    except MarkedYAMLError as error:
        what = "" if isinstance(error, _RefusedError) else "not valid YAML: "
        raise TextsrError(f"{path}: {what}{_explain(error)}") from error
    except (YAMLError, ValueError, OverflowError) as error:  # of dates that do not exist
        raise TextsrError(
            f"{path}: not valid YAML: {shorten(str(error))}; correct the value"
        ) from error


def write_yaml(content: Any, path: Path) -> None:
    """Write what `read_yaml` returned, with the comments that it kept."""
    _yaml(keep_comments=True).dump(content, path)


def dump_yaml(content: Any) -> str:
    """Return plain values as YAML."""
    stream = StringIO()
    _yaml(keep_comments=True).dump(content, stream)
    return stream.getvalue()


def overlay(
    target: MutableMapping[str, Any], changes: Mapping[str, Any], *, whole: Collection[str] = ()
) -> None:
    """Write the values of `changes` over those of `target`, in place, mapping by mapping.

    Args:
        target: as YAML is read; its comments stay, but those within what is replaced.
        changes: some of its keys, or new ones; read with comments if `target` is.
        whole: dotted names of mappings that are replaced, not merged.
    """
    for key, value in changes.items():
        there = target.get(key)
        if isinstance(value, Mapping) and isinstance(there, MutableMapping) and key not in whole:
            within = f"{key}."
            inner = [name.removeprefix(within) for name in whole if name.startswith(within)]
            overlay(there, value, whole=inner)
        else:
            _put(target, key, value)


def _put(target: MutableMapping[str, Any], key: str, value: Any) -> None:
    """Set a value; the comment before the next key stays there, and none comes along.

    ruamel.yaml has that comment behind the last line of what stands before it.
    """
    before = key if key in target else next(reversed([*target]), None)
    behind = "" if before is None else _cut_behind(target, before)
    target[key] = value
    _cut_behind(target, key)
    if behind:
        tokens, place = _behind(target, key)
        tokens[place] = tokens[place] or CommentToken("\n", CommentMark(0))
        tokens[place].value += behind


def _cut_behind(target: Any, key: str) -> str:
    """Take away and return what follows the last line of a value; a comment on it stays."""
    tokens, place = _behind(target, key)
    if tokens[place] is None:
        return ""
    line, _, behind = tokens[place].value.partition("\n")
    tokens[place].value = f"{line}\n"
    return str(behind)


def _behind(node: Any, key: Any) -> tuple[list[Any], int]:
    """Where ruamel.yaml keeps the comment behind the last line of a value."""
    value = node[key]
    while isinstance(value, (CommentedMap, CommentedSeq)) and value and not value.fa.flow_style():
        node, key = (
            value,
            next(reversed(value)) if isinstance(value, CommentedMap) else len(value) - 1,
        )
        value = node[key]
    if not isinstance(node, (CommentedMap, CommentedSeq)):
        return [None], 0
    return node.ca.items.setdefault(key, [None] * 4), 0 if isinstance(node, CommentedSeq) else 2


def _yaml(keep_comments: bool) -> YAML:
    # Not by the parser in C: it dies of deep nesting.
    yaml = YAML(typ="rt" if keep_comments else "safe", pure=True)
    yaml.Composer = _PlainComposer
    if keep_comments:
        yaml.Emitter, yaml.Representer = _Emitter, _Representer
        yaml.width = _MAX_BYTES  # no line is broken
        yaml.brace_single_entry_mapping_in_flow_sequence = True
        yaml.preserve_quotes = True
    return yaml


def _read_bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
            raise TextsrError(f"{path}: not a file; put the file in its place")
        if status.st_size > _MAX_BYTES:
            raise TextsrError(
                f"{path}: {status.st_size} bytes, more than {_MAX_BYTES}; restore or shorten it"
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise TextsrError(f"{path}: no such file; run from the project's root") from error
    except OSError as error:
        raise TextsrError(
            f"{path}: cannot be read ({error.strerror}); make it a file that you may read"
        ) from error


def _explain(error: MarkedYAMLError) -> str:
    """Say in a line what ruamel.yaml says in several, with excerpts."""
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}: " if mark is not None else ""
    context = f"{error.context}: " if error.context else ""
    return where + shorten(context + (error.problem or ""))
