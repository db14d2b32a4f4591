"""Every guard of the database holds, and is what holds; without it somebody else notices.

For each: the damage is refused to the application and to the owner of the schema; with the guard
dropped it goes through, and the invariant named here finds it. A new guard needs one entry below.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.device import DEVICE_TABLE, DeviceState
from domain.ids import uuid7
from domain.parking import STAY_TABLE, StayState
from domain.payment import CHARGE_TABLE, PAYMENT_TABLE, ChargeState, PaymentState
from domain.sign import SIGN_TABLE, SignEvent, SignState
from server import sample, verify
from server.casework import service as casework
from server.casework.models import CaseKind
from server.complaints import service as complaints
from server.complaints.service import Told
from server.complaints.states import ComplaintKind
from server.database import Transactions, new_id
from server.identity import devices
from server.identity import service as identity
from server.identity.models import ROOT, Officer, Shift, ShiftClosing, ShiftDifference
from server.inspection import notices
from server.inspection.models import SignCase
from server.ledger import postings
from server.ledger import service as ledger
from server.office import settling
from server.parking.models import ParkingSession, UnendedStay
from server.payments import choices
from server.payments import voucher_proposals as vouchers
from server.payments.books import Books
from server.payments.choices import Wish
from server.payments.voucher_proposals import Range
from server.payments.vouchers import Issue
from server.reconciliation import claims, corrections, payouts, remittances, transfers
from server.reconciliation import service as reconciliation
from server.reconciliation.models import Discrepancy, SettlementCorrection
from server.reports import schedules
from server.reports.catalogue import REPORTS
from server.reports.downloads import Form
from server.reports.schedules import Every
from server.rules import service as rules
from server.spots import proposals, signs
from server.spots import service as spots
from server.spots.models import UnitMove
from tests.server.handhelds import on_shift, pending
from tests.server.inspection.test_notices import leave
from tests.server.payments.conftest import CAR_RP, EXCLUSIVE, LIFETIME, Office
from tests.server.payments.test_passes import order as order_pass
from tests.server.payments.test_refund_guards import GUARDS as OF_REFUNDS
from tests.server.reconciliation import closes
from tests.server.reconciliation.paying import pay_shares

FILES = Path(__file__).parents[2] / "fixtures" / "settlements"


NEW_ACCOUNT = """
    INSERT INTO payee_accounts
        (id, account_code, party, bank, holder, sealed, ending, recorded_by, recorded_at)
    SELECT gen_random_uuid(), '2130', 'lain', 'uji', 'uji', '', '1', id, now()
    FROM officers LIMIT 1 RETURNING id, recorded_by
