"""The log of changes: every rule and tariff that was proposed, and what became of it."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from server.database import fetch
from server.ledger.reports import cell
from server.reports.table import Said
from server.rules.kinds import RULE
from server.spots import service as spots
from server.spots.states import ProposalState

TARIFF = "tariff"
"""The kind of a tariff's new prices, which are proposals of their own."""
PAGE = 50

CHANGES = """
    SELECT p.*, m.name AS maker, coalesce(c.name, '') AS checker
    FROM (
        SELECT id, kind, body, reason, state, proposed_by, proposed_at, decided_by, decided_at, why
        FROM rule_proposals
        UNION ALL
        SELECT t.id, 'tariff', jsonb_build_object(
                'zone', z.code, 'valid_from', t.valid_from,
                'regulation', t.version->>'regulation'
            ), t.reason, t.state, t.proposed_by, t.proposed_at, t.decided_by, t.decided_at, t.why
        FROM tariff_proposals t JOIN zones z ON z.id = t.zone_id
    ) p
    JOIN officers m ON m.id = p.proposed_by
    LEFT JOIN officers c ON c.id = p.decided_by
    WHERE ($1 = '' OR p.kind = $1) AND ($2 = '' OR p.state = $2)
        AND ($3::timestamptz IS NULL OR p.proposed_at >= $3)
        AND ($4::timestamptz IS NULL OR p.proposed_at < $4)
        AND ($5::uuid IS NULL OR p.id < $5)
    ORDER BY p.id DESC LIMIT $6
"""


@dataclass(frozen=True)
class Wanted:
    """Which changes; what is empty leaves all in."""

    kind: str = ""
    state: str = ""
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True)
class Change:
    id: UUID
    kind: str
    said: Said
    begins: date
    state: ProposalState
    reason: str
    maker: str
    proposed_at: datetime
    checker: str
    decided_at: datetime | None
    why: str

    @property
    def page(self) -> str:
        return f"/office/{'tariffs' if self.kind == TARIFF else 'rules'}/proposals/{self.id}"


async def some(
    db: AsyncSession,
    wanted: Wanted,
    timezone: ZoneInfo,
    after: UUID | None = None,
    limit: int = PAGE + 1,
) -> Sequence[Change]:
    """The newest first, from the one after `after`."""
    zones = dict(await spots.zone_names(db))
    rows = await fetch(
        db,
        CHANGES,
        wanted.kind,
        wanted.state,
        _begin(wanted.first, timezone),
        _begin(wanted.last and wanted.last + timedelta(days=1), timezone),
        after,
        limit,
    )
    told = []
    for row in rows:
        said, begins = _said(row["kind"], row["body"], zones)
        told.append(
            Change(
                row["id"],
                row["kind"],
                said,
                begins,
                ProposalState(row["state"]),
                row["reason"],
                row["maker"],
                row["proposed_at"],
                row["checker"],
                row["decided_at"],
                row["why"],
            )
        )
    return told


def _begin(day: date | None, timezone: ZoneInfo) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), timezone)


def _said(kind: str, body: dict[str, str], zones: dict[str, str]) -> tuple[Said, date]:
    if kind != TARIFF:
        rule = RULE.validate_python(body)
        return rule.said(zones), rule.begins
    where = zones.get(body["zone"], body["zone"])
    said = Said(f"Tarif {where}: {body['regulation']}", f"Tariff, {where}: {body['regulation']}")
    return said, date.fromisoformat(body["valid_from"])


HEADS = (
    Said("Diusulkan", "Proposed"),
    Said("Oleh", "By"),
    Said("Perubahan", "Change"),
    Said("Berlaku mulai", "From"),
    Said("Alasan", "Reason"),
    Said("Keadaan", "State"),
    Said("Diputuskan", "Decided"),
    Said("Oleh", "By"),
    Said("Catatan", "Note"),
)
STATES = {
    ProposalState.REQUESTED: Said("menunggu keputusan", "waits for a decision"),
    ProposalState.APPROVED: Said("disetujui", "approved"),
    ProposalState.DECLINED: Said("ditolak", "declined"),
    ProposalState.WITHDRAWN: Said("ditarik", "withdrawn"),
}


async def as_csv(
    db: AsyncSession, wanted: Wanted, timezone: ZoneInfo, language: str
) -> AsyncIterator[str]:
    """All of them, a page at a time."""
    yield _line([head.in_(language) for head in HEADS])
    after = None
    while rows := await some(db, wanted, timezone, after, PAGE):
        after = rows[-1].id
        for row in rows:
            yield _line(
                [
                    _told(row.proposed_at, timezone),
                    row.maker,
                    row.said.in_(language),
                    row.begins.isoformat(),
                    row.reason,
                    STATES[row.state].in_(language),
                    _told(row.decided_at, timezone),
                    row.checker,
                    row.why,
                ]
            )


def _told(at: datetime | None, timezone: ZoneInfo) -> str:
    return "" if at is None else at.astimezone(timezone).isoformat(timespec="seconds")


def _line(values: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=";", lineterminator="\r\n").writerow([cell(v) for v in values])
    return out.getvalue()
