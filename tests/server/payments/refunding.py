"""An office that gives money back: two officers, and an acquirer whose answers can be lost."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

import asyncpg

from domain.payment import CaseOutcome, ChargeKind, RefundMethod, RefundReason
from server import sample
from server.database import new_id, plain_url
from server.payments import proposals, pursuit, refunds
from server.payments.acquirer import (
    Acquirer,
    Acquirers,
    AcquirerUnknown,
    InquiryAnswer,
    RefundAnswer,
    ToldRefund,
)
from server.payments.refunds import RefundLimits, RefundRequest
from tests.server.conftest import Sandbox
from tests.server.payments.conftest import CAR_RP, FLAT, Office

LIMITS = RefundLimits(amount_rp=500_000, days=90)
PDF = b"%PDF-1.7 bukti transfer"


@dataclass
class Line:
    """The sandbox at the end of a line that loses answers, and may tell what it has refunded."""

    real: Acquirer
    sandbox: Sandbox
    loses: bool = False
    mute: bool = False
    refuses: Exception | None = None
    tells: bool = True
    invents: tuple[ToldRefund, ...] = ()
    asked: list[str] = field(default_factory=list)
    made: asyncio.Event = field(default_factory=asyncio.Event)
    held: asyncio.Event | None = None

    @property
    def profile(self) -> Any:
        return self.real.profile

    async def refund(self, *told: Any) -> RefundAnswer:
        self.asked.append(told[1])
        if self.refuses is not None:
            raise self.refuses
        if self.mute:  # the call never reached it
            raise AcquirerUnknown("ConnectError")
        answer = await self.real.refund(*told)
        self.made.set()
        if self.held is not None:
            await self.held.wait()
        if self.loses:
            raise AcquirerUnknown("no answer in time")
        return answer

    async def inquire(self, reference: str, kind: ChargeKind = ChargeKind.MPM) -> InquiryAnswer:
        answer = await self.real.inquire(reference, kind)
        if not self.tells:
            return InquiryAnswer(answer.status, answer.answer)
        made = (await self.sandbox.truth())["refunds"]
        told = tuple(
            ToldRefund(refund["partner_refund_no"], refund["amount_rp"], None) for refund in made
        )
        told += self.invents
        return InquiryAnswer(answer.status, answer.answer, refunds=told)


@dataclass
class Desk:
    """What the treasurer and the checker do, each step in a transaction of its own."""

    office: Office
    sandbox: Sandbox
    line: Line
    owner_url: str
    maker: UUID
    checker: UUID

    @classmethod
    async def at(cls, office: Office, sandbox: Sandbox, owner_url: str) -> Self:
        ids = {row["login"]: row["id"] for row in await office.rows("SELECT * FROM officers")}
        line = Line(office.wired.acquirers.first, sandbox)
        return cls(office, sandbox, line, owner_url, ids[sample.OFFICER], ids[sample.CHECKER])

    async def as_owner(self, statement: str) -> None:
        """What the office cannot do itself: another hand in the database."""
        connection = await asyncpg.connect(plain_url(self.owner_url))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def late(self) -> dict[str, Any]:
        """Money for a charge that had expired."""
        charge_id = await self.office.request()
        after = datetime.now(UTC) + timedelta(minutes=17)
        await self.office.inquire(charge_id, now=after)
        await self.office.tell(charge_id, rrn=charge_id.hex[-12:], now=after)
        (money,) = await self.money(charge_id)
        return money

    async def paid(self, spot: str = FLAT) -> UUID:
        """A charge paid in the sandbox's wallet and found by an inquiry."""
        charge_id = await self.office.request(spot)
        charge = await self.office.charge(charge_id)
        await self.sandbox.pay(charge["qris"])
        await self.office.inquire(charge_id)
        return charge_id

    async def money(self, charge_id: UUID) -> list[dict[str, Any]]:
        return await self.office.rows(
            "SELECT * FROM money WHERE charge_id = :id ORDER BY paid_at, id", id=charge_id
        )

    async def ask(
        self,
        money_id: UUID,
        amount_rp: int,
        *,
        method: RefundMethod = RefundMethod.ACQUIRER,
        refund_id: UUID | None = None,
        by: UUID | None = None,
        limits: RefundLimits = LIMITS,
        now: datetime | None = None,
    ) -> UUID:
        wired = self.office.wired
        wanted = RefundRequest(
            refund_id or new_id(), money_id, amount_rp, RefundReason.OTHER, "uji", method
        )
        async with self.office.transactions.begin() as db:
            refund = await refunds.request(
                db,
                by or self.maker,
                wanted,
                Acquirers(self.line),  # type: ignore[arg-type]
                limits,
                wired.books,
                now=now or datetime.now(UTC),
            )
            return refund.id

    async def approve(
        self, refund_id: UUID, *, by: UUID | None = None, now: datetime | None = None
    ) -> None:
        wired = self.office.wired
        await refunds.approve(
            self.office.transactions,
            Acquirers(self.line),  # type: ignore[arg-type]
            wired.announcer,
            wired.books,
            by or self.checker,
            refund_id,
            now=now or datetime.now(UTC),
        )

    async def reject(self, refund_id: UUID) -> None:
        async with self.office.transactions.begin() as db:
            await refunds.reject(db, self.checker, refund_id, "tidak", now=datetime.now(UTC))

    async def pursue(self, refund_id: UUID, after: timedelta) -> None:
        wired = self.office.wired
        row = await self.refund(refund_id)
        await pursuit.pursue(
            self.office.transactions,
            Acquirers(self.line),  # type: ignore[arg-type]
            wired.announcer,
            wired.books,
            refund_id,
            row["decided_at"] + after,
        )

    async def in_doubt(self, money_id: UUID, *, told_rp: int | None = None) -> UUID:
        """A refund of Rp4.000 that never reached the acquirer, or that it tells another amount of;
        a day after its approval."""
        self.line.mute = True
        refund_id = await self.ask(money_id, CAR_RP)
        await self.approve(refund_id)
        self.line.mute = False
        if told_rp is not None:
            self.line.invents = (ToldRefund(refund_id.hex, told_rp, None),)
        await self.pursue(refund_id, timedelta(days=1))
        return refund_id

    async def make_after_all(self, refund_id: UUID) -> None:
        """The acquirer makes a refund it seemed not to know."""
        row = await self.refund(refund_id)
        charge = await self.office.charge(row["charge_id"])
        await self.line.real.refund(
            charge["reference"], row["reference"], row["amount_rp"], row["reason"]
        )

    async def withdraw(self, refund_id: UUID, *, by: UUID | None = None) -> None:
        wired = self.office.wired
        async with self.office.transactions.begin() as db:
            await refunds.withdraw_transfer(
                db, by or self.checker, refund_id, "uji", wired.books, now=datetime.now(UTC)
            )

    async def transfer(self, refund_id: UUID, *, proof: bytes = PDF, days: int = 0) -> None:
        wired, now = self.office.wired, datetime.now(UTC)
        async with self.office.transactions.begin() as db:
            await refunds.record_transfer(
                db,
                self.maker,
                refund_id,
                reference="TRF-1",
                on=wired.books.day(now) + timedelta(days=days),
                proof=proof,
                books=wired.books,
                now=now,
            )

    async def refund(self, refund_id: UUID) -> dict[str, Any]:
        rows = await self.office.rows("SELECT * FROM refunds WHERE id = :id", id=refund_id)
        return rows[0]

    async def state(self, refund_id: UUID) -> str:
        return str((await self.refund(refund_id))["state"])

    async def story(self, refund_id: UUID) -> list[str]:
        rows = await self.office.rows(
            "SELECT state_after || ' by ' || who AS step FROM refund_changes"
            " WHERE refund_id = :id ORDER BY id",
            id=refund_id,
        )
        return [row["step"] for row in rows]

    async def case(self, kind: str) -> dict[str, Any]:
        (row,) = await self.office.rows("SELECT * FROM cases WHERE kind = :kind", kind=kind)
        return row

    async def propose(
        self, case_id: UUID, outcome: CaseOutcome, zone: str | None = None, by: UUID | None = None
    ) -> None:
        async with self.office.transactions.begin() as db:
            await proposals.propose(
                db, by or self.maker, case_id, outcome, zone, "uji", now=datetime.now(UTC)
            )

    async def decide(self, case_id: UUID, *, accept: bool = True, by: UUID | None = None) -> None:
        books = self.office.wired.books
        async with self.office.transactions.begin() as db:
            await proposals.decide(
                db,
                by or self.checker,
                case_id,
                books,
                accept=accept,
                why="",
                now=datetime.now(UTC),
            )

    async def balances(self) -> dict[str, int]:
        rows = await self.office.rows(
            "SELECT account_code AS code, sum(amount_rp) AS rp FROM ledger_postings"
            " GROUP BY account_code HAVING sum(amount_rp) <> 0"
        )
        return {row["code"]: int(row["rp"]) for row in rows}


async def outcomes(*attempts: Awaitable[Any]) -> list[str]:
    """How each of several attempts at once ended: `done`, or the slug of its refusal."""
    ended = await asyncio.gather(*attempts, return_exceptions=True)
    return sorted("done" if not isinstance(e, BaseException) else _slug(e) for e in ended)


def _slug(error: BaseException) -> str:
    return str(getattr(error, "slug", None) or repr(error))
