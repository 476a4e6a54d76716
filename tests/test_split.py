"""Splitting documents: where entries begin and end, which of them count as the same, and what is left to feedparser as a whole."""

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator import errors, model
from aggregator.feed import document, entry, familiar, glance, identity, parse, split
from tests import feeds

SLASH = 'xmlns:slash="http://purl.org/rss/1.0/modules/slash/" xmlns:thr="http://purl.org/syndication/thread/1.0"'
FULL = "<item><guid>g{0}</guid><title>Title {0}</title><link>https://feed.example/{0}</link>{1}</item>"


def _outline(text: str) -> split.Outline:
    outline = split.outline(text, 5000)
    assert outline is not None
    return outline


def glanced(text: str, shown: AbstractSet[bytes]) -> split.Outline | None:
    """As a document is looked at of which something was `shown` before."""
    return glance.outline(document.bare(text).encode("utf-8", "surrogatepass"), 5000, shown) or split.outline(
        text, 5000
    )


def _spans(text: str) -> list[bytes]:
    outline = _outline(text)
    return [outline.data[part.start : part.end] for part in outline.parts]


def outlined(outline: split.Outline, shown: AbstractSet[bytes]) -> object:
    """All that is to be the same of an outline, whatever was `shown` before."""
    parts = [
        (part.start, part.end, part.exact, part.salt, part.exact in shown or outline.loose(part))
        for part in outline.parts
    ]
    return outline.data, outline.root, outline.head_hash, outline.beyond, parts


def _shown(feed: model.ParsedFeed, positions: set[int] | None = None) -> model.Shown:
    """As if the last document had shown these entries of `feed`, or all."""
    wanted = positions if positions is not None else set(range(1, len(feed.marks) + 1))
    entries = [
        model.ShownEntry(feed.marks[position - 1], position, model.Face(position, position, position))
        for position in sorted(wanted)
    ]
    return model.Shown(url=feeds.URL, packed=familiar.pack(entries), head=familiar.head(feed), hints=feed.hints)


def _again(body: str, shown: model.Shown, content_type: str = "application/xml") -> model.ParsedFeed:
    return parse.parse(body.encode(), url=feeds.URL, headers={"content-type": content_type}, now=feeds.NOW, shown=shown)


def _known_after(first: str, second: str) -> set[int]:
    """The positions in the second document of what the first has shown."""
    return set(_again(second, _shown(feeds.read(first))).known)


def _feed(*inner: str, head: str = "") -> str:
    entries = "".join(FULL.format(n, one) for n, one in enumerate(inner, 1))
    return f'<rss version="2.0" {SLASH} xmlns:media="http://search.yahoo.com/mrss/"><channel><title>F</title>{head}{entries}</channel></rss>'


# ---------------------------------------------------------------------------------------------------- spans


def test_the_spans_of_the_entries_are_their_bytes() -> None:
    assert _spans(feeds.rss(feeds.THREE)) == [feeds.ITEM.format(n).encode() for n in (1, 2, 3)]


@pytest.mark.parametrize(
    "document",
    [
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><channel/>{0}</rdf:RDF>',
        '<x:feed xmlns:x="http://www.w3.org/2005/Atom">{0}</x:feed>',
        "<rss><channel>{0}</channel></rss>",
    ],
)
def test_entries_are_found_in_every_format_whatever_their_prefix(document: str) -> None:
    prefix = "x:" if "x:feed" in document else ""
    name = f"{prefix}{'entry' if prefix else 'item'}"
    entries = [f"<{name} a='>'>1</{name} >", f"<{name}/>", f"<{name}><!-- > -->\u00fc</{name}\n>"]

    assert _spans(document.format(" ".join(entries))) == [entry.encode() for entry in entries]


def test_an_empty_element_does_not_end_with_what_it_is_in() -> None:
    """expat is past an empty element when it says that it ended: what stands there may be the end of its parent."""
    last = _outline("<rss><channel><item/></channel></rss>")
    (counter,) = _outline(f"<rss {SLASH}><channel><item><slash:comments/></item></channel></rss>").parts

    assert (last.parts[0].end - last.parts[0].start, last.without({1})) == (7, b"<rss><channel></channel></rss>")
    assert [end - start for start, end in counter.left_out] == [len("<slash:comments/>")]


