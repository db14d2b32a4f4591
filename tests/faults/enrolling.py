"""T29: devices that want in by a code that is not theirs, lose their key, or are copied.

What is asked of the server goes over its own HTTP, with a key alone; whoever is copied is a real
handheld, whose data folder is then worked by two processes.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attendant_app import device_key
from domain.device import LifeEvent, fingerprint
from server import sample
from server.errors import Problem
from server.identity import devices
from server.identity import service as identity
from tests.faults.handheld_stage import HandheldStage, Handset, officers
from tests.faults.sending import judge_case
from tests.server.handhelds import Handheld

ATTEMPTS = 10
COPIES_AT_ONCE = 3
ACCEPTED, DONE = "accepted", "done"
Kind = Callable[[HandheldStage], Awaitable[None]]


async def enrol_badly(stage: HandheldStage) -> None:
    """T29. One device by one code, none without two officers, and no copy beside it."""
    stage.quarantines = True
    kinds: Sequence[Kind] = (used_twice, expired, raced, stolen, copied)
    if stage.is_ours:
        kinds = (used_twice, expired, raced, stolen, rolled, revoked, copied_folder)
    for kind in kinds:
        await _many(stage, kind)
        stage.tally.runs += ATTEMPTS


async def _many(stage: HandheldStage, kind: Kind) -> None:
    room = asyncio.Semaphore(COPIES_AT_ONCE)

    async def one() -> None:
        async with room:
            await kind(stage)
            stage.tally.fired[kind.__name__.replace("_", " ")] += 1

    await asyncio.gather(*(one() for _ in range(ATTEMPTS)))


# What a device and an officer do


async def _code(stage: HandheldStage, age: timedelta = timedelta()) -> str:
    """An enrolment code that was made so long ago."""
    made_at = datetime.now(UTC) - age
    if stage.is_ours:
        async with officers(stage) as transactions, transactions.begin() as db:
            return await sample.enrolment_code(db, now=made_at)
    code = stage.new_id().hex
    expires_at = made_at + devices.CODE_LIFETIME
    await stage.rows("INSERT INTO codes VALUES ($1, $2)", code, expires_at)
    return code


async def _enrol(
    stage: HandheldStage, code: str, key: Ed25519PrivateKey | None = None, **more: str
) -> Handheld | None:
    """A device that asks to be let in by this code; None where it is refused."""
    device = Handheld(key or Ed25519PrivateKey.generate())
    body = {"enrolment_code": code, "public_key": device.public_key, "name": "HP", **more}
    answer = await stage.http.post("/v1/devices", json=body, timeout=60)
    if answer.status_code != 201:
        if stage.is_ours:
            _expect(stage, "refused in other words", answer.json()["slug"], "enrolment-refused")
        return None
    device.device_id = UUID(answer.json()["device_id"])
    return device


async def _let_in(stage: HandheldStage) -> Handheld:
    """A device by a code of its own, approved, with one event at the office."""
    device = await _enrol(stage, await _code(stage))
    assert device is not None
    if stage.is_ours:
        said = await _decide(stage, sample.CHECKER, devices.approve, device)
        _expect(stage, "a second officer could not approve", said, DONE)
    _expect(stage, "a device that was let in", await _heard(stage, device), ACCEPTED)
    return device


async def _heard(
    stage: HandheldStage, device: Handheld, event: dict[str, Any] | None = None
) -> str:
    """What the office says to a device's next event: accepted, or why not."""
    event = event or device.event()
    event |= {} if stage.is_ours else {"id": event["hash"]}
    answer = await stage.http.post(
        "/v1/sync", json={"events": [event]}, auth=device.signed, timeout=60
    )
    if not stage.is_ours:
        return ACCEPTED if answer.is_success else answer.text
    if not answer.is_success:
        return str(answer.json()["slug"])
    [result] = answer.json()["results"]
    return str(result["reason"] or result["outcome"])


