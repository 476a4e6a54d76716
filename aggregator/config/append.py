"""A new source at the end of a file of sources, whose layout and comments stay as they are; checked before it is written, and after."""

import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml
from pydantic import TypeAdapter, ValidationError

from aggregator import config, errors
from aggregator.config import document, kinds

# As YAML knows them.
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_PLAIN = re.compile(r"[A-Za-z0-9(/][^\n:#'\"\[\]{},&*!|>%@`\\]*(?:://[^\s#'\"\[\]{},&*!|>`\\]+)?")
_BY_HAND = "add it by hand"


def add(settings: config.Settings, item: Mapping[str, str], file: Path, reload: Callable[[], object]) -> str:
    """Append the source `item` to `file`, one of those of `settings`; where it stands now, as `file:line`.

    `reload` reads the whole configuration anew; if it finds a mistake, the file is put back. Raises ConfigError: the name or the URL is
    taken, it is not valid, the file has a form that cannot be added to, or cannot be written.
    """
    refuse_known(settings, item)
    name, path = config.shown(file), file.resolve()
    before = _text(path, name)
    text = before.removeprefix("\ufeff")
    try:
        longer = with_source(text, item)
        _verify(text, longer, item, settings)
    except document.FlawError as exc:
        raise errors.ConfigError(f"{document.Place(name, exc.line)}: {exc}") from exc
    after = before[: len(before) - len(text)] + longer
    _replace(path, name, before, after)
    try:
        reload()
    except errors.ConfigError:
        _replace(path, name, after, before)
        raise
    added = document.read(path, name)
    return str(added.place(("sources", len(added.value["sources"]) - 1)))


def address(text: str) -> str:
    """`text`, an address as people write it, as a URL. Raises ConfigError."""
    try:
        return TypeAdapter(kinds.FeedUrl).validate_python(text)
    except ValidationError as exc:
        said = str(exc.errors(include_url=False, include_input=False)[0]["ctx"]["error"])
        raise errors.ConfigError(f"{document.redact(text)[:200]!r}: {said}") from exc


def refuse_known(settings: config.Settings, item: Mapping[str, str]) -> None:
    """Raises ConfigError if a source of `settings` has this name or URL, and says where."""
    lines = []
    for path in source_files(settings):
        each = document.read(path, config.shown(path))
        for key, same in (("name", config.same_name), ("url", config.same_url)):
            for number, source in enumerate(each.value.get("sources") or ()):
                known = source.get(key) if isinstance(source, dict) else None
                if isinstance(known, str) and key in item and same(known) == same(item[key]):
                    what = "name" if key == "name" else "URL"
                    said = f"there is already a source with the {what} {document.redact(known)}"
                    lines.append(f"{each.place(('sources', number, key))}: {said}")
    if lines:
        raise errors.ConfigError(lines=tuple(dict.fromkeys(lines)))


def source_files(settings: config.Settings) -> tuple[Path, ...]:
    """The files in which sources stand: all but the first, the settings, and the last, the taxonomy."""
    return settings.files[1:-1]


def with_source(text: str, item: Mapping[str, str]) -> str:
    """`text`, a file of sources, with `item` as its last source. Raises FlawError for a text that cannot be added to."""
    events = document.events(text)
    root = next((event for event in events if isinstance(event, yaml.NodeEvent)), None)
    lines = _Lines.of(text)
    if root is None or (isinstance(root, yaml.ScalarEvent) and root.value == ""):
        return lines.inserted(lines.count, ["sources:", *_item(item, 2)])
    if not isinstance(root, yaml.MappingStartEvent):
        raise document.FlawError(f"is no mapping: {_BY_HAND}", line=_line(root))
    value = _value_of(events, events.index(root), "sources")
    if value is None:
        raise document.FlawError(f"has no key sources: {_BY_HAND}")
    first = value[0]
    if isinstance(first, yaml.ScalarEvent) and document.scalar(first.value) is None and first.implicit[0]:
        return _into_null(lines, first, item, flow=bool(root.flow_style))
    if not isinstance(first, yaml.SequenceStartEvent):
        raise document.FlawError(f"sources is no list that can be added to: {_BY_HAND}", line=_line(first))
    if first.flow_style:
        return _into_flow(lines, value, item, flow=bool(root.flow_style))
    return _into_block(lines, value, item)


