"""The invariants that must hold whatever happened, each one a question that must find nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from prometheus_client import Gauge
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.device import DEVICE_TABLE
from domain.events import GENESIS, Event, canonical, event_hash, verify_chain
from domain.ids import uuid7
from domain.payment import CHARGE_TABLE
from server.audit import findings
from server.audit.sealed import RECORDED
from server.database import Transactions
from server.figures.service import ASTRAY
from server.identity.service import signed_by
from server.reconciliation import closing
from server.reconciliation.models import DayClose

log = structlog.get_logger()

MOST_TOLD = 100
STATEMENT_TIMEOUT_MS = 10 * 60 * 1000

VIOLATIONS = Gauge(
    "karcis_invariant_violations",
    f"What breaks an invariant, at most {MOST_TOLD}; must stay 0",
    ["invariant", "rows"],
)
CHECKED = Gauge(
    "karcis_invariants_checked_timestamp_seconds", "When the invariants were last checked", ["rows"]
)


@dataclass(frozen=True)
class Invariant:
    """`sql` selects what breaks it; `sentence` says what must hold.

    Where `recent` is given, it takes the place of `{rows}` when only what happened `:since` is
    looked at: ids the server makes are UUIDv7, so they tell when. `find` looks where SQL cannot.
    """

    name: str
    sentence: str
    sql: str = ""
    recent: str | None = None
    find: Callable[[AsyncSession], Awaitable[list[str]]] | None = None


async def _broken_chains(db: AsyncSession) -> list[str]:
    """The devices whose events, each taken anew, do not follow one another or were not signed."""
    rows = await db.stream(
        text("""SELECT e.*, k.public_keys FROM device_events e JOIN (
                    SELECT device_id, array_agg(public_key ORDER BY number DESC) AS public_keys
                    FROM device_keys GROUP BY device_id
                ) k ON k.device_id = e.device_id ORDER BY e.device_id, e.seq"""),
        execution_options={"yield_per": 100},  # each row costs a signature, and payments wait
    )
    found: dict[UUID, None] = {}
    device_id, seq, head = None, 0, GENESIS
    async for row in rows:
        if row.device_id != device_id:
            device_id, seq, head = row.device_id, 0, GENESIS
        event = Event(str(row.device_id), row.seq, row.prev_hash, row.kind, row.at, row.body)
        if (
            verify_chain([event], after_seq=seq, after_hash=head) is not None
            or event_hash(event) != row.hash
            or not any(signed_by(key, row.signature, canonical(event)) for key in row.public_keys)
        ):
            found[row.device_id] = None
        seq, head = row.seq, row.hash
    return [str(device) for device in found]


async def _changed_snapshots(db: AsyncSession) -> list[str]:
    rows = await db.execute(select(DayClose.id, DayClose.snapshot, DayClose.sha256))
    return [str(row.id) for row in rows if closing.digest(row.snapshot) != row.sha256]


async def _broken_log(db: AsyncSession) -> list[str]:
    return [str(finding) for finding in await findings.find(db)]


CHANGED_CHARGES = "c.id IN (SELECT charge_id FROM charge_changes WHERE id >= :since)"
EDGES = ", ".join(f"'{before}>{after}'" for (before, _), after in CHARGE_TABLE.items())
DEVICE_EDGES = ", ".join(f"'{before}>{after}'" for (before, _), after in DEVICE_TABLE.items())
EARNED_BY_PASSES = """
    SELECT m.* FROM money m JOIN charges c ON c.id = m.charge_id
    JOIN payments p ON p.id = c.payment_id
    LEFT JOIN cases k ON k.money_id = m.id
    WHERE p.pass_order_id IS NOT NULL AND (m.flag = 'exact' OR k.entry_id IS NOT NULL)