"""


@dataclass(frozen=True)
class Guard:
    """`drop` takes it away; `damage` it refuses, saying `refusal`; `noticed_by` is who is left."""

    drop: str
    damage: str
    refusal: str
    noticed_by: str


def trigger(
    name: str, table: str, damage: str, noticed_by: str, refusal: str = "is insert-only"
) -> Guard:
    return Guard(f"DROP TRIGGER {name} ON {table}", damage, refusal, noticed_by)


def constraint(name: str, table: str, damage: str, noticed_by: str) -> Guard:
    return Guard(f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE", damage, name, noticed_by)


def entry(legs: int, *lines: tuple[int, str, int], source: str = "'uji'", then: str = "") -> str:
    """A new ledger entry that says it has `legs`, and its lines of (line, account, rupiah)."""
    values = ", ".join(f"({line}, '{account}', {rp})" for line, account, rp in lines)
    return f"""
        WITH e AS (
            INSERT INTO ledger_entries
                (id, recorded_at, business_day, description, source, legs)
            SELECT gen_random_uuid(), now(), now()::date, 'uji', {source}, {legs} RETURNING id
        ), p AS (
            INSERT INTO ledger_postings (entry_id, line, account_code, amount_rp)
            SELECT e.id, l.line, l.account, l.rp
            FROM e, (VALUES {values}) AS l (line, account, rp) RETURNING entry_id
        ) {then or "SELECT count(*) FROM p"}"""


def copied(table: str, where: str, **changed: str) -> str:
    """A row like another, with some columns given anew."""
    return f"""
        INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_strip_nulls(jsonb_build_object(
            {", ".join(f"'{name}', {value}" for name, value in changed.items())})))).*
        FROM {table} t WHERE {where}"""


ANY_ENTRY = "(SELECT id FROM ledger_entries ORDER BY id LIMIT 1)"
NEW_ID = "gen_random_uuid()"
OTHER_REFERENCES = {"reference": "'uji' || t.id", "acquirer_reference": "'uji' || t.id"}
RECEIVED = entry(
    2,
    (1, "1120", CAR_RP),
    (2, "2190", -CAR_RP),
    then="""INSERT INTO money (id, charge_id, acquirer, acquirer_reference, rrn, amount_rp, flag,
            paid_at, business_day, notification_id, entry_id)
        SELECT gen_random_uuid(), charge_id, acquirer, acquirer_reference, {rrn}, amount_rp, {flag},
            paid_at, business_day, {evidence}, e.id
        FROM money m, e WHERE m.rrn = 'B1'""",
)
"""Money of charge B that came again."""

OF_A_STAY = "state = 'requested' AND pass_order_id IS NULL"
UNNOTICED = """(SELECT device_id FROM stay_checks
    WHERE (device_id, seq) NOT IN (SELECT device_id, check_seq FROM notices))"""
"""Who made the check that no notice came of, its first event."""

GUARDS = {
    "an entry sums to zero": trigger(
        "ledger_entries_balance",
        "ledger_entries",
        entry(2, (1, "1110", 5), (2, "2190", -4)),
        "I1-entries-balance",
        "that sum to 1",
    ),
    "an entry has all its legs": trigger(
        "ledger_entries_balance",
        "ledger_entries",
        entry(3, (1, "1110", 5), (2, "2190", -5)),
        "I1-entries-balance",
        "of 3 legs has 2",
    ),
    "no leg is added later": trigger(
        "ledger_postings_no_later_legs",
        "ledger_postings",
        f"""INSERT INTO ledger_postings (entry_id, line, account_code, amount_rp)
            SELECT e.id, e.legs + n, '2190', 2 * n - 3 FROM ledger_entries e,
            generate_series(1, 2) n WHERE e.id = {ANY_ENTRY}""",
        "I1-entries-balance",
        "has all its legs",
    ),
    "a leg's number is above zero": constraint(
        "ck_ledger_postings_line",
        "ledger_postings",
        f"""INSERT INTO ledger_postings (entry_id, line, account_code, amount_rp)
            SELECT {ANY_ENTRY}, -n, '2190', 2 * n - 1 FROM generate_series(0, 1) n""",
        "I1-entries-balance",
    ),
    "an entry has two legs at least": constraint(
        "ck_ledger_entries_legs",
        "ledger_entries",
        """INSERT INTO ledger_entries (id, recorded_at, business_day, description, source, legs)
           VALUES (gen_random_uuid(), now(), now()::date, 'uji', 'uji', 0)""",
        "I1-entries-balance",
    ),
    "one fact is one entry": constraint(
        "uq_ledger_entries_source",
        "ledger_entries",
        entry(
            2,
            (1, "1120", CAR_RP),
            (2, "4110.PSR", -CAR_RP),
            source="(SELECT e.source FROM money m JOIN ledger_entries e ON e.id = m.entry_id"
            " WHERE m.rrn = 'B1')",
        ),
        "I7-receivable-as-settled",
    ),
    "a charge goes along its table": trigger(
        "charges_only_edges",
        "charges",
        "UPDATE charges SET state = 'refunded' WHERE state = 'paid'",
        "I6-paths",
        "may not become refunded from paid",
    ),
    "a charge starts as new": trigger(
        "charges_first_state",
        "charges",
        copied("charges", "state = 'issued'", id=NEW_ID, **OTHER_REFERENCES),
        "I6-paths",
        "may not become issued from nothing",
    ),
    "a charge keeps its amount": trigger(
        "charges_never_changes",
        "charges",
        "UPDATE charges SET amount_rp = amount_rp + 1",
        "I6-payments-agree",
        "was made with other values",
    ),
    "a charge keeps its reference": trigger(
        "charges_never_changes",
        "charges",
        "UPDATE charges SET reference = 'uji' || reference",
        "I5-evidence",
        "was made with other values",
    ),
    "a charge keeps its acquirer": trigger(
        "charges_never_changes",
        "charges",
        "UPDATE charges SET acquirer = 'uji'",
        "I2-one-charge-per-reference",
        "was made with other values",
    ),
    "an issued charge has its barcode": trigger(
        "charges_issued_has_qris",
        "charges",
        "UPDATE charges SET qris = NULL WHERE state = 'issued'",
        "I6-issued-has-a-barcode",
        "is issued without a barcode",
    ),
    "a reference of the acquirer is one charge": constraint(
        "uq_charges_acquirer_acquirer_reference",
        "charges",
        """UPDATE charges SET acquirer_reference =
           (SELECT acquirer_reference FROM charges WHERE state = 'paid' LIMIT 1)
           WHERE state = 'issued'""",
        "I2-one-charge-per-reference",
    ),
    "a payment goes along its table": trigger(
        "payments_only_edges",
        "payments",
        "UPDATE payments SET state = 'voided' WHERE state = 'paid'",
        "I6-payments-agree",
        "may not become voided from paid",
    ),
    "a payment starts as requested": trigger(
        "payments_first_state",
        "payments",
        copied("payments", "state = 'paid'", id=NEW_ID),
        "I6-payments-agree",
        "may not become paid from nothing",
    ),
    "a payment keeps its amount": trigger(
        "payments_never_changes",
        "payments",
        "UPDATE payments SET amount_rp = amount_rp + 1",
        "I6-payments-agree",
        "was made with other values",
    ),
    "a stay goes along its table": trigger(
        "parking_sessions_only_edges",
        "parking_sessions",
        "UPDATE parking_sessions SET state = 'open' WHERE state = 'voided'",
        "I6-payments-agree",
        "may not become open from voided",
    ),
    "a stay starts as open": trigger(
        "parking_sessions_first_state",
        "parking_sessions",
        f"""WITH s AS ({copied("parking_sessions", "state = 'voided'", id=NEW_ID)} RETURNING id)
            {copied("payments", OF_A_STAY, id=NEW_ID, parking_session_id="s.id")}
            """.replace("FROM payments t WHERE", "FROM payments t, s WHERE"),
        "I6-payments-agree",
        "may not become voided from nothing",
    ),
    "a space holds one vehicle": constraint(
        "ex_parking_sessions_one_per_space",
        "parking_sessions",
        copied("parking_sessions", "exclusive", id=NEW_ID),
        "I6-one-per-space",
    ),
    "one arrival is recorded once": constraint(
        "uq_money_acquirer_reference",
        "money",
        RECEIVED.format(rrn="rrn", flag="'duplicate'", evidence="notification_id"),
        "I2-one-charge-per-reference",
    ),
    "one payment of a charge is final": Guard(
        "DROP INDEX uq_money_final",
        RECEIVED.format(rrn="'B2'", flag="'exact'", evidence="notification_id"),
        "uq_money_final",
        "I2-paid-once",
    ),
    "money has its evidence": constraint(
        "ck_money_evidence",
        "money",
        RECEIVED.format(rrn="'B3'", flag="'duplicate'", evidence="NULL::uuid"),
        "I5-evidence",
    ),
    "a charge has one receipt": constraint(
        "uq_receipts_charge_id",
        "receipts",
        """INSERT INTO receipts SELECT r.number || 'x', r.series, r.sequence + 9, r.charge_id,
           (SELECT id FROM money WHERE rrn = 'A2'), r.issued_at, r.facts FROM receipts r LIMIT 1""",
        "I3-receipts",
    ),
    "money has one receipt": constraint(
        "uq_receipts_money_id",
        "receipts",
        """INSERT INTO receipts SELECT r.number || 'x', r.series, r.sequence + 9,
           (SELECT id FROM charges WHERE state = 'issued' LIMIT 1), r.money_id, r.issued_at, r.facts
           FROM receipts r LIMIT 1""",
        "I3-receipts",
    ),
    "a receipt's number is its own": constraint(
        "pk_receipts",
        "receipts",
        """INSERT INTO receipts SELECT r.number, r.series, r.sequence + 9,
           (SELECT id FROM charges WHERE state = 'issued' LIMIT 1),
           (SELECT id FROM money WHERE rrn = 'A2'), r.issued_at, r.facts FROM receipts r LIMIT 1""",
        "I3-series-without-gaps",
    ),
    "a place in a series is given once": constraint(
        "uq_receipts_series_sequence",
        "receipts",
        """INSERT INTO receipts SELECT r.number || 'x', r.series, r.sequence,
           (SELECT id FROM charges WHERE state = 'issued' LIMIT 1),
           (SELECT id FROM money WHERE rrn = 'A2'), r.issued_at, r.facts FROM receipts r LIMIT 1""",
        "I3-series-without-gaps",
    ),
    "a device numbers its events once": constraint(
        "pk_device_events",
        "device_events",
        copied("device_events", "seq = 2", prev_hash="'fork'", hash="'fork'"),
        "I4-no-lost-event",
    ),
    "a device's chain does not fork": constraint(
        "uq_device_events_device_id_prev_hash",
        "device_events",
        copied("device_events", "seq = 2", seq="3"),
        "I8-device-chains",
    ),
    "a device goes along its table": trigger(
        "devices_only_edges",
        "devices",
        "UPDATE devices SET state = 'suspended', approved_by = (SELECT id FROM officers"
        " WHERE id <> enrolled_by LIMIT 1) WHERE state = 'revoked'",
        "I13-device-changes",
        "may not become suspended from revoked",
    ),
    "a device starts as pending": trigger(
        "devices_first_state",
        "devices",
        copied("devices", "state = 'active'", id=NEW_ID),
        "I13-device-changes",
        "may not become active from nothing",
    ),
    "a device is approved by another officer": constraint(
        "ck_devices_maker_checker",
        "devices",
        "UPDATE devices SET approved_by = enrolled_by WHERE state = 'active'",
        "I13-two-officers-a-device",
    ),
    "a device works when it is approved": constraint(
        "ck_devices_approved",
        "devices",
        "UPDATE devices SET approved_by = NULL WHERE state = 'active'",
        "I13-two-officers-a-device",
    ),
    "a sign goes along its table": trigger(
        "signs_only_edges",
        "signs",
        "UPDATE signs SET state = 'mounted' WHERE state = 'withdrawn'",
        "I14-sign-changes",
        "may not become mounted from withdrawn",
    ),
    "a sign starts as made": trigger(
        "signs_first_state",
        "signs",
        copied("signs", "state = 'withdrawn'", id=NEW_ID, version="version + 1", state="'mounted'"),
        "I14-sign-changes",
        "may not become mounted from nothing",
    ),
    "a sign's version stays": trigger(
        "signs_never_changes",
        "signs",
        "UPDATE signs SET version = version + 7 WHERE state = 'withdrawn'",
        "I0-guards-stand",
        "was made with other values",
    ),
    "a complaint goes along its table": trigger(
        "complaints_only_edges",
        "complaints",
        "UPDATE complaints SET state = 'open' WHERE state = 'answered'",
        "I0-guards-stand",
        "may not become open from answered",
    ),
    "a complaint starts as open": trigger(
        "complaints_first_state",
        "complaints",
        copied("complaints", "state = 'answered'", id=NEW_ID, number="'uji'"),
        "I0-guards-stand",
        "may not become answered from nothing",
    ),
    "a complaint's deadline stays": trigger(
        "complaints_never_changes",
        "complaints",
        "UPDATE complaints SET due_on = due_on + 30",
        "I0-guards-stand",
        "was made with other values",
    ),
    "a notice goes along its table": trigger(
        "notices_only_edges",
        "notices",
        "UPDATE notices SET state = 'issued', settled_at = NULL WHERE state = 'withdrawn'",
        "I0-guards-stand",
        "may not become issued from withdrawn",
    ),
    "a notice starts as issued": trigger(
        "notices_first_state",
        "notices",
        copied(
            "notices",
            "state = 'withdrawn'",
            id=NEW_ID,
            number="'uji'",
            device_id=UNNOTICED,
            seq="1",
            check_seq="1",
        ),
        "I0-guards-stand",
        "may not become withdrawn from nothing",
    ),
    "a notice's deadline stays": trigger(
        "notices_never_changes",
        "notices",
        "UPDATE notices SET object_until = object_until + 30",
        "I0-guards-stand",
        "was made with other values",
    ),
    "a notice's photo is the one that was signed": trigger(
        "notice_photos_never_changes",
        "notice_photos",
        "UPDATE notice_photos SET place = place + 7",
        "I0-guards-stand",
        "was made with other values",
    ),
    "a close of a day goes along its table": trigger(
        "day_closes_only_edges",
        "day_closes",
        "UPDATE day_closes SET state = 'locked', reopened_by = NULL WHERE state = 'reopened'",
        "I0-guards-stand",
        "may not become locked from reopened",
    ),
    "a close of a day starts as prepared": trigger(
        "day_closes_first_state",
        "day_closes",
        copied("day_closes", "state = 'reopened'", id=NEW_ID, number="9"),
        "I0-guards-stand",
        "may not become reopened from nothing",
    ),
    "what was closed of a day stays": trigger(
        "day_closes_never_changes",
        "day_closes",
        "UPDATE day_closes SET snapshot = snapshot || '{\"number\": 7}'",
        "I7-days-as-closed",
        "was made with other values",
    ),
    "an STS goes along its table": trigger(
        "remittances_only_edges",
        "remittances",
        "UPDATE remittances SET state = 'prepared', decided_by = NULL, decided_at = NULL"
        " WHERE state = 'declined'",
        "I0-guards-stand",
        "may not become prepared from declined",
    ),
    "an STS starts as prepared": trigger(
        "remittances_first_state",
        "remittances",
        copied(
            "remittances", "state = 'declined'", id=NEW_ID, number="'uji'", sequence="sequence + 1"
        ),
        "I0-guards-stand",
        "may not become declined from nothing",
    ),
    "what an STS hands in stays": trigger(
        "remittances_never_changes",
        "remittances",
        "UPDATE remittances SET amount_rp = amount_rp + 1",
        "I7-remitted-as-approved",
        "was made with other values",
    ),
    "a payout of shares goes along its table": trigger(
        "payout_runs_only_edges",
        "payout_runs",
        "UPDATE payout_runs SET state = 'prepared', decided_by = NULL, decided_at = NULL",
        "I0-guards-stand",
        "may not become prepared from approved",
    ),
    "a payout of shares starts as prepared": trigger(
        "payout_runs_first_state",
        "payout_runs",
        copied("payout_runs", "true", id=NEW_ID, number="'uji'", sequence="sequence + 1"),
        "I0-guards-stand",
        "may not become approved from nothing",
    ),
    "what a payout of shares is over stays": trigger(
        "payout_runs_never_changes",
        "payout_runs",
        "UPDATE payout_runs SET amount_rp = amount_rp + 1",
        "I7-paid-out-as-told",
        "was made with other values",
    ),
    "a line of a payout goes along its table": trigger(
        "payout_lines_only_edges",
        "payout_lines",
        "UPDATE payout_lines SET state = 'waiting', evidence = '', told_by = NULL,"
        " entry_id = NULL WHERE state = 'paid'",
        "I0-guards-stand",
        "may not become waiting from paid",
    ),
    "a line of a payout starts as waiting": trigger(
        "payout_lines_first_state",
        "payout_lines",
        copied(
            "payout_lines", "state = 'paid'", id=NEW_ID, position="position + 9", entry_id=ANY_ENTRY
        ),
        "I7-paid-out-as-told",
        "may not become paid from nothing",
    ),
    "a line of a payout stays over its sum": trigger(
        "payout_lines_never_changes",
        "payout_lines",
        "UPDATE payout_lines SET amount_rp = amount_rp + 1",
        "I7-paid-out-as-told",
        "was made with other values",
    ),
    "a tariff proposal goes along its table": trigger(
        "tariff_proposals_only_edges",
        "tariff_proposals",
        "UPDATE tariff_proposals SET state = 'requested', decided_by = NULL, decided_at = NULL"
        " WHERE state = 'declined'",
        "I0-guards-stand",
        "may not become requested from declined",
    ),
    "a tariff proposal starts as requested": trigger(
        "tariff_proposals_first_state",
        "tariff_proposals",
        copied("tariff_proposals", "state = 'declined'", id=NEW_ID),
        "I0-guards-stand",
        "may not become declined from nothing",
    ),
    "what was proposed of a tariff stays": trigger(
        "tariff_proposals_never_changes",
        "tariff_proposals",
        "UPDATE tariff_proposals SET reason = 'lain'",
        "I0-guards-stand",
        "was made with other values",
    ),
    "units are one tree": trigger(
        "units_are_a_tree",
        "units",
        "INSERT INTO units (id, parent_id, code, name) SELECT n, n, 'UJI', 'Uji'"
        f" FROM (SELECT {NEW_ID} AS n) one",
        "I0-guards-stand",
        "one tree",
    ),
    "a unit keeps its code": trigger(
        "units_never_changes",
        "units",
        "UPDATE units SET code = 'LAIN'",
        "I0-guards-stand",
        "was made with other values",
    ),
    "what was asked to move to a unit stays": trigger(
        "unit_moves_never_changes",
        "unit_moves",
        "UPDATE unit_moves SET why = 'lain'",
        "I0-guards-stand",
        "was made with other values",
    ),
    "a choice of an acquirer goes along its table": trigger(
        "acquirer_choices_only_edges",
        "acquirer_choices",
        "UPDATE acquirer_choices SET state = 'requested', decided_by = NULL, decided_at = NULL"
        " WHERE state = 'declined'",
        "I0-guards-stand",
        "may not become requested from declined",
    ),
    "a choice of an acquirer starts as requested": trigger(
        "acquirer_choices_first_state",
        "acquirer_choices",
        copied("acquirer_choices", "state = 'declined'", id=NEW_ID),
        "I0-guards-stand",
        "may not become declined from nothing",
    ),
    "what was chosen of an acquirer stays": trigger(
        "acquirer_choices_never_changes",
        "acquirer_choices",
        "UPDATE acquirer_choices SET acquirer = 'lain'",
        "I0-guards-stand",
        "was made with other values",
    ),
    "a proposal about vouchers goes along its table": trigger(
        "voucher_proposals_only_edges",
        "voucher_proposals",
        "UPDATE voucher_proposals SET state = 'requested', decided_by = NULL, decided_at = NULL"
        " WHERE state = 'declined'",
        "I0-guards-stand",
        "may not become requested from declined",
    ),
    "a proposal about vouchers starts as requested": trigger(
        "voucher_proposals_first_state",
        "voucher_proposals",
        copied("voucher_proposals", "state = 'declined'", id=NEW_ID),
        "I0-guards-stand",
        "may not become declined from nothing",
    ),
    "what was proposed about vouchers stays": trigger(
        "voucher_proposals_never_changes",
        "voucher_proposals",
        "UPDATE voucher_proposals SET reason = 'lain'",
        "I0-guards-stand",
        "was made with other values",
    ),
    "a proposal about vouchers stays of its batch": trigger(
        "voucher_proposals_batch_stays",
        "voucher_proposals",
        "UPDATE voucher_proposals SET batch = 2 WHERE act = 'void'",
        "I0-guards-stand",
        "was made with other values",
    ),
    "a batch of vouchers is issued by two officers": trigger(
        "voucher_batches_by_two",
        "voucher_batches",
        copied("voucher_batches", "number = 1", number="9", entry_id=ANY_ENTRY),
        "I0-guards-stand",
        "no two officers issued batch 9",
    ),
    "vouchers are voided by two officers": trigger(
        "voucher_ends_voided_by_two",
        "voucher_ends",
        "INSERT INTO voucher_ends VALUES ('V-0001-00002-X', 1, now(), NULL, 'uji')",
        "I0-guards-stand",
        "no two officers voided voucher V-0001-00002-X",
    ),
    "a correction of a file goes along its table": trigger(
        "settlement_corrections_only_edges",
        "settlement_corrections",
        "UPDATE settlement_corrections SET state = 'requested', decided_by = NULL,"
        " decided_at = NULL WHERE state = 'declined'",
        "I0-guards-stand",
        "may not become requested from declined",
    ),
    "a correction of a file starts as requested": trigger(
        "settlement_corrections_first_state",
        "settlement_corrections",
        copied("settlement_corrections", "state = 'declined'", id=NEW_ID),
        "I0-guards-stand",
        "may not become declined from nothing",
    ),
    "the file that corrects stays as it came": trigger(
        "settlement_corrections_never_changes",
        "settlement_corrections",
        "UPDATE settlement_corrections SET content = 'lain'",
        "I0-guards-stand",
        "was made with other values",
    ),
    "what a schedule of reports was made with stays": trigger(
        "report_schedules_never_changes",
        "report_schedules",
        "UPDATE report_schedules SET officer_id = (SELECT id FROM officers ORDER BY id DESC"
        " LIMIT 1), report = 'uji'",
        "I0-guards-stand",
        "was made with other values",
    ),
    "a proposal of a rule goes along its table": trigger(
        "rule_proposals_only_edges",
        "rule_proposals",
        "UPDATE rule_proposals SET state = 'requested', decided_by = NULL, decided_at = NULL"
        " WHERE state = 'declined'",
        "I0-guards-stand",
        "may not become requested from declined",
    ),
    "a proposal of a rule starts as requested": trigger(
        "rule_proposals_first_state",
        "rule_proposals",
        copied("rule_proposals", "state = 'declined'", id=NEW_ID),
        "I0-guards-stand",
        "may not become declined from nothing",
    ),
    "what was proposed of a rule stays": trigger(
        "rule_proposals_never_changes",
        "rule_proposals",
        "UPDATE rule_proposals SET reason = 'lain'",
        "I0-guards-stand",
        "was made with other values",
    ),
    "a tariff is taken back by two officers": trigger(
        "tariffs_taken_back_on_update",
        "tariffs",
        "UPDATE tariffs SET taken_back_by = (SELECT id FROM rule_proposals LIMIT 1)",
        "I0-guards-stand",
        "no two officers took tariff",
    ),
    "a tariff does not begin as taken back": trigger(
        "tariffs_taken_back_on_insert",
        "tariffs",
        copied(
            "tariffs", "true", id=NEW_ID, taken_back_by="(SELECT id FROM rule_proposals LIMIT 1)"
        ),
        "I0-guards-stand",
        "no two officers took tariff",
    ),
    "who recorded a payee's account does not agree to it": trigger(
        "payee_decisions_maker_checker",
        "payee_decisions",
        f"""WITH a AS ({NEW_ACCOUNT})
            INSERT INTO payee_decisions (account_id, agreed, why, decided_by, decided_at)
            SELECT id, true, 'uji', recorded_by, now() FROM a""",
        "I0-guards-stand",
        "is decided by who recorded it",
    ),
    "shares go only to an account that two officers saw": trigger(
        "payout_lines_seen_by_two",
        "payout_lines",
        f"""WITH a AS ({NEW_ACCOUNT})
            INSERT INTO payout_lines (id, run_id, position, account_code, party,
                payee_account_id, amount_rp, state, evidence)
            SELECT gen_random_uuid(), l.run_id, 99, '2130', 'lain', a.id, 1, 'waiting', ''
            FROM a, payout_lines l LIMIT 1""",
        "I0-guards-stand",
        "was seen by one officer",
    ),
    "the prices of a tariff stay": trigger(
        "tariffs_never_changes",
        "tariffs",
        "UPDATE tariffs SET version = jsonb_set(version, '{rates}', '{}')",
        "I0-guards-stand",
        "was made with other values",
    ),
    "what a pass costs stays": trigger(
        "pass_prices_never_changes",
        "pass_prices",
        "UPDATE pass_prices SET price_rp = price_rp + 1",
        "I0-guards-stand",
        "was made with other values",
    ),
    "the days of a pass stay": trigger(
        "pass_orders_never_changes",
        "pass_orders",
        "UPDATE pass_orders SET valid_from = valid_from + 30",
        "I0-guards-stand",
        "was made with other values",
    ),
    "a key is one device's": constraint(
        "uq_device_keys_public_key",
        "device_keys",
        "INSERT INTO device_keys SELECT device_id, number + 1, public_key, NULL, registered_at"
        " FROM device_keys",
        "I13-one-device-a-key",
    ),
}

SOMEBODY = "(SELECT id FROM officers LIMIT 1)"

GUARDS |= {
    f"two officers close a case of {table}": trigger(
        f"{table}_two_officers",
        table,
        f"UPDATE {table} SET {closed_at} = now(), {closed_by} = {SOMEBODY}, {words} = 'uji'",
        "I0-guards-stand",
        "by officers",
    )
    for table, closed_at, closed_by, words in (
        ("quarantine_cases", "closed_at", "closed_by", "why"),
        ("shift_differences", "explained_at", "explained_by", "explanation"),
        ("sign_cases", "closed_at", "closed_by", "what_was_done"),
        ("unended_stays", "closed_at", "closed_by", "what_was_done"),
    )
} | {
    "what was not proposed is not decided": trigger(
        "case_steps_two_officers",
        "case_steps",
        f"""INSERT INTO case_steps (kind, case_id, number, at, event, state_before, state_after,
                officer_id, why)
            SELECT 'quarantine', id, 1, now(), 'accepted', 'proposed', 'closed', {SOMEBODY}, 'uji'
            FROM quarantine_cases""",
        "I12-two-officers-a-case",
        "was not proposed so",
    ),
    "who proposes does not decide": trigger(
        "case_steps_two_officers",
        "case_steps",
        """INSERT INTO case_steps SELECT kind, case_id, number + 1, at, 'accepted', 'proposed',
            'closed', officer_id, outcome, 'uji', NULL FROM case_steps WHERE event = 'proposed'""",
        "I12-two-officers-a-case",
        "by the same officer",
    ),
    "two officers end a difference": trigger(
        "discrepancies_two_officers",
        "discrepancies",
        "UPDATE discrepancies SET state = 'closed', outcome = 'accepted'",
        "I0-guards-stand",
        "by officers",
    ),
    "two officers end a claim": trigger(
        "fee_claims_two_officers",
        "fee_claims",
        "UPDATE fee_claims SET state = 'closed', outcome = 'refused',"
        f" ended_entry_id = {ANY_ENTRY}",
        "I7-claims-as-decided",
        "by officers",
    ),
    "a claim stays what it is about": trigger(
        "fee_claims_never_changes",
        "fee_claims",
        "UPDATE fee_claims SET amount_rp = amount_rp + 1",
        "I7-claims-as-decided",
        "made with other values",
    ),
    "two officers end a case of a transfer": trigger(
        "transfer_cases_two_officers",
        "transfer_cases",
        "UPDATE transfer_cases SET closed_at = now(), what_was_done = 'uji',"
        " closed_by = (SELECT id FROM officers LIMIT 1)",
        "I0-guards-stand",
        "by officers",
    ),
    "a difference stays what it is about": trigger(
        "discrepancies_never_changes",
        "discrepancies",
        "UPDATE discrepancies SET opened_at = now()",
        "I0-guards-stand",
        "made with other values",
    ),
    "two officers end a complaint": trigger(
        "complaint_changes_two_officers",
        "complaint_changes",
        """INSERT INTO complaint_changes
                (id, complaint_id, changed_at, state_before, state_after, who, why)
            SELECT gen_random_uuid(), id, now(), 'open', 'closed', 'uji', 'uji'
            FROM complaints WHERE kind = 'overcharged'""",
        "I0-guards-stand",
        "answered by nobody else",
    ),
}

REWRITTEN = {
    "charge_changes": ("DELETE FROM charge_changes WHERE state_after = 'paid'", "I6-paths"),
    "device_changes": ("DELETE FROM device_changes", "I13-device-changes"),
    "device_keys": ("DELETE FROM device_keys", "I13-one-device-a-key"),
    "device_events": ("UPDATE device_events SET body = '{\"n\": 9}'", "I8-device-chains"),
    "imported_files": ("UPDATE imported_files SET content = 'x'", "I7-files-as-they-came"),
    "inquiries": ("UPDATE inquiries SET answer = '{}'", "I5-evidence"),
    "ledger_entries": ("UPDATE ledger_entries SET legs = legs + 1", "I1-entries-balance"),
    "ledger_postings": (
        "UPDATE ledger_postings SET amount_rp = amount_rp + 1 WHERE line = 1",
        "I1-entries-balance",
    ),
    "money": ("UPDATE money SET amount_rp = amount_rp - 1", "I5-booked"),
    "notifications": ("UPDATE notifications SET body = '{}'", "I5-evidence"),
    "payee_accounts": ("UPDATE payee_accounts SET holder = 'uji'", "I0-guards-stand"),
    "receipts": ("UPDATE receipts SET facts = facts || '{\"amount_rp\": 1}'", "I3-receipts"),
    "sign_changes": ("DELETE FROM sign_changes", "I14-sign-changes"),
    "shift_closings": ("UPDATE shift_closings SET expected_rp = expected_rp + 1", "I5-counted"),
    "settlement_lines": (
        "UPDATE settlement_lines SET gross_rp = gross_rp + 1, net_rp = net_rp + 1",
        "I7-transit-as-settled",
    ),
    "stay_checks": (f"DELETE FROM stay_checks WHERE device_id = {UNNOTICED}", "I0-guards-stand"),
    "statement_lines": (
        "UPDATE statement_lines SET amount_rp = amount_rp + 1",
        "I7-bank-as-imported",
    ),
    "voucher_batches": (
        "UPDATE voucher_batches SET value_rp = value_rp + 1",
        "I14-vouchers-owed",
    ),
}
"""What somebody could do to tables that are only ever added to, and who would notice.

