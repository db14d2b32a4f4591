"""A tiny partner on a real socket: keeps every notification and answers as it was told to."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

ACKNOWLEDGED = (200, b'{"responseCode":"2005200","responseMessage":"Successful"}')
TOKEN = (
    200,
    b'{"responseCode":"2007300","accessToken":"token-mitra","tokenType":"Bearer","expiresIn":"900"}',
)


@dataclass(frozen=True)
class Heard:
    path: str
    headers: dict[str, str]
    body: bytes


class _Server(ThreadingHTTPServer):
    request_queue_size = 256  # copies come by the hundred


class Receiver:
    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.tokens: list[Heard] = []
        self.answers: list[tuple[int, bytes]] = []
        """Answers to give first; afterwards everything is acknowledged."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                heard = Heard(self.path, dict(self.headers.items()), body)
                if self.path.endswith("/access-token/b2b"):
                    receiver.tokens.append(heard)
                    status, answer = TOKEN
                else:
                    receiver.heard.append(heard)
                    status, answer = receiver.answers.pop(0) if receiver.answers else ACKNOWLEDGED
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                return

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    async def wait_for(self, count: int) -> list[Heard]:
        await eventually(lambda: len(self.heard) >= count)
        return self.heard


async def eventually(holds: Callable[[], object], within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - the condition is another thread's or a file's
            await asyncio.sleep(0.01)
