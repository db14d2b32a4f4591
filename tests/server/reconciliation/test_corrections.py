"""A settlement file sent again with lines corrected, which two officers let count."""

from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.mdr import MerchantCriteria
from server import verify
from server.database import Transactions, fetch
from server.errors import FileRefused
from server.figures import service as figures
from server.identity.models import Officer
from server.identity.service import RoleNotAllowed
from server.ledger import postings
from server.payments.books import Books
from server.reconciliation import close_lists, corrections, sources
from server.reconciliation.corrections import (
    CorrectedFile,
    CorrectionDecided,
    CorrectionStale,
    CorrectionWaits,
    NothingToCorrect,
)
from server.reconciliation.models import SettlementLine
from server.reconciliation.service import Imported
from server.reconciliation.settlements import SANDBOX
from server.sample import CHECKER, OFFICER
from tests.server.reconciliation.test_imports import EXPECTED, SETTLEMENTS
from tests.server.reconciliation.test_service import DAY, Office, statement

RIGHT = (SETTLEMENTS / "clean.csv").read_text()
HEAD, FIRST, *OTHERS = RIGHT.strip().splitlines()


def with_gross(line: str, gross_rp: int, mdr_rp: int) -> str:
    cells = line.split(",")
    cells[7:10] = [str(gross_rp), str(mdr_rp), str(gross_rp - mdr_rp)]
    return ",".join(cells)


def table(*lines: str) -> bytes:
    return "\n".join([HEAD, *lines, ""]).encode()


GROSS, MDR = (int(cell) for cell in FIRST.split(",")[7:9])
WRONG = table(with_gross(FIRST, GROSS + 1_000, MDR + 7), *OTHERS)


class Desk(Office):
    async def ask(self, content: bytes, login: str = OFFICER) -> UUID:
        file = CorrectedFile("sandbox", "lagi.csv", content, SANDBOX)
        async with self.transactions.begin() as db:
            officer = await self.officer(db, login)
            return await corrections.propose(
                db, officer, file, "surat acquirer", self.books, self.now
            )

    async def decide(
        self, correction: UUID, login: str = CHECKER, *, approve: bool = True
    ) -> Imported | None:
        async with self.transactions.begin() as db:
            officer, why = await self.officer(db, login), "sesuai surat"
            if not approve:
                await corrections.decline(db, officer, correction, why, now=self.now)
                return None
            return await corrections.approve(
                db, officer, correction, self.books, mapping=SANDBOX, why=why, now=self.now
            )

    async def officer(self, db: AsyncSession, login: str) -> UUID:
        return (await db.scalars(select(Officer.id).where(Officer.login == login))).one()

    async def told_of_the_first(self) -> set[str]:
        """What a comparison finds of the payment that was told wrongly."""
        report = await self.reconcile()
        name = FIRST.split(",")[4]
        return {d.kind for d in report.differences if name in d.subject}

    async def sound(self) -> None:
        async with self.transactions.begin() as db:
            assert not any((await verify.broken(db)).values())


@pytest.fixture
async def desk(transactions: Transactions, books: Books, now: datetime) -> Desk:
    """All payments are booked, and the acquirer told of the first of them wrongly."""
    desk = Desk(transactions, replace(books, merchant_criteria=MerchantCriteria.UKE), now)
    await desk.book(EXPECTED["booked"])
    await desk.settle(WRONG)
    return desk


async def test_a_corrected_file_counts_once_two_officers_agree(desk: Desk) -> None:
    before, booked = await desk.reconcile(), await desk.balances()
    assert await desk.told_of_the_first() == {"amount-differs"}
    with pytest.raises(FileRefused, match="berbeda"):
        await desk.settle(RIGHT.encode())
    correction = await desk.ask(RIGHT.encode())
    assert await desk.balances() == booked, "nothing is posted yet"
    with pytest.raises(CorrectionWaits):
        await desk.ask(RIGHT.encode())

    imported = await desk.decide(correction)

    assert (imported.lines, imported.total_rp) == (1, -1_000 + 7)
    assert await desk.told_of_the_first() == set()
    after = await desk.reconcile()
    assert after.gross_rp == before.gross_rp - 1_000
    async with desk.transactions.begin() as db:
        batches = (await close_lists.lists(db, DAY))["batches"]
    assert sum(batch["count"] for batch in batches) == 1 + len(OTHERS), "each line once"
    assert sum(batch["gross_rp"] for batch in batches) == after.gross_rp
    assert ("amount-differs", "ACQ-1/100000000001") not in await desk.open()
    assert (await desk.balances())[postings.IN_TRANSIT] == after.net_rp
    assert (await desk.settle(RIGHT.encode())).lines == 0, "it is known now"
    await desk.sound()
    async with desk.transactions.begin() as db:
        fees = await figures.fees(db, date(2026, 11, 1), date(2026, 12, 31), desk.books.timezone)
    assert sum(row.count * row.gross_rp for row in fees) == after.gross_rp
    assert sum(row.mdr_rp for row in fees) == after.mdr_rp


