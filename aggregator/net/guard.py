"""Which URLs and addresses may be contacted, and a network backend that contacts no other.

A name is resolved once, every address of it is checked, and the connection goes to a checked one: between the check and
the connection there is nothing that could change.
"""

import asyncio
import ipaddress
import itertools
import re
import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import httpcore2
import httpx2

from aggregator import diagnosis, errors, markup
from aggregator.net import stream

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_URL = 8192
# Elsewhere live services that a request could be made to speak to: below 1024 those of every system.
_WEB_PORTS = frozenset({80, 443})
_LEAST_PORT = 1024

# Names and addresses, once httpx2 has turned other alphabets into these letters; it lets much else through, percent-encoded.
_HOST = re.compile(rb"[0-9A-Za-z._:-]+")

# What ends in a number is an address to whoever looks it up (WHATWG URL §4.2, "ends in a number"; inet_aton).
_NUMERIC = re.compile("(?:^|[.])(?:[0-9]+|0x[0-9a-f]*)$")
# RFC 6761, 6762 and 8375, what /etc/hosts has, and the name that ICANN keeps for private use. A name without a dot is completed by
# the search list of whoever looks it up.
_LOCAL = (".localhost", ".local", ".localdomain", ".internal", ".home.arpa")
_LONGEST_NAME = 253  # RFC 1035 §2.3.4, written with dots

_LOOKUPS = 16
_LOOKUP_LIMIT = 8.0
# Of a name with more addresses than these the rest is not tried: it would not be reached within the limit.
_MOST_ADDRESSES = 6

