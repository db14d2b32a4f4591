"""Asking for payments, and having their charges issued.

Two short transactions stand around the acquirer's call, and the charges that are asked for or
issued at the same time share them. A crash in between leaves a charge `issuing`, and the inquiry
job finds out what the acquirer booked.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import ChargeEvent, ChargeKind, ChargeState, PaymentState, advance_charge
from domain.receipt import mask_plate
from domain.tariff import Quote, TariffError, TariffVersion, VehicleClass, quote
from server.announcements import Announcer
from server.database import Connected, Insertions, Transactions, autocommit, fetch, new_id, quick
from server.errors import Problem, in_the_way
from server.faults import crash_point
from server.group_commit import GroupCommit
from server.parking import service as parking
from server.parking.service import Stay
from server.payments import choices, queries
from server.payments.acquirer import (
    Acquirer,
    AcquirerRefused,
    Acquirers,
    AcquirerUnknown,
    ConsumerPayment,
    IssuedBarcode,
)
from server.payments.books import Books
from server.payments.models import Charge, ChargeChange, Payment, PooledCharge
from server.payments.service import (
    ChargeNotFound,
    IdempotencyConflict,
    advance,
    release_stay,
    unfit_barcode,
)
from server.spots import closures
from server.spots import service as spots
from server.spots.service import KnownSpot

log = structlog.get_logger()

Work = TypeVar("Work")
Done = TypeVar("Done")

OPENED = advance_charge(ChargeState.NEW, ChargeEvent.ISSUE_REQUESTED)
FIRST_INQUIRY = timedelta(seconds=2)
LONGEST_OPENING_S = 5.0
"""A charge that took longer to be opened is not asked for any more: the acquirer's answer could
come after an inquiry was told, and believed, that there is no such charge."""
LONGEST_STAY_MINUTES = 24 * 60
BOOKED_AS_TOLD = hashlib.sha256(b"cash that officers booked as a handheld told it").digest()
"""Stands where the hash of a request would, of a charge that no request of a handheld made."""


class StayNotPriced(Problem):
    slug = "stay-not-priced"
    status = 422
    title_id = "Lama parkir belum dapat dihitung; isi berapa menit"
    title_en = "The stay cannot be priced; say how many minutes"


class NothingToPay(Problem):
    slug = "nothing-to-pay"
    status = 409
    title_id = "Tidak ada yang perlu dibayar"
    title_en = "There is nothing to pay"


@dataclass(frozen=True)
class PaymentRequest:
    """What a driver or an attendant asks for; `charge_id` is made by the asker."""

    charge_id: UUID
    spot_code: str
    vehicle_class: VehicleClass
    plate: str | None = None
    minutes: int | None = None
    shift_id: UUID | None = None
    kind: ChargeKind = ChargeKind.MPM
    pooled_for: UUID | None = None
    """The device that keeps the barcode for later, when it may have no connection."""
    consumer_qr: str = field(default="", repr=False)
    """What the driver's phone showed, for a CPM charge; it pays, so it is kept nowhere."""
    voucher: str = ""
    """The serial of the voucher that a VOUCHER charge is paid by."""
    stay_id: UUID | None = None
    """The stay to collect a further part of; without one, the payment starts a stay."""
    told_rp: int = 0
    """The cash in hand, where only the handheld could say how much was owed."""
    taken_offline: bool = False
    """Whether the voucher was taken while nobody could be asked."""
    booked_as_told: bool = False
    """Whether officers had it booked, as an event told it that was held."""

    @property
    def is_in_hand(self) -> bool:
        """Whether it tells of what was taken already: that is booked, whatever is in its way."""
        return self.kind is ChargeKind.CASH or self.taken_offline

    def fingerprint(self) -> bytes:
        if self.booked_as_told:
            return BOOKED_AS_TOLD
        # The plate only as it is kept, so that nobody can find it by trying hashes.
        plate = mask_plate(self.plate) if self.plate else None
        parts: tuple[object, ...] = (
            self.kind.value, self.spot_code, self.vehicle_class.value, plate, self.minutes
        )  # fmt: skip
        if self.pooled_for is not None:
            parts += (self.pooled_for.hex,)
        if self.voucher:
            parts += (self.voucher,)
        if self.stay_id is not None:
            parts += ("stay", self.stay_id.hex)
        if self.told_rp:
            parts += ("told", self.told_rp)
        return hashlib.sha256(repr(parts).encode()).digest()


