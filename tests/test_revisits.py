"""Revisits over a real server, real workers and both databases: what is a change of a page, and what is none."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping

from tests import loopback
from tests.staged import Bench, entry, rss

PARAGRAPHS = tuple(
    f"On day {n} the minister said in parliament that the price of carbon would rise, and that nobody should be surprised by it."
    for n in range(20)
)


def _page(*paragraphs: str) -> bytes:
    inside = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs or PARAGRAPHS)
    return (
        f"<html lang=en><head><title>T</title></head><body><article><h1>T</h1>{inside}</article></body></html>".encode()
    )


class Revisited:
    """One article that was read, and its next visits."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.server = bench, bench.server

    async def begin(self, body: bytes | None = None, **harvest: Any) -> None:
        self.harvest = {"revisit": ["3500d", "3600d"], **harvest}
        self.serve(body or _page())
        self.server.serve("/one.xml", rss(entry(1, self.server.url("/a"))))
        await self.again()
        (item,) = self.bench.rows("SELECT state FROM items")
        assert item["state"] == "ok"

    def serve(self, body: bytes = b"", **headers: str) -> None:
        self.server.serve("/a", body, **({"content_type": "text/html"} | headers))

    async def again(self, *bodies: bytes) -> None:
        for body in bodies:
            self.serve(body)
            await self.again()
        if not bodies:
            self.bench.due()
            await self.bench.round(**self.harvest)

    def item(self) -> RowMapping:
        (item,) = self.bench.rows("SELECT * FROM items")
        return item

    def told(self) -> list[tuple[str, str | None]]:
        rows = self.bench.rows(
            "SELECT kind, detail FROM changes WHERE item_id IS NOT NULL AND kind NOT IN ('new', 'text') ORDER BY id"
        )
        return [(row["kind"], row["detail"]) for row in rows]

    def revisions(self) -> list[RowMapping]:
        return self.bench.rows("SELECT * FROM revisions ORDER BY id")


@pytest.fixture
async def article(tmp_path: Path, database_url: str) -> AsyncIterator[Revisited]:
    async with loopback.server(tmp_path) as server:
        yield Revisited(Bench(server, database_url))


async def test_revisits_of_an_unchanged_page_write_nothing(article: Revisited) -> None:
    watched = ("items", "revisions", "changes", "pages", "item_tags")
    await article.begin()

    def rows() -> list[list[dict[str, Any]]]:
        found = [article.bench.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in watched]
        return [[{k: v for k, v in row.items() if k != "visited_at"} for row in table] for table in found]

    before = rows()
    for _ in range(3):
        await article.again()

    assert rows() == before
    assert sum(asked.path == "/a" for asked in article.server.requests) == 4


async def test_an_edited_page_is_a_revision_with_the_words_that_came_and_went(article: Revisited) -> None:
    await article.begin()

    await article.again(_page(*PARAGRAPHS[:5], "Later he took back every single word of this.", *PARAGRAPHS[6:]))

    first, second = article.revisions()
    assert (first["origin"], first["what"], second["origin"], second["what"]) == ("page", "first", "page", "text")
    assert (second["added"], second["removed"]) == (8, 22)
    assert second["text"] == article.item()["text"]
    assert article.item()["state_reason"] is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Updated 18 Sep 2025 10:35 GMT", "Updated 18 Sep 2025 11:02 GMT"),
        ("Read by others: 12 comments", "Read by others: 1,208 comments"),
        ("Published 5 minutes ago", "Published 3 hours ago"),
    ],
)
async def test_stamps_and_counters_of_a_page_are_no_change(article: Revisited, before: str, after: str) -> None:
    await article.begin(_page(before, *PARAGRAPHS))

    await article.again(_page(after, *PARAGRAPHS))

    assert article.revisions() == []
    assert [
        row["kind"] for row in article.bench.rows("SELECT kind FROM changes WHERE item_id IS NOT NULL ORDER BY id")
    ] == ["new", "text"]


