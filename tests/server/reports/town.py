"""A town about which every report has something to tell, as far as days of its own can."""

from datetime import date, datetime, timedelta

import httpx

from server.complaints import service as complaints
from server.complaints.service import Told
from server.complaints.states import ComplaintKind
from server.database import Transactions, new_id
from server.payments.books import Books
from server.payments.voucher_proposals import Range
from server.payments.vouchers import Issue
from server.reconciliation import service as reconciliation
from server.reports import targets
from tests.server.booking import book
from tests.server.handhelds import on_shift
from tests.server.payments.voucher_officers import issued, voided
from tests.server.reconciliation.test_service import line, settlement

PAYMENTS = 6


async def fill(
    api: httpx.AsyncClient, transactions: Transactions, books: Books, now: datetime
) -> None:
    """Cash and QRIS of these days, what the acquirer kept of it, targets, vouchers, a complaint."""
    handheld = await on_shift(api, transactions, now)
    for vehicle_class in ("car", "motorcycle"):
        body = {"id": str(new_id()), "vehicle_class": vehicle_class}
        answer = await api.post("/v1/spots/PSR-001-U/cash-charges", json=body, auth=handheld.signed)
        assert answer.status_code == 201, answer.text
    wanted = Issue("Koperasi Sampel", 12, 5_000, None, date(2098, 12, 31))
    batch = await issued(transactions, books, wanted, now)
    await voided(transactions, books, Range(batch, 11, 12), now)
    lines = []
    async with transactions.begin() as db:
        for n in range(PAYMENTS):
            paid_at = now.replace(microsecond=0) - timedelta(days=n, minutes=1)
            told = {"reference": f"kami-{n}", "acquirer_reference": f"ACQ-{n}"}
            gross_rp = 2000 + 1000 * n
            rrn = f"{n:012d}"
            await book(db, books, **told, rrn=rrn, amount_rp=gross_rp, paid_at=paid_at)
            at = paid_at.astimezone(books.timezone).isoformat()
            lines.append(line(n, at, gross_rp=gross_rp, mdr_rp=14))
    async with transactions.begin() as db:
        content = settlement(*lines)
        await reconciliation.import_settlement(db, "sandbox", "s.csv", content, books, now=now)
    year = books.business_day(now).year
    async with transactions.begin() as db:
        for zone in (None, "PSR"):
            await targets.set_target(
                db, year=year, month=None, zone=zone, amount_rp=1_200_000_000,
                regulation="Perda contoh", who="uji", now=now,
            )  # fmt: skip
        await complaints.take(
            db, Told(ComplaintKind.OVERCHARGED, story="contoh"), due_on=now.date(), now=now
        )
