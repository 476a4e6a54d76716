"""The log: one line an event, no secrets, and never a reason to stop."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from aggregator import config, log


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def _configured(**settings: str) -> io.StringIO:
    stream = io.StringIO()
    log.configure(config.LogSettings.model_validate({"format": "json"} | settings), stream=stream)
    return stream


def test_an_event_is_one_json_line_with_its_time_and_level() -> None:
    stream = _configured()

    log.logger("poll").info("poll.done", source="A", new=3)

    (line,) = _lines(stream)
    assert (line["event"], line["level"], line["part"], line["source"], line["new"]) == (
        "poll.done",
        "info",
        "poll",
        "A",
        3,
    )
    assert str(line["at"]).endswith("Z")


def test_a_title_cannot_write_lines_of_its_own() -> None:
    stream = _configured()

    log.logger("poll").info("poll.done", source='evil\n{"event": "forged"}\x1b[2J\u2028x')

    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_secrets_are_masked_wherever_they_stand() -> None:
    stream = _configured()

    log.logger("x").info(
        "e",
        url="https://me:s3cret@example.org/",
        password="s3cret",
        headers={"Authorization": "s3cret", "ok": "y"},
        cookies="s3cret",
    )

    assert "s3cret" not in stream.getvalue()


def test_levels_are_kept() -> None:
    stream = _configured(level="warning")

    log.logger("x").info("quiet")
    log.logger("x").warning("loud")

    assert [line["event"] for line in _lines(stream)] == ["loud"]


def test_libraries_speak_in_the_same_form_from_warning_on() -> None:
    stream = _configured()

    logging.getLogger("apscheduler").info("no")
    logging.getLogger("apscheduler").warning("yes %s", 1)
    logging.getLogger("trafilatura.core").error("noise")

    assert [line["event"] for line in _lines(stream)] == ["yes 1"]


def test_an_exception_is_told_in_one_line() -> None:
    stream = _configured()

    try:
        raise ValueError("boom")
    except ValueError:
        log.logger("x").exception("crashed")

    (line,) = _lines(stream)
    assert "ValueError: boom" in str(line["exception"])


class _Broken(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_closed_pipe_or_a_full_disk_costs_the_line_and_nothing_else() -> None:
    log.configure(config.LogSettings(format="json"), stream=_Broken())

    log.logger("x").info("lost")
    logging.getLogger("x").warning("lost too")
