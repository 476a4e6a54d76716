"""The rules of WebSub, without a hub."""

import hashlib
import hmac
from datetime import timedelta
from typing import Any

import pytest

from aggregator import cadence, model, pushing, websub
from aggregator.feed import hints
from tests import make

NOW = make.NOW
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FEED = "https://feed.example/rss"


def subscription(**values: Any) -> pushing.Subscription:
    told: dict[str, Any] = {
        "id": 1, "source_id": 1, "hub": "https://hub.example/", "topic": FEED, "state": pushing.State.ACTIVE, "reason": "",
        "token": "t0ken", "secret": "s3cret", "active_since": NOW - DAY,
    }  # fmt: skip
    return pushing.Subscription(**told | values)


# ------------------------------------------------------------------------------------------------------- discovery


@pytest.mark.parametrize(
    ("header", "links"),
    [
        ('<https://h/>; rel="hub"', [("hub", "https://h/")]),
        ("<https://h/>;rel=hub,<https://s/>;rel=self", [("hub", "https://h/"), ("self", "https://s/")]),
        ('<https://h/?a=1,2;3>; title="a, b; c"; REL="Hub"', [("Hub", "https://h/?a=1,2;3")]),
        ('<https://h/>; rel="alternate hub"', [("alternate hub", "https://h/")]),
        ('<https://h/>; rel="hub"; rel="self"', [("hub", "https://h/")]),
        ('<https://h/>; rel="hub"; anchor="https://other/"', []),
        ("<https://h/>", []),
        ('</hub>; title="\\"quoted\\""; rel=hub', [("hub", "/hub")]),
        ('< https://h/ > ; rel = "hub"', [("hub", "https://h/")]),
        ("https://h/; rel=hub", []),
        ("", []),
        ('<<<<>>>>;;;===,,,""', []),
    ],
)
def test_link_headers_are_read_as_rfc_8288_has_it(header: str, links: list[tuple[str, str]]) -> None:
    assert list(hints.links(header)) == links


@pytest.mark.parametrize("header", ["<a>;" * 200_000, '<a>; x="' + "\\" * 200_000, "<" * 200_000, '<a>;a="b' * 50_000])
def test_a_hostile_link_header_is_read_in_no_time(header: str) -> None:
    # It ends: with backtracking it would not.
    assert list(hints.links(header)) == []


def _feed(*hubs: str, self_url: str | None = None) -> model.ParsedFeed:
    return model.ParsedFeed(version="rss20", entries=(), hubs=hubs, self_url=self_url)


def test_what_link_headers_say_goes_before_what_the_document_says() -> None:
    headers = {"link": '<https://hub.of.header/>; rel="hub", </topic>; rel="self"'}

    found = websub.discovered(headers, _feed("https://hub.of.document/", self_url="https://s/"), FEED)

    assert found == pushing.Discovery(hubs=("https://hub.of.header/",), topic="https://feed.example/topic")


def test_what_they_do_not_say_the_document_says() -> None:
    found = websub.discovered({}, _feed("https://h/", self_url="https://s/"), FEED)
    half = websub.discovered({"link": "<https://s2/>; rel=self"}, _feed("https://h/", self_url="https://s/"), FEED)
    none = websub.discovered({}, _feed("https://h/"), FEED)

    assert (found.hubs, found.topic) == (("https://h/",), "https://s/")
    assert (half.hubs, half.topic) == (("https://h/",), "https://s2/")
    assert none.topic == FEED
    assert websub.discovered({}, _feed(self_url="https://s/"), FEED) == pushing.Discovery()


def test_hubs_that_speak_https_come_first() -> None:
    assert websub.discovered({}, _feed("http://a/", "https://b/", "https://c/"), FEED).hubs == (
        "https://b/",
        "https://c/",
        "http://a/",
    )


# ------------------------------------------------------------------------------------------------------- signatures


@pytest.mark.parametrize("method", ["sha1", "sha256", "sha384", "sha512"])
def test_each_registered_method_signs(method: str) -> None:
    right = hmac.new(b"s3cret", b"body", getattr(hashlib, method)).hexdigest()

    assert websub.signed("s3cret", [f"{method}={right}"], b"body")
    assert websub.signed("s3cret", [f" {method.upper()}={right.upper()} "], b"body")
    assert websub.signed("s3cret", ["sha1=00", f"{method}={right}"], b"body")
    assert not websub.signed("s3cret", [f"{method}={right}"], b"body!")
    assert not websub.signed("other", [f"{method}={right}"], b"body")
    assert not websub.signed("s3cret", [f"{method}={right[:-1]}"], b"body")


