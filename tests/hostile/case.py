"""What a case is: what the server does, and what must come out of it; with the few words that cases are written in."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape

# The daemon's `http.timeout` in these runs, and what a poll may need beyond it: its turn, a busy machine, one commit.
TIMEOUT = 5.0
DEADLINE = TIMEOUT + 4.0
# What is parsed waits for a worker among other traps, each of which may take its whole ten seconds.
PARSED = 60.0
WELL = ""


class ResetError(Exception):
    """Raised by a play: the connection is to end with RST."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request; `nth` counts those of this case for this path, from 1. A raw connection has asked for nothing yet."""

    path: str
    nth: int
    headers: Mapping[str, str]
    host: str
    page_host: str
    port: int
    canary: int

    @property
    def base(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def page(self) -> str:
        return f"http://{self.page_host}:{self.port}"


Play = Callable[[Asked], bytes | AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """A row of `polls`; `code` is WELL for a poll that did not fail."""

    at: datetime
    took: float
    outcome: str
    code: str
    error: str
    status: int | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item that the case's source showed."""

    url: str | None
    title: str
    summary: str
    content: str
    text: str | None
    state: str
    reason: str | None
    published_at: datetime
    date_source: str
    guid: str | None
    categories: tuple[str, ...]
    enclosures: tuple[int | None, ...]
    revisions: int

    @property
    def words(self) -> str:
        """Everything that is stored of it as text."""
        parts = (self.url, self.title, self.summary, self.content, self.text, self.guid, self.reason, *self.categories)
        return "\n".join(part or "" for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the database holds of a case, and what its server was asked: (path, headers)."""

    state: str
    code: str
    error: str
    feed_url: str
    polls: tuple[Poll, ...]
    items: tuple[Item, ...]
    asked: tuple[tuple[str, Mapping[str, str]], ...]

    @property
    def titles(self) -> set[str]:
        return {item.title for item in self.items}


Check = Callable[[Result], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What must come out. `steps` are the acceptable codes of each poll in turn, the last of them of all that follow; `items` the
    least and the most that may be stored; `check` says what else is wrong, or None."""

    steps: tuple[frozenset[str], ...]
    items: tuple[int, int]
    titles: frozenset[str] | None = None
    deadline: float = DEADLINE
    check: Check | None = None

    def flaws(self, result: Result) -> Iterable[str]:
        """Everything that came out otherwise."""
        if not result.polls:
            yield "it was never polled"
        for n, poll in enumerate(result.polls):
            allowed = self.steps[min(n, len(self.steps) - 1)]
            if poll.code not in allowed:
                yield f"poll {n + 1} ended {poll.code or 'well'!r} ({poll.error}), not {sorted(allowed)}"
            if poll.took > self.deadline:
                yield f"poll {n + 1} took {poll.took:.1f} s, more than {self.deadline:g} s"
        if result.polls and result.state != (told := _state(result.polls[-1].code)):
            yield f"its state is {result.state!r}, not {told!r}"
        if result.polls and result.polls[-1].code and not result.error:
            yield "it failed without a reason in words"
        least, most = self.items
        if not least <= len(result.items) <= most:
            yield f"{len(result.items)} items are stored, not {least if least == most else f'{least} to {most}'}"
        if self.titles is not None and result.titles != self.titles:
            yield f"the titles are {sorted(result.titles)[:5]}, not {sorted(self.titles)[:5]}"
        if self.check is not None and (flaw := self.check(result)) is not None:
            yield flaw


def _state(code: str) -> str:
    if code == WELL:
        return "active"
    return "gone" if code == "gone" else "failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`kind` is how its host listens (server.py); `page` plays a second host, where its articles are."""

    id: str
    want: Want
    play: Play | None = None
    kind: str = "http"
    url: str = "http://{host}:{port}/feed"
    page: Play | None = None
    page_kind: str = "http"
    full_text: str = "never"
    polls: int = 1
    heavy: bool = False

    @property
    def interval(self) -> str:
        """How often it is polled: what is over after one poll need not keep the machine busy."""
        return "5s" if self.polls > 1 else "30s"


# ---------------------------------------------------------------------------------------------------- what is wanted


def bad(*codes: str, items: int = 0, deadline: float = DEADLINE, check: Check | None = None) -> Want:
    """Every poll fails with one of `codes`, and nothing is stored."""
    return Want(steps=(frozenset(codes),), items=(items, items), deadline=deadline, check=check)


def unread(*codes: str, deadline: float = PARSED, check: Check | None = None) -> Want:
    """The document is refused by whoever parses it."""
    return Want(steps=(frozenset(codes),), items=(0, 0), deadline=deadline, check=check)


def well(
    items: int, *, most: int | None = None, titles: Iterable[str] | None = None, check: Check | None = None
) -> Want:
    """Every poll is good, and all is stored."""
    named = frozenset(titles) if titles is not None else None
    return Want(steps=(frozenset({WELL}),), items=(items, most or items), titles=named, deadline=PARSED, check=check)


def either(*codes: str, items: tuple[int, int], check: Check | None = None, deadline: float = PARSED) -> Want:
    """Refused with one of `codes`, or read (WELL, "damaged"): both are right."""
    return Want(steps=(frozenset(codes),), items=items, deadline=deadline, check=check)


def steps(
    *each: str | tuple[str, ...], items: int, titles: Iterable[str] | None = None, check: Check | None = None
) -> Want:
    """One poll after the other: what each may end with."""
    told = tuple(frozenset({one} if isinstance(one, str) else one) for one in each)
    named = frozenset(titles) if titles is not None else None
    return Want(steps=told, items=(items, items), titles=named, deadline=PARSED, check=check)


def both(*checks: Check) -> Check:
    """The first flaw that any of `checks` finds."""
    return lambda result: next((flaw for check in checks if (flaw := check(result)) is not None), None)


def that(true: Callable[[Result], bool], flaw: str) -> Check:
    """`flaw`, unless `true` of the result."""
    return lambda result: None if true(result) else flaw


def nothing_of(*words: str) -> Check:
    """None of `words` may be in what is stored."""

    def check(result: Result) -> str | None:
        stored = "\n".join([result.error, *(item.words for item in result.items)])
        return next((f"{word[:40]!r} is stored" for word in words if word in stored), None)

    return check


# ---------------------------------------------------------------------------------------------------- what is served


def http(body: bytes = b"", status: str = "200 OK", /, **headers: str | None) -> bytes:
    """A whole answer; `_` in a header's name stands for `-`, None leaves a usual header out."""
    usual: dict[str, str | None] = {
        "content-length": str(len(body)),
        "content-type": "application/rss+xml",
        "connection": "close",
    }
    told = usual | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items() if value is not None)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1") + body


def head(status: str = "200 OK", /, **headers: str | None) -> bytes:
    """An answer's head with its body to come, which ends with the connection unless a header says otherwise."""
    return http(b"", status, **({"content_length": None} | headers))


def moved(to: str, status: str = "302 Found") -> bytes:
    return http(b"", status, location=to)


def entry(base: str, n: int | str, title: str | None = None, more: str = "") -> str:
    """One RSS item with its own address, guid, date and some words."""
    return (
        f"<item><title>{title if title is not None else f'Story {n}'}</title><link>{base}/a/{n}</link>"
        f"<guid isPermaLink='false'>{base}#{n}</guid><pubDate>Thu, 18 Sep 2025 08:00:00 GMT</pubDate>"
        f"<description>The words of story {n}, which are not many.</description>{more}</item>"
    )


def rss(*entries: str, prolog: str = '<?xml version="1.0" encoding="utf-8"?>', more: str = "") -> str:
    """An RSS document."""
    return (
        f"{prolog}<rss version='2.0' xmlns:content='http://purl.org/rss/1.0/modules/content/'><channel><title>A feed</title>"
        f"<link>http://example.org/</link><description>d</description>{more}{''.join(entries)}</channel></rss>"
    )


def feed(base: str, count: int = 3) -> bytes:
    """A healthy document: stories 1 to `count`."""
    return rss(*(entry(base, n) for n in range(1, count + 1))).encode()


def stories(count: int = 3) -> set[str]:
    return {f"Story {n}" for n in range(1, count + 1)}


def doc(make: Callable[[str], str | bytes], **headers: str | None) -> Play:
    """Serves the document that `make` makes for the host's own address."""

    def play(asked: Asked) -> bytes:
        made = make(asked.base)
        return http(made.encode() if isinstance(made, str) else made, **headers)

    return play


def raw(answer: bytes) -> Play:
    """Says exactly this, whatever is asked."""
    return lambda _: answer


def by_turn(*plays: Play) -> Play:
    """One play for each request of a path, the last of them for all that follow."""
    return lambda asked: plays[min(asked.nth, len(plays)) - 1](asked)


def good(asked: Asked) -> bytes:
    """A healthy feed of three stories."""
    return http(feed(asked.base))


async def silence() -> None:
    """Until the client goes."""
    await asyncio.Event().wait()


def tag(text: str) -> str:
    return escape(text, quote=True)


# What the canaries say: it must turn up nowhere.
SECRET = "canary-4f1d"
