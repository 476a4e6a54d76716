"""A publisher and its WebSub hub on loopback, real sockets and threads: it takes subscriptions, checks back, and pushes, well or badly."""

import hashlib
import hmac
import http.client
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

RSS = "application/rss+xml"


@dataclass(slots=True)
class Hub:
    """What a test says to the server and learns from it. `lease` is what it grants; `deny` the reason for which it refuses.

    `checks_back` False: it takes requests and does nothing. `status` is what it answers to them.
    """

    port: int = 0
    feed: bytes = b""
    links: str = ""
    lease: int = 86_400
    deny: str | None = None
    checks_back: bool = True
    status: int = 202
    said: bytes = b""
    moves_to: str | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    verified: list[tuple[str, int, bytes]] = field(default_factory=list)
    polls: int = 0
    conditional: int = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def publish(self, *entries: str, hub: str | None = "/hub", topic: str | None = "/feed") -> None:
        """Let the feed hold these entries, and name its hub and topic."""
        links = f'<atom:link rel="hub" href="{self.url(hub)}"/>' if hub else ""
        links += f'<atom:link rel="self" href="{self.url(topic)}"/>' if topic else ""
        self.feed = feed(*entries, links=links)

    def check_back(self, form: dict[str, str], **told: str) -> tuple[int, bytes]:
        """Ask the subscriber whether it did ask (WebSub §5.3), or tell it that it is denied."""
        query = {
            "hub.mode": form["hub.mode"],
            "hub.topic": form["hub.topic"],
            "hub.challenge": secrets.token_hex(16),
            "hub.lease_seconds": str(self.lease),
        } | {name.replace("_", ".", 1): value for name, value in told.items()}
        status, body = call(f"{form['hub.callback']}?{urlencode(query)}")
        if query["hub.mode"] in ("subscribe", "unsubscribe"):
            self.verified.append((query["hub.mode"], status, body))
            assert body == query["hub.challenge"].encode() or status == 404
        return status, body

    def push(
        self, body: bytes | None = None, *, method: str = "sha256", secret: str | None = None, nth: int = -1
    ) -> int:
        """Push to the subscriber that asked last; the status it answers."""
        form = self.subscribed()[nth]
        body = self.feed if body is None else body
        headers = {"content-type": RSS, "link": f'<{self.url("/hub")}>; rel="hub", <{form["hub.topic"]}>; rel="self"'}
        if method:
            headers["x-hub-signature"] = signature(secret or form["hub.secret"], body, method)
        return call(form["hub.callback"], body, headers)[0]

    def subscribed(self) -> list[dict[str, str]]:
        return [form for form in self.asked if form["hub.mode"] == "subscribe"]


def signature(secret: str, body: bytes, method: str = "sha256") -> str:
    return f"{method}={hmac.new(secret.encode(), body, getattr(hashlib, method)).hexdigest()}"


def feed(*entries: str, links: str = "") -> bytes:
    spaces = 'xmlns:atom="http://www.w3.org/2005/Atom"'
    return f'<?xml version="1.0"?><rss version="2.0" {spaces}><channel><title>News</title>{links}{"".join(entries)}</channel></rss>'.encode()


def entry(n: int, date: str = "") -> str:
    dated = f"<pubDate>{date}</pubDate>" if date else ""
    return (
        f"<item><guid isPermaLink='false'>g{n}</guid><title>Title {n}</title>{dated}"
        f"<link>https://news.example/{n}</link><description>Words of {n}.</description></item>"
    )


def call(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """A GET, or with a body a POST: what was answered."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=10)
    try:
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request("GET" if body is None else "POST", target, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def serve() -> Iterator[Hub]:
    """A running publisher: its feed is at `/feed`, its hubs at `/hub` and all paths that begin so."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body, etag = hub.feed, f'"{hashlib.sha256(hub.feed).hexdigest()[:16]}"'
            hub.polls += 1
            known = self.headers.get("if-none-match") == etag
            hub.conditional += "if-none-match" in self.headers
            self.send_response(304 if known else 200)
            self.send_header("etag", etag)
            self.send_header("content-type", RSS)
            if hub.links:
                self.send_header("link", hub.links)
            self.send_header("content-length", "0" if known else str(len(body)))
            self.end_headers()
            self.wfile.write(b"" if known else body)

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(data, keep_blank_values=True).items()}
            moves = hub.moves_to if self.path == "/hub" else None
            assert self.headers["content-type"] == "application/x-www-form-urlencoded"
            if not moves:
                # Before the answer: whoever has it may look.
                hub.asked.append(form | {"path": self.path})
            self.send_response(307 if moves else hub.status)
            if moves:
                self.send_header("location", moves)
            self.send_header("content-length", str(len(hub.said)))
            self.end_headers()
            self.wfile.write(hub.said)
            if moves:
                return
            if hub.status < 300 and hub.deny is not None:
                told = {"hub_mode": "denied", "hub_reason": hub.deny}
                threading.Timer(0.1, lambda: hub.check_back(form, **told)).start()
            elif hub.status < 300 and hub.checks_back:
                threading.Timer(0.1, lambda: hub.check_back(form)).start()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
