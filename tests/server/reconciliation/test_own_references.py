"""Files without the acquirer's reference: their lines go by ours, or by RRN, amount and day."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from domain.business_days import BusinessDays
from domain.mdr import MerchantCriteria
from domain.payment import CaseOutcome
from server import verify
from server.database import Transactions, fetch
from server.errors import FileRefused
from server.identity.models import Officer
from server.ledger import postings
from server.office import queries
from server.payments import proposals
from server.payments.books import Books
from server.payments.models import Case, Charge
from server.reconciliation import close_lists, corrections, mappings, previews, service, sources
from server.reconciliation.corrections import CorrectedFile
from server.reconciliation.mappings import SettlementMapping
from server.reconciliation.models import Discrepancy, SettlementLine
from server.reconciliation.names import business_day
from server.reconciliation.settlements import SANDBOX
from server.sample import CHECKER, OFFICER
from tests.server.booking import all_due, book
from tests.server.reconciliation.test_imports import EXPECTED, SETTLEMENTS
from tests.server.reconciliation.test_service import DAY, Office
from tests.server.reconciliation.test_volume import WITHOUT

RIGHT = (SETTLEMENTS / "two-batches.csv").read_text()
JAKARTA = ZoneInfo("Asia/Jakarta")
BY_OURS = mappings.mapping(SettlementMapping, "by-our-reference")
WRONG = RIGHT.replace("BCH-20261121-0001", "BCH-20261121-0009", 1)


class Desk(Office):
    async def take_in(self, content: bytes, how: SettlementMapping) -> service.Imported:
        async with self.transactions.begin() as db:
            return await service.import_settlement(
                db, "sandbox", "s.csv", content, self.books, now=self.now, mapping=how
            )

    async def officers(self) -> list[Any]:
        async with self.transactions.begin() as db:
            rows = await db.execute(select(Officer.login, Officer.id))
            ids = {row.login: row.id for row in rows}
            return [ids[OFFICER], ids[CHECKER]]

    async def found(self) -> set[str]:
        report = await self.reconcile()
        return {f"{d.kind} {d.subject}" for d in report.differences if "payout" not in d.kind}

    async def sound(self) -> None:
        async with self.transactions.begin() as db:
            assert not any((await verify.broken(db)).values())


@pytest.fixture
async def desk(transactions: Transactions, books: Books, now: datetime) -> Desk:
    desk = Desk(transactions, replace(books, merchant_criteria=MerchantCriteria.UKE), now)
    await desk.book(EXPECTED["booked"])
    return desk


@pytest.mark.parametrize("shape", WITHOUT)
async def test_such_a_line_is_told_once_corrected_and_earned_by_its_zone(
    desk: Desk, shape: str
) -> None:
    how = WITHOUT[shape]
    await desk.take_in(WRONG.encode(), how)
    assert (await desk.take_in(WRONG.encode() + b"\n", how)).lines == 0
    with pytest.raises(FileRefused, match="settled otherwise"):
        await desk.take_in(RIGHT.encode(), how)
    maker, checker = await desk.officers()
    file = CorrectedFile("sandbox", "lagi.csv", RIGHT.encode(), how)
    async with desk.transactions.begin() as db:
        made = await corrections.propose(db, maker, file, "surat", desk.books, desk.now)
    async with desk.transactions.begin() as db:
        await corrections.approve(
            db, checker, made, desk.books, mapping=how, why="sesuai", now=desk.now
        )

    assert await desk.found() == set()
    async with desk.transactions.begin() as db:
        told = await fetch(
            db, sources.batches(desk.books.business_days), ["BCH-20261121-0001"], date(2026, 11, 1)
        )
        assert {(row["source"], int(row["rp"])) for row in told} == {
            ("4110.PSR", 8000),
            ("fees", -56),
        }
        charge = (await db.scalars(select(Charge).where(Charge.reference == "kami-2"))).one()
        (match,) = await service.matches_of(db, charge, desk.books)
        assert match.settled.gross_rp == 4000
    await desk.sound()


async def test_what_is_held_is_released_by_our_reference(desk: Desk) -> None:
    told = mappings.ready(SettlementMapping)["nicepay-like"]
    del told["columns"]["acquirer_reference"]
    how = mappings.parsed(SettlementMapping, told)
    for name, held in (("nicepay-held.csv", 2), ("nicepay-released.csv", 0)):
        await desk.take_in((SETTLEMENTS / name).read_bytes(), how)
        async with desk.transactions.begin() as db:
            assert len(await service.held_lines(db, desk.books)) == held
            open_of_day = await close_lists.exceptions(db, DAY, desk.books)
        assert [one["count"] for one in open_of_day if one["kind"] == "held"] == [held][
            : bool(held)
        ]
    assert await desk.found() == set()


async def test_what_fits_twice_is_decided_by_two_officers_and_the_other_is_then_the_payment(
    desk: Desk,
) -> None:
    how = mappings.mapping(SettlementMapping, "by-rrn")
    await desk.take_in((SETTLEMENTS / "rrn-fits-twice.csv").read_bytes(), how)
    later = "several-fit -/100000000001/2026-11-21T01:01:30.000000Z"
    assert later in await desk.found()
    maker, checker = await desk.officers()
    async with desk.transactions.begin() as db:
        row = await db.scalar(select(Discrepancy).where(Discrepancy.subject == later.split()[1]))
        assert row is not None
        case_id = await queries.case_of_difference(db, row)
        case = await db.get_one(Case, case_id)
        line = await db.get_one(SettlementLine, case.settlement_line_id)
        assert f"{line.paid_at:%M:%S}" == "01:30"
        outcome = CaseOutcome.RECOGNISED
        await proposals.propose(db, maker, case.id, outcome, "PSR", "uji", now=desk.now)
        await proposals.decide(db, checker, case.id, desk.books, accept=True, why="", now=desk.now)

    assert await desk.found() == set()
    async with desk.transactions.begin() as db:
        assert not (await db.scalars(select(Case).where(Case.state == "open"))).all()
    await desk.sound()


async def test_a_payment_told_by_another_mapping_is_no_second_payment(desk: Desk) -> None:
    theirs, ours = SANDBOX, WITHOUT["our reference"]
    for first, second in (
        (theirs, ours),
        (theirs, WITHOUT["RRN"]),
        (ours, theirs),
        (WITHOUT["RRN"], theirs),
        (WITHOUT["our reference and RRN"], WITHOUT["RRN"]),
        (ours, WITHOUT["our reference and RRN"]),
    ):
        async with desk.transactions.begin() as db:
            back = await db.begin_nested()
            await _take_in(db, desk, RIGHT, first)
            with pytest.raises(FileRefused, match=r"line 2: .*by another mapping"):
                await _take_in(db, desk, RIGHT + "\n", second)
            await back.rollback()

    await desk.take_in(RIGHT.encode(), ours)
    # Of one payment more, the first file tells nothing.
    more = RIGHT.splitlines()[1].replace("kami-1", "kami-7").replace("ACQ-1", "ACQ-7")
    alone = "\n".join([RIGHT.splitlines()[0], more.replace("100000000001", "100000000007"), ""])
    assert (await desk.take_in(alone.encode(), theirs)).lines == 1
    assert await desk.found() == {"not-booked ACQ-7/100000000007"}
    await desk.sound()


async def _take_in(db: Any, desk: Desk, told: str, how: SettlementMapping) -> None:
    await service.import_settlement(
        db, "sandbox", "s.csv", told.encode(), desk.books, now=desk.now, mapping=how
    )


async def test_a_line_by_its_rrn_is_of_its_own_day_only(desk: Desk) -> None:
    """Its RRN fits a payment of the day before too, which is the other one's money or nobody's."""
    late = {**EXPECTED["booked"][0], "reference": "kami-8", "acquirer_reference": "ACQ-8"}
    late["paid_at"] = "2026-11-20T08:00:00+07:00"
    await desk.book([late])
    await desk.take_in(RIGHT.encode(), WITHOUT["RRN"])
    assert await desk.found() == set()
    async with desk.transactions.begin() as db:
        before = await service.reconcile(db, DAY - timedelta(days=1), desk.books, now=desk.now)
        by_charge = {
            charge.reference: len(await service.matches_of(db, charge, desk.books))
            for charge in await db.scalars(select(Charge))
        }
    assert [(d.kind.value, d.subject) for d in before.differences] == [
        ("file-missing", "sandbox/2026-11-20")
    ]
    assert (by_charge["kami-1"], by_charge["kami-8"]) == (1, 0)


@pytest.mark.parametrize("mapping", ["our-reference", "rrn"])
async def test_a_payment_told_twice_is_earned_once_and_held_until_two_officers_decide(
    desk: Desk, mapping: str
) -> None:
    name = {"our-reference": "our-reference-paid-twice", "rrn": "rrn-fits-twice"}[mapping]
    content = (SETTLEMENTS / f"{name}.csv").read_bytes()
    if mapping == "rrn":
        lines = [line for line in content.decode().splitlines() if "000001;" not in line]
        first, again = [line for line in content.decode().splitlines() if "000001;" in line]
        await desk.take_in("\n".join([*lines, first, ""]).encode(), desk_mapping(mapping))
        content = "\n".join([*lines[:1], again, ""]).encode()
    await desk.take_in(content, desk_mapping(mapping))
    assert await earned(desk) == {"4110.PSR": 22_000, "2190": 2000, "fees": -168}
    await desk.recognise()
    assert await earned(desk) == {"4110.PSR": 24_000, "fees": -168}


async def test_what_an_rrn_of_the_day_before_earned_is_not_asked_for_by_an_sts(desk: Desk) -> None:
    late = {**EXPECTED["booked"][0], "reference": "kami-8", "acquirer_reference": "ACQ-8"}
    late["paid_at"] = "2026-11-20T23:59:00+07:00"
    await desk.book([late])
    await desk.take_in((SETTLEMENTS / "rrn.csv").read_bytes(), desk_mapping("rrn"))
    assert await earned(desk) == {"4110.PSR": 22_000, "fees": -154}


def desk_mapping(name: str) -> SettlementMapping:
    return mappings.mapping(SettlementMapping, f"by-{name}")


async def earned(desk: Desk) -> dict[str, int]:
    """What an STS would say of the batches once the bank has paid them out."""
    async with desk.transactions.begin() as db:
        names = set(await db.scalars(select(SettlementLine.batch_id)))
        told = await fetch(db, sources.batches(desk.books.business_days), names, date(2026, 11, 1))
        sums: dict[str, int] = {}
        for row in told:
            sums[row["source"]] = sums.get(row["source"], 0) + int(row["rp"])
        return sums


def told_by(mapping: str, *lines: tuple[str, str, int]) -> bytes:
    """A file of one day: when, by which name, how much."""
    name = {"our-reference": "No Referensi Merchant", "rrn": "RRN"}[mapping]
    rows = [f"Tanggal Settlement;Waktu Transaksi;{name};Nominal;MDR;Nett"]
    rows += [
        f"21/11/2026;21/11/2026 {at};{of};{rp};{rp * 7 // 1000};{rp - rp * 7 // 1000}"
        for at, of, rp in lines
    ]
    return "\n".join([*rows, ""]).encode()


RRN, AGAIN = "100000000009", ("08:00:00", "15:00:00")


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("late", [True, False])
async def test_as_many_lines_as_payments_that_are_alike_settle_them_all(
    desk: Desk, at_once: bool, late: bool
) -> None:
    """Two payments of one RRN, amount and day; one of them may be known only after its line."""
    same = {"amount_rp": 3000, "rrn": RRN}
    payments = [
        {"reference": f"kembar-{n}", "acquirer_reference": f"KMB-{n}", **same}
        | {"paid_at": f"2026-11-21T{at}+07:00"}
        for n, at in enumerate(AGAIN)
    ]
    lines = [(at, RRN, 3000) for at in AGAIN]
    await desk.book(payments[: 1 if late else 2])
    for told in [lines] if at_once else [lines[:1], lines[1:]]:
        content = told_by("rrn", *told)
        await desk.take_in(content, desk_mapping("rrn"))
    if late:
        assert any(one.startswith("several-fit") for one in await desk.found())
        await desk.book(payments[1:])
    await desk.take_in((SETTLEMENTS / "rrn.csv").read_bytes(), desk_mapping("rrn"))
    assert await desk.found() == set()
    assert (await desk.balances()).get(postings.SUSPENSE) is None
    async with desk.transactions.begin() as db:
        assert not (await db.scalars(select(Case).where(Case.state == "open"))).all()
        charges = await db.scalars(select(Charge).where(Charge.reference.startswith("kembar")))
        for charge in charges.all():
            (match,) = await service.matches_of(db, charge, desk.books)
            assert (match.reason.value, match.confidence.value) == ("as-many-alike", "likely")
    assert (await earned(desk))["4110.PSR"] == 28_000
    await desk.sound()


@pytest.mark.parametrize("mapping", ["our-reference", "rrn"])
@pytest.mark.parametrize("word", ["held", "unsettled"])
async def test_what_was_not_settled_at_first_is_settled_by_a_line_of_its_day(
    desk: Desk, mapping: str, word: str
) -> None:
    """Though the acquirer tells another time of it; one of two alike is settled by one line."""
    told = mappings.ready(SettlementMapping)[f"by-{mapping}"]
    told["words"] = [{"column": "Status", "values": {"OK": "settled", "TUNGGU": word}}]
    how = mappings.parsed(SettlementMapping, told)
    name = {"our-reference": "kami-1", "rrn": "100000000001"}[mapping]

    def file(status: str, *at: str) -> bytes:
        first, *rest = told_by(mapping, *((one, name, 2000) for one in at)).decode().splitlines()
        return "\n".join([f"{first};Status", *(f"{one};{status}" for one in rest), ""]).encode()

    await desk.take_in(file("TUNGGU", "08:00:00", "09:00:00"), how)
    assert await waiting(desk, word) == 2
    await desk.take_in(file("OK", "10:00:00"), how)
    assert await waiting(desk, word) == 1
    another_day = file("OK", "08:00:00").replace(b";21/11/2026 ", b";22/11/2026 ")
    await desk.take_in(another_day, how)
    assert await waiting(desk, word) == 1


async def waiting(desk: Desk, word: str) -> int:
    async with desk.transactions.begin() as db:
        if word == "unsettled":
            return len(await service.unsettled_lines(db, desk.books, 9))
        count = len(await service.held_lines(db, desk.books))
        listed = await close_lists.exceptions(db, DAY, desk.books)
        assert sum(one["count"] for one in listed if one["kind"] == "held") == count
        return count


@pytest.mark.parametrize("days", ["24.00", "22.00", "24.00, 2026-11-21 22.00"])
async def test_the_database_knows_the_same_business_days(desk: Desk, days: str) -> None:
    told = BusinessDays.read(days, desk.books.timezone)
    first = datetime(2026, 11, 19, 14, 30, tzinfo=UTC)
    moments = [first + timedelta(minutes=30 * n) for n in range(150)]
    asked = f"SELECT {business_day(told, 'at')} AS day FROM unnest($1::timestamptz[]) m(at)"
    async with desk.transactions.begin() as db:
        rows = await fetch(db, asked, moments)
    assert [row["day"] for row in rows] == [told.of(at) for at in moments]


async def test_a_line_of_nothing_that_is_unknown_is_not_told_as_matched(desk: Desk) -> None:
    told = told_by("our-reference", ("08:00:00", "asing-1", 0), ("08:00:00", "kami-1", 2000))
    async with desk.transactions.begin() as db:
        seen = await previews.settlement(
            db, "sandbox", "s.csv", told, desk.books, now=desk.now,
            mapping=desk_mapping("our-reference"),
        )  # fmt: skip
    assert (seen.imported.lines, seen.matched) == (2, 1)


async def test_a_payment_told_by_another_mapping_with_another_amount_waits_for_two(
    desk: Desk,
) -> None:
    """It may be another payment: it is no second earning, and nobody need read the file anew."""
    await desk.take_in(RIGHT.encode(), SANDBOX)
    await desk.take_in(told_by("our-reference", ("08:00:00", "kami-1", 3000)), BY_OURS)
    assert await desk.found() == {"not-booked kami-1/-/2026-11-21T01:00:00.000000Z"}
    assert await earned(desk) == {"4110.PSR": 22_000, "2190": 3000, "fees": -175}
    await desk.sound()


@pytest.mark.parametrize("mapping", ["sandbox", *WITHOUT])
async def test_over_several_days_each_line_settles_one_payment_in_whichever_order_they_are_compared(
    desk: Desk, mapping: str
) -> None:
    """Lines tell payments of the evening on the next day, without RRN, or with one of others."""
    days = [DAY + timedelta(days=n) for n in (-1, 0, 1, 2)]
    for seed in range(3):
        payments, content = _some_days(random.Random(seed))
        async with desk.transactions.begin() as db:
            whole = await db.begin_nested()
            for payment in payments:
                await book(db, desk.books, **payment)
            await _take_in(db, desk, content, WITHOUT.get(mapping, SANDBOX))
            ends = []
            for order in (days, days[::-1]):
                once = await db.begin_nested()
                reports = [
                    await service.reconcile(db, day, desk.books, now=all_due(days[-1]))
                    for day in (*order, *order)
                ]
                pairs = {
                    (m.booked.reference, m.settled.acquirer_reference, str(m.settled.paid_at))
                    if mapping != "sandbox"
                    else (m.booked.reference, m.settled.reference, m.settled.rrn)
                    for report in reports[len(days) :]
                    for m in report.matched
                }
                assert len({pair[0] for pair in pairs}) == len(pairs), (seed, "a payment twice")
                assert len({pair[1:] for pair in pairs}) == len(pairs), (seed, "a line twice")
                found = await db.execute(
                    select(Discrepancy.kind, Discrepancy.subject).where(Discrepancy.state == "open")
                )
                ends.append((pairs, {tuple(row) for row in found}))
                await once.rollback()
            assert ends[0] == ends[1], seed
            told = len(content.splitlines()) - 1
            assert len(ends[0][0]) == told or mapping == "RRN", (seed, "all that is told")
            await whole.rollback()


def _some_days(chance: random.Random) -> tuple[list[dict[str, Any]], str]:
    payments, lines = [], [RIGHT.splitlines()[0]]
    for n in range(10):
        at = datetime(2026, 11, 20 + chance.randrange(3), 12, 0, n, tzinfo=JAKARTA)
        at += chance.choice([timedelta(0), timedelta(hours=11, minutes=50)])
        rrn, amount_rp = f"30000000000{chance.randrange(3)}", chance.choice([1000, 2000])
        payments.append(
            {"reference": f"hari-{n}", "acquirer_reference": f"HARI-{n}", "rrn": rrn}
            | {"amount_rp": amount_rp, "paid_at": at}
        )
        told = at + chance.choice([timedelta(0), timedelta(0), timedelta(minutes=20)])
        if chance.random() < 0.8:
            mdr_rp = amount_rp * 7 // 1000
            lines.append(
                f"BCH-HARI,2026-11-23,{told.isoformat()},hari-{n},HARI-{n},{rrn},Bank,"
                f"{amount_rp},{mdr_rp},{amount_rp - mdr_rp},IDR"
            )
    return payments, "\n".join([*lines, ""])
