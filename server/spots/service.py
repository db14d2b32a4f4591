"""Finding spots and the tariff in force, and taking in master data."""

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.parking import SpotCodeError, parse_spot_code
from domain.tariff import TariffVersion, tariff_from_json
from server.database import WRITTEN_IN, Connected, fetch, new_id
from server.errors import Faults, FileRefused, NotFound, Problem
from server.spots.models import ZONE_CODE, Spot, Tariff, Zone


class SpotNotFound(Problem):
    slug = "spot-not-found"
    status = 404
    title_id = "Titik parkir tidak dikenal"
    title_en = "This parking spot is not known"


class SpotCodeMistyped(Problem):
    slug = "spot-code-mistyped"
    status = 404
    title_id = "Kode titik parkir salah ketik"
    title_en = "The spot code is mistyped"


class ZoneNotFound(Problem):
    slug = "zone-not-found"
    status = 404
    title_id = "Zona ini tidak dikenal"
    title_en = "This zone is not known"


class NoTariff(Problem):
    slug = "no-tariff"
    status = 409
    title_id = "Belum ada tarif yang berlaku di zona ini"
    title_en = "No tariff is in force in this zone"


class TariffNotThere(NotFound):
    slug = "tariff-not-there"
    title_id = "Tidak ada tarif zona ini yang mulai pada hari itu"
    title_en = "No tariff of this zone begins on that day"


class TariffNotLast(Problem):
    slug = "tariff-not-last"
    status = 409
    title_id = "Zona ini punya tarif yang mulai sesudahnya; tarik yang itu dulu"
    title_en = "This zone has a tariff that begins later; take that one back first"


@dataclass(frozen=True)
class KnownSpot:
    """A spot with its zone, as the other slices need it."""

    id: UUID
    code: str
    place: str
    latitude: float
    longitude: float
    exclusive: bool
    zone_id: UUID
    zone_code: str
    zone_name: str


@lru_cache(4096)
def canonical(code: str) -> str:
    """The one way a scanned or typed code is written; raises SpotCodeMistyped."""
    try:
        return parse_spot_code(code)
    except SpotCodeError as exc:
        raise SpotCodeMistyped(str(exc)) from exc


SPOTS = """
    SELECT s.id, s.code, s.place, s.latitude, s.longitude, s.exclusive, z.id AS zone_id,
        z.code AS zone_code, z.name AS zone_name
    FROM spots s JOIN zones z ON z.id = s.zone_id
"""


async def find(db: Connected, code: str) -> KnownSpot:
    """The spot of a scanned or typed code; raises SpotCodeMistyped or SpotNotFound."""
    code = canonical(code)
    found = await find_all(db, [code])
    if code not in found:
        raise SpotNotFound
    return found[code]


async def find_all(db: Connected, codes: Collection[str]) -> dict[str, KnownSpot]:
    """The spots of these scanned or typed codes, by canonical code; a mistyped one finds none."""
    wanted = []
    for code in codes:
        with suppress(SpotCodeMistyped):
            wanted.append(canonical(code))
    rows = await fetch(db, SPOTS + "WHERE s.code = ANY($1::text[])", wanted)
    return {row["code"]: KnownSpot(*row) for row in rows}


async def find_by_id(db: Connected, spot_id: UUID) -> KnownSpot:
    (row,) = await fetch(db, SPOTS + "WHERE s.id = $1", spot_id)
    return KnownSpot(*row)


async def all_spots(db: Connected) -> list[KnownSpot]:
    return [KnownSpot(*row) for row in await fetch(db, SPOTS + "ORDER BY s.code")]


# A market day's stands above the ordinary one.
IN_FORCE = """
    SELECT DISTINCT ON (zone_id) zone_id, id, version FROM tariffs
    WHERE zone_id = ANY($1::uuid[]) AND valid_from <= $2 AND taken_back_by IS NULL
      AND (valid_until IS NULL OR valid_until >= $2) AND (event IS NULL OR NOT $3)
    ORDER BY zone_id, event IS NULL
"""