@dataclass(frozen=True)
class Wanted:
    """A request, how long its charge shall be payable, and when it came."""

    request: PaymentRequest
    lifetime: timedelta
    at: datetime


class Opened(Protocol):
    """A charge that is recorded, and to be issued now: of a stay, or of a pass."""

    @property
    def id(self) -> UUID: ...
    @property
    def kind(self) -> ChargeKind: ...
    @property
    def consumer_qr(self) -> str: ...
    @property
    def acquirer(self) -> str: ...
    @property
    def reference(self) -> str: ...
    @property
    def amount_rp(self) -> int: ...
    @property
    def opened_at(self) -> datetime: ...
    @property
    def expires_at(self) -> datetime: ...
    def fingerprint(self) -> bytes: ...


@dataclass(frozen=True)
class OpenCharge:
    """The opened charge of a stay, or of a part of one."""

    request: PaymentRequest
    stay: Stay
    tariff_id: UUID
    quote: Quote
    acquirer: str
    opened_at: datetime
    expires_at: datetime
    charged_before_rp: int = 0

    @property
    def id(self) -> UUID:
        return self.request.charge_id

    @property
    def reference(self) -> str:
        return self.id.hex

    @property
    def amount_rp(self) -> int:
        return self.quote.amount_rp

    @property
    def kind(self) -> ChargeKind:
        return self.request.kind

    @property
    def consumer_qr(self) -> str:
        return self.request.consumer_qr

    def fingerprint(self) -> bytes:
        return self.request.fingerprint()


Chooser = Callable[[UUID, Wanted], tuple[str, timedelta]]
"""Who issues what is wanted in a zone, and how long that is payable there."""


async def open_charge(
    db: Connected, acquirer: str, books: Books, wanted: Wanted
) -> OpenCharge | None:
    """Insert stay, payment and charge; None when this id was already asked for.

    Raises StartedAlready where the same request, sent twice at once, was quicker.
    """
    [opened] = await _open_charges(db, lambda *_: (acquirer, wanted.lifetime), books, [wanted])
    if isinstance(opened, Problem):
        raise opened
    return opened


async def _open_charges(
    db: Connected, chooser: Chooser, books: Books, group: Sequence[Wanted]
) -> list[OpenCharge | Problem | None]:
    """As `open_charge` for requests of one moment; of one that is refused, the refusal.

    What the database itself refuses is raised, and nothing of the group is inserted.
    """
    now = max(wanted.at for wanted in group)
    asked = await asked_before(db, [wanted.request.charge_id for wanted in group])
    places = await spots.find_all(db, [wanted.request.spot_code for wanted in group])
    zones = {place.zone_id for place in places.values()}
    tariffs = await spots.tariffs_on(db, zones, books.day(now))
    standing = await closures.standing(db, now)
    opened: list[OpenCharge | Problem | None] = []
    for wanted in group:
        try:
            known = was_asked(wanted.request, asked)
            place = places.get(spots.canonical(wanted.request.spot_code))
            if place is not None and not known and not wanted.request.is_in_hand:
                closures.refuse(standing, place.code, now)
            opened.append(None if known else _opening(wanted, place, tariffs, chooser, books, now))
        except Problem as refusal:
            opened.append(refusal)
    charges = [charge for charge in opened if isinstance(charge, OpenCharge)]
    taken = await parking.without_room(db, [charge.stay for charge in charges], now=now)
    await _insert(db, [charge for charge in charges if charge.id not in taken], now)
    return [
        parking.SpotOccupied() if isinstance(charge, OpenCharge) and charge.id in taken else charge
        for charge in opened
    ]


async def _insert(db: Connected, charges: Sequence[OpenCharge], now: datetime) -> None:
    stays = [charge.stay for charge in charges]
    await parking.start(db, insertions_of(charges), stays, now=now)


def insertions_of(charges: Sequence[OpenCharge]) -> Insertions:
    """The rows of charges that are opened now; those of the stays they start come beside them."""
    insertions = Insertions()
    insertions.add(Payment, [_payment_row(charge) for charge in charges])
    add_charges(insertions, charges)
    insertions.add(
        PooledCharge,
        [
            {"charge_id": charge.id, "device_id": charge.request.pooled_for}
            for charge in charges
            if charge.request.pooled_for is not None
        ],
    )
    return insertions