@pytest.mark.parametrize(
    "document",
    [
        "<rss><channel><item>",
        "<rss><channel><item><title>AT&T</title></item></channel></rss>",
        '<!DOCTYPE rss [<!ENTITY x "y">]><rss><channel><item>&x;</item></channel></rss>',
        "<!DOCTYPE rss><rss><channel><item/></channel></rss>",
        "<rss><channel><item><item/></item></channel></rss>",
        "<rss><channel><image><item/></image></channel></rss>",
        "<item><title>alone</title></item>",
        "<rss><channel><item><dc:date>unbound</dc:date></item></channel></rss>",
        "<rss><channel><item><a:b xmlns:a='urn:1'/></item><item><a:b xmlns:a='urn:2'/></item></channel></rss>",
        "<rss><channel><item><a:b xmlns:a='urn:1'/></item><item><c:b xmlns:c='urn:1'/></item></channel></rss>",
        "<rss><channel><item " + " ".join(f"a{n}='1'" for n in range(300)) + "/></channel></rss>",
        "text",
        "",
    ],
)
def test_what_may_read_differently_in_parts_is_left_whole(document: str) -> None:
    assert split.outline(document, 5000) is None


def test_beyond_so_many_entries_they_are_counted_and_left_out_together() -> None:
    document = feeds.rss(f"{feeds.THREE}<!-- between -->{feeds.ITEM.format(4)}<ttl>90</ttl>")
    outline = split.outline(document, 2)

    assert outline is not None
    assert [outline.data[part.start : part.end] for part in outline.parts] == [
        feeds.ITEM.format(n).encode() for n in (1, 2)
    ]
    assert outline.beyond == 2
    assert (
        outline.without(())
        == feeds.rss(f"{feeds.ITEM.format(1)}{feeds.ITEM.format(2)}<ttl>90</ttl>").partition("?>")[2].encode()
    )


def test_what_comes_beyond_changes_nothing_of_the_head() -> None:
    one, other = (split.outline(feeds.rss(f"{feeds.THREE}<!-- {n} -->{feeds.ITEM.format(n)}"), 2) for n in (4, 5))

    assert one is not None
    assert other is not None
    assert one.head_hash == other.head_hash


def test_of_many_new_entries_so_many_are_read_at_a_time_and_the_next_look_reads_on() -> None:
    body = feeds.rss("".join(feeds.ITEM.format(n) for n in range(entry.MOST_ENTRIES + 3)))

    first = feeds.read(body)
    again = _again(body, _shown(first, set(range(1, entry.MOST_ENTRIES + 1))))

    assert (len(first.entries), first.left, first.damage, first.size) == (
        entry.MOST_ENTRIES,
        3,
        None,
        entry.MOST_ENTRIES + 3,
    )
    assert ([one.guid for one in again.entries], again.left) == ([f"g{entry.MOST_ENTRIES + n}" for n in range(3)], 0)


def test_without_an_entry_the_rest_stays_as_it_is() -> None:
    outline = _outline(feeds.rss(feeds.THREE))

    assert outline.without({2}) == outline.data.replace(feeds.ITEM.format(2).encode(), b"")


_PIECES = st.sampled_from(
    "<item> </item> <item/> <entry> </entry> <guid>a</guid> <guid>b</guid> <!-- --> <![CDATA[ ]]> <source><id>s</id></source> word "
    "<pubDate>Thu, 18 Sep 2025 08:00:00 GMT</pubDate> <slash:comments>3</slash:comments> <x:item> </x:item> <item\n> <itemized/>".split(
        " "
    )
)