# The IANA special-purpose registries, spelled out: `is_global` of Python 3.11 lets eleven of them through (hazards §3),
# and it changes from release to release. The narrower first, for its name.
_SPECIAL = tuple(
    (ipaddress.ip_network(network), name)
    for network, name in (
        ("0.0.0.0/32", "unspecified"),
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "cloud metadata"),
        ("169.254.169.254/32", "cloud metadata"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "broadcast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
        ("2001::/32", "Teredo"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
    )
)
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


# ------------------------------------------------------------------------------------------------------------ URLs


def checked(url: str, *, port: int | None = None, allowed: "Allowed | None" = None) -> httpx2.URL:
    """`url` as it may be asked for, without user, password and fragment. Besides the web's ports, `port` is permitted if it is 1024
    or more, and what `allowed` lists for this host.

    Raises BlockedError (`url`, `scheme`, `port`).
    """
    found = shaped(url)
    asked = port_of(found)
    if asked in _WEB_PORTS or (asked == port and asked >= _LEAST_PORT):
        return found
    if allowed is None or not allowed.names(found.raw_host.decode("ascii").lower(), asked):
        said = f"port {asked} is not one of the web's, and neither the source's URL nor http.allow_networks names it"
        if asked < _LEAST_PORT:
            said = f"port {asked} is not one of the web's, and http.allow_networks does not name it"
        raise errors.BlockedError(said, code="port")
    return found


def shaped(url: str) -> httpx2.URL:
    """`url` without user, password and fragment, if it is one of the web's whatever its port. Raises BlockedError (`url`, `scheme`,
    `port`)."""
    if len(url) > LONGEST_URL:
        raise errors.BlockedError(f"the URL is longer than {LONGEST_URL} characters", code="url")
    try:
        found = parsed(url)
        # What is wrong with an international name shows itself only here.
        host = found.raw_host
    except (httpx2.InvalidURL, ValueError) as exc:
        raise errors.BlockedError("not a URL that can be asked for", code="url") from exc
    if found.scheme not in ("http", "https"):
        said = f"{markup.line(found.scheme, 20)}: URLs" if found.scheme else "URLs without a scheme"
        raise errors.BlockedError(f"{said} are not asked for, only http and https", code="scheme")
    if found.userinfo and "\\" in url:
        # Browsers end the host at a backslash, RFC 3986 has it in the user's name: nobody means this well.
        raise errors.BlockedError("a backslash before the URL's host", code="url")
    if not _HOST.fullmatch(host):
        raise errors.BlockedError("the URL has no host" if not host else "the URL's host is no name", code="url")
    if not 1 <= port_of(found) <= 65535:
        raise errors.BlockedError("the port of the URL is not from 1 to 65535", code="port")
    # Copying is parsing again.
    return found.copy_with(userinfo=b"", fragment=None) if found.userinfo or found.fragment else found


@lru_cache(maxsize=1024)
def parsed(url: str) -> httpx2.URL:
    """`url` taken apart, which costs enough to be done once. Raises InvalidURL, ValueError."""
    return httpx2.URL(url)


def port_of(url: httpx2.URL) -> int:
    """The port of `url`, stated or not."""
    if url.port is not None:
        return url.port
    return 443 if url.scheme == "https" else 80


# ------------------------------------------------------------------------------------------------------- addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What `http.allow_networks` lists: networks and host names, for one port or (None) for all."""

    networks: tuple[tuple[_Network, int | None], ...] = ()
    hosts: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """From `10.0.0.0/8`, `10.0.0.0/8:8080`, `10.0.0.5:8080`, `[::1]:80`, `host.example:8080`. Raises ValueError."""
        networks: list[tuple[_Network, int | None]] = []
        hosts: set[tuple[str, int]] = set()
        for text in texts:
            if (network := _network(text)) is not None:
                networks.append((network, None))
                continue
            left, port = _parted(text)
            if (network := _network(left)) is not None:
                networks.append((network, port))
            else:
                hosts.add((left.lower(), port))
        return cls(networks=tuple(networks), hosts=frozenset(hosts))

    def lists(self, address: _Address, port: int) -> bool:
        """Whether it is in one of the networks; a network holds no address of the other version."""
        return any(at in (None, port) and address in network for network, at in self.networks)

    def names(self, host: str, port: int) -> bool:
        """Whether `host`, an address or a name as URLs have it, is listed for `port`."""
        if (host, port) in self.hosts:
            return True
        with suppress(ValueError):
            return self.lists(ipaddress.ip_address(host), port)
        return False


NOTHING = Allowed()
EVERYWHERE = Allowed(networks=((ipaddress.ip_network("0.0.0.0/0"), None), (ipaddress.ip_network("::/0"), None)))


def check(address: str, port: int, allowed: Allowed = NOTHING) -> str | None:
    """Why `address` may not be contacted on `port`, in a word or two; None if it may.

    IPv6 forms that carry an IPv4 address to where it would be reached (mapped, NAT64) are judged by that address.
    """
    try:
        outer = ipaddress.ip_address(address)
    except ValueError:
        return "no address"
    inner = _inner(outer)
    if allowed.lists(outer, port) or allowed.lists(inner, port):
        return None
    for network, name in _SPECIAL:
        if inner in network:
            return name
    return "not public" if inner.version == 6 and inner not in _PUBLIC_6 else None


def unresolved(url: httpx2.URL, allowed: Allowed = NOTHING) -> None:
    """Refuse `url`, whose name is looked up by a proxy, for what its host says by itself: an address that may not be contacted, or a
    name that leads to no public one. Raises BlockedError (`address`).
    """
    host, port = url.raw_host.decode("ascii").lower(), port_of(url)
    if not allowed.names(host, port) and (flaw := _spelled(host, port, allowed)) is not None:
        said = f"{markup.line(host, 100)} is not a public address ({flaw}); http.allow_networks does not list it"
        raise errors.BlockedError(said, code="address")


def _spelled(host: str, port: int, allowed: Allowed) -> str | None:
    bare = host.rstrip(".")
    with suppress(ValueError):
        return check(str(ipaddress.ip_address(bare)), port, allowed)
    if _NUMERIC.search(bare):
        # Octal to some, decimal to others: 010.0.0.1 is 8.0.0.1 or 10.0.0.1, and the proxy chooses.
        return "an address in an unusual spelling"
    if len(bare) > _LONGEST_NAME:
        return "longer than any name"
    local = "." not in bare or bare.endswith(_LOCAL)
    return "a local name" if local else None


def _inner(address: _Address) -> _Address:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _parted(text: str) -> tuple[str, int]:
    """`host:port` or `[IPv6]:port`."""
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


# --------------------------------------------------------------------------------------------------------- backend


class Guard(httpcore2.AsyncNetworkBackend):
    """Connects where it may. `connect_to` is curl's --connect-to: its targets count as allowed, and TLS still asks for
    the certificate of the name in the URL.

    Raises BlockedError (`address`) and TransportError (`dns`, `connect`, `timeout`, `tls` and its kinds).
    """

    def __init__(self, *, allowed: Allowed, connect_to: Mapping[str, str]) -> None:
        self._allowed = allowed
        self._connect_to = {key.lower(): _parted(target) for key, target in connect_to.items()}
        self._tcp = stream.Backend()
        self._resolver = _Resolver()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to a checked address of `host`, each tried in turn within `timeout` seconds in all."""
        addresses, at = await self._route(host.lower(), port)
        loop = asyncio.get_running_loop()
        ends = None if timeout is None else loop.time() + timeout
        failed: Exception | None = None
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            limit = None if ends is None else max(ends - loop.time(), 0.0) / left
            try:
                return await self._tcp.connect_tcp(address, at, limit, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as exc:
                failed = exc
        raise _unconnected(f"{host}:{port}", failed, timeout) from failed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _route(self, host: str, port: int) -> tuple[Sequence[str], int]:
        """The addresses to try for `host`, all checked, and the port."""
        if (target := self._target(host, port)) is not None:
            return await self._resolver.addresses(*target), target[1]
        addresses = await self._resolver.addresses(host, port)
        if (host, port) not in self._allowed.hosts:
            for address in addresses:
                if (flaw := check(address, port, self._allowed)) is not None:
                    said = address if address == host else f"{markup.line(host, 100)} is at {address}, which"
                    raise errors.BlockedError(
                        f"{said} is not a public address ({flaw}); http.allow_networks does not list it", code="address"
                    )
        return _interleaved(addresses)[:_MOST_ADDRESSES], port

    async def look_up(self, host: str, port: int) -> tuple[diagnosis.Address, ...]:
        """Every address of `host` and why it may not be contacted; of a host that is replaced, those of its target. Raises
        TransportError (`dns`)."""
        if (target := self._target(host, port)) is not None:
            return tuple(diagnosis.Address(address=one) for one in await self._resolver.addresses(*target))
        listed = (host, port) in self._allowed.hosts
        found = await self._resolver.addresses(host, port)
        flaws = (None if listed else check(address, port, self._allowed) for address in found)
        return tuple(diagnosis.Address(address=one, refused=flaw) for one, flaw in zip(found, flaws, strict=True))

    def _target(self, host: str, port: int) -> tuple[str, int] | None:
        """What `connect_to` has in the place of `host`."""
        shown = f"[{host}]" if ":" in host else host
        return self._connect_to.get(f"{shown}:{port}") or self._connect_to.get(f"*:{port}")


def _interleaved(addresses: Sequence[str]) -> Sequence[str]:
    """In the order of the resolver, but IPv4 and IPv6 by turns: one that is not routed must not use up the time."""
    six = [address for address in addresses if ":" in address]
    four = [address for address in addresses if ":" not in address]
    both = (six, four) if six and addresses[0] == six[0] else (four, six)
    return [address for pair in itertools.zip_longest(*both) for address in pair if address is not None]


class _Resolver:
    """getaddrinfo in threads of its own, few at once. They are daemons: those of an executor would be waited for when
    the process ends, for as long as a name server is silent."""

    def __init__(self) -> None:
        self._seats = asyncio.Semaphore(_LOOKUPS)

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Every address of `host`. Raises TransportError (`dns`)."""
        with suppress(ValueError):
            return (str(ipaddress.ip_address(host)),)
        shown = markup.line(host, 100)
        try:
            async with asyncio.timeout(_LOOKUP_LIMIT):
                found = await self._look_up(host, port)
        except TimeoutError as exc:
            said = f"the name {shown} could not be resolved within {_LOOKUP_LIMIT:g} s (DNS)"
            raise errors.TransportError(said, code="dns") from exc
        except socket.gaierror as exc:
            unknown = exc.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
            said = f"no such host: {shown} (DNS)" if unknown else f"no answer about {shown} (DNS: {exc.strerror})"
            raise errors.TransportError(said, code="dns") from exc
        except UnicodeError as exc:
            raise errors.TransportError(f"no such host: {shown} (not a name that DNS can hold)", code="dns") from exc
        except (OSError, RuntimeError) as exc:
            said = f"{shown} could not be looked up: {markup.line(str(exc), 100)}"
            raise errors.TransportError(said, code="dns") from exc
        return found

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        await self._seats.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()

        def settle(found: Sequence[str] | Exception) -> None:
            # The seat is the thread's, and free only now, even if nobody waits for the answer any more.
            self._seats.release()
            if not answer.done():
                answer.set_exception(found) if isinstance(found, Exception) else answer.set_result(found)

        def work() -> None:
            found: Sequence[str] | Exception
            try:
                rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                found = tuple(dict.fromkeys(str(row[4][0]) for row in rows))
            except Exception as exc:
                found = exc
            # The loop is closed: nobody waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, found)

        try:
            threading.Thread(target=work, name="lookup", daemon=True).start()
        except RuntimeError:
            self._seats.release()
            raise
        return await answer


def _unconnected(where: str, exc: Exception | None, timeout: float | None) -> errors.TransportError:
    if isinstance(exc, httpcore2.ConnectTimeout):
        limit = "" if timeout is None else f" within {timeout:g} s"
        return errors.TransportError(f"no connection to {where}{limit}", code="timeout")
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return errors.TransportError(f"{where} refuses connections", code="connect")
        if isinstance(cause, OSError) and cause.strerror:
            said = markup.line(cause.strerror, 100)
            return errors.TransportError(f"no connection to {where}: {said}", code="connect")
        cause = cause.__cause__
    return errors.TransportError(f"no connection to {where}", code="connect")
