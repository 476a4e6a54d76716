"""Pages and feed contents into articles."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trafilatura import htmlprocessing

from aggregator import article, charsets, errors, markup, model
from aggregator.feed import text as feed_text

CORPUS = Path(__file__).parent / "corpus"

PARAGRAPHS = [
    f"Paragraph {n} of the report says that the river rose by {n} metres in a single night of rain."
    for n in range(1, 12)
]
BODY = "".join(f"<p>{text}</p>" for text in PARAGRAPHS)
PAGE = f"""<!doctype html><html lang="en-GB"><head><title>River rises</title><meta name="author" content="Jo Writer">
<meta property="article:published_time" content="2025-09-18T10:00:00Z"><meta property="og:image" content="https://x.example/i.jpg"></head>
<body><nav><a href=/>Home</a> <a href=/about>About us</a></nav><div class="ad">Buy our umbrellas today at half the price!</div>
<article><h1>River rises</h1>{BODY}</article><footer>Copyright</footer></body></html>"""


def _read(page: str | bytes, content_type: str = "text/html", **values: object) -> model.Article:
    return article.read(page.encode() if isinstance(page, str) else page, content_type=content_type, **values)  # type: ignore[arg-type]


def test_the_text_of_a_page_is_its_paragraphs_without_navigation() -> None:
    read = _read(PAGE)

    assert all(text in read.text.split("\n") for text in PARAGRAPHS)
    assert "About us" not in read.text
    assert read.extractor.startswith("trafilatura ")


def test_the_metadata_of_a_page_is_read_when_asked_for() -> None:
    read, bare = _read(PAGE), _read(PAGE, ask=frozenset())

    assert (read.title, read.authors, read.language) == ("River rises", ("Jo Writer",), "en-gb")
    assert read.published_at is not None
    assert read.published_at.date().isoformat() == "2025-09-18"
    assert read.image == "https://x.example/i.jpg"
    assert (bare.title, bare.authors, bare.published_at, bare.language) == ("River rises", (), None, "en-gb")


def test_selectors_keep_and_drop_parts_of_the_page() -> None:
    dropped = _read(PAGE.replace("<p>Paragraph 1 ", "<p class='teaser'>Paragraph 1 "), drop=(".teaser",))
    kept = _read(PAGE, keep=("article",))

    assert "Paragraph 1 " not in dropped.text
    assert "Paragraph 2 " in dropped.text
    assert "umbrellas" not in kept.text


def test_a_selector_that_is_no_css_is_an_error_that_names_it() -> None:
    with pytest.raises(errors.ExtractError, match="select") as caught:
        _read(PAGE, drop=("p[",))

    assert caught.value.code == "select"


@pytest.mark.parametrize(
    ("page", "content_type", "state"),
    [
        (b"%PDF-1.4 ...", "text/html", "not_html"),
        (b"\x89PNG\r\n", "image/png", "not_html"),
        (b'{"a": 1}', "application/json", "not_html"),
        (b"a\x00b\x00c" * 100, "", "not_html"),
        ("<html><title>Just a moment...</title></html>", "text/html", "blocked"),
        ("<html><body>You must enable JavaScript to view this page.</body></html>", "text/html", "blocked"),
        ("<html><title>Access denied</title><body>Access denied</body></html>", "text/html", "blocked"),
        ("<html><body><p>We value your privacy. Accept all cookies?</p></body></html>", "text/html", "blocked"),
        ("<html><body><p>Already a subscriber? Sign in.</p></body></html>", "text/html", "paywalled"),
        ("<html><body><p>Dieser Artikel ist nur für Abonnenten.</p></body></html>", "text/html", "paywalled"),
        (b'[{"a": 1}]', "", "not_html"),
        (b"<?xml version='1.0'?><rss version='2.0'></rss>", "text/xml", "not_html"),
        (b"plain words of a song", "audio/mpeg", "not_html"),
        ("<html><body></body></html>", "text/html", "failed"),
        ("", "text/html", "failed"),
        (" \n ", "", "failed"),
        (b"<html><body>" + b"<div>" * 5000 + b"deep", "text/html", "failed"),
    ],
)
def test_a_page_without_an_article_says_what_it_is(page: str | bytes, content_type: str, state: str) -> None:
    with pytest.raises(errors.ExtractError) as caught:
        _read(page, content_type)

    assert caught.value.state == state
    assert str(caught.value)


def test_an_article_about_walls_is_no_wall() -> None:
    long = BODY + "<p>Many sites ask readers to accept all cookies and to subscribe to continue reading.</p>"

    assert "subscribe to continue" in _read(f"<html><body><article>{long}</article></body></html>").text


@pytest.mark.parametrize(
    ("encoded", "content_type"),
    [
        ("Zürich über alles".encode("latin-1"), "text/html; charset=iso-8859-1"),
        ("<meta charset='windows-1252'>Zürich über alles".encode("cp1252"), "text/html"),
        ("\ufeffZürich über alles".encode(), "text/html; charset=latin-1"),
        ("Zürich über alles".encode("utf-16"), "text/html"),
        ("Zürich über alles".encode(), "text/html; charset=base64"),
        ("Zürich über alles".encode(), "text/html; charset=nonsense"),
        ("Zürich über alles".encode(), "text/html; charset=iso-8859-1"),
        ("Zürich über alles".encode(), "text/html; charset=idna"),
        ("Zürich über alles".encode() + b"\xc3", "text/html; charset=utf-8"),
        ("\ufeffZürich über alles".encode("utf-16-be"), "text/html; charset=utf-8"),
        ("Zürich über alles, 気候".encode("iso-2022-jp-2"), "text/html; charset=iso-2022-jp-2"),
    ],
)
def test_a_page_is_decoded_as_it_says_or_as_it_looks(encoded: bytes, content_type: str) -> None:
    assert "Zürich über alles" in charsets.decode(encoded, content_type)


def test_the_feeds_own_text_is_the_longer_of_its_two() -> None:
    longer = feed_text.from_feed("<p>One</p><p>two three</p>", "short")

    assert longer is not None
    assert (longer.text, longer.extractor) == ("One\ntwo three", "feed")
    assert feed_text.from_feed("", "a summary of it") == model.Article(text="a summary of it", extractor="feed")
    assert feed_text.from_feed("<img src=x>", " ") is None


def test_the_line_that_wordpress_appends_is_cut() -> None:
    appended = f"{BODY}<p>The post <a href=x>River rises</a> appeared first on <a href=y>The News</a>.</p>"

    read = feed_text.from_feed(appended, "")

    assert read is not None
    assert "appeared first" not in read.text
    assert read.text.endswith(PARAGRAPHS[-1])


WHOLE = BODY * 2


@pytest.mark.parametrize(
    ("content", "summary", "whole"),
    [
        (WHOLE, "A summary.", True),
        (WHOLE, "", True),
        (f"{WHOLE}<p>The post X appeared first on Y.</p>", "", True),
        (BODY, "", False),
        (f"{WHOLE}<p>Read more</p>", "", False),
        (f"{WHOLE}<p>and then […]</p>", "", False),
        (WHOLE, markup.text(WHOLE), False),
        ("word " * 400, "", False),
        ("", "", False),
    ],
)
def test_feed_content_is_believed_to_be_whole_only_where_that_is_plain(content: str, summary: str, whole: bool) -> None:
    assert feed_text.is_whole(content, summary) is whole


@given(
    st.binary(max_size=300),
    st.sampled_from(["text/html", "", "application/xhtml+xml; charset=utf-16", "text/html; charset=euc-jp"]),
)
def test_no_bytes_whatever_raise_anything_else(page: bytes, content_type: str) -> None:
    try:
        state = "ok" if article.read(page, content_type=content_type).text else "nothing"
    except errors.ExtractError as exc:
        state = exc.state

    assert state in {"ok", "not_html", "failed", "blocked", "paywalled"}


# ------------------------------------------------------------------------------------------------- pages that we wrote


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.txt")), ids=lambda path: str(path.stem))
def test_the_article_of_a_page_is_what_its_author_wrote(path: Path) -> None:
    read = article.read(path.with_suffix(".html").read_bytes(), content_type="text/html")

    # Whether the headline is repeated above the text is trafilatura's choice.
    assert read.title
    assert read.text.removeprefix(f"{read.title}\n") == path.read_text(encoding="utf-8").strip()


@pytest.mark.parametrize(
    ("name", "state", "said"),
    [
        ("wall_challenge", "blocked", "no robot"),
        ("wall_script", "blocked", "JavaScript"),
        ("wall_consent", "blocked", "cookies"),
        ("wall_login", "blocked", "log in"),
        ("wall_denied", "blocked", "refuses access"),
        ("wall_paywall", "paywalled", "subscription"),
    ],
)
def test_a_wall_is_named(name: str, state: str, said: str) -> None:
    with pytest.raises(errors.ExtractError, match=said) as caught:
        article.read((CORPUS / f"{name}.html").read_bytes(), content_type="text/html")

    assert caught.value.state == state


@pytest.mark.parametrize(
    "title",
    ["Just a moment in the life of a river", "Forbidden fruit: the orchards that nobody may enter", "Sign in stone"],
)
def test_a_title_that_only_begins_like_a_walls_is_none(title: str) -> None:
    page = (
        f"<html><head><title>{title}</title></head><body><article><h1>{title}</h1>{BODY[:300]}</article></body></html>"
    )

    assert _read(page).text


# ------------------------------------------------------------------------------------------------------- kinds of file


@pytest.mark.parametrize(
    ("page", "content_type", "said"),
    [
        (b"%PDF-1.7" + b" " * 1_234_567, "text/html", "a PDF of 1.2 MB"),
        (b"\xff\xd8\xff" + b" " * 49_997, "", "an image of 50 kB"),
        (b'{"error": 1}', "text/plain", "JSON data of 12 bytes"),
        (b"words", "application/x-thing; v=1", "a file of type application/x-thing of 5 bytes"),
    ],
)
def test_a_file_that_is_no_page_is_told_by_its_kind_and_size(page: bytes, content_type: str, said: str) -> None:
    with pytest.raises(errors.ExtractError) as caught:
        _read(page, content_type)

    assert str(caught.value) == f"the address leads to {said}, not to a page"


@pytest.mark.parametrize("content_type", ["application/pdf", "application/json", "nonsense", "", "text/plain"])
def test_what_begins_like_a_page_is_read_whatever_the_server_calls_it(content_type: str) -> None:
    assert PARAGRAPHS[3] in _read(PAGE, content_type).text


def test_words_in_brackets_at_the_beginning_are_no_json() -> None:
    assert "rose" in _read(f"[Update] The river rose again.{BODY}", "text/html").text


# ------------------------------------------------------------------------------------------------------------ selection


def test_what_is_kept_stands_in_the_order_of_the_page_and_once() -> None:
    read = _read(PAGE, keep=("p", "article"))

    assert [line for line in read.text.split("\n") if line.startswith("Paragraph")] == PARAGRAPHS


def test_metadata_outlive_a_selection() -> None:
    read = _read(PAGE, keep=("article",))

    assert (read.title, read.language, read.image) == ("River rises", "en-gb", "https://x.example/i.jpg")


def test_a_selector_that_matches_nothing_keeps_everything() -> None:
    assert _read(PAGE, keep=(".no-such",)).text == _read(PAGE).text


def test_selectors_work_on_xhtml_with_a_declaration() -> None:
    page = '<?xml version="1.0" encoding="utf-8"?>' + PAGE

    assert PARAGRAPHS[0] in _read(page, keep=("article",)).text


def test_nothing_matches_on_an_empty_page() -> None:
    with pytest.raises(errors.ExtractError) as caught:
        _read("<!-- nothing -->", keep=("p",), drop=("div",))

    assert caught.value.state == "failed"


# ------------------------------------------------------------------------------------------------------------- metadata


def test_the_image_is_found_without_metadata_and_stands_against_the_pages_address() -> None:
    page = PAGE.replace("https://x.example/i.jpg", "/i.jpg").encode()

    assert article.read(page, "https://news.example/a/b", ask=frozenset()).image == "https://news.example/i.jpg"
    assert article.read(page, ask=frozenset()).image is None


@pytest.mark.parametrize(
    "image", ["javascript:alert(1)", "data:image/png;base64,AA", "//[", "", "https://x.example/" + "a" * 3000]
)
def test_an_image_that_is_no_address_is_none(image: str) -> None:
    page = PAGE.replace("https://x.example/i.jpg", image).encode()

    assert article.read(page, "https://news.example/").image is None


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("2025-09-18T10:00:00Z", datetime(2025, 9, 18, 10, tzinfo=UTC)),
        ("2025-09-18T10:00:00.125+02:00", datetime(2025, 9, 18, 8, tzinfo=UTC)),
        ("2025-09-18", datetime(2025, 9, 18, tzinfo=UTC)),
    ],
)
def test_the_time_of_publication_is_read_to_the_second_where_it_is_told(told: str, meant: datetime) -> None:
    assert _read(PAGE.replace("2025-09-18T10:00:00Z", told)).published_at == meant


@pytest.mark.parametrize(("lang", "meant"), [("pt_BR", "pt-br"), ("DE", "de"), ("english please", "en"), ("", "en")])
def test_the_language_is_the_pages_or_else_that_of_the_text(lang: str, meant: str | None) -> None:
    assert _read(PAGE.replace("en-GB", lang)).language == meant


def test_whatever_the_library_raises_is_an_error_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("inside")

    monkeypatch.setattr(htmlprocessing, "tree_cleaning", broken)

    with pytest.raises(errors.ExtractError, match=r"could not be read \(KeyError\)"):
        _read(PAGE)


# ------------------------------------------------------------------------------------------------------- the feed's text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("It has never been so high. The post River rises appeared first on The News.", "It has never been so high."),
        ("It has never been so high.\nThe post River rises first appeared on The News.", "It has never been so high."),
        ("It has never been so high.\nRead more »", "It has never been so high."),
        ("It has never been so high.\nContinue reading\nThe post A appeared first on B.", "It has never been so high."),
        ("The post office of the valley, he said, first appeared on a map of 1801.\nIt is gone.", None),
        ("They are people who read more", None),
        ("x" * 5000 + "\nThe post A appeared first on B.", "x" * 5000),
    ],
)
def test_only_trailers_are_cut_and_every_word_before_them_stays(text: str, left: str | None) -> None:
    assert feed_text.cut_trailers(text) == (text if left is None else left)


@pytest.mark.parametrize(
    ("more", "whole"),
    [
        ("<p>Continue reading River rises at The News</p>", False),
        ("<p>(more&hellip;)</p>", False),
        ("<p>He said: “It will come again…”</p>", False),
        ("<p><a href=x>Weiterlesen</a></p>", False),
        ("<p>She will go on reading and read more books.</p>", True),
        (
            "<ul>"
            + "".join(f"<li><a href=x>Another story of the week, number {n}</a></li>" for n in range(90))
            + "</ul>",
            False,
        ),
    ],
)
def test_signs_that_the_story_goes_on_elsewhere_are_seen(more: str, whole: bool) -> None:
    assert feed_text.is_whole(WHOLE + more, "") is whole


def test_a_whole_article_may_be_written_without_spaces() -> None:
    paragraph = "<p>" + "大雨で川があふれ町は三度目の浸水となった。" * 8 + "</p>"

    assert feed_text.is_whole(paragraph * 3, "")
    assert not feed_text.is_whole(paragraph, "")


@given(st.text(max_size=400), st.text(max_size=200))
def test_no_feed_text_whatever_raises(content: str, summary: str) -> None:
    own = feed_text.from_feed(content, summary)

    assert own is None or re.search(r"\w", own.text)
    assert not feed_text.is_whole(content, summary)
