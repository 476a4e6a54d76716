"""Entries that are hard to tell apart, or hard to recognise; dates and links that mislead. Nothing is lost, nothing stored twice."""

from datetime import UTC, datetime, timedelta

from tests.hostile.case import (
    Asked,
    Case,
    Check,
    Play,
    Result,
    by_turn,
    doc,
    entry,
    http,
    moved,
    rss,
    stories,
    tag,
    that,
    well,
)  # fmt: skip

_DATES = (
    "", "yesterday", "0000-00-00", "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT", "9999-12-31T23:59:59Z",
    "99999-01-01", "-0001-01-01", "2025-02-30", "2025-13-45T99:99:99Z", "31/12/2025", "12/31/2025", "1758182400",
    "1758182400000", "-1", "9" * 400, "Thu, 32 Sep 2025 25:61:61 XYZ", "Thu, 18 Sep 2025 08:00:00 +9999",
    "Thu, 18 Sep 2025 08:00:60 GMT", "20250918T080000Z", "2025-W38-4", "2025\u5e749\u670818\u65e5", "Jeudi 18 septembre 2025",
)  # fmt: skip


def _twice(
    play: Play, items: int, check: Check | None = None, *, name: str, polls: int = 3, most: int | None = None
) -> Case:
    """Polled several times: that must not change how many items there are."""
    return Case(id=name, play=play, want=well(items, most=most, check=check), polls=polls)


def _plausible(result: Result) -> str | None:
    now = datetime.now(UTC)
    for item in result.items:
        if not datetime(1990, 1, 1, tzinfo=UTC) <= item.published_at <= now + timedelta(minutes=1):
            return f"{item.title!r} is dated {item.published_at}"
    return None


def _dated(base: str) -> str:
    return rss(
        *(
            f"<item><title>Story {n}</title><link>{base}/{n}</link><guid>{base}/{n}</guid><pubDate>{date}</pubDate></item>"
            for n, date in enumerate(_DATES, 1)
        )
    )


def _item(inside: str, title: str = "One", words: str = "Some words.") -> str:
    return f"<item><title>{title}</title>{inside}<description>{words}</description></item>"


def _each(make: str, count: int = 3) -> Play:
    """`count` entries, `{n}` and `{base}` filled in, the same at every request; `{nth}` is the number of the request."""

    def play(asked: Asked) -> bytes:
        entries = (make.format(n=n, base=asked.base, nth=asked.nth) for n in range(1, count + 1))
        return http((rss(*entries) + f"<!-- {asked.nth} -->").encode())

    return play


def _unrevised(result: Result) -> str | None:
    changed = sum(1 for item in result.items if item.revisions)
    return f"{changed} items have revisions of what never changed" if changed else None


def _reorder(asked: Asked) -> bytes:
    numbers = [(n + asked.nth * 7) % 20 for n in range(20)]
    return http(rss(*(entry(asked.base, n) for n in numbers)).encode())


def _window(asked: Asked) -> bytes:
    """Ten of fifty, five further at each request."""
    first = min(asked.nth - 1, 8) * 5
    return http(rss(*(entry(asked.base, n) for n in range(first + 1, first + 11))).encode())


def _seen_windows(result: Result) -> str | None:
    last = min(len(result.polls) - 1, 8) * 5 + 10
    missing = stories(last) - result.titles
    return f"{len(missing)} of {last} stories are lost" if missing else None


def _vanish(asked: Asked) -> bytes:
    numbers = (1, 2, 3) if asked.nth % 2 else (1, 3)
    return http(rss(*(entry(asked.base, n) for n in numbers)).encode())


def _flap(asked: Asked) -> bytes:
    title = "Story A" if asked.nth % 2 else "Story B"
    return http(rss(entry(asked.base, 1, title), entry(asked.base, 2)).encode())


def _three_versions(result: Result) -> str | None:
    most = max(item.revisions for item in result.items)
    return f"{most} versions of an item that has two" if most > 3 else None


def _old(asked: Asked) -> bytes:
    """Ten new ones, then five hundred old ones at once."""
    numbers = range(1, 11) if asked.nth == 1 else range(1, 511)
    return http(rss(*(entry(asked.base, n) for n in numbers)).encode())


