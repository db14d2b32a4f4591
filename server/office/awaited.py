"""What waits for the decision of the officer who looks: proposed by another, of all kinds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from server.database import fetch
from server.identity.models import Officer
from server.identity.service import Right, rights_of
from server.office.case_list import GIVEN_UP_OR_PAID
from server.payments.choices import UNCONFIRMED
from server.reconciliation.transfers import MENDED
from server.spots.units import Scope

MOST = 50

PROPOSED = f"""
    SELECT p.*, coalesce(o.name, '') AS maker FROM (
        SELECT 'tariff' AS kind, z.name AS subject, t.proposed_by AS by, t.proposed_at AS at,
            '/office/tariffs/proposals/' || t.id AS place
        FROM tariff_proposals t JOIN zones z ON z.id = t.zone_id WHERE t.state = 'requested'
        UNION ALL
        SELECT 'rule', kind, proposed_by, proposed_at, '/office/rules/proposals/' || id
        FROM rule_proposals WHERE state = 'requested'
        UNION ALL
        SELECT * FROM (
            SELECT DISTINCT ON (account_code, party) 'payee', party, recorded_by, recorded_at,
                CASE WHEN EXISTS (SELECT FROM payee_decisions d WHERE d.account_id = a.id)
                    THEN NULL ELSE '/office/payouts#rekening' END AS place
            FROM payee_accounts a ORDER BY account_code, party, id DESC
        ) newest WHERE place IS NOT NULL
        UNION ALL
        SELECT 'correction', name, asked_by, asked_at, '/office/corrections/' || id
        FROM settlement_corrections WHERE state = 'requested'
        UNION ALL
        SELECT 'payout', number, prepared_by, prepared_at, '/office/payouts/' || id
        FROM payout_runs WHERE state = 'prepared'
        UNION ALL
        SELECT 'remittance', number, prepared_by, prepared_at, '/office/deposits/' || id
        FROM remittances WHERE state = 'prepared'
        UNION ALL
        SELECT 'close', day::text, prepared_by, prepared_at,
            '/office/days/' || day::text
        FROM day_closes WHERE state = 'prepared'
        UNION ALL
        SELECT 'reopening', c.day::text, c.reopening_by, asked.at,
            '/office/days/' || c.day::text
        FROM day_closes c CROSS JOIN LATERAL (
            SELECT max(changed_at) AS at FROM day_close_changes WHERE close_id = c.id
        ) asked WHERE c.state = 'reopening'
        UNION ALL
        SELECT 'refund', '', requested_by, requested_at, '/office/refunds/' || id
        FROM refunds WHERE state = 'requested'
        UNION ALL
        SELECT 'device', name, enrolled_by, enrolled_at, '/office/devices/' || id
        FROM devices WHERE state = 'pending'
        UNION ALL
        SELECT 'officer', o.name, r.proposed_by, r.proposed_at, '/office/officers/' || o.id
        FROM officer_requests r JOIN officers o ON o.id = r.officer_id
        WHERE r.decided_at IS NULL AND o.id <> $1
        UNION ALL
        SELECT 'attendant', a.name, r.proposed_by, r.proposed_at, '/office/attendants/' || a.id
        FROM attendant_requests r JOIN attendants a ON a.id = r.attendant_id
        WHERE r.decided_at IS NULL AND ($6::uuid[] IS NULL OR a.unit_id = ANY($6))
        UNION ALL
        SELECT 'attendant-move', a.name, m.proposed_by, m.proposed_at, '/office/attendants/' || a.id
        FROM unit_moves m JOIN attendants a ON a.id = m.attendant_id
        WHERE m.decided_at IS NULL
            AND ($6::uuid[] IS NULL OR (a.unit_id = ANY($6) AND m.to_id = ANY($6)))
        UNION ALL
        SELECT 'move', '', proposed_by, proposed_at, '/office/units'
        FROM unit_moves WHERE decided_at IS NULL AND attendant_id IS NULL
        UNION ALL
        SELECT 'choice', acquirer, asked_by, asked_at, '/office/acquirers'
        FROM acquirer_choices
        WHERE state = 'requested' AND (NOT at_once OR starts_at > $4)
        UNION ALL
        SELECT 'voucher', coalesce(seller, to_char(batch, 'FM0000')), proposed_by, proposed_at,
            '/office/vouchers/proposals/' || id
        FROM voucher_proposals WHERE state = 'requested'
        UNION ALL
        SELECT 'complaint', c.number, o.id, answered.changed_at, '/office/complaints/' || c.id
        FROM complaints c LEFT JOIN spots s ON s.id = c.spot_id
        CROSS JOIN LATERAL (
            SELECT * FROM complaint_changes
            WHERE complaint_id = c.id AND state_after = 'answered' AND state_before <> 'closed'
            ORDER BY changed_at DESC, id DESC LIMIT 1
        ) answered LEFT JOIN officers o ON o.login = answered.who
        WHERE c.state = 'answered'
            AND ($5::uuid[] IS NULL OR s.zone_id = ANY($5))
            AND NOT EXISTS (  -- one who ended it on this answer does not end it again
                SELECT FROM complaint_changes e JOIN officers n ON n.login = e.who
                WHERE e.complaint_id = c.id AND e.state_after = 'closed' AND e.id > answered.id
                    AND n.id = $1
            )
        UNION ALL
        SELECT 'case', count(*)::text, NULL, min(at), '/office/cases?state=proposed'
        FROM (
            SELECT s.at FROM case_steps s
            WHERE s.event = 'proposed' AND s.officer_id <> $1 AND NOT EXISTS (
                SELECT FROM case_steps n
                WHERE n.kind = s.kind AND n.case_id = s.case_id AND n.number > s.number
            )
            AND NOT EXISTS (  -- the books may close what was proposed, and write no step
                SELECT FROM unended_stays u
                WHERE s.kind = 'unended' AND u.parking_session_id = s.case_id
                    AND ({GIVEN_UP_OR_PAID})
            )
            AND NOT EXISTS (
                SELECT FROM transfer_cases t
                WHERE s.kind = 'transfer' AND t.id = s.case_id
                    AND (t.closed_at IS NOT NULL OR {MENDED})
            )
            UNION ALL
            SELECT proposed_at FROM cases WHERE state = 'proposed' AND proposed_by <> $1
        ) cases HAVING count(*) > 0
    ) p LEFT JOIN officers o ON o.id = p.by
    WHERE p.by IS DISTINCT FROM $1 AND p.kind = ANY($2::text[])
    ORDER BY p.at LIMIT $3