Of the others only the missing guard itself is noticed.
"""

GUARDS |= {
    f"{table} is only added to": trigger(
        f"{table}_insert_only",
        table,
        *(REWRITTEN.get(table) or (f"DELETE FROM {table}", "I0-guards-stand")),
    )
    for table in (
        name.removesuffix("_insert_only") for name in verify.TRIGGERS if "_insert_only" in name
    )
}


@pytest.fixture
async def town(
    office: Office,
    api: httpx.AsyncClient,
    transactions: Transactions,
    sandbox: Any,
    books: Books,
    now: datetime,
) -> None:
    """Something in every table that has a guard."""
    paid_twice, paid = await office.request(), await office.request()
    for rrn in ("A1", "A2"):
        await office.tell(paid_twice, rrn=rrn)
    await office.tell(paid, rrn="B1")
    found = await office.request()
    await sandbox.pay((await office.charge(found))["qris"])
    await office.inquire(found)
    await office.request()
    await office.request(EXCLUSIVE, minutes=60)
    await order_pass(office)
    earlier = now - timedelta(hours=1)
    expired = await office.request(now=earlier)
    await office.inquire(expired, now=earlier + LIFETIME)
    handheld = await on_shift(api, transactions, now)
    events = [handheld.event(), handheld.event(), handheld.forge(seq=9)]
    await api.post("/v1/sync", json={"events": events}, auth=handheld.signed)
    inspector, another = [await on_shift(api, transactions, now) for _ in range(2)]
    check, notice = leave(inspector)
    await api.post("/v1/sync", json={"events": [check, notice]}, auth=inspector.signed)
    await api.post("/v1/sync", json={"events": [leave(another)[0]]}, auth=another.signed)
    refused = await pending(transactions, now)
    async with transactions.begin() as db:
        for place in list(await sample.hang_signs(db, "uji", now=now))[:1]:
            spot = await spots.find(db, place)
            await signs.change(db, spot.id, 1, SignEvent.WITHDRAWN, "uji", "uji", now=now)
    async with transactions.begin() as db:
        checker = await identity.officer_named(db, sample.CHECKER)
        await devices.reject(db, checker, refused.device_id, "uji", now=now)
        number = notice["body"]["number"]
        await notices.withdraw(db, checker, number, "uji", now=now)
    async with transactions.begin() as db:
        told = Told(ComplaintKind.OTHER, story="uji")
        told_of = await complaints.take(db, told, due_on=books.day(now), now=now)
        officer = await identity.officer_named(db, sample.OFFICER)
        await complaints.answer(db, officer, told_of.id, "uji", None, now=now)
    async with transactions.begin() as db:
        lines = (FILES / "clean.csv").read_bytes()
        await reconciliation.import_settlement(db, "sandbox", "s", lines, books, now=now)
        asked = new_id()
        db.add(
            SettlementCorrection(
                id=asked,
                acquirer="sandbox",
                mapping="",
                name="uji",
                sha256=bytes(32),
                content=b"uji",
                lines=[],
                reason="uji",
                state="requested",
                asked_by=officer,
                asked_at=now,
            )
        )
        await db.flush()
        await corrections.decline(db, checker, asked, "uji", now=now)
        banked = (FILES / "clean.sta").read_bytes()
        await reconciliation.import_statement(db, "b", banked, books, now=now)
    settled, after = date(2026, 11, 21), datetime(2026, 11, 22, 5, tzinfo=UTC)
    async with transactions.begin() as db:
        await reconciliation.reconcile(db, settled, books, now=after)
    close = await closes.close(transactions, settled, books, "uji", now=after)
    async with transactions.begin() as db:
        made = await remittances.prepare(db, officer, books, now=after)
        await remittances.decline(db, checker, made.id, "uji", now=after)
        _, tariff = (await spots.tariffs_from(db, settled))[0]
        told = ("PSR", tariff, date(2027, 1, 1), "uji")
        asked = await proposals.propose(db, officer, *told, today=settled, now=after)
        await proposals.decide(
            db, checker, asked, approve=False, why="uji", today=settled, now=after
        )
        wanted = Issue("uji", 2, 5_000, None, date(2098, 1, 1))
        for approve in (False, True, True):
            asked = await vouchers.propose_issue(db, officer, wanted, "uji", books, now=now)
            told = {"approve": approve, "why": "uji", "now": now}
            await vouchers.decide(db, checker, asked, books, **told)
        await vouchers.propose_void(db, officer, Range(1, 1, 1), "uji", books, now=now)
        wish = Wish("sandbox", "", "uji")
        chosen = await choices.switch(db, officer, wish, ["sandbox"], now=after)
        await choices.decide(db, checker, chosen, approve=False, why="uji", now=after)
        maker = await db.get_one(Officer, officer)
        planned = schedules.Wish(
            REPORTS["zona"], {}, None, Every.DAY, after.time(), Form.CSV, "id", ""
        )
        await schedules.plan(db, maker, planned, books, mails=False, now=after)
        rule = rules.parsed({"kind": "target", "year": 2027, "amount_rp": 1, "regulation": "uji"})
        asked = await rules.propose(db, officer, rule, "uji", today=settled, now=after)
        await rules.decide(db, checker, asked, approve=False, why="uji", today=settled, now=after)
    await closes.reopen(transactions, close, now=after)
    await _cases(transactions, handheld.device_id, books, now)
    run = await pay_shares(transactions, books, now)
    async with transactions.begin() as db:
        line, _ = (await payouts.lines_of(db, run.id))[-1]
        detail = transfers.PAYOUT_FAILED
        await transfers.open_case(db, detail, 1, now, payout_line_id=line.id)
    async with transactions.begin() as db:
        assert {name: rows for name, rows in (await verify.broken(db)).items() if rows} == {}


async def _cases(transactions: Transactions, device_id: UUID, books: Books, now: datetime) -> None:
    """One of each kind that is closed by its steps, and what officers do about one."""
    async with transactions.begin() as db:
        officer = await identity.officer_named(db, sample.OFFICER)
        told = Told(ComplaintKind.OVERCHARGED, story="uji")
        await complaints.take(db, told, due_on=books.day(now), now=now)
        await reconciliation.reconcile(db, books.day(now), books, now=now)
        shift = (await db.scalars(select(Shift).where(Shift.device_id == device_id))).first()
        stay = (await db.scalars(select(ParkingSession))).first()
        spot = await spots.find(db, EXCLUSIVE)
        assert shift is not None
        assert stay is not None
        moved = {"zone_id": spot.zone_id, "to_id": ROOT, "why": "uji"}
        db.add(UnitMove(**moved, proposed_by=officer, proposed_at=now))
        counted = {"expected_rp": 0, "counted_rp": 500, "shown_rp": 0, "event_seq": 1}
        db.add(ShiftClosing(shift_id=shift.id, closed_at=now, **counted))
        await db.flush()
        waits = {"owner": "uji", "opened_at": now}
        db.add(ShiftDifference(shift_id=shift.id, difference_rp=500, **waits))
        db.add(UnendedStay(parking_session_id=stay.id, owed_rp=500, **waits))
        case = SignCase(spot_id=spot.id, fault="missing", **waits)
        db.add(case)
        await db.flush()
        await settling.propose(db, officer, CaseKind.SIGN, case.id, "uji", now=now)
        await casework.comment(db, officer, CaseKind.SIGN, case.id, "uji", now=now)
        await casework.assign(db, officer, CaseKind.SIGN, case.id, officer, now=now)
        difference = (await db.scalars(select(Discrepancy))).first()
        assert difference is not None
        entry_id = await ledger.record(
            db,
            postings.for_fee_claimed(6),
            source="uji:klaim",
            description="uji",
            business_day=books.day(now),
            now=now,
        )
        db.add(claims.open_claim(difference.id, entry_id, 6, now))


async def execute(db: AsyncSession, *statements: str) -> None:
    """Run statements as they stand, and check at once what waits for the commit."""
    connection = await db.connection()
    for statement in (*statements, "SET CONSTRAINTS ALL IMMEDIATE"):
        await connection.exec_driver_sql(statement)


async def test_each_guard_holds_and_without_it_an_invariant_notices(
    town: None, owner: Transactions, transactions: Transactions, subtests: pytest.Subtests
) -> None:
    for name, guard in GUARDS.items():
        for who, refusal in (
            (transactions, f"permission denied|{guard.refusal}"),
            (owner, guard.refusal),
        ):
            with subtests.test(f"{name}: {refusal}"), pytest.raises(DBAPIError, match=refusal):
                async with who.begin() as db:
                    await execute(db, guard.damage)
        with subtests.test(f"{name}: noticed without it"):
            async with owner() as db:
                await execute(db, guard.drop, guard.damage)
                assert (await verify.broken(db))[guard.noticed_by] != []
                await db.rollback()


async def test_the_application_closes_no_day_by_one_officer(transactions: Transactions) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        async with transactions.begin() as db:
            await execute(
                db,
                """INSERT INTO closed_days (day, closed_by, closed_at, totals)
                   SELECT now()::date, id, now(), '{}' FROM officers LIMIT 1""",
            )


async def test_who_answered_a_complaint_cannot_end_it_after_another_opened_it_again(
    transactions: Transactions, books: Books, now: datetime
) -> None:
    async with transactions.begin() as db:
        told = Told(ComplaintKind.OVERCHARGED, story="uji")
        asked = await complaints.take(db, told, due_on=books.day(now), now=now)

    async def change(n: int, before: str, after: str, who: str) -> None:
        async with transactions.begin() as db:
            connection = await db.connection()
            await connection.exec_driver_sql(
                "INSERT INTO complaint_changes VALUES ($6, $1,"
                " now() + $2 * interval '1 minute', $3, $4, $5, 'uji')",
                (asked.id, n, before, after, who, uuid7(n, bytes(10))),
            )

    await change(1, "open", "answered", "ani")
    await change(2, "answered", "closed", "budi")
    await change(3, "closed", "answered", "budi")  # opened again
    for who in ("ani", "budi"):  # who answered it, and who ended it on that answer
        with pytest.raises(DBAPIError, match="answered by nobody else"):
            await change(4, "answered", "closed", who)
    await change(5, "answered", "closed", "citra")


async def test_every_trigger_is_watched_and_tried_here(owner: Transactions) -> None:
    async with owner.begin() as db:
        connection = await db.connection()
        rows = await connection.exec_driver_sql(
            "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgname NOT LIKE '%pgqueuer%'"
        )
        there = set(rows.scalars())
    assert there == set(verify.TRIGGERS)
    drops = [guard.drop for guard in GUARDS.values()] + [
        drop for _, drop, *_ in OF_REFUNDS.values()
    ]
    dropped = {drop.split()[2] for drop in drops if "TRIGGER" in drop}
    # Those that write changes down refuse nothing; tests/server/audit tries them.
    assert dropped == {name for name in there if not name.endswith("_recorded")}


async def test_a_guard_that_is_switched_off_is_noticed(owner: Transactions) -> None:
    async with owner() as db:
        await execute(db, "ALTER TABLE money DISABLE TRIGGER money_insert_only")
        assert (await verify.broken(db))["I0-guards-stand"] == ["money_insert_only"]
        await db.rollback()


TABLES: dict[str, tuple[Any, Any, set[str]]] = {
    "charges": (ChargeState, CHARGE_TABLE, {"new", "issuing"}),
    "payments": (PaymentState, PAYMENT_TABLE, {"requested"}),
    "parking_sessions": (StayState, STAY_TABLE, {"open", "reserved"}),
    "devices": (DeviceState, DEVICE_TABLE, {"pending"}),
    "signs": (SignState, SIGN_TABLE, {"made"}),
}
APPROVED_AS_STATED = """, approved_by = CASE '{state}' WHEN 'pending' THEN NULL
    ELSE (SELECT id FROM officers WHERE id <> enrolled_by LIMIT 1) END"""


async def allowed(db: AsyncSession, statement: str) -> bool:
    connection = await db.connection()
    try:
        async with connection.begin_nested():
            await connection.exec_driver_sql(statement)
    except DBAPIError as exc:
        assert "may not become" in str(exc)  # noqa: PT017 - any other refusal is a bug here
        return False
    return True


@pytest.mark.parametrize("table", TABLES)
async def test_the_database_allows_exactly_the_edges_of_the_table(
    town: None, owner: Transactions, table: str
) -> None:
    states, edges, first = TABLES[table]
    found, starts = set(), set()
    async with owner() as db:
        # The newest device was approved by nobody, as one that starts has to be.
        newest, also = ("DESC", APPROVED_AS_STATED) if table == "devices" else ("", "")
        row = f"(SELECT id FROM {table} ORDER BY id {newest} LIMIT 1)"
        for before in states:
            for after in states:
                await execute(
                    db,
                    "SET LOCAL session_replication_role = replica",
                    f"UPDATE {table} SET state = '{before}'{also.format(state=before)}"
                    f" WHERE id = {row}",
                    "SET LOCAL session_replication_role = origin",
                )
                change = (
                    f"UPDATE {table} SET state = '{after}'{also.format(state=after)}"
                    f" WHERE id = {row}"
                )
                if before is not after and await allowed(db, change):
                    found.add((before, after))
        await db.rollback()
        for state in states:
            new: dict[str, str] = {"id": NEW_ID, "state": f"'{state}'"}
            if table == "charges":
                new |= OTHER_REFERENCES
            if table == "signs":
                new |= {"version": "version + 1"}
            if await allowed(db, copied(table, f"id = {row}", **new)):
                starts.add(str(state))
            await db.rollback()
    assert found == {(before, after) for (before, _), after in edges.items()}
    assert starts == first
