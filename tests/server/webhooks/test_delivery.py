"""Facts reach their receivers signed, at least once, whatever the receivers or we do."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from standardwebhooks import WebhookVerificationError
from starlette.responses import RedirectResponse, Response

from server.database import Transactions
from server.webhooks import addresses, delivery
from server.webhooks import service as webhooks
from server.webhooks.delivery import DELAYS, Sender
from tests.server.webhooks.certificate import self_signed
from tests.server.webhooks.conftest import KEY, SEAL, Desk, Listen
from tests.server.webhooks.receiver import Receiver


async def test_a_fact_is_sent_once_and_is_genuine(desk: Desk, listen: Listen) -> None:
    receiver = await listen(Receiver())
    _, secret = await desk.subscribe(receiver.url, "charge.paid")
    await desk.publish()
    await desk.send()
    await desk.send()
    [received] = receiver.got
    told = received.verified(secret)
    assert (told["type"], told["timestamp"]) == ("charge.paid", "2026-11-21T03:00:00Z")
    assert (told["data"]["version"], told["data"]["amount_rp"]) == (1, 4_000)
    assert received.headers["content-type"] == "application/json"
    assert received.headers["host"] == httpx.URL(receiver.url).netloc.decode()
    [row] = await desk.rows("SELECT outbox_id, outcome, attempts FROM webhook_deliveries")
    assert row == {"outbox_id": row["outbox_id"], "outcome": "delivered", "attempts": 1}
    assert received.id == str(row["outbox_id"])
    assert await desk.attempts() == [{"status_code": 204, "error": None, "response_head": ""}]
    with pytest.raises(WebhookVerificationError):
        received.verified("whsec_bukanrahasianya")


async def test_nobody_can_read_a_secret_in_the_database(desk: Desk) -> None:
    _, secret = await desk.subscribe("http://127.0.0.1:9/x")
    [row] = await desk.rows("SELECT s::text AS all FROM webhook_subscriptions s")
    [sealed] = await desk.rows("SELECT secret FROM webhook_subscriptions")
    bare = secret.removeprefix("whsec_").encode()
    assert bare not in sealed["secret"]
    assert bare.decode() not in row["all"]


async def test_a_failure_is_tried_again_until_it_is_taken(desk: Desk, listen: Listen) -> None:
    failing = Response("rusak \0 " + "x" * 1_000, 500)
    receiver = await listen(Receiver(answers=[failing, 204]))
    await desk.subscribe(receiver.url, "charge.paid")
    await desk.publish()
    await desk.send()
    await desk.send()
    assert len(receiver.got) == 1, "not before its time"
    await desk.hurry()
    await desk.send()
    first, second = receiver.got
    assert (first.id, first.body) == (second.id, second.body)
    tried = await desk.attempts()
    assert [attempt["status_code"] for attempt in tried] == [500, 204]
    assert tried[0]["response_head"].startswith("rusak  xxx")
    assert len(tried[0]["response_head"]) == 500


async def test_attempts_wait_as_the_standard_says_and_then_the_webhook_is_disabled(
    desk: Desk, listen: Listen
) -> None:
    receiver = await listen(Receiver(answers=[503]))
    await desk.subscribe(receiver.url, "charge.paid")
    await desk.publish()
    for attempt, delay in enumerate(DELAYS[1:], start=1):
        await desk.send()
        assert len(receiver.got) == attempt
        [due] = await desk.rows("SELECT next_attempt_at AS at FROM webhook_deliveries")
        waits = due["at"] - datetime.now(UTC)
        assert delay - timedelta(seconds=60) < waits <= delay * 1.2
        await desk.hurry()
    await desk.send()
    [row] = await desk.rows("SELECT outcome, attempts FROM webhook_deliveries")
    assert row == {"outcome": "exhausted", "attempts": 10}
    [subscription] = await desk.rows("SELECT disabled_why FROM webhook_subscriptions")
    assert subscription == {"disabled_why": "exhausted"}
    assert len({received.id for received in receiver.got}) == 1


async def test_a_receiver_that_is_gone_is_not_told_again(desk: Desk, listen: Listen) -> None:
    receiver = await listen(Receiver(answers=[410]))
    subscription_id, _ = await desk.subscribe(receiver.url, "charge.paid")
    await desk.publish()
    await desk.send()
    await desk.publish()
    await desk.hurry()
    await desk.send()
    assert len(receiver.got) == 1
    [row] = await desk.rows("SELECT outcome FROM webhook_deliveries")
    assert row == {"outcome": "gone"}
    receiver.answers = [200]
    async with desk.transactions.begin() as db:
        await webhooks.enable(db, subscription_id)
        since = datetime.now(UTC) - timedelta(minutes=1)
        assert await webhooks.replay_since(db, subscription_id, since, now=datetime.now(UTC)) == 2
    await desk.send()
    assert len({received.id for received in receiver.got}) == 2, "what it missed, and what it lost"


async def test_a_redirect_is_a_failure_and_leads_nowhere(desk: Desk, listen: Listen) -> None:
    elsewhere = await listen(Receiver())
    receiver = await listen(Receiver(answers=[RedirectResponse(elsewhere.url, 307)]))
    await desk.subscribe(receiver.url, "charge.paid")
    await desk.publish()
    await desk.send()
    assert (len(receiver.got), elsewhere.got) == (1, [])
    [attempt] = await desk.attempts()
    assert attempt["status_code"] == 307


async def test_a_slow_or_dead_receiver_holds_up_only_itself(
    desk: Desk, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TIMEOUT_S", 5.0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    slow, quick = await listen(Receiver(takes_s=6.0)), await listen(Receiver())
    for url in (dead, quick.url):
        await desk.subscribe(url, "charge.paid")
    slow_id, _ = await desk.subscribe(slow.url, "charge.paid")
    facts = delivery.SENT_AT_ONCE
    await desk.publish(facts)
    await desk.sender.tick()
    while len(quick.got) < facts:
        await asyncio.sleep(0.01)
        assert slow_id in desk.sender._draining
    await asyncio.gather(*desk.sender._draining.values())
    errors = await desk.rows(
        "SELECT error, count(DISTINCT outbox_id) AS n FROM webhook_attempts"
        " GROUP BY error ORDER BY error"
    )
    assert [(row["error"], row["n"]) for row in errors] == [
        ("ConnectError", facts),
        ("timeout", facts),
        (None, facts),
    ]


async def test_one_fact_or_all_since_a_moment_are_sent_again_under_the_same_ids(
    desk: Desk, listen: Listen
) -> None:
    receiver = await listen(Receiver())
    await desk.publish(2)
    await desk.send()  # nobody was subscribed yet
    subscription_id, secret = await desk.subscribe(receiver.url, "charge.paid")
    since = datetime.now(UTC)
    await asyncio.sleep(0.01)
    await desk.publish(3)
    await desk.send()
    ids = [received.id for received in receiver.got]
    assert len(set(ids)) == 3

    async def again(moment: datetime) -> int:
        async with desk.transactions.begin() as db:
            return await webhooks.replay_since(db, subscription_id, moment, now=datetime.now(UTC))

    assert await again(since) == 3
    await desk.send()
    assert sorted(received.id for received in receiver.got[3:]) == sorted(ids)
    assert await again(since - timedelta(hours=1)) == 5
    await desk.send()
    assert len({received.id for received in receiver.got[6:]}) == 5
    first = receiver.got[0]
    async with desk.transactions.begin() as db:
        [row] = await desk.rows("SELECT id FROM outbox WHERE id::text = :id", id=first.id)
        await webhooks.replay(db, subscription_id, row["id"], now=datetime.now(UTC))
    await desk.send()
    assert (receiver.got[-1].id, receiver.got[-1].body) == (first.id, first.body)
    assert receiver.got[-1].verified(secret)
    async with desk.transactions.begin() as db:
        with pytest.raises(webhooks.DeliveryNotFound):
            await webhooks.replay(db, subscription_id, subscription_id, now=datetime.now(UTC))


async def test_after_a_rotation_both_secrets_hold_until_the_old_one_runs_out(
    desk: Desk, listen: Listen
) -> None:
    receiver = await listen(Receiver())
    subscription_id, old = await desk.subscribe(receiver.url, "charge.paid")
    async with desk.transactions.begin() as db:
        new = await webhooks.rotate(db, SEAL, subscription_id, now=datetime.now(UTC))
    await desk.publish()
    await desk.send()
    [received] = receiver.got
    assert received.verified(old) == received.verified(new)
    assert len(received.headers["webhook-signature"].split(" ")) == 2
    await desk.rows("UPDATE webhook_subscriptions SET previous_until = now()")
    await desk.publish()
    await desk.send()
    assert receiver.got[1].verified(new)
    with pytest.raises(WebhookVerificationError):
        receiver.got[1].verified(old)


async def test_a_sender_killed_before_it_recorded_sends_again_under_the_same_id(
    desk: Desk, listen: Listen, database_url: str
) -> None:
    receiver = await listen(Receiver())
    _, secret = await desk.subscribe(receiver.url, "charge.paid")
    await desk.publish()
    script = (
        "import asyncio; from datetime import UTC, datetime; from pydantic import SecretStr\n"
        "from server.database import create_engine, create_transactions\n"
        "from server.webhooks.delivery import Sender; from server.webhooks.sealing import Seal\n"
        "async def main():\n"
        f"    transactions = create_transactions(create_engine({database_url!r}))\n"
        f"    seal = Seal(SecretStr({KEY.get_secret_value()!r}))\n"
        "    sender = Sender(transactions, seal, production=False,"
        " clock=lambda: datetime.now(UTC))\n"
        "    await sender.tick(); await asyncio.sleep(120)\n"
        "asyncio.run(main())\n"
    )
    killed = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        env={**os.environ, "KARCIS_CRASH_AT": "webhook-sent-not-recorded"},
    )
    assert await asyncio.wait_for(killed.wait(), 120) == -signal.SIGKILL
    assert len(receiver.got) == 1
    await desk.send()
    assert len(receiver.got) == 1, "the dead sender's claim still holds"
    await desk.hurry()
    await desk.send()
    first, second = receiver.got
    assert (first.id, first.body) == (second.id, second.body)
    assert first.verified(secret) == second.verified(secret)
    [row] = await desk.rows("SELECT outcome, attempts FROM webhook_deliveries")
    assert row == {"outcome": "delivered", "attempts": 2}


async def test_several_senders_share_the_work(
    desk: Desk, listen: Listen, transactions: Transactions
) -> None:
    receiver = await listen(Receiver())
    await desk.subscribe(receiver.url)
    await desk.publish(30)
    senders = [
        Sender(transactions, SEAL, production=False, clock=lambda: datetime.now(UTC))
        for _ in range(3)
    ]
    await asyncio.gather(*(sender.tick() for sender in senders))
    await asyncio.gather(*(task for sender in senders for task in sender._draining.values()))
    await asyncio.gather(*(sender.close() for sender in senders))
    ids = [received.id for received in receiver.got]
    assert (len(ids), len(set(ids))) == (60, 60)


async def test_facts_kept_long_enough_are_forgotten(desk: Desk, listen: Listen) -> None:
    receiver = await listen(Receiver())
    await desk.subscribe(receiver.url)
    await desk.publish()
    await desk.send()
    end = datetime.now(UTC) + webhooks.KEPT
    await webhooks.prune(desk.transactions, now=end - timedelta(minutes=1))
    assert len(await desk.rows("SELECT 1 FROM webhook_attempts")) == 2
    await webhooks.prune(desk.transactions, now=end + timedelta(minutes=1))
    for table in ("outbox", "webhook_deliveries", "webhook_attempts"):
        assert await desk.rows(f"SELECT 1 FROM {table}") == []


@pytest.mark.parametrize(
    "name", ["localhost", "127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]",
             "100.64.0.1", "224.0.0.1", "0.0.0.0", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]",
             "[fec0::1]", "[::127.0.0.1]"],
)  # fmt: skip
async def test_no_address_inside_a_network_is_called_in_production(name: str) -> None:
    with pytest.raises(addresses.AddressRefused):
        await addresses.public_address(httpx.URL(f"https://{name}/hook"))


async def test_a_name_that_leads_inside_is_a_failed_attempt(
    desk: Desk, transactions: Transactions
) -> None:
    await desk.subscribe("https://localhost:9/hook", "charge.paid")
    await desk.publish()
    sender = Sender(transactions, SEAL, production=True, clock=lambda: datetime.now(UTC))
    await sender.tick()
    await asyncio.gather(*sender._draining.values())
    await sender.close()
    [attempt] = await desk.attempts()
    assert (attempt["status_code"], attempt["error"]) == (None, "address-refused")


@pytest.mark.parametrize(
    "url", ["http://parkir.example/x", "https://a:b@parkir.example/x", "ftp://parkir.example/x",
            "https://", "https:///x", "parkir.example", "https://parkir.example/x#y",
            f"https://parkir.example/{'x' * 500}", "https://parkir.example:99999/"],
)  # fmt: skip
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(addresses.WebhookUrlRefused):
        addresses.checked(url, production=True)


async def test_in_production_the_checked_address_is_called_by_its_name_over_tls(
    desk: Desk, transactions: Transactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection goes to the number that was checked, the certificate is that of the name."""
    served, trusted = self_signed("parkir.test", tmp_path)
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async def resolve(_url: httpx.URL) -> str:
        return "127.0.0.1"

    monkeypatch.setattr(addresses, "public_address", resolve)
    sender = Sender(transactions, SEAL, production=True, clock=lambda: datetime.now(UTC))
    sender._client = httpx.AsyncClient(verify=trusted, limits=delivery.LIMITS)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(sender.close)
        server = await stack.enter_async_context(
            await asyncio.start_server(answer, "127.0.0.1", 0, ssl=served)
        )
        port = server.sockets[0].getsockname()[1]
        await desk.subscribe(f"https://parkir.test:{port}/hook", "charge.paid")
        await desk.subscribe(f"https://lain.test:{port}/hook", "charge.paid")
        await desk.publish()
        await sender.tick()
        await asyncio.gather(*sender._draining.values())
    assert len(seen) == 1
    assert f"Host: parkir.test:{port}".encode() in seen[0]
    codes = {(row["status_code"], row["error"]) for row in await desk.attempts()}
    assert codes == {(204, None), (None, "ConnectError")}
