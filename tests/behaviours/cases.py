"""The recorded cases, and which function checks which."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.behaviours.world import World
from tests.conftest import SHARED

FOLDER = SHARED / "corpus" / "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A line of behaviours.jsonl."""

    id: str
    level: str
    title: str
    steps: tuple[dict[str, Any], ...]
    expect: str


Check = Callable[[World, Case], Awaitable[None]]

CHECKS: dict[str, Check] = {}


def checks(*ids: str) -> Callable[[Check], Check]:
    """The decorated function checks these cases."""

    def note(check: Check) -> Check:
        assert not CHECKS.keys() & set(ids)
        CHECKS.update(dict.fromkeys(ids, check))
        return check

    return note


@cache
def cases() -> dict[str, Case]:
    """All of them by id; empty where the recorded data is absent."""
    path = FOLDER / "behaviours.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    told = [json.loads(line) for line in lines]
    return {
        one["id"]: Case(
            id=one["id"], level=one["level"], title=one["title"], steps=tuple(one["steps"]), expect=one["expect"]
        )
        for one in told
    }


def body(name: str) -> bytes:
    """A recorded body."""
    return (FOLDER / "bodies" / name).read_bytes()
