"""What comes in the place of articles, through the whole of a draft: none of it is stored as an article, and no article is taken for it."""

from pathlib import Path

import pytest

from aggregator import config, draft, gate, model
from tests import make
from tests.walls import Page, articles, document, first, paragraphs, second, third

SCHEMA = Path(__file__).parent.parent / "docs" / "schema.md"
TAXONOMY = config.Taxonomy(version="1", topics=())
# Of the walls that were written after the rules so many are also called by their names; the others "something else".
NAMED = {"second": 47, "third": 16}


def _draft(page: Page, **values: object) -> model.Draft:
    told: dict[str, object] = {
        "title": page.title,
        "summary": page.summary,
        "content": "",
        "now": make.NOW,
        "language": page.language,
        "page": page.html.encode(),
        "page_url": page.url,
        "page_type": page.media,
    } | values
    return draft.make(model.DraftJob(**told), TAXONOMY)  # type: ignore[arg-type]


@pytest.mark.parametrize("page", first.WALLS, ids=lambda page: page.name)
def test_what_comes_in_the_place_of_an_article_is_named(page: Page) -> None:
    made = _draft(page)

    assert (made.state, (made.reason or "")[: len(page.said)]) == (page.state, page.said)


@pytest.mark.parametrize("page", [*second.WALLS, *third.WALLS], ids=lambda page: page.name)
def test_walls_that_the_rules_were_not_made_with_are_no_articles_either(page: Page) -> None:
    made = _draft(page)

    assert made.state not in model.SETTLED
    assert made.reason


@pytest.mark.parametrize(("walls", "least"), [(second.WALLS, NAMED["second"]), (third.WALLS, NAMED["third"])])
def test_most_of_them_are_called_by_their_names(walls: list[Page], least: int) -> None:
    named = [page.name for page in walls if (_draft(page).reason or "").startswith(page.said)]

    assert len(named) >= least


@pytest.mark.parametrize("page", articles.ARTICLES, ids=lambda page: page.name)
def test_an_article_that_resembles_a_wall_is_an_article(page: Page) -> None:
    made = _draft(page)

    assert (made.state, made.reason) == ("ok", None)


def test_there_are_walls_of_forty_kinds_in_fourteen_languages() -> None:
    walls = [*first.WALLS, *second.WALLS, *third.WALLS]

    assert len({page.name for page in walls}) >= 100
    assert len({page.name.rpartition(" (")[0] for page in first.WALLS}) >= 40
    assert {page.language for page in walls} >= set("en de fr es it pt nl pl ja zh ar ru tr sv".split())


@pytest.mark.parametrize("kind", sorted(gate.SAID))
def test_the_reason_of_every_kind_begins_alike(kind: str) -> None:
    assert gate.SAID[kind].startswith("the page ")
    assert not set(gate.SAID[kind]) & set(";:0123456789")
    assert f"`{gate.SAID[kind]}`" in SCHEMA.read_text()


# --------------------------------------------------------------------------------------------------------- what is kept


def _paywalled(name: str) -> Page:
    return next(page for page in first.PAYWALLS if page.name == name)


def test_the_beginning_that_a_paywall_shows_is_kept_without_what_it_asks_for() -> None:
    made = _draft(_paywalled("metered paywall with a lead (en)"))

    assert made.state == "paywalled"
    assert made.text.startswith("Engineers who looked at the old river bridge")
    assert made.text.endswith("some four thousand people a day.")
    assert "ubscri" not in made.text
    assert (made.extractor or "").startswith("trafilatura")


def test_a_feed_that_says_more_than_the_paywall_shows_is_kept_instead() -> None:
    whole = "".join(
        f"<p>What the feed says of the bridge in its paragraph number {n}, which is not short.</p>" for n in range(9)
    )

    made = _draft(_paywalled("paywall (pt)"), content=whole)

    assert (made.state, made.extractor) == ("paywalled", "feed")
    assert made.word_count > 100


def test_a_banner_is_never_the_text_of_an_item() -> None:
    for page in (*first.CONSENTS, *second.CONSENTS):
        made = _draft(page)

        assert made.text == page.summary
        assert made.extractor == "feed"


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        ("soft 404 (en)", "http_404"),
        ("maintenance (nl)", "http_503"),
        ("rate limit (en)", "http_429"),
        ("login page (en)", "blocked"),
    ],
)
def test_a_wall_is_tried_again_as_the_answer_is_that_should_have_come(kind: str, failure: str) -> None:
    page = next(page for page in first.WALLS if page.name == kind)

    assert _draft(page).failure == failure


def test_an_article_is_not_tried_again() -> None:
    assert _draft(articles.ARTICLES[0]).failure is None


# ------------------------------------------------------------------------------------------------- what was announced

_STORY = (
    "The harvest begins two weeks early in the upper valley, growers said on Tuesday, for the spring was warm and very dry.",
    "They expect small and sweet grapes, and less wine than in the two years before, but a better one than ever was made here.",
    "Pickers have been asked to come on Monday. There are too few of them, as every year, and the mayor has asked the schools for help.",
)


def _page(title: str, *, head: str = "", lang: str = "en") -> str:
    return document(
        title, f"<main><article><h1>{title}</h1>{paragraphs(*_STORY)}</article></main>", head=head, lang=lang
    )


def _told(html: str, title: str, summary: str = "", **values: object) -> model.Draft:
    return _draft(Page(name="", html=html, title=title, summary=summary), **values)


def test_a_page_that_shows_another_thing_than_its_feed_announced_is_refused() -> None:
    made = _told(_page("Harvest begins early"), "Council votes to close the old river bridge")

    assert (made.state, made.reason) == ("failed", "the page shows something else than its feed announced")


def test_another_title_is_no_other_article_where_the_feeds_own_words_stand_in_the_text() -> None:
    made = _told(
        _page("Harvest begins early"), "Sweet years ahead?", summary="Pickers have been asked to come on Monday."
    )

    assert made.state == "ok"


def test_another_title_is_no_other_article_where_the_page_tells_search_engines_of_one() -> None:
    head = '<meta property="article:published_time" content="2025-09-18T10:00:00Z">'

    assert _told(_page("Harvest begins early", head=head), "Council votes to close the old river bridge").state == "ok"


@pytest.mark.parametrize("title", ["", "Item 7", "Story 123 of feed 45", "Harvest", "Opinion"])
def test_nothing_is_expected_of_a_page_whose_feed_has_no_title_or_one_that_tells_nothing(title: str) -> None:
    assert _told(_page("Harvest begins early"), title).state == "ok"


def test_a_page_in_another_language_than_its_feed_is_refused() -> None:
    german = "Der Stadtrat hat am Donnerstag beschlossen, die alte Brücke zu sperren, weil sie nicht mehr sicher ist und die Pfeiler Risse haben."

    made = _told(_page("Harvest begins early"), "Brücke gesperrt", summary=german, language="de")

    assert (made.state, made.reason) == ("failed", "the page is in another language than its feed")


def test_a_feed_that_calls_itself_english_and_is_not_does_no_harm() -> None:
    story = "".join(
        f"<p>Der Stadtrat hat am {n}. Tag der Woche beschlossen, die alte Brücke zu sperren, weil sie nicht sicher ist.</p>"
        for n in range(9)
    )
    html = document("Brücke gesperrt", f"<main><article><h1>Brücke gesperrt</h1>{story}</article></main>", lang="de")

    assert _told(html, "Brücke zu", language="en").state == "ok"


def test_what_the_operator_selects_is_not_judged() -> None:
    made = _told(_page("Harvest begins early"), "Council votes to close the old river bridge", keep=("article",))

    assert made.state == "ok"
