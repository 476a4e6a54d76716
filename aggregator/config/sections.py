"""The sections of the three files as frozen values; Settings is all of them, resolved.

What a key means stands in docs/configuration.md.
"""

import os
from datetime import timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from aggregator.config import kinds


class MisplacedError(ValueError):
    """A mistake seen when a whole section is at hand, but made in its key `key`."""

    def __init__(self, message: str = "", *, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AdoptRedirect(Section):
    sightings: kinds.Count = 5
    over: kinds.Duration = kinds.default("24h")


class PollSettings(Section):
    interval: kinds.Lasting = kinds.default("1h")
    min_interval: kinds.Lasting = kinds.default("5m")
    max_interval: kinds.Lasting = kinds.default("24h")
    concurrency: kinds.Count = 64
    backfill_pages: kinds.Pages = 150
    adopt_redirect: Annotated[AdoptRedirect, kinds.Commented] = Field(default_factory=AdoptRedirect)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        shortest, longest = kinds.span(self.min_interval), kinds.span(self.max_interval)
        if self.min_interval > self.max_interval:
            raise MisplacedError(f"{shortest} is longer than max_interval, {longest}", key="min_interval")
        if flaw := self.outside(self.interval):
            raise MisplacedError(flaw, key="interval")
        return self

    def outside(self, interval: timedelta) -> str | None:
        """Why `interval` is not within the limits, None if it is."""
        if self.min_interval <= interval <= self.max_interval:
            return None
        limits = (
            f"poll.min_interval, {kinds.span(self.min_interval)}, to poll.max_interval, {kinds.span(self.max_interval)}"
        )
        return f"{kinds.span(interval)} is not within {limits}"


class HarvestSettings(Section):
    full_text: kinds.FullText = "auto"
    concurrency: kinds.Count = 32
    workers: kinds.Workers = kinds.default("auto")
    revisit: tuple[kinds.Lasting, ...] = kinds.default(("1h", "24h", "7d"))
    keep_pages: bool = True

    @field_validator("revisit")
    @classmethod
    def _rising(cls, revisit: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
        if list(revisit) != sorted(set(revisit)):
            raise ValueError("each revisit must come later than the one before it")
        return revisit


class DedupSettings(Section):
    remember: kinds.Lasting = kinds.default("90d")


class PerHost(Section):
    concurrency: kinds.Count = 2
    spacing: kinds.Duration = kinds.default("1s")


class HttpSettings(Section):
    contact: kinds.Sendable | None = None
    timeout: kinds.Lasting = kinds.default("30s")
    max_feed_bytes: kinds.Size = kinds.default("16MiB")
    max_page_bytes: kinds.Size = kinds.default("8MiB")
    per_host: Annotated[PerHost, kinds.Commented] = Field(default_factory=PerHost)
    allow_networks: tuple[kinds.Network, ...] = ()
    ca_bundle: Path | None = None
    connect_to: dict[kinds.Replaced, kinds.Target] = {}
    proxy: kinds.GeneralProxy | None = Field(default=None, repr=False)

    @field_validator("ca_bundle")
    @classmethod
    def _readable(cls, bundle: Path | None, info: ValidationInfo) -> Path | None:
        if bundle is None or not info.context:
            return bundle
        bundle = Path(info.context["folder"]) / bundle
        if not bundle.is_file() or not os.access(bundle, os.R_OK):
            raise ValueError("expected a file that can be read, its path relative to this file")
        return bundle


class WebSettings(Section):
    listen: kinds.Listen = "127.0.0.1:8080"
    base_url: kinds.Url | None = None

    @property
    def host(self) -> str:
        return kinds.address(self.listen, lowest=0)[0]

    @property
    def public(self) -> bool:
        """Whether `base_url` may be reached from everywhere, as far as it can be told without asking anybody."""
        host = (urlsplit(self.base_url or "").hostname or "").rstrip(".")
        address = kinds.literal(host)
        return address.is_global if address is not None else "." in host and not host.endswith(".localhost")

    @property
    def port(self) -> int:
        return kinds.address(self.listen, lowest=0)[1]


class LogSettings(Section):
    format: Literal["auto", "console", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Select(Section):
    keep: tuple[kinds.Line, ...] = ()
    drop: tuple[kinds.Line, ...] = ()


class SourceConfig(Section):
    name: kinds.Line
    url: kinds.FeedUrl
    category: kinds.Line | None = None
    enabled: bool = True
    interval: kinds.Lasting | None = None
    full_text: kinds.FullText | None = None
    tags: tuple[kinds.Line, ...] = ()
    language: kinds.Language | None = None
    headers: dict[kinds.HeaderName, kinds.HeaderValue] = Field(default={}, repr=False)
    cookies: dict[kinds.CookieName, kinds.CookieValue] = Field(default={}, repr=False)
    auth: kinds.Credentials | None = Field(default=None, repr=False)
    proxy: kinds.SourceProxy | None = Field(default=None, repr=False)
    user_agent: kinds.Sendable | None = None
    select: Annotated[Select, kinds.Commented] = Field(default_factory=Select)
    include: Annotated[tuple[str, ...], kinds.Unbuilt] = ()
    exclude: Annotated[tuple[str, ...], kinds.Unbuilt] = ()
    websub: bool = False

    @field_validator("interval")
    @classmethod
    def _allowed(cls, interval: timedelta | None, info: ValidationInfo) -> timedelta | None:
        poll = info.context.get("poll") if info.context else None
        if interval is not None and isinstance(poll, PollSettings) and (flaw := poll.outside(interval)):
            raise ValueError(flaw)
        return interval

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password."""
        user, _, password = (self.auth or "").partition(":")
        return (user, password) if user else None


class SourcesFile(Section):
    """sources.yaml"""

    sources: Annotated[tuple[SourceConfig, ...], kinds.CommentedList] = ()


class Topic(Section):
    tag: kinds.Slug
    label: kinds.Line
    threshold: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] = 2
    words: dict[kinds.Language, tuple[kinds.Line, ...]]


class Taxonomy(Section):
    """taxonomy.yaml"""

    version: kinds.Version = "0"
    topics: Annotated[tuple[Topic, ...], kinds.CommentedList] = ()

    @cached_property
    def json_text(self) -> str:
        """All of it, for whoever keeps what was made of it."""
        return self.model_dump_json()

    def __reduce__(self) -> tuple[object, tuple[str]]:
        # Every job for a worker brings it: as one string it crosses in a tenth of the time, and is there but once.
        return _taxonomy, (self.json_text,)


@lru_cache(maxsize=4)
def _taxonomy(json_text: str) -> Taxonomy:
    return Taxonomy.model_validate_json(json_text)


class _Common(Section):
    database: kinds.Database = Field(default="sqlite:///data/aggregator.db", repr=False)
    engine: Annotated[Literal["local", "cluster"], kinds.LocalEngine] = "local"
    poll: Annotated[PollSettings, kinds.Commented] = Field(default_factory=PollSettings)
    harvest: Annotated[HarvestSettings, kinds.Commented] = Field(default_factory=HarvestSettings)
    dedup: Annotated[DedupSettings, kinds.Commented] = Field(default_factory=DedupSettings)
    http: Annotated[HttpSettings, kinds.Commented] = Field(default_factory=HttpSettings)
    web: WebSettings | None = Field(default_factory=WebSettings)
    publish: Annotated[tuple[()], kinds.Unbuilt] = ()
    retention: Annotated[None, kinds.Unbuilt] = None
    log: Annotated[LogSettings, kinds.Commented] = Field(default_factory=LogSettings)

    def allows(self, host: str) -> bool:
        """Whether `http.allow_networks` lists the name or the address `host`, on whatever port."""
        return any(kinds.covers(listed, host) for listed in self.http.allow_networks)


class AggregatorFile(_Common):
    """aggregator.yaml"""

    sources: tuple[kinds.Line, ...] = ("sources.yaml",)
    taxonomy: kinds.Line = "taxonomy.yaml"


class Settings(_Common):
    """Everything the program was told. `path` is the file it came from, `folder` that file's folder, `files` all that were read."""

    path: Path
    folder: Path
    files: tuple[Path, ...] = ()
    sources: tuple[SourceConfig, ...]
    taxonomy: Taxonomy

    @classmethod
    def of(
        cls,
        file: AggregatorFile,
        path: Path,
        sources: tuple[SourceConfig, ...],
        taxonomy: Taxonomy,
        files: tuple[Path, ...],
    ) -> Self:
        common = {name: getattr(file, name) for name in _Common.model_fields}
        return cls(path=path, folder=path.parent, files=files, sources=sources, taxonomy=taxonomy, **common)