"""
TRIGGERS = (
    *(f"{table}_recorded" for table in RECORDED),
    "acquirer_choices_first_state",
    "acquirer_choices_never_changes",
    "acquirer_choices_only_edges",
    "attendant_changes_insert_only",
    "audit_changes_insert_only",
    "audit_checkpoints_insert_only",
    "audit_leaves_insert_only",
    "audit_sweeps_insert_only",
    "audit_tiles_insert_only",
    "case_assignments_insert_only",
    "case_changes_insert_only",
    "case_comments_insert_only",
    "case_steps_insert_only",
    "case_steps_two_officers",
    "cases_first_state",
    "cases_never_changes",
    "cases_only_edges",
    "cash_deposits_insert_only",
    "charge_changes_insert_only",
    "charges_first_state",
    "charges_issued_has_qris",
    "charges_never_changes",
    "charges_only_edges",
    "cleared_movements_insert_only",
    "closed_days_insert_only",
    "closure_ends_insert_only",
    "closures_insert_only",
    "complaint_changes_insert_only",
    "complaint_changes_two_officers",
    "complaints_first_state",
    "complaints_never_changes",
    "complaints_only_edges",
    "covered_stays_insert_only",
    "day_close_changes_insert_only",
    "day_closes_first_state",
    "day_closes_never_changes",
    "day_closes_only_edges",
    "device_changes_insert_only",
    "device_events_insert_only",
    "device_keys_insert_only",
    "devices_first_state",
    "devices_only_edges",
    "discrepancies_never_changes",
    "discrepancies_two_officers",
    "evidence_destroyed_insert_only",
    "fee_claims_never_changes",
    "fee_claims_two_officers",
    "head_counts_insert_only",
    "held_lines_insert_only",
    "imported_files_insert_only",
    "inquiries_insert_only",
    "ledger_entries_balance",
    "ledger_entries_insert_only",
    "ledger_postings_insert_only",
    "ledger_postings_no_later_legs",
    "matching_rules_insert_only",
    "money_insert_only",
    "notice_changes_insert_only",
    "notice_photos_never_changes",
    "notices_first_state",
    "notices_never_changes",
    "notices_only_edges",
    "notifications_insert_only",
    "officer_changes_insert_only",
    "parking_sessions_first_state",
    "parking_sessions_only_edges",
    "pass_orders_never_changes",
    "pass_permits_insert_only",
    "pass_prices_never_changes",
    "pass_revocations_insert_only",
    "passes_insert_only",
    "payee_accounts_insert_only",
    "payee_decisions_insert_only",
    "payee_decisions_maker_checker",
    "payments_first_state",
    "payments_never_changes",
    "payments_only_edges",
    "payout_lines_first_state",
    "payout_lines_never_changes",
    "payout_lines_only_edges",
    "payout_lines_seen_by_two",
    "payout_rules_insert_only",
    "payout_runs_first_state",
    "payout_runs_never_changes",
    "payout_runs_only_edges",
    "plates_destroyed_insert_only",
    "proof_claims_insert_only",
    "quarantine_cases_two_officers",
    "quarantined_events_insert_only",
    "receipts_insert_only",
    "reconciliations_insert_only",
    "refund_changes_insert_only",
    "refund_proofs_insert_only",
    "refund_receipts_insert_only",
    "refunds_first_state",
    "refunds_never_changes",
    "refunds_only_edges",
    "refunds_within_money",
    "remittances_first_state",
    "remittances_never_changes",
    "remittances_only_edges",
    "remitted_days_insert_only",
    "report_downloads_insert_only",
    "report_schedules_never_changes",
    "revenue_targets_insert_only",
    "rule_proposals_first_state",
    "rule_proposals_never_changes",
    "rule_proposals_only_edges",
    "scheduled_files_insert_only",
    "settlement_corrections_first_state",
    "settlement_corrections_never_changes",
    "settlement_corrections_only_edges",
    "settlement_lines_insert_only",
    "shift_closings_insert_only",
    "shift_differences_two_officers",
    "sign_cases_two_officers",
    "sign_changes_insert_only",
    "sign_checks_insert_only",
    "signs_first_state",
    "signs_never_changes",
    "signs_only_edges",
    "spot_files_insert_only",
    "statement_balances_insert_only",
    "statement_lines_insert_only",
    "stay_checks_insert_only",
    "stay_voids_insert_only",
    "tariff_proposals_first_state",
    "tariff_proposals_never_changes",
    "tariff_proposals_only_edges",
    "tariffs_never_changes",
    "tariffs_taken_back_on_insert",
    "tariffs_taken_back_on_update",
    "transfer_cases_two_officers",
    "unended_stays_two_officers",
    "unit_moves_never_changes",
    "units_are_a_tree",
    "units_never_changes",
    "unsettled_lines_insert_only",
    "voucher_batches_by_two",
    "voucher_batches_insert_only",
    "voucher_ends_insert_only",
    "voucher_ends_voided_by_two",
    "voucher_proposals_batch_stays",
    "voucher_proposals_first_state",
    "voucher_proposals_never_changes",
    "voucher_proposals_only_edges",
    "voucher_refusals_insert_only",
)
"""What binds even the owner of the schema; a test holds the list equal to the database's."""

