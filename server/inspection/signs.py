"""Signs: what is registered to be posted at each spot, its checks, and the cases of wrong ones."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

import qris
from domain.sign import SignFault
from server.database import Connected, fetch, new_id
from server.errors import Faults, FileRefused
from server.inspection.models import OWNER, PostedCode, SignCase, SignCheck
from server.paging import Page, page
from server.spots import service as spots
from server.spots import signs as registry
from server.spots.models import Spot
from server.spots.service import SpotNotFound

COLUMNS = ("spot", "qris")


async def import_codes(db: AsyncSession, text: str, *, now: datetime) -> int:
    """Register the static QRIS posted at the spots of a CSV, all or nothing.

    For each spot that is named, the file is the whole list: what it leaves out is retired.
    Returns how many codes stand there. Raises FileRefused naming every wrong line.
    """
    rows = await _rows(db, text)
    wanted: dict[UUID, dict[Identity, None]] = {}
    for spot_id, payload in rows:
        wanted.setdefault(spot_id, {})[_identity(payload)] = None
    count = sum(map(len, wanted.values()))
    known = select(PostedCode).where(
        PostedCode.spot_id == any_(literal(list(wanted), ARRAY(Uuid))),
        PostedCode.retired_at.is_(None),
    )
    for code in await db.scalars(known):
        left = wanted[code.spot_id]
        if _identity(code) in left:
            del left[_identity(code)]
        else:
            code.retired_at = now
    for spot_id, left in wanted.items():
        for nmid, pan, criteria, mcc, name, amount_rp in left:
            db.add(
                PostedCode(
                    spot_id=spot_id,
                    nmid=nmid,
                    pan=pan,
                    criteria=criteria,
                    mcc=mcc,
                    name=name,
                    amount_rp=amount_rp,
                    registered_at=now,
                )
            )
    await db.flush()
    return count


Identity = tuple[str | None, str | None, str | None, str, str, int | None]


def _identity(code: PostedCode | qris.QrisPayload) -> Identity:
    """What is compared of a code: of its PAN the digits that are printed in one."""
    pan = code.pan and code.pan[:18]
    return code.nmid, pan, code.criteria, code.mcc, code.name, code.amount_rp


async def _rows(db: AsyncSession, text: str) -> list[tuple[UUID, qris.QrisPayload]]:
    faults, rows = Faults(), []
    named = {fields["spot"] for _, fields in spots.csv_lines(text, COLUMNS, Faults())}
    known = await spots.find_all(db, named)
    for line, fields in spots.csv_lines(text, COLUMNS, faults):
        with faults.gathered(*spots.at_line(line)):
            code = spots.code_of(fields["spot"])
            if code not in known:
                raise spots.refusal(SpotNotFound(), fields["spot"])
            rows.append((known[code].id, _static(fields["qris"])))
    faults.refuse_any()
    return rows


def _static(text: str) -> qris.QrisPayload:
    try:
        payload = qris.parse(text.strip())
    except qris.QrisError as exc:
        said = qris.ERROR_CODES[exc.code]
        raise FileRefused(f"{exc.code}: {said['en']}", f"{exc.code}: {said['id']}") from exc
    if payload.is_dynamic or payload.nmid is None:
        raise FileRefused("not a static QRIS with an NMID", "bukan QRIS statis yang memuat NMID")
    return payload


class Unscanned(NamedTuple):
    """A shift in which no sign was looked at."""

    shift_id: UUID
    attendant: str
    attendant_name: str
    device: str
    opened_at: datetime


# What was not sent belongs to the shift in which it arrives: nobody takes over a device before.
UNSCANNED = """
    WITH turns AS (
        SELECT *, lead(opened_at) OVER (PARTITION BY device_id ORDER BY opened_at) AS followed_at
        FROM shifts WHERE opened_at >= $1
    )
    SELECT t.id, a.code, a.name, d.name, t.opened_at
    FROM turns t
    JOIN attendants a ON a.id = t.attendant_id
    JOIN devices d ON d.id = t.device_id
    WHERE NOT EXISTS (
        SELECT FROM sign_checks k
        WHERE k.device_id = t.device_id AND k.attendant_id = t.attendant_id
          AND k.received_at >= t.opened_at
          AND (t.followed_at IS NULL OR k.received_at < t.followed_at)
    ) AND ($3::uuid[] IS NULL OR a.unit_id = ANY($3))
    ORDER BY t.opened_at DESC, t.id LIMIT $2
