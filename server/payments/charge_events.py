"""Event streams of charges: whoever watches one hears it at once, and then each of its changes.

A driver's page and a handheld each keep a stream open for minutes, so that one process has many
thousands of them. A stream therefore is a connection and one small object: what looks, tells and
sees to it that no stream is quiet for long is shared by all.
"""

import asyncio
from collections.abc import Sequence
from itertools import takewhile
from uuid import UUID

import structlog
from fastapi.sse import format_sse_event
from starlette.types import Receive, Scope, Send

from domain.payment import ChargeState
from server.announcements import Announcer
from server.database import Transactions, quick
from server.group_commit import GroupCommit
from server.payments import queries, refund_queries, schemas
from server.payments.books import Books
from server.payments.queries import ChargeView
from server.payments.refund_queries import Returned
from server.payments.service import ChargeNotFound

log = structlog.get_logger()

LOOK_AGAIN_S = 10.0
"""How long an event stream trusts the announcements before it looks for itself.

It says something each time, so that a listener can tell a quiet stream from a dead one.
"""
TURNS = 500
"""In so many parts the quiet streams are looked at, so that no payment waits for all of them."""
WAITING = {ChargeState.NEW, ChargeState.ISSUING, ChargeState.ISSUE_UNKNOWN, ChargeState.ISSUED}
UNCHANGED = format_sse_event(comment="unchanged")
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]

Seen = tuple[ChargeView, list[Returned]]


class Listeners:
    """All who listen to charges in this process."""

    def __init__(self, transactions: Transactions, announcer: Announcer, books: Books) -> None:
        self._transactions = transactions
        self._announcer = announcer
        self._books = books
        self._told_at: dict[Stream, float] = {}
        """When each was told something last; whose turn it is to be looked at stands first."""
        self._looks = GroupCommit[UUID, Seen | None](self._look_at)

    async def listen(self, charge_id: UUID) -> "Stream":
        """A stream of a charge's events; raises ChargeNotFound."""
        stream = Stream(self, charge_id)
        self._announcer.watch(charge_id, stream.wake)  # first, or a change in between is missed
        try:
            stream.first = await self.look(charge_id)
        except BaseException:
            self.forget(stream)
            raise
        return stream

    async def look(self, charge_id: UUID) -> Seen:
        """A charge as it stands now, read together with those that others look at."""
        seen = await self._looks.do(charge_id)
        if seen is None:
            raise ChargeNotFound
        return seen

    async def _look_at(self, charge_ids: Sequence[UUID]) -> list[Seen | None]:
        async with quick(self._transactions) as db:
            views = await queries.charge_views(db, set(charge_ids))
            seen = {view.id: (view, await refund_queries.of_view(db, view)) for view in views}
        return [seen.get(charge_id) for charge_id in charge_ids]

    def event(self, seen: Seen) -> bytes:
        view, refunds = seen
        told = schemas.Charge.of(view, self._books, refunds)
        return format_sse_event(event="charge", data_str=told.model_dump_json())

    def told(self, stream: "Stream") -> None:
        self._told_at.pop(stream, None)
        self._told_at[stream] = asyncio.get_running_loop().time()

    def forget(self, stream: "Stream") -> None:
        self._told_at.pop(stream, None)
        self._announcer.unwatch(stream.charge_id, stream.wake)

    async def run(self) -> None:
        """Have each stream look again when it has been quiet for long, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_AGAIN_S / TURNS)
            for stream in self._quiet_since(loop.time() - LOOK_AGAIN_S):
                self.told(stream)  # it is about to be
                stream.wake()

    def _quiet_since(self, moment: float) -> list["Stream"]:
        quiet = takewhile(lambda each: each[1] <= moment, self._told_at.items())
        return [stream for stream, _ in quiet]


class Stream:
    """One listener's answer. It ends with the charge, the connection, or the database.

    Its own task waits for the end of the connection and nothing else. What there is to say is said
    by a task that lives no longer than that takes, so that a slow reader keeps nobody waiting.
    """

    __slots__ = ("_again", "_listeners", "_send", "_shown", "_telling", "charge_id", "first")

    def __init__(self, listeners: Listeners, charge_id: UUID) -> None:
        self._listeners = listeners
        self.charge_id = charge_id
        self.first: Seen | None = None
        self._shown = 0
        self._again = False
        # The first event is told by the task that makes the stream.
        self._telling: asyncio.Task[None] | None = asyncio.current_task()

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        self._send = send
        try:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await self._tell()
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self._listeners.forget(self)

    def wake(self) -> None:
        """The charge may have changed, or nothing was said for long."""
        self._again = True
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        over = False
        try:
            while not over and (self.first or self._again):
                if self.first is None:
                    self._again = False
                    self.first = await self._listeners.look(self.charge_id)
                seen, self.first = self.first, None
                over = await self._say(seen)
        except Exception as exc:  # whatever it is, who listens asks anew
            log.warning("charge_events_interrupted", error=type(exc).__name__)
            over = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if over:
                self._listeners.forget(self)
            else:
                self._telling = None

    async def _say(self, seen: Seen) -> bool:
        """Tells what changed, or that nothing did; whether nothing more can happen."""
        view, _ = seen
        shown, self._shown = self._shown, hash(str(view))
        body = UNCHANGED if shown == self._shown else self._listeners.event(seen)
        over = view.state not in WAITING
        self._listeners.told(self)
        await self._send({"type": "http.response.body", "body": body, "more_body": not over})
        return over