def test_other_methods_and_nonsense_do_not() -> None:
    weak = hmac.new(b"s3cret", b"body", hashlib.md5).hexdigest()

    for signature in (f"md5={weak}", weak, "", "sha256", "sha256=é", "=", "new=x"):
        assert not websub.signed("s3cret", [signature], b"body")
    assert not websub.signed("s3cret", [], b"body")


# ---------------------------------------------------------------------------------------------------------- requests


def test_a_secret_is_told_to_subscribe_only() -> None:
    asked = websub.form(subscription(), "https://collector.example/news/")
    ended = websub.form(subscription(state=pushing.State.ENDING), "https://collector.example")

    assert asked["hub.callback"] == "https://collector.example/news/websub/t0ken"
    assert (asked["hub.mode"], asked["hub.secret"], asked["hub.lease_seconds"]) == ("subscribe", "s3cret", "864000")
    assert (ended["hub.mode"], ended["hub.topic"]) == ("unsubscribe", FEED)
    assert "hub.secret" not in ended


@pytest.mark.parametrize(
    ("told", "lease"),
    [
        ("3600", HOUR), ("", 10 * DAY), ("abc", 10 * DAY), ("-1", 10 * DAY), ("0", timedelta(seconds=1)),
        ("9" * 5000, 365 * DAY), ("999999999", 365 * DAY),
    ],
)  # fmt: skip
def test_a_lease_is_believed_within_limits(told: str, lease: timedelta) -> None:
    assert websub.granted({"hub.lease_seconds": told}) == lease


def test_neither_token_nor_secret_is_shown() -> None:
    one = subscription()

    assert not {"t0ken", "s3cret"} & set(repr(one).replace("'", " ").split())
    assert websub.discreet("no t0ken\nwith s3cret", one) == "no … with …"


def test_a_renewal_is_well_before_the_end_and_not_all_at_the_same_time() -> None:
    lease = 10 * DAY
    due = [cadence.renewal(subscription(id=n), lease=lease, now=NOW).at for n in range(50)]

    assert all(0.75 * lease <= at - NOW <= 0.83 * lease for at in due)
    assert len(set(due)) > 40
    assert cadence.renewal(subscription(), lease=timedelta(seconds=1), now=NOW).at == NOW + MINUTE


def test_a_renewal_in_vain_is_tried_again_before_the_lease_ends() -> None:
    one = subscription(lease_until=NOW + HOUR)

    due = cadence.ask_again(one, failures=9, hubs=1, now=NOW)

    assert due.at <= NOW + 33 * MINUTE


def test_a_hub_that_asks_for_time_gets_it() -> None:
    due = cadence.ask_again(subscription(), failures=1, hubs=1, now=NOW, retry_after=NOW + DAY)

    assert due == model.Due(at=NOW + DAY, reason="again in 24 h, as the hub asks (Retry-After)")


def test_hubs_take_turns() -> None:
    hubs = ("https://a/", "https://b/", "https://c/")

    assert [websub.next_hub(subscription(hub=hub), hubs) for hub in hubs] == ["https://b/", "https://c/", "https://a/"]
    assert websub.next_hub(subscription(hub="https://gone/"), hubs) == "https://a/"
    assert websub.next_hub(subscription(hub="https://gone/"), ()) == "https://gone/"


# ---------------------------------------------------------------------------------------------------------- missed


@pytest.mark.parametrize(
    ("published", "verdict"),
    [
        (NOW - HOUR, (1, 0)),  # since the last poll, and longer ago than the grace
        (NOW - 5 * MINUTE, (0, 1)),  # the hub still has its grace
        (None, (0, 1)),  # it came since the last poll, whenever that was
        (NOW - 5 * HOUR, (0, 1)),  # the last poll would have shown it: not a date to believe
        (NOW + HOUR, (0, 1)),  # nor is this
    ],
)
def test_what_a_poll_finds_is_held_against_the_hub_as_far_as_it_is_certain(
    published: Any, verdict: tuple[int, int]
) -> None:
    entry = make.entry(published_at=published)

    assert websub.missed(subscription(), [entry], polled_before=NOW - 2 * HOUR, now=NOW) == verdict


def test_nothing_is_held_against_a_hub_that_was_only_just_asked() -> None:
    entry = make.entry(published_at=NOW - HOUR)
    young = subscription(active_since=NOW - 30 * MINUTE)

    assert websub.missed(young, [entry], polled_before=NOW - 2 * HOUR, now=NOW) == (0, 0)
    for state in pushing.State:
        if state is not pushing.State.ACTIVE:
            one = subscription(state=state)
            assert websub.missed(one, [entry], polled_before=NOW - 2 * HOUR, now=NOW) == (0, 0)
