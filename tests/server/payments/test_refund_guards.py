"""What the database refuses of refunds and cases, and who notices once a guard is gone.

Each guard is dropped and the damage done inside one transaction, which is then rolled back.
"""

import asyncpg
import pytest

from domain.payment import CaseOutcome, RefundMethod
from server import verify
from server.database import plain_url
from tests.server.payments.conftest import CAR_RP
from tests.server.payments.refunding import Desk

COLUMNS = (
    "charge_id, money_id, reason, explanation, method, state, from_suspense, requested_by,"
    " requested_at, acquirer"
)
ONE_MORE = (
    "INSERT INTO refunds (id, number, series, sequence, reference, amount_rp, " + COLUMNS + ")"
    " SELECT gen_random_uuid(), 'x', series, 99, 'x', {amount_rp}, charge_id, money_id, reason,"
    " explanation, method, {state}, false, requested_by, requested_at, acquirer"
    " FROM refunds WHERE {which} LIMIT 1"
)
DONE = "state = 'done' AND method = '{}'"
WHOLE = f"amount_rp = {CAR_RP} AND " + DONE.format("acquirer")

GUARDS = {
    "refunds of more than came": (
        "KA020",
        "DROP TRIGGER refunds_within_money ON refunds",
        ONE_MORE.format(amount_rp=1, state="'requested'", which=WHOLE),
        "I12-refunds-within-money",
    ),
    "two refunds of one arrival at a time": (
        "uq_refunds_undecided",
        "DROP INDEX uq_refunds_undecided",
        ONE_MORE.format(amount_rp=1, state="'requested'", which="state = 'requested'"),
        "I12-one-refund-at-a-time",
    ),
    "a refund decided by who asked for it": (
        "ck_refunds_maker_checker",
        "ALTER TABLE refunds DROP CONSTRAINT ck_refunds_maker_checker",
        "UPDATE refunds SET decided_by = requested_by WHERE state = 'done'",
        "I12-maker-is-not-checker",
    ),
    "a case decided by who proposed it": (
        "ck_cases_maker_checker",
        "ALTER TABLE cases DROP CONSTRAINT ck_cases_maker_checker",
        "UPDATE cases SET decided_by = proposed_by WHERE outcome = 'recognised'",
        "I12-maker-is-not-checker",
    ),
    "a case closed by nobody": (
        "ck_cases_decided",
        "ALTER TABLE cases DROP CONSTRAINT ck_cases_decided",
        "UPDATE cases SET decided_by = NULL WHERE outcome = 'recognised'",
        "I12-maker-is-not-checker",
    ),
    "a case matched by nobody": (
        "ck_cases_decided",
        "ALTER TABLE cases DROP CONSTRAINT ck_cases_decided",
        "UPDATE cases SET outcome = 'matched', posted_as = 'matched', pays = 'x',"
        " proposed_outcome = 'matched', decided_by = NULL WHERE outcome = 'recognised'",
        "I12-maker-is-not-checker",
    ),
    "a case recognised without an entry": (
        "ck_cases_entry",
        "ALTER TABLE cases DROP CONSTRAINT ck_cases_entry",
        "UPDATE cases SET state = 'closed', closed_at = now(), outcome = 'recognised',"
        " proposed_outcome = 'recognised',"
        " proposed_by = (SELECT id FROM officers ORDER BY id LIMIT 1),"
        " decided_by = (SELECT id FROM officers ORDER BY id DESC LIMIT 1) WHERE state = 'open'",
        "I6-suspense-is-its-cases",
    ),
    "one refund of the acquirer for two of ours": (
        "uq_refunds_acquirer_acquirer_refund_number",
        "ALTER TABLE refunds DROP CONSTRAINT uq_refunds_acquirer_acquirer_refund_number",
        "UPDATE refunds SET acquirer_refund_number = 'R1' WHERE " + DONE.format("acquirer"),
        "I12-one-acquirer-refund",
    ),
    "a refund made without evidence": (
        "ck_refunds_evidence",
        "ALTER TABLE refunds DROP CONSTRAINT ck_refunds_evidence",
        "UPDATE refunds SET acquirer_refund_number = NULL WHERE " + DONE.format("acquirer"),
        "I12-refunds-done-are-proved",
    ),
    "a transfer without proof": (
        "ck_refunds_evidence",
        "ALTER TABLE refunds DROP CONSTRAINT ck_refunds_evidence",
        "UPDATE refunds SET proof_id = NULL WHERE " + DONE.format("transfer"),
        "I12-refunds-done-are-proved",
    ),
    "a proof of refund torn up": (
        "KA001",
        "DROP TRIGGER refund_receipts_insert_only ON refund_receipts",
        "DELETE FROM refund_receipts",
        "I12-refunds-done-are-proved",
    ),
    "a refund made and called under way": (
        "KA003",
        "DROP TRIGGER refunds_only_edges ON refunds",
        "UPDATE refunds SET state = 'sending', done_entry_id = NULL WHERE " + WHOLE,
        "I12-refunds-are-posted",
    ),
    "a refund refused, and nobody told": (
        "KA003",
        "DROP TRIGGER refunds_only_edges ON refunds",
        "UPDATE refunds SET state = 'refused', done_entry_id = NULL,"
        " reversal_entry_id = due_entry_id WHERE " + WHOLE,
        "I12-no-refund-is-dropped",
    ),
    "a transfer that left the bank, and refused": (
        "KA003",
        "DROP TRIGGER refunds_only_edges ON refunds",
        "UPDATE refunds SET state = 'refused', done_entry_id = NULL,"
        " reversal_entry_id = due_entry_id, statement_line_id = gen_random_uuid() WHERE "
        + DONE.format("transfer"),
        "I12-transferred-is-not-refused",
    ),
    "a refund approved without its posting": (
        "ck_refunds_entries",
        "ALTER TABLE refunds DROP CONSTRAINT ck_refunds_entries",
        "UPDATE refunds SET state = 'transfer_due', decided_at = now(),"
        " decided_by = (SELECT id FROM officers WHERE id <> requested_by LIMIT 1)"
        " WHERE state = 'requested'",
        "I12-refunds-are-posted",
    ),
    "a refund renumbered": (
        "KA004",
        "DROP TRIGGER refunds_never_changes ON refunds",
        "UPDATE refunds SET sequence = 99 WHERE sequence = 1",
        "I3-series-without-gaps",
    ),
    "a case of another amount than is held": (
        "KA004",
        "DROP TRIGGER cases_never_changes ON cases",
        "UPDATE cases SET amount_rp = amount_rp + 1 WHERE state = 'open'",
        "I6-suspense-is-its-cases",
    ),
    "a case closed while money is held": (
        "ck_cases_closed",
        "ALTER TABLE cases DROP CONSTRAINT ck_cases_closed",
        "UPDATE cases SET state = 'closed' WHERE state = 'open'",
        "I6-suspense-is-its-cases",
    ),
    "a refund that was never asked for": (
        "KA003",
        "DROP TRIGGER refunds_first_state ON refunds;"
        " ALTER TABLE refunds DROP CONSTRAINT ck_refunds_decided,"
        " DROP CONSTRAINT ck_refunds_entries",
        ONE_MORE.format(amount_rp=1, state="'sending'", which=WHOLE),
        "I3-series-without-gaps",
    ),
    "a case closed and proposed again": (
        "KA003",
        "DROP TRIGGER cases_only_edges ON cases",
        "UPDATE cases SET state = 'proposed', outcome = NULL, closed_at = NULL, entry_id = NULL,"
        " posted_as = NULL"
        " WHERE outcome = 'recognised'",
        "I6-suspense-is-its-cases",
    ),
    "a case that was never open": (
        "KA003",
        "DROP TRIGGER cases_first_state ON cases;"
        " ALTER TABLE cases DROP CONSTRAINT ck_cases_closed",
        "INSERT INTO cases (id, kind, refund_id, amount_rp, owner, opened_at, state)"
        " SELECT gen_random_uuid(), 'x', id, 1, 'x', now(), 'closed' FROM refunds LIMIT 1",
        "I0-guards-stand",
    ),
} | {
    f"a row gone from {table}": (
        "KA001",
        f"DROP TRIGGER {table}_insert_only ON {table}",
        f"DELETE FROM {table}",
        "I0-guards-stand",
    )
    for table in ("case_changes", "refund_changes", "refund_proofs")
}


