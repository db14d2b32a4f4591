"""Refunds: asked for by one, decided by another, never more than came, whatever answer is lost."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.payment import CaseOutcome, RefundMethod
from domain.receipt import RefundFacts
from server import verify
from server.casework.service import AlreadyDecided, OutcomeUnfit, SamePerson
from server.database import new_id
from server.identity.api_keys import Scope
from server.identity.service import RoleNotAllowed
from server.payments import pursuit, refund_queries, refunds
from server.payments.acquirer import AcquirerRefused
from server.payments.refunds import (
    MethodUnfit,
    ProofUnfit,
    RefundExceedsMoney,
    RefundLimits,
    RefundOverLimit,
    RefundUndecided,
    TransferDateUnfit,
)
from server.payments.returning import RefundNotFound
from server.payments.service import ChargeNotFound, IdempotencyConflict
from server.reconciliation import service as reconciliation
from server.reconciliation import transfers
from server.workdays import Workdays
from tests.server.payments.conftest import CAR_RP
from tests.server.payments.refunding import Desk
from tests.server.reconciliation.test_service import statement

TRANSFER = RefundMethod.TRANSFER


@pytest.fixture
async def desk(office, sandbox, owner_url) -> Desk:
    return await Desk.at(office, sandbox, owner_url)


async def test_a_payment_is_given_back_by_the_acquirer_from_start_to_end(desk, office):
    charge_id = await desk.paid()
    before = await desk.balances()
    (money,) = await desk.money(charge_id)
    refund_id = await desk.ask(money["id"], CAR_RP)
    assert (await office.charge(charge_id))["state"] == "paid"
    await desk.approve(refund_id)
    assert await desk.story(refund_id) == ["sending by verifikator", "done by acquirer"]
    why = await office.rows("SELECT why FROM refund_changes ORDER BY id")
    assert why[0] == {"why": "approved"}
    assert (await office.story(charge_id))[-2:] == [
        ("paid", "refund_pending", "verifikator"),
        ("refund_pending", "refunded", "acquirer"),
    ]
    after = await desk.balances()
    assert before["1120"] == CAR_RP
    assert after == {}, "money, earning, shares and claim are all back at nothing"
    refund = await desk.refund(refund_id)
    assert refund["number"].startswith(f"KEMBALI-{refund['requested_at'].year}-000001-")
    async with office.transactions.begin() as db:
        facts = await refund_queries.find_receipt(db, refund["number"].lower())
        told = await refund_queries.told_of(db, charge_id)
    assert facts is not None
    assert (facts.amount_rp, facts.paid_rp, facts.method) == (CAR_RP, CAR_RP, "acquirer")
    assert facts.original_number.startswith("PSR-")
    assert [(t.amount_rp, t.state) for t in told] == [(CAR_RP, "done")]
    assert RefundFacts.from_json(told[0].receipt) == facts
    assert await office.rows("SELECT type FROM outbox WHERE type = 'charge.refunded'")


async def test_parts_are_given_back_until_nothing_is_left(desk, office):
    charge_id = await desk.paid()
    (money,) = await desk.money(charge_id)
    for amount_rp in (1, 1, 2_998):  # of one rupiah, nobody's share is a whole one
        await desk.approve(await desk.ask(money["id"], amount_rp))
    with pytest.raises(RefundExceedsMoney, match=r"Rp1\.000"):
        await desk.ask(money["id"], 1_001)
    await desk.approve(await desk.ask(money["id"], 1_000))
    assert await desk.balances() == {}, "the parts take back exactly the shares that were given"
    assert (await office.charge(charge_id))["state"] == "refunded"
    assert len(await office.story(charge_id)) == 5, "only the first refund moves the charge"


async def test_programs_are_told_how_much_of_a_charge_went_back(desk, api, issue_key):
    await desk.paid()
    (money,) = await desk.money(await desk.paid())
    await desk.approve(await desk.ask(money["id"], 1_001))
    await desk.approve(await desk.ask(money["id"], 999))
    await desk.ask(money["id"], 1_000)
    listed = await api.get("/v1/charges", headers=await issue_key(Scope.CHARGES_READ))
    told = {charge["state"]: charge["refunded_rp"] for charge in listed.json()["items"]}
    assert told == {"paid": 0, "refunded": 2_000}
    shown = (await api.get(f"/v1/charges/{money['charge_id']}")).json()["refunds"]
    assert [back["receipt"]["amount_rp"] for back in shown] == [1_001, 999], "with their proofs"


async def test_what_is_asked_wrongly_is_refused_by_its_name(desk, office):
    charge_id = await desk.paid()
    (money,) = await desk.money(charge_id)
    limits, last = RefundLimits(1_000, 90), money["paid_at"] + timedelta(days=90)
    with pytest.raises(ChargeNotFound):
        await desk.ask(new_id(), 1_000)
    with pytest.raises(RefundExceedsMoney):
        await desk.ask(money["id"], CAR_RP + 1)
    with pytest.raises(RefundOverLimit):
        await desk.ask(money["id"], 1_001, limits=limits, now=last)
    with pytest.raises(RefundOverLimit):
        await desk.ask(money["id"], 1_000, limits=limits, now=last + timedelta(microseconds=1))
    with pytest.raises(RoleNotAllowed):
        await desk.ask(money["id"], 1_000, by=desk.checker)
    assert await office.count("refunds") == 0
    refund_id = await desk.ask(money["id"], 1_000, limits=limits, now=last)
    assert await desk.ask(money["id"], 1_000, refund_id=refund_id) == refund_id
    with pytest.raises(IdempotencyConflict):
        await desk.ask(money["id"], 2_000, refund_id=refund_id)
    with pytest.raises(RefundUndecided):
        await desk.ask(money["id"], 1_000)
    with pytest.raises(RoleNotAllowed):
        await desk.approve(refund_id, by=desk.maker)
    with pytest.raises(RefundNotFound):
        await desk.approve(new_id())
    await desk.reject(refund_id)
    with pytest.raises(AlreadyDecided):
        await desk.approve(refund_id)
    assert desk.line.asked == []
    assert (await office.charge(charge_id))["state"] == "paid"


@pytest.mark.parametrize(
    ("grants", "amount_rp", "fits"),
    [("none", CAR_RP, False), ("full", CAR_RP, True), ("full", 1_000, False)],
)
async def test_the_acquirer_is_asked_only_for_what_it_can(desk, grants, amount_rp, fits):
    from dataclasses import replace

    (money,) = await desk.money(await desk.paid())
    desk.line.real.profile = replace(desk.line.real.profile, refunds=grants)
    if fits:
        await desk.ask(money["id"], amount_rp)
    else:
        with pytest.raises(MethodUnfit):
            await desk.ask(money["id"], amount_rp)
        await desk.ask(money["id"], amount_rp, method=TRANSFER)


async def test_nobody_decides_what_he_asked_for_even_with_both_roles(desk, office):
    (money,) = await desk.money(await desk.paid())
    refund_id = await desk.ask(money["id"], CAR_RP)
    await desk.as_owner("UPDATE officers SET role = 'verifikator'")
    with pytest.raises(SamePerson):
        await desk.approve(refund_id, by=desk.maker)


async def test_a_refusal_is_undone_and_a_transfer_takes_its_place(desk, office):
    charge_id = await desk.paid()
    before = await desk.balances()
    (money,) = await desk.money(charge_id)
    desk.line.refuses = AcquirerRefused("4037801", "Feature Not Allowed")
    refused = await desk.ask(money["id"], CAR_RP)
    await desk.approve(refused)
    assert await desk.state(refused) == "refused"
    assert (await office.charge(charge_id))["state"] == "refund_refused"
    assert await desk.balances() == before
    case = await desk.case("refund-refused")
    assert (case["state"], case["owner"]) == ("open", "bendahara penerimaan")
    again = await desk.ask(money["id"], CAR_RP, method=TRANSFER)
    await desk.approve(again)
    assert await desk.state(again) == "transfer_due"
    assert (await desk.balances())["2110"] == -CAR_RP, "owed until it is transferred"
    await desk.transfer(again)
    assert await desk.state(again) == "done"
    assert await desk.balances() == {"1120": CAR_RP, "1160": -CAR_RP}
    assert (await desk.case("refund-refused"))["outcome"] == "refunded"
    assert (await office.charge(charge_id))["state"] == "refund_refused"


async def test_a_transfer_needs_its_proof_and_a_day_that_can_be(desk):
    (money,) = await desk.money(await desk.paid())
    refund_id = await desk.ask(money["id"], CAR_RP, method=TRANSFER)
    with pytest.raises(AlreadyDecided):
        await desk.transfer(refund_id)
    await desk.approve(refund_id)
    for proof in (b"", b"<html>", b"%PDF-" + b"x" * refunds.PROOF_BYTES):
        with pytest.raises(ProofUnfit):
            await desk.transfer(refund_id, proof=proof)
    for days in (-1, 1):
        with pytest.raises(TransferDateUnfit):
            await desk.transfer(refund_id, days=days)
    await desk.transfer(refund_id)
    at = (await desk.refund(refund_id))["refunded_at"].astimezone(desk.office.wired.books.timezone)
    assert (at.hour, at.date()) == (12, datetime.now(at.tzinfo).date()), "a bank tells but the day"
    with pytest.raises(AlreadyDecided):
        await desk.transfer(refund_id)


async def test_a_lost_answer_is_found_by_asking(desk, office):
    charge_id = await desk.paid()
    (money,) = await desk.money(charge_id)
    desk.line.loses = True
    refund_id = await desk.ask(money["id"], CAR_RP)
    await desk.approve(refund_id)
    assert await desk.state(refund_id) == "unknown"
    assert (await office.charge(charge_id))["state"] == "refund_unknown"
    await desk.pursue(refund_id, timedelta(seconds=30))
    assert await desk.state(refund_id) == "done"
    assert (await office.charge(charge_id))["state"] == "refunded"
    assert await desk.balances() == {}


async def test_a_slow_acquirer_is_not_taken_for_a_refusal(desk, office):
    """That it does not tell of a refund, people are told; the money waits until it is sure."""
    (money,) = await desk.money(await desk.paid())
    desk.line.mute = True
    refund_id = await desk.ask(money["id"], CAR_RP)
    await desk.approve(refund_id)
    for after, open_cases in ((20, 0), (119, 0), (899, 0), (901, 1), (5_000, 1), (200_000, 1)):
        await desk.pursue(refund_id, timedelta(seconds=after))
        assert await desk.state(refund_id) == "unknown", after
        assert await office.count("cases") == open_cases, after
    case = await desk.case("refund-unknown")
    assert (case["state"], case["amount_rp"]) == ("open", CAR_RP)
    assert case["owner"] == "bendahara penerimaan"
    with pytest.raises(RefundUndecided):
        await desk.ask(money["id"], CAR_RP, method=TRANSFER)
    await desk.make_after_all(refund_id)
    await desk.pursue(refund_id, timedelta(days=3))
    assert await desk.state(refund_id) == "done"
    assert await desk.balances() == {}
    assert (await desk.case("refund-unknown"))["outcome"] == "refunded"


async def test_two_people_may_say_that_a_refund_was_not_made(desk, office):
    charge_id = await desk.paid()
    before = await desk.balances()
    (money,) = await desk.money(charge_id)
    refund_id = await desk.in_doubt(money["id"])
    case = await desk.case("refund-unknown")
    with pytest.raises(OutcomeUnfit):
        await desk.propose(case["id"], CaseOutcome.KEPT)
    await desk.propose(case["id"], CaseOutcome.NOT_MADE)
    assert await desk.state(refund_id) == "unknown"
    await desk.decide(case["id"])
    assert (await desk.case("refund-unknown"))["outcome"] == "not_made"
    assert (await desk.story(refund_id))[-1] == "refused by verifikator"
    assert (await office.charge(charge_id))["state"] == "refund_refused"
    assert await desk.balances() == before
    assert (await desk.case("refund-refused"))["state"] == "open", "the payer still waits"


async def test_an_acquirer_that_tells_another_amount_is_not_believed(desk, office):
    (money,) = await desk.money(await desk.paid())
    refund_id = await desk.in_doubt(money["id"], told_rp=CAR_RP - 1)
    await desk.pursue(refund_id, timedelta(days=3))
    assert await desk.state(refund_id) == "unknown"
    assert (await desk.case("refund-differs"))["amount_rp"] == CAR_RP
    assert await office.count("cases") == 1


async def test_an_acquirer_that_does_not_tell_refunds_decides_nothing(desk, office):
    (money,) = await desk.money(await desk.paid())
    desk.line.loses, desk.line.tells = True, False
    refund_id = await desk.ask(money["id"], CAR_RP)
    await desk.approve(refund_id)
    steps = [sum(pursuit.STEPS_S[: n + 1]) for n in range(len(pursuit.STEPS_S))]
    for after in steps:
        row = await desk.refund(refund_id)
        assert row["next_inquiry_at"] == row["decided_at"] + timedelta(seconds=after)
        assert await office.count("cases") == 0
        await desk.pursue(refund_id, timedelta(seconds=after))
        assert await desk.state(refund_id) == "unknown"
    assert (await desk.refund(refund_id))["next_inquiry_at"] is None
    assert (await desk.case("refund-unknown"))["state"] == "open", "asking is over: people must"


async def test_a_transfer_that_cannot_be_made_is_withdrawn(desk, office):
    """The office does not know the account of who paid by QRIS, and may never learn it."""
    charge_id = await desk.paid()
    before = await desk.balances()
    (money,) = await desk.money(charge_id)
    refund_id = await desk.ask(money["id"], CAR_RP, method=TRANSFER)
    with pytest.raises(AlreadyDecided):
        await desk.withdraw(refund_id)
    await desk.approve(refund_id)
    with pytest.raises(RoleNotAllowed):
        await desk.withdraw(refund_id, by=desk.maker)
    await desk.withdraw(refund_id)
    assert (await desk.story(refund_id))[-1] == "refused by verifikator"
    assert (await office.charge(charge_id))["state"] == "refund_refused"
    assert await desk.balances() == before
    assert (await desk.case("refund-refused"))["state"] == "open"
    with pytest.raises(AlreadyDecided):
        await desk.transfer(refund_id)


async def test_a_transfer_told_made_that_never_left_the_account_is_a_case_until_it_does(
    desk, office
):
    """Any PDF is proof enough to record it; the bank's statement alone shows that it left."""
    (money,) = await desk.money(await desk.paid())
    refund_id = await desk.ask(money["id"], CAR_RP, method=TRANSFER)
    await desk.approve(refund_id)
    await desk.transfer(refund_id)
    refund = await desk.refund(refund_id)
    books, on = office.wired.books, refund["transferred_on"]

    async def told(days: int) -> list[tuple[str, int, bool]]:
        now = datetime.now(UTC) + timedelta(days=days)
        async with office.transactions.begin() as db:
            await transfers.open_overdue(db, Workdays({}), 1, books, now)
            cases = await transfers.of_refund(db, refund_id)
            return [
                (one.detail, one.amount_rp, await transfers.is_mended(db, one.id)) for one in cases
            ]

    assert await told(0) == []
    assert await told(40) == [("refund-not-seen", CAR_RP, False)]
    content = statement(on, (-CAR_RP, refund["number"])).replace(b"C-", b"D")
    content = content.replace(b"IDR0,00", f"IDR{CAR_RP},00".encode(), 1)
    content = content.replace(f"IDR-{CAR_RP},00".encode(), b"IDR0,00")
    async with office.transactions.begin() as db:
        await reconciliation.import_statement(
            db, "koran.sta", content, books, now=datetime.now(UTC)
        )
    assert await told(41) == [("refund-not-seen", CAR_RP, True)]
    async with office.transactions.begin() as db:
        assert {name: rows for name, rows in (await verify.broken(db)).items() if rows} == {}


