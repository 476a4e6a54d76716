"""What an operator can do about a source that is not well, in plain words. Pure."""

from datetime import datetime

from aggregator import model

_EMPTY, _LONG = "no entry in its document since", "only the first "

_ADVICE = {
    "gone": "the publisher says it will not come back: look for a new feed on the site and change the url, or set enabled: false",
    "http_401": "it wants a password: give the source an `auth`, or ask the publisher",
    "http_403": "the server refuses us: see whether the feed opens in a browser, name http.contact, ask the publisher to let the user agent in",
    "http_404": "nothing is at this address: look for the feed's new address on the site and change the url",
    "http_429": "the server wants fewer requests: give the source a longer interval",
    "http_451": "withheld for legal reasons where we are",
    "dns": "the name does not exist or cannot be looked up: check the spelling and the name server",
    "address": "the name leads to an address that is not public; if that is meant, list it in http.allow_networks",
    "port": "an unusual port: write it in the source's url, or list the host and port in http.allow_networks",
    "proxy": "our own proxy cannot be reached or does not answer as one: check `http.proxy` or the source's `proxy`, and the proxy itself",
    "proxy_auth": "our own proxy wants another user and password: see `http.proxy` or the source's `proxy`",
    "proxy_refused": "our own proxy does not let us reach this host: change its rules, or set the source's `proxy: direct`",
    "proxy_gateway": "the proxy could not reach the host, which may be down: see whether the feed opens in a browser, and the proxy's log",
    "tls_expired": "the server's certificate has run out: the publisher must renew it",
    "tls_name": "the server's certificate is for another name: check the host in the url",
    "tls_authority": "the server's certificate is from an authority that is not trusted here: see http.ca_bundle",
    "redirect_loop": "the server sends us round in a circle, often for want of a cookie: see whether the feed opens in a private window",
    "login": "the address leads to a login page: it may have become private",
    "consent": "the address leads to a consent page instead of the feed: ask the publisher for an address without it",
    "challenge": "a bot check stands before the feed: ask the publisher to let the user agent through",
    "parked": "the domain is for sale or parked: the feed is gone; look for the publisher's new domain",
    "error_page": "the site shows an error page with status 200: look for the feed's new address",
    "html": "a web page, not a feed: look for the feed's address on it",
    "empty": "the server sends an empty document; usually that passes",
    "too_large": "the document is larger than http.max_feed_bytes",
    "too_large_decoded": "the document is larger than http.max_feed_bytes",
    "storage": "the folder for temporary files has no room (TMPDIR names another): make room; polling goes on by itself",
    "damaged": "the document breaks off or is not well formed; what could be read is kept, the publisher should know",
}


def on(code: str, *, since: datetime) -> str | None:
    """What to do about a failure of this kind; None where only waiting helps."""
    said = _ADVICE.get(code)
    return f"gone since {since:%Y-%m-%d}: {said}" if code == "gone" else said


def of_document(source: model.Source, feed: model.ParsedFeed | None, now: datetime) -> str | None:
    """Says since when the document, well-formed as it is, has held no entry, or how many of too many are not read; the same document, or
    a 304, leaves what was said."""
    said = source.advice or ""
    if feed is None:
        return said if said.startswith((_EMPTY, _LONG)) else None
    if feed.left:
        return f"{feed.left:,} of its {feed.size:,} entries are still to be read: the next polls go on"
    if feed.beyond:
        first = feed.size - feed.beyond
        return f"{_LONG}{first:,} of its {feed.size:,} entries are read, the others never: ask the publisher for a shorter feed"
    if feed.size:
        return None
    if said.startswith(_EMPTY):
        return said
    return f"{_EMPTY} {now:%Y-%m-%d %H:%M} UTC: see whether the publisher has moved the feed"
