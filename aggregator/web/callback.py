"""The one address that others call: hubs that check back (GET) and push (POST), each at `/websub/` and a token of its own.

Nobody is told more than a hub must know: no answer but the challenge has a text, and no token or secret is logged or shown.
"""

import asyncio
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from aggregator import errors, log, push, pushing, subscribe

_log = log.logger("callback")

# A hub that could not be served tries again; not at once.
_AGAIN = {"retry-after": "60"}


class Callbacks:
    """`subscriber` and `receiver` are asked for anew by every call: a reloaded configuration brings others."""

    def __init__(self, subscriber: Callable[[], subscribe.Subscriber], receiver: Callable[[], push.Receiver]) -> None:
        self._subscriber, self._receiver = subscriber, receiver

    def routes(self, prefix: str) -> list[Route]:
        """The routes with `prefix`, the path of `web.base_url`, and without it: proxies before us may cut it off or not."""
        paths = dict.fromkeys(f"{before}/websub/{{token}}" for before in ("", prefix.rstrip("/")))
        return [Route(path, self.called, methods=["GET", "POST"]) for path in paths]

    async def called(self, request: Request) -> Response:
        """A hub calls."""
        if request.method == "HEAD":
            # It would be answered like a GET, which changes something here.
            return Response(status_code=405, headers={"allow": "GET, POST"})
        try:
            reply = await (self._pushed(request) if request.method == "POST" else self._asked(request))
        except errors.StoreError as exc:
            _log.error("callback.not_stored", error=str(exc), code=exc.code)
            reply = push.BUSY
        # text/plain and nosniff: the challenge is foreign (WebSub §8.2).
        return PlainTextResponse(reply.text, status_code=reply.status, headers=_AGAIN if reply.status == 503 else None)

    async def _asked(self, request: Request) -> pushing.Reply:
        return await self._subscriber().verify(request.path_params["token"], request.query_params)

    async def _pushed(self, request: Request) -> pushing.Reply:
        receiver = self._receiver()
        expected = await receiver.expected(request.path_params["token"])
        if isinstance(expected, pushing.Reply):
            return expected
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            return pushing.Reply(status=415)
        read = await _read(request, receiver)
        if isinstance(read, pushing.Reply):
            return read
        return await receiver.receive(
            expected,
            read,
            signatures=request.headers.getlist("x-hub-signature"),
            content_type=request.headers.get("content-type", "")[:200],
        )


async def _read(request: Request, receiver: push.Receiver) -> bytes | pushing.Reply:
    """The body, whose room is taken; or why it is not read: too large, too slow, or no room for it now."""
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and (len(stated) > 15 or int(stated) > receiver.max_bytes):
        return pushing.Reply(status=413)
    body, refusal = bytearray(), None
    try:
        async with asyncio.timeout(receiver.patience):
            async for chunk in request.stream():
                if len(body) + len(chunk) > receiver.max_bytes:
                    refusal = pushing.Reply(status=413)
                elif not receiver.take_room(len(chunk)):
                    refusal = push.BUSY
                if refusal is not None:
                    break
                body += chunk
    except TimeoutError:
        refusal = pushing.Reply(status=408)
    except ClientDisconnect:
        refusal = pushing.Reply(status=400)
    except BaseException:
        receiver.free(len(body))
        raise
    if refusal is not None:
        receiver.free(len(body))
        return refusal
    return bytes(body)