async def tariff_on(db: Connected, zone_id: UUID, day: date) -> tuple[UUID, TariffVersion]:
    """The version in force in a zone on a local day; raises NoTariff."""
    found = await tariffs_on(db, [zone_id], day)
    if zone_id not in found:
        raise NoTariff
    return found[zone_id]


async def tariffs_on(
    db: Connected, zone_ids: Collection[UUID], day: date, *, ordinary: bool = False
) -> dict[UUID, tuple[UUID, TariffVersion]]:
    """The versions in force on a local day, by zone; a zone without one is left out.

    The `ordinary` one is what stands on a sign, also on a market day.
    """
    rows = await fetch(db, IN_FORCE, zone_ids, day, ordinary)
    return {zone_id: (id_, tariff_from_json(version)) for zone_id, id_, version in rows}


async def tariffs_from(db: AsyncSession, day: date) -> list[tuple[str, dict[str, Any]]]:
    """(zone code, version as JSON) of every version still in force on `day` or later."""
    rows = await db.execute(
        select(Zone.code, Tariff.version)
        .join(Zone, Zone.id == Tariff.zone_id)
        .where(Tariff.valid_until.is_(None) | (Tariff.valid_until >= day))
        .where(Tariff.taken_back_by.is_(None))
        .order_by(Zone.code, Tariff.valid_from)
    )
    return [(code, version) for code, version in rows]


async def zone_names(db: AsyncSession) -> list[tuple[str, str]]:
    rows = await db.execute(select(Zone.code, Zone.name).order_by(Zone.code))
    return [(code, name) for code, name in rows]


async def zone_id(db: AsyncSession, code: str) -> UUID:
    """The id of a zone's code; raises ZoneNotFound."""
    found = await db.scalar(select(Zone.id).where(Zone.code == code))
    if found is None:
        raise ZoneNotFound(code)
    return found


@dataclass(frozen=True)
class SpotRow:
    """A spot as a file tells of it."""

    zone: str
    zone_name: str
    code: str
    place: str
    latitude: float
    longitude: float
    exclusive: bool


SPOT_FILE_COLUMNS = ("zone", "zone_name", "spot", "place", "latitude", "longitude", "exclusive")

TOLD_OF_A_SPOT = ("zone_id", "place", "latitude", "longitude", "exclusive")


async def import_spots(db: AsyncSession, text: str) -> int:
    """Take in spots from CSV, all or nothing; a known code is updated. Returns how many.

    Raises FileRefused naming every wrong line.
    """
    rows = _spot_rows(text)
    await put(db, rows)
    return len(rows)


async def put(db: AsyncSession, rows: Sequence[SpotRow]) -> None:
    """Put spots and their zones in; known ones are updated where they differ."""
    names = {row.zone: row.zone_name for row in rows}
    zones = {code: await put_zone(db, code, name) for code, name in names.items()}
    statement = upsert(Spot)
    told = {name: statement.excluded[name] for name in TOLD_OF_A_SPOT}
    known = [getattr(Spot, name) for name in TOLD_OF_A_SPOT]
    statement = statement.on_conflict_do_update(
        index_elements=[Spot.code],
        set_={**told, "written_in": WRITTEN_IN},
        where=tuple_(*known) != tuple_(*told.values()),
    )
    values = [
        {
            "id": new_id(),
            "zone_id": zones[row.zone],
            "code": row.code,
            "place": row.place,
            "latitude": row.latitude,
            "longitude": row.longitude,
            "exclusive": row.exclusive,
        }
        for row in rows
    ]
    if values:  # a file may tell of outlines alone
        await db.execute(statement, values)


def _spot_rows(text: str) -> list[SpotRow]:
    rows: list[SpotRow] = []
    zone_names: dict[str, str] = {}
    seen: set[str] = set()
    faults = Faults()
    for line, fields in csv_lines(text, SPOT_FILE_COLUMNS, faults):
        with faults.gathered(*at_line(line)):
            row = _spot_row(fields)
            _refuse_twice(row, seen, zone_names)
            seen.add(row.code)
            rows.append(row)
    faults.refuse_any()
    return rows


