"""URL keys: which addresses name one article."""

import ada_url
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.feed import identity, tracking


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://www.example.org/a", "https://example.org/a"),
        ("https://example.org/a/", "https://example.org/a"),
        ("https://example.org//a//b", "https://example.org/a/b"),
        ("https://EXAMPLE.org:443/a", "http://example.org:80/a"),
        ("https://example.org/a?utm_source=rss&utm_medium=feed", "https://example.org/a"),
        ("https://example.org/a?b=2&a=1&fbclid=xyz", "https://example.org/a?a=1&b=2"),
        ("https://example.org/a?x=1&amp;y=2", "https://example.org/a?y=2&x=1"),
        ("https://example.org/%7Eme/caf%C3%A9", "https://example.org/~me/café"),
        ("https://example.org/a#comments", "https://example.org/a"),
        ("https://example.org/a?x=1&amp;amp;y=2&#038;z=3", "https://example.org/a?x=1&y=2&z=3"),
        ("https://example.org/a?utm_source=rss&#038;utm_medium=rss", "https://example.org/a"),
        ("https://example.org/a?id=5?utm_source=rss", "https://example.org/a?id=5"),
        ("https://m.example.org/a-1", "https://www.example.org/a-1"),
        ("https://mobile.example.org/a-1", "https://example.org/a-1"),
        ("https://en.m.wikipedia.org/wiki/News", "https://en.wikipedia.org/wiki/News"),
        ("https://amp.example.org/a-1", "https://example.org/a-1"),
        ("https://example.org/2025/a-1/amp/", "https://example.org/2025/a-1"),
        ("https://example.org/amp/2025/a-1", "https://example.org/2025/a-1"),
        ("https://example.org/a-long-one.amp.html", "https://example.org/a-long-one.html"),
        ("https://example.org/a?amp=1", "https://example.org/a"),
        ("https://example.org/a?amp", "https://example.org/a"),
        ("https://example.org/a?outputType=amp", "https://example.org/a"),
        ("https://www.google.com/amp/s/example.org/a-1", "https://example.org/a-1"),
        ("https://example-org.cdn.ampproject.org/c/s/example.org/a-1", "https://example.org/a-1"),
        ("https://example.org/a/index.html", "https://example.org/a"),
        ("https://example.org/index.php?p=1", "https://example.org/?p=1"),
        ("https://example.org/Default.aspx", "https://example.org"),
        ("https://example.org/a;jsessionid=1A2B", "https://example.org/a"),
        ("https://example.org/a?PHPSESSID=abc", "https://example.org/a"),
        ("https://example.org/(S(abcdefghijklmnopqrstuvwx))/a", "https://example.org/a"),
        ("https://example.org/?_escaped_fragment_=a/1", "https://example.org/#!a/1"),
        ("https://example.org/x/../a/./b", "https://example.org/a/b"),
        ("https://münchen.example/a", "https://xn--mnchen-3ya.example/a"),
        ("https://user:secret@example.org/a", "https://example.org/a"),
        ("https://www.aljazeera.com/a?traffic_source=rss", "https://aljazeera.com/a"),
        ("https://example.org/a?ref=rss", "https://example.org/a"),
        ("https://example.org/a?ref=blog.example.net", "https://example.org/a"),
        ("example.org/a", "https://example.org/a"),
    ],
)
def test_addresses_that_name_the_same_article_have_one_key(one: str, other: str) -> None:
    assert identity.url_key(one) == identity.url_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.org/a", "https://example.org/b"),
        ("https://example.org/A", "https://example.org/a"),
        ("https://example.org/?p=1", "https://example.org/?p=2"),
        ("https://one.example.org/a", "https://two.example.org/a"),
        ("https://example.org:8080/a", "https://example.org/a"),
        ("https://example.org/a?id=", "https://example.org/a?id=3"),
        ("https://example.org/#!a/1", "https://example.org/#!a/2"),
        ("https://example.org/#/article/1", "https://example.org/#/article/2"),
        ("https://example.org/article.pl?sid=25/09/18/1", "https://example.org/article.pl?sid=25/09/18/2"),
        ("https://example.org/?ref=1", "https://example.org/?ref=2"),
        ("https://example.org/?source=12", "https://example.org/?source=13"),
        ("https://example.org/?story=1&p=2", "https://example.org/?story=1&p=3"),
        ("https://example.org/?m=202509", "https://example.org/?m=202510"),
        ("https://mailchi.mp/a?mc_cid=1", "https://mailchi.mp/a?mc_cid=2"),
        ("https://example.org/wiki/amp", "https://example.org/wiki"),
        ("https://example.org/?t=%C4%E3", "https://example.org/?t=%C4%E4"),
        ("https://m.example/a", "https://example/a"),
    ],
)
def test_addresses_of_different_articles_have_different_keys(one: str, other: str) -> None:
    assert identity.url_key(one) != identity.url_key(other)


def test_a_very_long_address_has_a_short_key() -> None:
    assert len(identity.url_key("https://example.org/" + "a" * 5000)) < 100


@given(st.text(max_size=200))
def test_no_address_whatever_breaks_the_key(url: str) -> None:
    assert isinstance(identity.url_key(url), str)
    assert isinstance(identity.host_of(url), str)


# What addresses are made of, and what keys are folded by.
_PIECES = (
    "a b . / ? & = # ! % %25 %2f %26 amp; &amp; &#038; & www. m. amp /amp index.html ; ;jsessionid=1 %2E .. : 443 :80 @ utm_source "
    "ref é ( ) [ ] // http:// https:// \\ + %20 %3F %23 | ^ ~ %7e x-y _escaped_fragment_= \ud800"
).split()


@given(
    st.lists(st.sampled_from(_PIECES), max_size=14).map("".join), st.sampled_from(("", "https://", "https://ex.org/"))
)
def test_the_key_of_a_key_is_itself(rest: str, start: str) -> None:
    key = identity.url_key(start + rest)

    assert identity.url_key(key) == key
    if start and not key.startswith(("https:", "sha256:")):
        assert identity.url_key(f"https://{key}") == key


@given(st.lists(st.sampled_from(_PIECES), max_size=14).map("".join))
def test_what_the_url_standard_says_is_one_address_has_one_key(rest: str) -> None:
    url = f"https://ex.org/{rest}"
    try:
        same = ada_url.normalize_url(url)
    except ValueError:
        return

    assert identity.url_key(same) == identity.url_key(url)


def test_every_tracking_parameter_has_its_origin() -> None:
    told = {*tracking.TRACKING.values(), *tracking.FAMILIES.values()}

    assert {origin for origins in told for origin in origins.split()} == set(tracking.ORIGINS)
    assert all(name == name.lower() for name in tracking.TRACKING)