async def test_a_page_that_shows_two_versions_in_turn_is_noticed_and_left_alone(article: Revisited) -> None:
    first, second = _page(), _page("Our readers like this offer of the month very much.", *PARAGRAPHS)
    await article.begin(first)

    await article.again(second, first, second, first, second)

    # The second version, and the one back; what goes on after that is none.
    assert [row["what"] for row in article.revisions()] == ["first", "text", "text"]
    assert article.item()["state_reason"] == "its page shows 2 versions in turn: such changes are left alone"
    assert article.item()["text_hash"] == article.revisions()[0]["text_hash"]


async def test_a_page_that_went_back_to_what_it_was_is_the_last_copy_again(article: Revisited) -> None:
    first, second = _page(), _page("A second version.", *PARAGRAPHS)
    await article.begin(first)

    await article.again(second, first)

    copies = article.bench.rows("SELECT id, at FROM pages ORDER BY id")
    assert len(copies) == 2
    assert copies[0]["at"] >= copies[1]["at"]


async def test_a_page_that_is_gone_has_vanished_and_its_text_stays(article: Revisited) -> None:
    await article.begin()
    text = article.item()["text"]
    article.serve(status="410 Gone")

    await article.again()
    await article.again()

    (told,) = article.told()
    assert told[0] == "vanished"
    assert "410" in str(told[1])
    item = article.item()
    assert (item["state"], item["text"]) == ("ok", text)
    assert item["state_reason"].startswith("its page has vanished: HTTP 410")
    assert item["changed_at"] is not None
    assert article.revisions() == []


async def test_a_404_is_looked_at_again_before_it_is_told(article: Revisited) -> None:
    await article.begin()
    article.serve(status="404 Not Found")

    await article.again()
    once, said = article.told(), article.item()["state_reason"]
    await article.again()

    assert once == []
    assert "failed: HTTP 404 Not Found; asked again at " in said
    assert re.search(r"; the text stays as it was read on \d{4}-\d\d-\d\d \d\d:\d\d UTC\Z", said)
    assert [kind for kind, _ in article.told()] == ["vanished"]
    assert "the last revisit" not in article.item()["state_reason"]


@pytest.mark.parametrize("validated", [True, False])
async def test_a_revisit_in_vain_is_told_until_the_page_is_read_again(article: Revisited, validated: bool) -> None:
    tag = {"etag": '"a"'} if validated else {}
    await article.begin()
    article.serve(_page("It was edited.", *PARAGRAPHS), **tag)
    await article.again()
    article.serve(status="503 Service Unavailable")
    await article.again()
    assert "failed: HTTP 503" in article.item()["state_reason"]

    article.serve(
        **({"status": "304 Not Modified"} | tag if validated else {}),
        body=b"" if validated else _page("It was edited.", *PARAGRAPHS),
    )
    await article.again()

    assert (article.item()["state_reason"], article.item()["attempts"]) == (None, 0)


async def test_what_has_vanished_is_looked_at_again_and_may_return(article: Revisited) -> None:
    await article.begin()
    article.serve(status="404 Not Found")
    await article.again()
    await article.again()
    assert article.item()["next_visit_at"] is not None

    await article.again(_page())
    await article.again()

    assert [kind for kind, _ in article.told()] == ["vanished", "returned"]
    assert (article.item()["state_reason"], article.item()["attempts"]) == (None, 0)


async def test_an_article_that_leads_to_the_front_page_has_vanished(article: Revisited) -> None:
    await article.begin()
    article.server.serve("/", _page("The news of the day.", *PARAGRAPHS), content_type="text/html")
    article.serve(status="301 Moved Permanently", location="/")

    await article.again()
    await article.again()

    assert [kind for kind, _ in article.told()] == ["vanished"]
    assert "front page" in article.item()["state_reason"]
    assert article.revisions() == []


async def test_a_page_that_moves_for_good_says_where_to_once(article: Revisited) -> None:
    await article.begin()
    to = article.server.serve("/b", _page(), content_type="text/html")
    article.serve(status="301 Moved Permanently", location="/b")

    await article.again()
    await article.again()

    assert article.told() == [("moved", to)]
    assert article.item()["url"] == article.server.url("/a")
    assert article.item()["state_reason"] == f"its page has moved for good to {to}"


