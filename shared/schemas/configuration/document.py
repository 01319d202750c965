"""A YAML text as plain data, with the place of every key and item, within bounds: nothing in it can run code or fill
the memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import yaml

MAX_CHARACTERS = 4_000_000
MAX_DEPTH = 40
MAX_VALUES = 400_000
"""Most values after aliases are followed; a few lines of nested aliases could otherwise stand for billions."""

Path = tuple[str | int, ...]
"""Where something is: keys and indexes from the top."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong: line and column (from 1; 0 where there is no place), the key's path, what it is and what to do."""

    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.path}: {self.message}" if self.path else f"line {self.line}: {self.message}"


class _Mark(Protocol):
    """A place as the parser gives it, from 0."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class Document:
    """Plain data with places. Problems are added to it from every side, and come out in the order of the text."""

    def __init__(self) -> None:
        self.data: Any = None
        self.places: dict[Path, tuple[int, int]] = {}
        self._problems: set[Problem] = set()

    def problem(self, path: Path, message: str) -> None:
        """Report something wrong at `path`, or where that is missing, at the nearest thing around it."""
        line, column = self.place(path)
        self._problems.add(Problem(line, column, path_text(path), message))

    def problem_at(self, mark: _Mark | None, message: str) -> None:
        """Report something wrong at a place of the text that has no path."""
        self._problems.add(Problem(mark.line + 1 if mark else 0, mark.column + 1 if mark else 0, "", message))

    def place(self, path: Path) -> tuple[int, int]:
        """Line and column of `path`, or of the nearest thing around it that there is."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All of them, in the order of the text."""
        return tuple(sorted(self._problems, key=lambda p: (p.line, p.column, p.path, p.message)))


def path_text(path: Path) -> str:
    """`("subjects", 2, "workflow")` as `subjects[2].workflow`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


class _Loader(yaml.CSafeLoader):
    """Scalars as YAML 1.2 reads them: `on` and `no` are text, and so is 17:00, which YAML 1.1 takes for 1020."""


# Without what the base class resolves; its own dictionary stays as it is.
_Loader.yaml_implicit_resolvers = {}


for _tag, _pattern, _first in (
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,17})$", "-+0123456789"),
    ("float", r"[-+]?(?:[0-9]{1,17}\.[0-9]{1,17}(?:[eE][-+]?[0-9]{1,3})?)$", "-+0123456789"),
    ("null", r"(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))

_SCALARS: dict[str, Callable[[str], Any]] = {
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": float,
    "tag:yaml.org,2002:bool": lambda text: text.lower() == "true",
    "tag:yaml.org,2002:null": lambda _text: None,
}

_COLLECTIONS = ("tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")


class _Abandoned(Exception):
    """The text goes past a bound; reading on makes no sense."""


def read_document(text: str) -> Document:
    """Read `text`. Where it is no YAML, or goes past a bound, `data` is None and the problems say why."""
    document = Document()
    if len(text) > MAX_CHARACTERS:
        document.problem((), f"the text is longer than {MAX_CHARACTERS} characters")
        return document
    try:
        if not _is_shallow(text, document):
            return document
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        if node is None:
            document.problem((), "the text is empty")
            return document
        document.data = _Reader(document).value(node, ())
    except yaml.MarkedYAMLError as error:
        document.problem_at(error.problem_mark or error.context_mark, f"not YAML: {error.problem or error.context}")
    except yaml.YAMLError as error:
        document.problem((), f"not YAML: {str(error).splitlines()[0]}")
    except UnicodeEncodeError:
        document.problem((), "the text holds half of a surrogate pair, which is no character")
    except _Abandoned:
        document.data = None
    return document


def _is_shallow(text: str, document: Document) -> bool:
    """Look at the events first: composing nodes recurses, and a thousand brackets would break the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                document.problem_at(event.start_mark, f"nested more than {MAX_DEPTH} deep")
                return False
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return True


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._values = 0
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> Any:
        """The plain data of a node; its place and those within are noted."""
        self._values += 1
        if self._values > MAX_VALUES:
            self._document.problem_at(node.start_mark, f"more than {MAX_VALUES} values, aliases followed")
            raise _Abandoned
        self._note(path, node)
        if isinstance(node, yaml.ScalarNode):
            read = _SCALARS.get(node.tag)
            if read is None:
                self._document.problem(path, f"the tag {node.tag} is not allowed; write plain text")
                return None
            return read(node.value)
        if node.tag not in _COLLECTIONS:
            self._document.problem(path, f"the tag {node.tag} is not allowed; write a plain list or mapping")
        if id(node) in self._open:
            self._document.problem(path, "an alias that contains itself")
            raise _Abandoned
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
            return self._mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        first_seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag.startswith("!"):
                self._document.problem_at(key_node.start_mark, "a key must be plain text")
                continue
            key = str(key_node.value)
            if key == "<<" and isinstance(value_node, yaml.MappingNode):
                self._document.problem((*path, key), "merge keys are not supported; write the keys out")
                continue
            if key in data:
                mark = key_node.start_mark
                self._document.problem_at(mark, f"the key {path_text((*path, key))} is there twice; the first is in line {first_seen[key]}")
                continue
            first_seen[key] = key_node.start_mark.line + 1
            self._note((*path, key), key_node)
            data[key] = self.value(value_node, (*path, key))
        return data

    def _note(self, path: Path, node: yaml.Node) -> None:
        self._document.places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
