"""The exchange with an acquirer on a real socket whose other end does not keep to HTTP."""

import asyncio
import gzip
import socket
import socketserver
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from server.payments.acquirer import AcquirerUnknown
from server.payments.wire import MAX_ANSWER, exchange, new_client

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
OBJECT = HEAD + b"content-length: 2\r\n\r\n{}"
BOMB = gzip.compress(b'{"a":"' + b"x" * 50_000_000 + b'"}')
PAUSE = b"<pause>"
"""Where a server takes a breath, so that what follows comes by itself."""
RUBBISH = {
    "nothing at all": b"",
    "no HTTP": b"220 smtp.example ESMTP\r\n",
    "a status of letters": b"HTTP/1.1 OK fine\r\n\r\n{}",
    "half a head": b"HTTP/1.1 200 OK\r\ncontent-",
    "a header without a colon": b"HTTP/1.1 200 OK\r\ncontent-length 2\r\n\r\n{}",
    "a header without an end": HEAD + b"x: " + b"y" * 1_000_000,
    "less than was promised": HEAD + b"content-length: 200\r\n\r\n{}",
    "a length of letters": HEAD + b"content-length: two\r\n\r\n{}",
    "two lengths": HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "a broken chunk": HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "an unfinished chunk": HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "no gzip": HEAD + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
    "a gzip that swells": HEAD
    + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB)
    + BOMB,
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
    "a broken chunk after a while": HEAD
    + b"transfer-encoding: chunked\r\n\r\n"
    + PAUSE
    + b"zz\r\n",
    "too much": HEAD + b"content-length: 900000\r\n\r\n" + b" " * 900_000,
}


@asynccontextmanager
async def answering(say: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """The address of a server that says this to each request, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            for piece in say(head).split(PAUSE):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.05)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("said", RUBBISH.values(), ids=RUBBISH)
async def test_what_is_no_whole_answer_is_unknown(said):
    async with answering(lambda _: said) as url, new_client(url, timeout_s=1) as client:
        with pytest.raises(AcquirerUnknown):
            await exchange(client, "POST", "/x", {}, b"{}")


async def test_one_that_follows_rubbish_is_answered():
    said = iter([RUBBISH["a broken chunk"], OBJECT])
    async with answering(lambda _: next(said)) as url, new_client(url, timeout_s=60) as client:
        with pytest.raises(AcquirerUnknown):
            await exchange(client, "POST", "/x", {}, b"{}")
        assert await exchange(client, "POST", "/x", {}, b"{}") == {}


class HangsUp(socketserver.BaseRequestHandler):
    """Answers what comes first on a connection, and closes it without a word."""

    def handle(self) -> None:
        self.request.recv(65_536)
        self.request.sendall(OBJECT)


class Idle(socketserver.ThreadingTCPServer):
    """Tells when it has hung up."""

    def __init__(self) -> None:
        self.hung_up = threading.Semaphore(0)
        super().__init__(("127.0.0.1", 0), HangsUp)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.hung_up.release()


async def test_a_connection_that_was_closed_meanwhile_is_not_written_to():
    """The acquirer hangs up on idle connections while our process is busy with something else."""
    with Idle() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        async with new_client(url, timeout_s=60) as client:
            for _ in range(5):
                assert await exchange(client, "POST", "/x", {"connection": "keep-alive"}) == {}
                await asyncio.sleep(0)
                assert server.hung_up.acquire(timeout=60)  # as busy as that
        server.shutdown()


async def test_neither_a_redirect_nor_a_proxy_leads_elsewhere(monkeypatch):
    """A signed request goes to the acquirer's address and nowhere else."""
    heads = []

    def say(head: bytes) -> bytes:
        heads.append(head.lower())
        moved = b"HTTP/1.1 307 Moved\r\ncontent-length: 2\r\n"
        return moved + b"location: /elsewhere\r\nconnection: close\r\n\r\n{}"

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with answering(say) as url, new_client(url, timeout_s=60) as client:
        for _ in range(2):
            assert await exchange(client, "POST", "/x", {"X-SIGNATURE": "s"}, b"{}") == {}
    assert len(heads) == 2
    assert all(head.startswith(b"post /x http/1.1\r\n") for head in heads)


async def test_an_acquirer_that_cannot_be_reached_is_unknown():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        for url in (f"http://127.0.0.1:{taken.getsockname()[1]}", "http://acquirer.invalid"):
            async with new_client(url, timeout_s=1) as client:
                with pytest.raises(AcquirerUnknown):
                    await exchange(client, "POST", "/x", {}, b"{}")


async def test_an_answer_of_the_greatest_length_is_read():
    body = b'{"a":"' + b"x" * (MAX_ANSWER - 8) + b'"}'
    said = HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
    async with answering(lambda _: said) as url, new_client(url, timeout_s=60) as client:
        assert len((await exchange(client, "POST", "/x", {}))["a"]) == MAX_ANSWER - 8
