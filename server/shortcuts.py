"""Routes that are asked for most, found in front of the router.

To find one route among a hundred, and to have the framework solve what it depends on, costs more
than all else that such a request takes here.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from server import errors


class RawRoute(APIRoute):
    """Hands its endpoint the request as it came; path and query are its own to read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Any]]:
        return self.endpoint


class Shortcuts:
    """Answers the raw routes of some routers itself, and leaves all else to the router.

    Nothing of finding the answer is held while it is sent: a stream may take as long as it likes.
    """

    def __init__(self, app: ASGIApp, routers: Sequence[APIRouter]) -> None:
        self._app = app
        routes = [route for router in routers for route in router.routes]
        self._routes = [route for route in routes if isinstance(route, RawRoute)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._takes(scope):
            answer = await _answer(scope, receive, send)
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _takes(self, scope: Scope) -> bool:
        for route in self._routes:
            found = route.path_regex.match(scope["path"])
            if found is not None and scope["method"] in (route.methods or ()):
                scope["route"], scope["path_params"] = route, found.groupdict()
                return True
        return False


async def _answer(scope: Scope, receive: Receive, send: Send) -> ASGIApp:
    request = Request(scope, receive, send)
    try:
        answer: ASGIApp = await scope["route"].endpoint(request)
    except Exception as exc:
        return await errors.answered(request, exc)
    return answer
