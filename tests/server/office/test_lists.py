"""The office's lists over HTTP: whatever is in one is reached, page after page, newest first."""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text

from domain.ids import uuid7
from server import sample
from server.complaints.models import Complaint
from server.database import Base, Transactions, new_id
from server.identity import service as identity
from server.identity.models import Attendant, Device, DeviceKey, Shift
from server.inspection.models import HeadCount, Notice, SignCase, StayCheck
from server.paging import PAGE
from server.payments.models import Refund
from server.reconciliation.models import CashDeposit, Discrepancy, ImportedFile, Remittance
from server.reconciliation.payout_models import PayoutRun
from server.spots import service as spots
from tests.server.office.test_endpoints import sign_in

COUNT = 2 * PAGE + 3
START = datetime(2026, 9, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Town:
    """What the rows of a list hang on."""

    maker: Any
    checker: Any
    attendant: Any
    spot: Any
    device: Any


def id_at(n: int, at: datetime) -> UUID:
    return uuid7(int(at.timestamp() * 1000), n.to_bytes(10))


def shift(town: Town, n: int, at: datetime) -> Iterator[Base]:
    yield Shift(
        id=id_at(n, at),
        device_id=town.device,
        attendant_id=town.attendant,
        token_hash=n.to_bytes(4),
        opened_at=at,
        expires_at=at + timedelta(hours=8),
    )


def device(town: Town, n: int, at: datetime) -> Iterator[Base]:
    made = {"enrolled_by": town.maker, "approved_by": town.checker}
    row = Device(id=id_at(n, at), name=f"HP{n:03}", state="active", enrolled_at=at, **made)
    yield row
    key = n.to_bytes(32)
    yield DeviceKey(device_id=row.id, number=1, public_key=key, registered_at=at)


def refund(town: Town, n: int, at: datetime) -> Iterator[Base]:
    yield Refund(
        id=new_id(),
        number=f"R{n:03}",
        series="r",
        sequence=n,
        charge_id=new_id(),
        money_id=new_id(),
        amount_rp=1000,
        reason="other",
        explanation="uji",
        method="transfer",
        state="rejected",
        requested_by=town.maker,
        requested_at=at,
        decided_by=town.checker,
        decided_at=at,
        acquirer="sandbox",
        reference=str(n),
    )


def remittance(town: Town, n: int, at: datetime) -> Iterator[Base]:
    number = {"number": f"STS{n:03}", "series": "sts", "sequence": n + 1}
    of = {"amount_rp": 1, "state": "prepared", "prepared_by": town.maker, "prepared_at": at}
    yield Remittance(id=id_at(n, at), **number, **of)


def run(town: Town, n: int, at: datetime) -> Iterator[Base]:
    number = {"number": f"BGH{n:03}", "series": "bgh", "sequence": n + 1}
    of = {"amount_rp": 1, "state": "prepared", "prepared_by": town.maker, "prepared_at": at}
    yield PayoutRun(id=id_at(n, at), until=at.date(), **number, **of)


def deposit(town: Town, n: int, at: datetime) -> Iterator[Base]:
    yield CashDeposit(
        id=new_id(),
        payer=f"PENYETOR{n:03}",
        amount_rp=1,
        reference=f"SLIP{n:06}",
        deposited_on=at.date(),
        received_by=town.maker,
        recorded_at=at,
        entry_id=new_id(),
        series="tbp-2026",
        sequence=n + 1,
    )


def check(town: Town, n: int, at: datetime) -> Iterator[Base]:
    of = {"device_id": town.device, "seq": n, "attendant_id": town.attendant, "spot_id": town.spot}
    told = {"asked_by": "plate", "result": "none", "list_age_s": n * 60}
    yield StayCheck(**of, **told, told_at=at, received_at=at)


def count(town: Town, n: int, at: datetime) -> Iterator[Base]:
    of = {"device_id": town.device, "seq": n, "attendant_id": town.attendant, "spot_id": town.spot}
    told = {"counted": {"car": 1000 + n}, "recorded": {"car": 1}}
    yield HeadCount(**of, **told, told_at=at, received_at=at)


def notice(town: Town, n: int, at: datetime) -> Iterator[Base]:
    yield Notice(
        id=new_id(),
        number=f"P-{n:03}",
        device_id=town.device,
        seq=n,
        check_seq=n,
        attendant_id=town.attendant,
        spot_id=town.spot,
        vehicle_class="car",
        finding="none",
        issued_at=at,
        object_until=at.date(),
        received_at=at,
        state="issued",
    )


def sign_case(town: Town, n: int, at: datetime) -> Iterator[Base]:
    closed = {"closed_by": town.maker, "closed_at": at, "what_was_done": f"DIGANTI{n:03}"}
    yield SignCase(spot_id=town.spot, fault="missing", owner="x", opened_at=at, **closed)


def complaint(town: Town, n: int, at: datetime) -> Iterator[Base]:
    closed = {"state": "closed", "outcome": "upheld", "closed_at": at, "answer": "uji"}
    of = {"kind": "other", "spot_id": town.spot, "owner": "x"}
    yield Complaint(number=f"ADU{n:03}", opened_at=at, due_on=at.date(), **of, **closed)


def imported(town: Town, n: int, at: datetime) -> Iterator[Base]:
    of = {"kind": "statement", "name": f"BANK{n:03}", "content": b"x", "sha256": n.to_bytes(32)}
    yield ImportedFile(id=id_at(n, at), imported_at=at, imported_by=town.maker, **of)


Fill = Callable[[Town, int, datetime], Iterator[Base]]
LISTS: dict[str, tuple[str, Fill, str, str]] = {
    "shifts": ("shifts", shift, r"/office/shifts/([0-9a-f-]{36})", "before"),
    "devices": ("devices", device, r">(HP\d+)<", "before"),
    "refunds": ("refunds", refund, r">(R\d+)<", "before"),
    "STS": ("deposits", remittance, r">(STS\d+)<", "before"),
    "TBP": ("deposits", deposit, r">(PENYETOR\d+)<", "before_receipt"),
    "payouts": ("payouts", run, r">(BGH\d+)<", "before"),
    "checks": ("inspections", check, r">(\d+) menit<", "before_check"),
    "counts": ("inspections", count, r">(1\d\d\d)<", "before"),
    "notices": ("notices", notice, r">(P-\d+)<", "before"),
    "sign cases": ("signs", sign_case, r">(DIGANTI\d+)<", "before"),
    "complaints": ("complaints", complaint, r">(ADU\d+)<", "before"),
    "files": ("imports", imported, r">(BANK\d+)<", "before"),
}


async def fill(owner: Transactions, rows: Fill) -> None:
    """Rows as they might stand there, without the work that makes each of them."""
    async with owner.begin() as db:
        await db.execute(text("SET LOCAL session_replication_role = replica"))
        spot = await spots.find(db, "PSR-001-U")
        attendant = await db.scalar(select(Attendant.id).order_by(Attendant.code).limit(1))
        maker, checker = [
            await identity.officer_named(db, login) for login in (sample.OFFICER, sample.CHECKER)
        ]
        held = Device(
            id=new_id(),
            name="HP lain",
            state="active",
            enrolled_at=START - timedelta(days=1),
            enrolled_by=maker,
            approved_by=checker,
        )
        key = DeviceKey(
            device_id=held.id, number=1, public_key=bytes(held.id.bytes), registered_at=START
        )
        if rows is not device:
            db.add_all([held, key])
        town = Town(maker, checker, attendant, spot.id, held.id)
        for n in range(COUNT):
            # Two of a moment, so that the place in the list has to tell them apart.
            db.add_all(rows(town, n, START + timedelta(hours=n // 2)))
            await db.flush()


async def walk(api: httpx.AsyncClient, page: str, found: str, cursor: str) -> list[list[str]]:
    """What each page of a list shows, from the first to where no link leads on."""
    pages, address = [], f"/office/{page}"
    while True:
        answer = await api.get(address)
        assert answer.status_code == 200, answer.text
        pages.append(list(dict.fromkeys(re.findall(found, answer.text))))
        links = re.findall(r'rel="next" href="(\?[^"]*)"', answer.text)
        onward = [html.unescape(link) for link in links if f"{cursor}=" in link]
        if not onward:
            return pages
        address = f"/office/{page}{onward[0]}"


@pytest.mark.parametrize("name", LISTS)
async def test_the_last_row_of_a_list_is_reached(
    api: httpx.AsyncClient, owner: Transactions, name: str
) -> None:
    page, rows, found, cursor = LISTS[name]
    await fill(owner, rows)
    await sign_in(api)
    pages = await walk(api, page, found, cursor)
    assert [len(shown) for shown in pages] == [PAGE, PAGE, 3]
    shown = [row for page in pages for row in page]
    assert len(set(shown)) == COUNT
    if name != "shifts":
        pairs = [int(re.sub(r"\D", "", row)) // 2 for row in shown]
        assert pairs == sorted(pairs, reverse=True)
    first = await api.get(f"/office/{page}")
    assert "Ke yang terbaru" not in first.text
    for bad in (
        "x",
        "1_2_3_4_5",
        "2026-13-01_x",
        "9" * 30,
        "_",
        f"9999-12-31T23:00:00-09:00_{new_id()}",
    ):
        answer = await api.get(f"/office/{page}", params={cursor: bad})
        assert (answer.status_code, answer.json()["slug"]) == (422, "invalid-request"), bad


async def test_lists_are_filtered_by_their_address(
    api: httpx.AsyncClient, owner: Transactions, subtests: pytest.Subtests
) -> None:
    for rows in (refund, notice):
        await fill(owner, rows)
    await sign_in(api)
    last = START.date() + timedelta(days=COUNT // 2 // 24)
    of_last = COUNT - 2 * (24 * (COUNT // 2 // 24) - 9)  # 02.00 UTC is 09.00 WIB
    for page, found, state, other in (
        ("refunds", r">(R\d+)<", "rejected", "done"),
        ("notices", r">(P-\d+)<", "issued", "objected"),
    ):
        with subtests.test(page):
            days = f"from={last}&to={last}"
            assert len((await walk(api, f"{page}?{days}", found, "before"))[0]) == of_last
            kept = await walk(api, f"{page}?state={state}&from=&to={last}", found, "before")
            assert sum(len(shown) for shown in kept) == COUNT
            assert await walk(api, f"{page}?state={other}", found, "before") == [[]]
            assert (await api.get(f"/office/{page}?state=rubbish")).status_code == 422


async def test_a_day_shows_its_own_differences_and_leads_to_all(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    """However many of other days are older."""
    day, older = date(2026, 11, 21), date(2026, 11, 3)

    def difference(subject: str, of: date) -> Discrepancy:
        told = {"kind": "not-settled", "subject": subject, "business_day": of, "owner": "x"}
        return Discrepancy(**told, difference_rp=-1, details={}, opened_at=now)

    async with transactions.begin() as db:
        db.add_all(difference(f"lama {n}", older) for n in range(PAGE + 3))
        await db.flush()
        db.add(difference("baru", day))
    await sign_in(api)
    shown = (await api.get(f"/office/reconciliation?date={day}")).text
    assert "Selisih yang belum dijelaskan: 1<" in shown
    assert (">baru<" in shown, ">lama" in shown) == (True, False)
    assert f'href="/office/cases?kind=discrepancy">Dari semua hari: {PAGE + 4}<' in shown
    many = (await api.get(f"/office/reconciliation?date={older}")).text
    assert f"Selisih yang belum dijelaskan: {PAGE + 3}<" in many
    assert many.count(">lama ") == PAGE
