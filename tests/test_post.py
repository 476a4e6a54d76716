"""A form sent to a hub through the one client: what is sent, where it is followed, what counts as taken, what is said otherwise."""

from collections.abc import Iterator

import pytest

from aggregator import errors, model
from aggregator.net import fetcher, hops
from tests import hub as hubs
from tests import scripted_web
from tests.fetching import fetching

FORM = {"hub.mode": "subscribe", "hub.topic": "https://feed.example/?a=1&b=ü", "hub.secret": "s3cret"}


@pytest.fixture
def hub() -> Iterator[hubs.Hub]:
    with hubs.serve() as served:
        served.checks_back = False
        yield served


def _request(url: str) -> model.Request:
    return model.Request(url=url, accept="*/*", max_bytes=2048, cut=True, form=FORM)


async def _refused(client: fetcher.Fetcher, url: str) -> errors.FetchError:
    with pytest.raises(errors.FetchError) as caught:
        await client.post(_request(url))
    assert "s3cret" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_a_form_is_taken_with_any_2xx(hub: hubs.Hub, status: int) -> None:
    hub.status = status
    async with fetching() as client:
        await client.post(_request(hub.url("/hub")))
        await client.post(_request(hub.url("/hub")))

    assert hub.asked == 2 * [FORM | {"path": "/hub"}]


async def test_a_redirect_is_followed_with_the_form_but_303_is_not(hub: hubs.Hub) -> None:
    hub.moves_to = "/hub2"
    async with fetching() as client:
        await client.post(_request(hub.url("/hub")))
        hub.status = 303
        error = await _refused(client, hub.url("/hub3"))

    assert hub.asked[0] == FORM | {"path": "/hub2"}
    assert (error.status, error.code) == (303, "http_303")


@pytest.mark.parametrize(("status", "code"), [(400, "http_400"), (404, "http_404"), (410, "gone"), (500, "http_500")])
async def test_what_a_hub_says_is_in_the_error_in_one_line(hub: hubs.Hub, status: int, code: str) -> None:
    hub.status, hub.said = status, b"the topic\nis no good " + 9999 * b"x"
    async with fetching() as client:
        error = await _refused(client, hub.url("/hub"))

    assert (error.status, error.code) == (status, code)
    assert ": the topic is no good x" in str(error)
    assert len(str(error)) < 300


async def test_where_nobody_may_go_no_form_is_sent(hub: hubs.Hub) -> None:
    async with fetching(allow_networks=[]) as client:
        error = await _refused(client, hub.url("/hub"))
    hub.moves_to = "http://169.254.169.254/"
    async with fetching() as client:
        second = await _refused(client, hub.url("/hub"))

    assert isinstance(error, errors.BlockedError)
    assert isinstance(second, errors.BlockedError)
    assert hub.asked == []


def test_a_form_does_not_follow_from_https_to_http() -> None:
    request = _request("https://hub.example/")
    answer = hops.Answer(status=307, headers={"location": "http://hub.example/"})

    with pytest.raises(errors.BlockedError) as caught:
        hops.redirected(request, hops.first(request), answer)

    assert caught.value.code == "insecure"


async def test_a_hub_that_keeps_silent_is_given_up() -> None:
    async with scripted_web.serve() as web, fetching(timeout=0.3) as client:
        web.answers["/hub"] = scripted_web.Answer(wait=9)
        error = await _refused(client, web.url("/hub"))

    assert error.code == "timeout"


def test_a_request_does_not_show_its_form() -> None:
    assert "s3cret" not in repr(_request("https://hub.example/"))
