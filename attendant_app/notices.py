"""Notices that an inspector leaves at a vehicle: photos first, then a number, then paper.

A notice is a fact in the device's chain with the hashes of its photos, so that it holds without a
network and no picture can be swapped. A photo leaves this disk once the office has it.
"""

import asyncio
import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from attendant_app import evidence, inspector, prices, problems, shifts
from attendant_app.runtime import Handheld, device_time
from attendant_app.scanner import PictureError
from attendant_app.store import PHOTOS_WAITING, stamp
from domain import notice
from domain.events import EventKind
from domain.notice import MOST_PHOTOS, Finding, NoticeFacts
from domain.receipt import mask_plate
from domain.tariff import VehicleClass

CHECK_HOLDS = timedelta(minutes=30)
"""How long after a check the vehicle is still taken to be the one that was looked at."""
MOST_KEPT = 400
"""Photos on this device that the office has not got yet."""
OBJECTION_DAYS = 14
"""Until the office has said how long."""
LISTED = 30


@dataclass(frozen=True)
class Photo:
    """`state`: kept here, sent, or refused by the office for a reason."""

    place: int
    sha256: str
    state: str


@dataclass(frozen=True)
class Notice:
    """A draft until it has its number.

    `stay` is the one that the check found; `plate` is masked.
    """

    id: str
    spot: str
    finding: Finding
    stay: dict[str, Any] | None
    plate: str
    vehicle_class: str | None
    attendant: str
    number: str | None
    issued_at: datetime | None
    object_until: date | None
    amount_rp: int | None
    photos: tuple[Photo, ...]

    @property
    def expired_at(self) -> str | None:
        """When the time that was paid for was over."""
        found = self.stay if self.finding is Finding.EXPIRED else None
        return found["until"] if found else None

    @property
    def may_have_more(self) -> bool:
        return self.number is None and len(self.photos) < MOST_PHOTOS


def find(handheld: Handheld, notice_id: str) -> Notice:
    """Raises NotFound."""
    row = handheld.store.db.execute("SELECT * FROM notices WHERE id = ?", (notice_id,)).fetchone()
    if row is None:
        raise problems.NotFound
    return _notice(handheld, row)


def listed(handheld: Handheld) -> list[Notice]:
    """The newest first."""
    rows = handheld.store.db.execute("SELECT * FROM notices ORDER BY id DESC LIMIT ?", (LISTED,))
    return [_notice(handheld, row) for row in rows.fetchall()]


def _notice(handheld: Handheld, row: Any) -> Notice:
    photos = handheld.store.db.execute(
        "SELECT place, sha256, state FROM notice_photos WHERE notice_id = ? ORDER BY place",
        (row["id"],),
    )
    return Notice(
        id=row["id"],
        spot=row["spot"],
        finding=Finding(row["finding"]),
        stay=json.loads(row["stay"]) if row["stay"] else None,
        plate=row["plate"],
        vehicle_class=row["vehicle_class"],
        attendant=row["attendant"],
        number=row["number"],
        issued_at=datetime.fromisoformat(row["issued_at"]) if row["issued_at"] else None,
        object_until=date.fromisoformat(row["object_until"]) if row["object_until"] else None,
        amount_rp=row["amount_rp"],
        photos=tuple(Photo(**photo) for photo in photos),
    )


def begin(handheld: Handheld, notice_id: str, check_seq: int, plate: str) -> Notice:
    """A draft for what a check has just found; the same check again has the same notice.

    Raises NotNoticeable where the check found nothing wrong, or is long ago.
    """
    if handheld.training:
        raise problems.NotInTraining
    shift = shifts.on_shift(handheld)
    db = handheld.store.db
    known = db.execute("SELECT id FROM notices WHERE check_seq = ?", (check_seq,)).fetchone()
    if known:
        return find(handheld, known["id"])
    row = db.execute(
        "SELECT body FROM events WHERE seq = ? AND kind = ? AND at > ?",
        (check_seq, EventKind.STAY_CHECKED.value, stamp(device_time() - CHECK_HOLDS)),
    ).fetchone()
    body = json.loads(row["body"]) if row else {}
    if body.get("result") not in set(Finding):
        raise problems.NotNoticeable
    stay = inspector.listed_stay(handheld, body["stay_id"])
    with handheld.store.transaction():
        _forget_drafts(handheld)
        db.execute(
            "INSERT INTO notices (id, check_seq, spot, finding, stay, plate, vehicle_class,"
            " made_at, attendant) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                notice_id,
                check_seq,
                body["spot"],
                body["result"],
                json.dumps(stay) if stay else None,
                mask_plate(plate[:20]),
                stay["vehicle_class"] if stay else None,
                stamp(device_time()),
                f"{shift.attendant} {shift.attendant_name}",
            ),
        )
    return find(handheld, notice_id)