async def test_what_was_corrected_can_be_corrected_again(desk: Desk) -> None:
    await desk.decide(await desk.ask(RIGHT.encode()))
    other = table(with_gross(FIRST, GROSS, MDR + 1), *OTHERS)
    await desk.decide(await desk.ask(other))
    assert await desk.told_of_the_first() == {"mdr-differs"}
    await desk.decide(await desk.ask(table(FIRST, *OTHERS) + b"\n"))
    assert await desk.told_of_the_first() == set()
    await desk.sound()


async def test_a_correction_is_of_two_officers_and_decided_once(desk: Desk) -> None:
    correction = await desk.ask(RIGHT.encode())
    with pytest.raises(RoleNotAllowed):
        await desk.decide(correction, login=OFFICER)
    with pytest.raises(RoleNotAllowed):
        async with desk.transactions.begin() as db:
            await corrections.withdraw(
                db, await desk.officer(db, CHECKER), correction, "", now=desk.now
            )
    await desk.decide(correction, approve=False)
    with pytest.raises(CorrectionDecided):
        await desk.decide(correction)
    with pytest.raises(FileRefused):
        await desk.settle(RIGHT.encode())
    with pytest.raises(NothingToCorrect):
        await desk.ask(WRONG + b"\n")


async def test_a_correction_counts_only_for_the_lines_it_was_asked_for(desk: Desk) -> None:
    first, second = await desk.ask(RIGHT.encode()), await desk.ask(RIGHT.encode() + b"\n")
    await desk.decide(first)
    with pytest.raises(CorrectionStale):
        await desk.decide(second)


async def test_money_in_a_case_is_not_corrected_by_a_file(desk: Desk) -> None:
    strange = FIRST.replace(FIRST.split(",")[4], "ASING-9").replace(FIRST.split(",")[3], "asing-9")
    await desk.settle(table(strange))
    cells = strange.split(",")
    with pytest.raises(FileRefused, match="kasus"):
        await desk.ask(table(with_gross(strange, int(cells[7]) + 5, int(cells[8]))))


async def test_a_batch_that_its_lines_left_is_still_held_against_the_bank(desk: Desk) -> None:
    """The bank has paid what the acquirer now says was another batch."""
    batch = FIRST.split(",")[0]
    named = sum(int(line.split(",")[9]) for line in (FIRST, *OTHERS) if line.startswith(batch))
    await desk.decide(await desk.ask(RIGHT.encode()))
    await desk.bank(statement(DAY, (named, f"PENCAIRAN {batch}")))
    assert batch not in {d.subject for d in (await desk.reconcile()).differences}

    await desk.decide(await desk.ask(RIGHT.replace(batch, f"{batch}-BARU").encode()))

    told = {d.subject: (d.kind, d.difference_rp) for d in (await desk.reconcile()).differences}
    assert told[batch] == ("payout-differs", named)
    assert told[f"{batch}-BARU"] == ("payout-missing", -named)
    await desk.sound()


async def test_a_corrected_batch_is_told_by_its_zones_and_no_refund(desk: Desk) -> None:
    await desk.decide(await desk.ask(RIGHT.encode()))
    async with desk.transactions.begin() as db:
        told = await fetch(
            db, sources.batches(desk.books.business_days), [FIRST.split(",")[0]], DAY
        )
    parts = {row["source"]: int(row["rp"]) for row in told}
    assert "refunds" not in parts
    lines = [line.split(",") for line in (FIRST, *OTHERS) if line.startswith(FIRST[:17])]
    assert parts["fees"] == -sum(int(cells[8]) for cells in lines)
    assert sum(parts.values()) == sum(int(cells[9]) for cells in lines)
    assert max(parts.values()) == sum(int(cells[7]) for cells in lines)


async def test_the_same_file_once_more_is_no_correction(desk: Desk) -> None:
    """One that was corrected itself since: its bytes are known, and it changes nothing."""
    await desk.decide(await desk.ask(RIGHT.encode()))
    await desk.decide(await desk.ask(table(with_gross(FIRST, GROSS, MDR + 1), *OTHERS)))
    with pytest.raises(NothingToCorrect):
        await desk.ask(RIGHT.encode())


async def test_a_line_told_once_is_sealed_as_before_there_were_corrections(desk: Desk) -> None:
    async with desk.transactions.begin() as db:
        lines = (await db.scalars(select(SettlementLine))).all()
    assert {(line.version, line.takes_back_id) for line in lines} == {(None, None)}