async def _shift(stage: HandheldStage, device: Handheld) -> str:
    """What the office says to a device whose attendant, with the right PIN, wants to work."""
    asked = await stage.http.post(f"/v1/devices/{device.device_id}/nonce", timeout=60)
    if asked.is_success:
        body = device.shift_request(asked.json()["nonce"])
        asked = await stage.http.post("/v1/shifts", json=body, timeout=60)
    return ACCEPTED if asked.is_success else str(asked.json()["slug"])


async def _decide(
    stage: HandheldStage, login: str, decision: Any, device: Handheld, *more: LifeEvent
) -> str:
    """What an officer's decision comes to: done (or a code), or the slug of its refusal."""
    try:
        async with officers(stage) as transactions, transactions.begin() as db:
            officer = await identity.officer_named(db, login)
            now = datetime.now(UTC)
            told: str | None = await decision(db, officer, device.device_id, *more, "uji", now=now)
            return told or DONE
    except Problem as problem:
        return problem.slug


def _expect(stage: HandheldStage, what: str, said: str, *wanted: str) -> None:
    if said not in wanted:
        stage.tally.violate(what, f"{said} for {wanted}")


# Codes


async def used_twice(stage: HandheldStage) -> None:
    """The second device is refused; the first, whose answer was lost, is the same device again."""
    code = await _code(stage)
    first = await _enrol(stage, code)
    assert first is not None
    if await _enrol(stage, code):
        stage.tally.violate("two devices by one code", "one after the other")
    again = await _enrol(stage, code, first.key)
    if again is None or again.device_id != first.device_id:
        stage.tally.violate("a lost answer shut the device out")


async def expired(stage: HandheldStage) -> None:
    if await _enrol(stage, await _code(stage, devices.CODE_LIFETIME)):
        stage.tally.violate("a device by an expired code")


async def raced(stage: HandheldStage) -> None:
    code = await _code(stage)
    both = await asyncio.gather(_enrol(stage, code), _enrol(stage, code))
    entered = [device for device in both if device]
    if len(entered) != 1:
        stage.tally.violate("two devices by one code", f"{len(entered)} at once")


async def stolen(stage: HandheldStage) -> None:
    """Who photographed the code is first, and still has to pass a second officer's eyes."""
    code = await _code(stage)
    thief, owner = await _enrol(stage, code), Handheld()
    assert thief is not None
    if await _enrol(stage, code, owner.key):
        stage.tally.violate("two devices by one code", "a thief's and the owner's")
    _expect(stage, "worked without a second officer", await _heard(stage, thief), "device-pending")
    if not stage.is_ours:
        return
    _expect(stage, "worked without a second officer", await _shift(stage, thief), "device-pending")
    said = await _decide(stage, sample.OFFICER, devices.approve, thief)
    _expect(stage, "approved by who made the code", said, "role-not-allowed", "own-enrolment")
    async with officers(stage) as transactions, transactions.begin() as db:
        shown = (await devices.find(db, thief.device_id)).fingerprint
    if shown == fingerprint(owner.key.public_key().public_bytes_raw()):
        stage.tally.violate("a thief's key has the owner's words", shown)
    said = await _decide(stage, sample.CHECKER, devices.reject, thief)
    _expect(stage, "a thief's device could not be rejected", said, DONE)
    await _stays_out(stage, thief)


# Keys


async def rolled(stage: HandheldStage) -> None:
    """A new key waits for approval; the old one asks for nothing more, what it signed stands."""
    old, other = await _let_in(stage), await _let_in(stage)
    unsent = old.event()
    code = await _decide(stage, sample.OFFICER, devices.issue_roll_code, old)
    if await _enrol(stage, code) or await _enrol(stage, code, device_id=str(other.device_id)):
        stage.tally.violate("another device by the code for a new key")
    new = await _enrol(stage, code, device_id=str(old.device_id))
    assert new is not None
    new.chain = old.chain
    _expect(stage, "a new key without approval", await _shift(stage, new), "device-pending")
    said = await _decide(stage, sample.CHECKER, devices.approve, new)
    _expect(stage, "a second officer could not approve", said, DONE)
    thief = Handheld(old.key, old.device_id, chain=list(old.chain))
    _expect(stage, "an old key still works", await _heard(stage, thief), "signature-refused")
    if await _shift(stage, thief) == ACCEPTED:
        stage.tally.violate("an old key opened a shift")
    _expect(stage, "recorded before the new key", await _heard(stage, new, unsent), ACCEPTED)
    _expect(stage, "recorded by the new key", await _heard(stage, new), ACCEPTED)