def _forget_drafts(handheld: Handheld) -> None:
    """A vehicle that left before its notice is nobody's: its photos go too."""
    long_ago = stamp(device_time() - timedelta(days=1))
    drafts = "SELECT id FROM notices WHERE number IS NULL AND made_at < ?"
    for table, name in (("notice_photos", "notice_id"), ("notices", "id")):
        handheld.store.db.execute(f"DELETE FROM {table} WHERE {name} IN ({drafts})", (long_ago,))  # noqa: S608 - own words


def _draft(handheld: Handheld, notice_id: str) -> Notice:
    shifts.on_shift(handheld)
    found = find(handheld, notice_id)
    if found.number is not None:
        raise problems.NoticeIssued
    return found


async def add_photo(handheld: Handheld, notice_id: str, data: bytes) -> None:
    """Keep one more photo; on the disk before the screen shows it. The same again is one."""
    _draft(handheld, notice_id)
    async with handheld.reading:
        try:
            jpeg = await asyncio.to_thread(evidence.redraw, data)
        except PictureError as error:
            raise problems.PictureRefused(error.reason) from error
    sha256 = hashlib.sha256(jpeg).hexdigest()
    with handheld.store.transaction():
        found = _draft(handheld, notice_id)
        if sha256 in {photo.sha256 for photo in found.photos}:
            return
        if not found.may_have_more or _kept(handheld) >= MOST_KEPT:
            raise problems.PhotosFull
        handheld.store.db.execute(
            "INSERT INTO notice_photos (notice_id, place, sha256, jpeg) VALUES (?, ?, ?, ?)",
            (notice_id, max((p.place for p in found.photos), default=0) + 1, sha256, jpeg),
        )


def _kept(handheld: Handheld) -> int:
    rows = handheld.store.db.execute("SELECT count(*) FROM notice_photos WHERE jpeg IS NOT NULL")
    return int(rows.fetchone()[0])


def photo(handheld: Handheld, notice_id: str, place: int) -> bytes:
    """Raises NotFound, also for one that is not kept here any more."""
    row = handheld.store.db.execute(
        "SELECT jpeg FROM notice_photos WHERE notice_id = ? AND place = ?", (notice_id, place)
    ).fetchone()
    if row is None or row["jpeg"] is None:
        raise problems.NotFound
    return bytes(row["jpeg"])


def remove_photo(handheld: Handheld, notice_id: str, place: int) -> None:
    _draft(handheld, notice_id)
    handheld.store.db.execute(
        "DELETE FROM notice_photos WHERE notice_id = ? AND place = ?", (notice_id, place)
    )


def discard(handheld: Handheld, notice_id: str) -> None:
    """Leave no notice after all; the check itself stays recorded."""
    _draft(handheld, notice_id)
    with handheld.store.transaction():
        handheld.store.db.execute("DELETE FROM notice_photos WHERE notice_id = ?", (notice_id,))
        handheld.store.db.execute("DELETE FROM notices WHERE id = ?", (notice_id,))


def issue(handheld: Handheld, notice_id: str, vehicle_class: str, plate: str) -> Notice:
    """Number it and record it, in one transaction; issued already, it stays as it is.

    Raises NoPhoto: what nobody can look at later is not left at a vehicle.
    """
    shifts.on_shift(handheld)
    found = find(handheld, notice_id)
    if found.number is not None:
        return found
    if vehicle_class not in set(VehicleClass):
        raise problems.InvalidRequest("vehicle_class")
    if not found.photos:
        raise problems.NoPhoto
    now = handheld.office_time().replace(microsecond=0)
    told = {
        "vehicle_class": vehicle_class,
        "plate": found.plate or mask_plate(plate[:20]),
        "issued_at": stamp(now),
        "object_until": _object_until(handheld, now).isoformat(),
        "amount_rp": _amount_rp(handheld, found, VehicleClass(vehicle_class), now),
    }
    with handheld.store.transaction():
        _record(handheld, found, told)
    handheld.nudge()
    return find(handheld, notice_id)


