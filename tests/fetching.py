"""The one client as tests have it: it may contact loopback, what it fetches is small, and TLS is by an authority of our own."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from aggregator import config, errors, model
from aggregator.net import fetcher, manners, robots
from tests.scripted_web import Answer

BODY = b"<rss><channel><title>Ice</title></channel></rss>"
OK = Answer(body=BODY)
AUTHORITY = trustme.CA()


@pytest.fixture
async def client() -> AsyncIterator[fetcher.Fetcher]:
    async with fetching() as ready:
        yield ready


@pytest.fixture
def bundle() -> Iterator[Path]:
    """The file of the authority's certificate."""
    with AUTHORITY.cert_pem.tempfile() as path:
        yield Path(path)


@asynccontextmanager
async def fetching(shelf: robots.Shelf | None = None, **settings: Any) -> AsyncIterator[fetcher.Fetcher]:
    """A client that may contact loopback, does not space its requests, and gives up after five seconds."""
    usual = {
        "timeout": "5s",
        "per_host": {"concurrency": 20, "spacing": "0s"},
        "allow_networks": ["127.0.0.0/8"],
    }
    http = config.HttpSettings.model_validate(usual | settings)
    ready = fetcher.Fetcher(http, manners.Manners(http.per_host), shelf=shelf)
    try:
        yield ready
    finally:
        await ready.aclose()


def tls(*names: str, not_before: datetime | None = None, not_after: datetime | None = None) -> ssl.SSLContext:
    """For a server of these names, whose certificate is valid in this time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(*names, not_before=not_before, not_after=not_after).configure_cert(context)
    return context


def asking(url: str, **changes: Any) -> model.Request:
    return replace(model.Request(url=url, accept="application/rss+xml, */*;q=0.1", max_bytes=1 << 20), **changes)


async def refused(answer: Awaitable[model.Response]) -> errors.FetchError:
    """The error it ends in, which says in one short line what is wrong."""
    with pytest.raises(errors.FetchError) as caught:
        await answer
    assert "\n" not in str(caught.value)
    assert 0 < len(str(caught.value)) <= 300
    return caught.value