async def revoked(stage: HandheldStage) -> None:
    device = await _let_in(stage)
    said = await _decide(stage, sample.OFFICER, devices.change, device, LifeEvent.REVOKED)
    _expect(stage, "could not be revoked", said, DONE)
    await _stays_out(stage, device)
    await judge_case(stage, device.device_id, ["device-revoked"])


async def _stays_out(stage: HandheldStage, device: Handheld) -> None:
    """No way leads back from revoked, by no officer and no code."""
    out = "a revoked device is back"
    _expect(stage, out, await _heard(stage, device), "device-revoked")
    _expect(stage, out, await _shift(stage, device), "device-revoked")
    for login, decision, more in (
        (sample.CHECKER, devices.approve, ()),
        (sample.OFFICER, devices.change, (LifeEvent.RESUMED,)),
        (sample.OFFICER, devices.issue_roll_code, ()),
    ):
        said = await _decide(stage, login, decision, device, *more)
        _expect(stage, out, said, "device-changed")
    if await _enrol(stage, await _code(stage), device.key):
        stage.tally.violate(out, "by another code")


# Copies


async def copied(stage: HandheldStage) -> None:
    """The control's: whoever has a device's name is that device."""
    device = await _let_in(stage)
    copy = Handheld(device.key, device.device_id, chain=list(device.chain))
    said = [await _heard(stage, device), await _heard(stage, copy, copy.event(body={}))]
    if said == [ACCEPTED, ACCEPTED]:
        stage.tally.violate("a copy was believed")


async def copied_folder(stage: HandheldStage) -> None:
    """Two processes on one past: the office takes one present, and keeps the other in a case."""
    handset, copy = await stage.handset(), await stage.handset()
    await handset.start()
    await handset.sign_in()
    await handset.take_cash(stage.rng.choice(stage.spots))
    await handset.synced()
    handset.process.kill()
    shutil.copytree(handset.folder, copy.folder)
    await _steal_key(stage, handset)
    pair = [handset, copy]
    stage.rng.shuffle(pair)
    for each in pair:
        await each.start()
        await each.take_cash(stage.rng.choice(stage.spots))
        await each.synced()
    await _judge_copies(stage, pair)


async def _steal_key(stage: HandheldStage, handset: Handset) -> None:
    """The key file alone, without the journal: its first event is another than the device's."""
    raw = (handset.folder / device_key.KEY).read_bytes()
    thief = Handheld(Ed25519PrivateKey.from_private_bytes(raw), UUID(handset.device_id()))
    _expect(stage, "a copy was believed", await _heard(stage, thief), "fork")


async def _judge_copies(stage: HandheldStage, pair: list[Handset]) -> None:
    refused = {}
    for handset in pair:
        handset.process.kill()
        events = handset.opened()[1]
        refused[handset.folder] = [str(e.reason) for e in events if e.outcome == "quarantined"]
    forked = [handset for handset in pair if refused[handset.folder]]
    if len(forked) != 1:
        stage.tally.violate("a copy was believed", refused)
        return
    [loser] = forked
    winner = next(handset for handset in pair if handset is not loser)
    loser.told_before = dict(winner.told)
    reasons = refused[loser.folder]
    if not {"fork"} <= set(reasons) <= {"fork", "gap"}:
        stage.tally.violate("a copy was refused otherwise", reasons)
    await judge_case(stage, winner.device_id(), ["fork", *reasons])