def add_charges(insertions: Insertions, charges: Sequence[Opened]) -> None:
    insertions.add(Charge, [_charge_row(charge) for charge in charges])
    insertions.add(ChargeChange, [_opening_row(charge) for charge in charges])


def _opening(
    wanted: Wanted,
    place: KnownSpot | None,
    tariffs: Mapping[UUID, tuple[UUID, TariffVersion]],
    chooser: Chooser,
    books: Books,
    now: datetime,
) -> OpenCharge:
    """The charge of a request that starts a stay now; raises why there is none."""
    request = wanted.request
    if place is None:
        raise spots.SpotNotFound
    if place.zone_id not in tariffs:
        raise spots.NoTariff
    tariff_id, tariff = tariffs[place.zone_id]
    starts = now.astimezone(books.timezone)
    ends = None if request.minutes is None else starts + timedelta(minutes=request.minutes)
    quoted = price(tariff, request.vehicle_class, starts, ends)
    if quoted.amount_rp <= 0:
        raise NothingToPay
    plate = mask_plate(request.plate) if request.plate else None
    found_by = books.plate_hash(request.plate) if request.plate else None
    stay = Stay(
        request.charge_id,
        place,
        request.vehicle_class,
        plate,
        ends,
        found_by,
        reserved=request.pooled_for is not None,
    )
    acquirer, lifetime = chooser(place.zone_id, wanted)
    return OpenCharge(request, stay, tariff_id, quoted, acquirer, now, now + lifetime)


def price(
    tariff: TariffVersion, vehicle_class: VehicleClass, starts: datetime, ends: datetime | None
) -> Quote:
    """The tariff's quote for a stay; raises StayNotPriced."""
    try:
        return quote(tariff, vehicle_class, starts, ends)
    except TariffError as exc:
        raise StayNotPriced(str(exc)) from exc


def _payment_row(charge: OpenCharge) -> dict[str, Any]:
    return {
        "id": charge.id,
        "parking_session_id": charge.stay.id,
        "tariff_id": charge.tariff_id,
        "shift_id": charge.request.shift_id,
        "amount_rp": charge.amount_rp,
        "quote": [asdict(line) for line in charge.quote.lines],
        "charged_before_rp": charge.charged_before_rp,
        "covers_until": charge.stay.ends_at,
        "state": PaymentState.REQUESTED.value,
        "requested_at": charge.opened_at,
    }


def _charge_row(charge: Opened) -> dict[str, Any]:
    return {
        "id": charge.id,
        "payment_id": charge.id,
        "kind": charge.kind.value,
        "acquirer": charge.acquirer,
        "reference": charge.reference,
        "amount_rp": charge.amount_rp,
        "state": OPENED.value,
        "request_hash": charge.fingerprint(),
        "created_at": charge.opened_at,
        "expires_at": charge.expires_at,
        "next_inquiry_at": charge.opened_at + FIRST_INQUIRY,
    }


def _opening_row(charge: Opened) -> dict[str, Any]:
    return {
        "id": new_id(),
        "charge_id": charge.id,
        "changed_at": charge.opened_at,
        "state_before": ChargeState.NEW.value,
        "state_after": OPENED.value,
        "who": "request",
        "why": "requested",
    }


