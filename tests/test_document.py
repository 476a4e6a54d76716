"""Documents that are broken, set traps, or are written in some other character set."""

import pytest

from tests import feeds

# ---------------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("cut", [1, 20, 30, 40, 60, len(feeds.ITEM.format(3)) + len("</channel></rss>") - 1])
def test_a_document_that_is_cut_off_yields_its_whole_entries_and_says_so(cut: int) -> None:
    whole = 3 if cut <= len("</channel></rss>") else 2

    feed = feeds.read(feeds.rss(feeds.THREE)[:-cut])

    assert [entry.guid for entry in feed.entries] == ["g1", "g2", "g3"][:whole]
    assert feed.damage == f"the document is cut off after {whole} entries"


@pytest.mark.parametrize("bad", ["AT&T", "a <b c", "&nbsp;"])
def test_an_ill_formed_document_that_is_cut_off_says_so_too(bad: str) -> None:
    feed = feeds.read(feeds.rss(f"<item><title>{bad}</title><guid>g0</guid></item>{feeds.THREE}")[:-40])

    assert [entry.guid for entry in feed.entries] == ["g0", "g1", "g2"]
    assert feed.damage == "the document is cut off after 3 entries"


def test_a_document_cut_off_inside_a_character_keeps_its_other_characters() -> None:
    body = feeds.rss(feeds.ITEM.format("Å") + "<item><title>éééé").encode()

    feed = feeds.read(body[: body.rindex("é".encode()) + 1])

    assert [entry.title for entry in feed.entries] == ["Title Å"]
    assert feed.damage == "the document is cut off after 1 entry"


def test_a_document_cut_off_before_any_entry_ends_has_none() -> None:
    for body in (feeds.rss("")[:-20], feeds.rss(feeds.THREE)[: feeds.rss(feeds.THREE).index("</item>")]):
        feed = feeds.read(body)

        assert (feed.entries, feed.damage) == ((), "the document is cut off before the end of its first entry")


@pytest.mark.parametrize(
    "body",
    [
        feeds.rss(feeds.THREE).replace("Title 2", "Fish & Chips"),
        feeds.rss(feeds.THREE).replace("Title 2", "Fish &nbsp; &copy; &unheard;"),
        feeds.rss(feeds.THREE) + "<script>counter()</script>",
        "\n \n" + feeds.rss(feeds.THREE),
        "Warning: line 3\n" + feeds.rss(feeds.THREE),
        "<br />\n<b>Warning</b>: line 3\n" + feeds.rss(feeds.THREE),
        "\ufeff" + feeds.rss(feeds.THREE),
        feeds.rss(feeds.THREE).replace("Title 2", "Title\0 \x01 2"),
        feeds.rss(feeds.THREE).replace("<item>", "<item><unknown:x>1</unknown:x>"),
        feeds.rss(feeds.THREE).replace("</title>", "</Title>"),
    ],
    ids=lambda body: body[:20],
)
def test_ill_formed_documents_are_read_whole_without_complaint(body: str) -> None:
    feed = feeds.read(body)

    assert [entry.guid for entry in feed.entries] == ["g1", "g2", "g3"]
    assert feed.damage is None


def test_bare_ampersands_and_names_of_html_are_read_as_meant() -> None:
    entry = feeds.item("<title>AT&T &eacute;t&eacute; R&D &lt;3</title><link>https://feed.example/?a=1&b=2</link>")

    assert entry.title == "AT&T été R&D <3"
    assert entry.url == "https://feed.example/?a=1&b=2"


def test_ampersands_in_cdata_are_left_alone() -> None:
    entry = feeds.item("<title>a & b</title><description><![CDATA[<a href='/?a=1&b=2'>x & y</a>]]></description>")

    assert 'href="https://feed.example/?a=1&amp;b=2"' in entry.content
    assert entry.summary == "x & y"


