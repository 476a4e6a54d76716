"""Requests into pages: the health of the sources, search, one item. GET and HEAD only, but for what hubs push to the addresses that only they
know (`callback`); every foreign string is escaped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregator import __version__, config, errors, markup, metrics
from aggregator.store import db, health, items, search, trail
from aggregator.web import callback

# hazards, rule 9: nothing on the page may run, load or leave a trace elsewhere.
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


class Hardened:
    """Adds the headers above to every answer."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._inner(scope, receive, with_headers)


def application(
    store: db.Store,
    metrics: metrics.Metrics,
    trouble: Callable[[], str | None],
    settings: config.WebSettings,
    callbacks: callback.Callbacks | None = None,
) -> Starlette:
    """The ASGI application. `trouble` tells why the engine cannot work at the moment, or None. Hubs reach `callbacks` where
    there is a `base_url`."""
    page = _Page(store, metrics, trouble)
    routes = [
        Route("/", page.home),
        Route("/items/{item_id:int}", page.item),
        Route("/healthz", page.healthz),
        Route("/readyz", page.readyz),
        Route("/metrics", page.prometheus),
    ]
    if callbacks is not None and settings.base_url is not None:
        routes += callbacks.routes(urlsplit(settings.base_url).path)
    # A page of another site must not reach us through a name of its own that points here (DNS rebinding).
    hosts = ["localhost", "127.0.0.1", "[::1]", settings.host, *_own_host(settings)]
    middleware = [Middleware(Hardened), Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)]
    return Starlette(routes=routes, middleware=middleware)


def _own_host(settings: config.WebSettings) -> list[str]:
    host = urlsplit(settings.base_url or "").hostname
    anywhere = settings.host in ("0.0.0.0", "::")
    return ([host] if host else []) + (["*"] if anywhere and not host else [])


class _Page:
    def __init__(self, store: db.Store, metrics: metrics.Metrics, trouble: Callable[[], str | None]) -> None:
        self._store, self._metrics, self._trouble = store, metrics, trouble
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["when"] = lambda at: at.strftime("%Y-%m-%d %H:%M") if at else "–"
        # It was cleaned before it was stored, but nobody else's hand in the database shall reach a browser.
        self._templates.filters["article"] = markup.article
        self._templates.filters["link"] = lambda url: url if urlsplit(url or "").scheme in ("http", "https") else None

    def home(self, request: Request) -> Response:
        words = request.query_params.get("q", "")[:500]
        try:
            with self._store.read() as conn:
                found = search.search(conn, words, limit=50) if words.strip() else None
                shown: dict[str, Any] = {
                    "health": health.rows(conn),
                    "counts": items.counts(conn),
                    "latest": trail.latest(conn) if found is None else (),
                }
        except errors.StoreError as exc:
            return self._silent(exc)
        return self._html("home.html", words=words, found=found, **shown)

    def item(self, request: Request) -> Response:
        try:
            with self._store.read() as conn:
                item_id = trail.find(conn, str(request.path_params["item_id"]))
                item, parts = trail.item(conn, item_id), trail.parts(conn, item_id)
        except errors.NotFoundError as exc:
            return self._html("missing.html", status=404, heading="Not here", message=str(exc))
        except errors.StoreError as exc:
            return self._silent(exc)
        return self._html("item.html", item=item, parts=parts)

    def healthz(self, _request: Request) -> Response:
        """200 while the process lives and the database answers; what is wrong otherwise."""
        problem = self._trouble()
        if problem is None:
            try:
                with self._store.read() as conn:
                    conn.exec_driver_sql("SELECT 1")
            except errors.StoreError as exc:
                problem = str(exc)
        return JSONResponse({"status": problem or "ok", "version": __version__}, status_code=503 if problem else 200)

    readyz = healthz

    def prometheus(self, _request: Request) -> Response:
        body, content_type = self._metrics.render()
        return Response(body, media_type=content_type)

    def _silent(self, error: errors.StoreError) -> Response:
        return self._html("missing.html", status=503, heading="The database does not answer", message=str(error))

    def _html(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        made = self._templates.get_template(template).render(version=__version__, trouble=self._trouble(), **values)
        return HTMLResponse(made, status_code=status)
