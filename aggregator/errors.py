"""Every error the program raises on purpose.

AggregatorError
├── ConfigError          the operator must change something: exit code 2, one line per mistake
├── FetchError           a request that brought no usable answer
│   ├── BlockedError     we refuse to send it: address, scheme, port, redirect target
│   ├── TransportError   no answer: dns, connect, tls, timeout, reset, protocol, encoding, proxy
│   ├── TooLargeError    more bytes than allowed, on the wire or decoded
│   └── StatusError      an answer, and not the one we need
│       └── GoneError    410: the publisher says it will not come back
├── ParseError           not a feed, or nothing in it can be read
├── ExtractError         a page without an article; `state` says which kind
├── WorkerError          a worker process died, hung or ran out of memory over this input
└── StoreError
    ├── NotFoundError    no such source or item
    ├── ConflictError    somebody else wrote it first: do the stage again
    └── UnavailableError the database cannot be reached, is full, read-only or newer than the program

A class where handling differs; `code` where only reporting differs: it is the stored reason and the
metrics label. Every class takes one positional message and keywords with defaults, so that it survives pickling.
"""

from datetime import datetime


class AggregatorError(Exception):
    """The root; `code` is a short stable word, `str(error)` a line for people."""

    code = "error"

    def __init__(self, message: str = "", *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class ConfigError(AggregatorError):
    """Mistakes in the configuration: `lines`, one for each, with file and line number."""

    code = "config"

    def __init__(self, message: str = "", *, lines: tuple[str, ...] = (), code: str | None = None) -> None:
        super().__init__(message or "\n".join(lines), code=code)
        self.lines = lines or ((message,) if message else ())


class FetchError(AggregatorError):
    """`status` is the HTTP status if there was one; `retry_after` the earliest time the server wants to be asked again."""

    code = "fetch"

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        status: int | None = None,
        retry_after: datetime | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.retry_after = retry_after
        self.url = url


class BlockedError(FetchError):
    code = "blocked"


class TransportError(FetchError):
    code = "transport"


class TooLargeError(FetchError):
    """`media` is the document's type as stated, lower-case and without parameters; empty where none is."""

    code = "too_large"

    def __init__(
        self, message: str = "", *, code: str | None = None, status: int | None = None, media: str = ""
    ) -> None:
        super().__init__(message, code=code, status=status)
        self.media = media


class StatusError(FetchError):
    code = "status"


class GoneError(StatusError):
    code = "gone"


class ParseError(AggregatorError):
    """`named` are the feeds that a page in the place of one names as its own."""

    code = "not_a_feed"

    def __init__(self, message: str = "", *, code: str | None = None, named: tuple[str, ...] = ()) -> None:
        super().__init__(message, code=code)
        self.named = named


class ExtractError(AggregatorError):
    """`state` is the item state this page leads to (`short`, `blocked`, `paywalled`, `not_html`, `failed`), `lead` the beginning of the
    article, where that is shown; `failure` the code of the failure after which a later visit is planned, None if none will help."""

    code = "extract"

    def __init__(
        self,
        message: str = "",
        *,
        state: str = "failed",
        code: str | None = None,
        lead: str = "",
        failure: str | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.state = state
        self.lead = lead
        self.failure = failure


class WorkerError(AggregatorError):
    code = "worker"


class StoreError(AggregatorError):
    code = "store"


class NotFoundError(StoreError):
    code = "not_found"


class ConflictError(StoreError):
    code = "conflict"


class UnavailableError(StoreError):
    code = "unavailable"