@settings(max_examples=400)
@given(st.lists(_PIECES, max_size=12), st.lists(st.lists(_PIECES, max_size=4), max_size=6), st.data())
def test_an_outline_is_the_same_whatever_was_shown_before(
    head: list[str], inner: list[list[str]], data: st.DataObject
) -> None:
    entries = "".join(f"<item><guid>g{n}</guid>{''.join(pieces)}</item>" for n, pieces in enumerate(inner))
    text = f'<rss {SLASH} xmlns:x="urn:x"><channel>{"".join(head)}{entries}</channel></rss>'
    plain = split.outline(text, 5000)
    known = [part.exact for part in plain.parts] if plain is not None else [b"12345678"]
    shown = data.draw(st.sets(st.sampled_from(known))) if known else set()

    again = glanced(text, shown)

    assert (again is None) == (plain is None)
    if plain is not None and again is not None:
        assert outlined(again, shown) == outlined(plain, shown)


@pytest.mark.parametrize(
    "trap",
    [
        "<![CDATA[{0}]]>",
        "<!-- {0} -->",
        "<item>{0}</item>",
        "<image>{0}</image>",
        "<description>{0}</description>",
    ],
)
def test_the_bytes_of_an_entry_are_one_only_where_entries_stand(trap: str) -> None:
    first = _outline(feeds.rss(feeds.THREE))
    shown = {part.exact for part in first.parts}
    text = feeds.rss(trap.format(feeds.ITEM.format(1)) + feeds.THREE)

    plain, again = split.outline(text, 5000), glanced(text, shown)

    assert (again is None) == (plain is None)
    assert plain is None or again is None or outlined(again, shown) == outlined(plain, shown)


def test_where_nearly_all_was_shown_before_expat_reads_only_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {part.exact for part in _outline(feeds.rss(feeds.THREE)).parts}
    read: list[str] = []

    class Watched(split.Pass):
        def _start(self, name: str, attributes: Mapping[str, str]) -> None:
            read.append(name)
            super()._start(name, attributes)

    monkeypatch.setattr(split, "Pass", Watched)
    outline = glanced(feeds.rss(feeds.THREE + feeds.ITEM.format(4)), shown)

    assert outline is not None
    assert [part.exact in shown for part in outline.parts] == [True, True, True, False]
    # One empty element in the place of those three.
    assert (read.count("item"), read.count("guid")) == (2, 1)


@pytest.mark.parametrize(
    "content_type", ["", "text/xml; charset=utf-8", "text/xml; charset=iso-8859-1", "text/xml; charset=gbk"]
)
@pytest.mark.parametrize(
    "declaration",
    ["", '<?xml version="1.0"?>\n', '<?xml version="1.0" encoding="latin1"?>', '<?xml encoding="koi8-r"?>'],
)
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b" \n", b"\xef\xbb\xbf \n"])
def test_the_bytes_of_utf8_are_those_of_its_text(content_type: str, declaration: str, before: bytes) -> None:
    body = before + f"{declaration}<rss>\u00fc</rss>".encode()
    headers = {"content-type": content_type}
    text = document.decode(body, headers)

    found = document.utf8(body, headers)

    assert found == document.bare(text).encode() if "\u00fc" in text else found is None


def test_a_document_of_many_entries_is_not_glanced_at_where_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "_MOST_ENTRIES", 2)
    monkeypatch.setattr(parse, "_MOST_MARKS", ((b"<", 10),))
    first = feeds.read(feeds.rss(feeds.THREE))
    body, headers = feeds.rss(feeds.THREE).encode(), {"content-type": "application/xml"}

    assert parse.begin(body, url=feeds.URL, headers=headers, now=feeds.NOW, shown=_shown(first)) is None
    assert set(_again(body.decode(), _shown(first)).known) == {1, 2, 3}


# ---------------------------------------------------------------------------------------------------- what is the same


def test_what_was_shown_is_not_parsed_again_and_keeps_its_place() -> None:
    first = feeds.read(feeds.rss(feeds.THREE))
    newer = feeds.rss(feeds.ITEM.format(4) + feeds.THREE)

    again = _again(newer, _shown(first))

    assert [(entry.position, entry.guid) for entry in again.entries] == [(1, "g4")]
    assert {position: one.item_id for position, one in again.known.items()} == {2: 1, 3: 2, 4: 3}
    assert again.size == 4


