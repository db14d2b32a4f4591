"""T9 and T10: what handhelds push comes twice, in parts, out of order, or is not what it says."""

import asyncio
import json
import random
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx

from domain.device import LifeEvent
from server import sample
from server.identity import devices
from server.identity import service as identity
from tests.faults.gate import Fault, Gate
from tests.faults.handheld_stage import HandheldStage, Handset, officers
from tests.faults.stage import Stage
from tests.server.handhelds import Handheld, approved, nonce_for

CASES = 520
DEVICES = 8
Events = list[dict[str, Any]]


async def signed_in(stage: Stage) -> Handheld:
    """A handheld made of its key and its chain alone, whose attendant is at work."""
    if not stage.is_ours:
        return Handheld()
    async with officers(stage) as transactions:
        handheld = await approved(transactions)
    body = handheld.shift_request(await nonce_for(stage.http, handheld))
    answer = await stage.http.post("/v1/shifts", json=body, timeout=60)
    handheld.token = answer.raise_for_status().json()["token"]
    return handheld


class Model:
    """What a server that keeps each event once, and in its chain, says to every batch."""

    def __init__(self) -> None:
        self.accepted: list[str] = []
        self.refused: set[str] = set()

    def take(self, events: Events) -> list[str]:
        said = {}
        for event in sorted(events, key=lambda event: int(event["seq"])):
            said[event["hash"]] = self._take(event)
        return [said[event["hash"]] for event in events]

    def _take(self, event: dict[str, Any]) -> str:
        if event["hash"] in self.accepted:
            return "duplicate"
        if event["seq"] == len(self.accepted) + 1:
            self.accepted.append(event["hash"])
            return "accepted"
        self.refused.add(event["hash"])
        return "gap"


class Sender:
    """One device behind a gate: sends its events in some odd way, then until all are known."""

    def __init__(self, stage: Stage, gate: Gate, handheld: Handheld, rng: random.Random) -> None:
        self.stage, self.gate, self.handheld, self.rng = stage, gate, handheld, rng
        self.model = Model()
        self.fate: Fault | None = None
        gate.judge = lambda _piece: self.fate
        # Each request on a wire of its own, so that a broken one takes no other along.
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{gate.port}", timeout=60, trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )  # fmt: skip

    async def send(self, events: Events, fate: Fault | None = None) -> list[str] | None:
        """What was answered to a batch; None where the answer did not come."""
        self.fate = fate
        sent = events if self.stage.is_ours else [event | {"id": event["hash"]} for event in events]
        how: dict[str, Any] = {"auth": self.handheld.signed} if self.stage.is_ours else {}
        try:
            answer = await self.http.post("/v1/sync", json={"events": sent}, **how)
            results = answer.json().get("results", []) if answer.is_success else None
        except (httpx.TransportError, json.JSONDecodeError):
            return None
        return results and [result["reason"] or result["outcome"] for result in results]

    async def play(self) -> None:
        """Record up to four facts and send them as a bad network would."""
        events = [self.handheld.event() for _ in range(self.rng.randint(1, 4))]
        odd = self.rng.choice((self._lost, self._cut, self._reordered, self._split, self._at_once))
        await odd(events)
        self.stage.tally.fired[odd.__name__.strip("_").replace("_", " ")] += 1
        await self._answered(events)
        if self.rng.random() < 0.3:
            await self._answered(events)

    async def _answered(self, events: Events) -> None:
        """Send until it is answered, and compare the answer with the model's."""
        said = await self.send(events)
        wanted = self.model.take(events)
        if self.stage.is_ours and said != wanted:
            self.stage.tally.violate("another answer than the model's", f"{said} for {wanted}")
        self.stage.tally.replays += wanted.count("duplicate") if self.stage.is_ours else 0

    async def _lost(self, events: Events) -> None:
        await self.send(events, Fault.LOSE_ANSWER)
        self.model.take(events)

    async def _cut(self, events: Events) -> None:
        await self.send(events, Fault.CLOSE)

    async def _reordered(self, events: Events) -> None:
        later = [self.handheld.event()]
        await self._answered(later)
        await self._answered([*reversed(events), *later])

    async def _split(self, events: Events) -> None:
        middle = len(events) // 2
        for part in (events[middle:], events[:middle]):
            if part:
                await self._answered(part)

    async def _at_once(self, events: Events) -> None:
        await asyncio.gather(*(self.send(events) for _ in range(3)))
        self.model.take(events)