def csv_lines(
    text: str, columns: Sequence[str], faults: Faults
) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of a CSV with their numbers, without those that are no such lines.

    Raises FileRefused of another file than one with these columns.
    """
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff"), newline=""), strict=True)
    try:
        if tuple(reader.fieldnames or ()) != tuple(columns):
            wanted = ",".join(columns)
            raise FileRefused(f"the first line must be: {wanted}", f"baris pertama harus: {wanted}")
        for row in reader:
            if None in row or None in row.values():
                faults.found += FileRefused.in_line(
                    reader.line_num,
                    "not as many fields as the first line has",
                    "banyaknya kolom tidak sama dengan baris pertama",
                ).faults
            else:
                yield reader.line_num, row
    except csv.Error as exc:
        faults.found += FileRefused.in_line(
            reader.line_num + 1, f"not sound CSV ({exc})", f"bukan CSV yang benar ({exc})"
        ).faults


def at_line(line: int) -> tuple[str, str]:
    return f"line {line}: ", f"baris {line}: "


def _refuse_twice(row: SpotRow, seen: set[str], zone_names: dict[str, str]) -> None:
    """Raises FileRefused of what does not agree with the lines above."""
    if row.code in seen:
        raise stands_twice(row.code)
    if zone_names.setdefault(row.zone, row.zone_name) != row.zone_name:
        raise named_otherwise(row.zone)


def _spot_row(row: dict[str, str]) -> SpotRow:
    """One line's values; raises FileRefused."""
    if not all(value.strip() and value.isprintable() for value in _one_line(row)):
        raise FileRefused(
            "a field is empty or holds a character that cannot be printed",
            "ada kolom yang kosong atau memuat karakter yang tidak dapat dicetak",
        )
    code = code_of(row["spot"])
    try:
        latitude, longitude = float(row["latitude"]), float(row["longitude"])
    except ValueError as exc:
        raise FileRefused(
            "latitude or longitude is not a number", "latitude atau longitude bukan angka"
        ) from exc
    check_position(latitude, longitude)
    check_zone(row["zone"], code)
    if row["exclusive"] not in ("yes", "no"):
        raise FileRefused("exclusive must be yes or no", "exclusive harus yes atau no")
    place = " ".join(row["place"].split())
    exclusive = row["exclusive"] == "yes"
    return SpotRow(row["zone"], row["zone_name"], code, place, latitude, longitude, exclusive)


# What any file of spots can have wrong


def code_of(text: str) -> str:
    """The canonical code of one in a file; raises FileRefused of a mistyped one."""
    try:
        return canonical(text)
    except SpotCodeMistyped as exc:
        raise refusal(exc, text) from exc


def refusal(problem: Problem, what: str) -> FileRefused:
    return FileRefused(f"{problem.title_en} ({what[:30]})", f"{problem.title_id} ({what[:30]})")


def check_position(latitude: float, longitude: float) -> None:
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        turned = abs(latitude) > 90 >= abs(longitude)
        raise FileRefused(
            "latitude or longitude out of range" + (" (longitude comes first)" if turned else ""),
            "latitude atau longitude di luar batas"
            + (" (longitude lebih dahulu)" if turned else ""),
        )


def check_zone(zone: str, code: str = "") -> None:
    """Raises FileRefused of a zone that cannot be, or that the spot of `code` is not of."""
    if re.fullmatch(ZONE_CODE, zone) is None:
        raise FileRefused(
            f"zone {zone[:30]} is not three capital letters",
            f"zona {zone[:30]} bukan tiga huruf besar",
        )
    if code and not code.startswith(f"{zone}-"):
        raise FileRefused(
            f"spot {code} is not of zone {zone}", f"titik {code} bukan dari zona {zone}"
        )


def stands_twice(code: str) -> FileRefused:
    return FileRefused(f"spot {code} stands twice", f"titik {code} disebut dua kali")


def named_otherwise(zone: str) -> FileRefused:
    return FileRefused(
        f"zone {zone} has another name above", f"zona {zone} bernama lain di atasnya"
    )


def _one_line(row: dict[str, str]) -> list[str]:
    """The fields, with the line breaks that a spreadsheet's quoted cells may have taken out."""
    return [" ".join(value.splitlines()) for value in row.values()]


