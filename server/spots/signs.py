"""The registry of printed signs: which were made for a spot, where each is, and which one counts.

One sign of a spot is in force. Making another replaces it at once, so that what was stolen or
copied is old from then on; printing one again that is in force changes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.sign import IN_FORCE, SignEvent, SignState, advance
from domain.sign_link import LAST_VERSION, PARAMETER, Newest, SignVerdict, verify
from domain.states import TransitionRefused
from server.database import Connected, fetch
from server.errors import Problem
from server.spots.models import Sign, SignChange, SignPhoto
from server.spots.service import KnownSpot


class SignNotFound(Problem):
    slug = "sign-not-found"
    status = 404
    title_id = "Tanda ini tidak ada dalam daftar"
    title_en = "This sign is not in the registry"


class SignOutOfUse(Problem):
    slug = "sign-out-of-use"
    status = 409
    title_id = "Keadaan tanda ini tidak dapat diubah begitu"
    title_en = "This sign's state cannot be changed to that"


class SignsChanged(Problem):
    slug = "signs-changed"
    status = 409
    title_id = "Daftar tanda berubah sementara dicetak; ulangi"
    title_en = "The registry of signs changed while they were drawn; try again"


@dataclass(frozen=True)
class Planned:
    """A sign to be drawn: one in force, or the next version, which `issue` enters."""

    spot: KnownSpot
    version: int
    is_new: bool


NEWEST = """
    SELECT DISTINCT ON (s.code) s.code, n.version, n.state, n.place, n.printed_at, n.key_id
    FROM signs n JOIN spots s ON s.id = n.spot_id
    WHERE $1::text[] IS NULL OR s.code = ANY($1)
    ORDER BY s.code, n.version DESC
"""


class Registered(NamedTuple):
    """A spot's newest sign."""

    spot_code: str
    version: int
    state: str
    place: str
    printed_at: datetime
    key_id: str

    @property
    def newest(self) -> Newest:
        return Newest(self.version, SignState(self.state) in IN_FORCE)


async def newest(db: Connected, spot_codes: Collection[str] | None = None) -> dict[str, Registered]:
    """The newest sign of each of these spots, or of all, that ever had one, by the spot's code."""
    rows = [Registered._make(row) for row in await fetch(db, NEWEST, spot_codes)]
    return {row.spot_code: row for row in rows}


async def verdict(
    db: Connected, site: str, keys: Mapping[str, bytes], spot_code: str, token: str | None
) -> SignVerdict | None:
    """What the sign is whose link opened a spot's page; None where the address was typed."""
    if token is None:
        return None
    last = (await newest(db, [spot_code])).get(spot_code)
    return judge(site, keys, spot_code, token, None if last is None else last.newest)


def judge(
    site: str, keys: Mapping[str, bytes], spot_code: str, token: str, last: Newest | None
) -> SignVerdict:
    """What the sign is that carries a token, where `last` is the newest that was made there."""
    return verify(f"{site}/p/{spot_code}?{PARAMETER}={token}", site, keys, spot_code, last)


async def plan(
    db: Connected, spots: Sequence[KnownSpot], key_id: str, *, replace: bool
) -> list[Planned]:
    """What to draw for these spots: where no sign is in force, or another is wanted, a new one.

    So it is where another key signed the one in force, as a QR of it could not be drawn again.
    """
    known = await newest(db)
    planned = []
    for spot in spots:
        last = known.get(spot.code)
        keeps = last is not None and last.newest.in_force and last.key_id == key_id
        version = 0 if last is None else last.version
        if keeps and not replace:
            planned.append(Planned(spot, version, is_new=False))
        else:
            planned.append(Planned(spot, version + 1, is_new=True))
    return planned