def _record(handheld: Handheld, found: Notice, told: dict[str, Any]) -> None:
    db, device = handheld.store.db, handheld.store.device()
    if device is None:
        raise problems.NotEnrolled
    sequence = db.execute("SELECT coalesce(max(sequence), 0) + 1 FROM notices").fetchone()[0]
    number = notice.number(notice.series(device.device_id), sequence)
    check = db.execute("SELECT check_seq FROM notices WHERE id = ?", (found.id,)).fetchone()[0]
    body = {
        "notice_id": found.id,
        "number": number,
        "check_seq": check,
        "spot": found.spot,
        "finding": found.finding.value,
        "expired_at": found.expired_at,
        **told,
        "photos": [photo.sha256 for photo in found.photos],
    }
    handheld.record(EventKind.NOTICE_ISSUED, body, device_time())
    seq, _ = handheld.store.last_event() or (0, "")
    values = {**told, "sequence": sequence, "number": number, "event_seq": seq}
    names = ", ".join(f"{name} = ?" for name in values)
    db.execute(f"UPDATE notices SET {names} WHERE id = ?", (*values.values(), found.id))  # noqa: S608 - own names


def _object_until(handheld: Handheld, now: datetime) -> date:
    master = handheld.store.master_data()
    days = (master or {}).get("notices", {}).get("objection_days", OBJECTION_DAYS)
    return now.astimezone(prices.zone_of(master)).date() + timedelta(days=days)


def _amount_rp(
    handheld: Handheld, found: Notice, vehicle_class: VehicleClass, now: datetime
) -> int | None:
    """What the tariff asks for what was not paid; None where only the office can say."""
    master = handheld.store.master_data()
    if found.stay and found.expired_at:
        began = datetime.fromisoformat(found.stay["started_at"])
        over = datetime.fromisoformat(found.expired_at)
        spot = found.stay["spot_code"]
        due = [prices.whole_rp(master, spot, vehicle_class, began, end) for end in (now, over)]
        if due[0] is not None and due[1] is not None and due[0] > due[1]:
            return due[0] - due[1]
    offer = prices.offer(master, found.spot, vehicle_class, now)
    return offer.amount_rp if offer else None


def link(handheld: Handheld, found: Notice) -> str:
    """The text of an issued notice's QR."""
    if found.number is None or found.issued_at is None:
        raise problems.NoSlip
    facts = NoticeFacts(
        number=found.number,
        spot_code=found.spot,
        vehicle_class=VehicleClass(str(found.vehicle_class)),
        finding=found.finding,
        issued_at=found.issued_at,
        amount_rp=found.amount_rp,
    )
    return notice.make_link(inspector.site_of(handheld), facts, handheld.key.sign_raw)


# What the office is to have


@dataclass(frozen=True)
class Waiting:
    notice_id: str
    place: int
    sha256: str
    jpeg: bytes


def next_photo(handheld: Handheld) -> Waiting | None:
    """The oldest photo whose notice the office has, and which it has not."""
    row = handheld.store.db.execute(
        f"SELECT p.notice_id, p.place, p.sha256, p.jpeg {PHOTOS_WAITING}"
        " AND e.outcome = 'accepted' ORDER BY e.seq, p.place LIMIT 1"
    ).fetchone()
    return Waiting(**row) if row else None


def photo_taken(handheld: Handheld, waiting: Waiting) -> None:
    """The office has it: what shows a person leaves this disk."""
    _settle(handheld, waiting, "state = 'sent', jpeg = NULL", ())


def photo_refused(handheld: Handheld, waiting: Waiting, reason: str) -> None:
    """It stays here, flagged, for the office to look at."""
    _settle(handheld, waiting, "state = 'refused', reason = ?", (reason,))


def _settle(handheld: Handheld, waiting: Waiting, change: str, values: tuple[str, ...]) -> None:
    handheld.store.db.execute(
        f"UPDATE notice_photos SET {change} WHERE notice_id = ? AND place = ?",  # noqa: S608 - own words
        (*values, waiting.notice_id, waiting.place),
    )
    handheld.bell.ring()
