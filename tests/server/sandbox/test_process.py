"""The real thing: `python -m server.sandbox` on a real socket, killed and started again."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from server.sandbox.settings import Settings
from tests.ports import free_port
from tests.server.sandbox.conftest import SECRET, Clock, Partner, order_body
from tests.server.sandbox.receiver import Receiver, eventually
from tests.server.sandbox.test_notifier import verify


class WallClock(Clock):
    def __call__(self) -> datetime:
        return datetime.now(UTC)


@contextmanager
def running(settings: Settings, port: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {
        "SANDBOX_DATA": str(settings.data),
        "SANDBOX_PORT": str(port),
        "SANDBOX_CLIENT_SECRET": SECRET,
        "SANDBOX_NOTIFY_URL": settings.notify_url,
        "SANDBOX_NOTIFY_RETRIES_S": "0.2,0.5",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "server.sandbox"], env=environment, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@asynccontextmanager
async def connected(
    settings: Settings, key: rsa.RSAPrivateKey, port: int
) -> AsyncIterator[Partner]:
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10
    ) as client:

        def listening() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        await eventually(listening, within_s=60)
        assert (await client.get("/livez")).json() == {"status": "ok"}
        yield Partner(client, key, settings, WallClock())


async def test_a_killed_process_forgets_no_payment(
    settings: Settings, partner_key: rsa.RSAPrivateKey, receiver: Receiver
) -> None:
    port = free_port()
    receiver.answers = [(500, b"")] * 1_000
    with running(settings, port) as process:
        async with connected(settings, partner_key, port) as partner:
            code = (await partner.order("K-1"))["qrContent"]
            rrn = (await partner.pay(code)).json()["rrn"]
            await receiver.wait_for(1)
        process.kill()
    receiver.answers = []
    heard_before = len(receiver.heard)
    with running(settings, port) as process:
        async with connected(settings, partner_key, port) as partner:
            heard = (await receiver.wait_for(heard_before + 1))[-1]
            verify(heard, settings)
            assert rrn.encode() in heard.body
            # The first external id served the killed process: that is remembered too.
            assert (await partner.query("K-1"))["responseCode"] == "4095100"
            assert (await partner.query("K-1"))["latestTransactionStatus"] == "00"
            assert (await partner.order("K-1"))["qrContent"] == code
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


async def test_no_answer_leaves_the_partner_in_the_dark(
    settings: Settings, partner_key: rsa.RSAPrivateKey
) -> None:
    port = free_port()
    with running(settings, port):
        async with connected(settings, partner_key, port) as partner:
            await partner.fault("generate_no_answer_before_booking", reference="K-1")
            await partner.fault("generate_no_answer_after_booking", reference="K-2")
            with pytest.raises(httpx.RemoteProtocolError):
                await partner.call("generate", order_body("K-1"))
            with pytest.raises(httpx.RemoteProtocolError):
                await partner.call("generate", order_body("K-2"))
            assert (await partner.query("K-1"))["responseCode"] == "4045101"
            booked = await partner.query("K-2")
            assert booked["latestTransactionStatus"] == "01"
            again = await partner.order("K-2")
            assert again["qrContent"] == booked["additionalInfo"]["qrContent"]
