"""A YAML file as plain values, and for each of them the place to name when it is wrong. Never builds objects from tags.

Scalars are read as in YAML 1.2: `no`, `2024-01-01` and `1:30` are text, so that the language `no` stays Norwegian.
"""

import copy
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)
Loc = tuple[str | int, ...]

MAX_BYTES = 4 * 2**20
# 20,000 sources of ten values each. An alias counts as much as what it stands for, so nesting aliases gains nothing.
MAX_VALUES = 200_000
# Our files go six deep.
MAX_DEPTH = 32
SECRET_KEYS = frozenset({"database", "headers", "cookies", "auth", "proxy"})

# Asked for events only: libyaml's composer recurses in C, and 200,000 opening brackets crash the process.
_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
# int() refuses more than 4,300 digits; longer than 18 is no setting of ours.
_INT = re.compile("[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# The user part may hold `@`, `/` or `?` when the operator did not encode it, so a password ends at the last `@`.
_USERINFO = re.compile(r"://(?:[^\s/@:?#]*:\S*|[^\s/@:?#]+)@")
_PASSWORD = re.compile(r"([?&](?:ssl)?password=)[^&\s]*", re.I)
_TAGS = frozenset({"!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most"}
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_EXPECTED = {
    "string_type": "text (a number needs quotes)",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "path_type": "a path",
    "too_long": "a shorter list",
    "none_required": "null",
}


class Place(NamedTuple):
    """A line of a file, or (line 0) a whole file or an environment variable."""

    name: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.name}:{self.line}" if self.line else self.name


class Mistake(NamedTuple):
    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class FlawError(ValueError):
    """Why a file or a text cannot be used at all; `line` 0 where no line is to blame."""

    def __init__(self, message: str = "", *, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


@dataclass(slots=True, kw_only=True)
class Document:
    """What one file says. `value` is an empty mapping, and `usable` false, where it could not be read."""

    path: Path
    name: str
    usable: bool = True
    value: dict[str, Any] = field(default_factory=dict)
    places: dict[Loc, Place] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def place(self, loc: Loc) -> Place:
        """The place of the value at `loc`, or of the nearest thing around it that stands in the file."""
        while loc and loc not in self.places:
            loc = loc[:-1]
        return self.places.get(loc, Place(self.name))

    def complain(self, loc: Loc, text: str) -> None:
        self.mistakes.append(Mistake(self.place(loc), f"{dotted(loc)}: {text}" if loc else text))

    def set(self, loc: Loc, value: object, place: Place) -> None:
        """Put `value` at `loc` in the place of whatever the file says there."""
        section = self.value
        for key in loc[:-1]:
            if section.get(str(key)) is None:
                section[str(key)] = {}
            section = section[str(key)]
            if not isinstance(section, dict):
                return  # A mistake of the file's, to be reported as such.
        section[str(loc[-1])] = value
        for stale in [other for other in self.places if other[: len(loc)] == loc]:
            del self.places[stale]
        self.places[loc] = place

    def checked(self, model: type[Model], context: Mapping[str, object]) -> Model | None:
        """The document as `model`, or None and a complaint about each key that does not fit."""
        try:
            return model.model_validate(self.value, context=dict(context))
        except ValidationError as exc:
            for error in exc.errors(include_url=False):
                cause = error.get("ctx", {}).get("error")
                loc = tuple(part for part in error["loc"] if part != "[key]")
                self.complain((*loc, *filter(None, [getattr(cause, "key", "")])), _worded(model, error))
            return None


def read(path: Path, name: str) -> Document:
    """The file at `path`; `name` is what to call it in a complaint."""
    document = Document(path=path, name=name)
    try:
        value = parse(text_of(path), document)
        if not isinstance(value, dict | None):
            raise FlawError(f"expected a mapping (key: value), found {found(value)}", line=document.place(()).line)
        document.value = value or {}
    except FlawError as exc:
        document.usable = False
        document.mistakes.append(Mistake(Place(name, exc.line), str(exc)))
    return document


def text_of(path: Path) -> str:
    """What the file at `path` says. Raises FlawError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise FlawError(f"cannot be read: {(exc.strerror or str(exc)).lower()}") from exc
    except ValueError as exc:  # a NUL in the path
        raise FlawError(f"cannot be read: {exc}") from exc
    if len(data) > MAX_BYTES:
        raise FlawError(f"larger than {MAX_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise FlawError(f"not UTF-8: byte 0x{data[exc.start]:02x}", line=line) from exc


def parse(text: str, document: Document) -> object:
    """The value that `text` holds; its places and repeated keys go into `document`. Raises FlawError."""
    try:
        return _Reader(text, document).value()
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, max(text.find(chr(exc.character)), 0)) + 1
        raise FlawError(f"not YAML: character 0x{exc.character:02x} is not allowed", line=line) from exc
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 0
        raise FlawError(f"not YAML: {', '.join(filter(None, [exc.problem, exc.context]))}", line=line) from exc


def events(text: str) -> list[yaml.Event]:
    """What `text` is made of, in order, each part with its place. Raises FlawError."""
    try:
        return list(yaml.parse(text, Loader=_LOADER))
    except yaml.YAMLError as exc:
        raise FlawError("not YAML") from exc


def scalar(text: str) -> object:
    """What an unquoted `text` means."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) and len(text) < 40 else text


def dotted(loc: Loc) -> str:
    """`sources[3].interval`"""
    text = ""
    for part in loc:
        plain = isinstance(part, str) and re.fullmatch(r"[A-Za-z_][\w-]{0,60}", part)
        text += f".{part}" if plain else f"[{part[:60]!r}]" if isinstance(part, str) else f"[{part}]"
    return text.removeprefix(".")


def found(value: object, *, secret: bool = False) -> str:
    """`value` in a few words, of a secret only its kind."""
    if isinstance(value, list | tuple | dict):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        return "other text" if secret else repr(redact(value)[:60])
    if value is None:
        return "nothing"
    return "a number" if secret else str(value).lower()


def redact(text: str) -> str:
    """`text` without the user and password of any URL in it, for people and logs."""
    return _PASSWORD.sub(r"\1***", _USERINFO.sub("://***@", text))


def section(annotation: object) -> type[BaseModel] | None:
    """The section inside an annotation such as `tuple[SourceConfig, ...]` or `WebSettings | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((inner for part in get_args(annotation) if (inner := section(part))), None)


def _worded(model: type[BaseModel], error: ErrorDetails) -> str:
    kind, context, loc = error["type"], error.get("ctx", {}), error["loc"]
    if kind == "missing":
        return "required key is missing"
    if kind == "extra_forbidden":
        return _unknown(model, loc)
    if kind == "value_error":
        text = str(context["error"])
    elif kind == "literal_error":
        text = f"expected {context['expected']}"
    elif bound := next((name for name in ("ge", "gt", "le") if name in context), None):
        text = f"expected {_BOUNDS[bound]} {context[bound]:g}"
    else:
        text = f"expected {_EXPECTED[kind]}" if kind in _EXPECTED else error["msg"]
    secret = "[key]" not in loc and not SECRET_KEYS.isdisjoint(loc)
    return f"{text}, found {found(error['input'], secret=secret)}" if text.startswith("expected") else text


def _unknown(model: type[BaseModel], loc: Loc) -> str:
    for part in loc[:-1]:
        if part in model.model_fields:
            model = section(model.model_fields[str(part)].annotation) or model
    near = difflib.get_close_matches(str(loc[-1])[:60], model.model_fields, n=1)
    return "unknown key; " + (f"did you mean {near[0]!r}?" if near else f"known are {', '.join(model.model_fields)}")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def _refuse_tag(event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
    if event.tag and event.tag not in _TAGS:
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")[:60]
        raise FlawError(f"the tag {tag} is not allowed", line=_line(event))


class _Reader:
    """Builds the values of one YAML document from its events, within our limits."""

    def __init__(self, text: str, document: Document) -> None:
        self._events = yaml.parse(text, Loader=_LOADER)
        self._document = document
        self._count = 0
        self._anchors: dict[str, tuple[object, int]] = {}

    def value(self) -> object:
        value: object = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise FlawError("a second YAML document (---) in one file", line=_line(event))
            elif isinstance(event, yaml.NodeEvent):
                value = self._node(event, ())
        return value

    def _node(self, event: yaml.Event, loc: Loc) -> object:
        self._document.places.setdefault(loc, Place(self._document.name, _line(event)))
        before = self._count
        self._weigh(1, loc, event)
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event, loc)
        value: object
        if isinstance(event, yaml.ScalarEvent):
            _refuse_tag(event)
            value = scalar(event.value) if event.implicit[0] else event.value
        elif isinstance(event, yaml.CollectionStartEvent):
            _refuse_tag(event)
            value = self._list(loc) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(loc)
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            self._anchors[event.anchor] = value, self._count - before
        return value

    def _weigh(self, values: int, loc: Loc, event: yaml.Event) -> None:
        self._count += values
        if self._count > MAX_VALUES:
            text = f"more than {MAX_VALUES:,} values (an alias counts as what it stands for)"
            raise FlawError(text, line=_line(event))
        if len(loc) > MAX_DEPTH:
            raise FlawError(f"nested more than {MAX_DEPTH} deep", line=_line(event))

    def _aliased(self, event: yaml.AliasEvent, loc: Loc) -> object:
        anchor = event.anchor or ""
        if anchor not in self._anchors:
            raise FlawError(f"the alias *{anchor[:60]} stands for nothing complete before it", line=_line(event))
        value, weight = self._anchors[anchor]
        self._weigh(weight, loc, event)
        return copy.deepcopy(value)

    def _list(self, loc: Loc) -> list[object]:
        values: list[object] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            values.append(self._node(event, (*loc, len(values))))
        return values

    def _mapping(self, loc: Loc) -> dict[str, object]:
        values: dict[str, object] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            place = Place(self._document.name, _line(event))
            if not isinstance(event, yaml.ScalarEvent):
                raise FlawError("expected text as key", line=place.line)
            where = (*loc, event.value)
            if event.value in values:
                text = f"{dotted(where)}: key given twice, first in line {self._document.place(where).line}"
                self._document.mistakes.append(Mistake(place, text))
                self._node(next(self._events), where)
            else:
                self._document.places[where] = place
                values[event.value] = self._node(next(self._events), where)
        return values