@pytest.fixture
async def desk(office, sandbox, owner_url) -> Desk:
    """Refunds done whole, in part and by transfer, one asked for; cases open and recognised."""
    desk = await Desk.at(office, sandbox, owner_url)
    for amount_rp, method in ((CAR_RP, "acquirer"), (1_000, "acquirer"), (CAR_RP, "transfer")):
        (money,) = await desk.money(await desk.paid())
        refund_id = await desk.ask(money["id"], amount_rp, method=RefundMethod(method))
        await desk.approve(refund_id)
        if method == "transfer":
            await desk.transfer(refund_id)
    (money,) = await desk.money(await desk.paid())
    await desk.ask(money["id"], 1_000)
    await desk.late()
    case = await desk.case("late")
    await desk.propose(case["id"], CaseOutcome.RECOGNISED)
    await desk.decide(case["id"])
    await desk.late()
    return desk


async def test_each_damage_is_refused_and_noticed_where_its_guard_is_gone(desk, owner_url):
    found = {i.name: i.sql.replace("{rows}", "true") for i in verify.INVARIANTS}
    connection = await asyncpg.connect(plain_url(owner_url))
    try:
        for name, (guard, drop, damage, invariant) in GUARDS.items():
            assert await connection.fetch(found[invariant]) == [], name
            with pytest.raises(asyncpg.PostgresError) as refused:
                await connection.execute(damage)
            told = (refused.value.sqlstate, getattr(refused.value, "constraint_name", None))
            assert guard in told, f"{name}: {told}"
            undo = connection.transaction()
            await undo.start()
            await connection.execute(drop)
            await connection.execute("SET LOCAL session_replication_role = replica")
            done = await connection.execute(damage)
            assert not done.endswith(" 0"), f"{name}: damaged nothing"
            assert await connection.fetch(found[invariant]), f"{name}: not noticed"
            await undo.rollback()
    finally:
        await connection.close()