async def put_zone(db: AsyncSession, code: str, name: str) -> UUID:
    statement = upsert(Zone).values(id=new_id(), code=code, name=name)
    put: UUID | None = await db.scalar(
        statement.on_conflict_do_update(
            index_elements=[Zone.code], set_={"name": statement.excluded.name}
        ).returning(Zone.id)
    )
    if put is None:
        raise FileRefused(f"zone {code} could not be stored", f"zona {code} tidak dapat disimpan")
    return put


async def add_tariff(db: AsyncSession, zone_code: str, version: dict[str, Any]) -> None:
    """Put a version in force that nobody has to agree to, as sample data.

    The same version again is harmless, also when another one has ended it; an overlap is refused.
    """
    tariff = tariff_from_json(version)
    of_zone = await zone_id(db, zone_code)
    known = await db.scalar(
        select(Tariff.version).where(
            Tariff.zone_id == of_zone,
            Tariff.valid_from == tariff.valid_from,
            Tariff.event.is_(None) if not tariff.event else Tariff.event == tariff.event,
            Tariff.taken_back_by.is_(None),
        )
    )
    until = version.get("valid_until")
    if known is not None and {**known, "valid_until": until} == {**version, "valid_until": until}:
        return
    await put_in_force(db, of_zone, version)


async def put_in_force(db: AsyncSession, of_zone: UUID, version: dict[str, Any]) -> UUID:
    """A new version of a zone's prices, beside those there are. Returns its id."""
    tariff = tariff_from_json(version)
    made = Tariff(
        id=new_id(),
        zone_id=of_zone,
        regulation=tariff.regulation,
        valid_from=tariff.valid_from,
        valid_until=tariff.valid_until,
        version=version,
        event=tariff.event or None,
    )
    db.add(made)
    await db.flush()
    return made.id


async def end_before(db: AsyncSession, of_zone: UUID, day: date) -> None:
    """Let the ordinary version in force on `day`, which began before it, end the day before."""
    await db.execute(
        text(
            """UPDATE tariffs SET valid_until = CAST(:day AS date) - 1, version = jsonb_set(version,
                    '{valid_until}', to_jsonb(to_char(CAST(:day AS date) - 1, 'YYYY-MM-DD')))
                WHERE zone_id = :zone AND event IS NULL AND taken_back_by IS NULL
                  AND valid_from < :day
                  AND (valid_until IS NULL OR valid_until >= :day)"""
        ),
        {"zone": of_zone, "day": day},
    )


async def take_back(
    db: AsyncSession, of_zone: UUID, day: date, event: str | None, proposal: UUID
) -> None:
    """Let the version that begins on `day` never be in force.

    The ordinary one before it goes on, and ends again as it was agreed. Raises TariffNotThere or
    TariffNotLast.
    """
    standing = (
        Tariff.zone_id == of_zone,
        Tariff.taken_back_by.is_(None),
        Tariff.event.is_not_distinct_from(event),
    )
    if event is None and await db.scalar(
        select(Tariff.id).where(*standing, Tariff.valid_from > day).limit(1)
    ):
        raise TariffNotLast
    taken = await db.scalar(
        update(Tariff)
        .where(*standing, Tariff.valid_from == day)
        .values(taken_back_by=proposal)
        .returning(Tariff.id)
    )
    if taken is None:
        raise TariffNotThere
    if event is not None:
        return
    await db.execute(
        text(
            """UPDATE tariffs t SET valid_until = was.until,
                    version = jsonb_set(t.version, '{valid_until}',
                        coalesce(to_jsonb(to_char(was.until, 'YYYY-MM-DD')), 'null'))
                FROM (
                    SELECT b.id, CAST(p.version->>'valid_until' AS date) AS until
                    FROM tariffs b LEFT JOIN tariff_proposals p ON p.tariff_id = b.id
                    WHERE b.zone_id = :zone AND b.valid_until = CAST(:day AS date) - 1
                      AND b.taken_back_by IS NULL AND b.event IS NULL
                ) was WHERE t.id = was.id"""
        ),
        {"zone": of_zone, "day": day},
    )