@pytest.mark.parametrize("broken", ["&", "<a>"])
def test_of_too_many_entries_in_what_cannot_be_split_the_first_5000_are_kept(broken: str) -> None:
    feed = feeds.read(feeds.rss(broken + "".join(f"<item><guid>{n}</guid></item>" for n in range(5_003))))

    assert [feed.entries[0].guid, feed.entries[-1].guid, len(feed.entries)] == ["0", "4999", 5_000]
    assert (feed.damage, feed.left, feed.beyond, feed.size) == (None, 0, 3, 5_003)


# ---------------------------------------------------------------------------------------------------- traps


@pytest.mark.parametrize(
    ("subset", "words"),
    [
        ('<!ENTITY x SYSTEM "file:///etc/passwd">', "declares external entities (file:///etc/passwd)"),
        ('<!ENTITY x PUBLIC "-//X" "http://other.example/x">', "declares external entities (http://other.example/x)"),
        (
            '<!ENTITY % x SYSTEM "http://other.example/x.dtd">%x;',
            "declares external entities (http://other.example/x.dtd)",
        ),
        ("<!ENTITY % x \"<!ENTITY y 'z'>\">%x;", "declares parameter entities"),
        ('<!ENTITY a "aa"><!ENTITY x "&a;&a;">', "declares nested entities (x)"),
        ('<!ENTITY a "aa"><!ENTITY x "&#38;a;&#x26;a;">', "declares nested entities (x)"),
        ('<!ENTITY a "<b>"><!ENTITY x SYSTEM "file:///x">', "declares external entities (file:///x)"),
        (f'<!ENTITY x "{"a" * 60_000}">', "declares entities that expand beyond all measure"),
        ("<!ENTITY x 'unclosed", "declares entities in a DOCTYPE that cannot be read"),
        ('<!ENTITY x "a' + "a" * 70_000, "declares entities in a DOCTYPE that cannot be read"),
    ],
    ids=lambda value: value[:40],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_that_expand_or_come_from_elsewhere_are_refused(subset: str, words: str, encoding: str) -> None:
    body = feeds.rss(f"<item><title>{'&x;' * 20}</title></item>", f"<!DOCTYPE rss [{subset}]>")

    assert feeds.refused(body.encode(encoding)) == ("entities", words)


def test_a_chain_of_entities_that_crashes_expat_is_refused() -> None:
    chain = "".join(f'<!ENTITY e{n} "&e{n + 1};">' for n in range(30_000))

    assert feeds.refused(feeds.rss("<item><title>&e0;</title></item>", f"<!DOCTYPE rss [{chain}]>"))[0] == "entities"


def test_simple_entities_are_expanded() -> None:
    prolog = '<!DOCTYPE rss [\n<!ENTITY paper "The Gazette">\n<!ENTITY copy "&#169;">]>'

    (entry,) = feeds.read(feeds.rss("<item><title>&copy; &paper;</title></item>", prolog)).entries

    assert entry.title == "© The Gazette"


def test_the_character_names_of_html_may_be_declared_by_reference() -> None:
    lat1 = '<!ENTITY % HTMLlat1 PUBLIC "-//W3C//ENTITIES Latin 1 for XHTML//EN" "http://www.w3.org/x.ent"> %HTMLlat1;'

    (entry,) = feeds.read(feeds.rss("<item><title>Caf&eacute;</title></item>", f"<!DOCTYPE rss [{lat1}]>")).entries

    assert entry.title == "Café"


def test_words_about_entities_in_an_article_are_no_declaration() -> None:
    entry = feeds.item(
        '<title>XXE</title><description><![CDATA[&lt;!ENTITY x SYSTEM "file:///etc/passwd"&gt;]]></description>'
    )

    assert entry.summary == '<!ENTITY x SYSTEM "file:///etc/passwd">'


@pytest.mark.parametrize("broken", ["", " & "])
def test_references_to_what_is_no_character_are_dropped(broken: str) -> None:
    entry = feeds.item(f"<title>a&#xD800;b&#x110000;c&#0;d&#55555555555555555555;e&#x1F;f{broken}</title>")

    assert entry.title == f"abcdef{broken}".strip()


def test_references_of_windows_1252_mean_what_they_did_there() -> None:
    assert feeds.item("<title>1999&#150;2005</title>").title == "1999–2005"


def test_a_flood_of_attributes_is_refused() -> None:
    flood = " ".join(f'a{n}="1"' for n in range(60_000))

    assert feeds.refused(feeds.rss(f"<item {flood}/>")) == ("unreadable", "has an element with 60,000 attributes")


def test_elements_that_may_stand_in_the_way_of_the_reader_do_not() -> None:
    traps = "".join(
        f'<{name} x="1"/>' for name in ("authors", "tags", "content", "media_content", "image", "title_detail")
    )

    entry = feeds.item(f"{traps}<title>Title</title><link>https://feed.example/1</link>")

    assert (entry.title, entry.url) == ("Title", "https://feed.example/1")


def test_html_nested_beyond_reason_loses_its_tags_and_not_its_words() -> None:
    entry = feeds.item(f"<title>t</title><description>{'&lt;div>' * 20_000}deep down</description>")

    assert entry.summary == "deep down"
    assert "<div>" not in entry.content


# ---------------------------------------------------------------------------------------------------- characters


@pytest.mark.parametrize(
    ("declared", "content_type", "encoding"),
    [
        ("utf-8", "application/xml", "utf-8"),
        ("windows-1251", "application/xml", "cp1251"),
        ("windows-1251", "text/xml", "cp1251"),
        ("utf-8", "text/xml; charset=koi8-r", "koi8-r"),
        ("utf-8", "text/xml; charset=us-ascii", "utf-8"),
        ("utf-8", "text/xml; charset=ISO-8859-1", "utf-8"),
        ("windows-1251", "text/xml; charset=utf-8", "cp1251"),
        ("no-such-thing", "text/xml; charset=undefined", "utf-8"),
        ("hex", "text/xml; charset=unicode_escape", "utf-8"),
        ("utf-16", "application/xml", "utf-16"),
        ("utf-16", "application/xml", "utf-16-le"),
        ("utf-16", "application/xml", "utf-8"),
        ("utf-8", "application/xml; charset=iso-8859-1", "utf-8-sig"),
        ("utf-32", "application/xml", "utf-32"),
    ],
)
def test_the_characters_are_those_that_were_published(declared: str, content_type: str, encoding: str) -> None:
    body = feeds.rss("<item><title>Прилив и отлив</title></item>").replace('encoding="utf-8"', f'encoding="{declared}"')

    (entry,) = feeds.read(body.encode(encoding), content_type).entries

    assert entry.title == "Прилив и отлив"


def test_western_text_that_claims_to_be_utf_8_is_read_as_what_it_is() -> None:
    (entry,) = feeds.read(feeds.rss("<item><title>“Où est Noël ?”</title></item>").encode("cp1252")).entries

    assert entry.title == "“Où est Noël ?”"


def test_a_broken_byte_costs_one_character_and_not_all_of_them() -> None:
    body = feeds.rss("<item><title>Прилив и отлив</title><guid>a!b</guid></item>").encode().replace(b"!", b"\xff")

    (entry,) = feeds.read(body).entries

    assert (entry.title, entry.guid) == ("Прилив и отлив", "a\ufffdb")


def test_an_empty_entry_is_an_entry() -> None:
    """expat is past an empty element when it says that it ended, so that the end was sought in what follows."""
    body = feeds.rss(f"<item/>{feeds.THREE}<item/>", prolog="<!DOCTYPE rss>")

    assert len(feeds.read(body).entries) == 5
    assert len(feeds.read(body[: body.index("</channel>")]).entries) == 5