def test_a_document_that_shows_nothing_new_says_of_itself_what_it_said() -> None:
    head = "<ttl>90</ttl><lastBuildDate>{}</lastBuildDate><language>de</language>"
    first = feeds.read(_feed("", head=head.format("Thu, 18 Sep 2025 08:00:00 GMT")))

    again = _again(_feed("", head=head.format("Thu, 18 Sep 2025 09:00:00 GMT")), _shown(first))

    assert again.entries == ()
    assert (again.title, again.language, again.hints, again.version) == (
        first.title,
        first.language,
        first.hints,
        first.version,
    )


def test_a_new_title_of_the_feed_is_read_though_no_entry_is_new() -> None:
    first = feeds.read(_feed(""))

    again = _again(_feed("").replace("<title>F</title>", "<title>New</title>"), _shown(first))

    assert (again.title, again.entries) == ("New", ())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<slash:comments>1</slash:comments>", "<slash:comments>2</slash:comments>"),
        ("<slash:comments>1</slash:comments>", ""),
        ("<thr:total>1</thr:total>", "<thr:total>22</thr:total>"),
        (
            "<media:community><media:statistics views='1'/></media:community>",
            "<media:community><media:statistics views='2'/></media:community>",
        ),
        ("<pubDate>Thu, 18 Sep 2025 08:00:00 GMT</pubDate>", "<pubDate>Thu, 18 Sep 2025 08:05:00 GMT</pubDate>"),
        ("<!-- made at 1 -->", "<!-- made at 2 -->"),
        ("<comments>https://x.example/?a=1&amp;utm_source=1</comments>", "<comments>https://x.example/?a=1&amp;utm_source=2</comments>"),
        ("<media:thumbnail url='https://x.example/i.jpg?sig=1'/>", "<media:thumbnail url='https://x.example/i.jpg?sig=2'/>"),
        (
            "<description>&lt;img src=&quot;https://x.example/i.gif?r=1&quot;&gt;word</description>",
            "<description>&lt;img src=&quot;https://x.example/i.gif?r=2&quot;&gt;word</description>",
        ),
        ("<description>Points: 3 # Comments: 4</description>", "<description>Points: 5 # Comments: 6</description>"),
    ],
)  # fmt: skip
def test_counters_and_stamps_make_no_entry_new(before: str, after: str) -> None:
    assert _known_after(_feed(before), _feed(after)) == {1}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<description>one</description>", "<description>two</description>"),
        ("<enclosure url='https://x.example/1.mp3'/>", "<enclosure url='https://x.example/2.mp3'/>"),
        ("<category>a</category>", "<category>b</category>"),
        ("<slash:section>a</slash:section>", "<slash:section>b</slash:section>"),
        # A mailer's address of a newsletter, which `url_key` keeps there.
        ("<comments>https://mailchi.mp/a?mc_cid=1</comments>", "<comments>https://mailchi.mp/a?mc_cid=2</comments>"),
        ("<comments>https://x.example/?id=1</comments>", "<comments>https://x.example/?id=2</comments>"),
        (
            "<description>&lt;img src=&quot;i.gif?r=1&quot;&gt;word</description>",
            "<description>&lt;img src=&quot;i.gif?r=1&quot;&gt;other</description>",
        ),
        ("<description>It has 3 points.</description>", "<description>It has 4 points.</description>"),
    ],
)
def test_everything_else_makes_it_new(before: str, after: str) -> None:
    assert _known_after(_feed(before), _feed(after)) == set()


def test_a_date_counts_where_nothing_else_tells_entries_apart() -> None:
    dated = "<rss version='2.0'><channel><item><title>Alert</title><pubDate>Thu, 18 Sep 2025 0{}:00:00 GMT</pubDate></item></channel></rss>"

    assert _known_after(dated.format(1), dated.format(2)) == set()


def test_an_entry_is_another_where_its_links_are_relative_to_something_else() -> None:
    atom = '<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://{}.example/"><entry><id>1</id><link href="a"/></entry></feed>'

    assert _known_after(atom.format("one"), atom.format("two")) == set()


