"""All cases, in one row, each on loopback addresses of its own, and the healthy sources beside them."""

from tests.hostile import identity, network, pages, redirects, status, text, tls, xml
from tests.hostile.case import Asked, Case, entry, http, rss

HEALTHY = 50

CASES: tuple[Case, ...] = (
    *network.CASES,
    *redirects.CASES,
    *status.CASES,
    *tls.CASES,
    *xml.CASES,
    *text.CASES,
    *identity.CASES,
    *pages.CASES,
)
_NUMBERS = {case.id: number for number, case in enumerate(CASES)}


def host(case: Case) -> str:
    """The address where the case's feed is."""
    return _address(30, _NUMBERS[case.id])


def page_host(case: Case) -> str:
    """The address where the case's second host is."""
    return _address(31, _NUMBERS[case.id])


def healthy_host(number: int) -> str:
    """The address of a source that behaves."""
    return _address(40, number)


def url(case: Case, port: int) -> str:
    """The URL of the case's feed."""
    return case.url.format(host=host(case), page_host=page_host(case), port=port)


def healthy(asked: Asked) -> bytes:
    """A feed that brings a story every other time."""
    newest = 10 + asked.nth // 2
    entries = (entry(asked.base, n) for n in range(newest, newest - 10, -1))
    return http(rss(*entries).encode())


def _address(second: int, number: int) -> str:
    return f"127.{second}.{number // 200}.{10 + number % 200}"
