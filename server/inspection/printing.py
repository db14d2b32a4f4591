"""What the office prints of its signs, and files of what hangs at spots: for commands and pages."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

import qris
from domain import sign_link
from server.errors import FileRefused, Problem
from server.inspection import signs as posted_codes
from server.inspection.models import SpotFile
from server.ledger import service as ledger
from server.paging import Page, page
from server.payments import queries
from server.payments.books import Books
from server.payments.vouchers import NoSeal
from server.reconciliation.previews import undone
from server.spots import geojson, signs
from server.spots import service as spots
from server.spots.service import KnownSpot
from server.spots.sheets import Sheet
from server.spots.signs import Planned


class MerchantUnnamed(Problem):
    slug = "merchant-unnamed"
    status = 409
    title_id = "Nama yang ditampilkan dompet belum diketahui; isi KARCIS_MERCHANT_NAME"
    title_en = "What name do wallets show? Set KARCIS_MERCHANT_NAME"


# Sheets of signs


@dataclass(frozen=True)
class Drawing:
    """What is to be drawn, as it stands in the registry and the tariffs now."""

    planned: list[Planned]
    sheets: list[Sheet]
    key_id: str

    @property
    def new(self) -> int:
        return sum(each.is_new for each in self.planned)


async def plan(
    db: AsyncSession,
    books: Books,
    wanted: Sequence[KnownSpot],
    merchant: str,
    *,
    replace: bool,
    now: datetime,
) -> Drawing:
    """The signs of these spots; `merchant` is the name of settings, else the last barcode's.

    Raises NoSeal, MerchantUnnamed or NoTariff.
    """
    if books.seal is None:
        raise NoSeal("KARCIS_PROOF_KEY")
    barcode = await queries.newest_barcode(db)
    merchant = merchant or (qris.parse(barcode).name if barcode else "")
    if not merchant:
        raise MerchantUnnamed
    planned = await signs.plan(db, wanted, books.seal.key_id, replace=replace)
    zones = {spot.zone_id for spot in wanted}
    tariffs = await spots.tariffs_on(db, zones, books.day(now), ordinary=True)
    sheets = []
    for spot, version in ((each.spot, each.version) for each in planned):
        if spot.zone_id not in tariffs:
            raise spots.NoTariff(spot.zone_name)
        sheet = Sheet(
            link=sign_link.make(books.seal, books.base_url, spot.code, version),
            site=books.base_url,
            spot_code=spot.code,
            version=version,
            place=spot.place,
            zone=spot.zone_name,
            regency=books.regency,
            agency=books.agency,
            merchant=merchant,
            complaint=books.complaint,
            tariff=tariffs[spot.zone_id][1],
            porporasi=books.porporasi,
        )
        sheets.append(sheet)
    return Drawing(planned, sheets, books.seal.key_id)


async def wanted(
    db: AsyncSession, codes: Sequence[str] | None, zone: str | None
) -> list[KnownSpot]:
    """The spots of these codes, as they were named and each once; else of a zone, or all.

    Raises SpotCodeMistyped, SpotNotFound or ZoneNotFound.
    """
    if codes:
        return list({spot.id: spot for spot in [await spots.find(db, c) for c in codes]}.values())
    found = [s for s in await spots.all_spots(db) if zone is None or s.zone_code == zone]
    if not found:
        raise spots.ZoneNotFound(zone) if zone else spots.SpotNotFound
    return found


# Files


Kind = Literal["spots", "codes"]
"""What a file tells of: spots with their zones, or the codes that are posted at spots."""


@dataclass(frozen=True)
class Change:
    """A line of what a file would do: of what, as it stands, and as the file has it."""

    of: str
    before: str
    after: str


@dataclass(frozen=True)
class Preview:
    rows: int
    changes: list[Change]

    @property
    def added(self) -> int:
        return sum(not change.before for change in self.changes)

    @property
    def gone(self) -> int:
        return sum(not change.after for change in self.changes)

    @property
    def changed(self) -> int:
        return len(self.changes) - self.added - self.gone


async def take_in(
    db: AsyncSession, kind: Kind, name: str, content: bytes, who: str, *, now: datetime
) -> SpotFile:
    """Posted codes from CSV, or spots, with accounts for their zones; all or nothing.

    Spots may come as GeoJSON, where the name says so. Returns the record of it; raises FileRefused
    naming all that is wrong.
    """
    did = await _put_in(db, kind, name, content, now=now)
    record = SpotFile(
        kind=kind,
        name=name,
        sha256=hashlib.sha256(content).digest(),
        rows=did.rows,
        added=did.added,
        changed=did.changed,
        gone=did.gone,
        who=who,
        taken_at=now,
    )
    db.add(record)
    await db.flush()
    return record


async def taken_in(
    db: AsyncSession, before: str | None, kind: Kind | None = None
) -> Page[SpotFile]:
    """The files there were, of one kind or of both; the newest first."""
    files = select(SpotFile)
    asked = files.where(SpotFile.kind == kind) if kind else files
    return await page(db, asked, (SpotFile.id,), before, lambda file: file)


async def preview(
    db: AsyncSession, kind: Kind, name: str, content: bytes, *, now: datetime
) -> Preview:
    """Raises FileRefused as taking it in would."""
    async with undone(db):
        return await _put_in(db, kind, name, content, now=now)


async def _put_in(
    db: AsyncSession, kind: Kind, name: str, content: bytes, *, now: datetime
) -> Preview:
    told = _spots_told if kind == "spots" else _codes_told
    before = await told(db)
    rows = await _read_in(db, kind, name, content, now=now)
    return Preview(rows, _changes(before, await told(db)))


async def _read_in(
    db: AsyncSession, kind: Kind, name: str, content: bytes, *, now: datetime
) -> int:
    """How many rows there were."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise FileRefused("not text in UTF-8", "bukan teks UTF-8") from exc
    if kind == "codes":
        return await posted_codes.import_codes(db, text, now=now)
    is_geojson = name.lower().endswith((".geojson", ".json"))
    count = await (geojson.import_features if is_geojson else spots.import_spots)(db, text)
    await ledger.open_accounts(db, await spots.zone_names(db))
    return count


Told = dict[tuple[str, ...], str]
"""In words, by what each is of and whatever else tells it apart."""


def _changes(before: Told, after: Told) -> list[Change]:
    return [
        Change(each[0], before.get(each, ""), after.get(each, ""))
        for each in sorted(before | after)
        if before.get(each) != after.get(each)
    ]


async def _spots_told(db: AsyncSession) -> Told:
    """All that a file of spots can change; places as they are stored, to the last digit."""
    told: Told = {(code,): name for code, name in await spots.zone_names(db)}
    for spot in await spots.all_spots(db):
        kind = "1" if spot.exclusive else "2+"
        told[spot.code,] = f"{spot.place} ({spot.latitude}, {spot.longitude}; {kind})"
    for zone, outline in await geojson.outlines(db):
        corners = sum(len(ring) for ring in geojson.rings(outline))
        alike = hashlib.sha256(json.dumps(outline, sort_keys=True).encode()).hexdigest()[:16]
        told[f"{zone}: GeoJSON",] = f"{outline['type']}, {corners} × [lon, lat] ({alike})"
    return told


async def _codes_told(db: AsyncSession) -> Told:
    """A code with another value anywhere is another code: the first is retired."""
    told: Told = {}
    for code in await posted_codes.posted(db):
        if not code.retired:
            values = (code.nmid, code.pan, code.criteria, code.mcc, code.amount_rp)
            known = [str(value) for value in values if value is not None]
            words = ", ".join([code.name, *known])
            told[code.spot_code, words] = words
    return told
