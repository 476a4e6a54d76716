"""What time it is. Stages are given a Clock, so that a test can let years pass."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def now() -> datetime:
    """The time in UTC, in whole seconds, as it is stored."""
    return datetime.now(UTC).replace(microsecond=0)
