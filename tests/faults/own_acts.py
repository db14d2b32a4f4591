"""Every act that takes two officers, proposed by one, for others and himself to try to decide it.

Some are proposed as the office does it; where that road is long, their rows are written.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.proof import Seal
from server.casework.models import CaseKind
from server.database import new_id
from server.identity import devices, units
from server.identity import service as identity
from server.identity.models import ROOT, Officer, Role
from server.identity.units import Draft
from server.office import settling
from server.payments import choices
from server.payments.books import Books
from server.payments.choices import Wish
from server.payments.vouchers import Issue
from server.reconciliation import payouts
from server.reconciliation.payouts import ToldAccount
from server.settings import Settings
from server.spots import units as moves
from tests.faults.handheld_stage import officers
from tests.faults.stage import Stage
from tests.server.deciding import TWO_OFFICERS
from tests.server.handhelds import Handheld
from tests.server.office.test_casework import sign_case
from tests.server.office.test_units import ELSEWHERE
from tests.server.payments import voucher_officers
from tests.server.reconciliation.paying import KEY
from tests.server.spots import test_proposals as tariffs


@dataclass(frozen=True)
class Act:
    """`what` it is, as the database names it: a table, and its kind where there are several."""

    what: str
    where: str
    refused: str
    form: dict[str, str] = field(default_factory=lambda: {"decision": "approve"})


WHAT_THERE_IS = rf"""
    WITH guarded AS (SELECT * FROM ({TWO_OFFICERS}) t (name)), checks AS (
        SELECT conrelid::regclass::text AS name, conname, pg_get_constraintdef(oid) AS said
        FROM pg_constraint WHERE contype = 'c'
    ), kinds AS (
        SELECT name, (regexp_matches(said, '''([a-z-]+)''', 'g'))[1] AS kind
        FROM checks WHERE conname ~ '_(kind|act)$'
        UNION SELECT name, substring(said FROM '(\w+)_by <>') FROM checks
        WHERE conname LIKE 'ck_day_closes_%maker_checker'
        UNION SELECT name, (regexp_matches(said, '\w+_id', 'g'))[1]
        FROM checks WHERE conname = 'ck_unit_moves_subject'
    )
    SELECT name || coalesce(' ' || kind, '') FROM guarded LEFT JOIN kinds USING (name)
