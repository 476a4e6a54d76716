"""What comes in the place of articles, through the whole of a draft: none of it is stored as an article, and no article is taken for it."""

import pytest

from aggregator import config, draft, model
from tests import make
from tests.walls import Page, first

TAXONOMY = config.Taxonomy(version="1", topics=())


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
def test_what_comes_in_the_place_of_an_article_is_named_and_never_stored_as_one(page: Page) -> None:
    made = _draft(page)

    assert (made.state, (made.reason or "")[: len(page.said)]) == (page.state, page.said)
