"""The kinds of value that a key may hold: which texts are accepted, and the words that say so when one is not."""

import importlib.util
import ipaddress
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

# Each is a process that may hold 512 MB.
MAX_WORKERS = 8
# They name the request, the connection, or a user to a proxy: ours, or one in front of an internal service (CVE-2025-46341).
RESERVED_HEADERS = re.compile(
    "host|x-forwarded-.*|remote-user|content-length|connection|transfer-encoding|proxy-authorization", re.I
)
# In place of a proxy: none, not even the general one.
DIRECT = "direct"

# A host with a dot in it, and a path: `news.example/feed`.
_BARE = re.compile(r"(?:[\w-]+\.)+[^\W\d_][\w-]+(?::[0-9]{1,5})?/\S*")
_SPAN = re.compile("(?=.)(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
_SIZE = re.compile("([0-9]{1,12}) ?(B|[kKMG]B|[KMG]iB)?")
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\*)):([0-9]{1,5})")
# The password ends at the last `@`, and may hold any other where the operator did not encode it.
_PROXY = re.compile(r"(https?|socks5h?)://(?:([^:\x00-\x1f\x7f]+):?([^\x00-\x1f\x7f]*)@)?([^@/]+)/?")
_LONGEST_SOCKS = 255  # RFC 1929


def _duration(value: object) -> object:
    seconds: float = -1
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, str) and (match := _SPAN.fullmatch(value)):
        seconds = sum(int(part or 0) * unit for part, unit in zip(match.groups(), (86400, 3600, 60, 1), strict=True))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    if not 0 <= seconds <= 3650 * 86400:
        raise ValueError("expected a duration such as 30s, 30m, 1h, 7d, 1h30m or a number of seconds, at most 3650d")
    return timedelta(seconds=seconds)


