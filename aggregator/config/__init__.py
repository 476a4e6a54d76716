"""The operator's YAML files and environment, turned into one frozen Settings or into one line for each mistake."""

import difflib
import glob
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.json_schema import models_json_schema

from aggregator import errors
from aggregator.config import document
from aggregator.config.document import redact
from aggregator.config.kinds import DIRECT, ProxyAddress, proxy_address, workers_for
from aggregator.config.sections import (
    AdoptRedirect,
    AggregatorFile,
    HarvestSettings,
    HttpSettings,
    LogSettings,
    PerHost,
    PollSettings,
    Select,
    Settings,
    SourceConfig,
    SourcesFile,
    Taxonomy,
    Topic,
    WebSettings,
)

__all__ = [
    "DIRECT",
    "AdoptRedirect",
    "AggregatorFile",
    "HarvestSettings",
    "HttpSettings",
    "LogSettings",
    "PerHost",
    "PollSettings",
    "ProxyAddress",
    "Select",
    "Settings",
    "SourceConfig",
    "SourcesFile",
    "Taxonomy",
    "Topic",
    "WebSettings",
    "load",
    "proxy_address",
    "redact",
    "same_name",
    "same_url",
    "schema",
    "shown",
    "workers_for",
]

PREFIX = "AGGREGATOR_"
# The command line's own: where the file is.
NOT_SETTINGS = frozenset({"AGGREGATOR_CONFIG"})

_REFERENCE = re.compile(r"\$\{([^}]*)(\}?)")


def load(path: Path, env: Mapping[str, str], *, empty: bool = False) -> Settings:
    """The settings in `path`, in the files it names and in `env`; without a source only if they may be `empty`.

    Raises ConfigError with every mistake in them.
    """
    main = document.read(path, shown(path))
    if not main.usable:
        raise _refusal([main])
    _override(main, env)
    file = main.checked(AggregatorFile, {"folder": path.parent})
    listed = [document.read(each, shown(each)) for each in _source_files(main)]
    sources = _sources(main, listed, env)
    if listed and not sources and not empty and not any(each.mistakes for each in listed):
        listed[0].complain(("sources",), "no sources: there is nothing to collect")
    taxonomy, tags = _taxonomy(main)
    if file is not None:
        _require_callback(file, listed)
    if file is None or taxonomy is None or any(each.mistakes for each in (main, *listed, *tags)):
        raise _refusal([main, *listed, *tags])
    return Settings.of(file, path, sources, taxonomy, tuple(each.path for each in (main, *listed, *tags)))


def schema() -> dict[str, Any]:
    """JSON Schema of aggregator.yaml; those of the other files are `$defs/SourcesFile` and `$defs/Taxonomy`."""
    _, both = models_json_schema([(file, "validation") for file in (AggregatorFile, SourcesFile, Taxonomy)])
    definitions: dict[str, Any] = both["$defs"]
    main = definitions.pop("AggregatorFile")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **main, "$defs": definitions}


def _refusal(documents: Iterable[document.Document]) -> errors.ConfigError:
    mistakes = sorted({mistake for each in documents for mistake in each.mistakes})
    return errors.ConfigError(lines=tuple(str(mistake) for mistake in mistakes))


def shown(path: Path) -> str:
    """`path` as people know it: relative to where they stand, if below."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(path)


# ---------------------------------------------------------------------------------------------------- the files


def _source_files(main: document.Document) -> list[Path]:
    """The files that `sources` names, each once, in that order."""
    patterns = main.value.get("sources", AggregatorFile.model_fields["sources"].default)
    if not isinstance(patterns, list | tuple):
        return []
    if not patterns:
        main.complain(("sources",), "no files: there is nothing to collect")
    files: dict[Path, None] = {}
    for number, pattern in enumerate(patterns):
        if not isinstance(pattern, str) or "\0" in pattern:
            continue
        matches = sorted(glob.glob(pattern, root_dir=main.path.parent, recursive=True))
        if not matches:
            main.complain(("sources", number), f"{pattern!r} matches no file in {shown(main.path.parent)}")
        files.update(dict.fromkeys(main.path.parent / match for match in matches))
    return list(files)


def _sources(
    main: document.Document, listed: list[document.Document], env: Mapping[str, str]
) -> tuple[SourceConfig, ...]:
    context = {"folder": main.path.parent, "poll": _poll(main)}
    sources: list[SourceConfig] = []
    for each in listed:
        _fill(each, env)
        file = each.checked(SourcesFile, context)
        sources += file.sources if file else ()
    _refuse_repeated(_keyed(listed, ("sources", "name"), same_name), "name")
    _refuse_repeated(_keyed(listed, ("sources", "url"), same_url), "URL")
    return tuple(sources)


def _require_callback(file: AggregatorFile, listed: Iterable[document.Document]) -> None:
    """Sources that want to be pushed need an address at which hubs can call; said once, where the first of them wants it."""
    wanting = [(each, loc) for each in listed for loc, one in _elements(each, "sources") if _on(one.get("websub"))]
    flaw = _unreachable(file) if wanting else None
    if flaw is not None:
        each, loc = wanting[0]
        each.complain((*loc, "websub"), flaw)


def _on(value: object) -> bool:
    """Whether `value`, as it stands in the file, will be read as true."""
    try:
        return TypeAdapter(bool).validate_python(value)
    except ValidationError:
        return False


def _unreachable(file: AggregatorFile) -> str | None:
    """Why no hub could call us, None if one could."""
    if file.web is None or file.web.base_url is None:
        return "needs web.base_url, the public address at which hubs can reach us"
    parts = urlsplit(file.web.base_url)
    if parts.query or parts.fragment:
        return f"needs a web.base_url without ? and #, found {file.web.base_url!r}"
    if file.web.public or file.allows(parts.hostname or ""):
        return None
    return (
        f"needs a web.base_url that hubs can reach; {parts.hostname} is not public "
        "(for hubs of your own network, list its address in http.allow_networks)"
    )


def _poll(main: document.Document) -> PollSettings | None:
    """The limits that the sources must keep, None if they are themselves mistaken."""
    try:
        return PollSettings.model_validate(main.value.get("poll") or {})
    except ValidationError:
        return None


def _taxonomy(main: document.Document) -> tuple[Taxonomy | None, list[document.Document]]:
    name = main.value.get("taxonomy", AggregatorFile.model_fields["taxonomy"].default)
    if not isinstance(name, str):
        return None, []
    path = main.path.parent / name
    file = document.read(path, shown(path))
    taxonomy = file.checked(Taxonomy, {}) if file.usable else None
    _refuse_repeated(_keyed([file], ("topics", "tag"), str), "tag")
    return taxonomy, [file]


_Keyed = tuple[document.Document, document.Loc, str]


def _keyed(
    documents: Iterable[document.Document], keys: tuple[str, str], same: Callable[[str], str]
) -> Iterator[_Keyed]:
    """Where each element of the list `keys[0]` says its `keys[1]`, and what, as `same` makes it comparable."""
    top, key = keys
    for each in documents:
        for loc, element in _elements(each, top):
            if isinstance(text := element.get(key), str):
                yield each, (*loc, key), same(text)


def _elements(each: document.Document, top: str) -> Iterator[tuple[document.Loc, dict[str, Any]]]:
    elements = each.value.get(top)
    for number, element in enumerate(elements if isinstance(elements, list) else ()):
        if isinstance(element, dict):
            yield (top, number), element


def same_name(name: str) -> str:
    """Equal for names that count as the same."""
    return " ".join(name.split()).casefold()


def same_url(url: str) -> str:
    """Equal for URLs that count as the same: what Google Analytics adds to a link (utm_…) chooses no feed."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    host = parts.netloc.lower().removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ":"))
    query = "&".join(part for part in parts.query.split("&") if not part.lower().startswith("utm_"))
    return urlunsplit((parts.scheme, host, parts.path or "/", query, ""))


