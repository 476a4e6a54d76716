"""Limits of when to poll, and any times and spans at all."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from aggregator import cadence

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LIMITS = cadence.Limits(interval=HOUR, min_interval=5 * MINUTE, max_interval=DAY)


def limited(interval: timedelta, fixed: bool = False) -> cadence.Limits:
    return cadence.Limits(interval=interval, min_interval=5 * MINUTE, max_interval=DAY, fixed=fixed)


spans = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=100_000))
moments = st.timedeltas(timedelta(0), 40_000 * DAY).map(lambda since: datetime(1990, 1, 1, tzinfo=UTC) + since)
bounds = st.builds(
    lambda least, normal, most, fixed: cadence.Limits(
        interval=normal, min_interval=least, max_interval=max(least, most), fixed=fixed
    ),
    *[st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400))] * 3,
    st.booleans(),
)