def _lasting(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("expected a duration longer than 0s")
    return value


def span(value: timedelta) -> str:
    """`value` as it would be written in the file: `1h30m`."""
    rest, text = int(value.total_seconds()), ""
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        text += f"{rest // seconds}{unit}" if rest >= seconds else ""
        rest %= seconds
    return text or f"{value.total_seconds():g}s"


def _size(value: object) -> object:
    size = -1
    if isinstance(value, str) and (match := _SIZE.fullmatch(value)):
        size = int(match[1]) * _UNITS[(match[2] or "B").upper()]
    elif isinstance(value, int) and not isinstance(value, bool):
        size = value
    if not 1 <= size <= 2**30:
        raise ValueError("expected a size such as 16MiB, 8MB, 512KiB or a number of bytes, at most 1GiB")
    return size


def workers_for(cores: int) -> int:
    """The number of worker processes that `auto` stands for."""
    return min(max(cores, 1), MAX_WORKERS)


def _workers(value: object) -> object:
    if value == "auto":
        return workers_for(os.cpu_count() or 1)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_WORKERS:
        raise ValueError(f"expected auto or a whole number from 1 to {MAX_WORKERS}")
    return value


def _line(text: str) -> str:
    if not (text.strip() and text.isprintable() and len(text) <= 1000):
        raise ValueError("expected one line of at most 1000 printable characters")
    return text.strip()


def _sendable(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise ValueError("expected printable ASCII, for it is sent in a header")
    return text


def _settable(name: str) -> str:
    if RESERVED_HEADERS.fullmatch(name):
        raise ValueError("this header may not be set")
    return name


def _shaped(pattern: str, expected: str) -> Callable[[str], str]:
    def shaped(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {expected}")
        return text

    return shaped


def _as_written(value: object) -> object:
    """An address as people write and copy it: `feed:…`, without a scheme, with spaces around it."""
    if not isinstance(value, str):
        return value
    text = re.sub("^feed:(?://)?(?=https?://)", "", value.strip())
    text = re.sub("^feed://", "http://", text)
    return f"https://{text}" if _BARE.fullmatch(text) else text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and len(text) <= 8192
    except ValueError:
        usable = False
    if not usable or not text.isprintable() or set(text) & set(' \\<>"'):
        raise ValueError("expected an http:// or https:// URL with a host")
    if "@" in urlsplit(text).netloc:
        raise ValueError("a URL is stored and shown, so it may not hold a password; a source has the key 'auth' for it")
    return text


def address(text: str, *, lowest: int = 1, any_host: bool = False) -> tuple[str, int]:
    """`host:port` or `[IPv6]:port` taken apart; `any_host` allows `*` as host. Raises ValueError."""
    match = _ADDRESS.fullmatch(text)
    if match and lowest <= int(match[3]) <= 65535 and (any_host or match[2] != "*"):
        return str(ipaddress.IPv6Address(match[1])) if match[1] else match[2], int(match[3])
    raise ValueError(f"expected host:port{' or *:port' if any_host else ''}, an IPv6 address in [brackets]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyAddress:
    """A proxy taken apart; `user` is empty where it wants none."""

    scheme: str
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def proxy_address(text: str) -> ProxyAddress:
    """`http://user:password@host:port`, also of https, socks5 and socks5h, taken apart. Raises ValueError, which does not show it."""
    match = _PROXY.fullmatch(text)
    if match is None:
        raise ValueError(
            "expected http://host:port, https://…, socks5://… or socks5h://…, with user:password@ if need be"
        )
    scheme, user, password, where = match.groups(default="")
    host, port = address(where)
    user, password = unquote(user), unquote(password)
    socks = scheme.startswith("socks")
    if socks and max(len(user.encode()), len(password.encode())) > _LONGEST_SOCKS:
        raise ValueError(f"SOCKS5 knows no user or password of more than {_LONGEST_SOCKS} bytes")
    if not (user + password).isprintable() or (":" in user and not socks):
        raise ValueError("a user may hold no colon, and neither user nor password control characters")
    return ProxyAddress(scheme=scheme, host=host, port=port, user=user, password=password)


def _proxy(text: str) -> str:
    if proxy_address(text).scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise ValueError("SOCKS5 needs the library socksio: pip install 'aggregator[socks]'")
    return text


def _general_proxy(text: str) -> str:
    if "${" in text:
        raise ValueError(
            "${…} is filled in only in sources.yaml: put a proxy with a password into AGGREGATOR_HTTP__PROXY, or its file into …_FILE"
        )
    return _proxy(text)


def _own_proxy(text: str) -> str:
    return text if text == DIRECT else _proxy(text)


def _listenable(text: str) -> str:
    address(text, lowest=0)
    return text


def _reachable(text: str) -> str:
    address(text)
    return text


def _reached(text: str) -> str:
    address(text, any_host=True)
    return text


def _network(text: str) -> str:
    network, port = text, "1"
    if re.search("/[0-9]+:[0-9]+$", text):
        network, _, port = text.rpartition(":")
    try:
        if _ADDRESS.fullmatch(text):
            address(text)
        elif ipaddress.ip_network(network) and not 1 <= int(port) <= 65535:
            raise ValueError("port out of range")
    except ValueError as exc:
        hint = f" ({exc})" if "host bits" in str(exc) else ""
        raise ValueError(
            f"expected a network such as 10.0.0.0/8 or 10.0.0.0/8:80, host:port or [IPv6]:port{hint}"
        ) from exc
    return text


def literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that `host` is, or stands for on every machine; None for a name."""
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return None


def covers(listed: str, host: str) -> bool:
    """Whether `listed`, a network, host:port or network:port, names or holds `host`."""
    if _ADDRESS.fullmatch(listed):
        listed = address(listed)[0]
    elif re.search("/[0-9]+:[0-9]+$", listed):
        listed = listed.rpartition(":")[0]
    where = literal(host)
    if where is None or (literal(listed) is None and "/" not in listed):
        return listed.lower() == host.lower()
    return where in ipaddress.ip_network("127.0.0.1" if listed == "localhost" else listed, strict=False)


def _database(text: str) -> str:
    text = re.sub("^postgresql://", "postgresql+psycopg://", text)
    if not re.match(r"sqlite:///(?!:memory:)[^?]|postgresql\+psycopg://.", text):
        raise ValueError("expected sqlite:///path/of/file.db or postgresql+psycopg://user@host/name")
    return text


def _unbuilt(value: object) -> object:
    if value:
        raise ValueError("not available in this version")
    return value


def _local(engine: str) -> str:
    if engine == "cluster":
        raise ValueError("cluster: not available in this version")
    return engine


def _or_mapping(value: object) -> object:
    return {} if value is None else value


def _or_list(value: object) -> object:
    return () if value is None else value


def _version(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def default(value: object) -> Any:
    """A default as it would be written in the file, read like any other value."""
    return Field(default=value, validate_default=True)


_LANGUAGE = "[a-z]{2,3}(-[A-Za-z0-9]{2,8})*"  # the shape of BCP 47
_SLUG = "[a-z0-9]+(-[a-z0-9]+)*"
_NAME_CHARS = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110 §5.6.2

Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": ["string", "number"], "pattern": "^([0-9]+[dhms])+$"}),
]
Lasting = Annotated[Duration, AfterValidator(_lasting)]
Size = Annotated[
    int, BeforeValidator(_size), WithJsonSchema({"type": ["string", "integer"], "pattern": f"^{_SIZE.pattern}$"})
]
Count = Annotated[int, Field(strict=True, ge=1, le=1000)]
Pages = Annotated[int, Field(strict=True, ge=0, le=10_000)]
Workers = Annotated[int, BeforeValidator(_workers), WithJsonSchema({"enum": ["auto", *range(1, MAX_WORKERS + 1)]})]
FullText = Literal["auto", "always", "never"]
Line = Annotated[str, AfterValidator(_line)]
Sendable = Annotated[Line, AfterValidator(_sendable)]
Url = Annotated[str, AfterValidator(_url)]
FeedUrl = Annotated[str, BeforeValidator(_as_written), AfterValidator(_url)]
Language = Annotated[str, AfterValidator(_shaped(_LANGUAGE, "a language code such as en or pt-BR"))]
Slug = Annotated[str, AfterValidator(_shaped(_SLUG, "lower-case letters, digits and single hyphens, such as sea-ice"))]
HeaderName = Annotated[str, AfterValidator(_shaped(_NAME_CHARS, "the name of a header")), AfterValidator(_settable)]
HeaderValue = Annotated[str, AfterValidator(_sendable)]
CookieName = Annotated[str, AfterValidator(_shaped(_NAME_CHARS, "the name of a cookie"))]
# RFC 6265 §4.1.1
CookieValue = Annotated[
    str, AfterValidator(_shaped(r"[!#-+\--:<-\[\]-~]*", 'ASCII without spaces and without " , ; \\'))
]
Credentials = Annotated[str, AfterValidator(_shaped(r"[^:\x00-\x1f\x7f]+:[^\x00-\x1f\x7f]*", "user:password"))]
Listen = Annotated[str, AfterValidator(_listenable)]
Target = Annotated[str, AfterValidator(_reachable)]
Replaced = Annotated[str, AfterValidator(_reached)]
Network = Annotated[str, AfterValidator(_network)]
GeneralProxy = Annotated[str, AfterValidator(_general_proxy)]
SourceProxy = Annotated[str, AfterValidator(_own_proxy)]
Database = Annotated[str, AfterValidator(_database)]
# Keys of the contract whose feature does not exist yet: refused rather than ignored.
Unbuilt = BeforeValidator(_unbuilt)
# A section whose keys are all commented out (`poll:`) reads as null and keeps its defaults.
Commented = BeforeValidator(_or_mapping)
CommentedList = BeforeValidator(_or_list)
LocalEngine = AfterValidator(_local)
Version = Annotated[Line, BeforeValidator(_version)]
