"""The sample town: invented, complete, and harmless to put in again."""

from datetime import datetime

from sqlalchemy import func, select

from domain.parking import parse_spot_code
from server import sample
from server.database import Transactions
from server.identity.models import Attendant, Officer
from server.ledger import reports
from server.parking.covered_models import Exemption, PassPrice
from server.payments.books import Books
from server.spots import service as spots
from server.spots.models import Spot, Tariff


async def test_every_sample_spot_has_a_price_and_an_account(
    transactions: Transactions, books: Books, now: datetime
) -> None:
    async with transactions.begin() as db:
        accounts = {account.code for account in await reports.trial_balance(db)}
        for spot in await spots.all_spots(db):
            _, tariff = await spots.tariff_on(db, spot.zone_id, books.day(now))
            assert len(tariff.rates) == 3
            assert f"4110.{spot.zone_code}" in accounts
        assert (await spots.find(db, sample.first_spot())).code == "PSR-001-U"
    assert "SAMPEL" in sample.REGENCY


async def test_seeding_again_changes_nothing(transactions: Transactions) -> None:
    async with transactions.begin() as db:
        await sample.seed(
            db, officer_password="lain", checker_password="lain", attendant_pin="000000"
        )
        counts = [
            await db.scalar(select(func.count()).select_from(table))
            for table in (Spot, Tariff, Officer, Attendant, Exemption, PassPrice)
        ]
        assert counts == [40, 6, 2, 1, 4, 8]
    assert parse_spot_code(sample.first_spot()) == sample.first_spot()
