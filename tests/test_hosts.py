"""What hosts asked for outlives the process."""

from datetime import timedelta

from aggregator import config, model
from aggregator.net import manners
from aggregator.store import db, hosts
from tests import make

LATER = make.NOW + timedelta(hours=2)
URL = "https://a.example/feed"


def test_a_pause_and_a_robots_txt_of_one_host_do_not_overwrite_each_other(store: db.Store) -> None:
    record = model.HostRecord(host="a.example", robots="User-agent: *\n", robots_at=make.NOW, crawl_delay=5.0)
    with store.begin() as conn:
        hosts.keep_manners(conn, [model.HostRecord(host="a.example", retry_after=LATER)])
        hosts.keep_robots(conn, record)
        hosts.keep_manners(conn, [model.HostRecord(host="b.example", own_limits=True)])

    with store.read() as conn:
        kept, other = hosts.recall(conn, "a.example"), hosts.recall(conn, "c.example")
        now, then = hosts.mannered(conn, make.NOW), hosts.mannered(conn, LATER)

    assert kept is not None
    assert (kept.retry_after, kept.robots, kept.robots_at, kept.crawl_delay) == (LATER, "User-agent: *\n", make.NOW, 5)
    assert other is None
    assert sorted(one.host for one in now) == ["a.example", "b.example"]
    assert [one.host for one in then] == ["b.example"]


def test_another_process_knows_of_the_pause(store: db.Store) -> None:
    one, other = (manners.Manners(config.PerHost(), now=lambda: make.NOW) for _ in range(2))
    one.pause("a.example", URL, LATER)

    with store.begin() as conn:
        hosts.keep_manners(conn, one.unsaved())
    with store.read() as conn:
        other.remember(hosts.mannered(conn, make.NOW))

    assert one.unsaved() == ()
    assert other.paused_until("a.example") == LATER
    assert other.paused() == {"a.example"}