"""


async def unscanned(
    db: Connected, since: datetime, limit: int, units: Sequence[UUID] | None = None
) -> list[Unscanned]:
    """The shifts opened since then in which nobody has looked at a sign, the newest first."""
    return [Unscanned._make(row) for row in await fetch(db, UNSCANNED, since, limit, units)]


class Posted(NamedTuple):
    """A registered code with its spot's code."""

    spot_code: str
    nmid: str
    pan: str | None
    criteria: str | None
    mcc: str
    name: str
    amount_rp: int | None
    retired: bool


def is_same(code: Posted, payload: qris.QrisPayload) -> bool:
    """Whether a code that somebody scanned is this registered one, in all that is compared."""
    registered = (code.nmid, code.pan, code.criteria, code.mcc, code.name, code.amount_rp)
    pan = code.pan and code.pan[:18]
    return not payload.is_dynamic and _identity(payload) == (code.nmid, pan, *registered[2:])


POSTED = """
    SELECT s.code, p.nmid, p.pan, p.criteria, p.mcc, p.name, p.amount_rp,
        p.retired_at IS NOT NULL
    FROM posted_codes p JOIN spots s ON s.id = p.spot_id
    ORDER BY s.code, p.registered_at
"""


async def posted(db: Connected) -> list[Posted]:
    """Every code that is, or was, posted somewhere."""
    return [Posted._make(row) for row in await fetch(db, POSTED)]


class Standing(NamedTuple):
    """A spot with its newest sign, that sign's last check, and the open case, if there are any."""

    spot_code: str
    place: str
    checked_at: datetime | None
    fault: str | None
    seen_json: str | None
    attendant: str | None
    case_id: UUID | None
    case_fault: str | None
    case_opened_at: datetime | None
    owner: str | None
    version: int | None
    state: str | None

    @property
    def seen(self) -> list[str]:
        """What was read at the last check, as a person knows it: a merchant, a host."""
        return [value for value in json.loads(self.seen_json or "{}").values() if value]


STANDING = """
    SELECT s.code, s.place, c.received_at, c.fault, c.seen::text, a.code, k.id, k.fault,
        k.opened_at, k.owner, n.version, n.state
    FROM spots s
    LEFT JOIN LATERAL (
        SELECT version, state FROM signs WHERE spot_id = s.id ORDER BY version DESC LIMIT 1
    ) n ON true
    LEFT JOIN LATERAL (
        SELECT * FROM sign_checks WHERE spot_id = s.id ORDER BY received_at DESC, seq DESC LIMIT 1
    ) c ON true
    LEFT JOIN attendants a ON a.id = c.attendant_id
    LEFT JOIN sign_cases k ON k.spot_id = s.id AND k.closed_at IS NULL
    WHERE $1::uuid[] IS NULL OR s.zone_id = ANY($1)
    ORDER BY k.id IS NULL, c.fault IS NULL, c.received_at NULLS FIRST, s.code
"""


async def standing(db: Connected, zones: Sequence[UUID] | None = None) -> list[Standing]:
    """Every spot, or those of some zones.

    Wrong ones first, then those that were never checked, then the longest ago.
    """
    return [Standing._make(row) for row in await fetch(db, STANDING, zones)]


async def record(db: AsyncSession, check: SignCheck) -> None:
    """Keep a check; a wrong sign has a case, one for each spot at a time."""
    db.add(check)
    await db.flush()
    if check.fault is not None and not await _is_in_force(db, check):
        await db.execute(
            upsert(SignCase)
            .values(
                id=new_id(),
                spot_id=check.spot_id,
                fault=check.fault,
                owner=OWNER,
                opened_at=check.received_at,
            )
            .on_conflict_do_nothing()
        )


async def _is_in_force(db: AsyncSession, check: SignCheck) -> bool:
    """Whether a sign only was newer than the handheld's list, and is the spot's right one."""
    if check.fault != SignFault.NEWER:
        return False
    spot = await spots.find_by_id(db, check.spot_id)
    made = (await registry.newest(db, [spot.code])).get(spot.code)
    told = check.seen.get("version")
    return made is not None and made.newest.in_force and told == str(made.version)


async def closed_cases(
    db: AsyncSession, which: ColumnElement[bool], before: str | None
) -> Page[tuple[SignCase, str]]:
    """The cases closed last first, each with its spot's code."""
    asked = (
        select(SignCase, Spot.code)
        .join(Spot, Spot.id == SignCase.spot_id)
        .where(SignCase.closed_at.is_not(None), which)
    )
    return await page(db, asked, (SignCase.closed_at, SignCase.id), before, lambda *row: row)
