"""Any bytes, all the way from a document to what may be stored: decoding, split, parser, cleaning, identity. Nothing breaks, nothing bad passes."""

import re
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregator import errors, model
from aggregator.feed import dates, edits, entry, familiar, identity, parse
from tests import feeds, make

FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
RUNS = re.compile(
    r"<\s*(?:script|iframe|object|embed|style|svg|math)\b|\son\w+\s*=|javascript:|vbscript:", re.IGNORECASE
)
ADDRESS = re.compile(r"(?:href|src)=\"(?!https?://|mailto:)", re.IGNORECASE)
TYPES = ("application/rss+xml", "text/xml; charset=utf-16", "application/json; charset=idna", "\0;charset=", "")
SEEDS = [path.read_bytes() for path in sorted(Path(feeds.CORPUS).iterdir()) if ".expected." not in path.name]
SEEDS += [
    seed.decode("utf-8", "replace").encode(codec, "replace")
    for seed in SEEDS[:3]
    for codec in ("utf-16", "utf-32", "latin-1")
]
_PIECES = (
    b"<item>|</item>|<item/>|<entry>|</entry>|<guid>|]]>|<![CDATA[|<!--|-->|<!DOCTYPE r [|&#xD800;|&#0;|&lt;script>|&amp;amp;|&x;|<|>|&|\"|'|"
    b"<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>|<x xmlns='' xml:base='javascript:'>|{|[|:|\\ud800"
).split(b"|")  # fmt: skip
PIECES = (*_PIECES, b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\x1f\x8b")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A document with stretches taken out, doubled, moved, or replaced by something awkward."""
    body = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 300)))
        elsewhere = draw(st.integers(0, len(body)))
        piece = draw(
            st.sampled_from(PIECES)
            | st.just(body[start:end] * 2)
            | st.just(body[elsewhere : elsewhere + 200])
            | st.binary(max_size=6)
        )
        body = body[:start] + piece + body[end:]
    return body


BYTES = mutated() | st.binary(max_size=300) | st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)


def _read(body: bytes, content_type: str, shown: model.Shown | None = None) -> model.ParsedFeed | None:
    try:
        headers = {"content-type": content_type}
        return parse.parse(body, url=feeds.URL, headers=headers, now=feeds.NOW, shown=shown)
    except errors.ParseError as exc:
        told = exc
    assert told.code
    assert str(told).isprintable()
    return None


def _unsafe(one: model.Entry) -> str | None:
    """What of an entry must not be stored."""
    texts = (
        one.title,
        one.summary,
        one.content,
        one.guid or "",
        *one.authors,
        *one.categories,
        one.published_raw or "",
    )
    for text in texts:
        if FORBIDDEN.search(text):
            return text
    if ADDRESS.search(one.content) or any(RUNS.search(tag) for tag in re.findall(r"<[^>]*>", one.content)):
        return one.content
    urls = [url for url in (one.url, one.image, *(each.url for each in one.enclosures)) if url]
    return next((url for url in urls if not url.startswith(("http://", "https://"))), None)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BYTES, BYTES, st.sampled_from(TYPES))
def test_no_bytes_break_any_step_from_a_document_to_its_decision(body: bytes, later: bytes, content_type: str) -> None:
    source = make.source()
    feed = _read(body, content_type)
    if feed is None:
        return
    assert [_unsafe(one) for one in feed.entries if _unsafe(one)] == []

    keyed = identity.keyed(feed.entries, source.id)
    decision = identity.decide(source, keyed, identity.Known(by_guid={}, by_key={}))
    ids = {one.url_key: number for number, one in enumerate(decision.new, 1)}
    assert len(decision.new) + decision.repeated == len(feed.entries)

    packed = familiar.pack(familiar.after(feed, decision, ids))
    shown = model.Shown(url=feeds.URL, packed=packed, head=familiar.head(feed), hints=feed.hints)
    again = _read(body, content_type, shown)
    assert again is not None
    # What was stored is not looked at again, unless the document must be read whole.
    assert len(again.entries) in (0, len(feed.entries)) if feed.marks else again.entries == feed.entries
    assert again.size == feed.size

    edited = _read(later, content_type, shown)
    if edited is not None:
        both = identity.keyed(edited.entries, source.id, [one.face for one in edited.known.values()])
        by_key = {one.url_key: _known(one, ids[one.url_key]) for one in decision.new}
        seen = identity.decide(source, both, identity.Known(by_guid={}, by_key=by_key), edited.known).seen
        assert all(set(one.what) <= set(edits.FIELDS) for one in seen)


def _known(new: model.NewItem, number: int) -> model.KnownItem:
    same = {name: getattr(new.entry, name) for name in ("title", "summary", "content", "url", "guid", "entry_hash")}
    return model.KnownItem(id=number, url_key=new.url_key, owner_id=1, **same)


TEXTS = st.text(st.characters(), max_size=200) | st.lists(
    st.sampled_from([*(piece.decode("latin-1") for piece in PIECES), "<a href='java&#10;script:x'>", "<svg><a xlink:href='javascript:x'>", "<b>"]),
    max_size=20,
).map("".join)  # fmt: skip
WORDS = st.builds(entry.Text, value=TEXTS, html=st.booleans(), base=TEXTS)


@settings(max_examples=300, deadline=None)
@given(
    st.builds(
        entry.Published,
        position=st.just(1),
        base=TEXTS,
        guid=TEXTS,
        guid_is_link=st.booleans(),
        links=st.tuples(TEXTS),
        title=WORDS,
        summary=WORDS,
        contents=st.lists(WORDS, max_size=2).map(tuple),
        authors=st.tuples(TEXTS),
        categories=st.tuples(TEXTS),
        languages=st.tuples(TEXTS),
        images=st.tuples(TEXTS),
        enclosures=st.lists(st.tuples(TEXTS, TEXTS, TEXTS | st.integers() | st.none()), max_size=2).map(tuple),
        stamp=st.builds(lambda one, other: dates.best(one, other, now=feeds.NOW), TEXTS, TEXTS),
    )
)
def test_no_text_breaks_the_cleaning_or_passes_it_with_what_can_run(published: entry.Published) -> None:
    cleaned = entry.clean(published)

    assert _unsafe(cleaned) is None
    # It can be written, and compared.
    "".join((cleaned.title, cleaned.summary, cleaned.content, cleaned.guid or "", cleaned.url or "")).encode("utf-8")
    assert identity.keyed([cleaned], 1)[0].url_key