async def test_an_address_that_redirected_from_the_first_has_not_moved(article: Revisited) -> None:
    article.server.serve("/b", _page(), content_type="text/html")
    article.server.serve("/one.xml", rss(entry(1, article.server.url("/a"))))
    article.harvest = {"revisit": ["3600d"]}
    article.serve(status="301 Moved Permanently", location="/b")

    await article.again()
    await article.again()

    assert article.told() == []


async def test_a_paywall_that_goes_up_later_is_told_and_takes_nothing_away(article: Revisited) -> None:
    await article.begin()
    text = article.item()["text"]
    wall = _page(PARAGRAPHS[0], "Subscribe now to continue reading this article. Already a subscriber? Log in.")

    await article.again(wall, wall)

    assert [kind for kind, _ in article.told()] == ["paywalled"]
    item = article.item()
    assert (item["state"], item["text"]) == ("ok", text)
    assert item["state_reason"].startswith("its page is behind a paywall now")


async def test_a_server_in_trouble_tells_nothing_of_the_page(article: Revisited) -> None:
    await article.begin()
    article.serve(status="503 Service Unavailable")

    await article.again()

    assert article.told() == []
    assert article.item()["state_reason"].startswith("the last revisit at ")
    assert "failed: HTTP 503 Service Unavailable; asked again at " in article.item()["state_reason"]
    assert article.item()["attempts"] == 1


async def test_without_kept_copies_changes_are_found_all_the_same(article: Revisited) -> None:
    await article.begin(keep_pages=False)

    await article.again(_page("Something quite new stands here today.", *PARAGRAPHS))

    assert [row["what"] for row in article.revisions()] == ["first", "text"]
    assert article.bench.rows("SELECT * FROM pages") == []


async def test_an_error_page_in_the_place_of_an_article_that_was_read_is_a_page_that_vanished(
    article: Revisited,
) -> None:
    gone = b"<html lang=en><head><title>Page not found</title></head><body><h1>Page not found</h1><p>It is not here.</p></body></html>"
    await article.begin()

    await article.again(gone)
    assert article.told() == []
    await article.again(gone)

    said = "the page says that there is no such article"
    assert article.told() == [("vanished", said)]
    assert (article.item()["state"], "rise" in article.item()["text"]) == ("ok", True)
    assert said in article.item()["state_reason"]
    await article.again(_page())
    assert [kind for kind, _ in article.told()] == ["vanished", "returned"]


def _titled(title: str, *paragraphs: str) -> bytes:
    return (
        _page(*paragraphs)
        .replace(b"<title>T<", f"<title>{title}<".encode())
        .replace(b"<h1>T<", f"<h1>{title}<".encode())
    )


FIRST, SECOND = "Parliament debates the price of carbon", "Minister stumbles over the price of carbon in parliament"


async def test_another_headline_of_the_page_is_a_revision_whatever_the_feed_says(article: Revisited) -> None:
    await article.begin(_titled(FIRST))
    assert (article.item()["title"], article.item()["page_title"]) == ("Title 1", FIRST)

    await article.again(_titled(SECOND))

    first, second = article.revisions()
    assert (first["title"], second["title"], second["what"], second["origin"]) == ("Title 1", SECOND, "title", "page")
    assert second["text"] == first["text"]
    assert article.item()["title"] == SECOND
    assert article.told() == [("title", None)]


async def test_another_headline_with_another_text_is_one_revision(article: Revisited) -> None:
    await article.begin(_titled(FIRST))

    await article.again(
        _titled(SECOND, *PARAGRAPHS[:5], "Later he took back every single word of this.", *PARAGRAPHS[6:])
    )

    *_, last = article.revisions()
    assert (len(article.revisions()), last["what"], last["title"]) == (2, "title, text", SECOND)
    assert "took back" in last["text"]


async def test_headlines_that_a_page_shows_in_turn_are_left_alone_once_that_is_known(
    article: Revisited,
) -> None:
    await article.begin(_titled(FIRST))

    await article.again(*(_titled(title) for title in (SECOND, FIRST, SECOND, FIRST, SECOND)))

    assert [row["title"] for row in article.revisions()] == ["Title 1", SECOND, FIRST, SECOND]
