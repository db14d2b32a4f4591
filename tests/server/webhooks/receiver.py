"""An integrator's server on a real socket, which answers as it is told and keeps what it got."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.server.payments.conftest import on_a_socket


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """The payload, as the library for receivers reads it; raises when it is not genuine."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """Gives its `answers` one after the other, then the last of them for ever."""

    answers: list[int | Response] = field(default_factory=lambda: [204])
    takes_s: float = 0.0
    url: str = ""
    got: list[Received] = field(default_factory=list)

    async def _take(self, request: Request) -> Response:
        self.got.append(Received(dict(request.headers), await request.body()))
        await asyncio.sleep(self.takes_s)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, Response) else Response(status_code=answer)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Receiver"]:
        methods = ["GET", "POST"]
        app = Starlette(routes=[Route("/{path:path}", self._take, methods=methods)])
        async with on_a_socket(app) as address:
            self.url = f"{address}/hook"
            yield self