async def asked_before(db: Connected, charge_ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """The fingerprints of the requests that used these ids before."""
    rows = await fetch(
        db, "SELECT id, request_hash FROM charges WHERE id = ANY($1::uuid[])", charge_ids
    )
    return {row["id"]: row["request_hash"] for row in rows}


def is_known(charge_id: UUID, fingerprint: bytes, asked: Mapping[UUID, bytes]) -> bool:
    """Whether an id was asked for; raises IdempotencyConflict where it was for something else."""
    known = asked.get(charge_id)
    if known not in (None, fingerprint):
        raise IdempotencyConflict
    return known is not None


def was_asked(request: PaymentRequest, asked: Mapping[UUID, bytes]) -> bool:
    """As `is_known`. Cash that officers booked is known whatever else its request says: they knew
    of no plate, and of no stay."""
    if request.kind is ChargeKind.CASH and asked.get(request.charge_id) == BOOKED_AS_TOLD:
        return True
    return is_known(request.charge_id, request.fingerprint(), asked)


async def asked_at_once(
    transactions: Transactions, request: PaymentRequest, refusal: Exception
) -> UUID:
    """The charge that the same request got, which was sent twice at once and whose stay is in the
    way of its own; raises IdempotencyConflict, or the refusal where it was no such thing.
    """
    async with autocommit(transactions) as db:
        asked = await asked_before(db, [request.charge_id])
    if not was_asked(request, asked):
        raise refusal
    return request.charge_id


Outcome = IssuedBarcode | ConsumerPayment | AcquirerRefused | AcquirerUnknown


@dataclass(frozen=True)
class Issued:
    """A charge with the barcode that the acquirer answered."""

    charge: Opened
    barcode: IssuedBarcode


class Issuer:
    """Where one process has its charges issued."""

    def __init__(
        self, transactions: Transactions, acquirers: Acquirers, announcer: Announcer, books: Books
    ) -> None:
        self._transactions = transactions
        self._acquirers = acquirers
        self._announcer = announcer
        self._books = books
        self._openings = GroupCommit(self._open, lambda wanted: (wanted.request.charge_id,))
        self._issues = GroupCommit(self._record_issued, lambda issued: (issued.charge.id,))

    async def request(self, request: PaymentRequest, *, lifetime: timedelta, now: datetime) -> UUID:
        """Quote, record and issue one charge; asked again with the same id, it is the same one."""
        began = time.monotonic()
        try:
            charge = await _together(self._openings, self._open, Wanted(request, lifetime, now))
            if isinstance(charge, Problem):
                raise charge
        except (parking.StartedAlready, parking.SpotOccupied) as refusal:
            return await asked_at_once(self._transactions, request, refusal)
        if charge is not None:
            await self.issue(charge, began)
        return request.charge_id

    async def issue(self, charge: Opened, began: float) -> None:
        """Have a charge issued that is recorded; `began` is when its opening did (monotonic)."""
        crash_point("requested-not-generated")
        outcome: Outcome = AcquirerUnknown("too late to ask")
        if time.monotonic() - began < LONGEST_OPENING_S:
            outcome = await self._ask(charge)
        crash_point("generated-not-recorded")
        try:
            await self._record(charge, outcome)
        except IntegrityError:  # which of our charges it means, only the acquirer can tell
            unclear = AcquirerUnknown("the acquirer's reference is that of another charge")
            await self._record(charge, unclear)
        crash_point("issued-not-answered")
        self._announcer.announce(charge.id)

    async def _open(self, group: Sequence[Wanted]) -> list[OpenCharge | Problem | None]:
        async with quick(self._transactions) as db:
            chosen = await self._choices(db, max(wanted.at for wanted in group))

            def chooser(zone_id: UUID, wanted: Wanted) -> tuple[str, timedelta]:
                kind = wanted.request.kind
                profile = choices.issuing_at(self._acquirers, chosen, zone_id, kind).profile
                return profile.name, profile.validity(wanted.lifetime)

            opened = await _open_charges(db, chooser, self._books, group)
            crash_point("requested-not-committed")
        return opened

    async def acquirer_for(
        self, db: AsyncSession, zone_id: UUID | None, kind: ChargeKind, now: datetime
    ) -> Acquirer:
        """Who issues a charge that is opened now, of a zone, or of none."""
        return choices.issuing_at(self._acquirers, await self._choices(db, now), zone_id, kind)

    async def issuing_by_zone(
        self, db: AsyncSession, zone_ids: Collection[UUID], now: datetime
    ) -> dict[UUID, str]:
        """Who issues barcodes in these zones now."""
        chosen, kind = await self._choices(db, now), ChargeKind.MPM
        return {
            zone_id: choices.issuing_at(self._acquirers, chosen, zone_id, kind).profile.name
            for zone_id in zone_ids
        }

    async def _choices(self, db: Connected, now: datetime) -> Sequence[choices.InForce]:
        """What officers chose; where there is one acquirer only, nobody needs to be asked."""
        return await choices.in_force(db, now) if len(self._acquirers) > 1 else ()

    async def _ask(self, charge: Opened) -> Outcome:
        """Ask the acquirer, with no transaction open. An outcome is data, never an exception."""
        wanted = (charge.reference, charge.amount_rp)
        acquirer = self._acquirers[charge.acquirer]
        try:
            if charge.kind is ChargeKind.CPM:
                return await acquirer.pay_consumer(*wanted, charge.consumer_qr, charge.expires_at)
            barcode = await acquirer.generate(*wanted, charge.expires_at)
        except (AcquirerRefused, AcquirerUnknown) as exc:
            return exc
        unfit = unfit_barcode(barcode.qris, charge.amount_rp)
        return AcquirerUnknown(unfit) if unfit else barcode

    async def _record(self, charge: Opened, outcome: Outcome) -> None:
        state: str = ChargeState.ISSUED
        if not (
            isinstance(outcome, IssuedBarcode)
            and await _together(self._issues, self._record_issued, Issued(charge, outcome))
        ):
            async with self._transactions.begin() as db:
                locked = await queries.lock_charge(db, charge.acquirer, charge.reference)
                if locked is None:
                    raise ChargeNotFound
                await _record_issue(db, locked, outcome, charge.opened_at)
                state = locked.state
                crash_point("issued-not-committed")
        log.info("issued", charge_id=str(charge.id), state=state)

    async def _record_issued(self, group: Sequence[Issued]) -> list[bool]:
        """Record barcodes in one statement; False for a charge where something else was quicker."""
        async with quick(self._transactions) as db:
            rows = await fetch(
                db,
                ISSUED,
                [issued.charge.id for issued in group],
                [issued.barcode.acquirer_reference for issued in group],
                [issued.barcode.qris for issued in group],
                [new_id() for _ in group],
                [issued.charge.opened_at for issued in group],
                OPENED,
                advance_charge(OPENED, ChargeEvent.ISSUE_ACCEPTED),
            )
            crash_point("issued-not-committed")
        recorded = {row["charge_id"] for row in rows}
        return [issued.charge.id in recorded for issued in group]


async def _together(
    groups: GroupCommit[Work, Done],
    commit: Callable[[Sequence[Work]], Awaitable[Sequence[Done]]],
    work: Work,
) -> Done:
    """The outcome of a piece of work in its group; alone, where what one of them needs is held.

    An acquirer tells its notifications again. A driver who asks would have been refused for the
    sake of another's spot, and nobody would bring the barcode again.
    """
    try:
        return await groups.do(work)
    except DBAPIError as exc:
        if not in_the_way(exc):
            raise
    [outcome] = await commit([work])
    return outcome


# Locked in one order, as notifications of the same charges are.
ISSUED = """
    WITH told AS (
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[])
            AS told (charge_id, reference, qris, change_id, at)
    ), waiting AS (
        SELECT id FROM charges WHERE id = ANY($1) AND state = $6 ORDER BY id FOR UPDATE
    ), issued AS (
        UPDATE charges SET state = $7, acquirer_reference = told.reference, qris = told.qris
        FROM waiting JOIN told ON told.charge_id = waiting.id
        WHERE charges.id = waiting.id RETURNING charges.id
    )
    INSERT INTO charge_changes (id, charge_id, changed_at, state_before, state_after, who, why)
    SELECT told.change_id, told.charge_id, told.at, $6, $7, 'acquirer', 'issued'
    FROM issued JOIN told ON told.charge_id = issued.id
    RETURNING charge_id
"""


async def _record_issue(db: AsyncSession, charge: Charge, outcome: Outcome, now: datetime) -> None:
    """Record how our call ended, unless a notification or an inquiry was quicker."""
    if isinstance(outcome, IssuedBarcode | ConsumerPayment):
        charge.acquirer_reference = outcome.acquirer_reference
        if isinstance(outcome, IssuedBarcode):
            charge.qris = outcome.qris
        elif charge.next_inquiry_at is not None:
            charge.next_inquiry_at = now  # the driver's wallet decides in seconds
        if charge.state == ChargeState.ISSUING:
            await advance(
                db, charge, ChargeEvent.ISSUE_ACCEPTED, who="acquirer", why="issued", now=now
            )
        elif charge.state == ChargeState.ISSUE_UNKNOWN:
            await advance(
                db, charge, ChargeEvent.ISSUE_FOUND, who="acquirer", why="issued", now=now
            )
    elif charge.state != ChargeState.ISSUING:
        return
    elif isinstance(outcome, AcquirerRefused):
        await advance(
            db, charge, ChargeEvent.ISSUE_REJECTED, who="acquirer", why=str(outcome), now=now
        )
        charge.next_inquiry_at = None
        await release_stay(db, charge)
    else:
        await advance(
            db, charge, ChargeEvent.ISSUE_UNANSWERED, who="acquirer", why=str(outcome), now=now
        )