INVARIANTS = (
    Invariant(
        "I0-guards-stand",
        "no trigger that guards the tables was dropped or switched off",
        f"""SELECT wanted FROM unnest(ARRAY{list(TRIGGERS)}) AS wanted
            LEFT JOIN pg_trigger t ON t.tgname = wanted AND t.tgenabled IN ('O', 'A')
                AND pg_table_is_visible(t.tgrelid)
            WHERE t.oid IS NULL""",
        "true",
    ),
    Invariant(
        "I1-entries-balance",
        "every ledger entry has all its legs, and they sum to zero",
        """SELECT e.id FROM ledger_entries e LEFT JOIN ledger_postings p ON p.entry_id = e.id
           WHERE {rows}
           GROUP BY e.id HAVING count(p.line) <> e.legs OR e.legs < 2 OR sum(p.amount_rp) <> 0""",
        "e.id >= :since",
    ),
    Invariant(
        "I1-accounts-balance",
        "all accounts together sum to zero",
        """SELECT sum(amount_rp) FROM ledger_postings HAVING sum(amount_rp) <> 0""",
    ),
    Invariant(
        "I2-paid-once",
        "a charge is paid exactly when one final payment is recorded for it",
        """SELECT c.id FROM charges c
           LEFT JOIN money m ON m.charge_id = c.id AND m.flag = 'exact'
           WHERE {rows} GROUP BY c.id
           HAVING count(m.id) <> (c.paid_at IS NOT NULL)::int
              OR count(m.id) <> (c.state = 'paid' OR c.state LIKE 'refund%')::int""",
        CHANGED_CHARGES,
    ),
    Invariant(
        "I2-one-charge-per-reference",
        "what an acquirer calls by one reference is one charge here, and each money of it once",
        """SELECT acquirer || ' ' || acquirer_reference FROM charges c
           WHERE acquirer_reference IS NOT NULL AND {rows}
           GROUP BY acquirer, acquirer_reference HAVING count(*) > 1
           UNION ALL
           SELECT m.acquirer || ' ' || m.acquirer_reference FROM money m
           JOIN charges c ON c.id = m.charge_id WHERE {rows}
           GROUP BY m.acquirer, m.acquirer_reference
           HAVING count(*) <> count(DISTINCT coalesce(m.rrn, ''))
               OR bool_or(m.acquirer <> c.acquirer)""",
        CHANGED_CHARGES,
    ),
    Invariant(
        "I3-receipts",
        "a paid charge has exactly one receipt, of its final payment and of the same amount",
        """SELECT c.id FROM charges c LEFT JOIN receipts r ON r.charge_id = c.id
           LEFT JOIN money m ON m.id = r.money_id
           WHERE {rows} GROUP BY c.id
           HAVING count(r.number) <> (c.paid_at IS NOT NULL)::int
              OR bool_or((r.facts ->> 'amount_rp')::bigint <> c.amount_rp)
              OR bool_or(r.facts ->> 'number' <> r.number)
              OR bool_or(m.charge_id <> c.id OR m.flag <> 'exact')""",
        CHANGED_CHARGES,
    ),
    Invariant(
        "I3-series-without-gaps",
        "receipts, refunds, deposits and STS of a series are numbered 1, 2, 3 … to the last",
        """SELECT s.series FROM receipt_series s LEFT JOIN
           (SELECT series, sequence FROM receipts
            UNION ALL SELECT series, sequence FROM refunds
            UNION ALL SELECT series, sequence FROM remittances
            UNION ALL SELECT series, sequence FROM payout_runs
            UNION ALL SELECT series, sequence FROM cash_deposits) r ON r.series = s.series
           GROUP BY s.series, s.last
           HAVING count(r.sequence) <> s.last OR count(DISTINCT r.sequence) <> s.last
               OR max(r.sequence) <> s.last""",
    ),
    Invariant(
        "I4-no-lost-event",
        "the events of a device are numbered 1, 2, 3 … to the last",
        """SELECT device_id FROM device_events GROUP BY device_id
           HAVING count(*) <> max(seq) OR min(seq) <> 1""",
    ),
    Invariant(
        "I5-evidence",
        "for all money there is what proves it: of the same charge, and naming the same amount",
        # Bodies are read as text, because each acquirer has its own form.
        """SELECT m.id FROM money m JOIN charges c ON c.id = m.charge_id
           LEFT JOIN notifications n ON n.id = m.notification_id
           LEFT JOIN inquiries i ON i.id = m.inquiry_id
           LEFT JOIN settlement_lines s ON s.id = m.settlement_line_id
           LEFT JOIN voucher_ends v ON v.serial = m.voucher_serial
           WHERE {rows} AND NOT coalesce(
               CASE
                   WHEN n.id IS NOT NULL THEN
                       n.charge_id = c.id AND n.outcome IN ('accepted', 'repeat')
                       AND n.body_hash = sha256(n.body)
                       AND position(convert_to(c.reference, 'UTF8') IN n.body) > 0
                       AND encode(n.body, 'escape') ~ named.amount
                   WHEN i.id IS NOT NULL THEN
                       i.charge_id = c.id AND i.status IN ('paid', 'refunded')
                       AND coalesce(i.answer ->> 'originalPartnerReferenceNo',
                                    i.answer ->> 'order_id', c.reference) = c.reference
                       AND i.answer::text ~ named.amount
                   WHEN s.id IS NOT NULL THEN
                       s.reference = c.reference AND s.gross_rp = m.amount_rp
                   WHEN v.serial IS NOT NULL THEN v.charge_id = c.id
                   ELSE m.shift_id IS NOT NULL
               END, false)""".replace(
            "named.amount", r"('(?<![0-9])' || m.amount_rp || '([.]00)?(?![0-9.])')"
        ),
        "m.id >= :since",
    ),
    Invariant(
        "I5-booked",
        "all money is in the ledger, to the rupiah, as owed by the acquirer or the attendant, or as"
        " no longer owed to a voucher's bearer but for its rest",
        """SELECT m.id FROM money m LEFT JOIN ledger_postings p ON p.entry_id = m.entry_id
           AND p.account_code = ANY (CASE WHEN m.voucher_serial IS NOT NULL THEN '{2140,4190}'
               WHEN m.shift_id IS NULL THEN '{1120}' ELSE '{1140}' END::text[])
           WHERE {rows} GROUP BY m.id HAVING coalesce(sum(p.amount_rp), 0) <> m.amount_rp""",
        "m.id >= :since",
    ),
    Invariant(
        "I5-counted",
        "a closed shift was expected to hold the cash its books say, and a difference has a case",
        """SELECT c.shift_id FROM shift_closings c
           LEFT JOIN shift_differences d ON d.shift_id = c.shift_id
           LEFT JOIN LATERAL (
               SELECT coalesce(sum(m.amount_rp), 0) AS rp FROM money m
               WHERE m.shift_id = c.shift_id
           ) held ON true
           WHERE c.expected_rp <> held.rp
              OR coalesce(nullif(c.counted_rp - c.expected_rp, 0), c.shown_rp - c.expected_rp, 0)
                  <> coalesce(d.difference_rp, 0)""",
    ),
    Invariant(
        "I6-edges",
        "a charge changed only as its table allows",
        f"""SELECT charge_id FROM charge_changes
            WHERE {{rows}} AND state_before || '>' || state_after NOT IN ({EDGES})""",
        "id >= :since",
    ),
    Invariant(
        "I6-paths",
        "the changes of a charge lead from new to where it stands",
        # The table has no way back, so what was entered less what was left is one state: the last.
        """SELECT v.id FROM charges c CROSS JOIN LATERAL (
               SELECT c.id, state, sum(visits) AS visits FROM (
                   SELECT state_after AS state, 1 AS visits FROM charge_changes
                   WHERE charge_id = c.id
                   UNION ALL SELECT state_before, -1 FROM charge_changes WHERE charge_id = c.id
                   UNION ALL VALUES ('new', 1), (c.state, -1)
               ) visited GROUP BY state
           ) v WHERE {rows} AND v.visits <> 0""",
        CHANGED_CHARGES,
    ),
    Invariant(
        "I6-payments-agree",
        "a payment, its charges and its stay tell the same story",
        """SELECT p.id FROM payments p LEFT JOIN parking_sessions s ON s.id = p.parking_session_id
           LEFT JOIN charges c ON c.payment_id = p.id
           WHERE {rows} GROUP BY p.id, s.id
           HAVING count(c.paid_at) <> (p.state = 'paid')::int
              OR bool_or(c.amount_rp <> p.amount_rp)
              OR p.state = 'voided'
                  AND (p.id = s.id AND s.state IN ('reserved', 'open') OR bool_or(
                  c.state IN ('new', 'issuing', 'issue_unknown', 'issued')))
              OR p.state = 'paid' AND s.state = 'reserved'
              OR p.state <> 'voided' AND s.state = 'voided'""",
        f"p.id IN (SELECT c.payment_id FROM charges c WHERE {CHANGED_CHARGES})",
    ),
    Invariant(
        "I6-parts-are-one-quote",
        "the parts of a stay that stand carry on from one another, so that they sum to one quote",
        """SELECT p.parking_session_id FROM payments p WHERE state <> 'voided' AND {rows}
           AND p.parking_session_id IS NOT NULL GROUP BY p.parking_session_id
           HAVING sum(amount_rp) <> max(charged_before_rp + amount_rp)""",
        "p.parking_session_id IN (SELECT f.parking_session_id FROM payments f"
        " JOIN charges c ON c.payment_id = f.id"
        f" WHERE f.parking_session_id <> f.id AND {CHANGED_CHARGES})",
    ),
    Invariant(
        "I6-issued-has-a-barcode",
        "a charge that a driver is to pay by barcode has one",
        """SELECT c.id FROM charges c
           WHERE {rows} AND state = 'issued' AND kind = 'mpm' AND qris IS NULL""",
        CHANGED_CHARGES,
    ),
    Invariant(
        "I6-one-per-space",
        "no two stays overlap where there is room for one vehicle",
        """SELECT id FROM (
               SELECT id, started_at < max(coalesce(ends_at, 'infinity')) OVER (
                   PARTITION BY spot_id ORDER BY started_at, id
                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken
               FROM parking_sessions WHERE exclusive AND state = 'open'
           ) s WHERE taken""",
    ),
    Invariant(
        "I6-suspense-has-a-case",
        "money that did not fit its charge has a case with an owner",
        """SELECT m.id FROM money m LEFT JOIN cases c ON c.money_id = m.id
           WHERE {rows} AND (m.flag <> 'exact') <> (c.id IS NOT NULL)""",
        "m.id >= :since",
    ),
    Invariant(
        "I6-suspense-is-its-cases",
        "suspense holds what its open cases hold, to the rupiah",
        """SELECT held - balance FROM
           (SELECT coalesce(sum(c.amount_rp), 0) AS opened FROM cases c
            WHERE c.state <> 'closed' AND c.entry_id IS NULL
                AND num_nonnulls(c.refund_id, c.charge_id, c.voucher_refusal_id) = 0) o,
           (SELECT coalesce(sum(r.amount_rp), 0) AS returned FROM refunds r
            JOIN cases c ON c.money_id = r.money_id
            WHERE c.state <> 'closed' AND c.entry_id IS NULL AND r.from_suspense
                AND r.state IN ('sending', 'unknown', 'transfer_due', 'done')) r,
           (SELECT coalesce(-sum(p.amount_rp), 0) AS balance FROM ledger_postings p
            WHERE p.account_code = '2190') s,
           (SELECT coalesce(sum(f.amount_rp), 0) AS claimed FROM fee_claims f
            JOIN cases c ON c.id = f.case_id
            WHERE f.ended_entry_id IS NOT NULL AND c.state <> 'closed' AND c.entry_id IS NULL) f,
           LATERAL (SELECT opened - returned - claimed AS held) h
           WHERE held <> balance""",
    ),
    Invariant(
        "I7-files-as-they-came",
        "settlement files and statements are kept as they came",
        "SELECT id FROM imported_files WHERE sha256 <> sha256(content)",
    ),
    Invariant(
        "I7-bank-as-imported",
        "the bank account holds what the imported statements moved",
        """SELECT posted - moved FROM
           (SELECT coalesce(sum(amount_rp), 0) AS posted FROM ledger_postings
            WHERE account_code = '1110') p,
           (SELECT coalesce(sum(amount_rp), 0) AS moved FROM statement_lines
            WHERE ledger_account IS NULL) s
           WHERE posted <> moved""",
    ),
    Invariant(
        "I7-days-as-closed",
        "what was closed of a day is the snapshot whose hash was kept",
        find=_changed_snapshots,
    ),
    Invariant(
        "I7-remitted-as-approved",
        "the regency's account holds the approved STS and what was paid straight into it, and each"
        " STS is the sum of the days it lists",
        """SELECT 'all' FROM
           (SELECT coalesce(sum(amount_rp), 0) AS posted FROM ledger_postings
            WHERE account_code = '1100') p,
           (SELECT coalesce(sum(amount_rp), 0) AS approved FROM remittances
            WHERE entry_id IS NOT NULL) r,
           (SELECT coalesce(sum(l.amount_rp), 0) AS direct FROM statement_lines l
            JOIN cleared_movements c ON c.statement_line_id = l.id
            WHERE l.ledger_account = '1100'
                AND NOT EXISTS (SELECT FROM remittances m WHERE m.number = c.name)) d
           WHERE posted <> approved + direct
           UNION ALL SELECT r.number FROM remittances r
           LEFT JOIN remitted_days d ON d.remittance_id = r.id
           GROUP BY r.id HAVING r.amount_rp <> coalesce(sum(d.amount_rp), 0)""",
    ),
    Invariant(
        "I7-remitted-in-transit",
        "what was handed in and is still on the collecting account is the STS not yet seen leaving",
        """SELECT posted + sent FROM
           (SELECT coalesce(sum(amount_rp), 0) AS posted FROM ledger_postings
            WHERE account_code = '1161') p,
           (SELECT coalesce(sum(amount_rp), 0) AS sent FROM remittances
            WHERE state = 'approved' AND NOT direct) r
           WHERE posted <> -sent""",
    ),
    Invariant(
        "I7-collected-as-handed-in",
        "the collecting account holds what came and no STS has taken out, by the days that each"
        " STS lists",
        """SELECT posted - (came - taken) FROM
           (SELECT coalesce(sum(amount_rp), 0) AS posted FROM ledger_postings
            WHERE account_code = '1110') p,
           (SELECT coalesce(sum(l.amount_rp), 0) AS came FROM statement_lines l
            WHERE l.ledger_account IS NULL AND NOT EXISTS (
                SELECT FROM remittances r WHERE r.statement_line_id = l.id)) s,
           (SELECT coalesce(sum(d.amount_rp), 0) AS taken FROM remitted_days d
            JOIN remittances r ON r.id = d.remittance_id WHERE r.state = 'seen') r
           WHERE posted <> came - taken""",
    ),
    Invariant(
        "I7-confirmed-as-told",
        "an STS is confirmed exactly when the regency's statement tells of its whole sum",
        """SELECT r.number FROM remittances r LEFT JOIN LATERAL (
               SELECT coalesce(sum(l.amount_rp), 0) AS rp FROM statement_lines l
               JOIN cleared_movements c ON c.statement_line_id = l.id
               WHERE l.ledger_account = '1100' AND c.name = r.number
           ) came ON true
           WHERE NOT r.direct AND r.state IN ('approved', 'seen')
               AND (r.confirmed_on IS NOT NULL) <> (came.rp = r.amount_rp)""",
    ),
    Invariant(
        "I7-differing-sts-have-a-case",
        "an STS of which another sum came has a case of just that difference",
        """SELECT r.number FROM remittances r
           JOIN cleared_movements c ON c.name = r.number
           JOIN statement_lines l ON l.id = c.statement_line_id AND l.ledger_account = '1100'
           WHERE NOT r.direct AND r.state IN ('approved', 'seen')
           GROUP BY r.id HAVING sum(l.amount_rp) <> r.amount_rp AND NOT EXISTS (
               SELECT FROM transfer_cases t
               WHERE t.remittance_id = r.id AND t.detail = 'sts-differs'
                   AND t.amount_rp = sum(l.amount_rp) - r.amount_rp)""",
    ),
    Invariant(
        "I7-shares-in-transit",
        "shares on their way are what the bank said was paid, less what left the account for them",
        """SELECT posted - (taken - paid) FROM
           (SELECT coalesce(sum(amount_rp), 0) AS posted FROM ledger_postings
            WHERE account_code = '1162') p,
           (SELECT coalesce(sum(amount_rp), 0) AS paid FROM payout_lines
            WHERE state = 'paid') l,
           (SELECT coalesce(-sum(s.amount_rp), 0) AS taken FROM statement_lines s
            WHERE s.ledger_account IS NULL AND s.id IN (
                SELECT statement_line_id FROM payout_runs
                UNION SELECT c.statement_line_id FROM cleared_movements c
                JOIN payout_runs r ON r.number = c.name)) s
           WHERE posted <> taken - paid""",
    ),
    Invariant(
        "I7-claims-as-decided",
        "what acquirers are claimed to owe of their fees is the claims that have not ended",
        """SELECT posted - claimed FROM
           (SELECT coalesce(sum(amount_rp), 0) AS posted FROM ledger_postings
            WHERE account_code = '1190') p,
           (SELECT coalesce(sum(amount_rp), 0) AS claimed FROM fee_claims
            WHERE ended_entry_id IS NULL AND outcome IS DISTINCT FROM 'withdrawn') f
           WHERE posted <> claimed""",
    ),
    Invariant(
        "I7-strays-as-decided",
        "what must be given back is the strangers' money that two officers said so of, less what"
        " they said went back",
        """SELECT posted + owed FROM
           (SELECT coalesce(sum(amount_rp), 0) AS posted FROM ledger_postings
            WHERE account_code = '2150') p,
           (SELECT coalesce(sum(amount_rp), 0) AS owed FROM cases
            WHERE posted_as IN ('given_back', 'sent_back')) c
           WHERE posted <> -owed
           UNION ALL SELECT s.amount_rp FROM cases s LEFT JOIN cases g
               ON g.id::text = s.pays AND g.posted_as = 'given_back' AND g.amount_rp = -s.amount_rp
           WHERE s.posted_as = 'sent_back' AND g.id IS NULL""",
    ),
    Invariant(
        "I7-failed-shares-have-a-case",
        "a share that the bank did not pay has a case with an owner",
        """SELECT l.id FROM payout_lines l LEFT JOIN transfer_cases t ON t.payout_line_id = l.id
           WHERE l.state = 'failed' AND t.id IS NULL""",
    ),
    Invariant(
        "I7-paid-out-as-told",
        "a run of shares is the sum of its lines, and each paid line took that much of the debt",
        """SELECT r.number FROM payout_runs r LEFT JOIN payout_lines l ON l.run_id = r.id
           GROUP BY r.id HAVING r.amount_rp <> coalesce(sum(l.amount_rp), 0)
           UNION ALL SELECT l.id::text FROM payout_lines l
           LEFT JOIN ledger_postings p ON p.entry_id = l.entry_id
               AND p.account_code = l.account_code AND p.party = l.party
           WHERE l.state = 'paid' AND p.amount_rp IS DISTINCT FROM l.amount_rp""",
    ),
    Invariant(
        "I7-transit-as-settled",
        "what is on its way to the bank is what the settlement lines pay out, net of fees",
        """SELECT posted - told FROM
           (SELECT coalesce(sum(p.amount_rp), 0) AS posted FROM ledger_postings p
            JOIN ledger_entries e ON e.id = p.entry_id WHERE p.account_code = '1130'
            AND (e.source LIKE 'settlement:%' OR e.source LIKE 'unbooked:%')) p,
           (SELECT coalesce(sum(net_rp), 0) AS told FROM settlement_lines) s
           WHERE posted <> told""",
    ),
    Invariant(
        "I7-receivable-as-settled",
        "the acquirer owes the money recorded less its refunds and the lines set against both, and"
        " less what two officers wrote off",
        """SELECT owed - (came - returned - settled + lost) FROM
           (SELECT coalesce(sum(amount_rp), 0) AS owed FROM ledger_postings
            WHERE account_code = '1120') p,
           (SELECT coalesce(sum(amount_rp), 0) AS came FROM money
            WHERE acquirer NOT IN ('cash', 'voucher')) m,
           (SELECT coalesce(sum(amount_rp), 0) AS returned FROM refunds
            WHERE method = 'acquirer' AND state = 'done') f,
           (SELECT coalesce(sum(l.gross_rp), 0) AS settled FROM settlement_lines l
            LEFT JOIN ledger_entries u ON u.source = 'unbooked:' || l.id
            LEFT JOIN ledger_entries e ON e.source = 'explained:settlement:' || l.id
            WHERE u.id IS NULL OR e.id IS NOT NULL) s,
           (SELECT coalesce(sum(p.amount_rp), 0) AS lost FROM ledger_postings p
            JOIN case_steps t ON t.entry_id = p.entry_id WHERE p.account_code = '1120') w
           WHERE owed <> came - returned - settled + lost""",
    ),
    Invariant(
        "I7-takings-as-posted",
        "the sums of takings are what was posted to revenue, held and settled, day by day",
        ASTRAY,
    ),
    Invariant(
        "I7-cash-as-taken",
        "each attendant owes the cash taken on the own shifts less the deposits",
        """SELECT a.code FROM attendants a
           LEFT JOIN (SELECT s.attendant_id AS id, sum(m.amount_rp) AS rp FROM money m
                      JOIN shifts s ON s.id = m.shift_id GROUP BY 1) taken ON taken.id = a.id
           LEFT JOIN (SELECT attendant_id AS id, sum(amount_rp) AS rp FROM cash_deposits
                      GROUP BY 1) paid ON paid.id = a.id
           FULL JOIN (SELECT party, sum(amount_rp) AS rp FROM ledger_postings
                      WHERE account_code = '1140' GROUP BY 1) owed ON owed.party = a.code
           WHERE coalesce(owed.rp, 0) <> coalesce(taken.rp, 0) - coalesce(paid.rp, 0)""",
    ),
    Invariant(
        "I14-vouchers-owed",
        "what is owed to vouchers' bearers is the value of those issued and not ended",
        """SELECT owed - worth FROM
           (SELECT coalesce(-sum(amount_rp), 0) AS owed FROM ledger_postings
            WHERE account_code = '2140') p,
           (SELECT coalesce(sum(b.value_rp * (b.count - coalesce(e.n, 0))), 0) AS worth
            FROM voucher_batches b LEFT JOIN
            (SELECT batch, count(*) AS n FROM voucher_ends GROUP BY batch) e
            ON e.batch = b.number) w
           WHERE owed <> worth""",
    ),
    Invariant(
        "I14-redeemed-once",
        "a voucher that was redeemed paid one charge, which it was worth, by an entry of its own",
        """SELECT e.serial FROM voucher_ends e
           JOIN voucher_batches b ON b.number = e.batch
           LEFT JOIN money m ON m.voucher_serial = e.serial
           LEFT JOIN charges c ON c.id = e.charge_id AND c.kind = 'voucher'
           WHERE e.charge_id IS NOT NULL
           GROUP BY e.serial, b.value_rp HAVING count(m.id) <> 1 OR count(c.id) <> 1
               OR max(m.amount_rp) > b.value_rp
           UNION ALL SELECT charge_id::text FROM voucher_ends WHERE charge_id IS NOT NULL
           GROUP BY charge_id HAVING count(*) > 1""",
    ),
    Invariant(
        "I14-refused-vouchers-have-a-case",
        "a voucher that was taken offline and refused has a case with an owner",
        """SELECT r.id FROM voucher_refusals r LEFT JOIN cases c ON c.voucher_refusal_id = r.id
           WHERE c.id IS NULL""",
    ),
    Invariant(
        "I15-free-for-one-reason",
        "a stay that cost nothing has no payment, and a pass or an exemption for its reason",
        """SELECT c.id FROM covered_stays c LEFT JOIN payments p ON p.parking_session_id = c.id
           WHERE p.id IS NOT NULL OR num_nonnulls(c.pass_serial, c.exemption) <> 1""",
    ),
    Invariant(
        "I15-passes-paid",
        "what passes earned is what was paid in for them, to the rupiah",
        f"""SELECT earned - (paid + came - returned) FROM
           (SELECT coalesce(-sum(amount_rp), 0) AS earned FROM ledger_postings
            WHERE account_code = '4120') e,
           (SELECT coalesce(sum(d.amount_rp), 0) AS paid FROM cash_deposits d
            JOIN passes p ON p.serial = d.payer) d,
           (SELECT coalesce(sum(m.amount_rp), 0) AS came FROM ({EARNED_BY_PASSES}) m) m,
           (SELECT coalesce(sum(r.amount_rp), 0) AS returned FROM refunds r
            JOIN ({EARNED_BY_PASSES}) m ON m.id = r.money_id
            WHERE r.state IN ('sending', 'unknown', 'transfer_due', 'done')) f
           WHERE earned <> paid + came - returned""",
    ),
    Invariant(
        "I15-passes-given",
        "a pass that was ordered is there exactly when its money came or was recognised, once",
        f"""SELECT o.id FROM pass_orders o JOIN payments p ON p.pass_order_id = o.id
            JOIN charges c ON c.payment_id = p.id
            LEFT JOIN ({EARNED_BY_PASSES}) m ON m.charge_id = c.id
            LEFT JOIN passes s ON s.order_id = o.id
            WHERE {{rows}} GROUP BY o.id
            HAVING count(m.id) <> count(DISTINCT s.serial) OR bool_or(s.price_rp <> c.amount_rp)
            UNION ALL SELECT s.order_id FROM passes s
            LEFT JOIN payments p ON p.pass_order_id = s.order_id
            WHERE s.order_id IS NOT NULL AND p.id IS NULL""",
        CHANGED_CHARGES,
    ),
    Invariant(
        "I8-device-chains",
        "each event of a device names the one before it, and is what the device signed",
        find=_broken_chains,
    ),
    Invariant(
        "I8-audit",
        "what was sealed is as it was, in a chain without a gap; each change is recorded",
        find=_broken_log,
    ),
    Invariant(
        "I8-proof-taken-twice-has-a-case",
        "a proof that two events of handhelds took has a case with an owner",
        """SELECT c.id FROM (
               SELECT body ->> 'charge_id' AS id FROM device_events WHERE kind = 'proof_taken'
               GROUP BY 1 HAVING count(*) > 1
           ) taken JOIN charges c ON c.id::text = taken.id
           WHERE NOT EXISTS (
               SELECT FROM cases WHERE charge_id = c.id AND kind = 'proof-taken-twice')""",
    ),
    Invariant(
        "I8-refund-wish-has-a-case",
        "each wish for money back that a handheld told has its charge's case, or is held",
        """SELECT e.device_id::text || ' ' || e.seq FROM device_events e
           WHERE e.kind = 'refund_wished' AND NOT EXISTS (
               SELECT FROM cases WHERE kind = 'refund-wished'
               AND charge_id::text = e.body ->> 'charge_id'
           ) AND NOT EXISTS (
               SELECT FROM quarantined_events q WHERE q.device_id = e.device_id
               AND q.event ->> 'hash' = e.hash)""",
    ),
    Invariant(
        "I13-two-officers-a-device",
        "a device that may work was approved by another officer than enrolled it",
        """SELECT id FROM devices WHERE enrolled_by = approved_by
              OR (state IN ('active', 'suspended') AND num_nulls(enrolled_by, approved_by) > 0)""",
    ),
    Invariant(
        "I13-device-changes",
        "the changes of a device lead along its table to where it stands",
        f"""SELECT d.id FROM devices d LEFT JOIN LATERAL (
               SELECT state_after FROM device_changes WHERE device_id = d.id
               ORDER BY changed_at DESC, id DESC LIMIT 1) last ON true
            WHERE d.state IS DISTINCT FROM last.state_after
            UNION ALL SELECT device_id FROM device_changes
            WHERE state_before <> state_after
                AND state_before || '>' || state_after NOT IN ({DEVICE_EDGES})""",
    ),
    Invariant(
        "I14-sign-changes",
        "a printed sign stands where the last of its changes says",
        """SELECT n.id FROM signs n LEFT JOIN LATERAL (
               SELECT state FROM sign_changes WHERE sign_id = n.id ORDER BY at DESC, id DESC LIMIT 1
           ) last ON true WHERE n.state IS DISTINCT FROM last.state""",
    ),
    Invariant(
        "I13-one-device-a-key",
        "every device has its keys numbered 1, 2, 3 …, and no key is another device's",
        """SELECT d.id::text FROM devices d LEFT JOIN device_keys k ON k.device_id = d.id
           GROUP BY d.id HAVING count(k.number) = 0 OR count(k.number) <> max(k.number)
           UNION ALL SELECT min(device_id::text) FROM device_keys
           GROUP BY public_key HAVING count(*) > 1""",
    ),
    Invariant(
        "I12-refunds-within-money",
        "no arrival of money is given back more than once",
        """SELECT m.id FROM money m JOIN refunds r ON r.money_id = m.id
           WHERE r.state NOT IN ('rejected', 'refused')
           GROUP BY m.id HAVING sum(r.amount_rp) > m.amount_rp""",
    ),
    Invariant(
        "I12-one-refund-at-a-time",
        "of one arrival of money at most one refund is undecided",
        """SELECT money_id FROM refunds
           WHERE state IN ('requested', 'sending', 'unknown', 'transfer_due')
           GROUP BY money_id HAVING count(*) > 1""",
    ),
    Invariant(
        "I12-maker-is-not-checker",
        "refunds and cases are decided by another officer than asked",
        """SELECT id FROM refunds WHERE requested_by = decided_by
              OR (decided_by IS NULL AND state <> 'requested')
           UNION ALL SELECT id FROM cases WHERE proposed_by = decided_by
              OR (outcome IN ('recognised', 'matched', 'other_income', 'given_back', 'sent_back',
                      'kept', 'not_made', 'clarified')
                  AND num_nulls(proposed_by, decided_by) > 0)""",
    ),
    Invariant(
        "I12-two-officers-a-case",
        "each case is closed, and what was posted for it taken back, by another than proposed it",
        """SELECT s.case_id FROM case_steps s LEFT JOIN case_steps p ON p.kind = s.kind
               AND p.case_id = s.case_id AND p.number = s.number - 1
           WHERE s.event IN ('accepted', 'corrected') AND (p.event IS DISTINCT FROM 'proposed'
               OR p.officer_id = s.officer_id OR p.outcome IS DISTINCT FROM s.outcome)""",
    ),
    Invariant(
        "I12-resolutions-are-steps",
        "what is posted for a difference or a claim is a decision's, and stands as long as it says",
        """SELECT e.id FROM ledger_entries e LEFT JOIN case_steps s ON s.entry_id = e.id
           WHERE (e.source LIKE 'resolved:%' OR e.source LIKE 'unresolved:%'
                   OR e.source LIKE 'claim:%' OR e.source LIKE 'unclaim:%')
               <> (s.entry_id IS NOT NULL)
           UNION ALL SELECT d.id FROM discrepancies d
           LEFT JOIN case_steps s ON s.entry_id = d.entry_id AND s.case_id = d.id
               AND s.event = 'accepted'
           LEFT JOIN ledger_entries u ON u.source = 'unresolved:' || d.entry_id
           WHERE d.entry_id IS NOT NULL AND (s.case_id IS NULL OR u.id IS NOT NULL)""",
    ),
    Invariant(
        "I12-one-acquirer-refund",
        "a refund the acquirer made is no other refund's",
        """SELECT min(id::text) FROM refunds WHERE acquirer_refund_number IS NOT NULL
           GROUP BY acquirer, acquirer_refund_number HAVING count(*) > 1""",
    ),
    Invariant(
        "I12-refunds-done-are-proved",
        "a refund that was made has evidence and a receipt",
        """SELECT f.id FROM refunds f LEFT JOIN refund_receipts p ON p.refund_id = f.id
           WHERE (f.state = 'done') <> (p.refund_id IS NOT NULL)
              OR (p.facts ->> 'amount_rp')::bigint <> f.amount_rp
              OR (f.state = 'done' AND f.method = 'acquirer' AND num_nonnulls(
                    f.acquirer_refund_number, f.inquiry_id, f.settlement_line_id) = 0)
              OR (f.state = 'done' AND f.method = 'transfer' AND num_nulls(
                    f.transfer_reference, f.transferred_on, f.proof_id) > 0)""",
    ),
    Invariant(
        "I12-no-refund-is-dropped",
        "a refund that was refused, or that nobody asks about while it is in doubt, has a case",
        """SELECT r.id FROM refunds r WHERE NOT EXISTS (
               SELECT FROM cases c WHERE c.refund_id = r.id
               AND (r.state = 'refused' OR c.state <> 'closed'))
           AND (r.state = 'refused'
                OR r.state IN ('sending', 'unknown') AND r.next_inquiry_at IS NULL)""",
    ),
    Invariant(
        "I12-transferred-is-not-refused",
        "no refund whose transfer left the bank account is held to be refused",
        "SELECT id FROM refunds WHERE state = 'refused' AND statement_line_id IS NOT NULL",
    ),
    Invariant(
        "I12-refunds-are-posted",
        "what is still owed to payers is what refunds that are approved and not made come to",
        """SELECT owed - due FROM
           (SELECT coalesce(-sum(amount_rp), 0) AS owed FROM ledger_postings
            WHERE account_code = '2110') p,
           (SELECT coalesce(sum(amount_rp), 0) AS due FROM refunds
            WHERE state IN ('sending', 'unknown', 'transfer_due')) r
           WHERE owed <> due""",
    ),
)


