"""Complaints: numbers nobody guesses, deadlines in working days, nothing of a person left."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text, true
from sqlalchemy.exc import DBAPIError

from domain import check_digit
from server import paging, sample
from server.complaints import contacts, retention, service
from server.complaints.models import Complaint, ComplaintChange, ComplaintPhoto
from server.complaints.service import (
    ComplaintClosed,
    ComplaintNeedsSecondOfficer,
    ComplaintNotFound,
    Told,
)
from server.complaints.states import ComplaintKind, ComplaintOutcome
from server.database import Transactions
from server.identity import service as identity
from server.identity.models import Role
from server.identity.service import RoleNotAllowed
from server.settings import Settings
from server.workdays import HolidaysUnfit, Workdays

MONDAY = date(2026, 11, 23)
DUE = date(2026, 11, 30)


def test_a_deadline_counts_days_on_which_the_office_is_open(tmp_path: Path) -> None:
    workdays = Workdays.read(None)
    assert workdays.after(MONDAY, 5) == DUE
    assert workdays.after(date(2026, 11, 27), 1) == DUE  # Friday to Monday
    assert workdays.after(date(2026, 11, 28), 5) == date(2026, 12, 4)
    # Christmas and the joint leave before it, then a weekend.
    assert workdays.after(date(2026, 12, 23), 1) == date(2026, 12, 28)
    own = tmp_path / "own.csv"
    own.write_text("date,name\n2026-11-25,Hari jadi kabupaten\n")
    assert Workdays.read(own).after(MONDAY, 5) == date(2026, 12, 1)
    for unfit in ("tanggal\n", "date,name\n25-11-2026,Hari jadi\n"):
        own.write_text(unfit)
        with pytest.raises(HolidaysUnfit):
            Workdays.read(own)


def test_a_number_is_chance_and_a_slip_of_the_pen_is_seen() -> None:
    numbers = {service.new_number() for _ in range(1000)}
    assert len(numbers) == 1000
    number = numbers.pop()
    assert check_digit.is_valid(number)
    assert service.canonical(number.lower().replace("-", " ")) == number
    for place, letter in enumerate(number):
        other = "7" if letter != "7" else "8"
        if letter != "-":
            with pytest.raises(ComplaintNotFound):
                service.canonical(number[:place] + other + number[place + 1 :])


AS_IF_ENDED = text(
    "INSERT INTO complaint_changes"
    " (id, complaint_id, changed_at, state_before, state_after, who, why)"
    " VALUES (gen_random_uuid(), :id, now(), 'answered', 'closed', :who, '')"
)


async def take(transactions: Transactions, now: datetime, **told: object) -> Complaint:
    async with transactions.begin() as db:
        return await service.take(
            db,
            Told(ComplaintKind.OVERCHARGED, **told),  # type: ignore[arg-type]
            due_on=DUE,
            now=now,
        )


async def test_it_is_answered_then_closed_and_every_word_stays(
    transactions: Transactions, now: datetime
) -> None:
    made = await take(transactions, now, story="Diminta Rp10.000")
    assert (made.owner, made.due_on) == (service.TREASURER, DUE)
    async with transactions.begin() as db:
        officer = await identity.officer_named(db, sample.OFFICER)
        checker = await identity.officer_named(db, sample.CHECKER)
        upheld = ComplaintOutcome.UPHELD
        with pytest.raises(ComplaintNeedsSecondOfficer):
            await service.answer(db, officer, made.id, "Benar.", upheld, now=now)
        await service.answer(db, officer, made.id, "Kami periksa.", None, now=now)
        with pytest.raises(ComplaintNeedsSecondOfficer):
            await service.answer(db, officer, made.id, "Benar.", upheld, now=now)
        await service.answer(db, checker, made.id, "Benar.", upheld, now=now)
    async with transactions.begin() as db:
        with pytest.raises(ComplaintClosed):
            await service.answer(db, officer, made.id, "Lagi.", None, now=now)
    async with transactions.begin() as db:
        found = await service.find(db, made.number)
        assert (found.state, found.outcome, found.answer) == ("closed", "upheld", "Benar.")
        changes = await service.changes_of(db, made.id)
        assert [change.why for change in changes] == ["Kami periksa.", "Benar."]
    async with transactions.begin() as db:
        with pytest.raises(DBAPIError, match="permission denied"):
            await db.execute(text("UPDATE complaint_changes SET why = 'lain'"))
    async with transactions.begin() as db:
        await service.reopen(db, checker, made.id, "ada bukti baru", now=now)
        found = await service.find(db, made.number)
        assert (found.state, found.outcome, found.closed_at) == ("answered", None, None)
        assert (await service.changes_of(db, made.id))[-1].why == "ada bukti baru"
    async with transactions.begin() as db:
        with pytest.raises(ComplaintNeedsSecondOfficer):
            # The checker reopened it, and answered nothing.
            await service.answer(db, officer, made.id, "Tetap.", upheld, now=now)
    async with transactions.begin() as db:
        with pytest.raises(ComplaintNeedsSecondOfficer):
            # On the same answer the checker has ended it once already.
            await service.answer(db, checker, made.id, "Tetap.", upheld, now=now)
        with pytest.raises(DBAPIError, match="was answered by nobody else"):
            async with db.begin_nested():
                await db.execute(AS_IF_ENDED, {"id": made.id, "who": sample.CHECKER})
        await service.answer(db, officer, made.id, "Diperiksa lagi.", None, now=now)
        await service.answer(db, checker, made.id, "Tetap.", upheld, now=now)


async def test_only_who_may_answer_does(transactions: Transactions, now: datetime) -> None:
    made = await take(transactions, now)
    async with transactions.begin() as db:
        role = Role.AUDITOR
        await identity.add_officer(db, login="auditor", name="A", role=role, password="x")
        auditor = await identity.officer_named(db, "auditor")
        with pytest.raises(RoleNotAllowed):
            await service.answer(db, auditor, made.id, "Ya.", None, now=now)


async def test_what_tells_of_a_person_is_destroyed_after_its_time_and_nothing_before(
    transactions: Transactions, settings: Settings, now: datetime
) -> None:
    sealed = contacts.close("0812-7731-7731", settings.contact_key)
    assert sealed is not None
    assert b"7731" not in sealed
    assert contacts.open_(sealed, settings.contact_key) == "0812-7731-7731"
    told = {"story": "cerita", "contact": sealed, "photo": b"\xff\xd8foto"}
    over, waiting = [await take(transactions, now, **told) for _ in range(2)]
    async with transactions.begin() as db:
        officer = await identity.officer_named(db, sample.OFFICER)
        await service.answer(db, officer, over.id, "Kami periksa.", None, now=now)
        checker = await identity.officer_named(db, sample.CHECKER)
        await service.answer(db, checker, over.id, "Selesai.", ComplaintOutcome.UNCLEAR, now=now)
    kept = timedelta(days=30)
    assert await retention.destroy_told(transactions, kept, now=now + timedelta(days=29)) == 0
    later = now + timedelta(days=31)
    assert await retention.destroy_told(transactions, kept, now=later) == 1
    assert await retention.destroy_told(transactions, kept, now=later) == 0
    async with transactions.begin() as db:
        gone = await db.get_one(Complaint, over.id)
        assert (gone.story, gone.contact, gone.destroyed_at) == (None, None, later)
        assert (gone.answer, gone.number) == ("Selesai.", over.number)
        still = await db.get_one(Complaint, waiting.id)
        assert (still.story, still.contact) == ("cerita", sealed)
        photos = await db.scalars(select(ComplaintPhoto.complaint_id))
        assert photos.all() == [waiting.id]
        assert len((await db.scalars(select(ComplaintChange))).all()) == 2


async def test_open_complaints_are_read_page_by_page_the_most_urgent_first(
    transactions: Transactions, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "PAGE", 2)
    days = [DUE + timedelta(days=n) for n in (3, 1, 2, 1, 4)]
    async with transactions.begin() as db:
        for day in days:
            await service.take(db, Told(ComplaintKind.OVERCHARGED), due_on=day, now=now)
        read, seen, before = [], 0, None
        while before is not None or not seen:
            page = await service.open_by_deadline(db, true(), before)
            read += [complaint.due_on for complaint, _ in page.rows]
            seen, before = seen + 1, page.after
    assert (read, seen) == (sorted(days), 3)
