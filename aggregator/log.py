"""The log: one event a line, for people on a terminal, as JSON otherwise. It never holds a secret, and never stops the daemon."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from aggregator import config

_SECRET_KEY = re.compile(r"password|passwd|token|secret|authorization|^auth$|cookie|credential", re.IGNORECASE)
# What would begin a new line or move a terminal's cursor: a title may hold anything.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
# They tell of every page that is not to their taste.
_NOISY = ("trafilatura", "htmldate", "courlan", "charset_normalizer", "justext")


def logger(name: str) -> FilteringBoundLogger:
    """A logger for a part of the program; `name` stands in every line as `part`."""
    return cast(FilteringBoundLogger, structlog.get_logger(part=name))


def configure(settings: config.LogSettings, *, stream: TextIO | None = None) -> None:
    """Set up the log once, for this program and the libraries, which speak from `warning` on."""
    out = _Patient(stream or sys.stderr)
    level = _LEVELS[settings.level]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%SZ", utc=True, key="at"),
        structlog.processors.format_exc_info,
        _clean,
    ]
    plain = settings.format == "console" or (settings.format == "auto" and out.isatty())
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), timestamp_key="at", sort_keys=False)
        if plain
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=cast(TextIO, out)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(cast(TextIO, out))
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    )
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    logging.raiseExceptions = False
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _clean(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask secrets and take out what would break the line, in every value."""
    for key, value in event.items():
        event[key] = "***" if value and _SECRET_KEY.search(key) else _tidy(value, keep_lines=key == "exception")
    return event


def _tidy(value: Any, *, keep_lines: bool = False) -> Any:
    if isinstance(value, str):
        text = config.redact(value)
        return "\n".join(map(_one_line, text.split("\n"))) if keep_lines else _one_line(text)
    if isinstance(value, (list, tuple)):
        return [_tidy(one) for one in value]
    if isinstance(value, dict):
        return {str(key): "***" if _SECRET_KEY.search(str(key)) else _tidy(one) for key, one in value.items()}
    return value


def _one_line(text: str) -> str:
    return _CONTROL.sub(" ", text)


class _Patient:
    """A stream that forgives: a closed pipe or a full disk costs the line, not the daemon."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return

    def isatty(self) -> bool:
        try:
            return self._stream.isatty()
        except (OSError, ValueError):
            return False
