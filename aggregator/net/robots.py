"""A page's URL → how fast its host's robots.txt lets it be fetched, or the error that says why it may not be (RFC 9309).

Which lines are meant for whom is read here, as Google's parser reads them; what their patterns match is protego's work, and it is given
only lines that are meant for us: it keeps a rule once for every agent of its group, so that 500 KiB can become gigabytes.
"""

import asyncio
import codecs
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count, islice
from typing import Protocol
from urllib.parse import quote
from weakref import WeakValueDictionary

import protego

from aggregator import clock, errors, markup, model
from aggregator.net import guard

# RFC 9309 §2.5: at least so much must be read.
MOST_BYTES = 500 * 1024
# RFC 9309 §2.4: no copy is to be used for longer, unless there is no newer one.
_DAY = timedelta(hours=24)
_FIRST_RETRY = timedelta(hours=1)
# RFC 9309 §2.3.1.4: what cannot be had for so long is as good as absent.
_GIVEN_UP = timedelta(days=30)
_LONGEST_DELAY = 60.0
_PATH = "/robots.txt"
# RFC 9309 §2.3.1.2: after too many redirects it counts as absent; so it does where they lead nowhere.
_ASTRAY = frozenset({"redirects", "redirect_loop", "bad_redirect"})
# The host was not asked, and what our own proxy says is no word of its.
_NOT_THEIRS = frozenset({"retry_after", "proxy", "proxy_auth", "proxy_refused"})
_TOO_MANY_REQUESTS, _SERVER_ERROR = 429, 500