def test_items_of_a_json_feed_are_known_by_what_matters_in_them() -> None:
    def feed(**second: object) -> str:
        items = [
            {"id": "1", "content_text": "one", "date_modified": "2025-09-18"},
            {"id": "2", "content_text": "two", **second},
        ]
        return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "F", "items": items})

    first = feeds.read(feed(_views=1), "application/json")

    counted = _again(feed(_views=2, date_modified="2025-09-19"), _shown(first), "application/json")
    edited = _again(feed(content_text="three"), _shown(first), "application/json")

    assert (set(counted.known), counted.entries) == ({1, 2}, ())
    assert (set(edited.known), [entry.content for entry in edited.entries]) == ({1}, ["<p>three</p>"])


def test_what_was_packed_is_unpacked() -> None:
    entry = model.ShownEntry(model.Mark(b"12345678", b"abcdefgh"), 2**40, model.Face(0, 2**32 - 1, 7))

    assert familiar.unpack(familiar.pack([entry, entry])) == (entry, entry)
    assert familiar.unpack(b"half") == ()


def test_keys_are_judged_from_the_whole_document_though_only_a_part_of_it_was_parsed() -> None:
    """Three entries with one link: it names none of them, neither when all are parsed nor when two are known."""
    shared = "<item><title>{0}</title><link>https://feed.example/live</link></item>"
    whole = feeds.read(feeds.rss("".join(shared.format(word) for word in ("a", "b", "c"))))
    keyed = identity.keyed(whole.entries, 1)

    alone = identity.keyed(whole.entries[2:], 1, [one.face for one in keyed[:2]])

    assert alone == keyed[2:]
    assert alone[0].url_key != identity.url_key("https://feed.example/live")


# ---------------------------------------------------------------------------------------------------- whatever comes

PIECES = st.sampled_from(
    [
        "<rss>", "</rss>", "<channel>", "</channel>", "<item>", "</item>", "<item/>", "<entry>", "</entry>", "<guid>", "</guid>",
        "<pubDate>", "</pubDate>", "<title>", "</title>", "<!--", "-->", "<![CDATA[", "]]>", "&amp;", "&", "?utm_source=1", "<a:b xmlns:a='u'>",
        "</a:b>", " src='x?y'", "\x00", "\ufffe", "\U0001f600", "x", "<?xml version='1.0'?>", "<!DOCTYPE a>", "&#0;", "&#xD800;", "=", "'", "\n",
        "Points: 1", "<link rel='replies' xmlns='http://www.w3.org/2005/Atom'/>", "{", "[", '"items":', '"version":"https://jsonfeed.org/version/1"',
    ]
)  # fmt: skip


def _survives(body: bytes) -> None:
    """Whatever it is, it is a feed or a reason, and the same again when it was shown before."""
    headers = {"content-type": "application/xml"}
    try:
        first = parse.parse(body, url=feeds.URL, headers=headers, now=feeds.NOW)
    except errors.ParseError:
        return
    again = parse.parse(body, url=feeds.URL, headers=headers, now=feeds.NOW, shown=_shown(first))
    assert again.size == first.size
    assert set(again.known) == set(range(1, len(first.marks) + 1))


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=300))
def test_no_bytes_break_it(body: bytes) -> None:
    _survives(body)


@settings(deadline=None, max_examples=500)
@given(st.lists(PIECES, max_size=30).map("".join), st.sampled_from(["utf-8", "utf-16", "utf-32", "latin-1"]))
def test_no_pieces_of_feeds_break_it(text: str, encoding: str) -> None:
    _survives(text.encode(encoding, "replace"))


@settings(deadline=None, max_examples=300)
@given(st.lists(PIECES, max_size=12), st.sets(st.integers(1, 4)))
def test_whatever_is_in_entries_cutting_some_out_changes_no_other(inner: list[str], cut: set[int]) -> None:
    body = feeds.rss(
        "".join(
            f"<item><guid>{n}</guid><title>{''.join(inner[n * 3 - 3 : n * 3])}</title></item>" for n in (1, 2, 3, 4)
        )
    )
    first = feeds.read(body)
    if len(first.marks) != 4:
        return

    again = _again(body, _shown(first, cut))

    assert set(again.known) == cut
    assert again.entries == tuple(entry for entry in first.entries if entry.position not in cut)
