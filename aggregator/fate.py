"""What became of a page that was read before: vanished, moved, behind a paywall, returned; or that the last look was in vain. Pure."""

from datetime import datetime
from urllib.parse import urlsplit

from aggregator import errors, model
from aggregator.feed import identity

# Somebody took it away. A 410 says so on purpose, the others may be a mishap until they are seen again.
_AT_ONCE = frozenset({"gone", "http_410"})
_GONE = _AT_ONCE | {"http_404", "http_451", "front_page"}
_PAID = frozenset({"http_402"})

# Behind whatever else `items.state_reason` says, as long as the last look was in vain.
_MISSED = "the last revisit at "
_READ = "the text stays as it was read on "


def front_page(item: model.Item, response: model.Response) -> errors.FetchError | None:
    """The error that it is, if the page of an article now leads to the front page of its site: what removed articles often do."""
    asked, came = urlsplit(item.url or ""), urlsplit(response.url)
    if item.text is None or _bare(asked.path, asked.query) or not _bare(came.path, came.query):
        return None
    said = f"its address now leads to the front page of {identity.host_of(response.url)}"
    return errors.FetchError(said, code="front_page", url=response.url)


def _bare(path: str, query: str) -> bool:
    return path in ("", "/") and not query


def of_failure(item: model.Item, error: errors.AggregatorError, *, given_up: bool) -> model.Fate | None:
    """What a visit in vain tells of a page that was read before. `given_up`: it was in vain as often as it is tried."""
    if error.code in _GONE and (given_up or error.code in _AT_ONCE):
        return _new(item, model.FateKind.VANISHED, str(error))
    return _new(item, model.FateKind.PAYWALLED, str(error)) if error.code in _PAID else None


def of_wall(item: model.Item, draft: model.Draft, *, given_up: bool) -> model.Fate | None:
    """What a page without an article tells of one that had it. `given_up`: it was none as often as it is tried."""
    if given_up and draft.failure in _GONE:
        return _new(item, model.FateKind.VANISHED, draft.reason)
    return _new(item, model.FateKind.PAYWALLED, draft.reason) if draft.state == model.ItemState.PAYWALLED else None


def of_answer(item: model.Item, response: model.Response | None) -> model.Fate | None:
    """What a page that was read again tells: that it is back, or that it has moved for good.

    It has moved where a permanent redirect leads to another article than before; where the last copy came from tells what was
    before, so without kept copies nothing is said.
    """
    if item.fate is not None:
        return model.Fate(kind=model.FateKind.RETURNED, detail="its page can be read again")
    if response is None or not item.url or not item.validators.url:
        return None
    known = {identity.url_key(url) for url in (item.url, item.validators.url, item.moved_to) if url}
    to = response.permanent_url
    return None if identity.url_key(to) in known else model.Fate(kind=model.FateKind.MOVED, detail=to)


def _new(item: model.Item, kind: model.FateKind, detail: str | None) -> model.Fate | None:
    return None if item.fate == kind else model.Fate(kind=kind, detail=detail or "")


def said(item: model.Item, fate: model.Fate | None) -> str | None:
    """For `items.state_reason`: what has become of the page of an item whose text is kept; None if nothing has."""
    kind = fate.kind if fate else item.fate
    if kind in (model.FateKind.VANISHED, model.FateKind.PAYWALLED):
        if fate is None:
            return before(item)
        became = "its page has vanished" if kind == model.FateKind.VANISHED else "its page is behind a paywall now"
        return f"{became}: {fate.detail}; the text of an earlier visit is kept"
    to = fate.detail if fate and fate.kind == model.FateKind.MOVED else item.moved_to
    return f"its page has moved for good to {to}" if to else None


def missed(item: model.Item, what: str, due: model.Due | None, now: datetime) -> str:
    """For `items.state_reason`: that the revisit of an item's page was in vain and `what` it did, behind what stands there already."""
    again = f"asked again at {_clock(due.at)}" if due else "no further visit is planned"
    # The first of several in vain knows when the page was read.
    on = (in_vain(item.state_reason) or "").partition(_READ)[2] or (_clock(item.visited_at) if item.visited_at else "")
    kept = f"{_READ}{on}" if on else "the text of an earlier visit is kept"
    return _joined(before(item), f"{_MISSED}{_clock(now)} {what}; {again}; {kept}")


def before(item: model.Item) -> str | None:
    """What `items.state_reason` says but for a last look in vain."""
    return (item.state_reason or "").partition(_MISSED)[0].removesuffix("; ") or None


def still(item: model.Item, reason: str | None) -> str | None:
    """A new reason, with the last look in vain that the old one told of: for what is not another look."""
    miss = in_vain(item.state_reason)
    return _joined(reason, miss) if miss else reason


def in_vain(reason: str | None) -> str | None:
    """What a `state_reason` tells of a last look in vain."""
    _, begins, told = (reason or "").partition(_MISSED)
    return begins + told or None


def _joined(*parts: str | None) -> str:
    return "; ".join(filter(None, parts))


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