# Google's parser cuts lines there, robots.cc `kMaxLineLen`.
_LONGEST_LINE = 2083 * 8 - 1
# For one agent. Of 120 recorded ones the longest has 201 rules, none of them more than four wildcards.
_MOST_RULES, _MOST_WILDCARDS = 10_000, 20
# Each of these is searched for in the whole path: a thousand take 20 ms for the longest URL, ten thousand 200.
_MOST_SEARCHES = 1_000
_SITEMAP = re.compile(r"\ufeff?\s*site-?map\s*:\s*(\S+)", re.IGNORECASE)
_MOST_SITEMAPS = 50
# Parsed copies in memory, and what they take, in bytes or so; a rule takes some 600 besides its text.
_COPIES, _ROOM, _RULE_SIZE = 512, 32 << 20, 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What was finally answered to a request for robots.txt; of the body the first 500 KiB are enough."""

    status: int
    body: bytes


class Shelf(Protocol):
    """Where robots.txt survives a restart. Called in a thread."""

    def recall(self, host: str) -> model.HostRecord | None: ...

    def keep(self, record: model.HostRecord) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """Holds from `since` until `ask_at`. `rules` is None where all is forbidden, because of `error`."""

    since: datetime
    ask_at: datetime
    rules: "Rules | None"
    error: str | None


class Robots:
    """One request a day to a host, shared by all who wait for it. `aclose` ends those under way."""

    def __init__(
        self, *, fetch: Callable[[str, str | None], Awaitable[Copy]], shelf: Shelf, clock: clock.Clock
    ) -> None:
        self._fetch, self._shelf, self._clock = fetch, shelf, clock
        self._memory: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._taken = 0
        self._flights: dict[tuple[str, str], asyncio.Task[_Known]] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def aclose(self) -> None:
        """Cancel the requests that nobody waits for any more."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def check(self, url: str, agent: str, proxy: str | None = None) -> float | None:
        """The crawl delay in seconds that the host of `url` asks of `agent` (a product token), if any; at most a minute. It is asked
        for by way of `proxy`, as the page will be; what is known already is known whatever the way.

        Raises BlockedError (`robots`) where its robots.txt forbids the page, FetchError (`robots_unreachable`, `retry_after`) where it
        cannot be had, the FetchError of the request where it could not even be made, and StoreError.
        """
        host, address, path = _placed(url)
        if path.partition("?")[0] == _PATH:
            return None
        known = await self._known(host, address, agent, proxy)
        if known.rules is None:
            said = f"robots.txt of {host} cannot be had ({known.error}); it is asked for again at {known.ask_at:%Y-%m-%d %H:%M} UTC"
            raise errors.FetchError(said, code="robots_unreachable", retry_after=known.ask_at, url=url)
        if not known.rules.permits(path):
            raise errors.BlockedError(f"robots.txt of {host} forbids {markup.line(path, 100)}", code="robots", url=url)
        return known.rules.delay

    async def sitemaps(self, url: str, agent: str, proxy: str | None = None) -> tuple[str, ...]:
        """The sitemaps that the robots.txt of the host of `url` names, as it writes them; none where there is none. Raises as `check`."""
        host, address, _ = _placed(url)
        await self._known(host, address, agent, proxy)
        record = await asyncio.to_thread(self._shelf.recall, host)
        return named_sitemaps(record.robots or "") if record is not None else ()

    # ---------------------------------------------------------------------------------------------------- what is known

    async def _known(self, host: str, address: str, agent: str, proxy: str | None) -> _Known:
        key, now = (host, agent), self._clock()
        known = self._memory.get(key)
        # What was learned in the future was learned by a clock that was wrong.
        if known is not None and known.since <= now < known.ask_at:
            self._memory.move_to_end(key)
            return known
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._learn(host, address, agent, proxy))
            flight.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(flight)

    def _landed(self, key: tuple[str, str], flight: asyncio.Task[_Known]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            # Whoever waited has been told; if nobody did, nobody needs to be.
            flight.exception()

    async def _learn(self, host: str, address: str, agent: str, proxy: str | None) -> _Known:
        # Another agent asks for the same document.
        async with self._locks.setdefault(host, asyncio.Lock()):
            record = await asyncio.to_thread(self._shelf.recall, host) or model.HostRecord(host=host)
            fresh = _fresh(record, self._clock())
            if not fresh:
                record = await self._asked(record, address, proxy)
            known = await asyncio.to_thread(_read, record, agent, self._clock())
            self._remember((host, agent), known)
            if not fresh:
                delay = known.rules.delay if known.rules is not None else None
                await asyncio.to_thread(self._shelf.keep, replace(record, crawl_delay=delay))
        return known

    async def _asked(self, record: model.HostRecord, address: str, proxy: str | None) -> model.HostRecord:
        """`record` with what the host answers now."""
        try:
            copy = await self._fetch(address, proxy)
        except errors.FetchError as exc:
            refused = isinstance(exc, errors.BlockedError) and exc.url in (None, address)
            if refused or exc.code in _NOT_THEIRS:
                # The page would meet the same refusal, which says nothing about robots.txt.
                raise
            if exc.code not in _ASTRAY:
                return _failed(record, f"{exc.code}: {exc}", self._clock())
            copy = Copy(status=404, body=b"")
        if copy.status == _TOO_MANY_REQUESTS or copy.status >= _SERVER_ERROR:
            return _failed(record, f"HTTP {copy.status}", self._clock())
        text = await asyncio.to_thread(_decoded, copy.body) if 200 <= copy.status < 300 else ""
        return replace(record, robots=text, robots_at=self._clock(), robots_error=None, robots_since=None)

    def _remember(self, key: tuple[str, str], known: _Known) -> None:
        if (old := self._memory.pop(key, None)) is not None:
            self._taken -= _size(old)
        self._memory[key] = known
        self._taken += _size(known)
        while len(self._memory) > _COPIES or (self._taken > _ROOM and len(self._memory) > 1):
            self._taken -= _size(self._memory.popitem(last=False)[1])


def _placed(url: str) -> tuple[str, str, str]:
    """The name its host is kept under, the address of robots.txt, and its path and query as they are sent. Raises BlockedError."""
    parsed = guard.shaped(url)
    host, netloc = parsed.raw_host.decode("ascii").lower(), parsed.netloc.decode("ascii").lower()
    usual = guard.port_of(parsed) == (443 if parsed.scheme == "https" else 80)
    # httpx2 leaves the usual port out of `netloc`.
    return host if usual else netloc, f"{parsed.scheme}://{netloc}{_PATH}", parsed.raw_path.decode("ascii")


def named_sitemaps(text: str) -> tuple[str, ...]:
    """The addresses in the `Sitemap:` lines of a robots.txt: they belong to no group (RFC 9309 §2.2.4)."""
    found = (match[1] for line in text.splitlines() if (match := _SITEMAP.match(line[:_LONGEST_LINE])))
    return tuple(islice(dict.fromkeys(found), _MOST_SITEMAPS))


# ------------------------------------------------------------------------------------------------------------- records


def _fresh(record: model.HostRecord, now: datetime) -> bool:
    return record.robots_at is not None and record.robots_at <= now < _ask_at(record, record.robots_at)


def _ask_at(record: model.HostRecord, asked_at: datetime) -> datetime:
    """When to ask again: a day after success; after a failure in an hour, then as long again as it has been failing."""
    if record.robots_error is None:
        return asked_at + _DAY
    return asked_at + min(_FIRST_RETRY + (asked_at - (record.robots_since or asked_at)), _DAY)


def _failed(record: model.HostRecord, error: str, now: datetime) -> model.HostRecord:
    """`record`, whose robots.txt cannot be had; the text that it had remains."""
    since = min(record.robots_since or now, now)
    return replace(record, robots_at=now, robots_error=markup.line(error, 200), robots_since=since)


def _read(record: model.HostRecord, agent: str, now: datetime) -> _Known:
    """What `record`, asked for at its `robots_at`, means for `agent`."""
    asked_at, text = record.robots_at or now, record.robots
    if record.robots_error is None:
        text = text or ""
    elif now - (record.robots_since or now) >= _GIVEN_UP:
        text = ""
    rules = Rules(text, agent) if text is not None else None
    return _Known(since=asked_at, ask_at=_ask_at(record, asked_at), rules=rules, error=record.robots_error)


def _decoded(body: bytes) -> str:
    """The text of a robots.txt, whatever its bytes are; a line that 500 KiB cut in two is left out, for half a path forbids more."""
    if len(body) >= MOST_BYTES:
        body = body[:MOST_BYTES]
        body = body[: max(body.rfind(b"\n"), body.rfind(b"\r")) + 1]
    wide = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = body.decode("utf-16" if wide else "utf-8", "replace")
    # The database takes no NUL. Half a byte order mark is one, says Google.
    return text.replace("\x00", "").lstrip("\ufeff\ufffd")


def _size(known: _Known) -> int:
    return known.rules.size if known.rules is not None else 0


# --------------------------------------------------------------------------------------------------------------- rules

_FIELDS = (
    ("agent", ("user-agent", "useragent", "user agent")),
    ("Disallow", ("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw")),
    ("Allow", ("allow",)),
    ("Crawl-delay", ("crawl-delay", "crawl delay", "crawldelay")),
)
_LINE = re.compile(r"[^\r\n]+")
# RFC 9309 §2.2.1
_PRODUCT = re.compile(r"[A-Za-z_-]+")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
# RFC 3986 §2.3
_UNRESERVED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
# What no URL contains as it stands (RFC 3986 §2).
_UNSAFE = {code: f"%{code:02X}" for code in (*range(0x21), 0x7F, *map(ord, '"<>\\^`{|}'))}
# In a path these are characters like others, which a pattern must write as %2A and %24 (RFC 9309 §2.2.3).
_LITERAL = _UNSAFE | {ord("*"): "%2A", ord("$"): "%24"}


class Rules:
    """What a robots.txt says to `agent`: `delay` in seconds, and which paths it permits. `size` is about the bytes it takes."""

    __slots__ = ("_agent", "_said", "delay", "size")

    def __init__(self, text: str, agent: str) -> None:
        lines = _meant_for(agent, text)
        self.size = 200 + sum(map(len, lines)) + _RULE_SIZE * len(lines)
        self._said = protego.Protego.parse("\n".join(("User-agent: *", *lines))) if lines else None
        delay = self._said.crawl_delay("*") if self._said is not None else None
        self.delay = min(delay, _LONGEST_DELAY) if delay else None

    def permits(self, path: str) -> bool:
        """Whether `path`, with its query and as it will be sent, may be asked for."""
        if self._said is None:
            return True
        return self._said.can_fetch(f"http://_{_escaped(path.translate(_LITERAL))}", "*")


def _meant_for(agent: str, text: str) -> list[str]:
    """The rules and the crawl delay that `text` has for `agent`, or else for everybody, each a line that protego reads as Google would.

    A group of rules ends where an agent is named after a rule. Other lines do not end it (RFC 9309 §2.2.4), but a crawl delay is for
    those named before it only: many give one to a single robot and go on to the next without any rule.
    """
    agent, said = agent.lower(), dict[str, dict[str, None]]()
    heeding, delayed = set[str](), set[str]()
    ruled = stalled = False
    for field, value in _directives(text):
        if field == "agent":
            heeding = set() if ruled else heeding
            delayed = set() if ruled or stalled else delayed
            ruled = stalled = False
            name = "*" if value.split()[:1] == ["*"] else _product(value)
            if name and name in ("*", agent):
                said.setdefault(name, {})
                heeding, delayed = heeding | {name}, delayed | {name}
            continue
        stalled, ruled = True, ruled or field != "Crawl-delay"
        hearing = [
            said[name] for name in (delayed if field == "Crawl-delay" else heeding) if len(said[name]) < _MOST_RULES
        ]
        # What is said to others only need not be understood.
        lines = dict.fromkeys(_rules(field, value) if hearing else ())
        for each in hearing:
            each.update(lines)
    searches = count(1)
    heard = said.get(agent, said.get("*", {}))
    return [line for line in heard if "*" not in line or next(searches) <= _MOST_SEARCHES]


def _directives(text: str) -> Iterable[tuple[str, str]]:
    """The lines that concern us, as (field, value)."""
    for found in _LINE.finditer(text):
        line = found[0][:_LONGEST_LINE].partition("#")[0].strip()
        name, colon, value = line.partition(":")
        if not colon:
            # "Disallow /x" is understood, a sentence is not (robots.cc `GetKeyAndValueFrom`).
            words = line.split()
            if len(words) != 2:
                continue
            name, value = words
        name = name.strip().lower()
        if field := next((field for field, starts in _FIELDS if name.startswith(starts)), None):
            yield field, value.strip()


def _product(value: str) -> str:
    found = _PRODUCT.match(value)
    return found[0].lower() if found else ""


def _rules(field: str, value: str) -> Iterable[str]:
    """The lines for protego that say what `field: value` says."""
    if field == "Crawl-delay":
        yield f"{field}: {value[:20]}"
        return
    if value.count("*") > _MOST_WILDCARDS:
        # Nobody means such a thing. Cut short it matches more, which only a Disallow may.
        if field == "Allow":
            return
        value = "*".join(value.split("*")[:_MOST_WILDCARDS]) + "*"
    if not value:
        return
    pattern = quote(value.translate(_UNSAFE), safe="%!*'();:@&=+$,/?#[]~")
    pattern = pattern[:-1].replace("$", "%24") + pattern[-1]
    yield f"{field}: {_escaped(pattern)}"
    folder, slash, name = pattern.rpartition("/")
    if field == "Allow" and name.startswith("index.htm"):
        # robots.cc `HandleAllow`: who allows its index page allows the folder.
        yield f"{field}: {_escaped(folder + slash)}$"
    if field == "Disallow" and (plain := _ESCAPE.sub(_unreserved, pattern)) != pattern:
        # RFC 9309 §2.2.2 has `%7E` mean `~`, Google's suite has it mean only itself: what either forbids is forbidden.
        yield f"{field}: {_escaped(plain)}"


def _escaped(text: str) -> str:
    """`text` with its own escapes protected from protego, which would undo them; their digits in upper case."""
    return _ESCAPE.sub(lambda found: found[0].upper(), text).replace("%", "%25")


def _unreserved(escape: re.Match[str]) -> str:
    char = chr(int(escape[0][1:], 16))
    return char if char in _UNRESERVED else escape[0]
