"""A JSON Feed (jsonfeed.org, versions 1 and 1.1) into a `model.ParsedFeed`. Reads what is there, insists on nothing but items."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from aggregator import errors, markup, model
from aggregator.feed import archive, dates, entry, familiar, hints, split

_VERSIONS = {"1": "json10", "1.0": "json10", "1.1": "json11"}
_LONGEST_TITLE = 1_000
_STAMPS = frozenset({"date_published", "date_modified"})


def recognises(text: str) -> bool:
    """Whether `text` is a JSON object or list, or was meant to be one; no XML document and no HTML page is."""
    return text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[")


def read(text: str, *, url: str, now: datetime, shown: model.Shown | None = None) -> model.ParsedFeed:
    """The feed in `text`, fetched from `url`; items that were `shown` before are not read. Raises ParseError: `not_a_feed` for other
    JSON, `unreadable` for broken JSON."""
    try:
        feed = json.loads(text.lstrip("\ufeff"), strict=False)
    except RecursionError as exc:
        raise errors.ParseError("JSON nested too deeply to be read", code="unreadable") from exc
    except ValueError as exc:
        raise errors.ParseError(f"JSON that cannot be read: {markup.line(str(exc), 100)}", code="unreadable") from exc
    version = feed.get("version") if isinstance(feed, dict) else None
    items = feed.get("items") if isinstance(feed, dict) else None
    if not isinstance(version, str) or "jsonfeed.org/version/" not in version or not isinstance(items, list):
        raise errors.ParseError("JSON that is no JSON Feed")
    usable = [item for item in items if isinstance(item, dict)]
    damage = f"{len(items) - len(usable):,} of {len(items):,} items are no objects" if usable != items else None
    # Of a damaged document nothing is remembered: it will be read as a whole again.
    listed = usable[: entry.MOST_LISTED if damage is None else entry.MOST_ENTRIES]
    marks, known = ((), {}) if damage else _recognised(listed, feed, shown)
    new = [(n, item) for n, item in enumerate(listed, 1) if n not in known]
    entries = [_entry(n, item, feed, url, now) for n, item in new[: entry.MOST_ENTRIES]]
    hubs, self_url = hints.websub(_links(feed), url)
    return model.ParsedFeed(
        version=_VERSIONS.get(version.strip().rstrip("/").rpartition("/")[2], "json"),
        entries=tuple(entries),
        title=markup.line(_string(feed, "title"), _LONGEST_TITLE) or None,
        site_url=entry.address(_string(feed, "home_page_url"), url),
        language=entry.language([_string(feed, "language")]),
        damage=damage,
        left=len(new) - len(entries),
        beyond=len(usable) - len(listed),
        hubs=hubs,
        self_url=self_url,
        older=archive.named([("next_url", _string(feed, "next_url"))], url),
        marks=marks,
        known=known,
    )


def _recognised(
    items: Sequence[dict[str, Any]], feed: dict[str, Any], shown: model.Shown | None
) -> tuple[tuple[model.Mark, ...], Mapping[int, model.ShownEntry]]:
    """The marks of all items, and those that were shown before. What an item takes from its feed counts as its own."""
    inherited = split.fingerprint(json.dumps([feed.get(key) for key in ("language", "authors", "author")]).encode())
    ids = Counter(_string(item, "id") for item in items)
    # As in `feed.split`: without ids an item may be told from another by its date alone.
    dated = any(count > 1 or not name for name, count in ids.items())
    left_out = frozenset() if dated else _STAMPS

    def exact(item: dict[str, Any]) -> bytes:
        return split.fingerprint(json.dumps(item, sort_keys=True).encode(), inherited)

    def loose(item: dict[str, Any]) -> bytes:
        # Version 1.1: the names of extensions begin with an underscore. We read none.
        matters = {key: value for key, value in item.items() if key not in left_out and not key.startswith("_")}
        return split.fingerprint(split.lasting(json.dumps(matters, sort_keys=True).encode()), inherited)

    return familiar.match(items, exact, loose, shown)


def _links(feed: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Where it is pushed from and its own address, as links of an XML feed."""
    yield "self", _string(feed, "feed_url")
    yield from (
        ("hub", _string(hub, "url")) for hub in _dicts(feed, "hubs") if _string(hub, "type").lower() == "websub"
    )


def _entry(position: int, item: dict[str, Any], feed: dict[str, Any], url: str, now: datetime) -> model.Entry:
    return entry.clean(
        entry.Published(
            position=position,
            base=url,
            guid=_string(item, "id"),
            # The page it is, an id that is its address, at last the page it is about.
            links=(_string(item, "url"), _absolute(_string(item, "id")), _string(item, "external_url")),
            title=entry.Text(value=_string(item, "title")),
            summary=entry.Text(value=_string(item, "summary")),
            contents=(
                entry.Text(value=_string(item, "content_html"), html=True),
                entry.Text(value=_string(item, "content_text")),
            ),
            # Version 1.1: "if there is no author in the item, the feed's is used".
            authors=tuple(_authors(item)) or tuple(_authors(feed)),
            categories=tuple(_strings(item, "tags")),
            languages=(_string(item, "language"), _string(feed, "language")),
            images=(_string(item, "image"), _string(item, "banner_image")),
            enclosures=tuple(
                (_string(one, "url"), _string(one, "mime_type"), one.get("size_in_bytes"))
                for one in _dicts(item, "attachments")
            ),
            stamp=dates.best(_string(item, "date_published"), _string(item, "date_modified"), now=now),
        )
    )


def _authors(holder: dict[str, Any]) -> Iterator[str]:
    """The names in `authors` (1.1) and `author` (1.0)."""
    author = holder.get("author")
    for one in (*_dicts(holder, "authors"), *([author] if isinstance(author, dict) else [])):
        if name := _string(one, "name"):
            yield name


def _absolute(text: str) -> str:
    """`text` if it is an http(s) URL by itself, else nothing."""
    return text if text.startswith(("http://", "https://")) else ""


def _string(holder: dict[str, Any], key: str) -> str:
    """The text at `key`; numbers are texts too, as ids that people forgot to quote."""
    value = holder.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    return value if isinstance(value, str) else ""


def _strings(holder: dict[str, Any], key: str) -> list[str]:
    value = holder.get(key)
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _dicts(holder: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = holder.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
