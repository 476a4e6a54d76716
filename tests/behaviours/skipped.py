"""The cases that are not checked, each with its reason."""

_WEBSUB = "WebSub is not built: the configuration refuses `websub: true`, polling alone is promised"
_PAGING = "archives and pages of feeds (RFC 5005) are not followed: the corpus begins when the source is added"

SKIPPED: dict[str, str] = {
    "redir-14": "optional, and of no feed that anybody has seen since 2005: a <redirect> document is an error, `not_a_feed`",
    "page-01": _PAGING,
    "page-02": _PAGING,
    "page-03": "fh:complete is not read: absence never deletes, in any feed",
    "art-02": "should, not done: a page is judged by what it holds; where the redirect led is not looked at",
    "art-05": "should, not done: items are known by their links in feeds, and pages by their text",
} | dict.fromkeys(
    [
        *(f"websub-{n}" for n in (100, 101, 104)),
        *(f"websub-{n}" for n in range(200, 209)),
        *(f"websub-{n}" for n in range(300, 304)),
    ],
    _WEBSUB,
)
