"""What a fetch meets on its way, exchange by exchange, for whoever wants to be told: a live check. Polls go without."""

import ssl
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpcore2

from aggregator import config, diagnosis, markup

_LONGEST_NAME, _LONGEST_HEADER = 100, 1_000
# What tells of the document and its server. Others may hold secrets, which a report must not.
_TELLING = frozenset(
    "age cache-control cf-mitigated content-encoding content-language content-length content-type date etag expires last-modified link "
    "location retry-after server vary via x-robots-tag".split()
)


class Trail:
    """Collects `steps`. The fetcher tells it when it asks, when headers have come, and when all has."""

    def __init__(self) -> None:
        self._steps: list[diagnosis.Step] = []
        self._began = 0.0

    @property
    def steps(self) -> tuple[diagnosis.Step, ...]:
        return tuple(self._steps)

    def asked(self, url: str) -> None:
        """A request for `url` begins."""
        self._began = time.monotonic()
        self._steps.append(diagnosis.Step(url=url))

    def answered(self, status: int, headers: Mapping[str, str], response: httpcore2.Response) -> None:
        """Its headers have come; the connection is still open."""
        stream = response.extensions.get("network_stream")
        self._last(
            status=status,
            headers={
                name: config.redact(markup.line(value, _LONGEST_HEADER))
                for name, value in headers.items()
                if name in _TELLING
            },
            first_byte=self._since(),
            address=_peer(stream),
            tls=_tls(stream.get_extra_info("ssl_object")) if stream is not None else None,
        )

    def ended(self, wire_bytes: int, size: int) -> None:
        """Its body has come, so large on the wire and decoded."""
        self._last(took=self._since(), wire_bytes=wire_bytes, bytes=size)

    def _last(self, **changes: Any) -> None:
        self._steps[-1] = replace(self._steps[-1], **changes)

    def _since(self) -> timedelta:
        return timedelta(seconds=time.monotonic() - self._began)


def _peer(stream: httpcore2.AsyncNetworkStream | None) -> str | None:
    peer = stream.get_extra_info("server_addr") if stream is not None else None
    return str(peer[0]) if peer else None


def _tls(connection: ssl.SSLObject | None) -> diagnosis.Tls | None:
    certificate = connection.getpeercert() if connection is not None else None
    if connection is None or not certificate:
        return None
    issuer = {str(name): str(value) for part in certificate.get("issuer", ()) for name, value in _pairs(part)}
    who = issuer.get("organizationName") or issuer.get("commonName") or "unknown"
    since, until = (
        datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate[name])), tz=UTC)
        for name in ("notBefore", "notAfter")
    )
    version = connection.version() or "unknown"
    return diagnosis.Tls(version=version, issuer=markup.line(who, _LONGEST_NAME), since=since, until=until)


def _pairs(part: Any) -> tuple[tuple[str, str], ...]:
    """getpeercert's relative distinguished names: tuples of pairs, whatever its stub says."""
    return tuple((one[0], one[1]) for one in part)
