"""What handhelds push: each fact once, in its order; what is refused is kept and never lost."""

import asyncio
import json
import math
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select, text, update

from server import verify
from server.casework.models import CaseKind
from server.database import Transactions
from server.identity.models import Device
from server.sync import quarantine
from server.sync.models import DeviceEvent, QuarantinedEvent
from tests.server.deciding import close_by_two, held_back
from tests.server.handhelds import Handheld, on_shift


@pytest.fixture
async def handheld(api: httpx.AsyncClient, transactions: Transactions, now: datetime) -> Handheld:
    return await on_shift(api, transactions, now)


async def push(api: httpx.AsyncClient, handheld: Handheld, *events: dict[str, Any]) -> list[str]:
    answer = await api.post(
        "/v1/sync",
        # By hand: httpx writes no half characters, and json.dumps escapes them.
        content=json.dumps({"events": events}),
        headers={"Content-Type": "application/json"},
        auth=handheld.signed,
    )
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [result["seq"] for result in results] == [event["seq"] for event in events]
    return [result["reason"] or result["outcome"] for result in results]


async def kept(transactions: Transactions) -> tuple[list[int], list[str]]:
    """The numbers of accepted events, and the reasons of quarantined ones."""
    async with transactions.begin() as db:
        broken = await verify.broken(db)
        assert broken["I8-device-chains"] == []
        accepted = await db.scalars(select(DeviceEvent.seq).order_by(DeviceEvent.seq))
        reasons = await db.scalars(select(QuarantinedEvent.reason))
        return list(accepted), sorted(reasons)