"""
WITHOUT_STEPS = {f"case_steps {kind}" for kind in ("suspense", "refund", "complaint")}
"""These have tables of their own, which are guarded too."""

_CASE = """INSERT INTO case_steps
    (kind, case_id, number, at, event, state_before, state_after, officer_id, outcome, why)
    VALUES ('{}', :id, 1, now(), 'proposed', 'open', 'proposed', :me, {}, 'uji')"""
_SPOT = "(SELECT id FROM spots ORDER BY code LIMIT 1)"
_DIFFERENCE = """INSERT INTO discrepancies (id, kind, subject, business_day, difference_rp, details,
    owner, opened_at, state) VALUES (:id, 'not-settled', {}, '2020-01-01', 700,
    jsonb_build_object('ours_rp', -700, 'theirs_rp', 0), 'uji', now(), 'open')"""
_DAY = """INSERT INTO day_closes
    (id, day, number, state, snapshot, sha256, note, prepared_by, prepared_at)
    VALUES (:id, '{}', 1, 'prepared', '{{}}', '\\x00', '', {}, now())"""
_ATTENDANT = """INSERT INTO attendants (id, code, name, failed_tries, state)
    VALUES (:id, '{}', 'Uji', 0, '{}')"""
_ASKED = """INSERT INTO attendant_requests (id, attendant_id, proposed_by, proposed_at, why, name)
    VALUES (:id, :id, :me, now(), 'uji', {})"""
_MOVED = """INSERT INTO unit_moves (id, {}, to_id, proposed_by, proposed_at, why)
    VALUES (:id, :id, '00000000-0000-0000-0000-000000000000', :me, now(), 'uji')"""
_SUSPENSE = """INSERT INTO cases (id, kind, money_id, amount_rp, owner, opened_at, state)
    SELECT :id, 'uji', m.id, 1, 'uji', now(), 'open' FROM money m
    WHERE NOT EXISTS (SELECT FROM cases c WHERE c.money_id = m.id) LIMIT 1;
    UPDATE cases SET state = 'proposed', proposed_outcome = '{}', proposed_by = :me,
    proposed_at = now(), reason = 'uji', pays = {} WHERE id = :id"""
_NUMBERED = """INSERT INTO receipt_series (series, last) VALUES ('UJI', 1) ON CONFLICT DO NOTHING;
    INSERT INTO {} (id, number, series, sequence, {}amount_rp, state, prepared_by, prepared_at, why)
    VALUES (:id, '{}', 'UJI', 1, {}1000, 'prepared', :me, now(), '')"""
_RULE = """INSERT INTO rule_proposals
    (id, kind, body, reason, state, proposed_by, proposed_at, why) VALUES (:id, '{0}',
    jsonb_build_object('kind', '{0}'), 'uji', 'requested', :me, now(), '')"""
_OTHER = "(SELECT id FROM officers WHERE login = 'verifikator')"
APPROVE, ACCEPT = {"decision": "approve"}, {"decision": "accept"}
_ATTENDANTS = "/office/attendants/decisions"
_OWN_VOUCHERS = ("/office/vouchers/proposals/{id}/decision", "own-voucher-proposal")

WRITTEN: tuple[tuple[str, str, str, str, dict[str, str]], ...] = (
    ("voucher_proposals issue", """INSERT INTO voucher_proposals (id, act, seller, count, value_rp,
        valid_until, reason, state, proposed_by, proposed_at, why) VALUES
        (:id, 'issue', 'Uji', 1, 1000, '2098-01-01', 'uji', 'requested', :me, now(), '')""",
     *_OWN_VOUCHERS, APPROVE),
    ("voucher_proposals void", """INSERT INTO voucher_proposals (id, act, batch, first_number,
        last_number, reason, state, proposed_by, proposed_at, why) SELECT
        :id, 'void', number, 1, 1, 'uji', 'requested', :me, now(), '' FROM voucher_batches""",
     *_OWN_VOUCHERS, APPROVE),
    ("settlement_corrections", """INSERT INTO settlement_corrections (id, acquirer, mapping, name,
        sha256, content, lines, reason, state, asked_by, asked_at, why) VALUES (:id, 'sandbox', '',
        'uji.csv', '\\x00', '\\x00', '[]', 'uji', 'requested', :me, now(), '')""",
     "/office/corrections/{id}/decision", "own-correction", APPROVE),
    ("payout_runs", _NUMBERED.format("payout_runs", "until, ", "PB-UJI", "'2020-01-01', "),
     "/office/payouts/{id}/decision", "own-payout", APPROVE),
    ("remittances", _NUMBERED.format("remittances", "", "STS-UJI", ""),
     "/office/deposits/{id}/decision", "own-remittance", APPROVE),
    ("day_closes prepared", _DAY.format("2020-01-01", ":me"),
     "/office/days/2020-01-01/decision", "own-close", {"number": "1", "decision": "lock"}),
    ("day_closes reopening", f"""{_DAY.format("2020-01-02", _OTHER)};
        UPDATE day_closes SET state = 'locked', decided_at = now(),
            decided_by = (SELECT id FROM officers WHERE login = 'bendahara') WHERE id = :id;
        UPDATE day_closes SET state = 'reopening', reopening_by = :me WHERE id = :id""",
     "/office/days/2020-01-02/reopening/decision", "own-close",
     {"number": "1", "decision": "agree"}),
    ("cases", _SUSPENSE.format("recognised", "NULL"),
     "/office/cases/{id}/decision", "same-person", ACCEPT),
    # What it was matched with is looked at before, where it is accepted.
    ("cases", _SUSPENSE.format("matched", "'uji'"),
     "/office/cases/{id}/decision", "same-person", {"decision": "decline"}),
    ("complaint_changes", f"""INSERT INTO complaints
        (id, number, kind, spot_id, owner, opened_at, due_on, state)
        VALUES (:id, 'P-UJI-2', 'overcharged', {_SPOT}, 'uji', now(), '2026-01-01', 'open');
        UPDATE complaints SET state = 'answered', answer = 'uji' WHERE id = :id;
        INSERT INTO complaint_changes
        (id, complaint_id, changed_at, state_before, state_after, who, why) SELECT
        :id, :id, now(), 'open', 'answered', login, 'uji' FROM officers WHERE id = :me""",
     "/office/complaints/{id}/answer", "complaint-needs-second-officer",
     {"words": "uji", "outcome": "upheld"}),
    ("officer_requests", f"""INSERT INTO officer_requests
        (id, officer_id, role, reset, proposed_by, proposed_at, why)
        VALUES (:id, {_OTHER}, 'admin', false, :me, now(), 'uji')""",
     "/office/officers/{id}/requests/{id}/decision", "own-rights", APPROVE),
    ("officer_requests", f"""INSERT INTO officer_requests
        (id, officer_id, role, reset, proposed_by, proposed_at, why)
        VALUES (:id, :me, 'admin', false, {_OTHER}, now(), 'uji')""",
     "/office/officers/{id}/requests/{id}/decision", "own-rights", APPROVE),
    ("attendant_requests", f"{_ATTENDANT.format('JP-U5', 'requested')}; {_ASKED.format('NULL')}",
     _ATTENDANTS, "own-attendant-request", APPROVE | {"attendant": "{id}"}),
    ("attendant_requests", f"""{_ATTENDANT.format("JP-U6", "requested")};
        UPDATE attendants SET state = 'active' WHERE id = :id; {_ASKED.format("'Uji Baru'")}""",
     _ATTENDANTS, "own-attendant-request", APPROVE | {"attendant": "{id}"}),
    ("attendant_requests", f"""{_ATTENDANT.format("JP-U7", "requested")};
        UPDATE attendants SET state = 'active' WHERE id = :id;
        UPDATE attendants SET state = 'stopped' WHERE id = :id; {_ASKED.format("NULL")}""",
     _ATTENDANTS, "own-attendant-request", APPROVE | {"attendant": "{id}"}),
    ("unit_moves attendant_id",
     f"{_ATTENDANT.format('JP-U8', 'requested')}; {_MOVED.format('attendant_id')}",
     "/office/attendants/{id}/moves/{id}/decision", "own-unit-move", APPROVE),
    ("unit_moves unit_id", f"""INSERT INTO units (id, parent_id, code, name)
        VALUES (:id, '{ROOT}', 'UPT-UJI', 'Uji'); {_MOVED.format("unit_id")}""",
     "/office/units/moves/{id}/decision", "own-unit-move", APPROVE),
    ("case_steps discrepancy", f"""{_DIFFERENCE.format("'UJI-1'")};
        {_CASE.format("discrepancy", "'accepted'")};
        UPDATE discrepancies SET state = 'proposed' WHERE id = :id""",
     "/office/casework/discrepancy/{id}/decision", "same-person", ACCEPT),
    ("case_steps claim", f"""{_DIFFERENCE.format("'UJI-2'")};
        INSERT INTO fee_claims (id, discrepancy_id, entry_id, amount_rp, owner, opened_at, state)
        SELECT :id, :id, id, 700, 'uji', now(), 'open' FROM ledger_entries LIMIT 1;
        {_CASE.format("claim", "'refused'")};
        UPDATE fee_claims SET state = 'proposed' WHERE id = :id""",
     "/office/casework/claim/{id}/decision", "same-person", ACCEPT),
    ("case_steps unended", f"""INSERT INTO parking_sessions
        (id, spot_id, vehicle_class, exclusive, state, started_at)
        VALUES (:id, {_SPOT}, 'motorcycle', false, 'open', now());
        INSERT INTO unended_stays VALUES (:id, 2000, 'uji', now());
        {_CASE.format("unended", "NULL")}""",
     "/office/casework/unended/{id}/decision", "same-person", ACCEPT),
    ("case_steps count", f"""INSERT INTO shifts
        (id, device_id, attendant_id, token_hash, opened_at, expires_at)
        SELECT :id, device_id, attendant_id, uuid_send(:id), now(), now() FROM shifts LIMIT 1;
        INSERT INTO shift_closings (shift_id, closed_at, expected_rp, forced_by, why)
        VALUES (:id, now(), 0, :me, 'uji');
        INSERT INTO shift_differences VALUES (:id, 700, 'uji', now());
        {_CASE.format("count", "NULL")}""",
     "/office/casework/count/{id}/decision", "same-person", ACCEPT),
    ("case_steps quarantine", f"""INSERT INTO quarantine_cases (id, device_id, owner, opened_at)
        SELECT :id, id, 'uji', now() FROM devices LIMIT 1;
        {_CASE.format("quarantine", "'booked'")}""",
     "/office/casework/quarantine/{id}/decision", "same-person", ACCEPT),
    ("case_steps transfer", f"""INSERT INTO transfer_cases
        (id, detail, remittance_id, amount_rp, owner, opened_at)
        SELECT :id, 'sts-not-seen', id, 1000, 'uji', now() FROM remittances LIMIT 1;
        {_CASE.format("transfer", "NULL")}""",
     "/office/casework/transfer/{id}/decision", "same-person", ACCEPT),
)  # fmt: skip
"""What it is, how it comes to be proposed by :me, where it is decided, and how that is refused."""


async def proposed(stage: Stage, login: str) -> list[Act]:
    """Of each kind that two decide, one of this officer's."""
    acts = await _by_the_office(stage, login)
    async with officers(stage) as transactions, transactions.begin() as db:
        me = await identity.officer_named(db, login)
        await db.execute(update(Officer).where(Officer.id == me).values(role=Role.BENDAHARA))
        for what, statements, where, refused, form in WRITTEN:
            acts.append(_act(await _write(db, statements, me), what, where, refused, form))
        for what in await db.scalars(text(WHAT_THERE_IS)):
            table, _, kind = what.partition(" ")
            if table == "rule_proposals":
                rule = _RULE.format(kind)
                told = ("/office/rules/proposals/{id}/decision", "own-rule-proposal", APPROVE)
                acts.append(_act(await _write(db, rule, me), what, *told))
    return acts


