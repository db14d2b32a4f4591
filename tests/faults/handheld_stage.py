"""The stage with handhelds on it: real processes that a log of what their screens said follows.

A handheld stands behind a gate of its own to the server. Afterwards what it acknowledged to its
attendant is looked for in its journal and at the server, each fact once; the control likewise.
"""

import asyncio
import itertools
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from attendant_app import journal
from attendant_app.store import Store, StoredEvent
from domain.device import DeviceState
from domain.events import canonical, event_hash, verify_chain
from server import sample
from server.database import Transactions, create_engine, create_transactions
from server.identity import devices
from server.identity import service as identity
from server.identity.service import signed_by
from tests import forks
from tests.faults.gate import Gate
from tests.faults.stage import Stage
from tests.ports import free_port

forks.load("attendant_app.cli", "tests.faults.handset", "tests.faults.naive_handset")
PIN = "246810"
STEP_S = 120.0
"""For what comes within a second where the machine has nothing else to do."""
SYNCED_WITHIN_S = 120.0


class Unanswered(Exception):
    """The handheld is dead, or a step did not come about in time."""


@dataclass
class Handset:
    """One handheld over one data folder; `told` is what its screen said is recorded."""

    stage: Stage
    folder: Path
    gate: Gate
    process: forks.Fork
    http: httpx.AsyncClient
    code: str = ""
    told: dict[str, str] = field(default_factory=dict)
    """Charges that were answered as recorded, and as what."""
    told_before: dict[str, str] = field(default_factory=dict)
    """Those of a data folder that is no more: only the server still has them."""

    async def start(self, **changed: str) -> None:
        """A start of the program, with these settings beside its own for this once."""
        own = self.process.environment
        self.process.environment = {**own, **changed}
        self.process.start()
        self.process.environment = own
        await self.until(self._answers)

    async def _answers(self) -> bool:
        try:
            return (await self.http.get("/api/status")).status_code == 200
        except httpx.TransportError:
            return False

    async def until(self, holds: Any, within_s: float = STEP_S) -> None:
        deadline = time.monotonic() + within_s
        while not await holds():
            if self.process.exit_code is not None or time.monotonic() > deadline:
                raise Unanswered(self.process.why_dead() or f"not in time: {holds.__name__}")
            await asyncio.sleep(0.03)

    @property
    def pid(self) -> int:
        process = self.process.process
        if process is None or process.pid is None:
            raise Unanswered("not started")
        return process.pid

    async def died(self) -> bool:
        """Whether it is dead: who was talking to it knows a moment before its parent does."""
        return await asyncio.to_thread(self.process.wait, 2.0) is not None

    async def call(self, method: str, path: str, **body: Any) -> httpx.Response:
        try:
            return await self.http.request(method, path, json=body or None)
        except httpx.TransportError as error:
            raise Unanswered(repr(error)) from error

    async def status(self) -> dict[str, Any]:
        told: dict[str, Any] = (await self.call("GET", "/api/status")).json()
        return told

    # What an attendant does

    async def sign_in(self) -> None:
        """With enrolment and its approval where they are still to be had."""
        if not self.stage.is_ours:
            return
        status = await self.status()
        if not status["enrolled"]:
            answer = await self.call("POST", "/api/enrol", code=self.code)
            if answer.status_code != 200:
                raise Unanswered(answer.text)
        await self._be_approved()

        async def online() -> bool:
            return bool((await self.status())["online"])

        async def signed_in() -> bool:
            body = {"attendant": sample.ATTENDANT, "pin": PIN}
            return (await self.call("POST", "/api/sign-in", **body)).status_code == 200

        async def has_spots() -> bool:
            return bool((await self.call("GET", "/api/spots")).json().get("spots"))

        await self.until(online)
        if status["closing"]:
            await self.signed_out()
        if not (await self.status())["signed_in"] or status["sign_in_lapsed"]:
            await self.until(signed_in)
        await self.until(has_spots)

    async def _be_approved(self) -> None:
        device_id = UUID(self.device_id())
        async with officers(self.stage) as transactions, transactions.begin() as db:
            if await devices.state_of(db, device_id) is DeviceState.PENDING:
                checker = await identity.officer_named(db, sample.CHECKER)
                await devices.approve(db, checker, device_id, "uji", now=datetime.now(UTC))

    async def take_cash(self, spot: str) -> httpx.Response:
        return await self._record("cash", spot)

    async def charge(self, spot: str) -> httpx.Response:
        return await self._record("charge", spot)

    async def _record(self, kind: str, spot: str) -> httpx.Response:
        path = "/api/cash-charges" if kind == "cash" else "/api/charges"
        answer = await self.call("POST", path, spot=spot, vehicle_class="motorcycle")
        if answer.status_code == 201:
            self.told[answer.json()["id"]] = kind
        return answer

    async def barcode(self, charge_id: str) -> str:
        """The text of a charge's barcode, once it is there."""
        shown = ""

        async def is_there() -> bool:
            nonlocal shown
            shown = (await self.call("GET", f"/api/charges/{charge_id}")).json()["qris"] or ""
            return bool(shown)

        await self.until(is_there)
        return shown

    async def paid(self, charge_id: str) -> None:
        async def is_paid() -> bool:
            answer = await self.call("GET", f"/api/charges/{charge_id}")
            return bool(answer.json()["state"] == "paid")

        await self.until(is_paid)

    async def synced(self) -> None:
        async def nothing_waits() -> bool:
            return bool((await self.status())["unsynced"] == 0)

        await self.until(nothing_waits, SYNCED_WITHIN_S)

    async def close_shift(self) -> None:
        """Count, and wait until the office has closed the shift and has every record."""

        async def counted() -> bool:
            # A slip that comes out meanwhile is one more record to be sent first.
            answer = await self.call("POST", "/api/close-shift", counted_rp=2_000)
            return answer.status_code == 200

        await self.until(counted, SYNCED_WITHIN_S)
        await self.signed_out()
        await self.synced()

    async def signed_out(self) -> None:
        async def is_signed_out() -> bool:
            return not (await self.status())["signed_in"]

        await self.until(is_signed_out, SYNCED_WITHIN_S)

    # What is on its disk

    def opened(self) -> tuple[str, list[StoredEvent]]:
        """As a start opens it, the process being dead: SQLite's own verdict, and the journal."""
        store = Store(self.folder)
        try:
            return store.check(), store.events()
        finally:
            store.close()

    def device_id(self) -> str:
        with sqlite3.connect(f"file:{self.folder}/handheld.sqlite?mode=ro", uri=True) as db:
            told: str = db.execute("SELECT device_id FROM device").fetchone()[0]
        return told

    def forget_told(self) -> None:
        """This data folder goes; what it told of was synchronised."""
        self.told_before |= self.told
        self.told = {}

    def look_over(self) -> list[StoredEvent]:
        """Tally what is wrong with the disk; the journal that it holds."""
        verdict, events = self.opened()
        if verdict != "ok":
            self.stage.tally.violate("the handheld's file is damaged", verdict)
        broken = verify_chain(map(journal.as_event, events))
        if broken is not None or any(e.hash != event_hash(journal.as_event(e)) for e in events):
            self.stage.tally.violate("the handheld's chain is broken", broken)
        missing = self.told.keys() - recorded(events)
        for charge_id in missing:
            self.stage.tally.violate("acknowledged and not in the journal", charge_id)
        return events