async def send_oddly(stage: Stage) -> None:
    """T9. Each case against a model; idempotent by device, number and hash."""
    senders = []
    for _ in range(DEVICES):
        gate = Gate(stage.port)
        await gate.open()
        rng = random.Random(stage.rng.random())
        senders.append(Sender(stage, gate, await signed_in(stage), rng))

    async def work(sender: Sender) -> None:
        for _ in range(CASES // DEVICES):
            await sender.play()

    await asyncio.gather(*(work(sender) for sender in senders))
    stage.tally.runs = CASES
    for sender in senders:
        await _judge(stage, sender)
        await sender.http.aclose()
        await sender.gate.close()


async def _judge(stage: Stage, sender: Sender) -> None:
    stage.tally.fired += sender.gate.fired
    chain = [event["hash"] for event in sender.handheld.chain]
    if stage.is_ours:
        rows = await stage.rows(
            "SELECT hash FROM device_events WHERE device_id = $1 ORDER BY seq",
            sender.handheld.device_id,
        )
        kept = await stage.rows(
            "SELECT event ->> 'hash' FROM quarantined_events WHERE device_id = $1",
            sender.handheld.device_id,
        )
        if sorted(row[0] for row in kept) != sorted(sender.model.refused):
            stage.tally.violate("the quarantine is not the model's", len(kept))
    else:
        rows = await stage.rows("SELECT id FROM events WHERE id = ANY($1)", chain)
    known = [row[0] for row in rows]
    stage.tally.violations["event lost"] += len(set(chain) - set(known))
    stage.tally.violations["event recorded twice"] += len(known) - len(set(known))
    if stage.is_ours and known != chain:
        stage.tally.violate("not the device's chain", sender.handheld.device_id)
    stage.tally.acked += len(chain)
    stage.tally.stored += len(set(chain) & set(known))


# T10: not what it says it is


def _edited(handheld: Handheld) -> dict[str, Any]:
    return handheld.forge() | {"body": {"amount_rp": 1}}


def _of_another_key(handheld: Handheld) -> dict[str, Any]:
    return Handheld(device_id=handheld.device_id, chain=handheld.chain).forge()


def _after_a_gap(handheld: Handheld) -> dict[str, Any]:
    return handheld.forge(seq=len(handheld.chain) + 3)


def _forked(handheld: Handheld) -> dict[str, Any]:
    return Handheld(
        key=handheld.key, device_id=handheld.device_id, chain=handheld.chain[:-1]
    ).forge(body={"of": "a copy"})


def _of_another_device(handheld: Handheld) -> dict[str, Any]:
    return handheld.forge(device_id=str(UUID(int=7)))


FALSE: dict[str, Callable[[Handheld], dict[str, Any]]] = {
    "bad-hash": _edited,
    "bad-signature": _of_another_key,
    "gap": _after_a_gap,
    "fork": _forked,
    "other-device": _of_another_device,
}


async def send_falsely(stage: HandheldStage) -> None:
    """T10. Each is kept in a case with its reason; what is good around it is accepted."""
    for reason, forge in FALSE.items():
        handheld = await signed_in(stage)
        gate = Gate(stage.port)
        await gate.open()
        sender = Sender(stage, gate, handheld, stage.rng)
        good = [handheld.event(), handheld.event()]
        false = forge(handheld)
        said = [
            *(await sender.send(good) or []),
            *(await sender.send([false]) or []),
            *(await sender.send([false, handheld.event()]) or []),
        ]
        await _judge_false(stage, handheld, false, reason, said)
        await sender.http.aclose()
        await gate.close()
    stage.tally.runs = len(FALSE)
    if stage.is_ours:
        stage.quarantines = True
        await _restore_a_backup(stage)
        await _revoke(stage)
        stage.tally.runs += 2


async def _judge_false(
    stage: Stage, handheld: Handheld, false: dict[str, Any], reason: str, said: Sequence[str]
) -> None:
    stage.tally.fired[reason] += 1
    if not stage.is_ours:
        rows = await stage.rows("SELECT 1 FROM events WHERE id = $1", false["hash"])
        stage.tally.violations["a false event was believed"] += len(rows)
        return
    if sorted(said) != sorted(["accepted"] * 3 + [reason] * 2):
        stage.tally.violate("another answer", f"{reason}: {said}")
    await judge_case(stage, handheld.device_id, [reason])


async def judge_case(stage: Stage, device_id: UUID | str, reasons: Sequence[str]) -> None:
    """Of these reasons is what one open case, with an owner, holds of the device."""
    rows = await stage.rows(
        "SELECT e.reason FROM quarantined_events e JOIN quarantine_cases c ON c.id = e.case_id"
        " WHERE c.device_id = $1 AND c.closed_at IS NULL AND c.owner <> ''",
        device_id,
    )
    if sorted(row[0] for row in rows) != sorted(reasons):
        stage.tally.violate("no case, or another", f"{[row[0] for row in rows]} for {reasons}")


async def _restore_a_backup(stage: HandheldStage) -> None:
    """The file of this morning over that of noon: its past is known, its new present is a fork."""
    handset = await _at_work(stage)
    handset.process.kill()
    backup = stage.folder / "backup"
    shutil.copytree(handset.folder, backup)
    await handset.start()
    await handset.take_cash(stage.spots[0])
    await handset.synced()
    handset.process.kill()
    handset.forget_told()
    shutil.rmtree(handset.folder)
    shutil.copytree(backup, handset.folder)
    await handset.start()
    await handset.take_cash(stage.spots[1])
    await handset.synced()
    handset.process.kill()
    newest = handset.opened()[1][-1]
    if newest.outcome != "quarantined":
        stage.tally.violate("a restored handheld was not told", newest.outcome)
    reasons = [event.reason for event in handset.opened()[1] if event.outcome == "quarantined"]
    if not {"fork"} <= set(reasons) <= {"fork", "gap"}:
        stage.tally.violate("a restored handheld's events were refused otherwise", reasons)
    await judge_case(stage, newest.device_id, [str(reason) for reason in reasons])
    stage.tally.fired["backup restored"] += 1


async def _revoke(stage: HandheldStage) -> None:
    """What waited on a revoked handheld is kept and flagged, and no rupiah of it is posted."""
    handset = await _at_work(stage)
    handset.gate.judge = lambda _piece: Fault.CLOSE
    handset.gate.cut()
    answer = await handset.take_cash(stage.spots[0])
    device_id = UUID(handset.device_id())
    async with officers(stage) as transactions, transactions.begin() as db:
        officer = await identity.officer_named(db, sample.OFFICER)
        now = datetime.now(UTC)
        await devices.change(db, officer, device_id, LifeEvent.REVOKED, "hilang", now=now)
    handset.gate.judge = lambda _piece: None

    async def kept() -> bool:
        return bool((await handset.status())["quarantined"])

    await handset.until(kept)
    await judge_case(stage, device_id, ["device-revoked"])
    posted = await stage.rows("SELECT 1 FROM charges WHERE id = $1", answer.json()["id"])
    if posted:
        stage.tally.violate("a revoked device's money was posted", answer.json()["id"])
    stage.tally.fired["device revoked"] += 1


async def _at_work(stage: HandheldStage) -> Handset:
    handset = await stage.handset()
    await handset.start()
    await handset.sign_in()
    await handset.take_cash(stage.spots[2])
    await handset.synced()
    return handset
