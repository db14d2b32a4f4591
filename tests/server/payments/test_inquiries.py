"""Asking again: what a silent charge is asked, and how expiry and late money meet."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from server.database import new_id
from server.payments import queries
from server.payments.inquiries import next_inquiry
from tests.server.payments.conftest import CAR_RP, LIFETIME, answers
from tests.server.payments.voice import rupiah

MADE = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
UNPAID = {"responseCode": "2005100", "latestTransactionStatus": "01"}
SILENT = {"responseCode": "5005100"}


def asked_at(lifetime: timedelta) -> list[float]:
    """Seconds after its making at which a charge nobody pays is asked about."""
    expires, now, moments = MADE + lifetime, MADE, []
    while (moment := next_inquiry(MADE, expires, now)) is not None:
        moments.append((moment - MADE).total_seconds())
        assert len(moments) < 1_000, "asked for ever"
        now = moment
    return moments


def test_a_silent_charge_is_asked_about_often_at_first_then_ever_more_seldom_for_a_day():
    moments = asked_at(timedelta(seconds=900))
    assert moments[:7] == [2, 6, 14, 29, 59, 119, 179]
    often, seldom = moments[moments.index(899) : -4], moments[-4:]
    assert often == [899, 900, 959, 960, 1019, 1079, 1139, 1199]
    assert seldom == [900 + 60 * minutes for minutes in (15, 60, 6 * 60, 24 * 60)]


def test_a_short_lived_charge_is_asked_about_at_the_moment_it_expires():
    assert asked_at(timedelta(seconds=60))[:7] == [2, 6, 14, 29, 59, 60, 119]


async def test_a_lost_notification_is_found_by_asking(office, sandbox):
    charge_id = await office.request()
    paid = await sandbox.pay((await office.charge(charge_id))["qris"])
    await office.inquire(charge_id)

    charge = await office.charge(charge_id)
    assert (charge["state"], charge["money_flag"]) == ("paid", "exact")
    assert charge["next_inquiry_at"] is None
    evidence = (
        await office.rows(
            "SELECT i.status, i.answer, m.rrn, m.notification_id FROM money m"
            " JOIN inquiries i ON i.id = m.inquiry_id"
        )
    )[0]
    assert (evidence["status"], evidence["rrn"]) == ("paid", paid["rrn"])
    assert evidence["answer"]["additionalInfo"]["rrn"] == paid["rrn"]
    assert evidence["notification_id"] is None

    # The notification comes after all, and its repeats.
    for _ in range(3):
        assert (await office.tell(charge_id, rrn=paid["rrn"])).code == "2005200"
    assert await office.count("money") == await office.count("receipts") == 1


async def test_asking_and_being_told_at_once_count_once(office, sandbox):
    charge_id = await office.request()
    paid = await sandbox.pay((await office.charge(charge_id))["qris"])
    await asyncio.gather(
        *(office.inquire(charge_id) for _ in range(6)),
        *(office.tell(charge_id, rrn=paid["rrn"]) for _ in range(6)),
    )
    assert await office.count("money") == await office.count("receipts") == 1
    assert (await office.charge(charge_id))["state"] == "paid"


async def test_a_charge_expires_only_after_the_acquirer_said_unpaid(office, scripted):
    """The clock alone expires nothing; an unknown answer holds it up for a minute at most."""
    now = datetime.now(UTC)
    charge_id = await office.request(now=now)
    expires, silent = now + LIFETIME, scripted(answers(SILENT, 500))
    await office.inquire(charge_id, now=expires - timedelta(seconds=1))
    assert (await office.charge(charge_id))["next_inquiry_at"] == expires

    moment, asked = expires, []
    while (await office.charge(charge_id))["state"] == "issued":
        asked.append((moment - expires).total_seconds())
        await office.inquire(charge_id, now=moment, acquirer=silent)
        moment = (await office.charge(charge_id))["next_inquiry_at"]
    assert asked == [0, 59, 60]
    assert await office.stay(charge_id) == ("voided", "voided")
    assert (await office.story(charge_id))[-1] == ("issued", "expired", "clock")

    told = await office.request(now=now)
    await office.inquire(told, now=expires, acquirer=scripted(answers(UNPAID)))
    assert (await office.charge(told))["state"] == "expired"
    facts = await office.rows("SELECT type, data ->> 'charge_id' AS id FROM outbox ORDER BY id")
    assert facts == [
        {"type": "charge.expired", "id": str(expired)} for expired in (charge_id, told)
    ]


async def test_money_paid_in_time_but_found_in_the_grace_pays_the_charge(office, scripted):
    now = datetime.now(UTC)
    charge_id = await office.request(now=now)
    expires = now + LIFETIME
    await office.inquire(charge_id, now=expires, acquirer=scripted(answers(SILENT, 500)))
    await office.inquire(
        charge_id,
        now=expires + timedelta(seconds=59),
        acquirer=scripted(answers(paid_at(expires - timedelta(seconds=1)))),
    )
    assert (await office.charge(charge_id))["state"] == "paid"


def paid_at(moment: datetime) -> dict[str, Any]:
    return {
        "responseCode": "2005100",
        "latestTransactionStatus": "00",
        "paidTime": moment.isoformat(timespec="seconds"),
        "amount": rupiah(CAR_RP),
        "additionalInfo": {"rrn": "A1"},
    }


async def test_money_that_came_and_went_before_anybody_told_is_held_and_pays_nothing(
    office, scripted
):
    """As after a refund by hand at the acquirer: its answer is the evidence, once."""
    now = datetime.now(UTC)
    charge_id = await office.request(now=now)
    gone = scripted(answers(paid_at(now) | {"latestTransactionStatus": "04"}))
    for _ in range(3):
        await office.inquire(charge_id, now=now, acquirer=gone)
    charge = await office.charge(charge_id)
    assert (charge["state"], charge["money_flag"]) == ("issued", "returned")
    (money,) = await office.rows("SELECT * FROM money")
    assert (money["amount_rp"], money["inquiry_id"] is not None) == (CAR_RP, True)
    (case,) = await office.rows("SELECT * FROM cases")
    assert (case["kind"], case["state"], case["amount_rp"]) == ("returned", "open", CAR_RP)

    assert (await office.tell(charge_id, rrn="A1")).code == "2005200"  # of the same payment
    await office.inquire(charge_id, now=now + LIFETIME, acquirer=gone)
    assert (await office.charge(charge_id))["state"] == "expired"
    assert await office.stay(charge_id) == ("voided", "voided")
    assert (await office.count("money"), await office.count("receipts")) == (1, 0)


async def test_a_charge_whose_making_was_lost_ends_also_when_its_money_does_not_fit(
    office, scripted
):
    now = datetime.now(UTC)
    for status, rupiahs in (("04", CAR_RP), ("00", CAR_RP - 1)):
        charge_id = await office.request(now=now, acquirer=scripted(answers(SILENT, 500)))
        told = paid_at(now) | {"latestTransactionStatus": status, "amount": rupiah(rupiahs)}
        told["additionalInfo"] = {"rrn": f"B{status}"}
        await office.inquire(charge_id, now=now + LIFETIME, acquirer=scripted(answers(told)))
        assert (await office.charge(charge_id))["state"] == "issue_failed"
        assert await office.stay(charge_id) == ("voided", "voided")
    assert await office.count("cases") == 2


async def test_a_lost_barcode_is_kept_also_when_the_money_does_not_fit(office, scripted):
    """The driver may still pay what is owed, and the display shows it."""
    barcode = (await office.charge(await office.request()))["qris"]
    charge_id = await office.request(acquirer=scripted(answers(SILENT)))
    told = {
        "responseCode": "2005100",
        "latestTransactionStatus": "00",
        "originalReferenceNo": "A9",
        "amount": rupiah(CAR_RP + 1),
        "additionalInfo": {"rrn": "A1", "qrContent": barcode},
    }
    await office.inquire(charge_id, acquirer=scripted(answers(told)))
    charge = await office.charge(charge_id)
    assert (charge["state"], charge["money_flag"]) == ("issued", "over")
    assert (charge["qris"], charge["acquirer_reference"]) == (barcode, "A9")


async def test_expiry_and_payment_end_in_paid_or_in_expired_with_late_money(office, scripted):
    """From two seconds before to two after, whichever is first: never both, never neither."""
    now = datetime.now(UTC)
    expires = now + LIFETIME
    unpaid = scripted(answers(UNPAID))
    ends: list[tuple[str, str]] = []
    for half_seconds in range(-4, 5):
        paid = expires + timedelta(seconds=half_seconds / 2)
        charge_id = await office.request(now=now)
        happenings = [
            (paid, lambda at, c=charge_id: office.tell(c, now=at)),
            (expires, lambda at, c=charge_id: office.inquire(c, now=at, acquirer=unpaid)),
        ]
        for moment, happen in sorted(happenings, key=lambda happening: happening[0]):
            await happen(moment)
        charge = await office.charge(charge_id)
        ends.append((charge["state"], charge["money_flag"]))
    assert ends == [("paid", "exact")] * 5 + [("expired", "late")] * 4
    assert await office.count("money") == 9
    assert await office.count("receipts") == 5
    assert await office.count("cases") == 4


async def test_expiry_and_payment_at_the_same_moment_never_both_win(office, scripted):
    now = datetime.now(UTC)
    expires, unpaid = now + LIFETIME, scripted(answers(UNPAID))
    charges = [await office.request(now=now) for _ in range(8)]
    for charge_id in charges:
        await asyncio.gather(
            office.inquire(charge_id, now=expires, acquirer=unpaid),
            office.tell(charge_id, now=expires),
            office.inquire(charge_id, now=expires, acquirer=unpaid),
            office.tell(charge_id, now=expires),
        )
    ended = [await office.charge(charge_id) for charge_id in charges]
    ends = Counter((charge["state"], charge["money_flag"]) for charge in ended)
    assert set(ends) <= {("paid", "exact"), ("expired", "late")}
    assert await office.count("money") == 8
    assert await office.count("receipts") == ends["paid", "exact"]
    assert await office.count("cases") == ends["expired", "late"]


async def test_an_expired_charge_is_still_asked_about_and_late_money_found(office, sandbox):
    now = datetime.now(UTC)
    charge_id = await office.request(now=now, lifetime=timedelta(minutes=2))
    expires = now + timedelta(minutes=2)
    qris = (await office.charge(charge_id))["qris"]
    await office.inquire(charge_id, now=expires)
    charge = await office.charge(charge_id)
    assert charge["state"] == "expired"
    assert charge["next_inquiry_at"] > expires

    await sandbox.pay(qris)  # by its own clock the acquirer still takes it
    await office.inquire(charge_id, now=charge["next_inquiry_at"])
    charge = await office.charge(charge_id)
    assert (charge["state"], charge["money_flag"]) == ("expired", "late")
    assert await office.rows("SELECT kind, state FROM cases") == [{"kind": "late", "state": "open"}]

    moment = charge["next_inquiry_at"]
    while moment is not None:
        await office.inquire(charge_id, now=moment)
        moment = (await office.charge(charge_id))["next_inquiry_at"]
    assert await office.count("money") == 1


async def test_one_payment_told_for_two_charges_does_not_stop_the_asking(office, scripted):
    first, second = await office.request(), await office.request()
    same = scripted(answers(paid_at(datetime.now(UTC)) | {"originalReferenceNo": "77"}))
    for charge_id in (first, second):
        await office.inquire(charge_id, acquirer=same)
    assert (await office.charge(first))["state"] == "paid"
    assert (await office.charge(second))["state"] == "issued"
    assert await office.count("inquiries") == 2
    assert await office.count("money") == 1


async def test_no_worker_waits_for_what_another_is_claiming(office):
    for _ in range(4):
        await office.request()
    later = datetime.now(UTC) + timedelta(seconds=3)
    async with office.transactions.begin() as db, office.transactions.begin() as other:
        async with asyncio.timeout(30):
            first = await queries.due_references(db, later, limit=2)
            second = await queries.due_references(other, later, limit=2)
    assert len({*first, *second}) == 4


async def test_an_inquiry_about_an_unknown_reference_changes_nothing(office, api):
    await office.inquire(new_id())
    assert await office.count("inquiries") == 0


async def test_due_charges_are_claimed_by_one_worker_each(office):
    charges = [await office.request() for _ in range(12)]
    later = datetime.now(UTC) + timedelta(seconds=3)

    async def claim() -> list[str]:
        async with office.transactions.begin() as db:
            return [reference for _, reference in await queries.due_references(db, later, limit=5)]

    claimed = await asyncio.gather(*(claim() for _ in range(4)))
    assert all(len(batch) <= 5 for batch in claimed)
    references = [reference for batch in claimed for reference in batch]
    assert len(references) == len(set(references))
    for _ in range(12):
        references += await claim()
    assert sorted(references) == sorted(charge_id.hex for charge_id in charges)
    async with office.transactions.begin() as db:
        again = await queries.due_references(db, later + queries.CLAIM, limit=100)
    assert len(again) == 12, "a worker that died with its claim is replaced"
