"""Which addresses may be contacted: a network backend that resolves once, checks every address and connects to a checked one."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpcore2

from aggregator import errors

_RESOLVERS = 16
_RESOLVE_LIMIT = 8.0

# What `is_global` of Python 3.11 gets wrong (hazards §3, §4.3).
_NOT_PUBLIC_4 = tuple(map(ipaddress.IPv4Network, ("192.0.0.0/24", "192.88.99.0/24")))
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2002::/16", "2001:db8::/32", "3fff::/20")))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def public(address: str) -> bool:
    """Whether `address` is of the public internet. Forms that carry an IPv4 address are judged by that."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.scope_id:
            return False
        if parsed.ipv4_mapped is not None:
            return _public_4(parsed.ipv4_mapped)
        if parsed in _NAT64:
            return _public_4(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF))
        return parsed in _PUBLIC_6 and not any(parsed in network for network in _NOT_PUBLIC_6)
    return _public_4(parsed)


def _public_4(address: ipaddress.IPv4Address) -> bool:
    special = address.is_multicast or address.is_reserved or any(address in network for network in _NOT_PUBLIC_4)
    return address.is_global and not special


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of `allow_networks`: a network or a host name, on one port or on all."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
    host: str | None = None
    port: int | None = None

    def admits(self, host: str, address: str, port: int) -> bool:
        """Whether this address, to which `host` resolved, may be contacted on `port`."""
        if self.port is not None and self.port != port:
            return False
        if self.network is None:
            return self.host == host.lower()
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return parsed.version == self.network.version and parsed in self.network


def rule(text: str) -> Rule:
    """`10.0.0.0/8`, `10.0.0.0/8:8080`, `10.0.0.5:8080`, `[::1]:80`, `host.example:8080`, or an address alone."""
    bare = text.strip()
    if (network := _network(bare.strip("[]"))) is not None:
        return Rule(network=network)
    left, _, port = bare.rpartition(":")
    network = _network(left.strip("[]"))
    return Rule(network=network, host=None if network else left.lower(), port=int(port))


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


class Guard(httpcore2.AsyncNetworkBackend):
    """Connects where it is allowed to. The name is resolved here and nowhere else, so it cannot change its answer between the
    check and the connection; TLS above still verifies the name. `connect_to` is curl's: its targets count as allowed."""

    def __init__(self, *, allowed: Sequence[str] = (), connect_to: Mapping[str, str] | None = None) -> None:
        self._rules = tuple(rule(text) for text in allowed)
        self._connect_to = dict(connect_to or {})
        self._inner = httpcore2.AnyIOBackend()
        self._resolvers = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolver")

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to a checked address of `host`. Raises BlockedError, or TransportError with code `dns`."""
        target = self._connect_to.get(f"{host}:{port}") or self._connect_to.get(f"*:{port}")
        if target is not None:
            name, _, number = target.rpartition(":")
            return await self._inner.connect_tcp(name.strip("[]"), int(number), timeout, local_address, socket_options)
        addresses = await self._resolve(host, port)
        for address in addresses:
            self._check(host, address, port)
        failed: Exception | None = None
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as exc:
                failed = exc
        raise failed or errors.TransportError(f"no such host: {host} (DNS gave no address)", code="dns")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def _check(self, host: str, address: str, port: int) -> None:
        if public(address) or any(one.admits(host, address, port) for one in self._rules):
            return
        named = f"{host} ({address})" if host.strip("[]") != address else address
        raise errors.BlockedError(
            f"{named} is not a public address; http.allow_networks would have to allow it", code="address"
        )

    async def _resolve(self, host: str, port: int) -> tuple[str, ...]:
        try:
            return (str(ipaddress.ip_address(host.strip("[]"))),)
        except ValueError:
            pass
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_RESOLVE_LIMIT):
                found = await loop.run_in_executor(self._resolvers, _look_up, host, port)
        except TimeoutError as exc:
            raise errors.TransportError(
                f"the name {host} was not resolved within {_RESOLVE_LIMIT:g} s (DNS)", code="dns"
            ) from exc
        except (OSError, UnicodeError) as exc:
            raise errors.TransportError(f"no such host: {host} (DNS: {exc})", code="dns") from exc
        return found


def _look_up(host: str, port: int) -> tuple[str, ...]:
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(row[4][0]) for row in rows))