"""  # noqa: S608 - of our own texts, never a request's

# Of what an officer of a unit may decide, complaints are told by their place, and attendants by
# their unit.
DECIDES = {
    "tariff": Right.DECIDE_TARIFF,
    "rule": Right.DECIDE_RULE,
    "payee": Right.DECIDE_PAYOUT,
    "correction": Right.DECIDE_CASE,
    "payout": Right.DECIDE_PAYOUT,
    "remittance": Right.DECIDE_REMITTANCE,
    "close": Right.LOCK_DAY,
    "reopening": Right.LOCK_DAY,
    "refund": Right.DECIDE_REFUND,
    "device": Right.APPROVE_DEVICE,
    "officer": Right.APPROVE_OFFICER,
    "attendant": Right.APPROVE_ATTENDANT,
    "attendant-move": Right.APPROVE_ATTENDANT,
    "move": Right.APPROVE_OFFICER,
    "voucher": Right.DECIDE_VOUCHERS,
    "choice": Right.DECIDE_ACQUIRER,
    "complaint": Right.ANSWER_COMPLAINT,
    "case": Right.DECIDE_CASE,
}


@dataclass(frozen=True)
class Awaited:
    kind: str
    subject: str
    maker: str
    at: datetime
    place: str


async def by(db: AsyncSession, officer: Officer, own: Scope, now: datetime) -> Sequence[Awaited]:
    """The oldest first, and one more than are shown where there are more."""
    rights = rights_of(officer)
    kinds = [kind for kind, right in DECIDES.items() if right in rights]
    if not kinds:
        return []
    told = (officer.id, kinds, MOST + 1, now - UNCONFIRMED, own.zones, own.units)
    return [
        Awaited(row["kind"], row["subject"], row["maker"], row["at"], row["place"])
        for row in await fetch(db, PROPOSED, *told)
    ]
