"""Whether it is them or us: when every source fails that was well, it is our own network, and no source is to blame."""

from dataclasses import dataclass, field
from datetime import datetime

from aggregator import model

# So many hosts that were well and turned bad, none of any source answering in between: a share of those that have answered since the
# start, for among hundreds polled at a time a handful that fail in a row is chance, but no more than are polled within a minute.
_FEWEST, _SHARE, _MOST = 3, 8, 30
# With nothing to compare, for no source has ever answered: so many hosts.
_NEVER = 10


@dataclass(slots=True)
class Outlook:
    """What polls came to since the last success. Times are those of the polls."""

    since: datetime | None = None
    outage: bool = False
    _turned: dict[int, str] = field(default_factory=dict)
    _hosts: set[str] = field(default_factory=set)
    _answered: set[str] = field(default_factory=set)

    def succeeded(self, host: str) -> bool:
        """A source of `host` answered; True if that ends an outage."""
        ended, self.outage, self.since = self.outage, False, None
        self._answered.add(host)
        self._turned.clear()
        self._hosts.clear()
        return ended

    def was_well(self, source: model.Source) -> bool:
        """Whether the source answered until now, and has only failed since nobody answers."""
        return source.id in self._turned

    def failed(self, source: model.Source, host: str, at: datetime) -> tuple[int, ...]:
        """A source failed. At the moment at which that makes an outage, the sources that have been blamed for it in error."""
        self.since = self.since or at
        self._hosts.add(host)
        if source.failures == 0 and source.last_success_at is not None:
            self._turned[source.id] = host
        if self.outage:
            return ()
        enough = min(max(_FEWEST, len(self._answered) // _SHARE), _MOST)
        turned = len(set(self._turned.values()))
        self.outage = turned >= enough or (not self._answered and len(self._hosts) >= _NEVER)
        return tuple(self._turned) if self.outage else ()