async def broken(db: AsyncSession, since: datetime | None = None) -> dict[str, list[str]]:
    """For every invariant what breaks it, at most a hundred; all empty when all hold.

    With `since`, of what happened from then on, for the invariants that can be asked so.
    """
    await db.execute(text("SET TRANSACTION READ ONLY"))
    await db.execute(text(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}"))
    if since is None:
        return {invariant.name: await _of_all(db, invariant) for invariant in INVARIANTS}
    first = uuid7(int(since.timestamp() * 1000), bytes(10))
    return {
        invariant.name: await _rows(db, invariant.sql.replace("{rows}", invariant.recent), first)
        for invariant in INVARIANTS
        if invariant.recent is not None
    }


async def _of_all(db: AsyncSession, invariant: Invariant) -> list[str]:
    if invariant.find is not None:
        return await invariant.find(db)
    return await _rows(db, invariant.sql.replace("{rows}", "true"))


async def _rows(db: AsyncSession, sql: str, since: UUID | None = None) -> list[str]:
    values = {"since": since} if ":since" in sql else {}
    # Apart, because a limit on the question itself is planned as if its first rows came soon.
    most = f"WITH broken AS MATERIALIZED ({sql}) SELECT * FROM broken LIMIT {MOST_TOLD}"
    rows = await db.scalars(text(most), values)
    return [str(row) for row in rows]


async def watch(
    transactions: Transactions, *, since: datetime | None = None, now: datetime
) -> None:
    """Set the metrics that must stay 0, from all there is or from what happened `since`."""
    async with transactions.begin() as db:
        found = await broken(db, since)
    rows = "all" if since is None else "recent"
    for name, breaking in found.items():
        VIOLATIONS.labels(name, rows).set(len(breaking))
        if breaking:
            log.error("invariant_broken", reason=name, count=len(breaking))
    CHECKED.labels(rows).set(now.timestamp())