def _other_format(asked: Asked) -> bytes:
    if asked.nth % 2:
        return http(rss(*(entry(asked.base, n) for n in (1, 2, 3))).encode())
    entries = "".join(
        f"<entry><id>{asked.base}#{n}</id><title>Story {n}</title><link href='{asked.base}/a/{n}'/>"
        f"<updated>2025-09-18T08:00:00Z</updated><summary>The words of story {n}, which are not many.</summary></entry>"
        for n in (1, 2, 3)
    )
    body = f"<feed xmlns='http://www.w3.org/2005/Atom'><title>A feed</title>{entries}</feed>"
    return http(body.encode(), content_type="application/atom+xml")


GUIDS = (
    _twice(_each(_item("<link>{base}/{n}</link>", "Story {n}")), 3, name="guid-missing"),
    _twice(_each(_item("<link>{base}/{n}</link><guid>same</guid>", "Story {n}")), 3, name="guid-common"),
    _twice(_each(_item("<link>{base}/{n}</link><guid></guid>", "Story {n}")), 3, name="guid-empty"),
    _twice(_each(_item("<link>{base}/{n}</link><guid isPermaLink='false'>{nth}-{n}</guid>", "Story {n}")), 3, name="guid-changing"),
    _twice(
        by_turn(
            _each(_item("<link>{base}/{n}</link><guid isPermaLink='false'>abc{n}</guid>", "Story {n}")),
            _each(_item("<link>{base}/{n}</link><guid isPermaLink='false'>ABC{n}</guid>", "Story {n}")),
        ),
        3,
        name="guid-case",
    ),
    # The guid of one article given to another: both are kept.
    _twice(_each(_item("<link>{base}/{nth}</link><guid isPermaLink='false'>g</guid>", "Story {nth}"), 1), 2, name="guid-reused",
           most=60, check=that(lambda result: len(result.items) == len(result.polls), "an article is lost")),
    # Twice in one document: once is enough.
    _twice(doc(lambda base: rss(entry(base, 1), entry(base, 1), entry(base, 2))), 2, name="guid-duplicate"),
    _twice(_each(_item("<guid isPermaLink='false'>g{n}</guid>", "Story {n}")), 3, name="link-missing"),
    _twice(_each(_item("<link>{base}/</link><guid isPermaLink='false'>g{n}</guid>", "Story {n}")), 3, name="link-common"),
    _twice(_each(_item("<link>not a link at all</link><guid isPermaLink='false'>g{n}</guid>", "Story {n}")), 3, name="link-words"),
    _twice(_each("<item><title>Story {n}</title></item>"), 3, name="all-but-title-missing"),
    _twice(_each("<item><description>Words {n}.</description></item>"), 3, name="all-but-words-missing"),
    _twice(doc(lambda _: rss("<item></item>", "<item/>")), 0, name="everything-missing", most=2),
    _twice(_each(_item("<guid>{base}/{n}</guid>", "Same title")), 3, name="title-common"),
)  # fmt: skip

CHANGES = (
    _twice(_reorder, 20, _unrevised, name="reorder"),
    Case(id="sliding-window", play=_window, want=well(10, most=50, check=_seen_windows), polls=4),
    _twice(_vanish, 3, _unrevised, name="vanish-and-return"),
    _twice(_flap, 2, _three_versions, name="flap", polls=6),
    _twice(_each(_item("<link>{base}/{n}?utm_source=rss&amp;utm_campaign={nth}&amp;fbclid=x{nth}</link>", "Story {n}")), 3,
           name="tracking-parameters"),
    _twice(_each(_item("<link>{base}/{n}#at-{nth}</link>", "Story {n}")), 3, name="fragment-counter"),
    _twice(
        by_turn(_each(_item("<link>{base}/a/{n}/</link>", "Story {n}")), _each(_item("<link>{base}/a/{n}</link>", "Story {n}"))),
        3, name="slash-at-end",
    ),
    _twice(_each(_item("<guid isPermaLink='false'>g{n}</guid><link>{base}/{n}</link>", "Story {n}", "Read {nth} times.")), 3,
           _unrevised, name="counter-in-words"),
    _twice(_each(_item("<guid isPermaLink='false'>g{n}</guid><link>{base}/{n}</link><pubDate>Thu, 18 Sep 2025 08:{nth:02}:00 GMT</pubDate>",
                       "Story {n}")), 3, _unrevised, name="moving-dates"),
    Case(id="old-500-at-once", play=_old, want=well(510, titles=stories(510)), polls=2),
    _twice(_other_format, 3, _unrevised, name="rss-then-atom"),
    _twice(doc(_dated), len(_DATES), _plausible, name="wild-dates", polls=2),
    _twice(_each(_item("<link>{base}/Path/{n}</link>", "Story {n}")), 3, name="path-case"),
    _twice(doc(lambda base: rss(*(f"<item><title>S</title><link>{base}/{n}</link></item>" for n in ("Aa", "aA")))), 2,
           name="path-case-matters"),
)  # fmt: skip

