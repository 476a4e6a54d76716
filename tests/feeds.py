"""Small feeds for tests, and what the parser makes of them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from aggregator import errors, model
from aggregator.feed import parse

CORPUS = Path(__file__).parent / "corpus" / "feeds"
URL = "https://feed.example/news/feed.xml"
NOW = datetime(2025, 9, 19, tzinfo=UTC)
ITEM = "<item><title>Title {0}</title><link>https://feed.example/{0}</link><guid>g{0}</guid></item>"
THREE = "".join(ITEM.format(n) for n in (1, 2, 3))


def read(body: bytes | str, content_type: str = "application/xml", url: str = URL) -> model.ParsedFeed:
    data = body if isinstance(body, bytes) else body.encode()
    return parse.parse(data, url=url, headers={"content-type": content_type}, now=NOW)


def rss(items: str, prolog: str = "") -> str:
    spaces = 'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:media="http://search.yahoo.com/mrss/"'
    head = "<title>Feed</title><link>https://feed.example/</link>"
    return f'<?xml version="1.0" encoding="utf-8"?>{prolog}<rss version="2.0" {spaces}><channel>{head}{items}</channel></rss>'


def item(inner: str) -> model.Entry:
    """The only entry of an RSS feed."""
    (entry,) = read(rss(f"<item>{inner}</item>")).entries
    return entry


def atom(inner: str) -> model.Entry:
    """The only entry of an Atom feed."""
    (entry,) = read(
        f'<feed xmlns="http://www.w3.org/2005/Atom"><title>Feed</title><entry>{inner}</entry></feed>'
    ).entries
    return entry


def refused(body: bytes | str, content_type: str = "application/xml") -> tuple[str, str]:
    """The code and the words of the error."""
    with pytest.raises(errors.ParseError) as caught:
        read(body, content_type)
    return caught.value.code, str(caught.value)