async def test_a_batch_is_accepted_once(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    events = [
        handheld.event(),
        handheld.event("receipt_printed"),
        handheld.event("not-invented-yet"),
    ]
    assert await push(api, handheld, *events[:2]) == ["accepted", "accepted"]
    assert await push(api, handheld, *events) == ["duplicate", "duplicate", "accepted"]
    assert await push(api, handheld) == []
    assert await kept(transactions) == ([1, 2, 3], [])
    async with transactions.begin() as db:
        stored = (await db.scalars(select(DeviceEvent).where(DeviceEvent.seq == 2))).one()
    assert {
        name: getattr(stored, name) for name in ("hash", "prev_hash", "kind", "at", "body")
    } == {name: events[1][name] for name in ("hash", "prev_hash", "kind", "at", "body")}


def edited(handheld: Handheld) -> dict[str, Any]:
    return handheld.forge() | {"body": {"amount_rp": 1}}


def edited_and_hashed_again(handheld: Handheld) -> dict[str, Any]:
    return handheld.forge(body={"amount_rp": 1}) | {"signature": handheld.forge()["signature"]}


def of_another_key(handheld: Handheld) -> dict[str, Any]:
    return Handheld(device_id=handheld.device_id, chain=handheld.chain).forge()


def of_another_device(handheld: Handheld) -> dict[str, Any]:
    return handheld.forge(device_id=str(uuid4()))


def after_a_gap(handheld: Handheld) -> dict[str, Any]:
    return handheld.forge(seq=len(handheld.chain) + 2)


def on_another_past(handheld: Handheld) -> dict[str, Any]:
    return handheld.forge(prev_hash="a" * 64)


def with_a_float(handheld: Handheld) -> dict[str, Any]:
    return handheld.forge() | {"body": {"amount_rp": 0.5}}


def with_a_nul(handheld: Handheld) -> dict[str, Any]:
    return handheld.forge(body={"note": "a\0b"})


def with_a_nul_kind(handheld: Handheld) -> dict[str, Any]:
    return handheld.forge(kind="a\0b")


def with_half_a_character(handheld: Handheld) -> dict[str, Any]:
    return handheld.forge() | {"body": {"note": "\ud800"}}


def with_no_number(handheld: Handheld) -> dict[str, Any]:
    return handheld.forge() | {"body": {"amount_rp": math.nan}}


def too_deep(handheld: Handheld) -> dict[str, Any]:
    nested: Any = 1
    for _ in range(400):
        nested = [nested]
    return handheld.forge() | {"body": {"note": nested}}


def with_rubbish_for_a_signature(handheld: Handheld) -> dict[str, Any]:
    return handheld.forge() | {"signature": "\0not base64\0"}


REFUSED = {
    edited: "bad-hash",
    edited_and_hashed_again: "bad-signature",
    of_another_key: "bad-signature",
    of_another_device: "other-device",
    after_a_gap: "gap",
    on_another_past: "gap",
    with_a_float: "not-canonical",
    with_a_nul: "not-storable",
    with_a_nul_kind: "not-storable",
    with_half_a_character: "not-canonical",
    with_no_number: "not-canonical",
    too_deep: "not-canonical",
    with_rubbish_for_a_signature: "bad-signature",
}


async def test_what_is_refused_is_kept_with_its_reason_and_spoils_nothing_else(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime, subtests: pytest.Subtests
) -> None:
    for forge, reason in REFUSED.items():
        handheld = await on_shift(api, transactions, now)
        with subtests.test(forge.__name__):
            first = handheld.event()
            bad = forge(handheld)
            following = handheld.event()
            pushed = await push(api, handheld, first, bad, following)
            assert pushed == ["accepted", reason, "accepted"]
            async with transactions.begin() as db:
                query = select(QuarantinedEvent).where(
                    QuarantinedEvent.device_id == handheld.device_id
                )
                quarantined = (await db.scalars(query)).one()
            assert quarantined.reason == reason
            text_kept = quarantined.event.get("text") or json.dumps(quarantined.event)
            assert as_text(json.loads(text_kept)) == as_text(bad)
    accepted, reasons = await kept(transactions)
    assert accepted == [1] * len(REFUSED) + [2] * len(REFUSED)
    assert reasons == sorted(REFUSED.values())


def as_text(event: dict[str, Any]) -> str:
    return json.dumps(event, sort_keys=True)


async def test_a_cloned_device_shows_as_a_fork(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    clone = Handheld(key=handheld.key, device_id=handheld.device_id, token=handheld.token)
    assert await push(api, handheld, handheld.event(), handheld.event()) == ["accepted"] * 2
    theirs = [clone.event(body={"of": "clone"}), clone.event(), clone.event()]
    assert await push(api, clone, *theirs) == ["fork", "fork", "gap"]
    assert await kept(transactions) == ([1, 2], ["fork", "fork", "gap"])
    assert await push(api, handheld, handheld.event()) == ["accepted"]


async def test_without_its_checks_a_fork_is_refused_by_the_table_itself(
    owner: Transactions, api: httpx.AsyncClient, handheld: Handheld
) -> None:
    await push(api, handheld, handheld.event())
    copy = text(
        "INSERT INTO device_events SELECT device_id, seq + 1, prev_hash, hash, kind, at, body,"
        " signature, received_at FROM device_events"
    )
    with pytest.raises(Exception, match="uq_device_events_device_id_prev_hash"):
        async with owner.begin() as db:
            await db.execute(copy)
    async with owner.begin() as db:
        await db.execute(
            text("ALTER TABLE device_events DROP CONSTRAINT uq_device_events_device_id_prev_hash")
        )
        await db.execute(copy)
    async with owner.begin() as db:
        broken = await verify.broken(db)
    assert broken["I8-device-chains"] == [str(handheld.device_id)]


async def test_two_batches_at_once_apply_each_event_once(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    events = [handheld.event() for _ in range(20)]
    outcomes = await asyncio.gather(*(push(api, handheld, *events) for _ in range(4)))
    assert sum(outcome.count("accepted") for outcome in outcomes) == 20
    assert sum(outcome.count("duplicate") for outcome in outcomes) == 60
    assert await kept(transactions) == (list(range(1, 21)), [])


async def test_two_devices_do_not_mix(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld, now: datetime
) -> None:
    other = await on_shift(api, transactions, now)
    assert await push(api, handheld, handheld.event()) == ["accepted"]
    assert await push(api, other, handheld.chain[0]) == ["other-device"]
    assert await push(api, other, other.event()) == ["accepted"]


async def test_what_was_recorded_as_a_shift_ended_is_taken_after_it(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    events = [handheld.event(), handheld.event("shift_closed")]
    handheld.token = ""
    assert await push(api, handheld, *events) == ["accepted", "accepted"]
    handheld.token = "of a shift that is over"
    assert await push(api, handheld, *events) == ["duplicate", "duplicate"]
    async with transactions.begin() as db:
        await db.execute(update(Device).values(state="suspended"))
    answer = await api.post("/v1/sync", json={"events": [handheld.event()]}, auth=handheld.signed)
    assert (answer.status_code, answer.json()["slug"]) == (403, "device-suspended")
    assert await kept(transactions) == ([1, 2], [])


async def revoke(transactions: Transactions) -> None:
    async with transactions.begin() as db:
        await db.execute(update(Device).values(state="revoked"))


@pytest.mark.parametrize("token", ["of its shift", ""])
async def test_what_a_revoked_device_still_had_is_kept_and_not_posted(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld, token: str
) -> None:
    assert await push(api, handheld, handheld.event()) == ["accepted"]
    await revoke(transactions)
    handheld.token = token and handheld.token
    later = [handheld.event(), handheld.event()]
    assert await push(api, handheld, handheld.chain[0], *later) == [
        "duplicate", "device-revoked", "device-revoked",
    ]  # fmt: skip
    assert await kept(transactions) == ([1], ["device-revoked"] * 2)


async def test_a_revoked_device_is_known_by_its_own_key_only(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    await revoke(transactions)
    thief = Handheld(device_id=handheld.device_id)
    answer = await api.post("/v1/sync", json={"events": [thief.event()]}, auth=thief.signed)
    assert (answer.status_code, answer.json()["slug"]) == (403, "signature-refused")
    stranger = Handheld()
    answer = await api.post("/v1/sync", json={"events": []}, auth=stranger.signed)
    assert (answer.status_code, answer.json()["slug"]) == (404, "device-not-found")
    answer = await api.post("/v1/sync", json={"events": []})
    assert (answer.status_code, answer.json()["slug"]) == (401, "not-signed-in")
    assert await kept(transactions) == ([], [])


async def test_a_batch_is_applied_in_its_chains_order_and_answered_in_its_own(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    events = [handheld.event() for _ in range(4)]
    assert await push(api, handheld, *reversed(events)) == ["accepted"] * 4
    assert await kept(transactions) == ([1, 2, 3, 4], [])


async def test_refused_events_wait_in_one_case_each_once_until_an_officer_closes_it(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld, now: datetime
) -> None:
    ahead = [handheld.forge(seq=3), handheld.forge(seq=4)]
    for _ in range(3):
        assert await push(api, handheld, *ahead) == ["gap", "gap"]
    async with transactions.begin() as db:
        ((case, count),) = await held_back(db)
        assert (case.device_id, case.owner, count) == (handheld.device_id, "admin sistem", 2)
    await close_by_two(transactions, CaseKind.QUARANTINE, case.id, "dicocokkan", datetime.now(UTC))
    async with transactions.begin() as db:
        assert await held_back(db) == []
    assert await push(api, handheld, *ahead, handheld.forge(seq=9)) == ["gap"] * 3
    async with transactions.begin() as db:
        ((case, count),) = await held_back(db)
        assert [row.event["seq"] for row in await quarantine.events_of(db, case.id)] == [9]
    assert await kept(transactions) == ([], ["gap"] * 3)


NOT_EVENTS: list[dict[str, Any]] = [
    {"seq": 0},
    {"seq": 2**63},
    {"prev_hash": "A" * 64},
    {"hash": "0" * 63},
    {"kind": "x" * 41},
    {"device_id": "x"},
    {"body": [1]},
]


async def test_a_batch_that_is_not_one_is_refused_whole(
    api: httpx.AsyncClient,
    transactions: Transactions,
    handheld: Handheld,
    subtests: pytest.Subtests,
) -> None:
    good, other = handheld.event(), handheld.event()
    for change in NOT_EVENTS:
        with subtests.test(str(change)):
            body = {"events": [good, other | change]}
            answer = await api.post("/v1/sync", json=body, auth=handheld.signed)
            assert answer.status_code == 422
            (name,) = change
            assert answer.json()["errors"][0]["pointer"] == f"/body/events/1/{name}"
    assert await kept(transactions) == ([], [])


async def test_a_batch_has_a_largest_size(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    events = [handheld.event() for _ in range(501)]
    answer = await api.post("/v1/sync", json={"events": events}, auth=handheld.signed)
    assert answer.status_code == 422
    assert await push(api, handheld, *events[:500]) == ["accepted"] * 500
