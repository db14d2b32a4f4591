"""The receiver that docs/api.md shows takes genuine facts, each once, and nothing else."""

import asyncio
import os
import sys
from pathlib import Path

import httpx

from tests.ports import free_port
from tests.server.webhooks.conftest import Desk

EXAMPLE = Path(__file__).parents[3] / "examples" / "receive_webhook.py"


async def test_the_example_receiver_takes_each_genuine_fact_once(desk: Desk) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/karcis"
    _, secret = await desk.subscribe(url, "charge.paid")
    receiver = await asyncio.create_subprocess_exec(
        sys.executable,
        EXAMPLE,
        str(port),
        env={**os.environ, "KARCIS_WEBHOOK_SECRET": secret},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            forged = {"webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": "v1,eA=="}
            while True:
                try:
                    answer = await client.post(url, content=b"{}", headers=forged)
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.05)
            assert answer.status_code == 400
        await desk.publish()
        await desk.send()
        await desk.rows("UPDATE webhook_deliveries SET outcome = NULL, next_attempt_at = now()")
        await desk.publish()
        await desk.send()
    finally:
        receiver.terminate()
    told, _ = await receiver.communicate()
    lines = told.decode().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("charge.paid {") for line in lines)
    outcomes = await desk.rows("SELECT outcome, attempts FROM webhook_deliveries")
    assert {row["outcome"] for row in outcomes} == {"delivered"}