LINKS = (
    Case(
        id="xml-base-hostile",
        play=doc(
            lambda _: "<feed xmlns='http://www.w3.org/2005/Atom' xml:base='javascript:alert(1)//'><title>t</title>"
            "<entry xml:base='file:///etc/'><id>1</id><title>One</title><link href='passwd'/>"
            "<content type='html'>&lt;a href='x'&gt;x&lt;/a&gt;&lt;p&gt;w&lt;/p&gt;</content></entry></feed>"
        ),
        want=well(1, check=that(
            lambda result: all((item.url or "http:").startswith("http") and "file:" not in item.content for item in result.items),
            "a link left http",
        )),
    ),
    Case(
        id="relative-links",
        play=doc(lambda _: rss("<item><title>One</title><link>../a/b.html?c#d</link><guid isPermaLink='false'>1</guid></item>")),
        want=well(1, check=that(lambda result: (result.items[0].url or "").endswith("/a/b.html?c#d"), "it is not resolved")),
    ),
    Case(
        id="enclosure-lengths",
        play=doc(
            lambda base: rss(
                "<item><title>One</title><guid>1</guid>"
                + "".join(
                    f"<enclosure url='{base}/{n}.mp3' type='audio/mpeg' length='{tag(length)}'/>"
                    for n, length in enumerate(("0", "-1", "12 MB", "9" * 30, "unknown", "", "1e9", "\u0663", "9223372036854775808"))
                )
                + "</item>"
            )
        ),
        want=well(1, check=that(
            lambda result: all(length is None or 0 <= length < 1 << 63 for length in result.items[0].enclosures), "a length is odd"
        )),
    ),
    Case(
        id="hostile-hints",
        play=doc(lambda base: rss(
            entry(base, 1),
            more=f"<ttl>{'9' * 50}</ttl><skipHours>{''.join(f'<hour>{n}</hour>' for n in range(24))}</skipHours>"
            "<skipDays>" + "".join(f"<day>{day}</day>" for day in
                                   "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()) + "</skipDays>"
            "<sy:updatePeriod xmlns:sy='http://purl.org/rss/1.0/modules/syndication/'>yearly</sy:updatePeriod>",
        )),
        want=well(1, check=that(
            lambda result: all(
                poll.next_at is not None and poll.next_at - poll.at <= timedelta(days=1) for poll in result.polls
            ),
            "the next poll is more than a day away",
        )),
    ),
    Case(
        id="negative-hints",
        play=doc(lambda base: rss(entry(base, 1), more="<ttl>-5</ttl><skipHours><hour>99</hour></skipHours>")),
        want=well(1, check=that(
            lambda result: all(poll.next_at is not None and poll.next_at > poll.at for poll in result.polls), "it is polled at once"
        )),
        polls=2,
    ),
    Case(
        id="redirect-merge",
        # Two sources become one URL: the items are there once, and both sources are well.
        play=lambda asked: moved(f"{asked.page}/feed", "301 Moved Permanently"),
        page=lambda asked: http(rss(*(entry(asked.page, n) for n in (1, 2, 3))).encode()),
        want=well(3, titles=stories()),
        polls=2,
    ),
)  # fmt: skip

CASES = (*GUIDS, *CHANGES, *LINKS)
