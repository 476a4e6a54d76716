"""What is done beside the two stages: the configured sources into the store, the leases of dead processes, the topic labels."""

import os
import socket
from collections.abc import Sequence
from datetime import datetime

from aggregator import config, errors, log
from aggregator.store import db, sources, tags

_log = log.logger("upkeep")


def sync_sources(store: db.Store, settings: config.Settings, now: datetime) -> sources.Synced:
    """Make the store's sources and tag labels those of the configuration."""
    configured = [
        sources.Configured(
            name=source.name, url=source.url, category=source.category, language=source.language, enabled=source.enabled
        )
        for source in settings.sources
    ]
    try:
        synced = _sync(store, configured, settings.taxonomy, now)
    except errors.ConflictError:
        # Another process started at the same moment and was first: what it wrote is found now.
        synced = _sync(store, configured, settings.taxonomy, now)
    for event in ("added", "renamed", "moved", "removed"):
        if names := getattr(synced, event):
            _log.info(f"sources.{event}", count=len(names), names=list(names[:20]))
    return synced


def _sync(
    store: db.Store, configured: Sequence[sources.Configured], taxonomy: config.Taxonomy, now: datetime
) -> sources.Synced:
    with store.begin() as conn:
        tags.label(conn, {topic.tag: topic.label for topic in taxonomy.topics}, now)
        return sources.sync(conn, configured, now)


def release_dead_leases(store: db.Store, *, alone: bool) -> int:
    """Free what a killed process still holds, so that it is done again at once rather than when its lease ends.

    `alone` says that no other process can be at work on this database (the lock file of SQLite proves it). Otherwise only the
    leases of processes of this machine that no longer exist are freed.
    """
    with store.begin() as conn:
        held = sources.lease_owners(conn)
        dead = [owner for owner in held if alone or _dead(owner)]
        count = sources.release(conn, dead) if dead else 0
    if count:
        _log.info("leases.released", count=count, processes=len(dead))
    return count


def _dead(owner: str) -> bool:
    host, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    # A new process may have got the number of a dead one; if it is ourselves, the lease is not ours: we hold none yet.
    return int(pid) == os.getpid()
