"""Plays the `steps` of a case: each scripted answer is given to the request it is for, and each request is held against its step."""

import gzip
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from tests.behaviours import web
from tests.behaviours.cases import Case, body
from tests.behaviours.world import World

Step = dict[str, Any]
_REDIRECTS = (301, 302, 303, 307, 308)


def reply(step: Step) -> web.Reply:
    """What the step has the server say."""
    told = step["respond"]
    headers = dict(told.get("headers", {}))
    content = body(told["body"]) if "body" in told else b""
    if headers.get("Content-Encoding") == "gzip":
        content = gzip.compress(content)
    return web.Reply(status=told["status"], headers=headers, body=content)


async def play(world: World, case: Case, name: str = "feed") -> list[list[web.Heard]]:
    """All steps of the case in turn; the requests of each poll.

    A poll happens when the program says that it is due, or `advance_s` later if that is later still: how long it waits is its own
    choice, unless a step says that it is not to ask.
    """
    polls = []
    for group in _polls(case.steps):
        first = group[0]
        world.clock.advance(first.get("advance_s", 0))
        if first.get("restart_before"):
            await world.restart()
        if "user_action" in first:
            await act(world, first["user_action"], name)
        elif "respond" in first:
            heard = await world.poll(name, *(reply(step) for step in group))
            _compare(world, heard, group, name)
            polls.append(heard)
        if "expect_no_request_for_s" in first:
            await silence(world, first["expect_no_request_for_s"])
    return polls


def _polls(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """The steps of one poll together: a redirect and what is asked after it."""
    group: list[Step] = []
    for step in steps:
        follows = group and "respond" in group[-1] and group[-1]["respond"]["status"] in _REDIRECTS
        if follows and not step.get("advance_s"):
            group.append(step)
            continue
        if group:
            yield group
        group = [step]
    if group:
        yield group


async def silence(world: World, seconds: float) -> None:
    """Nobody is asked for so long, however often the program looks for what is due."""
    before, end = len(world.web.heard), world.clock.at + timedelta(seconds=seconds)
    for share in (0, 0.5, 1):
        world.clock.at = end - timedelta(seconds=seconds * (1 - share))
        await world.round()
    assert world.web.urls()[before:] == []


async def act(world: World, action: str, name: str) -> None:
    """What the operator does."""
    told = dict(world.sources)
    if found := re.fullmatch("edit feed URL to (.+)", action):
        await world.configure(**told | {name: {"url": found[1]}})
    elif action == "re-enable":
        # As docs/operations.md would have it: off and on again.
        await world.configure(**told | {name: told[name] | {"enabled": False}})
        assert world.source(name)["state"] == "paused"
        await world.configure(**told)
    else:
        raise ValueError(action)


def _compare(world: World, heard: Sequence[web.Heard], group: Sequence[Step], name: str) -> None:
    assert len(heard) == len(group), f"{[one.url for one in heard]} for {len(group)} steps"
    for n, (asked, step) in enumerate(zip(heard, group, strict=True)):
        where = step.get("url") or (_first(world, name) if n == 0 else None)
        if where is not None:
            assert asked.url == where
        assert asked.method == step.get("method", "GET")
        for header, value in step.get("request_must_have", {}).items():
            _has(asked, header, value)
        for header in step.get("request_must_not_have", ()):
            assert header.lower() not in asked.headers
        for header, value in step.get("must_not_equal", {}).items():
            assert asked.headers.get(header.lower()) != value


def _first(world: World, name: str) -> str:
    return str(world.sources[name]["url"])


def _has(asked: web.Heard, header: str, value: str) -> None:
    sent = asked.headers.get(header.lower())
    assert sent is not None, f"no {header}"
    if value.startswith("~"):
        assert re.search(value[1:], sent), f"{header}: {sent}"
    else:
        assert sent == value


def path(url: str) -> str:
    return urlsplit(url).path
