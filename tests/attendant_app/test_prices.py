"""Prices without a connection, by what the office told last."""

from datetime import UTC, datetime
from typing import Any

from attendant_app import prices
from domain.tariff import VehicleClass

FLAT = {"kind": "flat", "amount_rp": 2_000}


def _version(first: str, last: str | None, **more: Any) -> dict[str, Any]:
    rates = {"motorcycle": FLAT}
    told = {"regulation": "Uji", "valid_from": first, "valid_until": last, "rates": rates}
    return {"zone": "PSR", "version": told | more}


def test_a_tariff_to_come_that_cannot_be_read_leaves_the_prices_until_its_day() -> None:
    coming = _version("2026-07-01", None, surprise=1)
    master = {
        "regency": {"timezone": "Asia/Makassar"},
        "spots": [{"code": "PSR-001", "zone": {"code": "PSR"}}],
        "tariffs": [_version("2026-01-01", "2026-06-30"), coming],
    }

    def offered(at: datetime) -> int | None:
        offer = prices.offer(master, "PSR-001", VehicleClass.MOTORCYCLE, at)
        return offer and offer.amount_rp

    assert offered(datetime(2026, 6, 30, 15, 59, tzinfo=UTC)) == 2_000
    assert offered(datetime(2026, 6, 30, 16, 0, tzinfo=UTC)) is None