# ---------------------------------------------------------------------------------------------------- the text


class _Mark(NamedTuple):
    """A place in a text, both counted from 0."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class _Lines:
    """A text in lines, with the breaks between them as they are."""

    lines: tuple[str, ...]
    breaks: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "_Lines":
        return cls(tuple(_BREAK.split(text)), tuple(_BREAK.findall(text)))

    @property
    def count(self) -> int:
        """Without the nothing that comes after the last break."""
        return len(self.lines) - (self.lines[-1] == "")

    def inserted(self, at: int, new: Sequence[str], changed: Mapping[int, str] | None = None) -> str:
        """The text with `new` lines before line `at`, which may be the one after the last, and others `changed`."""
        end = self.breaks[0] if self.breaks else "\n"
        old = [(changed or {}).get(number, line) for number, line in enumerate(self.lines[: self.count])]
        broken = [line + (self.breaks[number] if number < len(self.breaks) else end) for number, line in enumerate(old)]
        return "".join([*broken[:at], *(line + end for line in new), *broken[at:]])

    def empty(self, number: int) -> bool:
        """Whether nothing but a comment stands there."""
        return not self.lines[number].strip() or self.lines[number].lstrip().startswith("#")


def _value_of(events: Sequence[yaml.Event], root: int, key: str) -> Sequence[yaml.Event] | None:
    """The events of the value that the mapping at `root` has for `key`."""
    at = root + 1
    while not isinstance(events[at], yaml.MappingEndEvent):
        value, end = _after(events, at), _after(events, _after(events, at))
        if isinstance(name := events[at], yaml.ScalarEvent) and name.value == key:
            return events[value:end]
        at = end
    return None


def _after(events: Sequence[yaml.Event], at: int) -> int:
    """Where the node that begins at `at` has ended."""
    depth = 0
    while True:
        depth += isinstance(events[at], yaml.CollectionStartEvent) - isinstance(events[at], yaml.CollectionEndEvent)
        at += 1
        if not depth:
            return at


def _into_null(lines: _Lines, value: yaml.ScalarEvent, item: Mapping[str, str], *, flow: bool) -> str:
    """`sources:` without a value: below it, and below the comments that nothing follows."""
    row = _begin(value).line
    line = lines.lines[row]
    begin, end = _begin(value).column, _end(value).column
    if flow:
        return lines.inserted(0, (), {row: f"{line[:begin]} [{_flow(item)}]{line[end:]}"})
    after = row + 1
    rest = all(lines.empty(number) for number in range(after, lines.count))
    kept = f"{line[:begin].rstrip()}{line[end:]}"
    return lines.inserted(lines.count if rest else after, _item(item, _indent(line) + 2), {row: kept})


def _into_flow(lines: _Lines, value: Sequence[yaml.Event], item: Mapping[str, str], *, flow: bool) -> str:
    """`[…]`: within the brackets; an empty one in a file that is otherwise of blocks becomes a block."""
    start, end = _begin(value[0]), _begin(value[-1])
    line = lines.lines[end.line]
    if len(value) > 2:
        last = _end(value[-2])
        line = lines.lines[last.line]
        alone = last.line != start.line and line[: last.column].lstrip() == line[: last.column].strip()
        begin = next((_begin(one) for one in reversed(value[1:-1]) if _begin(one).line == last.line), last)
        apart = (
            f",{lines.breaks[0]}{' ' * _indent(lines.lines[begin.line])}" if alone and start.line != last.line else ", "
        )
        return lines.inserted(0, (), {last.line: f"{line[: last.column]}{apart}{_flow(item)}{line[last.column :]}"})
    if flow or start.line != end.line:
        return lines.inserted(0, (), {end.line: f"{line[: end.column]}{_flow(item)}{line[end.column :]}"})
    kept = f"{line[: start.column].rstrip()}{line[end.column + 1 :]}"
    return lines.inserted(start.line + 1, _item(item, _indent(line) + 2), {start.line: kept})


def _into_block(lines: _Lines, value: Sequence[yaml.Event], item: Mapping[str, str]) -> str:
    """Below the last item, indented as the others, with an empty line between if they have one."""
    last = max(_last_line(event) for event in value[1:-1]) if len(value) > 2 else _begin(value[0]).line
    starts = [_begin(value[at]).line for at in _items(value)]
    gap = len(starts) > 1 and _apart(lines, starts[-1])
    new = _item(item, _begin(value[0]).column)
    return lines.inserted(last + 1, ["", *new] if gap else new)


def _items(value: Sequence[yaml.Event]) -> list[int]:
    """Where the items of the list begin."""
    at, found = 1, []
    while at < len(value) - 1:
        found.append(at)
        at = _after(value, at)
    return found


def _apart(lines: _Lines, row: int) -> bool:
    """Whether there is an empty line before the item at `row` and the comments above it."""
    row -= 1
    while row > 0 and lines.lines[row].lstrip().startswith("#"):
        row -= 1
    return row > 0 and not lines.lines[row].strip()


def _last_line(event: yaml.Event) -> int:
    if isinstance(event, yaml.CollectionEndEvent) and _begin(event) == _end(event):
        return 0  # The end of a block is where something else begins.
    ends_before = _end(event).column == 0 and _end(event).line > _begin(event).line
    return int(_end(event).line - ends_before)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _begin(event: yaml.Event) -> "_Mark":
    return _Mark(event.start_mark.line, event.start_mark.column) if event.start_mark else _Mark(0, 0)


def _end(event: yaml.Event) -> "_Mark":
    return _Mark(event.end_mark.line, event.end_mark.column) if event.end_mark else _Mark(0, 0)


def _line(event: yaml.Event) -> int:
    return int(_begin(event).line) + 1


def _item(item: Mapping[str, str], indent: int) -> list[str]:
    pairs = [f"{key}: {_scalar(value)}" for key, value in item.items()]
    return [f"{' ' * indent}{'- ' if not number else '  '}{pair}" for number, pair in enumerate(pairs)]


def _flow(item: Mapping[str, str]) -> str:
    return json.dumps(dict(item), ensure_ascii=False)


def _scalar(value: str) -> str:
    """As people write it, in quotes where it would mean something else without."""
    plain = _PLAIN.fullmatch(value) and value == value.strip() and document.scalar(value) == value
    return value if plain else json.dumps(value, ensure_ascii=False)


# ---------------------------------------------------------------------------------------------------- the file


def _verify(before: str, after: str, item: Mapping[str, str], settings: config.Settings) -> None:
    """That the new text says what the old one said and `item`, which is a valid source. Raises FlawError."""
    values = []
    for text in (before, after):
        scratch = document.Document(path=Path("sources.yaml"), name="sources.yaml")
        value = document.parse(text, scratch)
        values.append((value if isinstance(value, dict) else {}, scratch))
    (old, _), (new, read) = values
    wanted = dict(old) | {"sources": [*(old.get("sources") or ()), dict(item)]}
    if new != wanted:
        raise document.FlawError(f"has a form that cannot be added to without changing it: {_BY_HAND}")
    read.value = {"sources": [dict(item)]}
    read.checked(config.SourcesFile, {"folder": settings.folder, "poll": settings.poll})
    if read.mistakes:
        raise document.FlawError(read.mistakes[0].text.removeprefix("sources[0]."))


def _text(path: Path, name: str) -> str:
    """All of it, a mark at its beginning too."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise errors.ConfigError(f"{name}: cannot be read: {exc}") from exc


def _replace(path: Path, name: str, before: str, after: str) -> None:
    """The file with other words, all or nothing, if it still says what it said before. Raises ConfigError."""
    scratch: Path | None = None
    try:
        if path.read_bytes() != before.encode():
            raise errors.ConfigError(f"{name}: was changed at the same moment; nothing was added, try again")
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            scratch = Path(file.name)
            file.write(after.encode())
            file.flush()
            os.fsync(file.fileno())
        scratch.chmod(path.stat().st_mode & 0o7777)
        scratch.replace(path)
    except OSError as exc:
        if scratch is not None:
            scratch.unlink(missing_ok=True)
        raise errors.ConfigError(f"{name}: cannot be written: {(exc.strerror or str(exc)).lower()}") from exc