async def issue(
    db: AsyncSession, planned: Sequence[Planned], key_id: str, who: str, why: str, *, now: datetime
) -> None:
    """Enter the signs of a plan, each in place of its spot's; raises SignsChanged if one cannot."""
    known = await newest(db)
    for each in planned:
        last = known.get(each.spot.code)
        if not each.is_new:
            if last is None or last.newest != Newest(each.version, in_force=True):
                raise SignsChanged(each.spot.code)
            continue
        if each.version > LAST_VERSION:
            raise SignsChanged(f"{each.spot.code}: {each.version}")
        rows = await db.scalars(
            select(Sign).where(Sign.spot_id == each.spot.id, Sign.state.in_(IN_FORCE))
        )
        for former in rows:
            await _change(db, former, SignEvent.REPLACED, who, why, now)
        sign = Sign(
            spot_id=each.spot.id,
            version=each.version,
            key_id=key_id,
            printed_at=now,
            printed_by=who,
            state=SignState.MADE.value,
        )
        try:
            async with db.begin_nested():
                db.add(sign)
                await db.flush()
        except IntegrityError as exc:
            raise SignsChanged(each.spot.code) from exc
        db.add(_told(sign, who, why, now))
    await db.flush()


async def change(
    db: AsyncSession,
    spot_id: UUID,
    version: int,
    event: SignEvent,
    who: str,
    note: str,
    *,
    place: str | None = None,
    now: datetime,
) -> None:
    """Enter what became of a sign; raises SignNotFound, or SignOutOfUse where it cannot be so."""
    sign = await db.scalar(
        select(Sign).where(Sign.spot_id == spot_id, Sign.version == version).with_for_update()
    )
    if sign is None:
        raise SignNotFound
    if place is not None:
        sign.place = place
    await _change(db, sign, event, who, note, now)
    await db.flush()


async def _change(
    db: AsyncSession, sign: Sign, event: SignEvent, who: str, note: str, now: datetime
) -> None:
    try:
        state = advance(SignState(sign.state), event)
    except TransitionRefused as exc:
        raise SignOutOfUse(str(exc)) from exc
    changed = await db.scalar(
        update(Sign)
        .where(Sign.id == sign.id, Sign.state == sign.state)
        .values(state=state.value)
        .returning(Sign.id)
    )
    if changed is None:
        raise SignsChanged
    await db.refresh(sign, ["state"])
    db.add(_told(sign, who, note, now))


def _told(sign: Sign, who: str, note: str, now: datetime) -> SignChange:
    return SignChange(sign_id=sign.id, state=sign.state, at=now, changed_by=who, note=note)


async def of_spot(db: AsyncSession, spot_id: UUID) -> Sequence[Sign]:
    """Every sign that was ever made for a spot, the newest first."""
    rows = await db.scalars(
        select(Sign).where(Sign.spot_id == spot_id).order_by(Sign.version.desc())
    )
    return rows.all()


async def keep_photo(
    db: AsyncSession, spot_id: UUID, version: int, jpeg: bytes, who: str, *, now: datetime
) -> None:
    """Keep how a sign hangs, in place of what was kept; raises SignNotFound."""
    sign_id = await db.scalar(
        select(Sign.id).where(Sign.spot_id == spot_id, Sign.version == version)
    )
    if sign_id is None:
        raise SignNotFound
    told = {"jpeg": jpeg, "kept_at": now, "kept_by": who}
    await db.execute(
        upsert(SignPhoto)
        .values(sign_id=sign_id, **told)
        .on_conflict_do_update(index_elements=[SignPhoto.sign_id], set_=told)
    )


async def photo(db: AsyncSession, spot_id: UUID) -> SignPhoto | None:
    """Of a spot's newest sign."""
    row = (
        await db.execute(
            select(SignPhoto)
            .select_from(Sign)
            .outerjoin(SignPhoto, SignPhoto.sign_id == Sign.id)
            .where(Sign.spot_id == spot_id)
            .order_by(Sign.version.desc())
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else row[0]


async def history(db: AsyncSession, spot_id: UUID, limit: int) -> Sequence[tuple[SignChange, int]]:
    """What became of a spot's signs, the last first, each with its sign's version."""
    rows = await db.execute(
        select(SignChange, Sign.version)
        .join(Sign, Sign.id == SignChange.sign_id)
        .where(Sign.spot_id == spot_id)
        .order_by(SignChange.at.desc(), SignChange.id.desc())
        .limit(limit)
    )
    return [(change, version) for change, version in rows]