def recorded(events: Sequence[StoredEvent]) -> set[str]:
    """The charges of which a journal says that they were asked for, shown, or taken as cash."""
    kinds = ("charge_requested", "cash_taken", "barcode_shown")
    return {event.body["charge_id"] for event in events if event.kind in kinds}


@asynccontextmanager
async def officers(stage: Stage) -> AsyncIterator[Transactions]:
    engine = create_engine(stage.cluster.url(stage.name))
    try:
        yield create_transactions(engine)
    finally:
        await engine.dispose()


class HandheldStage(Stage):
    """A stage on which attendants work, too; `handsets` are judged with everything else.

    `quarantines`: some of what they record is rightly refused.
    """

    quarantines = False

    @asynccontextmanager
    async def standing(self) -> AsyncIterator["HandheldStage"]:
        self.handsets: list[Handset] = []
        self._numbers = itertools.count(1)
        async with super().standing(), AsyncExitStack() as self._leaving:
            yield self

    async def handset(self, **environment: str) -> Handset:
        """One more handheld with a data folder and a gate of its own, not started yet."""
        number = next(self._numbers)
        gate, port = Gate(self.port), free_port()
        await gate.open()
        self._leaving.push_async_callback(gate.close)
        folder = self.folder / f"handheld-{number}"
        values = {
            "HANDHELD_PORT": str(port),
            "HANDHELD_DATA": str(folder),
            "HANDHELD_SERVER_URL": f"http://127.0.0.1:{gate.port}",
            "HANDHELD_PRINTER_URL": f"file://{self.folder}/paper-{number}",
        }
        program = "tests.faults.handset" if self.is_ours else "tests.faults.naive_handset"
        log = self.folder / "logs" / f"handheld-{number}.log"
        process = forks.Fork((program,), values | environment, log)
        self._leaving.callback(process.kill)
        http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=STEP_S, trust_env=False
        )
        self._leaving.push_async_callback(http.aclose)
        made = Handset(self, folder, gate, process, http)
        if self.is_ours:
            async with officers(self) as transactions, transactions.begin() as db:
                made.code = await sample.enrolment_code(db, now=datetime.now(UTC))
        self.handsets.append(made)
        return made

    def leave(self, undo: Callable[[], object]) -> None:
        """What else has to be undone in the end, before the handhelds are."""
        self._leaving.callback(undo)

    async def settle(self) -> None:
        """Handhelds stop first: one that works orders barcodes for its pool whenever it can."""
        for handset in self.handsets:
            handset.process.kill()
        await super().settle()

    async def judge(self) -> None:
        told = {
            charge_id
            for handset in self.handsets
            for charge_id in (*handset.told, *handset.told_before)
        }
        if self.is_ours:
            stored = await self._judge_journals(told)
        else:
            heard = Counter(row[0] for row in await self.rows("SELECT id FROM events"))
            stored = told & heard.keys()
            self.tally.violations["recorded twice"] += heard.total() - len(heard)
        for charge_id in told - stored:
            self.tally.violate("acknowledged and not at the server", charge_id)
        await super().judge()
        self.tally.acked += len(told)
        self.tally.stored += len(stored)
        for handset in self.handsets:
            self.tally.fired += handset.gate.fired

    async def _judge_journals(self, told: set[str]) -> set[str]:
        """Every event of every journal is at the server as it is here; all charges told of."""
        stored = {str(row[0]) for row in await self.rows("SELECT id FROM charges")}
        refused = await self.rows(
            "SELECT event ->> 'hash', event -> 'body' ->> 'charge_id' FROM quarantined_events"
        )
        stored |= {row[1] for row in refused}
        kept = {row[0] for row in refused} if self.quarantines else set()
        self.asked |= {
            row[0] for row in await self.rows("SELECT id FROM charges WHERE kind <> 'cash'")
        }
        for handset in self.handsets:
            events = handset.look_over()
            if not events:
                continue
            rows = await self.rows(
                "SELECT seq, hash, signature FROM device_events WHERE device_id = $1 ORDER BY seq",
                events[0].device_id,
            )
            here = [(e.seq, e.hash, e.signature) for e in events if e.hash not in kept]
            if [tuple(row) for row in rows[: len(here)]] != here:
                self.tally.violate("the server's chain is not the handheld's", len(events))
            if len(rows) > len(here) and not handset.told_before:
                self.tally.violate("the server has more than the handheld", len(rows) - len(here))
            await self._judge_signatures(events)
        twice = await self.rows(
            "SELECT c.id FROM charges c LEFT JOIN money m ON m.charge_id = c.id"
            " WHERE c.kind = 'cash' GROUP BY c.id HAVING count(m.id) <> 1"
        )
        for row in twice:
            self.tally.violate("cash not booked once", row[0])
        return told & stored

    async def _judge_signatures(self, events: Sequence[StoredEvent]) -> None:
        keys = await self.rows(
            "SELECT public_key FROM device_keys WHERE device_id = $1", events[0].device_id
        )
        for event in events:
            message = canonical(journal.as_event(event))
            if not any(signed_by(row[0], event.signature, message) for row in keys):
                self.tally.violate("an event's signature is not the device's", event.seq)
