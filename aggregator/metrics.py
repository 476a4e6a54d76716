"""Reports into Prometheus metrics. Labels come from closed lists only: nothing foreign can make a new time series."""

import re
from collections.abc import Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from aggregator import __version__, model

_CODE = re.compile(r"[a-z0-9_]{1,32}")
_LAG = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one daemon, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._info = Gauge("aggregator_build_info", "1; the version is the label", ["version"], registry=self._registry)
        self._info.labels(version=__version__).set(1)
        self._polls = Counter("aggregator_polls", "Polls by outcome", ["outcome"], registry=self._registry)
        self._pushes = Counter(
            "aggregator_pushes", "What hubs pushed, by outcome", ["outcome"], registry=self._registry
        )
        self._poll_seconds = Histogram(
            "aggregator_poll_seconds", "Time of a poll", buckets=_SECONDS, registry=self._registry
        )
        self._bytes = Counter("aggregator_feed_bytes", "Bytes of feeds on the wire", registry=self._registry)
        self._items = Counter("aggregator_items", "Items that polls brought", ["event"], registry=self._registry)
        self._backfilled = Counter(
            "aggregator_backfilled_items", "Items that backfill found, by how", ["method"], registry=self._registry
        )
        self._harvests = Counter(
            "aggregator_harvests", "Harvests by state of the item", ["state"], registry=self._registry
        )
        self._harvest_seconds = Histogram(
            "aggregator_harvest_seconds", "Time of a harvest", buckets=_SECONDS, registry=self._registry
        )
        self._errors = Counter(
            "aggregator_errors", "Failures by stage and code", ["stage", "code"], registry=self._registry
        )
        self._lag = Histogram(
            "aggregator_loop_lag_seconds", "How late the event loop is", buckets=_LAG, registry=self._registry
        )
        self._pending = Gauge("aggregator_items_due", "Items due for a visit", registry=self._registry)
        self._due = Gauge("aggregator_sources_due", "Sources due for a poll", registry=self._registry)
        self._unwell = Gauge(
            "aggregator_sources_quiet", "Sources that are silent or barren", ["health"], registry=self._registry
        )

    def polled(self, report: model.PollReport) -> None:
        """Count one poll, or what one push came to."""
        if report.origin is model.Origin.PUSH:
            self.pushed(str(report.outcome))
        else:
            self._polls.labels(outcome=str(report.outcome)).inc()
            self._poll_seconds.observe(report.took.total_seconds())
            self._bytes.inc(report.bytes)
        self._items.labels(event="new").inc(report.new)
        self._items.labels(event="changed").inc(report.changed)
        if report.error_code:
            self._errors.labels(stage=str(report.origin), code=_known(report.error_code)).inc()

    def pushed(self, outcome: str) -> None:
        """Count one push: what it came to, or why it was not stored."""
        self._pushes.labels(outcome=outcome).inc()

    def backfilled(self, method: str, new: int) -> None:
        """Count what a page brought that the feed no longer shows."""
        if new:
            self._backfilled.labels(method=method).inc(new)

    def harvested(self, report: model.HarvestReport) -> None:
        """Count one harvest."""
        self._harvests.labels(state=str(report.state)).inc()
        self._harvest_seconds.observe(report.took.total_seconds())
        if report.error_code:
            self._errors.labels(stage="harvest", code=_known(report.error_code)).inc()

    def lagged(self, seconds: float) -> None:
        """Note how late the event loop was."""
        self._lag.observe(seconds)

    def depths(self, items: int, sources: int) -> None:
        """Say how much work is due."""
        self._pending.set(items)
        self._due.set(sources)

    def quiet(self, counts: Mapping[str, int]) -> None:
        """Say how many sources are silent, and how many barren."""
        for health, count in counts.items():
            self._unwell.labels(health=health).set(count)

    def render(self) -> tuple[bytes, str]:
        """The text that Prometheus scrapes, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


def _known(code: str) -> str:
    return code if _CODE.fullmatch(code) else "other"
