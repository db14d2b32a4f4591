"""Spots and tariffs: codes as people type them, files taken in whole or not at all, dates kept."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from domain.parking import spot_code
from domain.tariff import VehicleClass
from server.database import Transactions
from server.errors import FileRefused
from server.payments.books import Books
from server.spots import service
from server.spots.models import Spot, Tariff, Zone
from server.spots.service import (
    NoTariff,
    SpotCodeMistyped,
    SpotNotFound,
    ZoneNotFound,
)

HEADER = ",".join(service.SPOT_FILE_COLUMNS)
NEW = spot_code("BRU", 1)
SECOND = spot_code("BRU", 2)


def row(code: str = NEW, **changes: str) -> str:
    values = {
        "zone": code.split("-")[0],
        "zone_name": "Baru",
        "spot": code,
        "place": "Jl. Baru 1",
        "latitude": "-2.5",
        "longitude": "112.9",
        "exclusive": "no",
        **changes,
    }
    return ",".join(values[name] for name in service.SPOT_FILE_COLUMNS)


def file(*rows: str, header: str = HEADER, end: str = "\n") -> str:
    return end.join([header, *rows, ""])


async def stored(transactions: Transactions) -> tuple[set[str], set[str]]:
    async with transactions.begin() as db:
        spots = (await db.scalars(select(Spot.code))).all()
        return set(spots), set((await db.scalars(select(Zone.code))).all())


async def take_in(transactions: Transactions, text: str) -> int:
    async with transactions.begin() as db:
        return await service.import_spots(db, text)


TYPED: dict[str, type[Exception] | None] = {
    "PSR-001-U": None,
    "psr-001-u": None,
    "psr001u": None,
    " PSR 001 U ": None,
    "P.S.R—001U": None,
    "PSR-001-V": SpotCodeMistyped,
    "PSR-010-U": SpotCodeMistyped,
    "": SpotCodeMistyped,
    "PSR": SpotCodeMistyped,
    "a\0b": SpotCodeMistyped,
    "x" * 5000: SpotCodeMistyped,
    spot_code("PSR", 999): SpotNotFound,
    spot_code("TDK", 1): SpotNotFound,
}


async def test_a_code_is_found_however_it_is_typed_and_a_mistyped_one_told_from_an_unknown(
    transactions: Transactions, subtests: pytest.Subtests
) -> None:
    async with transactions.begin() as db:
        for typed, refusal in TYPED.items():
            with subtests.test(repr(typed[:20])):
                if refusal is None:
                    found = await service.find(db, typed)
                    assert (found.code, found.zone_code) == ("PSR-001-U", "PSR")
                    assert found.exclusive is False
                else:
                    with pytest.raises(refusal):
                        await service.find(db, typed)


async def test_a_file_brings_zones_and_spots_and_again_updates_them(
    transactions: Transactions,
) -> None:
    assert await take_in(transactions, file(row(NEW), row(SECOND, exclusive="yes"))) == 2
    async with transactions.begin() as db:
        first = await service.find(db, NEW)
        assert (await service.find(db, SECOND)).exclusive is True
    moved = row(
        NEW, place="Jl. Pindah 9", latitude="-2.6", exclusive="yes", zone_name="Baru Sekali"
    )
    assert await take_in(transactions, file(moved)) == 1
    async with transactions.begin() as db:
        again = await service.find(db, NEW)
    assert again.id == first.id
    assert (again.place, again.latitude, again.exclusive) == ("Jl. Pindah 9", -2.6, True)
    assert again.zone_name == "Baru Sekali"


SPREADSHEETS = {
    "byte order mark": "\ufeff" + file(row()),
    "crlf": file(row(), end="\r\n"),
    "blank lines": file(row(), "", ""),
    "quoted": file(row(place='"Jl. Koma, dan\nbaris"')),
}


async def test_what_spreadsheets_write_is_taken_in(
    transactions: Transactions, subtests: pytest.Subtests
) -> None:
    for name, text in SPREADSHEETS.items():
        with subtests.test(name):
            assert await take_in(transactions, text) == 1
    async with transactions.begin() as db:
        found = await service.find(db, NEW)
    assert (found.zone_name, found.place) == ("Baru", "Jl. Koma, dan baris")


BAD_FILES = {
    "empty": ("", "the first line must be"),
    "other header": (file(row(), header=HEADER.upper()), "the first line must be"),
    "column missing": (file("x", header="zone,spot"), "the first line must be"),
    "semicolons": (file(row().replace(",", ";"), header=HEADER.replace(",", ";")), "first line"),
    "bad check character": (file(row(), row("BRU-002-0")), "line 3"),
    "no code": (file(row(spot="")), "line 2"),
    "zone mismatch": (file(row(), row(SECOND, zone="PSR")), "line 3"),
    "latitude range": (file(row(latitude="90.1")), "line 2"),
    "latitude text": (file(row(latitude="utara")), "line 2"),
    "latitude nan": (file(row(latitude="nan")), "line 2"),
    "longitude infinite": (file(row(longitude="inf")), "line 2"),
    "exclusive": (file(row(exclusive="ya")), "line 2"),
    "too few fields": (file(row(), f"BRU,Baru,{SECOND}"), "line 3"),
    "too many fields": (file(row() + ",lebih"), "line 2"),
    "zone too short for the table": (file(row(spot_code("BR", 1))), "line 2"),
    "zone too long for the table": (file(row(spot_code("BARU", 1))), "line 2"),
    "zone with a digit": (file(row(spot_code("B1U", 1))), "line 2"),
    "zone in small letters": (file(row(zone="bru")), "line 2"),
    "zone the domain refuses": (file(row(zone="12")), "line 2"),
    "zone empty": (file(row(zone="")), "line 2"),
    "no zone name": (file(row(zone_name=" ")), "line 2"),
    "no place": (file(row(place="")), "line 2"),
    "two names of one zone": (file(row(), row(SECOND, zone_name="Lain")), "line 3"),
    "the same spot twice": (file(row(), row(SECOND), row(NEW, place="Jl. Lain")), "line 4"),
    "the same spot twice, typed otherwise": (file(row(), row(spot=NEW.lower())), "line 3"),
    "unclosed quote in the first line": ('"zone', "line 1"),
    "unclosed quote": (file(row(place='"Jl. Baru')), "line"),
    "NUL": (file(row(place="Jl.\0Baru")), "line 2"),
    "huge field": (file(row(place="x" * 200_000)), "line 2"),
}


async def test_a_bad_file_is_refused_whole_and_its_line_named(
    transactions: Transactions, subtests: pytest.Subtests
) -> None:
    before = await stored(transactions)
    for name, (text, says) in BAD_FILES.items():
        with subtests.test(name):
            with pytest.raises(FileRefused) as refused:
                await take_in(transactions, text)
            assert says in refused.value.english
            told = says.replace("the first line must be", "baris pertama harus")
            told = told.replace("first line", "baris pertama").replace("line", "baris")
            assert told in refused.value.indonesian
    assert await stored(transactions) == before


def version(valid_from: str, valid_until: str | None, price: int = 2000) -> dict[str, Any]:
    return {
        "regulation": f"Perda uji {price}",
        "valid_from": valid_from,
        "valid_until": valid_until,
        "rates": {"motorcycle": {"kind": "flat", "amount_rp": price}},
    }


async def without_tariffs(owner: Transactions, *versions: dict[str, Any]) -> None:
    async with owner.begin() as db:
        await db.execute(delete(Tariff))
        for each in versions:
            await service.add_tariff(db, "PSR", each)


async def price_on(transactions: Transactions, day: date) -> int:
    async with transactions.begin() as db:
        zone_id = (await service.find(db, "PSR-001-U")).zone_id
        _, tariff = await service.tariff_on(db, zone_id, day)
    rate = tariff.rates[VehicleClass.MOTORCYCLE]
    return rate.amount_rp  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "second",
    [
        version("2026-06-01", None),
        version("2025-06-01", "2026-01-01"),
        version("2026-12-31", "2027-06-01"),
        version("2026-01-01", None, price=3000),
    ],
    ids=["within", "first-day", "last-day", "same-start-other-price"],
)
async def test_two_tariffs_of_a_zone_never_overlap(
    owner: Transactions, transactions: Transactions, second: dict[str, Any]
) -> None:
    first = version("2026-01-01", "2026-12-31")
    await without_tariffs(owner, first)
    with pytest.raises(IntegrityError, match="ex_tariffs_one_in_force"):
        async with transactions.begin() as db:
            await service.add_tariff(db, "PSR", second)
    async with transactions.begin() as db:
        await service.add_tariff(db, "PSR", first)  # the same again is harmless
        await service.add_tariff(db, "PLB", second)  # and another zone has its own
        assert len((await db.scalars(select(Tariff.id))).all()) == 2


async def test_a_tariff_of_an_unknown_zone_is_refused(transactions: Transactions) -> None:
    async with transactions.begin() as db:
        with pytest.raises(ZoneNotFound):
            await service.add_tariff(db, "XXX", version("2026-01-01", None))


async def test_prices_change_at_the_regencys_midnight(
    owner: Transactions, transactions: Transactions, books: Books
) -> None:
    await without_tariffs(
        owner,
        version("2026-01-01", "2026-11-21", price=2000),
        version("2026-11-22", None, price=3000),
    )
    midnight = datetime(2026, 11, 22, tzinfo=books.timezone)
    assert await price_on(transactions, books.day(midnight - timedelta(seconds=1))) == 2000
    assert await price_on(transactions, books.day(midnight)) == 3000
    with pytest.raises(NoTariff):
        await price_on(transactions, date(2025, 12, 31))