def _act(made: UUID, what: str, where: str, refused: str, form: dict[str, str]) -> Act:
    filled = {name: value.format(id=made) for name, value in form.items()}
    return Act(what, where.format(id=made), refused, filled)


async def _write(db: AsyncSession, statements: str, me: UUID) -> UUID:
    made = new_id()
    for statement in statements.split(";"):
        told = text(statement)
        named = told.compile().params
        await db.execute(told, {k: v for k, v in {"id": made, "me": me}.items() if k in named})
    return made


async def _by_the_office(stage: Stage, login: str) -> list[Act]:
    now, known = datetime.now(UTC), ("sandbox",)
    async with officers(stage) as transactions:
        tariff = await tariffs.propose(transactions, login=login)
        event = {"zone": ELSEWHERE, "first": date(2027, 1, 2), "draft": tariffs.MARKET}
        market = await tariffs.propose(transactions, login=login, **event)
        case = await sign_case(transactions, now)
        batch = Issue("Uji", 1, 1_000, None, date(2098, 1, 1))
        books = replace(Books.of(Settings()), seal=Seal(Ed25519PrivateKey.generate()))
        await voucher_officers.issued(transactions, books, batch, now)
        handheld = Handheld()
        async with transactions.begin() as db:
            me = await identity.officer_named(db, login)
            told = ToldAccount("2130", "Karang Taruna (sampel)", "Bank", "Uji", "000001")
            await payouts.record_account(db, me, told, KEY, now=now)
            await settling.propose(db, me, CaseKind.SIGN, case, "sudah diganti", now=now)
            wish = {"starts_at": now + timedelta(hours=1), "now": now}
            choice = await choices.ask(db, me, Wish("sandbox", "PSR", "uji"), known, **wish)
            await db.execute(update(Officer).where(Officer.id == me).values(role=Role.ADMIN))
            code = await devices.issue_code(db, me, now=now)
            device = await devices.enrol(
                db, code=code, public_key=handheld.public_key, name="HP uji", now=now
            )
            to = await units.add(db, ROOT, Draft("UPT-PINDAH", "Uji"))
            told_move = (moves.Subject.ZONE, "PSR", to, "SK uji")
            move = await moves.propose(db, me, *told_move, now=now)
    [[payee]] = await stage.rows("SELECT id FROM payee_accounts")
    return [
        Act("tariff_proposals", f"/office/tariffs/proposals/{tariff}/decision",
            "own-tariff-proposal"),
        Act("tariff_proposals", f"/office/tariffs/proposals/{market}/decision",
            "own-tariff-proposal"),
        Act("payee_decisions", f"/office/payouts/accounts/{payee}/decision", "own-payee-account"),
        Act("case_steps sign", f"/office/casework/{CaseKind.SIGN}/{case}/decision", "same-person",
            ACCEPT),
        Act("acquirer_choices", f"/office/acquirers/choices/{choice}/decision",
            "own-acquirer-choice"),
        Act("devices", f"/office/devices/{device}/decision", "own-enrolment"),
        Act("unit_moves zone_id", f"/office/units/moves/{move}/decision", "own-unit-move"),
    ]  # fmt: skip