async def test_a_due_refund_is_claimed_once(desk, office):
    (money,) = await desk.money(await desk.paid())
    desk.line.loses = True
    refund_id = await desk.ask(money["id"], CAR_RP)
    await desk.approve(refund_id)
    soon = datetime.now(UTC) + timedelta(seconds=3)
    async with office.transactions.begin() as db, office.transactions.begin() as other:
        assert list(await pursuit.due(db, soon, 10)) == [refund_id]
        assert list(await pursuit.due(other, soon, 10)) == []
    async with office.transactions.begin() as db:
        assert list(await pursuit.due(db, soon, 10)) == []


async def test_late_money_goes_back_out_of_suspense_and_closes_its_case(desk, office):
    money = await desk.late()
    assert money["flag"] == "late"
    part = await desk.ask(money["id"], 1_000, method=TRANSFER)
    case = await desk.case("late")
    with pytest.raises(OutcomeUnfit, match="under way"):
        await desk.propose(case["id"], CaseOutcome.RECOGNISED, "PSR")
    await desk.approve(part)
    assert (await desk.balances())["2190"] == -3_000
    await desk.transfer(part)
    case = await desk.case("late")
    assert case["state"] == "open"
    with pytest.raises(OutcomeUnfit):
        await desk.propose(case["id"], CaseOutcome.KEPT)
    rest = await desk.ask(money["id"], 3_000, method=TRANSFER)
    await desk.approve(rest)
    with pytest.raises(OutcomeUnfit):
        await desk.propose(case["id"], CaseOutcome.RECOGNISED)
    await desk.transfer(rest)
    case = await desk.case("late")
    assert (case["state"], case["outcome"]) == ("closed", "refunded")
    assert (await desk.balances()) == {"1120": CAR_RP, "1160": -CAR_RP}
    assert (await office.charge(money["charge_id"]))["state"] == "expired"