def _refuse_repeated(keyed: Iterable[_Keyed], noun: str) -> None:
    first: dict[str, tuple[document.Document, document.Loc]] = {}
    for each, loc, text in keyed:
        if text not in first:
            first[text] = each, loc
            continue
        other, where = first[text]
        each.complain(loc, f"the same {noun} as {document.dotted(where)} in {other.place(where)}")


# ---------------------------------------------------------------------------------------------------- the environment


def _override(main: document.Document, env: Mapping[str, str]) -> None:
    """Set what AGGREGATOR_… variables say; `__` goes into a section, `…_FILE` names a file that holds the value."""
    known = {PREFIX + "__".join(loc).upper(): loc for loc in _keys(AggregatorFile)}
    # The shorter first: a section before its keys.
    for variable in sorted(name for name in env if name.startswith(PREFIX) and name not in NOT_SETTINGS):
        name = variable if variable in known else variable.removesuffix("_FILE")
        place = document.Place(variable)
        try:
            if name not in known:
                near = difflib.get_close_matches(variable[:100], known, n=1, cutoff=0)[0]
                raise document.FlawError(f"unknown variable; did you mean {near}?")
            if name != variable and name in env:
                raise document.FlawError(f"only one of {name} and {variable} may be set")
            text = env[variable] if name == variable else document.text_of(Path(env[variable])).strip()
            main.set(known[name], _value(text, variable), place)
        except document.FlawError as exc:
            main.mistakes.append(document.Mistake(place, str(exc)))


def _keys(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    for name, info in model.model_fields.items():
        yield (name,)
        if inner := document.section(info.annotation):
            yield from ((name, *rest) for rest in _keys(inner))


def _value(text: str, variable: str) -> object:
    """Lists and mappings are YAML; anything else is text, a number, true, false or null."""
    if not text.startswith(("[", "{")):
        return document.scalar(text)
    scratch = document.Document(path=Path(variable), name=variable)
    try:
        value = document.parse(text, scratch)
    except document.FlawError:
        return text  # `[::1]:8080` is text too, and what expects a list will say so.
    if scratch.mistakes:
        raise document.FlawError(scratch.mistakes[0].text)
    return value


def _fill(file: document.Document, env: Mapping[str, str]) -> None:
    """Put values for `${NAME}` and `${file:PATH}` into the keys of a source that hold secrets."""
    for loc, source in _elements(file, "sources"):
        for key in sorted(document.SECRET_KEYS & source.keys()):
            inner = source[key]
            holder, around, keys = (
                (inner, (*loc, key), sorted(inner)) if isinstance(inner, dict) else (source, loc, [key])
            )
            for each in keys:
                try:
                    holder[each] = _filled(holder[each], env, file.path.parent)
                except document.FlawError as exc:
                    file.complain((*around, each), str(exc))
                    del holder[each]  # One complaint is enough.


def _filled(value: object, env: Mapping[str, str], folder: Path) -> object:
    def referred(match: re.Match[str]) -> str:
        name, closed = match.groups()
        if not closed:
            raise document.FlawError("'${' without its '}'")
        if name.startswith("file:"):
            path = folder / name.removeprefix("file:")
            try:
                return document.text_of(path).rstrip("\r\n")
            except document.FlawError as exc:
                raise document.FlawError(f"{shown(path)}: {exc}") from exc
        if name not in env:
            raise document.FlawError(f"the environment variable {name!r} is not set")
        return env[name]

    return _REFERENCE.sub(referred, value) if isinstance(value, str) else value
