"""What officers do, also as a process of its own that can be killed: `python -m … refund CHARGE`.

They call the functions behind the office's pages, on the settings in the environment.
"""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid5

from sqlalchemy import text

from domain.payment import CaseOutcome, RefundMethod, RefundReason
from server import sample
from server.app import create_app
from server.errors import Problem
from server.payments import cancelling, proposals, pursuit, refunds
from server.payments.refunds import RefundLimits, RefundRequest
from server.reconciliation import service as reconciliation
from server.settings import Settings
from server.webhooks import service as webhooks
from server.webhooks.sealing import Seal
from tests.server.booking import all_due


class Desk:
    """The treasurer asks and the checker decides; what is refused is told by its slug."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.app = create_app(settings)
        self.wired = self.app.state.payments
        self.transactions = self.app.state.transactions

    async def close(self) -> None:
        await self.wired.acquirers.close()
        await self.app.state.engine.dispose()

    async def _id_of(self, login: str) -> UUID:
        async with self.transactions.begin() as db:
            found = await db.scalar(
                text("SELECT id FROM officers WHERE login = :login"), {"login": login}
            )
        return UUID(str(found))

    async def refund(self, charge_id: UUID, amount_rp: int | None = None, turn: int = 0) -> str:
        """Ask for a refund of a charge's first money, the whole or a part, and approve it."""
        try:
            refund_id = await self.ask(charge_id, amount_rp, turn)
            await self.approve(refund_id)
        except Problem as problem:
            return problem.slug
        return "approved"

    async def ask(self, charge_id: UUID, amount_rp: int | None = None, turn: int = 0) -> UUID:
        maker = await self._id_of(sample.OFFICER)
        async with self.transactions.begin() as db:
            rows = await db.execute(
                text("SELECT id, amount_rp FROM money WHERE charge_id = :id AND flag = 'exact'"),
                {"id": charge_id},
            )
            money_id, paid_rp = rows.one()
            wanted = RefundRequest(
                uuid5(charge_id, f"{turn}"),
                money_id,
                amount_rp or paid_rp,
                RefundReason.OTHER,
                "diminta pengemudi",
                RefundMethod.ACQUIRER,
            )
            asked = await refunds.request(
                db,
                maker,
                wanted,
                self.wired.acquirers,
                RefundLimits(self.settings.refund_limit_rp, self.settings.refund_days),
                self.wired.books,
                now=datetime.now(UTC),
            )
            return asked.id

    async def approve(self, refund_id: UUID, login: str = sample.CHECKER) -> None:
        wired = self.wired
        checker = await self._id_of(login)
        await refunds.approve(
            self.transactions,
            wired.acquirers,
            wired.announcer,
            wired.books,
            checker,
            refund_id,
            now=datetime.now(UTC),
        )

    async def compare_when_due(self, day: date) -> None:
        """Reconcile a day as seen when nothing of it is awaited any more."""
        async with self.transactions.begin() as db:
            await reconciliation.reconcile(db, day, self.wired.books, now=all_due(day))

    async def end_doubts(self, later: timedelta) -> None:
        """After so much time, what nobody tells of was not made, as two officers then say."""
        now = datetime.now(UTC) + later
        for refund_id in await self._ids("SELECT id FROM refunds WHERE state = 'unknown'"):
            wired = self.wired
            await pursuit.pursue(
                self.transactions,
                wired.acquirers,
                wired.announcer,
                wired.books,
                refund_id,
                now,
            )
        maker, checker = await self._id_of(sample.OFFICER), await self._id_of(sample.CHECKER)
        for case_id in await self._ids("SELECT id FROM cases WHERE kind = 'refund-unknown'"):
            async with self.transactions.begin() as db:
                outcome, why = CaseOutcome.NOT_MADE, "acquirer menjawab tidak ada"
                await proposals.propose(db, maker, case_id, outcome, None, why, now=now)
            async with self.transactions.begin() as db:
                await proposals.decide(
                    db, checker, case_id, self.wired.books, accept=True, why="", now=now
                )

    async def _ids(self, sql: str) -> Sequence[UUID]:
        async with self.transactions.begin() as db:
            return (await db.scalars(text(sql))).all()

    async def cancel(self, charge_id: UUID) -> str:
        wired = self.wired
        treasurer = await self._id_of(sample.OFFICER)
        try:
            await cancelling.cancel(
                self.transactions,
                wired.acquirers,
                wired.announcer,
                wired.books,
                charge_id,
                treasurer,
                "salah spot",
                now=datetime.now(UTC),
            )
        except Problem as problem:
            return problem.slug
        return "cancelled"

    async def subscribe(self, url: str) -> None:
        """Have every fact sent to an address."""
        assert self.settings.webhook_key is not None
        async with self.transactions.begin() as db:
            await webhooks.subscribe(
                db,
                Seal(self.settings.webhook_key),
                subscription_id=uuid5(UUID(int=0), url),
                url=url,
                types=["charge.paid", "charge.refunded", "charge.expired"],
                created_by=sample.OFFICER,
                now=datetime.now(UTC),
            )


async def main(command: str, subject: str) -> None:
    desk = Desk(Settings())
    if command == "subscribe":
        await desk.subscribe(subject)
    elif command == "refund":
        await desk.refund(UUID(subject))
    else:
        await desk.cancel(UUID(subject))
    await desk.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
